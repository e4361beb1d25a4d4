"""A label column: one label in each cell, or several, and what an empty cell means."""

import ast
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, option
from affectml.importers.read import Table

MARKS = ("|", ";", ",")


@dataclass(frozen=True)
class Cells:
    """A label column's different cells and which one each row has.

    code: [N], position in `parts`. parts: the labels of each different cell, None for an empty cell (nothing
    is said; `[]` says that no label applies). several: whether cells may hold more than one label.
    """

    code: NDArray[np.int64]
    parts: list[tuple[str, ...] | None]
    several: bool
    note: str

    def first_rows(self) -> list[int]:
        """For each different cell, the first row that has it."""
        return [int(row) for row in np.unique(self.code, return_index=True)[1]]

    def found(self, table: Table) -> dict[str, str]:
        """Every label as spelt, with the place it was first seen."""
        seen: dict[str, str] = {}
        for part, row in zip(self.parts, self.first_rows(), strict=True):
            for label in part or ():
                seen.setdefault(label, table.where(row))
        return seen

    def counts(self) -> dict[str, int]:
        """How many rows hold each label as spelt."""
        rows = np.bincount(self.code, minlength=len(self.parts))
        seen: Counter[str] = Counter()
        for part, number in zip(self.parts, rows, strict=True):
            for label in part or ():
                seen[label] += int(number)
        return seen


def parse_cells(table: Table, column: str, delimiter: str | None, known: Collection[str]) -> Cells:
    """Split a label column's cells into labels.

    delimiter: what separates labels in a cell. Without it: lists as they are (Parquet lists, or text like
    ["joy", "awe"]); else the only one of | ; , that occurs; else one label a cell. "" says one label a cell. known:
    labels of a given taxonomy, which are never split. Raises BadInput where two of the marks occur.
    """
    cells = [_simple(cell) for cell in table.frame[column]]
    code, different = pd.factorize(pd.Series(cells, dtype=object), use_na_sentinel=False)
    values: list[Any] = [None if _is_gap(value) else value for value in different]
    code = code.astype(np.int64)
    texts = [value for value in values if isinstance(value, str)]
    singles: list[tuple[str, ...] | None] = [None if value is None else (value,) for value in values]
    if delimiter == "":
        return Cells(code, singles, False, f"{column}: one label in each row")
    if any(isinstance(value, tuple) for value in values):
        return Cells(code, values, True, f"{column}: a list of labels in each row")
    if delimiter is None and texts and all(text[0] == "[" and text[-1] == "]" for text in texts):
        lists = [None if value is None else _literal(value, column, table) for value in values]
        return Cells(code, lists, True, f"{column}: a list in brackets in each row")
    if delimiter is None:
        open_texts = [text for text in texts if text not in known]
        marks = [mark for mark in MARKS if any(mark in text for text in open_texts)]
        if len(marks) > 1:
            both = " and ".join(map(repr, marks))
            which = f"say which one separates labels: {option('delimiter')}"
            raise BadInput(f"{table.path}: column {column!r} holds {both}; {which}")
        if not marks:
            return Cells(code, singles, False, f"{column}: one label in each row")
        delimiter, note = marks[0], f"{column}: several labels in a row, separated by {marks[0]!r}"
    else:
        note = f"{column}: labels separated by {delimiter!r}"
    parts = singles.copy()
    for at, value in enumerate(values):
        if value is not None and value not in known:
            parts[at] = tuple(dict.fromkeys(piece.strip() for piece in value.split(delimiter) if piece.strip()))
    return Cells(code, parts, True, note)


def _simple(cell: Any) -> Any:
    """Text, a tuple of texts, or None; whole numbers lose their .0."""
    if isinstance(cell, str):
        text = cell.strip()
        return None if text in ("", "nan", "NaN") else text  # what pandas writes for nothing is nobody's label
    if isinstance(cell, list | tuple | np.ndarray):
        return tuple(dict.fromkeys(str(_simple(part)) for part in cell))
    if _is_gap(cell):
        return None
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)


def _is_gap(cell: Any) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell))


def _literal(text: str, column: str, table: Table) -> tuple[str, ...]:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = [piece.strip() for piece in text[1:-1].split(",") if piece.strip()]
    if not isinstance(value, list):
        raise BadInput(f"{table.path}: column {column!r}: expected a list, but received {text!r}")
    return tuple(dict.fromkeys(str(part).strip() for part in value))
