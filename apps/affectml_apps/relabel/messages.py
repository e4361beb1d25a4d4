"""A browser's message: bytes in, plain values out, and each answer judged by itself.

An answer that nobody can store is refused with the reason, and the others are stored. A body that is no JSON object is
turned away as a whole: a browser then sends less at once, until the one answer that makes it so is found.
"""

import hmac
import json
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError, create_model

from affectml_annotation import Answer
from affectml_annotation.columns import COLUMNS, Column
from affectml_annotation.judgements import ANSWERS, storable
from affectml_annotation.languages import is_language
from affectml_apps.relabel.identity import ticket
from affectml_apps.relabel.task import LabelTask
from affectml_apps.serving import Refused

MAX_BODY = 1_000_000
MAX_ANSWERS = 500
MAX_QUEUE = 30
FEW = 6  # images that anybody may hold
EVENT_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class BadMessage(Refused):
    """A message or an answer that is not one of ours."""

    status = 400


class TooMuch(BadMessage):
    """A message that may be right, but not at once."""

    status = 413


def _storable(value: object) -> object:
    if isinstance(value, str) and not storable(value):
        raise ValueError("holds a character that no database stores (half of a surrogate pair, or NUL)")
    return value


def _something(value: object) -> object:
    return None if value == "" else value


def _language(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= 20 and is_language(value) else None


Text = Annotated[str, BeforeValidator(_storable)]
ShortText = Annotated[Text, Field(min_length=1, max_length=40)]


class Wish(BaseModel):
    """Which images a page asks for, and how many to hold."""

    model_config = ConfigDict(strict=True)

    want: int = Field(FEW, ge=1, le=MAX_QUEUE)
    round: int = Field(1, ge=1, le=10_000)


class Sent(BaseModel):
    """An answer as a page sends it, or a try at a practice image."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    id: str = Field(pattern=f"^{EVENT_ID.pattern}$")
    image: Annotated[Text, Field(min_length=1, max_length=400)]
    kind: ShortText
    labels: Annotated[tuple[Annotated[Text, Field(max_length=200)], ...], Strict(False), Field(max_length=1000)] = ()
    round: int = Field(1, ge=1, le=10_000)
    ticket: Text = ""
    base_revision: int = Field(0, ge=0, lt=2**31)
    seq: Annotated[int, Field(ge=0, le=2**53)] | None = None
    input: ShortText | None = None


def _field(column: Column) -> tuple[Any, Any]:
    """What a page may send in a column, and what it means where it sends nothing."""
    within = Field(ge=column.low, le=column.high)
    match column.type:
        case "truth":
            return bool, False
        case "language":
            return Annotated[str | None, BeforeValidator(_language)], None
        case "numbers":
            return Annotated[tuple[Annotated[float, within, Field(multiple_of=1)], ...], Strict(False)] | None, None
        case "text":
            most = int(column.high) if math.isfinite(column.high) else None
            return Annotated[Annotated[Text, Field(max_length=most)] | None, BeforeValidator(_something)], None
        case _:
            return Annotated[float, within] | None, None


TOLD = [column for column in COLUMNS if column.by in ("person", "page") and column.name not in ("kind", "labels")]
FIELDS: dict[str, Any] = {column.name: _field(column) for column in TOLD}
_Answer = create_model("_Answer", __base__=Sent, **FIELDS)
M = TypeVar("M", bound=BaseModel)


def parse(body: bytes) -> Mapping[str, Any]:
    """The message in a body, its answers a list. BadMessage where it is none, TooMuch for too many answers."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"expected JSON: {error}") from None
    if not isinstance(message, Mapping):
        raise BadMessage(f"expected a JSON object, but received {type(message).__name__}")
    given = message.get("answers", [])
    if not isinstance(given, list):
        raise BadMessage(f"answers: expected a list, but received {type(given).__name__}")
    if len(given) > MAX_ANSWERS:
        raise TooMuch(f"answers: expected at most {MAX_ANSWERS}, but received {len(given)}")
    return {**message, "answers": given}


def id_of(raw: object) -> str | None:
    """The id of an answer, None where it has none of the right form."""
    given = raw.get("id") if isinstance(raw, Mapping) else None
    return given if isinstance(given, str) and EVENT_ID.fullmatch(given) else None


def read(kind: type[M], raw: object) -> M:
    """A part of a message. BadMessage names the first value that cannot be."""
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        value, place = first["input"], ".".join(map(str, first["loc"])) or "an answer"
        received = type(value).__name__ if isinstance(value, dict | list) else f"{value!r:.60}"
        raise BadMessage(f"{place}: {first['msg'].removeprefix('Value error, ')}, but received {received}") from None


def read_answer(task: LabelTask, who: str, raw: object) -> Answer:
    """An answer from a browser's plain values; BadMessage says what is wrong with it."""
    sent = read(_Answer, raw)
    if not hmac.compare_digest(sent.ticket.encode(), ticket(task.secret, who, sent.image, sent.round).encode()):
        raise BadMessage(f"image {sent.image!r} was not given to {who!r} in round {sent.round}")
    context: dict[str, Any] = {"client": "relabel", "seq": sent.seq, "input": sent.input}
    told = {column.name: getattr(sent, column.name) for column in TOLD}
    own = {name: value for name, value in told.items() if name in Answer.__dataclass_fields__}
    return Answer(
        image_id=sent.image,
        annotator_id=who,
        kind=sent.kind,
        labels=sent.labels,
        round=sent.round,
        event_id=sent.id,
        base_revision=sent.base_revision,
        **own,
        context=context,
        more={name: value for name, value in told.items() if name not in own and value is not None},
    )


def read_try(raw: object) -> tuple[str, str, tuple[str, ...] | None, int]:
    """A try at a practice image: its id, the image, the labels (None where no set was given), the tries shown as left.

    BadMessage says what is wrong with it.
    """
    sent = read(Sent, raw)
    labels = sent.labels if sent.kind in ANSWERS else None
    return sent.id, sent.image, labels, sent.base_revision
