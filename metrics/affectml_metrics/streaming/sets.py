"""Streaming metrics on sets: preds and target are 0/1 [N, C]."""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from affectml_metrics._errors import one_of
from affectml_metrics._inputs import ArrayLike, as_tensor
from affectml_metrics.functional import sets as F
from affectml_metrics.streaming._base import AffectMetric, MetricOptions, RowMetric, number_of_labels, same_labels

_COUNTS = ("hits", "chosen", "right")


class SetF1(RowMetric):
    """Mean example-based F1 of the rows; see `functional.set_f1`.

    >>> from affectml_metrics import SetF1
    >>> metric = SetF1()
    >>> metric.update([[1, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0]])
    >>> metric.compute()
    tensor(0.8333, dtype=torch.float64)
    """

    def __init__(self, *, both_empty: float = 1.0, one_empty: float = 0.0, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"both_empty": both_empty, "one_empty": one_empty}, options)


class SetPrecision(RowMetric):
    """Mean share of predicted labels that are right; see `functional.set_precision`."""

    def __init__(self, *, both_empty: float = 1.0, one_empty: float = 0.0, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"both_empty": both_empty, "one_empty": one_empty}, options)


class SetRecall(RowMetric):
    """Mean share of right labels that were predicted; see `functional.set_recall`."""

    def __init__(self, *, both_empty: float = 1.0, one_empty: float = 0.0, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"both_empty": both_empty, "one_empty": one_empty}, options)


class SetJaccard(RowMetric):
    """Mean Jaccard index of the rows; see `functional.set_jaccard`."""

    def __init__(self, *, both_empty: float = 1.0, one_empty: float = 0.0, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"both_empty": both_empty, "one_empty": one_empty}, options)


class ExactMatch(RowMetric):
    """Share of rows whose two sets are the same; see `functional.exact_match`."""

    def __init__(self, **options: Unpack[MetricOptions]) -> None:
        super().__init__({}, options)


class HammingLoss(RowMetric):
    """Mean share of labels on which the sets differ; see `functional.hamming_loss`."""

    def __init__(self, **options: Unpack[MetricOptions]) -> None:
        super().__init__({}, options)


class SemanticSetF1(RowMetric):
    """Mean F1 with partial credit for close labels; see `functional.semantic_set_f1`."""

    def __init__(
        self,
        similarity: ArrayLike,
        *,
        both_empty: float = 1.0,
        one_empty: float = 0.0,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__(
            {"similarity": as_tensor(similarity, "similarity"), "both_empty": both_empty, "one_empty": one_empty},
            options,
        )


class LabelF1(AffectMetric):
    """F1 of each label over all rows, and its averages; see `functional.label_f1`. Keeps three sums a label.

    >>> from affectml_metrics import LabelF1
    >>> metric = LabelF1(num_labels=2)
    >>> metric.update([[1, 0], [1, 1]], [[1, 0], [0, 1]])
    >>> metric.compute()
    tensor(0.8333, dtype=torch.float64)
    """

    def __init__(
        self,
        num_labels: int,
        *,
        average: F.Average = "macro",
        zero_division: float = 0.0,
        **options: Unpack[MetricOptions],
    ) -> None:
        one_of("average", average, ("micro", "macro", "weighted", "none"))
        super().__init__({"num_labels": num_labels, "average": average, "zero_division": zero_division}, options)
        self.average: F.Average = average
        self.zero_division = zero_division
        for name in _COUNTS:
            self._add_sum(name, number_of_labels(num_labels))

    def update(self, preds: ArrayLike, target: ArrayLike) -> None:
        """Add a batch of 0/1 [N, C]. Raises MetricInputError."""
        counts = F.label_counts(preds, target)
        same_labels(counts[0], self._sum("hits"))
        for name, count in zip(_COUNTS, counts, strict=True):
            self._increase(name, count)

    def compute(self) -> Tensor:
        """The average, 0-dim float64, or [C] with average="none"."""
        hits, chosen, right = (self._sum(name) for name in _COUNTS)
        return F.label_f1_from_counts(hits, chosen, right, average=self.average, zero_division=self.zero_division)
