"""Training end to end on a small demo set and a small random encoder: what a run holds, what heads see and refuse."""

import importlib
import json
import re
import shlex
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from affectml import split
from affectml.data import Dataset
from affectml.embeddings import embed_dataset
from affectml.encoders import load_encoder
from affectml.errors import AffectmlError, BadDataset, BadInput, BadRun
from affectml.heads import ContrastiveHead, ZeroShotHead
from affectml.heads.base import HEADS
from affectml.importers import import_table
from affectml.page import WRITERS
from affectml.predicting import predict_images
from affectml.runs import RunFolder
from affectml.taxonomies import get_taxonomy
from affectml.training import TrainConfig, plan_run, prepare, train_run

from .checks import GOLDEN, answered, edit, refused, single

SLOW = {"contrastive"}  # fixtures, and so all that asks for them


@pytest.fixture(scope="session")
def demo(demo_set):
    return demo_set(images=150, seed=5).root


def config(data, spec=None, **more):
    """One L2, since the search for it has tests of its own."""
    fixed = {"multilabel": True, "options": {"l2": 0.1}}
    return TrainConfig(dataset=str(data), encoder=spec, threads=1, **fixed | more)


@pytest.fixture(scope="session")
def run(demo, spec, tmp_path_factory):
    return train_run(config(demo, spec), out=tmp_path_factory.mktemp("runs") / "one", writers=WRITERS)


@pytest.fixture
def train(demo, spec, tmp_path):
    """`train(data, say=..., **options)`: a run of other data, or with other options, in a folder of its own."""

    def call(data=demo, encoder=spec, say=lambda line: None, **more):
        return train_run(config(data, encoder, **more), out=tmp_path / "run", say=say)

    return call


def test_a_run_holds_what_is_needed_to_repeat_and_to_judge_it(run):
    files = "answers.parquet facts.json head.json head.safetensors metrics.csv report.html run.json scores.parquet"
    assert sorted(path.name for path in run.folder.iterdir()) == files.split()
    keys = ("command", "config", "data", "encoder", "split", "threads", "versions", "hardware", "seconds", "parameters")
    assert all(getattr(run.info, key) for key in keys)
    assert run.info.energy is None or run.info.energy["kwh"] > 0


def test_its_figures_are_of_systems_and_people_and_every_label(run):
    found = run.evaluation
    assert list(found.across().index) == ["model", "zero_shot", "prior", "oracle", "floor"]
    assert (found.systems("rest"), found.systems("half")) == (["model", "prior", "person"], ["half"])
    assert found.get("rate_cross_entropy", "person", "rest") is None
    for name in ("set_f1", "set_f1_judgements", "label_f1_macro", "top_1_accuracy"):
        assert (each := found.get(name)).low <= each.value <= each.high
    for metric, system in (("label_f1", "model"), ("prevalence", "people")):
        assert [f.label for f in found.where(metric=metric, system=system, label=None)] == [*run.taxonomy.labels]


def test_a_store_that_an_interruption_left_empty_is_filled(run, demo, tmp_path, train):
    data = shutil.copytree(demo, tmp_path / "d")
    for file in (data / "embeddings").glob("*/*"):
        if file.name != "encoder.json":
            file.unlink()
    assert train(data, encoder=None).evaluation.scores_of("model") == run.evaluation.scores_of("model")


@pytest.fixture
def data(demo, tmp_path):
    """A copy of the demo set that nobody has embedded."""
    data = shutil.copytree(demo, tmp_path / "d")
    shutil.rmtree(data / "embeddings", ignore_errors=True)
    return data


def test_the_precision_of_a_store_is_kept(data, spec, train):
    file = data / pd.read_parquet(data / "images.parquet")["file"].iloc[3]
    file.write_bytes(b"no image")
    embed_dataset(Dataset.open(data), load_encoder(spec, precision="bf16"), progress=False)
    run = train(data, encoder=None)
    stores = list((data / "embeddings").glob("*/encoder.json"))
    assert (run.info.encoder.identity["precision"], len(stores)) == ("pure_bf16", 1)


