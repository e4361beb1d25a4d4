"""What a page is made of: sections with a heading, one true sentence, pictures, images and tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from markupsafe import Markup

from affectml._html import thumbnail as made
from affectml.page.tables import Table

if TYPE_CHECKING:
    from affectml.data import Dataset
    from affectml.judging.answers import SystemAnswers
    from affectml.judging.figures import Evaluation
    from affectml.judging.truth import Truth
    from affectml.runs import RunInfo


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
    words. them: whom the system is compared with: people or labels. rest: what is true of labels without a bar. model:
    whose the second bar is.
    """

    image_id: str
    picture: str | None
    line: str
    bars: tuple[Bar, ...] = ()
    said: tuple[tuple[str, str], ...] = ()
    them: str = "people"
    rest: str = ""
    model: str = "model"


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
        folded: whether the heading and the sentence stand alone until a reader opens the section.
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


def drawing(title: str, svg: str, note: str = "") -> Drawing:
    """A picture, of text that `affectml.plots` gave."""
    return Drawing(title, Markup(svg), note)


@dataclass(frozen=True, eq=False)
class Shown:
    """What a page shows beside figures.

    title, heading, about, command: of the page. info: run.json, of a run. dataset: where pictures of images are; answers
    (by system) and truth of the same images: what cards show. Without these three the page has no images, and says how
    to get them.
    """

    title: str
    heading: str
    about: tuple[str, ...] = ()
    command: str | None = None
    info: "RunInfo | None" = None
    dataset: "Dataset | None" = None
    answers: "Mapping[str, SystemAnswers] | None" = None
    truth: "Truth | None" = None

    @classmethod
    def of_run(
        cls,
        info: "RunInfo",
        *,
        dataset: "Dataset | None" = None,
        answers: "Mapping[str, SystemAnswers] | None" = None,
        truth: "Truth | None" = None,
    ) -> "Shown":
        """The page of a run; dataset, answers and truth as for the class."""
        from affectml.data import was_asked

        data = info.data
        heading = f"{data.name}: {data.kind} of {info.taxonomy.get('name', 'its labels')}, head {info.head.name}"
        asked = [f"people were asked: “{data.question}”"] if was_asked(data.question) else []
        about = (f"construct: {data.construct}", *asked, f"encoder: {info.encoder.name}")
        title = f"{data.name} – affectml report"
        return cls(title, heading, about, info.command, info, dataset, answers, truth)

    @property
    def pictures(self) -> bool:
        """Whether images can be shown."""
        return self.dataset is not None and self.answers is not None and self.truth is not None


Part = Callable[["Evaluation", Shown], Section | None]
"""A section's function: returns None where the evaluation has no rows for it."""


def thumbnail(dataset: "Dataset", named: pd.DataFrame, image_id: str) -> str | None:
    """A thumbnail as a data URL; None where there is no readable file (embeddings only).

    named: the data set's images by image_id.
    """
    file = named["file"].get(image_id) if "file" in named.columns else None
    if file is None or pd.isna(file):
        return None
    return made(dataset.image_path(str(file)))
