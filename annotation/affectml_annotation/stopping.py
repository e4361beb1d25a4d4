"""When to stop asking: whether one more answer to an image would change what is said of it.

The rule looks at counts alone, never at who answered: stopping by them leaves the posterior of an image's rates what
it is (the likelihood principle: Berger & Wolpert 1988), while raw shares and agreement of images that stopped early
are off. What the next answers are is drawn from the posterior of `smoothing`'s prior (a knowledge-gradient rule:
Frazier, Powell & Dayanik 2008), label by label.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from affectml_annotation.errors import StoreError, did_you_mean
from affectml_annotation.smoothing import BetaPrior, BoolArray, FloatArray, _counts, label_sets

Until = Literal["F1", "entropy"]
AHEAD = 3  # answers looked ahead: where an image is undecided, no single one may be able to turn a label
SIMULATED = 2000  # images, at least and at most, that a threshold is chosen on
WHOLE_SHARE, WHOLE_LEAST = 0.1, 50


@dataclass(frozen=True)
class Overlap:
    """How many people answer an image, where that depends on what the first ones said.

    min, max: people an image at least and at most. mean: people an image that all images together are to have, on
    average. until: what a further answer is to change: the set of labels (F1) or people's entropy (entropy).
    """

    min: int
    max: int
    mean: float
    until: Until = "F1"

    def __post_init__(self) -> None:
        if self.until not in get_args(Until):
            near = did_you_mean(str(self.until), get_args(Until))
            raise StoreError(f"until: expected F1 or entropy, but received {self.until!r}{near}")
        if not 1 <= self.min < self.max:
            raise StoreError(f"expected 1 <= min < max people an image, but received min {self.min} and max {self.max}")
        if not self.min <= self.mean <= self.max:
            raise StoreError(f"mean: expected {self.min} to {self.max} people an image, but received {self.mean:g}")

    def least(self, images: int) -> float:
        """The mean number of people an image below which so many images cannot get: all `min`, some of them `max`."""
        return self.min + (self.max - self.min) * whole_count(images) / max(images, 1)

    def check(self, images: int) -> None:
        """Raise StoreError where so many images cannot have so few people on average."""
        if self.mean < (least := self.least(images)):
            raise StoreError(
                f"mean: {images} images need {least:.2f} people each at least, as {whole_count(images)} of them "
                f"are to get all {self.max} whatever the first say, but received {self.mean:g}; name a larger mean, a "
                "smaller max, or one number of people for all images"
            )


def whole_count(images: int) -> int:
    """How many of so many images all `max` people answer."""
    return min(images, max(WHOLE_LEAST, round(WHOLE_SHARE * images)))


def whole(image_ids: Sequence[str], seed: int, *, of: int = 0, there: int = 0) -> set[str]:
    """The images that all `max` people answer, whatever they say: a tenth, at least 50, chosen by seed and id alone.

    of, there: how many others there are already, and how many of them keep all people.
    """
    by_chance = sorted(image_ids, key=lambda name: blake2b(f"{seed}\0{name}".encode()).digest())
    return set(by_chance[: max(0, whole_count(of + len(by_chance)) - there)])


def posterior_entropy(votes: npt.ArrayLike, n: npt.ArrayLike, prior: BetaPrior) -> FloatArray:
    """The expected entropy of an image's rates given its votes: mean over labels of "chosen or not", in bits.

    The entropy of shares of few people is too low, and that of images which stopped early lower still; this is neither.

    Args:
        votes: [N, C], how many people chose each label.
        n: [N] or [N, C], how many people answered.
        prior: from `fit_beta_prior`.

    Returns:
        [N] in [0, 1]; what the prior expects where n = 0.

    Raises:
        BadCounts: counts that cannot be, or another number of labels than the prior has.
    """
    k, asked = _counts(votes, n, len(prior.alpha))
    return np.asarray(_entropy(k + prior.alpha, asked - k + prior.beta).mean(axis=1))


def _entropy(a: FloatArray, b: FloatArray) -> FloatArray:
    """E h(p) in bits for p ~ Beta(a, b)."""
    from scipy.special import digamma

    nats = digamma(a + b + 1) - (a * digamma(a + 1) + b * digamma(b + 1)) / (a + b)
    return np.asarray(nats / np.log(2))


def expected_change(
    votes: npt.ArrayLike, n: npt.ArrayLike, prior: BetaPrior, until: Until = "F1", *, tau: float = 1 / 3,
    ahead: int = AHEAD,
) -> FloatArray:  # fmt: skip
    """How much one more answer is expected to change an image.

    F1: 1 - F1 of the set that `label_sets` makes now and the one it makes with more answers, exactly, as labels turn
    independently of each other; per answer, of the best of 1 to `ahead` further ones. entropy: the root mean square
    of the change of `posterior_entropy` by one answer.

    Args:
        votes: [N, C], how many people chose each label.
        n: [N], how many people answered.
        prior: from `fit_beta_prior`.
        until: F1 or entropy.
        tau: of `label_sets`.
        ahead: how many further answers are looked at, for F1.

    Returns:
        [N], zero or more: in F1, or in bits.

    Raises:
        BadCounts: as `label_sets`.

    >>> prior = BetaPrior(np.array([0.5]), np.array([1.5]), np.array([False]))
    >>> expected_change([[1], [2], [0]], [3, 6, 6], prior).round(3).tolist()
    [0.3, 0.312, 0.0]
    """
    k, asked = _counts(votes, n, len(prior.alpha))
    a, b = k + prior.alpha, asked - k + prior.beta
    if until == "entropy":
        apart = _entropy(a + 1, b) - _entropy(a, b + 1)
        spread = a * b / (a + b) ** 2 * apart**2
        return np.asarray(np.sqrt(spread.sum(axis=1)) / max(k.shape[1], 1))
    inside = label_sets(k, asked, prior, tau)
    best = np.zeros(len(k))
    for more in range(1, ahead + 1):
        turns = np.zeros(k.shape)
        for yes in range(more + 1):
            turned = label_sets(k + yes, asked + more, prior, tau) != inside
            turns[turned] += _chance_of(yes, more, a[turned], b[turned])
        best = np.maximum(best, _one_minus_f1(inside, turns) / more)
    return best


def _chance_of(yes: int, more: int, a: FloatArray, b: FloatArray) -> FloatArray:
    """P(so many of `more` further people choose it), rate ~ Beta(a, b)."""
    from scipy.special import betaln, comb

    return np.asarray(comb(more, yes) * np.exp(betaln(a + yes, b + more - yes) - betaln(a, b)))


def _one_minus_f1(inside: BoolArray, turns: FloatArray) -> FloatArray:
    """E(1 - F1) of each row's set and the one in which each label turned, independently, by its chance."""
    lost, gained = _how_many(np.where(inside, turns, 0)), _how_many(np.where(inside, 0, turns))
    size, found = inside.sum(axis=1), np.zeros(len(inside))
    x, y = np.ogrid[: lost.shape[1], : gained.shape[1]]
    for labels in np.unique(size):
        rows = size == labels
        apart = (x + y) / np.maximum(2 * labels - x + y, 1)
        found[rows] = ((lost[rows] @ apart) * gained[rows]).sum(axis=1)
    return found


