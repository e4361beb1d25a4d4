"""The explore app: `streamlit run apps/explore.py`, or `-- DATASET --run RUN` after it."""

import sys

import streamlit as st

from affectml_apps.explore.web import app_parts

PAGE, PARTS = app_parts(sys.argv[1:])
app = st.App(PAGE, **PARTS)
