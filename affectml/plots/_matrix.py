"""Rows by columns as a picture for a paper: each cell its value on a colour, one without a value hatched."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affectml.plots._paper import paper


@dataclass(frozen=True)
class Square:
    """A cell: what colours it, what is written in it; bold, and pale where it compares with its like alone."""

    value: float
    text: str
    bold: bool = False
    pale: bool = False


def draw_matrix(
    title: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[Square | None]]],
    paths: Sequence[Path],
    *,
    below: Sequence[str] = (),
    downwards: bool = False,
) -> None:
    """Draw the cells into each of `paths`, in the format of its ending; the same cells give the same bytes.

    The colours span the values that are there; `downwards` is for what shrinks as it gets better: they run the other
    way. None is a cell without a value. below: lines under the picture.
    """
    import matplotlib as mpl

    values = np.array([[np.nan if each is None else each.value for each in cells] for _, cells in rows])
    pale = np.array([[bool(each and each.pale) for each in cells] for _, cells in rows])
    colours = mpl.colormaps["cividis_r" if downwards else "cividis"]
    shades = colours(mpl.colors.Normalize()(np.ma.masked_invalid(values)))
    shades[pale] = 0.35 * shades[pale] + 0.65
    size = (2.4 + 1.1 * len(columns), 0.9 + 0.38 * len(rows) + 0.14 * len(below))
    with paper(paths, size, dpi=200, style={"font.size": 9}) as figure:
        axes = figure.subplots()
        axes.imshow(np.where(np.isnan(values)[..., None], 1.0, shades), aspect="auto")
        axes.set_xticks(range(len(columns)), [textwrap.fill(name, 13) for name in columns])
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.xaxis.tick_top()
        axes.set_title(title)
        for y, (_, cells) in enumerate(rows):
            for x, each in enumerate(cells):
                if each is None:
                    axes.add_patch(
                        mpl.patches.Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="///", edgecolor="0.7", lw=0)
                    )
                    continue
                dark = shades[y, x, :3] @ (0.299, 0.587, 0.114) < 0.5
                weight = "bold" if each.bold else "normal"
                axes.text(x, y, each.text, ha="center", va="center", color="white" if dark else "black", weight=weight)
        figure.supxlabel("\n".join(below), x=0.01, ha="left", fontsize=6.5)
