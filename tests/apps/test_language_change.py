"""Another language under somebody's hands: nothing that they began is lost, and arrows follow it."""

import pytest

from affectml.taxonomies import get_taxonomy
from affectml_annotation import LabelStore
from affectml_annotation.languages import _ as say
from affectml_annotation.languages import spoken

from .conftest import change_language


@pytest.fixture(scope="module")
def at_work(server, at_work):
    """Somebody in the task while it is offered in English, German and Arabic."""
    with LabelStore(server.db) as store:
        before = store.task
        store.change_task(languages=["en", "de", "ar"], page={"intensity": True, "valence_arousal": True})
        yield at_work.open()
        store.set_task(before)


@pytest.fixture
def ann(at_work):
    """The same person, in English whatever language the test before has left."""
    if at_work.root.get_attribute("lang") != "en":
        change_language(at_work, "en")
    return at_work.go_on()


def test_what_is_chosen_and_felt_stays_chosen_and_each_answer_says_its_language(ann):
    first = ann.answer("1")
    second, chosen = ann.image, ann.labels[1]
    ann.press("2", "2")
    ann.page.get_by_label("unpleasant to pleasant").fill("0.5")
    change_language(ann, "de")
    german = get_taxonomy("mikels-8").display(chosen, "de")
    assert (ann.image, ann.chosen) == (second, [german])
    with spoken("de"):
        assert ann.page.locator(".chip[aria-pressed=true]").inner_text().split("\n")[-1] == say("clearly")
        assert ann.page.locator(".save").inner_text() == say("Save")
        slider = ann.page.get_by_label(say("unpleasant to pleasant"))
    assert slider.get_attribute("aria-valuetext") == "0,50"
    ann.answer()
    stored = ann.events
    assert list(stored["image_id"]) == [first, second]
    assert list(stored["language"]) == ["en", "de"]
    assert (stored["labels"][1], stored["intensities"][1], stored["valence"][1]) == ([chosen], [2.0], 0.5)


def test_a_note_half_typed_goes_on(ann):
    ann.write("!", "upside ")
    change_language(ann, "ar")
    ann.page.keyboard.type("down")
    assert ann.page.locator(".note").input_value() == "upside down"
    ann.answer()
    assert list(ann.events["note"]) == ["upside down"]


def test_a_correction_that_is_not_saved_and_what_was_begun_after_it_both_stay(ann):
    first = ann.answer("1")
    second = ann.image
    ann.press("2", "Backspace")
    ann.ready(after=second)
    ann.press("3")
    change_language(ann, "de")
    assert (ann.image, ann.chosen) == (first, [ann.labels[0], ann.labels[2]])
    with spoken("de"):
        assert ann.page.locator(".save").inner_text() == say("Save the correction")
    ann.answer()
    assert (ann.image, ann.chosen) == (second, [ann.labels[1]])
    assert list(ann.events["language"]) == ["en", "de"]
    assert [len(labels) for _, _, labels in ann.stored] == [1, 2]


def test_from_right_to_left_the_left_arrow_is_forward_and_the_help_says_so(ann):
    first = ann.answer("1")
    second = ann.image
    change_language(ann, "ar")
    assert ann.root.get_attribute("dir") == "rtl"
    ann.press("ArrowLeft")
    assert ann.image == second  # nothing lies further on
    ann.press("ArrowRight")
    ann.ready(after=second)
    assert ann.image == first
    ann.press("ArrowLeft")
    ann.ready(after=first)
    rows = [row.split("\t") for row in ann.page.locator(".help tr").all_text_contents()]
    with spoken("ar"):
        assert any(row == [f"→{say('Back to the image before')}"] for row in rows)
        assert any(row == [f"←{say('Forward again')}"] for row in rows)
    slider = ann.page.locator(".axis input").first.bounding_box()
    ann.page.mouse.click(
        slider["x"] + slider["width"] / 4, slider["y"] + slider["height"] / 2
    )  # pleasant is on the left
    ann.answer("2")
    assert ann.events["valence"].iloc[-1] == pytest.approx(0.5, abs=0.06)


def test_where_one_language_is_offered_nothing_is_to_be_chosen(ann, prefer):
    prefer(languages=["en"])
    ann.open()
    assert ann.page.locator(".st-key-languages").count() == 0
    assert ann.root.get_attribute("lang") == "en"
    ann.answer("1")
    assert list(ann.events["language"]) == ["en"]
