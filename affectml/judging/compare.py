"""What differs by more than chance: systems on the same images, ways of training over seeds, labels, and levels."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from affectml.judging.figures import KEYS, Figure, Rows, of_column
from affectml.judging.scoring import apart_within, bounds_of
from affectml.judging.truth import Array, Floats
from affectml_metrics import Difference, paired_difference
from affectml_metrics.intervals import Bounds, interval_of, limits
from affectml_metrics.table import better, shown

ByImage = Mapping[tuple[str, str], Mapping[str, Tensor]]  # (system, against) -> metric -> [N]
SPREAD = "seeds"  # the `by` of differences over seeds
ALIKE = 1e-9  # values that differ by less are the same but for rounding
LEVEL = 0.05
LEAST = 5  # units on either side; with fewer there is no test


def differences(scores: ByImage, pairs: Iterable[tuple[str, str]], groups: Array | None, **key: Any) -> list[Figure]:
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
    rows = Rows(**key)
    for system, other in pairs:
        beside = {"person": "rest", "consensus": "person"}.get(other, "people")
        mine, theirs = dict(scores.get((system, beside), {})), scores.get((other, beside), {})
        if beside == "person":  # which is against each person's own answer whatever it stands beside
            mine |= {m: values for m, values in scores.get((system, "people"), {}).items() if m == "set_f1_judgements"}
        for name in (name for name in mine if name in theirs and better(name)):
            apart = paired_difference(mine[name], theirs[name], groups=groups, bounds=[apart_within(name)])
            rows.add(name, apart, system=system, against=other)
    return in_families(rows.rows)


def in_families(figures: Sequence[Figure]) -> list[Figure]:
    """Differences of pairs of systems corrected in the two families of `differences`."""
    main = set(shown(dict.fromkeys(figure.name for figure in figures), "headline"))
    return corrected(figures, [figure.name in main for figure in figures])


def corrected(figures: Sequence[Figure], main: Sequence[bool] | None = None) -> list[Figure]:
    """The same with p values corrected (Holm 1979): all together, or what is main apart from what is not.

    A figure without a p value has none afterwards, and the others are corrected without it.
    """
    out = list(figures)
    inside = [True] * len(out) if main is None else main
    for family in (True, False):
        tested = {i: p for i, figure in enumerate(out) if inside[i] == family and (p := figure.p) is not None}
        for i, p in zip(tested, holm([*tested.values()]).tolist(), strict=True):
            out[i] = replace(out[i], p_holm=p)
    return out


def stored(scores: pd.DataFrame) -> tuple[ByImage, list[str], Array | None]:
    """scores.parquet of one data set, target and space: scores of its images, their ids, groups.

    Groups are None where no image has one.
    """
    by = {place: rows.set_index("image_id") for place, rows in scores.groupby(["system", "against"], sort=False)}
    ids = next(rows.index for (_, against), rows in by.items() if against == "people")
    by_place = {}
    for (system, against), rows in by.items():
        here = rows.reindex(ids).drop(columns=[name for name in rows if name in KEYS]).dropna(axis=1, how="all")
        values = {of_column(name): torch.tensor(here[name].to_numpy(np.float64)) for name in map(str, here)}
        by_place[str(system), str(against)] = values
    first = next(iter(by.values())).reindex(ids)["group"]
    groups = None if first.isna().all() else first.fillna(pd.Series(ids, index=ids)).to_numpy(dtype=object)
    return by_place, list(map(str, ids)), groups


def over_seeds(ways: Mapping[str, Mapping[int, Mapping[str, float]]], metrics: Sequence[str]) -> list[Figure]:
    """Each way of training over its seeds, and each pair of them: rows `by` seeds.

    A mean has Student's t interval, which ends where the metric does. Of two means: with the same seeds on both sides,
    which then split and draw alike, Student's t of the differences seed by seed; else Welch's (1947) t. Without a
    spread (a single seed on a side) there is no interval.

    ways: {NAME: {SEED: {METRIC: value}}}.
    """
    from affectml_metrics import student_interval

    rows, apart = Rows(by=SPREAD), Rows(by=SPREAD)
    for metric in metrics:
        known = {name: {seed: values[metric] for seed, values in way.items() if metric in values}
                 for name, way in ways.items()}  # fmt: skip
        lowest, highest = limits([bounds_of(metric)], 1)[:, 0]
        for name, values in known.items():
            if len(values) > 1:
                mean = student_interval(np.array(list(values.values())))
                mean = mean._replace(low=mean.low.maximum(lowest), high=mean.high.minimum(highest))
                rows.add(metric, mean, system=name, n=len(values))
            elif values:
                rows.add(metric, next(iter(values.values())), system=name, n=1)
        for first, other in combinations(known, 2):
            if known[first] and known[other]:
                gap, how = _gap(known[first], known[other])
                n = min(len(known[first]), len(known[other]))
                apart.add(metric, gap, system=first, against=other, level=how, n=n, units=None)
    return [*rows.rows, *corrected(apart.rows)]


def _gap(one: Mapping[int, float], two: Mapping[int, float]) -> tuple[Difference | float, str]:
    """The difference of two means over seeds, with an interval where both have several; and how it was compared."""
    from scipy.special import stdtr, stdtrit

    value, paired = fmean(one.values()) - fmean(two.values()), one.keys() == two.keys()
    how, fewest = "seed by seed" if paired else "two means", min(len(one), len(two))
    if fewest < 2:
        return value, how
    sides = [[one[seed] - two[seed] for seed in one]] if paired else [[*one.values()], [*two.values()]]
    if all(np.ptp(side) < ALIKE for side in sides):  # seeds that change nothing tell nothing of chance
        return value, how
    squares, free = np.array([(np.var(side, ddof=1) / len(side), len(side) - 1) for side in sides]).T
    error = math.sqrt(squares.sum())
    freedom = error**4 / (squares**2 / free).sum() if error else 1.0
    half = stdtrit(freedom, 0.975) * error
    p = 2 * stdtr(freedom, -abs(value) / error) if error else float(value == 0)
    ends = (value, value - half, value + half, p, fewest, 0, fewest)
    return Difference(*(torch.tensor(end, dtype=torch.float64) for end in ends)), how


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
    ends = (d.mean(axis=0), np.maximum(middle - half, -1), np.minimum(middle + half, 1), p)
    counts = (np.full(len(labels), count) for count in (len(d), 0, units))
    rows = Rows(**key)
    rows.add_labels("label_bias", labels, Difference(*map(torch.from_numpy, (*ends, *counts))))
    return corrected(rows.rows)


def bias_in_words(bias: Figure, people: float, what: str) -> str:
    """The finding, as what follows the system's name.

    people: how often they name the label; what: naming it, or naming it first.
    """
    more, often = "more" if bias.value > 0 else "less", people + bias.value
    never = "never" if often < 1e-9 else f"on {often:.1%} of the images"
    return (
        f"{what} {bias.label} {more} often than people: {never}, people {people:.1%} "
        f"(difference {bias.value:+.1%}, {bias.ends[0]:+.1%} to {bias.ends[1]:+.1%})"
    )


def holm(p: Sequence[float] | Floats) -> Floats:
    """P values of several tests, each corrected so that the chance of any false finding is kept (Holm 1979).

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    out = np.empty_like(values)
    out[order] = np.maximum.accumulate(np.minimum(steps, 1.0))
    return out


