"""Laptops die, servers restart, networks go away, tabs are opened twice: nothing is lost, nothing is doubled."""

import json
import re
import time

import pytest

from affectml_apps.relabel.identity import read_secret

from .conftest import Caller, answer_to, refused_for_now
from .reading import page as drawn
from .reading import said


def test_reload_in_mid_selection_keeps_image_and_draft(ann):
    ann.answer("4")
    image = ann.image
    ann.press("2", "5")
    chosen = ann.chosen
    ann.page.reload()
    assert (ann.ready().image, ann.chosen) == (image, chosen)
    ann.answer()
    assert ann.stored[-1] == (image, "labels", tuple(label for label in ann.labels if label in chosen))


def test_reload_right_after_enter_loses_nothing(ann):
    given = []
    for key in "123":
        given.append(ann.image)
        # In one task of the browser: the answer is taken, and the page is gone before any reply.
        ann.burst(key, "Enter", then="location.reload()")
        ann.page.wait_for_load_state()
        ann.ready(after=given[-1])
    assert [image for image, _, _ in ann.stored] == given


@pytest.mark.slow
def test_sigkill_and_restart_twice(start, person):
    server = start()
    ann = person(server).enter()
    given = []
    for killed in (False, True, True):
        if killed:
            ann.stocked()
            server.kill()
        given += [ann.answer(key) for key in "2718"]  # five images at least are there
        if killed:
            assert ann.root.get_attribute("data-unsaved") != "0"
            server.start()
        ann.settled().ready()
    assert [image for image, _, _ in ann.stored] == given
    assert ann.image not in given


def dialogs(page):
    """A function that says how often Streamlit's connection dialog came up since the page was opened."""
    page.add_init_script(
        """globalThis.dialogs = 0; new MutationObserver(changes => { for (const change of changes)
        for (const node of change.addedNodes) globalThis.dialogs += node.dataset?.testid === 'stDialog'; }
        ).observe(document, {childList: true, subtree: true})"""
    )
    return lambda: page.evaluate("globalThis.dialogs")


@pytest.mark.slow
def test_labelling_and_a_note_go_on_beneath_streamlit_s_connection_dialog(start, person, context):
    """Keys are pressed until it comes and some more: not one goes elsewhere, and nothing covers the page."""
    server = start()
    ann, bob = (person(server, who, context.new_page()) for who in ("ann", "bob"))
    dialogs_of_ann, dialogs_of_bob = dialogs(ann.page), dialogs(bob.page)
    ann.enter().stocked()
    bob.enter().press("!")
    given = [ann.image]
    server.kill()
    pressed = typed = 0
    while 0 in (dialogs_of_ann(), dialogs_of_bob()) or pressed % 2 == 0 or pressed < 20:
        ann.press("2")  # chosen, taken back, chosen, ...
        pressed += 1
        bob.press("0")
        typed += 1
    bob.page.keyboard.type("12")
    assert bob.page.locator(".note").input_value() == "0" * typed + "12"
    assert bob.chosen == ["Flag"]
    ann.press("2", "2")
    assert ann.chosen == [ann.labels[1]]
    assert ann.page.locator("[role=dialog]").count() == 0
    ann.page.get_by_text("Offline: answers are kept in this browser").wait_for()
    ann.press("Enter")
    for _ in range(4):  # fetched ahead
        ann.ready(after=given[-1])
        given.append(ann.image)
        ann.page.locator(".groups .chip").nth(1).click()
        ann.page.get_by_role("button", name="Save").click()
    server.start()
    assert ann.stored == [(image, "labels", (ann.labels[1],)) for image in given]


@pytest.mark.slow
def test_two_tabs_of_one_person_never_answer_an_image_twice(server, person, context):
    one = person(server, "tabs").enter()
    other = person(server, "tabs", context.new_page())
    other.page.goto(f"{server.url}/?who=tabs")
    other.page.wait_for_selector(".labeller[data-state=elsewhere]")
    one.answer("1")
    other.press("2", "Enter")
    other.page.get_by_role("button", name="Work here instead").click()
    other.ready()
    one.page.wait_for_selector(".labeller[data-state=elsewhere]")
    one.press("3", "Enter")
    other.answer("4")
    other.page.close()  # gives the lock back, and the first tab goes on by itself
    one.ready().answer("5")
    stored = one.stored
    assert [labels for _, _, labels in stored] == [(one.labels[at - 1],) for at in (1, 4, 5)]
    assert len({image for image, _, _ in stored}) == 3


