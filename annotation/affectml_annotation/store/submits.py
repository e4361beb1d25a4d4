"""Taking answers: every one is an event, kept for good; one per (image, annotator, round) is current."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import StoreError
from affectml_annotation.judgements import FLAG, UNSTORABLE, answer_problems, storable
from affectml_annotation.languages import _, as_code, ngettext
from affectml_annotation.store import visits
from affectml_annotation.store.claims import FREE, TAKE, lock_annotator, next_place, round_row, settle
from affectml_annotation.store.records import Answer, Receipt, Status
from affectml_annotation.store.schema import answer, assignment, check, conflict, draft, event, image, now_ms

# Clocks of laptops are off by minutes; more is a mistake.
FUTURE_SECONDS = 300
# Answers that one person may leave at one image in one round, corrections and conflicts together.
MOST_AT_ONE_IMAGE = 20
# What the log keeps of an assignment with its first answer: see `checking`.
OF_ASSIGNMENT = ("place", "purpose", "holds_slot", "claimed_at")


def problem(given: Answer, labels: Sequence[str], now: float) -> str | None:
    """What is wrong with an answer by itself, or None. `now` is in seconds since 1970."""
    if not given.event_id:
        return "event_id is empty; the client makes one for each answer"
    if not isinstance(given.base_revision, int) or given.base_revision < 0:
        return f"base_revision: expected a whole number, zero or more, but received {given.base_revision!r:.40}"
    for what in answer_problems(given.kind, given.labels, labels):
        return what
    if given.flag and not (given.note or "").strip():
        return _("a flag needs a note that says what is wrong with the image")
    said = {**vars(given), **given.more}
    if strange := [name for name in given.more if name not in event.c]:
        return f"no column {strange[0]!r}"
    for column in COLUMNS:
        value = said.get(column.name)
        if value is None:
            continue
        if column.type == "text" and not storable(value):
            return f"{column.name}: {UNSTORABLE}"
        if column.type == "numbers" and len(value) != len(given.labels):
            return f"{len(given.labels)} labels but {len(value)} {column.name}; expected one for each"
        for number in value if column.type == "numbers" else [value] if column.type in ("number", "time") else []:
            if number is not None and not math.isfinite(number):
                return f"{column.name}: expected finite numbers, but received {number}"
    if given.seconds is not None and given.seconds < 0:
        return f"seconds: expected zero or more, but received {given.seconds}"
    if given.language is not None and as_code(given.language) is None:
        return f"language: expected a code such as de or pt-BR, but received {given.language!r:.40}"
    if given.at is not None and given.at > now + FUTURE_SECONDS:
        ahead = f"{given.at - now:.0f}"
        return _("at: {at} lies {ahead} s in the future; set the clock right", at=f"{given.at:.0f}", ahead=ahead)
    return None


# Built once: making a statement costs more than running it, and every answer waits for the ones before it.
_who: sa.BindParameter[str] = sa.bindparam("who")
_round: sa.BindParameter[int] = sa.bindparam("number")
_image: sa.BindParameter[str] = sa.bindparam("image")
_EVENT = sa.select(event).where(event.c.event_id == sa.bindparam("id"))
_POSITION = sa.select(image.c.position).where(image.c.image_id == _image)
_IS_CURRENT = (answer.c.annotator_id == _who, answer.c.round == _round, answer.c.image_id == _image)
_CURRENT = sa.select(answer).where(*_IS_CURRENT)
_IS_ASSIGNED = (
    assignment.c.annotator_id == _who,
    assignment.c.round == _round,
    assignment.c.position == sa.bindparam("at_position"),
)
_ASSIGNED = sa.select(assignment).where(*_IS_ASSIGNED)
_CLAIMED = _ASSIGNED.with_for_update()  # what gives a claim back is waited for, and then it is gone
_DONE = assignment.update().where(*_IS_ASSIGNED).values(answered_at=sa.bindparam("now"))
_REPLACE = answer.update().where(*_IS_CURRENT).values(event_id=sa.bindparam("id"), revision=sa.bindparam("fresh"))
_NO_DRAFT = draft.delete().where(draft.c.annotator_id == _who, draft.c.round == _round, draft.c.image_id == _image)
_CONFLICTS = (
    sa.select(sa.func.count())
    .select_from(conflict.join(event, event.c.event_id == conflict.c.event_id))
    .where(event.c.annotator_id == _who, event.c.round == _round, event.c.image_id == _image)
)
_INSERT_EVENT, _INSERT_ANSWER, _INSERT_CONFLICT = event.insert(), answer.insert(), conflict.insert()


def submit_one(connection: sa.Connection, given: Answer, labels: Sequence[str]) -> Receipt:
    """Store one answer within a transaction. What cannot be is refused in the receipt, and stores nothing."""
    now = now_ms()
    if given.kind == FLAG:  # of a browser that has kept it since before 0.3.0
        given = replace(given, kind="skip", flag=True)
    wrong = problem(given, labels, now / 1000)
    if wrong is not None:
        return _refused(given, wrong)
    try:
        lock_annotator(connection, given.annotator_id)
        this = round_row(connection, given.round)
    except StoreError as error:
        return _refused(given, str(error))
    before = connection.execute(_EVENT, {"id": given.event_id}).one_or_none()
    if before is not None:
        kind = "skip" if before.kind == FLAG else before.kind
        same = (before.image_id, before.annotator_id, before.round, kind, list(before.labels))
        if same != (given.image_id, given.annotator_id, given.round, given.kind, list(given.labels)):
            return _refused(given, f"event_id {given.event_id} was used for another answer; make a new one")
        return Receipt(given.event_id, before.status, before.revision, again=True)
    key = {"who": given.annotator_id, "number": given.round, "image": given.image_id}
    position = connection.scalar(_POSITION, {"image": given.image_id})
    if position is None:
        return _refused(given, f"no image {given.image_id!r} in this task")
    current = connection.execute(_CURRENT, key).one_or_none()
    revision = 0 if current is None else current.revision
    if given.base_revision > revision:
        return _refused(
            given, f"base_revision {given.base_revision} was never given out; the answer here is {revision}"
        )
    if revision and revision + int(connection.scalar(_CONFLICTS, key) or 0) >= MOST_AT_ONE_IMAGE:
        enough = ngettext(
            "there is {n} answer of yours to this image; no more are taken",
            "there are {n} answers of yours to this image; no more are taken",
            MOST_AT_ONE_IMAGE,
        )
        return _refused(given, enough)
    where = {"who": given.annotator_id, "number": given.round, "at_position": position}
    assigned = connection.execute(_CLAIMED if current is None else _ASSIGNED, where).one_or_none()
    visit = visits.visit_of(connection, given.annotator_id)
    if visit is not None:
        why = visits.refusal(connection, visit, now, first=current is None, given=assigned is not None)
        if why is not None:
            return _refused(given, why)
    surplus = bool(current.surplus) if current is not None else False
    first: dict[str, Any] = dict.fromkeys(OF_ASSIGNMENT)
    if current is None:
        if assigned is None:
            first = _take_late(connection, given, this, position, now)
            surplus = not first["holds_slot"] and first["purpose"] != "check"  # which takes no place, and is one still
        else:
            first = {name: assigned._mapping[name] for name in OF_ASSIGNMENT}
            connection.execute(_DONE, {**where, "now": now})
    clash = given.base_revision != revision
    status: Status = "conflict" if clash and current is not None else "surplus" if surplus else "accepted"
    if status != "conflict":
        revision += 1
        if not surplus:
            holds = settle(connection, given.annotator_id, given.round, given.image_id, given.kind)
            first["holds_slot"] = holds if current is None else None
    visible = given.suggestions_visible
    if visible is None:
        visible = bool(assigned.suggestions_visible) if assigned is not None else False
    row = {
        **vars(given),
        **given.more,
        **{name: first[name] for name in OF_ASSIGNMENT},
        "labels": list(given.labels),
        "language": as_code(given.language or ""),
        "suggestions_visible": visible,
        "at": now if given.at is None else round(given.at * 1000),
        "received_at": now,
        "status": status,
        "revision": revision,
        "source": None,
    }
    connection.execute(_INSERT_EVENT, row)
    if status == "conflict" and current is not None:
        connection.execute(_INSERT_CONFLICT, {"event_id": given.event_id, "against": current.event_id})
    elif current is None:
        names = ("annotator_id", "round", "image_id", "event_id")
        fresh = {name: row[name] for name in names} | {"revision": 1, "surplus": surplus}
        connection.execute(_INSERT_ANSWER, fresh)
    else:
        connection.execute(_REPLACE, {**key, "id": given.event_id, "fresh": revision})
    connection.execute(_NO_DRAFT, key)
    if visit is not None:
        visits.answered(connection, visit, now, None if assigned is None else assigned.purpose)
    return Receipt(given.event_id, status, revision)


def _take_late(connection: sa.Connection, given: Answer, this: Any, position: int, now: int) -> dict[str, Any]:
    """An answer without a claim (the lease ran out): an assignment, with a place where the image still wants people."""
    checks = sa.select(check.c.position).where(check.c.position == position)
    is_check = this.purpose == "main" and connection.scalar(checks) is not None
    purpose = "check" if is_check else "task" if this.purpose == "main" else this.purpose
    where = {"number": this.number, "at_position": position}
    free = connection.execute(FREE.with_for_update(), where).first() is not None
    if free:
        connection.execute(TAKE, where)
    late = {
        "annotator_id": given.annotator_id, "round": given.round, "position": position,
        "place": next_place(connection, given.annotator_id), "purpose": purpose,
        "suggestions_visible": bool(given.suggestions_visible), "holds_slot": free,
        "claimed_at": now, "lease_until": now, "answered_at": now,
    }  # fmt: skip
    connection.execute(assignment.insert().values(late))
    return late


def _refused(given: Answer, why: str) -> Receipt:
    named = {"id": given.event_id, "image": repr(given.image_id), "name": repr(given.annotator_id)}
    error = _("answer {id} (image {image}, annotator {name}): {why}", **named, why=why)
    return Receipt(given.event_id, "refused", error=error)
