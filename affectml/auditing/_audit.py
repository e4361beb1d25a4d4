"""An audit: all checks of one data set in one ranked table, its page and its files. No answer is changed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from affectml._files import replacing
from affectml._progress import Say
from affectml.auditing import _checks as checks
from affectml.auditing._expect import Ground, Said, expect, read_said
from affectml.auditing._files import looked_at, of_dataset
from affectml.data import Dataset, Targets, was_asked
from affectml.data.choose import choose_target, joined
from affectml.duplicates import Duplicates, find_duplicates
from affectml.embeddings import EmbeddingStore
from affectml.errors import BadInput, option
from affectml.page import Section, Shown, Table, write_page
from affectml.page.section import Card, Cards, thumbnail
from affectml.page.tables import number
from affectml_annotation.exchange.dataset_folder import note_written
from affectml_annotation.exchange.files import table_csv

LEVEL = 0.05
# In the order of the table and the page. The first line of each says what is listed; "fact" has no chance to compare.
CHECKS = {
    "broken file": "Files that do not keep what they promise",
    "blank file": "Pictures with next to nothing in them",
    "split parts copies": "Copies that the split parts",
    "copies differ": "Copies with differing answers",
    "copies": "Copies that no split parts",
    "alike embeddings": "Embeddings as alike as those of copies, without files to compare",
    "person": "People whose answers carry no information",
    "image": "Images whose answers are unlike those of similar images",
    "answer": "Answers unlike what is expected of the image",
    "unused label": "Labels that nobody uses",
    "labels together": "Labels that always go together",
}
WHERE = ("image_id", "other_id", "annotator_id", "label")
COLUMNS = ("rank", "check", "listed", *WHERE, "figure", "p", "p_adjusted", "evidence")
CARDS = 12
ROWS = 50  # of a table on the page; the files have all
CAVEAT = (
    "What is listed deserves a second look; nothing here is called an error. An answer that few share is as good as "
    "any other: the audit asks whether it is odder than the answers of people who make no mistakes."
)


@dataclass(frozen=True, eq=False)
class Audit:
    """What deserves a second look, as `affectml.audit` found it. Nobody's answer is called an error.

    target: None where the data set has none. table: a row per thing, ranked: rank, check (a key of `CHECKS`), listed (a
    fact, or beyond chance), image_id, other_id, annotator_id and label as far as they apply, figure, p,
    p_adjusted (nan for facts) and evidence in words. Of answers and images, the `top` most surprising are there, listed
    or not. frame: who was asked what, and what that cannot show. notes: how it was made. votes: image_id, n and one
    column of votes per label. tested: how many things each check compared with chance. duplicates: images that show one
    picture.
    """

    dataset: Dataset
    target: str | None
    table: pd.DataFrame
    tested: Mapping[str, int]
    frame: tuple[str, ...]
    notes: tuple[str, ...]
    votes: pd.DataFrame
    duplicates: Duplicates

    @property
    def listed(self) -> pd.DataFrame:
        """The rows that are facts, or beyond what chance explains."""
        return self.table[self.table["listed"]]

    def summary(self) -> str:
        """What was found, in a sentence."""
        counts = self.listed["check"].value_counts(sort=False)
        if not len(counts):
            return "No check found anything beyond what chance explains."
        words = "; ".join(f"{CHECKS[check].lower()}: {counts[check]:,}" for check in CHECKS if check in counts.index)
        things = "1 thing deserves" if len(self.listed) == 1 else f"{len(self.listed):,} things deserve"
        return f"{things} a second look: {words}."

    def write_groups(self) -> Path | None:
        """Make copies groups in images.parquet, which no new split parts; returns the old file, None for no change."""
        return self.duplicates.write_groups()

    def to_json(self) -> dict[str, Any]:
        """Plain values; None where a column does not apply."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        about = {"dataset": self.dataset.name, "target": self.target, "level": LEVEL, "summary": self.summary()}
        return about | {"frame": list(self.frame), "notes": list(self.notes), "rows": rows}


