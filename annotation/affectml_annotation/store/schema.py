"""The store's tables as the present version has them; `migrations` makes them.

`event` is the truth: append-only, which the database itself enforces. `answer` says which event is current for
one (image, annotator, round); `slot` counts how many people an image has or is waiting for. Both could be made
anew from the events and the claims. Times are milliseconds since 1970, UTC.
"""

import time

import sqlalchemy as sa
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)

metadata = sa.MetaData()
JSON = sa.JSON(none_as_null=True)
# SQLite numbers rows by itself only in a column of type INTEGER.
Counter = BigInteger().with_variant(Integer(), "sqlite")

schema_version = Table(
    "schema_version", metadata, Column("version", Integer, primary_key=True), Column("applied_at", BigInteger)
)
setting = Table("setting", metadata, Column("key", String, primary_key=True), Column("value", JSON, nullable=False))
image = Table(
    "image",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("image_id", String, nullable=False, unique=True),
    Column("file", String),
    Column("stratum", String),
    Column("priority", Float),
    Column("queue_rank", Integer),
)
round_ = Table(
    "round",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("purpose", String, nullable=False),  # main, repeat, second, discussion
    Column("of", Integer),
    Column("opened_at", BigInteger, nullable=False),
)
annotator = Table(
    "annotator",
    metadata,
    Column("annotator_id", String, primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("invited_at", BigInteger, nullable=False),
    Column("attributes", JSON),
    Column("chip_order", JSON, nullable=False),
    Column("consented_at", BigInteger),
    Column("withdrawn_at", BigInteger),
)
slot = Table(
    "slot",
    metadata,
    Column("round", ForeignKey("round.number"), primary_key=True),
    Column("position", ForeignKey("image.position"), primary_key=True),
    Column("wanted", Integer, nullable=False),
    Column("taken", Integer, nullable=False, server_default="0"),
    CheckConstraint("taken >= 0", name="slot_taken_not_negative"),
)
assignment = Table(
    "assignment",
    metadata,
    Column("annotator_id", ForeignKey("annotator.annotator_id"), primary_key=True),
    Column("round", ForeignKey("round.number"), primary_key=True),
    Column("position", ForeignKey("image.position"), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("purpose", String, nullable=False),  # task, check, repeat, second, discussion
    Column("suggestions_visible", Boolean, nullable=False, default=False),
    Column("holds_slot", Boolean, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    UniqueConstraint("annotator_id", "place", name="assignment_place"),
)
Index("assignment_open", assignment.c.lease_until, postgresql_where=assignment.c.answered_at.is_(None),
      sqlite_where=assignment.c.answered_at.is_(None))  # fmt: skip
Index("assignment_by_image", assignment.c.round, assignment.c.position)
event = Table(
    "event",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("event_id", String, nullable=False, unique=True),
    Column("image_id", String, nullable=False),
    Column("annotator_id", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("intensities", JSON),
    Column("valence", Float),
    Column("arousal", Float),
    Column("note", String),
    Column("suggestions_visible", Boolean, nullable=False),
    Column("seconds", Float),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("base_revision", Integer, nullable=False),
    Column("status", String, nullable=False),  # accepted, conflict, surplus
    Column("revision", Integer, nullable=False),
    Column("context", JSON),
    Column("source", String),
)
Index("event_by_time", event.c.received_at)
answer = Table(
    "answer",
    metadata,
    Column("annotator_id", String, primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("image_id", String, primary_key=True),
    Column("event_id", ForeignKey("event.event_id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("surplus", Boolean, nullable=False, default=False),
)
conflict = Table(
    "conflict",
    metadata,
    Column("event_id", ForeignKey("event.event_id"), primary_key=True),
    Column("against", ForeignKey("event.event_id"), nullable=False),
    Column("resolved_at", BigInteger),
    Column("resolved_by", String),
    Column("kept", Boolean),
)
draft = Table(
    "draft",
    metadata,
    Column("annotator_id", String, primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("image_id", String, primary_key=True),
    Column("content", JSON, nullable=False),
    Column("saved_at", BigInteger, nullable=False),
)
check = Table(
    "attention_check",
    metadata,
    Column("position", ForeignKey("image.position"), primary_key=True),
    Column("accepted", JSON, nullable=False),
    Column("forbidden", JSON, nullable=False),
)
decision = Table(
    "decision",
    metadata,
    Column("number", Counter, primary_key=True, autoincrement=True),
    Column("image_id", String, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("decided_by", String, nullable=False),
    Column("note", String),
    Column("at", BigInteger, nullable=False),
)
imported = Table(
    "imported",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
