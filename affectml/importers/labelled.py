"""Images with labels in the two forms that most collections come in: a folder per label, and COCO-style JSON."""

from collections import Counter
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml._files import read_json
from affectml._options import check_choice
from affectml.errors import BadInput, option
from affectml.importers.draft import About, Draft, Source, draft, image_table, label_table
from affectml.importers.find import (
    SUFFIXES,
    files_in,
    images_folder,
    is_hidden,
    locate,
    refuse_leaving,
    relative_names,
    repeated,
)
from affectml.importers.labels import plan_labels
from affectml.importers.read import SPLIT_OF, Renaming, SomeTaxonomy
from affectml.importers.registry import importer


@importer("folder", About(construct="query"), images=("copy", "hardlink"))
def folder(
    source: Source,
    *,
    taxonomy: SomeTaxonomy = None,
    mapping: Renaming = None,
) -> Draft:
    """A folder that has one folder of images per label; the target is `single`.

    Folders below a label's folder belong to it; files without an image's suffix are counted and left. Where the
    folders directly below PATH are all names of splits (train, val, test and their kin), each holds the labels'
    folders and the split is kept. Two folders may become one label. A link out of PATH is an error.

    Args:
        source: Folder that has one folder of images per label.
    """
    root = source.path
    found, splits, skipped = _walk(root)
    if not found:
        raise BadInput(
            f"{root}: no images in folders below it; expected one folder per label, "
            f"holding files that end in {', '.join(sorted(SUFFIXES))}"
        )
    files, spelt, parts = zip(*found, strict=True)
    counts = Counter(spelt)
    places = {label: f"folder {label}" for label in counts}
    plan = plan_labels(places, mapping, taxonomy, where=str(root), name=source.about.name, counts=counts)
    ids = [file.relative_to(root).as_posix() for file in files]
    columns = {"split": parts} if splits else {}
    result = draft(source, image_table(ids, ids, **columns), files)
    if splits:
        result.notes.append(f"splits kept, from the folders {', '.join(splits)}")
    result.notes += plan.notes
    result.warnings += plan.warnings
    result.skipped = skipped
    made_by = "the name of the folder that holds the image"
    target = label_table(ids, plan.indicators(len(ids), pd.Series(spelt)), plan.taxonomy)
    result.add("single", "single", target, plan.taxonomy, values="indicator", made_by=made_by)
    return result


def _walk(root: Path) -> tuple[list[tuple[Path, str, str | None]], list[str], dict[str, list[str]]]:
    """The images below `root`, each with its label's folder and its split; the splits' folders; and what was left out.

    There are no splits, unless all folders of `root` are.
    """
    classes, loose = _visible(root)
    split_of = {folder: SPLIT_OF.get(folder.name.lower()) for folder in classes}
    has_splits = bool(classes) and all(split_of.values())
    found: list[tuple[Path, str, str | None]] = []
    others, empty = loose, []
    for top in classes:
        inner, stray = _visible(top) if has_splits else ([top], [])
        others += stray
        for holder in inner:
            files = files_in(holder, inside=root)
            chosen = [file for file in files if file.suffix.lower() in SUFFIXES]
            others += [file for file in files if file.suffix.lower() not in SUFFIXES]
            if not chosen:
                empty.append(str(holder))
            found += [(file, holder.name.strip(), split_of[top]) for file in chosen]
    no_images = list(map(str, others))
    skipped = {"files that are not images by their suffix or lie in no label's folder": no_images}
    splits = [folder.name for folder in classes] if has_splits else []
    return found, splits, {**skipped, "folders without images": empty}


def _visible(folder: Path) -> tuple[list[Path], list[Path]]:
    """Folders and files directly in `folder`, by name, without the hidden ones."""
    entries = sorted(p for p in folder.iterdir() if not is_hidden(p.name))
    return [p for p in entries if p.is_dir()], [p for p in entries if not p.is_dir()]


