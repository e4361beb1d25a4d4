"""What must hold in a label database: it does, whatever people do; each invariant, broken by hand, is named alone."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from affectml_annotation import LabelStore, StoreError
from affectml_annotation.store import people, schema
from affectml_annotation.store.checking import INVARIANTS, check_store
from affectml_annotation.store.keeping import keep_backup

from .anything import Anything
from .tasks import by_hand, new_task, refused, rows


def broken(store) -> dict[str, list]:
    return {one.invariant: one.rows for one in check_store(store)}


def nothing_is_broken(anything, deeds, at_once):
    for _ in range(deeds // at_once):
        anything.do(at_once)
        assert broken(anything.store) == {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_whatever_people_do_nothing_is_broken(seed, monkeypatch, tmp_path):
    anything = Anything("sqlite://", seed, monkeypatch, tmp_path)
    nothing_is_broken(anything, 900, 300)
    assert min(anything.done[name] for name in ("conflict", "surplus", "erase", "undo", "take_in")) > 0


@pytest.mark.slow
def test_whatever_people_do_nothing_is_broken_on_postgresql(postgres_url, monkeypatch, tmp_path):
    anything = Anything(postgres_url, 0, monkeypatch, tmp_path)
    nothing_is_broken(anything, 200, 100)
    with anything.store.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE event DISABLE TRIGGER event_append_only")
    assert set(broken(anything.store)) == {"schema"}
    anything.store.close()


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A database in which something of everything was done, and one person was erased whose name was gone."""
    folder = tmp_path_factory.mktemp("used")
    with pytest.MonkeyPatch.context() as patch:
        anything = Anything("sqlite://", 5, patch, folder)
        anything.store.invite(["gone"])
        anything.store.database.writing(people.erase, "gone")
        anything.store.database.writing(people.cleaned)
        anything.do(350)
        with anything.store.database.read() as connection, closing(sqlite3.connect(folder / "used.db")) as file:
            connection.connection.driver_connection.backup(file)
    return folder / "used.db"


@pytest.fixture
def store(used, tmp_path):
    shutil.copy(used, tmp_path / "labels.db")
    with LabelStore(tmp_path / "labels.db") as opened:
        yield opened


