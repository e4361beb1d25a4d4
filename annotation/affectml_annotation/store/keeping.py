"""Backups on a task's schedule: where they lie, when one is due, which of them stay, and how people leave them.

They lie beside the database: of `FILE.db` in `FILE-backups`, of a database NAME on a server in `DATASET-NAME-backups`
beside the data set's folder. The page's server asks once a minute whether one is due.
"""

import shutil
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from affectml_annotation.errors import AnnotationError, DatabaseFailed, StoreError
from affectml_annotation.exchange.files import take_left, turn, workplace
from affectml_annotation.store import LabelStore
from affectml_annotation.store.backup import Backup, noted, read_backup, reading, seal, tally_of, write_backup
from affectml_annotation.store.engine import Database
from affectml_annotation.store.migrations import migrate
from affectml_annotation.store.people import Gone, erase_again
from affectml_annotation.store.place import BACKUP, backups_of, kept_in, shown
from affectml_annotation.store.schema import event, now_ms, owed, read_setting, setting, write_setting

NAME = "%Y-%m-%dT%H%M%SZ.db"  # as `place.KEPT` has it
LOCK = ".lock"
FAILED = "backup failed"  # the key of what the last try said, and when, until one ends well
LARGE = ("image", "slot", "assignment", "event", "answer")  # tables that are not gone through once a minute
HOUR_MS = 3_600_000  # after a try that failed, the next one is due then


def folder(store: LabelStore) -> Path | None:
    """Where a task's backups lie, whether there are any or not; None for a backup and what lies beside nothing."""
    if _is_backup(store):
        return None
    url = store.database.engine.url
    if store.database.dialect == "sqlite":
        file = Path(store.database.where).resolve()
        return backups_of(file) if file.is_file() else None
    dataset = store.dataset
    return None if dataset is None else backups_of(dataset.with_name(f"{dataset.name}-{url.database}"))


def kept(store: LabelStore) -> list[Path]:
    """The backups that are kept of a task, oldest first."""
    place = folder(store)
    return [] if place is None else kept_in(place)


def due(store: LabelStore, now: int) -> bool:
    """Whether it is time for a backup, at `now` (ms): something changed since the one before, which is old enough.

    That is `backups.hours` old. The first is due so long after the first answer. Raises StoreError where there is no
    task.
    """
    hours = store.task.backups.hours
    if not hours or folder(store) is None:
        return False
    with store.database.read() as connection:
        failed = read_setting(connection, FAILED)
        first = connection.scalar(sa.select(sa.func.min(event.c.received_at)))
    before = [path for path in kept(store) if _made_at(path) <= now]  # a clock that was wrong stops nothing
    since = _made_at(before[-1]) if before else first
    if failed and 0 <= now - failed["at"] < HOUR_MS:
        return False
    if since is None or now - since < hours * HOUR_MS:
        return False
    return not before or _changed(store, before[-1])


def _changed(store: LabelStore, file: Path) -> bool:
    """Whether anything but claims was written since a backup: by the time of the last answer, and by small tables."""
    try:
        last = noted(file)
    except StoreError:  # one that cannot be read is followed by another
        return True
    with store.database.snapshot() as connection:
        if (connection.scalar(sa.select(sa.func.max(event.c.received_at))) or 0) >= last.at:
            return True
        digests = tally_of(connection, but=LARGE)["digests"]
    return any(digest != last.digests.get(table) for table, digest in digests.items())


def keep_backup(store: LabelStore, *, if_due: bool = False) -> Backup | None:
    """Make a backup of a task now, in its folder, and remove those that need not stay; None if none is due.

    Two at once go one after the other. Raises StoreError where the database lies beside nothing, for a disk with
    less room than twice the database, and as `write_backup`; what it says is kept for the lead until one ends well.
    """
    place = folder(store)
    if place is None:
        raise StoreError(f"{store.database.where} lies beside no file and no data set: name the backup's own file")
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with turn(place / LOCK):
            if if_due and not due(store, now_ms()):
                return None
            take_left(place)
            _check_room(store, place)
            if store.database.reading(read_setting, FAILED):
                with store.database.write() as connection:
                    connection.execute(setting.delete().where(setting.c.key == FAILED))
            made = write_backup(store, _free_name(place))
            schedule = store.task.backups
            for old in beyond(kept(store), made.file, schedule.keep, schedule.days):
                old.unlink()
            return made
    except (AnnotationError, OSError) as error:
        public = not isinstance(error, DatabaseFailed)  # which names the database's place and user
        with suppress(AnnotationError):  # which would hide the first
            note_failure(store, str(error) if public else "the database failed; the server's own output says how")
        raise


