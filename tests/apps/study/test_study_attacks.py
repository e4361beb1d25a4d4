"""A study under attack: what somebody could forge, guess, swap, replay or skip opens nothing and pays nothing twice."""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
import sqlalchemy as sa

from affectml.people import studies
from affectml_annotation import StoreError
from affectml_annotation.errors import BadStudy
from affectml_annotation.store import schema
from affectml_annotation.study import door, keys, pay, visits
from affectml_annotation.study.keys import BadLink
from affectml_annotation.study.screen import screen
from affectml_apps.relabel.identity import make_token
from affectml_apps.relabel.study import entrance

from ..conftest import change  # noqa: TID252
from .conftest import IDS, PANEL, PRACTISED, Browser, bring

RETURN = {**PANEL, "study": "s1", "codes": {"completed": "DONE"}, "return_to": "https://panel.example/{code}"}


def stored(store):
    """All that a database holds, by table."""
    with store.database.read() as connection:
        return {table.name: connection.execute(sa.select(table)).all() for table in schema.metadata.sorted_tables}


# Links


def test_a_link_of_another_opens_their_visit_alone_and_a_forged_one_nothing(study):
    task = study()
    mine, other = keys.make_links(task.store, 2, time.time() + 3600)
    who = Browser(task, link=mine).agree()
    assert Browser(task, link=mine).found.participant == who
    assert Browser(task, link=other).found.participant is None
    before = stored(task.store)
    number, _, signature = mine.partition(".")
    for forged in (f"2.{signature}", f"{number}.{signature[:-1]}", f"{number}.{signature}x", "1", "0.",
                   f"{number}.{signature}é", "x" * 60_000):  # fmt: skip
        browser = Browser(task, link=forged)
        with pytest.raises(BadLink, match="not made by this study"):
            _ = browser.found
        assert browser.back() == "../"
    assert stored(task.store) == before


def test_a_revoked_link_shows_nothing_more_and_one_past_its_end_only_on_the_device_that_began(study):
    task = study(recruit=RETURN)
    tokens = keys.make_links(task.store, 2, time.time() + 3600)
    revoked, late = (Browser(task, link=token) for token in tokens)
    for browser in (revoked, late):
        bring(task.store, browser.agree())
        assert browser.back() == "https://panel.example/DONE"
    keys.revoke_link(task.store, 1)
    change(task.store, schema.study_link.update().values(ends_at=1))
    for browser in (revoked, Browser(task, link=tokens[0])):
        with pytest.raises(BadLink, match="revoked"):
            _ = browser.found
        assert browser.back() == "../"
    other = Browser(task, link=tokens[1])
    assert (other.found.kind, other.back()) == ("known", "../")
    assert late.back() == "https://panel.example/DONE"


# The panel's ids


def test_guessed_and_swapped_ids_show_neither_answers_nor_code(study):
    task = study(recruit=RETURN)
    victim = Browser(task, **IDS)
    bring(task.store, victim.agree())
    assert victim.back() == "https://panel.example/DONE"
    own = Browser(task, **IDS | {"PROLIFIC_PID": "MINE"})
    mine = own.agree()
    codes = ("", "DONE", screen(task.store, mine).resume_code)
    assert own.open(**IDS).found.participant == mine
    visits.leave(task.store, mine)
    for thief in (Browser(task, **IDS), Browser(task, **IDS | {"SESSION_ID": "twice"}), own.open(**IDS)):
        assert (thief.found.kind, thief.found.participant, thief.back()) == ("known", None, "../")
        for code in codes:
            with pytest.raises(door.NotInStudy, match="does not go with this address"):
                door.resume(task.store, entrance.ids_of(task, thief.visitor), code, thief.visitor.own)
    assert victim.found.kind == "visit"


@pytest.mark.parametrize("name", ["PROLIFIC_PID", "STUDY_ID"])
def test_an_address_that_says_a_thing_twice_or_in_odd_bytes_is_one_person_or_none(study, name):
    task = study()
    for value in ("%00", "%ff%fe", "x" * 60_000, "link 1", "forgotten 1", "%ed%a0%80"):
        browser = Browser(task)
        asked = "&".join(f"{key}={value if key == name else given}" for key, given in IDS.items())
        assert browser.get(f"/?{asked}").headers["location"] == "/"
        if value not in ("%ff%fe", "%ed%a0%80") or name == "STUDY_ID":  # which is a name like any other
            with pytest.raises(door.NotInStudy):
                _ = browser.found
    assert Browser(task).get("/?PROLIFIC_PID=A&PROLIFIC_PID=B&STUDY_ID=s1").status_code == 303


