"""The pages of a study without a browser: what people and leads are told, asked, and may do; one whole in a browser."""

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from streamlit.runtime.context import ContextProxy

from affectml_annotation import erasing
from affectml_annotation.store import schema
from affectml_annotation.store.place import default_database
from affectml_annotation.study import door, pay, running, visits
from affectml_annotation.study.door import Ids
from affectml_annotation.study.folder import read_study
from affectml_annotation.study.overview import changes, overview
from affectml_apps.relabel.pages import out, who
from affectml_apps.relabel.study import page as study_page
from affectml_apps.text import plain

from ..conftest import LAPTOP, PHONE, axe, change, say, settle, unfold  # noqa: TID252
from ..reading import named, page, press, run, said  # noqa: TID252
from .conftest import CHECK, PANEL, Participant, agree, bring, rows

CODES = {"completed": "DONE", "quota_full": "FULL", "timed_out": "LATE"}
RECRUIT = {**PANEL, "study": "s1", "codes": CODES}
RENAMED = RECRUIT | {"panel": "prolific", "ids": {"person": "who"}}


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
    say(task.store, who, 1, "awe")
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
    monkeypatch.setattr(study_page, "GUESSES", study_page.Allowance(burst=3, per_second=1e-3))
    address = {"at": "203.0.113.7"}
    monkeypatch.setattr(ContextProxy, "ip_address", property(lambda context: address["at"]))
    app = see("ann", "attacker")
    assert "Call 116 123 at any time." in said(app)  # who has lost device and code has somebody to turn to
    for n in range(4):
        app = see("ann", f"attacker {n}") if drops_cookies else app
        assert ("Too many wrong codes" if n == 3 else "This code does not belong to") in guess(app, "AAAAA-BBBBB")
    with task.store.database.read() as connection:
        code = visits.own_code(connection, "resume", who)
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
        (RENAMED, "/?who={{%PROLIFIC_PID%}}&STUDY_ID=s1&SESSION_ID={{%SESSION_ID%}}"),
        ({"panel": "sona"}, "/?survey_code=%SURVEY_CODE%"),
    ],
)
def test_the_address_that_a_lead_copies_has_the_panel_s_own_placeholders(study, recruit, address):
    study(recruit=recruit)
    assert page("progress").code[0].value.endswith(address)


def test_beyond_this_machine_nobody_leads_who_does_not_sign_in(study, see):
    task = study()
    assert "By a signed link for one person each" in said(page("progress"))
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


# Every kind of question, errors beside each, nothing typed is lost


QUESTIONS = [
    {"id": "age", "text": "How *old* are you?", "kind": "choice", "options": ["18-29", "![x](//evil.example/x)"]},
    {"id": "langs", "text": "Which languages?", "kind": "several", "options": ["English", "German"]},
    {"id": "often", "text": "How often?", "kind": "scale", "low": 1, "high": 5, "low_label": "never*"},
    {"id": "percent", "text": "How much?", "kind": "scale", "low": 0, "high": 100, "high_label": "a lot"},
    {"id": "years", "text": "For how many years?", "kind": "number", "low": 0, "high": 50, "required": False},
    {"id": "mood", "text": "How do you feel?", "kind": "text"},
]
PAGE = """
from affectml_annotation.study.screen import screen
from affectml_apps.relabel.study.page import draw_phase
from affectml_apps.relabel.task import current
task = current()
draw_phase(task, "WHO", screen(task.store, "WHO"))
"""


@pytest.fixture
def asked(study):
    """`asked(**before)`: somebody at the questions before, their page, and the study's task."""

    def ask(**before):
        task = study(before={"questions": QUESTIONS} | before)
        ann = Participant(task, "P1")
        return ann, shown_to(ann.who), task

    return ask


def shown_to(who):
    return run(PAGE.replace("WHO", who))


def test_every_kind_is_asked_and_stored(asked):
    ann, app, task = asked()
    assert app.radio[0].label == "How \\*old\\* are you?"  # the words of a study are words alone
    assert app.radio[0].options[1] == "\\!\\[x\\](//evil.example/x)"
    assert app.radio[1].options == ["1 (never\\*)", "2", "3", "4", "5"]  # words at the ends
    assert app.number_input[0].label == "How much?: 0 to 100 (a lot)"
    app.radio[0].set_value("18-29")
    app.checkbox[1].check()
    app.radio[1].set_value(4)
    app.number_input[0].set_value(12.5)
    app.number_input[1].set_value(34)
    app.text_area[0].set_value("Fine.")
    press(app, "Continue")
    assert ann.phase == "instructions"
    answers = {row.question: row.value for row in rows(task, schema.questionnaire)}
    assert answers == {"age": "18-29", "langs": ["German"], "often": 4, "percent": 12.5, "years": 34, "mood": "Fine."}


