"""From scores to sets."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from affectml.errors import BadInput
from affectml.heads import apply_thresholds, choose_thresholds


def mean_set_f1(predicted, truth) -> float:
    """Written out, as the oracle."""
    chosen, present = np.asarray(predicted, dtype=int), np.asarray(truth, dtype=int)
    sizes = chosen.sum(axis=1) + present.sum(axis=1)
    return float(np.mean(np.where(sizes == 0, 1, 2 * (chosen * present).sum(axis=1) / np.maximum(sizes, 1))))


def test_by_hand():
    scores = np.array([[0.9, 0.2], [0.6, 0.1], [0.3, 0.4]])
    sets = np.array([[1, 0], [1, 0], [0, 1]])
    thresholds = choose_thresholds(scores, sets, shrinkage=0)
    assert apply_thresholds(scores, thresholds).tolist() == sets.tolist()


def test_a_score_at_its_threshold_is_in():
    assert apply_thresholds(np.array([[0.5, 0.49]]), np.array([0.5, 0.5])).tolist() == [[1, 0]]


def test_a_label_without_positives_has_the_common_threshold():
    scores = np.random.default_rng(0).random((200, 3))
    sets = (scores > [0.4, 0.6, 2.0]).astype(int)
    thresholds = choose_thresholds(scores, sets)
    common = choose_thresholds(scores, sets, shrinkage=1e12)
    assert thresholds[2] == pytest.approx(common[2].item())
    assert thresholds[0] < thresholds[1]


def test_shrinkage_draws_thresholds_together():
    scores = np.random.default_rng(0).random((300, 2))
    sets = (scores > [0.2, 0.8]).astype(int)
    spread = [float(np.ptp(choose_thresholds(scores, sets, shrinkage=s).numpy())) for s in (0, 50, 5000, 1e12)]
    assert spread == sorted(spread, reverse=True)
    assert spread[0] == pytest.approx(0.6, abs=0.03)
    assert spread[-1] == pytest.approx(0, abs=1e-6)


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
        best = max(mean_set_f1(scores >= cut, sets) for cut in [*np.unique(scores), 1.1])
        assert ours >= best - 1e-9


def test_constant_scores_give_the_best_fixed_set():
    """What the prior can have: one set for every image. Each pair of labels is tried as the oracle."""
    sets = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 1, 0]])
    scores = np.tile(sets.mean(axis=0), (5, 1))
    predicted = apply_thresholds(scores, choose_thresholds(scores, sets, shrinkage=0))
    options = [np.tile(fixed, (5, 1)) for fixed in itertools.product([0, 1], repeat=3)]
    assert mean_set_f1(predicted, sets) == max(mean_set_f1(option, sets) for option in options)


def test_tensors_of_any_float_type():
    scores = torch.tensor([[0.75, 0.25], [0.25, 0.75]])
    sets = torch.tensor([[1, 0], [0, 1]])
    assert torch.equal(choose_thresholds(scores, sets), choose_thresholds(scores.half(), sets.bool()))
    assert choose_thresholds(scores, sets).dtype == torch.float64


@pytest.mark.parametrize(
    ("scores", "sets", "options", "message"),
    [
        (np.full((2, 2), 0.5), np.full((2, 2), 0.5), {}, "sets: row 0 .*neither 0 nor 1"),
        (np.full((2, 2), 0.5), np.ones((2, 3)), {}, r"shape \[2, 2\], got \[2, 3\]"),
        (np.array([[0.5, 0.5], [0.5, 3.0]]), np.ones((2, 2)), {}, "scores: row 1 .*probabilities"),
        (np.array([[np.nan, 0.5]]), np.ones((1, 2)), {}, "scores: row 0 .*NaN"),
        (np.full((1, 1), 0.5), np.ones((1, 1)), {"shrinkage": -1}, "shrinkage"),
    ],
)
def test_bad_input(scores, sets, options, message):
    with pytest.raises(BadInput, match=message):
        choose_thresholds(scores, sets, **options)


def test_a_bad_number_of_thresholds():
    with pytest.raises(BadInput, match="thresholds: 3 for 2 labels"):
        apply_thresholds(np.full((1, 2), 0.5), np.full(3, 0.5))
