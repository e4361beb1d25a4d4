"""Rates as a query: "awe and joy without fear"; texts with a part; and the polygon of a lasso."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from affectml.errors import BadInput, UnknownLabel
from affectml.taxonomies import Taxonomy
from affectml.taxonomies.near import nearest

AND, WITHOUT, NOT = ("and", "with", "+", "&"), ("without", "but"), ("not", "no")

Array = NDArray[Any]


def parse_rates(text: str, taxonomy: Taxonomy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels that a query wants, and those that it does not want.

    Labels and their synonyms stand one after the other, with `and`, commas or nothing between. Whatever follows
    `without` is unwanted, and the one label that follows `not`. Of several readings the longest name is taken.

    Raises:
        UnknownLabel: for a word that is none of these; names the nearest label.
        BadInput: for a query without a label, or one that wants a label and does not want it.

    >>> from affectml.taxonomies import get_taxonomy
    >>> parse_rates("awe, excitement without fear and anger", get_taxonomy("mikels-8"))
    (('awe', 'excitement'), ('fear', 'anger'))
    """
    names = _names(taxonomy)
    words = re.findall(r"[^\s,;]+", text.lower())
    longest = max((len(name) for name in names), default=1)
    wanted, unwanted = dict[str, None](), dict[str, None]()
    at, ever, once = 0, False, False
    while at < len(words):
        size = next((k for k in range(longest, 0, -1) if tuple(words[at : at + k]) in names), 0)
        if size:
            (unwanted if ever or once else wanted)[names[tuple(words[at : at + size])]] = None
            at, once = at + size, False
            continue
        word = words[at]
        ever, once = ever or word in WITHOUT, once or word in NOT
        if word not in (*AND, *WITHOUT, *NOT):
            near = nearest(word, taxonomy.names())
            raise UnknownLabel(
                f"rates {text!r}: no label {word!r}{near} (labels: {', '.join(taxonomy.labels)}; between them: and, "
                "without, not)"
            )
        at += 1
    if not wanted and not unwanted:
        raise BadInput(f"rates {text!r}: expected labels, as in {' without '.join(taxonomy.labels[:2])!r}")
    both = [label for label in wanted if label in unwanted]
    if both:
        raise BadInput(f"rates {text!r}: {both[0]!r} is wanted and not wanted; leave one out")
    return tuple(wanted), tuple(unwanted)


def _names(taxonomy: Taxonomy) -> Mapping[tuple[str, ...], str]:
    """What each label may be called, as words; a label's own name comes before others' synonyms."""
    found: dict[tuple[str, ...], str] = {}
    for name, label in taxonomy.names().items():
        found.setdefault(tuple(re.findall(r"[^\s,;]+", name.lower())), label)
    found.pop((), None)
    return found


def fit(wanted: Array, unwanted: Array) -> Array:
    """How well images fit a query: the geometric mean of the rates that it wants and of 1 less those that it does not.

    wanted: [N, A]; unwanted: [N, B]; A + B at least 1. Returns float32 [N] in [0, 1], nan where one of them is.

    >>> fit(np.array([[0.9], [0.4]]), np.array([[0.6], [0.1]])).round(2).tolist()
    [0.6000000238418579, 0.6000000238418579]
    """
    parts = np.concatenate([wanted, 1 - unwanted], axis=1, dtype=np.float64).clip(0, 1)
    return np.asarray(parts.prod(axis=1) ** (1 / parts.shape[1]), dtype=np.float32)


def folded(text: str) -> str:
    """A text without capitals, its accents composed one way."""
    return unicodedata.normalize("NFC", text).casefold()


def having(part: str, texts: Sequence[str]) -> NDArray[np.bool_]:
    """Which of these folded texts have a part in them."""
    wanted = folded(part)
    return np.fromiter((wanted in text for text in texts), dtype=bool, count=len(texts))


def inside(corners: Array, points: Array) -> NDArray[np.bool_]:
    """Which points [N, 2] lie in the polygon of `corners` [K, 2]; its last corner is joined to its first.

    By crossings, odd or even (Shimrat 1962): where it crosses itself, what it surrounds twice is outside. Points that
    are nan are outside.
    """
    corners = np.asarray(corners, dtype=np.float64)
    out = np.zeros(len(points), dtype=bool)
    with np.errstate(invalid="ignore"):
        near = ((points >= corners.min(axis=0)) & (points <= corners.max(axis=0))).all(axis=1)
    rows = np.flatnonzero(near)
    x, y = points[rows].astype(np.float64).T
    odd = np.zeros(len(rows), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 != y1:
            crossed = (y0 > y) != (y1 > y)
            odd ^= crossed & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    out[rows] = odd
    return out
