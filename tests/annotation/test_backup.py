"""A backup holds all of one moment, says so, and comes back on either engine."""

import sqlite3
import stat
from contextlib import closing

import pandas as pd
import pytest

from affectml_annotation import Answer, BadExport, LabelStore, StoreError
from affectml_annotation.store import schema
from affectml_annotation.store.backup import read_backup, write_backup

from .studies import complete, label, open_study, to_images


@pytest.fixture
def used(opened):
    """A store with something in every table that people fill, awkward values among them."""
    store = opened()
    complete(store, "P1")
    who = to_images(store, "P2")
    label(store, who, 2, labels=("awe", "fear"))
    store.invite(["ann"], {"ann": {"age": 30.0}})
    first, second = store.claim("ann", 2)
    said = Answer(first.image_id, "ann", "labels", ("joy",), note='"Ä\n\u2028\x01', valence=0.1 + 0.2, seconds=3.0)
    sure = Answer(second.image_id, "ann", "labels", ("awe", "joy"), intensities=(1.0, 1e-300))
    assert [receipt.error for receipt in store.submit([said, sure])] == [None, None]
    store.save_draft("ann", first.image_id, {"note": "half"})
    store.decide(first.image_id, ["joy"], by="lead")
    with store.database.write() as connection:
        for question, value in (("whole", 3.0), ("part", 0.1), ("many", 12345678901234567890), ("text", "3")):
            row = {"annotator_id": who, "question": question, "value": value, "at": 1}
            connection.execute(schema.questionnaire.insert().values(row))
    return store


@pytest.fixture
def small(tmp_path):
    """One on SQLite, where it does not matter which engine it is."""
    with open_study(str(tmp_path / "small.db")) as store:
        complete(store, "P1")
        label(store, to_images(store, "P2"), 2)
        yield store


def test_a_backup_is_one_file_that_every_command_reads_and_nobody_else_may(used, tmp_path):
    backup = write_backup(used, tmp_path / "kept" / "out.db")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["out.db"]
    assert stat.S_IMODE(backup.file.stat().st_mode) == 0o600
    assert read_backup(backup.file) == backup
    assert backup.counts["event"] == len(used.events()) == 9
    with LabelStore(backup.file, must_exist=True, reads_only=True) as kept:
        pd.testing.assert_frame_equal(kept.judgements(), used.judgements())
        assert write_backup(kept, tmp_path / "again.db").digests == backup.digests
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["out.db"]


def test_a_backup_that_is_there_is_kept_and_nothing_else_is_written_over(used, tmp_path):
    first = write_backup(used, tmp_path / "out.db")
    with pytest.raises(BadExport, match="exists already"):
        write_backup(used, first.file)
    complete(used, "P3")
    second = write_backup(used, first.file, replace=True)
    assert second.counts["event"] == first.counts["event"] + 5
    (kept,) = tmp_path.glob("out.replaced-*.db")
    assert read_backup(kept).log == first.log
    with closing(LabelStore(tmp_path / "other.db")) as other, pytest.raises(StoreError, match="is no backup"):
        write_backup(used, other.database.where, replace=True)


def test_nobody_writes_into_a_backup(used, tmp_path):
    backup = write_backup(used, tmp_path / "out.db")
    with pytest.raises(StoreError, match="is a backup, which stays as it is; `affectml labels restore"):
        LabelStore(backup.file)
    assert read_backup(backup.file) == backup


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE event SET note = 'other' WHERE number = 1", "damaged backup: the digest of the log is [0-9a-f]{64}, "),
        ("DELETE FROM image WHERE position = 11", "image has 11 rows, and had 12; the digest of image is"),
        ("UPDATE secret SET value = 'ab'", "the digest of secret is"),
        ("UPDATE setting SET value = '{}' WHERE key = 'backup'", "what the backup says of itself cannot be read"),
        ("DELETE FROM setting WHERE key = 'backup'", "no backup, or a damaged one"),
        ("DROP TABLE panel", "panel has 0 rows, and had 2"),
    ],
)
def test_a_backup_that_was_changed_is_refused_by_the_table_and_both_figures(small, tmp_path, change, said):
    backup = write_backup(small, tmp_path / "out.db")
    with closing(sqlite3.connect(backup.file)) as raw, raw:
        raw.execute("DROP TRIGGER event_no_update")
        raw.execute(change)
    with pytest.raises(StoreError, match=said):
        read_backup(backup.file)
