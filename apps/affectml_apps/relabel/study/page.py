"""What somebody sees of a study: the door, consent, where they are, and how it ended. Decides nothing itself."""

import streamlit as st

from affectml_annotation import languages
from affectml_annotation.languages import _, marked, ngettext
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.erasing import ask_for_erasure, erasures_asked
from affectml_annotation.study.keys import BadLink
from affectml_annotation.study.screen import Screen, consent_screen, return_address, screen
from affectml_apps.relabel.allowance import Allowance
from affectml_apps.relabel.component import CLIENT
from affectml_apps.relabel.pages.drawing import problem, reading_width
from affectml_apps.relabel.pages.who import (
    ask_who,
    may_see_lead_pages,
    offer_to_leave,
    sign_in_configured,
    who_is_there,
)
from affectml_apps.relabel.speaking import chooser, speak
from affectml_apps.relabel.study import phases
from affectml_apps.relabel.study.entrance import Visitor, enter, ids_of, visitor_of
from affectml_apps.relabel.study.reading import text_of
from affectml_apps.relabel.task import LabelTask, current
from affectml_apps.text import plain, sentence

GUESSES = Allowance(burst=10, per_second=1 / 60)  # resume codes of one browser, and wrong ones of one address
ENDS = {
    "completed": (marked("You are through"), marked("You have completed the study.")),
    "screened_out": (
        marked("The study ends here for you"),
        marked(
            "Some practice images did not come out as the instructions say, so no images follow. Nobody thinks less of "
            "you for that."
        ),
    ),
    "quota_full": (
        marked("All places are taken"),
        marked("Others were faster: there is no place, or no image, left for you."),
    ),
    "timed_out": (
        marked("Your place is gone"),
        marked("A place is kept for some time only, and you were away for longer. What you gave is kept."),
    ),
    "left": (marked("You have left the study"), marked("What you gave is kept.")),
}
IF_THEY_LEAVE = {
    "by_images": marked("You are paid for the share of the images that you have done."),
    "all": marked("You are paid all the same."),
    "nothing": marked("You are not paid then."),
}
KEPT = marked(
    "What you do here is kept under a random name, {name}: what you answer, when and in which language, and how long "
    "you take. How you came here is kept apart from that, to know you again and to pay you."
)
ERASING = marked(
    "You can ask for all of it to be erased. Whoever leads the study does that; then it is gone for good, and you "
    "cannot take part again."
)
LEAVING = marked(
    "You can leave at any moment. What you gave is kept, the images that you hold go to others, and you cannot come "
    "back in."
)
TO_LEADS = "You may lead this study: its pages are in the menu at the top. “Lead” says how people come here."
UNSIGNED = (
    "Nobody signs these ids: whoever knows the address can make some up. So places are limited, the study's id has to "
    "be the one in study.yaml, where one stands there, and answers and code are shown on the device on which somebody "
    "began, or for their resume code."
)


def draw() -> None:
    """Draw it."""
    task = current()
    visitor = visitor_of(task, st.context.cookies)
    if visitor is None:
        chooser(task.offered())
        _no_way_in()
        return
    st.html(CLIENT / "study.css")
    code = st.session_state.get("declined")
    if code is not None:
        chooser(task.offered())
        text = _("That is all right. Nothing is stored of you, and you can close this page.")
        _told(_("You do not take part"), text, code, back=bool(task.running.recruit.return_to))
        return
    try:
        entry = enter(task, visitor)
    except (door.NotInStudy, BadLink) as error:
        chooser(task.offered())
        _told(_("You cannot take part"), sentence(error))
        return
    if entry.participant is not None:
        speak(task, entry.participant)
        _visit(task, entry.participant)
        return
    chooser(task.offered())
    if entry.kind == "consent":
        _consent(task, visitor, entry.version)
    elif entry.kind == "known":
        _resume(task, visitor)
    elif entry.kind == "full":
        recruit = task.store.database.reading(running.file_of, entry.version).recruit
        text = _("This study has all the people that it needs. Thank you for coming; nothing is stored of you.")
        _told(_("All places are taken"), text, recruit.codes.get("quota_full"), back=bool(recruit.return_to))
    else:
        _told(_("This study lets nobody in now"), _("Nothing is stored of you. Perhaps it goes on later."))


def _told(title: str, text: str, code: str | None = None, *, back: bool = False) -> None:
    """back: whether the server knows where to return with the code."""
    reading_width()
    st.title(title)
    st.text(text)
    if code:
        st.text(_("Your code, to hand back where you were asked to take part:"))
        st.code(code, language=None)
        if back:
            st.link_button(_("Return with this code"), "relabel/return", type="primary")


def _no_way_in() -> None:
    _told(
        _("A study"),
        _(
            "To take part, open the link that you were sent, or come from your panel's own page. If you just did, your "
            "browser keeps no cookie of this page: allow it to, and open the link again."
        ),
    )
    if may_see_lead_pages():
        st.info(TO_LEADS)


def _consent(task: LabelTask, visitor: Visitor, version: int) -> None:
    """All that they agree to. The version stays that of the first look, whatever begins to run in the meantime."""
    shown = consent_screen(task.store, st.session_state.setdefault("version", version), languages.current())
    reading_width()
    st.html(text_of(task, shown.text, shown.links))
    st.text(ngettext("It takes about {n} minute.", "It takes about {n} minutes.", shown.minutes))
    if shown.pay:
        st.text(_("Whoever completes it is paid {pay}.", pay=shown.pay))
    _help(shown.help)
    with st.form("consent", border=False):
        boxes = enumerate(shown.boxes.items())
        ticked = [box for at, (box, said) in boxes if st.checkbox(plain(said), key=f"box-{at}")]
        agreed = st.form_submit_button(_("I agree, and take part"), type="primary")
    if agreed:
        try:
            ids = ids_of(task, visitor)
            door.agree(task.store, ids, shown.version, ticked, visitor.own, language=languages.current())
            st.rerun()
        except (door.NotInStudy, BadLink) as error:
            problem(error)
    if st.button(_("I do not agree")):
        st.session_state["declined"] = door.decline(task.store)
        st.rerun()


