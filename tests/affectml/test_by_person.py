"""A head over another that tells people apart, saved whole and pooled where people say little; and its mixed logit."""

import math
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.integrate import quad
from sklearn.base import clone
from torch.nn.functional import binary_cross_entropy

from affectml.errors import BadInput
from affectml.heads import ByPersonHead, PersonAnswers, SigmoidHead, load_head
from affectml.heads import mixed_logit as mixed
from affectml.heads.mixed_logit import Normals, Population, fit_mixed_logit, person_rates, posterior
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
    answers, X = PersonAnswers(**(given | change), people=4), np.random.default_rng(0).normal(size=(10, 3))
    refused(BadInput, words, ByPersonHead(**INSIDE).fit, X, np.full((10, 2), 0.4), answers=answers)


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


# The mixed logit of people: by hand, against integrals, whatever the order and the size of its parts


def simulated(seed=0, people=30, images=60, labels=2, tastes=2, given=25, d=4):
    """Log-odds f [N, C], directions z [N, d], answers of people who differ, and their true loads [N, C, R]."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(images, d, generator=g, dtype=torch.float64)
    f = z @ torch.randn(d, labels, generator=g, dtype=torch.float64)
    loads = (z @ torch.randn(d, labels * tastes, generator=g, dtype=torch.float64)).reshape(images, labels, tastes)
    loads = loads / math.sqrt(max(d * tastes, 1))
    b = torch.randn(people, labels, generator=g, dtype=torch.float64)
    u = torch.randn(people, tastes, generator=g, dtype=torch.float64)
    image = torch.cat([torch.randperm(images, generator=g)[:given] for _ in range(people)])
    person = torch.arange(people).repeat_interleave(given)
    rates = (f[image] + b[person] + (loads[image] * u[person][:, None]).sum(-1)).sigmoid()
    chosen = (torch.rand(rates.shape, generator=g, dtype=torch.float64) < rates).long()
    return f, z, PersonAnswers(image, person, chosen, people), loads


def population(labels=1, tastes=0, d=1, sd=0.8, image_sd=0.0) -> Population:
    kind = {"dtype": torch.float64}
    covariance = torch.eye(labels + tastes, **kind)
    covariance[:labels, :labels] *= sd**2
    axes = torch.linspace(-0.5, 0.5, d * labels * tastes, **kind).reshape(d, labels, tastes)
    offset, scale, image_variance = (torch.full((labels,), value, **kind) for value in (-0.3, 1.1, image_sd**2))
    return Population(offset, scale, axes, covariance, image_variance)


def test_one_persons_threshold_is_the_fixed_point_worked_by_hand():
    f, chosen, sd = [0.5, -1.0, 2.0], [1, 0, 0], 0.8
    mean, variance = 0.0, sd**2
    for _ in range(500):
        precision, pull = 1 / sd**2, 0.0
        for x, y in zip(f, chosen, strict=True):
            level = -0.3 + 1.1 * x
            c = math.sqrt((level + mean) ** 2 + variance)
            weight = math.tanh(c / 2) / (2 * c)
            precision += weight
            pull += y - 0.5 - weight * level
        mean, variance = pull / precision, 1 / precision
    answers = PersonAnswers(torch.arange(3), torch.zeros(3, dtype=torch.long), torch.tensor(chosen)[:, None], 1)
    table = torch.tensor(f, dtype=torch.float64)[:, None]
    model = population(sd=sd)
    found = posterior(model, model.images(table, torch.zeros(3, 1, dtype=torch.float64)), answers, steps=500)
    assert float(found.mean) == pytest.approx(mean, abs=1e-7)
    assert float(found.covariance) == pytest.approx(variance, abs=1e-7)


@pytest.mark.parametrize("mean", [-6.0, -1.0, 0.0, 2.5])
@pytest.mark.parametrize("sd", [0.0, 0.3, 1.0, 3.0])
def test_the_integral_of_a_logistic_is_the_integral(mean, sd):
    def inside(t):
        return math.exp(-t * t / 2) / math.sqrt(2 * math.pi) / (1 + math.exp(-(mean + sd * t)))

    expected = quad(inside, -12, 12, epsabs=1e-12)[0]
    found = mixed.normal_logistic(torch.tensor([mean], dtype=torch.float64), torch.tensor([sd**2], dtype=torch.float64))
    assert float(found) == pytest.approx(expected, abs=1e-4 if sd > 1 else 1e-6)


def test_a_persons_rates_are_the_mean_over_what_they_and_the_image_may_be():
    model = population(labels=2, tastes=2, d=3, image_sd=0.7)
    g = torch.Generator().manual_seed(3)
    f, z = (torch.randn(4, n, generator=g, dtype=torch.float64) for n in (2, 3))
    root = torch.randn(4, 4, generator=g, dtype=torch.float64) / 2
    person = Normals(torch.randn(1, 4, generator=g, dtype=torch.float64), (root @ root.T)[None])
    images = model.images(f, z)
    drawn = person.mean + torch.randn(400_000, 4, generator=g, dtype=torch.float64) @ root.T
    log_odds = images.base + drawn[:, None, :2] + torch.einsum("ncr,sr->snc", images.loads, drawn[:, 2:])
    log_odds = log_odds + 0.7 * torch.randn(log_odds.shape, generator=g, dtype=torch.float64)
    assert torch.allclose(person_rates(images, person), log_odds.sigmoid().mean(0), atol=3e-3)


def test_who_gave_no_answer_is_as_everybody_and_every_answer_tells_more():
    model = population(labels=2, tastes=2, d=2)
    g = torch.Generator().manual_seed(0)
    f, z = (torch.randn(9, 2, generator=g, dtype=torch.float64) for _ in range(2))
    images = model.images(f, z)
    person = torch.tensor([1] * 1 + [2] * 9)
    answers = PersonAnswers(torch.tensor([0, *range(9)]), person, torch.ones(10, 2, dtype=torch.long), 3)
    found = posterior(model, images, answers)
    everybody = model.everybody(1)
    assert torch.equal(found.mean[0], everybody.mean[0])
    assert torch.equal(found.covariance[0], everybody.covariance[0])
    known = torch.logdet(found.covariance)
    assert known[0] > known[1] > known[2]
    none = PersonAnswers(*(torch.zeros(0, dtype=torch.long) for _ in range(2)), torch.zeros(0, 2, dtype=torch.long), 2)
    assert torch.equal(posterior(model, images, none).mean, model.everybody(2).mean)


def bound(fit, answers, ridge) -> float:
    """What EM makes larger, in nats: Jaakkola & Jordan's bound at its best, less what people and images differ by."""
    images, people, model = fit.images, fit.people, fit.population
    labels = images.base.shape[1]
    loads, b, u = images.loads[answers.image], people.mean[:, :labels], people.mean[:, labels:]
    h = torch.cat([torch.eye(labels).double().expand(len(answers), -1, -1), loads], dim=2)
    centre = (images.base + images.effect)[answers.image] + b[answers.person]
    centre = centre + (loads * u[answers.person][:, None]).sum(-1)
    variance = torch.einsum("ack,akl,acl->ac", h, people.covariance[answers.person], h)
    c = (centre.square() + variance + images.effect_variance[answers.image]).sqrt()
    cells = (answers.chosen - 0.5) * centre - c / 2 - torch.nn.functional.softplus(-c)
    prior = torch.distributions.MultivariateNormal(torch.zeros(len(model.covariance)).double(), model.covariance)
    each = torch.distributions.MultivariateNormal(people.mean, people.covariance)
    normal = torch.distributions.Normal
    missed = torch.distributions.kl_divergence(
        normal(images.effect, images.effect_variance.sqrt()), normal(0.0, model.image_variance.sqrt())
    )
    asked = torch.bincount(answers.image, minlength=len(images.base)) > 0
    apart = torch.distributions.kl_divergence(each, prior).sum() + missed[asked].sum()
    return float(cells.sum() - apart - ridge / 2 * model.axes.square().sum())


