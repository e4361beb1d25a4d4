"""Distributions against distributions: how far is the predicted share of each label from people's?

preds and target are [N, C] with rows that sum to 1; `from_logits=True` takes raw outputs as preds and softmaxes them
(never guessed from their range; +inf is refused, -inf is a share of 0). A row metric is computed in float64 and
returns [N] in the wider float dtype of the two inputs. Logarithms are natural unless unit="bits". Rows without votes
have no distribution and are refused. Gradients are right at shares of 0 too; where the slope there is infinite, see
`affectml_metrics.functional.logs`.
"""

import torch
from torch import Tensor

from affectml_metrics._inputs import ArrayLike
from affectml_metrics.functional import logs
from affectml_metrics.functional.logs import Unit
from affectml_metrics.functional.rows import row_sum, soft_rows

__all__ = ["brier_score", "cross_entropy", "js_divergence", "kl_divergence", "po_jsd", "total_variation"]
__all__ += ["canberra_distance", "chebyshev_distance", "chi_squared_distance", "clark_distance"]
__all__ += ["cosine_similarity", "hellinger_distance", "intersection", "manhattan_distance"]

_NO_OVERFLOW = 1e-37  # 1 over this is finite in float32 too


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
    logs.check_eps(eps)
    scale = logs.per(unit)

    def divergence(p: Tensor, t: Tensor) -> Tensor:
        if reverse:
            p, t = t, p
        elif from_logits:
            return -logs.row_entropy(t) - row_sum(logs.silenced(t, logs.log_softmax(p, eps)))
        return _relative_entropy(t, p if eps is None else p.clamp(min=eps))

    def not_below_0(p: Tensor, t: Tensor) -> Tensor:
        value = divergence(p, t)
        # rounding can leave -1e-17 where the two agree; with eps a value below 0 is real
        return (value if eps is not None else value.clamp(min=0)) * scale

    return soft_rows(not_below_0, preds, target, "distribution", None if from_logits and not reverse else from_logits)


def cross_entropy(
    preds: ArrayLike, target: ArrayLike, *, eps: float | None = None, unit: Unit = "nats", from_logits: bool = False
) -> Tensor:
    """Cross-entropy of soft labels, -sum target log preds, per row; at least the entropy of the target.

    Returns [N] in 0..inf; eps as in `kl_divergence`. A proper scoring rule (Good 1952). Raises MetricInputError.

    >>> cross_entropy(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.3, 0.7]]))
    tensor([0.6931])
    """
    logs.check_eps(eps)
    scale = logs.per(unit)

    def expected(p: Tensor, t: Tensor) -> Tensor:
        if from_logits:
            return row_sum(logs.silenced(t, logs.log_softmax(p, eps))) * -scale
        return logs.expected_log(t, p, eps) * -scale

    return soft_rows(expected, preds, target, "distribution", None if from_logits else False)


def js_divergence(
    preds: ArrayLike, target: ArrayLike, *, unit: Unit = "nats", square_root: bool = False, from_logits: bool = False
) -> Tensor:
    """Jensen-Shannon divergence: mean KL of the two from their average, per row.

    Returns [N] in 0..log 2 (0..1 in bits). square_root=True is the Jensen-Shannon distance, a metric, and what
    scipy's jensenshannon returns. Source: Lin 1991; Endres & Schindelin 2003. Raises MetricInputError.

    >>> js_divergence(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), unit="bits")
    tensor([1.])
    """
    scale = logs.per(unit)

    def divergence(p: Tensor, t: Tensor) -> Tensor:
        value = row_sum(logs.js_terms(p, t)).clamp(min=0) * scale
        return logs.root(value) if square_root else value

    return soft_rows(divergence, preds, target, "distribution", from_logits)


def po_jsd(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Positively oriented Jensen-Shannon divergence, 1 - JSD in bits, per row.

    preds, target: distributions [N, C]. Returns [N] in [0, 1]; 1 where they agree, and never below the soft accuracy
    of the same authors, which is `intersection`. Source: Kurniawan et al. 2025 (arXiv 2502.01891). Raises
    MetricInputError.

    >>> po_jsd(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.5, 0.5]]))
    tensor([0.6887])
    """
    bits = logs.per("bits")
    return soft_rows(
        lambda p, t: 1 - row_sum(logs.js_terms(p, t)).clamp(min=0) * bits, preds, target, "distribution", from_logits
    )


def total_variation(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Half the sum of absolute differences: the share of answers that would have to change, per row.

    Returns [N] in [0, 1]; 1 - `intersection`. Baan et al. 2022 call it DistCE. Raises MetricInputError.

    >>> total_variation(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]]))
    tensor([0.3000])
    """
    return soft_rows(lambda p, t: row_sum((p - t).abs()) / 2, preds, target, "distribution", from_logits)