def test_what_is_wrong_stands_beside_its_question_and_what_was_typed_stays(asked):
    ann, app, task = asked()
    app.radio[0].set_value("18-29")
    app.checkbox[0].check()
    app.number_input[0].set_value(101)
    app.text_area[0].set_value("x" * 10_000_000)
    press(app, "Continue")
    assert [each.value for each in app.error] == [
        "Please answer this question.",
        "Please enter a number from 0 to 100\\.",
        "Please write 2,000 characters at most.",
        "Not sent yet. Please correct what is marked in red above.",
    ]
    app.checkbox[0].check().run()
    app.number_input[0].set_value(100).run()  # what is mended is red no more
    assert [each.value for each in app.error][1:] == [
        "Please write 2,000 characters at most.", "Not sent yet. Please correct what is marked in red above.",
    ]  # fmt: skip
    app.number_input[0].set_value(101).run()
    kept = (app.radio[0].value, app.checkbox[0].value, app.number_input[0].value, len(app.text_area[0].value))
    assert kept == ("18-29", True, 101, 10_000_000)
    assert ann.phase == "before"
    assert rows(task, schema.questionnaire) == []


def test_a_second_click_and_a_second_tab_change_nothing(asked):
    ann, app, task = asked(questions=QUESTIONS[2:3])
    other = shown_to(ann.who)
    for tab, value in ((app, 2), (other, 5)):
        tab.radio[0].set_value(value)
    press(app, "Continue")
    press(other, "Continue")
    assert [row.value for row in rows(task, schema.questionnaire)] == [2]
    assert ann.phase == "instructions"
    assert not other.exception


# What the lead sees, starts and ends; who is erased and paid


HOSTILE = '=HYPERLINK("x")<img src=x onerror=alert(1)>'


def come(store, person, to="code"):
    return bring(store, agree(store, person), to)


@pytest.fixture(scope="module")
def led(study_folder, start_shared):
    """A server whose study four people came to: two completed it, one of them asks to be erased; one left."""
    folder = study_folder()
    server = start_shared("--study", str(folder), dataset=None)
    server.db = str(default_database(read_study(folder).file.dataset))
    come(server.store, HOSTILE)
    server.asked = come(server.store, "P2")
    erasing.ask_for_erasure(server.store, server.asked)
    visits.leave(server.store, come(server.store, "P3", "practice"))
    door.enter(server.store, Ids("P4"))
    return server


