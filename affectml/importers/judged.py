"""Published sets whose rows are judgements: FindingEmo, ArtEmis, by the recipes of published.yaml."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml._files import read_json
from affectml.errors import BadInput, option
from affectml.importers.answers import Shaped, from_judgements
from affectml.importers.draft import Draft, Source, draft, image_table
from affectml.importers.find import find, images_folder, is_url, locate, need, relative_names
from affectml.importers.read import Columns, ImagesRoot, Shape, Table, TableSpec, numbers, read_table, splits_in, tidy
from affectml.importers.write import of_images

Recipe = Mapping[str, Any]
Read = Callable[..., Draft]


def judgements(recipe: Recipe) -> Read:
    """A table in which each row is what one person said of an image.

    files: names that the table may have. image: columns that together are the image's path, and suffix, which that
    lacks. label, annotator: columns; without an annotator nobody is named. rejected: a column, and its words for rows
    that do not count. numbers: columns of numbers. renamed, left_out: further columns. columns_of: what those are
    about, `image` where all its rows agree, or `judgement`. urls: names of a JSON list of rel_path, url and idx_url.
    """

    def read(source: Source, *, images_root: ImagesRoot = None) -> Draft:
        root, annotator, urls_in = source.path, recipe.get("annotator"), recipe.get("urls", ())
        suffix = recipe.get("suffix", "")
        file = find(root, recipe["files"]) or need(root, recipe["files"][0], " or ".join(recipe["files"]))
        table, rejected = _counted(read_table(file), recipe)
        where = table.places()
        parts = table.frame[recipe["image"]].itertuples(index=False)
        named = ["/".join(cells).strip().lstrip("/\\") for cells in parts]
        ids = np.array([name.removeprefix("images/") for name in relative_names(named, root, where)], dtype=object)
        judged, columns = _judged(table, ids, recipe)
        kept: list[str] = ids[judged.rows].tolist()
        tops = {image.partition("/")[0].casefold() for image in kept}
        pictures = images_folder(images_root or holder(root, tops), root)
        urls, no_urls = _urls(find(root, urls_in))
        places: dict[str, Path] = {}
        spare: list[str] = []
        if source.images != "none":
            located = [where[row] for row in judged.rows]
            names, required = [image + suffix for image in kept], urls.keys().isdisjoint(kept)
            beside = f"put {urls_in[0]} beside {file.name}, " if urls_in else ""
            way_out = f"{beside}name their folder ({option('images_root')})"
            here = locate(names, pictures, file, located, source.images, required=required, way_out=way_out)
            places, spare = dict(compress(zip(kept, here.places, strict=True), here.there)), here.spare
            if not urls_in:  # what is not there is named one by one
                places = {image: pictures / f"{image}{suffix}" for image in kept} | places
        known = [image in places or image in urls or source.images == "none" for image in kept]
        if urls:
            columns = {"url": [urls.get(image) for image in kept], **columns}
        files = [f"{image}{suffix}" if image in places else None for image in kept]
        images = image_table(kept, files, **columns)[known].reset_index(drop=True)
        result = draft(source, images, [places.get(image) for image in images["image_id"]])
        result.take(judged)
        result.people_named = annotator is not None
        result.skipped |= {
            "rows that their annotator rejected": rejected,
            "urls that are not http or https": no_urls,
            "images that no row names": spare,
            "images: neither a file nor a url": list(compress(kept, np.invert(known))),
        }
        stay = set(images["image_id"])
        result.targets = {name: (entry, of_images(content, stay)) for name, (entry, content) in judged.targets.items()}
        result.annotations = None if judged.annotations is None else of_images(judged.annotations, stay)
        return result

    return read


def _counted(table: Table, recipe: Recipe) -> tuple[Table, list[str]]:
    """The rows that count, with labels in the taxonomy's words; and the places of those that were rejected."""
    label, renamed, figures = recipe["label"], recipe.get("renamed", {}), recipe.get("numbers", ())
    needed = [column for column in (recipe.get("annotator"), *recipe["image"], label, *figures) if column]
    table.need(needed, ", ".join(needed))
    renamed = {old: new for old, new in renamed.items() if new not in table.frame.columns}
    out = np.zeros(len(table.frame), dtype=bool)
    for column, words in recipe.get("rejected", {}).items():
        if column in table.frame.columns:
            out |= table.frame[column].str.casefold().isin(words).to_numpy()
    places = list(compress(table.places(), out))
    table = table.take(np.flatnonzero(~out))
    if table.frame.empty:
        raise BadInput(f"{table.path}: every row is rejected; nothing to import")
    numbers(table, figures)
    labels = table.frame[label].str.casefold().replace(recipe.get("words", {}))
    return replace(table, frame=table.frame.assign(**{label: labels}).rename(columns=renamed)), places


def _judged(table: Table, ids: NDArray[np.object_], recipe: Recipe) -> tuple[Shaped, dict[str, Any]]:
    """The judgements and what they add up to; and the columns that are about the images."""
    frame, annotator, label = table.frame, recipe.get("annotator"), recipe["label"]
    roles = {annotator, label, "split", *recipe.get("rejected", ()), *recipe.get("left_out", ())}
    own = [column for column in frame.columns if column not in roles]
    spec = TableSpec(taxonomy=recipe["taxonomy"], delimiter="")
    judged = from_judgements(Shape(table, ids, Columns(annotator=annotator, label=label), own, spec))
    assert judged.annotations is not None
    if recipe["columns_of"] == "judgement":
        for column in (column for column in judged.own if column not in judged.annotations):
            judged.annotations[column] = frame[column].where(frame[column] != "", None).to_numpy()
        judged.own = []
    columns = {column: tidy(frame[column].iloc[judged.rows].reset_index(drop=True)).array for column in judged.own}
    if "split" in frame.columns:  # as the first row of each image has it; `rest` is in none of them
        told = replace(table, frame=frame.assign(split=frame["split"].replace("rest", "")))
        columns["split"] = splits_in(told, "split")[judged.rows]
    return judged, columns


def holder(root: Path, names: Collection[str]) -> Path | None:
    """The folder, `root` or one in it, that has a folder of one of these names; BadInput where two in it have."""
    folders = [root, *sorted(entry for entry in root.iterdir() if entry.is_dir())]
    insides = [{entry.name.strip().casefold() for entry in folder.iterdir() if entry.is_dir()} for folder in folders]
    found = [folder for folder, inside in zip(folders, insides, strict=True) if not inside.isdisjoint(names)]
    if root not in found and len(found) > 1:
        raise BadInput(f"{root}: both {found[0].name} and {found[1].name} hold the set's folders; name one of them")
    return found[0] if found else None


def _urls(file: Path | None) -> tuple[dict[str, str], list[str]]:
    """Each image's first url, by its path below the images' folder, and lines without one; empty without a list."""
    if file is None:
        return {}, []
    try:
        rows = [(int(row.get("idx_url", 0)), str(row["rel_path"]), str(row["url"])) for row in read_json(file)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"{file}: expected a list of rel_path, url, idx_url ({type(error).__name__}: {error})") from None
    urls: dict[str, str] = {}
    for _, path, url in sorted(rows, key=lambda row: row[0]):
        if is_url(url):
            urls.setdefault(path.replace("\\", "/").lstrip("/").removeprefix("images/"), url)
    return urls, [f"{path}: {url}" for _, path, url in rows if not is_url(url)]
