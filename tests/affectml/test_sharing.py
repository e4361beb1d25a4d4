"""Sharing a run: ONNX graphs against torch, the Hugging Face folder there and back, the card, what is private."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image

from affectml.errors import BadInput, BadRun, MissingExtra
from affectml.importers.clip_e import import_clip_e
from affectml.predicting import predict_images
from affectml.runs import RunFolder
from affectml.sharing import AffectModel, export_onnx
from affectml.sharing._onnx import HeadModule

from .checks import GOLDEN, edit, evaluated, refused

LINEAR, CONTRASTIVE = GOLDEN / "runs" / "sigmoid", GOLDEN / "runs" / "contrastive-rates"


@pytest.fixture
def copy(tmp_path):
    """A copy of the linear run to change."""
    return Path(shutil.copytree(LINEAR, tmp_path / "run"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The linear run as a folder to share."""
    folder = tmp_path_factory.mktemp("shared") / "run"
    AffectModel(RunFolder.open(LINEAR)).save_pretrained(folder)
    return folder


def graph(path):
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def features(rows, columns=128):
    generator = torch.Generator().manual_seed(5)
    return torch.nn.functional.normalize(torch.randn(rows, columns, generator=generator))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sigmoid", "contrastive-rates", "zero-shot-template", "kernel-rates"])
def test_the_graph_of_a_head_says_what_torch_says(tmp_path, name):
    """The contrastive one has a hidden layer."""
    made = export_onnx(GOLDEN / "runs" / name, tmp_path / "head.onnx")
    cuts = name != "zero-shot-template"
    outputs = ("scores", "sets") if cuts else ("scores",)
    assert (made.difference <= 1e-4, made.input, made.outputs) == (True, "features", outputs)
    session, head = graph(made.path), RunFolder.open(GOLDEN / "runs" / name).head
    for X in (features(1), features(9)):
        found = session.run(None, {"features": X.numpy()})
        assert np.abs(found[0] - (head.predict_rates(X) if cuts else head.scores(X)).numpy()).max() < 1e-4
        assert not cuts or (found[1] == head.predict_sets(X).numpy()).all()


@pytest.mark.slow
def test_what_is_no_graph_or_a_wrong_one_is_not_written(tmp_path, monkeypatch):
    none = r"a topk head cannot be written as one graph .*Hugging Face"
    refused(BadRun, none, export_onnx, GOLDEN / "runs" / "topk", tmp_path / "head.onnx")
    right = HeadModule.forward

    def wrong(self, features):
        scores, sets = right(self, features)
        return scores + (0.01 if torch.compiler.is_exporting() else 0.0), sets

    monkeypatch.setattr(HeadModule, "forward", wrong)
    refused(BadRun, r"scores are 0\.01 from torch's", export_onnx, LINEAR, tmp_path / "head.onnx")
    assert not (tmp_path / "head.onnx").exists()


def test_without_the_extra_its_name_is_said_and_an_existing_file_is_kept(tmp_path, monkeypatch):
    (tmp_path / "head.onnx").write_text("mine")
    refused(BadInput, "exists", export_onnx, LINEAR, tmp_path / "head.onnx")
    assert (tmp_path / "head.onnx").read_text() == "mine"
    monkeypatch.setattr("affectml.sharing._onnx.find_spec", lambda name: None)
    refused(MissingExtra, r"affectml\[onnx\]", export_onnx, LINEAR, tmp_path / "other.onnx")


def test_saved_and_loaded_it_predicts_the_same(tmp_path):
    run = RunFolder.open(CONTRASTIVE)
    AffectModel(run).save_pretrained(tmp_path / "shared")
    model = AffectModel.from_pretrained(tmp_path / "shared")
    assert model.labels == run.taxonomy.labels
    assert torch.equal(model.predict(X := features(4)), run.head.predict_rates(X))
    Image.new("RGB", (64, 64), (200, 90, 30)).save(image := tmp_path / "1.png")
    assert predict_images(tmp_path / "shared", [image], threads=1) == predict_images(run.folder, [image], threads=1)


def test_a_shared_run_is_judged_on_other_data_and_not_on_its_own(shared, tmp_path):
    refused(BadRun, "evaluate the run that it was made of", evaluated, shared, GOLDEN / "data", target="emotions")
    other = shutil.copytree(GOLDEN / "data", tmp_path / "other")
    votes = pd.read_parquet(other / "targets-emotions.parquet")
    votes.assign(n=votes["n"] + 1).to_parquet(other / "targets-emotions.parquet")
    assert evaluated(shared, other, target="emotions").n > 10


