"""Sets of labels: thresholds of scores, the top-k head, and the weight of votes; by hand and by brute force."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from affectml.errors import BadInput
from affectml.heads import SigmoidHead, TopKHead, apply_thresholds, choose_thresholds, vote_correlation, vote_weights
from affectml.heads.topk import SetObjective, best_sets, joint, log_symmetric, size_distribution


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


LOG2, LOG3 = math.log(2), math.log(3)


def test_symmetric_polynomials_by_hand():
    z = torch.tensor([[2.0, 3.0, 5.0]]).double().log()
    assert log_symmetric(z, 3).exp()[0].tolist() == pytest.approx([1, 10, 31, 30])


def test_sizes_of_uncertain_sets_by_hand():
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
    objective = SetObjective.of(inside, weights, 3)
    logits, way = (torch.randn(5, 7, generator=generator).double() for _ in range(2))
    way[:, 3:5] = 0
    step = 1e-5
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


def sets_of_planted_sizes(rows=1500, seed=0):
    """Sizes from one feature, labels from others: a size that no sum of label chances would tell."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 5))
    sizes = np.where(X[:, 0] > 0, 3, 1)
    ranked = (-(X[:, 1:] + 0.3 * rng.gumbel(size=(rows, 4)))).argsort(axis=1).argsort(axis=1)
    return X, (ranked < sizes[:, None]).astype(int), sizes


def test_sizes_and_labels_are_both_learned():
    X, sets, sizes = sets_of_planted_sizes()
    head = TopKHead(l2=1e-3).fit(X[:1000], sets[:1000])
    predicted = head.predict_sets(X[1000:]).numpy()
    assert np.corrcoef(predicted.sum(axis=1), sizes[1000:])[0, 1] > 0.75
    hits = (predicted * sets[1000:]).sum(axis=1)
    assert (2 * hits / (predicted.sum(axis=1) + sets[1000:].sum(axis=1))).mean() > 0.8


@pytest.mark.parametrize("k", [1, 2, 4])
def test_k_labels_are_the_k_likeliest(k):
    X, sets, _ = sets_of_planted_sizes(200)
    head = TopKHead(k=k, l2=0.01).fit(X, sets)
    chosen = head.predict_sets(X)
    assert (chosen.sum(dim=1) == k).all()
    assert torch.equal(chosen, head.predict_sets(X, k=k))
    scores = head.scores(X)
    lowest_in = scores.where(chosen == 1, torch.inf).amin(dim=1)
    assert (lowest_in >= scores.where(chosen == 0, -torch.inf).amax(dim=1)).all()


def test_impossible_k_names_the_labels_there_are_and_single_labels_have_no_sizes():
    X, sets, _ = sets_of_planted_sizes(50)
    for head, y, k, says in (
        (TopKHead(l2=0.1), sets, 5, "k: expected 1 to 4 labels, got 5"),
        (TopKHead(), np.eye(4)[sets.argmax(axis=1)], None, "exactly one label.*take SoftmaxHead"),
    ):
        with pytest.raises(BadInput, match=says):
            head.fit(X, y).predict_sets(X, k=k)


def test_weights_of_votes_by_hand():
    people = np.array([0, 1, 3, 30])
    assert vote_weights(people, 0).tolist() == [0, 1, 3, 30]
    assert vote_weights(people, 1).tolist() == [0, 1, 1, 1]
    assert vote_weights(people, 0.5).tolist() == pytest.approx([0, 1, 3 / 2, 30 / 15.5])
    assert vote_weights(np.array([[3, 1], [0, 2]]), 0.5).tolist() == pytest.approx(np.array([[1.5, 1], [0, 4 / 3]]))
    with pytest.raises(BadInput, match="rho: expected 0"):
        vote_weights(people, 1.5)
    with pytest.raises(BadInput, match="people: row 1 is negative"):
        vote_weights(np.array([1, -1]), 0.5)


def test_correlation_of_votes_by_hand():
    """Two people, predicted 1/2: (k - 1)^2 is 1 where they agree and 0 where not, and by chance 1/2."""
    for votes, people, rho in (
        ([1.0, 1.0, 1.0], 2.0, 1),
        ([0.5, 0.5, 0.5], 2.0, 0),
        ([1.0, 0.0, 0.5], 2.0, pytest.approx(1 / 3)),
        ([1.0, 1.0, 1.0], 1.0, 0),  # one person never agrees with another
    ):
        given = torch.tensor(votes)[:, None], torch.full((3, 1), people), torch.full((3, 1), 0.5)
        assert vote_correlation(*given) == rho


def test_rare_labels_do_not_hide_the_correlation_of_votes():
    rng = np.random.default_rng(0)
    mean, rho, rows = np.array([0.4, 0.002, 0.002, 0.002]), 0.2, 4000
    spread = 1 / rho - 1
    people = rng.integers(1, 21, (rows, 1))
    votes = rng.binomial(people, rng.beta(mean * spread, (1 - mean) * spread, (rows, 4)))
    predicted = torch.from_numpy(np.tile(mean, (rows, 1)))
    found = vote_correlation(torch.from_numpy(votes / people), torch.from_numpy(people), predicted)
    assert found == pytest.approx(rho, abs=0.02)


def planted_votes(rows=400):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 4))
    rates = 1 / (1 + np.exp(-X @ rng.normal(size=(4, 3))))
    people = rng.integers(1, 21, rows)
    return X, rng.binomial(people[:, None], rates) / people[:, None], people.astype(float), rates


def test_rho_lies_between_votes_and_images():
    X, shares, people, _ = planted_votes()

    def rates(rho, weights):
        return SigmoidHead(l2=0.01, rho=rho).fit(X, shares, weights=weights).predict_rates(X)

    torch.testing.assert_close(rates(0.0, people), rates(None, people))
    torch.testing.assert_close(rates(1.0, people), rates(None, None))
    assert not torch.allclose(rates(0.0, people), rates(1.0, people), atol=1e-3)


def test_votes_of_a_well_predicted_truth_are_hardly_correlated():
    X, shares, people, rates = planted_votes()
    head = SigmoidHead(l2=1e-3, rho="fit").fit(X, shares, weights=people)
    assert 0 <= head.report_["rho"] < 0.05
    rng = np.random.default_rng(1)
    moved = 1 / (1 + np.exp(-np.log(rates / (1 - rates)) - rng.normal(0, 1.5, rates.shape)))
    strayed = rng.binomial(people.astype(int)[:, None], moved) / people[:, None]
    assert SigmoidHead(l2=1e-3, rho="fit").fit(X, strayed, weights=people).report_["rho"] > 0.1


def test_votes_need_the_people_asked():
    X, shares, _, _ = planted_votes(40)
    with pytest.raises(BadInput, match="give it as weights"):
        SigmoidHead(rho=0.5).fit(X, shares)
