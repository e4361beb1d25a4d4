"""One exchange with a browser: answers in, in one transaction; receipts and the next images out.

A browser sends all it has not had acknowledged, and forgets an answer only on its receipt. Sending twice is
harmless: each answer has an id of its own.

Of an image a browser is never told whether it is a check or a repeat (people would answer differently), or what others
said.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy.exc import DataError, IntegrityError

from affectml_annotation import Answer, Claim, DatabaseFailed, Receipt, StoreError, Task
from affectml_annotation.columns import COLUMNS
from affectml_annotation.languages import _, current
from affectml_annotation.store.claims import round_of
from affectml_apps.relabel import queries
from affectml_apps.relabel.identity import ticket
from affectml_apps.relabel.messages import FEW, MAX_QUEUE, BadMessage, Wish, id_of, read, read_answer
from affectml_apps.relabel.task import LabelTask
from affectml_apps.serving import Refused

SHARE = 5  # beyond FEW, nobody holds more than one in so many of the images that could still come to them
MAX_PAST = 500
SAID = [column.name for column in COLUMNS if column.by == "person"]
# What a database driver raises for a value it cannot hold, or for an id that somebody else used a moment ago.
UNSTORABLE = (DataError, IntegrityError, OverflowError, UnicodeError)


class NotAllowed(Refused):
    """Somebody who may not label now: not invited, not consented, withdrawn."""


def exchange(task: LabelTask, who: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """Take a browser's answers and give it receipts, its next images and how far it is.

    message: as of `parse`: answers (list), want (images to hold, 1 to 30), round, history (whether to send this
    person's own past answers). The receipts stand in the order of the answers; an answer that cannot be taken is
    refused in its receipt, and the others go on. Raises BadMessage for what is not such a message, NotAllowed for
    people who may not label. Where only the wish for images is wrong, answers are taken all the same: `problem` says
    what it is.
    """
    with task.locks[who]:
        check_person(task, who)
        receipts = take(task, who, message["answers"])
        reply = next_images(task, who, message)
        return {"receipts": receipts, "now": time.time(), **reply}


def next_images(task: LabelTask, who: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """The next images, and how far this person and the team are; what was wrong with asking for them beside answers."""
    try:
        return _next(task, who, message)
    except (BadMessage, StoreError) as error:
        if not message["answers"] or isinstance(error, DatabaseFailed):  # then the answers come again, and do no harm
            raise
        return {"items": [], "done": queries.answered_count(task.store, who, [1]), "problem": str(error)}


def _next(task: LabelTask, who: str, message: Mapping[str, Any]) -> dict[str, Any]:
    wish, file = read(Wish, message), task.file
    repeats = task.store.database.reading(round_of, "repeat", wish.round)
    rounds = [wish.round] if repeats is None else [wish.round, repeats]
    left, in_all = task.left_for(who, wish.round, rounds)
    most = most_held(left, file)
    claims = task.store.claim(who, min(wish.want, most), round_number=wish.round, most=most)
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
    if not has_agreed(task, who):
        raise NotAllowed(_("read what this task shows and agree to it first"))


def has_agreed(task: LabelTask, who: str) -> bool:
    """Whether somebody agreed to take part. Raises NotAllowed for whoever may not, for them to read."""
    person = queries.person(task.store, who)
    if person is None and task.file.invited_only:
        why = _(
            "“{name}” is not among the people invited to this task; ask the lead for an invitation, or use the name "
            "you were invited under",
            name=who,
        )
        raise NotAllowed(why)
    if who in task.store.closed():
        raise NotAllowed(_("the lead has closed your entry to this task; your answers so far are kept"))
    if person is not None and person.withdrawn_at is not None:
        raise NotAllowed(_("you have withdrawn from this task; nothing more is shown or stored"))
    return person is not None and person.consented_at is not None


def take(task: LabelTask, who: str, given: Sequence[object]) -> list[dict[str, Any]]:
    """Receipts in the order of the answers."""
    receipts: dict[int, Receipt] = {}
    answers: dict[int, Answer] = {}
    for at, raw in enumerate(given):
        try:
            answers[at] = read_answer(task, who, raw)
        except BadMessage as error:
            receipts[at] = Receipt(id_of(raw) or "", "refused", error=str(error))
    stored = _store(task, list(answers.values())) if answers else []
    receipts.update(zip(answers, stored, strict=True))
    return [{**asdict(receipts[at]), "id": receipts[at].event_id} for at in range(len(given))]


def _store(task: LabelTask, answers: list[Answer]) -> list[Receipt]:
    """Store all in one transaction; where one of them breaks it, each in its own."""
    try:
        return task.store.submit(answers)
    except UNSTORABLE as error:
        if len(answers) > 1:
            return [receipt for answer in answers for receipt in _store(task, [answer])]
        why = _("the database cannot store it ({error})", error=type(error).__name__)
        return [Receipt(answers[0].event_id, "refused", error=why)]


def item_of(task: LabelTask, file: Task, who: str, claim: Claim) -> dict[str, Any]:
    """One image for this person's queue, as plain values."""
    item = _item(task, who, claim.image_id, claim.round, claim.revision, claim.purpose)
    if file.page.show_original and claim.image_id in task.originals:
        item["original"] = task.taxonomy.display(task.originals[claim.image_id], current())
    if item["look"] != "first" and (before := queries.own_answer(task.store, who, claim.image_id, 1)):
        item["before"] = {"kind": before[0], "labels": before[1]}
    return item


def past_items(task: LabelTask, who: str, limit: int) -> list[dict[str, Any]]:
    """This person's own answers, oldest first, so that they can go back to them after a reload."""
    history = task.store.history(who, limit).iloc[::-1]
    purposes = task.store.rounds().set_index("round")["purpose"]
    answers = history[SAID].astype(object).where(history[SAID].notna(), None).to_dict("records")
    return [
        _item(task, who, row["image_id"], row["round"], row["revision"], purposes[row["round"]]) | {"answer": answer}
        for row, answer in zip(history.to_dict("records"), answers, strict=True)
    ]


def _item(task: LabelTask, who: str, image: str, round_number: int, revision: int, purpose: str) -> dict[str, Any]:
    """What a browser is told of any image."""
    return {
        "image": image,
        "round": round_number,
        "ticket": ticket(task.secret, who, image, round_number),
        "revision": revision,
        "look": "again" if purpose == "discussion" else "first",
    }
