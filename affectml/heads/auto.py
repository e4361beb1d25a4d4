"""AutoHead: different heads, each with its own choices, pooled by what they say of rows kept out."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads.base import Head
from affectml.heads.baselines import PriorHead
from affectml.heads.config import Task
from affectml.heads.ensemble import BlendConfig, CompositeHead, EnsembleHead
from affectml.heads.inputs import Rows
from affectml.heads.kernel import KernelHead
from affectml.heads.linear import FOLDS, folds
from affectml.heads.neural import SigmoidHead, SoftmaxHead
from affectml.heads.objective import Objective, ScoreKind, logits_of, masses

Family: TypeAlias = Literal["linear", "exponential", "rbf", "hidden"]
FAMILIES: tuple[Family, ...] = get_args(Family)
ONE_FOLD_ROWS = 4_000  # beyond, one fifth of the rows is judge enough
HIDDEN: dict[str, Any] = {"hidden": 128, "weight_decay": 0.1, "input_dropout": 0.5}
HIDDEN_COUNT = 3
_LEAST_WEIGHT = 0.02  # a member that weighs less is not worth keeping


def _head_of(family: Family, kind: ScoreKind) -> Head:
    """A head to try, not fitted."""
    plain = SoftmaxHead if kind == "distribution" else SigmoidHead
    if family == "linear":
        return plain()
    if family == "hidden":
        return EnsembleHead(kind=kind, head=plain.name, count=HIDDEN_COUNT, options=HIDDEN)
    return KernelHead(kind=kind, kernel=family)


@dataclasses.dataclass(frozen=True)
class AutoConfig(BlendConfig):
    """kind: "distribution" or "rates". seed: of everything random, unless `fit` is given a generator.

    families: which heads are tried.
    """

    seed: int = 0
    families: tuple[Family, ...] = FAMILIES

    def check(self) -> None:
        """See HeadConfig.check."""
        super().check()
        if not self.families:
            raise BadInput(f"AutoConfig: families is empty; name at least one of {', '.join(FAMILIES)}")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A head worth pooling, fitted on all rows: its name and choices, its logits on rows kept out, and their loss."""

    words: str
    head: Head
    logits: Tensor
    loss: float


class AutoHead(CompositeHead, name="auto", learns=("single", "distribution", "rates", "sets")):
    """The pool of heads that predicts rows kept out best, or the single head where no pool is better.

    Candidates: a linear head, kernel heads (exponential and RBF), three hidden layers, and the label shares, which
    draw a pool towards themselves. Each chooses its own penalties on the rows that it is fitted on. With these choices
    it is fitted again on four fifths of the rows in turn and speaks of the other fifth (beyond 4,000 rows of one
    fifth alone; with `val` it speaks of that). The pool's weights are fitted to what was said, and a pool stands only
    if it also wins on rows that its weights were not fitted on. `report_["why"]` says it in words.

    Targets: as softmax and sigmoid heads take them, by `kind`. Options: AutoConfig. Source: stacking (Wolpert 1992;
    Breiman 1996) with a logarithmic pool (Genest & Zidek 1986). Fewer than ten rows need `val`, and one is refused.
    """

    refusals: ClassVar[Mapping[Task, str]] = {"single-positive": "would take absent labels for wrong ones"}
    config_class = AutoConfig
    config: AutoConfig

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """Fit each candidate, hear what it says of rows kept out, and pool those that are worth it."""
        rows.need(2 * FOLDS, "give val, or take one head")
        if len(rows.X) < 2:
            raise BadInput("X: one row is too few for heads that choose on rows kept out; take one head")
        kind = self.config.kind
        objective = masses(kind, rows.targets, rows.mass)
        parts: list[tuple[Tensor, Tensor]] = []
        if rows.val is None:
            weighs = rows.mass.expand_as(rows.targets).sum(dim=1) > 0
            parts = [
                (kept, out)
                for kept, out in folds(objective.positive, FOLDS, generator)
                if weighs[kept].any() and weighs[out].any()
            ][: 1 if len(rows.X) > ONE_FOLD_ROWS else FOLDS]
            if not parts:
                raise BadInput("weights: too few rows weigh anything to keep some out; give val, or take one head")
            judge = objective.rows(torch.cat([out for _, out in parts]))
        else:
            judge = masses(kind, rows.val[1])
        heads: dict[str, Head] = {
            "the label shares": PriorHead(),
            **{name: _head_of(name, kind) for name in self.config.families},
        }
        candidates = [self._tried(name, head, rows, parts, judge, generator) for name, head in heads.items()]
        kept, pool, why = _choose(candidates, judge)
        self.members_ = tuple(member.head for member in kept)
        self._state = {"weights": pool}
        self.report_ = {
            "rows": len(rows.X),
            "prevalence": rows.prevalence,
            "held_out_loss": {member.words: member.loss for member in candidates},
            "weights": pool.tolist(),
            "why": [*dict.fromkeys(line for head in self.members_ for line in head.told()), *why],
            "members": self._described(),
        }

    def _tried(
        self,
        name: str,
        head: Head,
        rows: Rows,
        parts: Sequence[tuple[Tensor, Tensor]],
        judge: Objective,
        generator: torch.Generator,
    ) -> Candidate:
        """What a head of this name, fitted on all rows, and others with its choices say."""
        head.fit(rows.X, rows.targets, weights=rows.mass, generator=generator)
        choices = {key: head.report_[key] for key in ("gamma", "l2") if key in head.report_}
        predictions = [] if rows.val is None else [head.scores(rows.val[0])]
        for kept, out in parts:
            again = type(head)(**head.get_params() | choices)
            again.fit(rows.X[kept], rows.targets[kept], weights=rows.mass[kept], generator=generator)
            predictions.append(again.scores(rows.X[out]))
        logits = logits_of(self.config.kind, torch.cat(predictions))
        chosen = ", ".join(f"{key} {value:g}" for key, value in choices.items())
        return Candidate(f"{name} ({chosen})" if chosen else name, head, logits, _mean_loss(judge, logits))


