"""The view: everything that says which images are shown and in which order, fits into an address, and how it is read.

Rates are a query of their own: "awe and joy without fear".
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from affectml.errors import BadInput, UnknownLabel
from affectml.taxonomies import Taxonomy
from affectml.taxonomies.near import nearest

Array = NDArray[Any]
AND, WITHOUT, NOT = ("and", "with", "+", "&"), ("without", "but"), ("not", "no")

DIGITS = 4  # of a corner, in map units
MOST_CORNERS = 1000
_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})?\.\.({_NUMBER})?")
_CORNER = re.compile(rf"({_NUMBER}),({_NUMBER})")
_NUMBERS, _LEVELS, _HAS = "f.", "in.", "has."
_WORDS = ("name", "text", "like", "rates", "of", "selection", "colour", "image")


@dataclass(frozen=True)
class Filter:
    """Images whose `column` lies within low to high, both included, has one of the levels, or one with `has` in it.

    Capitals do not matter to `has`. With none of these, images of which it is known. An unknown value lies nowhere.
    """

    column: str
    low: float | None = None
    high: float | None = None
    levels: tuple[str, ...] = ()
    has: str = ""

    def __post_init__(self) -> None:
        for end in (self.low, self.high):
            if end is not None and not math.isfinite(end):
                raise BadInput(f"filter {self.column}: expected a number, got {end}; leave the end out for no limit")
        if sum([bool(self.levels), bool(self.has), self.low is not None or self.high is not None]) > 1:
            raise BadInput(f"filter {self.column}: expected numbers, levels or a part of their text, got two of these")


@dataclass(frozen=True)
class View:
    """Which images, in which order, in which colour.

    filters: all of them hold; one a column. lasso: corners (x, y) of a polygon on the map, rounded to 4 digits.
    selection: a saved one. text, like (an image_id), rates ("awe without fear") order all images of which it is known
    how well they fit, best first; one of the three at most. of: whose rates, "people" or a run; "" is people where they
    were asked, else the first run. order: a column; where the search finds two alike, or without one. colour: a column.
    image: the image_id that is shown large. name: a part of the image_ids or files' names, capitals aside.
    """

    filters: tuple[Filter, ...] = ()
    text: str = ""
    like: str = ""
    rates: str = ""
    of: str = ""
    lasso: tuple[tuple[float, float], ...] = ()
    selection: str = ""
    order: str = ""
    descending: bool = False
    colour: str = ""
    image: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        corners = tuple((round(float(x), DIGITS) + 0.0, round(float(y), DIGITS) + 0.0) for x, y in self.lasso)
        object.__setattr__(self, "lasso", corners)
        if corners and not 3 <= len(corners) <= MOST_CORNERS:
            raise BadInput(f"lasso: expected 3 to {MOST_CORNERS:,} corners, got {len(corners):,}")
        if not all(math.isfinite(end) for corner in corners for end in corner):
            raise BadInput("lasso: expected numbers as corners, got one that is infinite or none")
        names = [each.column for each in self.filters]
        if twice := [name for name in names if names.count(name) > 1]:
            raise BadInput(f"filters: two of {twice[0]!r}; name one range, or all levels, in one filter")
        asked = [name for name in ("text", "like", "rates") if getattr(self, name)]
        if len(asked) > 1:
            raise BadInput(f"{' and '.join(asked)}: each orders the images; leave all but one out")

    def but(self, **changes: object) -> "View":
        """The same with other parts."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def to_query(self) -> dict[str, str]:
        """The parameters of an address; nothing of what is at its default."""
        out = {}
        for each in self.filters:
            if each.levels:
                out[_LEVELS + each.column] = ",".join(map(_quoted, each.levels))
            elif each.has:
                out[_HAS + each.column] = each.has
            else:
                out[_NUMBERS + each.column] = f"{_said(each.low)}..{_said(each.high)}"
        out |= {name: getattr(self, name) for name in _WORDS if getattr(self, name)}
        if self.lasso:
            out["lasso"] = " ".join(f"{_said(x)},{_said(y)}" for x, y in self.lasso)
        if self.order or self.descending:
            sign = "-" if self.descending else "+" if self.order.startswith(("+", "-")) else ""
            out["order"] = sign + self.order
        return out

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "View":
        """The view that `to_query` wrote; keys of others are passed over.

        Raises:
            BadInput: for a value that cannot be read, with what was expected there.
        """
        filters = []
        for key, value in query.items():
            if key.startswith(_LEVELS):
                levels = tuple(unquote(part) for part in value.split(","))
                filters.append(Filter(key.removeprefix(_LEVELS), levels=levels))
            elif key.startswith(_HAS) and value:
                filters.append(Filter(key.removeprefix(_HAS), has=value))
            elif key.startswith(_NUMBERS):
                found = _RANGE.fullmatch(value)
                if found is None:
                    raise BadInput(f"{key}={value}: expected a range such as 0.2..0.8, 0.2.. or ..0.8")
                low, high = (None if end is None else float(end) for end in found.groups())
                filters.append(Filter(key.removeprefix(_NUMBERS), low, high))
        corners = [_CORNER.fullmatch(pair) for pair in query.get("lasso", "").split()]
        if not all(corners):
            raise BadInput(f"lasso: expected corners such as 0.1,0.2 0.3,0.2 0.2,0.4, got {query['lasso'][:80]!r}")
        lasso = tuple((float(corner[1]), float(corner[2])) for corner in corners if corner)
        order = query.get("order", "")
        words = {name: query.get(name, "") for name in _WORDS}
        named, descending = order[order.startswith(("+", "-")) :], order.startswith("-")
        return cls(tuple(filters), lasso=lasso, order=named, descending=descending, **words)


