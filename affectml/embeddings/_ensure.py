"""The store a command works with: found, filled with what is missing, and matched with the images that were judged."""

import numpy as np

from affectml._progress import Say
from affectml.data import Dataset, Targets
from affectml.embeddings.embed import NOTHING_JOINS, embed_dataset, items_of, to_embed
from affectml.embeddings.store import EmbeddingStore
from affectml.encoders import DEFAULT_SPEC, TINY_SPEC, load_encoder
from affectml.encoders.identity import is_computed, spoken, to_load
from affectml.errors import BadDataset, EncoderUnavailable, option


def ensure_embeddings(
    dataset: Dataset,
    spec: str | None,
    *,
    threads: int | None,
    say: Say,
    precision: str | None = None,
    device: str | None = None,
) -> EmbeddingStore:
    """The store to use, with every image embedded that can be: what is there is not made again.

    threads: None takes the cores that there are. device: see `load_encoder`. precision: as files call it. Loads no
    encoder where nothing is left to embed. Where the encoder of a store with embeddings cannot be had, or its precision
    is computed no more, that is said, and what there is is used.
    """
    store = existing_store(dataset, spec, precision)
    if store is not None:
        if not store.specs or not _embeddable(dataset, store):
            return store
        spec, precision = spec or store.specs[0], store.identity.precision
        if not is_computed(precision):
            anew = f"`affectml embed {dataset.root} --encoder {spec}` embeds all of them anew"
            say(f"{store.folder}: {NOTHING_JOINS.format(spoken(precision))}; {anew}")
            return store
    if spec is None:
        spec = TINY_SPEC if dataset.truth is not None else DEFAULT_SPEC  # a demo set has its truth beside it
    try:
        encoder = load_encoder(
            spec, precision=to_load(precision or "auto"), device=device, threads=threads, mapped=True
        )
    except EncoderUnavailable as error:
        if store is None or not len(store.ids):
            raise
        say(f"images without an embedding stay so: {error}")
        return store
    summary = embed_dataset(dataset, encoder, say=say)
    if summary.done:
        rate = f"{summary.seconds:.1f} s ({summary.images_per_second:.0f}/s)"
        say(f"embedded {summary.done} images with {spec} in {rate}")
    for image_id, file, reason in summary.unreadable[:5]:
        say(f"cannot be read: {file} ({image_id}): {reason}")
    if len(summary.unreadable) > 5:
        say(f"... and {len(summary.unreadable) - 5} more, listed in {summary.store.folder / 'unreadable.csv'}")
    return summary.store


def with_embeddings(dataset: Dataset, targets: Targets, store: EmbeddingStore, say: Say) -> Targets:
    """The targets of images that have an embedding; how many do not is said."""
    missing = set(store.missing(targets.image_id))
    if not missing:
        return targets
    images = dataset.images.set_index("image_id").reindex(targets.image_id)
    sources = images.reindex(columns=["file", "url"]).replace("", None)
    nowhere = [i for i in images.index[sources.isna().all(axis=1)] if i in missing]
    if nowhere:
        raise BadDataset(
            f"{dataset.root / 'images.parquet'}: image {nowhere[0]!r} has neither file nor url nor an embedding "
            f"({len(nowhere)} such rows): fill one of them, or remove its row here and in the targets"
        )
    kept = np.array([i for i in targets.image_id if i not in missing], dtype=object)
    if not len(kept):
        raise BadDataset(f"{dataset.root}: no image with target {targets.name} has an embedding in {store.folder.name}")
    say(f"{len(missing)} of {len(targets.image_id)} judged images have no embedding and are left out")
    return targets.take(kept)


def existing_store(dataset: Dataset, spec: str | None, precision: str | None) -> EmbeddingStore | None:
    """The store that fits, if there is one; without a spec, the only one, be it one that an interruption left empty."""
    folders = sorted(path.parent for path in (dataset.root / "embeddings").glob("*/encoder.json"))
    if spec is None and len(folders) == 1:
        return EmbeddingStore.open(folders[0])
    try:
        return EmbeddingStore.for_dataset(dataset, spec, precision=precision)
    except BadDataset as error:
        if precision == "auto":  # fp32 is what auto agrees with
            return existing_store(dataset, spec, "fp32")
        if spec is None and folders:
            raise BadDataset(f"{error}; choose with {option('encoder')}") from None
        return None


def _embeddable(dataset: Dataset, store: EmbeddingStore) -> bool:
    """Whether an image has a file that is not embedded yet, has changed since, or can be read by now."""
    if "file" not in dataset.images.columns or dataset.images["file"].isna().all():
        return False
    return bool(store.unmade or to_embed(store, items_of(dataset)[0].values()))
