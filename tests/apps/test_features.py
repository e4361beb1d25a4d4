"""What the labelling page offers, in a real browser: each thing asked for is in the database, nothing else is told."""

import os
import re
import signal
import time
from urllib.parse import quote, unquote

import pytest
from PIL import Image
from playwright.sync_api import expect

from affectml_annotation import Answer

from .conftest import join, say, settle


def click_in(place, across, down):
    """Click into a place, at these shares of its width and height."""
    box = place.bounding_box()
    place.page.mouse.click(box["x"] + across * box["width"], box["y"] + down * box["height"])


def test_how_strongly_and_how_pleasant_and_excited(server, prefer, person):
    """An axis that nobody touched shows no answer; a slider takes a click and a key, and gives the keys back.

    Chips stay where the eye and the finger expect them, whatever is chosen.
    """
    prefer(page={"intensity": True, "valence_arousal": True})
    ann = person(server, "feels").enter()
    chips = ann.page.locator(".chip")
    before = [chip.bounding_box() for chip in chips.all()]
    ann.press("1", "1", "2", "2", "2", "5")
    assert len(ann.chosen) == 3
    assert [chip.bounding_box() for chip in chips.all()] == before
    ann.press("1", "1", "2", "5", "5", "5")
    assert ann.chosen == []
    assert ann.page.locator(".axis span").all_inner_texts() == ["unpleasant", "pleasant", "calm", "excited"]
    sliders = ann.page.locator(".axis input")

    def shown():
        """Of each axis whether its slider is set and what it says."""
        return sliders.evaluate_all("all => all.map(e => [e.dataset.set, e.ariaValueText])")

    assert shown() == [["false", "not given"], ["false", "not given"]]
    sliders.first.focus()
    ann.press("ArrowRight")
    assert shown() == [["true", "0.05"], ["false", "not given"]]
    for slider in sliders.all():
        click_in(slider, 0.75, 0.5)
    ann.press("2", "2", "3")
    ann.answer()
    ann.press("ArrowLeft")
    assert [is_set for is_set, _ in shown()] == ["true", "true"]  # of the image before
    event = ann.events.iloc[0]
    assert (event["labels"], event["intensities"]) == ([ann.labels[1], ann.labels[2]], [2.0, 1.0])
    assert (event["valence"], event["arousal"]) == pytest.approx((0.5, 0.5), abs=0.06)


def test_the_other_answers_and_the_clock(ann):
    began = time.monotonic()
    ann.open()  # the clock of an image starts afresh
    for key in ("0", ".", ","):
        ann.page.wait_for_timeout(300)
        ann.answer(key)
    mine = ann.events
    assert mine["kind"].tolist() == ["none", "unsure", "skip"]
    assert (mine["seconds"] >= 0.3).all()
    assert mine["seconds"].sum() <= time.monotonic() - began


@pytest.mark.slow
def test_a_pause_stops_the_clock_and_hides_the_image(ann):
    began = time.monotonic()
    ann.open().press("Escape")
    ann.page.wait_for_selector(".labeller[data-state=paused]")
    ann.press("1", "Enter")  # dropped
    ann.page.wait_for_timeout(1500)
    ann.press("Escape")
    ann.ready().page.wait_for_timeout(500)
    ann.answer("1")
    took = time.monotonic() - began
    assert 0.5 <= ann.events["seconds"].tolist()[0] <= took - 1.5


@pytest.mark.slow
def test_the_time_of_a_frozen_tab_is_not_counted_as_looking(server, person, browser):
    began = time.monotonic()
    ann = person(server, "freezes").enter()
    ann.page.wait_for_timeout(500)
    found = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    tabs = [each["id"] for each in found if each["type"] == "renderer"]
    for signal_, pause in ((signal.SIGSTOP, 6), (signal.SIGCONT, 0)):
        for tab in tabs:
            os.kill(tab, signal_)
        time.sleep(pause)
    ann.page.wait_for_timeout(500)  # and from here on it is looking again
    ann.answer("1")
    took = time.monotonic() - began
    # the half second after it, and what it looked before as far as a beat had come
    assert 0.4 <= ann.events["seconds"].iloc[0] <= took - 6


@pytest.mark.slow
def test_an_answer_needs_the_time_that_was_set(server, prefer, person):
    prefer(page={"seconds": 600})
    ann = person(server, "hasty").enter()
    image = ann.image
    ann.press("1", "Enter")
    assert "a little longer" in ann.notice
    prefer(page={"seconds": 1.0})
    ann.open()
    assert (ann.image, ann.chosen) == (image, [ann.labels[0]])
    while ann.image == image:
        ann.press("Enter")
    ann.ready(after=image)
    assert ann.events["seconds"].tolist()[0] >= 1.0


def cut(route):
    """Send all of an image but its end."""
    reply = route.fetch()
    route.fulfill(body=reply.body()[:-200], content_type=reply.headers["content-type"])