def audit(
    dataset: str | Path | Dataset,
    *,
    target: str | None = None,
    encoder: str | None = None,
    top: int = 100,
    seed: int = 0,
    say: Say = print,
) -> Audit:
    """What in a data set deserves a second look, as `affectml audit` finds it; nothing in it is changed.

    Args:
        dataset: the data set or its folder, embedded; without embeddings people are compared among each other alone.
            Without a target, files and copies are all.
        target: which of its targets to look at, where several are there.
        encoder: whose embeddings, where there are several. A linear head is fitted to them in five folds: no image is
            judged by a head that saw it.
        top: of images and of answers, keep so many of the most surprising, beyond chance or not.
        seed: of the folds.
        say: called with how it was made, a line at a time.

    Returns:
        An Audit: a ranked table with the evidence of each row; `affectml.auditing.write_audit` writes it as a page.

    Raises:
        AffectmlError: a subclass, for anything that you can put right.
    """
    if top < 1:
        raise BadInput(f"{option('top', top)}: expected at least 1")
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    notes: list[str] = []
    targets, store = None, None
    if dataset.meta.targets or target is not None:
        targets = choose_target(dataset, multilabel=None, name=target)
    if encoder is not None or any((dataset.root / "embeddings").glob("*/encoder.json")):
        store = EmbeddingStore.for_dataset(dataset, encoder)
    if targets is not None and store is not None:
        ids = np.setdiff1d(targets.image_id, store.missing(targets.image_id))
        if missing := len(targets.image_id) - len(ids):
            notes.append(f"{missing:,} images have no embedding; their answers are not checked")
        targets = targets.take(ids)
        say(f"audit: heads are fitted on {len(ids):,} images for {len(targets.taxonomy):,} labels in five folds")
    duplicates = find_duplicates(dataset, store)
    notes += duplicates.notes()
    promises = looked_at(of_dataset(dataset.root, images=False))  # `pictures` looks at those
    rows = [checks.row("broken file", line) for promise in promises for line in promise.wrong]
    rows += [*checks.pictures(dataset), *checks.copies(duplicates)]
    votes = pd.DataFrame({"image_id": [] if targets is None else targets.image_id, "n": 0})
    if targets is None:
        notes.append("the data set has no target yet, so there are no answers to check")
    elif (said := read_said(dataset, targets)) is None:
        notes.append("shares without the number of people asked: answers are not checked")
    else:
        groups = joined(dataset.groups(said.image_id), said.image_id, duplicates.confirmed)
        groups = np.arange(len(votes)).astype(str) if groups is None else groups
        rows += _of_answers(said, (None if store is None else store.rows(said.image_id), groups, seed), notes)
        rows += checks.differing(duplicates, said)
        votes = votes.assign(n=said.n.max(axis=1)).join(pd.DataFrame(said.votes, columns=said.labels))
    for line in notes:
        say(line)
    frame, name = _frame(dataset, targets, votes), None if targets is None else targets.name
    return Audit(dataset, name, *_ranked(rows, top), frame, tuple(notes), votes, duplicates)


def _of_answers(said: Said, ground: Ground, notes: list[str]) -> list[checks.Row]:
    """People, answers, images and labels. Whoever is listed does not tell what to expect of the others."""
    expected = expect(said, *ground)
    rows = checks.people(said, expected)
    p = adjusted([row["p"] for row in rows])
    odd = [row["annotator_id"] for row, adjusted_p in zip(rows, p, strict=True) if adjusted_p <= LEVEL]
    if odd:
        said = said.without(odd)
        expected = expect(said, *ground)
        who = f"{', '.join(odd)}, who are listed as people; their single answers are not listed again"
        notes.append(f"expectations leave out the answers of {who}")
    for what, check in (("answers", checks.answers), ("images", checks.images)):
        odd_ones, factor = check(said, expected)
        rows += odd_ones
        if factor >= 1.005:
            spread = f"{what} spread {factor:.2f} times as far as the expected rates say"
            notes.append(f"{spread}; scores are divided by that")
    if not expected.learned:
        notes.append("no embeddings, or too few images: answers are compared among people alone")
    return rows + checks.labels(said)


def adjusted(p: "Sequence[float] | pd.Series[float]") -> NDArray[np.float64]:
    """P values of one check, [R], by Benjamini & Hochberg (1995); nan for facts."""
    values = np.array(p, dtype=float)
    tested = np.isfinite(values)
    values[tested] = false_discovery_control(values[tested]) if tested.any() else []
    return values


