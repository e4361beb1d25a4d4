"""Shifts of a promise's ground: p values and a martingale by hand, false alarms, what is found, and through a run."""

import math
import shutil
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from affectml.errors import BadRun
from affectml.heads import load_head
from affectml.heads.promise import Asked, make_promise
from affectml.heads.shift import find_shift, log_martingale, make_ground, p_values
from affectml.importers.embeddings import import_embeddings
from affectml.page.section import Page
from affectml.page.sections.scores import promise
from affectml.predicting import predict_images, predict_to_file
from affectml.training import TrainConfig, train_run

from .checks import evaluated, refused

LABELS = ("awe", "joy", "fear")


def test_p_values_are_ranks_among_all_before_and_ties_count_in_part():
    # .3 lies above .1 and ties with .3 and itself: (1 + .5 * 2) / 4; then .0 below four; then .3 ties with three
    halves = Mock(uniform=lambda size: np.full(size, 0.5))
    found = p_values(np.array([0.1, 0.3, 0.9]), np.array([0.3, 0.0, 0.3]), halves)
    assert found.tolist() == pytest.approx([2 / 4, 0.5 / 5, (2 + 0.5 * 3) / 6])


def test_a_martingale_by_hand():
    """p = 1: bets on high values pay 1.9 and 1.4, on outer ones the same, on low and inner ones .1 and .6."""
    assert log_martingale(np.array([1.0])) == pytest.approx(0.0)  # their mean is the stake
    twice = 2 * (0.1**2 + 0.6**2 + 1.4**2 + 1.9**2) / 8
    assert log_martingale(np.array([1.0, 1.0])) == pytest.approx(math.log(twice))
    assert log_martingale(np.array([1.0, 1.0, 0.3])) == pytest.approx(math.log(twice))  # what was won stays won
    assert log_martingale(np.empty(0)) == 0.0


def draw(rng, rows, shift=0.0, spread=1.0):
    """Scores [rows, 3] and votes of five people, of whom more choose what has a higher score."""
    z = rng.normal(size=(rows, 3)) * spread + shift
    rates = 1 / (1 + np.exp(-z))
    return torch.from_numpy(rates), rng.binomial(5, rates).astype(float)


def looked_at(scores, votes, new, text="recall=.8", column=None, levels=None, now=None, **how):
    """What is seen in new images of a promise that is made on scores and votes. levels, now: of those and of new."""
    made = make_promise(Asked.parse(text), scores, votes, column=column, levels=levels)
    return find_shift(made, make_ground(made, scores, votes, levels=levels), LABELS, new, levels=now, **how)


@pytest.mark.parametrize("text", ["recall=.8", "extra=.9"])
def test_of_1000_exchangeable_pairs_at_most_one_in_a_hundred_is_called_shifted(text):
    rng, alarms = np.random.default_rng(0), 0
    made = make_promise(Asked.parse(text), *draw(rng, 40))  # whose cut, which takes longest, has no say here
    for _ in range(500):
        known, (new, chosen) = draw(rng, 40), draw(rng, 60)
        alarms += find_shift(made, make_ground(made, *known), LABELS, new, choices=chosen).found
    assert alarms <= 10  # half of the pairs for each promise; more than 10 of 500 at 1 % has a chance of 1.3 %


@pytest.mark.parametrize("how", [{"shift": 1.0}, {"shift": -1.0}, {"spread": 0.4}, {"spread": 2.5}], ids=str)
def test_scores_that_moved_drew_together_or_spread_are_found(how):
    rng = np.random.default_rng(1)
    pairs = [(draw(rng, 100), draw(rng, 100, **how)) for _ in range(20)]
    assert sum(looked_at(*known, new).found for known, (new, _) in pairs) >= 19


@pytest.mark.parametrize("text", ["recall=.8", "extra=.9"])
def test_people_who_choose_otherwise_are_found_by_their_choices_alone(text):
    rng = np.random.default_rng(2)
    known, (new, chosen) = draw(rng, 200), draw(rng, 200)
    found = looked_at(*known, new, text, choices=chosen[:, ::-1].copy())
    assert (found.found, found.where) == (True, "what people chose")
    alone = looked_at(*known, new, text)
    assert not alone.found
    assert alone.words().endswith("only scores were seen, and what people choose may differ all the same")


