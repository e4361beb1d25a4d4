"""A study in several languages: texts found beside, what is shown in which, and answers stored in the study's words."""

import re
from functools import partial
from pathlib import Path

import pytest
import yaml

from affectml_annotation import languages
from affectml_annotation.errors import BadTask
from affectml_annotation.store import schema
from affectml_annotation.study import check, door, running, terms, visits
from affectml_annotation.study.door import Ids, NotInStudy
from affectml_annotation.study.file import Questions
from affectml_annotation.study.folder import Study, Translation, read_study, write_study
from affectml_annotation.study.screen import label_words, screen
from affectml_annotation.study.visits import read_answers

from .studies import AGE, TEXTS, study_with, write_file
from .tasks import refused, rows

ENGINES = ("sqlite",)  # what may differ between the engines is in test_study_whole.py

GERMAN = {
    "question": "Welche Gefühle?",
    "boxes": ["Ich stimme zu."],
    "before": {
        "age": {"text": "Wie alt sind Sie?", "options": {"30+": "30 und älter"}},
        "often": {"low_label": "nie", "high_label": "täglich"},
    },
    "feedback": "Noch einmal.",
    "help": ["Labor: 030 1"],
    "labels": {"awe": {"name": "Ehrfurcht"}},
}


OFTEN = {"id": "often", "text": "How often?", "kind": "scale", "low": 1, "high": 7, "low_label": "never",
         "high_label": "every day", "required": False}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    write_study(tmp_path / "photos", tmp_path / "study")
    write_file(tmp_path / "study", languages=["en", "de"])
    return tmp_path / "study"


