"""The explore page in a browser: linked parts, the address, keys, a phone, both themes, and nothing from elsewhere."""

import csv
import re
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import expect

from affectml.exploring import Collection, View
from affectml.importers import import_table

from ..conftest import PHONE, settle  # noqa: TID252
from .conftest import queue, set_up_task

SLOW = {"explored"}
ENTRY = Path(__file__).resolve().parents[3] / "apps" / "explore.py"


@pytest.fixture(scope="module")
def explored(start_shared, paintings, tmp_path_factory):
    """The app on the paintings with their run, and a labelling task beside them."""
    folder = tmp_path_factory.mktemp("explored")
    own = shutil.copytree(paintings / "set", folder / "set")  # selections are kept beside it
    db = str(folder / "labels.db")
    found = Collection(own)
    set_up_task(found, db)
    arguments = (str(own), "--run", str(paintings / "run"), "--db", db)
    server = start_shared(*arguments, dataset=None, entry=ENTRY, db=db)
    server.found = found
    return server


class Explorer:
    """Somebody in front of the explore page."""

    def __init__(self, page, server):
        self.page, self.server = page, server
        self.root = page.locator(".explorer")

    def open(self, query=""):
        self.page.goto(f"{self.server.url}/{query}")
        self.shows()
        settle(self.page)  # on a busy machine Streamlit may still draw, and a choice meanwhile be lost
        return self

    def shows(self, count=None):
        """Wait until map and grid show so many images."""
        which = "" if count is None else f"[data-shown='{count}']"
        self.page.wait_for_selector(f".explorer[data-state=ready]{which}")
        return self

    def address(self, **parts):
        """Wait until the address has these parts; None: not that one."""
        self.page.wait_for_function(
            """parts => { const at = new URLSearchParams(location.search);
            return Object.entries(parts).every(([name, value]) => at.get(name) === value); }""",
            arg=parts,
        )
        return {name: values[0] for name, values in parse_qs(urlsplit(self.page.url).query).items()}

    @property
    def names(self):
        """The images of the grid that are in sight, in order."""
        self.page.wait_for_selector(".cell")
        return self.page.locator(".cell").evaluate_all(
            "all => all.sort((a, b) => a.ariaPosInSet - b.ariaPosInSet).map(each => each.ariaLabel)"
        )

    def enter(self, name, text):
        """Write into a field, and press Enter."""
        self.page.get_by_role("textbox", name=name).fill(text)
        self.page.keyboard.press("Enter")

    def lasso(self):
        """Surround the left half of the map with the pointer."""
        box = self.page.locator(".stage").bounding_box()
        left, right = (box["x"] + share * box["width"] for share in (0.02, 0.5))
        top, bottom = (box["y"] + share * box["height"] for share in (0.02, 0.98))
        self.page.get_by_role("button", name="Lasso").click()
        self.page.mouse.move(left, top)
        self.page.mouse.down()
        for corner in ((right, top), (right, bottom), (left, bottom), (left, top)):
            self.page.mouse.move(*corner, steps=6)
        self.page.mouse.up()

    def within(self):
        """Wait until a lasso stands in the address and its images alone are shown, some of all; which they are."""
        self.page.wait_for_url(re.compile("lasso="))
        within = shown(self, View.from_query({"lasso": self.address()["lasso"]}))
        assert 0 < len(within) < 60
        self.shows(len(within))
        return within


@pytest.fixture
def explorer(page, explored):
    """The page, freshly opened."""
    return Explorer(page, explored).open()


def shown(explorer, view):
    found = explorer.server.found
    return found.image_id[found.shown(view)].tolist()


def test_a_lasso_or_keys_filter_the_grid_by_what_is_in_the_address_and_back_or_escape_let_it_go(explorer):
    explorer.shows(60).lasso()
    within = explorer.within()
    assert explorer.names == within[: len(explorer.names)]
    explorer.page.go_back()
    explorer.shows(60).address(lasso=None)
    explorer.page.locator(".stage").focus()
    for key in ("+", "+", "ArrowRight", "r"):  # what is in sight
        explorer.page.keyboard.press(key)
    explorer.within()
    explorer.page.keyboard.press("Escape")
    explorer.shows(60).address(lasso=None)


def test_the_address_holds_the_view(explorer):
    query = "?f.people.rate.awe=0.2..&order=-people.entropy&colour=run.rate.awe"
    expected = shown(explorer, View.from_query(dict(part.split("=") for part in query[1:].split("&"))))
    explorer.open(f"{query}&image={expected[2]}")
    explorer.shows(len(expected))
    for _ in range(2):
        explorer.page.wait_for_selector(f"dialog[open][data-of='{expected[2]}']")
        expect(explorer.page.locator("#colour")).to_have_value("run.rate.awe")
        expect(explorer.page.locator("#order")).to_have_value("people.entropy")
        expect(explorer.page.get_by_role("slider")).to_have_count(2)
        expect(explorer.page.locator(".one .where")).to_have_text(f"3 of {len(expected)}")
        assert explorer.names == expected[: len(explorer.names)]
        explorer.page.reload()
        explorer.shows(len(expected))
    explorer.open("?image=nowhere")
    expect(explorer.page.locator(".problem")).to_have_text("there is no image nowhere")


