"""What is kept of a task under a key of its own, beside the versions of its file."""

from typing import Any

import sqlalchemy as sa

from affectml_annotation.store.schema import setting

STOPPED = "stopped_early"  # the key of how images stopped early, in a task from when they could


def read_setting(connection: sa.Connection, key: str) -> Any:
    """What is kept under a key; None where nothing is."""
    return connection.scalar(sa.select(setting.c.value).where(setting.c.key == key))


def write_setting(connection: sa.Connection, key: str, value: Any) -> None:
    """Keep a value under a key, in place of what was there."""
    if not connection.execute(setting.update().where(setting.c.key == key).values(value=value)).rowcount:
        connection.execute(setting.insert().values(key=key, value=value))
