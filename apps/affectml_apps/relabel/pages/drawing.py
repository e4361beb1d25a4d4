"""Tables, pictures, forms and messages that the lead's pages share. What people typed is never drawn as Markdown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.error_util import handle_uncaught_app_exception

from affectml.errors import AffectmlError
from affectml_annotation import AnnotationError, DatabaseAway
from affectml_apps.pictures import preview
from affectml_apps.relabel import queries
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import attempt, plain, problem, show_done

NAMES = {
    "annotator_id": "person",
    "participant": "person",
    "last_answer": "last answer (UTC)",
    "ac1": "AC1",
    "seconds": "median seconds",
}


def reading_width(rem: int = 52) -> None:
    """Keep a page of text and fields narrow enough to read."""
    st.html(f"<style>.stMainBlockContainer {{max-width: {rem}rem}}</style>")


def begin(title: str) -> None:
    """The head of a lead's page, with the message of what was done on it last."""
    reading_width(60)
    st.title(title)
    show_done()


@contextmanager
def section() -> Iterator[None]:
    """A part of a page: what fails in it is told in its place, and the parts below it are drawn all the same.

    Also as a decorator of the function that draws it.
    """
    try:
        yield
    except DatabaseAway:
        raise  # the whole page waits
    except (AffectmlError, AnnotationError) as error:
        problem(error)
    except Exception as error:
        handle_uncaught_app_exception(error)  # tells a browser the type alone; `st.exception` would show paths


def table(content: pd.DataFrame) -> None:
    """A table; times without fractions, two places of numbers, labels as they are read."""
    display = current().taxonomy.display
    shown = content.assign(label=content["label"].map(display)) if "label" in content else content.copy()
    for name in shown.columns:
        if pd.api.types.is_datetime64_any_dtype(shown[name]):
            shown[name] = shown[name].dt.strftime("%Y-%m-%d %H:%M").fillna("")
        elif not pd.api.types.is_numeric_dtype(shown[name]):
            shown[name] = shown[name].map(plain)
    names = map(str, shown.columns)
    shown.columns = pd.Index([NAMES.get(name, display(name).replace("_", " ")) for name in names])
    st.table(shown.style.format(precision=2, na_rep=""), hide_index=True)


def folded(title: str, key: str | None = None) -> DeltaGenerator:
    """A part of a page that is needed now and then; it stays open, whatever comes to stand above it."""
    return st.expander(title, key=f"folded-{key or title}")


def image(task: LabelTask, image_id: str) -> None:
    """An image of the task; why it is not shown, where it is not."""
    try:
        picture = preview(task.dataset.image_path(queries.file_of(task.store, image_id) or ""))
    except (AffectmlError, OSError) as error:
        st.text(f"{image_id} is not shown: {error}")
    else:
        st.image(picture, width="content", alt=f"Image {image_id}")


def bars(content: pd.DataFrame, title: str, numbers: pd.DataFrame, **spec: object) -> None:
    """Bars by a Vega-Lite specification, and folded below them a table of the same numbers.

    A plain specification: Altair would cost 26 MB of memory and a third of a second for two charts.
    """
    st.text(title)  # the chart's own title would be cut off
    # Its menu offers to send the data to another site.
    fixed = {"mark": "bar", "description": title, "usermeta": {"embedOptions": {"actions": False}}}
    st.vega_lite_chart(content, {**spec, **fixed}, width="stretch")
    with folded("The same as a table", title):
        table(numbers)


def download(label: str, content: bytes | str, file: str, **options: Any) -> None:
    """A button that saves a file, and leaves the page as it is. options: of `st.download_button`."""
    st.download_button(label, content, file, on_click="ignore", **options)


def submit(
    button: str, change: Callable[[], object], message: str, *, missing: str = "", primary: bool = False
) -> None:
    """The button of a form: once it is pressed, do what `attempt` does, unless something is `missing`."""
    if not st.form_submit_button(button, type="primary" if primary else "secondary"):
        return
    if missing:
        st.error(missing)
    else:
        attempt(change, message)
