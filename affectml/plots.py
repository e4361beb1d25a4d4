"""Pictures of figures inside pages, and a map over an image as a file.

A picture draws what it is given and computes nothing; the same figures give the same bytes. Inside a page it is written
as text, mark by mark, an <svg> whose colours are the page's variables: fifteen pictures of a report take a few
hundredths of a second.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import chain, cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from affectml._files import replacing, try_file
from affectml.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable

# What a picture is drawn in: the name of the page's CSS variable, and the colour in a light page. Blue and orange are
# told apart by every common colour blindness, and every system has a sign of its own beside its colour.
INKS = {
    "ink": "#1d2127",
    "soft": "#5b6470",
    "line": "#d5dae0",
    "people": "#2f6f9f",
    "model": "#b5541c",
    "other": "#6b4fa0",
}
MARKS = {  # the sign and the ink of each system
    "people": ("o", "people"),
    "prior": ("x", "soft"),
    "zero_shot": ("s", "other"),
    "model": ("D", "model"),
    "person": ("o", "people"),
    "consensus": ("^", "people"),
    "oracle": ("*", "ink"),
    "floor": ("|", "soft"),
}
# what the others take turns at: but for the model's, which is the first's, none of the marks above and no people's ink
OTHERS = (("D", "model"), ("^", "ink"), ("s", "soft"), ("*", "model"), ("x", "ink"), ("o", "soft"))
SIGNS = {  # the outline of each around a point; numbers with a point are in half widths of the sign
    "o": "h.01",  # a dot of the line's own width
    "|": "m0 -1.v2.",
    "x": "m-1. -1.l2. 2.m0 -2.l-2. 2.",
    "s": "m-1. -1.h2.v2.h-2.z",
    "^": "m0 -1.l1. 2.h-2.z",
    "D": "m0 -1.414l1.414 1.414l-1.414 1.414l-1.414 -1.414z",
    "*": "m0 -1.l.588 1.809l-1.539 -1.118h1.902l-1.539 1.118z",
}
FONT = 11  # pixels of a picture in its own size
SMALL = 10  # of numbers along an axis
LETTERS, LEGEND = 28, 52  # of a name beside an axis, and of one in a legend
WIDTH = 380  # pixels: a phone shows it in its own size; a wider picture scrolls there and is not made smaller

Spot = tuple[float, float]
Mark = tuple[str, str]  # sign and ink
Margins = tuple[float, float, float, float]  # left, right, above and below


def marks(systems: Iterable[str]) -> dict[str, Mark]:
    """Sign and ink of the systems of a page or a picture; those without a mark of their own take turns at OTHERS."""
    names = list(dict.fromkeys(systems))
    taken = {MARKS[name] for name in names if name in MARKS}
    rest = cycle([mark for mark in OTHERS if mark not in taken])
    return {name: MARKS.get(name) or next(rest) for name in names}


class Canvas:
    """An empty picture of this many pixels, with margins around the area where things have values.

    margins: in pixels, around that area. x, y: the values at its left and right and at its bottom and top, between
    which everything is drawn. Lines and areas take values; signs and words take pixels, which `at` gives.
    """

    def __init__(self, width: float, height: float, margins: Margins, x: Spot, y: Spot) -> None:
        self.width, self.height, self.x, self.y = width, height, x, y
        self.left, self.right, self.top, self.bottom = margins[0], width - margins[1], margins[2], height - margins[3]
        self._marks: list[str] = []

    def legend(self, entries: Mapping[str, Mark]) -> None:
        """Name, sign and ink of each system in lines above the area, for which the picture grows upwards."""
        x, y = 8.0, 11.0 if entries else 0.0
        for name, (sign, ink) in zip(fitted(entries, LEGEND), entries.values(), strict=True):
            needed = 24 + 6.6 * len(name)
            if x > 8 and x + needed > self.width:
                x, y = 8.0, y + 14
            self.signs([(x + 5, y)], sign, ink, 6)
            self.text((x + 15, y), name)
            x += needed
        self.height, self.top, self.bottom = self.height + y, self.top + y, self.bottom + y

    def across(self, value: float) -> float:
        """The pixel of a value along x, kept within the area."""
        share = (value - self.x[0]) / (self.x[1] - self.x[0])
        return self.left + min(max(share, 0.0), 1.0) * (self.right - self.left)

    def up(self, value: float) -> float:
        """The pixel of a value along y, kept within the area."""
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)

    def at(self, spots: Iterable[Spot]) -> list[Spot]:
        """The pixels of pairs of values."""
        return [(self.across(x), self.up(y)) for x, y in spots]

    def lines(self, lines: Iterable[Iterable[Spot]], colour: str, width: float, dash: str = "") -> None:
        """Lines, each through values."""
        path, dashed = "".join(map(self._path, lines)), f"; stroke-dasharray: {dash}" if dash else ""
        how = f"fill: none; stroke: {_ink(colour)}; stroke-width: {width:g}{dashed}"
        self._marks.append(f'<path d="{path}" style="{how}"/>')

    def areas(self, areas: Iterable[tuple[Iterable[Spot], float]], colour: str) -> None:
        """Areas inside lines through values, each of its opacity."""
        paths = "".join(f'<path d="{self._path(spots)}" fill-opacity="{opacity:g}"/>' for spots, opacity in areas)
        self._marks.append(f'<g style="fill: {_ink(colour)}">{paths}</g>')

    def _path(self, spots: Iterable[Spot]) -> str:
        return "M" + " ".join(f"{_n(x)} {_n(y)}" for x, y in self.at(spots))

    def signs(self, spots: Iterable[Spot], sign: str, colour: str, size: float, edge: float = 1.3) -> None:
        """One of SIGNS at each of these pixels, `size` pixels wide inside its edge."""
        outline = re.sub(r"\d*\.\d*", lambda number: _n(float(number[0]) * size / 2), SIGNS[sign])
        how = f"fill: {_ink(colour) if sign in 's^D*' else 'none'}; stroke: {_ink(colour)}; stroke-width: "
        how += f"{size + edge:g}; stroke-linecap: round" if sign == "o" else f"{edge:g}"
        path = "".join(f"M{_n(x)} {_n(y)}{outline}" for x, y in spots)
        self._marks.append(f'<path d="{path}" style="{how}"/>')

    def text(
        self, at: Spot, words: str, colour: str = "ink", *, size: float = FONT, anchor: str = "", turned: bool = False
    ) -> None:
        """Words with their middle line at pixel y, or written upwards with it at x; anchor: as SVG has it."""
        x, y = map(_n, at)
        place = f'transform="translate({x} {y}) rotate(-90)"' if turned else f'x="{x}" y="{y}"'
        how = f"font-size: {size:g}px; fill: {_ink(colour)}" + (f"; text-anchor: {anchor}" if anchor else "")
        self._marks.append(f'<text {place} dy=".35em" style="{how}">{escape(words, quote=False)}</text>')

    def numbers(self, ticks: Mapping[float, str] | None = None, *, most: int = 9) -> None:
        """Values under the area by what is written there, else at most so many round ones, with lines upwards."""
        ticks = ticks or _ticks(*self.x, max(min(int((self.right - self.left) / (4 * SMALL)), most), 1))
        self.lines([[(x, y) for y in self.y] for x in ticks], "line", 0.7)
        for x, words in ticks.items():
            self.text((self.across(x), self.bottom + 8), words, "soft", size=SMALL, anchor="middle")
        self.lines([[(x, self.y[0]) for x in self.x]], "line", 1.0)

    def names(self, names: Mapping[float, str]) -> None:
        """Names left of the area, by their values."""
        for y, name in names.items():
            self.text((self.left - 4, self.up(y)), name, anchor="end")

    def svg(self, alt: str) -> Markup:
        """The picture as an <svg> to stand inside a page. alt: what it shows, in words, for whoever does not see it."""
        width, box = f"{_n(self.width)}px", f"0 0 {_n(self.width)} {_n(self.height)}"
        how = f"max-width: {width}" + (f"; min-width: {width}" if self.width > WIDTH else "")
        start = f'<svg viewBox="{box}" role="img" aria-label="{escape(alt)}" style="{how}" stroke-linejoin="round">'
        return Markup(f"{start}{''.join(self._marks)}</svg>")


def room(names: Sequence[str]) -> float:
    """Pixels that the longest name takes beside an axis; digits and capitals are wider than small letters."""
    wide = [6.1 * len(name) + 1.1 * sum(not c.islower() for c in name) for name in names]
    return 12 + max(wide, default=0.0)


def fitted(names: Iterable[str], most: int = LETTERS) -> list[str]:
    """Names with the middle left out of those of more than `most` letters, so that a picture has room beside them."""
    half = most // 2
    return [name if len(name) <= most else f"{name[: most - half - 1]}…{name[-half:]}" for name in names]


def short(value: float) -> str:
    """A figure as reports write it: `.623`, `1.20`."""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else f"{value:.2f}"


def around(values: Iterable[float], margin: float) -> Spot:
    """The range of values, wider by a share of itself at both ends; a little around one value; about 0..1 for none."""
    known = list(values) or [0.0, 1.0]
    low, high = min(known), max(known)
    alone = high - low <= 1e-9 * max(abs(low), abs(high))
    more = (0.05 * abs(high) or 0.05) if alone else margin * (high - low)
    return low - more, high + more


def _ticks(low: float, high: float, most: int) -> dict[float, str]:
    """About `most` round numbers between low and high, by how they are written."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1.0, 2.0, 2.5, 5.0, 10.0) if s * power >= rough * (1 - 1e-9))
    count = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    values = [round(k * step, 12) for k in count]
    digits = max((len(f"{value:g}".partition(".")[2]) for value in (step, *values)), default=0)
    return {value: f"{value:.{digits}f}".replace("-", "−") for value in values}


