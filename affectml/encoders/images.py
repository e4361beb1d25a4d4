"""Reading one image as people saw it: upright, first frame, 8-bit RGB, transparent parts on white; and preparing it."""

import math
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from affectml._files import need_file
from affectml.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

WHITE = (255, 255, 255)


def read_image(path: str | Path, at_least: int = 0) -> Image.Image:
    """The image in `path` as upright RGB, read whole.

    With `at_least`, a large JPEG is decoded at a half, a quarter or an eighth of its scale, the least at which its
    shorter side still has `at_least` pixels. Where that is twice what an encoder takes, resized pixels differ from
    those of the whole image by at most 10 levels of 255, less than 1 on average, and CLIP embeddings by a cosine above
    .9999 (docs/data.md). Other formats are decoded in full.

    The EXIF orientation is applied; of an animation the first frame is taken; palettes are resolved and
    transparency is laid on white, as browsers show it; 16-bit grey is scaled to 8 bits.

    Raises:
        BadInput: it cannot be read whole: no such file, a pipe, not an image, cut short, floating-point pixels, or more
            pixels than Pillow's `Image.MAX_IMAGE_PIXELS` (89 million unless changed: a small file can hide gigabytes).
    """
    path = Path(path)
    quiet_about_size()
    need_file(path)
    try:
        with Image.open(path) as image:
            limit = Image.MAX_IMAGE_PIXELS
            if limit is not None and image.width * image.height > limit:
                raise Image.DecompressionBombError
            if at_least and image.format == "JPEG":
                scale = at_least / min(image.size)
                image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
            image.seek(0)
            image.load()
            return rgb_of(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadInput(f"{path}: more than the safe {Image.MAX_IMAGE_PIXELS:,} pixels; save it smaller") from None
    except UnidentifiedImageError:
        raise BadInput(f"{path}: not an image that Pillow can read") from None
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, zlib.error ...
        raise BadInput(f"{path}: cannot be read whole ({first_line(error)})") from None


@cache
def quiet_about_size() -> None:
    """Pillow's warning of many pixels says no more than the BadInput that follows; filters of the user's come first.

    A filter for good, as `warnings.catch_warnings` is not for threads, in which images are decoded.
    """
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning, append=True)


def rgb_of(image: Image.Image) -> Image.Image:
    """8-bit RGB of any mode Pillow decodes."""
    if image.mode.startswith("I"):  # I;16 and kin, or I: Pillow clips them at 255, which makes them white
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError(f"mode {image.mode} with values outside 16 bits")
        wide = image.mode != "I" or deep.max() > 255
        shallow = np.round(deep / 257) if wide else deep
        return Image.fromarray(shallow.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed white; save it with 8 or 16 bits")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (*WHITE, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def first_line(error: Exception) -> str:
    """What an error says in one line; its type where it says nothing."""
    return (str(error) or type(error).__name__).splitlines()[0]


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
