"""What a study's page tells somebody who cannot go on, or is through: honestly, and in their own words."""

import pytest
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from affectml_annotation import Answer
from affectml_annotation.store import schema
from affectml_annotation.study import door, erasing, visits
from affectml_annotation.study.door import Ids
from affectml_apps.relabel.pages import who
from affectml_apps.relabel.study import entrance, page

from .conftest import PANEL, PRACTISED, PRACTISED_TOO

CODES = {"completed": "DONE", "quota_full": "FULL", "timed_out": "LATE"}
RECRUIT = {**PANEL, "study": "s1", "codes": CODES}
PROLIFIC = RECRUIT | {"panel": "prolific", "ids": {}}
RENAMED = PROLIFIC | {"ids": {"person": "who"}}


@pytest.fixture
def see(monkeypatch):
    """`see("ann")`: the page as somebody with this id has it on their own device, or on another one."""

    def open_(person, own="laptop", *, drawn="draw", **address):
        given = {"PROLIFIC_PID": person, "STUDY_ID": "s1"} | address
        monkeypatch.setattr(page, "visitor_of", lambda task, cookies: entrance.Visitor(given, own))
        script = f"from affectml_apps.relabel.study import page\npage.{drawn}()\n"
        return AppTest.from_string(script, default_timeout=300).run()

    return open_


def told(app) -> str:
    assert not app.exception
    return "\n".join(each.value for kind in (app.title, app.text, app.code, app.error) for each in kind)


def begin(store, person) -> str:
    return door.agree(store, Ids(person), 1, ["I agree."], "laptop").participant


def test_who_comes_too_late_for_a_place_is_given_the_code_for_that(study, see):
    task = study(recruit=RECRUIT, places={"people": 1, "minutes": 30})
    begin(task.store, "ann")
    assert "all the people that it needs" in told(see("bob"))
    assert "FULL" in told(see("bob"))


def test_whose_time_is_up_is_told_so_and_what_they_are_paid(study, see):
    task = study(recruit=RECRUIT, checks={})
    who = begin(task.store, "ann")
    visits.answer_questions(task.store, who, "before", {"age": "30+"})
    visits.go_on(task.store, who, "instructions")
    for image, label in ((PRACTISED, "fear"), (PRACTISED_TOO, "awe")):
        visits.practise(task.store, who, image, [label])
    task.store.submit([Answer(task.store.claim(who, 1)[0].image_id, who, "labels", ("awe",))])
    with task.store.database.write() as connection:
        connection.execute(schema.visit.update().values(place_until=1))
    words = told(see("ann"))
    assert "Your place is gone" in words
    assert "What you gave is kept." in words
    assert "you are paid 1.00 EUR" in words
    assert "LATE" in words
    assert "LATE" not in told(see("ann", "phone"))


def test_who_asked_to_be_erased_is_told_so_until_it_is_done_and_after(study, see):
    task = study()
    who = begin(task.store, "ann")
    app = see("ann")
    next(button for button in app.button if button.label == "Ask to be erased").click().run()
    assert "You have asked for all of this to be erased" in told(app)
    assert erasing.erasures_asked(task.store) == [who]
    erasing.erase_people(task.store, [who])
    assert "was erased because you asked for it" in told(see("ann"))


def test_who_comes_to_another_study_is_told_so(study, see):
    study()
    assert "not this study's" in told(see("ann", STUDY_ID="s2"))


def guess(app, code) -> str:
    app.text_input[0].input(code)
    app.button[0].click().run()
    return told(app)


@pytest.mark.parametrize("drops_cookies", [False, True])
def test_wrong_codes_are_counted_where_they_come_from_and_lock_nobody_out(study, see, monkeypatch, drops_cookies):
    task = study()
    who = begin(task.store, "ann")
    monkeypatch.setattr(page, "GUESSES", page.Allowance(burst=3, per_second=1e-3))
    address = {"at": "203.0.113.7"}
    monkeypatch.setattr(ContextProxy, "ip_address", property(lambda context: address["at"]))
    app = see("ann", "attacker")
    assert "Call 116 123 at any time." in told(app)  # who has lost device and code has somebody to turn to
    for n in range(4):
        app = see("ann", f"attacker {n}") if drops_cookies else app
        assert ("too many wrong codes" if n == 3 else "This code does not go with") in guess(app, "AAAAA-BBBBB")
    with task.store.database.read() as connection:
        code = door.keys.resume_code(connection, who)
    assert "too many wrong codes" in guess(app, code)  # within the wait that it was told, nothing is compared
    assert door.enter(task.store, Ids("ann"), f"attacker {n}" if drops_cookies else "attacker").kind == "known"
    address["at"] = "203.0.113.8"
    assert "This code does not go with" in guess(see("ann", "phone"), "AAAAA-BBBBB")
    address["at"] = "203.0.113.7"
    guess(see("ann", "tablet"), code)
    assert door.enter(task.store, Ids("ann"), "tablet").kind == "visit"


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
    assert see("ann", drawn="lead").code[0].value.endswith(address)


def test_beyond_this_machine_nobody_leads_who_does_not_sign_in(study, see):
    task = study()
    assert "How people come" in [each.value for each in see("ann", drawn="lead").subheader]
    task.only_here = False
    app = see("ann", drawn="lead")
    assert not app.subheader
    assert "leads who sign in" in told(app)


def test_where_leads_sign_in_nobody_has_to_who_takes_part(study, see, monkeypatch):
    study()
    for module in (who, page):  # [auth] is in the secrets, and nobody has signed in
        monkeypatch.setattr(module, "sign_in_configured", lambda: True)
        monkeypatch.setattr(module, "who_is_there", lambda: None)
    monkeypatch.setattr(who, "providers", lambda: [None])
    assert "You label images." in "".join(each.proto.body for each in see("ann").get("html"))
    app = see("ann", drawn="lead")
    assert (app.title[0].value, app.button[0].label) == ("Who leads this study?", "Sign in")
