"""What the store knows, as tables: current judgements, progress, conflicts, one person's history."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.store.claims import round_row
from affectml_annotation.store.engine import read_only
from affectml_annotation.store.records import Progress
from affectml_annotation.store.schema import annotator, answer, assignment, conflict, event, image, slot

HOUR_MS = 3_600_000
# A file without times says nothing of when its judgements were made: the log has the moment of the import for them.
SAID_AT = sa.case(
    (sa.and_(event.c.source.is_not(None), event.c.at == event.c.received_at), None), else_=event.c.at
).label("at")
EVENT_COLUMNS = (
    "event_id", "image_id", "annotator_id", "round", "kind", "labels", "intensities", "valence", "arousal", "note",
    "suggestions_visible", "seconds", "at",
)  # fmt: skip


def judgements(
    connection: sa.Connection, *, rounds: Sequence[int] | None, surplus: bool, withdrawn: bool
) -> pd.DataFrame:
    """Current judgements as the long table, with their purpose and place; `at` is missing where nobody said it."""
    query = (
        sa.select(
            *(SAID_AT if name == "at" else event.c[name] for name in EVENT_COLUMNS),
            event.c.revision,
            event.c.received_at,
            sa.func.coalesce(assignment.c.purpose, "task").label("purpose"),
            assignment.c.place,
        )
        .join(answer, answer.c.event_id == event.c.event_id)
        .join(image, image.c.image_id == event.c.image_id)
        .join(annotator, annotator.c.annotator_id == event.c.annotator_id)
        .outerjoin(
            assignment,
            sa.and_(
                assignment.c.annotator_id == event.c.annotator_id,
                assignment.c.round == event.c.round,
                assignment.c.position == image.c.position,
            ),
        )
        .order_by(event.c.number)
    )
    if rounds is not None:
        query = query.where(event.c.round.in_(rounds))
    if not surplus:
        query = query.where(~answer.c.surplus)
    if not withdrawn:
        query = query.where(annotator.c.withdrawn_at.is_(None))
    return events_table(connection.execute(query).all(), [column.name for column in query.selected_columns])


def read_remarks(database: str | Path) -> pd.DataFrame:
    """Current flags and notes of a task: image_id, annotator_id, round, kind, note; nothing is written.

    Those of people who withdrew are not there. Raises StoreError for a database that cannot be read.
    """
    names = ("image_id", "annotator_id", "round", "kind", "note")
    query = (
        sa.select(*(event.c[name] for name in names))
        .join(answer, answer.c.event_id == event.c.event_id)
        .join(annotator, annotator.c.annotator_id == event.c.annotator_id)
        .where(annotator.c.withdrawn_at.is_(None), sa.or_(event.c.kind == "flag", event.c.note.is_not(None)))
        .order_by(event.c.number)
    )
    engine = read_only(database)
    try:
        with engine.connect() as connection:
            rows = connection.execute(query).all()
    except sa.exc.DBAPIError as error:
        raise StoreError(f"{database}: cannot be read ({error.orig})") from None
    finally:
        engine.dispose()
    return pd.DataFrame.from_records([tuple(row) for row in rows], columns=list(names))


def events_table(rows: Sequence[Any], columns: Sequence[str]) -> pd.DataFrame:
    """Rows of events as a table with proper types."""
    table = pd.DataFrame.from_records([tuple(row) for row in rows], columns=list(columns))
    for name in ("image_id", "annotator_id", "event_id", "kind", "note", "purpose"):
        if name in table:
            table[name] = table[name].astype("str")
    for name in ("valence", "arousal", "seconds"):
        table[name] = table[name].astype("float64")
    for name in ("at", "received_at"):
        if name in table:
            times = pd.to_datetime(table[name].astype("Int64"), unit="ms", utc=True)
            table[name] = times.astype("datetime64[ms, UTC]")
    table["round"] = table["round"].astype("int64")
    table["suggestions_visible"] = table["suggestions_visible"].astype("bool")
    if "place" in table:
        table["place"] = table["place"].astype("Int64")
    return table


def progress(connection: sa.Connection, round_number: int) -> Progress:
    """How far a round is."""
    round_row(connection, round_number)
    wanted, taken, images = connection.execute(
        sa.select(
            sa.func.coalesce(sa.func.sum(slot.c.wanted), 0),
            sa.func.coalesce(sa.func.sum(slot.c.taken), 0),
            sa.func.count(),
        ).where(slot.c.round == round_number, slot.c.wanted > 0)
    ).one()
    out = connection.scalar(
        sa.select(sa.func.count()).where(
            assignment.c.round == round_number, assignment.c.answered_at.is_(None), assignment.c.holds_slot
        )
    )
    done = (
        sa.select(assignment.c.position, sa.func.count().label("there"))
        .join(annotator, annotator.c.annotator_id == assignment.c.annotator_id)
        .where(assignment.c.round == round_number, assignment.c.answered_at.is_not(None), assignment.c.holds_slot)
        .where(annotator.c.withdrawn_at.is_(None))
        .group_by(assignment.c.position)
        .subquery()
    )
    complete = connection.scalar(
        sa.select(sa.func.count())
        .select_from(slot.join(done, done.c.position == slot.c.position))
        .where(slot.c.round == round_number, slot.c.wanted > 0, done.c.there >= slot.c.wanted)
    )
    given = (event.c.round == round_number, event.c.source.is_(None))  # an import comes all at once: it is no pace
    last = connection.scalar(sa.select(sa.func.max(event.c.received_at)).where(*given))
    rate = float("nan")
    if last is not None:
        # The last hour of work, however long ago: a team that went home has not become slow.
        recent, first = connection.execute(
            sa.select(sa.func.count(), sa.func.min(event.c.received_at)).where(
                *given, event.c.received_at > last - HOUR_MS
            )
        ).one()
        span = max(last - first, 1)
        rate = (recent - 1) / span * HOUR_MS if recent > 1 else float("nan")
    answered = int(taken) - int(out or 0)
    left = max(int(wanted) - answered, 0)
    return Progress(
        round=round_number,
        images=int(images),
        wanted=int(wanted),
        answered=answered,
        claimed=int(out or 0),
        complete=int(complete or 0),
        conflicts=int(connection.scalar(sa.select(sa.func.count()).where(conflict.c.resolved_at.is_(None))) or 0),
        annotators=int(
            connection.scalar(
                sa.select(sa.func.count(sa.distinct(answer.c.annotator_id))).where(answer.c.round == round_number)
            )
            or 0
        ),
        rate=rate,
        seconds_left=0.0 if not left else left / rate * 3600,
    )


def annotators(connection: sa.Connection) -> pd.DataFrame:
    """Everybody invited: answers so far, open claims, the median of their seconds, when they answered last."""
    rows = connection.execute(sa.select(annotator).order_by(annotator.c.number)).all()
    counted = {
        row.annotator_id: row
        for row in connection.execute(
            sa.select(
                answer.c.annotator_id,
                sa.func.count().label("answers"),
                sa.func.max(event.c.received_at).label("last"),
            )
            .join(event, event.c.event_id == answer.c.event_id)
            .group_by(answer.c.annotator_id)
        )
    }
    held = {
        row.annotator_id: row.claims
        for row in connection.execute(
            sa.select(assignment.c.annotator_id, sa.func.count().label("claims"))
            .where(assignment.c.answered_at.is_(None))
            .group_by(assignment.c.annotator_id)
        )
    }
    last = [counted[row.annotator_id].last if row.annotator_id in counted else None for row in rows]
    return pd.DataFrame({
        "annotator_id": [row.annotator_id for row in rows],
        "answers": [counted[row.annotator_id].answers if row.annotator_id in counted else 0 for row in rows],
        "claimed": [held.get(row.annotator_id, 0) for row in rows],
        "last_answer": pd.to_datetime(pd.Series(last, dtype="Int64"), unit="ms", utc=True),
        "consented": [row.consented_at is not None for row in rows],
        "withdrawn": [row.withdrawn_at is not None for row in rows],
        "attributes": [row.attributes or {} for row in rows],
        "chip_order": [list(row.chip_order) for row in rows],
    })  # fmt: skip


def conflicts(connection: sa.Connection) -> pd.DataFrame:
    """Answers that met a changed one, open ones first: both event ids, and what each said."""
    one, other = event.alias("one"), event.alias("other")
    rows = connection.execute(
        sa.select(
            conflict.c.event_id,
            conflict.c.against,
            one.c.image_id,
            one.c.annotator_id,
            one.c.round,
            one.c.labels.label("labels"),
            one.c.kind.label("kind"),
            other.c.labels.label("against_labels"),
            other.c.kind.label("against_kind"),
            conflict.c.resolved_at,
            conflict.c.resolved_by,
            conflict.c.kept,
        )
        .join(one, one.c.event_id == conflict.c.event_id)
        .join(other, other.c.event_id == conflict.c.against)
        .order_by(conflict.c.resolved_at.is_not(None), one.c.number)
    )
    return pd.DataFrame.from_records([tuple(row) for row in rows], columns=list(rows.keys()))


def history(connection: sa.Connection, who: str, limit: int) -> pd.DataFrame:
    """One person's current answers, newest first, with the revision a correction has to name."""
    query = (
        sa.select(*(event.c[name] for name in EVENT_COLUMNS), answer.c.revision, event.c.received_at)
        .join(answer, answer.c.event_id == event.c.event_id)
        .where(answer.c.annotator_id == who)
        .order_by(event.c.number.desc())
        .limit(limit)
    )
    return events_table(connection.execute(query).all(), [column.name for column in query.selected_columns])