def test_a_blurred_image_takes_no_answer_until_it_was_asked_for_nor_does_a_damaged_one(server, prefer, person):
    prefer(page={"blur": True})
    ann = person(server, "blurred")
    ann.page.goto(f"{server.url}/?who=blurred")
    ann.page.get_by_role("button", name="I have read this").click()
    ann.page.wait_for_selector(".stage img")
    ann.page.get_by_role("button", name="Show the image").wait_for()
    ann.press("1", "Enter")
    assert ann.chosen == []
    ann.page.wait_for_timeout(500)
    ann.press(" ")
    image = ann.ready().image
    ann.press("2", "Enter")
    ann.page.wait_for_selector(f".labeller:not([data-image='{image}'])")
    assert [labels for _, _, labels in ann.stored] == [(ann.labels[1],)]
    ann.page.route("**/relabel/image*", lambda route: route.fulfill(body=b"no image", content_type="image/png"))
    ann.open()  # ready to be skipped: there is nothing to cover
    assert "cannot be shown" in ann.page.locator(".waiting").inner_text()
    ann.press("1", "0")
    assert ann.chosen == []
    ann.answer(",")
    assert [kind for _, kind, _ in ann.stored] == ["labels", "skip"]
    ann.page.unroute("**/relabel/image*")
    ann.page.route("**/relabel/image*", cut)
    ann.page.reload()
    ann.page.locator(".waiting", has_text="a part of it is missing").wait_for()
    assert ann.root.locator(".stage").get_attribute("data-veiled") == "true"
    ann.page.locator(".cover").click()
    ann.ready()


def test_zoom_looks_at_the_middle_and_goes_back_to_fit_and_streamlit_s_own_keys_stay_quiet(ann):
    ann.press("1", "c", "r")
    stage, image = ann.page.locator(".stage"), ann.page.locator(".stage img")
    room = min(stage.evaluate("e => [e.clientWidth, e.clientHeight]"))
    assert image.evaluate("e => e.clientWidth") == room
    ann.press(" ")
    assert image.evaluate("e => e.clientWidth") == 2 * room
    middle = "e => [e.scrollLeft / (e.scrollWidth - e.clientWidth), e.scrollTop / (e.scrollHeight - e.clientHeight)]"
    assert stage.evaluate(middle) == pytest.approx([0.5, 0.5], abs=0.02)
    ann.press(" ")
    assert image.evaluate("e => e.clientWidth") == room
    ann.page.wait_for_timeout(300)
    assert (ann.page.locator("[role=dialog]").count(), len(ann.chosen)) == (0, 1)


@pytest.mark.slow
def test_the_end_says_one_thing(start, person, tmp_path):
    (folder := tmp_path / "photographs").mkdir()
    for at in range(4):
        Image.new("RGB", (450, 360), "teal").save(folder / f"{at}.jpg")
    ann = person(start("--images", str(folder), "--taxonomy", "mikels-8", dataset=tmp_path / "set")).enter()
    for _ in range(3):
        ann.answer("1")
    image = ann.image
    ann.press("1", "Enter")
    ann.page.wait_for_selector(".labeller[data-over=true]")
    assert ann.page.locator(".waiting").inner_text() == "Nothing is left for you in this round. Thank you."
    assert ann.page.locator(".progress").inner_text() == "4 images answered"
    assert ann.page.get_by_role("button", name="Save").is_disabled()
    assert ann.page.locator(".chip:visible").count() == 0
    ann.page.get_by_role("button", name="Back").click()  # and one can still go back
    assert ann.ready().image == image
    assert ann.page.get_by_role("button", name="Save the correction").is_enabled()


def test_a_break_is_suggested_after_the_time_that_was_set(server, prefer, person):
    prefer(breaks=0.4 / 60)
    ann = person(server, "tires").enter()
    ann.page.wait_for_timeout(500)
    ann.answer("1")
    assert "A break helps" in ann.notice
    ann.press("Escape", "Escape")
    assert ann.notice == ""


def test_a_truncated_image_says_so_and_can_be_flagged_but_not_labelled(ann):
    ann.intercept("**/relabel/image*", cut).open()
    assert "a part of it is missing" in ann.page.locator(".waiting").inner_text()
    assert ann.page.locator(".stage img").is_visible()  # as far as it goes
    ann.press("1", "0")
    assert ann.chosen == []
    assert "damaged" in ann.notice
    ann.write("!", "cut off").answer()
    assert ann.events[["kind", "flag", "note"]].to_numpy().tolist() == [["skip", True, "cut off"]]


def test_how_far_one_is_stands_in_one_sentence_that_never_goes_back(ann):
    """Of all images that one can be given; answers on their way count like those that came."""
    said = ann.page.locator(".progress")
    expect(said).to_have_text(re.compile(r"Image \d+ of 240"))
    first = int(said.inner_text().split()[1])
    for at in range(3):
        expect(said).to_have_text(f"Image {first + at} of 240")
        ann.answer("1")
    ann.cut_off()
    ann.answer("1")
    expect(said).to_have_text(f"Image {first + 4} of 240")
    ann.press("Backspace", "Backspace")
    expect(said).to_have_text(f"Image {first + 2} of 240")
    ann.page.reload()  # what was not sent is sent, and counted once
    ann.ready().settled()
    expect(said).to_have_text(f"Image {first + 4} of 240")
    assert "answer" not in ann.page.locator(".says").inner_text()  # nothing waits, so nothing is said of it


