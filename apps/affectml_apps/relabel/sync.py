"""One exchange with a browser: answers in, in one transaction; receipts and the next images out.

A browser sends all it has not had acknowledged, and forgets an answer only on its receipt. Sending twice is
harmless: each answer has an id of its own.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

from affectml_annotation import Answer, Claim, Receipt
from affectml_apps.relabel import queries
from affectml_apps.relabel.items import item_of, past_items, ticket
from affectml_apps.relabel.task import LabelTask

MAX_ANSWERS = 500
MAX_QUEUE = 12
MAX_PAST = 500
NOTE_LENGTH = 2000
INTENSITIES = (1, 2, 3)


class BadMessage(ValueError):
    """A message that is not one of ours."""


class NotAllowed(Exception):
    """Somebody who may not label now: not invited, not consented, withdrawn."""


def exchange(task: LabelTask, who: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """Take a browser's answers and give it receipts, its next images and how far it is.

    message: answers (list), want (images to hold, 1 to 12), round, history (whether to send this person's own
    past answers). Raises BadMessage for what is not such a message, NotAllowed for people who may not label.
    An answer that cannot be taken is refused in its receipt; the others go on.
    """
    given, want, round_number = _read(message)
    with task.one_at_a_time(who):
        _check_person(task, who)
        preferences = task.preferences
        second = queries.second_round(task.store, 1) if preferences.blind_first else None
        receipts = _take(task, who, given, second)
        claims = task.store.claim(who, want, round_number=round_number)
        if second is not None and round_number == 1:
            claims = [*_second_looks(task, who, second), *claims]
        reply: dict[str, Any] = {
            "receipts": receipts,
            "items": [item_of(task, preferences, who, claim) for claim in claims],
            "done": queries.answered_count(task.store, who, _rounds(task, round_number)),
            "team": _team(task, round_number),
            "now": time.time(),
        }
        if message.get("history"):
            reply["past"] = past_items(task, who, MAX_PAST)
        return reply


def _read(message: Mapping[str, Any]) -> tuple[list[Any], int, int]:
    if not isinstance(message, Mapping):
        raise BadMessage(f"expected a JSON object, but received {type(message).__name__}")
    given = message.get("answers", [])
    want, round_number = message.get("want", 6), message.get("round", 1)
    if not isinstance(given, list) or len(given) > MAX_ANSWERS:
        raise BadMessage(f"answers: expected a list of at most {MAX_ANSWERS}")
    for name, value, top in (("want", want, MAX_QUEUE), ("round", round_number, 10_000)):
        if not _whole(value) or not 1 <= value <= top:
            raise BadMessage(f"{name}: expected a whole number from 1 to {top}, but received {value!r}")
    return given, want, round_number


def _check_person(task: LabelTask, who: str) -> None:
    person = queries.person(task.store, who)
    if person is None:
        raise NotAllowed(f"nobody invited {who!r} to this task")
    if person.withdrawn:
        raise NotAllowed("you have withdrawn from this task; nothing more is shown or stored")
    if not person.consented:
        raise NotAllowed("read what this task shows and agree to it first")


def _take(task: LabelTask, who: str, given: list[Any], second: int | None) -> list[dict[str, Any]]:
    """Receipts in the order of the answers."""
    receipts: dict[int, Receipt] = {}
    answers: dict[int, Answer] = {}
    for at, raw in enumerate(given):
        event_id = raw.get("id") if isinstance(raw, Mapping) else None
        try:
            answer = read_answer(task, who, raw)
            if second is not None and answer.round == 1 and answer.base_revision > 0:
                _keep_blind(task, who, answer, second)
            answers[at] = answer
        except BadMessage as error:
            receipts[at] = Receipt(str(event_id), "refused", error=str(error))
    stored = task.store.submit(list(answers.values())) if answers else []
    receipts.update(zip(answers, stored, strict=True))
    return [{**asdict(receipts[at]), "id": receipts[at].event_id} for at in range(len(given))]


def _keep_blind(task: LabelTask, who: str, answer: Answer, second: int) -> None:
    """A first answer stands once the second look was given: what comes after a suggestion is no blind answer."""
    if queries.is_assigned(task.store, who, answer.image_id, second):
        raise BadMessage("your first answer to this image stands, because you were asked again; change the second one")


def read_answer(task: LabelTask, who: str, raw: Any) -> Answer:
    """An answer from a browser's plain values; BadMessage says what is wrong with it."""
    if not isinstance(raw, Mapping):
        raise BadMessage(f"an answer: expected an object, but received {type(raw).__name__}")
    image, event_id, kind = (_text(raw, name, 400) for name in ("image", "id", "kind"))
    round_number, base = raw.get("round", 1), raw.get("base_revision", 0)
    if not _whole(round_number) or not _whole(base):
        raise BadMessage("round and base_revision: expected whole numbers")
    if raw.get("ticket") != ticket(task.secret, who, image, round_number):
        raise BadMessage(f"image {image!r} was not given to {who!r} in round {round_number}")
    labels = raw.get("labels") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise BadMessage("labels: expected a list of names")
    strengths = raw.get("intensities")
    if strengths is not None and (not isinstance(strengths, list) or any(s not in INTENSITIES for s in strengths)):
        raise BadMessage("intensities: expected a list of 1, 2 or 3, one for each label")
    note = raw.get("note")
    if note is not None and (not isinstance(note, str) or len(note) > NOTE_LENGTH):
        raise BadMessage(f"note: expected text of at most {NOTE_LENGTH} characters")
    context = {"client": "relabel", "seq": raw.get("seq"), "input": raw.get("input")}
    suggestion = task.suggestions.get(image)
    if suggestion is not None and round_number != 1:
        context["model_says"] = list(suggestion)  # kept for both arms; who saw it is in suggestions_visible
    return Answer(
        image_id=image,
        annotator_id=who,
        kind=kind,
        labels=tuple(labels),
        round=round_number,
        event_id=event_id,
        base_revision=base,
        seconds=_number(raw, "seconds", 0, 86_400 * 7),
        at=_number(raw, "at", 0, float("inf")),
        intensities=None if strengths is None else tuple(float(s) for s in strengths),
        valence=_number(raw, "valence", -1, 1),
        arousal=_number(raw, "arousal", -1, 1),
        note=note or None,
        context=context,
    )


def _second_looks(task: LabelTask, who: str, second: int) -> list[Claim]:
    """Second looks at what was just answered blind, where the model has something to say."""
    waiting = queries.awaiting_second_look(task.store, who, 1, second, limit=50)
    return [task.store.second_look(who, image) for image in waiting if image in task.suggestions][:3]


def _rounds(task: LabelTask, round_number: int) -> list[int]:
    rounds = task.store.rounds()
    repeats = rounds[(rounds["purpose"] == "repeat") & (rounds["of"] == round_number)]
    return [round_number, *(int(number) for number in repeats["round"])]


def _team(task: LabelTask, round_number: int) -> dict[str, Any]:
    progress = task.progress(round_number)
    left = progress.seconds_left
    return {"answered": progress.answered, "wanted": progress.wanted, "seconds_left": left if left == left else None}


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(raw: Mapping[str, Any], name: str, longest: int) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise BadMessage(f"{name}: expected text of 1 to {longest} characters, but received {value!r:.80}")
    return value


def _number(raw: Mapping[str, Any], name: str, low: float, high: float) -> float | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadMessage(f"{name}: expected a number from {low:g} to {high:g}, but received {value!r:.80}")
    return float(cast(float, value))


__all__ = ["BadMessage", "NotAllowed", "exchange", "read_answer"]
