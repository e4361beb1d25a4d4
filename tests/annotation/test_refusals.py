"""A database that is away or damaged, a disk that is full: said at once, nothing half done, and reading goes on."""

import shutil
import sqlite3
from contextlib import closing, contextmanager

import pandas as pd
import pytest

from affectml_annotation import Answer, BadImport, DatabaseAway, DatabaseFailed, LabelStore, StoreError
from affectml_annotation.store.keeping import keep_backup

from .tasks import by_hand, new_task, refused

NUL = "no database stores"
CANNOT = r"mine\.db: the database cannot be read"


@contextmanager
def begun(url):
    """A store in the middle of its work, and an answer that somebody is about to give."""
    with new_task(url, ["i0", "i1", "i2"], ["ann"], overlap=1) as store:
        store.database.wait_at_most(0.1)
        (claim,) = store.claim("ann", 1)
        yield store, Answer(claim.image_id, "ann", "labels", ("awe",))


def test_a_file_that_another_program_writes_is_read_and_takes_answers_once_it_is_done(tmp_path):
    with begun(tmp_path / "labels.db") as (store, answer):
        with closing(sqlite3.connect(tmp_path / "labels.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for act in (lambda: store.submit([answer]), lambda: store.claim("ann", 2)):
                refused(DatabaseAway, r"labels\.db", act)
            assert store.events().empty
        assert store.submit([answer])[0].status == "accepted"
        assert len(store.claim("ann", 5)) == 2


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_was_stopped_and_started_again_is_gone_on_with_on_the_same_store(postgres, postgres_url, mode):
    with begun(postgres_url) as (store, answer):
        store.submit([answer])
        postgres.stop(mode)
        try:
            for act in (lambda: store.task, lambda: store.submit([answer]), lambda: store.claim("ann", 2)):
                with pytest.raises(DatabaseAway):
                    act()
        finally:
            postgres.start()
        (receipt,) = store.submit([answer])
        assert (receipt.status, receipt.again) == ("accepted", True)
        assert len(store.claim("ann", 5)) == 2


def test_a_connection_that_is_cut_off_in_a_transaction_leaves_nothing_of_it(postgres_url):
    with begun(postgres_url) as (store, answer), closing(LabelStore(postgres_url)) as other:
        with pytest.raises(DatabaseAway), store.database.write() as connection:
            (own,) = connection.exec_driver_sql("SELECT pg_backend_pid()").one()
            connection.exec_driver_sql("UPDATE annotator SET consented_at = 1")
            with other.database.write() as killer:
                killer.exec_driver_sql(f"SELECT pg_terminate_backend({own})")
            connection.exec_driver_sql("SELECT 1")
        assert store.annotators()["consented"].tolist() == [False]
        assert store.submit([answer])[0].status == "accepted"


def test_a_table_that_is_gone_does_not_come_back_by_itself(database_url):
    with begun(database_url) as (store, _):
        with store.database.write() as connection:
            connection.exec_driver_sql("DROP TABLE setting")
        with pytest.raises(DatabaseFailed, match="cannot be read") as failed:
            store.closed()
        assert not isinstance(failed.value, DatabaseAway)


# What a database or a disk does not take is said in one line, and bars nobody from reading what is there


@pytest.fixture
def task(tmp_path):
    """A task in which ann has said something of each of two images."""
    with new_task(tmp_path / "mine.db", ["a", "b"], ["ann", "ben"]) as store:
        for who in ("ann", "ben"):
            store.submit([Answer(image, who, "labels", ("awe",)) for image in "ab"])
    return tmp_path / "mine.db"


@pytest.fixture
def full(task):
    """Its disk takes no further file, such as those that SQLite reads by."""
    (task.parent / "mine.db-shm").mkdir()
    return task


@pytest.mark.parametrize("command", [["status", "--db"], ["agreement"], ["export", "--to", "OUT", "--db"]])
def test_a_disk_that_takes_nothing_bars_no_reading(run, full, tmp_path, command):
    before = full.read_bytes()
    out = [each.replace("OUT", str(tmp_path / "new" / "all.csv")) for each in command]
    run("label", *out, full)
    assert full.read_bytes() == before
    if "--to" in command:
        assert len(pd.read_csv(tmp_path / "new" / "all.csv")) == 4


def test_what_would_write_there_says_why_not(run, full):
    error = run("label", "assign", "--invite", "dea", "--db", full, fails=True)
    assert error.count("\n") == 1
    assert "mine.db: " in error
    shutil.rmtree(full.parent / "mine.db-shm")
    with LabelStore(full) as store:
        assert store.annotators()["annotator_id"].tolist() == ["ann", "ben"]


@pytest.fixture
def without_room(monkeypatch):
    """A disk with no room for the 32 kB that SQLite maps beside a database with a log: it cannot be opened."""
    connect = sqlite3.connect

    def refuse(address, **options):
        if "immutable" not in address:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
            raise error
        return connect(address, **options)

    monkeypatch.setattr("affectml_annotation.store.place.sqlite3.connect", refuse)


def test_a_database_that_nobody_has_open_is_read_without_a_file_beside_it(task, without_room):
    with LabelStore(task, reads_only=True) as store:
        assert len(store.judgements()) == 4
        refused(Exception, "readonly", store.invite, ["late"])


def test_a_log_that_cannot_be_read_is_never_left_out(task, without_room):
    """A killed server leaves it: what people said last stands there alone."""
    (task.parent / "mine.db-wal").write_bytes(b"answers")
    refused(StoreError, "disk I/O error", LabelStore, task, reads_only=True)


@pytest.mark.parametrize("command", ["status --db", "remove withdraw ann --db", "assign --db"])
def test_a_file_that_holds_no_task_stays_as_it_is(run, tmp_path, command):
    for name in ("empty.db", "other.db"):
        (tmp_path / name).touch()
    by_hand(tmp_path / "other.db", "CREATE TABLE recipes (name TEXT)")
    for name in ("empty.db", "other.db"):
        before = (tmp_path / name).read_bytes()
        error = run("label", *command.split(), tmp_path / name, fails=True)
        assert f"{name}: holds no label store; `affectml label init DATASET --db" in error
        assert (tmp_path / name).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db", "other.db"]


def test_no_text_with_a_zero_byte_comes_in_by_any_door(database_url, tmp_path):
    rows = pd.DataFrame({"image_id": ["a", "b"], "annotator_id": "ann", "labels": [["awe"], ["fear"]]})
    with new_task(database_url, ["a", "b"], ["ann"]) as store:
        rows.assign(note=["fine", "bad\0"]).to_parquet(tmp_path / "note.parquet")
        refused(BadImport, f"row 2: note holds a character that {NUL}", store.import_file, tmp_path / "note.parquet")
        rows.assign(annotator_id=["ann", "b\0en"]).to_parquet(tmp_path / "name.parquet")
        refused(StoreError, NUL, store.import_file, tmp_path / "name.parquet", invite=True)
        refused(StoreError, NUL, store.invite, ["b\0en"])
        refused(StoreError, NUL, store.decide, "a", ["awe"], by="lead", note="talked\0")
        assert store.events().empty
        assert store.decisions().empty
        assert store.annotators()["annotator_id"].tolist() == ["ann"]


@pytest.mark.parametrize("value", ["5", "[]", "{}", '{"labels": 3}'])
def test_damaged_settings_are_said_to_be_with_the_newest_backup(task, value):
    with LabelStore(task) as store:
        backup = keep_backup(store).file
    by_hand(task, f"UPDATE study_version SET content = '{value}'")
    damaged = f"{task}: the task's settings are damaged .*; the newest backup is {backup}: move {task} away"
    with LabelStore(task) as store, pytest.raises(StoreError, match=damaged):
        assert store.task


def test_a_task_that_another_version_wrote_is_not_called_damaged(task):
    by_hand(task, """UPDATE study_version SET content = '{"labels": ["awe"], "mood": 1}', affectml = '9.0.0'""")
    with LabelStore(task) as store, pytest.raises(StoreError, match=r"no key 'mood' here; affectml 9\.0\.0 wrote that"):
        assert store.task


DAMAGED_CELLS = [
    ("labels = '[null]'", CANNOT),
    ("labels = '5'", CANNOT),
    ("intensities = '[[1]]'", CANNOT),
    ("valence = 'high'", CANNOT),
    (f"at = {2**62}", CANNOT),
    ("note = CAST(x'ff' AS TEXT)", "decode to UTF-8"),
    ("round = '' WHERE number = 2", "1 answers name no event of theirs"),
    ("image_id = 'x' WHERE number = 2", "1 answers name no event of theirs"),
    ("annotator_id = 'x' WHERE number = 2", "1 answers name no event of theirs"),
]


@pytest.mark.parametrize(("change", "words"), DAMAGED_CELLS)
def test_a_damaged_cell_is_said_by_the_name_of_the_database_and_leaves_no_answer_out(task, change, words):
    by_hand(task, f"UPDATE event SET {change}")
    with LabelStore(task) as store:
        refused(StoreError, words, store.judgements)
