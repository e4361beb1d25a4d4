"""What is made of embeddings: a map, cosines, and what their encoder makes of a text."""

import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from threading import RLock
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._rows import RowsOnDisk
from affectml.embeddings import EmbeddingStore
from affectml.encoders import Encoder, load_encoder
from affectml.encoders.identity import to_load
from affectml.errors import EncoderUnavailable
from affectml.predicting.features import run_encoder
from affectml.prompts import ALIKE, MADE_UP
from affectml.runs import RunFolder

Floats = NDArray[np.float32]
BLOCK = 256  # rows in memory at a time: .5 MB of 512 features, which stay in a processor's cache
HELD = 4  # blocks of the files' pages that are held at most
KEPT = 8  # searches whose cosines are kept: the same one comes again with every filter
SAMPLE = 10_000  # rows that principal axes are fitted on
ROWS = 4096  # in memory at a time for the map: 8 MB of 512 features


class Searcher:
    """Embeddings of a store, by their places among N images: cosines with one vector or a text, and the map.

    rows: all M of the store. has: which images have an embedding, [N]; others have no cosine and no place on the map.
    """

    map_words = "the two main axes of the embeddings (PCA): what lies far apart differs; what lies close may differ too"

    def __init__(self, store: EmbeddingStore, index: "pd.Index[Any]", encoders: "Encoders") -> None:
        self.store, self.encoders, self.rows = store, encoders, store.on_disk(store.ids)
        self._row = pd.Index(store.ids, dtype=object).get_indexer(index)
        self.has = self._row >= 0
        self.fits = lru_cache(maxsize=KEPT)(self._fits)

    def _by_image(self, values: Floats) -> Floats:
        """Of each image, by the store's rows; nan for an image without an embedding."""
        unknown = np.full((1, *values.shape[1:]), np.nan, dtype=np.float32)
        return np.asarray(np.concatenate([values, unknown])[self._row])

    # Cosines

    def _fits(self, to: str | int) -> Floats:
        """Cosines of all images with a text, or with the image of a place: the last few are kept as `fits`."""
        return self.cosines(self.text_vector(to) if isinstance(to, str) else self.rows[self._row[[to]]][0])

    def cosines(self, vector: NDArray[Any]) -> Floats:
        """Of each image with `vector` [D]: float32 [N], nan for an image without an embedding."""
        unit = np.asarray(vector, dtype=np.float32)
        unit = unit / max(float(np.linalg.norm(unit)), 1e-12)
        # not part @ unit: BLAS' threads, woken for every block beside an encoder's, take four times as long
        products: Floats = walked(self.rows, lambda part: np.einsum("ij,j->i", part, unit))
        return self._by_image(np.asarray(products / np.maximum(self._norms, 1e-12), dtype=np.float32))

    @cached_property
    def _norms(self) -> Floats:
        """Of each row; those of imported embeddings need not be 1."""
        return walked(self.rows, lambda part: np.linalg.norm(part, axis=1))

    # Texts

    @property
    def has_texts(self) -> bool:
        """Whether texts can be searched for: the encoder has a text tower, and is known by name."""
        return bool(self.store.specs) and self.store.identity.has_text

    def encoder(self) -> Encoder:
        """The embeddings' encoder; see `Encoders.of_store`."""
        return self.encoders.of_store(self.store)

    def text_vector(self, text: str) -> Floats:
        """The embedding of a text as it stands, [D]."""
        if not self.has_texts:
            raise EncoderUnavailable(f"{self.store.folder}: no text tower to search with")
        return np.asarray(self.encoder().encode_texts([text], padded=False).numpy()[0])

    @cached_property
    def _made_up(self) -> Floats | None:
        """What the encoder makes of every word that it does not know, a unit vector [D]; None where it knows parts.

        affect-tiny knows 196 words, and any other is the same to it; most encoders spell words from parts.
        """
        first, other = (vector / np.linalg.norm(vector) for vector in map(self.text_vector, (MADE_UP, MADE_UP[::-1])))
        return first if first @ other >= ALIKE else None

    def unheard(self, text: str) -> tuple[str, ...]:
        """Words of a text that the encoder takes for made-up ones, in their order.

        They order nothing: images come by the other words, and as without a search where there are none. Raises
        EncoderUnavailable without a text tower.
        """
        words = list(dict.fromkeys(re.findall(r"\w+", text)))
        if not words or self._made_up is None:
            return ()
        features = np.stack([self.text_vector(word) for word in words])
        near = features @ self._made_up / np.linalg.norm(features, axis=1)
        return tuple(word for word, cosine in zip(words, near, strict=True) if cosine >= ALIKE)

    def heard(self, text: str) -> str:
        """The text without them; "" where no word is left."""
        gone = self.unheard(text)
        kept = re.sub(r"\w+", lambda word: "" if word[0] in gone else word[0], text) if gone else text
        return " ".join(kept.split()) if re.search(r"\w", kept) else ""

    @cached_property
    def map(self) -> Floats:
        """Where each image lies on the two main axes of the embeddings: [N, 2] within 0 and 1, nan without one."""
        return self._by_image(square(main_axes(self.rows)))


