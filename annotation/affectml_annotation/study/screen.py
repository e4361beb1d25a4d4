"""What is on a person's screen, for a page that draws it and decides nothing."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import quote

import sqlalchemy as sa

from affectml_annotation.languages import _, money, spoken
from affectml_annotation.store.keys import FORGOTTEN
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.schema import content_warning, image, panel
from affectml_annotation.store.visits import BEFORE, failed_checks, images_done, visit_of
from affectml_annotation.study import keys, pay, running, visits
from affectml_annotation.study.door import Entry, Ids
from affectml_annotation.study.file import UNSEEN, Ending, LabelWords, Task
from affectml_annotation.study.folder import Study
from affectml_annotation.study.questions import in_order
from affectml_annotation.study.terms import terms
from affectml_annotation.study.translation import Asked
from affectml_annotation.study.visits import Visit


@dataclass(frozen=True)
class ConsentScreen:
    """What somebody is shown before anything is stored of them.

    boxes: in the study's own words, which `door.agree` takes, with those that stand there. languages: they may choose
    from these. terms: of `terms`. steps: how many the study has.
    """

    version: int
    languages: tuple[str, ...]
    text: str
    boxes: dict[str, str]
    terms: tuple[str, ...]
    steps: int
    help: tuple[str, ...]
    links: tuple[str, ...]


@dataclass(frozen=True)
class Screen:
    """What a participant is shown where they are.

    languages: they may choose from these. text: Markdown to read in this phase, and the debriefing for whoever is
    through or left; instructions: always in reach from there on. step: the number of this one, of so many steps, the
    consent being the first. images: how many come for everybody, checks among them; 0 where failed checks ended them.
    pictures: by language and image of practice or checks, the image that is shown in its place. question: what is asked
    of each image. questions: in this person's order. practice: images with the tries that are left, in order; feedback:
    shown after a miss. done: images answered.
    warned: they failed so many checks that the file says to warn.
    code: once it is earned. due: what they are to be paid, as money is written in the language that is spoken; empty
    for nothing, and while the visit goes on.
    resume_code: for another device; show it from the first moment.
    """

    visit: Visit
    languages: tuple[str, ...]
    step: int
    steps: int
    images: int
    pictures: dict[str, dict[str, str]]
    text: str
    instructions: str
    links: tuple[str, ...]
    question: str
    questions: tuple[Asked, ...]
    practice: dict[str, int]
    feedback: str
    done: int
    warned: bool
    breaks: float
    help: tuple[str, ...]
    code: str | None
    due: str
    resume_code: str


def offered(store: LabelStore, *, who: str | None = None, version: int | None = None) -> tuple[str, ...]:
    """The languages that a participant may choose from, or who comes to this version, or to the newest one."""

    def work(connection: sa.Connection) -> tuple[str, ...]:
        row = None if who is None else visit_of(connection, who)
        return running.file_of(connection, version if row is None else row.version).languages

    return store.database.reading(work)


def label_words(store: LabelStore, who: str) -> dict[str, dict[str, LabelWords]]:
    """By language, what this participant's version of the study calls labels; it goes before the taxonomy's names."""
    version = visits.where(store, who).version
    return store.database.reading(running.study_of, version)[1].labels


def consent_screen(store: LabelStore, version: int, language: str | None = None) -> ConsentScreen:
    """The consent in this version, which `door.agree` takes. language: None for the study's own."""
    study = store.database.reading(running.study_of, version)[1]
    file, said = study.file, study.translation(language)
    return ConsentScreen(
        version=version,
        languages=file.languages,
        text=study.text("consent", language),
        boxes=said.boxes_of(file),
        terms=terms(study),
        steps=len(_steps(file)),
        help=said.help or file.help,
        links=file.instructions.links,
    )


