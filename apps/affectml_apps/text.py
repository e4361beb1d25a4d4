"""Text for browsers, and from them: errors that name no place, what people typed, what was done, and choices."""

import logging
import re
from collections.abc import Callable, Collection
from typing import Any

import streamlit as st

from affectml.errors import AffectmlError
from affectml_annotation import AnnotationError, DatabaseAway, DatabaseFailed
from affectml_annotation.languages import _


def in_public(error: Exception) -> str:
    """An error's message. What a database that failed said of its place and user is for the server's log alone."""
    if isinstance(error, DatabaseFailed):
        logging.getLogger(__name__).warning("%s", error)
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

    A bare web address still becomes a link to itself. What means nothing to Markdown stays without a backslash, which
    screen readers would read out in a field's name.
    """
    return re.sub(r"([!#$&*+\-:<=>@\[\\\]^_`{|}~]|(?<=\d)[.)])", r"\\\1", str(text))


def with_code(message: object) -> str:
    """A message of the library as Markdown: what it has in backticks is code, all else stands as it is.

    It may hold what somebody typed, which is never Markdown: a span of code ends where its line does.
    """
    message = in_public(message) if isinstance(message, Exception) else str(message)
    parts = message.split("`")
    if len(parts) % 2 == 0 or not all(part.strip() and part.isprintable() for part in parts[1::2]):
        return plain(message)
    return "".join(f"`{part}`" if at % 2 else plain(part) for at, part in enumerate(parts))


def problem(error: object) -> None:
    """An error in one line; it may hold what somebody typed."""
    st.error(with_code(error))


def attempt(change: Callable[[], object], message: str) -> None:
    """Do it, and draw the page afresh with the message, `{}` being what came of it; or say in one line why not."""
    try:
        came = change()
    except (AffectmlError, AnnotationError) as error:
        problem(error)
    else:
        st.session_state["done"] = message.replace("{}", plain(came))
        st.rerun()  # fields then start from what was stored


def show_done() -> None:
    """Show the message of what was done last, once."""
    if message := st.session_state.pop("done", None):
        st.toast(message, duration="long")


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
