"""SIGKILL at random moments of what benchmarks/kills.py names: nothing acknowledged is lost, nothing is doubled."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

DEEDS = ("export", "import", "submit", "fetch")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kills.py"


def found_by(tmp_path: Path, *arguments: str) -> dict[str, dict[str, int]]:
    """What benchmarks/kills.py found, which ends with an error at the first thing that is wrong."""
    run = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments, "--folder", str(tmp_path)], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.slow
def test_some_tens_of_kills_lose_and_double_nothing(tmp_path):
    found = found_by(tmp_path, *DEEDS, "--kills", "10", "--seed", "3")
    assert {deed: told["kills"] for deed, told in found.items()} == dict.fromkeys(DEEDS, 10)


@pytest.mark.slow
@pytest.mark.parametrize("deed", DEEDS)
def test_fifty_kills_lose_and_double_nothing(tmp_path, deed):
    assert found_by(tmp_path, deed, "--kills", "50", "--seed", "4")[deed]["kills"] == 50


@pytest.mark.slow
def test_predictions_that_are_killed_end_with_the_bytes_of_an_undisturbed_call(tmp_path):
    found = found_by(tmp_path, "predict", "--kills", "5", "--seed", "5")["predict"]
    assert found["kills"] == 5
    assert found["files, each equal byte for byte"] >= 1


@pytest.mark.slow
def test_embeddings_that_are_killed_end_with_the_bytes_of_an_undisturbed_call(tmp_path):
    found = found_by(tmp_path, "embed", "--kills", "5", "--seed", "6")["embed"]
    assert found["kills"] == 5
    assert found["stores, each equal byte for byte"] >= 1
