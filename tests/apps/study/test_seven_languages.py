"""Every page that people who answer see, in each language: nothing cut, nothing in English, nothing that axe minds.

Each language is looked at on the smallest phone; Arabic, which runs from right to left, and the longer words of no
language in every size, Arabic in both themes and by axe too.
"""

import re
import shutil
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from affectml_annotation.languages import ENGLISH, LANGUAGES, PSEUDO, _, catalogue, direction, spoken
from affectml_annotation.study.file import QUESTIONS

from ..conftest import FOCUSED, axe, cut_or_overlapping, settle  # noqa: TID252
from .conftest import STEPS, bring, participant

pytestmark = pytest.mark.slow
SIZES = ((360, 640), (768, 1024), (1280, 800))
LIGHT = [(size, "light") for size in SIZES]
ASKED = QUESTIONS["evoked"]
OWN = Path(__file__).parents[3] / "annotation" / "affectml_annotation" / "study" / "texts"
# Every text in sight: of elements, in fields' names, and in components' shadows.
TEXTS = """() => {
  const found = [];
  const gather = (root) => {
    for (const element of root.querySelectorAll('*')) {
      if (element.shadowRoot) gather(element.shadowRoot);
      if (!element.checkVisibility() || element.closest('[data-testid=stIconMaterial], style, script')) continue;
      for (const name of ['aria-label', 'placeholder', 'title', 'alt']) found.push(element.getAttribute(name) ?? '');
      for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE) found.push(node.textContent);
    }
  };
  gather(document.querySelector('[data-testid=stMain]'));
  return [...new Set(found.map((text) => text.trim()).filter(Boolean))];
}"""


def ways(language):
    """The sizes and themes in which a language is looked at; a theme moves nothing, so one size shows the dark."""
    if direction(language) == "rtl":
        return [*LIGHT, (SIZES[-1], "dark")]
    return LIGHT if language == PSEUDO else LIGHT[:1]


class Looked:
    """What was seen of pages in one language: `at` looks at one in each of the language's ways."""

    def __init__(self, page, language):
        self.page, self.language = page, language
        self.ways, self.found = ways(language), []

    def at(self, name):
        """Look at the page as it stands; what is wrong with it is kept for the end."""
        page = self.page
        for (width, height), theme in self.ways:
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": height})
            settle(page)
            place = f"{name} {width}x{height} {theme}"
            self.found += [f"{place}: {each}" for each in cut_or_overlapping(page)]
            if direction(self.language) == "rtl" and (width, height) == SIZES[-1]:  # what axe minds has no size
                rules = ["color-contrast"] if theme == "dark" else []  # and a theme changes nothing but colours
                self.found += [f"{place}: {each}" for each in axe(page, *rules)]
        english = [
            text for text in page.evaluate(TEXTS) if any(each.fullmatch(text) for each in translated(self.language))
        ]
        self.found += [f"{name}: in English: {each}" for each in english]
        shown = page.evaluate("[document.documentElement.lang, document.documentElement.dir]")
        if shown != [self.language, direction(self.language)]:
            self.found.append(f"{name}: the document is in {shown}")


@cache
def translated(language):
    """Of each English text of the catalogue that reads otherwise in a language, what it can be filled in to."""
    english = [text for message in catalogue(ENGLISH) if message.id
               for text in ([message.id] if isinstance(message.id, str) else message.id)]  # fmt: skip
    with spoken(language):
        # what is hardly more than placeholders fits anything
        differs = [
            text for text in english if _(text) != text and re.search(r"\w+ \w+|^\w+$", re.sub(r"\{.*?\}", "", text))
        ]
    return [re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(text))) for text in differs]


def come_to(seen, name, pressed, awaited):
    """Press a button, both named in English, wait for one of the page that comes, and look at that."""
    in_language(seen.page, "button", pressed).click()
    in_language(seen.page, "button", awaited).wait_for()
    seen.at(name)


def in_language(page, role, text):
    """Of a role, the one that is called so in English."""
    return page.get_by_role(role, name=text, exact=True).first


@pytest.fixture(scope="module")
def study_server(start_shared, study_folder):
    """A study in all languages, with our own default texts."""
    folder = study_folder(languages=[*LANGUAGES])
    for language in LANGUAGES[1:]:
        for name in ("consent", "instructions", "debriefing"):
            shutil.copy(OWN / f"{name}.{language}.md", folder)
        (folder / f"study.{language}.yaml").write_text("read_by: {consent: a test}\n")
    table = Path(yaml.safe_load((folder / "study.yaml").read_text())["dataset"]) / "images.parquet"
    images = pq.read_table(table).drop_columns("content_warning")
    pq.write_table(images.append_column("content_warning", [["Blood is to be seen."] * len(images)]), table)
    return start_shared(study=folder)


