"""Many people at once through a restart; and a month of restarts. In short; in full: benchmarks/README.md."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def printed(script: str, *arguments: str) -> str:
    """What a benchmark prints, which ends with an error where an answer is lost, doubled or changed."""
    run = subprocess.run([sys.executable, str(BENCHMARKS / script), *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_people_at_once_lose_and_double_nothing_through_a_restart_and_each_image_has_its_people():
    asked = ("--seconds", "8", "--people", "8", "--browsers", "1", "--pace", "1")
    said = printed("load.py", "postgresql", *asked)
    found = re.search(r"typed (\d+), stored (\d+), images with exactly all people (\d+),", said)
    typed, stored, images = map(int, found.groups())
    assert typed == stored == 3 * images > 0
    assert re.search(r"GET /relabel/image [\d., ]+; .*POST /relabel/sync [\d., ]+", said)


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_days_of_labelling_and_restarts_leave_the_answers_and_nothing_else():
    table = printed("month.py", "sqlite", "--answers", "240", "--days", "2", "--restarts", "2", "--people", "6")
    heads, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines())
    days = [dict(zip(heads, row, strict=True)) for row in rows]
    assert [each["day"] for each in days] == ["1", "2"]
    assert [each["backups"] for each in days] == ["0", "1"]
    assert days[-1]["answers"] == "240"
