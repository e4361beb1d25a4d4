"""How a study goes: its state, the funnel, images that want people, how people work, erasures, who changed what."""

from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path

import pandas as pd
import streamlit as st

from affectml.errors import AffectmlError
from affectml.people.erasing import erase_people
from affectml.people.labelling import task_words
from affectml_annotation import DatabaseAway
from affectml_annotation.store.changing import note_change
from affectml_annotation.store.erasing import to_clean
from affectml_annotation.store.place import default_database
from affectml_annotation.study import overview, running
from affectml_annotation.study.erasing import erase_people as erase_from_store
from affectml_annotation.study.erasing import erasures_asked
from affectml_apps.pictures import preview
from affectml_apps.relabel.pages.drawing import (
    attempt,
    by_colour,
    done,
    form,
    picture,
    section,
    show_backups,
    show_done,
    table,
)
from affectml_apps.relabel.pages.who import who_is_there
from affectml_apps.relabel.task import PATIENCE, LabelTask, current
from affectml_apps.text import sentence

SHOWN, SIDE = 60, 96  # images with a thumbnail, and its pixels
STATES = {
    "running": ("Start", "The study is running: newcomers are let in."),
    "paused": ("Pause", "The study is paused: newcomers are asked to come again; whoever is there goes on."),
    "ended": ("End", "The study has ended: nobody new is let in; whoever is there goes on."),
}
STEPS = {"consent": "consent shown", "before": "questions before", "after": "questions after", "code": "finished"}
FATES = {  # in the order of the picture, with a colour of its own and a word for it
    "went_on": ("went on", "#2f6fc4"),
    "completed": ("completed it", "#1b7a4b"),
    "going_on": ("is there now", "#8fb8ea"),
    "screened_out": ("screened out", "#b07d1a"),
    "quota_full": ("quota full", "#8a6fb0"),
    "timed_out": ("timed out", "#8c8c8c"),
    "left": ("left", "#c2483b"),
    "declined": ("declined", "#d98a80"),
    "went_away": ("went away", "#c9c9c9"),
}


def draw() -> None:
    """Draw it."""
    task = current()
    st.title("How it goes")
    now = overview.overview(task.store)
    with section():
        _state(task, now)
    with section():
        _funnel(now)
    with section():
        _wanting(task, now)
    with section():
        _people(task)
    with section():
        _erasures(task)
    with section():
        table(_said(overview.changes(task.store)), "Who changed what")


def by() -> str:
    """Who changes something here."""
    return who_is_there() or "the lead"


def _state(task: LabelTask, now: overview.Overview) -> None:
    st.text(STATES[now.state][1])
    for column, (state, (word, _)) in zip(st.columns(4), STATES.items(), strict=False):
        if column.button(word, disabled=state == now.state, width="stretch"):
            attempt(partial(running.change_state, task.store, state, by=by()), "Done.", "state")
    show_done("state")
    first = overview.versions(task.store).iloc[0]
    st.text(
        f"Newcomers see version {now.version}, since {first['at']:%Y-%m-%d %H:%M} UTC (affectml {first['affectml']}); "
        f"{first['people']} came in it."
    )
    show_backups(task.store)


def _funnel(now: overview.Overview) -> None:
    held = now.going_on + now.ended.get("completed", 0)
    columns = st.columns(5)
    columns[0].metric("Consent shown", now.opened)
    columns[1].metric("Came when it was full", now.full)
    columns[2].metric("Going on", now.going_on)
    columns[3].metric("Completed, going on, of places", f"{held} of {now.places}")
    columns[4].metric("Median minutes, completed", "–" if now.minutes is None else f"{now.minutes:.1f}")
    found = overview.funnel(now)
    if found.empty:
        st.info("Nobody has been here yet.")
        return
    steps = [STEPS.get(step, step) for step in dict.fromkeys(("consent", *now.reached))]
    shown = found.assign(
        step=[STEPS.get(step, step) for step in found["step"]],
        what=[FATES[fate][0] for fate in found["fate"]],
        order=[list(FATES).index(fate) for fate in found["fate"]],
    )
    words, colours = zip(*(FATES[fate] for fate in FATES if fate in set(found["fate"])), strict=True)
    colour = by_colour("what") | {"scale": {"domain": words, "range": colours}}
    across = {"field": "people", "type": "quantitative", "aggregate": "sum", "title": "people"}
    number = {"mark": {"type": "text", "align": "left", "dx": 4, "color": "gray"}, "encoding": {"text": across}}
    bars = {"mark": "bar", "encoding": {"order": {"field": "order"}, "color": colour}}
    rows = {"field": "step", "type": "nominal", "sort": steps, "title": None, "axis": {"labelOverlap": False}}
    picture(
        shown, "Who reached each step, and what became of them there", height={"step": 30},
        encoding={"y": rows, "x": {**across, "axis": {"tickMinStep": 1}}}, layer=[bars, number],
    )  # fmt: skip
    wide = shown.pivot_table(index="step", columns="what", values="people", aggfunc="sum", sort=False)
    wide = wide.reindex(index=steps, columns=words).dropna(how="all").astype("Int64")
    wide.insert(0, "reached", wide.sum(axis=1))
    table(wide.reset_index(), "The same as a table")


