"""Tables and charts that the lead's pages share."""

from typing import NoReturn

import altair as alt
import pandas as pd
import streamlit as st


def table(content: pd.DataFrame, title: str) -> None:
    """A table under its title; times without fractions, numbers with two places."""
    st.subheader(title)
    shown = content.copy()
    for name in shown.columns:
        if pd.api.types.is_datetime64_any_dtype(shown[name]):
            shown[name] = shown[name].dt.strftime("%Y-%m-%d %H:%M").fillna("")
        elif pd.api.types.is_float_dtype(shown[name]):
            shown[name] = [f"{value:.3f}" if value == value else "–" for value in shown[name].astype(float)]
    st.table(shown.rename(columns=lambda name: str(name).replace("_", " ")), hide_index=True)


def line_chart(content: pd.DataFrame, x: str, y: str, colour: str, title: str) -> None:
    """Lines with points, one for each value of `colour`."""
    chart = (
        alt.Chart(content, title=title)
        .mark_line(point=True)
        .encode(
            x=alt.X(f"{x}:Q", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y(f"{y}:Q", title=y.replace("_", " ")),
            color=alt.Color(f"{colour}:N", title=None),
            strokeDash=alt.StrokeDash(f"{colour}:N", title=None),
        )
        .properties(height=220, description=title)
    )
    st.altair_chart(chart, width="stretch")


def hours(seconds: float) -> str:
    """A span of time as people say it; a dash for nan."""
    if seconds != seconds:
        return "–"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def done(message: str) -> NoReturn:
    """Draw the page afresh, with this message on it: fields then start from what was stored."""
    st.session_state["done"] = message
    st.rerun()


def show_done() -> None:
    """Show the message of the last change, once."""
    message = st.session_state.pop("done", None)
    if message is not None:
        st.success(message)
