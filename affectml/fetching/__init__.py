"""Downloading the images of data sets that are lists of urls: slowly enough for their hosts, and safely for you."""

from typing import TYPE_CHECKING

from affectml._lazy import lazily
from affectml.fetching._config import FetchConfig

if TYPE_CHECKING:
    from affectml.fetching._summary import Failure, FetchSummary
    from affectml.fetching.fetch import fetch_images

__all__ = ["Failure", "FetchConfig", "FetchSummary", "fetch_images"]
__getattr__ = lazily(__name__)
