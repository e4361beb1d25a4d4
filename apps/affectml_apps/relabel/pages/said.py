"""What people said: how well they agree, label by label and image by image; and of a study, about themselves."""

from collections.abc import Collection, Mapping
from functools import partial

import pandas as pd
import streamlit as st

from affectml_annotation import krippendorff_alpha, label_agreement
from affectml_annotation.agreement.alpha import with_interval
from affectml_annotation.agreement.by_group import pooled_words
from affectml_annotation.study.overview import Answered, answers_to_questions
from affectml_annotation.study.terms import so_many
from affectml_annotation.uncertainty import disagreement
from affectml_apps.relabel import lead
from affectml_apps.relabel.pages.drawing import begin, folded, image, section, submit, table
from affectml_apps.relabel.pages.who import lead_name
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import attempt, controlled, plain, with_code

SHOWN = 50
CHOSEN = "disputed"  # the image's id


def draw() -> None:
    """Draw it."""
    task = current()
    begin("What people said")
    judgements = task.store.judgements()
    agreed = None
    with section(), st.spinner("Computing intervals"):
        agreed = krippendorff_alpha(judgements, "masi", labels=task.file.labels, intervals=True)
        st.markdown(f"**{lead.agreement_words(agreed)}**")
    if agreed is None or agreed.images >= lead.FEW_IMAGES:
        _agreement(judgements, task.file.labels)
    if agreed is None or agreed.images:
        _image_by_image(task, judgements)
    _conflicts(task)
    _remarks(task)
    if task.is_study:
        with section():
            answered = [one for one in answers_to_questions(task.store) if one.people]
            if answered:
                st.subheader("About themselves")
            for one in answered:
                _question(one)


@section()
def _agreement(judgements: pd.DataFrame, labels: tuple[str, ...]) -> None:
    with st.spinner("Computing intervals"):
        jaccard = krippendorff_alpha(judgements, "jaccard", labels=labels, intervals=True)
        by_label = label_agreement(judgements, labels, intervals=True)
    if not jaccard.undefined:
        st.write(
            "1 is full agreement, 0 what chance gives; 95 % intervals are over images. This is Krippendorff's alpha by "
            f"MASI distance; by Jaccard distance it is {with_interval(jaccard.value, jaccard.low, jaccard.high)}. "
            "People who feel differently do not make mistakes: low agreement can be the finding."
        )
    if pooled := pooled_words(judgements):
        st.write(with_code(f"{pooled} `affectml label agreement --by language` compares them."))
    table(lead.with_intervals(by_label))
    st.write("Alpha falls on rare labels whatever people do: read it beside prevalence and Gwet's AC1.")


@section()
def _image_by_image(task: LabelTask, judgements: pd.DataFrame) -> None:
    disputed = disagreement(judgements, task.file.labels).head(SHOWN)
    distance = {str(name): float(value) for name, value in disputed.items()}
    st.subheader("Image by image")
    if not distance:
        return
    _one_image(task, judgements, distance)
    if not task.is_study:
        _second_round(task, list(distance))


@section()
def _one_image(task: LabelTask, judgements: pd.DataFrame, distance: Mapping[str, float]) -> None:
    image_id = _choose(distance, set(task.store.decisions()["image_id"]))
    left, right = st.columns(2)
    with left, section():
        image(task, image_id)
    with right:
        names = st.checkbox("Show names")
        with section():
            answers = lead.answers_to(judgements, image_id, names=names, said=task.said)
            told = {"round": len(set(answers["round"])) > 1, "note": answers["note"].any()}
            table(answers.drop(columns=[name for name, needed in told.items() if not needed]))
        _decide(task, image_id)


