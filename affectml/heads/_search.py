"""Walking L2 grids on rows kept out, counted in fits: the search that kernel heads and AutoHead share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from affectml.heads._linear import L2Path
from affectml.heads._objective import Objective


@dataclass(frozen=True)
class Fold:
    """Rows to fit on and rows to judge by: features [N, M] and their masses."""

    features: Tensor
    objective: Objective
    held_features: Tensor
    held_objective: Objective


@dataclass
class Budget:
    """A number of fits that may still be made; never seconds, so that the same seed gives the same choices."""

    fits: int
    used: int = 0

    def take(self, fits: int) -> bool:
        """Whether that many fits are left; if so they are spent."""
        if self.used + fits > self.fits:
            return False
        self.used += fits
        return True


@dataclass(frozen=True)
class Walked:
    """The best L2 of a walk, its mean held-out loss, and its held-out logits, one tensor per split."""

    l2: float
    loss: float
    logits: tuple[Tensor, ...]


def walk(
    splits: Sequence[Fold],
    grid: Sequence[float],
    budget: Budget,
    path_of: Callable[[Tensor, Objective], L2Path] = L2Path,
) -> Walked | None:
    """From strong to weak penalty, each step warm from the last; None where the budget allows no single step.

    Every step fits each split once. The walk ends when the mean held-out loss gets worse, when the grid ends, or
    with the budget.
    """
    paths = [path_of(s.features, s.objective) for s in splits]
    best: Walked | None = None
    for l2 in grid:
        if not budget.take(len(splits)):
            break
        logits = []
        for path, split in zip(paths, splits, strict=True):
            path.step(l2)
            logits.append(path.logits(split.held_features))
        loss = mean_loss([s.held_objective for s in splits], logits)
        if best is not None and not loss < best.loss:
            break
        best = Walked(l2, loss, tuple(logits))
    return best


def mean_loss(objectives: Sequence[Objective], logits: Sequence[Tensor]) -> float:
    """Mean over splits of the mean held-out loss."""
    losses = [float(o.loss(z)) / max(o.total, 1e-300) for o, z in zip(objectives, logits, strict=True)]
    return sum(losses) / len(losses)


def climb(values: Sequence[float], start: int, measure: Callable[[float], float | None]) -> float | None:
    """Hill climbing on an ordered grid: the best value found, None where none could be measured.

    From `start`, both neighbours, then onward on the better side while the loss falls. `measure` returns None
    where its budget is spent, which ends the climb.
    """
    losses: dict[float, float] = {}

    def look(at: int) -> bool:
        if not 0 <= at < len(values) or values[at] in losses:
            return 0 <= at < len(values)
        loss = measure(values[at])
        if loss is None:
            return False
        losses[values[at]] = loss
        return True

    if not look(start):
        return None
    look(start + 1)
    look(start - 1)
    at = min((i for i in (start - 1, start, start + 1) if 0 <= i < len(values) and values[i] in losses),
             key=lambda i: losses[values[i]])  # fmt: skip
    step = at - start
    while step and look(at + step) and losses[values[at + step]] < losses[values[at]]:
        at += step
    return min(losses, key=lambda value: losses[value])


def folds_of(features: Tensor, objective: Objective, parts: Sequence[tuple[Tensor, Tensor]]) -> list[Fold]:
    """Splits of one table of features by (kept, left out) row indices."""
    return [
        Fold(features[kept], objective.rows(kept), features[out], objective.rows(out))
        for kept, out in parts
        if objective.rows(kept).total > 0
    ]
