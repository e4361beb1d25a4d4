"""Pieces of HTML for notebooks and pages: everything that came from a user is escaped, pictures are data URIs."""

import base64
import io
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from PIL import Image

THUMBNAIL = 192  # pixels, longer side


def data_uri(picture: Image.Image, size: int = THUMBNAIL) -> str:
    """A picture as a small JPEG inside a URI."""
    small = picture.convert("RGB")
    small.thumbnail((size, size))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def thumbnail(file: Path, size: int = THUMBNAIL) -> str | None:
    """An image file as a data URI; None where it cannot be read."""
    from affectml.encoders import read_image
    from affectml.errors import AffectmlError

    try:
        return data_uri(read_image(file), size)
    except AffectmlError:
        return None


def picture(uri: str | None, name: str) -> str:
    """An <img>, or the name alone where there is no picture."""
    if uri is None:
        return escape(name)
    return f'<img src="{escape(uri)}" alt="{escape(name)}" title="{escape(name)}" style="max-height:6em">'


def bar(share: float) -> str:
    """A share of 0 to 1 as a bar with its figure."""
    width = 100 * min(max(share, 0.0), 1.0)
    ground = "display:inline-block;width:5em;height:.6em;background:rgba(128,128,128,.25)"
    filled = f"display:block;width:{width:.0f}%;height:.6em;background:#b5541c"
    return f'<span style="{ground}"><span style="{filled}"></span></span> {share:.2f}'


def plain(text: str) -> str:
    """A user's words as words in Markdown: no sign in them is Markdown or HTML, and they stay on their line.

    An underscore inside a word is no sign.
    """
    escaped = re.sub(r"[\\`*\[\]#|~$]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", " ".join(text.split()))
    return escape(escaped, quote=False)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already; the columns' names are not."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
