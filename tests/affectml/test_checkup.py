"""doctor: what this machine has, a line each."""

import json
import shutil

import pytest
from typer.testing import CliRunner

import affectml
from affectml.cli import app
from affectml.errors import BadInput

NAMES = [
    "affectml", "python", "packages", "extras", "cores", "processor", "GPU", "embeds in", "Chromium", "PostgreSQL",
    "free space",
]  # fmt: skip


@pytest.mark.parametrize(("has_bf16", "way"), [(True, "bf16"), (False, "fp32")])
def test_the_processor_says_what_images_are_embedded_in(monkeypatch, has_bf16, way):
    monkeypatch.setattr("affectml.encoders.towers.fast_bfloat16", lambda: has_bf16)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    found = {each.name: each for each in affectml.doctor()}
    assert list(found) == NAMES
    assert (found["embeds in"].value, found["GPU"].value) == (way, [])


def test_the_command_says_a_line_each_and_the_same_as_json(tmp_path):
    lines = CliRunner().invoke(app, ["doctor", str(tmp_path)]).stdout.splitlines()
    assert [line[:11].strip() for line in lines] == NAMES
    assert lines[0].split() == ["affectml", affectml.__version__]
    assert lines[-1].endswith(f"GiB in {tmp_path}")
    found = json.loads(CliRunner().invoke(app, ["doctor", str(tmp_path), "--json"]).stdout)
    assert list(found) == NAMES
    assert found["packages"]["torch"] in lines[2]
    assert found["free space"] <= shutil.disk_usage(tmp_path).total


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="nowhere: no such folder"):
        affectml.doctor(tmp_path / "nowhere")
