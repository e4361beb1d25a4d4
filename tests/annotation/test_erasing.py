"""Who is erased is in no byte of the database, is owed what they were due, and does not come back."""

import subprocess
from contextlib import closing
from decimal import Decimal
from unittest.mock import Mock

import pytest
import sqlalchemy as sa

from affectml_annotation import Answer, DatabaseAway, StoreError, aggregate, krippendorff_alpha, write_judgements
from affectml_annotation.erasing import ask_for_erasure, erase_people, erasures_asked, named_by
from affectml_annotation.errors import BadImport
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.store import schema
from affectml_annotation.store.engine import Database
from affectml_annotation.store.people import ERASING, keyed, make_key
from affectml_annotation.study import door, pay, running, visits
from affectml_annotation.study.screen import return_address

from .studies import AGE, come, complete, label, open_study, to_images
from .tasks import LABELS, at_once, on_sqlite, refused, rows

NOTE = "remember the sea at Travemünde"


@pytest.fixture
def held(request, database_url, tmp_path):
    """`held()`: all that the database holds: every byte of its files, or a dump of it."""

    def held_() -> bytes:
        if database_url.startswith("sqlite"):
            return b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
        server = request.getfixturevalue("postgres")
        where = database_url.replace("postgresql+psycopg", "postgresql")
        return subprocess.run([server.programs / "pg_dump", where], capture_output=True, check=True).stdout

    return held_


def two_days_later(store) -> None:
    with store.database.write() as connection:
        connection.execute(schema.visit.update().values(ended_at=schema.visit.c.ended_at - 2 * 86_400_000))


def told(store, folder) -> list:
    """What a task says of its answers, and every file of an export of them."""
    judgements = store.judgements()
    progress = vars(store.progress()) | {"rate": None, "seconds_left": None}
    alpha = krippendorff_alpha(judgements, "masi", intervals=False).value
    write_dataset_folder(folder, Collected.of(store), {"labels": lambda table: aggregate(table, LABELS, "votes")})
    exported = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    return [judgements.to_csv(), repr(alpha), repr(progress), running.images_wanting(store).to_csv(), exported]


def test_who_is_erased_is_in_no_byte_and_all_else_is_as_without_them(opened, held, tmp_path):
    about = {"id": "about", "text": "Where did you grow up?", "kind": "text", "share": True, "required": False}
    store = opened(before={"questions": [AGE, about]})
    complete(store, "P1")
    label(store, to_images(store, "P2", about="by the sea"), labels=("awe", "fear"))
    before = told(store, tmp_path / "before")
    who = to_images(store, "SECRET-ID", "18-29", about="in Timmendorf")
    label(store, who, 3)
    store.speak(who, "hsb")
    claims = store.claim(who, 2)
    with store.database.write() as connection:  # what was kept of an answer until 0.3.0
        key = {"annotator_id": who, "round": 1, "image_id": claims[0].image_id}
        connection.execute(schema.draft.insert().values(**key, content={"note": NOTE}, saved_at=1))
    store.submit([Answer(claims[1].image_id, who, "flag", note=NOTE, language="hsb-DE")])
    store.decide(claims[1].image_id, ["awe"], by=who)
    visits.leave(store, who)
    pay.mark_paid(store, ["SECRET-ID"])
    events = store.events()["event_id"].tail(4).map(str.encode)
    hidden = [who.encode(), b"SECRET-ID", b"the sea at Travem", b"in Timmendorf", b"hsb", b"hsb-DE", *events]
    assert [text for text in hidden if text in held()] == hidden
    assert sum(erase_people([who], stores=[store]).databases.values()) == 4
    assert [text for text in hidden if text in held()] == []
    assert told(store, tmp_path / "after") == before
    assert store.decisions()["decided_by"].tolist() == [""]
    assert [(line.answers, line.cleaned_at is not None) for line in rows(store, schema.erasure)] == [(4, True)]


def test_statistics_hold_nobody_who_is_erased_and_a_reader_is_waited_for_no_longer_than_said(postgres_url):
    values = sa.text("select most_common_vals::text, histogram_bounds::text from pg_stats where schemaname = 'public'")
    with closing(open_study(postgres_url)) as store:
        complete(store, "P1")
        who = complete(store, "SECRET-ID")
        pay.mark_paid(store, ["SECRET-ID"])
        store.database.wait_at_most(1)
        with store.database.engine.connect() as reader:
            reader.exec_driver_sql("ANALYZE")
            assert "SECRET-ID" in str(reader.execute(values).all())
            with pytest.raises(DatabaseAway):
                erase_people([who], stores=[store])
        assert sum(erase_people([who], stores=[store]).databases.values()) == 0
        found = store.database.table(values).to_csv()
        assert [text for text in (who, "SECRET-ID") if text in found] == []


def test_ids_of_who_is_paid_are_forgotten_in_every_byte_and_who_comes_back_is_known(opened, held):
    store = opened(recruit={"return_to": "https://panel.example/?cc={code}&who={person}"})
    first = complete(store, "SECRET-1")
    visits.leave(store, to_images(store, "SECRET-2"))
    complete(store, "SECRET-3")
    to_images(store, "SECRET-4")
    pay.mark_paid(store, ["SECRET-1"])
    two_days_later(store)
    assert pay.forget_ids(store, by="lead")[0] == 2
    assert [number for number in range(1, 5) if f"SECRET-{number}".encode() in held()] == [3, 4]
    shown = [(row.person, row.session, row.due, row.paid) for row in pay.pay_rows(store)]
    forgotten, there = [("", None, 3, True), ("", None, 0, False)], [("SECRET-3", None, 3, False)]
    assert shown == [*forgotten, *there, ("SECRET-4", None, 0, False)]
    assert door.enter(store, door.Ids("SECRET-1")).kind == "known"
    refused(door.NotInStudy, "you have already started", door.agree, store, door.Ids("SECRET-2"), 1, ["I agree."])
    assert return_address(store, first) is None
    assert named_by(store, ["SECRET-1"]) == [first]
    erase_people([first], stores=[store])
    refused(door.NotInStudy, "was erased because you asked", door.enter, store, door.Ids("SECRET-1"))


