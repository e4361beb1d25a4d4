"""Promises: cuts worked by hand and by brute force, what is refused, what came of one, and a whole run."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import affectml.heads.promise as promises
from affectml.data import Dataset
from affectml.data.choose import levels_of
from affectml.data.splits import split_dataset
from affectml.demo_set import write_demo
from affectml.errors import BadInput
from affectml.heads import Promise, SigmoidHead, SoftmaxHead, TopKHead, load_head
from affectml.heads.promise import Asked, find_cut, losses, make_promise, unit_means
from affectml.heads.shift import make_ground
from affectml.judging.evaluate import evaluate
from affectml.judging.scoring import Answers
from affectml.judging.subgroups import kept_promise
from affectml.predicting import predict_images
from affectml.training import TrainConfig, fit, plan_run, prepare, train_run

from .checks import answered, edited_copy, evaluated, refused, truth_of

SLOW = {"demo"}  # fixtures, and so all that asks for them


@pytest.fixture(scope="module", autouse=True)
def no_spread():
    """A cut's spread takes forty times as long as the cut, which is the same without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promises, "_DRAWS", 1)
        yield


FOUR, VOTES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.1], [0.3, 0.2]]), np.array([[3.0, 0], [0, 5], [1, 0], [2, 0]])
THREE, CHOSEN = np.array([[0.9, 0.1], [0.7, 0.8], [0.5, 0.6]]), np.array([[3.0, 0], [0, 5], [0, 1]])
FIVE, GROUPS = np.array([[0.9], [0.8], [0.7], [0.2], [0.1]]), np.array(["a", "a", "a", "b", "c"], dtype=object)
TWICE, FEW = np.tile([0.9, 0.4], (3, 1)), np.array([[1, 1], [2, 2], [30, 30]])


CUTS = [
    # one label each, missed by cuts above .9, .8, .6, .3: n / (n + 1) * R + 1 / (n + 1) <= .5 takes R <= 3/8
    ("recall=.5", FOUR, VOTES, None, 0.6, 1 / 4),
    ("recall=.8", FOUR, VOTES, None, 0.3, 0),
    # an image without a choice does not count
    ("recall=.5", np.vstack([FOUR, [[0.99, 0.99]]]), np.vstack([VOTES, [[0, 0]]]), None, 0.6, 1 / 4),
    # a vote counts by its share of the image, however many were asked: 3 / 4 * .5 + 1 / 4 = .625
    ("recall=.3", TWICE, FEW, None, 0.9, 1 / 2),
    ("recall=.5", TWICE, FEW, None, 0.4, 0),
    # a group is one unit: at .7 group a loses nothing, b and c all, (3 * 2/3 + 1) / 4 = .75
    ("recall=.25", FIVE, np.ones((5, 1)), GROUPS, 0.7, 2 / 3),
    ("recall=.26", FIVE, np.ones((5, 1)), GROUPS, 0.2, 1 / 3),
    # nobody chose .1, .7 and .5: (3 R + 2) / 4 <= 1 takes R <= 2/3, so two of the three may come in
    ("extra=1", THREE, CHOSEN, None, 0.1, 2 / 3),
    ("extra=.75", THREE, CHOSEN, None, 0.5, 1 / 3),
    ("extra=.5", THREE, CHOSEN, None, 0.7, 0),
    ("extra=1.5", THREE, CHOSEN, None, -1e6, 1),
]


@pytest.mark.parametrize(("asked", "scores", "votes", "groups", "cut", "mean"), CUTS)
def test_cuts_by_hand(asked, scores, votes, groups, cut, mean):
    found = find_cut(Asked.parse(asked), scores, votes, groups=groups)
    units = len(votes) if groups is None else 3
    assert (found.value, found.mean) == pytest.approx((cut, mean))
    assert found.units == (units - 1 if not votes[-1].any() else units)
    if "extra" in asked:  # a label at the cut stays out
        assert found.value > cut or cut == -1e6


