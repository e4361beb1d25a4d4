"""The matrix as a picture for a paper: each cell its value on a colour, a refused pair hatched."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from affectml._files import replacing
from affectml.evaluation.scoring import Score
from affectml.report.tables import number
from affectml_metrics.table import better


def draw_heatmap(
    rows: Sequence[tuple[str, Sequence[Score | None]]], tests: Sequence[str], title: str, paths: Sequence[Path]
) -> None:
    """Draw rows (name, score or None for each test set) into each of `paths`, in the format of its ending.

    The colours span the values that are there; for metrics that shrink as they get better they run the other way.
    The same rows give the same bytes.
    """
    # The object-oriented interface: pyplot would touch the user's backend and open figures.
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    values = np.array([[np.nan if s is None else s["value"] for s in scores] for _, scores in rows])
    shown = np.ma.masked_invalid(values)
    colours = mpl.colormaps["cividis_r" if better(title.split()[0]) == "lower" else "cividis"]
    style: Any = {"svg.hashsalt": "affectml", "svg.fonttype": "none", "font.size": 9}
    with mpl.rc_context(style):
        figure = Figure(figsize=(2.4 + 1.1 * len(tests), 0.9 + 0.38 * len(rows)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        picture = axes.imshow(shown, cmap=colours, aspect="auto")
        axes.set_facecolor("white")
        axes.set_xticks(range(len(tests)), [textwrap.fill(test, 13) for test in tests], parse_math=False)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows], parse_math=False)
        axes.xaxis.tick_top()
        axes.set_title(title, parse_math=False)
        for y, (_, scores) in enumerate(rows):
            for x, score in enumerate(scores):
                if score is None:
                    axes.add_patch(
                        mpl.patches.Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, hatch="///", edgecolor="0.7", lw=0)
                    )
                    continue
                red, green, blue, _ = picture.cmap(picture.norm(np.array(score["value"])))
                dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
                axes.text(x, y, number(score["value"]), ha="center", va="center", color="white" if dark else "black")
        for path in paths:
            kind = path.suffix[1:]
            metadata = {"Date": None} if kind == "svg" else {"Software": None}
            with replacing(path) as temporary:
                figure.savefig(temporary, format=kind, dpi=200, metadata=metadata)
