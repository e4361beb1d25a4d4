"""Softmax and sigmoid heads: linear, or with one hidden layer."""

import dataclasses
from typing import Annotated, Any, cast

import torch
from pydantic import Field
from torch import Tensor

from affectml.heads.base import Head
from affectml.heads.blocks import Blocks
from affectml.heads.config import Wanted
from affectml.heads.hidden import LAYERS, NeuralConfig, fit_hidden, forward
from affectml.heads.inputs import Features, Material, Rows, alike, feature_parts, weighted_mean
from affectml.heads.linear import FOLDS, fit_linear, folds
from affectml.heads.objective import Objective, masses, probabilities


class NeuralHead(Head):
    """A linear or one-hidden-layer head; subclasses say which targets they take."""

    config: NeuralConfig
    reads_blocks = True

    def _objective(self, shares: Tensor, weights: Tensor) -> Objective:
        """Targets and weights as masses."""
        return masses(self.kinds()[0], shares, weights)

    def scores(self, X: Features) -> Tensor:
        """The predicted distribution or rates, [N, C] float64."""
        return probabilities(self.kinds()[0], self._logits(X))

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """Choose and fit.

        Linear: L2 is chosen on `val`, else by 5-fold cross-validation, after which all N rows are fitted. Hidden:
        weight decay and the number of epochs are chosen on `val`, else on a fifth of the rows, which is then not
        fitted on.
        """
        if self.config.hidden or self.config.l2 is None:
            rows.need(2, "give val, or a linear head its l2")
        features, shares, mass = cast("Tensor | Blocks", rows.X), rows.targets, rows.mass
        held: tuple[Tensor | Blocks, Objective] | None = None
        if rows.val is not None:
            held = (rows.val[0], self._objective(rows.val[1], alike(len(rows.val[1]))))
        elif self.config.hidden:
            asked = (mass > 0).double()
            parts = folds(shares * asked, FOLDS, generator)
            kept, left_out = next(part for part in parts if asked[part[0]].any())
            held = (features[left_out], self._objective(shares[left_out], asked[left_out]))
            features, shares, mass = features[kept], shares[kept], mass[kept]
        objective = self._objective(shares, mass)
        self.report_ = {"rows": len(features), "prevalence": weighted_mean(shares, mass).tolist()}
        if held is not None and self.config.hidden:
            self._state, chosen = fit_hidden(features, objective, held, self.config, generator)
        else:
            self._state, chosen = fit_linear(features, objective, l2=self.config.l2, val=held, generator=generator)
        self.report_ |= chosen

    def _logits(self, X: Features) -> Tensor:
        """Logits [N, C] in float64, in chunks so that memory stays bounded."""
        state = self._fitted()
        columns = state["weight1"].shape[1] if self.config.hidden else state["weight"].shape[0]
        parts = (part.double() for part in feature_parts(X, columns))
        if self.config.hidden:
            return torch.cat([forward(part, [state[key] for key in LAYERS]) for part in parts])
        return torch.cat([torch.addmm(state["bias"], part, state["weight"]) for part in parts])

    def _state_keys(self) -> tuple[str, ...]:
        return LAYERS if self.config.hidden else ("weight", "bias")


class SoftmaxHead(NeuralHead, name="softmax", learns=("single", "distribution")):
    """Multinomial logistic regression, or one hidden layer, fitted by soft cross-entropy.

    Targets: one-hot rows (single labels) or distributions, rows summing to one; weights: [N]. `scores` and
    `predict_distribution` are the same [N, C] distribution.

    Options: NeuralConfig. Source: the cross-entropy head of Bustos et al. 2023, with `hidden=512`. Features that say
    nothing give the label shares; a label that nobody chose keeps a small share. One row needs `l2` or `val`.
    """

    says = "gives one answer"
    config_class = NeuralConfig


@dataclasses.dataclass(frozen=True)
class SigmoidConfig(NeuralConfig):
    """NeuralConfig's options, and those of rates and sets.

    assumed_negatives: for single labels, where absent labels are unknown and not absent: they are taken as
    negatives, but every target moves this far towards one half, 0.1 turning 1 and 0 into .95 and .05 (label
    smoothing for single-positive multi-label learning, Cole et al. 2021). None: 0 means "does not apply".
    """

    assumed_negatives: Annotated[float, Field(ge=0, lt=1)] | None = None


class SigmoidHead(NeuralHead, name="sigmoid", learns=("rates", "sets", "single-positive")):
    """A logistic regression per label, or one hidden layer for all, fitted by binary cross-entropy on rates.

    Targets: rates, or sets as 0/1, [N, C]; weights: [N], or [N, C] (people asked, say: a rate of n people
    then counts n times; 0 where nobody was asked about that label, whose target is then ignored). `scores` and
    `predict_rates` are the same [N, C] rates.

    Options: SigmoidConfig. Source: binary relevance by logistic regression (Tsoumakas & Katakis 2007). Features that
    say nothing give the label shares; rates of labels that nobody or everybody chose stay inside 0 and 1. Rows of
    zeros, the empty set, are learned from. One row needs `l2` or `val`.
    """

    says = "predicts rates and sets"
    config_class = SigmoidConfig
    config: SigmoidConfig

    @classmethod
    def decided(cls, wanted: Wanted) -> dict[str, Any]:
        """Head.decided, and how single labels are taken."""
        return super().decided(wanted) | {"assumed_negatives": wanted.assumed_negatives}

    def from_material(self, material: Material) -> dict[str, Any]:
        """Votes where people per image differ much."""
        return super().from_material(material) | material.counted()

    def _objective(self, shares: Tensor, weights: Tensor) -> Objective:
        smoothing = self.config.assumed_negatives or 0.0
        return super()._objective(shares * (1 - smoothing) + smoothing / 2 if smoothing else shares, weights)
