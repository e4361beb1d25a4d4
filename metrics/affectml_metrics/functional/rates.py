"""Rates: for each label, the share of people asked who chose it. Each label is a yes/no question of its own.

preds and target are [N, C] in [0, 1]; rows need not sum to anything; -1 in the target is a label nobody was asked
about, which is left out for that row. `from_logits=True` takes raw outputs as preds
and passes them through the sigmoid. A row metric is computed in float64 and returns [N] in the wider float dtype: the
mean over the C labels.
"""

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as nnf
from torch import Tensor

from affectml_metrics._errors import DomainError, ShapeError, in_one_order, one_of, share
from affectml_metrics._inputs import (
    ArrayLike,
    as_float,
    as_tensor,
    matrix,
    on_asked_labels,
    pair_asked,
    row_weights,
    same,
    wide,
)
from affectml_metrics.functional import logs
from affectml_metrics.functional.logs import Unit
from affectml_metrics.functional.rows import Sums, row_sum, soft_rows

__all__ = ["rate_brier_score", "rate_cross_entropy", "rate_kl_divergence", "rate_manhattan"]
__all__ += ["binomial_log_likelihood", "rate_js_divergence", "rate_po_jsd", "rate_total_variation", "soft_f1"]

SoftAverage = Literal["micro", "macro", "none"]


@on_asked_labels
def rate_cross_entropy(
    preds: ArrayLike, target: ArrayLike, *, eps: float | None = None, unit: Unit = "nats", from_logits: bool = False
) -> Tensor:
    """Binary cross-entropy with soft targets, the mean over labels, per row: [N] in 0..inf.

    At least the mean binary entropy of the target. A pred of exactly 0 or 1 that someone contradicts costs inf,
    unless `eps` keeps preds within [eps, 1 - eps]. With from_logits it is computed without leaving the logarithm. A
    proper scoring rule (Good 1952). Raises MetricInputError.

    >>> rate_cross_entropy(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.2, 1.0]]))
    tensor([0.6931])
    """
    logs.check_eps(eps)
    scale = logs.per(unit)

    def expected(p: Tensor, t: Tensor) -> Tensor:
        t = t.clamp(max=1)
        return -scale * row_mean(_yes_or_no(t, 1 - t, p, from_logits, eps))

    return soft_rows(expected, preds, target, "rates", None if from_logits else False)


@on_asked_labels
def rate_kl_divergence(
    preds: ArrayLike, target: ArrayLike, *, eps: float | None = None, unit: Unit = "nats", from_logits: bool = False
) -> Tensor:
    """KL(target || preds) of each label's (yes, no) pair, the mean over labels, per row: [N] in 0..inf.

    `rate_cross_entropy` less the entropy of the target's pairs, so 0 where the rates agree; infinite where that is, and
    `eps` as there. Source: Kullback & Leibler 1951. Raises MetricInputError.

    >>> rate_kl_divergence(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.5]]), unit="bits")
    tensor([0.5000])
    """
    logs.check_eps(eps)
    scale = logs.per(unit)

    def divergence(p: Tensor, t: Tensor) -> Tensor:
        t = t.clamp(max=1)
        surplus = -row_mean(_yes_or_no(t, 1 - t, p, from_logits, eps) + logs.pair_entropy(t))
        return scale * surplus.clamp(min=0)  # rounding can leave -1e-17 where the two agree

    return soft_rows(divergence, preds, target, "rates", None if from_logits else False)


@on_asked_labels
def rate_brier_score(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Squared difference of the rates, the mean over labels, per row: [N] in [0, 1].

    The one-sided form of Brier's score (half of the sum over yes and no). Source: Brier 1950. Raises
    MetricInputError.

    >>> rate_brier_score(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.0, 1.0]]))
    tensor([0.2500])
    """
    return soft_rows(lambda p, t: row_mean((p - t).square()), preds, target, "rates", from_logits)


@on_asked_labels
def rate_manhattan(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Manhattan distance of each label's (yes, no) pair, 2 |p - t|, the mean over labels, per row: [N] in [0, 2].

    Source: the average Manhattan distance over labels of LeWiDi 2025 (Leonardelli et al. 2025). Half of it is the
    mean absolute error. Raises MetricInputError.

    >>> rate_manhattan(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.0, 1.0]]))
    tensor([1.])
    """
    return soft_rows(lambda p, t: 2 * row_mean((p - t).abs()), preds, target, "rates", from_logits)


