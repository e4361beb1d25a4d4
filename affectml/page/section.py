"""What a page is made of: sections with a heading, one true sentence, pictures, images and tables."""

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from affectml.page.tables import Table

NARROW = 4  # columns of a table that a third of the page has room for


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
    """One label of an image: what people and the model say of it, in per cent, and whether it is in their sets."""

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
    words. them: whom the model is compared with: people or labels. rest: what is true of labels without a bar.
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
        tables: under the pictures, folded; the first ones stand open where `open` says so.
        notes: lines for whoever wants to know more.
        open: whether tables stand open.
    """

    name: str
    heading: str
    sentence: str = ""
    drawings: tuple[Drawing, ...] = ()
    galleries: tuple[Cards, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    open: bool = False

    @property
    def narrow(self) -> bool:
        """Whether it has room beside others of its kind: one picture, no images, and tables of few columns."""
        wide = any(len(table.columns) > NARROW for table in self.tables)
        return len(self.drawings) == 1 and not self.galleries and not self.open and not wide


def drawing(title: str, svg: str, note: str = "") -> Drawing:
    """A picture, of text that `affectml.plots` gave."""
    return Drawing(title, Markup(svg), note)


Part = Callable[..., Section | None]
"""A section's function: takes a ReportData, returns None where these data do not hold what it shows."""
