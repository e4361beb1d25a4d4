"""Who is there, and which pages they see."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress

import streamlit as st

from affectml_annotation import DatabaseAway
from affectml_apps.relabel.pages import agreement, disagreement, export, label, own_part, progress, setup
from affectml_apps.relabel.pages.drawing import section
from affectml_apps.relabel.pages.who import may_see_lead_pages
from affectml_apps.relabel.task import current

LOOK_SECONDS = 1.0

# The component needs the height; Streamlit leaves six rem free above it. On a phone a wide table scrolls by itself,
# with cells as wide as what they hold, up to a width that can be read.
STYLE = """<style>
.stMainBlockContainer {padding: 3.75rem 2rem 1rem}
@media (max-width: 900px) {
  .stMainBlockContainer {padding-inline: 0.75rem}
  [data-testid=stTable] table {width: max-content; min-width: 100%}
  [data-testid=stTable] [data-testid=stMarkdownContainer] {max-width: 16rem; width: max-content}
  [data-testid=stTable] td:first-child [data-testid=stMarkdownContainer] {max-width: 8rem; white-space: normal}
  [data-testid=stTable] td:first-child :is(p, a) {overflow-wrap: anywhere}
}
</style>"""
# Drawn here: a ":material/..." icon would be fetched from abroad by every page.
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M3 6h17l9 10-9 10H3z" fill="#2f6fc4"/>'
    '<circle cx="10" cy="16" r="3" fill="#fff"/></svg>'
)
LEAD: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("Set-up", "setup", setup.draw),
    ("People and progress", "progress", progress.draw),
    ("Agreement", "agreement", agreement.draw),
    ("Disagreement", "disagreement", disagreement.draw),
    ("Export", "export", export.draw),
)


def run() -> None:
    """Draw the page that was asked for."""
    st.set_page_config(page_title="Labelling", page_icon=ICON, layout="wide")
    st.html(STYLE)
    if st.session_state.pop("was away", False):
        st.toast("The database was away for a moment. If you clicked something then, look whether it was done.")
    try:
        _run()
    except DatabaseAway as error:
        _wait(error)


def _run() -> None:
    pages = [
        st.Page(label.draw, title="Label", url_path="label", default=True),
        st.Page(own_part.draw, title="Your part", url_path="you"),
    ]
    if may_see_lead_pages():
        pages += [st.Page(draw, title=title, url_path=path) for title, path, draw in LEAD]
    page = st.navigation(pages, position="top")
    with section():
        page.run()


def _wait(error: DatabaseAway) -> None:
    """Leave on the page what stands there, fields and what was typed into them, until the database answers again."""
    logging.getLogger(__name__).warning("%s", error)
    place = st.empty()
    while True:
        place.info("The database does not answer at the moment. This page goes on by itself.")  # or ends: they left
        time.sleep(LOOK_SECONDS)
        with suppress(DatabaseAway):
            current().refresh()
            break
    st.session_state["was away"] = True  # a message before this is one that a rerun drops
    st.rerun()
