"""AutoHead: compares heads and their regularisation on rows kept out, then blends what earned a place."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

import torch
from pydantic import Field
from torch import Tensor

from affectml.errors import BadInput
from affectml.heads._blend import BlendConfig, CompositeHead, EnsembleConfig, EnsembleHead, fit_pool
from affectml.heads._kernel import KernelConfig, KernelHead, KernelSpace
from affectml.heads._kernel_map import KernelName
from affectml.heads._linear import L2_GRID, Standardiser, folds, precision
from affectml.heads._objective import Objective
from affectml.heads._prior import PriorHead
from affectml.heads._search import Budget, Fold, folds_of, mean_loss, walk
from affectml.heads._sigmoid import SigmoidHead
from affectml.heads._softmax import SoftmaxHead
from affectml.heads.base import Head
from affectml.heads.config import Task
from affectml.heads.inputs import Rows
from affectml.heads.kinds import logits_of, masses

Family: TypeAlias = Literal["linear", "exponential", "rbf", "hidden"]
FAMILIES: tuple[Family, ...] = get_args(Family)
FOLDS = 5
ONE_FOLD_ROWS = 20_000  # beyond, one fifth of the rows is judge enough
HIDDEN: dict[str, Any] = {"hidden": 128, "weight_decay": 0.1}
HIDDEN_COUNT = 3
_LEAST_WEIGHT = 0.02  # a member that weighs less is not worth keeping


@dataclasses.dataclass(frozen=True)
class AutoConfig(BlendConfig):
    """kind: "distribution" or "rates". seed: of everything random, unless `fit` is given a generator.

    budget: how many fits the comparison may make, in all folds together; the families are tried in the order
    given, so a small budget means fewer of them. Never seconds: the same seed gives the same head.
    """

    seed: int = 0
    budget: Annotated[int, Field(ge=FOLDS)] = 250
    families: tuple[Family, ...] = FAMILIES

    def check(self) -> None:
        """See HeadConfig.check."""
        super().check()
        if not self.families:
            raise BadInput(f"AutoConfig: families is empty; name at least one of {', '.join(FAMILIES)}")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A head worth blending: how to fit it on all rows, its logits on the rows kept out, and in words."""

    words: str
    fit: Callable[[], Head]
    logits: tuple[Tensor, ...]
    loss: float


class AutoHead(CompositeHead, name="auto", learns=("single", "distribution", "rates", "sets")):
    """The blend of heads that predicts rows kept out best, or the single head where no blend is better.

    Candidates: linear heads along the L2 grid, kernel heads (exponential and RBF, each with its gamma and L2),
    three hidden layers, and the label shares, which draw a blend towards themselves. They are compared on
    `val`, else by 5-fold cross-validation (beyond 20,000 rows on one fifth), and pooled with weights fitted on
    those same held-out predictions. A pool stands only if it also wins when its weights come from other folds
    than it is judged on. Then what is kept is fitted on all rows. `report_["why"]` says it in words.

    Targets: as softmax and sigmoid heads take them, by `kind`. Options: AutoConfig. Source: stacking (Wolpert 1992;
    Breiman 1996) with a logarithmic pool (Genest & Zidek 1986). Fewer than ten rows need `val`.
    """

    refusals: ClassVar[Mapping[Task, str]] = {"single-positive": "would take absent labels for wrong ones"}
    config_class = AutoConfig
    config: AutoConfig

    def foretold(self, rows: int) -> list[str]:
        """That the kernel heads among its candidates draw their landmarks, where they do."""
        return KernelConfig().sampled(rows)

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """Compare, choose, and fit on all rows what is kept."""
        rows.need(2 * FOLDS, "give val, or take one head")
        search = _Comparison(self.config, rows, generator)
        candidates = search.run()
        kept, pool, why = _choose(candidates, search.judges(), search.prior)
        self.members_ = tuple(c.fit() for c in kept)
        self._state = {"weights": pool}
        self.report_ = {
            "rows": len(rows.X),
            "prevalence": rows.targets.mean(dim=0).tolist(),
            "fits": search.budget.used,
            "held_out_loss": {c.words: c.loss for c in candidates},
            "weights": pool.tolist(),
            "why": [*search.notes, *why],
            "members": self._described(),
        }


