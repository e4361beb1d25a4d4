"""The files that embeddings lie in as arrays by name, and what these say of each row; nothing is unpickled, none runs.

The arrays are checked before anything is made of them, so that each error names the array, row or column.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from affectml._files import need_file
from affectml.errors import BadInput, did_you_mean, option
from affectml.importers.read import FILE, LABEL, Table, first_row, read_table, tidy
from affectml_annotation.tables import MOST_PACKED, MOST_UNPACKED, plain

WANTED = (
    "expected the arrays image [N], embedding [N, D] and, where known, label, split, group [N], "
    "shares, rates, sets, votes [N, labels], n"
)
# People's answers: what a number may be, as a test and as a message says it.
_MAY_BE: dict[str, tuple[Callable[[NDArray[Any]], NDArray[np.bool_]], str]] = {
    "shares": (lambda values: values <= 1.001, "expected a share between 0 and 1"),
    "rates": (lambda values: values <= 1.001, "expected a share between 0 and 1"),
    "sets": (lambda values: np.isin(values, (0, 1)), "expected 0 or 1"),
    "votes": (lambda values: values == np.round(values), "expected a whole number"),
}
_TABLES = (".csv", ".tsv", ".parquet")  # what may lie beside a matrix that does not name its rows
_SAVED = "what `datasets` saved becomes Parquet by datasets.load_from_disk(FOLDER).to_parquet(FILE)"
_NUMPY_HAS = ("torch.float16", "torch.float32", "torch.float64")
_TEXTS = ("image", "image_id", "label", "labels", "split", "group")  # what a safetensors file may say in its header
_ONE = str | int | float | None  # what a cell of a column may be
_RESERVED = ("image_id", "file", "url", "split", "group")


class Answers(Table):
    """People's answers [N, C] as a table with a column per label, and n where it is known; rows are counted from 0."""

    def where(self, row: int) -> str:
        """File, array and row, for error messages."""
        return f"{self.path}: {self.unit}, row {row} (counted from 0)"


@dataclass
class Arrays:
    """A file's rows as they came, N of them.

    arrays: those that nothing below holds, [N] or [N, D], by their names; texts as str objects, None where a row has
    nothing. columns: of an array with one for each label, these labels. rows: the table that names the rows of a
    matrix, None where the file names its own. notes: what was found without having been named.

    label, split, group: None where the file has none; split and group may be empty for a row (None). answers: of
    people, by what they are. extra: further columns.
    """

    path: Path
    arrays: dict[str, NDArray[Any]]
    columns: dict[str, list[str]] = field(default_factory=dict)
    rows: Table | None = None
    notes: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    embedding: NDArray[Any] = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))
    label: list[str] | None = None
    split: list[str | None] | None = None
    group: list[str | None] | None = None
    answers: dict[str, Answers] = field(default_factory=dict)
    extra: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def labels_in(self) -> Path:
        """The file that says what is in each row."""
        return self.path if self.rows is None else self.rows.path

    def where(self, row: int) -> str:
        """File and row, for error messages."""
        return f"{self.path}: row {row} (counted from 0)" if self.rows is None else self.rows.where(row)

    def take(self, key: str) -> NDArray[Any]:
        """Take an array out; BadInput, with what is there, where it is not."""
        if key in self.arrays:
            return self.arrays.pop(key)
        hint = did_you_mean(key, [name for name in self.arrays if name not in ("image", "label", "split", "group")])
        have = ", ".join(self.arrays) or "none"
        raise BadInput(f"{self.path}: no array {key!r}{hint} ({WANTED}; it has: {have})")

    def texts(self, key: str, rows: int | None = None) -> list[str | None] | None:
        """Take an array out as texts without spaces around them, None where there is nothing; None without it."""
        if key not in self.arrays:
            return None
        array = self.arrays.pop(key)
        if array.ndim != 1:
            raise BadInput(f"{self.path}: {key} has shape {array.shape}, expected one value per row")
        if array.dtype.kind == "S":
            array = np.array([value.decode("utf-8", errors="replace") for value in array], dtype=object)
        if array.dtype.kind not in "OUiu":
            raise BadInput(f"{self.path}: {key} has dtype {array.dtype}, expected texts")
        if rows is not None and len(array) != rows:
            raise BadInput(f"{self.path}: {key} has {len(array)} rows, expected {rows} as image has")
        for row, value in enumerate(array):
            if isinstance(value, list | dict | np.ndarray | bytes):
                raise BadInput(f"{self.where(row)}: {key} holds a {type(value).__name__}, expected a text")
        return [None if value is None else str(value).strip() or None for value in array]


