"""The labelling app: `streamlit run apps/relabel.py`, or `-- --dataset DIR --db URL [--model RUN]` after it."""

import sys

import streamlit as st

from affectml_apps.relabel.web import app_parts

PAGE, PARTS = app_parts(sys.argv[1:])
app = st.App(PAGE, **PARTS)
