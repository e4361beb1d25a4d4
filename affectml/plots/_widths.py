"""How exact a study is by its size: a square a figure, a curve a number of images, as files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from affectml.plots._paper import paper

Band = tuple[Sequence[float], Sequence[float], Sequence[float]]  # half widths, and the plan's own interval of them


def draw_widths(
    path: Path,
    across: Sequence[int],
    squares: Mapping[str, Mapping[str, Band]],
    *,
    place: Mapping[str, tuple[float, float]],
    axis: str,
    named: str,
) -> None:
    """Draw the curves into a file of the kind that its ending says; the same values give the same bytes.

    squares: title, then name of each curve, whose values stand over `across`; a band is drawn where it is known. place:
    by title, the spot that is marked with a cross, `named` in the legend.
    """
    from matplotlib import rcParams

    columns = min(3, len(squares))
    rows = -(-len(squares) // columns)
    size = (3.2 * columns, 2.5 * rows + 0.4)
    with paper([path], size, dpi=160, style={"axes.spines.right": False, "axes.spines.top": False}) as figure:
        every = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (title, curves) in zip(every, squares.items(), strict=False):
            for number, (name, (half, low, high)) in enumerate(curves.items()):
                colour = f"C{number}"
                axes.plot(across, half, color=colour, marker="o", markersize=3, label=name)
                axes.fill_between(across, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(*place[title], "x", color=rcParams["text.color"], markersize=8, markeredgewidth=2, label=named)
            axes.set_title(f"{title}, ±")
            axes.set_xscale("log")
            axes.set_xticks(across, [str(x) for x in across])
            axes.minorticks_off()
            axes.set_ylim(bottom=0)
        for axes in every[len(squares) :]:
            axes.remove()
        figure.supxlabel(axis)
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
