"""Backups: one SQLite file of a whole label store, whatever engine it runs on, that says what it must hold; and back.

Under the key `backup` of its table `setting` stand the rows and a digest of every table. They are the same on both
engines: a backup of a PostgreSQL database that was restored from a backup has the same ones.
"""

import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from shutil import copyfileobj, copymode
from tempfile import gettempdir
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from affectml_annotation.errors import StoreError
from affectml_annotation.exchange.files import keep, make_way, workplace
from affectml_annotation.store import LabelStore
from affectml_annotation.store.engine import Database, failure, without_password
from affectml_annotation.store.migrations import migrate, schema_faults
from affectml_annotation.store.people import Gone, erase_again
from affectml_annotation.store.place import BACKUP, KEPT, backup_note, backups_of, holds_store, kept_in, way_back
from affectml_annotation.store.schema import metadata, now_ms
from affectml_annotation.store.versions import has_task, own_version

AT_ONCE = 2_000  # rows
PATIENCE = 5  # seconds for other programs to close a database that is to be replaced
_line = json.JSONEncoder(separators=(",", ":"), default=repr).encode


@dataclass(frozen=True)
class Backup:
    """A backup, as it says itself.

    at: milliseconds since 1970. of: name of the database. counts: rows by table. digests: hex, by table, whatever the
    order of its rows. affectml: the version that wrote it. bytes: its size.
    """

    file: Path
    at: int
    of: str
    counts: dict[str, int]
    digests: dict[str, str]
    affectml: str
    bytes: int


def write_backup(store: LabelStore, out: str | Path, *, replace: bool = False) -> Backup:
    """Write a backup of one moment, while others read and write; nobody waits for it.

    out: a file, which only its owner may read. It is there once it is whole, on disk, read again and found to be right.
    replace: write over another backup there, which is kept beside it.

    Raises BadExport for a file that is there, without replace; StoreError for one that is no backup, or for a database
    that is damaged; DatabaseAway where there is no room.
    """
    out = Path(out)
    if out.is_dir() or (replace and out.exists() and backup_note(out) is None):
        raise StoreError(f"{out} is no backup, and is not written over; name another file")
    if not replace:
        make_way(out, replace=False)
    url = store.database.engine.url
    of = str(url.database or "") if store.database.dialect == "postgresql" else Path(store.database.where).name
    with workplace(out) as folder, writes(out):
        at = now_ms()
        copy = folder / "backup.db"
        copy.touch(0o600)
        with store.database.snapshot() as source:
            if store.database.dialect == "sqlite":  # its own way: page by page, in one step
                with closing(sqlite3.connect(copy)) as pages:
                    source.connection.driver_connection.backup(pages)  # type: ignore[union-attr]
            else:
                with writes(copy), closing(Database(copy)) as made:  # what fails is not the database that is read
                    migrate(made.write)
                    made.writing(_copy_rows, source)
            tally = tally_of(source)
        seal(copy, of, at, tally)
        read_backup(copy)
        make_way(out, replace=replace)  # only now: a try that fails keeps no second name of the old one
        copy.replace(out)
    return noted(out)


def read_backup(file: str | Path) -> Backup:
    """What a backup says of itself, once all that it says is found to be so: takes as long as reading all of it.

    Raises StoreError for a file that is no backup, or a damaged one, naming the table and both figures.
    """
    said = noted(Path(file))
    with reading(said.file) as connection:
        (found,) = connection.exec_driver_sql("PRAGMA integrity_check(1)").one()
        counts, digests = tally_of(connection).values()
    problems = [] if found == "ok" else [f"SQLite finds {found}"]
    for name in sorted({*counts, *said.counts}):
        if (now := counts.get(name, 0)) != (was := said.counts.get(name, 0)):
            problems.append(f"{name} has {now} rows, and had {was}")
        if said.digests and digests.get(name) != said.digests.get(name):
            problems.append(f"the digest of {name} is {digests.get(name)}, and was {said.digests.get(name)}")
    if problems:
        raise StoreError(f"{file}: a damaged backup: {'; '.join(problems)}; {way_back(file)}")
    return said


def noted(file: Path) -> Backup:
    """What a backup says of itself, believed; StoreError for a file that says nothing."""
    if not file.is_file():
        raise StoreError(f"{file}: no such file; name one that `label backup` wrote")
    if (note := backup_note(file)) is None:
        way = way_back(file) if KEPT.fullmatch(file.name) else "`affectml label backup DB OUT` makes one"
        raise StoreError(f"{file}: no backup, or a damaged one; {way}")
    try:
        said = json.loads(note)
        if "log" in said:  # of 0.3.0.dev0, whose digests were others
            said = {"digests": {}} | {key: said[key] for key in ("at", "of", "counts", "affectml")}
        return Backup(file, bytes=file.stat().st_size, **said)
    except (TypeError, ValueError, LookupError, RecursionError):
        raise StoreError(f"{file}: what the backup says of itself cannot be read; {way_back(file)}") from None