def screen(store: LabelStore, who: str, language: str | None = None) -> Screen:
    """What this participant sees now. language: None for the study's own, in which is said what another does not have.

    Raises StoreError for somebody who takes part in no study.
    """
    visit = visits.where(store, who)

    def work(connection: sa.Connection) -> Screen:
        study = running.study_of(connection, visit.version)[1]
        file, said, going_on = study.file, study.translation(language), visit.status is None
        phase, done = visit.phase if going_on else "over", images_done(connection, who)
        asked = {"before": file.before, "after": file.after}.get(phase)
        due = sum(pay.due(study, visit.status, done, round(visit.minutes * 60_000)))
        warns = file.checks.then == "warn" and phase == "images"
        return Screen(
            visit=visit,
            languages=file.languages,
            step=_step(file, visit.phase),
            steps=len(_steps(file)),
            images=visit.images + file.check_count if visit.images == file.images_per_person else 0,
            pictures={
                language: {one.image: one.images[language] for one in file.dictated if language in one.images}
                for language in file.languages
            },
            text=study.text(phase, language) if going_on else _debriefing(study, visit, language),
            instructions=study.text("instructions", language) if phase in ("practice", "images") else "",
            links=file.instructions.links,
            question=said.question or _question(file.question, language or file.languages[0]),
            questions=() if asked is None else tuple(map(said.asked, in_order(asked, who, file.seed))),
            practice=visits.to_practise(connection, who, file) if phase == "practice" else {},
            feedback=said.feedback or file.practice.feedback,
            done=done,
            warned=warns and failed_checks(connection, who) >= file.checks.failed,
            breaks=file.breaks,
            help=said.help or file.help,
            code=visits.earned(connection, who),
            due=money(Decimal(due) / 100, file.pay.currency) if due else "",
            resume_code=keys.resume_code(connection, who),
        )

    return store.database.reading(work)


def _question(own: str, language: str) -> str:
    """The task's question, in a language if it is one of ours."""
    with spoken(language):
        return _(own)


def _steps(file: Task) -> list[str]:
    """The consent and the phases, as people count them: that the practice is over is said within the images' step."""
    return ["consent", *(phase for phase in file.phases if phase != "start")]


def _step(file: Task, phase: str) -> int:
    steps = _steps(file)
    return steps.index("images" if phase == "start" else phase) + 1 if phase != "code" else len(steps)


def _debriefing(study: Study, visit: Visit, language: str | None) -> str:
    """What somebody reads whose visit is over: another text where no image of the study was shown to them."""
    saw = visit.phase not in BEFORE and visit.status != "quota_full"
    return (not saw and study.text(UNSEEN, language)) or study.text("debriefing", language)


def warnings_of(store: LabelStore, image_ids: Collection[str]) -> dict[str, str]:
    """By image id, the words to show before an image itself; images that need none are left out."""
    query = sa.select(image.c.image_id, content_warning.c.text).join(
        image, image.c.position == content_warning.c.position
    )
    with store.database.read() as connection:
        return {str(name): str(text) for name, text in connection.execute(query.where(image.c.image_id.in_(image_ids)))}


def return_address(store: LabelStore, who: str) -> str | None:
    """Where a participant goes back to, with the code they earned; None before, where the file names no place, and
    where it needs an id that is forgotten.

    It may hold the panel's id: redirect there from the server, and write it into no page.
    """

    def work(connection: sa.Connection) -> str | None:
        row, code = visit_of(connection, who), visits.earned(connection, who)
        place = "" if row is None else running.file_of(connection, row.version).recruit.return_to
        if code is None or not place:
            return None
        person = connection.scalar(sa.select(panel.c.person).where(panel.c.annotator_id == who))
        if "{person}" in place and str(person).startswith(FORGOTTEN):
            return None
        return _filled(place, code, str(person))

    return store.database.reading(work)


def way_back(store: LabelStore, ids: Ids, entry: Entry) -> str | None:
    """The same for somebody of whom nothing is stored: who is not in yet, with the code for not agreeing, or found the
    study full; None where the file has no such code."""
    kinds: dict[str, Ending] = {"consent": "no_consent", "full": "quota_full"}
    recruit = store.database.reading(running.file_of, entry.version).recruit
    code = recruit.codes.get(kinds[entry.kind]) if entry.kind in kinds else None
    return _filled(recruit.return_to, code, ids.person) if code and recruit.return_to else None


def _filled(place: str, code: str, person: str) -> str:
    return place.replace("{code}", quote(code, safe="")).replace("{person}", quote(person, safe=""))
