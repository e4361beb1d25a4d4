"""For whom the model fails: what is planted is found, what is not is not, and a group's own floor is no failure."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.judging.compare import bias_in_words, contrast, label_bias
from affectml.judging.evaluate import evaluate
from affectml.judging.figures import COLUMNS, TAKEN, Evaluation, Rows
from affectml.judging.scoring import Answers
from affectml.judging.subgroups import check_groups, columns_of, subgroups
from affectml.judging.truth import part_of, read_truth
from affectml.judging.views import Case

from .checks import GOLDEN, refused, truth_of

MEANS = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5])


def drawn(generator, images=200, people=5, *, spread=(2.0, 2.0), noise=0.5, bias=0.0, worse=0.0):
    """A model's answers, the truth and images whose column `look` is x or y; what is planted is planted in x."""
    x = generator.random(images) < 0.4
    concentration = np.where(x, *spread)[:, None]
    rates = np.clip(generator.beta(concentration * MEANS, concentration * (1 - MEANS)), 1e-4, 1 - 1e-4)
    truth = truth_of(generator.random((images, people, len(MEANS))) < rates[:, None])
    odds = np.log(rates / (1 - rates)) + (noise + worse * x)[:, None] * generator.normal(size=rates.shape)
    odds[:, 3] += bias * x
    q = torch.from_numpy(1 / (1 + np.exp(-odds)))
    images = pd.DataFrame({"image_id": truth.image_id, "look": np.where(x, "x", "y")})
    return Answers(q, q, (q > 1 / 3).long()), truth, images


def judged(answers, truth, images, seed=0):
    """The view alone, as `evaluate` would call it."""
    rows = Rows()
    facts = subgroups(Case({"model": answers}, truth, "model", seed, rows, images))
    return Evaluation(tuple(rows.rows), facts=facts)


def compared(result):
    return [each for each in result.figures if each.p is not None]


def found(result):
    return {each.label or each.metric for each in compared(result) if each.found}


def findings(result):
    told = result.facts["subgroups"]["findings"]
    assert {each["system"] for each in told} <= {"model"}
    return [each["words"] for each in told]


def test_a_planted_bias_is_found_and_said_in_words():
    result = judged(*drawn(np.random.default_rng(0), bias=1.5))
    assert "d" in found(result)
    said = "has a higher rate of d, less people's, on look x than on look y"
    assert any(line.startswith(said) for line in findings(result))
    key = {"by": "look", "level": "x"}
    bias = result.get("label_bias", **key, label="d")
    assert bias.p is None  # a level alone is not tested
    assert 0 < bias.low < bias.value < bias.high
    assert result.get("images", "people", **key).value == bias.n
    assert len(compared(result)) == result.facts["subgroups"]["tests"] == 7


def test_a_worse_group_is_found_by_its_excess_over_the_floor():
    result = judged(*drawn(np.random.default_rng(0), worse=2.0))
    levels = ("x less y", "x", "y")
    gap, *excess = (result.get("rate_brier_score", "model", "floor", by="look", level=level) for level in levels)
    assert gap.found
    assert gap.value == pytest.approx(excess[0].value - excess[1].value)
    assert any("is worse on look x than on look y by rate_brier_score" in line for line in findings(result))


def test_people_who_agree_less_are_no_failure_of_the_model():
    true = judged(*drawn(np.random.default_rng(1), images=600, spread=(8.0, 0.5), noise=0.0))

    def levels(against):
        return [true.get("rate_brier_score", "model", against, by="look", level=level) for level in "xy"]

    raw, excess = levels("people"), levels("floor")
    assert raw[0].low > raw[1].high  # the truth itself scores worse where people disagree
    assert all(abs(each.value) < 0.005 for each in excess)
    assert "rate_brier_score" not in found(true)


def test_people_who_agree_less_are_no_failure_where_nobody_knows_how_many_answered():
    """Cross-entropy holds people's own entropy: with the truth itself as the model it would find a gap in nothing."""
    answers, truth, images = drawn(np.random.default_rng(1), images=400, spread=(200.0, 0.5), noise=0.0)
    shares = answers.shares / answers.shares.sum(dim=1, keepdim=True)
    own = {"kind": "distribution", "vote_rule": "unknown", "shares": shares.numpy(), "hits": 0 * truth.hits}
    odd = replace(truth, **own, **dict.fromkeys(("votes", "people", "sets", "chosen", "asked")))
    result = judged(Answers(shares, shares), odd, images)
    assert {each.name for each in compared(result) if not each.label} == {"kl_divergence"}
    assert findings(result) == []
    worse = torch.where(torch.tensor((images["look"] == "x").tolist())[:, None], 1 / 6, shares)
    (said, *_) = [line for line in findings(judged(Answers(worse, worse), odd, images)) if "kl" in line]
    assert said.startswith("is worse on look x than on look y by raw kl_divergence")
    assert said.endswith("no floor is known, so these images may just be harder")