def _choose(candidates: Sequence[Candidate], judge: Objective) -> tuple[list[Candidate], Tensor, list[str]]:
    """The members to keep, their weights, and why, in words."""
    best = min(candidates, key=lambda member: member.loss)
    lines = [f"{member.words}: held-out loss {member.loss:.4f}" for member in candidates]
    pooled_loss = _cross_fitted(candidates, judge)
    if min(pooled_loss, best.loss) >= _mean_loss(judge, torch.zeros_like(best.logits)):
        lines.append("kept none: to say that all labels are alike did better")
        return list(candidates[:1]), torch.zeros(1, dtype=torch.float64), lines
    if pooled_loss >= best.loss:
        lines.append(f"kept {best.words} alone: no blend of them did better ({pooled_loss:.4f})")
        return [best], torch.ones(1, dtype=torch.float64), lines
    kept, pool = list(candidates), fit_pool([member.logits for member in candidates], judge)
    while len(kept) > 1 and (pool < _LEAST_WEIGHT).any():
        kept = [c for c, weight in zip(kept, pool.tolist(), strict=True) if weight >= _LEAST_WEIGHT] or [best]
        pool = fit_pool([member.logits for member in kept], judge)
    parts = ", ".join(f"{weight:.2f} x {member.words}" for weight, member in zip(pool.tolist(), kept, strict=True))
    lines.append(f"kept the blend {parts}: held-out loss {pooled_loss:.4f} with weights from other folds")
    return kept, pool, lines


def _mean_loss(judge: Objective, logits: Tensor) -> float:
    return float(judge.loss(logits)) / judge.total


def _cross_fitted(candidates: Sequence[Candidate], judge: Objective) -> float:
    """The pool's mean loss on each fifth of the rows kept out, with weights from the other four."""
    rows = torch.arange(len(judge.positive))
    loss = 0.0
    for part in range(FOLDS):
        here, rest = rows[part::FOLDS], rows[rows % FOLDS != part]
        if not judge.rows(rest).total > 0:
            return float("inf")
        weights = fit_pool([member.logits[rest] for member in candidates], judge.rows(rest))
        mixed = sum((w * member.logits[here] for w, member in zip(weights, candidates, strict=True)), torch.zeros(()))
        loss += float(judge.rows(here).loss(mixed))
    return loss / judge.total


def fit_pool(logits: Sequence[Tensor], objective: Objective) -> Tensor:
    """Weights [M], none below zero, of the pool with the least mean loss on rows kept out.

    logits: M of [N, C], of rows that no member was fitted on. The loss is convex in the weights.
    """
    from scipy.optimize import minimize

    stack = torch.stack([z.double().flatten() for z in logits])

    def value_and_gradient(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        sums = objective.sums((torch.from_numpy(weights) @ stack).view_as(objective.positive))
        gradient = stack @ sums.slope.flatten() / objective.total
        return float(sums.loss.sum()) / objective.total, gradient.numpy()

    start = np.full(len(logits), 1 / len(logits))
    bounds = [(0.0, None)] * len(logits)
    options = {"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8}
    optimum = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return torch.from_numpy(np.asarray(optimum.x))
