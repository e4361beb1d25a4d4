"""Intervals over people and images: by hand, against explicit matrices, in the cases that know one way only."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import affectml_metrics as am
from affectml_metrics import two_way_interval, two_way_variances


def answers(people, images, share, seed=0, person=1.0, image=1.0, columns=1):
    """Values [A, columns], people and images of a table of which `share` is answered; everybody answers something."""
    g = np.random.default_rng(seed)
    asked = g.random((people, images)) < share
    asked[np.arange(people), np.arange(people) % images] = True
    asked[np.arange(images) % people, np.arange(images)] = True
    who, what = asked.nonzero()
    shifts = person * g.normal(size=(people, columns))[who] + image * g.normal(size=(images, columns))[what]
    return shifts + g.normal(size=(len(who), columns)), who, what


def numbers(found):
    return [float(field) for field in found]


def test_a_table_worked_by_hand():
    """Ann says 0 and 2, Bob 4 and 6: mean squares of people 16, of images 4, of the rest 0."""
    found = two_way_interval([0.0, 2.0, 4.0, 6.0], ["ann", "ann", "bob", "bob"], ["a", "b", "a", "b"])
    # one way: people 16 / 4 with 1 degree of freedom, images 4 / 4 with 1, answers 20 / 12 with 3
    error, freedom = math.sqrt((16 + 4 - 0) / 4), 5**2 / (4**2 + 1**2 - (5 / 3) ** 2 / 3)
    assert [float(found.value), *numbers(found[3:])] == pytest.approx([3, error, freedom, 4, 0, 2, 2])
    assert float(found.high - 3) == pytest.approx(float(3 - found.low))


def test_people_who_all_say_the_same_of_each_image_have_the_interval_over_images():
    """Their sums are 0 to the last digit, which must not be divided by what rounding leaves of the images' share."""
    values = np.random.default_rng(0).normal(size=60)
    found = two_way_interval(np.tile(values, 8), np.arange(8).repeat(60), np.tile(np.arange(60), 8))
    assert numbers(found[:3]) == pytest.approx(numbers(am.student_interval(values)[:3]), rel=1e-3)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("weighted", [False, True])
def test_its_variance_is_the_unbiased_one_of_explicit_matrices(seed, weighted):
    """Searle, Casella & McCulloch 1992: expectations of quadratic forms are traces, and three equations are solved."""
    values, who, what = answers(10, 16, 0.5, seed)
    n, y = len(who), values[:, 0]
    weights = np.random.default_rng(seed).random(n) + 0.2 if weighted else np.ones(n)
    share = weights / weights.sum()
    same = [np.equal.outer(who, who), np.equal.outer(what, what), np.eye(n)]
    residual = np.diag(share) @ (np.eye(n) - np.outer(np.ones(n), share))
    forms = [residual.T @ unit @ residual for unit in same]
    expected = np.array([[np.trace(form @ part) for part in same] for form in forms])
    parts = np.linalg.solve(expected, [y @ form @ y for form in forms])
    assert (parts > 0).all()  # else the interval takes 0 for what is negative
    found = two_way_interval(y, who, what, weights=weights)
    variance = sum(p * share @ unit @ share for p, unit in zip(parts, same, strict=True))
    assert float(found.error) ** 2 == pytest.approx(variance)
    assert float(found.value) == pytest.approx(share @ y)


@pytest.mark.parametrize(("once", "freedom"), [(["people"], 7), (["images"], 7), (["people", "images"], 39)])
def test_where_one_side_answers_once_the_interval_is_that_over_the_other(once, freedom):
    values, groups, _ = answers(8, 5, 1.0, person=2)
    ways = {"people": groups, "images": groups} | dict.fromkeys(once, range(40))
    found = two_way_interval(values[:, 0], **ways)
    over = am.student_interval(values[:, 0], groups=groups if len(once) == 1 else None)
    assert numbers(found[:3]) == pytest.approx(numbers(over[:3]))
    assert float(found.freedom) == pytest.approx(freedom)


