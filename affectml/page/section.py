"""What a page is made of: sections with a heading, one true sentence, pictures, images and tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pandas as pd
from markupsafe import Markup

from affectml._html import thumbnail as made
from affectml.data import Dataset, was_asked
from affectml.judging.answers import SystemAnswers
from affectml.judging.figures import PEOPLE, Evaluation, Figure, in_order
from affectml.judging.truth import Truth
from affectml.page.tables import Figures, Key, Table, crossed, number, span
from affectml.plots import dots
from affectml.runs import RunInfo
from affectml_metrics.table import better, shown

DRAWN = 6  # systems of a picture
CALLED = {"model": "the model", "person": "one person", "prior": "one constant answer", "zero_shot": "zero-shot"}
CALLED |= {"floor": "the truth", "consensus": "the consensus of people"}


@dataclass(frozen=True)
class Drawing:
    """A picture of figures: its title, the <svg> (`affectml.plots` escapes what users named), a line under it."""

    title: str
    svg: Markup
    note: str = ""


@dataclass(frozen=True)
class Card:
    """An image with what was said of it.

    picture: a data URL, None without a file. line: a few words under it. bars: of each label its name, what people and
    the system say of it and what is true (None: unknown), in per cent, and whether it is in their set and in the
    system's. said: who said what, in words, and in whose ink: people's, the model's, or "" nobody's. them: whom the
    system is compared with: people or labels. rest: what is true of labels without a bar. its: whose bars stand below
    theirs.
    """

    image_id: str
    picture: str | None
    line: str
    bars: tuple[tuple[str, float, float, float | None, bool, bool], ...] = ()
    said: tuple[tuple[str, str, str], ...] = ()
    them: str = "people"
    rest: str = ""
    its: str = "system"


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
        open: whether tables stand open.
        folded: whether heading and sentence stand alone until a reader opens the section.
    """

    name: str
    heading: str
    sentence: str = ""
    drawings: tuple[Drawing, ...] = ()
    galleries: tuple[Cards, ...] = ()
    tables: tuple[Table, ...] = ()
    open: bool = False
    folded: bool = False

    @classmethod
    def of(cls, name: str, heading: str, told: Sequence[str], parts: Iterable[Any]) -> "Section | None":
        """A section of those pictures, images and tables that there are; None without any. told: its sentence."""
        kinds = (Drawing, Cards, Table)
        there: list[Any] = [tuple(part for part in parts if isinstance(part, kind)) for kind in kinds]
        return cls(name, heading, sentence_of(told), *there) if any(there) else None


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


@dataclass(frozen=True, eq=False)
class Page(Evaluation):
    """An evaluation as sections read it, and what a page shows beside figures."""

    shown: Shown = Shown("", "")

    @classmethod
    def of(cls, evaluation: Evaluation, shown: Shown = shown) -> "Page":
        """The page of an evaluation."""
        return cls(evaluation.figures, evaluation.scores, evaluation.facts, shown)

    def parts(self, by: str | None, **key: str | None) -> list[Figure]:
        """Figures of parts (`Evaluation.here`): by a column, of all its levels and labels; None is any, and none."""
        return self.here(**{"by": by, "level": None, "label": None, **key})

    def of_first(self, by: str | None) -> list[Figure]:
        """The same without other systems: the first's, those of people and the floor, which share a table."""
        return [figure for figure in self.parts(by) if figure.system in (self.first, *PEOPLE, "floor")]

    def told(self, findings: Iterable[Mapping[str, str]]) -> list[str]:
        """Findings as sentences, each with the name of its system, if it is of one."""
        lines = [(finding["system"], finding["words"]) for finding in findings]
        named = {"model": self.first, "": ""}
        return [f"{called(named.get(system, system))} {words}" if system else words for system, words in lines]

    @property
    def first(self) -> str:
        """Whom the page is about."""
        return str(self.facts.get("first", "model"))

    @property
    def way(self) -> str:
        """What its rows over seeds are called: the way of training that it is a run of."""
        return next((way for way, runs in self.facts.get("ways", {}).items() if self.first in runs), self.first)

    @property
    def them(self) -> str:
        """Whom systems are compared with: people, or the labels of images where nobody's answers are known."""
        asked = self.facts.get("kind") in ("rates", "distribution") or self.facts.get("people")
        return "people" if asked else "labels"

    @property
    def chosen(self) -> list[str]:
        """The main metrics: what systems are sorted by, sets against one person's, first labels and shares first."""
        metrics = shown((figure.name for figure in self.scores_of(self.first)), "headline")
        first = [name for name in (self.facts.get("sort"), "set_f1_judgements", "top_1_accuracy") if name in metrics]
        return list(dict.fromkeys([*first, *[name for name in metrics if better(name) == "lower"][:1], *metrics]))

    @property
    def main(self) -> str:
        """The metric of the first sentence: of sets, of first labels where one is right, else the first; "" of none."""
        names, one_label = self.chosen, self.facts.get("kind") in ("single", "distribution")
        order = ("set_f1_judgements", "set_f1", *["top_1_accuracy"] * one_label, *names)
        return next((name for name in order if name in names), "")


def spots(page: Page, title: str, figures: Figures, down: Key = "system", note: str = "") -> Drawing | None:
    """Figures as `pivot` has them: a row for each that is down, with a sign for each system; None without any."""
    rows = crossed(figures, down, "system")
    series = in_order(dict.fromkeys(chain(*rows.values())))[: len(rows) if down == "system" else DRAWN]
    points = {at: {who: (f.value, *f.ends) for who, f in cells.items()} for at, cells in rows.items()}
    told = {at: [f"{who} {number(cells[who].value)}" for who in series if who in cells] for at, cells in rows.items()}
    alone = [f"{who} {span(cells[who])}" for who, cells in rows.items() if down == "system"]
    alt = "; ".join(alone or [f"{at}: {', '.join(words)}" for at, words in told.items()])
    ways = page.facts.get("ways", ())
    judged = ways if {*ways} & {*series} else (page.first, *page.facts.get("systems", ()))
    return Drawing(title, dots(points, series, f"{title}. {alt}", judged), note) if rows else None


Part = Callable[[Page], Section | None]
"""A section's function: returns None where the evaluation has no rows for it."""


def thumbnail(dataset: Dataset, named: pd.DataFrame, image_id: str) -> str | None:
    """A thumbnail as a data URL; None where there is no readable file (embeddings only).

    named: the data set's images by image_id.
    """
    file = named["file"].get(image_id) if "file" in named.columns else None
    return None if file is None or pd.isna(file) else made(dataset.image_path(str(file)))


def called(system: str) -> str:
    """A system in a sentence: in words, or its own name in quotes."""
    return CALLED.get(system, f"“{system}”")


def sentence_of(parts: Sequence[str]) -> str:
    """What is to be said, as one sentence; "" where there is nothing."""
    return f"{capital('; '.join(parts))}." if parts else ""


def capital(text: str) -> str:
    """The same with a first letter that begins a sentence."""
    return text[:1].upper() + text[1:]
