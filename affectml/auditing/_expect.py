"""What people's answers are expected to be: from alike images, a head that did not see them, and other people."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, gammaln, logit, logsumexp, xlogy
from scipy.stats import betabinom

from affectml.auditing._said import Said
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
OTHERS = 2  # answers beside an answer, at least, to judge it by them
KINDS = 64  # of images, at most
WORTH = 0.02  # nats an image that twice as many kinds must gain on images that they were not fitted to
DRAWS = 20  # images without errors for each image


@dataclass(frozen=True, eq=False)
class Ground:
    """What expectations rest on.

    features: embeddings [N, D], None where there are none: then every image has the labels' shares. groups [N]: images
    of a group are in one fold, and are not each other's neighbours. make: gives a head, not fitted. seed: of the folds.
    """

    features: NDArray[Any] | None
    groups: NDArray[Any]
    make: Callable[[], Head]
    seed: int


@dataclass(frozen=True, eq=False)
class Beside:
    """Counts of one label each, judged by the other answers to the same image: R images, C labels.

    image [R]: their rows. kinds: how many kinds of images tell what goes together. chance [R, C]: of an answer beside
    the others. By check, odds [R, C], -inf where nobody chose the label: of an `answer`, the logarithm of how much
    likelier it is to an image drawn at random than beside the others; of an `image`, of how much likelier its votes are
    if as many of them as the label has, whichever, were given to another image. By check, p [R]: how often the largest
    of these is larger (or equal: half) without any error.
    """

    image: NDArray[np.int64]
    kinds: int
    chance: Floats
    odds: dict[str, Floats]
    p: dict[str, Floats]


@dataclass(frozen=True, eq=False)
class Expected:
    """Rates [N, C] expected of each image without its own answers; `near`: its neighbours' shares, `head`: the head's.

    strength [C]: how many people's answers that rate is worth beside the image's own. beside: where there are neither
    embeddings nor single answers, what an image's votes say of one another.
    """

    rate: Floats
    near: Floats | None
    head: Floats | None
    strength: Floats
    beside: Beside | None = None

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


def expect(said: Said, ground: Ground) -> Expected:
    """Expected rates of every image: five folds of a head and the nearest images' answers, mixed on log-odds."""
    share = (said.votes.sum(axis=0) + 0.5) / (said.n.sum(axis=0) + 1)
    answered = said.n.sum(axis=1) > 0
    rate = np.tile(np.clip(share, EDGE, 1 - EDGE), (len(said.n), 1))
    near = head = None
    if ground.features is not None and answered.sum() >= LEAST:
        near = _neighbours(said, ground.features, ground.groups, share)
        head = _out_of_fold(said, ground.features, ground, rate)
        rate = _mixed(said, near, head)
    if said.exclusive:
        rate = rate / rate.sum(axis=1, keepdims=True)
    counts = near is None and said.exclusive and said.known and not len(said.image)
    beside = _beside(said, ground.groups, ground.seed) if counts else None
    return Expected(rate, near, head, _strengths(said, rate), beside)


def nearest(features: NDArray[Any], groups: NDArray[Any], count: int = NEAREST) -> tuple[NDArray[np.int64], Floats]:
    """The nearest images of other groups by cosine: rows [N, count], and whether there are so many, [N, count]."""
    rows = np.asarray(features, dtype=np.float32)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)
    count = min(count, len(rows) - 1)
    code = np.unique(groups, return_inverse=True)[1]
    found, there = np.zeros((len(rows), count), dtype=np.int64), np.zeros((len(rows), count))
    for start in range(0, len(rows), 1024):
        block = rows[start : start + 1024] @ rows.T
        for at in np.split(np.arange(len(block)), range(64, len(block), 64)):  # whose copies are small
            alike, these = block[at], start + at
            alike[code[these, None] == code[None, :]] = -np.inf
            found[these] = _largest(alike, count)
            there[these] = np.isfinite(np.take_along_axis(alike, found[these], axis=1))
    return found, there


