"""A head over another that tells people apart: saved whole, pooled where people say little; and `train --by-person`."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch.nn.functional import binary_cross_entropy

from affectml.errors import BadInput
from affectml.heads import ByPersonHead, PersonAnswers, SigmoidHead, load_head
from affectml.heads.mixed_logit import person_rates
from affectml.runs import TrainConfig
from affectml.training import train_run
from affectml.training.by_person import CELLS, _votes

from .checks import answered, refused

INSIDE = {"head": "sigmoid", "options": {"l2": 0.01}}
SAID = {"tastes": 2, "ridge": 5.0}  # larger tastes than most people's


def case(seed=0, people=40, images=120, labels=3, given=40, differ=1.0, taste=1.0):
    """Features, and answers of people whose thresholds differ, and their liking of the first two features."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(images, 6)).astype(np.float32)
    log_odds = X @ rng.normal(size=(6, labels)) / 2
    b, u = differ * rng.normal(size=(people, labels)), taste * rng.normal(size=(people, 2))
    image = np.concatenate([rng.permutation(images)[:given] for _ in range(people)])
    person = np.repeat(np.arange(people), given)
    rates = 1 / (1 + np.exp(-(log_odds[image] + b[person] + (X[image, :2] * u[person]).sum(1, keepdims=True))))
    chosen = torch.from_numpy((rng.random(rates.shape) < rates).astype(np.int64))
    return X, PersonAnswers(torch.from_numpy(image), torch.from_numpy(person), chosen, people)


def split(X, answers, first):
    """Arguments of `fit`: the first rows, and the others as validation."""
    parts = []
    for start, rows in ((0, X[:first]), (first, X[first:])):
        part = answers.part(start, len(rows))
        votes, n = _votes(part, len(rows))
        parts.append((rows, (votes / n.clamp(min=1)[:, None]).numpy(), part))
    (rows, shares, own), (held, held_shares, other) = parts
    return (rows, shares), {"val": (held, held_shares), "answers": own, "val_answers": other}


def fitted(X, answers, first=90, **options):
    positional, named = split(X, answers, first)
    return ByPersonHead(**(INSIDE | options)).fit(*positional, **named)


@pytest.fixture(scope="module")
def known():
    X, answers = case()
    return X, answers, fitted(X, answers, **SAID)


def test_thresholds_and_tastes_are_as_large_as_people_s(known):
    _, _, head = known
    assert head.report_["threshold_sd"] == pytest.approx([1.0] * 3, abs=0.35)
    assert head.report_["taste_sd"] == pytest.approx([2**0.5] * 3, abs=0.7)
    alike = fitted(*case(seed=2, differ=0.0, taste=0.0, people=80), tastes=2)
    assert max(alike.report_["threshold_sd"]) < 0.3
    assert max(alike.report_["taste_sd"]) < 0.3


def test_a_person_known_from_answers_is_said_better_than_everybody(known):
    X, answers, head = known
    images, people = head.images(X).take(answers.image), head.fit_.people
    rates = (person_rates(images, people.take(answers.person)), head.predict_rates(X)[answers.image])
    own, everybody = (binary_cross_entropy(each, answers.chosen.double()) for each in rates)
    assert own < everybody - 0.1
    mine = (answers.person == 3).nonzero()[:, 0]
    again = head.person(X[answers.image[mine]], answers.chosen[mine].numpy())
    assert again.mean.shape == people.mean[3:4].shape
    assert torch.corrcoef(torch.stack([again.mean[0], people.mean[3]]))[0, 1] > 0.9


def test_the_population_s_rates_are_the_integral_over_people(known):
    X, _, head = known
    rates = head.predict_rates(X)
    assert torch.equal(rates, head.person_rates(X, head.everybody()))
    assert torch.equal(rates, head.scores(X))
    assert ((rates - 0.5).abs() < (head.images(X).base.sigmoid() - 0.5).abs()).all()


