"""Tables of judgements: as pandas has them, in Parquet, CSV and JSON lines, and what is wrong with one, row by row."""

import json
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml_annotation import tables
from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadExport, BadImport
from affectml_annotation.exchange.files import table_csv, write_parquet, write_text
from affectml_annotation.judgements import REQUIRED, UNSTORABLE, as_list, languages_in, of_now, read_rows, storable

DELIMITER = "|"
EMPTY = "does no label apply (--empty none, empty='none'), or is there no answer (--empty skip, empty='skip')?"
FUTURE = pd.Timedelta(minutes=5)
_ROW = re.compile(r"row (\d+)(?=: )")
_TRUTHS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False, "": False}
_ONLY_CODES = (
    "; if it is to say in which language people answered, only codes such as de or pt-BR, names such as German, and "
    "empty cells may stand in it"
)


def as_numbers(value: Any) -> list[float | None] | None:
    """A cell of intensities as floats, None where a label has none; a missing cell is None."""
    values = as_list(value)
    return [None if one is None or np.isnan(one) else float(one) for one in values] or None


def for_files(judgements: pd.DataFrame) -> pd.DataFrame:
    """The table as files have it: known columns in order, empty optional ones left out, lists as lists.

    Raises BadExport where a column is missing that every file has.
    """
    missing = [name for name in REQUIRED if name not in judgements.columns]
    if missing:
        raise BadExport("judgements", [f"no column {missing[0]}"])
    known = [column for column in COLUMNS if column.name in judgements.columns]
    keep = [column for column in known if column.name in REQUIRED or judgements[column.name].notna().any()]
    table = judgements[[column.name for column in keep]].reset_index(drop=True)
    for column in keep:
        if (read := _OF_LISTS.get(column.type)) is not None:
            table[column.name] = pd.Series([read(value) for value in table[column.name]], dtype=object)
    return table


def from_files(table: pd.DataFrame, where: str, empty: str | None = None) -> pd.DataFrame:
    """A table from a file with proper types; round 1 and the kind are filled in where a file leaves them out.

    A row without a kind is `labels` or, with an empty list, `none`. A cell of labels with nothing in it, not even a
    list, is no answer: `empty` says what it is, `none` or `skip`. Raises BadImport naming file and row.
    """
    if empty not in (None, "none", "skip"):
        raise BadImport(where, [f"empty: expected none or skip, but received {empty!r}"])
    for name in ("image_id", "annotator_id", "labels"):
        if name not in table.columns:
            what = f"no column {name} (columns: {', '.join(map(str, table.columns))})"
            raise BadImport(where, [what], f"--map THEIRS={name} (rename={{'THEIRS': {name!r}}}) names another")
    table = table[[column.name for column in COLUMNS if column.name in table.columns]].reset_index(drop=True)
    silent = table["labels"].isna() & (table["kind"].isna() if "kind" in table else True)
    if silent.any() and empty is None:
        what = "labels is empty, and no kind says what that is"
        raise BadImport(where, [f"row {row}: {what}" for row in np.flatnonzero(silent)], EMPTY)
    table["labels"] = _cells(table["labels"], where, _names)
    answers = np.where(table["labels"].map(len) > 0, "labels", "none")
    kinds = pd.Series(np.where(silent, empty or "none", answers), dtype="str")
    table["kind"] = table["kind"].where(table["kind"].notna(), kinds) if "kind" in table else kinds
    if "round" not in table:
        table["round"] = 1
    table, notes = without_own(table, lambda row: f"{where}: row {row}")
    for note in notes:
        warnings.warn(note, stacklevel=2)
    table = of_now(table)
    for column in COLUMNS:
        if column.name in table and column.type != "labels":
            table[column.name] = _read(table[column.name], column.type, where)
    return table[[column.name for column in COLUMNS if column.name in table.columns]]


def without_own(table: pd.DataFrame, place: Callable[[int], str]) -> tuple[pd.DataFrame, list[str]]:
    """`language` as codes and `flag` as booleans; and what is to be said of either that is left out.

    A column of such a name that holds anything else is somebody else's, and none of ours. place: where a row stands.
    """
    notes = []
    for name, read, what, more in (
        ("language", languages_in, "names no language", _ONLY_CODES),
        ("flag", _flags, "is not true or false", ""),
    ):
        if name in table:
            column, row = read(table[name])
            if row is not None:
                value = table[name].iloc[row]
                notes.append(
                    f"{place(row)}: {name} {value!r:.40} {what}, so this column is taken for one of your own{more}"
                )
            table = table.assign(**{name: column}) if row is None else table.drop(columns=name)
    return table, notes


def _flags(column: "pd.Series[Any]") -> tuple["pd.Series[Any]", int | None]:
    """A column as booleans, missing being false; and the first row of a value that is neither true nor false."""
    found = _as_truths(column)
    bad = (found.isna() & column.notna()).to_numpy()
    return found.eq(True), int(bad.argmax()) if bad.any() else None


