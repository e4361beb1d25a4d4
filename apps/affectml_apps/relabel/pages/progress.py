"""How far the task is, person by person, how checks went, and how people change as they go on."""

import pandas as pd
import streamlit as st

from affectml_annotation import annotator_report
from affectml_apps.relabel import lead
from affectml_apps.relabel.finding import find
from affectml_apps.relabel.pages.drawing import hours, line_chart, section, table
from affectml_apps.relabel.task import LabelTask, current

BLOCK = 50
MANY = 10


def draw() -> None:
    """Draw it."""
    task = current()
    st.title("People and progress")
    with section():
        _totals(task)
    with section():
        _everybody(task)
    judgements = task.store.judgements()
    if judgements.empty:
        return
    with section():
        _reports(task, judgements)
    with section():
        _drift(task, judgements)


def _totals(task: LabelTask) -> None:
    progress = task.store.progress()
    columns = st.columns(4)
    columns[0].metric("Answers", f"{progress.answered} of {progress.wanted}")
    columns[1].metric("Images complete", f"{progress.complete} of {progress.images}")
    columns[2].metric("Answers an hour", "–" if progress.rate != progress.rate else f"{progress.rate:.0f}")
    columns[3].metric("Time left at this rate", hours(progress.seconds_left))


def _everybody(task: LabelTask) -> None:
    people = task.store.annotators()
    if people.empty:
        st.info("Nobody has been here yet.")
        return
    shown = people[["annotator_id", "answers", "claimed", "last_answer", "consented", "withdrawn"]].assign(
        closed=people["annotator_id"].isin(task.preferences.closed)
    )
    if len(shown) > MANY:
        wanted = st.text_input("Find people", placeholder="part of a name, accents or not")
        shown = shown[shown["annotator_id"].isin(find(wanted, shown["annotator_id"]))]
    table(shown, "Everybody invited")


def _reports(task: LabelTask, judgements: pd.DataFrame) -> None:
    rounds, checks = task.store.rounds(), task.store.checks()
    report = annotator_report(
        judgements, task.settings.labels, checks=checks if len(checks) else None,
        repeats=rounds[rounds["purpose"] == "repeat"],
    )  # fmt: skip
    use = [name for name in report.columns if name.startswith("use:")]
    table(report.drop(columns=use), "Agreement with the others, checks and repeats")
    st.write(
        "With others: mean similarity (1 - MASI distance) to the others' answers; expected by chance: the same against "
        "answers to other images. A check has no right answer, and disagreeing is no mistake: look before you judge."
    )
    table(report[["annotator_id", *use]].rename(columns=lambda name: name.removeprefix("use:")), "Label use (shares)")


def _drift(task: LabelTask, judgements: pd.DataFrame) -> None:
    st.subheader("Drift: how people change as they go on")
    changes = lead.drift(judgements, task.settings.labels, block=BLOCK)
    if changes["block"].max() < 2:
        st.info(f"Drift is told in blocks of {BLOCK} answers; nobody has a second block yet.")
        return
    line_chart(changes, "block", "seconds", "annotator_id", f"Median seconds, by blocks of {BLOCK} answers")
    line_chart(
        changes, "block", "labels_per_answer", "annotator_id", f"Labels per answer, by blocks of {BLOCK} answers"
    )
    table(changes.rename(columns=lambda name: name.removeprefix("use:")), "The same as a table, with label use")
