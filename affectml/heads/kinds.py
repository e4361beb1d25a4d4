"""The two kinds of scores that a head may give, and what each makes of logits.

distribution   rows sum to one; softmax; the labels compete
rates          each label in 0..1 on its own, 0/1 for sets; sigmoid
"""

from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads._objective import Objective
from affectml.heads.inputs import is_distribution

ScoreKind: TypeAlias = Literal["distribution", "rates"]
SCORE_KINDS: tuple[ScoreKind, ...] = get_args(ScoreKind)

_TINY = 1e-9  # probabilities closer to 0 or 1 than this are taken as this far away


def only_shares(shares: Tensor) -> bool:
    """Whether rates [N, C] are the shares of one choice: every row sums to 1, over several labels in some."""
    return len(shares) > 1 and is_distribution(shares) and bool(((shares > 0) & (shares < 1)).any())


def refuse_distributions(shares: Tensor, name: str) -> None:
    """For heads that need rates or sets: raises BadInput where every row is a distribution with several labels."""
    if only_shares(shares):
        raise BadInput(
            f"{name}: every row sums to 1, so these are distributions and say nothing of sets: give rates or sets, "
            'or take SoftmaxHead, KernelHead or AutoHead(kind="distribution")'
        )


def masses(kind: ScoreKind, shares: Tensor, weights: Tensor | None = None) -> Objective:
    """Targets [N, C] and weights as the masses of the kind's log loss; every row alike without weights."""
    mass = torch.ones(len(shares), 1, dtype=shares.dtype) if weights is None else weights
    if kind == "distribution":
        return Objective(shares * mass, None)
    return Objective(shares * mass, (1 - shares) * mass)


def probabilities(kind: ScoreKind, logits: Tensor) -> Tensor:
    """Softmax or sigmoid of logits [N, C]."""
    return logits.softmax(dim=1) if kind == "distribution" else logits.sigmoid()


def logits_of(kind: ScoreKind, predicted: Tensor) -> Tensor:
    """Logits [N, C] that give these probabilities; a distribution's are its logarithms."""
    inside = predicted.double().clamp(_TINY, 1 - _TINY)
    return inside.log() if kind == "distribution" else inside.logit()
