"""What a caller gives as images: paths, folders, PIL images and arrays, as pictures that can be read one by one."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from affectml.encoders import read_image
from affectml.encoders._images import _rgb
from affectml.errors import BadInput

ImageLike: TypeAlias = str | Path | Image.Image | NDArray[Any]


@dataclass(frozen=True)
class Picture:
    """name: the path, or "image 3" for the third that was given as pixels. read: gives it as upright RGB."""

    name: str
    read: Callable[[], Image.Image]


def pictures(given: ImageLike | Iterable[ImageLike]) -> list[Picture]:
    """Every picture of what was given, in order; a folder stands for the image files in it, at any depth, by name.

    Args:
        given: one of these or several: a path to an image or a folder, a PIL image, an array [H, W, 3] or [H, W] of
            uint8, or of floats from 0 to 1. An array [N, H, W, 3] is several.

    Raises:
        BadInput: for a path that does not exist, a folder without an image, or anything else.
    """
    found: list[Picture] = []
    for number, one in enumerate(one_by_one(given), start=1):
        if isinstance(one, str | Path):
            found += _files(Path(one))
        elif isinstance(one, Image.Image):
            found.append(Picture(getattr(one, "filename", "") or f"image {number}", partial(_upright, one)))
        elif isinstance(one, np.ndarray):
            found.append(Picture(f"image {number}", partial(Image.fromarray, _pixels(one, number))))
        else:
            raise BadInput(
                f"image {number}: expected a path, a PIL image or an array [H, W, 3], got {type(one).__name__}"
            )
    return found


def one_by_one(given: ImageLike | Iterable[ImageLike]) -> list[ImageLike]:
    """What was given as a list: one image is a list of one, though an array or a tensor would yield its rows."""
    if isinstance(given, str | Path | Image.Image) or not isinstance(given, Iterable):
        return [given]
    return [cast("ImageLike", given)] if getattr(given, "ndim", 1) in (0, 2, 3) else list(given)


def _files(path: Path) -> Iterator[Picture]:
    if path.is_file():
        yield Picture(str(path), partial(read_image, path))
        return
    if not path.is_dir():
        raise BadInput(f"{path}: no such file")
    suffixes = set(Image.registered_extensions())
    inside = sorted(
        file
        for file in path.rglob("*")
        if file.suffix.lower() in suffixes
        and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not inside:
        raise BadInput(f"{path}: no image file in this folder, at any depth")
    yield from (Picture(str(file), partial(read_image, file)) for file in inside)


def _upright(image: Image.Image) -> Image.Image:
    return _rgb(ImageOps.exif_transpose(image))


def _pixels(array: NDArray[Any], number: int) -> NDArray[np.uint8]:
    """An array as RGB of 8 bits; raises BadInput saying what is wrong with it."""
    fits = array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)
    if not fits or not array.size:
        raise BadInput(f"image {number}: expected an array [H, W, 3] or [H, W], got {list(array.shape)}")
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise BadInput(f"image {number}: an array of floats holds values from 0 to 1; this one does not")
        array = np.round(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise BadInput(f"image {number}: expected an array of uint8 or of floats, got {array.dtype}")
    return np.ascontiguousarray(array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2))
