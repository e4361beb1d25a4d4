"""Which image an answer is about: custom_ids of requests, and image names in files."""

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

import pandas as pd

LONGEST = 64  # signs of a custom_id: Anthropic's and Azure's servers take no more, and [A-Za-z0-9_-] alone
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_OURS = re.compile(r"s(\d{1,6})-(.+)", re.DOTALL)
_ROOM = LONGEST - len("s000000-x-")


def key_of(image_id: str) -> str:
    """The part of a custom_id that stands for an image: its id, or that in base64, or else a hash.

    Signs are [A-Za-z0-9_-]; ids that differ have keys that differ. What a hash stands for is found again by hashing
    the data set's own ids.
    """
    if _PLAIN.fullmatch(image_id) and len(image_id) <= _ROOM:
        return f"p-{image_id}"
    raw = image_id.encode("utf-8", "surrogatepass")
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    if len(text) <= _ROOM:
        return f"b-{text}"
    return f"h-{hashlib.sha256(raw).hexdigest()[:40]}"


def custom_id(image_id: str, sample: int) -> str:
    """The custom_id of one request: which image, and which of its samples, from 1."""
    return f"s{sample}-{key_of(image_id)}"


class Names:
    """Finds a data set's image by what a file calls it.

    An image is found by its id, its file or its url as images.parquet has them, else by the end of a path or the file's
    name, with or without its ending, where one image alone has that name.
    """

    def __init__(self, images: pd.DataFrame) -> None:
        ids = [str(image) for image in images["image_id"]]
        self._by_key = {key_of(image): image for image in ids}
        self._exact = {image: image for image in ids}
        loose: dict[str, set[str]] = {}
        for column in ("file", "url"):
            for image, name in zip(ids, images[column] if column in images.columns else (), strict=False):
                if isinstance(name, str) and name:
                    self._exact.setdefault(name, image)
                    for form in _forms(name):
                        loose.setdefault(form, set()).add(image)
        self._loose = {form: found.pop() for form, found in loose.items() if len(found) == 1}

    def of_custom_id(self, given: str) -> str | None:
        """The image of a request's custom_id; None for one that no request of this data set has."""
        match = _OURS.fullmatch(given)
        return None if match is None else self._by_key.get(match[2])

    def find(self, name: str) -> str | None:
        """The image of that name; None where there is none, or several."""
        if name in self._exact:
            return self._exact[name]
        return next((self._loose[form] for form in _forms(name) if form in self._loose), None)


def _forms(name: str) -> Iterable[str]:
    """From the whole path to the bare name."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    for start in range(len(parts)):
        yield "/".join(parts[start:])
    if parts and (stem := PurePosixPath(parts[-1]).stem) != parts[-1]:
        yield stem