def test_a_damaged_run_and_one_of_another_version_are_refused_in_one_line(run, tmp_path):
    copy = shutil.copytree(run.folder, tmp_path / "run")
    (copy / "answers.parquet").unlink()
    refused(BadRun, "answers.parquet", getattr, RunFolder.open(copy), "model_answers")
    info = json.loads((copy / "run.json").read_text())
    newer = r"run: schema 99 is newer than this affectml reads .*: upgrade affectml$"
    before = r"run: made before 0\.3\.0: train it again$"
    earlier = [*(info | {"schema": schema} for schema in (1, 0, "1")), {"config": info["config"]}, []]
    for content, says in (
        *((each, before) for each in earlier),
        (info | {"schema": 99}, newer),
        ({"schema": 2}, "damaged"),
    ):
        (copy / "run.json").write_text(json.dumps(content))
        refused(BadRun, says, RunFolder.open, copy)


DAMAGE = [
    ("metrics.csv", "dataset,target", "set,target", "expected the columns dataset, target"),
    ("metrics.csv", ",model,", ",other,", "no figure of the model"),
    ("facts.json", '"n":', '"N":', "n: Field required"),
    ("facts.json", '"awe"', '"shame"', "labels: expected those of run.json"),
]


@pytest.mark.parametrize(("file", "before", "after", "says"), DAMAGE)
def test_figures_that_cannot_be_used_name_their_file(run, tmp_path, file, before, after, says):
    path = shutil.copytree(run.folder, tmp_path / "run") / file
    path.write_text(path.read_text().replace(before, after))
    refused(BadRun, f"{file}: .*{says}.*train again", getattr, RunFolder.open(path.parent), "evaluation")


def test_a_run_has_its_number_when_it_is_whole_and_never_anothers(run, demo, spec, tmp_path, monkeypatch):
    """One that is killed leaves no number behind; one that comes to be meanwhile keeps its own."""
    monkeypatch.chdir(tmp_path)
    Path("runs/data-001").mkdir(parents=True)  # as killed trainings left it
    shutil.copytree(demo, "data")
    seen = []

    def written(run_there, judged):
        seen.append(sorted(path.name for path in Path("runs").glob("data-*/*")))
        if len(seen) == 2:
            shutil.copytree(run.folder, "runs/data-002")

    plain = config(Path("data"), spec)
    made = [train_run(plain, say=lambda line: None, writers={"seen": written}).folder for _ in range(2)]
    assert ([folder.name for folder in made], seen[0]) == (["data-001", "data-003"], [])
    assert (made[1].with_name("data-002") / "run.json").read_bytes() == (run.folder / "run.json").read_bytes()
    assert sorted(path.name for path in Path("runs").iterdir()) == ["data-001", "data-002", "data-003"]


def test_single_labels_with_multilabel_are_trained_as_single_positives_and_it_is_said(demo, train, tmp_path):
    said = []
    run = train(single(demo, tmp_path / "d"), say=said.append)
    assert "single labels are not negatives" in said[0]
    names = run.evaluation.names(system="model")
    assert "top_1_accuracy" in names
    assert not any("set_" in name or "label_f1" in name for name in names)
    assert "person" not in run.evaluation.systems("rest")


def test_one_answer_per_person_trains_a_softmax_head_beside_people_and_the_truth(demo_set, train):
    run = train(demo_set(images=200, seed=5, answers="one").root, multilabel=False)
    get, rules = run.evaluation.get, run.evaluation.facts["rules"]
    for metric in ("cross_entropy", "earth_movers_distance"):
        losses = [get(metric, name).value for name in ("oracle", "model", "prior")]
        assert losses == sorted(losses)
    assert get("top_1_accuracy", "person", "rest").value < get("top_1_accuracy", "oracle").value
    assert get("set_f1", "oracle") is None  # one answer each says nothing of sets
    assert rules["floor"] == "the true distributions"
    assert rules["earth_movers_distance"].startswith("along the wheel: fear, excitement")


