"""Labels by labels: how often one goes with the other, on one colour that deepens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.plots._canvas import INKS, canvas, fitted, room, short, svg

WRITTEN = 10  # labels up to which a figure stands in every cell


def grid(
    values: NDArray[Any],
    rows: Sequence[str],
    columns: Sequence[str],
    alt: str,
    *,
    hue: str = "model",
    axis: tuple[str, str] = ("", ""),
    whole: bool = False,
    outlined: bool = True,
) -> str:
    """A square for each value [R, C], deeper the larger it is; nan stays empty.

    Args:
        values: at least 0.
        rows: names down.
        columns: names across, written upwards.
        alt: what it shows, in words.
        hue: the colour of INKS.
        axis: what stands down and across, in words.
        whole: whether figures are counts, and not shares.
        outlined: whether the diagonal has a frame.
    """
    from matplotlib.patches import Rectangle

    rows, columns = fitted(rows), fitted(columns)
    count = len(columns)
    left, top, bottom = room(rows), room(columns) * 0.95 + 2, 18 * sum(map(bool, axis)) + 8
    cell = max(11.0, (380 - left - 8) / count)
    width = left + cell * count + 8
    height = top + min(cell, 30) * len(rows) + bottom
    most = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    with canvas(width, height, left=left, right=8, top=top, bottom=bottom) as (figure, axes):
        for y, row in enumerate(values):
            for x, value in enumerate(row):
                if np.isnan(value):
                    continue
                depth = float(value) / most if most > 0 else 0.0
                if depth < 0.02 and count > WRITTEN + 1:
                    continue  # not to be seen, and many such squares take long to draw
                axes.add_patch(
                    Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=INKS[hue], alpha=round(0.72 * depth, 3), lw=0)
                )
                if count <= WRITTEN + 1 and len(rows) <= WRITTEN + 1:
                    text = f"{value:.0f}" if whole else short(value, 2)
                    if float(text or 0) == 0:
                        continue
                    axes.text(x, y, text, ha="center", va="center", fontsize=9, color=INKS["ink"])
        if outlined:
            for at in range(min(len(rows), count)):
                axes.add_patch(Rectangle((at - 0.5, at - 0.5), 1, 1, fill=False, edgecolor=INKS["soft"], lw=0.8))
        axes.set_xlim(-0.5, count - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.xaxis.tick_top()
        axes.set_xticks(range(count), columns, rotation=90 if count > 3 else 0)
        axes.tick_params(axis="x", labelcolor=INKS["ink"])
        axes.set_yticks(range(len(rows)), rows)
        for spine in axes.spines.values():
            spine.set_visible(False)
        words = [f"down: {axis[0]}" if axis[0] else "", f"across: {axis[1]}" if axis[1] else ""]
        for line, text in enumerate(filter(None, words)):
            figure.text(8 / width, (bottom - 18 * (line + 1)) / height, text, fontsize=10, color=INKS["soft"])
        return svg(figure, alt)
