"""Logarithms and roots of probabilities, with the conventions every entropy and divergence shares.

0 log 0 = 0; nats or bits. Gradients are right wherever there is a derivative, at shares of 0 too. Where the slope is
infinite while the value is not (an entropy at a share of 0), the gradient is the slope at a share of 2^-53: finite,
and of the right sign.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from affectml_metrics._errors import ArgumentError, one_of
from affectml_metrics._inputs import ArrayLike, as_float, matrix, pair, wide
from affectml_metrics.functional._rows import by_rows, row_sum

Unit = Literal["nats", "bits"]

_TINY = 2.0**-53  # the smallest share that 1 - share still shows


def per(unit: Unit) -> float:
    """What a value in nats is multiplied by to be in `unit`."""
    one_of("unit", unit, ("nats", "bits"))
    return 1.0 if unit == "nats" else 1 / math.log(2)


def check_eps(eps: float | None) -> None:
    """Raise ArgumentError unless `eps` is None or in (0, 1)."""
    if eps is not None and not (isinstance(eps, (int, float)) and 0 < eps < 1):
        raise ArgumentError(f"eps: expected None or a number between 0 and 1, but received {eps!r}")


def distributions(preds: ArrayLike, target: ArrayLike, from_logits: bool) -> tuple[Tensor, Tensor]:
    """Two checked distributions [N, C]; preds are softmaxed first, in float64, when they are logits."""
    p, t = pair(preds, target, "logits" if from_logits else "distribution", "distribution")
    return (p.to(wide(p.device)).softmax(-1) if from_logits else p), t


def log_share(p: Tensor, from_logits: bool, eps: float | None) -> Tensor:
    """log p of shares or logits [N, C]; a share of 0 has the log -inf, or log(eps) where eps is given."""
    if from_logits:
        log_p = p.log_softmax(-1)
        return log_p if eps is None else log_p.clamp(min=math.log(eps))
    return (p if eps is None else p.clamp(min=eps)).log()


def silenced(weight: Tensor, log_p: Tensor) -> Tensor:
    """weight * log_p, where a weight of 0 silences even -inf, and its gradient."""
    lost = log_p == -torch.inf
    if not bool(lost.any()):
        return weight * log_p
    quiet = lost & (weight == 0)
    return weight * log_p.masked_fill(quiet, 0.0)


def expected_log(weight: Tensor, share: Tensor, eps: float | None = None) -> Tensor:
    """Sum over labels of weight * log(share): [N]; a weight of 0 silences a share of 0."""
    if eps is not None:
        return row_sum(weight * share.clamp(min=eps).log())
    if bool(share.amin() > 0 if share.numel() else True):
        return row_sum(weight * share.log())
    quiet = (weight == 0) & (share == 0)  # masked before the log: after it the gradient would be 0 * inf
    return row_sum(weight * share.masked_fill(quiet, 1.0).log())


def negative_entropy(p: Tensor) -> Tensor:
    """p log p of each share, of any shape."""
    return p * p.masked_fill(p == 0, _TINY).log()


def row_entropy(p: Tensor) -> Tensor:
    """Shannon entropy of each row in nats: [N]."""
    return -row_sum(negative_entropy(p))


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
