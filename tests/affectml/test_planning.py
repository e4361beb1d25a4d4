"""What a study of some size will tell, from a pilot: against its own intervals and what happens; `affectml plan`."""

import argparse
import json
import math
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import affectml
from affectml.data import DatasetMeta, write_dataset
from affectml.errors import BadDataset, BadInput
from affectml.planning import PlanConfig
from affectml.planning._figures import Design, Pilot, alpha_influence, figures_of, stand_ins
from affectml.planning._plan import Costs
from affectml_annotation import krippendorff_alpha
from affectml_metrics import two_way_interval

from .checks import refused


def pilot_of(people, images, n, seed=0, **spread):
    """n random people of all answer each image, over three labels, as a mixed logit draws them."""
    whole = Pilot.assumed_of(PlanConfig(rates=(0.4, 0.2, 0.1), seed=seed, **spread), people=people, images=images)
    who = np.random.default_rng(seed).random((images, people)).argsort(axis=1)[:, :n]
    rows = (who * images + np.arange(images)[:, None]).ravel()
    parts = {name: getattr(whole, name)[rows] for name in ("image", "person", "chosen")}
    return replace(whole, assumed=False, labels=("joy", "awe", "fear"), **parts)


def judgements_of(pilot):
    """Its answers as a judgement table, 4 seconds each."""
    sets = [[name for name, yes in zip(pilot.labels, row, strict=True) if yes] for row in pilot.chosen]
    return pd.DataFrame({
        "image_id": [f"i{n:03}" for n in pilot.image], "annotator_id": [f"p{n:03}" for n in pilot.person],
        "round": 1, "kind": ["labels" if chosen else "none" for chosen in sets], "labels": sets, "seconds": 4.0,
    })  # fmt: skip


@pytest.fixture
def dataset_of(tmp_path):
    """`dataset_of(pilot)`: a data set folder with these judgements and no target."""

    def folder(pilot, judgements=None):
        table = judgements_of(pilot) if judgements is None else judgements
        images = pd.DataFrame({"image_id": sorted(set(judgements_of(pilot)["image_id"]))})
        return write_dataset(tmp_path / "pilot", DatasetMeta("pilot"), images, {}, table)

    return folder


@pytest.fixture(scope="module")
def large():
    return figures_of(pilot_of(60, 400, 30), draws=2)


def test_a_study_takes_as_many_people_as_its_answers_and_never_fewer_than_an_image():
    designs = (Design(5, 100, 50), Design(5, 101, 50), Design(8, 3, 50))
    assert [design.all_people for design in designs] == [10, 11, 8]


def test_hours_and_money_worked_by_hand():
    """500 answers of 18 s are 2.5 hours, 10 people with 6 minutes before them one more."""
    costs, design = Costs(seconds=18, minutes_before=6, per_hour=12), Design(5, 100, 50)
    assert (costs.hours(design), costs.money(design)) == pytest.approx((3.5, 42))


def test_a_study_of_the_pilots_own_size_is_as_exact_as_the_pilot():
    pilot = pilot_of(20, 80, 5)
    found = figures_of(pilot)
    own = two_way_interval(pilot.chosen, pilot.person, pilot.image)
    planned = found.widths(Design(5, 80, 20))
    for at, label in enumerate(pilot.labels):
        assert planned[f"rate:{label}"].half == pytest.approx(float(own.high[at] - own.low[at]) / 2, rel=0.05)


def test_four_times_the_people_and_images_halve_the_error(large):
    one, four = (large.expected(Design(5, 20 * times, 10)) for times in (10, 40))
    for name in ("rate:joy", "label_rates"):
        assert one[name] / four[name] == pytest.approx(2, rel=0.02)
    more = large.expected(Design(20, 20, 10))  # four times the people an image
    assert one["image_rates"] == four["image_rates"] == pytest.approx(2 * more["image_rates"])


def test_for_these_very_images_more_answers_are_enough(large):
    design = Design(300, 20, 20)
    assert large.expected(design, these_images=True)["rate:joy"] < 0.5 * large.expected(design)["rate:joy"]


def test_the_influences_mean_is_alpha():
    pilot = pilot_of(12, 50, 5)
    assert alpha_influence(pilot).values.mean() == pytest.approx(krippendorff_alpha(judgements_of(pilot), "masi").value)


@pytest.mark.parametrize(("n", "people"), [(3, 12), (5, 20)])
def test_alpha_varies_from_study_to_study_as_planned(large, n, people):
    """Where three answer an image, half of the variance is what pairs of answers add, not answers by themselves."""
    seen = [float(np.nanmean(alpha_influence(pilot_of(people, 60, n, seed)).values)) for seed in range(1, 101)]
    at = large.names.index("alpha")
    of = large.variances
    more = of.cells + 2 * large.pairs / (n - 1)
    error, _ = of._replace(cells=more).expected(people, 60, 60 * n)
    assert np.std(seen, ddof=1) == pytest.approx(float(error[at]), rel=0.2)


