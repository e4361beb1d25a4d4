"""Each label over the table: precision, recall, specificity, MCC and AUROC, their averages, weights and edges."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics.functional.classification as tm
from hypothesis import given
from hypothesis.extra.numpy import arrays
from torchmetrics import MetricCollection

import affectml_metrics as am
from affectml_metrics import functional as F

from .checks import agree, gen

AVERAGES = ("micro", "macro", "weighted", "none")
CLASSES = (am.LabelF1, am.LabelPrecision, am.LabelRecall, am.LabelSpecificity, am.LabelMCC)


@pytest.fixture
def weights(table):
    return torch.rand(len(table.sets), generator=gen(0), dtype=torch.float64)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("weighted", [False, True])
def test_ratios_against_scikit_learn_and_torchmetrics(table, weights, average, weighted):
    p, t, w = table.sets, table.chosen, weights if weighted else None
    theirs = {"average": None if average == "none" else average, "zero_division": 0, "sample_weight": w}
    agree(F.label_precision(p, t, average=average, weights=w), sk.precision_score(t, p, **theirs))
    agree(F.label_recall(p, t, average=average, weights=w), sk.recall_score(t, p, **theirs))
    agree(F.label_f1(p, t, average=average, weights=w), sk.f1_score(t, p, **theirs))
    by_label = [sk.matthews_corrcoef(t[:, c], p[:, c], sample_weight=w) for c in range(p.shape[1])]
    agree(F.label_mcc(p, t, average="none", weights=w), by_label)
    if not weighted:
        theirs = tm.multilabel_specificity(p.int(), t.int(), num_labels=p.shape[1], average=average)
        agree(F.label_specificity(p, t, average=average), theirs, atol=1e-6)
        if average == "micro":
            theirs = tm.multilabel_matthews_corrcoef(p.int(), t.int(), p.shape[1])
            agree(F.label_mcc(p, t, average=average), theirs, atol=1e-5)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("weighted", [False, True])
def test_auroc_against_scikit_learn_and_torchmetrics(table, weights, average, weighted):
    s, t, w = table.scores, table.chosen, weights if weighted else None
    theirs = {"average": None if average == "none" else average, "sample_weight": w}
    agree(F.label_auroc(s, t, average=average, weights=w), sk.roc_auc_score(t, s, **theirs))
    if not weighted:
        agree(F.label_auroc(s, t, average=average), tm.multilabel_auroc(s, t.int(), s.shape[1], average=average), 1e-6)


def test_degenerate_labels():
    never, always = [[0], [0]], [[1], [1]]
    for metric, preds, target in (
        (F.label_precision, never, [[1], [0]]),
        (F.label_recall, [[1], [0]], never),
        (F.label_specificity, [[1], [0]], always),
        (F.label_mcc, always, [[1], [0]]),
        (F.label_mcc, [[1], [0]], never),
    ):
        assert float(metric(preds, target)) == 0
        assert float(metric(preds, target, zero_division=0.5)) == 0.5
        beside = (np.hstack([rows, [[1], [0]]]) for rows in (preds, target))
        assert float(metric(*beside, zero_division=math.nan)) == 1  # nan leaves the label out
    for target in (never, always):
        assert F.label_auroc([[0.2], [0.1]], target).isnan()
        assert float(F.label_auroc([[0.2], [0.1]], target, no_labels=0.5)) == 0.5
        assert float(F.label_auroc([[0.2, 1], [0.1, 0]], np.hstack([target, [[1], [0]]]))) == 1


def test_what_the_rounding_of_weights_leaves_of_no_row_is_none():
    weights = torch.rand(1000, generator=gen(1), dtype=torch.float64)
    always, some = torch.ones(1000, 1), torch.arange(1000)[:, None] % 2
    assert float(F.label_specificity(some, always, weights=weights, zero_division=0.5)) == 0.5


def test_torchmetrics_gives_a_label_that_is_never_predicted_a_correlation():
    preds, target = torch.zeros(6, 1, dtype=torch.int), torch.tensor([[1], [0], [0], [0], [0], [0]])
    assert float(tm.binary_matthews_corrcoef(preds[:, 0], target[:, 0])) > 0.5
    assert float(F.label_mcc(preds, target)) == sk.matthews_corrcoef(target[:, 0], preds[:, 0]) == 0


def test_mcc_keeps_its_digits_on_many_rows():
    rows, n, hits = 400_000, 40, 27
    target = torch.arange(rows)[:, None] < n
    exact = (rows * hits - n * n) / (n * (rows - n))
    assert float(F.label_mcc(target.roll(n - hits, 0), target)) == pytest.approx(exact, abs=1e-12)


@given(st.data())
def test_what_holds_for_every_table(data):
    rows, labels = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 4))
    p, t = (torch.from_numpy(data.draw(arrays("bool", (rows, labels)))) for _ in range(2))
    s = torch.from_numpy(data.draw(arrays("float64", (rows, labels), elements=st.integers(0, 3).map(float))))
    options = {"average": "none", "zero_division": math.nan}
    # specificity is the recall of the complement, and MCC and AUROC turn round with the prediction
    torch.testing.assert_close(F.label_specificity(p, t, **options), F.label_recall(~p, ~t, **options), equal_nan=True)
    torch.testing.assert_close(F.label_mcc(~p, t, **options), -F.label_mcc(p, t, **options), equal_nan=True)
    area = F.label_auroc(s, t, average="none")
    torch.testing.assert_close(F.label_auroc(-s, t, average="none"), 1 - area, equal_nan=True)
    # of 0/1 scores it is the mean of recall and specificity
    balanced = (F.label_recall(p, t, **options) + F.label_specificity(p, t, **options)) / 2
    torch.testing.assert_close(F.label_auroc(p, t, average="none"), balanced, equal_nan=True)


def test_infinite_scores_keep_their_ties():
    assert float(F.label_auroc([[math.inf], [math.inf], [-math.inf], [-math.inf]], [[1], [0], [1], [0]])) == 0.5


def test_metrics_with_the_same_sums_or_the_same_rankings_keep_them_once(table):
    labels = table.sets.shape[1]
    ratios = {f"{cls.__name__}_{average}": cls(labels, average=average) for cls in CLASSES for average in AVERAGES}
    ranked = {"map": am.MeanAveragePrecision(), "auroc": am.LabelAUROC(average="none"), "top_1": am.TopKAccuracy(1)}
    ranked |= {"top_2": am.TopKAccuracy(2), "top_2_again": am.TopKAccuracy(2)}
    by_ranking = [["auroc", "map"], ["top_1"], ["top_2", "top_2_again"]]
    for metrics, preds, once in ((ratios, table.sets, [sorted(ratios)]), (ranked, table.scores, by_ranking)):
        together = MetricCollection(metrics)
        for part in (slice(0, 1), slice(1, None)):
            together.update(preds[part], table.chosen[part])
        assert sorted(map(sorted, together.compute_groups.values())) == once


def test_other_numbers_of_labels_and_other_options_of_the_input_stay_apart():
    assert set(am.LabelF1(3)._defaults) != set(am.LabelF1(4)._defaults)
    assert set(am.SoftF1(3)._defaults) != set(am.SoftF1(3, from_logits=True)._defaults)
    assert set(am.SoftF1(3)._defaults) == set(am.SoftF1(3, average="none")._defaults)
    assert set(am.EntropyCorrelation()._defaults) == set(am.EntropyCorrelation(method="spearman")._defaults)
    assert set(am.MeanAveragePrecision()._defaults).isdisjoint(am.LabelCalibrationError()._defaults)
