"""Differences between runs: on the same images, and between seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean, stdev
from typing import Any

from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit
from torch import Tensor

from affectml.judging.bias import LEVEL, corrected_for_all
from affectml.judging.scoring import Score, apart_within, as_scores
from affectml.page.tables import headline
from affectml.runs import RunFolder
from affectml_metrics import paired_difference


@dataclass(frozen=True)
class Gain:
    """How much better or worse the first of two runs scores than the second, on the same images.

    score: the metric of the first less that of the second, with its interval. p: of equal means, by
    `paired_difference`; None below 30 images or groups. p_holm: corrected for all pairs and all metrics of one family,
    the main metrics (`headline`) or the others.
    """

    runs: tuple[str, str]
    score: Score
    p: float | None
    images: int
    metric: str = "top_1_accuracy"
    p_holm: float | None = None

    @property
    def found(self) -> bool:
        """Whether it is beyond what chance among these test images would make."""
        return self.p_holm is not None and self.p_holm < LEVEL


def gains_of(names: Sequence[str], rows: Sequence[Mapping[str, Tensor]], groups: NDArray[Any] | None) -> list[Gain]:
    """Each pair of runs on each metric that all have, image by image; pairs without a defined image are left out.

    P values are corrected in two families, the pairs in all main metrics and those in all others: so a sentence about
    either of them is false by chance in at most 5 % of comparisons, however many metrics it names.

    rows: for each run {metric: [N]} of the same images. groups: [N], whom the intervals keep together.
    """
    found: list[Gain] = []
    for metric in (name for name in rows[0] if all(name in each for each in rows)):
        for a, b in combinations(range(len(names)), 2):
            within = [apart_within(metric)]
            one = paired_difference(rows[a][metric], rows[b][metric], groups=groups, bounds=within)
            if not bool(one.value.isnan()):
                p = None if bool(one.p.isnan()) else float(one.p)
                found.append(Gain((names[a], names[b]), as_scores(one)[0], p, int(one.rows), metric))
    main = headline({"": {gain.metric: None for gain in found}})
    for family in (True, False):
        at = [i for i, gain in enumerate(found) if (gain.metric in main) == family]
        for i, p_holm in zip(at, corrected_for_all([found[i].p for i in at]), strict=True):
            found[i] = replace(found[i], p_holm=p_holm)
    return found


@dataclass(frozen=True)
class SeedGap:
    """How far two ways of training are apart, over their seeds.

    names: the groups. score: the mean of the first less that of the second with its 95 % interval over seeds. paired:
    whether both have the same seeds, which are then compared one by one. seeds: how many of each. p: of the t test;
    p_holm: corrected for all pairs and metrics. score is None where a group has a single seed, of which no spread is
    known.
    """

    names: tuple[str, str]
    metric: str
    value: float
    score: Score | None
    paired: bool
    seeds: tuple[int, int]
    p: float = 1.0
    p_holm: float = 1.0

    @property
    def found(self) -> bool:
        """Whether it is beyond the seeds' own spread."""
        return self.score is not None and self.p_holm < LEVEL


def by_seed(runs: Sequence[RunFolder]) -> dict[str, list[RunFolder]]:
    """Runs that differ in nothing but the seed, by the name of the first of them; each in the order of seeds."""
    groups: dict[str, list[RunFolder]] = {}
    for run in runs:
        groups.setdefault(_recipe(run), []).append(run)
    return {
        each[0].folder.resolve().name: sorted(each, key=lambda run: run.info.config.seed) for each in groups.values()
    }


def _recipe(run: RunFolder) -> str:
    """All that moves what is learned but the seed, and what it learned from."""
    info = run.info
    options = dict(sorted(info.config.options.items()))
    config = replace(info.config, seed=0, dataset=None, threads=None, learning_curve=False, groups=(), options=options)
    data = (info.data.target, sorted(info.data.fingerprint.items()))
    return repr((config, info.head.name, *data, info.encoder.identity))


def seed_gaps(groups: Mapping[str, Sequence[RunFolder]], metrics: Sequence[str]) -> list[SeedGap]:
    """Each pair of groups on each metric that all their runs have, from their metrics.json.

    With the same seeds on both sides, which then split and draw alike, Student's t of the differences seed by seed;
    else Welch's (1947) t of the two means.
    """
    found = []
    for metric in metrics:
        for a, b in combinations(groups, 2):
            one, two = (_values(groups[name], metric) for name in (a, b))
            if one is not None and two is not None:
                found.append(_gap((a, b), metric, one, two))
    corrected = corrected_for_all([None if gap.score is None else gap.p for gap in found])
    return [replace(gap, p_holm=1.0 if p is None else p) for gap, p in zip(found, corrected, strict=True)]


def _values(runs: Sequence[RunFolder], metric: str) -> dict[int, float] | None:
    scores = {run.info.config.seed: run.metrics["systems"]["model"].get(metric) for run in runs}
    known = {seed: float(score["value"]) for seed, score in scores.items() if score is not None}
    return known if len(known) == len(scores) else None


def _gap(names: tuple[str, str], metric: str, one: Mapping[int, float], two: Mapping[int, float]) -> SeedGap:
    """The difference of two groups' means, with an interval where both have several seeds."""
    value = fmean(one.values()) - fmean(two.values())
    paired = one.keys() == two.keys()
    seeds = (len(one), len(two))
    if min(seeds) < 2:
        return SeedGap(names, metric, value, None, paired, seeds)
    if paired:
        error, free = _error([one[seed] - two[seed] for seed in one]), len(one) - 1.0
    else:
        first, second = (_error(list(each.values())) ** 2 for each in (one, two))
        error = math.sqrt(first + second)
        both = first**2 / (len(one) - 1) + second**2 / (len(two) - 1)
        free = (first + second) ** 2 / both if both else 1.0
    half = float(stdtrit(free, 0.975)) * error
    p = 2 * float(stdtr(free, -abs(value) / error)) if error > 0 else float(value == 0)
    return SeedGap(names, metric, value, {"value": value, "low": value - half, "high": value + half}, paired, seeds, p)


def _error(values: Sequence[float]) -> float:
    """The standard error of a mean."""
    return stdev(values) / math.sqrt(len(values))
