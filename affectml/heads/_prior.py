"""The floor every report shows: the same answer for every image."""

import torch
from torch import Tensor

from affectml.heads.base import Head
from affectml.heads.inputs import Features, Rows, as_features, is_distribution, on_disk


class PriorHead(Head, name="prior"):
    """Predicts the training set's label shares for every row, whatever its features.

    Half a case for and half against is added to each label (Jeffreys' prior), so that a label nobody chose
    has a finite log loss; where every target row sums to one (one label, or a distribution) half a case is
    added to each label and the shares sum to one. One row is enough. It has no options.
    """

    reads_blocks = True
    says = "learns nothing of the images and stands in every report anyway"

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        mass = rows.mass.expand_as(rows.targets)
        mass = mass / mass.mean()
        chosen = (mass * rows.targets).sum(dim=0) + 0.5
        asked = chosen.sum() if is_distribution(rows.targets) else mass.sum(dim=0) + 1
        self._state = {"shares": chosen / asked, "features": torch.tensor(rows.X.shape[1])}
        self.report_ = {"prevalence": rows.targets.mean(dim=0).tolist()}

    def scores(self, X: Features) -> Tensor:
        """The label shares, once per row: [N, C]."""
        state, rows = self._fitted(), on_disk(X, "X")  # what is on disk need not be read for this
        return state["shares"].repeat(len(as_features(X, int(state["features"])) if rows is None else rows), 1)

    def predict_rates(self, X: Features) -> Tensor:
        """The label shares, [N, C]."""
        return self.scores(X)

    def predict_distribution(self, X: Features) -> Tensor:
        """The label shares, scaled to sum to one: [N, C]."""
        scores = self.scores(X)
        return scores / scores.sum(dim=1, keepdim=True)

    def _state_keys(self) -> tuple[str, ...]:
        return ("shares", "features")
