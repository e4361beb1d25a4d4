"""Tables of judgements: as pandas has them, in Parquet, CSV and JSON lines, and what is wrong with one, row by row."""

import json
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml_annotation import tables
from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadExport, BadImport
from affectml_annotation.exchange.files import readable, table_csv, write_parquet, write_text
from affectml_annotation.judgements import REQUIRED, UNSTORABLE, languages_in, of_now, read_rows, storable

DELIMITER = "|"
EMPTY = "does no label apply (--empty none, empty='none'), or is there no answer (--empty skip, empty='skip')?"
FUTURE = pd.Timedelta(minutes=5)
_ROW = re.compile(r"row (\d+)(?=: )")


def as_list(value: Any) -> list[Any]:
    """A cell of labels or intensities as a list; missing is empty."""
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return []
    return list(value)


def as_numbers(value: Any) -> list[float | None] | None:
    """A cell of intensities as floats, None where a label has none; a missing cell is None."""
    values = as_list(value)
    return [None if one is None or np.isnan(one) else float(one) for one in values] or None


def of_rows(rows: Sequence[Mapping[str, Any]], otherwise: Sequence[str] = ()) -> pd.DataFrame:
    """Rows as a table of whatever values they have; the columns of a table without rows are named by `otherwise`."""
    columns = list(dict.fromkeys(name for row in rows for name in row)) or otherwise
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns})


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
    silent = [pd.api.types.is_scalar(cell) and bool(pd.isna(cell)) for cell in table["labels"]]
    if "kind" in table:
        silent = [nothing and bool(unsaid) for nothing, unsaid in zip(silent, table["kind"].isna(), strict=True)]
    if any(silent) and empty is None:
        what = "labels is empty, and no kind says what that is"
        raise BadImport(where, [f"row {row}: {what}" for row, nothing in enumerate(silent) if nothing], EMPTY)
    table["labels"] = _cells(table["labels"], where, _names)
    said = pd.Series(
        [empty if nothing else "labels" if labels else "none"
         for labels, nothing in zip(table["labels"], silent, strict=True)], dtype="str",
    )  # fmt: skip
    table["kind"] = table["kind"].where(table["kind"].notna(), said) if "kind" in table else said
    if "round" not in table:
        table["round"] = 1
    if "flag" in table and (own := truths_in(table["flag"])[1]):
        warnings.warn(own_flag(f"{where}: row {own[0]}", table["flag"].iloc[own[0]]), stacklevel=2)
        table = table.drop(columns="flag")
    table = of_now(table)
    for column in COLUMNS:
        if column.name in table and column.type != "labels":
            table[column.name] = _READ[column.type](table[column.name], where)
    if "language" in table:
        table = _with_language(table, where)
    return table[[column.name for column in COLUMNS if column.name in table.columns]]


def _with_language(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """`language` as codes; a column of that name that holds anything else is somebody else's, and none of ours."""
    codes, own = languages_in(table["language"])
    if own is None:
        return table.assign(language=codes)
    warnings.warn(own_language(f"{where}: row {own}", table["language"].iloc[own]), stacklevel=2)
    return table.drop(columns="language")


def own_language(where: str, value: object) -> str:
    """What is said of a column `language` that is left alone."""
    return (
        f"{where}: language {value!r:.40} names no language, so this column is taken for one of your own, and no "
        "answer has a language; if it is to say in which one people answered, only codes such as de or pt-BR, names "
        "such as German, and empty cells may stand in it"
    )


def _cells(column: "pd.Series[Any]", where: str, read: Callable[[Any], Any]) -> "pd.Series[Any]":
    """A column of lists; a cell that holds anything else is named."""
    found, problems = [], []
    for row, value in enumerate(column):
        try:
            found.append(read(value))
        except (TypeError, ValueError):
            problems.append(f"row {row}: {column.name} {value!r} cannot be read as a list")
    if problems:
        raise BadImport(where, problems)
    return pd.Series(found, dtype=object)


def _names(value: Any) -> list[Any]:
    if isinstance(value, str | bytes):
        raise TypeError("a text is no list of labels")
    labels = as_list(value)
    if not all(isinstance(label, str) for label in labels):
        raise TypeError("labels are names")
    return labels


def _texts(column: "pd.Series[Any]", where: str) -> "pd.Series[Any]":
    """A column as texts; a cell with half of a character, which no file can hold, is named."""
    try:
        return column.astype("str")
    except (UnicodeError, ValueError) as error:
        raise BadImport(where, [f"column {column.name}: a cell cannot be read as text ({error})"]) from None


def numbers(column: "pd.Series[Any]", where: str) -> "pd.Series[Any]":
    """A column as floats; a cell that is not a number is named."""
    return _converted(column, "number", where, partial(pd.to_numeric, errors="coerce")).astype("float64")


def _whole(column: "pd.Series[Any]", where: str) -> "pd.Series[Any]":
    """A column as whole numbers; as floats where one is none, for whoever checks the table to name."""
    found = numbers(column, where)
    whole = ((found == np.floor(found)) & (found.abs() < 2**31)).all()
    return found.astype("int64") if whole else found


def times(column: "pd.Series[Any]", where: str) -> "pd.Series[Any]":
    """A column as UTC times; without a zone it is UTC."""
    form = None if column.dtype.kind == "M" else "ISO8601"

    def read(cells: "pd.Series[Any]") -> "pd.Series[Any]":
        return pd.to_datetime(cells, utc=True, errors="coerce", format=form).astype("datetime64[ms, UTC]")

    return _converted(column, "time", where, read)


def _converted(column: "pd.Series[Any]", kind: str, where: str, read: Callable[..., Any]) -> "pd.Series[Any]":
    """A column as `read` has it, which gives a missing value for a cell that it cannot read."""
    try:
        found: pd.Series[Any] = read(column)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadImport(where, [f"column {column.name}: not {kind}s ({error})"]) from None
    bad = (found.isna() & column.notna()).to_numpy()
    if bad.any():
        raise BadImport(
            where, [f"row {at}: {column.name} {column.iloc[at]!r} is no {kind}" for at in np.flatnonzero(bad)]
        )
    return found


def own_flag(where: str, value: object) -> str:
    """What is said of a column `flag` that is left alone."""
    return f"{where}: flag {value!r:.40} is not true or false, so this column is taken for one of your own"


def truths(column: "pd.Series[Any]", where: str) -> "pd.Series[Any]":
    """A column as booleans; missing is false."""
    found, bad = truths_in(column)
    if bad:
        raise BadImport(where, [f"row {row}: {column.name} {column.iloc[row]!r} is not true or false" for row in bad])
    return found.astype(bool)


def truths_in(column: "pd.Series[Any]") -> tuple["pd.Series[Any]", list[int]]:
    """A column as booleans, missing being false; and the rows of values that are neither true nor false."""
    words = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False, "": False}
    found = [words.get("" if pd.isna(value) else str(value).lower()) for value in column]
    return pd.Series(found, dtype=object), [row for row, one in enumerate(found) if one is None]


