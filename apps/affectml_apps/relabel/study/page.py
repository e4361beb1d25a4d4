"""What somebody sees of a study: the door, consent, where they are, and how it ended. Decides nothing itself."""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from affectml_annotation import languages
from affectml_annotation.erasing import ask_for_erasure, erasures_asked
from affectml_annotation.languages import _, marked, ngettext, number
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.door import Entry
from affectml_annotation.study.file import Questions, Task
from affectml_annotation.study.folder import Asked
from affectml_annotation.study.screen import Screen, return_address, screen
from affectml_annotation.study.terms import terms
from affectml_apps.relabel import component
from affectml_apps.relabel.identity import Allowance
from affectml_apps.relabel.pages import who as sign_in
from affectml_apps.relabel.speaking import chooser, speak
from affectml_apps.relabel.study.entrance import Visitor, enter, ids_of, visitor_of
from affectml_apps.relabel.study.reading import as_list, element, text_of
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import plain, problem, sentence

GUESSES = Allowance(burst=10, per_second=1 / 60)  # resume codes of one browser, and wrong ones of one address
ENDS = {
    "completed": (marked("You have finished the study"), marked("Thank you for taking part.")),
    "screened_out": (
        marked("The study ends here for you"),
        marked(
            "Your answers to the practice images did not match the instructions, so no more images follow. This says "
            "nothing about you."
        ),
    ),
    "quota_full": (
        marked("All places are taken"),
        marked("Other people have taken the last places in the meantime, so there are no images left for you."),
    ),
    "timed_out": (
        marked("Your place was given to somebody else"),
        marked("You were away for longer than a place can be kept. Your answers so far are kept."),
    ),
    "left": (marked("You have left the study"), marked("Your answers so far are kept.")),
}
IF_THEY_LEAVE = {
    "by_images": marked("You will be paid for the share of the images that you have done."),
    "all": marked("You will be paid the full amount all the same."),
    "nothing": marked("You will not be paid."),
}
KEPT = marked(
    "Your answers are stored under a random name, {name}, with the time, the language and how long you took. How you "
    "came here is stored separately. It is used only to recognise you and to pay you."
)
ERASING = marked(
    "You can ask for your data to be erased. The person who leads the study does this. It cannot be undone, and you "
    "cannot take part again."
)
LEAVING = marked("You can leave at any moment. Your answers so far are kept. You cannot come back in.")
SHARED = marked(
    "Somebody has already started this study in this browser. If that was you, do not start again: open the address "
    "with which you started."
)
NO_WAY_IN = marked(
    "To take part, open the link that you were sent, or start from your panel's page. If you just did, your browser "
    "blocks this page's cookie: please allow it, and open the link again."
)
KNOWN = marked(
    "Somebody has already started this study from the same address. If that was you, enter your resume code to "
    "continue. You find it under “Your part” on the device where you started."
)
TO_LEADS = "If you lead this study, its pages are in the menu at the top. “Progress” says how people come here."

# Streamlit leaves a page scrolled to where the one before it was left.
TO_TOP = "<script>document.querySelector('.stMain')?.scrollTo(0, 0) // {}</script>"
MOST_POINTS = 11  # of a scale whose points all stand there


def draw() -> None:
    """Draw it."""
    task = current()
    visitor = visitor_of(task, st.context.cookies)
    if visitor is None:
        _told(_("A study"), _(NO_WAY_IN))
        if sign_in.may_see_lead_pages():
            st.info(TO_LEADS)
        return
    st.html(component.CLIENT / "study.css")
    if (code := st.session_state.get("declined")) is not None:
        text = _("That is fine. Nothing about you has been stored. You can close this page.")
        _told(_("You are not taking part"), text, code, back=bool(task.file.recruit.return_to))
        return
    try:
        entry = enter(task, visitor)
    except door.NotInStudy as error:
        _told(_("You cannot take part"), sentence(error))
        return
    if entry.participant is not None:
        speak(task, entry.participant)
        _visit(task, entry.participant)
    elif entry.kind == "consent":
        _consent(task, visitor, entry)
    elif entry.kind == "known":
        _resume(task, visitor)
    elif entry.kind == "full":
        recruit = task.store.database.reading(running.file_of, entry.version).recruit
        text = _("This study already has enough people. Thank you for your interest. Nothing about you is stored.")
        _told(_("All places are taken"), text, recruit.codes.get("quota_full"), back=bool(recruit.return_to))
    else:
        text = _("It may open again later. Nothing about you has been stored.")
        _told(_("This study is not open at the moment"), text)


