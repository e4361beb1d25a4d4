"""A mixed logit of people: how far each person's answers depart from the shared head's, label by label and by image.

Person j chooses label c for image i with log-odds

    offset_c + scale_c f_ic  +  e_ic  +  b_jc + sum_r u_jr h_icr,      h_icr = z_i . axes_cr,

f being the shared head's log-odds and z_i the image's features along few directions. (b_j, u_j) are a person's own
thresholds and tastes, normal with mean 0 and one covariance for all people; e_ic is what f misses of an image, normal
with one variance a label. All of it is fitted by variational EM with the bound of Jaakkola & Jordan (2000), which is
Polson, Scott & Windle's (2013) augmentation: each step is a weighted least squares problem. Normal parameters of people
make it a mixed logit (McFadden & Train 2000); what is learned of the covariance is how far people are pooled.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from affectml.heads.blocks import one_thread

NODES = 20  # of Gauss-Hermite; an integral of a logistic over a normal of SD 3 is then within 1e-4, of SD 1 within 1e-6
_CELLS = 500_000  # numbers of answers x labels x (labels + tastes) that are in memory at once
_ENOUGH = 1e-2  # log-odds: EM has converged where no number of the population moves farther in a step
_START = 0.3  # SD in log-odds that tastes begin with, along random axes
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

    def part(self, first: int, count: int) -> "PersonAnswers":
        """Those about `count` images from row `first` on, by rows of these images."""
        inside = self.take((self.image >= first) & (self.image < first + count))
        return replace(inside, image=inside.image - first)

    def joined(self, others: "PersonAnswers", images: int) -> "PersonAnswers":
        """With answers of the same people about other images, whose rows follow on these `images` ones."""
        shifted, names = replace(others, image=others.image + images), ("image", "person", "chosen")
        image, person, chosen = (torch.cat([getattr(self, name), getattr(shifted, name)]) for name in names)
        return PersonAnswers(image, person, chosen, self.people)

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
class ImageEffects:
    """What answers say of N images beyond their features: mean and variance [N, C], in log-odds."""

    mean: Tensor
    variance: Tensor


@dataclass(frozen=True, eq=False)
class Images:
    """N images as the model sees them: base [N, C], loads [N, C, R], mean and variance [N, C] of what f misses."""

    base: Tensor
    loads: Tensor
    effect: Tensor
    effect_variance: Tensor

    def take(self, rows: Tensor) -> "Images":
        """Some of them, by rows of any shape."""
        return Images(*(_pick(table, rows) for table in vars(self).values()))


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

    def images(self, f: Tensor, z: Tensor, effects: ImageEffects | None = None) -> Images:
        """Images of logits f [N, C] and directions z [N, d]; effects: what is known of what f misses, None: nothing."""
        base = self.offset + self.scale * f
        loads = torch.einsum("nd,dcr->ncr", z, self.axes)
        missed = effects or ImageEffects(torch.zeros_like(base), self.image_variance.expand_as(base))
        return Images(base, loads, missed.mean, missed.variance)

    def everybody(self, count: int) -> Normals:
        """What is known of people before they answer."""
        mean = torch.zeros(count, len(self.covariance), dtype=self.covariance.dtype)
        return Normals(mean, self.covariance.repeat(count, 1, 1))


def _pick(table: Tensor, rows: Tensor) -> Tensor:
    """table[rows] for rows of any shape; several times faster."""
    return table.index_select(0, rows.flatten()).reshape(*rows.shape, *table.shape[1:])


def person_rates(images: Images, people: Normals) -> Tensor:
    """The probability that person n chooses each label of image n, [N, C]: the integral over what is believed of both.

    images, people: N each, or one person for all images.
    """
    design, level = _design(images), images.base + images.effect
    mean, variance, _ = _moments(design if len(people.mean) > 1 else design.flatten(0, 1)[None], people)
    return normal_logistic(level + mean.view_as(level), images.effect_variance + variance.view_as(level))


def normal_logistic(mean: Tensor, variance: Tensor) -> Tensor:
    """E sigmoid(x) for x normal, by Gauss-Hermite quadrature with 20 nodes."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
    total = torch.zeros_like(mean)
    spread = variance.clamp(min=0).sqrt()
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        total += weight * (mean + spread * node).sigmoid()
    return total


def _design(images: Images) -> Tensor:
    """What each of a person's K numbers adds to the log-odds of each label, [..., C, K]: thresholds, then tastes."""
    labels = images.base.shape[-1]
    own = torch.eye(labels, dtype=images.base.dtype).expand(*images.base.shape, labels)
    return torch.cat([own, images.loads], dim=-1)


