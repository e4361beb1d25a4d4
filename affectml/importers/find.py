"""The files that a source names: which are meant, whether they are images, and bringing them into a data set."""

import math
import os
import re
import shutil
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import pandas as pd

from affectml._files import need_file
from affectml._progress import track
from affectml.errors import BadInput, did_you_mean, option
from affectml_annotation.exchange.files import no_file

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"})
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF")
_LEFT_BEHIND = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_URL = re.compile(r"^https?://", re.IGNORECASE)
_UNUSUAL = re.compile(r"^[/.]|[\\:\0]|\.\.|//|/\./|/$")

Box = tuple[float, float, float, float]


def find(root: Path, names: Iterable[str], *, folder: bool = False) -> Path | None:
    """The first of `names` directly in `root`, else in a folder of it, capitals aside; None where there is none.

    A folder may be `root` itself, unless one of these names lies in it. Raises BadInput naming both where two folders
    of `root` hold one: which of them is meant is not guessed.
    """
    wanted = [name.casefold() for name in names]
    here = sorted(root.iterdir())
    below = [entry for entry in here if entry.is_dir() and not is_hidden(entry.name)]
    hits: list[Path] = []
    for entries in (here, *(sorted(entry.iterdir()) for entry in below)):
        by_name = {entry.name.casefold(): entry for entry in entries if entry.is_dir() == folder}
        hits += [by_name[name] for name in wanted if name in by_name][:1]
        if entries is here and (hits or (folder and root.name.casefold() in wanted)):
            return hits[0] if hits else root
    if len(hits) > 1:
        raise BadInput(f"{root}: both {hits[0]} and {hits[1]} are there; name the folder of one of them")
    return hits[0] if hits else None


def is_hidden(name: str) -> bool:
    """Whether a system or an editor left a file or folder of this name behind."""
    return name.startswith(".") or name.casefold() in _LEFT_BEHIND


def leaves(path: Path, root: Path) -> bool:
    """Whether a path leads out of a folder, by a link."""
    return not path.resolve().is_relative_to(root.resolve())


def refuse_leaving(names: Sequence[str | None], root: Path, where: Callable[[int], str], way_out: str) -> None:
    """Raise BadInput for the first of some names below a folder that leads out of it, by a link; None is no name."""
    gone = cache(lambda folder: leaves(root / folder, root))
    for row, name in enumerate(names):
        if name and (gone(name.rpartition("/")[0]) or ((root / name).is_symlink() and leaves(root / name, root))):
            raise BadInput(f"{where(row)}: {name!r} leads out of {root} by a link; {way_out}")


def files_in(
    folder: Path, *, any_name: bool = False, inside: Path | None = None, links: list[Path] | None = None
) -> list[Path]:
    """Every file in `folder` and below it that is not hidden; linked folders below it are not looked into.

    links: gets the links that there are.

    Raises BadInput for a folder that cannot be read; unless `any_name`, for a name that is no UTF-8, which no table can
    hold; and for a link that leaves the folder `inside`.
    """

    def stop(error: OSError) -> None:
        raise BadInput(f"{error.filename}: cannot be read ({error.strerror}); allow it, or move the folder away")

    found: list[Path] = []
    links = [] if links is None else links
    for top, folders, files in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not is_hidden(name)]
        found += [Path(top, name) for name in files if not is_hidden(name)]
        links += [path for name in (*folders, *files) if (path := Path(top, name)).is_symlink() and not is_hidden(name)]
    for path in () if any_name else found:
        if any("\udc80" <= character <= "\udcff" for character in str(path)):
            raise BadInput(f"{str(path)!a}: the name is not UTF-8, so that no table can hold it; rename the file")
    for path in (folder, *links):
        if inside is not None and leaves(path, inside):
            raise BadInput(f"{path}: a link out of {inside}; put what it leads to in its place, or take it away")
    return sorted(found)


def images_in(folder: Path) -> list[Path]:
    """Every image in `folder` and below it, by the suffix."""
    return [path for path in files_in(folder) if path.suffix.lower() in SUFFIXES]


def fold(name: str) -> str:
    """A file's name without the differences that systems make: capitals, and how an accent is composed."""
    return unicodedata.normalize("NFC", name).casefold()


