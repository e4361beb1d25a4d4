"""Embeddings computed elsewhere become a data set folder with an embedding store, and no image files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import new_folder, sha256
from affectml.data import Dataset, DatasetMeta, TargetMeta, check_new, write_dataset
from affectml.data._schema import Construct
from affectml.data.splits import VAL_SHARE, pick
from affectml.embeddings import StoreWriter
from affectml.encoders import EncoderIdentity
from affectml.errors import BadInput
from affectml.importers._arrays import Arrays, read_npy, read_npz
from affectml.importers._labels import LabelPlan, plan_labels, taxonomy_entry
from affectml.importers._write import target_file
from affectml.importers.folder import SPLIT_OF, check_construct
from affectml.taxonomies import Taxonomy

SHARD_ROWS = 65536
# Norms of unit rows after rounding to float16 stay well inside this.
NORM_TOLERANCE = 2e-3


def import_embeddings(
    file: str | Path,
    out: str | Path,
    *,
    csv: str | Path | None = None,
    taxonomy: str | Taxonomy | None = None,
    name: str | None = None,
    construct: Construct = "query",
    mapping: Mapping[str, str] | None = None,
    question: str = "",
    source: str = "",
    licence: str = "",
    seed: int = 0,
) -> Dataset:
    """Make a data set of an .npz (`image, embedding, label?, split?, group?`) or an .npy and its table.

    csv: for an .npy, a CSV, TSV or Parquet file with one row per embedding in the same order: image_id or
    file, and where known label, split, group; further columns are kept. The embeddings are stored as they
    came, not normalised, in `embeddings/imported-NAME`; labels become a target `single`, in the taxonomy given or
    inferred. Splits are kept; where there is train but no val, 15 % of train (stratified by label, whole
    groups) becomes val, and dataset.json says so. mapping: label in the file -> label.

    Raises BadInput or UnknownLabel naming file and row: pickled arrays, wrong shapes, NaN or infinity, an
    image twice, a label that the taxonomy lacks, an unknown split. Nothing is written then.
    """
    file, out = Path(file), Path(out)
    check_construct(construct)
    check_new(out)
    arrays = read_npz(file) if csv is None else read_npy(file, Path(csv))
    _check(arrays)
    name = name or file.stem
    notes = [f"embeddings computed elsewhere, from {file.name}"]
    targets: dict[str, pd.DataFrame] = {}
    metas: dict[str, TargetMeta] = {}
    columns: NDArray[np.int64] | None = None
    if arrays.label is not None:
        plan = _plan(arrays, mapping, taxonomy, file, name)
        notes += plan.notes
        columns = np.array([plan.columns()[label] for label in arrays.label])
        one_hot = (columns[:, None] == np.arange(len(plan.taxonomy))).astype(np.int8)
        targets["single"] = pd.DataFrame(one_hot, columns=list(plan.taxonomy.labels))
        targets["single"].insert(0, "image_id", arrays.ids)
        metas["single"] = TargetMeta(
            kind="single",
            construct=construct,
            question=question,
            taxonomy=taxonomy_entry(plan.taxonomy),
            values="indicator",
            file=target_file("single"),
            made_by=f"the label in {(Path(csv) if csv else file).name}",
        )
    elif taxonomy is not None or mapping:
        raise BadInput(f"{csv or file}: no labels in it, so there is nothing for a taxonomy or a mapping to name")

    images = pd.DataFrame({"image_id": arrays.ids})
    if arrays.split is not None:
        images["split"], said = _splits(arrays, columns, seed)
        notes += said
    if arrays.group is not None:
        images["group"] = arrays.group
    images = pd.concat([images, arrays.extra.reset_index(drop=True)], axis=1)

    meta = DatasetMeta(
        name=name,
        source=source,
        licence=licence,
        targets=metas,
        notes=notes,
    )
    with new_folder(out) as folder:
        write_dataset(folder, meta, images, targets)
        with StoreWriter(folder, _identity(arrays.embedding, name, file)) as writer:
            for start in range(0, len(arrays.ids), SHARD_ROWS):
                part = slice(start, start + SHARD_ROWS)
                writer.add(arrays.ids[part], arrays.embedding[part])
    return Dataset.open(out)


def _check(arrays: Arrays) -> None:
    """Raise BadInput for the first row without a name, named twice, or with values that are not finite."""
    first: dict[str, int] = {}
    for row, image in enumerate(arrays.ids):
        if not image:
            raise BadInput(f"{arrays.where(row)}: no image name")
        if image in first:
            raise BadInput(
                f"{arrays.where(row)}: image {image!r} a second time (first: {arrays.where(first[image])}); keep one"
            )
        first[image] = row
    finite = np.isfinite(arrays.embedding).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise BadInput(
            f"{arrays.where(row)}: the embedding of image {arrays.ids[row]!r} has NaN or infinity in it "
            f"({int((~finite).sum())} such rows): compute it again or leave the row out"
        )


def _plan(
    arrays: Arrays, mapping: Mapping[str, str] | None, taxonomy: str | Taxonomy | None, file: Path, name: str
) -> LabelPlan:
    found: dict[str, str] = {}
    for row, label in enumerate(arrays.label or []):
        if not label:
            raise BadInput(f"{arrays.where(row)}: image {arrays.ids[row]!r} has no label; leave the row out")
        found.setdefault(label, arrays.where(row))
    return plan_labels(found, mapping, taxonomy, where=str(file), name=name)


def _splits(arrays: Arrays, columns: NDArray[np.int64] | None, seed: int) -> tuple[NDArray[np.object_], list[str]]:
    """train, val, test or None for each row, and what was done."""
    given = np.full(len(arrays.ids), None, dtype=object)
    for row, spelt in enumerate(arrays.split or []):
        if spelt is None:
            continue
        if spelt.lower() not in SPLIT_OF:
            raise BadInput(f"{arrays.where(row)}: split {spelt!r}, expected train, val or test")
        given[row] = SPLIT_OF[spelt.lower()]
    train = np.flatnonzero(given == "train")
    if (given == "val").any() or not len(train):
        return given, ["splits kept as they came"]
    labels = np.ones((len(train), 1), dtype=np.int64)
    if columns is not None:
        labels = (columns[train, None] == np.unique(columns[train])).astype(np.int64)
    groups = None
    if arrays.group is not None:
        alone = [group or f"image {image}" for group, image in zip(arrays.group, arrays.ids, strict=True)]
        groups = np.array(alone, dtype=object)[train]
    if labels.shape[1] > 1:
        how = "stratified by label"
        picked = pick(labels, VAL_SHARE, seed, groups, single=True)
    else:
        how = "at random"
        units = np.arange(len(train)) if groups is None else groups
        names = np.random.default_rng(seed).permutation(np.unique(units))
        picked = np.flatnonzero(np.isin(units, names[: round(VAL_SHARE * len(names))]))
    if not len(picked):
        return given, ["splits kept as they came; there are too few train images to cut a val from them"]
    given[train[picked]] = "val"
    return given, [
        f"splits kept as they came; they had no val: {len(picked)} of the {len(train)} train images "
        f"({how}, seed {seed}) became val"
    ]


def _identity(embedding: NDArray[np.floating], name: str, file: Path) -> EncoderIdentity:
    norms = np.linalg.norm(embedding.astype(np.float32), axis=1)
    return EncoderIdentity(
        architecture=f"imported-{name}",
        weights_sha256=None,
        activation=None,
        preprocessing={},
        precision=str(embedding.dtype),
        normalised=bool((np.abs(norms - 1) < NORM_TOLERANCE).all()),
        dim=int(embedding.shape[1]),
        has_text=False,
        source_sha256=sha256(file),
    )
