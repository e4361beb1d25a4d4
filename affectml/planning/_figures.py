"""The pilot: people's answers, a model's score of each, and both read as variances.

Each figure of a study is a mean over answers, in which people and images differ.
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
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from affectml.data import Dataset
from affectml.errors import BadDataset, UnknownLabel
from affectml.planning import PlanConfig
from affectml_annotation import BadJudgement, encode, found_labels
from affectml_annotation.agreement.alpha import distance_table, set_codes
from affectml_annotation.smoothing import fit_beta_prior, label_sets, smoothed_rates
from affectml_metrics import TwoWayVariances, two_way_variances
from affectml_metrics import functional as F

Array = NDArray[Any]
RATES = (0.3, 0.25, 0.2, 0.2, 0.15, 0.1, 0.1, 0.05)
TAU = 1 / 3
LEVEL = 0.95
PLAN_LEVEL = 0.9
DRAWS = 2000
_BLOCK = 512
# People are no normal variables: a few are far from the rest. A pilot's own excess kurtosis counts beside this one,
# weighed as so many imagined people; without, intervals from 20 people hold what happens in 75 to 83 % instead of 90 %.
KURTOSIS, IMAGINED = 1.5, 20
ALONE = 0.1  # of a correlation of squared sums is taken for chance


@dataclass(frozen=True, eq=False)
class Pilot:
    """A answers about images over C labels.

    image, person: [A], numbers from 0. chosen: [A, C], 1 for a label that was chosen. seconds: an answer's median,
    where known. assumed: whether it was drawn and not observed.
    """

    labels: tuple[str, ...]
    image: Array
    person: Array
    chosen: Array
    seconds: float | None = None
    assumed: bool = False

    @cached_property
    def people(self) -> int:
        """How many people answered."""
        return len(np.unique(self.person))

    @cached_property
    def images(self) -> int:
        """How many images were answered."""
        return len(np.unique(self.image))

    @classmethod
    def assumed_of(cls, config: PlanConfig, *, people: int = 100, images: int = 400) -> "Pilot":
        """Everybody's answers about every image, drawn from a mixed logit (McFadden & Train 2000).

        The log-odds of an answer are the label's, plus the image's (SD images_sd), plus what the person leans to this
        label (people_sd) and to labels at all (talk_sd), all normal and independent. rates: each label's, over people
        and images.
        """
        rates = np.asarray(RATES if config.rates is None else config.rates)
        generator = np.random.default_rng(config.seed)
        shift = generator.normal(size=(images, len(rates))) * config.images_sd
        habit = generator.normal(size=(people, len(rates))) * config.people_sd
        odds = shift[None] + (habit + generator.normal(size=(people, 1)) * config.talk_sd)[:, None]
        low, high = np.full(len(rates), -20.0), np.full(len(rates), 20.0)
        for _ in range(30):  # the offset at which the mean is the rate
            middle = (low + high) / 2
            above = (1 / (1 + np.exp(-odds - middle))).mean(axis=(0, 1)) > rates
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        chosen = generator.random(odds.shape) < 1 / (1 + np.exp(-odds - middle))
        who, what = (numbers.ravel() for numbers in np.indices((people, images)))
        names = tuple(f"label {number}" for number in range(1, len(rates) + 1))
        return cls(names, what, who, chosen.reshape(len(who), -1).astype(np.float64), assumed=True)


def read_pilot(dataset: Dataset, target: str | None = None) -> Pilot:
    """The pilot in a data set: people's first answers, in the labels of a target.

    target: None takes the first that has all the labels that people chose. Raises BadDataset where there are no
    judgements or too few to plan from.
    """
    table = dataset.judgements
    if table is None:
        raise BadDataset(
            f"{dataset.root}: no judgements (annotations.parquet), so nothing to plan from: `affectml label` and "
            "`affectml study` collect some, and `affectml plan` without a data set plans from assumptions"
        )
    labels = found_labels(table) or ("none",)
    for name in dataset.meta.targets if target is None else [target]:
        own = dataset.target(name).taxonomy.labels
        if target is not None or set(labels) <= set(own):
            labels = own
            break
    try:
        panel = encode(table, labels).answers()
    except UnknownLabel as error:
        raise BadDataset(f"{dataset.root}: target {target}: the judgements are in other labels ({error})") from None
    except BadJudgement as error:
        raise BadDataset(f"{dataset.root / 'annotations.parquet'}: {error}") from None
    answers = panel.chosen.astype(np.float64)
    seconds = table["seconds"].iloc[panel.row].median() if "seconds" in table else None
    known = None if pd.isna(seconds) else float(seconds)
    pilot = Pilot(panel.labels, panel.image, panel.annotator, answers, known)
    for wrong, why in (
        (not len(pilot.image), "nobody answered yet"),
        (pilot.images < 2, "all answers are about one image, which says nothing of other images"),
        (pilot.people < 2, "all answers are one person's, which say nothing of other people"),
        (len(pilot.image) == pilot.images, "no image has answers of two people, so that images and people look alike"),
    ):
        if wrong:
            way = "collect more, or plan from assumptions: `affectml plan` without a data set"
            raise BadDataset(f"{dataset.root}: {why}; {way}")
    return pilot


def sums(values: Array, unit: Array, count: int = 0) -> Array:
    """Sums of [A, M] by unit, whose numbers start at 0: [U, M], U at least `count`."""
    return np.stack([np.bincount(unit, column, count) for column in values.T], axis=1)


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a model says of the image of each answer: rates and sets [A, C].

    unit: [A], numbers of what one prediction was made for: images, or an image before one half of the people.
    """

    rates: Array
    sets: Array
    unit: Array

    def scores(self, pilot: Pilot) -> dict[str, Array]:
        """Each answer's set F1 and cross-entropy, [A]."""
        rates, sets, answer = map(torch.from_numpy, (self.rates, self.sets.astype(np.int64), pilot.chosen))
        f1, cross_entropy = F.set_f1(sets, answer.long()), F.rate_cross_entropy(rates, answer)
        return {"set_f1": f1.numpy(), "rate_cross_entropy": cross_entropy.numpy()}


