"""Calibration against soft labels: among images where the model says .3, do three in ten people choose the label?"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._arguments import one_of, whole_number
from affectml_metrics._asked import pair_asked
from affectml_metrics._domains import Domain
from affectml_metrics._inputs import ArrayLike, row_weights, wide
from affectml_metrics.functional.rows import run_sums, table_of
from affectml_metrics.intervals import Batched

__all__ = ["label_calibration_error", "squared_calibration_error"]

_FEW_EDGES = 64  # up to these, comparing a column with each edge is faster than a search for each prediction
_AT_ONCE = 128  # replicates: a row of counts is then two lines of the cache
_BLOCK = 2048  # rows whose weights stay in the cache while every label's bins are summed
_SCALES = tuple(2.0 ** (10 + 11 * part) for part in range(4))
_EXACT = 2**12  # weight of a run, up to which float32 holds the sums of its pieces

Norm = Literal["l1", "l2", "max"]
Activation = Literal["sigmoid", "softmax"]
DOMAINS: Mapping[object, Domain] = {None: "rates", "sigmoid": "scores", "softmax": "logits"}
"""By activation the domain of preds; None: they are rates."""


def label_calibration_error(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    bins: int = 15,
    norm: Norm = "l1",
    average: Literal["macro", "none"] = "macro",
    from_logits: bool = False,
    activation: Activation = "sigmoid",
    weights: ArrayLike | None = None,
) -> Tensor:
    """Calibration error of each label over the table, in bins of equal numbers of rows, and its mean over labels.

    In each bin, the gap between the mean predicted rate and people's mean rate; norm "l1" weighs gaps by rows, "l2"
    is the root of the weighted squares, "max" the largest gap. Bin edges are quantiles of the label's own predictions
    (adaptive), so labels that are rarely predicted above .2 still fill their bins; equal predictions share a bin,
    whatever the order of rows, so there can be fewer bins than asked for.

    preds, target: rates [N, C] (a 0/1 target or a distribution will do); bins: at most as many as are useful, about
    the cube root of N or fewer; weights: [N], how often each row counts (edges stay those of the unweighted rows).
    With from_logits say what makes rates of them: activation "sigmoid", each label by itself, or "softmax" for a head
    that predicts a distribution.
    Cells at -1 in the target, which nobody was asked about, do not count.
    Returns a 0-dim float64 tensor in [0, 1], or [C] with average="none"; nan without rows. Biased upwards when bins
    hold few rows, even for a perfect model: to compare models, and for an interval, take
    `squared_calibration_error`. Needs all rows at once. Source: Nguyen & O'Connor 2015; Nixon et al. 2019. Raises
    MetricInputError.

    >>> label_calibration_error(torch.tensor([[0.2], [0.2], [0.8], [0.8]]), torch.tensor([[0], [1], [1], [1]]), bins=2)
    tensor(0.2500, dtype=torch.float64)
    """
    one_of("norm", norm, ("l1", "l2", "max"))
    one_of("average", average, ("macro", "none"))
    whole_number("bins", bins, 1)
    p, t, w, asked = rates_asked(preds, target, from_logits, activation, weights)
    w = torch.ones_like(p[:, 0]) if w is None else w
    there = [slice(None)] * p.shape[1] if asked is None else asked.T
    columns = zip(p.T.contiguous(), t.T.contiguous(), there, strict=True)
    errors = torch.stack([_one_label(a[some], b[some], w[some], bins, norm) for a, b, some in columns])
    return _mean(errors, asked) if average == "macro" else errors


def squared_calibration_error(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    bins: int = 15,
    average: Literal["macro", "none"] = "macro",
    from_logits: bool = False,
    activation: Activation = "sigmoid",
    weights: ArrayLike | None = None,
) -> Tensor:
    """Squared calibration error of each label over the table without the bias of few rows, and its mean over labels.

    In the bins of `label_calibration_error`: the squared gap between the mean predicted rate and people's mean rate,
    less the part of it that is chance (the variance of prediction minus share within the bin, over its rows), weighed
    by rows. Without bias for the squared error of the binned rates, so calibrated models come out around 0, a good half
    of them below; keep those as they are, for cutting them off would bring the bias back.

    preds, target: rates [N, C] (a 0/1 target or a distribution will do); bins as in `label_calibration_error`, a bin
    of a single row is left out; weights: [N], how often each row counts (not its share: the chance taken off depends on
    their sum); from_logits and activation as there. Returns a 0-dim float64 tensor, at most 1, or [C] with
    average="none"; nan without two rows in one bin. Needs all rows at once. For its
    interval pass `debiased_calibration` to `table_interval`. Source: Bröcker 2012; Kumar, Liang & Ma 2019. Raises
    MetricInputError.

    >>> preds, target = torch.tensor([[0.2], [0.2], [0.8], [0.8]]), torch.tensor([[0.0], [1.0], [1.0], [1.0]])
    >>> squared_calibration_error(preds, target, bins=2)  # ((.3² - .5 / 2) + (.2² - 0)) / 2
    tensor(-0.0600, dtype=torch.float64)
    """
    one_of("average", average, ("macro", "none"))
    whole_number("bins", bins, 1)
    p, t, w, asked = rates_asked(preds, target, from_logits, activation, weights)
    ones = torch.ones_like(p[:, 0]) if w is None else w
    errors = _Binned.of(p, bins, asked).squared(p - t, ones)
    return _mean(errors, asked) if average == "macro" else errors


def debiased_calibration(
    preds: ArrayLike, target: ArrayLike, *, bins: int = 15, average: Literal["macro", "none"] = "macro"
) -> Batched:
    """`squared_calibration_error` of preds and target [N, C] as a function of row weights, for `table_interval`.

    Raises MetricInputError.

    >>> from affectml_metrics import table_interval
    >>> g = torch.Generator().manual_seed(0)
    >>> rates = torch.rand(500, 1, generator=g)
    >>> said = torch.bernoulli(rates, generator=g)  # calibrated
    >>> found = table_interval(debiased_calibration(rates, said), 500)
    >>> bool(found.low < 0 < found.high)
    True
    """
    one_of("average", average, ("macro", "none"))
    whole_number("bins", bins, 1)
    p, t, _, asked = rates_asked(preds, target)
    gaps = p - t
    ready = _Binned.of(p, bins, asked).ready(gaps)

    def of(weights: Tensor) -> Tensor:
        table = table_of(weights, gaps.device)
        size, total, squares = _added(block.sums(table) for block in ready).view(3, -1, bins, len(weights))
        gap = total / size.masked_fill(size == 0, 1.0)
        found = _without_chance(size, gap, (squares - total * gap).clamp(min=0)).T
        return torch.stack([_mean(row, asked) for row in found]) if average == "macro" else found

    return Batched(of, _AT_ONCE)


@dataclass(frozen=True)
class _Binned:
    """Which bin each cell [N, C] is in; bins of all labels are numbered through, `count` a label.

    asked: which cells count, None for all.
    """

    where: Tensor
    count: int
    asked: Tensor | None

    @staticmethod
    def of(p: Tensor, bins: int, asked: Tensor | None) -> "_Binned":
        places = torch.zeros_like(p, dtype=torch.int64)
        for label, column in enumerate(p.T.contiguous() if len(p) else ()):
            if asked is None:
                places[:, label] = _places(column, bins)[0]
            elif bool(asked[:, label].any()):
                places[asked[:, label], label] = _places(column[asked[:, label]], bins)[0]
        return _Binned(places + bins * torch.arange(p.shape[1], device=p.device), bins, asked)

    def moments(self, rest: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, mean, and sum of squares about the mean of `rest` in each bin, [C, bins]."""
        labels = rest.shape[1]
        counted = w[:, None].expand_as(rest) if self.asked is None else w[:, None] * self.asked
        flat, each = self.where.flatten(), counted.flatten()

        def added(values: Tensor) -> Tensor:
            return rest.new_zeros(labels * self.count).index_add_(0, flat, values)

        size = added(each)
        mean = added(each * rest.flatten()) / size.masked_fill(size == 0, 1.0)
        about = added(each * (rest.flatten() - mean[flat]).square())
        return size.view(labels, -1), mean.view(labels, -1), about.view(labels, -1)

    def ready(self, rest: Tensor) -> "list[_Block]":
        """The cells in the order of their bins, for many weights."""
        bins = rest.shape[1] * self.count
        blocks = []
        for start in range(0, max(len(rest), 1), _BLOCK):
            part = slice(start, start + _BLOCK)
            where, gaps = self.where[part].T.flatten(), rest[part].T.flatten()
            rows = torch.arange(len(rest[part]), device=rest.device).repeat(rest.shape[1])
            if self.asked is not None:
                kept = self.asked[part].T.flatten()
                where, gaps, rows = where[kept], gaps[kept], rows[kept]
            order, size = where.argsort(stable=True), where.bincount(minlength=bins)
            gaps = gaps[order]
            firsts = (size.cumsum(0) - size).int()
            blocks.append(_Block(start, rows[order].int(), firsts, (_pieces(gaps), _pieces(gaps.square()))))
        return blocks

    def squared(self, rest: Tensor, w: Tensor) -> Tensor:
        """The squared error of each label [C]; bins of one row are left out."""
        return _without_chance(*self.moments(rest, w))


