"""People as the reference, worked by hand and on FER+; the sampling floor against theory and real shares."""

import math
from functools import partial

import numpy as np
import pytest
import scipy.io
import torch

import affectml_metrics as am
from affectml_metrics import functional as F

from .checks import gen, refused

# one image, three people: {0}, {0, 1}, {2}; a second image that one person saw
ANSWERS = torch.tensor([[[1, 0, 0], [1, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 0], [0, 0, 0]]])
ASKED = torch.tensor([[1, 1, 1], [1, 0, 0]])


def test_one_person_against_each_of_the_others():
    reference = am.human_reference(ANSWERS, ASKED, F.set_f1, {"model": [[1, 0, 0], [1, 0, 0]]}, against="people")
    # F1 of the pairs: 2/3, 0, 0; both ways
    assert reference.rows["human"].tolist() == pytest.approx([2 * (2 / 3) / 6, math.nan], nan_ok=True)
    assert reference.rows["model_loo"][0].item() == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert (reference.images, reference.mean("human")) == (1, pytest.approx(2 / 9))


def test_one_person_against_the_set_of_the_rest():
    reference = am.human_reference(ANSWERS, ASKED, F.set_f1, {"prior": [0, 1, 0]}, against="set", tau=1 / 2)
    # the rest: {0, 1, 2}, {0, 2}, {0, 1}: one vote of two is enough
    assert reference.rows["human"][0].item() == pytest.approx((2 / 4 + 2 / 4 + 0) / 3)
    assert reference.rows["prior_loo"][0].item() == pytest.approx((2 / 4 + 0 + 2 / 3) / 3)


def test_the_rest_may_be_made_into_a_target_by_the_callers_rule():
    def everyone(votes, n):
        return votes == n[:, None]

    # what all of the rest chose: nothing, nothing, {0}
    assert am.human_reference(ANSWERS, ASKED, F.exact_match, against=everyone).mean("human") == 0
    assert am.human_reference(ANSWERS[:, :2], ASKED[:, :2], F.set_recall, against=everyone).mean("human") == 0.75


def test_none_of_these_is_not_the_same_as_unasked():
    silent = torch.tensor([[[1, 0], [0, 0]]])
    assert am.human_reference(silent, torch.ones(1, 2), F.set_f1, against="people").mean("human") == 0
    assert am.human_reference(silent, torch.tensor([[1, 0]]), F.set_f1, against="people").rows["human"].isnan()


def test_the_rest_predicts_one_person():
    answers, asked, options = torch.tensor([[[1, 0], [1, 0], [0, 1]]]), torch.ones(1, 3), {"base": [0.5, 0.5]}
    options |= {"preds": {"model": torch.tensor([[0.5, 0.5]])}, "predictor": "rest", "against": "rates"}
    reference = am.human_reference(answers, asked, F.rate_cross_entropy, **options)
    # shares of the other two with one imaginary person at .5: (1 + .5) / 3 twice, (2 + .5) / 3 once
    half, most = 1.5 / 3, 2.5 / 3
    expected = -(2 * math.log(half) + math.log(1 - most)) / 3
    assert [reference.mean(name) for name in ("human", "model_loo")] == pytest.approx([expected, math.log(2)])
    assert reference.predictor == "rest"


def cross_entropy(answers, predictor="rest", of="human", **options):
    """Of one person's answer, where everybody was asked, by the distribution of the others or of half of them."""
    asked, options = torch.ones(answers.shape[:2]), {"predictor": predictor, "against": "distribution", **options}
    return am.human_reference(answers, asked, F.cross_entropy, **options).mean(of)


def at_random(people):
    """Tables in which each of so many people chose one of five labels of two images."""
    return [torch.nn.functional.one_hot(torch.randint(5, (2, people), generator=gen(i)), 5) for i in range(40)]


