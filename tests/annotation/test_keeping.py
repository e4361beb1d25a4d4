"""Backups on a schedule: when one is due, which stay, what a failure leaves, and that erasing goes through them."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest

from affectml_annotation import Answer, DatabaseAway, LabelStore, StoreError
from affectml_annotation.erasing import erase_people
from affectml_annotation.exchange.files import turn, workplace
from affectml_annotation.store import keeping, schema
from affectml_annotation.store.backup import read_backup, restore, write_backup
from affectml_annotation.store.engine import Database
from affectml_annotation.store.keeping import beyond, due, keep_backup, kept
from affectml_annotation.store.people import to_clean
from affectml_annotation.store.setup import DATASET
from affectml_annotation.study import pay, visits

from .studies import complete, label, to_images
from .tasks import at_once, by_hand, on_sqlite, refused, rows

HOUR = 3_600_000


@pytest.fixture
def store(opened, tmp_path):
    """One in which the study runs, of the data set in tmp_path/set."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "dataset.json").write_text("{}")
    store = opened()
    store.database.writing(schema.write_setting, DATASET, str(tmp_path / "set"))
    return store


@pytest.fixture
def clock(monkeypatch):
    """`clock(hours)`: for schedules it is so much later; what is stored has the time that it is."""
    moved = 0.0

    def move(hours):
        nonlocal moved
        moved += hours * HOUR

    monkeypatch.setattr(keeping, "now_ms", lambda: schema.now_ms() + round(moved))
    return move


def is_due(store) -> bool:
    return due(store, keeping.now_ms())


def paid(store) -> str:
    """Somebody who completed the study and has their money, so that nothing stays of them once they are erased."""
    who = complete(store, "SECRET-ID")
    pay.mark_paid(store, ["SECRET-ID"])
    return who


def bytes_of(store) -> bytes:
    return b"".join(path.read_bytes() for path in keeping.folder(store).rglob("*") if path.is_file())


@on_sqlite
def test_the_first_backup_is_due_an_hour_after_the_first_answer(store, clock):
    who = to_images(store, "P1")
    clock(240)
    assert not is_due(store)  # nobody answered
    label(store, who, 1)
    clock(-240)
    assert not is_due(store)
    clock(1.1)
    assert is_due(store)
    by_hand(keep_backup(store).file, "UPDATE setting SET value = '[]' WHERE key = 'backup'")
    clock(1.1)
    assert is_due(store)  # nothing can be read of the one that was made


CHANGES = [
    lambda store: label(store, to_images(store, "P2"), 1),
    lambda store: store.change_task(strategy="fill"),
    lambda store: store.invite(["ann"]),
    lambda store: pay.mark_paid(store, ["P1"]),
]


@on_sqlite
@pytest.mark.parametrize("change", CHANGES)
def test_the_next_is_due_an_hour_later_if_something_changed(store, clock, change):
    complete(store, "P1")
    keep_backup(store)
    clock(1.1)
    assert not is_due(store)
    change(store)
    assert is_due(store)
    store.change_task(backups={"hours": 48})
    assert not is_due(store)
    clock(47)
    assert is_due(store)
    store.change_task(backups={"hours": 0})
    assert not is_due(store)


@on_sqlite
def test_neither_a_backup_nor_a_failure_of_a_clock_that_was_a_year_ahead_stops_another(store, clock):
    clock(24 * 365)
    label(store, to_images(store, "P1"), 1)
    keep_backup(store)
    keeping.note_failure(store, "no room")
    ahead = kept(store)
    clock(0.5)
    assert not is_due(store)
    clock(-24 * 365 + 0.6)
    assert is_due(store)
    store.change_task(backups={"keep": 1, "days": 0})
    assert [keep_backup(store).file] == kept(store) != ahead


