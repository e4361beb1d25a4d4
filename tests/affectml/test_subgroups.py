"""For whom the model fails: what is planted is found, what is not is not, and a group's own floor is no failure."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from affectml.errors import BadInput, BadRun
from affectml.judging.answerers import Answerers, agreement
from affectml.judging.asked import evaluate_run
from affectml.judging.bias import holm
from affectml.judging.contrasts import contrasts
from affectml.judging.scoring import Answers
from affectml.judging.subgroups import subgroups
from affectml.judging.truth import Truth, cut_sets, part_of
from affectml.page import WRITERS
from affectml.page.sections.subgroups import subgroup_lines, subgroup_tables
from affectml.runs import RunFolder, TrainConfig
from affectml.training import train_run
from affectml_annotation import fit_beta_prior

GOLDEN = Path(__file__).parents[1] / "golden" / "0.3.0.dev0"
MEANS = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
LABELS = tuple("abcdef")


def drawn(generator, images=200, people=5, *, spread=(2.0, 2.0), noise=0.5, bias=0.0, worse=0.0):
    """A model's answers, the truth and images whose column `look` is x or y; what is planted is planted in x."""
    x = generator.random(images) < 0.4
    concentration = np.where(x, *spread)[:, None]
    rates = np.clip(generator.beta(concentration * MEANS, concentration * (1 - MEANS)), 1e-4, 1 - 1e-4)
    chosen = (generator.random((images, people, len(MEANS))) < rates[:, None]).astype(np.uint8)
    votes, n = chosen.sum(axis=1).astype(np.int64), np.full((images, len(MEANS)), people)
    odds = np.log(rates / (1 - rates)) + (noise + worse * x)[:, None] * generator.normal(size=rates.shape)
    odds[:, 3] += bias * x
    q = 1 / (1 + np.exp(-odds))
    beta = fit_beta_prior(votes, n)
    blank = dict.fromkeys(("oracle", "groups", "vote_rule"))
    truth = Truth(
        kind="rates", labels=LABELS, image_id=np.arange(images).astype(str).astype(object), shares=votes / people,
        hits=np.zeros(votes.shape, dtype=int), hit_rule="", no_sets="", tau=1 / 3, votes=votes, people=n,
        sets=cut_sets("rates", votes / people, votes, n, beta, 1 / 3), chosen=chosen,
        asked=np.ones((images, people), dtype=bool), no_judgements="", beta=beta, **blank,
    )  # fmt: skip
    answers = Answers(torch.from_numpy(q), torch.from_numpy(q), torch.from_numpy((q > 1 / 3).astype(np.int64)))
    return answers, truth, pd.DataFrame({"image_id": truth.image_id, "look": np.where(x, "x", "y")})


def found(result):
    return {gap["label"] or gap["metric"] for gap in result["gaps"] if gap["found"]}


def test_a_planted_bias_is_found_and_said_in_words():
    result = subgroups(*drawn(np.random.default_rng(0), bias=1.5))
    assert "d" in found(result)
    assert any(line.startswith("d: the model's rate less people's is higher on look x than on look y")
               for line in result["findings"])  # fmt: skip
    bias = result["images"]["look"]["x"]["bias"]["d"]
    assert bias["difference"] == pytest.approx(bias["model"] - bias["people"])
    assert 0 < bias["low"] < bias["difference"] < bias["high"]


def test_a_worse_group_is_found():
    result = subgroups(*drawn(np.random.default_rng(0), worse=2.0))
    assert "rate_brier_score" in found(result)
    assert any("the model is worse on look x than on look y by rate_brier_score" in line for line in result["findings"])


def test_people_who_agree_less_are_no_failure_of_the_model():
    true = subgroups(*drawn(np.random.default_rng(1), images=600, spread=(8.0, 0.5), noise=0.0))
    looks = true["images"]["look"]
    raw = [looks[level]["scores"]["rate_brier_score"] for level in "xy"]
    assert raw[0]["low"] > raw[1]["high"]  # the truth itself scores worse where people disagree
    assert all(abs(looks[level]["excess"]["rate_brier_score"]["value"]) < 0.005 for level in "xy")
    assert "rate_brier_score" not in found(true)


