"""Streaming metrics that the study of human label variation uses, under the names it uses."""

from __future__ import annotations

from typing import Unpack

from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional import label_variation as F
from affectml_metrics.streaming._base import MetricOptions, RowMetric

__all__ = ["POJSD", "ErrorRate", "ManhattanDistance", "NormalisedAbsoluteDistance", "RatePOJSD"]


class ManhattanDistance(RowMetric):
    """Average Manhattan distance of the shares; see `functional.manhattan_distance`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class POJSD(RowMetric):
    """Mean positively oriented Jensen-Shannon divergence; see `functional.po_jsd`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class RatePOJSD(RowMetric):
    """Mean positively oriented Jensen-Shannon divergence of (yes, no) pairs; see `functional.rate_po_jsd`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class ErrorRate(RowMetric):
    """Average error rate of what was predicted for each person; see `functional.error_rate`.

    >>> from affectml_metrics import ErrorRate
    >>> metric = ErrorRate()
    >>> metric.update([[1, 0, 1]], [[1, 1, 1]], [[1, 1, 0]])
    >>> metric.compute()
    tensor(0.5000, dtype=torch.float64)
    """

    def __init__(self, **options: Unpack[MetricOptions]) -> None:
        super().__init__({}, options)

    def update(  # type: ignore[override]
        self, preds: ArrayLike, target: ArrayLike, asked: ArrayLike | None = None, weights: ArrayLike | None = None
    ) -> None:
        """Add a batch: [N, A] or [N, A, C], who was asked [N, A], and how often rows count [N]."""
        self._add(F.error_rate(preds, target, asked), weights)


class NormalisedAbsoluteDistance(RowMetric):
    """Average normalised absolute distance on an ordinal scale; see `functional.normalised_absolute_distance`."""

    def __init__(self, scale: float, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"scale": scale}, options)
        self.scale = scale

    def update(  # type: ignore[override]
        self, preds: ArrayLike, target: ArrayLike, asked: ArrayLike | None = None, weights: ArrayLike | None = None
    ) -> None:
        """Add a batch of answers [N, A], who was asked [N, A], and how often rows count [N]."""
        self._add(F.normalised_absolute_distance(preds, target, asked, scale=self.scale), weights)
