"""Two systems on the same images: how far apart they are, how sure that is, and whether chance would do as much."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from affectml_metrics._bootstrap import bootstrap, sums_by_unit
from affectml_metrics._errors import ShapeError
from affectml_metrics._inputs import ArrayLike, as_tensor
from affectml_metrics._intervals import FEW

_AT_ONCE = 256  # sign patterns in one product


class Difference(NamedTuple):
    """Mean of a - b with its interval and p value. Each field is 0-dim for rows [N] and [M] for rows [N, M]."""

    value: Tensor
    low: Tensor
    high: Tensor
    p: Tensor
    """How often chance alone gives a difference this large, either way."""
    rows: Tensor
    """On how many rows both are defined."""
    skipped: Tensor
    units: Tensor
    """How many rows or groups are drawn. Below 30, read the interval as rough."""

    @property
    def few(self) -> Tensor:
        """Whether it rests on so few rows or groups that it deserves a note."""
        return self.units < FEW


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    generator: torch.Generator,
) -> Difference:
    """Mean of a - b over the rows of two systems on the same images, with an interval and a p value.

    a, b: [N] or [N, M], a function of `affectml_metrics.functional` on either system's predictions; a row on which
    one of them is nan is left out of both and counted. groups, level, generator and the interval as in `bootstrap`.

    The p value is that of a two-sided permutation test: if nothing tells the systems apart, either could have had the
    other's score on each row (or each whole group), so signs are flipped at random, `replicates` times, or in every
    way where there are no more than that. It is at least 1 / (replicates + 1); with 5 groups no p value lies below
    1/16. nan where a row is infinite, or none is defined. Source: Fisher 1935; Smucker, Allan & Carterette 2007.
    Raises MetricInputError.

    >>> ours, theirs = torch.tensor([0.9, 0.8, 0.7, 0.9] * 10), torch.tensor([0.8, 0.8, 0.6, 0.7] * 10)
    >>> found = paired_difference(ours, theirs, generator=torch.Generator().manual_seed(0))
    >>> [round(float(x), 3) for x in (found.value, found.low, found.high, found.p)]
    [0.1, 0.077, 0.122, 0.001]
    """
    first, second = (as_tensor(x, name).detach().to("cpu", torch.float64) for x, name in ((a, "a"), (b, "b")))
    if first.shape != second.shape:
        raise ShapeError(
            f"a and b: expected rows of the same images and metrics, but received shapes {list(first.shape)} "
            f"and {list(second.shape)}"
        )
    rows = first - second
    interval = bootstrap(rows, groups=groups, replicates=replicates, level=level, generator=generator)
    p = _flipped(sums_by_unit(rows if rows.ndim == 2 else rows[:, None], groups), replicates, generator)
    value, low, high, used, skipped, units = interval
    p = p.reshape(value.shape).masked_fill(used == 0, torch.nan)
    return Difference(value, low, high, p, used, skipped, units)


def _flipped(sums: Tensor, replicates: int, generator: torch.Generator) -> Tensor:
    """Share of sign patterns whose sum [M] is as far from zero as that of `sums` [G, M]."""
    units = len(sums)
    every = 2**units <= replicates if units < 60 else False
    bar = sums.sum(0).abs() * (1 - 1e-9)  # the same sum in another order is as far
    found = torch.zeros(sums.shape[1], dtype=torch.float64)
    count = 2**units if every else replicates
    for start in range(0, count, _AT_ONCE):
        size = min(_AT_ONCE, count - start)
        if every:
            bits = torch.arange(start, start + size)[:, None] >> torch.arange(units) & 1
        else:
            bits = torch.randint(0, 2, (size, units), generator=generator)
        found += ((bits.to(torch.float64) * 2 - 1) @ sums).abs().ge(bar).sum(0)
    share = found / count if every else (found + 1) / (count + 1)
    return torch.where(sums.isfinite().all(0) & (sums.shape[0] > 0), share, torch.nan)
