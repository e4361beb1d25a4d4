"""Groups of images that belong together, and groups that share an image made one."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
