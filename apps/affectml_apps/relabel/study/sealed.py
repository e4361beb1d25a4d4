"""What a participant's browser calls images by: names that are their own, and tell nothing of an image but to us.

An image's id is its file's name, which may say that it is a check. A name is made from the image's place in the task:
authenticated and always the same (a synthetic IV, as RFC 5297 has it, with HMAC-SHA256), so that a browser keeps what
it holds over a restart, and nothing is kept here.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping

from affectml_apps.relabel import queries
from affectml_apps.relabel.task import LabelTask

TAG, PLACE = 16, 8  # bytes


def names_of(task: LabelTask, who: str, images: Iterable[str]) -> dict[str, str]:
    """By image id, what this participant's browser calls it; ids that the task has not are left out."""
    key = _key(task, who)
    return {image: _sealed(key, position) for image, position in queries.positions_of(task.store, images).items()}


def images_of(task: LabelTask, who: str, names: Iterable[object]) -> Mapping[str, str]:
    """By name, the id of the image that this participant's browser calls so; anything else is left out."""
    key = _key(task, who)
    places = {name: place for name in names if isinstance(name, str) and (place := _opened(key, name)) is not None}
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


def _opened(key: bytes, name: str) -> int | None:
    try:
        content = urlsafe_b64decode(name.encode("ascii"))
    except ValueError:
        return None
    tag, place = content[:TAG], _mixed(key, content[:TAG], content[TAG:])
    good = len(content) == TAG + PLACE and hmac.compare_digest(tag, _mac(key, b"tag" + place)[:TAG])
    return int.from_bytes(place) if good else None


def _mixed(key: bytes, tag: bytes, place: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(place, _mac(key, b"place" + tag), strict=False))
