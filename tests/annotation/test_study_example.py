"""The study in examples/study: it lacks nothing, runs on the demo set, and people go through it and are paid."""

import json
import re
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from affectml.people import studies
from affectml_annotation.store.schema import image, slot
from affectml_annotation.study import door, visits
from affectml_annotation.study.file import IDS, parse, parse_as
from affectml_annotation.study.folder import Translation, read_study
from affectml_annotation.study.pay import pay_rows
from affectml_annotation.study.screen import screen

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "study"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tmp_path_factory.mktemp("made") / "study"


@pytest.fixture
def example(run, made, tmp_path):
    """A copy of the example, with its data set, which is made once."""
    if not made.exists():
        shutil.copytree(EXAMPLE, made, ignore=shutil.ignore_patterns("data*", "demo"))
        run("demo", made / "pictures" / "demo", "--images", 40)
        run("import", "images", made / "pictures", made / "data", "--taxonomy", "mikels-8")
    return shutil.copytree(made, tmp_path / "study")


def test_the_example_runs_from_the_check_to_the_pay(run, example, take_part):
    assert run("study", "check", example).endswith("nothing is missing\n")
    studies.begin(example, by="lead").close()
    made = json.loads(run("study", "links", example, "--people", 3, "--json"))
    tokens = [link.partition("link=")[2] for link in made]
    with studies.open_running(example) as store:
        first = take_part(store, tokens[0])
        assert screen(store, first).code
        take_part(store, tokens[1])
        ids = door.ids_of_link(store, tokens[2])
        late = door.agree(store, ids, door.enter(store, ids).version, read_study(example).file.consent.boxes)
        visits.leave(store, late.participant)
        paid = [(row.status, row.images, row.due) for row in pay_rows(store)]
        assert paid == [("completed", 13, 2), ("completed", 13, 2), ("left", 0, 0)]
    said = json.loads(run("study", "status", example, "--json"))
    assert (said["opened"], said["ended"]) == (3, {"completed": 2, "left": 1})
    # 39 paintings, 3 people each, less what two have answered
    assert (said["wanting"], said["answers"]) == (39, 39 * 3 - 2 * 12)
    assert run("study", "pay", example, "--bulk").splitlines() == ["link 1,2.00", "link 2,2.00"]
    assert "No such file" in run("study", "pay", example, "--paid-list", example / "none.csv", fails=True)


def test_the_files_for_panels_in_the_docs_are_ones_and_say_where_people_return_to():
    page = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)]
    german = parse_as(Translation, blocks.pop(1), "docs")
    files = [parse(block, "docs") for block in blocks]
    assert [*german.problems(files[0])] == []
    assert files.pop(0).before.questions  # how questions are written
    assert [file.recruit.panel for file in files] == ["prolific"]
    assert "{code}" in files[0].recruit.return_to
    names = files[0].recruit.names
    assert all(f"{name}={{{{%{name}%}}}}" in page for name in names.values())
    assert f"?{IDS['sona']['person']}=%SURVEY_CODE%" in page


def test_what_people_read_or_practise_with_is_nobodys_to_label(example):
    file = read_study(example)
    apart = {"demo/images/000000", *(one.image for one in file.file.practice.images)}
    with studies.begin(example, by="lead") as store:
        store.change_task(overlap=5)
    with studies.open_running(example) as store, store.database.read() as connection:
        wanted = sa.select(image.c.image_id).join(slot, slot.c.position == image.c.position)
        free = set(connection.scalars(wanted.where(slot.c.round == 1, slot.c.wanted == 0)))
    assert free == {*apart, "check-1"}
