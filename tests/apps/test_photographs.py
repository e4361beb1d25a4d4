"""Photographs that nobody has labelled: from the folder straight to labelling."""

import contextlib
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from affectml.data import Dataset
from affectml.errors import AffectmlError
from affectml.importers.images import add_images
from affectml_annotation import Answer, LabelStore
from affectml_apps.relabel import queries
from affectml_apps.relabel.task import Options, current, open_task, parse_arguments

from .reading import page, press


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
def started():
    """`started(*words)`: the task that these words after `--` open, and what is said; pages serve the last one."""
    with contextlib.ExitStack() as open_ones:
        open_ones.callback(current.use, None)

        def start(*words):
            said = []
            task = open_task(parse_arguments([str(word) for word in words]), say=said.append)
            open_ones.callback(task.store.close)
            current.use(task)
            return task, said

        yield start


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


def test_a_folder_called_demo_is_not_taken_for_the_demo_set(tmp_path):
    assert str(Options(images=tmp_path / "demo").root) == "data/demo-images"
    assert str(Options().root) == "data/demo"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--images", "PHOTOS"], "which labels are there to choose among.*--taxonomy artemis-9, .*mikels-8"),
        (["--images", "PHOTOS", "--taxonomy", "mikels"], "did you mean 'mikels-8'"),
        (["--images", "nowhere", "--taxonomy", "mikels-8"], "nowhere: no such folder"),
        (
            ["--on", "PHOTOS/set", "--images", "PHOTOS", "--taxonomy", "mikels-8"],
            r"would lie inside .*holiday-data --images",
        ),
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
