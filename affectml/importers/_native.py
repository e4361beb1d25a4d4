"""What the importers of published sets share: where things are, which names fit which images, and the draft."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data import DatasetMeta, TargetMeta, check_new
from affectml.data._schema import Construct
from affectml.errors import BadInput, did_you_mean
from affectml.importers._images import SUFFIXES, check_placement, file_in_dataset, inside_name, is_usual
from affectml.importers._labels import taxonomy_entry
from affectml.importers._summary import ImportSummary
from affectml.importers._write import Draft, target_file, write_draft
from affectml.taxonomies import Taxonomy

NO_FILE = "images: a url and no file"
# Mikels' eight, with the two words that the sets of Machajdik & Hanbury write otherwise.
MIKELS_WORDS = {
    **{
        label: label
        for label in ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
    },
    "content": "contentment",
    "sad": "sadness",
}
_URL = re.compile(r"^https?://", re.IGNORECASE)


@dataclass(frozen=True)
class About:
    """What a set says of itself: the fields of dataset.json that no file of it holds."""

    name: str
    construct: Construct
    question: str
    source: str
    notes: tuple[str, ...] = ()


@dataclass
class Found:
    """What an importer read, before images are brought in; as `Draft`, with tables beside their targets' entries.

    images: image_id, file and url where there are any, and further columns. sources: a path for each row, or None.
    targets: by name, what dataset.json says of it but for construct and question, which `finish` adds.
    """

    images: pd.DataFrame
    sources: list[Path | None]
    targets: dict[str, tuple[dict[str, Any], pd.DataFrame]] = field(default_factory=dict)
    annotations: pd.DataFrame | None = None
    people_named: bool = True
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    boxes: list[tuple[float, float, float, float] | None] | None = None

    def add(self, name: str, kind: Any, content: pd.DataFrame, taxonomy: Taxonomy, **entry: Any) -> None:
        """Add a target: image_id, n where known, and a column per label."""
        entry |= {"kind": kind, "taxonomy": taxonomy_entry(taxonomy), "file": target_file(name)}
        self.targets[name] = (entry, content.reset_index(drop=True))


def native_root(path: str | Path, out: str | Path, images: str) -> Path:
    """The folder to read, checked together with `out` and the way images come in."""
    root = Path(path)
    check_placement(images)
    check_new(Path(out))
    if not root.is_dir():
        raise BadInput(f"{root}: {'is a file, not a folder; name the folder' if root.exists() else 'no such folder'}")
    if Path(out).resolve().is_relative_to(root.resolve()):
        raise BadInput(f"{out} lies inside {root}, which is being read; choose a place outside")
    return root


def find(root: Path, names: Iterable[str], *, folder: bool = False) -> Path | None:
    """The first of `names` directly in `root`, else in a folder of it, capitals aside; None where there is none.

    Raises BadInput naming both where two folders of `root` hold one: which of them is meant is not guessed.
    """
    wanted = [name.casefold() for name in names]
    if folder and root.name.casefold() in wanted:
        return root
    here = sorted(root.iterdir())
    below = [entry for entry in here if entry.is_dir() and not _is_hidden(entry.name)]
    hits: list[Path] = []
    for entries in (here, *(sorted(entry.iterdir()) for entry in below)):
        by_name = {entry.name.casefold(): entry for entry in entries if entry.is_dir() == folder}
        hits += [by_name[name] for name in wanted if name in by_name][:1]
        if entries is here and hits:
            return hits[0]
    if len(hits) > 1:
        raise BadInput(f"{root}: both {hits[0]} and {hits[1]} are there; name the folder of one of them")
    return hits[0] if hits else None


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.casefold() == "__macosx"


def images_in(folder: Path) -> list[Path]:
    """Every image in `folder` and below it, by the suffix; hidden ones and what archives of macOS leave are not."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in found if not any(map(_is_hidden, path.relative_to(folder).parts)))


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


