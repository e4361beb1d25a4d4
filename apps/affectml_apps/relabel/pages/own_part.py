"""What an annotator sees of their own part: how much they did, what is known of them, and the way out."""

import streamlit as st

from affectml_apps.relabel import queries
from affectml_apps.relabel.pages.drawing import reading_width
from affectml_apps.relabel.pages.who import ask_who, is_proven, offer_to_leave, who_is_there
from affectml_apps.relabel.task import current


def draw() -> None:
    """Draw it."""
    task, who = current(), who_is_there()
    if who is None:
        ask_who()
        return
    person = queries.person(task.store, who)
    reading_width()
    st.title("Your part")
    if person is None:
        st.text(f"{who}: you have not begun yet. The page “Label” is where it starts.")
        offer_to_leave()
        return
    rounds = [int(number) for number in task.store.rounds()["round"]]
    st.text(f"{who}: {queries.answered_count(task.store, who, rounds)} answers so far.")
    offer_to_leave()
    if person.withdrawn:
        st.info("You have withdrawn. Your answers are not used. Was it not meant? Whoever leads the task can undo it.")
        return
    st.write(
        "You can stop at any time: close the page, and it goes on at the same image when you come back. "
        "Answers that could not be sent yet are kept in this browser until they can."
    )
    st.subheader("Withdraw")
    undo = "for a week; then it is final" if is_proven() else "at any time, since here a name is no password"
    st.write(
        "After that nothing is shown to you, and none of your answers is counted or exported. Whoever leads the task "
        f"can undo it {undo}."
    )
    sure = st.checkbox("Yes, I want to withdraw, with all my answers")
    if st.button("Withdraw", disabled=not sure):
        task.store.withdraw(who, proven=is_proven())
        st.rerun()
