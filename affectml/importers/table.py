"""CSV, TSV, JSON and Parquet tables of any of the shapes that affect data come in."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from numpy.typing import NDArray

from affectml._options import Help
from affectml.errors import BadInput, option
from affectml.importers._images import file_in_dataset, inside_name, is_usual
from affectml.importers._shapes import Shaped, from_judgements, from_label_column, from_label_columns
from affectml.importers._spec import TableSpec
from affectml.importers.columns import SPLIT_OF, Columns, Shape, find_columns, pick, tidy
from affectml.importers.draft import About, Draft, Source
from affectml.importers.find import images_folder, is_url, refuse_leaving
from affectml.importers.read import Table, first_row, read_table
from affectml.importers.registry import importer

_RESERVED = ("image_id", "file", "url", "split", "group")


@importer("table", About(construct="evoked"), folder=False, joins=True)
def table(source: Annotated[Source, Help("CSV, TSV, JSON or Parquet file.")], spec: TableSpec) -> Draft:
    """A CSV, TSV, JSON or Parquet file that names an image in each row; what is not said is found in it and noted.

    Shapes: one label in each row (target `single`); a list of labels (`sets`); a column per label, of 0/1 (`sets`, or
    `single` where every row has one), of votes with or without the number of people asked (`rates` or
    `distribution`), or of shares (`distribution` where rows sum to one, else `rates`); one row per judgement
    (annotations.parquet and `rates`; also `distribution` where everybody chose exactly one label). OUT may be a data
    set that exists: then the targets and columns are joined to it.
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
    identity = _identify(content, columns, root, source)
    own = [c for c in content.frame.columns if c not in columns.used() and not c.startswith("n:")]
    if taken := [c for c in own if c in _RESERVED]:
        notes.append(f"columns left out, because the data set has its own of that name: {', '.join(taken)}")
        own = [c for c in own if c not in taken]
    ids = identity["image_id"].to_numpy(dtype=object)
    shaped, note = _shape(Shape(content, ids, columns, own, spec, source.about.name, source.taxonomy))
    images = identity.iloc[shaped.rows].drop(columns="source").reset_index(drop=True)
    if columns.split is not None:
        images["split"] = _splits(content, columns.split)[shaped.rows]
    for column in [*([columns.group] if columns.group else []), *shaped.own]:
        kept = "group" if column == columns.group else column
        images[kept] = tidy(content.frame[column]).iloc[shaped.rows].to_numpy()
    draft = Draft(
        about=source.about,
        images=images,
        sources=identity["source"].iloc[shaped.rows].tolist(),
        where=str(content.path),
        notes=[*content.notes, *notes, *note],
        people_named=not spec.anonymous,
        way_out=f"name the folder that holds the images ({option('images_root')})",
    )
    draft.take(shaped)
    if spec.embeddings is not None:
        from affectml.importers.embeddings import ready_features

        draft.embedded, said = ready_features(Path(spec.embeddings), content.path, images, source.about.name)
        draft.notes.append(said)
    return draft


def _shape(shape: Shape) -> tuple[Shaped, list[str]]:
    """The table's targets, and a note where its rows are judgements."""
    columns, anonymous = shape.columns, shape.spec.anonymous
    if anonymous and columns.annotator is not None:
        named = f"column {columns.annotator!r} names people"
        raise BadInput(f"{shape.table.path}: {named}; leave {option('anonymous')} out")
    if anonymous or columns.annotator is not None:
        who = "a person without a name" if anonymous else f"the person in column {columns.annotator}"
        return from_judgements(shape), [f"one judgement per row, by {who}"]
    return (from_label_columns if columns.label is None else from_label_column)(shape), []


def _identify(table: Table, columns: Columns, root: Path, source: Source) -> pd.DataFrame:
    """image_id, file, url and source (a path) of every row; raises BadInput for a row that names nothing."""
    frame = table.frame
    nothing = pd.Series([""] * len(frame), dtype=object)
    named = nothing if columns.file is None else _text(frame[columns.file])
    url = nothing if columns.url is None else _text(frame[columns.url])
    in_file = pd.Series([is_url(cell) for cell in named], dtype=bool)
    url = url.where(~in_file | (url != ""), named)
    named = named.where(~in_file, "")
    if (row := first_row((named == "") & (url == ""))) is not None:
        looked = " and ".join(repr(c) for c in (columns.file, columns.url) if c)
        raise BadInput(
            f"{table.where(row)}: neither file nor url (column {looked} is empty); fill it in or take the row out"
        )
    names = [
        cell if source.onto is not None or is_usual(cell) else inside_name(cell, root, table.where(row))
        for row, cell in enumerate(named)
    ]
    out = pd.DataFrame(index=frame.index)
    if columns.image_id is not None and columns.image_id not in (columns.file, columns.url):
        ids = _text(frame[columns.image_id])
        if (row := first_row(ids == "")) is not None:
            raise BadInput(f"{table.where(row)}: image_id is empty")
    else:
        ids = pd.Series(names, dtype=object).where(named != "", url)
    out["image_id"] = ids
    if source.onto is not None:
        out["source"], out["file"] = None, [name or None for name in names]
    elif source.images == "none":
        out["source"] = None
    else:
        way_out = f"name the folder that holds the images ({option('images_root')})"
        refuse_leaving(names, root, table.where, way_out)
        out["source"] = pd.Series([root / name if name else None for name in names], dtype=object)
        if any(names):
            out["file"] = [file_in_dataset(name) if name else None for name in names]
    if (url != "").any():
        out["url"] = url.where(url != "", None)
    return out


def _text(cells: pd.Series) -> pd.Series:
    """Cells as stripped text, the empty text where there is nothing."""
    return cells.astype(object).where(cells.notna(), "").astype(str).str.strip().astype(object)


def _splits(table: Table, column: str) -> NDArray[Any]:
    cells = _text(table.frame[column]).str.casefold()
    splits = cells.map(SPLIT_OF)
    if (row := first_row(splits.isna() & (cells != ""))) is not None:
        raise BadInput(
            f"{table.where(row)}: column {column!r}: split {table.frame[column].iloc[row]!r} is none of "
            "train, val, test; rename the splits, or the column if it means something else"
        )
    return splits.astype(object).where(splits.notna(), None).to_numpy()
