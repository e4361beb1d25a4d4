"""Many people at once through a restart; and a month of restarts. In short; in full: docs/reliability.md."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def tables_of(script: str, *arguments: str) -> list[list[dict[str, str]]]:
    """The tables that a benchmark prints, which ends with an error where an answer is lost, doubled or changed."""
    run = subprocess.run([sys.executable, str(BENCHMARKS / script), *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    found = []
    for block in run.stdout.strip().split("\n\n"):
        heads, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines())
        found.append([dict(zip(heads, row, strict=True)) for row in rows])
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_people_at_once_lose_and_double_nothing_through_a_restart_and_each_image_has_its_people():
    asked = ("--seconds", "8", "--people", "8", "--browsers", "1", "--pace", "1")
    [people], routes = tables_of("load.py", "postgresql", *asked)
    assert people["typed"] == people["stored"]
    assert int(people["stored"]) == 3 * int(people["images with exactly all people"]) > 0
    assert {"GET /relabel/image", "POST /relabel/sync"} <= {each["route"] for each in routes}


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_days_of_labelling_and_restarts_leave_the_answers_and_nothing_else():
    [days] = tables_of("month.py", "sqlite", "--answers", "240", "--days", "2", "--restarts", "2", "--people", "6")
    assert [each["day"] for each in days] == ["1", "2"]
    assert [each["backups"] for each in days] == ["0", "1"]
    assert days[-1]["answers"] == "240"
