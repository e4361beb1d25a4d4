"""The numbered migrations that make and change a store's tables.

Number n is the n-th entry of `MIGRATIONS`. A released entry never changes, whatever becomes of the tables in `schema`:
it says in SQL of its own what it makes, sql/n.sql for both engines and sql/n-ENGINE.sql, if any, for one, with an empty
line between statements; what lies within a setting is changed in Python. A change of the tables is a new
entry that alters them; since 5, columns of a judgement come by their row in `columns.COLUMNS`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from functools import cache
from importlib.resources import files
from typing import Any

import sqlalchemy as sa

from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadTask, StoreError
from affectml_annotation.store.engine import Database
from affectml_annotation.store.schema import (
    STOPPED,
    now_ms,
    read_setting,
    schema_version,
    setting,
    study_version,
    write_setting,
)
from affectml_annotation.store.versions import own_version
from affectml_annotation.study.file import of_schema_2, parse

Migration = Callable[[sa.Connection], None]


def _written(number: int) -> Migration:
    """The migration that runs the SQL of this number."""

    def run(connection: sa.Connection) -> None:
        engine, folder = connection.dialect.name, files(__package__).joinpath("sql")
        small, large = ("SERIAL", "BIGSERIAL") if engine == "postgresql" else ("INTEGER", "INTEGER")
        texts = (folder.joinpath(name) for name in (f"{number}.sql", f"{number}-{engine}.sql"))
        for file in (text for text in texts if text.is_file()):
            text = file.read_text(encoding="utf-8").format(small=small, large=large)
            for statement in text.split("\n\n"):
                connection.exec_driver_sql(statement.strip().removesuffix(";"))

    return run


def _columns(number: int) -> Migration:
    """The migration that adds the columns of a judgement which a schema is the first to have."""
    types = {"number": "FLOAT", "whole": "INTEGER", "truth": "BOOLEAN", "time": "BIGINT", "labels": "JSON"}
    types |= {"numbers": "JSON"}

    def run(connection: sa.Connection) -> None:
        for column in COLUMNS:
            if column.since == number:
                sql_type = types.get(column.type, "VARCHAR")
                connection.exec_driver_sql(f"ALTER TABLE event ADD COLUMN {column.name} {sql_type}")

    return run


# What earlier versions kept of a task, made the file of now: a function for each group of keys that changed.

Settings = dict[str, Any]


def backups(settings: Settings) -> Settings:
    """Of 0.3.0.dev0 until backups were made hourly: once a day, and the newest seven kept, unless somebody chose else.

    What was not chosen becomes what it is now. A schedule of which somebody chose a part goes on as it was.
    """
    before = {"backup_hours": 24.0, "backups_kept": 7}
    if "backup_days" in settings:
        return settings
    rest = {name: value for name, value in settings.items() if name not in before}
    chosen = before | {name: settings[name] for name in before if name in settings}
    return rest if chosen == before else {**rest, **chosen, "backup_days": 0}


def stopped_early(task: Any, former: Any, whole: Any) -> Settings | None:
    """How a task's images stopped early, as dataset.json says it; None if they did not.

    task: its settings as schema 4 kept them. former: the rule of before, if the lead left it. whole: images that keep
    all people whatever the first ones say.
    """
    rule = task.get("overlap") if isinstance(task, Mapping) else None
    if not isinstance(rule, Mapping):
        rule = former.get("rule") if isinstance(former, Mapping) else None
    return {**rule, "whole": list(whole or ())} if isinstance(rule, Mapping) else None


# Of schema 5, and what each is called in a task's file since; a dot stands between a part and its key.
_SETTINGS = {
    "lease_seconds": "lease", "check_rate": "checks.rate", "repeat_rate": "repeats.rate", "repeat_gap": "repeats.gap",
    "control_share": "page.control", "chip_order": "page.chips", "backup_hours": "backups.hours",
    "backups_kept": "backups.keep", "backup_days": "backups.days",
}  # fmt: skip
_PREFERENCES = {
    "definitions": "words", "instructions": "page.instructions", "content_warning": "page.warning",
    "blur": "page.blur", "min_view_seconds": "page.seconds", "break_minutes": "breaks", "intensity": "page.intensity",
    "valence_arousal": "page.valence_arousal", "valence_colours": "page.valence_colours",
    "show_original": "page.show_original", "blind_first": "page.blind_first",
}  # fmt: skip


def task_file(settings: Any, preferences: Any, study: Any) -> Settings:
    """The content of a task's file, of schema 2, from what schema 5 kept in three places.

    settings: as any version kept them. preferences: what the lead chose for the page, if anything; the people whose
    entry is closed are not in a file. study: the newest version of its file, of schema 1, where a study runs: all but
    what the settings say. Raises TypeError, AttributeError or LookupError for what is damaged.
    """
    now = dict(backups(settings))
    if isinstance(overlap := now.get("overlap"), Mapping):  # until schema 5 images could stop early
        now["overlap"] = overlap["min"]
    chosen = {key: value for key, value in (preferences or {}).items() if key != "closed"}
    file: Settings = {"schema": 2} if not study else {**of_schema_2(study)}
    words: Settings = file.pop("words", {})
    if study:  # which says some of it itself
        now.pop("lease_seconds", None)
        for key in ("languages", "texts", "break_minutes"):
            chosen.pop(key, None)
    if "lease_seconds" in now:
        now["lease_seconds"] /= 60
    if now.get("taxonomy") is None:
        now.pop("taxonomy", None)
    meant = {label: {"definition": meaning} for label, meaning in chosen.get("definitions", {}).items()}
    chosen["definitions"] = {label: {**words.get(label, {}), **meant.get(label, {})} for label in (*words, *meant)}
    warning = {"content_warning": "warning"}
    texts = chosen.get("texts", {}).items()
    chosen["texts"] = {code: {warning.get(key, key): said for key, said in own.items()} for code, own in texts}
    for names, values in ((_SETTINGS, now), (_PREFERENCES, chosen)):
        for key, value in values.items():
            part, dot, name = str(names.get(key, key)).rpartition(".")
            if dot:
                file[part] = {**file.get(part, {}), name: value}
            else:
                file[name] = value
    return {**file, "labels": list(settings["labels"])}


def _fifth(connection: sa.Connection) -> None:
    """Migration 5: how images stopped early is kept to be told; what else became of the task's settings, 6 does."""
    _columns(5)(connection)
    try:
        rule = stopped_early(*(read_setting(connection, key) for key in ("task", "stopped", "whole")))
    except (TypeError, ValueError, RecursionError):
        return  # damaged, as whoever reads them says
    if rule is not None:
        write_setting(connection, STOPPED, rule)
    connection.execute(setting.delete().where(setting.c.key.in_(("stopping", "whole", "stopped"))))


