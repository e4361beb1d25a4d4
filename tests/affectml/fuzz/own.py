"""What affectml wrote itself, damaged: data sets with embeddings, runs, predictions in parts, downloads, encoders."""

import hashlib
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import affectml
from affectml.data import Dataset
from affectml.embeddings import EmbeddingStore
from affectml.embeddings.writing import write_part
from affectml.encoders import Ran
from affectml.fetching import fetch_images
from affectml.fetching._download import Downloader, Job, Later
from affectml.heads import ImageEffects
from affectml.importers import get_importer
from affectml.importers.answers import said_of
from affectml.people.known import People, open_people, read_image_effects, save_people, write_image_effects
from affectml.predicting.files import _Answers, predict_to_file
from affectml.runs import RunFolder
from affectml.sharing import AffectModel
from affectml.taxonomies import Taxonomy

from .reading import LABELS, TABLES, Reader, parquet, part, picture, quiet, text, whole, written
from .sources import as_before

READERS: dict[str, Reader] = {}


def read_store(folder: Path, out: Path) -> None:
    store = EmbeddingStore.for_dataset(Dataset.open(folder / "data"))
    store.rows(store.ids)
    assert isinstance(store.ran, list)
    assert isinstance(store.unreadable, dict)
    store.text_features(None, ["joy", "awe"])


def more_of_the_store(folder: Path) -> None:
    store = next((folder / "data" / "embeddings").iterdir())
    ran = Ran("fp32", "torch", "cpu", "a processor", False, {"torch": "2"})
    (part,) = store.glob("part-*")
    rows = np.load(part)
    rows[1] = np.nan
    part.unlink()
    write_part(part, rows, EmbeddingStore.open(store).identity, ran, {1: "not an image"})
    key = hashlib.sha256(json.dumps(["joy", "awe"], ensure_ascii=False).encode()).hexdigest()[:16]
    np.save(store / f"texts-{key}.npy", np.zeros((2, 4), dtype=np.float32))


def store_of_before(folder: Path) -> None:
    more_of_the_store(folder)
    store = as_before(EmbeddingStore.open(next((folder / "data" / "embeddings").iterdir())))
    text(store.folder / "unreadable.csv", "image_id,file,reason", "x,x.jpg,not an image")


def read_run(folder: Path, out: Path) -> None:
    run = RunFolder.open(folder / "run")
    assert run.taxonomy.labels
    run.head.scores(np.zeros((1, 4), dtype=np.float32))
    assert run.evaluation.scores_of("model")
    assert len(run.model_answers.image_id)
    assert AffectModel.from_pretrained(folder / "run").labels


def use_run(folder: Path, out: Path) -> None:
    affectml.load_run(folder / "run").predict(folder / "data")
    affectml.evaluate(folder / "run", on=folder / "data", out=out, threads=1, say=quiet)


def report_on(folder: Path, out: Path) -> None:
    run = affectml.load_run(folder / "run")
    assert len(run.scores)
    out.parent.mkdir()
    try:
        affectml.evaluate(folder / "run", out=out.with_suffix(".html"), say=quiet)
    finally:
        shutil.rmtree(out.parent)


def predicted(folder: Path) -> None:
    """A file of predictions that was killed on the way: its parts are there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("affectml.parts.SIZE", 10)
        patch.setattr(_Answers, "join", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with suppress(KeyboardInterrupt):
            predict_to_file(folder / "run", folder / "data", folder / "p.csv", threads=1, say=quiet)


def resume(folder: Path, out: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("affectml.parts.SIZE", 10)
        predict_to_file(folder / "run", folder / "data", folder / "p.csv", say=quiet)


def to_fetch(folder: Path) -> None:
    """Three urls: one came in a run that was killed, and one failed."""
    urls = [f"http://photos.example/{name}" for name in "abc"]
    text(folder / "t.csv", "url,label", *(f"{url},{label}" for url, label in zip(urls, LABELS, strict=True)))
    get_importer("table")(folder / "t.csv", folder / "data", images="none")
    (folder / "t.csv").unlink()
    picture(folder / "data" / "images" / "00" / f"{'0' * 64}.jpg")
    text(folder / "data" / ".fetching" / f"{Job(urls[1], folder).key}-{'0' * 64}.jpg")
    text(folder / "data" / "fetch-failures.csv", "image_id,url,reason,again", f"{urls[2]},{urls[2]},x: y,yes")


def fetch(folder: Path, out: Path) -> None:
    async def unreachable(self: Any, job: Any) -> Any:
        raise Later("no network: this is a test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Downloader, "get", unreachable)
        fetch_images(folder / "data")


def known(folder: Path) -> None:
    """What a run by person knows of two people and of three images."""
    said = {"head": "0" * 64, "dataset": "data", "fingerprint": {"target": "1" * 64}}
    covariance = np.tile(np.eye(4), (2, 1, 1))
    file = folder / "run-people.safetensors"
    save_people(People(file, ("ann", "ben"), np.zeros((2, 4)), covariance, np.ones(2, int), **said))
    effects = ImageEffects(np.zeros((3, 3)), np.ones((3, 3)))
    write_image_effects(folder, ["1.jpg", "2.jpg", "3.jpg"], LABELS, effects, np.eye(3, 5, dtype=np.float32))


def read_known(folder: Path, out: Path) -> None:
    open_people(folder / "run-people.safetensors").row("ann")
    read_image_effects(folder, LABELS)


THREE = Taxonomy("three", LABELS)
# One person's answers, as a table for `predict --person`.
OF_ONE = {
    "one.csv": written(("one.csv", "image,labels", "0.jpg,joy|awe", "1.jpg,none", "2.jpg,skip", "3.jpg,fear")),
    "one.parquet": parquet(
        "one.parquet",
        image_id=[f"{n}.jpg" for n in range(4)],
        kind=["labels", "none", "skip", "labels"],
        labels=[["joy", "awe"], [], [], ["fear"]],
    ),
}


READERS["data set"] = Reader(part(*TABLES), lambda folder, out: whole(Dataset.open(folder / "data")))
STORE = ("data/images", "data/dataset.json", "data/emb")
READERS["embeddings store"] = Reader(part(*STORE, also=more_of_the_store), read_store)
READERS["embeddings store of before"] = Reader(part(*STORE, also=store_of_before), read_store)
READERS["run"] = Reader(part("run"), read_run)
READERS["run that is used"] = Reader(part("run", "data"), use_run)
READERS["run that is reported"] = Reader(part("run", "data"), report_on)
READERS["predictions in parts"] = Reader(part("run", "data", also=predicted), resume, works=True)
READERS["people of a run"] = Reader(known, read_known)
for file, write in OF_ONE.items():
    READERS[f"answers of a person {file}"] = Reader(write, lambda folder, out, file=file: said_of(folder / file, THREE))
READERS["downloads"] = Reader(to_fetch, fetch, works=True)
READERS["table joined to a data set"] = Reader(
    part(*TABLES, also=lambda folder: text(folder / "t.csv", "image,joy,awe,n", "1.jpg,2,1,3", "2.jpg,0,1,2")),
    lambda folder, out: get_importer("table")(folder / "t.csv", folder / "data", target="more") and None,
    changes=True,
)
