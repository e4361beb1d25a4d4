"""Tables, charts and messages that the pages share. What people typed is drawn as text, never as Markdown."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NoReturn

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.error_util import handle_uncaught_app_exception

from affectml.errors import AffectmlError
from affectml_annotation import AnnotationError, DatabaseAway, DatabaseFailed
from affectml_annotation.languages import _
from affectml_apps.pictures import preview
from affectml_apps.relabel import queries
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import in_public, plain

NAMES = {
    "annotator_id": "person",
    "participant": "person",
    "last_answer": "last answer (UTC)",
    "ac1": "AC1",
    "seconds": "median seconds",
}

Submit = Callable[..., None]


def reading_width(rem: int = 52) -> None:
    """Keep a page of text and fields narrow enough to read."""
    st.html(f"<style>.stMainBlockContainer {{max-width: {rem}rem}}</style>")


def with_code(message: object) -> str:
    """A message of the library as Markdown: what it has in backticks is code, all else stands as it is.

    It may hold what somebody typed, which is never Markdown: a span of code ends where its line does.
    """
    parts = (in_public(message) if isinstance(message, Exception) else str(message)).split("`")
    if len(parts) % 2 == 0 or not all(part.strip() and part.isprintable() for part in parts[1::2]):
        return plain(message)
    return "".join(f"`{part}`" if at % 2 else plain(part) for at, part in enumerate(parts))


def problem(error: object) -> None:
    """An error in one line; it may hold what somebody typed."""
    st.error(with_code(error))


@contextmanager
def section() -> Iterator[None]:
    """A part of a page: what fails in it is told in its place, and the parts below it are drawn all the same.

    Also as a decorator of the function that draws it.
    """
    try:
        yield
    except DatabaseAway:
        raise  # the whole page waits
    except DatabaseFailed as error:  # its message names the database's place and user
        logging.getLogger(__name__).warning("%s", error)
        problem(_("The database failed at this; what it said stands in the server's own output."))
    except (AffectmlError, AnnotationError) as error:
        problem(error)
    except Exception as error:
        handle_uncaught_app_exception(error)  # tells a browser the type alone; `st.exception` would show paths


def attempt(change: Callable[[], object], message: str, place: str) -> None:
    """Do it, and say there that it is done, `{}` being what came of it, or in one line why not."""
    try:
        came = change()
    except DatabaseFailed:
        raise  # `section` tells it without its place
    except (AffectmlError, AnnotationError) as error:
        problem(error)
        return
    done(message.replace("{}", str(came)), place)


def table(content: pd.DataFrame) -> None:
    """A table; times without fractions, two places of numbers, yes and no, labels as they are read."""
    display = current().taxonomy.display
    shown = _with_names(content)
    for name in shown.columns:
        if pd.api.types.is_datetime64_any_dtype(shown[name]):
            shown[name] = shown[name].dt.strftime("%Y-%m-%d %H:%M").fillna("")
        elif pd.api.types.is_bool_dtype(shown[name]):
            shown[name] = shown[name].map({True: "yes", False: "no"})
        elif not pd.api.types.is_numeric_dtype(shown[name]):
            shown[name] = shown[name].map(plain)
    names = map(str, shown.columns)
    shown.columns = pd.Index([NAMES.get(name, display(name).replace("_", " ")) for name in names])
    st.table(shown.style.format(precision=2, na_rep=""), hide_index=True)


def _with_names(content: pd.DataFrame) -> pd.DataFrame:
    """The same, with labels as they are read."""
    return (
        content.assign(label=content["label"].map(current().taxonomy.display)) if "label" in content else content.copy()
    )


def folded(title: str, key: str | None = None) -> DeltaGenerator:
    """A part of a page that is needed now and then; it stays open, whatever comes to stand above it."""
    return st.expander(title, key=f"folded-{key or title}")


def image(task: LabelTask, image_id: str) -> None:
    """An image of the task; why it is not shown, where it is not."""
    try:
        picture = preview(task.dataset.image_path(queries.file_of(task.store, image_id) or ""))
    except (AffectmlError, OSError) as error:
        with st.container(border=True):
            st.text(f"{image_id} is not shown.")
            st.text(str(error))
    else:
        st.image(picture, width="content", alt=f"Image {image_id}")


def picture(content: pd.DataFrame, title: str, **spec: object) -> None:
    """A picture by a Vega-Lite specification; a table beside it holds the same numbers. Labels come as they are read.

    A plain specification: Altair would cost 26 MB of memory and a third of a second for two charts.
    """
    shown = _with_names(content)
    st.text(title)  # the chart's own title would be cut off
    # Its menu offers to send the data to another site.
    fixed = {"description": title, "usermeta": {"embedOptions": {"actions": False}}}
    st.vega_lite_chart(shown, {**spec, **fixed}, width="stretch")


def by_colour(field: str) -> dict[str, object]:
    """How a picture tells things apart by colour; a shape or a dash beside it does so for whoever sees none."""
    legend = {"orient": "bottom", "columns": 2, "labelLimit": 130}  # at the side it would take a phone's whole width
    scale = {"scheme": "tableau10"}  # in sight on white and on black
    return {"field": field, "type": "nominal", "title": None, "sort": None, "legend": legend, "scale": scale}


def dots(content: pd.DataFrame, row: str, names: Mapping[str, str], title: str) -> None:
    """A line for each row, with a dot for each of its columns in `names`, and the interval NAME_low to NAME_high."""
    parts = []
    for name, said in names.items():
        part = content[[row]].assign(what=said, value=content[name])
        parts.append(part.assign(low=content.get(f"{name}_low"), high=content.get(f"{name}_high")))
    told = pd.concat(parts).dropna(subset="value").sort_index(kind="stable")
    told["low"] = told["low"].astype("float64").clip(lower=-1.0)  # an alpha's may be far below, and hide all else
    if told.empty:
        return
    across = {"field": "value", "type": "quantitative", "title": None, "axis": {"tickCount": 6}}
    apart = {"yOffset": {"field": "what", "sort": None}, "color": by_colour("what")}
    spans = {"mark": "rule", "encoding": {"x": {**across, "field": "low"}, "x2": {"field": "high"}, **apart}}
    marks = {"mark": {"type": "point", "filled": True, "opacity": 1, "size": 50},
             "encoding": {"x": across, "shape": by_colour("what") | {"scale": {}}, **apart}}  # fmt: skip
    rows = {"y": {"field": row, "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 140}}}
    layers = [spans, marks] if told["low"].notna().any() else [marks]  # lines of nothing would be read out all the same
    picture(told, title, height={"step": 12}, encoding=rows, layer=layers)


def bars(content: pd.DataFrame, name: str, count: str, title: str) -> None:
    """A bar for each row: below each other in their order, but hours and days where they are in time."""
    counted = {"field": count, "type": "quantitative", "axis": {"tickMinStep": 1}}
    named: dict[str, object] = {"field": name, "title": None}
    if pd.api.types.is_datetime64_any_dtype(content[name]):
        unit = {"hour": "utcyearmonthdatehours", "day": "utcyearmonthdate"}[name]
        named |= {"type": "temporal", "timeUnit": unit, "scale": {"type": "utc"}, "axis": {"labelOverlap": True}}
        picture(content, title, height=240, mark="bar", encoding={"x": named, "y": counted})
    else:
        named |= {"type": "nominal", "sort": None, "axis": {"labelLimit": 160}}
        picture(content, title, height={"step": 24}, mark="bar", encoding={"x": counted, "y": named})


def done(message: str, place: str) -> NoReturn:
    """Draw the page afresh, with this message where somebody clicked: fields then start from what was stored."""
    st.session_state["done"] = place, message
    st.rerun()


@contextmanager
def form(place: str) -> Iterator[Submit]:
    """A form, and under it the message of the last change made here. It gives the button that sends it."""

    def submit(
        button: str, change: Callable[[], object], message: str, *, missing: str = "", primary: bool = False
    ) -> None:
        """Once it is pressed, do it as `attempt` does, unless something is `missing`."""
        if not st.form_submit_button(button, type="primary" if primary else "secondary"):
            return
        if missing:
            st.error(missing)
        else:
            attempt(change, message, place)

    with st.form(place):
        yield submit
        show_done(place)


def show_done(place: str) -> None:
    """Show the message of the last change, once, if it was made here. Called where the button is, and after it."""
    if st.session_state.get("done", ("",))[0] == place:
        st.success(st.session_state.pop("done")[1])
