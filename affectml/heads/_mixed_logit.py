"""A mixed logit of people: how far each person's answers depart from the shared head's, label by label and by image.

Person j chooses label c for image i with log-odds

    offset_c + scale_c f_ic  +  e_ic  +  b_jc + sum_r u_jr h_icr,      h_icr = z_i . axes_cr,

f being the shared head's log-odds and z_i the image's features along few directions. (b_j, u_j) are a person's own
thresholds and tastes, normal with mean 0 and one covariance for all people; e_ic is what f misses of an image, normal
with one variance a label. All of it is fitted by variational EM with the bound of Jaakkola & Jordan (2000), which is
Polson, Scott & Windle's (2013) augmentation: each step is a weighted least squares problem and no step can diverge.
Normal parameters of people make it a mixed logit (McFadden & Train 2000); what is learned of the covariance is how far
people are pooled.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

NODES = 20  # of Gauss-Hermite; an integral of a logistic over a normal of SD 3 is then exact to 1e-6
_CELLS = 1_000_000  # of answers x labels x tastes that are in memory at once
_ALONE = 8  # steps without tastes, from which the first tastes are guessed
_START = 0.3  # SD in log-odds that a guessed taste begins with
_CG_STEPS = 12
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class PersonAnswers:
    """A answers: image [A] and person [A], row numbers from 0; chosen [A, C], 0/1. people: how many there are."""

    image: Tensor
    person: Tensor
    chosen: Tensor
    people: int

    def take(self, rows: Tensor) -> "PersonAnswers":
        """Some of them, of the same people."""
        return replace(self, image=self.image[rows], person=self.person[rows], chosen=self.chosen[rows])

    def joined(self, others: "PersonAnswers", images: int) -> "PersonAnswers":
        """With answers of the same people about other images, whose rows follow on these `images` ones."""
        return PersonAnswers(
            torch.cat([self.image, others.image + images]),
            torch.cat([self.person, others.person]),
            torch.cat([self.chosen, others.chosen]),
            self.people,
        )

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True, eq=False)
class Normals:
    """What is believed of J people: mean [J, K] and covariance [J, K, K] of thresholds (C of K), then tastes."""

    mean: Tensor
    covariance: Tensor

    def take(self, rows: Tensor | slice) -> "Normals":
        """Some of them."""
        return Normals(self.mean[rows], self.covariance[rows])


@dataclass(frozen=True, eq=False)
class Images:
    """N images: base [N, C], loads [N, C, R]; effect, effect_variance: what f misses of them, [N, C]."""

    base: Tensor
    loads: Tensor
    effect: Tensor
    effect_variance: Tensor

    def take(self, rows: Tensor) -> "Images":
        """Some of them."""
        return Images(self.base[rows], self.loads[rows], self.effect[rows], self.effect_variance[rows])


@dataclass(frozen=True, eq=False)
class Population:
    """What holds for everybody. offset, scale, image_variance [C]; axes [d, C, R]; covariance [C + R, C + R].

    image_variance: of what f misses of an image. Tastes have variance 1: their size is in the axes.
    """

    offset: Tensor
    scale: Tensor
    axes: Tensor
    covariance: Tensor
    image_variance: Tensor

    @property
    def rank(self) -> int:
        """R, the number of tastes."""
        return int(self.axes.shape[2])

    def images(self, f: Tensor, z: Tensor) -> Images:
        """New images: logits f [N, C] and directions z [N, d]; nothing is known of what f misses."""
        base = self.offset + self.scale * f
        loads = torch.einsum("nd,dcr->ncr", z, self.axes)
        return Images(base, loads, torch.zeros_like(base), self.image_variance.expand_as(base))

    def everybody(self, count: int) -> Normals:
        """What is known of people before they answer."""
        mean = torch.zeros(count, len(self.covariance), dtype=self.covariance.dtype)
        return Normals(mean, self.covariance.expand(count, -1, -1))


def person_rates(images: Images, people: Normals) -> Tensor:
    """The probability that person n chooses each label of image n, [N, C]: the integral over what is believed of both.

    images, people: N each, or one person for all images.
    """
    mean, variance = _moments(images, people)
    return normal_logistic(mean + images.effect, variance + images.effect_variance)


def normal_logistic(mean: Tensor, variance: Tensor) -> Tensor:
    """E sigmoid(x) for x normal, by Gauss-Hermite quadrature with 20 nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    total = torch.zeros_like(mean)
    spread = variance.clamp(min=0).sqrt()
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        total += weight * (mean + spread * node).sigmoid()
    return total


