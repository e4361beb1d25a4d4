"""Putting a backup in place, on either engine, without those who were erased since it was made."""

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj, copymode
from tempfile import gettempdir
from typing import Any

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.exchange.files import keep, workplace
from affectml_annotation.store import erasing
from affectml_annotation.store.backup import RESTORED, Backup, Tally, read_backup, reading, tables, writes
from affectml_annotation.store.engine import Database, failure, without_password
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.migrations import migrate, schema_faults
from affectml_annotation.store.place import BACKUP, backups_of, holds_store, kept_in, way_back
from affectml_annotation.store.schema import metadata, now_ms
from affectml_annotation.store.settings import write_setting
from affectml_annotation.store.versions import has_task

PATIENCE = 5  # seconds for other programs to close a database that is to be replaced


@dataclass(frozen=True)
class Restored:
    """What a database holds once a backup was put in place there.

    counts: rows by table. log: hex, the digest of all events. erased: how many people of the backup had been erased
    since, and were again. kept: the database that was replaced; None where there was none. asked: how many databases
    and backups that were changed since were asked who was erased.
    """

    to: str
    backup: Backup
    counts: dict[str, int]
    log: str
    erased: int
    kept: Path | None
    asked: int


def restore(
    backup: str | Path, to: str | Path, *, erased: Sequence[str | Path] = (), replace: bool = False
) -> Restored:
    """Make a database of a backup, of either engine, with the newest schema. Killed, it leaves what was there.

    Whoever was erased since the backup was made is erased in it too, before it is in place: as the database that is
    replaced says, the one that it is of, where that lies in the backup's folder or the one above, the backups that are
    kept of either, and those in `erased`. What lies there of another task, which began at another moment, is passed
    over.

    to: a SQLite file, or the URL of a PostgreSQL database without a task. erased: further databases and backups of the
    task. replace: put it in place of a file, which nobody may have open, and which is kept beside it.

    Raises StoreError for a damaged backup, for a place that is taken, and for erasures that cannot be read.
    """
    to = str(to).removeprefix("sqlite:///")
    file = None if "://" in to else Path(os.path.realpath(to) if Path(to).is_symlink() else to)
    if file is not None:
        _check_place(file, replace)
    said, lies = read_backup(backup), Path(backup).resolve()
    tasks = [*([file.absolute()] if file else []), *(folder / Path(said.of).name for folder in lies.parents[:2])]
    near_by = (path for task in tasks for path in (task, *backups_of(task).glob("*.db")))
    near = {path for path in (*near_by, *kept_in(lies.parent)) if path.is_file()} - {lies}
    near_backup = os.access(Path(backup).parent, os.W_OK)  # where the next backup or erasure takes away what was left
    beside = file or (Path(backup) if near_backup else Path(gettempdir(), "affectml-restored"))
    with workplace(beside) as folder, writes(to):
        work = folder / "restored.db"
        work.touch(0o600)
        with Path(backup).open("rb") as there, work.open("wb") as here:
            copyfileobj(there, here)  # copyfile would say of a full disk that the backup's is
        with reading(work) as source:  # a trigger in it would act on what follows
            strange = "; ".join(" ".join(row.values()) for row in schema_faults(source))
        if strange:
            raise StoreError(f"{backup}: columns, indexes or triggers are not those of a label database ({strange}); "
                             f"{way_back(backup)}")  # fmt: skip
        with closing(sqlite3.connect(work)) as copy, copy:
            copy.execute("DELETE FROM setting WHERE key = ?", (BACKUP,))
        note = {"at": now_ms(), "backup": said.at, "log": said.log}
        with LabelStore(work) as store:
            if file is None and (dataset := store.dataset) is not None:
                near |= {*backups_of(dataset.with_name(f"{dataset.name}-{sa.make_url(to).database}")).glob("*.db")}
            task = (None, store.database.reading(erasing.Gone.of, str(work)).begun)
            others = [known for known in map(_gone, sorted(near)) if known.begun in task]
            gone = erasing.erase_again(store.database, [*others, *map(_gone, erased)])
            store.database.writing(write_setting, RESTORED, note)
        with reading(work) as source:
            tally = Tally.of(source) if file else _copy_rows(source, to, note)
        kept = _put_file(work, file, replace) if file else None
    where = to if file else without_password(sa.make_url(to))
    asked = sum(known.changed > said.at for known in others)  # a copy from before knows of nobody erased since
    return Restored(where, said, tally.counts, tally.log, gone, kept, asked + len(erased))


