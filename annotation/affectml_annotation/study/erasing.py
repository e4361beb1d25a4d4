"""Erasing people from a task's database, and all that its files still hold of them."""

from collections.abc import Sequence

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.store import erasing, setup
from affectml_annotation.store.keeping import clean_backups
from affectml_annotation.store.keys import FORGOTTEN, participant, was_erased
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.schema import annotator, erasure_request, metadata, now_ms, panel
from affectml_annotation.study.pay import keep_owed


def erase_people(store: LabelStore, people: Sequence[str]) -> int:
    """Erase people, by annotator id, for good, all or none; returns how many answers they had given.

    Who is due something keeps a row of what is owed, by their panel's id alone. Then the database's files are written
    anew, and the backups that are kept. Called again after it was killed, it goes on; who was erased before is passed
    over. Raises StoreError for whom there is not, or for a damaged backup, and DatabaseAway while others read the
    database: in the last two the people are erased, and the same call cleans the files.
    """

    def work(connection: sa.Connection) -> int:
        left = [who for who in dict.fromkeys(people) if not was_erased(connection, who=who)]
        answers = 0
        for who in sorted(left):
            keep_owed(connection, who)
            answers += erasing.erase(connection, who)
        return answers

    answers = store.database.retried(work)
    if store.database.reading(erasing.to_clean):
        store.database.rewrite([*metadata.tables])
        clean_backups(store)
        store.database.retried(erasing.cleaned)
    return answers


def known_in(store: LabelStore, people: Sequence[str]) -> list[str]:
    """Those of these people who are in the task, or were erased from it."""

    def work(connection: sa.Connection) -> list[str]:
        there = set(connection.scalars(sa.select(annotator.c.annotator_id)))
        return [who for who in people if who in there or was_erased(connection, who=who)]

    return store.database.reading(work)


def persons_of(store: LabelStore, people: Sequence[str]) -> list[str]:
    """The ids at their panel of these people, as far as there are any, and they are not forgotten."""
    theirs = sa.select(panel.c.person).where(panel.c.annotator_id.in_(people), ~panel.c.person.startswith(FORGOTTEN))
    return [str(person) for person in store.database.table(theirs)["person"]]


def named_by(store: LabelStore, persons: Sequence[str]) -> list[str]:
    """The participants who have these ids at their panel, but for who was erased. Raises StoreError for nobody's."""
    found = []
    with store.database.read() as connection:
        for person in persons:
            if (who := participant(connection, person)) is not None:
                found.append(who)
            elif not was_erased(connection, person):
                raise StoreError(f"nobody with the id {person!r} takes part in this study")
    return found


def ask_for_erasure(store: LabelStore, who: str) -> None:
    """A person asks to be erased; the lead sees it, and confirms by `erase_people`."""

    def work(connection: sa.Connection) -> None:
        setup.check_invited(connection, [who])
        mine = erasure_request.c.annotator_id == who
        if connection.scalar(sa.select(erasure_request.c.asked_at).where(mine)) is None:
            connection.execute(erasure_request.insert().values(annotator_id=who, asked_at=now_ms()))

    store.database.retried(work)


def erasures_asked(store: LabelStore) -> list[str]:
    """Who asked to be erased and is not yet, oldest first."""
    query = sa.select(erasure_request.c.annotator_id).order_by(erasure_request.c.asked_at)
    return [str(who) for who in store.database.table(query)["annotator_id"]]
