"""Tables as importers read them: what may be said of one, which of its columns is what, and numbers in its cells.

Whatever is wrong with a table is a BadInput that names the first place, and options as the user gives them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml._options import Help, check_choice
from affectml.data.schema import Kind, VoteRule
from affectml.errors import BadInput, MissingExtra, did_you_mean, option
from affectml.importers.labels import emotion_words
from affectml.taxonomies import Taxonomy, get_taxonomy
from affectml_annotation import tables
from affectml_annotation.errors import BadImport
from affectml_annotation.errors import MissingExtra as NeedsExtra
from affectml_annotation.tables import NOT_LABELS, plain

FILE = ("file", "filename", "image", "imagename", "imagesname", "imagefilename", "imagefile", "imagepath",
        "path", "filepath", "img", "imgpath", "photo", "picture", "stimulus")  # fmt: skip
URL = ("url", "imageurl", "link")
ANNOTATOR = ("annotator", "annotatorid", "worker", "workerid", "rater", "raterid", "participant",
             "participantid", "judge", "judgeid", "coder", "coderid")  # fmt: skip
LABEL = ("label", "labels", "emotion", "emotions", "class", "sentiment")
# Each role of a column but the image's id and the labels, which no option names: how such a column is called.
ROLES = {"url": URL, "file": FILE, "split": ("split",), "group": ("group",), "annotator": ANNOTATOR, "n": ("n",)}
WHOLE = 2**53  # beyond it floats skip whole numbers; no data set counts so far
# How programs write that there is nothing; in a label's column each is an error that names the row.
GAPS = ("", "nan", "na", "n/a", "null", "none")
# The splits, as sets spell them.
SPLIT_OF = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}

SomeTaxonomy = Annotated[
    str | Taxonomy | None, Help("A built-in taxonomy or a YAML file.", default="inferred from the labels")
]
Renaming = Annotated[Mapping[str, str] | None, Help("Rename a label; may be given several times.")]
ImagesRoot = Annotated[str | Path | None, Help("Folder that holds the images.", default="the set's folder")]


@dataclass(frozen=True)
class TableSpec:
    """How a table is to be read; what is not said is found in it and noted.

    images_root: what file names are relative to; the table's folder unless given. *_column: the column of that role.
    label_column: one label in each row, or several; label_columns: a column per label, of 0/1, votes or shares.
    delimiter: what separates labels in a cell; "" for one label a cell, whatever marks it holds. annotator_column: who
    judged, so that each row is one judgement; anonymous: each row is a judgement by a person without a name. n: the
    people asked about every image, where no column says it. mapping: label as spelt -> label. kind, vote_rule: of the
    target, as in dataset.json. empty: what an empty label cell is, "none" (no label applies) or "skip" (not known).
    duplicates: what a second row of an image is, "error", "first" (keep the first) or "union" (join the labels).
    unlabelled: take no labels. encoding, separator: of a text file. embeddings: features of the images that were made
    elsewhere; a matrix without names has the table's rows. Raises BadInput for a word that is none of these.

    Args:
        images_root: Folder that file names are relative to. Default: the table's folder.
        file_column: Column with the image's file name.
        url_column: Column with the image's url.
        label_column: Column with the label or the list of labels.
        label_columns: Columns, one per label: 0/1, votes or shares.
        delimiter: What separates labels in a cell.
        annotator_column: Column with the person: each row is one judgement.
        anonymous: Each row is one judgement by a person without a name.
        n_column: Column with the number of people asked.
        n: Number of people asked about every image, where no column says it.
        split_column: Column with train, val or test.
        group_column: Column that names images a split must not part.
        kind: single, sets, rates or distribution. Default: inferred from the values.
        vote_rule: How votes became a distribution: one_choice, set_split, normalised, moments, unknown.
        empty: What an empty label cell is: none (no label applies) or skip (not known).
        duplicates: Rows that repeat an image: error, first (keep it) or union (join the labels).
        unlabelled: Take images and columns, and no labels.
        encoding: Encoding of a text file.
        separator: What separates cells. Default: found from the header.
        embeddings: File of the images' features, as `import embeddings` takes it.
    """

    images_root: str | Path | None = None
    file_column: str | None = None
    url_column: str | None = None
    label_column: str | None = None
    label_columns: Sequence[str] | None = None
    delimiter: str | None = None
    annotator_column: str | None = None
    anonymous: bool = False
    n_column: str | None = None
    n: int | None = None
    split_column: str | None = None
    group_column: str | None = None
    taxonomy: SomeTaxonomy = None
    kind: Kind | None = None
    vote_rule: VoteRule | None = None
    empty: str | None = None
    duplicates: str = "error"
    mapping: Renaming = None
    unlabelled: bool = False
    encoding: str = "utf-8"
    separator: str | None = None
    embeddings: str | Path | None = None

    def __post_init__(self) -> None:
        choices = {"kind": get_args(Kind), "vote_rule": get_args(VoteRule), "empty": ("none", "skip")}
        for name, words in {"duplicates": ("error", "first", "union"), **choices}.items():
            if (value := getattr(self, name)) is not None:
                check_choice(name, value, words)

    @property
    def given(self) -> Taxonomy | None:
        """The taxonomy that was given, if one was."""
        return get_taxonomy(self.taxonomy) if isinstance(self.taxonomy, str) else self.taxonomy

    @property
    def renamed(self) -> Mapping[str, str]:
        """`mapping`, empty where there is none."""
        return self.mapping or {}


def first_row(rows: Any) -> int | None:
    """The first row [N] for which this is true; None if there is none."""
    at = np.flatnonzero(rows)
    return int(at[0]) if len(at) else None


class Table(tables.Table):
    """A table whose columns and cells an importer has something to say of."""

    def need(self, columns: Sequence[str], expected: str) -> None:
        """Raise BadInput for the first of these columns that is not there."""
        for column in columns:
            if column not in self.frame.columns:
                have = ", ".join(map(str, self.frame.columns))
                raise BadInput(f"{self.path}: no column {column!r}; expected {expected} (it has: {have})")

    def refuse_row(self, bad: Any, what: str | Callable[[int], str]) -> None:
        """Raise BadInput for the first row [N] that is bad; what: is wrong with it, or with the row of this number."""
        if (row := first_row(bad)) is not None:
            raise BadInput(f"{self.where(row)}: {what if isinstance(what, str) else what(row)}")

    def refuse(self, bad: NDArray[np.bool_], columns: Sequence[str], cells: NDArray[np.float64], what: str) -> None:
        """Raise BadInput for the first of the cells [N, columns] that is bad, by row and column."""
        if bad.any():
            row, column = (int(at) for at in np.argwhere(bad)[0])
            received = f"but received {cells[row, column]:g}"
            raise BadInput(f"{self.where(row)}: column {columns[column]!r}: {what}, {received}")

    def texts(self, column: str | None) -> pd.Series:
        """Cells as stripped texts, the empty text where there is nothing, or no such column."""
        cells = self.frame[column] if column else pd.Series("", index=self.frame.index)
        return cells.astype(object).where(cells.notna(), "").astype(str).str.strip().astype(object)


def read_table(source: str | Path | pd.DataFrame, *, options: bool = False, **how: Any) -> Table:
    """As `affectml_annotation.tables.read_table`; options: whether messages may name the options of `import table`.

    Raises:
        BadInput: naming file and place.
        MissingExtra: for an Excel file, without openpyxl.
    """
    try:
        return Table(**vars(tables.read_table(source, spell=option if options else None, **how)))
    except BadImport as error:
        raise BadInput(str(error)) from None
    except NeedsExtra:
        raise MissingExtra("openpyxl", "excel", f"reading {source}, an Excel file,") from None


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
        return single | set(self.labels)


@dataclass(frozen=True)
class Shape:
    """A table whose columns are known, about to become targets.

    ids: the image of each row, [N]. own: columns without a role. name: of the data set, after which an inferred
    taxonomy is called. taxonomy: that of the data set that is joined to. votes: whether numbers by label are votes,
    None where that is to be found out.
    """

    table: Table
    ids: NDArray[Any]
    columns: Columns
    own: list[str]
    spec: TableSpec
    name: str = ""
    taxonomy: Taxonomy | None = None
    votes: bool | None = None


def find_columns(table: Table, spec: TableSpec) -> tuple[Columns, list[str]]:
    """Each role's column: as the user says, else by its name, else an error that lists the choices.

    Also notes of what was found without having been named.
    """
    found = {"image_id": pick(table, None, ("imageid",))}
    for role, names in ROLES.items():
        found[role] = pick(table, getattr(spec, f"{role}_column"), names, f"{role}_column")
    if not (found["file"] or found["url"]):
        found["file"] = found["image_id"]
    if not (found["file"] or found["url"]):
        asked = f"say which column names each row's file or url: {option('file_column')}"
        way_out = table.way_out(asked, "call the one that names each row's image file")
        columns = ", ".join(table.frame.columns)
        raise BadInput(f"{table.path}: no column names images; {way_out} (columns: {columns})")
    label, labels = (None, ()) if spec.unlabelled else _given_labels(table, spec)
    notes = []
    if not (label or labels or spec.unlabelled):
        label, labels = (None, table.labels) if len(table.labels) > 1 else _find_labels(table, found.values(), spec)
        what = "" if table.labels[1:] else "column " if label else "columns "
        notes.append(f"labels taken from {what}{label or ', '.join(labels)}")
    if spec.file_column is None:
        named = [column for column in (found["file"], found["url"]) if column]
        notes.append(f"images taken from column {' and '.join(named)}")
    return Columns(label=label, labels=labels, **found), notes


def _given_labels(table: Table, spec: TableSpec) -> tuple[str | None, tuple[str, ...]]:
    columns = tuple(spec.label_columns or ())
    if spec.label_columns is None:
        return spec.label_column and pick(table, spec.label_column, LABEL, "label_column"), ()
    if spec.label_column is not None:
        raise BadInput(f"{table.path}: give one of {option('label_column')} and {option('label_columns')}, not both")
    for column in columns:
        pick(table, column, (), "label_columns")
    if len(set(columns)) < max(2, len(columns)):
        raise BadInput(f"{table.path}: {option('label_columns')}: expected two or more different columns")
    return None, columns


def _find_labels(table: Table, taken: Any, spec: TableSpec) -> tuple[str | None, tuple[str, ...]]:
    """The column that is called a label, or the columns of numbers, where all are called as emotions are."""
    frame, words = table.frame, spec.given.labels if spec.given else emotion_words()
    known = {word.casefold() for word in (*words, *spec.renamed.values())}
    free = [column for column in frame.columns if column not in taken]
    named = [column for column in free if plain(column) in LABEL]
    numeric = [column for column in free if plain(column) not in (*NOT_LABELS, *LABEL) and _is_numeric(frame[column])]
    emotions = [column for column in numeric if spec.renamed.get(column, column).casefold() in known]
    if len(named) == 1 and len(emotions) < 2:
        return named[0], ()
    if not named and len(emotions) > 1 and (spec.given or emotions == numeric):
        return None, tuple(emotions)
    reason, typos = f"{', '.join([*named, *emotions])} could all hold the labels", list[str]()
    if not named:
        others = [column for column in numeric if column not in emotions]
        for column in others:
            typos += [option("mapping", {column: word}) for word in get_close_matches(column.casefold(), words, n=1)]
        reason = f"{', '.join(emotions)} are emotions, but what of {', '.join(others)}"
    if not named and len(emotions) < 2:
        reason = "no column is called a label, and no two number columns have the names of emotions"
    ways = (
        *typos,
        option("label_column", (named or ["NAME"])[0]),
        option("label_columns", numeric if len(numeric) > 1 else ["A", "B"]),
    )
    raise BadInput(
        f"{table.path}: {reason}; say where the labels are: {', or '.join(ways)} (columns: {', '.join(frame.columns)})"
    )


def _is_numeric(cells: pd.Series) -> bool:
    """Whether most of a column's first thousand cells are numbers; one bad cell is to be named, not hidden."""
    head = cells.head(1000)
    text = head.dropna().astype(str)
    filled = text[~text.str.casefold().isin(GAPS)]
    return pd.api.types.is_numeric_dtype(head) or bool(pd.to_numeric(filled, errors="coerce").notna().mean() > 0.5)


