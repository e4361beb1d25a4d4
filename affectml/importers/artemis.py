"""ArtEmis (Achlioptas et al. 2021): what people felt before paintings of WikiArt, one row per person and painting."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml.errors import BadInput
from affectml.importers._columns import Columns
from affectml.importers._images import SUFFIXES
from affectml.importers._native import About, Found, find, finish, image_table, native_root, relative_names
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
    whose name was damaged on the way (accents, apostrophes) is found by its plain letters, if it is the only such.
    A column split is kept. Raises BadInput and UnknownLabel naming the line.
    """
    root = native_root(path, out, images)
    file = find(root, _FILES)
    if file is None:
        raise BadInput(f"{root}: neither {' nor '.join(_FILES)}; name the folder that holds the published file")
    table = read_table(file)
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
    request = Request("artemis", get_taxonomy("artemis-9"), {}, None, None, None, None, "error")
    own = [column for column in frame.columns if column not in ("emotion", "split")]
    columns = Columns(None, None, None, None, None, None, None, "emotion", ())
    shaped = from_judgements(replace(table, frame=frame), ids, columns, own, request)
    pictures = Path(images_root) if images_root is not None else _wikiart(root, set(frame["art_style"]))
    if not pictures.is_dir():
        raise BadInput(f"{pictures}: no such folder; name the folder that holds STYLE/PAINTING.jpg (--images-root)")
    kept_ids = [str(image) for image in ids[shaped.rows]]
    places = None if images == "none" else _locate(kept_ids, pictures, file)
    extra: dict[str, Any] = {column: frame[column].iloc[shaped.rows].to_numpy() for column in shaped.own}
    if "repetition" in extra:
        extra["repetition"] = pd.to_numeric(pd.Series(extra["repetition"]), errors="coerce").astype("Int64").array
    if "split" in frame.columns:
        extra["split"] = _splits(table, shaped.rows)
    files: list[str | None] = [f"{image}.jpg" for image in kept_ids]
    found = Found(
        image_table(kept_ids, files, **extra),
        places if places is not None else [None] * len(kept_ids),
        targets=shaped.targets,
        annotations=shaped.annotations,
        people_named=False,
        notes=shaped.notes,
        skipped=dict(shaped.skipped),
    )
    return finish(found, _ABOUT, out, name=name, images=images, strict=strict, where=str(root))


def _wikiart(root: Path, styles: set[str]) -> Path:
    """The folder in or below `root` that has a folder of an art style; `root` where none has."""
    candidates = [root, *sorted(entry for entry in root.iterdir() if entry.is_dir())]
    return next((folder for folder in candidates if any((folder / style).is_dir() for style in styles)), root)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _locate(ids: list[str], pictures: Path, file: Path) -> list[Path | None]:
    """Each painting's file; by plain letters where its name is not on disk as it stands."""
    by_style: dict[str, dict[str, list[Path]]] = {}
    exact: set[Path] = set()
    for style in {image.partition("/")[0] for image in ids}:
        plain: dict[str, list[Path]] = {}
        folder = pictures / style
        for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
            if entry.suffix.lower() in SUFFIXES:
                exact.add(entry)
                plain.setdefault(_plain(entry.stem), []).append(entry)
        by_style[style] = plain
    places: list[Path | None] = []
    for image in ids:
        style, _, painting = image.partition("/")
        place = pictures / style / f"{painting}.jpg"
        if place not in exact:
            near = by_style[style].get(_plain(painting), [])
            place = near[0] if len(near) == 1 else place
        places.append(place)
    if not any(place in exact for place in places):
        raise BadInput(
            f"{pictures}: none of the {len(ids):,} paintings of {file.name} is there (first: {ids[0]}.jpg); name "
            "WikiArt's folder (--images-root), or take the labels alone: --images none"
        )
    return places


def _splits(table: Table, rows: np.ndarray) -> list[str | None]:
    """train, val and test of the preprocessed file; its `rest` is in none of them."""
    cells = table.frame["split"].astype(str).str.casefold()
    odd = ~cells.isin([*SPLIT_OF, "rest", ""])
    if odd.any():
        row = int(odd.to_numpy().argmax())
        raise BadInput(f"{table.where(row)}: split {cells[row]!r} is none of train, val, test, rest; mend the row")
    return [SPLIT_OF.get(cell) for cell in cells.iloc[rows]]
