"""The report in a browser: phone and desktop, light and dark, by keyboard, and what axe finds."""

import pytest

from affectml.demo_set import write_demo
from affectml.page import WRITERS
from affectml.training import TrainConfig, train_run

PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
MOST = {390: 9_000, 1280: 5_000}  # pixels from top to bottom
WORDS = """() => {
    const found = [], walk = node => {
        if (node.nodeType === 3) {
            if (node.parentElement.checkVisibility() && !node.parentElement.closest('svg')) found.push(node.textContent)
        } else node.childNodes.forEach(walk)
    }
    walk(document.body)
    return found.join(' ').split(/\\s+/).filter(Boolean).length
}"""
SPILLED = """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
    const box = svg.getBoundingClientRect()
    return [...svg.querySelectorAll('text')].filter(text => {
        const at = text.getBoundingClientRect()
        return at.left < box.left - 2 || at.right > box.right + 2 || at.top < box.top - 2 || at.bottom > box.bottom + 2
    }).map(text => text.textContent)
})"""
OVERLAPS = """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
    const names = [...svg.querySelectorAll('text')].filter(text => !text.getAttribute('transform'))
        .map(text => [text.textContent, text.getBoundingClientRect()])
    return names.flatMap(([name, a], at) => names.slice(at + 1).filter(([_, b]) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2).map(([other]) => `${name} / ${other}`))
})"""
SMALL = """() => [...document.querySelectorAll('#together svg text')].filter(text =>
    text.getScreenCTM().a ** 2 + text.getScreenCTM().b ** 2 < .81 || parseFloat(text.style.fontSize) < 10)
    .map(text => text.textContent)"""
ENDS = """() => [...document.querySelectorAll('#systems table, #levels table')]
    .map(table => [...table.querySelectorAll('thead th')].find(th => /model|long/.test(th.textContent)))
    .filter(Boolean).map(th => th.getBoundingClientRect().right)"""
BOTH = pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])


@pytest.fixture(scope="module")
def trained(demo, tmp_path_factory):
    """`trained(labels)`: the page of a run, with 8 or 25 labels."""
    made = {}

    def train(labels):
        if labels not in made:
            out = tmp_path_factory.mktemp("report")
            data = demo if labels == 8 else write_demo(out / "demo", images=100, seed=2, taxonomy="parrott-25").root
            config = TrainConfig(dataset=str(data), multilabel=True, threads=1, learning_curve=labels == 8)
            made[labels] = (train_run(config, out=out / "run", writers=WRITERS).folder / "report.html").as_uri()
        return made[labels]

    return train


@pytest.fixture
def shown(trained, profile):
    """`shown(viewport, theme)`: the page, with what it asked for and what it complained of."""

    def show(viewport, theme, labels=8):
        page = profile(viewport=viewport, color_scheme=theme).new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on(
            "request", lambda asked: page.said.append(asked.url) if asked.url[:5] not in ("data:", "file:") else None
        )
        page.goto(trained(labels))
        return page

    return show


def looks_whole(page, axe):
    assert page.said == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(SPILLED) == []
    assert axe(page) == []


@BOTH
def test_it_is_short_and_axe_finds_nothing_serious(shown, axe, viewport):
    page = shown(viewport, "dark")
    looks_whole(page, axe)
    assert page.evaluate("document.documentElement.scrollHeight") <= MOST[viewport["width"]]
    assert page.evaluate(WORDS) <= 1_200
    assert len(page.locator(".first").inner_text().split()) <= 35


@pytest.mark.slow
def test_25_labels_can_be_read_on_a_phone(shown, axe):
    page = shown(PHONE, "light", 25)
    looks_whole(page, axe)
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate(SMALL) == []
    page.locator("#systems > summary, #levels > summary").evaluate_all("all => all.forEach(each => each.click())")
    assert len(page.evaluate(ENDS)) >= 3
    assert max(page.evaluate(ENDS)) <= PHONE["width"]
    page.evaluate(  # two long names of systems stand on a phone beside each other
        """() => document.querySelectorAll('#systems thead tr').forEach(row => [...row.cells].slice(1, 3).forEach(
            th => { th.textContent = 'a-long-name-of-a-run − another-long-name' }))"""
    )
    assert max(page.evaluate(ENDS.replace(".find(", ".filter(").replace(".filter(Boolean)", ".flat()"))) <= 1.1 * 390


@pytest.mark.slow
def test_bars_of_images_have_a_scale_and_leave_out_small_ones_of_many_labels(shown):
    card = shown(PHONE, "light", 25).locator("#images .card").first
    assert card.locator(".bar:not(.scale)").count() == 12
    track, bar, middle = (card.locator(each).first for each in (".track", ".track .p", ".scale b:nth-child(2)"))
    box, half = track.bounding_box(), middle.bounding_box()
    assert half["x"] + half["width"] / 2 == pytest.approx(box["x"] + box["width"] / 2, abs=1.5)
    share = float(bar.evaluate("bar => parseFloat(bar.style.width)"))
    assert bar.bounding_box()["width"] == pytest.approx(share / 100 * box["width"], abs=2)
    assert card.locator(".soft").last.inner_text().startswith("13 other labels: at most ")


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@BOTH
def test_it_fits_every_width_and_theme_with_all_folds_open(shown, axe, viewport, theme):
    page = shown(viewport, theme)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    looks_whole(page, axe)


@pytest.mark.slow
def test_tables_can_be_saved_and_folded_ones_opened_by_keyboard(shown):
    page = shown(DESKTOP, "light")
    page.locator("details:has(table) summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open] table").first.is_visible()
    with page.expect_download() as download:
        page.locator("details[open] a[download$='.csv']").first.click()
    assert download.value.suggested_filename.endswith(".csv")
    assert page.said == []


@pytest.mark.slow
def test_on_paper_it_is_light_and_whole(shown):
    page = shown(DESKTOP, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".files").first.is_visible()