def test_of_a_group_one_image_is_looked_at():
    """Copies of one image would look like a shift."""
    rng = np.random.default_rng(3)
    known, new = draw(rng, 60), draw(rng, 5)[0].repeat(40, 1)
    assert looked_at(*known, new).found
    grouped = looked_at(*known, new, groups=np.tile(np.arange(5).astype(str), 40).astype(object))
    assert (grouped.images, grouped.found) == (5, False)
    assert "(fewer than 20 show none)" in grouped.words()
    promise, groups = make_promise(Asked.parse("recall=.8"), *known), np.repeat(np.arange(12), 5).astype(str)
    assert len(make_ground(promise, *known, groups=groups.astype(object))) == 12


def test_another_mixture_of_levels_is_no_shift_where_each_level_has_its_cut():
    rng = np.random.default_rng(4)

    def some(bright, dark):
        (high, votes), (low, others) = draw(rng, bright, shift=2), draw(rng, dark, shift=-2)
        levels = np.array(["bright"] * bright + ["dark"] * dark, dtype=object)
        return torch.cat([high, low]), np.vstack([votes, others]), levels

    *known, levels = some(80, 80)
    new, chosen, now = some(150, 15)

    def seen(**how):
        return looked_at(*known, new, "extra=1.5", column="light", levels=levels, **how)

    assert not seen(choices=chosen, now=now).found
    assert seen(now=np.where(now == "dark", "bright", "dark").astype(object)).found
    assert seen(now=np.where(now == "dark", "grey", now).astype(object)).images == 150
    where = make_promise(Asked.parse("extra=1.5"), *known, column="light", levels=levels).where_levels_are_unknown()
    assert seen().found is None
    assert seen().words() == f"whether the promise's ground has shifted cannot be seen: {where}"
    assert looked_at(*known, new, "extra=1.5").found


def data_set(folder, seed, *, rows=200, shift=0.0, flip=1):
    """Embeddings of four numbers, and five people who choose a label the more the higher its number is."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 4)) + shift
    votes = rng.binomial(5, 1 / (1 + np.exp(-2 * X[:, :3][:, ::flip] + 1)))
    arrays = {"image": [f"{seed}/{i}.jpg" for i in range(rows)], "embedding": X.astype(np.float32), "votes": votes}
    np.savez(folder / f"{seed}.npz", n=np.full(rows, 5), labels=list(LABELS), **arrays)
    return import_embeddings(folder / f"{seed}.npz", folder / str(seed), name="four-numbers").root


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A run and data sets: its own, one like it, one of other images, and one whose people choose otherwise."""
    folder = tmp_path_factory.mktemp("shift")
    own = data_set(folder, 1, rows=600)
    config = TrainConfig(str(own), multilabel=True, threads=1, promise="recall=.8", options={"l2": 0.1})
    return {
        "run": train_run(config, out=folder / "run"), "own": own, "like": data_set(folder, 2),
        "other": data_set(folder, 3, shift=0.8), "people": data_set(folder, 4, flip=-1),
    }  # fmt: skip


def test_evaluate_says_so_before_the_promise_and_predict_by_scores_alone(places):
    run = places["run"]
    assert run.evaluation.facts["promise"]["shift"]["found"] is False
    assert "no shift of the promise's ground seen in 90 images" in str(promise(Page.of(run.evaluation)))
    seen = {}
    for name in ("like", "other", "people"):
        found = evaluated(run, places[name])
        shift = found.facts["promise"]["shift"]
        written = predict_to_file(run, places[name], places[name].parent / f"{name}.csv", threads=1, say=lambda _: None)
        seen[name] = (shift["found"], written.shift.startswith("the promise's ground has shifted"))
        assert "only scores were seen" in written.shift
    assert seen == {"like": (False, False), "other": (True, True), "people": (True, False)}
    assert "what people chose, these 200 images" in shift["words"]
    assert promise(Page.of(found)).sentence.startswith("The promise's ground has shifted: do not rely on it here")


def test_what_a_run_learned_from_is_no_shift_and_a_few_images_show_none(places):
    """Scores of images that a head was fitted on differ from those of others."""
    run, said = places["run"], []
    predict_images(run, places["own"], threads=1, say=said.append)
    assert "no shift of the promise's ground seen in 90 images" in said[-1]  # those of the test part alone
    predict_images(run, places["other"], threads=1, at_most=19, say=(few := []).append)
    assert not [line for line in few if "ground" in line]


def test_a_promise_without_its_ground_is_damage(places, tmp_path):
    folder = shutil.copytree(places["run"].folder, tmp_path / "run")
    head = load_head(folder)
    head.ground_ = None
    head.save(folder)
    refused(BadRun, "no tensor 'promise_ground', which a sigmoid head needs", load_head, folder)
