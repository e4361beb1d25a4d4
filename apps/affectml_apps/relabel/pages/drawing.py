"""Tables, charts and messages that the pages share. What people typed is drawn as text, never as Markdown."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from affectml.errors import AffectmlError
from affectml_annotation import AnnotationError, DatabaseAway, DatabaseFailed
from affectml_apps.relabel.task import current
from affectml_apps.text import plain

NAMES = {
    "annotator_id": "annotator",
    "claimed": "images held",
    "last_answer": "last answer (UTC)",
    "ac1": "AC1",
    "seconds": "median seconds",
}

LABELS = {"label", "instead"}  # columns whose cells are labels


def reading_width() -> None:
    """Keep a page of text and fields narrow enough to read."""
    st.html("<style>.stMainBlockContainer {max-width: 52rem}</style>")


def problem(error: object) -> None:
    """An error in one line; it may hold what somebody typed."""
    st.error(plain(error))


@contextmanager
def section() -> Iterator[None]:
    """A part of a page: what fails in it is told in its place, and the parts below it are drawn all the same."""
    try:
        yield
    except DatabaseAway:
        raise  # the whole page waits
    except DatabaseFailed as error:  # its message names the database's place and user
        logging.getLogger(__name__).warning("%s", error)
        problem("The database failed at this; what it said stands in the server's own output.")
    except (AffectmlError, AnnotationError) as error:
        problem(error)
    except Exception as error:
        logging.getLogger(__name__).exception("a part of a page was not drawn")
        st.exception(error)  # of which a browser is told the type alone


def attempt(change: Callable[[], object], message: str, place: str) -> None:
    """Do it, and say there that it is done, `{}` being what came of it, or in one line why not."""
    try:
        came = change()
    except DatabaseFailed:
        raise  # `section` tells it without its place
    except AnnotationError as error:
        problem(error)
        return
    done(message.replace("{}", str(came)), place)


def table(content: pd.DataFrame, title: str) -> None:
    """A table under its title; times without fractions, two places of numbers, yes and no, labels as they are read."""
    st.subheader(title)
    display = current().taxonomy.display
    shown = content.rename(columns=display)
    for name in LABELS & set(shown.columns):
        shown[name] = shown[name].map(display)
    for name in shown.columns:
        if pd.api.types.is_datetime64_any_dtype(shown[name]):
            shown[name] = shown[name].dt.strftime("%Y-%m-%d %H:%M").fillna("")
        elif pd.api.types.is_bool_dtype(shown[name]):
            shown[name] = shown[name].map({True: "yes", False: "no"})
        elif not pd.api.types.is_numeric_dtype(shown[name]):
            shown[name] = shown[name].map(plain)
    shown.columns = pd.Index([NAMES.get(str(name), str(name).replace("_", " ")) for name in shown.columns])
    st.table(shown.style.format(precision=2, na_rep="–"), hide_index=True)


def estimate(column: DeltaGenerator, name: str, value: object) -> None:
    """An estimate, large, with its interval under it: side by side they are cut off on a tablet."""
    middle, _, interval = str(value).partition(" ")
    column.metric(name, middle)
    column.text(interval)


def line_chart(content: pd.DataFrame, x: str, y: str, colour: str, title: str) -> None:
    """Lines with points, one for each value of `colour`; x counts from 1."""
    # A plain Vega-Lite specification: Altair would cost 26 MB of memory and a third of a second for two charts.
    legend = {"orient": "bottom", "columns": 2, "labelLimit": 130}  # at the side it would take a phone's whole width
    line = {"field": colour, "type": "nominal", "title": None, "legend": legend}
    axis = {"tickMinStep": 1, "format": "d"}
    spec = {
        "description": title,
        "height": 320,
        "usermeta": {"embedOptions": {"actions": False}},  # its menu offers to send the data to another site
        "mark": {"type": "line", "point": True},
        "encoding": {
            "x": {"field": x, "type": "quantitative", "axis": axis, "scale": {"zero": False}},
            "y": {"field": y, "type": "quantitative", "title": y.replace("_", " ")},
            "color": line,
            "strokeDash": line,
        },
    }
    st.text(title)  # the chart's own title would be cut off
    st.vega_lite_chart(content[[x, y, colour]], spec, width="stretch")


def hours(seconds: float) -> str:
    """A span of time as people say it; a dash for nan."""
    if seconds != seconds:
        return "–"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def done(message: str, place: str) -> NoReturn:
    """Draw the page afresh, with this message where somebody clicked: fields then start from what was stored."""
    st.session_state["done"] = place, message
    st.rerun()


def show_done(place: str) -> None:
    """Show the message of the last change, once, if it was made here. Called where the button is, and after it."""
    if st.session_state.get("done", ("",))[0] == place:
        st.success(st.session_state.pop("done")[1])
