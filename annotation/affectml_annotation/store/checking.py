"""What must hold in a label store's database, by name: looked for in one snapshot, without changing anything.

`answer`, `assignment` and `slot` are kept beside the log, and must be what it says. What it does not say is taken as it
is: claims that nobody has answered, how many people a slot wants, that an erasure gave its place to an answer which had
come too late, whether somebody who gave no answer holds a place, and what was given out before schema 4.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from affectml_annotation.errors import AnnotationError, DatabaseAway, DatabaseFailed, StoreError
from affectml_annotation.judgements import ANSWERS, answer_problems
from affectml_annotation.store import people, schema
from affectml_annotation.store.backup import read_backup
from affectml_annotation.store.claims import HOLDING
from affectml_annotation.store.engine import watched
from affectml_annotation.store.erasing import AUTHORS, PEOPLE
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.migrations import MIGRATIONS, schema_faults, version_of
from affectml_annotation.store.people import ERASING, keyed, mark
from affectml_annotation.store.place import backup_note
from affectml_annotation.store.schema import annotator, erasure, event, panel, setting
from affectml_annotation.store.submits import OF_ASSIGNMENT
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

    A damaged file is all that is said of one. Raises StoreError for a PostgreSQL database of an earlier schema.
    """
    found: dict[str, Broken] = {}
    try:
        with store.database.snapshot() as connection:
            if connection.dialect.name == "postgresql" and version_of(connection) < len(MIGRATIONS):
                where = store.database.where
                raise StoreError(f"{where} has an earlier schema; `affectml label status` makes it this one")
            for name, row in chain(_backup(store), _offenders(connection)):
                broken = found.setdefault(name, Broken(name, INVARIANTS[name][0]))
                broken.count += 1
                broken.rows += [row][: SHOWN - len(broken.rows)]
    except DatabaseAway:
        raise
    except DatabaseFailed as error:
        found.setdefault("file", Broken("file", INVARIANTS["file"][0], 1, [{"error": str(error)}]))
    return [found[name] for name in INVARIANTS if name in found and ("file" not in found or name == "file")]


def _offenders(connection: sa.Connection) -> Iterator[tuple[str, Row]]:
    """The name of what is broken with each row that shows it, but for what a damage before makes pointless to ask."""
    before = set()
    for name, (_, find) in INVARIANTS.items():
        if find is None or (name in ONLY_OF_SQLITE and connection.dialect.name != "sqlite"):
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
    if "schema" not in before:
        yield from _differences(connection)


def _asked(connection: sa.Connection, query: str) -> Iterator[Row]:
    return (dict(row) for row in connection.exec_driver_sql(query).mappings())


def _backup(store: LabelStore) -> Iterator[tuple[str, Row]]:
    """Of a SQLite file alone: a restored database says nothing of itself."""
    if store.database.dialect == "sqlite" and backup_note(store.database.where) is not None:
        try:
            read_backup(store.database.where)
        except DatabaseFailed:
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


# All events, beside what stands for each in the other tables: now_* of answer, had_* of assignment.
_LOG = """
    SELECT e.annotator_id, e.round, e.image_id, e.number, e.event_id, e.received_at, e.status, e.revision, e.kind,
        e.place, e.purpose, e.holds_slot, e.claimed_at, c.kept, c.resolved_at,
        a.event_id AS now_event_id, a.revision AS now_revision, a.surplus AS now_surplus,
        s.place AS had_place, s.purpose AS had_purpose, s.holds_slot AS had_holds_slot, s.claimed_at AS had_claimed_at,
        s.answered_at AS had_answered_at, i.position, r.purpose AS of_round, p.annotator_id AS person, p.withdrawn_at,
        k.position AS is_check
    FROM event e LEFT JOIN "conflict" c ON c.event_id = e.event_id
    LEFT JOIN answer a ON a.annotator_id = e.annotator_id AND a.round = e.round AND a.image_id = e.image_id
    LEFT JOIN image i ON i.image_id = e.image_id LEFT JOIN round r ON r.number = e.round
    LEFT JOIN annotator p ON p.annotator_id = e.annotator_id LEFT JOIN attention_check k ON k.position = i.position
    LEFT JOIN assignment s ON s.annotator_id = e.annotator_id AND s.round = e.round AND s.position = i.position
    ORDER BY e.annotator_id, e.round, e.image_id, e.number"""
# Of people who are there.
_CLAIMS = """
    SELECT s.annotator_id, s.round, s.position, s.purpose, s.holds_slot FROM assignment s
    JOIN annotator p ON p.annotator_id = s.annotator_id WHERE s.answered_at IS NULL AND p.withdrawn_at IS NULL"""


