"""Pictures of results: drawn by matplotlib, as SVG inside pages, and as files for papers.

    _canvas.py    an empty figure, and what becomes of one: text of SVG that follows a page's colours, or files
    _dots.py      values with their intervals: systems, labels, bins
    _grid.py      labels by labels, on one colour
    _points.py    images as points, curves, labels on a plane
    _matrix.py    rows by columns on many colours, as files: cross-evaluation's matrix

A module draws what it is given and computes nothing. The same figures give the same bytes.
"""

from affectml.plots._canvas import INKS, canvas, fitted, save, svg
from affectml.plots._dots import dots, intervals, reliability
from affectml.plots._grid import grid
from affectml.plots._matrix import Square, draw_matrix
from affectml.plots._points import curves, plane, scatter

__all__ = [
    "INKS",
    "Square",
    "canvas",
    "curves",
    "dots",
    "draw_matrix",
    "fitted",
    "grid",
    "intervals",
    "plane",
    "reliability",
    "save",
    "scatter",
    "svg",
]
