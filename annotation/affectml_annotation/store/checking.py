"""What must hold in a label store's database, by name: looked for in one snapshot, without changing anything.

`answer`, `assignment` and `slot` are kept beside the log, and must be what it says. What it does not say is taken as it
is: claims that nobody has answered, how many people a slot wants, that an erasure gave its place to an answer which had
come too late, whether somebody who gave no answer holds a place, and what was given out before schema 4.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from affectml_annotation.errors import AnnotationError, DatabaseAway, DatabaseFailed, StoreError
from affectml_annotation.judgements import ANSWERS, answer_problems
from affectml_annotation.store import LabelStore, people, schema
from affectml_annotation.store.backup import read_backup
from affectml_annotation.store.claims import HOLDING
from affectml_annotation.store.erasing import AUTHORS, PEOPLE
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
    before = set()
    for name, find in _FINDERS:
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
        e.base_revision, e.place, e.purpose, e.holds_slot, e.claimed_at, c.event_id AS contested, c.kept, c.resolved_at,
        o.event_id AS against, a.event_id AS now_event_id, a.revision AS now_revision, a.surplus AS now_surplus,
        s.place AS had_place, s.purpose AS had_purpose, s.holds_slot AS had_holds_slot, s.claimed_at AS had_claimed_at,
        s.answered_at AS had_answered_at, i.position, r.purpose AS of_round, p.annotator_id AS person, p.withdrawn_at,
        k.position AS is_check
    FROM event e LEFT JOIN "conflict" c ON c.event_id = e.event_id
    LEFT JOIN event o ON o.event_id = c.against
        AND o.annotator_id = e.annotator_id AND o.round = e.round AND o.image_id = e.image_id
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
    """What does not fit in the log, and each row that is not what the log says, with its key and what both say.

    Rows of which the log says nothing are not looked for. Slots come last.
    """
    erased = connection.exec_driver_sql("SELECT number FROM erasure").first() is not None
    unanswered = {row[:3]: row for row in connection.exec_driver_sql(_CLAIMS)}
    held: Counter[tuple[int, int]] = Counter()
    log = connection.exec_driver_sql(_LOG, execution_options={"stream_results": True, "yield_per": 1000})
    for (who, number, name), group in groupby(log, attrgetter("annotator_id", "round", "image_id")):
        events = list(group)
        key = {"annotator_id": who, "round": number, "image_id": name}
        yield from (("log", {**key, "number": one.number, "problem": what}) for one in events for what in _wrong(one))
        taken = [one for one in events if one.status != "conflict"]
        kept = [one for one in events if one.status == "conflict" and one.kept]
        revisions = [one.revision for one in taken]
        every = [*revisions, *(one.revision for one in kept)]
        if every and (min(every) != 1 or max(every) > len(every) or len({*revisions}) < len(revisions)):
            yield "log", {**key, "problem": f"the revisions are {', '.join(map(str, every))}"}
        if not taken:
            continue
        first, last = taken[0], taken[-1]
        filled = erased and first.now_surplus == 0 and first.had_holds_slot
        surplus = last.status == "surplus" and not filled
        revision = max(len(taken) + len(kept), last.revision)
        if revision > last.revision and kept:  # by the lead, after that; of two in one moment, the one that is there
            last = max(kept, key=lambda one: (one.resolved_at, one.event_id == one.now_event_id, one.number))
        current = {"event_id": last.event_id, "revision": revision, "surplus": surplus}
        yield from _compared("answer", key, first, "now", current)
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
        yield from _compared("assignment", key, first, "had", said)
    for (who, number, position), row in unanswered.items():
        held[number, position] += (holds := bool(row.holds_slot or row.purpose in HOLDING))
        if holds != row.holds_slot:
            yield (
                "assignment",
                {"annotator_id": who, "round": number, "position": position, "holds_slot": row.holds_slot},
            )
    for number, position, there in connection.exec_driver_sql("SELECT round, position, taken FROM slot"):
        if there != held[number, position]:
            yield "slot", {"round": number, "position": position, "there": there, "log": held[number, position]}


def _wrong(event: Any) -> Iterator[str]:
    """What does not fit together in a row of the log."""
    late = event.status == "conflict"
    if event.position is None or event.of_round is None:
        yield "no such image or round in the task"
    if event.base_revision >= event.revision if late else event.base_revision != event.revision - 1:
        yield f"{event.status}: revision {event.revision} does not follow from {event.base_revision}"
    settled = (event.resolved_at is None) == (event.kept is None)
    if late != (event.contested is not None) or (late and not (event.against and settled)):
        yield "in conflict without another answer of the same person to the image, or the other way round"


def _compared(table: str, key: Row, row: Any, prefix: str, said: Row) -> Iterator[tuple[str, Row]]:
    """A row, whose columns have a prefix in `row`, where it is not what is said of it."""
    there = {name: getattr(row, f"{prefix}_{name}") for name in said}
    if there != said:
        yield table, {**key, "there": there, "log": said}


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
# What finds the rows that break an invariant: SQL, or a function; `_differences` finds the rest.
_FINDERS: tuple[tuple[str, str | Callable[[sa.Connection], Iterable[Row]]], ...] = (
    ("file", "SELECT integrity_check AS error FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
    ("schema", schema_faults),
    ("keys", 'SELECT "table", rowid AS row, parent AS names FROM pragma_foreign_key_check'),
    ("settings", _settings),
    ("people", _people),
    ("log", _labels),
    ("erased", _erased),
    (
        "erasing",
        """
        SELECT 'erasing' AS what, annotator_id AS row FROM erasing
        UNION SELECT 'erasure', CAST(number AS VARCHAR) FROM erasure WHERE cleaned_at IS NULL""",
    ),
    (
        "answer",
        """
        SELECT annotator_id, round, image_id FROM answer
        EXCEPT SELECT annotator_id, round, image_id FROM event WHERE status <> 'conflict'""",
    ),
    (
        "assignment",
        """
        SELECT annotator_id, round, position FROM assignment WHERE answered_at IS NOT NULL
        OR annotator_id NOT IN (SELECT annotator_id FROM annotator WHERE withdrawn_at IS NULL)
        EXCEPT SELECT e.annotator_id, e.round, i.position FROM event e JOIN image i ON i.image_id = e.image_id
        JOIN round r ON r.number = e.round JOIN annotator p ON p.annotator_id = e.annotator_id
        WHERE e.status <> 'conflict'""",
    ),
    (
        "slot",
        """
        SELECT 1 AS round, position FROM image WHERE position NOT IN (SELECT position FROM slot WHERE round = 1)""",
    ),
)