def test_the_tiles_and_the_legend_say_what_the_colours_mean(explorer, page):
    found = explorer.server.found
    modes, rates = (found.columns[f"people.{each}"] for each in ("mode", "rate.awe"))
    said = [modes.levels[at] if at >= 0 else "unknown" for at in modes.values]
    expect(page.locator(".cell[aria-posinset='1'] strong")).to_have_text(said[0])
    told = page.locator(".legend > span").all_text_contents()
    assert set(told) == {f"{name}{said.count(name)}" for name in (*modes.levels, "unknown") if name in said}
    page.get_by_label("Colour").select_option("people.rate.awe")
    explorer.address(colour="people.rate.awe")
    first = found.image_id[0]
    expect(page.locator(f".cell[aria-label='{first}'] strong")).to_have_text(f"{rates.values[0]:.3g}")
    expect(page.locator(".legend .ramp")).to_be_visible()


def test_a_filter_at_the_side_and_a_choice_on_the_page_stand_in_the_address_together(explorer, page):
    page.get_by_label("Add a filter").fill("people: entropy")  # a click into a list that still scrolls is lost
    page.get_by_role("option", name="people: entropy").first.click()
    explorer.address(**{"f.people.entropy": ".."})
    page.get_by_label("Colour").select_option("people.rate.awe")
    explorer.address(**{"f.people.entropy": "..", "colour": "people.rate.awe"})
    settle(page)
    page.get_by_role("button", name="Remove", exact=True).click()
    explorer.shows(60).address(**{"f.people.entropy": None, "colour": "people.rate.awe"})


def test_rates_and_words_are_searched_for_one_at_a_time(explorer, page):
    explorer.enter("How it feels", "awe without fear")
    explorer.address(rates="awe without fear")
    expected = shown(explorer, View(rates="awe without fear"))
    best = explorer.server.found.fits(View(rates="awe without fear")).max()
    expect(page.locator(".cell[aria-posinset='1'] .caption > span")).to_have_text(f"fit {best:.2f} · {expected[0]}")
    explorer.enter("What it shows", "joy")
    explorer.address(rates=None, text="joy")
    expect(page.get_by_role("textbox", name="How it feels")).to_have_value("")
    explorer.enter("How it feels", "aw")
    page.locator(".explorer").get_by_role("alert").filter(has_text="no label 'aw'").wait_for()
    explorer.shows(0)  # nothing of the search before
    explorer.enter("How it feels", "awe")
    explorer.address(rates="awe")
    expect(page.locator(".problem")).to_be_hidden()
    page.get_by_label("as said by").select_option("run")
    explorer.address(rates="awe", of="run")
    page.go_back()
    explorer.address(rates="awe", of=None)
    expect(page.get_by_label("as said by")).to_have_value("people")
    page.get_by_role("textbox", name="How it feels").press("Escape")
    explorer.address(rates=None)
    expect(page.get_by_role("textbox", name="How it feels")).to_have_value("")


def test_an_image_opens_and_turns_by_keys_and_escape_closes(explorer, page):
    page.get_by_role("listbox", name="Images").focus()
    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open][data-of='000001']")
    explorer.address(image="000001")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("dialog[open][data-of='000002']")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("dialog[open][data-of='000000']")
    expect(page.get_by_role("columnheader")).to_have_text(["people", "run"])
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")
    explorer.address(image=None)


def test_a_point_opens_its_image_and_more_like_it_are_shown(explorer, page):
    box = page.locator(".stage").bounding_box()
    x, y = explorer.server.found.map()[12].tolist()
    unit = min(box["width"], box["height"]) - 2 - 36
    page.mouse.click(box["x"] + box["width"] / 2 + (x - 0.5) * unit, box["y"] + box["height"] / 2 - (y - 0.5) * unit)
    page.wait_for_selector("dialog[open][data-of='000012']")
    page.get_by_role("button", name="Show more like this").click()
    explorer.address(like="000012")
    page.wait_for_selector("dialog:not([open])", state="attached")
    page.wait_for_selector(".cell[aria-posinset='1'][aria-label='000012']")


def test_what_is_saved_at_once_is_what_is_shown(explorer, page):
    """The page's script hears of a lasso once the images are there, or somebody turns to what the script draws."""
    page.get_by_text("Keep, download or ask people").click()
    explorer.enter("Name", "left half")
    settle(page)
    page.route("**/explore/thumb?*", lambda route: None)  # never answered
    explorer.lasso()
    page.get_by_role("button", name="Save these images").click()
    page.get_by_text(re.compile("saved .* images as left half")).wait_for()
    explorer.page.wait_for_selector(".explorer[data-state=ready]:not([data-shown='60'])")
    kept = explorer.server.found.selections.counts()["left half"]
    assert 0 < kept < 60
    assert explorer.root.get_attribute("data-shown") == str(kept)