def test_the_floor_of_the_squared_error_is_what_the_truth_scores_on_average():
    generator = np.random.default_rng(2)
    _, truth, images = drawn(generator, images=4000, people=3, noise=0.0)
    rates = generator.beta(2 * MEANS, 2 * (1 - MEANS), size=(4000, 6))
    votes = generator.binomial(3, rates)
    truth = replace(truth, votes=votes, shares=votes / 3, chosen=None, asked=None)
    both = judged(Answers(torch.from_numpy(rates), torch.from_numpy(rates)), truth, images)
    for system, near in (("floor", 0.03), ("model", 0.05)):
        value = both.get("rate_brier_score", system, by="look", level="x").value
        assert value == pytest.approx((rates * (1 - rates) / 3).mean(), rel=near)


def test_frames_of_one_film_count_as_one_unit():
    answers, truth, images = drawn(np.random.default_rng(0), images=40)
    again = np.tile(np.arange(40), 10)
    films = replace(part_of(truth, again), image_id=np.arange(400).astype(str).astype(object))
    films = replace(films, groups=np.array([f"film {i}" for i in again], dtype=object))
    frames = pd.DataFrame({"image_id": films.image_id, "look": images["look"].to_numpy()[again]})
    whole, alone = (judged(answers.rows(again), each, frames) for each in (films, replace(films, groups=None)))
    p = np.array([[gap.p for gap in compared(each)] for each in (whole, alone, judged(answers, truth, images))])
    assert p[0] == pytest.approx(p[2], abs=0.1)  # ten frames of a film say no more than one
    assert (p[1] < p[0]).all()


BY_HAND = [
    ([0, 0, 0, 0, 1], [0, 1, 1, 1, 1], np.sqrt(2 * 0.8 / 4**2 * 9 / 10)),  # the jackknife's; Student's is .28
    ([0] * 5, [0, 0, 0, 1] * 5, np.sqrt(3.75 / 23 * (1 / 5 + 1 / 20))),  # Student's; the jackknife's is .10
]


@pytest.mark.parametrize(("mine", "others", "error"), BY_HAND)
def test_a_test_by_hand(mine, others, error):
    rows, inside = np.array([[*mine, *others]], dtype=float).T, np.arange(len(mine) + len(others)) < 5
    gap, other = (contrast(rows, each, None) for each in (inside, ~inside))
    assert float(gap.value) == pytest.approx(np.mean(mine) - np.mean(others))
    assert float(gap.p) == pytest.approx(2 * stats.t.sf(abs(float(gap.value)) / error, 4))
    assert float(gap.low) == pytest.approx(float(gap.value) - stats.t.ppf(0.975, 4) * error)
    assert (gap.p, gap.low, gap.value) == (other.p, -other.high, -other.value)
    assert int(gap.units) == 5


def test_a_level_of_few_units_is_not_tested_and_missing_levels_are_left_out():
    level, rows = np.array([0] * 4 + [1] * 10 + [-1] * 6), np.random.default_rng(0).random((14, 2))
    found = contrast(rows, level[:14] == 0, None)
    assert found.p.isnan().all()
    assert found.value.numpy() == pytest.approx(rows[:4].mean(axis=0) - rows[4:].mean(axis=0))
    answers, truth, images = drawn(np.random.default_rng(0), images=20)
    result = judged(answers, truth, images.assign(look=np.array(["few", "many", None])[level]))
    assert [each.metric for each in result.where(by="look", level="few", system=None)] == ["images"]
    assert [each.value for each in result.where(by="look", level=None, metric="images")] == [4, 10]
    assert compared(result) == findings(result) == []


def test_the_interval_of_a_label_is_bonett_and_prices_by_hand():
    # 40 images: on 10 the system alone names it, on 2 people alone; (11 - 3) / 42 and Student's t of 41 degrees
    system, people = np.zeros((40, 1)), np.zeros((40, 1))
    system[:10], people[10:12] = 1, 1
    (found,) = label_bias(system, people, "a", None, system="vlm")
    assert (found.system, found.label, found.value, found.n, found.units) == ("vlm", "a", 0.2, 40, 40)
    assert (found.low, found.high, found.p, found.p_holm) == pytest.approx((0.0206, 0.3603, 0.0289, 0.0289), abs=1e-4)
    often = "names a more often than people: on 25.0% of the images, people 5.0% (difference +20.0%, +2.1% to +36.0%)"
    assert bias_in_words(found, 0.05, "names") == often
    (never,) = label_bias(0 * system, people, "a", None)
    assert bias_in_words(never, 0.05, "names").startswith("names a less often than people: never, people 5.0%")


