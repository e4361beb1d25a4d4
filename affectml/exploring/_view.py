"""The view, which says what images are shown in which order and fits into an address; and selections, which keep both.

Rates are a query of their own: "awe and joy without fear".
"""

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from affectml._files import read_json, write_json
from affectml._progress import Say
from affectml.data import Dataset
from affectml.errors import AffectmlError, BadInput, UnknownLabel, did_you_mean, few, option
from affectml.taxonomies import Taxonomy, nearest
from affectml_annotation.exchange.files import keep, writing_in_turn

Array = NDArray[Any]
AND, WITHOUT, NOT = ("and", "with", "+", "&"), ("without", "but"), ("not", "no")
DIGITS = 4  # of a corner, in map units
MOST_CORNERS = 1000
FOLDER = Path("explore") / "selections"
SCHEMA = 1
_WORDS = ("name", "text", "like", "rates", "of", "selection", "colour", "image")
# Of a selection: no name leads to another folder, or is what `keep` calls old ones.
_NAME = re.compile(r"(?!.*\.replaced-\d{8}T\d{6}Z(-\d+)?$)[^\W_]([\w .+-]{0,78}[\w+-])?")


def need(name: str, have: Collection[str], what: str) -> None:
    """Raise BadInput, which names the nearest, where a name is none of those that there are."""
    if name not in have:
        raise BadInput(f"{what} {name!r}{did_you_mean(name, have)} (there are: {few(list(have), 12) or 'none'})")


@dataclass(frozen=True)
class Filter:
    """Images whose `column` lies within low to high, both included, has one of the levels, or one with `has` in it.

    Capitals do not matter to `has`. With none of these, every image with a known value. An unknown value lies nowhere.
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
    selection: a saved one. text, like (an image_id), rates ("awe without fear") order all images by how well they fit,
    best first, as far as that is known; at most one of the three. of: whose rates, "people" or a run; "" is people
    where they were asked, else the first run. order: a column; where the search finds two alike, or without one.
    colour: a column. image: the image_id that is shown large. name: a part of the image_ids or files' names, capitals
    aside.
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
        names = [condition.column for condition in self.filters]
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
        for condition in self.filters:
            if condition.levels:
                quoted = (level.replace("%", "%25").replace(",", "%2C") for level in condition.levels)
                out[f"in.{condition.column}"] = ",".join(quoted)
            elif condition.has:
                out[f"has.{condition.column}"] = condition.has
            else:
                out[f"f.{condition.column}"] = f"{_said(condition.low)}..{_said(condition.high)}"
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
            match key.split(".", 1):
                case "in", column:
                    filters.append(Filter(column, levels=tuple(map(unquote, value.split(",")))))
                case "has", column if value:
                    filters.append(Filter(column, has=value))
                case "f", column:
                    try:
                        low, high = (float(end) if end else None for end in value.split(".."))
                    except ValueError:
                        raise BadInput(f"{key}={value}: expected a range such as 0.2..0.8, 0.2.. or ..0.8") from None
                    filters.append(Filter(column, low, high))
        pairs = [pair.partition(",") for pair in query.get("lasso", "").split()]
        try:
            lasso = tuple((float(x), float(y)) for x, _, y in pairs)
        except ValueError:
            what = f"corners such as 0.1,0.2 0.3,0.2 0.2,0.4, got {query['lasso'][:80]!r}"
            raise BadInput(f"lasso: expected {what}") from None
        order = query.get("order", "")
        words = {name: query.get(name, "") for name in _WORDS}
        named, descending = order[order.startswith(("+", "-")) :], order.startswith("-")
        return cls(tuple(filters), lasso=lasso, order=named, descending=descending, **words)


def _said(end: float | None) -> str:
    """A number as it is read back, whole ones without a fraction."""
    return "" if end is None else np.format_float_positional(end, trim="-")


# Rates, parts of texts, a lasso


def parse_rates(text: str, taxonomy: Taxonomy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels that a query wants, and those that it does not want.

    Labels and their synonyms stand one after the other, with `and`, commas or nothing between. Whatever follows
    `without` is unwanted, and the one label that follows `not`. Of several readings the longest name is taken.

    Raises:
        UnknownLabel: if a word is not one of these labels; names the nearest one.
        BadInput: for a query without a label, or one that wants a label and does not want it.

    >>> from affectml.taxonomies import get_taxonomy
    >>> parse_rates("awe, excitement without fear and anger", get_taxonomy("mikels-8"))
    (('awe', 'excitement'), ('fear', 'anger'))
    """
    # reversed: a label's own name comes before others' synonyms
    names = {_spaced(name): label for name, label in reversed(taxonomy.names().items())}
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
    if both := [label for label in wanted if label in unwanted]:
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


