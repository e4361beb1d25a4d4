"""A data set as `affectml export DATASET --hub` shares it: what its columns are called, and reading it back.

`affectml.json` beside the Parquet files says what dataset.json said. A target NAME is the column NAME: a ClassLabel, a
list of them, or an object of numbers by label; with votes, NAME_votes and NAME_n hold the counts.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from affectml.data import DatasetMeta, TargetMeta
from affectml.errors import BadInput
from affectml.importers.containers import Container, Gathered, open_container
from affectml.importers.draft import Draft, Source, image_table, label_table, set_table
from affectml.importers.read import first_row, tidy

NAME = "affectml.json"
FORM: Literal[1] = 1
IMAGE, JUDGEMENTS = "image", "judgements"
UNASSIGNED = "unassigned"  # the split of images that are in none, where others are in one
_ENDS = ("", "_votes", "_n")  # of the columns of a target
SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class _Said:
    """affectml.json. splits: what each split of the copy is called here. columns: of each target."""

    form: Literal[1]
    dataset: DatasetMeta
    splits: dict[str, Literal["train", "val", "test"] | None]
    columns: dict[str, str]
    judgements: bool = False


def columns_of(targets: dict[str, TargetMeta], taken: set[str]) -> dict[str, str]:
    """The column of each target: its name, unless another column is called so.

    Args:
        targets: by name.
        taken: other columns.
    """
    clash = {name for name in targets if any(f"{name}{end}" in taken for end in _ENDS)}
    return {name: f"target_{name}" if name in clash else name for name in targets}


def shared_draft(
    container: Container, source: Source, content: bytes, spool: Path | None, revision: str | None
) -> Draft:
    """The data set that was shared, with every target, its judgements, splits and images as they were."""
    said = _read(content, f"{container.address}/{NAME}")
    meta, columns = said.dataset, said.columns
    gathered = Gathered(container, spool, need_images=False).read(list(container.splits))
    frame = gathered.frame
    if "image_id" not in frame.columns:
        raise BadInput(f"{container.address}: {NAME} says it is a shared data set, and it has no column image_id")
    names = [taken.name for taken in gathered.rows]
    images = image_table(frame["image_id"].astype(str).tolist(), names if source.images != "none" else ())
    split = [said.splits.get(taken.split) for taken in gathered.rows]
    if any(split):
        images["split"] = split
    used = {"image_id", *(f"{column}{end}" for column in columns.values() for end in _ENDS)}
    for column in frame.columns:
        if column not in used:
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
    part = ""
    try:
        for name, entry in meta.targets.items():
            part = f"target {name}"
            _add(result, name, entry, columns[name], frame)
        if said.judgements:
            part = "judgements"
            result.annotations = _judgements(source.path, revision)
            result.asked, result.stopping = meta.judgements, meta.stopping
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        why = f"its columns are not what {NAME} says ({type(error).__name__}: {error})"
        raise BadInput(f"{container.address}: {part}: {why}") from None
    return result


def _read(content: bytes, where: str) -> _Said:
    try:
        said = TypeAdapter(_Said).validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        if first["loc"] == ("form",):
            form = str(first["input"])[:80]
            raise BadInput(f"{where}: form {form}, but this affectml reads {FORM}: use a newer version") from None
        place = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        raise BadInput(f"{where}: not what an export wrote: {place}{first['msg']}") from None
    if said.columns.keys() != said.dataset.targets.keys():
        raise BadInput(f"{where}: its columns are of other targets than it has")
    return said


def _add(result: Draft, name: str, entry: TargetMeta, column: str, frame: pd.DataFrame) -> None:
    """A target from its columns; images without a value there have no row."""
    taxonomy = entry.resolve_taxonomy()
    if odd := [label for label in taxonomy.labels if label in ("image_id", "n") or label.startswith("n:")]:
        raise BadInput(f"{result.where}: target {name}: a label cannot be called {odd[0]!r}")
    votes, people = f"{column}_votes", f"{column}_n"
    cells = votes if entry.values == "votes" else column
    told = frame[frame[cells].notna()].reset_index(drop=True)
    ids = told["image_id"].astype(str).tolist()
    where = [f"{result.where}: image {image!r}: column {cells!r}" for image in ids]
    if entry.values == "indicator":
        sets = [[cell] if isinstance(cell, str) else list(cell) for cell in told[cells]]
        for chosen, place in zip(sets, where, strict=True):
            taxonomy.check(chosen, where=place)
        content = set_table(ids, sets, taxonomy)
    else:
        kind = np.int64 if entry.values == "votes" else np.float64
        content = label_table(ids, _by_label(told[cells], taxonomy.labels, where).astype(kind), taxonomy)
    if people in told.columns or (entry.kind == "rates" and entry.values == "votes"):
        asked = told[people]
        if asked.map(lambda cell: isinstance(cell, dict)).any():
            by_label = _by_label(asked, taxonomy.labels, where).astype(np.int64)
            for at, label in enumerate(taxonomy.labels):
                content.insert(at + 1, f"n:{label}", by_label[:, at])
        elif asked.notna().all():
            content.insert(1, "n", asked.astype("int64").to_numpy())
    more = {key: getattr(entry, key) for key in ("construct", "question", "vote_rule", "made_by", "source", "values")}
    result.add(name, entry.kind, content, taxonomy, **more)


def _by_label(cells: pd.Series, labels: Sequence[str], where: Sequence[str]) -> NDArray[Any]:
    """Objects of a number for each label as an array [N, C]."""
    if (row := first_row([not isinstance(cell, dict) or set(cell) != set(labels) for cell in cells])) is not None:
        raise BadInput(f"{where[row]}: expected a number for each of {', '.join(labels)}")
    return np.array([[cell[label] for label in labels] for cell in cells], dtype=object).reshape(-1, len(labels))


def _judgements(path: Path, revision: str | None) -> pd.DataFrame:
    container = open_container(path, JUDGEMENTS, revision)
    table = pd.DataFrame([cells for split in container.splits for _, cells in container.rows(split)])
    if missing := {"image_id", "annotator_id", "kind", "labels"} - set(table.columns):
        raise KeyError(*sorted(missing))
    table.insert(0, "event_id", [f"row-{number}" for number in range(1, len(table) + 1)])
    return table
