"""One database for one data set: every command and the page find the same one, and none is passed over in silence."""

import json
import os
from pathlib import Path
from shutil import copytree

import pytest

from affectml.data import Dataset
from affectml.people.labelling import asked_of
from affectml_annotation import Answer, LabelStore, Task
from affectml_annotation.store.place import default_database, find_database
from affectml_annotation.study.file import QUESTIONS
from affectml_apps.relabel.task import Options, open_task, parse_arguments


@pytest.fixture
def here(demo_set, tmp_path, monkeypatch) -> Path:
    """The current folder, with a data set `mydata` in it."""
    copytree(demo_set(images=20, seed=3).root, tmp_path / "mydata")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AFFECTML_LABELS", raising=False)
    return tmp_path


def test_every_command_and_the_page_open_the_same_database(run, here):
    init = json.loads(run("label", "init", "mydata", "--overlap", 2, "--invite", "ann", "--json"))
    assert init["db"] == "mydata-labels.db"
    said: list[str] = []
    page = open_task(parse_arguments(["--on", "mydata"]), said.append)
    assert page.file.overlap == 2
    assert page.store.annotators()["annotator_id"].tolist() == ["ann"]
    assert said == [f"labelling task in {here / 'mydata-labels.db'}: 8 labels, {page.file.question}"]
    page.store.submit([Answer("000000", "ann", "none")])
    page.store.close()
    assert open_again(Options(dataset=Path("mydata"))) == page.file
    (here / "people.csv").write_text("image_id,annotator_id,labels\n000001,ann,awe\n")
    assert "into mydata-labels.db" in run("label", "import", "people.csv")
    assert json.loads(run("label", "status", "--json"))["db"] == "mydata-labels.db"
    assert json.loads(run("label", "agreement", "--json"))["of"] == "mydata-labels.db"
    assert "mydata-labels.db" in run("audit", "--files", "mydata-labels.db")
    assert json.loads(run("label", "aggregate", "--json"))["images"] == 2
    told = json.loads(run("label", "assign", "--invite", "ben", "--db", "mydata", "--json"))
    assert told["db"] == "mydata-labels.db"
    told = json.loads(run("label", "export", "--to", "new", "--json"))
    assert (told["db"], told["new"]) == ("mydata-labels.db", 2)
    assert sorted(path.name for path in here.glob("*.db")) == ["mydata-labels.db"]


def open_again(options: Options) -> Task:
    task = open_task(options)
    task.store.close()
    return task.file


def test_the_page_and_the_command_line_set_a_task_up_alike(run, here):
    page = open_again(Options(dataset=Path("mydata"), db="page.db"))
    run("label", "init", "mydata", "--db", "line.db", "--overlap", page.overlap)
    with LabelStore("line.db") as store:
        assert store.task == page
    run("label", "init", "mydata", "--db", "other.db", "--taxonomy", "parrott-6")
    task = open_task(Options(dataset=Path("mydata"), db="other.db"))
    assert task.taxonomy.name == "parrott-6"
    task.store.close()


def test_a_second_task_on_a_data_set_is_a_deliberate_act(run, here):
    (here / "other-labels.db").write_bytes(b"no database at all" * 100)
    assert "`affectml label init DATASET` makes one" in run("label", "status", fails=True)
    assert [path.name for path in here.glob("*.db")] == ["other-labels.db"]
    run("label", "init", "mydata")
    error = run("label", "init", "mydata", fails=True)
    for words in ("mydata has a task already, in mydata-labels.db", "affectml label --on mydata", "--db OTHER.db"):
        assert words in error
    run("label", "init", "mydata", "--db", "other.db")
    assert find_database() == here / "mydata-labels.db"
    assert (here / "other-labels.db").read_bytes() == b"no database at all" * 100
    os.chdir(here / "mydata")
    assert find_database() == here / "mydata-labels.db"


def test_several_tasks_are_listed(run, here):
    run("label", "init", "mydata")
    copytree(here / "mydata", here / "sets" / "more")
    run("label", "init", "sets/more")
    for command in ("status", "agreement", "aggregate"):
        error = run("label", command, fails=True)
        assert "tasks here: mydata-labels.db, sets/more-labels.db; name the one that is meant" in error
    assert json.loads(run("label", "status", "--db", "sets/more", "--json"))["db"] == "sets/more-labels.db"