def test_where_pilots_are_of_three_answers_an_image_alpha_is_not_planned_too_narrow(large):
    found = figures_of(pilot_of(60, 400, 3), draws=2)
    wide, right = (each.expected(Design(10, 100, 50))["alpha"] for each in (found, large))
    assert right < wide < 2 * right


def test_few_people_leave_a_plan_wider_open_than_many():
    few, many = (figures_of(pilot_of(people, 200, 5)).widths(Design(5, 400, 40)) for people in (8, 60))
    for name in ("rate:joy", "label_rates"):
        assert few[name].high - few[name].low > 1.5 * (many[name].high - many[name].low)
    assert all(each.low <= each.half <= each.high for each in many.values())


def test_a_stand_in_never_sees_the_people_whom_it_is_judged_by():
    pilot = pilot_of(10, 30, 5)
    turned = pilot.person == pilot.person[0]
    other = replace(pilot, chosen=np.where(turned[:, None], 1 - pilot.chosen, pilot.chosen))
    for before, after in zip(stand_ins(pilot), stand_ins(other), strict=True):
        changed = (before.rates != after.rates).any(axis=1)
        assert changed.any()
        assert not changed[turned].any()
        half = before.unit % 2
        assert set(half[changed]) == {1 - half[turned][0]}


def test_a_difference_has_the_variances_of_the_answers_differences():
    pilot = pilot_of(12, 60, 6)
    model, other = stand_ins(pilot)
    found = figures_of(pilot, model, other)
    at = found.names.index("set_f1_difference")
    apart = model.scores(pilot)["set_f1"] - other.scores(pilot)["set_f1"]
    assert float(found.variances.value[at]) == pytest.approx(apart.mean())
    assert math.isnan(figures_of(pilot, model, model).widths(Design(5, 100, 50))["set_f1_difference"].half)


def test_assumed_answers_have_the_rates_that_were_assumed():
    drawn = Pilot.assumed_of(PlanConfig(rates=(0.5, 0.2, 0.05)), people=40, images=200)
    assert drawn.chosen.mean(axis=0) == pytest.approx([0.5, 0.2, 0.05], abs=0.01)
    widths = figures_of(drawn, *stand_ins(drawn)).widths(Design(5, 100, 50))
    assert math.isnan(widths["alpha"].low)
    assert widths["set_f1"].half > 0


def test_one_answer_an_image_tells_rates_and_no_alpha(large):
    found = large.expected(Design(1, 300, 50))
    assert math.isnan(found["alpha"])
    assert found["rate:joy"] > 0


def test_a_label_nobody_chose_is_left_out_of_the_mean():
    pilot = pilot_of(10, 40, 5)
    pilot.chosen[:, 2] = 0
    widths = figures_of(pilot).widths(Design(5, 100, 20))
    assert widths["label_rates"].half == pytest.approx((widths["rate:joy"].half + widths["rate:awe"].half) / 2)
    assert torch.isnan(torch.tensor(widths["rate:fear"][1:])).all()


