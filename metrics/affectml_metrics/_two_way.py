"""The mean over answers, each of one person about one image, with an interval for other people and other images.

A person's answers are alike, and so are an image's. An answer is taken as mean + person + image + rest. Squared sums of
residuals by person, by image and by cell (one person's answers about one image) hold the three variances in shares that
the design alone says, so three equations give them without bias: the variance of Cameron, Gelbach & Miller (2011),
people + images - cells, with the factors that few people and centred residuals ask for. A variance below 0 is 0, and
Student's t has as many degrees of freedom as Satterthwaite (1946) counts: few where few people differ, many where they
do not. `benchmarks/intervals.py` measures how often such intervals hold the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._arguments import real_number
from affectml_metrics._bootstrap import group_index
from affectml_metrics._errors import DomainError, ShapeError
from affectml_metrics._inputs import ArrayLike, as_tensor
from affectml_metrics._intervals import FEW, student_quantile


class TwoWayInterval(NamedTuple):
    """A mean over answers with its interval. Each field is 0-dim for values [A] and [M] for values [A, M]."""

    value: Tensor
    low: Tensor
    high: Tensor
    error: Tensor
    """Standard error of the value, people and images drawn anew."""
    freedom: Tensor
    """Degrees of freedom of Student's t: the fewer, the less is known of `error`."""
    rows: Tensor
    """How many answers the value rests on."""
    skipped: Tensor
    """How many answers were nan (not defined) and left out."""
    people: Tensor
    """How many people these answers are from."""
    images: Tensor
    """How many images these answers are about."""

    @property
    def few(self) -> Tensor:
        """Whether it rests on so few people or images that it deserves a note."""
        return torch.minimum(self.people, self.images) < FEW


