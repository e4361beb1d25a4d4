"""Sigmoid head: for each label on its own, the share of people who would choose it."""

import dataclasses

import torch
from torch import Tensor

from affectml.heads._inputs import ArrayLike, as_shares, as_weights
from affectml.heads._neural import NeuralConfig, NeuralHead
from affectml.heads._objective import Objective


@dataclasses.dataclass(frozen=True)
class SigmoidConfig(NeuralConfig):
    """NeuralConfig's options, and one more.

    assumed_negatives: for single labels, where absent labels are unknown and not absent: they are taken as
    negatives, but every target moves this far towards one half, 0.1 turning 1 and 0 into .95 and .05 (label
    smoothing for single-positive multi-label learning, Cole et al. 2021). None: 0 means "does not apply".
    """

    assumed_negatives: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        smoothing = self.assumed_negatives
        self._need(smoothing is None or 0 <= smoothing < 1, "assumed_negatives", "at least 0 and below 1, or None")


class SigmoidHead(NeuralHead):
    """A logistic regression per label, or one hidden layer for all, fitted by binary cross-entropy on rates.

    Targets: rates, or sets as 0/1, [N, C]; weights: [N], or [N, C] (people asked, say: a rate of n people
    then counts n times; 0 where nobody was asked about that label, whose target is then ignored). `scores` and
    `predict_rates` are the same [N, C] rates.
    """

    name = "sigmoid"
    config_class = SigmoidConfig
    config: SigmoidConfig

    def scores(self, X: ArrayLike) -> Tensor:
        """The predicted rates, [N, C] float64."""
        return self._logits(X).sigmoid()

    def predict_rates(self, X: ArrayLike) -> Tensor:
        """The predicted rates, [N, C] float64."""
        return self.scores(X)

    def _shares(self, targets: ArrayLike, rows: int, columns: int | None, name: str) -> Tensor:
        return as_shares(targets, rows, columns, name)

    def _weights(self, weights: ArrayLike | None, shape: torch.Size) -> Tensor:
        return as_weights(weights, shape, per_cell=True)

    def _label_weights(self, prevalence: Tensor) -> Tensor:
        some = (prevalence > 0) & (prevalence < 1)
        odds = torch.where(some, (1 - prevalence) / prevalence, torch.ones_like(prevalence))
        return odds**self.config.balance

    def _objective(self, shares: Tensor, weights: Tensor, label_weights: Tensor) -> Objective:
        smoothing = self.config.assumed_negatives or 0.0
        softened = shares * (1 - smoothing) + smoothing / 2
        return Objective(softened * weights * label_weights, (1 - softened) * weights)
