"""Logarithms of probabilities, with the conventions every entropy and divergence shares: 0 log 0 = 0, nats or bits."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from affectml_metrics._errors import ArgumentError, one_of
from affectml_metrics._inputs import ArrayLike, as_float, matrix, pair

Unit = Literal["nats", "bits"]


def per(unit: Unit) -> float:
    """What a value in nats is multiplied by to be in `unit`."""
    one_of("unit", unit, ("nats", "bits"))
    return 1.0 if unit == "nats" else 1 / math.log(2)


def check_eps(eps: float | None) -> None:
    """Raise ArgumentError unless `eps` is None or in (0, 1)."""
    if eps is not None and not 0 < eps < 1:
        raise ArgumentError(f"eps: expected None or a number between 0 and 1, but received {eps!r}")


def distributions(preds: ArrayLike, target: ArrayLike, from_logits: bool) -> tuple[Tensor, Tensor]:
    """Two checked distributions [N, C]; preds are softmaxed first when they are logits."""
    p, t = pair(preds, target, "scores" if from_logits else "distribution", "distribution")
    return (p.softmax(-1) if from_logits else p), t


def log_share(p: Tensor, from_logits: bool, eps: float | None) -> Tensor:
    """log p of shares or logits [N, C]; a share of 0 has the log -inf, or log(eps) where eps is given."""
    if from_logits:
        log_p = p.log_softmax(-1)
        return log_p if eps is None else log_p.clamp(min=math.log(eps))
    return (p if eps is None else p.clamp(min=eps)).log()


def expected_log(weight: Tensor, log_p: Tensor) -> Tensor:
    """Sum over labels of weight * log_p, where a weight of 0 silences even -inf: [N]."""
    return torch.where(weight == 0, torch.zeros_like(log_p), weight * log_p).sum(-1)


def row_entropy(p: Tensor) -> Tensor:
    """Shannon entropy of each row in nats: [N]."""
    total: Tensor = torch.special.entr(p).sum(-1)
    return total


def entropy(shares: ArrayLike, *, unit: Unit = "nats", from_logits: bool = False) -> Tensor:
    """Shannon entropy -sum p log p of each row: 0 where all agree, log C where every label has the same share.

    shares: distribution [N, C]. Returns [N] in the float dtype of the input. Estimated from n votes it is too low, by
    about (C - 1) / 2n nats (Miller 1955): compare entropies with `sampling_floor` at hand. Raises MetricInputError.

    >>> entropy(torch.tensor([[0.5, 0.5]]), unit="bits")
    tensor([1.])
    """
    p = as_float(matrix(shares, "shares", "scores" if from_logits else "distribution"))
    return row_entropy(p.softmax(-1) if from_logits else p) * per(unit)
