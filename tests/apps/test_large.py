"""Many images, many people, many days, and outages: the page opens as fast, the app stays small, and nothing is lost.

People and days in short; in full: benchmarks/README.md.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectml.data import DatasetMeta, write_dataset
from affectml.taxonomies import get_taxonomy

from .conftest import ROOT

IMAGES = 100_000


@pytest.fixture
def large(demo, tmp_path):
    """A data set of 100,000 rows over the demo set's files, and no target."""
    folder = tmp_path / "large"
    shutil.copytree(demo / "images", folder / "images")
    files = pd.read_parquet(demo / "images.parquet")["file"].to_numpy()
    numbers = np.arange(IMAGES)
    rows = pd.DataFrame({"image_id": [f"{at:07d}" for at in numbers], "file": files[numbers % len(files)]})
    labels = {label: {} for label in get_taxonomy("mikels-8").labels}
    meta = DatasetMeta("large", taxonomy={"name": "large", "labels": labels})
    return write_dataset(folder, meta, rows, {}).root


def own_mb(server):
    """The process's own memory. How much of a library's file counts as resident is up to the system's cache of files:
    between two installations of one version that differed by 36 MB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def cpu_seconds(server):
    """What the process has computed: seconds on the clock would tell what else the machine does."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_a_hundred_thousand_images(start, person, large, tmp_path):
    title = tmp_path / "title.py"
    title.write_text("import streamlit as st\nst.title('nothing else')\n")
    bare = start(entry=title)
    bare_mb = own_mb(bare)  # Streamlit alone, before anybody came
    bare.stop()
    server = start(dataset=large)
    server.stop()  # the first start sets the task up; people work on later ones too
    ann = person(server.start()).enter()
    opened = []
    for _ in range(3):
        ann.page.goto("about:blank")
        before = cpu_seconds(server)
        ann.open().settled()
        opened.append(cpu_seconds(server) - before)
    for _ in range(30):
        ann.answer("1")
    assert min(opened) < 1
    assert own_mb(server) - bare_mb < 100
    assert len(ann.stored) == 30


def printed(script: str, *arguments: str) -> str:
    """What a benchmark prints, which ends with an error where an answer is lost, doubled or changed."""
    command = [sys.executable, str(ROOT / "benchmarks" / script), *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
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


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize("fault", ["postgresql-immediate-1", "sqlite-killed-1"])
def test_an_outage_costs_nobody_an_answer_and_the_page_goes_on_by_itself(fault):
    """The benchmark names no place either."""
    table = printed("outages.py", fault, "--clients", "3", "--browsers", "1", "--around", "2")
    _, away, typed, stored, *_ = (cell.strip() for cell in table.splitlines()[-1].strip("|").split("|"))
    assert int(stored) == int(typed) > 0
    assert float(away) >= int(fault[-1])
