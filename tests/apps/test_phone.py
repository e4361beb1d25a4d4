"""A phone and a tablet, by touch: image and answers share the screen, and only what was seen can be answered."""

import time

import pytest
import yaml

from affectml_annotation.languages import PSEUDO

from .conftest import NO_SCROLLING, PHONE, Person, cut_or_overlapping, join

SIZES = [(390, 664), (844, 390), (768, 1024), (320, 568)]
LONG = ["quiet anticipation of something good", "nostalgia for a place never seen", "homesickness", "awe"]
NAMES = {
    "de": ["Orientierungslosigkeit", "Sehnsucht nach einem nie gesehenen Ort", "Verantwortungsbewusstsein", "Wut"],
    "ja": ["何か良いことへの静かな期待", "まだ見ぬ場所への懐かしさ", "劣等感", "愛"],
    "ar": ["ترقب هادئ لشيء جميل", "حنين إلى مكان لم يُرَ قط", "شعور بالمسؤولية", "حب"],
}
TARGET = 48  # px, what a finger hits without looking


@pytest.fixture(scope="module")
def forty(tmp_path_factory, start_shared):
    """A server with 40 labels, whose names are long and short."""
    path = tmp_path_factory.mktemp("names") / "forty.yaml"
    entries = {
        f"{LONG[at % 4]} {at}": {"in": {code: {"name": f"{names[at % 4]} {at}"} for code, names in NAMES.items()}}
        for at in range(40)
    }
    path.write_text(yaml.safe_dump({"name": "forty", "labels": entries}))
    return start_shared("--taxonomy", str(path))


@pytest.fixture(scope="module")
def touching(forty, profile_shared):
    """Somebody with a phone in front of 40 labels."""
    return Person(profile_shared(**PHONE).new_page(), forty, "bob").enter()


def turn(ann, size, least=1):
    """Turn or change the device, and wait until the image fits its place again, `least` pixels high and wide."""
    ann.page.set_viewport_size({"width": size[0], "height": size[1]})
    ann.page.wait_for_function(
        """([at, width, height, least]) => {
        const [stage, image] = ['.stage', '.stage img'].map(each => at.querySelector(each).getBoundingClientRect());
        return innerWidth === width && innerHeight === height && Math.min(image.width, image.height) >= least
          && image.top >= stage.top - 1 && image.bottom <= stage.bottom + 1; }""",
        arg=[ann.root.element_handle(), *size, least],
    )


def tap(ann, *places):
    """Tap at these and at Save, and wait for the next image; returns the one answered."""
    image = ann.image
    for place in (*places, ann.page.get_by_role("button", name="Save")):
        place.tap()
    ann.ready(after=image)
    return image


def outside(box, size):
    """Whether any of it is off the screen."""
    x, y = box["x"], box["y"]
    return x < 0 or y < 0 or x + box["width"] > size[0] + 0.5 or y + box["height"] > size[1] + 0.5


@pytest.mark.parametrize("size", SIZES)
def test_image_and_actions_share_the_screen_and_a_tap_stores_what_was_tapped(touching, size):
    ann = touching
    turn(ann, size, least=180)  # it fits a place in between, too, while the page is laid out anew
    image = ann.page.locator(".stage img").bounding_box()
    assert not outside(image, size)
    # but for Find, where there is nothing to search
    for each in ann.page.locator(":is(.kinds .chip, .actions button, .tools button):visible").all():
        box = each.bounding_box()
        assert not outside(box, size), each.inner_text()
        assert min(box["width"], box["height"]) >= TARGET, each.inner_text()
    chips = ann.page.locator(".groups .chip")
    assert all(box["height"] >= TARGET for box in chips.evaluate_all("all => all.map(e => e.getBoundingClientRect())"))
    assert ann.page.locator(".choices").bounding_box()["height"] >= TARGET
    assert ann.page.evaluate(NO_SCROLLING)
    labels, before = ann.labels, len(ann.stored)
    first = tap(ann, chips.last, chips.nth(1))  # the last is scrolled to, within its area
    second = tap(ann, ann.page.get_by_role("button", name="Skip"))
    kept = ann.stored[before:]
    assert [(image, kind) for image, kind, _ in kept] == [(first, "labels"), (second, "skip")]
    assert sorted(kept[0][2]) == sorted([labels[1], labels[-1]])


def test_eight_labels_are_all_in_sight_and_there_is_nothing_to_find(server, person, profile):
    ann = person(server, "eight", profile(**PHONE).new_page()).enter()
    assert len(ann.labels) == 8
    assert not ann.page.get_by_role("button", name="Find").is_visible()


