"""Every precision gives the float64 value of its numbers, and every gradient is the slope, at shares of 0 too."""

import math
import warnings
from functools import partial

import pytest
import torch

from affectml_metrics import functional as F
from affectml_metrics import unchecked

ROWS, LABELS = 60, 8
_g = torch.Generator().manual_seed(5)


def _rand(*shape):
    return torch.rand(shape or (ROWS, LABELS), generator=_g, dtype=torch.float64)


SOFT = ((_rand() * 4).softmax(-1), (_rand() * 4).softmax(-1))
NEAR = (SOFT[0], (SOFT[0] * (1 + 1e-3 * _rand())).div(1 + 5e-4))  # where differences of entropies cancel
LOGITS = (_rand() * 8 - 4, SOFT[1])
RATES, RATE_LOGITS = (_rand(), _rand()), (_rand() * 8 - 4, _rand())
RANKING, SETS, MASS = ((_rand() * 6).round(), _rand() < 0.3), (_rand() < 0.4, _rand() < 0.3), (_rand(), _rand())
VOTES = (_rand(), (_rand() * 6).floor(), torch.full((ROWS,), 900.0, dtype=torch.float64))
PLACES = torch.randn(LABELS, 2, generator=_g)
SPREAD = torch.cdist(PLACES, PLACES)
CLOSE = _rand(LABELS, LABELS).fill_diagonal_(1)

CASES = [
    *((name, SETS, {}) for name in ("set_f1", "set_precision", "set_recall", "set_jaccard", "exact_match")),
    *((name, SETS, {}) for name in ("hamming_loss", "label_f1", "label_precision", "label_recall")),
    *((name, SETS, {}) for name in ("label_specificity", "label_mcc")),
    ("semantic_set_f1", SETS, {"similarity": CLOSE}),
    *((name, RANKING, {"k": 3}) for name in ("top_k_accuracy", "top_k_recall", "top_k_precision")),
    ("top_k_accuracy", RANKING, {"k": 2, "ties": "expected"}),
    *((name, RANKING, {}) for name in ("label_ranking_average_precision", "coverage_error", "ranking_loss")),
    *((name, RANKING, {}) for name in ("one_error", "mean_average_precision", "label_auroc")),
    ("top_k_chance", RANKING[1:], {"k": 2}),
    ("set_size", RANKING[1:], {}),
    ("modes", MASS[1:], {}),
    ("ndcg", MASS, {}),
    ("ndcg", MASS, {"gain": "exponential", "ties": "expected"}),
    ("human_mass_at_k", MASS, {"k": 2}),
    *(
        (name, data, options)
        for name in [
            "kl_divergence",
            "cross_entropy",
            "js_divergence",
            "total_variation",
            "chebyshev_distance",
            "clark_distance",
            "canberra_distance",
            "chi_squared_distance",
            "manhattan_distance",
            "po_jsd",
            "cosine_similarity",
            "intersection",
            "hellinger_distance",
            "brier_score",
            "entropy_error",
            "rank_cs",
            "entropy_correlation",
            "entropy_similarity",
        ]
        for data, options in ((SOFT, {}), (NEAR, {}), (LOGITS, {"from_logits": True}))
    ),
    ("kl_divergence", SOFT, {"reverse": True}),
    ("js_divergence", NEAR, {"square_root": True}),
    ("entropy", SOFT[:1], {}),
    ("entropy", LOGITS[:1], {"from_logits": True}),
    *(("earth_movers_distance", SOFT, {"ground": ground}) for ground in ("line", "circle", SPREAD, CLOSE)),
    *(
        (name, data, options)
        for name in [
            "rate_cross_entropy",
            "rate_brier_score",
            "rate_manhattan",
            "rate_js_divergence",
            "rate_po_jsd",
            "soft_f1",
        ]
        for data, options in ((RATES, {}), (RATE_LOGITS, {"from_logits": True}))
    ),
    ("binomial_log_likelihood", VOTES, {}),
    ("error_rate", SETS, {}),
    ("normalised_absolute_distance", RATES, {"scale": 2}),
    ("squared_calibration_error", RATES, {"bins": 5}),
    ("squared_calibration_error", LOGITS, {"bins": 5, "from_logits": True, "activation": "softmax"}),
    ("label_calibration_error", RATES, {"bins": 5}),
    ("label_calibration_error", LOGITS, {"bins": 5, "from_logits": True, "activation": "softmax"}),
]


