"""In whose language a study speaks: the page without a browser, and the form that a browser holds."""

from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from playwright.sync_api import expect

from affectml_annotation.languages import PSEUDO, spoken
from affectml_annotation.languages import _ as say
from affectml_annotation.store import schema
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.door import Ids
from affectml_annotation.study.screen import screen
from affectml_apps.relabel import component, queries

from ..conftest import change, settle  # noqa: TID252
from ..reading import press, said, unescaped, untranslated  # noqa: TID252
from .conftest import AGE, PANEL, PRACTISED, AtImages, Participant, agree, bring, participant, rows

GERMAN = {
    "boxes": ["Ich stimme zu."],
    "before": {"age": {"text": "Wie alt sind Sie?", "options": {"18-29": "18 bis 29", "30+": "30 oder älter"}}},
    "question": "Was fühlen Sie?",
    "feedback": "Noch einmal.",
    "help": ["Rufen Sie an."],
    "labels": {"awe": {"name": "Staunen"}},
    "read_by": {"consent": "somebody, today"},
}
TEXTS = {"consent": "Sie beschreiben Bilder.", "instructions": "Wählen Sie jedes Gefühl."}
MOOD = {"id": "mood", "text": "How do you feel?", "kind": "text", "required": False}
LANGS = MOOD | {"id": "langs", "text": "What do you speak?", "kind": "several", "options": ["English", "German"]}
BEFORE = {"questions": [AGE, MOOD, LANGS]}
OWN = {"Call 116 123 at any time.", "I agree.", "How old are you?", "18-29", "30+", "German"}
RECRUIT = {**PANEL, "study": "s1", "codes": {"completed": "DONE", "no_consent": "NOPE", "quota_full": "F"}}


@pytest.fixture(scope="module")
def study_folder(study_folder):
    """The same, offered in English and German, with what there is in German."""

    def make(**changes):
        folder = study_folder(languages=["en", "de"], before=BEFORE, recruit=RECRUIT, **changes)
        (folder / "study.de.yaml").write_text(yaml.safe_dump(GERMAN, allow_unicode=True))
        for name, text in TEXTS.items():
            (folder / f"{name}.de.md").write_text(text)
        return folder

    return make


def html(app):
    return "\n".join(each.proto.body for each in app.get("html"))


def test_somebody_agrees_in_german_and_goes_on_so_on_another_device(study, see):
    task = study()
    app = see("ann", language="de")
    assert "Sie beschreiben Bilder." in html(app)
    assert "Rufen Sie an." in said(app)
    assert unescaped(app.checkbox[0].label) == "Ich stimme zu."
    with spoken("de"):
        press(app, say("I agree to take part"))
        assert "Ich stimme zu" in unescaped(app.error[0].value)  # a box not ticked is named as it stands there
        app.checkbox[0].check().run()
        assert not app.error  # which would be true no more
        press(app, say("I agree to take part"))
    who = participant(task.store, "ann")
    assert queries.person(task.store, who).language == "de"
    door.resume(task.store, Ids("ann"), screen(task.store, who).resume_code, "phone")
    assert app.radio[0].label == see("ann", "phone").radio[0].label == "Wie alt sind Sie?"


def test_another_language_loses_nothing_that_was_typed_into_the_questions(study, see):
    task = study()
    who = agree(task.store, "ann", language="de")
    app = see("ann")
    app.radio[0].set_value("30+")
    app.text_area[0].set_value("Well.")
    app.checkbox[2].check()
    assert app.radio[0].options == ["18 bis 29", "30 oder älter"]
    press(app, "language-en")
    assert list(map(unescaped, app.radio[0].options)) == ["18-29", "30+"]
    assert (app.radio[0].value, app.text_area[0].value) == ("30+", "Well.")
    assert [box.value for box in app.checkbox[1:]] == [False, True]
    press(app, "Continue")
    answers = {row.question: row.value for row in rows(task, schema.questionnaire)}
    assert answers == {"age": "30+", "mood": "Well.", "langs": ["German"]}
    assert queries.person(task.store, who).language == "en"
    assert "Choose <strong>every</strong> feeling." in html(app)
    assert "Wählen Sie jedes Gefühl." in html(press(app, "language-de"))


def test_the_labelling_page_has_question_labels_and_feedback_in_the_language_of_its_person(study):
    task = study()
    ann = Participant(task, "ann").to("practice")
    asked = {"phase": "practice", "question": screen(task.store, ann.who, "de").question, "breaks": 0}
    with spoken("de"):
        data = component.start_data(task, ann.who, 1, base="", study=asked)
    assert data["task"]["question"] == "Was fühlen Sie?"
    assert data["spoken"]["language"] == "de"
    assert next(chip["name"] for chip in data["labels"] if chip["label"] == "awe") == "Staunen"
    (item,) = ann.say(phase="practice")["items"]
    tried = ann.say(ann.answer(item, ["awe"]), phase="practice", language="de")["practised"]
    assert tried["feedback"] == "Noch einmal."


