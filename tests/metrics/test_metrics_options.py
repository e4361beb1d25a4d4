"""Options of every metric: labels nobody was asked about, indices as targets, thresholds, and weights of rows."""

import math

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics.functional.classification as tm

import affectml_metrics as am
from affectml_metrics import functional as F

AVERAGES = ("micro", "macro", "weighted", "none")


def same(a, b, atol=1e-12):
    torch.testing.assert_close(a, b, rtol=0, atol=atol, equal_nan=True, check_dtype=False)


@pytest.fixture(scope="module")
def asked(table):
    """Which cells were asked: every pattern of a few, and rows in which nobody was asked anything."""
    g = torch.Generator().manual_seed(11)
    versions = torch.rand(6, table.sets.shape[1], generator=g) < 0.6
    versions[0], versions[1] = True, False
    return versions[torch.randint(6, (len(table.sets),), generator=g)]


def masked(target, asked):
    return torch.where(asked, target.double(), -1.0)


def on_asked(metric, preds, target, asked):
    """Row by row, on the labels that were asked and no others."""
    rows = [
        metric(p[None, there], t[None, there])[0].double() if there.any() else torch.tensor(math.nan).double()
        for p, t, there in zip(preds, target, asked, strict=True)
    ]
    return torch.stack(rows)


def test_by_hand():
    preds, target = [[1, 1, 0], [1, 0, 0], [1, 1, 1]], [[1, -1, 1], [-1, 0, 0], [-1, -1, -1]]
    assert F.set_f1(preds, target)[:2].tolist() == pytest.approx([2 / 3, 1])  # {0} of {0, 2}; {} of {} without label 0
    assert F.hamming_loss(preds, target)[:2].tolist() == [0.5, 0]
    assert F.set_size(target)[:2].tolist() == [2, 0]
    assert F.set_f1(preds, target)[2].isnan()
    # label 1 alone was asked in row 1 of the table below, so it is not outranked by label 0
    assert F.top_k_accuracy([[0.9, 0.5, 0.1]], [[-1, 1, 0]], 1).tolist() == [1]
    assert F.top_k_chance([[-1, 1, 0]], 1).tolist() == [0.5]
    assert F.top_k_recall([[0.9, 0.5, 0.1]], [[-1, 1, 0]], 3).tolist() == [1]  # the top 3 of the two that were asked
    assert F.rate_manhattan([[0.5, 0.2]], [[1.0, -1]]).tolist() == [1]
    # n counts people by label; label 1 was not asked
    same(F.binomial_log_likelihood([[0.5, 0.9]], [[1, -1]], [[2, 7]]).exp(), torch.tensor([0.5]))
    same(F.binomial_log_likelihood([[0.5, 0.9]], [[1, -1]], [2]).exp(), torch.tensor([0.5]))
    # over the table a cell that was not asked does not count for its label
    same(F.label_precision([[1, 1], [1, 1]], [[1, -1], [0, 1]], average="none"), torch.tensor([0.5, 1]))
    same(F.label_specificity([[1, 1], [0, 0]], [[0, -1], [0, 0]], average="none"), torch.tensor([0.5, 1]))
    same(F.soft_f1([[0.5, 0.5]], [[0.5, -1]]), torch.tensor(1))
    same(F.label_auroc([[0.9], [0.5], [0.1]], [[1], [-1], [0]]), torch.tensor(1))
    same(F.label_calibration_error([[0.5], [0.9]], [[0.25], [-1]], bins=1), torch.tensor(0.25))


def test_more_labels_than_bits_of_a_float():
    g = torch.Generator().manual_seed(3)
    preds, target = (torch.rand(8, 70, generator=g) < 0.3 for _ in range(2))
    there = torch.ones(8, 70, dtype=torch.bool)
    there[::2, 0] = there[1::2, 69] = there[3, 1] = False
    same(F.set_f1(preds, masked(target, there)), on_asked(F.set_f1, preds, target, there))


def test_similarities_and_costs_of_labels_go_with_them():
    near = torch.tensor([[1, 0.5, 0.2], [0.5, 1, 0.7], [0.2, 0.7, 1]])
    found = F.semantic_set_f1([[1, 0, 0]], [[-1, 0, 1]], near)
    same(found, F.semantic_set_f1([[0, 0]], [[0, 1]], near[1:, 1:]))
    found = F.semantic_set_f1([[0, 1, 0]], [[-1, 0, 1]], near)
    assert float(found) == pytest.approx(0.7)


