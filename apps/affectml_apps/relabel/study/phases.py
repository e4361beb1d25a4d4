"""What a participant does in each phase of a visit that goes on."""

from typing import Any

import streamlit as st
from streamlit import config

from affectml_annotation.languages import _, number
from affectml_annotation.study import visits
from affectml_annotation.study.file import Questions
from affectml_annotation.study.questions import read_answers
from affectml_annotation.study.screen import Screen
from affectml_annotation.study.translation import Asked
from affectml_apps.relabel import component
from affectml_apps.relabel.pages.drawing import reading_width
from affectml_apps.relabel.speaking import chooser
from affectml_apps.relabel.study.reading import text_of
from affectml_apps.relabel.task import LabelTask
from affectml_apps.text import plain, sentence

# The image takes the width that there is.
WIDE = """<style>
.stMainBlockContainer {padding-inline: 2rem}
@media (max-width: 900px), (max-height: 500px) {.stMainBlockContainer {padding-inline: 0.75rem}}
</style>"""
# Streamlit leaves a page scrolled to where the one before it was left.
TO_TOP = "<script>document.querySelector('.stMain')?.scrollTo(0, 0) // {}</script>"
MOST_POINTS = 11  # of a scale whose points all stand there


def draw(task: LabelTask, who: str, screen: Screen) -> None:
    """Draw the phase that they are at."""
    phase = screen.visit.phase
    if phase in ("practice", "images"):
        _images(task, who, screen)
        return
    reading_width()
    if phase in ("before", "after"):
        _questions(task, who, screen)
    else:
        st.html(text_of(task, screen.text, screen.links))
        if st.button(_("Go on") if phase == "instructions" else _("Finish"), type="primary", key=f"leave-{phase}"):
            visits.go_on(task.store, who, phase)  # type: ignore[arg-type]
            st.rerun()
    st.html(TO_TOP.format(phase), unsafe_allow_javascript=True)


def _questions(task: LabelTask, who: str, screen: Screen) -> None:
    """All at once; what cannot be is said beside its question, and everything else stays as it was typed."""
    phase = screen.visit.phase
    st.html("<style>[data-testid=stWidgetLabel] p {font-size: 1rem}</style>")
    st.title(_("Some questions about you") if phase == "before" else _("Some last questions"))
    given: dict[str, Any] = {}
    below = {}
    with st.form(f"questions-{phase}", border=False, enter_to_submit=False):
        chooser(screen.languages, st.form_submit_button)  # within the form, so that what is typed comes with it
        for one in screen.questions:
            with st.container(gap="xsmall"):
                given[one.id] = _asked(one)
                below[one.id] = st.empty()
        pressed = st.form_submit_button(_("Go on"), type="primary")
    if not pressed:
        return
    wrong = read_answers(Questions(questions=screen.questions), given)[1]
    for name, why in wrong.items():
        below[name].error(plain(sentence(why)))
    if wrong:
        st.error(_("Not sent yet: see what is said in red above."))  # which may be out of sight
    else:
        visits.answer_questions(task.store, who, phase, given)  # type: ignore[arg-type]
        st.rerun()


def _asked(one: Asked) -> Any:
    """The field of a question, and what is in it."""
    text = plain(one.text)
    if not one.required:
        text = _("{question} (you may leave this out)", question=text)
    name: Any = {"label": text, "key": f"question-{one.id}"}
    match one.kind:
        case "choice":
            return st.radio(
                options=one.options, index=None, format_func=lambda option: plain(one.shown[option]), **name
            )
        case "several":
            st.markdown(text)
            boxes = enumerate(one.options)
            return [each for at, each in boxes if st.checkbox(plain(one.shown[each]), key=f"question-{one.id}-{at}")]
        case "text":
            return st.text_area(**name)
    low, high = one.low, one.high
    if one.kind == "scale" and low is not None and high is not None:
        points = range(int(low), int(high) + 1)
        if (points[0], points[-1]) == (low, high) and len(points) <= MOST_POINTS:
            return st.radio(options=points, index=None, horizontal=True, **name)
        name["label"] = _("{question}: {low} to {high}", question=text, low=number(low), high=number(high))
    return st.number_input(value=None, step=1.0, format="%.15g", **name)


def _images(task: LabelTask, who: str, screen: Screen) -> None:
    """The labelling page itself, to practise with and then to label."""
    st.html(WIDE)
    instructions = text_of(task, screen.instructions, screen.links)
    _mount(task, who, screen.visit.phase, question=screen.question, instructions=instructions, breaks=screen.breaks)


def send_rest(task: LabelTask, who: str) -> None:
    """Have a browser send the answers that were under way when the visit ended, without drawing anything."""
    _mount(task, who, "over")


def _mount(
    task: LabelTask, who: str, phase: str, *, question: str = "", instructions: str = "", breaks: float = 0
) -> None:
    study = {"phase": phase, "question": question, "instructions": instructions, "breaks": breaks}
    component.mount(task, who, 1, base=config.get_option("server.baseUrlPath"), study=study)