def test_every_text_of_a_study_is_said_in_a_language(study, see):
    task = study(places={"people": 1, "minutes": 30})
    task.leads = ("somebody else",)  # to whom the page says more
    store = task.store

    def look(person="ann", own="laptop"):
        app = see(person, own, language=PSEUDO)
        assert untranslated(app, OWN) == ""
        return app

    def then(app, text):
        with spoken(PSEUDO):
            assert untranslated(press(app, say(text)), OWN) == ""
        return app

    look(None)
    then(look(), "I do not agree")
    app = then(look(), "I agree to take part")
    assert app.error
    who = agree(store, "ann")
    look("bob")  # for whom it is full
    other = look(own="phone")
    other.text_input[0].input("wrong")
    then(other, "Continue")
    app = then(look(), "Continue")
    assert len(app.error) == 2  # one question without an answer, and that nothing was sent
    bring(store, who, "instructions")
    app = look()
    app.checkbox[0].check().run()
    then(app, "Ask for my data to be erased")
    bring(store, who, "images")
    look()
    bring(store, who, "after")
    then(then(look(), "Continue"), "Finish")
    assert visits.where(store, who).status == "completed"
    for status in ("screened_out", "quota_full", "timed_out", "left"):
        change(store, schema.visit.update().values(status=status))
        look()
    running.change_state(store, "paused", by="somebody else")
    look("bob")
    store.withdraw(who)
    look()


@pytest.fixture(scope="module")
def server(start_shared, study_folder):
    """A study in a browser, with an image whose words are those of a language."""
    practice = {"images": [{"image": PRACTISED, "labels": ["fear"], "images": {"de": "000009"}}]}
    return start_shared(study=study_folder(practice=practice, checks={}))


@pytest.mark.slow
def test_another_language_beside_an_image_brings_its_words_and_keeps_the_choice(server, profile):
    page, asked = profile(locale="en").new_page(), []
    page.goto(f"{server.url}/?PROLIFIC_PID=ann&STUDY_ID=s1")
    page.get_by_text("I agree.").click()
    page.get_by_role("button", name="I agree to take part").click()
    page.get_by_text("30+").wait_for()
    ann = AtImages(page, server, bring(server.store, participant(server.store, "ann"), "practice"))
    page.reload()
    ann.ready()
    page.on("response", lambda reply: asked.append(reply) if "/relabel/image?" in reply.url else None)
    page.keyboard.press("1")
    chosen = ann.chosen
    page.locator("[class*=st-key-languages-] button").click()
    page.get_by_role("button", name="Deutsch", exact=True).click()
    page.get_by_role("heading", name="Was fühlen Sie?").wait_for()
    assert ann.ready().image == PRACTISED
    assert len(ann.chosen) == len(chosen) == 1
    assert "language=de" in asked[-1].url
    ids = parse_qs(urlsplit(asked[-1].url).query)["id"]
    assert PRACTISED not in asked[-1].url
    assert ids == [ann.names[PRACTISED]]


@pytest.mark.slow
def test_a_browser_holds_what_is_filled_in_while_the_language_changes(server, profile):
    page = profile(locale="de-AT").new_page()

    def speak(name):
        page.locator("[class*=st-key-languages-] button").click()
        page.get_by_role("button", name=name, exact=True).click()
        page.locator("[class*=st-key-languages-] button", has_text=name).wait_for()
        settle(page)

    page.goto(f"{server.url}/?PROLIFIC_PID=eve&STUDY_ID=s1")
    page.get_by_text("Ich stimme zu.").click()  # in which the browser wishes to be spoken to
    expect(page.locator("html")).to_have_attribute("lang", "de")
    speak("English")
    expect(page.get_by_label("I agree.")).to_be_checked()
    page.get_by_role("button", name="I agree to take part").click()
    page.get_by_text("30+").click()
    page.get_by_label("How do you feel?").fill("Well.")
    speak("Deutsch")
    expect(page.get_by_label("30 oder älter")).to_be_checked()
    expect(page.locator("textarea")).to_have_value("Well.")
    page.goto(f"{server.url}/?PROLIFIC_PID=eve&STUDY_ID=s1&language=en")
    page.get_by_text("How old are you?").wait_for()
    page.wait_for_url(f"{server.url}/?language=en")
