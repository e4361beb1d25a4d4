"""Feelings, looks and people of the demo set, each on its own."""

import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.special import expit

from affectml.demo_set.annotators import Annotators, choice_chances, judge, single_choices
from affectml.demo_set.feelings import RARE, Words, draw_feeling, reach, squared_distances, true_rates
from affectml.demo_set.painting import look_of, paint
from affectml.demo_set.streams import Purpose, demo_stream, group_stream, training_stream
from affectml.errors import BadInput
from affectml.taxonomies import Taxonomy, get_taxonomy

feelings = hnp.arrays(np.float64, (5, 3), elements=st.floats(-1, 1))


def test_rates_worked_by_hand():
    words = Words(("left", "right", "neither"), np.array([[-0.5, 0, 0], [0.5, 0, 0], [np.nan] * 3]))
    assert reach(words) == 0.6  # 0.8 of the distance 1, cut at 0.6
    rates = true_rates(np.array([[-0.5, 0, 0], [0.1, 0, 0]]), words)
    assert rates[0, 0] == pytest.approx(expit(2.6))
    assert rates[1, 0] == pytest.approx(expit(2.6 - 1.3))  # one reach away
    assert rates[:, 2] == pytest.approx((1 - rates[:, 0]) * (1 - rates[:, 1]))


@given(feelings)
def test_the_nearest_word_is_the_mode_and_no_rate_is_zero_or_one(points):
    words = Words.of(get_taxonomy("mikels-8"))
    rates = true_rates(points, words)
    nearest = squared_distances(points, words.places).min(axis=1)
    at_mode = squared_distances(points, words.places)[np.arange(5), rates.argmax(axis=1)]
    far = rates.max(axis=1) == RARE  # beyond everything all rates are the same
    assert np.allclose(at_mode[~far], nearest[~far])
    assert RARE <= rates.min() <= rates.max() <= 1 - RARE


def test_dominance_parts_anger_from_fear():
    words = Words.of(get_taxonomy("mikels-8"))
    anger, fear = (words.labels.index(label) for label in ("anger", "fear"))
    assert np.linalg.norm(words.places[anger, :2] - words.places[fear, :2]) < 0.15
    rates = true_rates(words.places, words)
    assert rates[anger, anger] - rates[anger, fear] > 0.3


def test_a_taxonomy_without_places_is_refused():
    with pytest.raises(BadInput, match="at least two labels with a place"):
        Words.of(Taxonomy(name="own", labels=("a", "b")))


def test_brightness_and_saturation_obey_the_published_regressions():
    rng = np.random.default_rng(0)
    drawn = rng.uniform(-0.4, 0.4, size=(400, 3))  # small enough that nothing is cut off
    looks = [look_of(feeling, rng) for feeling in drawn]
    colour = np.array([((look.brightness - 0.52) / 0.30, (look.saturation - 0.48) / 0.26) for look in looks])
    affect = colour @ np.array([[0.69, -0.31], [0.22, 0.60]])
    assert np.abs((affect - drawn[:, :2]).mean(axis=0)).max() < 0.02
    assert min(np.corrcoef(affect[:, axis], drawn[:, axis])[0, 1] for axis in (0, 1)) > 0.95


def test_pleasant_is_round_arousing_is_cluttered_and_in_control_is_red():
    rng = np.random.default_rng(0)

    def mean(field, feeling):
        return np.mean([getattr(look_of(np.array(feeling), rng), field) for _ in range(50)])

    assert mean("jaggedness", [0.8, 0, 0]) < 0.1 < 0.9 < mean("jaggedness", [-0.8, 0, 0])
    assert mean("shapes", [0, 0.8, 0]) > 3 * mean("shapes", [0, -0.8, 0])
    assert mean("hue", [0, 0, 0.6]) < 0.05 < 0.65 < mean("hue", [0, 0, -0.5])


def test_a_painting_shows_the_look_it_was_given():
    for index in range(20):
        rng = demo_stream(3, Purpose.PAINTING, index)
        look = look_of(draw_feeling(Words.of(get_taxonomy("mikels-8")).places, rng), rng)
        pixels = np.asarray(paint(look, rng, size=64)) / 255
        assert pixels.shape == (64, 64, 3)
        hsv = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in pixels.reshape(-1, 3)])
        assert abs(np.median(hsv[:, 2]) - look.brightness) < 0.12


def test_every_purpose_seed_and_place_has_numbers_of_its_own():
    seeds = [*range(50), 2**32, 2**32 + 1, 2**64 - 1]
    places = [(), *((i,) for i in range(4)), *((i, j) for i in range(4) for j in range(4))]
    drawn = [demo_stream(s, purpose, *at).integers(2**62) for s in seeds for purpose in Purpose for at in places]
    drawn += [training_stream(seed, i).integers(2**62) for seed in seeds for i in range(20)]
    drawn += [group_stream(number).integers(2**62) for number in range(50)]
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("seed", [-1, 2**64, 2**96 + 5])
def test_a_seed_that_would_run_into_other_purposes_is_refused(seed):
    with pytest.raises(BadInput, match="at least 0 and below 2\\^64"):
        demo_stream(seed, Purpose.PAINTING, 0)


@given(hnp.arrays(np.float64, (4, 3), elements=st.floats(RARE, 1 - RARE)), st.integers(0, 10))
def test_the_panel_as_a_whole_is_fair(rates, seed):
    panel = Annotators.draw(3, np.random.default_rng(seed))
    chances = choice_chances(rates, panel)
    assert chances.shape == (12, 4, 3)
    assert np.allclose(chances.mean(axis=0), rates, atol=1e-9)


def test_the_people_are_not_alike():
    panel = Annotators.draw(8, np.random.default_rng(0))
    chances = choice_chances(np.full((1, 8), 0.4), panel)[:, 0].mean(axis=1)
    order = panel.talkativeness.argsort()
    assert chances[order[-3:]].mean() - chances[order[:3]].mean() > 0.15


def test_shares_of_many_judgements_come_to_the_true_rates():
    rng = np.random.default_rng(1)
    labels, images = ("a", "b", "c"), 4000
    rates = np.tile([0.05, 0.4, 0.8], (images, 1))
    ids = np.array([f"{i}" for i in range(images)], dtype=object)
    table = judge(rates, labels, ids, Annotators.draw(3, rng), rng)
    answers = table[table["kind"].isin(["labels", "none"])]
    shares = [answers["labels"].map(lambda chosen, label=label: label in chosen).mean() for label in labels]
    assert shares == pytest.approx([0.05, 0.4, 0.8], abs=0.015)  # 4 standard errors and more


def test_one_choice_each_comes_to_the_true_distribution():
    rng = np.random.default_rng(2)
    labels, images = ("a", "b", "c"), 4000
    rates = np.tile([0.05, 0.4, 0.8], (images, 1))
    panel = Annotators.draw(3, rng)
    table = judge(rates, labels, np.arange(images).astype(str).astype(object), panel, rng, answers="one")
    answers = table[table["kind"] == "labels"]
    assert (set(answers["labels"].map(len)), "none" in set(table["kind"])) == ({1}, False)
    true = single_choices(rates[:1], panel).mean(axis=0)[0]
    assert true.sum() == pytest.approx(1)
    assert list(true) == sorted(true)
    shares = [(answers["labels"].map(lambda chosen: chosen[0]) == label).mean() for label in labels]
    assert shares == pytest.approx(true, abs=0.015)  # 4 standard errors and more
