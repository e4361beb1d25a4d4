"""Embedding a data set's images in parts, which any number of processes may share; and the store to work with."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from affectml import parts
from affectml._progress import Progress, Say
from affectml.data import Dataset, Targets
from affectml.embeddings._stream import embedded
from affectml.embeddings.store import EmbeddingStore
from affectml.embeddings.writing import begin_store, write_list, write_part, writing
from affectml.encoders import DEFAULT_SPEC, TINY_SPEC, Encoder, load_encoder, read_image
from affectml.encoders.identity import is_computed, spoken, to_load
from affectml.errors import BadDataset, BadInput, EncoderUnavailable, option
from affectml_annotation.exchange.files import csv_text, write_text

READERS = 8  # threads that try images again which could not be read
SHOWN = 3
UNREADABLE = ("image_id", "file", "reason")
NOTHING_JOINS = "these embeddings are in {}, which is computed no more, so new images cannot join them"


@dataclass(frozen=True)
class EmbedSummary:
    """What one run of `embed_dataset` did.

    done: images embedded now, by this process. skipped_existing: those that had an embedding. unreadable: (image_id,
    file, reason), also in the store's unreadable.csv. no_image: image_ids of rows with neither file nor url. url_only:
    image_ids with a url but no file (nothing is downloaded). seconds: wall time of decoding, encoding and writing,
    without loading the encoder.
    """

    store: EmbeddingStore
    done: int
    skipped_existing: int
    unreadable: list[tuple[str, str, str]] = field(default_factory=list)
    no_image: list[str] = field(default_factory=list)
    url_only: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def images_per_second(self) -> float:
        """Images embedded by this run per second; 0 if there were none."""
        return self.done / self.seconds if self.seconds and self.done else 0.0

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) pairs for a two-column table; the first unreadable images by name."""
        made, identity, bad = self.store, self.store.identity, self.unreadable
        what = f"{identity.architecture}, {identity.activation}, {spoken(identity.precision)}, {identity.dim} values"
        rate = f"{self.seconds:,.1f} s ({self.images_per_second:,.0f} images/s)"
        named = f"{len(self.no_image):,}: {', '.join(self.no_image[:SHOWN])}"
        out = [
            ("store", str(made.folder)),
            ("encoder", what),
            ("embedded", f"{self.done:,} images in {rate}"),
            ("already there", f"{self.skipped_existing:,}"),
            *(("computed in", str(ran)) for ran in made.ran),
            ("unreadable", f"{len(bad):,}, listed in {made.folder / 'unreadable.csv'}" if bad else ""),
            *(("", f"{file}: {reason}") for _, file, reason in bad[:SHOWN]),
            (
                "url without a file",
                f"{len(self.url_only):,}; `affectml import fetch` downloads them" if self.url_only else "",
            ),
            ("neither file nor url", named if self.no_image else ""),
        ]
        return [(name, value) for name, value in out if value]

    def to_json(self) -> dict[str, Any]:
        """Plain values: every field, the encoder's identity and its fingerprint."""
        return vars(self) | {
            "store": str(self.store.folder),
            "encoder": self.store.identity.to_json(),
            "fingerprint": self.store.identity.fingerprint,
            "ran": [ran.to_json() for ran in self.store.ran],
            "unreadable": [dict(zip(UNREADABLE, row, strict=True)) for row in self.unreadable],
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images_per_second, 2),
        }


@dataclass(frozen=True, slots=True)
class Item:
    """An image of a data set that is to be embedded. path: None where images.parquet does not name it any more."""

    image_id: str
    file: str = ""
    path: Path | None = None

    @property
    def name(self) -> str:
        """The path, as messages have it."""
        return str(self.path or self.image_id)

    def read(self, at_least: int = 0) -> Image.Image:
        """Upright RGB; at_least: see `read_image`."""
        if self.path is None:
            raise BadInput("images.parquet names it no more")
        return read_image(self.path, at_least)

    @property
    def size(self) -> int:
        """Bytes of its file; -1 where there is none."""
        with suppress(OSError):
            return -1 if self.path is None else self.path.stat().st_size
        return -1

    def is_readable(self) -> bool:
        """Whether it can be read whole."""
        with suppress(BadInput):
            self.read()
            return True
        return False


