"""Every precision gives the float64 value of its numbers, and every gradient is the slope, at shares of 0 too."""

import math
import warnings
from functools import partial

import pytest
import torch

from affectml_metrics import functional as F
from affectml_metrics import unchecked
from affectml_metrics.functional import transport

from .checks import gen

_g = gen(5)
SOFT = torch.rand(2, 60, 8, generator=_g, dtype=torch.float64).mul(4).softmax(-1)
CLOSE = torch.rand(8, 8, generator=_g, dtype=torch.float64).fill_diagonal_(1)


def exact_in_every_precision(metric, tables):
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        low = [x if x.dtype == torch.bool else x.to(dtype) for x in tables]
        with unchecked():  # what was rounded to 3 digits sums to 1 within those
            got, exact = metric(*low), metric(*(x if x.dtype == torch.bool else x.double() for x in low))
        assert exact.isfinite().any()
        # computed alike, and rounded once: to half of float32's last digit
        torch.testing.assert_close(got.double(), exact.double(), rtol=6e-8, atol=1e-45, equal_nan=True)


def test_every_precision_gives_the_float64_value_of_its_numbers(case):
    exact_in_every_precision(case.function, case.tables)


def test_every_precision_has_the_digits_where_differences_of_entropies_cancel(of_distributions):
    preds = of_distributions.tables[0]
    near = preds * (1 + 1e-3 * torch.rand(preds.shape, generator=gen(1), dtype=preds.dtype))
    exact_in_every_precision(of_distributions.function, (preds, near.div(1 + 5e-4)))


def test_entropies_and_modes_in_every_precision():
    for metric in (F.entropy, F.modes, partial(F.entropy, from_logits=True)):
        exact_in_every_precision(metric, [SOFT[0]])


def test_a_transport_problem_that_float32_once_lost():
    torch.manual_seed(0)
    x = torch.randn(8, 2)
    cost = torch.cdist(x, x)
    p, q = (torch.softmax(torch.randn(200, 8) * 2, 1) for _ in "ab")
    assert float(F.earth_movers_distance(p, q, cost)[186]) == pytest.approx(1.6640, abs=1e-4)


def test_flows_are_proved_the_cheapest_without_a_linear_programme(monkeypatch):
    monkeypatch.setattr(transport, "_by_linear_programme", None)
    for cost in (CLOSE, torch.cdist(SOFT[0, :8], SOFT[0, :8])):
        assert F.earth_movers_distance(*SOFT, cost).min() > 0


def distances_and_slopes():
    preds = SOFT[0].clone().requires_grad_()
    found = F.earth_movers_distance(preds, SOFT[1], CLOSE)
    (slopes,) = torch.autograd.grad(found.sum(), preds)
    return torch.cat([found[:, None].detach(), slopes - slopes.mean(1, keepdim=True)], dim=1)


def test_a_flow_that_is_not_the_cheapest_is_found_out_and_solved_again(monkeypatch):
    exact = distances_and_slopes()
    solve = transport._cheapest_flow

    def wrong(supply, demand, cost):
        flow = solve(supply, demand, cost)
        flow[0] = supply[0, :, None] * demand[0]  # feasible, but not the cheapest
        flow[1] /= 2  # half of it never arrives
        return flow

    monkeypatch.setattr(transport, "_cheapest_flow", wrong)
    torch.testing.assert_close(distances_and_slopes(), exact, rtol=1e-9, atol=1e-9)


def test_one_label_costs_what_staying_costs():
    one = torch.ones(2, 1)
    assert F.earth_movers_distance(one, one, [[0.0]]).tolist() == [0, 0]
    assert F.earth_movers_distance(one, one, [[0.5]]).tolist() == [0.5, 0.5]


def test_the_distance_of_nearly_equal_rows_has_all_its_digits():
    p = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    for step in (1e-3, 1e-6, 1e-9):
        t = p + torch.tensor([[step, -step]], dtype=torch.float64)
        # JS = step^2 / 2 + O(step^4) at (.5, .5)
        assert float(F.js_divergence(p, t, square_root=True)) == pytest.approx(step / math.sqrt(2), rel=1e-6)
    assert F.js_divergence(p, p, square_root=True).item() == 0


def test_exponential_gains_of_a_thousand_votes_are_finite():
    votes = torch.tensor([[1100.0, 1090.0, 0.0], [3.0, 1.0, 0.0]])
    right, swapped = F.ndcg(votes, votes, gain="exponential"), F.ndcg(-votes, votes, gain="exponential")
    assert right.tolist() == [1, 1]
    # 2^1100 in the last place of three, 2^1090 in the middle
    at = [1, 1 / math.log2(3), 1 / math.log2(4)]
    expected = (at[2] + 2**-10 * at[1]) / (at[0] + 2**-10 * at[1])
    assert float(swapped[0]) == pytest.approx(expected, rel=1e-12)
    assert float(swapped[1]) == pytest.approx((7 * at[2] + 1 * at[1]) / (7 * at[0] + 1 * at[1]), rel=1e-12)


