"""Every page in a browser: it opens, no script fails, axe finds nothing serious, it fits, and loads nothing foreign."""

import runpy
from functools import cache
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

import affectml
from affectml.auditing import write_audit
from affectml.data import Dataset
from affectml.page import WRITERS
from affectml.training import TrainConfig, train_run
from affectml_annotation import Answer
from affectml_apps.relabel.pages.navigation import LEAD

from .conftest import FOCUSED, LAPTOP, PHONE, ROOT, axe, cut_or_overlapping, fill, settle, unfold

EXPLORE = ROOT / "apps" / "explore.py"
NARROW = {"width": 360, "height": 740}
LABELLING = ("door", "consent", "label", "you", "withdrawn", *(path for _, path, _ in LEAD))
KEYS = {"label": (["2", "2", "4"], ["?"], ["Escape", "Escape"])}  # the labels chosen, the help, the pause
EXPLORING = ("map", "one image")
FILES = ("report", "audit")
SPILLED = """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
    const box = svg.getBoundingClientRect()
    return [...svg.querySelectorAll('text')].filter(text => {
        const at = text.getBoundingClientRect()
        return at.left < box.left - 2 || at.right > box.right + 2 || at.top < box.top - 2 || at.bottom > box.bottom + 2
    }).map(text => text.textContent)
})"""


@pytest.fixture(scope="module")
def lively(start_shared):
    """The labelling app with all that a page can ask for, answers of people, a conflict and a decision."""
    server = start_shared()
    store = server.store
    fill(store, ["ann"], 80)  # so many that how somebody changes is told
    fill(store, ["bob", "eve.with.a.long.name@institute.example", "José", "gone"], 30)
    image = store.history("José", 1)["image_id"][0]
    store.submit([Answer(image, "José", "labels", ("awe",))])
    store.decide(image, ["awe"], by="ann")
    store.withdraw("gone")
    store.change_task(page={"intensity": True, "valence_arousal": True, "instructions": "Trust your first feeling."})
    return server


@pytest.fixture(scope="module")
def explored(start_shared, paintings):
    return start_shared(str(paintings / "set"), "--run", str(paintings / "run"), dataset=None, entry=EXPLORE)


@pytest.fixture(scope="module")
def written(demo, paintings, tmp_path_factory):
    """`written("report")`: the address of a file of a page's."""
    folder = tmp_path_factory.mktemp("written")

    def report():
        config = TrainConfig(dataset=str(paintings / "set"), multilabel=True, threads=1)
        return train_run(config, out=folder / "run", writers=WRITERS).folder / "report.html"

    def audit():
        plant_faults = runpy.run_path(str(ROOT / "benchmarks" / "faults.py"))["plant_faults"]
        faulty = plant_faults(Dataset.open(demo), folder / "set", copies=4)
        return write_audit(affectml.audit(faulty), folder)[0]

    @cache
    def write(name):
        return {"report": report, "audit": audit}[name]().as_uri()

    return write


def show_labelling(page, server, path):
    """Open a page of the labelling app."""
    who = {"door": None, "consent": "newcomer", "withdrawn": "gone"}.get(path, "ann")
    there = path if path in ("you", *(path for _, path, _ in LEAD)) else ""
    page.goto(f"{server.url}/{there}?who={who}" if who else server.url)
    page.wait_for_selector(".labeller[data-state=ready]" if path == "label" else "h1")
    settle(page)


def show_explore(page, server, path):
    query = {
        "map": "?f.people.entropy=0.1..&in.people.mode=awe,fear&lasso=0,0+1,0+1,1+0,1&rates=awe",
        "one image": "?image=000003",
    }[path]
    page.goto(f"{server.url}/{query}")
    page.wait_for_selector(".explorer[data-state=ready]")
    if path == "one image":
        page.wait_for_selector("dialog[open][data-of='000003']")


@pytest.mark.parametrize("name", [*LABELLING, *EXPLORING, *FILES])
def test_it_opens_is_clean_in_the_light_and_in_the_dark_fits_and_loads_nothing_foreign(request, page, eventually, name):
    problems, asked = [], []
    page.on("console", lambda line: problems.append(line.text) if "Content Security" in line.text else None)
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    if name in FILES:
        page.goto(request.getfixturevalue("written")(name))
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    else:
        show, app = (show_explore, "explored") if name in EXPLORING else (show_labelling, "lively")
        show(page, request.getfixturevalue(app), name)
        settle(page)
        if name not in EXPLORING:
            unfold(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)

    def aside():
        return [each for each in cut_or_overlapping(page) if "sideways" in each or "beside the screen" in each]

    for keys in KEYS.get(name, [[]]):
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(LAPTOP)
        for key in keys:
            page.keyboard.press(key)
        if name not in FILES:
            settle(page)
        found = axe(page)
        page.emulate_media(color_scheme="dark")
        if name not in FILES:
            page.wait_for_function("getComputedStyle(document.querySelector('.stApp')).colorScheme === 'dark'")
            settle(page)
        assert (found, axe(page, "color-contrast")) == ([], [])
        page.set_viewport_size(NARROW)
        if name in FILES:
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            assert page.evaluate(SPILLED) == []
        else:
            settle(page)
            eventually(lambda: not aside())  # charts take the new width a moment later
    assert name != "label" or page.locator(".labeller").get_attribute("data-state") == "paused"
    own = urlsplit(page.url).netloc
    foreign = [url for url in asked if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != own]
    assert (foreign, problems) == ([], [])