def test_what_is_searched_for_stands_above_the_phone_s_own_keyboard(touching):
    ann = touching
    turn(ann, (390, 664))
    wanted, before = ann.labels[-1], len(ann.stored)
    ann.page.get_by_role("button", name="Find").tap()
    ann.page.keyboard.type(wanted)
    chip = ann.page.locator(".groups .chip:visible")
    assert chip.bounding_box()["y"] < 664 / 2
    image = tap(ann, chip)  # and the image is in sight again
    assert ann.stored[before:] == [(image, "labels", (wanted,))]


def leave_in_view(ann, share):
    """Move the page up, so that this share of the image stays in the viewport; all of it for 1."""
    ann.root.evaluate(
        """(at, share) => { const main = document.querySelector('.stMain');
        main.style.translate = '';
        const image = at.querySelector('.stage img').getBoundingClientRect();
        if (share < 1) main.style.translate = `0 ${-image.top - (1 - share) * image.height}px`; }""",
        share,
    )


def test_an_image_of_which_less_than_60_percent_is_in_view_takes_no_answer(touching):
    ann = touching
    turn(ann, (390, 664))
    first, before = ann.image, len(ann.stored)
    chip, save = ann.page.locator(".groups .chip").first, ann.page.get_by_role("button", name="Save")
    leave_in_view(ann, 0.5)
    chip.tap()  # this image was seen whole
    save.tap()
    ann.page.wait_for_selector(f".labeller[data-state=waiting]:not([data-image='{first}'])")
    second = ann.image
    ann.page.wait_for_selector(".stage img")
    chip.tap()
    save.tap()
    assert "has to be in view" in ann.notice
    ann.press("1", "Enter")
    assert (ann.image, ann.chosen) == (second, [])
    assert "Not counted" in ann.notice
    leave_in_view(ann, 0.55)
    chip.tap()
    assert ann.chosen == []
    leave_in_view(ann, 0.65)
    ann.ready()
    chip.tap()
    save.tap()
    ann.page.wait_for_selector(f".labeller:not([data-image='{second}'])")
    leave_in_view(ann, 1)
    ann.ready()
    label = (ann.labels[0],)
    assert ann.stored[before:] == [(first, "labels", label), (second, "labels", label)]


@pytest.fixture(scope="module")
def speaking(profile_shared, forty):
    """`speaking("de")`: somebody with a phone in front of 40 labels, in a language."""
    forty.store.change_task(languages=["en", *NAMES], page={"intensity": True, "valence_arousal": True})
    join(forty.store, "ann")

    def open_in(language):
        return Person(profile_shared(**PHONE).new_page(), forty, f"ann&language={language}").open()

    return open_in


@pytest.mark.parametrize(
    "language", ["ar", *(pytest.param(each, marks=pytest.mark.slow) for each in ("de", "ja", PSEUDO))]
)
def test_of_forty_long_names_nothing_is_cut_and_nothing_overlaps(speaking, language):
    ann = speaking(language)
    ann.press("1", "2", "2", "3")
    for size in [(360, 640), (390, 844), (768, 1024), (1280, 800)]:
        turn(ann, size)
        assert cut_or_overlapping(ann.page) == []
        back, _, save = (each.bounding_box()["x"] for each in ann.page.locator(".actions button").all())
        assert (back > save) == (language == "ar")  # which is read from the right
        ann.page.locator(".groups .chip").last.scroll_into_view_if_needed()
        assert cut_or_overlapping(ann.page) == []
        ann.press("!")  # the note is there too
        ann.page.locator(".note:visible").wait_for()
        assert cut_or_overlapping(ann.page) == []
        ann.press("Escape", "!")  # the labels stay chosen
        ann.press("?")
        ann.page.wait_for_selector("dialog[open]")
        assert cut_or_overlapping(ann.page) == []
        ann.press("Escape")
        ann.page.wait_for_selector("dialog:not([open])", state="attached")
    ann.page.close()


def tap_twice(ann):
    """Tap the middle of the image twice, 20 ms apart by the events' own time: a machine may take longer."""
    box, began = ann.page.locator(".stage").bounding_box(), time.time()
    finger = ann.page.context.new_cdp_session(ann.page)
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    for number, kind in enumerate(("touchStart", "touchEnd") * 2):
        points = [middle] if kind == "touchStart" else []
        stamp = began + number / 50
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points, "timestamp": stamp})
    finger.detach()


def test_two_taps_zoom_and_zoom_back_but_not_into_an_image_that_is_covered(speaking):
    ann = speaking("en")
    image, zoomed = ann.image, ann.page.locator(".stage[data-zoom=close]")
    tap_twice(ann)
    zoomed.wait_for()
    tap_twice(ann)
    ann.page.locator(".stage[data-zoom=fit]").wait_for()
    assert (ann.image, ann.chosen) == (image, [])
    ann.press("Escape")
    ann.page.wait_for_selector(".labeller[data-state=paused]")
    tap_twice(ann)
    assert zoomed.count() == 0
    ann.page.close()
