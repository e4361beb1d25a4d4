"""The script that Streamlit runs: who is there, and which pages they see."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import streamlit as st

from affectml_annotation import DatabaseAway
from affectml_annotation.languages import ENGLISH, _, use
from affectml_apps.relabel.component import CLIENT
from affectml_apps.relabel.pages import label, out, progress, said, who
from affectml_apps.relabel.pages.drawing import section
from affectml_apps.relabel.speaking import SPOKEN, speak
from affectml_apps.relabel.study import page as study_page
from affectml_apps.relabel.study.entrance import visitor_of
from affectml_apps.relabel.task import current

LOOK_SECONDS = 1.0

LEAD: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("Progress", "progress", progress.draw),
    ("What people said", "said", said.draw),
    ("Out", "out", out.draw),
)


def run() -> None:
    """Draw the page that was asked for."""
    use(st.session_state.get(SPOKEN, ENGLISH))  # until the database says more
    st.html(CLIENT / "page.css")
    try:
        _configure()
        speak(current(), None if current().is_study else who.who_is_there())
        _configure()  # which has the title in their language now
        if st.session_state.pop("was-away", False):
            st.toast(_("The database was away for a moment. If you clicked something then, look whether it was done."))
        _run()
    except DatabaseAway as error:
        _wait(error)


def _configure() -> None:
    title = _("Study") if current().is_study else _("Labelling")
    st.set_page_config(page_title=title, page_icon=str(CLIENT / "icon.svg"), layout="wide")


def _run() -> None:
    study = current().is_study
    if study:
        pages = [st.Page(study_page.draw, title=_("Study"), url_path="study", default=True)]
    else:
        pages = [st.Page(label.draw, title=_("Label"), url_path="label", default=True),
                 st.Page(who.draw, title=_("Your part"), url_path="you")]  # fmt: skip
    if who.may_see_lead_pages():
        pages += [st.Page(draw, title=title, url_path=path) for title, path, draw in LEAD]
    elif study:
        pages.append(st.Page(study_page.lead, title="Lead", url_path="lead"))
    # Translators: the button on a phone under which the pages are.
    menu = _("Menu")
    st.html(f"<style>[data-testid=stExpandSidebarButton]::after {{content: '{menu}'; margin: 0.3em}}</style>")
    page = st.navigation(pages, position="hidden" if _hides_menu() else "top")
    with section():
        page.run()


def _hides_menu() -> bool:
    """A participant sees no menu, also where everybody at this machine may lead: a lab's computer has many people."""
    task = current()
    at = urlsplit(st.context.url or "").path.rpartition("/")[2]
    someone = task.is_study and visitor_of(task, st.context.cookies) is not None
    return someone and at in ("", "study")


def _wait(error: DatabaseAway) -> None:
    """Leave on the page what stands there, fields and what was typed into them, until the database answers again."""
    logging.getLogger(__name__).warning("%s", error)
    place = st.empty()
    while True:
        place.info(_("The database does not answer at the moment. This page goes on by itself."))  # or ends: they left
        time.sleep(LOOK_SECONDS)
        with suppress(DatabaseAway):
            current().store.closed()  # anything that the database is asked
            break
    st.session_state["was-away"] = True  # a message before this is one that a rerun drops
    st.rerun()


if __name__ == "__main__":
    run()
