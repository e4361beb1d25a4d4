"""The task's file on the page: by three answers, or all of it."""

from functools import partial

import streamlit as st

from affectml_annotation.store.setup import question_stays
from affectml_annotation.store.versions import newest
from affectml_annotation.study.folder import as_yaml
from affectml_apps.relabel import lead
from affectml_apps.relabel.pages.drawing import folded, section, submit
from affectml_apps.relabel.pages.who import lead_name
from affectml_apps.relabel.task import LabelTask

COME = {False: "Anybody who gives a name", True: "Only people who were invited"}  # by invited_only


def draw(task: LabelTask) -> None:
    """Draw it below a page: the answers that most tasks need, then the file with everything."""
    st.subheader("The task")
    _short(task)
    with folded("The task's file"):
        _file(task)


@section()
def _short(task: LabelTask) -> None:
    now = task.file
    with st.form("short"):
        question, stays = now.question, task.store.database.reading(question_stays)
        if stays:
            st.text(question)
            st.write("The question stays: images were given out. Another question is another task (`--db OTHER.db`).")
        else:
            question = st.text_area("What people are asked", question, height="content").strip()
        st.text(f"Labels: {task.said(now.labels)}")
        people = st.number_input("People for each image", 1, None, now.overlap)
        invited_only = now.invited_only
        if not now.is_study:
            invited_only = st.radio("Who may label", COME, format_func=COME.__getitem__, index=int(invited_only))
        wanted = {"question": question, "overlap": int(people), "invited_only": invited_only}
        changes = {key: value for key, value in wanted.items() if value != getattr(now, key)}
        submit(
            "Save",
            lambda: _forget_text(task.store.change_task(by=lead_name(), **changes)),
            "Saved.",
            missing="" if question else "Write what people are asked.",
            primary=True,
        )
    if left_out := task.left_out:
        st.warning(f"{left_out} images of the data set have no file on this machine and are not shown to anybody.")


@section()
def _file(task: LabelTask) -> None:
    version = task.store.database.reading(newest)
    if "task-file" not in st.session_state:  # what was opened stays until it is saved or the page is left
        st.session_state["task-file"] = "\n".join(as_yaml(version.file))
        st.session_state["task-file-version"] = version.number
    st.write("All that the task is; behind each key stands what it means. `affectml label show` writes the same.")
    if version.file.is_study:
        st.info(
            "A study runs here. When it is started again, study.yaml goes before what is saved here: write it there, "
            "too (`affectml label show > OUT/study.yaml`)."
        )
    with st.form("file"):
        text = st.text_area("The task's file", height=480, label_visibility="collapsed", key="task-file")
        since = st.session_state["task-file-version"]
        save = partial(lead.save, task, text, since=since, by=lead_name())
        submit("Save the file", lambda: _forget_text(save()), "Saved: version {}.")


def _forget_text(saved: object) -> object:
    """Open the file afresh next time."""
    st.session_state.pop("task-file", None)
    return saved
