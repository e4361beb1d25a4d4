"""A person's way through a study. Each function moves a visit out of one phase, and none that is elsewhere.

So what is asked twice, or by a second tab, changes nothing: all give back the visit as it is then. docs/architecture.md
has the phases and what ends a visit.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.store import claims
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.schema import annotator, assignment, now_ms, practice, questionnaire, visit, visit_step
from affectml_annotation.store.versions import read_task
from affectml_annotation.store.visits import end, seen, visit_of
from affectml_annotation.study import keys, running
from affectml_annotation.study.file import Ending, Status, Task
from affectml_annotation.study.questions import read_answers

EVER = 2**62


@dataclass(frozen=True)
class Visit:
    """Where a participant is. phase: of `PHASES`, or code. status: None while it goes on. images: so many at most."""

    participant: str
    version: int
    phase: str
    status: Status | None
    images: int
    minutes: float


def where(store: LabelStore, who: str) -> Visit:
    """A participant's visit as it is now; one whose time is up is over. Raises StoreError for whom there is none."""
    return store.database.retried(lambda connection: as_visit(_locked(connection, who)))


def answer_questions(store: LabelStore, who: str, phase: Literal["before", "after"], given: Mapping[str, Any]) -> Visit:
    """All answers to the questions before or after, at once, and for good.

    Raises StoreError, saying of each what is wrong, where one cannot be; then none is kept.
    """

    _check_phase(phase, "before", "after")

    def work(connection: sa.Connection) -> Visit:
        row, now = _locked(connection, who), now_ms()
        if not _is_at(row, phase):
            return as_visit(row)
        file = _file(connection, row)
        asked = file.before if phase == "before" else file.after
        kept, wrong = read_answers(asked, given)
        if wrong:
            raise StoreError("; ".join(f"{name}: {why}" for name, why in wrong.items()))
        for name, value in kept.items():
            connection.execute(questionnaire.insert().values(annotator_id=who, question=name, value=value, at=now))
        if shared := {question.id: kept[question.id] for question in asked.questions
                      if question.share and question.id in kept}:  # fmt: skip
            mine = annotator.c.annotator_id == who
            before = connection.scalar(sa.select(annotator.c.attributes).where(mine)) or {}
            connection.execute(annotator.update().where(mine).values(attributes={**before, **shared}))
        if phase == "before" and file.places.per_answer:
            running.lock(connection)
            if running.full_answer(connection, file, who, kept, now) is not None:
                return _end(connection, row, "quota_full", now)
        return _move_on(connection, row, file, now)

    return store.database.retried(work)


def go_on(store: LabelStore, who: str, phase: Literal["instructions", "start", "debriefing"]) -> Visit:
    """Somebody has read the instructions, that the practice is over, or the debriefing, which completes the study."""

    _check_phase(phase, "instructions", "start", "debriefing")

    def work(connection: sa.Connection) -> Visit:
        row = _locked(connection, who)
        return _move_on(connection, row, _file(connection, row), now_ms()) if _is_at(row, phase) else as_visit(row)

    return store.database.retried(work)


@dataclass(frozen=True)
class Practised:
    """What became of a try. right: None where it was not taken; tries_left: at this image."""

    right: bool | None
    tries_left: int
    visit: Visit


def practise(
    store: LabelStore, who: str, image_id: str, labels: Collection[str] | None, tries_left: int | None = None
) -> Practised:
    """A try at a practice image: right where these are the labels that it dictates. No answer, and kept as none.

    labels: None for no set at all, such as a skip, which is a miss. tries_left: as the page showed them; with others
    the try is not taken, since the same one came before. Who has passed enough images, each within its tries, is
    through with it; who cannot any more is screened out. Raises StoreError for an image that is not to be practised.
    """

    def work(connection: sa.Connection) -> Practised:
        row, now = _locked(connection, who), now_ms()
        if not _is_at(row, "practice"):
            return Practised(None, 0, as_visit(row))
        file = _file(connection, row)
        dictated = {one.image: set(one.labels) for one in file.practice.images}
        if image_id not in dictated:
            raise StoreError("this image is not one to practise with")
        left = _tries_left(connection, who, file)
        if not left[image_id] or tries_left not in (None, left[image_id]):
            return Practised(None, left[image_id], as_visit(row))
        right = labels is not None and set(labels) == dictated[image_id]
        chosen = [label for label in read_task(connection).labels if label in (labels or ())]
        tried = {"annotator_id": who, "image_id": image_id, "labels": chosen, "passed": right, "at": now}
        connection.execute(practice.insert().values(tried))
        seen(connection, row, now)
        left[image_id] = 0 if right else left[image_id] - 1
        mine = (practice.c.annotator_id == who, practice.c.passed)
        passed = int(connection.scalar(sa.select(sa.func.count()).where(*mine)) or 0)
        row = visit_of(connection, who)
        if passed + sum(map(bool, left.values())) < file.practice.needed:
            return Practised(right, left[image_id], _end(connection, row, "screened_out", now))
        if not any(left.values()):
            return Practised(right, 0, _move_on(connection, row, file, now))
        return Practised(right, left[image_id], as_visit(row))

    return store.database.retried(work)


def to_practise(connection: sa.Connection, who: str, file: Task) -> dict[str, int]:
    """The practice images that are not done, with the tries that are left."""
    return {image_id: left for image_id, left in _tries_left(connection, who, file).items() if left}


