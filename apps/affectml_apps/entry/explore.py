"""The explore app as the installed package has it: `affectml explore` runs this file with Streamlit."""

import sys

import streamlit as st

from affectml_apps.explore.web import PAGE, app_parts

app = st.App(PAGE, **app_parts(sys.argv[1:]))