def embed_dataset(
    dataset: Dataset | str | Path,
    encoder: Encoder | str,
    *,
    batch_size: int | None = None,
    progress: bool = True,
    decode_threads: int | None = None,
    say: Say = lambda line: None,
) -> EmbedSummary:
    """Embed every image of `dataset` that has no embedding by this encoder yet, or whose file has changed.

    encoder: an Encoder, or a spec for `load_encoder` with precision auto. batch_size, decode_threads: see `embedded`.
    say: called with each line for the user. Rows are stored as float16, L2-normalised, in DATASET/embeddings/SLUG, in
    parts of 1,024 images. Any number of processes may embed a data set at once, on any machines that share its folder:
    each makes parts that no other has claimed. Whoever is stopped or killed loses the part in hand, and the next run
    goes on; on machines of one kind the store is bit for bit that of an uninterrupted run of one process at one batch
    size. Images that cannot be read whole are listed and never stop the run; the next run tries them again.

    A file has changed where its size has. With precision auto, a data set that has one store by the same encoder in a
    precision of its own goes on with that, if it can still be computed: what OpenVINO made, and open_clip's mixed bf16
    and fp16, stays beside the new store.

    Raises BadDataset if no image at all could be embedded, or if the store was made by another encoder;
    EncoderUnavailable as `load_encoder`; BadInput for sizes below 1.
    """
    how = {"batch_size": batch_size, "decode_threads": decode_threads}
    for name, value in how.items():
        if value is not None and value < 1:
            raise BadInput(f"{name} must be at least 1, got {value}")
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    items, no_image, url_only = items_of(data, encoder if isinstance(encoder, str) else encoder.spec)
    loaded = load_encoder(encoder, precision="auto", mapped=True) if isinstance(encoder, str) else encoder
    encoder = _as_before(data, loaded, say)

    start = time.perf_counter()
    store = begin_store(data.root, encoder.identity, specs=[encoder.spec], logit_scale=encoder.logit_scale)
    if names := store.misfits():
        say(f"{store.folder / names[0]}: no list names its images ({len(names):,} such files); copy its list here, too")
    had, done = len(items) - len(store.missing(items)), 0
    if new := to_embed(store, items.values()):
        with writing(store.folder):
            write_list(store, [item.image_id for item in new], [item.size for item in new])
        store = EmbeddingStore.open(store.folder)
    if store.unmade:
        images = sum(len(ids) for _, ids in store.unmade)
        bar = Progress("embedding", images, "images") if progress else nullcontext()
        try:
            with bar as shown, writing(store.folder):
                done = _make(store, items, encoder, say, images=images, bar=shown, **how)
        except BaseException as error:
            if kept := len(EmbeddingStore.open(store.folder).ids):
                error.add_note(f"{kept:,} images are embedded and kept in {store.folder}")
            raise
        store = EmbeddingStore.open(store.folder)
    why = store.unreadable
    unreadable = [(item.image_id, item.file, why[item.image_id]) for item in items.values() if item.image_id in why]
    with writing(store.folder):
        _list_unreadable(store.folder / "unreadable.csv", unreadable)
    parts.tidy(store.folder)
    if not len(store.ids):
        raise BadDataset(f"{data.root}: none of its {len(items)} images could be read; the first: {unreadable[0][2]}")
    return EmbedSummary(store, done, had, unreadable, no_image, url_only, time.perf_counter() - start)