def need(root: Path, name: str, layout: str) -> Path:
    """The file called `name` in `root` or a folder of it; BadInput naming what else would do."""
    found = find(root, [name])
    if found is None:
        near = did_you_mean(name, [entry.name for entry in root.iterdir() if entry.is_file()])
        raise BadInput(f"{root}: no {name}{near}; expected {layout}")
    return found


def need_folder(path: Path, way_out: str = "") -> Path:
    """The path; BadInput, which ends in the way out, where no folder is."""
    if not path.is_dir():
        what = f"is a file, not a folder{'' if way_out else '; name the folder'}" if path.exists() else "no such folder"
        raise BadInput(f"{path}: {what}{way_out}")
    return path


def images_folder(given: str | Path | None, default: Path) -> Path:
    """The folder that holds the images: the one given, else `default`; BadInput where there is no such folder."""
    way_out = f"; name the folder that holds the images: {option('images_root')}"
    return need_folder(default if given is None else Path(given), way_out)


def is_url(text: str) -> bool:
    """Whether a text is an http or https address."""
    return bool(_URL.match(text))


def read_lines(file: Path) -> list[tuple[int, str]]:
    """(line number, text without spaces around it) of every line that holds something, whatever ends the lines."""
    need_file(file)
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: byte {error.start} is not UTF-8; convert the file to UTF-8") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise BadInput(f"{file}: empty file")
    return found


def is_usual(name: str) -> bool:
    """Whether a file name is below its root as it stands (the empty one is: it names nothing)."""
    return not _UNUSUAL.search(name)


def inside_name(name: str, root: Path, where: str, way_out: str = "") -> str:
    """A file name from a table as a POSIX path below `root`; raises BadInput, with the way out, if it leaves it.

    Without one, it is a table's own option.

    Backslashes are separators (no image of this field has one in its name); an absolute path is fine where
    it lies below `root`.
    """
    if is_usual(name):
        return name
    way_out = way_out or f"name the folder that holds all images ({option('images_root')}) and give paths below it"
    plain = name.replace("\\", "/")
    path = PurePosixPath(plain)
    if PureWindowsPath(plain).drive and not path.is_absolute():
        raise BadInput(f"{where}: {name!r} has a drive; give paths relative to the folder of the images")
    if path.is_absolute():
        absolute = PurePosixPath(root.resolve().as_posix())
        if not path.is_relative_to(absolute):
            raise BadInput(f"{where}: {name!r} lies outside {root}; {way_out}")
        path = path.relative_to(absolute)
    if ".." in path.parts or not path.parts or "\0" in plain:
        raise BadInput(f"{where}: {name!r} leaves the folder of the images; {way_out}")
    return path.as_posix()


def relative_names(names: Sequence[str], root: Path, where: Sequence[str]) -> list[str]:
    """Names from a file as POSIX paths below `root`: Windows separators, ./ and quotes around them do not matter.

    Raises BadInput for a name that is empty or leads out of `root`.
    """
    clean = [name.strip().strip("'\"").strip() for name in names]
    if "" in clean:
        raise BadInput(f"{where[clean.index('')]}: no image is named; fill it in or take the row out")
    return [inside_name(name, root, place, "give a path below it") for name, place in zip(clean, where, strict=True)]


@dataclass(frozen=True)
class Located:
    """Where images are. For each of N names:

    places: the file's path, or the one expected where it is not there. there: whether it is. files: the same path
    below the folder. spare: images that no name stands for, beside those of one.
    """

    places: list[Path]
    there: list[bool]
    files: list[str]
    spare: list[str]


