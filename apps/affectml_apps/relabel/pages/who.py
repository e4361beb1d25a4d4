"""Who sits in front of the page: signed in by OIDC where that is configured, else a name they gave."""

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from affectml_apps.relabel import people
from affectml_apps.relabel.task import current


def sign_in_configured() -> bool:
    """Whether `.streamlit/secrets.toml` has an [auth] section for `st.login`."""
    try:
        return "auth" in st.secrets
    except StreamlitSecretNotFoundError:
        return False


def who_is_there() -> str | None:
    """The annotator's id: the e-mail address they signed in with, or the name they gave; None for nobody yet.

    A name is kept in the address (?who=), so that a reload or a bookmark finds it again. It proves nothing.
    """
    if sign_in_configured():
        if not st.user.is_logged_in:
            return None
        return str(st.user.get("email") or st.user.get("sub"))
    name = st.session_state.get("who") or people.clean_name(st.query_params.get("who", ""))
    if name is not None:
        st.session_state["who"] = name
        st.query_params["who"] = name
    return name


def ask_who() -> None:
    """The door: sign in, or give a name."""
    st.title("Who is labelling?")
    if sign_in_configured():
        st.write("Sign in, so that your answers are kept under your own account.")
        if st.button("Sign in", type="primary"):
            st.login()
        return
    with st.form("door"):
        typed = st.text_input("Your name in this task", max_chars=80)
        if st.form_submit_button("Continue", type="primary"):
            name = people.clean_name(typed)
            if name is None:
                st.error("A name needs 1 to 80 characters, without < and >.")
            else:
                st.session_state["who"] = name
                st.rerun()
    st.info(
        "A name is no password: on this page everybody can label under any name, so it only answers to this machine. "
        "For a team, set up sign-in (st.login).",
        icon=":material/info:",
    )


def may_see_lead_pages() -> bool:
    """Whether this person is shown the lead's pages."""
    return people.may_lead(who_is_there(), current().leads, signed_in=sign_in_configured())
