"""Sigmoid head: for each label on its own, the share of people who would choose it."""

import dataclasses
from dataclasses import replace
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads._asymmetric import AsymmetricObjective, recalibrated
from affectml.heads._config import Wanted
from affectml.heads._inputs import ArrayLike, Rows
from affectml.heads._linear import FOLDS, Path, Standardiser, fit_linear, folds, precision
from affectml.heads._neural import NeuralConfig, NeuralHead
from affectml.heads._objective import Objective
from affectml.heads._votes import vote_correlation, vote_weights


@dataclasses.dataclass(frozen=True)
class SigmoidConfig(NeuralConfig):
    """NeuralConfig's options, and those of rates and sets.

    assumed_negatives: for single labels, where absent labels are unknown and not absent: they are taken as
    negatives, but every target moves this far towards one half, 0.1 turning 1 and 0 into .95 and .05 (label
    smoothing for single-positive multi-label learning, Cole et al. 2021). None: 0 means "does not apply".
    rho: how far one image's votes go together. With it, `fit` takes weights as numbers of people asked and
    counts n / (1 + (n - 1) rho) for each: 0 is binomial, "fit" estimates it (beta-binomial). None: weights as
    they are. Worth it when people per image differ much.
    asymmetric: focusing of the negatives, 1 to 4, for rare labels (see AsymmetricObjective); rates are then
    recalibrated. coupling: whether each label's logit may lean on the other labels' (see _couple); linear only.
    """

    assumed_negatives: Annotated[float, Field(ge=0, lt=1)] | None = None
    rho: Annotated[float, Field(ge=0, le=1)] | Literal["fit"] | None = None
    asymmetric: NonNegativeFloat | None = None
    coupling: bool = False

    def check(self) -> None:
        """See HeadConfig.check."""
        super().check()
        if self.coupling and self.hidden:
            raise BadInput("SigmoidConfig: coupling must be False for a hidden layer, whose labels share units")


