"""What a database or a disk does not take is said in one line, and bars nobody from reading what is there."""

import shutil
import sqlite3

import pandas as pd
import pytest

from affectml_annotation import Answer, BadImport, LabelStore, StoreError, TaskSettings
from affectml_annotation.store.keeping import keep_backup

from .tasks import refused

TASK = TaskSettings(labels=("awe", "fear"), question="What do you feel?", name="mine")
NUL = "no database stores"


@pytest.fixture
def task(tmp_path):
    """A task in which ann has said something of each of two images."""
    with LabelStore(tmp_path / "mine.db") as store:
        store.init_task(TASK, ["a", "b"])
        store.invite(["ann", "ben"])
        for who in ("ann", "ben"):
            store.submit([Answer(image, who, "labels", ("awe",)) for image in "ab"])
    return tmp_path / "mine.db"


@pytest.fixture
def full(task):
    """Its disk takes no further file: neither those that SQLite reads by, nor the one at which writers wait."""
    (task.parent / "mine.db-queue").unlink()
    for name in ("mine.db-shm", "mine.db-queue"):
        (task.parent / name).mkdir()
    return task


@pytest.mark.parametrize(
    "command", [["status"], ["agreement"], ["aggregate"], ["attention"], ["export", "--to", "OUT"]]
)
def test_a_disk_that_takes_nothing_bars_no_reading(run, full, tmp_path, command):
    before = full.read_bytes()
    out = [each.replace("OUT", str(tmp_path / "new" / "all.csv")) for each in command]
    run("labels", *out, "--db", full)
    assert full.read_bytes() == before
    if "--to" in command:
        assert len(pd.read_csv(tmp_path / "new" / "all.csv")) == 4


def test_what_would_write_there_says_why_not(run, full):
    error = run("labels", "assign", "--invite", "dea", "--db", full, fails=True)
    assert error.count("\n") == 1
    assert "mine.db: " in error
    shutil.rmtree(full.parent / "mine.db-queue")
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


@pytest.mark.parametrize("command", ["status", "agreement", "uninvite", "withdraw", "assign"])
def test_a_file_that_holds_no_task_stays_as_it_is(run, tmp_path, command):
    (tmp_path / "empty.db").touch()
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    people = ["ann"] if command in ("uninvite", "withdraw") else []
    for name in ("empty.db", "other.db"):
        before = (tmp_path / name).read_bytes()
        error = run("labels", command, *people, "--db", tmp_path / name, fails=True)
        assert f"{name}: holds no label store; `affectml labels init DATASET --db" in error
        assert (tmp_path / name).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.db", "other.db"]


def test_no_text_with_a_zero_byte_comes_in_by_any_door(database_url, tmp_path):
    rows = pd.DataFrame({"image_id": ["a", "b"], "annotator_id": "ann", "labels": [["awe"], ["fear"]]})
    with LabelStore(database_url) as store:
        store.init_task(TASK, ["a", "b"])
        store.invite(["ann"])
        rows.assign(note=["fine", "bad\0"]).to_parquet(tmp_path / "note.parquet")
        refused(BadImport, f"row 1: note holds a character that {NUL}", store.import_file, tmp_path / "note.parquet")
        rows.assign(annotator_id=["ann", "b\0en"]).to_parquet(tmp_path / "name.parquet")
        refused(StoreError, NUL, store.import_file, tmp_path / "name.parquet", invite=True)
        refused(StoreError, NUL, store.invite, ["b\0en"])
        refused(StoreError, NUL, store.decide, "a", ["awe"], by="lead", note="talked\0")
        (receipt,) = store.submit([Answer("a", "ann", "labels", ("awe",), note="\0")])
        assert receipt.status == "refused"
        assert store.events().empty
        assert store.decisions().empty
        assert store.annotators()["annotator_id"].tolist() == ["ann"]


@pytest.mark.parametrize("value", ["5", "[]", "{}", '{"labels": 3}'])
def test_damaged_settings_are_said_to_be_with_the_newest_backup(task, value):
    with LabelStore(task) as store:
        backup = keep_backup(store).file
    with sqlite3.connect(task) as connection:
        connection.execute("UPDATE setting SET value = ? WHERE key = 'task'", (value,))
    connection.close()
    damaged = f"{task}: the task's settings are damaged .*; the newest backup is {backup}: move {task} away"
    with LabelStore(task) as store, pytest.raises(StoreError, match=damaged):
        assert store.settings


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("labels", "[null]"),
        ("labels", "5"),
        ("intensities", "[[1]]"),
        ("valence", "high"),
        ("at", 2**62),
    ],
)
def test_a_damaged_cell_is_said_by_the_name_of_the_database(task, column, value):
    with sqlite3.connect(task) as connection:
        connection.execute("DROP TRIGGER event_no_update")
        connection.execute(f"UPDATE event SET {column} = ?", (value,))
    connection.close()
    with LabelStore(task) as store, pytest.raises(StoreError, match=r"mine\.db: the database cannot be read"):
        store.judgements()


@pytest.mark.parametrize(("column", "value"), [("round", ""), ("image_id", "x"), ("annotator_id", "x")])
def test_an_answer_whose_event_is_another_is_never_left_out_without_a_word(task, column, value):
    with sqlite3.connect(task) as connection:
        connection.execute("DROP TRIGGER event_no_update")
        connection.execute(f"UPDATE event SET {column} = ? WHERE number = 2", (value,))
    connection.close()
    with LabelStore(task) as store, pytest.raises(StoreError, match="1 answers name no event of theirs"):
        store.judgements()