def read_lines(file: Path) -> list[tuple[int, str]]:
    """(line number, text without spaces around it) of every line that holds something, whatever ends the lines."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: byte {error.start} is not UTF-8; convert the file to UTF-8") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    found = [(number, line) for number, line in found if line]
    if not found:
        raise BadInput(f"{file}: empty file")
    return found


def relative_names(names: Sequence[str], root: Path, where: Sequence[str]) -> list[str]:
    """Names from a file as POSIX paths below `root`: Windows separators, ./ and quotes around them do not matter.

    Raises BadInput for a name that is empty or leads out of `root`.
    """
    clean = [name.strip().strip("'\"").strip() for name in names]
    for name, place in zip(clean, where, strict=True):
        if not name:
            raise BadInput(f"{place}: no image is named; fill it in or take the row out")
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
) -> Located:
    """Each name's file in `folder`: as it is, else with other capitals, with accents composed otherwise, with a
    suffix that it lacks, or without `images/` before it.

    source: the file that names them, where: the place of each in it. images: how they come in; with "none" nothing
    needs to be there, and nothing is spare. whole: whether all of `folder` is searched for spare images, or only its
    folders that hold a named one. Raises BadInput where two names have one file, and, if `required`, where no image
    is there at all.
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
            f"{', '.join(list(found)[:3]) or 'no images'}); put them there, or take the labels alone: --images none"
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


def one_hot(ids: Sequence[str], codes: NDArray[np.int64], taxonomy: Taxonomy) -> pd.DataFrame:
    """image_id and 0/1 columns with a one in column `codes` [N]."""
    matrix = (codes[:, None] == np.arange(len(taxonomy))).astype(np.int8)
    table = pd.DataFrame(matrix, columns=list(taxonomy.labels))
    table.insert(0, "image_id", list(ids))
    return table


def image_table(ids: Sequence[str], files: Sequence[str | None], **columns: Any) -> pd.DataFrame:
    """images.parquet's first columns: image_id, file where any is known, and the columns given."""
    table: dict[str, Any] = {"image_id": list(ids)}
    if any(file is not None for file in files):
        table["file"] = [None if file is None else file_in_dataset(file) for file in files]
    return pd.DataFrame({**table, **columns})


def repeated(ids: Sequence[str], where: Sequence[str], way_out: str) -> None:
    """Raise BadInput for the first image that stands in two rows."""
    again = pd.Index(ids).duplicated()
    if again.any():
        row = int(again.argmax())
        first = list(ids).index(ids[row])
        raise BadInput(f"{where[row]}: image {ids[row]!r} stands in {where[first]} already; {way_out}")


def finish(
    found: Found, about: About, out: str | Path, *, name: str | None, images: str, strict: bool, where: str
) -> ImportSummary:
    """Write the data set. images "none" keeps the labels and no file; a split of one part alone is not kept."""
    table, sources = found.images, found.sources
    skipped = {reason: names for reason, names in found.skipped.items() if names}
    if "split" in table.columns and len(parts := table["split"].dropna().unique()) < 2:
        table = table.drop(columns="split")
        found.notes += [f"only the split {part} is there, and it is not kept: training makes its own" for part in parts]
    if images == "none":
        table, sources = table.drop(columns="file", errors="ignore"), [None] * len(table)
    elif "url" in table.columns:
        files = table["file"] if "file" in table.columns else pd.Series([None] * len(table))
        told = {image for reason, names in skipped.items() if reason.startswith(NO_FILE) for image in names}
        only = [image for image in table["image_id"][files.isna() & table["url"].notna()] if image not in told]
        if only:
            skipped[f"{NO_FILE}; they cannot be embedded until they are downloaded"] = only
    draft = Draft(
        meta=DatasetMeta(
            name=name or about.name,
            source=about.source,
            targets={
                key: TargetMeta(construct=about.construct, question=about.question, **entry)
                for key, (entry, _) in found.targets.items()
            },
            notes=list(dict.fromkeys([*about.notes, *found.notes])),
        ),
        images=table.reset_index(drop=True),
        sources=sources,
        targets={key: content for key, (_, content) in found.targets.items()},
        annotations=found.annotations,
        skipped=skipped,
        people_named=found.people_named,
        boxes=found.boxes,
        native=True,
    )
    return write_draft(draft, out, images=images, strict=strict, where=where)


def is_url(text: str) -> bool:
    """Whether a text is an http or https address."""
    return bool(_URL.match(text))


def label_of(word: str, words: Mapping[str, str], where: str, way_out: str) -> str:
    """The label that a word of the set stands for, capitals aside; BadInput naming the nearest one."""
    label = words.get(word.strip().casefold())
    if label is None:
        raise BadInput(f"{where}: {word!r} is none of {', '.join(words)}{did_you_mean(word, words)}; {way_out}")
    return label
