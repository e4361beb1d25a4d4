"""Which column of a table is what: as the user says, else by its name, else an error that lists the choices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, did_you_mean, option
from affectml.importers._spec import TableSpec
from affectml.importers.labels import emotion_words
from affectml.importers.read import Table, first_row
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy
from affectml_annotation.tables import IMAGE_NAME, NOT_LABELS, plain

FILE = ("file", "filename", "image", "imagename", "imagesname", "imagefilename", "imagefile", "imagepath",
        "path", "filepath", "img", "imgpath")  # fmt: skip
URL = ("url", "imageurl", "link")
ANNOTATOR = ("annotator", "annotatorid", "worker", "workerid", "rater", "raterid", "participant",
             "participantid", "judge", "judgeid", "coder", "coderid")  # fmt: skip
LABEL = ("label", "labels", "emotion", "emotions", "class", "sentiment")
WHOLE = 2**53  # beyond it floats skip whole numbers; no data set counts so far
# How programs write that there is nothing; in a label's column each is an error that names the row.
GAPS = ("", "nan", "na", "n/a", "null", "none")
# The splits, as sets spell them.
SPLIT_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}


@dataclass(frozen=True)
class Columns:
    """The table's columns by what they hold, None where it has none; `label` or `labels`, not both."""

    file: str | None = None
    url: str | None = None
    image_id: str | None = None
    split: str | None = None
    group: str | None = None
    annotator: str | None = None
    n: str | None = None
    label: str | None = None
    labels: tuple[str, ...] = ()

    def used(self) -> set[str]:
        """Every column that has a role."""
        single = {column for column in vars(self).values() if isinstance(column, str)}
        return single | set(self.labels) | {f"n:{label}" for label in self.labels}


@dataclass(frozen=True)
class Shape:
    """A table whose columns are known, about to become targets.

    ids: the image of each row, [N]. own: columns without a role. name: of the data set, after which an inferred
    taxonomy is called. taxonomy: that of the data set that is joined to.
    """

    table: Table
    ids: NDArray[Any]
    columns: Columns
    own: list[str]
    spec: TableSpec
    name: str = ""
    taxonomy: Taxonomy | None = None


def pick(table: Table, given: str | None, names: Sequence[str], asked: str = "") -> str | None:
    """The column `given`, else the only one called one of `names`, else None; BadInput if two are.

    asked: the option that names it, where there is one.
    """
    columns = list(table.frame.columns)
    if given is not None:
        if given in columns:
            return given
        near = f"{did_you_mean(given, columns)} (columns: {', '.join(columns)})"
        raise BadInput(f"{table.path}: {option(asked)}: no column {given!r}{near}")
    found = [column for column in columns if plain(column) in names]
    if len(found) > 1:
        way_out = f"name one: {option(asked)}" if asked else "rename one of them"
        raise BadInput(f"{table.path}: {' and '.join(map(repr, found))} could both be meant; {way_out}")
    return found[0] if found else None


def find_columns(table: Table, spec: TableSpec) -> tuple[Columns, list[str]]:
    """Find every role, and say in notes what was found without having been named."""
    notes: list[str] = []
    image_id = pick(table, None, ("imageid",))
    url = pick(table, spec.url_column, URL, "url_column")
    file = pick(table, spec.file_column, FILE, "file_column")
    if file is None and url is None:
        file = image_id or file_by_content(table)
    split = pick(table, spec.split_column, ("split",), "split_column")
    group = pick(table, spec.group_column, ("group",), "group_column")
    annotator = pick(table, spec.annotator_column, ANNOTATOR, "annotator_column")
    n = pick(table, spec.n_column, ("n",), "n_column")
    if spec.label_column is not None or spec.label_columns is not None:
        label, labels = _given_labels(table, spec)
    elif len(table.labels) > 1:
        label, labels = None, table.labels
        notes.append(f"labels taken from {', '.join(labels)}")
    else:
        taken = {c for c in (file, url, image_id, split, group, annotator, n) if c is not None}
        label, labels = _find_labels(table, taken, spec.given, spec.renamed)
        notes.append(f"labels taken from {'column ' + label if label else 'columns ' + ', '.join(labels)}")
    if spec.file_column is None and (file or url):
        notes.append(f"images taken from column {' and '.join(c for c in (file, url) if c)}")
    return Columns(file, url, image_id, split, group, annotator, n, label, labels), notes


def _given_labels(table: Table, spec: TableSpec) -> tuple[str | None, tuple[str, ...]]:
    if spec.label_columns is None:
        return pick(table, spec.label_column, LABEL, "label_column"), ()
    if spec.label_column is not None:
        raise BadInput(f"{table.path}: give one of {option('label_column')} and {option('label_columns')}, not both")
    for column in spec.label_columns:
        pick(table, column, (), "label_columns")
    if len(set(spec.label_columns)) < max(2, len(spec.label_columns)):
        raise BadInput(f"{table.path}: {option('label_columns')}: expected two or more different columns")
    return None, tuple(spec.label_columns)


