"""The study in examples/study: it lacks nothing, runs on the demo set, and people go through it and are paid."""

import json
import re
import shutil
from pathlib import Path

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


def test_the_example_runs_from_the_check_to_the_pay(run, take_part, tmp_path):
    example = tmp_path / "study"
    shutil.copytree(ROOT / "examples" / "study", example, ignore=shutil.ignore_patterns("data*", "demo"))
    run("demo", example / "pictures" / "demo", "--images", 40)
    run("import", "images", example / "pictures", example / "data", "--taxonomy", "mikels-8")
    assert run("study", "check", example).endswith("nothing is missing\n")
    file = read_study(example).file
    with studies.begin(example, by="lead") as store:
        tokens = [
            link.partition("link=")[2] for link in json.loads(run("study", "links", example, "--people", 3, "--json"))
        ]
        first, _ = take_part(store, tokens[0]), take_part(store, tokens[1])
        assert screen(store, first).code
        ids = door.ids_of_link(store, tokens[2])
        late = door.agree(store, ids, door.enter(store, ids).version, file.consent.boxes)
        visits.leave(store, late.participant)
        paid = [(row.status, row.images, row.due) for row in pay_rows(store)]
        assert paid == [("completed", 13, 2), ("completed", 13, 2), ("left", 0, 0)]
        store.change_task(overlap=5)
        with store.database.read() as connection:  # what people read or practise with is nobody's to label
            apart = sa.select(image.c.image_id).where(image.c.position == slot.c.position, slot.c.wanted == 0)
            free = set(connection.scalars(apart.where(slot.c.round == 1)))
        assert free == {"demo/images/000000", *(one.image for one in file.practice.images), "check-1"}
    said = json.loads(run("study", "status", example, "--json"))
    assert (said["opened"], said["ended"]) == (3, {"completed": 2, "left": 1})
    # 39 paintings, by now 5 people each, less what two have answered
    assert (said["wanting"], said["answers"]) == (39, 39 * 5 - 2 * 12)
    assert run("study", "pay", example, "--bulk").splitlines() == ["link 1,2.00", "link 2,2.00"]
    assert "No such file" in run("study", "pay", example, "--paid-list", example / "none.csv", fails=True)


def test_the_files_for_panels_in_the_docs_are_ones_and_say_where_people_return_to():
    page = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", page, re.M | re.S)]
    german = parse_as(Translation, blocks.pop(1), "docs")
    asked, prolific = (parse(block, "docs") for block in blocks)
    assert [*german.problems(asked)] == []
    assert (bool(asked.before.questions), prolific.recruit.panel) == (True, "prolific")
    assert "{code}" in prolific.recruit.return_to
    assert all(f"{name}={{{{%{name}%}}}}" in page for name in prolific.recruit.names.values())
    assert f"?{IDS['sona']['person']}=%SURVEY_CODE%" in page
