"""What was written before is read and says the same; see "Golden files" in docs/architecture.md."""

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import affectml
from affectml.data import Dataset
from affectml.data.choose import levels_of
from affectml.demo_set import write_demo
from affectml.embeddings import EmbeddingStore
from affectml.heads import load_head
from affectml.heads.base import sets_of
from affectml.heads.registry import HEADS
from affectml.judging.figures import COLUMNS, Evaluation
from affectml.predicting import predict_to_file
from affectml.runs import RunFolder

from .checks import answered, evaluated

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
VERSIONS = sorted(path.parent for path in GOLDEN.glob("*/made_by.json"))
HEAD_FEATURES = 10  # heads saved from Python know the first columns only
NUMBERS = ("value", "low", "high", "p", "p_holm", "n", "units")
TOLERANCE = {"rtol": 1e-6, "atol": 1e-6}  # other processors round and sum in another order


def named(path: Path) -> str:
    return path.relative_to(GOLDEN).as_posix()


def found(pattern: str) -> list[Path]:
    folders = sorted(path for version in VERSIONS for path in version.glob(pattern))
    assert folders, f"no {pattern} under {GOLDEN}"
    return folders


RUNS = [path for path in found("runs/*") if path.is_dir()]  # beside a run by person lies a file of its people
SAVED, DEMOS = found("heads/*"), found("demo/*")


@cache
def features(version: Path, dataset: str) -> np.ndarray:
    data = Dataset.open(version / dataset)
    return EmbeddingStore.for_dataset(data).rows(data.images["image_id"])


def dataset_of(run: Path) -> str:
    return json.loads((run / "run.json").read_text(encoding="utf-8"))["config"]["dataset"]


def says_as_before(folder: Path, X: np.ndarray) -> None:
    """Every answer in expected.npz, by the name of the method that gave it."""
    head, expected = load_head(folder), dict(np.load(folder / "expected.npz"))
    X = X[: expected.pop("rows")]
    other, chosen = (expected.pop(name, None) for name in ("other_texts", "chosen"))
    if chosen is not None:
        rates = head.person_rates(X, head.person(X[: len(chosen)], chosen))
        np.testing.assert_allclose(rates.numpy(), expected.pop("rates_of_somebody"), **TOLERANCE)
        assert head.person_sets(rates).tolist() == expected.pop("sets_of_somebody").tolist()
    assert expected
    for name, before in expected.items():
        now = head.scores(X, other) if name == "scores_of_other_texts" else getattr(head, name)(X)
        if name == "predict_sets":
            assert now.numpy().tolist() == before.tolist()
        else:
            np.testing.assert_allclose(now.numpy(), before, **TOLERANCE, err_msg=name)


