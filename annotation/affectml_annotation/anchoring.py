"""Anchoring: how far a second look moves towards the model because its suggestion was shown.

People change their minds on a second look without any suggestion, and a model that is often right is where they
would have gone anyway. So the movement after a suggestion is set against a control arm: second looks of the same
kind without one. Which arm a look falls in must have been left to chance.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectml_annotation.agreement.values import Interval, both_looks, divided, interval, set_distances
from affectml_annotation.errors import BadJudgement, check_labels
from affectml_annotation.judgements import encode


@dataclass(frozen=True)
class Anchoring:
    """Movement towards the suggestion, from -1 to 1: how much nearer the second answer is than the first.

    shown, control: the mean movement in each arm. effect: shown - control, what the suggestion did.
    changed_shown, changed_control: the share of second looks that changed the answer at all.
    looks_shown, looks_control: how many second looks each arm has.
    """

    shown: Interval
    control: Interval
    effect: Interval
    changed_shown: float
    changed_control: float
    looks_shown: int
    looks_control: int


def _advised(
    image_ids: Sequence[str], labels: Sequence[str], suggestions: Mapping[str, Collection[str]]
) -> npt.NDArray[np.bool_]:
    """The labels suggested for each of these images, [M, C]."""
    place = {label: at for at, label in enumerate(labels)}
    advised = np.zeros((len(image_ids), len(place)), dtype=bool)
    for at, image in enumerate(image_ids):
        check_labels(suggestions[image], labels, f"suggestion for image {image!r}")
        advised[at, [place[label] for label in suggestions[image]]] = True
    return advised


def anchoring(
    judgements: pd.DataFrame,
    labels: Sequence[str],
    suggestions: Mapping[str, Collection[str]],
    *,
    first: int = 1,
    second: int = 2,
) -> Anchoring:
    """Measure anchoring from first looks (blind) and second looks (column `suggestions_visible`).

    Movement is d(first, suggestion) - d(second, suggestion). Only pairs of answers (labels or none) by one person on an
    image with a suggestion count.

    Args:
        judgements: a judgement table with the column suggestions_visible.
        labels: all labels in use.
        suggestions: image id to the labels that the model suggested, for both arms.
        first: the round of first looks.
        second: the round of second looks.

    Returns:
        The movement in both arms by Jaccard's distance, and their difference, with intervals over other annotators:
        each has a suggestibility of their own.

    Raises:
        BadJudgement: a first look had suggestions visible, or an arm is empty: without a control nothing can be said.
        UnknownLabel: a suggestion or a row has a label that is not in `labels`.
    """
    if "suggestions_visible" not in judgements.columns:
        raise BadJudgement("anchoring: expected a column suggestions_visible, which says what each look could see")
    looks = [encode(judgements, labels, rounds=number).answers() for number in (first, second)]
    ids = looks[0].image_ids
    both = both_looks(looks)
    both = both[[ids[image] in suggestions for image in both["image"]]]
    visible = judgements["suggestions_visible"].fillna(False).to_numpy(dtype=bool)
    primed = visible[looks[0].row[both["at0"]]]
    if primed.any():
        row = int(looks[0].row[both["at0"].to_numpy()[np.flatnonzero(primed)[0]]])
        raise BadJudgement(f"judgement row {row}: a first look with suggestions visible cannot serve as a blind one")
    shown = visible[looks[1].row[both["at1"]]]
    if not shown.any() or shown.all():
        empty = "with suggestions" if not shown.any() else "without suggestions (the control)"
        raise BadJudgement(f"anchoring: no second look {empty} in round {second}; both arms are needed")
    advised = _advised([ids[image] for image in both["image"]], labels, suggestions)
    before, after = looks[0].chosen[both["at0"]], looks[1].chosen[both["at1"]]
    moved = set_distances(before, advised, "jaccard") - set_distances(after, advised, "jaccard")
    unit = np.unique(both["person"], return_inverse=True)[1]
    units = int(unit.max()) + 1
    sums = np.stack([np.bincount(unit, weights=moved * arm, minlength=units) for arm in (shown, ~shown)])
    sizes = np.stack([np.bincount(unit, weights=arm, minlength=units) for arm in (shown, ~shown)])
    values = sums.sum(axis=1) / sizes.sum(axis=1)
    total, size = sums.sum(axis=1, keepdims=True), sizes.sum(axis=1, keepdims=True)
    arms = divided(total - sums, size - sizes)
    changed = (before != after).any(axis=1)
    return Anchoring(
        shown=interval(float(values[0]), arms[0, sizes[0] > 0], bounds=(-1.0, 1.0)),
        control=interval(float(values[1]), arms[1, sizes[1] > 0], bounds=(-1.0, 1.0)),
        effect=interval(float(values[0] - values[1]), arms[0] - arms[1], bounds=(-2.0, 2.0)),
        changed_shown=float(changed[shown].mean()),
        changed_control=float(changed[~shown].mean()),
        looks_shown=int(shown.sum()),
        looks_control=int((~shown).sum()),
    )
