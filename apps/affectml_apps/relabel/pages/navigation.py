"""Who is there, and which pages they see."""

import streamlit as st

from affectml_apps.relabel.pages import label


def run() -> None:
    """Draw the page that was asked for."""
    st.set_page_config(page_title="Labelling", page_icon=":material/label:", layout="wide")
    st.navigation([st.Page(label.draw, title="Label", url_path="label", default=True)]).run()
