"""The page where images are labelled: the door, consent, and then the component."""

from collections.abc import Callable

import streamlit as st

from affectml_annotation.languages import _, marked, ngettext
from affectml_apps.relabel import component, queries
from affectml_apps.relabel.pages.drawing import reading_width
from affectml_apps.relabel.pages.who import ask_who, may_see_lead_pages, offer_to_leave, who_is_there
from affectml_apps.relabel.speaking import chooser
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import controlled, plain, problem

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
    person = queries.person(task.store, who)
    if person is None and task.file.invited_only:
        text = _(
            "“{name}” is not among the people invited to this task. Ask the lead for an invitation, or use the name "
            "you were invited under.",
            name=who,
        )
        _outside(_("Not invited"), text, problem)
        if may_see_lead_pages():
            st.write(TO_LEADS)
    elif who in task.store.closed():
        text = _("{name}, the lead has closed your entry to this task. Your answers so far are kept.", name=plain(who))
        _outside(_("Closed"), text)
    elif person is not None and person.withdrawn_at is not None:
        text = _(
            "{name}, you have withdrawn from this task. Nothing more is shown, and your answers are not used.",
            name=plain(who),
        )
        _outside(_("Withdrawn"), text)
    elif person is None or person.consented_at is None:
        _ask_consent(task, who)
    else:
        st.html(component.CLIENT / "label.css")
        chooser(task.offered(who))
        component.mount(task, who, _round(task, who))


def _outside(title: str, why: str, tell: Callable[[str], object] = st.info) -> None:
    """The page of somebody who may not label."""
    reading_width()
    chooser(current().offered())
    st.title(title)
    tell(why)
    offer_to_leave()


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


def _round(task: LabelTask, who: str) -> int:
    """The round to label: the one they chose, else the first, or a further one where only that has images for them."""
    further = queries.further_rounds(task.store, who, inline_second=task.file.page.blind_first)
    if not further:
        return 1
    st.html(component.CLIENT / "rounds.css")  # the component is that much lower
    names = {1: _("First look")} | {number: _further(purpose, left) for number, purpose, left in further}

    def choose(number: int) -> None:
        st.session_state["round"] = number

    number: int = st.session_state.get("round", 0)
    if number not in names:
        number = 1 if queries.left_for(task.store, who, 1) else further[0][0]
    st.segmented_control(
        _("Round"), list(names), format_func=names.__getitem__, label_visibility="collapsed",
        **controlled("rounds", number, choose, names),
    )  # fmt: skip
    return number


def _further(purpose: str, left: int) -> str:
    if purpose == "second":
        return ngettext("Second looks: {n} left", "Second looks: {n} left", left)
    return ngettext("Second round: {n} left", "Second round: {n} left", left)
