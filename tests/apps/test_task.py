"""Opening a task: defaults, errors of one line that name the way out, and what a browser is told at the start."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from affectml.data import Dataset
from affectml.errors import AffectmlError, BadInput
from affectml.importers.images import add_images
from affectml.taxonomies import LabelName, Taxonomy, get_taxonomy
from affectml_annotation import Answer, LabelStore, StoreError, Task
from affectml_apps.relabel import queries
from affectml_apps.relabel.component import chips, start_data
from affectml_apps.relabel.identity import read_secret
from affectml_apps.relabel.task import Options, current, parse_arguments

from .conftest import RELABEL, Server, say
from .reading import page, press

MIKELS = get_taxonomy("mikels-8")


@pytest.mark.slow
def test_the_command_alone_draws_the_demo_set_and_serves_it_under_a_path(
    tmp_path, spawn, free_port, person, eventually
):
    server = Server(tmp_path, RELABEL, free_port(), str(tmp_path / "data" / "demo-labels.db"))
    server.url += "/deep/er"
    settings = {"STREAMLIT_SERVER_HEADLESS": "true", "STREAMLIT_SERVER_BASE_URL_PATH": "deep/er"}
    command = [sys.executable, "-c", "from affectml.cli import main; main()", "label", "--port", str(server.port)]
    process = spawn(command, stdout=subprocess.DEVNULL, cwd=tmp_path, env=os.environ | settings)

    def is_there():
        assert process.poll() is None, "the server did not start"
        with suppress(OSError), urllib.request.urlopen(f"{server.url}/_stcore/health", timeout=300) as reply:
            return reply.status == 200

    eventually(is_there)
    ann = person(server).enter()
    ann.answer("1")
    assert len(ann.stored) == 1
    assert (tmp_path / "data" / "demo" / "dataset.json").exists()
    server.close_store()


def test_a_set_of_urls_alone_says_why_and_what_to_do(tmp_path, demo, serve):
    shutil.copytree(demo, tmp_path / "urls")
    images = pd.read_parquet(demo / "images.parquet")
    images.assign(file=None, url="https://example.org/a.png").to_parquet(tmp_path / "urls" / "images.parquet")
    with pytest.raises(AffectmlError, match=r"download the images and name them in the column `file`"):
        serve(tmp_path / "urls")


def test_arguments_after_the_dashes_and_without_any_the_demo_set_with_a_file_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = parse_arguments([])
    assert (options.root, options.store_url) == (Path("data/demo"), str(tmp_path / "data" / "demo-labels.db"))
    given = parse_arguments(["--dataset", "d", "--db=postgresql://h/n", "--lead=ann", "--lead=bob"])
    assert given == Options(dataset=Path("d"), db="postgresql://h/n", lead=("ann", "bob"))
    assert Options(images=tmp_path / "demo").root == Path("data/demo-images")  # which is not taken for the demo set
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


def test_what_is_left_for_one_is_what_can_still_come_to_them(task):
    """Three answers are wanted for each of 240 images; ann holds five of them and answers two."""
    store = task.store
    store.invite(["ann", "bob", "eve", "kim"])
    held = store.claim("ann", 5)
    assert queries.left_for(store, "ann", 1) == 240
    store.submit([Answer(claim.image_id, "ann", "none") for claim in held[:2]])
    assert queries.left_for(store, "ann", 1) == 238
    for who in ("bob", "eve", "kim"):
        say(store, who, 240)
    assert queries.left_for(store, "ann", 1) == 3  # those she still holds; the others took the rest
    assert queries.left_for(store, "kim", 1) == 0


def test_the_start_tells_no_image_and_no_secret(task):
    task.store.invite(["ann"])
    data = start_data(task, "ann", 1, base="/deep/")
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
    assert read_secret(task.store) == task.secret


def test_without_a_task_the_pages_say_how_to_start():
    with pytest.raises(BadInput, match="streamlit run apps/relabel.py"):
        current()


# Photographs that nobody has labelled: from the folder straight to labelling


def picture(path, shade):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), (10, 200, shade)).save(path)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Four photographs, and a working folder elsewhere."""
    for shade in range(4):
        picture(tmp_path / "holiday" / ("rome" * (shade % 2)) / f"{shade}.jpg", shade)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "holiday"


def state(folder):
    """Every file below a folder, with its content and the time of its last change."""
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def started(serve):
    """`started(*words)`: the task that these words after `--` open, and what is said; pages serve the last one."""

    def start(*words):
        said = []
        return serve(None, *words, say=said.append), said

    return start


def test_a_folder_of_photographs_becomes_a_task_and_stays_as_it_is(started, photos, tmp_path):
    before = state(photos)
    task, said = started("--images", photos, "--taxonomy", "mikels-8")
    assert (task.file.labels[:2], task.file.overlap) == (("amusement", "awe"), 1)
    assert set(task.store.images()["image_id"]) == {"0", "2", "rome/1", "rome/3"}
    assert said[0] == f"data set data/holiday: 4 images from {photos}, where nothing is changed"
    assert Path("data/holiday-labels.db").is_file()
    assert (tmp_path / "work/data/holiday/images/rome/1.jpg").samefile(photos / "rome/1.jpg")
    assert state(photos) == before


