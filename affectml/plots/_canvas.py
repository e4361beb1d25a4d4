"""A drawing of a page's width: an <svg> whose colours are the page's variables and whose letters are the page's.

Written as text, mark by mark: fifteen pictures of a report take a hundredth of a second.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import cycle
from typing import Literal

# What a picture is drawn in: the name of the page's CSS variable, and the colour in a light page. Blue and orange are
# told apart by every common colour blindness, and every system has a sign of its own beside its colour.
INKS = {
    "ink": "#1d2127",
    "soft": "#5b6470",
    "line": "#d5dae0",
    "paper": "#ffffff",
    "people": "#2f6f9f",
    "model": "#b5541c",
    "other": "#6b4fa0",
}
MARKS = {  # the sign and the ink of each system
    "people": ("o", "people"),
    "threshold": ("|", "ink"),
    "prior": ("x", "soft"),
    "zero_shot": ("s", "other"),
    "model": ("D", "model"),
    "human": ("o", "people"),
    "half_panel": ("^", "people"),
    "consensus": ("^", "people"),
    "anybody": ("x", "model"),
    "no_person": ("s", "soft"),
    "own_share": ("^", "other"),
    "other_people": ("o", "people"),
    "oracle": ("*", "ink"),
    "train": ("o", "people"),
    "val": ("^", "soft"),
    "calibration": ("s", "other"),
    "test": ("D", "model"),
}
FONT = 11  # pixels of a picture in its own size
SMALL = 10  # of numbers along an axis
LETTERS = 28  # of a name beside an axis
WIDTH = 380  # pixels: a phone shows it in its own size; a wider picture scrolls there and is not made smaller
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)  # between numbers along an axis, times a power of ten
_OPEN = ("x", "|")  # signs that are strokes
_STAR = tuple((math.sin(k * math.pi / 5), -math.cos(k * math.pi / 5)) for k in range(10))

Spot = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


def mark(system: str, sign: str = "o") -> tuple[str, str]:
    """A system's sign, and the name of its colour; `sign` for one that has none of its own."""
    return MARKS.get(system, (sign, "other"))


