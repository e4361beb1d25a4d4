"""Kernel head: softmax or logistic regression in the feature space of a kernel.

With landmarks Z and R R' = k(Z, Z)^-1, phi(x) = R' k(Z, x). For two landmarks phi(a) . phi(b) is k(a, b), exactly
but for directions that no penalty of the grid would let through; for other rows it is Nystroem's approximation
(Williams & Seeger 2001). With every training row a landmark a linear model on phi with an L2 penalty IS the kernel
machine (representer theorem), so one solver serves linear heads, exact kernel heads and approximate ones.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Literal, TypeAlias

import torch
from pydantic import PositiveFloat, PositiveInt
from torch import Tensor

from affectml.heads.base import Head
from affectml.heads.config import HeadConfig, Task
from affectml.heads.inputs import Features, Rows, as_features, in_parts
from affectml.heads.linear import FOLDS, Curvature, L2Path, Standardiser, crossed, folds, walked
from affectml.heads.objective import Objective, ScoreKind, masses, probabilities

KernelName: TypeAlias = Literal["exponential", "rbf"]
# Chosen on measured sets: rbf .2 to .8 (1.6 never, where it was offered), exponential .25 to .5.
GAMMAS: dict[KernelName, tuple[float, ...]] = {"rbf": (0.1, 0.2, 0.4, 0.8), "exponential": (0.25, 0.5, 1.0, 2.0)}
KERNEL_L2 = (3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5)
SEARCH_FOLDS = 2  # of the five, on which gamma is chosen
_NEGLIGIBLE = 1e-7  # of the total: directions that the weakest penalty of the grid still shrinks to a hundredth
_CHUNK = 4096  # rows of distances at a time


@dataclasses.dataclass(frozen=True)
class KernelConfig(HeadConfig):
    """What a kernel head depends on.

    kind: "distribution" (softmax) or "rates" (sigmoid). kernel, gamma: see kernel_of; gamma None is chosen on
    rows kept out, as is l2. exact_rows: with at most this many rows, each is a landmark; with more, `landmarks`
    rows drawn at random are (Nystroem).
    """

    kind: ScoreKind = "distribution"
    kernel: KernelName = "exponential"
    gamma: PositiveFloat | None = None
    l2: PositiveFloat | None = None
    exact_rows: PositiveInt = 2_000
    landmarks: PositiveInt = 2_000


class KernelHead(Head, name="kernel", learns=("single", "distribution", "rates", "sets")):
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

    def _fit(self, rows: Rows, generator: torch.Generator) -> None:
        """gamma and L2, unless given, are chosen on `val`, else on five folds (gamma on two of them)."""
        c = self.config
        if c.gamma is None or c.l2 is None:
            rows.need(2, "give val, or both gamma and l2")
        standard = Standardiser.of(rows.X)
        table = landmarks = standard.apply(rows.X, torch.float32)
        if len(table) > c.exact_rows:
            drawn = torch.randperm(len(table), generator=generator)[: c.landmarks]
            landmarks = table[drawn.sort().values]
        objective, held = masses(c.kind, rows.targets, rows.weights), None
        if rows.val is not None:
            held = (standard.apply(rows.val[0], torch.float32), masses(c.kind, rows.val[1]))
        gamma, l2, loss = self._choose(table, landmarks, objective, held, generator)
        space = KernelSpace.of(c.kernel, gamma, landmarks)
        path = _path(space.features(table), objective)
        path.step(l2)
        weight, bias = objective.centred(*path.split())
        self._state = {
            "landmarks": landmarks,
            "coefficients": space.root @ weight.double(),  # on kernel values what the weight is on phi
            "bias": bias.clone(),
            "gamma": torch.tensor(gamma, dtype=torch.float64),
            "mean": standard.mean,
            "deviation": standard.deviation,
        }
        self.report_ = {
            "rows": len(rows.X),
            "prevalence": rows.prevalence,
            "landmarks": len(landmarks),
            "one_scale": standard.shared,
            "gamma": gamma,
            "l2": l2,
            "held_out_loss": loss,
        }
        if len(landmarks) < len(table):
            self.report_["why"] = [
                f"kernel: {len(landmarks):,} of {len(table):,} training rows, drawn by the seed, are its landmarks; "
                "all of them would be a little better and take far longer (docs/training.md: exact_rows)"
            ]

    def _choose(
        self,
        table: Tensor,
        landmarks: Tensor,
        objective: Objective,
        held: tuple[Tensor, Objective] | None,
        generator: torch.Generator,
    ) -> tuple[float, float, float | None]:
        """gamma, L2, and their mean loss on rows kept out; None where both were given."""
        c = self.config
        gammas = GAMMAS[c.kernel] if c.gamma is None else (c.gamma,)
        grid = KERNEL_L2 if c.l2 is None else (c.l2,)
        if len(gammas) == len(grid) == 1:
            return gammas[0], grid[0], None
        parts = [] if held is not None else folds(objective.positive, FOLDS, generator)

        def tried(gamma: float, count: int, dtype: torch.dtype) -> tuple[float, float]:
            """The least loss along L2, and where it is."""
            space = KernelSpace.of(c.kernel, gamma, landmarks, dtype)
            phi = space.features(table)
            if held is None:
                paths, judges = crossed(phi, objective, parts[:count], _path)
            else:
                paths, judges = [_path(phi, objective)], [(space.features(held[0]), held[1])]
            l2, loss, _ = walked(paths, judges, grid, patience=1)
            return loss, l2

        rough = {gamma: tried(gamma, SEARCH_FOLDS, torch.float32) for gamma in gammas} if len(gammas) > 1 else {}
        gamma = min(rough, key=rough.__getitem__, default=gammas[0])
        # the other folds have their say on L2
        loss, l2 = rough[gamma] if rough and held is not None else tried(gamma, FOLDS, torch.float64)
        return gamma, l2, loss

    def scores(self, X: Features) -> Tensor:
        """The predicted distribution or rates, [N, C] float64."""
        return probabilities(self.config.kind, self._logits(X))

    def _logits(self, X: Features) -> Tensor:
        state = self._fitted()
        rows = Standardiser(state["mean"], state["deviation"]).apply(as_features(X, len(state["mean"])), torch.float64)
        space = KernelSpace(self.config.kernel, float(state["gamma"]), state["landmarks"], state["coefficients"])
        return torch.cat([space.values(part) @ space.root + state["bias"] for part in in_parts(rows, _CHUNK)])

    def _state_keys(self) -> tuple[str, ...]:
        return ("landmarks", "coefficients", "bias", "gamma", "mean", "deviation")


def _path(features: Tensor, objective: Objective) -> L2Path:
    return L2Path(features, objective, Curvature.of_features(features))


@dataclasses.dataclass(frozen=True)
class KernelSpace:
    """landmarks: [M, D] standardised features; root: [M, R] with root root' = k(Z, Z)^-1 on what was kept."""

    kernel: KernelName
    gamma: float
    landmarks: Tensor
    root: Tensor

    @classmethod
    def of(
        cls, kernel: KernelName, gamma: float, landmarks: Tensor, dtype: torch.dtype = torch.float64
    ) -> "KernelSpace":
        """The space of these landmarks.

        dtype: what eigenvectors are found in. float32 takes half the time, leaves more directions out, and is good
        enough to compare widths.
        """
        values = kernel_of(squared_distances(landmarks, landmarks), kernel, gamma, landmarks.shape[1])
        size, direction = torch.linalg.eigh(values.to(dtype))
        kept = size > max(_NEGLIGIBLE, 10 * torch.finfo(dtype).eps) * len(landmarks)
        return cls(kernel, gamma, landmarks, direction[:, kept].double() / size[kept].double().sqrt())

    def features(self, rows: Tensor) -> Tensor:
        """phi of standardised rows [N, D]: [N, R] float32: half the memory, and as good on held-out rows."""
        return torch.cat([(self.values(part) @ self.root).float() for part in torch.split(rows, _CHUNK)])

    def values(self, rows: Tensor) -> Tensor:
        """Kernel of rows with the landmarks, [N, M] float64."""
        return kernel_of(squared_distances(rows, self.landmarks), self.kernel, self.gamma, rows.shape[1])


def kernel_of(squared: Tensor, kernel: KernelName, gamma: float, columns: int) -> Tensor:
    """Kernel values from squared distances of standardised features with that many columns.

    rbf: exp(-gamma d^2 / D), smooth. exponential: exp(-gamma d / sqrt(D)), rough (Matern 1/2). Dividing by D
    gives one gamma the same meaning for any number of features: the typical d^2 of two rows is 2 D.
    """
    if kernel == "rbf":
        return (squared * (-gamma / columns)).exp_()
    return squared.sqrt().mul_(-gamma / columns**0.5).exp_()


def squared_distances(rows: Tensor, landmarks: Tensor) -> Tensor:
    """Squared Euclidean distances [N, M], float64.

    Below 1e-11 of the rows' own size they are rounding, whose root would not be small: they count as zero.
    """
    rows, landmarks = rows.double(), landmarks.double()
    size = landmarks.square().sum(dim=1) + rows.square().sum(dim=1, keepdim=True)
    squared = torch.addmm(size, rows, landmarks.T, alpha=-2)
    return torch.where(squared > 1e-11 * size, squared, 0.0)
