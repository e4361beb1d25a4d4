"""What a page is made of: sections with a heading, one true sentence, pictures, images and tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from affectml._html import thumbnail as made
from affectml.data import Dataset, was_asked
from affectml.judging.answers import SystemAnswers
from affectml.judging.figures import Evaluation, Figure, in_order
from affectml.judging.truth import Truth
from affectml.page.tables import Key, Table, number, reader
from affectml.plots import curves, dots, intervals
from affectml.runs import RunInfo

DRAWN = 6  # systems of a picture


@dataclass(frozen=True)
class Drawing:
    """A picture of figures: its title, the <svg> (`affectml.plots` escapes what users named), a line under it."""

    title: str
    svg: Markup
    note: str = ""

    @property
    def wide(self) -> bool:
        """Whether it is wider than a phone, which then scrolls it."""
        return "; min-width:" in self.svg.partition(">")[0]


@dataclass(frozen=True)
class Bar:
    """One label of an image: what people and a system say of it, in per cent, and whether it is in their sets."""

    label: str
    people: float
    model: float
    truth: float | None
    in_people: bool
    in_model: bool


@dataclass(frozen=True)
class Card:
    """An image with what was said of it.

    picture: a data URL, None without a file. line: a few words under it. bars: label by label. said: who said what, in
    words. them: whom the system is compared with: people or labels. rest: what is true of labels without a bar.
    """

    image_id: str
    picture: str | None
    line: str
    bars: tuple[Bar, ...] = ()
    said: tuple[tuple[str, str], ...] = ()
    them: str = "people"
    rest: str = ""


@dataclass(frozen=True)
class Cards:
    """Images side by side under a title of their own."""

    title: str
    cards: tuple[Card, ...]
    note: str = ""


@dataclass(frozen=True)
class Section:
    """One part of a page.

    Args:
        name: its address in the page, and what its tables' files are called: lower case, a word or two.
        heading: what a reader finds here.
        sentence: what these very data say, in words; "" where there is nothing to say. No sentence that is not true.
        drawings: pictures of figures.
        galleries: images.
        tables: under the pictures, folded; they stand open where `open` says so.
        notes: lines for whoever wants to know more.
        open: whether tables stand open.
        folded: whether heading and sentence stand alone until a reader opens the section.
    """

    name: str
    heading: str
    sentence: str = ""
    drawings: tuple[Drawing, ...] = ()
    galleries: tuple[Cards, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    open: bool = False
    folded: bool = False


def section(
    name: str, heading: str, sentence: str, drawn: Sequence[Drawing] = (), tables: Sequence[Table | None] = ()
) -> Section | None:
    """A section of pictures and of those tables that there are; None without either."""
    found = tuple(table for table in tables if table is not None)
    return Section(name, heading, sentence, tuple(drawn), tables=found) if found or drawn else None


def drawing(title: str, svg: str, note: str = "") -> Drawing:
    """A picture, of text that `affectml.plots` gave."""
    return Drawing(title, Markup(svg), note)


def whiskers(title: str, figures: Sequence[Figure], note: str = "") -> Drawing:
    """One figure a system, with its interval."""
    by = {each.system: each for each in figures}
    ends = [(who, {"value": by[who].value, "low": by[who].ends[0], "high": by[who].ends[1]}) for who in in_order(by)]
    told = (f"{who} {number(at['value'])}, {number(at['low'])} to {number(at['high'])}" for who, at in ends)
    return drawing(title, intervals(ends, f"{title}, with 95 % intervals: {'; '.join(told)}"), note)


def spots(title: str, figures: Sequence[Figure], down: Key, across: Key = "system", note: str = "") -> Drawing:
    """Figures as `pivot` has them: a row each for what is down, a sign each for what is across."""
    row, column = reader(down), reader(across)
    order = list(dict.fromkeys(map(row, figures)))
    series = in_order(dict.fromkeys(map(column, figures)))[:DRAWN]
    at = {(column(f), row(f)): (f.value, *f.ends) for f in figures}
    points = {who: [at.get((who, each)) for each in order] for who in series}
    told = (", ".join(f"{who} {number(at[who, each][0])}" for who in series if (who, each) in at) for each in order)
    alt = "; ".join(f"{each}: {words}" for each, words in zip(order, told, strict=True))
    return drawing(title, dots(order, points, f"{title}. {alt}"), note)


def curve(title: str, figures: Sequence[Figure], first: str, axis: str, **more: Any) -> Drawing:
    """Systems over a number that is their level; the first with its interval. more: for `affectml.plots.curves`."""
    points: dict[str, list[Figure]] = {}
    for each in figures:
        points.setdefault(each.system, []).append(each)
    series = {who: ([float(f.level) for f in found], [f.value for f in found]) for who, found in points.items()}
    known = points[first][0].low is not None
    bands = {first: ([f.ends[0] for f in points[first]], [f.ends[1] for f in points[first]])} if known else {}
    told = {who: ", ".join(f"{number(f.value)} at {f.level}" for f in found) for who, found in points.items()}
    alt = f"{title}: {'; '.join(f'{who} {words}' for who, words in told.items())}"
    note = "Band: 95 % interval." if known else ""
    return drawing(title, curves(series, alt, axis=(axis, "score"), bands=bands, **more), note)


@dataclass(frozen=True, eq=False)
class Shown:
    """What a page shows beside figures.

    title, heading, about, command: of the page. info: run.json, of a run. dataset: where pictures of images are.
    answers (by system) and truth of the same images: what cards show. Without these three the page has no images, and
    says how to get them. gallery: whether it shows many.
    """

    title: str
    heading: str
    about: tuple[str, ...] = ()
    command: str | None = None
    info: RunInfo | None = None
    dataset: Dataset | None = None
    answers: Mapping[str, SystemAnswers] | None = None
    truth: Truth | None = None
    gallery: bool = False

    @classmethod
    def of_run(cls, info: RunInfo, **more: Any) -> "Shown":
        """The page of a run; more: dataset, answers and truth, as for the class."""
        data = info.data
        heading = f"{data.name}: {data.kind} of {info.taxonomy.get('name', 'its labels')}, head {info.head.name}"
        asked = [f"people were asked: “{data.question}”"] if was_asked(data.question) else []
        about = (f"construct: {data.construct}", *asked, f"encoder: {info.encoder.name}")
        return cls(f"{data.name} – affectml report", heading, about, info.command, info, **more)


Part = Callable[[Evaluation, Shown], Section | None]
"""A section's function: returns None where the evaluation has no rows for it."""


def thumbnail(dataset: Dataset, named: pd.DataFrame, image_id: str) -> str | None:
    """A thumbnail as a data URL; None where there is no readable file (embeddings only).

    named: the data set's images by image_id.
    """
    file = named["file"].get(image_id) if "file" in named.columns else None
    if file is None or pd.isna(file):
        return None
    return made(dataset.image_path(str(file)))
