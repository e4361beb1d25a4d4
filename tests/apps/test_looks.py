"""How it looks: axe finds nothing serious on any page in both themes; it fits a laptop and a tablet."""

import os
import random
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from affectml_annotation import Answer, LabelStore
from affectml_apps.relabel.preferences import change_preferences

pytestmark = pytest.mark.slow
SERIOUS = ("serious", "critical")
PAGES = ("label", "you", "setup", "progress", "agreement", "disagreement", "export")


@pytest.fixture(scope="module")
def lively(server):
    """The module's server, with answers of three people and everything the page can ask for."""
    chance = random.Random(8)
    with LabelStore(server.db) as store:
        store.invite(["ann", "bob", "eve"])
        for who in ("ann", "bob", "eve"):
            store.consent(who)
            for claim in store.claim(who, 60):
                labels = tuple(label for label in store.settings.labels if chance.random() < 0.25)
                kind = "labels" if labels else "none"
                store.submit([Answer(claim.image_id, who, kind, labels, seconds=chance.uniform(1, 4))])
        change_preferences(store, intensity=True, valence_arousal=True, instructions="Trust your first feeling.")
    return server


def findings(page):
    """What axe calls serious or critical, one line each."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {node['target']} {node['html'][:120]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]


def keep(page, name):
    """A screenshot for human eyes, where AFFECTML_SCREENSHOTS names a folder."""
    folder = os.environ.get("AFFECTML_SCREENSHOTS")
    if folder:
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=name.startswith(("setup", "progress")))


def show(page, server, path, who="ann"):
    page.goto(f"{server.url}/{'' if path == 'label' else path}?who={who}")
    if path == "label":
        page.wait_for_selector(".labeller[data-state=ready]")
    else:
        page.wait_for_selector("h1")
        page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious(lively, browser, theme, path):
    context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme=theme)
    page = context.new_page()
    show(page, lively, path)
    if path == "label":
        page.keyboard.press("2")
        page.keyboard.press("2")
        page.keyboard.press("4")
    page.wait_for_timeout(1200)
    keep(page, f"{path}-{theme}")
    assert findings(page) == []
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_door_consent_and_help_are_as_clean(lively, browser, theme):
    context = browser.new_context(viewport={"width": 1280, "height": 720}, color_scheme=theme)
    page = context.new_page()
    page.goto(lively.url)
    page.wait_for_selector("h1")
    page.wait_for_timeout(500)
    keep(page, f"door-{theme}")
    assert findings(page) == []
    page.get_by_label("Your name").fill(f"new {theme}")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="I have read this").wait_for()
    page.wait_for_timeout(500)
    keep(page, f"consent-{theme}")
    assert findings(page) == []
    page.get_by_role("button", name="I have read this").click()
    page.wait_for_selector(".labeller[data-state=ready]")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    keep(page, f"help-{theme}")
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")
    page.keyboard.press("Escape")
    page.wait_for_selector(".labeller[data-state=paused]")
    keep(page, f"paused-{theme}")
    assert findings(page) == []
    context.close()


def test_the_labelling_page_fits_a_laptop_without_scrolling(lively, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    show(page, lively, "label")
    for name in ("Save", "Help", "Flag", "unpleasant to pleasant"):
        box = page.get_by_label(name).or_(page.get_by_role("button", name=name)).first.bounding_box()
        assert box["y"] + box["height"] <= 720, name
        assert box["x"] + box["width"] <= 1280, name
    context.close()


@pytest.mark.parametrize("size", [(768, 1024), (1024, 768)])
def test_a_tablet_labels_by_touch(lively, browser, size):
    who = f"tablet{size[0]}"
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(f"{lively.url}/?who={who}")
    page.get_by_role("button", name="I have read this").tap()
    page.wait_for_selector(".labeller[data-state=ready]")
    image = page.locator(".labeller").get_attribute("data-image")
    chips = page.locator(".groups .chip")
    chips.nth(1).tap()
    chips.nth(3).tap()
    keep(page, f"tablet-{size[0]}")
    for box in (chips.nth(at).bounding_box() for at in range(chips.count())):
        assert box["height"] >= 44
    page.get_by_role("button", name="Save").tap()
    page.wait_for_selector(f".labeller[data-state=ready]:not([data-image='{image}'])")
    page.wait_for_selector(".labeller[data-unsaved='0']")
    assert [len(labels) for _, _, labels in lively.stored(who)] == [2]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


def test_chips_say_what_they_are_to_a_screen_reader(lively, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    show(page, lively, "label")
    chip = page.locator(".groups .chip").nth(1)
    assert chip.evaluate("e => e.tagName") == "BUTTON"
    assert chip.get_attribute("aria-keyshortcuts") == "2"
    assert chip.get_attribute("aria-pressed") == "false"
    page.keyboard.press("2")
    assert chip.get_attribute("aria-pressed") == "true"
    assert page.locator(".labeller [role=status]").count() == 2
    page.locator(".stage").focus()
    page.keyboard.press("Tab")
    outline = page.evaluate(
        """() => { let at = document.activeElement;
        while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return [at.tagName, getComputedStyle(at).outlineStyle]; }"""
    )
    assert outline == ["BUTTON", "solid"]
    context.close()
