"""A data set as a folder that Hugging Face `datasets` loads: Parquet with the images in it, and a card."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affectml._files import new_folder, write_json
from affectml._progress import Progress
from affectml.data import Dataset, TargetMeta, check_new
from affectml.errors import BadInput, MissingExtra, did_you_mean, option
from affectml.importers.shared_set import FORM, IMAGE, JUDGEMENTS, NAME, SPLIT_NAMES, UNASSIGNED, columns_of
from affectml.people.erasing import refuse_outdated
from affectml.sharing._dataset_card import SetFacts, licence_id, set_card
from affectml_annotation.columns import COLUMNS
from affectml_annotation.exchange.erasing import note_written

SHARD_BYTES = 400 * 2**20  # of images in one Parquet file
GROUP_ROWS = 100  # of a row group, which is what a reader has in memory at once
_IMPERSONAL = tuple(column.name for column in COLUMNS if not column.personal)
_FORBIDS = re.compile(
    r"on request|redistribut|all rights reserved|not (?:to )?be (?:shared|published|passed on)|may not (?:be )?shar",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SharedSet:
    """A data set's shared copy: where it lies, its images by split, and what whoever shares it should know."""

    path: Path
    splits: dict[str, int]
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Plan:
    """What goes into the copy. own: the images' further columns. files: image_id to file, empty without images."""

    data: Dataset
    own: pd.DataFrame
    files: dict[str, str]
    image: str | None
    columns: dict[str, str]
    splits: dict[str, tuple[str | None, list[int]]]


@dataclass(frozen=True)
class _Cells:
    """A column's cells by image, made when asked for. rows: an array, or a list of lists; labels: keys of objects."""

    feature: Any
    at: dict[str, int]
    rows: Any
    labels: Sequence[str] = ()

    def get(self, image: str) -> Any:
        """The cell of an image, None where it has none."""
        row = self.at.get(image)
        if row is None:
            return None
        value = self.rows[row]
        value = value.tolist() if isinstance(value, np.ndarray | np.generic) else value
        return dict(zip(self.labels, value, strict=True)) if self.labels else value


def share_dataset(
    dataset: str | Path | Dataset,
    folder: str | Path,
    *,
    images: bool = True,
    keep: Sequence[str] = (),
    annotator_ids: bool = False,
    may_share: bool = False,
) -> SharedSet:
    """Write a data set as a folder that `datasets.load_dataset(FOLDER)` loads, with a card; for the Hub, say.

    The configuration `images` has a row per image: the image, its image_id, its further columns, and a column per
    target (a ClassLabel, a list of them, or numbers by label; None where nobody was asked). `judgements` has a row per
    judgement: what people answered, and no time, note or other column unless `keep` names it. People are numbered anew,
    and what they told of themselves (annotators.parquet) stays here. `affectml import datasets FOLDER` reads it back.

    Args:
        dataset: the data set.
        folder: the folder to write; it must not exist yet.
        images: whether the image files go along.
        keep: further columns of the judgements to share.
        annotator_ids: whether people keep the ids that they have in the data set.
        may_share: that you may share it, where its licence could say otherwise.

    Raises:
        MissingExtra: without the package `datasets`.
        BadInput: where `folder` is taken, a column is not there, the licence may forbid sharing, or a target counts
            somebody who was erased.
    """
    if find_spec("datasets") is None:
        raise MissingExtra("datasets", "datasets", "writing a data set in Hugging Face's form")
    data = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    out = Path(folder)
    check_new(out)
    if _FORBIDS.search(data.meta.licence) and not may_share:
        raise BadInput(
            f"{data.root}: its licence is {data.meta.licence!r}, which may forbid sharing it; ask its makers, and if "
            f"you may, say so: {option('may_share', True)}"
        )
    refuse_outdated(data)
    plan, facts = _plan(data, images), SetFacts()
    judgements = _judgements(data, keep, annotator_ids, facts)
    with new_folder(out) as temporary:
        _write_images(plan, temporary, facts)
        if judgements is not None:
            (temporary / JUDGEMENTS).mkdir()
            table = pa.Table.from_pandas(judgements, preserve_index=False).replace_schema_metadata(None)
            pq.write_table(table, temporary / JUDGEMENTS / f"{JUDGEMENTS}-00000.parquet")
        write_json(temporary / NAME, _said(plan, judgements is not None))
        card = set_card(data, facts, {name: files for name, (_, files) in plan.splits.items()}, judgements)
        (temporary / "README.md").write_text(card, encoding="utf-8", newline="\n")
    splits = {name: len(rows) for name, (_, rows) in plan.splits.items()}
    unnoted = [] if note_written(data.root, out) else [f"no note of this copy can be kept beside {data.root}"]
    return SharedSet(out, splits, _warnings(data, facts) + unnoted)


