"""Handing out images: who may see what next, and for how long it is theirs.

Overlap counts different people: `slot.taken` is how many have answered an image or hold it now, and never passes
`slot.wanted`, but for who answers after all what they skipped. Nobody gets an image twice in a round: (annotator,
round, position) is a key. A claim not answered in time is given back. The order of images is a pseudo-random one of
each annotator's own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.judgements import ANSWERS
from affectml_annotation.languages import _
from affectml_annotation.store.engine import OnDatabase
from affectml_annotation.store.schema import (
    MAIN,
    STEERED,
    annotator,
    answer,
    assignment,
    check,
    event,
    image,
    now_ms,
    read_setting,
    round_,
    slot,
    visit,
)
from affectml_annotation.store.versions import read_task, version_of
from affectml_annotation.study.file import Task

PRIME = 2**31 - 1
REFILL = 64
RELEASE_AT_ONCE = 500
PAUSE_MS = 5 * 60_000  # a longer silence is a break, and counts as so much
STILL = 5  # images that are shown yet where failed checks ended them: the page has them already
BEFORE = ("before", "instructions", "practice", "start")  # phases in which there are no images yet
Given = tuple[int, int, str, bool]  # the position of an image, its round, its purpose, and whether it holds a place
HOLDING = ("task", "discussion")  # purposes of which each answer holds a place; of a check some do


@dataclass(frozen=True)
class Claim:
    """An image handed to one person. Until `lease_until` (seconds since 1970) it is theirs to answer.

    place: where it stands in what this person sees, from 0. purpose: task, check, repeat, or the purpose of its
    round. revision: of their current answer here (0: none).
    """

    image_id: str
    file: str | None
    round: int
    place: int
    purpose: str
    lease_until: float
    revision: int = 0


def as_claim(row: Any) -> Claim:
    """A row of `CLAIMS`, as it is given out."""
    return Claim(
        row.image_id, row.file, row.round, row.place, row.purpose, row.lease_until / 1000,
        row.revision or 0,
    )  # fmt: skip


def number_of(*parts: object) -> int:
    """A number of 64 bits that looks random and is always the same for the same parts."""
    return int.from_bytes(blake2b("\0".join(map(str, parts)).encode(), digest_size=8).digest(), "big")


def chance(*parts: object) -> float:
    """As `number_of`, in [0, 1)."""
    return number_of(*parts) / 2**64


def own_order(who: str, round_number: int, seed: int) -> sa.ColumnElement[int]:
    """An order of all images that is this person's own: position -> (a * position + b) mod a prime."""
    a = 1 + number_of(seed, who, round_number, "a") % (PRIME - 1)
    b = number_of(seed, who, round_number, "b") % PRIME
    wide = sa.cast(image.c.position, sa.BigInteger)
    return (wide * sa.literal(a, sa.BigInteger) + sa.literal(b, sa.BigInteger)) % sa.literal(PRIME, sa.BigInteger)


GIVEN = sa.select(assignment, image.c.image_id, image.c.file).join(image, image.c.position == assignment.c.position)
_ANSWER = sa.and_(
    *(answer.c[name] == assignment.c[name] for name in ("annotator_id", "round")), answer.c.image_id == image.c.image_id
)
CLAIMS = GIVEN.add_columns(answer.c.revision).outerjoin(answer, _ANSWER)  # with the answer that is there
_ANNOTATOR = sa.select(annotator).where(annotator.c.annotator_id == sa.bindparam("who")).with_for_update()
_VISIT = sa.select(visit).where(visit.c.annotator_id == sa.bindparam("who"))
_TASKS = sa.select(sa.func.count()).where(
    assignment.c.annotator_id == sa.bindparam("who"), assignment.c.purpose == "task"
)
_ROUND = sa.select(round_).where(round_.c.number == sa.bindparam("number"))


def lock_annotator(connection: sa.Connection, who: str) -> Any:
    """This person's row, so that two requests of one person go one after the other."""
    row = connection.execute(_ANNOTATOR, {"who": who}).one_or_none()
    if row is None:
        raise StoreError(f"nobody invited annotator {who!r}; `affectml label assign --invite {who}` does")
    if row.withdrawn_at is not None:
        raise StoreError(_("annotator {name} has withdrawn from this task", name=repr(who)))
    return row


