"""The page where images are labelled: the door, consent, and then the component."""

import streamlit as st

from affectml_annotation.languages import _, marked
from affectml_apps.relabel import component, queries
from affectml_apps.relabel.pages.drawing import reading_width
from affectml_apps.relabel.pages.who import ask_who, may_see_lead_pages, offer_to_leave, who_is_there
from affectml_apps.relabel.speaking import chooser
from affectml_apps.relabel.sync import NotAllowed, has_agreed
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import problem, sentence

RECORDED = marked(
    "This task records your answers, when and in which language you gave them and how many seconds you took. Nothing "
    "else about you is recorded except what you agree to share."
)
SEEN = marked("The lead of this task sees your answers; other annotators do not.")
TO_LEADS = "You lead this task: the menu has its pages. To label too, invite yourself on the page Progress."
SEEN_HERE = marked("Whoever uses this machine can see your answers.")


def draw() -> None:
    """Draw it."""
    task, who = current(), who_is_there()
    if who is None:
        ask_who()
        return
    try:
        agreed = has_agreed(task, who)
    except NotAllowed as error:
        reading_width()
        chooser(task.offered())
        st.title(_("You cannot take part"))
        problem(sentence(error))
        offer_to_leave()
        if may_see_lead_pages() and queries.person(task.store, who) is None:
            st.write(TO_LEADS)
        return
    if agreed:
        st.html(component.CLIENT / "label.css")
        chooser(task.offered(who))
        component.mount(task, who, queries.round_for(task.store, who))
    else:
        _ask_consent(task, who)


def _ask_consent(task: LabelTask, who: str) -> None:
    """What they will see and what is recorded, before the first image."""
    reading_width()
    chooser(task.offered())
    st.title(_("Before the first image"))
    st.subheader(_("What you will be asked"))
    st.text(task.text("question"))
    if instructions := task.text("instructions"):
        st.text(instructions)
    st.subheader(_("What you may see"))
    st.text(task.text("warning"))
    st.subheader(_("What is recorded"))
    open_to_all = may_see_lead_pages() and not task.leads
    st.text(f"{_(RECORDED)} {_(SEEN_HERE if open_to_all else SEEN)}")
    if st.button(_("I have read this and want to take part"), type="primary"):
        task.store.invite([who])  # nobody is in the task before they agreed, whatever name an address holds
        task.store.consent(who)
        st.rerun()
