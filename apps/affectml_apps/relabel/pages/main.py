"""The script that Streamlit runs: who is there, and which pages they see."""

from affectml_apps.relabel.pages.navigation import run

run()