BOUNDS = [
    ({"labels": 1, "tastes": 1}, 0, 1.0, 0, 1),
    ({"people": 200}, 2, 300.0, 1e-4, 10),  # an answer: what drawing covariances towards none costs
]


@pytest.mark.parametrize(("case", "tastes", "ridge", "fall", "gain"), BOUNDS)
def test_the_bound_of_em_never_falls_but_for_drawing_covariances_towards_none(case, tastes, ridge, fall, gain):
    f, z, answers, _ = simulated(**case)
    fit = fit_mixed_logit(f, z, answers, tastes=tastes, ridge=ridge, steps=1)
    bounds = [bound(fit, answers, ridge)]
    for _ in range(48):
        fit = mixed._step(fit, f, z, answers, ridge)
        bounds.append(bound(fit, answers, ridge))
    assert np.diff(bounds).min() > -1e-7 - fall * len(answers)
    assert bounds[-1] > bounds[0] + gain


def test_planted_thresholds_and_tastes_are_found_up_to_rotation():
    f, z, answers, loads = simulated(people=400, images=200, given=60)
    fit = fit_mixed_logit(f, z, answers, tastes=2, ridge=1.0)
    assert fit.steps < 60
    assert fit.population.covariance.diagonal()[:2].sqrt().numpy() == pytest.approx([1, 1], abs=0.15)
    a, b = (torch.linalg.qr(x.flatten(0, 1))[0] for x in (loads, fit.images.loads))
    assert torch.linalg.svdvals(a.T @ b).min() > 0.97
    assert torch.allclose(fit.population.covariance[2:, 2:], torch.eye(2, dtype=torch.float64), atol=1e-6)


