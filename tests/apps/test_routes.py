"""The routes without a browser: who may call them, what they take, what they tell."""

import asyncio
import json
import re
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import uvicorn
from PIL import Image

from affectml_apps.relabel.identity import BadToken, make_token, may_lead, read_token
from affectml_apps.serving import only_here

from .conftest import Caller, answer_to, join

HEADER = "x-relabel-token"


@pytest.fixture
def client(task):
    join(task.store, "ann", "bob")
    return Caller(task, "ann")


def test_an_answer_is_acknowledged_by_its_id_and_the_next_images_come_with_it(client, task):
    first = client.say(want=3)
    assert len(first["items"]) == 3
    reply = client.say(answer_to(first["items"][0]), want=3)
    assert [(r["id"], r["status"], r["revision"]) for r in reply["receipts"]] == [("e1", "accepted", 1)]
    assert [item["image"] for item in reply["items"][:2]] == [item["image"] for item in first["items"][1:]]
    assert reply["done"] == 1
    assert task.store.judgements()["labels"].tolist() == [["awe"]]


def test_the_language_of_an_answer_is_kept_and_what_is_none_costs_no_answer(client, task):
    items = client.say(want=4)["items"]
    said = ["pt-BR", "Klingon", "de-" + "a" * 18, {"a": 1}]
    given = [answer_to(item, f"e{at}", language=said[at]) for at, item in enumerate(items)]
    assert [receipt["status"] for receipt in client.say(*given)["receipts"]] == ["accepted"] * 4
    assert task.store.judgements()["language"].fillna("none").tolist() == ["pt-BR", "none", "none", "none"]


def test_a_page_that_goes_gives_back_all_that_came_with_the_reply_it_names(client, task):
    reply = client.say(want=30)
    assert len(reply["items"]) == 30
    client.say(leaving=reply["now"])
    assert task.store.annotators().set_index("annotator_id")["claimed"]["ann"] == 0


def test_a_ticket_of_another_person_is_no_ticket(client, task):
    item = client.say()["items"][0]
    client.be("bob")
    assert client.say(answer_to(item))["receipts"][0]["status"] == "refused"


def test_an_answer_that_comes_after_the_claim_ran_out_is_still_taken(client, task):
    item = client.say(want=1)["items"][0]
    task.store.change_task(lease=1e-5)
    client.say(want=1)  # the lease is now short
    task.store.change_task(lease=15)
    assert task.store.release_expired() >= 0
    assert client.say(answer_to(item))["receipts"][0]["status"] == "accepted"


SYNC, CODE = "/relabel/sync", "/relabel/client"
REFUSED = [
    *(("POST", SYNC, {"content-type": kind}, 415) for kind in ("text/plain", "application/x-www-form-urlencoded")),
    *(("POST", SYNC, {HEADER: token}, 401) for token in ("", "ann", "YW5u.0000", "!!!.x", "YW5u", "made.up")),
    ("GET", "/relabel/image?id=000000", {HEADER: ""}, 401),
    ("GET", SYNC, {}, 405),
    *(("GET", f"{CODE}/{name}", {}, 404) for name in ("..%2Ftask.py", "web.py", "%2e%2e%2fweb.py", "none.js")),
    ("GET", f"{CODE}/main.js", {"host": "evil.example:8501"}, 403),
    ("POST", SYNC, {"host": "evil.example"}, 403),
    *(
        ("POST", SYNC, {"host": malformed}, 400)
        for malformed in ("[::1", "[::1]]", "[", "]", "", "local host", "localhost:x", "a@localhost", "localhost/",
                          "[::1]:8x")
    ),
    *(
        ("POST", SYNC, {"origin": foreign}, 403)
        for foreign in ("http://evil.example", "http://[::1", "[::1", "http://", "", "://", "null", "http://localhost:x")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "headers", "status"), REFUSED)
def test_a_request_that_is_none_of_the_page_s_own_is_turned_away(client, method, path, headers, status):
    content = {"content": b"{}"} if method == "POST" else {}
    sent = {"content-type": "application/json", **headers}
    assert client.request(method, path, headers=sent, **content).status_code == status


def test_two_hosts_are_none(client):
    twice = [("host", "localhost:8501"), ("host", "evil.example"), (HEADER, client.headers[HEADER])]
    assert client.post(SYNC, content=b"{}", headers=twice).status_code == 400


