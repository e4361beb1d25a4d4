"""The mean over answers, each of one person about one image, with an interval for other people and other images.

A person's answers are alike, and so are an image's. An answer is taken as mean + person + image + rest. Squared sums of
residuals by person, by image and by cell (one person's answers about one image) hold the three variances in shares that
the design alone says, so three equations give them without bias: the variance of Cameron, Gelbach & Miller (2011),
people + images - cells, with the factors that few people and centred residuals ask for. A variance below 0 is 0, and
Student's t has as many degrees of freedom as Satterthwaite (1946) counts: few where few people differ, many where they
do not. `benchmarks/intervals.py` measures how often such intervals hold the truth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor

from affectml_metrics._errors import real_number
from affectml_metrics._inputs import ArrayLike, columns_of, row_weights
from affectml_metrics._jackknife import group_index
from affectml_metrics.intervals import FEW, student_quantile


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
    def units(self) -> Tensor:
        """How many people or images it rests on, whichever are fewer."""
        return torch.minimum(self.people, self.images)

    @property
    def few(self) -> Tensor:
        """Whether it rests on so few people or images that it deserves a note."""
        return self.units < FEW


class TwoWayVariances(NamedTuple):
    """How far people, images and single answers differ. Each field is 0-dim for values [A] and [M] for values [A, M].

    An answer is mean + person + image + rest; these are the variances of the three, each without bias, so that one of
    almost 0 may be estimated below 0.
    """

    value: Tensor
    """Mean over answers."""
    people: Tensor
    images: Tensor
    cells: Tensor
    """What is neither the person's nor the image's: how a person takes this image, and chance. Where each person
    answered once, or each image was judged once, with the variance of people, or of images, which is then nan."""
    rows: Tensor
    """How many answers they rest on."""
    skipped: Tensor
    """How many answers were nan (not defined) and left out."""
    effective_people: Tensor
    """1 / the sum of people's squared shares of the answers: how many people where all answered equally often."""
    effective_images: Tensor

    def expected(
        self, people: ArrayLike | int, images: ArrayLike | int, answers: ArrayLike | int
    ) -> tuple[Tensor, Tensor]:
        """`error` and `freedom` to expect of `two_way_interval` in a study of so many people, images and answers.

        people, images, answers: numbers that broadcast with the variances; all people answer equally often, each image
        has equally many answers, and no person answers an image twice. Variances below 0 count as 0. With one person
        or one image both are nan.
        Source: Searle, Casella & McCulloch 1992, variance of a mean; Satterthwaite 1946.

        >>> two_way_variances([0.0, 2.0, 4.0, 7.0], [1, 1, 2, 2], [1, 2, 1, 2]).expected(20, 100, 500)[0]
        tensor(0.7284, dtype=torch.float64)
        """
        design = (torch.as_tensor(n, dtype=torch.float64) for n in (people, images, answers))
        both = torch.stack(torch.broadcast_tensors(*design, *self[1:4]))  # type: ignore[no-untyped-call]
        sizes, parts = both[:3], both[3:].clamp(min=0) / both[:3]
        squares = _even_squares(parts, sizes)
        spread = squares.square() / (sizes - 1)
        variance = parts.sum(0)
        free = variance.square() / (spread[0] + spread[1] - spread[2]).clamp(min=0)
        free = torch.where(variance > 0, torch.minimum(free.clamp(min=1), sizes[2] - 1), sizes[2] - 1)
        known = (sizes[:2] > 1).all(0)
        return variance.sqrt().where(known, torch.nan), free.where(known, torch.nan)


def _even_squares(parts: Tensor, sizes: Tensor) -> Tensor:
    """Expected squared sums by person, image and cell, as if each were all that differs, where all answer evenly [3].

    parts: [3, ...], what people, images and cells make of the mean's variance. sizes: how many of each there are.
    """
    share = 1 / sizes
    held = (share[2] - share[:, None] * share) / share  # row: which sums; column: of which part
    held[range(3), range(3)] = 1 - share
    return torch.einsum("ij...,j...->i...", held, parts) / (1 - share)


