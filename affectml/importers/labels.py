"""From the cells of a label column, and the labels as a file spells them, to the labels of a taxonomy."""

import ast
import difflib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput, UnknownLabel, did_you_mean, option
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy, infer_taxonomy

if TYPE_CHECKING:
    from affectml.importers.read import Table

MARKS = ("|", ";", ",")
_FAR_MORE = 50  # times as often as a label of nearly its name: then that one is probably a slip
_NEAR = 0.8  # difflib's likeness: one letter of five


@dataclass(frozen=True)
class Cells:
    """A label column. several: whether cells may hold more than one label.

    labels: those of each row [N], a tuple; None for an empty cell (nothing is said; `[]` says that no label applies).
    """

    table: "Table"
    column: str
    labels: pd.Series
    several: bool
    note: str

    @cached_property
    def spelt(self) -> pd.Series:
        """Every label of every row as it is spelt; the index is the row."""
        return self.labels.explode().dropna()

    def found(self) -> dict[str, str]:
        """Every label as spelt, with the place it was first seen."""
        first = self.spelt.drop_duplicates()
        return {label: self.table.where(row) for row, label in zip(first.index, first, strict=True)}


def parse_cells(table: "Table", column: str, delimiter: str | None, known: Collection[str]) -> Cells:
    """Split a label column's cells into labels.

    delimiter: what separates labels in a cell. Without it: lists as they are (Parquet lists, or text like
    ["joy", "awe"]); else the only one of | ; , that occurs; else one label a cell. "" says one label a cell. known:
    labels of a given taxonomy, which are never split. Raises BadInput where two of the marks occur.
    """
    cells = pd.Series([_simple(cell) for cell in table.frame[column]], dtype=object)
    code, different = pd.factorize(cells, use_na_sentinel=False)
    values: list[Any] = [None if _is_gap(value) else value for value in different]
    texts = [value for value in values if isinstance(value, str)]
    several, mark = True, delimiter
    if any(isinstance(value, tuple) for value in values):
        how, parts = "a list of labels in each row", values
    elif delimiter is None and texts and all(text[0] == "[" and text[-1] == "]" for text in texts):
        how, parts = "a list in brackets in each row", [value and _literal(value, column, table) for value in values]
    else:
        if delimiter is None:
            marks = [mark for mark in MARKS if any(mark in text for text in texts if text not in known)]
            if len(marks) > 1:
                both = " and ".join(map(repr, marks))
                which = f"say which one separates labels: {option('delimiter')}"
                raise BadInput(f"{table.path}: column {column!r} holds {both}; {which}")
            mark = "".join(marks)
        how = "labels separated by" if delimiter else "several labels in a row, separated by"
        how, several = (f"{how} {mark!r}", True) if mark else ("one label in each row", False)
        parts = [value and ((value,) if value in known or not mark else _unique(value.split(mark))) for value in values]
    labels = pd.Series([parts[at] for at in code], dtype=object)
    return Cells(table, column, labels, several, f"{column}: {how}")


def _simple(cell: Any) -> Any:
    """Text, a tuple of texts, or None; whole numbers lose their .0."""
    if isinstance(cell, str):
        text = cell.strip()
        return None if text in ("", "nan", "NaN") else text  # what pandas writes for nothing is nobody's label
    if isinstance(cell, list | tuple | np.ndarray):
        return tuple(dict.fromkeys(str(_simple(part)) for part in cell))
    if _is_gap(cell):
        return None
    return str(int(cell) if isinstance(cell, float | np.floating) and float(cell).is_integer() else cell)


def _is_gap(cell: Any) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell))


def _unique(pieces: Collection[Any]) -> tuple[str, ...]:
    """Texts without spaces around them, each once."""
    return tuple(dict.fromkeys(text for piece in pieces if (text := str(piece).strip())))


def _literal(text: str, column: str, table: "Table") -> tuple[str, ...]:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text[1:-1].split(",")
    if not isinstance(value, list):
        raise BadInput(f"{table.path}: column {column!r}: expected a list, but received {text!r}")
    return _unique(value)


