"""The lead's pages of a study: how it goes, what people answer, what is started and ended, who is erased and paid."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from affectml_annotation import Answer, LabelStore
from affectml_annotation.erasing import ask_for_erasure
from affectml_annotation.store.place import default_database
from affectml_annotation.study import door, pay, visits
from affectml_annotation.study.door import Ids
from affectml_annotation.study.folder import read_study
from affectml_annotation.study.overview import changes, overview
from affectml_apps.relabel.pages import out
from affectml_apps.text import plain

from ..conftest import LAPTOP, PHONE, axe, settle, unfold  # noqa: TID252
from ..reading import named, page, press, said  # noqa: TID252
from .conftest import agree, bring

HOSTILE = '=HYPERLINK("x")<img src=x onerror=alert(1)>'


def come(store, person, to="code"):
    return bring(store, agree(store, person), to)


@pytest.fixture(scope="module")
def led(study_folder, start_shared):
    """A server whose study four people came to: two completed it, one of them asks to be erased; one left."""
    folder = study_folder()
    server = start_shared("--study", str(folder), dataset=None)
    server.db = str(default_database(read_study(folder).file.dataset))
    with LabelStore(server.db) as store:
        come(store, HOSTILE)
        server.asked = come(store, "P2")
        ask_for_erasure(store, server.asked)
        visits.leave(store, come(store, "P3", "practice"))
        door.enter(store, Ids("P4"))
    return server


def test_while_another_program_reads_an_erasure_says_so_and_goes_on_after(study, monkeypatch):
    monkeypatch.setattr(out, "PATIENCE", 0.1)
    task = study()
    who = come(task.store, "P1")
    ask_for_erasure(task.store, who)
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
    with LabelStore(led.db) as store:
        now = overview(store)
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
    with LabelStore(led.db) as store:
        assert [row.paid for row in pay.pay_rows(store)] == [True, True]  # what was owed to who was erased is gone
        said = [change for what in changes(store)["what"] for change in what.items()][:4]
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


def test_the_set_up_says_that_a_study_is_set_up_by_its_file(study):
    study()
    assert [each.value.partition(".")[0] for each in page("progress").info] == ["A study runs here"]


def test_images_that_too_many_people_skipped_are_listed_for_the_lead(study):
    task = study(overlap=1, skips=0, practice={"images": []}, before={"questions": []})
    who = bring(task.store, agree(task.store, "P1"), "images")
    (claim,) = task.store.claim(who, 1)
    task.store.submit([Answer(claim.image_id, who, "unsure")])
    (told,) = [text for text in said(page("progress")).splitlines() if "Too many skipped" in text]
    assert told.endswith(f"one more person each): {claim.image_id}.")


def test_however_many_places_are_wanted_the_page_offers_to_open_them(study):
    study(overlap=700, images_per_person=1)
    places = named(page("progress").number_input, "Places for so many more people, who are given just these images")
    assert places.value > 10_000
