"""What only a browser shows of the pages: menus, keys and places, and choices that are drawn anew."""

import pytest

from affectml_annotation import Answer, LabelStore

from .conftest import FOCUSED, LAPTOP


@pytest.fixture(scope="module")
def lively(server, fill):
    """The module's server with all that a page can ask for, answers of people, a conflict and a decision."""
    with LabelStore(server.db) as store:
        fill(store, ["ann", "bob", "eve.with.a.long.name@institute.example", "José"], 130)
        image = store.history("José", 1)["image_id"][0]
        store.submit([Answer(image, "José", "labels", ("awe",))])
        store.decide(image, ["awe"], by="ann")
        store.change_task(
            page={"intensity": True, "valence_arousal": True, "instructions": "Trust your first feeling."}
        )
    return server


def test_on_a_phone_the_menu_says_in_words_what_it_is(lively, profile, show):
    page = profile(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True).new_page()
    show(page, lively, "you")
    menu = page.get_by_test_id("stExpandSidebarButton")
    assert menu.evaluate("e => getComputedStyle(e, '::after').content") == '"Menu"'
    assert menu.bounding_box()["width"] > 60  # the arrow alone has 48
    menu.click()
    page.get_by_role("link", name="What people said").wait_for()
    names = page.get_by_test_id("stSidebarNavLink").all_inner_texts()
    assert names == ["Label", "Your part", "Progress", "What people said", "Out"]


def test_the_labelling_page_fits_a_laptop_without_scrolling(lively, page, show):
    show(page, lively, "label")
    for name in ("Save", "Help", "Flag", "unpleasant to pleasant"):
        box = page.get_by_label(name).or_(page.get_by_role("button", name=name)).first.bounding_box()
        assert box["y"] + box["height"] <= LAPTOP["height"], name
        assert box["x"] + box["width"] <= LAPTOP["width"], name


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
    outline = page.evaluate_handle(FOCUSED).evaluate("at => [at.tagName, getComputedStyle(at).outlineStyle]")
    assert outline == ["BUTTON", "solid"]


def test_a_name_with_an_accent_is_found_without_it(lively, page, show, settle, eventually):
    show(page, lively, "progress")
    page.get_by_text("Take an invitation back").click()
    settle(page)
    field, found = page.get_by_label("Take off the list"), page.get_by_role("option", name="José")
    eventually(lambda: field.fill("Jose") or found.count())  # a list that is drawn anew meanwhile closes


@pytest.mark.slow
def test_whoever_only_looked_holds_no_image(lively, page, saving, person, eventually):
    def held():
        with LabelStore(lively.db) as store:
            return int(store.annotators().set_index("annotator_id")["claimed"]["looker"])

    def leave():
        page.get_by_role("link", name="Out", exact=True).click()
        page.get_by_role("heading", name="Out").wait_for()

    looker = person(lively, "looker").enter().stocked()
    first = looker.image
    assert held() == 6
    leave()
    eventually(lambda: held() == 0)
    looker.open()
    assert looker.image == first
    page.goto("about:blank")
    eventually(lambda: held() == 0)
    looker.open().stocked().press("1")
    leave()
    looker.open()
    assert (looker.image, len(looker.chosen)) == (first, 1)
    assert held() == 6
    looker.answer()
    leave()
    eventually(lambda: held() == 6)  # less while the answer is stored and the next image is not yet given


def test_an_image_stays_chosen_while_its_caption_changes(lively, page, show, settle, eventually):
    """A browser knows a choice by its caption, and deciding changes that."""
    show(page, lively, "said")
    chosen = page.get_by_label("images with most disagreement")
    first = chosen.input_value()
    page.get_by_text("Decide", exact=True).click()
    settle(page)  # it opens with an animation
    page.get_by_label("A set of labels").fill("awe")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")  # an open list hides the rest of the page from a screen reader
    page.get_by_role("button", name="Add this decision").click()
    page.get_by_text("is added.").wait_for()
    settle(page)
    decided = first.replace(")", ", decided)")
    assert chosen.input_value() == decided
    page.get_by_role("button", name="Next image").click()
    eventually(lambda: chosen.input_value() != decided)  # the field may be drawn anew
    settle(page)
    assert chosen.input_value() != first
    assert page.locator("[data-testid=stException]").count() == 0
    page.get_by_role("heading", name="Conflicts: 1 open").wait_for()
