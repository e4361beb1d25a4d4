"""Each label as a question of its own over the table: F1, precision, recall, specificity, MCC.

preds and target are 0/1 [N, C]; with `threshold`, preds are rates, and a label is in from that rate on; -1 in the
target is a cell that nobody was asked about, and does not count. All come from four sums a label: rows on which it is
predicted and right (hits), predicted (chosen), right, and rows. Their averages: "macro" is the mean over labels,
"weighted" weighs labels by how often they are right, "micro" counts all cells as one label, "none" returns [C]. A label
without any row (nobody was asked about it, or every row weighs 0) has no figure: it is nan, and no average counts it.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from affectml_metrics._errors import one_of, real_number
from affectml_metrics._inputs import ArrayLike, pair_asked, row_weights, wide
from affectml_metrics.functional.rows import Sums

__all__ = ["label_f1", "label_mcc", "label_precision", "label_recall", "label_specificity"]

Average = Literal["micro", "macro", "weighted", "none"]
AVERAGES: tuple[Average, ...] = ("micro", "macro", "weighted", "none")

Ratio = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From hits, chosen, right and rows to numerator and denominator."""


def label_f1(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    average: Average = "macro",
    zero_division: float = 0.0,
    threshold: float | None = None,
    weights: ArrayLike | None = None,
) -> Tensor:
    """F1 of each label over the table, 2 TP / (2 TP + FP + FN), and its averages, in [0, 1].

    preds, target: 0/1 [N, C]. average: "macro" is the mean of the labels' F1 (not the F1 of mean precision and mean
    recall, which can differ much: Opitz & Burst 2019), "weighted" weighs labels by how often they are right, "micro"
    counts all cells as one label, "none" returns [C]. Otherwise a 0-dim float64 tensor. A label neither predicted nor
    right gets `zero_division`; nan leaves it out of the averages. weights: [N], how often each row counts. Raises
    MetricInputError.

    >>> label_f1([[1, 0], [1, 1]], [[1, 0], [0, 1]])
    tensor(0.8333, dtype=torch.float64)
    """
    counts = label_counts(preds, target, weights, threshold=threshold)
    return averaged(f1, counts, average=average, zero_division=zero_division)


