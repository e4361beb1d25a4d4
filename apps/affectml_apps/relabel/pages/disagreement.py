"""Images people disagree on most, with everyone's answers; decisions, further rounds, conflicts."""

from collections.abc import Collection, Mapping

import streamlit as st

from affectml.errors import AffectmlError
from affectml_annotation import AnnotationError
from affectml_apps.pictures import preview
from affectml_apps.relabel import lead
from affectml_apps.relabel.finding import searchable
from affectml_apps.relabel.pages.drawing import done, problem, show_done, table
from affectml_apps.relabel.pages.who import who_is_there
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import plain

SHOWN = 50
CHOSEN = "disputed-image"


def draw() -> None:
    """Draw it."""
    task = current()
    st.title("Disagreement")
    judgements = task.store.judgements()
    answered = judgements[judgements["kind"].isin(["labels", "none"])]
    disputed = lead.most_disputed(judgements, task.settings.labels, SHOWN) if len(answered) else None
    if disputed is None or disputed.empty:
        st.info("No image has two answers yet.")
    else:
        decided = set(task.store.decisions()["image_id"])
        distance = dict(zip(disputed["image_id"], disputed["disagreement"], strict=True))
        image_id = _choose(distance, decided)
        if image_id is not None:
            left, right = st.columns(2)
            with left:
                _picture(task, image_id)
            with right:
                names = st.checkbox("Show names")
                table(lead.answers_to(judgements, image_id, names=names), "Everyone's answers")
                _decide(task, image_id)
        _second_round(task, list(distance))
    _conflicts(task)


def _choose(distance: Mapping[str, float], decided: Collection[str]) -> str | None:
    """The image to look at; None where all are left out."""
    choice, following, leaving_out = st.columns([4, 1, 2], vertical_alignment="bottom")
    open_only = leaving_out.checkbox("Leave out decided images")
    images = [name for name in distance if not (open_only and name in decided)]
    if not images:
        st.info("All of these images are decided.")
        return None
    if st.session_state.get(CHOSEN) not in images:
        st.session_state.pop(CHOSEN, None)

    def text(name: str) -> str:
        return f"{searchable(name)} (distance {distance[name]:.2f}{', decided' if name in decided else ''})"

    def go_on() -> None:
        at = images.index(st.session_state[CHOSEN])
        st.session_state[CHOSEN] = images[(at + 1) % len(images)]

    title = f"The {len(images)} images with most disagreement"
    image_id = choice.selectbox(title, images, format_func=text, key=CHOSEN)
    following.button("Next image", on_click=go_on, disabled=len(images) < 2, width="stretch")
    return image_id


def _picture(task: LabelTask, image_id: str) -> None:
    images = task.store.images().set_index("image_id")
    try:
        picture = preview(task.dataset.image_path(str(images.loc[image_id, "file"])))
    except (AffectmlError, OSError) as error:
        with st.container(border=True):
            st.text(f"{image_id} is not shown.")
            st.text(str(error))
    else:
        st.image(picture, width="content", alt=f"Image {image_id}")


def _decide(task: LabelTask, image_id: str) -> None:
    decisions = task.store.decisions()
    for row in decisions[decisions["image_id"] == image_id].to_dict("records"):
        st.text(f"Decided by {row['decided_by']}: {', '.join(row['labels']) or 'none of these'}")
    with st.form("decide"):
        labels = st.multiselect(
            "Decide: a set of labels, or none", list(task.settings.labels), format_func=searchable,
            key=f"set-{image_id}",
        )  # fmt: skip
        note = st.text_input("Why", key=f"why-{image_id}")
        st.write("A decision stands beside people's answers; no answer is changed, and earlier decisions stay.")
        if st.form_submit_button("Add this decision", type="primary"):
            task.store.decide(image_id, labels, by=who_is_there() or "the lead", note=note or None)
            done(f"The decision on {plain(image_id)} is added.", "decide")
        show_done("decide")


def _second_round(task: LabelTask, images: list[str]) -> None:
    st.subheader("Second round")
    with st.form("round"):
        chosen = st.multiselect("Images to look at again, by those who answered them", images, format_func=searchable)
        everything = st.checkbox(f"All {len(images)} images of the list above")
        if st.form_submit_button("Open a second round"):
            wanted = images if everything else chosen
            if not wanted:
                st.error("Choose the images of the second round first.")
                return
            try:
                number = task.store.open_round("discussion", wanted)
            except AnnotationError as error:
                problem(error)
            else:
                done(f"Round {number} is open with {len(wanted)} images. People find it on their page.", "round")
        show_done("round")


def _conflicts(task: LabelTask) -> None:
    conflicts = task.store.conflicts()
    conflicts = conflicts[conflicts["resolved_at"].isna()]
    st.subheader(f"Conflicts: {len(conflicts)} open")
    show_done("conflicts")
    st.write("One person's answers that met from two places. Both are kept; choose which is current.")
    for row in conflicts.to_dict("records"):
        said = [", ".join(row[name]) or row[kind] for name, kind in
                (("against_labels", "against_kind"), ("labels", "kind"))]  # fmt: skip
        st.text(f"Image {row['image_id']}, {row['annotator_id']}: “{said[0]}” stands, later came “{said[1]}”")
        stands, later = st.columns(2)
        for column, keep, text in (
            (stands, False, f"Keep “{plain(said[0])}”"),
            (later, True, f"Take “{plain(said[1])}”"),
        ):
            if column.button(text, key=f"{row['event_id']}-{keep}"):
                task.store.resolve_conflict(row["event_id"], keep=keep, by=who_is_there() or "the lead")
                done("The conflict is settled.", "conflicts")
