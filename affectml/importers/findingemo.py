"""FindingEmo (Mertens et al. 2024): what the people in a photograph seem to feel, as one annotator each says."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from affectml.errors import BadInput
from affectml.importers._columns import Columns, numbers
from affectml.importers._native import (
    About,
    Found,
    find,
    finish,
    image_table,
    is_url,
    locate,
    native_root,
    relative_names,
)
from affectml.importers._read import read_table
from affectml.importers._shapes import Request, from_judgements
from affectml.importers._summary import ImportSummary
from affectml.taxonomies import Taxonomy

_TABLES = ("annotations_single.ann", "annotations.csv", "annotations_single.csv")
_URLS = ("dataset_urls_exploded.json", "urls.json")
_COLUMNS = ("user", "image_path", "emotion", "valence", "arousal")
_LEAVES = {
    "joy": ("serenity", "joy", "ecstasy"),
    "trust": ("acceptance", "trust", "admiration"),
    "fear": ("apprehension", "fear", "terror"),
    "surprise": ("distraction", "surprise", "amazement"),
    "sadness": ("pensiveness", "sadness", "grief"),
    "disgust": ("boredom", "disgust", "loathing"),
    "anger": ("annoyance", "anger", "rage"),
    "anticipation": ("interest", "anticipation", "vigilance"),
}
_ABOUT = About(
    name="findingemo",
    construct="expressed",
    question="In our words: what is the overall emotion of the people in this image?",
    source="Mertens, Yargholi, Op de Beeck, Van den Stock & Vennekens 2024, FindingEmo",
    notes=(
        "one annotator per image: a share is 0 or 1, and nothing is known of how far people agree",
        "valence (-3 to 3), arousal (0 to 6), age, tags and deciding factors stay with the judgement",
    ),
)


def plutchik_24() -> Taxonomy:
    """plutchik-24: the three intensities of each of Plutchik's (1980) eight, mildest first; parents plutchik-8."""
    parents = {leaf: primary for primary, leaves in _LEAVES.items() for leaf in leaves}
    return Taxonomy(
        name="plutchik-24",
        labels=tuple(parents),
        title="Plutchik's eight primary emotions in three intensities",
        source="Plutchik 1980",
        parent="plutchik-8",
        parents=parents,
    )