NO_TRAINING = [
    ({"multilabel": False}, r"emotions \(rates\).*multilabel=True"),
    ({"target": "emotion"}, r"did you mean 'emotions'"),
    ({"encoder": "affect-tinny"}, "affect-tiny"),
    ({"tau": 2.0}, "tau=2"),
    ({"head": "topk", "options": {"k": 99}}, "k=99: expected 1 to 8"),
    ({"tau": "much"}, "tau='much': it should be a valid number"),
    ({"options": {"dropuot": 1}}, "dropuot=1: .*did you mean 'dropout'"),
    ({"head": "nowhere"}, "no head 'nowhere'"),
    ({"head": "contrastive", "options": {}, "templates": ("a photo of {thing}",)}, r"has no \{label\}"),
    ({"by_person": True, "head": "topk"}, "has no rates to begin with"),
]


@pytest.mark.parametrize(("more", "says"), NO_TRAINING)
def test_what_cannot_be_trained_says_the_way_out_in_python_and_writes_nothing(demo, spec, tmp_path, more, says):
    in_python = rf"^(?!.*--).*{says}"
    refused(AffectmlError, in_python, train_run, replace(config(demo, spec), **more), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rates_that_are_shares_of_one_choice_are_refused_with_a_way_that_works(spec, tmp_path):
    for at in range(20):
        Image.new("RGB", (8, 8), (at, 0, 0)).save(tmp_path / f"{at}.png")
    lines = [f"{at}.png,{at / 20},{1 - at / 20}" for at in range(20)]
    (tmp_path / "table.csv").write_text("\n".join(["file,joy,fear", *lines]))
    import_table(tmp_path / "table.csv", tmp_path / "rates", kind="rates")
    says = "every row sums to 1.*as a distribution .a table with kind='distribution'"
    refused(BadDataset, says, plan_run, config(tmp_path / "rates", spec))
    import_table(tmp_path / "table.csv", tmp_path / "shares", kind="distribution")
    assert plan_run(config(tmp_path / "shares", spec, multilabel=False)).targets.kind == "distribution"


def test_runs_are_listed_with_data_head_and_first_scores(command, monkeypatch, run, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("broken", "earlier", "shared", "whole"):
        shutil.copytree(run.folder, f"runs/{name}")
    Path("runs/shared/metrics.csv").unlink()
    Path("runs/broken/run.json").write_text("{}")
    edit(Path("runs/earlier/run.json"), schema=1)  # runs of 0.2.0
    code, out, err = command("runs")
    words = " ".join(out.split())
    score = run.evaluation.get("top_1_accuracy").value
    assert f"runs/whole demo, emotions sigmoid top_1_accuracy ↑ {score:.3f}".replace(" 0.", " .") in words
    assert "runs/shared demo, emotions sigmoid - " in words
    before = [f"cannot be read: runs/{name}: made before 0.3.0: train it again" for name in ("broken", "earlier")]
    assert (code, err.splitlines()) == (0, before)
    found = json.loads(command("runs", "--json")[1])
    assert [(each["run"], len(each["scores"])) for each in found] == [("runs/shared", 0), ("runs/whole", 3)]
    assert "no run in this folder" in command("runs", tmp_path)[2]


def test_an_image_that_cannot_be_read_is_left_out_and_one_that_is_nowhere_is_named(data, train):
    victim, lines = pd.read_parquet(data / "targets-emotions.parquet")["image_id"].iloc[7], []
    images = pd.read_parquet(data / "images.parquet")
    [file] = data / images.loc[images["image_id"] == victim, "file"]
    file.write_bytes(file.read_bytes()[:100])
    run = train(data, say=lines.append)
    said = "\n".join(lines)
    assert re.search(rf"^embedded {len(images) - 1} images", said, re.MULTILINE)
    assert re.search("^1 of ", said, re.MULTILINE)
    assert file.name in said
    assert victim not in set(answered(run)["image_id"])
    assert [*run.info.seconds] == ["embed", "fit", "evaluate", "total"]
    shutil.rmtree(data / "embeddings")
    images.assign(file=images["file"].where(images["image_id"] != victim)).to_parquet(data / "images.parquet")
    says = rf"image '{victim}' has neither file nor url nor an embedding"
    refused(BadDataset, says, train_run, run.info.config, out=data / "run")


def test_with_no_data_set_it_is_the_demo_set_with_affect_tiny(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert command("demo", "--images", 60)[:2] == (0, "60 paintings, 300 judgements: data/demo\n")
    _, out, err = command("train", "--multilabel", "--threads", 1)
    assert "no data set named" in err
    assert "affect-tiny" in err
    for word in ("prior", "zero_shot", "model", "person", "oracle", "floor", str(Path("runs/demo-001/report.html"))):
        assert word in out


def test_the_seed_reaches_the_split(demo, spec):
    first, other = (prepare(plan_run(config(demo, spec, seed=seed))).split.assignment for seed in (0, 1))
    assert (first != other).any()


# Heads: what each may see, what it says, what it refuses; text heads


@pytest.fixture(scope="module")
def parted(demo_set):
    """Its split is fixed first, since drawing one looks at all labels."""
    data = demo_set(images=150, seed=5)
    split(data)
    return data.root


def trained(data, spec, out, **more):
    return train_run(config(data, spec, **{"options": {}} | more), out=out)


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
def test_what_is_said_of_test_images_never_reaches_the_head(parted, spec, tmp_path, head):
    clean = trained(parted, spec, tmp_path / "clean", **head)
    spoilt = trained(scrambled(parted, tmp_path / "data"), spec, tmp_path / "spoilt", **head)
    assert same_head(clean.folder, spoilt.folder)
    assert clean.evaluation.scores_of("model") != spoilt.evaluation.scores_of("model")


def test_options_that_are_set_reach_the_head_and_are_kept(told, parted, spec, tmp_path):
    words = ["--set", "l2=0.1", "--set", "patience=5", "--out", tmp_path / "run"]
    told("train", parted, "--multilabel", "--encoder", spec, "--threads", 1, *words)
    run = RunFolder.open(tmp_path / "run")
    assert (run.head.config.l2, run.head.config.patience) == (0.1, 5)
    assert run.info.config.options == {"l2": 0.1, "patience": 5}
    assert "--set l2=0.1 --set patience=5" in run.info.command
    told(*shlex.split(run.info.command)[1:-1], tmp_path / "again")
    assert same_head(tmp_path / "run", tmp_path / "again")


def test_a_head_of_ones_own_is_trained_and_opened_once_it_is_imported(told, parted, spec, neighbours, monkeypatch):
    words = ["--multilabel", "--encoder", spec, "--threads", 1, "--head", "knn", "--set", "neighbours=10"]
    told("--import", "my_heads", "train", parted, *words, "--out", "run")
    del HEADS["knn"], sys.modules["my_heads"]  # as in a process that does not know the head
    run = RunFolder.open(neighbours / "run")
    assert run.info.head.name == run.info.config.head == "knn"
    assert {"knn", "neighbours=10"} <= set(shlex.split(run.info.command))
    assert run.evaluation.get("set_f1").value > run.evaluation.get("set_f1", "prior").value
    refused(BadRun, "import the module that defines it", getattr, run, "head")
    assert "cannot import 'my_haeds'" in told("--import", "my_haeds", "predict", run.folder, parted, code=2)
    monkeypatch.syspath_prepend(neighbours)
    own = importlib.import_module("my_heads").NeighbourHead
    again = RunFolder.open(run.folder).head
    assert (type(again), again.config.neighbours, again.predicts_sets) == (own, 10, True)


WAYS_OUT = [
    ("parted", ["--multilabel", "--head", "topk", "--set", "k=9"], "--set k=9: expected 1 to 8"),
    ("parted", ["--head", "auto"], "learned with --multilabel"),
    ("parted", ["--multilabel", "--head", "softmax"], "take --head sigmoid"),
    ("parted", ["--multilabel", "--set", "l2"], "expected a pair, such as l2=0.1"),
    ("parted", ["--multilabel", "--set", "l2=1", "--set", "l2=2"], "'l2' is both '1' and '2'"),
    ("one_label", ["--multilabel", "--head", "topk"], "take --head sigmoid"),
    ("one_label", ["--multilabel", "--head", "auto"], "leave out --multilabel"),
]


@pytest.mark.parametrize(("data", "words", "says"), WAYS_OUT)
def test_on_the_command_line_the_way_out_is_one_line(told, parted, spec, tmp_path, data, words, says):
    folder = parted if data == "parted" else single(parted, tmp_path / "one label")
    said = told("train", folder, "--encoder", spec, "--out", tmp_path / "run", *words, "--threads", 1, code=2)
    assert says in said.splitlines()[-1]
    assert not (tmp_path / "run").exists()


TEXTS = {"spec": "affect-tiny", "head": "contrastive", "prompts": "sentiment+synonyms"}


@pytest.fixture(scope="module")
def contrastive(parted, tmp_path_factory):
    return trained(parted, out=tmp_path_factory.mktemp("run") / "contrastive", **TEXTS)


def test_a_contrastive_run_reports_beside_prior_zero_shot_and_people(contrastive):
    assert {"prior", "zero_shot", "model", "oracle"} <= set(contrastive.evaluation.systems())
    assert "person" in contrastive.evaluation.systems("rest")
    assert contrastive.evaluation.get("top_1_accuracy").value > 0.5  # of 29 images; one label in eight by chance
    assert isinstance(contrastive.head, ContrastiveHead)
    assert asdict(contrastive.info.prompts) == {"kinds": ["sentiment", "synonyms"], "templates": []}
    assert "--head contrastive --set prompts=sentiment+synonyms" in contrastive.info.command


def test_any_labels_can_be_asked_for(contrastive, parted):
    images = [parted / "images" / f"{number:06d}.png" for number in range(60)]
    asked = predict_images(contrastive.folder, images, labels=["sorrow", "fury", "delight"], threads=1)
    assert all((sum(dict(p.best).values()), p.labels) == (pytest.approx(1), None) for p in asked)
    truth = Dataset.open(parted).truth.set_index("image_id")
    sad = [p for p, path in zip(asked, images, strict=True) if truth.loc[path.stem, "sadness"] > 0.6]
    assert sad
    assert sum(p.best[0][0] == "sorrow" for p in sad) > len(sad) / 2


def test_any_taxonomy_can_be_asked_for_and_the_runs_own_labels_rank_as_without(told, contrastive, parted):
    image = parted / "images" / "000007.png"
    words = ["predict", contrastive.folder, image, "--threads", 1, "--json", "--labels", "parrott-6"]
    assert set(get_taxonomy("parrott-6").labels) <= set(json.loads(told(*words))[0]["scores"])
    own = list(contrastive.taxonomy.labels)
    asked, plain = (predict_images(contrastive.folder, [image], labels=ask, threads=1)[0] for ask in (own, None))
    assert dict(asked.best) == pytest.approx(dict(plain.best), abs=1e-6)


@pytest.mark.slow
def test_zero_shot_is_a_head_too_and_templates_are_averaged(parted, tmp_path):
    templates = ("a painting that evokes {label}", "{label}")
    run = trained(parted, "affect-tiny", tmp_path / "run", head="zero-shot", templates=templates)
    assert isinstance(run.head, ZeroShotHead)
    texts = (scores := run.evaluation.across()).loc["zero_shot"].dropna()
    assert texts.equals(scores.loc["model", texts.index])
    [found] = predict_images(run.folder, [parted / "images" / "000007.png"], labels=["joy", "fear"], threads=1)
    assert len(found.best) == 2


def test_text_features_are_cached_so_that_a_second_run_loads_no_model(contrastive, parted, tmp_path, monkeypatch):
    loaded = Mock(side_effect=AssertionError("the encoder was loaded"))
    monkeypatch.setattr(importlib.import_module("affectml.training.steps"), "load_encoder", loaded)
    again = trained(parted, out=tmp_path / "again", **TEXTS)
    assert (again.folder / "metrics.csv").read_bytes() == (contrastive.folder / "metrics.csv").read_bytes()


def test_a_head_without_texts_says_which_heads_have_them(parted):
    run, says = GOLDEN / "runs" / "sigmoid", "a sigmoid head knows only its own labels.*head='contras"
    refused(BadInput, says, predict_images, run, [parted / "images" / "000000.png"], labels=["awe", "boredom"])
