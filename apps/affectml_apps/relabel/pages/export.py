"""Judgements, decisions and shares as files."""

import streamlit as st

from affectml_apps.relabel import lead
from affectml_apps.relabel.pages.drawing import plain, reading_width
from affectml_apps.relabel.task import current


def draw() -> None:
    """Draw it."""
    task = current()
    reading_width()
    st.title("Export")
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
            "Download the decisions (CSV)", decisions.to_csv(index=False).encode(), "decisions.csv", on_click="ignore"
        )
    st.write("As a data set folder that can be trained on, with targets and how they were made:")
    url = task.store.database.engine.url
    where = url.database if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
    st.code(f"affectml labels export --db {where} --to DATASET", language=None, wrap_lines=True)
