"""The map: embeddings as places on a plane, made once and kept in the data set."""

import json
import shlex
import warnings
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from affectml._files import replacing
from affectml._progress import Say
from affectml._rows import RowsOnDisk
from affectml.embeddings import EmbeddingStore
from affectml.errors import MissingExtra

Method = Literal["umap", "pca"]
METHODS: tuple[Method, ...] = ("umap", "pca")  # in the order in which they are looked for
FOLDER = "explore"
SAMPLE = 10_000  # rows that principal axes are fitted on
AXES = 50  # that UMAP looks at
MOST = 200_000  # rows that UMAP is fitted on
LEAST = 20  # and at least: fewer have hardly any neighbours, and keep their axes
SEED = 0
BLOCK = 4096  # rows in memory at a time: 8 MB of 512 features
WORDS = {
    "umap": "UMAP (McInnes, Healy & Melville 2018): what lies close is alike; how far heaps lie apart means little",
    "pca": "the two main axes of the embeddings (PCA): what lies far apart differs; what lies close may differ too",
}

Floats = NDArray[np.float32]


class Maps:
    """The map of a store's embeddings, over N images: the one that is kept, or made when it is first asked for.

    at: [M], the image of each row of the store, -1 for one that the data set does not have. count: N.
    """

    def __init__(self, root: Path, store: EmbeddingStore, at: NDArray[np.int64], count: int) -> None:
        self.root, self.store = root, store
        self.method: Method = "pca"
        self._at, self._count, self._lock = at, count, RLock()
        self._places: Floats | None = None

    def places(self, say: Say = lambda line: None) -> Floats:
        """[N, 2] within 0 and 1, nan without an embedding: by UMAP where that is kept, else by PCA."""
        with self._lock:
            if self._places is None:
                for method in METHODS:
                    kept = kept_map(self.root, self.store, method)
                    if kept is not None:
                        return self._now(kept, method)
                return self.make("pca", say)
            return self._places

    def make(self, method: Method, say: Say = lambda line: None) -> Floats:
        """Make the map anew; from now on it is the one."""
        return self._now(make_map(self.root, self.store, method, say), method)

    def _now(self, places: Floats, method: Method) -> Floats:
        out = np.full((self._count, 2), np.nan, dtype=np.float32)
        out[self._at[self._at >= 0]] = places[self._at >= 0]
        with self._lock:
            self._places, self.method = out, method
        return out

    @property
    def words(self) -> str:
        """How it was made, and how to get the other one."""
        words = WORDS[self.method]
        if self.method == "umap":
            return words
        install = "" if has_umap() else "pip install 'affectml[map]', then "
        return f"{words}. By UMAP: {install}`affectml explore {shlex.quote(str(self.root))} --map`"


def has_umap() -> bool:
    """Whether umap-learn is installed."""
    return find_spec("umap") is not None


def kept_map(root: Path, store: EmbeddingStore, method: Method) -> Floats | None:
    """The map of the store's rows [M, 2] as it was kept; None where there is none, or embeddings have changed since."""
    try:
        with np.load(file_of(root, store, method), allow_pickle=False) as found:
            places, made_of = found["places"], str(found["made_of"])
    except Exception:  # there is none, or numpy raises one of many kinds for a damaged file: it is made again
        return None
    fits = made_of == _made_of(store, method) and places.shape == (len(store.ids), 2)
    return np.asarray(places, dtype=np.float32) if fits else None


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
        with replacing(file_of(root, store, method)) as temporary, temporary.open("wb") as handle:
            np.savez(handle, places=places, made_of=np.array(made_of))
    except OSError as error:
        say(f"the map is not kept: {error}")
    return places


def file_of(root: Path, store: EmbeddingStore, method: Method) -> Path:
    """Where a map is kept."""
    return root / FOLDER / f"map-{store.folder.name}-{method}.npz"


def _made_of(store: EmbeddingStore, method: Method) -> str:
    """What a map is of: it is made again where this is another."""
    return json.dumps([store.stamp(), method, SAMPLE, AXES, SEED])


def _axes(rows: RowsOnDisk, count: int) -> Floats:
    """Rows on their first principal axes, [M, count]; fitted on a seeded sample of 10,000 where there are more."""
    some = np.arange(len(rows))
    if len(rows) > SAMPLE:
        some = np.sort(np.random.default_rng(SEED).choice(len(rows), SAMPLE, replace=False))
    sample = rows.take(some)
    mean, spread = np.zeros(rows.shape[1]), np.zeros((rows.shape[1], rows.shape[1]))
    for part in sample.parts(BLOCK):
        mean += part.sum(axis=0, dtype=np.float64)
    mean = mean / len(some)
    for part in sample.parts(BLOCK):
        centred = part - mean
        spread += centred.T @ centred
    _, vectors = np.linalg.eigh(spread)
    axes = vectors[:, ::-1][:, :count]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # one of two mirror images
    axes = np.pad(axes, ((0, 0), (0, max(2 - axes.shape[1], 0)))).astype(np.float32)
    parts = [(part - mean.astype(np.float32)) @ axes for part in rows.parts(BLOCK)]
    rows.let_go()
    return np.concatenate(parts) if parts else np.zeros((0, axes.shape[1]), dtype=np.float32)


def _umap(axes: Floats, say: Say) -> Floats:
    """UMAP with its own defaults, of all rows or, beyond `MOST`, of a seeded sample that the others are placed into."""
    if len(axes) < LEAST:
        return axes[:, :2]
    some = np.arange(len(axes))
    if len(axes) > MOST:
        some = np.sort(np.random.default_rng(SEED).choice(len(axes), MOST, replace=False))
    say(f"UMAP of {len(some):,}: of 100,000 a minute or two; more on a busy machine")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that tensorflow is not installed, that a seed allows one thread only
        import umap

        fitted = umap.UMAP(random_state=SEED, n_jobs=1)
        places = np.empty((len(axes), 2), dtype=np.float32)
        places[some] = fitted.fit_transform(axes[some])
        others = np.setdiff1d(np.arange(len(axes)), some)
        if len(others):
            say(f"placing {len(others):,} more among them")
            places[others] = fitted.transform(axes[others])
    return places


def square(places: NDArray[Any]) -> Floats:
    """Places moved and scaled into the unit square, one scale for both axes, in the middle of the shorter one."""
    if not len(places):
        return np.zeros((0, 2), dtype=np.float32)
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    size = max(float((high - low).max()), 1e-12)
    return np.asarray(((places - (low + high) / 2) / size + 0.5).clip(0, 1), dtype=np.float32)
