"""What a system's answers score against people, image by image, and with which intervals."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from affectml.judging.truth import Truth
from affectml_metrics import FEW, Difference, Interval, difference, mean_interval, sums_interval, table_interval
from affectml_metrics import functional as F
from affectml_metrics.intervals import Bounds
from affectml_metrics.kinds import Figure, Given, figures
from affectml_metrics.spec import Kind, Place
from affectml_metrics.table import find, specs

Array = NDArray[Any]
# value, low, high; few: how many images or groups it rests on (mean average precision: positives), where fewer than 30
Score = dict[str, float]
RowMetric = Callable[[Tensor, Tensor], Tensor]

TOP = (1, 2, 3)
# A head's rate of exactly 0 or 1 is rounding, not knowledge; taken at its word it would cost infinity.
SURE = 1e-6


@dataclass(frozen=True)
class Answers:
    """What one system says of N images over C labels.

    scores [N, C] rank the labels. shares [N, C]: rates or a distribution, as the target is; None where the
    system has none (one person). sets [N, C]: 0/1; None where it predicts no sets.
    """

    scores: Tensor
    shares: Tensor | None = None
    sets: Tensor | None = None

    def rows(self, index: Array) -> "Answers":
        """The same for some of the images."""
        at = torch.from_numpy(np.asarray(index))
        return Answers(self.scores[at], *(None if rows is None else rows[at] for rows in (self.shares, self.sets)))


def unsure(shares: Tensor, *, rates: bool) -> Tensor:
    """A head's rates, or else its distribution, in float64, each share kept within [SURE, 1 - SURE]."""
    given = shares.double()
    kept = given.clamp(SURE, 1 - SURE)
    if rates:
        return kept
    return torch.where((kept != given).any(1, keepdim=True), kept / kept.sum(1, keepdim=True), kept)


def figures_of(truth: Truth, kind: Kind, place: Place = "report") -> list[Figure]:
    """The metrics of one kind that this truth is reported by, with all that they need of it."""
    labels = len(truth.labels)
    given = Given(
        k=[k for k in TOP if k < labels],
        shares=torch.from_numpy(truth.shares),
        votes=None if truth.votes is None else torch.from_numpy(truth.votes),
        n=None if truth.people is None else torch.from_numpy(truth.people),
        wheel=truth.wheel if truth.kind == "distribution" else (),
    )
    target = "single_positive" if truth.single_positive else truth.kind
    return [figure for figure in figures(kind, given, labels, place) if figure.spec.on(target)]


def share_kind(truth: Truth) -> Kind:
    """Whether systems' shares are compared with this truth as a distribution or as rates."""
    return "distribution" if truth.kind in ("distribution", "single") else "rates"


def share_metrics(truth: Truth) -> dict[str, RowMetric]:
    """The metrics by rows of rates or distributions that this target allows, against any votes."""
    found = figures_of(truth, share_kind(truth))
    return {
        figure.name: figure.of for figure in found if figure.spec.over == "rows" and "votes" not in figure.spec.needs
    }


def _reported(truth: Truth) -> list[Figure]:
    kinds: tuple[Kind, ...] = ("ranking", share_kind(truth), "sets")
    return [figure for kind in kinds for figure in figures_of(truth, kind)]


def score(answers: Answers, truth: Truth) -> dict[str, Score]:
    """Every metric that these answers and this truth allow, each with a 95 % interval.

    One that is infinite (a share of 0 that someone chose) has no place in metrics.json and is left out.
    """
    out = intervals(row_scores(answers, truth), truth)
    for figure in _reported(truth):
        pair = _pair(figure, answers, truth)
        if figure.spec.over == "table" and pair is not None:
            found = as_scores(_over_table(figure, pair, truth))[0]
            if figure.name == "mean_average_precision" and (positives := typical_positives(pair[1])) < FEW:
                found["few"] = min(found.get("few", FEW), round(positives))
            out[figure.name] = found
    return {name: given for name, given in out.items() if all(map(math.isfinite, given.values()))}


def typical_positives(target: Tensor) -> float:
    """The harmonic mean of how many rows of 0/1 [N, C] have each label, of labels that any has; the bias of average
    precision goes with one over it (docs/metrics.md).
    """
    counts = target.sum(dim=0).double()
    return float(1 / (1 / counts[counts > 0]).mean())


def row_scores(answers: Answers, truth: Truth) -> dict[str, Tensor]:
    """Each metric image by image, [N]; nan where it is not defined for an image."""
    rows: dict[str, Tensor] = {}
    for figure in _reported(truth):
        pair = _pair(figure, answers, truth)
        if figure.spec.over == "rows" and pair is not None:
            rows[figure.name] = figure.of(*pair)
    if answers.sets is not None and truth.sets is not None and truth.chosen is not None and truth.asked is not None:
        rows |= {
            spec.name: mean_over_people(answers.sets, truth, partial(spec.function, **spec.options))
            for spec in specs("sets", "report")
            if "judgements" in spec.needs
        }
    return rows


def _pair(figure: Figure, answers: Answers, truth: Truth) -> tuple[Tensor, Tensor] | None:
    """What a figure compares: a system's scores, shares or sets with what people said; None where one is missing."""
    if figure.kind == "ranking":
        right = truth.hits if figure.spec.right == "modes" or truth.kind == "single" else truth.sets
        return None if right is None else (answers.scores, _labels(right))
    if figure.kind == "sets":
        return _sets(answers, truth)
    return None if answers.shares is None else (answers.shares, torch.from_numpy(truth.shares))


