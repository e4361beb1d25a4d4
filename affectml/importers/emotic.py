"""EMOTIC (Kosti et al. 2017, 2019): what each person in a photograph seems to feel, in the set's own MATLAB file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectml.errors import BadInput
from affectml.importers.draft import Draft, Source, draft, label_table
from affectml.importers.find import find, locate, need, relative_names, repeated
from affectml.importers.labels import label_of
from affectml.importers.registry import importer, published
from affectml.taxonomies import get_taxonomy
from affectml_annotation import count_votes

_AXES = ("valence", "arousal", "dominance")
_RESPELT = {"disquitement": "disquietment", "doubt / confusion": "doubt/confusion"}
_LAYOUT = "Annotations/Annotations.mat beside emotic/{ade20k,emodb_small,framesdb,mscoco}"


@importer("emotic", published("emotic"))
def emotic(source: Source) -> Draft:
    """EMOTIC (Kosti et al. 2017, 2019): PATH holds Annotations/Annotations.mat and emotic/DATABASE/images.

    One row per person: the person's box cut out of the photograph. Annotators' answers stay judgements
    (without names where the file has none); targets are `rates` from them and `sets` over emotic-26, the file's
    combined categories. Columns: split, group (the photograph), the box in pixels, gender and age as annotated,
    valence, arousal, dominance. The file is read by scipy and holds no Python objects.
    """
    root = source.path
    file = need(root, "Annotations.mat", _LAYOUT)
    folder = find(root, ["emotic"], folder=True) or root
    people = pd.DataFrame(_people(file))
    where = people["where"].tolist()
    photos = relative_names(people["photo"].tolist(), folder, where)
    ids = [f"{photo}#{number}" for photo, number in zip(photos, people["number"], strict=True)]
    repeated(ids, where, "take one of the two out")
    unique = list(dict.fromkeys(photos))
    here = locate(unique, folder, file, [f"{file}: {photo}" for photo in unique], source.images)
    found = dict(zip(unique, zip(here.files, here.places, strict=True), strict=True))
    numbered = zip(photos, people["number"], strict=True)
    files = [f"images/{found[photo][0]}-person{number}.jpg" for photo, number in numbered]
    table = pd.DataFrame({"image_id": ids, "file": files}).join(people[["split", "gender", "age", *_AXES]])
    table["group"] = photos
    table[["box_left", "box_top", "box_right", "box_bottom"]] = people["box"].tolist()
    result = draft(source, table, [found[photo][1] for photo in photos])
    result.boxes = people["box"].tolist()
    result.skipped["images that no row names, in folders that rows name"] = here.spare
    result.notes.append("each row is the box of one person")
    result.people_named = all(who is not None for told in people["told"] for who, _ in told)
    if not result.people_named:
        result.notes.append("the file does not name all annotators: they cannot be followed from person to person")
    result.annotations = _judgements(people, ids)
    taxonomy = get_taxonomy("emotic-26")
    rates = count_votes(result.annotations, taxonomy.labels).table()
    made_by = f"votes of the annotators in {file.name}"
    result.add("rates", "rates", rates[rates["n"] > 0], taxonomy, values="votes", made_by=made_by)
    chosen = [[label in combined for label in taxonomy.labels] for combined in people["combined"]]
    sets = label_table(ids, np.array(chosen, dtype=np.int8), taxonomy)
    result.add("sets", "sets", sets, taxonomy, values="indicator", made_by=f"combined categories in {file.name}")
    return result


def _judgements(people: pd.DataFrame, ids: list[str]) -> pd.DataFrame:
    events = []
    for row, (image, told, where) in enumerate(zip(ids, people["told"], people["where"], strict=True), start=1):
        names = [who or f"anonymous-{row}-{number}" for number, (who, _) in enumerate(told, start=1)]
        if len(set(names)) < len(names):
            raise BadInput(f"{where}: one annotator answers twice; take one answer out")
        for number, (name, (_, labels)) in enumerate(zip(names, told, strict=True), start=1):
            events.append((f"{image}/{number}", image, name, 1, "labels" if labels else "none", labels))
    return pd.DataFrame(events, columns=["event_id", "image_id", "annotator_id", "round", "kind", "labels"])


def _people(file: Path) -> list[dict[str, Any]]:
    """Every marked person, with what each annotator told: their name, None where the file has none, and the labels."""
    from scipy.io import loadmat

    try:
        content = loadmat(file, simplify_cells=True)
    except NotImplementedError:
        raise BadInput(f"{file}: a MATLAB 7.3 file; save it in MATLAB with -v7, as it is published") from None
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise BadInput(f"{file}: not a readable MATLAB file ({type(error).__name__}: {error})") from None
    people = []
    for split in ("train", "val", "test"):
        for number, photo in enumerate(_many(content.get(split)), start=1):
            where = f"{file}: {split}({number})"
            for name in ("filename", "folder", "person"):
                if not isinstance(photo, Mapping) or name not in photo:
                    raise BadInput(f"{where}: no field {name!r}; expected filename, folder and person")
            named = f"{photo['folder']}/{photo['filename']}"
            for order, said in enumerate(_many(photo["person"]), start=1):
                place = f"{where} {named}, person {order}"
                people.append({"photo": named, "number": order, "where": place, "split": split, **_person(said, place)})
    if not people:
        have = ", ".join(key for key in content if not key.startswith("__")) or "nothing"
        raise BadInput(f"{file}: no person of train, val, test in it (it has: {have})")
    return people


def _person(said: Any, where: str) -> dict[str, Any]:
    if not isinstance(said, Mapping):
        raise BadInput(f"{where}: expected a struct with body_bbox and annotations_categories, got {str(said)[:80]}")
    box = _floats(said.get("body_bbox", []), f"{where}: body_bbox")
    if len(box) != 4 or not np.isfinite(box).all():
        raise BadInput(f"{where}: body_bbox: expected left, top, right, bottom, got {box}")
    told = []
    for answer in _many(said.get("annotations_categories")):
        one = answer if isinstance(answer, Mapping) else {"categories": answer}
        told.append((str(one["worker_id"]) if one.get("worker_id") else None, _labels(one.get("categories"), where)))
    if not told:
        raise BadInput(f"{where}: annotations_categories is empty; nobody said anything of this person")
    combined = said.get("combined_categories")
    found: dict[str, Any] = {"box": tuple(box), "told": told, "combined": _labels(combined, where)}
    if combined is None:
        found["combined"] = sorted({label for _, labels in told for label in labels})
    for key in ("gender", "age"):
        found[key] = (value.strip() or None) if isinstance(value := said.get(key), str) else None
    judged = [*_many(said.get("combined_continuous")), *_many(said.get("annotations_continuous")), None][0]
    for axis in _AXES:
        at = _floats(judged.get(axis, []) if isinstance(judged, Mapping) else [], f"{where}: {axis}")
        found[axis] = at[0] if len(at) == 1 and np.isfinite(at[0]) else None
    return found


def _labels(value: Any, where: str) -> list[str]:
    words = {label: label for label in get_taxonomy("emotic-26").labels} | _RESPELT
    return list(dict.fromkeys(label_of(str(word), words, where, "mend the file") for word in _many(value)))


def _floats(value: Any, where: str) -> list[float]:
    try:
        return list(map(float, np.asarray(value, dtype=np.float64).reshape(-1)))
    except (TypeError, ValueError):
        raise BadInput(f"{where}: expected numbers, but received {str(value)[:80]!r}; mend the file") from None


def _many(value: Any) -> list[Any]:
    """A MATLAB value as a list: one struct or text is a list of one, an empty array none."""
    if value is None or isinstance(value, list):
        return value or []
    return list(np.asarray(value, dtype=object).reshape(-1))