def manhattan_distance(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Sum of absolute differences of the shares, per row: twice `total_variation`.

    preds, target: distributions [N, C]. Returns [N] in [0, 2]. The mean over rows is the average Manhattan distance of
    LeWiDi 2025 (Leonardelli et al. 2025); on rates it is `rate_manhattan`. Raises MetricInputError.

    >>> manhattan_distance(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]]))
    tensor([0.6000])
    """
    return 2 * total_variation(preds, target, from_logits=from_logits)


def chebyshev_distance(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """The largest absolute difference of any label's share, per row.

    Returns [N] in [0, 1]. Source: Geng 2016, table 1. Raises MetricInputError.

    >>> chebyshev_distance(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]]))
    tensor([0.3000])
    """
    return soft_rows(lambda p, t: (p - t).abs().amax(-1), preds, target, "distribution", from_logits)


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

    def distance(p: Tensor, t: Tensor) -> Tensor:
        whole = logs.root(row_sum(_relative_difference(p, t).square()))
        return whole / p.shape[1] ** 0.5 if normalised else whole

    return soft_rows(distance, preds, target, "distribution", from_logits)


def canberra_distance(
    preds: ArrayLike, target: ArrayLike, *, normalised: bool = False, from_logits: bool = False
) -> Tensor:
    """Sum of |p - t| / (p + t), per row; a label with no share in either counts 0 (as in scipy).

    Returns [N] in 0..C, or 0..1 when normalised (divided by C). Saturates like `clark_distance`. Source: Lance &
    Williams 1967; Geng 2016, table 1. Raises MetricInputError.

    >>> canberra_distance(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([2.])
    """

    def distance(p: Tensor, t: Tensor) -> Tensor:
        whole = row_sum(_relative_difference(p, t).abs())
        return whole / p.shape[1] if normalised else whole

    return soft_rows(distance, preds, target, "distribution", from_logits)


def chi_squared_distance(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Sum of (p - t)^2 / (p + t), the symmetric chi-squared distance, per row; a label without any share counts 0.

    Returns [N] in [0, 2], between 2 TV^2 and 2 TV; some authors halve it. Source: Puzicha et al. 1997; Topsoe 2000
    (triangular discrimination). Raises MetricInputError.

    >>> chi_squared_distance(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.6667])
    """

    def distance(p: Tensor, t: Tensor) -> Tensor:
        return row_sum((p - t) * _relative_difference(p, t))

    return soft_rows(distance, preds, target, "distribution", from_logits)


def cosine_similarity(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Cosine of the angle between the two rows.

    Returns [N] in [0, 1]; a row that sums to 1 has a length, so it is always defined. Source: Geng 2016, table 1.
    Raises MetricInputError.

    >>> cosine_similarity(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.7071])
    """

    def cosine(p: Tensor, t: Tensor) -> Tensor:
        lengths: Tensor = torch.linalg.vector_norm(p, dim=-1) * torch.linalg.vector_norm(t, dim=-1)
        return row_sum(p * t) / lengths

    return soft_rows(cosine, preds, target, "distribution", from_logits)


def intersection(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Shared mass, sum of min(p, t), per row: 1 - `total_variation`.

    Returns [N] in [0, 1]. Source: Swain & Ballard 1991; Geng 2016, table 1. Raises MetricInputError.

    >>> intersection(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.8, 0.2]]))
    tensor([0.7000])
    """
    return soft_rows(lambda p, t: row_sum(torch.minimum(p, t)), preds, target, "distribution", from_logits)


def hellinger_distance(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Root of 1 minus the Bhattacharyya coefficient: distance of the rows' square roots over sqrt(2), per row.

    Returns [N] in [0, 1]. Source: Hellinger 1909; Bhattacharyya 1943. Raises MetricInputError.

    >>> hellinger_distance(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    tensor([1.])
    """

    def distance(p: Tensor, t: Tensor) -> Tensor:
        if torch.is_grad_enabled() and (p.requires_grad or t.requires_grad):
            return logs.root(row_sum(_squared_root_difference(p, t)) / 2)
        return (row_sum(p.sqrt().sub_(t.sqrt()).square_()) / 2).sqrt()

    return soft_rows(distance, preds, target, "distribution", from_logits)


def brier_score(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Sum of squared differences of the shares, per row (Brier's own form: 0..2, not halved, not averaged).

    Returns [N] in [0, 2]. A proper scoring rule. Source: Brier 1950. Raises MetricInputError.

    >>> brier_score(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.5000])
    """
    return soft_rows(lambda p, t: row_sum((p - t).square_()), preds, target, "distribution", from_logits)


def _relative_entropy(t: Tensor, p: Tensor) -> Tensor:
    """Sum of t log(t / p): [N]; by one logarithm where no gradient is asked for and no ratio can be infinite."""
    graph = torch.is_grad_enabled() and (p.requires_grad or t.requires_grad)
    if graph or not len(p) or not float(p.amin()) > _NO_OVERFLOW:
        return -logs.row_entropy(t) - logs.expected_log(t, p)
    terms: Tensor = torch.xlogy(t, t / p)
    return row_sum(terms)


def _relative_difference(p: Tensor, t: Tensor) -> Tensor:
    total = p + t
    return (p - t) / total.masked_fill(total == 0, 1.0)


def _squared_root_difference(p: Tensor, t: Tensor) -> Tensor:
    """(sqrt p - sqrt t)^2 as (p - t)^2 / (sqrt p + sqrt t)^2, whose gradient exists at 0 too."""
    total = p + t
    nothing = total == 0
    whole = total + 2 * logs.root(p * t)
    return torch.where(nothing, total, (p - t).square() / whole.masked_fill(nothing, 1.0))
