"""What a caller gives as images: paths, globs, data sets, PIL images and arrays, as pictures to be read one by one."""

import glob
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from affectml._progress import Say
from affectml.data import Dataset
from affectml.encoders import read_image
from affectml.encoders.images import rgb_of
from affectml.errors import BadDataset, BadInput
from affectml.importers.find import files_in

Bad = list[tuple[str, str]]  # images that cannot be read: name and reason


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One image, not read yet; small, so that many can be held.

    name: the path as given or found, the image_id in a data set, or "image 3" for the third that was given as pixels.
    file: where it lies; "" for pixels, and for an image of a data set that has no file. pixels: what was given.
    dataset, image_id: where it is an image of a data set, which may have its embedding.
    """

    name: str
    file: str = ""
    pixels: Image.Image | NDArray[np.uint8] | None = None
    dataset: Dataset | None = None
    image_id: str = ""

    def read(self, at_least: int = 0) -> Image.Image:
        """The image as upright RGB; raises BadInput where it cannot be read whole. at_least: see `read_image`."""
        if isinstance(self.pixels, Image.Image):
            return rgb_of(ImageOps.exif_transpose(self.pixels))
        if self.pixels is not None:
            return Image.fromarray(self.pixels)
        if not self.file:
            raise BadInput(f"{self.name}: no image file in the data set")
        return read_image(self.file, at_least)

    @property
    def key(self) -> str:
        """The same for one file that is named twice; "" for pixels."""
        if self.dataset is not None:
            return f"{self.dataset.root.resolve()}\0{self.image_id}"
        return str(Path(self.file).absolute()) if self.file else ""

    def stamp(self) -> str:
        """Changes when the content does: size and time of a file; of pixels their sha256."""
        if self.pixels is not None:
            return hashlib.sha256(self.read().tobytes()).hexdigest()
        try:
            found = Path(self.file).stat()
        except OSError:
            return "absent"
        return f"{found.st_size} {found.st_mtime_ns}"


ImageLike: TypeAlias = str | Path | Image.Image | NDArray[Any] | Dataset | Picture


def pictures(
    given: ImageLike | Iterable[ImageLike], *, bad: Bad | None = None, once: bool = False, say: Say = lambda line: None
) -> list[Picture]:
    """Every picture of what was given, in order; those of a folder and of a pattern by name.

    Args:
        given: one of these or several: a path to an image; a folder, which stands for the image files in it at any
            depth; a pattern such as "photos/**/*.jpg"; a data set or its folder; a PIL image; an array [H, W, 3] or
            [H, W] of uint8, or of floats from 0 to 1. An array [N, H, W, 3] is several.
        bad: takes what cannot be found, with the reason; None raises for the first.
        once: leave out an image that was named before.
        say: called where some are left out so.

    Raises:
        BadInput: for a path that does not exist, a folder without an image, or anything else.
    """
    given = one_by_one(given)
    several = sum(_is_dataset(one) for one in given) > 1
    found: list[Picture] = []
    for number, one in enumerate(given, start=1):
        try:
            found += _pictures_of(one, number, several)
        except (BadInput, BadDataset) as error:
            if bad is None:
                raise
            name = str(one) if isinstance(one, str | Path) else f"image {number}"
            bad.append((_text(name), str(error).removeprefix(f"{name}: ")))
    return _once(found, say) if once else found


def as_bad(picture: Picture, reason: str) -> tuple[str, str]:
    """The name of an image with the reason why it cannot be read, which does not repeat the name."""
    if picture.dataset is not None and not picture.file:
        return picture.name, "neither an image file nor an embedding"
    return picture.name, reason.removeprefix(f"{picture.file}: ")


def one_by_one(given: ImageLike | Iterable[ImageLike]) -> list[ImageLike]:
    """What was given as a list: one image is a list of one, though an array or a tensor would yield its rows."""
    if isinstance(given, str | Path | Image.Image) or not isinstance(given, Iterable):
        return [given]
    return [cast("ImageLike", given)] if getattr(given, "ndim", 1) in (0, 2, 3) else list(given)


def _once(found: list[Picture], say: Say) -> list[Picture]:
    """Each image at its first place."""
    seen: set[str] = set()
    kept = []
    for picture in found:
        if not picture.key or picture.key not in seen:
            seen.add(picture.key)
            kept.append(picture)
    if again := len(found) - len(kept):
        say(f"named more than once and predicted once: {again:,} of {len(found):,} images")
    return kept


def _is_dataset(one: ImageLike) -> bool:
    if not isinstance(one, str | Path):
        return isinstance(one, Dataset)
    with suppress(OSError):  # a name too long, say: it is said where it is read
        return Path(one, "dataset.json").is_file()
    return False


def _pictures_of(one: ImageLike, number: int, several: bool) -> Iterable[Picture]:
    """The pictures of one thing given; several: data sets are, so that an image_id alone would not say which."""
    if isinstance(one, Picture):
        return [one]
    if isinstance(one, str) and "://" in one:
        raise BadInput(f"{one}: an address; save the picture, and name its file")
    if isinstance(one, str) and not one:  # an unset variable of a shell, which would stand for the working folder
        raise BadInput(f"image {number}: an empty name; name a file, or . for this folder")
    if _is_dataset(one):
        return _rows(one if isinstance(one, Dataset) else Dataset.open(cast("str | Path", one)), several)
    if isinstance(one, str | Path):
        return _files(Path(one))
    if isinstance(one, Image.Image):
        return [Picture(_text(getattr(one, "filename", "")) or f"image {number}", pixels=one)]
    if isinstance(one, np.ndarray):
        return [Picture(f"image {number}", pixels=_pixels(one, number))]
    raise BadInput(f"image {number}: expected a path, a PIL image or an array [H, W, 3], got {type(one).__name__}")


def _rows(data: Dataset, several: bool) -> Iterator[Picture]:
    """Every image of a data set; those without a file may have an embedding."""
    table = data.images
    files = table["file"].tolist() if "file" in table.columns else [None] * len(table)
    for image_id, file in zip(table["image_id"], files, strict=True):
        path = str(data.image_path(file)) if isinstance(file, str) and file else ""
        yield Picture(f"{data.root}/{image_id}" if several else image_id, path, None, data, image_id)


def _files(path: Path) -> list[Picture]:
    """A file, the images in a folder, or those that a pattern finds."""
    try:
        is_there, is_folder = path.exists(), path.is_dir()
    except OSError as error:
        raise BadInput(f"{path}: cannot be looked up ({error.strerror})") from None
    if is_folder:
        inside = _images_in(path)
        if not inside:
            raise BadInput(f"{path}: no image file in this folder, at any depth")
        return list(map(_file, inside))
    if is_there:
        return [_file(str(path))]
    if not glob.has_magic(str(path)):
        raise BadInput(f"{path}: no such file")
    spelled = bool(path.suffix) and not glob.has_magic(path.suffix)  # *.dat: whoever writes that means these files
    found = []
    for match in glob.iglob(str(path), recursive=True):  # noqa: PTH207 (Path.glob has no files for ** and takes hidden ones)
        if Path(match).is_dir():
            found += _images_in(Path(match))
        elif spelled or _is_image(match):
            found.append(match)
    if not found:
        raise BadInput(f"{path}: no image file matches this pattern")
    return list(map(_file, sorted(dict.fromkeys(found), key=lambda file: Path(file).parts)))  # folder by folder


def _file(path: str) -> Picture:
    return Picture(_text(path), path)


def _text(name: str) -> str:
    """A file's name as text that any file can hold: bytes that are no UTF-8 as \\udc.. and so on."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _images_in(folder: Path) -> list[str]:
    """The image files in a folder, at any depth, by name; nothing hidden. Raises BadInput where one cannot be read."""
    return [str(path) for path in files_in(folder, any_name=True) if _is_image(path.name)]


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in Image.registered_extensions()


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
