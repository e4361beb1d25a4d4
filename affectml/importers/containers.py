"""The containers that Hugging Face `datasets` reads become a table and images, which mean what `import table` says."""

import re
from dataclasses import dataclass, replace
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import pandas as pd

from affectml._options import Help
from affectml.errors import BadInput, did_you_mean, option
from affectml.importers._container import Container, open_container
from affectml.importers._container_rows import VECTORS, Gathered, gather, is_vector
from affectml.importers.draft import About, Draft, Source
from affectml.importers.find import file_in_dataset
from affectml.importers.read import ANNOTATOR, LABEL, SPLIT_OF, Table, TableSpec, pick, tidy
from affectml.importers.registry import importer
from affectml.importers.shared_set import NAME as SHARED
from affectml.importers.shared_set import shared_draft
from affectml.importers.table import draft_of_table
from affectml.taxonomies import infer_taxonomy
from affectml_annotation.tables import plain
from affectml_annotation.yaml_files import load_yaml


@dataclass(frozen=True)
class ContainerSpec(TableSpec):
    """What a table's columns mean, without what only text files have."""

    encoding: str = "utf-8"
    separator: str | None = None


@importer("datasets", About(construct="evoked"), images=("copy", "hardlink", "none"), folder=False, addresses=True)
def containers(
    source: Annotated[Source, Help("Folder, file, pattern (data/*.parquet), address (s3://...) or ORG/NAME.")],
    spec: ContainerSpec,
    *,
    image_column: Annotated[str | None, Help("Column of images.", default="the only one")] = None,
    config: Annotated[str | None, Help("Which configuration of a data set that has several.")] = None,
    revision: Annotated[str | None, Help("Branch, tag or commit of a repository on the Hub.")] = None,
    splits: Annotated[list[str] | None, Help("Splits to take.", default="all")] = None,
    unlabelled: Annotated[bool, Help("Take images and columns, and no labels.")] = False,
) -> Draft:
    """What Hugging Face `datasets` reads: its folders, Parquet, WebDataset tar files, here, on the Hub, in a bucket.

    A folder of `save_to_disk`, of images with metadata.csv or .jsonl, of Parquet or tar files; one file or a pattern;
    an address that fsspec knows; or a repository on the Hub, the only case that needs a network. Columns mean what they
    mean to `import table`; a ClassLabel is a label, a list of them a set, an object of numbers a column per label, a
    list of numbers one in the order of the taxonomy. Splits are kept. Code of a data set is never run, pickled members
    are never opened. What `affectml export DATASET --hub` wrote comes back as it was.
    """
    container = open_container(source.address, config, revision)
    out = source.out.absolute()
    near = next(folder for folder in (out, *out.parents) if folder.is_dir())
    # not by the name of what a command writes and a killed one leaves, which the next one takes away
    spool = TemporaryDirectory(dir=near, prefix=f".{source.out.name}.images-", suffix=".tmp")
    place = None if source.images == "none" else Path(spool.name)
    try:
        asked = replace(spec, mapping=spec.mapping or None)  # the command line gives an empty one
        own = container.beside(SHARED) if asked == ContainerSpec() and config is None and not unlabelled else None
        if own is not None:
            result = shared_draft(container, source, own, place, revision)
        else:
            taken = _chosen(container, splits)
            named = {plain(c) for features in (container.features or {}).values() for c in features}
            judged = spec.anonymous or spec.annotator_column is not None or not named.isdisjoint(ANNOTATOR)
            gathered = gather(container, taken, image_column, place, judged=judged, root=spec.images_root)
            result = _draft(container, gathered, spec, source, unlabelled=unlabelled)
            result.about = replace(result.about, licence=source.about.licence or _licence(container))
    except BaseException:
        spool.cleanup()
        raise
    result.spool = spool
    if container.hub is not None:
        result.about = replace(result.about, source=result.about.source or container.hub)
        result.notes.append(f"read from {container.hub}")
    return result


def _licence(container: Container) -> str:
    """The licence that the README.md beside the data states in its header; empty where it states none."""
    card = (container.beside("README.md") or b"").decode("utf-8", errors="replace")
    header = re.match(r"---\r?\n(.*?)\n---", card, re.DOTALL)
    try:
        said = load_yaml(header[1]) if header else None
    except ValueError:
        return ""
    found = [said.get("license"), said.get("license_name"), said.get("license_link")] if isinstance(said, dict) else []
    return ", ".join(str(part) for part in found if part and part != "unknown")


def _chosen(container: Container, asked: list[str] | None) -> list[str]:
    have = list(container.splits)
    for name in asked or ():
        if name not in have:
            near = f"{did_you_mean(name, have)} (it has: {', '.join(have)})"
            raise BadInput(f"{container.address}: {option('splits', [name])}: no split of that name{near}")
    return asked or have


