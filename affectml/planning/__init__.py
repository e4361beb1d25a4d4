"""How many people, how many images? What a study will be able to tell, planned from a pilot.

_config.py    what is asked for
_pilot.py     the answers to plan from, a model's score of each, and which images should get the next ones
_figures.py   the pilot read as variances: each figure as a mean over answers, and what its interval will be
_plan.py      studies side by side, a budget's splits, the cheapest study of a width
_words.py     what was assumed, and what the pilot cannot tell
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily
from affectml.planning._config import PlanConfig

if TYPE_CHECKING:
    from affectml.planning._figures import Design, Figures, Width, figures_of
    from affectml.planning._pilot import Pilot, Predicted, next_images, read_pilot, stand_ins
    from affectml.planning._plan import Costs, Plan, plan_study

__all__ = [
    "Costs", "Design", "Figures", "Pilot", "Plan", "PlanConfig", "Predicted", "Width", "figures_of", "next_images",
    "plan_study", "read_pilot", "stand_ins",
]  # fmt: skip
__getattr__ = lazily(__name__)
