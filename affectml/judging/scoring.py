"""What systems answer, what that scores against people, image by image, and with which intervals; and people beside.

One person is no ceiling. One person predicts the rest of the panel, so a model that has learned what people tend to say
can beat one person; it is the figure that a model's score has to be read next to.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affectml.heads import Head
from affectml.heads.base import sets_of
from affectml.heads.inputs import Features
from affectml.judging.figures import Rows
from affectml.judging.truth import Array, Truth, cut_sets
from affectml_metrics import functional as F
from affectml_metrics import human_reference, mean_interval, sums_interval, table_interval
from affectml_metrics.intervals import Bounds
from affectml_metrics.spec import Figure, Given, Kind, Place
from affectml_metrics.table import figures, find, specs

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
    exact = shares.double()
    kept = exact.clamp(SURE, 1 - SURE)
    if torch.equal(kept, exact):
        return exact
    if rates:
        return kept
    return torch.where((kept != exact).any(1, keepdim=True), kept / kept.sum(1, keepdim=True), kept)


def answers_of(head: Head, X: Features, kind: str, levels: Array | None = None) -> Answers:
    """A head's scores, its rates or distribution as the target's kind asks, and its sets where it has any.

    levels: the level of each row in the column of a promise, where its sets are cut by levels.
    """
    shares: Tensor | None = head.predict_rates(X) if kind in ("rates", "sets") else head.scores(X)
    if kind == "rates" and head.scores_of == "sets":
        shares = None  # it says how likely a label is in the image's set, not how many people would choose it
    sets = sets_of(head, X, levels) if head.predicts_sets else None
    if shares is not None:
        shares = unsure(shares, rates=kind in ("rates", "sets"))
    return Answers(rounded(head.scores(X)), None if shares is None else rounded(shares), sets)


def rounded(values: Tensor) -> Tensor:
    """As answers.parquet keeps them, in float64: what is judged is what is stored."""
    return values.float().double()


def stating(rates: Array, truth: Truth) -> Answers:
    """Rates, or a distribution, [N, C] as a system: with the sets that tau cuts from them, where there are sets."""
    table = torch.from_numpy(np.asarray(rates, dtype=np.float64))
    return Answers(table, table, None if truth.sets is None else (table >= truth.tau - 1e-9).long())


def figures_of(truth: Truth, kind: Kind, place: Place = "report") -> list[Figure]:
    """The metrics of one kind that this truth is reported by, with all that they need of it."""
    labels = len(truth.labels)
    known = Given(
        k=[k for k in TOP if k < labels],
        shares=torch.from_numpy(truth.shares),
        votes=None if truth.votes is None else torch.from_numpy(truth.votes),
        n=None if truth.people is None else torch.from_numpy(truth.people),
        wheel=truth.wheel if truth.kind == "distribution" else (),
    )
    target = "single_positive" if truth.single_positive else truth.kind
    return [figure for figure in figures(kind, known, labels, place) if figure.spec.on(target)]


def share_kind(truth: Truth) -> Kind:
    """Whether systems' shares are compared with this truth as a distribution or as rates."""
    return "distribution" if truth.kind in ("distribution", "single") else "rates"


def share_metrics(truth: Truth) -> dict[str, RowMetric]:
    """The metrics by rows of rates or distributions that this target allows, against any votes."""
    metrics = figures_of(truth, share_kind(truth))
    return {
        figure.name: figure.of for figure in metrics if figure.spec.over == "rows" and "votes" not in figure.spec.needs
    }


def add_scores(rows: Rows, answers: Answers, truth: Truth, **key: Any) -> dict[str, Tensor]:
    """Add every metric that these answers and this truth allow, each with a 95 % interval; returns `row_scores`."""
    by_image = row_scores(answers, truth)
    add_means(rows, by_image, truth.groups, **key)
    add_over_table(rows, answers, truth, **key)
    return by_image


def add_over_table(rows: Rows, answers: Answers, truth: Truth, **key: Any) -> None:
    """Add every metric over the table that these answers and this truth allow, each with a 95 % interval."""
    for figure, pair in _compared(answers, truth, "table"):
        how: dict[str, Any] = {"groups": truth.groups, "bounds": [figure.spec.bounds()]}
        if figure.spec.sums is None:
            interval = table_interval(figure.weighted(*pair), len(truth.image_id), rests=figure.rests(pair[1]), **how)
        else:  # in one pass
            interval = sums_interval(figure.added(*pair), partial(_column, figure.of_sums), **how)
        if figure.name == "mean_average_precision":
            interval = interval._replace(units=interval.units.clamp(max=round(typical_positives(pair[1]))))
        rows.add(figure.name, interval, **key)