def _differences(connection: sa.Connection) -> Iterator[tuple[str, Row]]:
    """TABLE.COLUMN or TABLE.missing of each row that is not what the log says, with its key and what both say.

    Rows of which the log says nothing are not looked for. Slots come last.
    """
    erased = connection.exec_driver_sql("SELECT number FROM erasure").first() is not None
    unanswered = {row[:3]: row for row in connection.exec_driver_sql(_CLAIMS)}
    held: Counter[tuple[int, int]] = Counter()
    log = connection.exec_driver_sql(_LOG, execution_options={"stream_results": True, "yield_per": 1000})
    for (who, number, name), group in groupby(watched(log), attrgetter("annotator_id", "round", "image_id")):
        events = list(group)
        if not (taken := [one for one in events if one.status != "conflict"]):
            continue
        first, last = taken[0], taken[-1]
        kept = [one for one in events if one.status == "conflict" and one.kept]
        filled = erased and first.now_surplus == 0 and first.had_holds_slot
        surplus = last.status == "surplus" and not filled
        revision = max(len(taken) + len(kept), last.revision)
        if revision > last.revision and kept:  # by the lead, after that; of two in one moment, the one that is there
            last = max(kept, key=lambda one: (one.resolved_at, one.event_id == one.now_event_id, one.number))
        current = {"event_id": last.event_id, "revision": revision, "surplus": surplus}
        yield from _compared("answer", {"annotator_id": who, "round": number, "image_id": name}, first, "now", current)
        if None in (first.person, first.of_round, first.position):
            continue
        unanswered.pop((who, number, first.position), None)
        known = {name: value for name in OF_ASSIGNMENT if (value := getattr(first, name)) is not None}
        usual = first.of_round if first.of_round != "main" else "task" if first.is_check is None else "check"
        given = {"purpose": first.had_purpose or usual, "holds_slot": first.had_holds_slot, **known}
        holds = not surplus and bool(given["purpose"] in HOLDING or first.status == "surplus" or given["holds_slot"])
        if last.kind not in ANSWERS:
            holds = bool(first.had_holds_slot)
        if first.withdrawn_at is None:
            held[number, first.position] += holds
        elif first.had_purpose is not None:  # until schema 2, whoever withdrew held nothing more
            holds = holds and first.had_holds_slot
        said = {**known, "holds_slot": holds, "answered_at": first.received_at}
        key = {"annotator_id": who, "round": number, "position": first.position}
        yield from _compared("assignment", key, first, "had", said)
    for at, row in unanswered.items():
        held[at[1:]] += (holds := bool(row.holds_slot or row.purpose in HOLDING))
        if holds != row.holds_slot:
            key = dict(zip(("annotator_id", "round", "position"), at, strict=True))
            yield "assignment.holds_slot", {**key, "there": row.holds_slot, "log": holds}
    for number, position, taken in connection.exec_driver_sql("SELECT round, position, taken FROM slot"):
        if taken != held[number, position]:
            yield "slot.taken", {"round": number, "position": position, "there": taken, "log": held[number, position]}


