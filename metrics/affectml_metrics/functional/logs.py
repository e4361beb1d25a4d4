"""Logarithms and roots of probabilities, with the conventions every entropy and divergence shares.

0 log 0 = 0; nats or bits. Gradients are right wherever there is a derivative, at shares of 0 too. Where the slope is
infinite while the value is not (an entropy at a share of 0), the gradient is the slope at a share of 2^-53: finite,
and of the right sign. Where the value is infinite too, a cell that makes it so has gradient 0.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from affectml_metrics._errors import one_of, real_number
from affectml_metrics._inputs import ArrayLike, as_float, matrix, pair, wide
from affectml_metrics.functional.rows import by_rows, row_sum

__all__ = ["entropy"]

Unit = Literal["nats", "bits"]

_TINY = 2.0**-53  # the smallest share that 1 - share still shows


def per(unit: Unit) -> float:
    """What a value in nats is multiplied by to be in `unit`."""
    one_of("unit", unit, ("nats", "bits"))
    return 1.0 if unit == "nats" else 1 / math.log(2)


def check_eps(eps: float | None) -> None:
    """Raise ArgumentError unless `eps` is None or in (0, 1)."""
    if eps is not None:
        real_number("eps", eps, 0, 1, ends=False)


def distributions(preds: ArrayLike, target: ArrayLike, from_logits: bool) -> tuple[Tensor, Tensor]:
    """Two checked distributions [N, C]; preds are softmaxed first, in float64, when they are logits."""
    p, t = pair(preds, target, "logits" if from_logits else "distribution", "distribution")
    return (p.to(wide(p.device)).softmax(-1) if from_logits else p), t


def log_softmax(logits: Tensor, eps: float | None) -> Tensor:
    """Logarithms of the shares that logits [N, C] stand for, lifted to log(eps) where eps is given."""
    log_p = logits.log_softmax(-1)
    return log_p if eps is None else log_p.clamp(min=math.log(eps))


def weighed_log(weight: Tensor, share: Tensor) -> Tensor:
    """weight * log(share) of each cell; a weight of 0 silences a share of 0."""
    nothing = share == 0
    if not bool(nothing.any()):
        return weight * share.log()
    # masked before the logarithm: after it the gradient would be 0 * inf
    return weight * share.masked_fill(nothing, 1.0).log() + impossible(nothing, weight)


def silenced(weight: Tensor, log_share: Tensor) -> Tensor:
    """`weighed_log` of shares given by their logarithms."""
    nothing = log_share == -torch.inf
    if not bool(nothing.any()):
        return weight * log_share
    return weight * log_share.masked_fill(nothing, 0.0) + impossible(nothing, weight)


def impossible(nothing: Tensor, weight: Tensor) -> Tensor:
    """-inf where there is weight on nothing, else 0: a constant, so that no gradient is infinite."""
    return torch.zeros_like(weight).masked_fill(nothing & (weight > 0), -torch.inf)


def expected_log(weight: Tensor, share: Tensor, eps: float | None = None) -> Tensor:
    """Sum over labels of weight * log(share): [N]; eps lifts the shares to at least that."""
    return row_sum(weighed_log(weight, share if eps is None else share.clamp(min=eps)))


def negative_entropy(p: Tensor) -> Tensor:
    """p log p of each share, of any shape."""
    return p * p.masked_fill(p == 0, _TINY).log()


def row_entropy(p: Tensor) -> Tensor:
    """Shannon entropy of each row in nats: [N]."""
    return -row_sum(negative_entropy(p))


def pair_entropy(p: Tensor) -> Tensor:
    """Entropy of each rate's (yes, no) pair in nats, of any shape."""
    p = p.clamp(max=1)
    return -(negative_entropy(p) + negative_entropy(1 - p))


def js_terms(p: Tensor, t: Tensor) -> Tensor:
    """Each label's part of the Jensen-Shannon divergence in nats, of any shape, to the last digits also where p ~ t.

    With m = (p + t) / 2 and d = (p - t) / (p + t) it is m / 2 * ((1 + d) log(1 + d) + (1 - d) log(1 - d)).
    """
    total = p + t
    nothing = total == 0
    # at p = t = 0 either may only grow, alone, so there d is 1
    d = ((p - t) / total.masked_fill(nothing, 1.0)).masked_fill(nothing, 1.0)
    short = d * (1 - _TINY)  # keeps the logarithms finite, and moves no digit of their products
    return total * ((1 + d) * torch.log1p(short) + (1 - d) * torch.log1p(-short)) / 4


def root(x: Tensor) -> Tensor:
    """Square root whose gradient at 0 is 0: a distance of 0 is its least, and has no slope."""
    nothing = x == 0
    return x.masked_fill(nothing, 1.0).sqrt().masked_fill(nothing, 0.0)


def entropy(shares: ArrayLike, *, unit: Unit = "nats", from_logits: bool = False) -> Tensor:
    """Shannon entropy -sum p log p of each row: 0 where all agree, log C where every label has the same share.

    shares: distribution [N, C]. Returns [N] in the float dtype of the input. Estimated from n votes it is too low, by
    about (C - 1) / 2n nats (Miller 1955): compare entropies with `sampling_floor` at hand. Raises MetricInputError.

    >>> entropy(torch.tensor([[0.5, 0.5]]), unit="bits")
    tensor([1.])
    """
    p, scale = matrix(shares, "shares", "logits" if from_logits else "distribution"), per(unit)

    def of_block(p: Tensor, _: Tensor) -> Tensor:
        p = p.to(wide(p.device))
        return row_entropy(p.softmax(-1) if from_logits else p) * scale

    return by_rows(of_block, p, p).to(as_float(p[:0]).dtype)