def inside(corners: Array, points: Array) -> NDArray[np.bool_]:
    """Which points [N, 2] lie in the polygon of `corners` [K, 2]; its last corner is joined to its first.

    By crossings, odd or even: where it crosses itself, what it surrounds twice is outside. Points that are nan are
    outside.
    """
    from matplotlib.path import Path  # a quarter of a second to load

    return np.asarray(Path(corners).contains_points(points))


# Selections


class Selections:
    """The selections of a data set: DATASET/explore/selections/NAME.json, and those that dataset.json names."""

    def __init__(self, dataset: Dataset, say: Say) -> None:
        self._dataset, self._say, self.folder = dataset, say, dataset.root / FOLDER

    def names(self) -> list[str]:
        """All names, sorted; earlier contents that were replaced are not among them."""
        files = [file.stem for file in self.folder.glob("*.json")]
        return sorted({*filter(_NAME.fullmatch, files), *self._dataset.meta.selections})

    def counts(self) -> dict[str, int]:
        """How many images each has; of one that cannot be read, it is said why."""
        sizes = {}
        for name in self.names():
            try:
                sizes[name] = len(self.read(name))
            except AffectmlError as error:
                self._say(str(error))
        return sizes

    def read(self, name: str) -> list[str]:
        """The image_ids of a selection, in the order in which they were saved.

        Raises:
            BadInput: if there is no selection of that name, or its file is not a selection.
        """
        if name in self._dataset.meta.selections:
            return self._dataset.selection(name)
        file = self._file(name)
        need(name, self.names(), "no selection")
        content = read_json(file)
        images = content.get("images") if isinstance(content, dict) and content.get("schema") == SCHEMA else None
        if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
            raise BadInput(f"{file}: expected a selection, schema {SCHEMA} with a list of images; move it away")
        return images

    def save(self, name: str, image_ids: Iterable[str], view: View | None = None, *, replace: bool = False) -> Path:
        """Keep images under a name in the data set: see docs/audit.md.

        Args:
            name: letters, digits, spaces and . + - _.
            image_ids: in the order to keep.
            view: that showed them; kept beside.
            replace: write over one of that name; what it was stays beside it.

        Raises:
            BadInput: if the name cannot be used or is taken, there are no images, or nothing can be written.
        """
        file = self._file(name)
        if name in self._dataset.meta.selections:
            raise BadInput(f"{name!r}: dataset.json has a selection of that name; choose another")
        if not (images := list(map(str, image_ids))):
            raise BadInput(f"{name!r}: no images to keep; show some first")
        made, query = datetime.now(UTC).isoformat(timespec="seconds"), {} if view is None else view.to_query()
        content = {"schema": SCHEMA, "name": name, "made": made, "view": query, "images": images}
        try:
            with writing_in_turn(self._dataset.root):
                if file.exists():
                    if not replace:
                        way = f"choose another name, or {option('replace', True)}"
                        raise BadInput(f"{file} exists; nothing was written: {way}")
                    keep(file)
                write_json(file, content)
        except OSError as error:
            why = error.strerror or error
            raise BadInput(f"{file}: cannot be written ({why}); nothing was kept: export the table instead") from None
        return file

    def _file(self, name: str) -> Path:
        """Where a selection of that name lies; a name leads nowhere else."""
        if not _NAME.fullmatch(name):
            raise BadInput(
                f"selection {name!r}: expected a name of up to 80 letters, digits, spaces and . + - _, with a letter "
                "or digit first and no space or point last"
            )
        return self.folder / f"{name}.json"
