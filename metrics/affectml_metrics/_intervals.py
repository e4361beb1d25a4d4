"""From replicates to an interval: the one place that says how far a figure may be off.

Which rule serves which figure was chosen by simulated coverage; `benchmarks/intervals.py` repeats it.

- means: expanded percentiles. A replicate's spread is too small by (n - 1) / n and the normal's tails by Student's, so
  the tails are taken further out (Hesterberg 2015), which keeps every end inside the range of the rows.
- metrics over the table, which are biased where labels are rare: expanded BCa (Efron 1987), whose acceleration comes
  from leaving out blocks.
- `Debiased` metrics over the table, whose replicates come without bias: expanded percentiles.
- fewer than 15 units: Student's t with the jackknife's standard error over units (MacKinnon, Nielsen & Webb 2023), for
  so few units make too few different replicates.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import torch
from torch import Tensor

FEW = 30
"""A figure that rests on fewer images or groups than this deserves a note beside it."""
STUDENT_BELOW = 15
"""Units; from there on replicates cover as well, and keep to the range of the metric."""
_CELLS = 2**18  # weights that a metric takes at once: they stay in the cache
BLOCKS = 50  # left out one by one for the acceleration


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
    """How many units were drawn: rows, or groups, that have a value. Below 30, read the interval as rough."""

    @property
    def few(self) -> Tensor:
        """Whether it rests on so few rows or groups that it deserves a note."""
        return self.units < FEW


@dataclass(frozen=True)
class Debiased:
    """A metric over the table whose replicates are biased by a known amount, and the replicate without that bias.

    metric, replicate: functions of row weights, as `bootstrap_table` takes them.
    """

    metric: Callable[[Tensor], Tensor]
    replicate: Callable[[Tensor], Tensor]

    def __call__(self, weights: Tensor) -> Tensor:
        """The metric itself."""
        return self.metric(weights)


@dataclass(frozen=True)
class Batched:
    """A metric over the table that takes many rows of weights at once: `of` weights [B, N] is [B], or [B, K].

    at_once: how many it takes best; None for as many as stay in the cache.
    """

    of: Callable[[Tensor], Tensor]
    at_once: int | None = None

    def __call__(self, weights: Tensor) -> Tensor:
        """The metric of one row of weights [N]."""
        return self.of(weights[None])[0]

    def many(self, weights: Tensor) -> Tensor:
        """The metric of rows of weights [B, N], some at a time."""
        several = self.at_once or max(1, _CELLS // max(1, weights.shape[1]))
        return torch.cat([self.of(some) for some in torch.split(weights, several)])


def of_mean(value: Tensor, spread: Tensor, units: Tensor, error: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """Ends for means [M] from replicates [B, M], units [M] and the jackknife's standard error [M]."""
    low, high = _holding(value, *percentiles(spread, *_expanded(units, level)))
    few = (units < STUDENT_BELOW) & error.isfinite() & value.isfinite()
    half = _student(units, level) * error
    return torch.where(few, value - half, low), torch.where(few, value + half, high)


def of_table(
    value: Tensor, spread: Tensor, left_out: Tensor, units: int, level: float, *, unbiased: bool = False
) -> tuple[Tensor, Tensor]:
    """Ends for metrics over the table [K] from replicates [B, K] and values with one block left out each [J, K].

    unbiased: the replicates are already free of the bias that the value has not, so that percentiles do.
    """
    count = torch.full_like(value, units)
    tails = _expanded(count, level)
    if not unbiased:
        tails = _bias_corrected(value, spread, left_out, tails)
    return _holding(value, *percentiles(spread, *tails))


