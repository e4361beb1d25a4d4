"""Every wrong input is one clear error: which matrix, which row and label, what was expected, and the way out."""

import math
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

import affectml_metrics as am
from affectml_metrics import functional as F

from .checks import refused

GOOD = [[0.5, 0.5], [1.0, 0.0]]


EMD, MEAN, TWO_WAY = F.earth_movers_distance, am.mean_interval, am.two_way_interval
VOTES, NO_PLACE = partial(F.binomial_log_likelihood, [[0.5, 0.5]]), torch.tensor([[0, 1], [math.nan, 0]])
RAGGED = "preds: expected rows of one length, but received 1 values in row 1 and 2 in row 0"
FLOOR = partial(am.sampling_floor, [[0.5, 0.5]], metric=F.total_variation, generator=torch.Generator())
UNSCALED, MATRICES = partial(F.normalised_absolute_distance, scale=0), (am.SemanticSetF1, am.EarthMoversDistance)
REFUSED = [
    (am.DomainError, "preds: expected numbers, .* 'joy' in row 0, label 0", F.set_f1, [["joy"]], [["joy"]]),
    (am.DomainError, "preds: expected numbers, .* None in row 1, label 0", F.set_f1, [[1, 0], [None, 1]], GOOD),
    (am.DomainError, "preds: expected numbers, but received an array of dtype object", F.set_f1, None, [[1, 0]]),
    (am.ShapeError, RAGGED, F.set_f1, [[1, 0], [1]], [[1, 0], [1, 0]]),
    (am.DomainError, "no place needs an explicit cost", EMD, GOOD, GOOD, NO_PLACE),
    (am.ShapeError, r"expected \[2, 2\]", EMD, GOOD, GOOD, torch.zeros(3, 3)),
    (am.DomainError, "costs of 0 or more", EMD, GOOD, GOOD, [[0, -1], [1, 0]]),
    (am.DomainError, "-1 in row 0, label 1", F.modes, [[3, -1]]),
    (am.ArgumentError, "generator", partial(F.modes, ties="random"), [[3, 3]]),
    (am.MetricInputError, "3 votes of 2 in row 0, label 0", VOTES, [[3, 0]], [2]),
    (am.MetricInputError, "0.5 votes of 2", VOTES, [[0.5, 0]], [2]),
    (am.MetricInputError, r"n: expected \[1\] or \[1, 2\]", VOTES, [[1, 0]], [2, 2]),
    (am.MetricInputError, r"preds: expected \[N, A\]", F.error_rate, [1, 0], [1, 0]),
    (am.MetricInputError, "expected one shape", F.error_rate, [[1, 0]], [[1, 0, 1]]),
    (am.MetricInputError, r"asked: expected \[1, 2\]", F.error_rate, [[1, 0]], [[1, 0]], [[1]]),
    (am.MetricInputError, "asked: expected 0 or 1", F.error_rate, [[1, 0]], [[1, 0]], [[1, 2]]),
    (am.MetricInputError, "preds: expected a finite .* row 0, person 1", F.error_rate, [[1, math.nan]], [[1, 0]]),
    (am.MetricInputError, "scale: expected a number above 0", UNSCALED, [[1]], [[1]]),
    (am.MetricInputError, "scale: expected", am.NormalisedAbsoluteDistance, math.nan),
    (am.ArgumentError, "expected", am.NormalisedAbsoluteDistance, True),
    (am.ArgumentError, "expected", am.LabelF1, 0),
    (am.ArgumentError, "expected", partial(am.RankingLoss, tie_cost=math.nan)),
    *((am.ShapeError, r"expected \[C, C\]", cls, torch.zeros(2, 3)) for cls in MATRICES),
    *((am.DomainError, "expected", cls, torch.tensor([[0.0, -1.0], [1.0, 0.0]])) for cls in MATRICES),
    (am.MetricInputError, "at least 1 person", FLOOR, 0),
    (am.MetricInputError, "whole numbers of people, but received 5.9", FLOOR, 5.9),
    (am.MetricInputError, "expected one number or", FLOOR, [1, 2, 3]),
    (am.MetricInputError, "expected one number", FLOOR, [[1]]),
    (am.ShapeError, "a and b: expected rows of", am.paired_difference, [1.0], [1.0, 2.0]),
    (am.ShapeError, r"rows: expected \[N\] or", MEAN, torch.zeros(2, 2, 2)),
    (am.ArgumentError, "level: expected a number between 0 and", partial(MEAN, level=95), [1.0]),
    (am.ShapeError, r"groups: expected \[2\]", partial(MEAN, groups=[1]), [1.0, 2.0]),
    (am.ArgumentError, "n: expected a whole number", am.table_interval, torch.sum, 0),
    (am.ShapeError, r"columns: expected \[N, M\]", am.sums_interval, [1.0], torch.sum),
    (am.ShapeError, r"values: expected \[A\] or \[A, M\]", TWO_WAY, torch.zeros(1, 1, 1), [0], [0]),
    (am.ShapeError, r"people: expected \[2\]", TWO_WAY, [1.0, 2.0], [0], [0, 1]),
    (am.ShapeError, r"images: expected \[2\]", TWO_WAY, [1.0, 2.0], [0, 1], [0]),
    (am.ShapeError, r"weights: expected \[1\]", partial(TWO_WAY, weights=[1, 1]), [1.0], [0], [0]),
    (am.DomainError, "weights: .* -1 in row 1", partial(TWO_WAY, weights=[1, -1]), [1.0, 2], [0, 1], [0, 1]),
]


