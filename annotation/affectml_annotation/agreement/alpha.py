"""Agreement of all people together: Krippendorff's alpha, and each label by itself.

alpha = 1 - Do / De (Krippendorff 2004, ch. 11): the disagreement seen within images over the disagreement of
answers paired at random. Images that fewer than two people answered have no pairs and are left out.

Do needs one number per image and De the count of each distinct value, so nothing grows with pairs of answers: a million
judgements are no more than their images and their different values.

Alpha and kappa collapse on rare labels however well people agree on them, so each label comes with its prevalence and
Gwet's AC1, which does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import numpy as np
import pandas as pd

from affectml_annotation.agreement.values import (
    BoolArray,
    FloatArray,
    IntArray,
    Interval,
    SetDistance,
    add_bounds,
    blocks_of,
    distance_table,
    divided,
    interval,
    numbers_of,
    set_codes,
    similar_pairs,
    without_each,
)
from affectml_annotation.errors import BadJudgement
from affectml_annotation.judgements import Rounds, Votes, count_votes, found_labels, one_look

Distance = Literal["masi", "jaccard", "nominal", "interval"]
OF_SETS = get_args(SetDistance)

BLOCK = 512  # distinct sets whose distances to all others are looked at together


@dataclass(frozen=True)
class Alpha(Interval):
    """Krippendorff's alpha: value, low, high, and what it rests on.

    observed, expected: Do and De (interval: in units of the squared range of the values). images, judgements: how many
    of them have pairs.
    """

    observed: float = float("nan")
    expected: float = float("nan")
    images: int = 0
    judgements: int = 0


Evaluate = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def _sets(image: IntArray, chosen: BoolArray, size: FloatArray, distance: SetDistance) -> Evaluate:
    """Do and De through distances between distinct sets, of which a block at a time has its own with all others."""
    from scipy.sparse import csr_array

    code, sets = set_codes(chosen)
    counts = csr_array((np.ones(len(image)), (code, image)))  # [V, N]: how often each set was given to each image
    seen = np.zeros(len(size))
    for i, _, alike in similar_pairs(image, chosen, distance):
        seen += np.bincount(image[i], weights=1 - alike, minlength=len(size))
    seen = 2 * seen / (size - 1)

    def evaluate(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        drawn = (counts @ weights.T).T
        across = np.zeros(len(weights))
        for at in range(0, len(sets), BLOCK):
            some = slice(at, at + BLOCK)
            across += ((drawn[:, some] @ distance_table(sets[some], sets, distance)) * drawn).sum(axis=1)
        return weights @ seen, across

    return evaluate


def _interval(image: IntArray, numbers: FloatArray, size: FloatArray) -> Evaluate:
    """Squared differences need only sums and sums of squares."""
    x = (numbers - numbers.min()) / (np.ptp(numbers) or 1.0)
    one, two = np.bincount(image, weights=x), np.bincount(image, weights=x**2)
    seen = 2 * (size * two - one**2) / (size - 1)

    def evaluate(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        n = weights @ size
        return weights @ seen, 2 * (n * (weights @ two) - (weights @ one) ** 2)

    return evaluate


def _alpha(evaluate: Evaluate, size: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Alpha, Do and De for each row of weights of images."""
    within, across = evaluate(weights)
    n = weights @ size
    observed, expected = divided(within, n), divided(across, n * (n - 1))
    varied = expected > 1e-12  # less is the rounding of answers that do not differ
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(varied, 1 - observed / expected, np.nan), observed, expected


