"""A person's way through a study. Each function moves a visit out of one phase, and none that is elsewhere.

So what is asked twice, or by a second tab, changes nothing: all give back the visit as it is then. docs/architecture.md
has the phases and what ends a visit.
"""

from base64 import b32encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.judgements import storable
from affectml_annotation.languages import _, ngettext, number
from affectml_annotation.store import LabelStore, claims
from affectml_annotation.store.claims import end, number_of, seen, visit_of
from affectml_annotation.store.engine import transaction
from affectml_annotation.store.people import SIGNING, keyed
from affectml_annotation.store.schema import annotator, assignment, now_ms, practice, questionnaire, visit, visit_step
from affectml_annotation.store.versions import read_task
from affectml_annotation.study import running
from affectml_annotation.study.file import Question, Questions, Status, Task

MOST_TEXT = 2_000  # characters of a free answer
MOST_NUMBER = 1e15  # beyond it, and at nan, nobody means a number
CODE_LENGTH = 10  # 50 bits: nobody guesses one by asking a server


@dataclass(frozen=True)
class Visit:
    """Where a participant is. phase: of `PHASES`, or code. status: None while it goes on. images: so many at most."""

    participant: str
    version: int
    phase: str
    status: Status | None
    images: int
    minutes: float


@transaction
def where(connection: sa.Connection, who: str) -> Visit:
    """A participant's visit as it is now; one whose time is up is over. Raises StoreError for whom there is none."""
    return as_visit(_locked(connection, who))


@transaction
def answer_questions(
    connection: sa.Connection, who: str, phase: Literal["before", "after"], given: Mapping[str, Any]
) -> Visit:
    """All answers to the questions before or after, at once, and for good.

    Raises StoreError, saying of each what is wrong, where one cannot be; then none is kept.
    """
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
    shared = {one.id: kept[one.id] for one in asked.questions if one.share and one.id in kept}
    if shared:
        mine = annotator.c.annotator_id == who
        before = connection.scalar(sa.select(annotator.c.attributes).where(mine)) or {}
        connection.execute(annotator.update().where(mine).values(attributes={**before, **shared}))
    if phase == "before" and file.places.per_answer:
        running.lock(connection)
        if _is_answer_full(connection, file, who, kept, now):
            return _end(connection, row, "quota_full", now)
    return _move_on(connection, row, file, now)


def _is_answer_full(connection: sa.Connection, file: Task, who: str, given: Mapping[str, Any], now: int) -> bool:
    """Whether enough others gave one of these answers who complete the study or are at it."""
    for name, most in file.places.per_answer.items():
        limit = most if isinstance(most, int) else most.get(given.get(name, ""))
        if limit is None or name not in given:
            continue
        others = (visit.c.annotator_id == questionnaire.c.annotator_id, visit.c.annotator_id != who)
        query = sa.select(questionnaire.c.value).where(questionnaire.c.question == name, *others)
        values = connection.scalars(query.where(running.holds_place(now)))
        if sum(value == given[name] for value in values) >= limit:
            return True
    return False


@transaction
def go_on(connection: sa.Connection, who: str, phase: Literal["instructions", "start", "debriefing"]) -> Visit:
    """Somebody has read the instructions, that the practice is over, or the debriefing, which completes the study."""
    row = _locked(connection, who)
    return _move_on(connection, row, _file(connection, row), now_ms()) if _is_at(row, phase) else as_visit(row)


@dataclass(frozen=True)
class Practised:
    """What became of a try. right: None where it was not taken; tries_left: at this image."""

    right: bool | None
    tries_left: int
    visit: Visit


@transaction
def practise(
    connection: sa.Connection, who: str, image_id: str, labels: Collection[str] | None, tries_left: int | None = None
) -> Practised:
    """A try at a practice image: right where these are the labels that it dictates. No answer, and kept as none.

    labels: None for no set at all, such as a skip, which is a miss. tries_left: as the page showed them; with others
    the try is not taken, since the same one came before. Who has passed enough images, each within its tries, is
    through with it; who cannot any more is screened out. Raises StoreError for an image that is not to be practised.
    """
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
        visit_now = _end(connection, row, "screened_out", now)
    else:
        through = passed >= file.practice.needed
        visit_now = _move_on(connection, row, file, now) if through else as_visit(row)
    return Practised(right, left[image_id], visit_now)


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
    return _finish_images(store, who)


