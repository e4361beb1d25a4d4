"""Agreement of all people together: Krippendorff's alpha, each label by itself, and the kappa family.

alpha = 1 - Do / De (Krippendorff 2004, ch. 11): the disagreement seen within images over the disagreement of
answers paired at random. Images that fewer than two people answered have no pairs and are left out.

Do needs one number per image and De the count of each distinct value, so nothing grows with pairs of answers: a million
judgements are no more than their images and their different values.

Alpha and kappa collapse on rare labels however well people agree on them, so each label comes with its prevalence and
Gwet's AC1, which does not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import pandas as pd

from affectml_annotation.agreement.values import (
    FloatArray,
    IntArray,
    Interval,
    Values,
    add_bounds,
    blocks_of,
    distance_table,
    divided,
    group_numbers,
    image_pairs,
    interval,
    number_values,
    one_look,
    set_distances,
    set_values,
    without_each,
)
from affectml_annotation.errors import BadJudgement
from affectml_annotation.judgements import Panel, Rounds, Votes, count_votes, found_labels

Distance = Literal["masi", "jaccard", "nominal", "ordinal", "interval", "ratio"]
DISTANCES = ("masi", "jaccard", "nominal", "ordinal", "interval", "ratio")

# Up to this many distinct values De is computed exactly without each block. Above, it goes by the
# first-order change of De with the counts, whose error is of the order of 1 / images.
EXACT_VALUES = 2000
BLOCK = 512


@dataclass(frozen=True)
class Alpha(Interval):
    """Krippendorff's alpha: value, low, high, and what it rests on.

    observed, expected: Do and De (interval: in units of the squared range of the values; ordinal: of the
    squared number of answers). images, judgements: how many of them have pairs.
    """

    observed: float = float("nan")
    expected: float = float("nan")
    images: int = 0
    judgements: int = 0


Evaluate = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def _counts(values: Values, images: int) -> Any:
    """Sparse [V, N]: how often each value was given to each image."""
    from scipy.sparse import csr_array

    ones = np.ones(len(values.image))
    return csr_array((ones, (values.value, values.image)), shape=(len(values.names), images))


def _seen_by_pairs(values: Values, size: FloatArray, between: Callable[[IntArray, IntArray], FloatArray]) -> FloatArray:
    """Disagreement within each image [N]: the sum over ordered pairs of its answers, over (size - 1)."""
    seen = np.zeros(len(size))
    for i, j in image_pairs(values.image):
        apart = between(values.value[i], values.value[j])
        seen += np.bincount(values.image[i], weights=apart, minlength=len(size))
    return 2 * seen / (size - 1)


def _by_table(
    values: Values, size: FloatArray, table: Callable[..., FloatArray], between: Callable[..., FloatArray]
) -> Evaluate:
    """Do and De through distances between distinct values: `table` of all pairs, `between` those that stand beside."""
    counts, names = _counts(values, len(size)), values.names
    if len(names) <= EXACT_VALUES:
        whole = table(names, names)
        seen = _seen_by_pairs(values, size, lambda a, b: whole[a, b])

        def evaluate(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
            drawn = (counts @ weights.T).T
            return weights @ seen, ((drawn @ whole) * drawn).sum(axis=1)

        return evaluate
    seen = _seen_by_pairs(values, size, lambda a, b: between(names[a], names[b]))
    total = np.asarray(counts.sum(axis=1)).ravel()
    pull = np.concatenate([table(names[at : at + BLOCK], names) @ total for at in range(0, len(names), BLOCK)])
    constant = float(total @ pull)

    def linearised(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        drawn = (counts @ weights.T).T
        return weights @ seen, constant + 2 * (drawn - total) @ pull

    return linearised


def _nominal(values: Values, size: FloatArray) -> Evaluate:
    counts = _counts(values, len(size))
    agreed = np.asarray((counts.multiply(counts)).sum(axis=0)).ravel()
    seen = (size**2 - agreed) / (size - 1)

    def evaluate(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        drawn = (counts @ weights.T).T
        return weights @ seen, drawn.sum(axis=1) ** 2 - (drawn**2).sum(axis=1)

    return evaluate


def _interval(values: Values, size: FloatArray) -> Evaluate:
    """Squared differences need only sums and sums of squares."""
    low, high = values.names.min(), values.names.max()
    x = ((values.names - low) / (high - low if high > low else 1.0))[values.value]
    one = np.bincount(values.image, weights=x, minlength=len(size))
    two = np.bincount(values.image, weights=x**2, minlength=len(size))
    seen = 2 * (size * two - one**2) / (size - 1)

    def evaluate(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        n = weights @ size
        return weights @ seen, 2 * (n * (weights @ two) - (weights @ one) ** 2)

    return evaluate


def _ordinal(values: Values, size: FloatArray) -> Evaluate:
    """The ordinal difference of two values is the difference of their mid-ranks, so interval alpha on ranks."""
    counts = _counts(values, len(size))

    def evaluate(weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        found = []
        for row, drawn in zip(weights, (counts @ weights.T).T, strict=True):
            n = drawn.sum()
            rank = (np.cumsum(drawn) - drawn / 2) / n
            one, two = counts.T @ rank, counts.T @ rank**2
            seen = 2 * (size * two - one**2) / (size - 1)
            found.append((row @ seen, 2 * (n * (drawn @ rank**2) - (drawn @ rank) ** 2)))
        both = np.array(found)
        return both[:, 0], both[:, 1]

    return evaluate


def _scheme(values: Values, size: FloatArray, distance: Distance) -> Evaluate:
    if distance == "nominal":
        return _nominal(values, size)
    if distance == "interval":
        return _interval(values, size)
    if distance == "ordinal":
        return _ordinal(values, size)
    if distance == "ratio":
        if (values.names < 0).any():
            raise BadJudgement("ratio: expected numbers of zero or more, but received a negative one")

        def ratio(a: FloatArray, b: FloatArray) -> FloatArray:
            total = a + b
            return np.where(total > 0, ((a - b) / np.where(total > 0, total, 1)) ** 2, 0.0)

        return _by_table(values, size, lambda a, b: ratio(a[:, None], b), ratio)
    return _by_table(
        values, size, partial(distance_table, distance=distance), partial(set_distances, distance=distance)
    )


def _values_of(panel: Panel, judgements: pd.DataFrame, distance: Distance, value: str | None) -> Values:
    """What is compared: numbers or sets, by the distance."""
    if distance in ("ordinal", "interval", "ratio"):
        return number_values(panel, judgements, value)
    if value is not None:
        raise BadJudgement(f"value: {distance} compares sets of labels; numbers go with ordinal, interval, ratio")
    return set_values(panel)


def _alpha(evaluate: Evaluate, size: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Alpha, Do and De for each row of weights of images."""
    within, across = evaluate(weights)
    n = weights @ size
    observed, expected = divided(within, n), divided(across, n * (n - 1))
    varied = expected > 1e-12  # less is the rounding of answers that do not differ
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(varied, 1 - observed / expected, np.nan), observed, expected


