"""The collection that this process serves, what was asked of it last, and what colours say of its images."""

import secrets
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectml.exploring import Collection, Column, View
from affectml_apps.serving import Served

KEPT_VIEWS = 16
COLOURS = 9  # levels with a colour of their own; the others share one
UNKNOWN = 255
TAIL = 1.0  # percent at either end of a number's values that share the colour of the end


class Shown(NamedTuple):
    """What a view shows. rows: the places of its images, in order; fits: of a search, how well each of them fits."""

    rows: NDArray[np.uint32]
    fits: NDArray[np.float32] | None


class Explorer:
    """A collection with its map.

    found: the collection. places: the map, [N, 2]. colour: the column that colours it where nobody chose one. version:
    new whenever the collection is opened.
    """

    def __init__(self, opens: Callable[..., Collection]) -> None:
        """opens: as `Collection` with its arguments; `encoders` are given as well."""
        self._opens = opens
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._take(opens())

    def _take(self, found: Collection) -> None:
        """Make or read the map; without embeddings there is none, and no image has a place."""
        places = np.full((len(found), 2), np.nan) if found.searcher is None else found.map()
        colour = first_colour(found)
        with self._lock:
            self.found, self.places, self.colour = found, np.ascontiguousarray(places, dtype="<f4"), colour
            self.version = secrets.token_hex(6)
            self._kept = lru_cache(maxsize=KEPT_VIEWS)(self._search)

    def refresh(self) -> None:
        """Open the collection again where its files have changed since, as after somebody labelled an image."""
        with self._opening:
            if self.found.judgements.is_old:
                self._take(self._opens(encoders=self.found.encoders))

    def shown(self, view: View) -> Shown:
        """What a view shows; the last few are kept, but a saved selection is read afresh.

        The script and the browser ask for the same view at once: one of them finds it, and the other waits.
        """
        key = view.but(image="", colour="")
        with self._lock:
            return self._search(key) if key.selection else self._kept(key)

    def _search(self, view: View) -> Shown:
        rows, fits = np.asarray(self.found.shown(view), dtype="<u4"), self.found.fits(view)
        return Shown(rows, None if fits is None else fits[rows].astype("<f4"))


current: Served[Explorer] = Served("apps/explore.py")


def first_colour(found: Collection) -> str:
    """The column that colours the map where nobody chose one: what people or a run say, else one of the images'."""
    said = [f"{name}.mode" for name in found.said]
    own = [name for name, column in found.columns.items() if column.group == "images"]
    return next(iter([*said, *own]), "")


def coded(column: Column) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """uint8 [N], 255 where unknown, and the legend.

    A category: `levels` are [text, images] by colour; its 9 most frequent ones have one each, in the order of the
    column, and all others the last. `names` are the levels by code, which the first 255 have; further ones share the
    last code, whose name is "". A number: 0 to 254 stand for `low` to `high`, between which all but the outermost
    percents lie: a few that are far off would leave one colour to all others.
    """
    values = column.values
    if not column.levels:
        known = np.isfinite(values)
        codes = np.full(len(values), UNKNOWN, np.uint8)
        if not known.any():
            return codes, {"low": None, "high": None, "unknown": len(values)}
        least, low, high, most = map(float, np.percentile(values[known], [0, TAIL, 100 - TAIL, 100]))
        if low == high:
            low, high = least, most
        inside = (values[known].clip(low, high) - low) * (254 / (high - low) if high > low else 0)
        codes[known] = np.round(inside)
        ends = [
            "0" if abs(end) < (high - low) / 1000 else f"{beyond}{end:.3g}"  # 5e-06 of rates is none
            for end, beyond in ((low, "≤ " * (least < low)), (high, "≥ " * (most > high)))
        ]
        return codes, {"low": ends[0], "high": ends[1], "unknown": int((~known).sum())}
    counts = np.bincount(values[values >= 0], minlength=len(column.levels))
    there = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
    there[:COLOURS].sort()
    table = np.full(len(counts) + 1, UNKNOWN - 1, np.uint8)
    table[there[:UNKNOWN]] = np.arange(min(len(there), UNKNOWN))
    table[-1] = UNKNOWN  # -1
    names = [column.levels[at] for at in there[:UNKNOWN]]
    levels = [[name, int(counts[at])] for name, at in zip(names[:COLOURS], there, strict=False)]
    if rest := there[COLOURS:].tolist():
        name = column.levels[rest[0]] if len(rest) == 1 else f"{len(rest)} other levels"
        levels.append([name, int(counts[rest].sum())])
    if len(there) > UNKNOWN:
        names[-1] = ""
    return table[values], {"levels": levels, "names": names, "unknown": int((values < 0).sum())}
