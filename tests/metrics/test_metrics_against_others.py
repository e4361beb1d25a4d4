"""Agreement with scikit-learn, scipy, torchmetrics and PyLDL wherever they are right, and where they are not."""

import numpy as np
import pytest
import scipy.optimize
import scipy.spatial.distance
import scipy.special
import scipy.stats
import sklearn.metrics as sk
import torch
import torchmetrics.functional.classification as tm
from torchmetrics.functional import kl_divergence

from affectml_metrics import functional as F

from .checks import agree, gen, refused


@pytest.mark.parametrize("empty", [0, 1])
def test_set_metrics_against_scikit_learn(table, empty):
    p, t = table.sets, table.chosen
    for ours, theirs in ((F.set_f1, sk.f1_score), (F.set_jaccard, sk.jaccard_score)):
        agree(ours(p, t, both_empty=empty).mean(), theirs(t, p, average="samples", zero_division=empty))
    for ours, theirs in ((F.set_precision, sk.precision_score), (F.set_recall, sk.recall_score)):
        found = ours(p, t, both_empty=empty, one_empty=empty).mean()
        agree(found, theirs(t, p, average="samples", zero_division=empty))
    agree(F.exact_match(p, t).mean(), sk.accuracy_score(t, p))
    agree(F.hamming_loss(p, t).mean(), sk.hamming_loss(t, p))


@pytest.mark.parametrize("k", [1, 2, 4])
def test_top_k_on_single_labels_against_scikit_learn(table, k):
    truth, labels = table.rates.argmax(-1), table.rates.shape[1]
    theirs = sk.top_k_accuracy_score(truth, table.preds, k=k, labels=range(labels))
    agree(F.top_k_accuracy(table.preds, torch.nn.functional.one_hot(truth, labels), k).mean(), theirs)


def test_ranking_metrics_against_scikit_learn(table):
    s, t = table.scores, table.chosen
    lrap = F.label_ranking_average_precision(s, t, ties="lowest", no_labels=1)
    agree(lrap.mean(), sk.label_ranking_average_precision_score(t, s))
    agree(F.coverage_error(s, t, no_labels=0).mean(), sk.coverage_error(t, s))
    agree(F.ranking_loss(s, t, tie_cost=1, no_labels=0).mean(), sk.label_ranking_loss(t, s))


TAUS = [(F.kendall_tau_b, scipy.stats.kendalltau), (F.weighted_kendall_tau, scipy.stats.weightedtau)]


