"""Opening a task: defaults, errors of one line that name the way out, and what a browser is told at the start."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from affectml.data import DatasetMeta, write_dataset
from affectml.errors import AffectmlError, BadInput, BadRun
from affectml.taxonomies import LabelName, Taxonomy, get_taxonomy
from affectml_annotation import Answer, LabelStore, StoreError, Task
from affectml_annotation.errors import BadTask
from affectml_apps.relabel import queries
from affectml_apps.relabel.component import chips, start_data
from affectml_apps.relabel.identity import read_secret
from affectml_apps.relabel.task import current, parse_arguments, read_suggestions
from affectml_apps.relabel.web import app_parts

from .conftest import write_run

MIKELS = get_taxonomy("mikels-8")


def test_without_arguments_it_is_the_demo_set_with_a_file_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = parse_arguments([])
    assert options.root == Path("data/demo")
    assert options.store_url == str(tmp_path / "data" / "demo-labels.db")


@pytest.mark.slow
def test_without_arguments_the_demo_set_is_ready_to_label_here_under_a_base_path(start, person):
    server = start(dataset=None, streamlit=("--server.baseUrlPath", "deep/er"))
    server.url += "/deep/er"
    server.db = str(server.log.parent / "data" / "demo-labels.db")
    ann = person(server).enter()
    ann.answer("1")
    assert len(ann.stored) == 1
    assert (server.log.parent / "data" / "demo" / "dataset.json").exists()


def test_a_set_of_urls_alone_says_why_and_what_to_do(tmp_path, demo, serve):
    shutil.copytree(demo, tmp_path / "urls")
    images = pd.read_parquet(demo / "images.parquet")
    images.assign(file=None, url="https://example.org/a.png").to_parquet(tmp_path / "urls" / "images.parquet")
    with pytest.raises(AffectmlError, match=r"download the images and name them in the column `file`"):
        serve(tmp_path / "urls")


def test_arguments_after_the_dashes():
    options = parse_arguments(
        ["--dataset", "d", "--db", "postgresql://h/n", "--model", "r", "--lead", "ann", "--lead", "bob"]
    )
    assert (options.root, options.store_url, options.model) == (Path("d"), "postgresql://h/n", Path("r"))
    assert options.lead == ("ann", "bob")
    with pytest.raises(SystemExit):
        parse_arguments(["--databse", "x"])


def test_a_task_set_up_elsewhere_is_served_as_it_is(tmp_path, serve):
    settings = Task(labels=("awe", "fear"), question="Awe or fear?", overlap=7)
    with LabelStore(tmp_path / "x.db") as store:
        store.init_task(settings, pd.DataFrame({"image_id": ["000001"], "file": ["images/000001.png"]}))
    assert serve(db=str(tmp_path / "x.db")).file == settings.but(name="labels", construct="evoked")


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"dataset": Path("nowhere")}, "nowhere"),
        ({"target": "emotion"}, "did you mean 'emotions'"),
        ({"taxonomy": "mikels8"}, "mikels-8"),
        ({"model": Path("norun")}, "norun"),
        ({"db": "mysql://h/n"}, "mysql"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_line(serve, options, why):
    with pytest.raises((AffectmlError, StoreError), match=why) as caught:
        serve(**options)
    assert "\n" not in str(caught.value)


def test_a_database_of_another_task_is_refused(serve):
    serve(taxonomy="parrott-6")
    with pytest.raises(AffectmlError, match="name another --db"):
        serve(taxonomy="ekman-6")


def images_called(folder, *names):
    return write_dataset(folder, DatasetMeta("few"), pd.DataFrame({"image_id": names}), {})


def test_suggestions_are_the_predicted_set_or_the_best_label(tmp_path):
    run = write_run(tmp_path / "run", MIKELS, ["a", "b", "c"], "anger", [["awe", "fear"], [], ["joy"]])
    found = read_suggestions(run, MIKELS.labels, images_called(tmp_path / "two", "a", "b"))
    assert found == {"a": ("awe", "fear"), "b": ("anger",)}
    single = write_run(tmp_path / "single", MIKELS, ["a"], "awe")
    assert read_suggestions(single, MIKELS.labels, images_called(tmp_path / "one", "a")) == {"a": ("awe",)}


def test_a_run_of_other_labels_or_other_images_is_refused(tmp_path):
    run = write_run(tmp_path / "run", MIKELS, ["a"], "awe")
    with pytest.raises(BadRun, match="labels are awe, fear"):
        read_suggestions(run, ("awe", "fear"), images_called(tmp_path / "one", "a"))
    with pytest.raises(BadRun, match="none of its 1 images"):
        read_suggestions(run, MIKELS.labels, images_called(tmp_path / "other", "x"))


def test_what_is_left_for_one_is_what_can_still_come_to_them(task):
    """Three answers are wanted for each of 240 images; ann holds five of them and answers two."""
    store = task.store
    store.invite(["ann", "bob", "eve", "kim"])
    held = store.claim("ann", 5)
    assert queries.left_for(store, "ann", 1) == 240
    store.submit([Answer(claim.image_id, "ann", "none") for claim in held[:2]])
    assert queries.left_for(store, "ann", 1) == 238
    for who in ("bob", "eve", "kim"):
        while claims := store.claim(who, 200):
            store.submit([Answer(claim.image_id, who, "none") for claim in claims])
    assert queries.left_for(store, "ann", 1) == 3  # those she still holds; the others took the rest
    assert queries.left_for(store, "kim", 1) == 0


def test_the_start_tells_who_and_what_but_no_image(task):
    task.store.invite(["ann"])
    data = start_data(task, "ann", 1, base="/deep/")
    assert data["base"] == "/deep"
    assert not any(private in json.dumps(data) for private in ("images/", task.secret))


def test_chips_keep_a_person_s_order_and_group_by_parents():
    parrott = get_taxonomy("parrott-25")
    order = parrott.labels[::-1]
    shown = chips(order, parrott, Task())
    assert sorted(each["label"] for each in shown) == sorted(order)
    groups = [each["group"] for each in shown]
    assert [g for at, g in enumerate(groups) if at == 0 or groups[at - 1] != g] == list(dict.fromkeys(groups))
    plain = chips(MIKELS.labels[::-1], MIKELS, Task())
    assert [each["label"] for each in plain] == list(MIKELS.labels[::-1])
    assert {(each["group"], each["tone"]) for each in plain} == {("", None)}


def test_chips_are_named_in_a_language_and_search_knows_those_of_all_that_are_offered():
    german = {"dark": LabelName("Dunkel"), "light": LabelName("Hell")}
    poles = Taxonomy("poles", ("dark", "light"), translations={"de": german})
    moods = Taxonomy(
        "moods",
        ("gloom", "glee", "numb"),
        parent=poles,
        parents={"gloom": "dark", "glee": "light"},
        synonyms={"glee": ("mirth",)},
        definitions={"gloom": "low and dull"},
        translations={
            "de": {
                "glee": LabelName("Heiterkeit", "Lachen ohne Grund", ("Frohsinn",)),
                "gloom": LabelName("Trübsinn", synonyms=("Schwermut",)),
            },
            "fr": {"glee": LabelName("gaieté", synonyms=("allégresse",))},
        },
    )
    lead = Task(words={"glee": {"definition": "laughing, whatever the reason"}})

    def shown(*fields, offered=("en", "de", "fr")):
        found = chips(moods.labels, moods, lead, language="de", offered=offered)
        return [tuple(each[field] for field in fields) for each in found]

    assert shown("label", "name", "group", "language", "meaning") == [
        ("gloom", "Trübsinn", "Dunkel", "de", "low and dull"),
        ("glee", "Heiterkeit", "Hell", "de", "Lachen ohne Grund"),
        ("numb", "numb", "other", "en", None),
    ]
    assert shown("also") == [
        ([("Schwermut", "de"), ("gloom", "en")],),
        ([("Frohsinn", "de"), ("glee", "en"), ("mirth", "en"), ("gaieté", "fr"), ("allégresse", "fr")],),
        ([],),
    ]
    for gone in (None, "nowhere.yaml"):
        alone = replace(moods, parent=gone)
        groups = [each["group"] for each in chips(moods.labels, alone, lead, language="de")]
        assert groups == ["dark", "light", "other"]
    # what the lead wrote is in the task's own language, here German
    assert shown("meaning", offered=["de"])[1] == ("laughing, whatever the reason",)


def test_what_another_server_changed_is_seen_here(task):
    with LabelStore(task.store.database.where) as other:
        other.change_task(words={"awe": {"definition": "vast"}}, page={"blur": True})
    assert (task.file.page.blur, task.file.words["awe"].definition) == (True, "vast")
    with pytest.raises(BadTask, match="page: no key 'blurr' here; did you mean 'blur'"):
        task.store.change_task(page={"blurr": True})
    with pytest.raises(BadTask, match="page.seconds: expected greater than or equal to 0, but this is -1"):
        task.store.change_task(page={"seconds": -1})
    assert read_secret(task.store) == task.secret


def test_without_a_task_the_pages_say_how_to_start():
    with pytest.raises(BadInput, match="streamlit run apps/relabel.py"):
        current()


def test_a_wrong_folder_ends_the_start_with_one_line():
    with pytest.raises(SystemExit, match="^BadDataset: nowhere: no such folder") as ended:
        app_parts(["--dataset", "nowhere"])
    assert "\n" not in str(ended.value)


@pytest.mark.slow
def test_affectml_label_serves(tmp_path, demo, spawn, free_port, eventually):
    command = [sys.executable, "-c", "from affectml.cli import main; main()", "label"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "STREAMLIT_SERVER_HEADLESS": "true"}
    port = free_port()
    arguments = ["--on", str(demo), "--db", str(tmp_path / "x.db"), "--port", str(port)]
    process = spawn([*command, *arguments], stdout=subprocess.DEVNULL, cwd=tmp_path, env=environment)

    def client():
        assert process.poll() is None, "the server did not start"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/relabel/client/main.js", timeout=300) as reply:
                return reply.read()
        except OSError:
            return None

    assert b"export function mount" in eventually(client)
