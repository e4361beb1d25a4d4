"""Pictures of results: drawn by matplotlib, as SVG inside pages, and as files for papers.

    _canvas.py    an empty figure, and what becomes of one: text of SVG that follows a page's colours, or files
    _dots.py      values with their intervals, a line each
    _matrix.py    rows by columns on colours: cross-evaluation's matrix

A module draws what it is given and computes nothing. The same figures give the same bytes.
"""

from affectml.plots._canvas import INKS, canvas, save, svg
from affectml.plots._dots import intervals
from affectml.plots._matrix import Square, draw_matrix

__all__ = ["INKS", "Square", "canvas", "draw_matrix", "intervals", "save", "svg"]
