"""EMOTIC (Kosti et al. 2017, 2019): what each person in a photograph seems to feel, in the set's own MATLAB file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._options import Help
from affectml.errors import BadInput
from affectml.importers._images import Box
from affectml.importers.draft import Draft, Source, draft, published, set_table
from affectml.importers.find import find, locate, need, relative_names, repeated
from affectml.importers.labels import label_of
from affectml.importers.registry import importer
from affectml.taxonomies import get_taxonomy

_SPLITS = ("train", "val", "test")
_AXES = ("valence", "arousal", "dominance")
_RESPELT = {"disquitement": "disquietment", "doubt / confusion": "doubt/confusion"}
_LAYOUT = "Annotations/Annotations.mat beside emotic/{ade20k,emodb_small,framesdb,mscoco}"


class Person(NamedTuple):
    """A marked person. told: the labels that each annotator chose, beside their name, None where the file has none.

    kept: what images.parquet keeps. combined: the set's own labels.
    """

    photo: str
    number: int
    where: str
    box: Box
    told: list[tuple[str | None, list[str]]]
    combined: list[str]
    kept: dict[str, Any]


@importer("emotic", published("emotic"))
def emotic(
    source: Source,
    *,
    region: Annotated[
        str, Help("What a row shows: person (the box cut out) or image (the whole photograph).")
    ] = "person",
) -> Draft:
    """EMOTIC (Kosti et al. 2017, 2019): PATH holds Annotations/Annotations.mat and emotic/DATABASE/images.

    One row per person: the person's box cut out of the photograph, or all of it. Annotators' answers stay judgements
    (without names where the file has none); targets are `rates` from them and `sets` over emotic-26, the file's
    combined categories. Columns: split, group (the photograph), the box in pixels, gender and age as annotated,
    valence, arousal, dominance. The file is read by scipy and holds no Python objects.
    """
    root = source.path
    if region not in ("person", "image"):
        raise BadInput(f"region: expected person or image, but received {region!r}")
    file = need(root, "Annotations.mat", _LAYOUT)
    folder = find(root, ["emotic"], folder=True) or root
    people = list(_people(file))
    if not people:
        raise BadInput(f"{file}: no person in it")
    where = [person.where for person in people]
    photos = relative_names([person.photo for person in people], folder, where)
    ids = [f"{photo}#{person.number}" for photo, person in zip(photos, people, strict=True)]
    repeated(ids, where, "take one of the two out")
    unique = list(dict.fromkeys(photos))
    here = locate(unique, folder, file, [f"{file}: {photo}" for photo in unique], source.images, whole=False)
    at_photo = {photo: row for row, photo in enumerate(unique)}
    files = [f"images/{here.files[at_photo[photo]]}" for photo in photos]
    boxes: list[Box | None] = [person.box for person in people]
    if region == "person":
        files = [f"{name}-person{person.number}.jpg" for name, person in zip(files, people, strict=True)]
    table = pd.DataFrame({"image_id": ids, "file": files}).join(pd.DataFrame([person.kept for person in people]))
    table["group"] = photos
    table[["box_left", "box_top", "box_right", "box_bottom"]] = boxes
    result = draft(source, table, [here.places[at_photo[photo]] for photo in photos])
    result.boxes = boxes if region == "person" else None
    result.skipped["images that no row names, in folders that rows name"] = here.spare
    result.notes.append(f"each row is {'the box of one person' if region == 'person' else 'the whole photograph'}")
    result.people_named = all(who is not None for person in people for who, _ in person.told)
    if not result.people_named:
        result.notes.append("the file does not name all annotators: they cannot be followed from person to person")
    result.annotations = _judgements(people, ids)
    _add_targets(result, ids, people, file.name)
    return result


def _judgements(people: list[Person], ids: list[str]) -> pd.DataFrame:
    events = []
    for row, (image, person) in enumerate(zip(ids, people, strict=True), start=1):
        names = [who or f"anonymous-{row}-{number}" for number, (who, _) in enumerate(person.told, start=1)]
        if len(set(names)) < len(names):
            raise BadInput(f"{person.where}: one annotator answers twice; take one answer out")
        for number, (name, (_, labels)) in enumerate(zip(names, person.told, strict=True), start=1):
            events.append((f"{image}/{number}", image, name, 1, "labels" if labels else "none", labels))
    return pd.DataFrame(events, columns=["event_id", "image_id", "annotator_id", "round", "kind", "labels"])


def _add_targets(result: Draft, ids: list[str], people: list[Person], file: str) -> None:
    from affectml_annotation import count_votes

    assert result.annotations is not None
    taxonomy = get_taxonomy("emotic-26")
    rates = count_votes(result.annotations, taxonomy.labels).table()
    made_by = f"votes of the annotators in {file}"
    result.add("rates", "rates", rates[rates["n"] > 0], taxonomy, values="votes", made_by=made_by)
    sets = set_table(ids, [person.combined for person in people], taxonomy)
    result.add("sets", "sets", sets, taxonomy, values="indicator", made_by=f"combined categories in {file}")


def _people(file: Path) -> Iterator[Person]:
    """Every person of the file."""
    from scipy.io import loadmat

    try:
        content = loadmat(file, simplify_cells=True)
    except NotImplementedError:
        raise BadInput(f"{file}: a MATLAB 7.3 file; save it in MATLAB with -v7, as it is published") from None
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise BadInput(f"{file}: not a readable MATLAB file ({type(error).__name__}: {error})") from None
    splits = [split for split in _SPLITS if split in content]
    if not splits:
        have = ", ".join(key for key in content if not key.startswith("__")) or "nothing"
        raise BadInput(f"{file}: none of train, val, test in it (it has: {have})")
    for split in splits:
        for number, photo in enumerate(_many(content[split]), start=1):
            where = f"{file}: {split}({number})"
            for name in ("filename", "folder", "person"):
                if not isinstance(photo, Mapping) or name not in photo:
                    raise BadInput(f"{where}: no field {name!r}; expected filename, folder and person")
            named = f"{photo['folder']}/{photo['filename']}"
            for order, person in enumerate(_many(photo["person"]), start=1):
                yield _person(person, split, named, order, f"{where} {named}, person {order}")


def _person(said: Any, split: str, photo: str, number: int, where: str) -> Person:
    if not isinstance(said, Mapping):
        raise BadInput(f"{where}: expected a struct with body_bbox and annotations_categories, got {str(said)[:80]}")
    box = _floats(said.get("body_bbox", []), f"{where}: body_bbox")
    if box.shape != (4,) or not np.isfinite(box).all():
        raise BadInput(f"{where}: body_bbox: expected left, top, right, bottom, got {box.tolist()}")
    told: list[tuple[str | None, list[str]]] = []
    for answer in _many(said.get("annotations_categories")):
        one = answer if isinstance(answer, Mapping) else {"categories": answer}
        told.append((str(one["worker_id"]) if one.get("worker_id") else None, _labels(one.get("categories"), where)))
    if not told:
        raise BadInput(f"{where}: annotations_categories is empty; nobody said anything of this person")
    combined = sorted({label for _, labels in told for label in labels})
    if (given := said.get("combined_categories")) is not None:
        combined = _labels(given, where)
    kept: dict[str, Any] = {"split": split}
    for key in ("gender", "age"):
        kept[key] = (value.strip() or None) if isinstance(value := said.get(key), str) else None
    judged = [*_many(said.get("combined_continuous")), *_many(said.get("annotations_continuous")), None][0]
    for axis in _AXES:  # None where it is no number
        at = _floats(judged.get(axis, []) if isinstance(judged, Mapping) else [], f"{where}: {axis}")
        kept[axis] = float(at[0]) if at.size == 1 and np.isfinite(at[0]) else None
    return Person(photo, number, where, tuple(box.tolist()), told, combined, kept)


def _labels(value: Any, where: str) -> list[str]:
    words = {label: label for label in get_taxonomy("emotic-26").labels} | _RESPELT
    return list(dict.fromkeys(label_of(str(word), words, where, "mend the file") for word in _many(value)))


def _floats(value: Any, where: str) -> NDArray[np.float64]:
    try:
        return np.asarray(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise BadInput(f"{where}: expected numbers, but received {str(value)[:80]!r}; mend the file") from None


def _many(value: Any) -> list[Any]:
    """A MATLAB value as a list: one struct or text is a list of one, an empty array none."""
    if value is None or isinstance(value, list):
        return value or []
    return list(np.asarray(value, dtype=object).reshape(-1))
