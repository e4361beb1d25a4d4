"""Two systems on the same images: how far apart they are, how sure that is, and whether chance would do as much."""

from typing import NamedTuple

import torch
from torch import Tensor

from affectml_metrics._bootstrap import bootstrap, sums_by_unit
from affectml_metrics._errors import ShapeError
from affectml_metrics._inputs import ArrayLike, as_tensor
from affectml_metrics._intervals import FEW
from affectml_metrics.draws import sums_of_draws


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
    """How many rows or groups are drawn. Below 30, read the interval as rough."""

    @property
    def few(self) -> Tensor:
        """Whether it rests on so few rows or groups that it deserves a note."""
        return self.units < FEW


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    replicates: int = 1000,
    level: float = 0.95,
    generator: torch.Generator,
) -> Difference:
    """Mean of a - b over the rows of two systems on the same images, with an interval and a p value.

    a, b: [N] or [N, M], a function of `affectml_metrics.functional` on either system's predictions; a row on which
    one of them is nan is left out of both and counted. groups, level, generator and the interval as in `bootstrap`.

    The p value tests that both means are equal, by a studentised bootstrap: how far each replicate's mean lies from the
    rows' own, in its own standard errors, is compared with how far theirs lies from 0, on both sides together and on
    each side doubled, and the larger p is given, which skewed differences do not make too small (sign flips, whose null
    is that either system could have had the other's score on each row, call up to one in ten of such pairs different
    at .05). It is at least 1 / (replicates + 1), and nan below 30 rows or groups, where a few large losses would still
    make it too small: read the interval there. A loss so rare that the rows have none of it is seen by no test. nan
    where a row is infinite, or none is defined. Source: Efron 1979; Hall 1992, 3.10; how often it errs is in
    docs/metrics.md. Raises MetricInputError.

    >>> ours, theirs = torch.tensor([0.9, 0.8, 0.7, 0.9] * 10), torch.tensor([0.8, 0.8, 0.6, 0.7] * 10)
    >>> found = paired_difference(ours, theirs, generator=torch.Generator().manual_seed(0))
    >>> [round(float(x), 3) for x in (found.value, found.low, found.high, found.p)]
    [0.1, 0.077, 0.122, 0.001]
    """
    first, second = (as_tensor(x, name).detach().to("cpu", torch.float64) for x, name in ((a, "a"), (b, "b")))
    if first.shape != second.shape:
        raise ShapeError(
            f"a and b: expected rows of the same images and metrics, but received shapes {list(first.shape)} "
            f"and {list(second.shape)}"
        )
    rows = first - second
    interval = bootstrap(rows, groups=groups, replicates=replicates, level=level, generator=generator)
    sums, sizes = (
        sums_by_unit(x if x.ndim == 2 else x[:, None], groups) for x in (rows, (~rows.isnan()).to(torch.float64))
    )
    value, low, high, used, skipped, units = interval
    p = _studentised(sums, sizes, replicates, generator).reshape(value.shape)
    return Difference(value, low, high, p.masked_fill(units < FEW, torch.nan), used, skipped, units)


def _studentised(sums: Tensor, sizes: Tensor, replicates: int, generator: torch.Generator) -> Tensor:
    """P values [M] of means of 0, from sums and numbers of rows by unit [G, M]."""
    total = sizes.sum(0)
    apart = sums.sum(0) / total
    rest = sums - apart * sizes
    error = rest.square().sum(0).sqrt() / total
    tables = [rest, sizes, rest.square(), rest * sizes, sizes.square()]
    found = []
    for residue, drawn, squares, products, squared_sizes in sums_of_draws(tables, replicates, generator):
        moved = residue / drawn
        spread = (squares - 2 * moved * products + moved.square() * squared_sizes).clamp(min=0).sqrt() / drawn
        spread = spread.masked_fill(spread < 1e-6 * error, 0.0)  # all drawn rows are alike, but for rounding
        found.append(torch.where(moved == 0, 0.0, moved / spread))
    t, bar = torch.cat(found), torch.where(apart == 0, 0.0, apart / error)
    near = bar.abs() * (1 - 1e-9)  # the same sum in another order is as far
    far = t.abs() >= near
    side = torch.where(bar >= 0, (t >= near).sum(0), (t <= -near).sum(0))
    p = (torch.maximum(far.sum(0), 2 * side) + 1) / (replicates + 1)
    return torch.where(sums.isfinite().all(0), p.clamp(max=1.0), torch.nan)