def _column(of: Callable[[Tensor], Tensor], sums: Tensor) -> Tensor:
    return of(sums)[:, None]


def typical_positives(target: Tensor) -> float:
    """The harmonic mean of how many rows of 0/1 [N, C] have each label, of labels that any has; the bias of average
    precision goes with one over it (docs/metrics.md).
    """
    counts = target.sum(dim=0).double()
    return float(1 / (1 / counts[counts > 0]).mean())


def row_scores(answers: Answers, truth: Truth) -> dict[str, Tensor]:
    """Each metric image by image, [N]; nan where it is not defined for an image."""
    rows = {figure.name: figure.of(*pair) for figure, pair in _compared(answers, truth, "rows")}
    if answers.sets is not None and truth.sets is not None and truth.chosen is not None:
        for spec in specs("sets", "report"):
            if "judgements" in spec.needs:
                rows[spec.name] = mean_over_people(answers.sets, truth, partial(spec.function, **spec.options))
    return rows


def _compared(answers: Answers, truth: Truth, over: str) -> Iterator[tuple[Figure, tuple[Tensor, Tensor]]]:
    """The figures over "rows" or the "table", each with a system's scores, shares or sets and what people said."""
    shares = None if answers.shares is None else (answers.shares, torch.from_numpy(truth.shares))
    sets, kinds = set_pair(answers, truth), list[Kind](["ranking", share_kind(truth), "sets"])
    for figure in (figure for kind in kinds for figure in figures_of(truth, kind)):
        right = truth.hits if figure.spec.right == "modes" or truth.kind == "single" else truth.sets
        ranked = None if right is None else (answers.scores, _labels(right))
        pair = {"ranking": ranked, "sets": sets}.get(figure.kind, shares)
        if figure.spec.over == over and pair is not None:
            yield figure, pair


def set_pair(answers: Answers, truth: Truth) -> tuple[Tensor, Tensor] | None:
    """Predicted and true 0/1 labels: sets, or the single answer where there is one."""
    if answers.sets is not None and truth.sets is not None:
        return answers.sets.bool(), _labels(truth.sets)
    if truth.kind == "single" and not truth.single_positive:
        return first_label(answers.scores).bool(), _labels(truth.hits)
    return None


def first_label(scores: Tensor) -> Tensor:
    """The label that scores [N, C] rank first, of equal ones the first, as sets: 0/1 [N, C]."""
    best = scores.argsort(dim=1, descending=True, stable=True)[:, :1]
    return torch.zeros_like(scores, dtype=torch.long).scatter_(1, best, 1)


def _labels(table: Array) -> Tensor:
    return torch.from_numpy(table.astype(bool))


def mean_over_people(sets: Tensor, truth: Truth, metric: RowMetric = F.set_f1) -> Tensor:
    """A set metric against each person's own answer, averaged over the people of each image: [N].

    It needs no cut on rates. An image that nobody answered is nan.
    """
    assert truth.chosen is not None
    assert truth.asked is not None
    chosen, asked = torch.from_numpy(truth.chosen), torch.from_numpy(truth.asked)
    image, person = asked.nonzero(as_tuple=True)
    scores = metric(sets[image], chosen[image, person].long())
    total = torch.zeros(len(sets), dtype=torch.float64).index_add_(0, image, scores)
    return total / asked.sum(dim=1)


def add_means(
    rows: Rows,
    by_image: Mapping[str, Tensor],
    groups: Array | None,
    *,
    bounds: Sequence[Bounds] | None = None,
    **key: Any,
) -> None:
    """Add means over images with 95 % intervals over images, or groups, that end where the metric does.

    bounds: the lowest and the highest value of each, if not the metric's; none: no ends, as of an excess over the
    floor. A metric without a defined row, or with an infinite one, is left out.
    """
    names = [name for name, values in by_image.items() if not values.isnan().all()]
    if names:
        table = torch.stack([by_image[name].double() for name in names], dim=1)
        ends = [bounds_of(name) for name in names] if bounds is None else bounds
        rows.add_all(names, mean_interval(table, groups=groups, bounds=ends), **key)


def bounds_of(metric: str) -> Bounds:
    """The lowest and the highest value of a metric; no ends if no metric has this name."""
    return (None, None) if (spec := find(metric)) is None else spec.bounds()


def apart_within(metric: str) -> Bounds:
    """The least and the most that two values of a metric are apart; no ends where it has none, or there is no such."""
    low, high = bounds_of(metric)
    return (None, None) if low is None or high is None else (low - high, high - low)


