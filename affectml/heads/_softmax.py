"""Softmax head: one distribution over the labels per image (CLIP-E's cross-entropy head)."""

import dataclasses

import torch
from torch import Tensor

from affectml.heads._neural import NeuralConfig, NeuralHead
from affectml.heads._objective import Objective
from affectml.heads.inputs import Features


@dataclasses.dataclass(frozen=True)
class SoftmaxConfig(NeuralConfig):
    """See NeuralConfig."""


class SoftmaxHead(NeuralHead, name="softmax", learns=("single", "distribution"), takes=("hidden", "ensemble")):
    """Multinomial logistic regression, or one hidden layer, fitted by soft cross-entropy.

    Targets: one-hot rows (single labels) or distributions, rows summing to one; weights: [N]. `scores` and
    `predict_distribution` are the same [N, C] distribution, unless logits are adjusted.

    Options: SoftmaxConfig. Source: the cross-entropy head of Bustos et al. 2023, with `hidden=512`. Features that say
    nothing give the label shares; a label that nobody chose keeps a small share. One row needs `l2` or `val`.
    """

    says = "gives one answer"
    config_class = SoftmaxConfig

    def scores(self, X: Features) -> Tensor:
        """The predicted distribution, [N, C] float64; with `config.logit_adjustment` it ranks rare labels higher."""
        return (self._logits(X) - self._adjustment()).softmax(dim=1)

    def predict_distribution(self, X: Features) -> Tensor:
        """The predicted distribution, [N, C] float64; rows sum to one."""
        return self._logits(X).softmax(dim=1)

    def _label_weights(self, prevalence: Tensor) -> Tensor:
        # a label that never occurs has no cases to weigh
        common = torch.where(prevalence > 0, prevalence * len(prevalence), torch.ones_like(prevalence))
        return common**-self.config.balance

    def _objective(self, shares: Tensor, weights: Tensor, label_weights: Tensor) -> Objective:
        return Objective(shares * weights * label_weights, None)

    def _prior_logits(self, prevalence: Tensor) -> Tensor:
        return prevalence.clamp(min=1e-4).log()