def test_while_another_program_reads_an_erasure_says_so_and_goes_on_after(study, monkeypatch):
    monkeypatch.setattr(out, "PATIENCE", 0.1)
    task = study()
    who = come(task.store, "P1")
    erasing.ask_for_erasure(task.store, who)
    app = page("out")
    next(each for each in app.checkbox if each.label.startswith("I have read this")).check()
    with closing(sqlite3.connect(task.store.database.where, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM event").fetchone() != (0,)
        press(app, "Erase")
        assert [each.value for each in app.code] == [f"affectml label remove erase DATASET {who}"]
        press(app, "Go on erasing")
        assert [each.value.partition(",")[0] for each in app.warning] == ["Another program used the database"]
    assert who.encode() in Path(f"{task.store.database.where}-wal").read_bytes()
    press(app, "Go on erasing")
    assert "Erased. What stays to be done, if anything, stands below." in said(app)
    assert len(app.warning) == 0
    folder = Path(task.store.database.where).parent
    assert [file.name for file in folder.iterdir() if file.is_file() and who.encode() in file.read_bytes()] == []


@pytest.mark.slow
def test_the_lead_sees_how_it_goes_steers_it_erases_and_pays(led, page):
    def show(path):
        page.goto(f"{led.url}/{path}")
        page.get_by_role("heading", level=1).wait_for()
        settle(page)

    def clean_on_a_phone():
        unfold(page)
        assert axe(page) == []
        page.set_viewport_size(PHONE["viewport"])
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.set_viewport_size(LAPTOP)

    show("said")
    page.get_by_text("How old are you?").first.wait_for()
    assert page.locator("[data-testid=stException]").count() == 0
    clean_on_a_phone()
    show("progress")
    page.locator("[data-testid=stVegaLiteChart] :is(svg, canvas)").first.wait_for()
    page.get_by_text("The same as a table").first.click()
    page.get_by_role("cell", name="consent", exact=True).wait_for()
    rows = page.get_by_role("row").all_inner_texts()
    assert [re.split(r"\s*\t\s*", row) for row in rows[:3]] == [
        ["step", "reached", "of whom"],
        ["consent", "4", "3 went on, 1 went away"],
        ["questions before", "3", "3 went on"],
    ]
    clean_on_a_phone()
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("The study is paused:").wait_for()  # and not the line of who changed what
    page.get_by_role("button", name="Open these places").click()
    page.get_by_text("more places.").first.wait_for()
    now = overview(led.store)
    assert (now.state, now.places > 40) == ("paused", True)

    show("out")
    clean_on_a_phone()
    page.get_by_role("button", name="Erase", exact=True).click()
    page.get_by_text("tick that you have read this").wait_for()
    settle(page)
    page.get_by_text("I have read this, and erase them for good").click()
    page.get_by_role("button", name="Erase", exact=True).click()
    page.get_by_text("Erased. What stays").wait_for()
    page.get_by_text("answers taken out of the label database, for good").wait_for()
    settle(page)
    assert page.get_by_text("asked to be erased").count() == 0
    files = list(Path(led.db).parent.glob("*-labels.db*"))
    assert [file.name for file in files if led.asked.encode() in file.read_bytes()] == []  # while the server runs

    assert page.locator("img[src=x]").count() == 0
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the whole table").click()
    csv = download.value.path().read_text(encoding="utf-8-sig")
    assert f"'{HOSTILE}".replace('"', '""') in csv
    assert led.asked not in csv
    page.get_by_label("Who was paid, of 3 people whose visit is over").click()
    page.get_by_text("Select all").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Note that they were paid").click()
    page.get_by_text("Noted for 3").wait_for()
    assert [row.paid for row in pay.pay_rows(led.store)] == [True, True]  # what was owed to who was erased is gone
    said = [change for what in changes(led.store)["what"] for change in what.items()][:4]
    assert said == [("paid", 3), ("erased", 1), ("more", now.places - 40), ("state", "paused")]


def test_answers_are_counted_and_texts_are_plain(study):
    why = {"id": "why", "text": "*Why*?", "kind": "text"}
    age = {"id": "age", "text": "How old are you?", "kind": "choice", "options": ["18-29", "30+", "50+", "70+"]}
    mood = {"id": "mood", "text": "How do you feel?", "kind": "scale", "low": 1, "high": 4}
    late = {"id": "late", "text": "Nobody answered?", "kind": "choice", "options": ["yes", "no"], "required": False}
    task = study(before={"questions": [age, mood, why, late]}, after={"questions": []})
    answers = {"age": "30+", "mood": 2, "why": "![x](http://evil.invalid/x.png)"}
    visits.answer_questions(task.store, agree(task.store, "P1"), "before", answers)
    app = page("said")
    assert app.table[0].value["answer"].tolist() == [plain(option) for option in ("18-29", "30+", "50+", "70+")]
    assert [app.table[at].value["people"].tolist() for at in (0, 1)] == [[0, 1, 0, 0], [0, 1, 0, 0]]
    assert app.table[2].value["answer"].tolist() == [plain("![x](http://evil.invalid/x.png)")]
    assert {"How old are you? (1 answer)", "*Why*? (1 answer)"} <= set(said(app).splitlines())
    assert "Nobody answered?" not in said(app)


def test_images_that_too_many_people_skipped_are_listed_for_the_lead(study):
    task = study(overlap=1, skips=0, practice={"images": []}, before={"questions": []})
    who = bring(task.store, agree(task.store, "P1"), "images")
    (claim,) = task.store.claim(who, 1)
    say(task.store, who, 1, kind="unsure")
    (told,) = [text for text in said(page("progress")).splitlines() if "Too many skipped" in text]
    assert told.endswith(f"one more person each): {claim.image_id}.")


def test_however_many_places_are_wanted_the_page_offers_to_open_them(study):
    study(overlap=700, images_per_person=1)
    app = page("progress")
    assert [each.value.partition(".")[0] for each in app.info] == ["A study runs here"]  # set up by its file
    places = named(app.number_input, "Places for so many more people, who are given just these images")
    assert places.value > 10_000