def test_people_who_agree_less_are_no_failure_where_nobody_knows_how_many_answered():
    """Cross-entropy holds people's own entropy: with the truth itself as the model it would find a gap in nothing."""
    answers, truth, images = drawn(np.random.default_rng(1), images=400, spread=(200.0, 0.5), noise=0.0)
    unknown = dict.fromkeys(("votes", "people", "sets", "chosen", "asked"))
    shares = answers.shares.numpy() / answers.shares.numpy().sum(axis=1, keepdims=True)
    odd = replace(truth, kind="distribution", vote_rule="unknown", shares=shares, **unknown)
    shares = torch.from_numpy(odd.shares)
    result = subgroups(Answers(shares, shares, None), odd, images)
    assert {gap["metric"] for gap in result["gaps"] if gap["metric"]} == {"kl_divergence"}
    assert result["findings"] == []
    worse = torch.from_numpy(np.where((images["look"] == "x").to_numpy()[:, None], 1 / 6, odd.shares))
    (said, *_) = [line for line in subgroups(Answers(worse, worse, None), odd, images)["findings"] if "kl" in line]
    assert said.startswith("the model is worse on look x than on look y by raw kl_divergence")
    assert said.endswith("no floor is known, so these images may just be harder")


def test_the_floor_of_the_squared_error_is_what_the_truth_scores_on_average():
    generator = np.random.default_rng(2)
    _, truth, images = drawn(generator, images=4000, people=3, noise=0.0)
    rates = generator.beta(2 * MEANS, 2 * (1 - MEANS), size=(4000, 6))
    votes = generator.binomial(3, rates)
    truth = replace(truth, votes=votes, shares=votes / 3, chosen=None, asked=None)
    both = subgroups(Answers(torch.from_numpy(rates), torch.from_numpy(rates)), truth, images)["images"]["look"]
    expected = (rates * (1 - rates) / 3).mean()
    assert both["x"]["floor"]["rate_brier_score"] == pytest.approx(expected, rel=0.03)
    assert both["x"]["scores"]["rate_brier_score"]["value"] == pytest.approx(expected, rel=0.05)


def alarms(seeds, **planted):
    return sum(bool(found(subgroups(*drawn(np.random.default_rng(s), **planted), seed=s))) for s in range(seeds))


@pytest.mark.slow
def test_nothing_planted_alarms_at_most_as_often_as_promised_and_what_is_planted_is_found():
    assert alarms(100) <= 10
    assert alarms(100, spread=(8.0, 1.0), noise=0.0) <= 10
    assert alarms(50, bias=1.0) >= 45
    assert alarms(50, worse=1.0) >= 45


def test_the_same_seed_gives_the_same_result():
    given = drawn(np.random.default_rng(3))
    assert json.dumps(subgroups(*given, seed=4)) == json.dumps(subgroups(*given, seed=4))


def test_frames_of_one_film_count_as_one_unit():
    answers, truth, images = drawn(np.random.default_rng(0), images=40)
    again = np.tile(np.arange(40), 10)
    films = replace(part_of(truth, again), image_id=np.arange(400).astype(str).astype(object))
    films = replace(films, groups=np.array([f"film {i}" for i in again], dtype=object))
    frames = pd.DataFrame({"image_id": films.image_id, "look": images["look"].to_numpy()[again]})
    whole = subgroups(answers.rows(again), films, frames)
    alone = subgroups(answers.rows(again), replace(films, groups=None), frames)
    once = subgroups(answers, truth, images)
    p = np.array([[gap["p"] for gap in each["gaps"]] for each in (whole, alone, once)])
    assert p[0] == pytest.approx(p[2], abs=0.1)  # ten frames of a film say no more than one
    assert (p[1] < p[0]).all()


