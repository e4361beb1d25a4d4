"""A database that is away for a while: said so at once, nothing half done, and gone on with as if nothing had been."""

import fcntl
import sqlite3
from contextlib import closing

import pytest

from affectml_annotation import Answer, DatabaseAway, DatabaseFailed, LabelStore, TaskSettings

from .tasks import refused

TASK = TaskSettings(labels=("awe", "fear"), question="What do you feel?", overlap=1)


def begun(url):
    """A store in the middle of its work, and an answer that somebody is about to give."""
    store = LabelStore(url)
    store.init_task(TASK, ["i0", "i1", "i2"])
    store.invite(["ann"])
    store.database.wait_at_most(0.1)
    (claim,) = store.claim("ann", 1)
    return store, Answer(claim.image_id, "ann", "labels", ("awe",))


def locked_by_sqlite(file):
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    return other


def locked_in_line(file):
    handle = file.with_name(f"{file.name}-queue").open("w")
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


@pytest.mark.parametrize("lock", [locked_by_sqlite, locked_in_line])
def test_a_file_that_another_program_writes_is_read_and_takes_answers_once_it_is_done(tmp_path, lock):
    store, answer = begun(tmp_path / "labels.db")
    with closing(store):
        with closing(lock(tmp_path / "labels.db")):
            for act in (lambda: store.submit([answer]), lambda: store.claim("ann", 2)):
                refused(DatabaseAway, r"labels\.db", act)
            assert store.events().empty
        assert store.submit([answer])[0].status == "accepted"
        assert len(store.claim("ann", 5)) == 2


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_was_stopped_and_started_again_is_gone_on_with_on_the_same_store(postgres, postgres_url, mode):
    store, answer = begun(postgres_url)
    with closing(store):
        store.submit([answer])
        postgres.stop(mode)
        try:
            for act in (lambda: store.settings, lambda: store.submit([answer]), lambda: store.claim("ann", 2)):
                with pytest.raises(DatabaseAway):
                    act()
        finally:
            postgres.start()
        (receipt,) = store.submit([answer])
        assert (receipt.status, receipt.again) == ("accepted", True)
        assert len(store.claim("ann", 5)) == 2


def test_a_connection_that_is_cut_off_in_a_transaction_leaves_nothing_of_it(postgres_url):
    store, answer = begun(postgres_url)
    with closing(store), closing(LabelStore(postgres_url)) as other:
        with pytest.raises(DatabaseAway), store.database.write() as connection:
            (own,) = connection.exec_driver_sql("SELECT pg_backend_pid()").one()
            connection.exec_driver_sql("UPDATE annotator SET consented_at = 1")
            with other.database.write() as killer:
                killer.exec_driver_sql(f"SELECT pg_terminate_backend({own})")
            connection.exec_driver_sql("SELECT 1")
        assert store.annotators()["consented"].tolist() == [False]
        assert store.submit([answer])[0].status == "accepted"


def test_a_table_that_is_gone_does_not_come_back_by_itself(database_url):
    store, _ = begun(database_url)
    with closing(store):
        with store.database.write() as connection:
            connection.exec_driver_sql("DROP TABLE setting")
        with pytest.raises(DatabaseFailed, match="cannot be read") as failed:
            assert store.settings
        assert not isinstance(failed.value, DatabaseAway)