def tally_of(connection: sa.Connection, but: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """The counts and digests of a database's tables, but for some; it reads one row at a time."""
    counts, digests = {}, {}
    for table in tables(connection):
        if table.name not in but:
            count = total = 0
            for row in _rows(connection, table):
                # A number is a float here: SQLite makes one of what has too many digits.
                values = [float(value) if isinstance(value, int | float) else value for value in row]
                count += 1
                total += int.from_bytes(sha256(_line(values).encode()).digest())
            counts[table.name], digests[table.name] = count, f"{total % 2**256:064x}"
    return {"counts": counts, "digests": digests}


def _rows(connection: sa.Connection, table: sa.TableClause) -> sa.CursorResult[Any]:
    """A table's rows, without what a backup says of itself."""
    query = sa.select(table).execution_options(stream_results=True, yield_per=AT_ONCE)
    return connection.execute(query if table.name != "setting" else query.where(table.c.key != BACKUP))


def tables(connection: sa.Connection) -> Iterator[sa.TableClause]:
    """The label store's tables, as far as they are there, with the columns that are, by name."""
    there = {name: columns for (_, name), columns in sa.inspect(connection).get_multi_columns().items()}
    for table in metadata.tables.values():
        if table.name in there:
            names = sorted(column["name"] for column in there[table.name] if column["name"] in table.c)
            yield sa.table(table.name, *(sa.column(name, table.c[name].type) for name in names))


def _copy_rows(target: sa.Connection, source: sa.Connection) -> None:
    """Put all rows of a database in place of another's, of either engine."""
    for there in reversed(metadata.tables.values()):
        target.execute(there.delete())
    for table in tables(source):
        for part in _rows(source, table).mappings().partitions():
            target.execute(table.insert(), [dict(row) for row in part])


def seal(copy: Path, of: str, at: int, tally: Mapping[str, Any]) -> None:
    """Make a backup of a database's file that nobody else has open: it says what it holds, and is on the disk."""
    note = {"at": at, "of": of, **tally, "affectml": own_version()}
    with closing(sqlite3.connect(copy)) as made:
        made.execute("PRAGMA journal_mode=DELETE")  # one file, with no log beside it
        with made:
            made.execute("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", (BACKUP, json.dumps(note)))
    with copy.open("rb") as handle:
        os.fsync(handle.fileno())


@contextmanager
def reading(file: Path) -> Iterator[sa.Connection]:
    """A SQLite file as it is, of one moment; nothing is written."""
    with closing(Database(file, reads_only=True)) as database, database.snapshot() as connection:
        yield connection


@contextmanager
def writes(out: str | Path) -> Iterator[None]:
    """Around the writing of a file outside a Database: what SQLite raises, as ours."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        raise failure(error, str(out), "written") from error


@dataclass(frozen=True)
class Restored:
    """What a database holds once a backup was put in place there.

    counts: rows by table. digest: hex, of all events. erased: how many people of the backup had been erased
    since, and were again. kept: the database that was replaced; None where there was none. asked: how many databases
    and backups that were changed since were asked who was erased.
    """

    to: str
    backup: Backup
    counts: dict[str, int]
    digest: str
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
        with LabelStore(work) as store:
            if file is None and (dataset := store.dataset) is not None:
                near |= {*backups_of(dataset.with_name(f"{dataset.name}-{sa.make_url(to).database}")).glob("*.db")}
            task = (None, store.database.reading(Gone.of, str(work)).begun)
            others = [known for known in map(_gone, sorted(near)) if known.begun in task]
            gone = erase_again(store.database, [*others, *map(_gone, erased)])
        with reading(work) as source:
            tally = tally_of(source)
            if not file:
                _rows_to_server(source, to, tally)
        kept = _put_file(work, file, replace) if file else None
    where = to if file else without_password(sa.make_url(to))
    asked = sum(known.changed > said.at for known in others)  # a copy from before knows of nobody erased since
    return Restored(where, said, tally["counts"], tally["digests"]["event"], gone, kept, asked + len(erased))


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


def _gone(source: str | Path) -> Gone:
    """Who another database or backup knows as erased."""
    if "://" not in str(source) and not Path(source).is_file():
        raise StoreError(f"{source}: no such database or backup, so that nobody knows who was erased from it")
    try:
        with LabelStore(source, reads_only=True) as store:
            return store.database.reading(Gone.of, str(source))
    except StoreError as error:
        raise StoreError(f"{error}; it may know who was erased: move it away, and erase those people again") from None


def _rows_to_server(source: sa.Connection, to: str, tally: Mapping[str, Any]) -> None:
    """Copy a database into one on a server, all or nothing, and compare what is there then."""
    with closing(Database(to)) as database, database.write() as connection:
        migrate(lambda: nullcontext(connection))
        connection.exec_driver_sql("LOCK TABLE setting IN ACCESS EXCLUSIVE MODE")
        if has_task(connection):
            raise StoreError(f"{database.where} holds a task already; make a new database, as by `createdb`")
        _copy_rows(connection, source)
        for table in tables(source):
            for column in {"number", "version"} & {*table.c.keys()}:  # where it numbers its rows itself
                number = f"pg_get_serial_sequence('\"{table.name}\"', '{column}'), max(\"{column}\")"
                connection.exec_driver_sql(f'SELECT setval({number}) FROM "{table.name}"')
        if tally_of(connection) != tally:
            raise StoreError(f"{database.where}: what was written there is not what the backup holds")