@pytest.mark.parametrize("average", AVERAGES)
def test_cells_that_were_not_asked_against_torchmetrics_and_scikit_learn(table, asked, average):
    p, labels = table.sets, table.sets.shape[1]
    t = masked(table.chosen, asked).int()
    options = {"num_labels": labels, "average": average, "ignore_index": -1}
    for ours, theirs in (
        (F.label_precision, tm.multilabel_precision),
        (F.label_recall, tm.multilabel_recall),
        (F.label_specificity, tm.multilabel_specificity),
        (F.label_f1, tm.multilabel_f1_score),
    ):
        same(ours(p, t, average=average), theirs(p.int(), t, **options), 1e-6)
    if average in ("macro", "none", "micro"):
        s = table.scores
        same(F.label_auroc(s, t, average=average), tm.multilabel_auroc(s, t, **options), 1e-6)
        theirs = tm.multilabel_average_precision(s, t, **options)
        same(F.mean_average_precision(s, t, average=average), theirs, 1e-6)
    if average == "none":
        for ours, theirs in ((F.label_auroc, sk.roc_auc_score), (F.mean_average_precision, sk.average_precision_score)):
            expected = [theirs(t[asked[:, c], c], table.scores[asked[:, c], c]) for c in range(labels)]
            same(ours(table.scores, t, average="none"), torch.tensor(expected, dtype=torch.float64), 1e-9)
        expected = [sk.matthews_corrcoef(t[asked[:, c], c], p[asked[:, c], c]) for c in range(labels)]
        same(F.label_mcc(p, t, average="none"), torch.tensor(expected, dtype=torch.float64), 1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_floats_keep_the_mask(table, asked, dtype):
    p, t = table.rates.to(dtype), masked(table.shares, asked).to(dtype)
    for metric in (F.rate_brier_score, F.rate_js_divergence):
        same(metric(p, t), metric(p.double(), t.double()), 1e-6)
    same(F.soft_f1(p, t), F.soft_f1(p.double(), t.double()), 1e-9)
    chosen = masked(table.chosen, asked).to(dtype)
    same(F.set_f1(table.sets.to(dtype), chosen), F.set_f1(table.sets, chosen.int()))


def test_errors_beside_a_mask_name_the_row_of_the_table():
    target = [[1, 0, 1], [1, -1, 0], [0, -1, 1]]
    with pytest.raises(am.DomainError, match="preds: expected 0 or 1 .* received 0.5 in row 2, label 0"):
        F.set_f1([[1, 0, 1], [1, 0, 0], [0.5, 0, 1]], target)
    with pytest.raises(am.DomainError, match="target: expected 0 or 1 .* received 2 in row 2, label 2"):
        F.set_f1([[1, 0, 1]] * 3, [*target[:2], [0, -1, 2]])
    with pytest.raises(am.DomainError, match="target: expected a rate .* received -0.5"):
        F.rate_brier_score([[0.5, 0.5]], [[-0.5, -1]])
    with pytest.raises(am.ArgumentError, match="k: expected a whole number, 1 to 3, but received 4"):
        F.top_k_recall([[1, 0, 1]] * 3, target, 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int32, np.int64])
def test_indices_come_in_every_integer_dtype(dtype):
    np.testing.assert_array_equal(F.top_k_accuracy([[0.2, 0.8], [0.2, 0.8]], np.array([1, 0], dtype)), [1, 0])
    many_labels = np.eye(1, 300, 100)
    np.testing.assert_array_equal(F.top_k_accuracy(many_labels, np.array([100], dtype)), [1])


def test_255_in_unsigned_bytes_is_no_label_nobody_was_asked_about():
    with pytest.raises(am.DomainError, match="expected 0 or 1 in every cell, but received 255"):
        F.set_f1([[1, 1]], np.array([[255, 1]], np.uint8))
    chosen = F.top_k_accuracy(np.eye(1, 300, 255), np.array([255], np.uint8))
    np.testing.assert_array_equal(chosen, [1])


def test_indices_against_scikit_learn(table):
    index = torch.arange(len(table.sets)) % table.sets.shape[1]
    expected = sk.top_k_accuracy_score(index, table.preds, k=2, labels=range(table.sets.shape[1]))
    assert float(F.top_k_accuracy(table.preds, index, 2).mean()) == pytest.approx(expected)
    assert float(F.cross_entropy(table.preds, index).mean()) == pytest.approx(sk.log_loss(index, table.preds))


def test_an_index_of_minus_one_is_a_row_that_nobody_was_asked_about():
    metric = am.TopKAccuracy(1)
    metric.update([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]], [0, 0, -1])
    assert (float(metric.compute()), metric.rows, metric.skipped) == (0.5, 2, 1)
    chance = am.TopKChance(1)
    chance.update([[0.9, 0.1], [0.2, 0.8]], [0, -1])
    assert (float(chance.compute()), chance.skipped) == (0.5, 1)


