"""Answers in the target's labels and on one scale: which form was asked for, and what unmarked numbers are parts of."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from affectml.answers._config import Answer
from affectml.answers._numbers import Stated, fits, scale_of
from affectml.answers._pairs import CONFIDENT, NUMBERS, RANKING, YES_NO, Why, by_rank
from affectml.answers._rows import Row
from affectml.answers._wording import PEOPLE
from affectml.answers._words import Words, shown
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option

Shape = Literal["sets", "ranked", "rates", "distribution"]
SHAPES: tuple[str, ...] = get_args(Shape)
Floats = NDArray[np.float64]
_ASKED: dict[str, Answer] = {"sets": "sets", "ranked": "ranking", "rates": "shares", "distribution": "shares"}
_SCALES: dict[float, str] = {1: "shares 0 to 1", PEOPLE: f"counts of {PEOPLE}", 100: "percentages"}
_ROUNDED = 0.005  # a percentage without decimals is off by as much, and so a sum of C of them by C times that


@dataclass
class Received:
    """What a file held. rows: all; used: answers that count; samples: the most answers of one image.

    problems: reason -> places, with what else is known of each, in the order of REASONS. unknown_labels: how many
    answers named each; dropped from the answer, which stands. renamed: as spelt -> label. ways: how many answers were
    read in which way, such as "percentages".
    """

    rows: int = 0
    used: int = 0
    samples: int = 0
    what: str = ""
    shape: str = ""
    problems: dict[str, list[str]] = field(default_factory=dict)
    unknown_labels: Counter[str] = field(default_factory=Counter)
    renamed: dict[str, str] = field(default_factory=dict)
    ways: Counter[str] = field(default_factory=Counter)
    unknown_images: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Read:
    """A usable row in the target's labels: columns listed, or values [C] from 0 to 1; how it was read, and where."""

    listed: tuple[int, ...] | None
    values: Floats | None
    ranked: bool
    how: str
    place: str


def form_asked(rows: Sequence[Row], shape: str | None) -> Answer | None:
    """The form in which a file's answers count: as `shape` says, else as their requests asked; None where neither says.

    Raises:
        BadInput: for another shape, and where some requests asked for one form and some for another.
    """
    if shape is not None:
        if shape not in SHAPES:
            raise BadInput(f"{option('shape', shape)}: expected one of {', '.join(SHAPES)}")
        return _ASKED[shape]
    asked = Counter(row.asked for row in rows if row.asked)
    if len(asked) > 1:
        counts = ", ".join(f"{count} for {form}" for form, count in asked.most_common())
        raise BadInput(f"the requests asked for several forms of answer ({counts}); {_ways_out()}")
    return next(iter(asked), None)


def _ways_out() -> str:
    return f"judge them one by one, or say which form counts: {option('shape')} ({', '.join(SHAPES)})"


