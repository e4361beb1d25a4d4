"""From judgements to training targets, each with the rule that made it.

Sets become a distribution only by a rule that is named. Nobody is left out or weighted unless asked for.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectml_annotation.agreement.values import FloatArray, divided
from affectml_annotation.errors import BadJudgement
from affectml_annotation.judgements import Panel, Rounds, encode, found_labels, people_by_image, sum_by_image
from affectml_annotation.smoothing import (
    BetaPrior,
    fit_beta_prior,
    fit_dirichlet_prior,
    label_sets,
    smoothed_rates,
    smoothed_shares,
)

Method = Literal[
    "votes", "shares", "smoothed", "weighted",
    "one_choice", "one_choice_smoothed", "set_split", "normalised",
    "posterior", "majority", "quorum", "minimum_votes", "mode",
]  # fmt: skip
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
    share: float = 0.5,
    votes: int = 2,
    ties: Literal["drop", "order"] = "drop",
    weights: Mapping[str, float] | Literal["agreement"] | None = None,
    fit_on: Collection[str] | None = None,
    rounds: Rounds = "first",
) -> Aggregate:
    """Aggregate a judgement table into a target.

    method, and the options that only it reads:
    rates: `votes` (integer counts beside n), `shares` (votes / n), `smoothed` (posterior mean under a Beta prior per
    label), `weighted` (shares with `weights` per annotator; "agreement" takes `annotator_weights`).
    distribution: `one_choice` (counts; each answer must be one label), `one_choice_smoothed` (Dirichlet), `set_split`
    (each person's vote shared among their labels), `normalised` (shares divided by their sum).
    sets: `posterior` (P(rate >= tau) >= 1/2), `majority` (more than half), `quorum` (at least `share`),
    `minimum_votes` (at least `votes`). single: `mode`, the most chosen label; `ties` drops tied images or takes
    the first in label order.

    labels: without it, those that occur. Images with fewer than `minimum_people` answers are left out, and so
    are those a distribution cannot be made of (only empty sets); `left_out` counts them. fit_on: the images
    a prior is fitted on (train); without it, all. Raises BadJudgement or UnknownLabel naming the row.

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
    if rounds == "all":
        raise BadJudgement("aggregate: rounds='all' would count a person twice; choose a round, first or last")
    names = tuple(labels) if labels is not None else found_labels(judgements)
    panel = encode(judgements, names, image_ids, rounds=rounds).answers()
    n, k = people_by_image(panel), sum_by_image(panel, panel.chosen)
    fit = np.ones(len(n), dtype=bool) if fit_on is None else np.isin(panel.image_ids, list(fit_on))
    agreement = partial(annotator_weights, judgements, names, rounds=rounds)
    said = _Said(panel, n, k, fit, agreement, tau, share, votes, ties, weights)
    kind, values_are, vote_rule, make = METHODS[method]
    made = make(said)
    keep = n >= max(minimum_people, 1)
    too_few = f"fewer than {minimum_people} answers" if minimum_people > 1 else "no answers"
    left_out = {too_few: int((~keep).sum())}
    if made.can is not None:
        left_out[made.without] = int((keep & ~made.can).sum())
        keep &= made.can
    values = made.values.astype(np.int64) if values_are == "indicator" else made.values
    return Aggregate(
        method=method,
        kind=kind,
        values_are=values_are,
        vote_rule=vote_rule,
        labels=names,
        image_id=panel.image_ids[keep],
        n=n[keep],
        values=values[keep],
        made_by=made.by + ("" if rounds == "first" else f"; rounds: {rounds}"),
        left_out={reason: count for reason, count in left_out.items() if count},
        annotators=made.annotators,
    )


@dataclass(frozen=True, eq=False)
class _Said:
    """What a method reads: n [N] people who answered, k [N, C] who chose a label, fit [N] the images to fit on.

    The rest is what only some read: see `aggregate`.
    """

    panel: Panel
    n: npt.NDArray[np.int64]
    k: FloatArray
    fit: npt.NDArray[np.bool_]
    agreement: Callable[[], pd.DataFrame]
    tau: float
    share: float
    votes: int
    ties: str
    weights: Mapping[str, float] | Literal["agreement"] | None

    @property
    def shares(self) -> FloatArray:
        """Of those who answered; nan where nobody did."""
        return divided(self.k, self.n[:, None])

    @property
    def prior(self) -> BetaPrior:
        """Of the rate of each label."""
        return fit_beta_prior(self.k[self.fit], self.n[self.fit])


@dataclass(frozen=True, eq=False)
class _Made:
    """Values [N, C], how they came about, the images they can be made of, and what the others are without."""

    values: npt.NDArray[np.generic]
    by: str
    can: npt.NDArray[np.bool_] | None = None
    without: str = ""
    annotators: pd.DataFrame | None = None


def _votes(said: _Said) -> _Made:
    return _Made(said.k.astype(np.int64), "people who chose each label, of the n who answered")


def _shares(said: _Said) -> _Made:
    return _Made(said.shares, "votes / n")


def _smoothed(said: _Said) -> _Made:
    prior = said.prior
    told = _told(prior, said.panel.labels)
    return _Made(smoothed_rates(said.k, said.n, prior), f"posterior mean under Beta priors ({told})")


def _weighted(said: _Said) -> _Made:
    panel, given = said.panel, said.weights
    by_person = _weights(said)
    w = by_person[panel.annotator]
    total = np.bincount(panel.image, weights=w, minlength=len(said.n))
    values = divided(sum_by_image(panel, panel.chosen * w[:, None]), total[:, None])
    by = f"shares weighted by annotator ({'agreement' if given == 'agreement' else 'given weights'})"
    people = pd.DataFrame({"annotator_id": panel.annotator_ids, "weight": by_person})
    return _Made(values, by, total > 0, "total weight zero", people)


def _one_choice(said: _Said) -> _Made:
    _one_label_each(said.panel)
    return _Made(said.k.astype(np.int64), "votes of people who chose one label each")


def _one_choice_smoothed(said: _Said) -> _Made:
    _one_label_each(said.panel)
    prior = fit_dirichlet_prior(said.k[said.fit])
    by = f"posterior mean under Dirichlet({', '.join(f'{a:.3g}' for a in prior.alpha)})"
    return _Made(smoothed_shares(said.k, prior), by)


def _set_split(said: _Said) -> _Made:
    size = said.panel.chosen.sum(axis=1, keepdims=True)
    k = sum_by_image(said.panel, said.panel.chosen / np.maximum(size, 1))
    by = "each person's vote shared among their labels; empty sets say nothing"
    return _Made(divided(k, k.sum(axis=1, keepdims=True)), by, said.k.sum(axis=1) > 0, "only empty sets")


def _normalised(said: _Said) -> _Made:
    total = said.k.sum(axis=1)
    return _Made(divided(said.k, total[:, None]), "shares divided by their sum", total > 0, "only empty sets")


def _posterior(said: _Said) -> _Made:
    prior, tau = said.prior, said.tau
    told = _told(prior, said.panel.labels)
    by = f"P(rate >= {tau:.4g} | votes) >= 1/2 under Beta priors ({told})"
    return _Made(label_sets(said.k, said.n, prior, tau), by)


def _majority(said: _Said) -> _Made:
    return _Made(2 * said.k > said.n[:, None], "labels that more than half of the people chose")


def _quorum(said: _Said) -> _Made:
    share = said.share
    if not 0 < share <= 1:
        raise BadJudgement(f"share: expected a share in (0, 1], but received {share}")
    # on counts, with a tolerance: share * n is rarely exact in binary
    enough = said.k >= share * said.n[:, None] - 1e-9
    return _Made(enough, f"labels that at least {share:.4g} of the people chose")


def _minimum_votes(said: _Said) -> _Made:
    return _Made(said.k >= said.votes, f"labels with at least {said.votes} votes")


def _mode(said: _Said) -> _Made:
    k, ties = said.k, said.ties
    top = k == k.max(axis=1, keepdims=True, initial=0)
    clear = (k.max(axis=1, initial=0) > 0) & ((top.sum(axis=1) == 1) | (ties == "order"))
    values = np.arange(k.shape[1]) == top.argmax(axis=1)[:, None]
    by = "the most chosen label; " + ("ties left out" if ties == "drop" else "ties to the first label")
    return _Made(values, by, clear, "no single most chosen label")


# What each method makes: kind of target, what its values are, and the vote rule of a distribution; and how.
METHODS: dict[str, tuple[Kind, str, str | None, Callable[[_Said], _Made]]] = {
    "votes": ("rates", "votes", None, _votes),
    "shares": ("rates", "shares", None, _shares),
    "smoothed": ("rates", "shares", None, _smoothed),
    "weighted": ("rates", "shares", None, _weighted),
    "one_choice": ("distribution", "votes", "one_choice", _one_choice),
    "one_choice_smoothed": ("distribution", "shares", "one_choice", _one_choice_smoothed),
    "set_split": ("distribution", "shares", "set_split", _set_split),
    "normalised": ("distribution", "shares", "normalised", _normalised),
    "posterior": ("sets", "indicator", None, _posterior),
    "majority": ("sets", "indicator", None, _majority),
    "quorum": ("sets", "indicator", None, _quorum),
    "minimum_votes": ("sets", "indicator", None, _minimum_votes),
    "mode": ("single", "indicator", None, _mode),
}


def annotator_weights(judgements: pd.DataFrame, labels: Sequence[str], *, rounds: Rounds = "first") -> pd.DataFrame:
    """Weights from agreement: the inverse of a person's mean squared distance from the shares of the others.

    Columns: annotator_id, error (mean over their images and labels of (choice - share of the others)^2), images,
    and weight (1 / error, scaled to a mean of 1; 1 for whoever shares no image). Nobody gets zero. Weighting
    by agreement silences minorities: a group that feels differently is outvoted twice. Look before you use it.
    """
    panel = encode(judgements, labels, rounds=rounds).answers()
    n, k = people_by_image(panel), sum_by_image(panel, panel.chosen)
    shared = n[panel.image] >= 2
    image, who, said = panel.image[shared], panel.annotator[shared], panel.chosen[shared].astype(np.float64)
    others = (k[image] - said) / (n[image] - 1)[:, None]
    people = len(panel.annotator_ids)
    images = np.bincount(who, minlength=people)
    error = divided(np.bincount(who, weights=((said - others) ** 2).mean(axis=1), minlength=people), images)
    known = images > 0
    weight = np.ones(people)
    weight[known] = 1 / np.maximum(error[known], 1e-3)
    weight[known] /= weight[known].mean() if known.any() else 1
    return pd.DataFrame({"annotator_id": panel.annotator_ids, "error": error, "images": images, "weight": weight})


def _told(prior: BetaPrior, labels: Sequence[str]) -> str:
    return ", ".join(f"{x} {a:.3g}/{b:.3g}" for x, a, b in zip(labels, prior.alpha, prior.beta, strict=True))


def _one_label_each(panel: Panel) -> None:
    wrong = panel.chosen.sum(axis=1) != 1
    if wrong.any():
        row = int(panel.row[np.flatnonzero(wrong)[0]])
        raise BadJudgement(
            f"judgement row {row}: one_choice expects one label in each answer; for sets choose set_split or "
            "normalised, or keep them as rates (votes)"
        )


def _weights(said: _Said) -> FloatArray:
    """The weight of each person of the panel."""
    panel, weights = said.panel, said.weights
    if weights is None:
        raise BadJudgement("weighted: expected weights, a mapping from annotator to weight, or 'agreement'")
    if weights == "agreement":
        table = said.agreement()
        weights = dict(zip(table["annotator_id"], table["weight"], strict=True))
    seen = panel.annotator_ids[np.unique(panel.annotator)]
    missing = [person for person in seen if person not in weights]
    if missing:
        raise BadJudgement(f"weights: none for annotator {missing[0]!r}; give everybody one (0 leaves them out)")
    found = np.array([float(weights.get(person, 0.0)) for person in panel.annotator_ids])
    if not (np.isfinite(found) & (found >= 0)).all():
        raise BadJudgement("weights: expected finite numbers of zero or more")
    return found
