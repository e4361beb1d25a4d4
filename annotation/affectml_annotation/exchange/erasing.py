"""Taking a person out of a data set, because they asked for it: the one way in which judgements leave."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from affectml_annotation.errors import BadExport
from affectml_annotation.exchange._files import kept_of, write_parquet, writing_in_turn
from affectml_annotation.exchange.dataset_folder import ANNOTATIONS, ANNOTATORS, META, read_parquet


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
    with writing_in_turn(folder):
        current = [folder / ANNOTATIONS, folder / ANNOTATORS]
        files = [path for path in current if path.is_file()] + [kept for path in current for kept in kept_of(path)]
        tables = {path: table for path in files if (table := read_parquet(path)) is not None}
        for path, table in tables.items():
            if "annotator_id" not in table.column_names:
                raise BadExport(str(path), ["no column annotator_id"])
        known = {str(who) for table in tables.values() for who in table["annotator_id"].to_pylist()}
        for who in people:
            if who not in known and who not in elsewhere:
                near = get_close_matches(who, {*known, *elsewhere}, n=1)
                raise BadExport(str(folder), [f"nobody called {who!r}"], f"did you mean {near[0]!r}?" if near else "")
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
