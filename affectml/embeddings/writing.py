"""Writing an embedding store: each file is whole or absent, and the first to be written stays."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml import parts
from affectml._files import write_json, write_parquet
from affectml._version import __version__
from affectml.embeddings.store import FOLDER, LIST, EmbeddingStore, differences, part_path, save_array
from affectml.encoders import EncoderIdentity, Ran
from affectml.errors import BadDataset, BadInput


def begin_store(
    root: Path,
    identity: EncoderIdentity,
    *,
    specs: Sequence[str] = (),
    logit_scale: float | None = None,
) -> EmbeddingStore:
    """The store of an encoder below a data set's folder, begun where it is not there yet.

    Raises BadDataset where nothing can be written, or where the store is another encoder's.
    """
    folder = root / FOLDER / identity.slug
    path = folder / "encoder.json"
    packages = () if identity.weights_sha256 is None else ("open_clip_torch", "torch", "pillow")
    made_with = {"affectml": __version__, **{package: version(package) for package in packages}}
    said = {"identity": identity.to_json(), "specs": list(specs), "logit_scale": logit_scale, "made_with": made_with}
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            write_json(path, said, first_stays=True)
    store = EmbeddingStore.open(folder)
    if store.identity != identity:
        raise BadDataset(
            f"{folder}: made by another encoder ({differences(identity, store.identity)}); "
            "two encoders' embeddings cannot be mixed: remove the folder first"
        )
    if fresh := [spec for spec in specs if spec not in store.specs]:
        with writing(folder):
            write_json(path, {**said, "specs": [*store.specs, *fresh]})
        return EmbeddingStore.open(folder)
    return store


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Around what writes a store: where it cannot be written, that is a BadDataset."""
    try:
        yield
    except OSError as error:
        raise BadDataset(
            f"{folder}: cannot write there ({error.strerror or error}), and embeddings are kept beside the "
            "images: allow it there, or copy the data set to where it can be written"
        ) from None


def write_list(store: EmbeddingStore, image_ids: Sequence[str], sizes: Sequence[int | None]) -> Path:
    """Add a list of images; sizes: of their files, None where not known; see `EmbeddingStore.sizes`.

    Its number follows those that the store knew when it was asked what to list, so that two processes which begin at
    once write one list.
    """
    lines = "\n".join(f"{image_id}\t{size}" for image_id, size in zip(image_ids, sizes, strict=True))
    digest = hashlib.sha256(lines.encode()).hexdigest()[:8]
    number = max((int(path.stem.split("-")[1]) for path in store.lists), default=-1) + 1
    path = store.folder / f"{LIST}{number:04d}-{digest}.parquet"
    table = pd.DataFrame({"image_id": image_ids, "part": np.arange(len(image_ids)) // parts.SIZE})
    write_parquet(path, table.assign(size=pd.array(sizes, dtype="Int64")), first_stays=True)
    return path


def write_part(
    path: Path, rows: NDArray[Any], identity: EncoderIdentity, ran: Ran | None, unreadable: Mapping[int, str]
) -> None:
    """Write a part [N, dim] unless it is there; unreadable: why, by row, of rows that are nan."""
    said = {
        "encoder": identity.fingerprint,
        "ran": [] if ran is None else [ran.to_json()],
        "unreadable": {str(row): reason for row, reason in unreadable.items()},
    }
    save_array(path, rows, json.dumps(said, sort_keys=True).encode() + b"\n", first_stays=True)


def write_store(
    root: Path,
    identity: EncoderIdentity,
    image_ids: Sequence[str],
    blocks: Iterable[NDArray[Any]],
    *,
    specs: Sequence[str] = (),
    logit_scale: float | None = None,
) -> EmbeddingStore:
    """Write embeddings that are there already, in blocks of rows, as the store of an encoder.

    image_ids: N of them. blocks: arrays [M, dim] of N rows together, stored in the dtype given.

    Raises BadInput where there are more or fewer rows than images, or other columns than `identity.dim`.
    """
    store = begin_store(root, identity, specs=specs, logit_scale=logit_scale)
    path = write_list(store, image_ids, [None] * len(image_ids))
    left, number, written = np.empty((0, identity.dim)), 0, 0
    for block in [*blocks, None]:
        if block is not None:
            if block.ndim != 2 or block.shape[1] != identity.dim:
                raise BadInput(f"expected rows [N, {identity.dim}], got {block.shape}")
            left = np.concatenate([left, block]) if len(left) else block
        while len(left) >= parts.SIZE or (block is None and len(left)):
            write_part(part_path(path, number), left[: parts.SIZE], identity, None, {})
            written += len(left[: parts.SIZE])
            left, number = left[parts.SIZE :], number + 1
    if written != len(image_ids):
        raise BadInput(f"expected a row for each of {len(image_ids):,} images, got {written:,}")
    return EmbeddingStore.open(store.folder)
