"""Label Studio's JSON: tasks with image-level choices and annotations, both ways.

Labels, none (an annotation with an empty result), skip (was_cancelled), seconds (lead_time), times and annotators have
their places there; unsure and every other column are further results, each of a control of that name.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affectml_annotation.columns import COLUMNS, Column
from affectml_annotation.errors import BadImport
from affectml_annotation.exchange.files import readable, write_json
from affectml_annotation.exchange.tables import for_files, from_files, plain_row, with_time_texts
from affectml_annotation.judgements import ANSWERS

CHOICES, KIND, IMAGE = "labels", "answer", "image"
THEIR_NAMES = {"event_id": "unique_id", "seconds": "lead_time", "at": "created_at"}
# The other columns that have no place of their own there.
FURTHER = {column.name: column for column in COLUMNS
           if column.name not in (*THEIR_NAMES, "image_id", "annotator_id", "kind", "labels")}  # fmt: skip


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
    result = _choices(CHOICES, row["labels"]) + _choices(KIND, ["unsure"] if row["kind"] == "unsure" else [])
    for name, value in row.items():
        match FURTHER[name].type if name in FURTHER else None:
            case "truth":
                result += _choices(name, [name] if value else [])
            case "number" | "whole":
                result.append(_result(name, "number", "number", value))
            case "numbers":
                result.append(_result(name, "textarea", "text", ["" if one is None else str(one) for one in value]))
            case "text" | "language" | "time":
                result.append(_result(name, "textarea", "text", [value]))
    return {
        "completed_by": {"email": row["annotator_id"]},
        "was_cancelled": row["kind"] == "skip",
        "result": result,
        **{theirs: row[name] for name, theirs in THEIR_NAMES.items() if name in row},
    }


def _result(name: str, kind: str, key: str, value: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": IMAGE, "type": kind, "value": {key: value}}


def _choices(name: str, chosen: list[str]) -> list[dict[str, Any]]:
    return [_result(name, "choices", "choices", list(chosen))] if chosen else []


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
    row: dict[str, Any] = {"round": 1, "annotator_id": None if by is None else str(by)}
    chosen: dict[str, list[Any]] = {}
    for result in annotation.get("result", []):
        name, value = str(result.get("from_name")), result.get("value", {})
        if name == KIND and "choices" in value:
            row["kind"] = value["choices"][0]
        elif name in FURTHER:
            row[name] = _cell(FURTHER[name], next(iter(value.values()), None))
        elif "choices" in value:
            chosen[name] = [*chosen.get(name, ()), *value["choices"]]
    if len(chosen) > 1 and CHOICES not in chosen:
        names = ", ".join(sorted(chosen))
        raise BadImport(where, [f"choices under several controls ({names}); call the one with the labels {CHOICES!r}"])
    labels = chosen[CHOICES] if CHOICES in chosen else next(iter(chosen.values()), [])
    kind = "skip" if annotation.get("was_cancelled") else row.get("kind", "labels" if labels else "none")
    row |= {"kind": kind, "labels": labels if kind in ANSWERS else []}
    return row | {name: at for name, theirs in THEIR_NAMES.items() if (at := annotation.get(theirs)) is not None}


def _cell(column: Column, said: Any) -> Any:
    """What a further control says of a column: a number, texts, or choices, of which any is that it is so."""
    if column.type == "truth":
        return bool(said)
    texts = said if isinstance(said, list) else [said]
    return [float(one) if one else None for one in texts] if column.type == "numbers" else " ".join(map(str, texts))