@dataclass(frozen=True)
class LabelPlan:
    """Which taxonomy holds, and the label in it of every spelling found."""

    taxonomy: Taxonomy
    label_of: dict[str, str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    def columns(self) -> dict[str, int]:
        """Column in the taxonomy's order of every spelling."""
        at = {label: index for index, label in enumerate(self.taxonomy.labels)}
        return {raw: at[label] for raw, label in self.label_of.items()}

    def indicators(self, rows: int, spelt: pd.Series) -> NDArray[np.int8]:
        """0/1 [rows, labels]: 1 for each spelling whose index is the row."""
        matrix = np.zeros((rows, len(self.taxonomy)), dtype=np.int8)
        at = self.columns()
        matrix[spelt.index, [at[label] for label in spelt]] = 1
        return matrix


def taxonomy_entry(taxonomy: Taxonomy) -> str | dict[str, Any]:
    """What dataset.json says: the name of a built-in taxonomy, else all of it."""
    content = taxonomy.to_dict()  # with names and meanings of one's own, which make it no other taxonomy
    builtin = taxonomy.name in builtin_names() and get_taxonomy(taxonomy.name).to_dict() == content
    return taxonomy.name if builtin else content


def plan_labels(
    found: Mapping[str, str],
    mapping: Mapping[str, str] | None,
    taxonomy: str | Taxonomy | None,
    *,
    where: str,
    name: str,
    counts: Mapping[str, int] | None = None,
    renames: bool = True,
    own: Taxonomy | None = None,
) -> LabelPlan:
    """Decide the taxonomy and every spelling's label in it.

    found: every spelling in the file, with the place it was first seen. mapping: spelling -> label, the
    user's. taxonomy: a name, a YAML file, a Taxonomy, or None to infer one: a built-in one whose labels are
    exactly those found (capitals aside), else the labels found in alphabetical order. counts: how often each spelling
    occurs, None of columns; where the taxonomy is inferred, a rare one that is nearly a frequent one is warned of.
    renames: whether the user can rename a label. own: of the data set that is joined to; in place of an inferred one it
    holds where it has every label found, and of columns where they are all of it. Raises UnknownLabel and BadInput
    naming the place.
    """
    notes, warnings = [], []
    for raw, label in (mapping or {}).items():
        if raw not in found:
            gone = f"no label {raw!r} there{did_you_mean(raw, found)} (labels found: {', '.join(list(found)[:12])})"
            raise BadInput(f"{where}: {option('mapping', {raw: label})}: {gone}")
    renamed = {raw: (mapping or {}).get(raw, raw).strip() for raw in found}
    folded = {label.casefold() for label in renamed.values()}
    there = {label.casefold() for label in own.labels} if own else set()
    chosen = get_taxonomy(taxonomy) if isinstance(taxonomy, str) else taxonomy
    if chosen is None and own is not None and (folded == there if counts is None else folded <= there):
        chosen = own
        notes.append(f"taxonomy: the data set's own, {own.name}")
    if chosen is None:
        warnings = _near_namesakes(renamed, counts or {})
        chosen = _infer(renamed, where, name)
        origin = "a built-in taxonomy" if chosen.name in builtin_names() else "the labels found"
        notes.append(f"taxonomy inferred: {chosen.name} ({origin})")
    by_fold = {label.casefold(): label for label in chosen.labels}
    label_of = {}
    for raw, wanted in renamed.items():
        label_of[raw] = wanted if wanted in chosen.labels else by_fold.get(wanted.casefold(), wanted)
        try:
            chosen.index(label_of[raw])
        except UnknownLabel as error:
            way_out = f"{option('mapping', {raw: 'LABEL'})} renames it" if renames else "mend the row"
            raise UnknownLabel(f"{found[raw]}: {error}; {way_out}") from None
    for label in chosen.labels:
        if label in ("image_id", "n") or label.startswith("n:"):
            way_out = option("mapping", {label: "OTHER"})
            raise BadInput(f"{where}: a label cannot be called {label!r}; rename it: {way_out}")
    if respelt := [f"{raw} -> {label}" for raw, label in label_of.items() if raw != label]:
        notes.append(f"labels renamed: {', '.join(respelt)}")
    if unused := [label for label in chosen.labels if label not in set(label_of.values())]:
        notes.append(f"labels of {chosen.name} that never occur: {', '.join(unused)}")
    return LabelPlan(chosen, label_of, tuple(notes), tuple(warnings))


def _near_namesakes(renamed: Mapping[str, str], counts: Mapping[str, int]) -> list[str]:
    """A warning for each label that is no emotion word and much like one there, if it occurs once, or like a far
    commoner label."""
    total: Counter[str] = Counter()
    for raw, label in renamed.items():
        total[label] += counts.get(raw, 0)
    words, warnings = emotion_words(), []
    for label, count in total.items():
        if not count or label.casefold() in words:
            continue
        meant = {
            other.casefold(): other
            for other, number in total.items()
            if number >= _FAR_MORE * count or (count == 1 and other.casefold() in words)
        }
        for near in difflib.get_close_matches(label.casefold(), meant, n=1, cutoff=_NEAR):
            raw, other = next(raw for raw in renamed if renamed[raw] == label), meant[near]
            warnings.append(
                f"label {label!r} occurs {_often(count)}, {other!r} {_often(total[other])}; "
                f"if it is a typing mistake, {option('mapping', {raw: other})} makes them one, and "
                f"{option('taxonomy')} says which labels there are"
            )
    return warnings


def _often(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


@cache
def emotion_words() -> frozenset[str]:
    """Labels and synonyms of all built-in taxonomies, in small letters."""
    taxonomies = map(get_taxonomy, builtin_names())
    lists = (words for one in taxonomies for words in (one.labels, *one.synonyms.values()))
    return frozenset(word.casefold() for words in lists for word in words)


def _infer(renamed: Mapping[str, str], where: str, name: str) -> Taxonomy:
    spellings: dict[str, str] = {}
    for wanted in renamed.values():
        other = spellings.setdefault(wanted.casefold(), wanted)
        if other != wanted:
            way_out = option("mapping", {wanted: other})
            raise BadInput(f"{where}: labels {other!r} and {wanted!r} differ in capitals only; {way_out} joins them")
    if len(spellings) < 2:
        only = ", ".join(spellings.values()) or "none"
        raise BadInput(f"{where}: expected at least two labels, found {only}; name a taxonomy ({option('taxonomy')})")
    folded = infer_taxonomy(spellings)
    return folded if folded.name in builtin_names() else infer_taxonomy(spellings.values(), name=f"{name}-labels")


def label_of(word: str, words: Mapping[str, str], where: str, way_out: str) -> str:
    """The label that a word of the set stands for, capitals aside; BadInput naming the nearest one."""
    label = words.get(word.strip().casefold())
    if label is None:
        raise BadInput(f"{where}: {word!r} is none of {', '.join(words)}{did_you_mean(word, words)}; {way_out}")
    return label
