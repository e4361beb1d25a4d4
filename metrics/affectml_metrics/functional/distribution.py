"""Distributions against distributions: how far is the predicted share of each label from people's?

preds and target are [N, C] with rows that sum to 1; `from_logits=True` takes raw outputs as preds and softmaxes them
(never guessed from their range). A row measure returns [N] in the wider float dtype of the two inputs. Logarithms are
natural unless unit="bits". Rows without votes have no distribution and are refused.
"""

from __future__ import annotations

import torch
from torch import Tensor

from affectml_metrics._inputs import ArrayLike, pair
from affectml_metrics.functional._logs import (
    Unit,
    check_eps,
    distributions,
    expected_log,
    log_share,
    per,
    row_entropy,
)
from affectml_metrics.functional._order import by_rows


def kl_divergence(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    reverse: bool = False,
    eps: float | None = None,
    unit: Unit = "nats",
    from_logits: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence of the target from the preds, KL(target || preds), per row.

    Returns [N] in 0..inf: inf where preds rule out what someone chose, unless `eps` lifts the preds to at least eps
    (without renormalising; such a value is a choice, so name it). `reverse` gives KL(preds || target), where eps
    lifts the target. Source: Kullback & Leibler 1951. Raises MetricInputError.

    >>> kl_divergence(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.6931])
    """
    check_eps(eps)
    p, t = pair(preds, target, "scores" if from_logits else "distribution", "distribution")

    def divergence(p: Tensor, t: Tensor) -> Tensor:
        if reverse:
            p = p.softmax(-1) if from_logits else p
            return -row_entropy(p) - expected_log(p, log_share(t, False, eps))
        return -row_entropy(t) - expected_log(t, log_share(p, from_logits, eps))

    value = by_rows(divergence, p, t)
    # rounding can leave -1e-17 where the two agree; with eps a value below 0 is real
    return (value if eps is not None else value.clamp(min=0)) * per(unit)


def cross_entropy(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    eps: float | None = None,
    unit: Unit = "nats",
    from_logits: bool = False,
) -> Tensor:
    """Cross-entropy of soft labels, -sum target log preds, per row; at least the entropy of the target.

    Returns [N] in 0..inf; eps as in `kl_divergence`. A proper scoring rule (Good 1952). Raises MetricInputError.

    >>> cross_entropy(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.3, 0.7]]))
    tensor([0.6931])
    """
    check_eps(eps)
    p, t = pair(preds, target, "scores" if from_logits else "distribution", "distribution")
    return -by_rows(lambda p, t: expected_log(t, log_share(p, from_logits, eps)), p, t) * per(unit)


def js_divergence(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    unit: Unit = "nats",
    square_root: bool = False,
    from_logits: bool = False,
) -> Tensor:
    """Jensen-Shannon divergence: mean KL of the two from their average, per row.

    Returns [N] in 0..log 2 (0..1 in bits). square_root=True is the Jensen-Shannon distance, a metric, and what
    scipy's jensenshannon returns. Source: Lin 1991; Endres & Schindelin 2003. Raises MetricInputError.

    >>> js_divergence(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), unit="bits")
    tensor([1.])
    """
    p, t = distributions(preds, target, from_logits)

    def surplus(p: Tensor, t: Tensor) -> Tensor:
        return row_entropy((p + t) / 2) - (row_entropy(p) + row_entropy(t)) / 2

    divergence = by_rows(surplus, p, t).clamp(min=0) * per(unit)
    return divergence.sqrt() if square_root else divergence


def total_variation(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Half the sum of absolute differences: the share of answers that would have to change, per row.

    Returns [N] in [0, 1]; 1 - `intersection`. Baan et al. 2022 call it DistCE. Raises MetricInputError.

    >>> total_variation(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]]))
    tensor([0.3000])
    """
    p, t = distributions(preds, target, from_logits)
    return by_rows(lambda p, t: (p - t).abs().sum(-1) / 2, p, t)


