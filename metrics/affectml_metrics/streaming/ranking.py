"""Streaming metrics on rankings: preds are scores [N, C], target is 0/1 (shares for `NDCG`, `HumanMassAtK`
and both of Kendall's)."""

import math
from typing import Unpack

from torch import Tensor

from affectml_metrics._asked import marked, pair_asked
from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional.labels import Average
from affectml_metrics.functional.order import Ties
from affectml_metrics.functional.ranking import Match, PlaceTies
from affectml_metrics.functional.soft_ranking import Gain
from affectml_metrics.streaming._base import MetricOptions, PairMetric, RowMetric

__all__ = [
    "NDCG",
    "CoverageError",
    "HumanMassAtK",
    "KendallTauB",
    "LabelAUROC",
    "LabelRankingAveragePrecision",
    "MeanAveragePrecision",
    "OneError",
    "RankingLoss",
    "SetSize",
    "TopKAccuracy",
    "TopKChance",
    "TopKPrecision",
    "TopKRecall",
    "WeightedKendallTau",
]


class TopKAccuracy(RowMetric):
    """Share of rows whose k best labels meet the right ones; see `functional.top_k_accuracy`.

    Put `SetSize` and `TopKChance` beside it: "any" grows with the size of the sets.

    >>> from torchmetrics import MetricCollection
    >>> from affectml_metrics import TopKAccuracy
    >>> metrics = MetricCollection({"top_1": TopKAccuracy(1), "top_2": TopKAccuracy(2)})
    >>> metrics.update([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]], [[0, 1, 0], [0, 1, 1]])
    >>> {name: float(value) for name, value in metrics.compute().items()}
    {'top_1': 0.5, 'top_2': 1.0}
    """

    def __init__(
        self,
        k: int = 1,
        *,
        match: Match = "any",
        ties: Ties = "expected",
        no_labels: float = math.nan,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"k": k, "match": match, "ties": ties, "no_labels": no_labels}, options)


class _TopKMetric(RowMetric):
    """A share of what the k best labels hold."""

    def __init__(
        self, k: int = 1, *, ties: Ties = "expected", no_labels: float = math.nan, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"k": k, "ties": ties, "no_labels": no_labels}, options)


class TopKRecall(_TopKMetric):
    """Mean share of right labels among the k best; see `functional.top_k_recall`."""


class TopKPrecision(_TopKMetric):
    """Mean share of the k best labels that are right; see `functional.top_k_precision`."""


class LabelRankingAveragePrecision(RowMetric):
    """Mean LRAP; see `functional.label_ranking_average_precision`."""

    def __init__(
        self, *, ties: PlaceTies = "expected", no_labels: float = math.nan, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"ties": ties, "no_labels": no_labels}, options)


class CoverageError(RowMetric):
    """Mean number of best labels that hold all right ones; see `functional.coverage_error`."""

    def __init__(self, *, no_labels: float = math.nan, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"no_labels": no_labels}, options)


class RankingLoss(RowMetric):
    """Mean share of label pairs in the wrong order; see `functional.ranking_loss`."""

    def __init__(self, *, tie_cost: float = 0.5, no_labels: float = math.nan, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"tie_cost": tie_cost, "no_labels": no_labels}, options)


class OneError(RowMetric):
    """Share of rows whose best label is wrong; see `functional.one_error`."""

    def __init__(
        self, *, ties: Ties = "expected", no_labels: float = math.nan, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"ties": ties, "no_labels": no_labels}, options)


class NDCG(RowMetric):
    """Mean normalised discounted cumulative gain against soft labels; see `functional.ndcg`."""

    def __init__(
        self,
        k: int | None = None,
        *,
        gain: Gain = "linear",
        ties: Ties = "expected",
        no_labels: float = math.nan,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"k": k, "gain": gain, "ties": ties, "no_labels": no_labels}, options)


class HumanMassAtK(_TopKMetric):
    """Mean share of people's answers on the k best labels; see `functional.human_mass_at_k`."""


class KendallTauB(RowMetric):
    """Mean tau-b of the model's ranking and people's; see `functional.kendall_tau_b`."""

    def __init__(self, **options: Unpack[MetricOptions]) -> None:
        super().__init__({}, options)


class WeightedKendallTau(RowMetric):
    """Mean top-weighted tau of the model's ranking and people's; see `functional.weighted_kendall_tau`."""

    def __init__(self, **options: Unpack[MetricOptions]) -> None:
        super().__init__({}, options)


class SetSize(RowMetric):
    """Mean number of right labels; see `functional.set_size`. Ignores preds, so that it fits a collection."""

    def __init__(self, **options: Unpack[MetricOptions]) -> None:
        super().__init__({}, options)


class TopKChance(RowMetric):
    """What `TopKAccuracy` gives a random ranking; see `functional.top_k_chance`. Ignores preds."""

    def __init__(
        self, k: int = 1, *, match: Match = "any", no_labels: float = math.nan, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"k": k, "match": match, "no_labels": no_labels}, options)


class _Curve(PairMetric):
    """A metric of each label's ranking of all rows; in a `MetricCollection` all of them keep the rows once."""

    _family = "scores_and_sets"
    _depends_on = ()

    def __init__(
        self, *, average: Average = "macro", no_labels: float = math.nan, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"average": average, "no_labels": no_labels}, options)

    def _checked(self, preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
        p, t, asked = pair_asked(preds, target, "scores", "labels")
        return p, marked(t, asked)


class MeanAveragePrecision(_Curve):
    """Average precision of each label, and its mean; see `functional.mean_average_precision`. Keeps all rows.

    >>> from affectml_metrics import MeanAveragePrecision
    >>> metric = MeanAveragePrecision()
    >>> metric.update([[0.9, 0.2], [0.4, 0.8], [0.6, 0.1]], [[1, 0], [1, 1], [0, 0]])
    >>> metric.compute()
    tensor(0.9167, dtype=torch.float64)
    """


class LabelAUROC(_Curve):
    """Area under the ROC curve of each label, and its mean; see `functional.label_auroc`. Keeps all rows."""
