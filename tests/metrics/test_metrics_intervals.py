"""Intervals and p values: of one piece, covering as often as they say, over rows or groups, exact where known."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import optimize, stats

import affectml_metrics as am
from affectml_metrics import functional as F
from affectml_metrics.floor import sampling_floors
from affectml_metrics.table import find

from .checks import gen, many


def test_ends_are_where_the_farther_of_students_and_halls_t_reaches_its_quantile():
    """An independent calculation: the two statistics of Hall 1992, and their roots found by bisection."""
    rows = torch.rand(40, generator=gen(), dtype=torch.float64).exp().square().numpy()
    mean, error = rows.mean(), rows.std(ddof=1) / 40**0.5
    skew = ((rows - mean) ** 3).mean() / rows.std() ** 3

    def p_value(at):
        t = (mean - at) / error
        hall = t + skew * t**2 / (3 * 40**0.5) + skew**2 * t**3 / (27 * 40) + skew / (6 * 40**0.5)
        return 2 * stats.t.sf(min(abs(t), abs(hall)), 39)

    found = am.mean_interval(rows)
    for end, outside in ((found.low, mean - 9 * error), (found.high, mean + 9 * error)):
        wanted = optimize.brentq(lambda at: p_value(at) - 0.05, *sorted((mean, outside)))
        assert float(end) == pytest.approx(wanted, abs=1e-11)
    at = mean - 2.2 * error
    assert float(am.paired_difference(rows, [at] * 40).p) == pytest.approx(p_value(at), rel=1e-9)


def log_normal(z, sigma):
    return (sigma * z).exp()


FIFTY_ROWS = [
    pytest.param(lambda z, u: z, 0, 0.94, 0.96, id="normal"),
    pytest.param(lambda z, u: log_normal(z, 0.8), math.exp(0.32), 0.94, 0.97, id="log-normal .8"),
    pytest.param(lambda z, u: log_normal(z, 1.5), math.exp(1.125), 0.90, 0.93, id="log-normal 1.5"),
    pytest.param(lambda z, u: log_normal(z, 1.5) - log_normal(z.flip(1), 1.5), 0, 0.95, 0.98, id="of two such"),
    pytest.param(lambda z, u: (u < 0.9).double(), 0.9, 0.95, 1, id="accuracy .9"),
    pytest.param(lambda z, u: (u < 0.97).double(), 0.97, 0.95, 1, id="accuracy .97"),
    pytest.param(lambda z, u: (u < 0.99).double()[:45], 0.99, 0.95, 1, id="accuracy .99 of 45"),
]


@pytest.mark.parametrize(("drawn", "truth", "covers", "most"), FIFTY_ROWS)
def test_fifty_rows_are_covered_and_p_is_of_one_piece_with_the_interval(drawn, truth, covers, most):
    """Percentiles held these means in .95, .93, .84, .93, .94, .78 and .36; log-normal 1.5 is what Hall's t reaches."""
    z, u = torch.randn(50, 4000, generator=gen(5), dtype=torch.float64), torch.rand(50, 4000, generator=gen(6))
    rows = drawn(z, u)
    bounds = [(0, 1)] * 4000 if bool(((rows == 0) | (rows == 1)).all()) else []
    found = am.mean_interval(rows, bounds=bounds)
    inside = (found.low <= truth) & (truth <= found.high)
    assert covers <= float(inside.double().mean()) <= most
    apart = am.paired_difference(rows, torch.full_like(rows, truth), bounds=[(-truth, 1 - truth)] * len(bounds))
    assert torch.equal(apart.p < 0.05, ~inside)


def test_the_power_on_normal_differences_is_that_of_students_t():
    apart = 0.36 + torch.randn(50, 4000, generator=gen(3), dtype=torch.float64)
    ours = float((am.paired_difference(apart, torch.zeros(50, 4000)).p < 0.05).double().mean())
    student = float((stats.ttest_1samp(apart.numpy(), 0).pvalue < 0.05).mean())
    assert student == pytest.approx(0.71, abs=0.02)
    assert ours > student - 0.03


