"""`train --by-person`: what it refuses, what it finds, and that it judges strangers fairly."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from affectml.errors import BadInput
from affectml.heads import PersonAnswers
from affectml.runs import TrainConfig
from affectml.training import train_run
from affectml.training.crosswise import KNOWN, _rank, _sums

from .answered import answered

CELLS = [f"seen_people_{images}_images" for images in ("new", "seen")]
CELLS += [f"unseen_people_{images}_images_k{k}" for images in ("new", "seen") for k in KNOWN]


def trained(folder, out, **options):
    return train_run(TrainConfig(str(folder), multilabel=True, by_person=True, threads=1, **options), out=out)


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
    assert list(scores) == list(run.evaluation.facts["by_person"]) == CELLS
    for cell, systems in scores.items():
        rivals = {"no_person", "own_share", *(("other_people",) if "seen_images" in cell else ())}
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
    return trained(folder, folder.parent / "run")


@pytest.mark.slow
def test_only_people_whose_answers_the_fit_knows_are_seen_and_groups_are_drawn_anew_as_wholes(grouped):
    sizes = grouped.evaluation.facts["by_person"]
    strangers = sizes["unseen_people_new_images_k0"]
    assert sizes["seen_people_new_images"]["people"] <= 12 < strangers["people"]
    assert all(size["groups"] < size["images"] / 2 for size in sizes.values())
    score = by_cell(grouped)["unseen_people_new_images_k0"]["model"]
    assert (score.few, score.units) == (True, strangers["groups"])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(run, demo):
    again = trained(demo, demo.parent / "again")
    for file in ("metrics.csv", "facts.json"):
        assert (again.folder / file).read_bytes() == (run.folder / file).read_bytes()


@pytest.mark.slow
def test_who_did_not_answer_often_enough_is_in_no_cell_of_that_many(demo, tmp_path):
    few = shutil.copytree(demo, tmp_path / "few")
    table = pd.read_parquet(few / "annotations.parquet")
    first = table.groupby("annotator_id").cumcount()
    table[first < 15].to_parquet(few / "annotations.parquet")
    cells = set(by_cell(trained(few, tmp_path / "run")))
    assert cells & {f"unseen_people_new_images_k{k}" for k in (5, 20)} == {"unseen_people_new_images_k5"}


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


def test_a_set_without_judgements_is_refused(demo, tmp_path):
    bare = shutil.copytree(demo, tmp_path / "bare")
    (bare / "annotations.parquet").unlink()
    with pytest.raises(BadInput, match=r"no annotations\.parquet"):
        trained(bare, tmp_path / "run")
