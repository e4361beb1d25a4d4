"""The page where images are labelled: the door, consent, and then the component."""

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
# Streamlit's header and paddings, as the component's height is reckoned from them; on small screens they give way.
SPACE = """<style>
.stMainBlockContainer {--top: 3.75rem; --bottom: 1rem; padding: var(--top) 2rem var(--bottom)}
@media (max-width: 900px), (max-height: 500px) {
  .stMainBlockContainer {--top: 3rem; --bottom: 0.5rem; padding-inline: 0.75rem}
  .stAppHeader {height: 3rem; min-height: 3rem}
}
</style>"""
# The theme's own blue is too dark for the chosen one's words on a dark page.
ABOVE = """<style>
.stMainBlockContainer {--above: 3.5rem}
.stButtonGroup button[role=radio][aria-checked=true] {color: inherit}
</style>"""


def draw() -> None:
    """Draw it."""
    task, who = current(), who_is_there()
    if who is None:
        ask_who()
        return
    task.refresh()
    person = queries.person(task.store, who)
    if person is None and task.preferences.invited_only:
        reading_width()
        st.title("Not invited")
        problem(f"Nobody invited “{who}” to this task. Ask the lead, or label under the name you were invited by.")
        offer_to_leave()
    elif who in task.preferences.closed:
        reading_width()
        st.title("Closed")
        st.info(f"{plain(who)}, the lead has closed your entry to this task. Your answers so far are kept.")
        offer_to_leave()
    elif person is not None and person.withdrawn:
        reading_width()
        st.title("Withdrawn")
        st.info(
            f"{plain(who)}, you have withdrawn from this task. Nothing more is shown, and your answers are not used."
        )
        offer_to_leave()
    elif person is None or not person.consented:
        _ask_consent(task, who)
    else:
        st.html(SPACE)
        component.mount(task, who, _round(task, who), base=config.get_option("server.baseUrlPath"))


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
    st.html(ABOVE)  # the component is that much lower
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
