"""One row per judgement: annotations.parquet, and the rates (or shares) that the votes make."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, option
from affectml.importers._cells import Cells
from affectml.importers.columns import Columns, Shape, numbers, pick, tidy
from affectml.importers.labels import LabelPlan
from affectml.importers.read import Table, first_row
from affectml_annotation.columns import COLUMNS
from affectml_annotation.exchange.columns import own_flag, truths_in
from affectml_annotation.judgements import FLAG, KINDS, of_now

_TAKEN = frozenset({"event_id", "image_id", "annotator_id", "round", "kind", "labels"})
_OF_A_JUDGEMENT = tuple(column.name for column in COLUMNS if column.name not in _TAKEN)
_WORDS = (*KINDS[1:], FLAG)


@dataclass(frozen=True)
class Counted:
    """What judgements add up to.

    rates: image_id, n and votes, one row per image with an answer. one_choice: whether every answer is exactly one
    label, so that the votes are also a distribution. unanswered: images without an answer.
    """

    rates: pd.DataFrame
    one_choice: bool
    unanswered: list[str]


@dataclass(frozen=True)
class Judged(Counted):
    """Judgements, as annotations.parquet has them, and what they add up to."""

    annotations: pd.DataFrame
    notes: list[str]


def words_for_no_label(found: dict[str, str], known: set[str]) -> dict[str, str]:
    """Cells of a judgement table that say none, unsure, skip or flag instead of a label: cell -> kind."""
    return {raw: raw.casefold() for raw in found if raw.casefold() in _WORDS and raw.casefold() not in known}


def judge(shape: Shape, plan: LabelPlan, cells: Cells | None, words: dict[str, str], own: list[str]) -> Judged:
    """Build the judgements of a table (rows in its order) and count them.

    cells: the label column, or None where labels are 0/1 columns. words: see `words_for_no_label`. own: further
    columns that belong to the judgement. An empty cell is an error unless `spec.empty` says "none" (nothing applies)
    or "skip" (no answer). Two rows of one person, image and round are an error unless `spec.duplicates` says "first",
    or "union" (one label a row).
    """
    from affectml_annotation.judgements import only_data

    table, columns = shape.table, shape.columns
    given_kind = _given_kind(table)
    if cells is None:
        kind, labels = _from_indicators(table, columns, plan)
    else:
        empty = shape.spec.empty if given_kind is None else "none"
        kind, labels = _from_cells(table, columns, plan, cells, words, empty)
    if given_kind is not None:
        kind, labels = given_kind, [of if said == "labels" else [] for of, said in zip(labels, given_kind, strict=True)]
    annotator = pd.Series([f"anonymous-{place}" for place in table.place])
    if columns.annotator is not None:
        annotator = _text(table, columns.annotator)
    found = pd.DataFrame(
        {
            "event_id": _event_ids(table),
            "image_id": shape.ids,
            "annotator_id": annotator.to_numpy(),
            "round": _rounds(table),
            "kind": kind,
            "labels": labels,
        }
    )
    carried = [c for c in _OF_A_JUDGEMENT if c in table.frame.columns and c not in columns.used()]
    for column in dict.fromkeys(c for c in [*carried, *own] if c not in _TAKEN):
        found[column] = tidy(table.frame[column])
    notes: list[str] = []
    if "language" in found:
        found, notes = _with_language(found, table)
    if "flag" in found:
        flags, bad = truths_in(found["flag"])
        notes += [own_flag(table.where(row), found["flag"].iloc[row]) for row in bad[:1]]
        found = found.drop(columns="flag") if bad else found.assign(flag=flags.astype(bool))
    found = of_now(found)
    found, dropped = _one_each(table, found, shape.spec.duplicates)
    dropped += only_data(found)[1]
    counted = count(found, plan.taxonomy.labels, str(table.path))
    return Judged(counted.rates, counted.one_choice, counted.unanswered, found, [*notes, *dropped])


def count(judgements: pd.DataFrame, labels: Sequence[str], where: str) -> Counted:
    """Count the votes of judgements; raises BadInput for what cannot be counted."""
    from affectml_annotation import AnnotationError, count_votes
    from affectml_annotation.judgements import are_data

    try:
        votes = count_votes(judgements, labels)
    except AnnotationError as error:
        raise BadInput(f"{where}: {error}") from None
    answered = votes.n > 0
    rates = pd.DataFrame(votes.votes[answered], columns=list(labels))
    rates.insert(0, "n", votes.n[answered])
    rates.insert(0, "image_id", votes.image_id[answered])
    answers = judgements["kind"].isin(("labels", "none")) & are_data(judgements)
    one_choice = bool((judgements.loc[answers, "labels"].map(len) == 1).all())
    return Counted(rates, one_choice, [str(image) for image in votes.image_id[~answered]])


def apart(judgements: pd.DataFrame, file: str) -> pd.DataFrame:
    """Judgements whose event ids and people were made of lines: with the file's name before, so that no other's are."""
    made = {"event_id": r"(line|row)-\d+", "annotator_id": r"anonymous-\d+"}
    changed = {}
    for column, form in made.items():
        cells = judgements[column].astype(str)
        if cells.str.fullmatch(form).all():
            changed[column] = file + ":" + cells
    return judgements.assign(**changed)


def _event_ids(table: Table) -> list[str]:
    if "event_id" in table.frame.columns:
        given = table.frame["event_id"]
        if given.notna().all() and given.is_unique:
            return [str(event) for event in given]
    return [f"{table.unit}-{place}" for place in table.place]


def _given_kind(table: Table) -> NDArray[Any] | None:
    """The column `kind`, where it is a judgement table's and not the user's own of that name."""
    if "kind" not in table.frame.columns or not table.frame["kind"].isin((*KINDS, FLAG)).all():
        return None
    return table.frame["kind"].to_numpy(dtype=object)


def _with_language(found: pd.DataFrame, table: Table) -> tuple[pd.DataFrame, list[str]]:
    """`language` as codes; one that holds anything else is the user's own, and is left out of it with a note."""
    from affectml_annotation.exchange.columns import own_language
    from affectml_annotation.judgements import languages_in

    codes, own = languages_in(found["language"])
    if own is None:
        return found.assign(language=codes), []
    return found.drop(columns="language"), [own_language(table.where(own), found["language"].iloc[own])]


