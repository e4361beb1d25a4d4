"""What the report's pictures show, on tables small enough to work by hand."""

import itertools

import numpy as np
import pytest
import torch

from affectml.page.numbers import (
    among_themselves,
    bins,
    chance_of_order,
    entropies,
    f1_by_label,
    first_instead,
    instead,
    means,
    one_against_another,
    over_table,
    together,
)
from affectml.page.sections.disagreement import groups_of
from affectml.page.sections.reliability import _sentence
from affectml.page.sections.sets import _instead_sentence
from affectml_metrics import functional as F
from affectml_metrics.functional.average_precision import prepared_average_precision


def test_which_labels_go_together():
    answers = np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]])
    found = together(answers)
    assert found[0, 1] == pytest.approx(2 / 3)  # of three answers with the first, two have the second
    assert found[1, 0] == 1.0
    assert (found[0, 2], found[1, 2]) == (0, 0)
    assert np.isnan(found[2]).all()  # nobody gave the third
    assert np.isnan(np.diag(found)).all()


def test_what_was_said_instead_of_what():
    people = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]])
    model = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 1]])
    # image 1: a on the diagonal, c instead of b; 2: a missed, half b and half c; 3: c missed, nothing said;
    # 4: b on the diagonal, a added to a whole set; 5: c added to the empty set
    assert instead(people, model).tolist() == [[1, 0.5, 0.5, 0], [0, 1, 1, 0], [0, 0, 0, 1], [1, 0, 1, 0]]
    assert instead(people, model)[:3].sum(axis=1).tolist() == people.sum(axis=0).tolist()


