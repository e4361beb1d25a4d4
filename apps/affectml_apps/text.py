"""Text for browsers: what people typed, where Streamlit would read Markdown, and errors that name no place."""

import re

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
