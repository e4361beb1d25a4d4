"""Setting a task up and steering it: images, people, checks, queue, rounds. Functions within a transaction."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import StoreError, check_labels, did_you_mean
from affectml_annotation.judgements import UNSTORABLE, storable
from affectml_annotation.languages import _
from affectml_annotation.store import claims, visits
from affectml_annotation.store.keys import was_erased
from affectml_annotation.store.schema import (
    MAIN,
    annotator,
    answer,
    assignment,
    check,
    draft,
    event,
    image,
    now_ms,
    read_setting,
    round_,
    setting,
    slot,
    write_setting,
)
from affectml_annotation.store.versions import add_version, keep_texts, read_task
from affectml_annotation.study.file import Task

INSERTED_AT_ONCE = 2_000
CLOSED = "closed"  # the key of the names of those whose entry is closed
DATASET = "dataset"  # the folder of the data set that the task is about
DAY_MS = 86_400_000
UNDO_MS = 7 * DAY_MS  # for so long a withdrawal can be undone
WITHDRAWAL = "withdrawal "  # begins the keys of the lines, only ever added, that say who withdrew or was taken back


def init_task(
    connection: sa.Connection,
    file: Task,
    images: pd.DataFrame | Sequence[str],
    dataset: Path | None = None,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Store the file's first version and the images, and open the main round (and one for repeats)."""
    for key in ("labels", "question"):
        if not getattr(file, key):
            raise StoreError(f"{key}: a task needs it, and neither its file nor a data set says it")
    file = file.model_copy(update={"name": file.name or "labels", "about": file.about or "evoked"})
    table = images if isinstance(images, pd.DataFrame) else pd.DataFrame({"image_id": list(images)})
    if table.empty:
        raise StoreError("a task needs at least one image")
    twice = table["image_id"].astype(str).duplicated()
    if twice.any():
        raise StoreError(f"image {str(table['image_id'][twice].iloc[0])!r} stands in two rows")
    add_version(connection, file, keep_texts(connection, texts or {}))
    if dataset is not None:
        write_setting(connection, DATASET, str(dataset.resolve()))
    new_round(connection, 1, "main", None)
    _insert_images(connection, table, 0, file.overlap)
    new_round(connection, 2, "repeat", 1)


def add_images(connection: sa.Connection, table: pd.DataFrame) -> int:
    """Put images that the task does not have at its end, in the main round; return how many they were."""
    known = set(connection.scalars(sa.select(image.c.image_id)))
    new = table[~table["image_id"].astype(str).isin(known)]
    start = claims.following(connection, image.c.position)
    _insert_images(connection, new, start, read_task(connection).overlap)
    return len(new)


def _insert_images(connection: sa.Connection, table: pd.DataFrame, start: int, wanted: int) -> None:
    for at in range(0, len(table), INSERTED_AT_ONCE):
        part = table.iloc[at : at + INSERTED_AT_ONCE]
        names = zip(part["image_id"], _text(part, "file"), _text(part, "stratum"), strict=True)
        rows = [
            {"position": position, "image_id": str(name), "file": file, "stratum": stratum}
            for position, (name, file, stratum) in enumerate(names, start + at)
        ]
        connection.execute(image.insert(), rows)
        slots = [{"round": MAIN, "position": row["position"], "wanted": wanted} for row in rows]
        connection.execute(slot.insert(), slots)


def _text(table: pd.DataFrame, name: str) -> list[str | None]:
    if name not in table.columns:
        return [None] * len(table)
    return [None if pd.isna(value) else str(value) for value in table[name]]


def new_round(connection: sa.Connection, number: int, purpose: str, of: int | None) -> None:
    """Add a row to the rounds."""
    connection.execute(round_.insert().values(number=number, purpose=purpose, of=of, opened_at=now_ms()))


def position_of(connection: sa.Connection, image_id: str) -> int:
    """An image's position; StoreError for one the task does not have."""
    position = connection.scalar(sa.select(image.c.position).where(image.c.image_id == image_id))
    if position is None:
        raise StoreError(f"no image {image_id!r} in this task")
    return int(position)