def _largest(values: NDArray[Any], count: int) -> NDArray[np.int64]:
    """The columns of the `count` largest values of each row, in their order; of equal values the first."""
    width = min(64, values.shape[1] // count)
    highest = values[:, : values.shape[1] // width * width].reshape(len(values), -1, width).max(axis=2)
    enough = np.partition(highest, -count, axis=1)[:, -count]  # so many values are no smaller, and few more
    row, column = np.nonzero(values >= enough[:, None])
    order = np.lexsort((-values[row, column], row))
    return np.asarray(column[order][np.searchsorted(row, np.arange(len(values)))[:, None] + np.arange(count)])


def _neighbours(said: Said, features: NDArray[Any], groups: NDArray[Any], share: Floats) -> Floats:
    rows, there = nearest(features, groups)
    votes = (said.votes[rows] * there[:, :, None]).sum(axis=1)
    people = (said.n[rows] * there[:, :, None]).sum(axis=1)
    return np.asarray((votes + TRUST * share) / (people + TRUST))


def _out_of_fold(said: Said, features: NDArray[Any], ground: Ground, rate: Floats) -> Floats:
    """The head's rates of images that it was not fitted on, five folds; `rate` where nothing can be fitted."""
    fold = _folds(ground.groups, ground.seed)
    target = said.votes / np.maximum(said.n, 1)
    found = rate.copy()
    answered = (said.n.sum(axis=1) > 0) & ((target.sum(axis=1) > 0) | (not said.exclusive))
    for number in range(FOLDS):
        train, held = (fold != number) & answered, fold == number
        if not held.any() or not train.any():
            continue
        people = said.n[train].max(axis=1) if said.exclusive else said.n[train]
        shares = target[train] / target[train].sum(axis=1, keepdims=True) if said.exclusive else target[train]
        made = torch.Generator().manual_seed(ground.seed)
        head = ground.make().fit(features[train], shares, weights=people.astype(float), generator=made)
        predict = head.predict_distribution if said.exclusive else head.predict_rates
        found[held] = predict(features[held]).numpy()
    return found


def _folds(groups: NDArray[Any], seed: int) -> NDArray[np.int64]:
    """Which of five folds each image is in [N]; groups stay together."""
    names, code = np.unique(groups, return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(len(names))[code] % FOLDS)


def _beside(said: Said, groups: NDArray[Any], seed: int) -> Beside | None:
    """Each image's votes beside kinds of images learned in the other four folds; None for fewer than 50 images.

    The number of kinds is doubled as long as images that they were not fitted to become likelier. p compares with
    DRAWS images of as many answers for each one, drawn from the kinds that it was compared with.
    """
    image = np.flatnonzero(said.votes.sum(axis=1) > OTHERS)
    votes, fold, draw = said.votes[image], _folds(groups, seed)[image], np.random.default_rng(seed)
    parts = [(votes[fold != number], np.flatnonzero(fold == number)) for number in range(FOLDS)]
    parts = [(train, held) for train, held in parts if len(train) and len(held)]
    if len(image) < LEAST or not parts:
        return None
    count, best, kinds = 1, -np.inf, list[tuple[Floats, Floats]]()
    while count <= min(KINDS, *(len(np.unique(train, axis=0)) for train, _ in parts)):
        made = [_kinds(train, count, draw) for train, _ in parts]
        value = sum(
            logsumexp(votes[held] @ rate.T + weight, axis=1).sum()
            for (_, held), (weight, rate) in zip(parts, made, strict=True)
        )
        if value - best < WORTH * len(image):
            break
        count, best, kinds = 2 * count, value, made
    chance, odds = np.zeros(votes.shape), {check: np.zeros(votes.shape) for check in ("answer", "image")}
    null: dict[str, list[Floats]] = {check: [] for check in odds}
    for (_, held), (weight, rate) in zip(parts, kinds, strict=True):
        which = draw.choice(len(weight), DRAWS * len(held), p=np.exp(weight))
        drawn = draw.multinomial(np.tile(votes[held].sum(axis=1), DRAWS), np.exp(rate)[which])
        chance[held], *seen = _odds(votes[held], weight, rate)
        for check, here, without in zip(odds, seen, _odds(drawn, weight, rate)[1:], strict=True):
            odds[check][held] = here
            null[check].append(without.max(axis=1))
    p = {check: _larger(np.concatenate(null[check]), odds[check].max(axis=1)) for check in odds}
    return Beside(image, len(kinds[0][0]), chance, odds, p)


def _larger(null: Floats, seen: Floats) -> Floats:
    """Share of `null` above each of `seen`, or equal (half); one more counts as equal to all."""
    null = np.sort(null)
    above, not_below = (len(null) - np.searchsorted(null, seen, side=side) for side in ("right", "left"))
    return np.asarray((above + not_below + 1) / 2 / (len(null) + 1))


def _kinds(votes: NDArray[Any], count: int, draw: np.random.Generator) -> tuple[Floats, Floats]:
    """Kinds of images that people answer alike: logarithms of their shares [K] and of their labels' rates [K, C].

    A mixture of multinomials, by expectation and maximization (Dempster, Laird & Rubin 1977), from K different images.
    """
    rows, times = np.unique(votes, axis=0, return_counts=True)
    share = (votes.sum(axis=0) + 0.5) / (votes.sum() + 0.5 * votes.shape[1])
    rate = rows[draw.choice(len(rows), count, replace=False, p=times / times.sum())] + TRUST * share
    rate = rate / rate.sum(axis=1, keepdims=True)
    weight, before = np.full(count, 1 / count), -np.inf
    for _ in range(200):
        each = rows @ np.log(rate).T + np.log(weight)
        whole = logsumexp(each, axis=1)
        value = times @ whole / times.sum()
        if value - before < 1e-5:
            break
        before, belongs = value, np.exp(each - whole[:, None]) * times[:, None]
        weight = (belongs.sum(axis=0) + 1) / (times.sum() + count)
        rate = belongs.T @ rows + TRUST * share
        rate = rate / rate.sum(axis=1, keepdims=True)
    return np.log(weight), np.log(rate)


def _odds(votes: NDArray[Any], weight: Floats, rate: Floats) -> tuple[Floats, Floats, Floats]:
    """What `Beside` has of these images: chance [N, C], and both odds [N, C]."""
    rows, back = np.unique(votes, axis=0, return_inverse=True)
    each, n = rows @ rate.T + weight, rows.sum(axis=1)
    whole = logsumexp(each, axis=1)
    chance, one, apart = np.zeros(rows.shape), np.full(rows.shape, -np.inf), np.full(rows.shape, -np.inf)
    for label, mine in enumerate(rows.T):
        there, x = mine > 0, mine[mine > 0]
        of_label = x[:, None] * rate[:, label]
        beside = whole[there] - logsumexp(each[there] - rate[:, label], axis=1)
        chance[there, label] = np.exp(beside)
        one[there, label] = logsumexp(weight + rate[:, label]) - beside
        two = logsumexp(weight + of_label, axis=1) + logsumexp(each[there] - of_label, axis=1)
        which = gammaln(n[there] + 1) - gammaln(x + 1) - gammaln(n[there] - x + 1)
        apart[there, label] = two - whole[there] - which
    return chance[back.ravel()], one[back.ravel()], apart[back.ravel()]


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
        n, votes, share = said.n[rows, label], said.votes[rows, label], rate[rows, label]
        at = [betabinom.logpmf(votes, n, beta * share, beta * (1 - share)).sum() for beta in STRENGTHS]
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
