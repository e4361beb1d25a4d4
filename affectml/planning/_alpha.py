"""Krippendorff's alpha as a mean over answers: what each answer adds to it, to first order, and what is left over.

alpha = 1 - Do / De. Do is a U-statistic of the pairs of answers within an image, De one of all pairs. By Hoeffding's
(1948) decomposition a change of one answer moves each in proportion to its mean distance from the others; what pairs
add beyond that falls as 1 / (n (n - 1)) with n answers an image, and counts where n is small.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from affectml.planning._pilot import Pilot
from affectml_annotation.agreement.distances import distance_table, set_distances
from affectml_annotation.agreement.values import image_pairs, set_codes

Array = NDArray[Any]
_BLOCK = 512


class Influence(NamedTuple):
    """values: [A], whose mean over answers is alpha; nan for an image of too few answers to say how far pairs add.

    pairs: their variance, by which the mean of n answers of an image has 2 pairs / (n (n - 1)) more. cells, images:
    what the values' own variances hold of it too much.
    """

    values: Array
    pairs: float
    cells: float
    images: float


def alpha_influence(pilot: Pilot) -> Influence | None:
    """Of alpha with MASI distances (Passonneau 2006); None where no image has three answers, or nobody differs.

    Within an image the values are the jackknife's pseudo-values, which are right to first order for any n.
    """
    size_of = np.bincount(pilot.image)
    enough = 4 if (size_of >= 4).sum() >= 10 else 3  # of four answers, disjoint pairs show what pairs add
    kept = size_of[pilot.image] >= enough
    if not kept.any():
        return None
    _, image = np.unique(pilot.image[kept], return_inverse=True)
    chosen = pilot.chosen[kept] > 0
    codes, names = set_codes(chosen)
    size = np.bincount(image).astype(np.float64)
    n = size[image]
    apart, square = np.zeros(len(codes)), np.zeros(len(size))
    for i, j in image_pairs(image.astype(np.int64)):
        distance = set_distances(names[codes[i]], names[codes[j]])
        apart += np.bincount(i, distance, len(codes)) + np.bincount(j, distance, len(codes))
        square += 2 * np.bincount(image[i], distance**2, len(size))
    own = apart / (n - 1)
    mean = np.bincount(image, own) / size
    within = mean[image] + 2 * (n - 1) / (n - 2) * (own - mean[image])
    count = np.bincount(codes, minlength=len(names)).astype(np.float64)
    pull = [distance_table(names[at : at + _BLOCK], names) @ count for at in range(0, len(names), _BLOCK)]
    others = np.concatenate(pull)[codes] / (len(codes) - 1)
    observed, expected = float(within.mean()), float(others.mean())
    if expected < 1e-12:
        return None
    values = np.full(len(kept), np.nan)
    change = -(within - observed) + observed / expected * 2 * (others - expected)
    values[kept] = 1 - observed / expected + change / expected
    pairs = 0.0
    if enough == 4:
        shared = np.bincount(image, apart**2) - square
        disjoint = np.bincount(image, apart) ** 2 - 2 * square - 4 * shared
        per = square / (size * (size - 1)) - 2 * shared / (size * (size - 1) * (size - 2))
        per += disjoint / (size * (size - 1) * (size - 2) * (size - 3))
        pairs = max(float(per.mean()) / expected**2, 0.0)
    else:  # three answers cannot tell what pairs add; taken as twice the variance that single answers make of a pair's
        apart_within = np.bincount(image, (within - mean[image]) ** 2) / (size - 1)
        pairs = float(apart_within.mean()) / expected**2 / 6
    more = 1 / ((size - 1) * (size - 2))
    return Influence(values, pairs, 4 * pairs * float((1 / (n - 2)).mean()), -2 * pairs * float(more.mean()))
