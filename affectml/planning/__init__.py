"""How many people, how many images? What a study will be able to tell, planned from a pilot.

_figures.py   the pilot's answers, a model's score of each, and both read as variances, from which intervals follow
_plan.py      studies side by side, a budget's splits, the cheapest study of a width, and in words what was assumed
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from affectml._lazy import lazily
from affectml._options import Help, Seed, parse_settings

if TYPE_CHECKING:
    from affectml.planning._figures import next_images
    from affectml.planning._plan import Plan, plan_study

__all__ = ["Plan", "PlanConfig", "next_images", "plan_study"]
__getattr__ = lazily(__name__)
Number = Annotated[float, Ge(0)]
Counts = Sequence[int] | None


@dataclass(frozen=True)
class PlanConfig:
    """The studies to plan, and what an answer costs."""

    target: Annotated[str | None, Help("Target whose labels are planned from.", default="found")] = None
    people: Annotated[Counts, Help("How many people answer an image, several to compare.", default="2,3,5,8,12,20")] = (
        None
    )
    images: Annotated[
        Counts,
        Help(
            "How many images, several to compare; with --budget or --within the most there are.",
            default="as many as the pilot, twice and four times as many",
        ),
    ] = None
    each: Annotated[
        Annotated[int, Ge(1)] | None,
        Help("How many images one person answers at most.", default="as many as in the pilot on average, else 50"),
    ] = None
    these_images: Annotated[bool, Help("Plan for other people about these very images, not images like them.")] = False
    budget: Annotated[Number | None, Help("Money to spend: what does it buy? Needs --per-hour.")] = None
    within: Annotated[
        Mapping[str, str],
        Help(
            "Half the width that a figure's 95 % interval should have, such as set_f1=0.02: what does it cost? "
            "May be given several times.",
            metavar="FIGURE=WIDTH",
            read=partial(parse_settings, example="set_f1=0.02"),
        ),
    ] = field(default_factory=dict)
    seconds: Annotated[Number | None, Help("Seconds for one answer.", default="the pilot's median, else 10")] = None
    minutes_before: Annotated[Number, Help("Minutes that each person needs before the first image.")] = 0.0
    per_hour: Annotated[Number | None, Help("Pay per hour.", default="no money is counted")] = None
    currency: Annotated[str, Help("Name of the currency.")] = "pounds"
    rates: Annotated[
        Sequence[float] | None, Help("Without a data set: each label's rate.", default="eight from .3 to .05")
    ] = None
    images_sd: Annotated[Number, Help("Without a data set: SD of images in log-odds, label by label.")] = 1.5
    people_sd: Annotated[Number, Help("Without a data set: SD of people in log-odds, label by label.")] = 0.5
    talk_sd: Annotated[Number, Help("Without a data set: SD of people in log-odds that all labels share.")] = 0.5
    seed: Seed = 0