def top(offered: tuple[str, ...], step: int | None = None, steps: int | None = None) -> DeltaGenerator:
    """The row on top of every page, the same in all: how far somebody is, the languages, and room for what else."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="top"):
        said = "" if step is None else _("Step {step} of {steps}", step=step, steps=steps)
        st.html(element("p", said, "step"), width="stretch")
        room = st.container(horizontal=True, width="content", gap="small")
        chooser(offered)
    return room


def _told(title: str, text: str, code: str | None = None, *, back: bool = False, head: bool = True) -> None:
    """back: whether the server knows where to return with the code. head: whether the row on top is drawn here."""
    if head:
        top(current().offered())
    narrow()
    st.title(title, anchor=False)
    st.text(text)
    if code:
        enter_it = _("This is your code. Please enter it where you were invited to take part:")
        st.text(_("Keep this code:") if by_links(current().file) else enter_it)
        st.code(code, language=None)
        if back:
            st.link_button(_("Return with this code"), "relabel/return", type="primary")


def by_links(file: Task) -> bool:
    """Whether people come by links of the study's own: no panel waits for a code, and the link opens other devices."""
    return file.recruit.panel == "links"


def _consent(task: LabelTask, visitor: Visitor, entry: Entry) -> None:
    """All that they agree to. The version stays that of the first look, whatever begins to run in the meantime."""
    version, language = st.session_state.setdefault("version", entry.version), languages.current()
    study = task.store.database.reading(running.study_of, version)
    words = study.translation(language)
    top(task.offered(), 1, len(study.file.steps))
    narrow()
    if entry.shared:
        st.warning(plain(_(SHARED)))
    st.html(text_of(task, study.text("consent", language), study.file.instructions.links))
    st.subheader(_("Time and pay"), anchor=False)
    st.html(as_list(terms(study)))
    _help(words.help or study.file.help)
    boxes = enumerate(words.boxes_of(study.file).items())
    ticked = [box for at, (box, shown) in boxes if st.checkbox(plain(shown), key=f"box-{at}")]
    if st.button(_("I agree to take part"), type="primary"):
        try:
            ids = ids_of(task, visitor)
            door.agree(task.store, ids, version, ticked, visitor.own, language=language)
            st.rerun()
        except door.NotInStudy as error:
            problem(sentence(error))
    if st.button(_("I do not agree")):
        st.session_state["declined"] = door.decline(task.store)
        st.rerun()


def _help(lines: tuple[str, ...]) -> None:
    for line in lines:
        st.text(line)


def _resume(task: LabelTask, visitor: Visitor) -> None:
    """Somebody known, on a device that is not: nothing of theirs is shown without the code."""
    _told(_("Welcome back"), _(KNOWN))
    if task.file.help:
        st.text(_("If you have neither that device nor the code, please ask here, also about your payment:"))
        _help(task.file.help)
    with st.form("resume", border=False):
        code = st.text_input(_("Resume code"), max_chars=40, key="resume-code")
        if not st.form_submit_button(_("Continue"), type="primary"):
            return
        wait, wrong = GUESSES.take(visitor.own), ""
        try:
            if not wait:
                door.resume(task.store, ids_of(task, visitor), code, visitor.own)
                st.rerun()
        except door.NotInStudy as error:
            wrong = sentence(error)
            if GUESSES.take(str(st.context.ip_address)):  # a browser that is new at this address has one guess
                GUESSES.take(visitor.own, GUESSES.burst - 1)
                wait = GUESSES.take(visitor.own)
        many = ngettext(
            "Too many wrong codes. Please try again in {n} second.",
            "Too many wrong codes. Please try again in {n} seconds.",
            wait,
        )
        problem(many if wait else wrong)


def _visit(task: LabelTask, who: str) -> None:
    shown = screen(task.store, who, languages.current())
    if shown.visit.status is not None:
        _over(task, who, shown)
        if shown.visit.phase == "images":
            component.mount(task, who, 1, study={"phase": "over", "breaks": 0})  # the browser sends what was under way
        return
    with top(shown.file.languages, shown.step, shown.steps):
        _your_part(task, who, shown)
        if shown.help:
            with st.popover(_("Contact")):
                _help(shown.help)
        with st.popover(_("Leave the study")):
            _leave(task, who, shown)
    draw_phase(task, who, shown)
    if shown.visit.phase not in ("practice", "images"):
        needs_code = _("To continue on another device, you need this code: {code}", code=_spaced(shown.resume_code))
        st.text(_("To continue on another device, open your link there.") if by_links(shown.file) else needs_code)


