"""The routes without a browser: who may call them, what they take, what they tell; what attacks them; and backups."""

import asyncio
import json
import os
import shutil
import socket
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pandas as pd
import pytest
import sqlalchemy as sa
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from affectml_annotation.store import keeping, schema
from affectml_annotation.store.backup import read_backup
from affectml_annotation.store.schema import write_setting
from affectml_annotation.store.setup import DATASET
from affectml_apps.relabel import backups, web
from affectml_apps.relabel.identity import Allowance, BadToken, make_token, may_lead, read_token
from affectml_apps.relabel.task import Options, current, open_task
from affectml_apps.serving import only_here

from .conftest import Caller, answer_to, change, join, refused_for_now, say

HEADER = "x-relabel-token"
fuzzed = settings(max_examples=30, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def shared(tmp_path_factory, demo):
    """One task for all fuzzing: what is stored does not matter there."""
    made = open_task(Options(dataset=demo, db=str(tmp_path_factory.mktemp("attacked") / "labels.db")))
    yield made
    made.store.close()


@pytest.fixture
def served(shared):
    current.use(shared)
    yield shared
    current.use(None)


def call(task, who="ann", **allowed):
    join(task.store, who)
    return Caller(task, who, allowance=Allowance(**allowed or {"burst": 10**9}))


@pytest.fixture
def client(task):
    join(task.store, "bob")
    return call(task)


def items(client, want=2):
    return client.say(want=want)["items"]


def send(client, text):
    """Send a body of any kind."""
    body = text if isinstance(text, bytes) else (text if isinstance(text, str) else json.dumps(text)).encode()
    return client.post("/relabel/sync", content=body, headers={"content-type": "application/json"})


def receipts(client, *answers):
    """What becomes of each answer."""
    return [receipt["status"] for receipt in client.say(*answers)["receipts"]]


def nested(depth):
    return "[" * depth + "]" * depth


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


def test_a_ticket_of_another_person_is_no_ticket(client, task):
    item = client.say()["items"][0]
    client.be("bob")
    assert client.say(answer_to(item))["receipts"][0]["status"] == "refused"


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
def test_a_request_that_is_none_of_the_page_s_own_is_turned_away(served, method, path, headers, status):
    content = {"content": b"{}"} if method == "POST" else {}
    sent = {"content-type": "application/json", **headers}
    assert call(served).request(method, path, headers=sent, **content).status_code == status


def test_a_page_of_this_machine_is_answered_and_shown_in_no_frame_and_two_hosts_are_none(served):
    client = call(served)
    for own in ("localhost:8501", "[::1]:8501"):
        reply = client.post(SYNC, json={}, headers={"host": own, "origin": f"http://{own}"})
        assert (reply.status_code, reply.headers["x-frame-options"]) == (200, "DENY")
    twice = [("host", "localhost:8501"), ("host", "evil.example"), (HEADER, client.headers[HEADER])]
    assert client.post(SYNC, content=b"{}", headers=twice).status_code == 400


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


def test_no_path_leaves_the_folder_and_only_images_are_served(client, task):
    given = client.say(want=1)["items"][0]["image"]
    for file in ("../outside.png", "/etc/passwd", "images/page.html", "images/none.png", "a.json"):
        change(task.store, schema.image.update().values(file=file).where(schema.image.c.image_id == given))
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
    for who in ("eve", "nobody"):
        client.be(who)
        assert "agree" in refused()
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
    keys = ("image", "look", "revision", "round", "ticket")
    assert {(*sorted(item), item["look"]) for item in items} == {(*keys, "first")}


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


# What somebody with a token and bad intentions sends, and a browser with a bad day


# an answer's fields as they stand in JSON, and what the refusal names
NEVER = {
    "half a surrogate pair in the note": ({"note": r'"x\ud83d"'}, "note: holds a character"),
    "a NUL in the note": ({"note": r'"x\u0000"'}, "note: holds a character"),
    "half a surrogate pair in a label": ({"labels": r'["\ud83d"]'}, "labels.0: holds a character"),
    "base_revision 10^30": ({"base_revision": "1" + "0" * 30}, "base_revision"),
    "base_revision negative": ({"base_revision": "-1"}, "base_revision"),
    "base_revision unknown": ({"base_revision": "7"}, "never given out"),
    "base_revision text": ({"base_revision": '"0"'}, "base_revision"),
    "base_revision null": ({"base_revision": "null"}, "base_revision"),
    "base_revision true": ({"base_revision": "true"}, "base_revision"),
    "at before clocks were set": ({"at": "1000000"}, "at:"),
    "at 1e300": ({"at": "1e300"}, "at:"),
    "at in the future": ({"at": "4e9"}, "future"),
    "seq of 200 kB": ({"seq": '"' + "x" * 200_000 + '"'}, "seq"),
    "seq NaN": ({"seq": "NaN"}, "seq"),
    "seq negative": ({"seq": "-4"}, "seq"),
    "seconds Infinity": ({"seconds": "Infinity"}, "seconds"),
    "seconds 1e999": ({"seconds": "1e999"}, "seconds"),
    "seconds negative": ({"seconds": "-1"}, "seconds"),
    "seconds text": ({"seconds": '"3"'}, "seconds"),
    "input an object": ({"input": '{"keys": 1}'}, "input"),
    "input of 100 kB": ({"input": '"' + "x" * 100_000 + '"'}, "input"),
    "input lists in lists": ({"input": nested(400)}, "input"),
    "a label that is none": ({"labels": '["joyfull"]'}, "joyfull"),
    "a label of 200 kB": ({"labels": '["' + "a" * 200_000 + '"]'}, "labels.0"),
    "labels that are none": ({"labels": "[]"}, "0 labels"),
    "labels that are text": ({"labels": '"awe"'}, "labels"),
    "a note too long": ({"note": '"' + "x" * 2001 + '"'}, "2000"),
    "a flag without a note": ({"flag": "true"}, "note"),
    "a flag of before without a note": ({"kind": '"flag"', "labels": "[]"}, "note"),
    "a flag that is a text": ({"flag": '"yes"'}, "flag"),
    "another kind": ({"kind": '"shrug"', "labels": "[]"}, "shrug"),
    "valence 2": ({"valence": "2"}, "valence"),
    "intensities of 9": ({"intensities": "[9]"}, "intensities"),
    "a forged ticket": ({"ticket": '"0"'}, "was not given"),
    "another round": ({"round": "7"}, "was not given"),
    "another image": ({"image": '"../../etc/passwd"'}, "was not given"),
}


@pytest.mark.parametrize("name", NEVER)
def test_what_can_never_be_stored_is_refused_with_its_reason_and_the_rest_of_the_batch_is_stored(served, name):
    raw, why = NEVER[name]
    good, client = f"good-{[*NEVER].index(name)}", call(served)
    one, other = items(client)
    before = len(served.store.events())
    fields = {key: json.dumps(value) for key, value in answer_to(one, "bad").items()} | raw
    bad = ", ".join(f'"{key}": {text}' for key, text in fields.items())
    reply = send(client, f'{{"answers": [{{{bad}}}, {json.dumps(answer_to(other, good))}], "want": 1}}')
    assert reply.status_code == 200, reply.text
    first, second = reply.json()["receipts"]
    assert (first["status"], second["status"]) == ("refused", "accepted"), first
    assert why in first["error"]
    assert len(first["error"]) < 500
    assert served.store.events()["event_id"].tolist()[before:] == [good]


def test_an_id_of_the_wrong_form_is_refused_in_its_place(client):
    given = items(client)[0]
    for event in ("", " ", "a b", "ä", "x" * 65, 7, None, ["a"], {"a": 1}, "\x00", "\ud800"):
        (bad,) = send(client, {"answers": [answer_to(given, event)]}).json()["receipts"]
        assert (bad["status"], bad["error"][:3]) == ("refused", "id:"), event


def test_a_wrong_wish_for_images_does_not_cost_the_answers_that_came_with_it(client):
    for at, wish in enumerate(({"want": 0}, {"want": "x"}, {"round": 99}, {"round": None}, {"round": [[]]})):
        reply = client.say(answer_to(items(client)[0], f"e{at}"), **wish)
        assert [receipt["status"] for receipt in reply["receipts"]] == ["accepted"]
        assert next(iter(wish)) in reply["problem"]
        client.say(status=400, **wish)


BODIES = {
    "no message": (b"", b"{", b"[]", b"null", b"\xff", b"not json"),
    "no wish": (b'{"want": 1000}', b'{"want": NaN}', b'{"want": 1e999}', b'{"round": true}', b'{"round": 99}'),
    "no answers": (b'{"answers": 3}', b'{"answers": {}}'),
    "a number too long": (b'{"want": ' + b"9" * 6000 + b"}", b'{"answers": [{"seq": ' + b"9" * 6000 + b"}]}"),
    "too deep": (nested(200_000).encode(), b"[" * 900_000, b'{"answers": [' + b'{"x":' * 90_000 + b"1" + b"}" * 90_000),
    "too much": (b'{"answers": [' + b"1," * 600 + b"1]}", b'{"x": "' + b"x" * 1_000_001 + b'"}'),
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_cannot_be_read_is_a_plain_no(served, kind):
    for body in BODIES[kind]:
        reply = send(call(served), body)
        assert reply.status_code == (413 if kind == "too much" else 400)
        assert reply.json()["error"]


def test_a_batch_of_five_hundred_bad_answers_has_five_hundred_receipts(client):
    given = [None, 7, "x", [], {}, {"id": "a"}, {"id": "b", "image": "\x00"}] * 71
    assert receipts(client, *given) == ["refused"] * len(given)


def test_sixty_answers_at_once_to_one_image_leave_twenty(task):
    client = call(task)
    (item,) = items(client, 1)
    with ThreadPoolExecutor(16) as pool:
        statuses = pool.map(lambda number: receipts(client, answer_to(item, f"e{number}"))[0], range(60))
    assert sorted(set(statuses)) == ["accepted", "conflict", "refused"]
    assert (len(task.store.events()), len(task.store.conflicts())) == (20, 19)


def test_one_id_from_two_people_at_once_is_one_answer_and_one_refusal(task):
    ann, bob = call(task), call(task, "bob")
    given = [answer_to(items(client, 1)[0], "the-same") for client in (ann, bob)]
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(receipts, (ann, bob), given)) == [["accepted"], ["refused"]]


def test_what_the_database_driver_cannot_take_is_refused_alone(client, task, monkeypatch):
    """The route's own checks are one wall; behind it no error of a driver blocks the answers beside."""
    submit = task.store.submit

    def brittle(answers):
        if any(answer.event_id == "bad" for answer in answers):
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        return submit(answers)

    monkeypatch.setattr(task.store, "submit", brittle)
    one, other = items(client)
    bad, good = client.say(answer_to(one, "bad"), answer_to(other, "good"))["receipts"]
    assert (bad["status"], good["status"]) == ("refused", "accepted")
    assert "OverflowError" in bad["error"]


def test_a_full_disk_refuses_nothing(client, task):
    item = items(client)[0]

    def full(connection, *_):
        connection.execute("PRAGMA max_page_count = 1")  # as many as there are

    sa.event.listen(task.store.database.engine, "checkout", full)
    given = [answer_to(item, f"e{at}", note="x" * 2000) for at in range(20)]
    refused_for_now(send(client, {"answers": given}))


def test_a_locked_database_refuses_nothing_and_shows_images(client, task):
    item = items(client)[0]
    task.store.database.wait_at_most(0.1)
    with closing(sqlite3.connect(task.store.database.where, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused_for_now(send(client, {"answers": [answer_to(item)]}))
        assert client.image(item["image"]).status_code == 200
    assert receipts(client, answer_to(item)) == ["accepted"]


def test_a_damaged_database_is_the_server_s_fault_and_its_place_the_server_s_secret(client, task):
    item = items(client)[0]
    change(task.store, sa.text("ALTER TABLE annotator RENAME TO gone"))
    for reply in (send(client, {"answers": [answer_to(item)]}), client.image(item["image"])):
        assert (reply.status_code, set(reply.json())) == (500, {"error"})
        assert not [secret for secret in ("labels.db", "annotator") if secret in reply.text]


@given(st.binary(max_size=40).filter(lambda text: b"\n" not in text and b"\r" not in text))
@fuzzed
def test_no_host_origin_token_or_image_breaks_the_server(served, text):
    client = call(served)
    for header in ("host", "origin", "x-relabel-token", "content-type", "content-length"):
        reply = client.post("/relabel/sync", content=b"{}", headers={header: text})
        assert reply.status_code < 500, header
    assert client.image(text).status_code == 403


plain = st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats() | st.text(
    st.characters(codec=None, exclude_categories=()), max_size=20
)  # fmt: skip
anything = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("id", "image", "round", "ticket", "kind", "labels", "base_revision", "seconds", "seq", "at", "note", "input",
          "intensities", "valence", "arousal", "more")  # fmt: skip


# Never a 500; a receipt for each answer wherever there is a list of answers.


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), anything, max_size=4), max_size=4), st.integers(0, 2**40))
@fuzzed
def test_answers_with_any_values_in_their_fields(served, changes, number):
    client = call(served)
    (item,) = items(client, 1) or [{"image": "000001", "round": 1, "ticket": "", "revision": 0}]
    given = [answer_to(item, f"e{number}-{at}") | changed for at, changed in enumerate(changes)]
    reply = send(client, {"answers": given})
    assert reply.status_code == 200, reply.text
    assert len(reply.json()["receipts"]) == len(given)
    assert all(receipt["error"] for receipt in reply.json()["receipts"] if receipt["status"] == "refused")


