"""The information contrast model (ICM): what a prediction and people's answer share, less what only one says, in bits.

A label says as much as it is rare in the target: an answer IC(A) as much as its labels together, and
ICM(P, Y) = 2 IC(P) + 2 IC(Y) - 3 IC(P or Y). So a label that both have counts once for it, a label that one of them
has counts once against it, and what everybody says counts little. Labels are flat here: no label is part of another.
All is over the table, label by label: the mean over the rows asked about a label, then the sum over labels.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from affectml_metrics._errors import one_of
from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional.calibration import Activation, rates_asked
from affectml_metrics.functional.labels import label_columns, label_counts
from affectml_metrics.functional.rows import Sums

__all__ = ["icm", "icm_soft"]

Parts = Literal["sum", "none"]

_LOST = -54 * math.log(2)  # below this logarithm, a chance is lost in 1 - (1 - chance)
_STILL = 1e-12  # shares that differ by less do not differ


def icm(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    normalised: bool = False,
    average: Parts = "sum",
    threshold: float | None = None,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Information contrast of predicted and right sets, in bits a row; a label says -log2 of its share of the rows.

    preds, target: 0/1 [N, C]; with `threshold` preds are rates. Returns a 0-dim float64 tensor, below the mean IC of
    the right sets (which right predictions get) and without a lower end; empty predictions get that mean below 0, and
    what a label brings is [C] with average="none". normalised: from 0, the negative of the best (and all below it), to
    1; nan where no right set says anything. A label that is never right says log2 N, as if it were right once. weights:
    [N], how often each row counts. Source: Amigó & Delgado 2022. Raises MetricInputError.

    >>> icm([[1, 0], [1, 1]], [[1, 0], [0, 1]])  # each label says 1 bit: (1 - 1 + 1) / 2
    tensor(0.5000, dtype=torch.float64)
    """
    counts = label_counts(preds, target, weights, threshold=threshold)
    return icm_from_counts(counts, normalised=normalised, average=average)


def icm_from_counts(counts: Sequence[Tensor], *, normalised: bool = False, average: Parts = "sum") -> Tensor:
    """`icm` from the four sums of `label_counts`, each [..., C]; leading dimensions are replicates."""
    hits, chosen, right, rows = counts
    bits = (rows / right.masked_fill(right == 0, 1.0)).log2() / rows
    return _over_labels(bits * (3 * hits - chosen - right), bits * right, normalised, average)


CONTRAST = Sums(label_columns, lambda sums, **more: icm_from_counts(sums.chunk(4, dim=1), **more), label_counts)


def icm_soft(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    normalised: bool = False,
    average: Parts = "sum",
    from_logits: bool = False,
    activation: Activation = "sigmoid",
    weights: ArrayLike | None = None,
) -> Tensor:
    """`icm` of shares: a label's share v says -log2 of the chance that an image has v or more, in bits a row.

    The chance is that of a normal distribution with the mean and the mean absolute deviation of the label's shares in
    the target, 1/N where it is below 2^-54; of a label whose shares are all one, 1 up to it and 1/N above. A share of 0
    says nothing. The union takes the larger of two shares.

    preds, target: rates [N, C] (a distribution will do); from_logits: preds are raw outputs, through the sigmoid or
    softmax of `activation`. Returns a 0-dim float64 tensor, or [C] with average="none"; normalised and weights as in
    `icm`. Needs all rows at once. Source: Amigó & Delgado 2022 on the model, PyEvALL on the distribution. Raises
    MetricInputError.

    >>> people = torch.tensor([[0.2], [0.6], [0.0]])
    >>> icm_soft(people, people), icm_soft(1 - people, people)
    (tensor(1.5328, dtype=torch.float64), tensor(-5.5757, dtype=torch.float64))
    """
    p, t, w, asked = rates_asked(preds, target, from_logits, activation, weights)
    counted = w[:, None] * (torch.ones_like(p) if asked is None else asked)
    rows = counted.sum(0)
    mean = (counted * t).sum(0) / rows
    spread = (counted * (t - mean).abs()).sum(0) / rows
    still = spread < _STILL

    def bits(v: Tensor) -> Tensor:
        above = v - mean
        chance = torch.special.log_ndtr(-above / spread.masked_fill(still, 1.0))
        rare, sure = torch.where(still, above > _STILL, chance < _LOST), still & (above <= _STILL)
        surprise = torch.where(rare, rows.log2(), -chance / math.log(2))
        return surprise.masked_fill(sure | (v == 0), 0.0)

    of_preds, of_target = bits(p), bits(t)
    contrast = 2 * (of_preds + of_target) - 3 * torch.where(p > t, of_preds, of_target)
    value, best = ((counted * x).sum(0) / rows for x in (contrast, of_target))
    return _over_labels(value, best, normalised, average)


def _over_labels(value: Tensor, best: Tensor, normalised: bool, average: Parts) -> Tensor:
    """What labels [..., C] bring, together or each, on the scale that was asked for; nan of a label has no say."""
    one_of("average", average, ("sum", "none"))
    if average == "sum":
        nothing = value.isnan().all(-1)
        value, best = (x.nansum(-1).masked_fill(nothing, torch.nan) for x in (value, best))
    if not normalised:
        return value
    silent = best == 0
    return ((value / best.masked_fill(silent, torch.nan) + 1) / 2).clamp(min=0)
