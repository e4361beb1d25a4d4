"""The two kinds of target that a head may learn, and what each makes of logits.

distribution   rows sum to one; softmax; the labels compete
rates          each label in 0..1 on its own, 0/1 for sets; sigmoid
"""

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from affectml.errors import BadInput, did_you_mean
from affectml.heads._inputs import ArrayLike, as_distribution, as_shares, as_weights
from affectml.heads._objective import Objective

Kind: TypeAlias = Literal["distribution", "rates"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_TINY = 1e-9  # probabilities closer to 0 or 1 than this are taken as this far away


def check_kind(kind: str, who: str) -> None:
    """Raises BadInput for anything but "distribution" and "rates"."""
    if kind not in KINDS:
        raise BadInput(f"{who}: no kind {kind!r}{did_you_mean(str(kind), KINDS)} (kinds: {', '.join(KINDS)})")


def shares_of(kind: Kind, targets: ArrayLike, rows: int, columns: int | None, name: str) -> Tensor:
    """Targets [N, C] checked for this kind, float64."""
    if kind == "distribution":
        return as_distribution(targets, rows, columns, name)
    return as_shares(targets, rows, columns, name)


def refuse_distributions(shares: Tensor, name: str) -> None:
    """For heads that need rates or sets: raises BadInput where every row is a distribution with several labels."""
    sums_to_one = bool(((shares.sum(dim=1) - 1).abs() <= 1e-3).all())
    if len(shares) > 1 and sums_to_one and bool(((shares > 0) & (shares < 1)).any()):
        raise BadInput(
            f"{name}: every row sums to 1, so these are distributions and say nothing of sets: give rates or sets, "
            'or take SoftmaxHead, KernelHead or AutoHead(kind="distribution")'
        )


def weights_of(kind: Kind, weights: ArrayLike | None, shape: torch.Size) -> Tensor:
    """Weights [N, 1], or per cell [N, C] for rates."""
    return as_weights(weights, shape, per_cell=kind == "rates")


def masses(kind: Kind, shares: Tensor, weights: Tensor | None = None) -> Objective:
    """Targets [N, C] and weights as the masses of the kind's log loss; every row alike without weights."""
    mass = torch.ones(len(shares), 1, dtype=shares.dtype) if weights is None else weights
    if kind == "distribution":
        return Objective(shares * mass, None)
    return Objective(shares * mass, (1 - shares) * mass)


def probabilities(kind: Kind, logits: Tensor) -> Tensor:
    """Softmax or sigmoid of logits [N, C]."""
    return logits.softmax(dim=1) if kind == "distribution" else logits.sigmoid()


def logits_of(kind: Kind, predicted: Tensor) -> Tensor:
    """Logits [N, C] that give these probabilities; a distribution's are its logarithms."""
    inside = predicted.double().clamp(_TINY, 1 - _TINY)
    return inside.log() if kind == "distribution" else inside.logit()


def clipped(kind: Kind, raw: Tensor) -> Tensor:
    """What a least-squares fit says, as probabilities: at least 0.005, and summing to one for a distribution."""
    inside = raw.clamp(0.005, 1 if kind == "distribution" else 0.995)
    return inside / inside.sum(dim=1, keepdim=True) if kind == "distribution" else inside
