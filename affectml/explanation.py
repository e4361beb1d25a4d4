"""Explaining a rate: which parts of an image speak for a label, and whether a map of them is worth believing.

explanation = explain_image("runs/mydata-001", "holiday.jpg", label="joy")
explanation.map; explanation.verdict; explanation.save("holiday.png")

The image is covered cell by cell; how far the label's rate falls is its map. Then it is covered and uncovered in the
map's order, and in the orders of maps that know nothing of the label: where those do as well, the verdict says so.

Sources: Zeiler & Fergus 2014 for the map, with cells that do not overlap; it needs no gradient and no ViT. Petsiuk, Das
& Saenko 2018, "RISE", section 4.2, for deletion and insertion: they delete to a constant and insert into a blurred
image; here both are done with both fillings, since each has its own artefacts.
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from affectml._progress import track
from affectml.encoders import Encoder
from affectml.encoders.threads import set_threads
from affectml.encoders.towers import in_dtype
from affectml.errors import BadInput, BadRun
from affectml.page.tables import Table, number
from affectml.pictures import ImageLike, pictures
from affectml.plots import draw_map, picture_path
from affectml.predicting.features import run_encoder
from affectml.predicting.predictor import scores_by
from affectml.runs import RunFolder

__all__ = ["Curve", "Explanation", "Verdict", "explain_image"]

STEPS = 16  # in which an image is covered
RANDOM = 19  # maps drawn at random: the best of them is beaten by chance once in 20
LEAST = 0.02  # by how much covering the whole image must lower the rate for a curve to tell anything
BATCH = 64  # images that pass the tower at once
COVERS = {"blur": "the blur", "mean": "the mean colour"}  # the fillings
_CURVES = [(filling, kind) for filling in COVERS for kind in ("deletion", "insertion")]
_FIGURES = ("deletion", "deletion_area", "insertion", "insertion_area")
_BETTER = "better than all controls"

Floats = NDArray[np.float64]
Rates = Callable[[Tensor], Tensor]  # preprocessed pixels [N, 3, H, W] -> each label's rate or share, [N, C] float64


@dataclass(frozen=True, eq=False)
class Curve:
    """A label's rate as an image is covered (deletion) and uncovered (insertion) from a map's highest place on.

    deletion, insertion: [S + 1], at equal steps from none of the pixels to all of them.
    """

    deletion: Floats
    insertion: Floats

    @property
    def deletion_area(self) -> float:
        """Area under the deletion curve: low where the map's first places matter. A constant rate has its value."""
        return area(self.deletion)

    @property
    def insertion_area(self) -> float:
        """Area under the insertion curve: high where the map's first places matter."""
        return area(self.insertion)

    @property
    def gain(self) -> float:
        """Insertion area less deletion area: what verdicts compare. 0 on average for an order of chance."""
        return self.insertion_area - self.deletion_area


Curves = Mapping[str, Curve]  # by filling


@dataclass(frozen=True)
class Verdict:
    """Whether a map is better than its controls.

    verdict: a clause to print. holds: by at least one filling that tells anything, and by all that do, the map's gain
    (insertion area less deletion area) is above that of every control. falls: by filling, how far covering the whole
    image lowers the rate. lost: by filling that tells anything, the controls that do as well: "centre", "other label",
    "random" with how many of them.
    """

    verdict: str
    holds: bool
    falls: Mapping[str, float]
    lost: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, eq=False)
