"""The audit as a page, and its table as CSV and Parquet."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from affectml._files import replacing
from affectml.auditing._audit import CHECKS, LEVEL, Audit
from affectml.auditing._queue import PULLED, Again
from affectml.page import Section, Table, write_page
from affectml.page.data import thumbnail
from affectml.page.section import Card, Cards
from affectml.page.tables import number
from affectml_annotation.exchange.erasing import note_written
from affectml_annotation.exchange.files import table_csv

CARDS = 12
ROWS = 50  # of a table on the page; the files have all
CAVEAT = (
    "What is listed deserves a second look; nothing here is called an error. An answer that few share is as good as "
    "any: what is compared is whether it is odder than answers of people who make no errors would be."
)
WHERE = ("image_id", "other_id", "annotator_id", "label", "group")
WORDS = (*WHERE, "check", "evidence")


def write_audit(audit: Audit, folder: Path) -> list[Path]:
    """Write audit.html, audit.csv and audit.parquet into a folder, over an earlier audit's; returns the files."""
    page, csv, parquet = (folder / f"audit.{ending}" for ending in ("html", "csv", "parquet"))
    with replacing(csv) as new_csv, replacing(parquet) as new_parquet:  # none takes its place before all are written
        new_csv.write_text(table_csv(audit.table), encoding="utf-8", newline="")
        audit.table.astype(dict.fromkeys(WORDS, "string")).to_parquet(new_parquet, index=False)
        write_page(
            page,
            sections(audit),
            title=f"{audit.dataset.name} – affectml audit",
            heading=f"{audit.dataset.name}: what deserves a second look",
            about=("no target" if audit.target is None else f"target: {audit.target}",),
            caveats=(CAVEAT, *(f"{line[0].upper()}{line[1:]}." for line in audit.notes)),
        )
    note_written(audit.dataset.root, folder)
    return [page, csv, parquet]


def sections(audit: Audit) -> list[Section]:
    """What was found in a sentence, who was asked what, and a section per check that lists anything."""
    tested = {check: f"{count:,}" for check, count in audit.tested.items()}
    counts = tuple(
        (title, str(int((audit.listed["check"] == check).sum())), tested.get(check, "–"))
        for check, title in CHECKS.items()
    )
    note = (
        f"listed: a fact, or p_adjusted (Benjamini & Hochberg 1995, within a check) of at most {LEVEL}: where nothing "
        "is wrong, a check lists anything in at most one audit in twenty (of votes alone in one of five)"
    )
    overview = Table("Checks", ("check", "listed", "tested"), counts, note)
    found = [
        Section("overview", "What deserves a second look", audit.summary(), tables=(overview,), open=True),
        Section("frame", "Who was asked what", " ".join(audit.frame)),
    ]
    if audit.again is not None:
        found.append(_again(audit.again))
    named = audit.dataset.images.set_index("image_id")
    for check, table in listed_tables(audit, ROWS, figures=True):
        rows = audit.listed[audit.listed["check"] == check]
        cards = [
            Card(str(row["image_id"]), picture, _place(row), said=(("seen", str(row["evidence"])),))
            for _, row in rows.head(CARDS).iterrows()
            if pd.notna(row["image_id"]) and (picture := thumbnail(audit.dataset, named, str(row["image_id"])))
        ]
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
    note = (
        "label, said: what was odd, that the label was chosen (True) or that it was not; n: people before; otherwise: "
        "share of the new answers that say otherwise of it"
    )
    table = _table("Images asked again", rows, columns, note)
    return Section(
        "asked-again", "Asked again", " ".join(again.lines), tables=(table,),
        notes=(f"{PULLED[0].upper()}{PULLED[1:]}.",),
    )  # fmt: skip


def _table(title: str, rows: pd.DataFrame, columns: Sequence[str], note: str) -> Table:
    cells = rows[list(columns)].itertuples(index=False, name=None)
    return Table(title, tuple(columns), tuple(tuple(map(_cell, row)) for row in cells), note)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.0e}" if 0 < value < 5e-4 else number(value)
    return "–" if pd.isna(value) else str(value)  # type: ignore[call-overload]


def _place(row: "pd.Series") -> str:
    return " · ".join(str(row[name]) for name in WHERE if pd.notna(row[name]))
