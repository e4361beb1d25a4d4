"""The versions of a task's file, of which the newest is the task. Functions within a transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import sqlalchemy as sa

from affectml_annotation.errors import BadTask, StoreError
from affectml_annotation.store.engine import where_of
from affectml_annotation.store.place import way_back
from affectml_annotation.store.schema import now_ms, read_setting, setting, study_text, study_version
from affectml_annotation.study.file import Task, parse

NEWEST = sa.select(study_version).order_by(study_version.c.number.desc()).limit(1)


@dataclass(frozen=True)
class Version:
    """A version of a task's file.

    texts: of a study, the sha256 of each. affectml: the software that wrote it. at: milliseconds since 1970.
    """

    number: int
    file: Task
    texts: Mapping[str, str]
    affectml: str
    at: int


def newest(connection: sa.Connection) -> Version:
    """The newest version. Raises StoreError where there is no task, and for a damaged one."""
    row = connection.execute(NEWEST).one_or_none()
    if read_setting(connection, "task") is not None and (row is None or row.content.get("schema") == 1):
        raise _damaged(connection, ValueError("what an earlier version kept of the task cannot be read"))
    if row is None:
        raise StoreError("this database holds no task yet; `affectml label init DATASET --db URL` makes one")
    return _version(connection, row)


def read_task(connection: sa.Connection) -> Task:
    """The task's file as it is now. Raises StoreError where there is none, and for a damaged one."""
    return newest(connection).file


def version_of(connection: sa.Connection, number: int) -> Version:
    """A version by its number, as people who came under it go on with it."""
    row = connection.execute(sa.select(study_version).where(study_version.c.number == number)).one_or_none()
    if row is None:
        raise StoreError(f"this task has no version {number}")
    return _version(connection, row)


def all_versions(connection: sa.Connection) -> list[Version]:
    """Every version that is kept, newest first."""
    rows = connection.execute(sa.select(study_version).order_by(study_version.c.number.desc()))
    return [_version(connection, row) for row in rows]


def _version(connection: sa.Connection, row: Any) -> Version:
    try:
        file = parse(row.content, f"version {row.number}")
    except BadTask as error:
        if row.affectml == own_version():
            raise _damaged(connection, error) from None
        where = where_of(connection.engine.url)  # another version may know keys that this one does not
        way = f"affectml {row.affectml} wrote that, and this is {own_version()}: use that version"
        raise StoreError(f"{where}: the task's file: {error}; {way}") from None
    if not file.labels and not file.is_study:  # in versions of a study until schema 6 they were not
        raise _damaged(connection, BadTask(f"version {row.number}: no labels"))
    return Version(row.number, file, row.texts, row.affectml, row.at)


def _damaged(connection: sa.Connection, error: Exception) -> StoreError:
    where = where_of(connection.engine.url)
    return StoreError(f"{where}: the task's settings are damaged ({error!r:.200}); {way_back(where)}")


def has_task(connection: sa.Connection) -> bool:
    """Whether a task was set up here, by any version of affectml."""
    former = sa.select(setting.c.key).where(setting.c.key == "task")
    return any(connection.execute(query.limit(1)).first() for query in (sa.select(study_version.c.number), former))


def lock(connection: sa.Connection) -> None:
    """One at a time changes the task, or counts people of a study and takes a place."""
    connection.execute(sa.select(study_version.c.number).where(study_version.c.number == 1).with_for_update())


def add_version(connection: sa.Connection, file: Task, texts: Mapping[str, str]) -> int:
    """Keep a version, which is the newest then; return its number. texts: the sha256 of each."""
    last = connection.scalar(sa.select(sa.func.max(study_version.c.number)))
    number = (last or 0) + 1
    connection.execute(study_version.insert().values(
        number=number, content=file.model_dump(mode="json", by_alias=True), texts=dict(texts),
        affectml=own_version(), at=now_ms(),
    ))  # fmt: skip
    return number


def keep_texts(connection: sa.Connection, texts: Mapping[str, str]) -> dict[str, str]:
    """Keep a study's texts; return the sha256 of each."""
    known = set(connection.scalars(sa.select(study_text.c.sha256)))
    digests = {name: sha256(text.encode()).hexdigest() for name, text in texts.items()}
    for name, digest in digests.items():
        if digest not in known:
            connection.execute(study_text.insert().values(sha256=digest, content=texts[name]))
            known.add(digest)
    return digests


def own_version() -> str:
    """The version of this software."""
    try:
        return version("affectml-annotation")
    except PackageNotFoundError:  # the whole repository is installed as one
        return version("affectml")