@pytest.mark.parametrize("call", REFUSED)
def test_what_is_wrong_is_named_with_its_place(call):
    refused(*call)


@pytest.mark.parametrize("k", [0, 3, 1.0, True])
def test_k_is_a_number_of_labels(k):
    for metric in (F.top_k_accuracy, F.top_k_recall, F.top_k_precision, F.human_mass_at_k, F.ndcg):
        refused(am.ArgumentError, "k: expected a whole number, 1 to 2", metric, [[1, 0]], [[1, 0]], k=k)


def test_every_error_is_a_value_error_of_one_tree():
    for error in (am.ShapeError, am.DomainError, am.ArgumentError):
        assert issubclass(error, am.MetricInputError)
        assert issubclass(error, ValueError)


def test_arrays_lists_frames_and_read_only_memory_are_taken():
    frame = pd.DataFrame({"joy": [1, 0], "fear": [0, 1]})
    frozen = np.array([[1, 0], [0, 1]])
    frozen.setflags(write=False)
    for preds in (frame, frozen, frozen[::-1][::-1], frozen.tolist(), torch.from_numpy(frozen.copy())):
        assert F.set_f1(preds, frozen).tolist() == [1, 1]


DTYPES = [
    (torch.float64, torch.float64, torch.float64),
    (torch.float32, torch.float64, torch.float64),
    (torch.float32, torch.float32, torch.float32),
    (torch.float16, torch.float32, torch.float32),
    (torch.bfloat16, torch.bfloat16, torch.float32),
    (torch.float32, torch.int64, torch.float32),
    (torch.int64, torch.int64, torch.float64),
]


@pytest.mark.parametrize("score", [F.rate_brier_score, F.total_variation])
def test_only_predictions_can_be_raw_outputs(score):
    refused(am.DomainError, "^preds: .*from_logits=True", score, [[3.0, -2.0]], [[1.0, 0.0]])
    refused(am.DomainError, "^target: (?!.*from_logits)", score, [[1.0, 0.0]], [[3.0, -2.0]])


@pytest.mark.parametrize(("preds", "target", "expected"), DTYPES)
def test_the_wider_float_is_kept(preds, target, expected):
    half = torch.tensor([[1, 0]])
    assert F.total_variation(half.to(preds), half.to(target)).dtype == expected
    assert F.rate_brier_score(half.to(preds), half.to(target)).dtype == expected