def test_the_rest_as_a_distribution_leaves_out_who_chose_nothing():
    answers = torch.tensor([[[1, 0], [0, 1], [0, 0]]])
    # each of the two who chose is predicted by one of the two others: (.5, 1.5) / 2 and its mirror
    assert cross_entropy(answers, base=[0.5, 0.5]) == pytest.approx(-math.log(0.5 / 2))


def test_half_panels_are_labelled_reproducible_and_better_than_one_person():
    truth = torch.rand(300, 1, 5, generator=gen())
    answers = torch.rand(300, 12, 5, generator=gen(1)) < truth
    asked = torch.ones(300, 12)
    model = truth[:, 0] >= 1 / 2
    one = am.human_reference(answers, asked, F.set_f1, {"model": model}, tau=1 / 2)
    draw = partial(am.human_reference, answers, asked, F.set_f1, {"model": model}, tau=1 / 2, predictor="half")
    half, again = draw(generator=gen()), draw(generator=gen())
    assert torch.equal(half.rows["half_panel"], again.rows["half_panel"])
    assert (set(half.rows), set(one.rows)) == ({"half_panel", "model_half"}, {"human", "model_loo"})
    assert half.mean("half_panel") > one.mean("human") + 0.05
    assert one.mean("model_loo") > one.mean("human")  # not a ceiling


def test_counts_of_one_choice_each_are_judgements():
    counts = [[2, 0, 1], [0, 1, 0], [0, 0, 0]]
    answers, asked = am.judgements_from_counts(counts)
    assert (answers.sum(1).tolist(), asked.sum(1).tolist()) == (counts, [3, 1, 0])
    assert (answers.sum(-1) == asked).all()
    refused(am.DomainError, "counts, not shares", am.judgements_from_counts, [[0.5, 0.5]])


def test_one_person_on_ferplus_by_the_closed_form(ferplus):
    _, _, counts = ferplus
    answers, asked = am.judgements_from_counts(counts)
    reference = am.human_reference(answers, asked, partial(F.human_mass_at_k, ties="expected"), against="rates")
    n = counts.sum(-1)
    # a person agrees with another drawn from the rest: sum v (v - 1) / n (n - 1)
    closed = (counts * (counts - 1)).sum(-1) / (n * (n - 1))
    torch.testing.assert_close(reference.rows["human"], closed, rtol=1e-12, atol=1e-12, equal_nan=True)
    assert 0.5 < reference.mean("human") < 0.8


def test_a_model_that_knows_the_faces_beats_the_prior_on_the_same_targets(ferplus):
    preds, shares, counts = (x[:3000] for x in ferplus)
    answers, asked = am.judgements_from_counts(counts)
    prior = shares.mean(0)
    options = {"predictor": "rest", "against": "distribution", "base": prior}
    reference = am.human_reference(answers, asked, F.cross_entropy, {"model": preds, "prior": prior}, **options)
    assert reference.mean("model_loo") < reference.mean("prior_loo")
    assert reference.mean("human") < reference.mean("prior_loo")


WRONG_CALLS = [
    ({"predictor": "two"}, am.ArgumentError, "predictor: expected one of"),
    ({"against": "votes"}, am.ArgumentError, "against, with predictor='person': expected one of"),
    ({"predictor": "rest"}, am.ArgumentError, "predictor='rest': expected one of 'rates', 'distribution'"),
    ({"predictor": "half"}, am.ArgumentError, "generator"),
    ({"predictor": "half", "against": "people"}, am.ArgumentError, "predictor='half': expected one of 'set'"),
    ({"preds": {"human": [1, 0, 0]}}, am.ArgumentError, "names other than 'human'"),
    ({"preds": {"model": [1, 0]}}, am.ShapeError, r"preds\['model'\]: expected \[2, 3\] or \[3\]"),
    ({"tau": 0}, am.ArgumentError, "tau"),
    ({"base": [0.5]}, am.ShapeError, "base"),
    ({"metric": F.label_f1}, am.ShapeError, "metrics over the table have no human reference"),
]


