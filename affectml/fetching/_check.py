"""Whether bytes that came are a picture: by what they are, whatever the server called them."""

import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from affectml._files import sha256
from affectml.encoders import read_image
from affectml.encoders.images import quiet_about_size
from affectml.errors import BadInput
from affectml.fetching._config import FetchConfig
from affectml.fetching._guard import Failed, Retry

# Pillow knows more formats; some of them start other programs.
SUFFIXES = {
    "AVIF": ".avif", "BMP": ".bmp", "GIF": ".gif", "JPEG": ".jpg", "JPEG2000": ".jp2", "MPO": ".jpg", "PNG": ".png",
    "PPM": ".ppm", "TIFF": ".tif", "WEBP": ".webp",
}  # fmt: skip
_MARKUP = {b"<!doctype html": "an HTML page", b"<html": "an HTML page", b"<svg": "SVG", b"<?xml": "SVG or other XML"}


@dataclass(frozen=True)
class Got:
    """A picture that came. file: its place in the data set. sha256: of its bytes, as hex. size: how many there are."""

    file: str
    sha256: str
    size: int


def check(path: Path, config: FetchConfig, whole: bool) -> Got:
    """What is in `path`, decoded whole; its place is named after its content.

    whole: the server said how much there is, and all of it came: then a second try would bring the same.

    Raises:
        Failed: it is no picture, a damaged one, or too large.
    """
    retry: Retry = "never" if whole else "now"
    _inflate(path, config.max_bytes)
    quiet_about_size()
    Image.init()
    try:
        with Image.open(path, formats=[name for name in SUFFIXES if name in Image.OPEN]) as image:
            width, height = image.size
            suffix = SUFFIXES[image.format or ""]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Failed("too many pixels", str(error), "never") from None
    except UnidentifiedImageError:
        raise Failed("not an image", _looks_like(path), retry) from None
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error ...
        raise Failed("damaged image", str(error), retry) from None
    limit = min(config.max_pixels, Image.MAX_IMAGE_PIXELS or config.max_pixels)  # read_image takes no more than these
    if width * height > limit:
        raise Failed("too many pixels", f"{width:,} x {height:,}; at most {limit:,}", "never")
    try:
        read_image(path)
    except BadInput as error:
        raise Failed("damaged image", str(error).removeprefix(f"{path}: "), retry) from None
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
    digest = sha256(path)
    return Got(f"images/{digest[:2]}/{digest}{suffix}", digest, path.stat().st_size)


def _inflate(path: Path, limit: int) -> None:
    """Undo gzip, which some servers send unasked; raises Failed where more would come out than is allowed."""
    with path.open("rb") as handle:
        if handle.read(2) != b"\x1f\x8b":
            return
    try:
        content = zlib.decompressobj(wbits=31).decompress(path.read_bytes(), limit + 1)
    except zlib.error as error:
        raise Failed("damaged image", f"compressed, and not whole ({error})", "now") from None
    if len(content) > limit:
        raise Failed("too large", f"more than {limit:,} bytes when decompressed", "never")
    path.write_bytes(content)


def _looks_like(path: Path) -> str:
    with path.open("rb") as handle:
        head = handle.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "empty"
    for start, what in _MARKUP.items():
        if head.startswith(start):
            return f"{what}, which is no picture of pixels" if "SVG" in what else what
    return f"starts with {head[:12]!r}"
