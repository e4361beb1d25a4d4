"""Who is there, and which pages they see."""

from collections.abc import Callable

import streamlit as st

from affectml_apps.relabel.pages import agreement, disagreement, export, label, people, progress, setup
from affectml_apps.relabel.pages.drawing import section
from affectml_apps.relabel.pages.who import may_see_lead_pages

# The component needs the height; Streamlit leaves six rem free above it. On a phone a wide table scrolls by itself,
# with cells as wide as what they hold, up to a width that can be read.
STYLE = """<style>
.stMainBlockContainer {padding: 3.75rem 2rem 1rem}
@media (max-width: 900px) {
  .stMainBlockContainer {padding-inline: 0.75rem}
  [data-testid=stTable] table {width: max-content; min-width: 100%}
  [data-testid=stTable] [data-testid=stMarkdownContainer] {max-width: 16rem; width: max-content}
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
    pages = [
        st.Page(label.draw, title="Label", url_path="label", default=True),
        st.Page(people.draw, title="Your part", url_path="you"),
    ]
    if may_see_lead_pages():
        pages += [st.Page(draw, title=title, url_path=path) for title, path, draw in LEAD]
    page = st.navigation(pages, position="top")
    with section():
        page.run()
