"""Embedding a data set's images: what the stream of them yields is written by the shard."""

import time
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from affectml._files import sha256
from affectml._progress import Say, Watch
from affectml.data import Dataset
from affectml.embeddings._stream import BATCH_SIZE, GPU_BATCH_SIZE, embedded
from affectml.embeddings._writer import UNREADABLE, Rows, StoreWriter
from affectml.embeddings.store import FOLDER, SHARDS, EmbeddingStore
from affectml.encoders import Encoder, load_encoder, read_image
from affectml.encoders.identity import is_computed, spoken, to_load
from affectml.errors import BadDataset, BadInput, option
from affectml.shards import Shard

SHARD_SIZE = 1024  # images of a file of embeddings
SHOWN = 3
NOTHING_JOINS = "these embeddings are in {}, which is computed no more, so new images cannot join them"


@dataclass(frozen=True)
class EmbedSummary:
    """What one run of `embed_dataset` or `merge_shards` did.

    shard: whose part of the images this was, and the other figures are of that part; None for all of them. merged: how
    many shards of the work the store was made from; None where it was not. done: images embedded or merged now.
    skipped_existing: those that had an embedding. unreadable: (image_id, file, reason), also in the store's
    unreadable.csv; they are tried again by the next run. no_image: image_ids of rows with neither file nor url.
    url_only: image_ids with a url but no file (nothing is downloaded). seconds: wall time of decoding, encoding and
    writing, without loading the encoder.
    """

    store: EmbeddingStore
    done: int
    skipped_existing: int
    unreadable: list[tuple[str, str, str]] = field(default_factory=list)
    no_image: list[str] = field(default_factory=list)
    url_only: list[str] = field(default_factory=list)
    seconds: float = 0.0
    shard: Shard | None = None
    merged: int | None = None

    @property
    def images_per_second(self) -> float:
        """Images embedded by this run per second; 0 if there were none."""
        return self.done / self.seconds if self.seconds and self.done else 0.0

    def rows(self) -> list[tuple[str, str]]:
        """(what, value) pairs for a two-column table; the first unreadable images by name."""
        identity = self.store.identity
        rate = f"{self.seconds:,.1f} s ({self.images_per_second:,.0f} images/s)"
        embedded = ("embedded", f"{self.done:,} images in {rate}")
        if self.merged is not None:
            embedded = ("merged", f"{self.done:,} images of {self.merged:,} shards in {self.seconds:,.1f} s")
        out = [("shard", str(self.shard))] if self.shard else []
        precision = spoken(identity.precision)
        out += [
            ("store", str(self.store.folder)),
            ("encoder", f"{identity.architecture}, {identity.activation}, {precision}, {identity.dim} values"),
            embedded,
            ("already there", f"{self.skipped_existing:,}"),
        ]
        out += [("computed in", str(ran)) for ran, _ in self.store.provenance]
        if self.unreadable:
            out.append(("unreadable", f"{len(self.unreadable):,}, listed in {self.store.folder / 'unreadable.csv'}"))
            out += [("", f"{file}: {reason}") for _, file, reason in self.unreadable[:SHOWN]]
        if self.url_only:
            out.append(("url without a file", f"{len(self.url_only):,}; `affectml fetch` downloads them"))
        if self.no_image:
            out.append(("neither file nor url", f"{len(self.no_image):,}: {', '.join(self.no_image[:SHOWN])}"))
        return out

    def to_json(self) -> dict[str, Any]:
        """Plain values: every field, the encoder's identity and its fingerprint."""
        return {
            "store": str(self.store.folder),
            "shard": None if self.shard is None else str(self.shard),
            "merged": self.merged,
            "encoder": self.store.identity.to_json(),
            "fingerprint": self.store.identity.fingerprint,
            "ran": [ran.to_json() for ran, _ in self.store.provenance],
            "done": self.done,
            "skipped_existing": self.skipped_existing,
            "unreadable": [dict(zip(UNREADABLE, row, strict=True)) for row in self.unreadable],
            "no_image": self.no_image,
            "url_only": self.url_only,
            "seconds": round(self.seconds, 3),
            "images_per_second": round(self.images_per_second, 2),
        }


