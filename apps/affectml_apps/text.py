"""What people typed, where Streamlit would read Markdown."""

import re


def plain(text: object) -> str:
    """Text that Streamlit's Markdown shows as it is: a name or a note must not load images or hide a link.

    A bare web address still becomes a link to itself.
    """
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", str(text))
