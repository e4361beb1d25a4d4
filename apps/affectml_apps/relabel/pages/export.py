"""Judgements, decisions and shares as files."""

import shlex

import pandas as pd
import streamlit as st

from affectml_annotation import pooled_words
from affectml_annotation.judgements import are_data
from affectml_apps.relabel import lead
from affectml_apps.relabel.pages.drawing import reading_width, section
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import plain


def draw() -> None:
    """Draw it."""
    task = current()
    reading_width()
    st.title("Export")
    st.text(f"Answers are kept in {task.store.database.where}")
    judgements = task.store.judgements()
    if not are_data(judgements).any():
        st.info("There is nothing to export yet.")
        return
    with section():
        _answers(judgements)
    with section():
        _votes(judgements, task.file.labels)
    with section():
        _decisions(task)
    with section():
        _command(task)


def _answers(judgements: pd.DataFrame) -> None:
    st.text(f"{are_data(judgements).sum()} current answers, of people who did not withdraw")
    names = st.checkbox("With people's names (otherwise a1, a2, ...)")
    kind = st.selectbox("Format", list(lead.SUFFIXES))
    content, apart = lead.export_bytes(judgements, kind, names=names)
    st.download_button(
        "Download the answers", content, f"judgements{lead.SUFFIXES[kind]}", type="primary", on_click="ignore"
    )
    for line in apart:
        st.caption(plain(line))


def _votes(judgements: pd.DataFrame, labels: tuple[str, ...]) -> None:
    content = lead.shares_csv(judgements, labels)
    if words := pooled_words(judgements):
        st.write(plain(words))
    st.download_button("Download votes per image (CSV)", content, "votes.csv", on_click="ignore")


def _decisions(task: LabelTask) -> None:
    decisions = task.store.decisions()
    if decisions.empty:
        return
    content = lead.as_csv(decisions)
    st.download_button("Download the decisions (CSV)", content, "decisions.csv", on_click="ignore")


def _command(task: LabelTask) -> None:
    st.write("Into the data set, ready to be trained on; what it has stays, and the answers are added to it:")
    where, to = (shlex.quote(str(place)) for place in (task.store.database.where, task.dataset.root.resolve()))
    st.code(f"affectml labels export --db {where} --to {to} --target collected", language=None, wrap_lines=True)
