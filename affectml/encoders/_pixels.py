"""Preparing an image as open_clip's transform does, to the last bit, with less copying and without what is cut off."""

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor


class Prepare:
    """A transform of open_clip's for 8-bit RGB images; safe to call from threads.

    Where it ends in a conversion to a tensor and a normalisation, as all of open_clip's do, these are done in place.
    """

    def __init__(self, transform: Any) -> None:
        import torch

        steps = list(getattr(transform, "transforms", []))
        names = [type(step).__name__ for step in steps]
        self._transform, self._first = transform, None
        if names[-2:] == ["MaybeToTensor", "Normalize"]:
            self._first = steps[:-2]
            self._mean, self._std = (torch.tensor(values)[:, None, None] for values in (steps[-1].mean, steps[-1].std))

    def __call__(self, image: Image.Image) -> "Tensor":
        """float32 [3, H, W]."""
        import torch

        if self._first is None:
            pixels: Tensor = self._transform(image)
            return pixels
        for step in self._first:
            image = step(image)
        levels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
        pixels = torch.empty(levels.shape).copy_(levels)
        return pixels.div_(255).sub_(self._mean).div_(self._std)
