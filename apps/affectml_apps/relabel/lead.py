"""What the lead's pages compute: plain functions over judgement tables and over text that somebody typed."""

import tempfile
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
from babel.dates import format_timedelta

from affectml.people.labelling import fitted
from affectml_annotation import Alpha, Progress, StoreError, write_judgements
from affectml_annotation.agreement.alpha import with_interval
from affectml_annotation.exchange.files import table_csv
from affectml_annotation.judgements import ANSWERS, are_data, only_data
from affectml_annotation.study import overview
from affectml_annotation.study.file import parse
from affectml_annotation.study.folder import read_text
from affectml_annotation.study.overview import Overview
from affectml_annotation.study.pay import PayRow
from affectml_annotation.study.terms import so_many
from affectml_apps.relabel import queries
from affectml_apps.relabel.identity import clean_name, known_as
from affectml_apps.relabel.task import LabelTask

FEW_IMAGES = 4  # on fewer nothing is said of agreement
SUFFIXES = {"CSV": ".csv", "Parquet": ".parquet", "JSON lines": ".jsonl", "Label Studio": ".json"}


def progress_words(now: Progress, overlap: int) -> str:
    """How far the first round is, and when it ends at the pace of the last hour of work."""
    panel = "their person" if overlap == 1 else f"their {overlap} people"
    if now.wanted != now.images * overlap:
        panel = "the people that they wait for"
    if now.complete == now.images:
        return f"All {now.images:,} images have {panel}."
    then = "" if now.answered else "; nobody has answered yet"
    if now.rate == now.rate:
        left = format_timedelta(timedelta(seconds=now.seconds_left), granularity="minute", threshold=1.5, locale="en")
        then = f"; at this pace the rest takes about {left}"
    return f"{now.complete:,} of {now.images:,} images have {panel}{then}."


def pace_words(now: Progress, judgements: pd.DataFrame) -> str:
    """How many answers there are, how often people gave none, and how many answers come in an hour."""
    first = judgements[are_data(judgements) & (judgements["round"] == now.round)]
    aside = int((~first["kind"].isin(ANSWERS)).sum())
    passed = f" (and {aside:,} skipped or unsure)" if aside else ""
    rate = f"; in the last hour of work they came at {now.rate:,.0f} an hour" if now.rate == now.rate else ""
    beyond = f", and {now.answered - now.wanted:,} beyond them" if now.answered > now.wanted else ""
    return f"{min(now.answered, now.wanted):,} of {now.wanted:,} answers collected{beyond}{passed}{rate}."


def places_words(now: Overview) -> str:
    """How many of a study's places are free, and what became of the others."""
    completed = now.ended.get("completed", 0)
    took = "" if now.minutes is None else f" Who completed it took {so_many(round(now.minutes), 'minute')} (median)."
    full = f" All were taken when {now.full} more came." if now.full else ""
    return f"Of {now.places} places, {completed} completed, {now.going_on} taken now, {now.free} free.{took}{full}"


def agreement_words(alpha: Alpha) -> str:
    """How well people agree, by Krippendorff's alpha of their sets."""
    if not alpha.images:
        return "No image has two answers yet: agreement needs two people on one image."
    on = f"On {so_many(alpha.images, 'image')} with two answers or more, "
    if alpha.undefined:
        return f"{on}{alpha.undefined}, so that nothing can be said about agreement."
    if alpha.images < FEW_IMAGES:
        return f"{on}too few images to say how well people agree."
    if alpha.low is None or alpha.high is None:
        says = "it cannot be said whether people agree more"
    elif alpha.low > 0:
        says = "people agree more"
    else:
        says = "people agree less" if alpha.high < 0 else "it is not sure that people agree more"
    return f"{on}{says} than chance would give: alpha is {with_interval(alpha.value, alpha.low, alpha.high)}."


