"""Options of every metric: labels nobody was asked about, indices as targets, thresholds, and weights of rows."""

import numpy as np
import pytest
import torch

import affectml_metrics as am
from affectml_metrics import functional as F

from .checks import gen, refused, same


@pytest.fixture(scope="module")
def asked(table):
    """Which cells were asked: every pattern of a few, and rows in which nobody was asked anything."""
    g = gen(11)
    versions = torch.rand(6, table.sets.shape[1], generator=g) < 0.6
    versions[0], versions[1] = True, False
    return versions[torch.randint(6, (len(table.sets),), generator=g)]


def masked(target, asked):
    return torch.where(asked, target.double(), -1.0)


def test_people_asked_are_counted_by_label():
    for n in ([[2, 7]], [2]):
        same(F.binomial_log_likelihood([[0.5, 0.9]], [[1, -1]], n).exp(), torch.tensor([0.5]))


def test_more_labels_than_bits_of_a_float():
    g = gen(3)
    preds, target = (torch.rand(8, 70, generator=g) < 0.3 for _ in range(2))
    there = torch.ones(8, 70, dtype=torch.bool)
    there[::2, 0] = there[1::2, 69] = there[3, 1] = False
    alone = [F.set_f1(p[None, some], t[None, some]) for p, t, some in zip(preds, target, there, strict=True)]
    same(F.set_f1(preds, masked(target, there)), torch.cat(alone))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_floats_keep_the_mask(table, asked, dtype):
    p, t = table.rates.to(dtype), masked(table.shares, asked).to(dtype)
    for metric in (F.rate_brier_score, F.rate_js_divergence):
        same(metric(p, t), metric(p.double(), t.double()), 1e-6)
    same(F.soft_f1(p, t), F.soft_f1(p.double(), t.double()), 1e-9)
    chosen = masked(table.chosen, asked).to(dtype)
    same(F.set_f1(table.sets.to(dtype), chosen), F.set_f1(table.sets, chosen.int()))


def test_errors_beside_a_mask_name_the_row_of_the_table():
    sets, target = [[1, 0, 1]] * 3, [[1, 0, 1], [1, -1, 0], [0, -1, 1]]
    for error, says, metric, *given in (
        (am.DomainError, "preds: .* 0 or 1 .* 0.5 in row 2, label 0", F.set_f1, [*sets[:2], [0.5, 0, 1]], target),
        (am.DomainError, "target: .* 0 or 1 .* 2 in row 2, label 2", F.set_f1, sets, [*target[:2], [0, -1, 2]]),
        (am.DomainError, "target: .* a rate .* -0.5", F.rate_brier_score, [[0.5, 0.5]], [[-0.5, -1]]),
        (am.ArgumentError, "k: expected a whole number, 1 to 3, but received 4", F.top_k_recall, sets, target, 4),
    ):
        refused(error, says, metric, *given)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int32, np.int64])
def test_indices_come_in_every_integer_dtype(dtype):
    np.testing.assert_array_equal(F.top_k_accuracy([[0.2, 0.8], [0.2, 0.8]], np.array([1, 0], dtype)), [1, 0])
    np.testing.assert_array_equal(F.top_k_accuracy(np.eye(1, 300, 100), np.array([100], dtype)), [1])


def test_255_in_unsigned_bytes_is_no_label_nobody_was_asked_about():
    says = "expected 0 or 1 in every cell, but received 255"
    refused(am.DomainError, says, F.set_f1, [[1, 1]], np.array([[255, 1]], np.uint8))
    np.testing.assert_array_equal(F.top_k_accuracy(np.eye(1, 300, 255), np.array([255], np.uint8)), [1])


def test_an_index_of_minus_one_is_a_row_that_nobody_was_asked_about():
    metric = am.TopKAccuracy(1)
    metric.update([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]], [0, 0, -1])
    assert (float(metric.compute()), metric.rows, metric.skipped) == (0.5, 2, 1)
    chance = am.TopKChance(1)
    chance.update([[0.9, 0.1], [0.2, 0.8]], [0, -1])
    assert (float(chance.compute()), chance.skipped) == (0.5, 1)


