"""The steps of a training one by one, run.json's model, and evaluation of systems of any name."""

import errno
import importlib
import inspect
import json
import os
import re
import shlex
import shutil
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from unittest.mock import DEFAULT, Mock

import numpy as np
import pandas as pd
import pytest
import torch
from typer.main import get_command

import affectml
from affectml._files import try_folder, write_json
from affectml._options import options_of
from affectml.cli import app
from affectml.data import DatasetMeta, TargetMeta, write_dataset
from affectml.data.choose import choose_target
from affectml.errors import BadDataset, BadInput, BadRun, spelled
from affectml.judging.evaluate import evaluate
from affectml.judging.scoring import Answers
from affectml.judging.truth import fit_prior, read_truth
from affectml.page import WRITERS
from affectml.runs import RunFolder, RunInfo, TrainConfig
from affectml.runs.config import command, with_settings
from affectml.training import fit, judge, plan_run, prepare, train_run, write

from .checks import GOLDEN, edit, evaluated, refused

CONFIG = TrainConfig(dataset=str(GOLDEN / "data"), multilabel=True, target="emotions", threads=1, options={"l2": 0.1})


@pytest.fixture(scope="module")
def prepared():
    return prepare(plan_run(CONFIG))


@pytest.fixture(scope="module")
def judged(prepared):
    return judge(prepared, fit(prepared))


def into(judged, out):
    """The same training with another place to write to."""
    return replace(judged, prepared=replace(judged.prepared, plan=replace(judged.prepared.plan, out=out)))


def test_a_plan_embeds_nothing_and_leaves_nothing_behind(tmp_path, monkeypatch):
    for name in ("load_encoder", "EmbeddingStore"):
        embeds = Mock(side_effect=AssertionError("something was embedded"))
        monkeypatch.setattr(f"affectml.embeddings.embed.{name}", embeds)
    plan = plan_run(replace(CONFIG, head="topk", options={"k": 2}), out=tmp_path / "deep" / "run")
    assert (plan.head.name, plan.config.options["k"], plan.targets.name) == ("topk", 2, "emotions")
    try_folder(tmp_path)  # and trying a place leaves a folder that was there as it was
    assert list(tmp_path.iterdir()) == []


def test_that_languages_are_pooled_is_said_before_training_and_among_the_rules(demo_set):
    dataset = demo_set(images=30)
    config, before = replace(CONFIG, dataset=str(dataset.root)), []
    plan_run(config, say=before.append)
    spoken = np.where(np.arange(len(dataset.judgements)) < 20, "de", "en")
    dataset.judgements.assign(language=spoken).to_parquet(dataset.root / "annotations.parquet")
    said = []
    plan = plan_run(config, say=said.append)
    assert (len(before), len(said)) == (0, 1)
    assert re.search(f"are pooled.*`affectml label agreement {dataset.root} --by language`", said[0])
    truth = read_truth(plan.dataset, plan.targets, plan.targets.image_id, beta=fit_prior(plan.targets))
    rates = torch.from_numpy(truth.shares)
    rule = evaluate({"copy": Answers(rates, rates, None)}, truth, split="all", seed=0).facts["rules"]["languages"]
    assert re.match(r"Answers in 2 languages \(de .*`affectml label agreement DATASET --by language` tests", rule)


def test_numbers_of_numpy_are_options_like_any_and_are_written_as_python_s():
    config = plan_run(replace(CONFIG, multilabel=np.True_, seed=np.int64(3), tau=np.float32(0.5))).config
    assert json.loads(json.dumps([config.multilabel, config.seed, config.tau])) == [True, 3, 0.5]


