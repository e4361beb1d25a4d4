"""Linear heads: full-batch L-BFGS on standardised features, with L2 chosen on rows kept out of the fit.

Standardising is what makes L-BFGS fast on embeddings, and it gives one L2 the same meaning for every feature.
The penalty is l2 / 2 * sum(W^2) beside the MEAN loss, so one grid serves small sets and large ones; the
intercept is not penalised. Scikit-learn's C is 1 / (l2 * N).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml._rows import BIG
from affectml.heads._blocks import RUN, Blocks
from affectml.heads._objective import Objective

L2_GRID = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6)
FOLDS = 5
_CHUNK = 65_536  # rows standardised at a time
_ROWS = 20_000  # tell well enough how a loss curves
_MOST_AXES = 2_048
FTOL32 = 1e-7  # float32 cannot resolve the loss more finely than about this part of itself
_LEAST_BEND = 0.01  # of labels that hardly anybody chose, and of what a softmax does not see


@dataclass(frozen=True)
class Standardiser:
    """Mean and standard deviation [D] of the features a head was fitted on."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, features: Tensor | Blocks) -> "Standardiser":
        """Statistics in float64; a constant feature gets deviation 1, so that it weighs nothing."""
        mean, square = _moments(features) if isinstance(features, Blocks) else _moments_in_memory(features)
        deviation = (square / len(features)).sqrt()
        constant = deviation <= 1e-7 * mean.abs().clamp(min=1e-12)
        return cls(mean, torch.where(constant, torch.ones_like(deviation), deviation))

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
    about = features.some(RUN).mean(dim=0)
    total = torch.zeros(features.shape[1], dtype=torch.float64)
    square = torch.zeros_like(total)
    for _, part in features.parts():
        part.sub_(about)
        total += part.sum(dim=0, dtype=torch.float64)
        square += part.square_().sum(dim=0, dtype=torch.float64)
    off = total / len(features)
    return about.double() + off, square - len(features) * off.square()


@dataclass(frozen=True)
class LinearFit:
    """weight [D, C] and bias [C] on standardised features, float64; l2, and the loss on the rows kept out."""

    weight: Tensor
    bias: Tensor
    l2: float
    held_out_loss: float | None


