"""What an annotator sees of their own part: how much they did, what is known of them, and the way out."""

import streamlit as st

from affectml_annotation.languages import _, marked, ngettext
from affectml_apps.relabel import queries
from affectml_apps.relabel.pages.drawing import reading_width
from affectml_apps.relabel.pages.who import ask_who, is_proven, offer_to_leave, who_is_there
from affectml_apps.relabel.speaking import chooser
from affectml_apps.relabel.task import current

WITHDRAWING = marked(
    "After that nothing is shown to you, and none of your answers is counted or exported. Whoever leads the task can "
    "undo it for a week; then it is final."
)
WITHDRAWING_UNPROVEN = marked(
    "After that nothing is shown to you, and none of your answers is counted or exported. Whoever leads the task can "
    "undo it at any time, since here a name is no password."
)


def draw() -> None:
    """Draw it."""
    task, who = current(), who_is_there()
    if who is None:
        ask_who()
        return
    person = queries.person(task.store, who)
    reading_width()
    chooser(task.offered())
    st.title(_("Your part"))
    if person is None:
        st.text(_("{name}: you have not begun yet. The page “Label” is where it starts.", name=who))
        offer_to_leave()
        return
    rounds = [int(number) for number in task.store.rounds()["round"]]
    answers = queries.answered_count(task.store, who, rounds)
    st.text(ngettext("{name}: {n} answer so far.", "{name}: {n} answers so far.", answers, name=who))
    offer_to_leave()
    if person.withdrawn:
        st.info(
            _("You have withdrawn. Your answers are not used. Was it not meant? Whoever leads the task can undo it.")
        )
        return
    st.write(
        _(
            "You can stop at any time: close the page, and it goes on at the same image when you come back. "
            "Answers that could not be sent yet are kept in this browser until they can."
        )
    )
    st.subheader(_("Withdraw"))
    st.write(_(WITHDRAWING if is_proven() else WITHDRAWING_UNPROVEN))
    sure = st.checkbox(_("Yes, I want to withdraw, with all my answers"), key="sure")
    if st.button(_("Withdraw"), disabled=not sure):
        task.store.withdraw(who, proven=is_proven())
        st.rerun()