def _quoted(level: str) -> str:
    return level.replace("%", "%25").replace(",", "%2C")


def _said(end: float | None) -> str:
    """A number as it is read back, whole ones without a fraction."""
    return "" if end is None else np.format_float_positional(end, trim="-")


# Rates, parts of texts, a lasso


def parse_rates(text: str, taxonomy: Taxonomy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels that a query wants, and those that it does not want.

    Labels and their synonyms stand one after the other, with `and`, commas or nothing between. Whatever follows
    `without` is unwanted, and the one label that follows `not`. Of several readings the longest name is taken.

    Raises:
        UnknownLabel: for a word that is none of these; names the nearest label.
        BadInput: for a query without a label, or one that wants a label and does not want it.

    >>> from affectml.taxonomies import get_taxonomy
    >>> parse_rates("awe, excitement without fear and anger", get_taxonomy("mikels-8"))
    (('awe', 'excitement'), ('fear', 'anger'))
    """
    names: dict[str, str] = {}
    for name, label in taxonomy.names().items():  # a label's own name comes before others' synonyms
        names.setdefault(_spaced(name), label)
    known = sorted(filter(None, names), key=len, reverse=True)
    wanted, unwanted = dict[str, None](), dict[str, None]()
    ever = once = False
    for word in re.findall("|".join([*(rf"(?<!\S){re.escape(name)}(?!\S)" for name in known), r"\S+"]), _spaced(text)):
        if word in names:
            (unwanted if ever or once else wanted)[names[word]], once = None, False
        elif word in (*AND, *WITHOUT, *NOT):
            ever, once = ever or word in WITHOUT, once or word in NOT
        else:
            raise UnknownLabel(
                f"rates {text!r}: no label {word!r}{nearest(word, taxonomy.names())} (labels: "
                f"{', '.join(taxonomy.labels)}; between them: and, without, not)"
            )
    if not wanted and not unwanted:
        raise BadInput(f"rates {text!r}: expected labels, as in {' without '.join(taxonomy.labels[:2])!r}")
    both = [label for label in wanted if label in unwanted]
    if both:
        raise BadInput(f"rates {text!r}: {both[0]!r} is wanted and not wanted; leave one out")
    return tuple(wanted), tuple(unwanted)


def _spaced(text: str) -> str:
    return " ".join(re.findall(r"[^\s,;]+", text.lower()))


def fit(wanted: Array, unwanted: Array) -> Array:
    """How well images fit a query: the geometric mean of the rates that it wants and of 1 less those that it does not.

    wanted: [N, A]; unwanted: [N, B]; A + B at least 1. Returns float32 [N] in [0, 1], nan where one of them is.

    >>> fit(np.array([[0.9], [0.4]]), np.array([[0.6], [0.1]])).round(2).tolist()
    [0.6000000238418579, 0.6000000238418579]
    """
    parts = np.concatenate([wanted, 1 - unwanted], axis=1, dtype=np.float64).clip(0, 1)
    return np.asarray(parts.prod(axis=1) ** (1 / parts.shape[1]), dtype=np.float32)


def folded(text: str) -> str:
    """A text without capitals, its accents composed one way."""
    return unicodedata.normalize("NFC", text).casefold()


def having(part: str, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which of these folded texts have a part in them."""
    wanted = folded(part)
    return np.fromiter((wanted in text for text in texts), dtype=bool, count=len(texts))


def inside(corners: Array, points: Array) -> NDArray[np.bool_]:
    """Which points [N, 2] lie in the polygon of `corners` [K, 2]; its last corner is joined to its first.

    By crossings, odd or even: where it crosses itself, what it surrounds twice is outside. Points that are nan are
    outside.
    """
    from matplotlib.path import Path  # a quarter of a second to load

    return np.asarray(Path(corners).contains_points(points))
