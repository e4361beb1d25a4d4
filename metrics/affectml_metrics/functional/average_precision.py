"""Over the table, for each label: are the rows people gave it to ranked before the others?"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from affectml_metrics._errors import one_of, share
from affectml_metrics._inputs import ArrayLike, pair_asked, row_weights, wide
from affectml_metrics.functional.labels import AVERAGES, Average
from affectml_metrics.intervals import Batched

__all__ = ["label_auroc", "mean_average_precision"]

_Area = Callable[[Tensor, Tensor], Tensor]  # under a label's curve, from right rows and rows at or above each score
_EXACT = 2**24  # up to there float32 holds every whole number
_AT_ONCE = 32  # replicates: what they need of one label stays in the cache


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
    scikit-learn's average_precision_score. Needs all rows at once. A label that few rows have reads too high, by about
    .5 / (rows that have it) at the scores of an ordinary model (docs/metrics.md). Source: Everingham et al. 2010 (area
    without interpolation). Raises MetricInputError.

    >>> mean_average_precision([[0.9, 0.2], [0.4, 0.8], [0.6, 0.1]], [[1, 0], [1, 1], [0, 0]])
    tensor(0.9167, dtype=torch.float64)
    """
    return _over_labels(_average_precision, preds, target, average, no_labels, weights)


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


def prepared_ranking(preds: Tensor, target: Tensor, *, area: bool = False, mean: bool = True) -> Batched:
    """`mean_average_precision`, or with `area` `label_auroc`, for many weights: rows are sorted once.

    preds: scores [N, C]; target: 0/1 [N, C], -1 where nobody was asked. The mean over labels, or those of each, [C]
    (mean=False); nan for a label that no row of weight has.
    """
    labels = [_Ranked.of(p, t) for p, t in zip(preds.T, target.T, strict=True)]

    def of(weights: Tensor) -> Tensor:
        table = _replicates(weights.to(preds.device))
        values = [label.area(table) if area else label.average_precision(table) for label in labels]
        return torch.stack(values, dim=1).nanmean(dim=1) if mean else torch.stack(values, dim=1)

    return Batched(of, _AT_ONCE)


def _replicates(weights: Tensor) -> Tensor:
    """Weights [B, N] of B replicates as a table [N, B]: a row is read in one piece for all of them.

    Whole numbers come in float32 where that holds their sums.
    """
    exact = wide(weights.device)
    whole = not weights.is_floating_point() or bool((weights == weights.round()).all())
    narrow = whole and float(weights.sum(dim=1, dtype=exact).max()) < _EXACT
    return weights.to(torch.float32 if narrow else exact).T.contiguous()


@dataclass(frozen=True)
class _Rows:
    """Rows of a table in K runs that follow each other; firsts [K]: where each begins. A run may be empty."""

    rows: Tensor
    firsts: Tensor

    @staticmethod
    def of(rows: Tensor, sizes: Tensor) -> "_Rows":
        return _Rows(rows.int(), (sizes.cumsum(0) - sizes).int())

    def sums(self, table: Tensor) -> Tensor:
        """Of each run, [B, K] of a table [N, B] as `_replicates` makes it."""
        if not len(self.rows):
            return table.new_zeros(table.shape[1], len(self.firsts))
        return torch.nn.functional.embedding_bag(self.rows, table, self.firsts, mode="sum").T.contiguous()


