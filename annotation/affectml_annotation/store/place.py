"""Where a task's database lies, so that every command and the page open the same one.

The database of a data set is the file `NAME-labels.db` beside its folder, unless somebody names another.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from affectml_annotation.errors import StoreError

BACKUP = "backup"  # the key of the setting by which a database is a backup
KEPT = re.compile(r"\d{4}-\d\d-\d\dT\d{6}Z\.db")  # what backups are called that are kept of a task


def default_database(dataset: str | Path) -> Path:
    """`NAME-labels.db` beside the data set's folder."""
    folder = Path(dataset).resolve()
    return folder.with_name(f"{folder.name}-labels.db")


def backups_of(file: Path) -> Path:
    """The folder of a database's backups; of one on a server called NAME, `file` is DATASET-NAME."""
    return file.with_name(f"{file.name.removesuffix('.db')}-backups")


def kept_in(folder: Path) -> list[Path]:
    """The backups that are kept in a folder, oldest first by their names; none of one that is not there."""
    return sorted(path for path in folder.glob("*.db") if KEPT.fullmatch(path.name))


def way_back(damaged: str | Path) -> str:
    """What there is in place of a damaged database, or a damaged backup, by the newest other backup beside it."""
    if "://" in str(damaged):
        return "`affectml label backup --restore` makes a database of a backup"
    file = Path(damaged)
    others = [path for path in (*kept_in(backups_of(file)), *kept_in(file.parent)) if path != file]
    if not others:
        return f"no backup lies beside it; `sqlite3 {file} .recover` may have some of it (docs/labelling.md)"
    newest = max(others, key=lambda path: path.name)
    if newest.parent == file.parent:
        return f"the newest other backup is {shown(newest)}"
    return (
        f"the newest backup is {shown(newest)}: move {file} away, and {file}-wal with it, then "
        f"`affectml label backup --restore {shown(newest)} {file}`"
    )


def dataset_of(database: str) -> Path | None:
    """The data set's folder that a database lies beside under its default name; None where there is no such folder."""
    path = Path(database)
    folder = path.with_name(path.name.removesuffix("-labels.db"))
    return folder if folder != path and (folder / "dataset.json").is_file() else None


def find_database() -> Path:
    """The database of the only task here or one folder below; StoreError for none, or naming them where several are."""
    folder = Path()
    found = [path for pattern in ("*-labels.db", "*/*-labels.db") for path in sorted(folder.glob(pattern))]
    if (folder / "dataset.json").is_file():
        found.append(default_database(folder))
    places = dict.fromkeys(path.resolve() for path in found)
    tasks = [path for path in places if holds_task(path) and backup_note(path) is None]
    if len(tasks) == 1:
        return tasks[0]
    if not tasks:
        raise StoreError(
            "no labelling task here; `affectml label init DATASET` makes one, --db names a database elsewhere "
            "(a file, a postgresql:// URL, or the folder of its data set)"
        )
    raise StoreError(f"several labelling tasks here: {', '.join(map(shown, tasks))}; name the one that is meant")


def holds_task(path: Path) -> bool:
    """Whether a SQLite file is a label store with a task in it; False where there is none. Changes nothing."""
    if not path.is_file():
        return False
    try:
        with closing(connect_to_read(path)) as connection:
            there = _tables(connection)
            places = ["setting WHERE key = 'task'", *there & {"study_version"}]  # the first until schema 6
            return {"schema_version", "setting", "image", "event"} <= there and any(
                connection.execute(f"SELECT 1 FROM {place} LIMIT 1").fetchone() for place in places
            )
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise StoreError(f"{path}: cannot be read ({error}); name the database itself") from None
        return False  # no SQLite file


def connect_to_read(path: str | Path, seconds: float = 5) -> sqlite3.Connection:
    """A connection that changes nothing, on a disk that is full or read-only too. seconds: to wait for a lock.

    SQLite reads a database with a write-ahead log by files beside it. Where none can be made, nobody has it open, and
    without a log the file is all there is.
    """

    def connect(how: str) -> sqlite3.Connection:
        address = f"{Path(path).resolve().as_uri()}?{how}"
        connection = sqlite3.connect(address, uri=True, timeout=seconds, check_same_thread=False)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise
            raise sqlite3.DatabaseError("database disk image is malformed") from None  # its schema's text is none
        return connection

    try:
        return connect("mode=ro")
    except sqlite3.OperationalError as error:
        log = Path(f"{path}-wal")
        codes = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)
        if error.sqlite_errorcode & 0xFF not in codes or (log.exists() and log.stat().st_size):
            raise
        return connect("mode=ro&immutable=1")


def holds_store(path: Path) -> bool:
    """Whether a file may be a label store: another program's database and an empty file are none."""
    try:
        with closing(connect_to_read(path)) as connection:
            return "schema_version" in _tables(connection)
    except sqlite3.DatabaseError:
        return True  # whoever opens it says why it cannot be


def backup_note(path: str | Path) -> str | None:
    """What a backup says of itself, as JSON; None for a file that is no backup, or cannot be read."""
    try:
        with closing(connect_to_read(path)) as connection:
            found = connection.execute(f"SELECT value FROM setting WHERE key = '{BACKUP}'").fetchone()
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None
    return None if found is None else str(found[0])


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def shown(path: str | Path) -> str:
    """A path as it is printed: from the current folder where it lies below it; a server's address as it is."""
    if "://" in str(path):
        return str(path)
    path = Path(path)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
