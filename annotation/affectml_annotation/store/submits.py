"""Taking answers, one by one or a whole file: each is an event, kept for good; one per (image, annotator, round) is
current."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid4, uuid5

import pandas as pd
import sqlalchemy as sa

from affectml_annotation.columns import COLUMNS
from affectml_annotation.errors import BadImport, StoreError, check_labels
from affectml_annotation.exchange import read_judgements
from affectml_annotation.exchange.tables import DELIMITER, at_lines, import_problems
from affectml_annotation.judgements import ANSWERS, FLAG, UNSTORABLE, answer_problems, storable
from affectml_annotation.languages import _, as_code, ngettext
from affectml_annotation.store import claims, people
from affectml_annotation.store.claims import (
    FREE,
    GAVE_UP,
    HOLDING,
    TAKE,
    give_back,
    lock_annotator,
    next_place,
    round_row,
    settle,
)
from affectml_annotation.store.engine import OnDatabase
from affectml_annotation.store.schema import (
    annotator,
    answer,
    assignment,
    check,
    conflict,
    decision,
    event,
    image,
    imported,
    now_ms,
    round_,
    slot,
)
from affectml_annotation.store.setup import position_of
from affectml_annotation.store.versions import read_task

Status = Literal["accepted", "conflict", "surplus", "refused"]
# Clocks of laptops are off by minutes; more is a mistake.
FUTURE_SECONDS = 300
# Answers that one person may leave at one image in one round, corrections and conflicts together.
MOST_AT_ONE_IMAGE = 20
# What the log keeps of an assignment with its first answer: see `checking`.
OF_ASSIGNMENT = ("place", "purpose", "holds_slot", "claimed_at")
ROWS_AT_ONCE = 10_000
ASKED_AT_ONCE = 500


@dataclass(frozen=True)
class Answer:
    """One judgement as a client sends it.

    event_id: made by the client once per answer, so that sending twice is harmless. base_revision: of the answer
    that the client saw there (0: none). at: seconds since 1970, when it was given. intensities: one number per
    label, in the order of labels. flag: something is wrong with the image, as the note says. language: the code of the
    one in which the page spoke. more: values of further columns (see `columns.COLUMNS`). context: what else is to be
    remembered (order of the chips, client).
    """

    image_id: str
    annotator_id: str
    kind: str
    labels: tuple[str, ...] = ()
    round: int = 1
    event_id: str = field(default_factory=lambda: str(uuid4()))
    base_revision: int = 0
    seconds: float | None = None
    at: float | None = None
    intensities: tuple[float | None, ...] | None = None
    valence: float | None = None
    arousal: float | None = None
    flag: bool = False
    note: str | None = None
    suggestions_visible: bool | None = None
    context: dict[str, Any] | None = None
    language: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Receipt:
    """What became of an answer. Anything but `refused` is stored for good.

    accepted: it is the current answer, of this revision. conflict: somebody changed the answer in between; both
    are kept, and the current one (revision) stands until a person decides. surplus: its lease had expired and
    others have filled the image; kept, not counted. refused: `error` says why; nothing was stored.
    again: the store had this event_id already; the rest is as the first time.
    """

    event_id: str
    status: Status
    revision: int = 0
    error: str | None = None
    again: bool = False


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
    visit = claims.visit_of(connection, given.annotator_id)
    if visit is not None:
        why = claims.refusal(connection, visit, now, first=current is None, given=assigned is not None)
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
        **first,
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
        connection.execute(_INSERT_ANSWER, row | {"surplus": surplus})
    else:
        connection.execute(_REPLACE, {**key, "id": given.event_id, "fresh": revision})
    if visit is not None:
        claims.answered(connection, visit, now, None if assigned is None else assigned.purpose)
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
        people.invite(connection, sorted(who for who in set(table["annotator_id"].dropna()) if who.strip()))
    withdrawn = dict(connection.execute(sa.select(annotator.c.annotator_id, annotator.c.withdrawn_at)).all())
    problems = import_problems(table, task.labels, images=position, annotators=withdrawn)
    problems += _clashes(connection, table, withdrawn.keys())
    if problems:
        raise BadImport(name, problems, _way_out(table, task.labels, position, withdrawn))
    now = now_ms()
    rounds, positions = map(int, table["round"]), map(position.__getitem__, table["image_id"])
    keys = [*zip(table["annotator_id"], rounds, positions, strict=True)]
    places, claimed = dict.fromkeys(withdrawn, 0), {}
    named = withdrawn.keys() & set(table["annotator_id"])
    for had in _among(connection, sa.select(assignment).with_for_update(), assignment.c.annotator_id, named):
        places[had.annotator_id] = max(places[had.annotator_id], had.place + 1)
        claimed[had.annotator_id, had.round, had.position] = had
    for both in claimed.keys() & set(keys):  # the answer is in place of what they hold there
        give_back(connection, claimed[both])
    taken, skips = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    skipped = {position[name] for name in table["image_id"][~table["kind"].isin(ANSWERS)]}
    in_rounds = GAVE_UP.where(assignment.c.round.in_([*map(int, table["round"].unique())]))
    for had in _among(connection, in_rounds, assignment.c.position, skipped):
        skips[had.round, had.position] += 1
    for start in range(0, len(table), ROWS_AT_ONCE):
        part = table.iloc[start : start + ROWS_AT_ONCE]
        rows = list[dict[str, Any]]()  # each of an event, an answer and an assignment
        for number, row in enumerate(part.astype(object).where(part.notna(), None).to_dict("records"), start):
            who, in_round, at = keys[number]
            had = claimed.get(keys[number])
            purpose = (row.get("purpose") or "task") if had is None else had.purpose
            holds = purpose in HOLDING
            if holds and row["kind"] not in ANSWERS:  # as `claims.settle` has it
                holds = skips[in_round, at] >= task.most_skips
                skips[in_round, at] += not holds
            said = {column.name: row.get(column.name) for column in COLUMNS}
            said |= {column.name: bool(said[column.name]) for column in COLUMNS if column.type == "truth"}
            rows.append(said | {
                "event_id": said["event_id"] or str(uuid5(NAMESPACE_URL, f"{sha256}#{number}")), "round": in_round,
                "at": now if said["at"] is None else said["at"].value // 1_000_000, "received_at": now,
                "base_revision": 0, "status": "accepted", "revision": 1, "surplus": False, "source": name,
                "position": at, "place": places[who], "purpose": purpose, "holds_slot": holds,
                "claimed_at": now, "lease_until": now, "answered_at": now,
            })  # fmt: skip
            places[who] += 1
            taken[in_round, at] += holds and withdrawn[who] is None
        for destination in (event, answer, assignment):
            connection.execute(destination.insert(), rows)
    if taken:
        there = slot.update().where(slot.c.round == sa.bindparam("r"), slot.c.position == sa.bindparam("p"))
        more = [{"r": r, "p": p, "more": people} for (r, p), people in sorted(taken.items())]
        connection.execute(there.values(taken=slot.c.taken + sa.bindparam("more")), more)
    connection.execute(imported.insert().values(sha256=sha256, name=name, rows=len(table), at=now))
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


def _among(
    connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any], values: Iterable[str | int]
) -> Iterator[Any]:
    """What a query finds where a column has one of these values: a small file does not read a large table."""
    wanted = [*values]
    for start in range(0, len(wanted), ASKED_AT_ONCE):
        yield from connection.execute(query.where(column.in_(wanted[start : start + ASKED_AT_ONCE])))


def _clashes(connection: sa.Connection, table: pd.DataFrame, people: Set[str]) -> list[str]:
    """Rows whose round there is not, or that the store has an answer or an event for."""
    rounds = set(connection.scalars(sa.select(round_.c.number)))
    answered = sa.select(answer.c.annotator_id, answer.c.round, answer.c.image_id)
    named = people & set(table["annotator_id"])
    there = {tuple(row) for row in _among(connection, answered, answer.c.annotator_id, named)}
    ids = table["event_id"].tolist() if "event_id" in table else [None] * len(table)
    asked = {each for each in ids if isinstance(each, str) and storable(each)}
    known = {row.event_id for row in _among(connection, sa.select(event.c.event_id), event.c.event_id, asked)}
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


class Submitting(OnDatabase):
    """The part of a label store that takes answers, and what a lead decides about them."""

    def submit(self, answers: Sequence[Answer]) -> list[Receipt]:
        """Store answers, in one transaction; one receipt each. A refused one does not stop the others."""
        labels = self._labels

        def work(connection: sa.Connection) -> list[Receipt]:
            # In the order of the keys, so that two batches never wait for each other.
            order = sorted(range(len(answers)), key=lambda at: answers[at].annotator_id)
            receipts = {at: submit_one(connection, answers[at], labels) for at in order}
            return [receipts[at] for at in range(len(answers))]

        return self.database.writing(work)

    @cached_property
    def _labels(self) -> tuple[str, ...]:
        return self.database.reading(read_task).labels

    def import_file(
        self,
        path: str | Path,
        *,
        invite: bool = False,
        image_of: Callable[[str], str] | None = None,
        **reading_options: Any,
    ) -> int:
        """Take a file or folder of judgements in, all of it or nothing; returns the rows.

        The same content a second time is refused. invite: let its annotators in. image_of: the image_id that is meant
        by what the file calls an image. Other options as for `read_judgements`. Raises BadImport with every bad row.
        """
        path = Path(path)
        table = read_judgements(path, **reading_options)
        if image_of is not None:
            table["image_id"] = table["image_id"].map(image_of, na_action="ignore")
        files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
        named = {"name": path.name, "sha256": sha256(b"".join(map(Path.read_bytes, files))).hexdigest()}
        try:
            return self.database.writing(import_judgements, table, **named, invite=invite)
        except BadImport as error:
            raise BadImport(path.name, at_lines(error.problems, path), error.way_out) from None

    def resolve_conflict(self, event_id: str, *, keep: bool, by: str) -> None:
        """Settle a conflict: keep the later answer (it becomes current) or the one that stands. Both stay stored."""
        about = (
            sa.select(conflict, event.c.annotator_id, event.c.round, event.c.image_id, event.c.kind)
            .join(event, event.c.event_id == conflict.c.event_id)
            .where(conflict.c.event_id == event_id)
        )
        author = sa.select(event.c.annotator_id).where(event.c.event_id == event_id).scalar_subquery()
        theirs = sa.select(annotator).where(annotator.c.annotator_id == author).with_for_update()
        with self.database.write() as connection:
            connection.execute(theirs)  # no correction of theirs and no other decision between
            row = connection.execute(about).one_or_none()
            if row is None or row.resolved_at is not None:
                raise StoreError(f"no open conflict about event {event_id!r}")
            if keep:
                one = (answer.c.annotator_id == row.annotator_id, answer.c.round == row.round)
                stands = answer.update().where(*one, answer.c.image_id == row.image_id).returning(answer.c.surplus)
                if not connection.scalar(stands.values(event_id=event_id, revision=answer.c.revision + 1)):
                    settle(connection, row.annotator_id, row.round, row.image_id, row.kind)
            settled = {"resolved_at": now_ms(), "resolved_by": by, "kept": keep}
            connection.execute(conflict.update().where(conflict.c.event_id == event_id).values(settled))

    def decide(self, image_id: str, labels: Sequence[str], *, by: str, note: str | None = None) -> None:
        """Add an adjudicated set for an image. Nobody's answer is touched, and earlier decisions stay."""
        check_labels(labels, self._labels, f"decision on image {image_id!r}")
        if note is not None and not storable(note):
            raise StoreError(f"decision on image {image_id!r}: the note {UNSTORABLE}")
        row = {"image_id": image_id, "labels": list(labels), "decided_by": by, "note": note, "at": now_ms()}
        with self.database.write() as connection:
            position_of(connection, image_id)
            connection.execute(decision.insert().values(row))
