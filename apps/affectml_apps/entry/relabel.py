"""The labelling app as the installed package has it: `affectml label` runs this file with Streamlit."""

import sys

import streamlit as st

from affectml_apps.relabel.web import app_parts

PAGE, PARTS = app_parts(sys.argv[1:])
app = st.App(PAGE, **PARTS)