def of_few(value: Tensor, left_out: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """Ends by Student's t for any metric [K] from its values with one unit left out each, [G, K]."""
    defined = (~left_out.isnan()).sum(0)
    squares = (left_out - value).square().nansum(0) * (defined - 1).clamp(min=0) / defined.clamp(min=1)
    half = _student(defined, level) * squares.sqrt()
    return value - half, value + half


def recentred(value: Tensor, spread: Tensor, units: int, level: float) -> tuple[Tensor, Tensor]:
    """Expanded percentiles of the replicates, moved so that their median is the value.

    People drawn with replacement are fewer different people, so every replicate's target is noisier than the real one
    and scores are worse throughout; plain percentiles can miss the value itself. Their spread is what is asked for.
    """
    low, high = percentiles(spread, *_expanded(torch.full_like(value, units), level))
    shift = value - spread.nanmedian(0).values
    shift = torch.where(shift.isfinite(), shift, torch.zeros_like(shift))
    return _holding(value, low + shift, high + shift)


def percentiles(spread: Tensor, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Percentiles `lower` and `upper` [M] of the columns of [B, M], each the outer of the neighbouring replicates.

    Replicates that are nan are left out.
    """
    ordered = spread.sort(0).values  # nan last
    last = ((~ordered.isnan()).sum(0) - 1).clamp(min=0)
    low = (lower * last).floor().long().clamp(min=0)
    high = torch.minimum((upper * last).ceil().long(), last)
    return ordered.gather(0, low[None])[0], ordered.gather(0, high[None])[0]


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


def _holding(value: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """The interval, widened where it would leave out its own value; nan stays nan."""
    return torch.minimum(low, value), torch.maximum(high, value)


def _expanded(units: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """Tails that make the spread of replicates as wide as Student's t asks for with this many units."""
    n = units.to(torch.float64).clamp(min=2)
    tail = torch.special.ndtr(-(n / (n - 1)).sqrt() * _student(units, level))
    return tail, 1 - tail


def _bias_corrected(
    value: Tensor, spread: Tensor, left_out: Tensor, tails: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    defined = (~spread.isnan()).sum(0)
    below = ((spread < value).sum(0) + 0.5 * (spread == value).sum(0) + 0.5) / (defined + 1)
    bias = torch.special.ndtri(below)
    influence = left_out.nanmean(0) - left_out
    cubes, squares = influence.pow(3).nansum(0), influence.square().nansum(0)
    acceleration = torch.where(squares > 0, cubes / (6 * squares.clamp(min=1e-300).pow(1.5)), 0.0)

    def moved(tail: Tensor) -> Tensor:
        z = bias + torch.special.ndtri(tail)
        share: Tensor = torch.special.ndtr(bias + z / (1 - acceleration * z).clamp(min=0.1))
        return share

    return moved(tails[0]), moved(tails[1])


def _student(units: Tensor, level: float) -> Tensor:
    """Student's t quantile for units - 1 degrees of freedom; 0 for one unit, which has no spread."""
    whole = units.flatten().long().tolist()
    found = [student_quantile(0.5 + level / 2, n - 1) if n > 1 else 0.0 for n in whole]
    return torch.tensor(found, dtype=torch.float64).reshape(units.shape)


@lru_cache(maxsize=4096)
def student_quantile(share: float, freedom: float) -> float:
    """Quantile of Student's t above the median, to 1e-6 relative; freedom: degrees of freedom, whole or not.

    Source: Abramowitz & Stegun 1964, 26.7.5 from 40 degrees on, else the inverse of 26.5.4.
    """
    if freedom >= 40:
        z = float(torch.special.ndtri(torch.tensor(share, dtype=torch.float64)))
        terms = (
            (z**3 + z) / 4,
            (5 * z**5 + 16 * z**3 + 3 * z) / 96,
            (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
            (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
        )
        return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, start=1))
    angle, scale = 0.0, math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    for _ in range(200):  # Newton's steps stay below, for the share grows ever slower with the angle
        step = (share - _student_share(angle, freedom, scale)) / (scale * math.pow(math.cos(angle), freedom - 1))
        angle = min(angle + step, math.pi / 2 - 1e-12)
        if step <= 1e-13 * angle:
            break
    return math.tan(angle) * math.sqrt(freedom)


def _student_share(angle: float, freedom: float, scale: float) -> float:
    """The share of Student's t below sqrt(freedom) * tan(angle): an incomplete beta function, from its nearer end."""
    half, sine, cosine = freedom / 2, math.sin(angle) ** 2, math.cos(angle) ** 2
    start, x = (0.5, sine) if sine < 0.5 else (half, cosine)
    term = total = 1 / start
    for n in count(1):
        term *= x * (half - 0.5 + n) / (start + n)
        total += term
        if term < 1e-17 * total:
            break
    total *= scale * math.sqrt(sine) * math.pow(cosine, half)
    return (1 + total) / 2 if sine < 0.5 else 1 - total / 2
