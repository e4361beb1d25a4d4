"""How many people, how many images? What a study will be able to tell, planned from a pilot.

_pilot.py     the answers to plan from: people's, anonymous votes, or drawn from assumptions
_figures.py   each figure as a mean over answers: how far people, images and answers differ in it
_uncertainty.py  what else the variances may be
_alpha.py     Krippendorff's alpha as such a mean
_models.py    a model's score of each answer
_design.py    a study of some size, and what it costs
_plan.py      studies side by side, a budget's splits, the cheapest study of a width
_next.py      which images should get the next answers
_words.py     what was assumed, and what the pilot cannot tell
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily
from affectml.planning._config import PlanConfig

if TYPE_CHECKING:
    from affectml.planning._design import Costs, Design
    from affectml.planning._figures import Figures, Width, figures_of
    from affectml.planning._models import Predicted, stand_ins
    from affectml.planning._next import next_images
    from affectml.planning._pilot import Pilot, read_pilot
    from affectml.planning._plan import Plan, plan_study

__all__ = [
    "Costs",
    "Design",
    "Figures",
    "Pilot",
    "Plan",
    "PlanConfig",
    "Predicted",
    "Width",
    "figures_of",
    "next_images",
    "plan_study",
    "read_pilot",
    "stand_ins",
]
__getattr__ = lazily(__name__)
