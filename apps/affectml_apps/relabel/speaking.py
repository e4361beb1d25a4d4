"""In which language somebody is spoken to: what they chose, what their browser wishes; and where they choose another.

A choice stands in the page's address, so that it is there before anybody is known, and is kept for who is.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import streamlit as st

from affectml_annotation import languages
from affectml_annotation.languages import ENGLISH, PSEUDO, _, as_code, marked, own_name
from affectml_apps.relabel import queries
from affectml_apps.relabel.task import LabelTask

LANGUAGE = "language"  # in the address, in the session, and in a browser's message
KEPT = "language-kept"  # in the session: for whom, and which
SPOKEN = "language-spoken"  # in the session: the last one
DOCUMENT = Path(__file__).parent / "client" / "document.js"
# What Streamlit itself says in English.
STREAMLIT = (
    marked("Skip to main content"),
    # Translators: the menu of the app's pages, what opens and closes it, and its list.
    marked("Sidebar"),
    marked("Expand sidebar"),
    marked("Collapse sidebar"),
    marked("App pages"),
    # Translators: the buttons + and - beside a number.
    marked("Increment"),
    marked("Decrement"),
)


def language_of(offered: Sequence[str], own: Iterable[object], header: str | None) -> str:
    """The language for somebody. own: what they chose, the strongest first; header: Accept-Language."""
    valid = (code for said in own if (code := as_code(str(said or ""))) in offered or code == PSEUDO)
    return languages.chosen(offered, next(valid, None), languages.wishes(header or ""))


def speak(task: LabelTask, who: str | None = None) -> None:
    """Speak to whoever sits before this page in their language from now on, and say so in the document.

    What somebody known chose in this tab is kept for them.
    """
    offered = task.offered(who)
    person = queries.person(task.store, who) if who is not None and len(offered) > 1 else None
    told = tuple(as_code(code) for code in (st.query_params.get(LANGUAGE), st.session_state.get(LANGUAGE)) if code)
    code = language_of(offered, (*told, person and person.language), st.context.headers.get("accept-language"))
    if person is not None and st.session_state.get(KEPT) != (who, code):
        if code in told and code in offered and code != person.language:
            task.store.speak(person.annotator_id, code)
        st.session_state.update({LANGUAGE: code, KEPT: (who, code)})
    st.session_state[SPOKEN] = code
    languages.use(code)
    said = {} if code == ENGLISH else {text: _(text) for text in STREAMLIT}
    document = json.dumps({"lang": code, "dir": languages.direction(code), "said": said}).replace("<", "\\u003c")
    st.html(f"<script>({DOCUMENT.read_text(encoding='utf-8')})({document})</script>", unsafe_allow_javascript=True)


def choose(code: str) -> None:
    """Have the page speak another language from its next run on, with all that was typed into it so far."""
    st.query_params[LANGUAGE] = st.session_state[LANGUAGE] = code
    for name, value in st.session_state.items():
        if str(name).startswith("question-"):  # a browser holds a choice by its caption, and that is another one now
            st.session_state[name] = value


def chooser(offered: Sequence[str]) -> None:
    """The languages to choose from, by what each calls itself, if there are several."""
    if len(offered) == 1:
        return
    now = languages.current()
    row = st.container(horizontal=True, horizontal_alignment="right", key="languages")
    with row, st.popover(own_name(now), key=f"languages-{now}"):  # with another key it closes
        for code in offered:
            kind: Literal["primary", "secondary"] = "primary" if code == now else "secondary"
            st.button(own_name(code), type=kind, width="stretch", key=f"language-{code}", on_click=choose, args=(code,))
