"""`affectml train --head ...` as a user meets it: what each head may see, what it says, what it refuses; text heads."""

import importlib
import json
import shlex
import shutil
import sys
from dataclasses import asdict
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest

from affectml.data import Dataset
from affectml.data.choose import choose_target
from affectml.data.splits import split_dataset
from affectml.errors import BadInput, BadRun
from affectml.heads import ContrastiveHead, ZeroShotHead
from affectml.heads.base import HEADS
from affectml.predicting import predict_images
from affectml.runs import RunFolder
from affectml.taxonomies import get_taxonomy
from affectml.training import TrainConfig, train_run

from .checks import GOLDEN, refused, single

SLOW = {"contrastive"}  # fixtures, and so all that asks for them


def with_split(root):
    """The split is fixed first, since drawing one looks at all labels."""
    dataset = Dataset.open(root)
    targets = choose_target(dataset, multilabel="rates" in dataset.meta.targets["emotions"].kind, name=None)
    parts = pd.Series(split_dataset(dataset, targets, 0).assignment, index=targets.image_id)
    images = pd.read_parquet(root / "images.parquet")
    images["split"] = images["image_id"].map(parts)
    images.to_parquet(root / "images.parquet")
    return root


@pytest.fixture(scope="module")
def demo(demo_set):
    return with_split(demo_set(images=120, seed=5).root)


@pytest.fixture(scope="module")
def one_answer(demo_set):
    return with_split(demo_set(images=60, seed=5, answers="one").root)


def trained(data, spec, out, **more):
    return train_run(TrainConfig(dataset=str(data), encoder=spec, threads=1, multilabel=True, **more), out=out)


def same_head(run, other):
    names = ("head.json", "head.safetensors")
    return all((run / name).read_bytes() == (other / name).read_bytes() for name in names)


def scrambled(data, out):
    """A copy in which other people said other things of the test images."""
    shutil.copytree(data, out)
    images = pd.read_parquet(out / "images.parquet").set_index("image_id")["split"]
    for file in ("targets-emotions.parquet", "annotations.parquet"):
        table = pd.read_parquet(out / file)
        test = np.flatnonzero(table["image_id"].map(images) == "test")
        said = table.columns.intersection(["kind", "labels"] if "kind" in table else table.columns[1:], sort=False)
        table.loc[test, said] = table.loc[np.random.default_rng(1).permutation(test), said].to_numpy()
        table.to_parquet(out / file)
    return out


SLOW_HEADS = [{"head": "auto", "options": {"families": ("linear",)}}, {"head": "topk", "options": {"l2": 0.1}}]


@pytest.mark.parametrize("head", [{}, *(pytest.param(head, marks=pytest.mark.slow) for head in SLOW_HEADS)])
def test_what_is_said_of_test_images_never_reaches_the_head(demo, spec, tmp_path, head):
    clean = trained(demo, spec, tmp_path / "clean", **head)
    spoilt = trained(scrambled(demo, tmp_path / "data"), spec, tmp_path / "spoilt", **head)
    assert same_head(clean.folder, spoilt.folder)
    assert clean.evaluation.scores_of("model") != spoilt.evaluation.scores_of("model")


def test_options_that_are_set_reach_the_head_and_are_kept(told, demo, spec, tmp_path):
    words = ["--set", "l2=0.1", "--set", "patience=5", "--out", tmp_path / "run"]
    told("train", demo, "--multilabel", "--encoder", spec, "--threads", 1, *words)
    run = RunFolder.open(tmp_path / "run")
    assert (run.head.config.l2, run.head.config.patience) == (0.1, 5)
    assert run.info.config.options == {"l2": 0.1, "patience": 5}
    assert "--set l2=0.1 --set patience=5" in run.info.command
    told(*shlex.split(run.info.command)[1:-1], tmp_path / "again")
    assert same_head(tmp_path / "run", tmp_path / "again")


def test_a_head_of_ones_own_is_trained_and_opened_once_it_is_imported(told, demo, spec, neighbours, monkeypatch):
    words = ["--multilabel", "--encoder", spec, "--threads", 1, "--head", "knn", "--set", "neighbours=10"]
    told("--import", "my_heads", "train", demo, *words, "--out", "run")
    del HEADS["knn"], sys.modules["my_heads"]  # as in a process that does not know the head
    run = RunFolder.open(neighbours / "run")
    assert run.info.head.name == run.info.config.head == "knn"
    assert {"knn", "neighbours=10"} <= set(shlex.split(run.info.command))
    assert run.evaluation.get("set_f1").value > run.evaluation.get("set_f1", "prior").value
    refused(BadRun, "import the module that defines it", getattr, run, "head")
    assert "cannot import 'my_haeds'" in told("--import", "my_haeds", "predict", run.folder, demo, code=2)
    monkeypatch.syspath_prepend(neighbours)
    own = importlib.import_module("my_heads").NeighbourHead
    again = RunFolder.open(run.folder).head
    assert (type(again), again.config.neighbours, again.predicts_sets) == (own, 10, True)


@pytest.fixture
def one_label(one_answer, tmp_path):
    return single(one_answer, tmp_path / "one label")