@dataclass(frozen=True)
class _Block:
    """Cells of some rows of the table from `start` on, one run for each bin of each label.

    rows: [n], counted from `start`. firsts: where each run begins. powers: `_pieces` of their gaps and of the squares.
    """

    start: int
    rows: Tensor
    firsts: Tensor
    powers: tuple[list[Tensor], list[Tensor]]

    def sums(self, table: Tensor) -> Tensor:
        """Weights, weighted gaps and weighted squares of each run, wide [3, runs, B], of a table of weights [N, B]."""
        here, dtype = table[self.start : self.start + _BLOCK], wide(table.device)

        def added(table: Tensor, by: Tensor | None = None) -> Tensor:
            return run_sums(table, self.rows, self.firsts, by).to(dtype)

        size = added(here)
        if here.dtype != dtype and not (size.numel() and float(size.max()) >= _EXACT):
            powers = [_added(added(here, p) / s for p, s in zip(each, _SCALES, strict=True)) for each in self.powers]
        else:
            here = here[:, : size.shape[1]].to(dtype)
            powers = [added(here, _added(p.to(dtype) / s for p, s in zip(each, _SCALES, strict=True)))
                      for each in self.powers]  # fmt: skip
        return torch.stack([size, *powers])


def _added(parts: Iterable[Tensor]) -> Tensor:
    return reduce(torch.add, parts)