# The first answer, in time, that somebody who is there never changed; and an image that they have not seen.
FIRST = (
    "(SELECT min(number) FROM event e WHERE status = 'accepted' AND purpose = 'task' AND kind = 'labels' "
    "AND NOT suggestions_visible AND 1 = (SELECT count(*) FROM event WHERE (annotator_id, round, image_id) = "
    "(e.annotator_id, e.round, e.image_id)) "
    "AND annotator_id IN (SELECT annotator_id FROM annotator WHERE withdrawn_at IS NULL))"
)
ANSWER = f"event_id = (SELECT event_id FROM event WHERE number = {FIRST})"
ASSIGNMENT = (
    "(annotator_id, round, position) = (SELECT annotator_id, round, position FROM event JOIN image USING (image_id) "
    f"WHERE number = {FIRST})"
)
WHO = f"(SELECT annotator_id FROM event WHERE number = {FIRST})"
NEW = f"(SELECT max(image_id) FROM image WHERE image_id NOT IN (SELECT image_id FROM event WHERE annotator_id = {WHO}))"
SAID = "annotator_id, round, kind, labels, suggestions_visible, at, received_at, base_revision, status, revision"
BY_HAND = {
    "keys": ["INSERT INTO attention_check VALUES (9999, '[]', '[]')"],
    "settings": ["UPDATE annotator SET chip_order = '[\"awe\"]' WHERE number = (SELECT max(number) FROM annotator)"],
    "people": ["INSERT INTO draft VALUES ('nobody', 1, 'i02', '{}', 1)"],
    "event.names": [
        f"INSERT INTO event (event_id, image_id, {SAID}) SELECT 'new', 'nowhere', {SAID} FROM event "
        f"WHERE number = {FIRST}",
        f"INSERT INTO answer SELECT annotator_id, round, 'nowhere', 'new', 1, 0 FROM event WHERE number = {FIRST}",
    ],
    "event.labels": [f"UPDATE event SET labels = '[\"joyfull\"]' WHERE number = {FIRST}"],
    "event.status": [f"UPDATE event SET base_revision = 1 WHERE number = {FIRST}"],
    "event.revision": [
        f"UPDATE answer SET revision = 3 WHERE {ANSWER}",
        f"UPDATE event SET revision = 3, base_revision = 2 WHERE number = {FIRST}",
    ],
    "conflict": ["DELETE FROM conflict WHERE event_id = (SELECT min(event_id) FROM conflict WHERE kept IS NOT 1)"],
    "erased": [
        "INSERT INTO annotator SELECT 'gone', 9999, 1, NULL, chip_order, NULL, NULL, NULL FROM annotator LIMIT 1"
    ],
    "erasing": [f"INSERT INTO erasing VALUES ({WHO})"],
    "answer.missing": [f"DELETE FROM answer WHERE {ANSWER}"],
    "answer.extra": [f"INSERT INTO answer SELECT {WHO}, 1, {NEW}, event_id, 1, 0 FROM event WHERE number = {FIRST}"],
    "answer.event_id": [
        "UPDATE answer SET event_id = (SELECT event_id FROM event e WHERE (annotator_id, round, image_id) = "
        "(answer.annotator_id, answer.round, answer.image_id) AND e.revision = 1) "
        "WHERE rowid = (SELECT min(rowid) FROM answer WHERE revision = 2)"
    ],
    "answer.revision": [f"UPDATE answer SET revision = 2 WHERE {ANSWER}"],
    "answer.surplus": [f"UPDATE answer SET surplus = 1 WHERE {ANSWER}"],
    "assignment.missing": [f"DELETE FROM assignment WHERE {ASSIGNMENT}"],
    "assignment.extra": [
        f"INSERT INTO assignment SELECT {WHO}, 1, position, 999, 'repeat', 0, 0, 1, 1, 1 FROM image "
        f"WHERE image_id = {NEW}"
    ],
    "assignment.place": [f"UPDATE assignment SET place = 999 WHERE {ASSIGNMENT}"],
    "assignment.purpose": [f"UPDATE assignment SET purpose = 'discussion' WHERE {ASSIGNMENT}"],
    "assignment.claimed_at": [f"UPDATE assignment SET claimed_at = 1 WHERE {ASSIGNMENT}"],
    "assignment.answered_at": [f"UPDATE assignment SET answered_at = 1 WHERE {ASSIGNMENT}"],
    "assignment.holds_slot": [f"UPDATE assignment SET holds_slot = 0 WHERE {ASSIGNMENT}"],
    "slot.missing": ["DELETE FROM slot WHERE round = 1 AND position = 2"],
    "slot.taken": ["UPDATE slot SET taken = taken + 1 WHERE round = 1 AND position = 2"],
}  # fmt: skip
NAMED = {name: ["log"] if name[:5] in ("event", "confl") else [name.partition(".")[0]] for name in BY_HAND}
# Each says the other's.
NAMED |= {"event.revision": ["log", "answer"], "answer.surplus": ["answer", "assignment"]}
NAMED |= {name: ["assignment", "slot"] for name in ("assignment.missing", "assignment.holds_slot")}


def test_every_invariant_is_broken_once(store):
    assert broken(store) == {}
    assert {name for names in NAMED.values() for name in names} | {"file", "backup", "schema"} == {*INVARIANTS}


@pytest.mark.parametrize("name", BY_HAND)
def test_what_is_broken_is_named_alone(store, name):
    assert {*by_hand(store.database.where, *BY_HAND[name])} == {1}
    found = check_store(store)
    assert [(one.invariant, one.count) for one in found] == [(named, 1) for named in NAMED[name]], found


THEIRS = "CREATE TRIGGER theirs AFTER INSERT ON event BEGIN DELETE FROM conflict; END"
OTHER_SCHEMAS = [
    ("DROP INDEX answer_by_event", "index", "answer_by_event"),
    ("DROP TRIGGER event_no_update", "trigger", "event_no_update"),
    (THEIRS, "trigger of somebody else", "theirs"),
]


