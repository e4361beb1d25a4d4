"""A task's images, rounds, checks and queue, and its file, which becomes another version when it changes.

Functions within a transaction, which `LabelStore` has as methods.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from affectml_annotation.errors import StoreError, check_labels
from affectml_annotation.store import claims, people, versions
from affectml_annotation.store.engine import where_of
from affectml_annotation.store.schema import (
    MAIN,
    assignment,
    check,
    image,
    lead_change,
    now_ms,
    round_,
    slot,
    visit,
    write_setting,
)
from affectml_annotation.store.versions import read_task
from affectml_annotation.study.file import Dictated, Task, changed_keys

DATASET = "dataset"  # the key of the folder of the data set that the task is about
STAY = ("name", "labels", "construct", "stratum", "seed", "page.chips")
BEGINS = "a study begins by `affectml study run OUT`, with the texts that people read"
OPEN = {"dataset", "target", "taxonomy", "question", "name", "labels", "construct"}  # what an empty value leaves open
ANEW = "another task needs a database of its own (--db)"
# What a study's folder says, with the texts and translations that belong to it.
OF_FOLDER = {
    "languages", "texts", "consent", "before", "instructions", "practice", "checks", "after", "debriefing",
    "debriefing_unseen", "help", "recruit",
}  # fmt: skip


def init_task(
    connection: sa.Connection,
    file: Task,
    images: pd.DataFrame | Sequence[str],
    *,
    dataset: Path | None = None,
    texts: Mapping[str, str] | None = None,
    apart: Iterable[str] = (),
) -> None:
    """Set the task up, once: its file and its images (columns image_id, and file and stratum if any).

    dataset: the folder of the data set that it is about, which `dataset` gives back. texts, apart: of a study, as
    `Study` has them. Raises StoreError where there is a task, or the file has no labels or no question.
    """
    if versions.has_task(connection):
        where = where_of(connection.engine.url)
        raise StoreError(f"{where} holds a task already; another task needs another database: --db OTHER.db")
    if file.is_study and texts is None:
        raise StoreError(f"recruit.panel: {BEGINS}")
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
    versions.add_version(connection, file, versions.keep_texts(connection, texts or {}))
    if dataset is not None:
        write_setting(connection, DATASET, str(dataset.resolve()))
    _new_round(connection, 1, "main", None)
    _insert_images(connection, table, 0, file.overlap)
    _new_round(connection, 2, "repeat", 1)
    _set_apart(connection, file, apart)


def add_images(connection: sa.Connection, images: pd.DataFrame) -> int:
    """Add images to the task's main round; those it has stay as they are. Returns how many were new.

    images: columns image_id, and file and stratum if any.
    """
    known = set(connection.scalars(sa.select(image.c.image_id)))
    new = images[~images["image_id"].astype(str).isin(known)]
    start = claims.following(connection, image.c.position)
    _insert_images(connection, new, start, read_task(connection).overlap)
    return len(new)


def _insert_images(connection: sa.Connection, table: pd.DataFrame, start: int, wanted: int) -> None:
    cells = (table.get(name, [None] * len(table)) for name in ("image_id", "file", "stratum"))
    texts = [[None if pd.isna(cell) else str(cell) for cell in column] for column in cells]
    rows = [
        {"position": position, "image_id": name, "file": file, "stratum": stratum}
        for position, (name, file, stratum) in enumerate(zip(*texts, strict=True), start)
    ]
    if rows:
        connection.execute(image.insert(), rows)
        slots = [{"round": MAIN, "position": row["position"], "wanted": wanted} for row in rows]
        connection.execute(slot.insert(), slots)


def _new_round(connection: sa.Connection, number: int, purpose: str, of: int | None) -> None:
    connection.execute(round_.insert().values(number=number, purpose=purpose, of=of, opened_at=now_ms()))


def position_of(connection: sa.Connection, image_id: str) -> int:
    """An image's position; StoreError for one the task does not have."""
    position = connection.scalar(sa.select(image.c.position).where(image.c.image_id == image_id))
    if position is None:
        raise StoreError(f"no image {image_id!r} in this task")
    return int(position)


def _positions(connection: sa.Connection, image_ids: Iterable[str] | None) -> list[int]:
    """The positions of these images, or of all; StoreError for one the task does not have."""
    known = {row.image_id: row.position for row in connection.execute(sa.select(image.c.image_id, image.c.position))}
    names = list(known if image_ids is None else image_ids)
    for name in names:
        if name not in known:
            raise StoreError(f"no image {name!r} in this task")
    return [known[name] for name in names]


