"""The lead's pages in a browser: nothing leaves the server's origin, messages stand where one clicked, phones fit."""

from urllib.parse import urlsplit

import pytest

from affectml_annotation import Answer, LabelStore

LEAD = ("setup", "progress", "agreement", "disagreement", "export")
PAGES = ("label", "you", *LEAD)


@pytest.fixture(scope="module")
def lively(server, fill):
    """The module's server with answers of people with long names, a conflict and a decision."""
    people = ["ann", "bob", "eve.with.a.long.name@institute.example", "José"]
    with LabelStore(server.db) as store:
        fill(store, people, 130)
        image = store.history("José", 1)["image_id"][0]
        store.submit([Answer(image, "José", "labels", ("awe",))])
        store.decide(image, ["awe"], by="ann")
    return server


@pytest.fixture(scope="module")
def watched(profile_shared):
    """A browser profile, and the addresses that it asked for."""
    context, asked = profile_shared(), []
    context.on("request", lambda request: asked.append(request.url))
    return context, asked


@pytest.mark.parametrize("path", ["door", "consent", *PAGES])
def test_nothing_a_page_loads_leaves_the_server(lively, watched, show, path):
    context, asked = watched
    asked.clear()
    page, blocked = context.new_page(), []
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
    page.close()


@pytest.fixture(scope="module")
def phone(profile_shared):
    """A phone's browser."""
    return profile_shared(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES[1:])
def test_a_phone_shows_every_page_without_scrolling_sideways(lively, phone, show, path):
    page = phone.new_page()
    show(page, lively, path)
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]")[0] <= 390
    wide = page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMain] *')].filter(each => {
          const box = each.getBoundingClientRect();
          if (!box.width || box.right <= innerWidth + 1) return false;
          for (let at = each; at; at = at.parentElement)
            if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(at).overflowX)
                && at.getBoundingClientRect().right <= innerWidth + 1) return false;
          return true; }).map(each => each.outerHTML.slice(0, 120))"""
    )
    assert wide == []
    page.close()


@pytest.mark.slow
def test_saved_appears_where_somebody_clicked_and_nowhere_else(lively, page, show, settle):
    show(page, lively, "setup")
    overlap = page.get_by_label("People per image (overlap)")
    overlap.fill("7")
    page.get_by_label("Instructions").fill("Trust your first feeling.")
    button = page.get_by_role("button", name="Save the page")
    button.click()
    saved = page.get_by_text("People see it when they open the page again.")
    saved.wait_for()
    settle(page)
    assert page.locator("[data-testid=stAlert]").count() == 1
    assert (
        page.locator("[data-testid=stForm]").filter(has=saved).get_by_role("button", name="Save the page").count() == 1
    )
    box = saved.bounding_box()
    assert 0 <= box["y"] <= 720
    with LabelStore(lively.db) as store:
        assert store.settings.overlap != 7


def test_a_name_with_an_accent_is_found_without_it(lively, page, show):
    show(page, lively, "setup")
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
        page.get_by_role("link", name="Export").click()
        page.get_by_role("heading", name="Export").wait_for()

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
    show(page, lively, "disagreement")
    chosen = page.get_by_label("images with most disagreement")
    first = chosen.input_value()
    page.get_by_label("Decide: a set of labels").fill("awe")
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
