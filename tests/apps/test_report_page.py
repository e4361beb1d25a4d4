"""The pages that a run and an audit write, in a browser: phone and desktop, light and dark, and what axe finds."""

import runpy
from pathlib import Path

import pytest

import affectml
from affectml.auditing import write_audit
from affectml.data import Dataset
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


def report_on(dataset, out, **options):
    config = TrainConfig(dataset=str(dataset), multilabel=True, threads=1, **options)
    return (train_run(config, out=out, writers=WRITERS).folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def report(demo, tmp_path_factory):
    return report_on(demo, tmp_path_factory.mktemp("report") / "run", learning_curve=True)


@pytest.fixture(scope="module")
def many(demo_set, tmp_path_factory):
    """The page of a run with 25 labels."""
    demo = demo_set(images=100, seed=2, taxonomy="parrott-25")
    return report_on(demo.root, tmp_path_factory.mktemp("many") / "run")


@pytest.fixture
def shown(profile):
    """`shown(address, viewport, theme)`: the page, with what it asked for and what it complained of."""

    def show(report, viewport, theme):
        page = profile(viewport=viewport, color_scheme=theme).new_page()
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda asked: page.said.append(asked.url) if asked.url[:5] not in ("data:", "file:") else 0)
        page.goto(report)
        return page

    return show


def looks_whole(page):
    assert page.said == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    spilled = page.evaluate(
        """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
            const box = svg.getBoundingClientRect()
            return [...svg.querySelectorAll('text')].filter(text => {
                const at = text.getBoundingClientRect()
                return at.left < box.left - 2 || at.right > box.right + 2
                    || at.top < box.top - 2 || at.bottom > box.bottom + 2
            }).map(text => text.textContent)
        })"""
    )
    assert spilled == []


@pytest.mark.parametrize("theme", [pytest.param("light", marks=pytest.mark.slow), "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_it_is_short_and_fits_every_width_and_theme(report, shown, axe, viewport, theme):
    page = shown(report, viewport, theme)
    assert page.evaluate("document.documentElement.scrollHeight") <= MOST[viewport["width"]]
    assert page.evaluate(WORDS) <= 1_200
    assert len(page.locator(".first").inner_text().split()) <= 35
    for summaries in ([], page.locator("summary").all()):
        for summary in summaries:
            summary.click()
        looks_whole(page)
        assert axe(page) == []


@pytest.mark.slow
def test_25_labels_can_be_read_on_a_phone(shown, axe, many):
    page = shown(many, PHONE, "light")
    looks_whole(page)
    assert axe(page) == []
    overlaps = page.evaluate(
        """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
            const names = [...svg.querySelectorAll('text')].filter(text => !text.getAttribute('transform'))
                .map(text => [text.textContent, text.getBoundingClientRect()])
            return names.flatMap(([name, a], at) => names.slice(at + 1).filter(([_, b]) =>
                Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
                Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2).map(([other]) => `${name} / ${other}`))
        })"""
    )
    assert overlaps == []
    small = page.evaluate(
        """() => [...document.querySelectorAll('#together svg text')].filter(text =>
            text.getScreenCTM().a ** 2 + text.getScreenCTM().b ** 2 < .81 || parseFloat(text.style.fontSize) < 10)
            .map(text => text.textContent)"""
    )
    assert small == []
    page.locator("#systems > summary, #levels > summary").evaluate_all("all => all.forEach(each => each.click())")
    right = page.evaluate(
        """() => [...document.querySelectorAll('#systems table, #levels table')]
            .map(table => [...table.querySelectorAll('thead th')].find(th => th.textContent.startsWith('model')))
            .filter(Boolean).map(th => th.getBoundingClientRect().right)"""
    )
    assert len(right) >= 3
    assert max(right) <= PHONE["width"]


@pytest.mark.slow
def test_bars_of_images_have_a_scale_and_leave_out_small_ones_of_many_labels(shown, many):
    page = shown(many, PHONE, "light")
    card = page.locator("#images .card").first
    assert card.locator(".bar:not(.scale)").count() == 12
    track, bar, middle = (card.locator(each).first for each in (".track", ".track .p", ".scale b:nth-child(2)"))
    box, half = track.bounding_box(), middle.bounding_box()
    assert half["x"] + half["width"] / 2 == pytest.approx(box["x"] + box["width"] / 2, abs=1.5)
    share = float(bar.evaluate("bar => parseFloat(bar.style.width)"))
    assert bar.bounding_box()["width"] == pytest.approx(share / 100 * box["width"], abs=2)
    assert card.locator(".soft").last.inner_text().startswith("13 other labels: at most ")


@pytest.mark.slow
def test_tables_can_be_saved_and_folded_ones_opened_by_keyboard(report, shown):
    page = shown(report, DESKTOP, "light")
    first = page.locator("details:has(table) summary").first
    first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open] table").first.is_visible()
    with page.expect_download() as download:
        page.locator("details[open] a[download$='.csv']").first.click()
    assert download.value.suggested_filename.endswith(".csv")
    assert page.said == []


@pytest.mark.slow
def test_on_paper_it_is_light_and_whole(report, shown):
    page = shown(report, DESKTOP, "dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator(".files").first.is_visible()


def test_an_audit_fits_a_phone_and_axe_finds_nothing_serious(demo, tmp_path, shown, axe):
    faults = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "faults.py"))
    faulty = faults["plant_faults"](Dataset.open(demo), tmp_path / "set", copies=4)
    rows = "c00000,listed,c00001,5,awe,True,2026-01-01\nc00001,control,c00000,5,awe,True,2026-01-01\n"
    (tmp_path / "queue-001.csv").write_text(f"image_id,role,match,n,label,said,at\n{rows}", encoding="utf-8")
    audit = write_audit(affectml.audit(faulty, queues=tmp_path), tmp_path)[0].as_uri()
    for theme in ("light", "dark"):
        page = shown(audit, PHONE, theme)
        # without embeddings, equal pixels alone
        for rows in ("#split-parts-copies .card img", "#person tbody tr", "#asked-again tbody tr"):
            assert page.locator(rows).count() == 2
        looks_whole(page)
        assert axe(page) == []
