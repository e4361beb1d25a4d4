"""An audit written: its page, its table as CSV and Parquet, and its first images back to people, beside controls."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count as count_from
from pathlib import Path

import numpy as np
import pandas as pd

from affectml._files import replacing
from affectml.auditing._audit import CHECKS, LEVEL, WHERE, Again, Audit
from affectml.errors import BadInput, option
from affectml.page import Section, Shown, Table, write_page
from affectml.page.section import Card, Cards, thumbnail
from affectml.page.tables import number
from affectml_annotation import LabelStore
from affectml_annotation.exchange.erasing import note_written
from affectml_annotation.exchange.files import table_csv, write_text

CARDS = 12
ROWS = 50  # of a table on the page; the files have all
CAVEAT = (
    "What is listed deserves a second look; nothing here is called an error. An answer that few share is as good as "
    "any: what is compared is whether it is odder than answers of people who make no errors would be."
)
PULLED = (
    "Images are listed because what was said of them is odd, so others often say otherwise, whether somebody slipped "
    "or few feel so; what was said of the controls is about as rare, and less odd for its image."
)
ASKED = ("copies differ", "image", "answer")  # the checks that people can say more about
COLUMNS = ("place", "image_id", "role", "match", "check", "rank", "p", "n", "rarity", "label", "said", "target",
           "seed", "at")  # fmt: skip
WORDS = (*WHERE, "check", "evidence")


def write_audit(audit: Audit, folder: Path) -> list[Path]:
    """Write audit.html, audit.csv and audit.parquet into a folder, over an earlier audit's; returns the files."""
    page, csv, parquet = (folder / f"audit.{ending}" for ending in ("html", "csv", "parquet"))
    with replacing(csv) as new_csv, replacing(parquet) as new_parquet:  # none takes its place before all are written
        new_csv.write_text(table_csv(audit.table), encoding="utf-8", newline="")
        audit.table.astype(dict.fromkeys(WORDS, "string")).to_parquet(new_parquet, index=False)
        name, about = audit.dataset.name, "no target" if audit.target is None else f"target: {audit.target}"
        head = Shown(f"{name} – affectml audit", f"{name}: what deserves a second look", (about,))
        caveats = (CAVEAT, *(f"{line[0].upper()}{line[1:]}." for line in audit.notes))
        write_page(page, sections(audit), head, caveats=caveats)
    note_written(audit.dataset.root, folder)
    return [page, csv, parquet]


def sections(audit: Audit) -> list[Section]:
    """What was found in a sentence, who was asked what, and a section per check that lists anything."""
    counts, tested = audit.listed["check"].value_counts(), {check: f"{n:,}" for check, n in audit.tested.items()}
    checked = tuple((title, str(counts.get(check, 0)), tested.get(check, "–")) for check, title in CHECKS.items())
    rare = (
        "where nothing is wrong, a check lists anything in at most one audit in twenty (of votes alone in one of five)"
    )
    note = f"listed: a fact, or p_adjusted (Benjamini & Hochberg 1995, within a check) of at most {LEVEL}: {rare}"
    tables = (Table("Checks", ("check", "listed", "tested"), checked, note),)
    overview = Section("overview", "What deserves a second look", audit.summary(), tables=tables, open=True)
    found = [overview, Section("frame", "Who was asked what", " ".join(audit.frame))]
    if audit.again is not None:
        found.append(_again(audit.again))
    named = audit.dataset.images.set_index("image_id")
    for check, table in listed_tables(audit, ROWS, figures=True):
        cards = []
        for _, row in audit.listed[audit.listed["check"] == check].head(CARDS).iterrows():
            if pd.notna(row["image_id"]) and (picture := thumbnail(audit.dataset, named, row["image_id"])):
                where = " · ".join(row[[*WHERE]].dropna().astype(str))
                cards.append(Card(row["image_id"], picture, where, said=(("seen", row["evidence"]),)))
        galleries = (Cards("", tuple(cards)),) if cards else ()
        name = check.replace(" ", "-")
        found.append(Section(name, table.title, galleries=galleries, tables=(table,), open=True))
    return found


def listed_tables(audit: Audit, most: int, *, figures: bool = False) -> Iterator[tuple[str, Table]]:
    """Each check that lists anything, with a table of the first `most` things, as the page and the terminal show it.

    figures: beside where it is and the evidence in words.
    """
    columns = (*WHERE, *(("figure", "p", "p_adjusted") if figures else ()))
    for check, title in CHECKS.items():
        rows = audit.listed[audit.listed["check"] == check]
        if len(rows):
            shown = [name for name in columns if rows[name].notna().any()]
            more = f"{most} of {len(rows):,}; audit.csv has all" if len(rows) > most else ""
            yield check, _table(title, rows.head(most), ("rank", *shown, "evidence"), more)


