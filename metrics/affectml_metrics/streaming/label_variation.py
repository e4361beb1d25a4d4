"""Streaming metrics that the study of human label variation uses, under the names it uses."""

from typing import Unpack

import torch
from torch import Tensor

from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional.label_variation import agreement_correlation, answers_of_people
from affectml_metrics.streaming._base import MetricOptions, PairMetric, RowMetric, SoftMetric

__all__ = ["POJSD", "AgreementCorrelation", "ErrorRate", "ManhattanDistance", "NormalisedAbsoluteDistance", "RatePOJSD"]


class ManhattanDistance(SoftMetric):
    """Average Manhattan distance of the shares; see `functional.manhattan_distance`."""


class POJSD(SoftMetric):
    """Mean positively oriented Jensen-Shannon divergence; see `functional.po_jsd`."""


class RatePOJSD(SoftMetric):
    """Mean positively oriented Jensen-Shannon divergence of (yes, no) pairs; see `functional.rate_po_jsd`."""


class _OfPeople(RowMetric):
    """What was predicted for each person, against what that person said."""

    def update(  # type: ignore[override]
        self, preds: ArrayLike, target: ArrayLike, asked: ArrayLike | None = None, weights: ArrayLike | None = None
    ) -> None:
        """Add a batch: answers [N, A] (for `ErrorRate` also [N, A, C]), who was asked [N, A], weights of rows [N]."""
        self._add(type(self)._function(preds, target, asked, **self.config), weights)


class ErrorRate(_OfPeople):
    """Average error rate of what was predicted for each person; see `functional.error_rate`.

    >>> from affectml_metrics import ErrorRate
    >>> metric = ErrorRate()
    >>> metric.update([[1, 0, 1]], [[1, 1, 1]], [[1, 1, 0]])
    >>> metric.compute()
    tensor(0.5000, dtype=torch.float64)
    """

    def __init__(self, **options: Unpack[MetricOptions]) -> None:
        super().__init__({}, options)


class NormalisedAbsoluteDistance(_OfPeople):
    """Average normalised absolute distance on an ordinal scale; see `functional.normalised_absolute_distance`."""

    def __init__(self, scale: float, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"scale": scale}, options)
        self.scale = scale


class AgreementCorrelation(PairMetric):
    """Whether the predicted people agree with each other as the real ones do; see `functional.agreement_correlation`.

    Keeps all rows.

    >>> from affectml_metrics import AgreementCorrelation
    >>> metric = AgreementCorrelation()
    >>> metric.update([[1, 1, 0], [0, 0, 0]], [[1, 1, 0], [0, 0, 0]])
    >>> metric.compute()
    tensor(1., dtype=torch.float64)
    """

    def __init__(self, **options: Unpack[MetricOptions]) -> None:
        super().__init__({}, options)

    def update(  # type: ignore[override]
        self, preds: ArrayLike, target: ArrayLike, asked: ArrayLike | None = None, weights: ArrayLike | None = None
    ) -> None:
        """Add a batch: answers [N, A], who was asked [N, A], weights of rows [N]. Raises MetricInputError."""
        p, t, there = (x[..., 0] for x in answers_of_people(preds, target, asked))
        super().update(p, t.masked_fill(~there, torch.nan), weights)

    def _checked(self, preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
        assert isinstance(preds, Tensor)
        assert isinstance(target, Tensor)
        return preds, target

    def _figure(self, preds: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
        return agreement_correlation(preds, target, ~target.isnan(), weights=weights)
