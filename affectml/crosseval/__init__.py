"""Cross-dataset evaluation: train on one data set, judge on another, in labels that both sides have.

_space.py   which labels: one side mapped to the other's taxonomy, or why not
_sides.py   people's answers and a system's answers, brought there
_run.py     train once per data set and head, judge every pair
_matrix.py  the matrix as a table, CSV and LaTeX
_heatmap.py the matrix as a picture
_levels.py  one run at the coarser levels of its own labels
"""

from affectml.crosseval._levels import by_level
from affectml.crosseval._matrix import cells_table, main_measure, matrix_table, write_crosseval
from affectml.crosseval._run import Cell, CrossConfig, CrossResult, crosseval

__all__ = [
    "Cell",
    "CrossConfig",
    "CrossResult",
    "by_level",
    "cells_table",
    "crosseval",
    "main_measure",
    "matrix_table",
    "write_crosseval",
]
