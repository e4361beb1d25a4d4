"""What a download is asked for, checked: the options of the command, and of the function."""

from dataclasses import dataclass
from math import isfinite
from typing import Annotated, get_type_hints

from annotated_types import Ge

from affectml._options import Help, check_range
from affectml.errors import BadInput, option


@dataclass(frozen=True)
class FetchConfig:
    """How to download: how fast, how patiently, how much, and from where.

    wait: seconds before the second try, doubled for each further one, and up to `wait` more, so that urls differ; at
    most max_wait. A connection includes the look-up of its name; waiting does not count for the deadline. max_pixels
    are known before an image is decoded; more than Pillow's MAX_IMAGE_PIXELS, the default, has no effect.
    """

    jobs: Annotated[int, Ge(1), Help("Most requests at a time.")] = 16
    per_host: Annotated[int, Ge(1), Help("Most requests at a time to one host.")] = 2
    delay: Annotated[float, Help("Seconds between the starts of two requests to one host.")] = 0.2
    tries: Annotated[int, Ge(1), Help("Tries for each image in this run.")] = 4
    wait: float = 1.0
    max_wait: Annotated[
        float, Help("Longest pause in seconds; a host that asks for more is put off to the next run.")
    ] = 60.0
    connect_timeout: Annotated[float, Help("Seconds until a connection stands.")] = 10.0
    read_timeout: Annotated[float, Help("Seconds until further bytes come.")] = 20.0
    deadline: Annotated[float, Help("Seconds for an image, all its tries together.")] = 120.0
    max_mb: Annotated[float, Help("Most megabytes of an image.")] = 32.0
    max_pixels: Annotated[int, Ge(1), Help("Most pixels of an image.")] = 89_478_485
    redirects: Annotated[int, Ge(0), Help("Redirects to follow at most.")] = 5
    allow_private: Annotated[bool, Help("Also ask this machine and its network, and every port.")] = False
    retry_all: Annotated[bool, Help("Ask again for images that failed for good in an earlier run.")] = False
    contact: Annotated[
        str, Help("Address or page for the User-Agent, so that a host can reach you.", default="none")
    ] = ""

    def __post_init__(self) -> None:
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
        for name, kind in get_type_hints(FetchConfig).items():
            value = getattr(self, name)
            kinds = (int, float) if kind is float else (kind,)
            if type(value) not in kinds or (kind is float and not isfinite(value)):
                raise BadInput(f"{option(name, value)}: expected {words[kind]}")
        check_range(self)
        for name in ("connect_timeout", "read_timeout", "deadline", "max_mb"):
            if not getattr(self, name) > 0:
                raise BadInput(f"{option(name, getattr(self, name))}: expected more than 0")
        for name in ("delay", "wait", "max_wait"):
            if not getattr(self, name) >= 0:
                raise BadInput(f"{option(name, getattr(self, name))}: expected 0 or more")
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise BadInput(f"{option('contact', self.contact)}: expected printable ASCII, such as you@example.org")

    @property
    def max_bytes(self) -> int:
        """The most bytes of an image."""
        return int(self.max_mb * 2**20)
