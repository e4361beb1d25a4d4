"""Judgements, decisions and shares as files."""

import shlex

import streamlit as st

from affectml_apps.relabel import lead
from affectml_apps.relabel.pages.drawing import reading_width
from affectml_apps.relabel.task import current
from affectml_apps.text import plain


def draw() -> None:
    """Draw it."""
    task = current()
    reading_width()
    st.title("Export")
    where = task.store.database.where
    st.text(f"Answers are kept in {where}")
    judgements = task.store.judgements()
    if judgements.empty:
        st.info("There is nothing to export yet.")
        return
    st.text(f"{len(judgements)} current answers, of people who did not withdraw")
    names = st.checkbox("With people's names (otherwise a1, a2, ...)")
    kind = st.selectbox("Format", list(lead.SUFFIXES))
    content, lost = lead.export_bytes(judgements, kind, names=names)
    st.download_button(
        "Download the answers", content, f"judgements{lead.SUFFIXES[kind]}", type="primary", on_click="ignore"
    )
    for line in lost:
        st.warning(plain(line))
    st.download_button(
        "Download votes per image (CSV)", lead.shares_csv(judgements, task.settings.labels), "votes.csv",
        on_click="ignore",
    )  # fmt: skip
    decisions = task.store.decisions()
    if len(decisions):
        st.download_button(
            "Download the decisions (CSV)",
            lead.for_spreadsheet(decisions.to_csv(index=False, lineterminator="\r\n").encode()),
            "decisions.csv",
            on_click="ignore",
        )
    st.write("Into the data set, ready to be trained on; what it has stays, and the answers are added to it:")
    to = shlex.quote(str(task.dataset.root.resolve()))
    st.code(
        f"affectml labels export --db {shlex.quote(where)} --to {to} --target collected", language=None, wrap_lines=True
    )
