"""`affectml plan`: budgets, widths, words, pilots that cannot tell, pictures, and the images to ask about next."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import affectml
from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput
from affectml.planning import Design, PlanConfig, next_images, plan_study
from affectml_annotation import count_votes, expected_change, fit_beta_prior

MONEY = {"per_hour": 12.0, "minutes_before": 5.0, "each": 20}


@pytest.fixture
def pilot(pilot_of, dataset_of):
    return dataset_of(pilot_of(12, 40, 5))


@pytest.fixture
def told(command):
    """`told(*words)`: what `affectml plan` prints; with `code=2`, why it does nothing."""

    def call(*words, code=0):
        ended, out, err = command("plan", *words)
        assert ended == code, err
        return err if code else out

    return call


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


def test_a_width_is_reached_by_the_cheapest_study_and_not_by_one_image_less(pilot):
    plan = affectml.plan(pilot, within={"set_f1": 0.04, "image_rates": 0.15}, people=[2, 5, 12, 40], **MONEY)
    cheapest, own = plan.within
    less = replace(cheapest.design, images=cheapest.design.images - 1)
    assert cheapest.asked == "set_f1"
    assert cheapest.widths["set_f1"].half <= 0.04 < plan.figures.expected(less)["set_f1"]
    for people in (2, 5, 12, 40):
        same_money = Design(people, cheapest.design.answers // people, 20)
        cheaper = plan.costs.hours(same_money) < cheapest.hours * 0.99
        assert not (cheaper and plan.figures.expected(same_money)["set_f1"] <= 0.04)
    assert (own.design.people, own.design.images) == (40, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"within": {"setf1": 0.1}}, r"no figure 'setf1'; did you mean 'set_f1'\?"),
        ({"within": {"alpha": "narrow"}}, "within: expected numbers above 0, got 'narrow'"),
        ({"within": {"image_rates": 0.001}}, "not even 1,000,000 images of 60 people each reach it; the pilot has ±"),
        ({"budget": 20}, "what is an hour paid"),
        ({"budget": 0.001, "per_hour": 10}, "two images cost .* pounds already"),
        ({"people": [0]}, "people: expected whole numbers above 0, got 0"),
        ({"images": ["many"]}, "images: expected whole numbers above 1, got 'many'"),
        ({"images": []}, "images: expected at least one number"),
        ({"seconds": -3}, "seconds=-3: expected at least 0"),
        ({"minutes_before": math.nan}, "minutes_before=nan: expected at least 0"),
        ({"budgets": 3}, "no option 'budgets'; did you mean 'budget'"),
        ({"people_sd": 1.0}, r"people.sd: is assumed where there is no pilot"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_line(pilot, options, message):
    with pytest.raises(BadInput, match=message) as raised:
        affectml.plan(pilot, **options)
    assert "\n" not in str(raised.value)


def test_assumptions_are_refused_where_they_cannot_be():
    with pytest.raises(BadInput, match="rates: expected numbers above 0 and at most 1, got 3"):
        affectml.plan(rates=[0.2, 3])
    with pytest.raises(BadInput, match="not even 9 images of 5 people each .*; 5 people each of 500 images have ±"):
        affectml.plan(within={"alpha": 0.001}, images=[9], people=[5])
    with pytest.raises(BadInput, match="name the pilot's data set"):
        plan_study(None, PlanConfig(), runs=[Path("run")])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda t: t[t["annotator_id"] == "p000"], "all answers are one person's, which say nothing of other people"),
        (lambda t: t[t["image_id"] == "i000"], "all answers are about one image, which says nothing of other images"),
        (lambda t: t.drop_duplicates("image_id"), "no image has answers of two people"),
        (lambda t: t.assign(kind="skip", labels=[[]] * len(t)), "nobody answered yet"),
    ],
)
def test_a_pilot_that_tells_nothing_is_refused_with_a_way_out(pilot_of, judgements_of, dataset_of, rows, message):
    answers = pilot_of(12, 40, 5)
    data = dataset_of(answers, rows(judgements_of(answers)).reset_index(drop=True))
    with pytest.raises(BadDataset, match=f"{message}.*plan from assumptions"):
        affectml.plan(data)


def test_what_was_assumed_and_what_the_pilot_cannot_tell_is_said(pilot_of, dataset_of):
    answers = pilot_of(6, 40, 4)
    answers.chosen[:, 2] = 0
    plan = affectml.plan(dataset_of(answers), these_images=True)
    for words in (
        "160 answers of 6 people about 40 images", "about the same images", "the model is a stand-in",
        "4 seconds an answer (the median of the pilot)",
    ):  # fmt: skip
        assert words in " ".join(plan.assumed)
    assert "6 people say little of how far people differ" in " ".join(plan.limits)
    assert plan.pilot.labels == ("awe", "joy")  # without a target there are the labels that somebody chose


def test_a_pilot_of_two_people_stands_at_two_people_though_some_images_have_one(pilot_of, judgements_of, dataset_of):
    answers = pilot_of(2, 40, 2)
    plan = affectml.plan(dataset_of(answers, judgements_of(answers).iloc[:77]))
    assert plan.place.design.all_people == 2
    assert any("a model's scores want a run" in line for line in plan.limits)


def test_everybody_agrees(pilot_of, dataset_of):
    answers = pilot_of(6, 40, 4)
    answers.chosen[:] = [1, 0, 0]
    plan = affectml.plan(dataset_of(answers))
    for words in ("everybody always chose joy", "everybody always gave the same answer: there is no alpha"):
        assert words in " ".join(plan.limits)
    assert all(cell == "–" for row in plan.table().rows for cell in row[5:8])
    assert plan.to_json()["place"]["widths"]["alpha"] == {"half": None, "low": None, "high": None}


def test_anonymous_votes_say_that_nobody_knows_how_people_differ(demo_set):
    folder = demo_set(images=40).root
    (folder / "annotations.parquet").unlink()
    data = Dataset.open(folder)
    plan = affectml.plan(data)
    assert plan.to_json()["pilot"]["people"] is None
    assert "nobody knows how people differ" in plan.limits[0]
    assert any("no alpha and no model's scores" in line for line in plan.limits)
    assert set(plan.shown) == {"label_rates", "image_rates"}
    with pytest.raises(BadInput, match="nothing here tells set F1; scores need people's single answers"):
        _ = affectml.plan(data, within={"set_f1": 0.02}).within
    assert plan.costs.seconds == 10


def test_a_run_is_judged_by_the_pilots_people(demo_set, tiny_clip, tmp_path):
    data = demo_set("planned", images=60, seed=3)
    run = affectml.train(
        data, head="sigmoid", multilabel=True, encoder=f"local-dir:{tiny_clip}", threads=1, out=tmp_path / "run",
        say=lambda line: None,
    )  # fmt: skip
    plan = affectml.plan(data, runs=[run], say=lambda line: None)
    assert any(line.startswith("the model is run, on the pilot's images that it can") for line in plan.assumed)
    assert "set_f1_difference" not in plan.place.widths
    judged = plan.figures.variances.rows[plan.figures.names.index("set_f1")]
    assert 0 < judged < len(plan.pilot.image)
    twice = affectml.plan(data, runs=[run, run], say=lambda line: None)
    assert math.isnan(twice.place.widths["set_f1_difference"].half)
    with pytest.raises(BadInput, match="one run, or two"):
        affectml.plan(data, runs=[run] * 3)


def test_the_command_prints_tables_and_words(pilot, told):
    out = told(pilot.root, "--people", "3,5", "--images", "100", "--within", "alpha=0.1")
    for part in ("What studies will tell", "pilot", "as exact as asked for", "rate:joy", "Assumed:", "cannot tell:"):
        assert part in out
    told(pilot.root, "--out", "x", code=2)


def test_a_terminal_of_80_columns_breaks_no_word(pilot, told, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = told(pilot.root, "--budget", 400, "--per-hour", 12, "--people", "1,60")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", out).split("Assumed:")[0]
    assert "What studies will tell, continued" in shown
    words = {"people", "images", "pounds", "cross-entropy", "models", "rate:joy", "image_rates"}
    assert words <= set(shown.split())
    assert max(len(line) for line in shown.splitlines() if "±:" not in line) <= 80
    assert shown.count("1 person an image") + shown.count("60 people an image") == 1


def test_each_figure_has_a_name_of_its_own_and_only_a_pilot_is_called_one(pilot):
    for dataset, first in ((pilot, "pilot"), (None, "")):
        table = affectml.plan(dataset).table()
        assert len(set(table.columns)) == len(table.columns)
        assert table.rows[0][0] == first


def test_a_picture_of_a_budget_has_a_curve_for_a_few_sizes_alone(pilot, tmp_path):
    drawn = affectml.plan(pilot, budget=100, **MONEY).draw(tmp_path / "plan.svg").read_text(encoding="utf-8")
    assert re.findall(r">([\d,]+ images)<", drawn) == ["40 images", "80 images", "160 images"]


def test_what_cannot_be_asked_for_is_refused_and_nothing_is_written(pilot, told, tmp_path):
    said = told(pilot.root, "--next", 5, "--out", tmp_path / "next.csv", code=2)  # which would be read as predictions
    assert "expected a text file, such as next.txt" in said
    assert list(tmp_path.glob("next*")) == []
    assert "expected OPTION=VALUE, e.g. --within set_f1=0.02" in told(pilot.root, "--within", "set_f1", code=2)


def test_json_has_all_that_the_tables_have(pilot, told):
    words = (pilot.root, "--people", "3", "--images", "100", "--within", "alpha=0.1", "--per-hour", "9", "--json")
    found = json.loads(told(*words))
    (study,) = found["studies"]
    assert (study["people"], study["all_people"], study["answers"]) == (3, 18, 300)
    assert study["money"] == pytest.approx(300 * 4 / 3600 * 9)
    assert set(study["widths"]["alpha"]) == {"half", "low", "high"}
    assert found["within"][0]["asked"] == "alpha"
    assert found["variances"]["rate:joy"]["people"] > 0
    assert found == json.loads(told(*words))


def test_without_a_data_set_all_is_assumed_and_nothing_is_left_open(told):
    found = json.loads(told("--rates", ".4,.1", "--people", "5", "--json"))
    assert found["pilot"]["drawn"]
    assert found["place"]["widths"]["alpha"]["low"] is None
    assert found["place"]["widths"]["alpha"]["half"] > 0
    assert "all is assumed" in found["assumed"][0]


def test_a_picture_is_drawn_the_same_each_time_and_never_over_a_file(pilot, told, tmp_path):
    one, two = tmp_path / "one.svg", tmp_path / "two.svg"
    for file in (one, two):
        told(pilot.root, "--people", "3,5", "--picture", file)
    assert one.read_bytes() == two.read_bytes()
    text = one.read_text()
    for part in ("alpha", "F1 of two models", "80 images", "the pilot's own place", "people an image"):
        assert part in text
    for file in (one, tmp_path / "plan.gif"):
        told(pilot.root, "--picture", file, code=2)


def test_the_next_answers_go_where_one_more_would_change_most(pilot, told, tmp_path):
    votes = count_votes(pilot.judgements, ("joy", "awe", "fear"), list(pilot.images["image_id"]))
    change = expected_change(votes.votes, votes.n, fit_beta_prior(votes.votes, votes.n))
    found = next_images(pilot, 10)
    assert list(found["change"]) == pytest.approx(sorted(change, reverse=True)[:10])
    assert list(found["people"]) == [5] * 10
    file = tmp_path / "next.txt"
    assert "labels assign --queue" in told(pilot.root, "--next", "10", "--out", file)
    assert file.read_text().split() == list(found["image_id"])
    told(pilot.root, "--next", "10", "--out", file, code=2)
    told(pilot.root, "--next", "41", code=2)
    by_entropy = json.loads(told(pilot.root, "--next", "40", "--until", "entropy", "--json"))["next"]
    assert len({row["image_id"] for row in by_entropy}) == 40
    assert [row["image_id"] for row in by_entropy[:10]] != list(found["image_id"])
    with pytest.raises(BadInput, match="until"):
        next_images(pilot, 3, until="f1")


def test_images_without_an_answer_are_among_the_next(pilot_of, judgements_of, dataset_of):
    answers = pilot_of(12, 40, 5)
    table = judgements_of(answers)
    data = dataset_of(answers, table[table["image_id"] > "i004"].reset_index(drop=True))
    found = next_images(data, 40)
    assert set(found["image_id"][found["people"] == 0]) == {f"i{n:03}" for n in range(5)}
    assert np.isfinite(found["change"]).all()


def test_a_plan_without_a_pilot_may_be_asked_for_in_python():
    plan = plan_study(None, PlanConfig(rates=[0.3, 0.2], people=[5], images=[100]))
    assert [row.design for row in plan.rows] == [Design(5, 100, 50)]
