"""Streaming metrics on rates: preds and target are [N, C] in [0, 1], each label a question of its own."""

from typing import Literal, Unpack

from torch import Tensor

from affectml_metrics._asked import marked, pair_asked
from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional import rates as F
from affectml_metrics.functional.calibration import DOMAINS, Activation, Norm
from affectml_metrics.functional.disagreement import Correlation
from affectml_metrics.streaming._base import (
    CrossEntropyMetric,
    EntropyErrorMetric,
    JensenShannonMetric,
    LabelSums,
    MetricOptions,
    PairMetric,
    RowMetric,
    SoftMetric,
)

__all__ = [
    "BinomialLogLikelihood",
    "LabelCalibrationError",
    "RateBrierScore",
    "RateCrossEntropy",
    "RateEntropyCorrelation",
    "RateEntropyError",
    "RateJSDivergence",
    "RateKLDivergence",
    "RateManhattan",
    "RateTotalVariation",
    "SoftF1",
    "SquaredCalibrationError",
]


class RateCrossEntropy(CrossEntropyMetric):
    """Mean binary cross-entropy over labels and rows; see `functional.rate_cross_entropy`.

    >>> import torch
    >>> from affectml_metrics import RateCrossEntropy
    >>> metric = RateCrossEntropy(from_logits=True)
    >>> metric.update(torch.zeros(1, 2), torch.tensor([[0.2, 1.0]]))
    >>> metric.compute()
    tensor(0.6931, dtype=torch.float64)
    """


class RateKLDivergence(CrossEntropyMetric):
    """Mean KL divergence of (yes, no) pairs; see `functional.rate_kl_divergence`."""


class RateBrierScore(SoftMetric):
    """Mean squared difference of rates; see `functional.rate_brier_score`."""


class RateManhattan(SoftMetric):
    """Mean Manhattan distance of (yes, no) pairs; see `functional.rate_manhattan`."""


class RateTotalVariation(SoftMetric):
    """Mean total variation of (yes, no) pairs; see `functional.rate_total_variation`."""


class RateJSDivergence(JensenShannonMetric):
    """Mean Jensen-Shannon divergence of (yes, no) pairs; see `functional.rate_js_divergence`."""


class RateEntropyError(EntropyErrorMetric):
    """Mean difference of the entropies of (yes, no) pairs; see `functional.rate_entropy_error`."""


class RateEntropyCorrelation(PairMetric):
    """Correlation of each label's entropies, and its mean; see `functional.rate_entropy_correlation`. Keeps all rows.

    >>> from affectml_metrics import RateEntropyCorrelation
    >>> metric = RateEntropyCorrelation()
    >>> metric.update([[0.0, 0.8], [0.5, 0.5], [0.2, 0.1]], [[1.0, 0.2], [0.5, 0.5], [0.8, 0.9]])
    >>> metric.compute().round(decimals=4)
    tensor(1., dtype=torch.float64)
    """

    _depends_on = ("from_logits",)

    def __init__(
        self,
        *,
        method: Correlation = "pearson",
        average: Literal["macro", "none"] = "macro",
        from_logits: bool = False,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"method": method, "average": average, "from_logits": from_logits}, options)

    def _checked(self, preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
        p, t, asked = pair_asked(preds, target, "scores" if self.config["from_logits"] else "rates", "rates")
        return p, marked(t, asked)


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
        self._add(type(self)._function(preds, target, n, **self.config), weights)


class SoftF1(LabelSums):
    """F1 with shared mass in place of hits, over all rows; see `functional.soft_f1`. Keeps three sums a label.

    >>> import torch
    >>> from affectml_metrics import SoftF1
    >>> metric = SoftF1(num_labels=2)
    >>> metric.update(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 1.0]]))
    >>> metric.compute()
    tensor(0.8000, dtype=torch.float64)
    """

    _depends_on = ("num_labels", "from_logits")
    _sums = ("shared", "mass", "rows")

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
        super().__init__({"num_labels": num_labels, **choices}, options)
        self.average: F.Average = average
        self.zero_division, self.from_logits = zero_division, from_logits

    def update(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Add a batch of rates [N, C]; weights: [N], how often each row counts. Raises MetricInputError."""
        self._add(F.soft_counts(preds, target, from_logits=self.from_logits, weights=weights))

    def compute(self) -> Tensor:
        """The average, 0-dim float64, or [C] with average="none"; nan where no row was seen."""
        return F.soft_f1_from_counts(*self._added(), average=self.average, zero_division=self.zero_division)


class RatePairs(PairMetric):
    """Keeps raw predictions, so that the states depend only on what makes rates of them, whatever the figure."""

    _family = "rate_pairs"
    _depends_on = ("from_logits", "activation")

    def _checked(self, preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
        activation = self.config["activation"] if self.config["from_logits"] else None
        p, t, asked = pair_asked(preds, target, DOMAINS[activation], "rates")
        return p, marked(t, asked)


class LabelCalibrationError(RatePairs):
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


class SquaredCalibrationError(RatePairs):
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
