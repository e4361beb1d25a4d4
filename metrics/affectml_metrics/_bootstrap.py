"""Bootstrap replicates: of means of rows, all columns at once, and of any metric over the table.

A replicate draws N rows with replacement (or G groups), so it is a vector of counts; for means of rows all replicates
are one product counts @ rows, exact and without a Poisson approximation. Source: Efron & Tibshirani 1993. How they are
drawn is said in `_draws`, and what becomes of them in `_intervals`.
"""

import math
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._arguments import real_number, whole_number
from affectml_metrics._domains import unchecked
from affectml_metrics._errors import ArgumentError, ShapeError
from affectml_metrics._inputs import ArrayLike, as_tensor, columns_of
from affectml_metrics._intervals import BLOCKS, STUDENT_BELOW, Batched, Debiased, Interval, of_few, of_mean, of_table
from affectml_metrics.draws import AT_ONCE, counts_in_bytes, in_pieces, kept_counts, once, sums_of_draws
from affectml_metrics.functional.rows import EXACT


def bootstrap(
    rows: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    generator: torch.Generator,
) -> Interval:
    """Mean of the rows of one or many metrics, with an interval that covers as often as `level` says.

    rows: [N] or [N, M], one column per metric, for instance the result of a function of
    `affectml_metrics.functional`; a nan is a row on which the metric is not defined: it is left out and counted. An
    infinite row makes the mean of each replicate that draws it infinite. groups: [N] ids (numbers or strings); whole
    groups are drawn, for rows that are not independent (frames of one film); a row without an id (nan, None) is a group
    of its own. For the difference of two systems on the
    same images take `paired_difference`. Works on the CPU, in float64; `generator` is a CPU generator, and the same one
    in the same state gives the same interval. A column without a defined row is nan.

    The ends are expanded percentiles of the replicates (Hesterberg 2015), or, with fewer than 15 rows or groups,
    Student's t with the jackknife's standard error, which may go beyond the range of the metric; a single row or
    group has no spread, and both ends are the value. `Interval.units` says how many rows or groups there are: read
    fewer than 30 as rough. Raises MetricInputError.

    >>> interval = bootstrap([0.0, 1.0, 1.0, 1.0] * 10, generator=torch.Generator().manual_seed(0))
    >>> [round(float(x), 2) for x in (interval.value, interval.low, interval.high)]
    [0.75, 0.62, 0.88]
    """
    table, flat = columns_of(rows, "rows")
    _check(replicates, level, generator)

    defined, infinite = ~table.isnan(), table.isinf()
    any_infinite = bool(infinite.any())
    whole = groups is None and bool(defined.all())  # then every replicate has N rows
    sums = table.masked_fill(~defined | infinite, 0.0)
    sizes, place = _distinct(defined)  # most metrics are defined on the same rows
    extreme = table if any_infinite else table[:, :0]
    plus, is_plus = _distinct(extreme == math.inf)
    minus, is_minus = _distinct(extreme == -math.inf)
    units = len(table)
    if groups is not None:
        index, units = group_index(groups, len(table))
        sums, sizes, plus, minus = (
            x.new_zeros(units, x.shape[1]).index_add_(0, index, x) for x in (sums, sizes, plus, minus)
        )

    tables = [sums, *([] if whole else [sizes]), *([plus, minus] if any_infinite else [])]

    def means(total: Tensor, *more: Tensor) -> Tensor:
        """Of sums of the tables, [b, M] each."""
        divisor = torch.full((1, 1), float(units), dtype=torch.float64) if whole else more[0][:, place]
        mean = total / divisor
        if any_infinite:
            up, down = more[-2][:, is_plus] > 0, more[-1][:, is_minus] > 0
            mean = mean.masked_fill(up, torch.inf).masked_fill(down, -torch.inf).masked_fill(up & down, torch.nan)
        return mean

    value = means(*(x.sum(0, keepdim=True) for x in tables))[0]
    drawn = [means(*each) for each in sums_of_draws(tables, replicates, generator)] if units else []
    spread = torch.cat(drawn) if drawn else value[None]
    used = (sizes > 0).sum(0)[place]
    low, high = of_mean(value, spread, used, _jackknife_error(sums, sizes, place, used, value), level)
    rows_used = defined.sum(0)
    result = Interval(value, low, high, rows_used, len(table) - rows_used, used)
    return Interval(*(field[0] for field in result)) if flat else result


