"""Calibration against soft labels: among images where the model says .3, do three in ten people choose the label?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._domains import Domain
from affectml_metrics._errors import one_of, whole_number
from affectml_metrics._inputs import ArrayLike, pair_asked, row_weights, wide
from affectml_metrics.intervals import Prepared

__all__ = ["label_calibration_error", "squared_calibration_error"]


_FEW_EDGES = 64  # up to these, comparing a column with each edge is faster than a search for each prediction
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
    bins = whole_number("bins", bins, 1)
    p, t, w, asked = rates_asked(preds, target, from_logits, activation, weights)
    return _Binned.of(p, t, bins, asked, macro=average == "macro").gap(w, norm)


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
    bins = whole_number("bins", bins, 1)
    p, t, w, asked = rates_asked(preds, target, from_logits, activation, weights)
    return _Binned.of(p, t, bins, asked, macro=average == "macro")(w)


def debiased_calibration(
    preds: ArrayLike, target: ArrayLike, *, bins: int = 15, average: Literal["macro", "none"] = "macro"
) -> Prepared:
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
    bins = whole_number("bins", bins, 1)
    p, t, _, asked = rates_asked(preds, target, False, "sigmoid", None)
    return _Binned.of(p, t, bins, asked, macro=average == "macro")


@dataclass(frozen=True)
class _Binned:
    """The squared error as `Prepared`: all it needs of the rows is sums over those of each bin.

    where: the bin of each cell [N, C], those of all labels numbered through, `count` a label. gaps: of each cell.
    counted: 1 for cells that were asked, else 0.
    """

    where: Tensor
    count: int
    gaps: Tensor
    counted: Tensor
    macro: bool

    @staticmethod
    def of(p: Tensor, t: Tensor, bins: int, asked: Tensor | None, macro: bool) -> "_Binned":
        where = torch.zeros_like(p, dtype=torch.int64)
        for label, column in enumerate(p.T.contiguous() if len(p) else ()):
            rows = slice(None) if asked is None else asked[:, label]
            if len(column[rows]):
                where[rows, label] = label * bins + _places(column[rows], bins)
        return _Binned(where, bins, p - t, torch.ones_like(p) if asked is None else asked.to(p.dtype), macro)

    def __call__(self, weights: Tensor, /) -> Tensor:
        return self._errors(self._sums(weights))[0]

    def gap(self, weights: Tensor, norm: Norm) -> Tensor:
        """The error that keeps the bias of few rows."""
        size, gaps, _ = self._sums(weights).view(3, -1, self.count)
        gap, share = gaps.abs() / size.masked_fill(size == 0, 1.0), size / size.sum(1, keepdim=True)
        if norm == "max":
            errors = torch.where(share.isnan(), share, gap).amax(1)
        else:
            errors = (share * gap).sum(1) if norm == "l1" else (share * gap.square()).sum(1).sqrt()
        return _mean(errors, self.counted) if self.macro else errors

    def without(self, block: Tensor, blocks: int) -> Tensor:
        sums = self._sums(torch.ones_like(self.gaps[:, 0]), block.to(self.gaps.device), blocks)
        return self._errors(sums.sum(1, keepdim=True) - sums)

    def _sums(self, weights: Tensor, block: Tensor | None = None, blocks: int = 1) -> Tensor:
        """Weights, weighted gaps and weighted squares of each bin over the rows of each block, [3, J, C x bins]."""
        bins = self.where.shape[1] * self.count
        at = self.where if block is None else self.where + bins * block[:, None]
        cells = self.counted * weights.to(self.gaps)[:, None]
        powers = (cells, cells * self.gaps, cells * self.gaps.square())
        sums = [cells.new_zeros(blocks * bins).index_add(0, at.flatten(), power.flatten()) for power in powers]
        return torch.stack(sums).view(3, blocks, bins)

    def _errors(self, sums: Tensor) -> Tensor:
        """The errors of J tables, [J], or [J, C]: of bins of several rows, less what is chance."""
        size, gaps, squares = sums.view(3, sums.shape[1], -1, self.count)
        several = size > 1
        gap = gaps / size.masked_fill(size == 0, 1.0)
        about = (squares - gaps * gap).clamp(min=0)  # the mean
        chance = about / (size * (size - 1)).masked_fill(~several, 1.0)
        share = size.masked_fill(~several, 0.0)
        errors = (share * (gap.square() - chance)).sum(-1) / share.sum(-1)
        return _mean(errors, self.counted) if self.macro else errors


def rates_asked(
    preds: ArrayLike, target: ArrayLike, from_logits: bool, activation: Activation, weights: ArrayLike | None
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Rates of preds and target and row weights, wide, and which cells were asked, None for all."""
    one_of("activation", activation, ("sigmoid", "softmax"))
    p, t, asked = pair_asked(preds, target, DOMAINS[activation if from_logits else None], "rates")
    dtype = wide(p.device)
    p, t = p.to(dtype), t.to(dtype)
    if from_logits:
        p = p.softmax(-1) if activation == "softmax" else p.sigmoid()
    w = row_weights(weights, p)
    return p, t, torch.ones_like(p[:, 0]) if w is None else w, asked


def _mean(errors: Tensor, counted: Tensor | None) -> Tensor:
    """Mean over labels; of those that anybody was asked about."""
    return errors.mean(-1) if counted is None or bool(counted.all()) else errors.nanmean(-1)


def _places(p: Tensor, bins: int) -> Tensor:
    """The bin of each row; edges are the values at the cuts between `bins` runs of equal length."""
    values = p.detach().cpu().numpy()
    edges = np.unique(np.sort(values)[[i * len(p) // bins for i in range(1, bins)]])
    if len(edges) > _FEW_EDGES:
        return torch.from_numpy(np.searchsorted(edges, values, side="right")).to(p.device)
    reached = np.zeros(len(p), dtype=np.int8)
    for edge in edges:
        reached += (values >= edge).view(np.int8)
    return torch.from_numpy(reached.astype(np.int64)).to(p.device)
