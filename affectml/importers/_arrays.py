"""Reading embeddings that were computed elsewhere: one .npz, or an .npy with a table beside it."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, did_you_mean, option
from affectml.importers._columns import FILE, LABEL, pick, tidy
from affectml.importers._read import Table, read_table

KEYS = ("image", "embedding", "label", "split", "group")
WANTED = "expected the arrays image [N], embedding [N, D] and, where known, label, split, group [N]"


@dataclass(frozen=True)
class Arrays:
    """N rows as they came: ids of str, a float matrix, and what else the file says of each row.

    label, split, group: None where the file has none; split and group may be empty for a row (None). extra:
    further columns of the table. where: the file and row, for error messages.
    """

    ids: list[str]
    embedding: NDArray[Any]
    label: list[str] | None
    split: list[str | None] | None
    group: list[str | None] | None
    extra: pd.DataFrame
    where: Callable[[int], str]


def read_npz(file: Path) -> Arrays:
    """Arrays from an .npz; raises BadInput naming the array or row that cannot be used."""
    content = _load(file)
    if isinstance(content, np.ndarray):
        raise BadInput(f"{file}: a single array; name the table that says which image is which row ({option('csv')})")
    unknown = [key for key in content if key not in KEYS]
    for key in ("image", "embedding"):
        if key not in content:
            hint = did_you_mean(key, unknown)
            raise BadInput(f"{file}: no array {key!r}{hint} ({WANTED}; it has: {', '.join(content) or 'none'})")
    ids = _texts(content["image"], file, "image")
    matrix = _matrix(content["embedding"], len(ids), f"{file}: embedding", "image names")
    found = {}
    for key in ("label", "split", "group"):
        if key in content:
            found[key] = _texts(content[key], file, key)
            if len(found[key]) != len(ids):
                raise BadInput(f"{file}: {key} has {len(found[key])} rows, expected {len(ids)} as image has")

    def where(row: int) -> str:
        return f"{file}: row {row} (counted from 0)"

    return Arrays(
        ids=ids,
        embedding=matrix,
        label=found.get("label"),
        split=_gaps(found.get("split")),
        group=_gaps(found.get("group")),
        extra=pd.DataFrame(index=range(len(ids))),
        where=where,
    )


def read_npy(file: Path, csv: Path) -> Arrays:
    """A matrix from an .npy and its rows' names from a table in the same order; raises BadInput."""
    content = _load(file)
    if isinstance(content, dict):
        raise BadInput(f"{file}: an .npz names its own rows; leave {option('csv')} out")
    table = read_table(csv)
    matrix = _matrix(content, len(table.frame), str(file), f"rows of {csv}")
    file_column = pick(table, None, FILE)
    columns = {
        "id": "image_id" if "image_id" in table.frame.columns else file_column,
        "label": pick(table, None, LABEL),
        "split": "split" if "split" in table.frame.columns else None,
        "group": "group" if "group" in table.frame.columns else None,
    }
    if columns["id"] is None:
        raise BadInput(
            f"{csv}: no column image_id or file to name the images by (it has: {', '.join(table.frame.columns)})"
        )
    used = {*columns.values(), file_column}
    extra = table.frame[[c for c in table.frame.columns if c not in used]]
    label = _cells(table, columns["label"])
    return Arrays(
        ids=[cell or "" for cell in _cells(table, columns["id"]) or []],
        embedding=matrix,
        label=None if label is None else [cell or "" for cell in label],
        split=_cells(table, columns["split"]),
        group=_cells(table, columns["group"]),
        extra=extra.apply(tidy) if len(extra.columns) else extra,
        where=table.where,
    )


def _load(file: Path) -> NDArray[Any] | dict[str, NDArray[Any]]:
    if not file.exists():
        raise BadInput(f"{file}: no such file")
    if file.is_dir():
        raise BadInput(f"{file} is a folder; expected an .npz, or an .npy with a CSV ({option('csv')})")
    try:
        # Opened here: np.load leaves a damaged .npz open.
        with file.open("rb") as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that an array was saved by Python 2
            content = np.load(handle, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return content
            return {key: content[key] for key in content.files}
    except Exception as error:  # numpy raises many kinds for a damaged file
        if "Object arrays" in str(error):
            raise BadInput(
                f"{file}: holds pickled Python objects, which could run code when read; "
                "save the names as str arrays (names.astype(str)) and the embeddings as floats"
            ) from None
        why = "its first bytes are another format's" if "allow_pickle" in str(error) else error
        raise BadInput(f"{file}: not a readable .npz or .npy file ({why})") from None


def _texts(array: NDArray[Any], file: Path, key: str) -> list[str]:
    if array.ndim != 1:
        raise BadInput(f"{file}: {key} has shape {array.shape}, expected one value per row")
    if array.dtype.kind == "S":
        return [value.decode("utf-8", errors="replace").strip() for value in array]
    if array.dtype.kind not in "Uiu":
        raise BadInput(f"{file}: {key} has dtype {array.dtype}, expected texts")
    return [str(value).strip() for value in array]


def _gaps(values: list[str] | None) -> list[str | None] | None:
    return None if values is None else [value or None for value in values]


def _cells(table: Table, column: str | None) -> list[str | None] | None:
    if column is None:
        return None
    cells = table.frame[column]
    return [None if pd.isna(cell) or not str(cell).strip() else str(cell).strip() for cell in cells]


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
