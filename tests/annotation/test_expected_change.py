"""What one more answer is expected to change, and the entropy that votes let expect, against enumeration."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from affectml_annotation import BadCounts, BetaPrior, expected_change, label_sets, posterior_entropy

from .tasks import refused


def prior(*pairs: tuple[float, float]) -> BetaPrior:
    alpha, beta = np.array(pairs, dtype=float).T
    return BetaPrior(alpha, beta, np.zeros(len(pairs), dtype=bool))


def set_of(votes, n, given_prior):
    return frozenset(np.flatnonzero(label_sets([votes], [n], given_prior)[0]))


def f1(one, other):
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


def by_enumeration(votes, n, given_prior, ahead):
    """E(1 - F1) after so many more answers, over every course that they can take."""
    labels = len(votes)
    if not ahead:
        return 0.0
    now, total = set_of(votes, n, given_prior), 0.0
    for course in product(product((0, 1), repeat=labels), repeat=ahead):
        chance, counts = 1.0, list(votes)
        for asked, answer in enumerate(course, n):
            for label, yes in enumerate(answer):
                weight = given_prior.alpha[label] + given_prior.beta[label]
                rate = (counts[label] + given_prior.alpha[label]) / (asked + weight)
                chance *= rate if yes else 1 - rate
                counts[label] += yes
        total += chance * (1 - f1(now, set_of(counts, n + ahead, given_prior)))
    return total


shapes = st.tuples(st.floats(0.2, 4), st.floats(0.2, 6))


@st.composite
def images(draw, most=3):
    count = draw(st.integers(1, most))
    n = draw(st.integers(0, 9))
    votes = [draw(st.integers(0, n)) for _ in range(count)]
    return votes, n, prior(*[draw(shapes) for _ in range(count)])


def test_one_label_worked_out_by_hand():
    """Of three people one chose it: with Beta(1/2, 3/2) it is in at 2 of 4, out at 1 of 4, so only a yes turns it."""
    beta = prior((0.5, 1.5))
    assert label_sets([[1], [1], [2]], [3, 4, 4], beta).ravel().tolist() == [False, False, True]
    assert expected_change([[1]], [3], beta, ahead=1) == pytest.approx(1.5 / 5)


def test_a_set_of_two_of_which_one_may_go():
    """Two of two stay; one of two goes by a no, which has a chance of 1 - 1.5 / 4: F1 of {a, b} and {a} is 2/3."""
    beta = prior((1, 1), (0.5, 1.5))
    assert set_of([2, 1], 2, beta) == {0, 1}
    assert set_of([2, 1], 3, beta) == {0}
    assert expected_change([[2, 1]], [2], beta, ahead=1) == pytest.approx((1 - 1.5 / 4) / 3)


@settings(max_examples=40, deadline=None)
@given(images(), st.integers(1, 2))
def test_the_change_of_f1_is_what_enumeration_gives(image, ahead):
    votes, n, beta = image
    best = max(by_enumeration(votes, n, beta, more) / more for more in range(1, ahead + 1))
    assert expected_change([votes], [n], beta, ahead=ahead)[0] == pytest.approx(best, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(images())
def test_the_change_of_entropy_is_what_enumeration_gives(image):
    votes, n, beta = image
    before, square = posterior_entropy([votes], [n], beta)[0], 0.0
    for answer in product((0, 1), repeat=len(votes)):
        rates = (np.array(votes) + beta.alpha) / (n + beta.alpha + beta.beta)
        chance = np.prod(np.where(answer, rates, 1 - rates))
        square += chance * (posterior_entropy([np.add(votes, answer)], [n + 1], beta)[0] - before) ** 2
    assert expected_change([votes], [n], beta, "entropy")[0] == pytest.approx(np.sqrt(square), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(images(most=5), st.randoms(use_true_random=False))
def test_neither_the_order_of_labels_nor_the_other_images_matter(image, random):
    votes, n, beta = image
    order = random.sample(range(len(votes)), len(votes))
    turned = BetaPrior(beta.alpha[order], beta.beta[order], beta.pooled[order])
    for until in ("F1", "entropy"):
        alone = expected_change([votes], [n], beta, until)[0]
        assert 0 <= alone <= 1
        beside = expected_change([votes, [0] * len(votes)], [n, n + 1], beta, until)[0]
        assert beside == pytest.approx(alone, abs=1e-12)
        again = expected_change([[votes[at] for at in order]], [n], turned, until)[0]
        assert again == pytest.approx(alone, abs=1e-12)


def test_a_gap_in_which_no_single_answer_turns_a_label_is_looked_across():
    beta = prior((0.5, 1.5))
    n = 6
    for votes in range(n + 1):
        if expected_change([[votes]], [n], beta, ahead=1)[0] == 0 and 0 < votes < n:
            assert expected_change([[votes]], [n], beta)[0] > 0
            return
    pytest.fail("no such gap at six people")


@settings(max_examples=10, deadline=None)
@given(images())
def test_the_expected_entropy_is_the_integral_over_the_posterior(image):
    votes, n, beta = image
    expected = [
        stats.beta(k + a, n - k + b).expect(lambda p: stats.entropy([p, 1 - p], base=2) if 0 < p < 1 else 0.0)
        for k, a, b in zip(votes, beta.alpha, beta.beta, strict=True)
    ]
    assert posterior_entropy([votes], [n], beta)[0] == pytest.approx(np.mean(expected), abs=1e-5)


def test_what_cannot_be_says_so():
    refused(BadCounts, "4 votes of 3 people", expected_change, [[4]], [3], prior((1, 1)))
