"""Who is in a task: who was invited, closed, or has withdrawn; and by which keys whoever comes back is recognised.

The keys are this database's own, and lie in a table that a dump can leave out. Functions within a transaction.
"""

import hmac
import secrets
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from unicodedata import normalize
from uuid import uuid4

import numpy as np
import sqlalchemy as sa

from affectml_annotation.errors import StoreError, did_you_mean
from affectml_annotation.judgements import UNSTORABLE, storable
from affectml_annotation.languages import _, as_code
from affectml_annotation.store import claims
from affectml_annotation.store.schema import (
    annotator,
    assignment,
    draft,
    erasure,
    event,
    now_ms,
    panel,
    read_setting,
    secret,
    setting,
    slot,
    write_setting,
)
from affectml_annotation.store.versions import read_task

CLOSED = "closed"  # the key of the names of those whose entry is closed
DAY_MS = 86_400_000
UNDO_MS = 7 * DAY_MS  # for so long a withdrawal can be undone
WITHDRAWAL = "withdrawal "  # begins the keys of the lines, only ever added, that say who withdrew or was taken back
ERASING = "erasing"
SIGNING = "signing"
FORGOTTEN = "forgotten "  # begins what stands in place of a panel's id that nobody needs any more


def invite(
    connection: sa.Connection,
    annotator_ids: Iterable[str],
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[str]:
    """Let people in, each with an order of labels of their own; those invited before stay as they are.

    A closed entry is open again. attributes: what they share, by annotator. Returns who is new.
    """
    task, people = read_task(connection), dict.fromkeys(annotator_ids)
    reopen(connection, people)
    known = set(connection.scalars(sa.select(annotator.c.annotator_id)))
    number = claims.following(connection, annotator.c.number)
    new = [who for who in people if who not in known]
    for who in new:
        if not who.strip():
            raise StoreError("an annotator needs a name")
        if not storable(who):
            raise StoreError(f"annotator {who!r}: the name {UNSTORABLE}")
        if was_erased(connection, who=who):
            raise StoreError(
                _("annotator {name} was erased from this task because they asked for it; name another", name=repr(who))
            )
        order = list(task.labels)
        if task.page.chips == "random":
            np.random.default_rng(claims.number_of(task.seed, who, "chips")).shuffle(order)
        connection.execute(annotator.insert().values(
            annotator_id=who, number=number, invited_at=now_ms(),
            attributes=dict((attributes or {}).get(who, {})), chip_order=order,
        ))  # fmt: skip
        number += 1
    return new


def closed(connection: sa.Connection) -> list[str]:
    """The people whose entry is closed: their answers stay and count, the page takes no more."""
    return list(read_setting(connection, CLOSED) or ())


def reopen(connection: sa.Connection, people: Iterable[str]) -> None:
    """Open the entry of these people, where it is closed."""
    before, now = closed(connection), {*people}
    if now & {*before}:
        write_setting(connection, CLOSED, [who for who in before if who not in now])


def check_invited(connection: sa.Connection, people: Sequence[str]) -> None:
    """Raise StoreError, with the nearest name there is, for the first of these whom nobody invited."""
    known = list(connection.scalars(sa.select(annotator.c.annotator_id)))
    for who in people:
        if who not in known:
            raise StoreError(f"nobody invited annotator {who!r}{did_you_mean(who, known)}")


def uninvite(connection: sa.Connection, annotator_ids: Sequence[str]) -> list[str]:
    """Take invitations back, all or none. One that nobody used is removed, and the images held are free again.

    Whoever has answered keeps their answers, which count, and their entry is closed until they are invited again.
    Returns those. Raises StoreError for a name that nobody invited.
    """
    check_invited(connection, annotator_ids)
    answered = [who for who in dict.fromkeys(annotator_ids) if not _remove(connection, who)]
    if answered:
        write_setting(connection, CLOSED, list(dict.fromkeys([*closed(connection), *answered])))
    return answered


def _remove(connection: sa.Connection, who: str) -> bool:
    """Remove a person who has not answered, False where they have. The images that they held are free again.

    Who takes part in a study stays: there is more of theirs.
    """
    connection.execute(sa.select(annotator).where(annotator.c.annotator_id == who).with_for_update())
    answers = connection.execute(sa.select(event.c.number).where(event.c.annotator_id == who).limit(1)).first()
    if answers is not None or claims.visit_of(connection, who) is not None:
        return False
    for claim in assignments(connection, who):
        claims.give_back(connection, claim)
    connection.execute(draft.delete().where(draft.c.annotator_id == who))
    forget_withdrawals(connection, who)
    connection.execute(annotator.delete().where(annotator.c.annotator_id == who))
    return True


def chip_order(connection: sa.Connection, who: str) -> tuple[str, ...]:
    """The order in which this person sees the labels, always the same."""
    check_invited(connection, [who])
    order = sa.select(annotator.c.chip_order).where(annotator.c.annotator_id == who)
    return tuple(connection.execute(order).scalar_one())


def consent(connection: sa.Connection, who: str) -> None:
    """Remember that this person has read what they will see and agreed."""
    claims.lock_annotator(connection, who)
    connection.execute(annotator.update().where(annotator.c.annotator_id == who).values(consented_at=now_ms()))


def speak(connection: sa.Connection, who: str, language: str | None) -> None:
    """Remember the language, by its code, that this person chose for the page; None takes the choice back.

    Raises StoreError for what is no language, and for somebody not invited.
    """
    code = None if language is None else as_code(language)
    if code is None and language is not None:
        raise StoreError(f"language: expected a code such as de or pt-BR, but received {language!r:.40}")
    check_invited(connection, [who])
    connection.execute(annotator.update().where(annotator.c.annotator_id == who).values(language=code))


def withdraw(connection: sa.Connection, *annotator_ids: str, proven: bool = True) -> None:
    """Take people out, all or none: no more claims or answers, their answers no longer count.

    Their places are free for others. For a week `undo_withdrawal` takes it back, then it is final. proven: False
    where only a name says who wants it, which anybody could give: it is never final then. Raises StoreError for a
    name that nobody invited, or who has withdrawn.
    """
    check_invited(connection, annotator_ids)
    for who in dict.fromkeys(annotator_ids):
        claims.lock_annotator(connection, who)
        _mark_withdrawn(connection, who, now_ms(), proven=proven)
        for row in assignments(connection, who, assignment.c.holds_slot):
            connection.execute(claims.slot_of(row).values(taken=slot.c.taken - 1))
        held = (assignment.c.annotator_id == who, assignment.c.answered_at.is_(None))
        connection.execute(assignment.delete().where(*held))
        claims.end(connection, who, "left", now_ms())


def undoable_withdrawals(connection: sa.Connection) -> list[str]:
    """Who has withdrawn and may come back: for a week, and without end where a name was all that said who it was."""
    lines = connection.scalars(sa.select(setting.c.value).where(setting.c.key.startswith(WITHDRAWAL)))
    unproven = {(line["annotator_id"], line["at"]) for line in lines if not line["proven"]}
    gone = sa.select(annotator.c.annotator_id, annotator.c.withdrawn_at).where(annotator.c.withdrawn_at.is_not(None))
    rows = connection.execute(gone.order_by(annotator.c.number))
    return [who for who, at in rows if at > now_ms() - UNDO_MS or (who, at) in unproven]


def undo_withdrawal(connection: sa.Connection, *annotator_ids: str) -> None:
    """Take withdrawals back, all or none: their answers count again, beside those that came in their place.

    Raises StoreError for a name that nobody invited, who has not withdrawn, or not in the last week.
    """
    check_invited(connection, annotator_ids)
    more = sa.case((slot.c.wanted <= slot.c.taken, slot.c.taken + 1), else_=slot.c.wanted)
    for who in dict.fromkeys(annotator_ids):
        row = connection.execute(sa.select(annotator).where(annotator.c.annotator_id == who).with_for_update()).one()
        if row.withdrawn_at is None:
            raise StoreError(f"annotator {who!r} has not withdrawn")
        if who not in undoable_withdrawals(connection):
            raise StoreError(f"annotator {who!r} withdrew more than {UNDO_MS // DAY_MS} days ago: that is final")
        _mark_withdrawn(connection, who, None)
        for place in assignments(connection, who, assignment.c.holds_slot):
            connection.execute(claims.slot_of(place).values(taken=slot.c.taken + 1, wanted=more))


def _mark_withdrawn(connection: sa.Connection, who: str, at: int | None, *, proven: bool = True) -> None:
    """Note it where it counts, and in a line of its own, which stays."""
    connection.execute(annotator.update().where(annotator.c.annotator_id == who).values(withdrawn_at=at))
    line = {"annotator_id": who, "withdrawn": at is not None, "at": at or now_ms(), "proven": proven}
    connection.execute(setting.insert().values(key=f"{WITHDRAWAL}{uuid4()}", value=line))


def forget_withdrawals(connection: sa.Connection, who: str) -> None:
    """Take the lines out that say when somebody withdrew, who leaves the task altogether."""
    for key, value in connection.execute(sa.select(setting.c.key, setting.c.value)).all():
        if key.startswith(WITHDRAWAL) and value["annotator_id"] == who:
            connection.execute(setting.delete().where(setting.c.key == key))


def assignments(connection: sa.Connection, who: str, *which: sa.ColumnElement[bool]) -> Sequence[Any]:
    """What a person was given, in the order in which everybody locks it."""
    theirs = sa.select(assignment).where(assignment.c.annotator_id == who, *which)
    return connection.execute(theirs.order_by(assignment.c.round, assignment.c.position)).all()


# By what somebody is recognised


def keyed(connection: sa.Connection, key: str, *parts: object) -> bytes:
    """A keyed hash of some values, by the key of this name; StoreError where `make_key` was never here."""
    return hashed(_key(connection, key), *parts)


def _key(connection: sa.Connection, key: str) -> str:
    value: str | None = connection.scalar(sa.select(secret.c.value).where(secret.c.name == key))
    if value is None:
        raise StoreError(f"this database has no key for {key} yet; `affectml study run OUT` makes it")
    return value


def hashed(key: str, *parts: object) -> bytes:
    """A keyed hash of some values, by the key itself."""
    return hmac.new(bytes.fromhex(key), "\0".join(map(str, parts)).encode(), sha256).digest()


def make_key(connection: sa.Connection, key: str) -> None:
    """Make the key of this name, unless it is there; two may ask at once."""
    unless_there = "INSERT INTO secret (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING"
    connection.execute(sa.text(unless_there), {"name": key, "value": secrets.token_hex(32)})


def panel_id(text: str) -> str:
    """An id at a panel as it is kept: without spaces around it, in the form NFKC (Unicode Standard Annex 15)."""
    return normalize("NFKC", text).strip()


def _form(text: str) -> str:
    """An id at a panel as it is compared: those that differ by case alone are one person's (NFKC, case folded)."""
    return normalize("NFKC", panel_id(text).casefold())


def is_theirs(connection: sa.Connection, column: sa.Column[Any], *written: str) -> sa.ColumnElement[bool]:
    """Whether a row has one of these ids at a panel, however they are written, and however it is kept there.

    Python compares them, since what lower() does to letters depends on the engine and its locale; earlier versions kept
    ids as they came. A list for spreadsheets may have a ' before one.
    """
    given = {form for person in written for form in (_form(person), _form(person).removeprefix("'"))}
    return column.in_([person for person in connection.scalars(sa.select(column)) if _form(person) in given])


def marks(key: str, *written: str) -> list[str]:
    """The hashes by which an id at a panel is known once it is gone: that of its one form, then those of earlier
    versions, of the id as it came.

    Of what stands in place of an id, the hash in it.
    """
    if written[0].startswith(FORGOTTEN):
        return [written[0].removeprefix(FORGOTTEN)]
    return [hashed(key, "person", form).hex() for form in (_form(written[0]), *written)]


def mark(connection: sa.Connection, person: str) -> str:
    """The hash by which whoever comes back with an id at a panel is known."""
    return marks(_key(connection, ERASING), person)[0]


def participant(connection: sa.Connection, *written: str) -> str | None:
    """Who has this id at a panel, which may be forgotten; None for nobody.

    written: the id, in the form in which it is kept now, and as it came. Of two whom earlier versions took for two
    people, the one whose id is kept so.
    """
    known = [*written]
    if connection.scalar(sa.select(secret.c.name).where(secret.c.name == ERASING)) is not None:
        known += [FORGOTTEN + each for each in marks(_key(connection, ERASING), *written)]
    theirs = sa.select(panel.c.annotator_id).where(is_theirs(connection, panel.c.person, *known))
    who: str | None = connection.scalar(theirs.order_by(panel.c.person.not_in(written)))
    return who


def was_erased(connection: sa.Connection, *written: str, who: str | None = None) -> bool:
    """Whether somebody of this name, or this id at a panel, was erased. written: as `participant` takes it."""
    if connection.scalar(sa.select(erasure.c.number).limit(1)) is None:
        return False
    known = erasure.c.annotator == keyed(connection, ERASING, "who", who).hex()
    if written:
        known = erasure.c.person.in_(marks(_key(connection, ERASING), *written))
    return connection.execute(sa.select(erasure.c.number).where(known)).first() is not None
