"""Taking a person out of a task's database, for good: the one way in which events leave. Within a transaction.

What stays is a row in `erasure`: when, how many answers, and keyed hashes that recognise who comes back, but tell
nobody who it was. The keys lie in the table `secret`, which a dump can leave out.
"""

from typing import Any

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.store import claims, setup
from affectml_annotation.store.keys import ERASING, FORGOTTEN, forgotten, keyed, make_key
from affectml_annotation.store.schema import (
    annotator,
    answer,
    assignment,
    conflict,
    decision,
    erasing,
    erasure,
    event,
    image,
    lead_change,
    metadata,
    now_ms,
    panel,
)


def erase(connection: sa.Connection, who: str) -> int:
    """Take a person's answers, drafts, claims, visit and name out; returns how many answers they were.

    What they held or answered wants people again, unless somebody's answer that came too late stands there: that takes
    the place. Decisions and resolved conflicts stay, without their author.
    """
    here = sa.select(annotator).where(annotator.c.annotator_id == who).with_for_update()
    row = connection.execute(here).one_or_none()
    if row is None:
        raise StoreError(f"nobody called {who!r} in this task")
    make_key(connection, ERASING)
    for given in setup.assignments(connection, who):
        if row.withdrawn_at is None:  # a withdrawal has freed the places
            claims.give_back(connection, given)
            if given.holds_slot:
                _fill(connection, given)
    theirs = sa.select(event.c.event_id).where(event.c.annotator_id == who)
    connection.execute(conflict.delete().where(conflict.c.event_id.in_(theirs)))
    answers = int(connection.scalar(sa.select(sa.func.count()).select_from(theirs.subquery())) or 0)
    person = connection.scalar(sa.select(panel.c.person).where(panel.c.annotator_id == who))
    if person is not None and not person.startswith(FORGOTTEN):
        person = forgotten(connection, person)
    take_out(connection, who)
    for table, column in ((decision, "decided_by"), (conflict, "resolved_by"), (lead_change, "by")):
        connection.execute(table.update().where(table.c[column] == who).values({column: ""}))
    setup.forget_withdrawals(connection, who)
    setup.reopen(connection, [who])  # off the list of closed entries
    connection.execute(erasure.insert().values(
        at=now_ms(), answers=answers, annotator=keyed(connection, ERASING, "who", who).hex(),
        person=None if person is None else person.removeprefix(FORGOTTEN),
    ))  # fmt: skip
    return answers


def take_out(connection: sa.Connection, who: str) -> None:
    """Delete a person's own rows, without a trace."""
    connection.execute(erasing.insert().values(annotator_id=who))  # for whom the log lets events go
    for table in reversed([*metadata.tables.values()]):
        if "annotator_id" in table.c and table is not erasing:
            connection.execute(table.delete().where(table.c.annotator_id == who))
    connection.execute(erasing.delete())


def _fill(connection: sa.Connection, left: Any) -> None:
    """Give the place that somebody leaves to the first answer of another that found none, where there is one."""
    at = {"number": left.round, "at_position": left.position}
    if connection.execute(claims.FREE, at).first() is None:
        return
    late = (
        sa.select(assignment.c.annotator_id, answer.c.image_id)
        .join(image, image.c.position == assignment.c.position)
        .join(answer, sa.and_(answer.c.image_id == image.c.image_id, answer.c.round == assignment.c.round,
                              answer.c.annotator_id == assignment.c.annotator_id))
        .join(annotator, annotator.c.annotator_id == answer.c.annotator_id)
        .where(assignment.c.round == left.round, assignment.c.position == left.position, answer.c.surplus,
               assignment.c.annotator_id != left.annotator_id, annotator.c.withdrawn_at.is_(None))
        .order_by(assignment.c.answered_at, assignment.c.annotator_id)
        .limit(1)
    )  # fmt: skip
    found = connection.execute(late).one_or_none()
    if found is None:
        return
    theirs = (answer.c.annotator_id == found.annotator_id, answer.c.image_id == found.image_id)
    connection.execute(answer.update().where(*theirs, answer.c.round == left.round).values(surplus=False))
    given = (*claims.given_to(found.annotator_id, left.round), assignment.c.position == left.position)
    connection.execute(assignment.update().where(*given).values(holds_slot=True))
    connection.execute(claims.TAKE, at)


def to_clean(connection: sa.Connection) -> bool:
    """Whether the database's files may still hold bytes of somebody who was erased."""
    return connection.scalar(sa.select(erasure.c.number).where(erasure.c.cleaned_at.is_(None)).limit(1)) is not None


def cleaned(connection: sa.Connection) -> None:
    """Its files were written anew since the last erasure."""
    connection.execute(erasure.update().where(erasure.c.cleaned_at.is_(None)).values(cleaned_at=now_ms()))
