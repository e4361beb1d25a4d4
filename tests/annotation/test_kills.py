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
    command = [sys.executable, str(SCRIPT), *arguments, "--folder", str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("deed", DEEDS)
def test_some_tens_of_kills_lose_and_double_nothing(tmp_path, deed):
    assert found_by(tmp_path, deed, "--kills", "30", "--seed", "4")[deed]["kills"] == 30


@pytest.mark.slow
@pytest.mark.parametrize(("deed", "made", "seed"), [("predict", "files", "5"), ("embed", "stores", "6")])
def test_what_is_killed_ends_with_the_bytes_of_an_undisturbed_call(tmp_path, deed, made, seed):
    found = found_by(tmp_path, deed, "--kills", "3", "--seed", seed)[deed]
    assert found["kills"] == 3
    assert found[f"{made}, each equal byte for byte"] >= 1
