"""Judgements as plain files: Parquet, CSV and JSON lines, one row per annotator and image."""

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadExport, BadImport
from affectml_annotation.exchange.columns import for_files, from_files, of_rows, with_time_texts
from affectml_annotation.exchange.files import plain_text, read_frame, readable, table_csv, write_parquet, write_text

DELIMITER = "|"
_CSV = (".csv", ".tsv")
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
    encoding: str = "utf-8-sig",
    delimiter: str = DELIMITER,
    empty: str | None = None,
) -> pd.DataFrame:
    """Read what `write_table` writes, or any such table: image_id, annotator_id and labels are enough.

    rename: the file's column to ours. encoding: of CSV and JSONL. In CSV, whose cells are parted by commas, semicolons
    or tabs, labels and intensities are joined by `delimiter` or stand as a JSON list. empty: see `from_files`. Raises
    BadImport for a file in another encoding or a cell that cannot be, naming the line of a text file (from 1, the
    header counted) or the row of a Parquet file (from 0).
    """
    path = Path(path)
    with readable(path):
        try:
            if path.suffix == ".parquet":
                table = read_frame(path).reset_index(drop=True)
            elif path.suffix in _CSV:
                table = _csv(path, encoding)
            elif path.suffix == ".jsonl":
                table = _json_lines(path, encoding)
            else:
                raise BadImport(str(path), ["expected a file ending in .parquet, .csv, .tsv or .jsonl"])
        except UnicodeDecodeError as error:
            what = f"not {encoding} text (byte {error.start}: {error.object[error.start]:#04x})"
            way_out = "save it as UTF-8, or name its encoding: --encoding cp1252 (encoding='cp1252'), say"
            raise BadImport(str(path), [what], way_out) from None
        except LookupError:
            what = f"no encoding {encoding!r}; there are utf-8, latin-1, cp1252 and others"
            raise BadImport(str(path), [what]) from None
    columns, rename = list(map(str, table.columns)), dict(rename or {})
    for theirs, ours in rename.items():
        if theirs not in columns:
            raise BadImport(str(path), [f"no column {theirs!r} to take as {ours!r} (columns: {', '.join(columns)})"])
    table = table.rename(columns=rename)
    if not table.columns.is_unique:
        twice = table.columns[table.columns.duplicated()][0]
        raise BadImport(str(path), [f"two columns are called {twice!r}; rename one"])
    try:
        for name, (_, read) in _LISTS.items():
            if name in table:
                cells = [read(cell, f"row {row}: {name}", delimiter) for row, cell in enumerate(table[name])]
                table[name] = pd.Series(cells, dtype=object)
        return from_files(table, str(path), empty)
    except BadImport as error:
        raise BadImport(str(path), at_lines(error.problems, path, encoding), error.way_out) from None


def at_lines(problems: Sequence[str], path: str | Path, encoding: str = "utf-8-sig") -> list[str]:
    """Problems that begin with `row N:`, with the file's line in its place where the file is CSV or JSON lines."""
    path = Path(path)
    if path.suffix not in (*_CSV, ".jsonl") or not any(_ROW.match(line) for line in problems):
        return list(problems)
    rows = _csv_rows(path, encoding)[1:] if path.suffix in _CSV else _jsonl_rows(path, encoding)
    lines = [line for line, _ in rows]

    def of_line(row: re.Match[str]) -> str:
        number = int(row[1])
        return f"line {lines[number]}" if number < len(lines) else row[0]

    return [_ROW.sub(of_line, line, count=1) if _ROW.match(line) else line for line in problems]


def _csv(path: Path, encoding: str) -> pd.DataFrame:
    (_, header), *rows = _csv_rows(path, encoding) or [(1, [])]
    for line, cells in rows:
        if len(cells) != len(header):
            what = f"line {line}: {len(cells)} cells, but the header has {len(header)}"
            raise BadImport(str(path), [what], "a cell that holds what parts the cells needs quotes around it")
    return pd.DataFrame([[cell or None for cell in cells] for _, cells in rows], columns=header, dtype=object)


def _csv_rows(path: Path, encoding: str) -> list[tuple[int, list[str]]]:
    """Each row but the blank ones, with the line on which it begins: a cell in quotes may hold line ends."""
    with path.open(encoding=encoding, newline="") as file:
        header = next((line for line in file if line.strip()), "")
        file.seek(0)
        separator = next((mark for mark in ";\t" if mark in header and "," not in header), ",")
        reader, begin, rows = csv.reader(file, delimiter=separator), 1, []
        for cells in reader:
            if len(cells) > 1 or "".join(cells).strip():
                rows.append((begin, list(map(plain_text, cells))))
            begin = reader.line_num + 1
        return rows


def _jsonl_rows(path: Path, encoding: str) -> list[tuple[int, str]]:
    """Each line but the blank ones, with its number."""
    lines = enumerate(path.read_text(encoding=encoding).split("\n"), 1)
    return [(number, line) for number, line in lines if line.strip()]


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


def _json_lines(path: Path, encoding: str) -> pd.DataFrame:
    rows = []
    for number, line in _jsonl_rows(path, encoding):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadImport(str(path), [f"line {number}: not JSON ({error})"]) from None
        if not isinstance(row, dict):
            raise BadImport(str(path), [f"line {number}: expected an object, but received {line[:40]}"])
        rows.append(row)
    return of_rows(rows)
