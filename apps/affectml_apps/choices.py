"""Choices kept by what they name, never by the caption that a browser shows."""

from collections.abc import Callable, Collection
from typing import Any

import streamlit as st


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
