"""What people answered becomes targets: single judgements, and numbers for each label (0/1, votes or shares)."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, option
from affectml.importers.draft import Labels
from affectml.importers.labels import Cells, LabelPlan, parse_cells, plan_labels
from affectml.importers.read import (
    ANNOTATOR,
    FILE,
    LABEL,
    Columns,
    Shape,
    Table,
    TableSpec,
    numbers,
    pick,
    read_table,
    tidy,
)
from affectml.taxonomies import Taxonomy
from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import AnnotationError
from affectml_annotation.exchange.tables import without_own
from affectml_annotation.judgements import FLAG, KINDS, are_data, count_votes, of_now, only_data

Floats = NDArray[np.float64]
Said = list[tuple[str, Any, list[str]]]  # place, image and labels of each answer of one person
SAID = "answers"  # what messages call answers that are in no file
KEY = ["image_id", "annotator_id", "round"]
ANSWERS = KINDS[:2]  # the kinds of judgements that say something of an image's labels
_WORDS = (*KINDS[1:], FLAG)  # what a cell of labels may say in place of labels


@dataclass
class Shaped(Labels):
    """A table's labels as targets, each called by its kind.

    rows: the table's rows that become images. own: the user's columns that belong to images.
    """

    rows: NDArray[np.int64] = field(kw_only=True)
    own: list[str] = field(kw_only=True)


def plan_shape(shape: Shape, *, judged: bool = False) -> tuple[LabelPlan, Cells | None, dict[str, str]]:
    """The labels of a table, its label cells if it has a label column, and its words for no label if it has judgements.

    Such a word is none, unsure, skip or flag in place of a label; they come with their kinds.
    """
    table, columns, spec = shape.table, shape.columns, shape.spec
    found = {column: f"{table.path}, column {column!r}" for column in columns.labels}
    known = {*(spec.given.labels if spec.given else ()), *spec.renamed}
    cells, counts, words = None, None, {}
    if columns.label is not None:
        cells = parse_cells(table, columns.label, spec.delimiter, known)
        found, counts = cells.found(), Counter(cells.spelt)
        words = _words_for_no_label(found, known) if judged else {}
    named = {raw: place for raw, place in found.items() if raw not in words}
    where, name, own = str(table.path), shape.name, shape.taxonomy
    plan = plan_labels(
        named, spec.renamed, spec.given, where=where, name=name, counts=counts, renames=table.options, own=own
    )
    return plan, cells, words


def _words_for_no_label(found: Iterable[str], known: Collection[str]) -> dict[str, str]:
    labels = {label.casefold() for label in known}
    return {raw: raw.casefold() for raw in found if raw.casefold() in _WORDS and raw.casefold() not in labels}


def from_judgements(shape: Shape) -> Shaped:
    """One row per judgement: annotations, `rates` by votes, and `distribution` where all chose one label.

    An empty cell of labels is an error unless `spec.empty` says "none" (nothing applies) or "skip" (no answer). Two
    rows of one person, image and round are one unless `spec.duplicates` says "first", or "union" (one label a row).
    """
    table, spec, ids = shape.table, shape.spec, pd.Series(shape.ids)
    if spec.kind not in (None, "rates"):
        raise BadInput(f"{table.path}: judgements become rates; {option('kind', spec.kind)} does not fit")
    if spec.vote_rule is not None:
        raise BadInput(f"{table.path}: {option('vote_rule')} is for votes and shares; judgements say it themselves")
    plan, cells, words = plan_shape(shape, judged=True)
    varying = [column for column in shape.own if _differs(table.frame[column], ids)]
    own = [column for column in shape.own if column not in varying]
    notes = [*([] if cells is None else [cells.note]), *plan.notes]
    result = Shaped(rows=np.flatnonzero(~ids.duplicated()), own=own, notes=notes, warnings=list(plan.warnings))
    judgements = _one_each(table, _judgements(shape, plan, cells, words, varying, notes), spec.duplicates, notes)
    result.annotations = judgements
    notes += only_data(judgements)[1]
    if varying:
        notes.append(f"differ between judgements of one image, so kept there: {', '.join(varying)}")
    rates, one_choice, unanswered = count(judgements, plan.taxonomy.labels, str(table.path))
    if unanswered:
        result.skipped["images without an answer, left out of the targets"] = unanswered
    made: dict[str, Any] = {"values": "votes", "made_by": f"votes of the judgements in {table.path.name}"}
    result.add("rates", "rates", rates, plan.taxonomy, **made)
    if one_choice:
        notes.append("every answer is exactly one label: also a distribution, vote rule one_choice")
        result.add("distribution", "distribution", rates, plan.taxonomy, vote_rule="one_choice", **made)
    return result


def _judgements(
    shape: Shape, plan: LabelPlan, cells: Cells | None, words: dict[str, str], own: list[str], notes: list[str]
) -> pd.DataFrame:
    """The rows of a table as annotations.parquet has them, in their order. own: further columns of the judgements."""
    table, columns, frame = shape.table, shape.columns, shape.table.frame
    kinds = None  # unless they are a judgement table's, `kind` is a column of the user's own
    if "kind" in frame and frame["kind"].isin((*KINDS, FLAG)).all():
        kinds = frame["kind"].tolist()
    if cells is None:
        said, lists = _from_indicators(table, columns.labels, plan)
    else:
        said, lists = _from_cells(cells, plan, words, shape.spec.empty if kinds is None else "none")
    if kinds is not None:
        said, lists = kinds, [of if kind == "labels" else [] for of, kind in zip(lists, kinds, strict=True)]
    events = [f"{table.unit}-{place}" for place in table.place]
    if "event_id" in frame and frame["event_id"].notna().all() and frame["event_id"].is_unique:
        events = list(map(str, frame["event_id"]))
    people = pd.Series([f"anonymous-{place}" for place in table.place])
    if columns.annotator is not None:
        nobody = f"column {columns.annotator!r} is empty; every judgement needs who made it"
        table.refuse_row(table.texts(columns.annotator) == "", nobody)
        people = frame[columns.annotator].astype(str)
    found = pd.DataFrame({"event_id": events, "image_id": shape.ids, "annotator_id": people.to_numpy(dtype=object)})
    found = found.assign(round=_rounds(table), kind=np.array(said, dtype=object), labels=lists)
    known = [column.name for column in COLUMNS if column.name in frame.columns and column.name not in columns.used()]
    for name in dict.fromkeys([*known, *own]):
        if name not in (*KEY, "event_id", "kind", "labels"):
            found[name] = tidy(frame[name])
    found, left_out = without_own(found, table.where)
    notes += left_out
    return of_now(found)


def _from_cells(cells: Cells, plan: LabelPlan, words: dict[str, str], empty: str | None) -> tuple[list[str], list[Any]]:
    """Kind and labels of each row of a label column."""
    table, of_cell = cells.table, {}
    different = cells.labels.drop_duplicates()
    for row, part in zip(different.index, different, strict=True):
        said = {words[label] for label in part or () if label in words}
        chosen = list(dict.fromkeys(plan.label_of[label] for label in part or () if label not in words))
        if part is None:
            if empty is None:
                unclear = f"nothing applies ({option('empty', 'none')}), or no answer ({option('empty', 'skip')})?"
                way_out = table.way_out(unclear, "fill it in or take the row out")
                raise BadInput(f"{table.where(row)}: column {cells.column!r} is empty: {way_out}")
            said = {empty}
        if said and (chosen or len(said) > 1):
            raise BadInput(f"{table.where(row)}: {', '.join(part or ())}: a label and {said.pop()!r} at once")
        of_cell[part] = (said.pop() if said else "labels" if chosen else "none", chosen)
    return [of_cell[part][0] for part in cells.labels], [of_cell[part][1] for part in cells.labels]


def _from_indicators(table: Table, raw: Sequence[str], plan: LabelPlan) -> tuple[list[str], list[Any]]:
    """Kind and labels, in the taxonomy's order, of each row of 0/1 columns."""
    values = numbers(table, raw)
    table.refuse((values != 0) & (values != 1), raw, values, "in a judgement a label is chosen (1) or not (0)")
    labels = np.array(plan.taxonomy.labels, dtype=object)
    lists = [labels[row].tolist() for row in merged(raw, values, plan) > 0]
    return ["labels" if chosen else "none" for chosen in lists], lists


