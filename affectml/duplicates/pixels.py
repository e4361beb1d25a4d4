"""Whether two images show the same picture, asked of their pixels."""

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

# Chosen on 598 photographs and copies of them, with `python benchmarks/duplicates.py`; see docs/data.md.
LIKENESS = 0.93  # correlation from which on two pictures are the same
COARSE_SIDE, COARSE = 8, 0.5  # pixels, and the correlation of them below which nothing more is asked
SIDE = 24  # pixels of the grey pictures that are compared
MARGINS = (0.0, 0.025, 0.05, 0.075)  # what may be cut off at each side
WHOLE = 128
BLOCK = 100_000  # pairs

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


def likenesses(pictures: Mapping[str, Picture], pairs: Sequence[tuple[str, str]]) -> Vector:
    """Likeness of each pair [P]: the highest correlation of one's whole picture with a part of the other's, either way.

    0 where even the coarse pictures hardly correlate: those are not looked at closely.
    """
    found = np.zeros(len(pairs), dtype=np.float32)
    if not len(pairs):
        return found
    keys = list(pictures)
    row = {key: at for at, key in enumerate(keys)}
    ends = np.array([(row[one], row[other]) for one, other in pairs])
    coarse, whole = (np.stack([pictures[key].parts(side, (0.0,))[0] for key in keys]) for side in (COARSE_SIDE, SIDE))
    blocks = np.split(ends, range(BLOCK, len(ends), BLOCK))
    rough = np.concatenate([(coarse[block[:, 0]] * coarse[block[:, 1]]).sum(axis=1) for block in blocks])
    close = np.flatnonzero(rough >= COARSE)
    # Each close pair twice: the parts of every picture are made once, and asked of all that it is close to.
    image, other = np.concatenate([ends[close], ends[close][:, ::-1]]).T
    pair = np.tile(close, 2)
    order = np.argsort(image, kind="stable")
    starts = np.flatnonzero(np.diff(image[order], prepend=-1))
    for here in np.split(order, starts[1:]) if len(order) else ():
        parts = pictures[keys[image[here[0]]]].parts(SIDE, MARGINS)
        alike = (whole[other[here]] @ parts.T).max(axis=1)
        found[pair[here]] = np.maximum(found[pair[here]], alike)
    return found