def _leave(task: LabelTask, who: str, shown: Screen) -> None:
    pay = shown.file.pay
    st.text(_(LEAVING))
    if pay.per_person:
        st.text(_(IF_THEY_LEAVE[pay.unfinished]))
    if st.button(_("Leave now")):
        visits.leave(task.store, who)
        st.rerun()


def _spaced(code: str) -> str:
    return f"{code[:5]}-{code[5:]}"


def _your_part(task: LabelTask, who: str, shown: Screen) -> None:
    """What is kept of them, their resume code, and the way to ask for being erased."""
    with st.popover(_("Your part")):
        st.text(_("Your resume code for another device: {code}", code=_spaced(shown.resume_code)))
        st.text(_(KEPT, name=who))
        if who in erasures_asked(task.store):
            st.text(_("You have asked for your data to be erased. The person who leads the study will do it."))
            return
        st.text(_(ERASING))
        sure = st.checkbox(_("Yes, erase all my answers"))
        if st.button(_("Ask for my data to be erased"), disabled=not sure):
            ask_for_erasure(task.store, who)
            st.rerun()


def _over(task: LabelTask, who: str, shown: Screen) -> None:
    """How it ended, for good: their code again on every later visit."""
    with top(shown.file.languages):
        _your_part(task, who, shown)
    title, text = map(_, ENDS[shown.visit.status or ""])
    due = _("You will be paid {due}.", due=shown.due)
    back = return_address(task.store, who) is not None
    _told(title, f"{text} {due}" if shown.due else text, shown.code, back=back, head=False)
    if shown.visit.status == "left":
        st.text(_("There is no code for leaving. If you came from a panel, please end the study on its page, too."))
    st.divider()
    st.html(text_of(task, shown.text, shown.file.instructions.links))
    _help(shown.help)


def lead() -> None:
    """Where whoever leads comes in, who does not see the lead's pages yet."""
    task = current()
    if sign_in.who_is_there() is None and (sign_in.sign_in_configured() or task.only_here):
        sign_in.ask_who("Who leads this study?", "Sign in, for the lead's pages. Nobody has to who takes part.")
        return
    narrow()
    st.title("Leading this study")
    st.text("The lead's pages are for the machine that this runs on, or for leads who sign in (--lead).")
    if sign_in.who_is_there() is not None:
        sign_in.offer_to_leave()


# What a participant does in each phase of a visit that goes on


def draw_phase(task: LabelTask, who: str, shown: Screen) -> None:
    """Draw the phase that they are at."""
    phase, file = shown.visit.phase, shown.file
    if phase in ("practice", "images"):
        instructions = text_of(task, shown.instructions, file.instructions.links)
        asked = {"phase": phase, "question": shown.question, "instructions": instructions, "breaks": file.breaks}
        component.mount(task, who, 1, study=asked)
        return
    narrow()
    if phase in ("before", "after"):
        _questions(task, who, shown)
    else:
        if phase == "start":
            st.title(_("The practice is over"), anchor=False)
            st.text(
                ngettext(
                    "From now on your answers count. There is {n} image for you.",
                    "From now on your answers count. There are {n} images for you.",
                    shown.images,
                )
            )
        else:
            st.html(text_of(task, shown.text, file.instructions.links))
        says = {"instructions": _("Continue"), "start": _("Start"), "debriefing": _("Finish")}
        if st.button(says[phase], type="primary", key=f"leave-{phase}"):
            visits.go_on(task.store, who, phase)  # type: ignore[arg-type]
            st.rerun()
    st.html(TO_TOP.format(phase), unsafe_allow_javascript=True)


def narrow() -> None:
    """Keep what is read on a page narrow enough, and leave the row on top where it is."""
    st.html(component.CLIENT / "narrow.css")


def _questions(task: LabelTask, who: str, shown: Screen) -> None:
    """All at once; what cannot be is said beside its question until it can, and all else stays as it was typed."""
    phase, key = shown.visit.phase, f"tried-{shown.visit.phase}"
    st.title(_("A few questions about you") if phase == "before" else _("A few last questions"), anchor=False)
    given: dict[str, Any] = {}
    below = {}
    for one in shown.questions:
        with st.container(gap="xsmall"):
            given[one.id] = _asked(one)
            below[one.id] = st.empty()
    st.text(_("You cannot come back to this page."))
    pressed = st.button(_("Continue"), type="primary", key=f"leave-{phase}")
    wrong = visits.read_answers(Questions(questions=shown.questions), given)[1]
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