@pytest.mark.parametrize("own", ["localhost:8501", "[::1]:8501"])
def test_a_page_of_this_machine_is_answered_and_shown_in_no_frame(client, own):
    reply = client.post(SYNC, json={}, headers={"host": own, "origin": f"http://{own}"})
    assert (reply.status_code, reply.headers["x-frame-options"]) == (200, "DENY")


def test_images_are_served_to_those_they_were_given_to(client, task):
    given = client.say(want=2)["items"][0]["image"]
    reply = client.image(given)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/png")
    assert reply.content == task.dataset.image_path(f"images/{given}.png").read_bytes()
    others = [name for name in task.store.images()["image_id"] if name != given]
    statuses = {client.image(name).status_code for name in others}
    assert statuses == {200, 403}  # 200 for the second one only
    client.be("bob")
    assert client.image(given).status_code == 403


@pytest.mark.parametrize("file", ["../outside.png", "/etc/passwd", "images/page.html", "images/none.png", "a.json"])
def test_no_path_leaves_the_folder_and_only_images_are_served(client, task, file):
    given = client.say(want=1)["items"][0]["image"]
    with task.store.database.write() as connection:
        connection.exec_driver_sql("update image set file = ? where image_id = ?", (file, given))
    assert client.image(given).status_code == 404


def test_a_tiff_is_converted_and_an_image_that_cannot_be_shown_says_why(tmp_path, demo, serve):
    root = tmp_path / "own"
    shutil.copytree(demo, root)
    made = serve(root)
    made.begin_as("ann")
    client = Caller(made, "ann")
    one, other = (item["image"] for item in client.say(want=2)["items"])
    Image.new("RGB", (30, 20), "red").save(root / "images" / f"{one}.png", "TIFF")
    shown = client.image(one)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
    (root / "images" / f"{other}.png").write_bytes(b"no image")
    reply = client.image(other)
    assert reply.status_code == 422
    assert "no image that can be shown" in reply.json()["error"]


def test_nobody_labels_or_is_shown_an_image_who_has_not_agreed_or_is_out(client, task):
    item = client.say()["items"][0]

    def refused(*answers):
        reply = client.image(item["image"])
        assert (reply.status_code, reply.json()) == (403, client.say(*answers, status=403))
        return reply.json()["error"]

    task.store.invite(["eve"])
    client.be("eve")
    assert "agree" in refused()
    client.be("nobody")
    assert "invited" in refused()
    client.be("ann")
    client.say(answer_to(item))
    assert client.image(item["image"]).status_code == 200
    assert task.store.uninvite(["ann"]) == ["ann"]
    assert "closed your entry" in refused()
    task.store.invite(["ann"])
    assert client.image(item["image"]).status_code == 200
    task.store.withdraw("ann")
    assert "withdrawn" in refused(answer_to(item, "later"))
    assert task.store.events()["event_id"].tolist() == ["e1"]


def test_the_base_path_is_respected(task):
    client = Caller(task, "ann", base="/deep/er/")
    assert client.get("/deep/er/relabel/client/main.js").status_code == 200
    assert client.get("/relabel/client/main.js").status_code == 404


def test_checks_and_repeats_look_like_any_other_image(client, task):
    ids = task.store.images()["image_id"].tolist()
    table = {"image_id": ids[:5], "accepted": [["awe"]] * 5, "forbidden": [["fear"]] * 5}
    task.store.add_checks(pd.DataFrame(table))
    task.store.change_task(checks={"rate": 0.4}, repeats={"rate": 0.3, "gap": 1})
    items = []
    for turn in range(20):
        items.append(client.say(want=1)["items"][0])
        client.say(answer_to(items[-1], f"e{turn}"))
    assert {"task", "check", "repeat"} <= set(task.store.judgements()["purpose"])
    assert {frozenset(item) for item in items} == {frozenset(("image", "round", "ticket", "revision", "look"))}
    assert {item["look"] for item in items} == {"first"}


def test_the_data_set_s_own_label_is_told_only_where_the_lead_shows_it(client, task):
    task.originals = dict.fromkeys(task.store.images()["image_id"], "awe")
    assert all("original" not in item for item in client.say(want=3)["items"])
    task.store.change_task(page={"show_original": True})
    assert {item["original"] for item in client.say(want=3)["items"]} == {"awe"}


