"""What a study's visit allows at the images, and what is done there counts for. Functions within a transaction."""

from typing import Any

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.judgements import ANSWERS
from affectml_annotation.languages import _
from affectml_annotation.store.schema import answer, assignment, check, event, image, visit

PAUSE_MS = 5 * 60_000  # a longer silence is a break, and counts as so much
STILL = 5  # images that are shown yet where failed checks ended them: the page has them already
BEFORE = ("before", "instructions", "practice", "start")  # phases in which there are no images yet
_VISIT = sa.select(visit).where(visit.c.annotator_id == sa.bindparam("who"))
_TASKS = sa.select(sa.func.count()).where(
    assignment.c.annotator_id == sa.bindparam("who"), assignment.c.purpose == "task"
)


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


def images_done(connection: sa.Connection, who: str) -> int:
    """How many images somebody has answered, checks left out."""
    return int(connection.scalar(_TASKS.where(assignment.c.answered_at.is_not(None)), {"who": who}) or 0)


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
