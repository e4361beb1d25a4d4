"""Setting a task up and steering it: images, people, checks, queue, rounds. Functions within a transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import StoreError, UnknownLabel
from affectml_annotation.judgements import UNSTORABLE, storable
from affectml_annotation.store import claims
from affectml_annotation.store.schema import (
    annotator,
    answer,
    assignment,
    check,
    draft,
    event,
    image,
    now_ms,
    round_,
    setting,
    slot,
)
from affectml_annotation.store.settings import TaskSettings

INSERTED_AT_ONCE = 2_000
PREFERENCES = "relabel"  # what the lead chose for the page; `closed` in it names those whose entry is closed
DATASET = "dataset"  # the folder of the data set that the task is about
DAY_MS = 86_400_000
UNDO_MS = 7 * DAY_MS  # for so long a withdrawal can be undone
WITHDRAWAL = "withdrawal "  # begins the keys of the lines, only ever added, that say who withdrew or was taken back
CHANGEABLE = ("overlap", "strategy", "lease_seconds", "check_rate", "repeat_rate", "repeat_gap", "control_share")


def read_settings(connection: sa.Connection) -> TaskSettings:
    """The task's settings."""
    value = connection.scalar(sa.select(setting.c.value).where(setting.c.key == "task"))
    if value is None:
        raise StoreError("this database holds no task yet; `affectml labels init DATASET --db URL` makes one")
    return TaskSettings.from_dict(value)


def has_task(connection: sa.Connection) -> bool:
    """Whether a task was set up here."""
    return connection.scalar(sa.select(setting.c.key).where(setting.c.key == "task")) is not None


def read_dataset(connection: sa.Connection) -> Path | None:
    """The folder of the data set that the task was set up for, where one was named."""
    value = connection.scalar(sa.select(setting.c.value).where(setting.c.key == DATASET))
    return None if value is None else Path(value)


def init_task(
    connection: sa.Connection,
    settings: TaskSettings,
    images: pd.DataFrame | Sequence[str],
    dataset: Path | None = None,
) -> None:
    """Store settings and images, and open the main round (and one for repeats, where there are any)."""
    table = images if isinstance(images, pd.DataFrame) else pd.DataFrame({"image_id": list(images)})
    if table.empty:
        raise StoreError("a task needs at least one image")
    twice = table["image_id"].astype(str).duplicated()
    if twice.any():
        raise StoreError(f"image {str(table['image_id'][twice].iloc[0])!r} stands in two rows")
    connection.execute(setting.insert().values(key="task", value=settings.to_dict()))
    if dataset is not None:
        connection.execute(setting.insert().values(key=DATASET, value=str(dataset.resolve())))
    new_round(connection, 1, "main", None)
    _insert_images(connection, table, 0, settings.overlap)
    new_round(connection, 2, "repeat", 1)


def add_images(connection: sa.Connection, table: pd.DataFrame) -> int:
    """Put images that the task does not have at its end, in the main round; return how many they were."""
    known = set(connection.scalars(sa.select(image.c.image_id)))
    last = connection.scalar(sa.select(sa.func.max(image.c.position)))
    new = table[~table["image_id"].astype(str).isin(known)]
    _insert_images(connection, new, 0 if last is None else int(last) + 1, read_settings(connection).overlap)
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
        connection.execute(slot.insert(), [{"round": 1, "position": row["position"], "wanted": wanted} for row in rows])


def _text(table: pd.DataFrame, name: str) -> list[str | None]:
    if name not in table.columns:
        return [None] * len(table)
    return [None if pd.isna(value) else str(value) for value in table[name]]


def new_round(connection: sa.Connection, number: int, purpose: str, of: int | None) -> None:
    """Add a row to the rounds."""
    connection.execute(round_.insert().values(number=number, purpose=purpose, of=of, opened_at=now_ms()))


def update_settings(connection: sa.Connection, changes: Mapping[str, Any], *, lower: bool = False) -> TaskSettings:
    """Change what may change; a new overlap holds for the images of the main round but checks.

    Images that more people were asked for keep them, unless `lower`. The question may change until an image was given
    to somebody.
    """
    for name in changes:
        if name == "question" and connection.scalar(sa.select(assignment.c.place).limit(1)) is None:
            continue
        if name not in CHANGEABLE:
            raise StoreError(
                f"setting {name!r} cannot change in a running task (only {', '.join(CHANGEABLE)}, and the question "
                "until the first image is given to somebody)"
            )
    before = read_settings(connection)
    fresh = replace(before, **changes)
    connection.execute(setting.update().where(setting.c.key == "task").values(value=fresh.to_dict()))
    if "overlap" in changes and (lower or fresh.overlap != before.overlap):
        follow = [slot.c.round == 1, slot.c.position.not_in(sa.select(check.c.position))]
        if not lower:
            follow.append(sa.or_(slot.c.wanted == before.overlap, slot.c.wanted < fresh.overlap))
        connection.execute(slot.update().where(*follow).values(wanted=fresh.overlap))
    return fresh


