"""Answers that the server will never take, and a server that wants to wait: nothing blocks, nothing is lost."""

import json
import time

import pytest

from affectml_annotation import LabelStore
from affectml_apps.relabel.identity import read_secret

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
    with LabelStore(server.db) as store:
        place = f"affectml-relabel:{read_secret(store)[:8]}:{ann.who}:"
    damaged = {"answer:torn": '{"id": "to', "answer:number": "5", "refused:null": "null", "refused:other": "{}"}
    for key, value in damaged.items():
        ann.page.evaluate("entry => localStorage.setItem(...entry)", [place + key, value])
    ann.page.reload()
    ann.ready().answer("2")
    assert len(ann.stored) == 1
    assert ann.page.locator(".refused").count() == 0
