"""embed, split, audit, export, fetch, plan, ask, demo, doctor: the commands around data sets, and this machine."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from affectml import api, checkup, sharing, splitting
from affectml._options import Count, Seed
from affectml.cli._command import Parts, Table, about, print_lines, say, shows
from affectml.errors import BadInput, option

SHOWN = 10  # rows of a check on the screen; the files have all


@shows(api.embed)
def embed(summary: Any) -> Parts:
    """What was embedded."""
    yield summary.to_json()
    yield about("Embeddings", summary.rows())


@shows(splitting.split)
def split(parted: splitting.Parted) -> Parts:
    """The parts of each target, and what made them."""
    from affectml.page.tables import number
    from affectml_annotation.agreement.alpha import plain_rows

    yield {"targets": {name: plain_rows(table) for name, table in parted.tables.items()}, "notes": parted.notes}
    for name, table in parted.tables.items():
        rows = [(part, f"{images:,}", *map(number, shares)) for part, images, *shares in table.itertuples(index=False)]
        yield Table(f"target {name}", ("part", *table.columns[1:]), rows)
    yield lambda: print_lines(parted.notes)


def audit(
    place: str,
    *,
    files: bool = False,
    target: str | None = None,
    encoder: str | None = None,
    top: Count = 100,
    out: Path | None = None,
    write_groups: bool = False,
    seed: Seed = 0,
) -> Parts:
    """List what deserves a second look: copies, odd answers, people, labels and files.

    Args:
        place: A data set; with --files also a label database or a backup.
        files: Only check that files keep what they promise; exit code 1 if not. Nothing is written.
        target: Target to look at. Default: the only one.
        encoder: Encoder whose embeddings to use. Default: the one the data set is embedded with.
        top: How many images and answers the table keeps, whether or not they go beyond chance.
        out: Folder for the page and the table. Default: DATASET-audit beside the data set.
        write_groups: Write copies as groups into images.parquet, so that no new split separates them; the old file is
            kept.
        seed: Seed of the folds.
    """
    if files:
        if write_groups:
            raise BadInput(f"{option('files', True)} writes nothing: leave out {option('write_groups', True)}")
        yield from _files(place)
        return
    from affectml._files import try_folder
    from affectml.auditing import audit as find
    from affectml.auditing import listed_tables, write_audit

    root = Path(place).resolve()
    folder = root.with_name(f"{root.name}-audit") if out is None else out
    try_folder(folder)
    found = find(place, target=target, encoder=encoder, top=top, seed=seed, say=say)
    made = write_audit(found, folder)
    kept = found.write_groups() if write_groups else None
    written = {"kept": kept and str(kept)} if write_groups else {}
    yield found.to_json() | {"files": [str(file) for file in made]} | written
    yield from (table for _, table in listed_tables(found, SHOWN))
    yield found.summary()
    yield f"page: {made[0]}"
    if write_groups:
        words = f"groups of copies written; the old file is {kept}" if kept else "no copies, or all in groups already"
        yield f"{root / 'images.parquet'}: {words}"


def _files(place: str) -> Parts:
    from affectml.auditing import audit_files
    from affectml.cli import label
    from affectml_annotation.store import is_database

    if is_database(place):
        yield from label.check(place)
    promises = audit_files(place)
    wrong = sum(bool(each.wrong) for each in promises)
    yield {"place": place, "promises": [asdict(each) for each in promises]}
    for each in promises:
        yield "\n         ".join([f"{'WRONG' if each.wrong else 'kept '}  {each.promise}", *each.wrong])
    yield f"{place}: {len(promises) - wrong} of {len(promises)} promises are kept"
    raise typer.Exit(1 if wrong else 0)


@shows(sharing.export)
def export(done: sharing.Exported) -> Parts:
    """What was written."""
    yield done.facts | ({"notes": done.notes} if done.notes else {})
    yield from (f"{what}: {value}" for what, value in done.facts.items())
    yield from (f"note: {note}" for note in done.notes)


@shows(api.fetch)
def fetch(summary: Any) -> Parts:
    """What came, and why the rest did not."""
    yield summary.to_json()
    yield about(f"Images of {summary.root}", summary.rows())
    if len(summary.failures):
        yield Table("Why images have no file", ("reason", "images", "for example"), summary.reasons())


@shows(api.plan)
def plan(made: Any) -> Parts:
    """The studies side by side, and what the plan assumes."""
    yield made.to_json()
    table = made.table()
    yield Table(table.title, table.columns, table.rows, table.note, keys=3)
    yield made.figures_table()
    for title, lines in (("Assumed", made.assumed), ("What the pilot cannot tell", made.limits)):
        if lines:
            yield "\n  - ".join([f"{title}:", *lines])


@shows(api.ask)
def ask(asked: Any) -> Parts:
    """The files, and the question in them."""
    yield asked.to_json()
    yield f"{asked.requests} requests about {asked.images} images: {', '.join(map(str, asked.files))}"
    yield asked.prompt


@shows(api.demo)
def demo(dataset: Any) -> Parts:
    """How much was drawn."""
    images, judgements = len(dataset.images), len(dataset.judgements)
    also = ", answers of three simulated models" if (dataset.root / "answers").is_dir() else ""
    yield {"dataset": str(dataset.root), "images": images, "judgements": judgements}
    yield f"{images} paintings, {judgements} judgements{also}: {dataset.root}"


@shows(checkup.doctor)
def doctor(findings: list[checkup.Finding]) -> Parts:
    """A line each."""
    yield {each.name: each.value for each in findings}
    yield from (f"{each.name:<11} {each.text}" for each in findings)
