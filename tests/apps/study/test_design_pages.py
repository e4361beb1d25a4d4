"""The lead's pages of what people answered and see, without a browser."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from affectml_annotation import Answer
from affectml_annotation.study import door, visits
from affectml_annotation.study.door import Ids
from affectml_apps.text import plain


def page_of(module):
    """One of the lead's pages as a script of its own."""
    script = f"from affectml_apps.relabel.pages import {module}\n{module}.draw()\n"
    return AppTest.from_string(script, default_timeout=300).run()


def press(app, label):
    return next(each for each in app.button if each.label == label).click().run()


def texts(app):
    return [each.value for kind in ("title", "subheader", "text", "info", "success") for each in app.get(kind)]


@pytest.fixture
def answering(study):
    """A study in which one person answered both kinds of question."""
    why = {"id": "why", "text": "*Why*?", "kind": "text"}
    age = {"id": "age", "text": "How old are you?", "kind": "choice", "options": ["18-29", "30+", "50+", "70+"]}
    mood = {"id": "mood", "text": "How do you feel?", "kind": "scale", "low": 1, "high": 4}
    late = {"id": "late", "text": "Nobody answered?", "kind": "choice", "options": ["yes", "no"], "required": False}
    task = study(before={"questions": [age, mood, why, late]}, after={"questions": []})
    entry = door.enter(task.store, Ids("P1"))
    who = door.agree(task.store, Ids("P1"), entry.version, ["I agree."]).participant
    visits.answer_questions(
        task.store, who, "before", {"age": "30+", "mood": 2, "why": "![x](http://evil.invalid/x.png)"}
    )
    return task


def test_answers_are_bars_and_texts_are_plain(answering):
    app = page_of("answers")
    assert not app.exception
    assert [json.loads(each.proto.spec)["description"] for each in app.get("vega_lite_chart")] == [
        "How many people answered what to: How old are you?", "How many people answered what to: How do you feel?"
    ]  # fmt: skip
    assert app.table[0].value["answer"].tolist() == [plain(option) for option in ("18-29", "30+", "50+", "70+")]
    assert [app.table[at].value["people"].tolist() for at in (0, 1)] == [[0, 1, 0, 0], [0, 1, 0, 0]]
    assert app.table[2].value["answer"].tolist() == [plain("![x](http://evil.invalid/x.png)")]
    assert {plain("How old are you?"), plain("*Why*?")} <= set(texts(app))


def test_the_set_up_says_that_a_study_is_set_up_by_its_file(study):
    study()
    app = page_of("setup")
    assert not app.exception
    assert [each.value.partition(".")[0] for each in app.info] == ["A study runs here"]


def test_images_that_too_many_people_skipped_are_listed_for_the_lead(study):
    task = study(overlap=1, skips=0, practice={"images": []}, before={"questions": []})
    entry = door.enter(task.store, Ids("P1"))
    who = door.agree(task.store, Ids("P1"), entry.version, ["I agree."]).participant
    visits.go_on(task.store, who, "instructions")
    (claim,) = task.store.claim(who, 1)
    task.store.submit([Answer(claim.image_id, who, "unsure")])
    for module in ("study", "progress"):
        (said,) = [text for text in texts(page_of(module)) if "skipped" in text]
        assert said.endswith(f"one more person each): {claim.image_id}.")


def test_however_many_places_are_wanted_the_page_offers_to_open_them(study):
    study(overlap=700, images_per_person=1)
    app = page_of("study")
    assert not app.exception
    assert app.number_input[0].value > 10_000
