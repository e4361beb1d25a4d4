"""Cosines of all images with one vector, over the embeddings on disk, a block at a time."""

from collections import OrderedDict
from collections.abc import Callable
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.embeddings import EmbeddingStore

Floats = NDArray[np.float32]
BLOCK = 256  # rows in memory at a time: .5 MB of 512 features, which stay in a processor's cache
HELD = 4  # blocks of the files' pages that are held at most
KEPT = 8  # searches whose cosines are kept: the same one comes again with every filter


class Searcher:
    """Embeddings of a store, with their places among N images.

    at: [M], the image of each row. Images without an embedding have no cosine.
    """

    def __init__(self, store: EmbeddingStore, index: "pd.Index[Any]") -> None:
        self.store, self.count = store, len(index)
        at = index.get_indexer(pd.Index(store.ids, dtype=object))
        self.at = at[at >= 0]
        self.rows = store.on_disk(store.ids[at >= 0])
        self._row = np.full(len(index), -1, dtype=np.int64)
        self._row[self.at] = np.arange(len(self.at))
        self._kept: OrderedDict[str, Floats] = OrderedDict()
        self._lock = Lock()

    def has(self, index: int) -> bool:
        """Whether an image has an embedding."""
        return bool(self._row[index] >= 0)

    def vector(self, index: int) -> Floats:
        """The embedding of an image, [D]."""
        return np.asarray(self.rows[self._row[[index]]][0])

    @cached_property
    def _norms(self) -> Floats:
        """Of each row; those of imported embeddings need not be 1."""
        return self._over(lambda part: np.linalg.norm(part, axis=1))

    def _over(self, measure: Callable[[Floats], Floats]) -> Floats:
        """What `measure` makes of all rows, [M]."""
        out = np.empty(len(self.rows), dtype=np.float32)
        for at, part in enumerate(self.rows.parts(BLOCK)):
            out[at * BLOCK : at * BLOCK + len(part)] = measure(part)
            if at % HELD == HELD - 1:
                self.rows.let_go()
        self.rows.let_go()
        return out

    def cosines(self, vector: NDArray[Any]) -> Floats:
        """Of each image with `vector` [D]: float32 [N], nan for an image without an embedding."""
        unit = np.asarray(vector, dtype=np.float32)
        unit = unit / max(float(np.linalg.norm(unit)), 1e-12)
        out = np.full(self.count, np.nan, dtype=np.float32)
        # not part @ unit: BLAS' threads, woken for every block beside an encoder's, take four times as long
        found = self._over(lambda part: np.einsum("ij,j->i", part, unit))
        out[self.at] = found / np.maximum(self._norms, 1e-12)
        return out

    def kept(self, key: str, vector: Callable[[], NDArray[Any]]) -> Floats:
        """`cosines` of a search, kept under its key."""
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            found = self.cosines(vector())  # others do not wait meanwhile: an encoder may be loaded for it
        with self._lock:
            self._kept[key] = found
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found
