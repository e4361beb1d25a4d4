"""Which images may show one picture, asked of their embeddings."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml._rows import PART, RowsOnDisk
from affectml.errors import BadInput, option

COPY_COSINE = 0.99999  # equal pixels have equal embeddings up to rounding: .9999998 was measured, in bf16 too
MOST_PROPOSALS = 2_000_000
_BLOCK = 2048
_REACH = float(np.sqrt(2 - 2 * COPY_COSINE)) * 1.001  # of unit rows; float32 rounds


def twins(features: NDArray[Any] | RowsOnDisk) -> NDArray[np.bool_]:
    """Rows [N] that may have another at a cosine of COPY_COSINE or more: all of those, and few others.

    Few rows are all compared. A projection on eight directions never makes a distance longer, and in so few dimensions
    a tree finds neighbours of many.
    """
    if len(features) <= _BLOCK:
        unit = _unit(features[:])
        alike = unit @ unit.T
        np.fill_diagonal(alike, 0)
        return np.asarray((alike >= COPY_COSINE - 1e-6).any(axis=1))
    from scipy.spatial import cKDTree  # a quarter of a second to load

    parts = [_projected(_unit(features[start : start + PART])) for start in range(0, len(features), PART)]
    places, row, count = np.unique(np.concatenate(parts), axis=0, return_inverse=True, return_counts=True)
    distance, _ = cKDTree(places).query(places, k=2, distance_upper_bound=_REACH)
    twin: NDArray[np.bool_] = (count > 1) | np.isfinite(distance[:, 1])
    return np.asarray(twin[row.ravel()])


def copies_among(features: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """Rows [N] that `others` [M] hold too: at a cosine of COPY_COSINE or more."""
    from scipy.spatial import cKDTree

    mine, theirs = _unit(features), _unit(others)
    distance, _ = cKDTree(_projected(theirs)).query(_projected(mine), distance_upper_bound=_REACH)
    copied = np.isfinite(distance)
    rows = np.flatnonzero(copied)
    for start in range(0, len(rows), _BLOCK // 8):
        part = rows[start : start + _BLOCK // 8]
        copied[part] = (mine[part] @ theirs.T).max(axis=1) >= COPY_COSINE
    return np.asarray(copied, dtype=bool)


def proposals(ids: NDArray[Any], features: NDArray[Any], cosine: float) -> Iterator[tuple[str, str, float]]:
    """Pairs of images with a cosine of at least `cosine`, and that cosine; in the order of `ids`."""
    unit, count = _unit(features), 0
    for start in range(0, len(ids), _BLOCK):
        alike = unit[start : start + _BLOCK] @ unit[start:].T
        rows, columns = np.nonzero(np.triu(alike >= cosine, 1))
        count += len(rows)
        if count > MOST_PROPOSALS:
            raise BadInput(
                f"{option('cosine', cosine)}: more than {MOST_PROPOSALS:,} pairs of {len(ids):,} images are as alike; "
                "name a higher one"
            )
        for row, column in zip(rows, columns, strict=True):
            yield str(ids[start + row]), str(ids[start + column]), float(alike[row, column])


def _projected(unit: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows on at most eight directions, the same ones each time."""
    width = unit.shape[1]
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(width, min(8, width))))[0]
    return unit @ directions.astype(np.float32)


def _unit(features: NDArray[Any]) -> NDArray[np.float32]:
    norm = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(norm, 1e-12), dtype=np.float32)