def out_words(answers: int, people: int, rows: Sequence[PayRow], asked: int) -> str:
    """What can leave: answers, and in a study pay (its rows) and people who asked to be erased."""
    ready = "is ready to export" if answers == 1 else "are ready to export"
    parts = [f"{so_many(answers, 'answer')} from {so_many(people, 'person', 'people')} {ready}"]
    owed: dict[str, Decimal] = {}
    for row in rows:
        owed[row.currency] = owed.get(row.currency, Decimal(0)) + row.to_pay
    if rows:
        open_ones = " and ".join(f"{due} {currency}" for currency, due in owed.items() if due)
        parts.append(f"{open_ones or 'nothing'} is still to be paid")
    if asked:
        parts.append(f"{so_many(asked, 'person', 'people')} asked to be erased")
    return f"{'; '.join(parts) if answers or rows else 'There is nothing to export yet'}."


def people(task: LabelTask, report: pd.DataFrame) -> pd.DataFrame:
    """Everybody and how they work, as `overview.with_figures` has it; report: as of `how_people_work`.

    In a study participants by their random ids, as of `overview.people`. Else whoever was invited, by their names, with
    last_answer; their status is invited, takes part, closed or withdrew, and how many images they hold now, if any.
    """
    if task.is_study:
        return overview.people(task.store, report)
    there = task.store.annotators()
    status = there["consented"].map({True: "takes part", False: "invited"})
    status = status.mask(there["annotator_id"].isin(task.store.closed()), "closed").mask(there["withdrawn"], "withdrew")
    status = status.where(there["claimed"] == 0, status + ", holds " + there["claimed"].astype(str))
    there = there[["annotator_id", "answers", "last_answer"]].assign(status=status)
    return overview.with_figures(there.rename(columns={"annotator_id": "participant", "answers": "images"}), report)


