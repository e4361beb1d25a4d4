"""One column per label: 0/1, votes or shares, and which kind of target that makes."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data.schema import Kind, Values, VoteRule
from affectml.data.targets import SUM_TOLERANCE
from affectml.errors import BadInput, option
from affectml.importers.columns import numbers
from affectml.importers.labels import LabelPlan
from affectml.importers.read import Table, first_row

Floats = NDArray[np.float64]
Raw: TypeAlias = tuple[str, ...]  # columns, as the file spells them
_WHOLE_OF_SUMS = 0.5  # from this share of rows summing to one, the others are taken for mistakes


@dataclass(frozen=True)
class Measured:
    """A target made of label columns: kind, values and vote rule as dataset.json has them.

    table: n (or n:LABEL) where known and one column per label; keep: [N], rows that carry a target.
    """

    kind: Kind
    values: Values
    vote_rule: VoteRule | None
    table: pd.DataFrame
    keep: NDArray[np.bool_]
    note: str


def measure(
    table: Table,
    raw: Raw,
    plan: LabelPlan,
    n_column: str | None,
    kind: str | None,
    vote_rule: VoteRule | None,
    *,
    are_votes: bool = False,
) -> Measured:
    """Read the label columns and decide what they are.

    0 and 1 only: `single` where every row has exactly one label, else `sets`. Whole numbers above 1: votes;
    `rates` with the number of people asked; where these votes add up to it in every row, `kind` has to say whether they
    are a `distribution` (one choice each), as votes without it are. Fractions: `distribution` where rows sum to one,
    else `rates`. `kind` overrides where the numbers allow it; are_votes: they are known to be votes. Raises BadInput
    naming row and column.
    """
    cells = numbers(table, raw, f", or say {option('empty', 'none')} where it means that nobody chose it")
    table.refuse(cells < 0, raw, cells, "a value cannot be negative")
    people = _people(table, raw, n_column)
    values, kind_found, rule, note = _decide(table, raw, cells, people, kind, vote_rule, are_votes)
    merged = _merge(table, raw, cells, plan, kind_found, values)
    if kind_found == "single" and (row := first_row(merged.sum(axis=1) != 1)) is not None:
        raise BadInput(
            f"{table.where(row)}: kind single needs exactly one label, got {merged[row].sum():.0f}; "
            f"mend the row, or say {option('kind', 'sets')}"
        )
    keep: NDArray[np.bool_] = np.ones(len(merged), dtype=bool)
    if values == "votes":
        asked = merged.sum(axis=1, keepdims=True) if people is None or kind_found == "distribution" else people
        keep = np.asarray((asked > 0).all(axis=1))
        merged = merged.astype(np.int64)
    elif values == "indicator":
        merged = merged.astype(np.int8)
    columns = pd.DataFrame(merged, columns=list(plan.taxonomy.labels))
    if people is not None and values != "indicator":
        columns = pd.concat([_people_columns(people, raw, plan), columns], axis=1)
    return Measured(kind_found, values, rule, columns, keep, note)


def _decide(
    table: Table, raw: Raw, cells: Floats, people: Floats | None, kind: str | None, said: VoteRule | None, votes: bool
) -> tuple[Values, Kind, VoteRule | None, str]:
    """said: the rule that the user names. votes: whether the numbers are known to be votes."""
    sums, whole = cells.sum(axis=1), bool((cells == np.round(cells)).all())
    if whole and (votes or cells.max() > 1 or people is not None):
        if people is not None:
            table.refuse(cells > people, raw, cells, "more votes than people asked (n)")
        if kind in ("single", "sets"):
            raise BadInput(f"{table.path}: kind {kind} needs 0 and 1, but the label columns hold votes")
        all_chose = people is not None and bool((sums == people[:, 0]).all()) and np.ptp(people, axis=1).max() == 0
        if people is None and kind == "rates":
            raise BadInput(
                f"{table.path}: rates from votes need the number of people asked: {option('n_column')} or "
                f"{option('n', 20)}; "
                "without it the votes are a distribution"
            )
        if kind is None and all_chose and table.options:
            raise BadInput(
                f"{table.path}: in every row the votes add up to the people asked (n): did each choose one label "
                f"({option('kind', 'distribution')}), or could they choose several ({option('kind', 'rates')})?"
            )
        if kind == "rates" or (kind is None and people is not None and not all_chose):
            return "votes", "rates", None, "whole numbers with people asked (n): votes, kind rates"
        equal = all_chose or len(np.unique(sums)) == 1
        rule = said or ("one_choice" if equal else "unknown")
        why = (
            "equally many votes in every row"
            if equal
            else f"no column n, unequal votes per row; {option('n', 20)} where 20 were asked, who might choose several"
        )
        return "votes", "distribution", rule, f"votes, kind distribution, vote rule {rule} ({why})"
    if whole and kind in (None, "single", "sets"):
        if kind == "single" or (kind is None and (sums == 1).all()):
            note = "0/1 columns with one label in every row: kind single (if people could choose several: sets)"
            return "indicator", "single", None, note
        return "indicator", "sets", None, "0/1 columns: kind sets"
    if kind in ("single", "sets"):
        table.refuse(cells != np.round(cells), raw, cells, f"kind {kind} needs 0 or 1")
    expected = "shares lie in [0, 1] and votes are whole numbers (percentages: divide by 100)"
    above = cells > 1 + SUM_TOLERANCE
    table.refuse(cells != np.round(cells) if people is not None and above.any() else above, raw, cells, expected)
    ones = np.abs(sums - 1) <= SUM_TOLERANCE
    if kind == "rates":
        return "shares", "rates", said, "shares, kind rates as asked"
    row = first_row(~ones)
    if row is not None and (kind == "distribution" or ones.mean() > _WHOLE_OF_SUMS):
        why = "" if kind == "distribution" else f", as those of {int(ones.sum()):,} other rows do"
        raise BadInput(
            f"{table.where(row)}: the shares sum to {sums[row]:.4g}, not to 1{why}; mend the row, or "
            f"{table.way_out('say ' + option('kind', 'rates'), 'call them rates')}"
        )
    if row is None:
        rule = said or "unknown"
        return "shares", "distribution", rule, f"shares sum to 1: kind distribution, vote rule {rule}"
    return "shares", "rates", said, "shares that do not sum to 1: kind rates"


def _merge(table: Table, raw: Raw, cells: Floats, plan: LabelPlan, kind: Kind, values: Values) -> Floats:
    """Columns of one label together, in the taxonomy's order; every label needs a column."""
    at = plan.columns()
    order = [at[column] for column in raw]
    for index, label in enumerate(plan.taxonomy.labels):
        if index not in order:
            raise BadInput(
                f"{table.path}: no column for label {label!r} of taxonomy {plan.taxonomy.name}: nobody was "
                "asked about it, which is not the same as nobody choosing it; name a taxonomy without it"
            )
    merged = np.zeros((len(cells), len(plan.taxonomy)))
    for column, index in enumerate(order):
        merged[:, index] += cells[:, column]
    if len(set(order)) < len(order):
        if values == "indicator":
            merged = np.minimum(merged, 1)
        elif kind == "rates":
            twice = [column for column in raw if order.count(at[column]) > 1]
            raise BadInput(
                f"{table.path}: columns {' and '.join(twice)} cannot become one label: one person may have "
                "chosen both, so their votes do not add up; keep them apart, or import single judgements"
            )
    return merged


