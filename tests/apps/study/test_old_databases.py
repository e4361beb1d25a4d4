"""`streamlit run apps/relabel.py` on databases of earlier versions: people and leads find all of it, and go on."""

import json
import shutil
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pandas as pd
import pytest
import yaml
from PIL import Image

from affectml.data import DatasetMeta, write_dataset
from affectml_annotation import LabelStore
from affectml_apps.relabel.pages.navigation import LEAD

from ..conftest import ROOT, Caller, answer_to  # noqa: TID252
from ..reading import page, press, said  # noqa: TID252

GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture(autouse=True)
def same_participants():
    """Nobody gets an id here that is drawn as in other tests: those are in the databases already."""


def copied(file: Path, folder: Path) -> Path:
    """A copy of a database, beside a data set of its images, drawn plainly, and its labels."""
    db = Path(shutil.copy(file, folder / "labels.db"))
    with LabelStore(db, must_exist=True, reads_only=True) as store:
        images, labels = store.images()["image_id"].tolist(), store.task.labels
    files = [f"images/{name}.jpg" for name in images]
    (folder / "data" / "images").mkdir(parents=True)
    for at, name in enumerate(files):
        Image.new("RGB", (64, 48), (3 * at % 256, 90, 160)).save(folder / "data" / name)
    meta = DatasetMeta("old", taxonomy={"name": "old", "labels": {label: {} for label in labels}})
    write_dataset(folder / "data", meta, pd.DataFrame({"image_id": images, "file": files}), {})
    return db


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0.dev0", "0.3.0"])
def test_a_task_of_an_earlier_version_is_labelled_on_and_shown_to_its_lead(version, serve, tmp_path):
    db = copied(GOLDEN / version / "labels" / "labels.db", tmp_path)
    task = serve(tmp_path / "data", db=str(db))
    before = task.store.history("ann", 500)["event_id"].tolist()
    ann = Caller(task, "ann")
    reply = ann.say(want=1, history=True)
    assert len(reply["past"]) == len(before) > 0
    assert ann.say(answer_to(reply["items"][0], labels=task.file.labels[:1]))["receipts"][0]["status"] == "accepted"
    assert set(task.store.history("ann", 500)["event_id"]) == {*before, "e1"}
    pages_are_drawn()


def pages_are_drawn():
    for _, path, _ in LEAD:
        app = page(path, who="ann")
        assert said(app)
        assert not app.error


def test_a_study_whose_images_stopped_early_lets_people_in_and_is_shown_to_its_lead(serve, see, tmp_path):
    db = copied(GOLDEN / "0.3.0.dev0" / "study" / "labels.db", tmp_path)
    with closing(connect(db)) as raw:
        content, texts = raw.execute("SELECT content, texts FROM study_version").fetchone()
        said_before = dict(raw.execute("SELECT sha256, content FROM study_text").fetchall())
    file = json.loads(content)
    assert file["overlap"] == {"min": 2, "max": 4, "until": "F1", "mean": None}
    folder = tmp_path / "study"
    folder.mkdir()
    for name, digest in json.loads(texts).items():
        (folder / f"{name}.{'yaml' if name.startswith('study') else 'md'}").write_text(said_before[digest])
    (folder / "study.yaml").write_text(yaml.safe_dump({**file, "overlap": 2, "dataset": "../data"}))
    (folder / "study.de.yaml").write_text("read_by: {consent: a native speaker}")
    task = serve(None, study=folder, db=str(db))
    pages_are_drawn()
    app = see("60a1f2e3d4c5b6a798012345", ids={"SESSION_ID": "once"})
    assert "Words." in "".join(each.proto.body for each in app.get("html"))
    app.checkbox[0].check()
    assert "How old are you?" in said(press(app, "I agree to take part"))
    assert task.store.task.overlap == 2