def test_it_is_saved_and_read_back_byte_by_byte_without_people(known, tmp_path):
    X, answers, _ = known
    head = fitted(X, answers, **SAID)
    head.tune_thresholds(X, (head.predict_rates(X) > 0.5).long())
    head.save(tmp_path)
    again = load_head(tmp_path)
    assert isinstance(again, ByPersonHead)
    assert again.scores(X).numpy().tobytes() == head.scores(X).numpy().tobytes()
    assert torch.equal(again.predict_sets(X), head.predict_sets(X))
    few = answers.take(torch.arange(12))
    rates = [h.person_rates(X, h.person(X[few.image], few.chosen.numpy())) for h in (head, again)]
    assert torch.equal(*rates)
    assert torch.equal(head.person_sets(rates[0]), again.person_sets(rates[1]))
    assert (again.report_, hasattr(again, "fit_")) == (head.report_, False)
    assert repr(again) == "ByPersonHead(options={'l2': 0.01}, tastes=2, ridge=5.0)"
    assert all(each.shape[0] != answers.people for each in again._saved().values())


def test_the_same_generator_gives_the_same_head_and_a_second_fit_forgets_the_first(known):
    X, answers, head = known
    twice = fitted(*case(seed=4, images=100), 70, **SAID)
    positional, named = split(X, answers, 90)
    twice.fit(*positional, **named)
    assert torch.equal(twice.scores(X), head.scores(X))
    assert twice.report_ == head.report_


def test_without_validation_answers_sets_are_cut_at_a_half(known):
    assert (known[2]._fitted()["own_thresholds"] != 0.5).all()
    X, answers = case(people=10)
    (rows, shares), named = split(X, answers, 90)
    head = ByPersonHead(**INSIDE).fit(rows, shares, answers=named["answers"])
    assert head.population.axes.shape == (X.shape[1], 3, 8)
    assert head.person_sets(torch.tensor([[0.6, 0.4, 0.5]], dtype=torch.float64)).tolist() == [[1, 0, 1]]


def test_an_estimator_is_copied_and_says_what_it_lacks(known):
    X, answers, head = known
    copy = clone(head)
    assert (copy.config, copy._state, hasattr(copy, "fit_")) == (head.config, {}, False)
    (rows, shares), _ = split(X, answers, 90)
    for act, words in (
        (lambda: ByPersonHead(**INSIDE).fit(rows, shares), "give answers=PersonAnswers"),
        (lambda: ByPersonHead(head="softmax").fit(rows, shares, answers=answers), "no 'softmax' head can be inside"),
        (lambda: ByPersonHead(**INSIDE).scores(X), "has not been fitted"),
        (lambda: ByPersonHead(ridge=0.0).fit(rows, shares, answers=answers), "ridge must be greater than 0"),
    ):
        refused(BadInput, words, act)
    assert repr(ByPersonHead.over(SigmoidHead(l2=0.1), tastes=2)) == "ByPersonHead(options={'l2': 0.1}, tastes=2)"


NAMING_NOTHING = [
    ({"image": torch.tensor([0, 99])}, "answers: row 1 names no image, expected 0 to 9"),
    ({"person": torch.tensor([-1, 0])}, "answers: row 0 names no person, expected 0 to 3"),
    ({"chosen": torch.tensor([[0, 1], [2, 0]])}, "answers: row 1 must choose 0 or 1"),
    ({"chosen": torch.zeros(2, 3)}, r"expected chosen \[2, 2\]"),
    ({"image": torch.zeros(0), "person": torch.zeros(0), "chosen": torch.zeros(0, 2)}, "answers: none"),
]


@pytest.mark.parametrize(("change", "words"), NAMING_NOTHING)
def test_answers_that_name_nothing_are_refused(change, words):
    given = {"image": torch.tensor([0, 1]), "person": torch.tensor([0, 3]), "chosen": torch.tensor([[0, 1], [1, 0]])}
    X = np.random.default_rng(0).normal(size=(10, 3))
    with pytest.raises(BadInput, match=words):
        ByPersonHead(**INSIDE).fit(X, np.full((10, 2), 0.4), answers=PersonAnswers(**(given | change), people=4))


def trained(folder, out, **options):
    fixed = {"multilabel": True, "by_person": True, "threads": 1, "options": {"l2": 0.1}}
    return train_run(TrainConfig(str(folder), **fixed, **options), out=out)


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=160, seed=0).root


