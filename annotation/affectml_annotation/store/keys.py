"""Keys that only this database has, and who is recognised by them. They lie in a table that a dump can leave out."""

import hmac
import secrets
from hashlib import sha256

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.store.schema import erasure, panel, secret

ERASING = "erasing"
FORGOTTEN = "forgotten "  # begins what stands in place of a panel's id that nobody needs any more


def keyed(connection: sa.Connection, key: str, *parts: object) -> bytes:
    """A keyed hash of some values, by the key of this name; StoreError where `make_key` was never here."""
    value = connection.scalar(sa.select(secret.c.value).where(secret.c.name == key))
    if value is None:
        raise StoreError(f"this database has no key for {key} yet; `affectml study run OUT` makes it")
    return hashed(value, *parts)


def hashed(key: str, *parts: object) -> bytes:
    """A keyed hash of some values, by the key itself."""
    return hmac.new(bytes.fromhex(key), "\0".join(map(str, parts)).encode(), sha256).digest()


def make_key(connection: sa.Connection, key: str) -> None:
    """Make the key of this name, unless it is there; two may ask at once."""
    unless_there = "INSERT INTO secret (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING"
    connection.execute(sa.text(unless_there), {"name": key, "value": secrets.token_hex(32)})


def forgotten(connection: sa.Connection, person: str) -> str:
    """What stands in place of an id at a panel once it is forgotten: by it whoever comes back is known."""
    return FORGOTTEN + keyed(connection, ERASING, "person", person).hex()


def participant(connection: sa.Connection, person: str) -> str | None:
    """Who has this id at a panel, which may be forgotten; None for nobody."""
    key = connection.scalar(sa.select(secret.c.name).where(secret.c.name == ERASING))
    forms = [person] if key is None else [person, forgotten(connection, person)]
    who: str | None = connection.scalar(sa.select(panel.c.annotator_id).where(panel.c.person.in_(forms)))
    return who


def was_erased(connection: sa.Connection, *, who: str | None = None, person: str | None = None) -> bool:
    """Whether somebody of this name, or this id at a panel, was erased."""
    if connection.scalar(sa.select(erasure.c.number).limit(1)) is None:
        return False
    column, kind, name = (erasure.c.annotator, "who", who) if who is not None else (erasure.c.person, "person", person)
    known = sa.select(erasure.c.number).where(column == keyed(connection, ERASING, kind, name).hex())
    return connection.execute(known).first() is not None