def numbers(table: Table, columns: Sequence[str], gap: str = "") -> NDArray[np.float64]:
    """Cells as float64 [N, columns]; raises BadInput with the row of the first that is not a number.

    gap: a further way out where there is nothing.
    """
    out = np.empty((len(table.frame), len(columns)))
    for at, column in enumerate(columns):
        values = pd.to_numeric(table.frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        if (row := first_row(~(np.abs(values) <= WHOLE))) is not None:
            cell = table.frame[column].tolist()[row]
            way_out = f"fill it in or take the row out{gap if cell in ('', None) else ''}"
            raise BadInput(
                f"{table.where(row)}: column {column!r}: expected a number, but received {cell!r}; {way_out}"
            )
        out[:, at] = values
    return out


def tidy(cells: pd.Series) -> pd.Series:
    """A column of the user's own as it is kept: numbers where every filled cell is one, else text; gaps None."""
    if cells.dtype.kind != "O" or not all(isinstance(cell, str) or cell is None for cell in cells):
        return cells
    filled = cells.where(cells != "", None)
    numeric = pd.to_numeric(filled, errors="coerce")
    known = numeric.dropna()
    if known.empty or (numeric.isna() != filled.isna()).any() or not known.abs().le(WHOLE).all():
        return filled
    whole = filled.isna().any() and (known == known.round()).all()
    return numeric.astype("Int64") if whole else numeric


def splits_in(table: Table, column: str) -> NDArray[Any]:
    """train, val, test or None [N]; BadInput naming the row that says another."""
    cells = table.texts(column).str.casefold()
    splits = cells.map(SPLIT_OF).astype(object)
    none = "none of train, val, test; rename the splits, or the column if it means something else"
    wrong = splits.isna() & (cells != "")
    table.refuse_row(wrong, lambda row: f"column {column!r}: split {table.frame[column].iloc[row]!r} is {none}")
    return splits.where(splits.notna(), None).to_numpy()
