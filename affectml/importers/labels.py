"""From the labels as a file spells them to those of a taxonomy."""

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from affectml.errors import BadInput, UnknownLabel, did_you_mean, option
from affectml.taxonomies import Taxonomy, builtin_names, get_taxonomy, infer_taxonomy

_FAR_MORE = 50  # times as often as a label of nearly its name: then that one is probably a slip
_NEAR = 0.8  # difflib's likeness: one letter of five


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
    renamed = _renamed(found, mapping or {}, where)
    notes: list[str] = []
    warnings: list[str] = []
    if taxonomy is None and own is not None and _has_all(own, renamed, counts is None):
        taxonomy = own
        notes.append(f"taxonomy: the data set's own, {own.name}")
    if taxonomy is None:
        warnings = _near_namesakes(renamed, counts or {})
        chosen = _infer(renamed, where, name)
        origin = "a built-in taxonomy" if chosen.name in builtin_names() else "the labels found"
        notes.append(f"taxonomy inferred: {chosen.name} ({origin})")
    else:
        chosen = get_taxonomy(taxonomy) if isinstance(taxonomy, str) else taxonomy
    by_fold = {label.casefold(): label for label in chosen.labels}
    label_of: dict[str, str] = {}
    for raw, wanted in renamed.items():
        label = wanted if wanted in chosen.labels else by_fold.get(wanted.casefold(), wanted)
        try:
            chosen.index(label)
        except UnknownLabel as error:
            way_out = f"{option('mapping', {raw: 'LABEL'})} renames it" if renames else "mend the row"
            raise UnknownLabel(f"{found[raw]}: {error}; {way_out}") from None
        label_of[raw] = label
    for label in chosen.labels:
        if label in ("image_id", "n") or label.startswith("n:"):
            way_out = option("mapping", {label: "OTHER"})
            raise BadInput(f"{where}: a label cannot be called {label!r}; rename it: {way_out}")
    respelt = [f"{raw} -> {label}" for raw, label in label_of.items() if raw != label]
    if respelt:
        notes.append(f"labels renamed: {', '.join(respelt)}")
    unused = [label for label in chosen.labels if label not in set(label_of.values())]
    if unused:
        notes.append(f"labels of {chosen.name} that never occur: {', '.join(unused)}")
    return LabelPlan(chosen, label_of, tuple(notes), tuple(warnings))


def _has_all(own: Taxonomy, renamed: Mapping[str, str], columns: bool) -> bool:
    """Whether a taxonomy has every label, capitals aside, and nothing else where they are columns."""
    found, there = ({label.casefold() for label in labels} for labels in (renamed.values(), own.labels))
    return found == there if columns else found <= there


def _near_namesakes(renamed: Mapping[str, str], counts: Mapping[str, int]) -> list[str]:
    """A warning for each label that is no emotion word and much like one there, if it occurs once, or like a far
    commoner label."""
    total: Counter[str] = Counter()
    for raw, label in renamed.items():
        total[label] += counts.get(raw, 0)
    warnings = []
    for label, count in total.items():
        if not count or label.casefold() in emotion_words():
            continue
        meant = {
            other.casefold(): other
            for other, number in total.items()
            if number >= _FAR_MORE * count or (count == 1 and other.casefold() in emotion_words())
        }
        near = difflib.get_close_matches(label.casefold(), meant, n=1, cutoff=_NEAR)
        if near:
            other = meant[near[0]]
            raw = next(spelling for spelling, chosen in renamed.items() if chosen == label)
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
    words: set[str] = set()
    for name in builtin_names():
        taxonomy = get_taxonomy(name)
        words.update(taxonomy.labels, *taxonomy.synonyms.values())
    return frozenset(word.casefold() for word in words)


def _renamed(found: Mapping[str, str], mapping: Mapping[str, str], where: str) -> dict[str, str]:
    for raw in mapping:
        if raw not in found:
            shown = ", ".join(list(found)[:12])
            raise BadInput(
                f"{where}: {option('mapping', {raw: mapping[raw]})}: no label {raw!r} there{did_you_mean(raw, found)} "
                f"(labels found: {shown})"
            )
    return {raw: mapping.get(raw, raw).strip() for raw in found}


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
    if folded.name in builtin_names():
        return folded
    return infer_taxonomy(spellings.values(), name=f"{name}-labels")


def label_of(word: str, words: Mapping[str, str], where: str, way_out: str) -> str:
    """The label that a word of the set stands for, capitals aside; BadInput naming the nearest one."""
    label = words.get(word.strip().casefold())
    if label is None:
        raise BadInput(f"{where}: {word!r} is none of {', '.join(words)}{did_you_mean(word, words)}; {way_out}")
    return label