@pytest.mark.slow
def test_a_reply_that_comes_after_the_turn_was_lost_shows_nothing(server, person, context):
    """Its images may have been answered in the other tab by the time this one has its turn again."""
    one = person(server, "late").enter().settled()
    held, holding = [], [True]

    def hold(route):
        held.append((route, route.fetch())) if holding else route.continue_()

    one.page.route("**/relabel/sync", hold)
    first = one.answer("1")  # its reply is on its way for as long as we like
    while not held:
        one.page.wait_for_timeout(20)
    other = person(server, "late", context.new_page())
    other.page.goto(f"{server.url}/?who=late")
    other.page.get_by_role("button", name="Work here instead").click()
    second = other.ready().answer("2")
    other.settled()
    one.page.wait_for_selector(".labeller[data-state=elsewhere]")
    holding.clear()
    with one.page.expect_event("requestfinished", lambda asked: asked.url.endswith("/relabel/sync")):
        for route, reply in held:  # but the last, the page has given up those by now
            route.fulfill(response=reply)
    one.page.wait_for_timeout(300)  # and time to do wrong with it
    other.page.close()
    third = one.ready().answer("3")
    assert [image for image, _, _ in one.stored] == [first, second, third]
    assert len({first, second, third}) == 3


@pytest.mark.slow
def test_undo_and_back_over_the_whole_session_and_a_reload(ann):
    images = [ann.answer(str(key)) for key in (1, 2, 3)]
    ann.settled().page.reload()
    head = ann.ready().image
    ann.press(*["Backspace"] * 3)
    ann.page.wait_for_selector(f".labeller[data-state=ready][data-image='{images[0]}']")
    assert ann.chosen == [ann.labels[0]]
    for keys, image in ((("1", "8", "Enter"), images[1]), (["ArrowRight"], images[2]), (["ArrowRight"], head)):
        ann.press(*keys)
        ann.page.wait_for_selector(f".labeller[data-state=ready][data-image='{image}']")
    mine = ann.events[ann.events["image_id"] == images[0]]
    assert mine[["labels", "revision", "status"]].to_numpy().tolist() == [
        [[ann.labels[0]], 1, "accepted"],
        [[ann.labels[7]], 2, "accepted"],
    ]


# Answers that the server will never take, and a server that wants to wait: nothing blocks


POISON = """changes => {
  const kept = Object.keys(localStorage).filter(key => key.includes(':answer:'))
    .map(key => [key, JSON.parse(localStorage[key])]).sort((a, b) => a[1].seq - b[1].seq);
  changes.forEach((change, at) => localStorage.setItem(kept[at][0], JSON.stringify({...kept[at][1], ...change})));
}"""


def kept(page, kind):
    return page.evaluate("kind => Object.keys(localStorage).filter(key => key.includes(kind)).length", f":{kind}:")


def test_an_outbox_with_answers_that_can_never_be_stored_empties_itself(server, person, context):
    ann = person(server, "poisoned").enter().stocked().settled()
    ann.cut_off()
    given = [ann.answer("3") for _ in range(5)]
    ann.page.close()
    page = context.new_page()
    page.route(f"{server.url}/empty", lambda route: route.fulfill(content_type="text/html", body="<p>"))
    page.goto(f"{server.url}/empty")  # the app's store, and none of its scripts
    assert kept(page, "answer") == 5
    bad = [{"note": "x\ud83d"}, {"base_revision": 1e30}, {}, {"seq": "x" * 200_000, "labels": "joy"}, {}]
    page.evaluate(POISON, bad)
    ann = person(server, "poisoned", page).open()
    assert [image for image, _, _ in ann.stored] == [given[2], given[4]]
    reasons = dict(zip(given[:2] + given[3:4], ("surrogate", "base_revision", "labels"), strict=True))
    shown = page.locator(".refused").all_inner_texts()
    for image, why in reasons.items():
        assert len([text for text in shown if image in text and why in text]) == 1
    assert (len(shown), kept(page, "answer"), kept(page, "refused")) == (3, 0, 3)
    with page.expect_download() as download:
        page.get_by_role("link", name="Keep as a file").first.click()
    assert json.loads(download.value.path().read_text())["answer"]["image"] in reasons
    page.close()


@pytest.mark.slow
def test_an_answer_in_a_body_that_the_server_cannot_read_is_found_by_halves(server, person, context):
    ann = person(server, "halves").enter().settled().stocked()
    context.set_offline(True)
    given = [ann.answer("3") for _ in range(5)]
    bodies = []

    def unreadable(route):
        body = route.request.post_data_json
        bodies.append(len(body["answers"]))
        if any(answer["image"] == given[2] for answer in body["answers"]):
            route.fulfill(status=400, json={"error": "expected JSON"})
        else:
            route.continue_()

    ann.page.route("**/relabel/sync", unreadable)
    context.set_offline(False)
    ann.page.wait_for_selector(".refused")
    assert sorted(image for image, _, _ in ann.stored) == sorted(set(given) - {given[2]})
    assert "expected JSON" in ann.page.locator(".refused").inner_text()
    assert len(bodies) < 12