def _rounds(table: Table) -> NDArray[np.int64]:
    column = pick(table, None, ("round",))
    rounds = np.ones(len(table.frame)) if column is None else numbers(table, [column])[:, 0]
    odd = rounds != np.round(rounds)
    table.refuse_row(odd, lambda row: f"column {column!r}: rounds are whole numbers, got {rounds[row]:g}")
    return rounds.astype(np.int64)


def _differs(cells: pd.Series, ids: pd.Series) -> bool:
    """Whether the rows of one image have different cells in a column; lists and the like cannot be compared."""
    try:
        pairs = pd.DataFrame({"image": ids, "cell": pd.factorize(cells, use_na_sentinel=False)[0]})
    except TypeError:
        return True
    return bool(pairs.drop_duplicates()["image"].duplicated().any())


def _one_each(table: Table, found: pd.DataFrame, duplicates: str, notes: list[str]) -> pd.DataFrame:
    """One judgement of each person, image and round."""
    again = found.duplicated(KEY).to_numpy()
    if not again.any():
        return found
    kept = found[~again].reset_index(drop=True)
    if duplicates == "first":
        notes.append(f"{again.sum():,} repeated judgements left out")
        return kept
    if duplicates == "union":
        odd = found.duplicated(KEY, keep=False) & (found["kind"] != "labels")
        table.refuse_row(odd, lambda row: f"{found.loc[row, 'kind']!r} cannot be joined with other rows")
        joined: dict[tuple[Any, ...], dict[str, None]] = {}
        for *who, labels in found[[*KEY, "labels"]].itertuples(index=False):
            joined.setdefault(tuple(who), {}).update(dict.fromkeys(labels))
        notes.append(f"{again.sum():,} rows joined with an earlier one of the same person and image")
        return kept.assign(labels=pd.Series(map(list, joined.values()), dtype=object))
    row = int(again.argmax())
    image, person, _ = key = found.loc[row, KEY]
    before = int((found[KEY] == key).all(axis=1).argmax())
    first, union = (option("duplicates", word) for word in ("first", "union"))
    options = f"keep the first ({first}), join their labels ({union}), or number a column round"
    raise BadInput(
        f"{table.where(row)}: person {person!r} judged image {image!r} already ({table.unit} {table.place[before]}); "
        f"{table.way_out(options, 'take one of the two rows out')}"
    )


