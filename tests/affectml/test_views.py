"""What views of an evaluation compute, on tables small enough to work by hand."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from affectml.judging import views
from affectml.judging.figures import Rows
from affectml.judging.scoring import Answers
from affectml.judging.truth import Truth
from affectml.judging.views import (
    CELLS,
    Case,
    _f1_with_one_person,
    _over_table,
    add_bins,
    chance_of_order,
    entropies,
    first_instead,
    groups_of,
    instead,
    instead_of,
)
from affectml_metrics import functional as F
from affectml_metrics.functional.average_precision import prepared_average_precision

from .panels import truth_of


def bins(said, seen, people=None, groups=None, most=2):
    """(stated, seen) rows of each bin."""
    rows = Rows()
    add_bins(rows, np.asarray(said), np.asarray(seen), people, groups, most=most)
    return list(zip(rows.rows[::2], rows.rows[1::2], strict=True))


def test_what_was_said_instead_of_what():
    people = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]])
    model = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 1]])
    # image 1: a on the diagonal, c instead of b; 2: a missed, half b and half c; 3: c missed, nothing said;
    # 4: b on the diagonal, a added to a whole set; 5: c added to the empty set
    assert instead(people, model).tolist() == [[1, 0.5, 0.5, 0], [0, 1, 1, 0], [0, 0, 0, 1], [1, 0, 1, 0]]
    assert instead(people, model)[:3].sum(axis=1).tolist() == people.sum(axis=0).tolist()
    hits = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 0, 0]])  # where one label is right, or one of several
    named = first_instead(hits, np.eye(3)[[1, 1, 2, 0]])
    assert named.tolist() == [[0, 1, 0.5, 0], [0, 1, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("kind", ["rates", "distribution"])
def test_one_person_beside_the_rest_is_counted_some_images_at_a_time(monkeypatch, kind):
    generator = np.random.default_rng(0)
    chosen = generator.random((9, 4, 3)) < 0.4
    truth = truth_of(np.eye(3)[generator.integers(0, 3, (9, 4))] if kind == "distribution" else chosen, kind=kind)
    given = Answers(torch.rand(9, 3), sets=torch.from_numpy(chosen[:, 0].astype(int)))

    def found():
        rows = Rows()
        instead_of(Case({"model": given}, truth, "model", 0, rows))
        return {(f.system, f.level, f.label): round(f.value, 9) for f in rows.rows}

    whole = found()
    assert any(who == "person" for who, *_ in whole)
    monkeypatch.setattr(views, "PART", 2)
    assert found() == whole


def test_answers_to_one_image_count_one_together():
    people, said, weights = np.array([[1, 0], [1, 0], [0, 1]]), np.array([[1, 0], [0, 1], [0, 1]]), [0.5, 0.5, 1]
    # two answers to one image, of which one says b instead of a; the third row is an image by itself
    assert instead(people, said, weights).tolist() == [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]]
    assert first_instead(people, said, weights).tolist()[0] == [0.5, 0.5, 0]


def test_average_precision_has_an_interval_and_is_that_of_the_library():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand((60, 3), generator=generator).round(decimals=1)  # ties
    right = (torch.rand((60, 3), generator=generator) < torch.tensor([0.5, 0.1, 0.0])).long()
    of, rests = prepared_average_precision(scores, right), right.sum(dim=0).numpy()
    found = _over_table(of, SimpleNamespace(image_id=range(60), groups=None), rests, drawn=True)
    plain = _over_table(of, SimpleNamespace(image_id=range(60), groups=None), rests, drawn=False)
    np.testing.assert_allclose(plain, F.mean_average_precision(scores, right, average="none"), rtol=1e-12)
    assert (found.low[:2] < plain[:2]).all()
    assert (plain[:2] < found.high[:2]).all()
    assert plain[2].isnan()  # nobody has that label
    assert scores.numel() <= CELLS


def test_bins_have_means_and_bands_of_the_residuals():
    said, seen = np.repeat([0.1, 0.7], 16), np.tile([0.0, 0.2], 16) + np.repeat([0, 0.6], 16)
    (stated, low), (_, high) = bins(said, seen)
    assert (stated.value, low.value, low.n, low.level) == (pytest.approx(0.1), pytest.approx(0.1), 16, "1")
    # residuals are -.1 and .1 in turn: SD .103280, standard error .025820, times t(15) 2.131450
    assert high.high - high.value == pytest.approx(2.131450 * 0.0258199, abs=1e-5)
    # drawing two votes at .1 would make sqrt(16 * .09 / 2) / 16 = .053033, which is more than the residuals show
    ((_, drawn), _) = bins(said, seen, np.full(32, 2))
    assert drawn.high - drawn.value == pytest.approx(2.131450 * 0.0530330, abs=1e-5)
    assert drawn.low == 0  # kept within [0, 1]
    ((_, empty),) = bins(np.full(15, 0.01), np.zeros(15), np.full(15, 5), most=1)
    assert empty.high > 0.01  # a bin that nobody voted in is not certain


def test_equal_shares_stay_in_one_bin_and_few_images_in_one():
    assert len(bins(np.full(60, 0.3), np.arange(60) % 2, most=8)) == 1
    assert [seen.n for _, seen in bins(np.linspace(0, 1, 10), np.zeros(10), most=8)] == [10]
    assert [seen.n for _, seen in bins(np.linspace(0, 1, 60), np.zeros(60), most=8)] == [15] * 4


def test_images_of_one_group_scatter_together():
    said, seen = np.full(16, 0.5), np.repeat([0.7, 0.3], 8)
    ((_, alone),), ((_, together),), ((_, one),) = (
        bins(said, seen, groups=groups) for groups in (None, np.repeat(["a", "b"], 8), np.zeros(16))
    )
    # sixteen residuals of .2 and -.2: SD .206559, standard error .051640, times t(15) 2.131450
    assert alone.high - alone.value == pytest.approx(2.131450 * 0.0516398, abs=1e-5)
    assert (together.low, together.high) == (0, 1)
    assert one.low == one.value == one.high


def test_rates_that_are_true_are_seldom_called_wrong():
    drawn, off, every = np.random.default_rng(0), 0, 0
    for _ in range(40):
        rate = drawn.beta(0.4, 1.6, 120)
        for stated, seen in bins(rate, drawn.binomial(5, rate) / 5, np.full(120, 5), most=8):
            every += 1
            off += not seen.low <= stated.value <= seen.high
    assert off <= 0.06 * every


def test_f1_with_one_person_is_over_pairs_of_people():
    votes, people, sets = np.array([[2, 1], [1, 0]] * 2), np.full((4, 2), 3), torch.tensor([[1, 0]] * 4)
    hits = np.zeros((4, 2), dtype=int)
    known = {"sets": votes > 1, "votes": votes, "people": people}
    truth = Truth("rates", ("a", "b"), np.arange(4), votes / 3, hits, **known)
    rows = Rows()
    _f1_with_one_person(Case({"model": Answers(sets.double(), sets=sets)}, truth, "model", 0, rows))
    kept = {who: [f.value for f in rows.rows if f.system == who] for who in ("model", "person")}
    # the model: TP 2/3 + 1/3, said twice, right once in all, 2 TP over 3; b is never said, and sometimes right
    assert kept["model"] == [pytest.approx(2 / 3), 0]
    # people: of three with two votes one pair in three agrees; 2 * 1/3 over 1 + 1
    assert kept["person"] == [pytest.approx(1 / 3), 0]


def test_entropy_says_how_undecided_an_image_is():
    assert entropies(np.array([[0.5, 0.0], [1.0, 1.0]]), rates=True).tolist() == pytest.approx([0.5, 0.0])
    assert entropies(np.array([[0.5, 0.5], [1.0, 0.0]]), rates=False).tolist() == pytest.approx([1.0, 0.0])


def test_images_by_people_asked_and_few_join_their_neighbours():
    found = groups_of(np.tile([3, 5, 3, 4], 10))
    assert [(name, rows[:2].tolist()) for name, rows in found] == [("3", [0, 2]), ("4", [3, 7]), ("5", [1, 5])]
    many = groups_of(np.arange(1, 61))
    assert [name for name, _ in many] == ["1 to 10", "11 to 20", "21 to 30", "31 to 40", "41 to 50", "51 to 60"]
    n = np.array([3] * 2 + [4] * 12 + [5] * 30)
    assert [(name, len(rows)) for name, rows in groups_of(n)] == [("3 to 4", 14), ("5", 30)]
    assert [(name, len(rows)) for name, rows in groups_of(n[::-1][:35])] == [("4 to 5", 35)]


def test_average_precision_of_a_random_order_is_the_mean_over_all_orders():
    """1 of 45: .098, where the label's share is .022; none, one, two and all of 5 by listing every order."""
    orders = np.array(list(itertools.permutations(range(5))))
    target = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]])
    every = [
        F.mean_average_precision(torch.tensor(order)[:, None].expand(5, 4), target, average="none") for order in orders
    ]
    assert chance_of_order(target.sum(0).numpy(), 5) == pytest.approx(torch.stack(every).mean(0).numpy(), nan_ok=True)
    assert chance_of_order(np.array([1]), 45) == pytest.approx(0.0977, abs=1e-4)
