"""What a study's page tells somebody who cannot go on, or is through: honestly, and in their own words."""

import time

import pytest
from streamlit.runtime.context import ContextProxy

from affectml_annotation import Answer, erasing
from affectml_annotation.store import schema
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.door import Ids
from affectml_annotation.study.overview import overview
from affectml_apps.relabel.pages import who
from affectml_apps.relabel.study import page

from .. import reading  # noqa: TID252
from ..conftest import change  # noqa: TID252
from ..reading import press, said  # noqa: TID252
from .conftest import CHECK, PANEL, agree, bring

CODES = {"completed": "DONE", "quota_full": "FULL", "timed_out": "LATE"}
RECRUIT = {**PANEL, "study": "s1", "codes": CODES}
PROLIFIC = RECRUIT | {"panel": "prolific", "ids": {}}
RENAMED = PROLIFIC | {"ids": {"person": "who"}}


def test_who_may_not_come_in_is_told_why_and_whoever_is_in_goes_on(study, see):
    task = study(recruit=RECRUIT, places={"people": 1, "minutes": 30})
    agree(task.store, "ann")
    app = see("bob")
    assert "already has enough people" in said(app)
    assert app.code[0].value == "FULL"
    running.change_state(task.store, "paused", by="lead")
    assert "is not open at the moment" in said(see("bob"))
    assert "How old are you?" in said(see("ann"))
    assert "belongs to another study" in said(see("ann", ids={"STUDY_ID": "s2"}))
    assert "contains the placeholder {{%PROLIFIC_PID%}} instead of an id" in said(see("{{%PROLIFIC_PID%}}"))


def test_whose_time_is_up_is_told_so_and_what_they_are_paid(study, see):
    task = study(recruit=RECRUIT, checks={})
    who = bring(task.store, agree(task.store, "ann"), "images")
    task.store.submit([Answer(task.store.claim(who, 1)[0].image_id, who, "labels", ("awe",))])
    change(task.store, schema.visit.update().values(place_until=1))
    app = see("ann")
    for words in ("Your place was given to somebody else", "Your answers so far are kept.", "You will be paid €1.00"):
        assert words in said(app)
    assert app.code[0].value == "LATE"
    assert "LATE" not in {each.value for each in see("ann", "phone").code}


def test_who_asked_to_be_erased_is_told_so_until_it_is_done_and_after(study, see):
    task = study()
    who = agree(task.store, "ann")
    app = see("ann")
    assert next(each for each in app.button if each.label == "Ask for my data to be erased").disabled
    app.checkbox[0].check().run()
    assert "You have asked for your data to be erased" in said(press(app, "Ask for my data to be erased"))
    assert erasing.erasures_asked(task.store) == [who]
    erasing.erase_people([who], stores=[task.store])
    assert "was erased because you asked for it" in said(see("ann"))


def test_a_consent_that_lacks_boxes_names_them_all_until_they_are_ticked(study, see):
    task = study(consent={"boxes": ["I am 18.", "I have read this.", "I agree."]})
    app = press(see("ann"), "I agree to take part")
    assert "please tick every box; not ticked: I am 18 / I have read this / I agree." in said(app)
    app.checkbox[1].check().run()
    assert not app.error
    assert "not ticked: I am 18 / I agree." in said(press(app, "I agree to take part"))
    for box in (0, 2):
        app.checkbox[box].check()
    assert "How old are you?" in said(press(app, "I agree to take part"))
    assert overview(task.store).going_on == 1


def test_the_consent_lists_what_the_file_says_of_pay_and_who_began_here_is_warned(study, see):
    task = study(checks={"rate": 0.4, "images": [{"image": CHECK, "labels": ["awe"]}]})
    (terms,) = [each.proto.body for each in see("ann").get("html") if "<li" in each.proto.body]
    for words in ("If you finish, you are paid €3.00.", "1 of the images is an attention check"):
        assert f"<li>{words}" in terms
    assert not see("bob").warning
    agree(task.store, "ann")
    assert "already started this study in this browser" in said(see("bob"))
    assert "already started" not in said(see("bob", "phone"))