def _help(lines: tuple[str, ...]) -> None:
    for line in lines:
        st.text(line)


def _resume(task: LabelTask, visitor: Visitor) -> None:
    """Somebody known, on a device that is not: nothing of theirs is shown without the code."""
    _told(
        _("Welcome back"),
        _(
            "Somebody takes part already who came as you did. If that is you: the device on which you began shows a "
            "resume code under “Your part”. Type it here to go on."
        ),
    )
    if task.running.help:
        st.text(_("Without that device or its code you cannot go on. For questions, and for your payment:"))
        _help(task.running.help)
    with st.form("resume", border=False):
        code = st.text_input(_("Resume code"), max_chars=40, key="resume-code")
        if not st.form_submit_button(_("Go on"), type="primary"):
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
            "Those were too many wrong codes. Try again in {n} second.",
            "Those were too many wrong codes. Try again in {n} seconds.",
            wait,
        )
        problem(many if wait else wrong)


def _visit(task: LabelTask, who: str) -> None:
    shown = screen(task.store, who, languages.current())
    if shown.visit.status is not None:
        _over(task, who, shown)
        if shown.visit.phase == "images":
            phases.send_rest(task, who)
        return
    phase = shown.visit.phase
    key = "beside" if phase in ("practice", "images") else None
    with st.container(horizontal=True, horizontal_alignment="right", gap="small", key=key):
        if phase in ("instructions", "debriefing"):  # the others have it beside what is given there
            chooser(shown.languages)
        _your_part(task, who, shown)
        if shown.help:
            with st.popover(_("Contact")):
                _help(shown.help)
        with st.popover(_("Leave the study")):
            _leave(task, who, shown)
    phases.draw(task, who, shown)
    if key is None:
        code = _spaced(shown.resume_code)
        st.text(_("To go on on another device you need this code: {code}", code=code))


def _leave(task: LabelTask, who: str, shown: Screen) -> None:
    pay = task.store.database.reading(running.file_of, shown.visit.version).pay
    st.text(_(LEAVING))
    if pay.per_person:
        st.text(_(IF_THEY_LEAVE[pay.unfinished]))
    if st.button(_("Leave now")):
        visits.leave(task.store, who)
        st.rerun()


def _your_part(task: LabelTask, who: str, shown: Screen) -> None:
    """What is kept of them, their resume code, and the way to ask for being erased."""
    with st.popover(_("Your part")):
        st.text(_("Your resume code, for another device: {code}", code=_spaced(shown.resume_code)))
        st.text(_(KEPT, name=who))
        if who in erasures_asked(task.store):
            st.text(_("You have asked for all of this to be erased. Whoever leads the study will do it."))
            return
        st.text(_(ERASING))
        if st.button(_("Ask to be erased")):
            ask_for_erasure(task.store, who)
            st.rerun()


def _spaced(code: str) -> str:
    return f"{code[:5]}-{code[5:]}"


def _over(task: LabelTask, who: str, shown: Screen) -> None:
    """How it ended, for good: their code again on every later visit."""
    chooser(shown.languages)
    title, text = map(_, ENDS[shown.visit.status or ""])
    due = _("For your part you are paid {due}: so it stands on the study's list of payments.", due=shown.due)
    _told(title, f"{text} {due}" if shown.due else text, shown.code, back=return_address(task.store, who) is not None)
    if shown.visit.status == "left":
        st.text(_("There is no code for leaving. If you came from a panel, end the study on its own page, too."))
    st.divider()
    st.html(text_of(task, shown.text, shown.links))
    _help(shown.help)
    _your_part(task, who, shown)


def lead() -> None:
    """Where whoever leads comes in, and how people do."""
    task = current()
    if not may_see_lead_pages() and who_is_there() is None and (sign_in_configured() or task.only_here):
        ask_who("Who leads this study?", "Sign in, for the lead's pages. Nobody has to who takes part.")
        return
    reading_width()
    st.title("Leading this study")
    if not may_see_lead_pages():
        st.text("The lead's pages are for the machine that this runs on, or for leads who sign in (--lead).")
        if who_is_there() is not None:
            offer_to_leave()
        return
    st.text("No participant is shown the menu of this page.")
    if task.only_here and not task.leads:
        st.text(
            "Whoever sits at this machine can open its pages by their addresses; --lead NAME keeps a list of leads."
        )
    here, recruit = (st.context.url or "").rpartition("/")[0], task.running.recruit
    st.subheader("How people come")
    if recruit.names:
        fills = {"prolific": "{{{{%{}%}}}}", "sona": "%SURVEY_CODE%"}.get(recruit.panel or "", "…")
        own = recruit.usual
        ids = [
            f"{name}={(what == 'study' and recruit.study) or fills.format(own.get(what, name))}"
            for what, name in recruit.names.items()
        ]
        st.text("From the panel, by this address; the panel fills in the ids:")
        st.code(f"{here}/?{'&'.join(ids)}", language=None)
        st.text(UNSIGNED)
    st.text("By a signed link for one person each, which nobody can make up:")
    st.code("affectml study links OUT --people 20", language=None)
    if who_is_there() is not None:
        offer_to_leave()
