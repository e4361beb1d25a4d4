"""CSV, TSV, JSON and Parquet tables of any of the shapes that affect data come in.

A table is read, its columns found, every row's image named; its shape then makes targets of it, called by their kinds.
"""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data.schema import Kind, Values, VoteRule
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option
from affectml.importers.answers import Floats, Shaped, from_judgements, merged, plan_shape
from affectml.importers.draft import About, Draft, Source, label_table
from affectml.importers.find import file_in_dataset, images_folder, inside_name, is_url, is_usual, refuse_leaving
from affectml.importers.read import (
    SPLIT_OF,
    Columns,
    Shape,
    Table,
    TableSpec,
    find_columns,
    numbers,
    pick,
    read_table,
    tidy,
)
from affectml.importers.registry import importer

_WHOLE_OF_SUMS = 0.5  # from this share of rows summing to one, the others are taken for mistakes
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
        _one_row_each(shape, shaped, "first")
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
    """One column per label.

    0 and 1 only: `single` where every row has exactly one label, else `sets`. Whole numbers above 1: votes;
    `rates` with the number of people asked; where these votes add up to it in every row, `kind` has to say whether they
    are a `distribution` (one choice each), as votes without it are. Fractions: `distribution` where rows sum to one,
    else `rates`. `kind` overrides where the numbers allow it.
    """
    table, raw = shape.table, list(shape.columns.labels)
    if shape.spec.empty == "none":
        cells = table.frame[raw]
        table = replace(table, frame=table.frame.assign(**cells.mask(cells.isna() | (cells == ""), 0)))
    plan, _, _ = plan_shape(shape)
    values = numbers(table, raw, f", or say {option('empty', 'none')} where it means that nobody chose it")
    table.refuse(values < 0, raw, values, "a value cannot be negative")
    people = _people(shape)
    kind, what, rule, note = _decide(shape, values, people)
    columns_of = Counter(plan.label_of[column] for column in raw)
    if unasked := [label for label in plan.taxonomy.labels if not columns_of[label]]:
        raise BadInput(
            f"{table.path}: no column for label {unasked[0]!r} of taxonomy {plan.taxonomy.name}: nobody was "
            "asked about it, which is not the same as nobody choosing it; name a taxonomy without it"
        )
    twice = [column for column in raw if columns_of[plan.label_of[column]] > 1]
    if twice and kind == "rates" and what != "indicator":
        raise BadInput(
            f"{table.path}: columns {' and '.join(twice)} cannot become one label: one person may have "
            "chosen both, so their votes do not add up; keep them apart, or import single judgements"
        )
    by_label = merged(raw, values, plan)
    by_label = np.minimum(by_label, 1) if what == "indicator" else by_label
    totals = by_label.sum(axis=1)
    voted: NDArray[np.bool_] = np.ones(len(by_label), dtype=bool)
    if kind == "single":
        way_out = f"mend the row, or say {option('kind', 'sets')}"
        wrong = "kind single needs exactly one label, got {:.0f}; {}"
        table.refuse_row(totals != 1, lambda row: wrong.format(totals[row], way_out))
    if what == "votes" and people is not None and kind != "distribution":
        voted = people[:, 0] > 0
    elif what == "votes":
        voted = totals > 0
    shaped = Shaped(rows=np.flatnonzero(voted), own=shape.own, notes=[*plan.notes, note], warnings=list(plan.warnings))
    shaped.skipped["rows in which nobody voted"] = table.take(np.flatnonzero(~voted)).places()
    _one_row_each(shape, shaped, "first")
    dtype = {"votes": np.int64, "indicator": np.int8, "shares": np.float64}[what]
    content = pd.DataFrame(by_label.astype(dtype), columns=list(plan.taxonomy.labels))
    asked = {} if what == "indicator" or people is None else {"n": people[:, 0].astype(np.int64)}
    for at, (name, column) in enumerate({"image_id": shape.ids, **asked}.items()):
        content.insert(at, name, column)
    made_by = f"columns {', '.join(raw)} of {table.path.name}"
    entry = {"values": what, "vote_rule": rule, "made_by": made_by}
    shaped.add(kind, kind, content.iloc[shaped.rows], plan.taxonomy, **entry)
    return shaped


