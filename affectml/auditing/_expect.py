"""What people said of each image, what is expected of their answers, and how odd these are beside it.

Expected rates come from a head that did not see the image, and from the other people; how odd an outcome is, beside
what the same chances give without any error, is a mid-p-value of its log loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import betabinom, norm

from affectml.data import Dataset, Targets
from affectml.data.choose import SEVERAL
from affectml.heads import SigmoidHead, SoftmaxHead
from affectml.judging.truth import answers_of_people
from affectml_annotation import Panel, encode
from affectml_annotation.judgements import REQUIRED, people_by_image, sum_by_image

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Ground = tuple[NDArray[Any] | None, NDArray[Any], int]  # what `expect` rests on
FOLDS = 5
LEAST = 50  # images with answers; with fewer, rates are the labels' shares
EDGE = 0.005  # no expected rate is nearer to 0 or 1
STRENGTHS = np.geomspace(1, 300, 30)
TINY = 1e-12
STEPS = 512  # of the grid on which a row's log losses are added
ROWS = 64  # of one block, which a processor's own memory holds
UPPER = 0.8  # the quantile of scores by which their spread is compared with chance


@dataclass(frozen=True, eq=False)
class Said:
    """What people said: N images, C labels.

    labels [C] and image_id [N]: their names. votes, n [N, C]: how many chose a label, of how many asked. single: the
    answers one by one, none where they are not known. exclusive: whether an answer is one label. known: whether votes
    are people's, each on their own; of one agreed set or label per image they are not, and n is 1.
    """

    labels: NDArray[Any]
    image_id: NDArray[Any]
    votes: Counts
    n: Counts
    single: Panel
    exclusive: bool
    known: bool

    def without(self, people: Sequence[str]) -> "Said":
        """The same without the answers of some people."""
        theirs = np.isin(self.single.annotator_ids.astype(str), people)[self.single.annotator]
        votes, n = counted(self.single.where(theirs))
        return replace(self, votes=self.votes - votes, n=self.n - n, single=self.single.where(~theirs))


def counted(single: Panel) -> tuple[Counts, Counts]:
    """How many chose a label, of how many who answered, [N, C] each."""
    votes = sum_by_image(single, single.chosen).astype(np.int64)
    return votes, np.zeros_like(votes) + people_by_image(single)[:, None]


def single_answers(dataset: Dataset, targets: Targets) -> Panel:
    """First looks at the target's images that are answers, of one label where it has one; none with other labels."""
    labels, ids = targets.taxonomy.labels, targets.image_id
    panel = None if targets.meta.vote_rule == "moments" else answers_of_people(dataset, labels, ids)
    if panel is None:
        panel = encode(pd.DataFrame(columns=list(REQUIRED)), labels, list(ids)).answers()
    return panel if targets.kind in SEVERAL else panel.where(panel.chosen.sum(axis=1) == 1)


def read_said(dataset: Dataset, targets: Targets) -> Said | None:
    """What people said: single answers, else counts, else one agreed answer per image; None for bare shares.

    Counts of people who are not among the single answers go before them: who was asked again does not stand for all.
    """
    exclusive, votes, n = targets.kind not in SEVERAL, targets.votes, targets.people
    if votes is not None and exclusive:
        n = np.repeat(votes.sum(axis=1)[:, None], len(targets.taxonomy), axis=1)
    single = single_answers(dataset, targets)
    if n is not None and 2 * len(single.image) < n.max(axis=1).sum():
        single = single.where(np.zeros(len(single.image), dtype=bool))
    agreed = targets.meta.values == "indicator"
    if len(single.image):
        votes, n = counted(single)
    elif votes is None and agreed:
        votes = np.rint(targets.table).astype(np.int64)
        n = np.ones_like(votes)
    if votes is None or n is None:
        return None
    labels, known = np.array(targets.taxonomy.labels, dtype=object), len(single.image) > 0 or not agreed
    return Said(labels, targets.image_id, votes, n, single, exclusive, known)


class Expected(NamedTuple):
    """Rates [N, C] expected of each image without its own answers; learned: by a head, else the labels' shares.

    strength [C]: how many people's answers that rate is worth beside the image's own.
    """

    rate: Floats
    learned: bool
    strength: Floats

    def of_answers(self, said: Said) -> Floats:
        """Each answer's chance to hold each label [M, C], given what the others said of the image.

        The mean of the Beta distribution after the others' votes.
        """
        single, image = said.single, said.single.image
        others, people = said.votes[image] - single.chosen, said.n[image] - 1
        rate = np.clip((self.strength * self.rate[image] + others) / (self.strength + people), EDGE, 1 - EDGE)
        return np.asarray(rate / rate.sum(axis=1, keepdims=True)) if said.exclusive else np.asarray(rate)