def test_the_folder_tells_nothing_of_its_maker(copy, tmp_path):
    home = "/home/me/data"
    made = {"config": {"dataset": home, "encoder": home}, "command": f"affectml train {home}", "energy": {"kwh": 1}}
    edit(copy / "run.json", **made)
    AffectModel(RunFolder.open(copy)).save_pretrained(tmp_path / "shared")
    files = "README.md config.json facts.json head.json head.safetensors metrics.csv run.json"
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == files.split()
    for path in (tmp_path / "shared").iterdir():
        assert b"/home/me" not in path.read_bytes()
    info, facts = (json.loads((tmp_path / "shared" / file).read_text()) for file in ("run.json", "facts.json"))
    assert (info["command"], info["config"]["dataset"], info["energy"]) == (None, None, None)
    assert "hardware" not in info
    assert (facts["n"] > 0, "subgroups" in facts) == (True, False)  # its findings name groups of people


def test_an_encoder_known_by_a_path_is_told_neither_in_the_folder_nor_in_the_graph(told, copy, tmp_path):
    pytest.importorskip("onnx")
    paths = ["ViT-B-32:/home/me/weights.pt", "ViT-B-32:mine.pt", "ViT-B-32:sub/w", "local-dir:x"]
    public = ["hf-hub:timm/some", "ViT-B-32:openai"]
    edit(copy / "run.json", encoder={"specs": paths + public})
    words = ["export", copy, "--onnx", "--out", tmp_path / "h.onnx", "--hub", tmp_path / "hub", "--json"]
    assert json.loads(told(*words))["outputs"] == "scores, sets"
    assert (tmp_path / "hub" / "README.md").is_file()
    assert json.loads((tmp_path / "hub" / "config.json").read_text())["encoder"]["specs"] == public
    facts = graph(tmp_path / "h.onnx").get_modelmeta().custom_metadata_map
    assert json.loads(facts["encoder"])["specs"] == public
    assert json.loads(facts["encoder"])["preprocessing"]["size"]
    assert (facts["construct"], len(json.loads(facts["labels"]))) == ("evoked", 8)
    told("export", copy, code=2)


def test_the_card_says_what_it_is_and_what_it_is_not(shared):
    card = ModelCard.load(shared / "README.md")
    assert (card.data.library_name, "evoked" in card.data.tags) == ("affectml", True)
    measured = {result.metric_type: result.metric_value for result in card.data.eval_results}
    found = RunFolder.open(LINEAR).evaluation.get("set_f1")
    assert measured["set_f1"] == pytest.approx(found.value, abs=1e-4)
    for words in ("does not read any person's feelings", "±", "simulated people", "Which of these"):
        assert words in card.text


@pytest.mark.slow
def test_what_sets_promise_is_said_on_the_card_and_in_the_graph(command, tmp_path):
    pytest.importorskip("onnx")
    run = RunFolder.open(GOLDEN / "runs" / "promise-group")
    card = AffectModel(run).generate_model_card().text
    held = f"On the test images they held {run.evaluation.get('promise_extra').value:.3f}".replace(" 0.", " .")
    each = "Within each level of light, on average over groups of images like these"
    larger = "gets the most cautious cut of all: its sets are smaller"
    for said in ("## What its sets promise", each, held, larger, "keep its promise (extra=2)"):
        assert said in card
    _, printed, _ = command("export", run.folder, "--onnx", "--out", tmp_path / "head.onnx")
    assert larger in printed
    session = graph(tmp_path / "head.onnx")
    said = session.get_modelmeta().custom_metadata_map["promise"]
    assert said.startswith("promise extra=2: within each level of light")
    X = features(20)
    _, sets = session.run(None, {"features": X.numpy()})
    for level in run.head.promise_.levels:
        assert (sets <= run.head.predict_sets(X, levels=np.array([level] * 20)).numpy()).all()


def test_a_users_words_are_words_on_the_card(copy):
    words = {"name": "demo\n# Heading <script>alert(1)</script>", "question": "[click](http://x) *bold*?"}
    edit(copy / "run.json", data=words)
    text = AffectModel(RunFolder.open(copy)).generate_model_card().text
    assert "<script>" not in text
    assert "\n# Heading" not in text
    assert r"\[click\](http://x) \*bold\*?" in text


def test_imported_weights_can_be_shared_though_nothing_was_measured(tmp_path):
    weights = Path(__file__).parent / "clip_e_weights" / "clip-e_6cat.hdf5"
    run = import_clip_e(weights, tmp_path / "run")
    AffectModel(run).save_pretrained(tmp_path / "shared")
    text = (tmp_path / "shared" / "README.md").read_text()
    assert "the search word" in text
    assert "## Scores" not in text
    X = features(3, 16)
    assert torch.equal(AffectModel.from_pretrained(tmp_path / "shared").predict(X), run.head.scores(X))
    assert HeadModule(run.head, rates=False).outputs == ("scores",)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    refused(BadRun, "no head.safetensors", AffectModel.from_pretrained, tmp_path)
