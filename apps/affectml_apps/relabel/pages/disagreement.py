"""Images people disagree on most, with everyone's answers; decisions, further rounds, conflicts."""

from collections.abc import Collection, Mapping
from functools import partial

import pandas as pd
import streamlit as st

from affectml_apps.choices import controlled
from affectml_apps.relabel import lead
from affectml_apps.relabel.finding import searchable
from affectml_apps.relabel.pages.drawing import attempt, form, image, section, show_done, table
from affectml_apps.relabel.pages.who import who_is_there
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import plain

SHOWN = 50
CHOSEN = "disputed"  # the image's id


def draw() -> None:
    """Draw it."""
    task = current()
    st.title("Disagreement")
    with section():
        judgements = task.store.judgements()
        answered = judgements[judgements["kind"].isin(["labels", "none"])]
        disputed = lead.most_disputed(judgements, task.file.labels, SHOWN) if len(answered) else answered
        if disputed.empty:
            st.info("No image has two answers yet.")
        else:
            distance = dict(zip(disputed["image_id"], disputed["disagreement"], strict=True))
            with section():
                _one_image(task, judgements, distance)
            with section():
                _second_round(task, list(distance))
    with section():
        _conflicts(task)


def _one_image(task: LabelTask, judgements: pd.DataFrame, distance: Mapping[str, float]) -> None:
    image_id = _choose(distance, set(task.store.decisions()["image_id"]))
    if image_id is None:
        return
    left, right = st.columns(2)
    with left, section():
        image(task, image_id)
    with right:
        names = st.checkbox("Show names")
        with section():
            table(lead.answers_to(judgements, image_id, names=names, said=task.said), "Everyone's answers")
        with section():
            _decide(task, image_id)


def _choose(distance: Mapping[str, float], decided: Collection[str]) -> str | None:
    """The image to look at; None where all are left out."""
    choice, following, leaving_out = st.columns([4, 1, 2], vertical_alignment="bottom")
    open_only = leaving_out.checkbox("Leave out decided images")
    images = [name for name in distance if not (open_only and name in decided)]
    if not images:
        st.info("All of these images are decided.")
        return None
    if st.session_state.get(CHOSEN) not in images:
        st.session_state[CHOSEN] = images[0]
    at = images.index(st.session_state[CHOSEN])  # it stays that image while new answers change the order

    def text(name: str) -> str:
        return f"{searchable(name)} (distance {distance[name]:.2f}{', decided' if name in decided else ''})"

    def choose(name: str) -> None:
        st.session_state[CHOSEN] = name

    choice.selectbox(
        f"The {len(images)} images with most disagreement", images, format_func=text,
        **controlled("disputed-image", images[at], choose, images),
    )  # fmt: skip
    following.button(
        "Next image", on_click=choose, args=(images[(at + 1) % len(images)],), disabled=len(images) < 2,
        width="stretch",
    )  # fmt: skip
    return images[at]


def _decide(task: LabelTask, image_id: str) -> None:
    decisions = task.store.decisions()
    for row in decisions[decisions["image_id"] == image_id].to_dict("records"):
        st.text(f"Decided by {row['decided_by']}: {task.said(row['labels']) or 'none of these'}")
    with form("decide"):
        labels = st.multiselect(
            "Decide: a set of labels", list(task.file.labels),
            format_func=lambda label: searchable(task.taxonomy.display(label)), key=f"set-{image_id}",
        )  # fmt: skip
        none = st.checkbox("None of these labels applies", key=f"none-{image_id}")
        note = st.text_input("Why", key=f"why-{image_id}")
        st.write("A decision stands beside people's answers; no answer is changed, and earlier decisions stay.")
        if st.form_submit_button("Add this decision", type="primary"):
            if bool(labels) == none:
                st.error("Choose labels, or tick that none of them applies: one of the two.")
            else:
                attempt(
                    lambda: task.store.decide(image_id, labels, by=who_is_there() or "the lead", note=note or None),
                    f"The decision on {plain(image_id)} is added.", "decide",
                )  # fmt: skip


def _second_round(task: LabelTask, images: list[str]) -> None:
    st.subheader("Second round")
    with form("round"):
        chosen = st.multiselect(
            "Images to look at again, by those who answered them", images, format_func=searchable, key="again"
        )
        everything = st.checkbox(f"All {len(images)} images of the list above", key="all-again")
        if st.form_submit_button("Open a second round"):
            wanted = images if everything else chosen
            if not wanted:
                st.error("Choose the images of the second round first.")
            else:
                attempt(
                    lambda: task.store.open_round("discussion", wanted),
                    f"A second round is open with {len(wanted)} images. People find it on their page.", "round",
                )  # fmt: skip


def _conflicts(task: LabelTask) -> None:
    conflicts = task.store.conflicts()
    conflicts = conflicts[conflicts["resolved_at"].isna()]
    st.subheader(f"Conflicts: {len(conflicts)} open")
    show_done("conflicts")
    st.write("One person's answers that met from two places. Both are kept; choose which is current.")
    for row in conflicts.to_dict("records"):
        said = [task.said(row[name]) or row[kind] for name, kind in
                (("against_labels", "against_kind"), ("labels", "kind"))]  # fmt: skip
        st.text(f"Image {row['image_id']}, {row['annotator_id']}: “{said[0]}” stands, later came “{said[1]}”")
        stands, later = st.columns(2)
        for column, keep, text in ((stands, False, "Keep what stands"), (later, True, "Take the later one")):
            if column.button(text, key=f"{row['event_id']}-{keep}"):
                attempt(
                    partial(task.store.resolve_conflict, row["event_id"], keep=keep, by=who_is_there() or "the lead"),
                    "The conflict is settled.", "conflicts",
                )  # fmt: skip
