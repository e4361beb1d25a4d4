"""A data set as a folder that Hugging Face `datasets` loads: Parquet with the images in it, and a card."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from affectml._files import new_folder
from affectml._progress import Progress
from affectml.data import Dataset, check_new
from affectml.errors import BadInput, MissingExtra, did_you_mean, option
from affectml.people.erasing import refuse_outdated
from affectml.sharing._cards import SetFacts, licence_id, set_card
from affectml_annotation.columns import COLUMNS
from affectml_annotation.exchange.dataset_folder import note_written

IMAGE, JUDGEMENTS = "image", "judgements"
UNASSIGNED = "unassigned"  # the split of images that are in none, where others are in one
SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}
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
    and what they told of themselves (annotators.parquet) stays here. `affectml import datasets FOLDER` takes a target
    of it by the name of its column.

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
    facts, splits = SetFacts(), _splits(data.images)
    judgements = _judgements(data, keep, annotator_ids, facts)
    taken = {*data.images.columns, IMAGE} - {"file", "split"}
    ends = ("", "_votes", "_n")  # of the columns of a target
    clash = {name for name in data.meta.targets if any(f"{name}{end}" in taken for end in ends)}
    columns = {name: f"target_{name}" if name in clash else name for name in data.meta.targets}
    with new_folder(out) as temporary:
        _write_images(data, splits, columns, images, temporary, facts)
        if judgements is not None:
            (temporary / JUDGEMENTS).mkdir()
            table = pa.Table.from_pandas(judgements, preserve_index=False).replace_schema_metadata(None)
            pq.write_table(table, temporary / JUDGEMENTS / f"{JUDGEMENTS}-00000.parquet")
        sizes = {called: len(rows) for called, (_, rows) in splits.items()}
        card = set_card(data, facts, sizes, judgements)
        (temporary / "README.md").write_text(card, encoding="utf-8", newline="\n")
    unnoted = [] if note_written(data.root, out) else [f"no note of this copy can be kept beside {data.root}"]
    return SharedSet(out, sizes, _warnings(data, facts) + unnoted)


def _warnings(data: Dataset, facts: SetFacts) -> list[str]:
    said = []
    if (known := licence_id(data.meta.licence)) == "unknown":
        said.append("no licence is known, and the card says so: without one, others may not use the set")
    elif known == "other":
        said.append(f"its licence is {data.meta.licence!r}: whether it lets you share the set is for you to know")
    if facts.missing:
        said.append(f"{len(facts.missing):,} image files are not there (first: {facts.missing[0]}): empty cells")
    return [*said, *facts.left_out, *facts.ways_out]


def _splits(images: pd.DataFrame) -> dict[str, tuple[str | None, list[int]]]:
    """By the name of each split in the copy, its name here and its rows."""
    if "split" not in images.columns or images["split"].isna().all():
        return {"train": (None, list(range(len(images))))}
    split = images["split"]
    whose: dict[str, tuple[str | None, Any]] = {called: (name, split == name) for name, called in SPLIT_NAMES.items()}
    whose[UNASSIGNED] = (None, split.isna())
    return {called: (name, np.flatnonzero(rows).tolist()) for called, (name, rows) in whose.items() if rows.any()}


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


def _write_images(
    data: Dataset,
    splits: Mapping[str, tuple[str | None, list[int]]],
    columns: Mapping[str, str],
    images: bool,
    folder: Path,
    facts: SetFacts,
) -> None:
    """data/SPLIT-NNNNN.parquet, with the pixels of one row group in memory at a time."""
    from datasets import Features, Image

    own = data.images.drop(columns=["image_id", "file", "split"], errors="ignore")
    cells = {"image_id": pa.array(data.images["image_id"], pa.string())}
    labelled: dict[str, Any] = {}
    for name, column in columns.items():
        cells |= _target_cells(data, name, column, labelled)
    cells |= {str(name): pa.Array.from_pandas(own[name]) for name in own.columns}
    table, pixels = pa.table(cells), dict[str, Any]()
    files = data.images.get("file", pd.Series(None, index=data.images.index, dtype=object))
    if images and files.notna().any():
        pixels = {IMAGE if IMAGE not in own.columns else f"{IMAGE}_file": Image()}
    schema = Features({**pixels, **Features.from_arrow_schema(table.schema), **labelled}).arrow_schema
    (folder / "data").mkdir()
    with Progress("writing", len(table), "images") as bar:
        for split, (_, rows) in splits.items():
            shard, size, writer = 0, 0, None
            for start in range(0, len(rows), GROUP_ROWS):
                some = rows[start : start + GROUP_ROWS]
                part = table.take(some)
                pictures = [_picture(data, file, facts) for file in files.iloc[some]] if pixels else []
                if writer is None:
                    writer = pq.ParquetWriter(folder / "data" / f"{split}-{shard:05d}.parquet", schema)
                group = dict.fromkeys(pixels, pictures) | dict(zip(part.column_names, part.columns, strict=True))
                writer.write_table(pa.Table.from_pydict(group, schema=schema))
                size += sum(len(picture["bytes"]) for picture in pictures if picture)
                bar.advance(len(some))
                if size > SHARD_BYTES or start + GROUP_ROWS >= len(rows):
                    writer.close()
                    shard, size, writer = shard + 1, 0, None


def _picture(data: Dataset, file: str | None, facts: SetFacts) -> dict[str, Any] | None:
    if pd.isna(file):
        return None
    try:
        return {"bytes": data.image_path(str(file)).read_bytes(), "path": str(file).removeprefix("images/")}
    except FileNotFoundError:
        facts.missing.append(str(file))
        return None


def _target_cells(data: Dataset, name: str, column: str, labelled: dict[str, Any]) -> dict[str, pa.Array]:
    """The columns of a target, a cell per image of the data set; `labelled` gets what `datasets` knows as labels."""
    from datasets import ClassLabel, List

    targets, entry = data.target(name), data.meta.targets[name]
    raw = pd.read_parquet(data.image_path(entry.file))  # as it lies there: what is read is scaled to sum to one
    labels = list(targets.taxonomy.labels)

    def by_label(values: NDArray[Any]) -> pa.Array:
        return pa.StructArray.from_arrays([pa.array(each) for each in values.T], labels)

    found: dict[str, pa.Array] = {}
    if entry.values == "indicator":
        chosen = [np.flatnonzero(row).tolist() for row in raw[labels].to_numpy() == 1]
        label = ClassLabel(names=labels)
        single = entry.kind == "single"
        labelled[column] = label if single else List(label)
        found[column] = pa.array([row[0] for row in chosen] if single else chosen)
    elif entry.values == "shares":
        found[column] = by_label(raw[labels].to_numpy(np.float64))
    else:
        found |= {column: by_label(targets.shares()), f"{column}_votes": by_label(raw[labels].to_numpy(np.int64))}
    if targets.n is not None:
        found[f"{column}_n"] = pa.array(targets.n) if targets.n.ndim == 1 else by_label(targets.n)
    at = pd.Index(targets.image_id).get_indexer(pd.Index(data.images["image_id"], dtype=object))
    return {name: cells.take(pa.array(at, mask=at < 0)) for name, cells in found.items()}
