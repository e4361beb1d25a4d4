"""Each text that is to be translated is found by the script that writes the catalogues, and is in each of them."""

import re
import runpy
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from affectml_annotation import languages

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = sorted((ROOT / "apps" / "affectml_apps").rglob("client/*.js"))
SAID = re.compile(r'(?<![\w.])(?:_|marked|ngettext)\(\s*("(?:[^"\\]|\\.)*")')


@pytest.fixture(scope="module")
def script():
    """What scripts/texts.py has, by name."""
    return runpy.run_path(str(ROOT / "scripts" / "texts.py"))


@pytest.fixture(scope="module")
def template(script):
    """All texts found in the code."""
    return script["extracted"]()


@pytest.fixture(scope="module")
def found(template):
    """The texts, the first form where there are two."""
    return {each.id if isinstance(each.id, str) else each.id[0] for each in template}


def test_the_template_has_the_texts_of_the_code(template):
    written = languages.catalogue(languages.ENGLISH)
    assert {each.id for each in template} == {each.id for each in written}, "run scripts/texts.py"


@pytest.mark.parametrize("language", languages.LANGUAGES[1:])
def test_each_text_is_said_in(language, script, template):
    assert list(script["problems"](language, template)) == []


def test_a_text_without_translation_a_lost_placeholder_and_a_leftover_are_told(script, monkeypatch):
    template, there = Catalog(), Catalog(locale="de", header_comment="# Read by: nobody")
    for catalog in (template, there):
        catalog.add("Go on", "")
        catalog.add("You are paid {due}.", "" if catalog is template else "Sie werden bezahlt.")
        catalog.add(("{n} image", "{n} images"), ("", "") if catalog is template else ("ein Bild", "{n} Bilder"))
    there.add("Gone", "Weg")
    monkeypatch.setattr(languages, "catalogue", lambda language: there)
    assert list(script["problems"]("de", template)) == [
        "de: not translated: 'Go on'",
        "de: other placeholders (due): 'Sie werden bezahlt.'",
        "de: not in the code any more: 'Gone'",
    ]


@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.name)
def test_each_text_of_a_module_is_found(found, path):
    """Babel passes over what stands within `${}` of a template string."""
    assert [text for text in SAID.findall(path.read_text(encoding="utf-8")) if text[1:-1] not in found] == []


def test_texts_are_looked_for_where_there_are_some():
    assert sum(len(SAID.findall(path.read_text(encoding="utf-8"))) for path in CLIENTS) > 100