@pytest.mark.parametrize("place", ["file/run", "/proc/run", "x" * 300, ""])
def test_a_place_that_cannot_be_written_is_refused_before_any_work(tmp_path, place):
    (tmp_path / "file").write_text("x")
    says = "cannot write there" if place else "not empty"
    refused(BadInput, says, plan_run, replace(CONFIG, dataset="nowhere"), out=tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_steps_give_what_train_gives(judged, tmp_path):
    whole = train_run(CONFIG, out=tmp_path / "whole")
    steps = write(into(judged, tmp_path / "steps"), seconds={})
    for file in ("metrics.csv", "scores.parquet", "facts.json", "head.safetensors", "head.json", "answers.parquet"):
        assert (steps.folder / file).read_bytes() == (whole.folder / file).read_bytes()


def test_every_field_of_the_configuration_is_an_option_of_the_command_and_of_train_and_is_documented():
    of_command = {each.name: each.opts for each in get_command(app).commands["train"].whole.params}
    names = [each.name for each in fields(TrainConfig)]
    rare = {each.name for each in options_of(TrainConfig) if each.help.rare}
    spoken = {name: [name if name == "dataset" else spelled(name)] for name in names if name not in rare}
    assert not rare & of_command.keys()
    assert of_command | spoken == of_command
    assert {*names} <= {*inspect.signature(affectml.train).parameters}
    assert [bool(each.help.text) for each in options_of(TrainConfig)] == [True] * len(names)


def test_the_command_asks_for_what_is_not_at_its_default():
    asked = TrainConfig(
        dataset="my data", multilabel=True, target="t", head="topk",
        options={"k": 2, "l2": 0.1, "gamma": None}, prompts="synonyms", templates=("a {label}", "{label}"), encoder="e",
        by_person=True, tau=0.5, seed=4, threads=1,
    )  # fmt: skip
    assert command(asked, Path("o")) == (
        "affectml train 'my data' --multilabel --target t --head topk --set k=2 "
        "--set l2=0.1 --set gamma=none --by-person --set prompts=synonyms "
        "--set 'templates=a {label}|{label}' --encoder e --tau 0.5 --seed 4 --threads 1 --out o"
    )
    assert command(TrainConfig()) == "affectml train --seed 0"


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("runs/*/run.json")), ids=lambda file: file.parent.name)
def test_run_json_is_read_as_it_was_written(file):
    info = RunFolder.open(file.parent).info
    assert RunInfo.from_json(json.loads(json.dumps(info.to_json()))) == info


def test_absent_keys_have_defaults_and_unknown_ones_are_passed_over(tmp_path):
    content = json.loads((GOLDEN / "runs" / "sigmoid" / "run.json").read_text(encoding="utf-8"))
    least = {key: content[key] for key in ("schema", "data", "taxonomy", "encoder", "head")}
    least["config"] = {"multilabel": True, "colour": 3}
    (tmp_path / "run.json").write_text(json.dumps({**least, "colour": "blue"}))
    info = RunFolder.open(tmp_path).info
    assert (info.config, info.prior, info.prompts.kinds) == (TrainConfig(multilabel=True), None, ["sentiment"])
    edit(tmp_path / "run.json", data={"kind": "colours"})
    refused(BadRun, r"run\.json: data\.kind: .*damaged", RunFolder.open, tmp_path)


def test_systems_of_any_name_come_after_the_model_in_the_order_given(prepared):
    truth = prepared.test
    given = torch.from_numpy(truth.shares).double().clamp(0.01, 0.99)
    answers = {name: Answers(given, given, None) for name in ("vlm-b", "model", "vlm-a", "prior")}
    found = evaluate(answers, truth, split="test", seed=0)
    assert found.systems() == ["model", "vlm-b", "vlm-a", "prior", "person", "oracle", "floor", "people"]
    assert found.systems("rest") == ["model", "vlm-b", "vlm-a", "prior", "person"]
    alone = evaluate({"vlm": answers["vlm-a"]}, truth, split="test", seed=0)
    for other, name in ((found, "vlm-b"), (found, "model"), (alone, "vlm")):
        assert other.across().loc[name].equals(found.across().loc["vlm-a"])


@pytest.mark.parametrize("name", ["person", "oracle", "half", "consensus", "floor"])
def test_a_name_that_belongs_to_people_or_the_oracle_is_refused(prepared, name):
    flat = torch.full(prepared.test.shares.shape, 0.3, dtype=torch.float64)
    for systems, says in (({name: Answers(flat)}, "made here"), ({}, "no system")):
        refused(BadInput, says, evaluate, systems, prepared.test, split="test", seed=0)


def small(tmp_path, **kinds):
    """A data set of six images with a target of each kind, by name."""
    table = pd.DataFrame({"image_id": list("uvwxyz"), "a": [1, 1, 1, 0, 0, 0], "b": [0, 0, 0, 1, 1, 1]})
    two, targets = {"name": "two", "labels": ["a", "b"]}, {}
    for name, kind in kinds.items():
        values = "indicator" if kind in ("single", "sets") else "shares"
        rule = "unknown" if kind == "distribution" else None
        targets[name] = TargetMeta(kind, "evoked", two, values, f"targets-{name}.parquet", vote_rule=rule)
    tables = dict.fromkeys(kinds, table)
    return write_dataset(tmp_path, DatasetMeta(name="small", targets=targets), table[["image_id"]], tables)


CHOICES = [
    ({"one": "rates"}, {}, "one"),
    ({"one": "distribution"}, {}, "one"),
    ({"one": "single", "two": "distribution"}, {}, "one"),
    ({"one": "rates", "two": "sets"}, {}, "would both do; choose with target"),
    ({"one": "rates", "two": "single"}, {}, "which target to learn.*pass multilabel"),
    ({"one": "distribution"}, {"multilabel": True}, r"an image; it has one \(distribution\).*needs rates, sets or"),
    ({"one": "distribution"}, {"multilabel": True, "name": "one"}, "leave out multilabel"),
]