def two_way_variances(values: ArrayLike, people: ArrayLike, images: ArrayLike) -> TwoWayVariances:
    """Variances of people, of images and of cells in answers, each of one person about one image; nothing is drawn.

    values: [A] or [A, M], a row for each answer and a column for each metric; a nan is left out of its column and
    counted. people, images: [A] ids, as `two_way_interval` takes them. Several answers of one person about one image
    count as answers, and make the cell's variance one of their mean.

    A variance that the design cannot tell is nan: that of images where each image was judged once, that of people where
    each person answered once (then `cells` is the variance within images), and both where there is one person or one
    image. Equal values have variances of 0; with an infinite value all are nan.
    In a table where everybody answered every image they are those of its mean squares (analysis of variance).
    Source: Searle, Casella & McCulloch 1992, expected squared sums in unbalanced tables. Raises MetricInputError.

    >>> found = two_way_variances([0.0, 2.0, 4.0, 7.0], ["ann", "ann", "bob", "bob"], ["a", "b", "a", "b"])
    >>> [round(float(x), 3) for x in found[:4]]
    [3.25, 10.0, 3.0, 0.25]
    """
    return TwoWayVariances(*_by_column(values, people, images, None, _variances))


def two_way_interval(
    values: ArrayLike, people: ArrayLike, images: ArrayLike, *, weights: ArrayLike | None = None, level: float = 0.95
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
    return TwoWayInterval(*_by_column(values, people, images, weights, partial(_interval, level=level)))


def _by_column(
    values: ArrayLike, people: ArrayLike, images: ArrayLike, weights: ArrayLike | None, of: "_Fields"
) -> list[Tensor]:
    """The fields that `of` finds of each column; 0-dim where values are [A]."""
    table, flat = columns_of(values, "values", "A")
    answers = _Answers.of(people, images, len(table))
    checked = row_weights(weights, table)
    weight = table.new_ones(len(table)) if checked is None else checked
    columns, last = [], None
    for column in table.unbind(1) if table.shape[1] else [table.new_zeros(len(table))]:
        counted = ~column.isnan()
        if last is None or not torch.equal(counted, last[0]):  # most columns count the same answers
            last = counted, _Design.of(answers, weight * counted)
        columns.append(of(column, answers, last[1]))
    fields = (torch.stack(field)[: table.shape[1]] for field in zip(*columns, strict=True))
    return [field[0] if flat else field for field in fields]


@dataclass(frozen=True)
class _Answers:
    """Where each answer belongs: [A] numbers of its person, image and cell, and those of each cell."""

    person: Tensor
    image: Tensor
    cell: Tensor | None  # None: each answer is a cell of its own
    cell_person: Tensor
    cell_image: Tensor

    @classmethod
    def of(cls, people: ArrayLike, images: ArrayLike, n: int) -> "_Answers":
        person, _ = group_index(people, n, "people")
        image, count = group_index(images, n, "images")
        code = (person * count + image).numpy()
        ordered = np.sort(code)
        if not (ordered[1:] == ordered[:-1]).any():
            return cls(person, image, None, person, image)
        codes, cell = (torch.from_numpy(x) for x in np.unique(code, return_inverse=True))
        return cls(person, image, cell, codes // count, codes % count)

    def sums(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of x [A] by person, by image and by cell."""
        cells = x if self.cell is None else self.cell.bincount(x)
        return self.person.bincount(x), self.image.bincount(x), cells


@dataclass(frozen=True)
class _Design:
    """What the answers that count say of a variance before any value is seen.

    share: [A], sums to 1. squares: [3], of the shares of people, images and cells. held: [3, 3], how much of the
    squared sums by person, image and cell each part of the mean's variance (people, images, rest) makes, on average.
    solved: [3, 3], its inverse. freedom: [3], of the squared sums. known: whether the answers can tell how far people
    and images differ.
    """

    share: Tensor
    squares: Tensor
    held: Tensor
    solved: Tensor
    freedom: Tensor
    known: bool
    people: int
    images: int

    @classmethod
    def of(cls, answers: _Answers, weight: Tensor) -> "_Design":
        share = weight / weight.sum()
        if not bool(share.sum() > 0):
            none = torch.full((3, 3), torch.nan, dtype=torch.float64)
            return cls(share, none[0], none, none, none[0], False, 0, 0)
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
        return cls(share, squares, held, solved, freedom, known, *(int((unit > 0).sum()) for unit in units[:2]))


_Fields: TypeAlias = Callable[[Tensor, _Answers, _Design], list[Tensor]]  # of one column


def _freedom(share: Tensor) -> Tensor:
    """Degrees of freedom of a variance between units that make these shares of the mean; n - 1 where all are equal.

    Source: Bell & McCaffrey 2002: for the matrix B of the quadratic form, trace(B)**2 / trace(B @ B).
    """
    p2, p3, p4, p5 = (share.pow(k).sum() for k in (2, 3, 4, 5))
    trace = p2 - 2 * p3 + p2**2
    return trace**2 / (p4 - 4 * p5 + 4 * p2 * p4 + p2**4 + 2 * p3**2 - 4 * p2**2 * p3)


def _interval(column: Tensor, answers: _Answers, design: _Design, *, level: float) -> list[Tensor]:
    """The fields of TwoWayInterval for one column [A]."""
    value, squares, unit = _squares(column, answers, design)
    sizes = [*_rows(column), torch.tensor(design.people), torch.tensor(design.images)]
    if squares is None or not design.known:
        nan = value.new_tensor(torch.nan)
        return [value, nan, nan, nan, nan, *sizes]
    variance, freedom = _variance(squares, design)
    error = variance.sqrt() * unit
    half = student_quantile(0.5 + level / 2, float(freedom)) * error
    return [value, value - half, value + half, error, freedom, *sizes]


_TOLD = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 1.0), (0.0, 1.0, 1.0), (1.0, 1.0, 1.0))


def _variances(column: Tensor, answers: _Answers, design: _Design) -> list[Tensor]:
    """The fields of TwoWayVariances for one column [A]."""
    value, squares, unit = _squares(column, answers, design)
    variances = torch.full((3,), torch.nan, dtype=torch.float64)
    if squares is not None:
        wanted = torch.tensor(_TOLD, dtype=torch.float64) @ design.solved
        known = (wanted @ design.held - torch.tensor(_TOLD)).abs().amax(1) < 1e-6
        variances = torch.where(known, wanted @ squares / design.squares[[0, 1, 2, 2, 2, 2]], torch.nan) * unit**2
        first = known[2:].nonzero()[:1, 0]  # of cells alone, or with what cannot be told from them
        variances = torch.cat([variances[:2], variances[2:][first] if len(first) else variances[2:3]])
    return [value, *variances, *_rows(column), *1 / design.squares[:2]]


def _rows(column: Tensor) -> tuple[Tensor, Tensor]:
    skipped = column.isnan().sum()
    return len(column) - skipped, skipped


def _squares(column: Tensor, answers: _Answers, design: _Design) -> tuple[Tensor, Tensor | None, Tensor]:
    """Mean of one column [A], squared sums of its residuals [3], None where there are none, and their unit."""
    nan, one = torch.tensor([torch.nan, 1.0], dtype=torch.float64)
    weighed = design.share > 0
    if not bool(weighed.any()):
        return nan, None, one
    first = column[weighed.nonzero()[0, 0]]
    if bool((column.isinf() & weighed).any()):
        return design.share.dot(column.masked_fill(~weighed, 0.0)), None, one
    moved = torch.where(weighed, column - first, 0.0)  # so that equal values leave a spread of exactly 0
    above = design.share.dot(moved)
    residuals = moved - above
    largest = residuals.abs().amax()
    unit = torch.where(largest > 0, largest, one)  # so that squares neither overflow nor vanish
    squares = torch.stack([sums.square().sum() for sums in answers.sums(design.share * (residuals / unit))])
    return first + above, squares, unit


def _variance(squares: Tensor, design: _Design) -> tuple[Tensor, Tensor]:
    """Variance of the mean and its degrees of freedom from squared sums of residuals [3]."""
    held = design.held
    most = torch.where(held > 1e-12, squares[:, None] / held, torch.inf).amin(0)  # what one part alone could be
    people, images = torch.minimum((design.solved @ squares).clamp(min=0), most)[:2]
    rest = ((squares[2] - held[2, 0] * people - held[2, 1] * images) / held[2, 2]).clamp(min=0)
    variance = people + images + rest
    one_way = squares / held.diagonal()  # the mean's variance if people, images or cells were all that differs
    spread = one_way.square() / design.freedom
    free = variance.square() / (spread[0] + spread[1] - spread[2]).clamp(min=0)
    top = design.freedom[2]
    return variance, torch.where(variance > 0, free.clamp(max=float(top)).clamp(min=1), top)
