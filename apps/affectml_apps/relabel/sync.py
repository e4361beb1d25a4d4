"""One exchange with a browser: answers in, in one transaction; receipts and the next images out.

A browser sends all it has not had acknowledged, and forgets an answer only on its receipt. Sending twice is
harmless: each answer has an id of its own.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.exc import DataError, IntegrityError

from affectml_annotation import Answer, Claim, DatabaseFailed, Receipt, StoreError, Task
from affectml_annotation.languages import _
from affectml_annotation.store.claims import round_of
from affectml_apps.relabel import queries
from affectml_apps.relabel.items import item_of, past_items
from affectml_apps.relabel.messages import BadMessage, answers_of, id_of, read_answer, whole
from affectml_apps.relabel.task import LabelTask

MAX_QUEUE = 30
FEW = 6  # images that anybody may hold
SHARE = 5  # beyond FEW, nobody holds more than one in so many of the images that could still come to them
MAX_PAST = 500
# What a database driver raises for a value it cannot hold, or for an id that somebody else used a moment ago.
UNSTORABLE = (DataError, IntegrityError, OverflowError, UnicodeError)


class NotAllowed(Exception):
    """Somebody who may not label now: not invited, not consented, withdrawn."""


def exchange(task: LabelTask, who: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """Take a browser's answers and give it receipts, its next images and how far it is.

    message: answers (list), want (images to hold, 1 to 30), round, history (whether to send this person's own
    past answers), leaving (the `now` of the last reply: the page goes, and nothing was done on it). The receipts stand
    in the order of the answers; an answer that cannot be taken is refused in its receipt, and the others go on. Raises
    BadMessage for what is not such a message, NotAllowed for people who may not label. Where only the wish for images
    is wrong, answers are taken all the same: `problem` says what it is.
    """
    message, given = answers_of(message)
    with task.locks[who]:
        check_person(task, who)
        second = queries.second_round(task.store, 1) if task.file.page.blind_first else None
        receipts = take(task, who, given, second)
        reply = next_images(task, who, message, given, second)
        return {"receipts": receipts, "now": time.time(), **reply}  # after the claims: `leaving` gives back those


def next_images(
    task: LabelTask, who: str, message: Mapping[str, Any], given: Sequence[object], second: int | None
) -> dict[str, Any]:
    """The next images, and how far this person and the team are; what was wrong with asking for them beside answers."""
    try:
        return _next(task, who, message, second)
    except (BadMessage, StoreError) as error:
        if not given or isinstance(error, DatabaseFailed):  # then the answers come again, and do no harm
            raise
        return {"items": [], "done": queries.answered_count(task.store, who, [1]), "problem": str(error)}


def _next(task: LabelTask, who: str, message: Mapping[str, Any], second: int | None) -> dict[str, Any]:
    if isinstance(leaving := message.get("leaving"), int | float):
        task.store.give_back(who, max(0, min(leaving, time.time())))
        return {"items": []}
    want = whole(message, "want", 1, MAX_QUEUE, missing=FEW)
    round_number = whole(message, "round", 1, 10_000, missing=1)
    rounds = _rounds(task, round_number)
    left, in_all = task.left_for(who, round_number, rounds)
    file = task.file
    most = most_held(left, file)
    claims = task.store.claim(who, min(want, most), round_number=round_number, most=most)
    if second is not None and round_number == 1:
        claims = [*_second_looks(task, who, second), *claims]
    reply: dict[str, Any] = {
        "items": [item_of(task, file, who, claim) for claim in claims],
        "done": queries.answered_count(task.store, who, rounds),
        "of": in_all,
    }
    if message.get("history"):
        reply["past"] = past_items(task, who, MAX_PAST)
    return reply


def most_held(left: int, file: Task) -> int:
    """How many images somebody may hold to whom `left` could still come: near a round's end nobody waits for them.

    Beyond 6, nobody holds more than a fifth of what could still come to them; nor, with repeats, more than lie between
    an image and its repeat: what can come again is what they have answered.
    """
    most = min(MAX_QUEUE, left // SHARE, file.repeats.gap if file.repeats.rate else MAX_QUEUE)
    return max(FEW, most)


def check_person(task: LabelTask, who: str) -> None:
    """Raises NotAllowed for somebody who may label nothing now."""
    person = queries.person(task.store, who)
    if person is None:
        raise NotAllowed(_("nobody invited “{name}” to this task", name=who))
    if person.withdrawn:
        raise NotAllowed(_("you have withdrawn from this task; nothing more is shown or stored"))
    if not person.consented:
        raise NotAllowed(_("read what this task shows and agree to it first"))
    if who in task.store.closed():
        raise NotAllowed(_("the lead has closed your entry to this task; your answers so far are kept"))


def take(task: LabelTask, who: str, given: Sequence[object], second: int | None) -> list[dict[str, Any]]:
    """Receipts in the order of the answers."""
    receipts: dict[int, Receipt] = {}
    answers: dict[int, Answer] = {}
    for at, raw in enumerate(given):
        try:
            answer = read_answer(task, who, raw)
            if second is not None and answer.round == 1 and answer.base_revision > 0:
                _keep_blind(task, who, answer, second)
            answers[at] = answer
        except BadMessage as error:
            receipts[at] = Receipt(id_of(raw) or "", "refused", error=str(error))
    stored = _store(task, list(answers.values())) if answers else []
    receipts.update(zip(answers, stored, strict=True))
    return [{**asdict(receipts[at]), "id": receipts[at].event_id} for at in range(len(given))]


def _store(task: LabelTask, answers: list[Answer]) -> list[Receipt]:
    """Store all in one transaction; where one of them breaks it, each in its own."""
    try:
        return task.store.submit(answers)
    except UNSTORABLE:
        return [_store_alone(task, answer) for answer in answers]


def _store_alone(task: LabelTask, answer: Answer) -> Receipt:
    try:
        return task.store.submit([answer])[0]
    except UNSTORABLE as error:
        why = _("the database cannot store it ({error})", error=type(error).__name__)
        return Receipt(answer.event_id, "refused", error=why)


def _keep_blind(task: LabelTask, who: str, answer: Answer, second: int) -> None:
    """A first answer stands once the second look was given: what comes after a suggestion is no blind answer."""
    if queries.is_assigned(task.store, who, answer.image_id, second):
        raise BadMessage(
            _("your first answer to this image stands, because you were asked again; change the second one")
        )


def _second_looks(task: LabelTask, who: str, second: int) -> list[Claim]:
    """Second looks at what was just answered blind, where the model has something to say."""
    waiting = queries.awaiting_second_look(task.store, who, 1, second, limit=50)
    return [task.store.second_look(who, image) for image in waiting if image in task.suggestions][:3]


def _rounds(task: LabelTask, round_number: int) -> list[int]:
    repeats = task.store.database.reading(round_of, "repeat", round_number)
    return [round_number] if repeats is None else [round_number, repeats]
