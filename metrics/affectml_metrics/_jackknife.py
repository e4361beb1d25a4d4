"""Intervals of means of rows, all columns at once, and of any metric over the table, by leaving out units in turn.

What becomes of the values with one unit left out is said in `intervals`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._domains import unchecked
from affectml_metrics._errors import ShapeError, whole_number
from affectml_metrics._inputs import ArrayLike, as_tensor, columns_of
from affectml_metrics.intervals import ALIKE, BLOCKS, FEW, Bounds, Interval, Prepared, interval_of, limits

_ROOM = 2**20  # values that are left out one by one at a time
_PART = 2**16  # rows that are added up at a time


def mean_interval(
    rows: ArrayLike, *, groups: ArrayLike | None = None, level: float = 0.95, bounds: Sequence[Bounds] = ()
) -> Interval:
    """Mean of the rows of one or many metrics, with an interval that covers as often as `level` says.

    rows: [N] or [N, M], one column per metric, for instance the result of a function of
    `affectml_metrics.functional`; a nan is a row on which the metric is not defined: it is left out and counted.
    groups: [N] ids (numbers or strings) of rows that are not independent (frames of one film), which are left out
    together; a row without an id (nan, None) is a group of its own. bounds: of each column, the lowest and the highest
    value that a row can have (None: no end), which ends keep to, and without which equal rows have an interval of no
    width. For the difference of two systems on the same images take `paired_difference`. Works on the CPU, in float64.

    How the ends are found, and how often they hold the truth, is in docs/metrics.md. `Interval.units` says how many
    rows or groups there are: read fewer than 30 as rough. A single row or group says nothing of others: both ends are
    nan, as where no row is defined. Of an infinite mean the interval is all that the bounds leave. Raises
    MetricInputError.

    >>> interval = mean_interval([0.0, 1.0, 1.0, 1.0] * 10, bounds=[(0, 1)])
    >>> [round(float(x), 2) for x in (interval.value, interval.low, interval.high)]
    [0.75, 0.58, 0.89]
    """
    return mean_and_p(rows, "rows", groups, level, bounds)[0]


def mean_and_p(
    rows: ArrayLike, name: str, groups: ArrayLike | None, level: float, bounds: Sequence[Bounds], skewed: bool = True
) -> tuple[Interval, Tensor]:
    """The interval of means, and the p values of means of 0, nan below 30 units."""
    table, flat = columns_of(rows, name)
    index, units = (None, len(table)) if groups is None else group_index(groups, len(table))
    parts = []
    for start in range(0, table.shape[1], step := max(1, _ROOM // max(1, len(table)))):
        columns = table[:, start : start + step]
        defined = ~columns.isnan()
        sums, sizes = columns.masked_fill(~defined, 0.0), defined.to(torch.float64)
        if index is not None:
            sums, sizes = (x.new_zeros(units, x.shape[1]).index_add_(0, index, x) for x in (sums, sizes))
        total, size = sums.sum(0), sizes.sum(0)
        value, used = total / size, (sizes > 0).sum(0)
        left_out = ((total - sums) / (size - sizes)).masked_fill(sizes == 0, torch.nan)
        low, high, p = interval_of(value, left_out, used, level, bounds[start : start + step], skewed=skewed)
        counted = defined.sum(0)
        parts.append((value, low, high, counted, len(table) - counted, used, p.masked_fill(used < FEW, torch.nan)))
    *fields, p = (torch.cat(pieces) for pieces in zip(*parts, strict=True)) if parts else [torch.zeros(0)] * 7
    interval = Interval(*(field[0] for field in fields) if flat else fields)
    return interval, p[0] if flat else p


def table_interval(
    metric: Callable[[Tensor], Tensor],
    n: int,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    bounds: Sequence[Bounds] = (),
    rests: ArrayLike | None = None,
) -> Interval:
    """A metric over the table (macro F1, mAP, a correlation) with its interval.

    metric: takes row weights, float64 [N] (1, or 0 for a row that is left out), and returns a 0-dim tensor or [K];
    every table metric of `affectml_metrics.functional` takes them as `weights=`. n: the number of rows. It is called
    with ones, and once for each row or group left out, or of more than 200 for each of 200 random blocks, inside
    `unchecked()` after the first. rests: how many rows or groups each figure rests on, if not on all (average precision
    on those that have the label): that many alike say how far it may be off. groups, level, bounds and the result as in
    `mean_interval`. Raises MetricInputError.

    >>> from affectml_metrics.functional import label_f1
    >>> preds, target = torch.tensor([[1, 0], [1, 1], [0, 1]]), torch.tensor([[1, 0], [0, 1], [0, 1]])
    >>> interval = table_interval(lambda weights: label_f1(preds, target, weights=weights), len(preds))
    >>> round(float(interval.value), 4)
    0.8333
    """
    whole_number("n", n, 1)
    _, block, units = blocks_of(n, groups)
    value = metric(torch.ones(n, dtype=torch.float64)).detach().to("cpu", torch.float64)
    with unchecked():
        left_out = values_without(metric, block, min(units, BLOCKS))
    known = None if rests is None else as_tensor(rests, "rests").flatten().clamp(1, units)
    return _table_figure_interval(value, left_out, n, units, level, bounds, known)


def values_without(metric: Callable[[Tensor], Tensor], block: Tensor, blocks: int) -> Tensor:
    """The metric [K] over the table without each block of rows in turn, [J, K]; block: [N], that of each row."""
    if isinstance(metric, Prepared):
        values = metric.without(block, blocks)
    else:
        values = torch.stack([metric((block != left_out).to(torch.float64)).detach() for left_out in range(blocks)])
    return values.view(blocks, -1).to("cpu", torch.float64)


def sums_interval(
    columns: ArrayLike,
    statistic: Callable[[Tensor], Tensor],
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    bounds: Sequence[Bounds] = (),
) -> Interval:
    """A metric that needs only sums over rows (F1 from counts, soft F1) with its interval, in one pass.

    columns: [N, M], finite, what each row adds; statistic: takes sums [B, M] of B tables and returns [B, K]. Much
    faster than `table_interval` where it fits. The rest as in `table_interval`. Raises MetricInputError.

    >>> sums = sums_interval(torch.tensor([[1.0, 1.0], [0.0, 1.0]]), lambda total: total[:, :1] / total[:, 1:])
    >>> float(sums.value)
    0.5
    """
    table = as_tensor(columns, "columns").detach().to("cpu")
    if table.ndim != 2:
        raise ShapeError(f"columns: expected [N, M], but received shape {list(table.shape)}")
    n = whole_number("rows", len(table), 1)
    unit, block, units = blocks_of(n, groups)
    sums = torch.zeros(min(units, BLOCKS), table.shape[1], dtype=torch.float64)
    for part, at in zip(torch.split(table, _PART), torch.split(block, _PART), strict=True):
        sums.index_add_(0, at, part.to(torch.float64))
    total = sums.sum(0, keepdim=True)
    value, left_out = statistic(total)[0], statistic(total - sums)
    counted = torch.full((len(value),), units)
    alike = ((left_out - value).abs() <= ALIKE * value.abs()).all(0)
    if bool(alike.any()):  # then the units that a figure rests on say what it may hide
        beside = total + torch.linspace(1, 2, total.shape[1], dtype=total.dtype)  # at an extreme slopes are 0
        moves = torch.autograd.functional.jacobian(statistic, beside)[0, :, 0].nan_to_num() != 0  # type: ignore[no-untyped-call]
        signed = limits(bounds, len(value))[0] < 0  # a correlation rests on the rarer side, which not all rows have
        needs = (moves & ~(signed[:, None] & (table == table[:1]).all(0)))[alike].T.float()
        rests = torch.cat([((part != 0).float() @ needs > 0).double() for part in torch.split(table, _PART)])
        have = (rests.new_zeros(units, rests.shape[1]).index_add_(0, unit, rests) > 0).sum(0)
        counted[alike] = torch.where(signed[alike], torch.minimum(have, units - have), have).clamp(min=1)
    return _table_figure_interval(value, left_out, n, units, level, bounds, counted)


def blocks_of(n: int, groups: ArrayLike | None = None) -> tuple[Tensor, Tensor, int]:
    """The unit and the block of each row [n], and how many units there are: a block each, or of many some in each.

    Which ones is drawn, always alike: rows stand in an order (by label, by day), and blocks that follow it are more
    alike than chance, which makes an interval too narrow.
    """
    unit, units = (torch.arange(n), n) if groups is None else group_index(groups, n)
    if units <= BLOCKS:
        return unit, unit, units
    return unit, torch.from_numpy(np.random.default_rng(0).permutation(units))[unit] % BLOCKS, units


def student_interval(rows: ArrayLike, *, groups: ArrayLike | None = None, level: float = 0.95) -> Interval:
    """Mean of independent rows or groups with Student's t interval: for repetitions, such as seeds, where few exist.

    rows, groups and the result as in `mean_interval`. The standard error is the jackknife's, which for rows is their
    standard deviation over the root of their number. Raises MetricInputError.

    >>> interval = student_interval([1.0, 2.0, 3.0])
    >>> [round(float(x), 3) for x in (interval.value, interval.low, interval.high)]
    [2.0, -0.484, 4.484]
    """
    return mean_and_p(rows, "rows", groups, level, (), skewed=False)[0]


def _table_figure_interval(
    value: Tensor, left_out: Tensor, n: int, units: int, level: float, bounds: Sequence[Bounds], rests: Tensor | None
) -> Interval:
    """The interval of a metric of all n rows; rests: the units that each figure rests on, None for all."""
    rows, skipped, counted = (torch.full_like(value, x) for x in (n, 0, units))
    low, high, _ = interval_of(value.flatten(), left_out, counted.flatten() if rests is None else rests, level, bounds)
    return Interval(value, low.reshape(value.shape), high.reshape(value.shape), rows, skipped, counted)


def group_index(groups: ArrayLike, n: int, name: str = "groups") -> tuple[Tensor, int]:
    """The number of each row's group [n], and how many groups there are; a row without an id is one of its own."""
    import pandas as pd  # here, because it is slow to load

    own_type = isinstance(groups, np.ndarray)  # of a list numpy makes words of what is missing
    ids = groups.cpu().numpy() if isinstance(groups, Tensor) else np.asarray(groups, dtype=None if own_type else object)
    if ids.shape != (n,):
        raise ShapeError(f"{name}: expected [{n}] (one id a row), but received shape {list(ids.shape)}")
    index, known = pd.factorize(ids, sort=True)
    missing = index < 0
    index[missing] = np.arange(len(known), len(known) + missing.sum())
    return torch.from_numpy(index.astype(np.int64, copy=False)), len(known) + int(missing.sum())


