"""The routes without a browser: who may call them, what they take, what they tell."""

import asyncio
import json
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from affectml_apps.relabel.identity import make_token, may_lead, read_token
from affectml_apps.relabel.preferences import change_preferences
from affectml_apps.relabel.web import make_routes
from affectml_apps.serving import Guard, only_here

HEADER = "x-relabel-token"


@pytest.fixture
def client(task):
    for who in ("ann", "bob"):
        task.store.invite([who])
        task.store.consent(who)
    app = Starlette(routes=make_routes(), middleware=[Middleware(Guard)])
    with TestClient(app, base_url="http://localhost:8501") as made:
        made.headers[HEADER] = make_token(task.secret, "ann")
        yield made


def say(client, *answers, status=200, **more):
    reply = client.post("/relabel/sync", json={"answers": list(answers), **more})
    assert reply.status_code == status, reply.text
    return reply.json()


def answer_to(item, event="e1", **changes):
    made = {"id": event, "image": item["image"], "round": item["round"], "ticket": item["ticket"], "kind": "labels"}
    return {**made, "labels": ["awe"], "base_revision": item["revision"], "seconds": 1.5, **changes}


def test_an_answer_is_acknowledged_by_its_id_and_the_next_images_come_with_it(client, task):
    first = say(client, want=3)
    assert len(first["items"]) == 3
    reply = say(client, answer_to(first["items"][0]), want=3)
    assert [(r["id"], r["status"], r["revision"]) for r in reply["receipts"]] == [("e1", "accepted", 1)]
    assert [item["image"] for item in reply["items"][:2]] == [item["image"] for item in first["items"][1:]]
    assert reply["done"] == 1
    assert task.store.judgements()["labels"].tolist() == [["awe"]]


def test_the_language_of_an_answer_is_kept_and_what_is_none_costs_no_answer(client, task):
    items = say(client, want=4)["items"]
    said = ["pt-BR", "Klingon", "de-" + "a" * 18, {"a": 1}]
    given = [answer_to(item, f"e{at}", language=said[at]) for at, item in enumerate(items)]
    assert [receipt["status"] for receipt in say(client, *given)["receipts"]] == ["accepted"] * 4
    assert task.store.judgements()["language"].fillna("none").tolist() == ["pt-BR", "none", "none", "none"]


def test_a_page_that_goes_gives_back_all_that_came_with_the_reply_it_names(client, task):
    reply = say(client, want=30)
    assert len(reply["items"]) == 30
    say(client, leaving=reply["now"])
    assert task.store.annotators().set_index("annotator_id")["claimed"]["ann"] == 0


def test_a_ticket_of_another_person_is_no_ticket(client, task):
    item = say(client)["items"][0]
    client.headers[HEADER] = make_token(task.secret, "bob")
    assert say(client, answer_to(item))["receipts"][0]["status"] == "refused"


def test_an_answer_that_comes_after_the_claim_ran_out_is_still_taken(client, task):
    item = say(client, want=1)["items"][0]
    task.store.update_settings(lease_seconds=0.001)
    say(client, want=1)  # the lease is now short
    task.store.update_settings(lease_seconds=900.0)
    assert task.store.release_expired() >= 0
    assert say(client, answer_to(item))["receipts"][0]["status"] == "accepted"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded"])
def test_a_message_of_another_type_is_turned_away(client, kind):
    assert client.post("/relabel/sync", content=b"{}", headers={"content-type": kind}).status_code == 415


@pytest.mark.parametrize("token", ["", "ann", "YW5u.0000", "!!!.x", "YW5u"])
def test_without_a_signed_token_nothing_is_told(client, token):
    client.headers[HEADER] = token
    assert client.post("/relabel/sync", json={}).status_code == 401
    assert client.get("/relabel/image", params={"id": "000000"}).status_code == 401


def test_foreign_names_and_foreign_pages_are_refused(client):
    assert client.post("/relabel/sync", json={}, headers={"host": "evil.example"}).status_code == 403
    assert client.post("/relabel/sync", json={}, headers={"origin": "http://evil.example"}).status_code == 403
    assert client.post("/relabel/sync", json={}, headers={"origin": "null"}).status_code == 403
    assert client.get("/relabel/client/main.js", headers={"host": "evil.example:8501"}).status_code == 403
    own = client.post("/relabel/sync", json={}, headers={"origin": "http://localhost:8501"})
    assert own.status_code == 200
    assert own.headers["x-frame-options"] == "DENY"