class Usable:
    """What can be used of the rows of one file.

    Args:
        rows: all rows of the file; those of each wording decide what its numbers are parts of that do not say it.
        words: the target's labels.
        shape: as the user says; None takes what was asked, or what they look like.
        one_label: whether answers make a distribution.

    Raises:
        BadInput: see `form_asked`.
    """

    def __init__(self, rows: Sequence[Row], words: Words, shape: str | None, *, one_label: bool) -> None:
        self._words, self._shape, self._one = words, shape, one_label
        self._asked = form_asked(rows, shape)
        self._scale: dict[int, float | None] = {}
        for wording in {row.wording for row in rows}:
            told = [row for row in rows if row.wording == wording and not row.problem and _bare(row)]
            told = [] if self._asked in ("sets", "ranking") else told
            self._scale[wording] = scale_of(map(_bare, told), asked=any(row.asked == "shares" for row in told))
        self._slack = _ROUNDED * len(words.taxonomy)

    def read(self, row: Row, received: Received) -> Read | str:
        """A row in the target's labels, or why it says nothing of them."""
        row = self._as_asked(row)
        if row.problem:
            return row.problem
        how = RANKING if row.ranked else row.how
        listed = None if row.labels is None else self._columns(row.labels, received)
        if isinstance(listed, str):
            return listed
        if row.ranked and not listed:
            return Why.NO_MASS
        scale = self._scale[row.wording]
        values = None if row.numbers is None else self._values(row.numbers, scale, received)
        if isinstance(values, str):
            return values
        if row.numbers is not None:
            how = (row.how if NUMBERS in row.how else NUMBERS).replace(NUMBERS, _unit(row.numbers, scale))
        return Read(listed, values, row.ranked, how, row.place)

    def _as_asked(self, row: Row) -> Row:
        """A row with what counts of it; with a problem where it says nothing in the form that counts."""
        asked, numbers = self._asked, row.numbers
        bare = _bare(row)
        if numbers and row.labels is None and asked == "sets" and len(bare) == len(numbers) and {*bare} <= {0, 1}:
            chosen = tuple(label for label, number in numbers.items() if number.value)
            return replace(row, labels=chosen, numbers=None, how=YES_NO)
        if numbers and row.labels is None and asked == "ranking" and (ranks := by_rank(numbers)):
            return replace(row, labels=ranks, ranked=True, numbers=None)
        if row.labels is None and asked in ("sets", "ranking"):
            return replace(row, problem=Why.NUMBERS if asked == "sets" else Why.UNRANKED)
        if numbers is None and asked == "shares":
            return replace(row, problem=Why.LABELS)
        if asked == "ranking":
            return replace(row, problem=Why.UNRANKED) if numbers else replace(row, ranked=True)
        if row.asked == asked == "shares":  # labels beside them, such as the first of them, are no set
            return replace(row, labels=None, ranked=False)
        if asked == "sets" and row.ranked and self._shape is None:
            return replace(row, problem=Why.RANKED)
        if row.how == CONFIDENT and asked == "shares":
            return replace(row, labels=None)
        return replace(row, numbers=None) if row.how == CONFIDENT or row.asked == asked == "sets" else row

    def _values(self, numbers: Mapping[str, Stated], scale: float | None, received: Received) -> Floats | str:
        """Shares of all labels [C], or why there are none."""
        bare = [number.value for number in numbers.values() if number.of is None]
        if any(bare):
            if scale is None or len(bare) < len(numbers):
                return Why.NO_SCALE
            if not fits(bare, scale):
                return Why.OUTSIDE if scale == 1 else Why.OTHER_SCALE
        labels = self._words.taxonomy
        values = np.full(len(labels), np.nan)
        for spelt, number in numbers.items():
            label = self._label(spelt, received)
            if label is not None:
                at = labels.index(label)
                values[at] = number.value / (number.of or scale or 1)
        if np.isnan(values).all():
            return Why.UNKNOWN_ONLY if numbers else Why.NO_RATE
        if (values < 0).any() or (values > 1 + SUM_TOLERANCE).any():
            return Why.OUTSIDE
        off = abs(np.nansum(values) - 1)
        if np.isnan(values).any() and off > (self._slack if self._one else SUM_TOLERANCE):
            return Why.NO_RATE  # of a distribution, what is not named has no share
        return np.asarray(np.nan_to_num(values).clip(0, 1))

    def _columns(self, spelt: Sequence[str], received: Received) -> tuple[int, ...] | str:
        """The columns of labels, each once, in their order; why there are none."""
        named = [word for word in spelt if not self._words.says_none(word)]
        if any(self._words.named(word) for word in named if not self._words.find(word)):
            return Why.QUALIFIED
        labels = [self._label(word, received) for word in dict.fromkeys(named)]
        known = [self._words.taxonomy.index(label) for label in labels if label is not None]
        if named and not known:
            return Why.UNKNOWN_ONLY
        return Why.CONTRADICTS if known and len(named) < len(spelt) else tuple(dict.fromkeys(known))

    def _label(self, spelt: str, received: Received) -> str | None:
        label = self._words.find(spelt)
        if label is None:
            received.unknown_labels[shown(spelt)] += 1
        elif label != spelt:
            received.renamed[shown(spelt)] = label
        return label

    def shape(self, reads: Sequence[Read], received: Received) -> Shape:
        """What the answers are: as asked, else as they look; what was taken for granted is noted."""
        every = sum(len(read.listed or ()) == len(self._words.taxonomy) for read in reads)
        table = np.array([read.values for read in reads if read.values is not None])
        units = {_SCALES[scale] for scale in self._scale.values() if scale and scale != 1}
        if units:
            taken = " or, by wording, ".join(sorted(units))
            received.notes.append(f"numbers without a unit are taken as {taken}, as most answers of the file show")
        if self._shape is not None:
            return self._shape  # type: ignore[return-value]
        if self._asked == "shares":
            return "distribution" if self._one else "rates"
        if self._asked == "ranking":
            return "ranked"
        if 0 < len(table) == len(reads):
            if np.isin(table, (0, 1)).all():
                return "sets"
            off = np.abs(table.sum(axis=1) - 1)
            sums = (off <= self._slack).mean() > 0.5 if self._one else (off <= SUM_TOLERANCE).all()
            return "distribution" if sums else "rates"
        forms = Counter(
            "rankings" if read.ranked else "lists of labels" if read.listed is not None else "numbers by label"
            for read in reads
        )
        if len(forms) > 1:
            counts = ", ".join(f"{count} are {form}" for form, count in forms.most_common())
            raise BadInput(f"some answers are of one form and some of another ({counts}); {_ways_out()}")
        if "rankings" in forms:
            return "ranked"
        if every and self._asked is None:
            how = option("shape", "ranked")
            received.notes.append(f"{every} lists name all labels: sets of all, or rankings with {how}")
        return "sets"

    def to_one(self, by_image: Mapping[str, Sequence[Read]], received: Received) -> dict[str, list[Read]]:
        """Distributions that sum to one; those that do so but for rounding are counted, others have a reason."""
        kept: dict[str, list[Read]] = {}
        rounded = 0
        for image, reads in by_image.items():
            for read in reads:
                assert read.values is not None
                total = read.values.sum()
                if abs(total - 1) > self._slack:
                    received.problems.setdefault(Why.NO_SUM, []).append(read.place)
                    continue
                rounded += abs(total - 1) > SUM_TOLERANCE
                kept.setdefault(image, []).append(replace(read, values=read.values / total))
        if rounded:
            received.notes.append(f"{rounded} answers sum to one but for rounding, and are divided by their sum")
        return kept


def _unit(numbers: Mapping[str, Stated], scale: float | None) -> str:
    """What numbers are: of zeros alone, what the others of their file are."""
    parts = {number.of or scale or 1 for number in numbers.values() if number.value} or {scale or 1}
    return _SCALES.get(parts.pop() if len(parts) == 1 else 0, "counts of n")


def _bare(row: Row) -> list[float]:
    """The numbers of a row that do not say what they are parts of."""
    return [number.value for number in (row.numbers or {}).values() if number.of is None]
