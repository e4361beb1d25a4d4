"""By what a run knows its own data again: what is in the tables, not the bytes of the files."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from affectml._files import sha256

if TYPE_CHECKING:
    from affectml.data._dataset import Dataset
    from affectml.data._targets import Targets

DIGITS = 9  # of a share; the last bits of a sum differ between machines


def fingerprint(dataset: "Dataset", target: str) -> dict[str, str]:
    """sha256 of a target, of its images' places in the split, and of its images; see `Dataset.fingerprint`."""
    targets = dataset.target(target)
    order = sorted(range(len(targets.image_id)), key=lambda row: str(targets.image_id[row]))
    ids = [str(targets.image_id[row]) for row in order]
    images = dataset.images.set_index("image_id").reindex(ids)
    found = {"target": _of_target(targets, ids, order), "split": _of_split(images)}
    digest = images_digest(dataset, ids)
    return found if digest is None else {**found, "images": digest}


def is_of(recorded: Mapping[str, str], dataset: "Dataset", target: str | None) -> bool:
    """Whether a recorded fingerprint is that of a target; see `Dataset.has_fingerprint`."""
    if target is None or target not in dataset.meta.targets:
        return False
    if "images.parquet" in recorded:  # 0.1: sha256 of each file by its name
        files = {name: dataset.root / name for name in ("images.parquet", dataset.meta.targets[target].file)}
        return all(path.is_file() and recorded.get(name) == sha256(path) for name, path in files.items())
    now = fingerprint(dataset, target)
    parts = {"target", "split"} | (set(recorded) & set(now))
    return all(part in recorded and recorded[part] == now[part] for part in parts)


def images_digest(dataset: "Dataset", image_ids: Iterable[str]) -> str | None:
    """What a fingerprint of exactly these images says of their files; None where one of them is not there."""
    ids = sorted(map(str, image_ids))
    sizes = _sizes(dataset, dataset.images.set_index("image_id").reindex(ids))
    return None if sizes is None else _digest(ids, sizes)


def _of_target(targets: "Targets", ids: list[str], order: list[int]) -> str:
    labels = targets.taxonomy.labels
    columns = sorted(range(len(labels)), key=labels.__getitem__)
    table = np.round(targets.table[order][:, columns], DIGITS) + 0.0  # no -0
    people = None if targets.people is None else targets.people[order][:, columns].astype("<i8")
    what = (targets.kind, targets.meta.values, [labels[column] for column in columns], people is not None)
    return _digest(what, ids, table.astype("<f8").tobytes(), b"" if people is None else people.tobytes())


def _of_split(images: pd.DataFrame) -> str:
    if "split" not in images.columns:
        return _digest(list(images.index), [None] * len(images))
    return _digest(list(images.index), [None if pd.isna(part) else str(part) for part in images["split"]])


def _sizes(dataset: "Dataset", images: pd.DataFrame) -> list[int] | None:
    """Bytes of each image file, or None where one is not there."""
    if "file" not in images.columns or images["file"].isna().any():
        return None
    try:
        return [(dataset.root / str(file)).stat().st_size for file in images["file"]]
    except OSError:
        return None


def _digest(*parts: object) -> str:
    """sha256 of bytes, and of anything else as JSON; the length before each keeps neighbours apart."""
    found = hashlib.sha256()
    for part in parts:
        content = (
            part if isinstance(part, bytes) else json.dumps(part, ensure_ascii=False).encode("utf-8", "surrogatepass")
        )
        found.update(f"{len(content)} ".encode())
        found.update(content)
    return found.hexdigest()
