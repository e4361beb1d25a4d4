"""Studies of several sizes side by side: what each can tell, what it costs, and what a budget or a width asks for."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from affectml._options import check_range
from affectml._progress import Say
from affectml.data import Dataset
from affectml.errors import BadInput, did_you_mean, option
from affectml.page.tables import Table, number
from affectml.planning._config import PlanConfig
from affectml.planning._figures import Design, Figures, Width, figures_of
from affectml.planning._pilot import Pilot, Predicted, of_run, read_pilot, stand_ins
from affectml.planning._words import assumptions, limits

PEOPLE = (2, 3, 5, 8, 12, 20)
OVERLAPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60)  # people an image among which a budget is split
MOST_IMAGES = 1_000_000
LISTS: dict[str, tuple[type, float, float]] = {  # the options that are several numbers: of which kind, above, at most
    "people": (int, 0, math.inf), "images": (int, 1, math.inf), "rates": (float, 0, 1),
}  # fmt: skip
NAMES = {
    "label_rates": "rate",
    "image_rates": "image's rate",
    "alpha": "alpha",
    "set_f1": "set F1",
    "set_f1_difference": "F1 of two models",
    "rate_cross_entropy": "cross-entropy",
    "rate_cross_entropy_difference": "cross-entropy of two models",
}


@dataclass(frozen=True)
class Costs:
    """seconds: of an answer. minutes_before: of each person, before the first image. per_hour: the pay."""

    seconds: float = 10.0
    minutes_before: float = 0.0
    per_hour: float = 0.0

    def hours(self, design: Design) -> float:
        """People's time, all together."""
        return design.answers * self.seconds / 3600 + design.all_people * self.minutes_before / 60

    def money(self, design: Design) -> float:
        """What that time is paid with."""
        return self.hours(design) * self.per_hour