class _Comparison:
    """One set of rows, the folds they are judged in, and every family's best candidate on them."""

    def __init__(self, config: AutoConfig, rows: Rows, generator: torch.Generator) -> None:
        self.config, self.kind, self.generator = config, config.kind, generator
        self.features, self.shares, self.mass, self.held = rows.X, rows.targets, rows.mass, rows.val
        self.objective, self.everyone = masses(self.kind, self.shares, self.mass), torch.arange(len(rows.X))
        self.budget = Budget(config.budget)
        self.notes: list[str] = []
        self.parts: list[tuple[Tensor, Tensor]] = []
        if self.held is None:
            dealt = folds(self.objective.positive, FOLDS, generator)
            dealt = [(kept, out) for kept, out in dealt if self._weighs(kept) and self._weighs(out)]
            self.parts = list(dealt[:1] if len(rows.X) > ONE_FOLD_ROWS else dealt)
            if not self.parts:
                raise BadInput("weights: too few rows weigh anything to keep some out; give val, or take one head")
        self.standard = Standardiser.of(self.features)
        self.prior = self._prior()

    def _weighs(self, rows: Tensor) -> bool:
        return self.objective.rows(rows).total > 0

    def judges(self) -> list[Objective]:
        """What the rows kept out are judged by, one per split."""
        if self.held is not None:
            return [masses(self.kind, self.held[1])]
        return [self.objective.rows(out) for _, out in self.parts]

    def run(self) -> list[Candidate]:
        """Every family in turn, as far as the budget goes."""
        finders: dict[str, Callable[[], Candidate | None]] = {
            "linear": self._linear,
            "exponential": lambda: self._kernel("exponential"),
            "rbf": lambda: self._kernel("rbf"),
            "hidden": self._hidden,
        }
        found = []
        for family in self.config.families:
            candidate = finders[family]()
            if candidate is None:
                self.notes.append(f"{family} was not tried: the budget of {self.config.budget} fits was spent")
            else:
                found.append(candidate)
        if not found:
            raise BadInput(f"AutoConfig: a budget of {self.config.budget} fits is too small to try a single head")
        return found

    def _prior(self) -> Candidate:
        """The label shares of the rows fitted on: no fit to speak of, so none is counted."""
        logits = [self._predict(self._fit(PriorHead(), kept), out) for kept, out in self._rows()]
        loss = mean_loss(self.judges(), logits)
        words = "the label shares"
        return Candidate(words, lambda: self._fit(PriorHead(), self.everyone), tuple(logits), loss)

    def _rows(self) -> list[tuple[Tensor, Tensor | None]]:
        """(rows fitted on, rows judged; None for val) of each split."""
        return [*self.parts] or [(self.everyone, None)]

    def _fit(self, head: Head, rows: Tensor, *, own: torch.Generator | None = None) -> Head:
        return head.fit(self.features[rows], self.shares[rows], weights=self.mass[rows], generator=own)

    def _predict(self, head: Head, out: Tensor | None) -> Tensor:
        X = self.features[out] if out is not None else self.held[0]  # type: ignore[index]
        return logits_of(self.kind, head.scores(X))

    def _pair(self, dtype: torch.dtype) -> tuple[Tensor, Objective] | None:
        """val, standardised, and what it is judged by."""
        return None if self.held is None else (self.standard.apply(self.held[0], dtype), self.judges()[0])

    def _linear(self) -> Candidate | None:
        dtype = precision(self.features)
        table, pair = self.standard.apply(self.features, dtype), self._pair(dtype)
        splits = folds_of(table, self.objective, self.parts) if pair is None else [Fold(table, self.objective, *pair)]
        walked = walk(splits, L2_GRID, self.budget)
        if walked is None:
            return None
        plain = SoftmaxHead if self.kind == "distribution" else SigmoidHead
        words, l2 = f"linear (l2 {walked.l2:g})", walked.l2
        return Candidate(words, lambda: self._fit(plain(l2=l2), self.everyone), walked.logits, walked.loss)

    def _kernel(self, kernel: KernelName) -> Candidate | None:
        table = self.standard.apply(self.features, torch.float32)
        space = KernelSpace(KernelConfig(kind=self.kind, kernel=kernel), table, self.generator)
        pair = self._pair(torch.float32)
        gamma, walked = space.choose(kernel, self.objective, pair, self.budget, self.parts or None)
        if len(walked.logits) < len(self._rows()):
            return None
        config = KernelConfig(kind=self.kind, kernel=kernel, gamma=gamma, l2=walked.l2)
        seed = int(torch.randint(2**31, (), generator=self.generator))

        def fit() -> Head:
            own = torch.Generator().manual_seed(seed)
            return KernelHead(config)._fit_afresh(self.features, self.shares, None, self.mass, own, space=space)

        words = f"{kernel} kernel (gamma {gamma:g}, l2 {walked.l2:g})"
        return Candidate(words, fit, walked.logits, walked.loss)

    def _hidden(self) -> Candidate | None:
        name = "softmax" if self.kind == "distribution" else "sigmoid"
        config = EnsembleConfig(kind=self.kind, head=name, count=HIDDEN_COUNT, options=HIDDEN)
        if not self.budget.take(HIDDEN_COUNT * len(self._rows())):
            return None
        fitted, logits = [], []
        for kept, out in self._rows():
            own = torch.Generator().manual_seed(int(torch.randint(2**31, (), generator=self.generator)))
            # early stopping keeps a fifth of the rows fitted on, never the rows judged
            fitted.append(self._fit(EnsembleHead(config), kept, own=own))
            logits.append(self._predict(fitted[-1], out))
        seed = int(torch.randint(2**31, (), generator=self.generator))

        def fit() -> Head:
            if self.held is not None:
                return fitted[0]
            return self._fit(EnsembleHead(config), self.everyone, own=torch.Generator().manual_seed(seed))

        words = f"{HIDDEN_COUNT} hidden layers of {HIDDEN['hidden']}"
        return Candidate(words, fit, tuple(logits), mean_loss(self.judges(), logits))


