"""How it looks: axe finds nothing serious on any page in both themes; it fits a laptop and a tablet."""

import random

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from affectml_annotation import Answer, LabelStore
from affectml_apps.relabel.preferences import change_preferences

PAGES = ("label", "you", "setup", "progress", "agreement", "disagreement", "export")


@pytest.fixture(scope="module")
def lively(server):
    """The module's server, with answers of three people and everything the page can ask for."""
    chance = random.Random(8)
    with LabelStore(server.db) as store:
        store.invite(["ann", "bob", "eve"])
        for who in ("ann", "bob", "eve"):
            store.consent(who)
            for claim in store.claim(who, 80):
                labels = tuple(label for label in store.settings.labels if chance.random() < 0.25)
                kind = "labels" if labels else "none"
                store.submit([Answer(claim.image_id, who, kind, labels, seconds=chance.uniform(1, 4))])
        change_preferences(store, intensity=True, valence_arousal=True, instructions="Trust your first feeling.")
    return server


@pytest.fixture(scope="module", params=["light", pytest.param("dark", marks=pytest.mark.slow)])
def themed(request, profile_shared):
    """A laptop's browser in one theme: the theme's name and its context."""
    return request.param, profile_shared(color_scheme=request.param)


def settled(page):
    """Wait until Streamlit has drawn everything and its fading in is over."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_function(
        """() => !document.querySelector('[data-testid=stSkeleton], [data-stale=true]')
        && document.getAnimations().every(each => each.playState !== 'running')"""
    )


def show(page, server, path, who="ann"):
    page.goto(f"{server.url}/{'' if path == 'label' else path}?who={who}")
    page.wait_for_selector(".labeller[data-state=ready]" if path == "label" else "h1")
    settled(page)


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious(lively, themed, axe, path):
    _, context = themed
    page = context.new_page()
    show(page, lively, path)
    if path == "label":
        for key in "224":
            page.keyboard.press(key)
    assert axe(page) == []
    page.close()


@pytest.mark.slow
def test_the_door_consent_help_a_pause_and_the_end_are_as_clean(lively, themed, axe):
    theme, context = themed
    page = context.new_page()
    page.goto(lively.url)
    page.wait_for_selector("h1")
    settled(page)
    assert axe(page) == []
    page.get_by_label("Your name").fill(f"new {theme}")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="I have read this").wait_for()
    settled(page)
    assert axe(page) == []
    page.get_by_role("button", name="I have read this").click()
    page.wait_for_selector(".labeller[data-state=ready]")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")
    page.keyboard.press("Escape")
    page.wait_for_selector(".labeller[data-state=paused]")
    assert axe(page) == []
    with LabelStore(lively.db) as store:
        store.withdraw(f"new {theme}")
    page.reload()
    page.get_by_text("you have withdrawn").wait_for()
    settled(page)
    assert axe(page) == []
    page.close()


@pytest.mark.slow
def test_what_axe_finds_is_told_and_waited_for_no_longer_than_anything_else(page, axe):
    page.set_content("<html lang=en><title>t</title><main><h1>h</h1><img src='data:,'></main></html>")
    assert [each.split()[0] for each in axe(page)] == ["image-alt"]
    page.evaluate("Object.defineProperty(window, 'axeFound', { get: () => null, set: () => {} })")
    page.set_default_timeout(300)
    with pytest.raises(PlaywrightTimeout, match="300ms"):
        axe(page)


def test_the_labelling_page_fits_a_laptop_without_scrolling(lively, page):
    show(page, lively, "label")
    for name in ("Save", "Help", "Flag", "unpleasant to pleasant"):
        box = page.get_by_label(name).or_(page.get_by_role("button", name=name)).first.bounding_box()
        assert box["y"] + box["height"] <= 720, name
        assert box["x"] + box["width"] <= 1280, name


@pytest.mark.slow
@pytest.mark.parametrize("size", [(768, 1024), (1024, 768)])
def test_a_tablet_labels_by_touch(lively, profile, size):
    who = f"tablet{size[0]}"
    page = profile(viewport={"width": size[0], "height": size[1]}, has_touch=True, is_mobile=True).new_page()
    page.goto(f"{lively.url}/?who={who}")
    page.get_by_role("button", name="I have read this").tap()
    page.wait_for_selector(".labeller[data-state=ready]")
    image = page.locator(".labeller").get_attribute("data-image")
    chips = page.locator(".groups .chip")
    chips.nth(1).tap()
    chips.nth(3).tap()
    for box in (chips.nth(at).bounding_box() for at in range(chips.count())):
        assert box["height"] >= 44
    page.get_by_role("button", name="Save").tap()
    page.wait_for_selector(f".labeller[data-state=ready]:not([data-image='{image}'])")
    page.wait_for_selector(".labeller[data-unsaved='0']")
    assert [len(labels) for _, _, labels in lively.stored(who)] == [2]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_chips_say_what_they_are_to_a_screen_reader(lively, page):
    show(page, lively, "label")
    chip = page.locator(".groups .chip").nth(1)
    assert chip.evaluate("e => e.tagName") == "BUTTON"
    assert chip.get_attribute("aria-keyshortcuts") == "2"
    assert chip.get_attribute("aria-pressed") == "false"
    page.keyboard.press("2")
    assert chip.get_attribute("aria-pressed") == "true"
    assert page.locator(".labeller [role=status]").count() == 4  # a notice, keys not counted, what is saved, found
    page.locator(".stage").focus()
    page.keyboard.press("Tab")
    outline = page.evaluate(
        """() => { let at = document.activeElement;
        while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
        return [at.tagName, getComputedStyle(at).outlineStyle]; }"""
    )
    assert outline == ["BUTTON", "solid"]
