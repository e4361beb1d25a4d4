"""CSV, TSV, JSON and Parquet tables of any of the shapes that affect data come in.

A table is read, its columns found, every row's image named; its shape then makes targets of it, called by their kinds.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, option
from affectml.importers.answers import Shaped, from_judgements, measure, plan_shape
from affectml.importers.draft import About, Draft, Source, label_table
from affectml.importers.find import file_in_dataset, images_folder, inside_name, is_url, is_usual, refuse_leaving
from affectml.importers.read import SPLIT_OF, Columns, Shape, Table, TableSpec, find_columns, pick, read_table, tidy
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
    own = [c for c in content.frame.columns if c not in columns.used() and not c.startswith("n:")]
    if taken := [c for c in own if c in _RESERVED]:
        notes.append(f"columns left out, because the data set has its own of that name: {', '.join(taken)}")
        own = [c for c in own if c not in taken]
    ids = identity["image_id"].to_numpy(dtype=object)
    shape = Shape(content, ids, columns, own, spec, source.about.name, source.taxonomy)
    shaped = _unlabelled(shape) if spec.unlabelled else labels_of(shape)
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
        from affectml.importers.embeddings import ready_features

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


def labels_of(shape: Shape) -> Shaped:
    """The targets that a table's shape makes, and the judgements, where each row is one."""
    columns, spec = shape.columns, shape.spec
    if spec.anonymous and columns.annotator is not None:
        named = f"column {columns.annotator!r} names people"
        raise BadInput(f"{shape.table.path}: {named}; leave {option('anonymous')} out")
    if spec.anonymous or columns.annotator is not None:
        who = "a person without a name" if spec.anonymous else f"the person in column {columns.annotator}"
        shaped = from_judgements(shape)
        shaped.notes.insert(0, f"one judgement per row, by {who}")
        return shaped
    return _from_label_columns(shape) if columns.label is None else _from_label_column(shape)


def _unlabelled(shape: Shape) -> Shaped:
    """The images and the columns alone."""
    shaped = Shaped(rows=np.arange(len(shape.ids)), own=shape.own)
    _one_row_each(shape, shaped, "first")
    return shaped


def splits_in(table: Table, column: str) -> NDArray[Any]:
    """train, val, test or None [N]; BadInput naming the row that says another."""
    cells = table.texts(column).str.casefold()
    splits = cells.map(SPLIT_OF).astype(object)
    none = "none of train, val, test; rename the splits, or the column if it means something else"
    wrong = splits.isna() & (cells != "")
    table.refuse_row(wrong, lambda row: f"column {column!r}: split {table.frame[column].iloc[row]!r} is {none}")
    return splits.where(splits.notna(), None).to_numpy()


def _from_label_column(shape: Shape) -> Shaped:
    """One label in each row (`single`), or a list of labels (`sets`)."""
    table, ids, spec = shape.table, shape.ids, shape.spec
    if spec.kind not in (None, "single", "sets"):
        raise BadInput(f"{table.path}: a label column makes kind single or sets, not {spec.kind}")
    plan, cells, _ = plan_shape(shape)
    assert cells is not None
    silent = cells.labels.isna()
    if spec.empty is None:
        unclear = f"does nothing apply ({option('empty', 'none')}), or is it not known ({option('empty', 'skip')})?"
        way_out = table.way_out(unclear, "fill it in or take the row out")
        table.refuse_row(silent, f"column {cells.column!r} is empty: {way_out}")
    told = np.flatnonzero(~silent | (spec.empty == "none"))
    shaped = Shaped(rows=told, own=shape.own, notes=[cells.note, *plan.notes], warnings=list(plan.warnings))
    shaped.skipped["rows without a label"] = table.take(np.flatnonzero(silent & (spec.empty == "skip"))).places()
    _one_row_each(shape, shaped, "union")
    matrix = plan.indicators(len(ids), cells.spelt)
    several = cells.several or bool(silent.any() and spec.empty == "none")
    if spec.duplicates == "union":
        several = several or len(told) > len(shaped.rows)
        matrix = pd.DataFrame(matrix[told]).groupby(ids[told], sort=False).max().to_numpy()
    else:
        matrix = matrix[shaped.rows]
    kind = spec.kind or ("sets" if several else "single")
    if kind == "single":
        counts, way_out = matrix.sum(axis=1), option("kind", "sets")
        table.take(shaped.rows).refuse_row(
            counts != 1, lambda row: f"kind single needs exactly one label, got {counts[row]}; say {way_out}"
        )
    content = label_table(ids[shaped.rows], matrix, plan.taxonomy)
    made_by = f"column {cells.column} of {table.path.name}"
    shaped.add(kind, kind, content, plan.taxonomy, values="indicator", made_by=made_by)
    shaped.notes.append(f"kind {kind}")
    return shaped


def _from_label_columns(shape: Shape) -> Shaped:
    """One column per label: 0/1, votes or shares; `measure` decides which."""
    table, columns, spec, names = shape.table, shape.columns, shape.spec, list(shape.columns.labels)
    if spec.empty == "none":
        cells = table.frame[names]
        table = replace(table, frame=table.frame.assign(**cells.mask(cells.isna() | (cells == ""), 0)))
    plan, _, _ = plan_shape(shape)
    found = measure(table, names, plan, columns.n, spec.kind, spec.vote_rule, shape.votes)
    rows, notes = np.flatnonzero(found.keep), [*plan.notes, found.note]
    shaped = Shaped(rows=rows, own=shape.own, notes=notes, warnings=list(plan.warnings))
    shaped.skipped["rows in which nobody voted"] = table.take(np.flatnonzero(~found.keep)).places()
    _one_row_each(shape, shaped, "first")
    content = found.table.iloc[shaped.rows]
    content.insert(0, "image_id", shape.ids[shaped.rows])
    made_by = f"columns {', '.join(names)} of {table.path.name}"
    shaped.add(found.kind, found.kind, content, plan.taxonomy, **found.entry, made_by=made_by)
    return shaped


def _one_row_each(shape: Shape, shaped: Shaped, way_out: str) -> None:
    """Keep the first row of each image among `shaped.rows`; raise BadInput unless the user said so."""
    table, duplicates, rows = shape.table, shape.spec.duplicates, shaped.rows
    mine = pd.Index(shape.ids[rows])
    again = mine.duplicated()
    if not again.any():
        return
    first, union = (option("duplicates", word) for word in ("first", "union"))
    if duplicates == "union" and way_out != "union":
        raise BadInput(f"{table.path}: {union} joins labels; numbers per label: {first}")
    if duplicates == "error":
        second = int(again.argmax())
        before = table.place[rows[list(mine).index(mine[second])]]
        ways = f"keep the first ({first}), " + (f"join their labels ({union}), " if way_out == "union" else "")
        judged = f"{option('annotator_column')} or {option('anonymous', True)}"
        raise BadInput(
            f"{table.where(rows[second])}: image {mine[second]!r} stands in {table.unit} {before} already; "
            f"{ways}or, where each row is one person's judgement, {judged}"
        )
    places = table.take(rows[again]).places()
    if duplicates == "first":
        shaped.skipped["rows of an image seen before"] = places
    else:
        shaped.notes.append(f"{len(places):,} rows joined with an earlier one of the same image")
    shaped.rows = rows[~again]
