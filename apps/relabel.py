"""The labelling app: `streamlit run apps/relabel.py`, or `-- --dataset DIR --db URL` after it."""

import sys

import streamlit as st

from affectml_apps.relabel.web import PAGE, app_parts

app = st.App(PAGE, **app_parts(sys.argv[1:]))
