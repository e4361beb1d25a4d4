"""Streaming metrics on distributions: preds and target are [N, C] with rows that sum to 1."""

from collections.abc import Mapping
from typing import Unpack

from torch import Tensor

from affectml_metrics._inputs import ArrayLike, as_tensor, wide
from affectml_metrics.functional import disagreement
from affectml_metrics.functional.disagreement import Correlation, RankTies
from affectml_metrics.functional.logs import Unit, distributions, row_entropy
from affectml_metrics.functional.transport import Ground
from affectml_metrics.streaming._base import (
    CrossEntropyMetric,
    EntropyErrorMetric,
    JensenShannonMetric,
    MetricOptions,
    PairMetric,
    RowMetric,
    SoftMetric,
)

__all__ = [
    "BrierScore",
    "CanberraDistance",
    "ChebyshevDistance",
    "ChiSquaredDistance",
    "ClarkDistance",
    "CosineSimilarity",
    "CrossEntropy",
    "EarthMoversDistance",
    "EntropyCorrelation",
    "EntropyError",
    "EntropySimilarity",
    "HellingerDistance",
    "Intersection",
    "JSDivergence",
    "KLDivergence",
    "RankCS",
    "TotalVariation",
]


class KLDivergence(RowMetric):
    """Mean KL divergence of the target from the preds; see `functional.kl_divergence`.

    >>> import torch
    >>> from affectml_metrics import KLDivergence
    >>> metric = KLDivergence(from_logits=True)
    >>> metric.update(torch.zeros(1, 2), torch.tensor([[1.0, 0.0]]))
    >>> metric.compute()
    tensor(0.6931, dtype=torch.float64)
    """

    def __init__(
        self,
        *,
        reverse: bool = False,
        eps: float | None = None,
        unit: Unit = "nats",
        from_logits: bool = False,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"reverse": reverse, "eps": eps, "unit": unit, "from_logits": from_logits}, options)


class CrossEntropy(CrossEntropyMetric):
    """Mean cross-entropy of soft labels; see `functional.cross_entropy`."""


class JSDivergence(JensenShannonMetric):
    """Mean Jensen-Shannon divergence; see `functional.js_divergence`."""


class TotalVariation(SoftMetric):
    """Mean total variation (DistCE); see `functional.total_variation`."""


class ChebyshevDistance(SoftMetric):
    """Mean largest difference of a share; see `functional.chebyshev_distance`."""


class ChiSquaredDistance(SoftMetric):
    """Mean symmetric chi-squared distance; see `functional.chi_squared_distance`."""


class _NormalisedMetric(RowMetric):
    """Each may be divided by the most that the labels allow."""

    def __init__(
        self, *, normalised: bool = False, from_logits: bool = False, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"normalised": normalised, "from_logits": from_logits}, options)


class ClarkDistance(_NormalisedMetric):
    """Mean Clark distance; see `functional.clark_distance`."""


class CanberraDistance(_NormalisedMetric):
    """Mean Canberra distance; see `functional.canberra_distance`."""


class CosineSimilarity(SoftMetric):
    """Mean cosine similarity; see `functional.cosine_similarity`."""


class Intersection(SoftMetric):
    """Mean shared mass; see `functional.intersection`."""


class HellingerDistance(SoftMetric):
    """Mean Hellinger distance; see `functional.hellinger_distance`."""


class BrierScore(SoftMetric):
    """Mean Brier score, 0..2; see `functional.brier_score`."""


class EarthMoversDistance(RowMetric):
    """Mean earth mover's distance; see `functional.earth_movers_distance`."""

    def __init__(
        self, ground: Ground | ArrayLike, *, from_logits: bool = False, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__(
            {"ground": ground if isinstance(ground, str) else as_tensor(ground, "ground"), "from_logits": from_logits},
            options,
        )


class EntropyError(EntropyErrorMetric):
    """Mean difference of entropies; see `functional.entropy_error`."""


class RankCS(RowMetric):
    """Share of rows ranked as people rank them; see `functional.rank_cs`."""

    def __init__(self, *, ties: RankTies = "free", from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"ties": ties, "from_logits": from_logits}, options)


class _Entropies(PairMetric):
    """Keeps the model's entropy, people's and a weight for every row."""

    _depends_on = ("from_logits",)

    def __init__(self, config: Mapping[str, object], from_logits: bool, options: MetricOptions) -> None:
        super().__init__({**config, "from_logits": from_logits}, options)
        self.from_logits = from_logits

    def _checked(self, preds: ArrayLike, target: ArrayLike) -> tuple[Tensor, Tensor]:
        p, t = distributions(preds, target, self.from_logits)
        return row_entropy(p.to(wide(p.device)))[:, None], row_entropy(t.to(wide(t.device)))[:, None]


class EntropyCorrelation(_Entropies):
    """Correlation of the model's and people's entropies; see `functional.entropy_correlation`. Keeps three numbers a
    row.

    >>> import torch
    >>> from affectml_metrics import EntropyCorrelation
    >>> people = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.8, 0.2]])
    >>> metric = EntropyCorrelation()
    >>> metric.update(people, people)
    >>> metric.compute()
    tensor(1., dtype=torch.float64)
    """

    def __init__(
        self, *, method: Correlation = "pearson", from_logits: bool = False, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"method": method}, from_logits, options)
        self.method: Correlation = method

    def _figure(self, preds: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
        return disagreement.correlation(preds[:, 0], target[:, 0], self.method, weights)


class EntropySimilarity(_Entropies):
    """Cosine of the model's and people's entropies; see `functional.entropy_similarity`. Keeps three numbers a row.

    >>> from affectml_metrics import EntropySimilarity
    >>> metric = EntropySimilarity()
    >>> metric.update([[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.5, 0.5]])
    >>> metric.compute()
    tensor(0.7071, dtype=torch.float64)
    """

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({}, from_logits, options)

    def _figure(self, preds: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
        return disagreement.cosine(preds[:, 0], target[:, 0], weights)