def rate_total_variation(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """Total variation of each label's (yes, no) pair, |p - t|, the mean over labels, per row: [N] in [0, 1].

    The share of people's answers to a label that would have to change, and the mean absolute error of the rates.
    Half of `rate_manhattan`. Source: Baan et al. 2022 (DistCE), label by label. Raises MetricInputError.

    >>> rate_total_variation(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.0, 1.0]]))
    tensor([0.5000])
    """
    return rate_manhattan(preds, target, from_logits=from_logits) / 2


@on_asked_labels
def rate_js_divergence(
    preds: ArrayLike, target: ArrayLike, *, unit: Unit = "nats", square_root: bool = False, from_logits: bool = False
) -> Tensor:
    """Jensen-Shannon divergence of each label's (yes, no) pair, the mean over labels, per row: [N] in 0..log 2.

    square_root=True averages the labels' distances instead. Source: Lin 1991. Raises MetricInputError.

    >>> rate_js_divergence(torch.tensor([[1.0, 0.5]]), torch.tensor([[0.0, 0.5]]), unit="bits")
    tensor([0.5000])
    """
    scale = logs.per(unit)

    def divergence(p: Tensor, t: Tensor) -> Tensor:
        each = js_pairs(p, t) * scale
        return row_mean(logs.root(each) if square_root else each)

    return soft_rows(divergence, preds, target, "rates", from_logits)


@on_asked_labels
def rate_po_jsd(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """`po_jsd` of each label's (yes, no) pair, the mean over labels, per row: its multilabel form.

    preds, target: rates [N, C]. Returns [N] in [0, 1]. Source: Kurniawan et al. 2025. Raises MetricInputError.

    >>> rate_po_jsd(torch.tensor([[1.0, 0.5]]), torch.tensor([[0.0, 0.5]]))
    tensor([0.5000])
    """
    bits = logs.per("bits")
    return soft_rows(lambda p, t: 1 - row_mean(js_pairs(p, t)) * bits, preds, target, "rates", from_logits)


def js_pairs(p: Tensor, t: Tensor) -> Tensor:
    """Jensen-Shannon divergence of each cell's (yes, no) pair, in nats, [N, C]."""
    p, t = p.clamp(max=1), t.clamp(max=1)
    return (logs.js_terms(p, t) + logs.js_terms(1 - p, 1 - t)).clamp(min=0)


@on_asked_labels
def binomial_log_likelihood(
    preds: ArrayLike, votes: ArrayLike, n: ArrayLike, *, eps: float | None = None, from_logits: bool = False
) -> Tensor:
    """log P(votes | n people asked, rate preds), the mean over labels, per row: [N] in -inf..0.

    preds: rates [N, C]; votes: whole numbers [N, C]; n: people asked, [N] or [N, C], votes <= n. Keeps the binomial
    coefficient, so values compare across predictors on the same votes and say how likely the votes were. Weighs rows
    by the evidence in them, which shares cannot. A row in which nobody was asked gives 0. Labels are taken one by
    one, so it does not ask whether people chose one or several. Raises MetricInputError.

    >>> binomial_log_likelihood(torch.tensor([[0.5]]), torch.tensor([[1]]), torch.tensor([2]))
    tensor([-0.6931])
    """
    logs.check_eps(eps)
    in_one_order(preds, votes)
    p = matrix(preds, "preds", "scores" if from_logits else "rates")
    v = matrix(votes, "votes", "mass")
    same(p, v, ("preds", "votes"))
    result = as_float(p[:0]).dtype
    p = p.to(wide(p.device))
    v = v.to(p.dtype)
    asked = as_tensor(n, "n").to(dtype=p.dtype, device=p.device)
    asked = asked[:, None] if asked.ndim == 1 else asked
    if asked.ndim != 2 or asked.shape[0] != p.shape[0] or asked.shape[1] not in (1, p.shape[1]):
        raise ShapeError(
            f"n: expected [{p.shape[0]}] or {list(p.shape)}, but received shape {list(as_tensor(n, 'n').shape)}"
        )
    broken = (v > asked) | (v != v.round()) | ~torch.isfinite(asked) | (asked != asked.round())
    if bool(broken.any()):
        row, label = (int(x) for x in broken.nonzero()[0])
        raise DomainError(
            f"votes: expected whole numbers of at most n, but received {float(v[row, label]):.6g} votes of "
            f"{float(asked.expand_as(v)[row, label]):.6g} in row {row}, label {label}"
        )
    choose = torch.lgamma(asked + 1) - torch.lgamma(v + 1) - torch.lgamma(asked - v + 1)
    return row_mean(choose + _yes_or_no(v, asked - v, p, from_logits, eps)).to(result)


def soft_f1(
    preds: ArrayLike,
    target: ArrayLike,
    *,
    average: SoftAverage = "micro",
    zero_division: float = 0.0,
    from_logits: bool = False,
    weights: ArrayLike | None = None,
) -> Tensor:
    """F1 with shared mass in place of hits: 2 sum min(p, t) / sum (p + t), over the table.

    preds, target: rates [N, C]; weights: [N], how often each row counts. Returns a 0-dim float64 tensor in [0, 1]
    ("micro": all cells at once; "macro": mean over labels) or [C] ("none"). It is 1 only where p = t; the product
    form 2 sum pt / sum (p + t) gives .5 for p = t = .5. A label with no mass on either side is `zero_division`; nan
    leaves it out, as is a label without any row. On 0/1 values it
    is `label_f1`. Source: Harju & Mesaros 2023 (soft F). Raises MetricInputError.

    >>> soft_f1(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 1.0]]))
    tensor(0.8000, dtype=torch.float64)
    """
    counts = soft_counts(preds, target, from_logits=from_logits, weights=weights)
    return soft_f1_from_counts(counts, average=average, zero_division=zero_division)


def soft_counts(
    preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False, weights: ArrayLike | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of min(p, t), of p + t and of rows asked for each label: three float64 [C].

    >>> soft_counts(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 1.0]]))[1]
    tensor([1.0000, 1.5000], dtype=torch.float64)
    """
    columns = _shared_and_asked(preds, target, from_logits)
    w = row_weights(weights, columns[0])
    shared, mass, rows = (column.sum(0) if w is None else w @ column for column in columns)
    return shared, mass, rows


def _shared_and_asked(preds: ArrayLike, target: ArrayLike, from_logits: bool) -> tuple[Tensor, Tensor, Tensor]:
    p, t, asked = pair_asked(preds, target, "scores" if from_logits else "rates", "rates")
    p, t = (p.to(wide(p.device)).sigmoid() if from_logits else p.clamp(max=1)), t.clamp(max=1)
    if asked is not None:
        p = p.masked_fill(~asked, 0.0)
    p, t = p.to(wide(p.device)), t.to(wide(p.device))
    return torch.minimum(p, t), p + t, torch.ones_like(p) if asked is None else asked.to(p.dtype)


def soft_columns(preds: ArrayLike, target: ArrayLike, *, from_logits: bool = False) -> Tensor:
    """What each row adds to the sums of `soft_counts`, wide float [N, 3 C]."""
    return torch.cat(_shared_and_asked(preds, target, from_logits), dim=1)


def soft_f1_from_counts(
    counts: Sequence[Tensor], *, average: SoftAverage = "micro", zero_division: float = 0.0
) -> Tensor:
    """`soft_f1` from the three sums of `soft_counts`, each [..., C]; leading dimensions are replicates."""
    one_of("average", average, ("micro", "macro", "none"))
    undefined = share("zero_division", zero_division)
    shared, mass, rows = (x.sum(-1) for x in counts) if average == "micro" else counts
    nothing = mass == 0
    f1 = (2 * shared / mass.masked_fill(nothing, 1.0)).masked_fill(nothing, undefined).masked_fill(rows == 0, torch.nan)
    return f1.nanmean(-1) if average == "macro" else f1


SOFT_F1 = Sums(soft_columns, lambda sums, **more: soft_f1_from_counts(sums.chunk(3, dim=1), **more), soft_counts)


def row_mean(x: Tensor) -> Tensor:
    """Mean over labels, [N]."""
    return row_sum(x) / x.shape[1]


def _yes_or_no(yes: Tensor, no: Tensor, p: Tensor, from_logits: bool, eps: float | None) -> Tensor:
    """yes * log p + no * log(1 - p), where 0 answers silence an impossible one."""
    if from_logits:
        log_yes, log_no = nnf.logsigmoid(p), nnf.logsigmoid(-p)
        if eps is not None:
            log_yes, log_no = log_yes.clamp(min=math.log(eps)), log_no.clamp(min=math.log(eps))
        return logs.silenced(yes, log_yes) + logs.silenced(no, log_no)
    p = p.clamp(max=1) if eps is None else p.clamp(eps, 1 - eps)
    sure = p == 1
    log_no = torch.log1p(-p.masked_fill(sure, 0.0))
    return logs.weighed_log(yes, p) + no * log_no + logs.impossible(sure, no)