# Completion and code


def test_a_completion_replayed_pays_once_and_tells_the_same_code(study):
    task = study(recruit=RETURN)
    browser = Browser(task, **IDS)
    who = browser.agree()
    bring(task.store, who)
    before, due = stored(task.store), pay.pay_rows(task.store)
    for again in (
        lambda: visits.go_on(task.store, who, "debriefing"),
        lambda: visits.answer_questions(task.store, who, "after", {"why": "again"}),
        lambda: visits.finish_images(task.store, who),
        lambda: visits.leave(task.store, who),
    ):
        assert again().status == "completed"
    with pytest.raises(door.NotInStudy, match="take part already"):
        browser.agree()
    for more in ({}, {"phase": "images", "finish": True}, {"phase": "practice"}):
        browser.say(status=403, **more)
    browser.open(**IDS | {"SESSION_ID": "twice"})
    assert browser.back() == "https://panel.example/DONE"
    assert (stored(task.store), pay.pay_rows(task.store)) == (before, due)


def test_no_code_comes_before_it_is_earned(study):
    task = study(recruit=RETURN | {"codes": {name: f"CODE-{name}" for name in ("completed", "screened_out")}})
    browser = Browser(task, **IDS)
    store, told = task.store, []
    who = browser.agree()

    def look():
        told.append(browser.back())
        told.append(str(screen(store, who)))
        told.append(browser.post("/relabel/sync", json={"phase": "practice", "want": 3}).text)

    for phase in ("before", "instructions", "practice"):
        bring(store, who, phase)
        look()
    visits.practise(store, who, PRACTISED, ["awe"])
    look()
    visits.leave(store, who)
    look()
    assert [text for text in told if "CODE-" in text] == []
    assert set(told[::3]) == {"../"}


def test_ten_megabytes_for_an_answer_are_refused_and_nothing_of_them_is_kept(study):
    about = {"id": "about", "text": "And you?", "kind": "text", "required": False}
    task = study(before={"questions": [about]})
    who = Browser(task, **IDS).agree()
    before = stored(task.store)
    for huge in ("x" * 10_000_000, ["x" * 10_000_000], {"x" * 10_000_000: 1}):
        with pytest.raises(StoreError) as refused:
            visits.answer_questions(task.store, who, "before", {"about": huge})
        assert len(str(refused.value)) < 200
    assert stored(task.store) == before


# Cookies


def test_a_cookie_that_is_forged_altered_or_of_another_task_is_none(study):
    task = study()
    victim, other = Browser(task, **IDS), Browser(task, **IDS | {"PROLIFIC_PID": "OTHER"})
    victim.agree()
    name = entrance.cookie_name(task)
    cookie, others = (browser.cookie(name) for browser in (victim, other))
    content, signature = cookie.split(".")
    made_up = urlsafe_b64encode(urlsafe_b64decode(f"{content}==").replace(b"once", b"mine")).decode()
    swapped = (f"{others.split('.')[0]}.{signature}", f"{content}.{others.split('.')[1]}")
    altered = (f"{made_up}.{signature}", f"{content}.{signature}x", f"{content}.é", f"{content}.", f".{signature}")
    for forged in ("", ".", content, *swapped, *altered):
        assert entrance.visitor_of(task, {name: forged}) is None
    assert entrance.visitor_of(task, {name: cookie}) == victim.visitor
    assert entrance.visitor_of(task, {f"{name}x": cookie}) is None
    token = make_token(task.secret, "anybody")  # signed by the same secret, for another purpose
    assert entrance.visitor_of(task, {name: token}) is None


# The file


@pytest.mark.parametrize("place", ["../own.yaml", "linked.yaml", "/etc/hostname"])
def test_no_taxonomy_is_read_from_outside_the_study_s_folder(study_folder, tmp_path, place):
    folder = study_folder(taxonomy=place, practice={}, checks={})
    (folder.parent / "own.yaml").write_text("name: own\nlabels: [secret, hidden]\n")
    (folder / "linked.yaml").symlink_to(folder.parent / "own.yaml")
    with pytest.raises(BadStudy, match="lies outside the study's folder"):
        studies.begin(folder, str(tmp_path / "labels.db"), by="lead")