def stand_ins(pilot: Pilot, *, seed: int = 0) -> tuple[Predicted, Predicted]:
    """A good model and a poor one, where no model is at hand, both made of the pilot; no answer is judged by itself.

    The people are dealt into two halves. The good one gives each half what the other half said of the image: smoothed
    rates, and the labels that `label_sets` takes at `TAU`. The poor one gives every image the other half's mean rates,
    and the labels of at least `TAU`, or the most frequent one.
    """
    people, who = np.unique(pilot.person, return_inverse=True)
    half = np.random.default_rng(seed).permutation(len(people))[who] % 2
    images, unit = int(pilot.image.max()) + 1, pilot.image * 2 + half
    good, poor = (Predicted(np.empty(pilot.chosen.shape), np.empty(pilot.chosen.shape, bool), unit) for _ in range(2))
    for side in (0, 1):
        theirs, mine = half != side, half == side
        votes = sums(pilot.chosen[theirs], pilot.image[theirs], images)
        n = np.bincount(pilot.image[theirs], minlength=images)
        prior = fit_beta_prior(votes, n)
        usual = prior.mean >= min(TAU, prior.mean.max())
        at = pilot.image[mine]
        good.rates[mine], poor.rates[mine] = smoothed_rates(votes, n, prior)[at], prior.mean
        good.sets[mine] = np.where((n > 0)[:, None], label_sets(votes, n, prior, TAU), usual)[at]
        poor.sets[mine] = usual
    return good, poor


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
        return {name: Width(half, *interval) for (name, half), interval in zip(expected.items(), ends, strict=True)}

    def _halves(self, of: TwoWayVariances, design: Design, these_images: bool) -> Tensor:
        """[..., M + 2]."""
        n, labels = design.people, self.labels
        cells = of.cells.clamp(min=0)
        cells[..., labels : labels + 1] += 2 * self.pairs / (n - 1) if n > 1 else math.nan
        images = torch.zeros_like(of.images) if these_images else of.images
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
    columns["alpha"] = alpha.values
    if models:
        scores: dict[str, Array] = {}
        ours, *others = (model.scores(pilot) for model in models)
        for name, values in ours.items():
            scores |= {name: values} | {f"{name}_difference": values - theirs[name] for theirs in others}
        tables.append((scores, models[0].unit))
    known, drawn = [], []
    for figures, unit in tables:
        values = np.stack(list(figures.values()), axis=1)
        known.append(two_way_variances(values, pilot.person, unit))
        if not pilot.assumed:
            drawn.append(open_variances(known[-1], values, pilot.person, unit, count=draws, seed=seed))
    names = tuple(name for figures, _ in tables for name in figures)
    open_ = _joined(drawn, pilot, alpha) if drawn else None
    return Figures(names, len(pilot.labels), _joined(known, pilot, alpha), open_, alpha.pairs)


