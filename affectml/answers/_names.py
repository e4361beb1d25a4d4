"""Which image an answer is about: custom_ids of requests, and image names in files."""

import base64
import hashlib
import re

import pandas as pd

from affectml.data.matching import image_finder
from affectml.errors import BadInput

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
    """Finds a data set's image by what a file calls it, as joining does; see `affectml.data.matching.match_images`."""

    def __init__(self, images: pd.DataFrame) -> None:
        self._ids = [str(image) for image in images["image_id"]]
        self._by_key = {key_of(image): image for image in self._ids}
        self._find = image_finder(images, "answers")
        self._found: dict[str, str | None] = {}

    def of_custom_id(self, given: str) -> str | None:
        """The image of a request's custom_id; None for one that no request of this data set has."""
        match = _OURS.fullmatch(given)
        return None if match is None else self._by_key.get(match[2])

    def find(self, name: str) -> str | None:
        """The image of that name; None where there is none, or several."""
        if name not in self._found:
            try:
                at = self._find([name])
            except BadInput:  # two images have it
                at = -1
            self._found[name] = None if at < 0 else self._ids[at]
        return self._found[name]
