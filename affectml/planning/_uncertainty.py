"""What else a pilot's variances may be: draws by which its own uncertainty is carried through to every width.

Generalised confidence intervals (Weerahandi 1993): the sums by person, by image and within images are drawn anew as
scaled inverse chi-squares, and each draw is solved for three variances. Answers of yes and no are not normal, so the
degrees of freedom are those that fit how far squared sums differ from image to image; so are the correlations between
figures, and between what lies between and within images. People are mostly too few for that: their degrees of freedom
take a usual kurtosis beside their own.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats

from affectml_metrics import TwoWayVariances

Array = NDArray[Any]
# People are no normal variables: a few are far from the rest. A pilot's own excess kurtosis counts beside this one,
# weighed as so many imagined people; without, intervals from 20 people hold what happens in 75 to 83 % instead of 90 %.
KURTOSIS, IMAGINED = 1.5, 20
ALONE = 0.1  # of a correlation of squared sums is taken for chance


def open_variances(
    of: TwoWayVariances, values: Array, person: Array, image: Array, *, count: int, seed: int
) -> TwoWayVariances:
    """Variances [B, M] as the pilot leaves them open.

    of: those of values [A, M] by person and image [A]; people's variances of nan are of people who answered once.
    """
    anonymous = bool(of.people.isnan().all())
    people, images, cells = (x.numpy() for x in (of.people.nan_to_num() if anonymous else of.people, *of[2:4]))
    j, m, rows = (x.to(torch.float64).numpy() for x in (of.effective_people, of.effective_images, of.rows.clamp(min=1)))
    sp, si, sc = 1 / j, 1 / m, 1 / rows
    across = sc - sp * si  # what sums by person hold of images, and sums by image of people
    by_person = (1 - sp) * sp * people + across * images + sc * (1 - sp) * cells
    by_image = across * people + (1 - si) * si * images + sc * (1 - si) * cells

    residual, asked = np.nan_to_num(values - of.value.numpy()), (~np.isnan(values)).astype(np.float64)
    between, size = _sums(residual, image), np.maximum(_sums(asked, image), 1)
    _, at = np.unique(image, return_inverse=True)
    own = ((residual - (between / size)[at]) * asked) ** 2  # within images, by answer
    generator = np.random.default_rng(seed)
    squares = np.concatenate([between**2, _sums(own, image)], axis=1)
    of_images, within = np.split(_drawn(squares, _freedom(squares), count, generator), 2, axis=1)
    a, d = (1 - sp) * sp - sc * (1 - sp), (1 - si) * si
    right = by_image * of_images
    if anonymous:
        within = np.maximum(cells, 0) * within
        new_people, new_images = np.zeros_like(within), (right - sc * (1 - si) * within) / d
    else:
        sums, theirs = _sums(residual, person), _sums(own, person) / np.maximum(_sums(asked, person), 1)
        u = len(sums)
        kurtosis = pd.DataFrame(sums).kurt().fillna(0.0).to_numpy()
        kurtosis = (u * kurtosis + IMAGINED * KURTOSIS) / (u + IMAGINED)
        freedom = 2 / (2 / np.maximum(j - 1, 1) + np.maximum(kurtosis, -1) / j)
        squares = np.concatenate([sums**2, theirs], axis=1)
        of_people, more = np.split(
            _drawn(squares, np.concatenate([freedom, _freedom(theirs)]), count, generator), 2, axis=1
        )
        within = np.maximum(people + cells, 0) * within * more
        left = by_person * of_people - sc * (1 - sp) * within
        right = right - sc * (1 - si) * within
        b = across - sc * (1 - si)
        whole = a * d - across * b
        new_people, new_images = (left * d - right * across) / whole, (right * a - left * b) / whole
    drawn = (torch.from_numpy(x) for x in (new_people, new_images, within - new_people))
    return of._replace(**dict(zip(("people", "images", "cells"), drawn, strict=True)))


def _sums(values: Array, unit: Array) -> Array:
    """Sums of [A, M] by unit, [U, M]."""
    _, unit = np.unique(unit, return_inverse=True)
    return np.stack([np.bincount(unit, column) for column in values.T], axis=1)


def _freedom(squares: Array) -> Array:
    """Degrees of freedom of a chi-square that varies as the sum of these [U, K] does, from unit to unit: [K]."""
    units, mean = len(squares), squares.mean(axis=0)
    spread = squares.var(axis=0, ddof=1) / np.where(mean > 0, mean, 1.0) ** 2
    spread *= (stats.t.ppf(0.95, units - 1) / stats.norm.ppf(0.95)) ** 2  # of few units that itself is hardly known
    return np.asarray(np.clip(2 * units / np.maximum(spread, 1e-9), 1.0, 1e9))


def _drawn(squares: Array, freedom: Array, count: int, generator: np.random.Generator) -> Array:
    """Factors [B, K], inverse chi-squares over their freedom, as correlated as the squares [U, K] are."""
    centred = squares - squares.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    centred = centred / np.where(length > 0, length, 1.0)
    alike = (1 - ALONE) * centred.T @ centred
    np.fill_diagonal(alike, 1.0)
    normal = generator.normal(size=(count, len(alike))) @ np.linalg.cholesky(alike).T
    return np.asarray(freedom / stats.chi2.ppf(stats.norm.cdf(normal), freedom))