def drift(judgements: pd.DataFrame, labels: Sequence[str], *, block: int = 50) -> pd.DataFrame:
    """How people change as they go on: one row per person and block of `block` answers in the order they gave them.

    Columns: annotator_id, block (from 1), answers, seconds (median), labels_per_answer, none (share of "none of
    these"), use:LABEL (share of answers that hold it). A last block of less than half the size joins the one before.
    """
    first = are_data(judgements) & (judgements["round"] == 1)
    answers = judgements[first & judgements["kind"].isin(["labels", "none"])].sort_values("at", kind="stable")
    answers = answers.join(pd.DataFrame({f"use:{label}": [label in given for given in answers["labels"]]
                                         for label in labels}, index=answers.index))  # fmt: skip
    turn, in_all = answers.groupby("annotator_id").cumcount(), answers.groupby("annotator_id")["kind"].transform("size")
    blocks = ((in_all + block // 2) // block).clip(lower=1)
    by_block = answers.assign(
        block=np.minimum(turn // block + 1, blocks), none=answers["kind"] == "none",
        labels_per_answer=answers["labels"].map(len),
    ).groupby(["annotator_id", "block"])  # fmt: skip
    found = pd.DataFrame({"answers": by_block.size(), "seconds": by_block["seconds"].median()})
    shares = by_block[["labels_per_answer", "none", *(f"use:{label}" for label in labels)]].mean()
    return found.join(shares).reset_index()


def pace(judgements: pd.DataFrame) -> pd.DataFrame:
    """How many answers came in each hour (UTC), or in each day where all of them span more than two days.

    Columns: day or hour, its first moment; answers. Rows without any, and answers of no known time, are left out, and
    so are checks and repeats.
    """
    at = judgements["at"][are_data(judgements)].dropna()
    unit = "day" if at.max() - at.min() > pd.Timedelta(days=2) else "hour"
    counted = at.dt.floor({"day": "D", "hour": "h"}[unit]).value_counts().sort_index()
    return pd.DataFrame({unit: counted.index, "answers": counted.to_numpy()})


def uses_in_words(table: pd.DataFrame, display: Callable[[str], str]) -> pd.DataFrame:
    """A table with its columns use:LABEL, shares of answers, as one of words: "awe 39 %, fear 7 %", largest first."""
    use = table.filter(regex="^use:").rename(columns=lambda name: display(name.removeprefix("use:")))
    rows = [row[row > 0].sort_values(ascending=False, kind="stable") for _, row in use.iterrows()]
    words = [", ".join(f"{label} {100 * share:.0f}\N{NO-BREAK SPACE}%" for label, share in row.items()) for row in rows]
    return table.drop(columns=table.filter(regex="^use:").columns).assign(labels=words)


def with_intervals(content: pd.DataFrame) -> pd.DataFrame:
    """A table for reading: each figure NAME that has NAME_low and NAME_high with these in one column."""
    told = [name for name in content.columns if f"{name}_low" in content]
    shown = content.drop(columns=[f"{name}_{end}" for name in told for end in ("low", "high")])
    ends = {name: zip(content[name], content[f"{name}_low"], content[f"{name}_high"], strict=True) for name in told}
    return shown.assign(**{name: [with_interval(*each) for each in rows] for name, rows in ends.items()})


def answers_to(
    judgements: pd.DataFrame, image_id: str, *, names: bool, said: Callable[[Iterable[str]], str] = ", ".join
) -> pd.DataFrame:
    """Everyone's answers to an image, one row each; without `names`, people are numbered in an order of no meaning."""
    mine = judgements[(judgements["image_id"] == image_id) & are_data(judgements)]
    mine = mine.sort_values(["event_id"], kind="stable")
    numbers = {who: f"person {at}" for at, who in enumerate(dict.fromkeys(mine["annotator_id"]), 1)}
    answers = [said(given) if len(given) else kind for given, kind in zip(mine["labels"], mine["kind"], strict=True)]
    return pd.DataFrame({
        "who": mine["annotator_id"] if names else mine["annotator_id"].map(numbers),
        "round": mine["round"],
        "answer": answers,
        "note": mine["note"].where(mine["note"].notna(), ""),
    }).reset_index(drop=True)  # fmt: skip


def export_bytes(judgements: pd.DataFrame, kind: str, *, names: bool) -> tuple[bytes, list[str]]:
    """A file of the judgements that are data, and what is not in it. Without `names`, people become a1, a2, ...

    CSV is for people: see `as_csv`. The other formats hold every text exactly.
    """
    judgements, apart = only_data(judgements, "; the page “Progress” shows how people did on them")
    if not names:
        known = {who: f"a{at}" for at, who in enumerate(sorted(set(judgements["annotator_id"])), 1)}
        judgements = judgements.assign(annotator_id=judgements["annotator_id"].map(known).astype("str"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"judgements{SUFFIXES[kind]}"
        write_judgements(judgements, path)
        return (BOM_UTF8 if kind == "CSV" else b"") + path.read_bytes(), apart


def as_csv(table: pd.DataFrame) -> bytes:
    """CSV in which no cell is a formula (see `spreadsheet_cell`), and that begins as Excel knows UTF-8 by."""
    return table_csv(table).encode("utf-8-sig")


def save(task: LabelTask, text: str, *, since: int, by: str) -> int:
    """Make this text the task's file; return the number of the version that is the task now.

    since: the version that was changed. Raises BadTask for what is no such file, BadInput for other labels, and
    StoreError, naming the key, for what cannot change.
    """
    file = fitted(parse(read_text(text, "the file"), "the file"), task.file)
    return task.store.set_task(file, since=since, by=by)


def invite(task: LabelTask, names: Sequence[str]) -> None:
    """Let people in; whose entry was closed may label again. StoreError for what can be no name, and for nobody."""
    if not names:
        raise StoreError("Write at least one name.")
    known = queries.names(task.store)
    invited = list[str]()
    for typed in names:
        name = clean_name(typed)
        if name is None:
            raise StoreError(f"{typed!r:.90} is no name: expected 1 to 80 characters, without < and >")
        invited.append(known_as(name, [*known, *invited]))  # one form, as at the door
    task.store.invite(list(dict.fromkeys(invited)))


def read_names(text: str) -> list[str]:
    """Names from text: one on each line, or separated by commas."""
    return list(dict.fromkeys(name for line in text.splitlines() for part in line.split(",") if (name := part.strip())))
