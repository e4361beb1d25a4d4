"""Taking a whole file of judgements into the store: all of it or nothing, and never twice."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pandas as pd
import sqlalchemy as sa

from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadImport, StoreError
from affectml_annotation.exchange.checking import import_problems
from affectml_annotation.exchange.tables import DELIMITER
from affectml_annotation.judgements import ANSWERS, storable
from affectml_annotation.store import setup
from affectml_annotation.store.claims import GAVE_UP, HOLDING, given_to
from affectml_annotation.store.engine import uncollected
from affectml_annotation.store.schema import annotator, answer, assignment, event, image, imported, now_ms, round_, slot
from affectml_annotation.store.submits import OF_ASSIGNMENT
from affectml_annotation.store.versions import read_task

ROWS_AT_ONCE = 10_000
ASKED_AT_ONCE = 500


def import_judgements(connection: sa.Connection, table: pd.DataFrame, *, name: str, sha256: str, invite: bool) -> int:
    """Add every row as an answer of its own; returns how many.

    Raises BadImport with every bad row, and StoreError where a file of this content was imported before.
    """
    before = connection.execute(sa.select(imported).where(imported.c.sha256 == sha256)).one_or_none()
    if before is not None:
        when = pd.Timestamp(before.at, unit="ms").isoformat(timespec="minutes")
        raise StoreError(f"{name}: imported already, as {before.name} on {when}Z ({before.rows} rows)")
    task = read_task(connection)
    position = {row.image_id: row.position for row in connection.execute(sa.select(image.c.image_id, image.c.position))}
    if invite:
        setup.invite(connection, sorted(who for who in set(table["annotator_id"].dropna()) if who.strip()), {})
    people = dict(connection.execute(sa.select(annotator.c.annotator_id, annotator.c.withdrawn_at)).all())
    problems = import_problems(table, task.labels, images=position, annotators=people)
    problems += _clashes(connection, table, people.keys())
    if problems:
        raise BadImport(name, problems, _way_out(table, task.labels, position, people))
    now = now_ms()
    places = dict.fromkeys(people, 0)
    held = {}
    named = people.keys() & set(table["annotator_id"])
    for had in _among(connection, sa.select(assignment).with_for_update(), assignment.c.annotator_id, named):
        places[had["annotator_id"]] = max(places[had["annotator_id"]], had["place"] + 1)
        held[had["annotator_id"], had["round"], had["position"]] = had
    taken = Counter[tuple[int, int]]()
    unsure = {position[name] for name in table["image_id"][~table["kind"].isin(ANSWERS)]}
    in_rounds = GAVE_UP.where(assignment.c.round.in_([*map(int, table["round"].unique())]))
    gave_up = _among(connection, in_rounds, assignment.c.position, unsure)
    skips = Counter((each["round"], each["position"]) for each in gave_up)
    if connection.dialect.name == "sqlite":  # whose usual 2 MB would write and read each page of an index many times
        connection.exec_driver_sql("PRAGMA cache_size = -200000")
    with uncollected():
        for start in range(0, len(table), ROWS_AT_ONCE):
            part = table.iloc[start : start + ROWS_AT_ONCE]
            events, answers, assignments = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
            for number, row in enumerate(part.astype(object).where(part.notna(), None).to_dict("records"), start):
                event_id = row.get("event_id") or str(uuid5(NAMESPACE_URL, f"{sha256}#{number}"))
                key = (row["annotator_id"], int(row["round"]), row["image_id"])
                at = position[row["image_id"]]
                answers.append(dict(zip(("annotator_id", "round", "image_id"), key, strict=True))
                               | {"event_id": event_id, "revision": 1, "surplus": False})  # fmt: skip
                claim: Mapping[Any, Any] | None = held.get((key[0], key[1], at))
                purpose = (row.get("purpose") or "task") if claim is None else claim["purpose"]
                held_it = claim is not None and bool(claim["holds_slot"])
                holds: bool = held_it if purpose not in HOLDING else row["kind"] in ANSWERS
                if purpose in HOLDING and not holds:  # as `claims.settle` has it
                    holds = skips[key[1], at] >= task.most_skips
                    skips[key[1], at] += not holds
                taken[key[1], at] += (holds - held_it) * (people[key[0]] is None)
                if claim is not None:
                    given = {**claim, "holds_slot": holds}
                    held_one = assignment.update().where(*given_to(*key[:2]), assignment.c.position == at)
                    connection.execute(held_one.values(answered_at=now, holds_slot=holds))
                else:
                    given = {
                        "annotator_id": key[0], "round": key[1], "position": at, "place": places[key[0]],
                        "purpose": purpose, "suggestions_visible": bool(row.get("suggestions_visible")),
                        "holds_slot": holds, "claimed_at": now, "lease_until": now, "answered_at": now,
                    }  # fmt: skip
                    assignments.append(given)
                    places[key[0]] += 1
                ours = {column: given[column] for column in OF_ASSIGNMENT}
                events.append(_event(row, event_id, key, now, name) | ours)
            for destination, rows in ((event, events), (answer, answers), (assignment, assignments)):
                _insert(connection, destination, rows)
    if taken:
        there = slot.update().where(slot.c.round == sa.bindparam("r"), slot.c.position == sa.bindparam("p"))
        rows = [{"r": r, "p": p, "more": more} for (r, p), more in sorted(taken.items())]
        connection.execute(there.values(taken=slot.c.taken + sa.bindparam("more")), rows)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA cache_size = -2000")
    connection.execute(imported.insert().values(sha256=sha256, name=name, rows=len(table), at=now))
    return len(table)


def _insert(connection: sa.Connection, destination: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add rows as the driver takes them: SQLAlchemy would look at each value of a million."""
    if rows:
        made = destination.insert().compile(dialect=connection.dialect, column_keys=[*rows[0]])
        names = made.positiontup
        connection.exec_driver_sql(str(made), [tuple(row[name] for name in names) if names else row for row in rows])


