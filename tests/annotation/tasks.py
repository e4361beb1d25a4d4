"""Tasks for the tests of several files, what lies in their databases, and what is done by many at once."""

import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Barrier

import pandas as pd
import pytest
import sqlalchemy as sa

from affectml_annotation import LabelStore, Task, aggregate
from affectml_annotation.store import schema

LABELS = ("awe", "fear", "joy")
COLUMNS = ["image_id", "annotator_id", "round", "kind", "labels"]
# For tests of what is the same on every engine: a server takes seconds to write its tables anew.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def new_task(place, images, people=(), **settings) -> LabelStore:
    """A store with a new task of these images, to which these people are invited."""
    store = LabelStore(place)
    store.init_task(Task(**{"labels": LABELS, "question": "?", **settings}), images)
    store.invite(people)
    return store


def sets(*answers) -> pd.DataFrame:
    """A table of judgements, from images, people and the labels that these chose, or none of them."""
    said = [(image, person, 1, "labels" if chosen else "none", sorted(chosen)) for image, person, chosen in answers]
    return pd.DataFrame(said, columns=COLUMNS)


def by(method: str) -> Callable:
    """How a target is made of judgements."""
    return partial(aggregate, labels=LABELS, method=method)


def rows(store, table: sa.Table) -> list:
    with store.database.read() as connection:
        return list(connection.execute(sa.select(table)))


def all_rows(store) -> dict[str, list]:
    """All rows of every table."""
    return {table.name: rows(store, table) for table in schema.metadata.sorted_tables}


def by_hand(file: str | Path, *statements: str) -> list[int]:
    """Change a database file as the store lets nobody, past the guards of its log; how many rows each changed."""
    with closing(sqlite3.connect(file)) as raw, raw:
        guards = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            raw.execute(f"DROP TRIGGER {name}")
        changed = [raw.execute(statement).rowcount for statement in statements]
        for _, guard in guards:
            raw.execute(guard)
    return changed


def at_once(deed: Callable, of: Iterable) -> list:
    """What the deed gives for each of these, all of which begin at the same moment."""
    of = [*of]
    begin = Barrier(len(of), timeout=300)

    def do(one):
        begin.wait()
        return deed(one)

    with ThreadPoolExecutor(len(of)) as pool:
        return [*pool.map(do, of)]


def refused(error: type[Exception], words: str, deed: Callable, *given, **more) -> None:
    """This deed is refused, with an error in whose text the pattern is found."""
    with pytest.raises(error, match=words):
        deed(*given, **more)