def test_history_holds_one_s_own_answers_only(client, task):
    for who in ("bob", "ann"):
        client.be(who)
        item = client.say()["items"][0]
        client.say(answer_to(item, f"of-{who}", kind="none", labels=[]))
    past = client.say(history=True)["past"]
    assert [(entry["image"], entry["answer"]["kind"]) for entry in past] == [(item["image"], "none")]


class TestBlindFirst:
    """The answer is stored before any suggestion is told, and a random half never sees one."""

    @pytest.fixture
    def blind(self, client, task):
        task.suggestions = dict.fromkeys(task.store.images()["image_id"], ("sadness",))
        task.store.open_round("second")
        task.store.change_task(page={"blind_first": True})
        return client

    def test_the_second_look_is_at_the_same_image_and_half_of_them_are_controls(self, blind, task):
        seen = []
        for turn in range(40):
            reply = blind.say(want=12)
            assert not re.search("sadness|suggestion", json.dumps(reply))  # before the blind answer is stored
            first = reply["items"][0]
            second = blind.say(answer_to(first, f"first-{turn}"), want=2)["items"][0]
            seen.append((first, second))
            blind.say(answer_to(second, f"second-{turn}"), want=2)
        assert all(first["image"] == second["image"] for first, second in seen)
        assert {second["look"] for _, second in seen} == {"second"}
        shown = ["suggestion" in second for _, second in seen]
        assert 8 <= sum(shown) <= 32
        judgements = task.store.judgements(rounds=[3])
        assert judgements["suggestions_visible"].tolist() == shown
        assert all(second["before"] == {"kind": "labels", "labels": ["awe"]} for _, second in seen)
        contexts = task.store.events()["context"].tolist()
        assert sum("model_says" in context for context in contexts) == 40  # both arms, second looks only

    def test_the_first_answer_cannot_be_changed_after_the_second_look_was_given(self, blind):
        item = blind.say(want=1)["items"][0]
        blind.say(answer_to(item), want=1)
        receipt = blind.say(answer_to(item, "later", base_revision=1, labels=["sadness"]))["receipts"][0]
        assert (receipt["status"], "stands" in receipt["error"]) == ("refused", True)

    def test_a_lost_reply_does_not_lose_the_second_look(self, blind):
        item = blind.say(want=1)["items"][0]
        lost = blind.say(answer_to(item), want=1)["items"][0]
        assert blind.say(want=1)["items"][0] == lost

    def test_skipped_images_get_no_second_look(self, blind):
        item = blind.say(want=1)["items"][0]
        reply = blind.say(answer_to(item, kind="skip", labels=[]), want=1)
        assert [each["look"] for each in reply["items"]] == ["first"]


def test_tokens_hold_for_one_person_and_one_task():
    assert read_token("secret", make_token("secret", "ann")) == "ann"
    with pytest.raises(BadToken, match="not given out"):
        read_token("another", make_token("secret", "ann"))


def test_who_leads():
    assert may_lead("ann", ["ann"], signed_in=True, only_here=False)
    assert not may_lead("bob", ["ann"], signed_in=False, only_here=True)
    assert may_lead(None, [], signed_in=False, only_here=True)
    assert not may_lead("ann", [], signed_in=True, only_here=True)
    assert not may_lead("ann", ["ann"], signed_in=False, only_here=False)  # a name is no proof


def test_only_a_loopback_server_without_further_names_is_for_this_machine_alone(monkeypatch):
    for address, alone in (("127.0.0.1", True), ("localhost", True), ("0.0.0.0", False)):
        monkeypatch.setattr("streamlit.config.get_option", {"server.address": address}.get)
        assert (only_here(()), only_here(("label.example",))) == (alone, False)


def test_a_reply_goes_out_without_waiting_for_its_head_to_be_acknowledged(client):
    """Over a socket made as Streamlit makes its own, of which asyncio does not say so by itself."""

    async def asked():
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            config = uvicorn.Config(client.app, lifespan="off", log_level="critical")
            server = uvicorn.Server(config)
            served = asyncio.create_task(server.serve(sockets=[listening]))
            while not server.started:
                await asyncio.sleep(0.01)
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            writer.write(b"GET /relabel/client/main.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await reader.readline()).endswith(b"200 OK\r\n")
            (connection,) = server.server_state.connections
            held = connection.transport.get_extra_info("socket")
            assert held.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.close()
            server.should_exit = True
            await served

    with ThreadPoolExecutor(1) as beside:  # the browser of an earlier test has its loop in this thread
        beside.submit(asyncio.run, asked()).result()