def test_copies_in_one_group_make_no_difference_surer():
    system, people = np.random.default_rng(1).random((2, 60, 1)) < [[[0.5]], [[0.3]]]
    groups = np.repeat(np.arange(60), 4).astype(str).astype(object)
    (once,) = label_bias(system, people, "a", None)
    (copied,) = label_bias(np.repeat(system, 4, axis=0), np.repeat(people, 4, axis=0), "a", groups)
    assert (copied.value, copied.units) == (once.value, 60)
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.05)


def test_columns_that_count_people_or_measure_make_no_subgroups():
    odd = np.arange(8) % 2
    images = pd.DataFrame({"n": odd, "arousal_n": odd, "year": odd, "origin_n": np.array(["a", "b"])[odd]})
    images = images.assign(mean=odd + 0.5, decade=np.where(np.arange(8) % 3, 1990.0, np.nan) - odd * 10)
    found = columns_of(images)
    assert list(found) == ["year", "origin_n", "decade"]
    assert sorted(found["decade"].dropna().unique()) == ["1980", "1990"]  # as one writes them, not 1990.0
    assert list(columns_of(images, only=["n", "mean"])) == ["n", "mean"]


@pytest.fixture
def data():
    data = Dataset.open(GOLDEN / "data")
    at = np.arange(len(data.images))
    data.images = data.images.assign(film=[f"film {i % 3}" for i in at], many=at)
    return data


def judged_by(data, sets=False, **more):
    """The data set's own shares as two systems, by its columns."""
    targets = data.target("emotions")
    truth = read_truth(data, targets, targets.image_id, beta=None)
    shares = torch.from_numpy(truth.shares)
    cuts = {"model": 0.3, "zero_shot": 0.5}
    answers = {name: Answers(shares, shares, (shares > cut).long() if sets else None) for name, cut in cuts.items()}
    return evaluate(answers, truth, split="test", seed=0, also=(subgroups,), **more)


def test_columns_of_few_levels_are_judged_by_or_those_that_were_asked_for(data):
    def columns(**more):
        return judged_by(data, images=data.images, **more).facts["subgroups"]["columns"]

    assert "film" in columns()
    assert not {"image_id", "many"} & columns().keys()
    assert columns(groups=("film",)) == {"film": "images"}
    assert "subgroups" not in judged_by(data).facts


def test_columns_that_are_called_as_our_own_parts_keep_their_rows_apart(data):
    data.images = data.images.assign(**dict.fromkeys(TAKEN, np.where(data.images["many"] % 2, "0.3", "0.5")))
    found = judged_by(data, sets=True, images=data.images)
    names = [n for n in COLUMNS if n not in ("value", "low", "high", "p", "p_holm", "n", "units")]
    assert not found.table().duplicated(names).any()
    columns = found.facts["subgroups"]["columns"]
    assert "images' tau" in columns
    assert not columns.keys() & set(TAKEN)


NO_GROUPS = [
    ("flim", r"groups=\['flim'\]: images.parquet of .* has no such column.*'film'"),
    ("many", "has .* different values there; expected 2 to 12 levels: put numbers into bands"),
]


@pytest.mark.parametrize(("name", "words"), NO_GROUPS)
def test_a_column_that_is_not_there_or_splits_nothing_is_refused(data, name, words):
    check_groups(data, ("film",))
    refused(BadInput, words, check_groups, data, ("film", name))


def alarms(seeds, **planted):
    return sum(bool(found(judged(*drawn(np.random.default_rng(s), **planted), seed=s))) for s in range(seeds))


def test_no_more_than_one_in_twenty_unbiased_systems_is_accused():
    generator, accused = np.random.default_rng(0), 0
    mean = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.5])
    for _ in range(200):
        true = generator.beta(2 * mean, 2 * (1 - mean), size=(80, 6))
        people, system = generator.binomial(5, true) / 5, generator.binomial(1, true)
        accused += any(each.found for each in label_bias(system, people, "abcdef", None))
    assert accused / 200 <= 0.05


@pytest.mark.slow
def test_nothing_planted_alarms_at_most_as_often_as_promised_and_what_is_planted_is_found():
    assert alarms(50) <= 5
    assert alarms(50, spread=(8.0, 1.0), noise=0.0) <= 5
    assert alarms(20, bias=1.0) >= 18
    assert alarms(20, worse=1.0) >= 18
