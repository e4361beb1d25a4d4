"""Agreement with intervals, confusion between labels, and what suggestions did."""

import pandas as pd
import streamlit as st

from affectml_annotation import (
    AnnotationError,
    DatabaseFailed,
    compare_groups,
    krippendorff_alpha,
    label_agreement,
    pooled_words,
)
from affectml_annotation.judgements import are_data
from affectml_apps.relabel import lead
from affectml_apps.relabel.pages.drawing import dots, estimate, section, table
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import plain


def draw() -> None:
    """Draw it."""
    task = current()
    st.title("Agreement")
    labels, judgements = task.file.labels, task.store.judgements()
    first = are_data(judgements) & (judgements["round"] == 1)
    answered = judgements[judgements["kind"].isin(["labels", "none"]) & first]
    if not answered["image_id"].duplicated().any():
        st.info("No image has two answers yet: agreement needs two people on one image.")
        return
    with section():
        with st.spinner("Computing intervals"):
            masi = krippendorff_alpha(judgements, "masi", labels=labels, intervals=True)
            jaccard = krippendorff_alpha(judgements, "jaccard", labels=labels, intervals=True)
        left, middle, right = st.columns(3)
        estimate(left, "Krippendorff's alpha, MASI", masi)
        estimate(middle, "Krippendorff's alpha, Jaccard", jaccard)
        right.metric("Images with two or more answers", masi.images)
        st.write(
            "1 is agreement, 0 what chance gives; 95 % intervals over images. People who feel differently do not make "
            "mistakes: low agreement can be the finding."
        )
    with section():
        with st.spinner("Computing intervals"):
            by_label = label_agreement(judgements, labels, intervals=True)
        table(lead.with_intervals(by_label), "By label")
        dots(by_label, "label", {"alpha": "alpha", "ac1": "AC1"}, "Agreement by label, with 95 % intervals")
        st.write("Alpha falls on rare labels whatever people do: read it beside prevalence and Gwet's AC1.")
    with section():
        _languages(judgements, labels)
    with section():
        table(lead.label_confusion(judgements, labels).head(20), "Labels that stand against each other")
        st.write(
            "Share: of all pairs of answers to one image, one has the first label only, the other the second only."
        )
    with section():
        _anchoring(task)


def _languages(judgements: pd.DataFrame, labels: tuple[str, ...]) -> None:
    if (words := pooled_words(judgements)) is None:
        return
    with st.spinner("Comparing languages"):
        found = compare_groups(judgements, labels, "language")
    table(lead.with_intervals(found.differences.head(20)), "By language")
    for line in (words, *found.words()):
        st.write(plain(line))
    st.write(
        "Rate: the share of answers in the language that hold the label. A difference is that on the same images, "
        "tested by permuting languages among people; p is corrected for all of them."
    )


def _anchoring(task: LabelTask) -> None:
    st.subheader("What suggestions did")
    try:
        found = lead.measure_anchoring(task)
    except DatabaseFailed:
        raise
    except AnnotationError as error:
        st.info(plain(error))
        return
    if found is None:
        st.info("No second looks with a model's suggestions here (Set-up: blind first).")
        return
    columns = st.columns(3)
    estimate(columns[0], "Moved towards the model, suggestion shown", found.shown)
    estimate(columns[1], "Moved towards the model, control", found.control)
    estimate(columns[2], "The suggestion's own doing", found.effect)
    st.text(f"{found.looks_shown} second looks with a suggestion, {found.looks_control} without")
