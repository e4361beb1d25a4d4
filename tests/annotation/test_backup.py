"""A backup holds all of one moment, says so, and comes back on either engine."""

import json
import resource
import shutil
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event

import pandas as pd
import pytest
import sqlalchemy as sa

from affectml_annotation import Answer, BadExport, DatabaseAway, LabelStore, StoreError
from affectml_annotation.erasing import erase_people
from affectml_annotation.store import backup, schema
from affectml_annotation.store.backup import noted, read_backup, restore, write_backup
from affectml_annotation.store.checking import check_store
from affectml_annotation.store.keeping import keep_backup
from affectml_annotation.store.migrations import MIGRATIONS, version_of
from affectml_annotation.study import door, pay, visits

from .studies import complete, label, open_study, to_images
from .tasks import by_hand, new_task, refused, rows

SAYS_NOTHING = "what the backup says of itself cannot be read"


def in_use(url) -> LabelStore:
    """A store with something in every table that people fill, awkward values among them."""
    store = open_study(url)
    complete(store, "P1")
    who = to_images(store, "P2")
    label(store, who, 2, labels=("awe", "fear"))
    store.invite(["ann"], {"ann": {"age": 30.0}})
    first, second = store.claim("ann", 2)
    said = Answer(first.image_id, "ann", "labels", ("joy",), note='"Ä\n\u2028\x01', valence=0.1 + 0.2, seconds=3.0)
    sure = Answer(second.image_id, "ann", "labels", ("awe", "joy"), intensities=(1.0, 1e-300))
    assert [receipt.error for receipt in store.submit([said, sure])] == [None, None]
    of_before_0_3_0 = {"annotator_id": "ann", "round": 1, "image_id": first.image_id, "content": {"note": "half"}}
    store.decide(first.image_id, ["joy"], by="lead")
    with store.database.write() as connection:
        connection.execute(schema.draft.insert().values(**of_before_0_3_0, saved_at=1))
        for question, value in (("whole", 3.0), ("part", 0.1), ("many", 12345678901234567890), ("text", "3")):
            row = {"annotator_id": who, "question": question, "value": value, "at": 1}
            connection.execute(schema.questionnaire.insert().values(row))
    return store


@pytest.fixture(scope="module")
def templates(tmp_path_factory, new_postgres):
    """Databases that are copied: `used` of each engine, and `small`."""
    folder = tmp_path_factory.mktemp("templates")
    in_use(folder / "used.db").close()
    with open_study(str(folder / "small.db")) as store:
        complete(store, "P1")
        label(store, to_images(store, "P2"), 2)
    with new_postgres() as url:
        in_use(url).close()
        yield folder, sa.make_url(url).database


@pytest.fixture(params=["sqlite", "postgresql"])
def used(request, templates, tmp_path, new_postgres):
    folder, on_server = templates
    if request.param == "sqlite":
        with LabelStore(shutil.copy(folder / "used.db", tmp_path / "labels.db")) as store:
            yield store
    else:
        with new_postgres(on_server) as url, LabelStore(url) as store:
            yield store


@pytest.fixture
def small(templates, tmp_path):
    """One on SQLite, where it does not matter which engine it is."""
    with LabelStore(shutil.copy(templates[0] / "small.db", tmp_path / "small.db")) as store:
        yield store


def test_a_backup_is_one_file_that_every_command_reads_and_nobody_else_may(used, tmp_path):
    made = write_backup(used, tmp_path / "kept" / "out.db")
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    refused(StoreError, "is a backup, which stays as it is; `affectml label backup --restore", LabelStore, made.file)
    assert read_backup(made.file) == made
    assert (made.counts["event"], len(used.events())) == (9, 9)
    with LabelStore(made.file, must_exist=True, reads_only=True) as kept:
        pd.testing.assert_frame_equal(kept.judgements(), used.judgements())
        assert write_backup(kept, tmp_path / "again.db").digests == made.digests
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["out.db"]


def test_a_backup_that_is_there_is_kept_and_nothing_else_is_written_over(used, tmp_path):
    first = write_backup(used, tmp_path / "out.db")
    refused(BadExport, "exists already", write_backup, used, first.file)
    complete(used, "P3")
    second = write_backup(used, first.file, replace=True)
    assert second.counts["event"] == first.counts["event"] + 5
    (kept,) = tmp_path.glob("out.replaced-*.db")
    assert read_backup(kept).digests == first.digests
    with closing(LabelStore(tmp_path / "other.db")) as other, pytest.raises(StoreError, match="is no backup"):
        write_backup(used, other.database.where, replace=True)
    refused(StoreError, "is no backup, and is not written over; name another file", write_backup, used, tmp_path)


