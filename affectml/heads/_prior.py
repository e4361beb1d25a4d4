"""The floor every report shows: the same answer for every image."""

from typing import Self

import torch
from torch import Tensor

from affectml.heads._base import Head
from affectml.heads._inputs import ArrayLike, Pair, as_features, as_shares, as_weights, is_distribution


class PriorHead(Head, name="prior"):
    """Predicts the training set's label shares for every row, whatever its features.

    Half a case for and half against is added to each label (Jeffreys' prior), so that a label nobody chose
    has a finite log loss; where every target row sums to one (one label, or a distribution) half a case is
    added to each label and the shares sum to one.
    """

    def fit(
        self,
        X: ArrayLike,
        targets: ArrayLike,
        *,
        val: Pair | None = None,
        weights: ArrayLike | None = None,
        generator: torch.Generator | None = None,
    ) -> Self:
        """Fit on targets [N, C] in 0..1; weights [N] or [N, C]. `val` and `generator` have nothing to decide."""
        features = as_features(X)
        shares = as_shares(targets, len(features))
        mass = as_weights(weights, shares.shape, per_cell=True).expand_as(shares)
        mass = mass / mass.mean()
        self._forget()
        chosen = (mass * shares).sum(dim=0) + 0.5
        asked = chosen.sum() if is_distribution(shares) else mass.sum(dim=0) + 1
        self._state = {"shares": chosen / asked, "features": torch.tensor(features.shape[1])}
        self.report_ = {"prevalence": shares.mean(dim=0).tolist()}
        return self

    def scores(self, X: ArrayLike) -> Tensor:
        """The label shares, once per row: [N, C]."""
        state = self._fitted()
        return state["shares"].repeat(len(as_features(X, int(state["features"]))), 1)

    def predict_rates(self, X: ArrayLike) -> Tensor:
        """The label shares, [N, C]."""
        return self.scores(X)

    def predict_distribution(self, X: ArrayLike) -> Tensor:
        """The label shares, scaled to sum to one: [N, C]."""
        scores = self.scores(X)
        return scores / scores.sum(dim=1, keepdim=True)

    def _state_keys(self) -> tuple[str, ...]:
        return ("shares", "features")