class Difference(NamedTuple):
    """Mean of a - b with its interval and p value. Each field is 0-dim for rows [N] and [M] for rows [N, M]."""

    value: Tensor
    low: Tensor
    high: Tensor
    p: Tensor
    """How often chance gives a difference this large, either way, if both means are equal; nan below 30 units."""
    rows: Tensor
    """On how many rows both are defined."""
    skipped: Tensor
    units: Tensor
    """How many rows or groups it rests on. Below 30, read the interval as rough."""

    @property
    def few(self) -> Tensor:
        """Whether it rests on so few rows or groups that it deserves a note."""
        return self.units < FEW


def paired_difference(
    a: ArrayLike, b: ArrayLike, *, groups: ArrayLike | None = None, level: float = 0.95, bounds: Sequence[Bounds] = ()
) -> Difference:
    """Mean of a - b over the rows of two systems on the same images, with an interval and a p value.

    a, b: [N] or [N, M], a function of `affectml_metrics.functional` on either system's predictions; a row on which
    one of them is nan is left out of both and counted. groups, level, bounds (of a - b) and the interval as in
    `mean_interval`.

    The p value tests that both means are equal. It is of one piece with the interval: p is below .05 exactly where the
    95 % interval leaves out 0. It is nan below 30 rows or groups, where a few large losses would still make it too
    small: read the interval there. A loss so rare that the rows have none of it is seen by no test. nan where a row is
    infinite, or none is defined. How often it errs is in docs/metrics.md. Raises MetricInputError.

    >>> ours, theirs = torch.tensor([0.9, 0.8, 0.7, 0.9] * 10), torch.tensor([0.8, 0.8, 0.6, 0.7] * 10)
    >>> found = paired_difference(ours, theirs)
    >>> [round(float(x), 3) for x in (found.value, found.low, found.high)], bool(found.p < 1e-9)
    ([0.1, 0.077, 0.123], True)
    """
    first, second = (as_tensor(x, name).detach().to("cpu", torch.float64) for x, name in ((a, "a"), (b, "b")))
    if first.shape != second.shape:
        raise ShapeError(
            f"a and b: expected rows of the same images and metrics, but received shapes {list(first.shape)} "
            f"and {list(second.shape)}"
        )
    (value, low, high, *counts), p = mean_and_p(first - second, "a - b", groups, level, bounds)
    return Difference(value, low, high, p, *counts)
