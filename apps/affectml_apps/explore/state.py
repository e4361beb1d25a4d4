"""The collection that this process serves, and what was asked of it last."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from affectml.errors import AffectmlError, BadInput
from affectml.exploring import Collection, View
from affectml_apps.explore.colours import first_colour
from affectml_apps.serving import give_back_memory

KEPT_VIEWS = 16
KEPT_UPLOADS = 4  # of 12 MB at most


Searched = tuple[NDArray[np.uint32], NDArray[np.float32] | None]


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
        self._uploads: OrderedDict[str, Image.Image] = OrderedDict()
        self._has_searched = False
        self._lock, self._opening = threading.Lock(), threading.Lock()
        self._take(opens())

    def _take(self, found: Collection) -> None:
        """Make or read the map; without embeddings there is none, and no image has a place."""
        places = np.full((len(found), 2), np.nan) if found.searcher is None else found.map(self._say)
        colour = first_colour(found)
        with self._lock:
            self.found, self.places, self.colour = found, np.ascontiguousarray(places, dtype="<f4"), colour
            self.version = secrets.token_hex(6)
            self._shown: OrderedDict[View, Future[Searched]] = OrderedDict()
            self._selections: tuple[list[tuple[str, int]] | None, dict[str, int]] = None, {}

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
            print(f"{type(error).__name__}: {error}", flush=True)
        give_back_memory()

    def searched(self, view: View) -> Searched:
        """`Collection.shown`, and of a search how well each fits; the last few views kept.

        A saved selection is read afresh. The script and the browser ask for the same view at once: one of them finds
        it, and the other waits.
        """
        key = view.but(image="", colour="")
        with self._lock:
            found, kept = self.found, self._shown
            there = None if key.selection else kept.get(key)
            made: Future[Searched] = there or Future()
            kept[key] = made
            kept.move_to_end(key)
            while len(kept) > KEPT_VIEWS:
                kept.popitem(last=False)
        if there is None:
            try:
                rows, fits = np.asarray(found.shown(key), dtype="<u4"), found.fits(key)
                made.set_result((rows, None if fits is None else fits[rows].astype("<f4")))
            except BaseException as error:
                made.set_exception(error)
                with self._lock:
                    kept.pop(key, None)
            if key.text and not self._has_searched:  # an encoder was loaded for it
                self._has_searched = True
                give_back_memory()
        return made.result()

    def shown(self, view: View) -> NDArray[np.uint32]:
        """The images of a view, in its order."""
        return self.searched(view)[0]

    def selections(self) -> dict[str, int]:
        """What was saved, read again once their folder has changed: each may name every image."""
        files = sorted((self.found.dataset.root / "explore" / "selections").glob("*.json"))
        stamp = [(file.name, file.stat().st_mtime_ns) for file in files]
        if self._selections[0] != stamp:
            self._selections = stamp, self.found.selections.counts()
        return self._selections[1]

    def check(self, index: int) -> None:
        """Raises BadInput for an index that no image has."""
        if not 0 <= index < len(self.found):
            raise BadInput(f"image {index}: expected 0 to {len(self.found) - 1}")

    def keep(self, picture: Image.Image) -> str:
        """Hold an image of somebody's own under a name that nobody guesses; the last few are held."""
        token = secrets.token_urlsafe(12)
        with self._lock:
            self._uploads[token] = picture
            while len(self._uploads) > KEPT_UPLOADS:
                self._uploads.popitem(last=False)
        return token

    def upload(self, token: str) -> Image.Image:
        """An image held. Raises BadInput where it is no more."""
        with self._lock:
            if token not in self._uploads:
                raise BadInput("this image is no longer held here: choose it again")
            return self._uploads[token]


_current: Explorer | None = None


def use(explorer: Explorer | None) -> None:
    """Make this the explorer that the page and the routes of this process serve."""
    global _current  # Streamlit runs a page as a script: there is no other place to hand it over
    _current = explorer


def current() -> Explorer:
    """The explorer this process serves."""
    if _current is None:
        raise BadInput("nothing is open; start the app with `streamlit run apps/explore.py`")
    return _current