@pytest.mark.parametrize("level", [0.8, 0.95])
@pytest.mark.parametrize("grouped", [False, True])
def test_an_interval_leaves_out_0_exactly_where_p_is_below_what_it_leaves(level, grouped):
    shape = torch.randn(90, 500, generator=gen(1), dtype=torch.float64)
    rows = torch.where(torch.arange(500) % 2 == 0, shape, (shape.exp() - 1.3).round(decimals=1)) + 0.2
    rows[torch.rand(90, 500, generator=gen(2)) < 0.1] = math.nan
    groups = torch.arange(90) // 2 if grouped else None
    found = am.paired_difference(rows, torch.zeros(90, 500), groups=groups, level=level)
    outside = (found.low > 0) | (found.high < 0)
    assert 50 < int(outside.sum()) < 450
    assert torch.equal(outside, found.p < 1 - level)


@pytest.mark.parametrize(("rows", "low", "high"), [(1.0, 0.9119, 1.0), (0.0, 0.0, 0.0881), (0.5, 0.4559, 0.5441)])
def test_rows_that_are_all_alike_have_the_exact_interval(rows, low, high):
    """Clopper & Pearson 1934: of 40 right answers, .025 ** (1 / 40)."""
    found = am.mean_interval([rows] * 40, bounds=[(0, 1)])
    assert (float(found.low), float(found.high)) == pytest.approx((low, high), abs=1e-4)
    assert float(found.low) == pytest.approx(rows * stats.beta.ppf(0.025, 40, 1))
    alike = torch.full((40,), rows, dtype=torch.float64)
    by_table = am.table_interval(lambda w: (w @ alike) / w.sum(), 40, bounds=[(0, 1)])
    assert (float(by_table.low), float(by_table.high)) == pytest.approx((low, high), abs=1e-4)
    assert am.mean_interval([rows] * 40)[:3] == (rows, rows, rows)  # without bounds nothing is known of others


