"""The database connection: SQLite made safe for several writers, PostgreSQL by URL."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InternalError, OperationalError, ProgrammingError
from sqlalchemy.pool import StaticPool

from affectml_annotation.errors import AnnotationError, DatabaseAway, DatabaseFailed, MissingExtra, StoreError
from affectml_annotation.store.place import connect_to_read, way_back

P = ParamSpec("P")
T = TypeVar("T")
BUSY_SECONDS = 60
BROKEN_OFF = ("40P01", "40001")  # transactions of which several waited for each other
PAUSES = (0.01, 0.02, 0.04, 0.08)  # seconds before such a one is tried again
# What passes by itself, or once somebody has made room. SQLite's primary codes; PostgreSQL's classes of SQLSTATE:
# connection, transaction rolled back, out of resources, locked by others, stopping or starting, disk; on a standby.
PASSING = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}  # fmt: skip
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
PASSING_STATES = ("08", "40", "53", "55", "57", "58", "25006")
ASKED_FOR = (DataError, IntegrityError, InternalError, ProgrammingError)  # no fault of the database


def make_engine(url: str | Path, patience: float = BUSY_SECONDS, *, reads_only: bool = False) -> sa.Engine:
    """An engine for a path, `sqlite:///FILE`, `sqlite://` (in memory), or `postgresql://USER@HOST/NAME`.

    patience: seconds to wait for other writers of a file, or for a server to let us in. reads_only: of a path, make and
    change nothing.
    """
    text = str(url)
    if "://" not in text:
        path = Path(text)
        if path.is_dir():
            raise StoreError(f"{text} is a folder; name a database file, such as {path / 'labels.db'}")
        if not reads_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        place = sa.URL.create("sqlite", database=text)  # not as one text, in which `?` would end the path
        return _sqlite(place, patience, reads_only)
    try:
        parsed = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise StoreError(f"{text!r} is no database URL; give a file's path or postgresql://USER@HOST/NAME") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed, patience, False)
    if backend != "postgresql":
        raise StoreError(f"{backend} is not supported; use SQLite (a file's path) or PostgreSQL")
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    # A server's machine that is gone answers nothing, and the system alone would wait for it for minutes.
    soon = {"connect_timeout": max(2, round(patience)), "tcp_user_timeout": max(2000, round(patience * 1000))}
    ours = {name: value for name, value in soon.items() if name not in parsed.query}
    options = {"pool_pre_ping": True, "pool_timeout": patience, "connect_args": ours}
    try:
        return sa.create_engine(parsed, **options)
    except ModuleNotFoundError:
        raise MissingExtra("PostgreSQL needs psycopg: pip install 'affectml-annotation[postgres]'") from None


def _sqlite(url: sa.URL, patience: float, reads_only: bool) -> sa.Engine:
    arguments: dict[str, Any] = {"connect_args": {"timeout": patience, "check_same_thread": False}}
    if reads_only:
        arguments = {"creator": partial(connect_to_read, str(url.database), patience)}
    elif url.database in (None, "", ":memory:"):
        arguments["poolclass"] = StaticPool
    engine = sa.create_engine(url, **arguments)

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        if reads_only:
            return
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA synchronous=FULL")  # an acknowledged answer survives a power cut
        if connection.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
            connection.execute("PRAGMA journal_mode=WAL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A writer that reads first and writes later would find, only then, that somebody was quicker.
        writes = connection.get_execution_options().get("affectml_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def without_password(url: sa.URL) -> str:
    """A URL as it may be printed: a password may stand in its query, too."""
    place = {name: value for name, value in url.query.items() if name in ("host", "port")}
    return url.set(query=place).render_as_string(hide_password=True)


def where_of(url: sa.URL) -> str:
    """A database as people know it: a file's path, or a URL without its password."""
    return str(url.database or "memory") if url.get_backend_name() == "sqlite" else without_password(url)


def failure(error: Exception, where: str, done: str) -> DatabaseFailed:
    """What a driver raised while something was to be `done` ("read"), as ours: DatabaseAway if it passes."""
    cause = getattr(error, "orig", error)
    message = f"{where}: the database cannot be {done} ({' '.join(str(cause).split())})"
    state = getattr(cause, "sqlstate", None)
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in DAMAGED or isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in message:
        message += f"; it is damaged: {way_back(where)}"
    if isinstance(cause, sqlite3.Error):
        passes = code in PASSING
    elif isinstance(error, DBAPIError) and state is None:  # no server said anything
        passes = error.connection_invalidated or isinstance(error, OperationalError)
    else:
        passes = isinstance(error, OSError | sa.exc.TimeoutError) or str(state).startswith(PASSING_STATES)
    return DatabaseAway(message) if passes else DatabaseFailed(message)