def _sixth(connection: sa.Connection) -> None:
    """Migration 6: a task is a file, of which `study_version` has the versions."""
    _columns(6)(connection)
    last = connection.execute(sa.select(study_version).order_by(study_version.c.number.desc()).limit(1)).one_or_none()
    try:
        before, chosen = (read_setting(connection, key) for key in ("task", "relabel"))
        if before is None:
            return  # a database without a task
        content = task_file(before, chosen, None if last is None else last.content)
        whole = _readable(content)
        if not whole:  # by what the page alone says; the settings stay beside
            content = {key: value for key, value in content.items() if key not in ("texts", "words", "page")}
            if not _readable(content):
                return  # damaged, as whoever reads them says
        closed = list((chosen or {}).get("closed", ()))
    except (TypeError, ValueError, AttributeError, LookupError, RecursionError):
        return  # damaged, as whoever reads them says
    number, texts = (1, {}) if last is None else (last.number + 1, last.texts)
    row = {"number": number, "content": content, "texts": texts, "affectml": own_version(), "at": now_ms()}
    connection.execute(study_version.insert().values(row))
    if closed:
        write_setting(connection, "closed", closed)
    if whole:
        connection.execute(setting.delete().where(setting.c.key.in_(("task", "relabel"))))


def _readable(content: Mapping[str, object]) -> bool:
    """Whether this can be a task's file."""
    try:
        parse(content, "task")
    except BadTask:
        return False
    return True


_LATER = range(7, max(column.since for column in COLUMNS) + 1)
MIGRATIONS: tuple[Migration, ...] = (*map(_written, range(1, 5)), _fifth, _sixth, *map(_columns, _LATER))


def version_of(connection: sa.Connection) -> int:
    """The newest migration that a database has had; 0 for one without a store."""
    if not sa.inspect(connection).has_table("schema_version"):
        return 0
    return connection.scalar(sa.select(sa.func.max(schema_version.c.version))) or 0


def migrate(
    begin: Callable[[], AbstractContextManager[sa.Connection]], migrations: Sequence[Migration] = MIGRATIONS
) -> int:
    """Bring a database to the newest version, in one transaction: as a whole or not at all; return the version.

    Raises StoreError for a database from a newer version of this package.
    """
    with begin() as connection:
        if connection.dialect.name == "postgresql":
            # Two programs may open a new database at once.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7235812)")
        version = version_of(connection)
        if version > len(migrations):
            raise StoreError(
                f"this database has schema {version}, newer than the {len(migrations)} that this version "
                "of affectml knows; upgrade affectml (nothing was changed)"
            )
        for number in range(version, len(migrations)):
            migrations[number](connection)
            connection.execute(schema_version.insert().values(version=number + 1, applied_at=now_ms()))
    return len(migrations)


def schema_faults(connection: sa.Connection) -> Iterator[dict[str, str]]:
    """What the migrations make that is not there: tables, columns, indexes, triggers; and triggers of a SQLite file
    that they do not make, which write what nobody said."""
    expected, there = _made_by(version_of(connection)), _parts(connection)
    triggers = {part for part in expected if part[0] == "trigger"}
    if connection.dialect.name == "postgresql":
        expected = expected - triggers | {("trigger", "event", "event_append_only", "")}
    for what, table, name, _ in sorted(expected - there):
        yield {"table": table, what: name}
    for what, table, name, _ in sorted(there - expected):
        if what == "trigger" and connection.dialect.name == "sqlite":
            yield {"table": table, "trigger of somebody else": name}


@cache
def _made_by(version: int) -> set[tuple[str, str, str, str]]:
    """The parts that so many migrations make of an empty file."""
    with closing(Database("sqlite://")) as fresh:
        migrate(fresh.write, MIGRATIONS[:version])
        return fresh.reading(_parts)


def _parts(connection: sa.Connection) -> set[tuple[str, str, str, str]]:
    inspector = sa.inspect(connection)
    columns, indexes = inspector.get_multi_columns(), inspector.get_multi_indexes()
    parts = {("column", table, one["name"], "") for (_, table), found in columns.items() for one in found}
    parts |= {("index", table, str(one["name"]), "") for (_, table), found in indexes.items() for one in found}
    if connection.dialect.name == "sqlite":
        triggers = "SELECT 'trigger', tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'"
    else:
        triggers = (
            "SELECT 'trigger', 'event', tgname, '' FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') "
            "AND tgrelid = 'event'::regclass"
        )
    return parts | {(a, b, c, d) for a, b, c, d in connection.exec_driver_sql(triggers)}
