"""A mixed logit of people: worked by hand, against integrals, and whatever the order and the size of its parts."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from affectml.heads import mixed_logit as mixed
from affectml.heads.mixed_logit import Normals, PersonAnswers, Population, fit_mixed_logit, person_rates, posterior


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
    return Population(
        torch.full((labels,), -0.3, **kind), torch.full((labels,), 1.1, **kind), axes, covariance,
        torch.full((labels,), image_sd**2, **kind),
    )  # fmt: skip


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


def fitted(f, z, answers, tastes=2):
    return fit_mixed_logit(f, z, answers, tastes=tastes, ridge=10.0, steps=25)


def said(fit, answers):
    return person_rates(fit.images.take(answers.image), fit.people.take(answers.person))


def test_neither_the_order_of_answers_nor_of_people_nor_of_images_matters():
    f, z, answers, _ = simulated()
    before = said(fitted(f, z, answers), answers)
    g = torch.Generator().manual_seed(5)
    order, people, images = (torch.randperm(n, generator=g) for n in (len(answers), answers.people, len(f)))
    place = torch.argsort(images)  # image i is now row place[i]
    moved = PersonAnswers(place[answers.image], people[answers.person], answers.chosen, answers.people)
    assert torch.allclose(before, said(fitted(f[images], z[images], moved.take(order)), moved), atol=1e-8)


def test_parts_that_fit_in_memory_change_nothing(monkeypatch):
    f, z, answers, _ = simulated(given=20)
    uneven = answers.take(torch.arange(len(answers)) % (answers.person + 2) != 0)
    before = said(fitted(f, z, uneven), uneven)
    monkeypatch.setattr(mixed, "_CELLS", 70)
    assert torch.allclose(before, said(fitted(f, z, uneven), uneven), atol=1e-10)


def test_neither_threads_nor_choices_as_bytes_change_a_bit():
    f, z, answers, _ = simulated(people=100, images=300, labels=4, given=200)
    before, threads = fit_mixed_logit(f, z, answers, tastes=4, ridge=10.0, steps=5), torch.get_num_threads()
    torch.set_num_threads(3 - min(threads, 2))
    try:
        after = fit_mixed_logit(f, z, replace(answers, chosen=answers.chosen.byte()), tastes=4, ridge=10.0, steps=5)
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, vars(before.population).values(), vars(after.population).values()))
    assert torch.equal(before.people.mean, after.people.mean)


@pytest.mark.parametrize("everybody", [0, 1])
def test_a_label_that_nobody_or_everybody_chose_gets_thresholds_near_none(everybody):
    f, z, answers, _ = simulated()
    answers.chosen[:, 1] = everybody
    fit = fitted(f, z, answers)
    rates = said(fit, answers)[:, 1]
    assert rates.isfinite().all()
    assert (rates - everybody).abs().max() < 0.2
    assert (rates - everybody).abs().mean() < 0.02
    other = fitted(f[:, :1], z, PersonAnswers(answers.image, answers.person, answers.chosen[:, :1], answers.people))
    assert (said(fit, answers)[:, 0] - said(other, answers)[:, 0]).abs().mean() < 0.03


@pytest.mark.parametrize("tastes", [0, 1, 50])
@pytest.mark.parametrize(("people", "given"), [(1, 1), (1, 25), (30, 1), (3, 2)])
def test_few_people_and_few_answers_give_rates(people, given, tastes):
    f, z, answers, _ = simulated(people=people, given=given)
    fit = fitted(f, z, answers, tastes)
    rates = said(fit, answers)
    assert ((rates > 0) & (rates < 1)).all()
    assert torch.linalg.eigvalsh(fit.population.covariance).min() > 0
    assert torch.linalg.eigvalsh(fit.people.covariance).min() > 0


def test_equal_log_odds_for_all_images_keep_a_scale_of_one():
    _, z, answers, _ = simulated()
    fit = fitted(torch.zeros(60, 2, dtype=torch.float64), z, answers, 0)
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
