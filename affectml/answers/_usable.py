"""Answers in the target's labels and on one scale: which form was asked for, and what unmarked numbers are parts of."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from affectml.answers._config import Answer
from affectml.answers._numbers import Stated, fits, scale_of, stated
from affectml.answers._reply import Unread, Why
from affectml.answers._rows import Row
from affectml.answers._wording import PEOPLE
from affectml.answers._words import Words, shown
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option

Shape = Literal["sets", "ranked", "rates", "distribution"]
SHAPES: tuple[str, ...] = get_args(Shape)
Floats = NDArray[np.float64]
_ASKED: dict[str, Answer] = {"sets": "sets", "ranked": "ranking", "rates": "shares", "distribution": "shares"}
_SHAPE: dict[Answer, Shape] = {"sets": "sets", "ranking": "ranked", "shares": "rates"}
_SCALES: dict[float, str] = {PEOPLE: f"counts of {PEOPLE}", 100: "percentages"}
_LISTS, _RANKINGS, _BY_LABEL = "lists of labels", "rankings", "numbers by label"
_ROUNDED = 0.005  # a percentage without decimals is off by as much, and so a sum of C of them by C times that


@dataclass
class Received:
    """What a file held. rows: all; used: answers that count; samples: the most answers of one image.

    problems: reason -> places, with what else is known of each, in the order of REASONS. unknown_labels: how many
    answers named each; shortened: how many answers count without theirs. renamed: as spelt -> label.
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
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Read:
    """A usable row in the target's labels.

    values [C]: 1 for labels that are listed, falling from 1 in a ranking, or shares. own [C]: the set it gives, None
    where it gives none. form: lists of labels, rankings, or numbers by label; where it stands.
    """

    values: Floats
    own: Floats | None
    form: str
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
        self._slack = _ROUNDED * len(words.taxonomy)
        self._scale: dict[int, float | None] = {}
        told = [row for row in rows if not row.problem and self._asked not in ("sets", "ranking")]
        for wording in {row.wording for row in rows}:
            here = [row for row in told if row.wording == wording and _bare(row)]
            self._scale[wording] = scale_of(map(_bare, here), asked=any(row.asked == "shares" for row in here))

    def read(self, row: Row, received: Received) -> Read:
        """A row in the target's labels; raises Unread for one that says nothing of them."""
        if row.problem:
            raise Unread(row.problem)
        row = self._as_asked(row)
        own = None if row.labels is None else self._listed(row.labels, row.ranked, received)
        if row.numbers is not None:
            return Read(self._values(row, received), own, _BY_LABEL, row.place)
        if own is None or (row.ranked and not own.any()):
            raise Unread(Why.NO_MASS)
        return Read(own, own, _RANKINGS if row.ranked else _LISTS, row.place)

    def _as_asked(self, row: Row) -> Row:
        """A row with what counts of it; raises Unread where it says nothing in the form that counts."""
        numbers, said = row.numbers, self._shape is not None
        if self._asked == "shares":
            if numbers is None:
                raise Unread(Why.LABELS)
            # Labels beside the shares that were asked for, such as the first of them, are no set.
            return row if row.asked is None else replace(row, labels=None, ranked=False)
        if self._asked == "ranking":
            if numbers:
                raise Unread(Why.UNRANKED)
            return replace(row, ranked=True)
        if self._asked == "sets":
            if numbers and row.labels is None and {*numbers.values()} <= {Stated(0), Stated(1)}:
                chosen = tuple(label for label, one in numbers.items() if one.value)
                if not chosen and len(numbers) < len(self._words.taxonomy):
                    raise Unread(Why.NO_RATE)
                return replace(row, labels=chosen, numbers=None)
            if (numbers and not (said and row.labels is not None)) or (row.ranked and not said):
                raise Unread(Why.NUMBERS if numbers else Why.RANKED)
            return replace(row, numbers=None)
        return row

    def _values(self, row: Row, received: Received) -> Floats:
        """Shares of all labels [C]."""
        scale, bare, numbers = self._scale[row.wording], _bare(row), row.numbers or {}
        if any(map(self._words.unsure, numbers)):
            raise Unread(Why.AMONG)
        if any(bare):
            if scale is None or len(bare) < len(numbers):
                raise Unread(Why.NO_SCALE)
            if not fits(bare, scale):
                raise Unread(Why.OUTSIDE if scale == 1 else Why.OTHER_SCALE)
        known = {label: number for spelt, number in numbers.items() if (label := self._label(spelt, received))}
        if not known:
            raise Unread(Why.UNKNOWN_ONLY if numbers else Why.NO_RATE)
        labels = self._words.taxonomy
        values = np.full(len(labels), np.nan)
        for label, number in known.items():
            values[labels.index(label)] = number.value / (number.of or scale or 1)
        if (values < 0).any() or (values > 1 + SUM_TOLERANCE).any():
            raise Unread(Why.OUTSIDE)
        off = abs(np.nansum(values) - 1)
        if np.isnan(values).any() and off > (self._slack if self._one else SUM_TOLERANCE):
            raise Unread(Why.NO_RATE)  # of a distribution, what is not named has no share
        return np.asarray(np.nan_to_num(values).clip(0, 1))

    def _listed(self, spelt: Sequence[str], ranked: bool, received: Received) -> Floats:
        """1 for the labels that are listed, falling from 1 in a ranking [C]."""
        if any(map(self._words.unsure, spelt)):
            raise Unread(Why.AMONG)
        if any(stated(word) and self._words.find(word) is None for word in spelt):
            raise Unread(Why.BESIDE)
        named = [word for word in spelt if not self._words.says_none(word)]
        known = [label for word in dict.fromkeys(named) if (label := self._label(word, received))]
        if named and not known:
            raise Unread(Why.UNKNOWN_ONLY)
        if (ranked and len({*known}) < len(known)) or (known and len(named) < len(spelt)):
            raise Unread(Why.CONTRADICTS)
        values = np.zeros(len(self._words.taxonomy))
        for place, label in enumerate(dict.fromkeys(known)):
            values[self._words.taxonomy.index(label)] = 1 - place / len(values) if ranked else 1
        return values

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
        if self._shape or self._asked:
            asked = _SHAPE[self._asked or "sets"]
            return self._shape or ("distribution" if self._one and asked == "rates" else asked)  # type: ignore[return-value]
        if len(forms) > 1:
            counts = ", ".join(f"{count} are {form}" for form, count in forms.most_common())
            raise BadInput(f"some answers are of one form and some of another ({counts}); {_ways_out()}")
        if _RANKINGS in forms:
            return "ranked"
        table = np.array([read.values for read in reads])
        if _BY_LABEL in forms and not np.isin(table, (0, 1)).all():
            off = np.abs(table.sum(axis=1) - 1)
            sums = (off <= self._slack).mean() > 0.5 if self._one else (off <= SUM_TOLERANCE).all()
            return "distribution" if sums else "rates"
        if _LISTS in forms and (every := int(table.all(axis=1).sum())):
            how = option("shape", "ranked")
            received.notes.append(f"{every} lists name all labels: sets of all, or rankings with {how}")
        return "sets"

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
