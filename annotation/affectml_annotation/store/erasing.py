"""Taking a person out of a task's database, for good: the one way in which events leave.

What stays is a row in `erasure`: when, how many answers, and keyed hashes that recognise who comes back, but tell
nobody who it was. The keys lie in the table `secret`, which a dump can leave out.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.store import claims, people
from affectml_annotation.store.engine import Database
from affectml_annotation.store.people import ERASING, FORGOTTEN, hashed, keyed, make_key, mark, marks
from affectml_annotation.store.schema import (
    MAIN,
    annotator,
    conflict,
    decision,
    erasing,
    erasure,
    event,
    lead_change,
    metadata,
    now_ms,
    owed,
    panel,
    round_,
    secret,
)

# The tables of what is somebody's own, and the columns that say who did what stays.
PEOPLE = tuple(each for each in metadata.tables.values() if "annotator_id" in each.c and each is not erasing)
AUTHORS = (decision.c.decided_by, conflict.c.resolved_by, lead_change.c.by)


def erase(connection: sa.Connection, who: str) -> int:
    """Take a person's answers, drafts, claims, visit and name out; returns how many answers they were.

    What they held or answered wants people again. Decisions and resolved conflicts stay, without their author.
    """
    here = sa.select(annotator).where(annotator.c.annotator_id == who).with_for_update()
    row = connection.execute(here).one_or_none()
    if row is None:
        raise StoreError(f"nobody called {who!r} in this task")
    make_key(connection, ERASING)
    for given in people.assignments(connection, who):
        if row.withdrawn_at is None:  # a withdrawal has freed the places
            claims.give_back(connection, given)
    theirs = sa.select(event.c.event_id).where(event.c.annotator_id == who)
    connection.execute(conflict.delete().where(conflict.c.event_id.in_(theirs)))
    answers = int(connection.scalar(sa.select(sa.func.count()).select_from(theirs.subquery())) or 0)
    person = connection.scalar(sa.select(panel.c.person).where(panel.c.annotator_id == who))
    connection.execute(erasing.insert().values(annotator_id=who))  # for whom the log lets events go
    for table in reversed(PEOPLE):
        connection.execute(table.delete().where(table.c.annotator_id == who))
    connection.execute(erasing.delete())
    for author in AUTHORS:
        connection.execute(sa.update(author.table).where(author == who).values({author: ""}))
    people.forget_withdrawals(connection, who)
    people.reopen(connection, [who])  # off the list of closed entries
    connection.execute(erasure.insert().values(
        at=now_ms(), answers=answers, annotator=keyed(connection, ERASING, "who", who).hex(),
        person=None if person is None else mark(connection, person),
    ))  # fmt: skip
    return answers


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