def numbers(table: Table, columns: Sequence[str], gap: str = "") -> NDArray[np.float64]:
    """Cells as float64 [N, columns]; raises BadInput naming the row of the first that is no number.

    gap: a further way out where there is nothing.
    """
    out = np.empty((len(table.frame), len(columns)))
    for at, column in enumerate(columns):
        cells = table.frame[column]
        values = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        if (row := first_row(~(np.abs(values) <= WHOLE))) is not None:
            raise BadInput(
                f"{table.where(row)}: column {column!r}: expected a number, but received {cells.tolist()[row]!r}; "
                f"fill it in or take the row out{gap if cells.tolist()[row] in ('', None) else ''}"
            )
        out[:, at] = values
    return out


def tidy(cells: pd.Series) -> pd.Series:
    """A column of the user's own as it is kept: numbers where every filled cell is one, else text; gaps None."""
    if not (pd.api.types.is_object_dtype(cells) or pd.api.types.is_string_dtype(cells)):
        return cells
    if not all(isinstance(cell, str) or cell is None for cell in cells):
        return cells
    filled = cells.where(cells != "", None)
    numeric = pd.to_numeric(filled, errors="coerce")
    if filled.isna().all() or (numeric.isna() != filled.isna()).any():
        return filled
    known = numeric.dropna()
    if not known.abs().le(WHOLE).all():
        return filled
    whole = filled.isna().any() and (known == known.round()).all()
    return numeric.astype("Int64") if whole else numeric


def file_by_content(table: Table) -> str:
    """The one column whose cells name image files; raises BadInput where none does, or several do."""
    found = []
    for column in table.frame.columns:
        cells = [cell for cell in table.frame[column].head(1000) if isinstance(cell, str) and cell]
        if cells and all(IMAGE_NAME.search(cell) for cell in cells):
            found.append(column)
    if len(found) != 1:
        which = f"{' and '.join(map(repr, found))} both name images" if found else "no column names images"
        raise BadInput(
            f"{table.path}: {which}; say which column names each row's file or url: {option('file_column')} "
            f"(columns: {', '.join(table.frame.columns)})"
        )
    return found[0]


def _find_labels(
    table: Table, taken: set[str], taxonomy: Taxonomy | None, mapping: Mapping[str, str]
) -> tuple[str | None, tuple[str, ...]]:
    frame = table.frame
    free = [column for column in frame.columns if column not in taken and not column.startswith("n:")]
    named = [column for column in free if plain(column) in LABEL]
    numeric = [column for column in free if column not in named and _is_numeric(frame[column])]
    named_as = {column: mapping.get(column, column).casefold() for column in free}
    if taxonomy is not None:
        words = frozenset(label.casefold() for label in taxonomy.labels)
        known = [column for column in numeric if named_as[column] in words]
        unknown: list[str] = []
    else:
        words = emotion_words() | {raw.casefold() for raw in mapping}
        known = [column for column in numeric if column.casefold() in words]
        unknown = [c for c in numeric if c not in known and plain(c) not in NOT_LABELS]
        exact = {frozenset(get_taxonomy(name).labels) for name in builtin_names()}
        if frozenset(named_as[column] for column in known) in exact:
            unknown = []
    several = len(known) >= 2
    if len(named) + several != 1 or (several and unknown):
        if not named and not several:
            reason = "no column is called a label, and no two number columns have the names of emotions"
        elif several and not named:
            reason = f"{', '.join(known)} are emotions, but what of {', '.join(unknown)}"
        else:
            reason = f"{', '.join([*named, *(known if several else [])])} could all hold the labels"
        raise BadInput(
            f"{table.path}: {reason}; say where the labels are: {option('label_column', 'NAME')}, or "
            f"{option('label_columns', ['A', 'B'])} (columns: {', '.join(frame.columns)})"
        )
    if named:
        return named[0], ()
    have = {named_as[column] for column in known}
    if taxonomy is not None and len(have) < len(taxonomy):
        gone = next(label for label in taxonomy.labels if label.casefold() not in have)
        near = did_you_mean(gone, [c for c in frame.columns if c not in known])
        raise BadInput(f"{table.path}: no column of numbers for label {gone!r} of taxonomy {taxonomy.name}{near}")
    return None, tuple(known)


def _is_numeric(cells: pd.Series) -> bool:
    """Whether most of a column's first thousand cells are numbers; one bad cell is to be named, not hidden."""
    head = cells.head(1000)
    if not (pd.api.types.is_object_dtype(head) or pd.api.types.is_string_dtype(head)):
        return bool(pd.api.types.is_numeric_dtype(head))
    text = head.astype(str)
    filled = text[head.notna() & ~text.str.casefold().isin(GAPS)]
    return bool(pd.to_numeric(filled, errors="coerce").notna().mean() > 0.5) if len(filled) else False
