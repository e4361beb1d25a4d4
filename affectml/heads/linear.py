"""Linear heads: full-batch L-BFGS on standardised features, with L2 chosen on rows kept out of the fit.

Standardising is what makes L-BFGS fast on embeddings, and it gives one L2 the same meaning for every feature.
The penalty is l2 / 2 * sum(W^2) beside the MEAN loss, so one grid serves small sets and large ones; the
intercept is not penalised. Scikit-learn's C is 1 / (l2 * N).

The search is L-BFGS in which every label goes its own way, and one pass over the rows serves all. Passes are what
costs. Three things make them few:

- labels that are judged apart have losses that have nothing to do with each other: each label has its own step, and its
  own memory of how slopes turned. The labels of a softmax go together;
- for features like a Gaussian's, a label's loss curves by the features' second moments times its mean of q (1 - q),
  but along one direction (Stein's lemma). So a step begins, with q as it is there, and the memory learns the rest;
- slopes say how far the least loss is: half their product with the step, once steps are good. Where that is little, one
  more step ends the search, and nobody looks at it.

Source: Liu & Nocedal 1989 for L-BFGS.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast, overload

import torch
from torch import Tensor

from affectml._rows import BIG
from affectml.heads.blocks import RUN, Blocks
from affectml.heads.objective import Objective, Sums

L2_GRID = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6)
FOLDS = 5
# Deviations of one unit: at most that many times their median, and at least a tenth of it, but for one in twenty where
# features are many: an encoder may hardly use some. Measured: CLIP .5 to 3.8 times, MobileNetV2 .5 to 1.8, affect-tiny
# .3 to 2.6; hand-made features (LBP, colour, texture) .006 to 7, one in twenty below .015.
ALIKE, MANY = 10.0, 100
_CHUNK = 65_536  # rows standardised at a time
FINE = 1e-9  # of the loss, and how far above the least it may be, where features are few
FINE32 = 1e-7  # the same of float32, which resolves losses not much more finely
ROUGH = 1e-4  # of some rows' loss, whose least is further than that from all rows'
COARSE = 1e-6  # what comparing takes
LAST = 2e-6  # what one last step makes FINE32
SAMPLE = 20_000  # rows that tell well enough how a loss curves, and about where it is least
_MOST_AXES = 2_048
_MOST_PASSES = 500
_MEMORY = 12  # steps remembered
_NOISE = 2e-6  # what part of a loss may be rounding, where no more precision is asked for
_LEAST_BEND = 1e-6  # of labels that hardly anybody chose, and of what a softmax does not see


@dataclass(frozen=True)
class Standardiser:
    """Mean and scale [D] of the features a head was fitted on; shared: whether all that vary have one scale."""

    mean: Tensor
    deviation: Tensor
    shared: bool = False

    @classmethod
    def of(cls, features: Tensor | Blocks) -> "Standardiser":
        """Statistics in float64; a constant feature gets an infinite scale, so that it never says anything.

        An encoder's features are of one unit, and how far images lie apart in its space is what it was trained for:
        all are divided by one scale, the root mean square of their deviations. Features whose deviations are not all
        `ALIKE`, but for a few of a hundred or more, are of several units, and each is divided by its own.
        """
        mean, square = _moments(features) if isinstance(features, Blocks) else _moments_in_memory(features)
        deviation = (square / len(features)).sqrt()
        varies = deviation > 1e-7 * mean.abs().clamp(min=1e-12)
        own = deviation[varies]
        if not len(own):
            return cls(mean, torch.full_like(deviation, torch.inf), shared=True)
        middle, few = own.median(), 0.05 * len(own) if len(own) >= MANY else 0
        alike = bool((own * ALIKE < middle).sum() <= few and own.max() <= ALIKE * middle)
        scale = own.square().mean().sqrt() if alike else deviation
        return cls(mean, torch.where(varies, scale, torch.inf), shared=alike)

    @overload
    def apply(self, features: Tensor, dtype: torch.dtype) -> Tensor: ...

    @overload
    def apply(self, features: Blocks, dtype: torch.dtype) -> Blocks: ...

    def apply(self, features: Tensor | Blocks, dtype: torch.dtype) -> Tensor | Blocks:
        """Standardised features [N, D]; those in blocks are float32, and standardised when they are read."""
        if isinstance(features, Blocks):
            return features.standardised(self.mean, self.deviation)
        out = torch.empty(features.shape, dtype=dtype)
        for part, into in zip(torch.split(features, _CHUNK), torch.split(out, _CHUNK), strict=True):
            into.copy_((part.double() - self.mean) / self.deviation)
        return out

    def fold(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Weights [D, K] and bias [K] that do on raw features what the given ones do on standardised ones."""
        raw = weight.double() / self.deviation[:, None]
        return raw, bias.double() - self.mean @ raw