def add_checks(connection: sa.Connection, checks: pd.DataFrame) -> None:
    """Make images attention checks (columns image_id, accepted, forbidden: lists of labels).

    A check has no right answer: it fails if a forbidden label is in the answer, or if there are accepted
    labels and none of them is. Checks are shown at the task's rate of checks, to everybody, outside the overlap.
    """
    labels = read_task(connection).labels
    positions = _positions(connection, map(str, checks["image_id"]))
    for position, accepted, forbidden in zip(positions, checks["accepted"], checks["forbidden"], strict=True):
        check_labels([*accepted, *forbidden], labels, f"check on image {position}")
        if not len(accepted) and not len(forbidden):
            raise StoreError("a check needs accepted or forbidden labels")
        connection.execute(check.delete().where(check.c.position == position))
        connection.execute(check.insert().values(position=position, accepted=list(accepted), forbidden=list(forbidden)))
        _want_nobody(connection, position)


def _want_nobody(connection: sa.Connection, position: int) -> None:
    """Want nobody for an image, in any round."""
    here = (slot.c.round.in_(sa.select(round_.c.number)), slot.c.position == position)
    connection.execute(slot.update().where(*here).values(wanted=0))


def enqueue(
    connection: sa.Connection, image_ids: Sequence[str], *, more: int | None = None, lower: bool = False
) -> int:
    """Put images at the end of the queue, which is served before anything else.

    more: at least so many more people are to answer each, beyond those who have it now; an image that still waits
    for as many keeps what it waits for, unless `lower`. None leaves the overlap as it is, so that complete images stay
    out. Returns how many images wait for more people than before.
    """
    positions = _positions(connection, image_ids)
    if not positions:
        return 0
    start = claims.following(connection, image.c.queue_rank)
    ranks = [{"at": at, "rank": rank} for rank, at in enumerate(positions, start)]
    one = image.update().where(image.c.position == sa.bindparam("at"))
    connection.execute(one.values(queue_rank=sa.bindparam("rank")), ranks)
    if more is None:
        return 0
    in_round, fewer = slot.c.round == MAIN, slot.c.wanted < slot.c.taken + more
    raised = set(connection.scalars(sa.select(slot.c.position).where(in_round, fewer))) & set(positions)
    asked = slot.update().where(in_round, slot.c.position == sa.bindparam("at"), sa.true() if lower else fewer)
    connection.execute(asked.values(wanted=slot.c.taken + more), [{"at": at} for at in positions])
    return len(raised)


def open_round(connection: sa.Connection, image_ids: Sequence[str] | None = None) -> int:
    """Open a round in which people see images again after they talked (all, unless given); return its number.

    Only who answered an image in the main round sees it again.
    """
    number = claims.following(connection, round_.c.number)
    _new_round(connection, number, "discussion", MAIN)
    usual = read_task(connection).overlap
    people = sa.select(slot.c.position, slot.c.wanted).where(slot.c.round == MAIN)  # of an image that was queued, more
    before = dict(map(tuple, connection.execute(people)))
    if positions := _positions(connection, image_ids):
        rows = [{"round": number, "position": at, "wanted": max(usual, before[at])} for at in positions]
        connection.execute(slot.insert(), rows)
    return number


# The file


def steer(
    connection: sa.Connection,
    *,
    invite: Sequence[str] = (),
    file: Task | None = None,
    changes: Mapping[str, Any] | None = None,
    queue: Sequence[str] = (),
    more: int | None = None,
    lower: bool = False,
    since: int | None = None,
    by: str | None = None,
) -> int:
    """Invite people, change the task and queue images, all or nothing; return what `enqueue` does.

    invite, file, changes, queue and more: as of `invite`, `set_task`, `change_task` and `enqueue`, and so are the
    errors; changes are made to the file.
    lower: let what is wanted fall too: for all images to a new overlap, for those queued to `more`. since: as of
    `set_task`. by: who changes the task.
    """
    people.invite(connection, invite)
    if file is not None or changes:
        versions.lock(connection)
        now = read_task(connection)
        then = now if file is None else filled(file, now)
        set_task(connection, then.but(**(changes or {})), lower=lower, since=since, by=by)
    return enqueue(connection, queue, more=more, lower=lower)


def change_task(connection: sa.Connection, /, *, by: str | None = None, **changes: Any) -> Task:
    """Change keys of the task's file, and return it: `change_task(overlap=5, page={"blur": True})`.

    That is a new version, where anything differs. A new overlap holds for the images that had the old one, or less;
    the others keep the people they were to have. Raises StoreError, naming the key, for what cannot change any
    more: labels, construct, taxonomy and seed, and the question once an image was given to somebody; BadTask for a
    value that cannot be.
    """
    steer(connection, changes=changes, by=by)
    return read_task(connection)


def filled(file: Task, before: Task) -> Task:
    """A file as somebody wrote it, for the task that is there: what it leaves out, or open, is as it was.

    What a study's folder alone says is not taken from before: its texts would not fit.
    """
    own = file.model_dump(by_alias=True, exclude_unset=True)
    for key in [key for key in OPEN & own.keys() if not own[key]]:
        del own[key]
    if file.is_study:
        own |= file.model_dump(by_alias=True, include=OF_FOLDER)
    return before.but(**own)


