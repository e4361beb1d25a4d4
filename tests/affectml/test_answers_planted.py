"""What is planted in simulated models is found, and where nothing is planted nothing is, in a hundred runs each."""

import numpy as np
import pytest
import torch
from scipy.special import expit, logit
from scipy.stats import binom

from affectml.answers._spread import place_bias
from affectml.answers._views import by_disagreement, stated_calibration
from affectml.evaluation import Answers
from affectml.evaluation.bias import label_bias

from .panels import truth_of

RUNS, IMAGES, LABELS, PEOPLE, DRAWS = 100, 240, 6, 8, 3
ALLOWED = binom.ppf(0.99, RUNS, 0.05)  # false findings at 5 %, for all but one of a hundred such tests


class Run:
    """A simulated judgement: images in pairs that are alike, people, and what a faultless model states of each image.

    stated [N, C]; rates scatter around it, so that it means what it says. groups: which two images are a pair.
    """

    def __init__(self, seed):
        self.rng = rng = np.random.default_rng(seed)
        pairs = rng.beta(0.8, 1.6, size=(IMAGES // 2, LABELS))
        self.stated = np.repeat(pairs, 2, axis=0).clip(0.02, 0.98)
        self.rates = np.repeat(rng.beta(6 * self.stated[::2], 6 * (1 - self.stated[::2])), 2, axis=0)
        self.groups = np.repeat(np.arange(IMAGES // 2), 2)
        self.truth = truth_of(rng.random((IMAGES, PEOPLE, LABELS)) < self.rates[:, None], groups=self.groups)

    def named(self, chances, draws=1):
        """Sets drawn by these chances [N, C]: [draws, N, C]."""
        return (self.rng.random((draws, *chances.shape)) < chances).astype(np.int64)


def says_too_often(it, fault):
    often = it.named(it.rates + fault * np.array([0.6, 0, 0, 0, 0, 0]) * (1 - it.rates))[0]
    return any(bias.found for bias in label_bias(often, it.truth.shares, it.truth.labels, it.groups))


def overconfident(it, fault):
    shares = torch.from_numpy(expit((1 + fault) * logit(it.stated)))
    slope = stated_calibration({"it": Answers(shares, shares)}, it.truth).systems["it"].slope
    return slope.found and (slope.value < 1 or not fault)


def likes_places(it, fault):
    places = it.rng.random((DRAWS, IMAGES, LABELS)).argsort(axis=2)
    chances = np.clip(it.rates + 0.08 * fault * np.where(places < LABELS // 2, 1, -1), 0, 1)
    given = (it.rng.random(places.shape) < chances).astype(float)
    images = np.tile(np.arange(IMAGES), DRAWS)
    flat = (table.reshape(-1, LABELS) for table in (given, places))
    return place_bias(*flat, images, np.tile(it.groups, DRAWS)).p < 0.05


def fails_where_people_disagree(it, fault):
    """Faultless, it answers as one more person."""
    unclear = (it.rates * (1 - it.rates)).mean(axis=1)
    lost = it.rng.random(IMAGES) < 2 * fault * (unclear > np.median(unclear))
    sets = torch.from_numpy(np.where(lost[:, None], it.named(it.rates[::-1])[0], it.named(it.rates)[0]))
    slope = by_disagreement({"it": Answers(sets.double(), None, sets)}, it.truth).slopes["it"]
    return slope.found and (slope.value < 0 or not fault)


@pytest.mark.slow
@pytest.mark.parametrize("finds", [says_too_often, overconfident, likes_places, fails_where_people_disagree])
def test_a_fault_is_found_where_it_is_planted_and_nowhere_else(finds):
    assert sum(finds(Run(seed), fault=0.5) for seed in range(RUNS)) >= 90
    assert sum(finds(Run(seed), fault=0.0) for seed in range(RUNS, 2 * RUNS)) <= ALLOWED
