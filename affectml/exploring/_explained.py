"""An explanation as a page shows it: the map over the picture, and the verdict in words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from affectml.explanation import Explanation

_FOR, _AGAINST = (178, 24, 43), (33, 102, 172)  # the ends of matplotlib's RdBu
_GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True, eq=False)
class Explained:
    """Which parts of an image speak for a label. picture: what the encoder sees in grey, red where a part speaks for
    the label and blue where it speaks against it. seen: the same without colours. label, rate: what is explained.
    verdict: whether to believe it; sentence: that with what it is about. holds: whether the map beats all controls."""

    picture: Image.Image
    seen: Image.Image
    label: str
    rate: float
    verdict: str
    sentence: str
    holds: bool

    @classmethod
    def of(cls, found: "Explanation") -> "Explained":
        """Drawn from an explanation."""
        picture = Image.fromarray(overlay(found.pixels, found.map))
        seen = Image.fromarray(found.pixels)
        return cls(picture, seen, found.label, found.rate, found.verdict, found.sentence(), found.holds)


def overlay(pixels: NDArray[np.uint8], values: NDArray[Any]) -> NDArray[np.uint8]:
    """A map [H, W] over an image [H, W, 3]: the further from 0, the more colour, at most six parts in ten."""
    grey = (pixels @ np.array(_GREY))[..., None].repeat(3, axis=2)
    most = max(float(np.abs(values).max()), 1e-12)
    strength = (0.6 * np.abs(values) / most)[..., None]
    colour = np.where((values >= 0)[..., None], np.array(_FOR), np.array(_AGAINST))
    return np.asarray((1 - strength) * grey + strength * colour, dtype=np.uint8)
