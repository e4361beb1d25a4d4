"""Values with their intervals, a line each."""

from collections.abc import Mapping, Sequence

from affectml.plots._canvas import INKS, SIGNS, canvas, fitted, ink, legend, room, short, svg

Point = tuple[float, float, float]  # value, low, high


def intervals(
    scores: Sequence[tuple[str, Mapping[str, float]]], alt: str, *, width: float = 300, zero: bool = False
) -> str:
    """One metric: a system a line, its value a sign, its 95 % interval a whisker.

    scores: the system's name, and its value, low and high. zero: whether they are differences, with a line at zero.
    """
    names = fitted([name for name, _ in scores])
    with canvas(width, 34 + 19 * len(scores), left=room(names), right=44, top=4, bottom=22) as (figure, axes):
        for at, (name, score) in enumerate(scores):
            colour = ink(name)
            axes.plot([score["low"], score["high"]], [at, at], color=colour, lw=1.6, solid_capstyle="butt")
            axes.plot([score["value"]], [at], SIGNS.get(name, "s"), color=colour, ms=6, mew=1.4)
            axes.annotate(
                short(score["value"]), (1, at), (6, 0), ("axes fraction", "data"), textcoords="offset points",
                va="center", color=INKS["ink"],
            )  # fmt: skip
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.margins(x=0.06)
        if zero:
            axes.axvline(0, color=INKS["ink"], lw=1)
        axes.locator_params(axis="x", nbins=4)
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        axes.spines["left"].set_visible(False)
        return svg(figure, alt)


def dots(
    rows: Sequence[str],
    series: Mapping[str, Sequence[Point | None]],
    alt: str,
    *,
    axis: str = "",
    at_most: float | None = None,
    named: Mapping[str, str] | None = None,
) -> str:
    """Several systems on several rows (labels, groups): one sign each, with a whisker where low and high differ.

    series: by system, a value, low and high per row, None where there is none. at_most: where the axis ends; it starts
    at 0 unless something is below. named: what a system is called under the picture, where not by its name.
    """
    rows = fitted(rows)
    count = len(series)
    step = 9 * count + 9
    with canvas(height=step * len(rows) + 60, left=room(rows), right=12, top=24, bottom=36) as (figure, axes):
        for number, (name, points) in enumerate(series.items()):
            shift = (number - (count - 1) / 2) * 9 / step
            known = [(at + shift, point) for at, point in enumerate(points) if point is not None]
            colour = ink(name)
            axes.hlines(
                [at for at, _ in known], [p[1] for _, p in known], [p[2] for _, p in known], color=colour, lw=1.3
            )
            axes.plot(
                [p[0] for _, p in known], [at for at, _ in known], SIGNS.get(name, "o"), color=colour, ms=5, mew=1.3
            )
        axes.set_yticks(range(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        low = min((p[1] for points in series.values() for p in points if p is not None), default=0.0)
        axes.set_xlim(min(0.0, low), at_most)
        for at in range(1, len(rows)):
            axes.axhline(at - 0.5, color=INKS["line"], lw=0.5)
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(axis)
        legend(figure, [((named or {}).get(name, name), ink(name), SIGNS.get(name, "o")) for name in series])
        return svg(figure, alt)


def reliability(
    panels: Sequence[tuple[str, Sequence[tuple[float, float, float, float]]]], alt: str, *, axis: tuple[str, str]
) -> str:
    """A small square per label: what was said across, what was seen up, with a band; on the diagonal they are one.

    panels: the label, and (said, seen, low, high) for each bin.
    """
    across, size, gap = 3, 92.0, 30.0
    down = -(-len(panels) // across)
    width, height = across * (size + gap) + 20, down * (size + gap) + 40
    with canvas(width, height, left=30, right=2, top=4, bottom=24) as (figure, axes):
        axes.set_axis_off()
        axes.set_xlim(0, width - 32)
        axes.set_ylim(height - 28, 0)
        for number, (label, bins) in enumerate(panels):
            x, y = (number % across) * (size + gap), (number // across) * (size + gap) + 16
            axes.plot([x, x + size, x + size, x, x], [y, y, y + size, y + size, y], color=INKS["line"], lw=0.8)
            axes.plot([x, x + size], [y + size, y], color=INKS["soft"], lw=0.8, ls=(0, (3, 3)))
            axes.text(x, y - 5, label if len(label) < 18 else f"{label[:16]}…", color=INKS["ink"])
            xs = [x + size * said for said, *_ in bins]
            axes.vlines(
                xs,
                [y + size * (1 - low) for _, _, low, _ in bins],
                [y + size * (1 - high) for *_, high in bins],
                color=INKS["model"],
                lw=1.3,
            )
            axes.plot(xs, [y + size * (1 - seen) for _, seen, _, _ in bins], "D", color=INKS["model"], ms=3.6)
            if number % across == 0:
                for tick in (0, 0.5, 1):
                    axes.text(
                        x - 4, y + size * (1 - tick), f"{tick:g}", ha="right", va="center", fontsize=9,
                        color=INKS["soft"],
                    )  # fmt: skip
            if number + across >= len(panels):
                for tick in (0, 0.5, 1):
                    axes.text(x + size * tick, y + size + 11, f"{tick:g}", ha="center", fontsize=9, color=INKS["soft"])
        axes.text(0, height - 32, f"across: {axis[0]}; up: {axis[1]}", fontsize=10, color=INKS["soft"])
        return svg(figure, alt)
