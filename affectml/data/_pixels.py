"""Whether two images show the same picture, asked of their pixels."""

import hashlib
import itertools
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

# Chosen on 598 photographs and copies of them, with `python benchmarks/duplicates.py`; see docs/data.md.
LIKENESS = 0.93  # correlation from which on two pictures are the same
COARSE = 0.5  # correlation of 8 x 8 pixels below which nothing more is asked
SIDE = 24  # pixels of the grey pictures that are compared
MARGINS = (0.0, 0.025, 0.05, 0.075)  # what may be cut off at each side
WHOLE = 128

Vector = NDArray[np.float32]


def digest(image: "Image") -> str:
    """sha256 of the size and the pixels of an RGB image."""
    return hashlib.sha256(f"{image.width} {image.height} ".encode() + image.tobytes()).hexdigest()


class Picture:
    """A grey picture of an image, small enough to keep many: what is asked of it is worked out when asked for."""

    def __init__(self, image: "Image") -> None:
        from PIL import Image as images

        self._grey = image.convert("L").resize((WHOLE, WHOLE), images.Resampling.BOX)

    def parts(self, side: int, margins: tuple[float, ...]) -> Vector:
        """The picture cut in every way that `margins` allow, each `side` x `side`: rows of mean 0 and norm 1.

        The first row is the whole. A part without any contrast is a row of zeros, which correlates with nothing.
        """
        from PIL import Image as images

        rows = []
        for left, top, right, bottom in itertools.product(margins, repeat=4):
            box = (left * WHOLE, top * WHOLE, (1 - right) * WHOLE, (1 - bottom) * WHOLE)
            part = self._grey.resize((side, side), images.Resampling.BILINEAR, box=box)
            rows.append(np.asarray(part, dtype=np.float32).ravel())
        found = np.stack(rows)
        found -= found.mean(axis=1, keepdims=True)
        norm = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(np.divide(found, norm, out=np.zeros_like(found), where=norm > 1e-3), dtype=np.float32)


class Likenesses:
    """Likeness of pictures by key. keep: of how many the parts are kept, at 0.6 MB each."""

    def __init__(self, pictures: dict[str, Picture], keep: int = 256) -> None:
        self._coarse = {key: picture.parts(8, (0.0,))[0] for key, picture in pictures.items()}
        self._parts = lru_cache(maxsize=keep)(lambda key: pictures[key].parts(SIDE, MARGINS))

    def __call__(self, one: str, other: str) -> float:
        """The highest correlation of one's whole picture with a part of the other's, either way; 0 where hardly any."""
        if float(self._coarse[one] @ self._coarse[other]) < COARSE:
            return 0.0
        a, b = self._parts(one), self._parts(other)
        return float(max((b @ a[0]).max(), (a @ b[0]).max()))