def _people(table: Table, raw: Raw, n_column: str | None) -> Floats | None:
    """People asked, [N, columns], or None."""
    names = [f"n:{column}" for column in raw]
    if not all(column in table.frame.columns for column in names):
        names = [] if n_column is None else [n_column]
    if not names:
        return None
    people = numbers(table, names)
    table.refuse((people != np.round(people)) | (people < 0), names, people, "people asked are whole numbers")
    return np.broadcast_to(people, (len(people), len(raw)))


def people_columns(table: Table, raw: Raw, n_column: str | None, plan: LabelPlan) -> pd.DataFrame:
    """The number of people asked as a target has it: n, or n:LABEL where it differs; empty where it is not known."""
    people = _people(table, raw, n_column)
    return pd.DataFrame(index=table.frame.index) if people is None else _people_columns(people, raw, plan)


def _people_columns(people: Floats, raw: Raw, plan: LabelPlan) -> pd.DataFrame:
    if np.ptp(people, axis=1).max(initial=0) == 0:
        return pd.DataFrame({"n": people[:, 0].astype(np.int64)})
    by_label = {plan.label_of[column]: people[:, at].astype(np.int64) for at, column in enumerate(raw)}
    return pd.DataFrame({f"n:{label}": by_label[label] for label in plan.taxonomy.labels})