class TestAllowance:
    def test_a_bucket_by_hand(self):
        now = [100.0]
        allowance = Allowance(burst=10, per_second=2, clock=lambda: now[0])
        assert [allowance.take("ann", 4) for _ in range(3)] == [0, 0, 1]  # 2 left of 10
        assert allowance.take("bob", 10) == 0
        now[0] += 1
        assert [allowance.take("ann", count) for count in (4, 10)] == [0, 5]
        now[0] += 1000
        assert [allowance.take("ann", count) for count in (11, 1)] == [0, 1]  # never more than the burst is asked for
        outbox = Allowance(clock=lambda: now[0])
        assert [outbox.take("ann", 200) for _ in range(5)] == [0] * 5  # of a thousand answers at once

    def test_too_many_answers_are_told_when_to_come_back_and_nothing_is_lost(self, task):
        now = [100.0]
        client = call(task, burst=3, per_second=1, clock=lambda: now[0])
        given = [answer_to(item, f"e{at}") for at, item in enumerate(items(client, 5)[:3])]
        reply = send(client, {"answers": given})
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
        assert task.store.events().empty
        now[0] += 3
        client.say(*given)
        assert len(task.store.events()) == 3


@given(anything)
@fuzzed
def test_any_json(served, message):
    client = call(served)
    for body in (message, {"answers": message}, {"answers": [message]}, {"want": message, "round": message}):
        reply = send(client, body)
        assert reply.status_code in (200, 400, 413), reply.text
        if isinstance(body, dict) and isinstance(body.get("answers"), list):
            assert len(reply.json()["receipts"]) == len(body["answers"])


