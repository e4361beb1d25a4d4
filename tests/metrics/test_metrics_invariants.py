"""What must hold for every table, as Hypothesis properties."""

import math

import hypothesis.strategies as st
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays

from affectml_metrics import functional as F

from .checks import same

LABELS = st.integers(2, 7)


@st.composite
def distributions(draw, count=2):
    """Shares of votes, so with zeros and ties, or of arbitrary weights."""
    labels, rows = draw(LABELS), draw(st.integers(1, 5))
    weights = st.one_of(st.integers(0, 3).map(float), st.floats(0, 1, width=32))
    tables = []
    for _ in range(count):
        table = torch.from_numpy(draw(arrays("float64", (rows, labels), elements=weights)))
        table[:, draw(st.integers(0, labels - 1))] += 0.5
        tables.append(table / table.sum(-1, keepdim=True))
    return tables


@st.composite
def rankings(draw):
    labels, rows = draw(LABELS), draw(st.integers(1, 5))
    scores = draw(arrays("float64", (rows, labels), elements=st.integers(0, 4).map(float)))
    target = draw(arrays("bool", (rows, labels)))
    preds = draw(arrays("bool", (rows, labels)))
    return torch.from_numpy(scores), torch.from_numpy(target), torch.from_numpy(preds)


def below(small, large):
    assert (small <= large + 1e-9).all(), (small, large)


@given(distributions())
def test_distances_bound_each_other(pair):
    p, t = pair
    labels = p.shape[1]
    tv, cheb = F.total_variation(p, t), F.chebyshev_distance(p, t)
    kl, js = F.kl_divergence(p, t), F.js_divergence(p, t)
    below(cheb, tv)
    below(tv, labels / 2 * cheb)
    same(F.intersection(p, t), 1 - tv)
    below(2 * tv**2, kl)
    below(tv**2 / 2, js)
    below(F.js_divergence(p, t, unit="bits"), tv)
    overlap = 1 - F.hellinger_distance(p, t) ** 2
    below(1 - overlap, tv)
    below(tv, (1 - overlap**2).clamp(min=0).sqrt() + 1e-7)
    canberra = F.canberra_distance(p, t)
    below(tv, canberra)
    below(canberra, labels)
    below(F.clark_distance(p, t), math.sqrt(labels))
    below(F.entropy(t), F.cross_entropy(p, t))
    same(F.cross_entropy(p, t) - F.entropy(t), kl)


@given(distributions(3))
def test_metrics_among_the_distances(three):
    p, t, other = three
    for distance in (
        F.total_variation,
        F.chebyshev_distance,
        F.hellinger_distance,
        lambda x, y: F.js_divergence(x, y, square_root=True),
        lambda x, y: F.earth_movers_distance(x, y, "line"),
        lambda x, y: F.earth_movers_distance(x, y, "circle"),
    ):
        same(distance(p, t), distance(t, p))
        # a root turns a rounding error of 1e-16 into 1e-8
        assert (distance(p, p) <= 1e-7).all()
        below(distance(p, other), distance(p, t) + distance(t, other) + 1e-7)


@given(distributions())
def test_transport_meets_its_closed_forms(pair):
    p, t = pair
    at = torch.arange(p.shape[1])
    line = (at[:, None] - at).abs().double()
    circle = torch.minimum(line, p.shape[1] - line)
    same(F.earth_movers_distance(p, t, line), F.earth_movers_distance(p, t, "line"))
    same(F.earth_movers_distance(p, t, circle), F.earth_movers_distance(p, t, "circle"))
    apart = 1 - torch.eye(p.shape[1], dtype=torch.float64)
    same(F.earth_movers_distance(p, t, apart), F.total_variation(p, t))
    nearly = apart * 2
    nearly[0, 1] = 1.5  # not the same both ways: solved as a flow
    below(F.earth_movers_distance(p, t, nearly), 2 * F.total_variation(p, t))
    below(1.5 * F.total_variation(p, t), F.earth_movers_distance(p, t, nearly))


@given(rankings())
def test_set_metrics_bound_each_other(case):
    _, target, preds = case
    exact, jaccard, f1 = (m(preds, target) for m in (F.exact_match, F.set_jaccard, F.set_f1))
    below(exact, jaccard)
    below(jaccard, f1)
    same(f1, 2 * jaccard / (1 + jaccard))
    same(F.semantic_set_f1(preds, target, torch.eye(preds.shape[1])), f1)
    same(F.set_precision(preds, target), F.set_recall(target, preds))
    same(F.soft_f1(preds, target, average="none"), F.label_f1(preds, target, average="none"))


@given(rankings())
def test_ranking_metrics_stay_in_their_range(case):
    scores, target, _ = case
    some = target.any(-1)
    scores, target = scores[some], target[some]
    labels = scores.shape[1]
    size = F.set_size(target)
    below(size, F.coverage_error(scores, target))
    below(F.coverage_error(scores, target), labels)
    lrap = F.label_ranking_average_precision(scores, target)
    assert ((lrap > 0) & (lrap <= 1)).all()
    last = torch.zeros(len(scores), dtype=torch.float64)
    for k in range(1, labels + 1):
        any_hit, recall = F.top_k_accuracy(scores, target, k), F.top_k_recall(scores, target, k)
        below(last, any_hit)
        below(recall, any_hit)
        below(F.top_k_accuracy(scores, target, k, match="all"), any_hit)
        same(F.top_k_precision(scores, target, k) * k, recall * size)
        last = any_hit
    assert (last == 1).all()


@given(distributions())
def test_human_mass_grows_to_one(pair):
    scores, people = pair
    last = torch.zeros(len(scores), dtype=torch.float64)
    for k in range(1, scores.shape[1] + 1):
        mass = F.human_mass_at_k(scores, people, k)
        below(last, mass)
        below(mass, F.human_mass_at_k(people, people, k))  # no ranking gathers more than people's own
        last = mass
    same(last, torch.ones_like(last))


@given(distributions())
def test_proper_scores_prefer_the_truth(pair):
    p, t = pair
    for score in (F.cross_entropy, F.brier_score, F.rate_cross_entropy, F.rate_brier_score):
        below(score(t, t), score(p, t))
