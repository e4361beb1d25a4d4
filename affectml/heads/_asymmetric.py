"""Asymmetric loss for rare labels, and the calibration that its scores need to be rates again."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from affectml.heads._objective import Objective

MARGIN = 0.05  # negatives predicted below this no longer count (Ridnik et al. 2021)


@dataclass(frozen=True)
class AsymmetricObjective(Objective):
    """Binary cross-entropy whose easy negatives fade (Ridnik et al. 2021), on masses for and against.

    With p = sigmoid(z) and q = max(p - 0.05, 0): - A log p - B q^focus log(1 - q). focus 0 keeps only the margin.
    """

    focus: float = 2.0

    def loss(self, logits: Tensor) -> Tensor:
        """Summed loss of logits [N, C]."""
        assert self.negative is not None
        q = (logits.sigmoid() - MARGIN).clamp(min=0)
        faded = q**self.focus * torch.log1p(-q) if self.focus else torch.log1p(-q)
        return -(self.positive * logsigmoid(logits) + self.negative * faded).sum()

    def gradient(self, logits: Tensor) -> Tensor:
        """Derivative of the summed loss by the logits, [N, C]."""
        with torch.enable_grad():
            z = logits.detach().requires_grad_()
            return torch.autograd.grad(self.loss(z), z)[0]


def recalibrated(logits: Tensor, positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    """Slope and shift [C] of each label's logit that make its sigmoid a rate (Platt 1999)."""
    from affectml.heads._zero_shot import _platt

    mass = positive + negative
    shares = positive / mass.clamp(min=1e-300)
    slope, shift = _platt(logits.numpy(), shares.numpy(), (mass / mass.mean()).numpy())
    return torch.from_numpy(slope), torch.from_numpy(shift)