def _distinct(table: Tensor) -> tuple[Tensor, Tensor]:
    """The different columns of a bool [N, M] as float64, and which of them each column is, [M]."""
    seen: dict[bytes, int] = {}
    columns = table.T.contiguous()
    place = [seen.setdefault(blake2b(column.numpy().tobytes()).digest(), len(seen)) for column in columns]
    firsts = [place.index(number) for number in range(len(seen))]
    return columns[firsts].T.to(torch.float64), torch.tensor(place, dtype=torch.int64)


def _jackknife_error(sums: Tensor, sizes: Tensor, place: Tensor, used: Tensor, value: Tensor) -> Tensor:
    """Standard error of each mean [M] from leaving out one unit at a time; nan where it is not asked for."""
    if not len(sums) or int(used.min()) >= STUDENT_BELOW:
        return torch.full_like(value, torch.nan)
    sizes = sizes[:, place]
    moved = (sums.sum(0) - sums) / (sizes.sum(0) - sizes) - value
    squares = moved.square().masked_fill(sizes == 0, 0.0).nan_to_num(nan=0.0).sum(0)
    return (squares * (used - 1) / used).sqrt()


def student_interval(rows: ArrayLike, *, groups: ArrayLike | None = None, level: float = 0.95) -> Interval:
    """Mean of independent rows or groups with Student's t interval: for repetitions, such as seeds, of which few exist.

    rows, groups and the result as in `bootstrap`, but nothing is drawn. The standard error is the jackknife's, which
    for rows is their standard deviation over the root of their number. A single unit has no spread, and both ends are
    the value. Raises MetricInputError.

    >>> interval = student_interval([1.0, 2.0, 3.0])
    >>> [round(float(x), 3) for x in (interval.value, interval.low, interval.high)]
    [2.0, -0.484, 4.484]
    """
    real_number("level", level, 0, 1, ends=False)
    table, flat = columns_of(rows, "rows")
    sums, sizes = (sums_by_unit(x, groups) for x in (table, (~table.isnan()).to(torch.float64)))
    value, used = sums.sum(0) / sizes.sum(0), (sizes > 0).sum(0)
    left_out = ((sums.sum(0) - sums) / (sizes.sum(0) - sizes)).masked_fill(sizes == 0, torch.nan)
    low, high = of_few(value, left_out, level)
    counted = (~table.isnan()).sum(0)
    result = Interval(value, low, high, counted, len(table) - counted, used)
    return Interval(*(field[0] for field in result)) if flat else result


