"""Who sits in front of the page, signed in by OIDC where that is configured, else by a name; and their own part."""

from collections.abc import Mapping

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from affectml_annotation.languages import _, marked, ngettext
from affectml_apps.relabel import identity, queries
from affectml_apps.relabel.pages.drawing import reading_width
from affectml_apps.relabel.speaking import LANGUAGE, chooser
from affectml_apps.relabel.task import current
from affectml_apps.text import plain

WHO = marked("Who is labelling?")
SIGN_IN = marked("Sign in, so that your answers are kept under your own account.")

WITHDRAWING = marked(
    "After that nothing is shown to you, and none of your answers is counted or exported. Whoever leads the task can "
    "undo it for a week; then it is final."
)
WITHDRAWING_UNPROVEN = marked(
    "After that nothing is shown to you, and none of your answers is counted or exported. Whoever leads the task can "
    "undo it at any time, since here a name is no password."
)


def sign_in_configured() -> bool:
    """Whether `.streamlit/secrets.toml` has an [auth] section for `st.login`."""
    try:
        return "auth" in st.secrets
    except StreamlitSecretNotFoundError:
        return False


def providers() -> list[str | None]:
    """The identity providers that [auth] names, for `st.login`; None is the one without a name of its own."""
    auth = st.secrets["auth"]
    named: list[str | None] = [name for name, value in auth.items() if isinstance(value, Mapping)]
    return [None, *named] if "client_id" in auth else named


def who_is_there() -> str | None:
    """The annotator's id: the e-mail address they signed in with, or the name they gave; None for nobody yet.

    An address that the provider calls unverified is not believed; the account's own id stands in for it. A name is
    kept in the address (?who=), so that a reload or a bookmark finds it again, as whoever is meant is known here
    (`identity.known_as`). It proves nothing.
    """
    if sign_in_configured():
        if not st.user.is_logged_in:
            return None
        email = st.user.get("email") if st.user.get("email_verified") is not False else None
        return str(email or st.user["sub"])
    own = None if st.session_state.get("another") else current().starter
    name = st.session_state.get("who") or identity.clean_name(st.query_params.get("who", "")) or own
    if name is not None:
        name = identity.known_as(name, queries.names(current().store))
        st.session_state["who"] = name
        st.query_params["who"] = name
    return name


def ask_who(title: str = WHO, why: str = SIGN_IN) -> None:
    """The door: sign in, and why, or give a name. Title and why are said in the language that is spoken."""
    reading_width()
    chooser(current().offered())
    st.title(_(title))
    if sign_in_configured():
        st.write(_(why))
        for provider in providers():
            text = _("Sign in") if provider is None else _("Sign in with {provider}", provider=provider)
            st.button(text, type="primary", on_click=st.login, args=(provider,), key=f"sign-in-{provider}")
        return
    with st.form("door"):
        typed = st.text_input(_("Your name in this task"), max_chars=80, key="name")
        if st.form_submit_button(_("Continue"), type="primary"):
            name = identity.clean_name(typed)
            if name is None:
                st.error(_("A name needs 1 to 80 characters, without < and >."))
            else:
                st.session_state["who"] = name
                st.rerun()


def is_proven() -> bool:
    """Whether it is sure who is there: they signed in, or sit at this machine, which alone reaches the page."""
    return sign_in_configured() or current().only_here


def offer_to_leave() -> None:
    """A button for somebody else to take this seat."""
    if sign_in_configured():
        st.button(_("Sign out"), on_click=st.logout)
    elif st.button(_("Not {name}? Use another name", name=plain(who_is_there() or ""))):
        st.session_state.pop("who", None)
        st.query_params.clear()
        st.session_state.pop(LANGUAGE, None)
        st.session_state["another"] = True
        st.rerun()


def may_see_lead_pages() -> bool:
    """Whether this person is shown the lead's pages."""
    task = current()
    return identity.may_lead(who_is_there(), task.leads, signed_in=sign_in_configured(), only_here=task.only_here)


def lead_name() -> str:
    """Who changes something on the lead's pages, as it is noted with the change."""
    return who_is_there() or "the lead"


def draw() -> None:
    """What an annotator sees of their own part: how much they did, what is known of them, and the way out."""
    task, who = current(), who_is_there()
    if who is None:
        ask_who()
        return
    person = queries.person(task.store, who)
    reading_width()
    chooser(task.offered())
    st.title(_("Your part"))
    if person is None:
        st.text(_("{name}: you have not begun yet. The page “Label” is where it starts.", name=who))
        offer_to_leave()
        return
    rounds = [int(number) for number in task.store.rounds()["round"]]
    answers = queries.answered_count(task.store, who, rounds)
    st.text(ngettext("{name}: {n} answer so far.", "{name}: {n} answers so far.", answers, name=who))
    offer_to_leave()
    if person.withdrawn_at is not None:
        st.info(_("You have withdrawn. Your answers are not used. By mistake? Whoever leads the task can undo it."))
        return
    st.write(
        _(
            "You can stop at any time: close the page, and it goes on at the same image when you come back. "
            "Answers that could not be sent yet are kept in this browser until they can be sent."
        )
    )
    st.subheader(_("Withdraw"))
    st.write(_(WITHDRAWING if is_proven() else WITHDRAWING_UNPROVEN))
    sure = st.checkbox(_("Yes, I want to withdraw, with all my answers"), key="sure")
    if st.button(_("Withdraw"), disabled=not sure):
        task.store.withdraw(who, proven=is_proven())
        st.rerun()