def krippendorff_alpha(
    judgements: pd.DataFrame,
    distance: Distance = "masi",
    *,
    labels: Sequence[str] | None = None,
    value: str | None = None,
    rounds: Rounds = "first",
    intervals: bool = False,
) -> Alpha:
    """Krippendorff's alpha of a judgement table (Krippendorff 2004; MASI: Passonneau 2006).

    Args:
        judgements: a judgement table.
        distance: `masi`, `jaccard` and `nominal` compare sets of labels (the empty set is an answer: distance 0 to
            itself, 1 to any other). `interval` compares numbers.
        labels: all labels in use; without it, those that occur.
        value: the column of numbers: "valence", or "intensities:LABEL".
        rounds: which looks count; see `encode`. "all" is refused: it would pair a person with themselves.
        intervals: whether to have the interval, for other images.

    Returns:
        Alpha with its interval. Its value is nan, and `undefined` says why, where no image has two answers or where
        everybody always said the same, so that nothing is left to agree on.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables, or options that do not go together.
        UnknownLabel: a row has a label that is not in `labels`.

    >>> table = pd.DataFrame({
    ...     "image_id": ["a", "a", "b", "b"], "annotator_id": ["u", "v", "u", "v"], "round": 1,
    ...     "kind": "labels", "labels": [["org"], ["org", "loc"], ["loc"], ["loc", "per"]],
    ... })
    >>> round(krippendorff_alpha(table, "masi").value, 4), round(krippendorff_alpha(table, "jaccard").value, 4)
    (0.1818, 0.28)
    """
    if distance not in get_args(Distance):
        raise BadJudgement(f"distance: expected one of {', '.join(get_args(Distance))}, but received {distance!r}")
    if (value is None) != (distance in OF_SETS):
        raise BadJudgement(
            f"value: {', '.join(OF_SETS)} compare sets of labels; interval compares numbers, of the column that "
            f"value names; received distance {distance!r} and value {value!r}"
        )
    panel = one_look(judgements, _names(judgements, labels), rounds=rounds)
    answers = panel.answers()
    image, said = (answers.image, answers.chosen) if value is None else numbers_of(panel, judgements, value)
    paired = np.bincount(image, minlength=1)[image] >= 2
    if not paired.any():
        return Alpha(float("nan"), undefined="no image has answers of two people")
    image, said = np.unique(image[paired], return_inverse=True)[1], said[paired]
    size = np.bincount(image).astype(np.float64)
    evaluate = _interval(image, said, size) if distance == "interval" else _sets(image, said, size, distance)
    alpha = partial(_alpha, evaluate, size)
    point, observed, expected = (float(part[0]) for part in alpha(np.ones((1, len(size)))))
    undefined = "everybody always gave the same answer" if np.isnan(point) else None
    found = Interval(point, undefined=undefined)
    if intervals and undefined is None:
        left_out = np.concatenate([alpha(part)[0] for part in without_each(blocks_of(len(size)))])
        found = interval(point, left_out, units=len(size), bounds=(1 - 1 / expected, 1.0))
    return Alpha(**vars(found), observed=observed, expected=expected, images=len(size), judgements=int(size.sum()))


def _names(judgements: pd.DataFrame, labels: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(labels) if labels is not None else (found_labels(judgements) or ("none",))


def _per_label(weights: FloatArray, votes: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Prevalence, alpha and AC1 of each label, [B, C], for weights [B, N] of images."""
    paired = n >= 2
    k, m = votes[paired], n[paired][:, None]
    w = weights[:, paired]
    with np.errstate(divide="ignore", invalid="ignore"):
        # alpha over pairable answers
        apart = w @ (2 * k * (m - k) / (m - 1))
        yes, total = w @ k, w @ m
        expected = 2 * yes * (total - yes)
        alpha = np.where(expected > 0, 1 - (total - 1) * apart / expected, np.nan)
        # AC1: agreement over images with pairs, prevalence over every image with an answer
        agreed = (w @ ((k * (k - 1) + (m - k) * (m - k - 1)) / (m * (m - 1)))) / w.sum(axis=1, keepdims=True)
        any_ = n >= 1
        share = (weights[:, any_] @ (votes[any_] / n[any_][:, None])) / weights[:, any_].sum(axis=1, keepdims=True)
        chance = 2 * share * (1 - share)
        ac1 = (agreed - chance) / (1 - chance)
    return share, alpha, ac1


def label_agreement(
    judgements: pd.DataFrame | Votes,
    labels: Sequence[str] | None = None,
    *,
    rounds: Rounds = "first",
    intervals: bool = False,
) -> pd.DataFrame:
    """One row per label: how many answers hold it, and how well people agree on whether it applies.

    Columns: label, answers (that hold it), prevalence (mean share over images), alpha (nominal Krippendorff on
    yes and no), ac1 (Gwet 2008), and alpha_low, alpha_high, ac1_low, ac1_high where `intervals` over images
    were asked for. alpha is nan (undefined) for a label that everybody or nobody chose; both are nan
    where no image has two answers. Vote counts will do, as this needs to know how many, not who. Arguments
    otherwise as for `krippendorff_alpha`.
    """
    if isinstance(judgements, Votes):
        counted = judgements
    else:
        names = tuple(labels) if labels is not None else found_labels(judgements)
        counted = count_votes(judgements, names, rounds=rounds)
    votes, n = counted.votes.astype(np.float64), counted.n.astype(np.float64)
    share, alpha, ac1 = (part[0] for part in _per_label(np.ones((1, len(n))), votes, n))
    found = pd.DataFrame({
        "label": counted.labels,
        "answers": counted.votes.sum(axis=0),
        "prevalence": share,
        "alpha": alpha,
        "ac1": ac1,
    })  # fmt: skip
    if intervals:
        units = int((n >= 2).sum())
        parts = [_per_label(part, votes, n)[1:] for part in without_each(blocks_of(len(n)))]
        left_out = [np.concatenate(each)[: len(n) * (units > 1)] for each in zip(*parts, strict=True)]
        with np.errstate(divide="ignore"):
            lowest = {"alpha": 1 - 1 / (2 * share * (1 - share)), "ac1": np.full(len(share), -1.0)}
        for name, without in zip(lowest, left_out, strict=True):
            spans = [
                interval(value, each, units=units, bounds=(low, 1.0))
                for value, each, low in zip(found[name], without.T, lowest[name], strict=True)
            ]
            add_bounds(found, name, spans)
    return found