def round_row(connection: sa.Connection, number: int) -> Any:
    """The round of this number; StoreError where there is none."""
    row = connection.execute(_ROUND, {"number": number}).one_or_none()
    if row is None:
        raise StoreError(f"there is no round {number} in this task")
    return row


def round_of(connection: sa.Connection, purpose: str, of: int) -> int | None:
    """The number of the first round of this purpose, such as repeats, of the images of round `of`."""
    query = sa.select(sa.func.min(round_.c.number)).where(round_.c.purpose == purpose, round_.c.of == of)
    number: int | None = connection.scalar(query)
    return number


def given_to(who: str, round_number: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """What an assignment has that was given to this person in this round."""
    return assignment.c.annotator_id == who, assignment.c.round == round_number


def candidates(connection: sa.Connection, who: str, round_number: int) -> list[int]:
    """The next images this person could be given, best first. Only a proposal: `claim` takes them or not."""
    task = read_task(connection)
    this = round_row(connection, round_number)
    mine = sa.exists().where(*given_to(who, round_number), assignment.c.position == slot.c.position)
    order = own_order(who, round_number, task.seed)
    where = [slot.c.round == round_number, slot.c.taken < slot.c.wanted, ~mine]
    if this.of is not None:  # a further look at what they have answered before
        before = (answer.c.annotator_id == who, answer.c.round == this.of, answer.c.image_id == image.c.image_id)
        where.append(sa.exists().where(*before))
    keys: list[sa.ColumnElement[Any]] = [image.c.queue_rank.is_(None), image.c.queue_rank]
    if task.strategy == "fill":
        keys.append(slot.c.taken.desc())
    elif task.strategy == "queue":
        where.append(image.c.queue_rank.is_not(None))
    elif task.strategy == "stratified":
        keys.append(sa.func.row_number().over(partition_by=image.c.stratum, order_by=order))
    query = sa.select(slot.c.position).join(image, image.c.position == slot.c.position)
    return list(connection.scalars(query.where(*where).order_by(*keys, order).limit(REFILL)))


def open_claims(connection: sa.Connection, who: str, rounds: Sequence[int]) -> list[Any]:
    """What this person holds and has not answered, in the order it was given."""
    mine = (assignment.c.annotator_id == who, assignment.c.round.in_(rounds), assignment.c.answered_at.is_(None))
    return list(connection.execute(CLAIMS.where(*mine).order_by(assignment.c.place)))


def following(connection: sa.Connection, column: sa.ColumnElement[int], *where: sa.ColumnElement[bool]) -> int:
    """The number after the largest there is, 0 where there is none."""
    last = connection.scalar(sa.select(sa.func.max(column)).where(*where))
    return 0 if last is None else int(last) + 1


def next_place(connection: sa.Connection, who: str) -> int:
    """The place of the next thing this person sees."""
    return following(connection, assignment.c.place, assignment.c.annotator_id == who)


def claim(
    connection: sa.Connection, who: str, count: int, round_number: int, proposed: list[int], most: int | None = None
) -> list[Claim]:
    """Give this person `count` images: first those they hold already, then checks, repeats and new ones.

    Takes what it tried off the front of `proposed`; fewer than `count` come back where that runs dry. Of what they hold
    already, the last ones beyond `most` are given back.
    """
    task = read_task(connection)
    lock_annotator(connection, who)
    this = round_row(connection, round_number)
    again = round_of(connection, "repeat", round_number)
    rounds = [round_number] if again is None else [round_number, again]
    now = now_ms()
    lease = now + round(task.lease_seconds * 1000)
    allowed = claimable(connection, who, now)
    held = open_claims(connection, who, rounds)
    if allowed is not None:
        count = max(0, min(count, len(held) + allowed))
        most = most if count else 0  # behind their last image nothing stays held
    if most is not None and (beyond := [row.place for row in held[most:]]):
        _release(connection, assignment.c.annotator_id == who, assignment.c.place.in_(beyond))
    if held := held[:most][:count]:
        places = assignment.c.place.in_([row.place for row in held])
        mine = assignment.update().where(assignment.c.annotator_id == who, places, assignment.c.answered_at.is_(None))
        connection.execute(mine.values(lease_until=lease))
    place = next_place(connection, who)
    due = None if allowed is None else _checks_due(connection, who)
    fresh: list[dict[str, Any]] = []
    while len(held) + len(fresh) < count:
        draw = chance(task.seed, who, "mix", place) if this.purpose == "main" else 1.0
        given: Given | None = None
        if draw < task.checks.rate if due is None else due(fresh):
            given = _unseen(connection, _CHECKS, who, round_number, "check", task.seed, fresh)
        elif draw < (0 if due else task.checks.rate) + task.repeats.rate and again is not None:
            long_ago = _tasks_before(who, round_number, place - task.repeats.gap)
            given = _unseen(connection, long_ago, who, again, "repeat", task.seed, fresh)
        if given is None:
            given = _task(connection, this, who, proposed, fresh)
        if given is None:
            break
        position, in_round, purpose, holds = given
        fresh.append({
            "annotator_id": who, "round": in_round, "position": position, "place": place, "purpose": purpose,
            "holds_slot": holds, "claimed_at": now, "lease_until": lease,
        })  # fmt: skip
        place += 1
    if fresh:
        connection.execute(assignment.insert(), fresh)
    return [as_claim(row) for row in open_claims(connection, who, rounds)[:count]]


_AT_SLOT = (slot.c.round == sa.bindparam("number"), slot.c.position == sa.bindparam("at_position"))
FREE = sa.select(slot.c.position).where(*_AT_SLOT, slot.c.taken < slot.c.wanted)
TAKE = slot.update().where(*_AT_SLOT).values(taken=slot.c.taken + 1)
_SEEN = sa.exists().where(
    assignment.c.annotator_id == sa.bindparam("who"),
    assignment.c.round == slot.c.round,
    assignment.c.position == slot.c.position,
)
_FREE_AND_NEW = FREE.where(~_SEEN).with_for_update(skip_locked=True)


def _task(
    connection: sa.Connection, this: Any, who: str, proposed: list[int], fresh: list[dict[str, Any]]
) -> Given | None:
    just_now = {row["position"] for row in fresh if row["round"] == this.number}  # a check that people were queued for
    while proposed:
        where = {"number": this.number, "at_position": proposed.pop(0)}
        if where["at_position"] not in just_now and connection.execute(_FREE_AND_NEW, where | {"who": who}).first():
            connection.execute(TAKE, where)
            return where["at_position"], this.number, "task" if this.purpose == "main" else this.purpose, True
    return None


def check_places(file: Task, who: str) -> list[int]:
    """After how many images somebody is given each attention check. file: of the version that they came under."""
    places = sorted(range(1, file.images_per_person), key=lambda at: number_of(file.seed, who, "check", at))
    return sorted(places[: file.check_count])


def _checks_due(connection: sa.Connection, who: str) -> Callable[[list[dict[str, Any]]], bool]:
    """Whether a participant's next image is a check, by those they have and those that are just being given."""
    places = check_places(version_of(connection, visit_of(connection, who).version).file, who)
    given = list(connection.scalars(sa.select(assignment.c.purpose).where(assignment.c.annotator_id == who)))

    def due(fresh: list[dict[str, Any]]) -> bool:
        now = [*given, *(row["purpose"] for row in fresh)]
        at = now.count("check")
        return at < len(places) and now.count("task") >= places[at]

    return due


_CHECKS = sa.select(check.c.position).join(image, image.c.position == check.c.position)


def _tasks_before(who: str, round_number: int, place: int) -> sa.Select[Any]:
    """The images that this person has answered before they came to this place."""
    answered = (assignment.c.purpose == "task", assignment.c.answered_at.is_not(None), assignment.c.place < place)
    tasks = sa.select(assignment.c.position).where(*given_to(who, round_number), *answered)
    return tasks.join(image, image.c.position == assignment.c.position)


def _unseen(
    connection: sa.Connection, query: sa.Select[Any], who: str, number: int, purpose: str, seed: int,
    fresh: list[dict[str, Any]],
) -> Given | None:  # fmt: skip
    """The first of these images, in this person's order, that they were not given in this round and not just now."""
    seen = assignment.alias()
    before = sa.select(seen.c.position).where(seen.c.annotator_id == who, seen.c.round == number)
    now = [row["position"] for row in fresh if row["round"] == number]
    new = (image.c.position.not_in(before), image.c.position.not_in(now))
    position = connection.scalar(query.where(*new).order_by(own_order(who, number, seed)).limit(1))
    return None if position is None else (position, number, purpose, False)


def expired() -> sa.ColumnElement[bool]:
    """A claim whose lease ran out."""
    return sa.and_(assignment.c.answered_at.is_(None), assignment.c.lease_until < now_ms())


def release_expired(connection: sa.Connection) -> int:
    """Give back claims whose lease ran out; return how many."""
    return _release(connection, expired())


def release(connection: sa.Connection, who: str) -> int:
    """Give back what this person holds; return how many."""
    lock_annotator(connection, who)
    return _release(connection, assignment.c.annotator_id == who)


def _release(connection: sa.Connection, *which: sa.ColumnElement[bool]) -> int:
    rows = connection.execute(
        sa.select(assignment)
        .where(assignment.c.answered_at.is_(None), *which)
        .order_by(assignment.c.round, assignment.c.position)
        .limit(RELEASE_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    for row in rows:
        give_back(connection, row)
    return len(rows)


def give_back(connection: sa.Connection, row: Any) -> None:
    """Undo one assignment and free its slot."""
    this = (*given_to(row.annotator_id, row.round), assignment.c.position == row.position)
    connection.execute(assignment.delete().where(*this))
    if row.holds_slot:
        connection.execute(slot_of(row).values(taken=slot.c.taken - 1))


def slot_of(row: Any) -> sa.Update:
    """A change of the slot that an assignment holds."""
    return slot.update().where(slot.c.round == row.round, slot.c.position == row.position)


_SAID = sa.exists().where(_ANSWER, ~answer.c.surplus)
# Who holds no place at an image that they have an answer of, which came in time.
GAVE_UP = GIVEN.where(~assignment.c.holds_slot, _SAID)


def settle(connection: sa.Connection, who: str, number: int, image_id: str, kind: str) -> bool:
    """Whether somebody holds a place at an image by what they say of it now; what was otherwise is changed.

    An answer holds one. A skip gives it up to somebody else, unless as many people as the task's `skips` did before. An
    answer in place of a skip takes one whether it is free or not. Not for an answer that came too late for a place.
    """
    mine = connection.execute(GIVEN.where(*given_to(who, number), image.c.image_id == image_id)).one()
    if mine.purpose not in HOLDING or (kind in ANSWERS) == mine.holds_slot:
        return bool(mine.holds_slot)
    there = sa.exists().where(annotator.c.annotator_id == who, annotator.c.withdrawn_at.is_(None))
    place = slot_of(mine).where(there)
    connection.execute(place.values(taken=slot.c.taken))  # so that of two skips each knows of the other
    if kind not in ANSWERS:
        here = GAVE_UP.where(assignment.c.round == number, assignment.c.position == mine.position)
        if len(connection.execute(here).all()) >= read_task(connection).most_skips:
            return True
    this = (*given_to(who, number), assignment.c.position == mine.position)
    connection.execute(assignment.update().where(*this).values(holds_slot=not mine.holds_slot))
    connection.execute(place.values(taken=slot.c.taken + (-1 if mine.holds_slot else 1)))
    return not mine.holds_slot


# What a study's visit allows at the images, and what is done there counts for


def visit_of(connection: sa.Connection, who: str) -> Any:
    """The row of a participant's visit; None for an annotator who takes part in no study."""
    return connection.execute(_VISIT, {"who": who}).one_or_none()


def is_at_images(row: Any, now: int) -> bool:
    """Whether a visit is at its images, with its place."""
    return row.status is None and row.phase == "images" and row.place_until >= now


def seen(connection: sa.Connection, row: Any, now: int, **more: Any) -> None:
    """Somebody did something: it counts as activity, and holds their place anew. more: what else changes."""
    active = row.active_ms + min(max(now - row.seen_at, 0), PAUSE_MS)
    mine = visit.update().where(visit.c.annotator_id == row.annotator_id)
    connection.execute(mine.values(seen_at=now, active_ms=active, place_until=now + row.hold_ms, **more))


def end(connection: sa.Connection, who: str, status: str, at: int) -> None:
    """End a participant's visit where it is, unless it is over."""
    mine = visit.update().where(visit.c.annotator_id == who, visit.c.status.is_(None))
    connection.execute(mine.values(status=status, ended_at=at))


def claimable(connection: sa.Connection, who: str, now: int) -> int | None:
    """How many images a participant may still be given; None for somebody who takes part in no study.

    Below zero: so many that they hold are not to be shown any more. Raises StoreError while their visit is not at the
    images.
    """
    row = visit_of(connection, who)
    if row is None:
        return None
    if not is_at_images(row, now):
        raise StoreError(_("there are no images for you now: you are in another part of the study, or it is over"))
    seen(connection, row, now)
    return int(row.images) - int(connection.scalar(_TASKS, {"who": who}) or 0)


def refusal(connection: sa.Connection, row: Any, now: int, *, first: bool, given: bool) -> str | None:
    """Why a participant's answer is not taken; None where it is.

    first: they have no answer there yet; given: the image is theirs. What was under way when a place went is taken.
    """
    if row.phase in BEFORE:
        return _("you have not reached the images of this study yet")
    if not is_at_images(row, now):
        late = row.phase == "images" and row.status in (None, "left", "timed_out")
        if not first or not (late or given):
            return _("you have finished the images of this study; your answers are kept")
    if first and not given and int(connection.scalar(_TASKS, {"who": row.annotator_id}) or 0) >= row.images:
        return _("you have already had all your images of this study")
    return None


def answered(connection: sa.Connection, row: Any, now: int, purpose: str | None) -> None:
    """After an answer: it counts as activity, and failed checks may end the images, but for the next few."""
    if not is_at_images(row, now):
        return
    ends = purpose == "check" and row.failed_checks_end is not None
    if ends and failed_checks(connection, row.annotator_id) >= row.failed_checks_end:
        given = int(connection.scalar(_TASKS, {"who": row.annotator_id}) or 0)
        few = images_done(connection, row.annotator_id) + STILL
        seen(connection, row, now, images=min(row.images, given, few))
    else:
        seen(connection, row, now)


def images_done(connection: sa.Connection, who: str, *, purposes: Sequence[str] = ("task",)) -> int:
    """How many images somebody has answered; those of the task alone unless other purposes are named too."""
    done = sa.select(sa.func.count()).where(
        assignment.c.annotator_id == who, assignment.c.purpose.in_(purposes), assignment.c.answered_at.is_not(None)
    )
    return int(connection.scalar(done) or 0)


def failed_checks(connection: sa.Connection, who: str) -> int:
    """How many attention checks this person has failed, by their current answers."""
    given = (assignment.c[name] == answer.c[name] for name in ("annotator_id", "round"))
    query = sa.select(event.c.labels, check.c.accepted, check.c.forbidden).select_from(
        answer.join(event, event.c.event_id == answer.c.event_id)
        .join(image, image.c.image_id == answer.c.image_id)
        .join(check, check.c.position == image.c.position)
        .join(assignment, sa.and_(*given, assignment.c.position == check.c.position))
    )
    as_checks = (answer.c.annotator_id == who, event.c.kind.in_(ANSWERS), assignment.c.purpose == "check")
    failed = 0
    for labels, accepted, forbidden in connection.execute(query.where(*as_checks)):
        wrong = set(labels) & set(forbidden) or (accepted and not set(labels) & set(accepted))
        failed += bool(wrong)
    return failed


class Claiming(OnDatabase):
    """The part of a label store that hands out images."""

    _proposed: dict[tuple[str, int], list[int]]
    _steered: int | None

    def claim(self, who: str, count: int = 5, *, round_number: int = MAIN, most: int | None = None) -> list[Claim]:
        """The next images for this person, at most `count`: what they hold already first, in its place.

        So a client that was closed goes on where it was. Fewer come back where nothing is left to give. most: what they
        hold beyond so many is given back. Raises StoreError for somebody not invited or withdrawn.
        """
        key = (who, round_number)
        given: list[Claim] = []
        if (steered := self.database.reading(read_setting, STEERED)) != self._steered:
            self._steered = steered
            self._proposed.clear()  # images were queued, or otherwise put in another order
        for _attempt in range(3):
            proposed = self._proposed.get(key) or self._propose(key)
            given = self.database.writing(claim, who, count, round_number, proposed, most)
            if len(given) >= count or proposed or not self._propose(key):  # a study's person may have had them all
                break
        return given

    def _propose(self, key: tuple[str, int]) -> list[int]:
        """A fresh list of images for a person and round, read outside the writing transaction: it takes a while."""
        self.release_expired()
        found = self._proposed[key] = self.database.reading(candidates, *key)
        return found  # not what the lead's next change may take away meanwhile

    def release_expired(self) -> int:
        """Give back claims whose lease ran out; `claim` does so by itself. Returns how many."""
        late = sa.select(assignment.c.place).where(expired())
        return 0 if self.database.scalar(late.limit(1)) is None else self.database.writing(release_expired)