@dataclass(frozen=True)
class Curvature:
    """Mean squares of features along [D] themselves or, with axes [D, D] in columns, along those directions.

    Times what each label's loss curves by they are about what the mean loss curves by. A search in weights rescaled by
    that is several times shorter, for the same minimum: the penalty sees no rotation.
    """

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
        some = features[:: -(-len(features) // _ROWS)] if isinstance(features, Tensor) else features.some(_ROWS)
        if features.shape[1] > _MOST_AXES:
            return cls.of_features(some)
        along, axes = torch.linalg.eigh((some.T @ some).double() / len(some))
        return cls(along.clamp(min=0.0), axes)


@dataclass(frozen=True)
class _Rescaled:
    """Parameters as the search sees them: along the axes of features and labels, each by the root of its curvature."""

    axes: Tensor | None
    mixes: Tensor
    scale: Tensor
    bias_scale: Tensor

    @classmethod
    def of(cls, curvature: Curvature, objective: Objective, l2: float) -> "_Rescaled":
        """bends: what the loss of a constant prediction curves by along mixes of labels, in the columns of [C, C]."""
        logits = objective.intercept()
        if objective.negative is None:
            q = logits.softmax(dim=0)
            bends, mixes = torch.linalg.eigh(q.diag() - q[:, None] * q)
        else:
            q = logits.sigmoid()
            mass = (objective.positive + objective.negative).sum(dim=0) / objective.total
            bends, mixes = mass * q * (1 - q), torch.eye(len(q), dtype=torch.float64)
        bends = bends.double().clamp(min=_LEAST_BEND)
        return cls(curvature.axes, mixes.double(), (curvature.along[:, None] * bends + l2).rsqrt(), bends.rsqrt())

    def weight(self, moved: Tensor) -> Tensor:
        """Weights of features and labels [D, C]."""
        along = (moved * self.scale) @ self.mixes.T
        return along if self.axes is None else self.axes @ along

    def slope(self, slope: Tensor) -> Tensor:
        """Slopes of weights [D, C] as slopes of what is searched."""
        along = (slope if self.axes is None else self.axes.T @ slope) @ self.mixes
        return along * self.scale

    def begin(self, weight: Tensor) -> Tensor:
        """Weights of features and labels as what is searched."""
        along = (weight if self.axes is None else self.axes.T @ weight) @ self.mixes
        return along / self.scale


def precision(features: Tensor | Blocks) -> torch.dtype:
    """float64 while the features are small enough for it to cost little."""
    return torch.float64 if features.numel() <= BIG else torch.float32


Sweep: TypeAlias = Callable[[Tensor, Tensor], tuple[float, Tensor, Tensor]]


def solve(
    sweep: Sweep, objective: Objective, l2: float, start: NDArray[np.float64], curvature: Curvature, ftol: float
) -> NDArray[np.float64]:
    """Minimise mean loss + l2 / 2 |W|^2 from `start`; parameters as one vector, W [D, C] then bias [C].

    sweep: from W and bias to the summed loss, of all rows and the pseudo row, and its slopes [D, C] and [C]; float64.
    """
    from scipy.optimize import minimize

    whole = objective.with_pseudo_row()
    total, labels = whole.total, objective.positive.shape[1]
    cut = len(start) - labels
    by = _Rescaled.of(curvature, whole, l2)

    def value_and_gradient(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        moved, bias = torch.from_numpy(parameters[:cut]).reshape(-1, labels), torch.from_numpy(parameters[cut:])
        weight = by.weight(moved)
        summed, slope, bias_slope = sweep(weight, by.mixes @ (bias * by.bias_scale))
        gradient = torch.empty(cut + labels, dtype=torch.float64)
        gradient[:cut] = by.slope(slope / total + l2 * weight).flatten()
        gradient[cut:] = (bias_slope @ by.mixes) * by.bias_scale / total
        return summed / total + l2 / 2 * float(weight.square().sum()), gradient.numpy()

    options = {"maxiter": 500, "maxcor": 20, "ftol": ftol, "gtol": 1e-6}
    begun = torch.from_numpy(start)
    weight, bias = begun[:cut].reshape(-1, labels), begun[cut:]
    begun = torch.cat([by.begin(weight).flatten(), (bias @ by.mixes) / by.bias_scale])
    # The optimiser's own vectors are short: threads that wait for each other made it four times slower.
    with _blas().limit(limits=torch.get_num_threads(), user_api="blas"):
        found = minimize(value_and_gradient, begun.numpy(), jac=True, method="L-BFGS-B", options=options)
    best = torch.from_numpy(found.x)
    weight, bias = by.weight(best[:cut].reshape(-1, labels)), by.mixes @ (best[cut:] * by.bias_scale)
    return np.asarray(torch.cat([weight.flatten(), bias]).numpy())


@cache
def _blas() -> Any:
    """The BLAS libraries of this process, looked for once: each look takes milliseconds."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def fit_linear(
    features: Tensor | Blocks,
    objective: Objective,
    *,
    l2: float | None,
    val: tuple[Tensor | Blocks, Objective] | None,
    correction: Tensor,
    generator: torch.Generator,
    grid: Sequence[float] = L2_GRID,
) -> LinearFit:
    """Fit on standardised features [N, D]; with l2 None, the grid is walked from strong to weak.

    Each step starts from the last one's weights, and the walk ends after two steps worse than the best. The
    loss that decides is that of `val` or, without one, of five folds left out in turn, after which the head is
    fitted on all rows. Rows of `val` are never fitted on. correction: what is taken off the logits [C] before
    `val` judges them, where `objective` weighs labels and `val` does not.
    """
    curvature = Curvature.of_axes(features)
    whole = path_of(features, objective, curvature)
    if l2 is not None:
        whole.step(l2)
        return whole.result(l2, None if val is None else whole.loss(*val, correction))
    if val is not None:
        paths, held_out = [whole], [val]
    else:
        paths, held_out = [], []
        correction = torch.zeros_like(correction)  # the folds left out weigh labels as the fit does
        for kept, left_out in folds(objective.positive, FOLDS, generator):
            if not objective.rows(kept).total > 0:
                continue  # every row kept weighs nothing
            paths.append(path_of(features[kept], objective.rows(kept), curvature))
            held_out.append((features[left_out], objective.rows(left_out)))
    best, best_loss, worse = grid[0], np.inf, 0
    best_state = whole.parameters
    for candidate in grid:
        loss = 0.0
        for path, (x, y) in zip(paths, held_out, strict=True):
            path.walk(candidate)
            loss += path.loss(x, y, correction) / len(paths)
        if loss < best_loss:
            best, best_loss, worse, best_state = candidate, loss, 0, whole.parameters
        else:
            worse += 1
        if worse >= whole.patience:
            break
    if val is not None:
        whole.settle(best, best_state)
    else:
        whole.step(best)
    return whole.result(best, best_loss)


class L2Path:
    """One set of rows walked along the L2 grid, each step starting where the last one ended."""

    patience = 2  # grid steps that may be worse than the best before the search stops

    def __init__(self, features: Tensor, objective: Objective, curvature: Curvature | None = None) -> None:
        self.features, self.curvature = features, curvature
        self._begin(objective, features.shape[1])

    def _begin(self, objective: Objective, columns: int) -> None:
        self.objective, self.labels = objective, objective.positive.shape[1]
        start = objective.with_pseudo_row().intercept()
        self.parameters = np.concatenate([np.zeros(columns * self.labels), start.double().numpy()])

    def step(self, l2: float) -> None:
        self.curvature = self.curvature or Curvature.of_axes(self.features)
        features, rows = self.features, len(self.features)
        whole = self.objective.with_pseudo_row().to(features.dtype)

        def sweep(weight: Tensor, bias: Tensor) -> tuple[float, Tensor, Tensor]:
            at_zero = bias.to(features.dtype)
            # the few labels as rows, in both products: BLAS is three times faster so
            logits = torch.cat([(weight.T.to(features.dtype).contiguous() @ features.T).T + at_zero, at_zero[None]])
            slope = whole.gradient(logits)
            pull = (slope[:rows].T @ features).T.double()
            return float(whole.loss(logits)), pull, slope.sum(dim=0, dtype=torch.float64)

        ftol = 1e-9 if features.dtype == torch.float64 else FTOL32
        self.parameters = solve(sweep, self.objective, l2, self.parameters, self.curvature, ftol)

    def walk(self, l2: float) -> None:
        """A step that is only compared with others."""
        self.step(l2)

    def settle(self, l2: float, parameters: NDArray[np.float64]) -> None:
        """Go back to where the walk was best."""
        self.parameters = parameters

    def split(self) -> tuple[Tensor, Tensor]:
        parameters = torch.from_numpy(self.parameters)
        return parameters[: -self.labels].reshape(-1, self.labels), parameters[-self.labels :]

    def loss(self, features: Tensor | Blocks, objective: Objective, correction: Tensor) -> float:
        """The mean loss of rows kept out."""
        if isinstance(features, Blocks):
            parts = ((objective.part(here), self.logits(part)) for here, part in features.parts())
            total = sum(float(masses.loss(logits - correction)) for masses, logits in parts)
        else:
            total = float(objective.loss(self.logits(features) - correction))
        return total / max(objective.total, 1e-300)

    def logits(self, features: Tensor) -> Tensor:
        weight, bias = self.split()
        return torch.addmm(bias.to(features.dtype), features, weight.to(features.dtype)).double()

    def result(self, l2: float, held_out_loss: float | None) -> LinearFit:
        weight, bias = self.objective.centred(*self.split())
        return LinearFit(weight, bias, l2, held_out_loss)


class BlockPath(L2Path):
    """The same for rows in blocks: float32 products, summed in float64. Every pass reads each row once."""

    patience = 1  # the loss of many rows has one valley

    def __init__(self, features: Blocks, objective: Objective, curvature: Curvature) -> None:
        self.blocks, self.curvature = features, curvature
        self._begin(objective, features.shape[1])
        self.masses = objective.to(torch.float32).by_label()
        self.even = objective.with_pseudo_row().part(slice(len(features), None)).to(torch.float32)

    def walk(self, l2: float) -> None:
        """A step to a hundredth of the precision, which is what comparing takes."""
        self._step(l2, 100 * FTOL32)

    def settle(self, l2: float, parameters: NDArray[np.float64]) -> None:
        """The best step of the walk, to full precision."""
        self.parameters = parameters
        self.step(l2)

    def step(self, l2: float) -> None:
        self._step(l2, FTOL32)

    def _step(self, l2: float, ftol: float) -> None:
        assert self.curvature is not None
        self.parameters = solve(self._sweep, self.objective, l2, self.parameters, self.curvature, ftol)

    def _sweep(self, weight: Tensor, bias: Tensor) -> tuple[float, Tensor, Tensor]:
        narrow, at_zero = weight.T.float().contiguous(), bias.float()
        slopes = torch.zeros(narrow.shape, dtype=torch.float64)
        loss = float(self.even.loss(at_zero[None]))
        lean = self.even.gradient(at_zero[None])[0].double()
        for here, rows in self.blocks.parts():
            masses = self.masses.part(here)
            logits = torch.addmm(at_zero[:, None], narrow, rows.T).T  # the few labels as rows here too
            loss += float(masses.loss(logits))
            slope = masses.gradient(logits)
            slopes += slope.T @ rows
            lean += slope.sum(dim=0)
        return loss, slopes.T, lean


def path_of(features: Tensor | Blocks, objective: Objective, curvature: Curvature) -> L2Path:
    """The walk of these rows."""
    kind = BlockPath if isinstance(features, Blocks) else L2Path
    return kind(features, objective, curvature)  # type: ignore[arg-type]


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