CHANGED = [
    ("UPDATE event SET note = 'other' WHERE number = 1", "damaged backup: the digest of event is [0-9a-f]{64}, "),
    ("DELETE FROM image WHERE position = 11", "image has 11 rows, and had 12; the digest of image is"),
    ("UPDATE secret SET value = 'ab'", "the digest of secret is"),
    ("UPDATE setting SET value = '{}' WHERE key = 'backup'", SAYS_NOTHING),
    ("UPDATE setting SET value = replace(hex(zeroblob(9999)), '00', '[') WHERE key = 'backup'", SAYS_NOTHING),
    ("DELETE FROM setting WHERE key = 'backup'", "no backup, or a damaged one"),
    ("UPDATE annotator SET attributes = ''", "the database cannot be read"),
    ("UPDATE annotator SET attributes = x'ff'", "cannot be read .*; it is damaged"),
    ("DROP TABLE panel", "panel has 0 rows, and had 2"),
]


@pytest.mark.parametrize(("change", "said"), CHANGED)
def test_a_backup_that_was_changed_is_refused_by_the_table_and_both_figures(small, tmp_path, change, said):
    made = write_backup(small, tmp_path / "out.db")
    by_hand(made.file, change)
    refused(StoreError, said, read_backup, made.file)
    with LabelStore(made.file, reads_only=True) as store:
        named = "backup" in {one.invariant for one in check_store(store)}
    assert named == ("DELETE FROM setting" not in change)


OTHER_TRIGGERS = [
    ("CREATE TRIGGER theirs AFTER DELETE ON setting BEGIN DELETE FROM answer; END", r"setting theirs\)"),
    ("DROP TRIGGER event_no_delete", r"event event_no_delete\)"),
]


@pytest.mark.parametrize(("change", "said"), OTHER_TRIGGERS)
def test_a_backup_with_other_triggers_than_ours_is_never_restored(small, tmp_path, change, said):
    made = write_backup(small, tmp_path / "out.db")
    with closing(sqlite3.connect(made.file)) as raw, raw:
        raw.execute(change)
    refused(StoreError, said, restore, made.file, tmp_path / "new.db")
    assert [path.name for path in tmp_path.glob("*new*")] == []


def test_it_goes_from_sqlite_to_postgresql_and_back_with_the_same_digests(used, postgres_url, tmp_path):
    first = write_backup(used, tmp_path / "1.db")
    last, places = first, [postgres_url, tmp_path / "again.db"]
    if used.database.dialect == "postgresql":
        places.remove(postgres_url)
    for number, place in enumerate(places, start=2):
        done = restore(last.file, place)
        with LabelStore(place, must_exist=True) as store:
            last = write_backup(store, tmp_path / f"{number}.db")
            assert done.counts == last.counts == first.counts
            assert (done.digest, last.digests) == (first.digests["event"], first.digests)
            for told in (LabelStore.events, LabelStore.judgements, LabelStore.annotators, LabelStore.decisions):
                pd.testing.assert_frame_equal(told(store), told(used))
            complete(store, "P9")  # work goes on in it
            store.decide("i03", ["joy"], by="lead")
            erase_people(["ann"], stores=[store])
            assert store.events()["annotator_id"].nunique() == 3
            with pytest.raises(Exception, match="append-only"), store.database.write() as connection:
                connection.execute(schema.event.delete())


def test_no_password_is_said_wherever_it_stands_in_the_address(small, postgres_url, tmp_path, run):
    made = write_backup(small, tmp_path / "out.db")
    address = f"{postgres_url.replace('//postgres@', '//postgres:pwone@')}&password=pwtwo"
    restoring = ("label", "backup", "--restore", made.file, address)
    said = run(*restoring, "--json") + run("label", "status", "--db", address, "--json") + run(*restoring, fails=True)
    assert [word in said for word in ("postgres:***@", "pwone", "pwtwo")] == [True, False, False]


GOLDEN = sorted((Path(__file__).resolve().parents[1] / "golden").glob("*/*/labels.db"))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: "-".join(file.parts[-3:-1]))
def test_a_backup_of_an_earlier_version_is_restored_with_the_newest_schema(file, postgres_url, tmp_path):
    with LabelStore(shutil.copy(file, tmp_path / "labels.db"), must_exist=True, reads_only=True) as old:
        made = write_backup(old, tmp_path / "out.db")
        events, settings = old.events(), old.task
    with LabelStore(made.file, reads_only=True) as kept:
        assert not check_store(kept)
    assert (tmp_path / "labels.db").read_bytes() == file.read_bytes()
    for place in (tmp_path / "new.db", postgres_url) if "0.2.0" in file.parts else (tmp_path / "new.db",):
        restore(made.file, place)
        with LabelStore(place, must_exist=True) as store:
            pd.testing.assert_frame_equal(store.events(), events)
            assert store.task == settings
            assert store.database.reading(version_of) == len(MIGRATIONS)
            assert store.database.reading(schema.read_setting, "task") is None