def marks(systems: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The same of several that stand in one picture, where those without a mark of their own are told apart."""
    others = cycle((("D", "model"), ("s", "other"), ("o", "people"), ("^", "ink"), ("x", "soft"), ("*", "model")))
    return {name: MARKS[name] if name in MARKS else next(others) for name in systems}


def in_lines(names: Sequence[str], width: float) -> list[Spot]:
    """Where each entry of a legend begins, in pixels: beside the one before it, or where there is no room below."""
    found: list[Spot] = []
    x, y = 8.0, 11.0
    for name in names:
        needed = 24 + 6.6 * len(name)
        if found and x + needed > width:
            x, y = 8.0, y + 14
        found.append((x, y))
        x += needed
    return found


class Canvas:
    """An empty picture of this many pixels, with margins around the area where things have values.

    x, y: the values at the left and right and at the bottom and top of that area, between which everything is drawn.
    log: whether x is drawn by its logarithm. Methods ending in `_at` take pixels, the others values.
    """

    def __init__(
        self,
        width: float = WIDTH,
        height: float = 240,
        *,
        left: float = 40,
        right: float = 10,
        top: float = 10,
        bottom: float = 34,
        x: Spot = (0.0, 1.0),
        y: Spot = (0.0, 1.0),
        log: bool = False,
    ) -> None:
        self.width, self.height, self.x, self.y, self.log = width, height, x, y, log
        self.left, self.right, self.top, self.bottom = left, width - right, top, height - bottom
        self._marks: list[str] = []

    def across(self, value: float) -> float:
        """The pixel of a value along x, kept within the area."""
        low, high, value = (math.log(v) if self.log else v for v in (*self.x, value))
        share = (value - low) / (high - low)
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    def up(self, value: float) -> float:
        """The pixel of a value along y, kept within the area."""
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)

    def at(self, spots: Iterable[Spot]) -> list[Spot]:
        """The pixels of pairs of values."""
        return [(self.across(x), self.up(y)) for x, y in spots]

    def line_at(self, spots: Sequence[Spot], colour: str, width: float, dash: str = "") -> None:
        """A line through pixels."""
        self._stroke(_path(spots), colour, width, dash)

    def line(self, spots: Iterable[Spot], colour: str, width: float, dash: str = "") -> None:
        """A line through values."""
        self.line_at(self.at(spots), colour, width, dash)

    def lines(self, pairs: Iterable[tuple[Spot, Spot]], colour: str, width: float) -> None:
        """Separate straight lines, each from one value to another."""
        if path := "".join(_path(self.at(pair)) for pair in pairs):
            self._stroke(path, colour, width)

    def area(self, spots: Iterable[Spot], colour: str, opacity: float) -> None:
        """The area inside a line through values."""
        how = f"fill: {_ink(colour)}; fill-opacity: {opacity:g}"
        self._marks.append(f'<path d="{_path(self.at(spots))}z" style="{how}"/>')

    def box(self, x: Spot, y: Spot, colour: str, opacity: float = 1.0, *, frame: float = 0.0) -> None:
        """A rectangle between values, filled or, with the width of a frame, empty."""
        (left, right), (low, high) = sorted(map(self.across, x)), sorted(map(self.up, y))
        how = f"fill: none; stroke: {_ink(colour)}; stroke-width: {frame:g}"
        if not frame:
            how = f"fill: {_ink(colour)}" + (f"; fill-opacity: {opacity:g}" if opacity < 1 else "")
        place = f'x="{_n(left)}" y="{_n(low)}" width="{_n(right - left)}" height="{_n(high - low)}"'
        self._marks.append(f'<rect {place} style="{how}"/>')

    def discs(self, spots: Iterable[Spot], radii: Iterable[float], colour: str, opacity: float) -> None:
        """Discs of these many pixels; where several lie on one another, the colour deepens."""
        self._circles(spots, radii, f"fill: {_ink(colour)}; fill-opacity: {opacity:g}")

    def rings(self, spots: Iterable[Spot], radii: Iterable[float], colour: str) -> None:
        """Circles of these many pixels."""
        self._circles(spots, radii, f"fill: none; stroke: {_ink(colour)}; stroke-width: 1.8")

    def _circles(self, spots: Iterable[Spot], radii: Iterable[float], how: str) -> None:
        found = "".join(
            f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(r)}"/>' for (x, y), r in zip(self.at(spots), radii, strict=True)
        )
        self._marks.append(f'<g style="{how}">{found}</g>')

    def signs(self, spots: Iterable[Spot], sign: str, colour: str, size: float, edge: float = 1.3) -> None:
        """One of the signs of MARKS at each of these values, `size` pixels wide."""
        self.signs_at(self.at(spots), sign, colour, size, edge)

    def signs_at(self, spots: Iterable[Spot], sign: str, colour: str, size: float, edge: float = 1.3) -> None:
        """One of the signs of MARKS at each of these pixels."""
        path = "".join(_sign(x, y, sign, size / 2) for x, y in spots)
        if path:
            fill = "none" if sign in _OPEN else _ink(colour)
            how = f"fill: {fill}; stroke: {_ink(colour)}; stroke-width: {edge:g}"
            self._marks.append(f'<path class="sign-{_NAMES[sign]}" d="{path}" style="{how}"/>')

    def text_at(
        self,
        x: float,
        y: float,
        words: str,
        colour: str = "ink",
        *,
        size: float = FONT,
        anchor: Anchor = "start",
        turned: bool = False,
    ) -> None:
        """Words with their middle line at pixel y, or written upwards with it at x."""
        place = f'x="{_n(x)}" y="{_n(y)}"'
        if turned:
            place = f'transform="translate({_n(x)} {_n(y)}) rotate(-90)"'
        how = f"font-size: {size:g}px; fill: {_ink(colour)}" + (f"; text-anchor: {anchor}" if anchor != "start" else "")
        self._marks.append(f'<text {place} dy=".35em" style="{how}">{escape(words, quote=False)}</text>')

    def numbers(self, *, most: int | None = None, lines: bool = True) -> None:
        """Round numbers under the area, with lines upwards; `most` of them at most."""
        room = min(max(int((self.right - self.left) / (4 * SMALL)), 1), most or 9)
        self.named_numbers(_ticks(*self.x, room), lines=lines)

    def named_numbers(self, ticks: dict[float, str], *, lines: bool = True) -> None:
        """These values under the area, by what is written there."""
        if lines:
            low, high = self.y
            self.lines((((x, low), (x, high)) for x in ticks), "line", 0.7)
        for x, words in ticks.items():
            self.text_at(self.across(x), self.bottom + 8, words, "soft", size=SMALL, anchor="middle")
        self.line_at([(self.left, self.bottom), (self.right, self.bottom)], "line", 1.0)

    def heights(self, *, lines: bool = True) -> None:
        """Round numbers left of the area, with lines across."""
        ticks = _ticks(*self.y, min(max(int((self.bottom - self.top) / (2 * FONT)), 1), 9))
        if lines:
            low, high = self.x
            self.lines((((low, y), (high, y)) for y in ticks), "line", 0.7)
        for y, word in ticks.items():
            self.text_at(self.left - 4, self.up(y), word, anchor="end")
        self.line_at([(self.left, self.bottom), (self.left, self.top)], "line", 1.0)

    def names(self, names: Sequence[str]) -> None:
        """Names left of the area, the first of N at the value 0, the last at N - 1."""
        for row, name in enumerate(names):
            self.text_at(self.left - 4, self.up(row), name, anchor="end")

    def words(self, under: str = "", beside: str = "") -> None:
        """What the numbers under the area and beside it are."""
        if under:
            self.text_at((self.left + self.right) / 2, self.bottom + 23, under, "soft", anchor="middle")
        if beside:
            self.text_at(11, (self.top + self.bottom) / 2, beside, "soft", anchor="middle", turned=True)

    def legend(self, entries: Sequence[tuple[str, str, str]]) -> None:
        """Name, sign and colour of each system in lines above the area; "--" is a dashed line, "ring" a ring."""
        places = in_lines([name for name, *_ in entries], self.width)
        for (name, sign, colour), (x, y) in zip(entries, places, strict=True):
            if sign == "--":
                self.line_at([(x - 2, y), (x + 12, y)], colour, 1.5, "5.5 4")
            elif sign == "ring":
                where = f'cx="{_n(x + 5)}" cy="{_n(y)}" r="3"'
                self._marks.append(f'<circle {where} style="fill: none; stroke: {_ink(colour)}; stroke-width: 1.6"/>')
            else:
                self.signs_at([(x + 5, y)], sign, colour, 6)
            self.text_at(x + 15, y, name)

    def svg(self, alt: str) -> str:
        """The picture as an <svg> to stand inside a page. alt: what it shows, in words, for whoever does not see it."""
        width = f"{_n(self.width)}px"
        least = f"; min-width: {width}" if self.width > WIDTH else ""
        start = (
            f'<svg viewBox="0 0 {_n(self.width)} {_n(self.height)}" role="img" aria-label="{escape(alt)}" '
            f'style="max-width: {width}{least}" stroke-linejoin="round">'
        )
        return f"{start}{''.join(self._marks)}</svg>"

    def _stroke(self, path: str, colour: str, width: float, dash: str = "") -> None:
        how = f"fill: none; stroke: {_ink(colour)}; stroke-width: {width:g}"
        how += f"; stroke-dasharray: {dash}" if dash else ""
        self._marks.append(f'<path d="{path}" style="{how}"/>')


def room(names: Sequence[str]) -> float:
    """Pixels that the longest name takes beside an axis; digits and capitals are wider than small letters."""
    wide = [6.1 * len(name) + 1.1 * sum(not c.islower() for c in name) for name in names]
    return 12 + max(wide, default=0.0)


def fitted(names: Sequence[str], most: int = LETTERS) -> list[str]:
    """Names with the middle left out of those of more than `most` letters, so that a picture has room beside them."""
    half = most // 2
    return [name if len(name) <= most else f"{name[: most - half - 1]}…{name[-half:]}" for name in names]


def short(value: float, digits: int = 3) -> str:
    """A figure as reports write it: `.623`, `1.20`."""
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else f"{value:.2f}"


def around(values: Iterable[float], margin: float) -> Spot:
    """The range of values, wider by a share of itself at both ends; of one value, a little around it; of none, 0..1."""
    known = list(values)
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        more = 0.05 * max(abs(low), abs(high)) or 0.05
        low, high = low - more, high + more
    return low - margin * (high - low), high + margin * (high - low)


def _ticks(low: float, high: float, most: int) -> dict[float, str]:
    """About `most` round numbers between low and high, by how they are written."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    digits += round(step * 10**digits, 6) % 1 > 0  # steps of 2.5
    values = [round(k * step, 12) for k in range(first, last + 1)]
    return {value: f"{value:.{digits}f}".replace("-", "−") for value in values}


def _sign(x: float, y: float, sign: str, half: float) -> str:
    """The outline of a sign around a pixel."""
    r, d = _n(half), _n(2 * half)
    match sign:
        case "o":
            return f"M{_n(x - half)} {_n(y)}a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z"
        case "|":
            return f"M{_n(x)} {_n(y - half)}v{d}"
        case "x":
            return f"M{_n(x - half)} {_n(y - half)}l{d} {d}m0 -{d}l-{d} {d}"
        case "s":
            return f"M{_n(x - half)} {_n(y - half)}h{d}v{d}h-{d}z"
        case "^":
            return f"M{_n(x)} {_n(y - half)}l{r} {d}h-{d}z"
        case "D":
            far = _n(half * math.sqrt(2))
            return f"M{_n(x)} {_n(y - half * math.sqrt(2))}l{far} {far}l-{far} {far}l-{far} -{far}z"
    points = [(x + half * size * a, y + half * size * b) for (a, b), size in zip(_STAR, [1, 0.38] * 5, strict=True)]
    return f"{_path(points)}z"


def _path(spots: Iterable[Spot]) -> str:
    """A line through pixels, as an SVG path has it."""
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in spots)


_NAMES = {"o": "disc", "|": "bar", "x": "cross", "s": "square", "^": "triangle", "D": "diamond", "*": "star"}


def _ink(colour: str) -> str:
    """A colour of INKS as the page's variable, with the colour itself for whoever has none."""
    return f"var(--{colour}, {INKS[colour]})"


def _n(value: float) -> str:
    """A number of pixels to two digits, without what it does not need."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