@on_sqlite
def test_the_oldest_goes_once_the_new_one_is_there_and_no_other_file_does(store, clock):
    label(store, to_images(store, "P1"), 1)
    store.change_task(backups={"keep": 3, "days": 0})
    first, *others = [keep_backup(store).file for _ in range(4) if clock(1) is None]
    assert kept(store) == others
    assert not first.exists()
    mine = [keeping.folder(store) / name for name in ("mine.db", "2026-01-01.db", "notes.txt")]
    for path in mine:
        path.write_text("mine")
    store.change_task(backups={"keep": 1})
    clock(1)
    made = keep_backup(store).file
    assert {*keeping.folder(store).iterdir()} == {made, *mine}
    assert {path.read_text() for path in mine} == {"mine"}


def kept_of(times, newest=24, days=7):
    """What is there in the end if a backup is made at each of these times, one after the other."""
    there = []
    for time in times:
        made = Path(f"{time:%Y-%m-%dT%H%M%SZ}.db")
        there = sorted({*there, made})
        for old in beyond(there, made, newest, days):
            there.remove(old)
        assert made in there
        assert len(there) <= newest + days
    return [path.name[:13] for path in there]


def hourly(first, hours):
    return [datetime.fromisoformat(first) + timedelta(hours=hour) for hour in range(hours)]


def test_of_a_month_of_hours_the_last_24_stay_and_before_them_the_last_of_each_of_seven_days():
    there = kept_of(hourly("2026-03-01T00:30", 24 * 30 + 10))
    assert there[:7] == [*(f"2026-03-{day}T23" for day in range(24, 30)), "2026-03-30T09"]
    assert there[7:] == [f"{time:%Y-%m-%dT%H}" for time in hourly("2026-03-30T10:30", 24)]


@pytest.mark.parametrize("off", [-24 * 3650, 24 * 365])
def test_a_clock_that_was_wrong_for_hours_takes_no_good_ones_along_and_leaves_nothing_behind(off):
    right, away = hourly("2026-03-01T00:30", 24 * 9), hourly("2026-03-10T00:30", 5)
    wrong = [time + timedelta(hours=off) for time in away]
    during = kept_of([*right, *wrong])
    as_ever = kept_of([*right, *away])
    assert [name for name in during if name < "2026-03-10" and name > "2026-03-01"] == as_ever[:-5]
    assert len(during) == len(as_ever)
    for hours in (5, 24, 100):
        again = hourly("2026-03-10T05:30", hours)
        assert kept_of([*right, *wrong, *again]) == kept_of([*right, *again])


@on_sqlite
def test_two_backups_of_one_second_have_two_names(store, monkeypatch):
    monkeypatch.setattr(keeping, "now_ms", lambda: 1_800_000_000_500)
    names = [keep_backup(store).file.name for _ in range(2)]
    assert names == ["2027-01-15T080000Z.db", "2027-01-15T080001Z.db"]


def test_the_folder_lies_beside_the_file_or_the_data_set(store, tmp_path):
    url = store.database.engine.url
    name = "labels-backups" if url.get_backend_name() == "sqlite" else f"set-{url.database}-backups"
    assert keeping.folder(store) == tmp_path / name
    with LabelStore("sqlite://") as nowhere:
        assert (keeping.folder(nowhere), kept(nowhere)) == (None, [])
        refused(StoreError, "lies beside no file and no data set: name the backup's own file", keep_backup, nowhere)


def test_a_task_from_another_machine_keeps_its_backups_beside_the_data_set_here(store, tmp_path):
    (tmp_path / "set").rename(tmp_path / "here")
    assert store.dataset is None
    store.note_dataset(tmp_path / "here")
    assert store.dataset == tmp_path / "here"
    store.note_dataset(tmp_path)  # it is known
    assert store.dataset == tmp_path / "here"
    assert keeping.folder(store).parent == tmp_path


def test_of_two_servers_at_once_one_makes_the_backup(store, opened, clock):
    label(store, to_images(store, "P1"), 1)
    clock(25)
    made = at_once(lambda own: keep_backup(own, if_due=True), [opened(), opened()])
    assert [backup.file for backup in made if backup is not None] == kept(store)
    assert len(kept(store)) == 1