def test_a_phone_has_the_map_above_two_columns_and_filters_in_a_drawer(explored, profile):
    page = profile(**PHONE).new_page()
    Explorer(page, explored).open()
    plane, grid = (page.locator(each).bounding_box() for each in (".stage", ".grid"))
    legend = page.get_by_role("group", name="Legend").bounding_box()
    entries = page.locator(".legend > *").evaluate_all("all => all.map(each => each.getBoundingClientRect().toJSON())")
    assert len(entries) > 5
    for each in entries:
        assert plane["y"] + plane["height"] <= each["top"] <= each["bottom"] <= legend["y"] + legend["height"]
        assert 0 <= each["left"] <= each["right"] <= 390
    assert legend["y"] + legend["height"] <= grid["y"]
    assert grid["y"] + grid["height"] <= 844
    places = page.locator(".cell").evaluate_all("all => all.map(each => Math.round(each.getBoundingClientRect().x))")
    assert len(set(places)) == 2
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for each in page.locator(".explorer :is(button, select, input[type=text]):visible").all():
        assert each.bounding_box()["height"] >= 43.5
    assert page.get_by_role("textbox", name="What it shows").bounding_box()["y"] < plane["y"]
    assert page.get_by_label("Add a filter").bounding_box()["x"] < 0
    page.locator("[data-testid=stExpandSidebarButton]").tap()
    page.wait_for_function("document.querySelector('[data-testid=stSidebar]').getBoundingClientRect().x === 0")
    assert page.get_by_label("Add a filter").bounding_box()["x"] > 0


@pytest.mark.slow
def test_what_people_wrote_is_text_and_never_part_of_the_page(start, page, tmp_path):
    ids = ["<img src=x onerror=hurt()>.png", "**bold** [x](javascript:hurt()).png", "a&b\"'.png"]
    (tmp_path / "own").mkdir()
    labels, wings = ["<script>hurt()</script>", "![x](http://evil.example/x.png)"], ["<b>east</b>", "$x^2$ :red[west]"]
    wings.append("constructor")  # what every object of a script has
    with (tmp_path / "own" / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "label", "wing"])
        for at in range(24):
            name = f"{at}{ids[at % 3]}"
            Image.new("RGB", (8, 8), (at * 9, 0, 0)).save(tmp_path / "own" / name)
            writer.writerow([name, labels[at % 2], wings[at % 3]])
    import_table(tmp_path / "own" / "labels.csv", tmp_path / "set", construct="evoked", source="x", licence="y")
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    made = Explorer(page, start(str(tmp_path / "set"), dataset=None, entry=ENTRY))
    made.open("?in.image.wing=<b>east</b>,$x^2$ :red[west],constructor&colour=image.wing").shows(24)
    assert made.names[0] == f"0{ids[0]}"
    for wing in wings:
        expect(page.locator(".legend > span", has_text=wing)).to_have_count(1)
    page.locator(".cell").first.click()
    page.get_by_role("heading", name=f"0{ids[0]}").wait_for()
    page.get_by_role("rowheader", name=labels[0]).wait_for()
    assert page.locator("b, script, img[src*=evil], img[src=x]").filter(has_text="east").count() == 0
    assert page.locator("img[src=x], img[src*=evil]").count() == 0
    assert not any("evil" in url for url in asked)


def test_ticked_images_are_sent_to_the_queue_and_no_others_and_let_go(explorer, page):
    third, fifth = (explorer.server.found.image_id[at] for at in (2, 4))
    page.locator(f".cell[aria-label='{fifth}'] .tick").click()
    page.locator(f".cell[aria-label='{third}']").click()
    explorer.address(image=third)
    page.get_by_role("button", name="✓ Tick").click()
    page.keyboard.press("Escape")
    explorer.address(image=None)
    for name in (third, fifth):
        expect(page.locator(f".cell[aria-label='{name}']")).to_have_attribute("aria-checked", "true")
    page.get_by_text("2 ticked: these are kept").wait_for()
    page.get_by_text("Keep, download or ask people").click()
    page.get_by_role("button", name="Send to the labelling queue").click()
    page.get_by_text("at the end of the queue: 2 images").wait_for()
    assert queue(explorer.server.store)[-2:] == [fifth, third]
    page.get_by_role("listbox", name="Images").focus()
    page.keyboard.press("Home")
    page.keyboard.press("x")
    page.get_by_role("button", name="3 ticked").click()
    expect(page.locator(".cell[aria-checked='true']")).to_have_count(0)
    expect(page.get_by_text("ticked: these are kept")).to_have_count(0)