def two_way_interval(
    values: ArrayLike,
    people: ArrayLike,
    images: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> TwoWayInterval:
    """Mean over answers with an interval that holds for other people and other images; nothing is drawn.

    values: [A] or [A, M], a row for each answer and a column for each metric, for instance a log loss, or the loss of
    one system minus another's: a gain is beyond chance where the interval of the difference leaves out 0. A nan is left
    out of its column and counted; with an infinite value the mean is infinite, or nan, and the ends are nan. people,
    images: [A] ids (numbers or strings), who answered and about which image; an answer without an id (nan, None) is
    from a person, or about an image, of its own. Several answers of one person about one image count as answers, but
    not as independent ones. weights: [A], 0 or more, how much each answer counts; only ratios matter.

    Ends are value -+ Student's t with `freedom` degrees of freedom times `error`, and may go beyond the range of the
    metric. Where each person answered once, the interval is that over images; where each image was judged once, that
    over people; where both, that of independent answers. One person says nothing of other people, and one image nothing
    of other images: ends, error and freedom are then nan, as where all others make less than a millionth of the weight.
    Where all values are equal, both ends are the value.
    Takes a sort of the ids and a pass for each column; no table of people by images is made. Source: Cameron, Gelbach &
    Miller 2011; Searle, Casella & McCulloch 1992, on variances in unbalanced tables; Satterthwaite 1946; Bell &
    McCaffrey 2002, on degrees of freedom where people answered unequally often. Raises MetricInputError.

    >>> found = two_way_interval([0.0, 2.0, 4.0, 6.0], ["ann", "ann", "bob", "bob"], ["a", "b", "a", "b"])
    >>> [round(float(x), 2) for x in (found.value, found.error, found.freedom)]
    [3.0, 2.24, 1.56]
    """
    real_number("level", level, 0, 1, ends=False)
    table = as_tensor(values, "values").detach().to("cpu", torch.float64)
    if table.ndim not in (1, 2):
        raise ShapeError(f"values: expected [A] or [A, M], but received shape {list(table.shape)}")
    flat = table.ndim == 1
    answers = _Answers.of(people, images, len(table))
    weight = _checked(weights, len(table))
    found, last = [], None
    for column in (table[:, None] if flat else table).unbind(1):
        counted = ~column.isnan()
        if last is None or not torch.equal(counted, last[0]):  # most columns count the same answers
            last = counted, _Design.of(answers, weight * counted)
        found.append(_interval(column, counted, answers, last[1], level))
    fields = [torch.stack(field) for field in zip(*found, strict=True)] if found else [table.new_zeros(0)] * 9
    return TwoWayInterval(*(field[0] for field in fields) if flat else fields)


@dataclass(frozen=True)
class _Answers:
    """Where each answer belongs: [A] numbers of its person, image and cell, and those of each cell."""

    person: Tensor
    image: Tensor
    cell: Tensor | None  # None: each answer is a cell of its own
    cell_person: Tensor
    cell_image: Tensor

    @classmethod
    def of(cls, people: ArrayLike, images: ArrayLike, n: int) -> _Answers:
        person, _ = group_index(people, n, "people")
        image, count = group_index(images, n, "images")
        code = (person * count + image).numpy()
        ordered = np.sort(code)
        if not (ordered[1:] == ordered[:-1]).any():
            return cls(person, image, None, person, image)
        found, cell = (torch.from_numpy(x) for x in np.unique(code, return_inverse=True))
        return cls(person, image, cell, found // count, found % count)

    def sums(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of x [A] by person, by image and by cell."""
        cells = x if self.cell is None else self.cell.bincount(x)
        return self.person.bincount(x), self.image.bincount(x), cells


@dataclass(frozen=True)
class _Design:
    """What the answers that count say of a variance before any value is seen.

    share: [A], sums to 1. held: [3, 3], how much of the squared sums by person, image and cell each part of the mean's
    variance (people, images, rest) makes, on average. solved: [3, 3], its inverse. freedom: [3], of the squared sums.
    known: whether the answers can tell how far people and images differ.
    """

    share: Tensor
    held: Tensor
    solved: Tensor
    freedom: Tensor
    known: bool
    people: int
    images: int

    @classmethod
    def of(cls, answers: _Answers, weight: Tensor) -> _Design:
        share = weight / weight.sum()
        if not bool(share.sum() > 0):
            none = torch.full((3, 3), torch.nan, dtype=torch.float64)
            return cls(share, none, none, none[0], False, 0, 0)
        units = answers.sums(share)
        cells = units[2]
        at = (units[0][answers.cell_person], units[1][answers.cell_image], cells)
        squares = torch.stack([unit.square().sum() for unit in units])
        # a residual is the answer less the mean, so a unit's sum has share(unit, other) - share(unit) share(other) of
        # what is the other's; below is the sum of its squares over all pairs of a unit and another
        held = torch.outer(squares, squares)
        for i in range(3):
            held[i, i] += squares[i] - 2 * units[i].pow(3).sum()
            for j in range(i):
                held[i, j] += squares[2] - 2 * (cells * at[i]).dot(at[j])
                held[j, i] = held[i, j]
        held /= squares
        solved = torch.linalg.pinv(held, rtol=1e-10)
        known = bool((solved.sum(0) @ held - 1).abs().max() < 1e-6)
        freedom = torch.stack([_freedom(unit) for unit in units])
        return cls(share, held, solved, freedom, known, *(int((unit > 0).sum()) for unit in units[:2]))


def _freedom(share: Tensor) -> Tensor:
    """Degrees of freedom of a variance between units that make these shares of the mean; n - 1 where all are equal.

    Source: Bell & McCaffrey 2002: for the matrix B of the quadratic form, trace(B)**2 / trace(B @ B).
    """
    p2, p3, p4, p5 = (share.pow(k).sum() for k in (2, 3, 4, 5))
    trace = p2 - 2 * p3 + p2**2
    return trace**2 / (p4 - 4 * p5 + 4 * p2 * p4 + p2**4 + 2 * p3**2 - 4 * p2**2 * p3)


def _interval(column: Tensor, counted: Tensor, answers: _Answers, design: _Design, level: float) -> list[Tensor]:
    """The fields of TwoWayInterval for one column [A]."""
    rows = counted.sum()
    sizes = [rows, len(column) - rows, torch.tensor(design.people), torch.tensor(design.images)]
    nan = torch.tensor(torch.nan, dtype=torch.float64)
    weighed = design.share > 0
    if not bool(weighed.any()):
        return [nan, nan, nan, nan, nan, *sizes]
    first = column[weighed.nonzero()[0, 0]]
    if bool((column.isinf() & weighed).any()):
        return [design.share.dot(column.masked_fill(~weighed, 0.0)), nan, nan, nan, nan, *sizes]
    moved = torch.where(weighed, column - first, 0.0)  # so that equal values leave a spread of exactly 0
    above = design.share.dot(moved)
    value = first + above
    if not design.known:
        return [value, nan, nan, nan, nan, *sizes]
    residuals = moved - above
    largest = residuals.abs().amax()
    unit = torch.where(largest > 0, largest, 1.0)  # so that squares neither overflow nor vanish
    squares = torch.stack([sums.square().sum() for sums in answers.sums(design.share * (residuals / unit))])
    variance, freedom = _variance(squares, design)
    error = variance.sqrt() * unit
    half = student_quantile(0.5 + level / 2, float(freedom)) * error
    return [value, value - half, value + half, error, freedom, *sizes]


def _variance(squares: Tensor, design: _Design) -> tuple[Tensor, Tensor]:
    """Variance of the mean and its degrees of freedom from squared sums of residuals [3]."""
    held = design.held
    most = (squares[:, None] / held.clamp(min=1e-300)).amin(0)  # what one part alone could be
    people, images = torch.minimum((design.solved @ squares).clamp(min=0), most)[:2]
    rest = ((squares[2] - held[2, 0] * people - held[2, 1] * images) / held[2, 2]).clamp(min=0)
    variance = people + images + rest
    one_way = squares / held.diagonal()  # the mean's variance if people, images or cells were all that differs
    spread = one_way.square() / design.freedom
    free = variance.square() / (spread[0] + spread[1] - spread[2]).clamp(min=0)
    top = design.freedom[2]
    return variance, torch.where(variance > 0, free.clamp(max=float(top)).clamp(min=1), top)


def _checked(weights: ArrayLike | None, n: int) -> Tensor:
    if weights is None:
        return torch.ones(n, dtype=torch.float64)
    weight = as_tensor(weights, "weights").detach().to("cpu", torch.float64)
    if weight.shape != (n,):
        raise ShapeError(f"weights: expected [{n}] (one weight an answer), but received shape {list(weight.shape)}")
    wrong = ~(weight.isfinite() & (weight >= 0))
    if bool(wrong.any()):
        row = int(wrong.nonzero()[0, 0])
        raise DomainError(f"weights: expected 0 or more, but received {float(weight[row])} in row {row}")
    return weight