def test_a_second_start_goes_on_and_takes_new_photographs_in(started, photos):
    store = started("--images", photos, "--taxonomy", "mikels-8")[0].store
    store.invite(["ann"])
    store.submit([Answer(store.claim("ann", 1)[0].image_id, "ann", "labels", ("awe",))])
    answers = store.judgements()
    picture(photos / "new.jpg", 99)
    (photos / "0.jpg").unlink()
    (photos / "broken.jpg").write_text("no image")
    task, said = started("--images", photos)
    store = task.store
    assert store.judgements().equals(answers)
    assert store.progress().images == store.progress().wanted == 5
    assert {claim.image_id for claim in store.claim("ann", 9)} >= {"new"}
    assert said[:2] == [
        f"data set data/holiday: 1 new images from {photos}, 4 there already",
        f"  left out: images: not an image: 1 ({photos / 'broken.jpg'})",
    ]
    assert Dataset.open("data/holiday").image_path("images/0.jpg").is_file()


def test_images_that_came_in_when_a_start_was_cut_off_reach_the_task_at_the_next(started, photos):
    started("--images", photos, "--taxonomy", "mikels-8")
    picture(photos / "new.jpg", 99)
    add_images(photos, Dataset.open("data/holiday"))
    task, _ = started("--images", photos)
    assert "new" in set(task.store.images()["image_id"])


def test_a_data_set_may_be_named(started, photos, tmp_path):
    started("--on", tmp_path / "mine", "--images", photos, "--taxonomy", "mikels-8")
    assert (tmp_path / "mine-labels.db").is_file()
    assert len(Dataset.open(tmp_path / "mine").images) == 4
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--images", "PHOTOS"], "which labels are there to choose among.*--taxonomy artemis-9, .*mikels-8"),
        (["--images", "PHOTOS", "--taxonomy", "mikels"], "did you mean 'mikels-8'"),
        (["--images", "nowhere", "--taxonomy", "mikels-8"], "nowhere: no such folder"),
        (["--on=PHOTOS/set", "--images=PHOTOS", "--taxonomy=mikels-8"], "would lie inside .*holiday-data --images"),
    ],
)
def test_what_cannot_be_started_is_said_in_one_line_and_nothing_is_written(started, photos, words, why):
    before = state(photos)
    with pytest.raises(AffectmlError, match=why) as caught:
        started(*(word.replace("PHOTOS", str(photos)) for word in words))
    assert "\n" not in str(caught.value)
    assert state(photos) == before
    assert list(Path().iterdir()) == []


def test_who_started_it_labels_at_once_and_others_come_through_the_door(started, photos):
    task, _ = started("--images", photos, "--taxonomy", "mikels-8")
    task.begin_as("ann")
    app = page("label")
    assert len(app.get("bidi_component")) == 1
    assert app.query_params["who"] in ("ann", ["ann"])  # a list in later versions of Streamlit
    assert page("label", who="cem").title[0].value == "Before the first image"
    mine = page("who")
    assert mine.title[0].value == "Your part"
    assert press(mine, "Not ann? Use another name").title[0].value == "Who is labelling?"


def test_a_closed_entry_of_who_started_it_stays_closed(started, photos):
    task, _ = started("--images", photos, "--taxonomy", "mikels-8")
    task.begin_as("ann")
    task.store.submit([Answer(task.store.claim("ann", 1)[0].image_id, "ann", "none")])
    assert task.store.uninvite(["ann"]) == ["ann"]
    task.begin_as("ann")
    assert "ann" in task.store.closed()
    assert queries.person(task.store, "ann").consented_at


START = """
import sys
from affectml_annotation import Answer
from affectml_apps.relabel.task import parse_arguments
from affectml_apps.relabel.task import open_task
print("begins", flush=True)
task = open_task(parse_arguments(["--images", sys.argv[1], "--taxonomy", "mikels-8"]))
task.begin_as("ann")
claim = task.store.claim("ann", 1)[0]
task.store.submit([Answer(claim.image_id, "ann", "none")])
print("answered", flush=True)
"""


@pytest.mark.slow
def test_starts_that_are_killed_lose_no_photograph_and_no_answer(photos):
    """Fifty photographs come before each of 7 starts, which are killed within about the time that one takes."""
    chance, answered, before = random.Random(7), 0, None
    for number in range(8):
        for shade in range(50):
            picture(photos / f"{number}/{shade}.jpg", shade)
        before = state(photos)
        command = [sys.executable, "-c", START, str(photos)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "begins\n"
            if number < 7:
                time.sleep(chance.uniform(0, 0.4))
                process.kill()
            answered += process.stdout.read() == "answered\n"
    assert 0 < answered < 8
    images = Dataset.open("data/holiday").images
    with LabelStore("data/holiday-labels.db") as store:
        assert set(store.images()["image_id"]) == set(images["image_id"])
        assert store.progress().answered >= answered
    assert len(images) == 404
    assert len(list(Path("data/holiday/images").rglob("*.jpg"))) == 404
    assert not list(Path("data/holiday").glob(".*"))
    assert state(photos) == before
