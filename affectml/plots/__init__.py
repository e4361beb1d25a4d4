"""Pictures of results: written as SVG inside pages, and drawn by matplotlib as files for papers.

    _canvas.py    an empty picture, and the marks in it, in a page's colours and letters
    _charts.py    pictures inside pages: systems and labels with intervals, labels by labels, points, curves
    _paper.py     pictures as files: a map over an image, how exact studies are

A module draws what it is given and computes nothing. The same figures give the same bytes.
"""

from affectml.plots._canvas import fitted
from affectml.plots._charts import curves, dots, grid, intervals, reliability
from affectml.plots._paper import draw_map, draw_widths, overlay, picture_path

__all__ = [
    "curves",
    "dots",
    "draw_map",
    "draw_widths",
    "fitted",
    "grid",
    "intervals",
    "overlay",
    "picture_path",
    "reliability",
]
