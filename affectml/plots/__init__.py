"""Pictures of results: written as SVG inside pages, and drawn by matplotlib as files for papers.

    _canvas.py    an empty picture, and the marks in it, in a page's colours and letters
    _dots.py      values with their intervals: systems, labels, bins
    _grid.py      labels by labels, on one colour
    _points.py    images as points, curves, labels on a plane
    _map.py       a map over an image, with curves, as files
    _matrix.py    rows by columns on many colours, as files: cross-evaluation's matrix
    _widths.py    how exact studies are by their size, as files
    _paper.py     the file that a picture is drawn into, and how

A module draws what it is given and computes nothing. The same figures give the same bytes.
"""

from affectml.plots._canvas import INKS, fitted
from affectml.plots._dots import dots, intervals, reliability
from affectml.plots._grid import grid
from affectml.plots._map import draw_map, overlay
from affectml.plots._matrix import Square, draw_matrix
from affectml.plots._paper import picture_path
from affectml.plots._points import curves, plane, scatter
from affectml.plots._widths import draw_widths

__all__ = [
    "INKS",
    "Square",
    "curves",
    "dots",
    "draw_map",
    "draw_matrix",
    "draw_widths",
    "fitted",
    "grid",
    "intervals",
    "overlay",
    "picture_path",
    "plane",
    "reliability",
    "scatter",
]
