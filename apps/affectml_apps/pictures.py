"""Images for a browser: sent as they are where it can show them, else converted; never decoded beyond a limit.

A PNG of 0.5 MB may hold 13,000 x 13,000 pixels, which take 500 MB once decoded. So the size is read from the file's
head first, one image is decoded at a time, and the last ones that were made are kept.
"""

import io
import threading
from base64 import b64encode
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from affectml_annotation.exchange.files import no_file

# Decoded, 40 million pixels are 160 MB. Cameras beyond it write JPEG, which is decoded smaller.
MAX_PIXELS = 40_000_000
MAX_SIDE = 4096
PREVIEW = 560
SHOWN = ("PNG", "JPEG", "MPO", "GIF", "WEBP", "AVIF", "BMP")
CONVERTED = ("TIFF", "JPEG2000", "PPM", "HEIF")


class BadImage(OSError):
    """A file that is no image we can show; the text says why in one line."""


_one_at_a_time = threading.Lock()


def for_browser(path: Path) -> tuple[Path | bytes, str]:
    """The file itself where browsers show it, else the image as WebP; and the media type.

    Converted are other formats, and JPEG of more than MAX_PIXELS pixels, to at most MAX_SIDE wide and high; more
    pixels in any other format are too many. Raises BadImage.
    """
    with _open(path) as opened:
        if opened.format in SHOWN and opened.width * opened.height <= MAX_PIXELS:
            return path, "image/jpeg" if opened.format == "MPO" else Image.MIME[opened.format]
    return _large(path, _stamp(path), MAX_SIDE), "image/webp"


def preview(path: Path, side: int = PREVIEW) -> str:
    """An image as a data URI, at most `side` pixels wide and high.

    It goes over the lead's own connection: an address in Streamlit's media store would be served to anybody who
    has it. Raises BadImage.
    """
    return data_uri(_small(path, _stamp(path), side))


def thumbnail(path: Path, side: int) -> bytes:
    """An image as WebP, at most `side` pixels wide and high, never enlarged. Raises BadImage."""
    # a sixth of the time that quality 90 takes by WebP's own way
    return _small(path, _stamp(path), side, quality=82, method=0)


def data_uri(webp: bytes) -> str:
    """A picture of `as_webp` as an address that holds it."""
    return f"data:image/webp;base64,{b64encode(webp).decode()}"


def as_webp(picture: Image.Image, **options: int) -> bytes:
    """A picture as a file for the browser. options: of Pillow's WebP."""
    stored = io.BytesIO()
    picture.save(stored, "WEBP", **{"quality": 90, **options})
    return stored.getvalue()


def _stamp(path: Path) -> tuple[int, int]:
    """What changes when a file does."""
    try:
        there = path.stat()
    except OSError:
        raise BadImage("no such file") from None
    return there.st_mtime_ns, there.st_size


def _webp(path: Path, _stamp: tuple[int, int], side: int, **options: int) -> bytes:
    return as_webp(_decoded(path, side), **options)


_small = lru_cache(maxsize=1024)(_webp)  # of some 20 kB
_large = lru_cache(maxsize=16)(_webp)  # of some megabytes


def _open(path: Path) -> Image.Image:
    """The image's head; nothing is decoded yet."""
    Image.init()
    formats = [name for name in (*SHOWN, *CONVERTED) if name in Image.OPEN]  # no EPS: it would start a program
    if why := no_file(path):
        raise BadImage(why)
    try:
        return Image.open(path, formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImage(f"it has more pixels than can be shown; the limit is {MAX_PIXELS:,}") from None
    except UnidentifiedImageError:
        raise BadImage("no image that can be shown: damaged, or of another format") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise BadImage(f"the file cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _decoded(path: Path, side: int) -> Image.Image:
    """Upright RGBA, at most `side` pixels wide and high."""
    with _one_at_a_time, _open(path) as opened:
        if opened.format in ("JPEG", "MPO") and not opened.info.get("progressive"):
            _draft(opened, side)
        if opened.width * opened.height > MAX_PIXELS:
            size = f"{opened.width:,} × {opened.height:,}"
            raise BadImage(f"{size} pixels are too many to show; the limit is {MAX_PIXELS:,}")
        try:
            opened.load()
        except (OSError, ValueError, SyntaxError) as error:
            raise BadImage(f"the file is cut off or damaged: {error}") from None
        picture = _eight_bits(opened)
        picture.thumbnail((side, side))
        return ImageOps.exif_transpose(picture).convert("RGBA")


def _draft(opened: Image.Image, side: int) -> None:
    """Have a file decoded at half its size, or less, without decoding all of it first."""
    width, height, part = opened.width, opened.height, 1
    while part < 8 and (width * height > MAX_PIXELS * part**2 or max(width, height) >= 2 * part * side):
        part *= 2
    opened.draft("RGB", (width // part, height // part))


def _eight_bits(opened: Image.Image) -> Image.Image:
    """The image with 8 bits a channel: 16 are scaled, since cutting them off would turn nearly everything white."""
    if not opened.mode.startswith(("I", "F")):
        return opened.convert("RGBA") if opened.mode in ("P", "1", "PA") else opened
    grey = (opened.convert("I") if opened.mode.startswith("I;") else opened).convert("F")
    values = np.asarray(grey)
    low, high = (0.0, 65535.0) if opened.mode.startswith("I") else (float(values.min()), float(values.max()))
    scale = 255 / (high - low) if high > low else 0.0
    return grey.point(lambda value: value * scale - low * scale).convert("L")