# Beside those who answer


def test_what_stands_in_the_log_beside_the_file_is_in_a_backup_and_not_in_a_copy(small, tmp_path):
    complete(small, "P3")
    with LabelStore(shutil.copy(small.database.where, tmp_path / "copy.db")) as copy:
        assert len(copy.events()) == 7
    assert write_backup(small, tmp_path / "out.db").counts["event"] == len(small.events()) == 12


def test_who_answers_while_a_backup_is_made_waits_for_nothing_and_is_not_in_it(used, tmp_path, monkeypatch):
    other, seen = LabelStore(used.database.engine.url.render_as_string(hide_password=False)), len(used.events())
    other.database.wait_at_most(1)
    read, claim = backup.tables, used.claim("ann", 20)[0]

    def answered(connection):
        if len(other.events()) == seen:  # the source is being read: once
            assert other.submit([Answer(claim.image_id, "ann", "none")])[0].status == "accepted"
        return read(connection)

    monkeypatch.setattr(backup, "tables", answered)
    made = write_backup(used, tmp_path / "out.db")
    assert (made.counts["event"], len(used.events())) == (seen, seen + 1)
    other.close()


def test_backups_made_while_several_answer_are_each_of_one_moment(opened, tmp_path):
    opened(images=40, overlap=3, images_per_person=30)
    done = Event()

    def answers(person):
        store = opened()
        who = to_images(store, person)
        while not done.is_set() and label(store, who, 1):
            pass

    with ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(answers, f"P{n}") for n in range(3)]
        try:
            made = [write_backup(opened(), tmp_path / f"{number}.db") for number in range(3)]
        finally:
            done.set()
        for each in busy:
            each.result()
    events = [each.counts["event"] for each in made]
    assert events == sorted(events)
    for each in made:
        with LabelStore(each.file, reads_only=True) as store:
            assert check_store(store) == []  # as many places are taken as are held, and every answer has its event
            assert each.counts["answer"] == each.counts["event"] == len(store.judgements())


# Places that are taken, and disks that are full


def test_a_label_database_is_replaced_where_it_is_said_and_nobody_has_it_open(small, tmp_path):
    made = write_backup(small, tmp_path / "out.db")
    where = Path(small.database.where)
    complete(small, "P3")
    (tmp_path / "theirs.db").write_bytes(b"")
    by_hand(tmp_path / "theirs.db", "CREATE TABLE theirs (x)")
    for name in ("theirs.db", "."):
        refused(StoreError, "is no label database, and is not", restore, made.file, tmp_path / name, replace=True)
    shutil.copy(f"{where}-wal", tmp_path / "gone.db-wal")
    refused(StoreError, "holds answers of a database that is not here any", restore, made.file, tmp_path / "gone.db")
    assert {path.name for path in tmp_path.glob("*.db")} == {"small.db", "out.db", "theirs.db"}
    refused(StoreError, "small.db exists already; --replace", restore, made.file, where)
    locked = "cannot be replaced .database is locked.: end the programs that have it open"
    refused(StoreError, locked, restore, made.file, where, replace=True)
    assert len(small.events()) == 12
    small.close()
    (link := tmp_path / "link.db").symlink_to("small.db")  # what it leads to is replaced
    done = restore(made.file, link, replace=True)
    assert (done.digest, link.is_symlink()) == (made.digests["event"], True)
    assert [*tmp_path.glob("*.replaced-*")] == [done.kept]
    with LabelStore(done.kept) as kept, LabelStore(where) as now:
        assert (len(kept.events()), len(now.events())) == (12, 7)


def test_a_database_on_a_server_is_whole_or_untouched(small, postgres_url, tmp_path, monkeypatch):
    made = write_backup(small, tmp_path / "out.db")
    copies, of = [], backup.tally_of

    def cut_short(connection):
        if connection.dialect.name == "sqlite":
            return of(connection)
        copies.extend(tmp_path.glob(".out.db.????????.tmp/restored.db"))
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(backup, "tally_of", cut_short)  # all is written, and not compared yet
        restore(made.file, postgres_url)
    assert [copy.exists() for copy in copies] == [False]  # it lay beside the backup
    with LabelStore(postgres_url) as store:
        assert not store.has_task
        assert rows(store, schema.event) == rows(store, schema.image) == []
    assert restore(made.file, postgres_url).digest == made.digests["event"]
    refused(StoreError, "holds a task already", restore, made.file, postgres_url)