@pytest.mark.parametrize(("kinds", "asked", "chosen"), CHOICES)
def test_without_multilabel_the_target_that_is_there_decides(tmp_path, kinds, asked, chosen):
    dataset, asked = small(tmp_path, **kinds), {"multilabel": None, "name": None, **asked}
    for name in kinds:
        assert choose_target(dataset, multilabel=None, name=name).name == name
    if " " in chosen:
        refused(BadDataset, rf"^(?!.*--).*{chosen}", choose_target, dataset, **asked)  # as Python is told
    else:
        assert choose_target(dataset, **asked).name == chosen


@pytest.mark.parametrize("multilabel", [None, True, False])
def test_a_data_set_without_targets_is_told_so(tmp_path, multilabel):
    ways = r"no target yet, so .*`affectml label --on .* NAME`.*`affectml label export.*import table"
    refused(BadDataset, ways, choose_target, small(tmp_path), multilabel=multilabel, name=None)


def test_options_without_a_name_on_the_command_line_are_set():
    words = {"k": "2", "templates": "a {label}, seen|{label}", "promise_group": "light", "l2": "0.1"}
    config = with_settings(TrainConfig(head="topk", options=words))
    assert (config.templates, config.promise_group) == (("a {label}, seen", "{label}"), "light")
    assert config.options == {"k": "2", "l2": "0.1"}
    again = shlex.split(command(config))
    given = dict(each.split("=", 1) for before, each in pairwise(again) if before == "--set")
    assert with_settings(TrainConfig(head="topk", options=given)) == config


WRITING = importlib.import_module("affectml.training.write")  # affectml.training.write is the function
NO_ROOM = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_trained_head_survives_a_disk_without_room_for_the_rest(judged, tmp_path, monkeypatch):
    monkeypatch.setattr(WRITING, "write_answers", Mock(side_effect=NO_ROOM))
    says = r"answers\.parquet could not be written \(No space left on device\); facts.json, "
    refused(OSError, says, write, into(judged, tmp_path / "run"), seconds={}, writers=WRITERS)
    kept = RunFolder.open(tmp_path / "run")
    X = judged.prepared.store.rows(judged.prepared.test.image_id)
    assert torch.equal(kept.head.scores(X), judged.systems.model.scores(X))
    assert kept.evaluation.figures == judged.evaluation.figures
    assert [(tmp_path / "run" / file).exists() for file in ("report.html", "answers.parquet")] == [True, False]


def test_a_report_that_fails_costs_neither_the_head_nor_the_reason(judged, tmp_path, monkeypatch):
    monkeypatch.setattr("affectml.page.write.write_report", Mock(side_effect=ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError, match="a bug") as failed:
        write(into(judged, tmp_path / "run"), seconds={}, writers=WRITERS)
    assert "report.html could not be written; answers.parquet, facts.json, head.json" in failed.value.__notes__[0]
    assert RunFolder.open(tmp_path / "run").head.name == "sigmoid"


def test_a_head_that_finds_no_room_at_all_is_saved_elsewhere(judged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(WRITING, "write_json", Mock(side_effect=[NO_ROOM, *[DEFAULT] * 9], wraps=write_json))
    refused(OSError, "No space left on device.*the trained head and run.json are in", write, judged, seconds={})
    [place] = (tmp_path / "elsewhere").iterdir()
    assert RunFolder.open(place).head.name == "sigmoid"
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


@pytest.mark.parametrize("given", [True, False])
def test_a_run_that_is_stopped_while_it_is_written_leaves_no_folder_of_its_own(judged, tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr(WRITING, "write_json", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(into(judged, tmp_path / "empty") if given else judged, seconds={})
    assert [path.name for path in tmp_path.rglob("*") if path.name != "runs"] == ["empty"]


def test_a_run_of_rates_is_judged_by_sets_and_single_labels_too(tmp_path):
    run = GOLDEN / "runs" / "sigmoid"
    single = evaluated(run, GOLDEN / "data", target="mode")
    assert (single.facts["kind"], "set_f1" in single.names()) == ("single", False)
    file = shutil.copytree(GOLDEN / "data", tmp_path / "sets") / "dataset.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    write_json(file, content | {"targets": {"agreed": content["targets"]["agreed"]}})
    found = evaluated(run, tmp_path / "sets")  # the only target
    assert found.facts["rules"]["label_set"] == "the given sets"
    assert found.get("set_f1").value > found.get("set_f1", "prior").value
