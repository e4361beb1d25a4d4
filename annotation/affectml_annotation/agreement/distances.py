"""Distances between two answers, each a set of labels. Empty sets are answers: d(0, 0) = 0, d(0, X) = 1."""

from typing import Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
SetDistance = Literal["masi", "jaccard", "nominal"]


def distance_from_sizes(
    shared: npt.NDArray[np.generic],
    first: npt.NDArray[np.generic],
    second: npt.NDArray[np.generic],
    distance: SetDistance,
) -> FloatArray:
    """Distances of pairs of sets, from the sizes of their intersection and of each; any broadcastable shapes.

    jaccard: 1 - |A and B| / |A or B|. masi: 1 - J * m with m = 1 for equal sets, 2/3 where one lies inside the
    other, 1/3 where they overlap, 0 where they are disjoint (Passonneau 2006). nominal: 1 unless equal.
    """
    both, a, b = (np.asarray(size, dtype=np.float64) for size in (shared, first, second))
    union = a + b - both
    equal = both == union
    if distance == "nominal":
        return np.asarray(~equal, dtype=np.float64)
    similarity = np.where(union > 0, both / np.maximum(union, 1), 1.0)
    if distance == "masi":
        inside = both == np.minimum(a, b)
        similarity = similarity * np.where(equal, 1.0, np.where(inside, 2 / 3, 1 / 3))
    result: FloatArray = 1 - similarity
    return result


def set_distances(
    first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], distance: SetDistance = "masi"
) -> FloatArray:
    """Row by row: sets as indicators [P, C] and [P, C] to distances [P]."""
    return distance_from_sizes((first & second).sum(axis=1), first.sum(axis=1), second.sum(axis=1), distance)


def distance_table(
    first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], distance: SetDistance = "masi"
) -> FloatArray:
    """All pairs: sets as indicators [V, C] and [W, C] to distances [V, W]."""
    a, b = first.astype(np.float32), second.astype(np.float32)
    return distance_from_sizes(a @ b.T, a.sum(axis=1)[:, None], b.sum(axis=1)[None, :], distance)