def _draft(container: Container, gathered: Gathered, spec: ContainerSpec, source: Source, *, unlabelled: bool) -> Draft:
    """The data set of gathered rows: their labels by `import table`'s rules, their images from where they are."""
    frame, notes = gathered.frame, []
    if spec.split_column is None and "split" not in frame.columns:
        frame, said = _with_splits(frame, gathered.splits)
        notes += said
    table = Table(Path(container.address), frame, np.arange(1, len(frame) + 1), spell=option)
    root = Path(container.root) if spec.images_root is None else Path(spec.images_root)
    if gathered.image is not None:
        frame, spec = _with_images(frame, gathered.image, gathered, spec)
        notes.append(f"images taken from column {gathered.image}")
        root = Path("/images")  # names alone: the places are known
        table = replace(table, frame=frame)
    if unlabelled or not _may_have_labels(gathered, spec):
        result = _without_labels(table, gathered, source)
        notes.append("no labels taken" if unlabelled else "no labels found in it, so it has no target")
    else:
        table, spec, said = _spread(table, gathered, spec, source)
        table = _without_vectors(table, spec, gathered.skipped)
        result = draft_of_table(table, spec, source, root)
        notes += said
    result.where = container.address
    if gathered.image is not None and "file" in result.images:
        places = {file_in_dataset(name): place for name, place in gathered.places.items()}
        result.sources = [places.get(name) for name in result.images["file"]]
    result.notes = [*notes, *result.notes]
    result.skipped.update({reason: rows for reason, rows in gathered.skipped.items() if rows})
    return result


