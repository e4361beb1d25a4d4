"""What a language model's reply says: JSON alone, in a code fence or in prose, or labels by themselves.

Nothing is ever executed: `json` reads, and what it cannot read is counted under a reason.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from affectml.answers._words import Words


class Why:
    """Why a reply cannot be used. The order is that of tables."""

    NOT_JSON = "line that is no JSON object"
    NO_IMAGE = "no image named"
    UNKNOWN_IMAGE = "image that the data set does not have"
    TWICE = "answered before"
    FAILED = "request failed"
    REFUSED = "refused"
    FILTERED = "stopped by a content filter"
    CUT_OFF = "cut off (finish_reason length)"
    EMPTY = "empty"
    NO_JSON = "no JSON in the reply"
    BROKEN = "broken JSON"
    NO_LABELS = "JSON without labels"
    UNKNOWN_ONLY = "only unknown labels"
    NO_RATE = "no number for some label"
    OUTSIDE = "number outside 0 to 1"
    NO_MASS = "no label at all, which a distribution cannot say"


REASONS = tuple(text for name, text in vars(Why).items() if name.isupper())
LABEL_KEYS = ("labels", "label", "emotions", "emotion", "feelings", "feeling", "set", "answer", "answers")
_REFUSAL = re.compile(
    r"\b(?:i['’]?m sorry|i am sorry|i apologi[sz]e|sorry, (?:but )?i|as an ai\b|"
    r"i (?:can['’]?t|cannot|can not|won['’]?t|will not|am unable to|['’]?m unable to|am not able to)|"
    r"i['’]m (?:unable|not able) to|unable to (?:help|assist|comply|determine|identify|analy[sz]e))",
    re.IGNORECASE,
)
_TRIES = 200  # opening brackets of a reply that are tried: a reply of brackets alone must not take long


@dataclass(frozen=True)
class Reply:
    """labels: as the reply spells them, () for the empty set; or why there are none."""

    labels: tuple[str, ...] | None = None
    problem: str = ""


def parse_reply(text: str, words: Words) -> Reply:
    """Read a reply.

    The last JSON value that names labels counts: {"labels": [...]}, {"joy": true, ...} or a plain list. Without one,
    a reply that consists of labels alone is taken as it stands. A list inside an object that is broken does not count.
    """
    if not text.strip():
        return Reply(problem=Why.EMPTY)
    found: tuple[str, ...] | None = None
    seen = broken = False
    for value, whole in _json_values(text):
        broken |= not whole
        if whole and isinstance(value, dict | list):
            labels = labels_in(value, words) if isinstance(value, dict) or not broken else None
            seen |= isinstance(value, dict) or labels is not None
            found = labels if labels is not None else found
    if found is not None:
        return Reply(found)
    if words.known(alone := words.split(text)):
        return Reply(alone)
    if seen:
        return Reply(problem=Why.NO_LABELS)
    if _REFUSAL.search(text):
        return Reply(problem=Why.REFUSED)
    return Reply(problem=Why.BROKEN if broken else Why.NO_JSON)


def labels_in(value: Any, words: Words) -> tuple[str, ...] | None:
    """The labels that a JSON value names, as it spells them; None where it names none."""
    if isinstance(value, str):
        return words.split(value)
    if isinstance(value, list):
        return _of_list(value)
    if not isinstance(value, dict):
        return None
    by_key = {str(key).strip().casefold(): inner for key, inner in value.items()}
    for key in LABEL_KEYS:
        if key in by_key and words.find(key) is None:
            return labels_in(by_key[key], words)
    if value and all(isinstance(inner, bool) for inner in value.values()) and words.known(tuple(map(str, value))):
        return tuple(str(key) for key, inner in value.items() if inner)
    return None


def _of_list(values: list[Any]) -> tuple[str, ...] | None:
    """Texts, or objects that name one label each."""
    found: list[str] = []
    for value in values:
        if isinstance(value, dict):
            value = next((value[key] for key in ("label", "emotion", "name") if key in value), None)
        if not isinstance(value, str):
            return None
        found.append(value)
    return tuple(found)


def _json_values(text: str) -> Iterator[tuple[Any, bool]]:
    """Each JSON object or list in a text and True; for a brace from which none can be read, (None, False)."""
    decoder = json.JSONDecoder()
    at, tries = 0, 0
    opening = re.compile(r"[{\[]")
    while (match := opening.search(text, at)) is not None and tries < _TRIES:
        tries += 1
        try:
            value, at = decoder.raw_decode(text, match.start())
        except (ValueError, RecursionError):
            at = match.end()
            if match.group() == "{" or text[match.end() : match.end() + 20].lstrip().startswith('"'):
                yield None, False
        else:
            yield value, True
