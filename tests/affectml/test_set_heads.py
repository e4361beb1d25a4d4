"""Sets of labels: thresholds of scores, the top-k head, and the weight of votes; by hand and by brute force."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from affectml.errors import BadInput
from affectml.heads import TopKHead, apply_thresholds, choose_thresholds
from affectml.heads.topk import SetObjective, best_sets, joint, log_symmetric, size_distribution

from .checks import refused


def mean_set_f1(predicted, truth) -> float:
    """Written out, as the oracle."""
    chosen, present = np.asarray(predicted, dtype=int), np.asarray(truth, dtype=int)
    sizes = chosen.sum(axis=1) + present.sum(axis=1)
    return float(np.mean(np.where(sizes == 0, 1, 2 * (chosen * present).sum(axis=1) / np.maximum(sizes, 1))))


def test_constant_scores_give_the_best_fixed_set():
    """What the prior can have: one set for every image. Each pair of labels is tried as the oracle."""
    sets = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 0]])
    scores = np.tile(sets.mean(axis=0), (5, 1))
    predicted = apply_thresholds(scores, choose_thresholds(scores, sets, shrinkage=0))
    options = [np.tile(fixed, (5, 1)) for fixed in itertools.product([0, 1], repeat=3)]
    assert mean_set_f1(predicted, sets) == max(mean_set_f1(option, sets) for option in options)
    assert apply_thresholds(np.array([[0.5, 0.49]]), np.array([0.5, 0.5])).tolist() == [[1, 0]]


def test_shrinkage_draws_thresholds_together_and_a_label_without_positives_has_the_common_one():
    scores = np.random.default_rng(0).random((300, 3))
    sets = (scores > [0.2, 0.8, 2.0]).astype(int)
    found = [choose_thresholds(scores, sets, shrinkage=s).numpy() for s in (0, 50, 5000, 1e12)]
    spread = [float(np.ptp(each[:2])) for each in found]
    assert spread == sorted(spread, reverse=True)
    assert found[0][1] - found[0][0] == pytest.approx(0.6, abs=0.03)
    assert found[-1] == pytest.approx(found[-1][0], abs=1e-6)
    assert choose_thresholds(scores, sets)[2] == pytest.approx(found[-1][2])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 25), st.integers(1, 3), st.booleans())
def test_own_thresholds_are_no_worse_than_any_common_one(seed, rows, labels, tied):
    rng = np.random.default_rng(seed)
    scores = rng.random((rows, labels))
    scores = scores.round(1) if tied else scores
    sets = (rng.random((rows, labels)) < 0.4).astype(int)
    ours = mean_set_f1(apply_thresholds(scores, choose_thresholds(scores, sets, shrinkage=0)), sets)
    # a label without positives keeps the common cut, so compare against common cuts alone
    if sets.any(axis=0).all():
        assert ours >= max(mean_set_f1(scores >= cut, sets) for cut in [*np.unique(scores), 1.1]) - 1e-9


def test_tensors_of_any_float_type():
    scores, sets = torch.tensor([[0.75, 0.25], [0.25, 0.75]]), torch.eye(2)
    found = choose_thresholds(scores, sets)
    assert (found.dtype, found.tolist()) == (torch.float64, choose_thresholds(scores.half(), sets.bool()).tolist())


def test_bad_input():
    half, two = np.full((2, 2), 0.5), np.ones((2, 2))
    for scores, sets, shrinkage, says in (
        (half, half, 1, "sets: row 0 .*neither 0 nor 1"),
        (half, np.ones((2, 3)), 1, r"shape \[2, 2\], got \[2, 3\]"),
        (half + np.array([[0], [2.5]]), two, 1, "scores: row 1 .*probabilities"),
        (half * np.nan, two, 1, "scores: row 0 .*NaN"),
        (half, two, -1, "shrinkage"),
    ):
        refused(BadInput, says, choose_thresholds, scores, sets, shrinkage=shrinkage)
    refused(BadInput, "thresholds: 3 for 2 labels", apply_thresholds, half, np.full(3, 0.5))


LOG2, LOG3 = math.log(2), math.log(3)


def test_symmetric_polynomials_and_sizes_of_uncertain_sets_by_hand():
    z = torch.tensor([[2.0, 3.0, 5.0]]).double().log()
    assert log_symmetric(z, 3).exp()[0].tolist() == pytest.approx([1, 10, 31, 30])
    assert size_distribution(torch.tensor([[0.5, 0.2]]), 2)[0].tolist() == pytest.approx([0.4, 0.5, 0.1])


def test_the_loss_by_hand():
    objective = SetObjective.of(torch.tensor([[1.0, 0.0]]).double(), torch.ones(1, 1).double(), 2)
    logits = torch.tensor([[LOG2, LOG3, 0.0, 0.0, -LOG2]]).double()
    # weights of the sets {}, {0}, {1}, {0, 1}: 1, 2, 3 and 2 * 3 / 2
    assert math.exp(-float(objective.loss(logits))) == pytest.approx(2 / 9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31 - 1))
def test_the_gradient_is_the_losss_slope_but_for_the_two_potentials_that_stay(seed):
    generator = torch.Generator().manual_seed(seed)
    inside, weights = torch.rand(5, 3, generator=generator).double(), torch.rand(5, 1, generator=generator).double()
    objective, step = SetObjective.of(inside, weights, 3), 1e-5
    logits, way = (torch.randn(5, 7, generator=generator).double() for _ in range(2))
    way[:, 3:5] = 0
    slope = float(objective.loss(logits + step * way) - objective.loss(logits - step * way)) / (2 * step)
    gradient = objective.gradient(logits)
    assert slope == pytest.approx(float((gradient * way).sum()), abs=1e-6)
    assert (gradient[:, 3:5] == 0).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 4))
def test_the_set_answered_has_the_best_expected_f1_of_all(seed, labels):
    rng = np.random.default_rng(seed)
    z, u = (torch.from_numpy(rng.normal(0, 2, (1, columns))) for columns in (labels, labels + 1))
    sets = list(itertools.product([0, 1], repeat=labels))
    sizes = u.softmax(dim=1)[0]
    given_size = log_symmetric(z, labels)[0]
    chance = {y: float(sizes[sum(y)] * (z[0] @ torch.tensor(y).double() - given_size[sum(y)]).exp()) for y in sets}
    assert sum(chance.values()) == pytest.approx(1)

    def expected(answer):
        def f1(truth):
            size = sum(answer) + sum(truth)
            return 1.0 if size == 0 else 2 * sum(a * t for a, t in zip(answer, truth, strict=True)) / size

        return sum(p * f1(truth) for truth, p in chance.items())

    together = joint(z, u)
    rates = [sum(p for y, p in chance.items() if y[label]) for label in range(labels)]
    assert together.sum(dim=2)[0].tolist() == pytest.approx(rates)
    answer = tuple(best_sets(together, u.softmax(dim=1)[:, 0])[0].tolist())
    assert expected(answer) == pytest.approx(max(expected(y) for y in sets))


# sizes from one feature, labels from others: no sum of label chances tells the size
RNG = np.random.default_rng(0)
X = RNG.normal(size=(1500, 5))
SIZES = np.where(X[:, 0] > 0, 3, 1)
SETS = ((-(X[:, 1:] + 0.3 * RNG.gumbel(size=(1500, 4)))).argsort(axis=1).argsort(axis=1) < SIZES[:, None]).astype(int)


def test_sizes_and_labels_are_both_learned():
    predicted = TopKHead(l2=1e-3).fit(X[:1000], SETS[:1000]).predict_sets(X[1000:]).numpy()
    assert np.corrcoef(predicted.sum(axis=1), SIZES[1000:])[0, 1] > 0.75
    assert mean_set_f1(predicted, SETS[1000:]) > 0.8


@pytest.mark.parametrize("k", [1, 2, 4])
def test_k_labels_are_the_k_likeliest(k):
    head = TopKHead(k=k, l2=0.01).fit(X[:200], SETS[:200])
    chosen, scores = head.predict_sets(X), head.scores(X)
    assert (chosen.sum(dim=1) == k).all()
    assert torch.equal(chosen, head.predict_sets(X, k=k))
    lowest_in = scores.where(chosen == 1, torch.inf).amin(dim=1)
    assert (lowest_in >= scores.where(chosen == 0, -torch.inf).amax(dim=1)).all()


def test_impossible_k_names_the_labels_there_are_and_single_labels_have_no_sizes():
    refused(BadInput, "k: expected 1 to 4 labels, got 5", TopKHead(l2=0.1).fit(X[:50], SETS[:50]).predict_sets, X, k=5)
    refused(BadInput, "exactly one label.*take SoftmaxHead", TopKHead().fit, X, np.eye(4)[SETS.argmax(axis=1)])