def test_with_too_little_room_there_is_no_backup_the_lead_is_told_and_people_go_on(store, clock, monkeypatch):
    who = to_images(store, "P1")
    label(store, who, 1)
    clock(25)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", Mock(return_value=Mock(free=0)))
        with pytest.raises(StoreError, match="too little room for a backup: 0.0 MB are free, and twice the database"):
            keep_backup(store, if_due=True)
    assert kept(store) == []
    assert "; the last try failed: " in keeping.said(store)
    assert "too little room for a backup" in keeping.about(store)["failed"]
    assert (len(label(store, who, 1)), is_due(store)) == (1, False)  # not every minute
    clock(1.1)
    backup = keep_backup(store, if_due=True)
    last = f"{backup.file.name[:10]} {backup.file.name[11:13]}:{backup.file.name[13:15]} UTC"
    told = {"folder": str(keeping.folder(store)), "kept": 1, "last": last, "failed": None}
    assert keeping.about(store) == told


@on_sqlite
def test_a_failure_of_the_database_is_said_without_its_place(store, monkeypatch):
    elsewhere = Database("sqlite:////proc/none/labels.db")
    with monkeypatch.context() as patch:
        patch.setattr(Database, "snapshot", lambda _self: elsewhere.read())
        refused(DatabaseAway, "/proc/none", keep_backup, store)
    assert keeping.about(store)["failed"] == "the database failed; the server's own output says how"


def test_who_is_erased_is_in_no_byte_of_the_backups_and_all_else_stays_in_them(store, clock):
    complete(store, "P1")
    plain = keep_backup(store)
    who = to_images(store, "SECRET-ID", "18-29")
    label(store, who, 3)
    (claim,) = store.claim(who, 1)
    store.submit([Answer(claim.image_id, who, "flag", note="the sea at Travemuende")])
    hidden = [who.encode(), b"SECRET-ID", b"the sea at Travem"]
    clock(24)
    before = keep_backup(store)
    visits.leave(store, who)
    pay.mark_paid(store, ["SECRET-ID"])
    clock(24)
    keep_backup(store)
    assert [text for text in hidden if text in bytes_of(store)] == hidden
    erase_people([who], stores=[store])
    assert [text for text in hidden if text in bytes_of(store)] == []
    assert [read_backup(path).file for path in kept(store)] == kept(store)
    assert read_backup(plain.file) == plain  # it had nothing of them
    cleaned = read_backup(before.file)
    assert (cleaned.at, cleaned.of, cleaned.counts["event"]) == (before.at, before.of, before.counts["event"] - 4)
    with LabelStore(before.file, reads_only=True) as then:
        assert not then.database.reading(to_clean)
        assert then.judgements().equals(store.judgements())
        keys = [[row.value for row in rows(of, schema.secret) if row.name == "erasing"] for of in (then, store)]
        assert keys[0] == keys[1]


@on_sqlite
def test_what_is_owed_to_who_is_erased_is_in_backups_as_it_is_now(store, clock):
    unpaid, paid = complete(store, "P1"), complete(store, "P2")
    keep_backup(store)  # in which both are to be paid
    pay.mark_paid(store, ["P2"])
    erase_people([unpaid, paid], stores=[store])
    (backup,) = kept(store)
    with LabelStore(backup, reads_only=True) as then:
        assert [(row.person, row.amount) for row in rows(then, schema.owed)] == [("P1", 300)]
    pay.mark_paid(store, ["P1"])
    pay.forget_ids(store, by="lead")
    assert b"P1" not in backup.read_bytes()


def test_ids_that_are_forgotten_leave_the_backups_and_who_comes_back_is_known(store):
    who = complete(store, "SECRET-1")
    complete(store, "SECRET-2")
    keep_backup(store)
    pay.mark_paid(store, ["SECRET-1"])
    pay.forget_ids(store, by="lead")
    assert [number for number in (1, 2) if f"SECRET-{number}".encode() in bytes_of(store)] == [2]
    with LabelStore(kept(store)[0], reads_only=True) as then:
        people = [{row.annotator_id: row.person for row in rows(of, schema.panel)} for of in (then, store)]
        assert people[0] == people[1]
        assert who in set(then.judgements()["annotator_id"])


