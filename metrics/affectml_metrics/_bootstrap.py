"""Percentile bootstrap intervals: of means of rows, all columns at once, and of any measure over the table.

A replicate draws N rows with replacement (or G groups), so it is a vector of counts; for means of rows all replicates
are one product counts @ rows, exact and without a Poisson approximation. Source: Efron & Tibshirani 1993.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._errors import ArgumentError, ShapeError
from affectml_metrics._inputs import ArrayLike, as_tensor, unchecked, whole_number

_AT_ONCE = 32  # replicates in one product: reads the rows once for all of them, and keeps the counts small


class Interval(NamedTuple):
    """A mean with its bootstrap interval. Each field is 0-dim for rows [N] and [M] for rows [N, M]."""

    value: Tensor
    low: Tensor
    high: Tensor
    rows: Tensor
    """How many rows the value rests on."""
    skipped: Tensor
    """How many rows were nan (not defined) and left out."""


def bootstrap(
    rows: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    generator: torch.Generator,
) -> Interval:
    """Mean of the rows of one or many measures, with a percentile interval.

    rows: [N] or [N, M], one column per measure, for instance the result of a function of
    `affectml_metrics.functional`; a nan is a row on which the measure is not defined: it is left out and counted. An
    infinite row makes the mean of each replicate that draws it infinite. groups: [N] ids (numbers or strings); whole
    groups are drawn, for rows that are not independent (frames of one film). For the interval of a difference, pass
    the difference of two systems' rows: the same images are drawn for both. Works on the CPU, in float64; `generator`
    is a CPU generator, and the same one in the same state gives the same interval. A column without a defined row is
    nan. Raises MetricInputError.

    >>> interval = bootstrap([0.0, 1.0, 1.0, 1.0], generator=torch.Generator().manual_seed(0))
    >>> [round(float(x), 2) for x in (interval.value, interval.low, interval.high)]
    [0.75, 0.25, 1.0]
    """
    table = as_tensor(rows, "rows").detach().to("cpu", torch.float64)
    if table.ndim not in (1, 2):
        raise ShapeError(f"rows: expected [N] or [N, M], but received shape {list(table.shape)}")
    flat = table.ndim == 1
    table = table[:, None] if flat else table
    _check(replicates, level, generator)

    defined = ~table.isnan()
    infinite = table.isinf()
    sums, sizes = table.masked_fill(~defined | infinite, 0.0), defined.to(torch.float64)
    plus, minus = (table == torch.inf).to(torch.float64), (table == -torch.inf).to(torch.float64)
    if groups is not None:
        index, units = _group_index(groups, len(table))
        sums, sizes, plus, minus = (
            x.new_zeros(units, x.shape[1]).index_add_(0, index, x) for x in (sums, sizes, plus, minus)
        )
    else:
        units = len(table)
    sums = sums.T.contiguous().T  # columns in one piece: the product reads them twice as fast
    whole = groups is None and bool(defined.all())  # then every replicate has N rows
    any_infinite = bool(infinite.any())

    def means(counts: Tensor) -> Tensor:
        divisor = torch.full((1, 1), float(units), dtype=torch.float64) if whole else counts @ sizes
        mean = (counts @ sums) / divisor
        if any_infinite:
            up, down = counts @ plus > 0, counts @ minus > 0
            mean = mean.masked_fill(up, torch.inf).masked_fill(down, -torch.inf).masked_fill(up & down, torch.nan)
        return mean

    value = means(torch.ones(1, units, dtype=torch.float64))[0]
    drawn = [means(counts) for counts in _counts(units, replicates, generator)] if units else []
    spread = torch.cat(drawn) if drawn else value[None]
    low, high = percentiles(spread, level)
    rows_used = defined.sum(0)
    result = Interval(value, low, high, rows_used, len(table) - rows_used)
    return Interval(*(field[0] for field in result)) if flat else result


def bootstrap_table(
    measure: Callable[[Tensor], Tensor],
    n: int,
    *,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    generator: torch.Generator,
) -> Interval:
    """A measure over the table (macro F1, mAP, a correlation) with a percentile interval.

    measure: takes row weights, float64 [N] (how often each row was drawn), and returns a 0-dim tensor or [K]; every
    table measure of `affectml_metrics.functional` takes them as `weights=`. n: the number of rows. It is called once
    with ones and once for each replicate, inside `unchecked()` after the first. groups, generator and the result as
    in `bootstrap`; a replicate in which the measure is nan is left out. Raises MetricInputError.

    >>> from affectml_metrics.functional import label_f1
    >>> preds, target = torch.tensor([[1, 0], [1, 1], [0, 1]]), torch.tensor([[1, 0], [0, 1], [0, 1]])
    >>> interval = bootstrap_table(
    ...     lambda weights: label_f1(preds, target, weights=weights),
    ...     len(preds),
    ...     generator=torch.Generator().manual_seed(0),
    ... )
    >>> round(float(interval.value), 4)
    0.8333
    """
    whole_number("n", n, 1)
    _check(replicates, level, generator)
    index, units = (torch.arange(n), n) if groups is None else _group_index(groups, n)
    value = measure(torch.ones(n, dtype=torch.float64)).detach().to("cpu", torch.float64)
    with unchecked():
        drawn = [
            measure(count[index]).detach().to("cpu", torch.float64).reshape(1, -1)
            for counts in _counts(units, replicates, generator)
            for count in counts
        ]
    low, high = (x.reshape(value.shape) for x in percentiles(torch.cat(drawn), level))
    return Interval(value, low, high, torch.full_like(value, n), torch.zeros_like(value))


def bootstrap_sums(
    columns: ArrayLike,
    statistic: Callable[[Tensor], Tensor],
    *,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    generator: torch.Generator,
) -> Interval:
    """A measure that needs only sums over rows (F1 from counts, soft F1) with a percentile interval, all at once.

    columns: [N, M], finite, what each row adds; statistic: takes sums [B, M] of B replicates and returns [B, K]. Much
    faster than `bootstrap_table` where it fits. The rest as in `bootstrap_table`. Raises MetricInputError.

    >>> sums = bootstrap_sums(
    ...     torch.tensor([[1.0, 1.0], [0.0, 1.0]]),
    ...     lambda total: total[:, :1] / total[:, 1:],
    ...     generator=torch.Generator().manual_seed(0),
    ... )
    >>> float(sums.value)
    0.5
    """
    table = as_tensor(columns, "columns").detach().to("cpu", torch.float64)
    if table.ndim != 2:
        raise ShapeError(f"columns: expected [N, M], but received shape {list(table.shape)}")
    n = len(table)
    whole_number("rows", n, 1)
    _check(replicates, level, generator)
    if groups is not None:
        index, units = _group_index(groups, n)
        table = table.new_zeros(units, table.shape[1]).index_add_(0, index, table)
    value = statistic(table.sum(0, keepdim=True))[0]
    table = table.T.contiguous().T
    drawn = [statistic(counts @ table) for counts in _counts(len(table), replicates, generator)]
    low, high = percentiles(torch.cat(drawn), level)
    return Interval(value, low, high, torch.full_like(value, n), torch.zeros_like(value))


def _counts(units: int, replicates: int, generator: torch.Generator) -> Iterator[Tensor]:
    """How often each unit is drawn, [b, units] for b replicates at a time."""
    counts = torch.empty(min(_AT_ONCE, replicates), units, dtype=torch.float64)  # one buffer for all replicates
    drawn = torch.empty(units, dtype=torch.int32)
    for start in range(0, replicates, _AT_ONCE):
        part = counts[: min(_AT_ONCE, replicates - start)]
        for row in part:
            row.copy_(drawn.random_(0, units, generator=generator).bincount(minlength=units))
        yield part


def percentiles(spread: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """The interval of each column of [B, M], from the outer of the neighbouring replicates; nan replicates left out."""
    ordered = spread.sort(0).values  # nan last
    last = (~ordered.isnan()).sum(0) - 1
    tail = (1 - level) / 2
    low = (tail * last).floor().long().clamp(min=0)
    high = ((1 - tail) * last).ceil().long().clamp(min=0)
    return ordered.gather(0, low[None])[0], ordered.gather(0, high[None])[0]


def _group_index(groups: ArrayLike, n: int) -> tuple[Tensor, int]:
    ids = groups.cpu().numpy() if isinstance(groups, Tensor) else np.asarray(groups)
    if ids.shape != (n,):
        raise ShapeError(f"groups: expected [{n}] (one id a row), but received shape {list(ids.shape)}")
    _, index = np.unique(ids.astype(str) if ids.dtype == object else ids, return_inverse=True)
    return torch.from_numpy(index.astype(np.int64)), int(index.max()) + 1 if n else 0


def _check(replicates: int, level: float, generator: torch.Generator) -> None:
    whole_number("replicates", replicates, 1)
    if not 0 < level < 1:
        raise ArgumentError(f"level: expected a number between 0 and 1, but received {level!r}")
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
        raise ArgumentError("generator: expected a CPU torch.Generator, for instance torch.Generator().manual_seed(0)")
