"""A browser's message: bytes in, plain values out, and each answer judged by itself.

JSON can say what nobody can store: half of a surrogate pair, an integer of 5,000 digits, NaN, a key twice, lists
in lists in lists. Such a value is read as `Unreadable`, so that the one answer that holds it is refused with the
reason, and the others are stored. Only what is no JSON object, or too long, is turned away as a whole.
"""

import hmac
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from affectml_annotation import Answer
from affectml_annotation.columns import COLUMNS, Column
from affectml_annotation.judgements import ANSWERS, storable
from affectml_annotation.languages import is_language
from affectml_apps.relabel.items import ticket
from affectml_apps.relabel.task import LabelTask

MAX_BODY = 1_000_000
MAX_ANSWERS = 500
MAX_DEPTH = 8
MAX_DIGITS = 25
EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
TOO_DEEP = "0E-0"  # stands in for what is nested too deeply until the numbers are read
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{]|[\]}]', re.DOTALL)


class BadMessage(ValueError):
    """A message or an answer that is not one of ours."""


class TooMuch(BadMessage):
    """A message that may be right, but not at once."""


@dataclass(frozen=True)
class Unreadable:
    """Stands where a value stood that cannot be kept; `id` is that of the answer, where it was one."""

    why: str
    id: object = None


def parse(body: bytes) -> Mapping[str, Any]:
    """The message in a body; values that cannot be kept are Unreadable. BadMessage where it is no JSON object."""
    try:
        message = json.loads(
            _shallow(body.decode()),
            parse_int=_integer,
            parse_float=_float,
            parse_constant=lambda name: Unreadable(f"{name} is no number"),
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise BadMessage(f"expected UTF-8, but received byte {error.start} that is none") from None
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"expected JSON: {error}") from None
    if isinstance(message, Unreadable):
        raise BadMessage(message.why)
    return answers_of(message)[0]


def answers_of(message: object) -> tuple[Mapping[str, Any], list[Any]]:
    """A message that is an object, and its answers; BadMessage where it is not, TooMuch for too many."""
    if not isinstance(message, Mapping):
        raise BadMessage(f"expected a JSON object, but received {type(message).__name__}")
    given = message.get("answers", [])
    if not isinstance(given, list):
        raise BadMessage(f"answers: expected a list, but received {type(given).__name__}")
    if len(given) > MAX_ANSWERS:
        raise TooMuch(f"answers: expected at most {MAX_ANSWERS}, but received {len(given)}")
    return message, given


def id_of(raw: object) -> str | None:
    """The id of an answer, None where it has none of the right form."""
    given = raw.get("id") if isinstance(raw, Mapping) else raw.id if isinstance(raw, Unreadable) else None
    return given if isinstance(given, str) and EVENT_ID.fullmatch(given) else None


def read_answer(task: LabelTask, who: str, raw: object) -> Answer:
    """An answer from a browser's plain values; BadMessage says what is wrong with it."""
    raw, event_id = _with_id(raw)
    image, kind = _text(raw, "image", 400), _text(raw, "kind", 40)
    round_number = whole(raw, "round", 1, 10_000, missing=1)
    if not _same(raw.get("ticket"), ticket(task.secret, who, image, round_number)):
        raise BadMessage(f"image {image!r} was not given to {who!r} in round {round_number}")
    context: dict[str, Any] = {
        "client": "relabel",
        "seq": whole(raw, "seq", 0, 2**53, missing=0) if "seq" in raw else None,
    }
    context["input"] = None if raw.get("input") is None else _text(raw, "input", 40)
    suggestion = task.suggestions.get(image)
    if suggestion is not None and round_number != 1:
        context["model_says"] = list(suggestion)  # kept for both arms; who saw it is in suggestions_visible
    told = {column.name: _READ[column.type](raw, column) for column in COLUMNS if column.name in _TOLD}
    own = {name: value for name, value in told.items() if name in Answer.__dataclass_fields__}
    return Answer(
        image_id=image,
        annotator_id=who,
        kind=kind,
        labels=_labels(raw),
        round=round_number,
        event_id=event_id,
        base_revision=whole(raw, "base_revision", 0, 2**31 - 1, missing=0),
        **own,
        context=context,
        more={name: value for name, value in told.items() if name not in own and value is not None},
    )


def read_try(raw: object) -> tuple[str, str, tuple[str, ...] | None, int]:
    """A try at a practice image: its id, the image, the labels (None where no set was given), the tries shown as left.

    BadMessage says what is wrong with it.
    """
    raw, event_id = _with_id(raw)
    labels = _labels(raw) if _text(raw, "kind", 40) in ANSWERS else None
    return event_id, _text(raw, "image", 400), labels, whole(raw, "base_revision", 0, 100, missing=0)


def _with_id(raw: object) -> tuple[Mapping[str, Any], str]:
    if (why := _unstorable(raw, "")) is not None:
        raise BadMessage(why)
    if not isinstance(raw, Mapping):
        raise BadMessage(f"an answer: expected an object, but received {type(raw).__name__}")
    event_id = id_of(raw)
    if event_id is None:
        raise BadMessage(
            f"id: expected 1 to 64 letters, digits, '.', '_', ':' or '-', but received {_short(raw, 'id')}"
        )
    return raw, event_id