def _with_splits(frame: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """A column split of the container's own, where it has several; other names than a split's are a column `part`."""
    different = list(dict.fromkeys(names))
    if len(different) == 1:
        return frame, [f"only one split ({different[0]}), and it is not kept: training makes its own"]
    known = {name: SPLIT_OF.get(name.casefold()) for name in different}
    out = frame.assign(split=pd.Series([known[name] for name in names], dtype=object))
    others = [name for name in different if known[name] is None]
    if not others:
        return out, [f"splits kept: {', '.join(different)}"]
    out["part"] = names
    if not any(known.values()):
        out = out.drop(columns="split")
    return out, [f"splits that are none of train, val and test are in the column part: {', '.join(others)}"]


def _with_images(
    frame: pd.DataFrame, column: str, gathered: Gathered, spec: ContainerSpec
) -> tuple[pd.DataFrame, ContainerSpec]:
    """The names of the images as a column, and their urls as another where there are some."""
    frame = frame.assign(**{column: pd.Series(gathered.names, dtype=object)})
    if not any(gathered.urls):
        return frame, replace(spec, file_column=column)
    urls = pd.Series(gathered.urls, dtype=object)
    return frame.assign(url=urls), replace(spec, file_column=column, url_column="url")


def _may_have_labels(gathered: Gathered, spec: ContainerSpec) -> bool:
    """Whether a column could be meant as labels: one that was named, a ClassLabel, one called so, or numbers."""
    if spec.label_column or spec.label_columns or spec.taxonomy is not None or gathered.labels:
        return True
    frame = gathered.frame
    return any(plain(c) in LABEL or pd.api.types.is_numeric_dtype(frame[c]) for c in frame.columns)


def _without_labels(table: Table, gathered: Gathered, source: Source) -> Draft:
    """Images and columns alone, an image once; raises BadInput for an image_id that two images have."""
    if gathered.image is None:
        raise BadInput(f"{table.path}: neither images nor labels in it (columns: {', '.join(table.frame.columns)})")
    frame = _without_vectors(table, ContainerSpec(), gathered.skipped).frame
    shown = [n or u for n, u in zip(gathered.names, gathered.urls, strict=True)]
    ids = pd.Series(shown, dtype=object)
    if "image_id" in frame.columns and frame["image_id"].notna().all():
        ids = frame["image_id"].astype(str)
    first: dict[str, int] = {}
    for row, image in enumerate(ids):
        if shown[first.setdefault(image, row)] != shown[row]:
            raise BadInput(
                f"{gathered.where[row]}: image_id {image!r} is that of another image ({gathered.where[first[image]]}); "
                "rename one"
            )
    images = pd.DataFrame({"image_id": ids})
    if source.images != "none" and any(gathered.names):
        images["file"] = [None if name is None else file_in_dataset(name) for name in gathered.names]
    if any(gathered.urls):
        images["url"] = gathered.urls
    for column in frame.columns:
        if column not in (gathered.image, "image_id", "file", "url"):
            images[column] = tidy(frame[column]).to_numpy()
    images = images[~images["image_id"].duplicated()].reset_index(drop=True)
    return Draft(about=source.about, images=images, sources=[None] * len(images), where=str(table.path))


def _spread(
    table: Table, gathered: Gathered, spec: ContainerSpec, source: Source
) -> tuple[Table, ContainerSpec, list[str]]:
    """The label column, if there is one, in a form that tables have: objects and lists of numbers as columns."""
    name = None
    if spec.label_columns is None:
        only = next(iter(gathered.labels)) if len(gathered.labels) == 1 else None
        name = pick(table, spec.label_column, LABEL, "label_column") or only
    if name is None:
        return table, spec, []
    cells = table.frame[name]
    if name in gathered.labels and spec.taxonomy is None and not spec.renamed:
        names = gathered.labels[name]
        if len(names) > 1:
            spec = replace(spec, taxonomy=infer_taxonomy(names, name=f"{source.about.name}-labels"))
        return table, replace(spec, label_column=name), [f"labels taken from column {name}"]
    filled = [cell for cell in cells if cell is not None]
    if filled and all(isinstance(cell, dict) for cell in filled):
        spread, said = _of_objects(cells, table), f"labels taken from the keys of column {name}"
    elif is_vector(cells) and (isinstance(filled[0][0], float) or spec.taxonomy is not None):
        spread, said = _of_vectors(cells, table, spec), f"labels taken from column {name}, in the taxonomy's order"
    else:
        return table, replace(spec, label_column=name), [f"labels taken from column {name}"]
    if twice := [label for label in spread.columns if label in table.frame.columns]:
        raise BadInput(f"{table.path}: column {name!r} has {twice[0]!r} in it, which is a column too; rename one")
    frame = pd.concat([table.frame.drop(columns=name), spread], axis=1)
    gathered.skipped["rows without a label"] = list(compress(gathered.where, cells.isna()))
    taken = replace(table, frame=frame).take(np.flatnonzero(cells.notna()))
    return taken, replace(spec, label_column=None, label_columns=list(spread.columns)), [said]


def _of_objects(cells: pd.Series, table: Table) -> pd.DataFrame:
    """A column for each key of a column of objects; a key that one of them lacks stays a gap, which is an error."""
    keys = list(dict.fromkeys(key for cell in cells if cell is not None for key in cell))
    if not keys:
        raise BadInput(f"{table.path}: column {cells.name!r} holds objects without a key; expected a number by label")
    spread = pd.DataFrame({key: [None if cell is None else cell.get(key) for cell in cells] for key in keys})
    told = cells.notna().to_numpy()
    gaps = spread.isna().to_numpy() & told[:, None]
    if gaps.any():
        row, column = (int(at) for at in np.argwhere(gaps)[0])
        raise BadInput(f"{table.where(row)}: no number for {keys[column]!r}; every row names every label")
    return spread


def _of_vectors(cells: pd.Series, table: Table, spec: ContainerSpec) -> pd.DataFrame:
    """A column for each label of the taxonomy, in whose order the numbers are."""
    taxonomy = spec.given
    if taxonomy is None:
        length = len(next(cell for cell in cells if cell is not None))
        raise BadInput(
            f"{table.path}: column {cells.name!r} holds a list of {length} numbers in each row; name the taxonomy in "
            f"whose order they are: {option('taxonomy')}"
        )
    for row, cell in enumerate(cells):
        if cell is not None and len(cell) != len(taxonomy):
            has = f"{len(cell)} numbers, and {taxonomy.name} has {len(taxonomy)} labels"
            raise BadInput(f"{table.where(row)}: column {cells.name!r}: {has}")
    empty = [None] * len(taxonomy)
    return pd.DataFrame([empty if cell is None else list(cell) for cell in cells], columns=list(taxonomy.labels))


def _without_vectors(table: Table, spec: ContainerSpec, skipped: dict[str, list[str]]) -> Table:
    """Without columns of lists of numbers, such as embeddings, and of nested objects, unless they are labels."""
    gone = []
    for column in table.frame.columns:
        cells = table.frame[column]
        filled = [cell for cell in cells if cell is not None] if cells.dtype == object else []
        nested = any(
            isinstance(cell, dict) or (isinstance(cell, list) and any(isinstance(one, dict | list) for one in cell))
            for cell in filled
        )
        if column != spec.label_column and filled and (is_vector(cells) or nested):
            gone.append(column)
    if gone:
        skipped.setdefault(VECTORS, []).extend(gone)
    return replace(table, frame=table.frame.drop(columns=gone))
