"""Who is there, and which pages they see."""

from collections.abc import Callable

import streamlit as st

from affectml_apps.relabel.pages import agreement, disagreement, export, label, people, progress, setup
from affectml_apps.relabel.pages.who import may_see_lead_pages

# The component needs the height; Streamlit leaves six rem free above it.
STYLE = "<style>.stMainBlockContainer {padding: 3.75rem 2rem 1rem}</style>"
LEAD: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("Set-up", "setup", setup.draw),
    ("People and progress", "progress", progress.draw),
    ("Agreement", "agreement", agreement.draw),
    ("Disagreement", "disagreement", disagreement.draw),
    ("Export", "export", export.draw),
)


def run() -> None:
    """Draw the page that was asked for."""
    st.set_page_config(page_title="Labelling", page_icon=":material/label:", layout="wide")
    st.html(STYLE)
    pages = [
        st.Page(label.draw, title="Label", url_path="label", default=True),
        st.Page(people.draw, title="Your part", url_path="you"),
    ]
    if may_see_lead_pages():
        pages += [st.Page(draw, title=title, url_path=path) for title, path, draw in LEAD]
    st.navigation(pages, position="top").run()
