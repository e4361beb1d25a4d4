"""Embedding stores as they were written before 0.3."""

import json

import numpy as np
import pandas as pd

from affectml.embeddings import EmbeddingStore


def as_before(store: EmbeddingStore, **way: object) -> EmbeddingStore:
    """Write a store anew as it was before: ids.parquet, shards of three rows, and in provenance.json what ran."""
    rows = store.rows(store.ids).astype(np.float16)
    at = np.arange(len(rows))
    entries = [{**ran.to_json(), "threads": 2, **way, "shards": [0, int(at[-1] // 3)]} for ran in store.ran]
    table = pd.DataFrame({"image_id": store.ids, "shard": at // 3, "row": at % 3})
    for path in [*store.folder.glob("list-*"), *store.folder.glob("part-*")]:
        path.unlink()
    table.to_parquet(store.folder / "ids.parquet", index=False)
    (store.folder / "provenance.json").write_text(json.dumps(entries))
    for number in range(at[-1] // 3 + 1):
        np.save(store.folder / f"shard-{number:05d}.npy", rows[3 * number : 3 * number + 3])
    return EmbeddingStore.open(store.folder)