def test_a_get_takes_no_answers(client):
    assert client.get("/relabel/sync").status_code == 405


def test_images_are_served_to_those_they_were_given_to(client, task):
    given = say(client, want=2)["items"][0]["image"]
    reply = client.get("/relabel/image", params={"id": given})
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "image/png"
    assert reply.content == task.dataset.image_path(f"images/{given}.png").read_bytes()
    others = [name for name in task.store.images()["image_id"] if name != given]
    statuses = {client.get("/relabel/image", params={"id": name}).status_code for name in others}
    assert statuses == {200, 403}  # 200 for the second one only
    client.headers[HEADER] = make_token(task.secret, "bob")
    assert client.get("/relabel/image", params={"id": given}).status_code == 403


@pytest.mark.parametrize("file", ["../outside.png", "/etc/passwd", "images/page.html", "images/none.png", "a.json"])
def test_no_path_leaves_the_folder_and_only_images_are_served(client, task, file):
    given = say(client, want=1)["items"][0]["image"]
    with task.store.database.write() as connection:
        connection.exec_driver_sql("update image set file = ? where image_id = ?", (file, given))
    assert client.get("/relabel/image", params={"id": given}).status_code == 404


def test_a_tiff_is_converted_and_an_image_that_cannot_be_shown_says_why(tmp_path, demo, serve):
    root = tmp_path / "own"
    shutil.copytree(demo, root)
    made = serve(root)
    made.begin_as("ann")
    client = TestClient(Starlette(routes=make_routes()), base_url="http://localhost")
    client.headers[HEADER] = make_token(made.secret, "ann")
    one, other = (item["image"] for item in say(client, want=2)["items"])
    Image.new("RGB", (30, 20), "red").save(root / "images" / f"{one}.png", "TIFF")
    shown = client.get("/relabel/image", params={"id": one})
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
    (root / "images" / f"{other}.png").write_bytes(b"no image")
    reply = client.get("/relabel/image", params={"id": other})
    assert reply.status_code == 422
    assert reply.headers["x-relabel-problem"] == reply.json()["error"]


@pytest.mark.parametrize("name", ["..%2Ftask.py", "web.py", "%2e%2e%2fweb.py", "none.js"])
def test_only_the_client_s_files_are_served(client, name):
    assert client.get(f"/relabel/client/{name}").status_code == 404


def test_nobody_labels_before_consent_or_after_withdrawing(client, task):
    task.store.invite(["eve"])
    client.headers[HEADER] = make_token(task.secret, "eve")
    assert "agree" in say(client, status=403)["error"]
    client.headers[HEADER] = make_token(task.secret, "nobody")
    assert "invited" in say(client, status=403)["error"]
    client.headers[HEADER] = make_token(task.secret, "ann")
    item = say(client)["items"][0]
    task.store.withdraw("ann")
    assert "withdrawn" in say(client, answer_to(item), status=403)["error"]
    assert client.get("/relabel/image", params={"id": item["image"]}).status_code == 403
    assert len(task.store.events()) == 0


def test_whose_entry_is_closed_or_who_has_not_agreed_gets_no_image_either(client, task):
    item = say(client)["items"][0]
    say(client, answer_to(item))
    assert client.get("/relabel/image", params={"id": item["image"]}).status_code == 200
    assert task.store.uninvite(["ann"]) == ["ann"]
    reply = client.get("/relabel/image", params={"id": item["image"]})
    assert (reply.status_code, "closed your entry" in reply.json()["error"]) == (403, True)
    task.store.invite(["ann", "eve"])
    assert client.get("/relabel/image", params={"id": item["image"]}).status_code == 200
    client.headers[HEADER] = make_token(task.secret, "eve")
    reply = client.get("/relabel/image", params={"id": item["image"]})
    assert (reply.status_code, "agree" in reply.json()["error"]) == (403, True)


def test_the_base_path_is_respected(task):
    client = TestClient(Starlette(routes=make_routes("/deep/er/")), base_url="http://localhost")
    assert client.get("/deep/er/relabel/client/main.js").status_code == 200
    assert client.get("/relabel/client/main.js").status_code == 404


