"""One exchange with a participant's browser, and their images: what is given follows from where their visit is."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from affectml_annotation import DatabaseFailed, Receipt, StoreError
from affectml_annotation.languages import _, current
from affectml_annotation.store.claims import BEFORE
from affectml_annotation.study import visits
from affectml_annotation.study.screen import Screen, screen, warnings_of
from affectml_annotation.study.visits import Visit
from affectml_apps.relabel import queries
from affectml_apps.relabel.messages import BadMessage, id_of, read_try
from affectml_apps.relabel.sync import NotAllowed, check_person, next_images, take
from affectml_apps.relabel.task import LabelTask

PRACTICE = "practice"
TAG, PLACE = 16, 8  # bytes of a sealed name


def exchange(task: LabelTask, who: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """As `sync.exchange`, with more in the message and in the reply.

    message: phase (practice: the answers are tries, and are stored as no answer), finish (the last image is behind
    them, and they want to go on). Images go by `names_of`, both ways. The reply names phase and status of
    the visit; images done `of` how many; whether they are to be warned; of an image its content `warning`, or none; and
    of a try `practised`: right, tries_left, feedback. Raises NotAllowed in every other phase, but for answers that were
    under way: they get their receipts.
    """
    with task.locks[who]:
        check_person(task, who)
        given, names = _opened(task, who, message["answers"])
        visit = visit_now(task, who)
        trying = message.get("phase") == PRACTICE
        before = visit.phase in BEFORE and visit.phase != PRACTICE and not (trying and visit.phase == "start")
        if before or not (given or labels_now(visit)):
            raise NotAllowed(elsewhere(visit))
        receipts, practised = _try(task, who, given) if trying else (take(task, who, given), None)
        reply: dict[str, Any] = {"items": []}
        visit = visit_now(task, who)
        if visit.phase == "images" and labels_now(visit):
            reply |= next_images(task, who, message)
            over = not reply["items"] and "problem" not in reply
            if over and (message.get("finish") is True or not reply["done"]):
                visits.finish_images(task.store, who)
        now = screen(task.store, who, current())
        if labels_now(now.visit):
            reply["items"] = reply["items"] or _to_practise(now)
        else:
            reply.pop("problem", None)  # another tab ended the visit meanwhile, as its status says
        if practised is not None and not practised["right"]:
            practised["feedback"] = now.feedback
        shown = [*reply["items"], *reply.get("past", [])]
        warnings = warnings_of(task.store, [item["image"] for item in shown])
        sealed = names_of(task, who, [item["image"] for item in shown])
        for item in shown:
            item |= {"image": sealed[item["image"]], "warning": warnings.get(item["image"])}
        for receipt in receipts:
            for name, image in names.items() if receipt["error"] else ():
                receipt["error"] = receipt["error"].replace(repr(image), repr(name))
        done = queries.answered_count(task.store, who, [1])
        of = max(now.images, done + len(reply["items"]))  # with checks: a number that stood still would tell which
        part = {"phase": now.visit.phase, "status": now.visit.status, "done": done, "of": of, "warned": now.warned}
        return {**reply, **part, "practised": practised, "receipts": receipts, "now": time.time()}


def _opened(task: LabelTask, who: str, given: Sequence[object]) -> tuple[list[object], Mapping[str, str]]:
    """Answers with the ids of their images, and by name those ids; a name that is not this person's stays as it is."""
    images = images_of(task, who, [raw.get("image") for raw in given if isinstance(raw, Mapping)])

    def opened(raw: object) -> object:
        name = raw.get("image") if isinstance(raw, Mapping) else None
        return {**raw, "image": images[name]} if isinstance(name, str) and name in images else raw  # type: ignore[dict-item]

    return [*map(opened, given)], images


def visit_now(task: LabelTask, who: str) -> Visit:
    """Where a participant is. Raises NotAllowed for whoever takes part in no study."""
    try:
        return visits.where(task.store, who)
    except DatabaseFailed:
        raise
    except StoreError as error:
        raise NotAllowed(str(error)) from None


def labels_now(visit: Visit) -> bool:
    """Whether there are images for them, to label or to practise with."""
    return visit.status is None and visit.phase in (PRACTICE, "images")


