"""Cross-dataset evaluation: train on one data set, judge on another, in labels that both sides have.

config.py   what is asked for
_run.py     train once per data set and head, judge every pair
_grid.py    the matrix of one metric: which scores may stand beside each other
_matrix.py  the matrix as a table, CSV, LaTeX and a picture
"""

from typing import TYPE_CHECKING

from affectml._lazy import lazily
from affectml.cross_evaluation.config import CrossConfig

if TYPE_CHECKING:
    from affectml.cross_evaluation._matrix import cells_table, main_metric, matrix_table, write_crosseval
    from affectml.cross_evaluation._run import Cell, CrossResult, crosseval

__all__ = [
    "Cell",
    "CrossConfig",
    "CrossResult",
    "cells_table",
    "crosseval",
    "main_metric",
    "matrix_table",
    "write_crosseval",
]
__getattr__ = lazily(__name__)