@pytest.mark.parametrize(("options", "error", "match"), WRONG_CALLS)
def test_wrong_calls_are_refused(options, error, match):
    options = {"metric": F.set_f1, **options}
    refused(error, match, am.human_reference, ANSWERS, ASKED, **options)


def test_answers_of_people_who_were_not_asked_are_refused():
    two, shapes = torch.ones(1, 2, 2), r"expected \[N, A, C\] and \[N, A\]"
    refused(am.DomainError, "person 1 has some for row 0", am.human_reference, two, torch.tensor([[1, 0]]), F.set_f1)
    refused(am.ShapeError, shapes, am.human_reference, two, torch.ones(1, 3), F.set_f1)


def test_the_floor_of_a_coin_is_its_binomial_mean():
    truth = torch.full((2000, 2), 0.5)
    floor = am.sampling_floor(truth, 4, F.total_variation, generator=gen())
    # E|k/4 - 1/2| over k ~ Binomial(4, 1/2) = (2 x .5 + 8 x .25) / 16
    assert float(floor) == pytest.approx(3 / 16, abs=0.004)
    rates = am.sampling_floor(truth, 4, F.rate_manhattan, kind="rates", generator=gen())
    assert float(rates) == pytest.approx(2 * 3 / 16, abs=0.004)


def test_people_may_differ_by_image():
    truth = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
    n = torch.tensor([1, 1000])
    floor = partial(am.sampling_floor, metric=F.total_variation, repeats=50)
    one, many = (floor(truth[i : i + 1], int(n[i]), generator=gen()) for i in (0, 1))
    assert float(one) == 0.5
    assert float(floor(truth, n, generator=gen())) == pytest.approx((float(one) + float(many)) / 2, abs=0.005)


def test_the_floor_of_a_table_metric():
    truth = torch.rand(300, 4, generator=gen())
    low, high = (am.sampling_floor(truth, n, F.soft_f1, kind="rates", generator=gen()) for n in (3, 100))
    assert 0.5 < low < high < 1


def test_the_floor_of_emotion6(real_data):
    shares = scipy.io.loadmat(real_data / "emotion6" / "emotion6_features_distributions.mat")["labels"]
    shares = shares / shares.sum(1, keepdims=True)
    floor = {
        (name, n): float(am.sampling_floor(shares, n, metric, generator=gen()))
        for name, metric in (("kl", F.kl_divergence), ("tv", F.total_variation))
        for n in (5, 15)
    }
    # the values themselves, drawn another way
    drawn = np.random.default_rng(0)
    for (name, n), value in floor.items():
        votes = np.stack([drawn.multinomial(n, row.astype(np.float64) / row.sum(dtype=np.float64)) for row in shares])
        metric = F.kl_divergence if name == "kl" else F.total_variation
        assert value == pytest.approx(float(metric(shares, votes / n).mean()), abs=0.006)


def test_the_default_base_does_not_see_the_person_left_out():
    # the 5 others of 2 images x 3 people chose label 0 or 1; the one left out alone chose 2
    answers = torch.tensor([[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [1, 0, 0], [0, 1, 0]]])
    expected = []
    for image in range(2):
        for person in range(3):
            votes = answers[image].sum(0) - answers[image, person]
            others = answers.sum((0, 1)) - answers[image, person]
            share = votes + (others + 0.5) / 6
            expected.append(-math.log(float((share / share.sum() * answers[image, person]).sum())))
    assert cross_entropy(answers) == pytest.approx(sum(expected) / 6)
    # people who answer at random are no better than chance
    assert sum(map(cross_entropy, at_random(3))) / 40 > math.log(5)


def test_half_a_panel_does_not_see_the_other_half():
    halves = [cross_entropy(answers, "half", "half_panel", generator=gen()) for answers in at_random(4)]
    assert sum(halves) / 40 > math.log(5)