def test_one_person_says_nothing_of_others_nor_one_image():
    for ways in (([0, 0, 0], [1, 2, 3]), ([1, 2, 3], [0, 0, 0]), ([0, 0, 0], [0, 0, 0])):
        found = numbers(two_way_interval([1.0, 2.0, 6.0], *ways))
        assert found[:6] == pytest.approx([3, *[math.nan] * 4, 3], nan_ok=True)
    hardly = two_way_interval([1.0, 2.0, 6.0], [0, 0, 1], [1, 2, 3], weights=[1, 1, 1e-9])
    assert (bool(hardly.low.isnan()), int(hardly.people)) == (True, 2)
    single = two_way_interval([2.0], ["ann"], ["a"])
    assert (float(single.value), bool(single.low.isnan())) == (2, True)


@pytest.mark.parametrize("unit", [1e-200, 1e9, 1e200])
def test_values_of_any_size_have_an_interval_of_that_size(unit):
    values, who, what = answers(6, 10, 0.6)
    plain, scaled = two_way_interval(values[:, 0], who, what), two_way_interval(values[:, 0] * unit, who, what)
    assert [x / unit for x in numbers(scaled[:4])] == pytest.approx(numbers(plain[:4]))
    assert float(two_way_interval(values[:, 0] + 1e6, who, what).error) == pytest.approx(float(plain.error))


def test_equal_values_have_no_spread():
    _, who, what = answers(5, 9, 0.5)
    found = two_way_interval([0.1] * len(who), who, what)
    assert found.low == found.value == found.high == torch.tensor(0.1, dtype=torch.float64)
    assert found.error == 0


def test_without_answers_there_is_no_mean():
    assert math.isnan(float(two_way_interval([], [], []).value))
    found = two_way_interval([[math.nan, 1.0], [math.nan, 2.0]], [0, 1], [0, 1])
    assert found.value.isnan().tolist() == [True, False]
    assert [field.tolist() for field in (found.rows, found.skipped, found.people)] == [[0, 2], [2, 0], [0, 2]]
    assert math.isnan(float(two_way_interval([1.0, 2.0], [0, 1], [0, 1], weights=[0, 0]).value))
    assert two_way_interval(torch.zeros(2, 0), [0, 1], [0, 1]).low.shape == (0,)


def test_undefined_answers_are_left_out_of_their_column_and_counted():
    values, who, what = answers(6, 10, 0.6, columns=3)
    values[::4, 1] = math.nan
    found = two_way_interval(values, who, what)
    kept = ~np.isnan(values[:, 1])
    for column in range(3):
        assert numbers(two_way_interval(values[:, column], who, what)) == numbers([field[column] for field in found])
    dropped = two_way_interval(values[kept, 1], who[kept], what[kept])
    assert numbers(dropped)[:5] == pytest.approx(numbers([field[1] for field in found])[:5])
    assert found.skipped.tolist() == [0, (~kept).sum(), 0]


def test_an_infinite_answer_makes_the_mean_infinite_and_the_ends_unknown():
    found = two_way_interval([1.0, 2.0, math.inf, 3.0], [0, 0, 1, 1], [0, 1, 0, 1])
    assert found.value == math.inf
    assert found.low.isnan() & found.high.isnan()
    left = two_way_interval([1.0, 2.0, math.inf, 3.0, 4.0], [0, 0, 1, 1, 1], [0, 1, 0, 1, 2], weights=[1, 1, 0, 1, 1])
    assert left.value == 2.5
    assert left.high.isfinite()


def test_a_weight_of_two_is_an_answer_that_stands_twice():
    values, who, what = answers(5, 8, 0.6)
    y, weights = values[:, 0], np.ones(len(who))
    weights[[1, 7]], weights[3] = 2, 0
    times = np.arange(len(who)).repeat(weights.astype(int))
    weighed = two_way_interval(y, who, what, weights=weights)
    assert numbers(weighed)[:5] == pytest.approx(numbers(two_way_interval(y[times], who[times], what[times]))[:5])
    assert numbers(weighed) == pytest.approx(numbers(two_way_interval(y, who, what, weights=0.3 * weights)))


@pytest.mark.parametrize("none", [None, math.nan], ids=str)
def test_an_answer_without_a_person_is_from_a_person_of_its_own(none):
    values = [0.1, 0.7, 0.3, 0.9, 0.2]
    images = ["a", "b", "a", "b", "c"]
    found = two_way_interval(values, ["ann", "ann", "bob", none, none], images)
    assert numbers(found) == numbers(two_way_interval(values, ["ann", "ann", "bob", "x", "y"], images))
    assert int(found.people) == 4