def _wanting(task: LabelTask, now: overview.Overview) -> None:
    st.subheader(f"Images that still want people: {now.wanting}")
    per_person = task.store.database.reading(running.file_of).images_per_person
    free = max(0, now.places - now.going_on - now.ended.get("completed", 0))
    st.text(f"{now.answers} answers in all; a person gives {per_person} at most. Places that are free: {free}.")
    with form("more"):
        people = st.number_input(
            "Places for so many more people, who are given just these images", 1, None,
            max(1, ceil(now.answers / per_person) - free),
        )  # fmt: skip
        if st.form_submit_button("Open these places"):
            attempt(lambda: running.more_places(task.store, int(people), by=by()), f"{people} more places.", "more")
    wanting = running.images_wanting(task.store)
    if wanting.empty:
        return
    files = task.store.images().set_index("image_id")["file"]
    first = wanting.head(SHOWN)
    if len(wanting) > SHOWN:
        st.text(f"The first {SHOWN} of them:")
    st.dataframe(
        first.assign(picture=[_picture(task, str(files[image_id])) for image_id in first["image_id"]]),
        hide_index=True, row_height=64, height=260, alt="Images that still want people",
        column_order=["picture", "image_id", "wanted", "taken"],
        column_config={
            "picture": st.column_config.ImageColumn(""), "image_id": "image", "taken": "answered or held now",
        },
    )  # fmt: skip


def _picture(task: LabelTask, file: str) -> str:
    """A thumbnail as a data URI; empty where there is none to show."""
    with suppress(AffectmlError, OSError):
        return preview(task.dataset.image_path(file), SIDE)
    return ""


def _people(task: LabelTask) -> None:
    people = overview.people(task.store)
    if people.empty:
        st.info("Nobody has agreed yet.")
        return
    table(overview.as_text(people), "How people work")
    for words in task_words(task.store, task.store.annotators()):
        st.text(sentence(words))
    st.write(
        "With others: mean similarity (1 - MASI distance) to the others' answers, checks left out. Marked “no more "
        f"than chance”: on {overview.FEWEST} shared images or more, it is not sure to be more than what the same "
        "answers would agree with answers to other images. Marked “fast”: a median of seconds below half of the "
        "others'. Later to earlier: seconds an image in the second half of their images over those in the first. "
        "All of it is to look at: people may feel differently and work fast, and nothing here decides about pay."
    )


def _erasures(task: LabelTask) -> None:
    asked = erasures_asked(task.store)
    st.subheader(f"Asked to be erased: {len(asked)}")
    show_done("erase")
    for line in st.session_state.pop("erased", ()):
        st.text(line)
    unfinished = st.session_state.get("unfinished", [])
    if unfinished or task.store.database.reading(to_clean):
        st.warning(
            "Another program used the database, so not all that was to be erased has left it and its files. Go on "
            "here; if that does not help, end this server and whatever else uses the database, and run:"
        )
        st.code(f"affectml labels erase DATASET {' '.join(unfinished) or 'PARTICIPANT'}", language=None)
        if st.button("Go on erasing"):
            _erase(task, unfinished)
    if not asked:
        return
    with st.form("erase"):
        chosen = st.multiselect("Erase these participants", asked, default=asked, key="-".join(asked))
        st.write(
            "**This cannot be undone.** Their answers, questionnaire, notes and id at the panel leave this database, "
            "the data set and what runs by person know of them; what they held wants people again. Whoever is not "
            "paid yet stays on the pay table, by that id and the amount alone. The task's own backups are gone "
            "through, too; other copies, and what was exported or shared before, are yours to delete."
        )
        sure = st.checkbox("I have read this, and erase them for good", key="sure-" + "-".join(asked))
        if st.form_submit_button("Erase"):
            if not sure or not chosen:
                st.error("Choose who, and tick that you have read this.")
            else:
                _erase(task, chosen)


def _erase(task: LabelTask, people: list[str]) -> None:
    """Erase them; without any, finish what was begun. The server's own connections are idle, and stand in no way."""
    root, url = task.dataset.root, task.store.database.engine.url
    own = url.database is not None and Path(url.database).resolve() == default_database(root).resolve()
    told = []
    try:
        with st.spinner("Erasing, and writing the database's files anew"):
            if people:
                db = None if own else url.render_as_string(hide_password=False)
                erased = erase_people(root, people, db=db, wait=PATIENCE)
                here = {"the label database": sum(erased.databases.values())}
                told = replace(erased, databases=here).told(root, people)
            else:
                erase_from_store(task.store, [])
    except DatabaseAway:
        st.session_state["unfinished"] = people
        st.rerun()
    st.session_state.pop("unfinished", None)
    if people:
        with task.store.database.write() as connection:
            note_change(connection, by(), {"erased": len(people)})
    st.session_state["erased"] = told
    done("Erased. What stays to be done, if anything, stands below.", "erase")


def _said(changes: pd.DataFrame) -> pd.DataFrame:
    says = {
        "version": "version {} runs", "state": "the study is {}", "more": "{} more places", "paid": "{} were paid",
        "erased": "{} were erased", "forgotten": "the panel's ids of {} were forgotten",
    }  # fmt: skip
    what = [
        "; ".join(says.get(name, f"{name}: {{}}").format(value) for name, value in each.items())
        for each in changes["what"]
    ]
    return changes.assign(by=changes["by"].replace("", "–"), what=what).rename(columns={"at": "when (UTC)"})
