"""Intervals over images (or groups of images that belong together), from a figure without each of them in turn."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

BLOCKS = 200  # left out one by one at most: one image each, or where there are more, as many of them in each
_CELLS = 2**22  # weights at once
SKEWED_FROM = 15  # blocks; of fewer nobody knows the skewness


@dataclass(frozen=True)
class Interval:
    """A value with its interval: the union of Student's t and Hall's (1992), which allows for skewness, by jackknife.

    `low` and `high` are None where no interval was asked for, and where the value rests on one image or group, which
    says nothing of others: there is one, or without that one there is no value. An undefined value is nan, and
    `undefined` says why.
    """

    value: float
    low: float | None = None
    high: float | None = None
    undefined: str | None = None

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


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """`0.80 [0.71, 0.86]`; the value alone where it has no interval, and a dash where there is no value."""
    if pd.isna(value):
        return "–"
    return f"{value:.2f}" if pd.isna(low) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def blocks_of(images: int, groups: IntArray | None = None) -> IntArray:
    """Which images [N] are left out together: each by itself, or its group, or of many units those of a random block.

    groups: the number of each image's group. Blocks are always drawn alike, and not by the images' order, which makes
    blocks more alike than chance.
    """
    unit = np.arange(images) if groups is None else groups
    units = int(unit.max(initial=-1)) + 1
    return unit if units <= BLOCKS else np.random.default_rng(0).permutation(units)[unit] % BLOCKS


def without_each(blocks: IntArray) -> Iterator[FloatArray]:
    """Weights [b, N] of 0 and 1 that leave out each block in turn, some blocks at a time."""
    count = int(blocks.max(initial=-1)) + 1
    step = max(1, _CELLS // max(1, len(blocks)))
    for start in range(0, count, step):
        yield (blocks != np.arange(start, min(start + step, count))[:, None]).astype(np.float64)


def interval(
    value: float,
    left_out: npt.ArrayLike,
    *,
    units: int | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    undefined: str | None = None,
) -> Interval:
    """The interval of `value` from its values [J] without each block; none where one of these is nan.

    The same as `affectml_metrics.mean_interval` and its like. units: how many images or groups there are, by default
    as many as blocks. bounds: what the value can be at most; where nothing varies the interval holds what `units` alike
    ones could have hidden (Clopper & Pearson 1934).
    Sources: Tukey 1958, jackknife; Hall 1992, "On the removal of skewness by transformation", eq. 2.
    """
    from scipy.special import stdtrit  # scipy.stats takes half a second to load

    without = np.asarray(left_out, dtype=np.float64)
    apart = value - without
    blocks = len(apart)
    if np.isnan([value, *without]).any() or blocks < 2:
        return Interval(value, undefined=undefined)
    lowest, highest = bounds
    squares = float((apart**2).sum())
    error = np.sqrt(squares * (blocks - 1) / blocks)
    if error <= 1e-12 * abs(value):
        hidden = 1 - ((1 - level) / 2) ** (1 / (units or blocks))
        low, high = (value + hidden * (end - value) if np.isfinite(end) else value for end in bounds)
        return Interval(value, float(low), float(high))
    skew = float((apart**3).sum() / squares**1.5) if blocks >= SKEWED_FROM else 0.0
    t = float(stdtrit(blocks - 1, (1 + level) / 2))
    hall = [_without_skew(side, skew) for side in (t, -t)]
    low, high = value - error * max(t, hall[0]), value + error * max(t, -hall[1])
    return Interval(value, float(max(low, lowest)), float(min(high, highest)))


def _without_skew(t: float, skew: float) -> float:
    """The inverse of Hall's cubic t + a t² + a² t³ / 3 + skew / 6, with a = skew / 3."""
    cube = skew * (t - skew / 6)
    root = np.expm1(np.log1p(cube) / 3) if cube > -0.5 else np.cbrt(1 + cube) - 1
    return float(3 * root / skew) if skew else t