def test_indices_that_are_none_are_refused():
    with pytest.raises(am.DomainError, match="expected indices of labels, 0 to 1 .* received 2 in row 1"):
        F.set_f1([[1, 0], [0, 1]], [0, 2])
    with pytest.raises(am.ShapeError, match=r"target: expected \[N, C\]"):
        F.set_f1([[1, 0], [0, 1]], [0.0, 1.0])  # not whole numbers
    with pytest.raises(am.ShapeError, match=r"target: expected \[N, C\]"):
        F.rate_brier_score([[1, 0], [0, 1]], [0, 1])  # a single label says nothing of the rates of the others


def test_thresholds_against_torchmetrics(table):
    labels = table.sets.shape[1]
    for threshold in (0.2, 0.5):
        theirs = tm.multilabel_precision(table.rates, table.chosen.int(), labels, threshold=threshold)
        same(F.label_precision(table.rates, table.chosen, threshold=threshold), theirs, 1e-6)
        made = am.LabelPrecision(labels, threshold=threshold)
        made.update(table.rates, table.chosen)
        same(made.compute(), theirs, 1e-6)
    assert F.set_f1([[0.5, 0.4]], [[1, 0]], threshold=0.5).tolist() == [1]  # at the threshold a label is in
    assert F.set_f1(torch.tensor([[0.5, 0.4]]).half(), [[1, 0]], threshold=0.5).tolist() == [1]
    assert set(am.LabelF1(3, threshold=0.5)._defaults).isdisjoint(am.LabelF1(3)._defaults)
    with pytest.raises(am.ArgumentError, match="threshold"):
        am.LabelF1(3, threshold=2)
    with pytest.raises(am.ArgumentError, match="threshold"):
        am.SetF1(threshold=2)


def test_weighted_means_against_numpy(table):
    w = torch.rand(len(table.sets), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    metric = am.RankingLoss()
    metric.update(table.scores, table.chosen, weights=w)
    rows = F.ranking_loss(table.scores, table.chosen)
    there = ~rows.isnan()
    assert float(metric.compute()) == pytest.approx(np.average(rows[there], weights=w[there]), abs=1e-12)
    assert (metric.rows, metric.skipped) == (int(there.sum()), int((~there).sum()))
    infinite = am.KLDivergence()
    infinite.update([[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.5, 0.5]], weights=[0, 1])
    assert float(infinite.compute()) == 0  # a row that weighs nothing adds nothing


def test_score_takes_them_all(table, asked):
    def make(preds, target, kind, **more):
        g = torch.Generator().manual_seed(0)
        return am.score(preds, target, kind, generator=g, replicates=5, k=(1,), **more).set_index("metric")

    found = make(table.rates, masked(table.chosen, asked), "sets", threshold=0.4)
    rows = F.set_f1(table.rates >= 0.4, masked(table.chosen, asked))
    assert found.loc["set_f1", "value"] == pytest.approx(float(rows.nanmean()))
    assert found.loc["set_f1", "skipped"] == int((~asked.any(-1)).sum())
    for name, metric in (("label_specificity_macro", F.label_specificity), ("label_f1_macro", F.label_f1)):
        expected = metric(table.rates >= 0.4, masked(table.chosen, asked))
        assert found.loc[name, "value"] == pytest.approx(float(expected))
    found = make(table.rates, masked(table.shares, asked), "rates")
    assert found.loc["soft_f1_micro", "value"] == pytest.approx(
        float(F.soft_f1(table.rates, masked(table.shares, asked)))
    )
    expected = F.squared_calibration_error(table.rates, masked(table.shares, asked))
    row = found.loc["squared_calibration_error"]
    assert row["value"] == pytest.approx(float(expected))
    assert row["low"] <= row["value"] <= row["high"]
    index = torch.arange(len(table.sets)) % table.sets.shape[1]
    found = make(table.scores, index, "ranking")
    assert found.loc["top_1_accuracy", "value"] == pytest.approx(float(F.top_k_accuracy(table.scores, index).mean()))
    with pytest.raises(am.ArgumentError, match="threshold: expected None for kind='rates'"):
        make(table.rates, table.shares, "rates", threshold=0.4)


def test_answers_of_minus_one_on_a_scale_are_answers():
    g = torch.Generator().manual_seed(0)
    found = am.score([[-1, 1]], [[-1, -1]], "perspectives", scale=2, generator=g, replicates=2).set_index("metric")
    assert found.loc["normalised_absolute_distance", "value"] == 0.5
