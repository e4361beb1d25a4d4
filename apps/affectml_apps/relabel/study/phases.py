"""What a participant does in each phase of a visit that goes on."""

from typing import Any

import streamlit as st
from streamlit import config

from affectml_annotation.languages import _, ngettext, number
from affectml_annotation.study import visits
from affectml_annotation.study.file import Questions
from affectml_annotation.study.folder import Asked
from affectml_annotation.study.screen import Screen
from affectml_annotation.study.visits import read_answers
from affectml_apps.relabel import component
from affectml_apps.relabel.study.reading import text_of
from affectml_apps.relabel.task import LabelTask
from affectml_apps.text import plain, sentence

# What is read stays narrow enough for it; what stands on top is as wide as the page, so that it stays where it is.
NARROW = """<style>
.stMainBlockContainer > .stVerticalBlock > :not(:has(> .st-key-top)) {width: min(100%, 48rem); margin-inline: auto}
</style>"""
# Streamlit leaves a page scrolled to where the one before it was left.
TO_TOP = "<script>document.querySelector('.stMain')?.scrollTo(0, 0) // {}</script>"
MOST_POINTS = 11  # of a scale whose points all stand there


def draw(task: LabelTask, who: str, screen: Screen) -> None:
    """Draw the phase that they are at."""
    phase, file = screen.visit.phase, screen.file
    if phase in ("practice", "images"):
        instructions = text_of(task, screen.instructions, file.instructions.links)
        mount(task, who, phase, question=screen.question, instructions=instructions, breaks=file.breaks)
        return
    narrow()
    if phase in ("before", "after"):
        _questions(task, who, screen)
    else:
        if phase == "start":
            st.title(_("The practice is over"), anchor=False)
            st.text(
                ngettext(
                    "From now on your answers count. There is {n} image for you.",
                    "From now on your answers count. There are {n} images for you.",
                    screen.images,
                )
            )
        else:
            st.html(text_of(task, screen.text, file.instructions.links))
        says = {"instructions": _("Continue"), "start": _("Start"), "debriefing": _("Finish")}
        if st.button(says[phase], type="primary", key=f"leave-{phase}"):
            visits.go_on(task.store, who, phase)  # type: ignore[arg-type]
            st.rerun()
    st.html(TO_TOP.format(phase), unsafe_allow_javascript=True)


def narrow() -> None:
    """Keep what is read on a page narrow enough, and leave the row on top where it is."""
    st.html(NARROW)


def _questions(task: LabelTask, who: str, screen: Screen) -> None:
    """All at once; what cannot be is said beside its question until it can, and all else stays as it was typed."""
    phase, key = screen.visit.phase, f"tried-{screen.visit.phase}"
    st.title(_("A few questions about you") if phase == "before" else _("A few last questions"), anchor=False)
    given: dict[str, Any] = {}
    below = {}
    for one in screen.questions:
        with st.container(gap="xsmall"):
            given[one.id] = _asked(one)
            below[one.id] = st.empty()
    st.text(_("You cannot come back to this page."))
    pressed = st.button(_("Continue"), type="primary", key=f"leave-{phase}")
    wrong = read_answers(Questions(questions=screen.questions), given)[1]
    if pressed and not wrong:
        visits.answer_questions(task.store, who, phase, given)  # type: ignore[arg-type]
        st.rerun()
    if pressed or st.session_state.get(key):
        st.session_state[key] = True
        for name, why in wrong.items():
            below[name].error(plain(sentence(why)))
        if wrong:  # which may be out of sight
            st.error(_("Not sent yet. Please correct what is marked in red above."))


def _asked(one: Asked) -> Any:
    """The field of a question, and what is in it."""
    text = plain(one.text)
    if not one.required:
        text = _("{question} (optional)", question=text)
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
        points, ends = range(int(low), int(high) + 1), {low: plain(one.low_label), high: plain(one.high_label)}

        def point(value: float) -> str:
            return f"{number(value)} ({ends[value]})" if ends.get(value) else number(value)

        if (points[0], points[-1]) == (low, high) and len(points) <= MOST_POINTS:
            return st.radio(options=points, index=None, horizontal=True, format_func=point, **name)
        name["label"] = _("{question}: {low} to {high}", question=text, low=point(low), high=point(high))
    return st.number_input(value=None, step=1.0, format="%.15g", **name)


def mount(
    task: LabelTask, who: str, phase: str, *, question: str = "", instructions: str = "", breaks: float = 0
) -> None:
    """The labelling page itself, to practise with and to label; over: the browser sends what was under way, unseen."""
    study = {"phase": phase, "question": question, "instructions": instructions, "breaks": breaks}
    component.mount(task, who, 1, base=config.get_option("server.baseUrlPath"), study=study)