@transaction
def _finish_images(connection: sa.Connection, who: str) -> Visit:
    row, now = _locked(connection, who), now_ms()
    theirs = sa.select(assignment.c.answered_at).where(assignment.c.annotator_id == who)
    given = list(connection.scalars(theirs))
    if not _is_at(row, "images") or None in given:
        return as_visit(row)
    if not given:
        return _end(connection, row, "quota_full", now)
    return _move_on(connection, row, _file(connection, row), now)


@transaction
def leave(connection: sa.Connection, who: str) -> Visit:
    """Leave, for good: the images held go to others, and what was given is kept."""
    row = _locked(connection, who)
    return as_visit(row) if row.status is not None else _end(connection, row, "left", now_ms())


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
    people = store.database.table(late.order_by(visit.c.annotator_id))["annotator_id"]
    return sum(store.database.writing(_give_back, who) for who in people)


def _give_back(connection: sa.Connection, who: str) -> bool:
    """End a visit whose time is up; False where it went on or was over, or the person was erased, meanwhile."""
    here = sa.select(annotator.c.annotator_id).where(annotator.c.annotator_id == who).with_for_update()
    row = visit_of(connection, who) if connection.execute(here).first() is not None else None
    if row is None or row.status is not None or row.place_until >= now_ms():
        return False
    _end(connection, row, "timed_out", row.place_until)
    return True


def earned(connection: sa.Connection, file: Task, row: Any) -> str | None:
    """The code that a participant has earned with their visit: the study's for how it ended, else one of their own.

    None while it goes on, and for who left. Anybody's code is a secret until then.
    """
    if row.status in (None, "left"):
        return None
    return file.recruit.codes.get(row.status) or own_code(connection, row.status, row.annotator_id)


def own_code(connection: sa.Connection, what: str, who: str) -> str:
    """A participant's own code for something: always the same, and nobody else's; it is made anew, and not stored.

    what: how a visit ended, or resume, for another device to go on with.
    """
    return b32encode(keyed(connection, SIGNING, "code", what, who)).decode()[:CODE_LENGTH]


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
    claims.release(connection, row.annotator_id)
    return as_visit(visit_of(connection, row.annotator_id))


def as_visit(row: Any) -> Visit:
    """A row of the visits, as it is given out."""
    return Visit(row.annotator_id, row.version, row.phase, row.status, row.images, row.active_ms / 60_000)


# Questions about a person


def in_order(asked: Questions, who: str, seed: int) -> list[Question]:
    """The questions as this person is asked them: always the same for one person."""
    questions = list(asked.questions)
    if asked.order == "random":
        questions.sort(key=lambda question: number_of(seed, who, "question", question.id))
    return questions


def read_answers(asked: Questions, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The answers as they are kept, and by question what is wrong with those that cannot be; nothing is kept then.

    A question left out that need not be answered is in neither.
    """
    kept: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, question in ((question.id, question) for question in asked.questions):
        value = given.get(name)
        if isinstance(value, str) and question.kind == "text":
            value = value.strip()
        if value is None or value in ("", [], ()):
            if question.required:
                wrong[name] = _("please answer this question")
        elif problem := problem_of(question, value):
            wrong[name] = problem
        else:
            kept[name] = list(value) if question.kind == "several" else value
    return kept, wrong


def problem_of(question: Question, value: Any) -> str | None:
    """What is wrong with an answer by itself; None for one that can be."""
    match question.kind:
        case "choice":
            return None if value in question.options else _("please choose one of the options")
        case "several":
            good = isinstance(value, list | tuple) and all(one in question.options for one in value)
            return None if good and len(set(value)) == len(value) else _("please choose from the options, each once")
        case "text":
            if not isinstance(value, str) or len(value) > MOST_TEXT:
                return ngettext(
                    "please write {n:,} character at most",
                    "please write {n:,} characters at most",
                    MOST_TEXT,
                )
            return None if storable(value) else _("this contains a character that cannot be stored; please remove it")
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST_NUMBER <= value <= MOST_NUMBER:
        return _("please enter a number")
    low, high = question.low, question.high
    if (low is not None and value < low) or (high is not None and value > high):
        if low is None or high is None:
            return _("this number is outside the range")
        return _("please enter a number from {low} to {high}", low=number(low), high=number(high))
    return None