def test_checks_and_repeats_look_like_any_other_image(client, task):
    ids = task.store.images()["image_id"].tolist()
    table = {"image_id": ids[:5], "accepted": [["awe"]] * 5, "forbidden": [["fear"]] * 5}
    task.store.add_checks(pd.DataFrame(table))
    task.store.update_settings(check_rate=0.4, repeat_rate=0.3, repeat_gap=1)
    items = []
    for turn in range(20):
        items.append(say(client, want=1)["items"][0])
        say(client, answer_to(items[-1], f"e{turn}"))
    purposes = set(task.store.judgements()["purpose"])
    assert {"task", "check", "repeat"} <= purposes
    assert {frozenset(item) for item in items} == {frozenset(("image", "round", "ticket", "revision", "look"))}
    assert {item["look"] for item in items} == {"first"}


def test_the_data_set_s_own_label_is_told_only_where_the_lead_shows_it(client, task):
    task.originals = dict.fromkeys(task.store.images()["image_id"], "awe")
    assert all("original" not in item for item in say(client, want=3)["items"])
    change_preferences(task.store, show_original=True)
    assert {item["original"] for item in say(client, want=3)["items"]} == {"awe"}


def test_history_holds_one_s_own_answers_only(client, task):
    for who in ("bob", "ann"):
        client.headers[HEADER] = make_token(task.secret, who)
        item = say(client)["items"][0]
        say(client, answer_to(item, f"of-{who}", kind="none", labels=[]))
    past = say(client, history=True)["past"]
    assert [(entry["image"], entry["answer"]["kind"]) for entry in past] == [(item["image"], "none")]


class TestBlindFirst:
    """The answer is stored before any suggestion is told, and a random half never sees one."""

    @pytest.fixture
    def blind(self, client, task):
        task.suggestions = dict.fromkeys(task.store.images()["image_id"], ("sadness",))
        task.store.open_round("second")
        change_preferences(task.store, blind_first=True)
        return client

    def looks(self, client, turns):
        seen = []
        for turn in range(turns):
            item = say(client, want=2)["items"][0]
            reply = say(client, answer_to(item, f"first-{turn}"), want=2)
            second = reply["items"][0]
            seen.append((item, second))
            say(client, answer_to(second, f"second-{turn}"), want=2)
        return seen

    def test_no_suggestion_is_told_before_the_blind_answer_is_stored(self, blind):
        texts = [json.dumps(say(blind, want=12)) for _ in range(3)]
        assert not any("sadness" in text or "suggestion" in text for text in texts)

    def test_the_second_look_is_at_the_same_image_and_half_of_them_are_controls(self, blind, task):
        seen = self.looks(blind, 40)
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
        item = say(blind, want=1)["items"][0]
        say(blind, answer_to(item), want=1)
        receipt = say(blind, answer_to(item, "later", base_revision=1, labels=["sadness"]))["receipts"][0]
        assert receipt["status"] == "refused"
        assert "stands" in receipt["error"]

    def test_a_lost_reply_does_not_lose_the_second_look(self, blind):
        item = say(blind, want=1)["items"][0]
        lost = say(blind, answer_to(item), want=1)["items"][0]
        assert say(blind, want=1)["items"][0] == lost

    def test_skipped_images_get_no_second_look(self, blind):
        item = say(blind, want=1)["items"][0]
        reply = say(blind, answer_to(item, kind="skip", labels=[]), want=1)
        assert [each["look"] for each in reply["items"]] == ["first"]


def test_tokens_hold_for_one_person_and_one_task():
    token = make_token("secret", "ann")
    assert read_token("secret", token) == "ann"
    with pytest.raises(ValueError, match="not given out"):
        read_token("another", token)


def test_who_leads():
    assert may_lead("ann", ["ann"], signed_in=True, only_here=False)
    assert not may_lead("bob", ["ann"], signed_in=False, only_here=True)
    assert may_lead(None, [], signed_in=False, only_here=True)
    assert not may_lead("ann", [], signed_in=True, only_here=True)
    assert not may_lead("ann", ["ann"], signed_in=False, only_here=False)  # a name is no proof


@pytest.mark.parametrize(
    ("address", "hosts", "alone"),
    [
        ("127.0.0.1", (), True),
        ("localhost", (), True),
        ("127.0.0.1", ("label.example",), False),
        ("0.0.0.0", (), False),
    ],
)
def test_only_a_loopback_server_without_further_names_is_for_this_machine_alone(monkeypatch, address, hosts, alone):
    monkeypatch.setattr("streamlit.config.get_option", {"server.address": address}.get)
    assert only_here(hosts) is alone


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