def against_rest(
    truth: Truth, others: Mapping[str, Answers], generator: torch.Generator
) -> dict[tuple[str, str], dict[str, Tensor]]:
    """People, and systems on the same targets, image by image: (system, against) -> metric -> [N]; {} without panels.

    person against rest: one person against the rest, on sets and rankings only, for one answer is no probability. The
    labels of one answer share a place in its ranking, and so do the labels it leaves out: ties count as the average
    over their orders. NAME against rest: each of `others` on the same leave-one-out targets. half against half: half of
    an image's people against the other half. consensus against person: what the rest of a panel, as one answer, says of
    the person left out: its set, by the data set's own rule, against that person's set (set_f1_judgements), and its
    smoothed shares against that person's answer, which is 0 or 1 for each label; NAME against person beside it.
    """
    if (panels := truth.panels) is None:
        return {}
    rows: dict[tuple[str, str], dict[str, Tensor]] = {}

    def keep(metric: str, found: Mapping[str, Tensor], human: tuple[str, str] = ("person", "rest")) -> None:
        for name, values in found.items():
            place = (name.removesuffix("_loo"), human[1]) if name.endswith("_loo") else human
            rows.setdefault(place, {})[metric] = values

    scores = {name: answers.scores for name, answers in others.items()}
    for figure in figures_of(truth, "ranking", "people"):
        modes = figure.spec.right == "modes"
        if modes or truth.kind != "distribution":
            against = _modes if modes else _sets(truth)
            keep(figure.name, human_reference(*panels, figure.of, scores, against=against).rows)
    if truth.sets is None:
        return rows
    sets = {name: a.sets for name, a in others.items() if a.sets is not None}
    for figure in figures_of(truth, "sets", "people"):
        keep(figure.name, human_reference(*panels, figure.of, sets, against=_sets(truth)).rows)
    keep("set_f1_judgements", human_reference(*panels, F.set_f1, sets, against="people").rows)
    turned = human_reference(*panels, lambda p, t: F.set_f1(t, p), against=_sets(truth))
    keep("set_f1_judgements", turned.rows, ("consensus", "person"))
    base = None if truth.beta is None else torch.from_numpy(truth.beta.mean)
    half: dict[str, Any] = {"predictor": "half", "generator": generator, "base": base}
    keep("set_f1", human_reference(*panels, F.set_f1, against=_sets(truth), **half).rows, ("half", "half"))
    shares = {name: answers.shares for name, answers in others.items() if answers.shares is not None}
    for figure in figures_of(truth, "rates", "people"):
        keep(figure.name, human_reference(*panels, figure.of, against="rates", **half).rows, ("half", "half"))
        beside = human_reference(*panels, figure.of, shares, against="rates", predictor="rest", base=base).rows
        keep(figure.name, beside, ("consensus", "person"))
    return rows


def against_the_rest(truth: Truth) -> tuple[Array, Array, Array, Array] | None:
    """Each person's answer beside what the rest of their panel says: image [M], rest [M, C], said [M, C], weight [M].

    image: the row of `truth`. rest: the set of the others by the data set's own rule, or where people name one label
    each the labels that most of them chose. weight: one image's answers together count one. None where no image has
    two people, or their single answers are not known.
    """
    if truth.panels is None or truth.chosen is None or truth.asked is None:
        return None
    asked = truth.asked.astype(bool) & (truth.asked.sum(axis=1) >= 2)[:, None]
    image, person = np.nonzero(asked)
    answer = truth.chosen[image, person].astype(np.int64)
    votes = (truth.chosen * asked[:, :, None]).sum(axis=1)[image].astype(np.int64) - answer
    people = asked.sum(axis=1)[image].astype(np.int64) - 1
    rule = _sets(truth) if truth.sets is not None else _modes
    rest = rule(torch.from_numpy(votes), torch.from_numpy(people)).numpy()
    return image, rest, answer, 1 / asked.sum(axis=1)[image]


def _sets(truth: Truth) -> Any:
    """The data set's own rule for label sets, for panels of other sizes: the same prior, the same cut."""

    def rule(votes: Tensor, n: Tensor) -> Tensor:
        counts, people = votes.numpy().astype(np.int64), n.numpy().astype(np.int64)
        shares = counts / people[:, None]
        return torch.from_numpy(cut_sets("rates", shares, counts, people, truth.beta, truth.tau).astype(np.int64))

    return rule


def _modes(votes: Tensor, n: Tensor) -> Tensor:
    """The labels most chosen by the rest of the panel; none where they chose nothing."""
    return ((votes == votes.amax(dim=1, keepdim=True)) & (votes > 0)).long()
