"""Agreement of all people together: Krippendorff's alpha, and each label by itself.

alpha = 1 - Do / De (Krippendorff 2004, ch. 11): the disagreement seen within images over the disagreement of
answers paired at random. Images that fewer than two people answered have no pairs and are left out.

Do needs one number per image and De the count of each distinct value, so nothing grows with pairs of answers: a million
judgements are no more than their images and their different values.

Alpha and kappa collapse on rare labels however well people agree on them, so each label comes with its prevalence and
Gwet's AC1, which does not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectml_annotation.errors import BadJudgement
from affectml_annotation.judgements import Panel, Rounds, Votes, count_votes, found_labels, one_look

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
SetDistance = Literal["masi", "jaccard", "nominal"]
Distance = Literal["masi", "jaccard", "nominal", "interval"]
OF_SETS = get_args(SetDistance)
Evaluate = Callable[[FloatArray], tuple[FloatArray, FloatArray]]  # Do and De of weights of images

LEVEL = 0.95  # of every interval
_PAIRS = 2_000_000  # at once
BLOCK = 512  # distinct sets whose distances to all others are looked at together
BLOCKS = 200  # left out one by one at most: one image each, or where there are more, as many of them in each
_CELLS = 2**22  # weights at once
SKEWED_FROM = 15  # blocks; of fewer nobody knows the skewness


def divided(values: npt.ArrayLike, by: npt.ArrayLike) -> FloatArray:
    """values / by; nan or inf where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.divide(values, by), dtype=np.float64)


def set_codes(chosen: BoolArray) -> tuple[IntArray, BoolArray]:
    """Number the distinct rows of indicators [M, C]: codes [M], distinct sets [V, C]."""
    if chosen.shape[1] <= 62:
        key = chosen @ (np.int64(1) << np.arange(chosen.shape[1], dtype=np.int64))
        _, first, code = np.unique(key, return_index=True, return_inverse=True)
    else:
        packed = np.packbits(chosen, axis=1)
        rows = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
        _, first, code = np.unique(rows, return_index=True, return_inverse=True)
    return code.astype(np.int64), chosen[first]


def numbers_of(panel: Panel, judgements: pd.DataFrame, value: str) -> tuple[IntArray, FloatArray]:
    """Every answer as a number: the image [M] of each, and the number [M]; missing ones are left out.

    value: a numeric column (valence, arousal), or `intensities:LABEL`, the number beside that label in such a column.
    """
    if ":" in value and value not in judgements.columns:
        panel = panel.answers()
        numbers = _beside(panel, judgements, *value.split(":", 1))
    elif value in judgements.columns:  # a place on the valence-arousal plane counts whatever was said of the labels
        column = pd.to_numeric(judgements[value], errors="raise").to_numpy(dtype=float, na_value=np.nan)
        numbers = column[panel.row]
    else:
        raise BadJudgement(f"value: no column {value!r} in the table (columns: {', '.join(judgements.columns)})")
    known = np.isfinite(numbers)
    return panel.image[known], numbers[known]


def _beside(answers: Panel, judgements: pd.DataFrame, column: str, label: str) -> FloatArray:
    if label not in answers.labels or column not in judgements.columns:
        raise BadJudgement(f"value: no {column} of {label!r} in the table")
    given = judgements[["labels", column]].iloc[answers.row].reset_index(drop=True)
    given = given[(given.map(np.ndim) > 0).all(axis=1)]
    apart = given["labels"].map(len) != given[column].map(len)
    if apart.any():
        at = int(np.flatnonzero(apart)[0])
        names, strengths = given.iloc[at]
        raise BadJudgement(
            f"judgement row {answers.row[given.index[at]]}: {len(names)} labels but {len(strengths)} {column}; "
            "expected one for each label, in their order"
        )
    beside = given.explode(["labels", column])
    theirs = beside.loc[beside["labels"] == label, column]
    return pd.to_numeric(theirs).reindex(range(len(answers.row))).to_numpy(dtype=np.float64, na_value=np.nan)


def image_pairs(image: IntArray) -> Iterator[tuple[IntArray, IntArray]]:
    """Every unordered pair of answers to one image, as positions (i [P], j [P]) with i before j, in chunks."""
    order = np.argsort(image, kind="stable")
    _, start, size = np.unique(image[order], return_index=True, return_counts=True)
    for many in np.unique(size[size >= 2]):
        a, b = np.triu_indices(int(many), k=1)
        at = start[size == many]
        step = max(1, _PAIRS // len(a))
        for begin in range(0, len(at), step):
            some = at[begin : begin + step, None]
            yield order[(some + a).ravel()], order[(some + b).ravel()]


def distance_from_sizes(
    shared: npt.NDArray[np.generic],
    first: npt.NDArray[np.generic],
    second: npt.NDArray[np.generic],
    distance: SetDistance,
) -> FloatArray:
    """Distances of pairs of sets, from the sizes of their intersection and of each; any broadcastable shapes.

    jaccard: 1 - |A and B| / |A or B|. masi: 1 - J * m with m = 1 for equal sets, 2/3 where one lies inside the
    other, 1/3 where they overlap, 0 where they are disjoint (Passonneau 2006). nominal: 1 unless equal.
    """
    both, a, b = (np.asarray(size, dtype=np.float64) for size in (shared, first, second))
    union = a + b - both
    equal = both == union
    if distance == "nominal":
        return np.asarray(~equal, dtype=np.float64)
    similarity = np.where(union > 0, both / np.maximum(union, 1), 1.0)
    if distance == "masi":
        inside = both == np.minimum(a, b)
        similarity = similarity * np.where(equal, 1.0, np.where(inside, 2 / 3, 1 / 3))
    result: FloatArray = 1 - similarity
    return result


def set_distances(first: BoolArray, second: BoolArray, distance: SetDistance = "masi") -> FloatArray:
    """Row by row: sets as indicators [P, C] and [P, C] to distances [P]."""
    return distance_from_sizes((first & second).sum(axis=1), first.sum(axis=1), second.sum(axis=1), distance)


def distance_table(first: BoolArray, second: BoolArray, distance: SetDistance = "masi") -> FloatArray:
    """All pairs: sets as indicators [V, C] and [W, C] to distances [V, W]."""
    a, b = first.astype(np.float32), second.astype(np.float32)
    return distance_from_sizes(a @ b.T, a.sum(axis=1)[:, None], b.sum(axis=1)[None, :], distance)


@dataclass(frozen=True)
class Interval:
    """A value with its interval: the union of Student's t and Hall's (1992), which allows for skewness, by jackknife.

    `low` and `high` are None where no interval was asked for, and where the value rests on one image or group, which
    says nothing of others: there is one, or without that one there is no value. An undefined value is nan, and
    `undefined` says why.
    """

    value: float
    low: float | None = None
    high: float | None = None
    undefined: str | None = None

    def __str__(self) -> str:
        if self.undefined:
            return f"undefined ({self.undefined})"
        span = "" if self.low is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.value:.3f}{span}"

    def as_dict(self) -> dict[str, float | str | None]:
        """Plain values for JSON; an undefined value is None, with its reason."""
        value = None if np.isnan(self.value) else self.value
        found: dict[str, float | str | None] = {"value": value, "low": self.low, "high": self.high}
        return found | ({"undefined": self.undefined} if self.undefined else {})