def test_what_overshoots_by_rounding_is_taken_for_one():
    assert F.semantic_set_f1([[1]], [[1]], [[1 + 5e-7]]) == 1
    assert F.rate_cross_entropy([[1 + 1e-9, 0]], [[1.0, 0.0]]).item() == 0


def test_unchecked_trusts_values_but_not_shapes():
    with am.unchecked():
        assert F.total_variation([[0.5, 0.4]], [[0.5, 0.5]]).item() == pytest.approx(0.05)
        refused(am.ShapeError, None, F.total_variation, [[0.5, 0.4]], [[1.0]])
    refused(am.DomainError, None, F.total_variation, [[0.5, 0.4]], [[0.5, 0.5]])


OF_NUMPY = [np.uint8, np.uint16, np.uint32, np.uint64, np.int8, ">i4", np.longdouble, np.float16]


@pytest.mark.parametrize("dtype", OF_NUMPY)
def test_every_number_of_numpy_is_taken_and_every_unsigned_one_of_torch(dtype):
    votes = np.array([[3, 1], [0, 2]], dtype=dtype)
    for table in (votes, torch.from_numpy(votes)) if votes.dtype.kind == "u" else (votes,):
        assert F.modes(table).tolist() == [[True, False], [False, True]]
        assert F.human_mass_at_k([[1.0, 0.0], [1.0, 0.0]], table).tolist() == [0.75, 0]
    assert F.set_f1((votes > 0).astype(dtype), [[1, 1], [0, 1]]).tolist() == [1, 1]


def test_counts_beyond_int64_are_taken_as_floats():
    assert F.modes(np.array([[2**64 - 1, 5]], dtype=np.uint64)).tolist() == [[True, False]]


def test_infinite_logits_of_rates_are_certain_answers():
    assert F.rate_cross_entropy([[math.inf, -math.inf]], [[1.0, 0.0]], from_logits=True).tolist() == [0]
    assert F.rate_cross_entropy([[math.inf, 0.0]], [[0.5, 0.0]], from_logits=True).tolist() == [math.inf]


def test_similarities_below_0_or_above_1_are_refused():
    cosines = torch.tensor([[1.0, -0.6, 0.5], [-0.6, 1.0, 0.0], [0.5, 0.0, 1.0]])
    for wrong in (cosines, 1.5 * cosines.clamp(min=0)):
        says = r"similarity: expected numbers in \[0, 1\]"
        refused(am.DomainError, says, F.semantic_set_f1, [[1, 0, 0]], [[0, 1, 1]], similarity=wrong)
    for repaired in (cosines.clamp(min=0), (1 + cosines) / 2):
        assert 0 <= F.semantic_set_f1([[1, 0, 0]], [[0, 1, 1]], repaired).item() <= 1


def test_frames_of_several_dtypes_are_taken():
    frame = pd.DataFrame({"joy": [1, 0], "fear": [True, False]})
    for table in (frame, frame.astype({"joy": "Int64", "fear": "boolean"})):
        np.testing.assert_array_equal(F.set_f1(table, [[1, 0], [0, 0]]), [2 / 3, 1])
    missing = frame.astype("Int64").mask(frame == 0)
    for table in (missing, [[None, 1], [0, 1]], frame.astype(str)):
        refused(am.DomainError, "preds: expected numbers", F.set_f1, table, [[1, 0], [0, 0]])


@pytest.mark.parametrize("k", [2, np.int64(2), np.uint8(2), torch.tensor(2)], ids=lambda k: type(k).__name__)
def test_any_whole_number_is_a_k(k):
    scores, target = [[0.6, 0.3, 0.1]], [[0, 1, 0]]
    for metric in (F.top_k_accuracy, F.top_k_recall, F.ndcg, F.human_mass_at_k):
        assert metric(scores, target, k=k).item() == metric(scores, target, k=2).item()
    assert F.top_k_chance(target, k).item() == pytest.approx(2 / 3)
    assert F.label_calibration_error(scores, target, bins=k).isfinite()