class SigmoidHead(
    NeuralHead, name="sigmoid", learns=("rates", "sets", "single-positive"), options=("hidden", "ensemble")
):
    """A logistic regression per label, or one hidden layer for all, fitted by binary cross-entropy on rates.

    Targets: rates, or sets as 0/1, [N, C]; weights: [N], or [N, C] (people asked, say: a rate of n people
    then counts n times; 0 where nobody was asked about that label, whose target is then ignored). `predict_rates`
    are the [N, C] rates, and so are `scores` without logit adjustment.
    """

    says = "predicts rates and sets"
    config_class = SigmoidConfig
    config: SigmoidConfig

    @classmethod
    def decided(cls, wanted: Wanted) -> dict[str, Any]:
        """Head.decided, how single labels are taken, and whether votes are counted."""
        rho = "fit" if wanted.count_votes else None
        return super().decided(wanted) | {"assumed_negatives": wanted.assumed_negatives, "rho": rho}

    def counts_votes(self, uneven: bool) -> bool:
        """Where `config.rho` says how, or people per image differ much."""
        return uneven or self.config.rho is not None

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
        super()._fit(replace(rows, weights=vote_weights(rows.weights, rho)), generator)
        self.report_["rho"] = rho

    def scores(self, X: ArrayLike) -> Tensor:
        """The predicted rates, [N, C] float64; with `config.logit_adjustment` they rank rare labels higher."""
        return (self._logits(X) - self._adjustment()).sigmoid()

    def predict_rates(self, X: ArrayLike) -> Tensor:
        """The predicted rates, [N, C] float64."""
        return self._logits(X).sigmoid()

    def _vote_correlation(self, rows: Rows, generator: torch.Generator) -> float:
        """rho from the rows that each of five linear fits, at the L2 just chosen, leaves out."""
        table = Standardiser.of(rows.X).apply(rows.X, precision(rows.X))
        objective = Objective(rows.targets * rows.mass, (1 - rows.targets) * rows.mass)
        logits = _left_out(table, objective, self.report_.get("l2", 0.1), generator)
        return vote_correlation(rows.targets, rows.mass, logits.sigmoid())

    def _fit_linear(
        self,
        features: Tensor,
        objective: Objective,
        val: tuple[Tensor, Objective] | None,
        standard: Standardiser,
        correction: Tensor,
        generator: torch.Generator,
    ) -> None:
        super()._fit_linear(features, objective, val, standard, correction, generator)
        if self.config.coupling:
            self._couple(features, objective, standard, correction, generator)
        if self.config.asymmetric is not None:
            self._recalibrate(features if val is None else val[0], objective if val is None else val[1])

    def _fit_hidden(
        self,
        features: Tensor,
        objective: Objective,
        val: tuple[Tensor, Objective],
        standard: Standardiser,
        correction: Tensor,
        generator: torch.Generator,
    ) -> None:
        super()._fit_hidden(features, objective, val, standard, correction, generator)
        if self.config.asymmetric is not None:
            self._recalibrate(*val)

    def _couple(
        self,
        features: Tensor,
        objective: Objective,
        standard: Standardiser,
        correction: Tensor,
        generator: torch.Generator,
    ) -> None:
        """A second logistic regression, from all labels' left-out logits to each label, folded into the weights.

        Stacking for multi-label (Godbole & Sarawagi 2004), the logistic sibling of curds and whey (Breiman &
        Friedman 1997): a label whose rows are few or noisy borrows what its kin have learned.
        """
        logits = _left_out(standard.apply(features, precision(features)), objective, self.report_["l2"], generator)
        inner = Standardiser.of(logits)
        second = fit_linear(
            inner.apply(logits, torch.float64),
            objective,
            l2=None,
            val=None,
            correction=torch.zeros_like(correction),
            generator=generator,
        )
        mix, shift = inner.fold(second.weight, second.bias)
        weight, bias = self._state["weight"], self._state["bias"] + correction
        self._state = {"weight": weight @ mix, "bias": bias @ mix + shift - correction}
        self.report_ |= {"coupling_l2": second.l2}

    def _recalibrate(self, features: Tensor, objective: Objective) -> None:
        assert objective.negative is not None
        slope, shift = recalibrated(self._logits(features), objective.positive, objective.negative)
        last_weight, last_bias = ("weight2", "bias2") if self.config.hidden else ("weight", "bias")
        factor = slope[:, None] if self.config.hidden else slope
        state = dict(self._state)
        state[last_weight] = state[last_weight] * factor
        state[last_bias] = state[last_bias] * slope + shift
        self._state = state

    def _label_weights(self, prevalence: Tensor) -> Tensor:
        some = (prevalence > 0) & (prevalence < 1)
        odds = torch.where(some, (1 - prevalence) / prevalence, torch.ones_like(prevalence))
        return odds**self.config.balance

    def _objective(self, shares: Tensor, weights: Tensor, label_weights: Tensor) -> Objective:
        smoothing = self.config.assumed_negatives or 0.0
        softened = shares * (1 - smoothing) + smoothing / 2
        positive, negative = softened * weights * label_weights, (1 - softened) * weights
        if self.config.asymmetric is not None:
            return AsymmetricObjective(positive, negative, self.config.asymmetric)
        return Objective(positive, negative)

    def _prior_logits(self, prevalence: Tensor) -> Tensor:
        return prevalence.clamp(1e-4, 1 - 1e-4).logit()


def _left_out(table: Tensor, objective: Objective, l2: float, generator: torch.Generator) -> Tensor:
    """Logits [N, C] of every row from the one of five fits that it was kept out of."""
    out = torch.zeros_like(objective.positive)
    for kept, rows in folds(objective.positive, FOLDS, generator):
        if objective.rows(kept).total > 0:
            path = Path(table[kept], objective.rows(kept))
            path.step(l2)
            out[rows] = path.logits(table[rows])
    return out
