"""The questions of a study on the page, without a browser: every kind, errors beside each, nothing typed is lost."""

import pytest

from affectml_annotation.store import schema

from ..reading import press, run  # noqa: TID252
from .conftest import Participant, rows

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
    for page, value in ((app, 2), (other, 5)):
        page.radio[0].set_value(value)
    press(app, "Continue")
    press(other, "Continue")
    assert [row.value for row in rows(task, schema.questionnaire)] == [2]
    assert ann.phase == "instructions"
    assert not other.exception
