"""AutoHead and the kernel heads: what they choose, what that costs, and the machines they must equal."""

import time

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.kernel_ridge import KernelRidge
from sklearn.preprocessing import KernelCenterer

from affectml.errors import BadInput
from affectml.heads import AutoHead, EnsembleHead, KernelHead, SigmoidHead, SoftmaxHead, TopKHead
from affectml.heads._linear import L2Path


def curved(rows=240, seed=0):
    """Distributions that no linear head can tell: they depend on squares."""
    X = np.random.default_rng(seed).normal(size=(rows, 4))
    return X, softmax(2 * np.stack([X[:, 0] ** 2 - 1, X[:, 1] ** 2 - 1, np.zeros(rows)], axis=1), axis=1)


def straight(rows=240, seed=0):
    X = np.random.default_rng(seed).normal(size=(rows, 4))
    return X, softmax(1.5 * X[:, :3], axis=1)


def test_where_nobody_says_anything_all_labels_are_alike():
    X, chosen = np.random.default_rng(0).normal(size=(10, 3)), np.arange(10) % 3
    head = AutoHead(budget=20).fit(X, np.eye(3)[chosen])
    assert torch.allclose(head.scores(X), torch.tensor(1 / 3, dtype=torch.float64), atol=0.01)


@pytest.mark.parametrize("budget", [5, 70, 250])
def test_the_budget_is_counted_in_fits_and_kept(budget, monkeypatch):
    """Every walk along L2 goes through L2Path.step: count what is really fitted while comparing."""
    counted, step = [], L2Path.step
    monkeypatch.setattr(L2Path, "step", lambda self, l2: (counted.append(l2), step(self, l2))[1])
    X, P = curved(40)
    families = ("linear", "exponential", "rbf")
    head = AutoHead(budget=budget, families=families).fit(X, P)
    fitted_in_the_end = len([m for m in head.members_ if m.name != "prior"])
    assert head.report_["fits"] == len(counted) - fitted_in_the_end
    assert 5 <= head.report_["fits"] <= budget
    untried = [line for line in head.report_["why"] if "was not tried" in line]
    assert len(untried) == len(families) - len(head.report_["held_out_loss"])
    assert bool(untried) == (budget <= 70)
    if budget == 5:
        assert untried == [f"{name} was not tried: the budget of 5 fits was spent" for name in families[1:]]


def test_same_seed_same_result_and_the_clock_has_no_say(monkeypatch):
    X, P = curved(40)
    first, again = (AutoHead(kind="distribution", seed=3, budget=30) for _ in range(2))
    first.fit(X, P)
    for clock in ("time", "perf_counter", "process_time", "monotonic"):
        monkeypatch.setattr(time, clock, lambda: pytest.fail("auto looked at the clock"))
    assert again.fit(X, P).report_ == first.report_
    assert torch.equal(first.scores(X), again.scores(X))


@pytest.mark.slow
def test_auto_prefers_what_predicts_better():
    for make, better, worse in ((curved, "rbf kernel", "linear"), (straight, "linear", "exponential")):
        X, P = make()
        losses = AutoHead(families=("linear", "exponential", "rbf")).fit(X, P).report_["held_out_loss"]
        [a], [b] = ([v for words, v in losses.items() if words.startswith(name)] for name in (better, worse))
        assert a < b


@pytest.mark.slow
def test_auto_is_no_worse_than_a_linear_head_on_new_rows():
    X, P = curved(400)
    new, truth = (torch.from_numpy(a) for a in curved(400, seed=1))

    def loss(head):
        return float(-(truth * head.fit(X, P).predict_distribution(new).log()).sum(dim=1).mean())

    entropy = float(-(truth * truth.log()).sum(dim=1).mean())
    assert loss(AutoHead(budget=100)) - entropy < 0.25 * (loss(SoftmaxHead()) - entropy)


def test_val_decides_and_is_not_fitted_on():
    X, P = curved(160)
    head = AutoHead(families=("linear", "rbf")).fit(X[:100], P[:100], val=(X[100:], P[100:]))
    rows = [len(m._state["landmarks"]) for m in head.members_ if m.name == "kernel"]
    assert (head.report_["rows"], rows) == (100, [100])


def test_why_names_what_was_kept_with_its_weight():
    X, P = curved()
    head = AutoHead(families=("linear", "rbf")).fit(X, P)
    assert head.report_["why"][-1].startswith("kept ")
    assert len(head.report_["weights"]) == len(head.members_)
    for words, loss in head.report_["held_out_loss"].items():
        assert f"{words}: held-out loss {loss:.4f}" in head.report_["why"]


@pytest.mark.parametrize("kernel", ["rbf", "exponential"])
def test_kernel_ridge_is_scikit_learns(kernel):
    X, P = curved(120)
    rates = P * 0.6 + 0.2  # away from the ends, where predictions are clipped
    gamma, l2 = 0.5, 1e-3
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    distance = np.linalg.norm(Z[:, None] - Z[None], axis=2)
    values = np.exp(-gamma * (distance**2 / 4 if kernel == "rbf" else distance / 2))
    centred = KernelCenterer().fit_transform(values)
    oracle = KernelRidge(alpha=l2 * len(X), kernel="precomputed").fit(centred, rates - rates.mean(axis=0))
    head = KernelHead(kind="rates", kernel=kernel, gamma=gamma, l2=l2, loss="ridge").fit(X, rates)
    np.testing.assert_allclose(head.predict_rates(X), oracle.predict(centred) + rates.mean(axis=0), atol=1e-3)


def test_every_row_a_landmark_makes_nystroem_exact():
    X, P = curved(100)
    new, _ = curved(50, seed=1)
    options = {"kernel": "rbf", "gamma": 0.4, "l2": 1e-3}
    exact = KernelHead(**options).fit(X, P)
    sampled = KernelHead(**options, exact_rows=10, landmarks=100).fit(X, P)
    few = KernelHead(**options, exact_rows=10, landmarks=8).fit(X, P)
    assert few.report_["landmarks"] == 8
    np.testing.assert_allclose(exact.scores(new), sampled.scores(new), atol=1e-3)
    assert not torch.allclose(exact.scores(new), few.scores(new), atol=1e-2)


def sets():
    return (curved(40)[1] > 0.3).astype(int) | np.array([0, 0, 1])


@pytest.mark.parametrize(
    ("head", "targets", "says"),
    [
        (SigmoidHead, "distribution", "these are distributions .*SoftmaxHead"),
        (TopKHead, "distribution", "these are distributions .*SoftmaxHead"),
        (lambda: KernelHead(kind="rates"), "distribution", r"AutoHead\(kind=\"distribution\"\)"),
        (lambda: AutoHead(kind="rates"), "distribution", r"AutoHead\(kind=\"distribution\"\)"),
        (SoftmaxHead, "sets", r"row \d+ sums to [23], not to 1.*for sets or rates take SigmoidHead"),
        (KernelHead, "sets", "not to 1.*for sets or rates take"),
        (AutoHead, "sets", "not to 1.*for sets or rates take"),
        (lambda: EnsembleHead(kind="rates", head="sigmoid"), "distribution", "these are distrib"),
    ],
)
def test_targets_of_the_other_kind_are_refused_with_the_way_out(head, targets, says):
    X, P = curved(40)
    with pytest.raises(BadInput, match=says):
        head().fit(X, P if targets == "distribution" else sets())


def test_auto_needs_rows_to_choose_on():
    X, P = curved(9)
    with pytest.raises(BadInput, match="9 rows are too few to keep any out for choices; give val, or take one head"):
        AutoHead().fit(X, P)
