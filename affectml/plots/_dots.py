"""Values with their intervals, a line each."""

from collections.abc import Mapping, Sequence

from affectml.plots._canvas import INKS, SIGNS, canvas, ink, svg


def intervals(scores: Sequence[tuple[str, Mapping[str, float]]], alt: str, *, width: float = 300) -> str:
    """One metric: a system a line, its value a sign, its 95 % interval a whisker.

    scores: the system's name, and its value, low and high.
    """
    names = [name for name, _ in scores]
    with canvas(width, 34 + 19 * len(scores), left=_room(names), right=44, top=4, bottom=22) as (figure, axes):
        for at, (name, score) in enumerate(scores):
            colour = ink(name)
            axes.plot([score["low"], score["high"]], [at, at], color=colour, lw=1.6, solid_capstyle="butt")
            axes.plot([score["value"]], [at], SIGNS.get(name, "s"), color=colour, ms=6, mew=1.4)
            axes.annotate(
                _short(score["value"]), (1, at), (6, 0), ("axes fraction", "data"), textcoords="offset points",
                va="center", color=INKS["ink"],
            )  # fmt: skip
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.margins(x=0.06)
        axes.locator_params(axis="x", nbins=4)
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        axes.spines["left"].set_visible(False)
        return svg(figure, alt)


def _room(names: Sequence[str]) -> float:
    """Pixels that the longest name takes at the left."""
    return 14 + 6.3 * max(map(len, names))


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if -1 < value < 1 else f"{value:.2f}"
