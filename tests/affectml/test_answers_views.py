"""Where systems and people part, on tables small enough to work by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import special, stats

from affectml.answers._estimates import jackknifed, slope_of
from affectml.answers._page import _view
from affectml.answers._views import agreed_alone, by_disagreement, stated_calibration
from affectml.judging.scoring import Answers

from .panels import truth_of

LABELS = 4


def one_hot(*labels):
    return np.eye(LABELS, dtype=np.int64)[list(labels)]


def says(labels, images):
    """The same label of every image, or one of each in turn."""
    sets = torch.from_numpy(one_hot(*np.resize(labels, images)))
    return Answers(sets.double(), None, sets)


def states(table):
    shares = torch.tensor(table, dtype=torch.float64)
    return Answers(shares, shares)


def test_the_jackknifed_mean_is_that_of_a_t_test():
    half = np.random.default_rng(0).normal(0.3, 1, size=(20, 1))
    rows = np.concatenate([half, 0.6 - half])  # of no skewness
    columns = np.concatenate([rows, np.ones_like(rows)], axis=1)
    (found,) = jackknifed(columns, lambda sums: sums[:, :1] / sums[:, 1:], None, null=0.0)
    usual = stats.ttest_1samp(rows[:, 0], 0)
    assert (found.value, found.p) == pytest.approx((rows.mean(), usual.pvalue))
    assert (found.low, found.high) == pytest.approx(tuple(usual.confidence_interval()))


def test_images_of_a_group_count_as_one():
    rows = np.random.default_rng(0).normal(size=(40, 2))
    twice = jackknifed(np.repeat(rows, 2, axis=0), lambda sums: sums, np.repeat(np.arange(40), 2))
    assert [each.high - each.low for each in twice] == pytest.approx(
        [2 * (each.high - each.low) for each in jackknifed(rows, lambda sums: sums, None)]
    )


def test_few_images_have_an_interval_and_no_p_value():
    (found,) = jackknifed(np.arange(29.0)[:, None], lambda sums: sums, None, null=0.0)
    assert (found.p, found.found, found.low < found.high) == (None, False, True)


def test_a_slope_is_taken_within_strata():
    # 1, x, y, x², xy for y = x / 2 in one stratum, and for y = x / 2 + 7 in another
    x, y = np.array([[0.0, 1.0], [1.0, 2.0]]), np.array([[0.0, 7.5], [0.5, 8.0]])
    sums = np.concatenate([np.ones_like(x), x, y, x**2, x * y], axis=1).sum(axis=0, keepdims=True)
    assert slope_of(sums).tolist() == [[0.5]]


class TestByDisagreement:
    """On half of the images four people agree on a label, on the others each names another; `it` says one in turn."""

    IMAGES = 40
    IT = says([0, 0, 1, 1, 2, 2, 3, 3], IMAGES)

    @pytest.fixture(params=["rates", "distribution"])
    def truth(self, request):
        people = [one_hot(*([label] * 4 if agree else range(4))) for label in range(4) for agree in (1, 0)]
        return truth_of(np.tile(people, (self.IMAGES // 8, 1, 1)), kind=request.param)

    def test_who_says_what_somebody_says_is_worse_where_people_disagree(self, truth):
        found = by_disagreement({"it": self.IT}, truth)
        agree, between, disagree = found.scores["it"]
        assert (agree.value, between, disagree.value) == (1, None, 0.25)  # it says what one of four says
        assert [each and each.value for each in found.scores["human"]] == [1, None, 0]

    def test_but_beside_one_person_it_is_better_there(self, truth):
        found = by_disagreement({"it": self.IT}, truth)
        # 0 at rank 1/4, where people agree, and .25 at rank 3/4
        assert found.slopes["it"].value == pytest.approx(0.5)
        score = "set F1" if truth.kind == "rates" else "first label right"
        assert found.score == score
        # but so would a system be that knows people's rates, or nothing at all: beside one person alone it says little
        beside = "one person, the true rates and answers that know nothing of the image"
        assert found.findings == (
            f"No change beyond chance from where people agree to where they do not, beside {beside}: it",
        )

    def test_where_all_images_are_alike_there_is_no_change(self, truth):
        alike = replace(truth, chosen=np.tile(truth.chosen[:1], (self.IMAGES, 1, 1)))
        found = by_disagreement({"it": self.IT}, alike)
        assert (found.slopes, found.findings, found.table().rows[0][4:]) == ({}, (), ("–", "–"))
        section = _view("disagreement", "Where people agree", found, "People disagree on all images alike")
        assert (section.sentence, section.drawings) == ("People disagree on all images alike.", ())

    def test_two_people_cannot_say_how_far_others_disagree(self, truth):
        two = replace(truth, asked=np.arange(4)[None] < np.full((self.IMAGES, 1), 2))
        assert by_disagreement({"it": self.IT}, two) is None

    def test_everything_is_plain_json(self, truth):
        made = by_disagreement({"it": self.IT}, truth).to_json()
        assert json.loads(json.dumps(made, allow_nan=False))["human"] is True


def test_people_are_compared_with_anybody_though_they_stand_by_what_they_said():
    coins = np.sort(np.random.default_rng(0).integers(2, size=(600, 6)), axis=1)
    found = by_disagreement({"it": says(0, 600)}, truth_of([one_hot(*row) for row in coins], kind="distribution"))
    every = [each for each in found.scores["human"] if each is not None]
    assert len(every) > 1
    assert all(each.low < 0.5 < each.high for each in every)  # beside each other stand those who say the same


def test_of_votes_alone_the_truth_is_off_by_nothing_wherever_people_disagree():
    rng = np.random.default_rng(3)
    rates = rng.beta(0.7, 0.7, size=(500, LABELS))
    truth = replace(truth_of(rng.random((500, 20, LABELS)) < rates[:, None]), chosen=None, asked=None)
    found = by_disagreement({"truth": states(rates), "off": states(np.abs(rates - 0.1)), "set": says(0, 500)}, truth)
    assert list(found.scores) == ["truth", "off"]  # a set states no rates
    assert all(each.low < 0 < each.high for each in found.scores["truth"])
    assert all(each.low < 0.01 < each.high for each in found.scores["off"])
    assert (found.human, [each.found for each in found.slopes.values()]) == (False, [False, False])


@pytest.mark.parametrize("seed", range(5))
def test_of_votes_alone_nobody_is_said_to_fail_more_for_an_error_that_grows_towards_a_half(seed):
    """It states what can be expected of rates that it knows through the same noise in log-odds everywhere."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(-1.5, 2, size=(500, LABELS))
    rates = special.expit(seen + rng.normal(0, 1, size=seen.shape))
    truth = replace(truth_of(rng.random((500, 20, LABELS)) < rates[:, None]), chosen=None, asked=None)
    noise = np.sqrt(2) * special.erfinv(np.linspace(-0.99, 0.99, 99))
    found = by_disagreement({"it": states(special.expit(seen[..., None] + noise).mean(axis=-1))}, truth)
    assert found.slopes["it"].low > 0  # the error grows, and by far more than chance
    assert (found.slopes["it"].p, found.slopes["it"].found) == (None, False)
    assert not any("fails" in line or "chance" in line for line in found.findings)


