"""Whether an answer to a question about the person can be, and in which order questions come."""

import math

import pytest

from affectml_annotation.study import running, visits
from affectml_annotation.study.file import Questions
from affectml_annotation.study.overview import answers_to_questions
from affectml_annotation.study.visits import in_order, read_answers

from .studies import come, study_with

ENGINES = ("sqlite",)  # what may differ between the engines is in test_study_whole.py


def asked(**question) -> Questions:
    return Questions.model_validate({"questions": [{"id": "q", "text": "?", **question}]})


CHOICE = {"kind": "choice", "options": ["a", "b"]}
SEVERAL = {"kind": "several", "options": ["a", "b"]}
SCALE = {"kind": "scale", "low": 1, "high": 7}


GOOD_ANSWERS = [
    (CHOICE, "a", "a"),
    (SEVERAL, ["b", "a"], ["b", "a"]),
    (SCALE, 7, 7),
    ({"kind": "number"}, -2.5, -2.5),
    ({"kind": "number", "low": 0}, 0, 0),
    ({"kind": "text"}, "  so <b>it</b> is\n", "so <b>it</b> is"),
]


@pytest.mark.parametrize(("question", "value", "kept"), GOOD_ANSWERS)
def test_what_can_be_is_kept_as_it_is(question, value, kept):
    assert read_answers(asked(**question), {"q": value}) == ({"q": kept}, {})


BAD_ANSWERS = [
    (CHOICE, "c", "please choose one of the options"),
    (CHOICE, ["a"], "please choose one of the options"),
    (SEVERAL, ["a", "a"], "please choose from the options, each once"),
    (SEVERAL, ["a", ["b"]], "please choose from the options, each once"),
    (SEVERAL, "ab", "please choose from the options, each once"),
    (SCALE, 8, "please enter a number from 1 to 7"),
    (SCALE, True, "please enter a number"),
    (SCALE, "3", "please enter a number"),
    ({"kind": "number"}, math.nan, "please enter a number"),
    ({"kind": "number"}, math.inf, "please enter a number"),
    ({"kind": "number"}, 10**400, "please enter a number"),
    ({"kind": "number", "low": 0}, -1, "this number is outside the range"),
    ({"kind": "text"}, "x" * 10_000_000, "please write 2,000 characters at most"),
    ({"kind": "text"}, {"a": 1}, "please write 2,000 characters at most"),
    ({"kind": "text"}, "nul\0", "this contains a character that cannot be stored; please remove it"),
]


@pytest.mark.parametrize(("question", "value", "says"), BAD_ANSWERS)
def test_what_cannot_be_is_refused(question, value, says):
    assert read_answers(asked(**question), {"q": value}) == ({}, {"q": says})


@pytest.mark.parametrize("nothing", [{}, {"q": None}, {"q": ""}, {"q": "  "}, {"q": []}])
def test_nothing_is_an_answer_only_where_none_is_needed(nothing):
    text = {"kind": "text"}
    assert read_answers(asked(**text), nothing) == ({}, {"q": "please answer this question"})
    assert read_answers(asked(**text, required=False), nothing) == ({}, {})


def test_a_random_order_is_each_persons_own_and_always_the_same():
    questions = [{"id": f"q{n}", "text": "?", "kind": "text"} for n in range(8)]
    drawn = Questions.model_validate({"order": "random", "questions": questions})
    orders = {who: [one.id for one in in_order(drawn, who, seed=1)] for who in ("p1", "p2")}
    assert orders["p1"] != orders["p2"]
    assert sorted(orders["p1"]) == sorted(orders["p2"]) == [f"q{n}" for n in range(8)]
    assert orders["p1"] == [one.id for one in in_order(drawn, "p1", seed=1)]
    fixed = Questions.model_validate({"questions": questions})
    assert [one.id for one in in_order(fixed, "p1", seed=1)] == [f"q{n}" for n in range(8)]


MUCH = [
    {"id": "age", "text": "Age?", "kind": "number", "required": False},
    {"id": "mood", "text": "Mood?", "kind": "scale", "low": 1, "high": 4, "required": False},
    {"id": "media", "text": "Media?", "kind": "several", "options": ["film", "text"], "required": False},
    {"id": "group", "text": "Group?", "kind": "choice", "options": ["a", "b"], "required": False},
    {"id": "why", "text": "Why?", "kind": "text", "required": False},
]
FOUR = [
    {"age": 18, "mood": 1, "media": ["film", "text"], "group": "b", "why": "so"},
    {"age": 25, "mood": 4, "media": ["text"], "group": "b", "why": "<b>no</b>"},
    {"age": 34, "mood": 4},
    {"age": 40.5, "group": "a"},
]


def test_answers_are_counted_by_option_and_by_number_and_texts_tell_no_order(opened):
    store = opened(before={"questions": MUCH}, after={"questions": []}, places={"people": 9})
    people = [come(store, f"P{n}") for n, _ in enumerate(FOUR)]
    for who, given in zip(people, FOUR, strict=True):
        visits.answer_questions(store, who, "before", given)
    found = {one.question.id: one for one in answers_to_questions(store)}
    assert {name: one.people for name, one in found.items()} == {"age": 4, "mood": 3, "media": 2, "group": 3, "why": 2}
    assert found["age"].counts == {  # 22.5 in less than a dozen spans of 2, and no narrower round width
        "18 to 20": 1, "20 to 22": 0, "22 to 24": 0, "24 to 26": 1, "26 to 28": 0, "28 to 30": 0, "30 to 32": 0,
        "32 to 34": 0, "34 to 36": 1, "36 to 38": 0, "38 to 40": 0, "40 to 42": 1,
    }  # fmt: skip
    assert found["mood"].counts == {"1": 1, "2": 0, "3": 0, "4": 2}
    assert found["media"].counts == {"film": 1, "text": 2}
    assert found["group"].counts == {"a": 1, "b": 2}
    assert (found["why"].counts, found["why"].texts) == ({}, ("<b>no</b>", "so"))

    store.withdraw(people[0])
    changed = [{**MUCH[3], "options": ["b", "c"]}, *MUCH[4:]]
    other = study_with(before={"questions": changed}, after={"questions": []})
    running.open_study(store, other, by="lead")
    found = {one.question.id: one for one in answers_to_questions(store)}
    assert [*found] == ["age", "mood", "media", "group", "why"]
    assert (found["group"].people, found["group"].counts) == (2, {"b": 1, "c": 0})  # "a" is no option any more
    assert found["why"].texts == ("<b>no</b>",)