def test_every_function_has_its_case():
    assert {name for name, _, _ in CASES} == set(F.__all__)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize(("name", "data", "options"), CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)])
def test_every_precision_gives_the_float64_value_of_its_numbers(name, data, options, dtype):
    metric = partial(getattr(F, name), **options)
    low = [x if x.dtype == torch.bool else x.to(dtype) for x in data]
    if name == "binomial_log_likelihood":
        low[2] = data[2]  # 900 people are not a bfloat16
    with unchecked():  # what was rounded to 3 digits sums to 1 within those
        got, exact = metric(*low), metric(*(x if x.dtype == torch.bool else x.double() for x in low))
    assert exact.isfinite().any()
    # computed alike, and rounded once: to half of float32's last digit
    torch.testing.assert_close(got.double(), exact.double(), rtol=6e-8, atol=1e-45, equal_nan=True)


def test_a_transport_problem_that_float32_once_lost():
    torch.manual_seed(0)
    x = torch.randn(8, 2)
    cost = torch.cdist(x, x)
    p, q = (torch.softmax(torch.randn(200, 8) * 2, 1) for _ in "ab")
    assert float(F.earth_movers_distance(p, q, cost)[186]) == pytest.approx(1.6640, abs=1e-4)


def test_a_flow_that_is_not_the_cheapest_is_found_out_and_solved_again(monkeypatch):
    from affectml_metrics.functional import transport

    exact = F.earth_movers_distance(*SOFT, CLOSE)
    solve = transport._cheapest_flow

    def wrong(supply, demand, cost):
        flow = solve(supply, demand, cost)
        flow[0] = supply[0, :, None] * demand[0]  # feasible, but not the cheapest
        flow[1] /= 2  # half of it never arrives
        return flow

    monkeypatch.setattr(transport, "_cheapest_flow", wrong)
    torch.testing.assert_close(F.earth_movers_distance(*SOFT, CLOSE), exact, rtol=1e-9, atol=1e-9)


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

DISTANCES = {
    "kl_divergence": F.kl_divergence,
    "reverse kl": partial(F.kl_divergence, reverse=True),
    "kl in bits, lifted": partial(F.kl_divergence, eps=1e-6, unit="bits"),
    "cross_entropy": F.cross_entropy,
    "js_divergence": F.js_divergence,
    "js distance": partial(F.js_divergence, square_root=True),
    "total_variation": F.total_variation,
    "chebyshev_distance": F.chebyshev_distance,
    "clark_distance": F.clark_distance,
    "canberra_distance": F.canberra_distance,
    "cosine_similarity": F.cosine_similarity,
    "intersection": F.intersection,
    "hellinger_distance": F.hellinger_distance,
    "brier_score": F.brier_score,
    "entropy_error": F.entropy_error,
    "entropy_correlation": F.entropy_correlation,
    "entropy_similarity": F.entropy_similarity,
    "transport on a line": partial(F.earth_movers_distance, ground="line"),
    "transport on a circle": partial(F.earth_movers_distance, ground="circle"),
    "transport at a cost": partial(F.earth_movers_distance, ground=CLOSE),
}
OF_RATES = {
    "rate_cross_entropy": F.rate_cross_entropy,
    "rate_brier_score": F.rate_brier_score,
    "rate_manhattan": F.rate_manhattan,
    "rate_js_divergence": F.rate_js_divergence,
    "soft_f1": F.soft_f1,
    "binomial_log_likelihood": lambda p, t: F.binomial_log_likelihood(p, t.round(), torch.ones(len(p))),
}


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