def walked(rows: RowsOnDisk, measure: Callable[[Floats], Floats], size: int = BLOCK) -> Floats:
    """What `measure` makes of all rows, a block of them in memory at a time."""
    measured = [measure(rows[:0])]
    for at, part in enumerate(rows.parts(size)):
        measured.append(measure(part))
        if at % HELD == HELD - 1:
            rows.let_go()
    rows.let_go()
    return np.concatenate(measured)


# Making a map


def main_axes(rows: RowsOnDisk) -> Floats:
    """Rows on their first two principal axes, [M, 2]; fitted on a seeded sample of 10,000 where there are more."""
    count = len(rows)
    chosen = np.random.default_rng(0).choice(count, SAMPLE, replace=False) if count > SAMPLE else np.arange(count)
    sample = np.asarray(rows.take(np.sort(chosen)))
    mean = sample.sum(axis=0) / max(len(sample), 1)
    sample -= mean
    _, vectors = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # one of two mirror images
    axes = np.pad(axes, ((0, 0), (0, max(2 - axes.shape[1], 0)))).astype(np.float32)
    return walked(rows, lambda part: (part - mean) @ axes, ROWS)


def square(places: NDArray[Any]) -> Floats:
    """Places moved and scaled into the unit square, one scale for both axes, in the middle of the shorter one."""
    if not len(places):
        return places
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    size = max(float((high - low).max()), 1e-12)
    return np.asarray(((places - (low + high) / 2) / size + 0.5).clip(0, 1), dtype=np.float32)


# Encoders


class Encoders:
    """Encoders by spec and precision, loaded when first used. Weights stay in their files: few use both towers."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str], Encoder] = {}
        self._lock = RLock()

    def of_store(self, store: EmbeddingStore) -> Encoder:
        """The one that made a store's embeddings.

        Raises:
            EncoderUnavailable: where its weights cannot be had, are others by now, or nobody knows them.
        """
        if not store.specs:
            raise EncoderUnavailable(f"{store.folder}: imported embeddings come without an encoder")
        key = store.specs[0], store.identity.precision
        with self._lock:
            encoder = self._loaded.get(key) or load_encoder(key[0], precision=to_load(key[1]), mapped=True)
            self._loaded[key] = encoder
        store.need_texts_of(encoder)
        return encoder

    def of_run(self, run: RunFolder) -> Encoder:
        """The one that a run was trained with; see `run_encoder`."""
        specs, identity = run.info.encoder.specs, run.info.encoder.identity
        key = (specs[0], str(identity["precision"])) if specs else ("", "")
        with self._lock:
            encoder = self._loaded.get(key)
            if encoder is None or encoder.identity.to_json() != identity:
                encoder = self._loaded[key] = run_encoder(run, None)
            return encoder
