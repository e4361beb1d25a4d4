"""The database connection: SQLite made safe for several writers, PostgreSQL by URL."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from affectml_annotation.errors import MissingExtra, StoreError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")
BUSY_SECONDS = 60
TRIES = 5


def make_engine(url: str | Path) -> sa.Engine:
    """An engine for a path, `sqlite:///FILE`, `sqlite://` (in memory), or `postgresql://USER@HOST/NAME`."""
    text = str(url)
    if "://" not in text:
        path = Path(text)
        if path.is_dir():
            raise StoreError(f"{text} is a folder; name a database file, such as {path / 'labels.db'}")
        path.parent.mkdir(parents=True, exist_ok=True)
        return _sqlite(sa.URL.create("sqlite", database=text))  # not as one text, in which `?` would end the path
    try:
        parsed = sa.make_url(text)
    except sa.exc.ArgumentError:
        raise StoreError(f"{text!r} is no database URL; give a file's path or postgresql://USER@HOST/NAME") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed)
    if backend == "postgresql":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        try:
            return sa.create_engine(parsed, pool_pre_ping=True)
        except ModuleNotFoundError:
            raise MissingExtra("PostgreSQL needs psycopg: pip install 'affectml[postgres]'") from None
    raise StoreError(f"{backend} is not supported; use SQLite (a file's path) or PostgreSQL")


def _sqlite(url: sa.URL) -> sa.Engine:
    arguments: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS, "check_same_thread": False}}
    if url.database in (None, "", ":memory:"):
        arguments["poolclass"] = StaticPool
    engine = sa.create_engine(url, **arguments)

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA synchronous=FULL")  # an acknowledged answer survives a power cut
        if cursor.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # A writer that reads first and writes later would find, only then, that somebody was quicker.
        writes = connection.get_execution_options().get("affectml_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def read_only(url: str | Path) -> sa.Engine:
    """An engine that a SQLite file is opened with for reading alone: nothing is made, migrated or written."""
    if "://" in str(url):
        return make_engine(url)
    address = f"{Path(url).resolve().as_uri()}?mode=ro"
    return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS))


class Database:
    """Transactions that read and transactions that write."""

    def __init__(self, url: str | Path) -> None:
        self.engine = make_engine(url)
        self.dialect = self.engine.dialect.name
        file = self.engine.url.database if self.dialect == "sqlite" else None
        self._queue = Path(f"{file}-queue") if file and file != ":memory:" else None

    @property
    def where(self) -> str:
        """The database as people know it: a file's path, or a URL without its password."""
        url = self.engine.url
        return str(url.database or "memory") if self.dialect == "sqlite" else url.render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads; on SQLite it waits for nobody."""
        try:
            with self.engine.connect() as connection, connection.begin():
                yield connection
        except (sa.exc.DBAPIError, JSONDecodeError, UnicodeDecodeError) as error:
            why = " ".join(str(getattr(error, "orig", error)).split())
            raise StoreError(f"{self.where}: the database cannot be read ({why})") from None

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes: all of it or nothing."""
        with (
            self._in_turn(),
            self.engine.connect().execution_options(affectml_writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """On SQLite, wait in line at a file lock: SQLite itself would sleep and look again, up to 0.1 s too long.

        Only for speed: without such locks (Windows) BEGIN IMMEDIATE keeps writers apart all the same.
        """
        if self._queue is None or fcntl is None:
            yield
            return
        with self._queue.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def retried(self, work: Callable[[sa.Connection], T]) -> T:
        """`work` in a writing transaction, again if the database broke it off (PostgreSQL's deadlocks)."""
        for attempt in range(TRIES):
            try:
                with self.write() as connection:
                    return work(connection)
            except OperationalError as error:
                deadlock = getattr(error.orig, "sqlstate", None) in ("40P01", "40001")
                if not deadlock or attempt == TRIES - 1:
                    raise
                time.sleep(0.01 * 2**attempt)
        raise AssertionError("unreachable: the last try returns or raises")

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()
