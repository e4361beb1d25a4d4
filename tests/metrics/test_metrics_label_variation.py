"""The metrics of label variation against their published definitions, written out again with loops over lists.

Oracles: the scorer of LeWiDi 2025 (its average Manhattan distance, error rate and mean absolute distance, which leave
absent annotators out of their lists) and the authors' code beside Kurniawan et al. 2025 (PO-JSD, soft micro F1, the
correlation of entropies).
"""

import math

import numpy as np
import pytest
import scipy.stats
import torch

from affectml_metrics import functional as F

from .checks import agree, gen


def lewidi_manhattan(targets, predictions):
    pairs = zip(targets, predictions, strict=True)
    return np.mean([sum(abs(q - p) for q, p in zip(b, a, strict=True)) for a, b in pairs])


def lewidi_error_rate(targets, predictions):
    rates = []
    for said, predicted in zip(targets, predictions, strict=True):
        wrong = sum(abs(a - b) for a, b in zip(said, predicted, strict=True))
        rates.append(1 - (len(said) - wrong) / len(said))
    return np.mean(rates)


def lewidi_absolute_distance(targets, predictions, points):
    far = []
    for said, predicted in zip(targets, predictions, strict=True):
        far.append(sum(abs(a - b) for a, b in zip(said, predicted, strict=True)) / len(said) / points)
    return np.mean(far)


def published_po_jsd(people, model, multilabel=False):
    if multilabel:
        people, model = (np.stack([x, 1 - x], axis=-1) for x in (people, model))
    middle = (people + model) / 2

    def kl(x):
        return np.where(x > 0, x * np.log2(np.where(x > 0, x, 1) / np.where(middle > 0, middle, 1)), 0).sum(-1)

    return 1 - ((kl(people) + kl(model)) / 2).mean()


def published_soft_micro_f1(people, model):
    return 2 * np.minimum(people, model).sum() / (people + model).sum()


def entropy_of_pairs(rates):
    return scipy.stats.entropy(np.stack([rates, 1 - rates]), axis=0)


def published_entropy_correlation(people, model):
    x, y = entropy_of_pairs(people) / math.log(2), entropy_of_pairs(model) / math.log(2)
    return np.mean([scipy.stats.pearsonr(x[:, label], y[:, label]).statistic for label in range(people.shape[1])])


@pytest.fixture(scope="module")
def answers():
    g = gen(7)
    preds, said = (torch.randint(-5, 6, (80, 6), generator=g) for _ in range(2))
    asked = torch.rand(80, 6, generator=g) < 0.6
    asked[:, 0] |= ~asked.any(-1)
    return preds, said, asked


def lists(table, asked):
    return [row[there].tolist() for row, there in zip(table, asked, strict=True)]


def test_shares_against_the_published_code(pair):
    model, people = (shares.numpy() for shares in pair)
    agree(F.po_jsd(*pair).mean(), published_po_jsd(people, model))
    agree(F.manhattan_distance(model[:200], people[:200]).mean(), lewidi_manhattan(people[:200], model[:200]))
    agree(F.soft_f1(*pair), published_soft_micro_f1(people, model))


def test_rates_against_the_published_code(table):
    model, people = table.rates.numpy(), table.shares.numpy()
    agree(F.rate_po_jsd(model, people).mean(), published_po_jsd(people, model, multilabel=True))
    agree(F.soft_f1(model, people), published_soft_micro_f1(people, model))
    # the multilabel average Manhattan distance is over the labels' (no, yes) pairs
    two = zip(people, model, strict=True)
    pairs = [lewidi_manhattan(np.stack([1 - p, p], 1), np.stack([1 - q, q], 1)) for p, q in two]
    agree(F.rate_manhattan(model, people).mean(), np.mean(pairs))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_ten_thousand_rows_of_rates_in_every_precision(dtype):
    """A model's, which is never quite sure, and those of 16 people; every precision holds them."""
    g = gen(31)
    rates = [torch.randint(low, high, (10_000, 8), generator=g) / 16 for low, high in ((1, 16), (0, 17))]
    model, people = (each.double().numpy() for each in rates)
    q, p = (each.to(dtype) for each in rates)
    h_model, h_people = entropy_of_pairs(model), entropy_of_pairs(people)
    for metric, expected in (
        (F.rate_entropy_error, abs(h_model - h_people)),
        (F.rate_total_variation, abs(model - people)),
        (F.rate_kl_divergence, scipy.special.rel_entr(people, model) + scipy.special.rel_entr(1 - people, 1 - model)),
        (F.rate_js_divergence, entropy_of_pairs((model + people) / 2) - (h_model + h_people) / 2),
    ):
        digits = 1e-14 if dtype == torch.float64 else 6e-8
        np.testing.assert_allclose(metric(q, p), expected.mean(1), rtol=digits, atol=1e-14)
    agree(F.rate_entropy_correlation(q, p), published_entropy_correlation(people, model), 1e-12)
    agree(F.rate_entropy_correlation(p, p), 1, 1e-12)


def test_a_label_that_never_varies_has_no_correlation_and_is_left_out_of_the_mean():
    model, people = [[0.5, 0.1], [0.2, 0.6], [0.4, 0.5]], [[1.0, 0.3], [1.0, 0.5], [1.0, 0.4]]
    by_label = F.rate_entropy_correlation(model, people, average="none")
    assert by_label.isnan().tolist() == [True, False]
    assert F.rate_entropy_correlation(model, people) == by_label[1]


def test_sure_of_the_wrong_label_is_as_sure_as_people_are():
    people = torch.tensor([[0.9, 0.2], [0.5, 0.3]])
    assert F.rate_entropy_error(1 - people, people).tolist() == pytest.approx([0, 0], abs=1e-7)
    assert F.rate_entropy_error([[0.5, 1.0]], [[1.0, 0.5]], signed=True).tolist() == [0]  # labels cancel


def test_people_against_the_shared_tasks_scorer(answers):
    preds, said, asked = answers
    yes, spoke = (preds > 0).int(), (said > 0).int()
    agree(F.error_rate(yes, spoke, asked).mean(), lewidi_error_rate(lists(spoke, asked), lists(yes, asked)))
    expected = lewidi_absolute_distance(lists(said, asked), lists(preds, asked), 11)
    agree(F.normalised_absolute_distance(preds, said, asked, scale=11).mean(), expected)


def test_sets_of_people_are_the_mean_over_labels(answers):
    g = gen(1)
    preds, said = (torch.rand(80, 6, 3, generator=g) < 0.4 for _ in range(2))
    asked = answers[2]
    rows = [[sets[there].int().T.tolist() for sets in (s, p)] for p, s, there in zip(preds, said, asked, strict=True)]
    agree(F.error_rate(preds, said, asked).mean(), np.mean([lewidi_error_rate(*row) for row in rows]))
