"""head.json and head.safetensors, and what is said when they cannot be read."""

import json
from unittest.mock import Mock

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import affectml.heads._saving as saving
from affectml.errors import BadRun
from affectml.heads import SigmoidHead, load_head

from .edited import edit


@pytest.fixture
def saved(tmp_path):
    rng = np.random.default_rng(0)
    head = SigmoidHead(l2=0.1).fit(rng.normal(size=(20, 3)), rng.random((20, 2)))
    head.save(tmp_path)
    return tmp_path


def refused(says, folder):
    with pytest.raises(BadRun, match=says):
        load_head(folder)


def test_a_head_is_two_files(saved):
    assert sorted(file.name for file in saved.iterdir()) == ["head.json", "head.safetensors"]
    content = json.loads((saved / "head.json").read_text())
    assert (content["schema"], content["head"], content["config"]["l2"]) == (1, "sigmoid", 0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hed": 1}, "unknown key 'hed'; did you mean 'head'"),
        ({"head": "sigmoyd"}, "no head 'sigmoyd'; did you mean 'sigmoid'"),
        ({"config": {"hiden": 1}}, "no option 'hiden'; did you mean 'hidden'"),
        ({"config": {"hidden": -3}}, "hidden must be"),
        ({"config": {"hidden": "many"}}, "head.json"),
        ({"config": {"hidden": 8}}, "no tensor 'weight1'"),
        ({"config": []}, "'config' is missing or not of type dict"),
        ({"schema": 0}, "schema 0, but this affectml reads 1: use the version that wrote it, or train again"),
        ({"schema": 2}, "schema 2, but this affectml reads 1"),
        ({"schema": "1"}, "schema '1', but this affectml reads 1"),
        ({"tensors_sha256": "0"}, "not the file that head.json was written with"),
    ],
)
def test_an_edited_description(saved, changes, message):
    edit(saved / "head.json", **changes)
    refused(message, saved)


@pytest.mark.parametrize("file", ["head.json", "head.safetensors"])
def test_a_missing_file(saved, file):
    (saved / file).unlink()
    refused(f"no {file}", saved)


def test_no_folder_at_all(tmp_path):
    refused(r"no head\.json", tmp_path / "absent")


@pytest.mark.parametrize(("text", "says"), [("{", "not valid JSON"), ("[]", "expected a JSON object")])
def test_not_json(saved, text, says):
    (saved / "head.json").write_text(text)
    refused(says, saved)


def test_tensors_nobody_knows(saved):
    path = saved / "head.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "extra": tensors["bias"].clone()}, path)
    edit(saved / "head.json", tensors_sha256=saving.sha256(path))
    refused("unknown tensor 'extra'", saved)


def test_bytes_that_are_no_tensors(saved):
    path = saved / "head.safetensors"
    path.write_bytes(b"nonsense")
    edit(saved / "head.json", tensors_sha256=saving.sha256(path))
    refused("not a safetensors file", saved)


def test_an_interrupted_save_leaves_the_old_head_or_an_error(saved, monkeypatch):
    before = {file.name: file.read_bytes() for file in saved.iterdir()}
    rng = np.random.default_rng(1)
    other = SigmoidHead(l2=0.1).fit(rng.normal(size=(20, 3)), rng.random((20, 2)))

    stop = Mock(side_effect=KeyboardInterrupt)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("safetensors.torch.save", stop)
        other.save(saved)
    assert {file.name: file.read_bytes() for file in saved.iterdir()} == before
    monkeypatch.setattr(saving, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        other.save(saved)
    refused("not the file", saved)  # half old, half new: never taken for a head
