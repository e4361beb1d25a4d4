"""What is kept of a task under a key of its own, beside the versions of its file."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from affectml_annotation.store.earlier import stopped_early
from affectml_annotation.store.schema import setting

STOPPED = "stopped_early"  # the key of how images stopped early, in a task from when they could


def read_setting(connection: sa.Connection, key: str) -> Any:
    """What is kept under a key; None where nothing is."""
    return connection.scalar(sa.select(setting.c.value).where(setting.c.key == key))


def write_setting(connection: sa.Connection, key: str, value: Any) -> None:
    """Keep a value under a key, in place of what was there."""
    if not connection.execute(setting.update().where(setting.c.key == key).values(value=value)).rowcount:
        connection.execute(setting.insert().values(key=key, value=value))


def how_stopped(connection: sa.Connection) -> Mapping[str, Any] | None:
    """How images of this task stopped early, in one from when they could (min, max, mean, until, whole); else None."""
    kept: Mapping[str, Any] | None = read_setting(connection, STOPPED)
    return kept or stopped_early(*(read_setting(connection, key) for key in ("task", "stopped", "whole")))