def count(judgements: pd.DataFrame, labels: Sequence[str], where: str) -> tuple[pd.DataFrame, bool, list[str]]:
    """Count the votes of judgements; raises BadInput for what cannot be counted.

    Returns image_id, n and votes of each image with an answer; whether every answer is exactly one label, so that the
    votes are also a distribution; and the images without an answer.
    """
    try:
        votes = count_votes(judgements, labels)
    except AnnotationError as error:
        raise BadInput(f"{where}: {error}") from None
    answers = judgements["kind"].isin(ANSWERS) & are_data(judgements)
    one_choice = bool((judgements.loc[answers, "labels"].map(len) == 1).all())
    answered = votes.n > 0
    return votes.table()[answered], one_choice, [str(image) for image in votes.image_id[~answered]]


def merged(raw: Sequence[str], cells: Floats, plan: LabelPlan) -> Floats:
    """Columns [N, raw] of one label added together: [N, labels], in the taxonomy's order."""
    at = plan.columns()
    merged = np.zeros((len(cells), len(plan.taxonomy)))
    for column, values in zip(raw, cells.T, strict=True):
        merged[:, at[column]] += values
    return merged


def said_of(answers: Any, taxonomy: Taxonomy) -> Said:
    """Each answer of one person, with the place to name in messages, checked for labels.

    Args:
        answers: {image: label or labels}, a table, a Path to one, or None.
        taxonomy: whose labels may be chosen.

    Raises:
        BadInput: where these are no answers of one person, or a table lacks a column, an image or a label.
        UnknownLabel: for a label that the taxonomy does not have.
    """
    if answers is None or (isinstance(answers, pd.DataFrame) and answers.empty):
        return []
    if isinstance(answers, Path | pd.DataFrame):
        return _said_in(read_table(answers), taxonomy)
    if not isinstance(answers, Mapping):
        got = type(answers).__name__
        raise BadInput(f"{SAID}: expected {{image: labels}}, a table, a Path to one or an id, got {got}")
    found: Said = []
    for image, given in answers.items():
        where = f"{SAID}: {image}"
        if not isinstance(given, Iterable):
            raise BadInput(f"{where}: expected a label or several, got {type(given).__name__}")
        labels = [given] if isinstance(given, str) else [str(label) for label in given]
        taxonomy.check(labels, where)
        found.append((where, image, labels))
    return found


def _said_in(table: Table, taxonomy: Taxonomy) -> Said:
    """The answers of a table; rows that say unsure, skip or flag are none."""
    image = pick(table, None, ("imageid",)) or pick(table, None, FILE)
    label, who = pick(table, None, LABEL), pick(table, None, ANNOTATOR)
    if image is None or label is None:
        what, have = "image (or image_id)" if image is None else "labels", ", ".join(table.frame.columns)
        raise BadInput(f"{table.path}: no column {what}, which answers of a person need (columns: {have})")
    people = 1 if who is None else table.frame[who].nunique()
    if people > 1:
        raise BadInput(f"{table.path}: column {who!r}: answers of {people:,} people; keep those of one")
    names = table.texts(image)
    table.refuse_row(names == "", f"column {image!r} is empty; name the image or take the row out")
    spec = TableSpec(taxonomy=taxonomy)
    shape = Shape(table, names.to_numpy(), Columns(file=image, label=label), [], spec)
    judged = _judgements(shape, *plan_shape(shape, judged=True), [], [])
    rows = judged[["image_id", "kind", "labels"]].itertuples(index=False)
    return [(table.where(at), image, labels) for at, (image, kind, labels) in enumerate(rows) if kind in ANSWERS]