@given(st.binary(max_size=200) | st.text('[]{}":,\\0129eE.-+ntfNI ud8', max_size=80).map(str.encode))
@fuzzed
def test_any_bytes(served, body):
    reply = send(call(served), body)
    assert reply.status_code in (200, 400), reply.text


# Backups that are due are made in a process of their own, and the lead is told why one could not be


@pytest.fixture
def answered(task):
    """A task with an answer, of which a backup is due at once."""
    task.store.invite(["ann"])
    say(task.store, "ann", 1, task.file.labels[0])
    task.store.change_task(backups={"hours": 1e-6})
    return task


def program(path, *lines):
    """A program of these lines of the shell; its path."""
    path.write_text("\n".join(("#!/bin/sh", *lines)))
    path.chmod(0o755)
    return str(path)


def serve_until(task, done):
    """Serve the task as the server does, until `done`; other requests are answered meanwhile."""

    async def serve():
        async with web.lifespan(task, None):
            while not done():
                await asyncio.sleep(0.01)

    with ThreadPoolExecutor(1) as thread:  # this one may have the loop of a browser
        thread.submit(asyncio.run, asyncio.wait_for(serve(), 300)).result()


def test_a_server_makes_the_backup_that_is_due_and_none_that_is_not(answered, monkeypatch):
    monkeypatch.setattr(backups, "SECONDS", 0.01)
    store = answered.store
    serve_until(answered, lambda: keeping.kept(store))
    (made,) = keeping.kept(store)
    assert read_backup(made).counts["event"] == 1
    serve_until(answered, iter([False] * 20 + [True]).__next__)
    assert keeping.kept(store) == [made]


def test_a_process_that_ends_without_a_word_is_told_to_the_lead(answered, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", program(tmp_path / "killed", "kill -9 $$"))
    serve_until(answered, lambda: keeping.about(answered.store)["failed"])
    assert keeping.about(answered.store)["failed"] == "the process that makes it ended with exit code -9"


def test_a_server_that_ends_ends_the_process_that_makes_a_backup(answered, monkeypatch, tmp_path):
    number = tmp_path / "number"
    slow = program(tmp_path / "slow", f"echo $$ > {number}.new", f"mv {number}.new {number}", "exec sleep 600")
    monkeypatch.setattr(sys, "executable", slow)
    serve_until(answered, number.exists)
    with pytest.raises(ProcessLookupError):
        while True:
            os.kill(int(number.read_text()), 0)


def test_a_page_notes_where_the_data_set_of_a_moved_task_is(serve, tmp_path, demo):
    elsewhere = str(tmp_path / "moved.db")
    before = serve(db=elsewhere).store
    before.database.writing(write_setting, DATASET, "/of/another/machine")
    assert (before.dataset, serve(db=elsewhere).store.dataset) == (None, demo.resolve())
