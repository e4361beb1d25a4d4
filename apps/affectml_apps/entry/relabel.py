"""The labelling app as the installed package has it: `affectml label` runs this file with Streamlit."""

import sys

import streamlit as st

from affectml_apps.relabel.web import PAGE, app_parts

app = st.App(PAGE, **app_parts(sys.argv[1:]))
