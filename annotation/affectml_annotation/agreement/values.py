"""What is compared: answers as numbered values of images, and the pairs of answers to one image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from affectml_annotation.errors import BadJudgement
from affectml_annotation.judgements import Panel

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_PAIRS = 2_000_000  # at once


def divided(values: npt.ArrayLike, by: npt.ArrayLike) -> FloatArray:
    """values / by; nan or inf where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.divide(values, by), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Values:
    """Answers as values: image [M] and value [M] are numbers, and `names` [V] says what each value is.

    `names` is [V, C] indicators for sets, [V] floats for numbers.
    """

    image: IntArray
    value: IntArray
    names: BoolArray | FloatArray

    def pairable(self) -> "tuple[Values, IntArray]":
        """Only images with two answers or more, images and values renumbered; and their old image numbers."""
        size = np.bincount(self.image, minlength=1)
        keep = size[self.image] >= 2
        images, image = np.unique(self.image[keep], return_inverse=True)
        used, value = np.unique(self.value[keep], return_inverse=True)
        return Values(image.astype(np.int64), value.astype(np.int64), self.names[used]), images.astype(np.int64)


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


def set_values(panel: Panel) -> Values:
    """Every answer as a set of labels."""
    answers = panel.answers()
    code, sets = set_codes(answers.chosen)
    return Values(answers.image, code, sets)


def number_values(panel: Panel, judgements: pd.DataFrame, value: str | None) -> Values:
    """Every answer as a number.

    value: a numeric column (valence, arousal); `intensities:LABEL`, the number beside that label in such a column; or
    None, where each answer is one label and the labels are numbers. Missing numbers are left out.
    """
    answers = panel.answers()
    if value is None:
        numbers = _numbers_of_labels(answers)
    elif ":" in value and value not in judgements.columns:
        numbers = _beside(answers, judgements, *value.split(":", 1))
    elif value in judgements.columns:
        column = pd.to_numeric(judgements[value], errors="raise").to_numpy(dtype=float, na_value=np.nan)
        numbers = column[panel.row]
        answers = panel  # a place on the valence-arousal plane counts whatever was said of the labels
    else:
        raise BadJudgement(f"value: no column {value!r} in the table (columns: {', '.join(judgements.columns)})")
    known = np.isfinite(numbers)
    names, code = np.unique(numbers[known], return_inverse=True)
    return Values(answers.image[known], code.astype(np.int64), names)


def _numbers_of_labels(answers: Panel) -> FloatArray:
    sizes = answers.chosen.sum(axis=1)
    try:
        numbers = np.array([float(label) for label in answers.labels])
    except (TypeError, ValueError):
        raise BadJudgement(
            f"labels {list(answers.labels)} are not numbers; name a numeric column with value=, or choose the "
            "distance masi, jaccard or nominal"
        ) from None
    if (sizes != 1).any():
        row = int(answers.row[np.flatnonzero(sizes != 1)[0]])
        raise BadJudgement(f"judgement row {row}: expected one number as its label; sets have no single number")
    found: FloatArray = numbers[answers.chosen.argmax(axis=1)]
    return found


def _beside(answers: Panel, judgements: pd.DataFrame, column: str, label: str) -> FloatArray:
    if label not in answers.labels or column not in judgements.columns:
        raise BadJudgement(f"value: no {column} of {label!r} in the table")
    numbers = np.full(len(answers.row), np.nan)
    given = judgements[["labels", column]].iloc[answers.row]
    for at, (names, strengths) in enumerate(zip(given["labels"], given[column], strict=True)):
        if names is None or strengths is None or np.ndim(names) == 0 or np.ndim(strengths) == 0:
            continue
        if len(names) != len(strengths):
            raise BadJudgement(
                f"judgement row {answers.row[at]}: {len(names)} labels but {len(strengths)} {column}; "
                "expected one for each label, in their order"
            )
        for name, strength in zip(names, strengths, strict=True):
            if name == label and strength is not None:
                numbers[at] = strength
    return numbers


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


def both_looks(looks: Sequence[Panel]) -> pd.DataFrame:
    """Pairs of looks of one person at one image: image, person, and where each look stands, at0 and at1."""
    frames = [
        pd.DataFrame({"image": look.image, "person": look.annotator, f"at{n}": np.arange(len(look.row))})
        for n, look in enumerate(looks)
    ]
    return frames[0].merge(frames[1], on=["image", "person"])


def group_numbers(image_ids: npt.NDArray[np.object_], groups: Mapping[str, object] | None) -> IntArray | None:
    """The group of each image as a number; an image without one is a group of its own."""
    if groups is None:
        return None
    keys = [("group", groups[str(i)]) if str(i) in groups else ("image", i) for i in image_ids]
    return pd.factorize(pd.Series(keys, dtype=object))[0].astype(np.int64)
