"""Which images are judged, which choose thresholds, and which tell the prior what is common."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from affectml.data import Dataset, Targets
from affectml.data.choose import choose_target
from affectml.data.splits import split_dataset
from affectml.duplicates import same_pixels
from affectml.embeddings import EmbeddingStore
from affectml.errors import AffectmlError, BadDataset, BadInput, option

PARTS = ("test", "val", "all")
Ids = NDArray[np.object_]


@dataclass(frozen=True, eq=False)
class Parts:
    """Images by what they are for. split: the name of the judged part; val: () where none are left for thresholds."""

    judged: Ids
    val: Ids
    train: Ids
    split: str


def parts_of(dataset: Dataset, targets: Targets, split: str, seed: int, store: EmbeddingStore | None = None) -> Parts:
    """The images of a part of a data set, split as `train` splits it.

    Args:
        dataset: with its own split, or without one.
        targets: which of its targets.
        split: "test", "val", or "all": every image, with a prior that knows them too.
        seed: of a new split.
        store: its embeddings, where there are any: images of equal pixels then stay together, as for `train`.

    Raises:
        BadDataset: where the data set cannot be split.
        BadInput: for another part.
    """
    check_part(split)
    ids = targets.image_id
    if split == "all":
        return Parts(ids, ids[:0], ids, split)
    copies = same_pixels(dataset, ids, store.rows(ids)) if store is not None and not store.missing(ids) else ()
    try:
        found = split_dataset(dataset, targets, seed, copies)
    except BadDataset as error:
        raise BadDataset(f"{error}; or take all images: {option('split', 'all')}") from None
    val = found.ids("val") if split == "test" else ids[:0]
    return Parts(found.ids(split), val, found.ids("train"), split)


def check_part(split: str) -> None:
    """Raises BadInput for a part that images cannot be judged or asked by."""
    if split not in PARTS:
        raise BadInput(f"{option('split', split)}: expected {', '.join(PARTS)}")


def target_of(dataset: Dataset, name: str | None) -> Targets:
    """The target of that name, else the only one.

    Raises:
        BadDataset: where there is none, or several and no name.
    """
    names = list(dataset.meta.targets)
    if name is None and len(names) > 1:
        raise BadDataset(f"{dataset.root}: it has targets {', '.join(names)}; choose with {option('target')}")
    return choose_target(dataset, multilabel=None, name=name)


def store_of(dataset: Dataset) -> EmbeddingStore | None:
    """The data set's embeddings, where there is one store and no doubt about it."""
    try:
        return EmbeddingStore.for_dataset(dataset)
    except AffectmlError:
        return None