def locate(
    names: Sequence[str],
    folder: Path,
    source: Path,
    where: Sequence[str],
    images: str,
    *,
    required: bool = True,
    way_out: str = "put them there",
) -> Located:
    """Each name's file in `folder`: as it is, else with other capitals, with accents composed otherwise, with a
    suffix that it lacks, or without `images/` before it.

    source: the file that names them, where: the place of each in it. images: how they come in; with "none" nothing
    needs to be there, and nothing is spare. Raises BadInput where two names have one file, and, if `required`, where no
    image is there at all, with the way out.
    """
    found = {path.relative_to(folder).as_posix(): path for path in images_in(folder)}
    near: dict[str, str] = {}
    for form in (_as_named, lambda name: _as_named(name.rpartition(".")[0])):
        for name in found:
            near.setdefault(form(name), name)
    # A file behind a linked folder is not among those found, and still counts under its exact name.
    taken = [
        name if name in found else near.get(_as_named(name)) or (name if (folder / name).is_file() else None)
        for name in names
    ]
    if required and images != "none" and not any(taken):
        raise BadInput(
            f"{source}: none of the {len(names):,} images it names is in {folder} (first: {names[0]!r}; there: "
            f"{', '.join(list(found)[:3]) or 'no images'}); {way_out}, or take the labels alone: "
            f"{option('images', 'none')}"
        )
    first: dict[str, int] = {}
    for row, file in enumerate(taken):
        if file is not None and first.setdefault(file, row) != row:
            raise BadInput(
                f"{where[row]}: {names[row]!r} is the file {folder / file}, as is {names[first[file]]!r} in "
                f"{where[first[file]]}; take one of the two out"
            )
    files = [file or name for file, name in zip(taken, names, strict=True)]
    folders = {(folder / file).parent for file in first}
    spare = [str(path) for file, path in found.items() if file not in first and path.parent in folders]
    there = [file is not None for file in taken]
    return Located([folder / file for file in files], there, files, [] if images == "none" else spare)


def _as_named(name: str) -> str:
    return fold(name).removeprefix("images/").strip()


def repeated(ids: Sequence[str], where: Sequence[str], way_out: str) -> None:
    """Raise BadInput for the first image that stands in two rows."""
    again = pd.Index(ids).duplicated()
    if again.any():
        row = int(again.argmax())
        first = where[list(ids).index(ids[row])]
        raise BadInput(f"{where[row]}: image {ids[row]!r} stands in {first} already; {way_out}")


def file_in_dataset(name: str) -> str:
    """Where an image lands in the data set: images/NAME, without doubling a leading images/."""
    return name if name.startswith("images/") else f"images/{name}"


def problem_with(path: Path) -> str | None:
    """Why this file cannot be used as an image, or None. Reads the header only, not the pixels."""
    found = _part_of(path, None)
    return found if isinstance(found, str) else None


def _part_of(path: Path, box: Box | None) -> "Image | str | None":
    """The part of an image inside box, cut at its edges, None without a box; or why the file cannot be used."""
    from PIL import Image, UnidentifiedImageError

    try:
        if why := no_file(path):
            return why
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a very large image is still an image
            with Image.open(path, formats=_FORMATS) as image:
                if box is None:
                    return None
                left, top = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
                right, bottom = min(image.width, math.ceil(box[2])), min(image.height, math.ceil(box[3]))
                if right <= left or bottom <= top:
                    return "the person's box lies outside the image"
                return image.convert("RGB").crop((left, top, right, bottom))
    except UnidentifiedImageError:
        return "not an image"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return f"not readable as an image ({type(error).__name__})"


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
    file system refuses (another disk) becomes a copy. boxes: the part of each image (left, top, right, bottom, in
    pixels) to keep, None for all of it. spool: a folder that will go, whose images are linked in any case.
    Raises BadInput where two images, or two parts of one, would become one file, and for a file outside `folder`.
    """
    problems: list[str | None] = []
    done: dict[Path, tuple[Path, Box | None, str | None]] = {}
    rows = zip(sources, files, boxes or [None] * len(sources), strict=True)
    for source, file, box in track(rows, "bringing in images", len(sources), "images"):
        if source is None or file is None:
            problems.append(None)
            continue
        if ".." in PurePosixPath(file).parts or PurePosixPath(file).is_absolute():
            raise BadInput(f"{source}: {file!r} leads out of the data set; give a path below the images' folder")
        target = folder / file
        if target not in done:
            linked = how == "hardlink" or (spool is not None and spool in source.parents)
            done[target] = (source, box, _bring(source, target, box, linked))
        first, part, problem = done[target]
        if (first, part) != (source, box):
            both = f"{first} and {source}" if first != source else f"two parts of {source}"
            raise BadInput(f"{both} would both become {file}; rename one of them, or import them apart")
        problems.append(problem)
    return problems


def _bring(source: Path, target: Path, box: Box | None, linked: bool) -> str | None:
    """Copy or link an image, or save a part of it; returns the problem, or None."""
    part = _part_of(source, box)
    if isinstance(part, str):
        return part
    target.parent.mkdir(parents=True, exist_ok=True)
    if part is not None:
        part.save(target, format="JPEG", quality=95, subsampling=0)
        return None
    if linked:
        with suppress(OSError):
            os.link(source.resolve(), target)
            return None
    shutil.copyfile(source, target)
    return None