class Explanation(Verdict):
    """Which parts of an image speak for a label, and whether to believe it.

    image: its name. label, rate: what is explained, and the head's rate of it (of a head of distributions, its share).
    other, other_rate: the label whose map is a control. pixels: what the encoder sees, uint8 [H, W, 3]: for most the
    square in the middle. map: by occlusion, float64 [H, W], below 0 where a part speaks against the label. cells: the
    same as computed, [h, w]. curves: of the map ("occlusion"), of the same for the other label ("occlusion of OTHER"),
    of "centre", by filling; random: of random maps.
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

    def sentence(self) -> str:
        """The verdict with what it is about."""
        return f"Map of {self.label}: {self.verdict}."

    def table(self) -> Table:
        """Areas of each map and control, by filling; of random maps mean, least and greatest."""
        columns = [f"{kind}, {filling} {'↓' if kind == 'deletion' else '↑'}" for filling, kind in _CURVES]
        rows = [(name, *map(number, _areas(by))) for name, by in self.curves.items()]
        drawn = zip(*map(_areas, self.random), strict=True)
        spans = (f"{number(float(np.mean(a)))} ({number(min(a))} to {number(max(a))})" for a in drawn)
        rows.append((f"{len(self.random)} random maps", *spans))
        note = (
            "area under the rate as the image is covered (deletion) or uncovered (insertion) from the map's highest "
            "place on; blur, mean: what it is covered with"
        )
        return Table(f"{self.image}: {self.label} {number(self.rate)}", ("map", *columns), tuple(rows), note)

    def to_json(self) -> dict[str, Any]:
        """Plain values: the map by cell, curves of all but the random maps, areas of all."""
        return {
            "image": self.image,
            "label": self.label,
            "rate": self.rate,
            "other": {"label": self.other, "rate": self.other_rate},
            "verdict": {"words": self.verdict, "holds": self.holds, "falls": self.falls, "lost": self.lost},
            "cells": self.cells.tolist(),
            "curves": {name: _plain(by, _FIGURES) for name, by in self.curves.items()},
            "random": [_plain(by, _FIGURES[1::2]) for by in self.random],
        }

    def save(self, path: str | Path) -> Path:
        """Draw image, map and curves into a .png or .svg file, or into a folder under the image's name.

        The same explanation gives the same bytes.

        Returns:
            The file.

        Raises:
            BadInput: for another ending, and for a file that exists or cannot be written.
        """
        file = picture_path(Path(path), self.image, self.label)
        maps = {f"{len(self.random)} random maps": self.random} | {name: [by] for name, by in self.curves.items()}
        squares = {
            f"{kind}, {filling}": {
                name: np.array([getattr(by[filling], kind) for by in several]).T for name, several in maps.items()
            }
            for filling, kind in _CURVES
        }
        title = f"{self.image}: {self.label} {number(self.rate)}\n{textwrap.fill(self.sentence(), 130)}"
        draw_map(file, title, self.label, self.pixels, self.map, squares)
        return file


def _areas(by: Curves) -> list[float]:
    return [getattr(by[filling], f"{kind}_area") for filling, kind in _CURVES]


def _plain(by: Curves, figures: Sequence[str]) -> dict[str, dict[str, Any]]:
    return {filling: {name: np.asarray(getattr(c, name)).tolist() for name in figures} for filling, c in by.items()}


def area(rates: Sequence[float] | Floats) -> float:
    """Area under S + 1 values at equal steps over [0, 1], by trapezoids: 1, .5, 0 have .5."""
    values = np.asarray(rates, dtype=np.float64)
    return float((values[1:] + values[:-1]).mean() / 2)


def explain_image(
    run: str | Path | RunFolder,
    image: ImageLike,
    *,
    label: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    encoder_factory: Callable[[], Encoder] | None = None,
) -> Explanation:
    """Which parts of an image speak for a label, and whether the map of them is better than maps that know nothing.

    Args:
        run: a run, or its folder.
        image: one: a path, a PIL image or an array; see `pictures`.
        label: one of the run's; None takes the likeliest.
        seed: of the random maps.
        threads: torch's; None is one less than the cores.
        encoder_factory: gives the run's encoder, where it is loaded already; see `run_encoder`.

    Raises:
        UnknownLabel: for a label that the run does not have.
        BadInput: for an image that cannot be read, or several.
        BadRun: for a run on embeddings made elsewhere, whose encoder is not known.
        EncoderUnavailable: where the encoder is not the one that the run was trained with.
    """
    images = pictures(image)
    if len(images) != 1:
        raise BadInput(f"{image}: {len(images):,} images; explain takes one at a time, so name the file")
    opened = run if isinstance(run, RunFolder) else RunFolder.open(run)
    labels = opened.taxonomy.labels
    asked = None if label is None else opened.taxonomy.index(label)
    if not opened.info.encoder.specs:
        raise BadRun(
            f"{opened.folder}: trained on embeddings made elsewhere, so the encoder that would show which parts of an "
            "image matter is not known: train on embeddings that `affectml embed` made"
        )
    if len(labels) < 2:
        raise BadInput(f"{opened.folder}: it has one label, so there is no map of another to compare with")
    set_threads(threads)
    encoder = run_encoder(opened, threads) if encoder_factory is None else encoder_factory()
    rates, pixels = rates_of(opened, encoder), encoder.preprocess(images[0].read())
    covers = covers_of(pixels)
    ends = rates(torch.stack([pixels, *covers.values()]))
    whole = ends[0].tolist()
    column = int(ends[0].argmax()) if asked is None else asked
    # near labels may well rest on the same parts: the control is the map of the least likely one
    other = min((c for c in range(len(labels)) if c != column), key=whole.__getitem__)
    maps = occlusion(rates, pixels, covers, grid_of(encoder.image_tower.visual, pixels.shape[1:]))
    generator = torch.Generator().manual_seed(seed)
    chance = [torch.rand(maps.shape[1:], generator=generator, dtype=torch.float64) for _ in range(RANDOM)]
    orders = [spread(cells, pixels.shape[1:]) for cells in (maps[column], maps[other], *chance)]
    orders.insert(2, centred(pixels.shape[1:]))
    own, others, centre, *drawn = [
        curves(rates, pixels, covers, order, column, ends[:, column], STEPS)
        for order in track(orders, "covering", len(orders), "maps")
    ]
    return Explanation(
        image=images[0].name,
        label=labels[column],
        rate=whole[column],
        other=labels[other],
        other_rate=whole[other],
        pixels=_seen(encoder, pixels),
        map=orders[0].numpy(),
        cells=maps[column].numpy(),
        curves={"occlusion": own, f"occlusion of {labels[other]}": others, "centre": centre},
        random=drawn,
        **asdict(judge(own, centre=centre, other=others, random=drawn, label=labels[other])),
    )


def rates_of(run: RunFolder, encoder: Encoder) -> Rates:
    """What a run's head says of preprocessed pixels: rates, or shares of a distribution."""
    normalised = run.info.encoder.identity["normalised"]
    model = in_dtype(encoder.image_tower, torch.float32)  # whatever it embeds in, so that small changes show
    rated = run.info.data.kind in ("rates", "sets") and not run.head.lacks_texts
    scores = run.head.predict_rates if rated else scores_by(run, lambda: encoder)

    def rates(pixels: Tensor) -> Tensor:
        with torch.inference_mode():
            rows = torch.cat([model.encode_image(part.to(encoder.device)) for part in torch.split(pixels, BATCH)])
            features = (normalize(rows, dim=-1) if normalised else rows).cpu()
        return scores(features).double()

    return rates


