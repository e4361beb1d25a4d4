"""From a published mean and SD of ratings back to the shares of each point of the scale."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from affectml.errors import BadInput
from affectml.importers.read import first_row

Floats = NDArray[np.float64]

MOMENT_TOLERANCE = 1e-6  # on the mean and the SD of every row, in scale points
_EDGE = 1e-9  # closer than this to the edge of what is possible, only two points are left


def sd_bounds(mean: Floats, points: int = 7) -> tuple[Floats, Floats]:
    """The smallest and the largest SD that whole answers 1 to `points` with a mean [N] can have, each [N].

    Smallest: everybody on the two points around the mean. Largest: everybody on the two ends (Bhatia &
    Davis 2000).
    """
    part = mean - np.floor(mean)
    return np.sqrt(part * (1 - part)), np.sqrt(np.maximum((mean - 1) * (points - mean), 0))


def maximum_entropy_shares(mean: Floats, sd: Floats, points: int = 7, where: Sequence[str] | None = None) -> Floats:
    """The distribution on 1 to `points` of largest entropy that has this mean and SD, per row.

    Its form is exp(ax + bx^2) (Jaynes 1957): a discretised bell for b < 0, flat for b = 0, U-shaped for b > 0, where
    the SD asks for it. Where mean and SD leave no freedom (an SD at its bound) it is the one distribution on two
    points, or on one. The moments are checked to 1e-6.

    Args:
        mean: [N], in scale points.
        sd: [N], in scale points.
        points: of the scale.
        where: what error messages call each row.

    Returns:
        [N, points], rows sum to 1.

    Raises:
        BadInput: for a pair that no answers on the scale can have.

    >>> maximum_entropy_shares(np.array([4.0]), np.array([2.0])).round(4).tolist()
    [[0.1429, 0.1429, 0.1429, 0.1429, 0.1429, 0.1429, 0.1429]]
    """
    mean, sd = np.asarray(mean, dtype=np.float64), np.asarray(sd, dtype=np.float64)
    where = where or [f"row {row}" for row in range(len(mean))]
    _check_possible(mean, sd, points, where)
    middle, half = (points + 1) / 2, (points - 1) / 2
    x = np.linspace(-1.0, 1.0, points)
    statistics = np.stack([x, x * x], axis=1)
    first = (mean - middle) / half
    wanted = np.stack([first, (sd / half) ** 2 + first**2], axis=1)

    shares = np.empty((len(mean), points))
    low, high = sd_bounds(mean, points)
    at_low, at_high = sd**2 - low**2 < _EDGE, high**2 - sd**2 < _EDGE
    inside = ~at_low & ~at_high
    ends = np.ones(int(at_high.sum()))
    shares[at_high] = _two_points(mean[at_high], ends, ends * points, points)
    floor = np.minimum(np.floor(mean[at_low]), points - 1)
    shares[at_low] = _two_points(mean[at_low], floor, floor + 1, points)
    shares[inside] = _solve(wanted[inside], statistics)
    _verify(shares, mean, sd, where)
    return shares


def _check_possible(mean: Floats, sd: Floats, points: int, where: Sequence[str]) -> None:
    if (row := first_row(~((mean >= 1) & (mean <= points)))) is not None:
        raise BadInput(f"{where[row]}: a mean of {mean[row]:g} is not on the scale from 1 to {points}")
    low, high = sd_bounds(mean, points)
    if (row := first_row(~((sd >= low - MOMENT_TOLERANCE) & (sd <= high + MOMENT_TOLERANCE)))) is not None:
        raise BadInput(
            f"{where[row]}: no whole answers from 1 to {points} have mean {mean[row]:g} and SD {sd[row]:g} "
            f"(with this mean the SD lies between {low[row]:.3f} and {high[row]:.3f}); mend the row or take it out"
        )


def _two_points(mean: Floats, left: Floats, right: Floats, points: int) -> Floats:
    """All mass on two points of the scale, so that the mean is met; [N, points]."""
    shares = np.zeros((len(mean), points))
    rows = np.arange(len(mean))
    upper = (mean - left) / (right - left)
    shares[rows, left.astype(int) - 1] = 1 - upper
    shares[rows, right.astype(int) - 1] += upper
    return shares


def _solve(wanted: Floats, statistics: Floats) -> Floats:
    """Newton on the convex dual log Z(theta) - theta . wanted, all rows at once; overshooting steps halve.

    The Hessian is the covariance of (x, x^2), so a tiny ridge is enough to keep rows near the edge solvable.
    """
    theta = np.zeros_like(wanted)

    def dual(at: Floats) -> tuple[Floats, Floats]:
        energy = at @ statistics.T
        top = energy.max(axis=1, keepdims=True)
        weights = np.exp(energy - top)
        total = weights.sum(axis=1, keepdims=True)
        value = (np.log(total) + top)[:, 0] - (at * wanted).sum(axis=1)
        return value, weights / total

    value, shares = dual(theta)
    for _ in range(200):
        gradient = shares @ statistics - wanted
        if np.abs(gradient).max(initial=0.0) < 1e-13:
            break
        mean = shares @ statistics
        second = np.einsum("nk,ki,kj->nij", shares, statistics, statistics)
        hessian = second - mean[:, :, None] * mean[:, None, :] + 1e-15 * np.eye(2)
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        scale = np.ones(len(theta))
        for _ in range(60):
            fresh, _ = dual(theta - scale[:, None] * step)
            overshoot = ~(fresh <= value + 1e-14 * np.abs(value))
            if not overshoot.any():
                break
            scale[overshoot] /= 2
        scale[overshoot] = 0.0
        theta = theta - scale[:, None] * step
        value, shares = dual(theta)
    return shares


def _verify(shares: Floats, mean: Floats, sd: Floats, where: Sequence[str]) -> None:
    scale = np.arange(1, shares.shape[1] + 1, dtype=np.float64)
    found = shares @ scale
    spread = np.sqrt(np.maximum(((scale - found[:, None]) ** 2 * shares).sum(axis=1), 0))
    # Near an SD of nothing, the SD's own rounding is the square root of the variance's.
    off = (np.abs(found - mean) > MOMENT_TOLERANCE) | (
        (np.abs(spread - sd) > MOMENT_TOLERANCE) & (np.abs(spread**2 - sd**2) > _EDGE * 2)
    )
    if (row := first_row(off)) is not None:
        raise BadInput(
            f"{where[row]}: found no distribution with mean "
            f"{mean[row]!r} and SD {sd[row]!r} (reached {found[row]!r} and {spread[row]!r})"
        )