def _joined(tables: list[TwoWayVariances], pilot: Pilot, alpha: Influence) -> TwoWayVariances:
    """The variances of all figures; nan where no answer differs, as then nobody knows how far they may differ."""
    every = TwoWayVariances(*(torch.cat(fields, dim=-1) for fields in zip(*tables, strict=True)))
    spreads = torch.stack([every.people, every.images, every.cells])
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
    kept = np.flatnonzero(size_of[pilot.image] >= enough)
    codes, sets = set_codes(pilot.chosen[kept] > 0)
    if not (len(kept) and len(sets) > 1):
        return Influence(values)
    rows_of = pd.Series(codes).groupby(pilot.image[kept]).indices.values()
    within, spread, size = np.empty(len(kept)), np.empty(len(rows_of)), np.array([len(rows) for rows in rows_of])
    for at, rows in enumerate(rows_of):
        distance, n = distance_table(sets[codes[rows]], sets[codes[rows]]), len(rows)
        apart, square = distance.sum(axis=1), (distance**2).sum()
        mean = apart.mean() / (n - 1)
        within[rows] = mean + 2 * (n - 1) / (n - 2) * (apart / (n - 1) - mean)
        # three answers cannot tell what pairs add: twice the variance that single answers make of a pair's
        spread[at] = ((within[rows] - mean) ** 2).sum() / (n - 1) / 6
        if enough == 4:
            shared = (apart**2).sum() - square  # products of pairs with one answer in common, and with none
            disjoint = apart.sum() ** 2 - 2 * square - 4 * shared
            spread[at] = (square + (disjoint / (n - 3) - 2 * shared) / (n - 2)) / (n * (n - 1))
    count = np.bincount(codes).astype(np.float64)
    pull = [distance_table(sets[at : at + _BLOCK], sets) @ count for at in range(0, len(sets), _BLOCK)]
    others = np.concatenate(pull)[codes] / (len(codes) - 1)
    observed, expected = float(within.mean()), float(others.mean())
    change = -(within - observed) + observed / expected * 2 * (others - expected)
    values[kept] = 1 - observed / expected + change / expected
    pairs = max(float(spread.mean()) / expected**2, 0.0)
    cells, images = np.average(1 / (size - 2), weights=size), (1 / ((size - 1) * (size - 2))).mean()
    return Influence(values, pairs, 4 * pairs * float(cells), -2 * pairs * float(images))


def open_variances(
    of: TwoWayVariances, values: Array, person: Array, image: Array, *, count: int, seed: int
) -> TwoWayVariances:
    """Variances [B, M] as the pilot leaves them open.

    of: those of values [A, M] by person and image [A]; people's variances of nan are of people who answered once.
    """
    anonymous = bool(of.people.isnan().all())
    people = of.people.nan_to_num() if anonymous else of.people
    spreads = torch.stack([people, of.images, of.cells]).numpy()
    j, m, rows = (x.to(torch.float64).numpy() for x in (of.effective_people, of.effective_images, of.rows.clamp(min=1)))
    sp, si, sc, none = 1 / j, 1 / m, 1 / rows, np.zeros_like(j)
    across = sc - sp * si  # what sums by person hold of images, and sums by image of people
    by_person = [none + 1, none, none] if anonymous else [(1 - sp) * sp, across, sc * (1 - sp)]
    # sums by person, by image and within images: of people, images and cells
    held = np.array([by_person, [across, (1 - si) * si, sc * (1 - si)], [none + 1, none, none + 1]])
    variances = np.einsum("ijm,jm->im", held, spreads)
    variances[2] = np.maximum(variances[2], 0)

    residual, asked = np.nan_to_num(values - of.value.numpy()), (~np.isnan(values)).astype(np.float64)
    (_, who), (_, what) = (np.unique(unit, return_inverse=True) for unit in (person, image))
    between = sums(residual, what)
    own = ((residual - (between / np.maximum(sums(asked, what), 1))[what]) * asked) ** 2  # within images, by answer
    generator = np.random.default_rng(seed)
    squares = np.concatenate([between**2, sums(own, what)], axis=1)
    of_images, within = np.split(_drawn(squares, _freedom(squares), count, generator), 2, axis=1)
    of_people = np.zeros_like(within)
    if not anonymous:
        by, theirs = sums(residual, who), sums(own, who) / np.maximum(sums(asked, who), 1)
        u, kurtosis = len(by), pd.DataFrame(by).kurt().fillna(0.0).to_numpy()
        kurtosis = (u * kurtosis + IMAGINED * KURTOSIS) / (u + IMAGINED)
        freedom = np.concatenate([2 / (2 / np.maximum(j - 1, 1) + np.maximum(kurtosis, -1) / j), _freedom(theirs)])
        squares = np.concatenate([by**2, theirs], axis=1)
        of_people, more = np.split(_drawn(squares, freedom, count, generator), 2, axis=1)
        within = within * more
    drawn = variances[:, None] * np.stack([of_people, of_images, within])  # [3, B, M]
    left, right = (torch.from_numpy(x).movedim(-1, 0) for x in (held, drawn))
    people, images, cells = torch.linalg.solve_ex(left, right)[0].permute(1, 2, 0)
    return of._replace(people=people, images=images, cells=cells)


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
