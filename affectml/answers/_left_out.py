"""Comparisons of systems with people in which others, who are left out of them, say how far people disagree.

Answers that said both would make one person look good where people happen to agree, and every system beside them bad.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from affectml.data.choose import SEVERAL
from affectml.judging.bias import firsts
from affectml.judging.scoring import Answers
from affectml.judging.truth import Truth
from affectml_annotation import fit_beta_prior, fit_dirichlet_prior, posterior_entropy
from affectml_metrics import functional as F

Floats = NDArray[np.float64]
Compared = tuple[NDArray[np.int64], Floats, dict[str, Floats]]  # image, disagreement and scores of each comparison
NEIGHBOURS = 2  # others whom each person of an image is compared with, of five people that is everybody


def persons(systems: Mapping[str, Answers], truth: Truth, rng: np.random.Generator) -> Compared | None:
    """One person as the target of systems and of another person; the rest say how far people disagree."""
    assert truth.chosen is not None
    assert truth.asked is not None
    order = np.where(truth.asked, rng.random(truth.asked.shape), np.inf).argsort(axis=1)  # seats may stand by answer
    chosen = np.take_along_axis(truth.chosen, order[:, :, None], axis=1).astype(np.int64)
    people = truth.asked.sum(axis=1)
    image, seat = np.nonzero((np.arange(chosen.shape[1]) < people[:, None]) & (people >= 3)[:, None])
    if not len(image):
        return None
    other = np.concatenate([(seat + k) % people[image] for k in range(1, NEIGHBOURS + 1)])
    image, seat = np.tile(image, NEIGHBOURS), np.tile(seat, NEIGHBOURS)
    one, another = chosen[image, seat], chosen[image, other]
    votes, n = chosen.sum(axis=1)[image] - one - another, people[image] - 2
    if truth.kind == "distribution":
        alpha = fit_dirichlet_prior(chosen.sum(axis=1)).alpha + votes
        given = {name: firsts(each.scores.double().numpy()) for name, each in systems.items()}
        rows = {name: (row[image] * one).sum(axis=1) for name, row in given.items()}
        return image, _shares_entropy(alpha), {**rows, "human": (another * one).sum(axis=1).astype(np.float64)}
    prior = truth.beta or fit_beta_prior(chosen.sum(axis=1), people)
    target = torch.from_numpy(one)
    sets = {name: each.sets[torch.from_numpy(image)] for name, each in systems.items() if each.sets is not None}
    rows = {name: F.set_f1(row, target).numpy() for name, row in {**sets, "human": torch.from_numpy(another)}.items()}
    return image, posterior_entropy(votes, n, prior), rows


def halves(systems: Mapping[str, Answers], truth: Truth, rng: np.random.Generator) -> Compared | None:
    """Half of the votes on each label as the target of stated rates; the other half says how far people disagree."""
    votes, people, prior = truth.votes, truth.people, truth.beta
    if truth.kind not in SEVERAL or votes is None or people is None or prior is None:
        return None
    usable = np.flatnonzero((people >= 4).all(axis=1))
    k, n = votes[usable].astype(np.int64), people[usable].astype(np.int64)
    half = rng.hypergeometric(k, n - k, n // 2)
    image, k, n = np.tile(usable, 2), np.concatenate([half, k - half]), np.concatenate([n // 2, n - n // 2])
    seen, others = k / n, np.roll(np.arange(len(image)), len(usable))
    chance = seen * (1 - seen) / (n - 1)
    given = {name: each.shares.double().numpy()[image] for name, each in systems.items() if each.shares is not None}
    rows = {name: ((row - seen) ** 2 - chance).mean(axis=1) for name, row in given.items()}
    return (image, posterior_entropy(k[others], n[others], prior), rows) if len(usable) else None


def _shares_entropy(alpha: Floats) -> Floats:
    """E H(p) in nats for p ~ Dirichlet(alpha) [M, C]."""
    from scipy.special import digamma

    total = alpha.sum(axis=1, keepdims=True)
    return np.asarray((alpha / total * (digamma(total + 1) - digamma(alpha + 1))).sum(axis=1))
