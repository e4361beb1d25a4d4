"""The Open Affective Standardized Image Set (Kurdi, Lozano & Banaji 2017) in its native folder."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput
from affectml.importers._maxent import maximum_entropy_shares
from affectml.importers.draft import Draft, Source, draft, image_table, label_table, published
from affectml.importers.find import SUFFIXES
from affectml.importers.read import Table, first_row, numbers, read_table
from affectml.importers.registry import importer
from affectml.taxonomies import Place, Taxonomy, get_taxonomy

POINTS = 7
SCALES = ("Valence", "Arousal")
_COLUMNS = ("Theme", "Category", *(f"{scale}_{what}" for scale in SCALES for what in ("mean", "SD", "N")))


def affect_taxonomy() -> Taxonomy:
    """affect-4: the two ends of valence and of arousal. Places are the ends of the axes themselves."""
    ends = {"negative": (-1.0, 0.0), "positive": (1.0, 0.0), "calm": (0.0, -1.0), "aroused": (0.0, 1.0)}
    return Taxonomy(
        name="affect-4",
        labels=tuple(ends),
        title="the ends of valence and arousal",
        source="the axes of Russell 1980; labels and cuts by affectml",
        synonyms={
            "negative": ("unpleasant",),
            "positive": ("pleasant",),
            "calm": ("peaceful", "sleepy"),
            "aroused": ("excited", "intense"),
        },
        places={
            label: Place(valence=valence, arousal=arousal, source="the axis's end, by definition")
            for label, (valence, arousal) in ends.items()
        },
        templates=("a photo that evokes a {label} feeling", "{label}"),
    )


@importer("oasis", published("oasis"), images=("copy", "hardlink"), folder=False)
def oasis(source: Source) -> Draft:
    """OASIS (Kurdi, Lozano & Banaji 2017): PATH holds OASIS.csv and Images/THEME.jpg.

    Targets, both by the vote rule `moments`: `polarity`, a distribution over polarity-3 (negative is 1-3 of
    the seven points, neutral 4, positive 5-7), and `affect`, rates over affect-4 (negative, positive, calm is
    arousal 1-3, aroused 5-7) with the number of raters of each label's scale. `group` is the theme without
    its number. Images that are not there are counted and left out, so a part of the set imports too.
    """
    table = read_table(source.path / "OASIS.csv" if source.path.is_dir() else source.path)
    root = table.path.parent
    table.need(_COLUMNS, "OASIS.csv as published")
    given = {column: _numbers(table, column) for column in _COLUMNS[2:]}
    themes = table.frame["Theme"].astype(str).str.strip()
    if (row := first_row(themes.duplicated())) is not None:
        raise BadInput(f"{table.where(row)}: theme {themes[row]!r} stands in two rows; take one out")
    if (row := first_row(themes == "")) is not None:
        raise BadInput(f"{table.where(row)}: no theme, so no image")
    sources = _find_images(root, themes.tolist())
    here = np.array([file is not None for file in sources])
    if not here.any():
        raise BadInput(f"{root}: no Images/THEME.jpg for any row of {table.path.name}; nothing was written")
    shares = {}
    for scale in SCALES:
        where = [f"{place}: {scale}" for place in table.places()]
        shares[scale] = maximum_entropy_shares(given[f"{scale}_mean"], given[f"{scale}_SD"], POINTS, where)
    people = {f"{scale}_N": given[f"{scale}_N"].astype(np.int64) for scale in SCALES}
    images = image_table(
        themes.tolist(),
        [None if file is None else file.name for file in sources],
        group=themes.str.replace(r"\s*\d+$", "", regex=True),
        category=table.frame["Category"].astype(str).str.strip(),
        **{column.lower(): values for column, values in (given | people).items()},
    )
    result = draft(source, images[here].reset_index(drop=True), [file for file in sources if file is not None], root)
    result.skipped["images: not in the folder"] = themes[~here].tolist()
    polarity = _polarity(themes, shares["Valence"], given["Valence_N"])[here]
    made_by = "maximum entropy from valence mean and SD: negative 1-3, neutral 4, positive 5-7"
    entry = {"values": "shares", "vote_rule": "moments"}
    result.add("polarity", "distribution", polarity, get_taxonomy("polarity-3"), **entry, made_by=made_by)
    affect = _affect(themes, shares, given)[here]
    made_by = "maximum entropy from mean and SD: valence 1-3 and 5-7, arousal 1-3 and 5-7"
    result.add("affect", "rates", affect, affect_taxonomy(), **entry, made_by=made_by)
    return result


def _polarity(ids: pd.Series, valence: NDArray[np.float64], n: NDArray[np.float64]) -> pd.DataFrame:
    parts = (valence[:, :3], valence[:, 3:4], valence[:, 4:])
    shares = np.stack([part.sum(axis=1) for part in parts], axis=1)
    table = label_table(ids, shares, get_taxonomy("polarity-3"))
    table.insert(1, "n", n.astype(np.int64))
    return table


def _affect(
    ids: pd.Series, shares: dict[str, NDArray[np.float64]], given: dict[str, NDArray[np.float64]]
) -> pd.DataFrame:
    ends = (("Valence", 0), ("Valence", 4), ("Arousal", 0), ("Arousal", 4))  # in the order of affect-4
    taxonomy = affect_taxonomy()
    values = np.stack([shares[scale][:, start : start + 3].sum(axis=1) for scale, start in ends], axis=1)
    table = label_table(ids, values, taxonomy)
    for at, (label, (scale, _)) in enumerate(zip(taxonomy.labels, ends, strict=True), start=1):
        table.insert(at, f"n:{label}", given[f"{scale}_N"].astype(np.int64))
    return table


def _numbers(table: Table, column: str) -> NDArray[np.float64]:
    values = numbers(table, [column])[:, 0]
    row = first_row((values != np.round(values)) | (values < 1))
    if column.endswith("_N") and row is not None:
        received = f"but received {table.frame[column].iloc[row]!r}"
        raise BadInput(f"{table.where(row)}: {column}: expected a whole number of people, {received}")
    return values


def _find_images(root: Path, themes: list[str]) -> list[Path | None]:
    """The file of each theme in Images/ or images/; spaces before the suffix do not matter."""
    folder = next((root / name for name in ("Images", "images") if (root / name).is_dir()), None)
    if folder is None:
        raise BadInput(f"{root}: no folder Images beside OASIS.csv")
    by_theme = {p.stem.strip(): p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES}
    return [by_theme.get(theme) for theme in themes]