@pytest.mark.parametrize("name", [*DISTANCES, *OF_RATES])
def test_gradients_are_the_slopes_inside(name):
    metric, (p, t) = (DISTANCES | OF_RATES)[name], SOFT if name in DISTANCES else RATES
    direction = torch.randn(ROWS, LABELS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    direction -= direction.mean(-1, keepdim=True)
    mine, theirs, _ = slopes(metric, p[:5], t[:5], direction[:5], side=0)
    assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-6)


# Label 2 has a share on neither side, label 3 of preds alone; label 0 and 1 on both.
ZEROS = (
    torch.tensor([[0.5, 0.2, 0.0, 0.3]], dtype=torch.float64),
    torch.tensor([[0.25, 0.75, 0.0, 0.0]], dtype=torch.float64),
)
LEAVES_ITS_VALUE = {"clark_distance", "canberra_distance"}  # 0/0 counts 0, but any share at all counts 1: no slope
KINKS = {"total_variation", "intersection", "transport on a circle"}  # |p - t| at p = t has no slope
INFINITE = {"reverse kl", "entropy_error", "entropy_correlation", "entropy_similarity"}  # -p log p is steep at 0


@pytest.mark.parametrize(
    "name", [n for n in DISTANCES if n not in ("entropy_correlation", "entropy_similarity", "transport at a cost")]
)
def test_gradients_at_shares_of_exactly_0_are_finite_and_the_one_sided_slope(name):
    metric, (p, t) = DISTANCES[name], ZEROS
    _, _, gradient = slopes(metric, p, t, torch.zeros_like(p))
    assert gradient.isfinite().all()
    if name == "reverse kl":  # preds rule in what the target rules out: the value itself is infinite
        return
    for label in range(4):
        direction = torch.eye(4, dtype=torch.float64)[label : label + 1]
        if label == 2 and name in LEAVES_ITS_VALUE | KINKS | INFINITE:
            continue
        # on one side, as a share of 0 can only grow
        mine, theirs, _ = slopes(metric, p, t, direction)
        assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-5), label


@pytest.mark.parametrize("name", list(DISTANCES))
def test_gradients_are_finite_where_rows_agree_or_have_nothing_in_common(name):
    same = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]], dtype=torch.float64)
    metric = (
        DISTANCES[name] if name != "transport at a cost" else partial(F.earth_movers_distance, ground=CLOSE[:4, :4])
    )
    for p, t in ((same, same), (same.flip(1).roll(1, 1), same)):
        for who in (0, 1):
            pair = [p.clone(), t.clone()]
            pair[who].requires_grad_()
            value = metric(*pair)
            finite = value[value.isfinite()].sum()
            (gradient,) = torch.autograd.grad(finite, pair[who])
            assert gradient.isfinite().all()


def test_entropy_has_a_finite_gradient_at_0():
    p = torch.tensor([[1.0, 0.0], [0.3, 0.7]], dtype=torch.float64, requires_grad=True)
    F.entropy(p).sum().backward()
    assert p.grad.isfinite().all()
    assert p.grad[0, 1] > 30  # steep, upwards
    torch.testing.assert_close(p.grad[1], -(p.detach()[1].log() + 1))


def test_rates_of_exactly_0_and_1_have_the_one_sided_slope():
    p = torch.tensor([[0.0, 1.0, 0.4]], dtype=torch.float64)
    t = torch.tensor([[0.0, 1.0, 1.0]], dtype=torch.float64)
    for name, metric in OF_RATES.items():
        for label, inwards in ((0, 1.0), (1, -1.0), (2, 1.0)):
            direction = torch.eye(3, dtype=torch.float64)[label : label + 1]
            mine, theirs, gradient = slopes(metric, p, t, direction, side=inwards)
            assert gradient.isfinite().all(), name
            if name != "rate_manhattan" and name != "soft_f1":  # a kink at p = t has no slope
                assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-5), (name, label)


def test_float32_leaves_get_float32_gradients():
    p = torch.tensor([[0.5, 0.5, 0.0]], requires_grad=True)
    F.js_divergence(p, torch.tensor([[0.2, 0.8, 0.0]])).sum().backward()
    assert p.grad.dtype == torch.float32
    assert p.grad.isfinite().all()
