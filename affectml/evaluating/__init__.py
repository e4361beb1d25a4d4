"""The one way from systems to an evaluation, whoever answers: `affectml evaluate`.

config.py    what was asked for
systems.py   runs and files by name, what each says of a data set's images, and what stands beside it
datasets.py  everybody judged on a data set, in the labels that both sides have
evaluate.py  all of it, runs compared by what is stored of them too, and the files that it writes
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily
from affectml.evaluating.config import EvaluateConfig

if TYPE_CHECKING:
    from affectml.evaluating.evaluate import Evaluated, evaluate_systems

__all__ = ["EvaluateConfig", "Evaluated", "evaluate_systems"]
__getattr__ = lazily(__name__)