def import_findingemo(
    path: str | Path,
    out: str | Path,
    *,
    images_root: str | Path | None = None,
    name: str | None = None,
    images: str = "copy",
    strict: bool = False,
) -> ImportSummary:
    """Make a data set of FindingEmo: `path` holds annotations_single.ann, and the urls' JSON where there is one.

    Rows stay judgements by user; targets are `rates` and `distribution` (one_choice) over plutchik-24, whose parents
    are plutchik-8. An image is taken from images_root (else from `path`), where image_path says; else its url is
    kept and counted; an image with neither is left out and named, as are rows that their annotator rejected. Raises
    BadInput and UnknownLabel naming the line.
    """
    root = native_root(path, out, images)
    file = find(root, _TABLES)
    if file is None:
        raise BadInput(f"{root}: none of {', '.join(_TABLES)}; name the folder that holds the annotations")
    table = read_table(file, separator=",", native=True)
    missing = [column for column in _COLUMNS if column not in table.frame.columns]
    if missing:
        have = ", ".join(map(str, table.frame.columns))
        raise BadInput(f"{file}: no column {missing[0]!r}; expected the published columns (it has: {have})")
    if {"tag", "tags"} <= set(table.frame.columns):
        raise BadInput(f"{file}: columns 'tag' and 'tags' are two names of one thing; take one of them out")
    skipped: dict[str, list[str]] = {}
    if "reject" in table.frame.columns:
        rejected = table.frame["reject"].str.casefold().isin(["reject", "rejected", "true", "1"]).to_numpy()
        skipped["rows that their annotator rejected"] = [table.where(int(row)) for row in np.flatnonzero(rejected)]
        table = table.take(np.flatnonzero(~rejected))
        if table.frame.empty:
            raise BadInput(f"{file}: every row is rejected; nothing to import")
    frame = table.frame.copy()
    frame["emotion"] = frame["emotion"].str.casefold().replace({"undefined": "unsure", "": "unsure"})
    numbers(table, ["valence", "arousal"])
    where = [table.where(row) for row in range(len(frame))]
    named = [cell.strip().lstrip("/\\") for cell in frame["image_path"]]  # published with a slash before the path
    ids = np.array(relative_names(named, root, where), dtype=object)
    ids = np.array([image.removeprefix("images/") for image in ids], dtype=object)
    columns = Columns(None, None, None, None, None, "user", None, "emotion", ())
    request = Request("findingemo", plutchik_24(), {}, None, None, None, None, "error", native=True)
    own = [c for c in frame.columns if c not in ("index", "user", "image_path", "emotion", "reject")]
    own = ["tags" if c == "tag" else c for c in own]
    frame = frame.rename(columns={"tag": "tags"})
    judged = from_judgements(replace(table, frame=frame), ids, columns, own, request)
    annotations = judged.annotations
    assert annotations is not None
    for column in own:
        if column not in annotations.columns:
            annotations[column] = frame[column].where(frame[column] != "", None).to_numpy()
    pictures = Path(images_root) if images_root is not None else root
    if not pictures.is_dir():
        raise BadInput(f"{pictures}: no such folder; name the folder that holds the images (--images-root)")
    urls, skipped["urls that are not http or https"] = _urls(root)
    kept = [str(image) for image in ids[judged.rows]]
    located = locate(kept, pictures, file, [where[row] for row in judged.rows], images, required=False)
    on = [there and images != "none" for there in located.there]
    places = [place if there else None for place, there in zip(located.places, on, strict=True)]
    files = [f"images/{image}" if there else None for image, there in zip(kept, on, strict=True)]
    skipped["images that no row names"] = located.spare
    url = [urls.get(image) for image in kept]
    table_images = image_table(kept, files)
    if any(url):
        table_images["url"] = url
    known = np.array([p is not None or u is not None for p, u in zip(places, url, strict=True)])
    if images == "none":
        known[:] = True
    if not known.any():
        raise BadInput(
            f"{pictures}: none of the {len(kept):,} images is there (first: {kept[0]}) and no url is known; name their "
            f"folder (--images-root), put {_URLS[0]} beside {file.name}, or take the labels alone: --images none"
        )
    skipped["images: neither a file nor a url"] = [kept[row] for row in np.flatnonzero(~known)]
    skipped.update(judged.skipped)
    here = {image for image, on in zip(kept, known, strict=True) if on}
    targets = {key: (meta, _of(content, here)) for key, (meta, content) in judged.targets.items()}
    found = Found(
        table_images[known].reset_index(drop=True),
        [place for place, on in zip(places, known, strict=True) if on],
        targets=targets,
        annotations=_of(annotations, here),
        notes=judged.notes,
        skipped=skipped,
    )
    return finish(found, _ABOUT, out, name=name, images=images, strict=strict, where=str(root))


def _of(table: pd.DataFrame, kept: set[str]) -> pd.DataFrame:
    return table[table["image_id"].isin(kept)].reset_index(drop=True)


def _urls(root: Path) -> tuple[dict[str, str], list[str]]:
    """The first url of each image, by its path below the images' folder, and what is none; empty without a list."""
    file = find(root, _URLS)
    if file is None:
        return {}, []
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
        rows = [(int(row.get("idx_url", 0)), str(row["rel_path"]), str(row["url"])) for row in content]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"{file}: expected a list of rel_path, url, idx_url ({type(error).__name__}: {error})") from None
    urls: dict[str, str] = {}
    for _, path, url in sorted(rows, key=lambda row: row[0]):
        if is_url(url):
            urls.setdefault(path.replace("\\", "/").lstrip("/").removeprefix("images/"), url)
    return urls, [f"{path}: {url}" for _, path, url in rows if not is_url(url)]
