"""What is on a person's screen, for a page that draws it and decides nothing."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import sqlalchemy as sa

from affectml_annotation.languages import _, money, spoken
from affectml_annotation.store import LabelStore
from affectml_annotation.store.claims import BEFORE, failed_checks, visit_of
from affectml_annotation.store.engine import reading, transaction
from affectml_annotation.store.people import FORGOTTEN
from affectml_annotation.store.schema import content_warning, image, panel
from affectml_annotation.study import pay, running, visits
from affectml_annotation.study.door import Entry, Ids
from affectml_annotation.study.file import UNSEEN, Ending, LabelWords, Task
from affectml_annotation.study.folder import Asked
from affectml_annotation.study.visits import Visit, as_visit, in_order


@dataclass(frozen=True)
class Screen:
    """What a participant is shown where they are.

    file: of the version that they agreed to. text: Markdown to read in this phase, and the debriefing for whoever is
    through or left; instructions: always in reach from there on. step: the number of this one, of so many steps, the
    consent being the first. images: how many come for everybody, checks among them; 0 where failed checks ended them.
    question: what is asked of each image. questions: in this person's order. practice: images with the tries that are
    left, in order; feedback: shown after a miss. done: images answered, checks among them.
    warned: they failed so many checks that the file says to warn.
    code: once it is earned. due: what they are to be paid, as money is written in the language that is spoken; empty
    for nothing, and while the visit goes on.
    resume_code: for another device; show it from the first moment.
    """

    visit: Visit
    file: Task
    step: int
    steps: int
    images: int
    text: str
    instructions: str
    question: str
    questions: tuple[Asked, ...]
    practice: dict[str, int]
    feedback: str
    done: int
    warned: bool
    help: tuple[str, ...]
    code: str | None
    due: str
    resume_code: str


@reading
def offered(connection: sa.Connection, who: str | None = None) -> tuple[str, ...]:
    """The languages that a participant may choose from, or who comes now."""
    row = None if who is None else visit_of(connection, who)
    return running.file_of(connection, None if row is None else row.version).languages


def label_words(store: LabelStore, who: str) -> dict[str, dict[str, LabelWords]]:
    """By language, what this participant's version of the study calls labels; it goes before the taxonomy's names."""
    version = visits.where(store, who).version
    return store.database.reading(running.study_of, version).labels


def screen(store: LabelStore, who: str, language: str | None = None) -> Screen:
    """What this participant sees now. language: None for the study's own, in which is said what another does not have.

    Raises StoreError for somebody who takes part in no study.
    """
    visits.where(store, who)  # which ends a visit whose time is up
    return store.database.reading(_screen, who, language)


def _screen(connection: sa.Connection, who: str, language: str | None) -> Screen:
    row = visit_of(connection, who)
    visit, study = as_visit(row), running.study_of(connection, row.version)
    file, words, going_on = study.file, study.translation(language), visit.status is None
    phase, done = visit.phase if going_on else "over", pay.images_paid(connection, who)
    asked = {"before": file.before, "after": file.after}.get(phase)
    due = sum(pay.due(study, visit.status, done, row.active_ms))
    # another text where no image of the study was shown to them
    saw = visit.phase not in BEFORE and visit.status != "quota_full"
    unseen = "" if saw else study.text(UNSEEN, language)
    warns = file.checks.then == "warn" and phase == "images"
    with spoken(language or file.languages[0]):
        question = words.question or _(file.question)
    return Screen(
        visit=visit,
        file=file,
        step=len(file.steps) if visit.phase == "code" else file.steps.index(visit.phase.replace("start", "images")) + 1,
        steps=len(file.steps),
        images=visit.images + file.check_count if visit.images == file.images_per_person else 0,
        text=study.text(phase, language) if going_on else unseen or study.text("debriefing", language),
        instructions=study.text("instructions", language) if phase in ("practice", "images") else "",
        question=question,
        questions=() if asked is None else tuple(map(words.asked, in_order(asked, who, file.seed))),
        practice=visits.to_practise(connection, who, file) if phase == "practice" else {},
        feedback=words.feedback or file.practice.feedback,
        done=done,
        warned=warns and failed_checks(connection, who) >= file.checks.failed,
        help=words.help or file.help,
        code=visits.earned(connection, file, row),
        due=money(due, file.pay.currency) if due else "",
        resume_code=visits.own_code(connection, "resume", who),
    )


@transaction
def warn_of(connection: sa.Connection, warnings: Mapping[str, str]) -> None:
    """Cover these images with these words from now on, and no others; ids that the task has not are passed over."""
    connection.execute(content_warning.delete())
    known = connection.execute(sa.select(image.c.position, image.c.image_id))
    rows = [{"position": at, "text": warnings[name]} for at, name in known if name in warnings]
    if rows:
        connection.execute(content_warning.insert(), rows)


@reading
def warnings_of(connection: sa.Connection, image_ids: Collection[str]) -> dict[str, str]:
    """By image id, the words to show before an image itself; images that need none are left out."""
    these = (image.c.position == content_warning.c.position, image.c.image_id.in_(image_ids))
    query = sa.select(image.c.image_id, content_warning.c.text).where(*these)
    return dict(map(tuple, connection.execute(query)))


@reading
def return_address(connection: sa.Connection, who: str) -> str | None:
    """Where a participant goes back to, with the code they earned; None before, where the file names no place, and
    where it needs an id that is forgotten.

    It may hold the panel's id: redirect there from the server, and write it into no page.
    """
    row = visit_of(connection, who)
    if row is None:
        return None
    file = running.file_of(connection, row.version)
    code, place = visits.earned(connection, file, row), file.recruit.return_to
    person = str(connection.scalar(sa.select(panel.c.person).where(panel.c.annotator_id == who)))
    if code is None or not place or ("{person}" in place and person.startswith(FORGOTTEN)):
        return None
    return _filled(place, code, person)


def way_back(store: LabelStore, ids: Ids, entry: Entry) -> str | None:
    """The same for somebody of whom nothing is stored: who is not in yet, with the code for not agreeing, or found the
    study full; None where the file has no such code."""
    kinds: dict[str, Ending] = {"consent": "no_consent", "full": "quota_full"}
    recruit = store.database.reading(running.file_of, entry.version).recruit
    code = recruit.codes.get(kinds[entry.kind]) if entry.kind in kinds else None
    return _filled(recruit.return_to, code, ids.person) if code and recruit.return_to else None


def _filled(place: str, code: str, person: str) -> str:
    return place.replace("{code}", quote(code, safe="")).replace("{person}", quote(person, safe=""))
