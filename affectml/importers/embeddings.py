"""Embeddings computed elsewhere become a data set folder with an embedding store, and no image files.

A file is a table: each array is a column, and one holds vectors. It is checked before anything is made of it, so that
each error names the array, row or column. Nothing is unpickled and no code runs.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import need_file, sha256
from affectml.data import Dataset
from affectml.data.choose import match_images
from affectml.data.schema import Kind, VoteRule
from affectml.encoders import EncoderIdentity, check_spec, load_encoder, read_image
from affectml.encoders.identity import DECLARED
from affectml.errors import BadInput, EncoderUnavailable, did_you_mean, option
from affectml.importers.answers import labels_of
from affectml.importers.draft import About, Draft, Embedded, Labels, Source, draft
from affectml.importers.find import problem_with
from affectml.importers.read import (
    FILE,
    LABEL,
    Columns,
    Renaming,
    Shape,
    SomeTaxonomy,
    Table,
    TableSpec,
    first_row,
    read_table,
    splits_in,
    tidy,
)  # fmt: skip
from affectml.importers.registry import importer
from affectml_annotation.tables import MOST_PACKED, MOST_UNPACKED, plain

# Norms of unit rows after rounding to float16 stay well inside this.
NORM_TOLERANCE = 2e-3
PHOTOGRAPHS, LEAST_COSINE = 8, 0.99  # compared with what the encoder that is declared makes of them
WANTED = (
    "expected the arrays image [N], embedding [N, D] and, where known, label, split, group [N], "
    "shares, rates, sets, votes [N, labels], n"
)
# The kind of target that each array of labels makes; votes show by themselves which. What says most comes first.
KIND_OF: dict[str, Kind | None] = {
    "votes": None, "shares": "distribution", "rates": "rates", "sets": "sets", "label": "single",
}  # fmt: skip
_ANSWERS = [name for name in KIND_OF if name != "label"]  # of people
_NAMES = (*FILE, "imageid")
_SAVED = "what `datasets` saved becomes Parquet by datasets.load_from_disk(FOLDER).to_parquet(FILE)"


class Rows(Table):
    """Rows of arrays, which are counted from 0."""

    def where(self, row: int) -> str:
        """File, array and row, for error messages."""
        return f"{self.path}: {self.unit} {row} (counted from 0)"


@dataclass
class Arrays:
    """A file's rows as they came, N of them.

    table: what is said of each, where it has one value, by the table that names the rows of a matrix or by arrays of
    the file's own; split and group as texts. ids: the image of each. label: the column of labels, None without.
    answers: of people, by what they are, a column for each label, and n where it is known. extra: further columns of
    `table`. left_out: arrays that are none.
    """

    path: Path
    table: Table
    ids: list[str]
    embedding: NDArray[Any]
    label: str | None
    answers: dict[str, Table]
    extra: pd.DataFrame
    left_out: list[str]


@importer("embeddings", About(construct=None), images=(), folder=False, joins=True)
def embeddings(
    source: Source,
    *,
    csv: str | Path | None = None,
    labels: Sequence[str] | None = None,
    vote_rule: VoteRule | None = None,
    taxonomy: SomeTaxonomy = None,
    mapping: Renaming = None,
    encoder: str | None = None,
) -> Draft:
    """A file with the embedding of each image and, where known, its labels, people's answers and split.

    Arrays by name: image, embedding, label, split, group; shares (a target `distribution`), rates, sets, votes with or
    without n, whose columns the array labels (or label) names; others of one value a row are kept as columns. The
    embeddings are stored as they came, not normalised, in `embeddings/imported-NAME`; label becomes a target `single`.
    OUT may be a data set that exists: then embeddings, targets and columns are joined to it. Sets whose encoder is
    named alike can be crossed, and it is loaded for texts and photographs; eight photographs that OUT has are embedded
    by it and compared.

    Args:
        source: .npz, .npy or Parquet file.
        csv: Table of the matrix's rows. Default: the file names them itself.
        labels: Labels of the columns of shares, rates, sets, votes. Default: as the file says.
        vote_rule: How votes became shares: one_choice, set_split, normalised, moments, unknown.
        encoder: Spec of what made them, e.g. ViT-L-14:openai. Default: not known.
    """
    file, name = source.path, source.about.name
    arrays = read_arrays(file, None if csv is None else Path(csv), labels)
    table = arrays.table
    images = pd.DataFrame({"image_id": arrays.ids})
    if "split" in table.frame:
        images["split"] = splits_in(table, "split")
    if "group" in table.frame:
        images["group"] = [group or None for group in table.texts("group")]
    result = draft(source, pd.concat([images, arrays.extra], axis=1), [None] * len(images))
    result.notes.append(f"embeddings computed elsewhere, from {file.name}")
    result.notes += [f"arrays left out: {', '.join(arrays.left_out)}"] if arrays.left_out else []
    result.take(_targets(arrays, TableSpec(taxonomy=taxonomy, mapping=mapping, vote_rule=vote_rule), source))
    checked = None if encoder is None else _is_checked(encoder, arrays, source.onto)
    result.embedded = _embedded(file, arrays.ids, arrays.embedding, name, encoder, checked)
    result.notes += [f"encoder: {result.embedded.identity.name}"] if encoder else []
    return result


def _targets(arrays: "Arrays", spec: TableSpec, source: Source) -> Labels:
    """A target of each array of answers and of the labels; where two make one kind, of that which says more."""
    result, path = Labels(), arrays.path
    if spec.vote_rule is not None and not {"votes", "shares", "rates"} & arrays.answers.keys():
        raise BadInput(f"{path}: {option('vote_rule')} is for shares, rates and votes; it has none")
    parts = {key: (table, Columns(labels=table.labels)) for key, table in arrays.answers.items()}
    if arrays.label is not None:
        parts["label"] = (arrays.table, Columns(label=arrays.label))
    words = {key: {*table.texts(columns.label), *columns.labels} for key, (table, columns) in parts.items()}
    every = set().union(*words.values())
    if not parts and (spec.taxonomy is not None or spec.renamed):
        raise BadInput(f"{path}: no labels in it, so there is nothing for a taxonomy or a mapping to name")
    for key, (table, columns) in parts.items():
        # what renames a label of another part only is not for this one; what renames none is refused
        mapping = {raw: label for raw, label in spec.renamed.items() if raw in words[key] or raw not in every}
        told = replace(spec, mapping=mapping, kind=KIND_OF[key], delimiter="")
        columns = replace(columns, n="n" if "n" in table.frame and key != "label" else None)
        ids = np.array(arrays.ids, dtype=object)
        made = labels_of(Shape(table, ids, columns, [], told, source.about.name, source.taxonomy, votes=key == "votes"))
        ((kind, (entry, _)),) = made.targets.items()
        if kind in result.targets:
            result.notes.append(f"{key} left out: votes are there, which say the same and more")
            continue
        if source.about.construct is None:
            entry["construct"] = "query" if key == "label" else "evoked"
        result.take(made)
    return result


def ready_features(file: Path, csv: Path, images: pd.DataFrame, name: str) -> tuple[Embedded, str]:
    """The embeddings that a file has of these images, and how many it has of none of them.

    Args:
        file: as `embeddings` takes it; what else it says of the images is left out.
        csv: the table whose rows are those of a matrix that does not name its own.
        images: as images.parquet.
        name: of the store.

    Raises:
        BadInput: for a file that cannot be read, names that could mean two images, or no image in common.
    """
    arrays = read_arrays(file, csv if file.suffix == ".npy" else None, None)
    rows = match_images(images, [[image] for image in arrays.ids], str(file))
    kept = np.flatnonzero(rows >= 0)
    if not len(kept):
        raise BadInput(f"{file}: none of its {len(rows):,} images is in {csv} (first: {arrays.ids[0]!r})")
    ids = images["image_id"].astype(str).to_numpy()[rows[kept]].tolist()
    said = f"embeddings of {len(kept):,} of the {len(images):,} images, from {file.name}"
    others = f"; {len(rows) - len(kept):,} of other images are left out" if len(kept) < len(rows) else ""
    return _embedded(file, ids, arrays.embedding[kept], name), said + others


def _embedded(
    file: Path, ids: list[str], rows: NDArray[Any], name: str, spec: str | None = None, checked: bool | None = None
) -> Embedded:
    """Rows [N, D] of a file as they are stored. spec: of the encoder; checked: whether photographs agree with it."""
    with np.errstate(over="ignore"):  # an infinite norm is not one either
        norms = np.linalg.norm(rows.astype(np.float32), axis=1)
    identity = EncoderIdentity(
        architecture=spec or f"imported-{name}",
        weights_sha256=None,
        activation=None,
        preprocessing={},
        precision=DECLARED if spec else str(rows.dtype),
        normalised=bool((np.abs(norms - 1) < NORM_TOLERANCE).all()),
        dim=int(rows.shape[1]),
        has_text=bool(spec),
        source_sha256=None if spec else sha256(file),
        checked=checked,
    )
    return Embedded(ids, rows, identity, (spec,) if spec else ())


def import_embeddings(file: str | Path, out: str | Path, **options: Any) -> Dataset:
    """Run the importer `embeddings` and open the data set.

    Args:
        file: the file or folder.
        out: the data set folder to write, or one that exists, to join to.
        options: those of the importer.

    Raises:
        BadInput: naming file and row: pickled arrays, wrong shapes, NaN or infinity, an image twice, an unknown split.
            Nothing is written then.
        UnknownLabel: for a label that the taxonomy lacks.
    """
    return Dataset.open(embeddings(file, out, **options).out)


def _is_checked(spec: str, arrays: Arrays, onto: Dataset | None) -> bool:
    """Whether eight photographs of a data set were embedded by `spec` and agree; BadInput for one that does not.

    False where there is no photograph, or where the encoder cannot be loaded.
    """
    check_spec(spec)
    if onto is None or "file" not in onto.images:
        return False
    file = arrays.path
    rows = match_images(onto.images, [[name] for name in arrays.ids], str(file))
    names = onto.images["file"].reindex(rows).reset_index(drop=True).dropna()
    some = names.iloc[np.linspace(0, len(names) - 1, min(PHOTOGRAPHS, len(names)), dtype=int)]
    paths = {int(str(row)): path for row, name in some.items() if problem_with(path := onto.image_path(name)) is None}
    if not paths:
        return False
    try:
        encoder = load_encoder(spec)
    except EncoderUnavailable:
        return False
    made = encoder.encode_images([read_image(path) for path in paths.values()]).numpy()
    given = arrays.embedding[list(paths)].astype(np.float64)
    way_out = f"name the encoder that made them, or leave {option('encoder', spec)} out"
    if made.shape != given.shape:
        raise BadInput(f"{file}: {given.shape[1]} features an image, and {spec} makes {encoder.dim}; {way_out}")
    for path, cosine in zip(paths.values(), (given * made).sum(axis=1) / np.linalg.norm(given, axis=1), strict=True):
        if not cosine >= LEAST_COSINE:
            far = f"have a cosine of {cosine:.3f}, expected at least {LEAST_COSINE}"
            raise BadInput(f"{file}: the embedding of photograph {path} and that by {spec} {far}; {way_out}")
    return True


def read_arrays(file: Path, csv: Path | None, labels: Sequence[str] | None) -> Arrays:
    """Read and check an .npz, .npy or Parquet file of embeddings.

    csv: the table that names the rows of an .npy file. labels: of the columns of shares, rates, sets and
    votes; without them, those that the file says. Raises BadInput naming the array, row or column that cannot be used:
    also for a row without a name, named twice, or whose embedding is not finite.
    """
    arrays, path = _content(file, csv), file if csv is None else csv
    named = [key for key in arrays if plain(key) in _NAMES]
    key = next((key for key in ("image_id", "image") if key in named), next(iter(named), "image"))
    if len(named) > 1 and key not in ("image_id", "image"):
        raise BadInput(f"{path}: {' and '.join(map(repr, named))} could both name the images; call one of them image")
    for wanted in (key, "embedding"):
        if wanted not in arrays:
            hint = did_you_mean(wanted, [name for name in arrays if name not in ("image", "label", "split", "group")])
            raise BadInput(f"{file}: no array {wanted!r}{hint} ({WANTED}; it has: {', '.join(arrays) or 'none'})")
    embedding = _floats(arrays.pop("embedding"), file)
    given = {name: arrays.pop(name) for name in _ANSWERS if name in arrays}
    people = arrays.pop("n", None) if given else None
    said = _column_names(file, arrays, given, None if labels is None else list(labels))
    label = next((name for name in arrays if plain(name) in LABEL and name != "labels"), "labels")
    roles = [name for name in (key, label, "split", "group") if name in arrays]
    columns, left_out = _columns(path, arrays, len(embedding), roles)
    frame = pd.DataFrame(columns, index=range(len(embedding)))
    table = Rows(path, frame, frame.index.to_numpy())
    ids = table.texts(key)
    table.refuse_row(ids == "", "no image name")
    again = "image {!r} a second time (first: {}); keep one"
    table.refuse_row(ids.duplicated(), lambda row: again.format(ids[row], table.where(ids.tolist().index(ids[row]))))
    infinite = ~np.isfinite(embedding).all(axis=1)
    rows = f"{infinite.sum():,} such row{'' if infinite.sum() == 1 else 's'}"
    has = f"has NaN or infinity in it ({rows}): compute it again or leave the row out"
    table.refuse_row(infinite, lambda row: f"the embedding of image {ids[row]!r} {has}")
    own = [name for name in frame.columns if name not in roles and plain(name) not in _NAMES and name != "url"]
    left_out += [f"{name} [{len(frame)}]" for name in frame.columns if name == "url"]
    return Arrays(
        path=file,
        table=table,
        ids=ids.tolist(),
        embedding=embedding,
        label=label if label in roles else None,
        answers={name: _answers(file, name, cells, said, people, len(frame)) for name, cells in given.items()},
        extra=pd.DataFrame({name: tidy(frame[name]) for name in own}, index=frame.index),
        left_out=left_out,
    )


def _content(file: Path, csv: Path | None) -> dict[str, Any]:
    """A file's arrays by name; of a matrix alone, beside the columns of the table that names its rows."""
    if file.is_dir():
        raise BadInput(f"{file}: a folder; expected an .npz, .npy or Parquet file; {_SAVED}")
    need_file(file)
    arrays = _read(file)
    if file.suffix != ".npy":
        if csv is not None:
            raise BadInput(f"{file}: names its own rows; leave {option('csv')} out")
        return arrays
    if csv is None:
        raise BadInput(f"{file}: nothing says which image is which row; name the table that does ({option('csv')})")
    frame = read_table(csv).frame
    if not any(plain(name) in _NAMES for name in frame.columns):
        raise BadInput(f"{csv}: no column image_id or file to name the images by (it has: {', '.join(frame.columns)})")
    if len(frame) != len(matrix := _floats(arrays.get("embedding", np.empty(0)), file)):
        raise BadInput(f"{file}: embedding: {len(matrix)} rows, but {len(frame)} rows of {csv}")
    return {name: _objects(frame[name]) for name in frame.columns} | arrays


