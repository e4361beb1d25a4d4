"""ICM and ICM-Soft against PyEvALL, and who agrees with whom; what holds for every metric is in test_metrics_facts."""

import math
import runpy
from pathlib import Path
from statistics import correlation

import numpy as np
import pytest
import torch

import affectml_metrics as am
from affectml_metrics import functional as F

table = runpy.run_path(str(Path(__file__).with_name("pyevall_figures.py")))["table"]
OF_PYEVALL = {  # 0.2.11: pyevall_figures.py
    "ICMSoft": 4.358100139467356,
    "ICMSoftNorm": 0.6671500263108129,
    "ICM": 1.9553016011363438,
    "ICMNorm": 0.755348917250126,
}


def test_ten_thousand_rows_have_the_figures_of_pyevall():
    preds, target, guessed, sets = table()
    assert ((np.maximum(preds, target) - target.mean(0)) / abs(target - target.mean(0)).mean(0)).max() < 5
    found = {
        "ICM": F.icm(guessed, sets),
        "ICMNorm": F.icm(guessed, sets, normalised=True),
        "ICMSoft": F.icm_soft(preds, target),
        "ICMSoftNorm": F.icm_soft(preds, target, normalised=True),
    }
    assert {name: float(value) for name, value in found.items()} == pytest.approx(OF_PYEVALL, abs=1e-9)


def test_a_rare_label_found_counts_more_than_a_common_one_and_what_all_have_counts_nothing():
    right = torch.tensor([[1, 1, 1], [1, 0, 1], [1, 0, 0], [1, 0, 0]])
    assert F.icm(right, right, average="none").tolist() == [0, 2 / 4, 2 * 1 / 4]
    assert float(F.icm(torch.zeros_like(right), right)) == -1  # each label missed is once against it
    assert float(F.icm(torch.zeros_like(right), right, normalised=True)) == 0
    assert float(F.icm(right, right, normalised=True)) == 1


def test_it_is_best_to_name_what_is_right_with_a_chance_above_a_third():
    for share, named in ((0.3, False), (0.4, True)):
        right = torch.arange(10)[:, None] < 10 * share
        every, none = (F.icm(torch.full_like(right, all_rows), right) for all_rows in (True, False))
        assert (every > none) == named


def test_a_label_that_nobody_chose_counts_as_if_one_had():
    right = torch.tensor([[1, 0], [0, 0], [0, 0], [0, 0]])
    assert F.icm([[1, 1], [0, 1], [0, 0], [0, 0]], right, average="none").tolist() == [2 / 4, -2 * 2 / 4]
    # of shares: log2 4 bits on two rows
    shares = torch.tensor([[0.5, 0.1], [0.0, 0.2], [0.0, 0.0], [0.0, 0.0]])
    assert float(F.icm_soft(shares, shares * torch.tensor([1, 0]), average="none")[1]) == pytest.approx(-2 * 2 / 4)


def test_a_label_nobody_was_asked_about_has_no_say():
    assert float(F.icm([[1, 1], [0, 1]], [[1, -1], [0, -1]])) == 1 / 2
    assert F.icm([[1, 1], [0, 1]], [[1, -1], [0, -1]], average="none")[1].isnan()
    shares = torch.tensor([[0.5], [0.1]])
    beside = torch.cat([shares, -torch.ones(2, 1)], dim=1)
    assert F.icm_soft(torch.ones(2, 2) / 2, beside) == F.icm_soft(torch.ones(2, 1) / 2, shares)


def test_where_no_answer_says_anything_there_is_no_normalised_figure():
    for target in ([[1, 0], [1, 0]], [[0, 0], [0, 0]]):
        assert F.icm([[1, 1], [0, 0]], target, normalised=True).isnan()
        assert F.icm_soft([[0.5, 0.1], [0, 0]], target, normalised=True).isnan()
    some = F.icm([[1, 1], [0, 1]], [[1, 1], [1, 0]], normalised=True, average="none")
    assert some[0].isnan()
    assert some[1] == 0.5  # once for it, once against it


def test_equal_shares_say_nothing_up_to_them_and_log_n_above():
    target = torch.full((8, 1), 0.1, dtype=torch.float64)
    found = [float(F.icm_soft(torch.full_like(target, share), target)) for share in (0.05, 0.1, 0.2)]
    assert found == pytest.approx([0, 0, -math.log2(8)], abs=1e-9)


def bits_above(deviations):
    return -math.log2(math.erfc(deviations / math.sqrt(2)) / 2)


def test_a_share_far_above_the_mean_keeps_its_digits_until_its_chance_is_lost():
    target = torch.tensor([[0.0], [0.25]] * 8, dtype=torch.float64)  # mean and deviation 1/8
    for share in (0.5, 0.875, 1.0):  # half of the rows (0 - bits), the others (2 bits above 1 - bits)
        expected = bits_above(1) - bits_above(share * 8 - 1)
        assert float(F.icm_soft(torch.full_like(target, share), target)) == pytest.approx(expected, rel=1e-12)
    assert float(F.icm_soft(torch.ones_like(target), target / 2)) == pytest.approx(bits_above(1) - 4)  # 15: log2 of 16


def pairs(answers, asked):
    """The share of common rows on which each two people said the same, by loops."""
    found = {}
    for a in range(answers.shape[1]):
        for b in range(a):
            both = [row for row in range(len(answers)) if asked[row, a] and asked[row, b]]
            if both:
                found[a, b] = sum(answers[row, a] == answers[row, b] for row in both) / len(both)
    return found


def test_who_agrees_with_whom_is_the_correlation_over_pairs_that_met():
    g = np.random.default_rng(5)
    said, preds = g.integers(0, 3, (60, 7)), g.integers(0, 3, (60, 7))
    preds = np.where(g.random((60, 7)) < 0.5, said, preds)
    asked = g.random((60, 7)) < 0.5
    asked[:, 0] = False
    asked[:5, 0], asked[:5, 1:4] = True, False  # the first person met three of the others
    real, predicted = pairs(said, asked), pairs(preds, asked)
    assert len(real) == 7 * 6 / 2 - 3
    expected = correlation(list(predicted.values()), list(real.values()))
    assert float(F.agreement_correlation(preds, said, asked)) == pytest.approx(expected, abs=1e-12)
    metric = am.AgreementCorrelation()
    for part in (slice(0, 20), slice(20, 60)):
        metric.update(preds[part], said[part], asked[part])
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-12)


def test_two_camps_are_seen_whatever_they_say_and_their_absence_too():
    camps = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]])
    assert float(F.agreement_correlation(5 - camps, camps)) == pytest.approx(1)  # all wrong, agreeing alike
    assert float(F.agreement_correlation(camps[:, [0, 2, 1, 3]], camps)) == pytest.approx(-0.5)
    assert F.agreement_correlation(torch.zeros(3, 4), camps).isnan()  # predicted people who all agree
    assert F.agreement_correlation([[1, 1], [0, 1]], [[1, 1], [0, 1]]).isnan()  # one pair
    assert F.agreement_correlation([[1], [0]], [[1], [0]]).isnan()  # nobody to agree with
