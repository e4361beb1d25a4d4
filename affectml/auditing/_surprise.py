"""How surprising an outcome is beside what the same chances give without any error: a mid-p-value of its log loss."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]
STEPS = 512  # of the grid on which a row's log losses are added
ROWS = 64  # of one block, which a processor's own memory holds
UPPER = 0.8  # the quantile of scores by which their spread is compared with chance


def surprise(chances: NDArray[Any], outcome: NDArray[Any], rival: NDArray[Any] | None = None) -> Floats:
    """P(loss > observed) + P(loss = observed) / 2 by row [R], the loss being -log of the chance of what happened.

    A minority answer is no surprise where minorities are expected: the observed loss is compared with the losses of
    answers drawn from the same chances. The V variables of a row are taken as independent; their losses are added on a
    grid of 512 steps, from which the distribution follows exactly. A row whose losses are all equal (chances of one
    half) has .5. Mid-p: Lancaster 1961.

    Args:
        chances: [R, V, K], of each of K outcomes of V variables; 0 for outcomes that a row cannot have.
        outcome: [R, V], which happened; its chance must not be 0.
        rival: [R, V, K], chances if something else were the case; 0 only where `chances` is 0. Then the loss is the log
            of how much likelier the outcome is under it: the most powerful thing to look at (Neyman & Pearson 1933).

    >>> chances = np.array([[[0.9, 0.1]], [[0.9, 0.1]], [[0.5, 0.5]]])
    >>> surprise(chances, np.array([[1], [0], [0]])).round(3).tolist()
    [0.05, 0.55, 0.5]
    """
    found = np.ones(len(chances))
    for start in range(0, len(chances), ROWS):
        here = slice(start, start + ROWS)
        found[here] = _block(chances[here], outcome[here], None if rival is None else rival[here])
    return found


def _block(chances: NDArray[Any], outcome: NDArray[Any], rival: NDArray[Any] | None) -> Floats:
    rows, variables, kinds = chances.shape
    possible = chances > 0
    loss = -np.log(np.where(possible, chances, 1.0))
    if rival is not None:
        loss = loss + np.log(np.where(possible, rival, 1.0))
    least = np.where(possible, loss, np.inf).min(axis=2, keepdims=True)
    above = np.where(possible, loss - least, 0.0)  # what is the same for all outcomes changes no comparison
    widest = above.max(axis=2).sum(axis=1)
    step = np.where(widest > 1e-12, widest / (STEPS - 1 - variables), 1.0)
    steps = np.rint(above / step[:, None, None]).astype(np.int64)
    spread = np.zeros((rows, 2 * STEPS))  # with nothing before its first step, from where steps bring nothing
    spread[:, STEPS] = 1.0
    grid = np.arange(STEPS)
    place = grid + STEPS * (1 + 2 * np.arange(rows))[:, None]
    for variable in range(variables):
        new = np.zeros_like(spread)
        for kind in range(kinds):
            chance = chances[:, variable, kind]
            if chance.any():
                new[:, STEPS:] += chance[:, None] * spread.take(place - steps[:, variable, kind][:, None])
        spread = new
    spread = spread[:, STEPS:]
    seen = np.take_along_axis(steps, outcome[:, :, None], axis=2)[:, :, 0].sum(axis=1)
    more = np.where(grid > seen[:, None], spread, 0.0).sum(axis=1)
    same = np.take_along_axis(spread, seen[:, None], axis=1)[:, 0]
    return np.asarray(np.clip(more + same / 2, 1e-300, 1.0))


def widened(p: Floats) -> tuple[Floats, float]:
    """P values made less sharp where rates are known worse than they claim, and by what factor scores were divided.

    Where the upper fifth of all rows is more surprising than chance allows, it is the expectation that is too sure, not
    every fifth row that is odd: normal scores are divided by their 80 % quantile over the normal's, never by less than
    1 (as genomic control does with the median: Devlin & Roeder 1999).
    """
    if not len(p):
        return p, 1.0
    score = norm.isf(p)
    factor = max(1.0, float(np.quantile(score, UPPER) / norm.ppf(UPPER)))
    return np.asarray(norm.sf(score / factor)), factor


def hypergeometric(one: NDArray[Any], other: NDArray[Any], total: NDArray[Any]) -> Floats:
    """Chances that 0..max of `total` votes fall to the first of two groups of `one` and `other` people.

    What two panels of people who see the same picture in the same way would give; one against one says nothing.
    """
    from scipy.stats import hypergeom

    one, other, total = np.broadcast_arrays(one, other, total)
    k = np.arange(int(one.max(initial=0)) + 1)
    return np.asarray(hypergeom.pmf(k, (one + other)[..., None], total[..., None], one[..., None]))
