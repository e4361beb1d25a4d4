"""Intervals: reproducible, of the right width, over rows or groups, exact against a plain loop."""

import math

import numpy as np
import pytest
import torch

from affectml_metrics import (
    ArgumentError,
    ShapeError,
    bootstrap,
    bootstrap_sums,
    bootstrap_table,
    functional,
)


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
    torch.testing.assert_close(ours.low, ordered[1])  # floor(.05 x 39)
    torch.testing.assert_close(ours.high, ordered[38])


def test_its_width_is_that_of_the_standard_error():
    rows = torch.randn(400, generator=gen(), dtype=torch.float64)
    interval = bootstrap(rows, replicates=4000, generator=gen())
    expected = 2 * 1.96 * rows.std() / 20
    assert float(interval.high - interval.low) == pytest.approx(float(expected), rel=0.05)


def test_it_covers_the_truth_about_as_often_as_it_says():
    g = gen(7)
    hits = 0
    for _ in range(300):
        rows = torch.rand(60, generator=g)
        interval = bootstrap(rows, replicates=300, level=0.9, generator=g)
        hits += bool(interval.low <= 0.5 <= interval.high)
    assert 0.84 <= hits / 300 <= 0.95


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
    for other in (by_weights, by_sums):
        for ours, theirs in zip(other[:3], by_rows[:3], strict=True):
            assert float(ours) == pytest.approx(float(theirs), abs=1e-12)


def test_macro_f1_by_sums_and_by_weights_agree():
    p, t = torch.rand(50, 4, generator=gen()) < 0.4, torch.rand(50, 4, generator=gen(1)) < 0.4
    by_weights = bootstrap_table(
        lambda w: functional.label_f1(p, t, weights=w),
        50,
        groups=torch.arange(50) // 2,
        replicates=100,
        generator=gen(2),
    )
    from affectml_metrics.functional.sets import label_f1_from_counts

    by_sums = bootstrap_sums(
        torch.cat([p & t, p, t], dim=1),
        lambda s: label_f1_from_counts(*s.chunk(3, dim=1))[:, None],
        groups=torch.arange(50) // 2,
        replicates=100,
        generator=gen(2),
    )
    assert float(by_weights.low) == pytest.approx(float(by_sums.low[0]), abs=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
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
