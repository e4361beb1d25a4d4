"""The pilot read as variances: each figure of a study as a mean over answers, in which people and images differ.

A mean over answers has variance P / people + I / images + C / answers, whatever the answers are (Hoeffding 1948), so
the variances of a pilot's people, images and cells say how far the figure of any other study may be off.

Krippendorff's alpha is such a mean to first order. alpha = 1 - Do / De: Do is a U-statistic of the pairs of answers
within an image, De one of all pairs. By Hoeffding's decomposition a change of one answer moves each in proportion to
its mean distance from the others; what pairs add beyond that falls as 1 / (n (n - 1)) with n answers an image, and
counts where n is small.

What else the variances may be is carried through to every width by draws, as in generalised confidence intervals
(Weerahandi 1993): the sums by person, by image and within images are drawn anew as scaled inverse chi-squares, and each
draw is solved for three variances. Answers of yes and no are not normal, so the degrees of freedom are those that fit
how far squared sums differ from image to image; so are the correlations between figures, and between what lies between
and within images. People are mostly too few for that: their degrees of freedom take a usual kurtosis beside their own.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor

from affectml.planning._pilot import Array, Pilot, Predicted, sums
from affectml_annotation.agreement.distances import distance_table, set_distances
from affectml_annotation.agreement.values import image_pairs, set_codes
from affectml_metrics import TwoWayVariances, two_way_variances

LEVEL = 0.95
PLAN_LEVEL = 0.9
DRAWS = 2000
_BLOCK = 512
# People are no normal variables: a few are far from the rest. A pilot's own excess kurtosis counts beside this one,
# weighed as so many imagined people; without, intervals from 20 people hold what happens in 75 to 83 % instead of 90 %.
KURTOSIS, IMAGINED = 1.5, 20
ALONE = 0.1  # of a correlation of squared sums is taken for chance


@dataclass(frozen=True)
class Design:
    """A study's size: people an image, images, and how many images one person answers at most."""

    people: int
    images: int
    each: int

    @property
    def answers(self) -> int:
        """All of them."""
        return self.people * self.images

    @property
    def all_people(self) -> int:
        """How many people it takes."""
        return max(self.people, math.ceil(self.answers / self.each))


class Width(NamedTuple):
    """Half the width of a figure's 95 % interval, and the plan's own 90 % interval of it; nan where it is not known."""

    half: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Figures:
    """M figures of a pilot. labels: how many of the first are the labels' rates.

    variances: fields [M]. draws: fields [B, M], what they may be as well, None where all is assumed. pairs: of
    `Influence`, of the figure after the labels' rates.
    """

    names: tuple[str, ...]
    labels: int
    variances: TwoWayVariances
    draws: TwoWayVariances | None
    pairs: float

    def expected(self, design: Design, *, these_images: bool = False) -> dict[str, float]:
        """`widths` without the plan's own interval, which takes a hundredth of the time."""
        halves = self._halves(self.variances, design, these_images).tolist()
        return dict(zip((*self.names, "label_rates", "image_rates"), halves, strict=True))

    def widths(self, design: Design, *, these_images: bool = False) -> dict[str, Width]:
        """Half the width of each figure's 95 % interval: expected, and the plan's own 90 % interval of it.

        `label_rates` is the mean over labels of their rates'; `image_rates` that of an image's own rate.
        these_images: for other people alone, about the very same images.
        """
        expected = self.expected(design, these_images=these_images)
        if self.draws is None:
            return {name: Width(half, math.nan, math.nan) for name, half in expected.items()}
        tails = torch.tensor([(1 - PLAN_LEVEL) / 2, (1 + PLAN_LEVEL) / 2], dtype=torch.float64)
        drawn = self._halves(self.draws, design, these_images)
        # a mean over labels of what is skewed gathers around its mean, not around what was found
        drawn[:, -2:] *= torch.tensor([*expected.values()][-2:], dtype=torch.float64) / drawn[:, -2:].median(0).values
        ends = torch.quantile(drawn, tails, dim=0).T.tolist()
        return {name: Width(half, *each) for (name, half), each in zip(expected.items(), ends, strict=True)}

    def _halves(self, of: TwoWayVariances, design: Design, these: bool) -> Tensor:
        """[..., M + 2]."""
        n, labels = design.people, self.labels
        cells = of.cells.clamp(min=0)
        cells[..., labels : labels + 1] += 2 * self.pairs / (n - 1) if n > 1 else math.nan
        images = torch.zeros_like(of.images) if these else of.images
        ratio = design.all_people / design.images  # where one is estimated below 0, so much of the other is noise too
        people = (of.people + images.clamp(max=0) * ratio).clamp(min=0)
        images = (images + of.people.clamp(max=0) / ratio).clamp(min=0)
        error, freedom = of._replace(cells=cells, people=people, images=images).expected(
            design.all_people, design.images, design.answers
        )
        half = error * torch.from_numpy(np.asarray(stats.t.ppf(0.5 + LEVEL / 2, freedom.numpy())))
        within = (of.people + of.cells).clamp(min=0)[..., :labels] / n
        own = stats.norm.ppf(0.5 + LEVEL / 2) * within.sqrt()
        return torch.cat([half, half[..., :labels].nanmean(-1, True), own.nanmean(-1, True)], dim=-1)


class Influence(NamedTuple):
    """values: [A], whose mean over answers is alpha; nan for an image of too few answers to say how far pairs add.

    pairs: their variance, by which the mean of n answers of an image has 2 pairs / (n (n - 1)) more. cells, images:
    what the values' own variances hold of it too much.
    """

    values: Array
    pairs: float = 0.0
    cells: float = 0.0
    images: float = 0.0


