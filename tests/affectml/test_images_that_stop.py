"""Data sets whose images stop early: what targets, scores and reports make of them."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from affectml.data import Dataset, DatasetMeta, Stopping, TargetMeta, write_dataset
from affectml.errors import BadDataset
from affectml.evaluation import Answers, evaluate, fit_prior, read_truth
from affectml.evaluation.stopping import in_words
from affectml.exploring import open_collection
from affectml.importers import get_importer
from affectml.planning._next import next_images
from affectml.planning._pilot import read_pilot
from affectml.report import WRITERS, read_again, sections
from affectml.sharing import share_dataset
from affectml.training import TrainConfig, train_run
from affectml.training.fit import material_of
from affectml_annotation import aggregate, count_votes
from affectml_annotation.agreement.report import agreement_report
from affectml_annotation.stopping import posterior_entropy

LABELS = ["awe", "joy"]
SAID = {"a": ["awe", "", "awe joy", "joy"], "b": ["joy", "joy"], "c": ["awe", "awe", "joy", ""]}


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    rows = [
        (image, who, 1, "labels" if labels else "none", labels.split(), place)
        for image, answers in SAID.items()
        for place, (who, labels) in enumerate(zip("uvwx", answers, strict=False), 1)
    ]
    judgements = pd.DataFrame(rows, columns=["image_id", "annotator_id", "round", "kind", "labels", "order"])
    entry = TargetMeta(
        kind="rates", construct="evoked", taxonomy={"name": "two", "labels": LABELS}, values="votes",
        file="targets-t.parquet", made_by="votes: people who chose each label, of the n who answered",
    )  # fmt: skip
    stopping = Stopping(min=2, max=4, mean=2.5, until="F1", whole=["c"])
    meta = DatasetMeta(name="early", targets={"t": entry}, stopping=stopping)
    votes = count_votes(judgements, LABELS).table()
    return write_dataset(tmp_path / "early", meta, pd.DataFrame({"image_id": list(SAID)}), {"t": votes}, judgements)


def test_rates_are_posterior_means_of_all_answers_and_the_first_are_beside_them(dataset):
    targets = dataset.target("t")
    # too few images to fit: alpha + beta is 2, and of 10 answers 4 have awe and 5 joy: means 4.5 / 11 and 5.5 / 11
    assert targets.prior.alpha == pytest.approx([9 / 11, 1])
    assert targets.shares() == pytest.approx(np.array([[31 / 66, 1 / 2], [9 / 44, 3 / 4], [31 / 66, 1 / 3]]))
    assert targets.counted().shares().tolist() == [[0.5, 0.5], [0, 1], [0.5, 0.25]]
    assert targets.first.table.tolist() == [[1, 0], [0, 2], [2, 0]]
    assert targets.first.n.tolist() == [2, 2, 2]
    assert targets.take(["c", "a"]).first.table.tolist() == [[2, 0], [1, 0]]
    assert targets.entropy().tolist() == posterior_entropy(targets.table, targets.n, targets.prior).tolist()


def test_scores_go_by_the_first_answers_and_sets_by_all(dataset):
    targets = dataset.target("t")
    truth = read_truth(dataset, targets, targets.image_id, beta=fit_prior(targets), tau=1 / 3)
    assert truth.votes.tolist() == [[1, 0], [0, 2], [2, 0]]
    assert truth.asked.sum(axis=1).tolist() == [2, 2, 2]
    assert truth.sets.tolist() == [[1, 1], [0, 1], [1, 0]]
    assert truth.sets_at(1 / 3).tolist() == truth.sets.tolist()
    rates = torch.full((3, 2), 0.5)
    metrics = evaluate({"model": Answers(rates, rates, torch.tensor([[1, 0]] * 3))}, truth, split="all", seed=0).metrics
    # against each of the first two people: a 1 and 0, b 0 and 0, c 1 and 1
    assert metrics["systems"]["model"]["set_f1_judgements"]["value"] == pytest.approx(1 / 2)
    assert metrics["per_label"]["awe"]["prevalence"] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert metrics["stopping"] == {"min": 2, "max": 4, "mean": 2.5, "until": "F1", "whole": 0}
    assert "go by the first 2 answers to each" in metrics["rules"]["stopping"]


def test_where_no_image_stops_nothing_is_another(dataset):
    told = json.loads((dataset.root / "dataset.json").read_text())
    del told["stopping"]
    (dataset.root / "dataset.json").write_text(json.dumps(told))
    fixed = Dataset.open(dataset.root)
    targets = fixed.target("t")
    assert (targets.prior, targets.first, targets.entropy()) == (None, None, None)
    truth = read_truth(fixed, targets, targets.image_id, beta=fit_prior(targets))
    assert (truth.entropy, truth.all_votes, truth.stopping) == (None, None, None)
    assert truth.shares.tolist() == targets.shares().tolist() == [[0.5, 0.5], [0, 1], [0.5, 0.25]]
    assert fixed.first_judgements is fixed.judgements


def test_an_image_whose_first_people_withdrew_counts_those_it_has(dataset):
    late = dataset.judgements[(dataset.judgements["image_id"] != "a") | (dataset.judgements["order"] > 2)]
    late.to_parquet(dataset.root / "annotations.parquet")
    first = Dataset.open(dataset.root).target("t").first
    assert (first.table.tolist()[0], first.n.tolist()) == ([2, 2], [4, 2, 2])


def test_places_that_are_no_numbers_are_said_of_their_file(dataset):
    file = dataset.root / "annotations.parquet"
    table = pd.read_parquet(file)
    for edited in (table.assign(order="first"), table.drop(columns="round")):
        edited.to_parquet(file)
        with pytest.raises(BadDataset, match="annotations.parquet: expected whole numbers in the columns round and"):
            Dataset.open(dataset.root).target("t")
    assert agreement_report(table.drop(columns="order"), LABELS, bootstrap=0, minimum=2).minimum is None


def test_a_shared_copy_holds_the_order_and_how_images_stop(dataset, tmp_path):
    copy = share_dataset(dataset, tmp_path / "copy", images=False)
    get_importer("datasets")(str(copy.path), tmp_path / "back")
    back = Dataset.open(tmp_path / "back")
    assert "those of order <= 2 are not" in (copy.path / "README.md").read_text()
    assert back.stopping == dataset.stopping
    assert back.judgements["order"].tolist() == dataset.judgements["order"].tolist()
    assert back.target("t").first.table.tolist() == dataset.target("t").first.table.tolist()


def test_agreement_and_shares_of_all_answers_say_that_images_stop(dataset, command):
    code, out, _ = command("labels", "agreement", dataset.root, "--bootstrap", 0)
    assert (code, "the first 2 answers to each image" in out) == (0, True)
    code, _, err = command("labels", "aggregate", dataset.root)
    assert (code, "--method smoothed" in err) == (0, True)
    assert command("labels", "aggregate", dataset.root, "--method", "smoothed")[2] == ""


@pytest.fixture(scope="module")
def run(demo_set, tmp_path_factory):
    """A training on a demo set in which an image keeps its first two answers where these are the same."""
    folder = tmp_path_factory.mktemp("early") / "demo"
    shutil.copytree(demo_set(images=200, seed=7).root, folder)
    said = pd.read_parquet(folder / "annotations.parquet")
    said["order"] = said.groupby("image_id").cumcount() + 1
    images = said["image_id"].unique()
    alike = said[said["order"] <= 2].groupby("image_id")["labels"].agg(lambda two: set(two.iloc[0]) == set(two.iloc[1]))
    stops = said["image_id"].isin(alike.index[alike]) & ~said["image_id"].isin(images[::4])
    said = said[~stops | (said["order"] <= 2)]
    said.to_parquet(folder / "annotations.parquet")
    target = pd.read_parquet(folder / "targets-emotions.parquet")
    labels = [name for name in target if name not in ("image_id", "n")]
    aggregate(said, labels).table().to_parquet(folder / "targets-emotions.parquet")
    told = json.loads((folder / "dataset.json").read_text())
    told["stopping"] = {"min": 2, "max": 5, "mean": 4, "until": "F1", "whole": sorted(images[::4])}
    (folder / "dataset.json").write_text(json.dumps(told))
    asked = TrainConfig(dataset=str(folder), multilabel=True, threads=1)
    return train_run(asked, out=folder.parent / "run", writers=WRITERS)


def test_a_training_says_what_stopping_did_in_metrics_and_report(run):
    entry = run.metrics["stopping"]
    assert entry["whole"] == 50
    assert 2 <= entry["people"] < 5
    for name in ("rates", "raw_rates", "entropy", "raw_entropy"):
        assert entry[name]["low"] <= entry[name]["value"] <= entry[name]["high"]
    assert entry["raw_entropy"]["high"] < 0  # of few people's shares, and of those who agreed
    assert run.metrics["rules"]["stopping"] == in_words(entry)
    (section,) = (found for found in sections(read_again(run)) if found.name == "stopping")
    assert section.sentence == in_words(entry)
    assert [row[1] for row in section.tables[0].rows] != ["0"] * 4
    assert "Images that stop early" in (run.folder / "report.html").read_text()


def test_heads_learn_votes_as_they_are_each_counting_one_and_the_prior_posterior_means(run):
    """By votes so weighed a head comes as near the truth as by as many spread evenly; shrunk rates lead it astray."""
    judged = read_again(run).judged
    prepared = judged.prepared
    material, train = material_of(prepared), prepared.train
    assert material.uneven
    assert material.shares.tolist() == (train.table / train.n[:, None]).tolist()
    assert judged.systems.prior.report_["prevalence"] == pytest.approx(train.shares().mean(axis=0).tolist())
    assert prepared.test.people.max() == 2
    answers = {part: np.bincount(found.image.numpy()).max() for part, found in prepared.judges.parts.items()}
    assert answers == {"train": 5, "val": 2, "test": 2}


def test_exploring_shows_expected_entropy_and_errors_as_runs_are_judged(run):
    judged = read_again(run).judged
    truth, targets = judged.prepared.test, judged.prepared.plan.targets
    found = open_collection(judged.prepared.plan.dataset, [run.folder])
    at = pd.Index(found.dataset.images["image_id"]).get_indexer(truth.image_id)
    assert truth.entropy.tolist() == targets.take(truth.image_id).entropy().tolist()
    assert found.column("people.entropy").values[at] == pytest.approx(truth.entropy, rel=1e-6)
    errors = found.column("run.rate_cross_entropy").values[at]
    assert errors.mean() == pytest.approx(run.metrics["systems"]["model"]["rate_cross_entropy"]["value"], rel=1e-5)


def test_a_pilot_is_planned_from_by_first_answers_and_its_next_ones_by_all(run):
    dataset = read_again(run).dataset
    assert np.bincount(read_pilot(dataset).image).max() == 2
    said = dataset.judgements["image_id"][dataset.judgements["kind"].isin(["labels", "none"])].value_counts()
    asked = next_images(dataset, 20)
    assert asked["people"].tolist() == said.reindex(asked["image_id"], fill_value=0).tolist()
    assert asked["people"].max() > 2
