"""The pages in a browser: axe finds nothing, they fit laptop and phone, and nothing of them comes from elsewhere."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from affectml_annotation import Answer, LabelStore

from .conftest import FOCUSED, LAPTOP, PHONE

PAGES = ("label", "you", "progress", "said", "out")


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


@pytest.fixture(scope="module", params=["light", pytest.param("dark", marks=pytest.mark.slow)])
def themed(request, profile_shared):
    """A laptop's browser in one theme: the theme's name and its context."""
    return request.param, profile_shared(color_scheme=request.param)


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious_and_a_phone_shows_every_page_without_scrolling_sideways(
    lively, themed, axe, show, settle, unfold, cut_or_overlapping, eventually, path
):
    _, context = themed
    page = context.new_page()
    show(page, lively, path)
    if path == "label":
        for key in "224":
            page.keyboard.press(key)
    unfold(page)
    assert axe(page) == []
    page.set_viewport_size(PHONE["viewport"])
    settle(page)

    def aside():
        return [each for each in cut_or_overlapping(page) if "sideways" in each or "beside the screen" in each]

    eventually(lambda: not aside())  # charts take the new width a moment later
    page.close()


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


@pytest.mark.slow
def test_the_door_consent_help_a_pause_and_the_end_are_as_clean(lively, themed, axe, show, settle):
    theme, context = themed
    page = context.new_page()

    def look():
        settle(page)
        assert axe(page) == []

    show(page, lively, "door", None)
    look()
    page.get_by_label("Your name").fill(f"new {theme}")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="I have read this").wait_for()
    look()
    page.get_by_role("button", name="I have read this").click()
    page.wait_for_selector(".labeller[data-state=ready]")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    look()
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")
    page.keyboard.press("Escape")
    page.wait_for_selector(".labeller[data-state=paused]")
    look()
    with LabelStore(lively.db) as store:
        store.withdraw(f"new {theme}")
    page.reload()
    page.get_by_text("you have withdrawn").wait_for()
    look()
    page.close()


@pytest.mark.slow
def test_what_axe_finds_is_told_and_waited_for_no_longer_than_anything_else(page, axe):
    page.set_content("<html lang=en><title>t</title><main><h1>h</h1><img src='data:,'></main></html>")
    assert [each.split(":")[0] for each in axe(page)] == ["image-alt"]
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
    page.set_viewport_size(PHONE["viewport"])
    main = "<body style='margin:0'><div data-testid=stMain style='margin:0 8px'>{}"
    for wrong, told in WRONG.items():
        page.set_content(main.format(wrong))
        assert told in "\n".join(cut_or_overlapping(page)), wrong
    scrolls = "<div style='overflow:auto; width:90px; height:50px'><p style='width:300px'>Freude<p>Trauer<p>Wut</div>"
    hidden = "<span style='position:absolute; clip-path:inset(50%); margin-left:-20px'>Nein</span>"
    page.set_content(main.format(f"{scrolls}<button>Ja</button>{hidden}"))
    assert cut_or_overlapping(page) == []


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


@pytest.mark.parametrize("path", ["door", "consent", *PAGES])
def test_nothing_a_page_loads_leaves_the_server(lively, page, show, path):
    asked, blocked = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("console", lambda line: blocked.append(line.text) if "Content Security Policy" in line.text else None)
    show(page, lively, path if path in PAGES else "you", None if path == "door" else "ann")
    if path == "consent":
        page.goto(f"{lively.url}/?who=newcomer")
        page.get_by_role("button", name="I have read this").wait_for()
    page.locator("link[rel~=icon]").first.wait_for(state="attached")
    own = urlsplit(lively.url).netloc
    assert {urlsplit(url).scheme for url in asked} >= {"http", "ws"}
    foreign = [url for url in asked if urlsplit(url).netloc not in (own, "")]
    assert [url for url in foreign if not url.startswith(("data:", "blob:"))] == []
    assert blocked == []


@pytest.mark.slow
def test_saved_appears_where_somebody_clicked_and_nowhere_else(lively, page, show, settle):
    show(page, lively, "progress")
    page.locator("summary", has_text="The task's file").click()
    settle(page)
    page.get_by_label("People for each image").fill("7")
    file = page.get_by_role("textbox", name="The task's file")
    file.fill(file.input_value().replace("Trust your first feeling.", "Trust your second feeling."))
    page.get_by_role("button", name="Save the file").click()
    saved = page.get_by_text("Saved: version")
    saved.wait_for()
    settle(page)
    assert page.locator("[data-testid=stAlert]").count() == 1
    form = page.locator("[data-testid=stForm]").filter(has=saved)
    assert form.get_by_role("button", name="Save the file").count() == 1
    assert 0 <= saved.bounding_box()["y"] <= LAPTOP["height"]
    with LabelStore(lively.db) as store:
        assert store.task.overlap != 7


def test_a_name_with_an_accent_is_found_without_it(lively, page, show, settle):
    show(page, lively, "progress")
    page.get_by_text("Take an invitation back").click()
    settle(page)
    field = page.get_by_label("Take off the list")
    field.click()
    field.fill("Jose")
    page.get_by_role("option", name="José").wait_for()


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
