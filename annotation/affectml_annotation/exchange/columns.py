"""The columns of a judgement table in files, and how their values become plain ones and back."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadExport, BadImport
from affectml_annotation.judgements import REQUIRED, languages_in, of_now

EMPTY = "does no label apply (--empty none, empty='none'), or is there no answer (--empty skip, empty='skip')?"


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
    """A column of lists; cells that are none are named."""
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
    """A column as floats; a cell that is no number is named."""
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
