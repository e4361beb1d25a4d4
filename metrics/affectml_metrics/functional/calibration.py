"""Calibration against soft labels: among images where the model says .3, do three in ten people choose the label?"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from affectml_metrics._errors import one_of
from affectml_metrics._inputs import ArrayLike, pair, row_weights, whole_number, wide

Norm = Literal["l1", "l2", "max"]


def label_calibration_error(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    bins: int = 15,
    norm: Norm = "l1",
    average: Literal["macro", "none"] = "macro",
    from_logits: bool = False,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Calibration error of each label over the table, in bins of equal numbers of rows, and its mean over labels.

    In each bin, the gap between the mean predicted rate and people's mean rate; norm "l1" weighs gaps by rows, "l2"
    is the root of the weighted squares, "max" the largest gap. Bin edges are quantiles of the label's own predictions
    (adaptive), so labels that are rarely predicted above .2 still fill their bins; equal predictions share a bin,
    whatever the order of rows, so there can be fewer bins than asked for.

    preds, target: rates [N, C] (a 0/1 target or a distribution will do); bins: at most as many as are useful, about
    the cube root of N or fewer; weights: [N], how often each row counts (edges stay those of the unweighted rows).
    Returns a 0-dim float64 tensor in [0, 1], or [C] with average="none"; nan without rows. Biased upwards when bins
    hold few rows. Needs all rows at once. Source: Nguyen & O'Connor 2015; Nixon et al. 2019. Raises MetricInputError.

    >>> label_calibration_error(torch.tensor([[0.2], [0.2], [0.8], [0.8]]), torch.tensor([[0], [1], [1], [1]]), bins=2)
    tensor(0.2500, dtype=torch.float64)
    """
    one_of("norm", norm, ("l1", "l2", "max"))
    one_of("average", average, ("macro", "none"))
    whole_number("bins", bins, 1)
    p, t = pair(preds, target, "scores" if from_logits else "rates", "rates")
    dtype = wide(p.device)
    p, t = p.to(dtype), t.to(dtype)
    p = p.sigmoid() if from_logits else p
    w = row_weights(weights, p)
    w = torch.ones_like(p[:, 0]) if w is None else w
    errors = torch.stack([_one_label(p[:, c], t[:, c], w, bins, norm) for c in range(p.shape[1])])
    return errors.mean() if average == "macro" else errors


def _one_label(p: Tensor, t: Tensor, w: Tensor, bins: int, norm: Norm) -> Tensor:
    if not len(p):
        return p.new_full((), math.nan)
    ordered = p.sort().values
    cuts = torch.arange(1, bins, device=p.device) * len(p) // bins
    edges = torch.unique_consecutive(ordered[cuts])
    where = torch.searchsorted(edges, p.contiguous(), right=True)
    sums = p.new_zeros(3, len(edges) + 1)
    sums.index_add_(1, where, torch.stack([w, w * p, w * t]))
    size, predicted, chosen = sums
    gap = (predicted - chosen).abs() / size.masked_fill(size == 0, 1.0)
    share = size / size.sum()
    if norm == "max":
        worst: Tensor = gap.max()
        return worst
    mean: Tensor = (share * (gap if norm == "l1" else gap.square())).sum()
    return mean if norm == "l1" else mean.sqrt()