WAYS_OUT = [
    ("demo", ["--multilabel", "--head", "topk", "--set", "k=9"], "--set k=9: expected 1 to 8"),
    ("demo", ["--head", "auto"], "learned with --multilabel"),
    ("demo", ["--multilabel", "--head", "softmax"], "take --head sigmoid"),
    ("demo", ["--multilabel", "--set", "l2"], "expected a pair, such as l2=0.1"),
    ("demo", ["--multilabel", "--set", "l2=1", "--set", "l2=2"], "'l2' is both '1' and '2'"),
    ("one_answer", ["--multilabel", "--head", "sigmoid"], "leave it out"),
    ("one_answer", ["--head", "sigmoid"], "take --head softmax"),
    ("one_label", ["--multilabel", "--head", "topk"], "take --head sigmoid"),
    ("one_label", ["--multilabel", "--head", "auto"], "leave out --multilabel"),
]


@pytest.mark.parametrize(("data", "words", "says"), WAYS_OUT)
def test_on_the_command_line_the_way_out_is_one_line(told, request, spec, tmp_path, data, words, says):
    folder = request.getfixturevalue(data)
    said = told("train", folder, "--encoder", spec, "--out", tmp_path / "run", *words, "--threads", 1, code=2)
    assert says in said.splitlines()[-1]
    assert not (tmp_path / "run").exists()


TEXTS = {"spec": "affect-tiny", "head": "contrastive", "prompts": "sentiment+synonyms"}


@pytest.fixture(scope="module")
def contrastive(demo, tmp_path_factory):
    return trained(demo, out=tmp_path_factory.mktemp("run") / "contrastive", **TEXTS)


def test_a_contrastive_run_reports_beside_prior_zero_shot_and_people(contrastive):
    assert {"prior", "zero_shot", "model", "oracle"} <= set(contrastive.evaluation.systems())
    assert "person" in contrastive.evaluation.systems("rest")
    assert contrastive.evaluation.get("top_1_accuracy").value > 0.5  # of 29 images; one label in eight by chance
    assert isinstance(contrastive.head, ContrastiveHead)
    assert asdict(contrastive.info.prompts) == {"kinds": ["sentiment", "synonyms"], "templates": []}
    assert "--head contrastive --set prompts=sentiment+synonyms" in contrastive.info.command


def test_any_labels_can_be_asked_for(contrastive, demo):
    images = [demo / "images" / f"{number:06d}.png" for number in range(60)]
    asked = predict_images(contrastive.folder, images, labels=["sorrow", "fury", "delight"], threads=1)
    assert all((sum(dict(p.best).values()), p.labels) == (pytest.approx(1), None) for p in asked)
    truth = Dataset.open(demo).truth.set_index("image_id")
    sad = [p for p, path in zip(asked, images, strict=True) if truth.loc[path.stem, "sadness"] > 0.6]
    assert sad
    assert sum(p.best[0][0] == "sorrow" for p in sad) > len(sad) / 2


def test_any_taxonomy_can_be_asked_for_and_the_runs_own_labels_rank_as_without(told, contrastive, demo):
    image = demo / "images" / "000007.png"
    words = ["predict", contrastive.folder, image, "--threads", 1, "--json", "--labels", "parrott-6"]
    assert set(get_taxonomy("parrott-6").labels) <= set(json.loads(told(*words))[0]["scores"])
    own = list(contrastive.taxonomy.labels)
    asked, plain = (predict_images(contrastive.folder, [image], labels=ask, threads=1)[0] for ask in (own, None))
    assert dict(asked.best) == pytest.approx(dict(plain.best), abs=1e-6)


@pytest.mark.slow
def test_zero_shot_is_a_head_too_and_templates_are_averaged(demo, tmp_path):
    templates = ("a painting that evokes {label}", "{label}")
    run = trained(demo, "affect-tiny", tmp_path / "run", head="zero-shot", templates=templates)
    assert isinstance(run.head, ZeroShotHead)
    texts = (scores := run.evaluation.across()).loc["zero_shot"].dropna()
    assert texts.equals(scores.loc["model", texts.index])
    [found] = predict_images(run.folder, [demo / "images" / "000007.png"], labels=["joy", "fear"], threads=1)
    assert len(found.best) == 2


def test_text_features_are_cached_so_that_a_second_run_loads_no_model(contrastive, demo, tmp_path, monkeypatch):
    loaded = Mock(side_effect=AssertionError("the encoder was loaded"))
    monkeypatch.setattr(importlib.import_module("affectml.training.steps"), "load_encoder", loaded)
    again = trained(demo, out=tmp_path / "again", **TEXTS)
    assert (again.folder / "metrics.csv").read_bytes() == (contrastive.folder / "metrics.csv").read_bytes()


def test_a_head_without_texts_says_which_heads_have_them(demo):
    run, says = GOLDEN / "runs" / "sigmoid", "a sigmoid head knows only its own labels.*head='contras"
    refused(BadInput, says, predict_images, run, [demo / "images" / "000000.png"], labels=["awe", "boredom"])
