"""The collection that this process serves, and what was asked of it last."""

import secrets
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectml.errors import AffectmlError
from affectml.exploring import Collection, View
from affectml_apps.explore.colours import first_colour
from affectml_apps.serving import Served, give_back_memory

KEPT_VIEWS = 16


class Shown(NamedTuple):
    """What a view shows. rows: the places of its images, in order; fits: of a search, how well each of them fits."""

    rows: NDArray[np.uint32]
    fits: NDArray[np.float32] | None


class Explorer:
    """A collection with its map.

    found: the collection. places: the map, [N, 2]. colour: the column that colours it where nobody chose one. names:
    whether who said what may be shown. version: new whenever the collection is opened.
    """

    def __init__(
        self, opens: Callable[..., Collection], *, names: bool = True, say: Callable[[str], None] = lambda line: None
    ) -> None:
        """opens: as `Collection` with its arguments; `encoders` are given as well."""
        self._opens, self.names, self._say = opens, names, say
        self._has_searched = False
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

    def warm(self) -> None:
        """Compute all columns; for a thread beside the server's."""
        try:
            self.found.warm()
        except AffectmlError as error:  # told again where it is asked for
            self._say(f"{type(error).__name__}: {error}")
        give_back_memory()

    def shown(self, view: View) -> Shown:
        """What a view shows; the last few are kept, but a saved selection is read afresh.

        The script and the browser ask for the same view at once: one of them finds it, and the other waits.
        """
        key = view.but(image="", colour="")
        with self._lock:
            return self._search(key) if key.selection else self._kept(key)

    def _search(self, view: View) -> Shown:
        rows, fits = np.asarray(self.found.shown(view), dtype="<u4"), self.found.fits(view)
        if view.text and not self._has_searched:  # an encoder was loaded for it
            self._has_searched = True
            give_back_memory()
        return Shown(rows, None if fits is None else fits[rows].astype("<f4"))


current: Served[Explorer] = Served("apps/explore.py")
