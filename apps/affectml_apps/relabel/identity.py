"""Who somebody is, and what they may do, and how much of it.

A name is no proof; a token says only that this server gave it out.
"""

import hashlib
import hmac
import math
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Collection, Iterable

from itsdangerous import BadData, URLSafeSerializer

from affectml_annotation import LabelStore
from affectml_annotation.languages import marked
from affectml_annotation.store.schema import read_setting, setting
from affectml_apps.serving import Refused

SECRET = "relabel-secret"
NAME = re.compile(r"[^\x00-\x1f\x7f<>]{1,80}")
# More than anybody types, and enough at once for a browser that comes out of a long tunnel.
BURST = 2000
PER_SECOND = 10.0
FORGET_ABOVE = 10_000


class BadToken(Refused):
    """A token that this task's server did not give out; the message is `marked`, since nobody is known yet."""

    status = 401


def clean_name(text: str) -> str | None:
    """A name somebody typed, without outer blanks, in one Unicode form (NFC).

    None if it cannot be one: empty, too long, with control characters.
    """
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    return name if NAME.fullmatch(name) else None


def known_as(name: str, people: Iterable[str]) -> str:
    """A name as whoever is meant is known here: "FAST1", full width or not, is "fast1".

    The very same name comes first, then the first of `people` that differs only in case or width (NFKC, case-folded);
    a name that nobody has stays as it is.
    """
    known = list(people)
    folded = _folded(name)
    return name if name in known else next((each for each in known if _folded(each) == folded), name)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def sealed(secret: str, purpose: str) -> URLSafeSerializer:
    """What writes plain values as signed text, and reads it again: BadSignature for any other. Signed, not hidden."""
    how = {"key_derivation": "hmac", "digest_method": hashlib.sha256}
    return URLSafeSerializer(secret, salt=purpose, signer_kwargs=how)


def make_token(secret: str, who: str) -> str:
    """A token for one annotator."""
    return str(sealed(secret, "annotator").dumps(who))


def read_token(secret: str, token: str) -> str:
    """The annotator a token was made for; BadToken where the signature does not fit."""
    try:
        return str(sealed(secret, "annotator").loads(token))
    except BadData:
        raise BadToken(marked("this token was not given out by this task's server; open the page again")) from None


def ticket(secret: str, who: str, image_id: str, round_number: int) -> str:
    """Proof that this image was given to this person in this round; it outlives the claim."""
    message = f"item:{who}\0{image_id}\0{round_number}"
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


def may_lead(who: str | None, leads: Collection[str], *, signed_in: bool, only_here: bool) -> bool:
    """Whether somebody sees the lead's pages.

    signed_in: people sign in; only_here: nobody but this machine reaches the server. Where neither holds, a name
    would open everyone's answers to the network, so nobody leads. With a list of leads, those on it. Without one,
    everybody on a page for this machine only, whose owner is there alone, and nobody who signs in from elsewhere.
    Roles given by the store would be asked here.
    """
    if not signed_in and not only_here:
        return False
    if leads and who is not None and not signed_in:
        who = known_as(who, leads)  # an account's address is compared as it is: another one is another account
    return who in leads if leads else not signed_in


def read_secret(store: LabelStore) -> str:
    """The key that signs this task's tokens, made when first asked for.

    It lives in the database, so that a browser's token outlives a restart and holds on every server of the task.
    """
    with store.database.write() as connection:
        value = read_setting(connection, SECRET)
        if value is None:
            value = secrets.token_hex(32)
            connection.execute(setting.insert().values(key=SECRET, value=value))  # of two servers one makes it
    return str(value)


class Allowance:
    """How many answers one person may send: a token bucket each, in this process's memory.

    A call without any counts as one. Nothing is lost by waiting: the browser keeps its answers.
    burst: at once; per_second: on the long run; clock: seconds that never go back, for tests.
    """

    def __init__(
        self, burst: int = BURST, per_second: float = PER_SECOND, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.burst, self.per_second, self.clock = burst, per_second, clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, who: str, count: int = 1) -> int:
        """Take `count` from this person's allowance: 0, or the whole seconds to wait before asking again.

        A count above the burst waits for a full bucket and then passes, so that no message waits for ever.
        """
        with self._lock:
            now = self.clock()
            left, at = self._left.get(who, (float(self.burst), now))
            left = min(self.burst, left + (now - at) * self.per_second)
            need = min(count, self.burst)
            if need > 0 and left < need:
                self._left[who] = left, now
                return max(1, math.ceil((need - left) / self.per_second))
            self._left[who] = left - max(need, 0), now
            if len(self._left) > FORGET_ABOVE:
                after = {name: left + (now - at) * self.per_second for name, (left, at) in self._left.items()}
                self._left = {name: kept for name, kept in self._left.items() if after[name] < self.burst}
            return 0
