"""Labels by labels: how often one goes with the other, on one colour that deepens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.plots._canvas import WIDTH, Canvas, fitted, room, short

WRITTEN = 10  # labels up to which a figure stands in every cell
LEAST = 16.0  # pixels of a cell, so that names beside it stand apart: of many labels the picture grows wider


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
    rows, columns = fitted(rows), fitted(columns)
    count = len(columns)
    left, top, bottom = room(rows), room(columns) + 4, 18 * sum(map(bool, axis)) + 8
    cell = max(LEAST, (WIDTH - left - 8) / count)
    width = left + cell * count + 8
    height = top + min(cell, 30) * len(rows) + bottom
    most = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    written = count <= WRITTEN + 1 and len(rows) <= WRITTEN + 1
    drawn = Canvas(
        width, height, left=left, right=8, top=top, bottom=bottom, x=(-0.5, count - 0.5), y=(len(rows) - 0.5, -0.5)
    )
    for (y, x), value in np.ndenumerate(values):
        depth = round(0.72 * float(value) / most, 3) if most > 0 and not np.isnan(value) else 0.0
        if depth > 0:
            drawn.box((x - 0.5, x + 0.5), (y - 0.5, y + 0.5), hue, depth)
        if written and not np.isnan(value):
            text = f"{value:.{int(value < 9.95)}f}".removesuffix(".0") if whole else short(value, 2)
            if float(text) != 0:
                drawn.text_at(drawn.across(x), drawn.up(y), text, size=9, anchor="middle")
    for at in range(min(len(rows), count)):
        drawn.box((at - 0.5, at + 0.5), (at - 0.5, at + 0.5), "soft", frame=0.8)
    for x, name in enumerate(columns):
        if count > 3:
            drawn.text_at(drawn.across(x), top - 4, name, turned=True)
        else:
            drawn.text_at(drawn.across(x), top - 9, name, anchor="middle")
    drawn.names(rows)
    words = [f"down: {axis[0]}" if axis[0] else "", f"across: {axis[1]}" if axis[1] else ""]
    for line, text in enumerate(filter(None, words)):
        drawn.text_at(8, height - bottom + 18 * line + 14, text, "soft", size=10)
    return drawn.svg(alt)
