"""Intervals: reproducible, of the right width, over rows or groups, exact against a plain loop."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from affectml_metrics import (
    ArgumentError,
    Interval,
    ShapeError,
    _bootstrap,
    bootstrap,
    bootstrap_sums,
    bootstrap_table,
    debiased_calibration,
    difference,
    draws,
    paired_difference,
    sampling_floor,
    student_interval,
)
from affectml_metrics import functional as F
from affectml_metrics._intervals import Debiased, student_quantile
from affectml_metrics.draws import shared_counts
from affectml_metrics.floor import sampling_floors
from affectml_metrics.table import find


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_same_generator_gives_the_same_interval():
    rows = torch.rand(50, generator=gen())
    assert bootstrap(rows, generator=gen(1)) == bootstrap(rows, generator=gen(1))
    assert bootstrap(rows, generator=gen(1)).low != bootstrap(rows, generator=gen(2)).low


def test_columns_are_drawn_together():
    rows = torch.rand(80, generator=gen())
    both = bootstrap(torch.stack([rows, rows + 1], dim=1), generator=gen(1))
    torch.testing.assert_close(both.low[1], both.low[0] + 1)
    torch.testing.assert_close(both.low[0], bootstrap(rows, generator=gen(1)).low, rtol=1e-12, atol=0)


def test_replicates_are_the_means_of_drawn_rows():
    rows = torch.rand(30, 2, generator=gen(), dtype=torch.float64)
    g, means = gen(5), []
    for _ in range(40):
        drawn = torch.empty(30, dtype=torch.int32).random_(0, 30, generator=g)
        means.append(rows[drawn.long()].mean(0))
    ordered = torch.stack(means).sort(0).values
    ours = bootstrap(rows, replicates=40, level=0.9, generator=gen(5))
    torch.testing.assert_close(ours.low, ordered[1])  # floor(.042 x 39); plain percentiles: floor(.05 x 39)
    torch.testing.assert_close(ours.high, ordered[38])


@pytest.mark.parametrize(("units", "replicates"), [(2, 3), (31, 100), (20_001, 33)])
@pytest.mark.parametrize("shared", [False, True])
def test_counts_are_those_of_draws_one_after_another(units, replicates, shared):
    g, h = gen(3), gen(3)
    drawn = [torch.empty(units, dtype=torch.int32).random_(0, units, generator=h) for _ in range(replicates)]
    wanted = torch.stack([one.bincount(minlength=units) for one in drawn])
    with shared_counts():
        for again in (False, True) if shared else (False,):
            g = gen(3) if again else g
            found = torch.cat([part.clone() for part in draws.counts_in_bytes(units, replicates, g, 32)])
            assert torch.equal(found, wanted.to(torch.uint8))
            assert torch.equal(g.get_state(), h.get_state())


def test_figures_that_share_counts_are_what_they_are_alone_and_draw_once(monkeypatch):
    rows, drawings = torch.rand(40, 2, generator=gen(), dtype=torch.float64), []
    draw = draws._drawn
    monkeypatch.setattr(draws, "_drawn", lambda room, *more: drawings.append(room.shape) or draw(room, *more))

    def two(seed):
        g = gen(seed)
        means = bootstrap(rows, generator=g)
        ratio = bootstrap_sums(rows, lambda s: s[:, :1] / s[:, 1:], generator=g)
        return [*means[:3], *ratio[:3]]

    alone = two(1)
    assert len(drawings) == 2
    with shared_counts():
        for found in (two(1), two(1)):
            assert all(torch.equal(a, b) for a, b in zip(found, alone, strict=True))
        assert len(drawings) == 4
        assert not torch.equal(two(2)[1], alone[1])
    assert drawings[2:4] == [(1000, 40)] * 2
    monkeypatch.setattr(draws, "_ROOM", 1000 * 40)
    with shared_counts():  # the second state finds no room
        for found in (two(1), two(1)):
            assert all(torch.equal(a, b) for a, b in zip(found, alone, strict=True))
    assert drawings[-3:] == [(1000, 40), (32, 40), (32, 40)]


def drawn_quickly(monkeypatch, units, replicates, short=5.0, at_once=128, seed=0):
    """Counts [replicates, units] drawn as if these were many units."""
    monkeypatch.setattr(draws, "QUICK_FROM", 1)
    monkeypatch.setattr(draws, "_SHORT", short)
    parts = draws.counts_in_bytes(units, replicates, gen(seed), at_once)
    return torch.cat([part.clone() for part in parts]).numpy()


def test_quick_draws_are_multinomial(monkeypatch):
    """Every outcome of 4 draws from 4 units, where nearly a fifth of the sums is too large and drawn again."""
    counts = drawn_quickly(monkeypatch, 4, 8000, short=0.5)
    outcomes, seen = np.unique(counts, axis=0, return_counts=True)
    chances = stats.multinomial.pmf(outcomes, 4, [0.25] * 4)
    assert len(outcomes) == math.comb(7, 3)
    assert chances.sum() == pytest.approx(1)
    assert stats.chisquare(seen, 8000 * chances).pvalue > 0.01
    assert np.corrcoef(counts[:, 0], counts[:, 1])[0, 1] == pytest.approx(-1 / 3, abs=0.03)


def test_a_unit_of_many_is_drawn_as_often_as_the_binomial_says(monkeypatch):
    counts = drawn_quickly(monkeypatch, 50_000, 40)
    assert (counts.sum(1, dtype=np.int64) == 50_000).all()
    seen = np.bincount(counts.ravel(), minlength=8)
    chances = stats.binom.pmf(np.arange(7), 50_000, 1 / 50_000)
    assert (
        stats.chisquare([*seen[:7], seen[7:].sum()], counts.size * np.append(chances, 1 - chances.sum())).pvalue > 0.01
    )
    assert abs(np.corrcoef(counts[:, :-1].ravel(), counts[:, 1:].ravel())[0, 1]) < 4 / counts.size**0.5


@pytest.mark.parametrize("more", [0.0, 0.5, 0.999])
def test_every_word_of_a_quick_draw_is_the_count_that_its_number_is(more):
    """The numbers are the word and a part of one; only for some words does the part matter."""

    class Words:
        bit_generator = property(lambda self: self)

        def random_raw(self, size):
            return np.arange(2**16, dtype=np.uint16).view(np.uint64)

        def random(self, size):
            return np.full(size, more)

    beyond, row = 2**16 * draws._poisson_tails(0.9), np.empty(2**16, dtype=np.uint8)
    total = draws._poissons(row, beyond, Words())
    assert beyond == pytest.approx(2**16 * stats.poisson.sf(np.arange(len(beyond)), 0.9))
    assert (row == (np.arange(2**16)[:, None] + more < beyond).sum(1)).all()
    assert total == row.sum(dtype=int)


def test_quick_draws_of_one_seed_are_the_same_however_many_at_a_time(monkeypatch):
    counts = drawn_quickly(monkeypatch, 101, 50)
    assert (drawn_quickly(monkeypatch, 101, 50, at_once=7) == counts).all()
    with shared_counts():
        assert (drawn_quickly(monkeypatch, 101, 50) == counts).all()
    assert (drawn_quickly(monkeypatch, 101, 50, seed=1) != counts).any()


@pytest.mark.parametrize("room", [2**29, 0])
def test_figures_of_many_rows_are_those_of_the_same_quick_draws(monkeypatch, room):
    """Means, with a row that is not defined and one that is infinite, and sums of whole and of other numbers."""
    monkeypatch.setattr(draws, "_PIECE", 64)
    monkeypatch.setattr(draws, "_ROOM", room)
    counts = torch.from_numpy(drawn_quickly(monkeypatch, 150, 200)).double()
    rows = torch.rand(150, 3, generator=gen(), dtype=torch.float64)
    rows[0, 1], rows[1, 2] = math.nan, math.inf
    whole = torch.cat([rows[:, :2] > 0.4, torch.ones(150, 1, dtype=torch.bool)], dim=1)
    spreads = []
    for name, at in (("of_mean", 1), ("of_table", 1)):
        of = getattr(_bootstrap, name)
        monkeypatch.setattr(_bootstrap, name, lambda *a, of=of, at=at, **b: spreads.append(a[at]) or of(*a, **b))
    g = gen()
    with shared_counts():
        bootstrap(rows, replicates=200, generator=g)
        for columns in (whole, whole[:, [2, 1, 1]], whole[:, 2:], rows[:, :1]):
            bootstrap_sums(columns, lambda sums: sums, replicates=200, generator=g)
        bootstrap_table(lambda w: w @ rows[:, 0], 150, replicates=200, generator=g)
    assert torch.equal(g.get_state(), gen().get_state())
    means, *sums = spreads
    defined = torch.stack([rows[:, 0], rows[:, 1].nan_to_num(), rows[:, 2].nan_to_num(posinf=0)], dim=1)
    size = torch.stack([counts.sum(1), counts[:, 1:].sum(1), counts.sum(1)], dim=1)
    wanted = counts @ defined / size
    wanted[counts[:, 1] > 0, 2] = math.inf
    torch.testing.assert_close(means, wanted)
    x = whole.double()
    for found, columns in zip(sums, (x, x[:, [2, 1, 1]], x[:, 2:], rows[:, :1], rows[:, :1]), strict=True):
        torch.testing.assert_close(found, counts @ columns)


def test_floors_of_several_metrics_are_each_of_them_alone():
    truth = torch.rand(30, 3, generator=gen())
    metrics = {"brier": F.rate_brier_score, "manhattan": F.rate_manhattan}
    found = sampling_floors(truth, 5, metrics, kind="rates", generator=gen(1))
    alone = {name: sampling_floor(truth, 5, of, kind="rates", generator=gen(1)) for name, of in metrics.items()}
    assert found == alone


def covered(draw, truth):
    """How often the interval of `draw(generator)` holds the truth."""
    g = gen(11)
    intervals = [draw(g) for _ in range(300)]
    return sum(bool(one.low <= truth <= one.high) for one in intervals) / len(intervals)


def test_it_covers_the_truth_about_as_often_as_it_says():
    def draw(g):
        return bootstrap(torch.rand(60, generator=g), replicates=300, level=0.9, generator=g)

    assert 0.84 <= covered(draw, 0.5) <= 0.95


def test_undefined_rows_are_left_out_and_counted():
    rows = torch.tensor([[1.0, math.nan], [3.0, 2.0], [math.nan, math.nan]])
    interval = bootstrap(rows, generator=gen())
    assert interval.value.tolist() == [2.0, 2.0]
    assert interval.rows.tolist() == [2, 1]
    assert interval.skipped.tolist() == [1, 2]
    assert bootstrap([math.nan, math.nan], generator=gen()).value.isnan()


def test_an_infinite_row_makes_the_mean_infinite():
    interval = bootstrap([1.0, 2.0, math.inf], generator=gen())
    assert interval.value == interval.high == math.inf
    assert interval.low < 3


def test_whole_groups_are_drawn():
    rows = torch.randn(40, generator=gen(), dtype=torch.float64)
    ten_times = rows.repeat_interleave(10)
    groups = [f"film {i // 10:02}" for i in range(400)]
    once = bootstrap(rows, generator=gen(1))
    grouped = bootstrap(ten_times, groups=groups, generator=gen(1))
    assert float(grouped.low) == pytest.approx(float(once.low))
    assert float(grouped.high) == pytest.approx(float(once.high))
    naive = bootstrap(ten_times, generator=gen(1))
    assert naive.high - naive.low < (grouped.high - grouped.low) / 2


def test_groups_of_numbers_and_of_words_are_the_same():
    rows = torch.rand(20, generator=gen())
    ids = np.arange(20) // 3
    by_number = bootstrap(rows, groups=ids, generator=gen())
    assert by_number == bootstrap(rows, groups=torch.from_numpy(ids), generator=gen())
    assert by_number == bootstrap(rows, groups=np.array([f"g{i}" for i in ids], dtype=object), generator=gen())


def test_a_table_measure_that_is_a_mean_agrees_with_rows():
    rows = torch.rand(60, generator=gen(), dtype=torch.float64)
    by_weights = bootstrap_table(lambda w: (w @ rows) / w.sum(), 60, replicates=200, generator=gen(3))
    by_sums = bootstrap_sums(
        torch.stack([rows, torch.ones(60)], dim=1), lambda s: s[:, :1] / s[:, 1:], replicates=200, generator=gen(3)
    )
    by_rows = bootstrap(rows, replicates=200, generator=gen(3))
    for ours, theirs, plain in zip(by_weights[:3], by_sums[:3], by_rows[:3], strict=True):
        assert float(ours) == pytest.approx(float(theirs), abs=1e-12)
        assert float(ours) == pytest.approx(float(plain), abs=0.02)  # BCa moves the ends of a mean but little


def test_macro_f1_by_sums_and_by_weights_agree():
    p, t = torch.rand(50, 4, generator=gen()) < 0.4, torch.rand(50, 4, generator=gen(1)) < 0.4
    options, sums = {"groups": torch.arange(50) // 2, "replicates": 100}, find("label_f1_macro").sums
    by_weights = bootstrap_table(lambda w: F.label_f1(p, t, weights=w), 50, generator=gen(2), **options)
    by_sums = bootstrap_sums(
        sums.columns(p, t), lambda s: sums.statistic(s, average="macro")[:, None], generator=gen(2), **options
    )
    assert float(by_weights.low) == pytest.approx(float(by_sums.low[0]), abs=1e-12)


@pytest.mark.parametrize("none", [None, math.nan, pd.NA, pd.NaT], ids=str)
def test_a_row_without_a_group_is_a_group_of_its_own(none):
    rows = torch.rand(20, generator=gen(0), dtype=torch.float64)
    films = ["alien", "alien", "brazil", "brazil", "brazil"] * 3
    own = [f"image {i}" for i in range(5)]
    listed = [*films, *[none] * 5]
    for groups in (listed, np.array(listed, dtype=object), pd.Series(listed, dtype="string")):
        found = bootstrap(rows, groups=groups, generator=gen(1))
        assert found == bootstrap(rows, groups=[*films, *own], generator=gen(1))
        assert int(found.units) == 7
    assert int(student_interval(rows, groups=[1.0] * 15 + [math.nan] * 5).units) == 6


def test_rows_called_none_are_a_group():
    assert int(bootstrap([0.0, 1.0, 1.0], groups=["None", "None", "nan"], generator=gen(0)).units) == 2


def test_quantiles_of_students_t_are_scipys():
    for freedom in (1, 1.3, 2, 3, 4.87, 8, 29, 39.9, 40, 300.5):
        for share in (0.51, 0.9, 0.975, 0.995, 0.9999):
            assert student_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-6)


def test_few_rows_have_students_interval():
    rows = torch.rand(9, generator=gen(), dtype=torch.float64)
    ours = bootstrap(rows, generator=gen())
    low, high = stats.t.interval(0.95, 8, rows.mean(), rows.std() / 3)
    assert (float(ours.low), float(ours.high)) == pytest.approx((low, high))
    by_weights = bootstrap_table(lambda w: (w @ rows) / w.sum(), 9, generator=gen())
    assert (float(by_weights.low), float(by_weights.high)) == pytest.approx((low, high))
    one = bootstrap([0.3], generator=gen())
    assert one.low == one.value == one.high


def test_an_interval_says_how_many_rows_or_groups_it_rests_on():
    rows = torch.tensor([[0.1, math.nan], [0.2, math.nan], [0.3, 0.4], [0.5, 0.6]])
    assert bootstrap(rows, generator=gen()).units.tolist() == [4, 2]
    assert bootstrap(rows, groups=[0, 0, 1, 2], generator=gen()).units.tolist() == [3, 2]
    assert bootstrap_table(torch.sum, 4, groups=[0, 0, 1, 1], generator=gen()).units == 2


def test_twenty_rows_are_covered():
    """Plain percentiles hold the mean of 20 such rows in 91 % of draws."""
    values = torch.tensor([0.0, 0.4, 0.5, 2 / 3, 0.8, 1.0], dtype=torch.float64)
    shares = torch.tensor([0.2, 0.1, 0.15, 0.2, 0.1, 0.25], dtype=torch.float64)

    def draw(g):
        rows = values[shares.multinomial(20, replacement=True, generator=g)]
        return bootstrap(rows, replicates=300, generator=g)

    assert covered(draw, float(values @ shares)) >= 0.93


@pytest.mark.parametrize("count", [5, 10])
def test_few_groups_are_covered(count):
    """Plain percentiles hold the mean in 82 % of draws of 5 groups and in 89 % of 10."""

    def draw(g):
        middle = torch.randn(count, 1, generator=g, dtype=torch.float64)
        rows = (middle + torch.randn(count, 8, generator=g, dtype=torch.float64)).flatten()
        return bootstrap(rows, groups=torch.arange(count).repeat_interleave(8), replicates=100, generator=g)

    assert covered(draw, 0.0) >= 0.92


def test_a_paired_difference_is_that_of_the_rows():
    a, b = torch.rand(60, 2, generator=gen(), dtype=torch.float64), torch.rand(60, 2, generator=gen(1))
    b[0, 1] = math.nan
    found, plain = paired_difference(a, b, generator=gen(2)), bootstrap(a - b, generator=gen(2))
    assert found.rows.tolist() == [60, 59]
    assert found.skipped.tolist() == [0, 1]
    for ours, theirs in ((found.value, plain.value), (found.low, plain.low), (found.high, plain.high)):
        torch.testing.assert_close(ours, theirs)
    again = paired_difference(a, b, generator=gen(2))
    assert all(torch.equal(x, y) for x, y in zip(found, again, strict=True))
    back = paired_difference(b, a, generator=gen(2))
    torch.testing.assert_close(back.value, -found.value)
    torch.testing.assert_close(back.p, found.p)


def test_the_p_value_is_near_students_where_differences_are_normal():
    apart = torch.randn(60, 40, generator=gen(), dtype=torch.float64) + torch.linspace(0, 0.6, 40)
    found = paired_difference(apart, torch.zeros(60, 40), replicates=4000, generator=gen(1)).p
    student = stats.ttest_1samp(apart.numpy(), 0).pvalue
    assert np.abs(found.numpy() - student).max() < 0.06
    assert np.abs(found.numpy() - student).mean() < 0.02


@pytest.mark.parametrize(
    "drawn",
    [
        pytest.param(lambda z, u: z.exp() - math.exp(0.5), id="log-normal"),
        pytest.param(lambda z, u: z.square() - 1, id="a divergence"),
        pytest.param(lambda z, u: (u < 0.1).double() - (u > 0.9).double(), id="hits"),
        pytest.param(lambda z, u: 0.07 - 0.7 * (u < 0.1) + 0.03 * z, id="one large loss in ten"),
    ],
)
def test_equal_means_are_seldom_called_different_however_skewed(drawn):
    """Sign flips, whose null is another, called 10, 8, 2 and 10 % of these different."""
    z, u = torch.randn(50, 1500, generator=gen(5), dtype=torch.float64), torch.rand(50, 1500, generator=gen(6))
    found = paired_difference(drawn(z, u), torch.zeros(50, 1500), generator=gen(7))
    assert float((found.p <= 0.05).double().mean()) <= 0.065


def test_a_difference_that_is_there_has_a_small_p_value():
    gain = 0.05 + 0.2 * torch.randn(200, generator=gen(), dtype=torch.float64)
    assert paired_difference(gain, torch.zeros(200), generator=gen()).p < 0.01
    assert paired_difference(torch.full((40,), 0.1), torch.zeros(40), generator=gen()).p == 1 / 1001


def test_whole_groups_are_drawn_for_the_p_value():
    gain = torch.randn(40, generator=gen(), dtype=torch.float64)
    rows = paired_difference(gain, torch.zeros(40), generator=gen()).p
    groups = torch.arange(40).repeat_interleave(5)
    of_groups = paired_difference(gain.repeat_interleave(5), torch.zeros(200), groups=groups, generator=gen())
    torch.testing.assert_close(of_groups.p, rows)
    assert paired_difference(gain.repeat_interleave(5), torch.zeros(200), generator=gen()).p < rows


def test_fewer_than_thirty_rows_or_groups_have_no_p_value():
    gain = torch.rand(300, generator=gen(), dtype=torch.float64)
    assert paired_difference(gain[:29], torch.zeros(29), generator=gen()).p.isnan()
    assert not paired_difference(gain[:30], torch.zeros(30), generator=gen()).p.isnan()
    assert paired_difference(gain, torch.zeros(300), groups=torch.arange(300) % 29, generator=gen()).p.isnan()


def test_a_difference_on_no_row_has_no_p_value():
    nowhere = paired_difference([math.nan, 1.0], [0.5, math.nan], generator=gen())
    assert all(math.isnan(float(x)) for x in (nowhere.value, nowhere.low, nowhere.high, nowhere.p))
    columns = paired_difference([[math.nan, 1.0]] * 40, [[0.0, 0.0]] * 40, generator=gen())
    assert columns.p.isnan().tolist() == [True, False]


def test_systems_that_do_not_differ_have_a_p_value_of_one():
    same = torch.rand(40, generator=gen())
    found = paired_difference(same, same, generator=gen())
    assert found.p == 1
    assert found.low == found.value == found.high == 0


def test_a_difference_of_other_images_keeps_lopsided_ends():
    def interval(*ends):
        return Interval(*(torch.tensor(x) for x in (*ends, 50, 0, 20)))

    found = difference(interval(0.5, 0.4, 0.5), interval(0.2, 0.2, 0.4))
    near = [float(x) for x in found[:3]]
    assert near == pytest.approx([0.3, 0.3 - math.hypot(0.1, 0.2), 0.3])
    assert found.units == 20


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: paired_difference([1.0], [1.0, 2.0], generator=gen()), ShapeError, "a and b: expected rows of"),
        (lambda: bootstrap(torch.zeros(2, 2, 2), generator=gen()), ShapeError, r"rows: expected \[N\] or"),
        (lambda: bootstrap([1.0], level=95, generator=gen()), ArgumentError, "level: expected a number between 0 and"),
        (lambda: bootstrap([1.0], replicates=0, generator=gen()), ArgumentError, "replicates"),
        (lambda: bootstrap([1.0], generator=0), ArgumentError, "generator: expected a CPU torch.Generator"),
        (lambda: bootstrap([1.0, 2.0], groups=[1], generator=gen()), ShapeError, r"groups: expected \[2\]"),
        (lambda: bootstrap_table(torch.sum, 0, generator=gen()), ArgumentError, "n: expected a whole number"),
        (lambda: bootstrap_sums([1.0], torch.sum, generator=gen()), ShapeError, r"columns: expected \[N, M\]"),
    ],
)
def test_wrong_calls_are_refused(call, error, match):
    with pytest.raises(error, match=match):
        call()


def calibrated(rows, generator, votes=1, wrong=0.0):
    rates = torch.rand(rows, 1, generator=generator, dtype=torch.float64)
    true = (rates + wrong * (0.5 - rates)).expand(rows, votes)
    return rates, torch.bernoulli(true, generator=generator).mean(1, keepdim=True)


@pytest.mark.parametrize("votes", [1, 5])
def test_squared_calibration_error_has_no_bias(votes):
    g = gen(3)
    found = torch.stack([F.squared_calibration_error(*calibrated(300, g, votes)) for _ in range(400)])
    assert abs(float(found.mean())) < 3 * float(found.std()) / 20
    assert 0.5 < (found < 0).double().mean() < 0.65
    assert F.label_calibration_error(*calibrated(300, g, votes)) > 0.01  # and that of a perfect model


@pytest.mark.parametrize("wrong", [0.0, 0.2, 0.4])
def test_an_interval_of_calibration_holds_the_truth_and_its_own_value(wrong):
    """Plain percentiles hold the truth in 77 % of draws where it is 0, and seldom their own value."""
    g, hits, truth = gen(5), 0, wrong**2 / 12
    for _ in range(60):
        rates, shares = calibrated(500, g, wrong=wrong)
        found = bootstrap_table(debiased_calibration(rates, shares), 500, replicates=100, generator=g)
        assert found.low <= found.value <= found.high
        hits += bool(found.low <= truth <= found.high)
    assert hits / 60 >= 0.9


CELLWISE = ["mean_average_precision", "label_auroc_macro", "squared_calibration_error"]  # a cell may be unasked


@pytest.mark.parametrize("rows", [1, 7, 300])
@pytest.mark.parametrize(
    ("name", "unasked"),
    [("entropy_correlation", False), *((name, some) for name in CELLWISE for some in (False, True))],
)
def test_many_weights_at_once_are_each_of_them_alone(name, rows, unasked):
    """With ties, labels that nobody has, rows that are not drawn, weights between whole numbers, cells not asked."""
    spec = find(name)
    g = torch.Generator().manual_seed(rows)
    preds = torch.rand(rows, 5, generator=g, dtype=torch.float64).round(decimals=1) + 0.01 * torch.arange(5)
    preds = preds / preds.sum(1, keepdim=True)
    target = torch.rand(rows, 5, generator=g) < 0.3
    target[:, 0] = False
    shares = (target + 0.2) / (target + 0.2).sum(1, keepdim=True)
    target = (target if "ranking" in spec.kinds else shares.double()).double()
    if unasked:
        target = target.masked_fill(torch.rand(rows, 5, generator=g) < 0.2, -1)
    drawn = torch.randint(0, 4, (6, rows), generator=g).double()
    drawn[:, 0] += 1
    for weights in (drawn, drawn + 0.25, drawn.to(torch.uint8)):
        found = spec.prepared(preds, target)
        found = (found.metric if isinstance(found, Debiased) else found).many(weights)
        wanted = torch.stack([spec.function(preds, target, weights=row) for row in weights])
        torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0, equal_nan=True)


def test_bytes_are_added_up_in_a_build_of_torch_without_the_operator_for_them(monkeypatch):
    monkeypatch.setattr("affectml_metrics.functional.rows._BYTE_BAGS", None)
    for name in CELLWISE:
        test_many_weights_at_once_are_each_of_them_alone(name, 300, False)