def to_embed(store: EmbeddingStore, items: Iterable[Item]) -> list[Item]:
    """Those that the store has not listed, those whose file has changed since, and those that can be read by now."""
    sizes, why = store.sizes.to_dict(), store.unreadable
    new, bad = set(), []
    for item in items:
        before, now = sizes.get(item.image_id), item.size
        if before is None or (now >= 0 and now != before and before == before):  # not nan, which is not known
            new.add(item.image_id)
        elif now >= 0 and item.image_id in why:
            bad.append(item)
    with ThreadPoolExecutor(READERS, "read again") as pool:
        new |= {item.image_id for item, readable in zip(bad, pool.map(Item.is_readable, bad), strict=True) if readable}
    return [item for item in items if item.image_id in new]


def _list_unreadable(path: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    """Write the list anew where it says something else; none where all can be read."""
    text = csv_text([UNREADABLE, *rows])
    if rows and not (path.exists() and path.read_bytes() == text.encode()):
        write_text(path, text)
    elif not rows:
        path.unlink(missing_ok=True)


def _make(store: EmbeddingStore, items: dict[str, Item], encoder: Encoder, say: Say, **how: Any) -> int:
    """Make the parts that are not there, as far as no other process does; returns how many images were embedded.

    how: for `embedded`.
    """
    jobs = [(path, [items.get(image_id, Item(image_id)) for image_id in ids]) for path, ids in store.unmade]
    ran, done = store.ran, 0
    prefer = ran[-1].precision if ran else None
    with parts.Claims([path for path, _ in jobs], say) as claims:
        for mine in claims.rounds():
            claimed: list[int] = []

            def taken(mine: Iterator[int] = mine, claimed: list[int] = claimed) -> Iterator[Sequence[Item]]:
                for number in mine:
                    claimed.append(number)
                    yield jobs[number][1]

            rows: list[np.ndarray[Any, Any]] = []
            bad: dict[str, str] = {}
            with closing(embedded(encoder, taken(), padded=True, prefer=prefer, say=say, **how)) as stream:
                for batch in stream:
                    rows.append(batch.rows.astype(np.float16))
                    bad |= {item.image_id: why for item, why in batch.bad}
                    path, part = jobs[claimed[0]]
                    if sum(map(len, rows)) + len(bad) == len(part):
                        readable = np.array([item.image_id not in bad for item in part])
                        whole = np.full((len(part), encoder.dim), np.nan, dtype=np.float16)
                        whole[readable] = np.concatenate(rows)
                        why = {row: bad[item.image_id] for row, item in enumerate(part) if item.image_id in bad}
                        write_part(path, whole, encoder.identity, encoder.ran if readable.any() else None, why)
                        done += int(readable.sum())
                        rows, bad = [], {}
                        claimed.pop(0)
    return done


def _as_before(data: Dataset, encoder: Encoder, say: Say) -> Encoder:
    """The encoder; for precision auto, in that of the only store of the same encoder that can be added to."""
    stores = EmbeddingStore.all_of(data) if encoder.identity.precision == "auto" else []
    same = [store for store in stores if replace(store.identity, precision="auto") == encoder.identity]
    if any(store.identity == encoder.identity for store in same):
        return encoder
    computed = [store for store in same if is_computed(store.identity.precision)]
    if len(computed) != 1:
        for store in (store for store in same if store not in computed):
            say(f"{store.folder}: {NOTHING_JOINS.format(spoken(store.identity.precision))}: embedding all images anew")
        return encoder
    precision = computed[0].identity.precision
    say(f"{computed[0].folder} is by the same encoder in {spoken(precision)}: going on with that")
    return load_encoder(
        encoder.spec, precision=to_load(precision), device=encoder.device, threads=encoder.threads, mapped=True
    )


def need_files(data: Dataset, spec: str) -> tuple[pd.Series, pd.Series]:
    """Which images have a file, and which a url; raises BadDataset where none has a file to embed by `spec`."""
    table = data.images.reindex(columns=["file", "url"])
    there = table.notna() & (table.astype(str) != "")
    has_file, has_url = there["file"], there["url"]
    if not has_file.any():
        urls, stores = int(has_url.sum()), ", ".join(store.folder.name for store in EmbeddingStore.all_of(data))
        raise BadDataset(
            f"{data.root}: images.parquet names no image file to embed by {spec} "
            f"({urls} rows with a url only, {len(table) - urls} with neither)"
            + (f"; its embeddings ({stores}) are by another encoder" if stores else "")
            + (f"; `affectml import fetch {data.root}` downloads those with a url" if urls else "")
        )
    return has_file, has_url


def items_of(data: Dataset, spec: str) -> tuple[dict[str, Item], list[str], list[str]]:
    """By image_id those with a file, see `need_files`; image_ids with neither file nor url, and with a url only."""
    has_file, has_url = need_files(data, spec)
    ids, files = data.images["image_id"], data.images["file"].astype(str)
    named = zip(ids[has_file], files[has_file], strict=True)
    items = {image_id: Item(image_id, file, data.image_path(file)) for image_id, file in named}
    return items, ids[~has_file & ~has_url].tolist(), ids[~has_file & has_url].tolist()


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
    need_files(dataset, spec)
    try:
        encoder = load_encoder(
            spec, precision=to_load(precision or "auto"), device=device, threads=threads, mapped=True
        )
    except EncoderUnavailable as error:
        if store is None or not len(store.ids):
            raise
        say(f"images without an embedding stay so: {error}")
        return store
    made = embed_dataset(dataset, encoder, say=say)
    if made.done:
        say(f"embedded {made.done} images with {spec} in {made.seconds:.1f} s ({made.images_per_second:.0f}/s)")
    for image_id, file, reason in made.unreadable[:5]:
        say(f"cannot be read: {file} ({image_id}): {reason}")
    if len(made.unreadable) > 5:
        say(f"... and {len(made.unreadable) - 5} more, listed in {made.store.folder / 'unreadable.csv'}")
    return made.store


def with_embeddings(dataset: Dataset, targets: Targets, store: EmbeddingStore, say: Say) -> Targets:
    """The targets of images that have an embedding; how many do not is said."""
    missing = store.missing(targets.image_id)
    if not missing:
        return targets
    sources = dataset.images.set_index("image_id").reindex(index=missing, columns=["file", "url"]).replace("", None)
    nowhere = sources.index[sources.isna().all(axis=1)]
    if len(nowhere):
        raise BadDataset(
            f"{dataset.root / 'images.parquet'}: image {nowhere[0]!r} has neither file nor url nor an embedding "
            f"({len(nowhere)} such rows): fill one of them, or remove its row here and in the targets"
        )
    kept = targets.image_id[~pd.Index(targets.image_id).isin(missing)]
    if not len(kept):
        raise BadDataset(f"{dataset.root}: no image with target {targets.name} has an embedding in {store.folder.name}")
    say(f"{len(missing)} of {len(targets.image_id)} judged images have no embedding and are left out")
    return targets.take(kept)


def existing_store(dataset: Dataset, spec: str | None, precision: str | None) -> EmbeddingStore | None:
    """The store that fits, if there is one; without a spec, the only one, be it one that an interruption left empty."""
    stores = EmbeddingStore.all_of(dataset)
    if spec is None and len(stores) == 1:
        return stores[0]
    try:
        return EmbeddingStore.for_dataset(dataset, spec, precision=precision)
    except BadDataset as error:
        if precision == "auto":  # fp32 is what auto agrees with
            return existing_store(dataset, spec, "fp32")
        if spec is None and stores:
            raise BadDataset(f"{error}; choose with {option('encoder')}") from None
        return None


def _embeddable(dataset: Dataset, store: EmbeddingStore) -> bool:
    """Whether an image has a file that is not embedded yet, has changed since, or can be read by now."""
    none = "file" not in dataset.images.columns or dataset.images["file"].isna().all()
    return not none and bool(store.unmade or to_embed(store, items_of(dataset, store.specs[0])[0].values()))