class TestStatedCalibration:
    """Label a: of 40 images half are stated .2 and half .8, of which people say .3 and .6; the others are not said."""

    SAID = np.array([[0.2, 0, 0, 0], [0.8, 0, 0, 0]] * 20)
    SEEN = truth_of([[[p < 3, 0, 0, 0] for p in range(10)], [[p < 6, 0, 0, 0] for p in range(10)]] * 20)

    def test_overconfidence_is_a_slope_below_one(self):
        found = stated_calibration({"it": states(self.SAID)}, self.SEEN)
        assert found.systems["it"].slope.value == pytest.approx(0.5)
        assert found.systems["it"].error.value == pytest.approx((0.1**2 + 0.2**2) / 2 / LABELS)
        assert found.findings == (
            "it is overconfident: where it states .10 more for a label, people's share is .050 higher (95 % interval "
            ".050 to .050)",
        )

    def test_naming_a_label_too_often_is_not_overconfidence(self):
        often = self.SAID / 2 + np.array([0.2, 0.5, 0, 0])  # .3 and .6, as people say, and b out of nothing
        found = stated_calibration({"it": states(often)}, self.SEEN)
        assert found.systems["it"].slope.value == pytest.approx(1)
        assert found.systems["it"].error.value == pytest.approx(0.5**2 / LABELS)
        assert found.findings == ()

    def test_who_states_the_same_of_every_image_has_no_slope(self):
        found = stated_calibration({"it": states(np.full((40, LABELS), 0.3)), "sets": says(0, 40)}, self.SEEN)
        assert list(found.systems) == ["it"]
        assert (found.systems["it"].slope, found.table().rows[0][1:3]) == (None, ("–", "–"))
        assert json.dumps(found.to_json(), allow_nan=False)

    def test_without_stated_shares_there_is_nothing_to_see(self):
        assert stated_calibration({"it": says(0, 40)}, self.SEEN) is None
        assert stated_calibration({"it": states(self.SAID)}, replace(self.SEEN, kind="sets")) is None


class TestAgreedAlone:
    """Two images of ten people: nobody says b of the first, one does of the second; everybody says a of both."""

    TRUTH = truth_of([[[1, 0, 0, 0]] * 10, [[1, 1, 0, 0]] + [[1, 0, 0, 0]] * 9])

    def test_what_all_systems_say_and_hardly_anybody_of_the_people(self):
        rates = states([[0.2, 0.8, 0, 0], [0.1, 0.9, 0, 0]])  # no sets: its first label counts
        found = agreed_alone({"sets": says(1, 2), "rates": rates}, self.TRUTH)
        assert [(each.image_id, each.label, each.people) for each in found.images] == [("0", "b", 0), ("1", "b", 0.1)]
        assert found.images[0].said == {"sets": ("b",), "rates": ("b",)}
        (said,) = found.findings
        assert said.startswith(
            "on 2 of 2 images all systems say the same label, which people's answers do not support, "
        )
        assert "no more than chance makes of systems that state people's true rates (0." in said
        assert said.endswith("and of systems that know nothing of the image or of each other (2.0)")

    def test_one_system_that_does_not_say_it_is_enough(self):
        assert agreed_alone({"one": says(1, 2), "other": says(2, 2)}, self.TRUTH).images == ()

    def test_the_label_that_most_people_chose_is_supported_however_few_they_are(self):
        spread = truth_of([[one_hot(label)[0] for label in (0, 0, 0, 1, 1, 2, 2, 3, 3, 3)]] * 2, kind="distribution")
        least = replace(spread, tau=0.4)
        assert agreed_alone({"one": says(0, 2), "other": says(0, 2)}, least).images == ()
        assert len(agreed_alone({"one": says(1, 2), "other": says(1, 2)}, least).images) == 2

    def test_what_people_say_too_does_not_count(self):
        assert agreed_alone({"one": says(0, 2), "other": says(0, 2)}, self.TRUTH).images == ()