def test_events_of_everybody_else_stay_append_only(store):
    first, second = complete(store, "P1"), complete(store, "P2")
    erase_people([first], stores=[store])
    assert set(store.events()["annotator_id"]) == {second}
    for statement in (schema.event.delete(), schema.event.update().values(note="other words")):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), store.database.write() as connection:
            connection.execute(statement)
    assert rows(store, schema.erasing) == []


@on_sqlite
def test_nobody_erased_comes_back_by_a_browser_an_import_an_invitation_or_the_same_id(store, tmp_path):
    store.invite(["ann"])
    label(store, "ann", 2)
    write_judgements(store.judgements(), tmp_path / "said.csv")
    who = to_images(store, "P1")
    (claim,) = store.claim(who, 1)
    erase_people([who, "ann"], stores=[store])
    (receipt,) = store.submit([Answer(claim.image_id, who, "labels", ("awe",))])
    assert (receipt.status, len(store.events())) == ("refused", 0)
    refused(BadImport, "'ann' was not invited", store.import_file, tmp_path / "said.csv")
    gone = "was erased from this task because they asked for it"
    refused(StoreError, gone, store.import_file, tmp_path / "said.csv", invite=True)
    refused(StoreError, gone, store.invite, ["ann"])
    for deed, *more in ((door.enter,), (door.agree, 1, ["I agree."])):
        refused(door.NotInStudy, "erased because you asked for it", deed, store, door.Ids("P1"), *more)
    assert len(store.events()) == 0
    assert door.enter(store, door.Ids("P2")).kind == "consent"


@on_sqlite
def test_who_is_erased_before_they_are_paid_is_owed_and_nothing_ties_it_to_an_answer(store, held):
    going, done = to_images(store, "P1"), complete(store, "P2-at-the-panel")
    label(store, going, 2)
    paid = complete(store, "P3")
    pay.mark_paid(store, ["P3"])
    erase_people([going, done, paid], stores=[store])
    assert {(row.person, row.status, row.due, row.by_panel) for row in pay.pay_rows(store)} == {
        ("P1", "left", Decimal("1.20"), 0),
        ("P2-at-the-panel", "completed", 3, 3),
    }
    assert pay.as_bulk(pay.pay_rows(store)) == "P1,1.20\r\n"
    assert pay.forget_ids(store, by="lead")[0] == 2  # are kept
    assert pay.mark_paid(store, ["P1", "P2-at-the-panel"]) == 2
    assert pay.pay_rows(store) == []
    assert pay.forget_ids(store, by="lead")[0] == 0
    assert b"P2-at-the-panel" not in held()


@on_sqlite
def test_who_is_forgotten_and_answers_late_is_on_no_list_without_an_id(store):
    who = to_images(store, "P1")
    (claim,) = store.claim(who, 1)
    visits.leave(store, who)
    two_days_later(store)
    pay.forget_ids(store, by="lead")
    assert store.submit([Answer(claim.image_id, who, "labels", ("joy",))])[0].status == "accepted"
    assert [(row.person, row.due) for row in pay.pay_rows(store)] == [("", Decimal("0.60"))]
    assert pay.as_bulk(pay.pay_rows(store)) == ""
    erase_people([who], stores=[store])
    assert pay.pay_rows(store) == []


@on_sqlite
def test_who_withdrew_and_is_erased_frees_no_place_twice(store):
    store.invite(["ann"])
    label(store, "ann", 3)
    store.withdraw("ann")
    erase_people(["ann"], stores=[store])
    assert [row.taken for row in rows(store, schema.slot) if row.round == 1] == [0] * 12
    assert [row.key for row in rows(store, schema.setting) if "withdrawal" in row.key] == []


def test_an_erasure_that_was_cut_short_goes_on(opened, store, held, monkeypatch):
    who = complete(store, "SECRET-ID")
    pay.mark_paid(store, ["SECRET-ID"])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # as the power is cut
        patch.setattr(Database, "rewrite", Mock(side_effect=KeyboardInterrupt))
        erase_people([who], stores=[store])
    assert [row.cleaned_at for row in rows(store, schema.erasure)] == [None]
    assert sum(erase_people([who], stores=[opened()]).databases.values()) == 0
    assert [row.cleaned_at for row in rows(store, schema.erasure)] != [None]
    assert b"SECRET-ID" not in held()


@on_sqlite
def test_a_person_asks_and_the_lead_confirms(store):
    who = come(store, "P1")
    for _ in range(2):
        ask_for_erasure(store, who)
    assert erasures_asked(store) == [who]
    refused(StoreError, "^nobody called 'nobody' in this task$", erase_people, [who, "nobody"], stores=[store])
    assert visits.where(store, who).status is None
    erase_people([who], stores=[store])
    assert erasures_asked(store) == []


def test_a_key_is_made_once_by_whoever_asks_at_once(postgres_url):
    def made(turn: int) -> bytes:
        with store.database.write() as connection:
            make_key(connection, ERASING)
        return store.database.reading(keyed, ERASING, "x")

    with closing(open_study(postgres_url)) as store:
        assert len(set(at_once(made, range(8)))) == 1