WRONG = {
    "<p style='width:40px; overflow:hidden; white-space:nowrap'>Schadenfreude": "cut: p",
    "<input placeholder='Niederschlagswahrscheinlichkeit' style='width:60px'>": "cut: the placeholder",
    "<button style='width:60px; white-space:nowrap'>Vorfreudigkeit</button>": "sticks out of its button",
    "<p style='margin-left:-30px'>Vorfreude": "beside the screen",
    "<p>Freude<p style='margin-top:-30px'>Trauer": "text over text",
    "<button>Ja</button><button style='margin-left:-15px'>Nein</button>": "one over the other",
    "<div style='width:2000px'>Wut": "scrolls sideways",
}


def test_what_is_wrong_with_a_page_is_told_and_what_scrolls_or_is_hidden_is_not(page):
    page.set_content("<html lang=en><title>t</title><main><h1>h</h1><img src='data:,'></main></html>")
    assert [each.split(":")[0] for each in axe(page)] == ["image-alt"]
    page.set_viewport_size(PHONE["viewport"])
    main = "<body style='margin:0'><div data-testid=stMain style='margin:0 8px'>{}"
    for wrong, told in WRONG.items():
        page.set_content(main.format(wrong))
        assert told in "\n".join(cut_or_overlapping(page)), wrong
    scrolls = "<div style='overflow:auto; width:90px; height:50px'><p style='width:300px'>Freude<p>Trauer<p>Wut</div>"
    hidden = "<span style='position:absolute; clip-path:inset(50%); margin-left:-20px'>Nein</span>"
    page.set_content(main.format(f"{scrolls}<button>Ja</button>{hidden}"))
    assert cut_or_overlapping(page) == []


# What a report and an audit hold


def test_a_report_is_short_and_its_tables_are_opened_by_keyboard(written, profile):
    page = profile(viewport=PHONE["viewport"]).new_page()
    page.goto(written("report"))
    assert page.evaluate("document.documentElement.scrollHeight") <= 9_000
    page.locator("details:has(table) summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open] table").first.is_visible()
    page.reload()
    page.evaluate("document.querySelectorAll('svg').forEach(each => each.remove())")
    assert len(page.locator("body").inner_text().split()) <= 1_200
    assert len(page.locator(".first").inner_text().split()) <= 35
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".files").first.is_visible()


# What only a browser shows: menus, keys and places, and choices that are drawn anew


def test_on_a_phone_the_menu_says_in_words_what_it_is(lively, profile):
    page = profile(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True).new_page()
    show_labelling(page, lively, "you")
    menu = page.get_by_test_id("stExpandSidebarButton")
    assert menu.evaluate("e => getComputedStyle(e, '::after').content") == '"Menu"'
    assert menu.bounding_box()["width"] > 60  # the arrow alone has 48
    menu.click()
    page.get_by_role("link", name="What people said").wait_for()
    names = page.get_by_test_id("stSidebarNavLink").all_inner_texts()
    assert names == ["Label", "Your part", "Progress", "What people said", "Out"]


def test_the_labelling_page_fits_a_laptop_and_says_what_it_is_to_a_screen_reader(lively, page):
    show_labelling(page, lively, "label")
    for name in ("Save", "Help", "Flag", "unpleasant to pleasant"):
        expect(page.get_by_label(name).or_(page.get_by_role("button", name=name)).first).to_be_in_viewport(ratio=1)
    chip = page.locator(".groups .chip").nth(1)
    said = "e => [e.tagName, e.getAttribute('aria-keyshortcuts'), e.ariaPressed]"
    assert chip.evaluate(said) == ["BUTTON", "2", "false"]
    page.keyboard.press("2")
    assert chip.evaluate(said) == ["BUTTON", "2", "true"]
    assert page.locator(".labeller [role=status]").count() == 3  # a notice, what is saved, found
    page.locator(".stage").focus()
    page.keyboard.press("Tab")
    outline = page.evaluate_handle(FOCUSED).evaluate("at => [at.tagName, getComputedStyle(at).outlineStyle]")
    assert outline == ["BUTTON", "solid"]


def test_an_image_stays_chosen_while_its_caption_changes(lively, page, eventually):
    """A browser knows a choice by its caption, and deciding changes that."""
    show_labelling(page, lively, "said")
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
