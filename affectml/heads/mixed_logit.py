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

NODES = 20  # of Gauss-Hermite; an integral of a logistic over a normal of SD 3 is then within 1e-4, of SD 1 within 1e-6
_CELLS = 2_000_000  # numbers of answers x labels x (1 + tastes) that are in memory at once
_ALONE = 8  # steps without tastes, from which the first tastes are guessed
_GUESSERS = 4_000  # people who gave most answers, from whom the first tastes are guessed
_ENOUGH = 1e-3  # log-odds: EM has converged where no number of the population moves farther in a step
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
    """N images as the model sees them: base [N, C], loads [N, C, R], mean and variance [N, C] of what f misses."""

    base: Tensor
    loads: Tensor
    effect: Tensor
    effect_variance: Tensor

    def take(self, rows: Tensor) -> "Images":
        """Some of them."""
        return Images(*(_pick(each, rows) for each in vars(self).values()))


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


def _pick(table: Tensor, rows: Tensor) -> Tensor:
    """table[rows] for rows of any shape; several times faster."""
    return table.index_select(0, rows.flatten()).reshape(*rows.shape, *table.shape[1:])


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


class _Groups:
    """Answers by a key, a person say, those keys with about as many answers together, in parts that fit in memory."""

    def __init__(self, key: Tensor, columns: int) -> None:
        self.counts = torch.bincount(key)
        self.rows = torch.argsort(key, stable=True)
        self.starts = self.counts.cumsum(0) - self.counts
        some = torch.argsort(self.counts, descending=True, stable=True)
        self.keys = some[self.counts[some] > 0]
        self.columns = columns

    def parts(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Keys [P], the rows of their answers [P, n], and which of these are there [P, n, 1]: the rest fill up."""
        at = 0
        while at < len(self.keys):
            n = int(self.counts[self.keys[at]])
            which = self.keys[at : at + max(1, _CELLS // (n * self.columns))]
            place = torch.arange(n)
            there = place < self.counts[which][:, None]
            rows = self.rows[torch.where(there, self.starts[which][:, None] + place, self.starts[which][:, None])]
            yield which, rows, there[..., None]
            at += len(which)


@dataclass(eq=False)
class _Sums:
    """What all answers say of each image and label under the last bound: sums over its people, [N, C, ...]."""

    weight: Tensor
    pull: Tensor  # of what the image's level would explain: sum(kappa - weight x E[the person's part])
    square: Tensor  # sum(weight x E[u u'])
    first: Tensor  # sum(weight x E[u])
    taste: Tensor  # of what its loads would explain at level 0: sum(kappa x E[u] - weight x E[b u])


def posterior(population: Population, images: Images, answers: PersonAnswers, *, steps: int = 40) -> Normals:
    """What is believed of each person after their answers, [J, K]; who gave none is as everybody.

    A fixed point of steps that never diverge, each of them exact under the last one's bound.
    """
    people = _copied(population.everybody(answers.people))
    inverse = torch.linalg.inv(population.covariance)
    enough = 1e-8 if people.mean.dtype == torch.float64 else 1e-5
    for who, rows, there in _Groups(answers.person, _columns(images)).parts():
        cells = _Cells.of(images, answers, rows, there)
        for _ in range(steps):
            before = people.mean[who]
            people.mean[who], people.covariance[who] = cells.update(inverse, cells.weight(people.take(who)))
            if float((people.mean[who] - before).abs().max()) < enough:
                break
    return people


def _columns(images: Images) -> int:
    labels, tastes = images.loads.shape[1:]
    return int(labels * (1 + tastes))


@dataclass(frozen=True, eq=False)
class _Cells:
    """P people's n answers each. level, spread, kappa [P, n, C]; loads [P, n, C, R]; there [P, n, 1]."""

    level: Tensor  # the image's log-odds
    spread: Tensor  # and their variance
    loads: Tensor
    kappa: Tensor
    there: Tensor

    @classmethod
    def of(cls, images: Images, answers: PersonAnswers, rows: Tensor, there: Tensor) -> "_Cells":
        seen = images.take(_pick(answers.image, rows))
        kappa = (_pick(answers.chosen, rows).to(seen.base.dtype) - 0.5) * there
        return cls(seen.base + seen.effect, seen.effect_variance, seen.loads, kappa, there)

    def moments(self, people: Normals) -> tuple[Tensor, Tensor]:
        """Mean and variance [P, n, C] of the log-odds, by what is believed of the people and of the images."""
        labels = self.level.shape[2]
        flat, mean, covariance = self.loads.flatten(1, 2), people.mean, people.covariance
        centre = self.level + mean[:, None, :labels] + (flat @ mean[:, labels:, None]).reshape(self.level.shape)
        spread = (flat @ covariance[:, labels:, labels:]).reshape(self.loads.shape)
        spread += 2 * covariance[:, None, :labels, labels:]
        spread *= self.loads
        own = covariance.diagonal(dim1=1, dim2=2)[:, None, :labels]
        return centre, (spread.sum(-1) + own).clamp_(min=0) + self.spread

    def weight(self, people: Normals) -> Tensor:
        """Of each cell in Jaakkola & Jordan's bound at its best, [P, n, C]."""
        centre, variance = self.moments(people)
        return _tilt(centre, variance) * self.there

    def update(self, inverse: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Mean [P, K] and covariance [P, K, K] of the people under the bound with these weights."""
        labels = self.level.shape[2]
        flat, weighed = self.loads.flatten(1, 2), self.loads * weight[..., None]
        precision = inverse.repeat(len(weight), 1, 1)
        precision[:, :labels, :labels] += torch.diag_embed(weight.sum(1))
        cross = weighed.sum(1)
        precision[:, :labels, labels:] += cross
        precision[:, labels:, :labels] += cross.mT
        precision[:, labels:, labels:] += flat.mT @ weighed.flatten(1, 2)
        left = self.kappa - weight * self.level
        pull = torch.cat([left.sum(1), (flat.mT @ left.flatten(1)[..., None])[..., 0]], dim=1)
        covariance = torch.cholesky_inverse(torch.linalg.cholesky(precision))
        return (covariance @ pull[..., None])[..., 0], covariance


class _Fitting:
    """The state of EM: a population, people, images, and the answers by person and by image."""

    def __init__(self, f: Tensor, z: Tensor, answers: PersonAnswers, rank: int, ridge: float) -> None:
        labels, d = f.shape[1], z.shape[1]
        kind: dict[str, Any] = {"dtype": f.dtype}
        self.f, self.z, self.ridge = f, z, ridge
        self.answers = answers
        self.population = Population(
            torch.zeros(labels, **kind), torch.ones(labels, **kind), torch.zeros(d, labels, 0, **kind),
            torch.eye(labels, **kind), torch.full((labels,), 0.3, **kind),
        )  # fmt: skip
        self.images = self.population.images(f, z)
        self.people = _copied(self.population.everybody(answers.people))
        self.by_person = _Groups(answers.person, labels * (1 + rank))
        self.by_image = _Groups(answers.image, labels * (1 + rank))
        self.asked = torch.bincount(answers.image, minlength=len(f)) > 0
        self.answered = torch.bincount(answers.person, minlength=answers.people) > 0
        self.weight = torch.empty(len(answers), labels, **kind)

    def step(self) -> float:
        """One step of EM: people, then images and the population. Returns how far its numbers moved at most."""
        before = self._numbers()
        self._people()
        self._population(self._sums())
        return float((self._numbers() - before).abs().max())

    def _numbers(self) -> Tensor:
        """The population in log-odds: offset, scale, SD of thresholds, of tastes and of what f misses, [5 C]."""
        population, labels = self.population, self.f.shape[1]
        of_people = population.covariance.diagonal()[:labels].sqrt()
        tastes = self.images.loads.square().sum(-1).mean(0).sqrt()
        return torch.cat([population.offset, population.scale, of_people, tastes, population.image_variance.sqrt()])

    def _people(self) -> None:
        """Bring people up to date, and keep each answer's weight."""
        inverse = torch.linalg.inv(self.population.covariance)
        for who, rows, there in self.by_person.parts():
            cells = _Cells.of(self.images, self.answers, rows, there)
            weight = cells.weight(self.people.take(who))
            self.people.mean[who], self.people.covariance[who] = cells.update(inverse, weight)
            inside = there[..., 0]
            self.weight[rows[inside]] = weight[inside]

    def _sums(self) -> _Sums:
        """Image by image, so that the order of sums is the same on any number of threads."""
        labels, rank = self.images.loads.shape[1:]
        b, u = self.people.mean[:, :labels], self.people.mean[:, labels:]
        covariance = self.people.covariance
        rows_, columns_ = torch.tril_indices(rank, rank)
        second = covariance[:, labels:, labels:] + u[:, :, None] * u[:, None, :]
        shared = torch.cat([u, second[:, rows_, columns_]], dim=1)
        own = torch.cat([b[..., None], covariance[:, :labels, labels:] + b[..., None] * u[:, None, :]], dim=2)
        zero = torch.zeros_like(self.f)
        first = torch.zeros_like(self.images.loads)
        sums = _Sums(zero, zero.clone(), first.new_zeros(*first.shape, rank), first, first.clone())
        for which, rows, there in self.by_image.parts():
            weight = _pick(self.weight, rows) * there
            kappa = (_pick(self.answers.chosen, rows).to(weight.dtype) - 0.5) * there
            who = _pick(self.answers.person, rows)
            both = weight.mT @ _pick(shared, who)
            alone = _pick(own, who).mul_(weight[..., None]).sum(1)
            sums.weight[which] = weight.sum(1)
            sums.first[which] = both[..., :rank]
            square = both.new_empty(*both.shape[:2], rank, rank)
            square[..., rows_, columns_] = square[..., columns_, rows_] = both[..., rank:]
            sums.square[which] = square
            sums.pull[which] = kappa.sum(1) - alone[..., 0] - (self.images.loads[which] * both[..., :rank]).sum(-1)
            sums.taste[which] = kappa.mT @ _pick(u, who) - alone[..., 1:]
        return sums

    def _population(self, sums: _Sums) -> None:
        """Offset and scale with what f misses of each image, then covariance, then axes, each given the others."""
        population, f = self.population, self.f
        # offset and scale, by weighted least squares with what f misses integrated out; held at 1 where f does not vary
        share = 1 / (1 + population.image_variance * sums.weight)
        weight, pull = sums.weight * share, sums.pull * share
        ones, slope, bend = weight.sum(0), (weight * f).sum(0), (weight * f * f).sum(0)
        a, b = pull.sum(0), (pull * f).sum(0)
        determinant = ones * bend - slope * slope
        varies = determinant > 1e-9 * ones * bend.clamp(min=_TINY)
        scale = torch.where(varies, (ones * b - slope * a) / determinant.clamp(min=_TINY), torch.ones_like(a))
        offset = (a - slope * scale) / ones.clamp(min=_TINY)
        base = offset + scale * f
        variance = population.image_variance * share
        effect = variance * (sums.pull - sums.weight * base)
        image_variance = (effect.square() + variance)[self.asked].mean(0).clamp(min=_TINY)

        known = self.people.take(self.answered)
        count = max(len(known.mean), 1)
        middle = known.mean[:, : f.shape[1]].mean(0)  # of thresholds: the offset's, which takes it over below
        known.mean[:, : f.shape[1]] -= middle
        second = (known.mean.T @ known.mean + known.covariance.sum(0)) / count
        few = f.shape[1] + 1.0  # about as many people as there are labels say that nothing goes together
        covariance = (count * second + few * second.diagonal().diag()) / (count + few)
        axes = population.axes
        if population.rank:
            taste = sums.taste - (base + effect)[..., None] * sums.first
            axes = _solve_axes(axes, self.z, sums.square, taste, self.ridge)
            axes, covariance = _standard(axes, covariance, self.people, f.shape[1])
        self.people.mean[:, : f.shape[1]] -= middle
        offset, base = offset + middle, base + middle
        self.population = Population(offset, scale, axes, covariance, image_variance)
        self.images = Images(base, torch.einsum("nd,dcr->ncr", self.z, axes), effect, variance)

    def add_tastes(self, rank: int) -> None:
        """Tastes guessed from what thresholds leave: the principal directions of people's slopes along z."""
        labels, z = self.f.shape[1], self.z
        slopes = []
        for who, rows, there in self.by_person.parts():
            cells = _Cells.of(self.images, self.answers, rows, there)
            centre, variance = cells.moments(self.people.take(who))
            rest = cells.kappa - _tilt(centre, variance) * centre * there
            slopes.append((rest.mT @ _pick(z, _pick(self.answers.image, rows))).flatten(1))
            if sum(map(len, slopes)) >= _GUESSERS:
                break
        _, _, directions = torch.linalg.svd(torch.cat(slopes), full_matrices=False)
        rank = min(rank, len(directions))
        axes = directions[:rank].reshape(rank, labels, -1).permute(2, 1, 0).contiguous()
        loads = torch.einsum("nd,dcr->ncr", z, axes)
        scale = _START / loads.square().mean(dim=(0, 1)).sqrt().clamp(min=_TINY)
        covariance = torch.eye(labels + rank, dtype=z.dtype)
        covariance[:labels, :labels] = self.population.covariance
        self.population = replace(self.population, axes=axes * scale, covariance=covariance)
        self.images = replace(self.images, loads=loads * scale)
        mean = self.people.mean
        self.people = _copied(self.population.everybody(len(mean)))
        self.people.mean[:, :labels] = mean


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted population, what is believed of its people and known of its images, and the steps that it took."""

    population: Population
    people: Normals
    images: Images
    steps: int


def fit_mixed_logit(f: Tensor, z: Tensor, answers: PersonAnswers, *, rank: int, ridge: float, steps: int = 40) -> Fit:
    """Fit to answers.

    Args:
        f: the shared head's log-odds of each label, [N, C], of images that it was not fitted on (out of fold).
        z: the images along few directions, [N, d], about 1 in size.
        answers: of these images.
        rank: how many tastes; 0 leaves thresholds.
        ridge: the precision of each number in `axes`, beside answers.
        steps: of EM, at most: it ends where no number of the population moves by 0.001.

    Returns:
        The fit. Degenerate: a label that nobody or everybody chose gets thresholds near none.
    """
    fitting = _Fitting(f, z, answers, rank, ridge)
    step = 0
    for step in range(steps):
        if rank and step == min(_ALONE, steps - 1):
            fitting.add_tastes(rank)
        if fitting.step() < _ENOUGH and step > _ALONE:
            break
    return Fit(fitting.population, fitting.people, fitting.images, step + 1)


def _copied(people: Normals) -> Normals:
    return Normals(people.mean.clone(), people.covariance.clone())


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
