"""From influences to an interval and a p value: the one place that says how far a figure may be off.

Every figure comes with its value when one unit (a row, a group, or a block of many) is left out in turn: the jackknife,
which costs no draws. Their squares give the standard error, their cubes the skewness, and two intervals follow:

- Student's t, which holds where heavy tails lie on both sides;
- Hall's (1992) t, transformed by a cubic that takes the skewness out, which holds where one tail is long.

The interval reaches as far as the farther of the two, and p is the larger of theirs, so that a value lies outside of
the 95 % interval exactly where its p value is below .05. Either alone misses the truth in one of ten heavy-tailed or
skewed data sets; bootstrap-t covers no better than Hall's. `benchmarks/intervals.py` measures it.

Where all units are alike there is no error to see. Then the interval holds what as many units could have hidden: of a
share 1 - (tail)**(1 / units) of other ones they would show none as often as the tail says (Clopper & Pearson 1934).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._errors import real_number

FEW = 30
"""A figure that rests on fewer images or groups than this deserves a note beside it."""
STUDENT_BELOW = 15
"""Units, below which Student's t is taken alone: of so few nobody knows the skewness."""
BLOCKS = 200  # left out one by one at most: one unit each, or where there are more, as many of them in each
_CELLS = 2**18  # weights that a metric takes at once: they stay in the cache
ALIKE = 1e-12  # of the value: an error as small is rounding

Bounds: TypeAlias = tuple[float | None, float | None]
"""The lowest and the highest value that a unit can have; None for no end."""


class Interval(NamedTuple):
    """A figure with its interval. Each field is 0-dim for rows [N] and [M] for rows [N, M]."""

    value: Tensor
    low: Tensor
    high: Tensor
    rows: Tensor
    """How many rows the value rests on."""
    skipped: Tensor
    """How many rows were nan (not defined) and left out."""
    units: Tensor
    """How many units it rests on: rows, or groups, that have a value. Below 30, read the interval as rough."""

    @property
    def few(self) -> Tensor:
        """Whether it rests on so few rows or groups that it deserves a note."""
        return self.units < FEW


@runtime_checkable
class Prepared(Protocol):
    """A metric over the table as a function of row weights [N], with a faster way to its values without some rows."""

    def __call__(self, weights: Tensor, /) -> Tensor:
        """The metric, 0-dim or [K]."""
        ...

    def without(self, block: Tensor, blocks: int) -> Tensor:
        """The metric without each block of rows in turn, [J] or [J, K]; block: [N], that of each row."""
        ...


