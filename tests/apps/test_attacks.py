"""What somebody with a token and bad intentions sends to the routes, and a browser with a bad day."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affectml_apps.relabel.identity import Allowance
from affectml_apps.relabel.task import Options, current, open_task

from .conftest import Caller, answer_to, join, refused_for_now

fuzzed = settings(max_examples=30, derandomize=True, suppress_health_check=list(HealthCheck))


class Clock:
    """Seconds that pass when told to."""

    now = 100.0

    def __call__(self):
        return self.now


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


@pytest.mark.parametrize("leaving", ["1e300", "-1e300", "1e999", "NaN", "9" * 25, "true", "null", "[]", '"x"'])
def test_a_page_that_says_oddly_when_it_left_gives_back_its_own_images_or_none(client, task, leaving):
    items(client, 2)
    assert send(client, f'{{"leaving": {leaving}, "want": 2}}').status_code == 200
    assert task.store.progress().answered == 0
    assert len(items(client, 2)) == 2


@pytest.mark.parametrize("wish", [{"want": 0}, {"want": "x"}, {"round": 99}, {"round": None}, {"round": [[]]}])
def test_a_wrong_wish_for_images_does_not_cost_the_answers_that_came_with_it(client, task, wish):
    reply = client.say(answer_to(items(client)[0]), **wish)
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
def test_a_body_that_cannot_be_read_is_a_plain_no(client, kind):
    for body in BODIES[kind]:
        reply = send(client, body)
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
    assert len(task.store.events()) == 20
    assert len(task.store.conflicts()) == 19


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
    with task.store.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE annotator RENAME TO gone")
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
        clock = Clock()
        allowance = Allowance(burst=10, per_second=2, clock=clock)
        assert [allowance.take("ann", 4) for _ in range(3)] == [0, 0, 1]  # 2 left of 10
        assert allowance.take("bob", 10) == 0
        clock.now += 1
        assert allowance.take("ann", 4) == 0
        assert allowance.take("ann", 10) == 5
        clock.now += 1000
        assert allowance.take("ann", 11) == 0  # never more than the burst is asked for
        assert allowance.take("ann") == 1

    def test_an_outbox_of_a_thousand_answers_goes_through_at_once(self):
        allowance = Allowance(clock=Clock())
        assert [allowance.take("ann", 200) for _ in range(5)] == [0] * 5

    def test_too_many_answers_are_told_when_to_come_back_and_nothing_is_lost(self, task):
        clock = Clock()
        client = call(task, burst=3, per_second=1, clock=clock)
        given = [answer_to(item, f"e{at}") for at, item in enumerate(items(client, 5)[:3])]
        reply = send(client, {"answers": given})
        assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
        assert task.store.events().empty
        clock.now += 3
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
