"""Streaming metrics on sets: preds and target are 0/1 [N, C]."""

from typing import Unpack

from affectml_metrics._inputs import ArrayLike, as_tensor
from affectml_metrics.streaming._base import MetricOptions, RowMetric

__all__ = ["ExactMatch", "HammingLoss", "SemanticSetF1", "SetF1", "SetJaccard", "SetPrecision", "SetRecall"]


class _SetMetric(RowMetric):
    """Each says what an empty set scores."""

    def __init__(
        self,
        *,
        both_empty: float = 1.0,
        one_empty: float = 0.0,
        threshold: float | None = None,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"both_empty": both_empty, "one_empty": one_empty, "threshold": threshold}, options)


class SetF1(_SetMetric):
    """Mean example-based F1 of the rows; see `functional.set_f1`.

    >>> from affectml_metrics import SetF1
    >>> metric = SetF1()
    >>> metric.update([[1, 1, 0], [0, 0, 0]], [[1, 0, 0], [0, 0, 0]])
    >>> metric.compute()
    tensor(0.8333, dtype=torch.float64)
    """


class SetPrecision(_SetMetric):
    """Mean share of predicted labels that are right; see `functional.set_precision`."""


class SetRecall(_SetMetric):
    """Mean share of right labels that were predicted; see `functional.set_recall`."""


class SetJaccard(_SetMetric):
    """Mean Jaccard index of the rows; see `functional.set_jaccard`."""


class ExactMatch(RowMetric):
    """Share of rows whose two sets are the same; see `functional.exact_match`."""

    def __init__(self, *, threshold: float | None = None, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"threshold": threshold}, options)


class HammingLoss(RowMetric):
    """Mean share of labels on which the sets differ; see `functional.hamming_loss`."""

    def __init__(self, *, threshold: float | None = None, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"threshold": threshold}, options)


class SemanticSetF1(RowMetric):
    """Mean F1 with partial credit for close labels; see `functional.semantic_set_f1`."""

    def __init__(
        self,
        similarity: ArrayLike,
        *,
        both_empty: float = 1.0,
        one_empty: float = 0.0,
        threshold: float | None = None,
        **options: Unpack[MetricOptions],
    ) -> None:
        config = {"both_empty": both_empty, "one_empty": one_empty, "threshold": threshold}
        super().__init__({"similarity": as_tensor(similarity, "similarity"), **config}, options)