def images(connection: sa.Connection) -> pd.DataFrame:
    """All images, in their order."""
    rows = connection.execute(sa.select(image).order_by(image.c.position))
    return pd.DataFrame.from_records([tuple(row) for row in rows], columns=[c.name for c in image.c])


def position_of(connection: sa.Connection, image_id: str) -> int:
    """An image's position; StoreError for one the task does not have."""
    position = connection.scalar(sa.select(image.c.position).where(image.c.image_id == image_id))
    if position is None:
        raise StoreError(f"no image {image_id!r} in this task")
    return int(position)


def _positions(connection: sa.Connection, image_ids: Sequence[str]) -> list[int]:
    known = {row.image_id: row.position for row in connection.execute(sa.select(image.c.image_id, image.c.position))}
    for name in image_ids:
        if name not in known:
            raise StoreError(f"no image {name!r} in this task")
    return [known[name] for name in image_ids]


def invite(connection: sa.Connection, people: Sequence[str], attributes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Add annotators, each with an order of label chips of their own."""
    settings = read_settings(connection)
    known = set(connection.scalars(sa.select(annotator.c.annotator_id)))
    last = connection.scalar(sa.select(sa.func.max(annotator.c.number)))
    number = 0 if last is None else int(last) + 1
    new = []
    for who in dict.fromkeys(people):
        if not who.strip():
            raise StoreError("an annotator needs a name")
        if not storable(who):
            raise StoreError(f"annotator {who!r}: the name {UNSTORABLE}")
        if who in known:
            continue
        order = list(settings.labels)
        if settings.chip_order == "random":
            np.random.default_rng(claims.number_of(settings.seed, who, "chips")).shuffle(order)
        connection.execute(annotator.insert().values(
            annotator_id=who, number=number, invited_at=now_ms(),
            attributes=dict(attributes.get(who, {})), chip_order=order,
        ))  # fmt: skip
        number += 1
        new.append(who)
    return new


def closed(connection: sa.Connection) -> list[str]:
    """The people whose entry is closed: their answers stay and count, the page takes no more."""
    chosen = connection.scalar(sa.select(setting.c.value).where(setting.c.key == PREFERENCES))
    return list((chosen or {}).get("closed", ()))


def reopen(connection: sa.Connection, people: Sequence[str]) -> None:
    """Open the entry of these people, where it is closed."""
    before = closed(connection)
    if set(people) & set(before):
        _close(connection, [who for who in before if who not in people])


def _close(connection: sa.Connection, people: Sequence[str]) -> None:
    """Close the entry of exactly these people."""
    chosen = connection.scalar(sa.select(setting.c.value).where(setting.c.key == PREFERENCES))
    connection.execute(setting.delete().where(setting.c.key == PREFERENCES))
    connection.execute(setting.insert().values(key=PREFERENCES, value={**(chosen or {}), "closed": list(people)}))


def check_invited(connection: sa.Connection, people: Sequence[str]) -> None:
    """Raise StoreError, with the nearest name there is, for the first of these whom nobody invited."""
    known = list(connection.scalars(sa.select(annotator.c.annotator_id)))
    for who in people:
        if who not in known:
            near = get_close_matches(who, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise StoreError(f"nobody invited annotator {who!r}{hint}")


def uninvite(connection: sa.Connection, people: Sequence[str]) -> list[str]:
    """Take invitations back: unused ones are removed, and who has answered is closed. Returns those closed."""
    check_invited(connection, people)
    answered = [who for who in dict.fromkeys(people) if not _remove(connection, who)]
    if answered:
        _close(connection, list(dict.fromkeys([*closed(connection), *answered])))
    return answered


def _remove(connection: sa.Connection, who: str) -> bool:
    """Remove a person who has not answered, False where they have. The images that they held are free again."""
    connection.execute(sa.select(annotator).where(annotator.c.annotator_id == who).with_for_update())
    if connection.execute(sa.select(event.c.number).where(event.c.annotator_id == who).limit(1)).first() is not None:
        return False
    held = sa.select(assignment).where(assignment.c.annotator_id == who)
    for claim in connection.execute(held.order_by(assignment.c.round, assignment.c.position)).all():
        claims.give_back(connection, claim)
    connection.execute(draft.delete().where(draft.c.annotator_id == who))
    connection.execute(annotator.delete().where(annotator.c.annotator_id == who))
    return True


def add_checks(connection: sa.Connection, checks: pd.DataFrame) -> None:
    """Turn images into attention checks."""
    labels = read_settings(connection).labels
    positions = _positions(connection, [str(name) for name in checks["image_id"]])
    for position, accepted, forbidden in zip(positions, checks["accepted"], checks["forbidden"], strict=True):
        for label in [*accepted, *forbidden]:
            if label not in labels:
                raise UnknownLabel.named(label, labels, f"check on image {position}")
        if not len(accepted) and not len(forbidden):
            raise StoreError("a check needs accepted or forbidden labels")
        connection.execute(check.delete().where(check.c.position == position))
        connection.execute(check.insert().values(position=position, accepted=list(accepted), forbidden=list(forbidden)))
        connection.execute(slot.update().where(slot.c.position == position).values(wanted=0))


def checks(connection: sa.Connection) -> pd.DataFrame:
    """The attention checks."""
    rows = connection.execute(
        sa.select(image.c.image_id, check.c.accepted, check.c.forbidden).join(
            image, image.c.position == check.c.position
        )
    )
    return pd.DataFrame.from_records([tuple(row) for row in rows], columns=["image_id", "accepted", "forbidden"])


def set_priority(connection: sa.Connection, priority: Mapping[str, float]) -> None:
    """Set some images' priority."""
    positions = _positions(connection, list(priority))
    if positions:
        connection.execute(
            image.update().where(image.c.position == sa.bindparam("at")).values(priority=sa.bindparam("value")),
            [{"at": at, "value": float(v)} for at, v in zip(positions, priority.values(), strict=True)],
        )


def enqueue(
    connection: sa.Connection, image_ids: Sequence[str], more: int | None, round_number: int, *, lower: bool = False
) -> int:
    """Append images to the queue, and ask for more people where said; return how many wait for more than before.

    An image that waits for as many or more keeps them, unless `lower`.
    """
    positions = _positions(connection, image_ids)
    if not positions:
        return 0
    last = connection.scalar(sa.select(sa.func.max(image.c.queue_rank)))
    start = 0 if last is None else int(last) + 1
    connection.execute(
        image.update().where(image.c.position == sa.bindparam("at")).values(queue_rank=sa.bindparam("rank")),
        [{"at": at, "rank": start + n} for n, at in enumerate(positions)],
    )
    if more is None:
        return 0
    fewer = sa.select(slot.c.position).where(slot.c.round == round_number, slot.c.wanted < slot.c.taken + more)
    raised = set(connection.scalars(fewer)) & set(positions)
    keep_more = sa.true() if lower else slot.c.wanted < slot.c.taken + more
    connection.execute(
        slot.update()
        .where(slot.c.round == round_number, slot.c.position == sa.bindparam("at"), keep_more)
        .values(wanted=slot.c.taken + more),
        [{"at": at} for at in positions],
    )
    return len(raised)


def open_round(
    connection: sa.Connection, purpose: str, image_ids: Sequence[str] | None, of: int, overlap: int | None
) -> int:
    """Add a round over images."""
    claims.round_row(connection, of)
    number = int(connection.scalar(sa.select(sa.func.max(round_.c.number))) or 0) + 1
    new_round(connection, number, purpose, of)
    wanted = overlap or read_settings(connection).overlap
    positions = (
        list(connection.scalars(sa.select(image.c.position)))
        if image_ids is None
        else _positions(connection, image_ids)
    )
    if positions:
        connection.execute(slot.insert(), [{"round": number, "position": at, "wanted": wanted} for at in positions])
    return number


def second_look(connection: sa.Connection, who: str, image_id: str, of: int) -> Any:
    """This person's second look at an image: the assignment, made if it is not there."""
    settings = read_settings(connection)
    claims.lock_annotator(connection, who)
    position = position_of(connection, image_id)
    first = sa.select(answer.c.event_id).where(
        answer.c.annotator_id == who, answer.c.round == of, answer.c.image_id == image_id
    )
    if connection.scalar(first) is None:
        raise StoreError(f"{who!r} has not answered image {image_id!r} in round {of}: a second look needs a first")
    number = connection.scalar(
        sa.select(round_.c.number).where(round_.c.purpose == "second", round_.c.of == of).order_by(round_.c.number)
    )
    if number is None:
        raise StoreError("no round of second looks is open; open_round('second') opens one")
    mine = (
        sa.select(assignment, image.c.image_id, image.c.file)
        .join(image, image.c.position == assignment.c.position)
        .where(assignment.c.annotator_id == who, assignment.c.round == number, assignment.c.position == position)
    )
    if connection.execute(mine).one_or_none() is None:
        now = now_ms()
        connection.execute(assignment.insert().values(
            annotator_id=who, round=number, position=position, place=claims.next_place(connection, who),
            purpose="second", suggestions_visible=not claims.is_control(settings, who, position),
            holds_slot=False, claimed_at=now, lease_until=now + round(settings.lease_seconds * 1000),
        ))  # fmt: skip
    return connection.execute(mine).one()


def save_draft(connection: sa.Connection, who: str, image_id: str, round_number: int, content: dict[str, Any]) -> None:
    """Replace a draft."""
    claims.lock_annotator(connection, who)
    position_of(connection, image_id)
    key = [draft.c.annotator_id == who, draft.c.round == round_number, draft.c.image_id == image_id]
    connection.execute(draft.delete().where(*key))
    connection.execute(
        draft.insert().values(
            annotator_id=who, round=round_number, image_id=image_id, content=content, saved_at=now_ms()
        )
    )


def withdraw(connection: sa.Connection, who: str, *, proven: bool) -> None:
    """Mark a person as gone, and free the places of all they held or answered."""
    claims.lock_annotator(connection, who)
    _mark_withdrawn(connection, who, now_ms(), proven=proven)
    for row in _places(connection, who):
        connection.execute(_at(row).values(taken=slot.c.taken - 1))
    connection.execute(assignment.delete().where(assignment.c.annotator_id == who, assignment.c.answered_at.is_(None)))


def undoable(connection: sa.Connection) -> list[str]:
    """Who has withdrawn and may come back: for a week, and without end where a name was all that said who it was."""
    lines = connection.scalars(sa.select(setting.c.value).where(setting.c.key.startswith(WITHDRAWAL)))
    unproven = {(line["annotator_id"], line["at"]) for line in lines if not line["proven"]}
    gone = sa.select(annotator.c.annotator_id, annotator.c.withdrawn_at).where(annotator.c.withdrawn_at.is_not(None))
    rows = connection.execute(gone.order_by(annotator.c.number))
    return [who for who, at in rows if at > now_ms() - UNDO_MS or (who, at) in unproven]


def undo_withdrawal(connection: sa.Connection, who: str) -> None:
    """Let a person's answers count again; where others have filled the places meanwhile, both do."""
    row = connection.execute(sa.select(annotator).where(annotator.c.annotator_id == who).with_for_update()).one()
    if row.withdrawn_at is None:
        raise StoreError(f"annotator {who!r} has not withdrawn")
    if who not in undoable(connection):
        raise StoreError(f"annotator {who!r} withdrew more than {UNDO_MS // DAY_MS} days ago: that is final")
    _mark_withdrawn(connection, who, None)
    for place in _places(connection, who):
        full = slot.c.wanted <= slot.c.taken
        more = sa.case((full, slot.c.taken + 1), else_=slot.c.wanted)
        connection.execute(_at(place).values(taken=slot.c.taken + 1, wanted=more))


def _mark_withdrawn(connection: sa.Connection, who: str, at: int | None, *, proven: bool = True) -> None:
    """Note it where it counts, and in a line of its own, which stays."""
    connection.execute(annotator.update().where(annotator.c.annotator_id == who).values(withdrawn_at=at))
    line = {"annotator_id": who, "withdrawn": at is not None, "at": at or now_ms(), "proven": proven}
    connection.execute(setting.insert().values(key=f"{WITHDRAWAL}{uuid4()}", value=line))


def _places(connection: sa.Connection, who: str) -> Sequence[Any]:
    """The places that a person holds or has answered at, in the order in which everybody locks them."""
    held = sa.select(assignment).where(assignment.c.annotator_id == who, assignment.c.holds_slot)
    return connection.execute(held.order_by(assignment.c.round, assignment.c.position)).all()


def _at(place: Any) -> sa.Update:
    return slot.update().where(slot.c.round == place.round, slot.c.position == place.position)
