"""What differs by more than chance: systems on the same images, ways of training over seeds, labels, and levels."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from statistics import fmean, stdev
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.judging.figures import KEYS, Figure, Rows, named
from affectml.judging.scoring import apart_within
from affectml_metrics import paired_difference
from affectml_metrics.intervals import with_skew, without_skew
from affectml_metrics.table import better, shown

Array: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
ByImage = Mapping[tuple[str, str], Mapping[str, Tensor]]  # (system, against) -> metric -> [N]
SPREAD = "seeds"  # the `by` of differences over seeds
AGREEMENT = "agreement"  # the `by` of how alike two systems answer
LEVEL = 0.05
LEAST = 5  # units on either side; with fewer there is no test
MANY = 1_000  # units on both sides, from which on permuting them says what Student's t says, and takes minutes
_ENOUGH = 20  # random memberships as far apart as the real one, after which a p value is known well enough
_AT_ONCE = 256


def differences(
    scores: ByImage, pairs: Iterable[tuple[str, str]], groups: NDArray[Any] | None, **key: Any
) -> list[Figure]:
    """The first system less the second, on the same images, in each metric that both have and that has a direction.

    The second may be `person`: then both are set beside the rest of each panel; or `consensus`: beside each person. P
    values are corrected in two families, all pairs in the main metrics and all pairs in the others: so a sentence about
    either of them is false by chance in at most 5 % of pages, however many metrics it names.

    Args:
        scores: image by image.
        pairs: whom to compare.
        groups: [N], whom the intervals keep together.
        key: what all figures share.
    """
    found = Rows(**key)
    for one, other in pairs:
        beside = {"person": "rest", "consensus": "person"}.get(other, "people")
        mine, theirs = dict(scores.get((one, beside), {})), scores.get((other, beside), {})
        if beside == "person":  # which is against each person's own answer whatever it stands beside
            mine |= {m: found for m, found in scores.get((one, "people"), {}).items() if m == "set_f1_judgements"}
        for name in (name for name in mine if name in theirs and better(name)):
            apart = paired_difference(mine[name], theirs[name], groups=groups, bounds=[apart_within(name)])
            found.add(name, apart, system=one, against=other)
    return in_families(found.rows)


def in_families(figures: Sequence[Figure]) -> list[Figure]:
    """Differences of pairs of systems corrected in the two families of `differences`."""
    main = set(shown(dict.fromkeys(each.name for each in figures), "headline"))
    return corrected(figures, [each.name in main for each in figures])


def corrected(figures: Sequence[Figure], main: Sequence[bool] | None = None) -> list[Figure]:
    """The same with p values corrected (Holm 1979): all together, or what is main apart from what is not.

    A figure without a p value has none afterwards, and the others are corrected without it.
    """
    out = list(figures)
    inside = [True] * len(out) if main is None else main
    for family in (True, False):
        tested = {i: p for i, each in enumerate(out) if inside[i] == family and (p := each.p) is not None}
        for i, p in zip(tested, holm([*tested.values()]).tolist(), strict=True):
            out[i] = replace(out[i], p_holm=p)
    return out


def stored(scores: pd.DataFrame) -> tuple[ByImage, list[str], NDArray[Any] | None]:
    """scores.parquet of one data set, target and space: scores of the images that all systems have, their ids, groups.

    Groups are None where no image has one.
    """
    by = {place: rows.set_index("image_id") for place, rows in scores.groupby(["system", "against"], sort=False)}
    ids = None
    for (_, against), rows in by.items():
        if against == "people":
            ids = rows.index if ids is None else ids[ids.isin(rows.index)]
    assert ids is not None
    found: dict[tuple[str, str], dict[str, Tensor]] = {}
    for (system, against), rows in by.items():
        here = rows.reindex(ids)
        names = [name for name in here if name not in (*KEYS, "group") and here[name].notna().any()]
        found[str(system), str(against)] = {
            named(metric, int(k) if k else None): torch.tensor(here[name].to_numpy(np.float64))
            for name in names
            for metric, _, k in [str(name).partition("@")]
        }
    first = next(iter(by.values())).reindex(ids)["group"]
    groups = None if first.isna().all() else first.fillna(pd.Series(ids, index=ids)).to_numpy(dtype=object)
    return found, list(map(str, ids)), groups


def over_seeds(ways: Mapping[str, Mapping[int, Mapping[str, float]]], metrics: Sequence[str]) -> list[Figure]:
    """Each way of training over its seeds, and each pair of them: rows `by` seeds.

    With the same seeds on both sides, which then split and draw alike, Student's t of the differences seed by seed;
    else Welch's (1947) t of the two means. Without a spread (a single seed on a side) there is no interval.

    ways: {NAME: {SEED: {METRIC: value}}}.
    """
    from affectml_metrics import student_interval

    rows, apart = Rows(by=SPREAD), Rows(by=SPREAD)
    for metric in metrics:
        known = {name: {seed: found[metric] for seed, found in way.items() if metric in found}
                 for name, way in ways.items()}  # fmt: skip
        for name, values in known.items():
            if len(values) > 1:
                rows.add(metric, student_interval(np.array(list(values.values()))), system=name, n=len(values))
            elif values:
                rows.add(metric, next(iter(values.values())), system=name, n=1)
        for one, other in combinations(known, 2):
            if known[one] and known[other]:
                apart.rows.append(_gap(metric, (one, other), known[one], known[other]))
    return [*rows.rows, *corrected(apart.rows)]


def _gap(metric: str, names: tuple[str, str], one: Mapping[int, float], two: Mapping[int, float]) -> Figure:
    """The difference of two ways' means, with an interval where both have several seeds."""
    from scipy.special import stdtr, stdtrit

    from affectml.judging.figures import parsed

    value, (name, k) = fmean(one.values()) - fmean(two.values()), parsed(metric)
    paired, n = one.keys() == two.keys(), min(len(one), len(two))
    known: dict[str, Any] = {}
    if n > 1:
        if paired:
            error, free = _error([one[seed] - two[seed] for seed in one]), len(one) - 1.0
        else:
            first, second = (_error(list(each.values())) ** 2 for each in (one, two))
            error = math.sqrt(first + second)
            both = first**2 / (len(one) - 1) + second**2 / (len(two) - 1)
            free = (first + second) ** 2 / both if both else 1.0
        half = float(stdtrit(free, 0.975)) * error
        p = 2 * float(stdtr(free, -abs(value) / error)) if error > 0 else float(value == 0)
        known = {"low": value - half, "high": value + half, "p": p}
    level = "seed by seed" if paired else "two means"
    return Figure(
        by=SPREAD, level=level, system=names[0], against=names[1], metric=name, k=k, value=value, n=n, **known
    )


