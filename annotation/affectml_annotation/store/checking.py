"""What must hold in a label store's database, by name: looked for in one snapshot, without changing anything."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from affectml_annotation.errors import AnnotationError, DatabaseAway, DatabaseFailed, StoreError
from affectml_annotation.judgements import answer_problems
from affectml_annotation.store import schema, setup
from affectml_annotation.store.backup import Backup, Tally, unlike, write_backup
from affectml_annotation.store.keeping import NAME, folder, keep_backup
from affectml_annotation.store.keys import ERASING, FORGOTTEN, keyed
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.migrations import MIGRATIONS, schema_faults, version_of
from affectml_annotation.store.place import BACKUP
from affectml_annotation.store.rebuilding import KEYS, Rebuilt, differences, rebuild
from affectml_annotation.store.schema import annotator, erasure, event, metadata, now_ms, panel, setting
from affectml_annotation.store.settings import read_setting, read_settings
from affectml_annotation.store.submits import FUTURE_SECONDS

Row = dict[str, Any]
SHOWN = 20
SOON = "ends_at", "lease_until", "place_until"  # times that lie ahead as they should


@dataclass
class Broken:
    """Something that does not hold. rows: the first of `count` that show it; by_rebuild: whether `rebuild` mends it."""

    invariant: str
    says: str
    by_rebuild: bool
    count: int = 0
    rows: list[Row] = field(default_factory=list)


def check_store(store: LabelStore) -> list[Broken]:
    """Everything of `INVARIANTS` that does not hold now; others may read and write meanwhile.

    A damaged file is all that is said of one. Raises StoreError for a PostgreSQL database of an earlier schema.
    """
    found: dict[str, Broken] = {}
    try:
        with store.database.snapshot() as connection:
            if connection.dialect.name == "postgresql" and version_of(connection) < len(MIGRATIONS):
                where = store.database.where
                raise StoreError(f"{where} has an earlier schema; `affectml labels status` makes it this one")
            for name, row in _offenders(connection):
                broken = found.setdefault(name, Broken(name, INVARIANTS[name], name.split(".")[0] in _KEYS))
                broken.count += 1
                broken.rows += [row][: SHOWN - len(broken.rows)]
    except DatabaseAway:
        raise
    except DatabaseFailed as error:
        found.setdefault("file", Broken("file", INVARIANTS["file"], False, 1, [{"error": str(error)}]))
    return [found[name] for name in INVARIANTS if name in found and ("file" not in found or name == "file")]


def _offenders(connection: sa.Connection) -> Iterator[tuple[str, Row]]:
    """The name of what is broken with each row that shows it, but for what a damage before makes pointless to ask."""
    before = set()
    for name, (_, find) in _SAID.items():
        try:
            with connection.begin_nested():  # PostgreSQL does nothing more after an error, but behind a savepoint
                for row in _asked(connection, find) if isinstance(find, str) else find(connection):
                    before.add(name)
                    yield name, row
        except (DBAPIError, AnnotationError, ValueError, RecursionError) as error:
            before.add(name)
            yield name, {"error": " ".join(str(getattr(error, "orig", error)).split())}
        if "file" in before:
            return
    for one in (one for some in differences(connection) for one in some) if "schema" not in before else ():
        key = {name: (one.there or one.made or {})[name] for name in _KEYS[one.table]}
        for column in one.columns:
            yield f"{one.table}.{column}", key | {"there": (one.there or {})[column], "log": (one.made or {})[column]}
        if not one.columns:
            yield f"{one.table}.{'missing' if one.there is None else 'extra'}", key


def mend(store: LabelStore) -> tuple[Backup, Rebuilt]:
    """`rebuild`, after a backup was made: one more of those that are kept, through which an erasure goes.

    Of a database that has no folder for them it is written into the current one.
    """
    backup = keep_backup(store) if folder(store) else None
    if backup is None:
        name = store.database.engine.url.database or "labels"
        backup = write_backup(store, f"{name}-before-rebuild-{datetime.now(UTC).strftime(NAME)}")
    return backup, store.database.retried(rebuild)


def _asked(connection: sa.Connection, query: str) -> Iterator[Row]:
    return (dict(row) for row in connection.exec_driver_sql(query).mappings())


def _file(connection: sa.Connection) -> Iterator[Row]:
    if connection.dialect.name == "sqlite":
        for (said,) in connection.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})"):
            if said != "ok":
                yield {"error": said}


def _backup(connection: sa.Connection) -> Iterator[Row]:
    """Of a SQLite file alone: a restored database says nothing of itself."""
    if (note := read_setting(connection, BACKUP)) is not None:
        try:
            said = Backup(Path(), bytes=0, **note)
        except TypeError:
            yield {"error": "what it says of itself cannot be read"}
        else:
            yield from ({"error": problem} for problem in unlike(Tally.of(connection), said))


def _keys(connection: sa.Connection) -> Iterator[Row]:
    """PostgreSQL keeps them by itself."""
    if connection.dialect.name == "sqlite":
        for table, row, names, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
            yield {"table": table, "row": row, "names": names}


def _json(connection: sa.Connection) -> Iterator[Row]:
    """PostgreSQL takes nothing else."""
    columns = [column for table in metadata.tables.values() for column in table.c if isinstance(column.type, sa.JSON)]
    for column in columns if connection.dialect.name == "sqlite" else ():
        query = f'SELECT * FROM "{column.table.name}" WHERE NOT json_valid("{column.name}")'
        for row in _asked(connection, query):
            yield {"table": column.table.name, "column": column.name, "row": next(iter(row.values()))}


def _settings(connection: sa.Connection) -> Iterator[Row]:
    labels = read_settings(connection).labels
    for position, accepted, forbidden in connection.execute(sa.select(schema.check)):
        if strange := {*accepted, *forbidden} - {*labels}:
            yield {"attention_check": position, "labels": sorted(strange)}
    people = set()
    for who, order in connection.execute(sa.select(annotator.c.annotator_id, annotator.c.chip_order)):
        people.add(who)
        if sorted(order) != sorted(labels):
            yield {"annotator": who, "chip_order": order}
    for who in [*_named_in_settings(connection)]:
        if who not in people:
            yield {"setting": "closed, or withdrawn", "annotator": who}


def _named_in_settings(connection: sa.Connection) -> set[str]:
    lines = connection.scalars(sa.select(setting.c.value).where(setting.c.key.startswith(setup.WITHDRAWAL)))
    return {*setup.closed(connection), *(str(line["annotator_id"]) for line in lines)}


def _labels(connection: sa.Connection) -> Iterator[Row]:
    labels = read_settings(connection).labels
    text = sa.cast(event.c.labels, sa.Text)
    number = sa.func.min(event.c.number).label("number")
    for kind, chosen, first in connection.execute(sa.select(event.c.kind, text, number).group_by(event.c.kind, text)):
        try:
            problems = answer_problems(kind, json.loads(chosen), labels)
        except ValueError:
            continue  # said by `json`
        for problem in problems:
            yield {"number": first, "kind": kind, "labels": chosen, "problem": problem}


def _people(connection: sa.Connection) -> Iterator[Row]:
    """Tables without a key to the annotators."""
    for table in metadata.tables.values():
        if "annotator_id" in table.c and table is not annotator:
            there = sa.select(annotator.c.annotator_id).where(annotator.c.annotator_id == table.c.annotator_id)
            who = sa.select(table.c.annotator_id).where(~there.exists()).distinct()
            yield from ({"table": table.name, "annotator_id": name} for name in connection.scalars(who))


def _erased(connection: sa.Connection) -> Iterator[Row]:
    gone = set(connection.scalars(sa.select(erasure.c.annotator)))
    persons = set(connection.scalars(sa.select(erasure.c.person)))
    if not gone:
        return
    columns = [table.c.annotator_id for table in metadata.tables.values() if "annotator_id" in table.c]
    columns += [schema.decision.c.decided_by, schema.conflict.c.resolved_by, schema.lead_change.c.by]
    named: dict[str, set[str]] = {}
    for column in columns:
        for who in connection.scalars(sa.select(column).where(column.is_not(None)).distinct()):
            named.setdefault(who, set()).add(column.table.name)
    for who in _named_in_settings(connection):
        named.setdefault(who, set()).add("setting")
    for who, tables in named.items():
        if keyed(connection, ERASING, "who", who).hex() in gone:
            yield {"annotator_id": who, "tables": sorted(tables)}
    for who, person in connection.execute(sa.select(panel.c.annotator_id, panel.c.person)):
        known = person.removeprefix(FORGOTTEN)
        if (known if known != person else keyed(connection, ERASING, "person", person).hex()) in persons:
            yield {"annotator_id": who, "tables": ["panel"]}


def _times(connection: sa.Connection) -> Iterator[Row]:
    tomorrow = now_ms() + setup.DAY_MS
    for table in metadata.tables.values():
        for column in table.c:
            if column.name.endswith("_at") and column.name not in SOON:
                wrong = sa.select(column).where(sa.or_(column < 0, column > tomorrow))
                yield from ({"table": table.name, column.name: at} for at in connection.scalars(wrong))
    ahead = (event.c.source.is_(None), event.c.at > event.c.received_at + FUTURE_SECONDS * 1000)
    yield from (
        {"table": "event", "number": row} for row in connection.scalars(sa.select(event.c.number).where(*ahead))
    )


def _sequences(connection: sa.Connection) -> Iterator[Row]:
    for table in metadata.tables.values() if connection.dialect.name == "postgresql" else ():
        if "number" in table.c and (
            name := connection.scalar(sa.func.pg_get_serial_sequence(table.name, "number").select())
        ):
            last, called = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {name}").one()
            largest = connection.scalar(sa.select(sa.func.max(table.c.number))) or 0
            if last + called <= largest:
                yield {"table": table.name, "next": last + called, "largest": largest}


_KEYS = {table.name: key for table, key in KEYS.items()}
_SAID: dict[str, tuple[str, str | Callable[[sa.Connection], Iterable[Row]]]] = {
    "file": ("SQLite finds its file whole.", _file),
    "backup": ("A backup has the rows and digests that it says.", _backup),
    "schema": (
        "All columns, indexes and triggers are there, those that keep the log append-only too, and no other trigger.",
        schema_faults,
    ),
    "keys": ("Every row that another names is there.", _keys),
    "json": ("What is stored as JSON is JSON.", _json),
    "settings": ("The settings can be read; checks and people's chips have the task's labels.", _settings),
    "positions": (
        "Images are numbered from 0 and rounds from 1, without gaps.",
        "SELECT * FROM (SELECT 'image' AS what, count(*) AS n, min(position) AS low, max(position) AS high FROM image "
        "UNION ALL SELECT 'round', count(*), min(number) - 1, max(number) - 1 FROM round) AS there "
        "WHERE low <> 0 OR high <> n - 1",
    ),
    "people": ("Whoever has a row is in the task.", _people),
    "images": (
        "Drafts and decisions are about images of the task.",
        "SELECT 'draft' AS what, image_id FROM draft WHERE image_id NOT IN (SELECT image_id FROM image) UNION "
        "SELECT 'decision', image_id FROM decision WHERE image_id NOT IN (SELECT image_id FROM image)",
    ),
    "event.names": (
        "Every event is about an image of the task, in a round of it.",
        "SELECT e.number, e.event_id, e.image_id, e.round FROM event e LEFT JOIN image i ON i.image_id = e.image_id "
        "LEFT JOIN round r ON r.number = e.round WHERE i.position IS NULL OR r.number IS NULL",
    ),
    "event.labels": ("Every event's labels are the task's, as its kind has them.", _labels),
    "event.status": (
        "An event is accepted or surplus on the revision that it names, or in conflict with a later one.",
        "SELECT number, event_id, status, base_revision, revision FROM event WHERE CASE status "
        "WHEN 'conflict' THEN base_revision >= revision WHEN 'accepted' THEN base_revision <> revision - 1 "
        "WHEN 'surplus' THEN base_revision <> revision - 1 ELSE 1 = 1 END",
    ),
    "event.revision": (
        "Somebody's revisions at an image count from 1; between two there is what the lead kept, and nothing else.",
        "SELECT e.annotator_id, e.round, e.image_id, count(*) AS events, max(e.revision) AS revision FROM event e "
        "LEFT JOIN \"conflict\" c ON c.event_id = e.event_id WHERE e.status <> 'conflict' OR c.kept "
        "GROUP BY e.annotator_id, e.round, e.image_id HAVING max(e.revision) > count(*) OR min(e.revision) <> 1 "
        "OR count(DISTINCT CASE WHEN e.status <> 'conflict' THEN e.revision END) "
        "<> count(CASE WHEN e.status <> 'conflict' THEN 1 END)",
    ),
    "conflict": (
        "Every event in conflict has a row that names another of the same person, image and round.",
        'SELECT e.event_id, c.against FROM event e LEFT JOIN "conflict" c ON c.event_id = e.event_id '
        "LEFT JOIN event o ON o.event_id = c.against AND o.annotator_id = e.annotator_id AND o.round = e.round "
        "AND o.image_id = e.image_id WHERE CASE e.status WHEN 'conflict' THEN o.event_id IS NULL "
        "OR (c.resolved_at IS NULL) <> (c.kept IS NULL) ELSE c.event_id IS NOT NULL END",
    ),
    "visit": (
        "A visit has a moment at which it ended if it is over, and only then.",
        "SELECT annotator_id, status, ended_at FROM visit WHERE (status IS NULL) <> (ended_at IS NULL)",
    ),
    "erased": ("Nobody who was erased stands anywhere.", _erased),
    "erasing": (
        "No erasure is half done; the command that began it ends it, given again.",
        "SELECT 'erasing' AS what, annotator_id AS row FROM erasing UNION "
        "SELECT 'erasure', CAST(number AS VARCHAR) FROM erasure WHERE cleaned_at IS NULL",
    ),
    "times": ("No time is before 1970 or after tomorrow; people's clocks are five minutes ahead at most.", _times),
    "sequences": ("The next number of each sequence is beyond the largest there is (PostgreSQL).", _sequences),
}
INVARIANTS = {name: says for name, (says, _) in _SAID.items()} | {
    "answer.missing": "Whatever anybody answered has its row in answer.",
    "answer.extra": "Nothing stands in answer that the log does not have.",
    "answer.event_id": "An answer is by the newest event that was taken, or that the lead kept.",
    "answer.revision": "An answer's revision counts the events that were taken or kept.",
    "answer.surplus": "An answer is surplus if the log says so, and no erasure left it a place.",
    "assignment.missing": "Whatever anybody answered has its row in assignment.",
    "assignment.extra": "Answered assignments have an answer in the log; who has withdrawn holds no others.",
    "assignment.place": "Assignments have the places that the log says.",
    "assignment.purpose": "Assignments have the purposes that the log says.",
    "assignment.claimed_at": "Assignments were claimed when the log says.",
    "assignment.answered_at": "Assignments were answered when their first answer came.",
    "assignment.holds_slot": "Whoever labels an image holds a place there, unless their answer is surplus.",
    "slot.missing": "Every image has a slot in the main round.",
    "slot.taken": "A slot counts the places that people hold there; who has withdrawn is not counted.",
    "slot.wanted": "No slot wants fewer than nobody.",
}