def figures_of(pilot: Pilot, *models: Predicted, seed: int = 0, draws: int = DRAWS) -> Figures:
    """Rates of the labels, alpha, and a model's set F1 and cross-entropy against people, with differences from another.

    models: up to two. A figure that the pilot cannot tell has variances of nan.
    """
    alpha = alpha_influence(pilot)
    columns = {f"rate:{label}": pilot.chosen[:, at] for at, label in enumerate(pilot.labels)}
    tables = [(columns, pilot.image)]  # figures, [A] each, and what the answers of each are about
    if pilot.sets:
        columns["alpha"] = alpha.values
    if pilot.sets and models:
        scores: dict[str, Array] = {}
        ours, *others = (model.scores(pilot) for model in models)
        for name, values in ours.items():
            scores |= {name: values} | {f"{name}_difference": values - theirs[name] for theirs in others}
        tables.append((scores, models[0].unit))
    found, drawn = [], []
    for figures, unit in tables:
        values = np.stack(list(figures.values()), axis=1)
        found.append(two_way_variances(values, pilot.person, unit))
        if not pilot.assumed:
            drawn.append(open_variances(found[-1], values, pilot.person, unit, count=draws, seed=seed))
    names = tuple(name for figures, _ in tables for name in figures)
    open_ = _joined(drawn, pilot, alpha) if drawn else None
    return Figures(names, len(pilot.labels), _joined(found, pilot, alpha), open_, alpha.pairs)


def _joined(tables: list[TwoWayVariances], pilot: Pilot, alpha: Influence) -> TwoWayVariances:
    """The variances of all figures; nan where no answer differs, as then nobody knows how far they may differ."""
    every = TwoWayVariances(*(torch.cat(fields, dim=-1) for fields in zip(*tables, strict=True)))
    people = torch.zeros_like(every.cells) if pilot.anonymous else every.people
    spreads = torch.stack([people, every.images, every.cells])
    at = len(pilot.labels)  # alpha's column, where there is one
    spreads[1, ..., at : at + 1] -= alpha.images
    spreads[2, ..., at : at + 1] -= alpha.cells
    spreads = spreads.where((spreads != 0).any(0), torch.nan)
    return every._replace(people=spreads[0], images=spreads[1], cells=spreads[2])


def alpha_influence(pilot: Pilot) -> Influence:
    """Of alpha with MASI distances (Passonneau 2006); nan where no image has three answers, or nobody differs.

    Within an image the values are the jackknife's pseudo-values, which are right to first order for any n.
    """
    values, size_of = np.full(len(pilot.image), np.nan), np.bincount(pilot.image)
    enough = 4 if (size_of >= 4).sum() >= 10 else 3  # of four answers, disjoint pairs show what pairs add
    kept = size_of[pilot.image] >= enough
    if not (pilot.sets and kept.any()):
        return Influence(values)
    _, image = np.unique(pilot.image[kept], return_inverse=True)
    codes, names = set_codes(pilot.chosen[kept] > 0)
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
        return Influence(values)
    change = -(within - observed) + observed / expected * 2 * (others - expected)
    values[kept] = 1 - observed / expected + change / expected
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
    (a, _, c), (_, d, e) = held = np.array(
        [[(1 - sp) * sp, across, sc * (1 - sp)], [across, (1 - si) * si, sc * (1 - si)]]
    )  # sums by person, and by image: of people, images and cells
    by_person, by_image = held[:, 0] * people + held[:, 1] * images + held[:, 2] * cells

    residual, asked = np.nan_to_num(values - of.value.numpy()), (~np.isnan(values)).astype(np.float64)
    (_, who), (_, what) = (np.unique(unit, return_inverse=True) for unit in (person, image))
    between = sums(residual, what)
    own = ((residual - (between / np.maximum(sums(asked, what), 1))[what]) * asked) ** 2  # within images, by answer
    generator = np.random.default_rng(seed)
    squares = np.concatenate([between**2, sums(own, what)], axis=1)
    of_images, within = np.split(_drawn(squares, _freedom(squares), count, generator), 2, axis=1)
    within = np.maximum(people + cells, 0) * within
    if anonymous:
        new_people, new_images = np.zeros_like(within), (by_image * of_images - e * within) / d
    else:
        by, theirs = sums(residual, who), sums(own, who) / np.maximum(sums(asked, who), 1)
        u = len(by)
        kurtosis = pd.DataFrame(by).kurt().fillna(0.0).to_numpy()
        kurtosis = (u * kurtosis + IMAGINED * KURTOSIS) / (u + IMAGINED)
        freedom = np.concatenate([2 / (2 / np.maximum(j - 1, 1) + np.maximum(kurtosis, -1) / j), _freedom(theirs)])
        squares = np.concatenate([by**2, theirs], axis=1)
        of_people, more = np.split(_drawn(squares, freedom, count, generator), 2, axis=1)
        within = within * more
        left, right = by_person * of_people - c * within, by_image * of_images - e * within
        a, b = a - c, across - e
        whole = a * d - across * b
        new_people, new_images = (left * d - right * across) / whole, (right * a - left * b) / whole
    drawn = (torch.from_numpy(x) for x in (new_people, new_images, within - new_people))
    return of._replace(**dict(zip(("people", "images", "cells"), drawn, strict=True)))


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
