"""A data set folder whose images stopped early: it is read, used with all its answers, and said once to be biased."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from affectml.data import Dataset
from affectml.data.dataset import STOPPED
from affectml.judging.truth import fit_prior, read_truth
from affectml.planning._figures import read_pilot
from affectml.sharing import share_dataset
from affectml_annotation import aggregate, agreement_report, read_judgements
from affectml_annotation.exchange.dataset_folder import make_target_again

EXPORT = Path(__file__).resolve().parents[1] / "golden" / "0.3.0.dev0" / "study" / "export"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The export with a picture for each image, and a split."""
    root = tmp_path_factory.mktemp("early") / "study"
    shutil.copytree(EXPORT, root)
    images = pd.read_parquet(root / "images.parquet")
    images["file"] = "images/" + images["image_id"] + ".png"
    images["split"] = np.array(["train", "train", "val", "test"])[np.arange(len(images)) % 4]
    (root / "images").mkdir()
    for at, file in enumerate(images["file"]):
        Image.new("RGB", (32, 32), (3 * at, 255 - 3 * at, 90)).save(root / file)
    images.to_parquet(root / "images.parquet")
    make_target_again(root, "labels", aggregate)  # it counted checks
    return root


@pytest.fixture(scope="module")
def run(folder, tiny_clip):
    """What a training prints, and its folder."""
    from affectml.page import WRITERS
    from affectml.training import TrainConfig, train_run

    said = []
    asked = TrainConfig(dataset=str(folder), multilabel=True, encoder=f"local-dir:{tiny_clip}", threads=1)
    return train_run(asked, out=folder.parent / "run", say=said.append, writers=WRITERS), said


def test_rates_and_people_are_those_of_all_answers(folder):
    dataset = Dataset.open(folder)
    targets, said = dataset.target("labels"), dataset.judgements
    assert targets.shares().tolist() == (targets.table / targets.n[:, None]).tolist()
    truth = read_truth(dataset, targets, targets.image_id, beta=fit_prior(targets))
    counted = said[said["kind"].isin(["labels", "none"]) & (said["purpose"] == "task")]
    answers = counted.groupby("image_id").size().reindex(targets.image_id)
    assert truth.asked.sum(axis=1).tolist() == truth.people[:, 0].tolist() == answers.tolist()
    assert len(set(answers)) > 1
    assert len(read_pilot(dataset).image) == answers.sum()


def test_a_training_says_it_once_and_so_does_its_report(run):
    trained, said = run
    assert said.count(STOPPED) == 0  # the rules under its scores say it
    assert trained.evaluation.facts["rules"]["stopping"] == STOPPED
    assert (trained.folder / "report.html").read_text(encoding="utf-8").count("images stopped early") == 1


COMMANDS = ["evaluate RUN --on DATA --verbose --out OUT", "label agreement DATA --json", "label aggregate DATA --json"]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_says_it_once_and_counts_all_answers(run, folder, command, tmp_path, words):
    places = {"RUN": run[0].folder, "DATA": folder, "OUT": tmp_path / "found.csv"}
    code, out, err = command(*(places.get(word, word) for word in words.split()))
    assert (code, " ".join(f"{out} {err}".split()).count(STOPPED)) == (0, 1)
    if "agreement" in words:
        whole = agreement_report(read_judgements(folder), ["awe", "fear", "joy"], intervals=False).to_dict()
        assert json.loads(out)["annotators"] == whole["annotators"]


def test_a_target_that_is_not_of_the_answers_is_no_worse_for_them(folder):
    dataset = Dataset.open(folder)
    targets = dataset.target("labels")
    assert dataset.stopped(targets) == STOPPED
    assert dataset.stopped(replace(targets, meta=replace(targets.meta, made_by="published counts"))) is None


def test_a_shared_copy_says_it_once(folder, tmp_path):
    copy = share_dataset(Dataset.open(folder), tmp_path / "copy", images=False)
    assert (copy.path / "README.md").read_text(encoding="utf-8").count(f"I{STOPPED[1:]}") == 1
