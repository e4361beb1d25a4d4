"""FindingEmo (Mertens et al. 2024): what the people in a photograph seem to feel, as one annotator each says."""

from dataclasses import replace
from itertools import compress
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._files import read_json
from affectml.errors import BadInput, option
from affectml.importers.answers import Shaped, from_judgements
from affectml.importers.draft import Draft, Source, draft, image_table, published
from affectml.importers.find import Located, find, images_folder, is_url, locate, relative_names
from affectml.importers.read import Columns, ImagesRoot, Shape, Table, TableSpec, numbers, read_table
from affectml.importers.registry import importer
from affectml.importers.write import of_images
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


@importer("findingemo", published("findingemo"))
def findingemo(source: Source, *, images_root: ImagesRoot = None) -> Draft:
    """FindingEmo (Mertens et al. 2024): PATH holds annotations_single.ann, and the urls' JSON where there is one.

    Rows stay judgements by user; targets are `rates` and `distribution` (one_choice) over plutchik-24, whose parents
    are plutchik-8. An image is taken from images_root (else from PATH), where image_path says; else its url is
    kept and counted; an image with neither is left out and named, as are rows that their annotator rejected.
    """
    root = source.path
    file = find(root, _TABLES)
    if file is None:
        raise BadInput(f"{root}: none of {', '.join(_TABLES)}; name the folder that holds the annotations")
    table, skipped = _read(file)
    where = table.places()
    named = [cell.strip().lstrip("/\\") for cell in table.frame["image_path"]]  # published with a slash before the path
    ids = np.array([image.removeprefix("images/") for image in relative_names(named, root, where)], dtype=object)
    judged = _judgements(table, ids)
    pictures = images_folder(images_root, root)
    urls, skipped["urls that are not http or https"] = _urls(root)
    kept = [str(image) for image in ids[judged.rows]]
    located = locate(kept, pictures, file, [where[row] for row in judged.rows], source.images, required=False)
    images, places = _images(kept, located, urls, source.images)
    known = np.array(
        [p is not None or image in urls or source.images == "none" for p, image in zip(places, kept, strict=True)]
    )
    if not known.any():
        raise BadInput(
            f"{pictures}: none of the {len(kept):,} images is there (first: {kept[0]}) and no url is known; name their "
            f"folder ({option('images_root')}), put {_URLS[0]} beside {file.name}, or take the labels alone: "
            f"{option('images', 'none')}"
        )
    skipped["images that no row names"] = located.spare
    skipped["images: neither a file nor a url"] = list(compress(kept, ~known))
    result = draft(source, images[known].reset_index(drop=True), list(compress(places, known)))
    result.skipped = skipped
    result.take(judged)
    here = set(result.images["image_id"])
    result.targets = {name: (entry, of_images(content, here)) for name, (entry, content) in judged.targets.items()}
    assert result.annotations is not None
    result.annotations = of_images(result.annotations, here)
    return result


def _read(file: Path) -> tuple[Table, dict[str, list[str]]]:
    """The rows that count, with the emotion as a label or `unsure`; and those that were rejected."""
    table = read_table(file, separator=",")
    table.need(_COLUMNS, "the published columns")
    if {"tag", "tags"} <= set(table.frame.columns):
        raise BadInput(f"{file}: columns 'tag' and 'tags' are two names of one thing; take one of them out")
    skipped: dict[str, list[str]] = {}
    if "reject" in table.frame.columns:
        rejected = table.frame["reject"].str.casefold().isin(["reject", "rejected", "true", "1"]).to_numpy()
        skipped["rows that their annotator rejected"] = list(compress(table.places(), rejected))
        table = table.take(np.flatnonzero(~rejected))
        if table.frame.empty:
            raise BadInput(f"{file}: every row is rejected; nothing to import")
    numbers(table, ["valence", "arousal"])
    emotion = table.frame["emotion"].str.casefold().replace({"undefined": "unsure", "": "unsure"})
    return replace(table, frame=table.frame.assign(emotion=emotion).rename(columns={"tag": "tags"})), skipped


def _judgements(table: Table, ids: NDArray[np.object_]) -> Shaped:
    own = [c for c in table.frame.columns if c not in ("index", "user", "image_path", "emotion", "reject")]
    spec = TableSpec(taxonomy=plutchik_24(), delimiter="")
    judged = from_judgements(Shape(table, ids, Columns(annotator="user", label="emotion"), own, spec))
    assert judged.annotations is not None
    for column in own:
        if column not in judged.annotations.columns:
            judged.annotations[column] = table.frame[column].where(table.frame[column] != "", None).to_numpy()
    return judged


def _images(
    ids: list[str], located: Located, urls: dict[str, str], images: str
) -> tuple[pd.DataFrame, list[Path | None]]:
    """images.parquet with the files that are there and the urls, and each image's path."""
    there = [here and images != "none" for here in located.there]
    table = image_table(ids, [f"images/{image}" if here else None for image, here in zip(ids, there, strict=True)])
    if any(image in urls for image in ids):
        table["url"] = [urls.get(image) for image in ids]
    return table, [place if here else None for place, here in zip(located.places, there, strict=True)]


def _urls(root: Path) -> tuple[dict[str, str], list[str]]:
    """The first url of each image, by its path below the images' folder, and what is none; empty without a list."""
    file = find(root, _URLS)
    if file is None:
        return {}, []
    content = read_json(file)
    try:
        rows = [(int(row.get("idx_url", 0)), str(row["rel_path"]), str(row["url"])) for row in content]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"{file}: expected a list of rel_path, url, idx_url ({type(error).__name__}: {error})") from None
    urls: dict[str, str] = {}
    for _, path, url in sorted(rows, key=lambda row: row[0]):
        if is_url(url):
            urls.setdefault(path.replace("\\", "/").lstrip("/").removeprefix("images/"), url)
    return urls, [f"{path}: {url}" for _, path, url in rows if not is_url(url)]
