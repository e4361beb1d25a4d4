"""What the people of a study answered to the questions about themselves."""

import pandas as pd
import streamlit as st

from affectml_annotation.study.questions import Answered, answers_to_questions
from affectml_apps.relabel.pages.drawing import bars, reading_width, section, table
from affectml_apps.relabel.task import current
from affectml_apps.text import plain


def draw() -> None:
    """Draw it."""
    reading_width()
    st.title("Answers about people")
    answered = answers_to_questions(current().store)
    if not answered:
        st.info("The study asks no questions before or after the images.")
    for one in answered:
        with section():
            _question(one)


def _question(one: Answered) -> None:
    st.subheader(plain(one.question.text))
    st.text(f"{one.people} answered")
    if not one.people:
        return
    if one.counts:
        counts = pd.DataFrame(one.counts.items(), columns=["answer", "people"])
        bars(counts, "answer", "people", f"How many people answered what to: {one.question.text}")
    else:
        counts = pd.DataFrame({"answer": one.texts})
    if len(counts):
        with st.expander("The same as a table" if one.counts else "What they wrote"):
            table(counts, f"Answers to {plain(one.question.id)}")  # a name that no other table here has