def test_losses_means_of_units_and_shares_by_hand():
    """A set misses shares of the choices; all that nobody chose is extra."""
    sets = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]])
    votes = np.array([[3, 0, 1], [1, 0, 0], [1, 1, 2], [0, 0, 0]])
    for risk, lost in {"recall": [0.25, 0, 1, np.nan], "extra": [1, 0, 0, 3]}.items():
        assert losses(risk, sets, votes) == pytest.approx(lost, nan_ok=True)
    assert unit_means(np.array([0.0, 0.0, 1.0, 1.0, np.nan]), GROUPS).tolist() == pytest.approx([1 / 3, 1])
    shares = promises.family_scores("shares", torch.tensor([[0.6, 0.2], [0.0, 0.0]]))  # a row of zeros stays
    assert shares.tolist() == [pytest.approx([0.75, 0.25]), [0, 0]]


@st.composite
def samples(draw):
    """scores and votes [n, c] with many ties, and groups [n] or None."""
    n, c = draw(st.integers(1, 14)), draw(st.integers(1, 4))
    cells = st.lists(st.integers(0, 5), min_size=n * c, max_size=n * c)
    scores = np.array(draw(cells)).reshape(n, c) / 5
    votes = np.array(draw(cells)).reshape(n, c).astype(float)
    return scores, votes, draw(st.none() | st.lists(st.sampled_from("abcde"), min_size=n, max_size=n).map(np.array))


@given(samples(), st.sampled_from(["recall", "extra"]), st.floats(0.02, 0.98))
def test_the_cut_is_the_one_that_trying_all_of_them_finds(sample, risk, level):
    """With ties: the largest (recall) or smallest (extra) cut whose corrected mean is at most alpha."""
    scores, votes, groups = sample
    asked, labels = Asked(risk, level if risk == "recall" else 4 * level), scores.shape[1]
    cuts = [-1.0, *np.unique(scores), *np.nextafter(np.unique(scores), 2)]

    def kept(cut):
        lost = unit_means(losses(risk, scores >= cut, votes), groups)
        return len(lost) and (lost.sum() + asked.bound(labels)) / (len(lost) + 1) <= asked.alpha + 1e-9

    possible = [cut for cut in cuts if kept(cut)]
    if not possible:
        refused(BadInput, "too few", find_cut, asked, scores, votes, groups=groups)
        return
    found = find_cut(asked, scores, votes, groups=groups)
    best = max(possible) if risk == "recall" else min(possible)
    assert ((scores >= found.value) == (scores >= best)).all()


@pytest.mark.parametrize("text", ["recall=.8", "extra=.5"])
def test_the_spread_is_that_of_the_expected_loss_over_draws_of_calibration_images(text, monkeypatch):
    """Each draw has the cut that it chooses."""
    rng, asked = np.random.default_rng(0), Asked.parse(text)
    monkeypatch.setattr(promises, "_DRAWS", 40)

    def drawn(images):
        rates = rng.beta(np.linspace(0.1, 1, 8), np.linspace(1.9, 1, 8), size=(images, 8))
        return np.clip(rates + rng.normal(0, 0.25, rates.shape), 0, 1), rng.binomial(5, rates).astype(float)

    scores, votes = drawn(5_000)
    said = np.mean([find_cut(asked, *drawn(80)).spread for _ in range(6)])
    monkeypatch.setattr(promises, "_DRAWS", 1)
    cuts = [find_cut(asked, *drawn(80)).value for _ in range(60)]
    happened = np.std([np.nanmean(losses(asked.risk, scores >= cut, votes)) for cut in cuts])
    assert said == pytest.approx(happened, rel=0.3)


RIGHT = np.ones((10, 1))


NO_PROMISE = [
    ("recal=.8", FOUR, VOTES, "did you mean 'recall'"),
    *(
        (text, FOUR, VOTES, r"expected recall=X \(0 < X < 1\) or extra=X \(labels, X > 0\), e\.g\. recall=\.8$")
        for text in ("recall", "recall=most", "recall=1", "recall=80", "extra=0", "extra=nan")
    ),
    ("recall=.5", FOUR, np.ones((4, 3)), "choices: expected one cell per score"),
    ("recall=.95", RIGHT[1:], RIGHT[1:], "9 calibration images are too few: recall=0.9 is the most.*takes 19"),
    ("extra=.1", np.ones((9, 2)), np.ones((9, 2)), r"extra=0\.2 is the most.*this takes 19"),
    ("extra=.5", np.ones((2, 4)), np.ones((2, 4)), r"extra=1\.334 is the most.*this takes 7"),
    ("recall=.5", RIGHT, 0 * RIGHT, "0 calibration images are too few: nothing is the most"),
    ("recall=.5", FOUR, VOTES, "groups: 3 for 4 rows", np.array([*"abc"])),
]