@pytest.fixture
def look(page):
    """`look(language)`: looks at pages in this language, as somebody who was never here."""
    page.context.clear_cookies()
    return lambda language: Looked(page, language)


@pytest.mark.parametrize("language", [*LANGUAGES, PSEUDO])
def test_every_page_of_a_study_can_be_read_in(language, study_server, look):
    seen, who_came = look(language), f"person-{language}"
    page = seen.page
    page.goto(f"{study_server.url}/?language={language}")
    page.wait_for_selector("h1")
    seen.at("no-way-in")
    page.goto(f"{study_server.url}/?PROLIFIC_PID={who_came}&STUDY_ID=s1&SESSION_ID=x&language={language}")
    page.wait_for_selector("[data-testid=stCheckbox]")
    seen.at("consent")
    store = study_server.store
    with spoken(language):
        page.locator("[data-testid=stCheckbox] label").first.click()
        come_to(seen, "questions", _("I agree to take part"), _("Your part"))
        come_to(seen, "your-part", _("Your part"), _("Ask for my data to be erased"))
        who = participant(store, who_came)
        for name in (*list(STEPS)[1:], "code"):
            bring(store, who, name)
            page.reload()
            image, done = page.locator(".labeller .stage img"), page.get_by_text("DONE")
            waited = {"practice": image, "images": image, "code": done}
            waited.get(name, in_language(page, "button", _("Leave the study"))).wait_for(state="attached")
            if name == "images":
                seen.at("covered")
                page.keyboard.press("Space")
                page.wait_for_selector(".labeller[data-state=ready]")
            seen.at(name)
            if name == "images":
                in_language(page, "button", _("Help")).click()
                page.wait_for_selector("dialog[open]")
                seen.at("help")
    assert "\n".join(seen.found) == ""


@pytest.fixture(scope="module")
def task_server(start_shared):
    """A task with 25 labels in groups, offered in all languages, with all that the page can ask for."""
    server = start_shared("--taxonomy", "parrott-25")
    asked = {"intensity": True, "valence_arousal": True, "valence_colours": True}
    server.store.change_task(languages=LANGUAGES, page=asked)
    return server


@pytest.mark.parametrize("language", [*LANGUAGES, PSEUDO])
def test_every_page_of_a_task_can_be_read_in(language, task_server, look):
    seen = look(language)
    page = seen.page
    with spoken(language):
        page.goto(f"{task_server.url}/?language={language}")
        page.wait_for_selector("h1")
        seen.at("door")
        page.locator("[data-testid=stTextInput] input").fill(f"Ann {language}")
        come_to(seen, "before-the-first", _("Continue"), _("I have read this and want to take part"))
        in_language(page, "button", _("I have read this and want to take part")).click()
        page.wait_for_selector(".labeller[data-state=ready]")
        seen.at("label-25")
        page.goto(f"{task_server.url}/you?who=Ann {language}&language={language}")
        in_language(page, "button", _("Withdraw")).wait_for()
        seen.at("your-answers")
    assert "\n".join(seen.found) == ""


def test_keys_alone_lead_through_a_task_and_a_screen_reader_hears_it(task_server, profile):
    language = "ar"
    page = profile(locale=language).new_page()

    def tab_to(text):
        for _press in range(40):
            page.keyboard.press("Tab")
            name = "at => (at.getAttribute('aria-label') ?? at.innerText ?? '').trim()"
            if (at := page.evaluate_handle(FOCUSED).evaluate(name)) == text:
                return
        raise AssertionError(f"Tab never comes to {text!r}; at last it was at {at!r}")

    with spoken(language):
        page.goto(task_server.url)  # in the browser's own language, as it wishes
        page.get_by_role("heading", name=_("Who is labelling?")).wait_for()
        settle(page)
        tab_to(_("Your name in this task"))
        page.keyboard.type(f"keys {language}")
        page.keyboard.press("Enter")
        page.get_by_role("button", name=_("I have read this and want to take part")).wait_for()
        settle(page)
        tab_to(_("I have read this and want to take part"))
        page.keyboard.press("Enter")
        page.wait_for_selector(".labeller[data-state=ready]")
        first = page.locator(".labeller").get_attribute("data-image")
        page.keyboard.press("2")
        heard = page.locator(".labeller").aria_snapshot()
        page.keyboard.press("Enter")
        page.wait_for_selector(f".labeller[data-state=ready][data-unsaved='0']:not([data-image='{first}'])")
        assert f'heading "{_(ASKED)}"' in heard
        assert heard.count("[pressed]") == 1
        for name in ("None of these", "Unsure", "Skip", "Flag", "Save", "Zoom", "Pause", "Help"):
            assert _(name) in heard
    ((image, kind, _labels),) = task_server.stored(f"keys {language}")
    assert (image, kind) == (first, "labels")
