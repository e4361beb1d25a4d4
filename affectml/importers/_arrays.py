"""Embeddings that were computed elsewhere, and what their file says of each row: names, labels, people's answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, did_you_mean, option
from affectml.importers._array_files import Content, read_content
from affectml.importers.read import FILE, LABEL, Table, first_row, tidy
from affectml_annotation.tables import plain

ANSWERS = ("shares", "rates", "sets", "votes")
WANTED = (
    "expected the arrays image [N], embedding [N, D] and, where known, label, split, group [N], "
    "shares, rates, sets, votes [N, labels], n"
)
Named: TypeAlias = dict[str, NDArray[Any]]  # arrays by name
_RESERVED = ("image_id", "file", "url", "split", "group")


class Answers(Table):
    """People's answers [N, C] as a table with a column per label, and n where it is known; rows are counted from 0."""

    def where(self, row: int) -> str:
        """File, array and row, for error messages."""
        return f"{self.path}: {self.unit}, row {row} (counted from 0)"


@dataclass(frozen=True)
class Arrays:
    """N rows as they came: ids of str, a float matrix, and what else the file says of each row.

    label, split, group: None where the file has none; split and group may be empty for a row (None). answers: of
    people, by what they are; `columns` are the labels. extra: further columns. labels_in: the file that holds the
    labels.
    """

    content: Content
    ids: list[str]
    embedding: NDArray[Any]
    label: list[str] | None
    split: list[str | None] | None
    group: list[str | None] | None
    answers: dict[str, Answers]
    columns: dict[str, list[str]]
    extra: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def labels_in(self) -> Path:
        """The file that says what is in each row."""
        return self.content.path if self.content.rows is None else self.content.rows.path


def read_arrays(file: Path, csv: Path | None, labels: Sequence[str] | None) -> Arrays:
    """Read and check a file of embeddings, see `read_content`.

    labels: of the columns of shares, rates, sets and votes; without them, those that the file says. Raises BadInput
    naming the array, row or column that cannot be used.
    """
    content = read_content(file, csv)
    arrays = dict(content.arrays)
    id_key = _id_key(content)
    if "embedding" not in arrays:
        raise BadInput(_absent(content, "embedding"))
    ids = [value or "" for value in _texts(content, arrays[id_key], id_key)]
    rows = "image names" if content.rows is None else f"rows of {content.rows.path}"
    embedding = _matrix(arrays.pop("embedding"), len(ids), f"{file}: embedding", rows)
    given = {key: arrays.pop(key) for key in ANSWERS if key in arrays}
    people = arrays.pop("n", None) if given else None
    names = _names(content, arrays, given, labels, len(ids))
    answers = {key: _answers(content, key, matrix, names[key], people, len(ids)) for key, matrix in given.items()}
    label_key = next((key for key in arrays if plain(key) in LABEL and key != "labels"), None)
    label_key = label_key or ("labels" if "labels" in arrays else None)
    found: dict[str, list[str | None]] = {}
    for key in (label_key, "split", "group"):
        if key is not None and key in arrays:
            found[key] = _texts(content, arrays[key], key, len(ids))
    taken = {*found, *(key for key in arrays if plain(key) in (*FILE, "imageid"))}
    extra, left_out = _extra({key: array for key, array in arrays.items() if key not in taken}, len(ids))
    label = [value or "" for value in found[label_key]] if label_key else None
    split, group, notes = found.get("split"), found.get("group"), (*content.notes, *left_out)
    return Arrays(content, ids, embedding, label, split, group, answers, names, extra, notes)


def _id_key(content: Content) -> str:
    """The array that names the images."""
    for key in ("image_id", "image"):
        if key in content.arrays:
            return key
    found = [key for key in content.arrays if plain(key) in (*FILE, "imageid")]
    if len(found) > 1:
        both = " and ".join(map(repr, found))
        raise BadInput(f"{content.path}: {both} could both name the images; call one of them image")
    if found:
        return found[0]
    if content.rows is not None:
        have = ", ".join(content.rows.frame.columns)
        raise BadInput(f"{content.rows.path}: no column image_id or file to name the images by (it has: {have})")
    raise BadInput(_absent(content, "image"))


def _absent(content: Content, key: str) -> str:
    hint = did_you_mean(key, [name for name in content.arrays if name not in ("image", "label", "split", "group")])
    return f"{content.path}: no array {key!r}{hint} ({WANTED}; it has: {', '.join(content.arrays) or 'none'})"


def _names(
    content: Content, arrays: Named, given: Named, labels: Sequence[str] | None, rows: int
) -> dict[str, list[str]]:
    """The labels of the columns of each of the answers; an array of label names goes out of `arrays`.

    `labels`, or `label` where it has a name for each column and not one for each row, is such an array.
    """
    if not given:
        if labels is not None:
            raise BadInput(f"{content.path}: {option('labels')} names columns of {', '.join(ANSWERS)}; it has none")
        if "labels" in arrays and "label" in arrays and arrays["label"].dtype.kind in "iu":
            arrays["label"] = _by_number(content, arrays["label"], arrays.pop("labels"))
        return {}
    width = next(matrix.shape[1] if matrix.ndim == 2 else -1 for matrix in given.values())
    said: list[str] | None = None if labels is None else list(labels)
    if "labels" in arrays and len(arrays["labels"]) == width:
        said = said or _label_names(content, arrays, "labels")
    elif "label" in arrays and len(arrays["label"]) == width:
        if width == rows:
            raise BadInput(
                f"{content.path}: label has {rows} values, as many as there are rows and as there are columns of "
                f"{next(iter(given))}; call the columns' names labels"
            )
        said = said or _label_names(content, arrays, "label")
    names = {}
    for key in given:
        mine = said or content.names.get(key)
        if mine is None:
            raise BadInput(
                f"{content.path}: nothing says which columns of {key} are which labels; add an array labels with their "
                f"names, or say {option('labels', ['A', 'B'])}"
            )
        if twice := [label for label in mine if mine.count(label) > 1]:
            raise BadInput(f"{content.path}: two columns of {key} are called {twice[0]!r}; rename one")
        names[key] = mine
    return names


