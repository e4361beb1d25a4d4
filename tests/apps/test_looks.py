"""How it looks: axe finds nothing serious on any page in both themes; it fits a laptop."""

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from affectml_annotation import LabelStore
from affectml_apps.relabel.preferences import change_preferences

PAGES = ("label", "you", "setup", "progress", "agreement", "disagreement", "export")


@pytest.fixture(scope="module")
def lively(server, fill):
    """The module's server, with answers of three people and everything the page can ask for."""
    with LabelStore(server.db) as store:
        fill(store, ["ann", "bob", "eve"], 80)
        change_preferences(store, intensity=True, valence_arousal=True, instructions="Trust your first feeling.")
    return server


@pytest.fixture(scope="module", params=["light", pytest.param("dark", marks=pytest.mark.slow)])
def themed(request, profile_shared):
    """A laptop's browser in one theme: the theme's name and its context."""
    return request.param, profile_shared(color_scheme=request.param)


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious(lively, themed, axe, show, path):
    _, context = themed
    page = context.new_page()
    show(page, lively, path)
    if path == "label":
        for key in "224":
            page.keyboard.press(key)
    assert axe(page) == []
    page.close()


@pytest.mark.slow
def test_the_door_consent_help_a_pause_and_the_end_are_as_clean(lively, themed, axe, settle):
    theme, context = themed
    page = context.new_page()
    page.goto(lively.url)
    page.wait_for_selector("h1")
    settle(page)
    assert axe(page) == []
    page.get_by_label("Your name").fill(f"new {theme}")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="I have read this").wait_for()
    settle(page)
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
    settle(page)
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


WRONG = {
    "<p style='width:40px; overflow:hidden; white-space:nowrap'>Schadenfreude": "cut: p",
    "<input placeholder='Niederschlagswahrscheinlichkeit' style='width:60px'>": "cut: the placeholder",
    "<button style='width:60px; white-space:nowrap'>Vorfreudigkeit</button>": "sticks out of its button",
    "<p style='margin-left:-30px'>Vorfreude": "beside the screen",
    "<p>Freude<p style='margin-top:-30px'>Trauer": "text over text",
    "<button>Ja</button><button style='margin-left:-15px'>Nein</button>": "one over the other",
    "<div style='width:2000px'>Wut": "scrolls sideways",
}


def test_what_is_cut_or_overlaps_is_told_and_what_scrolls_or_is_hidden_is_not(page, cut_or_overlapping):
    page.set_viewport_size({"width": 390, "height": 844})
    main = "<body style='margin:0'><div data-testid=stMain style='margin:0 8px'>{}"
    for wrong, told in WRONG.items():
        page.set_content(main.format(wrong))
        assert told in "\n".join(cut_or_overlapping(page)), wrong
    page.set_content(
        main.format(
            "<div style='overflow:auto; width:90px; height:50px'><p style='width:300px'>Freude<p>Trauer<p>Wut</div>"
            "<button>Ja</button><span style='position:absolute; clip-path:inset(50%); margin-left:-20px'>Nein</span>"
        )
    )
    assert cut_or_overlapping(page) == []


def test_the_labelling_page_fits_a_laptop_without_scrolling(lively, page, show):
    show(page, lively, "label")
    for name in ("Save", "Help", "Flag", "unpleasant to pleasant"):
        box = page.get_by_label(name).or_(page.get_by_role("button", name=name)).first.bounding_box()
        assert box["y"] + box["height"] <= 720, name
        assert box["x"] + box["width"] <= 1280, name


def test_chips_say_what_they_are_to_a_screen_reader(lively, page, show):
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