def _pieces(x: Tensor) -> list[Tensor]:
    """Values up to 4 as sums of whole numbers over _SCALES, to 2^-44: of so few bits that float32 adds them exactly."""
    found = []
    for scale in _SCALES:
        whole = (x * scale).round()
        found.append(whole.to(torch.float32))
        x = x - whole / scale
    return found


def _without_chance(size: Tensor, gap: Tensor, about: Tensor) -> Tensor:
    """The squared error of each of [B] from rows, mean and squares about the mean of each bin [B, bins]."""
    several = size > 1
    chance = about / (size * (size - 1)).masked_fill(~several, 1.0)
    share = size.masked_fill(~several, 0.0)
    return (share * (gap.square() - chance)).sum(1) / share.sum(1)


def rates_asked(
    preds: ArrayLike,
    target: ArrayLike,
    from_logits: bool = False,
    activation: Activation = "sigmoid",
    weights: ArrayLike | None = None,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Rates of preds and target and row weights, wide, and which cells were asked, None for all."""
    one_of("activation", activation, ("sigmoid", "softmax"))
    p, t, asked = pair_asked(preds, target, DOMAINS[activation if from_logits else None], "rates")
    dtype = wide(p.device)
    p, t = p.to(dtype), t.to(dtype)
    if from_logits:
        p = p.softmax(-1) if activation == "softmax" else p.sigmoid()
    return p, t, row_weights(weights, p), asked


def _mean(errors: Tensor, asked: Tensor | None) -> Tensor:
    """Mean over labels; of those that anybody was asked about."""
    return errors.mean() if asked is None else errors.nanmean()


def _places(p: Tensor, bins: int) -> tuple[Tensor, int]:
    """The bin of each row, and how many there are; edges are quantiles of the predictions."""
    edges = torch.unique_consecutive(_quantiles(p, bins))
    if p.device.type != "cpu" or len(edges) > _FEW_EDGES:
        return torch.bucketize(p, edges, right=True), len(edges) + 1
    values, reached = p.detach().numpy(), np.zeros(len(p), dtype=np.int8)
    for edge in edges.numpy():
        reached += (values >= edge).view(np.int8)
    return torch.from_numpy(reached.astype(np.int64)), len(edges) + 1


def _quantiles(p: Tensor, bins: int) -> Tensor:
    """The values at the cuts between `bins` runs of equal length, [bins - 1]."""
    cuts = [i * len(p) // bins for i in range(1, bins)]
    if p.device.type == "cpu":  # numpy sorts several times faster
        return torch.from_numpy(np.sort(p.detach().numpy())[cuts])
    return p.detach().sort().values[cuts]


def _one_label(p: Tensor, t: Tensor, w: Tensor, bins: int, norm: Norm) -> Tensor:
    if not len(p):
        return p.new_full((), math.nan)
    where, count = _places(p, bins)
    size, predicted, chosen = (p.new_zeros(count).index_add_(0, where, x) for x in (w, w * p, w * t))
    gap = (predicted - chosen).abs() / size.masked_fill(size == 0, 1.0)
    share = size / size.sum()
    if norm == "max":
        worst: Tensor = gap.max()
        return worst
    mean: Tensor = (share * (gap if norm == "l1" else gap.square())).sum()
    return mean if norm == "l1" else mean.sqrt()
