"""What a study of some size will tell, from a pilot: against the pilot's own intervals, and against what happens."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from affectml.planning import Costs, Design, Pilot, PlanConfig, figures_of, stand_ins
from affectml.planning._figures import alpha_influence
from affectml_annotation import krippendorff_alpha
from affectml_metrics import two_way_interval


@pytest.fixture(scope="module")
def large(pilot_of):
    return figures_of(pilot_of(60, 400, 30), draws=2)


def test_a_study_takes_as_many_people_as_its_answers_and_never_fewer_than_an_image():
    designs = (Design(5, 100, 50), Design(5, 101, 50), Design(8, 3, 50))
    assert [design.all_people for design in designs] == [10, 11, 8]


def test_hours_and_money_worked_by_hand():
    """500 answers of 18 s are 2.5 hours, 10 people with 6 minutes before them one more."""
    costs, design = Costs(seconds=18, minutes_before=6, per_hour=12), Design(5, 100, 50)
    assert (costs.hours(design), costs.money(design)) == pytest.approx((3.5, 42))


def test_a_study_of_the_pilots_own_size_is_as_exact_as_the_pilot(pilot_of):
    pilot = pilot_of(20, 80, 5)
    found = figures_of(pilot)
    own = two_way_interval(pilot.chosen, pilot.person, pilot.image)
    planned = found.widths(Design(5, 80, 20))
    for at, label in enumerate(pilot.labels):
        assert planned[f"rate:{label}"].half == pytest.approx(float(own.high[at] - own.low[at]) / 2, rel=0.05)


def test_four_times_the_people_and_images_halve_the_error(large):
    one, four = (large.expected(Design(5, 20 * times, 10)) for times in (10, 40))
    for name in ("rate:joy", "label_rates"):
        assert one[name] / four[name] == pytest.approx(2, rel=0.02)
    more = large.expected(Design(20, 20, 10))  # four times the people an image
    assert one["image_rates"] == four["image_rates"] == pytest.approx(2 * more["image_rates"])


def test_for_these_very_images_more_answers_are_enough(large):
    design = Design(300, 20, 20)
    assert large.expected(design, these_images=True)["rate:joy"] < 0.5 * large.expected(design)["rate:joy"]


def test_the_influences_mean_is_alpha(pilot_of, judgements_of):
    pilot = pilot_of(12, 50, 5)
    alpha = krippendorff_alpha(judgements_of(pilot), "masi").value
    assert alpha_influence(pilot).values.mean() == pytest.approx(alpha)


@pytest.mark.parametrize(("n", "people"), [(3, 12), (5, 20)])
def test_alpha_varies_from_study_to_study_as_planned(large, pilot_of, n, people):
    """Where three answer an image, half of the variance is what pairs of answers add, not answers by themselves."""
    seen = [float(np.nanmean(alpha_influence(pilot_of(people, 60, n, seed)).values)) for seed in range(1, 101)]
    at = large.names.index("alpha")
    of = large.variances
    more = of.cells + 2 * large.pairs / (n - 1)
    error, _ = of._replace(cells=more).expected(people, 60, 60 * n)
    assert np.std(seen, ddof=1) == pytest.approx(float(error[at]), rel=0.2)


def test_where_pilots_are_of_three_answers_an_image_alpha_is_not_planned_too_narrow(large, pilot_of):
    found = figures_of(pilot_of(60, 400, 3), draws=2)
    wide, right = (each.expected(Design(10, 100, 50))["alpha"] for each in (found, large))
    assert right < wide < 2 * right


def test_few_people_leave_a_plan_wider_open_than_many(pilot_of):
    few, many = (figures_of(pilot_of(people, 200, 5)).widths(Design(5, 400, 40)) for people in (8, 60))
    for name in ("rate:joy", "label_rates"):
        assert few[name].high - few[name].low > 1.5 * (many[name].high - many[name].low)
    assert all(each.low <= each.half <= each.high for each in many.values())


def test_the_plans_own_interval_holds_the_truth_for_nine_pilots_in_ten(large, pilot_of):
    design, names, held = Design(5, 200, 25), ("rate:joy", "rate:awe", "alpha"), []
    true = large.expected(design)
    for seed in range(1, 41):
        planned = figures_of(pilot_of(12, 60, 5, seed), draws=300).widths(design)
        held += [planned[name].low <= true[name] <= planned[name].high for name in names]
    assert 0.78 <= np.mean(held) <= 0.99


def test_the_same_pilot_gives_the_same_plan(pilot_of):
    one, two = (figures_of(pilot_of(8, 40, 5), seed=3).widths(Design(5, 100, 20)) for _ in range(2))
    assert one == two


def test_a_stand_in_never_sees_the_people_whom_it_is_judged_by(pilot_of):
    pilot = pilot_of(10, 30, 5)
    turned = pilot.person == pilot.person[0]
    other = replace(pilot, chosen=np.where(turned[:, None], 1 - pilot.chosen, pilot.chosen))
    for before, after in zip(stand_ins(pilot), stand_ins(other), strict=True):
        changed = (before.rates != after.rates).any(axis=1)
        assert changed.any()
        assert not changed[turned].any()
        half = before.unit % 2
        assert set(half[changed]) == {1 - half[turned][0]}


def test_half_of_the_people_know_more_than_the_prior(pilot_of):
    pilot = pilot_of(20, 150, 8)
    half, prior = (model.scores(pilot) for model in stand_ins(pilot))
    assert half["set_f1"].mean() > prior["set_f1"].mean() + 0.1
    assert half["rate_cross_entropy"].mean() < prior["rate_cross_entropy"].mean() - 0.02


def test_a_difference_has_the_variances_of_the_answers_differences(pilot_of):
    pilot = pilot_of(12, 60, 6)
    model, other = stand_ins(pilot)
    found = figures_of(pilot, model, other)
    at = found.names.index("set_f1_difference")
    apart = model.scores(pilot)["set_f1"] - other.scores(pilot)["set_f1"]
    assert float(found.variances.value[at]) == pytest.approx(apart.mean())
    same = figures_of(pilot, model, model).widths(Design(5, 100, 50))["set_f1_difference"]
    assert math.isnan(same.half)


def test_votes_are_dealt_to_as_many_answers_as_there_were_people():
    votes = np.array([[2, 1], [0, 3], [1, 1]])
    dealt = Pilot.of_counts(votes, np.array([3, 3, 2]), ("a", "b"))
    assert np.bincount(dealt.image).tolist() == [3, 3, 2]
    assert np.array([dealt.chosen[dealt.image == i].sum(axis=0) for i in range(3)]).tolist() == votes.tolist()
    assert (dealt.anonymous, dealt.sets) == (True, False)
    one = Pilot.of_counts(votes, votes.sum(axis=1), ("a", "b"), one=True)
    assert one.chosen.sum(axis=1).tolist() == [1] * 8
    some = Pilot.of_counts(votes, np.array([[3, 2], [3, 3], [2, 2]]), ("a", "b"))
    assert np.isnan(some.chosen[:, 1]).sum() == 1


def test_anonymous_votes_are_planned_by_images_and_answers_alone(pilot_of):
    pilot = pilot_of(20, 200, 6, talk_sd=0.0, people_sd=0.0)
    votes = np.stack([np.bincount(pilot.image, column) for column in pilot.chosen.T], axis=1)
    known, strangers = figures_of(pilot), figures_of(Pilot.of_counts(votes, np.full(200, 6), pilot.labels))
    assert strangers.names == tuple(f"rate:{label}" for label in pilot.labels)
    assert strangers.variances.people.tolist() == [0, 0, 0]
    design = Design(5, 300, 20)
    assert strangers.expected(design)["rate:joy"] == pytest.approx(known.expected(design)["rate:joy"], rel=0.1)


def test_assumed_answers_have_the_rates_that_were_assumed():
    drawn = Pilot.assumed_of(PlanConfig(rates=(0.5, 0.2, 0.05)), people=40, images=200)
    assert drawn.chosen.mean(axis=0) == pytest.approx([0.5, 0.2, 0.05], abs=0.01)
    widths = figures_of(drawn, *stand_ins(drawn)).widths(Design(5, 100, 50))
    assert math.isnan(widths["alpha"].low)
    assert widths["set_f1"].half > 0


def test_one_answer_an_image_tells_rates_and_no_alpha(large):
    found = large.expected(Design(1, 300, 50))
    assert found["rate:joy"] > 0
    assert math.isnan(found["alpha"])


def test_a_label_nobody_chose_is_left_out_of_the_mean(pilot_of):
    pilot = pilot_of(10, 40, 5)
    pilot.chosen[:, 2] = 0
    widths = figures_of(pilot).widths(Design(5, 100, 20))
    assert widths["label_rates"].half == pytest.approx((widths["rate:joy"].half + widths["rate:awe"].half) / 2)
    assert torch.isnan(torch.tensor(widths["rate:fear"][1:])).all()