def _how_many(chances: FloatArray) -> FloatArray:
    """P(0, 1, .. C of these independent events happen) by row, [N, C + 1] (Poisson binomial)."""
    found = np.zeros((len(chances), chances.shape[1] + 1))
    found[:, 0] = 1
    for p in chances.T[..., None]:
        found[:, 1:] = found[:, 1:] * (1 - p) + found[:, :-1] * p
        found[:, :1] *= 1 - p
    return found


def threshold(
    votes: npt.ArrayLike, n: npt.ArrayLike, prior: BetaPrior, overlap: Overlap, answers: float, *, tau: float = 1 / 3,
    seed: int = 0,
) -> float:  # fmt: skip
    """The expected change above which an image gets another person, so that `answers` are expected in all.

    What people would say is drawn from the posterior, for 2000 of the images or of their repetitions.

    Args:
        votes: [N, C], how many people chose each label so far.
        n: [N], how many people answered; images that have fewer than `overlap.min` get so many.
        prior: from `fit_beta_prior`.
        overlap: how many people an image gets.
        answers: how many all these images may have, those that are there counted.
        tau: of `label_sets`.
        seed: of what is drawn.

    Returns:
        Zero or more; no more answers than allowed are expected, and fewer where more would change nothing.

    Raises:
        BadCounts: as `label_sets`.
    """
    k, asked = _counts(votes, n, len(prior.alpha))
    if not len(k):
        return 0.0
    random = np.random.default_rng(seed)
    draws = max(1, -(-SIMULATED // len(k)))
    rows = np.tile(np.arange(len(k)), draws) if draws > 1 else random.permutation(len(k))[:SIMULATED]
    k, people = k[rows].copy(), asked[rows, 0].copy()
    rates = random.beta(k + prior.alpha, people[:, None] - k + prior.beta)
    left = answers * len(rows) / len(asked) - np.maximum(people, overlap.min).sum()
    lowest, steps = np.full(len(rows), np.inf), [np.zeros(0)]
    while (going := people < overlap.max).any():
        able = going & (people >= overlap.min)
        lowest[able] = np.minimum(lowest[able], expected_change(k[able], people[able], prior, overlap.until, tau=tau))
        steps.append(lowest[able])
        k[going] += random.random((int(going.sum()), k.shape[1])) < rates[going]
        people[going] += 1
    # An image goes on for as long as no step's change was as low as the threshold: its running minimum says so.
    best_first = np.sort(np.concatenate(steps))[::-1]
    return float(best_first[max(0, int(left))]) if left < len(best_first) else 0.0
