"""Whether the units of one level differ from all others by more than chance: the test behind findings on subgroups."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from affectml_metrics.intervals import with_skew, without_skew

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST = 5  # units on either side; with fewer there is no test
MANY = 1_000  # units on both sides, from which on permuting them says what Student's t says, and takes minutes
_ENOUGH = 20  # random memberships as far apart as the real one, after which a p value is known well enough
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Contrasts:
    """Each level against all other rows, in M columns.

    value, low, high, p [L, M]: the level's mean less that of the rest, its 95 % interval, and how often chance alone
    sets them as far apart; p is nan where there is no test. units [L]: how many units of the level.
    """

    value: Floats
    low: Floats
    high: Floats
    p: Floats
    units: Ints


def contrasts(
    rows: Floats,
    level: Ints,
    groups: NDArray[Any] | None,
    generator: np.random.Generator,
    *,
    tests: int,
    sizes: Floats | None = None,
    step: Floats | None = None,
) -> Contrasts:
    """The level's mean less the mean of the rest, with the p value of a permutation test.

    Membership is permuted among units, and what is compared is the difference over its own standard error (Welch's),
    so that a level whose rows merely vary more, or are fewer, is not accused (Janssen 1997; Chung & Romano 2013). Where
    Student's t with Welch's degrees of freedom gives a larger p value, as for few units that vary much, or Hall's t
    (1992), as where only one side has a long tail, that is taken; from 1,000 units on either side these are taken
    alone.

    A unit is a row, or all rows of one group that have one level. Permuting stops where a p value is plainly large
    (Besag & Clifford 1991). No test where a side has fewer than five units. The interval reaches as far as the more
    cautious of the two t.

    Args:
        rows: [N, M]; nan where a column is not defined for a row.
        level: [N], 0 to L - 1; -1 leaves a row out.
        groups: [N], whose rows are not independent; None where each is a unit.
        generator: of the permutations.
        tests: how many tests are corrected together, which says how small a p value must be able to get.
        sizes: [N, M], how many values each row is the sum of; None where each is one value.
        step: [M], what one answer more would change in a row, 0 for columns that are no differences of shares. Either
            side gets one unit of +step and one of -step, counted from the mean of all, as in Bonett & Price 2012: where
            hardly anybody names a label, few units say nothing of its spread. None is 0 throughout.

    Returns:
        A row of results for each level up to the largest there is.
    """
    kept = level >= 0
    levels = int(level.max(initial=-1)) + 1
    codes, columns = _units(rows[kept], level[kept], None if groups is None else groups[kept],
                            None if sizes is None else sizes[kept])  # fmt: skip
    total = columns.sum(axis=0)
    width = rows.shape[1]
    # what is added to the sums s, m, s², s·m, m² and number of units on either side
    size = np.zeros(width) if step is None else step
    two = 2.0 * (size > 0)
    rows_each = total[width : 2 * width] / max(len(codes), 1)
    extra = np.concatenate(
        [0 * size, two * rows_each, two * (size * rows_each) ** 2, 0 * size, two * rows_each**2, two]
    )
    found = np.full((4, levels, width), np.nan)
    units = np.bincount(codes, minlength=levels)
    side = np.minimum(units, len(codes) - units)
    tested = np.flatnonzero(side >= LEAST).tolist()
    bars: dict[int, Floats] = {}
    least: dict[int, Floats] = {}
    for k in range(levels):
        inside = (codes == k)[None].astype(np.float64) @ columns
        value, error, freedom = (each[0] for each in _difference(inside, total, extra))
        ratio = _ratio(value, error)
        skew = _skew(columns[:, : 2 * width], codes == k, error)
        least[k], down, up = _students(freedom, ratio, skew)
        found[:3, k] = value, value - down * error, value + up * error
        bars[k] = np.abs(ratio) * (1 - 1e-9)
    pairs = tested[:1] if levels == 2 else tested  # of two levels, either both are tested or none
    for k in pairs:
        found[3, k] = np.where(np.isnan(bars[k]), np.nan, least[k])
    few = {k: bars[k] for k in pairs if side[k] < MANY}
    for k, p in _permuted(codes, columns, total, extra, few, generator, tests).items():
        found[3, k] = np.maximum(p, least[k])
    if levels == 2 and tested:
        found[3] = found[3, 0]
    return Contrasts(found[0], found[1], found[2], found[3], units)


def _units(rows: Floats, level: Ints, groups: NDArray[Any] | None, sizes: Floats | None) -> tuple[Ints, Floats]:
    """The level of each unit [U], and what it adds to the sums [U, 6M]: s, m, s², s·m, m², and whether it has any.

    s: its sum, less the column's mean; m: how many values.
    """
    have = ~np.isnan(rows)
    m = have.astype(np.float64) if sizes is None else np.where(have, sizes, 0.0)
    s = np.where(have, rows, 0.0)
    s = s - m * (s.sum(axis=0) / np.maximum(m.sum(axis=0), 1))
    codes = level
    if groups is not None:
        names = np.unique(groups, return_inverse=True)[1]
        cells, at = np.unique(names * (level.max(initial=0) + 1) + level, return_inverse=True)
        codes = cells % (level.max(initial=0) + 1)
        s, m = (_summed(each, at, len(cells)) for each in (s, m))
    return codes, np.concatenate([s, m, s * s, s * m, m * m, (m > 0).astype(np.float64)], axis=1)


def _summed(values: Floats, at: Ints, units: int) -> Floats:
    out = np.zeros((units, values.shape[1]))
    np.add.at(out, at, values)
    return out


def _difference(inside: Floats, total: Floats, extra: Floats) -> tuple[Floats, Floats, Floats]:
    """Difference of means [B, M], its standard error and degrees of freedom, from sums over one side [B, 6M]."""
    (mean, variance, k), (other, others, rest) = _side(inside + extra), _side(total - inside + extra)
    both = variance + others
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = both**2 / (variance**2 / (k - 1) + others**2 / (rest - 1))
    return mean - other, np.sqrt(both), freedom


def _side(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, variance of the mean, and number of units of one side."""
    s, m, ss, sm, mm, k = np.split(sums, 6, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = s / m
        spread = np.maximum(ss - 2 * mean * sm + mean**2 * mm, 0.0)
        return mean, spread / m**2 * k / (k - 1), k


def _ratio(value: Floats, error: Floats) -> Floats:
    """The difference in standard errors: 0 for none at all, infinite where nothing varies, nan where it is unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(value) < 1e-12, 0.0, value / error)


def _skew(sums: Floats, inside: NDArray[np.bool_], error: Floats) -> Floats:
    """Third cumulant of a difference of means over the cube of its error [M], from units' sums and sizes [U, 2M]."""
    third = []
    for side in (inside, ~inside):
        s, m = np.split(sums[side], 2, axis=1)
        k = np.maximum((m > 0).sum(axis=0), LEAST)
        with np.errstate(divide="ignore", invalid="ignore"):
            rest = s - m * (s.sum(axis=0) / m.sum(axis=0))
            third.append((rest**3).sum(axis=0) * k**2 / ((k - 1) * (k - 2)) / m.sum(axis=0) ** 3)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.nan_to_num((third[0] - third[1]) / error**3, posinf=0.0, neginf=0.0)
    return np.asarray(found)


def _students(freedom: Floats, ratio: Floats, skew: Floats) -> tuple[Floats, Floats, Floats]:
    """The p value of a ratio, and how far a 95 % interval reaches down and up in standard errors.

    By the more cautious of Welch's t and of it with the skewness taken out (Hall 1992), see `affectml_metrics`.
    """
    from scipy.special import stdtr, stdtrit  # scipy.stats takes half a second to load

    known = np.nan_to_num(freedom, nan=1.0).clip(min=1.0)
    half = torch.from_numpy(np.asarray(stdtrit(known, 0.975)))
    skewed, t = torch.from_numpy(skew), torch.from_numpy(ratio)
    nearest = torch.minimum(t.abs(), with_skew(t, skewed).abs())
    down, up = torch.maximum(half, without_skew(half, skewed)), torch.maximum(half, -without_skew(-half, skewed))
    return np.asarray(2 * stdtr(known, -nearest.numpy())), down.numpy(), up.numpy()


def _permuted(
    codes: Ints,
    columns: Floats,
    total: Floats,
    extra: Floats,
    bars: dict[int, Floats],
    generator: np.random.Generator,
    tests: int,
) -> dict[int, Floats]:
    """The p values of each level: share of permutations, the real one among them, whose ratio is as large."""
    most = int(np.clip(100 * tests, 1_999, 49_999))
    counts = {k: np.zeros(len(bar)) for k, bar in bars.items()}
    p = {k: np.where(np.isnan(bar), np.nan, -1.0) for k, bar in bars.items()}  # -1: not known yet
    drawn = 0
    while drawn < most and any((each == -1).any() for each in p.values()):
        size = min(_AT_ONCE, most - drawn)
        membership = generator.permuted(np.broadcast_to(codes, (size, len(codes))), axis=1)
        drawn += size
        for k, bar in bars.items():
            if not (p[k] == -1).any():
                continue
            value, error, _ = _difference((membership == k).astype(np.float64) @ columns, total, extra)
            # what is not defined under a permutation counts as far apart, which accuses nobody
            counts[k] += (~(np.abs(_ratio(value, error)) < bar)).sum(axis=0)
            share = (counts[k] + 1) / (drawn + 1)
            p[k] = np.where((p[k] == -1) & ((counts[k] >= _ENOUGH) | (drawn == most)), share, p[k])
    return p
