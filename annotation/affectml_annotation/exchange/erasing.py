"""Taking a person out of a data set, because they asked for it: the one way in which judgements leave.

DATASET-exports.jsonl, beside the data set, says where exports of it were written, and which targets count somebody who
was erased; no name is in it.
"""

import csv
import json
import os
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from affectml_annotation.errors import BadExport
from affectml_annotation.exchange.dataset_folder import ANNOTATIONS, ANNOTATORS, META
from affectml_annotation.exchange.files import (
    all_or_none,
    csv_rows,
    kept_of,
    read_parquet,
    write_parquet,
    writing_in_turn,
)


@dataclass(frozen=True)
class Erased:
    """judgements: how many rows of annotations.parquet left; files: every file from which something did."""

    judgements: int
    files: tuple[str, ...]


def erase_people(folder: str | Path, people: Sequence[str], elsewhere: Collection[str] = ()) -> Erased:
    """Take people out of a data set's annotations and annotators, and out of the files kept beside those. For good.

    Where a file is a link, what it leads to is changed.
    Targets are counts without names and stay as they are: an export makes them anew. elsewhere: people who are known in
    other places, so that they need not be in the data set. Raises BadExport, and takes nobody out, where one of them is
    not in the data set.
    """
    folder = Path(folder)
    if not (folder / META).is_file():
        raise BadExport(str(folder), ["is no data set (no dataset.json)"])
    with writing_in_turn(folder), all_or_none(folder):
        current = [folder / ANNOTATIONS, folder / ANNOTATORS]
        files = [path for path in current if path.is_file()] + [kept for path in current for kept in kept_of(path)]
        tables = {path: table for path in files if (table := read_parquet(path)) is not None}
        for path, table in tables.items():
            if "annotator_id" not in table.column_names:
                raise BadExport(str(path), ["no column annotator_id"])
        known = {str(who) for table in tables.values() for who in table["annotator_id"].to_pylist()}
        for who in people:
            if who not in known and who not in elsewhere:
                raise BadExport(str(folder), [f"nobody called {who!r}"])
        gone, left = 0, []
        for path, table in tables.items():
            theirs = pc.is_in(table["annotator_id"].cast(pa.string()), pa.array(list(people), pa.string()))
            count = int(pc.sum(theirs).as_py() or 0)
            if not count:
                continue
            left.append(path.name)
            gone += count if path == folder / ANNOTATIONS else 0
            if count < len(table):
                write_parquet(path.resolve(), table.filter(pc.invert(theirs)))
                continue
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)  # a link to it
    return Erased(gone, tuple(left))


def note_export(folder: str | Path, **what: Any) -> bool:
    """Add a line to what a data set's exports have written; False where none can be written beside it."""
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **what}
    try:
        with _notes_of(folder).open("a", encoding="utf-8") as out:
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError:
        return False
    return True


def note_written(folder: str | Path, to: str | Path) -> bool:
    """Remember that an export of a data set was written to a file or folder; see `note_export`."""
    place = os.path.relpath(Path(to).resolve(), _notes_of(folder).parent)
    return any(line.get("wrote") == place for line in noted(folder)) or note_export(folder, wrote=place)


def noted(folder: str | Path) -> list[dict[str, Any]]:
    """The lines that `note_export` added, oldest first; one that a killed command left half is passed over."""
    found = []
    with suppress(OSError):
        for text in _notes_of(folder).read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(text))
    return [line for line in found if isinstance(line, dict)]


def still_named(folder: str | Path, people: Collection[str], near: Iterable[Path] = ()) -> list[Path]:
    """Where exports and audits of a data set were written that hold the name of one of these people now.

    near: further files to look into.
    """
    folder = Path(folder).resolve()
    places = [folder.with_name(f"{folder.name}-audit"), *near]
    places += [folder.parent / line["wrote"] for line in noted(folder) if isinstance(line.get("wrote"), str)]
    found = []
    for place in dict.fromkeys(places):
        with suppress(OSError, ValueError):  # no path at all, or one that this machine does not let us look at
            files = [place] if place.is_file() else sorted(place.rglob("*"))
            if place.resolve() != folder and any(_names(file, people) for file in files):
                found.append(place.resolve())
    return list(dict.fromkeys(found))


def _notes_of(folder: str | Path) -> Path:
    folder = Path(folder).resolve()
    return folder.with_name(f"{folder.name}-exports.jsonl")


def _holds(file: Path, people: Collection[str]) -> bool:
    with file.open("rb") as held, mmap(held.fileno(), 0, access=ACCESS_READ) as pages:
        return any(pages.find(who.encode()) >= 0 for who in people)


def _names(file: Path, people: Collection[str]) -> bool:
    """Whether a table, page or database names one of these people; in a database, also in what was deleted there."""
    try:
        if file.suffix == ".parquet":
            with pq.ParquetFile(file) as opened:
                texts = [field.name for field in opened.schema_arrow if pa.types.is_string(field.type)
                         or pa.types.is_large_string(field.type)]  # fmt: skip
                columns = opened.read(texts).columns
            wanted = pa.array(list(people), pa.string())
            return any(pc.any(pc.is_in(column.cast(pa.string()), wanted)).as_py() for column in columns)
        if file.suffix == ".db":
            log = Path(f"{file}-wal")  # which a copy of a database may have brought along
            parts = [file, *([log] if log.is_file() and log.stat().st_size else [])]
            return any(_holds(part, people) for part in parts)
        if file.suffix not in (".csv", ".json", ".jsonl", ".html"):
            return False
        content = file.read_text(encoding="utf-8-sig")
        if file.suffix == ".csv":
            return any(cell in people for row in csv_rows(content) for cell in row)
        if file.suffix == ".html":
            return any(escape(who) in content for who in people)
        return any(json.dumps(who, ensure_ascii=plain) in content for who in people for plain in (True, False))
    except (OSError, ValueError, csv.Error, pa.ArrowException):
        return True  # what cannot be read may name them