def _sets(answers: Answers, truth: Truth) -> tuple[Tensor, Tensor] | None:
    """Predicted and true 0/1 labels: sets, or the single answer where there is one."""
    if answers.sets is not None and truth.sets is not None:
        return answers.sets.bool(), _labels(truth.sets)
    if truth.kind == "single" and not truth.single_positive:
        best = answers.scores.argsort(dim=1, descending=True, stable=True)[:, :1]
        return torch.zeros_like(answers.scores, dtype=torch.bool).scatter_(1, best, True), _labels(truth.hits)
    return None


def _labels(table: Array) -> Tensor:
    return torch.from_numpy(table.astype(bool))


def _over_table(figure: Figure, pair: tuple[Tensor, Tensor], truth: Truth) -> Interval:
    """A figure over the table; one that needs only sums over images takes one pass."""
    how: dict[str, Any] = {"groups": truth.groups, "bounds": [figure.spec.bounds()]}
    if figure.spec.sums is None:
        return table_interval(figure.weighted(*pair), len(truth.image_id), rests=figure.rests(pair[1]), **how)
    return sums_interval(figure.added(*pair), lambda sums: figure.of_sums(sums)[:, None], **how)


def mean_over_people(sets: Tensor, truth: Truth, metric: RowMetric = F.set_f1) -> Tensor:
    """A set metric against each person's own answer, averaged over the people of each image: [N].

    It needs no cut on rates. An image that nobody answered is nan.
    """
    assert truth.chosen is not None
    assert truth.asked is not None
    chosen, asked = torch.from_numpy(truth.chosen), torch.from_numpy(truth.asked)
    image, person = asked.nonzero(as_tuple=True)
    each = metric(sets[image], chosen[image, person].long())
    total = torch.zeros(len(sets), dtype=torch.float64).index_add_(0, image, each)
    return total / asked.sum(dim=1)


def intervals(rows: Mapping[str, Tensor], truth: Truth) -> dict[str, Score]:
    """Means of rows with 95 % intervals over images, or groups, that end where the metric does.

    A name that is no metric's has no ends. A metric without a defined row is left out.
    """
    names = [name for name, values in rows.items() if not values.isnan().all()]
    if not names:
        return {}
    table = torch.stack([rows[name].double() for name in names], dim=1)
    bounds = [(None, None) if (spec := find(name)) is None else spec.bounds() for name in names]
    found = as_scores(mean_interval(table, groups=truth.groups, bounds=bounds))
    return dict(zip(names, found, strict=True))


def in_range(metric: str, score: Score) -> Score:
    """The score with an interval that ends where the metric does: Student's t, which few images get, knows no end.

    A name that is no metric's is left as it is.
    """
    spec = find(metric)
    return score if spec is None else clipped(score, *spec.bounds())


def clipped(score: Score, lowest: float | None, highest: float | None) -> Score:
    """The score with an interval that lies between these ends; None is no end."""
    low = score["low"] if lowest is None else max(lowest, score["low"])
    high = score["high"] if highest is None else min(highest, score["high"])
    return {**score, "low": low, "high": high}


def apart_within(metric: str) -> Bounds:
    """The least and the most that two values of a metric are apart; no ends where it has none, or there is no such."""
    low, high = (None, None) if (spec := find(metric)) is None else spec.bounds()
    return (None, None) if low is None or high is None else (low - high, high - low)


def apart(first: Score, second: Score) -> Score:
    """First minus second, of scores on different images."""

    def interval(score: Score) -> Interval:
        units = score.get("few", FEW)
        fields = (score["value"], score["low"], score["high"], units, 0, units)
        return Interval(*(torch.tensor(x, dtype=torch.float64) for x in fields))

    return as_scores(difference(interval(first), interval(second)))[0]


def per_label(answers: Answers, truth: Truth) -> dict[str, dict[str, Any]]:
    """For each label its prevalence (mean share of people, or of images) and what the system scores on it."""
    out: dict[str, dict[str, Any]] = {
        label: {"prevalence": float(truth.shares[:, c].mean())} for c, label in enumerate(truth.labels)
    }
    pair = _sets(answers, truth)
    if pair is not None:
        spec = find("label_f1_macro")
        assert spec is not None
        assert spec.sums is not None
        each = partial(spec.sums.statistic, average="none")
        bounds = [spec.bounds()] * len(truth.labels)
        f1 = sums_interval(spec.sums.columns(*pair), each, groups=truth.groups, bounds=bounds)
        for label, found in zip(truth.labels, as_scores(f1), strict=True):
            out[label]["label_f1"] = found
    if answers.shares is not None and truth.kind != "single":
        cells = [x.T.reshape(-1, 1) for x in (answers.shares, torch.from_numpy(truth.shares))]  # label by label
        columns = F.rate_cross_entropy(*cells).view(len(truth.labels), -1)
        for label, value in intervals(dict(zip(truth.labels, columns, strict=True)), truth).items():
            out[label]["rate_cross_entropy"] = value
    return out


def as_scores(interval: Interval | Difference) -> list[Score]:
    """Values and their intervals as plain numbers; one that rests on few images or groups says on how many.

    Of one image or group nothing is known of others: both ends are then the value, and `few` is 1.
    """
    found: list[Score] = []
    for value, low, high, few, units in zip(
        *(x.flatten().tolist() for x in (interval.value, interval.low, interval.high, interval.few, interval.units)),
        strict=True,
    ):
        low, high = (value, value) if units == 1 else (low, high)
        found.append({"value": value, "low": low, "high": high, **({"few": int(units)} if few else {})})
    return found