def with_interval(value: float | None, low: float | None, high: float | None) -> str:
    """`0.80 [0.71, 0.86]`; the value alone where it has no interval, and a dash where there is no value."""
    if pd.isna(value):
        return "–"
    return f"{value:.2f}" if pd.isna(low) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def blocks_of(images: int) -> IntArray:
    """Which images [N] are left out together: each by itself, or of many those of a random block.

    Blocks are always drawn alike, and not by the images' order, which makes blocks more alike than chance.
    """
    return np.arange(images) if images <= BLOCKS else np.random.default_rng(0).permutation(images) % BLOCKS


def without_each(blocks: IntArray) -> Iterator[FloatArray]:
    """Weights [b, N] of 0 and 1 that leave out each block in turn, some blocks at a time."""
    count = int(blocks.max(initial=-1)) + 1
    step = max(1, _CELLS // max(1, len(blocks)))
    for start in range(0, count, step):
        yield (blocks != np.arange(start, min(start + step, count))[:, None]).astype(np.float64)


def interval(
    value: float,
    left_out: npt.ArrayLike,
    *,
    units: int | None = None,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """The interval of `value` from its values [J] without each block; none where one of these is nan.

    The same as `affectml_metrics.mean_interval` and its like. units: how many images or groups there are, by default
    as many as blocks. bounds: what the value can be at most; where nothing varies the interval holds what `units` alike
    ones could have hidden (Clopper & Pearson 1934).
    Sources: Tukey 1958, jackknife; Hall 1992, "On the removal of skewness by transformation", eq. 2.
    """
    from scipy.special import stdtrit  # scipy.stats takes half a second to load

    without = np.asarray(left_out, dtype=np.float64)
    apart = value - without
    blocks = len(apart)
    if np.isnan([value, *without]).any() or blocks < 2:
        return Interval(value)
    lowest, highest = bounds
    squares = float((apart**2).sum())
    error = np.sqrt(squares * (blocks - 1) / blocks)
    if error <= 1e-12 * abs(value):
        hidden = 1 - ((1 - LEVEL) / 2) ** (1 / (units or blocks))
        low, high = (value + hidden * (end - value) if np.isfinite(end) else value for end in bounds)
        return Interval(value, float(low), float(high))
    skew = float((apart**3).sum() / squares**1.5) if blocks >= SKEWED_FROM else 0.0
    t = float(stdtrit(blocks - 1, (1 + LEVEL) / 2))
    hall = [_without_skew(side, skew) for side in (t, -t)]
    low, high = value - error * max(t, hall[0]), value + error * max(t, -hall[1])
    return Interval(value, float(max(low, lowest)), float(min(high, highest)))


def _without_skew(t: float, skew: float) -> float:
    """The inverse of Hall's cubic t + a t² + a² t³ / 3 + skew / 6, with a = skew / 3."""
    cube = skew * (t - skew / 6)
    root = np.expm1(np.log1p(cube) / 3) if cube > -0.5 else np.cbrt(1 + cube) - 1
    return float(3 * root / skew) if skew else t


def similar_pairs(
    image: IntArray, chosen: BoolArray, distance: SetDistance = "masi"
) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Every pair of answers to one image, with 1 - distance. chosen [M, C]: the sets."""
    for i, j in image_pairs(image):
        yield i, j, 1 - set_distances(chosen[i], chosen[j], distance)


def add_bounds(found: pd.DataFrame, name: str, spans: Sequence[Interval]) -> None:
    """Put the two ends of a column's intervals into a table, as NAME_low and NAME_high; nan where there is none."""
    found[f"{name}_low"] = np.array([span.low for span in spans], dtype=np.float64)
    found[f"{name}_high"] = np.array([span.high for span in spans], dtype=np.float64)


def plain_rows(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """A table's rows for JSON; nan is None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


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


def _sets(image: IntArray, chosen: npt.NDArray[Any], size: FloatArray, distance: SetDistance) -> Evaluate:
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


def _interval(image: IntArray, numbers: npt.NDArray[Any], size: FloatArray) -> Evaluate:
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
