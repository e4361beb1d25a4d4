"""Streaming metrics on rates: preds and target are [N, C] in [0, 1], each label a question of its own."""

from __future__ import annotations

from typing import Literal, Unpack

from torch import Tensor

from affectml_metrics._asked import marked, pair_asked
from affectml_metrics._domains import Domain
from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional import rates as F
from affectml_metrics.functional.calibration import Activation, Norm
from affectml_metrics.functional.logs import Unit
from affectml_metrics.streaming._base import (
    AffectMetric,
    MetricOptions,
    PairMetric,
    RowMetric,
    number_of_labels,
    same_labels,
    try_options,
)

__all__ = [
    "BinomialLogLikelihood",
    "LabelCalibrationError",
    "RateBrierScore",
    "RateCrossEntropy",
    "RateJSDivergence",
    "RateManhattan",
    "SoftF1",
    "SquaredCalibrationError",
]

_COUNTS = ("shared", "mass", "rows")


class RateCrossEntropy(RowMetric):
    """Mean binary cross-entropy over labels and rows; see `functional.rate_cross_entropy`.

    >>> import torch
    >>> from affectml_metrics import RateCrossEntropy
    >>> metric = RateCrossEntropy(from_logits=True)
    >>> metric.update(torch.zeros(1, 2), torch.tensor([[0.2, 1.0]]))
    >>> metric.compute()
    tensor(0.6931, dtype=torch.float64)
    """

    def __init__(
        self,
        *,
        eps: float | None = None,
        unit: Unit = "nats",
        from_logits: bool = False,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"eps": eps, "unit": unit, "from_logits": from_logits}, options)


class RateBrierScore(RowMetric):
    """Mean squared difference of rates; see `functional.rate_brier_score`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class RateManhattan(RowMetric):
    """Mean Manhattan distance of (yes, no) pairs; see `functional.rate_manhattan`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class RateJSDivergence(RowMetric):
    """Mean Jensen-Shannon divergence of (yes, no) pairs; see `functional.rate_js_divergence`."""

    def __init__(
        self,
        *,
        unit: Unit = "nats",
        square_root: bool = False,
        from_logits: bool = False,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"unit": unit, "square_root": square_root, "from_logits": from_logits}, options)


class BinomialLogLikelihood(RowMetric):
    """Mean log-likelihood of the votes; see `functional.binomial_log_likelihood`.

    >>> import torch
    >>> from affectml_metrics import BinomialLogLikelihood
    >>> metric = BinomialLogLikelihood()
    >>> metric.update(torch.tensor([[0.5]]), torch.tensor([[1]]), torch.tensor([2]))
    >>> metric.compute()
    tensor(-0.6931, dtype=torch.float64)
    """

    _tables = 3

    def __init__(
        self, *, eps: float | None = None, from_logits: bool = False, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"eps": eps, "from_logits": from_logits}, options)
        self.eps, self.from_logits = eps, from_logits

    def update(  # type: ignore[override]
        self, preds: ArrayLike, target: ArrayLike, n: ArrayLike, weights: ArrayLike | None = None
    ) -> None:
        """Add a batch: rates [N, C], votes [N, C] as target, people asked [N] or [N, C]. Raises MetricInputError.

        weights: [N], how often each row counts in the mean; 1 by default.
        """
        rows = F.binomial_log_likelihood(preds, target, n, eps=self.eps, from_logits=self.from_logits)
        self._add(rows, weights)


class SoftF1(AffectMetric):
    """F1 with shared mass in place of hits, over all rows; see `functional.soft_f1`. Keeps three sums a label.

    >>> import torch
    >>> from affectml_metrics import SoftF1
    >>> metric = SoftF1(num_labels=2)
    >>> metric.update(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 1.0]]))
    >>> metric.compute()
    tensor(0.8000, dtype=torch.float64)
    """

    _depends_on = ("num_labels", "from_logits")

    def __init__(
        self,
        num_labels: int,
        *,
        average: F.Average = "micro",
        zero_division: float = 0.0,
        from_logits: bool = False,
        **options: Unpack[MetricOptions],
    ) -> None:
        choices = {"average": average, "zero_division": zero_division, "from_logits": from_logits}
        try_options(F.soft_f1, choices)
        super().__init__({"num_labels": num_labels, **choices}, options)
        self.average: F.Average = average
        self.zero_division, self.from_logits = zero_division, from_logits
        for name in _COUNTS:
            self._add_sum(name, number_of_labels(num_labels))

    def update(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Add a batch of rates [N, C]; weights: [N], how often each row counts. Raises MetricInputError."""
        counts = F.soft_counts(preds, target, from_logits=self.from_logits, weights=weights)
        same_labels(counts[0], self._sum("shared"))
        for name, count in zip(_COUNTS, counts, strict=True):
            self._increase(name, count)

    def compute(self) -> Tensor:
        """The average, 0-dim float64, or [C] with average="none"; nan where no row was seen."""
        counts = (self._sum(name) for name in _COUNTS)
        return F.soft_f1_from_counts(*counts, average=self.average, zero_division=self.zero_division)


class _CalibrationError(PairMetric):
    """Keeps raw predictions, so the states of both errors depend only on what makes rates of them."""

    _family = "calibration"
    _depends_on = ("from_logits", "activation")

    def _checked(self, preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
        domain: Domain = "rates"
        if self.config["from_logits"]:
            domain = "logits" if self.config["activation"] == "softmax" else "scores"
        p, t, asked = pair_asked(preds, target, domain, "rates")
        return p, marked(t, asked)


class LabelCalibrationError(_CalibrationError):
    """Calibration error of each label in adaptive bins; see `functional.label_calibration_error`. Keeps all rows."""

    def __init__(
        self,
        *,
        bins: int = 15,
        norm: Norm = "l1",
        average: Literal["macro", "none"] = "macro",
        from_logits: bool = False,
        activation: Activation = "sigmoid",
        **options: Unpack[MetricOptions],
    ) -> None:
        config = {"bins": bins, "norm": norm, "average": average, "from_logits": from_logits, "activation": activation}
        super().__init__(config, options)


class SquaredCalibrationError(_CalibrationError):
    """Squared calibration error without the bias of few rows; see `functional.squared_calibration_error`.

    Keeps all rows.
    """

    def __init__(
        self,
        *,
        bins: int = 15,
        average: Literal["macro", "none"] = "macro",
        from_logits: bool = False,
        activation: Activation = "sigmoid",
        **options: Unpack[MetricOptions],
    ) -> None:
        config = {"bins": bins, "average": average, "from_logits": from_logits, "activation": activation}
        super().__init__(config, options)
