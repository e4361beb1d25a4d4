"""Text for browsers, and from them: errors that name no place, what people typed, and choices by what they name."""

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import streamlit as st

from affectml_annotation import DatabaseAway, DatabaseFailed
from affectml_annotation.languages import _


def in_public(error: Exception) -> str:
    """An error's message; of a database that failed it names neither a place nor a user, which are the server's."""
    if isinstance(error, DatabaseAway):
        return _("the database does not answer at the moment; try again soon")
    if isinstance(error, DatabaseFailed):
        return _("the database cannot be read or written; whoever runs this server has to look at it")
    return str(error)


def sentence(error: object) -> str:
    """A message of a library's error as a sentence for people."""
    message = str(error)
    # Translators: a sentence without its full stop goes in; end it as your language ends sentences.
    return _("{sentence}.", sentence=message[:1].upper() + message[1:])


def plain(text: object) -> str:
    """Text that Streamlit's Markdown shows as it is: a name or a note must not load images or hide a link.

    A bare web address still becomes a link to itself. Of an error, what it says `in_public`. What means nothing to
    Markdown stays without a backslash, which screen readers would read out in a field's name.
    """
    text = in_public(text) if isinstance(text, Exception) else text
    return re.sub(r"([!#$&*+\-:<=>@\[\\\]^_`{|}~]|(?<=\d)[.)])", r"\\\1", str(text))


def fold(text: str) -> str:
    """A text as it is compared in a search: no accents, no case, one form of each letter.

    >>> fold("José") == fold("Jose\\u0301") == fold("JOSE")
    True
    """
    parts = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", "".join(part for part in parts if not unicodedata.combining(part)))


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


def controlled(
    key: str, value: object, act: Callable[[Any], None], among: Collection[object] | None = None
) -> dict[str, Any]:
    """Arguments of a widget that shows `value`, whatever it showed before, and calls `act` with what somebody chose.

    A browser sends a choice back as its caption. One that was sent before the captions changed names no option and
    comes as that text: `act` is called only with what is `among` the options, where they are given.
    """
    st.session_state[key] = value

    def changed() -> None:
        chosen = st.session_state[key]
        if among is None or chosen in among:
            act(chosen)

    return {"key": key, "on_change": changed}
