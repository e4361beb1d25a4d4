"""What migrations make of databases, guards and settings of before, on both engines and from a file of 0.2.0."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from affectml_annotation import LabelStore, StoreError
from affectml_annotation.store import migrations, schema
from affectml_annotation.store.engine import Database
from affectml_annotation.store.versions import all_versions
from affectml_annotation.study.file import Backups, parse

from .tasks import by_hand, refused

OLD = Path(__file__).resolve().parents[1] / "golden" / "0.2.0" / "labels" / "labels.db"


EMPTY = True  # databases without tables


@pytest.fixture
def database(database_url):
    with closing(Database(database_url)) as opened:
        yield opened


def told(connection) -> dict[str, list[str]]:
    """Every table of a database: columns with types and defaults, keys, checks, indexes."""
    made = sa.MetaData()
    made.reflect(connection)

    def written(statement) -> str:
        return str(statement.compile(connection))

    return {
        name: [written(sa.schema.CreateTable(table)), *sorted(written(sa.schema.CreateIndex(i)) for i in table.indexes)]
        for name, table in made.tables.items()
    }


def triggers(connection) -> dict[str, str]:
    if connection.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
    return dict(connection.exec_driver_sql(query).all())


def test_events_are_guarded_by_triggers_and_nothing_else_is(database):
    migrations.migrate(database.write)
    guards = {"sqlite": {"event_no_update", "event_no_delete"}, "postgresql": {"event_append_only"}}
    assert set(database.reading(triggers)) == guards[database.dialect]


def test_the_next_migration_works_on_a_database_that_0_2_0_wrote_and_keeps_its_answers(tmp_path, monkeypatch):
    add = "ALTER TABLE draft ADD COLUMN mood VARCHAR"  # the next version, made up
    following = (*migrations.MIGRATIONS, lambda connection: connection.exec_driver_sql(add))
    monkeypatch.setattr(migrations.migrate, "__defaults__", (following,))
    shutil.copy(OLD, tmp_path / "labels.db")
    (before,) = sqlite3.connect(OLD).execute("SELECT count(*) FROM event").fetchone()
    with LabelStore(tmp_path / "labels.db") as store:
        assert len(store.events()) == before > 0
        fresh = Database("sqlite://")
        migrations.migrate(fresh.write)
        assert store.database.reading(told) == fresh.reading(told)
        assert store.database.reading(triggers) == fresh.reading(triggers)
        assert "mood" in str(fresh.reading(told)["draft"])


def test_a_migration_that_fails_leaves_the_old_version(database):
    def breaks(connection):
        connection.exec_driver_sql("CREATE TABLE half_done (x INTEGER)")
        raise RuntimeError("power cut")

    newest = len(migrations.MIGRATIONS)
    refused(RuntimeError, "power cut", migrations.migrate, database.write, (*migrations.MIGRATIONS, breaks))
    assert migrations.migrate(database.write) == newest
    assert not sa.inspect(database.engine).has_table("half_done")
    following = (*migrations.MIGRATIONS, lambda _connection: None)
    assert migrations.migrate(database.write, following) == newest + 1


# Settings that earlier versions stored: what nobody chose is as it is now, what somebody chose stays.

OTHERS = {"labels": ["awe", "fear"], "question": "?", "overlap": 4, "seed": 3}


SCHEDULES = [
    ({}, None),
    ({"backup_hours": 24.0, "backups_kept": 7}, None),
    ({"backup_hours": 24.0, "backups_kept": 3}, {"hours": 24.0, "keep": 3, "days": 0}),
    ({"backup_hours": 0.0, "backups_kept": 7}, {"hours": 0.0, "keep": 7, "days": 0}),
    ({"backup_hours": 24.0, "backups_kept": 7, "backup_days": 7}, {"hours": 24.0, "keep": 7, "days": 7}),
]


@pytest.mark.parametrize(("before", "now"), SCHEDULES)
def test_a_schedule_of_backups_that_somebody_chose_goes_on_and_another_is_what_it_is_now(before, now):
    file = migrations.task_file(OTHERS | before, None, None)
    assert file.get("backups") == now
    assert parse(file, "").backups == Backups(**(now or {}))


# What schema 5 kept in three places: a key of each, none as it is usually.

SETTINGS = {
    "labels": ["awe", "fear"], "question": "What do they feel?", "construct": "expressed", "name": "faces",
    "taxonomy": {"name": "two", "labels": {"awe": {}, "fear": {}}}, "overlap": 4, "skips": 2, "strategy": "fill",
    "lease_seconds": 600.0, "check_rate": 0.6, "repeat_rate": 0.2, "repeat_gap": 9, "control_share": 0.3,
    "chip_order": "taxonomy", "seed": 3, "backup_hours": 2.0, "backups_kept": 5, "backup_days": 6,
}  # fmt: skip
PREFERENCES = {
    "languages": ["en", "de"], "texts": {"de": {"question": "Was?", "content_warning": "Achtung."}},
    "instructions": "Look twice.", "definitions": {"awe": "vast"}, "content_warning": "Snakes.", "blur": True,
    "min_view_seconds": 1.5, "break_minutes": 20.0, "intensity": True, "valence_arousal": True,
    "valence_colours": True, "show_original": True, "blind_first": True, "invited_only": True, "closed": ["ben"],
}  # fmt: skip
FILE = {
    "name": "faces", "languages": ["en", "de"], "labels": ["awe", "fear"], "construct": "expressed",
    "taxonomy": SETTINGS["taxonomy"], "question": "What do they feel?", "words": {"awe": {"definition": "vast"}},
    "texts": {"de": {"question": "Was?", "warning": "Achtung."}}, "overlap": 4, "skips": 2, "strategy": "fill",
    "lease": 10, "seed": 3, "invited_only": True, "checks": {"rate": 0.6}, "repeats": {"rate": 0.2, "gap": 9},
    "breaks": 20, "backups": {"hours": 2, "keep": 5, "days": 6},
    "page": {
        "instructions": "Look twice.", "warning": "Snakes.", "blur": True, "seconds": 1.5, "intensity": True,
        "valence_arousal": True, "valence_colours": True, "show_original": True,
        "chips": "taxonomy",
    },
}  # fmt: skip
STUDY = {
    "schema": 1, "languages": ["en", "fr"], "labels": {"awe": {"name": "wonder"}}, "question": "", "overlap": 3,
    "breaks": 30, "places": {"people": 9, "minutes": 40}, "checks": {"rate": 0.1, "then": "warn"}, "recruit": {},
    "backups": {"hours": 1, "keep": 24, "days": 7},
}  # fmt: skip


def from_schema_5(url, versions=(), **kept) -> LabelStore:
    """A database of schema 5 with these versions of a study and these settings, migrated."""
    with closing(Database(url)) as database:
        migrations.migrate(database.write, migrations.MIGRATIONS[:5])
        for key, value in kept.items():
            database.writing(schema.write_setting, key, value)
        with database.write() as connection:
            for row in versions:
                connection.execute(schema.study_version.insert().values(row))
    return LabelStore(url)


NOTHING_CHOSEN = {"labels": ["awe"], "question": "?"}
FORMER = [
    ({"task": SETTINGS, "relabel": PREFERENCES}, FILE, ["ben"]),
    ({"task": NOTHING_CHOSEN}, NOTHING_CHOSEN, []),
]


@pytest.mark.parametrize(("kept", "file", "closed"), FORMER)
def test_settings_and_preferences_are_version_1_of_the_file(database_url, kept, file, closed):
    with from_schema_5(database_url, **kept) as store:
        assert store.task == parse({"schema": 2, **file}, "")
        assert [version.number for version in store.database.reading(all_versions)] == [1]
        assert store.closed() == closed
        assert [store.database.reading(schema.read_setting, key) for key in ("task", "relabel")] == [None, None]


def test_a_setting_that_can_be_in_no_file_bars_nobody_and_stays_beside(database_url):
    former = PREFERENCES | {"texts": {"german": {"question": "Was?"}}}
    with from_schema_5(database_url, task=SETTINGS, relabel=former) as store:
        assert (store.task.overlap, store.task.seed, dict(store.task.texts)) == (4, 3, {})
        assert store.closed() == ["ben"]
        assert store.database.reading(schema.read_setting, "relabel") == former


def test_a_study_of_schema_5_goes_on_in_a_further_version_and_the_former_one_stays(database_url):
    row = {"number": 4, "content": STUDY, "texts": {"consent": "digest"}, "affectml": "0.2", "at": 0}
    kept = {"task": SETTINGS, "relabel": PREFERENCES, "study": {"state": "running", "more": 0}}
    with from_schema_5(database_url, [row], **kept) as store:
        now, before = store.database.reading(all_versions)
        assert (now.number, before.number, now.texts, before.texts) == (5, 4, {"consent": "digest"}, before.texts)
        assert before.file == parse(STUDY, "")
        assert (before.file.recruit.panel, before.file.overlap, before.file.words["awe"].name) == ("links", 3, "wonder")
        own = {"languages": ["en", "fr"], "breaks": 30, "places": STUDY["places"], "recruit": {"panel": "links"}}
        words = {"awe": {"name": "wonder", "definition": "vast"}}
        checks = {"rate": 0.6, "then": "warn"}
        file = {key: value for key, value in FILE.items() if key not in ("lease", "texts")}
        assert now.file == parse({"schema": 2, **file, **own, "words": words, "checks": checks}, "")
        assert now.file.lease_seconds == 2400


@pytest.mark.parametrize("value", ["5", "[]", '{"overlap": {', "nothing", "[" * 9999])
def test_damaged_settings_bar_nobody_from_opening_a_database_of_before(tmp_path, value):
    shutil.copy(OLD, tmp_path / "labels.db")
    by_hand(tmp_path / "labels.db", f"UPDATE setting SET value = '{value}' WHERE key = 'task'")
    with LabelStore(tmp_path / "labels.db") as store:
        assert len(store.events()) > 0
        refused(StoreError, "cannot be read|damaged", lambda: store.task)
