"""Adding judgements, and the people who made them, to those that a data set has: nothing there is lost or doubled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from affectml_annotation.columns import COLUMNS, Column
from affectml_annotation.errors import BadExport
from affectml_annotation.exchange.tables import as_numbers, for_files, from_files
from affectml_annotation.judgements import as_list

KEY = ["image_id", "annotator_id", "round"]


@dataclass(frozen=True, eq=False)
class Merged:
    """Judgements together: the file's content, and the same as a judgement table.

    new: how many came in; same: how many were there already; conflicts: what stands against what, one line each,
    and in `content` the new one in its place.
    """

    content: pa.Table
    judgements: pd.DataFrame
    new: int
    same: int
    conflicts: tuple[str, ...]


def merge_judgements(there: pa.Table | None, fresh: pd.DataFrame, where: str) -> Merged:
    """Put `fresh` to the content of an annotations.parquet (None: there is none).

    A judgement is known by its event id, and by its image, person and round, which together occur once. It is the same
    where what was said is the same (where the event ids are, its circumstances too; a value that one side does not have
    says nothing); else it is a conflict. Rows stay in their order, with all their columns; new ones follow. `where`
    names the file in errors. Raises BadExport for an event id that two different judgements have.
    """
    fresh = from_files(for_files(fresh), where)
    known = fresh[:0] if there is None else from_files(there.to_pandas(ignore_metadata=True), where)
    by_key = _find(known, fresh, KEY, where)
    by_id = _find(known, fresh, ["event_id"], where)
    clash = (by_id >= 0) & (by_id != by_key)
    if clash.any():
        row = int(np.flatnonzero(clash)[0])
        two = f"{_about(known, by_id[row])} there, and of {_about(fresh, row)} here ({int(clash.sum())} such)"
        what = f"event id {fresh['event_id'].iloc[row]!r} is that of {two}"
        raise BadExport(where, [what], "two judgements cannot have one id: export to a new folder")
    met = np.flatnonzero(by_key >= 0)
    one, other = known.iloc[by_key[met]], fresh.iloc[met]
    same = _agree(one, other, ["person"]) & ((by_id[met] < 0) | _agree(one, other, ["page", "task"]))
    lines = tuple(_line(known, by_key[row], fresh, row) for row in met[~same])
    order = np.concatenate([np.arange(len(known)), len(known) + np.flatnonzero(by_key < 0)])
    order[by_key[met[~same]]] = len(known) + met[~same]
    together = from_files(pd.concat([known, fresh], ignore_index=True).iloc[order], where)
    content = pa.Table.from_pandas(for_files(together), preserve_index=False)
    ours = {column.name for column in COLUMNS} & set(known.columns)
    own = pa.table({}) if there is None else there.select([name for name in there.column_names if name not in ours])
    if both := [name for name in own.column_names if name in content.column_names]:
        what = f"its column {both[0]} is one of your own, and the new judgements have a {both[0]} each"
        raise BadExport(where, [what], "give yours another name, or export to a new folder")
    rows = pa.array(order, mask=order >= len(known))
    for field in own.schema:
        content = content.append_column(field.with_nullable(True), own[field.name].take(rows))
    return Merged(content, together, int((by_key < 0).sum()), int(same.sum()), lines)


def _find(known: pd.DataFrame, fresh: pd.DataFrame, by: list[str], where: str) -> npt.NDArray[np.int64]:
    """For each fresh row the known one of the same values, -1 where there is none; a missing value is nobody's."""
    if not set(by) <= set(known.columns) & set(fresh.columns):
        return np.full(len(fresh), -1)
    rows = known[by].assign(row=range(len(known))).dropna()
    if (again := rows.duplicated(by)).any():
        twice = ", ".join(map(str, rows.loc[again, by].iloc[0]))
        raise BadExport(where, [f"two judgements with the same {', '.join(by)}: {twice}"])
    return fresh[by].merge(rows, how="left")["row"].fillna(-1).to_numpy(np.int64)


def _agree(one: pd.DataFrame, other: pd.DataFrame, by: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Row by row, whether both say the same in the columns that are `by` one of these."""
    same = np.ones(len(one), dtype=bool)
    for column in COLUMNS:
        if column.by in by and column.name in one and column.name in other:
            a, b = (_comparable(table, column) for table in (one, other))
            same &= ((a == b) | a.isna() | b.isna()).to_numpy(dtype=bool)
    return same


def _comparable(table: pd.DataFrame, column: Column) -> "pd.Series[Any]":
    """A column's cells, equal where they say the same: labels in any order, numbers beside their labels."""
    cells = table[column.name].reset_index(drop=True)
    if column.type == "labels":
        return cells.map(lambda labels: frozenset(as_list(labels)))
    if column.type != "numbers":
        return cells
    pairs = zip(table["labels"], map(as_numbers, cells), strict=True)
    strengths = [dict(zip(labels, of, strict=True)) if of and len(of) == len(labels) else None for labels, of in pairs]
    return pd.Series(strengths, dtype=object)


def _about(table: pd.DataFrame, row: int) -> str:
    image, who, number = (table[name].iloc[row] for name in KEY)
    return f"image {image!r}, {who!r}, round {number}"


def _line(known: pd.DataFrame, old: int, fresh: pd.DataFrame, new: int) -> str:
    """What stands against what: all that is said otherwise."""
    both = [column.name for column in COLUMNS if column.name in known and column.name in fresh]
    there, here = (table[both].iloc[row].map(_told) for table, row in ((known, old), (fresh, new)))
    told = [f"{name} {there[name]} there, {here[name]} here" for name in there.index[there != here]]
    return f"{_about(fresh, new)}: {'; '.join(told)}"


def _told(cell: Any) -> str:
    return "+".join(map(str, cell)) or "none" if isinstance(cell, list) else str(cell)


def merge_people(there: pa.Table | None, fresh: Sequence[Mapping[str, Any]]) -> tuple[pa.Table | None, list[str]]:
    """Put people (annotator_id and the attributes they share) to the content of an annotators.parquet.

    A new person or attribute is added. Gives the content, None where it is as it was, with one column for each
    attribute that anybody has; and one line for each attribute that has another value there, whose new one stands.
    """
    rows = [] if there is None else there.to_pylist()
    before, conflicts = [dict(row) for row in rows], list[str]()
    known = {str(row["annotator_id"]): row for row in rows}
    for person in fresh:
        who = str(person["annotator_id"])
        if who not in known:
            rows.append(known.setdefault(who, {"annotator_id": who}))
        theirs = known[who]
        for name, value in person.items():
            was = theirs.get(name)
            if value is not None and str(value) != str(was):
                conflicts += [] if was is None else [f"{who!r}: {name} is {was!r} there, {value!r} here"]
                theirs[name] = value
    if rows == before:
        return None, conflicts
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _column([row.get(name) for row in rows]) for name in names}), conflicts


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # one person gave a number, another a word
        return pa.array([None if value is None else str(value) for value in values])
