"""What must hold in a label store's database, by name: looked for in one snapshot, without changing anything.

`invariants` has each name with a sentence, and the SQL that finds the rows that break it; of those without SQL,
functions here find some, and `derived.differences` what is not as the log says.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from affectml_annotation.errors import AnnotationError, DatabaseAway, DatabaseFailed, StoreError
from affectml_annotation.judgements import answer_problems
from affectml_annotation.store import schema, setup
from affectml_annotation.store.backup import Backup, Tally, unlike
from affectml_annotation.store.derived import Row, differences
from affectml_annotation.store.invariants import INVARIANTS, QUERIES
from affectml_annotation.store.keys import ERASING, keyed, mark
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.migrations import MIGRATIONS, schema_faults, version_of
from affectml_annotation.store.place import BACKUP
from affectml_annotation.store.schema import annotator, erasure, event, metadata, now_ms, panel, setting
from affectml_annotation.store.settings import read_setting
from affectml_annotation.store.submits import FUTURE_SECONDS
from affectml_annotation.store.versions import read_task

SHOWN = 20
SOON = "ends_at", "lease_until", "place_until"  # times that lie ahead as they should
# What the other engine sees to by itself.
ONLY = {"file": "sqlite", "keys": "sqlite", "json": "sqlite", "sequences": "postgresql"}


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
                raise StoreError(f"{where} has an earlier schema; `affectml labels status` makes it this one")
            for name, row in _offenders(connection):
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
    for name in INVARIANTS:
        find = partial(_asked, query=QUERIES[name]) if name in QUERIES else _FOUND_BY.get(name)
        if find is None or ONLY.get(name, connection.dialect.name) != connection.dialect.name:
            continue
        try:
            with connection.begin_nested():  # PostgreSQL does nothing more after an error, but behind a savepoint
                for row in find(connection):
                    before.add(name)
                    yield name, row
        except (DBAPIError, AnnotationError, ValueError, RecursionError) as error:
            before.add(name)
            yield name, {"error": " ".join(str(getattr(error, "orig", error)).split())}
        if "file" in before:
            return
    if "schema" not in before:
        yield from differences(connection)


def _asked(connection: sa.Connection, query: str) -> Iterator[Row]:
    return (dict(row) for row in connection.exec_driver_sql(query).mappings())


def _backup(connection: sa.Connection) -> Iterator[Row]:
    """Of a SQLite file alone: a restored database says nothing of itself."""
    if (note := read_setting(connection, BACKUP)) is not None:
        try:
            said = Backup(Path(), bytes=0, **note)
        except TypeError:
            yield {"error": "what it says of itself cannot be read"}
        else:
            yield from ({"error": problem} for problem in unlike(Tally.of(connection), said))


def _json(connection: sa.Connection) -> Iterator[Row]:
    columns = [column for table in metadata.tables.values() for column in table.c if isinstance(column.type, sa.JSON)]
    for column in columns:
        query = f'SELECT * FROM "{column.table.name}" WHERE NOT json_valid("{column.name}")'
        for row in _asked(connection, query):
            yield {"table": column.table.name, "column": column.name, "row": next(iter(row.values()))}


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
    for column in (*(table.c.annotator_id for table in metadata.tables.values() if "annotator_id" in table.c), *more):
        for who in connection.scalars(sa.select(column).where(column.is_not(None)).distinct()):
            named[who].add(column.table.name)
    lines = connection.scalars(sa.select(setting.c.value).where(setting.c.key.startswith(setup.WITHDRAWAL)))
    for who in (*setup.closed(connection), *(str(line["annotator_id"]) for line in lines)):
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
    authors = (schema.decision.c.decided_by, schema.conflict.c.resolved_by, schema.lead_change.c.by)
    for who, tables in _named(connection, *authors).items():
        if keyed(connection, ERASING, "who", who).hex() in gone:
            yield {"annotator_id": who, "tables": sorted(tables)}
    for who, person in connection.execute(sa.select(panel.c.annotator_id, panel.c.person)):
        if mark(connection, person) in persons:
            yield {"annotator_id": who, "tables": ["panel"]}


def _times(connection: sa.Connection) -> Iterator[Row]:
    tomorrow = now_ms() + setup.DAY_MS
    for table in metadata.tables.values():
        for column in table.c:
            if column.name.endswith("_at") and column.name not in SOON:
                wrong = sa.select(column).where(sa.or_(column < 0, column > tomorrow))
                yield from ({"table": table.name, column.name: at} for at in connection.scalars(wrong))
    ahead = (event.c.source.is_(None), event.c.at > event.c.received_at + FUTURE_SECONDS * 1000)
    for number in connection.scalars(sa.select(event.c.number).where(*ahead)):
        yield {"table": "event", "number": number}


def _sequences(connection: sa.Connection) -> Iterator[Row]:
    for table in (each for each in metadata.tables.values() if "number" in each.c):
        if name := connection.scalar(sa.func.pg_get_serial_sequence(table.name, "number").select()):
            last, called = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {name}").one()
            largest = connection.scalar(sa.select(sa.func.max(table.c.number))) or 0
            if last + called <= largest:
                yield {"table": table.name, "next": last + called, "largest": largest}


_FOUND_BY: dict[str, Callable[[sa.Connection], Iterable[Row]]] = {
    "backup": _backup,
    "schema": schema_faults,
    "json": _json,
    "settings": _settings,
    "people": _people,
    "event.labels": _labels,
    "erased": _erased,
    "times": _times,
    "sequences": _sequences,
}