def _ranked(rows: list[checks.Row], top: int) -> tuple[pd.DataFrame, dict[str, int]]:
    """Listed rows first, check by check, the most surprising first; and how many were tested."""
    table = pd.DataFrame(rows, columns=[*COLUMNS]).astype({"p": float, "figure": float})
    table["check"] = pd.Categorical(table["check"], [*CHECKS])
    checked = table.groupby("check", observed=True)
    table["p_adjusted"] = checked["p"].transform(adjusted)
    table["listed"] = ~(table["p_adjusted"] > LEVEL)  # facts are
    tested = {str(check): len(mine) for check, mine in checked if mine["p"].notna().any()}
    keys = (-table["figure"].abs().fillna(0), table["p"].fillna(0), ~table["listed"], table["check"].cat.codes)
    table = table.iloc[np.lexsort(keys)]
    table = table[table["listed"] | (table.groupby("check", observed=True).cumcount() < top)]
    table = table.sort_values("listed", ascending=False, kind="stable")
    words = [line() if callable(line) else line for line in table["evidence"]]
    table = table.assign(rank=range(1, len(table) + 1), evidence=words, check=table["check"].astype(str))
    return table.reset_index(drop=True), tested


def _frame(dataset: Dataset, targets: Targets | None, votes: pd.DataFrame) -> tuple[str, ...]:
    """Who was asked what, as far as the files say, and what that cannot show."""
    asked = dataset.meta.judgements if targets is None else targets.meta
    lines = [f"Source: {dataset.meta.source or 'the files do not say'}.", *dataset.meta.notes]
    if asked is not None:
        question = f"People were asked: “{asked.question}”"
        unknown = "The files do not say what people were asked, word for word."
        lines = [f"Construct: {asked.construct}.", question if was_asked(asked.question) else unknown, *lines]
    if (n := votes["n"]).any():
        lines.append(f"{len(n):,} images, {n.min():,} to {n.max():,} answers each ({n.sum():,} in all).")
    people_unasked = "how people who were not asked would answer, how images that were not collected would be seen"
    blind = f"What this cannot show: {people_unasked}, and what any one person felt."
    return (*lines, blind)


def write_audit(audit: Audit, folder: Path) -> list[Path]:
    """Write audit.html, audit.csv and audit.parquet into a folder, over an earlier audit's; returns the files."""
    page, csv, parquet = (folder / f"audit.{ending}" for ending in ("html", "csv", "parquet"))
    with replacing(csv) as new_csv, replacing(parquet) as new_parquet:  # none takes its place before all are written
        new_csv.write_text(table_csv(audit.table), encoding="utf-8", newline="")
        audit.table.astype(dict.fromkeys((*WHERE, "check", "evidence"), "string")).to_parquet(new_parquet, index=False)
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
    rare = "where nothing is wrong, a check lists anything in at most one audit in twenty"
    note = f"listed: a fact, or p_adjusted (Benjamini & Hochberg 1995, within a check) of at most {LEVEL}: {rare}"
    tables = (Table("Checks", ("check", "listed", "tested"), checked, note),)
    overview = Section("overview", "What deserves a second look", audit.summary(), tables=tables, open=True)
    parts = [overview, Section("frame", "Who was asked what", " ".join(audit.frame))]
    named = audit.dataset.images.set_index("image_id")
    for check, table in listed_tables(audit, ROWS, figures=True):
        cards = []
        for _, row in audit.listed[audit.listed["check"] == check].head(CARDS).iterrows():
            if pd.notna(row["image_id"]) and (picture := thumbnail(audit.dataset, named, row["image_id"])):
                where = " · ".join(row[[*WHERE]].dropna().astype(str))
                cards.append(Card(row["image_id"], picture, where, said=(("seen", row["evidence"], ""),)))
        galleries = (Cards("", tuple(cards)),) if cards else ()
        name = check.replace(" ", "-")
        parts.append(Section(name, table.title, galleries=galleries, tables=(table,), open=True))
    return parts


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
            yield check, _audit_table(title, rows.head(most), ("rank", *shown, "evidence"), more)


def _audit_table(title: str, rows: pd.DataFrame, columns: Sequence[str], note: str) -> Table:
    cells = rows[[*columns]].map(_cell).itertuples(index=False, name=None)
    return Table(title, tuple(columns), tuple(cells), note)


def _cell(value: Any) -> str:
    if isinstance(value, float) and not np.isnan(value):
        return f"{value:.0e}" if 0 < value < 5e-4 else number(value)
    return "–" if pd.isna(value) else str(value)
