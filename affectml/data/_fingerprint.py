"""By what a run knows its own data again: what is in the tables, not the bytes of the files."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from affectml.data.targets import Targets

DIGITS = 9  # of a share; the last bits of a sum differ between machines


def fingerprint(targets: Targets, images: pd.DataFrame, root: Path) -> dict[str, str]:
    """sha256 of a target, of its images' places in the split, and of its images; see `Dataset.fingerprint`."""
    order = sorted(range(len(targets.image_id)), key=lambda row: str(targets.image_id[row]))
    ids = [str(targets.image_id[row]) for row in order]
    images = images.set_index("image_id").reindex(ids)
    found = {"target": _of_target(targets, ids, order), "split": _of_split(images)}
    digest = images_digest(images, root)
    return found if digest is None else {**found, "images": digest}


def is_of(recorded: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether a recorded fingerprint is this one; see `Dataset.has_fingerprint`."""
    parts = {"target", "split"} | (set(recorded) & set(now))
    return all(part in recorded and recorded[part] == now[part] for part in parts)


def images_digest(images: pd.DataFrame, root: Path) -> str | None:
    """sha256 of the sizes of these images' files, by image_id in order; None where one of them is not there."""
    if "file" not in images.columns or images["file"].isna().any():
        return None
    try:
        sizes = [(root / str(file)).stat().st_size for file in images["file"]]
    except OSError:
        return None
    return _digest(list(images.index), sizes)


def _of_target(targets: Targets, ids: list[str], order: list[int]) -> str:
    labels = targets.taxonomy.labels
    columns = sorted(range(len(labels)), key=labels.__getitem__)
    table = np.round(targets.table[order][:, columns], DIGITS) + 0.0  # no -0
    people = None if targets.people is None else targets.people[order][:, columns].astype("<i8")
    what = (targets.kind, targets.meta.values, [labels[column] for column in columns], people is not None)
    return _digest(what, ids, table.astype("<f8").tobytes(), b"" if people is None else people.tobytes())


def _of_split(images: pd.DataFrame) -> str:
    parts = images["split"] if "split" in images.columns else [None] * len(images)
    return _digest(list(images.index), [None if pd.isna(part) else str(part) for part in parts])


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
