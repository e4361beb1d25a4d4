"""A map over an image, and how a rate falls and rises along it and along others: for papers, as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from affectml.plots._paper import paper

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable

Values = NDArray[np.float64]
_OVER = 0.6  # how much of a pixel is the map's colour
# of the curves of chance, of the map, of another map, and of the centre; Okabe & Ito 2008
_STYLES = (("0.8", 0.7), ("#0072b2", 1.8), ("#cc79a7", 1.0), ("#009e73", 1.8))


def overlay(pixels: NDArray[np.uint8], values: Values) -> "tuple[NDArray[np.uint8], ScalarMappable]":
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
    path: Path,
    title: str,
    label: str,
    pixels: NDArray[np.uint8],
    values: Values,
    squares: Mapping[str, Mapping[str, Values]],
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
            axes.set_title(what)
            axes.set_xlabel("covered" if what.startswith("deletion") else "uncovered")
            axes.set_xlim(0, 1)
            axes.set_xticks([0, 0.5, 1], ["none", "half", "all"])
        drawn[0].set_ylabel(f"rate of {label}")
        handles, names = drawn[0].get_legend_handles_labels()
        below.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False, fontsize=7)
        figure.suptitle(title, x=0.01, ha="left", fontsize=8.5)
