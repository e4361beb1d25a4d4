"""Images as points, curves, and labels on a plane or a circle."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.plots._canvas import Canvas, around, fitted, mark


def scatter(x: NDArray[Any], y: NDArray[Any], alt: str, *, axis: tuple[str, str]) -> str:
    """One dot an image, with the diagonal on which both are equal; axis: what goes across and what goes up."""
    most = float(max(x.max(), y.max())) * 1.04 or 1.0
    low = min(0.0, float(min(x.min(), y.min()))) - 0.02 * most
    drawn = Canvas(height=340, left=46, bottom=38, x=(low, most), y=(low, most))
    drawn.numbers(lines=False)
    drawn.heights(lines=False)
    drawn.line([(low, low), (most, most)], "soft", 0.8, "2.4 2.4")
    drawn.discs(zip(x.tolist(), y.tolist(), strict=True), [2.2] * len(x), "model", 0.45)
    drawn.words(*axis)
    return drawn.svg(alt)


FEW_SPOTS = 4  # along an axis are named one by one


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
    """A line per system over a number; bands: low and high of a system; levels: a value of a
    system that does not move, dashed, and level_name what it is."""
    bands, levels = bands or {}, levels or {}
    spots = sorted({x for xs, _ in series.values() for x in xs})
    across = around(np.log(spots).tolist() if log else spots, 0.05)
    heights = [*(y for _, ys in series.values() for y in ys), *levels.values()]
    heights += [y for band in bands.values() for ys in band for y in ys]
    drawn = Canvas(
        height=270, left=58, top=28, bottom=38,
        x=(float(np.exp(across[0])), float(np.exp(across[1]))) if log else across, y=around(heights, 0.05), log=log,
    )  # fmt: skip
    if log or len(spots) <= FEW_SPOTS:
        drawn.named_numbers({x: f"{x:g}" for x in spots})
    else:
        drawn.numbers()
    drawn.heights()
    for name, (low, high) in bands.items():
        xs = series[name][0]
        drawn.area([*zip(xs, high, strict=True), *reversed([*zip(xs, low, strict=True)])], mark(name)[1], 0.18)
    for name, level in levels.items():
        drawn.line([(x, level) for x in drawn.x], mark(name)[1], 1.2, "4.8 3.6")
    for name, (xs, ys) in series.items():
        sign, ink = mark(name)
        drawn.line(zip(xs, ys, strict=True), ink, 1.8)
        if len(xs) <= 12:
            drawn.signs(zip(xs, ys, strict=True), sign, ink, 5, 1.0)
    drawn.words(*axis)
    dashed = [(f"{name}, {level_name}", "--", mark(name)[1]) for name in levels]
    drawn.legend([*((name, *mark(name)) for name in series), *dashed])
    return drawn.svg(alt)


def plane(
    places: Sequence[tuple[str, float, float]],
    people: Sequence[float],
    model: Sequence[float],
    alt: str,
    *,
    framed: bool = True,
    them: str = "people",
) -> str:
    """Labels where they stand, each with a disc for people and a ring for the model, as large as their mean shares.

    places: label, x and y on [-1, 1]. framed: whether x and y mean something, and have axes. them:
    what people are called here.
    """
    most = max([*people, *model, 1e-9])
    height, left, bottom = (372, 26, 30) if framed else (380, 6, 6)
    drawn = Canvas(height=height, left=left, right=8, top=28, bottom=bottom, x=(-1.25, 1.25), y=(-1.15, 1.3))
    if framed:
        drawn.line([(-1.25, 0), (1.25, 0)], "line", 0.8)
        drawn.line([(0, -1.15), (0, 1.3)], "line", 0.8)
        across, up = (drawn.left + drawn.right) / 2, (drawn.top + drawn.bottom) / 2
        drawn.text_at(across, height - 14, "valence: unpleasant to pleasant", "soft", anchor="middle")
        drawn.text_at(13, up, "arousal: calm to excited", "soft", anchor="middle", turned=True)
    spots = [(x, y) for _, x, y in places]
    largest = 20 * min(1.0, (12 / max(len(places), 1)) ** 0.5)  # pixels: many discs leave room for their names
    theirs, its = ([largest * float(np.sqrt(share / most)) for share in shares] for shares in (people, model))
    drawn.discs(spots, theirs, "people", 0.45)
    drawn.rings(spots, its, "model")
    names = fitted([label for label, *_ in places])
    at = drawn.at(spots)
    radii = [max(pair) for pair in zip(theirs, its, strict=True)]
    beside = _beside(names, [(x, -y) for x, y in at], radii, (drawn.left, drawn.width))
    for label, (x, y), (dx, dy) in zip(names, at, beside, strict=True):
        if dx and dy:
            drawn.line_at([(x, y), (x + dx - math.copysign(3.3 * len(label), dx), y - dy)], "soft", 0.7)
        drawn.text_at(x + dx, y - dy, label, anchor="middle")
    drawn.legend([(them, "o", "people"), ("model", "ring", "model")])
    return drawn.svg(alt)


def _beside(
    labels: Sequence[str], at: Sequence[tuple[float, float]], radii: Sequence[float], within: tuple[float, float]
) -> list[tuple[float, float]]:
    """Where each label's middle stands from its disc's, in pixels: where it covers the fewest names and discs.

    Above the disc if it can, else below, left or right of it, or farther off. at, radii: the discs' middles and
    sizes, in pixels. within: the pixels across that names are kept between.
    """
    taken: list[tuple[float, float, float]] = []  # middles and half widths of names
    found = []
    for number, ((x, y), radius, label) in enumerate(zip(at, radii, labels, strict=True)):
        half = 3.3 * len(label)
        spots = [(0.0, radius + 8), (0.0, -radius - 8)]
        spots += [(side * (radius + half + 3), dy) for dy in (0, 11, -11, 22, -22) for side in (-1, 1)]
        spots += [(0.0, radius + 20), (0.0, -radius - 20)]
        covered = []
        for dx, dy in spots:
            names = sum(abs(x + dx - a) < half + b + 4 and abs(y + dy - c) < 13 for a, c, b in taken)
            gaps = [math.hypot(max(abs(x + dx - a) - half, 0), max(abs(y + dy - c) - 6, 0)) for a, c in at]
            discs = sum(gap < size for gap, size in zip(gaps, radii, strict=True))
            discs += sum(gap < gaps[number] for gap in gaps)  # where it would be taken for another's
            cut = x + dx - half < within[0] or x + dx + half > within[1]
            covered.append(5 * names + discs + 100 * cut)
        dx, dy = spots[int(np.argmin(covered))]
        taken.append((x + dx, y + dy, half))
        found.append((dx, dy))
    return found
