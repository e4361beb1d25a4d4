"""Answers in the target's labels and on one scale: which form was asked for, and what unmarked numbers are parts of."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from affectml.answers._config import Answer
from affectml.answers._numbers import Stated, fits, scale_of
from affectml.answers._pairs import NUMBERS, RANKING, SHARES, YES_NO, Why
from affectml.answers._rows import Row
from affectml.answers._wording import PEOPLE
from affectml.answers._words import Words, shown
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option

Shape = Literal["sets", "ranked", "rates", "distribution"]
SHAPES: tuple[str, ...] = get_args(Shape)
Floats = NDArray[np.float64]
_ASKED: dict[str, Answer] = {"sets": "sets", "ranked": "ranking", "rates": "shares", "distribution": "shares"}
_SCALES: dict[float, str] = {1: SHARES, PEOPLE: f"counts of {PEOPLE}", 100: "percentages"}
_FORMS = ("lists of labels", "rankings", "numbers by label")
_ROUNDED = 0.005  # a percentage without decimals is off by as much, and so a sum of C of them by C times that


@dataclass
class Received:
    """What a file held. rows: all; used: answers that count; samples: the most answers of one image.

    problems: reason -> places, with what else is known of each, in the order of REASONS. unknown_labels: how many
    answers named each; shortened: how many answers count without theirs. renamed: as spelt -> label. ways: how many
    answers were read in which way, such as "percentages".
    """

    rows: int = 0
    used: int = 0
    samples: int = 0
    shortened: int = 0
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
    """A usable row in the target's labels.

    values [C]: 1 for labels that are listed, falling from 1 in a ranking, or shares. own [C]: the set it gives, None
    where it gives none. form: one of `_FORMS`; how it was read, and where it stands.
    """

    values: Floats
    own: Floats | None
    form: str
    how: str
    place: str


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
        BadInput: for another shape, and where some requests asked for one form and some for another.
    """

    def __init__(self, rows: Sequence[Row], words: Words, shape: str | None, *, one_label: bool) -> None:
        if shape is not None and shape not in SHAPES:
            raise BadInput(f"{option('shape', shape)}: expected one of {', '.join(SHAPES)}")
        forms = Counter(row.asked for row in rows if row.asked)
        if shape is None and len(forms) > 1:
            counts = ", ".join(f"{count} for {form}" for form, count in forms.most_common())
            raise BadInput(f"the requests asked for several forms of answer ({counts}); {_ways_out()}")
        self._words, self._shape, self._one = words, shape, one_label
        self._asked = _ASKED[shape] if shape else next(iter(forms), None)
        told = [row for row in rows if not row.problem and _bare(row) and self._asked not in ("sets", "ranking")]
        self._scale: dict[int, float | None] = {}
        for wording in {row.wording for row in rows}:
            here = [row for row in told if row.wording == wording]
            self._scale[wording] = scale_of(map(_bare, here), asked=any(row.asked == "shares" for row in here))
        self._slack = _ROUNDED * len(words.taxonomy)

    def read(self, row: Row, received: Received) -> Read | str:
        """A row in the target's labels, or why it says nothing of them."""
        row = self._as_asked(row)
        if row.problem:
            return row.problem
        listed = None if row.labels is None else self._columns(row.labels, row.ranked, received)
        if isinstance(listed, str):
            return listed
        own = None if listed is None else np.zeros(len(self._words.taxonomy))
        if own is not None and listed:
            own[list(listed)] = 1 - np.arange(len(listed)) / len(own) if row.ranked else 1.0
        if row.numbers is None:
            if own is None or (row.ranked and not listed):
                return Why.NO_MASS
            how = RANKING if row.ranked else row.how
            return Read(own, own, _FORMS[1] if row.ranked else _FORMS[0], how, row.place)
        values = self._values(row.numbers, self._scale[row.wording], received)
        if isinstance(values, str):
            return values
        how = (row.how if NUMBERS in row.how else NUMBERS).replace(NUMBERS, self._unit(row))
        return Read(values, own, _FORMS[2], how, row.place)

    def _as_asked(self, row: Row) -> Row:
        """A row with what counts of it; with a problem where it says nothing in the form that counts."""
        asked, numbers, bare = self._asked, row.numbers, _bare(row)
        if asked == "shares":
            if numbers is None:
                return replace(row, problem=Why.LABELS)
            # Labels beside the shares that were asked for, such as the first of them, are no set.
            return row if row.asked is None else replace(row, labels=None, ranked=False)
        if asked == "ranking":
            return replace(row, problem=Why.UNRANKED) if numbers else replace(row, ranked=True)
        if asked == "sets" and row.labels is None and numbers:
            if len(bare) < len(numbers) or not {*bare} <= {0, 1}:
                return replace(row, problem=Why.NUMBERS)
            chosen = tuple(label for label, number in numbers.items() if number.value)
            return replace(row, labels=chosen, numbers=None, how=YES_NO)
        if asked == "sets" and row.ranked and self._shape is None:
            return replace(row, problem=Why.RANKED)
        return replace(row, numbers=None) if asked == "sets" else row

    def _values(self, numbers: Mapping[str, Stated], scale: float | None, received: Received) -> Floats | str:
        """Shares of all labels [C], or why there are none."""
        bare = [number.value for number in numbers.values() if number.of is None]
        if any(bare):
            if scale is None or len(bare) < len(numbers):
                return Why.NO_SCALE
            if not fits(bare, scale):
                return Why.OUTSIDE if scale == 1 else Why.OTHER_SCALE
        if any(map(self._words.unsure, numbers)):
            return Why.UNSURE
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

    def _columns(self, spelt: Sequence[str], ranked: bool, received: Received) -> tuple[int, ...] | str:
        """The columns of labels, each once, in their order; why there are none."""
        if any(map(self._words.unsure, spelt)):
            return Why.UNSURE
        named = [word for word in spelt if not self._words.says_none(word)]
        labels = [self._label(word, received) for word in dict.fromkeys(named)]
        known = [self._words.taxonomy.index(label) for label in labels if label is not None]
        if named and not known:
            return Why.UNKNOWN_ONLY
        twice = ranked and len({*known}) < len(known)
        return Why.CONTRADICTS if twice or (known and len(named) < len(spelt)) else tuple(dict.fromkeys(known))

    def _label(self, spelt: str, received: Received) -> str | None:
        label = self._words.find(spelt)
        if label is None:
            received.unknown_labels[shown(spelt)] += 1
        elif label != spelt:
            received.renamed[shown(spelt)] = label
        return label

    def shape(self, reads: Sequence[Read], received: Received) -> Shape:
        """What the answers are: as asked, else as they look; what was taken for granted is noted."""
        units = {_SCALES[scale] for scale in self._scale.values() if scale and scale != 1}
        if units:
            taken = " or, by wording, ".join(sorted(units))
            received.notes.append(f"numbers without a unit are taken as {taken}, as most answers of the file show")
        forms = Counter(read.form for read in reads)
        asked = self._shape or {"shares": "distribution" if self._one else "rates", "ranking": "ranked"}.get(
            self._asked or ""
        )
        if asked is not None:
            return asked  # type: ignore[return-value]
        if len(forms) > 1:
            counts = ", ".join(f"{count} are {form}" for form, count in forms.most_common())
            raise BadInput(f"some answers are of one form and some of another ({counts}); {_ways_out()}")
        if _FORMS[1] in forms:
            return "ranked"
        table = np.array([read.values for read in reads])
        if _FORMS[2] in forms and not np.isin(table, (0, 1)).all():
            off = np.abs(table.sum(axis=1) - 1)
            sums = (off <= self._slack).mean() > 0.5 if self._one else (off <= SUM_TOLERANCE).all()
            return "distribution" if sums else "rates"
        if _FORMS[0] in forms and self._asked is None and (every := int(table.all(axis=1).sum())):
            how = option("shape", "ranked")
            received.notes.append(f"{every} lists name all labels: sets of all, or rankings with {how}")
        return "sets"

    def _unit(self, row: Row) -> str:
        """What numbers are: of bare zeros alone, what the others of their file are."""
        scale, numbers = self._scale[row.wording] or 1, (row.numbers or {}).values()
        parts = {each.of or scale for each in numbers if each.value} or {each.of or scale for each in numbers}
        return _SCALES.get(parts.pop() if len(parts) == 1 else 0, "counts of n")

    def to_one(self, by_image: Mapping[str, Sequence[Read]], received: Received) -> dict[str, list[Read]]:
        """Distributions that sum to one; those that do so but for rounding are counted, others have a reason."""
        kept: dict[str, list[Read]] = {}
        rounded = 0
        for image, reads in by_image.items():
            for read in reads:
                total = read.values.sum()
                if abs(total - 1) > self._slack:
                    received.problems.setdefault(Why.NO_SUM, []).append(read.place)
                    continue
                rounded += abs(total - 1) > SUM_TOLERANCE
                kept.setdefault(image, []).append(replace(read, values=read.values / total))
        if rounded:
            received.notes.append(f"{rounded} answers sum to one but for rounding, and are divided by their sum")
        return kept


def _bare(row: Row) -> list[float]:
    """The numbers of a row that do not say what they are parts of."""
    return [number.value for number in (row.numbers or {}).values() if number.of is None]
