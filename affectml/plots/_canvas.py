"""An empty figure of a page's size, and what becomes of one: SVG that follows the page's colours, or files."""

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affectml._files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
SIGNS = {
    "people": "o",
    "threshold": "|",
    "prior": "x",
    "zero_shot": "s",
    "model": "D",
    "human": "o",
    "half_panel": "^",
    "consensus": "^",
    "oracle": "*",
    "train": "o",
    "val": "^",
    "calibration": "s",
    "test": "D",
}
COLOURS = {
    "threshold": "ink",
    "model": "model",
    "human": "people",
    "half_panel": "people",
    "consensus": "people",
    "people": "people",
    "train": "people",
    "val": "soft",
    "test": "model",
}
FONT = 11  # pixels of a picture in its own size
LETTERS = 28  # of a name beside an axis
WIDTH = 380  # pixels: a phone shows it in its own size
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "affectml",
    "font.size": FONT,
    "text.color": INKS["ink"],
    "axes.labelcolor": INKS["soft"],
    "axes.edgecolor": INKS["line"],
    "axes.linewidth": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "axes.titlesize": FONT,
    "axes.titlelocation": "left",
    "axes.grid": False,
    "grid.color": INKS["line"],
    "grid.linewidth": 0.7,
    "xtick.color": INKS["line"],
    "ytick.color": INKS["line"],
    "xtick.labelcolor": INKS["soft"],
    "ytick.labelcolor": INKS["ink"],
    "xtick.labelsize": FONT - 1,
    "ytick.labelsize": FONT,
    "text.parse_math": False,
}


def ink(system: str) -> str:
    """The colour of a system, told from the others by its sign as well."""
    return INKS[COLOURS.get(system, "ink" if system == "oracle" else "soft" if system == "prior" else "other")]


@contextmanager
def canvas(
    width: float = WIDTH,
    height: float = 240,
    *,
    left: float = 40,
    right: float = 10,
    top: float = 10,
    bottom: float = 34,
) -> Iterator[tuple["Figure", "Axes"]]:
    """A figure of this many pixels with one pair of axes, and margins around them in pixels.

    matplotlib is imported here and not before, and its own settings stay as they are. Finish the picture inside the
    block: `with canvas() as (figure, axes): ...; text = svg(figure, "what it shows")`.
    """
    # The object-oriented interface: pyplot would touch the user's backend and open figures.
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasSVG(figure)
        axes = figure.add_axes(
            (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
        )
        axes.tick_params(length=0)
        yield figure, axes


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


def legend(figure: "Figure", entries: Sequence[tuple[str, str, str]]) -> None:
    """Name, colour and sign of each system in a line above the axes; the sign "--" is a dashed line, "ring" a ring."""
    width, height = figure.get_size_inches() * 72
    x = 8.0
    for name, colour, sign in entries:
        if sign == "--":
            figure.add_artist(_line([x - 2, x + 12], [height - 11] * 2, width, height, color=colour, ls=(0, (4, 3))))
        else:
            ring = {"marker": "o", "mfc": "none", "mew": 1.6} if sign == "ring" else {"marker": sign, "mew": 1.3}
            figure.add_artist(_line([x + 5], [height - 11], width, height, color=colour, ms=6, ls="", **ring))
        figure.text((x + 15) / width, (height - 11) / height, name, va="center", color=INKS["ink"])
        x += 24 + 6.6 * len(name)


def _line(xs: Sequence[float], ys: Sequence[float], width: float, height: float, **style: Any) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([x / width for x in xs], [y / height for y in ys], **style)


_HEX = {colour: name for name, colour in INKS.items()}


def svg(figure: "Figure", alt: str) -> str:
    """The figure as an <svg> to stand inside a page: its colours are the page's variables, its letters the page's.

    alt: what it shows, in words, for whoever does not see it. Ids that only name groups are left out, and those that
    remain start with what `alt` makes, so that several pictures can stand in one page.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.S)
    own = f"p{hashlib.sha256(alt.encode()).hexdigest()[:8]}"
    text = re.sub(r"<[^>]*>", lambda tag: _tag(tag[0], own), text, flags=re.S)
    text = re.sub(r"<g>\s*</g>|<g/>|<defs>\s*</defs>", "", text)
    text = re.sub(r">\s*\n\s*<", "><", text)
    box = re.search(r'viewBox="([^"]*)"', text)
    assert box is not None
    width = float(box[1].split()[2])
    start = (
        f'<svg viewBox="{box[1]}" role="img" aria-label="{escape(alt)}" '
        f'style="max-width: {width:g}px" stroke-linejoin="round">'
    )
    return start + text[text.index(">", text.index("<svg")) + 1 :].strip()


def _tag(text: str, own: str) -> str:
    """A tag in the page's colours and letters, its numbers to two digits. What users named stands between tags.

    own: what the ids of this picture start with, which other pictures in the page do not have.
    """
    text = re.sub(r'^<g id="[^"]*"', "<g", text).replace("xlink:href", "href")
    text = re.sub(r'(?<= id=")|(?<=href="#)|(?<=url\(#)', f"{own}-", text)
    text = re.sub(r"#[0-9a-f]{6}", lambda found: _variable(found[0]), text)
    text = re.sub(r" font-family: [^;\"]*;?| transform=\"rotate\(-?0 [^\"]*\"", "", text)
    text = re.sub(r"font: (?:(bold|\d+) )?([\d.]+)px [^;\"]*", _font, text)
    text = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), text)
    return re.sub(r"\s*\n\s*", " ", text)


def _font(found: "re.Match[str]") -> str:
    """Size and weight of letters; their family is the page's."""
    weight = f"font-weight: {found[1]}; " if found[1] else ""
    return f"{weight}font-size: {found[2]}px"


def _variable(colour: str) -> str:
    """A colour as the page's variable, with the colour itself for whoever has none."""
    return f"var(--{_HEX[colour]}, {colour})" if colour in _HEX else colour


def save(figure: "Figure", paths: Sequence[Path], dpi: int = 200) -> None:
    """Write the figure to each of `paths`, in the format of its ending; the same figure gives the same bytes."""
    for path in paths:
        kind = path.suffix[1:]
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        with replacing(path) as temporary:
            figure.savefig(temporary, format=kind, dpi=dpi, metadata=metadata)