def test_the_question_is_that_of_the_target_or_of_its_construct_unless_told(run, here):
    meta = json.loads((here / "mydata" / "dataset.json").read_text())
    del meta["judgements"]  # else it is what the people in annotations.parquet were asked
    cases = [
        ("How does it feel?", "evoked", "How does it feel?", "evoked"),
        ("", "evoked", QUESTIONS["evoked"], "evoked"),
        ("", "expressed", QUESTIONS["expressed"], "expressed"),
        ("In our words: which one fits?", "intended", QUESTIONS["intended"], "intended"),
        ("Nobody was asked: the labels are search words.", "query", QUESTIONS["evoked"], "evoked"),
        ("", "query", QUESTIONS["evoked"], "evoked"),
    ]
    for question, construct, *asked in cases:
        meta["targets"]["emotions"] |= {"question": question, "construct": construct}
        (here / "mydata" / "dataset.json").write_text(json.dumps(meta))
        assert [*asked_of(Dataset.open("mydata"))][::-1] == asked
    told, file = [QUESTIONS["expressed"], "expressed"], here / "task.yaml"
    for line, asked in (("question: Well?", ["Well?", "evoked"]), ("construct: expressed", told)):
        file.write_text(line)
        run("label", "init", "mydata", "--db", f"{asked[1]}.db", "--file", file)
        with LabelStore(f"{asked[1]}.db") as store:
            assert [store.task.question, store.task.about] == asked
    file.write_text("construct: evokt")
    assert "did you mean 'evoked'" in run("label", "init", "mydata", "--file", file, fails=True)


def test_who_answers_next_is_asked_what_the_people_there_were_asked(run, here):
    meta = json.loads((here / "mydata" / "dataset.json").read_text())
    meta["targets"]["words"] = meta["targets"]["emotions"] | {"construct": "query", "question": ""}
    meta["targets"]["faces"] = meta["targets"]["emotions"] | {"construct": "expressed", "question": "And they?"}
    meta["judgements"] = {"construct": "evoked", "question": "Well?"}
    (here / "mydata" / "dataset.json").write_text(json.dumps(meta))
    assert asked_of(Dataset.open("mydata")) == ("evoked", "Well?")
    assert asked_of(Dataset.open("mydata"), "faces") == ("expressed", "And they?")
    del meta["judgements"]
    (here / "mydata" / "dataset.json").write_text(json.dumps(meta))
    error = run("label", "init", "mydata", fails=True)
    assert "about different things; choose with --target: emotions (evoked), words (query), faces (expressed)" in error


def test_targets_with_different_labels_need_a_choice(run, here):
    folder = here / "mydata"
    meta = json.loads((folder / "dataset.json").read_text())
    other = meta["targets"]["emotions"] | {"taxonomy": "polarity-2", "file": "targets-two.parquet"}
    (folder / "dataset.json").write_text(json.dumps(meta | {"targets": {**meta["targets"], "two": other}}))
    error = run("label", "init", "mydata", fails=True)
    assert "its targets have different labels; choose with --target (emotions, two)" in error
    run("label", "init", "mydata", "--target", "emotions")
    assert open_again(Options(dataset=Path("mydata"))).labels == Dataset.open(folder).target("emotions").taxonomy.labels


def test_the_page_takes_its_data_set_by_place_or_by_name():
    words = (["--on", "d"], ["--dataset", "d"], ["--on", "d", "--dataset", "d"])
    assert {parse_arguments(each).root for each in words} == {Path("d")}
    with pytest.raises(SystemExit):
        parse_arguments(["--on", "d", "--dataset", "e"])
    assert parse_arguments(["--on", "d"]).store_url == str(default_database("d"))


def test_a_database_has_its_data_set_s_name_whatever_stands_in_it(run, here):
    """In a URL a `?` ends the path: two data sets' answers would lie in one file of another name."""
    before = "mydata"
    for name in ("was? 50%41 #1", "dätä & co", "a?mode=memory", "a:b@c"):
        (here / before).rename(here / name)
        for command in (["init", name], ["status"]):
            assert json.loads(run("label", *command, "--json"))["db"] == f"{name}-labels.db"
        [made] = [path for path in here.iterdir() if path.is_file()]
        assert made.name == f"{name}-labels.db"
        made.unlink()
        before = name
