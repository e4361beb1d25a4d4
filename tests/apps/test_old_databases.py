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
from playwright.sync_api import expect

from affectml.data import DatasetMeta, write_dataset
from affectml_annotation import LabelStore
from affectml_apps.relabel.pages.navigation import LEAD

from .conftest import Person

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
TITLES = {path: title for title, path, _ in LEAD}


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


def draws(page, server, path: str, settle) -> None:
    page.goto(f"{server.url}/{path}?who=ann")
    page.get_by_role("heading", name=TITLES[path], level=1).wait_for()
    settle(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0.dev0"])
def test_a_task_of_an_earlier_version_is_labelled_on_and_shown_to_its_lead(version, start, page, tmp_path, settle):
    db = copied(GOLDEN / version / "labels" / "labels.db", tmp_path)
    server = start(dataset=tmp_path / "data", db=str(db))
    before = server.stored("ann")
    assert before
    ann = Person(page, server, "ann").open()
    image = ann.answer("1")
    assert ann.stored == [*before, (image, "labels", (ann.labels[0],))]
    for _, path, _ in LEAD:
        draws(page, server, path, settle)


def test_a_study_whose_images_stopped_early_lets_people_in_and_is_shown_to_its_lead(start, page, tmp_path, settle):
    db = copied(GOLDEN / "0.3.0.dev0" / "study" / "labels.db", tmp_path)
    with closing(connect(db)) as raw:
        content, texts = raw.execute("SELECT content, texts FROM study_version").fetchone()
        said = dict(raw.execute("SELECT sha256, content FROM study_text").fetchall())
    file = json.loads(content)
    assert file["overlap"] == {"min": 2, "max": 4, "until": "F1", "mean": None}
    folder = tmp_path / "study"
    folder.mkdir()
    for name, digest in json.loads(texts).items():
        (folder / f"{name}.{'yaml' if name.startswith('study') else 'md'}").write_text(said[digest])
    (folder / "study.yaml").write_text(yaml.safe_dump({**file, "overlap": 2, "dataset": "../data"}))
    (folder / "study.de.yaml").write_text("read_by: {consent: a native speaker}")
    server = start(study=folder, db=str(db))
    page.goto(f"{server.url}/?PROLIFIC_PID=60a1f2e3d4c5b6a798012345&STUDY_ID=s1&SESSION_ID=once")
    page.get_by_text("Words.").wait_for()
    page.locator("[data-testid=stCheckbox] label").click()
    page.get_by_role("button", name="I agree to take part").click()
    page.get_by_text("How old are you?").wait_for()
    for _, path, _ in LEAD:
        draws(page, server, path, settle)
    with LabelStore(db) as store:
        assert store.task.overlap == 2