def _tries_left(connection: sa.Connection, who: str, file: Task) -> dict[str, int]:
    left = {one.image: file.practice.tries for one in file.practice.images}
    tried = sa.select(practice.c.image_id, practice.c.passed).where(practice.c.annotator_id == who)
    for image_id, passed in connection.execute(tried.order_by(practice.c.number)):
        left[image_id] = 0 if passed else left[image_id] - 1
    return left


def finish_images(store: LabelStore, who: str) -> Visit:
    """Go on once no image is open and none is left for this participant; until then nothing happens.

    Whoever found no image at all was one too many: quota_full.
    """
    now_at = where(store, who)
    if now_at.phase != "images" or now_at.status is not None or store.claim(who, 1):
        return now_at

    def work(connection: sa.Connection) -> Visit:
        row, now = _locked(connection, who), now_ms()
        theirs = sa.select(assignment.c.answered_at).where(assignment.c.annotator_id == who)
        given = list(connection.scalars(theirs))
        if not _is_at(row, "images") or None in given:
            return as_visit(row)
        if not given:
            return _end(connection, row, "quota_full", now)
        return _move_on(connection, row, _file(connection, row), now)

    return store.database.retried(work)


def leave(store: LabelStore, who: str) -> Visit:
    """Leave, for good: the images held go to others, and what was given is kept."""

    def work(connection: sa.Connection) -> Visit:
        row = _locked(connection, who)
        return as_visit(row) if row.status is not None else _end(connection, row, "left", now_ms())

    return store.database.retried(work)


def left_now(connection: sa.Connection, who: str) -> Any:
    """The row of a visit that is over, left now where it went on; None for who takes part in no study."""
    row = visit_of(connection, who)
    if row is None or row.status is not None:
        return row
    late = row.place_until < now_ms()
    end(connection, who, "timed_out" if late else "left", row.place_until if late else now_ms())
    return visit_of(connection, who)


def give_back_places(store: LabelStore) -> int:
    """End the visits whose time is up, and give their images back; return how many they were."""
    late = sa.select(visit.c.annotator_id).where(visit.c.status.is_(None), visit.c.place_until < now_ms())
    with store.database.read() as connection:
        people = list(connection.scalars(late.order_by(visit.c.annotator_id)))
    return sum(store.database.retried(_give_back, who) for who in people)


def _give_back(connection: sa.Connection, who: str) -> bool:
    """End a visit whose time is up; False where it went on or was over, or the person was erased, meanwhile."""
    here = sa.select(annotator.c.annotator_id).where(annotator.c.annotator_id == who).with_for_update()
    row = visit_of(connection, who) if connection.execute(here).first() is not None else None
    if row is None or row.status is not None or row.place_until >= now_ms():
        return False
    _end(connection, row, "timed_out", row.place_until)
    return True


def earned(connection: sa.Connection, who: str) -> str | None:
    """The code that a participant has earned: the study's for how it ended, else one of their own.

    None while it goes on, and for who left. Anybody's code is a secret until then.
    """
    row = visit_of(connection, who)
    if row is None or row.status is None or row.status == "left":
        return None
    return code_for(connection, _file(connection, row), row.status, who)


def code_for(connection: sa.Connection, file: Task, kind: Ending, who: str) -> str:
    """The code for an end of this kind."""
    return file.recruit.codes.get(kind) or keys.code(connection, kind, who)


def _check_phase(phase: str, *known: str) -> None:
    """What a browser sends may be another phase, which is left another way."""
    if phase not in known:
        raise StoreError(f"phase: expected {' or '.join(known)}, but received {phase!r:.40}")


def _file(connection: sa.Connection, row: Any) -> Task:
    return running.file_of(connection, row.version)


def _is_at(row: Any, phase: str) -> bool:
    return bool(row.status is None and row.phase == phase)


def _locked(connection: sa.Connection, who: str) -> Any:
    """A participant's visit, which nobody else changes now. One whose time is up ends here."""
    claims.lock_annotator(connection, who)
    row, now = visit_of(connection, who), now_ms()
    if row is None:
        raise StoreError("this person takes part in no study")
    if row.status is None and row.place_until < now:
        _end(connection, row, "timed_out", row.place_until)
        return visit_of(connection, who)
    return row


def _move_on(connection: sa.Connection, row: Any, file: Task, now: int) -> Visit:
    """To the phase after this one; after the last the study is completed."""
    rest = file.phases[file.phases.index(row.phase) + 1 :]
    following = rest[0] if rest else "code"
    seen(connection, row, now, phase=following)
    connection.execute(visit_step.insert().values(annotator_id=row.annotator_id, phase=following, at=now))
    row = visit_of(connection, row.annotator_id)
    return as_visit(row) if rest else _end(connection, row, "completed", now)


def _end(connection: sa.Connection, row: Any, status: Status, at: int) -> Visit:
    """End a visit where it is; the images held are free again."""
    if status != "timed_out":
        seen(connection, row, at)
    end(connection, row.annotator_id, status, at)
    claims.release(connection, row.annotator_id, EVER)
    return as_visit(visit_of(connection, row.annotator_id))


def as_visit(row: Any) -> Visit:
    """A row of the visits, as it is given out."""
    return Visit(row.annotator_id, row.version, row.phase, row.status, row.images, row.active_ms / 60_000)
