"""The matrix as a picture for a paper: each cell its value on a colour, a refused pair hatched."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from affectml._files import replacing
from affectml.cross_evaluation._grid import Grid
from affectml.report.tables import STAR, arrow, number
from affectml_metrics.table import better


def draw_heatmap(grid: Grid, paths: Sequence[Path]) -> None:
    """Draw the matrix into each of `paths`, in the format of its ending; the same matrix gives the same bytes.

    The colours span the values that are there; for metrics that shrink as they get better they run the other way. A
    cell in other labels than the test set's own is pale and says in how many: it compares with its like alone.
    """
    # The object-oriented interface: pyplot would touch the user's backend and open figures.
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    values = np.array([[np.nan if e is None else e.score["value"] for e in entries] for _, entries in grid.rows])
    fewer = np.array([[bool(e and e.mark) for e in entries] for _, entries in grid.rows])
    few = any(e and "few" in e.score for _, entries in grid.rows for e in entries)
    colours = mpl.colormaps["cividis_r" if better(grid.metric) == "lower" else "cividis"]
    shades = colours(mpl.colors.Normalize()(np.ma.masked_invalid(values)))
    shades[fewer] = 0.35 * shades[fewer] + 0.65
    below = [*grid.legend(), *([STAR] if few else [])]
    style: Any = {"svg.hashsalt": "affectml", "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(style):
        size = (2.4 + 1.1 * len(grid.tests), 0.9 + 0.38 * len(grid.rows) + 0.14 * len(below))
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        axes.imshow(np.where(np.isnan(values)[..., None], 1.0, shades), aspect="auto")
        axes.set_xticks(range(len(grid.tests)), [textwrap.fill(test, 13) for test in grid.tests], parse_math=False)
        axes.set_yticks(range(len(grid.rows)), [name for name, _ in grid.rows], parse_math=False)
        axes.xaxis.tick_top()
        axes.set_title(arrow(grid.metric), parse_math=False)
        for y, (_, entries) in enumerate(grid.rows):
            for x, entry in enumerate(entries):
                if entry is None:
                    axes.add_patch(
                        mpl.patches.Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="///", edgecolor="0.7", lw=0)
                    )
                    continue
                text = f"{number(entry.score['value'])}{'*' if 'few' in entry.score else ''}"
                text += f" ({entry.mark})" if entry.mark else ""
                dark = shades[y, x, :3] @ (0.299, 0.587, 0.114) < 0.5
                weight = "bold" if entry.best else "normal"
                axes.text(x, y, text, ha="center", va="center", color="white" if dark else "black", weight=weight)
        figure.supxlabel("\n".join(below), x=0.01, ha="left", fontsize=6.5, parse_math=False)
        for path in paths:
            kind = path.suffix[1:]
            metadata = {"Date": None} if kind == "svg" else {"Software": None}
            with replacing(path) as temporary:
                figure.savefig(temporary, format=kind, dpi=200, metadata=metadata)
