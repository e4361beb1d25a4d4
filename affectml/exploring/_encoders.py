"""Encoders, each loaded once: the embeddings' own, and those of runs."""

from threading import RLock
from typing import TYPE_CHECKING

from affectml.embeddings import EmbeddingStore
from affectml.embeddings._store import differences
from affectml.errors import EncoderUnavailable
from affectml.run_features import run_encoder
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

        if not store.specs:
            raise EncoderUnavailable(f"{store.folder}: imported embeddings come without an encoder")
        key = store.specs[0], store.identity.precision
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = load_encoder(key[0], precision=key[1], mapped=True)
            found = self._loaded[key]
        if not found.identity.may_use(store.identity):
            raise EncoderUnavailable(
                f"{store.folder}: encoder {key[0]!r} is not the one that made these embeddings "
                f"({differences(found.identity, store.identity)})"
            )
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