def _ink(colour: str) -> str:
    """A colour of INKS as the page's variable, with the colour itself for whoever has none."""
    return f"var(--{colour}, {INKS[colour]})"


def _n(value: float) -> str:
    """A number of pixels to two digits, without what it does not need."""
    return f"{round(value, 2) + 0.0:g}"


Point = tuple[float, float, float]  # value, low, high
WRITTEN = 11  # labels up to which a figure stands in every cell of a grid
LEAST = 16.0  # pixels of such a cell, so that names beside it stand apart: of many labels the picture grows wider
TICKS = {0.0: "0", 0.5: "0.5", 1.0: "1"}  # of a square of shares
SQUARE = ((0, 0), (1, 0), (1, 1), (0, 1), (0, 0))


def dots(rows: Mapping[str, Mapping[str, Point]], series: Sequence[str], alt: str, among: Sequence[str] = ()) -> Markup:
    """Rows (labels, groups, or the systems themselves) with a sign for each system, and a whisker for its interval.

    rows: {ROW: {SYSTEM: (value, low, high)}}. series: the systems to draw. among: all of the page, so that each looks
    the same in every picture of it. Of systems that have a row each there is no
    legend, and each value stands beside its row; else the axis starts at 0 unless something is below.
    """
    names, alone, signs = fitted(rows), list(series) == list(rows), marks([*among, *series])
    ends = list(chain(*(point for points in rows.values() for point in points.values())))
    least = min([0.0, *ends])
    across = around(ends, 0.06) if alone else (least, max(around(ends, 0.05)[1], least + 1e-9))
    step, top = (18, 4) if alone else (9 * len(series) + 9, 13)
    margins = (room(names), 44 if alone else 12, top, 22)
    drawn = Canvas(300 if alone else WIDTH, step * len(rows) + top + 22, margins, across, (len(rows) - 0.5, -0.5))
    signs = {name: signs[name] for name in series}
    drawn.legend({} if alone else signs)
    drawn.numbers(most=4 if alone else 9)
    drawn.lines(([(end, at - 0.5) for end in across] for at in range(1, len(rows)) if not alone), "line", 0.5)
    drawn.names(dict(enumerate(names)))
    for number, (name, (sign, ink)) in enumerate(signs.items()):
        shift = 0.0 if alone else (number - (len(series) - 1) / 2) * 9 / step
        shown = [(at + shift, points[name]) for at, points in enumerate(rows.values()) if name in points]
        drawn.lines(([(low, at), (high, at)] for at, (_, low, high) in shown if low < high), ink, 1.5)
        drawn.signs(drawn.at((value, at) for at, (value, *_) in shown), sign, ink, 6 if alone else 5)
        for at, (value, *_) in shown if alone else ():
            drawn.text((drawn.right + 6, drawn.up(at)), short(value))
    return drawn.svg(alt)