def _moments(images: Images, people: Normals) -> tuple[Tensor, Tensor]:
    """Mean and variance [N, C] of the log-odds, the person's part and the base."""
    labels = images.base.shape[1]
    mean, covariance = people.mean, people.covariance
    tastes = images.loads
    centre = images.base + mean[:, :labels] + (tastes * mean[:, None, labels:]).sum(-1)
    own = covariance.diagonal(dim1=1, dim2=2)[:, :labels]
    between = (tastes * covariance[:, :labels, labels:]).sum(-1)
    within = ((tastes @ covariance[:, labels:, labels:]) * tastes).sum(-1)
    return centre, own + 2 * between + within


def _tilt(centre: Tensor, variance: Tensor) -> Tensor:
    """The weight of each cell in Jaakkola & Jordan's bound at its best: tanh(c / 2) / (2 c), c the root mean square."""
    c = (centre.square() + variance).sqrt().clamp(min=_TINY)
    return (c / 2).tanh() / (2 * c)


class _Sorted:
    """Answers in the order of people, those who gave about as many together, in parts that fit in memory."""

    def __init__(self, answers: PersonAnswers, columns: int) -> None:
        counts = torch.bincount(answers.person, minlength=answers.people)
        self.people = torch.argsort(counts, descending=True, stable=True)
        self.people = self.people[counts[self.people] > 0]
        order = torch.argsort(answers.person, stable=True)
        self.image, self.chosen = answers.image[order], answers.chosen[order]
        self.counts, self.starts = counts, counts.cumsum(0) - counts
        self.columns = columns

    def parts(self) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """People [P], their images [P, n], what they chose [P, n, C], and which of these are answers [P, n]."""
        at = 0
        while at < len(self.people):
            n = int(self.counts[self.people[at]])
            take = max(1, _CELLS // (n * self.columns))
            who = self.people[at : at + take]
            rows = self.starts[who][:, None] + torch.arange(n)
            there = torch.arange(n) < self.counts[who][:, None]
            rows = torch.where(there, rows, self.starts[who][:, None])
            yield who, self.image[rows], self.chosen[rows], there
            at += take


@dataclass(eq=False)
class _Sums:
    """What a pass over all answers leaves for each image and label: sums over its people, [N, C, ...]."""

    weight: Tensor
    pull: Tensor  # of what a level of the image would explain: sum(kappa - weight x (centre + effect))
    square: Tensor  # sum(weight x E[u u'])
    first: Tensor  # sum(weight x E[u])
    taste: Tensor  # sum of what a change of the loads would explain
    slopes: Tensor | None = None  # [J, C, d], each person's own

    @classmethod
    def of(cls, images: Images) -> "_Sums":
        zero = torch.zeros_like(images.base)
        square = images.loads.new_zeros(*images.loads.shape, images.loads.shape[2])
        return cls(zero, zero.clone(), square, torch.zeros_like(images.loads), torch.zeros_like(images.loads))


def posterior(population: Population, images: Images, answers: PersonAnswers, *, steps: int = 40) -> Normals:
    """What is believed of each person after their answers, [J, K]; who gave none is as everybody.

    A fixed point of steps that never diverge, each of them exact under the last one's bound.
    """
    people = population.everybody(answers.people)
    people = Normals(people.mean.clone(), people.covariance.clone())
    _pass(population, images, _Sorted(answers, _columns(images)), people, None, steps)
    return people


def _columns(images: Images) -> int:
    labels, tastes = images.loads.shape[1:]
    return int(labels * (1 + tastes) * (1 + tastes))


def _pass(
    population: Population,
    images: Images,
    answers: _Sorted,
    people: Normals,
    sums: _Sums | None,
    steps: int,
    z: Tensor | None = None,
) -> None:
    """Bring people up to date, in place, and leave the sums that images and the population are fitted to."""
    labels, rank = images.loads.shape[1:]
    inverse = torch.linalg.inv(population.covariance)
    for who, image, chosen, there in answers.parts():
        size = (len(who), image.shape[1])
        seen = images.take(image.flatten())
        loads = seen.loads.reshape(*size, labels, rank)
        level = (seen.base + seen.effect).reshape(*size, labels)
        spread = seen.effect_variance.reshape(*size, labels)
        kappa = (chosen.to(level.dtype) - 0.5) * there[..., None]
        mean, covariance = people.mean[who], people.covariance[who]
        for _ in range(steps):
            centre, variance = _cells(level, loads, mean, covariance)
            weight = _tilt(centre, variance + spread) * there[..., None]
            weighed = loads * weight[..., None]
            precision = inverse.repeat(len(who), 1, 1)
            precision[:, :labels, :labels] += torch.diag_embed(weight.sum(1))
            cross = weighed.sum(1)
            precision[:, :labels, labels:] += cross
            precision[:, labels:, :labels] += cross.mT
            flat = loads.flatten(1, 2)
            precision[:, labels:, labels:] += flat.mT @ weighed.flatten(1, 2)
            left = kappa - weight * level
            pull = torch.cat([left.sum(1), (flat * left.flatten(1)[..., None]).sum(1)], dim=1)
            root = torch.linalg.cholesky(precision)
            covariance = torch.cholesky_inverse(root)
            before, mean = mean, (covariance @ pull[..., None])[..., 0]
            if float((mean - before).abs().max()) < 1e-7:
                break
        people.mean[who], people.covariance[who] = mean, covariance
        if sums is None:
            continue
        centre, variance = _cells(level, loads, mean, covariance)
        weight = _tilt(centre, variance + spread) * there[..., None]
        rest = kappa - weight * centre
        where = image.flatten()
        sums.weight.index_add_(0, where, weight.flatten(0, 1))
        sums.pull.index_add_(0, where, rest.flatten(0, 1))
        if z is not None:
            part = torch.einsum("pnc,pnd->pcd", rest, z[where].reshape(*size, -1))
            assert sums.slopes is not None
            sums.slopes[who] = part
        if rank:
            u = mean[:, labels:]
            second = covariance[:, labels:, labels:] + u[:, :, None] * u[:, None, :]
            both = covariance[:, :labels, labels:] + mean[:, :labels, None] * u[:, None, :]
            square = weight[..., None, None] * second[:, None, None]
            taste = (kappa - weight * level)[..., None] * u[:, None, None] - weight[..., None] * both[:, None]
            sums.first.index_add_(0, where, (weight[..., None] * u[:, None, None]).flatten(0, 1))
            sums.square.index_add_(0, where, square.flatten(0, 1))
            sums.taste.index_add_(0, where, taste.flatten(0, 1))


def _cells(level: Tensor, loads: Tensor, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance [P, n, C] of the log-odds of each answer, by what is believed of the P people."""
    labels = level.shape[2]
    flat = loads.flatten(1, 2)
    centre = level + mean[:, None, :labels] + (flat @ mean[:, labels:, None]).reshape(level.shape)
    own = covariance.diagonal(dim1=1, dim2=2)[:, None, :labels]
    between = (loads * covariance[:, None, :labels, labels:]).sum(-1)
    within = ((flat @ covariance[:, labels:, labels:]) * flat).sum(-1).reshape(level.shape)
    return centre, (own + 2 * between + within).clamp(min=0)


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted population, what is believed of its people, and what is known of the images they answered about."""

    population: Population
    people: Normals
    images: Images


def fit_mixed_logit(f: Tensor, z: Tensor, answers: PersonAnswers, *, rank: int, ridge: float, steps: int = 40) -> Fit:
    """Fit to answers.

    Args:
        f: the shared head's log-odds of each label, [N, C], of images that it was not fitted on (out of fold).
        z: the images along few directions, [N, d], about 1 in size.
        answers: of these images.
        rank: how many tastes; 0 leaves thresholds.
        ridge: the precision of each number in `axes`, beside answers.
        steps: of EM.

    Returns:
        The fit. Degenerate: a label that nobody or everybody chose gets thresholds near none.
    """
    labels, d = f.shape[1], z.shape[1]
    kind: dict[str, Any] = {"dtype": f.dtype}
    population = Population(
        torch.zeros(labels, **kind), torch.ones(labels, **kind), torch.zeros(d, labels, 0, **kind),
        torch.eye(labels, **kind), torch.full((labels,), 0.3, **kind),
    )  # fmt: skip
    images = population.images(f, z)
    state = Fit(population, _copied(population.everybody(answers.people)), images)
    for step in range(min(_ALONE, steps)):
        last = rank > 0 and step == min(_ALONE, steps) - 1
        state, sums = _step(state, f, z, answers, ridge, slopes=last)
    if rank:
        assert sums.slopes is not None
        state = _with_tastes(state, z, sums.slopes, rank)
    for _ in range(steps - _ALONE):
        state, _ = _step(state, f, z, answers, ridge)
    return state


def _copied(people: Normals) -> Normals:
    return Normals(people.mean.clone(), people.covariance.clone())


def _with_tastes(state: Fit, z: Tensor, slopes: Tensor, rank: int) -> Fit:
    """Tastes guessed from what thresholds leave: the principal directions of people's slopes [J, C, d]."""
    population, labels = state.population, slopes.shape[1]
    _, _, directions = torch.linalg.svd(slopes.flatten(1), full_matrices=False)
    rank = min(rank, len(directions))
    axes = directions[:rank].reshape(rank, labels, -1).permute(2, 1, 0)
    loads = torch.einsum("nd,dcr->ncr", z, axes)
    axes = axes * _START / loads.square().mean(dim=(0, 1)).sqrt().clamp(min=_TINY)
    covariance = torch.eye(labels + rank, dtype=z.dtype)
    covariance[:labels, :labels] = population.covariance
    population = replace(population, axes=axes, covariance=covariance)
    people = _copied(population.everybody(len(state.people.mean)))
    people.mean[:, :labels] = state.people.mean
    loads = torch.einsum("nd,dcr->ncr", z, axes)
    return Fit(population, people, replace(state.images, loads=loads))


def _step(
    state: Fit, f: Tensor, z: Tensor, answers: PersonAnswers, ridge: float, slopes: bool = False
) -> tuple[Fit, _Sums]:
    """One step of EM: people, then images, then the population."""
    population, images, people = state.population, state.images, state.people
    labels = f.shape[1]
    sums = _Sums.of(images)
    if slopes:
        sums.slopes = torch.zeros(answers.people, labels, z.shape[1], dtype=f.dtype)
    _pass(population, images, _Sorted(answers, _columns(images)), people, sums, 1, z if slopes else None)
    seen = torch.bincount(answers.image, minlength=len(f)) > 0

    # what f misses of each image, given everything else; sums.pull was taken at the old one
    pull = sums.pull + sums.weight * images.effect
    variance = 1 / (1 / population.image_variance + sums.weight)
    effect = variance * pull
    image_variance = (effect.square() + variance)[seen].mean(0).clamp(min=_TINY)

    # offset and scale, by weighted least squares on what is left; held at 1 where f does not vary
    left = sums.pull + sums.weight * (images.effect - effect + images.base)
    ones, slope, bend = sums.weight.sum(0), (sums.weight * f).sum(0), (sums.weight * f * f).sum(0)
    a, b = left.sum(0), (left * f).sum(0)
    determinant = ones * bend - slope * slope
    varies = determinant > 1e-9 * ones * bend.clamp(min=_TINY)
    scale = torch.where(varies, (ones * b - slope * a) / determinant.clamp(min=_TINY), torch.ones_like(a))
    offset = (a - slope * scale) / ones.clamp(min=_TINY)

    who = torch.bincount(answers.person, minlength=answers.people) > 0
    mean, spread = people.mean[who], people.covariance[who]
    second = (mean.T @ mean + spread.sum(0)) / max(int(who.sum()), 1)
    count = int(who.sum())
    few = len(second) + 1.0  # as many people as there are covariances to a row say that they are none
    covariance = (count * second + few * second.diagonal().diag()) / (count + few)
    axes = population.axes
    if population.rank:
        change = offset + scale * f + effect - images.base - images.effect
        axes = _solve_axes(axes, z, sums.square, sums.taste - change[..., None] * sums.first, ridge)
        axes, covariance = _standard(axes, covariance, people, labels)
    population = Population(offset, scale, axes, covariance, image_variance)
    loads = torch.einsum("nd,dcr->ncr", z, axes)
    return Fit(population, people, Images(offset + scale * f, loads, effect, variance)), sums


def _solve_axes(axes: Tensor, z: Tensor, square: Tensor, taste: Tensor, ridge: float) -> Tensor:
    """Conjugate gradients for the axes [d, C, R], from the last ones: least squares over images, with a ridge."""

    def apply(x: Tensor) -> Tensor:
        loads = torch.einsum("nd,dcr->ncr", z, x)
        return torch.einsum("nd,ncr->dcr", z, (square @ loads[..., None])[..., 0]) + ridge * x

    target = torch.einsum("nd,ncr->dcr", z, taste)
    left = target - apply(axes)
    along, size = left, left.square().sum()
    for _ in range(_CG_STEPS):
        if float(size) < 1e-12:
            break
        bent = apply(along)
        step = size / (along * bent).sum()
        axes, left = axes + step * along, left - step * bent
        size, before = left.square().sum(), size
        along = left + size / before * along
    return axes


def _standard(axes: Tensor, covariance: Tensor, people: Normals, labels: int) -> tuple[Tensor, Tensor]:
    """Tastes with variance 1, their size in the axes (parameter expansion, Liu, Rubin & Wu 1998); people in place."""
    root = torch.linalg.cholesky(covariance[labels:, labels:])
    turn = torch.eye(len(covariance), dtype=covariance.dtype)
    turn[labels:, labels:] = torch.linalg.inv(root)
    people.mean.copy_(people.mean @ turn.T)
    people.covariance.copy_(turn @ people.covariance @ turn.T)
    return axes @ root, turn @ covariance @ turn.T
