"""What people's answers are expected to be: from alike images, a head that did not see them, and other people."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit, xlogy

from affectml.auditing._said import Said
from affectml.auditing._surprise import beta_binomial
from affectml.heads import Head

Floats = NDArray[np.float64]
FOLDS = 5
LEAST = 50  # images with answers; with fewer, rates are the labels' shares
NEAREST = 20
TRUST = 4  # people that the labels' shares count for beside neighbours' answers
EDGE = 0.005  # no expected rate is nearer to 0 or 1
STRENGTHS = np.geomspace(1, 300, 30)
HABIT = 0.7  # standard deviation of a person's log-odds for a label, before their answers are seen
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Expected:
    """Rates [N, C] expected of each image without its own answers; `near`: its neighbours' shares, `head`: the head's.

    strength [C]: how many people's answers that rate is worth beside the image's own.
    """

    rate: Floats
    near: Floats | None
    head: Floats | None
    strength: Floats

    def of_answers(self, said: Said, *, habits: bool = True) -> Floats:
        """Each answer's chance to hold each label [M, C], given what the others said of the image, and own habits.

        The mean of the Beta distribution after the others' votes; habits move its log-odds by a number of each person
        and label, drawn towards 0 (a normal prior), so that who often says joy is not odd for saying it.
        """
        others = said.votes[said.image] - said.chosen
        people = said.n[said.image] - 1
        rate = (self.strength * self.rate[said.image] + others) / (self.strength + people)
        rate = np.clip(rate, EDGE, 1 - EDGE)
        if habits:
            rate = expit(logit(rate) + _habits(logit(rate), said)[said.person])
        rate = np.clip(rate, EDGE, 1 - EDGE)
        return np.asarray(rate / rate.sum(axis=1, keepdims=True)) if said.exclusive else np.asarray(rate)


def expect(
    said: Said, features: NDArray[Any] | None, groups: NDArray[Any], make: Callable[[], Head], seed: int
) -> Expected:
    """Expected rates of every image: five folds of a head and the nearest images' answers, mixed on log-odds.

    Args:
        said: what people said.
        features: embeddings [N, D]; None where there are none: then every image has the labels' shares.
        groups: [N]; images of a group are in one fold, and are not each other's neighbours.
        make: gives the head, not fitted.
        seed: of the folds.
    """
    share = (said.votes.sum(axis=0) + 0.5) / (said.n.sum(axis=0) + 1)
    answered = said.n.sum(axis=1) > 0
    rate = np.tile(np.clip(share, EDGE, 1 - EDGE), (len(said.n), 1))
    near = head = None
    if features is not None and answered.sum() >= LEAST:
        near = _neighbours(said, features, groups, share)
        head = out_of_fold(said, features, groups, make, seed, rate)
        rate = _mixed(said, near, head)
    if said.exclusive:
        rate = rate / rate.sum(axis=1, keepdims=True)
    return Expected(rate, near, head, _strengths(said, rate))


def nearest(features: NDArray[Any], groups: NDArray[Any], count: int = NEAREST) -> tuple[NDArray[np.int64], Floats]:
    """The nearest images of other groups by cosine: rows [N, count], and whether there are so many, [N, count]."""
    rows = np.asarray(features, dtype=np.float32)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)
    count = min(count, len(rows) - 1)
    code = np.unique(groups, return_inverse=True)[1]
    found, there = np.zeros((len(rows), count), dtype=np.int64), np.zeros((len(rows), count))
    for start in range(0, len(rows), 1024):
        alike = rows[start : start + 1024] @ rows.T
        alike[code[start : start + 1024, None] == code[None, :]] = -np.inf
        best = np.argsort(-alike, axis=1, kind="stable")[:, :count]
        found[start : start + 1024] = best
        there[start : start + 1024] = np.isfinite(np.take_along_axis(alike, best, axis=1))
    return found, there


def _neighbours(said: Said, features: NDArray[Any], groups: NDArray[Any], share: Floats) -> Floats:
    rows, there = nearest(features, groups)
    votes = (said.votes[rows] * there[:, :, None]).sum(axis=1)
    people = (said.n[rows] * there[:, :, None]).sum(axis=1)
    return np.asarray((votes + TRUST * share) / (people + TRUST))


def out_of_fold(
    said: Said,
    features: NDArray[Any],
    groups: NDArray[Any],
    make: Callable[[], Head],
    seed: int,
    rate: Floats,
    *,
    alike: bool = False,
) -> Floats:
    """The head's rates of images that it was not fitted on, five folds; `rate` where nothing can be fitted.

    alike: every image counts the same, as in training on panels of about one size; else as its people are many.
    """
    names, code = np.unique(groups, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(names))[code] % FOLDS
    target = said.votes / np.maximum(said.n, 1)
    found = rate.copy()
    answered = (said.n.sum(axis=1) > 0) & ((target.sum(axis=1) > 0) | (not said.exclusive))
    for number in range(FOLDS):
        train, held = (fold != number) & answered, fold == number
        if not held.any() or not train.any():
            continue
        people = said.n[train].max(axis=1) if said.exclusive else said.n[train]
        shares = target[train] / target[train].sum(axis=1, keepdims=True) if said.exclusive else target[train]
        weights = None if alike else people.astype(float)
        head = make().fit(features[train], shares, weights=weights, generator=torch.Generator().manual_seed(seed))
        predict = head.predict_distribution if said.exclusive else head.predict_rates
        found[held] = predict(features[held]).numpy()
    return found


def _mixed(said: Said, near: Floats, head: Floats) -> Floats:
    """A logistic regression of the votes on both log-odds: three numbers in all, by Newton's steps."""
    near, head = (np.clip(each, EDGE, 1 - EDGE) for each in (near, head))
    terms = np.stack([np.ones_like(near), logit(near), logit(head)], axis=-1).reshape(-1, 3)
    votes, n = said.votes.ravel().astype(float), said.n.ravel().astype(float)
    weight = np.array([0.0, 0.5, 0.5])
    for _ in range(25):
        chance = expit(terms @ weight)
        slope = terms.T @ (votes - n * chance) - 1e-3 * (weight - 0.5)
        curve = (terms * (n * chance * (1 - chance))[:, None]).T @ terms + 1e-3 * np.eye(3)
        step = np.linalg.solve(curve, slope)
        weight = weight + step
        if np.abs(step).max() < 1e-8:
            break
    return np.asarray(np.clip(expit(terms @ weight), EDGE, 1 - EDGE).reshape(near.shape))


