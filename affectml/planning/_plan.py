"""Studies of several sizes side by side: what each can tell, what it costs, and what a budget buys."""

import json
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from typing import Annotated, Any

import numpy as np
import pandas as pd
from annotated_types import Gt, Le
from pydantic import PositiveInt

from affectml._options import check_range
from affectml.data import Dataset
from affectml.errors import BadInput, few, option
from affectml.heads.config import read_value
from affectml.page.tables import Table, number
from affectml.planning import PlanConfig
from affectml.planning._figures import Design, Figures, Pilot, Width, figures_of, read_pilot, stand_ins
from affectml_metrics import FEW

PEOPLE = (2, 3, 5, 8, 12, 20)
OVERLAPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60)  # people an image among which a budget is split
MOST_IMAGES = 1_000_000
LISTS = {  # the options that are several numbers, and which
    "people": list[PositiveInt], "images": list[Annotated[int, Gt(1)]], "rates": list[Annotated[float, Gt(0), Le(1)]],
}  # fmt: skip
SHOWN = ("label_rates", "image_rates", "alpha", "set_f1", "set_f1_difference", "rate_cross_entropy",
         "rate_cross_entropy_difference")  # fmt: skip


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

    best: the figures whose interval is narrowest in this split of the budget. money: None where no pay was told.
    """

    design: Design
    hours: float
    money: float | None
    widths: dict[str, Width]
    best: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Its fields, flat."""
        sizes = asdict(self.design) | {"all_people": self.design.all_people, "answers": self.design.answers}
        widths = {"widths": {name: width._asdict() for name, width in self.widths.items()}}
        return sizes | {name: getattr(self, name) for name in ("hours", "money", "best")} | widths