def _check_place(file: Path, replace: bool) -> None:
    """Raise StoreError where no file can be put, or not without `replace`."""
    log = Path(f"{file}-wal")
    if file.exists():
        if not file.is_file() or not holds_store(file):
            raise StoreError(f"{file} is no label database, and is not replaced; name another file")
        if not replace:
            raise StoreError(f"{file} exists already; --replace (replace=True) keeps it beside the restored one")
        _alone(file).close()
    elif log.exists() and log.stat().st_size:
        raise StoreError(f"{log} holds answers of a database that is not here any more; move it to where that is")


def _alone(file: Path) -> sqlite3.Connection:
    """A connection to a database that has taken in its log, and that nobody else may read or write meanwhile."""
    connection = sqlite3.connect(file, timeout=PATIENCE, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(
            f"{file} cannot be replaced ({error}): end the programs that have it open; a damaged one, move away, and "
            f"{file}-wal with it"
        ) from None
    return connection


def _put_file(work: Path, file: Path, replace: bool) -> Path | None:
    """Put a database in the place of another, which is whole in one file then."""
    with closing(_alone(work)), work.open("rb") as handle:  # one file, without a log
        os.fsync(handle.fileno())
    _check_place(file, replace)
    if not file.exists():
        work.replace(file)
        return None
    with closing(_alone(file)):
        copymode(file, work)
        kept = keep(file)
        work.replace(file)
    return kept


def _gone(source: str | Path) -> erasing.Gone:
    """Who another database or backup knows as erased."""
    if "://" not in str(source) and not Path(source).is_file():
        raise StoreError(f"{source}: no such database or backup, so that nobody knows who was erased from it")
    try:
        with closing(Database(source, reads_only=True)) as database:
            return database.reading(erasing.Gone.of, str(source))
    except StoreError as error:
        raise StoreError(f"{error}; it may know who was erased: move it away, and erase those people again") from None


def _copy_rows(source: sa.Connection, to: str, note: Mapping[str, Any]) -> Tally:
    """Copy a database into one on a server, all or nothing, and compare what is there then."""
    tally = Tally()
    with closing(Database(to)) as database:
        driver: Any = database.engine.dialect.dbapi
        try:
            with database.write() as connection:
                migrate(lambda: nullcontext(connection))
                connection.exec_driver_sql("LOCK TABLE setting IN ACCESS EXCLUSIVE MODE")
                if has_task(connection):
                    raise StoreError(f"{database.where} holds a task already; make a new database, as by `createdb`")
                for table in reversed(metadata.tables.values()):
                    connection.execute(table.delete())
                cursor = connection.connection.driver_connection.cursor()  # type: ignore[union-attr]
                for name, columns in tables(source).items():
                    into = ", ".join(f'"{column}"' for column in columns)
                    with cursor.copy(f'COPY "{name}" ({into}) FROM STDIN') as copy:
                        for row in tally.through(source, name, columns):
                            copy.write_row(row)
                    for column in columns.keys() & {"number", "version"}:  # where it numbers its rows itself
                        number = f"pg_get_serial_sequence('\"{name}\"', '{column}'), max(\"{column}\")"
                        connection.exec_driver_sql(f'SELECT setval({number}) FROM "{name}"')
                write_setting(connection, RESTORED, note)
                if vars(Tally.of(connection)) != vars(tally):
                    raise StoreError(f"{database.where}: what was written there is not what the backup holds")
        except driver.Error as error:
            raise failure(error, database.where, "written") from error
    return tally