@pytest.mark.parametrize("version", VERSIONS, ids=named)
def test_no_golden_file_was_changed_added_or_lost(version):
    lines = (version / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    files = {path.relative_to(version).as_posix(): path for path in version.rglob("*") if path.is_file()}
    assert sorted(files) == sorted([*sums, "SHA256SUMS"])
    changed = [n for n, digest in sums.items() if hashlib.sha256(files[n].read_bytes()).hexdigest() != digest]
    assert not changed


@pytest.mark.parametrize("version", [path.parent for path in found("reading.json")], ids=named)
def test_data_sets_and_their_embeddings_are_read_as_before(version):
    for name, before in json.loads((version / "reading.json").read_text(encoding="utf-8")).items():
        dataset = Dataset.open(version / name)
        store = EmbeddingStore.for_dataset(dataset)
        assert list(store.ids) == before["ids"]
        rows = np.ascontiguousarray(store.rows(store.ids).astype("<f2"))
        assert rows[0, :8].tolist() == before["first_row"]
        assert hashlib.sha256(rows.tobytes()).hexdigest() == before["rows_sha256"]
        assert before["identity"].items() <= store.identity.to_json().items()
        assert (list(store.specs), store.logit_scale) == (before["specs"], before["logit_scale"])
        for file, digest in before["texts"].items():
            texts = store.text_features(None, json.loads((store.folder / file).read_text(encoding="utf-8")))
            assert hashlib.sha256(texts.astype("<f4").tobytes()).hexdigest() == digest
        assert list(dataset.meta.targets) == list(before["targets"])
        for key, said in before["targets"].items():
            target = dataset.target(key)
            assert (target.kind, list(target.taxonomy.labels)) == (said["kind"], said["labels"])
            assert len(target.image_id) == said["images"]
            assert target.shares().mean(axis=0) == pytest.approx(said["shares_by_label"], abs=1e-12)
            assert (None if target.people is None else int(target.people.sum())) == said["people"]
            assert (None if target.votes is None else target.votes.sum(axis=0).tolist()) == said["votes"]


def test_every_kind_of_head_is_among_the_golden_ones():
    names = {json.loads((folder / "head.json").read_text(encoding="utf-8"))["head"] for folder in [*RUNS, *SAVED]}
    assert names == set(HEADS)


@pytest.mark.parametrize("folder", SAVED, ids=named)
def test_a_head_saved_from_python_answers_as_before(folder):
    says_as_before(folder, features(folder.parents[1], "data")[:, :HEAD_FEATURES])


@pytest.mark.parametrize("folder", RUNS, ids=named)
def test_a_run_answers_as_before(folder):
    says_as_before(folder, features(folder.parents[1], dataset_of(folder)))
    run = RunFolder.open(folder)
    before = answered(run)
    data = Dataset.open(folder.parents[1] / dataset_of(folder))
    X, labels = EmbeddingStore.for_dataset(data).rows(before["image_id"]), list(run.taxonomy.labels)
    np.testing.assert_allclose(run.head.scores(X).numpy(), before[labels].to_numpy(), **TOLERANCE)
    assert ("set" in before) == run.head.predicts_sets
    if run.head.predicts_sets:
        found = sets_of(run.head, X, levels_of(data.images, run.info.config.promise_group, before["image_id"]))
        sets = [[label for label, inside in zip(labels, row, strict=True) if inside] for row in found]
        assert sets == [list(row) for row in before["set"]]


EVALUATED = ("by-person", "promise-group", "softmax-imported", "topk", "zero-shot-template")  # no two alike to a judge


@pytest.mark.parametrize("folder", [run for run in RUNS if run.name in EVALUATED], ids=named)
def test_evaluate_gives_a_run_the_scores_it_was_trained_with(folder, monkeypatch):
    monkeypatch.chdir(folder.parents[1])
    run = RunFolder.open(folder)
    now = evaluated(run, dataset_of(folder), target=run.info.data.target, seed=run.info.config.seed)
    as_before(now, run.evaluation)


@pytest.mark.parametrize("told", found("people.json"), ids=named)
def test_people_are_known_as_before(told, monkeypatch):
    monkeypatch.chdir(told.parent)
    run = affectml.load_run("runs/by-person")
    for who, before in json.loads(told.read_text(encoding="utf-8")).items():
        person = run.for_person(before["answers"], threads=1)
        for column, values in before["thresholds"].items():
            np.testing.assert_allclose(person.thresholds[column], values, **TOLERANCE, err_msg=who)
        now = person.predict("data", threads=1)
        for column, values in before["predictions"].items():
            if column in ("image", "set"):
                assert now[column].tolist()[: len(values)] == values, who
            else:
                np.testing.assert_allclose(now[column][: len(values)], values, **TOLERANCE, err_msg=who)


@pytest.mark.parametrize("folder", found("predictions"), ids=named)
def test_files_of_predictions_are_read_and_made_as_before(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder.parent)
    made = predict_to_file("runs/promise", "data", tmp_path / "made.parquet", threads=1, say=lambda line: None).file
    whole, text = pd.read_parquet(folder / "whole.parquet"), {"image": str}
    lines = pd.read_json(folder / "whole.jsonl", lines=True, dtype=text)
    pd.testing.assert_frame_equal(pd.read_parquet(made), whole, **TOLERANCE)
    plain = whole.assign(set=whole["set"].map(list))
    pd.testing.assert_frame_equal(lines, plain, check_dtype=False)
    table = pd.read_csv(folder / "whole.csv", keep_default_na=False, dtype=text)
    pd.testing.assert_frame_equal(table, plain.assign(set=plain["set"].map("|".join)), check_dtype=False)


def as_before(now: Evaluation, before: Evaluation) -> None:
    """Every figure there was, but of what only a training knows. Further ones may come."""
    key = [name for name in COLUMNS if name not in NUMBERS]
    rows = before.table().query("by not in ('split', 'answers_known')").drop_duplicates()
    both = rows.merge(now.table(), "left", on=key, suffixes=("_before", ""), indicator=True)
    assert (both["_merge"] == "both").all(), both[both["_merge"] != "both"]
    for name in NUMBERS:
        np.testing.assert_allclose(both[name].astype(float), both[f"{name}_before"].astype(float), **TOLERANCE)
    for name in ("split", "n", "rules"):
        assert now.facts[name] == before.facts[name]


@pytest.mark.parametrize("folder", DEMOS, ids=named)
def test_demo_data_still_paints_and_judges_what_it_did(folder, tmp_path):
    made = json.loads((folder / "made_with.json").read_text(encoding="utf-8"))
    demo = write_demo(tmp_path / "set", **{"size": 96, **made["options"]})
    pixels = {}
    for file in made["pixels_sha256"]:
        with Image.open(demo.root / file) as picture:
            pixels[file] = hashlib.sha256(picture.convert("RGB").tobytes()).hexdigest()
    assert pixels == made["pixels_sha256"]
    for file in sorted(folder.glob("*.parquet")):
        before, now = pd.read_parquet(file), pd.read_parquet(demo.root / file.name)
        before = before.drop(columns="caption", errors="ignore")  # which paintings had before
        assert not set(before.columns) - set(now.columns), file.name
        pd.testing.assert_frame_equal(now[before.columns], before, rtol=1e-12, atol=1e-12)
    assert json.loads((folder / "dataset.json").read_text(encoding="utf-8")).items() <= demo.meta.to_json().items()