def _decide(shape: Shape, cells: Floats, people: Floats | None) -> tuple[Kind, Values, VoteRule | None, str]:
    """What cells [N, columns] are: kind, values, vote rule, and a note of how that was found."""
    table, raw, kind, said = shape.table, shape.columns.labels, shape.spec.kind, shape.spec.vote_rule
    sums, parts, votes = cells.sum(axis=1), cells != np.round(cells), shape.votes
    if votes:
        table.refuse(parts, raw, cells, "expected a whole number")
    if not parts.any() and votes is not False and (votes or cells.max() > 1 or people is not None):
        return _decide_votes(shape, cells, people)
    if not parts.any() and kind in (None, "single", "sets"):
        if kind == "single" or (kind is None and (sums == 1).all()):
            note = "0/1 columns with one label in every row: kind single (if people could choose several: sets)"
            return "single", "indicator", None, note
        table.refuse(cells > 1, raw, cells, "kind sets needs 0 or 1")
        return "sets", "indicator", None, "0/1 columns: kind sets"
    if kind in ("single", "sets"):
        table.refuse(parts, raw, cells, f"kind {kind} needs 0 or 1")
    expected = "shares lie in [0, 1] and votes are whole numbers (percentages: divide by 100)"
    above = cells > 1 + SUM_TOLERANCE
    table.refuse(parts if people is not None and above.any() and votes is None else above, raw, cells, expected)
    if kind == "rates":
        return "rates", "shares", said, "shares, kind rates as asked"
    ones = np.abs(sums - 1) <= SUM_TOLERANCE
    if ones.all():
        rule = said or "unknown"
        return "distribution", "shares", rule, f"shares sum to 1: kind distribution, vote rule {rule}"
    if kind == "distribution" or ones.mean() > _WHOLE_OF_SUMS:
        why = "" if kind == "distribution" else f", as those of {ones.sum():,} other rows do"
        way_out = table.way_out("say " + option("kind", "rates"), "call them rates")
        wrong = f"not to 1{why}; mend the row, or {way_out}"
        table.refuse_row(~ones, lambda row: f"the shares sum to {sums[row]:.4g}, {wrong}")
    return "rates", "shares", said, "shares that do not sum to 1: kind rates"


def _decide_votes(shape: Shape, cells: Floats, people: Floats | None) -> tuple[Kind, Values, VoteRule | None, str]:
    table, raw, kind, said = shape.table, shape.columns.labels, shape.spec.kind, shape.spec.vote_rule
    sums, all_chose = cells.sum(axis=1), False
    if people is not None:
        table.refuse(cells > people, raw, cells, "more votes than people asked (n)")
        all_chose = bool((sums[:, None] == people).all())
    if kind in ("single", "sets"):
        raise BadInput(f"{table.path}: kind {kind} needs 0 and 1, but the label columns hold votes")
    if people is None and kind == "rates":
        asked = f"{option('n_column')} or {option('n', 20)}"
        without = "without it the votes are a distribution"
        raise BadInput(f"{table.path}: rates from votes need the number of people asked: {asked}; {without}")
    if kind is None and all_chose and table.options:
        raise BadInput(
            f"{table.path}: in every row the votes add up to the people asked (n): did each choose one label "
            f"({option('kind', 'distribution')}), or could they choose several ({option('kind', 'rates')})?"
        )
    if kind == "rates" or (kind is None and people is not None and not all_chose):
        return "rates", "votes", None, "whole numbers with people asked (n): votes, kind rates"
    equal = all_chose or len(np.unique(sums)) == 1
    rule = said or ("one_choice" if equal else "unknown")
    unequal = f"no column n, unequal votes per row; {option('n', 20)} where 20 were asked, who might choose several"
    why = "equally many votes in every row" if equal else unequal
    return "distribution", "votes", rule, f"votes, kind distribution, vote rule {rule} ({why})"


def _people(shape: Shape) -> Floats | None:
    """People asked, [N, 1], or None."""
    table, column = shape.table, shape.columns.n
    if column is None:
        return None
    people = numbers(table, [column])
    table.refuse((people != np.round(people)) | (people < 0), [column], people, "people asked are whole numbers")
    return people


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
