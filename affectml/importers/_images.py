"""Bringing image files into a data set: is it an image, may it be named so, copy or link it."""

import math
import os
import re
import shutil
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath

from affectml._progress import track
from affectml.errors import BadInput, option
from affectml_annotation.exchange.files import no_file

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"})
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")

_UNUSUAL = re.compile(r"^[/.]|[\\:\0]|\.\.|//|/\./|/$")

Box = tuple[float, float, float, float]


def problem_with(path: Path) -> str | None:
    """Why this file cannot be used as an image, or None. Reads the header only, not the pixels."""
    from PIL import Image, UnidentifiedImageError

    try:
        if why := no_file(path):
            return why
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a very large image is still an image
            with Image.open(path, formats=_FORMATS):
                return None
    except UnidentifiedImageError:
        return "not an image"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"not readable as an image ({type(error).__name__})"


def is_usual(name: str) -> bool:
    """Whether a file name is below its root as it stands (the empty one is: it names nothing)."""
    return not _UNUSUAL.search(name)


def inside_name(name: str, root: Path, where: str, way_out: str = "") -> str:
    """A file name from a table as a POSIX path below `root`; raises BadInput, with the way out, if it leaves it.

    Without one, it is a table's own option.

    Backslashes are separators (no image of this field has one in its name); an absolute path is fine where
    it lies below `root`.
    """
    way_out = way_out or f"name the folder that holds all images ({option('images_root')}) and give paths below it"
    plain = name.replace("\\", "/")
    if PureWindowsPath(plain).drive and not PurePosixPath(plain).is_absolute():
        raise BadInput(f"{where}: {name!r} has a drive; give paths relative to the folder of the images")
    path = PurePosixPath(plain)
    if path.is_absolute():
        absolute = PurePosixPath(root.resolve().as_posix())
        if not path.is_relative_to(absolute):
            raise BadInput(f"{where}: {name!r} lies outside {root}; {way_out}")
        path = path.relative_to(absolute)
    if ".." in path.parts or not path.parts or "\0" in plain:
        raise BadInput(f"{where}: {name!r} leaves the folder of the images; {way_out}")
    return path.as_posix()


def file_in_dataset(name: str) -> str:
    """Where an image lands in the data set: images/NAME, without doubling a leading images/."""
    return name if name.startswith("images/") else f"images/{name}"


def place_images(
    sources: Sequence[Path | None],
    files: Sequence[str | None],
    folder: Path,
    how: str,
    boxes: Sequence[Box | None] | None = None,
    spool: Path | None = None,
) -> list[str | None]:
    """Bring each source to `folder`/file by copying or linking; returns each one's problem, or None.

    A row without a source (only a url) has no problem and brings nothing; rows may share a file. A link that the
    file system refuses (another disk) becomes a copy. boxes: the part of each image to keep, None for all of it. spool:
    a folder that will go, whose images are linked in any case.
    Raises BadInput where two images, or two parts of one, would become one file, and for a file outside `folder`.
    """
    problems: list[str | None] = []
    origin: dict[Path, tuple[Path, Box | None]] = {}
    made: set[Path] = set()
    done: dict[Path, str | None] = {}
    rows = zip(sources, files, boxes or [None] * len(sources), strict=True)
    for source, file, box in track(rows, "bringing in images", len(sources), "images"):
        if source is None or file is None:
            problems.append(None)
            continue
        if ".." in PurePosixPath(file).parts or PurePosixPath(file).is_absolute():
            raise BadInput(f"{source}: {file!r} leads out of the data set; give a path below the images' folder")
        target = folder / file
        if origin.setdefault(target, (source, box)) != (source, box):
            both = f"{origin[target][0]} and {source}" if origin[target][0] != source else f"two parts of {source}"
            raise BadInput(f"{both} would both become {file}; rename one of them, or import them apart")
        if target not in done:
            done[target] = problem_with(source)
            if target.parent not in made and done[target] is None:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            if done[target] is None and box is not None:
                done[target] = _crop(source, target, box)
            elif done[target] is None:
                _bring(source, target, "hardlink" if spool is not None and spool in source.parents else how)
        problems.append(done[target])
    return problems


def _crop(source: Path, target: Path, box: Box) -> str | None:
    """Save the part of an image inside box (left, top, right, bottom, in pixels), cut at the image's edges."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source, formats=_FORMATS) as image:
                left, top = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
                right, bottom = min(image.width, math.ceil(box[2])), min(image.height, math.ceil(box[3]))
                if right <= left or bottom <= top:
                    return "the person's box lies outside the image"
                part = image.convert("RGB").crop((left, top, right, bottom))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"not readable as an image ({type(error).__name__})"
    part.save(target, format="JPEG", quality=95, subsampling=0)
    return None


def _bring(source: Path, target: Path, how: str) -> None:
    if how == "hardlink":
        with suppress(OSError):
            os.link(source.resolve(), target)
            return
    shutil.copyfile(source, target)