def _error(values: Sequence[float]) -> float:
    """The standard error of a mean."""
    return stdev(values) / math.sqrt(len(values))


def agreement(scores: Mapping[str, pd.DataFrame], **key: str) -> list[Figure]:
    """How alike each two systems answer, given scores [N, C] in the same labels: rows `by` agreement.

    same_first_label: on which share of the images; total_variation: the mean of `distances`.
    """
    rows, firsts = Rows(**key, by=AGREEMENT), {n: each.to_numpy().argmax(axis=1) for n, each in scores.items()}
    for (one, other), apart in distances(scores).items():
        place = {"system": one, "against": other, "n": len(apart)}
        rows.add("same_first_label", float((firsts[one] == firsts[other]).mean()), **place)
        rows.add("total_variation", float(apart.mean()), **place)
    return rows.rows


def distances(scores: Mapping[str, pd.DataFrame]) -> dict[tuple[str, str], NDArray[np.float32]]:
    """How far each two systems are apart on each image: total variation between their scores, normalised, [N].

    0 alike and 1 disjoint; scores without any mass are even.
    """
    shares = {}
    for name, table in scores.items():
        given = np.clip(table.to_numpy(np.float32), 0, None)
        whole = given.sum(axis=1, keepdims=True)
        shares[name] = np.divide(given, whole, out=np.full_like(given, 1 / given.shape[1]), where=whole > 0)
    return {(a, b): np.abs(shares[a] - shares[b]).sum(axis=1) / 2 for a, b in combinations(shares, 2)}


def label_bias(
    system: Floats, people: Floats, labels: Sequence[str], groups: Array | None, /, **key: Any
) -> list[Figure]:
    """How much more often a system names each label than people do: a figure label_bias a label, less than 0 for rarer.

    The interval is the adjusted Wald interval for paired proportions (Bonett & Price 2012): one image more on which the
    system alone names the label, and one on which people alone do. It holds for labels that hardly anyone names, where
    resampling images would find a difference in no answer at all. p is of no difference, p_holm the same corrected for
    the number of labels (Holm 1979).

    Args:
        system, people: how often each names each label, [N, C] in 0..1.
        labels: C names.
        groups: [N]; groups of images count as one unit each. None where each image is one.
        key: what all figures share.
    """
    from scipy.special import stdtr, stdtrit  # scipy.stats takes half a second to load

    d = np.asarray(system, dtype=np.float64) - people
    unit = np.arange(len(d)) if groups is None else groups
    sums, sizes = summed(d, unit), summed(np.ones((len(d), 1)), unit)
    units = len(sums)
    middle = d.sum(axis=0) / (len(d) + 2)
    squares = ((sums - sizes * middle) ** 2).sum(axis=0) + (1 - middle) ** 2 + (1 + middle) ** 2
    error = np.sqrt(squares) / (len(d) + 2)
    half = stdtrit(units + 1, 1 - LEVEL / 2) * error
    p = 2 * stdtr(units + 1, -np.abs(middle) / error)
    shared = {"metric": "label_bias", "n": len(d), "units": units, **key}
    found = (d.mean(axis=0), np.maximum(middle - half, -1), np.minimum(middle + half, 1), p, holm(p))
    return [
        Figure(label=label, value=value, low=low, high=high, p=of_one, p_holm=of_all, **shared)
        for label, value, low, high, of_one, of_all in zip(labels, *(each.tolist() for each in found), strict=True)
    ]


