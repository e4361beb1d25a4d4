"""ArtEmis (Achlioptas et al. 2021): what people felt before paintings of WikiArt, one row per person and painting."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml.errors import BadInput
from affectml.importers._columns import Columns
from affectml.importers._images import SUFFIXES
from affectml.importers._native import About, Found, find, finish, fold, image_table, native_root, relative_names
from affectml.importers._read import Table, read_table
from affectml.importers._shapes import Request, from_judgements
from affectml.importers._summary import ImportSummary
from affectml.importers.folder import SPLIT_OF
from affectml.taxonomies import get_taxonomy

_FILES = ("artemis_dataset_release_v0.csv", "artemis_preprocessed.csv")
_COLUMNS = ("art_style", "painting", "emotion")
_ABOUT = About(
    name="artemis",
    construct="evoked",
    question="In our words: which of the eight emotions, or something else, do you mostly feel at this painting?",
    source="Achlioptas, Ovsjanikov, Haydarov, Elhoseiny & Guibas 2021, ArtEmis: Affective Language for Visual Art",
    notes=(
        "the file has a row for each answer but does not name the people, so nobody can be followed over paintings",
    ),
)


def import_artemis(
    path: str | Path,
    out: str | Path,
    *,
    images_root: str | Path | None = None,
    name: str | None = None,
    images: str = "copy",
    strict: bool = False,
) -> ImportSummary:
    """Make a data set of ArtEmis: `path` holds artemis_dataset_release_v0.csv; images are STYLE/PAINTING.jpg.

    Every row stays a judgement by a person without a name, with its utterance; targets are `rates` and
    `distribution` (one_choice) over artemis-9. images_root: the folder of WikiArt, if it is not in `path`. A file
    whose name was damaged on the way (accents, apostrophes) is found by its plain letters, if it is the only such
    and no other painting's. A column split is kept. Raises BadInput and UnknownLabel naming the line.
    """
    root = native_root(path, out, images)
    file = find(root, _FILES)
    if file is None:
        raise BadInput(f"{root}: neither {' nor '.join(_FILES)}; name the folder that holds the published file")
    table = read_table(file, native=True)
    missing = [column for column in _COLUMNS if column not in table.frame.columns]
    if missing:
        have = ", ".join(map(str, table.frame.columns))
        raise BadInput(f"{file}: no column {missing[0]!r}; expected {', '.join(_COLUMNS)} (it has: {have})")
    frame = table.frame.copy()
    emotion = frame["emotion"].str.casefold()
    frame["emotion"] = emotion.where(emotion != "something_else", "something else")
    code, works = pd.factorize(frame["art_style"] + "/" + frame["painting"])
    where = [table.where(int(row)) for row in np.unique(code, return_index=True)[1]]
    ids_of = np.array(relative_names(list(map(str, works)), root, where), dtype=object)
    ids = ids_of[code]
    request = Request("artemis", get_taxonomy("artemis-9"), {}, None, None, None, None, "error", native=True)
    own = [column for column in frame.columns if column not in ("emotion", "split")]
    columns = Columns(None, None, None, None, None, None, None, "emotion", ())
    shaped = from_judgements(replace(table, frame=frame), ids, columns, own, request)
    pictures = Path(images_root) if images_root is not None else _wikiart(root, set(frame["art_style"]))
    if not pictures.is_dir():
        raise BadInput(f"{pictures}: no such folder; name the folder that holds STYLE/PAINTING.jpg (--images-root)")
    kept_ids = [str(image) for image in ids[shaped.rows]]
    places: list[Path | None] = [None] * len(kept_ids)
    spare: list[str] = []
    if images != "none":
        places, spare = _locate(kept_ids, pictures, file)
    extra: dict[str, Any] = {column: frame[column].iloc[shaped.rows].to_numpy() for column in shaped.own}
    if "repetition" in extra:
        extra["repetition"] = pd.to_numeric(pd.Series(extra["repetition"]), errors="coerce").astype("Int64").array
    if "split" in frame.columns:
        extra["split"] = _splits(table, code, shaped.rows)
    files: list[str | None] = [f"{image}.jpg" for image in kept_ids]
    found = Found(
        image_table(kept_ids, files, **extra),
        places,
        targets=shaped.targets,
        annotations=shaped.annotations,
        people_named=False,
        notes=shaped.notes,
        skipped={**shaped.skipped, "images that no row names": spare},
    )
    return finish(found, _ABOUT, out, name=name, images=images, strict=strict, where=str(root))


def _wikiart(root: Path, styles: set[str]) -> Path:
    """The folder in or below `root` that has a folder of an art style; `root` where none has."""
    candidates = [root, *sorted(entry for entry in root.iterdir() if entry.is_dir())]
    return next((folder for folder in candidates if any((folder / style).is_dir() for style in styles)), root)


def _plain(name: str) -> str:
    """Letters and digits without accents; parentheses stay, since WikiArt tells versions of a work apart by them."""
    return re.sub(r"[^a-z0-9()]", "", unicodedata.normalize("NFKD", name).casefold())


def _undamaged(name: str) -> str:
    """The letters that survive where all others were lost or garbled; nothing where that is half of the name."""
    kept = "".join(letter for letter in name if letter.isascii())
    return _plain(kept) if 2 * len(kept) > len(name) else ""


def _locate(ids: list[str], pictures: Path, file: Path) -> tuple[list[Path | None], list[str]]:
    """Each painting's file, and the files that no painting takes.

    A file goes to the painting of its name, else to the only one it is near to, if no other file is: capitals and
    composition aside, then by plain letters, then by the letters that no damage touches.
    """
    folders = {fold(entry.name): entry for entry in sorted(pictures.iterdir(), reverse=True) if entry.is_dir()}
    free: set[tuple[str, Path]] = set()
    for style in {image.partition("/")[0] for image in ids}:
        folder = folders.get(fold(style))
        entries = [] if folder is None else folder.iterdir()
        free |= {(style, entry) for entry in entries if entry.suffix.lower() in SUFFIXES and entry.name[0] != "."}
    places = {image: pictures / f"{image}.jpg" for image in ids}
    here = {image for image in ids if (image.partition("/")[0], places[image]) in free}
    free -= {(image.partition("/")[0], places[image]) for image in here}
    near: tuple[Callable[[str], str], ...] = (fold, _plain, _undamaged)
    for key in near:
        offers: defaultdict[tuple[str, str], list[Path]] = defaultdict(list)
        wishes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for style, entry in free:
            offers[style, key(entry.stem)].append(entry)
        for image in ids:
            if image not in here:
                style, _, painting = image.partition("/")
                wishes[style, key(painting)].append(image)
        for wish, who in wishes.items():
            if wish[1] and len(who) == 1 and len(offers.get(wish, ())) == 1:
                places[who[0]] = offers[wish][0]
                here.add(who[0])
                free.remove((wish[0], offers[wish][0]))
    if not here:
        raise BadInput(
            f"{pictures}: none of the {len(ids):,} paintings of {file.name} is there (first: {ids[0]}.jpg); name "
            "WikiArt's folder (--images-root), or take the labels alone: --images none"
        )
    return [places[image] for image in ids], sorted(str(entry) for _, entry in free)


def _splits(table: Table, code: np.ndarray, rows: np.ndarray) -> list[str | None]:
    """train, val and test of the preprocessed file; its `rest` is in none of them. code: [rows], the painting."""
    cells = table.frame["split"].astype(str).str.casefold()
    odd = ~cells.isin([*SPLIT_OF, "rest", ""])
    if odd.any():
        row = int(odd.to_numpy().argmax())
        raise BadInput(f"{table.where(row)}: split {cells[row]!r} is none of train, val, test, rest; mend the row")
    other = (cells != cells.iloc[rows].to_numpy()[code]).to_numpy()
    if other.any():
        row = int(other.argmax())
        first = int(rows[code[row]])
        raise BadInput(
            f"{table.where(row)}: split {cells[row]!r}, but {cells[first]!r} in {table.where(first)} for the same "
            "painting; mend one of the rows"
        )
    return [SPLIT_OF.get(cell) for cell in cells.iloc[rows]]
