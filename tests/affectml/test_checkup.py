"""doctor: what this machine has, a line each; speed is measured once on a machine, and decides nothing."""

import json
import shutil

import pytest
from typer.testing import CliRunner

import affectml
from affectml import checkup
from affectml.cli import app
from affectml.demo_set import write_demo
from affectml.embeddings import ensure_embeddings
from affectml.errors import BadInput

NAMES = [
    "affectml", "python", "packages", "extras", "cores", "processor", "GPU", "embeds in", "speed", "Chromium",
    "PostgreSQL", "free space",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def told(**options):
    return {each.name: each for each in affectml.doctor(**options)}


@pytest.mark.parametrize(("has_bf16", "way"), [(True, "pure_bf16"), (False, "fp32")])
def test_the_processor_says_what_images_are_embedded_in(monkeypatch, has_bf16, way):
    monkeypatch.setattr("affectml.encoders.towers.fast_bfloat16", lambda: has_bf16)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    found = told()
    assert list(found) == NAMES
    assert (found["embeds in"].value, found["GPU"].value) == (way, [])
    assert found["speed"].text == "not measured: --encoder SPEC measures one"


def test_the_command_says_a_line_each_and_the_same_as_json(tmp_path):
    lines = CliRunner().invoke(app, ["doctor", str(tmp_path)]).stdout.splitlines()
    assert [line[:11].strip() for line in lines] == NAMES
    assert lines[0].split() == ["affectml", affectml.__version__]
    assert lines[-1].endswith(f"GiB in {tmp_path}")
    found = json.loads(CliRunner().invoke(app, ["doctor", str(tmp_path), "--json"]).stdout)
    assert list(found) == NAMES
    assert found["packages"]["torch"] in lines[2]
    assert found["free space"] <= shutil.disk_usage(tmp_path).total


def test_speed_is_measured_once_on_a_machine(tiny_clip, monkeypatch):
    spec, said, measured = f"local-dir:{tiny_clip}", [], checkup._measured
    monkeypatch.setattr(checkup, "find_spec", lambda name: None)  # no OpenVINO
    (speed,) = told(encoder=spec, say=said.append)["speed"].value
    assert said == [f"{spec}: measuring, once on this machine"]
    assert all(seconds >= 0 for seconds in speed["cpu_seconds_an_image"].values())
    assert "fp32" in speed["cpu_seconds_an_image"]
    monkeypatch.setattr(checkup, "_measured", lambda encoder: pytest.fail("measured again"))
    assert told(encoder=spec)["speed"].value == told()["speed"].value == [speed]
    monkeypatch.setattr(checkup, "processor", lambda: "another one")
    assert told()["speed"].value == []
    monkeypatch.setattr(checkup, "_measured", measured)
    (other,) = told(encoder=spec)["speed"].value
    assert other["processor"] == "another one"


def test_figures_that_were_kept_decide_nothing(tmp_path, tiny_clip, monkeypatch):
    """Of a disturbed measurement, say: fp32 in no time at all, everything else in hours."""
    monkeypatch.setattr("affectml.encoders.towers.fast_bfloat16", lambda: True)
    monkeypatch.setattr(checkup, "_measured", lambda encoder: {
        "cpu_seconds_an_image": {"fp32": 0.0, "pure_bf16": 9999.0}, "cpu_seconds_converting": None,
    })  # fmt: skip
    spec = f"local-dir:{tiny_clip}"
    assert "fp32 0.0000, pure_bf16 9999.0000" in told(encoder=spec)["speed"].text
    store = ensure_embeddings(write_demo(tmp_path / "d", images=4, seed=0), spec, threads=1, say=lambda line: None)
    assert store.provenance[0][0].way == "pure_bf16"


@pytest.mark.parametrize("content", ["", "[3]", "{"])
def test_a_cache_that_is_none_or_cannot_be_written_to_is_passed_over(tmp_path, tiny_clip, monkeypatch, content):
    cache = tmp_path / "cache" / "affectml"
    cache.mkdir(parents=True)
    (cache / "speed.json").write_text(content)
    monkeypatch.setattr(checkup, "find_spec", lambda name: None)
    assert len(told(encoder=f"local-dir:{tiny_clip}")["speed"].value) == 1
    assert len(told()["speed"].value) == 1
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "speed.json"))
    assert len(told(encoder=f"local-dir:{tiny_clip}")["speed"].value) == 1


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match="nowhere: no such folder"):
        affectml.doctor(tmp_path / "nowhere")
