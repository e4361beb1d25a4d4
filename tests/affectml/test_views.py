"""What views of an evaluation find: worked by hand, found where it is planted, and not where nothing is planted."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import special, stats

from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.judging import readings, views
from affectml.judging.compare import bias_in_words, contrast, label_bias
from affectml.judging.evaluate import evaluate
from affectml.judging.figures import COLUMNS, TAKEN, Evaluation, Rows
from affectml.judging.readings import THIRDS, VIEWS, Requests, jackknifed, place_bias
from affectml.judging.scoring import Answers
from affectml.judging.subgroups import check_groups, columns_of, subgroups
from affectml.judging.truth import Truth, part_of, read_truth
from affectml.judging.views import Case
from affectml_metrics import functional as F

from .checks import GOLDEN, refused, truth_of


def bins(said, seen, people=None, groups=None, most=2):
    """(stated, seen) rows of each bin."""
    rows = Rows()
    views.add_bins(rows, np.asarray(said), np.asarray(seen), people, groups, most=most)
    return list(zip(rows.rows[::2], rows.rows[1::2], strict=True))


def test_what_was_said_instead_of_what():
    people = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 0]])
    model = np.array([[1, 0, 1], [0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 1]])
    # image 1: a on the diagonal, c instead of b; 2: a missed, half b and half c; 3: c missed, nothing said;
    # 4: b on the diagonal, a added to a whole set; 5: c added to the empty set
    assert views.instead(people, model).tolist() == [[1, 0.5, 0.5, 0], [0, 1, 1, 0], [0, 0, 0, 1], [1, 0, 1, 0]]
    assert views.instead(people, model)[:3].sum(axis=1).tolist() == people.sum(axis=0).tolist()
    hits = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 0], [0, 0, 0]])  # where one label is right, or one of several
    named = views.first_instead(hits, np.eye(3)[[1, 1, 2, 0]])
    assert named.tolist() == [[0, 1, 0.5, 0], [0, 1, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("kind", ["rates", "distribution"])
def test_one_person_beside_the_rest_is_counted_some_images_at_a_time(monkeypatch, kind):
    generator = np.random.default_rng(0)
    chosen = generator.random((9, 4, 3)) < 0.4
    truth = truth_of(np.eye(3)[generator.integers(0, 3, (9, 4))] if kind == "distribution" else chosen, kind=kind)
    given = Answers(torch.rand(9, 3), sets=torch.from_numpy(chosen[:, 0].astype(int)))

    def found():
        rows = Rows()
        views.instead_of(Case({"model": given}, truth, "model", 0, rows))
        return {(f.system, f.level, f.label): round(f.value, 9) for f in rows.rows}

    whole = found()
    assert any(who == "person" for who, *_ in whole)
    monkeypatch.setattr(views, "PART", 2)
    assert found() == whole


def test_answers_to_one_image_count_one_together():
    people, said, weights = np.array([[1, 0], [1, 0], [0, 1]]), np.array([[1, 0], [0, 1], [0, 1]]), [0.5, 0.5, 1]
    # two answers to one image, of which one says b instead of a; the third row is an image by itself
    assert views.instead(people, said, weights).tolist() == [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]]
    assert views.first_instead(people, said, weights).tolist()[0] == [0.5, 0.5, 0]


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
    every = (None, np.repeat(["a", "b"], 8), np.zeros(16))
    alone, together, one = (bins(said, seen, groups=groups)[0][1] for groups in every)
    # sixteen residuals of .2 and -.2: SD .206559, standard error .051640, times t(15) 2.131450
    assert alone.high - alone.value == pytest.approx(2.131450 * 0.0516398, abs=1e-5)
    assert (together.low, together.high) == (0, 1)
    assert one.low == one.value == one.high


def test_f1_with_one_person_is_over_pairs_of_people():
    votes, people, sets = np.array([[2, 1], [1, 0]] * 2), np.full((4, 2), 3), torch.tensor([[1, 0]] * 4)
    known = {"sets": votes > 1, "votes": votes, "people": people}
    truth = Truth("rates", ("a", "b"), np.arange(4), votes / 3, np.zeros((4, 2), dtype=int), **known)
    rows = Rows()
    views._f1_with_one_person(Case({"model": Answers(sets.double(), sets=sets)}, truth, "model", 0, rows))
    kept = {who: [f.value for f in rows.rows if f.system == who] for who in ("model", "person")}
    # the model: TP 2/3 + 1/3, said twice, right once in all, 2 TP over 3; b is never said, and sometimes right
    assert kept["model"] == [pytest.approx(2 / 3), 0]
    # people: of three with two votes one pair in three agrees; 2 * 1/3 over 1 + 1
    assert kept["person"] == [pytest.approx(1 / 3), 0]


def test_entropy_says_how_undecided_an_image_is():
    assert views.entropies(np.array([[0.5, 0.0], [1.0, 1.0]]), rates=True).tolist() == pytest.approx([0.5, 0.0])
    assert views.entropies(np.array([[0.5, 0.5], [1.0, 0.0]]), rates=False).tolist() == pytest.approx([1.0, 0.0])


def test_average_precision_of_a_random_order_is_the_mean_over_all_orders():
    """1 of 45: .098, where the label's share is .022; none, one, two and all of 5 by listing every order."""
    orders = np.array(list(itertools.permutations(range(5))))
    target = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]])
    ranked = [torch.tensor(order)[:, None].expand(5, 4) for order in orders]
    every = torch.stack([F.mean_average_precision(scores, target, average="none") for scores in ranked])
    assert views.chance_of_order(target.sum(0).numpy(), 5) == pytest.approx(every.mean(0).numpy(), nan_ok=True)
    assert views.chance_of_order(np.array([1]), 45) == pytest.approx(0.0977, abs=1e-4)