def test_a_full_disk_leaves_what_was_there(used, tmp_path):
    made = write_backup(used, tmp_path / "out.db")
    before = sorted(tmp_path.rglob("*"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
        refused(DatabaseAway, "more.db.*: the database cannot be written", write_backup, used, tmp_path / "more.db")
        refused(DatabaseAway, "out.db.*: the database cannot be written", write_backup, used, made.file, replace=True)
        refused(OSError, "File too large: .*new.db", restore, made.file, tmp_path / "new.db")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sorted(tmp_path.rglob("*")) == before


def test_of_a_damaged_backup_the_newest_other_is_named(small):
    backups = [keep_backup(small).file for _ in range(3)]
    by_hand(backups[2], "UPDATE secret SET value = 'ab'")
    refused(StoreError, f"the digest of secret .*; the newest other backup is {backups[1]}$", read_backup, backups[2])
    backups[2].write_bytes(b"no database")
    refused(StoreError, f"a damaged one; the newest other backup is {backups[1]}$", noted, backups[2])


# People who were erased since

HIDDEN = [b"SECRET-1", b"SECRET-2", b"SECRET-3", b"the sea at Travem"]


@pytest.fixture(scope="module")
def with_erasures(tmp_path_factory):
    """A task of which out.db is a backup, and what came after it.

    SECRET-1, ann and SECRET-3, who came later, were erased; SECRET-2 is paid, and their id forgotten.
    """
    folder = tmp_path_factory.mktemp("erasures")
    with open_study(str(folder / "task.db"), overlap=4) as store:
        first, left = complete(store, "SECRET-1"), to_images(store, "SECRET-2")
        store.invite(["ann"])
        (claim,) = store.claim("ann", 1)
        store.submit([Answer(claim.image_id, "ann", "flag", note="the sea at Travem\u00fcnde")])
        visits.leave(store, left)
        made = write_backup(store, folder / "out.db")
        assert [name in made.file.read_bytes() for name in HIDDEN] == [True, True, False, True]
        later = complete(store, "SECRET-3")
        pay.mark_paid(store, ["SECRET-2", "SECRET-3"])
        erase_people([first, "ann", later], stores=[store])
        pay.forget_ids(store, by="lead")
    return folder


@pytest.fixture
def task(with_erasures, tmp_path):
    shutil.copytree(with_erasures, tmp_path, dirs_exist_ok=True)
    with LabelStore(tmp_path / "task.db") as store:
        yield store


@pytest.mark.parametrize("to", ["itself", "beside its backups", "a server"])
def test_who_was_erased_since_a_backup_is_not_in_what_is_restored(task, to, tmp_path, request):
    where, others = Path(task.database.where), []
    if to == "beside its backups":
        (tmp_path / "new-backups").mkdir()
        write_backup(task, tmp_path / "new-backups" / "2026-01-02T030405Z.db")
        where = tmp_path / "new.db"
    elif to == "a server":
        where, others = request.getfixturevalue("postgres_url"), [where]
    task.close()
    done = restore(tmp_path / "out.db", where, erased=others, replace=True)
    assert (done.erased, done.counts["event"]) == (2, 0)
    if to != "a server":
        held = Path(where).read_bytes()
        assert [name in held for name in HIDDEN] == [True, False, False, False]  # due something, as before
    with LabelStore(where) as store:
        for person in ("SECRET-1", "SECRET-3"):
            refused(door.NotInStudy, "erased because you asked", door.enter, store, door.Ids(person))
        assert door.enter(store, door.Ids("SECRET-2")).kind == "known"
        refused(StoreError, "was erased from this task", store.invite, ["ann"])
        assert [row.cleaned_at is not None for row in rows(store, schema.erasure)] == [True] * 3
        assert [row.person for row in pay.pay_rows(store) if row.person] == ["SECRET-1"]


@pytest.mark.parametrize("at", ["out.db", "by-hand/out.db", "task-backups/2026-01-02T030405Z.db", "far/away/out.db"])
def test_without_a_word_nobody_comes_back_by_a_restore_into_a_new_place(task, at, tmp_path, run):
    task.close()
    made = tmp_path / at
    made.parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out.db").rename(made)
    (tmp_path / "new").mkdir()
    said = run("label", "backup", "--restore", made, tmp_path / "new" / "again.db", beside=True)
    with LabelStore(tmp_path / "new" / "again.db") as store:
        there = {row.person for row in rows(store, schema.panel)}
    if "far" in at:
        assert {"SECRET-1", "SECRET-2"} <= there
        assert said.err.startswith("WARNING: people erased after this backup may be back: give --erased OLD.db")
    else:
        assert not {"SECRET-1", "SECRET-2"} & there
        assert "2 people were erased since it was made" in said.out
        assert "WARNING" not in said.err


OTHER_ERASURES = {
    "other.db": " knows its people by another key",
    "torn.db": ": .*it may know who was erased",
    "nowhere.db": ": no such database or backup",
}


def test_erasures_under_another_key_or_that_cannot_be_read_are_not_passed_over(task, tmp_path):
    made = tmp_path / "out.db"
    with open_study(str(tmp_path / "other.db")) as other:
        erase_people([complete(other, "X")], stores=[other])
    (tmp_path / "torn.db").write_bytes(made.read_bytes()[:5000])
    for name, words in OTHER_ERASURES.items():
        beside = [task.database.where, tmp_path / name]
        refused(StoreError, f"{name}{words}", restore, made, tmp_path / "new.db", erased=beside)
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("beside", ["labels.db", "by-hand/labels.db", "by-hand/2026-01-02T030405Z.db"])
def test_another_task_near_a_backup_erases_nobody_of_the_same_name_from_it(tmp_path, beside):
    made = tmp_path / "by-hand" / "out.db"
    made.parent.mkdir()
    with new_task(tmp_path / "mine" / "labels.db", ["a"], ["bob"]) as mine:
        write_backup(mine, made)
    with new_task(tmp_path / beside, ["a"], ["bob"]) as other:
        erase_people(["bob"], stores=[other])
    done = restore(made, tmp_path / "new.db")
    assert (done.erased, done.asked, done.counts["annotator"], done.counts["secret"]) == (0, 0, 1, 0)
    assert restore(made, tmp_path / "said.db", erased=[tmp_path / beside]).erased == 1


def test_a_copy_from_before_the_backup_does_not_know_who_was_erased_since(tmp_path):
    made = tmp_path / "by-hand" / "out.db"
    made.parent.mkdir()
    with new_task(tmp_path / "labels.db", ["a"], ["bob"]) as store:
        store.submit([Answer(store.claim("bob", 1)[0].image_id, "bob", "none")])
        write_backup(store, made)
        shutil.copy(made, tmp_path / "copy.db")  # as somebody keeps one, under the name of the task
        erase_people(["bob"], stores=[store])
    assert restore(made, tmp_path / "new.db").asked == 1  # the database itself, in the folder above
    (tmp_path / "labels.db").unlink()
    shutil.move(tmp_path / "copy.db", tmp_path / "labels.db")
    by_hand(tmp_path / "labels.db", "DELETE FROM setting WHERE key = 'backup'")
    done = restore(made, tmp_path / "labels.db", replace=True)
    assert (done.erased, done.asked, done.counts["annotator"]) == (0, 0, 1)


# From the command line


def test_the_commands_say_what_there_is(small, run, tmp_path):
    out, new = tmp_path / "out.db", tmp_path / "new.db"
    told = run("label", "backup", small.database.where, out)
    assert "all of small.db, 12 images, 7 answers from 2 people, " in told
    assert json.loads(run("label", "backup", out, tmp_path / "2.db", "--json"))["digests"]["event"] in told
    assert f"new.db: 7 answers from 2 people, as in {out}" in run("label", "backup", "--restore", out, new)
    with LabelStore(new) as store:  # a correction is no further answer, and who gave none is nobody's count
        store.invite(["idle"])
        row = store.judgements().iloc[-1]
        store.submit([Answer(row["image_id"], row["annotator_id"], "none", base_revision=1)])
    assert "7 answers from 2 people (1 corrected), " in run("label", "backup", new, tmp_path / "3.db")
    assert "kept: " in run("label", "backup", "--restore", out, new, "--replace")
    assert f"{tmp_path / 'new-backups'}/2" in run("label", "backup", new)
    assert "this is a backup of small.db, made 20" in run("label", "status", "--db", out)
    about = json.loads(run("label", "status", "--db", out, "--json"))["backups"]
    assert about == {"folder": None, "kept": 0, "last": None, "failed": None}
    assert "name the backup's own file" in run("label", "backup", out, fails=True)
