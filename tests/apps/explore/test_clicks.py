"""Clicks in random orders on all of the lead's pages and on the explore page: no exception, and nothing vanishes."""

import random
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Error as PageError
from playwright.sync_api import TimeoutError as PageTimeout

from affectml_annotation import Answer, LabelStore
from affectml_apps.relabel.pages.navigation import LEAD

EXPLORE = Path(__file__).resolve().parents[3] / "apps" / "explore.py"
WIDGETS = ":is({}):not([disabled]):visible".format(
    ", ".join(
        f":is([data-testid=stMain], [data-testid=stSidebar]) {each}"
        for each in (
            "button", "summary", "[role=combobox]", "[role=slider]", "input[type=checkbox]", "textarea",
            "input[type=number]", "input[type=text]:not([role=combobox])",
        )
    )
)  # fmt: skip
TYPED = [
    "000001", "joy|delight", "<b>*bold*</b> `x` $y$", "=1+2", "000001; joy; awe", "awe: vast", "José\nann", "-3", "",
]  # fmt: skip
WIDGET_MS = 10_000  # for one key of a widget that may be gone, or one click on a link
NUMBERS = ["0", "1", "2", "7", "45"]
WHOLE = {  # what stands on a page, whatever was clicked
    "progress": ["What still wants people", "How people come", "The task", "Put images first"],
    "said": [
        "What people said",
        "Agreement by label",
        "Image by image",
        "Leave out decided",
    ],
    "out": ["Download the answers", "Download votes per image", "--target collected"],
    "explore": ["Filters", "Selections", "shown", "An image of your own"],
}
LOOK = """whole => {
    const words = [...document.querySelectorAll("[data-testid=stMain], [data-testid=stSidebar]")]
        .map(each => each.innerText).join("\\n");
    const errors = [...document.querySelectorAll("[data-testid=stException]")].map(each => each.innerText);
    return {errors, missing: whole.filter(each => !words.includes(each))};
}"""
DRAWN = f"whole => {{ const seen = ({LOOK})(whole); return (seen.errors.length || !seen.missing.length) && seen; }}"


def test_every_page_is_clicked_on():
    assert list(WHOLE) == [*(path for _, path, _ in LEAD), "explore"]


class Clicker:
    """Somebody who clicks, chooses and types at random, and never looks."""

    def __init__(self, page, seed):
        self.page, self.chance, self.trail = page, random.Random(seed), []

    def settle(self):
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", state="attached")
        self.page.wait_for_function("() => !document.querySelector('[data-testid=stSkeleton], [data-stale=true]')")

    def check(self, path):
        """Everything stands there once the page is drawn: after a click Streamlit may not have begun yet."""
        self.settle()
        try:  # a look in each frame would leave a busy page no time to draw
            seen = self.page.wait_for_function(DRAWN, arg=WHOLE[path], polling=200).json_value()
        except PageTimeout:
            seen = self.page.evaluate(LOOK, WHOLE[path])
        assert seen == {"errors": [], "missing": []}, self.trail[-20:]

    def act(self, path):
        """Use one of the page's widgets, any of them."""
        found = self.page.locator(WIDGETS)
        while not (there := found.element_handles()):
            found.first.wait_for()
        widget = self.chance.choice(there)
        kind, name = widget.evaluate(
            "e => [e.role || e.type || e.localName, e.ariaLabel || e.innerText || e.closest('label')?.innerText || '']"
        )
        self.trail.append((path, kind, name[:40]))
        with suppress(PageError):  # the page may take it away meanwhile, or cover it: `check` says whether it is whole
            self.use(kind, widget)
        self.check(path)

    def go(self, path, heading):
        """Open another page. Streamlit drops the wish where a button's own rerun is under way: then ask again."""
        link, there = self.page.locator(f"a[href$='/{path}']").first, self.page.locator("h1", has_text=heading)
        for _ in range(30):
            link.evaluate("e => e.click()")  # whatever list is open above it
            with suppress(PageTimeout):
                there.wait_for(timeout=WIDGET_MS)
                return
        there.wait_for()

    def use(self, kind, widget):
        """Press, fill or click it; given up where it cannot be used any more."""
        if kind in ("combobox", "slider"):
            for _ in range(self.chance.randint(1, 5)):
                widget.press("ArrowDown", timeout=WIDGET_MS)
            widget.press("Enter", timeout=WIDGET_MS)
            widget.press("Escape", timeout=WIDGET_MS)
        elif kind in ("textarea", "text", "number"):
            widget.fill(self.chance.choice(NUMBERS if kind == "number" else TYPED), timeout=WIDGET_MS)
            widget.press("Tab", timeout=WIDGET_MS)
        else:
            widget.evaluate("e => e.click()")


@pytest.fixture(scope="module")
def lead(start_shared, paintings, tmp_path_factory):
    """The labelling app with labels that hold a delimiter, people's answers, a conflict, a decision, a second round."""
    folder = tmp_path_factory.mktemp("lead")
    (folder / "odd.yaml").write_text("name: odd\nlabels: [amusement, awe, 'joy|delight', fear, sadness]\n")
    server = start_shared("--taxonomy", str(folder / "odd.yaml"), dataset=paintings / "set")
    chance = random.Random(3)
    with LabelStore(server.db) as store:
        store.invite(["ann", "bob", "José"])
        for who in ("ann", "bob", "José"):
            store.consent(who)
            for claim in store.claim(who, 60):
                labels = tuple(label for label in store.task.labels if chance.random() < 0.3)
                store.submit([Answer(claim.image_id, who, "labels" if labels else "none", labels, seconds=2.0)])
        for image in store.images()["image_id"][:2]:
            store.submit([Answer(image, "ann", "labels", ("awe",))])
        store.decide(image, ["awe"], by="ann")
        store.open_round("discussion", list(store.images()["image_id"][:9]))
    return server


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_seventy_clicks_on_the_lead_s_pages_end_none_and_hide_nothing(lead, page, seed):
    clicker, path = Clicker(page, seed), "progress"
    page.goto(f"{lead.url}/{path}?who=ann")
    page.wait_for_selector("h1")
    clicker.check(path)
    for _ in range(70):
        if clicker.chance.random() < 0.2:
            title, path, _draw = clicker.chance.choice(LEAD)
            clicker.trail.append(("to", path))
            clicker.go(path, title)
            clicker.check(path)
        else:
            clicker.act(path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [4, 5])
def test_forty_five_clicks_on_the_explore_page_end_nothing_and_hide_nothing(start, paintings, tmp_path, page, seed):
    db = str(tmp_path / "labels.db")
    arguments = (str(paintings / "set"), "--run", str(paintings / "run"), "--db", db)
    page.goto(start(*arguments, dataset=None, entry=EXPLORE).url)
    page.wait_for_selector(".explorer[data-state=ready]")
    clicker = Clicker(page, seed)
    for _ in range(45):
        clicker.act("explore")
