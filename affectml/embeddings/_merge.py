"""One store from what shards of the work made: everything is compared first, then written as one process writes it."""

import shlex
import shutil
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import sha256
from affectml._progress import Progress, Say
from affectml.data import Dataset
from affectml.embeddings._writer import Rows, StoreWriter
from affectml.embeddings.embed import SHARD_SIZE, EmbedSummary, Named, named_in, shard_of
from affectml.embeddings.store import DIGEST, FOLDER, SHARDS, EmbeddingStore, differences, matcher, unreadable_in
from affectml.encoders import EncoderIdentity, Ran
from affectml.encoders.identity import kept_as, spoken
from affectml.errors import BadDataset, BadInput, option
from affectml.shards import Shard, numbers, say_of_mixtures

READERS = 8  # threads that read image files to compare them
OPEN = 64  # shard files that are open at once


def merge_shards(
    dataset: Dataset | str | Path,
    encoder: str | None = None,
    *,
    precision: str | None = None,
    check_images: bool = True,
    progress: bool = True,
    shard_size: int = SHARD_SIZE,
    say: Say = lambda line: None,
) -> EmbedSummary:
    """Make a data set's store from all that `embed_dataset(..., shard=...)` made of it, and remove the shards' folders.

    Each image has one row, in the order of images.parquet. The store is byte for byte the one that a process alone
    writes in the same precision on such a machine, at a batch size that divides `shard_size`; provenance.json says what
    computed which of its files. Images that are in the store already keep their rows. Killed at any moment, it is
    called again. No encoder is loaded.

    encoder, precision: narrow where shards of several are there, see `EmbeddingStore.for_dataset`. check_images: read
    the image files that are here and compare them with those that were embedded. shard_size: as `embed_dataset` has it.
    say: called with what a user should know: a mixture of precisions, what could not be compared, what was left out.

    Raises BadInput where there is no such precision, no shard, or shards of several encoders. Raises BadDataset, and
    changes nothing, where images are in no shard (the message names the shards), where shards are by encoders that
    differ, where two embedded other files under one image_id, where a file here is another one, and where a process
    still writes.
    """
    start = time.perf_counter()
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    items, no_image, url_only = named_in(data)
    parts = _chosen(data, encoder, None if precision is None else kept_as(precision))
    for part in parts:
        part.be_still()
    first = parts[0].store
    _same_encoder(parts)
    whole = parts[0].folder.parents[1]
    had = set(EmbeddingStore.open(whole).ids) if (whole / "encoder.json").exists() else set()
    new = [item for item in items if item.image_id not in had]
    found = _Found(parts, new)
    _nothing_missing(data, items, found)
    names = {item.image_id for item in items}
    if unknown := [image_id for image_id in found.table["image_id"] if image_id not in names]:
        say(f"left out: {len(unknown):,} images that images.parquet does not name, such as {unknown[0]!r}")
    if check_images:
        _same_files(data, found, progress, say)
    _say_of_mixtures(found, say)
    with StoreWriter(
        data.root, first.identity, logit_scale=first.logit_scale, made_with=first.made_with,
        specs=list(dict.fromkeys(spec for part in parts for spec in part.store.specs)),
    ) as writer:  # fmt: skip
        if set(writer.store.ids) != had:
            raise BadDataset(f"{whole}: another process has written to it meanwhile; merge again")
        with Progress("merging", len(found.items) if progress else 0, "images") as bar:
            writer.add_all(found.rows(shard_size, bar))
        writer.list_unreadable(found.failed)
    store = EmbeddingStore.open(whole)
    if not len(store.ids):
        first_reason = found.failed[0][2]
        raise BadDataset(f"{data.root}: none of its {len(items)} images could be read; the first: {first_reason}")
    shutil.rmtree(whole / SHARDS)
    return EmbedSummary(
        store=store, done=len(found.items), skipped_existing=len(items) - len(new), unreadable=found.failed,
        no_image=no_image, url_only=url_only, seconds=time.perf_counter() - start, merged=len(parts),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Part:
    """What one shard of the work made: a store of its own."""

    shard: Shard
    store: EmbeddingStore

    @property
    def folder(self) -> Path:
        return self.store.folder

    def be_still(self) -> None:
        """Raises BadDataset where a process writes here."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.folder / ".lock", timeout=0):
                pass
        except Timeout:
            raise BadDataset(f"{self.folder}: shard {self.shard} is being embedded; wait for it to end") from None

    @cached_property
    def ran(self) -> list[tuple[Ran, range]]:
        """What computed which of its files."""
        return self.store.provenance


class _Found:
    """Which of the images are in the parts, and where.

    table: of all parts, image_id, part, shard file, row, and the sha256 of the file that was embedded. items: those of
    the images that are in one, at the rows `places` of the table. failed: image_id, file and reason of those that are
    in none and that a shard could not read. missing: image_ids of the others.
    """

    def __init__(self, parts: Sequence[_Part], images: Sequence[Named]) -> None:
        self.parts = parts
        tables = []
        for number, part in enumerate(parts):
            table = part.store.table
            if len(table) and DIGEST not in table:
                raise BadDataset(f"{part.folder}: its ids.parquet has no {DIGEST}, so it is no shard of affectml's")
            tables.append(table.assign(part=number))
        self.table = pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
        self._once()
        at = pd.Index(self.table["image_id"], dtype=object).get_indexer(
            pd.Index([item.image_id for item in images], dtype=object)
        )
        self.items = [item for item, place in zip(images, at, strict=True) if place >= 0]
        self.places = at[at >= 0]
        listed = {row[0]: row for part in parts for row in unreadable_in(part.folder)}
        absent = [item.image_id for item, place in zip(images, at, strict=True) if place < 0]
        self.failed = [listed[image_id] for image_id in absent if image_id in listed]
        self.missing = {image_id for image_id in absent if image_id not in listed}
        self._open = lru_cache(OPEN)(lambda part, shard: parts[part].store.array(shard))

    def _once(self) -> None:
        """Keep one row of images that two parts have; raises BadDataset where they embedded other files."""
        again = self.table["image_id"].duplicated(keep=False)
        if not again.any():
            return
        several = self.table[again]
        digests = several.groupby("image_id")[DIGEST].nunique()
        if len(other := digests[digests > 1]):
            shards = [self.parts[at].shard for at in several[several["image_id"] == other.index[0]]["part"]]
            raise BadDataset(
                f"{self.parts[0].folder.parent}: shards {' and '.join(map(str, shards))} embedded other files as image "
                f"{other.index[0]!r} ({len(other):,} such images): remove the folder of the one that is wrong"
            )
        self.table = self.table.drop_duplicates("image_id", ignore_index=True)

    def rows(self, size: int, bar: Progress) -> Iterator[Rows]:
        """The rows of `items`, `size` at a time, with what computed them."""
        part, shard, row = (self.table[name].to_numpy()[self.places] for name in ("part", "shard", "row"))
        for start in range(0, len(self.items), size):
            here = slice(start, start + size)
            made = list(zip(part[here].tolist(), shard[here].tolist(), strict=True))
            rows: NDArray[Any] | None = None
            for key in dict.fromkeys(made):
                mine = [at for at, other in enumerate(made) if other == key]
                array = self._open(*key)
                rows = np.empty((len(made), array.shape[1]), array.dtype) if rows is None else rows
                rows[mine] = array[row[here][mine]]
            assert rows is not None
            ran = [ran for number, file in dict.fromkeys(made) for ran, of in self.parts[number].ran if file in of]
            yield Rows([item.image_id for item in self.items[here]], rows, ran)
            bar.advance(len(made))


def _chosen(data: Dataset, encoder: str | None, precision: str | None) -> list[_Part]:
    """The parts of the only encoder that has some, by number."""
    by_store: dict[str, list[_Part]] = defaultdict(list)
    for path in sorted((data.root / FOLDER).glob(f"*/{SHARDS}/*/encoder.json")):
        if (shard := Shard.of_folder(path.parent.name)) is not None:
            by_store[path.parents[2].name].append(_Part(shard, EmbeddingStore.open(path.parent)))
    if not by_store:
        way = f"`affectml embed {shlex.quote(str(data.root))} --shard 1/16` makes the first of 16"
        raise BadInput(f"{data.root}: no shard of its embeddings is there to merge; {way}")
    fits: Callable[[EmbeddingStore], bool] = (lambda store: True) if encoder is None else matcher(encoder)
    asked = {
        slug: sorted(parts, key=lambda part: (part.shard.of, part.shard.number))
        for slug, parts in by_store.items()
        if slug == encoder or (fits(parts[0].store) and precision in (None, parts[0].store.identity.precision))
    }
    if len(asked) != 1:
        there = "; ".join(f"{slug}: {numbers(p.shard for p in parts)}" for slug, parts in (asked or by_store).items())
        what = "shards of several encoders or precisions" if asked else "no shard by this encoder in this precision"
        raise BadInput(f"{data.root}: {what} ({there}); choose with {option('encoder')} and {option('precision')}")
    return next(iter(asked.values()))


def _same_encoder(parts: Sequence[_Part]) -> None:
    first: EncoderIdentity = parts[0].store.identity
    for part in parts:
        if part.store.identity != first:
            raise BadDataset(
                f"{part.folder}: made by another encoder than {parts[0].folder.name} "
                f"({differences(part.store.identity, first)}); remove the one that is wrong"
            )


def _nothing_missing(data: Dataset, items: list[Named], found: _Found) -> None:
    """Raises BadDataset that says which shards, and which of their images, are not there."""
    missing = found.missing
    if not missing:
        return
    there = {part.shard for part in found.parts}
    of = max((shard.of for shard in there), key=lambda of: sum(shard.of == of for shard in there))
    absent, short = [], []
    for shard in (Shard(number, of) for number in range(1, of + 1)):
        lacks = [item.image_id for item in shard_of(items, shard) if item.image_id in missing]
        if lacks and shard not in there:
            absent.append(shard)
        elif lacks:
            short.append((shard, lacks))
    says = [f"not there: {numbers(absent)}"] if absent else []
    says += [f"shard {shard} lacks {len(lacks):,} images, the first {lacks[0]!r}" for shard, lacks in short[:3]]
    says += [f"{len(short) - 3:,} more lack some"] if len(short) > 3 else []
    again = absent[0] if absent else short[0][0]
    raise BadDataset(
        f"{data.root}: {len(missing):,} of {len(items):,} images are in no shard ({'; '.join(says)}): "
        f"embed as before with {option('shard', str(again))}, and so on, and merge again; what is there is kept"
    )


def _same_files(data: Dataset, found: _Found, progress: bool, say: Say) -> None:
    """Raises BadDataset where a file that is here is not the one that was embedded."""
    wanted = found.table[DIGEST].to_numpy()[found.places] if found.items else ()
    absent = 0
    other: list[int] = []

    def digest_of(item: Named) -> str | None:
        try:
            return sha256(data.image_path(item.file))
        except OSError:
            return None

    with (
        ThreadPoolExecutor(READERS, "compare") as pool,
        Progress("comparing image files", len(found.items) if progress else 0, "images") as bar,
    ):
        for start in range(0, len(found.items), SHARD_SIZE):
            some = found.items[start : start + SHARD_SIZE]
            for row, digest in enumerate(pool.map(digest_of, some), start=start):
                absent += digest is None
                other += [row] if digest not in (None, wanted[row]) else []
            bar.advance(len(some))
    if other:
        item, part = found.items[other[0]], found.parts[int(found.table["part"].iloc[found.places[other[0]]])]
        raise BadDataset(
            f"{data.image_path(item.file)}: not the file that shard {part.shard} embedded as image {item.image_id!r} "
            f"({len(other):,} such images): make the copies of the data set equal, remove {part.folder} and embed that "
            "shard again"
        )
    if absent:
        say(f"{absent:,} image files are not here, so they were not compared with what was embedded")


def _say_of_mixtures(found: _Found, say: Say) -> None:
    """That shards were computed in several ways or by several versions, and that one read nothing."""
    failed = {row[0] for row in found.failed}
    ways: dict[str, list[Shard]] = defaultdict(list)
    versions: dict[str, list[Shard]] = defaultdict(list)
    for part in found.parts:
        for ran, _ in part.ran:
            ways[f"{spoken(ran.precision)} by {ran.backend}"].append(part.shard)
            versions[", ".join(f"{name} {number}" for name, number in sorted(ran.versions.items()))].append(part.shard)
        bad = [row for row in unreadable_in(part.folder) if row[0] in failed]
        if bad and not len(part.store.ids):
            say(f"shard {part.shard} could read none of its {len(bad):,} images, the first: {bad[0][2]}")
    say_of_mixtures({"computed in several ways": ways, "computed by several versions": versions}, say)