@dataclass(frozen=True, eq=False)
class Plan:
    """What studies of several sizes will be able to tell, from a pilot.

    config: what was asked for.
    """

    config: PlanConfig
    pilot: Pilot
    figures: Figures
    costs: Costs

    @cached_property
    def place(self) -> Row:
        """The pilot's own place among the studies; of assumptions alone, five people an image and 500 images."""
        pilot, overlap = self.pilot, max(1, round(len(self.pilot.image) / self.pilot.images))
        most = self.config.each or (50 if pilot.assumed else math.ceil(overlap * pilot.images / pilot.people))
        return self._row(Design(*(5, 500) if pilot.assumed else (overlap, pilot.images), most))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """A study each; with a budget, its splits."""
        config, here = self.config, self.place.design
        if config.budget is None:
            images = config.images or [times * here.images for times in (1, 2, 4)]
            designs = [Design(n, m, here.each) for m in images for n in config.people or PEOPLE]
            return tuple(self._row(design) for design in designs if design != here)
        people, most = config.people or OVERLAPS, max(config.images or [MOST_IMAGES])
        if not config.per_hour:
            raise BadInput(f"{option('budget', config.budget)}: what is an hour paid? Say {option('per_hour', 10)}")
        costs = {n: partial(self._money, n) for n in people}
        bought = {n: bisect_right(range(1, most + 1), config.budget, key=cost) for n, cost in costs.items()}
        rows = [self._row(Design(n, images, here.each)) for n, images in bought.items() if images > 1]
        if not rows:
            least = f"{min(cost(2) for cost in costs.values()):,.2f} {config.currency}"
            raise BadInput(f"{option('budget', config.budget)}: two images cost {least} already")
        halves = pd.DataFrame([{name: width.half for name, width in row.widths.items()} for row in rows])
        best = halves.dropna(axis=1, how="all").idxmin()  # of each figure that can be told, its narrowest split
        return tuple(replace(row, best=tuple(best.index[best == at])) for at, row in enumerate(rows))

    def _money(self, people: int, images: int) -> float:
        return self.costs.money(Design(people, images, self.place.design.each))

    def _row(self, design: Design) -> Row:
        money = None if self.config.per_hour is None else self.costs.money(design)
        widths = self.figures.widths(design, these_images=self.config.these_images)
        return Row(design, self.costs.hours(design), money, widths)

    @property
    def _variances(self) -> dict[str, dict[str, float]]:
        """Of each figure: its value in the pilot, and the variances of people, images and answers."""
        fields = ("value", "people", "images", "answers")
        columns = zip(self.figures.names, *(field.tolist() for field in self.figures.variances[:4]), strict=True)
        return {name: dict(zip(fields, each, strict=True)) for name, *each in columns}

    def table(self) -> Table:
        """A study a row; with a budget, the cheapest split of each figure is marked."""
        note, rows = "±: half the width of the 95 % interval", []
        if self.config.budget is not None:
            note += "; *: the narrowest that the budget buys; --images says how many images there are at most"
        studies = self.rows if self.config.budget is not None else (self.place, *self.rows)
        if self.pilot.assumed and self.config.budget is None:
            studies = tuple(sorted(studies, key=lambda row: (row.design.images, row.design.people)))
        for row in studies:
            cells = {"study": "pilot" if row is self.place and not self.pilot.assumed else ""}
            cells |= {"people an image": f"{row.design.people}", "images": f"{row.design.images:,}"}
            cells |= {"people": f"{row.design.all_people:,}", "hours": f"{row.hours:,.1f}"}
            cells |= {} if row.money is None else {self.config.currency: f"{row.money:,.0f}"}
            for name in SHOWN:
                half, star = row.widths[name].half, "*" if name in row.best else ""
                cells[name] = "–" if math.isnan(half) else f"±{number(half)}{star}"
            rows.append(cells)
        return _plan_table("What studies will tell", rows, note)

    def figures_table(self) -> Table:
        """Each figure in the pilot, how far people, images and answers differ in it, and its width in one study."""
        row = max(self.rows, key=lambda row: len(row.best)) if self.config.budget is not None else self.place
        design, rows, columns = row.design, [], ("pilot", "SD: people", "images", "answers")
        for name, width in row.widths.items():
            figures = [""] * 4
            if name in self._variances:
                value, *spread = self._variances[name].values()
                figures = [_number(x) for x in (value, *(max(x, 0.0) ** 0.5 for x in spread))]
            own = "–" if math.isnan(width.low) else f"{_number(width.low)} to {_number(width.high)}"
            cells = {"figure": name} | dict(zip(columns, figures, strict=True))
            rows.append(cells | {"±": _number(width.half), "the plan's own 90 % interval": own})
        noun = "person" if design.people == 1 else "people"
        title = f"{design.people} {noun} an image, {design.images:,} images, {design.all_people:,} people"
        return _plan_table(title, rows)

    def to_json(self) -> dict[str, Any]:
        """Plain values; what cannot be told is None."""
        pilot = self.pilot
        sizes = {"people": pilot.people, "images": pilot.images, "answers": len(pilot.image)}
        values = {
            "pilot": sizes | {"drawn": pilot.assumed},
            "costs": asdict(self.costs) | {"currency": self.config.currency},
            "variances": self._variances,
            "place": self.place.to_json(),
            "studies": [row.to_json() for row in self.rows],
            "assumed": self.assumed,
            "limits": self.limits,
        }
        plain: dict[str, Any] = json.loads(json.dumps(values), parse_constant=lambda nan: None)
        return plain

    @cached_property
    def assumed(self) -> tuple[str, ...]:
        """In words, what was assumed, in the order in which it matters."""
        pilot, costs, config = self.pilot, self.costs, self.config
        if pilot.assumed:
            of_people = f"{config.people_sd:g} (people, label by label) and {config.talk_sd:g} (people, all labels)"
            sds = f"with SDs in log-odds of {config.images_sd:g} (images), {of_people}"
            notes = [f"all is assumed: answers drawn from a mixed logit {sds}"]
        else:
            which = f"about {'the same images' if config.these_images else 'images of the same kind'}"
            notes = [
                f"planned from {len(pilot.image):,} answers of {pilot.people:,} people about {pilot.images:,} images",
                f"the study asks the same question, of people like these, {which}; everybody answers equally often",
            ]
        half = "what one half of the people said of an image, smoothed, is judged by the other half"
        notes.append(f"the model is a stand-in: {half}; its difference is that from their mean rates")
        took = " (the median of the pilot)" if config.seconds is None and pilot.seconds is not None else ""
        paid = f", {config.per_hour:g} {config.currency} an hour" if config.per_hour else ""
        before = f", {costs.minutes_before:g} minutes of each person before them" if costs.minutes_before else ""
        limit = f"at most {self.place.design.each:,} images a person (--each)"
        return *notes, f"{limit}, {costs.seconds:g} seconds an answer{took}{before}{paid}"

    @cached_property
    def limits(self) -> tuple[str, ...]:
        """In words, what the pilot cannot tell."""
        pilot, widths, notes = self.pilot, self.place.widths, []
        if not pilot.assumed and pilot.people < FEW:
            half, low, high = widths["label_rates"]
            place = f"at the pilot's size a rate's ±{number(half)} may be {number(low)} to {number(high)} (90 %)"
            notes.append(f"{pilot.people} people say little of how far people differ: {place}")
        if not pilot.assumed and pilot.images < FEW:
            notes.append(f"{pilot.images} images say little of how far images differ")
        rates = pilot.chosen.mean(axis=0)
        for share, what in ((0.0, "nobody chose"), (1.0, "everybody always chose")):
            if names := [label for label, rate in zip(pilot.labels, rates, strict=True) if rate == share]:
                notes.append(f"{what} {few(names, 6)}: nothing is planned for {'it' if len(names) == 1 else 'them'}")
        if math.isnan(widths["alpha"].half) and (pilot.chosen == pilot.chosen[0]).all():
            notes.append("everybody always gave the same answer: there is no alpha")
        elif math.isnan(widths["alpha"].half):
            notes.append("alpha is planned from images with three answers or more, and there are none")
        elif np.bincount(pilot.image).max() < 4:
            notes.append("no image has four answers: how much pairs of answers add to the spread of alpha is assumed")
        if math.isnan(widths["set_f1"].half) and pilot.people == 2:
            notes.append("each half of two people is one of them: a model's scores need a pilot with more people")
        return tuple(notes)