def chebyshev_distance(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """The largest absolute difference of any label's share, per row.

    Returns [N] in [0, 1]. Source: Geng 2016, table 1. Raises MetricInputError.

    >>> chebyshev_distance(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]]))
    tensor([0.3000])
    """
    p, t = distributions(preds, target, from_logits)
    return by_rows(lambda p, t: (p - t).abs().amax(-1), p, t)


def clark_distance(
    preds: ArrayLike, target: ArrayLike, *, normalised: bool = False, from_logits: bool = False
) -> Tensor:
    """Root of the summed squares of (p - t) / (p + t), per row; a label with no share in either counts 0.

    Returns [N] in 0..sqrt(C), or 0..1 when normalised (divided by sqrt(C)). It saturates where most shares are 0:
    each label that only one side chose costs 1 whatever its share. Source: Geng 2016, table 1. Raises
    MetricInputError.

    >>> clark_distance(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([1.4142])
    """
    p, t = distributions(preds, target, from_logits)
    distance = by_rows(lambda p, t: _relative_difference(p, t).square().sum(-1).sqrt(), p, t)
    return distance / p.shape[1] ** 0.5 if normalised else distance


def canberra_distance(
    preds: ArrayLike, target: ArrayLike, *, normalised: bool = False, from_logits: bool = False
) -> Tensor:
    """Sum of |p - t| / (p + t), per row; a label with no share in either counts 0 (as in scipy).

    Returns [N] in 0..C, or 0..1 when normalised (divided by C). Saturates like `clark_distance`. Source: Lance &
    Williams 1967; Geng 2016, table 1. Raises MetricInputError.

    >>> canberra_distance(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([2.])
    """
    p, t = distributions(preds, target, from_logits)
    distance = by_rows(lambda p, t: _relative_difference(p, t).sum(-1), p, t)
    return distance / p.shape[1] if normalised else distance


def chi_squared_distance(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Sum of (p - t)^2 / (p + t), the symmetric chi-squared distance, per row; a label without any share counts 0.

    Returns [N] in [0, 2], between 2 TV^2 and 2 TV; some authors halve it. Source: Puzicha et al. 1997; Topsoe 2000
    (triangular discrimination). Raises MetricInputError.

    >>> chi_squared_distance(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.6667])
    """
    p, t = distributions(preds, target, from_logits)
    return by_rows(lambda p, t: ((p - t).abs() * _relative_difference(p, t)).sum(-1), p, t)


def cosine_similarity(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Cosine of the angle between the two rows.

    Returns [N] in [0, 1]; a row that sums to 1 has a length, so it is always defined. Source: Geng 2016, table 1.
    Raises MetricInputError.

    >>> cosine_similarity(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.7071])
    """
    p, t = distributions(preds, target, from_logits)

    def cosine(p: Tensor, t: Tensor) -> Tensor:
        return (p * t).sum(-1) / (p.square().sum(-1) * t.square().sum(-1)).sqrt()

    return by_rows(cosine, p, t)


def intersection(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Shared mass, sum of min(p, t), per row: 1 - `total_variation`.

    Returns [N] in [0, 1]. Source: Swain & Ballard 1991; Geng 2016, table 1. Raises MetricInputError.

    >>> intersection(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]]))
    tensor([0.7000])
    """
    p, t = distributions(preds, target, from_logits)
    return by_rows(lambda p, t: torch.minimum(p, t).sum(-1), p, t)


def hellinger_distance(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Root of 1 minus the Bhattacharyya coefficient: distance of the rows' square roots over sqrt(2), per row.

    Returns [N] in [0, 1]. Source: Hellinger 1909; Bhattacharyya 1943. Raises MetricInputError.

    >>> hellinger_distance(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([1.])
    """
    p, t = distributions(preds, target, from_logits)
    return by_rows(lambda p, t: ((p.sqrt() - t.sqrt()).square().sum(-1) / 2).sqrt(), p, t)


def brier_score(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Sum of squared differences of the shares, per row (Brier's own form: 0..2, not halved, not averaged).

    Returns [N] in [0, 2]. A proper scoring rule. Source: Brier 1950. Raises MetricInputError.

    >>> brier_score(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.5000])
    """
    p, t = distributions(preds, target, from_logits)
    return by_rows(lambda p, t: (p - t).square().sum(-1), p, t)


def _relative_difference(p: Tensor, t: Tensor) -> Tensor:
    total = p + t
    return (p - t).abs() / total.masked_fill(total == 0, 1.0)