def _rounds(table: Table) -> NDArray[np.int64]:
    column = pick(table, None, ("round",))
    if column is None:
        return np.ones(len(table.frame), dtype=np.int64)
    rounds = numbers(table, [column])[:, 0]
    if (row := first_row(rounds != np.round(rounds))) is not None:
        raise BadInput(f"{table.where(row)}: column {column!r}: rounds are whole numbers, got {rounds[row]:g}")
    return rounds.astype(np.int64)


def _text(table: Table, column: str) -> pd.Series:
    cells = table.frame[column]
    if (row := first_row(cells.isna() | (cells.astype(str).str.strip() == ""))) is not None:
        raise BadInput(f"{table.where(row)}: column {column!r} is empty; every judgement needs who made it")
    return cells.astype(str)


def _from_cells(
    table: Table, columns: Columns, plan: LabelPlan, cells: Cells, words: dict[str, str], empty: str | None
) -> tuple[NDArray[Any], list[list[str]]]:
    kinds, lists = [], []
    for part, row in zip(cells.parts, cells.first_rows(), strict=True):
        said = {words[label] for label in part or () if label in words}
        chosen = list(dict.fromkeys(plan.label_of[label] for label in part or () if label not in words))
        if part is None:
            if empty is None:
                unclear = f"nothing applies ({option('empty', 'none')}), or no answer ({option('empty', 'skip')})?"
                way_out = table.way_out(unclear, "fill it in or take the row out")
                raise BadInput(f"{table.where(row)}: column {columns.label!r} is empty: {way_out}")
            said = {empty}
        if said and (chosen or len(said) > 1):
            raise BadInput(f"{table.where(row)}: {', '.join(part or ())}: a label and {said.pop()!r} at once")
        kinds.append(said.pop() if said else "labels" if chosen else "none")
        lists.append(chosen)
    code = cells.code
    return np.array(kinds, dtype=object)[code], [lists[at] for at in code]


def _from_indicators(table: Table, columns: Columns, plan: LabelPlan) -> tuple[NDArray[Any], list[list[str]]]:
    values = numbers(table, columns.labels)
    odd = (values != 0) & (values != 1)
    table.refuse(odd, columns.labels, values, "in a judgement a label is chosen (1) or not (0)")
    patterns, code = np.unique(values.astype(bool), axis=0, return_inverse=True)
    names = np.array([plan.label_of[column] for column in columns.labels], dtype=object)
    chosen_of = [set(names[pattern]) for pattern in patterns]
    lists = [[label for label in plan.taxonomy.labels if label in chosen] for chosen in chosen_of]
    code = code.reshape(-1)
    kinds = np.array(["labels" if chosen else "none" for chosen in lists], dtype=object)
    return kinds[code], [lists[at] for at in code]


def _one_each(table: Table, found: pd.DataFrame, duplicates: str) -> tuple[pd.DataFrame, list[str]]:
    key = ["image_id", "annotator_id", "round"]
    again = found.duplicated(key).to_numpy()
    row = first_row(again)
    if row is None:
        return found, []
    if duplicates == "first":
        return found[~again].reset_index(drop=True), [f"{int(again.sum()):,} repeated judgements left out"]
    if duplicates == "union":
        odd = first_row(found.duplicated(key, keep=False) & (found["kind"] != "labels"))
        if odd is not None:
            raise BadInput(f"{table.where(odd)}: {found.loc[odd, 'kind']!r} cannot be joined with other rows")
        joined: dict[tuple[Any, ...], dict[str, None]] = {}
        for *who, labels in found[[*key, "labels"]].itertuples(index=False):
            joined.setdefault(tuple(who), {}).update(dict.fromkeys(labels))
        kept = found[~again].reset_index(drop=True)
        kept["labels"] = [list(labels) for labels in joined.values()]
        return kept, [f"{int(again.sum()):,} rows joined with an earlier one of the same person and image"]
    options = (
        f"keep the first ({option('duplicates', 'first')}), join their labels ({option('duplicates', 'union')}), or "
        "number a column round"
    )
    before = int((found[key] == found.loc[row, key]).all(axis=1).to_numpy().argmax())
    raise BadInput(
        f"{table.where(row)}: person {found.loc[row, 'annotator_id']!r} judged image "
        f"{found.loc[row, 'image_id']!r} already ({table.unit} {table.place[before]}); "
        f"{table.way_out(options, 'take one of the two rows out')}"
    )
