"""Over the table, for each label: are the rows people gave it to ranked before the others?"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from affectml_metrics._asked import pair_asked
from affectml_metrics._inputs import ArrayLike, row_weights, wide
from affectml_metrics._options import one_of, share
from affectml_metrics.functional.labels import AVERAGES, Average

__all__ = ["label_auroc", "mean_average_precision"]


def mean_average_precision(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    average: Average = "macro",
    no_labels: float = math.nan,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Average precision of each label over the rows, and its mean over labels.

    AP = sum over thresholds of (recall step) x precision, no interpolation; rows with one score share a threshold.

    preds: scores [N, C]; target: 0/1 [N, C]; weights: [N], how often each row counts. Returns a 0-dim float64 tensor
    in (0, 1] (average "macro", "weighted" by positives, or "micro": all cells as one ranking), or [C] ("none"). A
    label nobody chose is `no_labels`; nan leaves it out of the mean (scikit-learn counts it as 0). The same as
    scikit-learn's average_precision_score. Needs all rows at once. Source: Everingham et al. 2010 (area without
    interpolation). Raises MetricInputError.

    >>> mean_average_precision([[0.9, 0.2], [0.4, 0.8], [0.6, 0.1]], [[1, 0], [1, 1], [0, 0]])
    tensor(0.9167, dtype=torch.float64)
    """
    return _over_labels(_average_precision, preds, target, average, no_labels, weights)


def prepared_average_precision(preds: Tensor, target: Tensor) -> Callable[[Tensor], Tensor]:
    """`mean_average_precision(preds, target, average="none", weights=...)` for many weights: rows are sorted once.

    preds: scores [N, C]; target: 0/1 [N, C]. Returns a function of row weights, float64 [N], that gives [C]; nan for a
    label that no row of weight has.
    """
    rows = len(preds)
    ordered, index = preds.sort(dim=0, descending=True)
    hits = target.gather(0, index).double()
    last = torch.ones_like(target, dtype=torch.bool)
    last[:-1] = ordered[1:] != ordered[:-1]
    places = torch.arange(rows)[:, None].expand_as(index)
    ends = places.masked_fill(~last, rows).flip(0).cummin(0).values.flip(0)  # where each run of equal scores ends

    def of(weights: Tensor) -> Tensor:
        w = weights[index]
        right = hits * w
        true, seen = right.cumsum(0).gather(0, ends), w.cumsum(0).gather(0, ends)
        return (right * true / seen.masked_fill(seen == 0, 1.0)).sum(dim=0) / right.sum(dim=0)

    return of


def label_auroc(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    average: Average = "macro",
    no_labels: float = math.nan,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Area under the ROC curve of each label over the rows, and its mean over labels.

    The chance that a row with the label has a higher score than one without it, where a tie counts half.

    preds: scores [N, C]; target: 0/1 [N, C]; weights: [N], how often each row counts. Returns a 0-dim float64 tensor in
    [0, 1] (averages as in `mean_average_precision`), or [C] ("none"). A label that nobody chose, or everybody, is
    `no_labels`; nan leaves it out of the mean (scikit-learn warns and returns nan, torchmetrics counts 0). The same as
    scikit-learn's roc_auc_score. Needs all rows at once. Source: Hanley & McNeil 1982. Raises MetricInputError.

    >>> label_auroc([[0.9, 0.2], [0.4, 0.8], [0.6, 0.1]], [[1, 0], [1, 1], [0, 0]], average="none")
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    return _over_labels(_area, preds, target, average, no_labels, weights)


def _over_labels(
    metric: Callable[[Tensor, Tensor], Tensor],
    preds: ArrayLike,
    target: ArrayLike,
    average: Average,
    no_labels: float,
    weights: ArrayLike | None,
) -> Tensor:
    """A metric of a label's curve, averaged; where it is nan it is `no_labels`."""
    one_of("average", average, AVERAGES)
    no_labels = share("no_labels", no_labels)
    p, t, asked = pair_asked(preds, target, "scores", "labels")
    w = row_weights(weights, p)
    each = None if w is None else w[:, None].expand(p.shape)
    if asked is not None:
        each = asked.to(wide(p.device)) if each is None else each * asked
    if average == "micro":
        p, t, each = p.reshape(-1, 1), t.reshape(-1, 1), None if each is None else each.reshape(-1, 1)
    curves = [_curve(p[:, c], t[:, c], None if each is None else each[:, c]) for c in range(p.shape[1])]
    value = torch.stack([metric(true, seen) for true, seen in curves])
    seen = torch.stack([rows[-1] if len(rows) else rows.sum() for _, rows in curves])
    value = torch.where(value.isnan() & (seen > 0), torch.full_like(value, no_labels), value)  # of no rows it stays nan
    if average == "none":
        return value
    if average == "weighted":
        support = torch.stack([true[-1] if len(true) else true.sum() for true, _ in curves])
        return (value.nan_to_num() * support).sum() / support.masked_fill(value.isnan(), 0.0).sum()
    return value.nanmean()


def _curve(scores: Tensor, target: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Right rows and all rows at or above each distinct score, from the highest down: two wide floats [thresholds]."""
    dtype = wide(scores.device)
    ordered, index = scores.sort(descending=True)
    w = torch.ones_like(ordered, dtype=dtype) if weights is None else weights[index]
    hits = target[index].to(dtype) * w
    ends = torch.ones_like(target)
    ends[:-1] = ordered[1:] != ordered[:-1]  # the last row of each run of equal scores
    return hits.cumsum(0)[ends], w.cumsum(0)[ends]


def _average_precision(true: Tensor, seen: Tensor) -> Tensor:
    if not len(true):
        return true.new_full((), torch.nan)
    steps = torch.diff(true, prepend=true.new_zeros(1))
    precision = true / seen.masked_fill(seen == 0, 1.0)
    return (steps * precision).sum() / true[-1]


def _area(true: Tensor, seen: Tensor) -> Tensor:
    if not len(true):
        return true.new_full((), torch.nan)
    nothing = true.new_zeros(1)
    hits, alarms = torch.cat([nothing, true]), torch.cat([nothing, seen - true])
    return torch.trapezoid(hits, alarms) / (hits[-1] * alarms[-1])
