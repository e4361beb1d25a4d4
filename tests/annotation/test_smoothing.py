"""Beta and Dirichlet smoothing, the set rule, and what one more answer would change: by hand, and against scipy."""

from itertools import product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

import affectml_annotation as aa
from affectml_annotation.smoothing import posterior_entropy

from .tasks import refused


def prior(*pairs: tuple[float, float]) -> aa.BetaPrior:
    alpha, beta = np.array(pairs, dtype=float).T
    return aa.BetaPrior(alpha, beta, np.zeros(len(pairs), dtype=bool))


def test_the_fit_is_where_scipys_likelihood_is_highest():
    random = np.random.default_rng(1)
    n = random.integers(2, 7, size=300)
    k = random.binomial(n, random.beta(0.8, 2.5, size=300))
    fitted = aa.fit_beta_prior(k[:, None], n)

    def loglik(a, b):
        return stats.betabinom.logpmf(k, n, a, b).sum()

    best = loglik(fitted.alpha[0], fitted.beta[0])
    for a, b in product((0.97, 1.03), repeat=2):
        assert loglik(fitted.alpha[0] * a, fitted.beta[0] * b) < best


def test_a_rare_label_borrows_the_spread_of_the_others():
    random = np.random.default_rng(2)
    votes = np.column_stack([random.binomial(5, random.beta(1, 3, size=400)), np.zeros(400, dtype=int)])
    votes[0, 1] = 1
    fitted = aa.fit_beta_prior(votes, np.full(400, 5))
    assert fitted.pooled.tolist() == [False, True]
    assert fitted.mean[1] == pytest.approx(1.5 / 2001)
    assert fitted.alpha[1] + fitted.beta[1] == pytest.approx(fitted.alpha[0] + fitted.beta[0])


def test_one_person_per_image_shows_no_spread_and_equal_shares_give_a_tight_prior_and_no_overflow():
    alone = aa.fit_beta_prior(np.array([[1], [0]] * 10), np.ones(20))
    assert alone.pooled.all()
    assert ((alone.alpha + alone.beta).tolist(), alone.mean.tolist()) == ([2.0], [0.5])
    equal = aa.fit_beta_prior(np.full((50, 1), 2), np.full(50, 5))
    assert equal.mean[0] == pytest.approx(0.4, abs=1e-3)
    assert equal.alpha[0] + equal.beta[0] == pytest.approx(1000, rel=1e-6)


def test_people_asked_may_differ_by_label_and_nobody_asked_says_nothing():
    votes, n = np.array([[3, 0], [1, 2], [2, 1]] * 4), np.array([[5, 0], [5, 4], [5, 4]] * 4)
    both = aa.fit_beta_prior(votes, n)
    alone = aa.fit_beta_prior(votes[n[:, 1] > 0][:, 1:], n[n[:, 1] > 0][:, 1:])
    assert both.alpha[1] == pytest.approx(alone.alpha[0])
    assert aa.smoothed_rates(votes, n, both)[0, 1] == pytest.approx(both.mean[1])


def test_smoothed_rates_worked_by_hand():
    assert aa.smoothed_rates([[2, 0]], [5], prior((1, 3), (0.5, 0.5))).tolist() == [[3 / 9, 0.5 / 6]]


@given(st.integers(2, 30), st.floats(0.05, 0.95))
@example(7, 1 / 3)
def test_the_set_rule_is_the_posterior_tail_so_that_one_more_vote_takes_no_label_away(people, tau):
    votes, n = np.arange(people + 1)[:, None], np.full(people + 1, people)
    tail = stats.beta.sf(tau, votes[:, 0] + 0.5, n - votes[:, 0] + 1.5)
    sets = aa.label_sets(votes, n, prior((0.5, 1.5)), tau)[:, 0]
    assert sets.tolist() == (tail >= 0.5 - 1e-9).tolist() == sorted(sets)


@pytest.mark.parametrize("scale", [1, 0.5])
def test_an_image_has_its_set_among_however_many_images(scale):
    """Of many images the posterior of each pair of counts is worked out once, of few for each cell."""
    rng = np.random.default_rng(0)
    n = rng.integers(0, 7, size=(300, 2))
    votes, given_prior = rng.integers(0, n + 1) * scale, prior((0.5, 1.5), (2, 3))
    alone = [aa.label_sets(votes[[row]], n[[row]], given_prior)[0].tolist() for row in range(300)]
    assert aa.label_sets(votes, n, given_prior).tolist() == alone