def _positions(connection: sa.Connection, image_ids: Sequence[str] | None) -> list[int]:
    """The positions of these images, or of all; StoreError for one the task does not have."""
    known = {row.image_id: row.position for row in connection.execute(sa.select(image.c.image_id, image.c.position))}
    for name in image_ids or ():
        if name not in known:
            raise StoreError(f"no image {name!r} in this task")
    return list(known.values()) if image_ids is None else [known[name] for name in image_ids]


def invite(connection: sa.Connection, people: Sequence[str], attributes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Add annotators, each with an order of label chips of their own."""
    task = read_task(connection)
    known = set(connection.scalars(sa.select(annotator.c.annotator_id)))
    number = claims.following(connection, annotator.c.number)
    new = []
    for who in dict.fromkeys(people):
        if not who.strip():
            raise StoreError("an annotator needs a name")
        if not storable(who):
            raise StoreError(f"annotator {who!r}: the name {UNSTORABLE}")
        if who in known:
            continue
        if was_erased(connection, who=who):
            raise StoreError(
                _("annotator {name} was erased from this task because they asked for it; name another", name=repr(who))
            )
        order = list(task.labels)
        if task.page.chips == "random":
            np.random.default_rng(claims.number_of(task.seed, who, "chips")).shuffle(order)
        connection.execute(annotator.insert().values(
            annotator_id=who, number=number, invited_at=now_ms(),
            attributes=dict(attributes.get(who, {})), chip_order=order,
        ))  # fmt: skip
        number += 1
        new.append(who)
    return new


def closed(connection: sa.Connection) -> list[str]:
    """The people whose entry is closed: their answers stay and count, the page takes no more."""
    return list(read_setting(connection, CLOSED) or ())


def reopen(connection: sa.Connection, people: Sequence[str]) -> None:
    """Open the entry of these people, where it is closed."""
    before = closed(connection)
    if set(people) & set(before):
        write_setting(connection, CLOSED, [who for who in before if who not in people])


def check_invited(connection: sa.Connection, people: Sequence[str]) -> None:
    """Raise StoreError, with the nearest name there is, for the first of these whom nobody invited."""
    known = list(connection.scalars(sa.select(annotator.c.annotator_id)))
    for who in people:
        if who not in known:
            raise StoreError(f"nobody invited annotator {who!r}{did_you_mean(who, known)}")


def uninvite(connection: sa.Connection, people: Sequence[str]) -> list[str]:
    """Take invitations back: unused ones are removed, and who has answered is closed. Returns those closed."""
    check_invited(connection, people)
    answered = [who for who in dict.fromkeys(people) if not _remove(connection, who)]
    if answered:
        write_setting(connection, CLOSED, list(dict.fromkeys([*closed(connection), *answered])))
    return answered


def _remove(connection: sa.Connection, who: str) -> bool:
    """Remove a person who has not answered, False where they have. The images that they held are free again.

    Who takes part in a study stays: there is more of theirs.
    """
    connection.execute(sa.select(annotator).where(annotator.c.annotator_id == who).with_for_update())
    answers = connection.execute(sa.select(event.c.number).where(event.c.annotator_id == who).limit(1)).first()
    if answers is not None or visits.visit_of(connection, who) is not None:
        return False
    for claim in assignments(connection, who):
        claims.give_back(connection, claim)
    connection.execute(draft.delete().where(draft.c.annotator_id == who))
    forget_withdrawals(connection, who)
    connection.execute(annotator.delete().where(annotator.c.annotator_id == who))
    return True


def add_checks(connection: sa.Connection, checks: pd.DataFrame) -> None:
    """Turn images into attention checks."""
    labels = read_task(connection).labels
    positions = _positions(connection, [str(name) for name in checks["image_id"]])
    for position, accepted, forbidden in zip(positions, checks["accepted"], checks["forbidden"], strict=True):
        check_labels([*accepted, *forbidden], labels, f"check on image {position}")
        if not len(accepted) and not len(forbidden):
            raise StoreError("a check needs accepted or forbidden labels")
        connection.execute(check.delete().where(check.c.position == position))
        connection.execute(check.insert().values(position=position, accepted=list(accepted), forbidden=list(forbidden)))
        set_apart(connection, position)


def set_apart(connection: sa.Connection, position: int) -> None:
    """Want nobody for an image, in any round."""
    here = (slot.c.round.in_(sa.select(round_.c.number)), slot.c.position == position)
    connection.execute(slot.update().where(*here).values(wanted=0))


_IMAGE = image.update().where(image.c.position == sa.bindparam("at"))


def set_priority(connection: sa.Connection, priority: Mapping[str, float]) -> None:
    """Set some images' priority."""
    positions = _positions(connection, list(priority))
    if positions:
        rows = [{"at": at, "value": float(v)} for at, v in zip(positions, priority.values(), strict=True)]
        connection.execute(_IMAGE.values(priority=sa.bindparam("value")), rows)


def enqueue(connection: sa.Connection, image_ids: Sequence[str], more: int | None, *, lower: bool = False) -> int:
    """Append images to the queue, and ask for more people where said; return how many wait for more than before.

    An image that waits for as many or more keeps them, unless `lower`.
    """
    positions = _positions(connection, image_ids)
    if not positions:
        return 0
    start = claims.following(connection, image.c.queue_rank)
    ranks = [{"at": at, "rank": rank} for rank, at in enumerate(positions, start)]
    connection.execute(_IMAGE.values(queue_rank=sa.bindparam("rank")), ranks)
    if more is None:
        return 0
    in_round, fewer = slot.c.round == MAIN, slot.c.wanted < slot.c.taken + more
    raised = set(connection.scalars(sa.select(slot.c.position).where(in_round, fewer))) & set(positions)
    asked = slot.update().where(in_round, slot.c.position == sa.bindparam("at"), sa.true() if lower else fewer)
    connection.execute(asked.values(wanted=slot.c.taken + more), [{"at": at} for at in positions])
    return len(raised)


def open_round(
    connection: sa.Connection, purpose: str, image_ids: Sequence[str] | None, of: int, overlap: int | None
) -> int:
    """Add a round over images."""
    claims.round_row(connection, of)
    number = claims.following(connection, round_.c.number)
    new_round(connection, number, purpose, of)
    wanted = overlap or read_task(connection).overlap
    if positions := _positions(connection, image_ids):
        connection.execute(slot.insert(), [{"round": number, "position": at, "wanted": wanted} for at in positions])
    return number


def second_look(connection: sa.Connection, who: str, image_id: str, of: int) -> Any:
    """This person's second look at an image: the assignment, made if it is not there."""
    task = read_task(connection)
    claims.lock_annotator(connection, who)
    position = position_of(connection, image_id)
    first = (answer.c.annotator_id == who, answer.c.round == of, answer.c.image_id == image_id)
    if connection.scalar(sa.select(answer.c.event_id).where(*first)) is None:
        raise StoreError(f"{who!r} has not answered image {image_id!r} in round {of}: a second look needs a first")
    number = claims.round_of(connection, "second", of)
    if number is None:
        raise StoreError("no round of second looks is open; open_round('second') opens one")
    mine = claims.GIVEN.where(*claims.given_to(who, number), assignment.c.position == position)
    if connection.execute(mine).one_or_none() is None:
        now = now_ms()
        connection.execute(assignment.insert().values(
            annotator_id=who, round=number, position=position, place=claims.next_place(connection, who),
            purpose="second", suggestions_visible=not claims.is_control(task, who, position),
            holds_slot=False, claimed_at=now, lease_until=now + round(task.lease_seconds * 1000),
        ))  # fmt: skip
    return connection.execute(mine).one()


def save_draft(connection: sa.Connection, who: str, image_id: str, round_number: int, content: dict[str, Any]) -> None:
    """Replace a draft."""
    claims.lock_annotator(connection, who)
    position_of(connection, image_id)
    key = (draft.c.annotator_id == who, draft.c.round == round_number, draft.c.image_id == image_id)
    connection.execute(draft.delete().where(*key))
    row = {"annotator_id": who, "round": round_number, "image_id": image_id, "content": content, "saved_at": now_ms()}
    connection.execute(draft.insert().values(row))


def withdraw(connection: sa.Connection, people: Sequence[str], *, proven: bool) -> None:
    """Mark people as gone, and free the places of all they held or answered."""
    check_invited(connection, people)
    for who in dict.fromkeys(people):
        claims.lock_annotator(connection, who)
        _mark_withdrawn(connection, who, now_ms(), proven=proven)
        for row in assignments(connection, who, assignment.c.holds_slot):
            connection.execute(claims.slot_of(row).values(taken=slot.c.taken - 1))
        held = (assignment.c.annotator_id == who, assignment.c.answered_at.is_(None))
        connection.execute(assignment.delete().where(*held))
        visits.end(connection, who, "left", now_ms())


def undoable(connection: sa.Connection) -> list[str]:
    """Who has withdrawn and may come back: for a week, and without end where a name was all that said who it was."""
    lines = connection.scalars(sa.select(setting.c.value).where(setting.c.key.startswith(WITHDRAWAL)))
    unproven = {(line["annotator_id"], line["at"]) for line in lines if not line["proven"]}
    gone = sa.select(annotator.c.annotator_id, annotator.c.withdrawn_at).where(annotator.c.withdrawn_at.is_not(None))
    rows = connection.execute(gone.order_by(annotator.c.number))
    return [who for who, at in rows if at > now_ms() - UNDO_MS or (who, at) in unproven]


def undo_withdrawal(connection: sa.Connection, people: Sequence[str]) -> None:
    """Let people's answers count again; where others have filled the places meanwhile, both do."""
    check_invited(connection, people)
    more = sa.case((slot.c.wanted <= slot.c.taken, slot.c.taken + 1), else_=slot.c.wanted)
    for who in dict.fromkeys(people):
        row = connection.execute(sa.select(annotator).where(annotator.c.annotator_id == who).with_for_update()).one()
        if row.withdrawn_at is None:
            raise StoreError(f"annotator {who!r} has not withdrawn")
        if who not in undoable(connection):
            raise StoreError(f"annotator {who!r} withdrew more than {UNDO_MS // DAY_MS} days ago: that is final")
        _mark_withdrawn(connection, who, None)
        for place in assignments(connection, who, assignment.c.holds_slot):
            connection.execute(claims.slot_of(place).values(taken=slot.c.taken + 1, wanted=more))


def _mark_withdrawn(connection: sa.Connection, who: str, at: int | None, *, proven: bool = True) -> None:
    """Note it where it counts, and in a line of its own, which stays."""
    connection.execute(annotator.update().where(annotator.c.annotator_id == who).values(withdrawn_at=at))
    line = {"annotator_id": who, "withdrawn": at is not None, "at": at or now_ms(), "proven": proven}
    connection.execute(setting.insert().values(key=f"{WITHDRAWAL}{uuid4()}", value=line))


def forget_withdrawals(connection: sa.Connection, who: str) -> None:
    """Take the lines out that say when somebody withdrew, who leaves the task altogether."""
    for key, value in connection.execute(sa.select(setting.c.key, setting.c.value)).all():
        if key.startswith(WITHDRAWAL) and value["annotator_id"] == who:
            connection.execute(setting.delete().where(setting.c.key == key))


def assignments(connection: sa.Connection, who: str, *which: sa.ColumnElement[bool]) -> Sequence[Any]:
    """What a person was given, in the order in which everybody locks it."""
    theirs = sa.select(assignment).where(assignment.c.annotator_id == who, *which)
    return connection.execute(theirs.order_by(assignment.c.round, assignment.c.position)).all()
