"""EmoSet (Yang et al. 2023): photographs and art with one of Mikels' eight emotions and described attributes."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from affectml._progress import track
from affectml.errors import BadInput
from affectml.importers._native import (
    About,
    Found,
    find,
    finish,
    image_table,
    label_of,
    locate,
    native_root,
    one_hot,
    relative_names,
    repeated,
)
from affectml.importers._summary import ImportSummary
from affectml.taxonomies import get_taxonomy

_SPLITS = ("train", "val", "test")
_NUMBERS = ("brightness", "colorfulness")
_ATTRIBUTES = (*_NUMBERS, "scene", "object", "facial_expression", "human_action")
_ABOUT = About(
    name="emoset",
    construct="evoked",
    question="In our words: does this image evoke EMOTION? Asked about the word that found it.",
    source="Yang, Huang, Ding, Lischinski, Cohen-Or & Huang 2023, EmoSet: A Large-scale Visual Emotion Dataset with "
    "Rich Attributes",
    notes=("the label is the word that found the image, checked by people; the votes are not in the files",),
)


def import_emoset(
    path: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    images: str = "copy",
    strict: bool = False,
    partial: bool = False,
) -> ImportSummary:
    """Make a data set of EmoSet: `path` holds {train,val,test}.json, image/EMOTION/ and annotation/EMOTION/.

    The lists have [emotion, image, annotation] in each entry. The target is `single` over mikels-8; the splits and
    the attributes (brightness, colorfulness, scene, objects joined by "; ", facial expression, human action) are
    kept as columns, empty where the set says nothing. partial: take what there is where a list is missing. Raises
    BadInput naming the list and the entry.
    """
    root = native_root(path, out, images)
    taxonomy = get_taxonomy("mikels-8")
    words = {label: label for label in taxonomy.labels}
    lists = {split: file for split in _SPLITS if (file := find(root, [f"{split}.json"])) is not None}
    missing = [f"{split}.json" for split in _SPLITS if split not in lists]
    if not lists or (missing and not partial):
        way_out = (
            "name the folder that holds the lists" if not lists else "complete it, or take what there is: --partial"
        )
        raise BadInput(f"{root}: no {', '.join(missing)}; {way_out}")
    top = next(iter(lists.values())).parent
    info = find(root, ["info.json"])
    if info is not None:
        _check_info(info, taxonomy.labels)
    labels, named, described, where, splits = [], [], [], [], []
    for split, file in lists.items():
        for number, entry in enumerate(_list(file)):
            place = f"{file}, entry {number} (counted from 0)"
            emotion, image, annotation = _entry(entry, place)
            labels.append(label_of(emotion, words, place, "mend the list"))
            named.append(image)
            described.append(annotation)
            where.append(place)
            splits.append(split)
    paths = relative_names(named, top, where)
    ids = [image.removeprefix("image/") for image in paths]
    repeated(ids, where, "an image belongs to one list; take it out of the other")
    attributes: dict[str, list[Any]] = {key: [None] * len(ids) for key in _ATTRIBUTES}
    lost: list[str] = []
    for row, annotation in enumerate(track(described, "reading attributes", len(ids), "files")):
        content = None if annotation is None else _annotation(top, annotation, where[row])
        if content is None:
            lost.append(ids[row])
            continue
        said = content.get("emotion", labels[row])
        if not isinstance(said, str) or said.casefold() != labels[row]:
            raise BadInput(f"{where[row]}: the list says {labels[row]!r}, but {annotation} says {said!r}; mend one")
        for key in _ATTRIBUTES:
            attributes[key][row] = _plain(content.get(key), key, f"{where[row]}: {annotation}")
    here = locate(paths, top, next(iter(lists.values())), where, images)
    kept = {key: values for key, values in attributes.items() if any(value is not None for value in values)}
    files = [re.sub("^image/", "", file, flags=re.IGNORECASE) for file in here.files]
    found = Found(image_table(ids, files, split=splits, **kept), list(here.places))
    found.skipped["images that no row names"] = here.spare
    found.skipped["attributes of images: no annotation file"] = lost if kept else []
    if not kept:
        found.notes.append("no annotation file is there, so no attributes are either")
    found.notes += [f"{wanted} is not there: imported as a part of the set (--partial)" for wanted in missing]
    codes = np.array([taxonomy.index(label) for label in labels], dtype=np.int64)
    made_by = f"emotion in {', '.join(file.name for file in lists.values())}"
    found.add("single", "single", one_hot(ids, codes, taxonomy), taxonomy, values="indicator", made_by=made_by)
    return finish(found, _ABOUT, out, name=name, images=images, strict=strict, where=str(root))


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: not valid JSON ({error})") from None


def _list(file: Path) -> list[Any]:
    content = _json(file)
    if not isinstance(content, list) or not content:
        got = type(content).__name__ if content else "an empty one"
        raise BadInput(f"{file}: expected a list of [emotion, image, annotation], got {got}")
    return content


def _entry(entry: Any, place: str) -> tuple[str, str, str | None]:
    ok = isinstance(entry, list) and len(entry) in (2, 3) and all(isinstance(part, str) for part in entry)
    if not ok:
        raise BadInput(f"{place}: expected [emotion, image, annotation], but received {str(entry)[:80]}")
    return entry[0], entry[1], entry[2] if len(entry) == 3 else None


def _annotation(top: Path, annotation: str, place: str) -> dict[str, Any] | None:
    (inner,) = relative_names([annotation], top, [place])
    file = top / inner
    if not file.is_file():
        return None
    content = _json(file)
    if not isinstance(content, dict):
        raise BadInput(f"{file}: expected the attributes of one image, got {type(content).__name__}")
    return content


def _plain(value: Any, key: str, where: str) -> float | str | None:
    """An attribute as a number or a text; several objects are joined, none is None."""
    if value is None:
        return None
    if key in _NUMBERS and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if key not in _NUMBERS and isinstance(value, str):
        return value
    if key not in _NUMBERS and isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "; ".join(value) or None
    wanted = "a number" if key in _NUMBERS else "a text or a list of texts"
    raise BadInput(f"{where}: {key}: expected {wanted}, but received {str(value)[:80]!r}; mend the file")


def _check_info(info: Path, labels: tuple[str, ...]) -> None:
    content = _json(info)
    emotion = content.get("emotion") if isinstance(content, dict) else None
    found = emotion.get("label2idx") if isinstance(emotion, dict) else None
    if isinstance(found, dict) and set(map(str.casefold, found)) != set(labels):
        raise BadInput(f"{info}: its emotions are {', '.join(found)}; expected {', '.join(labels)}")