def read_arrays(file: Path, csv: Path | None, labels: Sequence[str] | None) -> Arrays:
    """Read and check an .npz, .npy, safetensors or Parquet file of embeddings.

    csv: the table that names the rows of an .npy or safetensors file; without it, a table of the file's name beside it.
    labels: of the columns of shares, rates, sets and votes; without them, those that the file says. Raises BadInput
    naming the array, row or column that cannot be used: also for a row without a name, named twice, or whose embedding
    is not finite.
    """
    found = _content(file, csv)
    arrays, id_key = found.arrays, _id_key(found)
    embedding = found.take("embedding")
    found.ids = [value or "" for value in found.texts(id_key) or []]
    found.embedding = _floats(embedding, found)
    given = {key: arrays.pop(key) for key in _MAY_BE if key in arrays}
    found.columns = _names(found, given, labels)
    people = arrays.pop("n", None) if given else None
    found.answers = {key: _answers(found, key, matrix, people) for key, matrix in given.items()}
    label_key = next((key for key in arrays if plain(key) in LABEL and key != "labels"), "labels")
    label = found.texts(label_key, len(found.ids))
    found.label = None if label is None else [value or "" for value in label]
    found.split, found.group = (found.texts(key, len(found.ids)) for key in ("split", "group"))
    _take_extra(found)
    if "" in found.ids:
        raise BadInput(f"{found.where(found.ids.index(''))}: no image name")
    if (again := first_row(pd.Index(found.ids).duplicated())) is not None:
        image = found.ids[again]
        earlier = found.where(found.ids.index(image))
        raise BadInput(f"{found.where(again)}: image {image!r} a second time (first: {earlier}); keep one")
    infinite = ~np.isfinite(found.embedding).all(axis=1)
    if (bad := first_row(infinite)) is not None:
        rows = f"{infinite.sum():,} such row{'' if infinite.sum() == 1 else 's'}"
        has = f"the embedding of image {found.ids[bad]!r} has NaN or infinity in it ({rows})"
        raise BadInput(f"{found.where(bad)}: {has}: compute it again or leave the row out")
    return found


def _content(file: Path, csv: Path | None) -> Arrays:
    """What a file holds, with the rows' names: those in it, those of `csv`, else of the table that lies beside it."""
    if file.is_dir():
        raise BadInput(f"{file}: a folder; expected an .npz, .npy, .safetensors or Parquet file; {_SAVED}")
    need_file(file)
    content = _read(file)
    if file.suffix == ".npz" or any(plain(key) in (*FILE, "imageid") for key in content.arrays):
        if csv is not None:
            raise BadInput(f"{file}: names its own rows; leave {option('csv')} out")
        return content
    notes = []
    if csv is None:
        beside = [file.with_suffix(suffix) for suffix in _TABLES]
        csv = next((path for path in beside if path.is_file() and path != file), None)
        if csv is None:
            way_out = f"name the table that does ({option('csv')}), or put it beside as {beside[0].name}"
            raise BadInput(f"{file}: nothing says which image is which row; {way_out}")
        notes = [f"rows named by {csv.name}, which lies beside {file.name}"]
    table = read_table(csv)
    columns = {name: _objects(table.frame[name]) for name in table.frame.columns}
    if twice := sorted(columns.keys() & content.arrays.keys()):
        raise BadInput(f"{csv}: column {twice[0]!r} is also an array of {file}; leave one of them out")
    return Arrays(file, {**content.arrays, **columns}, rows=table, notes=notes)


def _read(file: Path) -> Arrays:
    """By what the file begins with; by its suffix where it has no signature."""
    with file.open("rb") as handle:
        start = handle.read(6)
    read, kind = _numpy, ".npz or .npy file"
    if start[:4] == b"PAR1":
        read, kind = _parquet, "Parquet file"
    elif file.suffix == ".safetensors":
        read, kind = _safetensors, "safetensors file"
    elif start != b"\x93NUMPY" and start[:2] != b"PK":
        others = ".safetensors and Parquet are read too, and"
        raise BadInput(f"{file}: not a readable {kind} (its first bytes are another format's); {others} {_SAVED}")
    try:
        return read(file)
    except BadInput:
        raise
    except Exception as error:  # numpy, pyarrow and others raise many kinds for a damaged file
        why = " ".join(str(error).split()) or type(error).__name__
        if "Object arrays" in why:
            way_out = "save the names as str arrays (names.astype(str)) and the embeddings as floats"
            raise BadInput(f"{file}: holds pickled Python objects, which could run code when read; {way_out}") from None
        raise BadInput(f"{file}: not a readable {kind} ({why})") from None


