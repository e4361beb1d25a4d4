"""Streaming forms of the information contrast model."""

from typing import Unpack

from torch import Tensor

from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional.calibration import Activation
from affectml_metrics.functional.information import Parts, icm_from_counts
from affectml_metrics.functional.labels import label_counts
from affectml_metrics.streaming._base import LabelSums, MetricOptions
from affectml_metrics.streaming.rates import RatePairs

__all__ = ["ICM", "ICMSoft"]


class ICM(LabelSums):
    """Information contrast of sets over all rows; see `functional.icm`. Keeps four sums a label.

    >>> from affectml_metrics import ICM
    >>> metric = ICM(num_labels=2)
    >>> metric.update([[1, 0], [1, 1]], [[1, 0], [0, 1]])
    >>> metric.compute()
    tensor(0.5000, dtype=torch.float64)
    """

    _family = "label_counts"
    _depends_on = ("num_labels", "threshold")
    _sums = ("hits", "chosen", "right", "rows")

    def __init__(
        self,
        num_labels: int,
        *,
        normalised: bool = False,
        average: Parts = "sum",
        threshold: float | None = None,
        **options: Unpack[MetricOptions],
    ) -> None:
        config = {"num_labels": num_labels, "normalised": normalised, "average": average, "threshold": threshold}
        super().__init__(config, options)
        self.normalised, self.threshold = normalised, threshold
        self.average: Parts = average

    def update(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Add a batch of 0/1 [N, C], rates as preds with a threshold; weights: [N]. Raises MetricInputError."""
        self._add(label_counts(preds, target, weights, threshold=self.threshold))

    def compute(self) -> Tensor:
        """Bits a row, 0-dim float64, or [C] with average="none"; nan where no row was seen."""
        return icm_from_counts(*self._added(), normalised=self.normalised, average=self.average)


class ICMSoft(RatePairs):
    """Information contrast of shares over all rows; see `functional.icm_soft`. Keeps all rows."""

    def __init__(
        self,
        *,
        normalised: bool = False,
        average: Parts = "sum",
        from_logits: bool = False,
        activation: Activation = "sigmoid",
        **options: Unpack[MetricOptions],
    ) -> None:
        config = {"normalised": normalised, "average": average, "from_logits": from_logits, "activation": activation}
        super().__init__(config, options)