def plan_study(dataset: Dataset | None, config: PlanConfig) -> Plan:
    """Plan studies from the pilot in a data set, or from assumptions alone.

    Raises:
        BadDataset: for a pilot that nothing can be planned from.
        BadInput: for an option with a value that cannot be.
    """
    check_range(config)
    lists = {name: list(getattr(config, name)) for name in LISTS if getattr(config, name) is not None}
    config = replace(config, **{name: read_value(values, LISTS[name], option(name)) for name, values in lists.items()})
    if dataset is None:
        pilot = Pilot.assumed_of(config)
    else:
        for name in ("rates", "images_sd", "people_sd", "talk_sd"):
            if getattr(config, name) != getattr(PlanConfig, name):
                raise BadInput(f"{option(name)}: is assumed where there is no pilot; here it comes from the data set")
        pilot = read_pilot(dataset, config.target)
    seconds = (pilot.seconds or 10.0) if config.seconds is None else config.seconds
    costs = Costs(seconds, config.minutes_before, config.per_hour or 0.0)
    plan = Plan(config, pilot, figures_of(pilot, *stand_ins(pilot, seed=config.seed), seed=config.seed), costs)
    _ = plan.rows  # what cannot be is said now
    return plan


def _number(value: float) -> str:
    return number(value if math.isfinite(value) else None)


def _plan_table(title: str, rows: Sequence[dict[str, str]], note: str = "") -> Table:
    """Of rows of cells by column."""
    return Table(title, tuple(rows[0]), tuple(tuple(row.values()) for row in rows), note)
