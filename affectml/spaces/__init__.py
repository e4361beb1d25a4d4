"""Judging in other labels than a model's or a data set's own: where two taxonomies meet, and what becomes of answers.

_space.py   which labels: one side mapped to the other's taxonomy, or both to a coarser one, or why not
_sides.py   people's answers and a system's answers, brought there
_levels.py  one run at the coarser levels of its own labels
"""

from affectml.spaces._sides import People, people_in, system_in
from affectml.spaces._space import Choices, Space, find_space, space_of

__all__ = ["Choices", "People", "Space", "find_space", "people_in", "space_of", "system_in"]
