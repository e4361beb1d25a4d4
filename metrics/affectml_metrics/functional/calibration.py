"""Calibration against soft labels: among images where the model says .3, do three in ten people choose the label?"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._errors import one_of
from affectml_metrics._inputs import ArrayLike, pair, row_weights, whole_number, wide

Norm = Literal["l1", "l2", "max"]
Activation = Literal["sigmoid", "softmax"]


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
    Returns a 0-dim float64 tensor in [0, 1], or [C] with average="none"; nan without rows. Biased upwards when bins
    hold few rows. Needs all rows at once. Source: Nguyen & O'Connor 2015; Nixon et al. 2019. Raises MetricInputError.

    >>> label_calibration_error(torch.tensor([[0.2], [0.2], [0.8], [0.8]]), torch.tensor([[0], [1], [1], [1]]), bins=2)
    tensor(0.2500, dtype=torch.float64)
    """
    one_of("norm", norm, ("l1", "l2", "max"))
    one_of("average", average, ("macro", "none"))
    one_of("activation", activation, ("sigmoid", "softmax"))
    bins = whole_number("bins", bins, 1)
    softmax = from_logits and activation == "softmax"
    p, t = pair(preds, target, "logits" if softmax else "scores" if from_logits else "rates", "rates")
    dtype = wide(p.device)
    p, t = p.to(dtype), t.to(dtype)
    if from_logits:
        p = p.softmax(-1) if softmax else p.sigmoid()
    w = row_weights(weights, p)
    w = torch.ones_like(p[:, 0]) if w is None else w
    columns = zip(p.T.contiguous(), t.T.contiguous(), strict=True)
    errors = torch.stack([_one_label(a, b, w, bins, norm) for a, b in columns])
    return errors.mean() if average == "macro" else errors


def _one_label(p: Tensor, t: Tensor, w: Tensor, bins: int, norm: Norm) -> Tensor:
    if not len(p):
        return p.new_full((), math.nan)
    edges = torch.unique_consecutive(_quantiles(p, bins))
    where = torch.bucketize(p, edges, right=True)
    size, predicted, chosen = (p.new_zeros(len(edges) + 1).index_add_(0, where, x) for x in (w, w * p, w * t))
    gap = (predicted - chosen).abs() / size.masked_fill(size == 0, 1.0)
    share = size / size.sum()
    if norm == "max":
        worst: Tensor = gap.max()
        return worst
    mean: Tensor = (share * (gap if norm == "l1" else gap.square())).sum()
    return mean if norm == "l1" else mean.sqrt()


def _quantiles(p: Tensor, bins: int) -> Tensor:
    """The values at the cuts between `bins` runs of equal length, [bins - 1]."""
    cuts = [i * len(p) // bins for i in range(1, bins)]
    if p.device.type == "cpu":  # numpy sorts several times faster
        return torch.from_numpy(np.sort(p.detach().numpy())[cuts])
    return p.detach().sort().values[cuts]