def _shallow(text: str) -> str:
    """The text with whatever is nested deeper than MAX_DEPTH cut out: the parser goes no deeper than it can."""
    depth, start, kept, at = 0, 0, [], 0
    for token in _TOKEN.finditer(text):
        first = token[0][0]
        if first in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                start = token.start()
        elif first in "]}":
            if depth == MAX_DEPTH + 1:
                kept += [text[at:start], TOO_DEEP]
                at = token.end()
            depth -= 1
    return "".join([*kept, text[at:start] if depth > MAX_DEPTH else text[at:]])


def _integer(text: str) -> int | Unreadable:
    return int(text) if len(text) <= MAX_DIGITS else Unreadable(f"a number of {len(text)} digits")


def _float(text: str) -> float | Unreadable:
    if text == TOO_DEEP:
        return Unreadable(f"lists or objects nested more than {MAX_DEPTH} deep")
    value = float(text)
    return value if math.isfinite(value) else Unreadable(f"{text:.40} is larger than any number a computer keeps")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Unreadable:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    names = [name for name, _ in pairs]
    twice = next(name for name in names if names.count(name) > 1)
    return Unreadable(f"the key {twice!r:.40} stands there twice", None if twice == "id" else made.get("id"))


def _unstorable(value: object, where: str) -> str | None:
    """Why a value can never be stored, or None; looks into lists and objects, at keys too."""
    place = f"{where}: " if where else ""
    if isinstance(value, Unreadable):
        return place + value.why
    if isinstance(value, str) and not storable(value):
        return f"{place}holds a character that no database stores (half of a surrogate pair, or NUL)"
    inside: list[tuple[object, str]] = []
    if isinstance(value, Mapping):
        inside = [pair for name, each in value.items() for pair in ((name, "a key"), (each, f"{name!r:.40}"))]
    elif isinstance(value, list):
        inside = [(each, where) for each in value]
    return next((why for each, name in inside if (why := _unstorable(each, name)) is not None), None)


def _same(given: object, ticket: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), ticket.encode())


def _short(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    text = value.why if isinstance(value, Unreadable) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _text(raw: Mapping[str, Any], name: str, longest: int) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise BadMessage(f"{name}: expected text of 1 to {longest} characters, but received {_short(raw, name)}")
    return value


def whole(raw: Mapping[str, Any], name: str, low: int, high: int, *, missing: int) -> int:
    """A whole number in a message or an answer; BadMessage where it is none, or out of its range."""
    value = raw.get(name, missing)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise BadMessage(f"{name}: expected a whole number from {low} to {high}, but received {_short(raw, name)}")
    return value


def _number(raw: Mapping[str, Any], column: Column) -> float | None:
    value = raw.get(column.name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not column.low <= value <= column.high:
        raise BadMessage(
            f"{column.name}: expected a number from {column.low:g} to {column.high:g}, but received "
            f"{_short(raw, column.name)}"
        )
    return float(cast(float, value))


def _labels(raw: Mapping[str, Any]) -> tuple[str, ...]:
    labels = raw.get("labels")
    if labels is None:
        return ()
    if not isinstance(labels, list) or len(labels) > 1000:
        raise BadMessage(f"labels: expected a list of names, but received {_short(raw, 'labels')}")
    if not all(isinstance(label, str) and len(label) <= 200 for label in labels):
        raise BadMessage(f"labels: expected names of at most 200 characters, but received {_short(raw, 'labels')}")
    return tuple(labels)


def _numbers(raw: Mapping[str, Any], column: Column) -> tuple[float, ...] | None:
    """Whole numbers in the column's range: what a key that is pressed again says."""
    values = raw.get(column.name)
    if values is None:
        return None
    known = range(int(column.low), int(column.high) + 1)
    if not isinstance(values, list) or any(isinstance(value, bool) or value not in known for value in values):
        raise BadMessage(f"{column.name}: expected a list of {', '.join(map(str, known))}, one for each label")
    return tuple(float(value) for value in values)


def _language(raw: Mapping[str, Any], column: Column) -> str | None:
    code = raw.get(column.name)
    return code if isinstance(code, str) and len(code) <= 20 and is_language(code) else None


def _truth(raw: Mapping[str, Any], column: Column) -> bool:
    value = raw.get(column.name, False)
    if not isinstance(value, bool):
        raise BadMessage(f"{column.name}: expected true or false, but received {_short(raw, column.name)}")
    return value


def _free_text(raw: Mapping[str, Any], column: Column) -> str | None:
    value = raw.get(column.name)
    if value is not None and (not isinstance(value, str) or len(value) > column.high):
        raise BadMessage(f"{column.name}: expected text of at most {column.high:g} characters")
    return value or None


# What a browser says in an answer beside its image, kind and labels.
_TOLD = [column.name for column in COLUMNS if column.by in ("person", "page") and column.name not in ("kind", "labels")]
_READ: Mapping[str, Callable[[Mapping[str, Any], Column], Any]] = {
    "number": _number, "whole": _number, "time": _number, "numbers": _numbers, "language": _language, "truth": _truth,
    "text": _free_text,
}  # fmt: skip