def test_what_was_named_instead_where_one_label_is_right():
    hits = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 0, 0]])
    found = first_instead(hits, np.array([1, 1, 2, 0]))
    assert found.tolist() == [[0, 1, 0.5, 0], [0, 1, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_answers_to_one_image_count_one_together():
    people, said = np.array([[1, 0], [1, 0], [0, 1]]), np.array([[1, 0], [0, 1], [0, 1]])
    # two answers to one image, of which one says b instead of a; the third row is an image by itself
    assert instead(people, said, np.array([0.5, 0.5, 1])).tolist() == [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]]
    assert first_instead(people, np.array([0, 1, 1]), np.array([0.5, 0.5, 1])).tolist()[0] == [0.5, 0.5, 0]


def test_average_precision_has_an_interval_and_is_that_of_the_library():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand((60, 3), generator=generator).round(decimals=1)  # ties
    right = (torch.rand((60, 3), generator=generator) < torch.tensor([0.5, 0.1, 0.0])).long()
    of = prepared_average_precision(scores, right)
    for weights in (torch.ones(60), torch.randint(0, 3, (60,), generator=generator)):
        wanted = F.mean_average_precision(scores, right, average="none", weights=weights)
        np.testing.assert_allclose(of(weights.double()), wanted, rtol=1e-12)
    first, second, nobody = over_table(of, 60, None, right.sum(0))
    assert nobody is None
    assert all(0 <= low < value < high <= 1 for value, low, high in (first, second))
    value, low, high = over_table(of, 60, None, right.sum(0), drawn=False)[0]
    assert value == low == high == first[0]


def test_bins_have_means_and_bands_of_the_residuals():
    said = np.array([0.1, 0.1, 0.1, 0.1, 0.7, 0.7, 0.7, 0.7])
    seen = np.array([0.0, 0.2, 0.0, 0.2, 0.6, 0.8, 0.6, 0.8])
    low, high = bins(said, seen, least=4)
    assert (low.said, low.seen, low.images) == (pytest.approx(0.1), pytest.approx(0.1), 4)
    # residuals are -.1, .1, -.1, .1: SD .11547, standard error .057735, times t(3) 3.18245
    assert high.high - high.seen == pytest.approx(3.182446 * 0.0577350, abs=1e-5)
    assert low.low == 0  # kept within [0, 1]
    five = bins(said, seen, np.full(8, 5), least=4)
    # drawing five votes at .1 would make sqrt(4 * .09 / 5) / 4 = .067082, which is more than the residuals show
    assert five[0].high - five[0].seen == pytest.approx(3.182446 * 0.0670820, abs=1e-5)


def test_equal_rates_stay_in_one_bin_and_few_images_in_one():
    assert len(bins(np.full(60, 0.3), np.arange(60) % 2)) == 1
    assert [b.images for b in bins(np.linspace(0, 1, 10), np.zeros(10))] == [10]
    assert [b.images for b in bins(np.linspace(0, 1, 60), np.zeros(60), np.ones(60))] == [15, 15, 15, 15]


def test_a_bin_nobody_voted_in_is_not_certain():
    (found,) = bins(np.full(15, 0.01), np.zeros(15), np.full(15, 5), most=1)
    assert found.low == 0
    assert found.high > 0.01


def test_rates_that_are_true_are_seldom_called_wrong():
    drawn = np.random.default_rng(0)
    off = every = 0
    for _ in range(40):
        rate = drawn.beta(0.4, 1.6, 120)
        for b in bins(rate, drawn.binomial(5, rate) / 5, np.full(120, 5)):
            every += 1
            off += not b.low <= b.said <= b.high
    assert off <= 0.06 * every


def test_rates_that_are_wrong_are_called_wrong_in_a_sentence():
    drawn = np.random.default_rng(0)
    rate = drawn.beta(0.4, 1.6, 400)
    wrong = bins(np.sqrt(rate), drawn.binomial(5, rate) / 5, np.full(400, 5))
    assert sum(not b.low <= b.said <= b.high for b in wrong) >= 6
    right = bins(rate, rate, np.full(400, 5))
    assert "The farthest off is joy, by " in _sentence({"joy": wrong, "fear": right})
    assert _sentence({"fear": right}).startswith(f"All {len(right)} bands reach the line")


def test_f1_against_one_persons_answer():
    votes, people = np.array([[2.0, 1.0], [1.0, 0.0]]), np.full((2, 2), 3.0)
    share, sets = votes / people, np.array([[1.0, 0.0], [1.0, 0.0]])
    first, second = f1_by_label(sets, share, sets * share, None)
    assert first[0] == pytest.approx(2 * (2 / 3 + 1 / 3) / (2 + 1))  # TP 1, said twice, right once in all
    assert second[0] == 0  # never said, sometimes right
    both = one_against_another(votes, people)
    assert both.tolist() == [[pytest.approx(1 / 3), 0], [0, 0]]  # two of three: one pair of three agrees
    found = f1_by_label(share, share, both, None)
    assert found[0][0] == pytest.approx(2 * (1 / 3) / (1 + 1))
    nobody = f1_by_label(np.zeros((2, 1)), np.zeros((2, 1)), np.zeros((2, 1)), None)
    assert nobody == [None]


def test_people_against_each_other_is_the_mean_over_pairs():
    chosen = np.array([[1, 0], [1, 1], [0, 1], [1, 0]])  # four people, one image
    votes = chosen.sum(axis=0, keepdims=True).astype(float)
    pairs = [chosen[i] * chosen[j] for i in range(4) for j in range(4) if i != j]
    assert one_against_another(votes, np.full((1, 2), 4.0))[0].tolist() == pytest.approx(
        np.mean(pairs, axis=0).tolist()
    )


def test_entropy_and_disagreement():
    assert entropies(np.array([[0.5, 0.0], [1.0, 1.0]]), rates=True).tolist() == pytest.approx([0.5, 0.0])
    assert entropies(np.array([[0.5, 0.5], [1.0, 0.0]]), rates=False).tolist() == pytest.approx([1.0, 0.0])
    assert among_themselves(np.array([[0.5, 0.0]]), rates=True).tolist() == pytest.approx([0.25])
    assert among_themselves(np.array([[0.5, 0.5], [1.0, 0.0]]), rates=False).tolist() == pytest.approx([0.5, 0.0])


def test_images_by_people_asked():
    found = groups_of(np.tile([3, 5, 3, 4], 10))
    assert [(name, rows[:2].tolist()) for name, rows in found] == [("3", [0, 2]), ("4", [3, 7]), ("5", [1, 5])]
    many = groups_of(np.arange(1, 61))
    assert [name for name, _ in many] == ["1 to 10", "11 to 20", "21 to 30", "31 to 40", "41 to 50", "51 to 60"]
    assert sorted(int(row) for _, rows in many for row in rows) == list(range(60))


def test_images_of_one_group_scatter_together():
    said, seen = np.full(16, 0.5), np.repeat([0.7, 0.3], 8)
    alone, together = (bins(said, seen, groups=g)[0] for g in (None, np.repeat(["a", "b"], 8)))
    assert (alone.units, together.units) == (16, 2)
    # sixteen residuals of .2 and -.2: SD .206559, standard error .051640, times t(15) 2.131450
    assert alone.high - alone.seen == pytest.approx(2.131450 * 0.0516398, abs=1e-5)
    # two sums of 1.6 and -1.6: the root of 2 (1.6 ** 2 + 1.6 ** 2), over 16 images, is .2; times t(1) it passes 0 and 1
    assert (together.low, together.high) == (0, 1)
    one = bins(said, seen, groups=np.zeros(16))[0]
    assert (one.units, one.low, one.high) == (1, one.seen, one.seen)


def test_average_precision_of_a_random_order_is_the_mean_over_all_orders():
    """1 of 45: .098, where the label's share is .022; none, one, two and all of 5 by listing every order."""
    orders = np.array(list(itertools.permutations(range(5))))
    target = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]])
    every = [
        F.mean_average_precision(torch.tensor(order)[:, None].expand(5, 4), target, average="none") for order in orders
    ]
    assert chance_of_order(target.sum(0).numpy(), 5) == pytest.approx(torch.stack(every).mean(0).numpy(), nan_ok=True)
    assert chance_of_order(np.array([1]), 45) == pytest.approx(0.0977, abs=1e-4)


