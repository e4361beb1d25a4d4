"""The shapes of a table, each turned into targets: judgements, a label column, one column per label."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data.schema import Kind
from affectml.errors import BadInput, option
from affectml.importers._cells import Cells, parse_cells
from affectml.importers._judgements import judge, words_for_no_label
from affectml.importers._values import measure
from affectml.importers.columns import Shape
from affectml.importers.draft import Labels, label_table
from affectml.importers.labels import LabelPlan, plan_labels
from affectml.importers.read import Table, first_row

Rows = NDArray[np.int64]


@dataclass
class Shaped(Labels):
    """A table's labels as targets, each called by its kind.

    rows: the table's rows that become images. own: the user's columns that belong to images.
    """

    rows: Rows = field(kw_only=True)
    own: list[str] = field(kw_only=True)


def from_judgements(shape: Shape) -> Shaped:
    """One row per judgement: annotations, `rates` by votes, and `distribution` where all chose one label."""
    table, spec = shape.table, shape.spec
    if spec.kind not in (None, "rates"):
        raise BadInput(f"{table.path}: judgements become rates; {option('kind', spec.kind)} does not fit")
    if spec.vote_rule is not None:
        raise BadInput(f"{table.path}: {option('vote_rule')} is for votes and shares; judgements say it themselves")
    plan, cells, words = _plan(shape, judged=True)
    constant, varying = _by_image(table, shape.own, shape.ids)
    result = judge(shape, plan, cells, words, varying)
    rows = np.flatnonzero(~pd.Series(shape.ids).duplicated().to_numpy())
    shaped = _shaped(rows, constant, plan, cells)
    shaped.annotations = result.annotations
    shaped.notes += result.notes
    if varying:
        shaped.notes.append(f"differ between judgements of one image, so kept there: {', '.join(varying)}")
    if result.unanswered:
        shaped.skipped["images without an answer, left out of the targets"] = result.unanswered
    made_by = f"votes of the judgements in {table.path.name}"
    shaped.add("rates", "rates", result.rates, plan.taxonomy, values="votes", made_by=made_by)
    if result.one_choice:
        shaped.notes.append("every answer is exactly one label: also a distribution, vote rule one_choice")
        entry = {"values": "votes", "vote_rule": "one_choice", "made_by": made_by}
        shaped.add("distribution", "distribution", result.rates, plan.taxonomy, **entry)
    return shaped


def from_label_column(shape: Shape) -> Shaped:
    """One label in each row (`single`), or a list of labels (`sets`)."""
    table, ids, spec = shape.table, shape.ids, shape.spec
    if spec.kind not in (None, "single", "sets"):
        raise BadInput(f"{table.path}: a label column makes kind single or sets, not {spec.kind}")
    plan, cells, _ = _plan(shape, judged=False)
    assert cells is not None
    matrix, drop = _indicators(table, plan, cells, str(shape.columns.label), spec.empty)
    shaped = _shaped(np.flatnonzero(~drop), shape.own, plan, cells)
    shaped.skipped["rows without a label"] = table.take(np.flatnonzero(drop)).places()
    several = cells.several or (spec.empty == "none" and None in cells.parts)
    _one_row_each(table, ids, shaped, spec.duplicates, "union")
    if spec.duplicates == "union":
        position = pd.Series(np.arange(len(shaped.rows)), index=ids[shaped.rows])[ids[~drop]].to_numpy()
        joined = np.zeros((len(shaped.rows), matrix.shape[1]), dtype=np.int8)
        np.maximum.at(joined, position, matrix[~drop])
        several = several or len(position) > len(joined)
    else:
        joined = matrix[shaped.rows]
    kind: Kind = spec.kind or ("sets" if several else "single")
    if kind == "single" and (off := first_row(joined.sum(axis=1) != 1)) is not None:
        place, count, way_out = table.where(int(shaped.rows[off])), joined[off].sum(), option("kind", "sets")
        raise BadInput(f"{place}: kind single needs exactly one label, got {count}; say {way_out}")
    content = label_table(ids[shaped.rows], joined, plan.taxonomy)
    made_by = f"column {shape.columns.label} of {table.path.name}"
    shaped.add(kind, kind, content, plan.taxonomy, values="indicator", made_by=made_by)
    shaped.notes.append(f"kind {kind}")
    return shaped


def from_label_columns(shape: Shape) -> Shaped:
    """One column per label: 0/1, votes or shares; `measure` decides which."""
    table, ids, columns, spec = shape.table, shape.ids, shape.columns, shape.spec
    if spec.empty == "none":
        cells = table.frame[list(columns.labels)]
        zeros = cells.mask(cells.isna() | (cells == ""), 0)
        table = replace(table, frame=table.frame.assign(**{name: zeros[name] for name in columns.labels}))
    plan, _, _ = _plan(shape, judged=False)
    measured = measure(table, columns.labels, plan, columns.n, spec.kind, spec.vote_rule)
    shaped = _shaped(np.flatnonzero(measured.keep), shape.own, plan, None)
    shaped.notes.append(measured.note)
    shaped.skipped["rows in which nobody voted"] = table.take(np.flatnonzero(~measured.keep)).places()
    _one_row_each(table, ids, shaped, spec.duplicates, "first")
    content = measured.table.iloc[shaped.rows].reset_index(drop=True)
    content.insert(0, "image_id", ids[shaped.rows])
    entry = {"values": measured.values, "vote_rule": measured.vote_rule}
    made_by = f"columns {', '.join(columns.labels)} of {table.path.name}"
    shaped.add(measured.kind, measured.kind, content, plan.taxonomy, **entry, made_by=made_by)
    return shaped


def _plan(shape: Shape, *, judged: bool) -> tuple[LabelPlan, Cells | None, dict[str, str]]:
    """The labels of the table, its label cells if it has a label column, and its words for no label."""
    table, columns, spec = shape.table, shape.columns, shape.spec
    known = {*(spec.given.labels if spec.given else ()), *spec.renamed}
    cells, words, counts = None, {}, None
    if columns.label is not None:
        cells = parse_cells(table, columns.label, spec.delimiter, known)
        found, counts = cells.found(table), cells.counts()
        if judged:
            words = words_for_no_label(found, {label.casefold() for label in known})
            found = {raw: place for raw, place in found.items() if raw not in words}
    else:
        found = {column: f"{table.path}, column {column!r}" for column in columns.labels}
    where, own = str(table.path), shape.taxonomy
    plan = plan_labels(
        found, spec.renamed, spec.given, where=where, name=shape.name, counts=counts, renames=table.options, own=own
    )
    return plan, cells, words


def _shaped(rows: Rows, own: list[str], plan: LabelPlan, cells: Cells | None) -> Shaped:
    notes = [*([] if cells is None else [cells.note]), *plan.notes]
    return Shaped(rows=rows, own=own, notes=notes, warnings=list(plan.warnings))


def _indicators(
    table: Table, plan: LabelPlan, cells: Cells, column: str, empty: str | None
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """0/1 [N, C] of every row, and the rows to leave out because nothing is said in them."""
    at = plan.columns()
    patterns = np.zeros((len(cells.parts), len(plan.taxonomy)), dtype=np.int8)
    silent = np.array([part is None for part in cells.parts], dtype=bool)
    for pattern, part in zip(patterns, cells.parts, strict=True):
        pattern[[at[label] for label in part or ()]] = 1
    if empty is None and (row := first_row(silent[cells.code])) is not None:
        raise BadInput(
            f"{table.where(row)}: column {column!r} is empty: does nothing apply "
            f"({option('empty', 'none')}), or is it not known ({option('empty', 'skip')})?"
        )
    return patterns[cells.code], silent[cells.code] & (empty == "skip")


def _one_row_each(table: Table, ids: NDArray[Any], shaped: Shaped, duplicates: str, way_out: str) -> None:
    """Keep the first row of each image among `shaped.rows`; raise BadInput unless the user said so."""
    mine = pd.Series(ids[shaped.rows])
    again = mine.duplicated().to_numpy()
    second = first_row(again)
    if second is None:
        return
    if duplicates == "union" and way_out != "union":
        said, way_out = (option("duplicates", word) for word in ("union", "first"))
        raise BadInput(f"{table.path}: {said} joins labels; numbers per label: {way_out}")
    if duplicates == "error":
        before = shaped.rows[int((mine == mine[second]).to_numpy().argmax())]
        union = f"join their labels ({option('duplicates', 'union')}), " if way_out == "union" else ""
        raise BadInput(
            f"{table.where(int(shaped.rows[second]))}: image {mine[second]!r} stands in "
            f"{table.unit} {table.place[before]} already; keep the first "
            f"({option('duplicates', 'first')}), {union}or, where each row is one person's judgement, "
            f"{option('annotator_column')} or {option('anonymous', True)}"
        )
    places = table.take(shaped.rows[again]).places()
    if duplicates == "first":
        shaped.skipped["rows of an image seen before"] = places
    else:
        shaped.notes.append(f"{len(places):,} rows joined with an earlier one of the same image")
    shaped.rows = shaped.rows[~again]


def _by_image(table: Table, own: list[str], ids: NDArray[Any]) -> tuple[list[str], list[str]]:
    """The user's columns that are the same in all rows of an image, and those that are not."""
    code, _ = pd.factorize(pd.Series(ids))
    varying = []
    for column in own:
        try:
            value, _ = pd.factorize(table.frame[column], use_na_sentinel=False)
        except TypeError:  # lists and the like
            varying.append(column)
            continue
        pairs = pd.DataFrame({"image": code, "value": value}).drop_duplicates()
        if pairs["image"].duplicated().any():
            varying.append(column)
    return [column for column in own if column not in varying], varying
