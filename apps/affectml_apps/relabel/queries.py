"""The few questions to the store's tables that LabelStore does not answer by itself. All only read."""

from dataclasses import dataclass

import sqlalchemy as sa

from affectml_annotation import LabelStore
from affectml_annotation.store.schema import annotator, answer, assignment, event, image, round_, slot


@dataclass(frozen=True)
class Person:
    """An invited annotator's state."""

    who: str
    consented: bool
    withdrawn: bool


def person(store: LabelStore, who: str) -> Person | None:
    """The annotator of this name, None where nobody invited one."""
    with store.database.read() as connection:
        row = connection.execute(sa.select(annotator).where(annotator.c.annotator_id == who)).one_or_none()
    if row is None:
        return None
    return Person(who, consented=row.consented_at is not None, withdrawn=row.withdrawn_at is not None)


def names(store: LabelStore) -> list[str]:
    """Everybody's name, in the order in which they were invited."""
    with store.database.read() as connection:
        return list(connection.scalars(sa.select(annotator.c.annotator_id).order_by(annotator.c.number)))


def assigned_file(store: LabelStore, who: str, image_id: str) -> str | None:
    """The file of an image that was given to this person in any round; None for every other image."""
    with store.database.read() as connection:
        return connection.scalar(
            sa.select(image.c.file)
            .join(assignment, assignment.c.position == image.c.position)
            .where(image.c.image_id == image_id, assignment.c.annotator_id == who)
            .limit(1)
        )


def is_assigned(store: LabelStore, who: str, image_id: str, round_number: int) -> bool:
    """Whether this person was given this image in this round."""
    with store.database.read() as connection:
        query = (
            sa.select(assignment.c.place)
            .join(image, image.c.position == assignment.c.position)
            .where(
                image.c.image_id == image_id,
                assignment.c.annotator_id == who,
                assignment.c.round == round_number,
            )
        )
        return connection.scalar(query) is not None


def answered_count(store: LabelStore, who: str, rounds: list[int]) -> int:
    """How many images this person has answered in these rounds."""
    with store.database.read() as connection:
        query = sa.select(sa.func.count()).where(answer.c.annotator_id == who, answer.c.round.in_(rounds))
        return int(connection.scalar(query) or 0)


def left_for(store: LabelStore, who: str, round_number: int) -> int:
    """How many images of this round this person could still be given: unanswered by them, with a place left or held."""
    mine = assignment.alias()
    query = (
        sa.select(sa.func.count())
        .select_from(slot)
        .outerjoin(
            mine,
            sa.and_(mine.c.annotator_id == who, mine.c.round == slot.c.round, mine.c.position == slot.c.position),
        )
        .where(
            slot.c.round == round_number,
            mine.c.answered_at.is_(None),
            sa.or_(slot.c.taken < slot.c.wanted, mine.c.holds_slot),
        )
    )
    with store.database.read() as connection:
        return int(connection.scalar(query) or 0)


def own_answer(store: LabelStore, who: str, image_id: str, round_number: int) -> tuple[str, list[str]] | None:
    """This person's current answer: its kind and labels."""
    with store.database.read() as connection:
        row = connection.execute(
            sa.select(event.c.kind, event.c.labels)
            .join(answer, answer.c.event_id == event.c.event_id)
            .where(
                answer.c.annotator_id == who,
                answer.c.image_id == image_id,
                answer.c.round == round_number,
            )
        ).one_or_none()
    return None if row is None else (row.kind, list(row.labels))


def second_round(store: LabelStore, of: int) -> int | None:
    """The round that holds second looks at round `of`, if one is open."""
    with store.database.read() as connection:
        number = connection.scalar(
            sa.select(sa.func.min(round_.c.number)).where(round_.c.purpose == "second", round_.c.of == of)
        )
    return None if number is None else int(number)


def awaiting_second_look(store: LabelStore, who: str, of: int, second: int, limit: int) -> list[str]:
    """Images this person answered blind, since second looks are asked for, and has not looked at again.

    Newest first. Only what was an answer (labels or none) to an ordinary image: checks and repeats stay out.
    """
    again = sa.select(assignment.c.position).where(
        assignment.c.annotator_id == who, assignment.c.round == second, assignment.c.answered_at.is_not(None)
    )
    opened = sa.select(round_.c.opened_at).where(round_.c.number == second).scalar_subquery()
    query = (
        sa.select(image.c.image_id)
        .select_from(answer)
        .join(event, event.c.event_id == answer.c.event_id)
        .join(image, image.c.image_id == answer.c.image_id)
        .join(
            assignment,
            sa.and_(
                assignment.c.annotator_id == who,
                assignment.c.round == of,
                assignment.c.position == image.c.position,
            ),
        )
        .where(
            answer.c.annotator_id == who,
            answer.c.round == of,
            event.c.kind.in_(("labels", "none")),
            event.c.received_at >= opened,
            assignment.c.purpose == "task",
            image.c.position.not_in(again),
        )
        .order_by(event.c.number.desc())
        .limit(limit)
    )
    with store.database.read() as connection:
        return list(connection.scalars(query))


def further_rounds(store: LabelStore, who: str, *, inline_second: bool) -> list[tuple[int, str, int]]:
    """Rounds after the first with images for this person: number, what it is called, how many images are left.

    A round of second looks that comes inline, right after each first answer, is left out.
    """
    names = {"discussion": "Second round", "second": "Second looks"}
    first, again = answer.alias(), answer.alias()
    query = (
        sa.select(round_.c.number, round_.c.purpose, sa.func.count())
        .select_from(round_)
        .join(slot, sa.and_(slot.c.round == round_.c.number, slot.c.wanted > 0))
        .join(image, image.c.position == slot.c.position)
        .join(
            first,
            sa.and_(first.c.annotator_id == who, first.c.round == round_.c.of, first.c.image_id == image.c.image_id),
        )
        .outerjoin(
            again,
            sa.and_(
                again.c.annotator_id == who, again.c.round == round_.c.number, again.c.image_id == image.c.image_id
            ),
        )
        .where(round_.c.purpose.in_(names if not inline_second else ["discussion"]), again.c.image_id.is_(None))
        .group_by(round_.c.number, round_.c.purpose)
        .order_by(round_.c.number)
    )
    with store.database.read() as connection:
        return [(int(number), names[purpose], int(left)) for number, purpose, left in connection.execute(query)]
