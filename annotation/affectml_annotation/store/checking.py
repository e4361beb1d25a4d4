"""What must hold in a label store's database, by name: looked for in one snapshot, without changing anything.

`answer`, `assignment` and `slot` are kept beside the log, and must be what it says. What it does not say is taken as it
is: claims that nobody has answered, how many people a slot wants, that an erasure gave its place to an answer which had
come too late, whether somebody who gave no answer holds a place, and what was given out before schema 4.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from affectml_annotation.errors import AnnotationError, DatabaseAway, DatabaseFailed, StoreError
from affectml_annotation.judgements import ANSWERS, answer_problems
from affectml_annotation.store import LabelStore, people, schema
from affectml_annotation.store.backup import read_backup
from affectml_annotation.store.claims import HOLDING
from affectml_annotation.store.migrations import schema_faults
from affectml_annotation.store.people import AUTHORS, ERASING, PEOPLE, keyed, mark
from affectml_annotation.store.place import backup_note
from affectml_annotation.store.schema import annotator, erasure, event, panel, setting
from affectml_annotation.store.versions import read_task

Row = dict[str, Any]
SHOWN = 20
ONLY_OF_SQLITE = ("file", "keys")  # PostgreSQL sees to them by itself


@dataclass
class Broken:
    """Something that does not hold. rows: the first of `count` that show it."""

    invariant: str
    says: str
    count: int = 0
    rows: list[Row] = field(default_factory=list)


def check_store(store: LabelStore) -> list[Broken]:
    """Everything of `INVARIANTS` that does not hold now; others may read and write meanwhile.

    A damaged file is all that is said of one.
    """
    found: dict[str, Broken] = {}
    try:
        with store.database.snapshot() as connection:
            for name, row in chain(_backup(store), _offenders(connection)):
                broken = found.setdefault(name, Broken(name, INVARIANTS[name]))
                broken.count += 1
                broken.rows += [row][: SHOWN - len(broken.rows)]
    except DatabaseAway:
        raise
    except DatabaseFailed as error:
        found.setdefault("file", Broken("file", INVARIANTS["file"], 1, [{"error": str(error)}]))
    return [found[name] for name in INVARIANTS if name in found and ("file" not in found or name == "file")]


def _offenders(connection: sa.Connection) -> Iterator[tuple[str, Row]]:
    """The name of what is broken with each row that shows it, but for what a damage before makes pointless to ask."""
    before = set[str]()
    for name, find in FINDERS:
        if name in ONLY_OF_SQLITE and connection.dialect.name != "sqlite":
            continue
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


def _asked(connection: sa.Connection, query: str) -> Iterator[Row]:
    return (dict(row) for row in connection.exec_driver_sql(query).mappings())


def _backup(store: LabelStore) -> Iterator[tuple[str, Row]]:
    """Of a SQLite file alone: a restored database says nothing of itself."""
    if store.database.dialect == "sqlite" and backup_note(store.database.where) is not None:
        try:
            read_backup(store.database.where)
        except DatabaseAway:
            raise
        except StoreError as error:
            yield "backup", {"error": str(error)}


def _settings(connection: sa.Connection) -> Iterator[Row]:
    labels = read_task(connection).labels
    for position, accepted, forbidden in connection.execute(sa.select(schema.check)):
        if strange := {*accepted, *forbidden} - {*labels}:
            yield {"attention_check": position, "labels": sorted(strange)}
    for who, order in connection.execute(sa.select(annotator.c.annotator_id, annotator.c.chip_order)):
        if sorted(order) != sorted(labels):
            yield {"annotator": who, "chip_order": order}


def _labels(connection: sa.Connection) -> Iterator[Row]:
    labels = read_task(connection).labels
    text = sa.cast(event.c.labels, sa.Text)
    number = sa.func.min(event.c.number).label("number")
    for kind, chosen, first in connection.execute(sa.select(event.c.kind, text, number).group_by(event.c.kind, text)):
        try:
            problems = answer_problems(kind, json.loads(chosen), labels)
        except ValueError:
            continue  # said by `json`
        for problem in problems:
            yield {"number": first, "kind": kind, "labels": chosen, "problem": problem}


def _named(connection: sa.Connection, *more: sa.Column[Any]) -> dict[str, set[str]]:
    """Whose rows there are, who is closed or has withdrawn, and who stands in `more` columns; the tables of each."""
    named: dict[str, set[str]] = defaultdict(set)
    for column in (*(table.c.annotator_id for table in PEOPLE), *more):
        for who in connection.scalars(sa.select(column).where(column.is_not(None)).distinct()):
            named[who].add(column.table.name)
    lines = connection.scalars(sa.select(setting.c.value).where(setting.c.key.startswith(people.WITHDRAWAL)))
    for who in (*people.closed(connection), *(str(line["annotator_id"]) for line in lines)):
        named[who].add("setting")
    return named


def _people(connection: sa.Connection) -> Iterator[Row]:
    for who, tables in _named(connection).items():
        if "annotator" not in tables:
            yield {"annotator_id": who, "tables": sorted(tables)}


def _erased(connection: sa.Connection) -> Iterator[Row]:
    gone, persons = ({*connection.scalars(sa.select(column))} for column in (erasure.c.annotator, erasure.c.person))
    if not gone:
        return
    for who, tables in _named(connection, *AUTHORS).items():
        if keyed(connection, ERASING, "who", who).hex() in gone:
            yield {"annotator_id": who, "tables": sorted(tables)}
    for who, person in connection.execute(sa.select(panel.c.annotator_id, panel.c.person)):
        if mark(connection, person) in persons:
            yield {"annotator_id": who, "tables": ["panel"]}


INVARIANTS = {
    "file": "SQLite finds its file whole.",
    "backup": "A backup has the rows and digests that it says.",
    "schema": (
        "All columns, indexes and triggers are there, those that keep the log append-only too, and no other trigger."
    ),
    "keys": "Every row that another names is there.",
    "settings": "The settings can be read; checks and people's chips have the task's labels.",
    "people": "Whoever has a row, is closed or has withdrawn is in the task.",
    "log": (
        "Every event is about an image and a round of the task, with its labels, and follows from the one before or is "
        "in conflict with it; between somebody's revisions there is what the lead kept, and nothing else."
    ),
    "erased": "Nobody who was erased stands anywhere.",
    "erasing": "No erasure is half done; the command that began it ends it, given again.",
    "answer": "An answer is the newest event that was taken, or that the lead kept, and nothing else stands there.",
    "assignment": "Whoever answered was given the image as the log says; who has withdrawn holds no others.",
    "slot": "Every image has a slot in the main round, which counts the places of people who have not withdrawn.",
}
# Of an event, whatever became of it: it is about something of the task, and in conflict with what is there, or not.
_LOG = """
    SELECT e.number, e.event_id, e.image_id, e.round, e.status, e.base_revision, e.revision
    FROM event e LEFT JOIN image i ON i.image_id = e.image_id LEFT JOIN round r ON r.number = e.round
    LEFT JOIN "conflict" c ON c.event_id = e.event_id
    LEFT JOIN event o ON o.event_id = c.against
        AND (o.annotator_id, o.round, o.image_id) = (e.annotator_id, e.round, e.image_id)
    WHERE i.position IS NULL OR r.number IS NULL OR (e.status = 'conflict') <> (c.event_id IS NOT NULL)
        OR (c.event_id IS NOT NULL AND (o.number IS NULL OR (c.resolved_at IS NULL) <> (c.kept IS NULL)))
        OR CASE e.status WHEN 'conflict' THEN e.base_revision >= e.revision
            ELSE e.base_revision <> e.revision - 1 END"""
_REVISIONS = """
    SELECT annotator_id, round, image_id, count(*) AS events, min(revision) AS first, max(revision) AS last FROM event
    WHERE status <> 'conflict' GROUP BY annotator_id, round, image_id
    HAVING min(revision) <> 1 OR count(DISTINCT revision) < count(*)"""
# last: the newest event that was taken at once; what the lead kept after that stands in its place.
_ANSWER = """
    WITH taken AS (
        SELECT e.annotator_id, e.round, e.image_id, count(*) AS revision,
            max(CASE WHEN e.status <> 'conflict' THEN e.number END) AS number
        FROM event e LEFT JOIN "conflict" c ON c.event_id = e.event_id WHERE e.status <> 'conflict' OR c.kept
        GROUP BY e.annotator_id, e.round, e.image_id)
    SELECT t.annotator_id, t.round, t.image_id, a.event_id, a.revision, a.surplus, last.event_id AS newest,
        t.revision AS revisions
    FROM taken t JOIN event last ON last.number = t.number
    LEFT JOIN answer a ON (a.annotator_id, a.round, a.image_id) = (t.annotator_id, t.round, t.image_id)
    LEFT JOIN event now ON now.event_id = a.event_id
        AND (now.annotator_id, now.round, now.image_id) = (t.annotator_id, t.round, t.image_id)
    LEFT JOIN "conflict" c ON c.event_id = now.event_id
    WHERE now.number IS NULL OR a.revision <> t.revision
        OR (now.number = last.number) <> (last.revision = t.revision)
        OR (now.number <> last.number AND c.kept IS NOT TRUE)
        OR (a.surplus <> (last.status = 'surplus') AND (a.surplus OR NOT EXISTS (SELECT 1 FROM erasure)))"""
_NO_ANSWER = """
    SELECT annotator_id, round, image_id FROM answer
    EXCEPT SELECT annotator_id, round, image_id FROM event WHERE status <> 'conflict'"""
# The first event says what its assignment was; whoever answers in time holds a place.
_ASSIGNMENT = f"""
    SELECT e.annotator_id, e.round, e.image_id, s.place, s.purpose, s.claimed_at, s.answered_at, s.holds_slot
    FROM event e JOIN image i ON i.image_id = e.image_id JOIN round r ON r.number = e.round
    JOIN annotator p ON p.annotator_id = e.annotator_id
    LEFT JOIN assignment s ON (s.annotator_id, s.round, s.position) = (e.annotator_id, e.round, i.position)
    LEFT JOIN answer a ON (a.annotator_id, a.round, a.image_id) = (e.annotator_id, e.round, e.image_id)
    LEFT JOIN event now ON now.event_id = a.event_id
    WHERE e.status <> 'conflict' AND e.revision = 1 AND (
        s.answered_at IS NULL OR s.answered_at <> e.received_at OR s.place <> e.place OR s.purpose <> e.purpose
        OR s.claimed_at <> e.claimed_at
        OR (p.withdrawn_at IS NULL AND s.purpose IN {HOLDING} AND now.kind IN {ANSWERS}
            AND s.holds_slot = a.surplus))"""
_CLAIM = f"""
    SELECT s.annotator_id, s.round, s.position, s.holds_slot FROM assignment s
    WHERE s.answered_at IS NULL AND s.purpose IN {HOLDING} AND NOT s.holds_slot"""
_NOT_ANSWERED = """
    SELECT annotator_id, round, position FROM assignment WHERE answered_at IS NOT NULL
    OR annotator_id NOT IN (SELECT annotator_id FROM annotator WHERE withdrawn_at IS NULL)
    EXCEPT SELECT e.annotator_id, e.round, i.position FROM event e JOIN image i ON i.image_id = e.image_id
    JOIN round r ON r.number = e.round JOIN annotator p ON p.annotator_id = e.annotator_id
    WHERE e.status <> 'conflict'"""
_SLOT = """
    WITH held AS (
        SELECT s.round, s.position, count(*) AS people FROM assignment s
        JOIN annotator p ON p.annotator_id = s.annotator_id
        WHERE s.holds_slot AND p.withdrawn_at IS NULL GROUP BY s.round, s.position)
    SELECT s.round, s.position, s.taken, coalesce(held.people, 0) AS people
    FROM slot s LEFT JOIN held ON (held.round, held.position) = (s.round, s.position)
    WHERE s.taken <> coalesce(held.people, 0)"""
_NO_SLOT = "SELECT 1 AS round, position FROM image WHERE position NOT IN (SELECT position FROM slot WHERE round = 1)"
_HALF_ERASED = """
    SELECT 'erasing' AS what, annotator_id AS row FROM erasing
    UNION SELECT 'erasure', CAST(number AS VARCHAR) FROM erasure WHERE cleaned_at IS NULL"""

# What finds the rows that break an invariant: SQL, or a function.
FINDERS: tuple[tuple[str, str | Callable[[sa.Connection], Iterable[Row]]], ...] = (
    ("file", "SELECT integrity_check AS error FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
    ("schema", schema_faults),
    ("keys", 'SELECT "table", rowid AS row, parent AS names FROM pragma_foreign_key_check'),
    ("settings", _settings),
    ("people", _people),
    ("log", _labels),
    ("log", _LOG),
    ("log", _REVISIONS),
    ("erased", _erased),
    ("erasing", _HALF_ERASED),
    ("answer", _ANSWER),
    ("answer", _NO_ANSWER),
    ("assignment", _ASSIGNMENT),
    ("assignment", _CLAIM),
    ("assignment", _NOT_ANSWERED),
    ("slot", _SLOT),
    ("slot", _NO_SLOT),
)
