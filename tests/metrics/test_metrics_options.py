"""Options of every metric: labels nobody was asked about, indices as targets, thresholds, and weights of rows."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics.functional.classification as tm
from hypothesis import given
from hypothesis.extra.numpy import arrays

import affectml_metrics as am
from affectml_metrics import functional as F

SETS = (F.set_f1, F.set_precision, F.set_recall, F.set_jaccard, F.exact_match, F.hamming_loss)
RANKINGS = (
    F.top_k_accuracy,
    F.top_k_recall,
    F.top_k_precision,
    F.label_ranking_average_precision,
    F.coverage_error,
    F.ranking_loss,
    F.one_error,
    F.ndcg,
    F.human_mass_at_k,
)
RATES = (F.rate_cross_entropy, F.rate_brier_score, F.rate_manhattan, F.rate_js_divergence, F.rate_po_jsd)
TABLE = (F.label_f1, F.label_precision, F.label_recall, F.label_specificity, F.label_mcc)
AVERAGES = ("micro", "macro", "weighted", "none")


def named(function):
    return function.__name__


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


@pytest.mark.parametrize("metric", SETS + RANKINGS + RATES, ids=named)
def test_a_row_is_scored_on_the_labels_that_were_asked(table, asked, metric):
    some = slice(0, 60)
    preds = table.sets if metric in SETS else table.scores if metric in RANKINGS else table.rates
    target = table.shares if metric in RATES else table.chosen
    p, t, there = preds[some], target[some], asked[some]
    same(metric(p, masked(t, there)), on_asked(metric, p, t, there))
    with am.unchecked():
        same(metric(p, masked(t, there)), on_asked(metric, p, t, there))


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


def test_calibration_and_soft_f1_by_label_take_the_rows_that_were_asked(table, asked):
    target = masked(table.shares, asked)
    for metric in (F.label_calibration_error, F.squared_calibration_error, F.soft_f1):
        expected = torch.stack(
            [
                metric(table.rates[asked[:, c], c : c + 1], table.shares[asked[:, c], c : c + 1], average="none")[0]
                for c in range(target.shape[1])
            ]
        )
        same(metric(table.rates, target, average="none"), expected)


@given(st.data())
def test_what_is_predicted_where_nobody_was_asked_changes_nothing(data):
    rows, labels = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    there, t, p, q = (torch.from_numpy(data.draw(arrays("bool", (rows, labels)))) for _ in range(4))
    target, other = masked(t, there), torch.where(there, p, q)
    for metric in (F.set_f1, F.hamming_loss, F.ranking_loss, F.label_ranking_average_precision, F.rate_brier_score):
        same(metric(p.double(), target), metric(other.double(), target))
        assert (metric(p.double(), target).isnan() >= ~there.any(-1)).all()
    for metric in (*TABLE, F.soft_f1, F.label_auroc, F.mean_average_precision):
        same(metric(p.double(), target, average="none"), metric(other.double(), target, average="none"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_narrow_floats_keep_the_mask(table, asked, dtype):
    p, t = table.rates.to(dtype), masked(table.shares, asked).to(dtype)
    for metric in (F.rate_brier_score, F.rate_js_divergence):
        same(metric(p, t), metric(p.double(), t.double()), 1e-6)
    same(F.soft_f1(p, t), F.soft_f1(p.double(), t.double()), 1e-9)
    chosen = masked(table.chosen, asked).to(dtype)
    same(F.set_f1(table.sets.to(dtype), chosen), F.set_f1(table.sets, chosen.int()))


def test_a_distribution_has_no_label_that_was_not_asked():
    for metric in (F.kl_divergence, F.total_variation, F.entropy_correlation, F.po_jsd):
        with pytest.raises(am.DomainError, match="received -1 in row 0, label 1; the shares of a distribution answer"):
            metric([[0.5, 0.5]], [[1.0, -1.0]])


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


INDEXED = (*SETS, *RANKINGS, *TABLE, F.kl_divergence, F.brier_score, F.entropy_error, F.po_jsd, F.label_auroc)


@pytest.mark.parametrize("metric", INDEXED, ids=named)
def test_indices_of_single_labels_are_the_sets_of_one_label(table, metric):
    index = torch.arange(len(table.sets)) % table.sets.shape[1]
    one = torch.nn.functional.one_hot(index, table.sets.shape[1])
    preds = (
        table.sets if metric in SETS + TABLE else table.scores if metric in (*RANKINGS, F.label_auroc) else table.preds
    )
    same(metric(preds, index), metric(preds, one))
    same(metric(preds, index.to(torch.int8).numpy()), metric(preds, one))


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


@pytest.mark.parametrize("metric", [*SETS, *TABLE], ids=named)
def test_a_threshold_makes_sets_of_rates(table, metric):
    same(metric(table.rates, table.chosen, threshold=0.3), metric(table.rates >= 0.3, table.chosen))
    with pytest.raises(am.DomainError, match="preds: expected 0 or 1 .*threshold="):
        metric(table.rates, table.chosen)
    for wrong in (1.5, "half", True, math.nan):
        with pytest.raises(am.ArgumentError, match="threshold: expected a number from 0 to 1"):
            metric(table.rates, table.chosen, threshold=wrong)
    with pytest.raises(am.DomainError, match="preds: expected a rate"):
        metric(table.rates * 2, table.chosen, threshold=0.3)


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


MADE = (
    lambda labels: am.SetF1(),
    lambda labels: am.LabelF1(labels),
    lambda labels: am.LabelMCC(labels, average="none"),
    lambda labels: am.RankingLoss(),
    lambda labels: am.TopKChance(2),
    lambda labels: am.MeanAveragePrecision(),
    lambda labels: am.LabelAUROC(),
    lambda labels: am.KLDivergence(),
    lambda labels: am.EntropyCorrelation(),
    lambda labels: am.RateBrierScore(),
    lambda labels: am.SoftF1(labels),
    lambda labels: am.LabelCalibrationError(bins=1),  # edges are of the rows, not of the weights
    lambda labels: am.ErrorRate(),
)


@pytest.mark.parametrize("make", MADE, ids=lambda make: type(make(3)).__name__)
def test_a_row_of_weight_two_counts_as_two_rows(table, make):
    labels = table.sets.shape[1]
    metric, again = make(labels), make(labels)
    name = type(metric).__name__
    soft = name.startswith(("KL", "Entropy"))
    rates = name.startswith(("Rate", "Soft", "LabelCal"))
    preds = (
        table.preds
        if soft
        else table.rates
        if rates
        else table.sets
        if name.startswith(("Set", "LabelF", "LabelM", "Err"))
        else table.scores
    )
    target = table.target if soft else table.shares if rates else table.chosen
    w = torch.arange(len(preds)) % 4
    rows = torch.repeat_interleave(torch.arange(len(preds)), w)
    for part in (slice(0, 100), slice(100, None)):
        metric.update(preds[part], target[part], weights=w[part])
    again.update(preds[rows], target[rows])
    same(metric.compute(), again.compute(), 1e-9)
    with pytest.raises(am.ShapeError, match="weights: expected"):
        metric.update(preds, target, weights=w[:5])
    with pytest.raises(am.DomainError, match="weights: expected finite numbers of 0 or more"):
        metric.update(preds, target, weights=w - 1)


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