def label_precision(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    average: Average = "macro",
    zero_division: float = 0.0,
    threshold: float | None = None,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Share of the rows with a predicted label on which it is right, TP / (TP + FP), in [0, 1].

    preds, target: 0/1 [N, C]; weights: [N], how often each row counts. Returns a 0-dim float64 tensor, or [C] with
    average="none". A label that is never predicted gets `zero_division`; nan leaves it out of the averages. The same as
    scikit-learn's precision_score. Raises MetricInputError.

    >>> label_precision([[1, 0], [1, 1]], [[1, 0], [0, 1]], average="none")
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    counts = label_counts(preds, target, weights, threshold=threshold)
    return averaged(precision, counts, average=average, zero_division=zero_division)


def label_recall(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    average: Average = "macro",
    zero_division: float = 0.0,
    threshold: float | None = None,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Share of the rows with a right label on which it is predicted, TP / (TP + FN), in [0, 1].

    Arguments as in `label_precision`, [N, C]. A label that is never right gets `zero_division`. The same as
    scikit-learn's recall_score. Raises MetricInputError.

    >>> label_recall([[1, 0], [1, 1]], [[1, 0], [0, 1]], average="none")
    tensor([1., 1.], dtype=torch.float64)
    """
    counts = label_counts(preds, target, weights, threshold=threshold)
    return averaged(recall, counts, average=average, zero_division=zero_division)


def label_specificity(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    average: Average = "macro",
    zero_division: float = 0.0,
    threshold: float | None = None,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Share of the rows without a right label on which it is not predicted, TN / (TN + FP), in [0, 1].

    Arguments as in `label_precision`, [N, C]. A label that is right on every row gets `zero_division`. The same as
    torchmetrics' multilabel_specificity. Raises MetricInputError.

    >>> label_specificity([[1, 0], [1, 1]], [[1, 0], [0, 1]], average="none")
    tensor([0., 1.], dtype=torch.float64)
    """
    counts = label_counts(preds, target, weights, threshold=threshold)
    return averaged(specificity, counts, average=average, zero_division=zero_division)


def label_mcc(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    average: Average = "macro",
    zero_division: float = 0.0,
    threshold: float | None = None,
    weights: ArrayLike | None = None,
) -> Tensor:
    """Matthews' correlation of predicted and right, in [-1, 1]; 0 is chance whatever the prevalence.

    Arguments as in `label_precision`, [N, C]. A label that is always or never predicted, or always or never right,
    correlates with nothing and gets `zero_division`; 0 as in scikit-learn's matthews_corrcoef (torchmetrics gives other
    figures there, and adds up in float32). "micro" is torchmetrics' multilabel form. Source: Matthews 1975. Raises
    MetricInputError.

    >>> label_mcc([[1, 0], [1, 1], [0, 0]], [[1, 0], [0, 1], [0, 0]], average="none")
    tensor([0.5000, 1.0000], dtype=torch.float64)
    """
    counts = label_counts(preds, target, weights, threshold=threshold)
    return averaged(mcc, counts, average=average, zero_division=zero_division)


def label_counts(
    preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None, *, threshold: float | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """True positives, predicted positives, right answers and rows asked of each label: four float64 [C].

    preds, target: 0/1 [N, C]; weights: [N], how often each row counts. Raises MetricInputError.

    >>> label_counts([[1, 0], [1, 1]], [[1, 0], [0, 1]])[1]
    tensor([2., 1.], dtype=torch.float64)
    """
    p, t, asked = pair_asked(preds, target, "labels", "labels", threshold)
    w = row_weights(weights, p)
    dtype = wide(p.device)
    if w is not None:
        hits, chosen, right = (w @ x.to(dtype) for x in (p & t, p, t))
        rows = w.sum().expand_as(hits) if asked is None else w @ asked.to(dtype)
        return hits, chosen, right, rows
    hits, chosen, right = (x.sum(0, dtype=torch.int32).to(dtype) for x in (p & t, p, t))
    rows = torch.full_like(hits, len(p)) if asked is None else asked.sum(0).to(dtype)
    return hits, chosen, right, rows


def label_columns(preds: ArrayLike, target: ArrayLike, *, threshold: float | None = None) -> Tensor:
    """What each row adds to the sums of `label_counts`, bool [N, 4 C]."""
    p, t, asked = pair_asked(preds, target, "labels", "labels", threshold)
    return torch.cat([p & t, p, t, torch.ones_like(p) if asked is None else asked], dim=1)


def sums_of(ratio: Ratio) -> Sums:
    """A metric of this file by its sums."""
    return Sums(label_columns, lambda sums, **more: averaged(ratio, sums.chunk(4, dim=1), **more), label_counts)


def f1(hits: Tensor, chosen: Tensor, right: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of `label_f1`."""
    return 2 * hits, chosen + right


def precision(hits: Tensor, chosen: Tensor, right: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of `label_precision`."""
    return hits, chosen


def recall(hits: Tensor, chosen: Tensor, right: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of `label_recall`."""
    return hits, right


def specificity(hits: Tensor, chosen: Tensor, right: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of `label_specificity`."""
    return _without(rows, right + chosen - hits), _without(rows, right)


def mcc(hits: Tensor, chosen: Tensor, right: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of `label_mcc`."""
    # root by root: the product of four counts would leave float64's exact whole numbers
    spread = (chosen * _without(rows, chosen)).sqrt() * (right * _without(rows, right)).sqrt()
    return rows * hits - chosen * right, spread


def averaged(
    ratio: Ratio, counts: Sequence[Tensor], *, average: Average = "macro", zero_division: float = 0.0
) -> Tensor:
    """A ratio of the four sums, each [..., C], and its average over labels; leading dimensions are replicates."""
    one_of("average", average, AVERAGES)
    undefined = real_number("zero_division", zero_division, -1 if ratio is mcc else 0, 1, nan=True)
    hits, chosen, right, rows = (x.sum(-1) for x in counts) if average == "micro" else counts
    top, bottom = ratio(hits, chosen, right, rows)
    value = (top / bottom).masked_fill(bottom == 0, undefined).masked_fill(rows == 0, torch.nan)
    if average == "macro":
        return value.nanmean(-1)
    if average == "weighted":
        support = right.masked_fill(value.isnan(), 0.0)
        total = support.sum(-1)
        mean = (value.nan_to_num() * support).sum(-1) / total
        return mean.masked_fill(total == 0, undefined).masked_fill((rows == 0).all(-1), torch.nan)
    return value


def _without(rows: Tensor, counted: Tensor) -> Tensor:
    """Rows that are not counted; what the rounding of weighted sums leaves of none is none."""
    rest = rows - counted
    return rest.masked_fill(rest <= 1e-12 * rows, 0.0)
