"""A promised precision: cuts by hand and by trying all, 500 calibrations, MAPIE beside it, and a whole run with one."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from affectml.data import Dataset
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder
from affectml.errors import BadInput
from affectml.heads import SigmoidHead, load_head, promise
from affectml.heads._precision import cuts_to_test, p_value
from affectml.heads.promise import Asked, Promise, find_cut, losses, make_promise, unit_means
from affectml.runs import TrainConfig
from affectml.training import train_run

from .answered import answered
from .panels import samples

SLOW = {"demo"}  # fixtures, and so all that asks for them

HALF = Asked.parse("precision=.5")


def test_the_loss_is_the_share_of_a_set_that_nobody_chose_and_an_empty_set_has_none():
    sets = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]])
    votes = np.array([[3, 0, 1], [1, 0, 0], [1, 1, 1], [0, 0, 0]])
    assert losses("precision", sets, votes) == pytest.approx([0.5, 0, np.nan, 1], nan_ok=True)


def test_p_values_by_hand():
    """The stakes are at their most, .75 / .8 of the fortune, so each loss of 0 at alpha .2 multiplies it by 1.1875."""
    assert p_value(np.zeros(14), 0.2, 0.9) == pytest.approx(1.1875**-14)
    assert p_value(np.zeros(14), 0.2, 0.9) < 0.1 < p_value(np.zeros(13), 0.2, 0.9)
    assert p_value(np.ones(50), 0.2, 0.9) == p_value(np.array([]), 0.2, 0.9) == 1


@pytest.mark.slow
@pytest.mark.parametrize("values", [(0.0, 1.0), (0.0, 0.5), (0.15, 0.25)])
def test_a_p_value_below_a_tenth_comes_in_at_most_a_tenth_of_samples_that_lose_alpha(values):
    rng, chance = np.random.default_rng(0), (0.2 - values[0]) / (values[1] - values[0])
    for n in (5, 20, 80):
        found = [p_value(np.where(rng.random(n) < chance, *values[::-1]), 0.2, 0.9) for _ in range(700)]
        assert np.mean(np.array(found) <= 0.1) <= 0.1 + 2 * 0.0113


@pytest.mark.parametrize("text", ["recall=.8", "extra=.5", "precision=.6"])
def test_the_spread_is_that_of_the_expected_loss_over_draws_of_calibration_images(text, monkeypatch):
    """Each draw has the cut that it chooses; the error at one cut alone said two thirds of it for a precision."""
    rng, asked = np.random.default_rng(0), Asked.parse(text)

    def drawn(images):
        rates = rng.beta(np.linspace(0.1, 1, 8), np.linspace(1.9, 1, 8), size=(images, 8))
        return np.clip(rates + rng.normal(0, 0.25, rates.shape), 0, 1), rng.binomial(5, rates).astype(float)

    scores, votes = drawn(20_000)
    said = np.mean([find_cut(asked, *drawn(80)).spread for _ in range(6)])
    monkeypatch.setattr(promise, "_DRAWS", 0)
    cuts = [find_cut(asked, *drawn(80)).value for _ in range(60)]
    happened = np.std([np.nanmean(losses(asked.risk, scores >= cut, votes)) for cut in cuts])
    assert said == pytest.approx(happened, rel=0.3)


def test_cuts_lie_between_the_scores_of_other_rows_from_the_first_that_leaves_few_enough_empty():
    scores = np.array([[0.9, 0.1], [0.7, 0.2], [0.5, 0.4]])
    assert cuts_to_test(scores, 0.0).tolist() == pytest.approx([0.45, 0.3, 0.15, -np.inf])
    assert cuts_to_test(scores, 0.34).tolist()[0] == pytest.approx(0.6)
    assert cuts_to_test(scores, 0.9).tolist()[0] == pytest.approx(0.8)
    assert len(cuts_to_test(np.linspace(0, 1, 5000)[:, None], 0.5)) == 1000


def test_the_lowest_cut_by_hand():
    """Eight images whose first label is right and whose second is not: with both, all lose a half, not less than .5."""
    scores, votes = np.tile([0.9, 0.3], (8, 1)), np.tile([1.0, 0.0], (8, 1))
    cut = find_cut(HALF, scores, votes)
    assert (cut.value, cut.units, cut.mean, cut.empty) == (pytest.approx(0.6), 8, 0, 0)
    assert find_cut(Asked.parse("precision=.1"), scores, votes).value == -1e6  # every label may come in


def test_the_tests_end_at_the_first_cut_that_fails_though_lower_ones_would_pass():
    """Half the images begin with a wrong label and go on with right ones: nothing beyond the failure is sought."""
    first = np.repeat([0.9, 0.8], 40)
    scores = np.column_stack([first, np.full((80, 3), [0.5, 0.4, 0.3])])
    votes = np.column_stack([first > 0.85, np.ones((80, 3))]).astype(float)
    asked = Asked.parse("precision=.6")
    assert p_value(losses("precision", scores > 0, votes), asked.alpha, 0.9) < 0.1
    assert find_cut(asked, scores, votes).value == pytest.approx(0.85)


@given(samples(), st.floats(0.05, 0.9), st.sampled_from([0.0, 0.3, 0.5]))
def test_the_cut_is_the_one_that_trying_all_of_them_finds(sample, level, empty):
    scores, votes, groups = sample
    asked, kept = Asked("precision", level, 0.5, empty), None
    for cut in [value for value in np.unique(scores)[::-1] if (scores.max(axis=1) < value).mean() <= empty]:
        if p_value(unit_means(losses("precision", scores >= cut, votes), groups), asked.alpha, 0.5) > 0.5:
            break
        kept = cut
    try:
        found = find_cut(asked, scores, votes, groups=groups)
    except BadInput:
        blank = 1.0 if kept is None else unit_means((scores.max(axis=1) < kept).astype(float), groups).mean()
        assert kept is None or blank > empty
        return
    assert ((scores >= found.value) == (scores >= kept)).all()


def drawn(rng, units):
    """Groups of one to three images whose scores tie and are too sure of themselves: scores, votes and groups."""
    group = np.repeat(np.arange(units), rng.integers(1, 4, units))
    rates = (rng.beta(0.7, 1.6, (units, 6))[group] + rng.uniform(0, 0.2, (len(group), 6))).clip(0, 1)
    votes = rng.binomial(2, rates**2).astype(float)
    return np.round(rates + rng.normal(0, 0.1, rates.shape), 2).clip(0, 1), votes, group


@pytest.mark.slow
@pytest.mark.parametrize("own", [False, True])
def test_of_500_calibrations_at_least_88_in_100_keep_a_precision_that_was_promised_at_90(own):
    """Of the cuts .01 apart, the next one has less than .01 too little: the hardest not to be fooled by."""
    scores, votes, groups = drawn(np.random.default_rng(1), 10_000)
    rng, start, true = np.random.default_rng(5), drawn(np.random.default_rng(2), 100)[0], {}

    def risk(cut):
        if round(cut, 4) not in true:
            true[round(cut, 4)] = unit_means(losses("precision", scores >= cut, votes), groups).mean()
        return true[round(cut, 4)]

    asked, kept, made = Asked.parse("precision=.8"), 0, 0
    for _ in range(500):
        calibration, said, group = drawn(rng, 100)
        try:
            cut = find_cut(asked, calibration, said, groups=group, start=None if own else start).value
        except BadInput:
            continue
        made, kept = made + 1, kept + (risk(cut) <= asked.alpha)
    assert made > 250
    assert 0.88 * made <= kept < made


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_sets_are_larger_than_those_of_mapie_on_the_same_data():
    """MAPIE tests a hundred cuts by Bonferroni and Holm with a bound for 0/1, and calls an empty set's precision 0."""
    from mapie.risk_control import MultiLabelClassificationController

    rng, ours, theirs = np.random.default_rng(7), [], []
    for _ in range(5):
        scores, votes, _ = drawn(rng, 100)
        some = votes.any(axis=1)  # MAPIE takes no other
        other = MultiLabelClassificationController(
            np.asarray, risk="precision", method="ltt", target_level=0.5, confidence_level=0.9
        ).calibrate(scores[some], (votes[some] > 0).astype(int))
        cut = find_cut(Asked.parse("precision=.5"), scores[some], votes[some]).value
        ours.append((scores >= cut).sum(axis=1).mean())
        theirs.append(other.predict(scores)[:, :, 0].sum(axis=1).mean())
    assert np.mean(ours) > np.mean(theirs)