def elsewhere(visit: Visit) -> str:
    """Why there are no images, for them to read."""
    if visit.status == "timed_out":
        return _("you were away for too long, so your place in this study was given to somebody else")
    if visit.status is None and visit.phase in BEFORE:
        return _("you have not reached the images of this study yet; please continue where you are")
    return _("you have finished the images of this study; your answers are kept")


def file_for(task: LabelTask, who: str, name: str, language: str) -> str | None:
    """The file of an image, while it is one to practise with or one they were given; None for any other.

    name: of `names_of`. language: in which they read the words of an image that dictates an answer.
    """
    visit = visit_now(task, who)
    if not labels_now(visit):
        raise NotAllowed(elsewhere(visit))
    image_id = images_of(task, who, [name]).get(name)
    now = screen(task.store, who)
    if image_id is None or (visit.phase == PRACTICE and image_id not in now.practice):
        return None
    if visit.phase != PRACTICE and not queries.is_assigned(task.store, who, image_id):
        return None
    instead = {one.image: one.images.get(language, one.image) for one in now.file.dictated}
    return queries.file_of(task.store, instead.get(image_id, image_id))


def _try(task: LabelTask, who: str, given: Sequence[object]) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Receipts of tries in their order, and what came of the last that was taken."""
    receipts, said = [], None
    for raw in given:
        try:
            event_id, image, labels, left = read_try(raw)
            done = visits.practise(task.store, who, image, labels, left)
            receipt = Receipt(event_id, "accepted", again=done.right is None)
            if done.right is not None:
                said = {"right": done.right, "tries_left": done.tries_left}
        except DatabaseFailed:
            raise
        except (BadMessage, StoreError) as error:
            receipt = Receipt(id_of(raw) or "", "refused", error=str(error))
        receipts.append({**asdict(receipt), "id": receipt.event_id})
    return receipts, said


def _to_practise(now: Screen) -> list[dict[str, Any]]:
    """The image to practise with, the same one until its tries are over. Its revision counts the tries left."""
    return [
        {"image": image, "round": 1, "ticket": "", "revision": left, "look": PRACTICE, "to_practise": len(now.practice)}
        for image, left in now.practice.items()
    ][:1]


# What a participant's browser calls images by: names that are its own, and tell nothing of an image but to us. An
# image's id is its file's name, which may say that it is a check. A name is made from the image's place in the task:
# authenticated and always the same (a synthetic IV, as RFC 5297 has it, with HMAC-SHA256), so that a browser keeps what
# it holds over a restart, and nothing is kept here.


def names_of(task: LabelTask, who: str, images: Iterable[str]) -> dict[str, str]:
    """By image id, what this participant's browser calls it; ids that the task has not are left out."""
    key = _key(task, who)
    return {image: _sealed(key, position) for image, position in queries.positions_of(task.store, images).items()}


def images_of(task: LabelTask, who: str, names: Iterable[object]) -> Mapping[str, str]:
    """By name, the id of the image that this participant's browser calls so; anything else is left out."""
    key = _key(task, who)
    places = {name: place for name in names if isinstance(name, str) and (place := _place_of(key, name)) is not None}
    images = queries.images_at(task.store, places.values()) if places else {}
    return {name: images[place] for name, place in places.items() if place in images}


def _key(task: LabelTask, who: str) -> bytes:
    return _mac(task.secret.encode(), f"images:{who}".encode())


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _sealed(key: bytes, position: int) -> str:
    place = position.to_bytes(PLACE)
    tag = _mac(key, b"tag" + place)[:TAG]
    return urlsafe_b64encode(tag + _mixed(key, tag, place)).decode()


def _place_of(key: bytes, name: str) -> int | None:
    try:
        content = urlsafe_b64decode(name.encode("ascii"))
    except ValueError:
        return None
    tag, place = content[:TAG], _mixed(key, content[:TAG], content[TAG:])
    good = len(content) == TAG + PLACE and hmac.compare_digest(tag, _mac(key, b"tag" + place)[:TAG])
    return int.from_bytes(place) if good else None


def _mixed(key: bytes, tag: bytes, place: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(place, _mac(key, b"place" + tag), strict=False))
