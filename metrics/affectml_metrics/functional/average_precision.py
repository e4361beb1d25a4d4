"""Over the table, for each label: are the rows people gave it to ranked before the others?"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from affectml_metrics._asked import pair_asked
from affectml_metrics._inputs import ArrayLike, row_weights, wide
from affectml_metrics._intervals import Batched
from affectml_metrics._options import one_of, share
from affectml_metrics.functional.labels import AVERAGES, Average

__all__ = ["label_auroc", "mean_average_precision"]

_EXACT = 2**24  # up to there float32 holds every whole number


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


def prepared_average_precision(preds: Tensor, target: Tensor) -> Batched:
    """`mean_average_precision(preds, target, average="none", weights=...)` for many weights: rows are sorted once.

    preds: scores [N, C]; target: 0/1 [N, C], -1 where nobody was asked. Returns a function of row weights, float64 [N],
    that gives [C], and of many, [B, N], that gives [B, C]; nan for a label that no row of weight has.
    """
    return _prepared(preds, target, _Ranked.average_precision)


def prepared_mean_average_precision(preds: Tensor, target: Tensor) -> Batched:
    """The mean of `prepared_average_precision` over labels, 0-dim or [B]."""
    return _prepared(preds, target, _Ranked.average_precision, mean=True)


def prepared_label_auroc(preds: Tensor, target: Tensor) -> Batched:
    """`label_auroc(preds, target, weights=...)` for many weights, as `prepared_mean_average_precision`."""
    return _prepared(preds, target, _Ranked.area, mean=True)


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


def _prepared(
    preds: Tensor, target: Tensor, metric: Callable[[_Ranked, Tensor], Tensor], mean: bool = False
) -> Batched:
    labels = [_Ranked.of(p, t) for p, t in zip(preds.T, target.T, strict=True)]

    def of(weights: Tensor) -> Tensor:
        weights = weights.to(preds.device, wide(preds.device))
        if bool((weights == weights.round()).all()) and float(weights.sum(dim=1).max()) < _EXACT:
            weights = weights.to(torch.float32)  # whole numbers, whose sums are exact
        value = torch.stack([metric(label, weights) for label in labels], dim=1)
        return value.nanmean(dim=1) if mean else value

    return Batched(of)


@dataclass(frozen=True)
class _Ranked:
    """Rows of one label from the highest score down, in runs of equal scores.

    rows: all [n]. right: those that have the label [r]. ends, right_ends: for each of these the last place of its run
    among all and among right ones; starts, right_starts: how many of all and of right ones come before its run.
    """

    rows: Tensor
    right: Tensor
    ends: Tensor
    right_ends: Tensor
    starts: Tensor
    right_starts: Tensor

    @staticmethod
    def of(scores: Tensor, target: Tensor) -> _Ranked:
        asked = (target >= 0).nonzero()[:, 0]
        ordered, order = scores[asked].sort(descending=True)
        rows = asked[order]
        found = target[rows] == 1
        run = torch.zeros_like(rows)
        run[1:] = (ordered[1:] != ordered[:-1]).cumsum(0)
        size = run.bincount()
        right_size = run[found].bincount(minlength=len(size))
        ends, right_ends = size.cumsum(0), right_size.cumsum(0)
        mine = run[found]
        starts, right_starts = (ends - size)[mine], (right_ends - right_size)[mine]
        return _Ranked(rows, rows[found], ends[mine] - 1, right_ends[mine] - 1, starts, right_starts)

    def _at_ends(self, weights: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Weights of the right rows [B, r]; sums over rows and over right ones, up to each place; both at the ends."""
        seen = weights.index_select(1, self.rows).cumsum(1)
        each = weights.index_select(1, self.right)
        true = each.cumsum(1)
        exact = wide(weights.device)
        at_ends = (seen.index_select(1, self.ends).to(exact), true.index_select(1, self.right_ends).to(exact))
        return each.to(exact), seen, true, *at_ends

    def average_precision(self, weights: Tensor) -> Tensor:
        """[B] of weights [B, N]."""
        each, _, _, seen, true = self._at_ends(weights)
        every = each.sum(1)
        return (each * true / seen.masked_fill(seen == 0, 1.0)).sum(1) / every

    def area(self, weights: Tensor) -> Tensor:
        """[B] of weights [B, N]: for each right row the others below it, and half of those beside it."""
        each, all_seen, all_true, seen, true = self._at_ends(weights)
        every = each.sum(1)
        wrong = all_seen[:, -1:].to(every.dtype).sum(1) - every
        before, right_before = (
            sums.index_select(1, (count - 1).clamp(min=0)).masked_fill(count == 0, 0.0).to(every.dtype)
            for sums, count in ((all_seen, self.starts), (all_true, self.right_starts))
        )
        alarms = (seen - true) + (before - right_before)
        return (each * (wrong[:, None] - alarms / 2)).sum(1) / (every * wrong)


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