def reliability(panels: Mapping[str, Sequence[tuple[float, Point]]], alt: str) -> Markup:
    """A small square per label: what was said across, what was seen up, with a whisker; on the diagonal they are one.

    panels: by label what was said, and what was seen (value, low, high), of each bin.
    """
    across, size, gap = 3, 90.0, 30.0
    width, height = across * (size + gap) + 20, -(-len(panels) // across) * (size + gap) + 40
    drawn = Canvas(width, height, (0, 0, 0, 0), (0, 1), (0, 1))
    for number, (label, bins) in enumerate(panels.items()):
        left, top = 30 + (number % across) * (size + gap), 20 + (number // across) * (size + gap)
        drawn.left, drawn.right, drawn.top, drawn.bottom = left, left + size, top, top + size
        drawn.lines([SQUARE], "line", 0.8)
        drawn.lines([[(0, 0), (1, 1)]], "soft", 0.8, "2.4 2.4")
        drawn.text((left, top - 9), label if len(label) < 18 else f"{label[:16]}…")
        drawn.lines(([(said, low), (said, high)] for said, (_, low, high) in bins), "model", 1.3)
        drawn.signs(drawn.at((said, seen) for said, (seen, *_) in bins), "D", "model", 3.6, 1.0)
        drawn.numbers(TICKS)
        drawn.names(TICKS)
    drawn.text((30, height - 12), "across: said; up: seen", "soft", size=10)
    return drawn.svg(alt)


def grid(values: NDArray[np.float64], names: Sequence[str], alt: str, *, hue: str, axis: tuple[str, str]) -> Markup:
    """A square for each count [C, C], deeper the larger it is, the diagonal framed.

    Args:
        values: at least 0.
        names: of the C rows, and of the columns.
        alt: what it shows, in words.
        hue: the colour of INKS.
        axis: what stands down and across, in words.
    """
    names, count = fitted(names), len(names)
    left, cell = room(names), max(LEAST, (WIDTH - room(names) - 8) / count)
    top, edges = left + 4, (-0.5, count - 0.5)
    height = top + min(cell, 30) * count + 44
    drawn = Canvas(left + cell * count + 8, height, (left, 8, top, 44), edges, edges[::-1])
    depths = (0.72 * values / (values.max(initial=0) or 1.0)).round(3)
    drawn.areas(((_cell(x, y), depth) for (y, x), depth in np.ndenumerate(depths) if depth > 0), hue)
    for (y, x), value in np.ndenumerate(values):
        text = f"{value:.{int(value < 9.95)}f}".removesuffix(".0")
        if count <= WRITTEN and value > 0 and float(text) != 0:
            drawn.text((drawn.across(x), drawn.up(y)), text, size=9, anchor="middle")
    drawn.lines((_cell(at, at) for at in range(count)), "soft", 0.8)
    for x, name in enumerate(names):
        drawn.text((drawn.across(x), top - 4), name, turned=True)
    drawn.names(dict(enumerate(names)))
    for below, text in ((30, f"down: {axis[0]}"), (12, f"across: {axis[1]}")):
        drawn.text((8, height - below), text, "soft", size=10)
    return drawn.svg(alt)


def _cell(x: float, y: float) -> list[tuple[float, float]]:
    return [(x + across - 0.5, y + down - 0.5) for across, down in SQUARE]


# A map over an image, as a file drawn by matplotlib

Values = NDArray[np.float64]
Pixels = NDArray[np.uint8]
_OVER = 0.6  # how much of a pixel is the map's colour
# of the curves of chance, of the map, of another map, and of the centre; Okabe & Ito 2008
_STYLES = (("0.8", 0.7), ("#0072b2", 1.8), ("#cc79a7", 1.0), ("#009e73", 1.8))


def picture_path(path: Path, image: str, label: str) -> Path:
    """The file to draw into: `path`, or IMAGE-LABEL.png in it where it is a folder or has no ending.

    Raises:
        BadInput: for another ending, and for a file that exists or cannot be written.
    """
    if path.is_dir() or not path.suffix:
        name = re.sub(r"[^\w.-]+", "-", f"{Path(image).stem}-{label}").strip("-.") or "picture"
        path = path / f"{name}.png"
    if path.suffix.lower() not in (".png", ".svg"):
        raise BadInput(f"{path}: expected a .png or .svg file, or a folder")
    try_file(path)
    return path


def overlay(pixels: Pixels, values: Values) -> "tuple[Pixels, ScalarMappable]":
    """A map [H, W] over an image [H, W, 3] in grey, and its colours for a colour bar.

    Red speaks for the label, white for neither, and blue against it; a map without values below 0 goes from white at
    its least to red.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    low, high = float(values.min()), float(values.max())
    most = max(high, -low)
    colours, low, high = ("RdBu_r", -most, most) if low < 0 else ("Reds", low, high if high > low else low + 1)
    shown = ScalarMappable(Normalize(low, high), colours)
    grey = (pixels @ np.array([0.299, 0.587, 0.114]))[..., None]
    return ((1 - _OVER) * grey + _OVER * shown.to_rgba(values, bytes=True)[..., :3]).astype(np.uint8), shown


def draw_map(
    path: Path, title: str, label: str, pixels: Pixels, values: Values, squares: Mapping[str, Mapping[str, Values]]
) -> None:
    """Draw an image, the map over it in grey, and curves below; the same values give the same bytes.

    pixels, values: the image [H, W, 3] and its map [H, W]. squares: by title ("deletion, blur"), and by name, the rate
    of each step along an order, [S + 1, N]: of N random maps, of the map, of another, and of the centre.
    """
    # The object-oriented interface: pyplot would touch the user's backend and open figures.
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kind = path.suffix[1:].lower()
    metadata = {"Date": None} if kind == "svg" else {"Software": None}
    ours: Any = {"svg.hashsalt": "affectml", "svg.fonttype": "none", "text.parse_math": False, "font.size": 8}
    with rc_context(ours), replacing(path) as temporary:  # names are drawn as they are, a $ as a $
        figure = Figure(figsize=(9.6, 6.4), layout="constrained")
        FigureCanvasAgg(figure)
        above, below = cast("Any", figure.subfigures(2, 1))
        seen, mapped = above.subplots(1, 2)
        for axes, what in ((seen, "what the encoder sees"), (mapped, "occlusion map")):
            axes.axis("off")
            axes.set_title(what)
        seen.imshow(pixels)
        picture, shown = overlay(pixels, values)
        mapped.imshow(picture)
        above.colorbar(shown, ax=mapped, ticks=[], shrink=0.8).set_label(f"speaks for {label} →")
        drawn = below.subplots(1, len(squares), sharey=True)
        for axes, (what, curves) in zip(drawn, squares.items(), strict=True):
            for (name, rates), (colour, width) in zip(curves.items(), _STYLES, strict=True):
                axes.plot(np.linspace(0, 1, len(rates)), rates, color=colour, linewidth=width)[0].set_label(name)
            axes.set(title=what, xlabel="covered" if what.startswith("deletion") else "uncovered", xlim=(0, 1))
            axes.set_xticks([0, 0.5, 1], ["none", "half", "all"])
        drawn[0].set_ylabel(f"rate of {label}")
        named = drawn[0].get_legend_handles_labels()
        below.legend(*named, loc="outside lower center", ncols=len(_STYLES), frameon=False, fontsize=7)
        figure.suptitle(title, x=0.01, ha="left", fontsize=8.5)
        figure.savefig(temporary, format=kind, dpi=150, metadata=metadata)
