"""What a download was asked for, checked."""

from dataclasses import dataclass, fields
from math import isfinite

from affectml.errors import BadInput, option


@dataclass(frozen=True)
class FetchConfig:
    """How to download: how fast, how patiently, how much, and from where.

    jobs, per_host: most requests at a time, in all and to one host. delay: seconds between the starts of two requests
    to one host. tries: for each image in this run. wait, max_wait: seconds before the second try, doubled for each
    further one, and up to `wait` more, so that urls differ; at most max_wait. A host that asks for a longer pause is
    put off to the next run. connect_timeout, read_timeout: seconds for a connection, its name looked up, and for any
    next bytes. deadline: seconds in which an image must come, all its tries taken together, waiting not counted.
    max_mb: of the bytes that came. max_pixels: known before an image is decoded; more than Pillow's MAX_IMAGE_PIXELS,
    the default, has no effect. redirects: followed at most. allow_private: also addresses that are no public ones, and
    every port. retry_all: ask again for images that failed for good. contact: for the User-Agent.
    """

    jobs: int = 16
    per_host: int = 2
    delay: float = 0.2
    tries: int = 4
    wait: float = 1.0
    max_wait: float = 60.0
    connect_timeout: float = 10.0
    read_timeout: float = 20.0
    deadline: float = 120.0
    max_mb: float = 32.0
    max_pixels: int = 89_478_485
    redirects: int = 5
    allow_private: bool = False
    retry_all: bool = False
    contact: str = ""

    def __post_init__(self) -> None:
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        for each in fields(self):
            value = getattr(self, each.name)
            kinds: tuple[type, ...] = (int, float) if each.type is float else (each.type,)  # type: ignore[assignment]
            if type(value) not in kinds or (each.type is float and not isfinite(value)):
                raise BadInput(f"{option(each.name, value)}: expected {words[kinds[-1]]}")
        for name in ("jobs", "per_host", "tries", "max_pixels"):
            if getattr(self, name) < 1:
                raise BadInput(f"{option(name, getattr(self, name))}: expected at least 1")
        for name in ("connect_timeout", "read_timeout", "deadline", "max_mb"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{option(name, getattr(self, name))}: expected more than 0")
        for name in ("delay", "wait", "max_wait", "redirects"):
            if not getattr(self, name) >= 0:
                raise BadInput(f"{option(name, getattr(self, name))}: expected 0 or more")
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise BadInput(f"{option('contact', self.contact)}: expected printable ASCII, such as you@example.org")

    @property
    def max_bytes(self) -> int:
        """The most bytes of an image."""
        return int(self.max_mb * 2**20)