def firsts(scores: Floats) -> Floats:
    """The first label of each row as 1, shared among those that tie; a row of zeros names none."""
    best = (scores == scores.max(axis=1, keepdims=True)) & (scores > 0)
    return np.asarray(best / np.maximum(best.sum(axis=1, keepdims=True), 1))


@np.errstate(divide="ignore", invalid="ignore")
def contrast(
    rows: Floats, inside: Array, groups: Array | None, *, step: float | Floats = 0.0, bounds: Sequence[Bounds] = ()
) -> Difference:
    """The mean of the rows inside less the mean of the rest, [M], its 95 % interval and the p value of no difference.

    Beside the jackknife's error, where either side varies as it does, stands that of sides that vary alike (Student's),
    without which a few units that happen to be alike would seem sure; see `interval_of`. Both have the degrees of
    freedom of the smaller side. A unit is a row, or all rows of one group on one side. Where a side has fewer than
    five, with or without a value, p is nan.

    Args:
        rows: [N, M]; nan where a column is not defined for a row.
        inside: [N].
        groups: [N], whose rows are not independent; None where each is a unit.
        step: [M], what one answer more would change in a row, 0 for columns that are no differences of shares. Either
            side gets one unit of +step and one of -step, counted from the mean of all, as in Bonett & Price 2012: where
            hardly anybody names a label, few units say nothing of its spread.
        bounds: of each column, the least and the most that two means are apart.
    """
    by_unit = pd.DataFrame(rows).groupby([np.arange(len(rows)) if groups is None else groups, inside])
    sums, m = by_unit.sum(), by_unit.count().to_numpy(np.float64)  # m: of how many values
    real, first = m > 0, sums.index.get_level_values(1).to_numpy(dtype=bool)
    few = np.minimum(real[first].sum(axis=0), real[~first].sum(axis=0))
    more, size = step * np.array([[1], [-1]] * 2) + 0 * m[:1], m.sum(axis=0) / len(m)
    s = np.concatenate([sums - m * (sums.to_numpy().sum(axis=0) / m.sum(axis=0)), more * size])
    m, side = np.concatenate([m, (more != 0) * size]), np.array([*first, True, True, False, False])[:, None]

    # of the side inside and of the rest: sums less the mean of all, counts of values, counts of units
    total, whole, units = (np.stack([(part * on).sum(axis=0) for on in (side, ~side)]) for part in (s, m, m > 0))
    value = total[0] / whole[0] - total[1] / whole[1]
    value = np.where(np.abs(value) < 1e-12, 0.0, value)
    own, among, count = np.where(side, *total), np.where(side, *whole), units.sum(axis=0)
    left_out = value + np.where(side, 1, -1) * ((own - s) / (among - m) - own / among)
    spread = ((s - m * own / among) ** 2).sum(axis=0) / (count - 2)
    students = np.sqrt(spread * units.prod(axis=0) / count) * (1 / whole).sum(axis=0)
    gap, smaller, freedom, least = map(torch.from_numpy, (value, few, units.min(axis=0) - 1, students))
    left = torch.from_numpy(np.where(m > 0, left_out, np.nan))
    low, high, p = interval_of(gap, left, smaller, 1 - LEVEL, bounds, freedom=freedom, least=least)
    p = p if min(first.sum(), (~first).sum()) >= LEAST else p * torch.nan
    counted = torch.from_numpy((~np.isnan(rows)).sum(axis=0))
    return Difference(gap, low, high, p, counted, len(rows) - counted, smaller)


def summed(values: Floats, groups: Array) -> Floats:
    """The sums of the rows [N, M] of each group, [U, M]; groups: [N], and the sums stand in their sorted order."""
    return pd.DataFrame(values).groupby(groups).sum().to_numpy()