def test_a_test_by_hand():
    rows = np.array([[0.0], [0.0], [0.0], [0.0], [1.0], [1.0], [1.0], [1.0], [1.0], [0.0]])
    test = contrasts(rows, np.array([0] * 5 + [1] * 5), None, np.random.default_rng(0), tests=1)
    assert test.value[:, 0] == pytest.approx([-0.6, 0.6])
    # four of five against one of five: as far apart in 2 * 5 * 5 + 2 of the 252 ways to part ten rows
    assert test.p[0, 0] >= 52 / 252 - 0.03
    assert test.p[0, 0] == test.p[1, 0]
    assert test.low[0, 0] == pytest.approx(-test.high[1, 0])


def test_many_units_are_tested_by_students_t_alone():
    from scipy.stats import ttest_ind

    generator = np.random.default_rng(0)
    half, level = generator.random((1300, 3)), np.arange(2600) % 2
    rows = np.concatenate([half, 1 - half])  # of no skewness
    rows[:, 1] += 0.02 * level
    test = contrasts(rows, level, None, generator, tests=3)
    welch = ttest_ind(rows[level == 0], rows[level == 1], equal_var=False)
    assert test.p[0] == pytest.approx(welch.pvalue, rel=1e-6)
    assert test.low[0] == pytest.approx(welch.confidence_interval().low, rel=1e-6)


def test_a_level_of_few_units_is_not_tested_and_missing_levels_are_left_out():
    level = np.array([0] * 4 + [1] * 10 + [-1] * 6)
    test = contrasts(np.random.default_rng(0).random((20, 2)), level, None, np.random.default_rng(0), tests=2)
    assert np.isnan(test.p).all()
    assert test.units.tolist() == [4, 10]


@pytest.mark.parametrize("other", [0.0, -0.8], ids=["normal", "mirrored"])
def test_levels_that_differ_in_skew_alone_are_seldom_accused(other):
    """Of 300 images three in ten are log-normal (.8): Welch's t alone found a difference in .07 and .10 of seeds."""

    def lossy(sigma, z):
        return np.sign(sigma) * (np.exp(abs(sigma) * z) - np.exp(sigma**2 / 2)) if sigma else z

    found = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        level, z = (rng.random(300) >= 0.3).astype(int), rng.normal(size=(300, 7))
        rows = np.where(level[:, None] == 0, lossy(0.8, z), lossy(other, z))
        test = contrasts(rows, level, None, np.random.default_rng(1), tests=7)
        found += bool((holm(test.p[0]) < 0.05).any())
        assert ((test.low > 0) | (test.high < 0))[test.p < 0.001].all()  # the interval is as cautious as t
    assert found / 300 <= 0.06


def panel(generator, differ):
    """12 people of two countries who all answer 60 images, and a model that knows how the first country feels."""
    rates = generator.beta(1, 2, size=(60, 6))
    own = np.clip(rates + 0.5 * (generator.random((60, 6)) < 0.3), 0, 1)
    country = np.array(["CL", "DE"] * 6)
    image, person = np.divmod(np.arange(720), 12)
    theirs = rates if differ else own
    felt = np.where((country[person] == "CL")[:, None], own[image], theirs[image])
    people = Answerers(image, person, generator.random((720, 6)) < felt, pd.DataFrame({"country": country}))
    q = torch.from_numpy(own)
    return people, Answers(q, q, (q > 0.4).long())


def test_a_model_that_sides_with_one_country_is_found():
    _, truth, images = drawn(np.random.default_rng(0), images=60)
    people, answers = panel(np.random.default_rng(0), differ=True)
    result = subgroups(answers, truth, images[["image_id"]], people)
    assert [(gap["column"], gap["level"], gap["found"]) for gap in result["gaps"]] == [("country", "CL", True)]
    assert "the model agrees more with people of country CL than with country DE" in result["findings"][0]
    assert result["people"]["country"]["CL"]["people"] == 6
    people, answers = panel(np.random.default_rng(0), differ=False)
    assert not subgroups(answers, truth, images[["image_id"]], people)["findings"]