@pytest.mark.parametrize("case", NO_PROMISE)
def test_what_cannot_be_promised_is_refused_with_what_was_found(case):
    asked, scores, votes, words, *groups = case
    refused(BadInput, words, lambda: find_cut(Asked.parse(asked), scores, votes, groups=groups[0] if groups else None))


def test_a_very_small_promise_is_read_back_as_it_is_written():
    assert Asked.parse(str(Asked.parse("recall=.00001"))) == Asked("recall", 1e-5)


SCORES = torch.tensor([[0.9], [0.8], [0.7], [0.4], [0.3], [0.2], [0.1]])
LEVELS = np.array(["light"] * 3 + ["dark"] * 3 + [None], dtype=object)


def test_each_level_has_its_cut_and_an_unknown_one_the_most_cautious():
    how = {"family": "rates", "column": "look", "levels": LEVELS}
    promise = make_promise(Asked("recall", 0.5), SCORES, np.ones((7, 1)), **how)
    # (3 R + 1) / 4 <= .5: at most one of three missed
    assert {name: cut.value for name, cut in promise.levels.items()} == pytest.approx({"light": 0.8, "dark": 0.3})
    cuts = promise.cuts(np.array(["dark", "light", None, "grey"], dtype=object), 4)
    assert (cuts[:, 0].tolist(), promise.cut.units) == (pytest.approx([0.3, 0.8, 0.3, 0.3]), 6)
    assert promise.words().startswith("within each level of look, on average over images like these")
    assert promise.words().endswith("each other subgroup")
    assert "its sets are larger, and miss less than those" in promise.where_levels_are_unknown()
    words = promise.words(people=False)  # of search words and given sets nobody chose anything
    assert not {"panel", "somebody", "nobody"} & set(words.split())
    assert Promise.from_json(json.loads(json.dumps(promise.to_json()))) == promise
    says, asked = r"3 calibration images with look 'dark' are too few", Asked.parse("recall=.8")
    refused(BadInput, says, make_promise, asked, SCORES, np.ones((7, 1)), column="look", levels=LEVELS)


@pytest.mark.parametrize(("asked", "sign", "kept"), [("recall=.6", -1, 1), ("extra=1", 1, 0)])
def test_the_last_digit_of_a_score_does_not_decide(asked, sign, kept):
    """The image whose score is the cut stays on the side that keeps the promise, however its score is rounded."""
    scores, votes = torch.from_numpy(FOUR).float(), np.eye(2)[[0, 1, 0, 0]]
    promise = make_promise(Asked.parse(asked), scores, votes, family="rates")
    on = scores[torch.isclose(scores.double(), torch.tensor(promise.cut.value, dtype=torch.float64), rtol=1e-5)]
    assert len(on)
    for rounding in (-1e-7, 0, 1e-7):
        assert ((on.double().numpy() * (1 + rounding) >= promise.cuts(None, 1)[0]) == kept).all()
    assert 0 < (promise.careful(promise.cut) / promise.cut.value - 1) * sign < 2e-6


def test_a_level_of_whole_numbers_is_one_level_whether_or_not_another_is_missing():
    images = pd.DataFrame({"image_id": ["a", "b", "c"], "school": [1, 2, 1]})
    ids = images["image_id"].to_numpy()
    for school, levels in (([1, 2, 1], ["1", "2", "1"]), ([1, 2, None], ["1", "2", None])):  # a gap makes 1.0 of 1
        assert levels_of(images.assign(school=school), "school", ids).tolist() == levels
    assert levels_of(images.assign(school=[["x"], ["x", "y"], None]), "school", ids)[2] is None


