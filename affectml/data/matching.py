"""Which image of a data set is meant by the names that another file has for its rows."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.errors import BadInput

_SUFFIX = re.compile(r"\.(jpe?g|png|gif|bmp|webp|tiff?)$", re.IGNORECASE)
Search = Callable[[str], Collection[int]]  # the images that a name may mean, by their rows


def match_images(images: pd.DataFrame, names: Sequence[Sequence[str]], where: str) -> NDArray[np.int64]:
    """The row of `images` that each row of another file means, [N]; -1 where the data set has no such image.

    A name is an image's where it is its image_id; else where it is its file or url; else where one of the two paths is
    the end of the other, `anger/7.jpg` of `photos/anger/7.jpg`, and at last so without an image's suffix. Backslashes,
    a leading `images/` and the way an accent is composed do not matter. `fear/7.jpg` is never `anger/7.jpg`.

    Args:
        images: image_id and, where known, file and url, as images.parquet.
        names: what each of N rows calls its image; the first name that is an image's counts.
        where: what error messages call the other file.

    Raises:
        BadInput: a name that is the end of two images' paths, naming both, or two rows that mean one image.
    """
    ids = images["image_id"].astype(str).tolist()
    find = image_finder(images, where)
    found = np.full(len(names), -1, dtype=np.int64)
    first: dict[int, int] = {}
    for row, mine in enumerate(names):
        found[row] = at = find(mine)
        if at >= 0 and first.setdefault(at, row) != row:
            raise BadInput(
                f"{where}: {names[first[at]][0]!r} and {mine[0]!r} are both image {ids[at]!r} of the data set; take "
                "one of the two rows out"
            )
    return found


def image_finder(images: pd.DataFrame, where: str) -> Callable[[Sequence[str]], int]:
    """A function from what a row calls its image to the row of `images`, or -1; as `match_images` finds them."""
    ids = images["image_id"].astype(str).tolist()
    files = _cells(images, "file")
    paths = [*enumerate(ids), *files]
    steps = [_search(enumerate(ids)), _search([*files, *_cells(images, "url")])]
    steps += [_search(paths, form, ends=True) for form in (plain, _without_suffix)]

    def find(names: Sequence[str]) -> int:
        for step in steps:
            for name in names:
                met = sorted(step(name))
                if len(met) > 1:
                    raise BadInput(
                        f"{where}: {name!r} could be image {ids[met[0]]!r} or {ids[met[1]]!r} of the data set; name it "
                        "by its image_id or by more of its path"
                    )
                if met:
                    return int(met[0])
        return -1

    return find


def plain(name: str) -> str:
    """A file's name as a path with `/`, without a leading `images/` and with accents composed."""
    path = unicodedata.normalize("NFC", name).replace("\\", "/")
    return path.removeprefix("./").removeprefix("images/").strip("/")


def _without_suffix(name: str) -> str:
    return _SUFFIX.sub("", plain(name))


def _cells(images: pd.DataFrame, column: str) -> list[tuple[int, str]]:
    if column not in images.columns:
        return []
    return [(row, str(cell)) for row, cell in enumerate(images[column]) if not pd.isna(cell)]


def _search(named: Iterable[tuple[int, str]], form: Callable[[str], str] = str, *, ends: bool = False) -> Search:
    """A search for images by all of a name; ends: else by the end of their path, or the other way round."""
    whole: dict[str, set[int]] = defaultdict(set)
    longer: dict[str, set[int]] = defaultdict(set)
    for row, name in named:
        path = form(name)
        whole[path].add(row)
        for end in _tails(path) if ends else ():
            longer[end].add(row)

    def search(name: str) -> set[int]:
        path = form(name)
        shorter = (whole[end] for end in _tails(path) if ends and end in whole)
        return whole.get(path) or longer.get(path) or next(shorter, set())

    return search


def _tails(path: str) -> Iterator[str]:
    """The ends of a path, the longest first, without the path itself."""
    parts = path.split("/")
    for start in range(1, len(parts)):
        yield "/".join(parts[start:])