@pytest.mark.parametrize("k", [1, 3])
def test_top_k_metrics_take_shares_of_which_the_most_chosen_labels_are_right(table, asked, k):
    scores, votes = table.scores, (table.shares * 4).round()  # with ties, and a row that nobody chose anything in
    votes[0] = 0
    right, metrics = F.modes(votes), (F.top_k_accuracy, F.top_k_recall, F.top_k_precision)
    for target in (votes, votes.int(), votes / 4):
        for metric in metrics:
            same(metric(scores, target, k), metric(scores, right, k))
        same(F.top_k_chance(target, k), F.top_k_chance(right, k))
        same(F.one_error(scores, target), F.one_error(scores, right))
        with am.unchecked():
            same(F.top_k_recall(scores, target, k), F.top_k_recall(scores, right, k))
    of_asked = masked(F.modes(votes.masked_fill(~asked, 0)), asked)
    same(F.top_k_accuracy(scores, masked(votes, asked)), F.top_k_accuracy(scores, of_asked))
    chance = am.TopKChance(k)
    chance.update(scores, votes)
    same(chance.compute(), F.top_k_chance(right, k).nanmean())


def test_indices_that_are_none_are_refused():
    two, says = [[1, 0], [0, 1]], r"target: expected \[N, C\]"
    refused(am.DomainError, "expected indices of labels, 0 to 1 .* received 2 in row 1", F.set_f1, two, [0, 2])
    refused(am.ShapeError, says, F.set_f1, two, [0.0, 1.0])  # not whole numbers
    refused(am.ShapeError, says, F.rate_brier_score, two, [0, 1])  # a single label says nothing of the others' rates


def test_at_the_threshold_a_label_is_in():
    assert F.set_f1([[0.5, 0.4]], [[1, 0]], threshold=0.5).tolist() == [1]
    assert F.set_f1(torch.tensor([[0.5, 0.4]]).half(), [[1, 0]], threshold=0.5).tolist() == [1]
    assert set(am.LabelF1(3, threshold=0.5)._defaults).isdisjoint(am.LabelF1(3)._defaults)


def test_weighted_means_against_numpy(table):
    w, metric, infinite = torch.rand(400, generator=gen(2), dtype=torch.float64), am.RankingLoss(), am.KLDivergence()
    metric.update(table.scores, table.chosen, weights=w)
    rows = F.ranking_loss(table.scores, table.chosen)
    there = ~rows.isnan()
    assert float(metric.compute()) == pytest.approx(np.average(rows[there], weights=w[there]), abs=1e-12)
    assert (metric.rows, metric.skipped) == (int(there.sum()), int((~there).sum()))
    infinite.update([[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]], weights=[0, 1])
    assert float(infinite.compute()) == 0  # a row that weighs nothing adds nothing


def test_score_takes_them_all(table, asked):
    chosen, shares, sets = masked(table.chosen, asked), masked(table.shares, asked), table.rates >= 0.4
    index = torch.arange(len(table.sets)) % table.sets.shape[1]
    of_sets = {"set_f1": F.set_f1(sets, chosen), "label_specificity_macro": F.label_specificity(sets, chosen)}
    soft = {"soft_f1_micro": F.soft_f1, "squared_calibration_error": F.squared_calibration_error}
    for kind, preds, target, options, expected in (
        ("sets", table.rates, chosen, {"threshold": 0.4}, of_sets),
        ("rates", table.rates, shares, {}, {name: metric(table.rates, shares) for name, metric in soft.items()}),
        ("ranking", table.scores, index, {}, {"top_1_accuracy": F.top_k_accuracy(table.scores, index)}),
    ):
        found = am.score(preds, target, kind, **options).set_index("metric")
        for name, values in expected.items():
            assert found.loc[name, "value"] == pytest.approx(float(values.nanmean()))
            assert found.loc[name, "low"] <= found.loc[name, "value"] <= found.loc[name, "high"]
            assert found.loc[name, "skipped"] == int(values.isnan().sum())
    refused(am.ArgumentError, "threshold: expected None for kind='rates'", am.score, sets, sets, "rates", threshold=0.4)


def test_answers_of_minus_one_on_a_scale_are_answers():
    found = am.score([[-1, 1]], [[-1, -1]], "perspectives", scale=2).set_index("metric")
    assert found.loc["normalised_absolute_distance", "value"] == 0.5