@importer("coco", About(construct="evoked"), folder=False)
def coco(
    source: Source,
    *,
    images_root: str | Path | None = None,
    taxonomy: SomeTaxonomy = None,
    mapping: Renaming = None,
    empty: str = ("skip"),
) -> Draft:
    """A COCO-style JSON file (images, annotations, categories) whose categories are emotions.

    The categories of an image's annotations are its labels, each once, crowds included. Where an image has several, the
    target is `sets`: a category without an annotation is absent. Where every image has one, it is `single`: the others
    are unknown.

    Args:
        source: JSON file with images, annotations and categories.
        images_root: Folder that file names are relative to. Default: the JSON file's folder.
        empty: What an image without annotations is: skip (not known) or none (none applies).
    """
    check_choice("empty", empty, ("skip", "none"))
    file, content = source.path, read_json(source.path)
    root, way_out = images_folder(images_root, file.parent), f"name their folder ({option('images_root')})"
    names, categories = _by_id(content, file, "images", "file_name"), _by_id(content, file, "categories", "name")
    where = [f"{file}, images[{row}]" for row in range(len(names))]
    ids = relative_names(list(names.values()), root, where)
    repeated(ids, where, "take one of the two out")
    refuse_leaving(ids, root, where.__getitem__, way_out)
    here = locate(ids, root, file, where, source.images, way_out=way_out)
    spelt = _spelt(content, file, names, categories)
    counts = Counter(spelt)
    places = {label: f"{file}, category {label!r}" for label in counts}
    plan = plan_labels(places, mapping, taxonomy, where=str(file), name=source.about.name, counts=counts)
    result = draft(source, image_table(ids, here.files), here.places)
    result.notes += plan.notes
    result.warnings += plan.warnings
    told = np.isin(np.arange(len(ids)), spelt.index) | (empty == "none")
    result.skipped["images that no entry names"] = here.spare
    result.skipped["categories that no annotation has"] = sorted(set(categories.values()) - counts.keys())
    result.skipped["images without an annotation, left out of the target"] = list(compress(ids, ~told))
    target = label_table(ids, plan.indicators(len(ids), spelt), plan.taxonomy)[told]
    one_each = (target[list(plan.taxonomy.labels)].sum(axis=1) == 1).all()
    kind, others = ("single", "unknown") if empty == "skip" and one_each else ("sets", "absent")
    result.notes.append(f"kind {kind}: a category that no annotation of an image has is {others} there")
    result.add(kind, kind, target, plan.taxonomy, values="indicator", made_by=f"annotations in {file.name}")
    return result


def _spelt(content: Any, file: Path, names: dict[Any, str], categories: dict[Any, str]) -> pd.Series:
    """Each category that an image has, once; the index is the image's place in the file."""
    at = {image: row for row, image in enumerate(names)}
    pairs: dict[tuple[int, str], None] = {}
    for row, entry in enumerate(_entries(content, file, "annotations", "image_id", "category_id")):
        for key, known in (("image_id", names), ("category_id", categories)):
            if entry[key] not in known:
                unknown = f"{key} is {entry[key]!r}, which is no id there"
                raise BadInput(f"{file}, annotations[{row}]: {unknown}; mend it or take it out")
        pairs[at[entry["image_id"]], categories[entry["category_id"]]] = None
    return pd.Series([label for _, label in pairs], index=[row for row, _ in pairs])


def _by_id(content: Any, file: Path, key: str, field: str) -> dict[Any, str]:
    """A field of each entry of a list by the entry's id, in the list's order."""
    found: dict[Any, str] = {}
    for row, entry in enumerate(_entries(content, file, key, "id", field)):
        if entry["id"] in found:
            raise BadInput(f"{file}, {key}[{row}]: id {entry['id']!r} a second time; every entry needs its own")
        found[entry["id"]] = str(entry[field])
    return found


def _entries(content: Any, file: Path, key: str, *fields: str) -> list[dict[str, Any]]:
    """The objects of a list of the file; raises BadInput for one that lacks a field."""
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise BadInput(f"{file}: no list {key!r}; expected images, annotations and categories, as COCO has them")
    for row, entry in enumerate(entries):
        for field in fields:
            if not isinstance(entry, dict) or not isinstance(entry.get(field), int | str):
                raise BadInput(f"{file}, {key}[{row}]: no {field}; expected an object with {', '.join(fields)}")
    return entries
