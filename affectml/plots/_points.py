"""Images as points, curves, and labels on a plane or a circle."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.plots._canvas import INKS, SIGNS, canvas, ink, legend, svg


def scatter(x: NDArray[Any], y: NDArray[Any], alt: str, *, axis: tuple[str, str]) -> str:
    """One dot an image, with the diagonal on which both are equal; axis: what goes across and what goes up."""
    most = float(max(x.max(), y.max())) * 1.04 or 1.0
    low = min(0.0, float(min(x.min(), y.min())))
    with canvas(height=340, left=46, bottom=38) as (figure, axes):
        axes.plot([low, most], [low, most], color=INKS["soft"], lw=0.8, ls=(0, (3, 3)))
        axes.plot(x, y, "o", color=INKS["model"], ms=4.4, alpha=0.45, mew=0)
        axes.set_xlim(low, most)
        axes.set_ylim(low, most)
        axes.set_xlabel(axis[0])
        axes.set_ylabel(axis[1])
        return svg(figure, alt)


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
    with canvas(height=270, left=50, top=28, bottom=38) as (figure, axes):
        for name, (xs, ys) in series.items():
            many = len(xs) > 12
            axes.plot(xs, ys, "-" if many else f"-{SIGNS.get(name, 'o')}", color=ink(name), lw=1.8, ms=5)
            if bands and name in bands:
                axes.fill_between(xs, *bands[name], color=ink(name), alpha=0.18, lw=0)
        for name, level in (levels or {}).items():
            axes.axhline(level, color=ink(name), lw=1.2, ls=(0, (4, 3)))
        if log:
            axes.set_xscale("log")
            ticks = sorted({x for xs, _ in series.values() for x in xs})
            axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
            axes.minorticks_off()
        axes.grid(visible=True)
        axes.set_axisbelow(True)
        axes.set_xlabel(axis[0])
        axes.set_ylabel(axis[1])
        dashed = [(f"{name}, {level_name}", ink(name), "--") for name in levels or {}]
        legend(figure, [*((name, ink(name), SIGNS.get(name, "o")) for name in series), *dashed])
        return svg(figure, alt)


def plane(
    places: Sequence[tuple[str, float, float]],
    people: Sequence[float],
    model: Sequence[float],
    alt: str,
    *,
    axis: tuple[str, str] = ("valence: unpleasant to pleasant", "arousal: calm to excited"),
    framed: bool = True,
    them: str = "people",
) -> str:
    """Labels where they stand, each with a disc for people and a ring for the model, as large as their mean shares.

    places: label, x and y on [-1, 1]. framed: whether x and y mean something, and have axes. them:
    what people are called here.
    """
    most = max([*people, *model, 1e-9])
    with canvas(
        height=372 if framed else 380, left=26 if framed else 6, right=8, top=28, bottom=30 if framed else 6
    ) as (
        figure,
        axes,
    ):
        across, up = 346 / 2.5, (314 if framed else 346) / 2.45  # pixels of one unit
        sizes = [20 * np.sqrt(max(each) / most) for each in zip(people, model, strict=True)]
        taken = [
            (x * across - r, y * up - r, x * across + r, y * up + r) for (_, x, y), r in zip(places, sizes, strict=True)
        ]
        for (label, x, y), theirs, its, radius in zip(places, people, model, sizes, strict=True):
            axes.plot([x], [y], "o", color=INKS["people"], alpha=0.45, mew=0, ms=40 * np.sqrt(theirs / most))
            axes.plot([x], [y], "o", mfc="none", mec=INKS["model"], mew=1.8, ms=40 * np.sqrt(its / most))
            (right, down), box = _free(label, x * across, y * up, radius, taken)
            taken.append(box)
            axes.annotate(
                label, (x, y), (right, down), textcoords="offset points", ha="center", va="center", color=INKS["ink"]
            )
        axes.set_xlim(-1.25, 1.25)
        axes.set_ylim(-1.15, 1.3)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        if framed:
            axes.axhline(0, color=INKS["line"], lw=0.8, zorder=0)
            axes.axvline(0, color=INKS["line"], lw=0.8, zorder=0)
            axes.set_xlabel(axis[0])
            axes.set_ylabel(axis[1])
        legend(figure, [(them, INKS["people"], "o"), ("model", INKS["model"], "ring")])
        return svg(figure, alt)


Box = tuple[float, float, float, float]  # left, bottom, right, top


def _free(label: str, x: float, y: float, radius: float, taken: Sequence[Box]) -> tuple[tuple[float, float], Box]:
    """Where a name beside a disc covers the least of what is there: its shift from the disc's centre, and its box.

    Above, below, right or left, the first of equals; all in pixels.
    """
    wide, high = 3.2 * len(label), 7.0
    shifts = [(0.0, radius + 8), (0.0, -radius - 8), (radius + wide + 4, 0.0), (-radius - wide - 4, 0.0)]
    boxes = [(x + dx - wide, y + dy - high, x + dx + wide, y + dy + high) for dx, dy in shifts]
    covered = [sum(_overlap(box, other) for other in taken) + 10 * max(0, abs(x + dx) + wide - 172)
               for box, (dx, _) in zip(boxes, shifts, strict=True)]  # fmt: skip
    best = covered.index(min(covered))
    return shifts[best], boxes[best]


def _overlap(one: Box, other: Box) -> float:
    wide, high = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0
