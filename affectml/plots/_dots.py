"""Values with their intervals, a line each."""

from collections.abc import Mapping, Sequence

from affectml.plots._canvas import WIDTH, Canvas, around, fitted, in_lines, mark, marks, room, short

Point = tuple[float, float, float]  # value, low, high


def intervals(
    scores: Sequence[tuple[str, Mapping[str, float]]], alt: str, *, width: float = 300, zero: bool = False
) -> str:
    """One metric: a system a line, its value a sign, its 95 % interval a whisker.

    scores: the system's name, and its value, low and high. zero: whether they are differences, with a line at zero.
    """
    names = fitted([name for name, _ in scores])
    ends = [score[end] for _, score in scores for end in ("low", "value", "high")]
    across = around([*ends, *([0.0] if zero else [])], 0.06)
    rows = (len(names) - 0.5, -0.5)
    drawn = Canvas(width, 34 + 19 * len(scores), left=room(names), right=44, top=4, bottom=22, x=across, y=rows)
    drawn.numbers(most=4)
    drawn.names(names)
    if zero:
        drawn.line([(0, rows[0]), (0, rows[1])], "ink", 1.0)
    for at, (name, score) in enumerate(scores):
        sign, ink = mark(name, "s")
        drawn.lines([((score["low"], at), (score["high"], at))], ink, 1.6)
        drawn.signs([(score["value"], at)], sign, ink, 6)
        drawn.text_at(drawn.right + 6, drawn.up(at), short(score["value"]))
    return drawn.svg(alt)


def dots(
    rows: Sequence[str],
    series: Mapping[str, Sequence[Point | None]],
    alt: str,
    *,
    axis: str = "",
    named: Mapping[str, str] | None = None,
) -> str:
    """Several systems on several rows (labels, groups): one sign each, with a whisker where low and high differ.

    series: by system, a value, low and high per row, None where there is none. The axis starts at 0 unless
    something is below. named: what a system is called under the picture, where not by its name.
    """
    rows = fitted(rows)
    count = len(series)
    step = 9 * count + 9
    known = [point for points in series.values() for point in points if point is not None]
    high = around([end for point in known for end in point], 0.05)[1]
    least = min([0.0, *(point[1] for point in known)])
    across = (least, max(high, least + 1e-9))
    called = [(named or {}).get(name, name) for name in series]
    top = 13 + in_lines(called, WIDTH)[-1][1]
    drawn = Canvas(
        height=step * len(rows) + top + 36, left=room(rows), right=12, top=top, bottom=36, x=across,
        y=(len(rows) - 0.5, -0.5),
    )  # fmt: skip
    drawn.numbers()
    drawn.lines((((across[0], at - 0.5), (across[1], at - 0.5)) for at in range(1, len(rows))), "line", 0.5)
    drawn.names(rows)
    signs = marks(series)
    for number, (name, points) in enumerate(series.items()):
        shift = (number - (count - 1) / 2) * 9 / step
        shown = [(at + shift, point) for at, point in enumerate(points) if point is not None]
        sign, ink = signs[name]
        drawn.lines((((p[1], at), (p[2], at)) for at, p in shown if p[1] < p[2]), ink, 1.3)
        drawn.signs([(p[0], at) for at, p in shown], sign, ink, 5)
    drawn.words(axis)
    drawn.legend([(words, *signs[name]) for words, name in zip(called, series, strict=True)])
    return drawn.svg(alt)


def reliability(
    panels: Sequence[tuple[str, Sequence[tuple[float, float, float, float]]]], alt: str, *, axis: tuple[str, str]
) -> str:
    """A small square per label: what was said across, what was seen up, with a band; on the diagonal they are one.

    panels: the label, and (said, seen, low, high) for each bin.
    """
    across, size, gap = 3, 90.0, 30.0
    down = -(-len(panels) // across)
    width, height = across * (size + gap) + 20, down * (size + gap) + 40
    drawn = Canvas(width, height)
    for number, (label, bins) in enumerate(panels):
        left, top = 30 + (number % across) * (size + gap), 20 + (number // across) * (size + gap)
        right, bottom = left + size, top + size
        drawn.left, drawn.right, drawn.top, drawn.bottom = left, right, top, bottom
        drawn.box((0, 1), (0, 1), "line", frame=0.8)
        drawn.line([(0, 0), (1, 1)], "soft", 0.8, "2.4 2.4")
        drawn.text_at(left, top - 9, label if len(label) < 18 else f"{label[:16]}…")
        drawn.lines((((said, low), (said, high)) for said, _, low, high in bins), "model", 1.3)
        drawn.signs([(said, seen) for said, seen, *_ in bins], "D", "model", 3.6, 1.0)
        for tick in (0, 0.5, 1):
            if number % across == 0:
                drawn.text_at(left - 4, drawn.up(tick), f"{tick:g}", "soft", size=9, anchor="end")
            if number + across >= len(panels):
                drawn.text_at(drawn.across(tick), bottom + 8, f"{tick:g}", "soft", size=9, anchor="middle")
    drawn.text_at(30, height - 12, f"across: {axis[0]}; up: {axis[1]}", "soft", size=10)
    return drawn.svg(alt)
