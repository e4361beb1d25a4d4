"""Finding what a source names: files in folders, names that fit them, lines, urls."""

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from affectml._files import need_file
from affectml.errors import BadInput, did_you_mean, option
from affectml.importers._images import SUFFIXES, inside_name, is_usual
from affectml.importers.read import first_row

_LEFT_BEHIND = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
_URL = re.compile(r"^https?://", re.IGNORECASE)


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
    inside: dict[str, bool] = {}
    for row, name in enumerate(names):
        if not name:
            continue
        folder = name.rpartition("/")[0]
        if folder not in inside:
            inside[folder] = not leaves(root / folder, root)
        if not inside[folder] or ((root / name).is_symlink() and leaves(root / name, root)):
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


def relative_names(names: Sequence[str], root: Path, where: Sequence[str]) -> list[str]:
    """Names from a file as POSIX paths below `root`: Windows separators, ./ and quotes around them do not matter.

    Raises BadInput for a name that is empty or leads out of `root`.
    """
    clean = [name.strip().strip("'\"").strip() for name in names]
    if "" in clean:
        raise BadInput(f"{where[clean.index('')]}: no image is named; fill it in or take the row out")
    return [
        name if is_usual(name) else inside_name(name, root, place, "give a path below it")
        for name, place in zip(clean, where, strict=True)
    ]


@dataclass(frozen=True)
class Located:
    """Where images are. For each of N names:

    places: the file's path, or the one expected where it is not there. there: whether it is. files: the same path
    below the folder. spare: images in the folder that no name stands for.
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
    whole: bool = True,
    way_out: str = "put them there",
) -> Located:
    """Each name's file in `folder`: as it is, else with other capitals, with accents composed otherwise, with a
    suffix that it lacks, or without `images/` before it.

    source: the file that names them, where: the place of each in it. images: how they come in; with "none" nothing
    needs to be there, and nothing is spare. whole: whether all of `folder` is searched for spare images, or only its
    folders that hold a named one. Raises BadInput where two names have one file, and, if `required`, where no image
    is there at all, with the way out.
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
    spare = [str(path) for file, path in found.items() if file not in first and (whole or path.parent in folders)]
    there = [file is not None for file in taken]
    return Located([folder / file for file in files], there, files, [] if images == "none" else spare)


def _as_named(name: str) -> str:
    return fold(name).removeprefix("images/")


def repeated(ids: Sequence[str], where: Sequence[str], way_out: str) -> None:
    """Raise BadInput for the first image that stands in two rows."""
    if (row := first_row(pd.Index(ids).duplicated())) is not None:
        first = list(ids).index(ids[row])
        raise BadInput(f"{where[row]}: image {ids[row]!r} stands in {where[first]} already; {way_out}")


def is_url(text: str) -> bool:
    """Whether a text is an http or https address."""
    return bool(_URL.match(text))