# Where systems and people part

LABELS = 4


def seen(view, systems, truth, *, seed=0, **more):
    """What a view finds of these systems."""
    case = Case(systems, truth, next(iter(systems)), seed, Rows(), None, more)
    facts = getattr(readings, view)(case) or {}
    return Evaluation(tuple(case.rows.rows), facts=json.loads(json.dumps(facts, allow_nan=False)))


def thirds(found, metric, system):
    return [found.get(metric, system, by="disagreement", level=level) for level in THIRDS]


def one_hot(*labels):
    return np.eye(LABELS, dtype=np.int64)[list(labels)]


def of_sets(sets):
    table = torch.tensor(np.array(sets, dtype=np.int64))
    return Answers(table.double(), None, table)


def says(labels, images):
    """The same label of every image, or one of each in turn."""
    return of_sets(one_hot(*np.resize(labels, images)))


def states(table):
    shares = torch.tensor(np.array(table), dtype=torch.float64)
    return Answers(shares, shares)


def test_the_jackknifed_mean_of_groups_is_that_of_a_t_test_and_few_have_no_p_value():
    half = np.random.default_rng(0).normal(0.3, 1, size=(20, 1))
    rows = np.concatenate([half, 0.6 - half])  # of no skewness
    columns, groups = np.repeat(np.concatenate([rows, np.ones_like(rows)], axis=1), 2, axis=0), np.repeat(range(40), 2)
    found, few = (jackknifed(columns[:n], lambda s: s[:, :1] / s[:, 1:], groups[:n], null=0.0) for n in (80, 58))
    usual = stats.ttest_1samp(rows[:, 0], 0)
    expected = (rows.mean(), *usual.confidence_interval(), usual.pvalue, 80, 0, 40)
    assert tuple(map(float, found)) == pytest.approx(expected)
    assert (bool(few.p.isnan()), bool(few.low < few.high)) == (True, True)