def _read(file: Path) -> dict[str, Any]:
    """By what the file begins with; by its suffix where it has no signature."""
    with file.open("rb") as handle:
        start = handle.read(6)
    read, kind = _numpy, ".npz or .npy file"
    if start[:4] == b"PAR1":
        read, kind = _parquet, "Parquet file"
    elif start != b"\x93NUMPY" and start[:2] != b"PK":
        raise BadInput(f"{file}: not a readable {kind} (its first bytes are another format's); {_SAVED}")
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


def _numpy(file: Path) -> dict[str, Any]:
    # Opened here: np.load leaves a damaged .npz open. It warns that an array was saved by Python 2.
    with file.open("rb") as handle, warnings.catch_warnings(action="ignore"):
        content = np.load(handle, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return {"embedding": content}
        unpacked, packed = sum(part.file_size for part in content.zip.infolist()), file.stat().st_size
        if unpacked > max(MOST_UNPACKED, MOST_PACKED * packed):
            sizes = f"{packed / 1e6:,.1f} MB that unpack to {unpacked / 1e9:,.1f} GB"
            raise BadInput(f"{file}: {sizes}, as no embeddings do; save them again with np.savez")
        return dict(content)


def _parquet(file: Path) -> dict[str, Any]:
    """Columns; lists of numbers as matrices."""
    import pyarrow.parquet as pq

    table = pq.read_table(file)
    table.validate(full=True)
    arrays: dict[str, Any] = {}
    for name, cells in table.to_pandas().items():
        arrays[str(name)] = cells.to_numpy() if cells.dtype.kind in "iufb" else _objects(cells)
        lengths = np.array([len(cell) if isinstance(cell, np.ndarray) else -1 for cell in cells])
        numbers = [cell.dtype.kind in "iuf" for cell in cells if isinstance(cell, np.ndarray)]
        if not numbers or not all(numbers):
            continue
        if (row := first_row(lengths != lengths.max())) is not None:
            has = f"row {row} (counted from 0) holds {max(lengths[row], 0)} numbers, expected {lengths.max()}"
            raise BadInput(f"{file}: column {name!r}: {has} as in others")
        arrays[str(name)] = np.stack(list(cells))
    return arrays


def _objects(values: Any) -> NDArray[Any]:
    """A column of any cells, [N]; what is missing is None."""
    cells = pd.Series(values, dtype=object)
    return cells.where(cells.notna(), None).to_numpy()


def _floats(array: NDArray[Any], file: Path) -> NDArray[Any]:
    """The embeddings as they came (float16, float32), wider floats and integers as float32."""
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "fiu":
        has = f"shape {array.shape} and dtype {array.dtype}"
        raise BadInput(f"{file}: embedding: {has}, expected one row of numbers per image, [N, D]")
    with np.errstate(over="ignore"):  # what becomes infinite is reported with its row
        return array if array.dtype in (np.float16, np.float32) else array.astype(np.float32)


def _columns(path: Path, arrays: dict[str, Any], rows: int, roles: list[str]) -> tuple[dict[str, Any], list[str]]:
    """The arrays with one value a row, and the names of the others. Raises BadInput if one of `roles` has no texts."""
    columns: dict[str, Any] = {}
    left_out = []
    for key, array in arrays.items():
        kind = array.dtype.kind
        flat = kind != "O" or not any(isinstance(cell, np.ndarray | list | dict | bytes) for cell in array)
        if array.shape == (rows,) and flat and kind in ("OUSiu" if key in roles else "OUiufb"):
            values = array.astype(np.float32) if array.dtype == np.float16 else array
            columns[key] = _texts(array) if kind == "S" else values.tolist() if kind == "U" else values
        elif key in roles:
            has = f"has shape {list(array.shape)} and dtype {array.dtype}"
            raise BadInput(f"{path}: {key} {has}, expected {rows} texts, one for each row of embedding")
        else:
            left_out.append(f"{key} {list(array.shape)}")
    return columns, left_out


def _column_names(
    file: Path, arrays: dict[str, Any], given: dict[str, Any], labels: list[str] | None
) -> list[str] | None:
    """The labels of the columns of people's answers, where these do not say them; an array of them is taken out.

    `labels`, or `label` where it has a name for each column and not one for each row, is such an array. Without
    answers, `labels` names what the numbers in `label` mean.
    """
    if not given and labels is not None:
        raise BadInput(f"{file}: {option('labels')} names columns of {', '.join(_ANSWERS)}; it has none")
    if not given and arrays.keys() >= {"label", "labels"} and arrays["label"].dtype.kind in "iu":
        codes, words = arrays["label"], np.array(_texts(arrays.pop("labels")), dtype=object)
        if (row := first_row((codes < 0) | (codes >= len(words)))) is not None:
            has = f"label {codes[row]}, but labels has {len(words)} names, from 0 on"
            raise BadInput(f"{file}: row {row} (counted from 0): {has}")
        arrays["label"] = words[codes]
    matrix = next(iter(given.values()), np.empty((0, 0)))
    rows, width = matrix.shape if matrix.ndim == 2 else (-1, -1)
    of_columns = ("labels",) if width == rows else ("label", "labels")
    names = [key for key in of_columns if key in arrays and arrays[key].shape == (width,)]
    if not names or labels is not None:
        return labels
    found = _texts(arrays.pop(names[-1]))
    if "" in found:
        raise BadInput(f"{file}: {names[-1]}: label {found.index('')} (counted from 0) has no name")
    return found


def _texts(array: NDArray[Any]) -> list[str]:
    """Its cells without spaces around them, the empty text where there is nothing."""
    cells = np.char.decode(array, "utf-8", "replace") if array.dtype.kind == "S" else array
    return ["" if cell is None else str(cell).strip() for cell in cells.ravel().tolist()]


def _answers(file: Path, key: str, cells: Any, said: list[str] | None, people: Any, rows: int) -> Table:
    """One of the arrays of people's answers, checked for its shape; what its numbers may be, `measure` checks."""
    names, matrix = said or [], np.asarray(cells)
    if not names:
        way_out = f"add an array labels with their names, or say {option('labels', ['A', 'B'])}"
        raise BadInput(f"{file}: nothing says which columns of {key} are which labels; {way_out}")
    if twice := [label for label in names if names.count(label) > 1]:
        raise BadInput(f"{file}: two columns of {key} are called {twice[0]!r}; rename one")
    shape = (rows, len(names))
    if matrix.shape != shape or matrix.dtype.kind not in "fiub":
        expected = f"expected numbers {list(shape)}: a row for each image and a column for each label"
        has = f"{key} has shape {list(matrix.shape)} and dtype {matrix.dtype}"
        raise BadInput(f"{file}: {has}, {expected} ({', '.join(names)})")
    frame = pd.DataFrame(matrix.astype(np.float64), columns=names)
    table = Rows(file, frame, np.arange(rows), f"{key}, row", labels=tuple(names))
    if people is None:
        return table
    if people.dtype.kind not in "fiu" or people.shape != (rows,):
        has = f"n has shape {list(people.shape)} and dtype {people.dtype}"
        raise BadInput(f"{file}: {has}, expected whole numbers [{rows}]")
    return replace(table, frame=frame.assign(n=people))
