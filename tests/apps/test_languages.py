"""In whose language a page speaks: what somebody chose, what their browser wishes; without a browser."""

import pytest

from affectml_annotation import StoreError
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
        assert say("Withdrawn") in said(page(who="ann"))
    assert "Withdrawn" in said(press(page(who="ann"), "language-en"))
    assert queries.person(offering.store, "ann").language == "en"
    assert "Withdrawn" in said(page(who="ann"))
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


@pytest.mark.parametrize(
    ("offered", "why"),
    [([], "expected a list with one thing in it at least"), (["de", "de"], "one stands twice"), (["xx"], "'xx' is no")],
)
def test_languages_that_a_task_cannot_offer_are_refused_and_nothing_changes(task, offered, why):
    with pytest.raises(StoreError, match=f"languages.*: {why}"):
        task.store.change_task(languages=offered)
    assert task.file.languages == ("en",)
