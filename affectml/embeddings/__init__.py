"""Embedding stores: what an encoder made of a data set's images, on disk beside them."""

from affectml.embeddings._stream import Batch, Readable, embedded
from affectml.embeddings.embed import EmbedSummary, embed_dataset, ensure_embeddings, existing_store, with_embeddings
from affectml.embeddings.store import EmbeddingStore
from affectml.embeddings.writing import write_store

__all__ = [
    "Batch",
    "EmbedSummary",
    "EmbeddingStore",
    "Readable",
    "embed_dataset",
    "embedded",
    "ensure_embeddings",
    "existing_store",
    "with_embeddings",
    "write_store",
]