def beyond(there: Sequence[Path], made: Path, newest: int, days: int) -> list[Path]:
    """The backups that need not stay: beyond the newest, and of older ones the newest of each of the last days.

    made: the one that was made last. What is dated after it was made before it, by a clock that was wrong, and counts
    as older than all that is dated before. Days are those of which there are backups, by their names.
    """
    order = sorted(sorted(there, reverse=True), key=lambda path: path.name > made.name)
    of_days: dict[str, Path] = {}
    for path in order[newest:]:
        of_days.setdefault(path.name[:10], path)
    stay = [*order[:newest], *[*of_days.values()][:days]]
    return [path for path in order if path not in stay]


def note_failure(store: LabelStore, why: str) -> None:
    """Keep why no backup could be made, for the lead."""
    store.database.writing(write_setting, FAILED, {"at": now_ms(), "why": why})


def _made_at(path: Path) -> int:
    return round(datetime.strptime(path.name, NAME).replace(tzinfo=UTC).timestamp() * 1000)


def _free_name(place: Path) -> Path:
    second = now_ms() // 1000
    while (out := place / datetime.fromtimestamp(second, UTC).strftime(NAME)).exists():
        second += 1
    return out


def _check_room(store: LabelStore, place: Path) -> None:
    if store.database.dialect == "sqlite":
        file = store.database.where
        size = sum(path.stat().st_size for path in (Path(file), Path(f"{file}-wal")) if path.is_file())
    else:
        size = int(store.database.scalar(sa.select(sa.func.pg_database_size(sa.func.current_database()))))
    if (free := shutil.disk_usage(place).free) < 2 * size:
        raise StoreError(
            f"{shown(place)}: too little room for a backup: {free / 1e6:,.1f} MB are free, and twice the database are "
            f"{2 * size / 1e6:,.1f} MB; make room, or keep fewer (backups: keep, days)"
        )


def clean_backups(store: LabelStore) -> None:
    """Take out of the backups that are kept who was erased from the task since, and ids at a panel that were forgotten.

    What is owed to people who were erased is in such a backup as it is now. Called again after it was killed, it goes
    on. Raises StoreError, once it was through all of them, that names each it could not change.
    """
    place = folder(store)
    if place is None:
        return
    take_left(place.parent)  # a backup into another file, or a restore, that was killed
    if not place.is_dir():
        return
    failed: dict[Path, str] = {}
    with turn(place / LOCK):  # in turn: a backup that began before ends before
        take_left(place)
        gone = store.database.reading(Gone.of, store.database.where)
        for file in kept(store):
            try:
                _clean(file, gone)
            except (AnnotationError, OSError) as error:
                failed[file] = str(error)
    if failed:
        raise StoreError(
            f"what was erased may still be in {', '.join(map(shown, failed))}, and is nowhere else: delete or mend "
            f"that, and give the same command again ({'; '.join(failed.values())})"
        )


def _clean(file: Path, gone: Gone) -> None:
    with reading(file) as then:
        paid = {*then.scalars(sa.select(owed.c.person))} - {row["person"] for row in gone.owed}
        if not paid and next(gone.among(then), None) is None:
            return
    with workplace(file) as work:
        said, copy = read_backup(file), work / file.name
        shutil.copy(file, copy)
        with closing(Database(copy)) as task:
            migrate(task.write)
            erase_again(task, [gone], paid=paid)
        with reading(copy) as connection:
            tally = tally_of(connection)
        seal(copy, said.of, said.at, tally)
        copy.replace(file)


def _is_backup(store: LabelStore) -> bool:
    return store.database.reading(read_setting, BACKUP) is not None


def _shown_at(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def about(store: LabelStore) -> dict[str, Any]:
    """What there is of a task's backups: folder, kept, last (UTC), failed (what the last try said); plain values."""
    place, there = folder(store), kept(store)
    failed = store.database.reading(read_setting, FAILED)
    last = _shown_at(_made_at(there[-1])) if there else None
    return {"folder": place and shown(place), "kept": len(there), "last": last, "failed": failed and failed["why"]}


def said(store: LabelStore) -> str:
    """The same in a sentence; of a backup, what it is."""
    if _is_backup(store):
        note = noted(Path(store.database.where))
        return f"this is a backup of {note.of}, made {_shown_at(note.at)}"
    now, hours = about(store), store.task.backups.hours
    if now["last"]:
        text = f"last backup: {now['last']}, {now['kept']} kept in {now['folder']}"
    elif now["folder"] is None or not hours:
        text = "no backup is made; see docs/studies.md"
    else:
        every = "hour" if hours == 1 else f"{hours:g} hours"
        text = f"no backup yet; the page makes one every {every} in {now['folder']}"
    return f"{text}; the last try failed: {now['failed']}" if now["failed"] else text
