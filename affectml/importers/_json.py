"""Rows of a JSON file: a list of objects, objects by image, or a list of them under one key, as votes are published."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from affectml.errors import BadInput
from affectml.importers.columns import NOT_LABELS, plain

_SHAPES = (
    'expected [{"image": "1.jpg", "joy": 3, "n": 20}, ...], {"1.jpg": {"joy": 3}, ...} or {"n": 20, "images": [{"id": '
    '"1.jpg", "votes": {"joy": 3}}, ...]}'
)


def json_rows(file: Path, text: str) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]] | None:
    """The rows of a JSON file or of JSON lines as a table, the columns that are labels where that is plain, and notes.

    An object in a row (`"votes": {"joy": 3}`) becomes columns, its labels; `id` is the image where nothing else is.
    None for text that is no JSON.

    Raises:
        BadInput: for JSON of another shape, a key that stands twice in one object, and text that is not UTF-8.
    """
    try:
        content = _parsed(file, text)
    except (ValueError, RecursionError) as error:
        if file.suffix.lower() in (".json", ".jsonl"):
            raise BadInput(f"{file}: broken JSON ({error})") from None
        return None
    entries, notes = _entries(file, content)
    rows: list[dict[str, Any]] = []
    labels: dict[str, None] = {}
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise BadInput(f"{file}, row {number}: expected an object, but received {str(entry)[:40]!r}; {_SHAPES}")
        inner = [key for key, value in entry.items() if isinstance(value, dict)]
        if len(inner) > 1:
            named = " and ".join(map(repr, inner))
            raise BadInput(f"{file}, row {number}: {named} are objects; leave the one that holds the votes")
        votes = entry[inner[0]] if inner else {}
        row: dict[str, Any] = {}
        for key, value in [*((key, value) for key, value in entry.items() if key not in inner), *votes.items()]:
            name = key.strip()
            if not name or name in row:
                raise BadInput(f"{file}, row {number}: {key!r} stands twice, or is no name; leave it out or rename it")
            row[name] = value
        labels |= dict.fromkeys(name for name in map(str.strip, votes) if plain(name) not in NOT_LABELS)
        rows.append(row)
    if not rows:
        raise BadInput(f"{file}: no rows")
    columns = dict.fromkeys(key for row in rows for key in row)
    frame = pd.DataFrame({key: [_cell(row.get(key)) for row in rows] for key in columns}, dtype=object)
    if "id" in frame and not any(plain(column) == "imageid" for column in columns):
        frame = frame.rename(columns={"id": "image_id"})
    return frame, tuple(labels), notes


def _cell(value: Any) -> str:
    """As a CSV file has it: text, empty where there is nothing; lists spelt as in JSON."""
    if value is None:
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parsed(file: Path, text: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
            raise BadInput(f"{file}: {twice!r} stands twice in one object; leave one of them out")
        return found

    try:
        content = json.loads(text, object_pairs_hook=once)
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[1].lstrip().startswith("{"):
            raise
        content = [json.loads(line, object_pairs_hook=once) for line in lines]
    if "\\ud" in text.lower():  # half of a character: JSON allows it, UTF-8 and Parquet do not
        json.dumps(content, ensure_ascii=False).encode()
    return content


def _entries(file: Path, content: Any) -> tuple[list[Any], tuple[str, ...]]:
    """Every row as an object, and what was left out."""
    if isinstance(content, list):
        return content, ()
    if not isinstance(content, dict):
        raise BadInput(f"{file}: {_SHAPES}, but received {str(content)[:40]!r}")
    if {"images", "annotations", "categories"} <= content.keys():
        raise BadInput(f"{file}: this is COCO's form: `affectml import coco` takes it")
    if content and all(isinstance(value, dict) for value in content.values()):
        votes = {name: all(isinstance(cell, int | float) for cell in value.values()) for name, value in content.items()}
        return [{"image": name, **({"votes": value} if votes[name] else value)} for name, value in content.items()], ()
    lists = [key for key, value in content.items() if isinstance(value, list)]
    if len(lists) != 1:
        raise BadInput(f"{file}: {_SHAPES}, but received an object of {', '.join(map(repr, list(content)[:5]))}")
    people = {"n": content["n"]} if "n" in content else {}
    others = [key for key in content if key not in (lists[0], "n")]
    rows = [people | entry if isinstance(entry, dict) else entry for entry in content[lists[0]]]
    return rows, (f"left out beside {lists[0]!r}: {', '.join(others)}",) if others else ()