def _label_names(content: Content, arrays: Named, key: str) -> list[str]:
    names = _texts(content, arrays.pop(key), key)
    if None in names:
        raise BadInput(f"{content.path}: {key}: label {names.index(None)} (counted from 0) has no name")
    return [str(name) for name in names]


def _by_number(content: Content, codes: NDArray[Any], labels: NDArray[Any]) -> NDArray[Any]:
    """Labels given as numbers into an array of their names."""
    names = np.array(_texts(content, labels, "labels"), dtype=object)
    if (row := first_row((codes < 0) | (codes >= len(names)))) is not None:
        raise BadInput(f"{content.where(row)}: label {codes[row]}, but labels has {len(names)} names, from 0 on")
    return np.asarray(names[codes])


def _answers(
    content: Content, key: str, matrix: NDArray[Any], names: list[str], people: NDArray[Any] | None, rows: int
) -> Answers:
    """One of the arrays of people's answers, checked for its shape; what its numbers may be, `measure` checks."""
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise BadInput(f"{content.path}: {key} has shape {matrix.shape} and dtype {matrix.dtype}, expected numbers "
                       f"[{rows}, {len(names)}]")  # fmt: skip
    if matrix.shape != (rows, len(names)):
        raise BadInput(
            f"{content.path}: {key} has shape {list(matrix.shape)}, expected [{rows}, {len(names)}]: a row for each "
            f"image and a column for each label ({', '.join(names)})"
        )
    values = matrix.astype(np.float64)
    table = Answers(content.path, pd.DataFrame(values, columns=names), np.arange(rows), key)
    finite = np.isfinite(values)
    if key == "sets":
        table.refuse(finite & (values != 0) & (values != 1), names, values, "expected 0 or 1")
    elif key == "votes":
        table.refuse(finite & (values != np.round(values)), names, values, "expected a whole number")
    else:
        table.refuse(finite & (values > 1.001), names, values, "expected a share between 0 and 1")
    if people is None:
        return table
    if people.dtype.kind not in "fiu" or people.shape not in ((rows,), (rows, len(names))):
        raise BadInput(
            f"{content.path}: n has shape {list(people.shape)} and dtype {people.dtype}, expected whole numbers "
            f"[{rows}] or [{rows}, {len(names)}]"
        )
    columns = {"n": people} if people.ndim == 1 else {f"n:{name}": people[:, at] for at, name in enumerate(names)}
    if "n" in names:
        raise BadInput(f"{content.path}: a label of {key} is called 'n', as the number of people is; rename it")
    return replace(table, frame=pd.concat([table.frame, pd.DataFrame(columns)], axis=1))


def _texts(content: Content, array: NDArray[Any], key: str, rows: int | None = None) -> list[str | None]:
    """An array as texts without spaces around them, None where there is nothing."""
    if array.ndim != 1:
        raise BadInput(f"{content.path}: {key} has shape {array.shape}, expected one value per row")
    if array.dtype.kind == "S":
        array = np.array([value.decode("utf-8", errors="replace") for value in array], dtype=object)
    if array.dtype.kind not in "OUiu":
        raise BadInput(f"{content.path}: {key} has dtype {array.dtype}, expected texts")
    if rows is not None and len(array) != rows:
        raise BadInput(f"{content.path}: {key} has {len(array)} rows, expected {rows} as image has")
    for row, value in enumerate(array):
        if isinstance(value, list | dict | np.ndarray | bytes):
            raise BadInput(f"{content.where(row)}: {key} holds a {type(value).__name__}, expected a text")
    return [None if value is None else str(value).strip() or None for value in array]


def _extra(arrays: Named, rows: int) -> tuple[pd.DataFrame, list[str]]:
    """Further arrays with one number or text for each row, as columns; and a note of those that are none."""
    columns, left_out = {}, []
    for key, array in arrays.items():
        plain_values = array.dtype.kind in "fiubU" or (
            array.dtype.kind == "O" and all(value is None or isinstance(value, str | int | float) for value in array)
        )
        if array.shape != (rows,) or not plain_values or key in _RESERVED:
            left_out.append(f"{key} {list(array.shape)}")
            continue
        values = array.astype(np.float32) if array.dtype == np.float16 else array
        columns[key] = pd.Series(values.tolist() if values.dtype.kind == "U" else values, dtype=None)
    frame = pd.DataFrame(columns, index=range(rows)).apply(tidy) if columns else pd.DataFrame(index=range(rows))
    return frame, [f"arrays left out: {', '.join(left_out)}"] if left_out else []


def _matrix(array: NDArray[Any], rows: int, where: str, what: str) -> NDArray[Any]:
    """The embeddings as they came (float16, float32), wider floats and integers as float32."""
    if array.ndim != 2 or array.shape[1] == 0:
        raise BadInput(f"{where}: shape {array.shape}, expected one row of numbers per image, [N, D]")
    if len(array) != rows:
        raise BadInput(f"{where}: {len(array)} rows, but {rows} {what}")
    if rows == 0:
        raise BadInput(f"{where}: no rows")
    if array.dtype.kind not in "fiu":
        raise BadInput(f"{where}: dtype {array.dtype}, expected floats")
    if array.dtype in (np.float16, np.float32):
        return array
    with np.errstate(over="ignore"):  # what becomes infinite is reported with its row
        return array.astype(np.float32)