def _strengths(said: Said, rate: Floats) -> Floats:
    """For each label the strength of its Beta distribution that makes the votes likeliest, on a grid."""
    found = np.full(len(said.labels), 10.0)
    for label in range(len(said.labels)):
        rows = said.n[:, label] > 1
        if rows.sum() < LEAST:
            continue
        n, votes = said.n[rows, label], said.votes[rows, label]
        at = [
            np.log(np.take_along_axis(beta_binomial(n, rate[rows, label], np.array(s)), votes[:, None], axis=1)).sum()
            for s in STRENGTHS
        ]
        found[label] = STRENGTHS[int(np.argmax(at))]
    return found


def _habits(evidence: Floats, said: Said) -> Floats:
    """Log-odds that each person adds for each label [A, C]: the mode under a normal prior, by Newton's steps."""
    found = np.zeros((len(said.people), evidence.shape[1]))
    for _ in range(8):
        chance = expit(evidence + found[said.person])
        slope, curve = -found / HABIT**2, np.full_like(found, 1 / HABIT**2)
        np.add.at(slope, said.person, said.chosen - chance)
        np.add.at(curve, said.person, chance * (1 - chance))
        found = found + np.clip(slope / curve, -1, 1)
    return found


def log_loss(chance: Floats, chosen: NDArray[Any]) -> Floats:
    """-log of the chance of what was said, of each label [M, C]."""
    return np.asarray(-xlogy(chosen, chance) - xlogy(1 - chosen.astype(float), 1 - chance))