@dataclass(frozen=True, eq=False)
class Row:
    """A study, what it costs, and half the width of each figure's 95 % interval in it.

    best: the figures whose interval is narrowest in this split of the budget. asked: the figure that is to be as exact
    as this. money: None where no pay was told.
    """

    design: Design
    hours: float
    money: float | None
    widths: dict[str, Width]
    best: tuple[str, ...] = ()
    asked: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Its fields, flat."""
        sizes = asdict(self.design) | {"all_people": self.design.all_people, "answers": self.design.answers}
        costs = {"hours": self.hours, "money": self.money, "best": self.best, "asked": self.asked}
        return sizes | costs | {"widths": {name: width._asdict() for name, width in self.widths.items()}}


@dataclass(frozen=True, eq=False)
class Plan:
    """What studies of several sizes will be able to tell, from a pilot.

    config: what was asked for. models: names of the runs that are judged, if any.
    """

    config: PlanConfig
    pilot: Pilot
    figures: Figures
    costs: Costs
    models: tuple[str, ...]

    @cached_property
    def place(self) -> Row:
        """The pilot's own place among the studies; of assumptions alone, five people an image and 500 images."""
        pilot, overlap = self.pilot, max(1, round(len(self.pilot.image) / self.pilot.images))
        unknown = pilot.anonymous or pilot.assumed
        each = self.config.each or (50 if unknown else math.ceil(overlap * pilot.images / pilot.people))
        return self._row(Design(*(5, 500) if pilot.assumed else (overlap, pilot.images), each))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """A study each; with a budget, its splits."""
        config, here = self.config, self.place.design
        if config.budget is None:
            sizes = [(n, m) for m in config.images or self._sizes for n in config.people or PEOPLE]
            designs = [Design(*size, here.each) for size in sizes]
            return tuple(self._row(design) for design in designs if design != here)
        budget, said = config.budget, option("budget", config.budget)
        if not config.per_hour:
            raise BadInput(f"{said}: what is an hour paid? Say {option('per_hour', 10)}")
        beyond = [self._first(n, lambda design: self.costs.money(design) > budget) for n in self._overlaps]
        rows = [self._row(replace(design, images=design.images - 1)) for design in beyond if design.images > 2]
        if not rows:
            least = self.costs.money(Design(min(self._overlaps), 2, here.each))
            raise BadInput(f"{said}: two images cost {least:,.2f} {config.currency} already")
        halves = pd.DataFrame([{name: width.half for name, width in row.widths.items()} for row in rows])
        best = halves.dropna(axis=1, how="all").idxmin()  # of each figure that can be told, its narrowest split
        return tuple(replace(row, best=tuple(best.index[best == at])) for at, row in enumerate(rows))

    @cached_property
    def within(self) -> tuple[Row, ...]:
        """The cheapest study for each width that was asked for: of each number of people an image the fewest images."""
        return tuple(self._within(name, asked) for name, asked in self.config.within.items())

    def _within(self, name: str, asked: str) -> Row:
        said, here = option("within", {name: asked}), self.place.widths
        if name in NAMES and name not in here:
            why = "scores need people's single answers, and differences two runs"
            raise BadInput(f"{said}: nothing here tells {NAMES[name]}; {why} (figures: {', '.join(here)})")
        if name not in here:
            raise BadInput(f"{said}: no figure {name!r}{did_you_mean(name, here)} (figures: {', '.join(here)})")
        (width,) = _numbers("within", [asked], float, 0, math.inf)
        expected = partial(self.figures.expected, these_images=self.config.these_images)
        every = [self._first(n, lambda design: expected(design)[name] <= width) for n in self._overlaps]
        if reached := [design for design in every if design.images <= self._most]:
            return self._row(min(reached, key=lambda design: (self.costs.hours(design), design.answers)), asked=name)
        if math.isnan(half := here[name].half):
            raise BadInput(f"{said}: the pilot cannot tell it")
        whose = "5 people each of 500 images have" if self.pilot.assumed else "the pilot has"
        largest = f"{self._most:,} images of {max(self._overlaps)} people each"
        raise BadInput(f"{said}: not even {largest} reach it; {whose} ±{number(half)}")

    def _row(self, design: Design, **more: Any) -> Row:
        money = None if self.config.per_hour is None else self.costs.money(design)
        widths = self.figures.widths(design, these_images=self.config.these_images)
        return Row(design, self.costs.hours(design), money, widths, **more)

    @property
    def _sizes(self) -> tuple[int, int, int]:
        """Numbers of images to compare where none are asked for."""
        images = self.place.design.images
        return images, 2 * images, 4 * images

    @property
    def _overlaps(self) -> Sequence[int]:
        return self.config.people or OVERLAPS

    @property
    def _most(self) -> int:
        """How many images there are."""
        return max(self.config.images or [MOST_IMAGES])

    def _first(self, people: int, holds: Callable[[Design], bool]) -> Design:
        """That of the fewest images, two at least, for which it holds; of more than there are where it never does."""
        made = partial(Design, people, each=self.place.design.each)
        return made(2 + bisect_left(range(2, self._most + 1), True, key=lambda images: holds(made(images))))

    @cached_property
    def assumed(self) -> tuple[str, ...]:
        """In words, what was assumed."""
        return tuple(assumptions(self))

    @cached_property
    def limits(self) -> tuple[str, ...]:
        """In words, what the pilot cannot tell."""
        return tuple(limits(self))

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The figures that tables have as columns."""
        return tuple(name for name in NAMES if name in self.place.widths)

    @cached_property
    def _split(self) -> bool:
        """Whether the studies are splits of a budget, some of which are the best for some figure."""
        return any(row.best for row in self.rows)

    @property
    def _variances(self) -> dict[str, dict[str, float]]:
        """Of each figure: its value in the pilot, and the variances of people, images and answers."""
        fields = ("value", "people", "images", "answers")
        columns = zip(self.figures.names, *(field.tolist() for field in self.figures.variances[:4]), strict=True)
        return {name: dict(zip(fields, each, strict=True)) for name, *each in columns}

    def table(self) -> Table:
        """A study a row; with a budget, the cheapest split of each figure is marked."""
        note, rows = "±: half the width of the 95 % interval", []
        if self._split:
            note += "; *: the narrowest that the budget buys; --images says how many images there are at most"
        for row in self.rows if self._split else (self.place, *self.rows):
            first = "pilot" if row is self.place and not self.pilot.assumed else ""
            cells = self._size(row, "study", first)
            for name in self.shown:
                star, half = "*" if name in row.best else "", row.widths[name].half
                cells.append((NAMES[name], "–" if math.isnan(half) else f"±{number(half)}{star}"))
            rows.append(cells)
        return _table("What studies will tell", rows, note)

    def within_table(self) -> Table | None:
        """The cheapest study for each width that was asked for."""
        both = zip(self.config.within, self.within, strict=True)
        rows = [[*self._size(row, "figure", name), *_both(row.widths[name])] for name, row in both]
        return _table("The cheapest studies that are as exact as asked for", rows) if rows else None

    def figures_table(self) -> Table:
        """Each figure in the pilot, how far people, images and answers differ in it, and its width in one study."""
        row = max(self.rows, key=lambda row: len(row.best)) if self._split else self.place
        design, rows, columns = row.design, [], ("pilot", "SD of people", "of images", "of answers")
        for name, width in row.widths.items():
            told = [""] * 4
            if name in self._variances:
                value, *spread = self._variances[name].values()
                told = [_number(x) for x in (value, *(max(x, 0.0) ** 0.5 for x in spread))]
            rows.append([("figure", name), *zip(columns, told, strict=True), *_both(width)])
        one = "person" if design.people == 1 else "people"
        title = f"{design.people} {one} an image, {design.images:,} images, {design.all_people:,} people"
        return _table(title, rows)

    def _size(self, row: Row, first: str, name: str) -> list[tuple[str, str]]:
        """Columns and cells that say how large a study is, after a first one."""
        sizes = [(first, name), ("people an image", str(row.design.people)), ("images", f"{row.design.images:,}")]
        costs = [("people", f"{row.design.all_people:,}"), ("hours", f"{row.hours:,.1f}")]
        return [*sizes, *costs, *([] if row.money is None else [(self.config.currency, f"{row.money:,.0f}")])]

    def draw(self, path: str | Path) -> Path:
        """Curves over people an image, one for each number of images, with the pilot's own place, as .png or .svg.

        Raises BadInput for another ending, and for a file that is there or cannot be written.
        """
        from affectml.plots.paper import draw_widths, picture_path

        file, here = picture_path(Path(path), "plan", "widths"), self.place.design
        designs = [row.design for row in (self.place, *self.rows)]
        across = sorted({design.people for design in designs} | set(PEOPLE))
        # the splits of a budget have a size each, too many for curves
        sizes = sorted(self._sizes if self._split else {design.images for design in designs})
        every = {m: [self._row(Design(n, m, here.each)).widths for n in across] for m in sizes}
        squares: dict[str, dict[str, Any]] = {
            NAMES[name]: {
                f"{m:,} images": tuple(zip(*(widths[name] for widths in row), strict=True)) for m, row in every.items()
            }
            for name in self.shown
        }
        marked = {NAMES[name]: (here.people, self.place.widths[name].half) for name in self.shown}
        named = "five people, 500 images" if self.pilot.assumed else "the pilot's own place"
        draw_widths(file, across, squares, place=marked, axis="people an image", named=named)
        return file

    def to_json(self) -> dict[str, Any]:
        """Plain values; what cannot be told is None."""
        pilot = self.pilot
        told = {"people": None if pilot.anonymous else pilot.people, "images": pilot.images}
        found: dict[str, Any] = plain({
            "pilot": told | {"answers": len(pilot.image), "drawn": pilot.assumed},
            "costs": asdict(self.costs) | {"currency": self.config.currency},
            "variances": self._variances,
            "place": self.place.to_json(),
            "studies": [row.to_json() for row in self.rows],
            "within": [row.to_json() for row in self.within],
            "assumed": self.assumed,
            "limits": self.limits,
        })  # fmt: skip
        return found


def plan_study(
    dataset: Dataset | None, config: PlanConfig, *, runs: Sequence[Path] = (), say: Say = lambda line: None
) -> Plan:
    """Plan studies from the pilot in a data set, or from assumptions alone.

    runs: up to two, which are judged; without any, stand-ins made of the pilot.

    Raises:
        BadDataset: for a pilot that nothing can be planned from.
        BadInput: for an option with a value that cannot be.
    """
    check_range(config)
    if len(runs) > 2:
        raise BadInput(f"{option('run')}: one run, or two whose difference is planned, not {len(runs)}")
    if dataset is None and runs:
        raise BadInput(f"{option('run')}: a run answers about images: name the pilot's data set")
    for name, (kind, above, most) in LISTS.items():
        if getattr(config, name) is not None:
            numbers: Any = _numbers(name, getattr(config, name), kind, above, most)
            config = replace(config, **{name: numbers})
    models: Sequence[Predicted] = ()
    if dataset is None:
        pilot = Pilot.assumed_of(config)
    else:
        for name in ("rates", "images_sd", "people_sd", "talk_sd"):
            if getattr(config, name) != getattr(PlanConfig, name):
                raise BadInput(f"{option(name)}: is assumed where there is no pilot; here it comes from the data set")
        pilot = read_pilot(dataset, config.target)
        models = [of_run(run, dataset, config.target, pilot, say) for run in runs]
    if pilot.sets and not runs:
        models = stand_ins(pilot, seed=config.seed)
    seconds = (pilot.seconds or 10.0) if config.seconds is None else config.seconds
    costs = Costs(seconds, config.minutes_before, config.per_hour or 0.0)
    names = tuple(run.resolve().name for run in runs)
    plan = Plan(config, pilot, figures_of(pilot, *models, seed=config.seed), costs, names)
    _ = plan.rows, plan.within  # what cannot be is said now
    return plan


def _numbers(name: str, given: Iterable[Any], kind: type, above: float, most: float) -> list[Any]:
    """The numbers of an option. Raises BadInput for what is none, or out of range."""
    found = []
    for each in given:
        try:
            value = kind(each)
        except (TypeError, ValueError):
            value = math.nan
        if not above < value <= most:
            end = "" if math.isinf(most) else f" and at most {most:g}"
            what = "whole numbers" if kind is int else "numbers"
            raise BadInput(f"{option(name)}: expected {what} above {above:g}{end}, got {each!r}")
        found.append(value)
    if not found:
        raise BadInput(f"{option(name)}: expected at least one number")
    return found


def plain(value: Any) -> Any:
    """For JSON: nan and infinite numbers are None."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: float) -> str:
    return number(plain(value))


def _both(width: Width) -> list[tuple[str, str]]:
    own = "–" if math.isnan(width.low) else f"{_number(width.low)} to {_number(width.high)}"
    return [("±", _number(width.half)), ("the plan's own 90 % interval", own)]


def _table(title: str, rows: list[list[tuple[str, str]]], note: str = "") -> Table:
    """Of rows of columns and cells."""
    columns, *_ = (tuple(column for column, _ in row) for row in rows)
    return Table(title, columns, tuple(tuple(cell for _, cell in row) for row in rows), note)