@pytest.mark.slow
def test_studies_turn_out_as_planned(monkeypatch):
    """`benchmarks/planning.py`, a few of its simulated studies, planned from pilots of people like theirs."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    printed = import_module("planning").of_studies(argparse.Namespace(runs=30, alphas=40))
    (line,) = (text for text in printed if text.startswith("| all "))
    holds, covers, widths = ([float(part) for part in cell.split(",")] for cell in line.split("|")[2:5])
    assert len(holds) == len(covers) == len(widths) == 3  # from pilots of 8, 20 and 60
    assert all(90 <= share <= 99 for share in holds)  # of planned 95 % intervals
    assert all(78 <= share <= 97 for share in covers)  # of the plan's own 90 % intervals
    assert all(0.9 <= ratio <= 1.1 for ratio in widths)


MONEY = {"per_hour": 12.0, "minutes_before": 5.0, "each": 20}


@pytest.fixture
def pilot(dataset_of):
    return dataset_of(pilot_of(12, 40, 5))


def test_every_split_of_a_budget_spends_it_and_the_narrowest_is_marked(pilot):
    plan = affectml.plan(pilot, budget=100, people=[2, 5, 12], **MONEY)
    assert [row.design.people for row in plan.rows] == [2, 5, 12]
    for row in plan.rows:
        more = replace(row.design, images=row.design.images + 1)
        assert plan.costs.money(row.design) <= 100 < plan.costs.money(more)
    for name in ("label_rates", "image_rates", "alpha"):
        narrowest = min(plan.rows, key=lambda row: row.widths[name].half)
        assert [row for row in plan.rows if name in row.best] == [narrowest]
    assert plan.rows[2].best == ("image_rates",)
    many = affectml.plan(pilot, budget=10_000, people=[3], images=[500], **MONEY)
    assert [row.design.images for row in many.rows] == [500]  # no more images than there are
    (starred,) = [row for row in plan.table().rows if row[1] == "12"]
    assert [cell for cell in starred if cell.endswith("*")] == [starred[7]]


NO_PLAN = [
    ({"budget": 20}, "what is an hour paid"),
    ({"budget": 0.001, "per_hour": 10}, "two images cost .* pounds already"),
    ({"people": [0]}, "people: it should be greater than 0"),
    ({"images": ["many"]}, "images: it should be a valid integer"),
    ({"seconds": -3}, "seconds=-3: expected at least 0"),
    ({"minutes_before": math.nan}, "minutes_before=nan: expected at least 0"),
    ({"budgets": 3}, "no option 'budgets'; did you mean 'budget'"),
    ({"people_sd": 1.0}, r"people.sd: is assumed where there is no pilot"),
    ({"rates": [0.2, 3]}, "rates: it should be less than or equal to 1"),
]


@pytest.mark.parametrize(("options", "message"), NO_PLAN)
def test_what_cannot_be_planned_is_refused_in_one_line(pilot, options, message):
    data = () if "rates" in options else (pilot,)
    refused(BadInput, rf"^[^\n]*{message}[^\n]*$", affectml.plan, *data, **options)


SILENT = [
    (lambda t: t[t["annotator_id"] == "p000"], "all answers are one person's, which say nothing of other people"),
    (lambda t: t[t["image_id"] == "i000"], "all answers are about one image, which says nothing of other images"),
    (lambda t: t.drop_duplicates("image_id"), "no image has answers of two people"),
    (lambda t: t.assign(kind="skip", labels=[[]] * len(t)), "nobody answered yet"),
]


@pytest.mark.parametrize(("rows", "message"), SILENT)
def test_a_pilot_that_tells_nothing_is_refused_with_a_way_out(dataset_of, rows, message):
    answers = pilot_of(12, 40, 5)
    data = dataset_of(answers, rows(judgements_of(answers)).reset_index(drop=True))
    refused(BadDataset, f"{message}.*plan from assumptions", affectml.plan, data)


def said_by(lines, *words):
    """Each of these words is in one of the lines."""
    assert [each for each in words if not any(each in line for line in lines)] == []


def test_what_was_assumed_and_what_the_pilot_cannot_tell_is_said(dataset_of):
    answers = pilot_of(6, 40, 4)
    answers.chosen[:, 2] = 0
    plan = affectml.plan(dataset_of(answers), these_images=True)
    said_by(plan.assumed, "160 answers of 6 people about 40 images", "about the same images")
    said_by(plan.assumed, "the model is a stand-in", "4 seconds an answer (the median of the pilot)")
    said_by(plan.limits, "6 people say little of how far people differ")
    assert plan.pilot.labels == ("awe", "joy")  # without a target there are the labels that somebody chose


def test_a_pilot_of_two_people_stands_at_two_people_though_some_images_have_one(dataset_of):
    answers = pilot_of(2, 40, 2)
    plan = affectml.plan(dataset_of(answers, judgements_of(answers).iloc[:77]))
    assert plan.place.design.all_people == 2
    said_by(plan.limits, "a model's scores need a pilot with more people")


def test_everybody_agrees(dataset_of):
    answers = pilot_of(6, 40, 4)
    answers.chosen[:] = [1, 0, 0]
    plan = affectml.plan(dataset_of(answers))
    said_by(plan.limits, "everybody always chose joy", "everybody always gave the same answer: there is no alpha")
    assert all(cell == "–" for row in plan.table().rows for cell in row[5:8])
    assert plan.to_json()["place"]["widths"]["alpha"] == {"half": None, "low": None, "high": None}


def test_the_command_prints_tables_and_words_and_json_has_all_that_the_tables_have(pilot, told):
    words = ("plan", pilot.root, "--people", 3, "--images", 100, "--per-hour", 9)
    out, found = told(*words), json.loads(told(*words, "--json"))
    for part in ("What studies will tell", "pilot", "rate:joy", "Assumed:", "cannot tell:"):
        assert part in out
    (study,) = found["studies"]
    assert [study[name] for name in ("people", "all_people", "answers")] == [3, 18, 300]
    assert study["money"] == pytest.approx(300 * 4 / 3600 * 9)
    assert set(study["widths"]["alpha"]) == {"half", "low", "high"}
    assert found["variances"]["rate:joy"]["people"] > 0
    assert found == json.loads(told(*words, "--json"))


def test_without_a_data_set_all_is_assumed_and_nothing_is_left_open(told):
    found = json.loads(told("plan", "--rates", ".4,.1", "--people", "5", "--json"))
    widths = found["place"]["widths"]
    assert (found["pilot"]["drawn"], widths["alpha"]["low"]) == (True, None)
    assert widths["alpha"]["half"] > 0
    assert "all is assumed" in found["assumed"][0]
    table = affectml.plan(rates=[0.4], people=[2, 8], images=[500, 100]).table()
    assert [row[1:3] for row in table.rows] == [(n, m) for m, ns in (("100", "28"), ("500", "258")) for n in ns]
    assert {*widths} > {*table.columns[5:]} > {"label_rates"}