def _warnings(data: Dataset, facts: SetFacts) -> list[str]:
    said = []
    if (known := licence_id(data.meta.licence)) == "unknown":
        said.append("no licence is known, and the card says so: without one, others may not use the set")
    elif known == "other":
        said.append(f"its licence is {data.meta.licence!r}: whether it lets you share the set is for you to know")
    if facts.missing:
        said.append(f"{len(facts.missing):,} image files are not there (first: {facts.missing[0]}): empty cells")
    return [*said, *facts.left_out, *facts.ways_out]


def _plan(data: Dataset, images: bool) -> _Plan:
    """Which rows go to which split, and what the columns are called."""
    table = data.images
    files: dict[str, str] = {}
    if images and "file" in table.columns:
        told = table[table["file"].notna()]
        files = dict(zip(told["image_id"], told["file"].astype(str), strict=True))
    own = table.drop(columns=["file", "split"], errors="ignore")
    taken = set(own.columns) | {IMAGE}
    image = (IMAGE if IMAGE not in own.columns else f"{IMAGE}_file") if files else None
    columns = columns_of(data.meta.targets, taken)
    if "split" not in table.columns or table["split"].isna().all():
        return _Plan(data, own, files, image, columns, {"train": (None, list(range(len(table))))})
    split = table["split"]
    whose: dict[str, tuple[str | None, Any]] = {called: (name, split == name) for name, called in SPLIT_NAMES.items()}
    whose[UNASSIGNED] = (None, split.isna())
    parts = {called: (name, np.flatnonzero(rows).tolist()) for called, (name, rows) in whose.items() if rows.any()}
    return _Plan(data, own, files, image, columns, parts)


def _said(plan: _Plan, judged: bool) -> dict[str, Any]:
    """affectml.json: dataset.json without what names files that are not there."""
    meta = replace(plan.data.meta, selections={})
    targets = {name: replace(entry, decisions=None) for name, entry in meta.targets.items()}
    return {
        "form": FORM,
        "dataset": replace(meta, targets=targets).to_json(),
        "splits": {name: split for name, (split, _) in plan.splits.items()},
        "columns": plan.columns,
        "judgements": judged,
    }


def _judgements(data: Dataset, keep: Sequence[str], ids: bool, facts: SetFacts) -> pd.DataFrame | None:
    """The judgements to share, people numbered anew unless `ids`."""
    table = data.judgements
    if table is None:
        if keep:
            raise BadInput(f"{data.root}: {option('keep', list(keep))}: it has no judgements")
        return None
    for column in keep:
        if column not in table.columns:
            raise BadInput(
                f"{data.root}: {option('keep', [column])}: no column {column!r} in its judgements"
                f"{did_you_mean(column, table.columns)} (it has: {', '.join(table.columns)})"
            )
    shared = [column for column in table.columns if column in (*_IMPERSONAL, *keep) and table[column].notna().any()]
    gone = [c for c in table.columns if c not in shared and c != "event_id" and table[c].notna().any()]
    if gone:
        facts.left_out.append(f"columns of judgements that are not shared: {', '.join(gone)}")
        facts.ways_out.append(f"{option('keep', gone)} would share them")
    if (data.root / "annotators.parquet").is_file():
        facts.left_out.append("what people told of themselves (annotators.parquet) is not shared")
    out = table[shared].reset_index(drop=True)
    if not ids:
        out["annotator_id"] = _numbered(out["annotator_id"].astype(str), data.name)
        facts.renumbered = True
    return out


def _numbered(ids: pd.Series, name: str) -> list[str]:
    """person-001 and so on, in an order that says nothing of their ids."""
    order = sorted(set(ids), key=lambda one: hashlib.sha256(f"{name}\0{one}".encode()).digest())
    width = max(3, len(str(len(order))))
    number = {one: f"person-{at:0{width}d}" for at, one in enumerate(order, start=1)}
    return [number[one] for one in ids]


