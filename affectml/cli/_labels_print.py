"""How `affectml label` prints: tables for people, JSON for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import typer

from affectml.cli._print import print_json, print_table
from affectml.people.labelling import task_words
from affectml_annotation import Aggregate, LabelStore
from affectml_annotation.agreement import AgreementReport
from affectml_annotation.store import keeping
from affectml_annotation.store.backup import Backup, Restored
from affectml_annotation.store.checking import INVARIANTS, Broken
from affectml_annotation.store.place import way_back
from affectml_annotation.study.overview import as_text

GROUP_ROWS = 8  # of the comparison of groups; --json has all

TORN = {"file", "backup", "schema", "keys"}  # invariants that a file breaks which is damaged or not ours


def records(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Rows as plain values; nan is None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def _cell(value: Any) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _print_frame(title: str, table: pd.DataFrame) -> None:
    print_table(title, list(table.columns), [[_cell(cell) for cell in row] for row in table.itertuples(index=False)])


def _duration(seconds: float) -> str:
    if np.isnan(seconds):
        return "unknown until people answer"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min"


def show_status(store: LabelStore, json: bool) -> None:
    """Progress of the task, who did what, and its backups."""
    where, progress, people = store.database.where, store.progress(), store.annotators()
    rows = people.drop(columns=["chip_order", "attributes"])
    if json:
        values = {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(progress).items()}
        values |= {"people": records(rows), "skipped": store.skipped_images(), "backups": keeping.about(store)}
        print_json({"db": where, **values})
        return
    share = progress.answered / progress.wanted if progress.wanted else 1.0
    rate = "-" if np.isnan(progress.rate) else f"{progress.rate:.0f} answers an hour"
    print_table(
        "Progress",
        ("what", "value"),
        [
            ("database", where),
            ("answers", f"{progress.answered} of {progress.wanted} ({share:.1%})"),
            ("images complete", f"{progress.complete} of {progress.images}"),
            ("out now", progress.claimed),
            ("open conflicts", progress.conflicts),
            ("rate", rate),
            ("time left at this rate", _duration(progress.seconds_left)),
        ],
        numbers=False,
    )
    print("\n".join([keeping.said(store), *task_words(store, people)]))
    spoken = people["answered_in"].map(", ".join)
    rows = rows.drop(columns=["language", "answered_in"]).assign(**({"languages": spoken} if spoken.any() else {}))
    rows = rows.assign(last_answer=[_cell(v) if pd.isna(v) else f"{v:%Y-%m-%d %H:%M}" for v in rows["last_answer"]])
    _print_frame("Annotators", rows)


def show_agreement(where: str, report: AgreementReport, json: bool) -> None:
    """The agreement report."""
    if json:
        print_json({"of": where, **report.to_dict()})
        return
    print(f"judgements of {where}")
    alphas = {**{f"sets, {name}": a for name, a in report.sets.items()}, **report.numbers}
    print_table(
        "Krippendorff's alpha",
        ("of", "alpha [95 %]", "images", "judgements"),
        [(name, str(alpha), alpha.images, alpha.judgements) for name, alpha in alphas.items()],
    )
    _print_frame("Each label", report.labels)
    people = report.annotators
    _print_frame("Each annotator", people[[name for name in people.columns if not name.startswith("use:")]])
    if (compared := report.groups) is not None:
        if len(compared.differences):
            _print_frame(
                f"Rates by {compared.by}, the largest differences first", compared.differences.head(GROUP_ROWS)
            )
        for line in compared.words():
            print(line)


def show_aggregate(where: str, made: Aggregate, out: Path | None, json: bool) -> None:
    """What an aggregation made."""
    values = np.asarray(made.values, dtype=float)
    mean = values.sum(axis=0) / (made.n.sum() if made.values_are == "votes" else max(len(values), 1))
    about = {
        "of": where, "method": made.method, "kind": made.kind, "values": made.values_are,
        "vote_rule": made.vote_rule, "images": len(made.image_id), "made_by": made.made_by,
        "left_out": made.left_out, "out": None if out is None else str(out),
    }  # fmt: skip
    if json:
        means = {label: float(m) for label, m in zip(made.labels, mean, strict=True)}
        people = None if made.annotators is None else records(made.annotators)
        print_json({**about, "mean": means, "annotators": people})
        return
    print_table("Aggregated", ("what", "value"), [(k, v) for k, v in about.items() if v], numbers=False)
    print_table("Labels", ("label", "mean"), [(k, f"{v:.3f}") for k, v in zip(made.labels, mean, strict=True)])
    if made.annotators is not None:
        _print_frame("Annotators", made.annotators)


def show_export(told: dict[str, Any], json: bool) -> None:
    """What an export did."""
    if json:
        print_json(told)
        return
    if told["format"] != "dataset":
        print(f"{told['rows']} judgements written to {told['to']}, from {told['db']}")
    else:
        print(f"{told['to']} holds the {told['rows']} judgements of {told['db']}")
        over = "" if not told["replaced"] else ", written over by the new ones"
        print(f"  {told['new']} new, {told['same']} there already, {told['replaced']} in conflict{over}")
    for note in told["notes"]:
        print(f"  {note}")
    for name in told.get("kept", ()):
        print(f"  kept: {name}")


def show_backup(made: Backup, json: bool) -> None:
    """What a backup holds."""
    if json:
        print_json(asdict(made))
        return
    counts = made.counts
    print(f"{made.file}: all of {made.of}, {counts['event']} answers of {counts['annotator']} people to "
          f"{counts['image']} images, {made.bytes / 1e6:,.1f} MB, read again and found to be right")  # fmt: skip
    print(f"  log {made.log}")


def show_restored(done: Restored, json: bool) -> None:
    """What a database holds once a backup is in place."""
    if json:
        print_json(asdict(done))
        return
    print(f"{done.to}: {done.counts['event']} answers of {done.counts['annotator']} people, as in {done.backup.file}")
    print(f"  log {done.log}")
    if done.erased:
        print(f"  {done.erased} people were erased since it was made, and are not in it; the backup has them still, "
              "and is yours to delete")  # fmt: skip
    if not done.asked:
        print("  no other copy of the task lies near, so that nobody here knows who was erased since: name "
              "another database by --erased, or erase them again")  # fmt: skip
    if done.kept is not None:
        print(f"  kept: {done.kept}")


def show_attention(where: str, report: pd.DataFrame, checks: pd.DataFrame | None, json: bool) -> None:
    """Checks and repeats, person by person."""
    columns = ["annotator_id", "judgements", "checks", "checks_failed", "repeats", "self_agreement"]
    rows = report[[name for name in columns if name in report]]
    if json:
        print_json({"db": where, "checks": 0 if checks is None else len(checks), "annotators": records(rows)})
    else:
        print(f"judgements of {where}")
        _print_frame(f"Attention checks ({0 if checks is None else len(checks)}) and repeats", rows)


def show_check(where: str, broken: Sequence[Broken], json: bool) -> None:
    """What does not hold, and the first rows of each."""
    if json:
        print_json({"db": where, "checked": [*INVARIANTS], "broken": [asdict(one) for one in broken]})
        return
    for one in broken:
        more = f" (the first {len(one.rows)} of {one.count})" if one.count > len(one.rows) else ""
        typer.echo(f"{one.invariant}: does not hold: {one.says}{more}")
        for offender in one.rows:
            typer.echo(f"  {' '.join(f'{name}={_cell(value)}' for name, value in offender.items())}")
    if not broken:
        typer.echo(f"{where}: all {len(INVARIANTS)} invariants hold")
    elif TORN & {one.invariant for one in broken}:
        typer.echo(way_back(where))
    else:
        typer.echo(f"{where}: the file and its log of answers are whole: keep it, no backup has more")


def show_people(people: pd.DataFrame) -> None:
    """How the people of a study work."""
    if len(people):
        _print_frame("People", as_text(people))
