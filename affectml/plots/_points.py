"""Images as points, curves, and labels on a plane or a circle."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.plots._canvas import INKS, SIGNS, canvas, fitted, ink, legend, svg


def scatter(x: NDArray[Any], y: NDArray[Any], alt: str, *, axis: tuple[str, str]) -> str:
    """One dot an image, with the diagonal on which both are equal; axis: what goes across and what goes up."""
    most = float(max(x.max(), y.max())) * 1.04 or 1.0
    low = min(0.0, float(min(x.min(), y.min()))) - 0.02 * most
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
    with canvas(height=270, left=58, top=28, bottom=38) as (figure, axes):
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
        for (_, x, y), theirs, its in zip(places, people, model, strict=True):
            axes.plot([x], [y], "o", color=INKS["people"], alpha=0.45, mew=0, ms=40 * np.sqrt(theirs / most))
            axes.plot([x], [y], "o", mfc="none", mec=INKS["model"], mew=1.8, ms=40 * np.sqrt(its / most))
        axes.set_xlim(-1.25, 1.25)
        axes.set_ylim(-1.15, 1.3)
        box = axes.get_position().size * figure.get_size_inches() * 72
        at = [((x + 1.25) / 2.5 * box[0], (y + 1.15) / 2.45 * box[1]) for _, x, y in places]
        radii = [20 * float(np.sqrt(max(pair) / most)) for pair in zip(people, model, strict=True)]
        names = fitted([label for label, *_ in places])
        for label, (_, x, y), spot in zip(names, places, _beside(names, at, radii), strict=True):
            axes.annotate(label, (x, y), spot, textcoords="offset points", ha="center", va="center", color=INKS["ink"])
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


def _beside(
    labels: Sequence[str], at: Sequence[tuple[float, float]], radii: Sequence[float]
) -> list[tuple[float, float]]:
    """Where each label's middle stands from its disc's, in pixels: where it covers the fewest names and discs.

    Above the disc if it can, else below, left or right of it. at, radii: the discs' middles and sizes, in pixels.
    """
    taken: list[tuple[float, float, float]] = []  # middles and half widths of names
    found = []
    for (x, y), radius, label in zip(at, radii, labels, strict=True):
        half = 3.1 * len(label)
        spots = [(0.0, radius + 8), (0.0, -radius - 8), (-radius - half - 3, 0.0), (radius + half + 3, 0.0)]
        covered = []
        for dx, dy in spots:
            names = sum(abs(x + dx - a) < half + b and abs(y + dy - c) < 13 for a, c, b in taken)
            discs = sum(
                max(abs(x + dx - a) - half, 0) ** 2 + max(abs(y + dy - c) - 6, 0) ** 2 < size**2
                for (a, c), size in zip(at, radii, strict=True)
            )
            covered.append(3 * names + discs)
        dx, dy = spots[int(np.argmin(covered))]
        taken.append((x + dx, y + dy, half))
        found.append((dx, dy))
    return found