def test_a_refused_answer_stays_in_sight_until_it_was_read(ann):
    image = ann.image
    ann.page.evaluate(
        """() => { const send = fetch; fetch = (to, more) => send(to, more?.body && {
        ...more, body: more.body.replace(/"ticket":"[^"]*"/, '"ticket":"forged"') }); }"""
    )
    ann.press("1", "Enter")
    ann.page.get_by_text("Not stored").wait_for()
    ann.open()
    assert "was not given" in ann.page.get_by_text("Not stored").inner_text()
    assert ann.image == image  # still theirs to answer
    ann.page.get_by_role("button", name="Understood").click()
    assert ann.page.get_by_text("Not stored").count() == 0
    ann.open()
    assert ann.page.get_by_text("Not stored").count() == 0


def test_a_conflict_names_its_image_and_answer_until_it_was_read(server, ann):
    image = ann.image
    server.store.submit([Answer(image, ann.who, "labels", ("awe",), seconds=1.0)])
    ann.answer("1")
    told = ann.page.locator(".conflict")
    told.wait_for()
    assert ann.events["status"].tolist() == ["accepted", "conflict"]
    assert f"Answered differently elsewhere under your name: image {image}, {ann.labels[0]}." in told.inner_text()
    ann.page.set_viewport_size({"width": 320, "height": 568})
    understood = ann.page.get_by_role("button", name="Understood")
    box = understood.bounding_box()
    assert box["y"] + box["height"] <= 568  # on a small screen too
    understood.click()
    assert told.count() == 0


def test_who_withdraws_is_shown_nothing_more(server, person):
    ann = person(server, "leaves").enter()
    server.store.withdraw("leaves")
    ann.press("1", "Enter")
    ann.page.locator(".status", has_text="withdrawn").wait_for()
    assert server.stored("leaves") == []


def test_a_second_round_shows_one_s_first_answer(server, ann):
    image = ann.answer("3")
    ann.settled()
    number = server.store.open_round([image])
    ann.open()
    ann.page.wait_for_selector(f".labeller[data-state=ready][data-round='{number}']")
    assert (ann.image, ann.chosen) == (image, [ann.labels[2]])
    ann.press("4", "Enter")
    ann.page.wait_for_selector(".labeller[data-state=ready][data-round='1']")
    assert [labels for _, _, labels in ann.stored] == [(ann.labels[2],), (ann.labels[2], ann.labels[3])]


@pytest.mark.slow
def test_what_people_type_is_plain_text_on_every_page(start, page):
    """No image is loaded, nothing hides behind other words: a note is read by the lead, a name by everybody."""
    server = start()
    store = server.store
    name = "eve ![x](http://evil.invalid/name.png) **b** $x^2$"
    note = "see [this](http://evil.invalid) ![x](http://evil.invalid/note.png) http://evil.invalid :red[r] # h"
    store.enqueue([store.images()["image_id"].iloc[0]])
    join(store, "ann", "bob", name)
    for who in ("ann", "bob", name):
        say(store, who, 1, "awe" if who == "ann" else "fear", note=note, seconds=1.0)
    store.withdraw("bob")
    store.invite([gone := "![y](http://evil.invalid/gone.png)"])
    store.withdraw(gone)
    store.change_task(invited_only=True)
    asked, addresses = [], [f"?who={quote(who)}" for who in (gone, "![z](http://evil.invalid/no.png)")]
    page.on("request", lambda request: asked.append(request.url))
    for path in ("progress", "said", "out", "you", *addresses):
        page.goto(f"{server.url}/{path}")
        page.wait_for_selector("h1")
        settle(page)
        if path == "progress":
            page.get_by_text(name, exact=True).first.wait_for()
        if path == "said":
            page.get_by_text("Show names").click()
            page.get_by_text(name, exact=True).wait_for()
            page.get_by_text(note, exact=True).first.wait_for()
        assert page.locator("[src*='evil']").count() == 0
        for link in page.locator("[href*='evil']").all():  # a bare address may be a link to itself
            assert unquote(link.get_attribute("href")) == link.text_content()  # also in a part that is folded
    assert not any(url.startswith("http://evil") for url in asked)


def test_no_answer_of_others_is_on_the_wire(start_shared, person):
    server = start_shared()
    server.store.invite(["bob-the-other"])
    say(server.store, "bob-the-other", 200, kind="flag", note="secret-of-bob")
    ann = person(server)
    everything = []

    def heard(response):
        if response.url.startswith(server.url) and "/static/" not in response.url and "/image" not in response.url:
            everything.append(response.text())

    ann.page.on("response", heard)
    ann.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: everything.append(str(frame))))
    ann.enter()
    for _ in range(5):
        image = ann.image
        ann.press("1", "Enter")
        ann.page.wait_for_selector(f".labeller[data-state=ready]:not([data-image='{image}'])")
    assert any('"receipts"' in text for text in everything)
    assert not [text for text in everything if re.search("bob-the-other|secret-of-bob", text)]