def _again(again: Again) -> Section:
    """What people said when they were asked again, and a row per queued image."""
    columns = ("queue", "image_id", "role", "match", "label", "said", "n", "new", "otherwise")
    rows = again.table.sort_values(["queue", "otherwise"], ascending=[True, False], kind="stable")
    odd = "label, said: what was odd, that the label was chosen (True) or that it was not; n: people before"
    note = f"{odd}; otherwise: share of the new answers that say otherwise of it"
    table = _table("Images asked again", rows, columns, note)
    return Section("asked-again", "Asked again", " ".join(again.lines), tables=(table,), notes=(PULLED,))


def _table(title: str, rows: pd.DataFrame, columns: Sequence[str], note: str) -> Table:
    cells = rows[list(columns)].itertuples(index=False, name=None)
    return Table(title, tuple(columns), tuple(tuple(map(_cell, row)) for row in cells), note)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.0e}" if 0 < value < 5e-4 else number(value)
    return "–" if pd.isna(value) else str(value)  # type: ignore[call-overload]


@dataclass(frozen=True, eq=False)
class Queued:
    """What was queued.

    table: place in the queue, image_id, role (listed or control) and match, the image it stands beside; check, rank and
    p of the listed; n people who had answered, and the mean rarity (nats) of what they said; label and said, what was
    oddest of the image: that the label was chosen (True) or that it was not; at, when it was made.
    raised: how many of the images wait for more people than before.
    """

    file: Path
    table: pd.DataFrame
    raised: int


def queue_audit(audit: Audit, store: LabelStore, folder: Path, *, count: int, more: int = 1, seed: int = 0) -> Queued:
    """Put the `count` most surprising images of an audit into a task's queue, each with a control, in one random order.

    A control is an image that is not listed, was answered by as many people (or nearly), and whose answers are about
    as rare: the mean of -log of the share of the labels that people chose. Nobody sees which is which; the file
    queue-NNN.csv in `folder` keeps it, so that the new answers can be compared later. It is written first: what is
    queued is never without it.

    Args:
        audit: of the data set whose images the task has.
        store: the task.
        folder: for the file; the next free number is taken.
        count: how many images; controls come on top.
        more: at least so many more people answer each of them; see `LabelStore.enqueue`.
        seed: of the order.

    Raises:
        BadInput: for a count or `more` below 1, and where no image of the task is among the audit's images and answers,
            or none is left as a control.
    """
    for name, value in (("queue", count), ("more", more)):
        if value < 1:
            raise BadInput(f"{option(name, value)}: expected at least 1")
    known = set(store.images()["image_id"].astype(str))
    votes = audit.votes[audit.votes["n"] > 0].set_index("image_id")
    chosen = votes.drop(columns="n").to_numpy(dtype=float)
    share = (chosen.sum(axis=0) + 0.5) / (votes["n"].sum() + 1)
    facts = votes[["n"]].assign(rarity=(chosen @ -np.log(share)) / np.maximum(chosen.sum(axis=1), 1))
    rows = audit.table[audit.table["check"].isin(ASKED) & audit.table["image_id"].isin(known & set(facts.index))]
    rows = rows.sort_values(["p_adjusted", "p"], kind="stable").drop_duplicates("image_id").head(count)
    listed = set(audit.listed["image_id"].dropna()) | set(audit.listed["other_id"].dropna())
    pool = facts[facts.index.isin(known - listed - set(rows["image_id"]))]
    if not len(rows):
        raise BadInput(f"{store.database.where}: none of the images that deserve a second look is in this task")
    if not len(pool):
        raise BadInput(f"{store.database.where}: every image is listed or asked for, so none is left as a control")
    queued = []
    for row in rows[["image_id", "check", "rank", "p"]].to_dict("records"):
        queued.append({**row, "role": "listed", "match": ""})
        if len(pool):
            control = (pool - facts.loc[row["image_id"]]).abs().sort_values(["n", "rarity"], kind="stable").index[0]
            queued[-1]["match"] = control
            queued.append({"image_id": control, "role": "control", "match": row["image_id"]})
            pool = pool.drop(control)
    table = pd.DataFrame(queued).iloc[np.random.default_rng(seed).permutation(len(queued))].reset_index(drop=True)
    table = table.join(facts, on="image_id").join(audit.suspected, on="image_id")
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    table = table.assign(place=table.index + 1, target=audit.target, seed=seed, at=at)[[*COLUMNS]]
    file = next(free for number in count_from(1) if not (free := folder / f"queue-{number:03d}.csv").exists())
    write_text(file, table_csv(table))
    try:
        raised = store.enqueue(list(table["image_id"]), more=more)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return Queued(file, table, raised)
