"""Keys that only this database has, and who is recognised by them. They lie in a table that a dump can leave out."""

import hmac
import secrets
from hashlib import sha256
from typing import Any
from unicodedata import normalize

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.store.schema import erasure, panel, secret

ERASING = "erasing"
SIGNING = "signing"
FORGOTTEN = "forgotten "  # begins what stands in place of a panel's id that nobody needs any more


def keyed(connection: sa.Connection, key: str, *parts: object) -> bytes:
    """A keyed hash of some values, by the key of this name; StoreError where `make_key` was never here."""
    return hashed(_key(connection, key), *parts)


def _key(connection: sa.Connection, key: str) -> str:
    value: str | None = connection.scalar(sa.select(secret.c.value).where(secret.c.name == key))
    if value is None:
        raise StoreError(f"this database has no key for {key} yet; `affectml study run OUT` makes it")
    return value


def hashed(key: str, *parts: object) -> bytes:
    """A keyed hash of some values, by the key itself."""
    return hmac.new(bytes.fromhex(key), "\0".join(map(str, parts)).encode(), sha256).digest()


def make_key(connection: sa.Connection, key: str) -> None:
    """Make the key of this name, unless it is there; two may ask at once."""
    unless_there = "INSERT INTO secret (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING"
    connection.execute(sa.text(unless_there), {"name": key, "value": secrets.token_hex(32)})


def panel_id(text: str) -> str:
    """An id at a panel as it is kept: without spaces around it, in the form NFKC (Unicode Standard Annex 15)."""
    return normalize("NFKC", text).strip()


def _form(text: str) -> str:
    """An id at a panel as it is compared: those that differ by case alone are one person's (NFKC, case folded)."""
    return normalize("NFKC", panel_id(text).casefold())


def is_theirs(connection: sa.Connection, column: sa.Column[Any], *written: str) -> sa.ColumnElement[bool]:
    """Whether a row has one of these ids at a panel, however they are written, and however it is kept there.

    Python compares them, since what lower() does to letters depends on the engine and its locale; earlier versions kept
    ids as they came. A list for spreadsheets may have a ' before one.
    """
    given = {form for person in written for form in (_form(person), _form(person).removeprefix("'"))}
    return column.in_([person for person in connection.scalars(sa.select(column)) if _form(person) in given])


def marks(key: str, *written: str) -> list[str]:
    """The hashes by which an id at a panel is known once it is gone: that of its one form, then those of earlier
    versions, of the id as it came.

    Of what stands in place of an id, the hash in it.
    """
    if written[0].startswith(FORGOTTEN):
        return [written[0].removeprefix(FORGOTTEN)]
    return [hashed(key, "person", form).hex() for form in (_form(written[0]), *written)]


def mark(connection: sa.Connection, person: str) -> str:
    """The hash by which whoever comes back with an id at a panel is known."""
    return marks(_key(connection, ERASING), person)[0]


def participant(connection: sa.Connection, *written: str) -> str | None:
    """Who has this id at a panel, which may be forgotten; None for nobody.

    written: the id, in the form in which it is kept now, and as it came. Of two whom earlier versions took for two
    people, the one whose id is kept so.
    """
    known = [*written]
    if connection.scalar(sa.select(secret.c.name).where(secret.c.name == ERASING)) is not None:
        known += [FORGOTTEN + each for each in marks(_key(connection, ERASING), *written)]
    theirs = sa.select(panel.c.annotator_id).where(is_theirs(connection, panel.c.person, *known))
    who: str | None = connection.scalar(theirs.order_by(panel.c.person.not_in(written)))
    return who


def was_erased(connection: sa.Connection, *written: str, who: str | None = None) -> bool:
    """Whether somebody of this name, or this id at a panel, was erased. written: as `participant` takes it."""
    if connection.scalar(sa.select(erasure.c.number).limit(1)) is None:
        return False
    known = erasure.c.annotator == keyed(connection, ERASING, "who", who).hex()
    if written:
        known = erasure.c.person.in_(marks(_key(connection, ERASING), *written))
    return connection.execute(sa.select(erasure.c.number).where(known)).first() is not None