def _moments_in_memory(features: Tensor) -> tuple[Tensor, Tensor]:
    mean = features.mean(dim=0, dtype=torch.float64)
    square = torch.zeros_like(mean)
    for part in torch.split(features, _CHUNK):
        square += (part.double() - mean).square().sum(dim=0)
    return mean, square


def _moments(features: Blocks) -> tuple[Tensor, Tensor]:
    """Mean and summed squares about it, [D], in one pass; about some rows' mean, so that nothing cancels."""
    about = features.read(features.sample(RUN)).mean(dim=0)
    total = torch.zeros(features.shape[1], dtype=torch.float64)
    square = torch.zeros_like(total)
    for _, part in features.standardised(about, torch.ones_like(about)).parts():
        total += part.sum(dim=0)
        square += part.square_().sum(dim=0)
    off = total / len(features)
    return about.double() + off, square - len(features) * off.square()


def precision(features: Tensor | Blocks) -> torch.dtype:
    """float64 while the features are small enough for it to cost little."""
    return torch.float64 if features.numel() <= BIG else torch.float32


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
            sums = self._sums(sweep, there)
            rise = self._penalised(sums, there, shrink)[0] - loss
            good = rise <= 1e-4 * fall + min(precision, _NOISE) * loss
            # a label that would climb stays where it is and tries a shorter step, as long as a parabola says
            step, before = torch.where(good, towards, 0.0), slope
            self.at = self.at + step
            self.known = Sums(
                torch.where(good, sums.loss, self.known.loss),
                torch.where(good, sums.slope, self.known.slope),
                torch.where(good, sums.bend, self.known.bend),
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


def fit_linear(
    features: Tensor | Blocks,
    objective: Objective,
    *,
    l2: float | None,
    val: tuple[Tensor | Blocks, Objective] | None,
    generator: torch.Generator,
) -> tuple[dict[str, Tensor], dict[str, float | None]]:
    """Fit on features [N, D], standardised here; with l2 None, the grid is walked from strong to weak.

    Each step starts from the last one's weights, and the walk ends after two steps worse than the best. The
    loss that decides is that of `val` or, without one, of five folds left out in turn, after which the head is
    fitted on all rows. Rows of `val` are never fitted on.

    Returns the head's weight [D, C] and bias [C], float64, and what it reports: l2, the loss on rows kept out,
    and whether the features have one scale.
    """
    standard, dtype = Standardiser.of(features), precision(features)
    features = standard.apply(features, dtype)
    curvature = Curvature.of_axes(features)
    whole = L2Path(features, objective, curvature)
    held = None if val is None else (standard.apply(val[0], dtype), val[1])

    def found(l2: float, loss: float | None) -> tuple[dict[str, Tensor], dict[str, float | None]]:
        weight, bias = objective.centred(*whole.split())
        weight, bias = standard.fold(weight, bias)
        return {"weight": weight, "bias": bias}, {"l2": l2, "held_out_loss": loss, "one_scale": standard.shared}

    if l2 is not None:
        whole.step(l2)
        return found(l2, None if held is None else whole.loss(*held))
    if held is not None:
        paths, held_out = [whole], [held]
    else:
        parts = folds(objective.positive, FOLDS, generator)
        paths, held_out = crossed(features, objective, parts, lambda X, masses: L2Path(X, masses, curvature))
    grid: Sequence[float] = L2_GRID
    if isinstance(features, Blocks) and len(features) >= 4 * SAMPLE:
        # more rows want no stronger penalty: some of them tell where to begin, for a step's room
        few, few_masses = _sample(cast("Blocks", paths[0].features), paths[0].objective)
        best = walked([L2Path(Blocks(few), few_masses, curvature)], held_out[:1], grid)[0]
        grid = grid[max(0, grid.index(best) - 1) :]
    best, best_loss, best_state = walked(paths, held_out, grid)
    if held is not None:
        whole.settle(best, best_state)
    else:
        whole.step(best)
    return found(best, best_loss)


def crossed(
    features: Tensor | Blocks,
    objective: Objective,
    parts: Sequence[tuple[Tensor, Tensor]],
    path_of: Callable[[Any, Objective], "L2Path"],
) -> tuple[list["L2Path"], list[tuple[Tensor | Blocks, Objective]]]:
    """For each (kept, left out) a path on the rows kept, unless these weigh nothing, and what judges it."""
    parts = [(kept, out) for kept, out in parts if objective.rows(kept).total > 0]
    paths = [path_of(features[kept], objective.rows(kept)) for kept, _ in parts]
    return paths, [(features[out], objective.rows(out)) for _, out in parts]


def walked(
    paths: Sequence["L2Path"],
    held_out: Sequence[tuple[Tensor | Blocks, Objective]],
    grid: Sequence[float],
    patience: int | None = None,
) -> tuple[float, float, Tensor]:
    """The L2 with the least mean loss on rows kept out, that loss, and where the first path was then.

    patience: grid steps that may be worse than the best before the walk ends; None: the paths' own.
    """
    patience = paths[0].patience if patience is None else patience
    best, best_loss, worse = grid[0], math.inf, 0
    best_state = paths[0].parameters
    for candidate in grid:
        loss = 0.0
        for path, (x, y) in zip(paths, held_out, strict=True):
            path.walk(candidate)
            loss += path.loss(x, y) / len(paths)
        if loss < best_loss:
            best, best_loss, worse, best_state = candidate, loss, 0, paths[0].parameters
        else:
            worse += 1
        if worse >= patience:
            break
    return best, best_loss, best_state


def _sample(features: Blocks, objective: Objective) -> tuple[Tensor, Objective]:
    """Some of many rows, and their masses."""
    some = features.sample(SAMPLE)
    return features.read(some), objective.rows(torch.from_numpy(some))


class L2Path:
    """One set of rows walked along the L2 grid, each step starting where the last one ended.

    features: standardised, [N, D]; in blocks the products are float32 and summed in float64.
    """

    def __init__(self, features: Tensor | Blocks, objective: Objective, curvature: Curvature | None = None) -> None:
        self.features, self.objective, self.curvature = features, objective, curvature
        self.large = isinstance(features, Blocks)
        self.patience = 1 if self.large else 2  # grid steps that may be worse than the best; many rows have one valley
        self.labels = objective.positive.shape[1]
        self.parameters = torch.zeros(features.shape[1] + 1, self.labels, dtype=torch.float64)
        self.parameters[-1] = objective.intercept()
        self._descent: Descent | None = None

    def step(self, l2: float) -> None:
        """On to this penalty, as precisely as it goes."""
        if isinstance(self.features, Blocks):
            self._minimise(l2, LAST, blind=True)
        else:
            self._minimise(l2, FINE if self.features.dtype == torch.float64 else FINE32, blind=False)

    def walk(self, l2: float) -> None:
        """A step that is only compared with others."""
        if self.large:
            self._minimise(l2, COARSE, blind=False)
        else:
            self.step(l2)

    def settle(self, l2: float, parameters: Tensor) -> None:
        """Go back to where the walk was best; what was only compared is made precise."""
        self.parameters = parameters
        if self.large:
            assert self._descent is not None
            self._descent.jump(parameters)
            self.step(l2)

    def _minimise(self, l2: float, precision: float, blind: bool) -> None:
        if self._descent is None:
            self.curvature = self.curvature or Curvature.of_axes(self.features)
            self._descent = Descent(self.parameters, self.objective.negative is not None, self.curvature)
            self._sweep = _sweep_of(self.features, self.objective)
            if isinstance(self.features, Blocks) and len(self.features) >= 4 * SAMPLE:
                self._descent.minimise(_sweep_of(*_sample(self.features, self.objective)), l2, ROUGH, blind=True)
        self._descent.minimise(self._sweep, l2, precision, blind=blind)
        self.parameters = self._descent.parameters

    def split(self) -> tuple[Tensor, Tensor]:
        """Weights [D, C] and biases [C]."""
        return self.parameters[:-1], self.parameters[-1]

    def loss(self, features: Tensor | Blocks, objective: Objective) -> float:
        """The mean loss of rows kept out."""
        if isinstance(features, Blocks):
            parts = ((objective.rows(here), self.logits(part)) for here, part in features.parts())
            total = sum(float(masses.loss(logits)) for masses, logits in parts)
        else:
            total = float(objective.loss(self.logits(features)))
        return total / max(objective.total, 1e-300)

    def logits(self, features: Tensor) -> Tensor:
        """What is predicted of rows, [N, C] float64."""
        weight, bias = self.split()
        return torch.addmm(bias.to(features.dtype), features, weight.to(features.dtype)).double()


def _sweep_of(features: Tensor | Blocks, objective: Objective) -> Sweep:
    """Passes over the rows, and the pseudo row: mean loss, slopes and curvatures."""
    dtype = torch.float32 if isinstance(features, Blocks) else features.dtype
    even = objective.pseudo_row().to(dtype)
    total, masses = objective.total + even.total, objective.to(dtype).by_label()
    everyone = slice(0, len(features))

    def sweep(parameters: Tensor) -> Sums:
        weight, bias = parameters[:-1].T.to(dtype).contiguous(), parameters[-1].to(dtype)
        sums = even.sums(bias[None])
        loss, lean, bend = sums.loss.double(), sums.slope[0].double(), sums.bend.double()
        pull = torch.zeros(weight.shape, dtype=torch.float64)
        for here, rows in features.parts() if isinstance(features, Blocks) else [(everyone, features)]:
            # the few labels as rows, in both products: BLAS is three times faster so
            sums = masses.rows(here).sums(torch.addmm(bias[:, None], weight, rows.T).T)
            pull += sums.slope.T @ rows
            lean += sums.slope.sum(dim=0)
            loss += sums.loss
            bend += sums.bend
        return Sums(loss / total, torch.cat([pull.T, lean[None]]) / total, bend / total)

    return sweep


def folds(positive: Tensor, count: int, generator: torch.Generator) -> Sequence[tuple[Tensor, Tensor]]:
    """(kept, left out) row indices of `count` folds, stratified by each row's strongest label.

    Rows in random order are sorted by label and dealt out in turn, so that folds differ by at most one row in
    size and by about one in each label. Fewer rows than folds: one fold a row.
    """
    order = torch.randperm(len(positive), generator=generator)
    order = order[positive[order].argmax(dim=1).argsort(stable=True)]
    count = min(count, len(positive))
    fold = torch.empty(len(positive), dtype=torch.long)
    fold[order] = torch.arange(len(positive)) % count
    everyone = torch.arange(len(positive))
    return [(everyone[fold != k], everyone[fold == k]) for k in range(count)]
