"""How a run, an evaluation and predictions look in the terminal."""

import sys
from typing import TYPE_CHECKING, Any

from affectml.cli._print import print_json, print_table, show_result

if TYPE_CHECKING:
    from pathlib import Path

    from affectml.errors import BadRun
    from affectml.pictures import Bad
    from affectml.predicting import Prediction
    from affectml.predicting.parts import PredictionFile
    from affectml.runs import RunFolder

SHOWN = 50  # images of a table; --out has all
SHOWN_BAD = 10
FIRST = 3  # scores of a run in a list of them
CAREFUL = ("stopping", "languages")  # rules that say to be careful of the scores, which stand below them in any case


def print_trained(run: "RunFolder", *, as_json: bool, verbose: bool) -> None:
    """The table of a finished training and where the run is."""
    if as_json:
        print_json({"run": str(run.folder), **run.metrics, "subgroups": run.subgroups})
        return
    data = run.info.data
    print(f"\n{data.name} ({data.construct}), target {data.target}: {data.kind}; head {run.head.name}")
    _print_metrics(run.metrics, run.info.set_f1_by_tau, run.info.levels, run.subgroups, verbose=verbose)
    print(f"run:    {run.folder}\nreport: {run.folder / 'report.html'}")


def print_runs(runs: "list[RunFolder]", bad: "list[BadRun]", *, as_json: bool) -> None:
    """A line per run; those that cannot be read on standard error."""
    from affectml.page.tables import arrow, cell, headline

    lines = []
    for run in runs:
        scores = run.metrics["systems"]["model"] if (run.folder / "metrics.json").exists() else {}
        lines.append((run, {name: scores[name] for name in headline({"model": scores})[:FIRST]}))
    if as_json:
        print_json(
            [
                {"run": str(run.folder), "data": run.info.data.name, "target": run.info.data.target,
                 "kind": run.info.data.kind, "head": run.info.head.name, "at": run.info.at, "scores": scores}
                for run, scores in lines
            ]
        )  # fmt: skip
    else:
        rows = [
            (run.folder, f"{run.info.data.name}, {run.info.data.target or 'no target'}", run.info.head.name,
             "; ".join(f"{arrow(name)} {cell(score)}" for name, score in scores.items()) or "-")
            for run, scores in lines
        ]  # fmt: skip
        print_table("", ("run", "data", "head", "model's first scores"), rows, numbers=False)
    for error in bad:
        print(f"cannot be read: {error}", file=sys.stderr)


def print_metrics(
    result: "tuple[dict[str, Any], dict[str, dict[str, float]]]", *, as_json: bool, verbose: bool
) -> None:
    """The table of an evaluation."""
    metrics, by_tau = result
    if as_json:
        print_json(metrics)
    else:
        _print_metrics(metrics, by_tau, {}, metrics["subgroups"], verbose=verbose)


def print_predictions(predictions: "list[Prediction]", images: int, *, as_json: bool) -> None:
    """Each image with its set (or its best label) and the scores of its first labels; images: how many there are."""
    import numpy as np

    from affectml.predicting.alike import Alike

    labels = sorted(dict(predictions[0].best))
    answers = Alike(labels)
    scores = np.array([[dict(p.best)[label] for label in labels] for p in predictions])
    answers.add(scores, None if predictions[0].labels is None else [p.labels or () for p in predictions])
    if answers.words:
        print(answers.words, file=sys.stderr)
    if as_json:
        print_json([prediction.to_json() for prediction in predictions])
        return
    rows = [
        (
            p.image,
            ", ".join(p.labels) if p.labels is not None else p.best[0][0],
            "  ".join(f"{label} {value:.2f}" for label, value in p.best[:4]),
        )
        for p in predictions
    ]
    print_table("", ("image", "labels", "scores"), rows, numbers=False)
    if images > SHOWN:
        print(
            f"  {len(rows)} of {images:,} images; --out answers.csv predicts and writes them all (.parquet, .jsonl too)"
        )


def print_written(made: "PredictionFile", *, as_json: bool) -> None:
    """What was written, and what could not be read."""
    if as_json:
        print_json(made.to_json())
        return
    print(f"{made.images:,} images{f' of shard {made.shard}' if made.shard else ''}: {made.file}")
    for words in filter(None, (made.alike, made.shift)):
        print(f"  {words}")
    if made.kept is not None:
        print(f"  the file that was there is {made.kept}")
    say_unreadable(made.bad, made.listed)


def say_unreadable(bad: "Bad", listed: "Path | None" = None) -> None:
    """Images that could not be read, each with its reason, on standard error; of many the first."""
    for image, reason in bad[:SHOWN_BAD]:
        print(f"cannot be read: {image}: {reason}", file=sys.stderr)
    if listed is not None:
        print(f"could not be read: {len(bad):,}, listed in {listed}", file=sys.stderr)
    elif len(bad) > SHOWN_BAD:
        print(f"... and {len(bad) - SHOWN_BAD:,} more", file=sys.stderr)


def _print_metrics(
    metrics: dict[str, Any],
    by_tau: dict[str, dict[str, float]],
    levels: dict[str, Any],
    subgroups: dict[str, Any] | None,
    *,
    verbose: bool,
) -> None:
    from affectml.page import main_table, people_table, tau_table
    from affectml.page.sections.by_person import in_words
    from affectml.page.sections.subgroups import subgroup_lines
    from affectml.page.tables import by_person_tables, levels_table, notes, promise_lines, promise_table

    # Results per label and per subgroup are in the report.
    others = [
        promise_table(metrics),
        people_table(metrics),
        levels_table(levels),
        tau_table(by_tau),
        *by_person_tables(metrics),
    ]
    show_result(main_table(metrics, brief=not verbose), others, notes(metrics), verbose=verbose)
    people = [in_words(metrics)] if metrics.get("by_person") else []
    careful = [] if verbose else [metrics["rules"][name] for name in CAREFUL if name in metrics["rules"]]
    for line in (*careful, *promise_lines(metrics), *people, *subgroup_lines(subgroups)):
        print(f"  {line}")
    print()
