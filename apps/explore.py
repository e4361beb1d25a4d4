"""The explore app: `streamlit run apps/explore.py`, or `-- DATASET --run RUN` after it."""

import sys

import streamlit as st

from affectml_apps.explore.web import PAGE, app_parts

app = st.App(PAGE, **app_parts(sys.argv[1:]))
