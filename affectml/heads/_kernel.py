"""Kernel head: softmax, logistic or ridge regression in the feature space of a kernel."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from affectml.heads._descent import Curvature
from affectml.heads._kernel_map import KernelMap, KernelName, squared_distances
from affectml.heads._linear import L2Path, Standardiser, folds
from affectml.heads._objective import Objective
from affectml.heads._ridge import RidgePath
from affectml.heads._search import Budget, Fold, Walked, climb, folds_of, walk
from affectml.heads.base import Head
from affectml.heads.config import HeadConfig, Task
from affectml.heads.inputs import Features, Rows, as_features, in_parts
from affectml.heads.kinds import ScoreKind, clipped, logits_of, masses, probabilities

GAMMAS: dict[KernelName, tuple[float, ...]] = {
    "rbf": (0.05, 0.1, 0.2, 0.4, 0.8, 1.6),
    "exponential": (0.25, 0.5, 1.0, 2.0),
}
_START: dict[KernelName, float] = {"rbf": 0.4, "exponential": 1.0}
KERNEL_L2 = (3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
SEARCH_FOLDS = 2  # of the five, on which gamma is chosen
_CHUNK = 4096


@dataclasses.dataclass(frozen=True)
class KernelConfig(HeadConfig):
    """What a kernel head depends on.

    kind: "distribution" (softmax) or "rates" (sigmoid). kernel, gamma: see kernel_of; gamma None is chosen on
    rows kept out, as is l2. loss: "log", or "ridge" for squared error, which solves in closed form and is then
    clipped to probabilities. exact_rows: with at most this many rows, each is a landmark; with more, `landmarks`
    rows drawn at random are (Nystroem). budget: how many fits the search may make.
    """

    kind: ScoreKind = "distribution"
    kernel: KernelName = "exponential"
    gamma: PositiveFloat | None = None
    l2: PositiveFloat | None = None
    loss: Literal["log", "ridge"] = "log"
    exact_rows: PositiveInt = 2_000
    landmarks: PositiveInt = 2_000
    budget: PositiveInt = 100

    def sampled(self, rows: int) -> list[str]:
        """A line that says how many of so many rows are drawn as landmarks; none where all of them are."""
        if rows <= self.exact_rows:
            return []
        return [
            f"kernel: {min(self.landmarks, rows):,} of {rows:,} training rows, drawn by the seed, are its landmarks; "
            "all of them would be a little better and take far longer (docs/heads.md: exact_rows, landmarks)"
        ]


class KernelHead(Head, name="kernel", learns=("single", "distribution", "rates", "sets"), takes=("ensemble",)):
    """A kernel machine: every training row (or a sample of them) is a landmark that its likes are judged by.

    Targets: distributions or one-hot rows (kind "distribution"; weights [N]), or rates or 0/1 sets (kind "rates";
    weights [N] or [N, C]). A saved head holds the standardised landmarks, M x D float32, and a coefficient per
    landmark and label. Memory of a fit: some 8 M (N + 2 M) bytes for M landmarks of N rows.

    Options: KernelConfig. Source: kernel logistic regression (Zhu & Hastie 2005), landmarks by Nystroem (Williams &
    Seeger 2001). Features that say nothing give the label shares. One row needs `gamma` and `l2`, or `val`.
    """

    refusals: ClassVar[Mapping[Task, str]] = {"single-positive": "would take absent labels for wrong ones"}
    config_class = KernelConfig
    config: KernelConfig

    def foretold(self, rows: int) -> list[str]:
        """That landmarks are drawn, where they are."""
        return self.config.sampled(rows)

    def _fit(self, rows: Rows, generator: torch.Generator, space: "KernelSpace | None" = None) -> None:
        """gamma and L2, unless given, are chosen on `val`, else on five folds (gamma on two of them).

        space: of these rows, where somebody has been in it already.
        """
        c = self.config
        if c.gamma is None or c.l2 is None:
            rows.need(2, "give val, or both gamma and l2")
        standard = Standardiser.of(rows.X)
        space = space or KernelSpace(c, standard.apply(rows.X, torch.float32), generator)
        objective = masses(c.kind, rows.targets, rows.weights)
        budget = Budget(c.budget)
        held = None
        if rows.val is not None:
            held = (standard.apply(rows.val[0], torch.float32), masses(c.kind, rows.val[1]))
        if c.gamma is None or c.l2 is None:
            gamma, walked = space.choose(c.kernel, objective, held, budget)
        else:
            gamma, walked = c.gamma, Walked(c.l2, float("nan"), ())
        kernel_map = space.map(c.kernel, gamma)
        path = space.path(space.table(kernel_map), objective)
        path.step(walked.l2)
        weight, bias = path.split()
        if c.loss == "log":
            weight, bias = objective.centred(weight, bias)
        self._state = {
            "landmarks": space.landmarks,
            "coefficients": kernel_map.coefficients(weight),
            "bias": bias.clone(),
            "gamma": torch.tensor(gamma, dtype=torch.float64),
            "mean": standard.mean,
            "deviation": standard.deviation,
        }
        self.report_ = {
            "rows": len(rows.X),
            "prevalence": rows.targets.mean(dim=0).tolist(),
            "landmarks": len(space.landmarks),
            "gamma": gamma,
            "one_scale": standard.shared,
            "l2": walked.l2,
            "held_out_loss": walked.loss if walked.logits else None,
            "fits": budget.used + 1,
        }

    def scores(self, X: Features) -> Tensor:
        """The predicted distribution or rates, [N, C] float64."""
        return probabilities(self.config.kind, self._logits(X))

    def _logits(self, X: Features) -> Tensor:
        state = self._fitted()
        features = as_features(X, len(state["mean"]))
        standard = Standardiser(state["mean"], state["deviation"])
        nothing = torch.empty(0)  # kernel values need no more than the landmarks
        kernel_map = KernelMap(self.config.kernel, float(state["gamma"]), state["landmarks"], nothing, nothing)
        out = []
        for part in in_parts(standard.apply(features, torch.float64), _CHUNK):
            raw = kernel_map.values(part) @ state["coefficients"] + state["bias"]
            kind, log = self.config.kind, self.config.loss == "log"
            out.append(raw if log else logits_of(kind, clipped(kind, raw)))
        return torch.cat(out)

    def _state_keys(self) -> tuple[str, ...]:
        return ("landmarks", "coefficients", "bias", "gamma", "mean", "deviation")


class KernelSpace:
    """One set of training rows, standardised, with its landmarks and the distances that every kernel needs."""

    def __init__(self, config: KernelConfig, rows: Tensor, generator: torch.Generator) -> None:
        self.config, self.rows, self.generator = config, rows, generator
        self.exact = len(rows) <= config.exact_rows
        if self.exact:
            self.landmarks = rows
        else:
            count = min(config.landmarks, len(rows))
            self.landmarks = rows[torch.randperm(len(rows), generator=generator)[:count].sort().values]
        self._last: KernelMap | None = None
        self._phi: tuple[KernelMap, Tensor] | None = None

    @cached_property
    def squared(self) -> Tensor:
        """Squared distances of the landmarks to each other."""
        return squared_distances(self.landmarks, self.landmarks)

    def map(self, kernel: KernelName, gamma: float) -> KernelMap:
        """The kernel's feature map on these landmarks; the last one is kept."""
        if self._last is None or (self._last.kernel, self._last.gamma) != (kernel, gamma):
            self._last = KernelMap.of(kernel, gamma, self.landmarks, self.squared)
        return self._last

    def table(self, kernel_map: KernelMap) -> Tensor:
        """phi of the training rows, float32; that of the map that `map` keeps is kept."""
        if self._phi is not None and self._phi[0] is kernel_map:
            return self._phi[1]
        phi = kernel_map.table.float() if self.exact else kernel_map.features(self.rows)
        self._phi = (kernel_map, phi) if kernel_map is self._last else None
        return phi

    def path(self, features: Tensor, objective: Objective) -> L2Path:
        """A walk along L2 for the loss asked for."""
        if self.config.loss == "ridge":
            return RidgePath(features, objective, self.config.kind)
        return L2Path(features, objective, Curvature.of_features(features))

    def choose(
        self,
        kernel: KernelName,
        objective: Objective,
        val: tuple[Tensor, Objective] | None,
        budget: Budget,
        parts: Sequence[tuple[Tensor, Tensor]] | None = None,
    ) -> tuple[float, Walked]:
        """gamma and the walk along L2 that did best on rows kept out; `parts` are folds already dealt.

        Where the budget ends first, the first gamma and the strongest L2 stand.
        """
        c = self.config
        grid: tuple[float, ...] = KERNEL_L2 if c.l2 is None else (c.l2,)
        if val is None and parts is None:
            parts = folds(objective.positive, 5, self.generator)

        def splits(kernel_map: KernelMap, count: int | None = None) -> list[Fold]:
            table = self.table(kernel_map)
            if val is not None:
                return [Fold(table, objective, kernel_map.features(val[0]), val[1])]
            assert parts is not None
            return folds_of(table, objective, parts[:count])

        gammas: tuple[float, ...] = GAMMAS[kernel] if c.gamma is None else (c.gamma,)
        start = gammas.index(_START[kernel]) if c.gamma is None else 0
        found: dict[float, Walked] = {}

        def measure(gamma: float) -> float | None:
            rough = KernelMap.of(kernel, gamma, self.landmarks, self.squared, torch.float32)
            rows = splits(rough, SEARCH_FOLDS)
            # widths that are neighbours like neighbouring penalties: from one step before the best so far
            near = min(found.values(), key=lambda walked: walked.loss).l2 if found else grid[0]
            begin = max(0, grid.index(near) - 1)
            walked = walk(rows, grid[begin:], budget, self.path)
            if walked is not None and begin and walked.l2 == grid[begin]:  # it likes a stronger one
                walked = walk(rows, grid, budget, self.path) or walked
            if walked is None:
                return None
            found[gamma] = walked
            return walked.loss

        best: float | None = gammas[0]
        if len(gammas) > 1:
            best = climb(gammas, start, measure)
        if best is None:
            return gammas[start], Walked(grid[0], float("nan"), ())
        if val is not None and best in found:
            return best, found[best]
        # the other folds have their say on L2: around the value that two of them liked best
        around = grid
        if best in found:
            at = grid.index(found[best].l2)
            around = grid[max(0, at - 1) : at + 2]
        walked = walk(splits(self.map(kernel, best)), around, budget, self.path)
        return best, walked if walked is not None else found.get(best, Walked(grid[0], float("nan"), ()))
