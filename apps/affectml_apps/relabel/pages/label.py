"""The page where images are labelled: the door, consent, and then the component."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit import config

from affectml_apps.choices import controlled
from affectml_apps.relabel import component, queries
from affectml_apps.relabel.pages.drawing import problem, reading_width
from affectml_apps.relabel.pages.who import ask_who, offer_to_leave, who_is_there
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import plain

RECORDED = (
    "This task records your answers, when you gave them and how many seconds you took. Anything else about you is only "
    "what you agreed to share. The lead of this task sees your answers; other annotators do not."
)


def draw() -> None:
    """Draw it."""
    task, who = current(), who_is_there()
    if who is None:
        ask_who()
        return
    task.refresh()
    person = queries.person(task.store, who)
    if person is None and task.preferences.invited_only:
        with _outside("Not invited"):
            problem(f"Nobody invited “{who}” to this task. Ask the lead, or label under the name you were invited by.")
    elif who in task.preferences.closed:
        with _outside("Closed"):
            st.info(f"{plain(who)}, the lead has closed your entry to this task. Your answers so far are kept.")
    elif person is not None and person.withdrawn:
        with _outside("Withdrawn"):
            unused = "Nothing more is shown, and your answers are not used."
            st.info(f"{plain(who)}, you have withdrawn from this task. {unused}")
    elif person is None or not person.consented:
        _ask_consent(task, who)
    else:
        st.html(component.CLIENT / "label.css")
        component.mount(task, who, _round(task, who), base=config.get_option("server.baseUrlPath"))


@contextmanager
def _outside(title: str) -> Iterator[None]:
    """The page of somebody who may not label; inside, why not."""
    reading_width()
    st.title(title)
    yield
    offer_to_leave()


def _ask_consent(task: LabelTask, who: str) -> None:
    """What they will see and what is recorded, before the first image."""
    preferences = task.preferences
    reading_width()
    st.title("Before the first image")
    st.subheader("What you will be asked")
    st.text(task.settings.question)
    if preferences.instructions:
        st.text(preferences.instructions)
    st.subheader("What you may see")
    st.text(preferences.content_warning)
    st.subheader("What is recorded")
    st.text(RECORDED)
    if st.button("I have read this and want to take part", type="primary"):
        task.store.invite([who])  # nobody is in the task before they agreed, whatever name an address holds
        task.store.consent(who)
        st.rerun()


def _round(task: LabelTask, who: str) -> int:
    """The round to label: the one they chose, else the first, or a further one where only that has images for them."""
    further = queries.further_rounds(task.store, who, inline_second=task.preferences.blind_first)
    if not further:
        return 1
    st.html(component.CLIENT / "rounds.css")  # the component is that much lower
    names = {1: "First look"} | {number: f"{purpose}: {left} left" for number, purpose, left in further}

    def choose(number: int) -> None:
        st.session_state["round"] = number

    number: int = st.session_state.get("round", 0)
    if number not in names:
        number = 1 if queries.left_for(task.store, who, 1) else further[0][0]
    st.segmented_control(
        "Round", list(names), format_func=names.__getitem__, label_visibility="collapsed",
        **controlled("rounds", number, choose, names),
    )  # fmt: skip
    return number
