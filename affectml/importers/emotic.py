"""EMOTIC (Kosti et al. 2017, 2019): what each person in a photograph seems to feel, in the set's own MATLAB file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._options import Help
from affectml.errors import BadInput, did_you_mean
from affectml.importers.draft import Draft, Source, draft, published, set_table
from affectml.importers.find import find, locate, need, relative_names
from affectml.importers.read import first_row
from affectml.importers.registry import importer
from affectml.taxonomies import Taxonomy, get_taxonomy

Choice = tuple[str | None, list[str]]  # an annotator, where the file names one, and the labels they chose
_SPLITS = ("train", "val", "test")
_AXES = ("valence", "arousal", "dominance")
_RESPELT = {"disquitement": "disquietment", "doubt / confusion": "doubt/confusion"}
_LAYOUT = "Annotations/Annotations.mat beside emotic/{ade20k,emodb_small,framesdb,mscoco}"


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
    rows, people = _read(file)
    where = [f"{file}: {row['photo']}, person {row['person']}" for row in rows]
    photos = relative_names([str(row.pop("photo")) for row in rows], folder, where)
    numbers = [int(row.pop("person")) for row in rows]
    boxes = [row.pop("box") for row in rows]
    combined = [row.pop("combined") for row in rows]
    ids = [f"{photo}#{number}" for photo, number in zip(photos, numbers, strict=True)]
    if (again := first_row(pd.Index(ids).duplicated())) is not None:
        raise BadInput(f"{where[again]}: stands in the file twice; take one out")
    first = dict(zip(photos[::-1], where[::-1], strict=True))
    unique = list(dict.fromkeys(photos))
    here = locate(unique, folder, file, [first[photo] for photo in unique], source.images, whole=False)
    at_photo = {photo: at for at, photo in enumerate(unique)}
    files = [f"images/{here.files[at_photo[photo]]}" for photo in photos]
    if region == "person":
        files = [f"{file_}-person{number}.jpg" for file_, number in zip(files, numbers, strict=True)]
    table = pd.DataFrame({"image_id": ids, "file": files}).join(pd.DataFrame(rows))
    table["group"] = photos
    table[["box_left", "box_top", "box_right", "box_bottom"]] = boxes
    result = draft(source, table, [here.places[at_photo[photo]] for photo in photos])
    result.boxes = boxes if region == "person" else None
    result.skipped["images that no row names, in folders that rows name"] = here.spare
    result.notes.append(f"each row is {'the box of one person' if region == 'person' else 'the whole photograph'}")
    result.people_named = all(who is not None for told in people for who, _ in told)
    if not result.people_named:
        result.notes.append("the file does not name all annotators: they cannot be followed from person to person")
    result.annotations = _judgements(people, ids, where)
    _add_targets(result, ids, combined, get_taxonomy("emotic-26"), file.name)
    return result


def _add_targets(result: Draft, ids: list[str], combined: list[list[str]], taxonomy: Taxonomy, file: str) -> None:
    from affectml_annotation import count_votes

    assert result.annotations is not None
    rates = count_votes(result.annotations, taxonomy.labels).table()
    made_by = f"votes of the annotators in {file}"
    result.add("rates", "rates", rates[rates["n"] > 0], taxonomy, values="votes", made_by=made_by)
    made_by = f"combined categories in {file}"
    result.add("sets", "sets", set_table(ids, combined, taxonomy), taxonomy, values="indicator", made_by=made_by)


def _judgements(people: list[list[Choice]], ids: list[str], where: list[str]) -> pd.DataFrame:
    events = []
    for row, (image, told) in enumerate(zip(ids, people, strict=True), start=1):
        for number, (who, labels) in enumerate(told, start=1):
            kind = "labels" if labels else "none"
            events.append((f"{image}/{number}", image, who or f"anonymous-{row}-{number}", 1, kind, labels))
    table = pd.DataFrame(events, columns=["event_id", "image_id", "annotator_id", "round", "kind", "labels"])
    if (again := first_row(table.duplicated(["image_id", "annotator_id"]))) is not None:
        place = where[ids.index(table["image_id"].iloc[again])]
        raise BadInput(f"{place}: one annotator answers twice; take one answer out")
    return table


def _read(file: Path) -> tuple[list[dict[str, Any]], list[list[Choice]]]:
    """A row per person and, beside it, the answers of everybody who answered."""
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
    rows: list[dict[str, Any]] = []
    people: list[list[Choice]] = []
    for split in splits:
        for number, photo in enumerate(_many(content[split]), start=1):
            where = f"{file}: {split}({number})"
            for field_name in ("filename", "folder", "person"):
                if not isinstance(photo, Mapping) or field_name not in photo:
                    raise BadInput(f"{where}: no field {field_name!r}; expected filename, folder and person")
            named = f"{photo['folder']}/{photo['filename']}"
            for order, person in enumerate(_many(photo["person"]), start=1):
                row, told = _person(person, f"{where} {named}, person {order}")
                rows.append({"photo": named, "person": order, "split": split, **row})
                people.append(told)
    if not rows:
        raise BadInput(f"{file}: no person in it")
    return rows, people


def _person(person: Any, where: str) -> tuple[dict[str, Any], list[Choice]]:
    if not isinstance(person, Mapping):
        raise BadInput(f"{where}: expected a struct with body_bbox and annotations_categories, got {str(person)[:80]}")
    box = _floats(person.get("body_bbox", []), f"{where}: body_bbox")
    if box.shape != (4,) or not np.isfinite(box).all():
        raise BadInput(f"{where}: body_bbox: expected left, top, right, bottom, got {box.tolist()}")
    told: list[Choice] = []
    for answer in _many(person.get("annotations_categories")):
        given = answer.get("categories") if isinstance(answer, Mapping) else answer
        who = str(answer["worker_id"]) if isinstance(answer, Mapping) and answer.get("worker_id") else None
        told.append((who, _labels(given, where)))
    if not told:
        raise BadInput(f"{where}: annotations_categories is empty; nobody said anything of this person")
    given = person.get("combined_categories")
    together = _labels(given, where) if given is not None else sorted({label for _, labels in told for label in labels})
    judged = _many(person.get("combined_continuous")) or _many(person.get("annotations_continuous")) or [None]
    words = {key: str(value).strip() or None for key in ("gender", "age") if isinstance(value := person.get(key), str)}
    row = {"box": tuple(box.tolist()), "combined": together, "gender": None, "age": None, **words}
    return row | _axes(judged[0], where), told


def _labels(value: Any, where: str) -> list[str]:
    known = get_taxonomy("emotic-26").labels
    out = []
    for word in _many(value):
        spelt = str(word).strip().casefold()
        label = _RESPELT.get(spelt, spelt)
        if label not in known:
            near = did_you_mean(label, known)
            raise BadInput(f"{where}: {word!r} is none of EMOTIC's 26 categories{near}; mend the file")
        out.append(label)
    return list(dict.fromkeys(out))


def _axes(value: Any, where: str) -> dict[str, float | None]:
    """Valence, arousal and dominance, each None where it is no number."""
    given = value if isinstance(value, Mapping) else {}
    found = {axis: _floats(given.get(axis, []), f"{where}: {axis}") for axis in _AXES}
    return {axis: float(at[0]) if at.size == 1 and np.isfinite(at[0]) else None for axis, at in found.items()}


def _floats(value: Any, where: str) -> NDArray[np.float64]:
    try:
        return np.asarray(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        raise BadInput(f"{where}: expected numbers, but received {str(value)[:80]!r}; mend the file") from None


def _many(value: Any) -> list[Any]:
    """A MATLAB value as a list: one struct or text is a list of one, an empty array none."""
    if value is None:
        return []
    if isinstance(value, str | Mapping):
        return [value]
    return list(np.asarray(value, dtype=object).reshape(-1)) if not isinstance(value, list) else value