def _moments(design: Tensor, people: Normals) -> tuple[Tensor, Tensor, Tensor]:
    """Of what P people add to M log-odds each: mean and variance [P, M], covariance with their numbers [P, M, K]."""
    covariance = design @ people.covariance
    return (design @ people.mean[..., None])[..., 0], (covariance * design).sum(-1), covariance


@dataclass(frozen=True, eq=False)
class _Part:
    """P people and the M cells, answers x labels, of each. who [P]; image [P, n]; design [P, M, K]; the rest [P, M].

    level, variance: of the image's log-odds; kappa: 1/2 where the label was chosen, else -1/2. there: 0 for the cells
    that fill up those of people who answered less often than others, and kappa is 0 there, too.
    """

    who: Tensor
    image: Tensor
    design: Tensor
    level: Tensor
    variance: Tensor
    kappa: Tensor
    there: Tensor

    def weight(self, mean: Tensor, variance: Tensor) -> Tensor:
        """Of each cell in Jaakkola & Jordan's bound at its best, tanh(c / 2) / (2 c), c the root mean square."""
        c = ((self.level + mean).square() + self.variance + variance).clamp(min=_TINY**2).sqrt()
        return (c / 2).tanh() / (2 * c) * self.there

    def update(self, people: Normals, inverse: Tensor) -> Normals:
        """People as their answers have them, under the bound that is best for what was believed; a step up for any."""
        mean, variance, _ = _moments(self.design, people)
        weight = self.weight(mean, variance)
        precision = inverse + self.design.mT @ (self.design * weight[..., None])
        pull = self.design.mT @ (self.kappa - weight * self.level)[..., None]
        covariance = torch.cholesky_inverse(torch.linalg.cholesky(precision))
        return Normals((covariance @ pull)[..., 0], covariance)