def table_of(connection: sa.Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """All that a query finds, one column for each that it selects."""
    found = connection.execute(query)
    return pd.DataFrame.from_records([tuple(row) for row in found], columns=list(found.keys()))


class Database:
    """Transactions that read and transactions that write; see `make_engine`.

    What a database does not do for want of a connection, a lock, room or its own soundness raises DatabaseFailed.
    """

    def __init__(self, url: str | Path, *, reads_only: bool = False) -> None:
        self._url, self._patience = url, float(BUSY_SECONDS)
        self._turn = threading.Lock()  # keeps the threads of a process in line
        self.engine = make_engine(url, reads_only=reads_only)
        self.dialect, self.where = self.engine.dialect.name, where_of(self.engine.url)

    def wait_at_most(self, seconds: float) -> None:
        """Raise DatabaseAway after so many seconds (or twice as many), for people who look at a page meanwhile."""
        self.close()
        self._patience = seconds
        self.engine = make_engine(self._url, seconds)

    def in_memory(self) -> "Database":
        """A copy of a SQLite database, to be changed in its place, and called as it is; this one is closed."""
        copy = Database("sqlite://")
        with self.snapshot() as there, closing(copy.engine.raw_connection()) as here:
            there.connection.driver_connection.backup(here.driver_connection)  # type: ignore[union-attr]
        copy.where = self.where
        self.close()
        return copy

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads; on SQLite it waits for nobody."""
        try:
            with self.engine.connect() as connection, connection.begin():
                yield connection
        except AnnotationError:
            raise
        # the last three of cells that hold what they cannot
        except (DBAPIError, sa.exc.TimeoutError, ValueError, TypeError, RecursionError) as error:
            raise failure(error, self.where, "read") from error

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """As `read`, of one moment however many statements it takes; whoever writes meanwhile waits for nothing."""
        with self.read() as connection:
            if self.dialect == "postgresql":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            sa.inspect(connection).get_table_names()  # the moment is that of the first look
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes: all of it or nothing. What cannot be stored raises the driver's own error."""
        try:
            with (
                self._in_turn(),
                self.engine.connect().execution_options(affectml_writes=True) as connection,
                connection.begin(),
            ):
                yield connection
        except (DBAPIError, sa.exc.TimeoutError) as error:
            ours = failure(error, self.where, "written")
            if isinstance(error, ASKED_FOR) and not isinstance(ours, DatabaseAway):
                raise
            raise ours from error

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Keep the threads of a process in line: SQLite itself would let each sleep and look again, up to 0.1 s."""
        if self.dialect == "postgresql":
            yield
            return
        if not self._turn.acquire(timeout=self._patience):
            raise DatabaseAway(f"{self.where}: another program writes to the database")
        try:
            yield
        finally:
            self._turn.release()

    def reading(self, work: Callable[Concatenate[sa.Connection, P], T], *arguments: P.args, **options: P.kwargs) -> T:
        """What `work` gives in a transaction that only reads."""
        with self.read() as connection:
            return work(connection, *arguments, **options)

    def writing(self, work: Callable[Concatenate[sa.Connection, P], T], *arguments: P.args, **options: P.kwargs) -> T:
        """What `work` gives in a transaction that writes; tried again if the database broke it off (a deadlock)."""
        for pause in PAUSES:
            try:
                with self.write() as connection:
                    return work(connection, *arguments, **options)
            except DatabaseAway as error:
                if getattr(getattr(error.__cause__, "orig", None), "sqlstate", None) not in BROKEN_OFF:
                    raise
                time.sleep(pause)
        with self.write() as connection:
            return work(connection, *arguments, **options)

    def scalar(self, query: sa.Select[Any]) -> Any:
        """The first value that a query finds; None where it finds nothing."""
        with self.read() as connection:
            return connection.scalar(query)

    def table(self, query: sa.Select[Any]) -> pd.DataFrame:
        """All that a query finds."""
        return self.reading(table_of, query)

    def rewrite(self, tables: Sequence[str]) -> None:
        """Write the tables' files anew, with nothing in them that was deleted; nobody else reads or writes meanwhile.

        SQLite writes the whole file and empties its log; PostgreSQL, whose statistics hold values, counts them again.
        Raises DatabaseAway while others read.
        """
        try:
            if self.dialect == "postgresql":
                with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                    connection.detach()  # so that its lock_timeout ends with it
                    connection.exec_driver_sql(f"SET lock_timeout = {round(self._patience * 1000)}")
                    for table in tables:
                        connection.exec_driver_sql(f'VACUUM (FULL, ANALYZE) "{table}"')
                return
            with self._in_turn(), closing(self.engine.raw_connection()) as raw:
                raw.cursor().execute("PRAGMA secure_delete=ON")
                raw.cursor().execute("VACUUM")
                busy, *_ = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except (DBAPIError, sqlite3.Error) as error:
            raise failure(error, self.where, "written") from error
        if busy:
            raise DatabaseAway(f"{self.where}: another program reads the database, so that its log cannot be emptied")

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


class OnDatabase:
    """A part of a label store: its methods are a transaction each."""

    database: Database


def transaction(work: Callable[Concatenate[sa.Connection, P], T]) -> Callable[Concatenate[OnDatabase, P], T]:
    """A function of a connection as one of a label store: a transaction that writes; see `Database.writing`."""

    @wraps(work)
    def run(store: OnDatabase, /, *arguments: P.args, **options: P.kwargs) -> T:
        return store.database.writing(work, *arguments, **options)

    return run


def reading(work: Callable[Concatenate[sa.Connection, P], T]) -> Callable[Concatenate[OnDatabase, P], T]:
    """The same, of a function that only reads."""

    @wraps(work)
    def run(store: OnDatabase, /, *arguments: P.args, **options: P.kwargs) -> T:
        return store.database.reading(work, *arguments, **options)

    return run
