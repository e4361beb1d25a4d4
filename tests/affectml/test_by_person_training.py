"""`train --by-person`: what it refuses, what metrics.json and the report say, and that it judges strangers fairly."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import affectml
from affectml.errors import BadInput
from affectml.heads import ByPersonHead, PersonAnswers
from affectml.page.sections.by_person import in_words
from affectml.runs import TrainConfig
from affectml.runs.config import command
from affectml.training.crosswise import KNOWN, _rank, _sums

from .answered import answered

CELLS = [
    "seen_people_new_images",
    "seen_people_seen_images",
    *(f"unseen_people_new_images_k{k}" for k in KNOWN),
    *(f"unseen_people_seen_images_k{k}" for k in KNOWN),
]


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=160, seed=0).root


@pytest.fixture(scope="module")
def run(demo):
    return affectml.train(demo, multilabel=True, by_person=True, out=demo.parent / "run", say=lambda line: None)


@pytest.mark.slow
def test_metrics_hold_every_cell_with_its_systems_and_differences(run):
    found = run.metrics
    assert list(found["by_person"]) == CELLS
    for cell, systems in found["by_person"].items():
        rivals = {"no_person", "own_share", *(("other_people",) if "seen_images" in cell else ())}
        rivals |= set() if cell.endswith("_k0") else {"anybody"}
        assert set(systems) == {"model", *rivals}
        assert set(found["by_person_differences"][cell]) == rivals
        for scores in systems.values():
            assert set(scores) == {"rate_cross_entropy", "rate_brier_score", "set_f1"}
            assert all(score["low"] <= score["value"] <= score["high"] for score in scores.values())
        for rival in rivals:
            apart = found["by_person_differences"][cell][rival]["rate_cross_entropy"]["value"]
            mine, theirs = (systems[name]["rate_cross_entropy"]["value"] for name in ("model", rival))
            assert apart == pytest.approx(mine - theirs, abs=1e-12)


@pytest.mark.slow
def test_anybody_is_the_model_that_knows_nothing_of_the_same_people(run):
    cells = run.metrics["by_person"]
    for images in ("new", "seen"):
        before = cells[f"unseen_people_{images}_images_k0"]["model"]["rate_cross_entropy"]
        for k in (5, 20):
            anybody = cells[f"unseen_people_{images}_images_k{k}"]["anybody"]["rate_cross_entropy"]
            assert anybody["value"] == pytest.approx(before["value"], abs=1e-12)


@pytest.mark.slow
def test_an_answer_that_several_fits_judge_counts_once(run, demo):
    table = pd.read_parquet(demo / "annotations.parquet")
    sizes = run.metrics["by_person_sizes"]
    assert sizes["seen_people_new_images"] == sizes["unseen_people_new_images_k0"]
    predicted = answered(run)
    test = table[table.image_id.isin(predicted.image_id[predicted.split == "test"])]
    assert sizes["seen_people_new_images"]["answers"] == test.kind.isin(["labels", "none"]).sum()


@pytest.fixture(scope="module")
def grouped(demo, tmp_path_factory):
    """Images in groups of eight, and half of the answers each by somebody who gives no other."""
    folder = shutil.copytree(demo, tmp_path_factory.mktemp("grouped") / "set")
    images = pd.read_parquet(folder / "images.parquet")
    images["group"] = [f"g{i // 8}" for i in range(len(images))]
    images.to_parquet(folder / "images.parquet")
    table = pd.read_parquet(folder / "annotations.parquet")
    once = np.random.default_rng(0).random(len(table)) < 0.5
    table.loc[once, "annotator_id"] = [f"once{i}" for i in range(once.sum())]
    table.to_parquet(folder / "annotations.parquet")
    return affectml.train(folder, multilabel=True, by_person=True, out=folder.parent / "run", say=lambda line: None)


@pytest.mark.slow
def test_only_people_whose_answers_the_fit_knows_are_seen(grouped):
    sizes = grouped.metrics["by_person_sizes"]
    assert sizes["seen_people_new_images"]["people"] <= 12 < sizes["unseen_people_new_images_k0"]["people"]


@pytest.mark.slow
def test_groups_of_images_are_drawn_anew_as_wholes(grouped):
    for size in grouped.metrics["by_person_sizes"].values():
        assert size["groups"] < size["images"] / 2
    score = grouped.metrics["by_person"]["unseen_people_new_images_k0"]["model"]["rate_cross_entropy"]
    assert score["few"] == grouped.metrics["by_person_sizes"]["unseen_people_new_images_k0"]["groups"]


@pytest.mark.slow
def test_the_run_s_own_rates_are_the_population_s(run):
    head = run.head
    assert isinstance(head, ByPersonHead)
    X = np.random.default_rng(0).normal(size=(5, len(head._state["centre"])))
    torch.testing.assert_close(head.predict_rates(X), head.person_rates(X, head.everybody()))


@pytest.mark.slow
def test_the_report_says_in_words_what_a_person_is_worth(run):
    page = run.report.read_text()
    assert 'id="by-person"' in page
    assert in_words(run.metrics).split(";")[0] in page


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(run, demo):
    again = affectml.train(demo, multilabel=True, by_person=True, out=demo.parent / "again", say=lambda line: None)
    assert (again.folder / "metrics.json").read_bytes() == (run.folder / "metrics.json").read_bytes()


@pytest.mark.slow
def test_who_did_not_answer_often_enough_is_in_no_cell_of_that_many(demo, tmp_path):
    few = shutil.copytree(demo, tmp_path / "few")
    table = pd.read_parquet(few / "annotations.parquet")
    first = table.groupby("annotator_id").cumcount()
    table[first < 15].to_parquet(few / "annotations.parquet")
    found = affectml.train(few, multilabel=True, by_person=True, out=tmp_path / "run", say=lambda line: None).metrics
    assert "unseen_people_new_images_k20" not in found["by_person"]
    assert "unseen_people_new_images_k5" in found["by_person"]


def test_nested_answers_come_in_one_order_a_person():
    answers = PersonAnswers(
        torch.arange(9), torch.tensor([2, 0, 2, 2, 0, 1, 2, 0, 2]), torch.eye(9)[:, :3].long(), people=4
    )
    order = _rank(answers, torch.Generator().manual_seed(0))
    for person, count in enumerate((3, 1, 5, 0)):
        assert sorted(order[answers.person == person].tolist()) == list(range(count))
    total, asked = _sums(answers)
    assert asked.tolist() == [3, 1, 5, 0]
    assert total.sum() == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"head": "topk"}, "no rates to begin with"),
        ({"ensemble": 2}, "leave ensemble=2 out"),
        ({"judgements": "weighted"}, "leave judgements='weighted' out"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_before_any_work(demo, tmp_path, options, words):
    with pytest.raises(BadInput, match=words):
        affectml.train(demo, multilabel=True, by_person=True, out=tmp_path / "run", say=lambda line: None, **options)
    assert not (tmp_path / "run").exists()


def test_a_set_without_judgements_is_refused(demo, tmp_path):
    bare = shutil.copytree(demo, tmp_path / "bare")
    (bare / "annotations.parquet").unlink()
    with pytest.raises(BadInput, match=r"no annotations\.parquet"):
        affectml.train(bare, multilabel=True, by_person=True, out=tmp_path / "run", say=lambda line: None)


def _metrics(apart, people=40):
    cell = {"rate_cross_entropy": apart}
    return {
        "by_person_differences": {"seen_people_new_images": {"anybody": cell}},
        "by_person_sizes": {"seen_people_new_images": {"people": people, "images": 9, "answers": 99}},
    }


@pytest.mark.parametrize(
    ("apart", "words"),
    [
        ({"value": -0.05, "low": -0.06, "high": -0.04}, "is worth .050 (interval .040 to .060)"),
        ({"value": -0.05, "low": -0.16, "high": 0.04}, "is worth nothing beyond chance"),
        ({"value": 0.05, "low": 0.04, "high": 0.06}, "is worth less than nothing: -.050"),
    ],
)
def test_a_gain_is_claimed_only_where_the_interval_excludes_nothing(apart, words):
    assert words in in_words(_metrics(apart))
    assert "40 people were judged" in in_words(_metrics(apart))


def test_the_command_of_a_run_asks_for_people_again():
    assert "--by-person" in command(replace(TrainConfig("d"), by_person=True))