def _parts(images: Images, answers: PersonAnswers) -> Iterator[_Part]:
    """Everybody who answered, those with about as many answers together, in parts that fit in memory."""
    counts = torch.bincount(answers.person, minlength=answers.people)
    rows, starts = torch.argsort(answers.person, stable=True), counts.cumsum(0) - counts
    left = torch.argsort(counts, descending=True, stable=True)[: int((counts > 0).sum())]
    _, labels, tastes = images.loads.shape
    while len(left):
        most = int(counts[left[0]])
        who, left = left.tensor_split([max(1, _CELLS // (most * labels * (labels + tastes)))])
        place = torch.arange(most)
        there = place < counts[who, None]
        row = rows[starts[who, None] + place * there]
        image = answers.image[row]
        seen = images.take(image)
        kappa = (_pick(answers.chosen, row).to(seen.base.dtype) - 0.5) * there[..., None]
        cells = (_design(seen), seen.base + seen.effect, seen.effect_variance, kappa, there[..., None].expand_as(kappa))
        yield _Part(who, image, *(table.flatten(1, 2) for table in cells))


def posterior(population: Population, images: Images, answers: PersonAnswers, *, steps: int = 40) -> Normals:
    """What is believed of each person after their answers, [J, K]; who gave none is as everybody.

    A fixed point of steps that never diverge, each of them exact under the last one's bound.
    """
    people, inverse = population.everybody(answers.people), torch.linalg.inv(population.covariance)
    for part in _parts(images, answers):
        updated = people.take(part.who)
        for _ in range(steps):
            before, updated = updated, part.update(updated, inverse)
            if float((updated.mean - before.mean).abs().max()) < 1e-8:
                break
        people.mean[part.who], people.covariance[part.who] = updated.mean, updated.covariance
    return people


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted population, what is believed of its people and known of its images, and the steps that it took."""

    population: Population
    people: Normals
    images: Images
    steps: int = 0


def fit_mixed_logit(f: Tensor, z: Tensor, answers: PersonAnswers, *, tastes: int, ridge: float, steps: int = 60) -> Fit:
    """Fit to answers.

    Args:
        f: the shared head's log-odds of each label, [N, C], of images that it was not fitted on (out of fold).
        z: the images along few directions, [N, d], of mean square length 1.
        answers: of these images.
        tastes: how many; 0 leaves thresholds.
        ridge: the precision of each number in `axes`, beside answers.
        steps: of EM, at most: it ends where no number of the population moves by 0.01.

    Returns:
        The fit. Degenerate: a label that nobody or everybody chose gets thresholds near none.
    """
    labels, kind = f.shape[1], f.dtype
    axes = torch.randn(z.shape[1], labels, tastes, generator=torch.Generator().manual_seed(0), dtype=kind) * _START
    size = labels + tastes
    population = Population(
        f.new_zeros(labels), f.new_ones(labels), axes, torch.eye(size, dtype=kind), f.new_full((labels,), 0.3)
    )
    fit = Fit(population, population.everybody(answers.people), population.images(f, z))
    while fit.steps < steps:
        before, fit = fit, _step(fit, f, z, answers, ridge)
        if float((_numbers(fit) - _numbers(before)).abs().max()) < _ENOUGH:
            break
    return fit


def _numbers(fit: Fit) -> Tensor:
    """The population in log-odds: offset, scale, SD of thresholds, of tastes and of what f misses, [5 C]."""
    population = fit.population
    thresholds = population.covariance.diagonal()[: len(population.offset)].sqrt()
    tastes = fit.images.loads.square().sum(-1).mean(0).sqrt()
    return torch.cat([population.offset, population.scale, thresholds, tastes, population.image_variance.sqrt()])


@one_thread()
def _sum(products: str, *factors: Tensor) -> Tensor:
    """`torch.einsum` with a sum over rows, which some processors' libraries split among threads."""
    return torch.einsum(products, *factors)


def _step(fit: Fit, f: Tensor, z: Tensor, answers: PersonAnswers, ridge: float) -> Fit:
    """One step of EM: people; then offset and scale with what f misses of each image; then axes; then the covariance.

    Sums over answers are taken in their order, so that they are the same on any number of threads.
    """
    population, images, labels = fit.population, fit.images, f.shape[1]
    people, inverse = population.everybody(answers.people), torch.linalg.inv(population.covariance)
    # of each image and label: the sum of weights, and the slopes of the bound by its log-odds and by its loads
    weight, rise, turn = torch.zeros_like(f), torch.zeros_like(f), torch.zeros_like(images.loads)
    for part in _parts(images, answers):
        updated = part.update(fit.people.take(part.who), inverse)
        people.mean[part.who], people.covariance[part.who] = updated.mean, updated.covariance
        mean, variance, between = _moments(part.design, updated)
        own = part.weight(mean, variance)
        left = part.kappa - own * (part.level + mean)
        along = left[..., None] * updated.mean[:, None, labels:] - own[..., None] * between[..., labels:]
        image = part.image.flatten()
        for total, addend in ((weight, own), (rise, left), (turn, along)):
            total.index_add_(0, image, addend.reshape(len(image), *total.shape[1:]))

    # weighted least squares for offset and scale, what f misses integrated out; scale stays 1 where f does not vary
    pull = rise + weight * (images.base + images.effect)
    share = 1 / (1 + population.image_variance * weight)
    terms = torch.stack([torch.ones_like(f), f], dim=2)
    normal = _sum("nc,ncs,nct->cst", weight * share, terms, terms) + _TINY * torch.eye(2, dtype=f.dtype)
    right = _sum("nc,ncs->cs", pull * share, terms) + _TINY * f.new_tensor([0.0, 1.0])
    offset, scale = torch.linalg.solve(normal, right).T
    base = offset + scale * f
    variance = population.image_variance * share
    effect = variance * (pull - weight * base)
    image_variance = (effect.square() + variance).mean(0).clamp(min=_TINY)

    # a step of Newton's for the axes, as if tastes had covariance 1 over the people of each image, as over all they do
    gradient = _sum("nd,ncr->cdr", z, turn) - ridge * population.axes.transpose(0, 1)
    bend = torch.stack([_sum("nd,ne->de", z * column[:, None], z) for column in weight.T]) + ridge * torch.eye(
        z.shape[1], dtype=f.dtype
    )
    axes = population.axes + torch.linalg.solve(bend, gradient).transpose(0, 1)

    answered = torch.bincount(answers.person, minlength=answers.people) > 0
    middle = people.mean[answered].mean(0)
    middle[labels:] = 0  # the offset takes over that of thresholds, and tastes have none
    people.mean[answered] -= middle
    known = people.take(answered)
    second = (_sum("pi,pj->ij", known.mean, known.mean) + known.covariance.sum(0)) / len(known.mean)
    few = labels + 1.0  # about as many people as there are labels say that nothing goes together
    covariance = (len(known.mean) * second + few * second.diagonal().diag()) / (len(known.mean) + few)
    # tastes with variance 1, their size in the axes (parameter expansion, Liu, Rubin & Wu 1998)
    root = torch.linalg.cholesky(covariance[labels:, labels:])
    turned = torch.eye(len(covariance), dtype=f.dtype)
    turned[labels:, labels:] = torch.linalg.inv(root)
    people = Normals(people.mean @ turned.T, turned @ people.covariance @ turned.T)
    fitted = Population(offset + middle[:labels], scale, axes @ root, turned @ covariance @ turned.T, image_variance)
    return Fit(fitted, people, fitted.images(f, z, ImageEffects(effect, variance)), fit.steps + 1)
