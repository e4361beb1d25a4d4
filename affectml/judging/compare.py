"""How far systems are apart on the same images, and ways of training over their seeds."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.judging.bias import corrected_for_all
from affectml.judging.figures import KEYS, Figure, Rows, named
from affectml.judging.scoring import apart_within
from affectml_metrics import paired_difference
from affectml_metrics.table import better, shown

ByImage = Mapping[tuple[str, str], Mapping[str, Tensor]]  # (system, against) -> metric -> [N]
SPREAD = "seeds"  # the `by` of differences over seeds


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
    """The same with p values corrected (Holm 1979): all together, or what is main apart from what is not."""
    out = list(figures)
    inside = [True] * len(out) if main is None else main
    for family in (True, False):
        at = [i for i, each in enumerate(inside) if each == family]
        for i, p in zip(at, corrected_for_all([out[i].p for i in at]), strict=True):
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
            named(*_split(str(name))): torch.tensor(here[name].to_numpy(np.float64)) for name in names
        }
    first = next(iter(by.values())).reindex(ids)["group"]
    groups = None if first.isna().all() else first.fillna(pd.Series(ids, index=ids)).to_numpy(dtype=object)
    return found, list(map(str, ids)), groups


def _split(column: str) -> tuple[str, int | None]:
    metric, at, k = column.partition("@")
    return metric, int(k) if at else None


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
