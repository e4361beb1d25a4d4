"""Keys that only this database has, and who is recognised by them. They lie in a table that a dump can leave out."""

import hmac
import secrets
from collections.abc import Iterable
from hashlib import sha256
from unicodedata import normalize

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.store.schema import erasure, panel, secret

ERASING = "erasing"
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


def forms(persons: Iterable[str]) -> set[str]:
    """Ids at a panel, as somebody gives them, in every form that the lower case of what is kept may have.

    Ids that differ by case alone are one person's. Earlier versions kept ids as they came. A list for spreadsheets may
    have a ' before one.
    """
    given = {form for person in persons for form in (person, panel_id(person), panel_id(person).removeprefix("'"))}
    return given | {form.lower() for form in given}


def marks(key: str, person: str) -> list[str]:
    """The hashes by which an id at a panel is known once it is gone: that which is kept, then that of earlier versions.

    Of what stands in place of an id, the hash in it.
    """
    if person.startswith(FORGOTTEN):
        return [person.removeprefix(FORGOTTEN)]
    return [hashed(key, "person", form).hex() for form in (panel_id(person).lower(), person)]


def mark(connection: sa.Connection, person: str) -> str:
    """The hash by which whoever comes back with an id at a panel is known."""
    return marks(_key(connection, ERASING), person)[0]


def participant(connection: sa.Connection, person: str) -> str | None:
    """Who has this id at a panel, which may be forgotten; None for nobody."""
    known = forms([person])
    if connection.scalar(sa.select(secret.c.name).where(secret.c.name == ERASING)) is not None:
        known |= {FORGOTTEN + each for each in marks(_key(connection, ERASING), person)}
    who: str | None = connection.scalar(sa.select(panel.c.annotator_id).where(sa.func.lower(panel.c.person).in_(known)))
    return who


def was_erased(connection: sa.Connection, *, who: str | None = None, person: str | None = None) -> bool:
    """Whether somebody of this name, or this id at a panel, was erased."""
    if connection.scalar(sa.select(erasure.c.number).limit(1)) is None:
        return False
    known = erasure.c.annotator == keyed(connection, ERASING, "who", who).hex()
    if person is not None:
        known = erasure.c.person.in_(marks(_key(connection, ERASING), person))
    return connection.execute(sa.select(erasure.c.number).where(known)).first() is not None