def _compared(table: str, key: Row, row: Any, prefix: str, said: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
    """Where a row, whose columns have a prefix in `row`, is not what is said of it."""
    there = {name: getattr(row, f"{prefix}_{name}") for name in said}
    if all(value is None for value in there.values()):
        yield f"{table}.missing", key
        return
    for name, value in said.items():
        if there[name] != value:
            yield f"{table}.{name}", {**key, "there": there[name], "log": value}


# What each says, and what finds the rows that break it: SQL, or a function; without one, `_differences` does.
INVARIANTS: dict[str, tuple[str, str | Callable[[sa.Connection], Iterable[Row]] | None]] = {
    "file": (
        "SQLite finds its file whole.",
        "SELECT integrity_check AS error FROM pragma_integrity_check WHERE integrity_check <> 'ok'",
    ),
    "backup": ("A backup has the rows and digests that it says.", None),
    "schema": (
        "All columns, indexes and triggers are there, those that keep the log append-only too, and no other trigger.",
        schema_faults,
    ),
    "keys": (
        "Every row that another names is there.",
        'SELECT "table", rowid AS row, parent AS names FROM pragma_foreign_key_check',
    ),
    "settings": ("The settings can be read; checks and people's chips have the task's labels.", _settings),
    "people": ("Whoever has a row, is closed or has withdrawn is in the task.", _people),
    "event.names": (
        "Every event is about an image of the task, in a round of it.",
        """
        SELECT e.number, e.event_id, e.image_id, e.round FROM event e
        LEFT JOIN image i ON i.image_id = e.image_id LEFT JOIN round r ON r.number = e.round
        WHERE i.position IS NULL OR r.number IS NULL""",
    ),
    "event.labels": ("Every event's labels are the task's, as its kind has them.", _labels),
    "event.status": (
        "An event is accepted or surplus on the revision that it names, or in conflict with a later one.",
        """
        SELECT number, event_id, status, base_revision, revision FROM event WHERE CASE status
            WHEN 'conflict' THEN base_revision >= revision
            WHEN 'accepted' THEN base_revision <> revision - 1
            WHEN 'surplus' THEN base_revision <> revision - 1
            ELSE 1 = 1
        END""",
    ),
    "event.revision": (
        "Somebody's revisions at an image count from 1; between two there is what the lead kept, and nothing else.",
        """
        SELECT e.annotator_id, e.round, e.image_id, count(*) AS events, max(e.revision) AS revision
        FROM event e LEFT JOIN "conflict" c ON c.event_id = e.event_id WHERE e.status <> 'conflict' OR c.kept
        GROUP BY e.annotator_id, e.round, e.image_id HAVING max(e.revision) > count(*) OR min(e.revision) <> 1
        OR count(DISTINCT CASE WHEN e.status <> 'conflict' THEN e.revision END)
            <> count(CASE WHEN e.status <> 'conflict' THEN 1 END)""",
    ),
    "conflict": (
        "Every event in conflict has a row that names another of the same person, image and round.",
        """
        SELECT e.event_id, c.against FROM event e LEFT JOIN "conflict" c ON c.event_id = e.event_id
        LEFT JOIN event o ON o.event_id = c.against
            AND o.annotator_id = e.annotator_id AND o.round = e.round AND o.image_id = e.image_id
        WHERE CASE e.status
            WHEN 'conflict' THEN o.event_id IS NULL OR (c.resolved_at IS NULL) <> (c.kept IS NULL)
            ELSE c.event_id IS NOT NULL
        END""",
    ),
    "erased": ("Nobody who was erased stands anywhere.", _erased),
    "erasing": (
        "No erasure is half done; the command that began it ends it, given again.",
        """
        SELECT 'erasing' AS what, annotator_id AS row FROM erasing
        UNION SELECT 'erasure', CAST(number AS VARCHAR) FROM erasure WHERE cleaned_at IS NULL""",
    ),
    "answer.missing": ("Whatever anybody answered has its row in answer.", None),
    "answer.extra": (
        "Nothing stands in answer that the log does not have.",
        """
        SELECT annotator_id, round, image_id FROM answer
        EXCEPT SELECT annotator_id, round, image_id FROM event WHERE status <> 'conflict'""",
    ),
    "answer.event_id": ("An answer is by the newest event that was taken, or that the lead kept.", None),
    "answer.revision": ("An answer's revision counts the events that were taken or kept.", None),
    "answer.surplus": ("An answer is surplus if the log says so, and no erasure left it a place.", None),
    "assignment.missing": ("Whatever anybody answered has its row in assignment.", None),
    "assignment.extra": (
        "Answered assignments have an answer in the log; who has withdrawn holds no others.",
        """
        SELECT annotator_id, round, position FROM assignment WHERE answered_at IS NOT NULL
        OR annotator_id NOT IN (SELECT annotator_id FROM annotator WHERE withdrawn_at IS NULL)
        EXCEPT SELECT e.annotator_id, e.round, i.position FROM event e JOIN image i ON i.image_id = e.image_id
        JOIN round r ON r.number = e.round JOIN annotator p ON p.annotator_id = e.annotator_id
        WHERE e.status <> 'conflict'""",
    ),
    "assignment.place": ("Assignments have the places that the log says.", None),
    "assignment.purpose": ("Assignments have the purposes that the log says.", None),
    "assignment.claimed_at": ("Assignments were claimed when the log says.", None),
    "assignment.answered_at": ("Assignments were answered when their first answer came.", None),
    "assignment.holds_slot": (
        "Whoever answers an image, and not too late, holds a place there; who skipped may.",
        None,
    ),
    "slot.missing": (
        "Every image has a slot in the main round.",
        """
        SELECT 1 AS round, position FROM image WHERE position NOT IN (SELECT position FROM slot WHERE round = 1)""",
    ),
    "slot.taken": ("A slot counts the places that people hold there; who has withdrawn is not counted.", None),
}