def _choose(
    candidates: Sequence[Candidate], judges: Sequence[Objective], prior: Candidate
) -> tuple[list[Candidate], Tensor, list[str]]:
    """The members to keep, their weights, and why, in words."""
    best = min(candidates, key=lambda c: c.loss)
    lines = [f"{c.words}: held-out loss {c.loss:.4f}" for c in [*candidates, prior]]
    everyone = [*candidates, prior]
    crossed = _cross_fitted(everyone, judges)
    weights = fit_pool([torch.cat(c.logits) for c in everyone], _whole(judges))
    if crossed >= best.loss:
        lines.append(f"kept {best.words} alone: no blend of them did better ({crossed:.4f})")
        return [best], torch.ones(1, dtype=torch.float64), lines
    kept, pool = everyone, weights
    while len(kept) > 1 and (pool < _LEAST_WEIGHT).any():
        # where nobody says anything, the shares with a weight near nothing: all labels alike
        kept = [c for c, weight in zip(kept, pool.tolist(), strict=True) if weight >= _LEAST_WEIGHT] or [prior]
        pool = fit_pool([torch.cat(c.logits) for c in kept], _whole(judges))
    parts = ", ".join(f"{float(w):.2f} x {c.words}" for w, c in zip(pool, kept, strict=True))
    lines.append(f"kept the blend {parts}: held-out loss {crossed:.4f} with weights from other folds")
    return kept, pool, lines


def _whole(judges: Sequence[Objective]) -> Objective:
    negative = None if judges[0].negative is None else torch.cat([j.negative for j in judges if j.negative is not None])
    return Objective(torch.cat([j.positive for j in judges]), negative)


def _cross_fitted(candidates: Sequence[Candidate], judges: Sequence[Objective]) -> float:
    """The pool's mean held-out loss when its weights come from the other splits.

    With one split its rows are dealt into five.
    """
    logits = [[c.logits[k] for c in candidates] for k in range(len(judges))]
    judges = list(judges)
    if len(judges) == 1:
        whole, [tables] = judges[0], logits
        dealt = [torch.arange(len(whole.positive))[k::FOLDS] for k in range(FOLDS)]
        dealt = [rows for rows in dealt if len(rows) and whole.rows(rows).total > 0]
        if len(dealt) < 2:
            return float("inf")
        judges = [whole.rows(rows) for rows in dealt]
        logits = [[z[rows] for z in tables] for rows in dealt]
    losses = []
    for k in range(len(judges)):
        others = [j for j in range(len(judges)) if j != k]
        tables = [torch.cat([logits[j][m] for j in others]) for m in range(len(candidates))]
        weights = fit_pool(tables, _whole([judges[j] for j in others]))
        mixed = sum((w * z for w, z in zip(weights, logits[k], strict=True)), torch.zeros(()))
        losses.append(mean_loss([judges[k]], [mixed]))
    return sum(losses) / len(losses)
