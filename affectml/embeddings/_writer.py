"""Writing an embedding store so that whatever kills the process, what is on disk is whole."""

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml import __version__
from affectml._files import replacing, write_json, write_parquet
from affectml.embeddings._store import FOLDER, PROVENANCE, EmbeddingStore, differences, save_array, shard_path
from affectml.encoders import EncoderIdentity, Ran
from affectml.errors import BadDataset, BadInput

UNREADABLE = ("image_id", "file", "reason")


class StoreWriter:
    """Adds rows to DATASET/embeddings/SLUG, one shard at a time; a context manager that holds the store's lock.

    A shard is written under a temporary name and renamed, then the ids table that names it is. A kill between
    the two leaves a shard that no id names; the next one takes its number. Half-written temporary files of a
    killed run are removed by the next.
    """

    def __init__(
        self,
        root: Path,
        identity: EncoderIdentity,
        *,
        specs: Sequence[str] = (),
        logit_scale: float | None = None,
    ) -> None:
        self.folder = root / FOLDER / identity.slug
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
            self._describe()
            self.store = EmbeddingStore.open(self.folder)
            self._table = self.store.table
            self._ran = self.store.provenance
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    def _describe(self) -> None:
        """Write encoder.json, or check that the one there says the same; a new spec for it is added."""
        path = self.folder / "encoder.json"
        description: dict[str, Any] = {
            "identity": self._identity.to_json(),
            "specs": self._specs,
            "logit_scale": self._logit_scale,
            "made_with": _versions(self._identity),
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
        if len(image_ids) == 0:
            return
        if rows.shape != (len(image_ids), self._identity.dim):
            raise BadInput(f"expected rows [{len(image_ids)}, {self._identity.dim}], got {rows.shape}")
        number = int(self._table["shard"].max()) + 1 if len(self._table) else 0
        new = pd.DataFrame({"image_id": list(image_ids), "shard": number, "row": np.arange(len(image_ids))})
        table = pd.concat([self._table, new], ignore_index=True) if len(self._table) else new
        save_array(shard_path(self.folder, number), rows)
        if ran is not None:
            self._note(number, ran)
        write_parquet(self.folder / "ids.parquet", table)
        self._table = table

    def _note(self, shard: int, ran: Ran) -> None:
        """One entry for neighbouring shards that the same computed; it keeps the probe of the first."""
        last, before = self._ran[-1] if self._ran else (None, range(0))
        if last is not None and before.stop == shard and replace(ran, probe=last.probe) == last:
            self._ran[-1] = (last, range(before.start, shard + 1))
        else:
            self._ran.append((ran, range(shard, shard + 1)))
        entries = [{"shards": [shards.start, shards.stop - 1], **each.to_json()} for each, shards in self._ran]
        write_json(self.folder / PROVENANCE, entries)

    def list_unreadable(self, listed: Sequence[tuple[str, str, str]]) -> None:
        """Write unreadable.csv (image_id, file, reason), or remove it when nothing is left to list."""
        path = self.folder / "unreadable.csv"
        if not listed:
            path.unlink(missing_ok=True)
            return
        with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(UNREADABLE)
            writer.writerows(listed)

    def unreadable(self) -> list[tuple[str, str, str]]:
        """What unreadable.csv lists."""
        path = self.folder / "unreadable.csv"
        if not path.exists():
            return []
        with path.open(encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle))
        return [(row[0], row[1], row[2]) for row in rows[1:] if len(row) == len(UNREADABLE)]


def _versions(identity: EncoderIdentity) -> dict[str, str]:
    """For the reader of encoder.json; not part of the identity."""
    packages = () if identity.source_sha256 else ("open_clip_torch", "torch", "pillow")
    return {"affectml": __version__, **{package: version(package) for package in packages}}