def test_people_who_hardly_share_an_image_widen_nothing():
    """One image judged twice decides how much images differ from the rest; together they must not grow."""
    g = np.random.default_rng(0)
    who = np.arange(200) // 10
    what = np.arange(200)
    what[-1] = 0
    errors = two_way_interval(g.normal(size=(200, 300)), who, what).error * math.sqrt(200)
    assert 0.9 < float(errors.mean()) < 1.3
    assert float(errors.max()) < 2


def test_twelve_people_are_covered_where_images_alone_are_not():
    values, who, what = answers(12, 60, 0.4, seed=3, image=0.5, columns=600)
    found = two_way_interval(values, who, what)
    held = ((found.low <= 0) & (found.high >= 0)).double().mean()
    assert 0.92 <= float(held) <= 0.98
    over_images = am.mean_interval(values, groups=what)
    assert float(((over_images.low <= 0) & (over_images.high >= 0)).double().mean()) < 0.7


def test_it_is_hardly_wider_than_over_images_where_people_do_not_differ():
    values, who, what = answers(30, 300, 0.3, person=0, columns=200)
    found, over_images = two_way_interval(values, who, what), am.student_interval(values, groups=what)
    wider = (found.high - found.low) / (over_images.high - over_images.low)
    assert 1 <= float(wider.mean()) < 1.1
    assert not found.few.any()


