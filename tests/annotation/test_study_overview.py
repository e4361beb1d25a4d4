"""What the lead sees of a study, by hand-worked tables: the funnel, people, who changed what."""

from itertools import count

import pytest

from affectml_annotation import Answer
from affectml_annotation.erasing import erase_people
from affectml_annotation.store.versions import own_version
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.door import Ids
from affectml_annotation.study.overview import answers_to_questions, as_text, changes, funnel, overview, people

from .studies import come, complete, label, study_with, to_images

ENGINES = ("sqlite",)  # what may differ between the engines is in test_study_whole.py


def test_the_funnel_says_who_came_how_far_they_got_and_where_they_left(opened, store):
    for person in ("P1", "P2", "P3", "P4", "P5"):
        door.enter(store, Ids(person))
    complete(store, "P1")
    visits.leave(store, to_images(store, "P2"))
    to_images(store, "P3")
    door.decline(store)
    now = overview(store)
    assert (now.opened, now.declined, now.full, now.going_on, now.ended) == (8, 1, 0, 1, {"completed": 1, "left": 1})
    all_three = dict.fromkeys(("before", "instructions", "practice", "start", "images"), 3)
    assert now.reached == {**all_three, "after": 1, "debriefing": 1, "code": 1}
    assert now.at == {"images": {"left": 1, "going_on": 1}}
    assert (now.places, now.free, now.wanting > 0, now.answers) == (4, 2, True, 20 - 5)
    consent = [["consent", "went_on", 3], ["consent", "declined", 1], ["consent", "went_away", 4]]
    assert funnel(now).to_numpy().tolist() == [
        *consent, ["before", "went_on", 3],
        ["instructions", "went_on", 3], ["practice", "went_on", 3], ["start", "went_on", 3], ["images", "went_on", 1],
        ["images", "left", 1], ["images", "going_on", 1], ["after", "went_on", 1], ["debriefing", "went_on", 1],
        ["code", "completed", 1],
    ]  # fmt: skip
    erase_people(people(store)["participant"].tolist(), stores=[store])
    assert overview(store).erased == 3
    assert funnel(overview(store)).to_numpy().tolist() == consent
    assert people(store).empty


def test_how_people_work_by_hand(opened, monkeypatch):
    """Four label every image. One takes a third of the others' time, says the same of all, and fails the check."""
    numbers = count(1)  # when somebody sees a check goes by their name
    monkeypatch.setattr(door, "token_hex", lambda _: str(next(numbers)))
    store = opened(overlap=4, images_per_person=10, checks={"rate": 0.5})
    said = {"i01": "joy"} | {f"i{n:02d}": ("awe", "fear", "joy")[n % 3] for n in range(2, 12)}
    seconds = {"P1": 9.0, "P2": 8.0, "P3": 12.0, "P4": 3.0}
    names = {}
    for person, pace in seconds.items():
        names[person] = who = to_images(store, person)
        given = 0
        while claims := store.claim(who, 1):
            image, given = claims[0].image_id, given + 1
            slower = 2 if person == "P1" and given > 6 else 1
            answer = "awe" if person == "P4" else said[image]
            store.submit([Answer(image, who, "labels", (answer,), seconds=pace * slower)])
    visits.leave(store, names["P4"])
    table = people(store)
    assert table["participant"].tolist() == sorted(names.values())
    rows = table.set_index("participant").loc[list(names.values())].reset_index(drop=True)
    # the others of P4 have medians of 8, 12 and P1's between 9 and 18: half of their median is more than 3
    told = rows[["status", "images", "checks", "checks_failed", "speeder", "no_more_than_chance"]].to_numpy().tolist()
    assert told == [["going_on", 10, 1, 0, False, False]] * 3 + [["left", 10, 1, 1, True, True]]
    assert rows["seconds"].iloc[1:].tolist() == [8, 12, 3]
    assert rows["slower"].tolist() == [pytest.approx(2), 1, 1, 1]
    # awe is right for three of ten images: P4 agrees there with all, and elsewhere with nobody
    assert rows["with_others"].tolist() == [pytest.approx((0.7 * 2 + 0.3 * 3) / 3)] * 3 + [pytest.approx(0.3)]
    assert rows["by_chance"].iloc[3] == pytest.approx(0.3)
    assert rows["low"].iloc[3] < 0.3 < rows["high"].iloc[3]


def test_of_people_nothing_is_said_that_there_is_nothing_to_go_by(opened):
    store = opened(overlap=4)
    silent = to_images(store, "P1")
    label(store, silent, 2)
    rows = people(store)
    figures = ["seconds", "speeder", "slower", "with_others", "low", "high", "no_more_than_chance"]
    assert rows[figures].isna().all(axis=None)
    assert "languages" not in as_text(rows)
    who = to_images(store, "P2")
    for claim, language in zip(store.claim(who, 3), ("en", "de", "de"), strict=True):
        store.submit([Answer(claim.image_id, who, "none", language=language)])
    told = as_text(people(store)).set_index("participant")["languages"]
    assert told.to_dict() == {silent: "–", who: "de, en"}


def test_who_changed_what_and_when_newest_first(store):
    come(store, "P1")
    running.open_study(store, study_with(breaks=20), by="ann")
    running.change_state(store, "paused", by="bob")
    running.more_places(store, 5, by="bob")
    found = changes(store)
    assert found["by"].tolist() == ["bob", "bob", "ann", "lead"]
    assert found["what"].tolist() == [
        {"more": 5},
        {"state": "paused"},
        {"version": 2, "changed": "breaks"},
        {"version": 1},
    ]
    assert found["at"].is_monotonic_decreasing
    now = overview(store)
    assert (now.version, now.affectml, now.came) == (2, own_version(), 0)


# What people answered about themselves


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
