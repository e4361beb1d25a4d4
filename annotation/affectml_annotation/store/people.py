"""Who is in a task: who was invited, closed, has withdrawn or was erased; and how whoever comes back is recognised.

An erasure takes a person out for good: the one way in which events leave. What stays is a row in `erasure`: when, how
many answers, and keyed hashes that recognise who comes back, but tell nobody who it was. The keys are this database's
own, and lie in a table, `secret`, that a dump can leave out. Functions within a transaction.
"""

import hmac
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from affectml_annotation.store.engine import Database
from affectml_annotation.store.schema import (
    MAIN,
    annotator,
    assignment,
    conflict,
    decision,
    draft,
    erasing,
    erasure,
    event,
    lead_change,
    metadata,
    now_ms,
    owed,
    panel,
    read_setting,
    round_,
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
# The tables of what is somebody's own, and the columns that say who did what stays.
PEOPLE = tuple(each for each in metadata.tables.values() if "annotator_id" in each.c and each is not erasing)
AUTHORS = (decision.c.decided_by, conflict.c.resolved_by, lead_change.c.by)


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


# Taking somebody out, for good


def erase(connection: sa.Connection, who: str) -> int:
    """Take a person's answers, drafts, claims, visit and name out; returns how many answers they were.

    What they held or answered wants people again. Decisions and resolved conflicts stay, without their author.
    """
    here = sa.select(annotator).where(annotator.c.annotator_id == who).with_for_update()
    row = connection.execute(here).one_or_none()
    if row is None:
        raise StoreError(f"nobody called {who!r} in this task")
    make_key(connection, ERASING)
    for given in assignments(connection, who):
        if row.withdrawn_at is None:  # a withdrawal has freed the places
            claims.give_back(connection, given)
    theirs = sa.select(event.c.event_id).where(event.c.annotator_id == who)
    connection.execute(conflict.delete().where(conflict.c.event_id.in_(theirs)))
    person = connection.scalar(sa.select(panel.c.person).where(panel.c.annotator_id == who))
    connection.execute(erasing.insert().values(annotator_id=who))  # for whom the log lets events go
    left = {}
    for table in reversed(PEOPLE):
        left[table] = connection.execute(table.delete().where(table.c.annotator_id == who)).rowcount
    connection.execute(erasing.delete())
    for author in AUTHORS:
        connection.execute(sa.update(author.table).where(author == who).values({author: ""}))
    forget_withdrawals(connection, who)
    reopen(connection, [who])  # off the list of closed entries
    connection.execute(erasure.insert().values(
        at=now_ms(), answers=left[event], annotator=keyed(connection, ERASING, "who", who).hex(),
        person=None if person is None else mark(connection, person),
    ))  # fmt: skip
    return left[event]


def to_clean(connection: sa.Connection) -> bool:
    """Whether the database's files may still hold bytes of somebody who was erased."""
    return connection.scalar(sa.select(erasure.c.number).where(erasure.c.cleaned_at.is_(None)).limit(1)) is not None


def cleaned(connection: sa.Connection) -> None:
    """Its files were written anew since the last erasure."""
    connection.execute(erasure.update().where(erasure.c.cleaned_at.is_(None)).values(cleaned_at=now_ms()))


_CHANGES = (event.c.received_at, erasure.c.at, lead_change.c.at)


@dataclass(frozen=True)
class Gone:
    """What a database of a task, `source`, knows of people who were erased, or whose ids at a panel were forgotten.

    begun: when the task's first round was opened, which stays the same in every copy; None without one.
    changed: when somebody last answered or was erased there, or a lead changed something; milliseconds since 1970.
    """

    source: str
    begun: int | None
    changed: int
    key: str | None
    erasures: Sequence[sa.RowMapping]
    owed: Sequence[sa.RowMapping]
    forgotten: frozenset[str]

    @classmethod
    def of(cls, connection: sa.Connection, source: str) -> "Gone":
        """All that a database knows of it now."""
        no_ids = connection.scalars(sa.select(panel.c.person).where(panel.c.person.startswith(FORGOTTEN)))
        return cls(
            source,
            connection.scalar(sa.select(round_.c.opened_at).where(round_.c.number == MAIN)),
            max(connection.scalar(sa.select(sa.func.max(moment))) or 0 for moment in _CHANGES),
            connection.scalar(sa.select(secret.c.value).where(secret.c.name == ERASING)),
            connection.execute(sa.select(erasure).order_by(erasure.c.number)).mappings().all(),
            connection.execute(sa.select(owed).order_by(owed.c.number)).mappings().all(),
            frozenset(no_ids),
        )

    def among(self, people: sa.Connection) -> Iterator[tuple[str, str | None, str | None]]:
        """Who of another database was erased, and their id at a panel; or who had it forgotten, and what stands for it.

        The other one need not have the key by which they are known.
        """
        if self.key is None or not (self.erasures or self.forgotten):
            return
        names, persons = ({each[column] for each in self.erasures} for column in ("annotator", "person"))
        table = annotator.outerjoin(panel, panel.c.annotator_id == annotator.c.annotator_id)
        everybody = sa.select(annotator.c.annotator_id, panel.c.person).select_from(table).order_by(annotator.c.number)
        for who, person in people.execute(everybody).all():
            known = [] if person is None else marks(self.key, person)
            if hashed(self.key, "who", who).hex() in names or persons.intersection(known):
                yield who, person, None
            elif person not in self.forgotten and (there := self.forgotten & {FORGOTTEN + each for each in known}):
                yield who, person, min(there)


def erase_again(database: Database, others: Iterable[Gone], *, paid: Collection[str] = ()) -> int:
    """Erase from a copy of a task who others know as erased, and what its files still hold of them; how many were.

    Ids that they forgot are forgotten, what they owe is kept as it stands there, and who else was erased is known.
    paid: ids at a panel to which nothing is owed any more. Raises StoreError for another task's, which has another key.
    """
    with database.write() as connection:
        count, changed = 0, bool(paid) or to_clean(connection)
        connection.execute(owed.delete().where(owed.c.person.in_(paid)))
        for gone in others:
            if gone.erasures or gone.forgotten:
                count, changed = count + _erase_as(connection, gone), True
    if changed:
        database.rewrite([*metadata.tables])
        database.writing(cleaned)
    return count


def _erase_as(connection: sa.Connection, gone: Gone) -> int:
    key = connection.scalar(sa.select(secret.c.value).where(secret.c.name == ERASING))
    if key is None:
        connection.execute(secret.insert().values(name=ERASING, value=gone.key))
    elif key != gone.key:
        raise StoreError(f"{gone.source} knows its people by another key than the backup, as another task does; "
                         "leave it out, or move it away")  # fmt: skip
    left = []
    for who, person, instead in gone.among(connection):
        if instead is None:
            erase(connection, who)
            left.append(person)
        else:
            connection.execute(panel.update().where(panel.c.annotator_id == who).values(person=instead, session=None))
    owing = [line for line in gone.owed if line["person"] in left]
    for table, column, lines in ((owed, "person", owing), (erasure, "annotator", gone.erasures)):
        there = {*connection.scalars(sa.select(table.c[column]))}
        for line in lines:
            if line[column] not in there:
                new = {name: value for name, value in line.items() if name != "number"}
                connection.execute(table.insert().values(new))
    return len(left)
