"""EmoSet (Yang et al. 2023): photographs and art with one of Mikels' eight emotions and described attributes."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from affectml._files import read_json
from affectml._progress import track
from affectml.errors import BadInput, option
from affectml.importers.draft import Draft, Source, draft, image_table, one_hot, published
from affectml.importers.find import find, locate, relative_names, repeated
from affectml.importers.labels import label_of
from affectml.importers.read import WHOLE, Partial
from affectml.importers.registry import importer
from affectml.taxonomies import get_taxonomy

_SPLITS = ("train", "val", "test")
_NUMBERS = ("brightness", "colorfulness")
_ATTRIBUTES = (*_NUMBERS, "scene", "object", "facial_expression", "human_action")


class Entry(NamedTuple):
    """An entry of a list; annotation: the file of the attributes, None where none is named."""

    label: str
    image: str
    annotation: str | None
    where: str
    split: str


@importer("emoset", published("emoset"))
def emoset(source: Source, *, partial: Partial = False) -> Draft:
    """EmoSet (Yang et al. 2023): PATH holds {train,val,test}.json, image/EMOTION/ and annotation/EMOTION/.

    The lists have [emotion, image, annotation] in each entry. The target is `single` over mikels-8; the splits and
    the attributes (brightness, colorfulness, scene, objects joined by "; ", facial expression, human action) are
    kept as columns, empty where the set says nothing.
    """
    root, taxonomy = source.path, get_taxonomy("mikels-8")
    lists = {split: file for split in _SPLITS if (file := find(root, [f"{split}.json"])) is not None}
    missing = [f"{split}.json" for split in _SPLITS if split not in lists]
    if not lists or (missing and not partial):
        part = f"complete it, or take what there is: {option('partial', True)}"
        way_out = part if lists else "name the folder that holds the lists"
        raise BadInput(f"{root}: no {', '.join(missing)}; {way_out}")
    first = next(iter(lists.values()))
    info = find(root, ["info.json"])
    if info is not None:
        _check_info(info, taxonomy.labels)
    entries = [entry for split, file in lists.items() for entry in _list(file, split, taxonomy.labels)]
    where = [entry.where for entry in entries]
    paths = relative_names([entry.image for entry in entries], first.parent, where)
    ids = [image.removeprefix("image/") for image in paths]
    repeated(ids, where, "an image belongs to one list; take it out of the other")
    kept, lost = _attributes(first.parent, entries, ids)
    here = locate(paths, first.parent, first, where, source.images)
    files = [re.sub("^image/", "", file, flags=re.IGNORECASE) for file in here.files]
    images = image_table(ids, files, split=[entry.split for entry in entries], **kept)
    result = draft(source, images, here.places)
    result.skipped["images that no row names"] = here.spare
    result.skipped["attributes of images: no annotation file"] = lost if kept else []
    if not kept:
        result.notes.append("no annotation file is there, so no attributes are either")
    result.notes += [f"{wanted} is not there: imported as a part of the set" for wanted in missing]
    made_by = f"emotion in {', '.join(file.name for file in lists.values())}"
    target = one_hot(ids, [taxonomy.index(entry.label) for entry in entries], taxonomy)
    result.add("single", "single", target, taxonomy, values="indicator", made_by=made_by)
    return result


def _list(file: Path, split: str, labels: tuple[str, ...]) -> list[Entry]:
    content = read_json(file)
    if not isinstance(content, list) or not content:
        got = type(content).__name__ if content else "an empty one"
        raise BadInput(f"{file}: expected a list of [emotion, image, annotation], got {got}")
    words = {label: label for label in labels}
    entries = []
    for number, parts in enumerate(content):
        where = f"{file}, entry {number} (counted from 0)"
        if not (isinstance(parts, list) and len(parts) in (2, 3) and all(isinstance(part, str) for part in parts)):
            raise BadInput(f"{where}: expected [emotion, image, annotation], but received {str(parts)[:80]}")
        label = label_of(parts[0], words, where, "mend the list")
        entries.append(Entry(label, parts[1], parts[2] if len(parts) == 3 else None, where, split))
    return entries


def _attributes(top: Path, entries: list[Entry], ids: list[str]) -> tuple[dict[str, list[Any]], list[str]]:
    """The attributes that any image has, one value for each; and the images without an annotation file."""
    attributes: dict[str, list[Any]] = {key: [None] * len(ids) for key in _ATTRIBUTES}
    lost: list[str] = []
    for row, entry in enumerate(track(entries, "reading attributes", len(ids), "files")):
        content = None if entry.annotation is None else _annotation(top, entry.annotation, entry.where)
        if content is None:
            lost.append(ids[row])
            continue
        said = content.get("emotion", entry.label)
        if not isinstance(said, str) or said.casefold() != entry.label:
            both = f"the list says {entry.label!r}, but {entry.annotation} says {said!r}"
            raise BadInput(f"{entry.where}: {both}; mend one")
        for key in _ATTRIBUTES:
            attributes[key][row] = _plain(content.get(key), key, f"{entry.where}: {entry.annotation}")
    return {key: values for key, values in attributes.items() if any(value is not None for value in values)}, lost


def _annotation(top: Path, annotation: str, place: str) -> dict[str, Any] | None:
    (inner,) = relative_names([annotation], top, [place])
    file = top / inner
    if not file.is_file():
        return None
    content = read_json(file)
    if not isinstance(content, dict):
        raise BadInput(f"{file}: expected the attributes of one image, got {type(content).__name__}")
    return content


def _plain(value: Any, key: str, where: str) -> float | str | None:
    """An attribute as a number or a text; several objects are joined, none is None."""
    if value is None:
        return None
    if key in _NUMBERS:
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= WHOLE:
            return float(value)
    elif isinstance(value, str):
        return value
    elif isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "; ".join(value) or None
    wanted = "a number" if key in _NUMBERS else "a text or a list of texts"
    raise BadInput(f"{where}: {key}: expected {wanted}, but received {str(value)[:80]!r}; mend the file")


def _check_info(info: Path, labels: tuple[str, ...]) -> None:
    content = read_json(info)
    emotion = content.get("emotion") if isinstance(content, dict) else None
    found = emotion.get("label2idx") if isinstance(emotion, dict) else None
    if isinstance(found, dict) and set(map(str.casefold, found)) != set(labels):
        raise BadInput(f"{info}: its emotions are {', '.join(found)}; expected {', '.join(labels)}")
