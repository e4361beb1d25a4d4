"""Sigmoid head: for each label on its own, the share of people who would choose it."""

import dataclasses
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads._linear import FOLDS, L2Path, Standardiser, folds, precision
from affectml.heads._material import Material
from affectml.heads._neural import NeuralConfig, NeuralHead
from affectml.heads._objective import Objective
from affectml.heads._votes import vote_correlation, vote_weights
from affectml.heads.config import Wanted
from affectml.heads.inputs import Features, Rows


@dataclasses.dataclass(frozen=True)
class SigmoidConfig(NeuralConfig):
    """NeuralConfig's options, and those of rates and sets.

    assumed_negatives: for single labels, where absent labels are unknown and not absent: they are taken as
    negatives, but every target moves this far towards one half, 0.1 turning 1 and 0 into .95 and .05 (label
    smoothing for single-positive multi-label learning, Cole et al. 2021). None: 0 means "does not apply".
    rho: how far one image's votes go together. With it, `fit` takes weights as numbers of people asked and
    counts n / (1 + (n - 1) rho) for each: 0 is binomial, "fit" estimates it (beta-binomial). None: weights as
    they are. Worth it when people per image differ much.
    """

    assumed_negatives: Annotated[float, Field(ge=0, lt=1)] | None = None
    rho: Annotated[float, Field(ge=0, le=1)] | Literal["fit"] | None = None


class SigmoidHead(
    NeuralHead, name="sigmoid", learns=("rates", "sets", "single-positive"), takes=("hidden", "ensemble")
):
    """A logistic regression per label, or one hidden layer for all, fitted by binary cross-entropy on rates.

    Targets: rates, or sets as 0/1, [N, C]; weights: [N], or [N, C] (people asked, say: a rate of n people
    then counts n times; 0 where nobody was asked about that label, whose target is then ignored). `predict_rates`
    are the [N, C] rates, and so are `scores` without logit adjustment.

    Options: SigmoidConfig. Source: binary relevance by logistic regression (Tsoumakas & Katakis 2007). Features that
    say nothing give the label shares; rates of labels that nobody or everybody chose stay inside 0 and 1. Rows of
    zeros, the empty set, are learned from. One row needs `l2` or `val`.
    """

    says = "predicts rates and sets"
    config_class = SigmoidConfig
    config: SigmoidConfig

    @classmethod
    def decided(cls, wanted: Wanted) -> dict[str, Any]:
        """Head.decided, how single labels are taken, and whether votes are counted."""
        rho = "fit" if wanted.count_votes else None
        return super().decided(wanted) | {"assumed_negatives": wanted.assumed_negatives, "rho": rho}

    def from_material(self, material: Material) -> dict[str, Any]:
        """Votes where `config.rho` says how they count, or people per image differ much."""
        return super().from_material(material) | material.counted(self.config.rho is not None)

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """See NeuralHead._fit; with `config.rho`, weights are numbers of people asked."""
        rho = self.config.rho
        if rho is None:
            super()._fit(rows, generator)
            return
        if rows.weights is None:
            raise BadInput("weights: rho weighs votes by the number of people asked: give it as weights, [N] or [N, C]")
        if rho == "fit":
            super()._fit(rows, generator)
            rho = self._vote_correlation(rows, generator)
        super()._fit(dataclasses.replace(rows, weights=vote_weights(rows.weights, rho)), generator)
        self.report_["rho"] = rho

    def scores(self, X: Features) -> Tensor:
        """The predicted rates, [N, C] float64; with `config.logit_adjustment` they rank rare labels higher."""
        return (self._logits(X) - self._adjustment()).sigmoid()

    def predict_rates(self, X: Features) -> Tensor:
        """The predicted rates, [N, C] float64."""
        return self._logits(X).sigmoid()

    def _vote_correlation(self, rows: Rows, generator: torch.Generator) -> float:
        """rho from the rows that each of five linear fits, at the L2 just chosen, leaves out."""
        table = Standardiser.of(rows.X).apply(rows.X, precision(rows.X))
        objective = Objective(rows.targets * rows.mass, (1 - rows.targets) * rows.mass)
        logits = _left_out(table, objective, self.report_.get("l2", 0.1), generator)
        return vote_correlation(rows.targets, rows.mass, logits.sigmoid())

    def _label_weights(self, prevalence: Tensor) -> Tensor:
        some = (prevalence > 0) & (prevalence < 1)
        odds = torch.where(some, (1 - prevalence) / prevalence, torch.ones_like(prevalence))
        return odds**self.config.balance

    def _objective(self, shares: Tensor, weights: Tensor, label_weights: Tensor) -> Objective:
        smoothing = self.config.assumed_negatives or 0.0
        softened = shares * (1 - smoothing) + smoothing / 2 if smoothing else shares
        return Objective(softened * (weights * label_weights), (1 - softened) * weights)

    def _prior_logits(self, prevalence: Tensor) -> Tensor:
        return prevalence.clamp(1e-4, 1 - 1e-4).logit()


def _left_out(table: Tensor, objective: Objective, l2: float, generator: torch.Generator) -> Tensor:
    """Logits [N, C] of every row from the one of five fits that it was kept out of."""
    out = torch.zeros_like(objective.positive)
    for kept, rows in folds(objective.positive, FOLDS, generator):
        if objective.rows(kept).total > 0:
            path = L2Path(table[kept], objective.rows(kept))
            path.step(l2)
            out[rows] = path.logits(table[rows])
    return out
