"""Studies of several sizes side by side: what each can tell, what it costs, and what a budget or a width asks for."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from affectml._options import check_range
from affectml._progress import Say
from affectml.data import Dataset
from affectml.errors import BadInput, did_you_mean, option
from affectml.planning._config import PlanConfig
from affectml.planning._design import Costs, Design
from affectml.planning._figures import Figures, Width, figures_of
from affectml.planning._models import Predicted, of_run, stand_ins
from affectml.planning._pilot import Pilot, read_pilot
from affectml.planning._words import assumptions, limits
from affectml.report.tables import Table, number

PEOPLE = (2, 3, 5, 8, 12, 20)
OVERLAPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60)  # people an image among which a budget is split
MOST_IMAGES = 1_000_000
RATES = (0.3, 0.25, 0.2, 0.2, 0.15, 0.1, 0.1, 0.05)
NAMES = {
    "label_rates": "rate",
    "image_rates": "image's rate",
    "alpha": "alpha",
    "set_f1": "set F1",
    "set_f1_difference": "F1 of two models",
    "rate_cross_entropy": "cross-entropy",
    "rate_cross_entropy_difference": "cross-entropy of two models",
}


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
        """Plain values; a width that cannot be told is None."""
        sizes = asdict(self.design) | {"all_people": self.design.all_people, "answers": self.design.answers}
        widths = {name: width._asdict() for name, width in self.widths.items()}
        costs = {"hours": self.hours, "money": self.money}
        found: dict[str, Any] = plain(sizes | costs | {"best": self.best, "asked": self.asked, "widths": widths})
        return found


@dataclass(frozen=True, eq=False)
class Plan:
    """What studies of several sizes will be able to tell, from a pilot.

    place: the pilot's own place among them. rows: a study each; with a budget, its splits. within: the cheapest study
    for each width that was asked for. assumed, limits: in words, what was assumed and what the pilot cannot tell.
    """

    pilot: Pilot
    figures: Figures
    place: Row
    rows: tuple[Row, ...]
    within: tuple[Row, ...]
    costs: Costs
    currency: str
    these_images: bool
    assumed: tuple[str, ...]
    limits: tuple[str, ...]

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """The figures that tables have as columns."""
        return tuple(name for name in NAMES if name in self.place.widths)

    def table(self) -> Table:
        """A study a row; with a budget, the cheapest split of each figure is marked."""
        rows = self.rows if any(row.best for row in self.rows) else (self.place, *self.rows)
        cells = tuple(self._cells(row, "pilot" if row is self.place and not self.pilot.assumed else "") for row in rows)
        note = "±: half the width of the 95 % interval"
        if any(row.best for row in rows):
            note += "; *: the narrowest that the budget buys; --images says how many images there are at most"
        return Table("What studies will tell", (*self._sizes("study"), *(NAMES[n] for n in self.shown)), cells, note)

    def within_table(self) -> Table | None:
        """The cheapest study for each width that was asked for."""
        if not self.within:
            return None
        rows = tuple(
            (*self._cells(row, str(row.asked))[: len(self._sizes(""))], *_both(row.widths[str(row.asked)]))
            for row in self.within
        )
        columns = (*self._sizes("figure"), "±", "the plan's own 90 % interval")
        return Table("The cheapest studies that are as exact as asked for", columns, rows)

    def figures_table(self) -> Table:
        """Each figure in the pilot, how far people, images and answers differ in it, and its width in one study."""
        row = max(self.rows, key=lambda row: len(row.best), default=self.place)
        row = row if row.best else self.place
        of = self.figures.variances
        rows = [
            (name, _number(value), *(_number(max(x, 0.0) ** 0.5) for x in spread), *_both(row.widths[name]))
            for name, value, *spread in zip(self.figures.names, *(field.tolist() for field in of[:4]), strict=True)
        ]
        rows += [(name, "", "", "", "", *_both(row.widths[name])) for name in ("label_rates", "image_rates")]
        design = row.design
        one = "person" if design.people == 1 else "people"
        title = f"{design.people} {one} an image, {design.images:,} images, {design.all_people:,} people"
        columns = ("figure", "pilot", "SD of people", "of images", "of answers", "±", "the plan's own 90 % interval")
        return Table(title, columns, tuple(rows))

    def draw(self, path: str | Path) -> Path:
        """Curves over people an image, one for each number of images, with the pilot's own place, as .png or .svg.

        Raises BadInput for another ending, and for a file that is there or cannot be written.
        """
        from affectml.plots import draw_widths, picture_path

        file, here = picture_path(Path(path), "plan", "widths"), self.place.design
        rows = [row.design for row in (self.place, *self.rows)]
        across = sorted({design.people for design in rows} | set(PEOPLE))
        sizes = {design.images for design in rows}
        if any(row.best for row in self.rows):  # the splits of a budget have a size each, too many for curves
            sizes = {here.images, 2 * here.images, 4 * here.images}
        squares: dict[str, dict[str, Any]] = {NAMES[name]: {} for name in self.shown}
        for m in sorted(sizes):
            every = [self.figures.widths(Design(n, m, here.each), these_images=self.these_images) for n in across]
            for name, curves in zip(self.shown, squares.values(), strict=True):
                curves[f"{m:,} images"] = tuple(zip(*(widths[name] for widths in every), strict=True))
        marked = {NAMES[name]: (here.people, self.place.widths[name].half) for name in self.shown}
        named = "five people, 500 images" if self.pilot.assumed else "the pilot's own place"
        draw_widths(file, across, squares, place=marked, axis="people an image", named=named)
        return file

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        pilot, fields = self.pilot, ("value", "people", "images", "answers")
        columns = zip(self.figures.names, *(field.tolist() for field in self.figures.variances[:4]), strict=True)
        told = {
            "people": None if pilot.anonymous else pilot.people, "images": pilot.images, "answers": len(pilot.image),
            "drawn": pilot.assumed,
        }  # fmt: skip
        found: dict[str, Any] = plain({
            "pilot": told,
            "costs": asdict(self.costs) | {"currency": self.currency},
            "variances": {name: dict(zip(fields, each, strict=True)) for name, *each in columns},
            "place": self.place.to_json(),
            "studies": [row.to_json() for row in self.rows],
            "within": [row.to_json() for row in self.within],
            "assumed": self.assumed,
            "limits": self.limits,
        })  # fmt: skip
        return found

    def _sizes(self, first: str) -> tuple[str, ...]:
        paid = (self.currency,) if self.place.money is not None else ()
        return (first, "people an image", "images", "people", "hours", *paid)

    def _cells(self, row: Row, name: str) -> tuple[str, ...]:
        design = row.design
        paid = () if row.money is None else (f"{row.money:,.0f}",)
        sizes = (name, str(design.people), f"{design.images:,}", f"{design.all_people:,}", f"{row.hours:,.1f}", *paid)
        halves = {name: row.widths[name].half for name in self.shown}
        shown = (f"±{number(half)}{'*' if name in row.best else ''}" for name, half in halves.items())
        return (*sizes, *("–" if math.isnan(half) else cell for half, cell in zip(halves.values(), shown, strict=True)))


def plan_study(
    dataset: Dataset | None,
    config: PlanConfig,
    *,
    runs: Sequence[Path] = (),
    say: Say = lambda line: None,
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
    if dataset is None:
        rates = RATES if config.rates is None else _numbers("rates", config.rates, float, 0, 1)
        sds = {name: getattr(config, name) for name in ("images_sd", "people_sd", "talk_sd")}
        pilot = Pilot.assumed_of(rates, **sds, seed=config.seed)
    else:
        for name in ("rates", "images_sd", "people_sd", "talk_sd"):
            if getattr(config, name) != getattr(PlanConfig, name):
                raise BadInput(f"{option(name)}: is assumed where there is no pilot; here it comes from the data set")
        pilot = read_pilot(dataset, config.target)
    models: Sequence[Predicted] = ()
    if runs and dataset is not None:
        models = [of_run(run, dataset, config.target, pilot, say) for run in runs]
    elif pilot.sets:
        models = stand_ins(pilot, seed=config.seed)
    figures = figures_of(pilot, *models, seed=config.seed)
    seconds = (pilot.seconds or 10.0) if config.seconds is None else config.seconds
    costs = Costs(seconds, config.minutes_before, config.per_hour or 0.0)
    studies = _Studies(pilot, figures, costs, config)
    place = studies.place
    return Plan(
        pilot, figures, place, tuple(studies.rows()), tuple(studies.within()),
        costs, config.currency, config.these_images,
        tuple(assumptions(pilot, models, costs, config, bool(runs), studies.each)),
        tuple(limits(pilot, figures, place.widths)),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Studies:
    """The studies that are asked for."""

    pilot: Pilot
    figures: Figures
    costs: Costs
    config: PlanConfig

    def row(self, design: Design, **more: Any) -> Row:
        money = None if self.config.per_hour is None else self.costs.money(design)
        widths = self.figures.widths(design, these_images=self.config.these_images)
        return Row(design, self.costs.hours(design), money, widths, **more)

    @cached_property
    def each(self) -> int:
        """How many images a person answers at most."""
        unknown = self.pilot.anonymous or self.pilot.assumed
        return self.config.each or (50 if unknown else math.ceil(self.overlap * self.pilot.images / self.pilot.people))

    @property
    def overlap(self) -> int:
        """How many people answered an image of the pilot, as a whole number."""
        return max(1, round(self.pilot.answers_an_image))

    @cached_property
    def place(self) -> Row:
        """The pilot's own place; of assumptions alone, five people an image and 500 images."""
        if self.pilot.assumed:
            return self.row(Design(5, 500, self.each))
        return self.row(Design(self.overlap, self.pilot.images, self.each))

    def people(self, otherwise: Sequence[int]) -> Sequence[int]:
        given = self.config.people
        return otherwise if given is None else [int(n) for n in _numbers("people", given, int, 0, math.inf)]

    def images(self) -> list[int] | None:
        given = self.config.images
        return None if given is None else [int(m) for m in _numbers("images", given, int, 1, math.inf)]

    def rows(self) -> Iterable[Row]:
        if self.config.budget is None:
            here = self.place.design
            images = self.images() or (here.images, 2 * here.images, 4 * here.images)
            designs = [Design(n, m, self.each) for m in images for n in self.people(PEOPLE)]
            yield from (self.row(design) for design in designs if design != here)
            return
        budget = self.config.budget
        if not self.config.per_hour:
            raise BadInput(f"{option('budget', budget)}: what is an hour paid? Say {option('per_hour', 10)}")
        designs = []
        for n in self.people(OVERLAPS):
            made = partial(Design, n, each=self.each)
            more = self.first(lambda m, made=made: self.costs.money(made(m)) > budget)  # type: ignore[misc]
            designs += [made(more - 1)] if more > 2 else []
        if not designs:
            least = self.costs.money(Design(min(self.people(OVERLAPS)), 2, self.each))
            raise BadInput(f"{option('budget', budget)}: two images cost {least:,.2f} {self.config.currency} already")
        found = [self.row(design) for design in designs]
        best: dict[int, list[str]] = {}
        for name in found[0].widths:
            halves = [(row.widths[name].half, at) for at, row in enumerate(found)]
            if known := [pair for pair in halves if not math.isnan(pair[0])]:
                best.setdefault(min(known)[1], []).append(name)
        yield from (replace(row, best=tuple(best.get(at, ()))) for at, row in enumerate(found))

    def within(self) -> Iterable[Row]:
        """The cheapest study for each width asked for: of each number of people an image the fewest images."""
        most = max(self.images() or [MOST_IMAGES])
        names = (*self.figures.names, "label_rates", "image_rates")
        for name, asked in self.config.within.items():
            said = option("within", {name: asked})
            if name not in names:
                raise BadInput(f"{said}: no figure {name!r}{did_you_mean(name, names)} (figures: {', '.join(names)})")
            width, designs = _numbers("within", [asked], float, 0, math.inf)[0], []
            for n in self.people(OVERLAPS):
                made = partial(Design, n, each=self.each)
                half = partial(self.figures.expected, these_images=self.config.these_images)
                m = self.first(lambda m, at=name, most=width, half=half, made=made: half(made(m))[at] <= most)  # type: ignore[misc]
                designs += [made(m)] if m <= most else []
            if not designs:
                here, largest = self.place.widths[name].half, max(self.people(OVERLAPS))
                whose = "5 people each of 500 images have" if self.pilot.assumed else "the pilot has"
                why = f"not even {most:,} images of {largest} people each reach it"
                why = "the pilot cannot tell it" if math.isnan(here) else f"{why}; {whose} ±{_number(here)}"
                raise BadInput(f"{said}: {why}")
            yield self.row(min(designs, key=lambda d: (self.costs.hours(d), d.answers)), asked=name)

    def first(self, holds: Callable[[int], bool]) -> int:
        """The fewest images, two at least, from which it holds; one more than there are where it never does."""
        return 2 + bisect_left(range(2, max(self.images() or [MOST_IMAGES]) + 1), True, key=holds)


def _numbers(name: str, given: Iterable[Any], kind: type, above: float, most: float) -> list[float]:
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
            raise BadInput(f"{option(name)}: expected {what} above {max(above, 0):g}{end}, got {each!r}")
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


def _both(width: Width) -> tuple[str, str]:
    ends = f"{_number(width.low)} to {_number(width.high)}"
    return _number(width.half), "–" if math.isnan(width.low) else ends