def expect(said: Said, features: NDArray[Any] | None, groups: NDArray[Any], seed: int) -> Expected:
    """Expected rates of every image, by a linear head in five folds.

    Args:
        said: of N images.
        features: embeddings [N, D]; None where there are none: then every image has the labels' shares.
        groups: [N], images of a group are in one fold.
        seed: of the folds.
    """
    share = (said.votes.sum(axis=0) + 0.5) / (said.n.sum(axis=0) + 1)
    rate = np.tile(share, (len(said.n), 1))
    learned = features is not None and said.n.any(axis=1).sum() >= LEAST
    if features is not None and learned:
        shares, people = said.votes / np.maximum(said.n, 1), said.n.astype(float)
        if said.exclusive:
            shares, people = shares / np.maximum(shares.sum(axis=1, keepdims=True), TINY), people.max(axis=1)
        answered = (shares if said.exclusive else said.n).any(axis=1)
        fold = _folds(groups, seed)
        for held in (fold == number for number in np.unique(fold)):
            if (train := answered & ~held).any():
                made = torch.Generator().manual_seed(seed)
                head = SoftmaxHead() if said.exclusive else SigmoidHead()
                fitted = head.fit(features[train], shares[train], weights=people[train], generator=made)
                rate[held] = fitted.scores(features[held]).numpy()
    rate = np.clip(rate, EDGE, 1 - EDGE)
    if said.exclusive:
        rate = rate / rate.sum(axis=1, keepdims=True)
    return Expected(rate, bool(learned), _strengths(said, rate))


def _folds(groups: NDArray[Any], seed: int) -> Counts:
    """Which of five folds each image is in [N]; groups stay together."""
    names, code = np.unique(groups, return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(len(names))[code] % FOLDS)


def _strengths(said: Said, rate: Floats) -> Floats:
    """For each label the strength of its Beta distribution that makes the votes likeliest, on a grid."""
    strengths = np.full(len(said.labels), 10.0)
    for label in np.flatnonzero((said.n > 1).sum(axis=0) >= LEAST):
        rows = said.n[:, label] > 1
        votes, n, share = (table[rows, label] for table in (said.votes, said.n, rate))
        at = [betabinom.logpmf(votes, n, beta * share, beta * (1 - share)).sum() for beta in STRENGTHS]
        strengths[label] = STRENGTHS[int(np.argmax(at))]
    return strengths


def surprise(chances: NDArray[Any], outcome: NDArray[Any], rival: NDArray[Any] | None = None) -> Floats:
    """P(loss > observed) + P(loss = observed) / 2 by row [R], the loss being -log of the chance of what happened.

    A minority answer is no surprise where minorities are expected: the observed loss is compared with the losses of
    answers drawn from the same chances. The V variables of a row are taken as independent; their losses are added on a
    grid of 512 steps, from which the distribution follows exactly. A row whose losses are all equal (chances of one
    half) has .5. Mid-p: Lancaster 1961.

    Args:
        chances: [R, V, K], of each of K outcomes of V variables; 0 for outcomes that a row cannot have.
        outcome: [R, V], which happened; its chance must not be 0.
        rival: [R, V, K], chances if something else were the case; 0 only where `chances` is 0. Then the loss is the log
            of how much likelier the outcome is under it: the most powerful thing to look at (Neyman & Pearson 1933).

    >>> chances = np.array([[[0.9, 0.1]], [[0.9, 0.1]], [[0.5, 0.5]]])
    >>> surprise(chances, np.array([[1], [0], [0]])).round(3).tolist()
    [0.05, 0.55, 0.5]
    """
    if len(chances) > ROWS:
        blocks = np.split(np.arange(len(chances)), range(ROWS, len(chances), ROWS))
        parts = [surprise(chances[at], outcome[at], None if rival is None else rival[at]) for at in blocks]
        return np.concatenate(parts)
    possible, variables = chances > 0, chances.shape[1]
    loss = -np.log(np.where(possible, chances, 1.0))
    if rival is not None:
        loss += np.log(np.where(possible, rival, 1.0))
    least = np.where(possible, loss, np.inf).min(axis=2, keepdims=True)
    above = np.where(possible, loss - least, 0.0)  # what is the same for all outcomes changes no comparison
    widest = above.max(axis=2).sum(axis=1)
    step = np.where(widest > 1e-12, widest / (STEPS - 1 - variables), 1.0)
    steps = np.rint(above / step[:, None, None]).astype(np.int64)
    spread = np.zeros((len(chances), 2 * STEPS))  # with nothing behind its last step, where steps from below 0 look
    spread[:, 0] = 1.0
    for variable in range(variables):
        before = np.arange(STEPS) - steps[:, variable, :, None]
        moved = np.take_along_axis(spread[:, None], before, axis=2)
        spread[:, :STEPS] = (chances[:, variable, :, None] * moved).sum(axis=1)
    seen = np.take_along_axis(steps, outcome[:, :, None], axis=2).sum(axis=1)
    more = np.where(np.arange(2 * STEPS) > seen, spread, 0.0).sum(axis=1)
    same = np.take_along_axis(spread, seen, axis=1)[:, 0]
    return np.asarray(np.clip(more + same / 2, 1e-300, 1.0))


def widened(p: Floats) -> tuple[Floats, float]:
    """P values made less sharp where rates are known worse than they claim, and by what factor scores were divided.

    Where the upper fifth of all rows is more surprising than chance allows, it is the expectation that is too sure, not
    every fifth row that is odd: normal scores are divided by their 80 % quantile over the normal's, never by less than
    1 (as genomic control does with the median: Devlin & Roeder 1999).
    """
    if not len(p):
        return p, 1.0
    score = norm.isf(p)
    factor = max(1.0, float(np.quantile(score, UPPER) / norm.ppf(UPPER)))
    return np.asarray(norm.sf(score / factor)), factor
