"""`answer`, `assignment` and `slot`, which are kept beside the log: where they are not what it says.

What the log does not say is taken as it is: claims that nobody has answered, how many people a slot wants, that an
erasure gave its place to an answer which had come too late, whether somebody who gave no answer holds a place, and what
was given out before schema 4.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from affectml_annotation.judgements import ANSWERS
from affectml_annotation.store.claims import HOLDING
from affectml_annotation.store.engine import watched
from affectml_annotation.store.submits import OF_ASSIGNMENT

Row = dict[str, Any]
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


def differences(connection: sa.Connection) -> Iterator[tuple[str, Row]]:
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
        if (
            revision > last.revision and kept
        ):  # the lead kept one after that; of two in one moment, the one that is there
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