def set_task(
    connection: sa.Connection, file: Task, texts: Mapping[str, str] | None = None, *, apart: Iterable[str] = (),
    lower: bool = False, since: int | None = None, by: str | None = None,
) -> int:  # fmt: skip
    """Make this file the task, where it differs; return the number of the version that is the task now.

    since: the version that it was made of; StoreError where somebody made another one meanwhile. texts: of a study;
    without them they stay. apart: images that are nobody's to label. A new overlap holds for the images of the main
    round but checks; those that more people were asked for keep them, unless `lower`. by: who. Of a study, another
    version of the software makes another version, too. Raises StoreError, naming the key, for what cannot change.
    """
    versions.lock(connection)
    last = versions.newest(connection)
    if since is not None and last.number != since:
        raise StoreError(f"somebody made version {last.number} of the task meanwhile; open it, and change it again")
    file = filled(file, last.file)
    keys = changed_keys(last.file, file)
    refuse_change(connection, last.file, file, keys, begins=texts is not None)
    check_labels(file.words, file.labels, "words")
    digests = dict(last.texts) if texts is None else versions.keep_texts(connection, texts)
    if "overlap" in keys or lower:
        _ask_more(connection, last.file.overlap, file.overlap, lower=lower)
    if not keys and digests == last.texts and (texts is None or last.affectml == versions.own_version()):
        return last.number
    number = versions.add_version(connection, file, digests)
    _set_apart(connection, file, apart, before=last.file.checks.images)
    if by is not None:
        note_change(connection, by, {"version": number, "changed": ", ".join(keys) or "texts"})
    return number


def note_change(connection: sa.Connection, by: str, what: Mapping[str, object]) -> None:
    """Keep who changed what of the task, and when."""
    connection.execute(lead_change.insert().values(by=by, what=dict(what), at=now_ms()))


def refuse_change(
    connection: sa.Connection, before: Task, after: Task, keys: Sequence[str], *, begins: bool = False
) -> None:
    """Raise StoreError, naming the key, for the first that cannot change. begins: whether it may become a study."""
    for key in STAY:
        if key in keys:
            raise StoreError(f"{key}: cannot change in a task that is set up; leave it out of the file; {ANEW}")
    if "question" in keys and question_stays(connection):
        raise StoreError(
            f"question: cannot change any more, since an image was given to somebody; it is {before.question!r}; {ANEW}"
        )
    if after.is_study and not before.is_study and not begins:
        raise StoreError(f"recruit.panel: {BEGINS}")
    if before.is_study and not begins and (own := [key for key in keys if key.split(".")[0] in OF_FOLDER]):
        raise StoreError(
            f"{own[0]}: belongs to the texts of the study; change it in the study's folder, and start "
            "`affectml study run OUT` again"
        )
    if before.is_study and not after.is_study:
        raise StoreError(f"recruit.panel: cannot be empty in a study; {ANEW}")
    if (
        "pay.currency" in keys
        and before.is_study
        and connection.scalar(sa.select(visit.c.version).limit(1)) is not None
    ):
        raise StoreError(
            f"pay.currency: people came for {before.pay.currency}, and a panel's list of amounts has one currency; "
            "leave it, or begin anew with a database of its own (--db)"
        )


def question_stays(connection: sa.Connection) -> bool:
    """Whether an image was given to somebody, so that the question cannot change."""
    return connection.scalar(sa.select(assignment.c.place).limit(1)) is not None


def _ask_more(connection: sa.Connection, before: int, now: int, *, lower: bool) -> None:
    apart = sa.or_(slot.c.wanted == 0, slot.c.position.in_(sa.select(check.c.position)))  # of a study, too
    follow = [slot.c.round == 1, ~apart]
    if not lower:
        follow.append(sa.or_(slot.c.wanted == before, slot.c.wanted < now))
    in_order = sa.select(slot.c.position).where(slot.c.round == 1).order_by(slot.c.position)
    connection.execute(in_order.with_for_update()).all()  # as everybody does, or two might wait for each other
    connection.execute(slot.update().where(*follow).values(wanted=now))


def _set_apart(connection: sa.Connection, now: Task, apart: Iterable[str], *, before: Sequence[Dictated] = ()) -> None:
    """Checks are shown to everybody, and those of `before` that are none to nobody; the others here are nobody's."""
    checks = now.checks.images
    for name in {one.image for one in before} - {one.image for one in checks}:
        connection.execute(check.delete().where(check.c.position == position_of(connection, name)))
    if checks:
        others = [[label for label in now.labels if label not in one.labels] for one in checks]
        table = {"image_id": [one.image for one in checks], "accepted": [[*one.labels] for one in checks]}
        add_checks(connection, pd.DataFrame(table | {"forbidden": others}))
    for one in now.practice.images:
        check_labels(one.labels, now.labels, f"practice on image {one.image}")
    for name in {*(one.image for one in now.practice.images), *apart}:
        _want_nobody(connection, position_of(connection, name))
