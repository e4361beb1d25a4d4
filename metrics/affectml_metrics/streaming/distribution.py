"""Streaming metrics on distributions: preds and target are [N, C] with rows that sum to 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Unpack

import torch
from torch import Tensor

from affectml_metrics._inputs import ArrayLike, as_tensor, row_weights, wide
from affectml_metrics.functional import disagreement
from affectml_metrics.functional.disagreement import Correlation, RankTies
from affectml_metrics.functional.logs import Unit, distributions, row_entropy
from affectml_metrics.functional.transport import Ground
from affectml_metrics.streaming._base import AffectMetric, MetricOptions, RowMetric, try_options

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


class CrossEntropy(RowMetric):
    """Mean cross-entropy of soft labels; see `functional.cross_entropy`."""

    def __init__(
        self,
        *,
        eps: float | None = None,
        unit: Unit = "nats",
        from_logits: bool = False,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"eps": eps, "unit": unit, "from_logits": from_logits}, options)


class JSDivergence(RowMetric):
    """Mean Jensen-Shannon divergence; see `functional.js_divergence`."""

    def __init__(
        self,
        *,
        unit: Unit = "nats",
        square_root: bool = False,
        from_logits: bool = False,
        **options: Unpack[MetricOptions],
    ) -> None:
        super().__init__({"unit": unit, "square_root": square_root, "from_logits": from_logits}, options)


class TotalVariation(RowMetric):
    """Mean total variation (DistCE); see `functional.total_variation`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class ChebyshevDistance(RowMetric):
    """Mean largest difference of a share; see `functional.chebyshev_distance`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class ChiSquaredDistance(RowMetric):
    """Mean symmetric chi-squared distance; see `functional.chi_squared_distance`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class ClarkDistance(RowMetric):
    """Mean Clark distance; see `functional.clark_distance`."""

    def __init__(
        self, *, normalised: bool = False, from_logits: bool = False, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"normalised": normalised, "from_logits": from_logits}, options)


class CanberraDistance(RowMetric):
    """Mean Canberra distance; see `functional.canberra_distance`."""

    def __init__(
        self, *, normalised: bool = False, from_logits: bool = False, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"normalised": normalised, "from_logits": from_logits}, options)


class CosineSimilarity(RowMetric):
    """Mean cosine similarity; see `functional.cosine_similarity`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class Intersection(RowMetric):
    """Mean shared mass; see `functional.intersection`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class HellingerDistance(RowMetric):
    """Mean Hellinger distance; see `functional.hellinger_distance`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class BrierScore(RowMetric):
    """Mean Brier score, 0..2; see `functional.brier_score`."""

    def __init__(self, *, from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"from_logits": from_logits}, options)


class EarthMoversDistance(RowMetric):
    """Mean earth mover's distance; see `functional.earth_movers_distance`."""

    def __init__(
        self, ground: Ground | ArrayLike, *, from_logits: bool = False, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__(
            {"ground": ground if isinstance(ground, str) else as_tensor(ground, "ground"), "from_logits": from_logits},
            options,
        )


class EntropyError(RowMetric):
    """Mean difference of entropies; see `functional.entropy_error`."""

    def __init__(
        self, *, signed: bool = False, unit: Unit = "nats", from_logits: bool = False, **options: Unpack[MetricOptions]
    ) -> None:
        super().__init__({"signed": signed, "unit": unit, "from_logits": from_logits}, options)


class RankCS(RowMetric):
    """Share of rows ranked as people rank them; see `functional.rank_cs`."""

    def __init__(self, *, ties: RankTies = "free", from_logits: bool = False, **options: Unpack[MetricOptions]) -> None:
        super().__init__({"ties": ties, "from_logits": from_logits}, options)


class _Entropies(AffectMetric):
    """Keeps the model's entropy, people's and a weight for every row."""

    _depends_on = ("from_logits",)

    def __init__(self, config: Mapping[str, object], from_logits: bool, options: MetricOptions) -> None:
        config = {**config, "from_logits": from_logits}
        try_options(type(self)._function, config)
        super().__init__(config, options)
        self.from_logits = from_logits
        for name in ("preds_entropy", "target_entropy", "weights"):
            self._add_rows(name)

    def update(self, preds: ArrayLike, target: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Keep the entropies of a batch of distributions [N, C]. Raises MetricInputError.

        weights: [N], how often each row counts; 1 by default.
        """
        p, t = distributions(preds, target, self.from_logits)
        w = row_weights(weights, p)
        self._append("weights", torch.ones_like(p[:, 0]) if w is None else w)
        self._append("preds_entropy", row_entropy(p.to(wide(p.device))))
        self._append("target_entropy", row_entropy(t.to(wide(t.device))))

    def _over(self, figure: Callable[[Tensor, Tensor, Tensor | None], Tensor]) -> Tensor:
        x, y = self._rows("preds_entropy"), self._rows("target_entropy")
        if x is None or y is None:
            return torch.full((), torch.nan, dtype=torch.float64, device=self.device)
        return figure(x, y, self._rows("weights"))


class EntropyCorrelation(_Entropies):
    """Correlation of the model's and people's entropies; see `functional.entropy_correlation`. Keeps three numbers a
    row.

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

    def compute(self) -> Tensor:
        """The correlation, 0-dim float64; nan with fewer than two rows or where one side never varies."""
        return self._over(lambda x, y, w: disagreement.correlation(x, y, self.method, w))


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

    def compute(self) -> Tensor:
        """The cosine, 0-dim float64; nan without rows or where one side has no entropy in any."""
        return self._over(disagreement.cosine)
