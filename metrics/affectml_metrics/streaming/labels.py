"""Streaming metrics of each label over the table: preds and target are 0/1 [N, C]. They keep four sums a label.

All of one `num_labels` keep the same sums, so in a `MetricCollection` they count once.
"""

from collections.abc import Callable
from typing import ClassVar, Unpack

from torch import Tensor

from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional import labels as F
from affectml_metrics.functional.labels import Average, label_counts
from affectml_metrics.streaming._base import LabelSums, MetricOptions

__all__ = ["LabelF1", "LabelMCC", "LabelPrecision", "LabelRecall", "LabelSpecificity"]


class _LabelMetric(LabelSums):
    """A ratio of the four sums of each label; subclasses say which."""

    _family = "label_counts"
    _depends_on = ("num_labels", "threshold")
    _sums = ("hits", "chosen", "right", "rows")
    _ratio: ClassVar[Callable[..., tuple[Tensor, Tensor]]]

    def __init__(
        self,
        num_labels: int,
        *,
        average: Average = "macro",
        zero_division: float = 0.0,
        threshold: float | None = None,
        **options: Unpack[MetricOptions],
    ) -> None:
        config = {"num_labels": num_labels, "average": average, "zero_division": zero_division, "threshold": threshold}
        super().__init__(config, options)
        self.threshold = threshold
        self.average: Average = average
        self.zero_division = zero_division

    def update(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Add a batch of 0/1 [N, C], rates as preds with a threshold; weights: [N]. Raises MetricInputError."""
        self._add(label_counts(preds, target, weights, threshold=self.threshold))

    def compute(self) -> Tensor:
        """The average, 0-dim float64, or [C] with average="none"; nan where no row was seen."""
        return F.averaged(type(self)._ratio, *self._added(), average=self.average, zero_division=self.zero_division)


class LabelF1(_LabelMetric):
    """F1 of each label over all rows, and its averages; see `functional.label_f1`.

    >>> from affectml_metrics import LabelF1
    >>> metric = LabelF1(num_labels=2)
    >>> metric.update([[1, 0], [1, 1]], [[1, 0], [0, 1]])
    >>> metric.compute()
    tensor(0.8333, dtype=torch.float64)
    """

    _ratio = staticmethod(F.f1)


class LabelPrecision(_LabelMetric):
    """Precision of each label over all rows, and its averages; see `functional.label_precision`."""

    _ratio = staticmethod(F.precision)


class LabelRecall(_LabelMetric):
    """Recall of each label over all rows, and its averages; see `functional.label_recall`."""

    _ratio = staticmethod(F.recall)


class LabelSpecificity(_LabelMetric):
    """Specificity of each label over all rows, and its averages; see `functional.label_specificity`."""

    _ratio = staticmethod(F.specificity)


class LabelMCC(_LabelMetric):
    """Matthews' correlation of each label over all rows, and its averages; see `functional.label_mcc`."""

    _ratio = staticmethod(F.mcc)
