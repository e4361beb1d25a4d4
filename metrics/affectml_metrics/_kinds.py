"""Which measures belong to which kind of target, by the names they have in reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from affectml_metrics import functional as F
from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional.disagreement import correlation
from affectml_metrics.functional.rates import soft_f1_from_counts
from affectml_metrics.functional.sets import Average, label_f1_from_counts
from affectml_metrics.functional.transport import Ground

Kind: TypeAlias = Literal["sets", "ranking", "distribution", "rates"]

Rows: TypeAlias = Callable[[Tensor, Tensor], Tensor]
Prepare: TypeAlias = Callable[[Tensor, Tensor], Callable[[Tensor], Tensor]]
"""What a table measure needs of the data, worked out once; what comes back takes row weights."""

CONTEXT = frozenset({"set_size"})  # neither high nor low is good: shown to read the others by

SHRINKING = frozenset(
    {
        "hamming_loss",
        "coverage_error",
        "ranking_loss",
        "one_error",
        "kl_divergence",
        "cross_entropy",
        "js_divergence",
        "total_variation",
        "chebyshev_distance",
        "clark_distance",
        "canberra_distance",
        "hellinger_distance",
        "brier_score",
        "earth_movers_distance",
        "entropy_error",
        "rate_cross_entropy",
        "rate_brier_score",
        "rate_manhattan",
        "rate_js_divergence",
        "label_calibration_error",
    }
)


@dataclass(frozen=True)
class Options:
    """What some measures need beyond preds and target; a measure whose need is not met is left out."""

    k: Sequence[int] = (1, 2, 3)
    from_logits: bool = False
    eps: float | None = None
    shares: Tensor | None = None
    votes: Tensor | None = None
    n: Tensor | None = None
    similarity: ArrayLike | None = None
    ground: Ground | ArrayLike | None = None


@dataclass(frozen=True)
class Measures:
    """The measures of one kind: by rows, over the table by sums of columns, and over the table by weights."""

    rows: dict[str, Rows]
    sums: dict[str, tuple[Rows, Callable[[Tensor], Tensor]]] = field(default_factory=dict)
    table: dict[str, Prepare] = field(default_factory=dict)


def measures(kind: Kind, options: Options, labels: int) -> Measures:
    """Every measure of a kind, with its options bound."""
    if kind == "sets":
        return _sets(options)
    if kind == "ranking":
        return _ranking(options, labels)
    return _distribution(options) if kind == "distribution" else _rates(options)


def better(name: str) -> str:
    """Which way is better: "higher", "lower", or "" for figures that only give context."""
    if name in CONTEXT or name.endswith("_chance"):
        return ""
    return "lower" if name in SHRINKING else "higher"


def _sets(options: Options) -> Measures:
    rows: dict[str, Rows] = {
        "set_f1": F.set_f1,
        "set_precision": F.set_precision,
        "set_recall": F.set_recall,
        "set_jaccard": F.set_jaccard,
        "exact_match": F.exact_match,
        "hamming_loss": F.hamming_loss,
    }
    similarity = options.similarity
    if similarity is not None:
        rows["semantic_set_f1"] = lambda p, t: F.semantic_set_f1(p, t, similarity)

    def counted(p: Tensor, t: Tensor) -> Tensor:
        return torch.cat([p & t, p, t], dim=1)

    def averages(sums: Tensor) -> Tensor:
        hits, chosen, right = sums.chunk(3, dim=1)
        kinds: tuple[Average, ...] = ("macro", "micro", "weighted")
        return torch.stack([label_f1_from_counts(hits, chosen, right, average=a) for a in kinds], dim=1)

    return Measures(rows, {"label_f1_macro label_f1_micro label_f1_weighted": (counted, averages)})


def _ranking(options: Options, labels: int) -> Measures:
    rows: dict[str, Rows] = {}
    some_k = [k for k in options.k if k <= labels]
    for k in some_k:
        rows[f"top_{k}_accuracy"] = partial(F.top_k_accuracy, k=k)
        rows[f"top_{k}_chance"] = _of_target(partial(F.top_k_chance, k=k))
        rows[f"top_{k}_accuracy_all"] = partial(F.top_k_accuracy, k=k, match="all")
        rows[f"top_{k}_recall"] = partial(F.top_k_recall, k=k)
        rows[f"top_{k}_precision"] = partial(F.top_k_precision, k=k)
    rows |= {
        "set_size": _of_target(F.set_size),
        "label_ranking_average_precision": F.label_ranking_average_precision,
        "coverage_error": F.coverage_error,
        "ranking_loss": F.ranking_loss,
        "one_error": F.one_error,
    }
    shares = options.shares
    rows["ndcg"] = F.ndcg if shares is None else _against(shares, F.ndcg)
    if shares is not None:
        rows |= {f"human_mass_at_{k}": _against(shares, partial(F.human_mass_at_k, k=k)) for k in some_k}

    def precision(p: Tensor, t: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda weights: F.mean_average_precision(p, t, weights=weights)

    return Measures(rows, table={"mean_average_precision": precision})


def _of_target(function: Callable[[Tensor], Tensor]) -> Rows:
    return lambda p, t: function(t)


def _against(shares: Tensor, function: Rows) -> Rows:
    return lambda p, t: function(p, shares)


def _distribution(options: Options) -> Measures:
    logits, eps, ground = options.from_logits, options.eps, options.ground

    def through(function: Callable[..., Tensor], **named: object) -> Rows:
        return lambda p, t: function(p, t, from_logits=logits, **named)

    rows = {
        "kl_divergence": through(F.kl_divergence, eps=eps),
        "cross_entropy": through(F.cross_entropy, eps=eps),
        "js_divergence": through(F.js_divergence),
        "total_variation": through(F.total_variation),
        "chebyshev_distance": through(F.chebyshev_distance),
        "clark_distance": through(F.clark_distance),
        "canberra_distance": through(F.canberra_distance),
        "cosine_similarity": through(F.cosine_similarity),
        "intersection": through(F.intersection),
        "hellinger_distance": through(F.hellinger_distance),
        "brier_score": through(F.brier_score),
        "entropy_error": through(F.entropy_error),
        "rank_cs": through(F.rank_cs),
    }
    if ground is not None:
        rows["earth_movers_distance"] = lambda p, t: F.earth_movers_distance(p, t, ground, from_logits=logits)

    def entropies(p: Tensor, t: Tensor) -> Callable[[Tensor], Tensor]:
        x, y = F.entropy(p.double(), from_logits=logits), F.entropy(t.double())
        return lambda weights: correlation(x, y, "pearson", weights)

    return Measures(
        rows, table={"entropy_correlation": entropies, "label_calibration_error": _calibration(logits, softmax=True)}
    )


def _rates(options: Options) -> Measures:
    logits, votes, n = options.from_logits, options.votes, options.n
    rows: dict[str, Rows] = {
        "rate_cross_entropy": lambda p, t: F.rate_cross_entropy(p, t, from_logits=logits, eps=options.eps),
        "rate_brier_score": lambda p, t: F.rate_brier_score(p, t, from_logits=logits),
        "rate_manhattan": lambda p, t: F.rate_manhattan(p, t, from_logits=logits),
        "rate_js_divergence": lambda p, t: F.rate_js_divergence(p, t, from_logits=logits),
    }
    if votes is not None and n is not None:
        rows["binomial_log_likelihood"] = lambda p, t: F.binomial_log_likelihood(
            p, votes, n, from_logits=logits, eps=options.eps
        )

    def shared(p: Tensor, t: Tensor) -> Tensor:
        p = p.sigmoid() if logits else p
        return torch.cat([torch.minimum(p, t), p + t], dim=1)

    def averages(sums: Tensor) -> Tensor:
        common, mass = sums.chunk(2, dim=1)
        return torch.stack([soft_f1_from_counts(common, mass, average=a) for a in ("micro", "macro")], dim=1)

    return Measures(
        rows,
        {"soft_f1_micro soft_f1_macro": (shared, averages)},
        {"label_calibration_error": _calibration(logits, softmax=False)},
    )


def _calibration(from_logits: bool, softmax: bool) -> Prepare:
    def prepare(p: Tensor, t: Tensor) -> Callable[[Tensor], Tensor]:
        rates = p if not from_logits else p.softmax(-1) if softmax else p.sigmoid()
        return lambda weights: F.label_calibration_error(rates, t, weights=weights)

    return prepare
