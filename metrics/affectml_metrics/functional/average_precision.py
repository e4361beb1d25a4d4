"""Mean average precision over the table: for each label, are the rows people gave it to ranked first?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from affectml_metrics._errors import one_of
from affectml_metrics._inputs import ArrayLike, pair, row_weights, wide
from affectml_metrics.functional.sets import Average


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
    one_of("average", average, ("micro", "macro", "weighted", "none"))
    p, t = pair(preds, target, "scores", "labels")
    w = row_weights(weights, p)
    if average == "micro":
        w = None if w is None else w.repeat_interleave(p.shape[1])
        p, t = p.reshape(-1, 1), t.reshape(-1, 1)
    scores, positives = zip(*(_one_label(p[:, c], t[:, c], w) for c in range(p.shape[1])), strict=True)
    ap, support = torch.stack(scores), torch.stack(positives)
    ap = ap.masked_fill(support == 0, no_labels)
    if average == "none":
        return ap
    if average == "weighted":
        return (ap.nan_to_num() * support).sum() / support.masked_fill(ap.isnan(), 0.0).sum()
    return ap.nanmean()


def _one_label(scores: Tensor, target: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    dtype = wide(scores.device)
    ordered, index = scores.sort(descending=True)
    w = torch.ones_like(ordered, dtype=dtype) if weights is None else weights[index]
    hits = target[index].to(dtype) * w
    true, seen = hits.cumsum(0), w.cumsum(0)
    if not len(true):
        return true.sum(), true.sum()
    ends = torch.ones_like(target)
    ends[:-1] = ordered[1:] != ordered[:-1]  # the last row of each run of equal scores
    true, seen = true[ends], seen[ends]
    steps = torch.diff(true, prepend=true.new_zeros(1))
    precision = true / seen.masked_fill(seen == 0, 1.0)
    return (steps * precision).sum() / true[-1], true[-1]
