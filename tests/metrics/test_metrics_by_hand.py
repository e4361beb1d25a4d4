"""Small tables worked by hand, and what each metric says of rows that have no right answer."""

import itertools
import math

import pytest
import torch

from affectml_metrics import functional as F

from .checks import gen, same

NAN = math.nan


def row(*values):
    return torch.tensor([values], dtype=torch.float64)


def near(result, *expected):
    same(result.double(), torch.tensor(expected, dtype=torch.float64), 1e-12)


def test_empty_sets_are_what_the_caller_says():
    preds, target = [[0, 0], [0, 0], [1, 0]], [[0, 0], [1, 0], [0, 0]]
    for metric in (F.set_f1, F.set_precision, F.set_recall, F.set_jaccard):
        near(metric(preds, target), 1, 0, 0)
    for metric in (F.set_f1, F.set_jaccard):
        near(metric(preds, target, both_empty=0.0, one_empty=NAN), 0, NAN, NAN)


def test_a_precision_or_recall_of_0_stays_0_whatever_an_empty_set_scores():
    """An empty prediction has no precision and an empty target no recall; the other way round both are 0."""
    preds, target = [[0, 0], [0, 0], [1, 0]], [[0, 0], [1, 0], [0, 0]]
    near(F.set_precision(preds, target, one_empty=1.0), 1, 1, 0)
    near(F.set_recall(preds, target, one_empty=1.0), 1, 0, 1)
    near(F.set_precision(preds, target, both_empty=0.0, one_empty=NAN), 0, NAN, 0)
    near(F.set_recall(preds, target, both_empty=0.0, one_empty=NAN), 0, 0, NAN)


def test_semantic_f1_reads_rows_as_predictions():
    one_way = torch.tensor([[1.0, 0.5], [0.0, 1.0]])
    near(F.semantic_set_f1([[1, 0]], [[0, 1]], one_way), 0.5)
    near(F.semantic_set_f1([[0, 1]], [[1, 0]], one_way), 0)


