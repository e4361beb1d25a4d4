"""Encoders, each loaded once: the embeddings' own, and those of runs; and which words of a text one of them knows."""

import re
from collections.abc import Callable
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from affectml.embeddings import EmbeddingStore
from affectml.errors import EncoderUnavailable
from affectml.predicting.features import run_encoder
from affectml.prompts import ALIKE, MADE_UP
from affectml.runs import RunFolder

if TYPE_CHECKING:
    from affectml.encoders import Encoder


class Encoders:
    """Encoders by spec and precision, loaded when first used. Weights stay in their files: few use both towers."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[str, str], Encoder] = {}
        self._lock = RLock()

    def of_store(self, store: EmbeddingStore) -> "Encoder":
        """The one that made a store's embeddings.

        Raises:
            EncoderUnavailable: where its weights cannot be had, are others by now, or nobody knows them.
        """
        from affectml.encoders import load_encoder
        from affectml.encoders.identity import to_load

        if not store.specs:
            raise EncoderUnavailable(f"{store.folder}: imported embeddings come without an encoder")
        key = store.specs[0], store.identity.precision
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = load_encoder(key[0], precision=to_load(key[1]), mapped=True)
            found = self._loaded[key]
        store.need_texts_of(found)
        return found

    def of_run(self, run: RunFolder) -> "Encoder":
        """The one that a run was trained with; see `run_encoder`."""
        specs, identity = run.info.encoder.specs, run.info.encoder.identity
        key = (specs[0], str(identity["precision"])) if specs else ("", "")
        with self._lock:
            found = self._loaded.get(key)
            if found is None or found.identity.to_json() != identity:
                found = self._loaded[key] = run_encoder(run, None, mapped=True)
            return found


class Hearing:
    """Which words an encoder knows, and which are all the same to it. encode: a text as a vector [D].

    affect-tiny knows 196 words, and any other is the same to it; most encoders spell words from parts and know all.
    """

    def __init__(self, encode: Callable[[str], NDArray[Any]]) -> None:
        self._encode = encode

    @cached_property
    def _made_up(self) -> NDArray[Any] | None:
        """What it makes of every word that it does not know, a unit vector [D]; None where it knows parts."""
        one, other = (vector / np.linalg.norm(vector) for vector in map(self._encode, (MADE_UP, MADE_UP[::-1])))
        return one if one @ other >= ALIKE else None

    def unheard(self, text: str) -> tuple[str, ...]:
        """Words of a text that it takes for made-up ones, in their order."""
        words = list(dict.fromkeys(re.findall(r"\w+", text)))
        if not words or self._made_up is None:
            return ()
        features = np.stack([self._encode(word) for word in words])
        near = features @ self._made_up / np.linalg.norm(features, axis=1)
        return tuple(word for word, cosine in zip(words, near, strict=True) if cosine >= ALIKE)

    def heard(self, text: str) -> str:
        """The text without them; "" where no word is left."""
        gone = self.unheard(text)
        kept = re.sub(r"\w+", lambda word: "" if word[0] in gone else word[0], text) if gone else text
        return " ".join(kept.split()) if re.search(r"\w", kept) else ""