def test_one_person_is_their_answer_and_nobody_is_no_set():
    assert aa.label_sets([[1], [0], [0]], [1, 1, 0], prior((50, 1))).ravel().tolist() == [True, False, False]


def test_shares_without_counts_are_cut_with_a_tolerance():
    sixth_thirds = np.array([[np.float32(1) / 3, 0.2, 0.7]], dtype=np.float32)
    assert aa.label_sets_from_shares(sixth_thirds).tolist() == [[True, False, True]]
    renormalised = np.array([[0.2 * 3, 0.8 * 3]]) / 3.0000000000000004
    assert aa.label_sets_from_shares(renormalised, tau=0.2).all()


IMPOSSIBLE_COUNTS = [
    ([[6]], [5], "row 0, label 0: expected 0 <= votes <= n, but received 6 votes of 5 people"),
    ([[-1]], [5], "row 0"),
    ([[float("nan")]], [5], "row 0"),
    ([1, 2], [5, 5], "expected shape"),
    ([[1]], [5, 5], "n: expected shape"),
]


@pytest.mark.parametrize(("votes", "n", "words"), IMPOSSIBLE_COUNTS)
def test_impossible_counts_are_refused(votes, n, words):
    refused(aa.BadCounts, words, aa.fit_beta_prior, votes, n)
    refused(aa.BadCounts, words, aa.smoothed_rates, votes, n, prior((1, 1)))


def test_impossible_shares_and_cuts_are_refused():
    refused(aa.BadCounts, "row 1", aa.label_sets_from_shares, [[0.5], [1.5]])
    refused(aa.BadCounts, "row 0", aa.label_sets_from_shares, [[float("nan")]])
    refused(aa.BadCounts, "tau", aa.label_sets, [[1]], [2], prior((1, 1)), tau=1.0)


def test_the_dirichlet_fit_finds_the_prior_that_made_the_votes():
    random = np.random.default_rng(3)
    alpha = np.array([0.4, 1.0, 2.0])
    votes = np.array([random.multinomial(10, row) for row in random.dirichlet(alpha, size=5000)])
    np.testing.assert_allclose(aa.fit_dirichlet_prior(votes).alpha, alpha, rtol=0.06)


def test_the_dirichlet_of_two_labels_is_the_beta():
    random = np.random.default_rng(4)
    k = random.binomial(6, random.beta(0.8, 1.7, size=500))
    beta = aa.fit_beta_prior(k[:, None], np.full(500, 6))
    dirichlet = aa.fit_dirichlet_prior(np.column_stack([k, 6 - k]))
    np.testing.assert_allclose(dirichlet.alpha, [beta.alpha[0], beta.beta[0]], rtol=1e-4)


def test_a_dirichlet_that_too_few_images_show_is_of_two_imagined_people():
    assert aa.fit_dirichlet_prior([[1, 0], [0, 1]]).alpha.tolist() == [1.0, 1.0]
    refused(aa.BadCounts, "row 0, label 1", aa.fit_dirichlet_prior, [[1, -1]])


# The entropy that votes let expect, against the integral


shapes = st.tuples(st.floats(0.2, 4), st.floats(0.2, 6))


@st.composite
def images(draw):
    count, n = draw(st.integers(1, 2)), draw(st.integers(0, 9))
    return [draw(st.integers(0, n)) for _ in range(count)], n, prior(*[draw(shapes) for _ in range(count)])


@settings(max_examples=6, deadline=None)
@given(images())
def test_the_expected_entropy_is_the_integral_over_the_posterior(image):
    votes, n, beta = image
    expected = [
        stats.beta(k + a, n - k + b).expect(lambda p: stats.entropy([p, 1 - p], base=2) if 0 < p < 1 else 0.0)
        for k, a, b in zip(votes, beta.alpha, beta.beta, strict=True)
    ]
    assert posterior_entropy([votes], [n], beta)[0] == pytest.approx(np.mean(expected), abs=1e-5)
