"""ArtEmis (Achlioptas et al. 2021): what people felt before paintings of WikiArt, one row per person and painting."""

import re
import unicodedata
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml.errors import BadInput, option
from affectml.importers.answers import from_judgements
from affectml.importers.draft import Draft, Source, draft, image_table, published
from affectml.importers.find import SUFFIXES, find, fold, images_folder, relative_names
from affectml.importers.read import SPLIT_OF, Columns, ImagesRoot, Shape, Table, TableSpec, first_row, read_table, tidy
from affectml.importers.registry import importer

_FILES = ("artemis_dataset_release_v0.csv", "artemis_preprocessed.csv")
_COLUMNS = ("art_style", "painting", "emotion")


@importer("artemis", published("artemis"))
def artemis(source: Source, *, images_root: ImagesRoot = None) -> Draft:
    """ArtEmis (Achlioptas et al. 2021): PATH holds artemis_dataset_release_v0.csv; images are STYLE/PAINTING.jpg.

    Every row stays a judgement by a person without a name, with its utterance; targets are `rates` and
    `distribution` (one_choice) over artemis-9. images_root: the folder of WikiArt, if it is not in PATH. A file
    whose name was damaged on the way (accents, apostrophes) is found by its plain letters, if it is the only such
    and no other painting's. A column split is kept.
    """
    root = source.path
    file = find(root, _FILES)
    if file is None:
        raise BadInput(f"{root}: neither {' nor '.join(_FILES)}; name the folder that holds the published file")
    table = read_table(file)
    table.need(_COLUMNS, ", ".join(_COLUMNS))
    emotion = table.frame["emotion"].str.casefold()
    emotion = emotion.where(emotion != "something_else", "something else")
    table = replace(table, frame=table.frame.assign(emotion=emotion))
    code, works = pd.factorize(table.frame["art_style"] + "/" + table.frame["painting"])
    where = table.take(np.unique(code, return_index=True)[1]).places()
    ids = np.array(relative_names(list(map(str, works)), root, where), dtype=object)[code]
    own = [column for column in table.frame.columns if column not in ("emotion", "split")]
    spec = TableSpec(taxonomy="artemis-9", delimiter="")
    shaped = from_judgements(Shape(table, ids, Columns(label="emotion"), own, spec))
    pictures = images_folder(images_root, _wikiart(root, set(table.frame["art_style"])))
    kept = [str(image) for image in ids[shaped.rows]]
    places: list[Path | None] = [None] * len(kept)
    spare: list[str] = []
    if source.images != "none":
        places, spare = _locate(kept, pictures, file)
    columns: dict[str, Any] = {name: table.frame[name].iloc[shaped.rows].to_numpy() for name in shaped.own}
    if "repetition" in columns:
        columns["repetition"] = tidy(pd.Series(columns["repetition"])).array
    if "split" in table.frame.columns:
        columns["split"] = _splits(table, code, shaped.rows)
    result = draft(source, image_table(kept, [f"{image}.jpg" for image in kept], **columns), places)
    result.take(shaped)
    result.people_named = False
    result.skipped["images that no row names"] = spare
    return result


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
    for key in (fold, _plain, _undamaged):
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
            f"WikiArt's folder ({option('images_root')}), or take the labels alone: {option('images', 'none')}"
        )
    return [places[image] for image in ids], sorted(str(entry) for _, entry in free)


def _splits(table: Table, code: np.ndarray, rows: np.ndarray) -> list[str | None]:
    """train, val and test of the preprocessed file; its `rest` is in none of them. code: [rows], the painting."""
    cells = table.frame["split"].astype(str).str.casefold()
    if (row := first_row(~cells.isin([*SPLIT_OF, "rest", ""]))) is not None:
        raise BadInput(f"{table.where(row)}: split {cells[row]!r} is none of train, val, test, rest; mend the row")
    if (row := first_row(cells != cells.iloc[rows].to_numpy()[code])) is not None:
        first = int(rows[code[row]])
        raise BadInput(
            f"{table.where(row)}: split {cells[row]!r}, but {cells[first]!r} in {table.where(first)} for the same "
            "painting; mend one of the rows"
        )
    return [SPLIT_OF.get(cell) for cell in cells.iloc[rows]]
