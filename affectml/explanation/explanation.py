"""An explanation: its map, curves and verdict, and one picture of all of them."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from affectml._files import replacing, try_file
from affectml.errors import BadInput
from affectml.explanation._curves import Curve
from affectml.explanation._verdict import Verdict
from affectml.report.tables import Table, number

Floats = NDArray[np.float64]
Curves = Mapping[str, Curve]  # by filling
_ENDINGS = (".png", ".svg")
_COLOURS = {"occlusion": "#0072b2", "centre": "#009e73"}  # Okabe & Ito 2008
_OTHER, _RANDOM = "#cc79a7", "0.8"


@dataclass(frozen=True, eq=False)
class Explanation:
    """Which parts of an image speak for a label, and whether to believe it.

    image: its name. label, rate: what is explained, and the head's rate of it (of a head of distributions, its share).
    other, other_rate: the label whose map is a control. pixels: what the encoder sees, uint8 [H, W, 3]: for most the
    square in the middle. map: by occlusion, float64 [H, W], below 0 where a part speaks against the label. cells: the
    same as computed, [h, w]. curves: of the map ("occlusion"), of the same for the other label ("occlusion of OTHER"),
    of "centre", by filling; random: of random maps. judged: what the curves say of the map.
    """

    image: str
    label: str
    rate: float
    other: str
    other_rate: float
    pixels: NDArray[np.uint8]
    map: Floats
    cells: Floats
    curves: Mapping[str, Curves]
    random: Sequence[Curves]
    judged: Verdict

    @property
    def verdict(self) -> str:
        """What the curves say of `map`, in words."""
        return self.judged.words

    @property
    def holds(self) -> bool:
        """Whether `map` is better than all controls, see Verdict."""
        return self.judged.holds

    def sentence(self) -> str:
        """The verdict with what it is about."""
        return f"Map of {self.label}: {self.verdict}."

    def table(self) -> Table:
        """Areas of each map and control, by filling; of random maps mean, least and greatest."""
        fillings = list(self.random[0])
        columns = [f"{kind}, {filling} {mark}" for filling in fillings for kind, mark in
                   (("deletion", "↓"), ("insertion", "↑"))]  # fmt: skip
        rows = [(name, *(number(a) for f in fillings for a in _areas(by[f]))) for name, by in self.curves.items()]
        drawn = []
        for filling in fillings:
            kinds = zip(*(_areas(by[filling]) for by in self.random), strict=True)
            drawn += [f"{number(float(np.mean(a)))} ({number(min(a))} to {number(max(a))})" for a in kinds]
        rows.append((f"{len(self.random)} random maps", *drawn))
        note = (
            "area under the rate as the image is covered (deletion) or uncovered (insertion) from the map's highest "
            "place on; blur, mean: what it is covered with"
        )
        title = f"{self.image}: {self.label} {number(self.rate)}"
        return Table(title, ("map", *columns), tuple(rows), note)

    def to_json(self) -> dict[str, Any]:
        """Plain values: the map by cell, curves of all but the random maps, areas of all."""
        return {
            "image": self.image,
            "label": self.label,
            "rate": self.rate,
            "other": {"label": self.other, "rate": self.other_rate},
            "verdict": self.judged.to_json(),
            "cells": self.cells.tolist(),
            "curves": {
                name: {
                    filling: {
                        "deletion": found.deletion.tolist(), "deletion_area": found.deletion_area,
                        "insertion": found.insertion.tolist(), "insertion_area": found.insertion_area,
                    }
                    for filling, found in by.items()
                }
                for name, by in self.curves.items()
            },
            "random": [
                {f: {"deletion_area": c.deletion_area, "insertion_area": c.insertion_area} for f, c in by.items()}
                for by in self.random
            ],
        }  # fmt: skip

    def save(self, path: str | Path) -> Path:
        """Draw image, map and curves into a .png or .svg file, or into a folder under the image's name.

        The same explanation gives the same bytes.

        Returns:
            The file.

        Raises:
            BadInput: for another ending, and for a file that exists or cannot be written.
        """
        file = picture_path(Path(path), self.image, self.label)
        draw(self, file)
        return file


def _areas(found: Curve) -> tuple[float, float]:
    return found.deletion_area, found.insertion_area


def picture_path(path: Path, image: str, label: str) -> Path:
    """The file to draw into: `path`, or IMAGE-LABEL.png in it where it is a folder or has no ending.

    Raises:
        BadInput: for another ending, and for a file that exists or cannot be written.
    """
    if path.is_dir() or not path.suffix:
        name = re.sub(r"[^\w.-]+", "-", f"{Path(image).stem}-{label}").strip("-.") or "explanation"
        path = path / f"{name}.png"
    if path.suffix.lower() not in _ENDINGS:
        raise BadInput(f"{path}: expected a .png or .svg file, or a folder")
    try_file(path)
    return path


def draw(explanation: Explanation, path: Path) -> None:
    """Draw it, in the format of the file's ending; the same explanation gives the same bytes."""
    # The object-oriented interface: pyplot would touch the user's backend and open figures.
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    e = explanation
    style: Any = {"svg.hashsalt": "affectml", "svg.fonttype": "none", "font.size": 8}
    fillings = list(e.random[0])
    with mpl.rc_context(style):
        figure = Figure(figsize=(9.6, 6.4), layout="constrained")
        FigureCanvasAgg(figure)
        above, below = cast("Any", figure.subfigures(2, 1))
        pictured = above.subplots(1, 2)
        for axes in pictured:
            axes.axis("off")
        pictured[0].imshow(e.pixels)
        pictured[0].set_title("what the encoder sees", parse_math=False)
        shown = _overlay(pictured[1], e, e.map)
        pictured[1].set_title("occlusion map", parse_math=False)
        bar = above.colorbar(shown, ax=pictured[1], ticks=[], shrink=0.8)
        bar.set_label(f"speaks for {e.label} →", parse_math=False)
        kinds = ("deletion", "insertion")
        drawn = below.subplots(1, 4, sharey=True)
        places = [(filling, kind) for filling in fillings for kind in kinds]
        for axes, (filling, kind) in zip(drawn, places, strict=True):
            _curves(axes, e, filling, kind)
        drawn[0].set_ylabel(f"rate of {e.label}", parse_math=False)
        handles, labels = drawn[0].get_legend_handles_labels()
        below.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=7)
        title = f"{e.image}: {e.label} {number(e.rate)}\n{textwrap.fill(e.sentence(), 130)}"
        figure.suptitle(title, x=0.01, ha="left", fontsize=8.5, parse_math=False)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}
        with replacing(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=150, metadata=metadata)


