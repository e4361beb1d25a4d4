"""COCO-style JSON: images, and annotations whose categories are emotions."""

from collections import Counter
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from affectml._files import read_json
from affectml._options import Help, check_choice
from affectml.errors import BadInput, option
from affectml.importers.draft import NOT_STATED, About, Draft, Source, draft, image_table, set_table
from affectml.importers.find import images_folder, locate, refuse_leaving, relative_names, repeated
from affectml.importers.labels import plan_labels
from affectml.importers.read import Renaming, SomeTaxonomy
from affectml.importers.registry import importer


@importer("coco", About(construct="evoked"), folder=False)
def coco(
    source: Annotated[Source, Help("JSON file with images, annotations and categories.")],
    *,
    images_root: Annotated[
        str | Path | None, Help("Folder that file names are relative to.", default="the JSON file's folder")
    ] = None,
    taxonomy: SomeTaxonomy = None,
    mapping: Renaming = None,
    empty: Annotated[str, Help("What an image without annotations is: skip (not known) or none (none applies).")] = (
        "skip"
    ),
) -> Draft:
    """A COCO-style JSON file (images, annotations, categories) whose categories are emotions.

    The categories of an image's annotations are its labels, each once, crowds included. Where an image has several, the
    target is `sets`: a category without an annotation is absent. Where every image has one, it is `single`: the others
    are unknown. Source and licence are the file's own unless given; where images have different licences, the column
    `licence` says which.
    """
    check_choice("empty", empty, ("skip", "none"))
    file, content = source.path, read_json(source.path)
    root = images_folder(images_root, file.parent)
    names, found, unused = _labels(content, file)
    where = [f"{file}, images[{row}]" for row in range(len(names))]
    ids = relative_names(names, root, where)
    repeated(ids, where, "take one of the two out")
    way_out = f"name their folder ({option('images_root')})"
    refuse_leaving(ids, root, where.__getitem__, way_out)
    here = locate(ids, root, file, where, source.images, way_out=way_out)
    counts = Counter(label for labels in found for label in labels)
    spelt = {label: f"{file}, category {label!r}" for label in counts}
    plan = plan_labels(spelt, mapping, taxonomy, where=str(file), name=source.about.name, counts=counts)
    about, licences = _origin(content, source.about)
    columns = {"licence": licences} if len(set(licences)) > 1 else {}
    result = draft(replace(source, about=about), image_table(ids, here.files, **columns), here.places)
    result.notes += plan.notes
    result.warnings += plan.warnings
    result.skipped["images that no entry names"] = here.spare
    result.skipped["categories that no annotation has"] = unused
    table = set_table(ids, [{plan.label_of[label] for label in labels} for labels in found], plan.taxonomy)
    told = np.array([bool(labels) or empty == "none" for labels in found])
    result.skipped["images without an annotation, left out of the target"] = list(compress(ids, ~told))
    target = table[told]
    kind = "single" if empty == "skip" and (target[list(plan.taxonomy.labels)].sum(axis=1) == 1).all() else "sets"
    others = "unknown" if kind == "single" else "absent"
    result.notes.append(f"kind {kind}: a category that no annotation of an image has is {others} there")
    result.add(kind, kind, target, plan.taxonomy, values="indicator", made_by=f"annotations in {file.name}")
    return result


def _labels(content: Any, file: Path) -> tuple[list[str], list[set[str]], list[str]]:
    """The file name and the categories of each image, and the categories that none has."""
    names = _by_id(content, file, "images", "file_name")
    categories = _by_id(content, file, "categories", "name")
    found: dict[Any, set[str]] = {image: set() for image in names}
    for row, entry in enumerate(_entries(content, file, "annotations", "image_id", "category_id")):
        for key, known in (("image_id", names), ("category_id", categories)):
            if entry[key] not in known:
                unknown = f"{key} is {entry[key]!r}, which is no id there"
                raise BadInput(f"{file}, annotations[{row}]: {unknown}; mend it or take it out")
        found[entry["image_id"]].add(categories[entry["category_id"]])
    return list(names.values()), list(found.values()), sorted(set(categories.values()).difference(*found.values()))


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


def _origin(content: dict[str, Any], about: About) -> tuple[About, list[str]]:
    """What is said of the file, from `info` and `licenses` where the user said nothing, and each image's licence."""
    info = content.get("info")
    told = [info.get(key) for key in ("description", "contributor", "year", "url")] if isinstance(info, dict) else []
    listed = content.get("licenses")
    texts = {
        str(entry.get("id")): " ".join(str(entry[key]) for key in ("name", "url") if entry.get(key))
        for entry in (listed if isinstance(listed, list) else [])
        if isinstance(entry, dict)
    }
    licences = [texts.get(str(entry.get("license"))) or NOT_STATED for entry in content["images"]]
    origin = about.source or ", ".join(str(part) for part in told if part)
    licence = about.licence or "; ".join(dict.fromkeys(licences))
    return replace(about, source=origin, licence=licence), licences