class Named(NamedTuple):
    """An image of a data set that has a file, as images.parquet names it."""

    image_id: str
    file: str


@dataclass(frozen=True, slots=True)
class _Item:
    """One to be read; its file's sha256 is kept in `digests` then, where that is asked for."""

    image_id: str
    file: str
    path: Path
    digests: dict[str, str] | None = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The path, as messages have it."""
        return str(self.path)

    def read(self, at_least: int = 0) -> Image.Image:
        """Upright RGB; at_least: see `read_image`."""
        image = read_image(self.path, at_least)
        if self.digests is not None:
            self.digests[self.image_id] = sha256(self.path)
        return image


def embed_dataset(
    dataset: Dataset | str | Path,
    encoder: Encoder | str,
    *,
    batch_size: int | None = None,
    progress: bool = True,
    decode_threads: int | None = None,
    shard_size: int = SHARD_SIZE,
    shard: Shard | str | None = None,
    say: Say = lambda line: None,
) -> EmbedSummary:
    """Embed every image of `dataset` that has no embedding by this encoder yet.

    encoder: an Encoder, or a spec for `load_encoder` with precision auto. batch_size, decode_threads: see `embedded`.
    say: called with what a user should know. Rows are stored as float16, L2-normalised, in DATASET/embeddings/SLUG.
    Stopped it keeps all but the batches in hand, killed at any moment it loses ten seconds more at most, and the next
    run goes on in the same precision; the result is then bit for bit that of an uninterrupted run on one machine at one
    batch size. Images that cannot be read whole are listed and never stop the run.

    With precision auto, a data set that has one store by the same encoder in a precision of its own goes on with that,
    if it can still be computed: what OpenVINO made, and open_clip's mixed bf16 and fp16, stays beside the new store.
    An image file that changes under its image_id keeps its old embedding: remove the store to renew it.

    With shard, `3/16` say, only that part of its images is embedded, into DATASET/embeddings/SLUG/shards/3-of-16, with
    the sha256 of each file; `merge_shards` makes the store of all of them. Processes with other shards may run beside
    it, on any machine. A shard of which no image can be read says so in its summary and raises nothing.

    Raises BadDataset if no image at all could be embedded, if the store was made by another encoder, or if
    another process writes to it; EncoderUnavailable as `load_encoder`; BadInput for sizes below 1.
    """
    for name, value in (("batch_size", batch_size), ("decode_threads", decode_threads), ("shard_size", shard_size)):
        if value is not None and value < 1:
            raise BadInput(f"{name} must be at least 1, got {value}")
    shard = None if shard is None else Shard.parse(shard)
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    named, no_image, url_only = named_in(data)
    digests: dict[str, str] | None = None if shard is None else {}
    mine = named if shard is None else shard_of(named, shard)
    items = [_Item(*one, data.image_path(one.file), digests) for one in mine]
    loaded = load_encoder(encoder, precision="auto") if isinstance(encoder, str) else encoder
    encoder = _as_before(data, loaded, say)

    start = time.perf_counter()
    done = 0
    place = {item.image_id: number for number, item in enumerate(items)}
    with StoreWriter(
        data.root, encoder.identity, specs=[encoder.spec], logit_scale=encoder.logit_scale, shard=shard
    ) as writer:
        if shard is None and any((writer.folder / SHARDS).glob("*/encoder.json")):
            say(f"{writer.folder / SHARDS} has what shards made, which {option('merge', True)} joins; this does not")
        had, ran = set(writer.store.ids), writer.store.provenance
        whole = data.root / FOLDER / encoder.identity.slug
        if shard is not None and (whole / "encoder.json").exists():
            store = EmbeddingStore.open(whole)
            had |= set(store.ids)
            ran = ran or store.provenance
        new = [item for item in items if item.image_id not in had]
        wanted = {item.image_id for item in new}
        failed = {row[0]: row for row in writer.unreadable() if row[0] in wanted}

        def in_order() -> list[tuple[str, str, str]]:
            return sorted(failed.values(), key=lambda row: place[row[0]])

        size = min(batch_size or (BATCH_SIZE if encoder.device == "cpu" else GPU_BATCH_SIZE), shard_size)
        bar = Watch.of(say).bar("embedding", len(new), "images") if progress else nullcontext()
        with bar as shown:
            stream = embedded(
                encoder, new, batch_size=size, decode_threads=decode_threads, padded=True,
                prefer=ran[-1][0].precision if ran else None, bar=shown, say=say,
            )  # fmt: skip
            with closing(stream), writer.growing(shard_size // size * size) as add:
                for batch in stream:
                    ids = [item.image_id for item in batch.items]
                    for image_id in ids:
                        failed.pop(image_id, None)
                    failed |= {item.image_id: (item.image_id, item.file, why) for item, why in batch.bad}
                    hashes = None if digests is None else [digests.pop(image_id) for image_id in ids]
                    if add(Rows(ids, batch.rows.astype(np.float16), [encoder.ran] if ids else [], hashes)):
                        writer.list_unreadable(in_order())
                    done += len(ids)
        writer.list_unreadable(in_order())
    store = EmbeddingStore.open(writer.folder)
    if shard is None and not len(store.ids):
        first = next(iter(failed.values()))
        raise BadDataset(f"{data.root}: none of its {len(items)} images could be read; the first: {first[2]}")
    return EmbedSummary(
        store=store, done=done, skipped_existing=len(items) - len(new), unreadable=in_order(), no_image=no_image,
        url_only=url_only, seconds=time.perf_counter() - start, shard=shard,
    )  # fmt: skip


def shard_of(named: list[Named], shard: Shard) -> list[Named]:
    """A shard's images: neighbours.

    Of many images they are whole batches: where all can be read, batches are then those of one process, and so are the
    last bits on a GPU, which depend on them.
    """
    block = GPU_BATCH_SIZE if len(named) >= 8 * GPU_BATCH_SIZE * shard.of else 1
    rows = shard.rows(len(named), block)
    return named[rows.start : rows.stop]


def _as_before(data: Dataset, encoder: Encoder, say: Say) -> Encoder:
    """The encoder; for precision auto, in that of the only store of the same encoder that can be added to."""
    root = data.root / FOLDER
    if encoder.identity.precision != "auto" or (root / encoder.identity.slug / "encoder.json").exists():
        return encoder
    stores = [EmbeddingStore.open(path.parent) for path in sorted(root.glob("*/encoder.json"))]
    same = [s for s in stores if replace(s.identity, precision="auto") == encoder.identity]
    computed = [store for store in same if is_computed(store.identity.precision)]
    if len(computed) != 1:
        for store in (store for store in same if store not in computed):
            say(f"{store.folder}: {NOTHING_JOINS.format(spoken(store.identity.precision))}: embedding all images anew")
        return encoder
    precision = computed[0].identity.precision
    say(f"{computed[0].folder} is by the same encoder in {spoken(precision)}: going on with that")
    return load_encoder(encoder.spec, precision=to_load(precision), device=encoder.device, threads=encoder.threads)


def named_in(data: Dataset) -> tuple[list[Named], list[str], list[str]]:
    """Images with a file; image_ids with neither file nor url; image_ids with a url only.

    Raises BadDataset where no image has a file.
    """
    table = data.images.reindex(columns=["image_id", "file", "url"])
    there, ids = table.notna() & (table.astype(str) != ""), table["image_id"]
    has_file, has_url = there["file"], there["url"]
    named = list(map(Named, ids[has_file].tolist(), table["file"][has_file].astype(str).tolist()))
    no_image, url_only = ids[~has_file & ~has_url].tolist(), ids[~has_file & has_url].tolist()
    if not named:
        raise BadDataset(
            f"{data.root}: images.parquet names no image file to embed "
            f"({len(url_only)} rows with a url only, {len(no_image)} with neither)"
            + (f"; `affectml fetch {data.root}` downloads those with a url" if url_only else "")
        )
    return named, no_image, url_only