def _with_interval(
    alpha: Callable[[FloatArray], tuple[FloatArray, FloatArray, FloatArray]],
    size: FloatArray,
    together: IntArray | None,
    intervals: bool,
    level: float,
) -> Alpha:
    """From alpha, Do and De for each row of weights of images; together: groups of images that are left out at once."""
    value, observed, expected = (float(part[0]) for part in alpha(np.ones((1, len(size)))))
    undefined = "everybody always gave the same answer" if np.isnan(value) else None
    found = Interval(value, undefined=undefined)
    if intervals and undefined is None:
        units = len(size) if together is None else int(together.max()) + 1
        left_out = np.concatenate([alpha(part)[0] for part in without_each(blocks_of(len(size), together))])
        found = interval(value, left_out, units=units, level=level, bounds=(1 - 1 / expected, 1.0))
    return Alpha(**vars(found), observed=observed, expected=expected, images=len(size), judgements=int(size.sum()))


def krippendorff_alpha(
    judgements: pd.DataFrame,
    distance: Distance = "masi",
    *,
    labels: Sequence[str] | None = None,
    value: str | None = None,
    rounds: Rounds = "first",
    intervals: bool = False,
    level: float = 0.95,
    groups: Mapping[str, object] | None = None,
) -> Alpha:
    """Krippendorff's alpha of a judgement table (Krippendorff 2004; MASI: Passonneau 2006).

    Args:
        judgements: a judgement table.
        distance: `masi`, `jaccard` and `nominal` compare sets of labels (the empty set is an answer: distance 0 to
            itself, 1 to any other). `ordinal`, `interval` and `ratio` compare numbers.
        labels: all labels in use; without it, those that occur.
        value: the column of numbers ("valence", or "intensities:LABEL"). Without it, the labels themselves are the
            numbers, where each answer is one label.
        rounds: which looks count; see `encode`. "all" is refused: it would pair a person with themselves.
        intervals: whether to have the interval, for other images.
        level: of the interval.
        groups: image id to its group, where images are not independent.

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
    if distance not in DISTANCES:
        raise BadJudgement(f"distance: expected one of {', '.join(DISTANCES)}, but received {distance!r}")
    panel = one_look(judgements, _names(judgements, labels), rounds)
    values, kept = _values_of(panel, judgements, distance, value).pairable()
    if not len(values.image):
        return Alpha(float("nan"), undefined="no image has answers of two people")
    size = np.bincount(values.image).astype(np.float64)
    evaluate = _scheme(values, size, distance)
    together = group_numbers(panel.image_ids, groups)
    together = None if together is None else np.unique(together[kept], return_inverse=True)[1]
    return _with_interval(partial(_alpha, evaluate, size), size, together, intervals, level)


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
    level: float = 0.95,
    groups: Mapping[str, object] | None = None,
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
        together = group_numbers(counted.image_id, groups)
        paired = n >= 2
        units = len(np.unique(np.arange(len(n))[paired] if together is None else together[paired]))
        parts = [_per_label(part, votes, n)[1:] for part in without_each(blocks_of(len(n), together))]
        left_out = [np.concatenate(each)[: len(n) * (units > 1)] for each in zip(*parts, strict=True)]
        with np.errstate(divide="ignore"):
            lowest = {"alpha": 1 - 1 / (2 * share * (1 - share)), "ac1": np.full(len(share), -1.0)}
        for name, without in zip(lowest, left_out, strict=True):
            spans = [
                interval(value, each, units=units, level=level, bounds=(low, 1.0))
                for value, each, low in zip(found[name], without.T, lowest[name], strict=True)
            ]
            add_bounds(found, name, spans)
    return found


@dataclass(frozen=True)
class NominalAgreement:
    """Agreement on answers as categories: share of agreeing pairs, and three ways to correct it for chance."""

    percent: float
    fleiss_kappa: float
    conger_kappa: float
    gwet_ac1: float
    categories: int


def nominal_agreement(
    judgements: pd.DataFrame, *, labels: Sequence[str] | None = None, rounds: Rounds = "first"
) -> NominalAgreement:
    """Percent agreement, Fleiss' and Conger's kappa and Gwet's AC1 over whole answers as categories.

    Two answers agree when their sets are equal. Missing answers are allowed, as in Gwet (2014, ch. 2-5):
    agreement over images with two answers or more, category shares over every image with one.

    Args:
        judgements: a judgement table.
        labels: all labels in use; without it, those that occur.
        rounds: which looks count; see `encode`.

    Returns:
        The four coefficients. One is nan where chance agreement is 1, or where no image has two answers.

    Raises:
        BadJudgement: a row breaks the contract of judgement tables, or rounds is "all".
        UnknownLabel: a row has a label that is not in `labels`.
    """
    panel = one_look(judgements, _names(judgements, labels), rounds).answers()
    values = set_values(panel)
    categories = len(values.names)
    if not categories:
        return NominalAgreement(*(float("nan"),) * 4, categories=0)
    counts: FloatArray = np.zeros((len(panel.image_ids), categories))
    np.add.at(counts, (values.image, values.value), 1)
    n = counts.sum(axis=1)
    many, some = n >= 2, n >= 1
    pairs = (n * (n - 1))[many]
    agreed = float(((counts * (counts - 1)).sum(axis=1)[many] / pairs).mean()) if many.any() else float("nan")
    share = (counts[some] / n[some, None]).mean(axis=0)
    own = np.zeros((len(panel.annotator_ids), categories))
    np.add.at(own, (panel.annotator, values.value), 1)
    own = own[own.sum(axis=1) > 0]
    own = own / own.sum(axis=1, keepdims=True)
    raters = len(own)
    spread = own.var(axis=0, ddof=1) if raters > 1 else np.zeros(categories)
    by_chance = {
        "fleiss_kappa": float((share**2).sum()),
        "conger_kappa": float((own.mean(axis=0) ** 2 - spread / raters).sum()),
        "gwet_ac1": float((share * (1 - share)).sum() / (categories - 1)) if categories > 1 else 0.0,
    }
    corrected = {
        name: (agreed - chance) / (1 - chance) if chance < 1 - 1e-12 else float("nan")
        for name, chance in by_chance.items()
    }
    return NominalAgreement(percent=agreed, categories=categories, **corrected)
