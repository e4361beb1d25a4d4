"""From judgements to training targets, each with the rule that made it.

Sets become a distribution only by a rule that is named. Nobody is left out or weighted unless asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectml_annotation.agreement.alpha import FloatArray, divided
from affectml_annotation.errors import BadJudgement
from affectml_annotation.judgements import Panel, Rounds, found_labels, one_look, people_by_image, sum_by_image
from affectml_annotation.smoothing import BetaPrior, fit_beta_prior, label_sets, smoothed_rates

Method = Literal[
    "votes", "shares", "smoothed", "weighted", "one_choice", "set_split", "normalised", "posterior", "majority", "mode"
]
Kind = Literal["single", "sets", "rates", "distribution"]


@dataclass(frozen=True, eq=False)
class Aggregate:
    """A target made from judgements.

    image_id [N], n [N] people who answered, values [N, C]; kind, values_are (votes, shares or indicator) and
    vote_rule as in dataset.json; made_by: one sentence that says how; left_out: why images are missing, with
    how many; annotators: the weight of each, where people are weighted.
    """

    method: Method
    kind: Kind
    values_are: str
    vote_rule: str | None
    labels: tuple[str, ...]
    image_id: npt.NDArray[np.object_]
    n: npt.NDArray[np.int64]
    values: npt.NDArray[np.generic]
    made_by: str
    left_out: dict[str, int] = field(default_factory=dict)
    annotators: pd.DataFrame | None = None

    def table(self) -> pd.DataFrame:
        """The content of targets-NAME.parquet: image_id, n, then one column per label."""
        found = pd.DataFrame(self.values, columns=list(self.labels))
        found.insert(0, "image_id", self.image_id)
        found.insert(1, "n", self.n)
        return found


def aggregate(
    judgements: pd.DataFrame,
    labels: Sequence[str] | None = None,
    method: Method = "votes",
    *,
    image_ids: Sequence[str] | None = None,
    minimum_people: int = 1,
    tau: float = 1 / 3,
    rounds: Rounds = "first",
) -> Aggregate:
    """Aggregate a judgement table into a target.

    method:
    rates: `votes` (integer counts beside n), `shares` (votes / n), `smoothed` (posterior mean under a Beta prior per
    label), `weighted` (shares in which people weigh by their agreement with the others: see `annotator_weights`).
    distribution: `one_choice` (counts; each answer must be one label), `set_split` (each vote shared among
    a person's labels), `normalised` (shares divided by their sum).
    sets: `posterior` (P(rate >= tau) >= 1/2), `majority` (more than half). single: `mode`, the most chosen label;
    images on which several tie are left out.

    labels: without it, those that occur. Images with fewer than `minimum_people` answers are left out, and so
    are those a distribution cannot be made of (only empty sets); `left_out` counts them. Raises BadJudgement or
    UnknownLabel naming the row.

    >>> table = pd.DataFrame({
    ...     "image_id": ["a", "a", "a"], "annotator_id": ["u", "v", "w"], "round": 1,
    ...     "kind": ["labels", "labels", "none"], "labels": [["awe", "joy"], ["awe"], []],
    ... })
    >>> aggregate(table, method="votes").table().to_dict("records")
    [{'image_id': 'a', 'n': 3, 'awe': 2, 'joy': 1}]
    >>> aggregate(table, method="set_split").values.tolist()
    [[0.75, 0.25]]
    """
    if method not in METHODS:
        raise BadJudgement(f"method: expected one of {', '.join(METHODS)}, but received {method!r}")
    names = tuple(labels) if labels is not None else found_labels(judgements)
    panel = one_look(judgements, names, image_ids, rounds=rounds).answers()
    counted = _Counted(panel, people_by_image(panel), sum_by_image(panel, panel.chosen), tau)
    kind, values_are, vote_rule, make, without = METHODS[method]
    values, made_by = make(counted)
    enough, can = counted.n >= max(minimum_people, 1), ~np.isnan(values).any(axis=1)
    too_few = f"fewer than {minimum_people} answers" if minimum_people > 1 else "no answers"
    left_out = {too_few: int((~enough).sum()), without: int((enough & ~can).sum())}
    values = values[keep := enough & can]
    return Aggregate(
        method=method,
        kind=kind,
        values_are=values_are,
        vote_rule=vote_rule,
        labels=names,
        image_id=panel.image_ids[keep],
        n=counted.n[keep],
        values=values if values_are == "shares" else values.astype(np.int64),
        made_by=made_by + ("" if rounds == "first" else f"; rounds: {rounds}"),
        left_out={reason: count for reason, count in left_out.items() if count},
        annotators=counted.people if method == "weighted" else None,
    )


@dataclass(frozen=True, eq=False)
class _Counted:
    """What a method reads: n [N] people who answered, k [N, C] who chose a label."""

    panel: Panel
    n: npt.NDArray[np.int64]
    k: FloatArray
    tau: float

    @cached_property
    def people(self) -> pd.DataFrame:
        """Everybody's weight."""
        return annotator_weights(self.panel)

    def prior(self) -> tuple[BetaPrior, str]:
        """That of the rate of each label, and how it is told."""
        prior = fit_beta_prior(self.k, self.n)
        each = zip(self.panel.labels, prior.alpha, prior.beta, strict=True)
        return prior, f"under Beta priors ({', '.join(f'{label} {a:.3g}/{b:.3g}' for label, a, b in each)})"


# Values [N, C], nan where an image has none, and how they came about.
_Made = tuple[FloatArray, str]


def _votes(counted: _Counted) -> _Made:
    return counted.k, "people who chose each label, of the n who answered"


def _shares(counted: _Counted) -> _Made:
    return divided(counted.k, counted.n[:, None]), "votes / n"


def _smoothed(counted: _Counted) -> _Made:
    prior, told = counted.prior()
    return smoothed_rates(counted.k, counted.n, prior), f"posterior mean {told}"


def _weighted(counted: _Counted) -> _Made:
    panel, weights = counted.panel, counted.people["weight"].to_numpy()
    w = weights[panel.annotator]
    total = np.bincount(panel.image, weights=w, minlength=len(counted.n))
    values = divided(sum_by_image(panel, panel.chosen * w[:, None]), total[:, None])
    return values, "shares weighted by annotator (agreement)"


def _one_choice(counted: _Counted) -> _Made:
    wrong = counted.panel.chosen.sum(axis=1) != 1
    if wrong.any():
        row = int(counted.panel.row[np.flatnonzero(wrong)[0]])
        raise BadJudgement(
            f"judgement row {row}: one_choice expects one label in each answer; for sets choose set_split or "
            "normalised, or keep them as rates (votes)"
        )
    return counted.k, "votes of people who chose one label each"


def _set_split(counted: _Counted) -> _Made:
    size = counted.panel.chosen.sum(axis=1, keepdims=True)
    shares = sum_by_image(counted.panel, counted.panel.chosen / np.maximum(size, 1))
    by = "each person's vote shared among their labels; empty sets say nothing"
    return divided(shares, shares.sum(axis=1, keepdims=True)), by


def _normalised(counted: _Counted) -> _Made:
    return divided(counted.k, counted.k.sum(axis=1, keepdims=True)), "shares divided by their sum"


def _posterior(counted: _Counted) -> _Made:
    prior, told = counted.prior()
    sets = label_sets(counted.k, counted.n, prior, counted.tau)
    return sets.astype(np.float64), f"P(rate >= {counted.tau:.4g} | votes) >= 1/2 {told}"


def _majority(counted: _Counted) -> _Made:
    most = 2 * counted.k > counted.n[:, None]
    return most.astype(np.float64), "labels that more than half of the people chose"


def _mode(counted: _Counted) -> _Made:
    most = counted.k.max(axis=1, keepdims=True, initial=0)
    top = (counted.k == most) & (most > 0)
    return np.where(top.sum(axis=1, keepdims=True) == 1, top, np.nan), "the most chosen label; ties left out"


_EMPTY, _TIED = "only empty sets", "no single most chosen label"
# What each method makes: kind of target, what its values are, the vote rule of a distribution; how, and without what.
METHODS: dict[str, tuple[Kind, str, str | None, Callable[[_Counted], _Made], str]] = {
    "votes": ("rates", "votes", None, _votes, ""),
    "shares": ("rates", "shares", None, _shares, ""),
    "smoothed": ("rates", "shares", None, _smoothed, ""),
    "weighted": ("rates", "shares", None, _weighted, ""),
    "one_choice": ("distribution", "votes", "one_choice", _one_choice, ""),
    "set_split": ("distribution", "shares", "set_split", _set_split, _EMPTY),
    "normalised": ("distribution", "shares", "normalised", _normalised, _EMPTY),
    "posterior": ("sets", "indicator", None, _posterior, ""),
    "majority": ("sets", "indicator", None, _majority, ""),
    "mode": ("single", "indicator", None, _mode, _TIED),
}


def annotator_weights(answers: Panel) -> pd.DataFrame:
    """Weights from agreement: the inverse of a person's mean squared distance from the shares of the others.

    Columns: annotator_id, and weight: 1 / (mean over their images and labels of (choice - share of the others)^2),
    scaled to a mean of 1; 1 for whoever shares no image. Nobody gets zero. Weighting by agreement silences minorities:
    a group that feels differently is outvoted twice. Look before you use it.
    """
    n, k = people_by_image(answers), sum_by_image(answers, answers.chosen)
    shared = n[answers.image] >= 2
    image, who, chosen = answers.image[shared], answers.annotator[shared], answers.chosen[shared].astype(np.float64)
    others = (k[image] - chosen) / (n[image] - 1)[:, None]
    people = len(answers.annotator_ids)
    images = np.bincount(who, minlength=people)
    error = divided(np.bincount(who, weights=((chosen - others) ** 2).mean(axis=1), minlength=people), images)
    weight = np.ones(people)
    if (known := images > 0).any():
        weight[known] = 1 / np.maximum(error[known], 1e-3)
        weight[known] /= weight[known].mean()
    return pd.DataFrame({"annotator_id": answers.annotator_ids, "weight": weight})