class TestByDisagreement:
    """On half of the images four people agree on a label, on the others each names another; `it` says one in turn."""

    IMAGES = 40
    IT = says([0, 0, 1, 1, 2, 2, 3, 3], IMAGES)

    @pytest.fixture(params=["rates", "distribution"])
    def judged(self, request):
        people = [one_hot(*([label] * 4 if agree else range(4))) for label in range(4) for agree in (1, 0)]
        metric = "set_f1_judgements" if request.param == "rates" else "top_1_accuracy"
        return truth_of(np.tile(people, (self.IMAGES // 8, 1, 1)), kind=request.param), metric

    def test_who_says_what_somebody_says_is_worse_where_people_disagree(self, judged):
        truth, metric = judged
        found = seen("by_disagreement", {"it": self.IT}, truth)
        agree, between, disagree = thirds(found, metric, "it")
        assert (agree.value, between, disagree.value) == (1, None, 0.25)  # it says what one of four says
        assert (agree.n, agree.units, agree.p) == (20, 20, None)
        assert [each and each.value for each in thirds(found, metric, "person")] == [1, None, 0]
        assert found.facts["rules"]["disagreement"].endswith("of one person's answer")

    def test_where_all_images_are_alike_all_are_in_one_third_and_two_people_cannot_say_how_far_others_disagree(
        self, judged
    ):
        truth, metric = judged
        found = seen("by_disagreement", {"it": self.IT}, replace(truth, chosen=truth.chosen[[0] * self.IMAGES]))
        assert sum(map(bool, thirds(found, metric, "it"))) == 1
        two = replace(truth, asked=np.arange(4)[None] < np.full((self.IMAGES, 1), 2))
        assert seen("by_disagreement", {"it": self.IT}, two).figures == ()


def test_people_are_compared_with_anybody_though_they_stand_by_what_they_said():
    coins = np.sort(np.random.default_rng(0).integers(2, size=(600, 6)), axis=1)
    truth = truth_of([one_hot(*row) for row in coins], kind="distribution")
    every = list(filter(None, thirds(seen("by_disagreement", {"it": says(0, 600)}, truth), "top_1_accuracy", "person")))
    assert len(every) > 1
    assert all(each.low < 0.5 < each.high for each in every)  # beside each other stand those who say the same


class TestStatedCalibration:
    """Label a: of 40 images half are stated .2 and half .8, of which people say .3 and .6; the others are not said."""

    SAID = np.array([[0.2, 0, 0, 0], [0.8, 0, 0, 0]] * 20)
    SEEN = truth_of([[[p < 3, 0, 0, 0] for p in range(10)], [[p < 6, 0, 0, 0] for p in range(10)]] * 20)

    # times .5 they are .3 and .6, as people say, and b is out of nothing
    @pytest.mark.parametrize(("scale", "more", "slope"), [(1, [0, 0, 0, 0], 0.5), (0.5, [0.2, 0.5, 0, 0], 1)])
    def test_overconfidence_is_a_slope_below_one_and_naming_a_label_too_often_is_none(self, scale, more, slope):
        systems = {"it": states(self.SAID * scale + more), "prior": states(self.SAID), "sets": says(0, 40)}
        found = seen("stated_calibration", systems, self.SEEN)
        assert {each.system for each in found.figures} == {"it"}
        assert found.get("calibration_slope", "it").value == pytest.approx(slope)
        said = "is overconfident: where it states 0.10 more for a label, people's share is 0.050 higher (95 % interval"
        assert [each["words"].startswith(said) for each in found.facts["findings"]] == [True][: slope < 1]

    def test_who_states_the_same_of_every_image_has_no_slope_and_who_states_nothing_has_none_of_it(self):
        same, it = {"it": states(np.full((40, LABELS), 0.3))}, {"it": states(self.SAID)}
        found = seen("stated_calibration", same, self.SEEN)
        assert (found.get("calibration_slope", "it"), found.facts["findings"]) == (None, [])
        assert seen("stated_calibration", it, self.SEEN, smoothed=["it"]).figures == ()
        assert seen("stated_calibration", it, replace(self.SEEN, kind="sets")).figures == ()


def test_a_liking_for_the_first_half_is_measured_against_the_images_other_requests():
    """Each of 2 images is asked twice, in an order and its reverse; the first half's label 0 or 3 is always named.

    By image 0 label 0 and label 3 are named once each: its other request and the mean of the three others (label 0: 1/3
    where it named it itself, 2/3 where not) say (0 + 1/3) / 2 = 1/6 of a label that is named, (1 + 2/3) / 2 = 5/6 of
    one that is not. So it is 5/6 over in the first half and 5/6 under in the second, which over two places is 5/6.
    """
    given = np.array([[1, 0, 0, 0], [0, 0, 0, 1]] * 2, dtype=float)
    places, images = np.array([[0, 1, 2, 3], [3, 2, 1, 0]] * 2), np.array(["a", "a", "b", "b"])
    found = place_bias(given, places, images)
    assert tuple(map(float, found[:3])) == pytest.approx((5 / 6, 5 / 6, 5 / 6))
    assert (bool(found.p.isnan()), int(found.rows), int(found.units)) == (True, 4, 2)
    assert float(place_bias(given, 3 - places, images).value) == pytest.approx(-5 / 6)
    assert place_bias(given, places, images[[0] * 4]) is place_bias(given, places, images, images[[0] * 4]) is None


def test_who_always_says_the_same_prefers_no_place_and_counts_against_who_does():
    places, images = np.argsort(np.random.default_rng(1).random((60, 4)), axis=1), np.arange(60)
    liking, none = Requests((places < 2).astype(float), places, images), Requests(one_hot(*[0] * 60), places, images)
    found = seen("liking_for_places", {"it": says(0, 1)}, None, requests={"it": liking, "same": none})
    it, same = (found.get("place_bias", name) for name in ("it", "same"))
    assert (it.p_holm, it.n, same.value, same.p_holm) == (2 * it.p, 60, 0, 1)
    (said,) = found.facts["findings"]
    words = "prefers labels that stand in the first half of the list it is shown (difference +100"
    assert said["words"].startswith(words)


RUNS, IMAGES, PEOPLE = 100, 240, 8


def simulated(seed):
    """What a faultless model states of images in pairs that are alike, and people: their rates scatter around it."""
    rng = np.random.default_rng(seed)
    stated = rng.beta(0.8, 1.6, size=(IMAGES // 2, 6)).clip(0.02, 0.98)
    rates = np.repeat(rng.beta(6 * stated, 6 * (1 - stated)), 2, axis=0)
    people = rng.random((IMAGES, PEOPLE, 6)) < rates[:, None]
    return np.repeat(stated, 2, axis=0), truth_of(people, groups=np.repeat(np.arange(IMAGES // 2), 2))


def overconfident(seed, fault):
    stated, truth = simulated(seed)
    said = states(special.expit((1 + fault) * special.logit(stated)))
    slope = seen("stated_calibration", {"it": said}, truth).get("calibration_slope", "it")
    return slope.found and (slope.value < 1 or not fault)


@pytest.mark.slow
def test_overconfidence_is_found_where_it_is_planted_and_nowhere_else():
    assert sum(bool(overconfident(seed, fault=0.5)) for seed in range(RUNS)) >= 90
    false = sum(bool(overconfident(seed, fault=0.0)) for seed in range(RUNS, 2 * RUNS))
    assert false <= stats.binom.ppf(0.99, RUNS, 0.05)  # at 5 %, for all but one of a hundred such tests


def test_every_evaluation_takes_these_views_and_keeps_all_their_findings():
    stated, truth = simulated(1)
    sure = replace(states(special.expit(2 * special.logit(stated))), sets=of_sets(truth.sets).sets)
    found = evaluate({"model": sure, "other": sure}, truth, split="test", seed=0, dataset="d", also=VIEWS)
    assert len([said for said in found.facts["findings"] if "is overconfident" in said["words"]]) == 2
    assert {"disagreement", "interval"} <= found.facts["rules"].keys()
    tested = [each for each in found.figures if each.metric == "calibration_slope"]
    assert {(each.dataset, each.units) for each in tested} == {("d", IMAGES // 2)}


# For whom the model fails: subgroups, and a group's own floor is no failure

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
    assert alarms(50, images=100) <= 5
    assert alarms(50, images=100, spread=(8.0, 1.0), noise=0.0) <= 5
    assert alarms(20, bias=1.0) >= 18
    assert alarms(20, worse=1.0) >= 18