@dataclass(frozen=True)
class _Ranked:
    """Rows of one label from the highest score down, by the K scores that right ones, which have the label, have.

    seen: all rows in K + 1 runs, each down to the last row of such a score, and the rest. right: the right ones of each
    score. tied: the scores that wrong ones have as well. beside: the wrong ones of these.
    """

    seen: _Rows
    right: _Rows
    tied: Tensor
    beside: _Rows

    @staticmethod
    def of(scores: Tensor, target: Tensor) -> "_Ranked":
        asked = (target >= 0).nonzero()[:, 0]
        ordered, order = scores[asked].sort(descending=True)
        rows = asked[order]
        positive = target[rows] == 1
        run = torch.zeros_like(rows)
        run[1:] = (ordered[1:] != ordered[:-1]).cumsum(0)
        size = run.bincount()
        right_size = run[positive].bincount(minlength=len(size))
        some, wrong_size = right_size > 0, size - right_size
        tied = wrong_size[some].nonzero()[:, 0]
        ends = torch.cat([size.cumsum(0)[some], rows.new_tensor([len(rows)])])
        beside = rows[~positive & some[run]]
        return _Ranked(
            _Rows.of(rows, torch.diff(ends, prepend=ends.new_zeros(1))),
            _Rows.of(rows[positive], right_size[some]),
            tied,
            _Rows.of(beside, wrong_size[some][tied]),
        )

    def average_precision(self, table: Tensor) -> Tensor:
        """[B] of weights [N, B]."""
        each, exact = self.right.sums(table), wide(table.device)
        true, seen = (x.cumsum(1, dtype=exact) for x in (each, self.seen.sums(table)))
        least = torch.finfo(exact).tiny  # where none is seen yet, none is right either
        return true.div_(seen[:, :-1].clamp_(min=least)).mul_(each).sum(1) / each.sum(1, dtype=exact)

    def area(self, table: Tensor) -> Tensor:
        """[B] of weights [N, B]: for the right ones of each score the others below it, and half of those beside it."""
        each, seen, exact = self.right.sums(table), self.seen.sums(table), wide(table.device)
        every = each.sum(1, dtype=exact)
        wrong = seen.sum(1, dtype=exact) - every
        alarms = seen[:, :-1].sub_(each).cumsum(1, dtype=exact).mul_(each).sum(1)
        beside = (self.beside.sums(table).to(exact) * each[:, self.tied]).sum(1)
        return 1 - (alarms - 0.5 * beside) / (every * wrong)


def _over_labels(
    metric: _Area, preds: ArrayLike, target: ArrayLike, average: Average, no_labels: float, weights: ArrayLike | None
) -> Tensor:
    """A metric of a label's curve, averaged; where it is nan it is `no_labels`."""
    one_of("average", average, AVERAGES)
    no_labels = share("no_labels", no_labels)
    p, t, asked = pair_asked(preds, target, "scores", "labels")
    w = row_weights(weights, p)
    counted = torch.ones_like(p, dtype=wide(p.device)) if asked is None else asked.to(wide(p.device))
    counted = counted if w is None else counted * w[:, None]
    if average == "micro":
        p, t, counted = (x.reshape(-1, 1) for x in (p, t, counted))
    if not len(p):
        nothing = p.new_full((p.shape[1],), torch.nan, dtype=wide(p.device))
        return nothing if average == "none" else nothing.mean()
    curves = [_curve(*label) for label in zip(*(x.T.contiguous() for x in (p, t, counted)), strict=True)]
    value = torch.stack([metric(true, seen) for true, seen in curves])
    seen = torch.stack([rows[-1] for _, rows in curves])
    value = torch.where(value.isnan() & (seen > 0), torch.full_like(value, no_labels), value)  # of no rows it stays nan
    if average == "none":
        return value
    if average == "weighted":
        support = torch.stack([true[-1] for true, _ in curves])
        return (value.nan_to_num() * support).sum() / support.masked_fill(value.isnan(), 0.0).sum()
    return value.nanmean()


def _curve(scores: Tensor, target: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Right rows and all rows at or above each distinct score, from the highest down: two wide floats [thresholds]."""
    ordered, index = scores.sort(descending=True)
    w = weights[index]
    hits = target[index] * w
    ends = torch.ones_like(target)
    ends[:-1] = ordered[1:] != ordered[:-1]  # the last row of each run of equal scores
    return hits.cumsum(0)[ends], w.cumsum(0)[ends]


def _average_precision(true: Tensor, seen: Tensor) -> Tensor:
    steps = torch.diff(true, prepend=true.new_zeros(1))
    precision = true / seen.masked_fill(seen == 0, 1.0)
    return (steps * precision).sum() / true[-1]


def _area(true: Tensor, seen: Tensor) -> Tensor:
    nothing = true.new_zeros(1)
    hits, alarms = torch.cat([nothing, true]), torch.cat([nothing, seen - true])
    return torch.trapezoid(hits, alarms) / (hits[-1] * alarms[-1])