def bias_in_words(bias: Figure, people: float, what: str) -> str:
    """The finding as a sentence; people: how often they name the label; what: naming it, or naming it first."""
    more, often = "more" if bias.value > 0 else "less", people + bias.value
    never = "never" if often < 1e-9 else f"on {often:.1%} of the images"
    return (
        f"{bias.system} {what} {bias.label} {more} often than people: {never}, people {people:.1%} "
        f"(difference {bias.value:+.1%}, {bias.ends[0]:+.1%} to {bias.ends[1]:+.1%})"
    )


def holm(p: Sequence[float] | Floats) -> Floats:
    """P values of several tests, each corrected so that the chance of any false finding is kept (Holm 1979).

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    steps = given[order] * np.arange(len(given), 0, -1)
    out = np.empty_like(given)
    out[order] = np.maximum.accumulate(np.minimum(steps, 1.0))
    return out


def firsts(scores: Floats) -> Floats:
    """The first label of each row as 1, shared among those that tie; a row of zeros names none."""
    best = (scores == scores.max(axis=1, keepdims=True)) & (scores > 0)
    return np.asarray(best / np.maximum(best.sum(axis=1, keepdims=True), 1))


@np.errstate(divide="ignore", invalid="ignore")
def contrasts(
    rows: Floats,
    level: Ints,
    groups: Array | None,
    *,
    seed: int,
    tests: int,
    sizes: Floats | None = None,
    step: Floats | None = None,
) -> Floats:
    """Each level's mean less the mean of the rest, its 95 % interval and the p value of a permutation test.

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
        seed: of the permutations.
        tests: how many tests are corrected together, which says how small a p value must be able to get.
        sizes: [N, M], how many values each row is the sum of; None where each is one value.
        step: [M], what one answer more would change in a row, 0 for columns that are no differences of shares. Either
            side gets one unit of +step and one of -step, counted from the mean of all, as in Bonett & Price 2012: where
            hardly anybody names a label, few units say nothing of its spread. None is 0 throughout.

    Returns:
        value, low, high and p, [4, L, M]: a row for each level up to the largest there is; p, how often chance alone
        sets them as far apart, is nan where there is no test.
    """
    kept, width = level >= 0, rows.shape[1]
    parts = (None if each is None else each[kept] for each in (groups, sizes))
    codes, columns = _units(rows[kept], level[kept], *parts)
    total, levels = columns.sum(axis=0), int(level.max(initial=-1)) + 1
    # what is added to the sums s, m, s², s·m, m² and number of units on either side
    size = np.zeros(width) if step is None else step
    two, many = 2.0 * (size > 0), total[width : 2 * width] / max(len(codes), 1)
    extra = np.concatenate([0 * size, two * many, two * (size * many) ** 2, 0 * size, two * many**2, two])
    apart = partial(_difference, total=total, extra=extra)
    found, units = np.full((4, levels, width), np.nan), np.bincount(codes, minlength=levels)
    side = np.minimum(units, len(codes) - units)
    tested = np.flatnonzero(side >= LEAST).tolist()
    pairs = tested[:1] if levels == 2 else tested  # of two levels, either both are tested or none
    bars: dict[int, Floats] = {}
    for k in range(levels):
        value, error, freedom = (each[0] for each in apart((codes == k)[None].astype(np.float64) @ columns))
        ratio = _ratio(value, error)
        least, down, up = _students(freedom, ratio, _skew(columns[:, : 2 * width], codes == k, error))
        found[:, k] = value, value - down * error, value + up * error, least if k in pairs else np.nan * least
        if k in pairs and side[k] < MANY:
            bars[k] = np.abs(ratio) * (1 - 1e-9)
    for k, p in _permuted(codes, columns, apart, bars, np.random.default_rng(seed), tests).items():
        found[3, k] = np.maximum(p, found[3, k])
    if levels == 2 and tested:
        found[3] = found[3, 0]
    return found


def _units(rows: Floats, level: Ints, groups: Array | None, sizes: Floats | None) -> tuple[Ints, Floats]:
    """The level of each unit [U], and what it adds to the sums [U, 6M]: s, m, s², s·m, m², and whether it has any.

    s: its sum, less the column's mean; m: how many values.
    """
    have = ~np.isnan(rows)
    m = have.astype(np.float64) if sizes is None else np.where(have, sizes, 0.0)
    s = np.where(have, rows, 0.0)
    s = s - m * (s.sum(axis=0) / np.maximum(m.sum(axis=0), 1))
    codes = level
    if groups is not None:
        names, count = np.unique(groups, return_inverse=True)[1], level.max(initial=0) + 1
        cells = names * count + level
        codes = np.unique(cells) % count
        s, m = (summed(each, cells) for each in (s, m))
    return codes, np.concatenate([s, m, s * s, s * m, m * m, (m > 0).astype(np.float64)], axis=1)


def summed(values: Floats, groups: Array) -> Floats:
    """The sums of the rows [N, M] of each group, [U, M]; groups: [N], and the sums stand in their sorted order."""
    names, at = np.unique(groups, return_inverse=True)
    out = np.zeros((len(names), values.shape[1]))
    np.add.at(out, at, values)
    return out


def _difference(inside: Floats, total: Floats, extra: Floats) -> tuple[Floats, Floats, Floats]:
    """Difference of means [B, M], its standard error and degrees of freedom, from sums over one side [B, 6M]."""
    (mean, variance, k), (other, others, rest) = _side(inside + extra), _side(total - inside + extra)
    both = variance + others
    freedom = both**2 / (variance**2 / (k - 1) + others**2 / (rest - 1))
    return mean - other, np.sqrt(both), freedom


def _side(sums: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, variance of the mean, and number of units of one side."""
    s, m, ss, sm, mm, k = np.split(sums, 6, axis=1)
    mean = s / m
    spread = np.maximum(ss - 2 * mean * sm + mean**2 * mm, 0.0)
    return mean, spread / m**2 * k / (k - 1), k