def _write_images(plan: _Plan, folder: Path, facts: SetFacts) -> None:
    """data/SPLIT-NNNNN.parquet, an image in memory at a time but for a row group's."""
    from datasets import Features, Image, Value

    cells = [_target_cells(plan, name, entry) for name, entry in plan.data.meta.targets.items()]
    own = pa.Table.from_pandas(plan.own.drop(columns="image_id"), preserve_index=False).replace_schema_metadata(None)
    features: dict[str, Any] = {} if plan.image is None else {plan.image: Image()}
    features["image_id"] = Value("string")
    values = {column: found for of_target in cells for column, found in of_target.items()}
    features |= {column: found.feature for column, found in values.items()}
    features |= dict(Features.from_arrow_schema(own.schema))
    schema = Features(features).arrow_schema
    (folder / "data").mkdir()
    with Progress("writing", len(plan.own), "images") as bar:
        for split, (_, rows) in plan.splits.items():
            shard, size, writer = 0, 0, None
            for start in range(0, len(rows), GROUP_ROWS):
                part = rows[start : start + GROUP_ROWS]
                if writer is None:
                    writer = pq.ParquetWriter(folder / "data" / f"{split}-{shard:05d}.parquet", schema)
                table, read = _batch(plan, part, own.take(part), values, schema, facts)
                writer.write_table(table)
                size += read
                bar.advance(len(part))
                if size > SHARD_BYTES or start + GROUP_ROWS >= len(rows):
                    writer.close()
                    shard, size, writer = shard + 1, 0, None


def _batch(
    plan: _Plan, rows: list[int], own: pa.Table, values: Mapping[str, _Cells], schema: pa.Schema, facts: SetFacts
) -> tuple[pa.Table, int]:
    """These rows as a table of the schema, and how many bytes their images have."""
    ids = plan.own["image_id"].iloc[rows].tolist()
    columns: dict[str, Any] = {"image_id": ids}
    size = 0
    if plan.image is not None:
        pictures = [_picture(plan, image, facts) for image in ids]
        size = sum(len(picture["bytes"]) for picture in pictures if picture)
        columns[plan.image] = pictures
    columns |= {column: [cells.get(image) for image in ids] for column, cells in values.items()}
    columns |= {column: own[column] for column in own.column_names}
    return pa.Table.from_pydict(columns, schema=schema), size


def _picture(plan: _Plan, image: str, facts: SetFacts) -> dict[str, Any] | None:
    file = plan.files.get(image)
    if file is None:
        return None
    try:
        return {"bytes": plan.data.image_path(file).read_bytes(), "path": file.removeprefix("images/")}
    except FileNotFoundError:
        facts.missing.append(file)
        return None


def _target_cells(plan: _Plan, name: str, entry: TargetMeta) -> dict[str, _Cells]:
    """The columns of a target."""
    from datasets import ClassLabel, List, Value

    targets, column = plan.data.target(name), plan.columns[name]
    raw = pd.read_parquet(plan.data.image_path(entry.file))  # as it lies there: what is read is scaled to sum to one
    labels = list(targets.taxonomy.labels)
    at = {str(image): row for row, image in enumerate(raw["image_id"])}
    if entry.values == "indicator":
        chosen = [np.flatnonzero(row).tolist() for row in raw[labels].to_numpy() == 1]
        label = ClassLabel(names=labels)
        if entry.kind == "single":
            return {column: _Cells(label, at, [row[0] for row in chosen])}
        return {column: _Cells(List(label), at, chosen)}
    floats, wholes = dict.fromkeys(labels, Value("float64")), dict.fromkeys(labels, Value("int64"))
    if entry.values == "shares":
        found = {column: _Cells(floats, at, raw[labels].to_numpy(np.float64), labels)}
    else:
        votes = raw[labels].to_numpy(np.int64)
        found = {column: _Cells(floats, at, targets.shares(), labels)}
        found[f"{column}_votes"] = _Cells(wholes, at, votes, labels)
    if targets.n is not None and targets.n.ndim == 1:
        found[f"{column}_n"] = _Cells(Value("int64"), at, targets.n)
    elif targets.n is not None:
        found[f"{column}_n"] = _Cells(wholes, at, targets.n, labels)
    return found
