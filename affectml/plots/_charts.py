"""Pictures inside pages: values with their intervals, labels by labels, images as points, and curves."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.plots._canvas import WIDTH, Canvas, around, fitted, in_lines, marks, room, short

Point = tuple[float, float, float]  # value, low, high
WRITTEN = 10  # labels up to which a figure stands in every cell of a grid
LEAST = 16.0  # pixels of such a cell, so that names beside it stand apart: of many labels the picture grows wider
FEW_SPOTS = 4  # along an axis are named one by one
SQUARE = ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))


def intervals(
    scores: Sequence[tuple[str, Mapping[str, float]]], alt: str, *, width: float = 300, zero: bool = False
) -> str:
    """One metric: a system a line, its value a sign, its 95 % interval a whisker.

    scores: the system's name, and its value, low and high. zero: whether they are differences, with a line at zero.
    """
    names, signs = fitted([name for name, _ in scores]), marks(name for name, _ in scores)
    ends = [score[end] for _, score in scores for end in ("low", "value", "high")]
    across, rows = around([*ends, *([0.0] if zero else [])], 0.06), (len(names) - 0.5, -0.5)
    drawn = Canvas(width, 34 + 19 * len(scores), (room(names), 44, 4, 22), across, rows)
    drawn.numbers(most=4)
    drawn.names(dict(enumerate(names)))
    drawn.lines([[(0, row) for row in rows]] if zero else [], "ink", 1.0)
    for at, (name, score) in enumerate(scores):
        sign, ink = signs[name]
        drawn.lines([[(score["low"], at), (score["high"], at)]], ink, 1.6)
        drawn.signs(drawn.at([(score["value"], at)]), sign, ink, 6)
        drawn.text((drawn.right + 6, drawn.up(at)), short(score["value"]))
    return drawn.svg(alt)


def dots(
    rows: Sequence[str],
    series: Mapping[str, Sequence[Point | None]],
    alt: str,
    *,
    axis: str = "",
    named: Mapping[str, str] | None = None,
) -> str:
    """Several systems on several rows (labels, groups): one sign each, with a whisker where low and high differ.

    series: by system, a value, low and high per row, None where there is none. The axis starts at 0 unless
    something is below. named: what a system is called under the picture, where not by its name.
    """
    rows, signs, step = fitted(rows), marks(series), 9 * len(series) + 9
    known = [point for points in series.values() for point in points if point is not None]
    least = min([0.0, *(low for _, low, _ in known)])
    across = (least, max(around(chain(*known), 0.05)[1], least + 1e-9))
    called = [(named or {}).get(name, name) for name in series]
    top = 13 + in_lines(called, WIDTH)[-1][1]
    margins = (room(rows), 12, top, 36)
    drawn = Canvas(WIDTH, step * len(rows) + top + 36, margins, across, (len(rows) - 0.5, -0.5))
    drawn.numbers()
    drawn.lines(([(end, at - 0.5) for end in across] for at in range(1, len(rows))), "line", 0.5)
    drawn.names(dict(enumerate(rows)))
    for number, (name, points) in enumerate(series.items()):
        shift = (number - (len(series) - 1) / 2) * 9 / step
        shown = [(at + shift, point) for at, point in enumerate(points) if point is not None]
        sign, ink = signs[name]
        drawn.lines(([(low, at), (high, at)] for at, (_, low, high) in shown if low < high), ink, 1.3)
        drawn.signs(drawn.at((value, at) for at, (value, *_) in shown), sign, ink, 5)
    drawn.words(axis)
    drawn.legend([(words, *signs[name]) for words, name in zip(called, series, strict=True)])
    return drawn.svg(alt)


def reliability(
    panels: Sequence[tuple[str, Sequence[tuple[float, float, float, float]]]], alt: str, *, axis: tuple[str, str]
) -> str:
    """A small square per label: what was said across, what was seen up, with a band; on the diagonal they are one.

    panels: the label, and (said, seen, low, high) for each bin.
    """
    across, size, gap = 3, 90.0, 30.0
    width, height = across * (size + gap) + 20, -(-len(panels) // across) * (size + gap) + 40
    drawn = Canvas(width, height, (0, 0, 0, 0), (0, 1), (0, 1))
    for number, (label, bins) in enumerate(panels):
        left, top = 30 + (number % across) * (size + gap), 20 + (number // across) * (size + gap)
        drawn.left, drawn.right, drawn.top, drawn.bottom = left, left + size, top, top + size
        drawn.lines([SQUARE], "line", 0.8)
        drawn.lines([[(0, 0), (1, 1)]], "soft", 0.8, "2.4 2.4")
        drawn.text((left, top - 9), label if len(label) < 18 else f"{label[:16]}…")
        drawn.lines(([(said, low), (said, high)] for said, _, low, high in bins), "model", 1.3)
        drawn.signs(drawn.at((said, seen) for said, seen, *_ in bins), "D", "model", 3.6, 1.0)
        for tick in (0, 0.5, 1):
            if number % across == 0:
                drawn.text((left - 4, drawn.up(tick)), f"{tick:g}", "soft", size=9, anchor="end")
            if number + across >= len(panels):
                drawn.text((drawn.across(tick), drawn.bottom + 8), f"{tick:g}", "soft", size=9, anchor="middle")
    drawn.text((30, height - 12), f"across: {axis[0]}; up: {axis[1]}", "soft", size=10)
    return drawn.svg(alt)


def grid(
    values: NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    alt: str,
    *,
    hue: str = "model",
    axis: tuple[str, str] = ("", ""),
    whole: bool = False,
) -> str:
    """A square for each value [R, C], deeper the larger it is, the diagonal framed; nan stays empty.

    Args:
        values: at least 0.
        rows: names down.
        columns: names across, written upwards.
        alt: what it shows, in words.
        hue: the colour of INKS.
        axis: what stands down and across, in words.
        whole: whether figures are counts, and not shares.
    """
    rows, columns, count = fitted(rows), fitted(columns), len(columns)
    words = [f"{where}: {what}" for where, what in zip(("down", "across"), axis, strict=True) if what]
    left, top, bottom = room(rows), room(columns) + 4, 18 * len(words) + 8
    cell = max(LEAST, (WIDTH - left - 8) / count)
    height = top + min(cell, 30) * len(rows) + bottom
    margins = (left, 8, top, bottom)
    drawn = Canvas(left + cell * count + 8, height, margins, (-0.5, count - 0.5), (len(rows) - 0.5, -0.5))
    depths = np.nan_to_num(0.72 * values / (np.fmax.reduce(values, axis=None, initial=0) or 1.0)).round(3)
    drawn.areas(((_cell(x, y), depth) for (y, x), depth in np.ndenumerate(depths) if depth > 0), hue)
    for (y, x), value in np.ndenumerate(values):
        if max(count, len(rows)) <= WRITTEN + 1 and not np.isnan(value):
            text = f"{value:.{int(value < 9.95)}f}".removesuffix(".0") if whole else short(value, 2)
            if float(text) != 0:
                drawn.text((drawn.across(x), drawn.up(y)), text, size=9, anchor="middle")
    drawn.lines((_cell(at, at) for at in range(min(len(rows), count))), "soft", 0.8)
    for x, name in enumerate(columns):
        if count > 3:
            drawn.text((drawn.across(x), top - 4), name, turned=True)
        else:
            drawn.text((drawn.across(x), top - 9), name, anchor="middle")
    drawn.names(dict(enumerate(rows)))
    for line, text in enumerate(words):
        drawn.text((8, height - bottom + 18 * line + 14), text, "soft", size=10)
    return drawn.svg(alt)


def _cell(x: float, y: float) -> list[tuple[float, float]]:
    return [(x + across - 0.5, y + down - 0.5) for across, down in SQUARE]


def curves(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    alt: str,
    *,
    axis: tuple[str, str],
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    levels: Mapping[str, float] | None = None,
    level_name: str = "",
    log: bool = False,
) -> str:
    """A line per system over a number.

    bands: low and high of a system. levels: a value of a system that does not move, dashed, and level_name what it is.
    """
    bands, levels = bands or {}, levels or {}
    signs, spots = marks([*series, *levels]), sorted({x for xs, _ in series.values() for x in xs})
    low, high = around((math.log(x) if log else x for x in spots), 0.05)
    heights = chain(*(ys for _, ys in series.values()), *chain(*bands.values()), levels.values())
    x = (math.exp(low), math.exp(high)) if log else (low, high)
    dashed = [(f"{name}, {level_name}", "--", signs[name][1]) for name in levels]
    named = [*((name, *signs[name]) for name in series), *dashed]
    top = 17 + in_lines([name for name, *_ in named], WIDTH)[-1][1]
    drawn = Canvas(WIDTH, 242 + top, (58, 10, top, 38), x, around(heights, 0.05), log=log)
    drawn.numbers({x: f"{x:g}" for x in spots} if log or len(spots) <= FEW_SPOTS else None)
    drawn.heights()
    for name, (lows, highs) in bands.items():
        xs = series[name][0]
        band = [*zip(xs, highs, strict=True), *reversed([*zip(xs, lows, strict=True)])]
        drawn.areas([(band, 0.18)], signs[name][1])
    for name, level in levels.items():
        drawn.lines([[(end, level) for end in x]], signs[name][1], 1.2, "4.8 3.6")
    for name, (xs, ys) in series.items():
        (sign, ink), line = signs[name], [*zip(xs, ys, strict=True)]
        drawn.lines([line], ink, 1.8)
        drawn.signs(drawn.at(line) if len(line) <= 12 else (), sign, ink, 5, 1.0)
    drawn.words(*axis)
    drawn.legend(named)
    return drawn.svg(alt)
