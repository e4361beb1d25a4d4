"""What holds for every command: help, completion, --quiet, devices, mistakes, what left, and doctor."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from typer.testing import CliRunner

import affectml
from affectml._options import Argument, options_of
from affectml.cli import LEFT, app
from affectml.errors import spelled
from affectml.evaluating import EvaluateConfig
from affectml.fetching import FetchConfig
from affectml.planning import PlanConfig
from affectml.training import TrainConfig
from affectml.vlm import AskConfig


@pytest.fixture(scope="module")
def demo(demo_set):
    return demo_set(images=60, seed=1).root


ROOT = Path(__file__).resolve().parents[2]
CONFIGS = {
    "ask": AskConfig, "evaluate": EvaluateConfig, "import fetch": FetchConfig, "plan": PlanConfig, "train": TrainConfig,
}  # fmt: skip


@pytest.mark.parametrize("words", CONFIGS)
def test_every_option_of_a_config_is_one_of_its_command(words, commands):
    found = {each.name: (each.opts, each.help) for each in commands[words].params}
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for each in options_of(CONFIGS[words]):
        if each.help.rare:  # set by --set, as the page says
            assert each.name not in found
            assert f"`{each.name}`" in page
            continue
        name = each.name if isinstance(each.help, Argument) else spelled(each.name)
        assert found[each.name] == ([name], each.help.text)


def test_a_shell_completes_commands():
    environment = os.environ | {"_AFFECTML_COMPLETE": "complete_bash", "COMP_WORDS": "affectml lab", "COMP_CWORD": "1"}
    words = [sys.executable, "-c", "import sys; sys.argv = ['affectml']; from affectml.cli import main; main()"]
    assert subprocess.run(words, env=environment, capture_output=True, text=True).stdout.split() == ["label"]


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_quiet_command_prints_its_result_alone(command, demo, monkeypatch, at):
    words = ["embed", demo, "--encoder=affect-tiny"]
    made = SimpleNamespace(rows=lambda: [("embedded", "4 images")], to_json=dict)
    monkeypatch.setattr("affectml.encoders.load_encoder", lambda *given, **options: None)
    monkeypatch.setattr("affectml.embeddings.embed_dataset", lambda *given, say, **options: say("embedding") or made)
    code, result, said = command(*words)
    assert (code, "4 images" in result, said) == (0, True, "embedding\n")
    assert command(*words[:at], "--quiet", *words[at:]) == (0, result, "")
    assert command(*words)[2] == "embedding\n"


def test_a_device_that_is_not_there_is_refused_by_name_before_anything_is_read(command, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    code, _, said = command("train", "nowhere", "--device", "cuda:1")
    assert (code, said) == (2, "BadInput: --device cuda:1: there is no such device here; it has cpu\n")


@pytest.mark.parametrize(("words", "now"), LEFT.items(), ids=LEFT)
def test_what_left_before_0_3_0_is_refused_with_what_is_there(words, now, command, options_by_command):
    code, _, said = command(*words.split())
    assert (code, f"use {now}" in " ".join(said.replace("│", " ").split())) == (2, True)
    assert {*re.findall(r"(?<![\w-])--[a-z][a-z-]+", now)} <= frozenset().union(*options_by_command.values())


MISTAKES = {
    "train demo --multilabel --threads 99999999": "'--threads'",  # so many end in a crash of torch's
    "train demo --multilabel --seed 99999999999": "'--seed'",
    "audit demo --seed 99999999999": "'--seed'",
    "label agreement demo --seed 99999999999": "'--seed'",
    "train nowhere": "nowhere: no such folder\n",
    "doctor nowhere": "nowhere: no such folder, whose free space",
    "train demmo": "demmo: no such folder; did you mean 'demo'?",
    "train sheet.csv --multilabel": "is a file",
    "predict nowhere a.png": "no such file or folder",
    "evaluate nowhere": "no such file or folder",
    "train nowhere --seed -1": "'--seed'",
    "embed nowhere": "no such folder",
    "embed demo --workers ray --device cpu": "--device is for this machine; workers of a cluster take their own: leave",
    "train listed --multilabel": "listed/dataset.json: expected an object, got list; mend it, or import the data",
    "evaluate --train demo --head sigmoyd": "--head sigmoyd: no such head; did you mean 'sigmoid'?",
    "evaluate demo": "demo is a data set, not a system: name what it is judged with, and --on demo",
    "evaluate sheet.csv": "sheet.csv: answers in a file are judged on a data set: name it with --on",
    "taxonomy show mikels-8 --choose joy=awe": "--choose belongs to --to",
    "import table sheet.csv out --separator abc": "--separator abc: expected one character, such as ; or a tab",
    "import table sheet.csv out --separator ''": "--separator '': expected one character, such as ; or a tab",
    "label init demo --db a.db --file no.yaml": "no.yaml: no such file",
    "label agreement sheet.xls": "an Excel file of before 2007; save the table as .xlsx or CSV (UTF-8)",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_answered_in_one_line_with_the_way_out(command, line, demo, tmp_path, monkeypatch):
    (tmp_path / "demo").symlink_to(demo)
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "dataset.json").write_text("[]")
    (tmp_path / "sheet.csv").write_text("image,label\na.png,joy\n")
    (tmp_path / "sheet.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    code, out, said = command(*shlex.split(line))
    assert (code, out, MISTAKES[line] in said) == (2, "", True), said
    assert sorted(tmp_path.iterdir()) == before
    assert said.count("\n") == 1 or said.startswith("Usage:")


NAMES = [
    "affectml", "python", "packages", "extras", "cores", "processor", "GPU", "embeds in", "Chromium", "PostgreSQL",
    "free space",
]  # fmt: skip


@pytest.mark.parametrize(("has_bf16", "way"), [(True, "bf16"), (False, "fp32")])
def test_doctor_says_a_line_each_and_the_same_as_json(tmp_path, monkeypatch, has_bf16, way):
    monkeypatch.setattr("affectml.encoders.towers.fast_bfloat16", lambda: has_bf16)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    lines = CliRunner().invoke(app, ["doctor", str(tmp_path)]).stdout.splitlines()
    assert [line[:11].strip() for line in lines] == NAMES
    assert lines[0].split() == ["affectml", affectml.__version__]
    assert lines[-1].endswith(f"GiB in {tmp_path}")
    found = json.loads(CliRunner().invoke(app, ["doctor", str(tmp_path), "--json"]).stdout)
    assert list(found) == NAMES
    assert (found["embeds in"], found["GPU"], found["packages"]["torch"] in lines[2]) == (way, [], True)
    assert found["free space"] <= shutil.disk_usage(tmp_path).total