def _as_truths(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return column.astype(object).map(lambda value: _TRUTHS.get(str(value).lower()), na_action="ignore")


def _cells(column: "pd.Series[Any]", where: str, read: Callable[[Any], Any]) -> "pd.Series[Any]":
    """A column of lists; a cell that holds anything else is named."""
    found, problems = [], []
    what = "names" if column.name == "labels" else "numbers"
    for row, value in enumerate(column):
        try:
            found.append(read(value))
        except (TypeError, ValueError):
            problems.append(f"row {row}: {column.name} {value!r} cannot be read as a list of {what}")
    if problems:
        raise BadImport(where, problems)
    return pd.Series(found, dtype=object)


def _names(value: Any) -> list[Any]:
    labels = as_list(value)
    if not all(isinstance(label, str) for label in labels):
        raise TypeError("labels are a list of names")
    return labels


def _read(column: "pd.Series[Any]", type_: str, where: str) -> "pd.Series[Any]":
    """A column as it is in memory. Raises BadImport for cells that cannot be read, by their rows where these are known.

    A missing truth is false. Whole numbers are floats where one is none, for whoever checks the table to name; a time
    without a zone is UTC.
    """
    if type_ == "numbers":
        return _cells(column, where, as_numbers)
    try:
        match type_:
            case "text" | "language":
                return column.astype("str")  # half of a character, which no file can hold, raises
            case "truth":
                cells, otherwise = _as_truths(column), "not true or false"
            case "time":
                form = None if column.dtype.kind == "M" else "ISO8601"
                times = pd.to_datetime(column, utc=True, errors="coerce", format=form)
                cells, otherwise = times.astype("datetime64[ms, UTC]"), "no time"
            case _:
                cells, otherwise = pd.to_numeric(column, errors="coerce").astype("float64"), "no number"
    except (TypeError, ValueError, OverflowError) as error:
        raise BadImport(where, [f"column {column.name}: a cell cannot be read as {type_} ({error})"]) from None
    if (bad := (cells.isna() & column.notna()).to_numpy()).any():
        rows = [f"row {row}: {column.name} {column.iloc[row]!r} is {otherwise}" for row in np.flatnonzero(bad)]
        raise BadImport(where, rows)
    if type_ == "whole" and ((cells == np.floor(cells)) & (cells.abs() < 2**31)).all():
        return cells.astype("int64")
    return cells.eq(True) if type_ == "truth" else cells


def with_time_texts(table: pd.DataFrame) -> pd.DataFrame:
    """A table with its times as ISO 8601 with milliseconds and Z."""
    for column in COLUMNS:
        if column.type == "time" and column.name in table:
            texts = [at.isoformat(timespec="milliseconds").replace("+00:00", "Z") for at in table[column.name].dropna()]
            table[column.name] = pd.Series(texts, table.index[table[column.name].notna()], dtype=object)
    return table


_OF_LISTS: Mapping[str, Callable[[Any], Any]] = {"labels": as_list, "numbers": as_numbers}


def write_table(judgements: pd.DataFrame, path: Path) -> None:
    """Write judgements by the file's ending: .parquet, .csv or .jsonl. All three hold every column.

    CSV: labels and intensities are joined by `|`; labels that would be read otherwise, such as one that holds a `|`,
    stand as a JSON list; a text that a spreadsheet would run gets a ' before it, which `read_table` takes away. Raises
    BadExport.
    """
    table = for_files(judgements)
    if path.suffix == ".parquet":
        write_parquet(path, table)
    elif path.suffix == ".jsonl":
        rows = map(plain_row, with_time_texts(table).to_dict("records"))
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    else:
        for name, (write, _) in _LISTS.items():
            if name in table:
                table[name] = [write(cell) for cell in table[name]]
        write_text(path, table_csv(with_time_texts(table)))


def plain_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    """What a row says, as JSON has it; what it does not say is left out."""
    said = {name: value for name, value in row.items() if isinstance(value, list) or not pd.isna(value)}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in said.items()}


def read_table(
    path: str | Path, *, rename: Mapping[str, str] | None = None, delimiter: str = DELIMITER, empty: str | None = None
) -> pd.DataFrame:
    """Read what `write_table` writes, or any such table: image_id, annotator_id and labels are enough.

    rename: the file's column to ours. In CSV, whose cells are parted by commas, semicolons or tabs, labels and
    intensities are joined by `delimiter` or stand as a JSON list. empty: see `from_files`. Raises BadImport for a cell
    that cannot be, naming the line of a text file (from 1, the header counted) or the row of another (from 1).
    """
    path, rename = Path(path), rename or {}
    table = tables.read_table(path, as_written=True)
    for theirs, ours in rename.items():
        if theirs not in table.frame:
            columns = ", ".join(table.frame.columns)
            raise BadImport(str(path), [f"no column {theirs!r} to take as {ours!r} (columns: {columns})"])
    frame = table.frame.rename(columns=dict(rename))
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise BadImport(str(path), [f"two columns are called {twice!r}; rename one"])
    for name, (_, read) in _LISTS.items():
        if name in frame:
            cells = [read(cell, delimiter) if isinstance(cell, str) else cell for cell in frame[name]]
            frame[name] = pd.Series(cells, dtype=object)
    try:
        return from_files(frame, str(path), empty)
    except BadImport as error:
        raise BadImport(str(path), at_places(error.problems, table), error.way_out) from None