def _numpy(file: Path) -> Arrays:
    # Opened here: np.load leaves a damaged .npz open. It warns that an array was saved by Python 2.
    with file.open("rb") as handle, warnings.catch_warnings(action="ignore"):
        content = np.load(handle, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return Arrays(file, {"embedding": content})
        unpacked, packed = sum(part.file_size for part in content.zip.infolist()), file.stat().st_size
        if unpacked > max(MOST_UNPACKED, MOST_PACKED * packed):
            sizes = f"{packed / 1e6:,.1f} MB that unpack to {unpacked / 1e9:,.1f} GB"
            raise BadInput(f"{file}: {sizes}, as no embeddings do; save them again with np.savez")
        return Arrays(file, {key: content[key] for key in content.files})


def _safetensors(file: Path) -> Arrays:
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
            try:
                arrays[name] = _objects(TypeAdapter(list[str | None]).validate_json(said[name], strict=True))
            except ValidationError:
                raise BadInput(f"{file}: metadata {name!r}: expected a JSON list of texts") from None
    return Arrays(file, _with_embedding(arrays, list(arrays)))


def _parquet(file: Path) -> Arrays:
    """Columns: lists of numbers as matrices, structs of numbers as matrices with names."""
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    table.validate(full=True)
    arrays: dict[str, NDArray[Any]] = {}
    names: dict[str, list[str]] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        kind = column.type
        if isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType) and _is_number(kind.value_type):
            arrays[name] = _matrix(column.combine_chunks(), f"{file}: column {name!r}")
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
    return Arrays(file, _with_embedding(arrays, [name for name in arrays if arrays[name].dtype.kind == "f"]), names)