def test_means_have_intervals_and_one_image_has_none():
    values = np.array([[0.0, 1.0], [1.0, 1.0]] * 20)
    first, second = means(values, None)
    assert first[0] == 0.5
    assert first[1] < 0.5 < first[2]
    assert second == pytest.approx((1.0, 0.025 ** (1 / 40), 1.0))  # all alike: Clopper & Pearson 1934
    (wide, _) = means(values, np.arange(40) % 2)
    assert wide[2] - wide[1] > first[2] - first[1]
    assert means(values[:1], None) == [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0)]


def test_few_images_join_their_neighbours():
    n = np.array([3] * 2 + [4] * 12 + [5] * 30)
    assert [(name, len(rows)) for name, rows in groups_of(n)] == [("3 to 4", 14), ("5", 30)]
    assert [(name, len(rows)) for name, rows in groups_of(n[::-1][:35])] == [("4 to 5", 35)]
    many = np.repeat(np.arange(1, 31), 10)
    groups = groups_of(many)
    assert len(groups) == 6
    assert sorted(np.concatenate([rows for _, rows in groups]).tolist()) == list(range(300))
    assert groups[0][0].startswith("1 to ")


def test_mistakes_that_are_equally_common_are_all_named():
    off = np.zeros((5, 5))
    off[0, 1] = off[2, 3] = 3.5
    labels = ("joy", "awe", "fear", "rage")
    assert _instead_sentence(off, labels, 58) == (
        "The model most often says awe in place of joy and rage in place of fear (3.5 of 58 images each)."
    )
    off[1, 2] = 4
    assert _instead_sentence(off, labels, 58) == "The model most often says fear in place of awe (4 of 58 images)."
    assert _instead_sentence(np.ones((5, 5)) * 0.5, labels, 9).startswith("The model misses 2 labels")