@pytest.fixture(scope="module")
def run(demo):
    return trained(demo, demo.parent / "run")


def by_cell(run, metric="rate_cross_entropy", against="people"):
    """{CELL: {SYSTEM: Figure}} of what is judged person by person; the second system's where it is a difference."""
    found = {}
    for each in run.evaluation.where(by="answers_known", level=None, metric=metric):
        if (each.against == "people") == (against == "people"):
            found.setdefault(each.level, {})[each.system if against == "people" else each.against] = each
    return found


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["rate_cross_entropy", "rate_brier_score", "set_f1"])
def test_every_cell_has_its_systems_and_their_differences(run, metric):
    scores, apart = by_cell(run, metric), by_cell(run, metric, "systems")
    assert list(scores) == list(run.evaluation.facts["by_person"]) == [*CELLS]
    for cell, systems in scores.items():
        rivals = {"no_person", *(("other_people",) if "seen_images" in cell else ())}
        rivals |= set() if cell.endswith("_k0") else {"anybody"}
        assert systems.keys() - {"model"} == apart[cell].keys() == rivals
        assert all(each.low <= each.value <= each.high for each in systems.values())
        for rival, each in apart[cell].items():
            assert each.value == pytest.approx(systems["model"].value - systems[rival].value, abs=1e-12)


@pytest.mark.slow
def test_anybody_is_the_model_that_knows_nothing_of_the_same_people(run):
    cells = by_cell(run)
    for images in ("new", "seen"):
        before = cells[f"unseen_people_{images}_images_k0"]["model"].value
        for k in (5, 20):
            assert cells[f"unseen_people_{images}_images_k{k}"]["anybody"].value == pytest.approx(before, abs=1e-12)


@pytest.mark.slow
def test_an_answer_that_several_fits_judge_counts_once(run, demo):
    table = pd.read_parquet(demo / "annotations.parquet")
    sizes = run.evaluation.facts["by_person"]
    seen = sizes["seen_people_new_images"]
    assert seen == sizes["unseen_people_new_images_k0"]
    predicted = answered(run)
    test = table[table.image_id.isin(predicted.image_id[predicted.split == "test"])]
    assert seen["answers"] == test.kind.isin(["labels", "none"]).sum()
    assert by_cell(run, "people")["seen_people_new_images"]["people"].value == seen["people"]


@pytest.mark.slow
def test_only_people_whose_answers_the_fit_knows_are_seen_and_groups_are_drawn_anew_as_wholes(demo, tmp_path):
    """Images in groups of eight, and half of the answers each by somebody who gives no other."""
    folder = shutil.copytree(demo, tmp_path / "set")
    images = pd.read_parquet(folder / "images.parquet")
    images.assign(group=[f"g{i // 8}" for i in range(len(images))]).to_parquet(folder / "images.parquet")
    table = pd.read_parquet(folder / "annotations.parquet")
    once = np.random.default_rng(0).random(len(table)) < 0.5
    table.loc[once, "annotator_id"] = [f"once{i}" for i in range(once.sum())]
    table.to_parquet(folder / "annotations.parquet")
    grouped = trained(folder, tmp_path / "run")
    sizes = grouped.evaluation.facts["by_person"]
    strangers = sizes["unseen_people_new_images_k0"]
    assert sizes["seen_people_new_images"]["people"] <= 12 < strangers["people"]
    assert all(size["groups"] < size["images"] / 2 for size in sizes.values())
    score = by_cell(grouped)["unseen_people_new_images_k0"]["model"]
    assert (score.few, score.units) == (True, strangers["groups"])


def test_a_set_without_judgements_is_refused(demo, tmp_path):
    bare = shutil.copytree(demo, tmp_path / "bare")
    (bare / "annotations.parquet").unlink()
    refused(BadInput, r"no annotations\.parquet", trained, bare, tmp_path / "run")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(run, demo):
    again = trained(demo, demo.parent / "again")
    for file in ("metrics.csv", "facts.json"):
        assert (again.folder / file).read_bytes() == (run.folder / file).read_bytes()
