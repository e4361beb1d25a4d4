"""The search for linear weights: L-BFGS in which every label goes its own way, and one pass over the rows serves all.

Passes are what costs. Three things make them few:

- labels that are judged apart have losses that have nothing to do with each other: each label has its own step, and its
  own memory of how slopes turned. The labels of a softmax go together;
- for features like a Gaussian's, a label's loss curves by the features' second moments times its mean of q (1 - q),
  but along one direction (Stein's lemma). So a step begins, with q as it is there, and the memory learns the rest;
- slopes say how far the least loss is: half their product with the step, once steps are good. Where that is little, one
  more step ends the search, and nobody looks at it.

Source: Liu & Nocedal 1989 for L-BFGS.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from affectml.heads.blocks import Blocks
from affectml.heads.objective import Sums

SAMPLE = 20_000  # rows that tell well enough how a loss curves, and about where it is least
_MOST_AXES = 2_048
_MOST_PASSES = 500
_MEMORY = 12  # steps remembered
_NOISE = 2e-6  # what part of a loss may be rounding, where no more precision is asked for
_LEAST_BEND = 1e-6  # of labels that hardly anybody chose, and of what a softmax does not see


@dataclass(frozen=True)
class Curvature:
    """Mean squares of features along [D] themselves or, with axes [D, D] in columns, along those directions."""

    along: Tensor
    axes: Tensor | None = None

    @classmethod
    def of_features(cls, features: Tensor) -> "Curvature":
        """Along each feature, where features hardly go together but differ much in size, as a kernel's do."""
        return cls(features.square().mean(dim=0, dtype=torch.float64))

    @classmethod
    def of_axes(cls, features: Tensor | Blocks) -> "Curvature":
        """Along the principal axes of the features, as of embeddings, whose features go together.

        Beyond 2,048 features, whose axes would take longer to find than they save, along each feature.
        """
        some = (
            features[:: -(-len(features) // SAMPLE)]
            if isinstance(features, Tensor)
            else features.read(features.sample(SAMPLE))
        )
        if features.shape[1] > _MOST_AXES:
            return cls.of_features(some)
        along, axes = torch.linalg.eigh((some.T @ some).double() / len(some))
        return cls(along.clamp(min=0.0), axes)

    def turned(self, table: Tensor) -> Tensor:
        """Weights or slopes of features, [D + 1, C] with the biases' row, as those along the axes."""
        return table if self.axes is None else torch.cat([self.axes.T @ table[:-1], table[-1:]])

    def back(self, table: Tensor) -> Tensor:
        """Weights along the axes as those of features."""
        return table if self.axes is None else torch.cat([self.axes @ table[:-1], table[-1:]])


Sweep: TypeAlias = Callable[[Tensor], Sums]


class Descent:
    """Where a search is, and what it knows: the sums there, and its last steps with how slopes turned along them.

    start: weights of standardised features and, in the last row, biases, [D + 1, C] float64. apart: whether labels have
    nothing to do with each other.
    """

    def __init__(self, start: Tensor, apart: bool, curvature: Curvature) -> None:
        self.apart, self.curvature = apart, curvature
        self.at, self.l2 = curvature.turned(start), 0.0
        self.known: Sums | None = None
        self.steps: list[tuple[Tensor, Tensor]] = []

    @property
    def parameters(self) -> Tensor:
        """Where it is, as `start` was given."""
        return self.curvature.back(self.at)

    def jump(self, parameters: Tensor) -> None:
        """Go on from elsewhere."""
        self.at, self.known = self.curvature.turned(parameters), None

    def minimise(self, sweep: Sweep, l2: float, precision: float, *, blind: bool) -> None:
        """Go to the least mean loss + l2 / 2 |W|^2, to about `precision` of the loss (of 1 where it is below).

        sweep: from parameters to the means over all rows. blind: whether the last step is taken without a look, which
        saves a pass.
        """
        shrink = torch.full((len(self.at), 1), l2, dtype=torch.float64)
        shrink[-1] = 0.0
        self.steps = [(step, turn + (shrink - shrink.sign() * self.l2) * step) for step, turn in self.steps]
        self.l2 = l2
        self.known = self.known or self._sums(sweep, self.at)
        loss, slope = self._penalised(self.known, self.at, shrink)
        towards = self._towards(slope, self.known.bend)
        for _ in range(_MOST_PASSES):
            fall = self._each(slope * towards)
            if -float(fall.sum()) / 2 <= precision * max(float(loss.sum()), 1.0):
                if blind:
                    self.at = self.at + towards
                break
            there = self.at + towards
            found = self._sums(sweep, there)
            rise = self._penalised(found, there, shrink)[0] - loss
            good = rise <= 1e-4 * fall + min(precision, _NOISE) * loss
            # a label that would climb stays where it is and tries a shorter step, as long as a parabola says
            step, before = torch.where(good, towards, 0.0), slope
            self.at = self.at + step
            self.known = Sums(
                torch.where(good, found.loss, self.known.loss),
                torch.where(good, found.slope, self.known.slope),
                torch.where(good, found.bend, self.known.bend),
            )
            loss, slope = self._penalised(self.known, self.at, shrink)
            self.steps = [*self.steps[1 - _MEMORY :], (step, slope - before)]
            shorter = (-fall / (2 * (rise - fall))).nan_to_num(0.1).clamp(0.1, 0.5)
            towards = torch.where(good, self._towards(slope, self.known.bend), shorter * towards)
        if blind:
            self.known = None

    def _each(self, products: Tensor) -> Tensor:
        """Sums [C] for each label apart, or [1] of all."""
        return products.sum(dim=0) if self.apart else products.sum()[None]

    def _sums(self, sweep: Sweep, at: Tensor) -> Sums:
        sums = sweep(self.curvature.back(at))
        return replace(sums, slope=self.curvature.turned(sums.slope))

    def _penalised(self, sums: Sums, at: Tensor, shrink: Tensor) -> tuple[Tensor, Tensor]:
        pull = shrink * at
        return sums.loss + self._each(pull * at) / 2, sums.slope + pull

    def _towards(self, slope: Tensor, bend: Tensor) -> Tensor:
        """The step that the slopes, the curvature and the memory propose."""
        step, shares = -slope, []
        for moved, turn in reversed(self.steps):
            bends = self._each(moved * turn)
            inverse = torch.where(bends > 0, 1 / bends, 0.0)  # nothing is learned where a label stood still
            share = inverse * self._each(moved * step)
            step = step - share * turn
            shares.append((inverse, share))
        step = self._without_memory(step, bend)
        if self.steps and not self.apart:
            # how their loss curves is only about known: the last step tells by how much more or less
            moved, turn = self.steps[-1]
            bends = self._each(moved * turn)
            scale = bends / self._each(turn * self._without_memory(turn, bend))
            step = step * torch.where(bends > 0, scale, 1.0)
        for (moved, turn), (inverse, share) in zip(self.steps, reversed(shares), strict=True):
            step = step + (share - inverse * self._each(turn * step)) * moved
        return step

    def _without_memory(self, slope: Tensor, bend: Tensor) -> Tensor:
        mixes = None
        if not self.apart:
            bend, mixes = torch.linalg.eigh(bend)
            slope = slope @ mixes
        bend = bend.clamp(min=_LEAST_BEND)
        along = torch.cat([self.curvature.along, torch.ones(1, dtype=torch.float64)])[:, None] * bend
        along[:-1] = (along[:-1] + self.l2).clamp(min=1e-8 * float(along.max()))
        step = slope / along
        return step if mixes is None else step @ mixes.T
