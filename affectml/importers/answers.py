"""What people answered becomes targets: single judgements, and numbers for each label (0/1, votes or shares)."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data.schema import Kind, Values, VoteRule
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option
from affectml.importers.draft import Labels, label_table
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
_WHOLE_OF_SUMS = 0.5  # from this share of rows summing to one, the others are taken for mistakes
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
    one_row_each(shape, shaped, "union")
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
            "asked about it, which is not the same as nobody choosing it; name a taxonomy without it, or the column "
            f"that means it by {option('mapping', {'COLUMN': unasked[0]})}"
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
    one_row_each(shape, shaped, "first")
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


def one_row_each(shape: Shape, shaped: Shaped, way_out: str) -> None:
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
