"""What agreement is made of: answers as numbers, pairs of them, distances between sets, and intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectml_annotation.errors import BadJudgement
from affectml_annotation.judgements import Panel

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
SetDistance = Literal["masi", "jaccard", "nominal"]

LEVEL = 0.95  # of every interval
_PAIRS = 2_000_000  # at once
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
