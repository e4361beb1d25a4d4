"""Taking a whole file of judgements into the store: all of it or nothing, and never twice."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import BadImport, StoreError
from affectml_annotation.exchange.checking import import_problems
from affectml_annotation.exchange.tables import DELIMITER
from affectml_annotation.store import asking, setup
from affectml_annotation.store.claims import given_to
from affectml_annotation.store.schema import annotator, answer, assignment, event, image, imported, now_ms, round_, slot
from affectml_annotation.store.settings import read_settings
from affectml_annotation.store.submits import OF_ASSIGNMENT

ROWS_AT_ONCE = 10_000


def import_judgements(connection: sa.Connection, table: pd.DataFrame, *, name: str, sha256: str, invite: bool) -> int:
    """Add every row as an answer of its own; returns how many.

    Raises BadImport with every bad row, and StoreError where a file of this content was imported before.
    """
    before = connection.execute(sa.select(imported).where(imported.c.sha256 == sha256)).one_or_none()
    if before is not None:
        when = pd.Timestamp(before.at, unit="ms").isoformat(timespec="minutes")
        raise StoreError(f"{name}: imported already, as {before.name} on {when}Z ({before.rows} rows)")
    settings = read_settings(connection)
    position = {row.image_id: row.position for row in connection.execute(sa.select(image.c.image_id, image.c.position))}
    if invite:
        setup.invite(connection, sorted(who for who in set(table["annotator_id"].dropna()) if who.strip()), {})
    people = set(connection.scalars(sa.select(annotator.c.annotator_id)))
    gone = set(connection.scalars(sa.select(annotator.c.annotator_id).where(annotator.c.withdrawn_at.is_not(None))))
    problems = import_problems(table, settings.labels, images=position, annotators=people)
    problems += _clashes(connection, table)
    if problems:
        raise BadImport(name, problems, _way_out(table, settings.labels, position, people))
    now = now_ms()
    places = dict.fromkeys(people, 0)
    held = {}
    for had in connection.execute(sa.select(assignment)).mappings():
        places[had["annotator_id"]] = max(places[had["annotator_id"]], had["place"] + 1)
        held[had["annotator_id"], had["round"], had["position"]] = had
    events, answers, assignments = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    taken: dict[tuple[int, int], int] = {}
    for number, row in enumerate(table.astype(object).where(table.notna(), None).to_dict("records")):
        event_id = row.get("event_id") or str(uuid5(NAMESPACE_URL, f"{sha256}#{number}"))
        key = (row["annotator_id"], int(row["round"]), row["image_id"])
        at = position[row["image_id"]]
        answers.append(dict(zip(("annotator_id", "round", "image_id"), key, strict=True))
                       | {"event_id": event_id, "revision": 1, "surplus": False})  # fmt: skip
        given: Mapping[Any, Any] | None = held.get((key[0], key[1], at))
        if given is not None:
            held_one = assignment.update().where(*given_to(*key[:2]), assignment.c.position == at)
            connection.execute(held_one.values(answered_at=now))
        else:
            purpose = row.get("purpose") or "task"
            counts = purpose in ("task", "discussion")
            fresh = {
                "annotator_id": key[0], "round": key[1], "position": at, "place": places[key[0]],
                "purpose": purpose, "suggestions_visible": bool(row.get("suggestions_visible")),
                "holds_slot": counts, "claimed_at": now, "lease_until": now, "answered_at": now,
            }  # fmt: skip
            assignments.append(fresh)
            given = fresh
            places[key[0]] += 1
            taken[key[1], at] = taken.get((key[1], at), 0) + (counts and key[0] not in gone)
        events.append(_event(row, event_id, key, now, name) | {column: given[column] for column in OF_ASSIGNMENT})
    for destination, rows in ((event, events), (answer, answers), (assignment, assignments)):
        for start in range(0, len(rows), ROWS_AT_ONCE):
            connection.execute(destination.insert(), rows[start : start + ROWS_AT_ONCE])
    if taken:
        connection.execute(
            slot.update()
            .where(slot.c.round == sa.bindparam("r"), slot.c.position == sa.bindparam("p"))
            .values(taken=slot.c.taken + sa.bindparam("more")),
            [{"r": r, "p": p, "more": more} for (r, p), more in sorted(taken.items())],
        )
    connection.execute(imported.insert().values(sha256=sha256, name=name, rows=len(table), at=now))
    asking.ask_on(connection)
    return len(table)


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


def _clashes(connection: sa.Connection, table: pd.DataFrame) -> list[str]:
    """Rows whose round there is not, or that the store has an answer or an event for."""
    rounds = set(connection.scalars(sa.select(round_.c.number)))
    there = {
        (row.annotator_id, row.round, row.image_id)
        for row in connection.execute(sa.select(answer.c.annotator_id, answer.c.round, answer.c.image_id))
    }
    known = set(connection.scalars(sa.select(event.c.event_id)))
    ids = table["event_id"] if "event_id" in table else [None] * len(table)
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
    strengths = row.get("intensities")
    at = row.get("at")
    return {
        "event_id": event_id, "annotator_id": key[0], "round": key[1], "image_id": key[2], "kind": row["kind"],
        "labels": list(row["labels"]), "intensities": None if strengths is None else list(strengths),
        "valence": row.get("valence"), "arousal": row.get("arousal"), "note": row.get("note"),
        "suggestions_visible": bool(row.get("suggestions_visible")), "seconds": row.get("seconds"),
        "at": now if at is None else at.value // 1_000_000, "received_at": now, "base_revision": 0,
        "status": "accepted", "revision": 1, "context": None, "source": source,
        "language": row.get("language"),
    }  # fmt: skip
