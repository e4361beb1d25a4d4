"""The explore app as the installed package has it: `affectml explore` runs this file with Streamlit."""

import sys

import streamlit as st

from affectml_apps.explore.web import app_parts

PAGE, PARTS = app_parts(sys.argv[1:])
app = st.App(PAGE, **PARTS)
