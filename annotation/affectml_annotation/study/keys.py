"""What only this study's database can make and knows again: codes of one person, and signed links.

All come from a key in the table `secret`; none is stored itself. A token never says whose it is.
"""

import hmac
from base64 import b32encode

import sqlalchemy as sa

from affectml_annotation.errors import StoreError
from affectml_annotation.languages import _
from affectml_annotation.store.claims import following
from affectml_annotation.store.keys import keyed
from affectml_annotation.store.label_store import LabelStore
from affectml_annotation.store.schema import now_ms, secret, study_link

SIGNING = "signing"
LATEST = 32_503_680_000_000  # milliseconds since 1970: the year 3000
CODE_LENGTH = 10  # 50 bits: nobody guesses one by asking a server


class BadLink(StoreError):
    """A link that this study did not make, or that opens nothing any more. number: of one whose time is over."""

    number: int | None = None


def code(connection: sa.Connection, what: str, who: str) -> str:
    """A participant's own code for something: always the same, and nobody else's."""
    return b32encode(keyed(connection, SIGNING, "code", what, who)).decode()[:CODE_LENGTH]


def resume_code(connection: sa.Connection, who: str) -> str:
    """What a participant's first device shows, for another to go on with."""
    return code(connection, "resume", who)


def same_code(one: str, other: str) -> bool:
    """Whether two codes are the same, as people type them, in a time that tells nothing of where they differ."""
    return _same("".join(one.upper().split()).replace("-", ""), other)


def make_links(store: LabelStore, people: int, ends_at: float) -> list[str]:
    """Tokens for so many people, one each, good until `ends_at` (seconds since 1970)."""

    def work(connection: sa.Connection) -> list[str]:
        now = now_ms()
        if people < 1 or not now < ends_at * 1000 < LATEST:
            raise StoreError("links: expected one person at least, and an end that is to come before the year 3000")
        ends = round(ends_at * 1000)
        connection.execute(sa.select(secret).where(secret.c.name == SIGNING).with_for_update())
        first = max(1, following(connection, study_link.c.number))
        numbers = range(first, first + people)
        connection.execute(study_link.insert(), [{"number": n, "made_at": now, "ends_at": ends} for n in numbers])
        return [f"{n}.{_signed(connection, n)}" for n in numbers]

    return store.database.retried(work)


def revoke_link(store: LabelStore, number: int) -> None:
    """Let a link open nothing any more. Raises StoreError where there is none of this number."""

    def work(connection: sa.Connection) -> None:
        one = study_link.update().where(study_link.c.number == number, study_link.c.revoked_at.is_(None))
        if not connection.execute(one.values(revoked_at=now_ms())).rowcount:
            raise StoreError(f"there is no link {number} that could be revoked")

    store.database.retried(work)


def read_link(connection: sa.Connection, token: str) -> int:
    """The number of the link that a token is. Raises BadLink for one forged, revoked, or past its end."""
    number, _dot, signature = token.partition(".")
    row = None
    if number.isascii() and number.isdecimal() and len(number) < 10:
        row = connection.execute(sa.select(study_link).where(study_link.c.number == int(number))).one_or_none()
    if row is None or not _same(signature, _signed(connection, row.number)):
        raise BadLink(_("this link is not valid; open it exactly as it was sent to you"))
    if row.revoked_at is not None:
        raise BadLink(_("this link was revoked; please ask the person who sent it to you for a new one"))
    if row.ends_at < now_ms():
        over = BadLink(_("this link has expired; please ask the person who sent it to you for a new one"))
        over.number = row.number
        raise over
    return int(row.number)


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), right.encode())


def _signed(connection: sa.Connection, number: int) -> str:
    return b32encode(keyed(connection, SIGNING, "link", number)).decode().rstrip("=")
