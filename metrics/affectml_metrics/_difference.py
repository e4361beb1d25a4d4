"""Two systems on the same images: how far apart they are, how sure that is, and whether chance would do as much."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from affectml_metrics._errors import ShapeError
from affectml_metrics._inputs import ArrayLike, as_tensor
from affectml_metrics._jackknife import mean_and_p
from affectml_metrics.intervals import FEW, Bounds


class Difference(NamedTuple):
    """Mean of a - b with its interval and p value. Each field is 0-dim for rows [N] and [M] for rows [N, M]."""

    value: Tensor
    low: Tensor
    high: Tensor
    p: Tensor
    """How often chance gives a difference this large, either way, if both means are equal; nan below 30 units."""
    rows: Tensor
    """On how many rows both are defined."""
    skipped: Tensor
    units: Tensor
    """How many rows or groups it rests on. Below 30, read the interval as rough."""

    @property
    def few(self) -> Tensor:
        """Whether it rests on so few rows or groups that it deserves a note."""
        return self.units < FEW


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    bounds: Sequence[Bounds] = (),
) -> Difference:
    """Mean of a - b over the rows of two systems on the same images, with an interval and a p value.

    a, b: [N] or [N, M], a function of `affectml_metrics.functional` on either system's predictions; a row on which
    one of them is nan is left out of both and counted. groups, level, bounds (of a - b) and the interval as in
    `mean_interval`.

    The p value tests that both means are equal. It is of one piece with the interval: p is below .05 exactly where the
    95 % interval leaves out 0. It is nan below 30 rows or groups, where a few large losses would still make it too
    small: read the interval there. A loss so rare that the rows have none of it is seen by no test. nan where a row is
    infinite, or none is defined. How often it errs is in docs/metrics.md. Raises MetricInputError.

    >>> ours, theirs = torch.tensor([0.9, 0.8, 0.7, 0.9] * 10), torch.tensor([0.8, 0.8, 0.6, 0.7] * 10)
    >>> found = paired_difference(ours, theirs)
    >>> [round(float(x), 3) for x in (found.value, found.low, found.high)], bool(found.p < 1e-9)
    ([0.1, 0.077, 0.123], True)
    """
    first, second = (as_tensor(x, name).detach().to("cpu", torch.float64) for x, name in ((a, "a"), (b, "b")))
    if first.shape != second.shape:
        raise ShapeError(
            f"a and b: expected rows of the same images and metrics, but received shapes {list(first.shape)} "
            f"and {list(second.shape)}"
        )
    (value, low, high, *counts), p = mean_and_p(first - second, "a - b", groups, level, bounds)
    return Difference(value, low, high, p, *counts)