def _overlay(axes: Any, e: Explanation, values: np.ndarray[Any, Any]) -> Any:
    """The map over the image in grey.

    Red speaks for the label, white for neither, and blue against it; a map without values below 0 goes from white at
    its least to red.
    """
    grey = e.pixels @ np.array([0.299, 0.587, 0.114])
    axes.imshow(grey, cmap="gray", vmin=0, vmax=255)
    low, high = float(values.min()), float(values.max())
    if low >= 0:
        return axes.imshow(values, cmap="Reds", vmin=low, vmax=high if high > low else low + 1, alpha=0.6)
    most = max(high, -low)
    return axes.imshow(values, cmap="RdBu_r", vmin=-most, vmax=most, alpha=0.6)


def _curves(axes: Any, e: Explanation, filling: str, kind: str) -> None:
    for number_, by in enumerate(e.random):
        label = f"{len(e.random)} random maps" if number_ == 0 else None
        _line(axes, getattr(by[filling], kind), label, color=_RANDOM, linewidth=0.7)
    for name, by in e.curves.items():
        other = name.endswith(f" of {e.other}")
        colour = _OTHER if other else _COLOURS[name]
        _line(axes, getattr(by[filling], kind), name, color=colour, linewidth=1.0 if other else 1.8)
    axes.set_title(f"{kind}, {filling}", parse_math=False)
    axes.set_xlabel("covered" if kind == "deletion" else "uncovered")
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["none", "half", "all"])


def _line(axes: Any, values: np.ndarray[Any, Any], label: str | None, **style: Any) -> None:
    axes.plot(np.linspace(0, 1, len(values)), values, label=label, **style)