@pytest.mark.slow
def test_a_server_that_asks_to_wait_is_asked_again_when_it_said_and_nothing_is_lost(server, person):
    ann = person(server, "waits").enter().settled().stocked()
    asked, held, holding = [], [], [True]

    def slower(route):
        asked.append(time.monotonic())
        if len(asked) == 1:
            route.fulfill(status=429, headers={"retry-after": "2"}, json={"error": "too many answers at once"})
        elif holding:  # on a slow machine it is asked again while the three are typed
            held.append(route)
        else:
            route.continue_()

    ann.page.route("**/relabel/sync", slower)
    given = [*map(ann.answer, "123")]
    assert ann.root.get_attribute("data-unsaved") == "3"
    assert "Offline" not in ann.page.locator(".status").inner_text()
    holding.clear()
    for route in held:
        route.continue_()
    assert [image for image, _, _ in ann.stored] == given
    assert asked[1] - asked[0] >= 1.9


def test_a_server_whose_database_is_away_is_waited_for_and_the_page_says_so(server, saving, person):
    """Five more images are there without it, and what is answered then is stored as soon as it is back."""
    ann = person(server, "away").enter().settled().stocked()
    away = {"status": 503, "headers": {"retry-after": "1"}, "json": {"error": "the database does not answer"}}
    ann.page.route("**/relabel/*", lambda route: route.fulfill(**away))
    given = [*map(ann.answer, "12345"), ann.image]
    ann.press("6", "Enter")
    ann.page.get_by_text("The server's database is away. The next image comes when it is back.").wait_for()
    ann.page.get_by_text("The database is away: 6 answers waiting in this browser").wait_for()
    ann.page.unroute("**/relabel/*")
    ann.ready()
    assert [image for image, _, _ in ann.stored] == given
    assert ann.page.locator(".refused").count() == 0


def test_what_others_wrote_into_the_browser_s_store_keeps_the_page_from_nothing(server, ann):
    place = f"affectml-relabel:{read_secret(server.store)[:8]}:{ann.who}:"
    damaged = {"answer:torn": '{"id": "to', "answer:number": "5", "refused:null": "null", "refused:other": "{}"}
    for key, value in damaged.items():
        ann.page.evaluate("entry => localStorage.setItem(...entry)", [place + key, value])
    ann.page.reload()
    ann.ready().answer("2")
    assert len(ann.stored) == 1
    assert ann.page.locator(".refused").count() == 0


# A database that is away


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_who_calls_while_the_database_is_away_is_told_to_wait_and_not_where_it_is(postgres, postgres_url, serve, mode):
    task = serve(db=postgres_url)
    task.begin_as("ann")
    client = Caller(task, "ann")
    (item,) = client.say(want=1)["items"]

    def calls():
        bodies = ({"answers": [answer_to(item)]}, {})
        return [*(client.post("/relabel/sync", json=body) for body in bodies), client.image(item["image"])]

    postgres.stop(mode)
    try:
        for reply in calls():
            refused_for_now(reply)
    finally:
        postgres.start()
    assert [reply.status_code for reply in calls()] == [200] * 3
    assert task.store.events()["event_id"].tolist() == ["e1"]
    for name, shown in (("progress", "1 of 720"), ("said", "No image has two answers yet"), ("out", "from 1 person")):
        assert shown in said(drawn(name))
    assert "label export --db 'postgresql+psycopg://postgres@" in drawn("out").code[0].value


@pytest.mark.slow
def test_a_page_waits_for_the_database_with_what_was_typed_and_goes_on_by_itself(start, postgres, postgres_url, page):
    server = start(db=postgres_url)
    page.goto(f"{server.url}/progress?who=ann")
    question = page.get_by_label("What people are asked", exact=True)
    question.fill("What do you feel now?")
    postgres.stop("fast")
    try:
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_text("The database does not answer at the moment. This page goes on by itself.").wait_for()
        assert question.input_value() == "What do you feel now?"
        told = page.locator("body").inner_text()
    finally:
        postgres.start()
    page.get_by_text("The database was away for a moment.").wait_for()
    page.get_by_text("This page goes on by itself.").wait_for(state="detached")
    assert question.input_value() == "What do you feel now?"
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved.", exact=True).wait_for()
    assert not re.search("postgres|psycopg|Error|Traceback", told)
