"""The store's tables by the names of their columns; what columns are, and their keys and checks, says the SQL in `sql`.

`event` is the truth: append-only, which the database itself enforces. `answer` says which event is current for
one (image, annotator, round); `slot` counts how many people an image has or is waiting for. Both could be made
anew from the events and the claims. Times are milliseconds since 1970, UTC. A table stands below those that its keys
name.
"""

import time
from functools import partial
from typing import Any

import sqlalchemy as sa

from affectml_annotation.columns import COLUMNS

metadata = sa.MetaData()
# Of the other columns, databases give what Python has for it.
_json = partial(sa.Column[Any], type_=sa.JSON(none_as_null=True))
_flag = partial(sa.Column[Any], type_=sa.Boolean())


def _define(name: str, *columns: str | sa.Column[Any]) -> sa.Table:
    return sa.Table(name, metadata, *(sa.Column(each) if isinstance(each, str) else each for each in columns))


MAIN = 1  # the number of the first round
STOPPED = "stopped_early"  # the key of how images stopped early, in a task from when they could
STEERED = "steered"  # the key of the setting that counts changes of which images come next

schema_version = _define("schema_version", "version", "applied_at")
setting = _define("setting", "key", _json("value"))
image = _define("image", "position", "image_id", "file", "stratum", "priority", "queue_rank")
# purpose: main, repeat, second, discussion
round_ = _define("round", "number", "purpose", "of", "opened_at")
annotator = _define(
    "annotator", "annotator_id", "number", "invited_at", _json("attributes"), _json("chip_order"), "consented_at",
    "withdrawn_at", "language",
)  # fmt: skip
slot = _define("slot", "round", "position", "wanted", "taken")
# purpose: task, check, repeat, second, discussion
assignment = _define(
    "assignment", "annotator_id", "round", "position", "place", "purpose", _flag("suggestions_visible", default=False),
    _flag("holds_slot"), "claimed_at", "lease_until", "answered_at",
)  # fmt: skip
# status: accepted, conflict, surplus; purpose and the last three: of the assignment that a first answer was given to
_OF_TYPE = {"labels": _json, "numbers": _json, "truth": _flag}
event = _define(
    "event", "number", *(_OF_TYPE.get(column.type, sa.Column)(column.name) for column in COLUMNS), "received_at",
    "base_revision", "status", "revision", _json("context"), "source", "place", _flag("holds_slot"), "claimed_at",
)  # fmt: skip
answer = _define(
    "answer", "annotator_id", "round", "image_id", "event_id", "revision", _flag("surplus", default=False)
)  # fmt: skip
conflict = _define("conflict", "event_id", "against", "resolved_at", "resolved_by", _flag("kept"))
draft = _define("draft", "annotator_id", "round", "image_id", _json("content"), "saved_at")
check = _define("attention_check", "position", _json("accepted"), _json("forbidden"))
decision = _define("decision", "number", "image_id", _json("labels"), "decided_by", "note", "at")
imported = _define("imported", "sha256", "name", "rows", "at")


# A study: see docs/architecture.md. What holds something of a person calls them annotator_id: an erasure goes by that.

study_version = _define("study_version", "number", _json("content"), _json("texts"), "affectml", "at")
content_warning = _define("content_warning", "position", "text")
study_text = _define("study_text", "sha256", "content")
study_tally = _define("study_tally", "name", "count")
# status: none while it goes on; images: so many at most; failed_checks_end: so many end the images; language:
# in which they read the consent
visit = _define(
    "visit", "annotator_id", "version", "phase", "status", "entered_at", "seen_at", "place_until", "hold_ms",
    "active_ms", "images", "failed_checks_end", "ended_at", "paid_at", "language",
)  # fmt: skip
visit_step = _define("visit_step", "annotator_id", "phase", "at")
panel = _define("panel", "annotator_id", "person", "session")
# digest: keyed hash of a number that this browser has
device = _define("device", "annotator_id", "digest")
questionnaire = _define("questionnaire", "annotator_id", "question", _json("value"), "at")
practice = _define("practice", "number", "annotator_id", "image_id", _json("labels"), _flag("passed"), "at")
study_link = _define("study_link", "number", "made_at", "ends_at", "revoked_at")
# amount: of the currency's hundredths; by_panel: so much of that the panel pays by itself
owed = _define("owed", "number", "person", "session", "status", "amount", "by_panel", "currency", "at")
erasure_request = _define("erasure_request", "annotator_id", "asked_at")
erasing = _define("erasing", "annotator_id")
# annotator, person: keyed hashes; cleaned_at: until then its bytes may still be in free pages
erasure = _define("erasure", "number", "at", "answers", "annotator", "person", "cleaned_at")
secret = _define("secret", "name", "value")
lead_change = _define("lead_change", "number", "by", _json("what"), "at")


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def read_setting(connection: sa.Connection, key: str) -> Any:
    """What is kept of a task under a key, beside the versions of its file; None where nothing is."""
    return connection.scalar(sa.select(setting.c.value).where(setting.c.key == key))


def write_setting(connection: sa.Connection, key: str, value: Any) -> None:
    """Keep a value under a key, in place of what was there."""
    if not connection.execute(setting.update().where(setting.c.key == key).values(value=value)).rowcount:
        connection.execute(setting.insert().values(key=key, value=value))