def fitted_logit(f, z, answers, tastes=2):
    return fit_mixed_logit(f, z, answers, tastes=tastes, ridge=10.0, steps=25)


def rates_said(fit, answers):
    return person_rates(fit.images.take(answers.image), fit.people.take(answers.person))


def test_neither_the_order_of_answers_nor_of_people_nor_of_images_matters():
    f, z, answers, _ = simulated()
    before = rates_said(fitted_logit(f, z, answers), answers)
    g = torch.Generator().manual_seed(5)
    order, people, images = (torch.randperm(n, generator=g) for n in (len(answers), answers.people, len(f)))
    place = torch.argsort(images)  # image i is now row place[i]
    moved = PersonAnswers(place[answers.image], people[answers.person], answers.chosen, answers.people)
    assert torch.allclose(before, rates_said(fitted_logit(f[images], z[images], moved.take(order)), moved), atol=1e-8)


def test_parts_that_fit_in_memory_change_nothing(monkeypatch):
    f, z, answers, _ = simulated(given=20)
    uneven = answers.take(torch.arange(len(answers)) % (answers.person + 2) != 0)
    before = rates_said(fitted_logit(f, z, uneven), uneven)
    monkeypatch.setattr(mixed, "_CELLS", 70)
    assert torch.allclose(before, rates_said(fitted_logit(f, z, uneven), uneven), atol=1e-10)


def test_neither_threads_nor_choices_as_bytes_change_a_bit():
    f, z, answers, _ = simulated(people=100, images=300, labels=4, given=200)
    before, threads = fit_mixed_logit(f, z, answers, tastes=4, ridge=10.0, steps=2), torch.get_num_threads()
    torch.set_num_threads(3 - min(threads, 2))
    try:
        after = fit_mixed_logit(f, z, replace(answers, chosen=answers.chosen.byte()), tastes=4, ridge=10.0, steps=2)
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, vars(before.population).values(), vars(after.population).values()))
    assert torch.equal(before.people.mean, after.people.mean)


@pytest.mark.parametrize("everybody", [0, 1])
def test_a_label_that_nobody_or_everybody_chose_gets_thresholds_near_none(everybody):
    f, z, answers, _ = simulated()
    answers.chosen[:, 1] = everybody
    fit = fitted_logit(f, z, answers)
    rates = rates_said(fit, answers)[:, 1]
    assert rates.isfinite().all()
    assert (rates - everybody).abs().max() < 0.2
    assert (rates - everybody).abs().mean() < 0.02
    other = fitted_logit(f[:, :1], z, replace(answers, chosen=answers.chosen[:, :1]))
    assert (rates_said(fit, answers)[:, 0] - rates_said(other, answers)[:, 0]).abs().mean() < 0.03


@pytest.mark.parametrize("tastes", [0, 1, 50])
@pytest.mark.parametrize(("people", "given"), [(1, 1), (1, 25), (30, 1), (3, 2)])
def test_few_people_and_few_answers_give_rates(people, given, tastes):
    f, z, answers, _ = simulated(people=people, given=given)
    fit = fitted_logit(f, z, answers, tastes)
    rates = rates_said(fit, answers)
    assert ((rates > 0) & (rates < 1)).all()
    assert torch.linalg.eigvalsh(fit.population.covariance).min() > 0
    assert torch.linalg.eigvalsh(fit.people.covariance).min() > 0


def test_equal_log_odds_for_all_images_keep_a_scale_of_one():
    _, z, answers, _ = simulated()
    fit = fitted_logit(torch.zeros(60, 2, dtype=torch.float64), z, answers, 0)
    assert fit.population.scale.tolist() == pytest.approx([1, 1], abs=1e-9)
    assert fit.population.offset.isfinite().all()


def test_people_after_a_fit_are_what_their_answers_say_of_them():
    f, z, answers, _ = simulated(people=60)
    fit = fit_mixed_logit(f, z, answers, tastes=2, ridge=10.0, steps=300)
    again = posterior(fit.population, fit.images, answers)
    seen = fit.images.take(answers.image)
    rates = [person_rates(seen, people.take(answers.person)) for people in (fit.people, again)]
    assert (rates[0] - rates[1]).abs().mean() < 0.005
    assert torch.allclose(fit.people.covariance, again.covariance, atol=0.05)
