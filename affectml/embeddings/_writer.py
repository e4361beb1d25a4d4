"""Writing an embedding store so that whatever kills the process, what is on disk is whole."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import KEEP_EVERY, write_json, write_parquet
from affectml._version import __version__
from affectml.embeddings.store import (
    DIGEST,
    FOLDER,
    PROVENANCE,
    SHARDS,
    EmbeddingStore,
    differences,
    ids_part,
    ids_parts,
    read_ids,
    save_array,
    shard_path,
    unreadable_in,
)
from affectml.encoders import EncoderIdentity, Ran
from affectml.errors import BadDataset, BadInput
from affectml.shards import Shard
from affectml_annotation.exchange.files import csv_text, write_text

UNREADABLE = ("image_id", "file", "reason")


@dataclass(frozen=True, eq=False)
class Rows:
    """What one shard file holds.

    image_ids: N of them. rows: [N, dim], stored in the dtype given. ran: what computed them, in order, for
    provenance.json; nothing where that is not known. digests: sha256 of each image file, where ids.parquet keeps them.
    """

    image_ids: Sequence[str]
    rows: NDArray[Any]
    ran: Sequence[Ran] = ()
    digests: Sequence[str] | None = None


class StoreWriter:
    """Adds rows to DATASET/embeddings/SLUG, one shard at a time; a context manager that holds the store's lock.

    With `shard` it writes what that shard of the work makes, in a folder inside. `made_with`: versions of libraries for
    the reader of encoder.json; None has those that are installed.

    A shard is written under a temporary name and renamed, then the ids table that names it is. A kill between
    the two leaves a shard that no id names; the next one takes its number. Half-written temporary files of a
    killed run are removed by the next.

    New ids go into small files of their own, which become part of ids.parquet once they are as many as it has, and at
    the end: so all that is written of them is at most four times what they are. So do those of a shard in the making
    (`growing`), which the next run goes on with: only a run that was stopped leaves such a file of fewer rows.
    """

    def __init__(
        self,
        root: Path,
        identity: EncoderIdentity,
        *,
        specs: Sequence[str] = (),
        logit_scale: float | None = None,
        shard: Shard | None = None,
        made_with: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = root / FOLDER / identity.slug
        if shard is not None:
            self.folder = self.folder / SHARDS / shard.folder
        self._made_with = _versions(identity) if made_with is None else dict(made_with)
        self._specs = list(specs)
        self._logit_scale = logit_scale
        self._identity = identity
        self._held = ExitStack()

    def __enter__(self) -> "StoreWriter":
        from filelock import FileLock, Timeout

        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._held.enter_context(FileLock(self.folder / ".lock", timeout=0))
        except Timeout:
            raise BadDataset(f"{self.folder}: another process is writing to it; wait for it to end") from None
        except OSError as error:
            raise BadDataset(
                f"{self.folder}: cannot write there ({error.strerror or error}), and embeddings are kept beside the "
                "images: allow it there, or copy the data set to where it can be written"
            ) from None
        try:
            for litter in self.folder.glob(".*.tmp"):  # of a run that was killed while writing
                litter.unlink()
            joined = read_ids(self.folder / "ids.parquet") if any(ids_parts(self.folder)) else None
            for number in () if joined is None else joined["shard"].unique():  # of one that was killed while joining
                ids_part(self.folder, number).unlink(missing_ok=True)
            self._describe()
            self.store = EmbeddingStore.open(self.folder)
            self._tables = [self.store.table] if len(self.store.table) else []
            self._joined = 0 if any(ids_parts(self.folder)) else len(self.store.table)
            self._next = int(self.store.table["shard"].max()) + 1 if len(self.store.table) else 0
            self._ran = self.store.provenance
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            if error is None:
                self._join()
            elif kept := len(EmbeddingStore.open(self.folder).ids):
                error.add_note(f"{kept:,} images are embedded and kept in {self.folder}")

    def _describe(self) -> None:
        """Write encoder.json, or check that the one there says the same; a new spec for it is added."""
        path = self.folder / "encoder.json"
        description: dict[str, Any] = {
            "identity": self._identity.to_json(),
            "specs": self._specs,
            "logit_scale": self._logit_scale,
            "made_with": self._made_with,
        }
        if path.exists():
            there = EmbeddingStore.open(self.folder)
            if there.identity != self._identity:
                raise BadDataset(
                    f"{self.folder}: made by another encoder ({differences(self._identity, there.identity)}); "
                    "two encoders' embeddings cannot be mixed: remove the folder first"
                )
            fresh = [spec for spec in self._specs if spec not in there.specs]
            if not fresh:
                return
            description["specs"] = [*there.specs, *fresh]
        write_json(path, description)

    def add(self, image_ids: Sequence[str], rows: NDArray[Any], ran: Ran | None = None) -> None:
        """Append one shard: rows [N, dim], stored in the dtype given. No rows add nothing.

        ran: what computed them, for provenance.json; None where that is not known.
        """
        self.add_all([Rows(image_ids, rows, () if ran is None else (ran,))])

    @contextmanager
    def growing(self, full: int) -> Iterator[Callable[[Rows], bool]]:
        """Append shards of `full` rows as these come, beginning with what a stopped run left in the making.

        Yields what takes more rows and tells whether the disk has them now, as it does every ten seconds, when a shard
        is full, and when the block ends, however it ends.
        """
        rows, first, written = self._left_in_the_making(full), self._next, time.monotonic()

        def write(making: bool) -> None:
            nonlocal first, written
            whole = _joined(rows)
            self.add_all([whole], making=making)
            rows[:], first, written = [whole] if making else [], self._next, time.monotonic()

        def add(more: Rows) -> bool:
            rows.append(more)
            is_full = sum(len(one.image_ids) for one in rows) >= full
            if due := is_full or time.monotonic() - written >= KEEP_EVERY:
                write(making=not is_full)
            return due

        try:
            yield add
        except BaseException:
            if rows and self._next == first:  # else they are a shard already
                write(making=True)
            raise
        if rows:
            write(making=False)

    def _left_in_the_making(self, full: int) -> list[Rows]:
        """The last shard, which is then written anew, where a run that was stopped did not come to its end."""
        last, table = self._next - 1, self.store.table
        mine = table["shard"] == last
        if not ids_part(self.folder, last).exists() or mine.sum() >= full:
            return []
        self._next, self._tables = last, [table[~mine]]
        rows = self.store.array(last)[: mine.sum()].copy()
        digests = table[DIGEST][mine].tolist() if DIGEST in table else None
        return [Rows(table["image_id"][mine].tolist(), rows, (), digests)]

    def add_all(self, several: Iterable[Rows], *, making: bool = False) -> None:
        """Append a shard for each of these; their ids are written once for all. making: the next ones replace them."""
        first = number = self._next
        tables = []
        noted = False
        for one in several:
            count = len(one.image_ids)
            if one.rows.shape != (count, self._identity.dim):
                raise BadInput(f"expected rows [{count}, {self._identity.dim}], got {one.rows.shape}")
            if count == 0:
                continue
            new = pd.DataFrame({"image_id": list(one.image_ids), "shard": number, "row": np.arange(count)})
            tables.append(new if one.digests is None else new.assign(**{DIGEST: list(one.digests)}))
            save_array(shard_path(self.folder, number), one.rows)
            for ran in one.ran:
                self._note(number, ran)
                noted = True
            number += 1
        if noted:
            entries = [{"shards": [shards.start, shards.stop - 1], **each.to_json()} for each, shards in self._ran]
            write_json(self.folder / PROVENANCE, entries)
        if not tables:
            return
        if not making:
            self._tables += tables
        if not making and sum(map(len, self._tables)) >= 2 * self._joined:
            self._join()
        else:
            write_parquet(ids_part(self.folder, first), _whole(tables))
        if not making:
            self._next = number  # last: what is stopped before is written anew

    def _join(self) -> None:
        """Write all ids into ids.parquet, where some are not in it yet; then remove the files that had them."""
        parts = ids_parts(self.folder)
        if not parts and sum(map(len, self._tables)) == self._joined:
            return
        self._tables = [_whole(self._tables)]
        write_parquet(self.folder / "ids.parquet", self._tables[0])
        self._joined = len(self._tables[0])
        for part in parts:
            part.unlink()

    def _note(self, shard: int, ran: Ran) -> None:
        """One entry for neighbouring shards that the same computed, wholly or in part."""
        for at, (before, shards) in enumerate(self._ran):
            if shards.stop >= shard and ran == before:
                self._ran[at] = (before, range(shards.start, shard + 1))
                return
        self._ran.append((ran, range(shard, shard + 1)))

    def list_unreadable(self, listed: Sequence[tuple[str, str, str]]) -> None:
        """Write unreadable.csv (image_id, file, reason), or remove it when nothing is left to list."""
        path = self.folder / "unreadable.csv"
        if not listed:
            path.unlink(missing_ok=True)
            return
        write_text(path, csv_text([UNREADABLE, *listed]))

    def unreadable(self) -> list[tuple[str, str, str]]:
        """What unreadable.csv lists."""
        return unreadable_in(self.folder)


def _joined(several: Sequence[Rows]) -> Rows:
    """As one."""
    ids, ran = [each for one in several for each in one.image_ids], [each for one in several for each in one.ran]
    digests = [each for one in several for each in one.digests or ()]
    return Rows(ids, np.concatenate([one.rows for one in several]), ran, digests or None)


def _whole(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]


def _versions(identity: EncoderIdentity) -> dict[str, str]:
    """For the reader of encoder.json; not part of the identity."""
    packages = () if identity.weights_sha256 is None else ("open_clip_torch", "torch", "pillow")
    return {"affectml": __version__, **{package: version(package) for package in packages}}