def at_places(problems: Sequence[str], table: tables.Table) -> list[str]:
    """Problems that begin with `row N:`, from 0, with the place of that row in its file instead."""

    def placed(row: re.Match[str]) -> str:
        return f"{table.unit} {table.place[int(row[1])]}"

    return [_ROW.sub(placed, problem, count=1) if _ROW.match(problem) else problem for problem in problems]


def at_lines(problems: Sequence[str], path: Path) -> list[str]:
    """The same of a file that was read by `read_table`; of other forms of judgements they stay as they are."""
    if not path.is_file() or path.suffix.lower() == ".json":
        return list(problems)
    return at_places(problems, tables.read_table(path, as_written=True))


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
    return joined if (_labels_of(joined, DELIMITER) or []) == labels else json.dumps(labels, ensure_ascii=False)


def _labels_of(cell: str, delimiter: str) -> list[str] | None:
    """The labels of a cell; None where it says nothing."""
    listed = _json_list(cell, str)
    return [label.strip() for label in cell.split(delimiter) if label.strip()] or None if listed is None else listed


def _number_cell(values: list[float | None] | None) -> str | None:
    return None if values is None else DELIMITER.join("" if value is None else repr(value) for value in values)


def _numbers_of(cell: str, delimiter: str) -> Any:
    """The numbers of a cell; a cell that holds anything else as it is, for `from_files` to name."""
    listed = _json_list(cell, (int, float, type(None)))
    try:
        parts = cell.split(delimiter) if listed is None else listed
        return [None if part in ("", None) else float(part) for part in parts]
    except ValueError:
        return cell


# How a cell of CSV has a list, and how it is read.
_OF_TYPE: Mapping[str, tuple[Callable[[Any], Any], Callable[[str, str], Any]]] = {
    "labels": (_label_cell, _labels_of),
    "numbers": (_number_cell, _numbers_of),
}
_LISTS = {column.name: _OF_TYPE[column.type] for column in COLUMNS if column.type in _OF_TYPE}


def import_problems(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    *,
    images: Collection[str] | None = None,
    annotators: Collection[str] | None = None,
    now: pd.Timestamp | None = None,
) -> list[str]:
    """Everything that is wrong with a table of judgements, for an import that takes all of it or nothing.

    Args:
        judgements: a table as `read_judgements` gives it.
        labels: all labels in use.
        images: the images that the task has, where that is to be checked.
        annotators: the people who were invited, where that is to be checked.
        now: from when on a time lies in the future; without it, the present.

    Returns:
        One line for each problem, in the order of the rows, which count from 0. Empty where there is none.
    """
    found = [(row, what) for row, what, _ in read_rows(judgements, labels).problems]

    def note(wrong: Any, name: str, words: str) -> None:
        values = judgements[name]
        found.extend((row, words.format(values.iloc[row])) for row in np.flatnonzero(wrong).tolist())

    people = ("annotator_id", annotators, "{!r} was not invited")
    for name, known, words in (("image_id", images, "{!r} is no image of this task"), people):
        if known is not None:
            ids = judgements[name]
            note(~ids.isin([*known]) & ids.notna() & (ids.astype(str).str.strip() != ""), name, words)
    again = judgements.duplicated(["image_id", "annotator_id", "round"])
    note(again, "round", "the same person, image and round as a row before")
    if "event_id" in judgements:
        note(judgements["event_id"].duplicated() & judgements["event_id"].notna(), "event_id", "event_id {!r} again")
    latest = (now if now is not None else pd.Timestamp.now(tz="UTC")) + FUTURE
    for name, type_ in ((column.name, column.type) for column in COLUMNS if column.name in judgements):
        cells = judgements[name]
        if type_ == "text":
            note([isinstance(text, str) and not storable(text) for text in cells], name, f"{name} {UNSTORABLE}")
        elif type_ == "time":
            note(cells > latest, name, f"{name} {{}} lies in the future")
        elif type_ == "numbers":
            for row, (chosen, numbers) in enumerate(zip(judgements["labels"], cells, strict=True)):
                if numbers is not None and not np.isscalar(numbers) and len(numbers) != len(chosen):
                    found.append((row, f"{len(chosen)} labels but {len(numbers)} {name}"))
    return [f"row {row}: {what}" for row, what in sorted(found, key=lambda one: one[0])]