def _ratio(value: Floats, error: Floats) -> Floats:
    """The difference in standard errors: 0 for none at all, infinite where nothing varies, nan where it is unknown."""
    return np.where(np.abs(value) < 1e-12, 0.0, value / error)


def _skew(sums: Floats, inside: NDArray[np.bool_], error: Floats) -> Floats:
    """Third cumulant of a difference of means over the cube of its error [M], from units' sums and sizes [U, 2M]."""
    third = []
    for side in (inside, ~inside):
        s, m = np.split(sums[side], 2, axis=1)
        k = np.maximum((m > 0).sum(axis=0), LEAST)
        rest = s - m * (s.sum(axis=0) / m.sum(axis=0))
        third.append((rest**3).sum(axis=0) * k**2 / ((k - 1) * (k - 2)) / m.sum(axis=0) ** 3)
    return np.asarray(np.nan_to_num((third[0] - third[1]) / error**3, posinf=0.0, neginf=0.0))


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


Apart: TypeAlias = Callable[[Floats], tuple[Floats, Floats, Floats]]


def _permuted(
    codes: Ints, columns: Floats, apart: Apart, bars: dict[int, Floats], generator: np.random.Generator, tests: int
) -> dict[int, Floats]:
    """The p values of each level: share of permutations, the real one among them, whose ratio is as large."""
    most, drawn = int(np.clip(100 * tests, 1_999, 49_999)), 0
    counts = {k: np.zeros(len(bar)) for k, bar in bars.items()}
    p = {k: np.where(np.isnan(bar), np.nan, -1.0) for k, bar in bars.items()}  # -1: not known yet
    while drawn < most and (open_ := [k for k in p if (p[k] == -1).any()]):
        size = min(_AT_ONCE, most - drawn)
        membership = generator.permuted(np.broadcast_to(codes, (size, len(codes))), axis=1)
        drawn += size
        for k in open_:
            value, error, _ = apart((membership == k).astype(np.float64) @ columns)
            # what is not defined under a permutation counts as far apart, which accuses nobody
            counts[k] += (~(np.abs(_ratio(value, error)) < bars[k])).sum(axis=0)
            share = (counts[k] + 1) / (drawn + 1)
            p[k] = np.where((p[k] == -1) & ((counts[k] >= _ENOUGH) | (drawn == most)), share, p[k])
    return p