def test_a_label_that_is_always_right_rests_on_the_rows_that_have_it():
    target = torch.zeros(60, 2, dtype=torch.bool)
    target[:3, 0], target[:40, 1] = True, True
    f1 = find("label_f1_macro").sums
    for groups, rests in ((None, (3, 40)), (torch.arange(60) // 2, (2, 20))):
        options = {"groups": groups, "bounds": [(0, 1)] * 2}
        found = am.sums_interval(f1.columns(target, target), lambda s: f1.statistic(s, average="none"), **options)
        assert found.value.tolist() == found.high.tolist() == [1, 1]
        assert found.low.tolist() == pytest.approx([0.025 ** (1 / rows) for rows in rests])


def test_what_rests_on_one_unit_has_no_interval():
    for one in (am.mean_interval([0.3]), am.mean_interval([0.3, 0.4], groups=["a", "a"]), am.student_interval([0.3]),
                am.mean_interval([0.3, math.nan], bounds=[(0, 1)]), am.table_interval(lambda w: w.sum(), 1),
                am.sums_interval([[1.0], [2.0]], lambda sums: sums, groups=[1, 1])):  # fmt: skip
        assert not one.value.isnan().any()
        assert (one.low.isnan() & one.high.isnan()).all()


def test_columns_of_a_table_are_each_of_them_alone():
    rows = torch.rand(80, generator=gen())
    both = am.mean_interval(torch.stack([rows, rows + 1], dim=1))
    torch.testing.assert_close(both.low[1], both.low[0] + 1)
    torch.testing.assert_close(both.low[0], am.mean_interval(rows).low, rtol=1e-12, atol=0)


def test_floors_of_several_metrics_are_each_of_them_alone():
    truth = torch.rand(30, 3, generator=gen())
    metrics = {"brier": F.rate_brier_score, "manhattan": F.rate_manhattan}
    found = sampling_floors(truth, 5, metrics, kind="rates", generator=gen(1))
    alone = {name: am.sampling_floor(truth, 5, of, kind="rates", generator=gen(1)) for name, of in metrics.items()}
    assert found == alone


def test_undefined_rows_are_left_out_and_counted_and_so_are_the_rows_or_groups_that_it_rests_on():
    rows = torch.tensor([[1.0, math.nan], [2.0, math.nan], [3.0, 4.0], [2.0, 6.0], [math.nan, math.nan]])
    found = am.mean_interval(rows)
    counts = [field.tolist() for field in (found.value, found.rows, found.skipped, found.units)]
    assert counts == [[2, 5], [4, 2], [1, 3], [4, 2]]
    assert am.mean_interval(rows, groups=[0, 0, 1, 2, 2]).units.tolist() == [3, 2]
    assert am.table_interval(torch.sum, 4, groups=[0, 0, 1, 1]).units == 2
    assert am.mean_interval([math.nan, math.nan]).value.isnan()


def test_whole_groups_are_left_out_together_whether_numbers_or_words():
    rows, films = torch.randn(40, generator=gen(), dtype=torch.float64), np.arange(400) // 10
    ten_times, once = rows.repeat_interleave(10), am.mean_interval(rows)
    naive, grouped = (am.mean_interval(ten_times, groups=groups) for groups in (None, films))
    assert (float(grouped.low), float(grouped.high)) == pytest.approx((float(once.low), float(once.high)))
    assert naive.high - naive.low < (grouped.high - grouped.low) / 2
    for groups in (torch.from_numpy(films), np.array([f"film {i:02}" for i in films], dtype=object)):
        assert am.mean_interval(ten_times, groups=groups) == grouped


def test_a_table_measure_that_is_a_mean_agrees_with_rows():
    rows = torch.rand(60, generator=gen(), dtype=torch.float64)
    by_weights = am.table_interval(lambda w: (w @ rows) / w.sum(), 60)
    by_sums = am.sums_interval(torch.stack([rows, torch.ones(60)], dim=1), lambda s: s[:, :1] / s[:, 1:])
    for ours, theirs, plain in zip(by_weights[:3], by_sums[:3], am.mean_interval(rows)[:3], strict=True):
        assert float(theirs) == pytest.approx(float(ours), abs=1e-12) == float(plain)


def test_macro_f1_by_sums_and_by_weights_agree():
    p, t = torch.rand(50, 4, generator=gen()) < 0.4, torch.rand(50, 4, generator=gen(1)) < 0.4
    options, sums = {"groups": torch.arange(50) // 2}, find("label_f1_macro").sums
    by_weights = am.table_interval(lambda w: F.label_f1(p, t, weights=w), 50, **options)
    by_sums = am.sums_interval(sums.columns(p, t), lambda s: sums.statistic(s, average="macro")[:, None], **options)
    assert float(by_weights.low) == pytest.approx(float(by_sums.low[0]), abs=1e-12)


@pytest.mark.parametrize("none", [None, math.nan, pd.NA, pd.NaT], ids=str)
def test_a_row_without_a_group_is_a_group_of_its_own(none):
    rows = torch.rand(20, generator=gen(0), dtype=torch.float64)
    films = ["alien", "alien", "brazil", "brazil", "brazil"] * 3
    own = [f"image {i}" for i in range(5)]
    listed = [*films, *[none] * 5]
    for groups in (listed, np.array(listed, dtype=object), pd.Series(listed, dtype="string")):
        found = am.mean_interval(rows, groups=groups)
        assert found == am.mean_interval(rows, groups=[*films, *own])
        assert int(found.units) == 7
    assert int(am.student_interval(rows, groups=[1.0] * 15 + [math.nan] * 5).units) == 6
    assert int(am.mean_interval([0.0, 1.0, 1.0], groups=["None", "None", "nan"]).units) == 2  # rows called so


def test_few_rows_have_students_interval():
    rows = torch.rand(9, generator=gen(), dtype=torch.float64)
    ours = am.mean_interval(rows)
    low, high = stats.t.interval(0.95, 8, rows.mean(), rows.std() / 3)
    assert (float(ours.low), float(ours.high)) == pytest.approx((low, high))
    by_weights = am.table_interval(lambda w: (w @ rows) / w.sum(), 9)
    assert (float(by_weights.low), float(by_weights.high)) == pytest.approx((low, high))


def test_twenty_rows_are_covered():
    """Plain percentiles hold the mean of 20 such rows in 91 % of draws."""
    values = torch.tensor([0.0, 0.4, 0.5, 2 / 3, 0.8, 1.0], dtype=torch.float64)
    shares = torch.tensor([0.2, 0.1, 0.15, 0.2, 0.1, 0.25], dtype=torch.float64)

    found = am.mean_interval(values[shares.multinomial(20 * 4000, replacement=True, generator=gen(11)).view(20, 4000)])
    inside = (found.low <= values @ shares) & (values @ shares <= found.high)
    assert float(inside.double().mean()) >= 0.93  # of 4,000 draws, whose share is known to .004


@pytest.mark.parametrize("count", [5, 10])
def test_few_groups_are_covered(count):
    """Plain percentiles hold the mean in 82 % of draws of 5 groups and in 89 % of 10; 4,000 draws tell it to .004."""
    g = gen(11)
    middle = torch.randn(count, 1, 4000, generator=g, dtype=torch.float64)
    rows = (middle + torch.randn(count, 8, 4000, generator=g, dtype=torch.float64)).flatten(0, 1)
    found = am.mean_interval(rows, groups=torch.arange(count).repeat_interleave(8))
    assert float(((found.low <= 0) & (found.high >= 0)).double().mean()) >= 0.92


def test_a_paired_difference_is_that_of_the_rows():
    a, b = torch.rand(60, 2, generator=gen(), dtype=torch.float64), torch.rand(60, 2, generator=gen(1))
    b[0, 1] = math.nan
    found, plain = am.paired_difference(a, b), am.mean_interval(a - b)
    assert (found.rows.tolist(), found.skipped.tolist()) == ([60, 59], [0, 1])
    torch.testing.assert_close(found[:3], plain[:3])
    assert all(torch.equal(x, y) for x, y in zip(found, am.paired_difference(a, b), strict=True))
    back = am.paired_difference(b, a)
    torch.testing.assert_close(back.value, -found.value)
    torch.testing.assert_close(back.p, found.p)


EQUAL_MEANS = [
    pytest.param(lambda z, u: z.exp() - math.exp(0.5), id="log-normal"),
    pytest.param(lambda z, u: z.square() - 1, id="a divergence"),
    pytest.param(lambda z, u: (u < 0.1).double() - (u > 0.9).double(), id="hits"),
    pytest.param(lambda z, u: 0.07 - 0.7 * (u < 0.1) + 0.03 * z, id="one large loss in ten"),
]


@pytest.mark.parametrize("drawn", EQUAL_MEANS)
def test_equal_means_are_seldom_called_different_however_skewed(drawn):
    """Sign flips, whose null is another, called 10, 8, 2 and 10 % of these different."""
    z, u = torch.randn(50, 1500, generator=gen(5), dtype=torch.float64), torch.rand(50, 1500, generator=gen(6))
    found = am.paired_difference(drawn(z, u), torch.zeros(50, 1500))
    assert float((found.p <= 0.05).double().mean()) <= 0.065


def test_a_difference_that_is_there_has_a_small_p_value():
    gain = 0.05 + 0.2 * torch.randn(200, generator=gen(), dtype=torch.float64)
    assert am.paired_difference(gain, torch.zeros(200)).p < 0.01
    equal = am.paired_difference(torch.full((40,), 0.1), torch.zeros(40)).p
    assert float(equal) == pytest.approx(stats.binomtest(0, 40).pvalue)  # of which no bounds are known: the sign test


def test_fewer_than_thirty_rows_or_groups_have_no_p_value():
    gain = torch.rand(300, generator=gen(), dtype=torch.float64)
    assert am.paired_difference(gain[:29], torch.zeros(29)).p.isnan()
    assert not am.paired_difference(gain[:30], torch.zeros(30)).p.isnan()
    assert am.paired_difference(gain, torch.zeros(300), groups=torch.arange(300) % 29).p.isnan()


def test_a_difference_on_no_row_has_no_p_value():
    nowhere = am.paired_difference([math.nan, 1.0], [0.5, math.nan])
    assert all(math.isnan(float(x)) for x in (nowhere.value, nowhere.low, nowhere.high, nowhere.p))
    assert am.paired_difference([[math.nan, 1.0]] * 40, [[0.0, 0.0]] * 40).p.isnan().tolist() == [True, False]


def test_systems_that_do_not_differ_have_a_p_value_of_one():
    same = torch.rand(40, generator=gen())
    found = am.paired_difference(same, same)
    assert found.p == 1
    assert found.low == found.value == found.high == 0


def test_a_difference_of_other_images_keeps_lopsided_ends():
    def interval(*ends):
        return am.Interval(*(torch.tensor(x) for x in (*ends, 50, 0, 20)))

    found = am.difference(interval(0.5, 0.4, 0.5), interval(0.2, 0.2, 0.4))
    assert [float(x) for x in found[:3]] == pytest.approx([0.3, 0.3 - math.hypot(0.1, 0.2), 0.3])
    assert found.units == 20


def calibrated(rows, generator, votes=1, wrong=0.0, labels=1):
    rates = torch.rand(rows, labels, generator=generator, dtype=torch.float64)
    true = (rates + wrong * (0.5 - rates)).expand(votes, rows, labels)
    return rates, torch.bernoulli(true, generator=generator).mean(0)


@pytest.mark.parametrize("votes", [1, 5])
def test_squared_calibration_error_has_no_bias(votes):
    g = gen(3)
    found = F.squared_calibration_error(*calibrated(300, g, votes, labels=400), average="none")
    assert abs(float(found.mean())) < 3 * float(found.std()) / 20
    assert 0.5 < (found < 0).double().mean() < 0.65
    assert F.label_calibration_error(*calibrated(300, g, votes)) > 0.01  # and that of a perfect model


@pytest.mark.parametrize("wrong", [0.0, 0.2, 0.4])
def test_an_interval_of_calibration_holds_the_truth_and_its_own_value(wrong):
    """Plain percentiles hold the truth in 77 % of draws where it is 0, and seldom their own value."""
    g, hits, truth = gen(5), 0, wrong**2 / 12
    for _ in range(60):
        rates, shares = calibrated(500, g, wrong=wrong)
        found = am.table_interval(am.debiased_calibration(rates, shares), 500)
        assert found.low <= found.value <= found.high
        hits += bool(found.low <= truth <= found.high)
    assert hits / 60 >= 0.9


CELLWISE = ["mean_average_precision", "label_auroc_macro", "squared_calibration_error"]  # a cell may be unasked


PREPARED = [("entropy_correlation", False), *((name, some) for name in CELLWISE for some in (False, True))]


@pytest.mark.parametrize("rows", [1, 7, 300])
@pytest.mark.parametrize(("name", "unasked"), PREPARED)
def test_many_weights_at_once_and_the_table_without_a_block_are_each_of_them_alone(name, rows, unasked):
    """With ties, labels that nobody has, rows that are not drawn, weights between whole numbers, cells not asked."""
    spec = find(name)
    g = gen(rows)
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
    prepared, block = spec.prepared(preds, target), torch.arange(rows) % 5
    ways = [(many(prepared, weights), weights) for weights in (drawn, drawn + 0.25, drawn.to(torch.uint8))]
    for found, weights in (*ways, (prepared.without(block, 5), block != torch.arange(5)[:, None])):
        wanted = torch.stack([spec.function(preds, target, weights=row) for row in weights])
        torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0, equal_nan=True)


def test_blocks_of_a_large_table_do_not_follow_the_order_of_its_rows():
    """Rows by their value, such as images by label: blocks of every 200th would be alike, and the interval a tenth."""
    rows = torch.linspace(0, 1, 4000, dtype=torch.float64)
    added = torch.stack([rows, torch.ones_like(rows)], dim=1)
    by_rows = am.mean_interval(rows)
    for found in (
        am.table_interval(lambda weights: (weights @ rows) / weights.sum(), len(rows)),
        am.sums_interval(added, lambda sums: sums[:, :1] / sums[:, 1:]),
    ):
        assert float(found.value) == pytest.approx(0.5)
        assert float(found.high - found.low) == pytest.approx(float(by_rows.high - by_rows.low), rel=0.15)


AT_ITS_END = [
    ("label_f1_macro", 0, 400, 0, 400), ("label_recall_macro", 0, 400, 0, 400), ("label_f1_macro", 3, 3, 1, 3),
    ("label_precision_macro", 0, 400, 0, 1), ("label_specificity_macro", 3, 3, 1, 1000),
    ("label_mcc_macro", 3, 3, 1, 3), ("label_mcc_macro", 997, 997, 1, 3),
]  # fmt: skip


@pytest.mark.parametrize(("metric", "predicted", "right", "value", "rests"), AT_ITS_END)
def test_a_label_figure_at_its_end_rests_on_the_rows_that_could_show_another(metric, predicted, right, value, rests):
    preds, target = ((torch.arange(1000) < count).long()[:, None] for count in (predicted, right))
    found = am.score(preds, target, "sets").set_index("metric").loc[metric]
    room = 2 if metric == "label_mcc_macro" else 1
    assert found["value"] == value
    # how far from its end a figure may be that so many equal rows show (Clopper & Pearson 1934)
    assert abs(value - found["low" if value else "high"]) == pytest.approx(room * (1 - 0.025 ** (1 / rests)))


def test_a_ranking_of_few_right_rows_rests_on_those():
    scores, target = torch.linspace(1, 0, 40)[:, None], (torch.arange(40) < 1).long()[:, None]
    found = am.score(scores, target, "ranking").set_index("metric")
    for metric in ("mean_average_precision", "label_auroc_macro"):
        assert found.loc[metric, ["value", "low", "high"]].tolist() == pytest.approx([1, 0.025, 1])


def test_people_and_images_are_left_out_alike_whatever_the_order_of_rows():
    rows, people = 1200, 6
    true = torch.rand(rows, 2, generator=gen(), dtype=torch.float64)
    preds = (true + 0.3 * torch.rand(rows, 2, generator=gen(1), dtype=torch.float64)).clamp(0, 1)
    said = (torch.rand(rows, people, 2, generator=gen(2), dtype=torch.float64) < true[:, None]).long()
    asked = torch.ones(rows, people)
    order = (said.sum(1)[:, 0] * 10 + preds[:, 0]).argsort()
    widths = []
    for at in (torch.arange(rows), order):
        found = am.score(preds[at], kind="ranking", judgements=said[at], asked=asked[at]).set_index("metric")
        widths.append(found["high"] - found["low"])
    assert (widths[1] / widths[0]).between(0.8, 1.25).all()


def test_an_infinite_mean_has_what_its_bounds_leave():
    found = am.mean_interval([1.0, math.inf], bounds=[(0, None)])
    assert [float(each) for each in found[:3]] == [math.inf, 0, math.inf]
