"""Bootstrap over images (or groups of images that belong together): how often each one is drawn, in chunks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_CHUNK = 50  # replicates at once


@dataclass(frozen=True)
class Interval:
    """A value with the percentile interval of its bootstrap replicates (Efron & Tibshirani 1993).

    `low` and `high` are None where no interval was asked for. An undefined value is nan, and `undefined` says
    why; replicates that came out undefined are left out of the interval and counted in `replicates_undefined`.
    """

    value: float
    low: float | None = None
    high: float | None = None
    undefined: str | None = None
    replicates: int = 0
    replicates_undefined: int = 0

    def __str__(self) -> str:
        if self.undefined:
            return f"undefined ({self.undefined})"
        span = "" if self.low is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{span}"

    def as_dict(self) -> dict[str, float | str | None]:
        """Plain values for JSON; an undefined value is None, with its reason."""
        value = None if np.isnan(self.value) else self.value
        found: dict[str, float | str | None] = {"value": value, "low": self.low, "high": self.high}
        return found | ({"undefined": self.undefined} if self.undefined else {})


def interval(value: float, replicates: npt.ArrayLike, *, level: float = 0.95, undefined: str | None = None) -> Interval:
    """The interval of `value` from its bootstrap replicates [B]; nan replicates are counted apart."""
    drawn = np.asarray(replicates, dtype=np.float64)
    good = drawn[~np.isnan(drawn)]
    if np.isnan(value) or not len(good):
        return Interval(value, None, None, undefined, len(drawn), len(drawn) - len(good))
    low, high = np.quantile(good, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high), None, len(drawn), len(drawn) - len(good))


def image_weights(
    images: int, replicates: int, generator: np.random.Generator, groups: npt.NDArray[np.int64] | None = None
) -> Iterator[FloatArray]:
    """How often each image is drawn in each replicate, as chunks [b, images] that add up to `replicates` rows.

    groups [images]: group number of each image; whole groups are drawn, so that what belongs together stays
    together.
    """
    units = images if groups is None else (int(groups.max()) + 1 if images else 0)
    for start in range(0, replicates, _CHUNK):
        rows = min(_CHUNK, replicates - start)
        drawn = generator.integers(units, size=(rows, units), dtype=np.int64) if units else np.zeros((rows, 0))
        counts = np.stack([np.bincount(row.astype(np.int64), minlength=units) for row in drawn])
        weights = counts.astype(np.float64)
        yield weights if groups is None else weights[:, groups]
