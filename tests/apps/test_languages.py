"""In whose language a page speaks: what somebody chose, what their browser wishes; and how it changes in a browser."""

import pytest

from affectml.taxonomies import get_taxonomy
from affectml_annotation.languages import PSEUDO, spoken
from affectml_annotation.languages import _ as say
from affectml_annotation.store.schema import write_setting
from affectml_annotation.study.file import WARNING
from affectml_apps.relabel import queries
from affectml_apps.relabel.pages.label import RECORDED
from affectml_apps.relabel.speaking import language_of

from .conftest import Caller
from .reading import in_file, page, press, said, untranslated


@pytest.fixture
def offering(task):
    """The task, offered in English and German."""
    task.store.change_task(languages=["en", "de"])
    return task


@pytest.mark.parametrize(
    ("own", "header", "language"),
    [
        ([], "", "en"),
        ([], "de-CH,de;q=0.9,fr;q=0.8", "de"),
        ([], "it, fr-CA;q=0.3", "fr"),
        ([], "it", "en"),
        (["fr"], "de", "fr"),
        ([None, "fr", "de"], "en", "fr"),
        (["it", "de"], "fr", "de"),  # Italian is not offered
        (["DE"], "fr", "de"),  # as a link may write it
        ([{"a": 1}, 3], "fr", "fr"),
        ([PSEUDO], "de", PSEUDO),
    ],
)
def test_a_choice_goes_before_a_wish_and_neither_beyond_what_is_offered(own, header, language):
    assert language_of(("en", "de", "fr"), own, header) == language


def test_a_task_that_offers_no_other_language_speaks_its_own_and_draws_no_choice(task):
    app = page(language="de")
    assert "Who is labelling?" in said(app)
    assert not [button for button in app.button if str(button.key).startswith("language-")]


def test_a_choice_at_the_door_is_kept_for_who_comes_in_and_holds_on_another_device(offering):
    app = press(page(), "language-de")
    assert app.query_params["language"] == "de"
    app.text_input[0].input("ann")
    press(app, "Weiter")
    with spoken("de"):
        assert say(RECORDED) in said(app)
        app = press(app, say("I have read this and want to take part"))
    assert queries.person(offering.store, "ann").language == "de"
    offering.store.withdraw("ann")
    with spoken("de"):
        assert say("You cannot take part") in said(page(who="ann"))
    assert "You cannot take part" in said(press(page(who="ann"), "language-en"))
    assert queries.person(offering.store, "ann").language == "en"
    assert "You cannot take part" in said(page(who="ann"))
    page(who="ann", language="DE")
    assert queries.person(offering.store, "ann").language == "de"


def test_what_the_lead_wrote_is_read_in_each_language_and_what_they_left_is_ours(offering):
    question = "Was fühlen Sie?"
    offering.store.change_task(texts={"de": {"question": question}}, page={"instructions": "Look twice."})
    english, german = said(page(who="ann")), said(page(who="ann", language="de"))
    assert (question in german, question in english) == (True, False)
    assert "Look twice." in german  # nobody wrote it in German
    with spoken("de"):
        assert say(WARNING) in german  # our own, which is there
    with spoken(PSEUDO):
        assert offering.text("question") == say(offering.file.question)


def test_the_lead_says_on_the_page_which_languages_there_are(task):
    app = in_file(page("progress"), "languages: [en]", "languages: [en, ar]")
    assert task.offered() == ("en", "ar")
    app = in_file(app, "texts: {}", "texts: {ar: {question: بماذا تشعر؟}}")
    with spoken("ar"):
        assert task.text("question") == "بماذا تشعر؟"
    app = in_file(app, "languages: [en, ar]", "languages: []")
    assert "languages: expected a list with one thing in it at least" in said(app)
    assert task.offered() == ("en", "ar")


def test_the_browser_is_answered_in_the_language_of_its_page_else_in_what_is_kept(offering):
    offering.store.invite(["ann"])
    caller = Caller(offering, "ann")
    caller.headers["accept-language"] = "de"

    def refused(status=403, **more):
        return caller.say(status=status, **more)["error"]

    with spoken("de"):
        wanted = say("read what this task shows and agree to it first")
        unread = say("this token was not given out by this task's server; open the page again")
    assert "agree" not in wanted
    assert refused() == refused(language="fr") == wanted  # French is not offered
    assert "agree" in refused(language="en")
    offering.store.speak("ann", "en")
    assert "agree" in refused()
    caller.headers["x-relabel-token"] = "none"
    assert refused(401) == unread


def test_every_text_of_the_labelling_pages_is_said_in_a_language(offering):
    def look(name=None, **address):
        assert untranslated(page(name, language=PSEUDO, **address)) == ""

    offering.leads = ("somebody else",)  # to whom the page says more
    offering.store.change_task(invited_only=True)
    look()
    look(who="eve")  # whom nobody invited
    offering.store.change_task(invited_only=False, page={"instructions": "Look twice."})
    look(who="ann")
    offering.store.invite(["ann"])
    look("who", who="bob")  # who has not begun
    look("who", who="ann")
    offering.store.withdraw("ann")
    look("who", who="ann")
    look(who="ann")
    offering.store.database.writing(write_setting, "closed", ["cat"])
    look(who="cat")
    offering.only_here = False
    look()


# Another language under somebody's hands: nothing that they began is lost, and arrows follow it


def change_language(person, code):
    """Have the labelling page speak another language, as somebody chooses it in the page's header."""
    person.page.locator(".st-key-languages button").click()
    person.page.locator(f".st-key-language-{code} button").click()
    person.page.wait_for_selector(f".labeller[lang={code}]")


@pytest.fixture(scope="module")
def at_work(server, at_work):
    """Somebody in the task while it is offered in English, German and Arabic."""
    before = server.store.task
    server.store.change_task(languages=["en", "de", "ar"], page={"intensity": True, "valence_arousal": True})
    yield at_work.open()
    server.store.set_task(before)


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
    x, y = slider["x"] + slider["width"] / 4, slider["y"] + slider["height"] / 2
    ann.page.mouse.click(x, y)  # pleasant is on the left
    ann.answer("2")
    assert ann.events["valence"].iloc[-1] == pytest.approx(0.5, abs=0.06)
