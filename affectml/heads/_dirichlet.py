"""Dirichlet head: a distribution over the labels, and how sure it is of that distribution."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import torch
from pydantic import NonNegativeFloat, PositiveFloat
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads._linear import fit_linear
from affectml.heads._material import Material
from affectml.heads._objective import Objective, Sums
from affectml.heads.base import Head
from affectml.heads.config import HeadConfig
from affectml.heads.inputs import Features, Rows, alike, as_features

_LOG_CERTAINTY = (-3.0, 10.0)  # a Dirichlet of .05 to 22,000 imagined people: beyond lies rounding


@dataclass(frozen=True)
class DirichletObjective(Objective):
    """Dirichlet-multinomial likelihood over [label logits | log certainty]; `positive` is [counts | their sum].

    alpha = certainty * softmax(logits); - log of the chance of the counts, but for the multinomial coefficient
    (Mosimann 1962). Counts may be fractions (votes split among labels).
    """

    @cached_property
    def total(self) -> float:
        """The number of rows with votes."""
        return float((self.positive[:, -1] > 0).sum())

    def pseudo_row(self) -> Self:
        """A row of the usual number of votes, spread evenly."""
        votes = self.positive[:, -1].sum() / max(self.total, 1.0)
        row = torch.full((1, self.positive.shape[1]), float(votes), dtype=self.positive.dtype)
        row[:, :-1] /= self.positive.shape[1] - 1
        return dataclasses.replace(self, positive=row)

    def intercept(self) -> Tensor:
        """Log shares of all votes, and log 5, from which the search for the certainty starts."""
        votes = self.positive.sum(dim=0) + self.pseudo_row().positive[0]
        shares = votes[:-1] / votes[-1]
        return torch.cat([shares.log(), torch.tensor([5.0], dtype=shares.dtype).log()])

    def loss(self, logits: Tensor) -> Tensor:
        """Summed negative log likelihood of [label logits | log certainty], [N, C + 1]."""
        alpha, total = _alpha(logits)
        counts, n = self.positive[:, :-1].double(), self.positive[:, -1].double()
        each = torch.lgamma(counts + alpha) - torch.lgamma(alpha)
        return -(torch.lgamma(total) - torch.lgamma(n + total) + each.sum(dim=1)).sum()

    def gradient(self, logits: Tensor) -> Tensor:
        """Derivative of the summed loss by the logits."""
        alpha, total = _alpha(logits)
        counts, n = self.positive[:, :-1].double(), self.positive[:, -1:].double()
        whole = torch.digamma(total) - torch.digamma(n[:, 0] + total)
        by_alpha = whole[:, None] + torch.digamma(counts + alpha) - torch.digamma(alpha)
        p = alpha / total[:, None]
        mean = (p * by_alpha).sum(dim=1, keepdim=True)
        inside = (logits[:, -1:] > _LOG_CERTAINTY[0]) & (logits[:, -1:] < _LOG_CERTAINTY[1])
        return -torch.cat([alpha * (by_alpha - mean), total[:, None] * mean * inside], dim=1).to(logits.dtype)

    def sums(self, logits: Tensor) -> Sums:
        """See Objective.sums; the curvatures are those of a softmax and, of the certainty, its slopes' squares."""
        slope, p = self.gradient(logits), logits[:, :-1].softmax(dim=1)
        expected = p * self.positive[:, -1:]
        bend = logits.new_zeros(logits.shape[1], logits.shape[1])
        bend[:-1, :-1] = expected.sum(dim=0).diag() - expected.T @ p
        bend[-1, -1] = slope[:, -1].square().sum()
        return Sums(self.loss(logits)[None], slope, bend)

    def centred(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Label logits that sum to zero; the certainty as it is."""
        w, b = weight.clone(), bias.clone()
        w[:, :-1] -= w[:, :-1].mean(dim=1, keepdim=True)
        b[:-1] -= b[:-1].mean()
        return w, b


def _alpha(logits: Tensor) -> tuple[Tensor, Tensor]:
    """alpha [N, C] and its sum [N], in float64: differences of log-gammas need it."""
    total = logits[:, -1].double().clamp(*_LOG_CERTAINTY).exp()
    p = logits[:, :-1].double().softmax(dim=1).clamp(min=1e-12)
    return total[:, None] * p, total


@dataclasses.dataclass(frozen=True)
class DirichletConfig(HeadConfig):
    """votes: people behind each row where `fit` is given no weights. l2: None chooses it on rows kept out."""

    votes: PositiveFloat = 10.0
    l2: NonNegativeFloat | None = None


class DirichletHead(Head, name="dirichlet", learns=("distribution",)):
    """A linear model of votes: a Dirichlet over distributions for each image, fitted by Dirichlet-multinomial.

    Targets: shares of one-choice votes, rows summing to one, [N, C]; weights: people who voted, [N]. Images with
    many votes count more, but not in proportion: once their votes outnumber the certainty, more say little.
    `certainty` is how many imagined people the prediction is worth.

    Options: DirichletConfig. Source: Mosimann 1962. Features that say nothing give the label shares; a label that
    nobody chose keeps a small share; the certainty stays between .05 and 22,000. One row needs `l2` or `val`.
    """

    says = "learns from several people's one choice each, a distribution"
    config_class = DirichletConfig
    config: DirichletConfig

    def from_material(self, material: Material) -> dict[str, Any]:
        """Votes, which are what it learns from."""
        return super().from_material(material) | material.counted(True)

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """L2 is chosen on `val`, whose rows count `config.votes` people each, else by cross-validation."""
        c = self.config
        if c.l2 is None:
            rows.need(2, "give val, or l2")
        people = rows.mass if rows.weights is not None else c.votes * rows.mass
        held = None
        if rows.val is not None:
            held = (rows.val[0], _objective(rows.val[1], c.votes * alike(len(rows.val[0]))))
        objective = _objective(rows.targets, people)
        self._state, chosen = fit_linear(rows.X, objective, l2=c.l2, val=held, generator=generator)
        self.report_ = {
            "rows": len(rows.X),
            "prevalence": rows.targets.mean(dim=0).tolist(),
            "mean_votes": float(people.mean()),
            **chosen,
        }
        low, middle, high = self.certainty(rows.X).quantile(torch.tensor([0.05, 0.5, 0.95]).double()).tolist()
        self.report_ |= {
            "certainty": {"p05": low, "median": middle, "p95": high},
            "why": [
                f"how sure: on the median image as after {middle:.3g} votes, "
                f"on nine in ten as after {low:.3g} to {high:.3g}"
            ],
        }

    def scores(self, X: Features) -> Tensor:
        """The mean of the predicted Dirichlet, [N, C] float64."""
        alpha, total = _alpha(self._logits(X))
        return alpha / total[:, None]

    def certainty(self, X: Features) -> Tensor:
        """The sum of the Dirichlet's parameters, [N]: how many people's votes the prediction is worth."""
        return _alpha(self._logits(X))[1]

    def predict_interval(self, X: Features, mass: float = 0.9) -> tuple[Tensor, Tensor]:
        """Where each label's share of all people lies with probability `mass`: low and high, [N, C] each."""
        from scipy.stats import beta

        if not 0 < mass < 1:
            raise BadInput(f"mass: expected a probability between 0 and 1, got {mass!r}")
        alpha, total = _alpha(self._logits(X))
        a, b = alpha.numpy(), (total[:, None] - alpha).clamp(min=1e-9).numpy()
        low, high = beta.ppf((1 - mass) / 2, a, b), beta.ppf((1 + mass) / 2, a, b)
        return torch.from_numpy(low), torch.from_numpy(high)

    def _logits(self, X: Features) -> Tensor:
        state = self._fitted()
        return torch.addmm(state["bias"], as_features(X, state["weight"].shape[0]).double(), state["weight"])

    def _state_keys(self) -> tuple[str, ...]:
        return ("weight", "bias")


def _objective(shares: Tensor, people: Tensor) -> DirichletObjective:
    return DirichletObjective(torch.cat([shares, torch.ones(len(shares), 1, dtype=shares.dtype)], dim=1) * people, None)
