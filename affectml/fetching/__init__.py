"""Downloading the images of data sets that are lists of urls: slowly enough for their hosts, and safely for you."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge

from affectml._lazy import lazily
from affectml._options import Help, check_range
from affectml.errors import BadInput, option

if TYPE_CHECKING:
    from affectml.fetching.fetch import FetchSummary, fetch_images

__all__ = ["FetchConfig", "FetchSummary", "fetch_images"]
__getattr__ = lazily(__name__)


@dataclass(frozen=True)
class FetchConfig:
    """How to download: how fast, how patiently, how much, and from where.

    The second try comes 1 to 2 seconds after the first, each further one after twice as long, at most max_wait; the
    pause differs from url to url. A connection includes the look-up of its name; waiting does not count for the
    deadline. An image of more pixels than Pillow's MAX_IMAGE_PIXELS (89 million unless changed) is refused.
    """

    jobs: Annotated[int, Ge(1), Help("Most requests at a time.")] = 16
    per_host: Annotated[int, Ge(1), Help("Most requests at a time to one host.")] = 2
    delay: Annotated[float, Ge(0), Help("Seconds between the starts of two requests to one host.")] = 0.2
    tries: Annotated[int, Ge(1), Help("Tries for each image in this run.")] = 4
    max_wait: Annotated[float, Ge(0), Help("Longest pause in seconds; a host that asks for more is put off.")] = 60.0
    timeout: Annotated[float, Ge(0.001), Help("Seconds until a connection stands, or further bytes come.")] = 20.0
    deadline: Annotated[float, Ge(0.001), Help("Seconds for an image, all its tries together.")] = 120.0
    max_mb: Annotated[float, Ge(0.001), Help("Most megabytes of an image.")] = 32.0
    allow_private: Annotated[bool, Help("Also ask this machine and its network, and every port.")] = False
    retry_all: Annotated[bool, Help("Ask again for images that failed for good in an earlier run.")] = False
    contact: Annotated[str, Help("Address or page for the User-Agent, so that a host can reach you.", "none")] = ""

    def __post_init__(self) -> None:
        check_range(self)
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise BadInput(f"{option('contact', self.contact)}: expected printable ASCII, such as you@example.org")
