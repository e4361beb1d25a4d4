"""Each label as a question of its own over the table: precision, recall, specificity, MCC; F1 is in `sets`.

preds and target are 0/1 [N, C]; with `threshold`, preds are rates, and a label is in from that rate on; -1 in the
target is a cell that nobody was asked about, and does not count. All come from four sums a label: rows on which it is
predicted and right (hits), predicted (chosen), right, and rows. Their averages: "macro" is the mean over labels,
"weighted" weighs labels by how often they are right, "micro" counts all cells as one label, "none" returns [C].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from affectml_metrics._errors import one_of
from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional.sets import Average, label_counts

__all__ = ["label_mcc", "label_precision", "label_recall", "label_specificity"]

AVERAGES: tuple[Average, ...] = ("micro", "macro", "weighted", "none")

Ratio = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From hits, chosen, right and rows to numerator and denominator."""


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
    return averaged(
        precision,
        *label_counts(preds, target, weights, threshold=threshold),
        average=average,
        zero_division=zero_division,
    )


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
    return averaged(
        recall, *label_counts(preds, target, weights, threshold=threshold), average=average, zero_division=zero_division
    )


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
    return averaged(
        specificity,
        *label_counts(preds, target, weights, threshold=threshold),
        average=average,
        zero_division=zero_division,
    )


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
    return averaged(
        mcc, *label_counts(preds, target, weights, threshold=threshold), average=average, zero_division=zero_division
    )


def precision(hits: Tensor, chosen: Tensor, right: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of `label_precision`."""
    return hits, chosen


def recall(hits: Tensor, chosen: Tensor, right: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of `label_recall`."""
    return hits, right


def specificity(hits: Tensor, chosen: Tensor, right: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of `label_specificity`."""
    return rows - right - chosen + hits, rows - right


def mcc(hits: Tensor, chosen: Tensor, right: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of `label_mcc`."""
    # root by root: the product of four counts would leave float64's exact whole numbers
    spread = (chosen * (rows - chosen)).sqrt() * (right * (rows - right)).sqrt()
    return rows * hits - chosen * right, spread


def averaged(
    ratio: Ratio,
    hits: Tensor,
    chosen: Tensor,
    right: Tensor,
    rows: Tensor,
    *,
    average: Average = "macro",
    zero_division: float = 0.0,
) -> Tensor:
    """A ratio of the four sums, each [..., C], and its average over labels; leading dimensions are replicates."""
    one_of("average", average, AVERAGES)
    if average == "micro":
        hits, chosen, right, rows = (x.sum(-1) for x in (hits, chosen, right, rows))
    top, bottom = ratio(hits, chosen, right, rows)
    value = torch.where(bottom == 0, torch.full_like(bottom, zero_division), top / bottom)
    if average == "macro":
        return value.nanmean(-1)
    if average == "weighted":
        support = right.masked_fill(value.isnan(), 0.0)
        total = support.sum(-1)
        mean = (value.nan_to_num() * support).sum(-1) / total
        return torch.where(total == 0, torch.full_like(mean, zero_division), mean)
    return value