def guess(app, code) -> str:
    app.text_input[0].input(code)
    return said(press(app, "Continue"))


@pytest.mark.parametrize("drops_cookies", [False, True])
def test_wrong_codes_are_counted_where_they_come_from_and_lock_nobody_out(study, see, monkeypatch, drops_cookies):
    task = study()
    who = agree(task.store, "ann")
    monkeypatch.setattr(page, "GUESSES", page.Allowance(burst=3, per_second=1e-3))
    address = {"at": "203.0.113.7"}
    monkeypatch.setattr(ContextProxy, "ip_address", property(lambda context: address["at"]))
    app = see("ann", "attacker")
    assert "Call 116 123 at any time." in said(app)  # who has lost device and code has somebody to turn to
    for n in range(4):
        app = see("ann", f"attacker {n}") if drops_cookies else app
        assert ("Too many wrong codes" if n == 3 else "This code does not belong to") in guess(app, "AAAAA-BBBBB")
    with task.store.database.read() as connection:
        code = visits.resume_code(connection, who)
    assert "Too many wrong codes" in guess(app, code)  # within the wait that it was told, nothing is compared
    assert door.enter(task.store, Ids("ann"), f"attacker {n}" if drops_cookies else "attacker").kind == "known"
    address["at"] = "203.0.113.8"
    assert "This code does not belong to" in guess(see("ann", "phone"), "AAAAA-BBBBB")
    address["at"] = "203.0.113.7"
    guess(see("ann", "tablet"), code)
    assert door.enter(task.store, Ids("ann"), "tablet").kind == "visit"


def test_who_comes_by_a_link_of_the_study_s_own_hears_of_no_panel_and_needs_no_code(study, see):
    task = study(recruit={"panel": "links", "codes": {"completed": "DONE"}})
    (token,) = door.make_links(task.store, 1, time.time() + 99)
    who = door.agree(task.store, door.ids_of_link(task.store, token), 1, ["I agree."], "laptop").participant
    text = said(see("ann", "phone", ids={"link": token}))
    assert "You cannot come back to this page." in text
    assert "To continue on another device, open your link there." in text
    assert "you need this code" not in text
    bring(task.store, who)
    text = said(see("ann", "phone", ids={"link": token}))
    assert "Keep this code:" in text
    assert "where you were invited" not in text


@pytest.mark.parametrize(
    ("recruit", "address"),
    [
        (PROLIFIC, "/?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID=s1&SESSION_ID={{%SESSION_ID%}}"),
        (RENAMED, "/?who={{%PROLIFIC_PID%}}&STUDY_ID=s1&SESSION_ID={{%SESSION_ID%}}"),
        ({"panel": "sona"}, "/?survey_code=%SURVEY_CODE%"),
    ],
)
def test_the_address_that_a_lead_copies_has_the_panel_s_own_placeholders(study, see, recruit, address):
    study(recruit=recruit)
    assert reading.page("progress").code[0].value.endswith(address)


def test_beyond_this_machine_nobody_leads_who_does_not_sign_in(study, see):
    task = study()
    assert "By a signed link for one person each" in said(reading.page("progress"))
    task.only_here = False
    app = see("ann", lead=True)
    assert not app.subheader
    assert "leads who sign in" in said(app)


def test_where_leads_sign_in_nobody_has_to_who_takes_part(study, see, monkeypatch):
    study()
    monkeypatch.setattr(who, "sign_in_configured", lambda: True)  # [auth] is in the secrets; nobody has signed in
    monkeypatch.setattr(who, "who_is_there", lambda: None)
    monkeypatch.setattr(who, "providers", lambda: [None])
    assert "You label images." in "".join(each.proto.body for each in see("ann").get("html"))
    app = see("ann", lead=True)
    assert (app.title[0].value, app.button[0].label) == ("Who leads this study?", "Sign in")