# --- gradients


def slopes(metric, p, t, direction, side=1.0, step=1e-6):
    """The derivative along a direction, by autograd and by a difference on one side (or both, with side 0)."""
    with unchecked(), warnings.catch_warnings():
        warnings.simplefilter("error")
        x = p.clone().requires_grad_()
        value = metric(x, t).sum()
        (gradient,) = torch.autograd.grad(value, x)
        if side:
            far, middle, near = (float(metric(p + i * side * step * direction, t).sum()) for i in (2, 1, 0))
            by_steps = side * (4 * middle - far - 3 * near) / (2 * step)
        else:
            up, down = (float(metric(p + sign * step * direction, t).sum()) for sign in (1, -1))
            by_steps = (up - down) / (2 * step)
    return float((gradient * direction).sum()), by_steps, gradient


def test_gradients_are_the_slopes_inside(with_a_slope):
    preds, target, *more = with_a_slope.tables
    target = target if more else target.clamp(min=1e-4)  # reversed, a share of 0 costs infinity
    direction = torch.randn(preds.shape, generator=gen(1), dtype=torch.float64)
    direction -= direction.mean(-1, keepdim=True)
    inside = preds.clamp(1e-4, 0.9999)
    found = slopes(lambda p, t: with_a_slope.function(p, t, *more), inside, target, direction, side=0)
    assert found[0] == pytest.approx(found[1], rel=1e-4, abs=1e-5)


# Of distributions label 2 has a share on neither side, label 3 of preds alone, label 0 and 1 on both.
ZEROS = {
    "distribution": ([0.5, 0.2, 0.0, 0.3], [0.25, 0.75, 0.0, 0.0]),
    "rates": ([0.0, 1.0, 0.4, 0.2], [0.0, 1.0, 1.0, 0.0]),
}


def of_four_labels(case):
    ground = case.config.get("ground")
    given = {"ground": ground[:4, :4]} if isinstance(ground, torch.Tensor) else {}
    votes = "votes" in case.spec.needs
    return lambda p, t: case.function(p, t.round(), torch.ones(len(p))) if votes else case.function(p, t, **given)


def test_gradients_at_shares_of_exactly_0_and_1_are_finite_and_the_one_sided_slope(with_a_slope):
    metric = of_four_labels(with_a_slope)
    p, t = (torch.tensor([row], dtype=torch.float64) for row in ZEROS[with_a_slope.kind])
    if "method" in with_a_slope.config or isinstance(with_a_slope.config.get("ground"), torch.Tensor):
        return  # of one row there is no correlation, and at a corner of a flow no slope
    for label in range(4):
        direction, inwards = torch.eye(4, dtype=torch.float64)[label : label + 1], 1.0 if p[0, label] < 1 else -1.0
        mine, theirs, gradient = slopes(metric, p, t, direction, side=inwards)
        assert gradient.isfinite().all()
        _, nearer, _ = slopes(metric, p, t, direction, side=inwards, step=1e-7)
        jumps = theirs != pytest.approx(nearer, rel=1e-3, abs=1e-4)  # or is infinitely steep, or infinite
        kink = p[0, label] == t[0, label]  # of |p - t|
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-5) or jumps or kink, label


def test_gradients_are_finite_where_rows_agree_or_have_nothing_in_common(with_a_slope):
    same = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]], dtype=torch.float64)
    for p, t in ((same, same), (same.flip(1).roll(1, 1), same)):
        pair = [p.clone().requires_grad_(), t.clone().requires_grad_()]
        with unchecked():
            value = of_four_labels(with_a_slope)(*pair)
        gradients = torch.autograd.grad(value[value.isfinite()].sum(), pair, allow_unused=True)
        assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


def test_entropy_has_a_finite_gradient_at_0():
    p = torch.tensor([[1.0, 0.0], [0.3, 0.7]], dtype=torch.float64, requires_grad=True)
    F.entropy(p).sum().backward()
    assert p.grad.isfinite().all()
    assert p.grad[0, 1] > 30  # steep, upwards
    torch.testing.assert_close(p.grad[1], -(p.detach()[1].log() + 1))


def test_float32_leaves_get_float32_gradients():
    p = torch.tensor([[0.5, 0.5, 0.0]], requires_grad=True)
    F.js_divergence(p, torch.tensor([[0.2, 0.8, 0.0]])).sum().backward()
    assert p.grad.dtype == torch.float32
    assert p.grad.isfinite().all()
