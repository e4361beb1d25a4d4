"""Names as people type them: without accents, in either Unicode form, in any case."""

import unicodedata
from collections.abc import Iterable, Sequence


def fold(text: str) -> str:
    """A text as it is compared in a search: no accents, no case, one form of each letter.

    >>> fold("José") == fold("Jose\\u0301") == fold("JOSE")
    True
    """
    parts = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(part for part in parts if not unicodedata.combining(part)))


def find(wanted: str, names: Iterable[str]) -> list[str]:
    """The names that hold what was typed; all of them for nothing."""
    part = fold(wanted.strip())
    return [name for name in names if part in fold(name)]


def resolve(typed: Sequence[str], names: Iterable[str]) -> list[str]:
    """Each name typed as it is written where it is known: itself, else the only one that folds to the same.

    What is not known, or could be two, stays as it was typed: whoever takes it says so.
    """
    known = list(names)
    exact, folded = set(known), dict[str, list[str]]()
    for name in known:
        folded.setdefault(fold(name), []).append(name)
    return [name if name in exact or len(folded.get(fold(name), ())) != 1 else folded[fold(name)][0] for name in typed]


def searchable(name: str) -> str:
    """A name as an option of a field that one types in: with its plain spelling beside it, where that differs."""
    shown = unicodedata.normalize("NFC", name)
    bare = "".join(part for part in unicodedata.normalize("NFKD", name) if not unicodedata.combining(part))
    return shown if bare == unicodedata.normalize("NFKC", name) else f"{shown} ({bare})"