def _with_embedding(arrays: dict[str, NDArray[Any]], among: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The arrays, of which the only matrix among some is called `embedding`, unless one is called so."""
    matrices = [name for name in among if arrays[name].ndim == 2]
    if "embedding" not in arrays and len(matrices) == 1:
        arrays["embedding"] = arrays.pop(matrices[0])
    return arrays


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _matrix(column: pa.Array, where: str) -> NDArray[Any]:
    """A column of lists as [N, D]; raises BadInput for the first row that is empty or of another length."""
    lengths = pc.list_value_length(column).fill_null(-1).to_numpy(zero_copy_only=False)
    width = int(lengths[0]) if len(lengths) else 0
    if (row := first_row((lengths != width) | (lengths < 0))) is not None:
        found = "nothing" if lengths[row] < 0 else f"{lengths[row]} numbers"
        expected = f"expected {width} as in row 0" if row else "expected a list of numbers"
        raise BadInput(f"{where}: row {row} (counted from 0) holds {found}, {expected}")
    values = pc.list_flatten(column)
    if (gap := first_row(values.is_null().to_numpy(zero_copy_only=False))) is not None:
        row = gap // width
        raise BadInput(f"{where}: row {row} (counted from 0) has a gap in its list; fill it in or take the row out")
    return np.asarray(values.to_numpy(zero_copy_only=False).reshape(len(column), width))


def _objects(values: Any) -> NDArray[Any]:
    """A column of any cells, [N]; what is missing is None."""
    cells = pd.Series(values, dtype=object)
    return cells.where(cells.notna(), None).to_numpy()


def _id_key(arrays: Arrays) -> str:
    """The array that names the images."""
    found = [key for key in arrays.arrays if key in ("image_id", "image")]
    found = sorted(found, reverse=True)[:1] or [key for key in arrays.arrays if plain(key) in (*FILE, "imageid")]
    if len(found) > 1:
        both = " and ".join(map(repr, found))
        raise BadInput(f"{arrays.path}: {both} could both name the images; call one of them image")
    if not found and arrays.rows is not None:
        have = ", ".join(arrays.rows.frame.columns)
        raise BadInput(f"{arrays.rows.path}: no column image_id or file to name the images by (it has: {have})")
    if not found:
        arrays.take("image")
    return found[0]


def _names(found: Arrays, given: dict[str, NDArray[Any]], labels: Sequence[str] | None) -> dict[str, list[str]]:
    """The labels of the columns of each of the answers; an array of label names is taken out.

    `labels`, or `label` where it has a name for each column and not one for each row, is such an array. Without
    answers, `labels` names what the numbers in `label` mean.
    """
    arrays, path = found.arrays, found.path
    if not given:
        if labels is not None:
            raise BadInput(f"{path}: {option('labels')} names columns of {', '.join(_MAY_BE)}; it has none")
        if "labels" in arrays and "label" in arrays and (codes := arrays["label"]).dtype.kind in "iu":
            words = np.array(found.texts("labels"), dtype=object)
            if (row := first_row((codes < 0) | (codes >= len(words)))) is not None:
                has = f"labels has {len(words)} names, from 0 on"
                raise BadInput(f"{found.where(row)}: label {codes[row]}, but {has}")
            arrays["label"] = words[codes]
        return {}
    of, matrix = next(iter(given.items()))
    width, rows = matrix.shape[1] if matrix.ndim == 2 else -1, len(found.ids)
    said = None if labels is None else list(labels)
    names = sorted(key for key in arrays if key in ("labels", "label") and len(arrays[key]) == width)
    if names == ["label"] and width == rows:
        many = f"label has {rows} values, as many as there are rows and as there are columns of {of}"
        raise BadInput(f"{path}: {many}; call the columns' names labels")
    if names and said is None:
        texts = found.texts(names[-1]) or []
        if None in texts:
            raise BadInput(f"{path}: {names[-1]}: label {texts.index(None)} (counted from 0) has no name")
        said = list(map(str, texts))
    columns = {key: said or found.columns.get(key, []) for key in given}
    for key, mine in columns.items():
        if not mine:
            way_out = f"add an array labels with their names, or say {option('labels', ['A', 'B'])}"
            raise BadInput(f"{path}: nothing says which columns of {key} are which labels; {way_out}")
        if twice := [label for label in mine if mine.count(label) > 1]:
            raise BadInput(f"{path}: two columns of {key} are called {twice[0]!r}; rename one")
    return columns


def _answers(found: Arrays, key: str, matrix: NDArray[Any], people: NDArray[Any] | None) -> Answers:
    """One of the arrays of people's answers, checked for its shape; what its numbers may be, `measure` checks."""
    rows, names = len(found.ids), found.columns[key]
    shape = (rows, len(names))
    if matrix.shape != shape or matrix.dtype.kind not in "fiub":
        expected = f"expected numbers {list(shape)}: a row for each image and a column for each label"
        has = f"{key} has shape {list(matrix.shape)} and dtype {matrix.dtype}"
        raise BadInput(f"{found.path}: {has}, {expected} ({', '.join(names)})")
    values = matrix.astype(np.float64)
    table = Answers(found.path, pd.DataFrame(values, columns=names), np.arange(rows), key)
    fits, expected = _MAY_BE[key]
    table.refuse(np.isfinite(values) & ~fits(values), names, values, expected)
    if people is None:
        return table
    if people.dtype.kind not in "fiu" or people.shape not in ((rows,), shape):
        has = f"n has shape {list(people.shape)} and dtype {people.dtype}"
        raise BadInput(f"{found.path}: {has}, expected whole numbers [{rows}] or {list(shape)}")
    if "n" in names:
        raise BadInput(f"{found.path}: a label of {key} is called 'n', as the number of people is; rename it")
    columns = ["n"] if people.ndim == 1 else [f"n:{name}" for name in names]
    counts = pd.DataFrame(people.reshape(rows, -1), columns=columns)
    return replace(table, frame=pd.concat([table.frame, counts], axis=1))


def _take_extra(found: Arrays) -> None:
    """Take further arrays with one number or text for each row as columns; a note says which are none."""
    columns, left_out = {}, []
    for key, array in found.arrays.items():
        if plain(key) in (*FILE, "imageid"):
            continue
        cells = array.tolist() if array.dtype.kind == "O" else []
        one_each = array.shape == (len(found.ids),) and all(
            isinstance(cell, str | int | float | None) for cell in cells
        )
        if not one_each or array.dtype.kind not in "fiubUO" or key in _RESERVED:
            left_out.append(f"{key} {list(array.shape)}")
            continue
        values = array.astype(np.float32) if array.dtype == np.float16 else array
        columns[key] = tidy(pd.Series(values.tolist() if values.dtype.kind == "U" else values, dtype=None))
    found.extra = pd.DataFrame(columns, index=range(len(found.ids)))
    found.notes += [f"arrays left out: {', '.join(left_out)}"] if left_out else []


def _floats(array: NDArray[Any], found: Arrays) -> NDArray[Any]:
    """The embeddings as they came (float16, float32), wider floats and integers as float32."""
    where, rows = f"{found.path}: embedding", len(found.ids)
    if array.ndim != 2 or array.shape[1] == 0 or array.dtype.kind not in "fiu":
        has = f"shape {array.shape} and dtype {array.dtype}"
        raise BadInput(f"{where}: {has}, expected one row of numbers per image, [N, D]")
    if len(array) != rows or not rows:
        named = "image names" if found.rows is None else f"rows of {found.rows.path}"
        raise BadInput(f"{where}: {len(array)} rows, but {rows} {named}")
    with np.errstate(over="ignore"):  # what becomes infinite is reported with its row
        return array if array.dtype in (np.float16, np.float32) else array.astype(np.float32)
