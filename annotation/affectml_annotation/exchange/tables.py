"""Judgements as plain files: Parquet, CSV and JSON lines, one row per annotator and image."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml_annotation import tables
from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadExport, BadImport
from affectml_annotation.exchange.columns import for_files, from_files, with_time_texts
from affectml_annotation.exchange.files import readable, table_csv, write_parquet, write_text

DELIMITER = "|"
_ROW = re.compile(r"row (\d+)(?=: )")


def write_table(judgements: pd.DataFrame, path: str | Path) -> None:
    """Write judgements by the file's ending: .parquet, .csv or .jsonl. All three hold every column.

    CSV: labels and intensities are joined by `|`; labels that would be read otherwise, such as one that holds a `|`,
    stand as a JSON list; a text that a spreadsheet would run gets a ' before it, which `read_table` takes away. Raises
    BadExport.
    """
    path = Path(path)
    table = for_files(judgements)
    if path.suffix != ".parquet":
        table = with_time_texts(table)
    if path.suffix == ".parquet":
        write_parquet(path, table)
    elif path.suffix == ".jsonl":
        plain = table.astype(object).where(table.notna(), None)
        rows = ({k: v for k, v in row.items() if v is not None} for row in plain.to_dict("records"))
        write_text(path, "".join(json.dumps(row, ensure_ascii=False, default=_plain) + "\n" for row in rows))
    elif path.suffix == ".csv":
        for name, (write, _) in _LISTS.items():
            if name in table:
                table[name] = [write(cell) for cell in table[name]]
        write_text(path, table_csv(table))
    else:
        raise BadExport(str(path), ["expected a file ending in .parquet, .csv or .jsonl"])


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)


def read_table(
    path: str | Path,
    *,
    rename: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    delimiter: str = DELIMITER,
    empty: str | None = None,
) -> pd.DataFrame:
    """Read what `write_table` writes, or any such table: image_id, annotator_id and labels are enough.

    rename: the file's column to ours. encoding: of CSV and JSONL. In CSV, whose cells are parted by commas, semicolons
    or tabs, labels and intensities are joined by `delimiter` or stand as a JSON list. empty: see `from_files`. Raises
    BadImport for a file in another encoding or a cell that cannot be, naming the line of a text file (from 1, the
    header counted) or the row of another (from 1).
    """
    path = Path(path)
    with readable(path):
        table = tables.read_table(path, encoding=encoding, as_written=True, spell=_spelled)
    columns, rename = list(map(str, table.frame.columns)), dict(rename or {})
    for theirs, ours in rename.items():
        if theirs not in columns:
            raise BadImport(str(path), [f"no column {theirs!r} to take as {ours!r} (columns: {', '.join(columns)})"])
    frame = table.frame.rename(columns=rename)
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise BadImport(str(path), [f"two columns are called {twice!r}; rename one"])
    try:
        for name, (_, read) in _LISTS.items():
            if name in frame:
                cells = [read(cell, f"row {row}: {name}", delimiter) for row, cell in enumerate(frame[name])]
                frame[name] = pd.Series(cells, dtype=object)
        return from_files(frame, str(path), empty)
    except BadImport as error:
        raise BadImport(str(path), at_places(error.problems, table), error.way_out) from None


def at_places(problems: Sequence[str], table: tables.Table) -> list[str]:
    """Problems of which each begins with `row N:`, from 0, with the place of that row in its file."""

    def placed(row: re.Match[str]) -> str:
        return f"{table.unit} {table.place[int(row[1])]}"

    return [_ROW.sub(placed, problem, count=1) if _ROW.match(problem) else problem for problem in problems]


def at_lines(problems: Sequence[str], path: str | Path, encoding: str = "utf-8") -> list[str]:
    """The same of a file that was read by `read_table`; of other forms of judgements they stay as they are."""
    path = Path(path)
    if not path.is_file() or path.suffix.lower() == ".json":
        return list(problems)
    return at_places(problems, tables.read_table(path, encoding=encoding, as_written=True))


def _spelled(name: str, value: str = "") -> str:
    """An option as messages of this package name it, in both languages."""
    return f"--{name} {value} ({name}={value!r})" if value else f"--{name}"


def _json_list(cell: str, kinds: type | tuple[type, ...]) -> list[Any] | None:
    """The JSON list of such values that a cell holds, as pandas and databases write one; None for every other cell."""
    if not cell.lstrip().startswith("["):
        return None
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(each, kinds) for each in found) else None


def _label_cell(labels: list[str]) -> str:
    joined = DELIMITER.join(labels)
    return joined if (_labels(joined, "") or []) == labels else json.dumps(labels, ensure_ascii=False)


def _labels(cell: Any, where: str, delimiter: str = DELIMITER) -> list[str] | None:
    """The labels of a cell; None where it says nothing."""
    if isinstance(cell, str):
        if (listed := _json_list(cell, str)) is not None:
            return listed
        return [label.strip() for label in cell.split(delimiter) if label.strip()] or None
    if isinstance(cell, list | tuple | np.ndarray) and all(isinstance(label, str) for label in cell):
        return list(cell)
    if pd.api.types.is_scalar(cell) and pd.isna(cell):
        return None
    raise BadImport("", [f"{where} {cell!r}: expected a list of names, or names joined by {delimiter!r}"])


def _number_cell(values: list[float | None] | None) -> str | None:
    return None if values is None else DELIMITER.join("" if value is None else repr(value) for value in values)


def _numbers(cell: Any, where: str, delimiter: str) -> Any:
    if not isinstance(cell, str):
        return cell
    listed = _json_list(cell, (int, float, type(None)))
    try:
        parts = cell.split(delimiter) if listed is None else listed
        return [None if part in ("", None) else float(part) for part in parts]
    except ValueError:
        what = f"{where} {cell!r} are no numbers joined by {delimiter!r}, and no JSON list of numbers"
        raise BadImport("", [what]) from None


# How a cell of CSV has a list, and how it is read.
_OF_TYPE: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any, str, str], Any]]] = {
    "labels": (_label_cell, _labels),
    "numbers": (_number_cell, _numbers),
}
_LISTS = {column.name: _OF_TYPE[column.type] for column in COLUMNS if column.type in _OF_TYPE}
