"""What of a data set is meant: which target, which image by the names that another file has for its rows, which images
belong together (groups that share an image are one), and the levels of a column of images.parquet as words, whatever
the column is kept as.
"""

import itertools
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from affectml.data.dataset import Dataset
from affectml.data.targets import Targets
from affectml.errors import BadDataset, BadInput, option

SEVERAL = ("rates", "sets")  # the kinds of target by which several labels of an image may hold


def choose_target(dataset: Dataset, *, multilabel: bool | None, name: str | None) -> Targets:
    """The target that fits what was asked for.

    Args:
        dataset: with its targets.
        multilabel: True takes rates or sets, else single labels; False single labels, else a distribution; None the
            only target there is, of any kind.
        name: of one target, which has to fit.

    Raises:
        BadDataset: for none that fits, and where several do; it names the option that decides.
    """
    if name is not None:
        return _named_target(dataset, name, multilabel)
    dataset.need_targets()
    kinds = {key: entry.kind for key, entry in dataset.meta.targets.items()}
    have = ", ".join(f"{key} ({kind})" for key, kind in kinds.items())
    if multilabel is None:
        if len(kinds) == 1:
            return dataset.target(next(iter(kinds)))
        several = {kind in SEVERAL for kind in kinds.values()}
        if len(several) != 1:
            way = f"choose with {option('target')}, or pass {option('multilabel')}"
            raise BadDataset(f"{dataset.root}: which target to learn? It has {have}: {way}")
        multilabel = several.pop()
    asked = option("multilabel", True)
    for group in (SEVERAL, ("single",)) if multilabel else (("single",), ("distribution",)):
        fitting = [key for key, kind in kinds.items() if kind in group]
        if len(fitting) > 1:
            names = ", ".join(fitting)
            raise BadDataset(f"{dataset.root}: targets {names} would both do; choose with {option('target')}")
        if fitting:
            return dataset.target(fitting[0])
    asked_people = f"import the votes with {option('n', 20)}, or whatever number of people were asked of each image"
    needs = f"{asked} needs rates, sets or single labels: leave it out, or {asked_people}"
    way = needs if multilabel else f"rates and sets are learned with {asked}"
    what = "several labels" if multilabel else "one label"
    raise BadDataset(f"{dataset.root}: no target with {what} an image; it has {have}. {way}")


def _named_target(dataset: Dataset, name: str, multilabel: bool | None) -> Targets:
    targets = dataset.target(name)
    if multilabel and targets.kind == "distribution":
        raise BadDataset(
            f"{dataset.root}: target {name} is a distribution over the labels, which says nothing of sets: "
            f"leave out {option('multilabel')}, or import rates or sets"
        )
    if multilabel is False and targets.kind in SEVERAL:
        raise BadDataset(f"{dataset.root}: target {name} has {targets.kind}: add {option('multilabel', True)}")
    return targets


def from_people(kind: str) -> bool:
    """Whether a target of this kind holds people's answers, and not labels that images have."""
    return kind in ("rates", "distribution")


Copies = Sequence[Sequence[str]]


def joined(groups: NDArray[Any] | None, image_ids: Sequence[str] | NDArray[Any], copies: Copies) -> NDArray[Any] | None:
    """Groups [N] as `Dataset.groups` gives them, with `copies` in one group; None where there are neither."""
    here = {str(image) for image in image_ids}
    copies = [group for group in ([image for image in group if image in here] for group in copies) if len(group) > 1]
    if not copies:
        return groups
    names = [None] * len(image_ids) if groups is None else [str(name) for name in groups]
    named = names_of([str(image) for image in image_ids], names, copies)
    alone = [f"image {image}" for image in image_ids]
    return np.array([name or other for name, other in zip(named, alone, strict=True)], dtype=object)


def names_of(ids: Sequence[str], names: Sequence[str | None], copies: Copies) -> list[str | None]:
    """The group of each image once `copies` are in one group; groups that share an image become one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row = {image: at for at, image in enumerate(ids)}
    members = defaultdict(list)
    for at, name in enumerate(names):
        if name is not None:
            members[name].append(at)
    sets = [*members.values(), *([row[image] for image in group if image in row] for group in copies)]
    edges = np.array([pair for group in sets for pair in itertools.pairwise(group)], dtype=np.int64).reshape(-1, 2)
    matrix = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(len(ids), len(ids)))
    count, component = connected_components(matrix, directed=False)
    size = np.bincount(component, minlength=count)
    called: dict[int, str] = {}
    for at in sorted(range(len(ids)), key=lambda at: (names[at] is None, names[at] or "", ids[at])):
        called.setdefault(int(component[at]), names[at] or f"duplicates of {ids[at]}")
    grouped = [size[one] > 1 or name is not None for one, name in zip(component, names, strict=True)]
    return [called[int(one)] if on else None for one, on in zip(component, grouped, strict=True)]


def crossing_copies(image_ids: NDArray[Any], parts: NDArray[Any], copies: Copies) -> int:
    """How many pairs of copies lie in different parts; images in none of `parts` (None, unused) do not count."""
    at, unused = dict(zip(image_ids, parts, strict=True)), (None, "unused")
    pairs = 0
    for group in copies:
        counts = np.unique([at[image] for image in group if at.get(image) not in unused], return_counts=True)[1]
        pairs += int(counts.sum() ** 2 - (counts**2).sum()) // 2
    return pairs


Array = NDArray[Any]


def levels_of(images: pd.DataFrame, column: str | None, image_ids: Array) -> Array | None:
    """The level of each image in a column of images.parquet as text, None where it has none; None without the column.

    Args:
        images: the data set's images.
        column: its name, or None.
        image_ids: [N].
    """
    if column is None or column not in images.columns:
        return None
    found = as_text(images.set_index("image_id")[column]).reindex(pd.Index(image_ids))
    return np.array([None if pd.isna(value) else value for value in found], dtype=object)


def levels_in(images: pd.DataFrame, column: str | None, image_ids: Array) -> list[str]:
    """The levels that these images have in a column, sorted."""
    levels = levels_of(images, column, image_ids)
    return [] if levels is None else sorted({level for level in levels if level is not None})


def as_text(values: pd.Series) -> pd.Series:
    """Values as words, missing where they are; a whole number without a fraction, whatever it is kept as.

    A column of whole numbers is kept as floats as soon as one is missing: 1 and 1.0 are one level.
    """
    return values.astype(object).map(_word, na_action="ignore")


def _word(value: object) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


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