def _choose(distance: Mapping[str, float], decided: Collection[str]) -> str:
    """The image to look at."""
    choice, following = st.columns([5, 1], vertical_alignment="bottom")
    images = list(distance)
    if st.session_state.get(CHOSEN) not in images:
        st.session_state[CHOSEN] = images[0]
    at = images.index(st.session_state[CHOSEN])  # it stays that image while new answers change the order

    def text(name: str) -> str:
        return f"{name} (distance {distance[name]:.2f}{', decided' if name in decided else ''})"

    def choose(name: str) -> None:
        st.session_state[CHOSEN] = name

    choice.selectbox(
        f"Images with most disagreement: {len(images)}", images, format_func=text,
        **controlled("disputed-image", images[at], choose, images),
    )  # fmt: skip
    following.button(
        "Next image", on_click=choose, args=(images[(at + 1) % len(images)],), disabled=len(images) < 2,
        width="stretch",
    )  # fmt: skip
    return images[at]


@section()
def _decide(task: LabelTask, image_id: str) -> None:
    decisions = task.store.decisions()
    for row in decisions[decisions["image_id"] == image_id].to_dict("records"):
        st.text(f"Decided by {row['decided_by']}: {task.said(row['labels']) or 'none of these'}")
    with folded("Decide"), st.form("decide"):
        display = task.taxonomy.display
        labels = st.multiselect("A set of labels", list(task.file.labels), format_func=display, key=f"set-{image_id}")
        none = st.checkbox("None of these labels applies", key=f"none-{image_id}")
        note = st.text_input("Why", key=f"why-{image_id}")
        st.write("A decision stands beside people's answers; no answer is changed, and earlier decisions stay.")
        one_of_two = "Choose labels, or tick that none of them applies: one of the two."
        submit(
            "Add this decision",
            lambda: task.store.decide(image_id, labels, by=lead_name(), note=note or None),
            f"The decision on {plain(image_id)} is added.",
            missing=one_of_two if bool(labels) == none else "",
            primary=True,
        )


@section()
def _second_round(task: LabelTask, images: list[str]) -> None:
    with folded("Ask people to look again"), st.form("round"):
        wanted = st.multiselect("Images to look at again, by those who answered them", images, key="again")
        submit(
            "Open a second round",
            lambda: task.store.open_round(wanted),
            f"A second round is open with {so_many(len(wanted), 'image')}. It comes first on people's pages.",
            missing="" if wanted else "Choose the images of the second round first.",
        )


@section()
def _conflicts(task: LabelTask) -> None:
    conflicts = task.store.conflicts()
    conflicts = conflicts[conflicts["resolved_at"].isna()]
    if conflicts.empty:
        return
    st.subheader(f"Conflicts: {len(conflicts)} open")
    st.write("One person's answers that met from two places. Both are kept; choose which is current.")
    for row in conflicts.to_dict("records"):
        stands = task.said(row["against_labels"]) or row["against_kind"]
        later = task.said(row["labels"]) or row["kind"]
        st.text(f"Image {row['image_id']}, {row['annotator_id']}: “{stands}” stands, later came “{later}”")
        with st.container(horizontal=True):
            for keep, text in ((False, "Keep what stands"), (True, "Take the later one")):
                if st.button(text, key=f"{row['event_id']}-{keep}"):
                    settle = partial(task.store.resolve_conflict, row["event_id"], keep=keep, by=lead_name())
                    attempt(settle, "The conflict is settled.")


@section()
def _remarks(task: LabelTask) -> None:
    remarks = task.store.remarks()
    if remarks.empty:
        return
    with folded(f"Flags and notes: {len(remarks)}", "remarks"):
        flags, notes = remarks["flag"].map({True: "flagged", False: ""}), remarks["note"].fillna("")
        table(remarks[["image_id"]].assign(flag=flags, note=notes))


@section()
def _question(one: Answered) -> None:
    st.text(f"{one.question.text} ({so_many(one.people, 'answer')})")
    if one.counts:
        table(pd.DataFrame(one.counts.items(), columns=["answer", "people"]))
    elif one.texts:
        with folded("What they wrote", one.question.id):
            table(pd.DataFrame({"answer": one.texts}))
