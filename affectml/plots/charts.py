"""Pictures inside pages: values with their intervals, labels by labels, said against seen, and curves.

A picture draws what it is given and computes nothing. The same figures give the same bytes.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from affectml.plots.canvas import WIDTH, Canvas, around, fitted, marks, room, short

Point = tuple[float, float, float]  # value, low, high
Lines = Mapping[str, Mapping[float, Point]]
WRITTEN = 11  # labels up to which a figure stands in every cell of a grid
LEAST = 16.0  # pixels of such a cell, so that names beside it stand apart: of many labels the picture grows wider
FEW_SPOTS = 4  # along an axis are named one by one
TICKS = {0.0: "0", 0.5: "0.5", 1.0: "1"}  # of a square of shares
SQUARE = ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))


def dots(rows: Mapping[str, Mapping[str, Point]], series: Sequence[str], alt: str, among: Sequence[str] = ()) -> Markup:
    """Rows (labels, groups, or the systems themselves) with a sign for each system, and a whisker for its interval.

    rows: {ROW: {SYSTEM: (value, low, high)}}. series: the systems to draw. among: all of the page, so that each looks
    the same in every picture of it. Of systems that have a row each there is no
    legend, and each value stands beside its row; else the axis starts at 0 unless something is below.
    """
    names, alone, signs = fitted(rows), list(series) == list(rows), marks([*among, *series])
    ends = list(chain(*(point for found in rows.values() for point in found.values())))
    least = min([0.0, *ends])
    across = around(ends, 0.06) if alone else (least, max(around(ends, 0.05)[1], least + 1e-9))
    step, top = (18, 4) if alone else (9 * len(series) + 9, 13)
    margins = (room(names), 44 if alone else 12, top, 22)
    drawn = Canvas(300 if alone else WIDTH, step * len(rows) + top + 22, margins, across, (len(rows) - 0.5, -0.5))
    signs = {name: signs[name] for name in series}
    drawn.legend({} if alone else signs)
    drawn.numbers(most=4 if alone else 9)
    drawn.lines(([(end, at - 0.5) for end in across] for at in range(1, len(rows)) if not alone), "line", 0.5)
    drawn.names(dict(enumerate(names)))
    for number, (name, (sign, ink)) in enumerate(signs.items()):
        shift = 0.0 if alone else (number - (len(series) - 1) / 2) * 9 / step
        shown = [(at + shift, found[name]) for at, found in enumerate(rows.values()) if name in found]
        drawn.lines(([(low, at), (high, at)] for at, (_, low, high) in shown if low < high), ink, 1.5)
        drawn.signs(drawn.at((value, at) for at, (value, *_) in shown), sign, ink, 6 if alone else 5)
        for at, (value, *_) in shown if alone else ():
            drawn.text((drawn.right + 6, drawn.up(at)), short(value))
    return drawn.svg(alt)


def reliability(panels: Mapping[str, Sequence[tuple[float, Point]]], alt: str) -> Markup:
    """A small square per label: what was said across, what was seen up, with a whisker; on the diagonal they are one.

    panels: by label what was said, and what was seen (value, low, high), of each bin.
    """
    across, size, gap = 3, 90.0, 30.0
    width, height = across * (size + gap) + 20, -(-len(panels) // across) * (size + gap) + 40
    drawn = Canvas(width, height, (0, 0, 0, 0), (0, 1), (0, 1))
    for number, (label, bins) in enumerate(panels.items()):
        left, top = 30 + (number % across) * (size + gap), 20 + (number // across) * (size + gap)
        drawn.left, drawn.right, drawn.top, drawn.bottom = left, left + size, top, top + size
        drawn.lines([SQUARE], "line", 0.8)
        drawn.lines([[(0, 0), (1, 1)]], "soft", 0.8, "2.4 2.4")
        drawn.text((left, top - 9), label if len(label) < 18 else f"{label[:16]}…")
        drawn.lines(([(said, low), (said, high)] for said, (_, low, high) in bins), "model", 1.3)
        drawn.signs(drawn.at((said, seen) for said, (seen, *_) in bins), "D", "model", 3.6, 1.0)
        drawn.numbers(TICKS)
        drawn.names(TICKS)
    drawn.text((30, height - 12), "across: said; up: seen", "soft", size=10)
    return drawn.svg(alt)


def grid(values: NDArray[np.float64], names: Sequence[str], alt: str, *, hue: str, axis: tuple[str, str]) -> Markup:
    """A square for each count [C, C], deeper the larger it is, the diagonal framed.

    Args:
        values: at least 0.
        names: of the C rows, and of the columns.
        alt: what it shows, in words.
        hue: the colour of INKS.
        axis: what stands down and across, in words.
    """
    names, count = fitted(names), len(names)
    left, cell = room(names), max(LEAST, (WIDTH - room(names) - 8) / count)
    top, edges = left + 4, (-0.5, count - 0.5)
    height = top + min(cell, 30) * count + 44
    drawn = Canvas(left + cell * count + 8, height, (left, 8, top, 44), edges, edges[::-1])
    depths = (0.72 * values / (values.max(initial=0) or 1.0)).round(3)
    drawn.areas(((_cell(x, y), depth) for (y, x), depth in np.ndenumerate(depths) if depth > 0), hue)
    for (y, x), value in np.ndenumerate(values):
        text = f"{value:.{int(value < 9.95)}f}".removesuffix(".0")
        if count <= WRITTEN and value > 0 and float(text) != 0:
            drawn.text((drawn.across(x), drawn.up(y)), text, size=9, anchor="middle")
    drawn.lines((_cell(at, at) for at in range(count)), "soft", 0.8)
    for x, name in enumerate(names):
        drawn.text((drawn.across(x), top - 4), name, turned=True)
    drawn.names(dict(enumerate(names)))
    for below, text in ((30, f"down: {axis[0]}"), (12, f"across: {axis[1]}")):
        drawn.text((8, height - below), text, "soft", size=10)
    return drawn.svg(alt)


def _cell(x: float, y: float) -> list[tuple[float, float]]:
    return [(x + across - 0.5, y + down - 0.5) for across, down in SQUARE]


def curves(series: Lines, alt: str, axis: str, *, log: bool = False) -> Markup:
    """A line per system over a number: {SYSTEM: {NUMBER: (value, low, high)}}, of the first system with its interval.

    axis: what the number is. log: whether the axis is logarithmic.
    """
    first, signs = next(iter(series)), marks(series)
    spots = sorted({x for line in series.values() for x in line})
    values = [value for line in series.values() for value, *_ in line.values()]
    heights = around([*values, *chain(*series[first].values())], 0.05)
    low, high = around(np.log(spots) if log else spots, 0.05)
    x = (float(np.exp(low)), float(np.exp(high))) if log else (low, high)
    drawn = Canvas(WIDTH, 259, (58, 10, 17, 38), x, heights, log=log)
    drawn.legend(signs)
    drawn.numbers({x: f"{x:g}" for x in spots} if log or len(spots) <= FEW_SPOTS else None)
    drawn.heights()
    ends = [(x, low, high) for x, (_, low, high) in series[first].items()]
    band = [*((x, high) for x, _, high in ends), *((x, low) for x, low, _ in reversed(ends))]
    drawn.areas([(band, 0.18)], signs[first][1])
    drawn.text(((drawn.left + drawn.right) / 2, drawn.bottom + 23), axis, "soft", anchor="middle")
    drawn.text((11, (drawn.top + drawn.bottom) / 2), "score", "soft", anchor="middle", turned=True)
    for name, points in series.items():
        (sign, ink), line = signs[name], [(x, value) for x, (value, *_) in points.items()]
        drawn.lines([line], ink, 1.8)
        drawn.signs(drawn.at(line) if len(line) <= 12 else (), sign, ink, 5, 1.0)
    return drawn.svg(alt)
