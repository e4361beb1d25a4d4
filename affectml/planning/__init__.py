"""How many people, how many images? What a study will be able to tell, planned from a pilot.

_figures.py   the pilot's answers, a model's score of each, and both read as variances, from which intervals follow
_plan.py      studies side by side, a budget's splits, and in words what was assumed
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from affectml._lazy import lazily
from affectml._options import Seed

if TYPE_CHECKING:
    from affectml.planning._plan import Plan, plan_study

__all__ = ["Plan", "PlanConfig", "plan_study"]
__getattr__ = lazily(__name__)
Number = Annotated[float, Ge(0)]


@dataclass(frozen=True)
class PlanConfig:
    """The studies to plan, and what an answer costs.

    Args:
        target: Target whose labels are planned from. Default: found.
        people: How many people answer an image, several to compare. Default: 2,3,5,8,12,20.
        images: How many images, several to compare; with --budget the most there are. Default: as many
            as the pilot, twice and four times as many.
        each: How many images one person answers at most. Default: as many as in the pilot on average, else 50.
        these_images: Plan for other people about these very images, not images like them.
        budget: Money to spend: what does it buy? Needs --per-hour.
        seconds: Seconds for one answer. Default: the pilot's median, else 10.
        minutes_before: Minutes that each person needs before the first image.
        per_hour: Pay per hour. Default: no money is counted.
        currency: Name of the currency.
        rates: Without a data set: each label's rate. Default: eight from .3 to .05.
        images_sd: Without a data set: SD of images in log-odds, label by label.
        people_sd: Without a data set: SD of people in log-odds, label by label.
        talk_sd: Without a data set: SD of people in log-odds that all labels share.
    """

    target: str | None = None
    people: Sequence[int] | None = None
    images: Sequence[int] | None = None
    each: Annotated[int, Ge(1)] | None = None
    these_images: bool = False
    budget: Number | None = None
    seconds: Number | None = None
    minutes_before: Number = 0.0
    per_hour: Number | None = None
    currency: str = "pounds"
    rates: Sequence[float] | None = None
    images_sd: Number = 1.5
    people_sd: Number = 0.5
    talk_sd: Number = 0.5
    seed: Seed = 0
