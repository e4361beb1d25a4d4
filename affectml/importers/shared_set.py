"""A data set as `affectml export DATASET --hub` shares it: what its columns are called, and reading it back.

`affectml.json` beside the Parquet files says what dataset.json said. A target NAME is the column NAME: a ClassLabel, a
list of them, or an object of numbers by label; with votes, NAME_votes and NAME_n hold the counts.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from affectml.data import DatasetMeta, TargetMeta
from affectml.errors import BadInput
from affectml.importers._container import Container, open_container, quiet
from affectml.importers.columns import tidy
from affectml.importers.containers import Gathered, Reading
from affectml.importers.draft import Draft, Source, image_table, label_table
from affectml.taxonomies import Taxonomy

NAME = "affectml.json"
FORM = 1
IMAGE, JUDGEMENTS = "image", "judgements"
UNASSIGNED = "unassigned"  # the split of images that are in none, where others are in one
SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}


def columns_of(targets: dict[str, TargetMeta], taken: set[str]) -> dict[str, str]:
    """The column of each target: its name, unless another column is called so.

    Args:
        targets: by name.
        taken: other columns.
    """
    found: dict[str, str] = {}
    for name in targets:
        ends = ("", "_votes", "_n")
        clash = any(f"{name}{end}" in taken for end in ends)
        found[name] = f"target_{name}" if clash else name
    return found


def shared_draft(
    container: Container, source: Source, content: bytes, spool: Path | None, revision: str | None
) -> Draft:
    """The data set that was shared, with every target, its judgements, splits and images as they were."""
    meta, splits, columns, judged = _said(content, f"{container.address}/{NAME}")
    gathered = Reading(container, spool, need_images=False).gather(list(container.splits))
    frame = gathered.frame
    if "image_id" not in frame.columns:
        raise BadInput(f"{container.address}: {NAME} says it is a shared data set, and it has no column image_id")
    ids = frame["image_id"].astype(str)
    used = {f"{column}{end}" for column in columns.values() for end in ("", "_votes", "_n")}
    names = [taken.name for taken in gathered.rows]
    images = image_table(ids.tolist(), names if source.images != "none" else ())
    parts = [splits.get(taken.split) for taken in gathered.rows]
    if any(parts):
        images["split"] = parts
    for column in frame.columns:
        if column not in used and column != "image_id":
            images[column] = tidy(frame[column]).to_numpy()
    derived = source.path.resolve().name if source.path.is_dir() else source.path.stem
    about = replace(
        source.about,
        name=meta.name if source.about.name == derived else source.about.name,
        source=source.about.source or meta.source,
        licence=source.about.licence or meta.licence,
        notes=(*meta.notes, "read back from a shared copy"),
    )
    places = [taken.place for taken in gathered.rows]
    result = Draft(about=about, images=images, sources=places, where=container.address)
    result.skipped = {reason: rows for reason, rows in gathered.skipped.items() if rows}
    for name, entry in meta.targets.items():
        try:
            _add(result, name, entry, columns[name], gathered)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadInput(
                f"{container.address}: target {name}: its columns are not what {NAME} says ({type(error).__name__}: "
                f"{error})"
            ) from None
    if judged:
        result.annotations = _judgements(source.address, revision)
        result.asked, result.stopping = meta.judgements, meta.stopping
    return result


def _said(content: bytes, where: str) -> tuple[DatasetMeta, dict[str, str | None], dict[str, str], bool]:
    """What affectml.json says: the data set, each split's name here, each target's column, if it has judgements."""
    try:
        said = json.loads(content.decode("utf-8"))
        if said.get("form") != FORM:
            raise BadInput(f"{where}: form {said.get('form')!r}, but this affectml reads {FORM}: use a newer version")
        meta = TypeAdapter(DatasetMeta).validate_python(said["dataset"])
        splits = TypeAdapter(dict[str, str | None]).validate_python(said["splits"])
        columns = TypeAdapter(dict[str, str]).validate_python(said["columns"])
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise BadInput(f"{where}: not what an export wrote ({type(error).__name__}: {error})") from None
    if set(columns) != set(meta.targets) or not set(splits.values()) <= {"train", "val", "test", None}:
        raise BadInput(f"{where}: its columns or splits do not fit its targets")
    return meta, splits, columns, bool(said.get("judgements"))


def _add(result: Draft, name: str, entry: TargetMeta, column: str, gathered: Gathered) -> None:
    """A target from its columns; images without a value there have no row."""
    taxonomy = entry.resolve_taxonomy()
    if odd := [label for label in taxonomy.labels if label in ("image_id", "n") or label.startswith("n:")]:
        raise BadInput(f"{result.where}: target {name}: a label cannot be called {odd[0]!r}")
    source = f"{column}_votes" if entry.values == "votes" else column
    for needed in (source, *([f"{column}_n"] if entry.kind == "rates" and entry.values == "votes" else [])):
        if needed not in gathered.frame.columns:
            raise BadInput(f"{result.where}: no column {needed!r}, which target {name} needs")
    told = gathered.frame[gathered.frame[source].notna()].reset_index(drop=True)
    rows = [
        _numbers(cell, entry, taxonomy, f"{result.where}: image {image!r}: column {source!r}")
        for cell, image in zip(told[source], told["image_id"], strict=True)
    ]
    kind = {"votes": np.int64, "indicator": np.int8, "shares": np.float64}[entry.values]
    content = label_table(told["image_id"].astype(str), np.array(rows, dtype=kind).reshape(-1, len(taxonomy)), taxonomy)
    if f"{column}_n" in told.columns:
        people = told[f"{column}_n"]
        if people.map(lambda cell: isinstance(cell, dict)).any():
            per_label = pd.DataFrame([[cell[label] for label in taxonomy.labels] for cell in people])
            per_label.columns = [f"n:{label}" for label in taxonomy.labels]
            content = pd.concat(
                [content[["image_id"]], per_label.astype("int64"), content[list(taxonomy.labels)]], axis=1
            )
        elif people.notna().all():
            content.insert(1, "n", people.astype("int64").to_numpy())
    more = {key: getattr(entry, key) for key in ("construct", "question", "vote_rule", "made_by", "source", "values")}
    result.add(name, entry.kind, content, taxonomy, **more)


def _numbers(cell: Any, entry: TargetMeta, taxonomy: Taxonomy, where: str) -> list[Any]:
    """A cell as numbers in the taxonomy's order."""
    if entry.values != "indicator":
        if not isinstance(cell, dict) or set(cell) != set(taxonomy.labels):
            raise BadInput(f"{where}: expected a number for each label of {taxonomy.name}")
        return [cell[label] for label in taxonomy.labels]
    chosen = [cell] if isinstance(cell, str) else list(cell)
    taxonomy.check(chosen, where=where)
    return [int(label in chosen) for label in taxonomy.labels]


def _judgements(address: str, revision: str | None) -> pd.DataFrame:
    container = open_container(address, JUDGEMENTS, revision)
    with quiet():
        rows = [row.cells for split in container.splits for row in container.rows(split)]
    table = pd.DataFrame(rows)
    for column in ("image_id", "annotator_id", "kind", "labels"):
        if column not in table.columns:
            raise BadInput(f"{address}: its judgements have no column {column!r}")
    table.insert(0, "event_id", [f"row-{number}" for number in range(1, len(table) + 1)])
    return table
