"""Embeddings computed elsewhere become a data set folder with an embedding store, and no image files."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import sha256
from affectml.data import Dataset
from affectml.data.splits import VAL_SHARE, pick
from affectml.encoders import EncoderIdentity
from affectml.errors import BadInput
from affectml.importers._arrays import Arrays, read_npy, read_npz
from affectml.importers._columns import SPLIT_OF
from affectml.importers._labels import LabelPlan, plan_labels
from affectml.importers._options import Help
from affectml.importers._registry import importer
from affectml.importers._spec import Renaming, SomeTaxonomy
from affectml.importers.draft import About, Draft, Embedded, Source, draft, one_hot

# Norms of unit rows after rounding to float16 stay well inside this.
NORM_TOLERANCE = 2e-3


@importer("embeddings", About(construct="query"), images=(), folder=False)
def embeddings(
    source: Annotated[Source, Help("npz with image, embedding, label, split; or npy with --csv.")],
    *,
    csv: Annotated[str | Path | None, Help("Table whose rows are the npy file's rows.")] = None,
    taxonomy: SomeTaxonomy = None,
    mapping: Renaming = None,
    seed: Annotated[int, Help("Seed for a validation split cut from train.", least=0)] = 0,
) -> Draft:
    """An .npz of image, embedding and, where known, label, split and group; or an .npy and its table.

    The table of an .npy (CSV, TSV or Parquet) has one row per embedding in the same order: image_id or file, and where
    known label, split, group; further columns are kept. The embeddings are stored as they came, not normalised, in
    `embeddings/imported-NAME`; labels become a target `single`. Splits are kept; where there is train but no val, 15 %
    of train (stratified by label, whole groups) becomes val, and dataset.json says so.
    """
    file, name = source.path, source.about.name
    arrays = read_npz(file) if csv is None else read_npy(file, Path(csv))
    _check(arrays)
    images = pd.DataFrame({"image_id": arrays.ids})
    result = draft(source, images, [None] * len(images))
    result.notes.append(f"embeddings computed elsewhere, from {file.name}")
    columns: NDArray[np.int64] | None = None
    if arrays.label is not None:
        plan = _plan(arrays, mapping, taxonomy, source)
        result.notes += plan.notes
        result.warnings += plan.warnings
        columns = np.array([plan.columns()[label] for label in arrays.label])
        target = one_hot(arrays.ids, columns, plan.taxonomy)
        made_by = f"the label in {Path(csv or file).name}"
        result.add("single", "single", target, plan.taxonomy, values="indicator", made_by=made_by)
    elif taxonomy is not None or mapping:
        raise BadInput(f"{csv or file}: no labels in it, so there is nothing for a taxonomy or a mapping to name")
    if arrays.split is not None:
        images["split"], said = _splits(arrays, columns, seed)
        result.notes.append(said)
    if arrays.group is not None:
        images["group"] = arrays.group
    result.images = pd.concat([images, arrays.extra.reset_index(drop=True)], axis=1)
    result.embedded = Embedded(arrays.embedding, _identity(arrays.embedding, name, file))
    return result


def import_embeddings(file: str | Path, out: str | Path, **options: Any) -> Dataset:
    """Run the importer `embeddings` and open the data set.

    Args:
        file: the .npz or .npy file.
        out: the data set folder to write; it must not exist yet.
        options: those of the importer.

    Raises:
        BadInput: naming file and row: pickled arrays, wrong shapes, NaN or infinity, an image twice, an unknown split.
            Nothing is written then.
        UnknownLabel: for a label that the taxonomy lacks.
    """
    return Dataset.open(embeddings(file, out, **options).out)


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


def _plan(arrays: Arrays, mapping: Renaming, taxonomy: SomeTaxonomy, source: Source) -> LabelPlan:
    found: dict[str, str] = {}
    for row, label in enumerate(arrays.label or []):
        if not label:
            raise BadInput(f"{arrays.where(row)}: image {arrays.ids[row]!r} has no label; leave the row out")
        found.setdefault(label, arrays.where(row))
    counts = Counter(arrays.label)
    return plan_labels(found, mapping, taxonomy, where=str(source.path), name=source.about.name, counts=counts)


def _splits(arrays: Arrays, columns: NDArray[np.int64] | None, seed: int) -> tuple[NDArray[np.object_], str]:
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
        return given, "splits kept as they came"
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
        return given, "splits kept as they came; there are too few train images to cut a val from them"
    given[train[picked]] = "val"
    return given, (
        f"splits kept as they came; they had no val: {len(picked)} of the {len(train)} train images "
        f"({how}, seed {seed}) became val"
    )


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
