"""Pictures as files, drawn by matplotlib: a map over an image, and how exact studies are by their size."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from affectml._files import replacing, try_file
from affectml.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure

Values = NDArray[np.float64]
Pixels = NDArray[np.uint8]
_OVER = 0.6  # how much of a pixel is the map's colour
# of the curves of chance, of the map, of another map, and of the centre; Okabe & Ito 2008
_STYLES = (("0.8", 0.7), ("#0072b2", 1.8), ("#cc79a7", 1.0), ("#009e73", 1.8))
Place = Mapping[str, tuple[float, float]]
Band = tuple[Sequence[float], Sequence[float], Sequence[float]]  # half widths, and the plan's own interval of them


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


@contextmanager
def paper(
    paths: Sequence[Path], size: tuple[float, float], *, dpi: int, style: Mapping[str, Any] | None = None
) -> "Iterator[Figure]":
    """An empty figure, written into each of `paths` in the format of its ending; the same marks give the same bytes.

    size: in inches. style: matplotlib's settings beside ours. Names are drawn as they are, a $ as a $.
    """
    # The object-oriented interface: pyplot would touch the user's backend and open figures.
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ours: Any = {"svg.hashsalt": "affectml", "svg.fonttype": "none", "text.parse_math": False, "font.size": 8}
    with rc_context(ours | dict(style or {})):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        for path in paths:
            kind = path.suffix[1:].lower()
            metadata = {"Date": None} if kind == "svg" else {"Software": None}
            with replacing(path) as temporary:
                figure.savefig(temporary, format=kind, dpi=dpi, metadata=metadata)


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
    with paper([path], (9.6, 6.4), dpi=150) as figure:
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


def draw_widths(
    path: Path, across: Sequence[int], squares: Mapping[str, Mapping[str, Band]], place: Place, *, axis: str, named: str
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
            axes.set(title=f"{title}, ±", xscale="log")
            axes.set_xticks(across, [str(x) for x in across])
            axes.minorticks_off()
            axes.set_ylim(bottom=0)
        for axes in every[len(squares) :]:
            axes.remove()
        figure.supxlabel(axis)
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