def some_rows(n=80, seed=0, slope=1):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype(np.float32)
    return X, rng.binomial(5, 1 / (1 + np.exp(-slope * X[:, :3]))) / 5


@pytest.mark.slow
def test_a_softmax_head_promises_the_label_and_a_topk_head_nothing():
    X, shares = some_rows()
    labels = np.eye(3)[shares.argmax(axis=1)]
    head = SoftmaxHead(l2=0.1).fit(X, labels).keep_promise("recall=.9", X, labels)
    assert (head.predict_sets(X).numpy() * labels).sum(axis=1).mean() >= 0.9
    topk = TopKHead(l2=0.1).fit(X, (shares > 0.5).astype(int))
    refused(BadInput, "a topk head decides its sets otherwise", topk.keep_promise, "recall=.8", X, shares)
    refused(BadInput, "did you mean 'shares'", head.keep_promise, "recall=.9", X, labels, family="share")


def test_a_head_keeps_its_promise_and_its_ground_after_saving_and_a_new_fit_or_new_thresholds_forget_them(tmp_path):
    (X, shares), asked = some_rows(160, slope=2), Asked.parse("recall=.8")
    head = SigmoidHead(l2=0.1).fit(X, shares).keep_promise(asked, X, shares)
    head.save(tmp_path)
    again = load_head(tmp_path)
    assert (again.predicts_sets, again.promise_, again.promise_.asked) == (True, head.promise_, asked)
    assert again.ground_.shape == (160, 5)
    torch.testing.assert_close(again.ground_, head.ground_, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(again.ground_[:, 2:], head.scores(X).float().sort(dim=0).values)  # no row of it is an image
    sets = again.predict_sets(X)
    assert torch.equal(sets, head.predict_sets(X))
    assert np.nanmean(losses(asked.risk, sets, shares)) == pytest.approx(head.promise_.cut.mean, abs=0.01)
    head.tune_thresholds(X, (shares > 0.5).astype(int))
    assert head.promise_ is head.ground_ is None
    head.keep_promise("extra=.5", X, shares).fit(X, shares)
    assert head.promise_ is head.ground_ is None


@pytest.fixture(scope="module")
def demo(demo_set):
    data = demo_set(images=300, seed=5, embedded=True)
    rows = np.arange(300)
    more = {"half": np.where(rows % 2, "b", "a"), "many": [f"m{i % 13}" for i in rows]}
    pd.read_parquet(data.root / "images.parquet").assign(**more).to_parquet(data.root / "images.parquet")
    return data.root


def config(demo, **more):
    return TrainConfig(str(demo), multilabel=True, threads=1, options={"l2": 0.1}, **{"promise": "recall=.7", **more})


SETS = [[1, 0], [1, 1], [0, 0], [1, 1]] * 3
PEOPLE = [[[1, 0], [1, 1]], [[1, 0], [1, 0]], [[0, 1], [0, 1]], [[0, 0], [0, 0]]] * 3  # of each image two people


def kept(asked, **more):
    """What came of a promise on these 12 images, made on ten of which all of both labels were said and chosen."""
    truth, ones = truth_of(PEOPLE), torch.ones(10, 2, dtype=torch.float64)
    promise = make_promise(Asked.parse(asked), ones, ones)
    head = SimpleNamespace(promise_=promise, ground_=make_ground(promise, ones, ones))
    answers = {"model": Answers(torch.ones(12, 2), None, torch.tensor(SETS))}
    images = pd.DataFrame({"image_id": truth.image_id, "look": ["day"] * 5 + ["night"] * 5 + ["dusk"] * 2})
    more = {"images": images, "head": head, "own": True, "made_on": "rates", **more}
    return evaluate(answers, truth, split="test", seed=0, also=(kept_promise,), **more)


CAME = [("recall=.5", 5 / 9, 9, 2 / 3), ("extra=1.5", 3 / 4, 12, 4 / 5)]


@pytest.mark.parametrize(("asked", "value", "units", "night"), CAME)
def test_what_came_of_a_promise_is_the_mean_over_the_images_that_count(asked, value, units, night):
    """Nobody chose a label of every fourth image, which says nothing of recall."""
    found, risk = kept(asked), asked.partition("=")[0]
    whole, size = (found.get(f"promise_{name}") for name in (risk, "size"))
    assert (whole.value, whole.units, whole.n, size.value) == (pytest.approx(value), units, 12, 1.25)
    assert whole.low < whole.value < whole.high

    def by_look(metric):
        return {each.level: each.value for each in found.where(by="look", level=None, metric=metric)}

    assert by_look("images") == {"day": 5, "dusk": 2, "night": 5}
    assert by_look(f"promise_{risk}").keys() == {"day", "night"}  # two images make no score
    assert by_look(f"promise_{risk}")["night"] == pytest.approx(night)
    made = found.facts["promise"]
    assert (made["promise"], made["unit"], made["column"]) == (str(Asked.parse(asked)), "images", None)


def test_on_other_data_nothing_is_promised_and_other_choices_show_no_shift():
    own, other, without = kept("recall=.5"), kept("recall=.5", own=False, made_on="sets"), kept("recall=.5", head=None)
    assert own.facts["promise"]["made_on"] == "images of this data set"
    assert own.facts["rules"]["predicted_sets"].startswith("the model's keep its promise (recall=0.5)")
    assert "nothing is promised here" in other.facts["promise"]["made_on"]
    assert "the model's are cut for its promise (recall=0.5)" in other.facts["rules"]["predicted_sets"]
    assert [each.facts["promise"]["shift"]["people"] for each in (own, other)] == [True, False]
    assert "promise" not in without.facts


@pytest.fixture(scope="module")
def run(demo, tmp_path_factory):
    return train_run(config(demo), out=tmp_path_factory.mktemp("runs") / "run")


def test_a_run_says_what_it_promised_and_what_came_out_as_judging_its_head_again_does(demo, run):
    found, again = run.evaluation, evaluated(run, demo)

    def kept_by(evaluation):
        return [(f.metric, f.by, f.level, f.value, f.low, f.high) for f in evaluation.figures if "promise_" in f.metric]

    assert kept_by(found) == kept_by(again)
    assert [each[0] for each in kept_by(found) if not each[1]] == ["promise_recall", "promise_size"]
    assert {each[2] for each in kept_by(found) if each[1] == "half"} == {"a", "b"}
    made = found.facts["promise"]
    assert (made, made["words"]) == (again.facts["promise"], run.head.promise_.words())
    assert "--promise recall=.7" in run.info.command


def test_the_calibration_part_is_cut_from_train_and_moves_nobody_else(demo, run):
    data = Dataset.open(demo)
    plain, parted = (split_dataset(data, data.target("emotions"), 0, calibration=with_it) for with_it in (False, True))
    for part in ("val", "test"):
        assert (plain.ids(part) == parted.ids(part)).all()
    assert set(parted.ids("train")) | set(parted.ids("calibration")) == set(plain.ids("train"))
    assert 0.15 < len(parted.ids("calibration")) / len(plain.ids("train")) < 0.25
    assert set(answered(run)["split"]) == {"train", "calibration", "val", "test"}
    assert run.info.split.images["calibration"] == len(parted.ids("calibration"))


def test_calibration_labels_move_nothing_but_the_cut(demo):
    """Head, thresholds, priors and the sets people are said to have stay to the bit."""
    first = prepare(plan_run(config(demo)))
    given, table = first.targets, first.targets.table.copy()
    here = np.isin(given.image_id, first.split.ids("calibration"))
    table[here] = np.roll(table[here], 1, axis=1)
    second = replace(first, targets=replace(given, table=table))
    one, two = (fit(each) for each in (first, second))
    assert (one.model.thresholds_ == two.model.thresholds_).all()
    for key, value in one.model._saved().items():
        assert torch.equal(value, two.model._saved()[key])
    np.testing.assert_array_equal(first.beta.alpha, second.beta.alpha)
    np.testing.assert_array_equal(first.test.sets, second.test.sets)
    assert one.model.promise_.cut != two.model.promise_.cut
    X = first.store.rows(first.test.image_id)
    assert torch.equal(one.prior.scores(X), two.prior.scores(X))
    assert torch.equal(one.zero_shot.predict_rates(X), two.zero_shot.predict_rates(X))


def test_groups_stay_whole_and_are_the_unit(demo, tmp_path):
    data = shutil.copytree(demo, tmp_path / "grouped")
    images = pd.read_parquet(data / "images.parquet")
    images.assign(group=[f"g{i // 3}" for i in range(len(images))]).to_parquet(data / "images.parquet")
    run = train_run(config(data), out=tmp_path / "run")
    parts = answered(run).merge(pd.read_parquet(data / "images.parquet")[["image_id", "group"]])
    assert len(parts[["group", "split"]].drop_duplicates()) == parts["group"].nunique()
    recall, promise = run.evaluation.get("promise_recall"), run.head.promise_
    calibration = parts[parts["split"] == "calibration"]
    assert promise.unit == run.evaluation.facts["promise"]["unit"] == "groups"
    assert promise.cut.units <= calibration["group"].nunique() < len(calibration)
    assert recall.units < recall.n / 2
    assert "over groups of images like these that somebody chooses a label for" in promise.words()


def test_levels_get_their_cuts_in_predictions_and_files_the_most_cautious(demo, tmp_path):
    own = train_run(config(demo, promise_group="half"), out=tmp_path / "run")
    promise = own.head.promise_
    cuts = {name: cut.value for name, cut in promise.levels.items()}
    assert (set(cuts), len(set(cuts.values()))) == ({"a", "b"}, 2)
    assert (own.evaluation.facts["promise"]["column"], promise.cut.value) == ("half", min(cuts.values()))
    data = Dataset.open(demo)
    images = data.images[data.images["half"] == max(cuts, key=cuts.get)]
    table = answered(own).set_index("image_id")
    in_data = {each.image: each.labels for each in predict_images(own.folder, [data], threads=1)}
    assert all(list(table.loc[image, "set"]) == in_data[image] for image in table.index)
    files = predict_images(own.folder, [demo / file for file in images["file"]], threads=1)
    more = [len(each.labels) - len(in_data[image]) for image, each in zip(images["image_id"], files, strict=True)]
    assert 0 <= min(more) < max(more)


NO_TRAINING = [
    ({"head": "topk"}, r"decides its sets otherwise; take head .*sigmoid"),
    ({"promise": None, "promise_group": "half"}, "belongs to a promise"),
    ({"promise_group": "halv"}, "no such column .*did you mean 'half'"),
    ({"promise_group": "many"}, "levels; expected 2 to 12"),
    ({"promise": "extra=8"}, "only 8 labels"),
    ({"promise": 0.8}, "promise=0.8: it should be a valid string"),
    ({"promise": "recall=.995"}, r"recall=0\.995': \d+ calibration images are too few"),
]


@pytest.mark.parametrize(("more", "words"), NO_TRAINING)
def test_what_a_training_cannot_promise_is_refused_before_anything_is_fitted(demo, tmp_path, more, words):
    refused(BadInput, words, lambda: prepare(plan_run(config(demo, **more), out=tmp_path / "run")))


def test_rates_from_means_and_single_labels_have_no_labels_that_nobody_chose(demo, tmp_path):
    means = {"emotions": {"vote_rule": "moments", "values": "shares"}}
    data = edited_copy(demo, tmp_path / "one", "dataset.json", targets=means)
    table = pd.read_parquet(data / "targets-emotions.parquet")
    labels = [c for c in table.columns if c not in ("image_id", "n")]
    table[labels] = table[labels].div(table["n"], axis=0)
    table.to_parquet(data / "targets-emotions.parquet")
    refused(BadInput, "nobody chose", plan_run, config(data))


def sets_at(cut, scores):
    return (np.asarray(scores) >= cut.value).astype(int)


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("text", ["recall=.8", "extra=.5"])
def test_over_many_draws_the_mean_risk_is_what_was_promised(text, groups):
    """400 calibration draws of 39 exchangeable units: between alpha - 2 B / (n + 1) and alpha, give or take 2 SE."""
    rng, asked, n = np.random.default_rng(0), Asked.parse(text), 39
    found = []
    for _ in range(400):
        units = n + 1
        size = rng.integers(1, 4, units) if groups else np.ones(units, dtype=int)
        group = np.repeat(np.arange(units), size)
        rates = rng.beta(0.6, 1.5, (units, 5))[group] * rng.uniform(0.6, 1, (len(group), 5))
        votes = rng.binomial(5, rates).astype(float)
        votes[:, 0] += votes.sum(axis=1) == 0
        scores = np.clip(rates + rng.normal(0, 0.2, rates.shape), 0, 1)
        last = group == n
        cut = find_cut(asked, scores[~last], votes[~last], groups=group[~last])
        found.append(unit_means(losses(asked.risk, sets_at(cut, scores[last]), votes[last]), group[last])[0])
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    low = asked.alpha - 2 * asked.bound(5) / (n + 1)
    assert low - 2 * error <= np.mean(found) <= asked.alpha + 2 * error


@given(samples(), st.floats(0.05, 0.9), st.floats(0.01, 0.09))
def test_sets_are_nested_and_a_weaker_promise_never_has_larger_sets(sample, level, more):
    scores, votes, groups = sample
    for risk in ("recall", "extra"):
        try:
            levels = (level + more, level) if risk == "recall" else (level, level + more)
            cuts = [find_cut(Asked(risk, value), scores, votes, groups=groups) for value in levels]
        except BadInput:
            continue
        strict, weak = (sets_at(cut, scores) for cut in cuts)
        smaller, larger = (weak, strict) if risk == "recall" else (strict, weak)
        assert (smaller <= larger).all()


def test_levels_keep_what_one_cut_for_all_breaks():
    """A head that is blind to one of two levels: one cut holds on average alone, two cuts in each level."""
    asked, lost = Asked.parse("recall=.8"), {"one": ([], []), "each": ([], [])}
    for seed in range(150):
        rng = np.random.default_rng(seed)
        n = 120
        levels = np.repeat(["clear", "blind"], n // 2).astype(object)
        votes = np.eye(4)[rng.integers(0, 4, n)]
        scores = np.clip(0.5 + 0.4 * votes * (levels == "clear")[:, None] + rng.normal(0, 0.1, (n, 4)), 0.01, 0.99)
        cal = rng.permutation(n) < n // 2
        table = torch.from_numpy(scores)
        one = make_promise(asked, table[cal], votes[cal], family="rates")
        each = make_promise(asked, table[cal], votes[cal], family="rates", column="look", levels=levels[cal])
        for name, promise in (("one", one), ("each", each)):
            sets = scores[~cal] >= promise.cuts(levels[~cal], (~cal).sum())
            missed = losses("recall", sets, votes[~cal])
            for at, level in enumerate(("clear", "blind")):
                lost[name][at].append(missed[levels[~cal] == level].mean())
    one, each = ({k: np.mean(v) for k, v in zip(("clear", "blind"), lost[name], strict=True)} for name in lost)
    assert one["blind"] > 0.3
    error = 2 * max(np.std(values, ddof=1) for values in lost["each"]) / np.sqrt(150)
    assert all(0.2 - 2 / 20 - error <= value <= 0.2 + error for value in each.values())
    assert (one["clear"] + one["blind"]) / 2 <= 0.2 + error


@pytest.mark.slow
def test_one_answer_per_person_is_promised_in_shares(tmp_path):
    data = write_demo(tmp_path / "one", images=120, seed=5, answers="one")
    asked = TrainConfig(str(data.root), multilabel=False, threads=1, encoder="affect-tiny", promise="recall=.7")
    run = train_run(asked, out=tmp_path / "run")
    test = answered(run)[answered(run)["split"] == "test"]
    shares = data.target("emotions").take(test["image_id"].to_numpy()).shares()
    sets = np.array([[label in chosen for label in run.taxonomy.labels] for chosen in test["set"]])
    assert (shares * sets).sum(axis=1).mean() == pytest.approx(run.evaluation.get("promise_recall").value)
    assert run.evaluation.get("set_f1") is None  # people have no sets to compare with
