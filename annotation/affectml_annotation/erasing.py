"""Erasing people, for good: out of all tables and files that hold them. The one way in which judgements leave.

What stays in a label database is said in `store.people`. Targets are counts without names and stay as they are: an
export makes them anew.
"""

import csv
import json
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from mmap import ACCESS_READ, mmap
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from affectml_annotation.errors import BadExport, StoreError
from affectml_annotation.exchange.dataset_folder import ANNOTATIONS, ANNOTATORS, META, noted
from affectml_annotation.exchange.files import (
    all_or_none,
    csv_rows,
    kept_of,
    read_parquet,
    write_parquet,
    writing_in_turn,
)
from affectml_annotation.store import LabelStore
from affectml_annotation.store.engine import reading, transaction
from affectml_annotation.store.keeping import clean_backups, kept
from affectml_annotation.store.people import FORGOTTEN, check_invited, cleaned, erase, participant, to_clean, was_erased
from affectml_annotation.store.place import shown
from affectml_annotation.store.schema import annotator, erasure_request, metadata, now_ms, panel
from affectml_annotation.study.pay import keep_owed


@dataclass(frozen=True)
class Erased:
    """What `erase_people` did.

    judgements: how many rows of annotations.parquet left; files: every file of the data set from which something did.
    databases: of each label database that they were in, how many answers left it. backups: those kept beside them,
    which were gone through. named: exports, audits and other files that still hold a name.
    """

    judgements: int
    files: tuple[str, ...]
    databases: dict[str, int]
    backups: tuple[Path, ...]
    named: tuple[Path, ...]


def erase_people(
    people: Sequence[str],
    *,
    stores: Sequence[LabelStore] = (),
    folder: Path | None = None,
    elsewhere: Collection[str] = (),
    then: Callable[[int], object] = lambda _judgements: None,
    near: Iterable[Path] = (),
) -> Erased:
    """Take people, by annotator id, out of label databases and a data set's folder, files kept of either included.

    Called again after it was killed, it goes on; who was erased before is passed over. Whom somebody owes something
    keeps a row of that in the database, by their panel's id alone.

    Args:
        people: who.
        stores: the label databases. All of them leave one, or none; then its files are written anew, and the backups
            that are kept.
        folder: the data set's folder: annotations and annotators, and the files kept beside those; of a link, what it
            leads to.
        elsewhere: people who are known in other places.
        then: called with the judgements that left, once the folder has none of theirs, and before a database is
            changed: until then it knows who they are at their panel.
        near: further folders to look into for databases and CSV files that name them.

    Returns:
        What left, and where names are still.

    Raises:
        StoreError: for somebody who is nowhere, or a damaged backup; then nobody is taken out of anything, or all are
            and the same call cleans the files.
        BadExport: the same if there is a folder, and if the folder is not a data set.
        DatabaseAway: while others read a database: the people are erased, and the same call cleans the files.
    """
    inside = [store.database.reading(_known, people) for store in stores]
    known = {*elsewhere, *(who for there in inside for who in there)}
    names = {*people, *(person for store in stores for person in store.database.reading(_persons, people))}
    judgements, files = (0, ()) if folder is None else _out_of_folder(folder, people, known)
    if folder is None and (strangers := [who for who in people if who not in known]):
        raise StoreError(f"nobody called {strangers[0]!r} in this task")
    then(judgements)
    databases: dict[str, int] = {}
    backups: list[Path] = []
    for store, there in zip(stores, inside, strict=True):
        answers = store.database.writing(_out_of_tables, there)
        if store.database.reading(to_clean):
            store.database.rewrite([*metadata.tables])
            clean_backups(store)
            store.database.writing(cleaned)
        if there:
            databases[shown(store.database.where)] = answers
            backups += kept(store)
    named = () if folder is None else still_named(folder, names, stores, (folder.parent, *near))
    return Erased(judgements, files, databases, tuple(backups), named)


def _known(connection: sa.Connection, people: Sequence[str]) -> list[str]:
    """Those of these people who are in the task, or were erased from it."""
    there = set(connection.scalars(sa.select(annotator.c.annotator_id)))
    return [who for who in people if who in there or was_erased(connection, who=who)]


def _persons(connection: sa.Connection, people: Sequence[str]) -> list[str]:
    """The ids at their panel of these people, as far as there are any, and they are not forgotten."""
    theirs = panel.c.annotator_id.in_(people), ~panel.c.person.startswith(FORGOTTEN)
    return [str(person) for person in connection.scalars(sa.select(panel.c.person).where(*theirs))]


def _out_of_tables(connection: sa.Connection, people: Sequence[str]) -> int:
    """How many answers they had given."""
    answers = 0
    for who in sorted({who for who in people if not was_erased(connection, who=who)}):
        keep_owed(connection, who)
        answers += erase(connection, who)
    return answers