@on_sqlite
def test_what_a_killed_backup_or_restore_left_beside_the_database_goes_with_an_erasure(store):
    who = complete(store, "P1")
    place = keeping.folder(store)
    for left in (".kept.db.0123abcd.tmp", ".other.db.0123abcd.tmp"):
        (place.parent / left).mkdir()
        (place.parent / left / "backup.db").write_text(who)
    with workplace(place.parent / "mine.db") as held:  # of a command that runs
        erase_people([who], stores=[store])
        assert held.is_dir()
    assert not [*place.parent.glob(".*.tmp")]


@on_sqlite
def test_backups_that_cannot_be_changed_are_named_once_all_others_are_and_the_erasure_goes_on(store, clock):
    who = paid(store)
    changed, cut_off, *others = [keep_backup(store).file for _ in range(4) if clock(1) is None]
    by_hand(changed, "UPDATE annotator SET invited_at = 7")
    cut_off.write_bytes(cut_off.read_bytes()[:20_000])
    with pytest.raises(StoreError, match="the digest of annotator") as error:
        erase_people([who], stores=[store])
    assert f"what was erased may still be in {changed}, {cut_off}, and is nowhere else" in str(error.value)
    assert not [path for path in others if b"SECRET-ID" in path.read_bytes()]
    assert [read_backup(path).file for path in others] == others
    assert who not in set(store.annotators()["annotator_id"])
    assert [row.cleaned_at for row in rows(store, schema.erasure)] == [None]
    for path in (changed, cut_off):
        path.unlink()
    assert sum(erase_people([who], stores=[store]).databases.values()) == 0
    assert [row.cleaned_at for row in rows(store, schema.erasure)] != [None]


@on_sqlite
def test_a_backup_that_is_being_made_while_somebody_is_erased_is_cleaned_once_it_is_whole(store, tmp_path):
    who = paid(store)
    made = keep_backup(store).file
    made.rename(tmp_path / "whole.db")
    with ThreadPoolExecutor(1) as pool:
        with turn(made.parent / keeping.LOCK):  # as whoever makes it holds it
            erased = pool.submit(erase_people, [who], stores=[store])
            while not rows(store, schema.erasure):
                pass
            (tmp_path / "whole.db").rename(made)
        erased.result(timeout=300)
    assert b"SECRET-ID" not in made.read_bytes()


def test_an_erasure_that_was_cut_short_among_the_backups_goes_on(store, clock, monkeypatch):
    who = paid(store)
    for _ in range(3):
        keep_backup(store)
        clock(24)

    def power_cut(copy, *given, real=keeping.seal):
        if copy.name == kept(store)[1].name:
            raise KeyboardInterrupt
        real(copy, *given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(keeping, "seal", power_cut)
        erase_people([who], stores=[store])
    assert [b"SECRET-ID" in path.read_bytes() for path in kept(store)] == [False, True, True]
    assert [row.cleaned_at for row in rows(store, schema.erasure)] == [None]
    left = keeping.folder(store) / f".{kept(store)[0].name}.12345678.tmp"  # of one that was killed
    left.mkdir()
    shutil.copy(kept(store)[1], left / "copy.db")
    assert sum(erase_people([who], stores=[store]).databases.values()) == 0
    assert b"SECRET-ID" not in bytes_of(store)
    assert [path.name for path in keeping.folder(store).iterdir() if path.suffix != ".db"] == []
    assert [row.cleaned_at for row in rows(store, schema.erasure)] != [None]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_server_that_was_lost_is_restored_without_those_whom_the_backups_of_it_know_as_erased(store, tmp_path):
    who = complete(store, "P1")
    before = write_backup(store, tmp_path / "before.db")
    keep_backup(store)
    erase_people([who], stores=[store])
    where = store.database.engine.url.render_as_string(hide_password=False)
    with store.database.write() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    assert restore(before.file, where).erased == 1


def test_days_without_a_backup_take_no_place():
    times = [datetime(2026, 3, day, 12) + timedelta(minutes=minute) for day in (1, 8, 15, 22) for minute in range(2)]
    assert kept_of(times, newest=2, days=2) == ["2026-03-08T12", "2026-03-15T12", "2026-03-22T12", "2026-03-22T12"]