def bootstrap_table(
    metric: Callable[[Tensor], Tensor],
    n: int,
    *,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    generator: torch.Generator,
) -> Interval:
    """A metric over the table (macro F1, mAP, a correlation) with its interval.

    metric: takes row weights, float64 [N] (how often each row was drawn), and returns a 0-dim tensor or [K]; every
    table metric of `affectml_metrics.functional` takes them as `weights=`. n: the number of rows. It is called once
    with ones, once for each replicate and 50 times for the acceleration, inside `unchecked()` after the first.
    groups, generator and the result as in `bootstrap`; a replicate in which the metric is nan is left out.

    The ends are expanded BCa percentiles (Efron 1987; Hesterberg 2015), since such metrics are biased where labels are
    rare; fewer than 15 rows or groups as in `bootstrap`. Raises MetricInputError.

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
    index, units = (torch.arange(0), n) if groups is None else group_index(groups, n)
    value = metric(torch.ones(n, dtype=torch.float64)).detach().to("cpu", torch.float64)
    debiased = metric.replicate if isinstance(metric, Debiased) else None

    def several(function: Callable[[Tensor], Tensor], counts: Tensor) -> Tensor:
        """Of counts in bytes [b, units], which only functions of many replicates take as they are."""
        function = function.metric if isinstance(function, Debiased) else function
        counts = counts if groups is None else counts[:, index]
        if isinstance(function, Batched):
            return function.many(counts).to("cpu", torch.float64).view(len(counts), -1)
        each = (function(count.to(torch.float64)) for count in counts)
        return torch.stack([value.detach().to("cpu", torch.float64).flatten() for value in each])

    with unchecked():
        left_out = several(metric, _without_one(units, debiased is not None, torch.uint8))
        if units < STUDENT_BELOW:
            low, high = of_few(value.flatten(), left_out, level)
        else:
            each = metric if debiased is None else debiased
            drawn = counts_in_bytes(units, replicates, generator)
            spread = torch.cat([several(each, counts) for counts in drawn])
            low, high = of_table(value.flatten(), spread, left_out, units, level, unbiased=debiased is not None)
    return _whole(value, low, high, n, units)


def bootstrap_sums(
    columns: ArrayLike,
    statistic: Callable[[Tensor], Tensor],
    *,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    generator: torch.Generator,
) -> Interval:
    """A metric that needs only sums over rows (F1 from counts, soft F1) with its interval, all replicates at once.

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
    table = as_tensor(columns, "columns").detach().to("cpu")
    if table.ndim != 2:
        raise ShapeError(f"columns: expected [N, M], but received shape {list(table.shape)}")
    n = len(table)
    whole_number("rows", n, 1)
    _check(replicates, level, generator)
    if groups is not None:
        index, units = group_index(groups, n)
        table = torch.zeros(units, table.shape[1], dtype=torch.float64).index_add_(0, index, table.to(torch.float64))
    units = len(table)
    rows = table.T.contiguous()
    varies = (rows != rows[:, :1]).any(1)
    alike, rows = table[0].to(torch.float64), rows[varies]  # a column of one value needs no product
    dtype = torch.float32 if _whole_sums(rows) else torch.float64  # half the time where it holds every sum
    less, few = _without_one(units, dtype=dtype), units < STUDENT_BELOW
    alone = few or dtype == torch.float64 or not len(rows)
    kept = None if alone else kept_counts(units, replicates, generator)

    def added(rows: Tensor) -> Tensor:
        """Sums [1 + J + B, M] of rows [M, units] over every unit, all but each block, and each replicate."""
        columns = rows.T.to(dtype).contiguous()
        sums = [torch.ones(1, units, dtype=dtype) @ columns, less @ columns]
        if kept is not None:
            sums += [in_pieces(part, [columns])[0] for part in torch.split(kept.counts, AT_ONCE)]
        elif not few:
            sums += [part for (part,) in sums_of_draws([columns], replicates, generator)]
        return torch.cat(sums).to(torch.float64)

    sums = added(rows) if kept is None else once(rows, added, kept.sums)
    at = len(less) + 1
    size = torch.full((len(sums), 1), float(units), dtype=torch.float64)
    size[1:at] = less.sum(1, keepdim=True)
    every = size * alike
    every[:, varies] = sums
    value, left_out = statistic(every[:1])[0], statistic(every[1:at])
    if few:
        low, high = of_few(value, left_out, level)
    else:
        low, high = of_table(value, statistic(every[at:]), left_out, units, level)
    return _whole(value, low, high, n, units)


def _whole_sums(rows: Tensor) -> bool:
    """Whether float32 holds the sum over units of each row [M, units] in any replicate."""
    if rows.dtype == torch.bool or not rows.numel():
        return rows.shape[1] < EXACT
    return bool((rows == rows.round()).all()) and rows.shape[1] * float(rows.abs().max()) < EXACT