def _out_of_folder(folder: Path, people: Sequence[str], elsewhere: Collection[str]) -> tuple[int, tuple[str, ...]]:
    """How many judgements left, and every file from which something did; BadExport for somebody who is nowhere."""
    if not (folder / META).is_file():
        raise BadExport(str(folder), ["is no data set (no dataset.json)"])
    with writing_in_turn(folder), all_or_none(folder):
        current = [folder / ANNOTATIONS, folder / ANNOTATORS]
        files = [path for path in current if path.is_file()] + [old for path in current for old in kept_of(path)]
        tables = {path: table for path in files if (table := read_parquet(path)) is not None}
        for path, table in tables.items():
            if "annotator_id" not in table.column_names:
                raise BadExport(str(path), ["no column annotator_id"])
        known = {*elsewhere, *(str(who) for table in tables.values() for who in table["annotator_id"].to_pylist())}
        if strangers := [who for who in people if who not in known]:
            raise BadExport(str(folder), [f"nobody called {strangers[0]!r}"])
        gone = {}
        for path, table in tables.items():
            theirs = pc.is_in(table["annotator_id"].cast(pa.string()), pa.array(list(people), pa.string()))
            if count := int(pc.sum(theirs).as_py() or 0):
                gone[path] = count
                if count < len(table):
                    write_parquet(path.resolve(), table.filter(pc.invert(theirs)))
                else:
                    path.resolve().unlink(missing_ok=True)
                    path.unlink(missing_ok=True)  # a link to it
    return gone.get(folder / ANNOTATIONS, 0), tuple(path.name for path in gone)


def still_named(
    folder: Path, names: Collection[str], stores: Sequence[LabelStore] = (), near: Iterable[Path] = ()
) -> tuple[Path, ...]:
    """Where exports and audits of a data set were written that hold one of these names now.

    So do CSV files and databases in `near`, in the working folder, and beside the databases of `stores` and their
    backups, which are clean themselves.
    """
    if not names:
        return ()
    folder = folder.resolve()
    own = {file.resolve() for store in stores for file in (Path(store.database.where), *kept(store))}
    places = {Path.cwd(), *(place.resolve() for place in near), *(file.parent for file in own)}
    beside = {file for place in places for file in place.glob("*.*") if file.suffix in (".csv", ".db")} - own
    wrote = [folder.parent / line["wrote"] for line in noted(folder) if isinstance(line.get("wrote"), str)]
    found = []
    for place in dict.fromkeys([folder.with_name(f"{folder.name}-audit"), *sorted(beside), *wrote]):
        with suppress(OSError, ValueError):  # no path at all, or one that this machine does not let us look at
            files = [place] if place.is_file() else sorted(place.rglob("*"))
            if place.resolve() != folder and any(_names(file, names) for file in files):
                found.append(place.resolve())
    return tuple(dict.fromkeys(found))


def _names(file: Path, people: Collection[str]) -> bool:
    """Whether a table, page or database names one of these people; in a database, also in what was deleted there."""
    in_json = [json.dumps(who, ensure_ascii=plain) for who in people for plain in (True, False)]
    written = {".db": people, ".html": list(map(escape, people)), ".json": in_json, ".jsonl": in_json}
    try:
        if file.suffix == ".parquet":
            return bool(pd.read_parquet(file).isin([*people]).to_numpy().any())
        if file.suffix == ".csv":
            return any(cell in people for row in csv_rows(file.read_text(encoding="utf-8-sig")) for cell in row)
        for part in (file, Path(f"{file}-wal")):  # the log, which a copy of a database may have brought along
            if file.suffix in written and part.is_file() and part.stat().st_size:
                with part.open("rb") as held, mmap(held.fileno(), 0, access=ACCESS_READ) as pages:
                    if any(pages.find(text.encode()) >= 0 for text in written[file.suffix]):
                        return True
        return False
    except (OSError, ValueError, csv.Error):
        return True  # what cannot be read may name them


@reading
def named_by(connection: sa.Connection, persons: Sequence[str]) -> list[str]:
    """The participants who have these ids at their panel, but for who was erased. Raises StoreError for nobody's."""
    found = []
    for person in persons:
        if (who := participant(connection, person)) is not None:
            found.append(who)
        elif not was_erased(connection, person):
            raise StoreError(f"nobody with the id {person!r} takes part in this study")
    return found


@transaction
def ask_for_erasure(connection: sa.Connection, who: str) -> None:
    """A person asks to be erased; the lead sees it, and confirms by `erase_people`."""
    check_invited(connection, [who])
    mine = erasure_request.c.annotator_id == who
    if connection.scalar(sa.select(erasure_request.c.asked_at).where(mine)) is None:
        connection.execute(erasure_request.insert().values(annotator_id=who, asked_at=now_ms()))


@reading
def erasures_asked(connection: sa.Connection) -> list[str]:
    """Who asked to be erased and is not yet, oldest first."""
    return list(connection.scalars(sa.select(erasure_request.c.annotator_id).order_by(erasure_request.c.asked_at)))
