"""Deletion and insertion: how a rate falls as an image is covered in a map's order, and rises as it is uncovered.

Source: Petsiuk, Das & Saenko 2018, "RISE", section 4.2. They delete to a constant and insert into a blurred image; here
both are done with both fillings, since each has its own artefacts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from affectml.explanation._tower import BATCH, Rates, Tower

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """A label's rate as an image is covered (deletion) and uncovered (insertion) from a map's highest place on.

    deletion, insertion: [S + 1], at equal steps from none of the pixels to all of them.
    """

    filling: str
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


def area(rates: Sequence[float] | Floats) -> float:
    """Area under S + 1 values at equal steps over [0, 1], by trapezoids: 1, .5, 0 have .5."""
    values = np.asarray(rates, dtype=np.float64)
    return float((values[1:] + values[:-1]).mean() / 2)


def filled(pixels: Tensor) -> dict[str, Tensor]:
    """What an image [3, H, W] is covered with, by the filling's name.

    blur: the image under a Gaussian whose deviation is an eighth of its shorter side: shapes go, colours and light
    stay. mean: the colour that the encoder's preprocessing takes off, which is the mean of what it was trained on.
    """
    from scipy.ndimage import gaussian_filter

    sigma = min(pixels.shape[1:]) / 8
    blurred = gaussian_filter(pixels.double().numpy(), (0, sigma, sigma), mode="nearest")
    return {"blur": torch.from_numpy(blurred).to(pixels.dtype), "mean": torch.zeros_like(pixels)}


def spread(cells: Tensor, size: tuple[int, int]) -> Tensor:
    """A map [h, w] at the size of the image, [H, W] float64: bilinear between the cells' centres."""
    return interpolate(cells.double()[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]


def centred(size: tuple[int, int]) -> Tensor:
    """A blob that is highest in the middle of the image and falls evenly to its edges, [H, W]."""
    y, x = (torch.linspace(-1, 1, n, dtype=torch.float64) for n in size)
    return -(y[:, None].square() + x[None].square())


def curve(
    tower: Tower, rates: Rates, pixels: Tensor, filling: tuple[str, Tensor], order: Tensor, column: int,
    ends: tuple[float, float], steps: int,
) -> Curve:  # fmt: skip
    """The two curves of one map and filling.

    Args:
        tower: what embeds.
        rates: features [N, D] -> rates or shares [N, C].
        pixels: the image, [3, H, W].
        filling: its name, and the image wholly covered, [3, H, W].
        order: the map, [H, W]; of equal places the first in reading order comes first.
        column: the label's.
        ends: the rate of the image as it is, and wholly covered.
        steps: S, at least 2.
    """
    name, cover = filling
    ranks = torch.empty(order.numel(), dtype=torch.long)
    ranks[order.flatten().argsort(descending=True, stable=True)] = torch.arange(order.numel())
    places = torch.arange(1, steps) * order.numel() // steps
    parts = []
    for some in torch.split(places, BATCH // 2):  # however many steps, few images are in memory
        gone = (ranks < some[:, None]).reshape(-1, 1, *order.shape)
        images = torch.cat([torch.where(gone, cover, pixels), torch.where(gone, pixels, cover)])
        parts.append(rates(tower.features(images))[:, column].double().reshape(2, -1))
    deleted, inserted = torch.cat(parts, dim=1).tolist()
    whole, covered = ends
    return Curve(name, np.array([whole, *deleted, covered]), np.array([covered, *inserted, whole]))
