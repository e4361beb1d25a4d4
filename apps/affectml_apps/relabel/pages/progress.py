"""How far the task is, person by person, how checks went, and how people change as they go on."""

import pandas as pd
import streamlit as st

from affectml.people.labelling import task_words
from affectml_annotation import annotator_report
from affectml_apps.relabel import lead
from affectml_apps.relabel.finding import find
from affectml_apps.relabel.pages.drawing import bars, dots, hours, line_chart, picture, section, show_backups, table
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import sentence

BLOCK = 50
MANY = 10
LINES = 8  # more cannot be told apart
LABELS = 30  # nor more labels side by side


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
        _pace(judgements)
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
    show_backups(task.store)


def _everybody(task: LabelTask) -> None:
    people = task.store.annotators()
    if people.empty:
        st.info("Nobody has been here yet.")
        return
    shown = people[["annotator_id", "answers", "claimed", "last_answer", "consented", "withdrawn"]].assign(
        closed=people["annotator_id"].isin(task.store.closed())
    )
    if (spoken := people["answered_in"].map(", ".join)).any():
        shown = shown.assign(languages=spoken)
    for words in task_words(task.store, people):
        st.text(sentence(words))
    if len(shown) > MANY:
        wanted = st.text_input("Find people", placeholder="part of a name, accents or not")
        shown = shown[shown["annotator_id"].isin(find(wanted, shown["annotator_id"]))]
    table(shown, "Everybody invited")


def _pace(judgements: pd.DataFrame) -> None:
    pace = lead.pace(judgements)
    if pace.empty:
        return
    unit = str(pace.columns[0])
    bars(pace, unit, "answers", f"Pace: answers by the {unit} they were given in (UTC)")
    with st.expander("The same as a table"):
        table(pace, f"Answers by the {unit}")


def _reports(task: LabelTask, judgements: pd.DataFrame) -> None:
    rounds, checks = task.store.rounds(), task.store.checks()
    report = annotator_report(
        judgements, task.file.labels, checks=checks if len(checks) else None,
        repeats=rounds[rounds["purpose"] == "repeat"], intervals=True,
    )  # fmt: skip
    use = [name for name in report.columns if name.startswith("use:")]
    table(lead.with_intervals(report.drop(columns=use)), "Agreement with the others, checks and repeats")
    agreed = {"with_others": "others", "expected_by_chance": "chance"}
    dots(report, "annotator_id", agreed, "Agreement with the others, and what chance would give")
    st.write(
        "With others: mean similarity (1 - MASI distance) to the others' answers, with 95 % intervals over images; "
        "expected by chance: the same against answers to other images; above chance: the difference, image by image. "
        "A check has no right answer, and disagreeing is no mistake: look before you judge."
    )
    table(report[["annotator_id", *use]].rename(columns=lambda name: name.removeprefix("use:")), "Label use (shares)")
    _label_use(lead.label_use(report, LABELS))


def _label_use(shares: pd.DataFrame) -> None:
    across = {"field": "label", "type": "nominal", "title": None, "sort": None,
              "axis": {"labelAngle": -45, "labelLimit": 120}}  # fmt: skip
    down = {"field": "annotator_id", "type": "nominal", "title": None, "sort": None, "axis": {"labelLimit": 100}}
    size = {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1], "range": [0, 400]},
            "legend": {"orient": "bottom", "format": ".0%", "values": [0.1, 0.5, 1]}}  # fmt: skip
    encoding = {"x": across, "y": down, "size": size}
    picture(shares, "Label use by person: the share of their answers that hold a label", height={"step": 24},
            mark={"type": "circle", "opacity": 1}, encoding=encoding)  # fmt: skip


def _drift(task: LabelTask, judgements: pd.DataFrame) -> None:
    st.subheader("Drift: how people change as they go on")
    changes = lead.drift(judgements, task.file.labels, block=BLOCK)
    if changes["block"].max() < 2:
        st.info(f"Drift is told in blocks of {BLOCK} answers; nobody has a second block yet.")
        return
    told = lead.changed_most(changes, LINES)
    if len(told) < len(changes):
        st.write(f"Drawn are the {LINES} people whose pace changed most; the table below holds everybody.")
    line_chart(told, "block", "seconds", "annotator_id", f"Median seconds, by blocks of {BLOCK} answers")
    line_chart(told, "block", "labels_per_answer", "annotator_id", f"Labels per answer, by blocks of {BLOCK} answers")
    table(changes.rename(columns=lambda name: name.removeprefix("use:")), "The same as a table, with label use")
