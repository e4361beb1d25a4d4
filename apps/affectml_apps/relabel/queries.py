"""The few questions to the store's tables that LabelStore does not answer by itself. All only read."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from affectml_annotation import LabelStore
from affectml_annotation.judgements import FLAG
from affectml_annotation.store.claims import candidates, given_to, open_claims
from affectml_annotation.store.schema import MAIN, annotator, answer, assignment, event, image, round_, slot


def person(store: LabelStore, who: str) -> sa.Row[Any] | None:
    """The annotator of this name, as their table has them; None where nobody invited one."""
    with store.database.read() as connection:
        return connection.execute(sa.select(annotator).where(annotator.c.annotator_id == who)).one_or_none()


def names(store: LabelStore) -> list[str]:
    """Everybody's name, in the order in which they were invited."""
    return list(store.database.table(sa.select(annotator.c.annotator_id).order_by(annotator.c.number))["annotator_id"])


def file_of(store: LabelStore, image_id: str) -> str | None:
    """The file of an image of the task; None for one that it has not, and for one without."""
    file: str | None = store.database.scalar(sa.select(image.c.file).where(image.c.image_id == image_id))
    return file


def positions_of(store: LabelStore, image_ids: Iterable[str]) -> dict[str, int]:
    """Where in the task these images stand; ids that it has not are left out."""
    query = sa.select(image.c.image_id, image.c.position).where(image.c.image_id.in_(set(image_ids)))
    with store.database.read() as connection:
        return {str(name): int(position) for name, position in connection.execute(query)}


def images_at(store: LabelStore, positions: Iterable[int]) -> dict[int, str]:
    """The ids of the images that stand there; places that the task has not are left out."""
    query = sa.select(image.c.position, image.c.image_id).where(image.c.position.in_(set(positions)))
    with store.database.read() as connection:
        return {int(position): str(name) for position, name in connection.execute(query)}


def is_assigned(store: LabelStore, who: str, image_id: str, *rounds: int) -> bool:
    """Whether this person was given this image, in one of these rounds, or in any if none is named."""
    theirs = sa.select(assignment.c.place).join(image, image.c.position == assignment.c.position)
    query = theirs.where(image.c.image_id == image_id, assignment.c.annotator_id == who).limit(1)
    return store.database.scalar(query.where(assignment.c.round.in_(rounds)) if rounds else query) is not None


def answered_count(store: LabelStore, who: str, rounds: list[int]) -> int:
    """How many images this person has answered in these rounds."""
    query = sa.select(sa.func.count()).where(answer.c.annotator_id == who, answer.c.round.in_(rounds))
    return int(store.database.scalar(query))


def left_for(store: LabelStore, who: str, round_number: int) -> int:
    """How many images of this round this person could still be given: unanswered by them, with a place left or held."""
    wants = slot.c.taken < slot.c.wanted
    theirs = sa.select(
        sa.func.count().filter(wants, assignment.c.answered_at.is_not(None)),
        sa.func.count().filter(~wants, assignment.c.answered_at.is_(None), assignment.c.holds_slot),
    ).join(slot, sa.and_(slot.c.round == assignment.c.round, slot.c.position == assignment.c.position))
    with store.database.read() as connection:
        open_ones = connection.scalar(sa.select(sa.func.count()).where(slot.c.round == round_number, wants))
        done, held = connection.execute(theirs.where(*given_to(who, round_number))).one()
    return int(open_ones or 0) - int(done) + int(held)


def own_answer(store: LabelStore, who: str, image_id: str, round_number: int) -> tuple[str, list[str]] | None:
    """This person's current answer: its kind and labels."""
    mine = (answer.c.annotator_id == who, answer.c.image_id == image_id, answer.c.round == round_number)
    query = sa.select(event.c.kind, event.c.labels).join(answer, answer.c.event_id == event.c.event_id).where(*mine)
    with store.database.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else ("skip" if row.kind == FLAG else row.kind, list(row.labels))


def round_for(store: LabelStore, who: str) -> int:
    """The round that this person labels now: a later one while it has images for them, else the first."""
    later = sa.select(round_.c.number).where(round_.c.purpose == "discussion").order_by(round_.c.number)
    with store.database.read() as connection:
        for number in connection.scalars(later).all():
            if open_claims(connection, who, [number]) or candidates(connection, who, number):
                return int(number)
    return MAIN