def _without_one(units: int, none: bool = False, dtype: torch.dtype = torch.float64) -> Tensor:
    """Counts [J, units] that leave out one unit, or one block of every J-th where there are many."""
    if none and units >= STUDENT_BELOW:
        return torch.ones(1, units, dtype=dtype)
    blocks, each = min(units, BLOCKS), torch.arange(units)
    return torch.ones(blocks, units, dtype=dtype).index_put_((each % blocks, each), torch.zeros((), dtype=dtype))


def _whole(value: Tensor, low: Tensor, high: Tensor, rows: int, units: int) -> Interval:
    """The interval of a metric that rests on all rows."""
    counts = (torch.full_like(value, x) for x in (rows, 0, units))
    return Interval(value, low.reshape(value.shape), high.reshape(value.shape), *counts)


def sums_by_unit(table: Tensor, groups: ArrayLike | None) -> Tensor:
    """Sums of the rows [N, M] of each unit, [units, M]; nan counts as 0."""
    sums = table.masked_fill(table.isnan(), 0.0)
    if groups is None:
        return sums
    index, units = group_index(groups, len(table))
    return sums.new_zeros(units, sums.shape[1]).index_add_(0, index, sums)


def group_index(groups: ArrayLike, n: int, name: str = "groups") -> tuple[Tensor, int]:
    """The number of each row's group [n], and how many groups there are; a row without an id is one of its own."""
    ids = groups.cpu().numpy() if isinstance(groups, Tensor) else np.asarray(groups)
    if ids.shape != (n,):
        raise ShapeError(f"{name}: expected [{n}] (one id a row), but received shape {list(ids.shape)}")
    if ids.dtype.kind == "U" and not isinstance(groups, np.ndarray):
        ids = np.asarray(groups, dtype=object)  # numpy has made words of what is missing
    missing = _missing(ids)
    if not missing.any():
        place, count = _numbered(ids)
        return torch.from_numpy(place), count
    place, count = _numbered(ids[~missing])
    index = np.empty(n, dtype=np.int64)
    index[~missing] = place
    index[missing] = np.arange(count, count + missing.sum())
    return torch.from_numpy(index), count + int(missing.sum())


def _numbered(ids: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], int]:
    """The place of each id among the different ones in order, and how many there are; mixed kinds by their text."""
    if ids.dtype.kind in "iu" and len(ids):
        low, span = int(ids.min()), int(ids.max()) - int(ids.min()) + 1
        if span <= 4 * len(ids):  # a table of the numbers is a tenth of the time of sorting them
            from_low = ((ids if ids.dtype.kind == "u" else ids.astype(np.int64)) - low).astype(np.int64, copy=False)
            places = np.zeros(span, dtype=np.int64)
            places[from_low] = 1
            places = places.cumsum()
            return (places - 1)[from_low], int(places[-1])
    if ids.dtype == object:
        import pandas as pd

        if pd.api.types.infer_dtype(ids) == "string":  # a hash table of words, and only different ones are sorted
            place, found = pd.factorize(ids, sort=True)
            return place.astype(np.int64, copy=False), len(found)
        ids = ids.astype(str)
    found, place = np.unique(ids, return_inverse=True)
    return place.astype(np.int64, copy=False), len(found)


def _missing(ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which rows have no id: nan, None, pandas' NA or NaT."""
    if ids.dtype.kind not in "fOmM":
        return np.zeros(len(ids), dtype=bool)
    import pandas as pd  # here, because it is slow to load

    return np.asarray(pd.isna(ids))


def _check(replicates: int, level: float, generator: torch.Generator) -> None:
    whole_number("replicates", replicates, 1)
    real_number("level", level, 0, 1, ends=False)
    if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
        raise ArgumentError("generator: expected a CPU torch.Generator, for instance torch.Generator().manual_seed(0)")
