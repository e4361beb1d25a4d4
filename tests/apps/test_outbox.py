"""Answers that the server will never take, and a server that wants to wait: nothing blocks, nothing is lost."""

import time

from affectml_annotation import LabelStore
from affectml_apps.relabel.preferences import read_secret


def kept(page, kind):
    return page.evaluate("kind => Object.keys(localStorage).filter(key => key.includes(kind)).length", f":{kind}:")


def answer_offline(ann, context, count):
    """Answer some images without a network; returns them. The network is back afterwards."""
    context.set_offline(True)
    given = []
    for _ in range(count):
        given.append(ann.image)
        ann.press("3", "Enter")
        ann.ready(after=given[-1])
    return given


def test_an_answer_in_a_body_that_the_server_cannot_read_is_found_by_halves(server, person, context):
    ann = person(server, "halves").enter().settled()
    given = answer_offline(ann, context, 5)
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
    ann.page.wait_for_selector(".refused p")
    ann.settled()
    assert sorted(image for image, _, _ in ann.stored) == sorted(set(given) - {given[2]})
    assert "expected JSON" in ann.page.locator(".refused p").inner_text()
    assert len(bodies) < 12


def test_a_server_that_asks_to_wait_is_asked_again_when_it_said_and_nothing_is_lost(server, person):
    ann = person(server, "waits").enter().settled()
    asked = []

    def slower(route):
        asked.append(time.monotonic())
        if len(asked) == 1:
            route.fulfill(status=429, headers={"retry-after": "2"}, json={"error": "too many answers at once"})
        else:
            route.continue_()

    ann.page.route("**/relabel/sync", slower)
    given = [ann.answer(key) for key in "123"]
    assert ann.root.get_attribute("data-unsaved") == "3"
    assert "Offline" not in ann.page.locator(".status").inner_text()
    ann.settled()
    assert asked[1] - asked[0] >= 1.9
    assert [image for image, _, _ in ann.stored] == given


def test_a_damaged_entry_in_the_browser_s_store_does_not_keep_the_page_from_starting(server, person):
    ann = person(server, "damaged").enter().settled()
    ann.answer("1")
    ann.settled()
    with LabelStore(server.db) as store:
        key = f"affectml-relabel:{read_secret(store)[:8]}:damaged:answer:torn"
    ann.page.evaluate('key => localStorage.setItem(key, \'{"id": "to\')', key)
    ann.page.reload()
    ann.ready()
    ann.answer("2")
    ann.settled()
    assert len(ann.stored) == 2
