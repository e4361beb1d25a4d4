"""The split and the folds of a data set: written once into images.parquet, shown, and filled for images that came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affectml._files import sha256, with_column, write_parquet
from affectml._options import Help, Seed
from affectml.data import Dataset, splits
from affectml.data.choose import Copies, joined
from affectml.duplicates import same_pixels
from affectml.errors import BadDataset, BadInput, option
from affectml.vlm.requests import store_of
from affectml_annotation.exchange.files import keep, writing_in_turn

NOTED = "affectml {}"  # what the metadata of images.parquet call the options that a column was made with
Made = Mapping[str, str]  # these options by name; none where somebody else made it


@dataclass(frozen=True, eq=False)
class Parted:
    """The split and the folds of a data set.

    tables: for each target how many images a part or a fold has, and the mean share of each label there, a row each.
    notes: what made them, and what to know of them.
    """

    tables: dict[str, pd.DataFrame]
    notes: tuple[str, ...]


def split(
    dataset: str | PathLike[str],
    *,
    seed: Seed | None = None,
    folds: Annotated[int | None, Help(metavar="K")] = None,
    val: float | None = None,
    test: float | None = None,
    target: tuple[str, ...] = (),
    group: str | None = None,
    new: bool = False,
    replace: bool = False,
) -> Parted:
    """Write the split that all targets of a data set share, or show the existing one.

    Labels of all targets are kept in proportion at once; groups stay whole, and images with equal pixels together. Of a
    data set with one target it is the split that `train` makes with the same seed.

    Args:
        dataset: Data set folder.
        seed: Seed of the draw. Default: 0.
        folds: Write K folds for `train --fold` instead. Default: none.
        val: Share of the images for validation; 0 lets `train` cut it from train. Default: .15.
        test: Share of the images for the test. Default: .15.
        target: Target to stratify by; may be given several times. Default: all.
        group: Column of images.parquet whose groups stay whole. Default: group.
        new: Put images that have no part yet into one; no other image moves.
        replace: Split all images anew; the old images.parquet is kept beside the new one.

    Returns:
        Parted: a table for each target, and what to know.

    Raises:
        BadDataset: for a data set without targets, and for one with too few images or groups.
        BadInput: for options that cannot be, or that are not those of the split that is there.
    """
    data = Dataset.open(Path(dataset))
    data.need_targets()
    path, column = data.root / "images.parquet", "split" if folds is None else "fold"
    before, made = sha256(path), _made(data)
    given = {"seed": seed, "folds": folds, "val": val, "test": test, "target": " ".join(target), "group": group}
    asked = {name: str(value) for name, value in given.items() if value not in (None, "")}
    if folds is not None and not {"val", "test"}.isdisjoint(asked):
        raise BadInput(f"{option('folds', folds)}: all are alike: leave out {option('val')} and {option('test')}")
    if stays := column in made and not replace:
        if not asked.items() <= made[column].items():
            way = f"{option('replace', True)} parts all images anew, and keeps the old file"
            raise BadInput(f"{path}: the {column} that is there is {_words(made[column])}, and stays; {way}")
        todo = {name: how for name, how in made.items() if new and data.images[name].isna().any()}
        if not todo:
            return _parted(data, _copies(data, read=False))
    else:
        shares = {"val": str(splits.VAL_SHARE), "test": str(splits.TEST_SHARE)} if folds is None else {}
        todo = {column: {"seed": "0", **shares, **asked}}
    copies = _copies(data, read=True)
    cells = {name: _cells(data, name, how, target, copies, new=stays) for name, how in todo.items()}
    with writing_in_turn(data.root):
        if sha256(path) != before:
            raise BadDataset(f"{path}: it was changed meanwhile, so nothing was written: run the same again")
        kept = [f"the old file is {keep(path)}"] if column in made and replace else []
        table = pq.read_table(path)
        for name, parts in cells.items():
            table = with_column(table, name, parts.cast(table.schema.field(name).type) if stays else parts)
        said = {NOTED.format(name).encode(): "\n".join(map(" ".join, how.items())) for name, how in todo.items()}
        write_parquet(path, table.replace_schema_metadata({**(table.schema.metadata or {}), **said}))
    return _parted(Dataset.open(data.root), copies, kept)


def _cells(data: Dataset, column: str, how: Made, target: Sequence[str], copies: Copies, *, new: bool) -> pa.Array:
    """The column with a part for each image; new: for those that have none, the others as they are."""
    ids, by = data.images["image_id"].to_numpy(dtype=object), how.get("group", "group")
    if by != "group" and by not in data.images.columns:
        raise BadInput(f"{data.root / 'images.parquet'}: {option('group', by)}: there is no such column")
    groups, targets = joined(data.groups(ids, by), ids, copies), list(map(data.target, target or data.meta.targets))
    # an image that a target does not cover has none of its labels
    each = [pd.DataFrame(splits.strata(of), of.image_id).reindex(ids, fill_value=0) for of in targets]
    labels = np.hstack(each)
    if new:
        return pa.array(splits.filled(splits.parts_in(data, column, ids), labels, groups))
    if column == "fold":
        return pa.array(splits.folds_of(labels, int(how["folds"]), int(how["seed"]), groups))
    cut = splits.cutter(labels, groups, single=[of.kind for of in targets] == ["single"])
    return pa.array(splits.drawn(cut, len(ids), int(how["seed"]), float(how["val"]), float(how["test"])))


def _made(data: Dataset) -> dict[str, Made]:
    """The columns that are there, with what they were made with."""
    noted = pq.read_schema(data.root / "images.parquet").metadata or {}
    there = [name for name in ("split", "fold") if splits.has_parts(data, name)]
    lines = {name: noted.get(NOTED.format(name).encode(), b"").decode(errors="replace").split("\n") for name in there}
    return {name: dict(line.split(" ", 1) for line in said if " " in line) for name, said in lines.items()}


def _words(made: Made) -> str:
    return f"made with {', '.join(map(' '.join, made.items()))}" if made else "the data set's own"


def _copies(data: Dataset, *, read: bool) -> Copies:
    """Images with equal pixels, found by embeddings; without these, by reading every image, or not at all."""
    ids, store = data.images["image_id"].to_list(), store_of(data)
    features = None if store is None or store.missing(ids) else store.features(ids)
    return same_pixels(data, ids, features) if read or features is not None else ()


def _parted(data: Dataset, copies: Copies, kept: Sequence[str] = ()) -> Parted:
    ids, notes = data.images["image_id"].to_numpy(dtype=object), list[str]()
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in data.meta.targets}
    for column, how in _made(data).items():
        parts, groups = splits.parts_in(data, column, ids), data.groups(ids, how.get("group", "group"))
        said = [_words(how), *splits.of_groups(groups, parts), *splits.of_copies(ids, parts, copies)]
        if without := sum(part is None for part in parts):
            said.append(f"{without:,} images have none: `affectml split {data.root} --new` gives them one")
        notes += [f"{column}: {line}" for line in said]
        for name, rows in tables.items():
            targets = data.target(name)
            own = splits.Split(targets.image_id, splits.parts_in(data, column, targets.image_id), ())
            table = splits.split_table(own, targets)
            rows.append(table.assign(split=[f"fold {part}" if column == "fold" else part for part in table["split"]]))
    return Parted({name: pd.concat(rows, ignore_index=True) for name, rows in tables.items()}, (*notes, *kept))