def some_rows(n=160, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype(np.float32)
    return X, rng.binomial(5, 1 / (1 + np.exp(-2 * X[:, :3]))) / 5


def test_a_head_keeps_a_precision_after_saving_and_says_how_surely(tmp_path):
    X, shares = some_rows()
    asked = Asked.parse("precision=.7", probability=0.95, empty=0.3)
    head = SigmoidHead(l2=0.1).fit(X, shares).keep_promise(asked, X, shares, start=some_rows(seed=1)[0])
    head.save(tmp_path)
    again = load_head(tmp_path)
    assert again.promise_ == head.promise_
    assert again.promise_.asked == asked
    words = again.promise_.words()
    assert "with a probability of 95 % over draws of 160 calibration images, at least 70 % of a set's labels" in words
    assert f"of the calibration images, {100 * head.promise_.cut.empty:.0f} % have an empty one" in words
    assert "panel" not in again.promise_.words(people=False)
    sets = again.predict_sets(X)
    assert (sets.sum(dim=1) == 0).double().mean().item() == pytest.approx(head.promise_.cut.empty, abs=0.01)
    assert np.nanmean(losses("precision", sets, shares)) == pytest.approx(head.promise_.cut.mean, abs=0.01)


def test_each_level_has_tests_of_its_own_and_an_unknown_one_the_highest_cut():
    scores = torch.tensor([[0.9, 0.3], [0.6, 0.1]]).repeat(20, 1)
    votes, levels = np.tile([[1.0, 0.0]], (40, 1)), np.array(["light", "dark"] * 20, dtype=object)
    promise = make_promise(HALF, scores, votes, column="look", levels=levels, start=scores, start_levels=levels)
    cuts = {name: cut.value for name, cut in promise.levels.items()}
    assert cuts == pytest.approx({"light": 0.6, "dark": 0.35})
    assert promise.cut.value == cuts["light"]
    assert "0 % of dark, 0 % of light have an empty one" in promise.words()
    assert "smaller, and more of them empty, than those" in promise.where_levels_are_unknown()
    assert Promise.from_json(json.loads(json.dumps(promise.to_json()))) == promise
    with pytest.raises(BadInput, match="20 calibration images with look 'dark' are too few"):
        make_promise(Asked.parse("precision=.95"), scores, votes, column="look", levels=levels)


def test_a_level_without_other_rows_takes_those_of_all_levels():
    scores, votes = torch.tensor([[0.9, 0.3], [0.6, 0.1]]).repeat(20, 1), np.tile([[1.0, 0.0]], (40, 1))
    levels, start = np.array(["light", "dark"] * 20, dtype=object), torch.tensor([[0.8, 0.4]])
    promise = make_promise(
        HALF, scores, votes, column="look", levels=levels, start=start, start_levels=np.array(["light"], dtype=object)
    )
    assert {name: cut.value for name, cut in promise.levels.items()} == pytest.approx({"light": 0.6, "dark": 0.6})


def test_sets_are_cut_where_it_was_tested_in_saturated_scores_too():
    scores = np.column_stack([np.repeat([1.0, 1 - 1e-7], 50), np.full(100, 1 - 2e-7)])
    votes = np.column_stack([np.repeat([1.0, 0.0], 50), np.zeros(100)])
    promise = make_promise(Asked.parse("precision=.8"), torch.from_numpy(scores), votes)
    assert promise.cut.empty == 0.5
    assert (scores >= promise.cuts(None, 100)).sum() == 50


def test_of_groups_the_share_of_empty_sets_is_said_as_the_mean_over_groups():
    """Half of the groups have three images with empty sets: three quarters of the images, half a group's on average."""
    groups = np.array([f"g{i}" for i in range(20) for _ in range(1 + 2 * (i < 10))])
    full = np.isin(groups, [f"g{i}" for i in range(10, 20)])
    scores = torch.from_numpy(np.where(full, 0.9, 0.1))[:, None]
    promise = make_promise(HALF, scores, full[:, None].astype(float), groups=groups, start=torch.tensor([[0.9], [0.1]]))
    assert promise.cut.empty == 0.5
    assert "(of a calibration group's images on average, 50 % have an empty one)" in promise.words()


def test_what_so_few_or_such_images_cannot_promise_is_refused_with_what_was_found():
    good, right = np.full((10, 1), 0.5), np.ones((10, 1))
    with pytest.raises(BadInput, match=r"10 calibration images are too few: precision=0\.743 is the most.*takes 14"):
        find_cut(Asked.parse("precision=.8"), good, right)
    assert find_cut(Asked.parse("precision=.743"), good, right).mean == 0
    with pytest.raises(BadInput, match=r"precision=0\.743 is the most.*takes 154"):
        find_cut(Asked.parse("precision=.98"), good, right)
    for units, enough in ((153, False), (154, True)):  # where bets are below their most at first
        assert (p_value(np.zeros(units), Asked.parse("precision=.98").alpha, 0.9) <= 0.1) == enough
    wrong = np.array([[1.0]] * 8 + [[0.0]] * 8)
    with pytest.raises(BadInput, match=r"16 calibration images have one that is not; 50 % of their labels are chosen"):
        find_cut(Asked.parse("precision=.8"), np.full((16, 1), 0.5), wrong)
    scores = np.array([[0.9]] * 20 + [[0.1]] * 20)
    votes, start = (scores > 0.5).astype(float), np.array([[0.9, 0.3], [0.8, 0.2]])
    with pytest.raises(BadInput, match=r"calibration images 50 % of the sets would be empty, more than .*0\.2"):
        find_cut(Asked.parse("precision=.8", empty=0.2), scores, votes, start=start)
    for more, words in ({"probability": 1.0}, "probability of at least .5"), ({"empty": 1.0}, "share of the images"):
        with pytest.raises(BadInput, match=words):
            Asked.parse("precision=.8", **more)


@pytest.fixture(scope="module")
def demo(demo_set):
    data = demo_set(images=300, seed=5)
    embed_dataset(data, load_encoder("affect-tiny"), progress=False)
    return data.root


def test_a_run_says_what_precision_it_promised_and_what_came_out(demo, tmp_path):
    asked = TrainConfig(str(demo), multilabel=True, threads=1, promise="precision=.6", promise_level=0.8)
    run = train_run(asked, out=tmp_path / "run")
    found, promise, made = run.evaluation, run.head.promise_, run.evaluation.facts["promise"]
    said = answered(run).groupby("split")
    assert promise.cut.units == len(said.get_group("calibration"))
    assert (made["promise"], made["probability"], made["words"]) == ("precision=0.6", 0.8, promise.words())
    table = said.get_group("test")
    sets = np.array([[label in chosen for label in run.taxonomy.labels] for chosen in table["set"]])
    votes = Dataset.open(demo).target("emotions").take(table["image_id"].to_numpy()).table
    lost = np.nanmean(losses("precision", sets, votes))
    assert 1 - lost == pytest.approx(found.get("promise_precision").value)
    assert (sets.sum(axis=1) == 0).mean() == pytest.approx(found.get("promise_empty").value)
    assert "--promise precision=.6 --promise-level 0.8" in run.info.command
