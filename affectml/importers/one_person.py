"""The answers of one person, given in Python or in a table: which image, which labels."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affectml.errors import BadInput
from affectml.importers._cells import MARKS, parse_cells
from affectml.importers._judgements import words_for_no_label
from affectml.importers.columns import ANNOTATOR, FILE, LABEL, pick
from affectml.importers.read import Table, read_table
from affectml.taxonomies import Taxonomy

SAID = "answers"  # what messages call answers that are in no file
NO_ANSWER = ("unsure", "skip", "flag")

Said = list[tuple[str, Any, list[str]]]  # place, image and labels of each answer


def said_of(answers: Any, taxonomy: Taxonomy) -> Said:
    """Each answer, with the place to name in messages, checked for labels.

    Args:
        answers: {image: label or labels}, a table, a Path to one, or None.
        taxonomy: whose labels may be chosen.

    Raises:
        BadInput: where these are no answers of one person, or a table lacks a column, an image or a label.
        UnknownLabel: for a label that the taxonomy does not have.
    """
    if answers is None:
        return []
    if isinstance(answers, pd.DataFrame) and answers.empty:
        return []
    if isinstance(answers, Path | pd.DataFrame) or hasattr(answers, "__fspath__"):
        return _from_table(read_table(answers), taxonomy)
    if not isinstance(answers, Mapping):
        raise BadInput(
            f"{SAID}: expected {{image: labels}}, a table, a Path to one or an id, got {type(answers).__name__}"
        )
    found: Said = []
    for image, given in answers.items():
        where = f"{SAID}: {image}"
        if not isinstance(given, Iterable):
            raise BadInput(f"{where}: expected a label or several, got {type(given).__name__}")
        labels = [given] if isinstance(given, str) else [str(label) for label in given]
        taxonomy.check(labels, where)
        found.append((where, image, labels))
    return found


def _from_table(table: Table, taxonomy: Taxonomy) -> Said:
    """The answers of a table; rows that say unsure, skip or flag are none."""
    image = pick(table, None, ("imageid",)) or pick(table, None, FILE)
    column = pick(table, None, LABEL)
    if image is None or column is None:
        what, have = "image (or image_id)" if image is None else "labels", ", ".join(table.frame.columns)
        raise BadInput(f"{table.path}: no column {what}, which answers of a person need (columns: {have})")
    who = pick(table, None, ANNOTATOR)
    people = set() if who is None else set(table.frame[who].dropna())
    if len(people) > 1:
        raise BadInput(f"{table.path}: column {who!r}: answers of {len(people):,} people; keep those of one")
    cells = parse_cells(table, column, _delimiter(table, column, taxonomy), taxonomy.labels)
    words = words_for_no_label(cells.found(table), set(taxonomy.labels))
    kinds = table.frame["kind"].tolist() if "kind" in table.frame.columns else None
    found: Said = []
    for row, (name, code) in enumerate(zip(table.frame[image], cells.code, strict=True)):
        where, part = table.where(row), cells.parts[code]
        kind = None if kinds is None else kinds[row]
        said = {kind, *(words[label] for label in part or () if label in words)}
        labels = [label for label in part or () if label not in words]
        if said.intersection(NO_ANSWER):
            continue
        if part is None and kind not in ("none", "labels"):
            raise BadInput(
                f"{where}: column {column!r} is empty: write none where no label applies, or take the row out"
            )
        if labels and "none" in said:
            raise BadInput(f"{where}: {', '.join(labels)}: a label and 'none' at once")
        if not isinstance(name, str) and pd.isna(name):
            raise BadInput(f"{where}: column {image!r} is empty; name the image or take the row out")
        taxonomy.check(labels, where)
        found.append((where, str(name), labels))
    return found


def _delimiter(table: Table, column: str, taxonomy: Taxonomy) -> str | None:
    """What separates the labels of a cell; None where cells are lists or hold one label each."""
    texts = [cell.strip() for cell in table.frame[column] if isinstance(cell, str) and cell not in taxonomy.labels]
    if any(text.startswith("[") for text in texts):
        return None
    return next((mark for mark in MARKS if any(mark in text for text in texts)), None)