def with_time_texts(table: pd.DataFrame) -> pd.DataFrame:
    """A table with its times as ISO 8601 with milliseconds and Z."""
    for column in COLUMNS:
        if column.type == "time" and column.name in table:
            texts = [at.isoformat(timespec="milliseconds").replace("+00:00", "Z") for at in table[column.name].dropna()]
            table[column.name] = pd.Series(texts, table.index[table[column.name].notna()], dtype=object)
    return table


_OF_LISTS: Mapping[str, Callable[[Any], Any]] = {"labels": as_list, "numbers": as_numbers}
# A column as it is in memory; a cell that cannot be read raises BadImport.
_READ: Mapping[str, Callable[["pd.Series[Any]", str], "pd.Series[Any]"]] = {
    "text": _texts, "language": _texts, "whole": _whole, "number": numbers, "truth": truths, "time": times,
    "numbers": partial(_cells, read=as_numbers),
}  # fmt: skip


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
    """Problems that begin with `row N:`, from 0, with the place of that row in its file instead."""

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

    def note(wrong: Any, words: Callable[[int], str]) -> None:
        found.extend((row, words(row)) for row in np.flatnonzero(wrong).tolist())

    for name, task, what in (
        ("image_id", images, "is no image of this task"),
        ("annotator_id", annotators, "was not invited"),
    ):
        if task is not None:
            ids = judgements[name]
            stranger = ~ids.isin([*task]) & ids.notna() & (ids.astype(str).str.strip() != "")
            note(stranger, lambda row, ids=ids, what=what: f"{ids.iloc[row]!r} {what}")  # type: ignore[misc]
    again = judgements.duplicated(["image_id", "annotator_id", "round"])
    note(again, lambda _: "the same person, image and round as a row before")
    if "event_id" in judgements:
        ids = judgements["event_id"]
        note(ids.duplicated() & ids.notna(), lambda row: f"event_id {ids.iloc[row]!r} again")
    latest = (now if now is not None else pd.Timestamp.now(tz="UTC")) + FUTURE
    for name, type_ in ((column.name, column.type) for column in COLUMNS if column.name in judgements):
        cells = judgements[name].tolist()
        if type_ == "text":
            bad = [isinstance(text, str) and not storable(text) for text in cells]
            note(np.array(bad, dtype=bool), lambda _, name=name: f"{name} {UNSTORABLE}")  # type: ignore[misc]
        elif type_ == "time":
            late = judgements[name] > latest
            note(late, lambda row, name=name, cells=cells: f"{name} {cells[row]} lies in the future")  # type: ignore[misc]
        elif type_ == "numbers":
            for row, (chosen, numbers) in enumerate(zip(judgements["labels"], cells, strict=True)):
                if numbers is not None and not np.isscalar(numbers) and len(numbers) != len(chosen):
                    found.append((row, f"{len(chosen)} labels but {len(numbers)} {name}"))
    return [f"row {row}: {what}" for row, what in sorted(found, key=lambda one: one[0])]