cells = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(-20, 20)), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(cells, st.randoms(use_true_random=False))
def test_order_and_names_change_nothing(rows, random):
    people, images, values = (np.array(x) for x in zip(*rows, strict=True))
    plain = two_way_interval(values, people, images)
    order = list(range(len(rows)))
    random.shuffle(order)
    names = random.sample([f"person {i}" for i in range(6)], 6)
    other = two_way_interval(values[order], [names[i] for i in people[order]], 10**12 - 7 * images[order])
    assert numbers(other) == pytest.approx(numbers(plain), nan_ok=True, rel=1e-6, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(cells)
def test_ends_stand_around_the_value_and_freedom_within_its_bounds(rows):
    people, images, values = (np.array(x) for x in zip(*rows, strict=True))
    found = two_way_interval(values, people, images)
    if found.low.isnan():
        assert found.error.isnan() & found.freedom.isnan()
    else:
        assert found.low <= found.value <= found.high
        assert 1 <= float(found.freedom) <= len(rows) - 1 + 1e-9
    opposite = two_way_interval(-values, images, people)
    turned = [-float(found.value), -float(found.high), -float(found.low), *numbers(found[3:5])]
    assert numbers(opposite[:5]) == pytest.approx(turned, nan_ok=True, rel=1e-6, abs=1e-9)


def test_ids_of_any_kind_are_the_same():
    values, who, what = answers(6, 9, 0.5)
    plain = numbers(two_way_interval(values[:, 0], who, what))
    for ids in (who.astype(np.uint8), (who * 50 - 128).astype(np.int8), who + 2**62, who / 8, torch.from_numpy(who)):
        assert numbers(two_way_interval(values[:, 0], ids, what.astype(str))) == pytest.approx(plain)
    assert numbers(two_way_interval(values[:, 0], [f"p{i}" for i in who], what.astype(object))) == pytest.approx(plain)


def test_variances_of_a_table_worked_by_hand():
    """Ann says 0 and 2, Bob 4 and 7: mean squares of people 20.25, of images 6.25, of the rest 0.25."""
    found = two_way_variances([0.0, 2.0, 4.0, 7.0], ["ann", "ann", "bob", "bob"], ["a", "b", "a", "b"])
    assert numbers(found[:4]) == pytest.approx([3.25, (20.25 - 0.25) / 2, (6.25 - 0.25) / 2, 0.25])
    assert numbers(found[4:]) == [4, 0, 2, 2]
    error, freedom = found.expected(2, 2, 4)  # of the very same design: what two_way_interval says of these answers
    interval = two_way_interval([0.0, 2.0, 4.0, 7.0], [1, 1, 2, 2], [1, 2, 1, 2])
    assert [float(error), float(freedom)] == pytest.approx(numbers(interval[3:5]))
    error, freedom = found.expected([1, 5, 5], [9, 1, 9], [9, 5, 45])  # one person or image tells nothing of others
    assert error.isnan().tolist() == freedom.isnan().tolist() == [True, True, False]


@pytest.mark.parametrize("seed", range(3))
def test_variances_of_a_full_table_are_those_of_its_mean_squares(seed):
    values, who, what = answers(6, 9, 1.0, seed)
    y = values.reshape(6, 9)
    rest = y - y.mean(1, keepdims=True) - y.mean(0) + y.mean()
    squares = 9 * y.mean(1).var(ddof=1), 6 * y.mean(0).var(ddof=1), (rest**2).sum() / (5 * 8)
    found = two_way_variances(values[:, 0], who, what)
    expected = [(squares[0] - squares[2]) / 9, (squares[1] - squares[2]) / 6, squares[2]]
    assert numbers(found[1:4]) == pytest.approx(expected)


def test_variances_are_without_bias_where_few_answer_each_image():
    values, who, what = answers(12, 40, 0.3, person=0.5, image=2.0, columns=400)
    found = two_way_variances(values, who, what)
    means = [float(field.mean()) for field in found[1:4]]
    errors = [float(field.std()) / 20 for field in found[1:4]]
    assert all(abs(mean - true) < 4 * error for mean, true, error in zip(means, (0.25, 4.0, 1.0), errors, strict=True))


def test_an_even_study_is_expected_to_have_the_error_that_its_answers_show():
    """Each of 10 people answers 24 of 40 images, 6 people an image."""
    what = np.repeat(np.arange(40), 6)
    who = (np.arange(240) + what) % 10
    y = np.random.default_rng(0).normal(size=240) + who + 0.3 * what
    found = two_way_variances(y, who, what)
    assert numbers(found[6:]) == pytest.approx([10, 40])
    seen = two_way_interval(y, who, what)
    error, freedom = found.expected(10, 40, 240)
    assert float(error) == pytest.approx(float(seen.error), rel=0.01)
    assert float(freedom) == pytest.approx(float(seen.freedom), rel=0.01)


def test_what_the_design_cannot_tell_is_nan_and_its_spread_is_in_the_cells():
    values, who, what = answers(8, 20, 0.5)
    y = values[:, 0]
    strangers = two_way_variances(y, range(len(y)), what)
    assert strangers.people.isnan() & ~strangers.images.isnan()
    within = sum(((y[what == image] - y[what == image].mean()) ** 2).sum() for image in range(20))
    assert float(strangers.cells) == pytest.approx(within / (len(y) - 20), rel=0.1)  # other weights
    once = two_way_variances(y, who, range(len(y)))
    assert once.images.isnan() & ~once.people.isnan()
    for ways in (([0, 0, 0], [1, 2, 3]), ([1, 2, 3], [0, 0, 0]), ([1, 2, 3], [1, 2, 3])):
        alone = two_way_variances([1.0, 2.0, 6.0], *ways)
        assert alone.people.isnan() & alone.images.isnan()
        assert float(alone.cells) == pytest.approx(7)
    assert two_way_variances([1.0], [1], [1]).cells.isnan()
    assert two_way_variances([1.0, math.inf, 2.0, 3.0], [0, 0, 1, 1], [0, 1, 0, 1]).images.isnan()


def test_variances_of_equal_values_are_zero_and_nan_is_left_out_of_its_column():
    _, who, what = answers(6, 10, 0.6)
    assert numbers(two_way_variances([0.1] * len(who), who, what)[1:4]) == [0, 0, 0]
    values, who, what = answers(6, 10, 0.6, columns=2)
    values[::4, 1] = math.nan
    kept = ~np.isnan(values[:, 1])
    found, alone = two_way_variances(values, who, what), two_way_variances(values[kept, 1], who[kept], what[kept])
    assert numbers(alone)[:5] == pytest.approx(numbers([field[1] for field in found])[:5])
    assert found.skipped.tolist() == [0, (~kept).sum()]
    assert two_way_variances(torch.zeros(2, 0), [0, 1], [0, 1]).people.shape == (0,)
