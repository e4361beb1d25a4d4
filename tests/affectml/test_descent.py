"""The search for linear weights: the least loss, in few passes, each label on its own way."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from affectml.heads import linear
from affectml.heads.blocks import Blocks
from affectml.heads.linear import L2Path
from affectml.heads.objective import Objective


def drawn(rows=400, columns=12, usual=(0.0, -3.0, -6.0), strength=2.0, seed=0):
    """Standardised features that go together, and 0/1 for labels from common to rare."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    logits = strength * X @ rng.normal(size=(columns, len(usual))) / columns**0.5 + np.array(usual)
    Y = rng.random(logits.shape) < 1 / (1 + np.exp(-logits))
    return torch.from_numpy(X), torch.from_numpy(Y.astype(float))


def objective_of(kind, Y):
    shares = (Y + 0.1) / (Y + 0.1).sum(dim=1, keepdim=True)
    return Objective(shares, None) if kind == "softmax" else Objective(Y, 1 - Y)


def loss(parameters, X, objective, l2):
    """Mean loss with the pseudo row, and the penalty."""
    even = objective.pseudo_row()
    summed = objective.loss(X @ parameters[:-1] + parameters[-1]) + even.loss(parameters[-1:])
    return summed / (objective.total + even.total) + l2 / 2 * parameters[:-1].square().sum()


@pytest.mark.parametrize("l2", [0.3, 1e-3, 1e-6])
@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_the_least_loss_is_scipys(kind, l2):
    X, Y = drawn()
    objective = objective_of(kind, Y)
    path = L2Path(X, objective)

    def by_scipy(flat):
        parameters = torch.from_numpy(flat).reshape(path.parameters.shape).requires_grad_()
        value = loss(parameters, X, objective, l2)
        return float(value.detach()), torch.autograd.grad(value, parameters)[0].flatten().numpy()

    least = minimize(by_scipy, path.parameters.flatten().numpy(), jac=True, method="BFGS", options={"gtol": 1e-9}).fun
    path.step(l2)
    assert float(loss(path.parameters, X, objective, l2)) == pytest.approx(least, abs=1e-8 * max(least, 1))


def test_a_label_is_fitted_as_it_would_be_alone():
    X, Y = drawn()
    together = L2Path(X, Objective(Y, 1 - Y))
    together.step(1e-3)
    for label in range(Y.shape[1]):
        one = Y[:, [label]]
        alone = L2Path(X, Objective(one, 1 - one))
        alone.step(1e-3)
        torch.testing.assert_close(together.parameters[:, [label]], alone.parameters, rtol=1e-3, atol=1e-3)


@pytest.fixture
def passes(monkeypatch):
    """Of how many rows each pass is."""
    seen, make = [], linear._sweep_of

    def counting(X, objective):
        sweep = make(X, objective)
        return lambda parameters: seen.append(len(X)) or sweep(parameters)

    monkeypatch.setattr(linear, "_sweep_of", counting)
    return seen


def test_many_rows_are_passed_over_five_times_and_some_of_them_more_often(passes, monkeypatch):
    X, Y = drawn(20_000, usual=(0.0, -1.0, -3.0), strength=1.0)
    monkeypatch.setattr(linear, "SAMPLE", 2_000)
    objective = Objective(Y, 1 - Y)
    path, exact = L2Path(Blocks(X.float()), objective), L2Path(X, objective)
    path.step(1e-3)
    assert passes.count(20_000) <= 6 < len(passes)
    exact.step(1e-3)
    least = float(loss(exact.parameters, X, objective, 1e-3))
    assert float(loss(path.parameters, X, objective, 1e-3)) == pytest.approx(least, rel=1e-6)


def test_a_walk_looks_again_only_after_a_step(passes):
    X, Y = drawn()
    path, seen = L2Path(X, Objective(Y, 1 - Y)), []
    for l2 in (0.1, 0.1, 0.09):
        path.step(l2)
        seen.append(len(passes))
    assert seen[0] == seen[1] < seen[2] <= seen[1] + 4
