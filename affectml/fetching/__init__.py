"""Downloading the images of data sets that are lists of urls: slowly enough for their hosts, and safely for you."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from affectml._lazy import lazily
from affectml._options import check_range
from affectml.errors import BadInput, option

if TYPE_CHECKING:
    from affectml.fetching.fetch import FetchSummary, fetch_images

__all__ = ["FetchConfig", "FetchSummary", "fetch_images"]
__getattr__ = lazily(__name__)


@dataclass(frozen=True)
class FetchConfig:
    """How to download: how fast, how patiently, how much, and from where.

    The second try comes 1 to 2 seconds after the first, each further one after twice as long, at most max_wait; waiting
    does not count for the deadline. An image of more pixels than Pillow's MAX_IMAGE_PIXELS (89 million unless changed)
    is refused.

    Args:
        jobs: Most requests at a time.
        per_host: Most requests at a time to one host.
        delay: Seconds between the starts of two requests to one host.
        tries: Tries for each image in this run.
        max_wait: Longest pause in seconds; a host that asks for more is put off.
        timeout: Seconds until a connection stands, or further bytes come.
        deadline: Seconds for each try of an image.
        max_mb: Most megabytes of an image.
        allow_private: Also ask this machine and its network, and every port.
        retry_all: Ask again for images that failed for good in an earlier run.
        contact: Address or page for the User-Agent, so that a host can reach you.
    """

    jobs: Annotated[int, Ge(1)] = 16
    per_host: Annotated[int, Ge(1)] = 2
    delay: Annotated[float, Ge(0)] = 0.2
    tries: Annotated[int, Ge(1)] = 4
    max_wait: Annotated[float, Ge(0)] = 60.0
    timeout: Annotated[float, Ge(0.001)] = 20.0
    deadline: Annotated[float, Ge(0.001)] = 120.0
    max_mb: Annotated[float, Ge(0.001)] = 32.0
    allow_private: bool = False
    retry_all: bool = False
    contact: str = ""

    def __post_init__(self) -> None:
        check_range(self)
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise BadInput(f"{option('contact', self.contact)}: expected printable ASCII, such as you@example.org")
