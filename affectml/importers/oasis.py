"""The Open Affective Standardized Image Set (Kurdi, Lozano & Banaji 2017) in its native folder."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data import DatasetMeta, TargetMeta, check_new
from affectml.errors import BadInput
from affectml.importers._images import SUFFIXES, check_placement, file_in_dataset
from affectml.importers._maxent import maximum_entropy_shares
from affectml.importers._read import Table, read_table
from affectml.importers._summary import ImportSummary
from affectml.importers._write import Draft, target_file, write_draft
from affectml.taxonomies import Place, Taxonomy

POINTS = 7
SCALES = ("Valence", "Arousal")
_COLUMNS = ("Theme", "Category", *(f"{scale}_{what}" for scale in SCALES for what in ("mean", "SD", "N")))
_SOURCE = "Kurdi, Lozano & Banaji 2017, Introducing the Open Affective Standardized Image Set (OASIS)"
_QUESTION = (
    "In our words: how negative or positive is the affective response that this image evokes, on seven "
    "points (4 neutral)? Asked of other people: how intense is it, on seven points?"
)
_NOTES = (
    "polarity and affect come from the mean and SD of the ratings, by the distribution on the seven points "
    "with the largest entropy among those that have them (vote rule moments): they are estimates of shares, "
    "not counts, and each says nothing about which answers go together",
    "valence and arousal were rated by different people",
    "the published SDs are sample SDs (n - 1) and are used as they are",
)


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


def import_oasis(
    path: str | Path,
    out: str | Path,
    *,
    name: str = "oasis",
    images: str = "copy",
    strict: bool = False,
) -> ImportSummary:
    """Make a data set of OASIS: `path` holds OASIS.csv and Images/THEME.jpg.

    Targets, both by the vote rule `moments`: `polarity`, a distribution over polarity-3 (negative is 1-3 of
    the seven points, neutral 4, positive 5-7), and `affect`, rates over affect-4 (negative, positive, calm is
    arousal 1-3, aroused 5-7) with the number of raters of each label's scale. `group` is the theme without
    its number. Images that are not there are counted and left out, so a part of the set imports too. Raises
    BadInput naming the line: a column or number missing, a mean and an SD that no seven-point answers have.
    """
    root = Path(path)
    check_placement(images, ("copy", "hardlink"))
    check_new(Path(out))
    table = read_table(root / "OASIS.csv" if root.is_dir() else root)
    root = table.path.parent
    frame = table.frame
    missing = [column for column in _COLUMNS if column not in frame.columns]
    if missing:
        raise BadInput(f"{table.path}: no column {missing[0]!r}; expected OASIS.csv as published")
    numbers = {column: _numbers(table, column) for column in _COLUMNS if column not in ("Theme", "Category")}
    themes = frame["Theme"].astype(str).str.strip()
    if themes.duplicated().any():
        row = int(themes.duplicated().argmax())
        raise BadInput(f"{table.where(row)}: theme {themes[row]!r} stands in two rows; take one out")
    if (themes == "").any():
        raise BadInput(f"{table.where(int((themes == '').argmax()))}: no theme, so no image")

    sources = _find_images(root, themes.tolist())
    here = np.array([source is not None for source in sources])
    if not here.any():
        raise BadInput(f"{root}: no Images/THEME.jpg for any row of {table.path.name}; nothing was written")
    skipped = {"images: not in the folder": [themes[row] for row in np.flatnonzero(~here)]}
    places = [table.where(row) for row in range(len(frame))]
    shares = {
        scale: maximum_entropy_shares(
            numbers[f"{scale}_mean"],
            numbers[f"{scale}_SD"],
            POINTS,
            [f"{place}: {scale}" for place in places],
        )
        for scale in SCALES
    }

    found = [source for source in sources if source is not None]
    data = pd.DataFrame(
        {
            "image_id": themes,
            "file": [None if s is None else file_in_dataset(s.name) for s in sources],
            "group": themes.str.replace(r"\s*\d+$", "", regex=True),
            "category": frame["Category"].astype(str).str.strip(),
            **{column.lower(): values for column, values in numbers.items()},
        }
    )
    for scale in SCALES:
        data[f"{scale.lower()}_n"] = data[f"{scale.lower()}_n"].astype(np.int64)
    targets = {
        "polarity": _polarity(themes, shares["Valence"], numbers["Valence_N"]),
        "affect": _affect(themes, shares, numbers),
    }
    draft = Draft(
        meta=_meta(name),
        images=data[here].reset_index(drop=True),
        sources=list(found),
        targets={key: target[here].reset_index(drop=True) for key, target in targets.items()},
        skipped={reason: names for reason, names in skipped.items() if names},
    )
    return write_draft(draft, out, images=images, strict=strict, where=str(root))


def _meta(name: str) -> DatasetMeta:
    return DatasetMeta(
        name=name,
        source=_SOURCE,
        notes=list(_NOTES),
        targets={
            "polarity": TargetMeta(
                kind="distribution",
                construct="evoked",
                question=_QUESTION,
                taxonomy="polarity-3",
                values="shares",
                file=target_file("polarity"),
                vote_rule="moments",
                made_by="maximum entropy from valence mean and SD: negative 1-3, neutral 4, positive 5-7",
            ),
            "affect": TargetMeta(
                kind="rates",
                construct="evoked",
                question=_QUESTION,
                taxonomy=affect_taxonomy().to_dict(),
                values="shares",
                file=target_file("affect"),
                vote_rule="moments",
                made_by="maximum entropy from mean and SD: valence 1-3 and 5-7, arousal 1-3 and 5-7",
            ),
        },
    )


def _polarity(ids: pd.Series, valence: NDArray[np.float64], n: NDArray[np.float64]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": ids,
            "n": n.astype(np.int64),
            "negative": valence[:, :3].sum(axis=1),
            "neutral": valence[:, 3],
            "positive": valence[:, 4:].sum(axis=1),
        }
    )


def _affect(
    ids: pd.Series, shares: dict[str, NDArray[np.float64]], numbers: dict[str, NDArray[np.float64]]
) -> pd.DataFrame:
    ends = {
        "negative": ("Valence", 0),
        "positive": ("Valence", 4),
        "calm": ("Arousal", 0),
        "aroused": ("Arousal", 4),
    }
    table: dict[str, object] = {"image_id": ids}
    for label, (scale, _) in ends.items():
        table[f"n:{label}"] = numbers[f"{scale}_N"].astype(np.int64)
    for label, (scale, start) in ends.items():
        table[label] = shares[scale][:, start : start + 3].sum(axis=1)
    return pd.DataFrame(table)


def _numbers(table: Table, column: str) -> NDArray[np.float64]:
    cells = pd.to_numeric(table.frame[column], errors="coerce")
    values: NDArray[np.float64] = cells.to_numpy(dtype=np.float64)
    bad = ~np.isfinite(values)
    if column.endswith("_N"):
        bad |= (values != np.round(values)) | (values < 1)
    if bad.any():
        row = int(bad.argmax())
        raise BadInput(
            f"{table.where(row)}: {column}: expected a {'whole ' if column.endswith('_N') else ''}number, "
            f"but received {table.frame[column].iloc[row]!r}"
        )
    return values


def _find_images(root: Path, themes: list[str]) -> list[Path | None]:
    """The file of each theme in Images/ or images/; spaces before the suffix do not matter."""
    folder = next((root / name for name in ("Images", "images") if (root / name).is_dir()), None)
    if folder is None:
        raise BadInput(f"{root}: no folder Images beside OASIS.csv")
    by_theme = {p.stem.strip(): p for p in sorted(folder.iterdir()) if p.suffix.lower() in SUFFIXES}
    return [by_theme.get(theme) for theme in themes]