def write_german(folder: Path, **content: object) -> None:
    (folder / "study.de.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def test_a_text_in_another_language_lies_beside_the_studys_own_and_need_not_be_there(folder):
    (folder / "texts").mkdir()
    (folder / "consent.md").rename(folder / "texts" / "consent.md")
    write_file(folder, consent={"text": "texts/consent.md"})
    (folder / "texts" / "consent.de.md").write_text("Einwilligung", encoding="utf-8")
    (folder / "consent.fr.md").write_text("nobody asked for it", encoding="utf-8")
    study = read_study(folder)
    unseen = {"debriefing_unseen", "debriefing_unseen.de"}  # the one in German is ours
    assert set(study.texts) == {"consent", "instructions", "debriefing", "consent.de"} | unseen == set(study.hashes)
    assert study.text("consent", "de") == "Einwilligung"
    assert study.text("instructions", "de") == study.texts["instructions"] == study.text("instructions")
    write_file(folder, languages=["de", "en"])  # of which the first has its texts without de in their names
    (folder / "texts" / "consent.en.md").write_text("Consent", encoding="utf-8")
    study = read_study(folder)
    assert (study.text("consent", "de"), study.text("consent", "en")) == (study.texts["consent"], "Consent")


BAD_WORDS = [
    ({"quesion": "?"}, "study.de.yaml: no key 'quesion' here; did you mean 'question'?"),
    ({"boxes": ["Ja."]}, "study.de.yaml: boxes: study.yaml has 2, and here are 1; write each, in that order"),
    ({"before": {"aged": {}}}, "study.de.yaml: before: no question 'aged' in study.yaml; did you mean 'age'?"),
    ({"after": {"age": {}}}, "study.de.yaml: after: no question 'age' in study.yaml"),
    ({"before": {"age": {"options": {"18-30": "x"}}}}, "before: age: no option '18-30' in study.yaml; did you m"),
    ({"before": {"age": {"options": {"30+": "x", "18-29": "x"}}}}, "before: age: two options have the same words"),
    ({"before": {"age": {"options": {"30+": "18-29"}}}}, "before: age: two options have the same words"),
    ({"read_by": {"consnt": "Anna"}}, "read_by: no key 'consnt' here; did you mean 'consent'?"),
    ({"before": {"age": {"low_label": "nie"}}}, "before: age: low_label and high_label stand at the ends"),
    ({"labels": {"awe": {"names": "x"}}}, "labels.awe: no key 'names' here; did you mean 'name'?"),
]


@pytest.mark.parametrize(("content", "says"), BAD_WORDS)
def test_words_of_what_the_study_does_not_have_are_refused(folder, content, says):
    write_file(folder, before={"questions": [AGE]})
    write_german(folder, **content)
    refused(BadTask, re.escape(says), read_study, folder)


def checked(folder: Path) -> check.Checked:
    return check.check_study(read_study(folder))


def test_a_consent_that_nobody_is_said_to_have_read_is_refused(folder):
    assert checked(folder).refused == []  # in German there is none yet, and the English one is shown
    (folder / "consent.de.md").write_text("Einwilligung", encoding="utf-8")
    (refused,) = checked(folder).refused
    assert refused.startswith("consent.de.md: nobody is said to have read it. Let somebody whose language is German")
    assert "write who and when into study.de.yaml, at read_by: consent; or take de out of languages." in refused
    for nobody in (" ", "Nobody"):
        write_german(folder, read_by={"consent": nobody})
        assert checked(folder).refused == [refused]
    write_german(folder, read_by={"consent": "Anna Muster, 2026-05-04"})
    assert checked(folder).refused == []
    (folder / "consent.de.md").unlink()
    write_german(folder, boxes=["Ich bin volljährig.", "Ich stimme zu."])  # are part of it
    assert len(checked(folder).refused) == 1
    write_german(folder, feedback="Noch einmal.")
    assert checked(folder).refused == []


def test_texts_that_nobody_read_or_that_are_not_there_are_warned_of(folder):
    write_file(folder, question="Which feelings?", help=["Lab"], practice={"images": [{"image": "i1", "labels": []}]},
          before={"questions": [AGE, {"id": "years", "text": "?", "kind": "number"}]})  # fmt: skip
    not_there = "is not there: whoever reads German is shown"
    page = "the texts of affectml's pages in German were written by a machine, and nobody is said to have read them"
    assert checked(folder).warnings == [
        f"consent.de.md {not_there} consent.md.", f"instructions.de.md {not_there} instructions.md.",
        f"debriefing.de.md {not_there} debriefing.md.", f"study.de.yaml {not_there} study.yaml.",
        "practice and checks have no image of their own in German in place of i1: whoever reads German is shown the "
        "words in English. Name one at images, such as {image: i1, images: {de: IMAGE}}.",
        f"{page} (Read by, in affectml_annotation/languages/de.po).",
    ]  # fmt: skip
    for name in ("consent", "instructions", "debriefing"):
        (folder / f"{name}.de.md").write_text("Wörter", encoding="utf-8")
    read_by = {"consent": "Anna", "debriefing": "Anna"}
    write_german(folder, read_by=read_by, before={"age": {"text": "Wie alt?"}})
    unread = "nobody is said to have read it"
    write_file(folder, practice={"images": [{"image": "i1", "labels": [], "images": {"de": "i1-de"}}]})
    assert checked(folder).warnings[:-1] == [
        f"instructions.de.md: {unread} (read_by: instructions, in study.de.yaml).",
        f"study.de.yaml: {unread} (read_by: study, in study.de.yaml).",
        "study.de.yaml leaves out, and people read in English: question, boxes, feedback, help, text of years.",
    ]
    write_file(folder, before={"questions": [{**AGE, "options": ["18-29", "30 or more"]}]})
    assert "help, option '30 or more' of age." in checked(folder).warnings[2]


def test_a_language_that_the_page_does_not_speak_is_named_also_as_the_studys_own(folder):
    write_file(folder, languages=["nl"])
    (said,) = checked(folder).warnings
    assert said == "affectml's pages have no texts in Dutch: they speak English around the study's own texts."
    write_file(folder, languages=["en-GB"])
    assert checked(folder).warnings == []


@pytest.mark.parametrize("language", languages.LANGUAGES)
def test_each_language_has_texts_with_the_same_places_to_fill_in_and_is_refused_until_read(tmp_path, language):
    other = "en" if language != "en" else "de"
    written = write_study(tmp_path / "photos", tmp_path / "study", [other, language])
    places_in = {"consent": 6, "instructions": 0, "debriefing": 2, "debriefing_unseen": 0}
    expected = {f"study.{language}.yaml", *(f"{name}.{language}.md" for name in places_in)}
    assert {path.name for path in written[5:]} == expected
    study = read_study(tmp_path / "study")
    for name, places in places_in.items():
        text = study.text(name, language)
        assert len(check.placeholders(text)) == len(check.placeholders(study.text(name))) == places
        assert text.count("**") == study.text(name).count("**")
        assert text != study.text(name)
    assert len(check.check_study(study).refused) == 1
    with languages.spoken(language):
        button = languages._("Unsure")
    assert button.casefold() in study.text("instructions", language).casefold()


def test_the_files_of_a_language_have_every_key_with_a_comment(tmp_path):
    write_study(tmp_path / "photos", tmp_path / "study", ["nl", "de"])
    lines = (tmp_path / "study" / "study.de.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# In German; what is left empty is shown in Dutch, as study.yaml has it."
    assert [line for line in lines if "  # " not in line] == lines[:1]
    assert {line.partition(":")[0].strip() for line in lines[1:]} >= {*Translation.model_fields, "debriefing"}
    # of Dutch we have no texts: they are the English ones
    assert "Taking part in this study" in read_study(tmp_path / "study").texts["consent"]


def test_places_to_fill_in_are_found_in_every_script_and_links_are_none():
    places = ["[ÄRZTLICHE HILFE]", "[氏名、 所属機関]", "[العنوان هنا]", "[NAME]"]
    assert check.placeholders("[ÄRZTLICHE HILFE] [氏名、\n所属機関] [العنوان هنا] [NAME] [NAME]") == places
    assert terms.words_in("あなたの国はABC です。") == 9 / 2 + 1  # by their characters
    assert terms.words_in("one two,\nthree") == 3
    assert check.placeholders("[Help](https://x.example) ![山水画](i1) [OECD](x) [Wort] [1] [12345] [ok]") == []


def test_a_list_of_yaml_is_no_place_to_fill_in_and_one_within_a_short_text_is(folder):
    write_german(folder, labels={"awe": {"name": "   "}})
    assert read_study(folder).labels["de"]["awe"].name == ""  # of spaces
    # letters of Arabic and Japanese are neither small nor capital, so such a list looks like one
    (folder / "study.de.yaml").write_text("boxes: [قرأت هذا., أشارك بمحض إرادتي.]\n", encoding="utf-8")
    assert not [line for line in checked(folder).unfilled if "study.de.yaml" in line]
    (folder / "study.de.yaml").write_text('help: ["Fragen: [ANSCHRIFT]"]\n', encoding="utf-8")
    assert "study.de.yaml has places to fill in: [ANSCHRIFT]." in checked(folder).unfilled


@pytest.fixture
def bilingual(store):
    """The small study in English and in German, without instructions in German."""
    texts = {**TEXTS, "consent.de": "Zustimmung.", "debriefing.de": "Danke.", "study.de": yaml.safe_dump(GERMAN)}
    before = {"questions": [AGE, OFTEN]}
    study = Study(study_with(before=before, languages=["en", "de"], help=["Lab"]).file, texts)
    running.open_study(store, study, by="lead")
    return store


def test_the_consent_is_read_in_either_language_and_its_boxes_are_the_studys_own(bilingual):
    study = bilingual.database.reading(running.study_of, 2)
    german = study.translation("de")
    assert (study.text("consent"), study.text("consent", "de")) == ("Words.", "Zustimmung.")
    assert study.translation("en").boxes_of(study.file) == {"I agree.": "I agree."}
    assert german.boxes_of(study.file) == {"I agree.": "Ich stimme zu."}
    assert german.help == ("Labor: 030 1",)
    agree = partial(door.agree, bilingual, Ids("P1"), 2, language="de")
    refused(NotInStudy, "not ticked: Ich stimme zu$", agree, ["Ich stimme zu."])
    assert door.agree(bilingual, Ids("P1"), 2, german.boxes_of(study.file), language="DE").phase == "before"
    (person,) = rows(bilingual, schema.annotator)
    bilingual.speak(person.annotator_id, "en")  # in which they agreed stays, whatever they choose later
    for table, language in ((schema.visit, "de"), (schema.annotator, "en")):
        assert [row.language for row in rows(bilingual, table)] == [language]


def test_each_phase_is_shown_in_the_language_asked_for_and_else_in_the_studys_own(bilingual):
    who = door.agree(bilingual, Ids("P1"), 2, ["I agree."]).participant
    german = screen(bilingual, who, "de")
    age, often = german.questions
    assert (age.text, age.options) == ("Wie alt sind Sie?", ("18-29", "30+"))
    assert age.shown == {"18-29": "18-29", "30+": "30 und älter"}
    assert screen(bilingual, who).questions[0].shown == {"18-29": "18-29", "30+": "30+"}
    assert (often.text, often.low_label, often.high_label) == ("How often?", "nie", "täglich")
    assert (screen(bilingual, who).questions[1].high_label, often.shown) == ("every day", {})
    assert (german.question, screen(bilingual, who).question) == ("Welche Gefühle?", "?")
    assert label_words(bilingual, who)["de"]["awe"].name == "Ehrfurcht"
    visits.answer_questions(bilingual, who, "before", {"age": "30+"})
    assert screen(bilingual, who, "de").text == "Words."
    visits.go_on(bilingual, who, "instructions")
    assert (screen(bilingual, who, "de").feedback, screen(bilingual, who).feedback[:4]) == ("Noch einmal.", "That")
    visits.leave(bilingual, who)
    assert (screen(bilingual, who, "de").text, screen(bilingual, who, "fr").text) == ("Danke.", "Words.")


def test_refusals_are_said_in_the_language_that_is_spoken(bilingual):
    with languages.spoken(languages.PSEUDO):
        unticked = "tö táké párt, pléášé tíçk évérý böx; ñöt tíçkéd: I agree"
        refused(NotInStudy, unticked, door.agree, bilingual, Ids("P1"), 2, [])
        refused(door.NotInStudy, "thíš líñk íš ñöt", door.ids_of_link, bilingual, "1.forged")
        half = Questions(questions=[{"id": "q", "text": "?", "kind": "number", "low": 0.5, "high": 2000}])
        assert "ñúmbér fröm 0.5 tö 2000" in read_answers(half, {"q": 0})[1]["q"]
