"""The top-k head and the weight of votes: by hand, by brute force, and on planted truth."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from affectml.errors import BadInput
from affectml.heads import SigmoidHead, TopKHead, vote_correlation, vote_weights
from affectml.heads._set_model import SetObjective, best_sets, joint, log_symmetric, size_distribution

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
        (TopKHead(k=5), sets, None, "k: 5 labels asked for, but there are 4; choose a smaller k"),
        (TopKHead(k=0), sets, None, "k must be a whole number, at least 1, or None"),
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
    with pytest.raises(BadInput, match="rho must be a number, at least 0 and at most 1, or fit, or None, got 2.0"):
        SigmoidHead(rho=2.0).fit(X, shares, weights=np.ones(40))
