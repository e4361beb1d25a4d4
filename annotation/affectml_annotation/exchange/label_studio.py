"""Label Studio's JSON: tasks with image-level choices and annotations, both ways.

Labels, none (an annotation with an empty result), skip (was_cancelled), seconds (lead_time), times and annotators have
their places there. Unsure is the choice of a control of its own; what else a judgement says stands as JSON in a text.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadImport
from affectml_annotation.exchange.files import readable, write_json
from affectml_annotation.exchange.tables import for_files, from_files, plain_row, with_time_texts
from affectml_annotation.judgements import ANSWERS

CHOICES, KIND, OTHERS = "labels", "answer", "affectml"  # names of controls
THEIR_NAMES = {"event_id": "unique_id", "seconds": "lead_time", "at": "created_at"}
PLACED = (*THEIR_NAMES, "image_id", "annotator_id", "kind", "labels")


def write_label_studio(judgements: pd.DataFrame, path: str | Path) -> None:
    """Write tasks with their annotations; what Label Studio shows of an image is its id."""
    tasks: dict[str, dict[str, Any]] = {}
    for row in with_time_texts(for_files(judgements)).to_dict("records"):
        name = str(row["image_id"])
        data = {"image": name, "image_id": name}
        task = tasks.setdefault(name, {"data": data, "annotations": [], "predictions": []})
        task["annotations"].append(_annotation(plain_row(row)))
    write_json(Path(path), list(tasks.values()))


def _annotation(row: Mapping[str, Any]) -> dict[str, Any]:
    result = [_result(CHOICES, "choices", list(row["labels"]))] if len(row["labels"]) else []
    if row["kind"] == "unsure":
        result.append(_result(KIND, "choices", ["unsure"]))
    others = {name: value for name, value in row.items() if name not in PLACED}
    return {
        "completed_by": {"email": row["annotator_id"]},
        "was_cancelled": row["kind"] == "skip",
        "result": [*result, _result(OTHERS, "text", [json.dumps(others, ensure_ascii=False)])],
        **{theirs: row[name] for name, theirs in THEIR_NAMES.items() if name in row},
    }


def _result(name: str, kind: str, value: list[str]) -> dict[str, Any]:
    type_ = "textarea" if kind == "text" else kind
    return {"from_name": name, "to_name": "image", "type": type_, "value": {kind: value}}


def read_label_studio(path: str | Path) -> pd.DataFrame:
    """Read the judgements of Label Studio's JSON export; what else a task holds, such as predictions, stays there.

    An image is called by image_id of its `data`, else by image. Where choices are made under several controls, the one
    called `labels` has the labels. Raises BadImport naming the task.
    """
    path = Path(path)
    with readable(path):
        tasks = json.loads(path.read_text(encoding="utf-8-sig"))
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "data" in task for task in tasks):
        raise BadImport(str(path), ["expected a list of tasks with `data`; export as JSON, not JSON_MIN or CSV"])
    rows: list[dict[str, Any]] = []
    for number, task in enumerate(tasks):
        where = f"task {task.get('id', number)}"
        try:
            image_id = next((task["data"][key] for key in ("image_id", "image") if task["data"].get(key)), None)
            if image_id is None:
                has = ", ".join(task["data"])
                raise BadImport(str(path), [f"{where}: data has no image_id or image (it has: {has})"])
            given = task.get("annotations", [])
            rows += [{"image_id": image_id, **_judgement(annotation, f"{path}: {where}")} for annotation in given]
        except BadImport:
            raise
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise BadImport(str(path), [f"{where}: not as Label Studio exports it ({error})"]) from None
    names = dict.fromkeys(["image_id", "annotator_id", "labels", *(name for row in rows for name in row)])
    table = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})
    return from_files(table, str(path))


def _judgement(annotation: Mapping[str, Any], where: str) -> dict[str, Any]:
    by = annotation.get("completed_by")
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    chosen: dict[str, list[Any]] = {}
    others: dict[str, Any] = {"round": 1}
    results: Sequence[Mapping[str, Any]] = annotation.get("result", [])
    for result in results:
        name, value = str(result.get("from_name")), result.get("value", {})
        if "choices" in value:
            chosen[name] = [*chosen.get(name, ()), *value["choices"]]
        elif name == OTHERS and "text" in value:
            others |= json.loads(value["text"][0])
    said = chosen.pop(KIND, [])
    if len(chosen) > 1 and CHOICES not in chosen:
        names = ", ".join(sorted(chosen))
        raise BadImport(where, [f"choices under several controls ({names}); call the one with the labels {CHOICES!r}"])
    labels = chosen[CHOICES] if CHOICES in chosen else next(iter(chosen.values()), [])
    kind = "skip" if annotation.get("was_cancelled") else said[0] if said else "labels" if labels else "none"
    told = {name: annotation[theirs] for name, theirs in THEIR_NAMES.items() if annotation.get(theirs) is not None}
    return {
        **{column.name: others[column.name] for column in COLUMNS if column.name in others},
        "annotator_id": None if by is None else str(by),
        "kind": kind,
        "labels": labels if kind in ANSWERS else [],
        **told,
    }
