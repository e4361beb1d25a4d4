"""The shapes of a table, each turned into targets: judgements, a label column, one column per label."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data._schema import Kind, VoteRule
from affectml.errors import BadInput
from affectml.importers._cells import Cells, parse_cells
from affectml.importers._columns import Columns
from affectml.importers._judgements import judge, words_for_no_label
from affectml.importers._labels import LabelPlan, plan_labels, taxonomy_entry
from affectml.importers._read import Table
from affectml.importers._values import measure
from affectml.importers._write import target_file
from affectml.taxonomies import Taxonomy

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Request:
    """What the user said about the labels; the meanings are those of `import_table`'s arguments.

    native: a published set; a cell is one label whatever marks it holds, and errors name no option of `import table`.
    """

    name: str
    taxonomy: Taxonomy | None
    mapping: Mapping[str, str]
    delimiter: str | None
    kind: Kind | None
    vote_rule: VoteRule | None
    empty: str | None
    duplicates: str
    native: bool = False


@dataclass
class Shaped:
    """A table's labels as targets.

    targets: by name (the kind), its entry in dataset.json but for construct and question, and its table. rows: the
    table's rows that become images. own: the user's columns that belong to images.
    """

    rows: Rows
    own: list[str]
    targets: dict[str, tuple[dict[str, Any], pd.DataFrame]] = field(default_factory=dict)
    annotations: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: Kind, content: pd.DataFrame, taxonomy: Taxonomy, **entry: Any) -> None:
        """Add a target; it is called by its kind."""
        entry |= {"kind": kind, "taxonomy": taxonomy_entry(taxonomy), "file": target_file(kind)}
        self.targets[kind] = (entry, content.reset_index(drop=True))


def from_judgements(table: Table, ids: NDArray[Any], columns: Columns, own: list[str], request: Request) -> Shaped:
    """One row per judgement: annotations, `rates` by votes, and `distribution` where all chose one label."""
    if request.kind not in (None, "rates"):
        raise BadInput(f"{table.path}: judgements become rates; --kind {request.kind} does not fit")
    if request.vote_rule is not None:
        raise BadInput(f"{table.path}: --vote-rule is for votes and shares; judgements say it themselves")
    plan, cells, words = _plan(table, columns, request, judged=True)
    constant, varying = _by_image(table, own, ids)
    result = judge(
        table,
        ids,
        columns,
        plan,
        cells,
        words,
        empty=request.empty,
        duplicates=request.duplicates,
        own=varying,
        native=request.native,
    )
    rows = np.flatnonzero(~pd.Series(ids).duplicated().to_numpy())
    shaped = Shaped(rows, constant, annotations=result.annotations)
    shaped.notes += [*_notes(plan, cells), *result.notes]
    if varying:
        shaped.notes.append(f"differ between judgements of one image, so kept there: {', '.join(varying)}")
    if result.unanswered:
        shaped.skipped["images without an answer, left out of the targets"] = result.unanswered
    made_by = f"votes of the judgements in {table.path.name}"
    shaped.add("rates", result.rates, plan.taxonomy, values="votes", made_by=made_by)
    if result.one_choice:
        shaped.notes.append("every answer is exactly one label: also a distribution, vote rule one_choice")
        shaped.add(
            "distribution",
            result.rates,
            plan.taxonomy,
            values="votes",
            vote_rule="one_choice",
            made_by=made_by,
        )
    return shaped


def from_label_column(table: Table, ids: NDArray[Any], columns: Columns, own: list[str], request: Request) -> Shaped:
    """One label in each row (`single`), or a list of labels (`sets`)."""
    if request.kind not in (None, "single", "sets"):
        raise BadInput(f"{table.path}: a label column makes kind single or sets, not {request.kind}")
    plan, cells, _ = _plan(table, columns, request, judged=False)
    assert cells is not None
    matrix, drop = _indicators(table, plan, cells, str(columns.label), request.empty)
    shaped = Shaped(np.flatnonzero(~drop), own, notes=_notes(plan, cells))
    if drop.any():
        shaped.skipped["rows without a label"] = [table.where(int(row)) for row in np.flatnonzero(drop)]
    several = cells.several or (request.empty == "none" and None in cells.parts)
    _one_row_each(table, ids, shaped, request.duplicates, "union")
    if request.duplicates == "union":
        position = pd.Series(np.arange(len(shaped.rows)), index=ids[shaped.rows])[ids[~drop]].to_numpy()
        joined = np.zeros((len(shaped.rows), matrix.shape[1]), dtype=np.int8)
        np.maximum.at(joined, position, matrix[~drop])
        several = several or len(position) > len(joined)
    else:
        joined = matrix[shaped.rows]
    kind: Kind = request.kind or ("sets" if several else "single")
    off = joined.sum(axis=1) != 1
    if kind == "single" and off.any():
        row, count = int(shaped.rows[off.argmax()]), int(joined[off.argmax()].sum())
        raise BadInput(f"{table.where(row)}: kind single needs exactly one label, got {count}; say --kind sets")
    content = pd.DataFrame(joined, columns=list(plan.taxonomy.labels))
    content.insert(0, "image_id", ids[shaped.rows])
    made_by = f"column {columns.label} of {table.path.name}"
    shaped.add(kind, content, plan.taxonomy, values="indicator", made_by=made_by)
    shaped.notes.append(f"kind {kind}")
    return shaped


def from_label_columns(table: Table, ids: NDArray[Any], columns: Columns, own: list[str], request: Request) -> Shaped:
    """One column per label: 0/1, votes or shares; `measure` decides which."""
    plan, _, _ = _plan(table, columns, request, judged=False)
    measured = measure(table, columns.labels, plan, columns.n, request.kind, request.vote_rule)
    shaped = Shaped(np.flatnonzero(measured.keep), own, notes=[*plan.notes, measured.note])
    if not measured.keep.all():
        gone = np.flatnonzero(~measured.keep)
        shaped.skipped["rows in which nobody voted"] = [table.where(int(row)) for row in gone]
    _one_row_each(table, ids, shaped, request.duplicates, "first")
    content = measured.table.iloc[shaped.rows].reset_index(drop=True)
    content.insert(0, "image_id", ids[shaped.rows])
    shaped.add(
        measured.kind,
        content,
        plan.taxonomy,
        values=measured.values,
        vote_rule=measured.vote_rule,
        made_by=f"columns {', '.join(columns.labels)} of {table.path.name}",
    )
    return shaped


def _plan(
    table: Table, columns: Columns, request: Request, *, judged: bool
) -> tuple[LabelPlan, Cells | None, dict[str, str]]:
    """The labels of the table, its label cells if it has a label column, and its words for no label."""
    known = set(request.taxonomy.labels) if request.taxonomy else set()
    known |= set(request.mapping)
    cells, words = None, {}
    if columns.label is not None:
        never_split = known | set(table.frame[columns.label]) if request.native else known
        cells = parse_cells(table, columns.label, request.delimiter, never_split)
        found = cells.found(table)
        if judged:
            words = words_for_no_label(found, {label.casefold() for label in known})
            found = {raw: place for raw, place in found.items() if raw not in words}
    else:
        found = {column: f"{table.path}, column {column!r}" for column in columns.labels}
    where, native = str(table.path), request.native
    plan = plan_labels(found, request.mapping, request.taxonomy, where=where, name=request.name, native=native)
    return plan, cells, words


def _notes(plan: LabelPlan, cells: Cells | None) -> list[str]:
    return [*([] if cells is None else [cells.note]), *plan.notes]


def _indicators(
    table: Table, plan: LabelPlan, cells: Cells, column: str, empty: str | None
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """0/1 [N, C] of every row, and the rows to leave out because nothing is said in them."""
    at = plan.columns()
    patterns = np.zeros((len(cells.parts), len(plan.taxonomy)), dtype=np.int8)
    silent = np.array([part is None for part in cells.parts], dtype=bool)
    for pattern, part in zip(patterns, cells.parts, strict=True):
        pattern[[at[label] for label in part or ()]] = 1
    if silent.any() and empty is None:
        row = int(silent[cells.code].argmax())
        raise BadInput(
            f"{table.where(row)}: column {column!r} is empty: does nothing apply (--empty none), or is it "
            "not known (--empty skip)?"
        )
    return patterns[cells.code], silent[cells.code] & (empty == "skip")


def _one_row_each(table: Table, ids: NDArray[Any], shaped: Shaped, duplicates: str, way_out: str) -> None:
    """Keep the first row of each image among `shaped.rows`; raise BadInput unless the user said so."""
    mine = pd.Series(ids[shaped.rows])
    again = mine.duplicated().to_numpy()
    if not again.any():
        return
    if duplicates == "union" and way_out != "union":
        raise BadInput(f"{table.path}: --duplicates union joins labels; numbers per label: --duplicates first")
    if duplicates == "error":
        second = int(again.argmax())
        first = int((mine == mine[second]).to_numpy().argmax())
        union = "join their labels (--duplicates union), " if way_out == "union" else ""
        raise BadInput(
            f"{table.where(int(shaped.rows[second]))}: image {mine[second]!r} stands in "
            f"{table.unit} {table.place[shaped.rows[first]]} already; keep the first (--duplicates first), "
            f"{union}or, where each row is one person's judgement, --annotator-column or --anonymous"
        )
    places = [table.where(int(row)) for row in shaped.rows[again]]
    if duplicates == "first":
        shaped.skipped["rows of an image seen before"] = places
    else:
        shaped.notes.append(f"{len(places):,} rows joined with an earlier one of the same image")
    shaped.rows = shaped.rows[~again]


def _by_image(table: Table, own: list[str], ids: NDArray[Any]) -> tuple[list[str], list[str]]:
    """The user's columns that are the same in all rows of an image, and those that are not."""
    code, _ = pd.factorize(pd.Series(ids))
    constant: list[str] = []
    varying: list[str] = []
    for column in own:
        try:
            value, _ = pd.factorize(table.frame[column], use_na_sentinel=False)
        except TypeError:  # lists and the like
            varying.append(column)
            continue
        pairs = pd.DataFrame({"image": code, "value": value}).drop_duplicates()
        (varying if pairs["image"].duplicated().any() else constant).append(column)
    return constant, varying
