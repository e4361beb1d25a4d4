"""Text heads from the command line's side: training, any labels, the cache of text features, what is refused."""

import importlib
import json
from dataclasses import asdict
from unittest.mock import Mock

import pytest

from affectml.errors import BadInput
from affectml.heads import ContrastiveHead, ZeroShotHead
from affectml.predicting import predict_images
from affectml.taxonomies import get_taxonomy
from affectml.training import TrainConfig, train_run

SLOW = {"run"}  # fixtures, and so all that asks for them


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=240, seed=61)


def config(demo, **more):
    return TrainConfig(dataset=str(demo.root), multilabel=True, threads=1, **more)


@pytest.fixture(scope="module")
def run(demo, tmp_path_factory):
    settings = config(demo, head="contrastive", prompts="sentiment+synonyms")
    return train_run(settings, out=tmp_path_factory.mktemp("run") / "contrastive")


def test_a_contrastive_run_reports_beside_prior_zero_shot_and_people(run):
    assert {"prior", "zero_shot", "model", "oracle"} <= set(run.evaluation.systems())
    assert "person" in run.evaluation.systems("rest")
    assert run.evaluation.get("top_1_accuracy").value > 0.6
    assert isinstance(run.head, ContrastiveHead)
    assert asdict(run.info.prompts) == {"kinds": ["sentiment", "synonyms"], "templates": []}
    assert "--head contrastive --prompts sentiment+synonyms" in run.info.command


def test_any_labels_can_be_asked_for(run, demo):
    images = [demo.root / "images" / f"{number:06d}.png" for number in range(60)]
    asked = predict_images(run.folder, images, labels=["sorrow", "fury", "delight"], threads=1)
    assert all((sum(dict(p.best).values()), p.labels) == (pytest.approx(1), None) for p in asked)
    truth = demo.truth.set_index("image_id")
    sad = [p for p, path in zip(asked, images, strict=True) if truth.loc[path.stem, "sadness"] > 0.6]
    assert sad
    assert sum(p.best[0][0] == "sorrow" for p in sad) > len(sad) / 2


def test_any_taxonomy_can_be_asked_for(command, run, demo):
    words = [str(run.folder), str(demo.root / "images" / "000000.png"), "--threads", "1", "--json"]
    code, printed, _ = command("predict", *words, "--taxonomy", "parrott-6")
    assert (code, set(get_taxonomy("parrott-6").labels) <= set(json.loads(printed)[0]["scores"])) == (0, True)
    assert "give one of them" in command("predict", *words, "--taxonomy", "parrott-6", "--labels", "a,b")[2]


def test_the_runs_own_labels_asked_for_by_name_rank_as_its_own(run, demo):
    image = [demo.root / "images" / "000007.png"]
    (asked,) = predict_images(run.folder, image, labels=list(run.taxonomy.labels), threads=1)
    (plain,) = predict_images(run.folder, image, threads=1)
    assert dict(asked.best) == pytest.approx(dict(plain.best), abs=1e-6)


@pytest.mark.slow
def test_zero_shot_is_a_head_too_and_templates_are_averaged(demo, tmp_path):
    templates = ("a painting that evokes {label}", "{label}")
    run = train_run(config(demo, head="zero-shot", templates=templates), out=tmp_path / "run")
    assert isinstance(run.head, ZeroShotHead)
    texts = (scores := run.evaluation.across()).loc["zero_shot"].dropna()
    assert texts.equals(scores.loc["model", texts.index])
    image = [demo.root / "images" / "000007.png"]
    (found,) = predict_images(run.folder, image, labels=["joy", "fear"], threads=1)
    assert len(found.best) == 2


def test_text_features_are_cached_so_that_a_second_run_loads_no_model(run, demo, tmp_path, monkeypatch):
    loaded = Mock(side_effect=AssertionError("the encoder was loaded"))
    monkeypatch.setattr(importlib.import_module("affectml.training.steps"), "load_encoder", loaded)
    again = train_run(config(demo, head="contrastive", prompts="sentiment+synonyms"), out=tmp_path / "again")
    assert (again.folder / "metrics.csv").read_bytes() == (run.folder / "metrics.csv").read_bytes()


@pytest.mark.slow
def test_a_head_without_texts_says_which_heads_have_them(demo, tmp_path):
    run = train_run(config(demo), out=tmp_path / "run")
    with pytest.raises(BadInput, match=r"a sigmoid head knows only its own labels.*head='contrastive'"):
        predict_images(run.folder, [demo.root / "images" / "000000.png"], labels=["awe", "boredom"])


def test_prompts_are_checked_before_anything_is_embedded(demo):
    for says, more in (
        (r"has no \{label\}", {"templates": ("a photo of {thing}",)}), ("no kind 'synonym'", {"prompts": "synonym"}),
        ("no head 'contrastiv'; did you mean 'contrastive'", {"head": "contrastiv"}),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=says):
            train_run(config(demo, **{"head": "contrastive", **more}))