def test_a_label_that_is_never_predicted_nor_right_has_the_f1_that_the_caller_says():
    preds, target = [[1, 1, 0], [1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    near(F.label_f1(preds, target, average="none"), 2 / 3, 2 / 3, 0)
    near(F.label_f1(preds, target, zero_division=NAN)[None], 2 / 3)
    near(F.label_f1([[0, 0]], [[0, 0]], average="weighted", zero_division=1.0)[None], 1)


def test_all_asks_for_as_many_hits_as_can_be():
    near(F.top_k_accuracy(row(0.5, 0.4, 0.1), row(1, 1, 1), 2, match="all"), 1)


def test_tied_scores_go_to_the_lowest_index():
    even = torch.full((1, 25), 0.04)
    for k in (1, 3, 24):
        assert F.top_k_precision(even, (torch.arange(25) < k).int()[None], k, ties="first").item() == 1.0
        assert F.top_k_accuracy(even, (torch.arange(25) >= k).int()[None], k, ties="first").item() == 0.0


def test_average_precision_with_ties_is_the_mean_over_all_orders_of_the_tied_labels():
    scores, right = [2, 1, 1, 1, 0], [1, 0, 1, 1, 0]
    by_hand = []
    for middle in itertools.permutations((1, 2, 3)):
        hits = [right[label] for label in (0, *middle, 4)]
        by_hand.append(sum(sum(hits[: i + 1]) / (i + 1) for i in range(5) if hits[i]) / sum(right))
    near(F.label_ranking_average_precision(row(*scores), row(*right)), sum(by_hand) / len(by_hand))


def test_a_persons_tied_answer_scores_its_expectation():
    answer = row(1, 1, 0, 0)  # two labels chosen: either may be called the first
    near(F.top_k_accuracy(answer, row(0, 1, 0, 0), 1, ties="expected"), 1 / 2)
    near(F.top_k_accuracy(answer, row(0, 1, 1, 0), 3, match="all", ties="expected"), 1 / 2)
    near(F.top_k_accuracy(answer, row(0, 0, 1, 1), 3, match="any", ties="expected"), 1)
    near(F.top_k_recall(answer, row(0, 1, 1, 0), 1, ties="expected"), 1 / 4)
    near(F.top_k_accuracy(row(0, 0, 0, 0), row(0, 1, 1, 0), 2, ties="expected"), 5 / 6)


def test_the_chance_of_as_many_hits_as_can_be():
    near(F.top_k_chance([[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]], 2, match="all"), 1 / 2, 1 / 6, NAN)


def test_rows_without_right_labels_are_what_the_caller_says(of_rankings):
    if of_rankings.spec.takes("no_labels") and of_rankings.spec.over == "rows":
        scores, target = of_rankings.tables[0][:1], torch.zeros(1, 6)
        for value in (NAN, 0.25):
            near(of_rankings.function(scores, target, no_labels=value), value)


def test_a_ranking_loss_needs_wrong_labels():
    near(F.ranking_loss(row(0.5, 0.2), row(1, 1)), NAN)


def test_a_label_nobody_chose_is_left_out_of_map():
    scores, target = torch.rand(5, 2), torch.tensor([[1, 0]] * 5)
    assert F.mean_average_precision(scores, target) == 1.0
    assert F.mean_average_precision(scores, target, average="weighted") == 1.0
    assert F.mean_average_precision(scores, target, no_labels=0.0) == 0.5
    assert F.mean_average_precision(scores, torch.zeros(5, 2)).isnan()


def test_modes_and_their_ties():
    votes = torch.tensor([[2, 5, 5], [1, 0, 0], [0, 0, 0]])
    assert F.modes(votes).int().tolist() == [[0, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert F.modes(votes, ties="first").int().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert F.modes(row(1, 1, 1) / 3 + row(0, 1e-8, 0)).all()


def test_random_modes_are_each_as_likely():
    drawn = F.modes(torch.tensor([[2, 5, 5]]).expand(4000, 3), ties="random", generator=gen(0))
    assert (drawn.sum(1) == 1).all()
    assert not drawn[:, 0].any()
    assert 0.46 < drawn[:, 1].double().mean() < 0.54


def test_uncertainty_in_bits():
    p, t = row(0.5, 0.5, 0.0), row(0.25, 0.25, 0.5)
    near(F.entropy_error(p, t, unit="bits"), 0.5)
    near(F.entropy_error(p, t, unit="bits", signed=True), -0.5)
    near(F.cross_entropy(t, p, unit="bits"), 2.0)


def test_ruling_out_what_people_chose_costs_infinity():
    p, t = row(1, 0), row(0.5, 0.5)
    near(F.kl_divergence(p, t), math.inf)
    near(F.cross_entropy(p, t), math.inf)
    near(F.kl_divergence(p, t, reverse=True), math.log(2))
    near(F.kl_divergence(t, p), math.log(2))
    near(F.kl_divergence(p, t, eps=1e-3), 0.5 * math.log(0.5) + 0.5 * math.log(0.5 / 1e-3))
    near(F.rate_cross_entropy(p, t), math.inf)


def test_logits_far_from_zero_keep_their_logarithm():
    logits = row(-800, 800)
    near(F.kl_divergence(logits, row(1, 0), from_logits=True), 1600)
    near(F.rate_cross_entropy(logits, row(1, 0), from_logits=True), 800)


def test_rank_cs_lets_people_tie():
    tied = row(0.4, 0.4, 0.2)
    near(F.rank_cs(row(0.3, 0.6, 0.1), tied), 1)
    near(F.rank_cs(row(0.3, 0.6, 0.1), tied, ties="first"), 0)
    near(F.rank_cs(row(0.6, 0.3, 0.1), tied, ties="first"), 1)
    near(F.rank_cs(row(0.4, 0.2, 0.4), tied), 0)


def test_binomial_likelihood_counts_what_was_asked():
    p = torch.tensor([[0.25, 0.5]], dtype=torch.float64)
    expected = (math.log(4 * 0.25 * 0.75**3) + math.log(6 / 16)) / 2
    near(F.binomial_log_likelihood(p, [[1, 2]], [4]), expected)
    near(F.binomial_log_likelihood(p, [[1, 2]], [[4, 4]]), expected)
    near(F.binomial_log_likelihood(p, [[0, 0]], [0]), 0)


def test_bins_of_one_row_do_not_tell_chance():
    p, t = torch.tensor([[0.1], [0.3], [0.6], [0.8]]), torch.tensor([[0.0], [1.0], [1.0], [1.0]])
    assert F.squared_calibration_error(p, t, bins=4).isnan()


def test_norms_of_calibration_in_two_bins():
    p = torch.tensor([[0.1], [0.1], [0.7], [0.7]], dtype=torch.float64)
    t = torch.tensor([[0.0], [0.4], [0.5], [0.6]], dtype=torch.float64)
    near(F.label_calibration_error(p, t, bins=2, norm="max")[None], 0.15)
    near(F.label_calibration_error(p, t, bins=2, norm="l2")[None], (0.5 * 0.01 + 0.5 * 0.0225) ** 0.5)
    near(F.label_calibration_error(p, t, bins=1)[None], 0.4 - 0.375)


def test_equal_predictions_share_a_bin_in_any_order():
    p = torch.tensor([[0.2], [0.2], [0.2], [0.9]])
    t = torch.tensor([[1.0], [0.0], [0.0], [1.0]])
    order = torch.tensor([1, 3, 2, 0])
    near(F.label_calibration_error(p, t, bins=4)[None] - F.label_calibration_error(p[order], t[order], bins=4)[None], 0)


def test_entropy_correlation_needs_variation():
    people = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.8, 0.2]])
    assert F.entropy_correlation(people, people).item() == pytest.approx(1)
    assert F.entropy_correlation(torch.full((3, 2), 0.5), people).isnan()
    assert F.entropy_correlation(people[:1], people[:1]).isnan()
    assert F.entropy_correlation(people[[1, 0, 2]], people, method="spearman").item() == pytest.approx(-1)
    nearly = 0.5 + 1e-3 * (people.double() - 0.5)  # entropies within 1e-6 of log 2 still vary
    assert F.entropy_correlation(nearly, nearly).item() == pytest.approx(1)
    same = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.7, 0.2], [0.2, 0.1, 0.7]], dtype=torch.float64)
    assert F.entropy_correlation(same, torch.eye(3)).isnan()  # in another order they differ by rounding alone
    assert F.entropy_correlation(same, same.roll(1, 0)).isnan()


def test_where_nobody_is_unsure_entropies_have_no_cosine():
    assert F.entropy_similarity(row(1, 0), row(0.5, 0.5)).isnan()
