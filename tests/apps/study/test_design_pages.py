"""The lead's pages of what people answered and see, without a browser."""

from affectml_annotation import Answer
from affectml_annotation.study import visits
from affectml_apps.text import plain

from ..reading import drawn, page, said  # noqa: TID252
from .conftest import agree, bring


def test_answers_are_bars_and_texts_are_plain(study):
    why = {"id": "why", "text": "*Why*?", "kind": "text"}
    age = {"id": "age", "text": "How old are you?", "kind": "choice", "options": ["18-29", "30+", "50+", "70+"]}
    mood = {"id": "mood", "text": "How do you feel?", "kind": "scale", "low": 1, "high": 4}
    late = {"id": "late", "text": "Nobody answered?", "kind": "choice", "options": ["yes", "no"], "required": False}
    task = study(before={"questions": [age, mood, why, late]}, after={"questions": []})
    answers = {"age": "30+", "mood": 2, "why": "![x](http://evil.invalid/x.png)"}
    visits.answer_questions(task.store, agree(task.store, "P1"), "before", answers)
    app = page("answers")
    assert drawn(app) == [
        "How many people answered what to: How old are you?", "How many people answered what to: How do you feel?"
    ]  # fmt: skip
    assert app.table[0].value["answer"].tolist() == [plain(option) for option in ("18-29", "30+", "50+", "70+")]
    assert [app.table[at].value["people"].tolist() for at in (0, 1)] == [[0, 1, 0, 0], [0, 1, 0, 0]]
    assert app.table[2].value["answer"].tolist() == [plain("![x](http://evil.invalid/x.png)")]
    assert {"How old are you?", "*Why*?"} <= set(said(app).splitlines())


def test_the_set_up_says_that_a_study_is_set_up_by_its_file(study):
    study()
    assert [each.value.partition(".")[0] for each in page("setup").info] == ["A study runs here"]


def test_images_that_too_many_people_skipped_are_listed_for_the_lead(study):
    task = study(overlap=1, skips=0, practice={"images": []}, before={"questions": []})
    who = bring(task.store, agree(task.store, "P1"), "images")
    (claim,) = task.store.claim(who, 1)
    task.store.submit([Answer(claim.image_id, who, "unsure")])
    for module in ("study", "progress"):
        (told,) = [text for text in said(page(module)).splitlines() if "skipped" in text]
        assert told.endswith(f"one more person each): {claim.image_id}.")


def test_however_many_places_are_wanted_the_page_offers_to_open_them(study):
    study(overlap=700, images_per_person=1)
    assert page("study").number_input[0].value > 10_000