def _way_out(table: pd.DataFrame, labels: Sequence[str], images: Collection[str], people: Collection[str]) -> str:
    """What helps against names that the task has not."""
    found = []
    if not {who for who in table["annotator_id"].dropna() if who} <= set(people):
        found.append("--invite (invite=True) invites the people of the file")
    if not set(table["image_id"].dropna()) <= set(images):
        found.append(f"this task's images are called {', '.join(map(repr, list(images)[:3]))} and so on")
    strangers = {label for chosen in table["labels"] for label in chosen} - set(labels)
    parts = {mark: {part.strip() for label in strangers for part in label.split(mark)} for mark in ";,/|"}
    if marks := [mark for mark, named in parts.items() if named & set(labels)]:
        other = f"--delimiter {marks[0]!r} (delimiter={marks[0]!r})"
        found.append(f"labels are joined by {DELIMITER!r}, or by another mark with {other}")
    return "; ".join(found)


def _among(
    connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any], values: Iterable[str | int]
) -> Iterator[sa.RowMapping]:
    """What a query finds where a column has one of these values: a small file does not read a large table."""
    wanted = [*values]
    for start in range(0, len(wanted), ASKED_AT_ONCE):
        yield from connection.execute(query.where(column.in_(wanted[start : start + ASKED_AT_ONCE]))).mappings()


def _clashes(connection: sa.Connection, table: pd.DataFrame, people: Set[str]) -> list[str]:
    """Rows whose round there is not, or that the store has an answer or an event for."""
    rounds = set(connection.scalars(sa.select(round_.c.number)))
    answered = sa.select(answer.c.annotator_id, answer.c.round, answer.c.image_id)
    named = people & set(table["annotator_id"])
    there = {tuple(row.values()) for row in _among(connection, answered, answer.c.annotator_id, named)}
    ids = table["event_id"].tolist() if "event_id" in table else [None] * len(table)
    asked = {each for each in ids if isinstance(each, str) and storable(each)}
    known = {row["event_id"] for row in _among(connection, sa.select(event.c.event_id), event.c.event_id, asked)}
    found = []
    keys = zip(table["annotator_id"], table["round"], table["image_id"], ids, strict=True)
    for row, (who, number, image_id, event_id) in enumerate(keys):
        if number not in rounds:
            found.append(f"row {row}: there is no round {number} in this task; open it first")
        elif event_id is not None and event_id in known:
            found.append(f"row {row}: event {event_id!r} is in the store already")
        elif (who, number, image_id) in there:
            found.append(f"row {row}: {who!r} has answered image {image_id!r} in round {number} already")
    return found


def _event(row: Mapping[Any, Any], event_id: str, key: tuple[str, int, str], now: int, source: str) -> dict[str, Any]:
    said = {column.name: _STORED.get(column.type, lambda value: value)(row.get(column.name)) for column in COLUMNS}
    return said | {
        "event_id": event_id, "annotator_id": key[0], "round": key[1], "image_id": key[2], "at": said["at"] or now,
        "received_at": now, "base_revision": 0, "status": "accepted", "revision": 1, "context": None, "source": source,
    }  # fmt: skip


def _json(values: Any) -> str | None:
    return None if values is None else json.dumps(list(values))


# What the driver takes for a value of a table.
_STORED: Mapping[str, Callable[[Any], Any]] = {
    "labels": _json, "numbers": _json, "truth": bool,
    "time": lambda at: None if at is None else at.value // 1_000_000,
}  # fmt: skip
