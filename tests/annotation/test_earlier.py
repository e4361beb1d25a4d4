"""Settings and studies that earlier versions stored: what nobody chose is as it is now, what somebody chose stays."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from affectml_annotation import LabelStore, TaskSettings
from affectml_annotation.store import migrations, schema
from affectml_annotation.store.earlier import as_now
from affectml_annotation.store.engine import Database
from affectml_annotation.store.settings import read_setting, write_setting
from affectml_annotation.study.file import Backups
from affectml_annotation.study.running import file_of

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
OTHERS = {"labels": ["awe", "fear"], "question": "?", "overlap": 4, "seed": 3}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {}),
        ({"backup_hours": 24.0, "backups_kept": 7}, {}),
        ({"backup_hours": 24}, {}),
        ({"backup_hours": 12.0, "backups_kept": 7}, {"backup_hours": 12.0, "backups_kept": 7, "backup_days": 0}),
        ({"backup_hours": 24.0, "backups_kept": 3}, {"backup_hours": 24.0, "backups_kept": 3, "backup_days": 0}),
        ({"backup_hours": 0.0, "backups_kept": 7}, {"backup_hours": 0.0, "backups_kept": 7, "backup_days": 0}),
    ],
)
def test_a_schedule_of_backups_that_somebody_chose_goes_on_and_another_is_what_it_is_now(before, now):
    assert as_now(OTHERS | before) == OTHERS | now
    assert as_now(as_now(OTHERS | before)) == OTHERS | now
    assert TaskSettings.from_dict(as_now(OTHERS | before)).to_dict().items() >= {**OTHERS, **now}.items()


@pytest.mark.parametrize("hours", [1.0, 24.0])
def test_settings_of_now_and_damaged_ones_stay_as_they_are(hours):
    settings = TaskSettings(("awe",), "?", backup_hours=hours, backups_kept=7, backup_days=7).to_dict()
    assert as_now(settings) == settings
    for damaged in (None, 5, [], "x"):
        assert as_now(damaged) == damaged


def test_a_database_of_before_keeps_its_settings_as_this_version_does(database_url):
    with closing(Database(database_url)) as database:
        migrations.migrate(database.write, migrations.MIGRATIONS[:4])
        database.writing(write_setting, "task", OTHERS | {"backup_hours": 24.0, "backups_kept": 7})
        database.writing(write_setting, "relabel", {"blur": True})
    with LabelStore(database_url) as store:
        assert store.database.reading(read_setting, "task") == OTHERS
        assert store.database.reading(read_setting, "relabel") == {"blur": True}
        now = store.settings
        assert (now.overlap, now.backup_hours, now.backups_kept, now.backup_days) == (4, 1.0, 24, 7)
        assert store.update_settings(strategy="fill").backup_hours == 1.0


@pytest.mark.parametrize("value", ["5", "[]", "{", "nothing", "[" * 9999])
def test_damaged_settings_bar_nobody_from_opening_a_database_of_before(tmp_path, value):
    shutil.copy(GOLDEN / "0.2.0" / "labels" / "labels.db", tmp_path / "labels.db")
    with closing(sqlite3.connect(tmp_path / "labels.db")) as raw, raw:
        raw.execute("UPDATE setting SET value = ? WHERE key = 'task'", (value,))
    with LabelStore(tmp_path / "labels.db") as store:
        assert len(store.events()) > 0


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*/*/labels.db")), ids=lambda file: "-".join(file.parts[-3:-1]))
def test_what_earlier_versions_wrote_opens_with_the_backups_of_now(file, tmp_path):
    shutil.copy(file, tmp_path / "labels.db")
    with closing(sqlite3.connect(file)) as raw:
        before = json.loads(raw.execute("SELECT value FROM setting WHERE key = 'task'").fetchone()[0])
    with LabelStore(tmp_path / "labels.db", must_exist=True, reads_only=True) as only_read:
        settings = only_read.settings
    assert (tmp_path / "labels.db").read_bytes() == file.read_bytes()
    with LabelStore(tmp_path / "labels.db", must_exist=True) as store:
        assert store.settings == settings
        stored = store.database.reading(read_setting, "task")
        assert stored == as_now(before)
        assert not [name for name in stored if name.startswith("backup")]
    assert (settings.backup_hours, settings.backups_kept, settings.backup_days) == (1.0, 24, 7)


def test_every_version_of_a_study_of_before_is_read_with_what_its_file_said(tmp_path):
    shutil.copy(GOLDEN / "0.3.0.dev0" / "study" / "labels.db", tmp_path / "labels.db")
    with LabelStore(tmp_path / "labels.db") as store, store.database.read() as connection:
        versions = connection.scalars(sa.select(schema.study_version.c.number)).all()
        assert [file_of(connection, number).backups for number in versions] == [Backups(hours=24, keep=7, days=7)]