@pytest.mark.parametrize(("change", "what", "name"), OTHER_SCHEMAS)
def test_an_index_or_a_guard_of_the_log_that_is_gone_and_a_trigger_of_others_are_named(store, change, what, name):
    with closing(sqlite3.connect(store.database.where)) as connection:
        connection.execute(change)
    [row] = broken(store)["schema"]
    assert row[what] == name


def test_a_damaged_file_is_named_alone(store):
    store.close()
    with closing(sqlite3.connect(store.database.where)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'assignment_by_image'").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with Path(store.database.where).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))
    assert list(broken(store)) == ["file"]


@pytest.mark.parametrize(("at", "what"), [(0, "not a database"), (100, "malformed")])
def test_whoever_reads_a_file_that_sqlite_cannot_is_told_its_newest_backup(store, at, what, run):
    file = Path(store.database.where)
    backups = [keep_backup(store).file for _ in range(2)]
    store.close()
    before = file.read_bytes()
    with file.open("r+b") as damaged:
        damaged.seek(at)
        damaged.write(bytes(500))
    way_back = f"move {file} away, and {file}-wal with it, then `affectml label backup --restore {backups[1]} {file}`"
    told = f"{what}.*it is damaged: the newest backup is {backups[1]}: {way_back}$"
    refused(StoreError, told, LabelStore, file, must_exist=True, reads_only=True)
    file.rename(file.with_name("damaged.db"))
    for beside in file.parent.glob("labels.db-*"):
        beside.unlink()
    run("label", "backup", "--restore", backups[1], file)
    assert len(before) == file.stat().st_size
    for backup in backups:
        backup.unlink()
    told = r"no backup lies beside it; `sqlite3 .*damaged.db .recover` may have some of it"
    refused(StoreError, told, LabelStore, file.with_name("damaged.db"), must_exist=True, reads_only=True)


def test_people_label_while_it_looks(store, used):
    with LabelStore(store.database.where, reads_only=True) as other, store.database.write() as connection:
        connection.execute(schema.slot.update().values(taken=schema.slot.c.taken + 1))
        assert broken(other) == {}  # not what is not done yet
        connection.rollback()


def test_the_command_says_what_it_found(store, run):
    place = store.database.where
    assert f"all {len(INVARIANTS)} invariants hold" in run("audit", "--files", place)
    by_hand(place, *BY_HAND["slot.taken"], *BY_HAND["answer.missing"])
    wrong, told = (run("audit", "--files", place, *options, code=1) for options in ([], ["--json"]))
    assert "slot: does not hold" in wrong
    assert wrong.endswith("the file and its log of answers are whole: keep it, no backup has more\n")
    assert [one["invariant"] for one in json.loads(told)["broken"]] == ["answer", "slot"]


# What the deeds drawn at random, and a look at the code for them, had found; once each.


@pytest.fixture
def task(tmp_path):
    with new_task("sqlite://", [f"i{n}" for n in range(9)], ["ann"], overlap=2, checks={"rate": 0.5}) as opened:
        yield opened


def test_a_check_that_people_are_queued_for_is_given_to_each_once(task):
    task.add_checks(pd.DataFrame({"image_id": ["i3"], "accepted": [["awe"]], "forbidden": [[]]}))
    task.enqueue(["i3"], more=2)
    given = [claim.image_id for claim in task.claim("ann", 9)]
    assert sorted(given) == [f"i{n}" for n in range(9)]


def test_an_imported_answer_of_somebody_who_withdrew_takes_no_place(task, tmp_path):
    task.withdraw("ann")
    (tmp_path / "more.csv").write_text("image_id,annotator_id,round,kind,labels\ni1,ann,1,labels,awe\n")
    task.import_file(tmp_path / "more.csv")
    assert (task.progress().answered, broken(task)) == (0, {})
    task.undo_withdrawal("ann")
    assert task.progress().answered == 1


def test_the_name_of_somebody_who_withdrew_goes_with_their_invitation(task):
    task.withdraw("ann")
    task.uninvite(["ann"])
    assert broken(task) == {}
    assert "ann" not in str(rows(task, schema.setting))
