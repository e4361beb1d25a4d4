"""The map: embeddings as places on a plane, made once and kept in the data set."""

import json
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from affectml._files import replacing
from affectml._progress import Say
from affectml._rows import RowsOnDisk
from affectml.embeddings import EmbeddingStore
from affectml.errors import MissingExtra

Method = Literal["umap", "pca"]
FOLDER = "explore"
SAMPLE = 20_000  # rows that principal axes are fitted on
AXES = 50  # that UMAP looks at
SEED = 0
WORDS = {
    "umap": "UMAP (McInnes, Healy & Melville 2018): near images lie near each other; distances between heaps mean little",
    "pca": "the two main axes of the embeddings (PCA): far images lie far apart; what lies near may differ elsewhere",
}

Floats = NDArray[np.float32]


def has_umap() -> bool:
    """Whether umap-learn is installed."""
    return find_spec("umap") is not None


def kept_map(root: Path, store: EmbeddingStore, method: Method) -> Floats | None:
    """The map of the store's rows [M, 2] as it was kept; None where there is none, or embeddings have changed since."""
    with suppress(Exception):  # numpy raises many kinds for a damaged file; the map is made again
        with np.load(_file(root, store, method), allow_pickle=False) as found:
            places = found["places"]
            if str(found["made_of"]) == _made_of(store, method) and places.shape == (len(store.ids), 2):
                return np.asarray(places, dtype=np.float32)
    return None


def make_map(root: Path, store: EmbeddingStore, method: Method, say: Say = lambda line: None) -> Floats:
    """Places of the store's rows on a square: float32 [M, 2] within 0 and 1; kept in the data set where that can be.

    The same embeddings give the same map on one machine: the sample and UMAP are seeded, and it runs in one thread.

    Raises:
        MissingExtra: for umap where it is not installed.
    """
    if method == "umap" and not has_umap():
        raise MissingExtra("umap-learn", "map", "a map by UMAP")
    rows = store.on_disk(store.ids)
    made_of = _made_of(store, method)  # before: what changes meanwhile makes the map old
    say(f"{len(rows):,} embeddings, {store.folder.name}: making the map by {method.upper()}")
    axes = _axes(rows, 2 if method == "pca" else AXES)
    places = square(axes if method == "pca" else _umap(axes, say))
    try:
        with replacing(_file(root, store, method)) as temporary, temporary.open("wb") as handle:
            np.savez(handle, places=places, made_of=np.array(made_of))
    except OSError as error:
        say(f"the map is not kept: {error}")
    return places


def _file(root: Path, store: EmbeddingStore, method: Method) -> Path:
    return root / FOLDER / f"map-{store.folder.name}-{method}.npz"


def _made_of(store: EmbeddingStore, method: Method) -> str:
    """What a map is of: it is made again where this is another."""
    return json.dumps([store.stamp(), method, SAMPLE, AXES, SEED])


def _axes(rows: RowsOnDisk, count: int) -> Floats:
    """Rows on their first principal axes, [M, count]; fitted on a seeded sample of 20,000 where there are more."""
    some = np.arange(len(rows))
    if len(rows) > SAMPLE:
        some = np.sort(np.random.default_rng(SEED).choice(len(rows), SAMPLE, replace=False))
    sample = rows[some].astype(np.float64)
    mean = sample.mean(axis=0)
    sample -= mean
    _, vectors = np.linalg.eigh(sample.T @ sample)
    axes = vectors[:, ::-1][:, :count]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # one of two mirror images
    axes = np.pad(axes, ((0, 0), (0, max(2 - axes.shape[1], 0)))).astype(np.float32)
    parts = [(part - mean.astype(np.float32)) @ axes for part in rows.parts()]
    return np.concatenate(parts) if parts else np.zeros((0, axes.shape[1]), dtype=np.float32)


def _umap(axes: Floats, say: Say) -> Floats:
    raise NotImplementedError


def square(places: NDArray[Any]) -> Floats:
    """Places moved and scaled into the unit square, one scale for both axes, in the middle of the shorter one."""
    if not len(places):
        return np.zeros((0, 2), dtype=np.float32)
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    size = max(float((high - low).max()), 1e-12)
    return np.asarray(((places - (low + high) / 2) / size + 0.5).clip(0, 1), dtype=np.float32)