@dataclass(frozen=True)
class Batched:
    """A metric over the table that takes many rows of weights at once: `of` weights [B, N] is [B], or [B, K].

    at_once: how many it takes best; None for as many as stay in the cache.
    """

    of: Callable[[Tensor], Tensor]
    at_once: int | None = None

    def __call__(self, weights: Tensor, /) -> Tensor:
        """The metric of one row of weights [N]."""
        return self.of(weights[None])[0]

    def without(self, block: Tensor, blocks: int) -> Tensor:
        """As `Prepared` says, some blocks at a time."""
        several = self.at_once or max(1, _CELLS // len(block))
        some = torch.split(torch.arange(blocks)[:, None], several)
        return torch.cat([self.of((block != left_out).to(torch.uint8)) for left_out in some])


def interval_of(
    value: Tensor,
    left_out: Tensor,
    units: Tensor,
    level: float,
    bounds: Sequence[Bounds] = (),
    null: float = 0.0,
    *,
    skewed: bool = True,
    freedom: Tensor | None = None,
    least: Tensor | float = 0.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Ends of figures [K], and the p value of `null`, from their values with one unit or block left out each [J, K].

    units: [K], how many there are; a block may hold several. A value of `left_out` that is nan is left out.
    bounds: of each figure, where known; ends keep to them. skewed: False takes Student's t alone. freedom: [K], degrees
    of freedom, if not one less than the rows of `left_out`. least: [K], another standard error, whose Student's t ends
    and p value are taken where they are farther and larger. A figure that rests on one unit has no interval, nor has
    one that is nan; of an infinite one nothing else is known than its bounds.
    Sources: Tukey 1958, jackknife; Hall 1992, "On the removal of skewness by transformation", eq. 2.
    """
    from scipy.special import stdtr, stdtrit

    real_number("level", level, 0, 1, ends=False)
    lowest, highest = limits(bounds, len(value))
    blocks = (~left_out.isnan()).sum(0)
    apart = value - left_out
    unit = apart.nan_to_num(0.0).abs().amax(0) if len(apart) else torch.zeros_like(value)
    apart = apart / torch.where(unit > 0, unit, 1.0)  # so that squares neither overflow nor vanish
    squares, cubes = apart.square().nansum(0), apart.pow(3).nansum(0)
    error = unit * (squares * (blocks - 1) / blocks).sqrt()
    skew = (cubes / squares.pow(1.5)).masked_fill(
        (squares == 0) | (blocks < (STUDENT_BELOW if skewed else torch.inf)), 0.0
    )

    other = torch.as_tensor(least, dtype=torch.float64)
    free = (blocks - 1 if freedom is None else freedom).clamp(min=1).numpy()
    t = torch.from_numpy(np.asarray(stdtrit(free, 0.5 + level / 2)))
    low = value - torch.maximum(error * torch.maximum(t, without_skew(t, skew)), other * t)
    high = value + torch.maximum(error * torch.maximum(t, -without_skew(-t, skew)), other * t)
    far = (value - null) / error
    nearest = torch.minimum(far.abs(), with_skew(far, skew).abs()).fmin((value - null).abs() / other)
    p = torch.from_numpy(np.asarray(2 * stdtr(free, -nearest.numpy())))

    alike = torch.maximum(error, other) <= ALIKE * value.abs()
    low, high = within(bounds, value, low, high, alike, units, level)
    room = torch.where(value > null, value - lowest, highest - value)
    share = torch.where(room.isinf(), 0.5, (value - null).abs() / room).clamp(max=1)  # without an end: the sign test
    p = torch.where(alike, torch.where(value == null, 1.0, 2 * (1 - share) ** units), p).clamp(max=1.0)

    low, high = torch.where(value.isinf(), lowest, low), torch.where(value.isinf(), highest, high)
    unknown = (blocks < 2) & ~value.isinf() | value.isnan()
    p = p.masked_fill(value.isinf(), torch.nan)
    low, high, p = (ends.masked_fill(unknown, torch.nan) for ends in (low, high, p))
    return low, high, p


def limits(bounds: Sequence[Bounds], figures: int) -> Tensor:
    """The lowest and the highest values of figures, [2, K]; infinite where there is no end."""
    ends = [(-torch.inf if low is None else low, torch.inf if high is None else high) for low, high in bounds]
    return torch.tensor(ends or [(-torch.inf, torch.inf)] * figures, dtype=torch.float64).view(-1, 2).T


def within(
    bounds: Sequence[Bounds], value: Tensor, low: Tensor, high: Tensor, alike: Tensor, units: Tensor, level: float
) -> tuple[Tensor, Tensor]:
    """Ends [K] that keep to the bounds; where all units are alike, those of what as many could have hidden.

    Of such a figure the end on a side without a bound is the value itself.
    """
    lowest, highest = limits(bounds, len(value))
    hidden = 1 - ((1 - level) / 2) ** units.to(torch.float64).reciprocal()
    low = torch.where(alike, torch.where(lowest.isinf(), value, value - hidden * (value - lowest)), low)
    high = torch.where(alike, torch.where(highest.isinf(), value, value + hidden * (highest - value)), high)
    return torch.maximum(low, lowest), torch.minimum(high, highest)


def with_skew(t: Tensor, skew: Tensor) -> Tensor:
    """Hall's cubic of a studentised figure, which is Student's where its units have this skewness / sqrt(units)."""
    a = skew / 3
    return t + a * t.square() + a.square() * t.pow(3) / 3 + skew / 6


def without_skew(t: Tensor, skew: Tensor) -> Tensor:
    """The inverse of `with_skew`."""
    cube = skew * (t - skew / 6)
    whole = 1 + cube
    root = torch.where(cube > -0.5, (cube.log1p() / 3).expm1(), whole.sign() * whole.abs().pow(1 / 3) - 1)
    return torch.where(skew == 0, t, 3 * root / skew)


def difference(first: Interval, second: Interval) -> Interval:
    """First minus second of two figures that rest on different images, from their own intervals.

    The distances from each value to the end that matters are added in quadrature (Zou & Donner 2008), so that
    lopsided intervals stay lopsided. For two systems on the same images take `paired_difference`, which is narrower.

    >>> from affectml_metrics import Interval, difference
    >>> one, count = torch.ones(()), torch.tensor(50)
    >>> home = Interval(0.8 * one, 0.7 * one, 0.9 * one, count, 0 * count, count)
    >>> away = Interval(0.5 * one, 0.4 * one, 0.6 * one, count, 0 * count, count)
    >>> [round(float(x), 4) for x in difference(home, away)[:3]]
    [0.3, 0.1586, 0.4414]
    """
    value = first.value - second.value
    down = ((first.value - first.low) ** 2 + (second.high - second.value) ** 2).sqrt()
    up = ((first.high - first.value) ** 2 + (second.value - second.low) ** 2).sqrt()
    fewest = torch.minimum(first.units, second.units)
    rows, skipped = first.rows + second.rows, first.skipped + second.skipped
    return Interval(value, value - down, value + up, rows, skipped, fewest)


def student_quantile(share: float, freedom: float) -> float:
    """Quantile of Student's t; freedom: degrees of freedom, whole or not."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))
