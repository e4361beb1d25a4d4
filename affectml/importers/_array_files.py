"""The files that embeddings lie in, each read as arrays by name; none is unpickled, and none runs code."""

import json
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from affectml.errors import BadInput, MissingExtra, option
from affectml.importers.read import Table, read_table
from affectml_annotation.tables import MOST_PACKED, MOST_UNPACKED

_TABLES = (".csv", ".tsv", ".parquet")  # what may lie beside a matrix that does not name its rows
_NUMPY_HAS = ("torch.float16", "torch.float32", "torch.float64")
_TEXTS = ("image", "image_id", "label", "labels", "split", "group")  # what a safetensors file may say in its header


@dataclass(frozen=True)
class Content:
    """A file's arrays, [N] or [N, D], by their names; texts as str objects, None where a row has nothing.

    rows: the table that names the rows of a matrix, None where the file names its own. names: the columns' labels of
    those arrays that say them. notes: what was found without having been named.
    """

    path: Path
    arrays: dict[str, NDArray[Any]]
    rows: Table | None = None
    names: dict[str, list[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def where(self, row: int) -> str:
        """File and row, for error messages."""
        return f"{self.path}: row {row} (counted from 0)" if self.rows is None else self.rows.where(row)


def read_content(file: Path, csv: Path | None) -> Content:
    """Arrays of an .npz, .npy, safetensors, Parquet or Arrow file, or of a folder that `datasets` saved.

    csv: the table that names the rows of an .npy or safetensors file; without it, a table of the file's name beside it.
    Raises BadInput naming what cannot be read, MissingExtra for a folder where `datasets` is not installed.
    """
    if not file.exists():
        raise BadInput(f"{file}: no such file")
    read = _reader_of(file)
    if csv is not None and read in (_hugging_face, _arrow):
        raise BadInput(f"{file}: names its own rows; leave {option('csv')} out")
    try:
        content = read(file)
    except (BadInput, MissingExtra):
        raise
    except Exception as error:  # numpy, pyarrow and others raise many kinds for a damaged file
        why = " ".join(str(error).split()) or type(error).__name__
        raise BadInput(f"{file}: not a readable {_KINDS[read]} ({why})") from None
    return _named(content, csv)


def _reader_of(file: Path) -> Callable[[Path], Content]:
    """By what the file begins with; by its suffix where it has no signature."""
    if file.is_dir():
        return _hugging_face
    with file.open("rb") as handle:
        start = handle.read(8)
    if start[:4] == b"PAR1" or start[:6] == b"ARROW1" or start[:4] == b"\xff\xff\xff\xff":
        return _arrow
    return _safetensors if file.suffix == ".safetensors" else _numpy


def _named(content: Content, csv: Path | None) -> Content:
    """The content with the rows' names: those in it, those of `csv`, else of the table that lies beside it."""
    if {"image", "image_id"} & content.arrays.keys() or content.path.suffix == ".npz":
        if csv is not None:
            raise BadInput(f"{content.path}: names its own rows; leave {option('csv')} out")
        return content
    notes = content.notes
    if csv is None:
        beside = [content.path.with_suffix(suffix) for suffix in _TABLES]
        csv = next((path for path in beside if path.is_file()), None)
        if csv is None:
            raise BadInput(
                f"{content.path}: nothing says which image is which row; name the table that does ({option('csv')}), "
                f"or put it beside as {beside[0].name}"
            )
        notes = (*notes, f"rows named by {csv.name}, which lies beside {content.path.name}")
    table = read_table(csv)
    columns = {name: _objects(table.frame[name].tolist()) for name in table.frame.columns}
    if twice := sorted(columns.keys() & content.arrays.keys()):
        raise BadInput(f"{csv}: column {twice[0]!r} is also an array of {content.path}; leave one of them out")
    return replace(content, arrays={**content.arrays, **columns}, rows=table, notes=notes)


def _numpy(file: Path) -> Content:
    try:
        # Opened here: np.load leaves a damaged .npz open.
        with file.open("rb") as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that an array was saved by Python 2
            content = np.load(handle, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return Content(file, {"embedding": content})
            unpacked, packed = sum(part.file_size for part in content.zip.infolist()), file.stat().st_size
            if unpacked > max(MOST_UNPACKED, MOST_PACKED * packed):
                raise BadInput(
                    f"{file}: {packed / 1e6:,.1f} MB that unpack to {unpacked / 1e9:,.1f} GB, as no embeddings do; "
                    "save them again with np.savez"
                )
            return Content(file, {key: content[key] for key in content.files})
    except ValueError as error:
        if "Object arrays" in str(error):
            raise BadInput(
                f"{file}: holds pickled Python objects, which could run code when read; "
                "save the names as str arrays (names.astype(str)) and the embeddings as floats"
            ) from None
        if "allow_pickle" in str(error):
            raise BadInput(
                f"{file}: not a readable .npz or .npy file (its first bytes are another format's); .safetensors, "
                "Parquet, Arrow and folders that `datasets` saved are read too"
            ) from None
        raise


def _safetensors(file: Path) -> Content:
    """Tensors by name; names of images and labels are JSON lists in the header's metadata."""
    from safetensors import safe_open

    arrays: dict[str, NDArray[Any]] = {}
    with safe_open(file, framework="pt") as handle:
        for name in handle.keys():  # noqa: SIM118  # it is no mapping
            tensor = handle.get_tensor(name)
            if tensor.is_floating_point() and str(tensor.dtype) not in _NUMPY_HAS:
                tensor = tensor.float()  # holds each value of bfloat16 and of the floats of eight bits
            arrays[name] = tensor.numpy()
        said = handle.metadata() or {}
    for name in _TEXTS:
        if name in said and name not in arrays:
            arrays[name] = _objects(_list_of_texts(said[name], f"{file}: metadata {name!r}"))
    _name_embedding(arrays, arrays)
    return Content(file, arrays)


def _name_embedding(arrays: dict[str, NDArray[Any]], among: Iterable[str]) -> None:
    """Call the only matrix among some arrays `embedding`, unless one is called so."""
    matrices = [name for name in among if arrays[name].ndim == 2]
    if "embedding" not in arrays and len(matrices) == 1:
        arrays["embedding"] = arrays.pop(matrices[0])


def _list_of_texts(text: str, where: str) -> list[str | None]:
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, list) and all(value is None or isinstance(value, str) for value in found):
            return found
    raise BadInput(f"{where}: expected a JSON list of texts")


def _arrow(file: Path) -> Content:
    with file.open("rb") as handle:
        start = handle.read(4)
    if start == b"PAR1":
        import pyarrow.parquet as pq

        return _of_table(pq.read_table(file), file)
    with pa.OSFile(str(file)) as source:  # not memory-mapped: a damaged file would end the process
        opened = pa.ipc.open_file(source) if start == b"ARRO" else pa.ipc.open_stream(source)
        return _of_table(opened.read_all(), file)


def _hugging_face(folder: Path) -> Content:
    """What `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote; the names of its parts become the split."""
    if not any((folder / name).is_file() for name in ("dataset_info.json", "dataset_dict.json")):
        raise BadInput(
            f"{folder} is a folder, and none that `datasets` saved (save_to_disk); expected an .npz, .safetensors, "
            f"Parquet or Arrow file, or an .npy with a CSV ({option('csv')})"
        )
    try:
        import datasets
    except ImportError:
        raise MissingExtra("datasets", "datasets", f"reading {folder}, a folder that `datasets` saved,") from None
    loaded = datasets.load_from_disk(str(folder), keep_in_memory=True)  # damage of a mapped file ends the process
    parts = loaded if isinstance(loaded, datasets.DatasetDict) else {"": loaded}
    tables = []
    for name, part in parts.items():
        table = part.with_format("arrow")[:]
        for column, feature in part.features.items():
            if isinstance(feature, datasets.ClassLabel):
                codes = table[column].to_pylist()
                words = [None if code is None or code < 0 else feature.names[code] for code in codes]
                table = table.set_column(table.column_names.index(column), column, pa.array(words, pa.string()))
        if name and "split" not in table.column_names:
            table = table.append_column("split", pa.array([str(name)] * len(table)))
        tables.append(table)
    return _of_table(pa.concat_tables(tables, promote_options="default"), folder)


def _of_table(table: pa.Table, file: Path) -> Content:
    """An Arrow table's columns: lists of numbers as matrices, structs of numbers as matrices with names."""
    table.validate(full=True)
    arrays: dict[str, NDArray[Any]] = {}
    names: dict[str, list[str]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_dictionary(kind):
            column, kind = column.cast(kind.value_type), kind.value_type
        if isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType) and _is_number(kind.value_type):
            arrays[name] = _matrix(column, f"{file}: column {name!r}")
        elif pa.types.is_struct(kind) and "path" in kind.names:
            arrays[name] = _objects([None if cell is None else cell["path"] for cell in column.to_pylist()])
        elif pa.types.is_struct(kind) and kind.names and all(_is_number(part.type) for part in kind):
            names[name] = list(kind.names)
            parts = [column.combine_chunks().field(label) for label in kind.names]
            arrays[name] = np.stack([part.to_numpy(zero_copy_only=False) for part in parts], axis=1)
        elif _is_number(kind) and not column.null_count:
            arrays[name] = column.to_numpy()
        else:
            arrays[name] = _objects(column.to_pylist())
    _name_embedding(arrays, [name for name in arrays if arrays[name].dtype.kind == "f"])
    return Content(file, arrays, None, names)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _matrix(column: pa.ChunkedArray, where: str) -> NDArray[Any]:
    """A column of lists as [N, D]; raises BadInput for the first row that is empty or of another length."""
    parts, width, row = [], None, 0
    for chunk in column.chunks:
        missing = chunk.is_null().to_numpy(zero_copy_only=False)
        lengths = chunk.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
        width = int(lengths[0]) if width is None and len(lengths) else width
        odd = missing | (lengths != width)
        if odd.any():
            at = int(odd.argmax())
            found = "nothing" if missing[at] else f"{lengths[at]} numbers"
            expected = f"expected {width} as in row 0" if row + at else "expected a list of numbers"
            raise BadInput(f"{where}: row {row + at} (counted from 0) holds {found}, {expected}")
        values = chunk.flatten()
        if values.null_count:
            at = row + int(values.is_null().to_numpy(zero_copy_only=False).argmax()) // max(width or 1, 1)
            raise BadInput(f"{where}: row {at} (counted from 0) has a gap in its list; fill it in or take the row out")
        parts.append(values.to_numpy(zero_copy_only=False).reshape(len(chunk), width or 0))
        row += len(chunk)
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)


def _objects(values: list[Any]) -> NDArray[Any]:
    """A column of any cells, [N]; what pandas calls missing is None."""
    out = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        out[row] = None if value is pd.NA or (isinstance(value, float) and np.isnan(value)) else value
    return out


_KINDS = {
    _numpy: ".npz or .npy file",
    _safetensors: "safetensors file",
    _arrow: "Parquet or Arrow file",
    _hugging_face: "folder of `datasets`",
}
