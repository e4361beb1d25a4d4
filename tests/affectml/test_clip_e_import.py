"""The authors' weights: files that Keras 2 wrote, what it predicted for them, and files that are something else."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from affectml.encoders import load_encoder, read_image
from affectml.errors import BadInput
from affectml.heads import load_head
from affectml.importers.clip_e import import_clip_e
from affectml.predicting import predict_images
from affectml.runs import RunFolder
from affectml.taxonomies import get_taxonomy

from .checks import edit, refused

WEIGHTS = Path(__file__).parent / "clip_e_weights"
SIX = ["anger", "fear", "joy", "love", "sadness", "surprise"]  # the notebook's order


@pytest.fixture(scope="module")
def recorded():
    """What Keras itself predicted, by scripts/record_clip_e_weights.py."""
    assert json.loads((WEIGHTS / "made_by.json").read_text())["tf_keras"].startswith("2.")
    with np.load(WEIGHTS / "expected.npz") as file:
        return dict(file)


@pytest.mark.parametrize(("many", "order"), [(25, get_taxonomy("parrott-25").labels), (6, SIX)])
def test_categories_predict_what_keras_predicts_in_our_order(recorded, tmp_path, many, order):
    run = import_clip_e(WEIGHTS / f"clip-e_{many}cat.hdf5", tmp_path / "run")
    assert run.taxonomy.name == f"parrott-{many}"
    found = load_head(tmp_path / "run").scores(recorded["features"]).numpy()
    ours = [order.index(label) for label in run.taxonomy.labels]
    assert np.abs(found - recorded[f"{many}cat"][:, ours]).max() < 1e-6


def test_one_sigmoid_becomes_two_labels(recorded, tmp_path):
    run = import_clip_e(WEIGHTS / "clip-e_binary.hdf5", tmp_path / "run")
    assert run.taxonomy.labels == ("negative", "positive")
    found = run.head.scores(recorded["features"]).numpy()
    assert np.abs(found[:, 1] - recorded["binary"][:, 0]).max() < 1e-6
    assert found.sum(axis=1) == pytest.approx(np.ones(5))


@pytest.mark.parametrize("name", ["contrastive", "contrastive_renumbered"])
def test_contrastive_projects_as_keras_does_whatever_its_wrappers_are_called(recorded, tmp_path, name):
    run = import_clip_e(WEIGHTS / f"clip-e_{name}.hdf5", tmp_path / "run")
    found = run.head.project(recorded["features"]).numpy()
    wanted = recorded[name] / np.linalg.norm(recorded[name], axis=1, keepdims=True)
    assert np.abs(found - wanted).max() < 1e-6
    texts = np.random.default_rng(3).normal(size=(4, 16))
    cosines = wanted @ (texts / np.linalg.norm(texts, axis=1, keepdims=True)).T
    scores = run.head.scores(recorded["features"], texts)
    assert torch.allclose(scores, torch.from_numpy(cosines / 0.075).softmax(dim=1), atol=1e-5)
    refused(BadInput, "no label texts of its own", run.head.scores, recorded["features"])


def test_the_run_says_where_it_comes_from(tmp_path):
    run = import_clip_e(WEIGHTS / "clip-e_25cat.hdf5", tmp_path / "run")
    info = RunFolder.open(tmp_path / "run").info
    assert (info.data.construct, info.encoder.identity["normalised"]) == ("query", False)
    assert (info.encoder.specs, run.head.report_["imported"]) == (["ViT-B-32-quickgelu:openai"], "clip-e_25cat.hdf5")


def keras_file(path, cells):
    """An HDF5 file of these data sets."""
    with h5py.File(path, "w") as handle:
        handle.update(cells)
    return path


def layers(**named):
    """Layers in Keras 2's layout: by name, the kernel and the bias."""
    parts = [(name, *part) for name, both in named.items() for part in zip(("kernel", "bias"), both, strict=True)]
    return {f"{name}/{name}/{part}:0": np.asarray(values, dtype=np.float32) for name, part, values in parts}


def test_an_imported_run_embeds_images_without_normalising_them(tiny_clip, tmp_path):
    rng = np.random.default_rng(0)
    first = rng.normal(size=(32, 8)), rng.normal(size=8)
    second = rng.normal(size=(8, 6)), rng.normal(size=6)
    run = import_clip_e(keras_file(tmp_path / "w.hdf5", layers(img_fc1=first, preds=second)), tmp_path / "run")
    encoder = load_encoder(f"local-dir:{tiny_clip}", threads=1)
    named = {"specs": [f"local-dir:{tiny_clip}"], "identity": {"architecture": encoder.identity.architecture}}
    edit(run.folder / "run.json", encoder=named)
    Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    features = encoder.encode_images([read_image(tmp_path / "a.png")], normalised=False)
    assert abs(float(features.norm()) - 1) > 0.05
    hidden = np.maximum(features.half().float().numpy() @ first[0] + first[1], 0)
    logits = torch.from_numpy(hidden @ second[0] + second[1])
    wanted = dict(zip(SIX, logits.softmax(dim=1)[0].tolist(), strict=True))
    (prediction,) = predict_images(run.folder, [tmp_path / "a.png"], threads=1)
    assert dict(prediction.best) == pytest.approx(wanted, abs=1e-3)


SQUARE = np.ones((4, 4)), np.ones(4)
BOTH = {"img_fc1": SQUARE, "preds": SQUARE}


NO_RUNS = [
    (layers(img_fc1=SQUARE), "found img_fc1;"),
    (layers(**BOTH, img_fc2=SQUARE), "found img_fc1, img_fc2, preds;"),
    (
        layers(dense=SQUARE),
        "named img_fc1, preds, img_fc2, as Keras 2 writes them, found dense/dense/bias:0",
    ),
    (layers(img_fc1=SQUARE, preds=(np.ones((3, 25)), np.ones(25))), "gives 4 values and the next layer takes 3"),
    (layers(**BOTH | {"img_fc1": (np.ones((4, 3, 3)), np.ones(4))}), r"Dense layer's .* found .*l \[4, 3, 3\]"),
    (layers(**BOTH | {"img_fc1": (SQUARE[0] * np.nan, SQUARE[1])}), "img_fc1 has values that are not finite"),
    (layers(**BOTH), "4 outputs, but the published models have 25, 6, 1$"),
    ({"layers/dense/vars/0": SQUARE[0]}, "as Keras 2 writes them, found layers/dense/vars/0"),
    ({"img_fc1/img_fc1/kernel:0": SQUARE[0]}, r"kernel \[into, out\] and bias \[out\], found kernel \[4, 4\]"),
    ({"preds/kernel:0": "a text"}, "preds/kernel:0: expected up to 20,000,000 numbers, found 1 of object"),
    ({"a/img_fc1/kernel:0": SQUARE[0], "b/img_fc1/kernel:0": SQUARE[0]}, "img_fc1 is there twice"),
    ("none", "no such file"),
    ("made_by.json", "not a readable HDF5 file"),
]


@pytest.mark.parametrize(("file", "says"), NO_RUNS)
def test_what_cannot_be_a_run_is_named(tmp_path, file, says):
    path = keras_file(tmp_path / "w.hdf5", file) if isinstance(file, dict) else WEIGHTS / file
    refused(BadInput, rf"{path.name}: .*{says}", import_clip_e, path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_command(told, tmp_path):
    printed = told("import", "clip-e", WEIGHTS / "clip-e_6cat.hdf5", tmp_path / "run", "--json")
    assert json.loads(printed)["head"] == "softmax"
