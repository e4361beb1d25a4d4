"""Task set-up: the task's file, by three answers or all of it; who is invited, and the queue."""

from datetime import UTC, datetime
from itertools import pairwise

import streamlit as st

from affectml.people.labelling import queued_words
from affectml_annotation.store.changing import question_stays
from affectml_annotation.store.versions import Version, all_versions
from affectml_annotation.study.file import changed_keys
from affectml_annotation.study.folder import as_yaml
from affectml_apps.relabel import lead
from affectml_apps.relabel.finding import resolve, searchable
from affectml_apps.relabel.pages.drawing import attempt, form, reading_width, section, show_done
from affectml_apps.relabel.pages.who import who_is_there
from affectml_apps.relabel.task import LabelTask, current

COME = {False: "Anybody who gives a name", True: "Only people on the list below"}  # by invited_only
LATEST = 5  # versions that are told


def draw() -> None:
    """Draw it."""
    task = current()
    reading_width()
    st.title("Task set-up")
    draw_task(task)
    for part in (_invitations, _withdrawn, _queue):
        with section():
            part(task)


def draw_task(task: LabelTask) -> None:
    """What the task is: the answers that most tasks need, then its file with everything, and what became of it."""
    with section():
        _short(task)
    with section():
        _file(task)


def _short(task: LabelTask) -> None:
    now = task.file
    st.subheader("The task")
    with form("short"):
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
        if st.form_submit_button("Save", type="primary"):
            wanted = {"question": question, "overlap": int(people), "invited_only": invited_only}
            changes = {key: value for key, value in wanted.items() if value != getattr(now, key)}
            if not question:
                st.error("Write what people are asked.")
            else:
                attempt(lambda: _forget_text(task.store.change_task(by=_by(), **changes)), "Saved.", "short")
    if left_out := task.left_out:
        st.warning(f"{left_out} images of the data set have no file on this machine and are not shown to anybody.")


def _file(task: LabelTask) -> None:
    versions = task.store.database.reading(all_versions)
    if "task-file" not in st.session_state:  # what was opened stays until it is saved or the page is left
        st.session_state["task-file"] = "\n".join(as_yaml(versions[0].file))
        st.session_state["task-file-version"] = versions[0].number
    st.subheader("The task's file")
    st.write("All that the task is; behind each key stands what it means. `affectml labels show` writes the same.")
    if versions[0].file.is_study:
        st.info(
            "A study runs here. When it is started again, study.yaml goes before what is saved here: write it there, "
            "too (`affectml labels show --out OUT/study.yaml --replace`)."
        )
    with form("file"):
        text = st.text_area("The task's file", height=480, label_visibility="collapsed", key="task-file")
        if st.form_submit_button("Save the file"):
            since = st.session_state["task-file-version"]
            attempt(lambda: _forget_text(lead.save(task, text, since=since, by=_by())), "Saved: version {}.", "file")
    st.text("\n".join(_history(versions)))


def _forget_text(saved: object) -> object:
    """Open the file afresh next time."""
    del st.session_state["task-file"]
    return saved


def _history(versions: list[Version]) -> list[str]:
    """The latest versions, in a line each: when, and which keys changed."""
    files = [version.file for version in versions]
    keys = [", ".join(changed_keys(before, now)) or "texts" for now, before in pairwise(files)] + ["the first"]
    told = zip(versions[:LATEST], keys, strict=False)
    return [
        f"Version {version.number}, {datetime.fromtimestamp(version.at / 1000, UTC):%Y-%m-%d %H:%M} UTC: {what}"
        for version, what in told
    ]


def _by() -> str:
    return who_is_there() or "the lead"


def _invitations(task: LabelTask) -> None:
    st.subheader("Invitations")
    with form("invite"):
        names = st.text_area("Names or e-mail addresses, one on each line", key="invited-names")
        if st.form_submit_button("Invite"):
            if lead.read_names(names):
                attempt(lambda: lead.invite(task, lead.read_names(names)), "Invited.", "invite")
            else:
                st.error("Write at least one name.")
    everybody = list(task.store.annotators()["annotator_id"])
    closed = [name for name in everybody if name in task.store.closed()]
    st.text(f"Invited so far: {', '.join(everybody) or 'nobody'}")
    if closed:
        st.text(f"Closed: {', '.join(closed)}")
    show_done("uninvite")
    if not everybody:
        return
    with st.form("uninvite"):
        chosen = st.multiselect("Take off the list", everybody, format_func=searchable)
        st.write(
            "An invitation that nobody used is removed. Whoever has answered keeps their answers, which count, and "
            "their entry is closed; inviting them again opens it. Where everybody may label, a removed name can come "
            "again."
        )
        if st.form_submit_button("Take back the invitation"):
            if not chosen:
                st.error("Choose people first.")
            else:
                attempt(lambda: task.store.uninvite(chosen), "Taken back.", "uninvite")


def _withdrawn(task: LabelTask) -> None:
    show_done("withdrawn")
    if not (gone := task.store.undoable_withdrawals()):
        return
    with st.form("withdrawn"):
        back = st.multiselect("Undo a withdrawal", gone, format_func=searchable)
        st.write("For whoever did not mean it, or did not do it: their answers count again, and they may label on.")
        if st.form_submit_button("Undo it"):
            attempt(lambda: task.store.undo_withdrawal(*back), "Undone.", "withdrawn")


def _queue(task: LabelTask) -> None:
    st.subheader("Queue")
    with form("queue"):
        wanted = st.text_area("Images to be served before anything else, one on each line")
        more = int(st.number_input("At least so many more people for each (0: the overlap decides)", 0, 100, 0))
        if st.form_submit_button("Put in the queue"):
            names = resolve(lead.read_names(wanted), task.store.images()["image_id"])
            if names:
                attempt(lambda: queued_words(len(names), task.store.enqueue(names, more=more or None), more or None),
                        "Queued: {}.", "queue")  # fmt: skip
            else:
                st.error("Write at least one image.")
