"""Figures that need only sums over images, with intervals and p values.

Both come from leaving out images or groups in turn, as all intervals do (`affectml_metrics.intervals`). There is no p
value below 30 of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from affectml.judging.bias import LEVEL, corrected_for_all
from affectml.page.tables import number
from affectml_metrics import FEW
from affectml_metrics.intervals import Bounds, interval_of

FEW_IMAGES = f"The images are too few for p values (below {FEW}): read the intervals"
Floats = NDArray[np.float64]
Found = TypeVar("Found", bound="Estimate")


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval. p: of its null value, None where that is not tested; p_holm: for all systems."""

    value: float
    low: float
    high: float
    p: float | None = None
    p_holm: float | None = None

    @property
    def found(self) -> bool:
        """Whether it differs from its null value beyond chance."""
        return self.p_holm is not None and self.p_holm < LEVEL

    @property
    def tested(self) -> bool:
        """Whether there is a p value."""
        return self.p is not None

    def __str__(self) -> str:
        return f"{number(self.value)} ±{number((self.high - self.low) / 2)}"


def mean_of(
    values: Floats, bounds: Bounds, groups: NDArray[Any] | None = None, null: float | None = None
) -> Estimate | None:
    """The mean of values [N]; see `jackknifed`."""
    columns = np.stack([values, np.ones_like(values)], axis=1)
    return jackknifed(columns, lambda sums: sums[:, :1] / sums[:, 1:], groups, null, bounds)[0]


def slope_of(sums: Floats) -> Floats:
    """[B, 1] from sums of 1, x, y, x² and xy of one or more strata, [B, 5 S], each stratum about its own means."""
    n, x, y, xx, xy = np.split(sums, 5, axis=1)
    below = (xx - x * x / n).sum(axis=1, keepdims=True)
    flat = below <= 1e-9 * xx.sum(axis=1, keepdims=True)
    return np.asarray(np.where(flat, np.nan, (xy - x * y / n).sum(axis=1, keepdims=True) / np.where(flat, 1, below)))


def jackknifed(
    columns: Floats,
    statistic: Callable[[Floats], Floats],
    groups: NDArray[Any] | None,
    null: float | None = None,
    bounds: Bounds = (None, None),
) -> list[Estimate | None]:
    """A statistic [B, K] of sums [B, M] of the columns [N, M], each with its interval; None where it is not defined.

    null: the value to test, None for no test. bounds: the lowest and the highest value; None: no end.
    """
    unit = np.arange(len(columns)) if groups is None else np.unique(groups, return_inverse=True)[1]
    sums = np.zeros((int(unit.max()) + 1, columns.shape[1]))
    np.add.at(sums, unit, columns)
    with np.errstate(invalid="ignore", divide="ignore"):
        value, left_out = (
            torch.from_numpy(statistic(part)) for part in (sums.sum(axis=0, keepdims=True), sums.sum(axis=0) - sums)
        )
    units = torch.full((value.shape[1],), len(sums))
    low, high, p = interval_of(value[0], left_out, units, 1 - LEVEL, [bounds] * value.shape[1], null or 0.0)
    tested = null is not None and len(sums) >= FEW
    ends = (torch.where(end.isnan(), value[0], end) for end in (low, high))  # of one unit nothing is known of others
    return [
        Estimate(v, a, b, q if tested and np.isfinite(q) else None) if np.isfinite(v) else None
        for v, a, b, q in zip(*(part.tolist() for part in (value[0], *ends, p)), strict=True)
    ]


def for_all(found: Mapping[str, Found | None]) -> dict[str, Found]:
    """The same with p values corrected for all systems, without those that are not defined."""
    known = {name: each for name, each in found.items() if each is not None}
    corrected = corrected_for_all([each.p for each in known.values()])
    return {name: replace(each, p_holm=p) for (name, each), p in zip(known.items(), corrected, strict=True)}