def test_agreement_is_with_each_person_beside_the_others_of_the_image():
    image, person = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0])
    chosen = np.array([[1, 0], [1, 1], [0, 0], [1, 1]], dtype=bool)
    people = Answerers(image, person, chosen, pd.DataFrame({"country": ["CL", "DE", "DE"]}))
    truth = replace(drawn(np.random.default_rng(0), images=2)[1], labels=("a", "b"))
    both = agreement(people, Answers(torch.tensor([[0.9, 0.1]] * 2), None, torch.tensor([[1, 0]] * 2)), truth)
    assert both.image.tolist() == [0, 0, 0]  # nobody else answered the other image
    assert both.model == pytest.approx([1, 2 / 3, 0])
    assert both.others == pytest.approx([(2 / 3 + 0) / 2, (2 / 3 + 0) / 2, 0])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = shutil.copytree(GOLDEN / "data", tmp_path_factory.mktemp("groups") / "data")
    images = pd.read_parquet(folder / "images.parquet")
    images["film"] = [f"film {i % 3}" for i in range(len(images))]
    images["many"] = np.arange(len(images))
    images.to_parquet(folder / "images.parquet")
    people = pd.read_parquet(folder / "annotators.parquet")
    people["country"] = np.where(np.arange(len(people)) % 2, "CL", "DE")
    people.to_parquet(folder / "annotators.parquet")
    return folder


@pytest.mark.slow
def test_a_run_keeps_its_subgroups_and_evaluate_gives_the_same(data, command, tmp_path):
    config = TrainConfig(dataset=str(data), multilabel=True, target="emotions", groups=("film", "country"), threads=1)
    run = train_run(config, out=tmp_path / "run", writers=WRITERS)
    kept = json.loads((run.folder / "subgroups.json").read_text(encoding="utf-8"))
    assert list(kept["images"]) == ["film"]
    assert list(kept["people"]) == ["country"]
    assert "--group film --group country" in run.info.command
    metrics, _ = evaluate_run(run.folder, data, target="emotions", groups=("film", "country"), threads=1)
    assert metrics["subgroups"] == kept
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "Model by film" in page
    assert "Agreement with people by country" in page
    _, out, _ = command("evaluate", run.folder, data, "--target", "emotions", "--group", "film")
    assert "subgroups by film" in out.replace("\n", " ")


def test_a_column_that_is_not_there_or_splits_nothing_is_refused(data, tmp_path):
    config = TrainConfig(dataset=str(data), multilabel=True, target="emotions", threads=1)
    with pytest.raises(BadInput, match=r"groups=\['flim'\]: neither images.parquet nor annotators.parquet .*'film'"):
        train_run(replace(config, groups=("flim",)), out=tmp_path / "run")
    with pytest.raises(
        BadInput, match="has .* different values there; expected 2 to 12 levels: put numbers into bands"
    ):
        train_run(replace(config, groups=("many",)), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_shared_run_has_no_subgroups_and_damaged_ones_say_so(tmp_path):
    shutil.copytree(GOLDEN / "runs" / "sigmoid", tmp_path / "run")
    (tmp_path / "run" / "subgroups.json").unlink()
    assert RunFolder.open(tmp_path / "run").subgroups is None
    (tmp_path / "run" / "subgroups.json").write_text("{", encoding="utf-8")
    with pytest.raises(BadRun, match="subgroups.json"):
        _ = RunFolder.open(tmp_path / "run").subgroups


def test_the_section_says_what_was_found_first():
    result = subgroups(*drawn(np.random.default_rng(0), bias=1.5))
    first, *others = subgroup_tables(result)
    assert first.rows[0][0] == "look: x less y"
    assert first.rows[0][-1] == "yes"
    assert [table.title for table in others] == ["Model by look", "Label bias by look"]
    assert subgroup_lines(None) == []
    assert subgroup_lines(subgroups(*drawn(np.random.default_rng(5)))) == [
        "subgroups by look: no difference beyond chance in rate_brier_score over its floor and label bias (7 tests, "
        "Holm, 5 %)"
    ]