@pytest.mark.parametrize(("metric", "theirs"), TAUS, ids=["tau_b", "weighted"])
def test_ranking_agreement_against_scipy(metric, theirs):
    """Rates of 8 people, so with ties, which every precision holds exactly; every hundredth row has no order."""
    g = gen(31)
    p, t = (torch.randint(0, 9, (400, 6), generator=g).double() / 8 for _ in range(2))
    p[::200], t[100::200] = 0.5, 0.0
    expected = [theirs(x, y).statistic for x, y in zip(p.numpy(), t.numpy(), strict=True)]
    assert np.isnan(expected).sum() == 4
    agree(metric(p, t), expected, 1e-12)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        torch.testing.assert_close(metric(p.to(dtype), t.to(dtype)), metric(p, t), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted", None])
def test_average_precision_against_scikit_learn(table, average):
    ours = F.mean_average_precision(table.scores, table.chosen, average=average or "none")
    agree(ours, sk.average_precision_score(table.chosen, table.scores, average=average))


@pytest.mark.parametrize("k", [None, 1, 3])
def test_ndcg_against_scikit_learn_with_and_without_ties(table, k):
    agree(F.ndcg(table.scores, table.target, k, ties="expected").mean(), sk.ndcg_score(table.target, table.scores, k=k))
    agree(F.ndcg(table.preds, table.target, k).mean(), sk.ndcg_score(table.target, table.preds, k=k, ignore_ties=True))


def test_distributions_against_scipy(pair):
    p, t = (shares.numpy() for shares in pair)
    agree(F.kl_divergence(p, t), scipy.special.rel_entr(t, p).sum(-1))
    agree(F.kl_divergence(t, p, reverse=True), scipy.special.rel_entr(t, p).sum(-1))
    agree(F.js_divergence(p, t, square_root=True), scipy.spatial.distance.jensenshannon(p, t, axis=-1), 1e-8)
    agree(F.js_divergence(p, t), scipy.spatial.distance.jensenshannon(p, t, axis=-1) ** 2)
    agree(F.entropy(t), scipy.stats.entropy(t, axis=-1))
    agree(F.entropy_similarity(p, t), 1 - scipy.spatial.distance.cosine(F.entropy(p), F.entropy(t)))
    agree(F.entropy_correlation(p, t), scipy.stats.pearsonr(F.entropy(p), F.entropy(t))[0])
    theirs = scipy.stats.spearmanr(*(F.entropy(shares).numpy().round(12) for shares in (p, t)))[0]
    agree(F.entropy_correlation(p, t, method="spearman"), theirs)
    some = slice(0, 400)
    for ours, theirs in (
        (F.canberra_distance, scipy.spatial.distance.canberra),
        (F.chebyshev_distance, scipy.spatial.distance.chebyshev),
        (F.brier_score, scipy.spatial.distance.sqeuclidean),
        (lambda x, y: 1 - F.cosine_similarity(x, y), scipy.spatial.distance.cosine),
        (lambda x, y: 2 * F.total_variation(x, y), scipy.spatial.distance.cityblock),
    ):
        agree(ours(p[some], t[some]), [theirs(x, y) for x, y in zip(p[some], t[some], strict=True)])


def test_distributions_against_pyldl(pair):
    import pyldl.metrics as ldl

    y, x = (shares.numpy() for shares in pair)
    agree(F.clark_distance(*pair), ldl.clark(x, y, reduction=None))
    agree(F.intersection(*pair), ldl.intersection(x, y, reduction=None))
    agree(1 - F.hellinger_distance(*pair) ** 2, ldl.fidelity(x, y, reduction=None))


def test_soft_cross_entropy_against_torch(pair):
    (p, t), theirs = pair, torch.nn.functional
    agree(F.cross_entropy(p, t), theirs.cross_entropy(p.log(), t, reduction="none"))
    agree(F.cross_entropy(p * 9, t, from_logits=True), theirs.cross_entropy(p * 9, t, reduction="none"))
    agree(F.rate_cross_entropy(p, t), theirs.binary_cross_entropy(p, t, reduction="none").mean(-1))
    expected = theirs.binary_cross_entropy_with_logits(p * 9, t, reduction="none").mean(-1)
    agree(F.rate_cross_entropy(p * 9, t, from_logits=True), expected)


def test_binomial_likelihood_against_scipy(ferplus):
    preds, _, counts = ferplus
    n = counts.sum(-1)
    agree(F.binomial_log_likelihood(preds, counts, n), scipy.stats.binom.logpmf(counts, n[:, None], preds).mean(-1))


@pytest.mark.parametrize("bins", [1, 7, 30, 100])
def test_calibration_against_numpy_bins_with_ties(bins):
    g = gen(2)
    rates, said = (torch.rand(2_000, 2, generator=g) * 40).round() / 40, torch.rand(2_000, 2, generator=g)
    rates[:1_500] = torch.rand(1_500, 2, generator=g)  # a quarter of the rows tied
    for label in range(2):
        p, t = rates[:, label].double().numpy(), said[:, label].double().numpy()
        edges = np.unique([np.sort(p)[i * len(p) // bins] for i in range(1, bins)])
        where = np.digitize(p, edges)
        gaps = [abs(p[where == b].mean() - t[where == b].mean()) * (where == b).mean() for b in set(where)]
        agree(F.label_calibration_error(rates, said, bins=bins, average="none")[label], sum(gaps))


def test_kl_against_scipy_at_zeros_and_the_smallest_floats():
    p = np.array([[0.5, 0.25, 0.25], [1e-310, 0.5, 0.5], [1e-20, 0.5, 0.5], [0.0, 0.5, 0.5], [1.0, 0.0, 0.0]])
    t = np.array([[0.0, 0.5, 0.5], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    expected = [scipy.special.rel_entr(*rows).sum() for rows in zip(t, p, strict=True)]
    agree(F.kl_divergence(p, t), expected)  # in one block the zero of row 3 decides for all
    agree(torch.cat([F.kl_divergence(p[i : i + 1], t[i : i + 1]) for i in range(len(p))]), expected)
    agree(F.kl_divergence(t[:3], p[:3], reverse=True), expected[:3])


def _by_linear_programme(p, t, cost):
    labels = len(p)
    a = np.zeros((2 * labels, labels * labels))
    for i in range(labels):
        a[i, i * labels : (i + 1) * labels] = 1
        a[labels + i, i::labels] = 1
    exact = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    return scipy.optimize.linprog(cost.ravel(), A_eq=a, b_eq=np.r_[p, t], method="highs", options=exact).fun


def test_transport_against_a_linear_programme(pair):
    p, t = (shares[:30] for shares in pair)
    g, labels = gen(1), p.shape[1]
    places = torch.rand(labels, 2, generator=g, dtype=torch.float64)
    any_cost = torch.rand(labels, labels, generator=g, dtype=torch.float64)
    for cost in (torch.cdist(places, places), any_cost, torch.randint(1, 4, (labels, labels), generator=g).double()):
        theirs = [_by_linear_programme(x.numpy(), y.numpy(), cost.numpy()) for x, y in zip(p, t, strict=True)]
        agree(F.earth_movers_distance(p, t, cost), theirs, atol=1e-9)


def test_transport_on_a_line_against_scipy(pair):
    p, t = (shares[:200] for shares in pair)
    at = torch.rand(p.shape[1], generator=gen(1), dtype=torch.float64)
    theirs = [scipy.stats.wasserstein_distance(at, at, x, y) for x, y in zip(p, t, strict=True)]
    agree(F.earth_movers_distance(p, t, (at[:, None] - at).abs()), theirs)


# The rows of the table in docs/metrics.md: should one of these change, the page is out of date.


def test_torchmetrics_guesses_logits_from_their_range():
    scores, target = torch.tensor([[20.0, 30.0, 40.0, -5.0]]), torch.tensor([[0, 0, 1, 0]])
    assert tm.multilabel_ranking_average_precision(scores, target, 4) == pytest.approx(1 / 3)
    assert F.label_ranking_average_precision(scores, target) == 1


def test_ranking_loss_of_ties_which_torchmetrics_breaks_by_index_even_against_the_right_label():
    scores, target = torch.full((1, 4), 0.5), torch.tensor([[1, 0, 0, 1]])
    assert sk.label_ranking_loss(target, scores) == 1.0
    assert tm.multilabel_ranking_loss(scores, target, 4) == F.ranking_loss(scores, target) == 0.5
    alone = [target[None].int() for target in torch.eye(4)]
    assert [float(F.ranking_loss(scores, target)) for target in alone] == [0.5] * 4
    assert [float(tm.multilabel_ranking_loss(scores, target, 4)) for target in alone] != [0.5] * 4


def test_rows_without_labels_are_right_to_others():
    scores, target = torch.tensor([[0.9, 0.1], [0.9, 0.1]]), torch.tensor([[0, 0], [0, 1]])
    assert sk.label_ranking_average_precision_score(target, scores) == 0.75
    assert tm.multilabel_ranking_average_precision(scores, target, 2) == 0.75
    assert F.label_ranking_average_precision(scores, target).nanmean() == 0.5


def test_torchmetrics_kl_takes_the_target_first_renormalises_and_lets_zero_rows_through():
    preds, target = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.9, 0.1]])
    agree(kl_divergence(target, preds), F.kl_divergence(preds, target), atol=1e-6)
    agree(kl_divergence(preds, target), F.kl_divergence(preds, target, reverse=True), atol=1e-6)
    p, t = torch.tensor([[0.2, 0.2]]), torch.tensor([[0.5, 0.5]])
    assert kl_divergence(t, p) == 0
    assert kl_divergence(torch.zeros(1, 2), t).isnan()
    refused(ValueError, "row 0 sums to 0.4", F.kl_divergence, p, t)


def test_pyldl_intersection_is_only_right_for_normalised_rows_and_its_kl_clips_zeros():
    import pyldl.metrics as ldl

    x, y = np.array([[0.5, 0.2]]), np.array([[0.5, 0.6]])
    assert ldl.intersection(x, y, reduction=None)[0] == pytest.approx(0.8)
    assert np.minimum(x, y).sum() == pytest.approx(0.7)
    q, p = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    assert ldl.kl_divergence(p, q, reduction=None)[0] == pytest.approx(0.5 * 36.04 + np.log(0.5), abs=0.01)
    assert F.kl_divergence(q, p) == np.inf


def test_kl_div_mean_divides_by_labels_too(table):
    with pytest.warns(UserWarning, match="batchmean"):
        theirs = torch.nn.functional.kl_div(table.preds.log(), table.target, reduction="mean")
    agree(theirs * table.preds.shape[1], F.kl_divergence(table.preds, table.target).mean())


def test_nan_passes_torchmetrics_silently_and_scikit_learn_counts_a_label_nobody_chose_as_nothing():
    scores, target = torch.tensor([[0.2, float("nan")]]), torch.tensor([[1, 0]])
    tm.multilabel_ranking_average_precision(scores, target, 2)  # no complaint
    refused(ValueError, "row 0, label 1", F.label_ranking_average_precision, scores, target)
    scores, target = np.array([[0.9, 0.2], [0.1, 0.3]]), np.array([[1, 0], [0, 0]])
    with pytest.warns(UserWarning, match="No positive class"):
        assert sk.average_precision_score(target, scores) == 0.5
    assert F.mean_average_precision(scores, target) == 1
