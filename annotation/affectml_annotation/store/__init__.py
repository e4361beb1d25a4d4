"""The label store, the one door to a labelling task's database: who was asked what, what they said, nothing lost."""

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.store import engine, people, setup, versions
from affectml_annotation.store.claims import Claim, Claiming
from affectml_annotation.store.engine import Database
from affectml_annotation.store.migrations import MIGRATIONS, migrate, version_of
from affectml_annotation.store.place import backup_note, dataset_of, holds_store
from affectml_annotation.store.reading import Progress, Reading
from affectml_annotation.store.schema import STEERED, STOPPED, read_setting, write_setting
from affectml_annotation.store.submits import Answer, Receipt, Submitting
from affectml_annotation.study.file import Task

__all__ = ["Answer", "Claim", "LabelStore", "Progress", "Receipt", "Task"]
P = ParamSpec("P")
T = TypeVar("T")


def _steered(change: Callable[Concatenate[sa.Connection, P], T]) -> Callable[Concatenate[Claiming, P], T]:
    """As `transaction`, of a change after which other images may come next: on every server of the task."""

    @wraps(change)
    def counted(connection: sa.Connection, /, *arguments: P.args, **options: P.kwargs) -> T:
        result = change(connection, *arguments, **options)
        write_setting(connection, STEERED, (read_setting(connection, STEERED) or 0) + 1)
        return result

    return engine.transaction(counted)


class LabelStore(Claiming, Submitting, Reading):
    """A labelling task in a database: SQLite by a file's path, PostgreSQL by URL. Opens or makes it, and migrates.

    Many processes may use one database, each with a LabelStore of its own (make it after a fork). Every method is
    one transaction. must_exist: refuse a file that is not there, or holds no label store, instead of making one.
    reads_only: change nothing; a file with an earlier schema is migrated in memory. A backup is opened so alone. Raises
    StoreError for a database that cannot be opened or comes from a newer version.

    >>> from affectml_annotation import Answer, LabelStore, Task
    >>> store = LabelStore("sqlite://")
    >>> store.init_task(Task(labels=("awe", "fear"), question="What do you feel?", overlap=1), ["a", "b"])
    >>> store.invite(["ann"])
    ['ann']
    >>> claim, = store.claim("ann", 1)
    >>> receipt, = store.submit([Answer(claim.image_id, "ann", "labels", ("awe",))])
    >>> receipt.status, store.judgements()["labels"].tolist()
    ('accepted', [['awe']])
    """

    def __init__(self, url: str | Path, *, must_exist: bool = False, reads_only: bool = False) -> None:
        file = None if "://" in str(url) else Path(url)
        if must_exist and file is not None and not (file.is_dir() or (file.exists() and holds_store(file))):
            what = "holds no label store" if file.exists() else "no such database"
            raise StoreError(f"{url}: {what}; `affectml label init DATASET --db {url}` makes one")
        if not reads_only and file is not None and file.is_file() and backup_note(file) is not None:
            raise StoreError(
                f"{url} is a backup, which stays as it is; `affectml label backup --restore {url} DB` makes a database "
                "of it"
            )
        self._proposed: dict[tuple[str, int], list[int]] = {}
        self._steered: int | None = None
        self.database = Database(url, reads_only=reads_only)
        try:
            # before a file to wait in line at is made beside what is none
            version = self.database.reading(version_of)
            if reads_only and not 1 <= version <= len(MIGRATIONS):
                raise StoreError(f"{url}: has another schema than this version of affectml writes")
            if reads_only and version < len(MIGRATIONS):
                if self.database.dialect == "postgresql":
                    where = self.database.where
                    raise StoreError(f"{where} has an earlier schema; `affectml label status` makes it this one")
                self.database, reads_only = self.database.in_memory(), False
            if not reads_only:
                migrate(self.database.write)
        except BaseException:
            self.database.close()
            raise

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    init_task = engine.transaction(setup.init_task)
    change_task = _steered(setup.change_task)
    set_task = _steered(setup.set_task)
    steer = _steered(setup.steer)
    add_images = _steered(setup.add_images)
    add_checks = engine.transaction(setup.add_checks)
    enqueue = _steered(setup.enqueue)
    open_round = engine.transaction(setup.open_round)
    invite = engine.transaction(people.invite)
    uninvite = _steered(people.uninvite)
    closed = engine.reading(people.closed)
    chip_order = engine.reading(people.chip_order)
    consent = engine.transaction(people.consent)
    speak = engine.transaction(people.speak)
    withdraw = engine.transaction(people.withdraw)
    undo_withdrawal = engine.transaction(people.undo_withdrawal)
    undoable_withdrawals = engine.reading(people.undoable_withdrawals)

    @property
    def has_task(self) -> bool:
        """Whether `init_task` was here."""
        return self.database.reading(versions.has_task)

    @property
    def task(self) -> Task:
        """The task's file, in its newest version; StoreError before `init_task`."""
        return self.database.reading(versions.read_task)

    @property
    def dataset(self) -> Path | None:
        """The folder of the data set whose task this is: as it was set up, else beside the database; None for none."""
        named = self.database.reading(read_setting, setup.DATASET)
        there = named is not None and (Path(named) / "dataset.json").is_file()
        return Path(named) if there else dataset_of(self.database.where)

    def note_dataset(self, folder: Path) -> None:
        """Note where the task's data set is, where nobody knows any more: on another machine than it was set up on."""
        if self.dataset is None:
            self.database.writing(write_setting, setup.DATASET, str(folder.resolve()))

    @property
    def stopping(self) -> Mapping[str, Any] | None:
        """How images stopped early, in a task from when they could: min, max, mean, until, whole; else None."""
        rule: Mapping[str, Any] | None = self.database.reading(read_setting, STOPPED)
        return rule


def is_database(text: str) -> bool:
    """Whether a name is that of a label store rather than of a file or folder of judgements."""
    return "://" in text or Path(text).suffix in (".db", ".sqlite", ".sqlite3")
