"""head.json and head.safetensors, and what is said when they cannot be read."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import affectml.heads._saving as saving
from affectml.errors import BadRun
from affectml.heads import SigmoidHead, load_head


@pytest.fixture
def saved(tmp_path):
    rng = np.random.default_rng(0)
    head = SigmoidHead(l2=0.1).fit(rng.normal(size=(20, 3)), rng.random((20, 2)))
    head.save(tmp_path)
    return tmp_path


def edit(folder, **changes):
    file = folder / "head.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_head_is_two_files(saved):
    assert sorted(file.name for file in saved.iterdir()) == ["head.json", "head.safetensors"]
    content = json.loads((saved / "head.json").read_text())
    assert content["schema"] == 1
    assert content["head"] == "sigmoid"
    assert content["config"]["l2"] == 0.1


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
    edit(saved, **changes)
    with pytest.raises(BadRun, match=message):
        load_head(saved)


@pytest.mark.parametrize("file", ["head.json", "head.safetensors"])
def test_a_missing_file(saved, file):
    (saved / file).unlink()
    with pytest.raises(BadRun, match=f"no {file}"):
        load_head(saved)


def test_no_folder_at_all(tmp_path):
    with pytest.raises(BadRun, match=r"no head\.json"):
        load_head(tmp_path / "absent")


def test_not_json(saved):
    (saved / "head.json").write_text("{")
    with pytest.raises(BadRun, match="not valid JSON"):
        load_head(saved)
    (saved / "head.json").write_text("[]")
    with pytest.raises(BadRun, match="expected a JSON object"):
        load_head(saved)


def test_tensors_nobody_knows(saved):
    path = saved / "head.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "extra": tensors["bias"].clone()}, path)
    edit(saved, tensors_sha256=saving.sha256(path))
    with pytest.raises(BadRun, match="unknown tensor 'extra'"):
        load_head(saved)


def test_bytes_that_are_no_tensors(saved):
    path = saved / "head.safetensors"
    path.write_bytes(b"nonsense")
    edit(saved, tensors_sha256=saving.sha256(path))
    with pytest.raises(BadRun, match="not a safetensors file"):
        load_head(saved)


def test_an_interrupted_save_leaves_the_old_head_or_an_error(saved, monkeypatch):
    before = {file.name: file.read_bytes() for file in saved.iterdir()}
    rng = np.random.default_rng(1)
    other = SigmoidHead(l2=0.1).fit(rng.normal(size=(20, 3)), rng.random((20, 2)))

    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.torch.save", stop)
    with pytest.raises(KeyboardInterrupt):
        other.save(saved)
    assert {file.name: file.read_bytes() for file in saved.iterdir()} == before
    monkeypatch.undo()
    monkeypatch.setattr(saving, "write_json", stop)
    with pytest.raises(KeyboardInterrupt):
        other.save(saved)
    with pytest.raises(BadRun, match="not the file"):  # half old, half new: never taken for a head
        load_head(saved)
