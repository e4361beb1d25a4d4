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
        for (label, x, y), theirs, its in zip(places, people, model, strict=True):
            axes.plot([x], [y], "o", color=INKS["people"], alpha=0.45, mew=0, ms=40 * np.sqrt(theirs / most))
            axes.plot([x], [y], "o", mfc="none", mec=INKS["model"], mew=1.8, ms=40 * np.sqrt(its / most))
            radius = 20 * np.sqrt(max(theirs, its) / most)
            axes.annotate(
                label, (x, y), (0, radius + 2), textcoords="offset points", ha="center", va="bottom", color=INKS["ink"]
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
