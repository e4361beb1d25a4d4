"""CSV, TSV, JSON and Parquet tables of any of the shapes that affect data come in.

A table is read, its columns found, every row's image named; its shape then makes targets of it, called by their kinds.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from affectml.errors import BadInput, option
from affectml.importers.answers import Shaped, labels_of, one_row_each
from affectml.importers.draft import About, Draft, Source
from affectml.importers.embeddings import ready_features
from affectml.importers.find import file_in_dataset, images_folder, inside_name, is_url, is_usual, refuse_leaving
from affectml.importers.read import (
    Columns,
    Shape,
    Table,
    TableSpec,
    find_columns,
    pick,
    read_table,
    splits_in,
    tidy,
)
from affectml.importers.registry import importer

_RESERVED = ("image_id", "file", "url", "split", "group")


@importer("table", About(construct="evoked"), folder=False, joins=True)
def table(source: Source, spec: TableSpec) -> Draft:
    """A CSV, TSV, JSON or Parquet file that names an image in each row; what is not said is found in it and noted.

    Shapes: one label in each row (target `single`); a list of labels (`sets`); a column per label, of 0/1 (`sets`, or
    `single` where every row has one), of votes with or without the number of people asked (`rates` or
    `distribution`), or of shares (`distribution` where rows sum to one, else `rates`); one row per judgement
    (annotations.parquet and `rates`; also `distribution` where everybody chose exactly one label). OUT may be a data
    set that exists: then the targets and columns are joined to it, or, with `--unlabelled`, the columns alone.

    Args:
        source: CSV, TSV, JSON or Parquet file.
    """
    content = read_table(source.path, encoding=spec.encoding, separator=spec.separator, options=True)
    return draft_of_table(content, spec, source, images_folder(spec.images_root, content.path.parent))


def draft_of_table(content: Table, spec: TableSpec, source: Source, root: Path) -> Draft:
    """The data set that a table makes; `root` holds the images that it names."""
    if spec.n is not None:
        if (there := pick(content, spec.n_column, ("n",), "n_column")) is not None:
            given = option("n", spec.n)
            raise BadInput(f"{content.path}: column {there!r} says how many were asked; leave {given} out")
        content = replace(content, frame=content.frame.assign(n=spec.n))
    columns, notes = find_columns(content, spec)
    identity, sources = _identify(content, columns, root, source)
    own = [c for c in content.frame.columns if c not in columns.used()]
    if taken := [c for c in own if c in _RESERVED]:
        notes.append(f"columns left out, because the data set has its own of that name: {', '.join(taken)}")
        own = [c for c in own if c not in taken]
    ids = identity["image_id"].to_numpy(dtype=object)
    shape = Shape(content, ids, columns, own, spec, source.about.name, source.taxonomy)
    if spec.unlabelled:
        shaped = Shaped(rows=np.arange(len(ids)), own=own)
        one_row_each(shape, shaped, "first")
    else:
        shaped = labels_of(shape)
    images = identity.iloc[shaped.rows].reset_index(drop=True)
    if columns.split is not None:
        images["split"] = splits_in(content, columns.split)[shaped.rows]
    for name, column in {"group": columns.group, **dict(zip(shaped.own, shaped.own, strict=True))}.items():
        if column is not None:
            images[name] = tidy(content.frame[column]).iloc[shaped.rows].to_numpy()
    draft = Draft(
        about=source.about,
        images=images,
        sources=[sources[row] for row in shaped.rows],
        where=str(content.path),
        notes=[*content.notes, *notes],
        people_named=not spec.anonymous,
        way_out=f"name the folder that holds the images ({option('images_root')})",
    )
    draft.take(shaped)
    if spec.embeddings is not None:
        draft.embedded, said = ready_features(Path(spec.embeddings), content.path, images, source.about.name)
        draft.notes.append(said)
    return draft


def _identify(table: Table, columns: Columns, root: Path, source: Source) -> tuple[pd.DataFrame, list[Path | None]]:
    """image_id, file and url of every row, and its image's path; raises BadInput for a row that names nothing."""
    named, url = table.texts(columns.file), table.texts(columns.url)
    in_file = named.map(is_url).astype(bool)
    url, named = url.where(~in_file | (url != ""), named), named.where(~in_file, "")
    looked = " and ".join(repr(column) for column in (columns.file, columns.url) if column)
    nothing = f"neither file nor url (column {looked} is empty); fill it in or take the row out"
    table.refuse_row((named == "") & (url == ""), nothing)
    names = [
        name if source.onto is not None or is_usual(name) else inside_name(name, root, table.where(row))
        for row, name in enumerate(named)
    ]
    ids = pd.Series(names, dtype=object).where(named != "", url)
    if columns.image_id not in (None, columns.file, columns.url):
        ids = table.texts(columns.image_id)
        table.refuse_row(ids == "", "image_id is empty")
    out = pd.DataFrame({"image_id": ids})
    places: list[Path | None] = [None] * len(names)
    if source.onto is not None:
        out["file"] = [name or None for name in names]
    elif source.images != "none":
        refuse_leaving(names, root, table.where, f"name the folder that holds the images ({option('images_root')})")
        places = [root / name if name else None for name in names]
        if any(names):
            out["file"] = [file_in_dataset(name) if name else None for name in names]
    if (url != "").any():
        out["url"] = url.where(url != "", None)
    return out, places
