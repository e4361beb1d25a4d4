"""AdamW for the few arrays of a head."""

from collections.abc import Sequence

import torch
from torch import Tensor

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class AdamW:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019), to the bit what torch.optim.AdamW does on a CPU.

    That class loads torch's compiler when it is made, 1.5 seconds of CPU, which a head has no use for. groups: arrays
    with the weight decay of each group. Arrays without a gradient stay as they are.
    """

    def __init__(self, groups: Sequence[tuple[Sequence[Tensor], float]], rate: float) -> None:
        self.rate, self.steps = rate, 0
        self._arrays = [
            (array, decay, torch.zeros_like(array), torch.zeros_like(array))
            for arrays, decay in groups
            for array in arrays
        ]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for array, *_ in self._arrays:
            array.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every array by its gradient."""
        self.steps += 1
        first, second = BETAS
        size = self.rate / (1 - first**self.steps)
        root = (1 - second**self.steps) ** 0.5
        for array, decay, mean, square in self._arrays:
            if array.grad is None:
                continue
            if decay:
                array.mul_(1 - self.rate * decay)
            mean.lerp_(array.grad, 1 - first)
            square.mul_(second).addcmul_(array.grad, array.grad, value=1 - second)
            array.addcdiv_(mean, (square.sqrt() / root).add_(EPSILON), value=-size)