def _seen(encoder: Encoder, pixels: Tensor) -> NDArray[np.uint8]:
    """Preprocessed pixels [3, H, W] as a picture, [H, W, 3]."""
    mean, std = (torch.tensor(encoder.identity.preprocessing[key])[:, None, None] for key in ("mean", "std"))
    return ((pixels * std + mean).clamp(0, 1).permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def covers_of(pixels: Tensor) -> dict[str, Tensor]:
    """What an image [3, H, W] is covered with, by the filling's name.

    blur: the image under a Gaussian whose deviation is an eighth of its shorter side: shapes go, colours and light
    stay. mean: the colour that the encoder's preprocessing takes off, which is the mean of what it was trained on.
    """
    from scipy.ndimage import gaussian_filter

    sigma = min(pixels.shape[1:]) / 8
    blurred = gaussian_filter(pixels.double().numpy(), (0, sigma, sigma), mode="nearest")
    return {"blur": torch.from_numpy(blurred).to(pixels.dtype), "mean": torch.zeros_like(pixels)}


def grid_of(visual: Any, size: Sequence[int]) -> tuple[int, int]:
    """At most 8 cells a side, along the tower's patches where it has them: every, every second, ... of them."""
    patches = getattr(visual, "grid_size", None) or [max(1, n // 8) for n in size]
    rows, columns = (max((s for s in (5, 6, 7, 8) if n % s == 0), default=min(n, 8)) for n in patches)
    return rows, columns


def cells_of(size: Sequence[int], grid: tuple[int, int]) -> Tensor:
    """The cells of a grid as masks [h * w, H, W], row by row; they cover every pixel once."""
    rows, columns = (torch.arange(n) * parts // n for n, parts in zip(size, grid, strict=True))
    return torch.arange(grid[0] * grid[1])[:, None, None] == rows[:, None] * grid[1] + columns


def occlusion(rates: Rates, pixels: Tensor, covers: Mapping[str, Tensor], grid: tuple[int, int]) -> Tensor:
    """What each cell of a grid is worth to each label: how far the label's log-odds fall when the cell is covered.

    Each filling's map of a label is divided by its largest absolute value before the mean over fillings is taken, so
    that one which changes little has its say. A map that is 0 everywhere stays so.

    Args:
        rates: pixels [N, 3, H, W] -> rates or shares [N, C].
        pixels: one preprocessed image, [3, H, W].
        covers: the image wholly covered, [3, H, W], by the filling's name.
        grid: rows and columns of cells.

    Returns:
        [C, h, w] float64: positive where covering the cell makes the label less likely.
    """
    masks, maps = cells_of(pixels.shape[1:], grid)[:, None], []
    for cover in covers.values():
        images = [pixels[None], torch.where(masks, cover, pixels)]
        whole, covered = (rates(some).clamp(1e-9, 1 - 1e-9).logit() for some in images)
        fall = (whole - covered).T
        maps.append(fall / fall.abs().amax(dim=1, keepdim=True).clamp(min=1e-12))
    return torch.stack(maps).mean(dim=0).reshape(-1, *grid)


def spread(cells: Tensor, size: Sequence[int]) -> Tensor:
    """A map [h, w] at the size of the image, [H, W] float64: bilinear between the cells' centres."""
    return interpolate(cells.double()[None, None], size=tuple(size), mode="bilinear", align_corners=False)[0, 0]


def centred(size: Sequence[int]) -> Tensor:
    """A blob that is highest in the middle of the image and falls evenly to its edges, [H, W]."""
    y, x = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in size)
    return -(y[:, None].square() + x[None].square())


def curves(
    rates: Rates, pixels: Tensor, covers: Mapping[str, Tensor], order: Tensor, column: int, ends: Tensor, steps: int
) -> dict[str, Curve]:
    """The two curves of a map, by filling.

    Args:
        rates: pixels [N, 3, H, W] -> rates or shares [N, C].
        pixels: the image, [3, H, W].
        covers: the image wholly covered, [3, H, W], by the filling's name.
        order: the map, [H, W]; of equal places the first in reading order comes first.
        column: the label's.
        ends: the rate of the image as it is, and wholly covered by each filling.
        steps: S, at least 2.
    """
    ranks = order.flatten().argsort(descending=True, stable=True).argsort().reshape(order.shape)
    places, by_filling = torch.arange(1, steps) * order.numel() // steps, {}
    for (filling, cover), covered in zip(covers.items(), ends[1:], strict=True):
        parts = []
        for some in torch.split(places, BATCH // 2):  # however many steps, few images are in memory
            gone = ranks < some[:, None, None, None]
            images = torch.cat([torch.where(gone, cover, pixels), torch.where(gone, pixels, cover)])
            parts.append(rates(images)[:, column].reshape(2, -1))
        both = torch.stack([ends[0], covered])[:, None]
        deleted, inserted = torch.cat([both, *parts, both.flip(0)], dim=1).numpy()
        by_filling[filling] = Curve(deleted, inserted)
    return by_filling


def judge(own: Curves, *, centre: Curves, other: Curves, random: Sequence[Curves], label: str) -> Verdict:
    """Compare a map's curves with its controls'.

    Args:
        own: the map's curves, by filling.
        centre: those of a blob in the middle of the image.
        other: those of the map of another label.
        random: those of maps drawn at random.
        label: the other label's name.
    """
    falls = {filling: float(curve.deletion[0] - curve.deletion[-1]) for filling, curve in own.items()}
    controls = {"centre": [centre], "other label": [other], "random": random}
    named = {"centre": "the centre of the image", "other label": f"the map of {label}"}
    lost: dict[str, dict[str, int]] = {}
    clauses = []
    for filling, fall in falls.items():
        if fall < LEAST:
            clauses.append(f"with {COVERS[filling]} nothing can be told (it {_moved(fall, 'the rate')})")
            continue
        counts = {name: sum(by[filling].gain >= own[filling].gain for by in maps) for name, maps in controls.items()}
        lost[filling] = {name: count for name, count in counts.items() if count}
        named["random"] = f"{counts['random']} of {len(random)} random maps"
        as_good = " and ".join(", ".join(named[name] for name in lost[filling]).rsplit(", ", 1))
        clauses.append(f"with {COVERS[filling]} {f'no better than {as_good}' if as_good else _BETTER}")
    holds = bool(lost) and not any(lost.values())
    words = f"{_BETTER}, with either filling" if holds and len(lost) == len(own) else "; ".join(clauses)
    if not lost:
        moved = ", ".join(f"{COVERS[filling]} {_moved(fall, 'it')}" for filling, fall in falls.items())
        words = f"nothing can be told: covering the whole image does not lower the rate by .02 ({moved})"
    return Verdict(words, holds, falls, lost)


def _moved(fall: float, what: str) -> str:
    return f"{'lowers' if fall >= 0 else 'raises'} {what} by {number(abs(fall))}"
