"""What people and other systems said, damaged: answers, judgements, counts, databases, queues, taxonomies, studies."""

import json
import shutil
import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from starlette.applications import Starlette
from starlette.testclient import TestClient

from affectml.cli._label_task import export_store, images_to_queue, open_source, open_task, read_checks
from affectml.data import Dataset
from affectml.errors import BadInput
from affectml.evaluating import EvaluateConfig
from affectml.evaluating.systems import Source, read_file
from affectml.people.labelling import make_task
from affectml.people.studies import check
from affectml.taxonomies import Taxonomy, get_taxonomy
from affectml.vlm.reply import Unread, Why, Words, custom_id, parse_reply
from affectml_annotation import LabelStore, Task, aggregate, write_judgements
from affectml_annotation.store.backup import restore, write_backup
from affectml_annotation.store.checking import check_store
from affectml_annotation.store.place import holds_task
from affectml_annotation.study.folder import read_study
from affectml_annotation.study.terms import summary
from affectml_apps.relabel import task as tasks
from affectml_apps.relabel.identity import make_token, ticket
from affectml_apps.relabel.web import make_routes
from affectml_apps.serving import TOLD

from .reading import LABELS, TABLES, Reader, files_of, parquet, part, put, text, written

READERS: dict[str, Reader] = {}
TAXONOMY = """name: own
source: somebody (2020)
parent: coarse.yaml
wheel: [joy, fear]
templates: ["a photo that evokes {label}"]
labels:
  joy:
    parent: good
    synonyms: [happiness]
    place: {valence: 0.8, arousal: 0.2, source: somebody}
  fear: {parent: bad}
"""
READERS["taxonomy"] = Reader(
    written(("own.yaml", TAXONOMY), ("coarse.yaml", "name: coarse", "labels:", "  good: {}", "  bad: {}")),
    lambda folder, out: get_taxonomy(folder / "own.yaml").to_dict(),
)


STUDY = """languages: [en, de]
dataset: data
overlap: 2
images_per_person: 5
consent: {version: v1, boxes: [I agree]}
before:
  questions:
    - {id: age, text: "How old?", kind: number, low: 18}
    - {id: home, text: "Where?", kind: choice, options: [here, there], share: true}
practice: {images: [{image: 1.jpg, labels: [joy]}], pass: 1}
checks: {rate: 0.1, images: [{image: 2.jpg, labels: [awe]}], then: warn}
places: {people: 9, minutes: 30, per_answer: {home: {here: 4}}}
recruit: {panel: prolific, study: s1, codes: {completed: C1}, return_to: "https://panel.example/{code}"}
pay: {per_person: 3.50, paid_by_panel: [completed]}
labels: {joy: {name: Delight}}
help: ["lab@example.org"]
"""


def as_study(folder: Path) -> None:
    text(folder / "study.yaml", STUDY)
    text(folder / "study.de.yaml", "boxes: [Ja]", "before: {home: {text: 'Wo?', options: {here: hier, there: dort}}}")
    for name in ("consent", "instructions", "debriefing"):
        text(folder / f"{name}.md", "# Hello", "![one](3.jpg) [us](https://lab.example)")
        text(folder / f"{name}.de.md", "Hallo")


def study(folder: Path, out: Path) -> None:
    check(folder)
    found = read_study(folder)
    assert summary(found)
    make_task(Dataset.open(folder / found.file.dataset), found.file, folder)


READERS["study"] = Reader(part(*TABLES, also=as_study), study)


# Answers of other systems.

CHOICE = {"message": {"content": '{"labels": ["joy"]}'}, "finish_reason": "stop"}
RESPONSE = {"response": {"status_code": 200, "body": {"choices": [CHOICE]}}, "error": None}
ANSWERS: dict[str, list[Any]] = {
    "a.csv": ["image,labels", "1.jpg,joy|awe", "2.jpg,none", "3.jpg,"],
    "r.csv": ["image,joy,awe,fear", "1.jpg,.1,.5,.9", "2.jpg,0,0,1"],
    "a.jsonl": [
        {"image_id": "1.jpg", "labels": ["joy"]}, {"image": "2.jpg", "rates": {"joy": 0.5, "awe": 0.2}},
        {"image": "3.jpg", "reply": '{"labels": ["awe"]}'}, {"image": "4.jpg", "label": "awe"},
    ],
    "k.jsonl": [{"image": "4.jpg", "ranking": ["awe", "joy"]}],
    "b.jsonl": [{"custom_id": custom_id(f"{image}.jpg", 1), **RESPONSE} for image in (1, 2)],
}  # fmt: skip


def read_replies(folder: Path, out: Path) -> None:
    """Each line is a reply of its own; whatever stands there is labels or a reason."""
    words = Words(Taxonomy("own", LABELS))
    for said in (folder / "replies.txt").read_bytes().decode(errors="surrogateescape").split("\n\n"):
        with suppress(Unread):
            reply = parse_reply(said, words)
            assert reply.labels is not None or reply.numbers


READERS["replies"] = Reader(
    written(("replies.txt", '```json\n{"labels": ["joy", "Awe"]}\n```\n', "Joy; fear\n", '{"joy": true}\n',
             '[{"emotion": "fear", "present": "yes"}, {"label": "awe", "answer": false}]\n', "I cannot answer that.\n",
             '{"joy": 0.6, "awe": "25 %", "n": 20}\n', '[{"label": "joy", "share": 1}, {"name": "awe", "votes": 2}]\n',
             '{"votes": {"joy": "12 of 20"}, "reasoning": "A peak."}\n', '{"ranking": "joy > awe"}\n',
             '{"labels": [')),
    read_replies,
)  # fmt: skip


def read_answers(file: str, folder: Path, out: Path) -> None:
    """What is read can be: finite scores, shares and sets between 0 and 1, and reasons of ours."""
    dataset = SimpleNamespace(name="data", images=pd.DataFrame({"image_id": [f"{image}.jpg" for image in range(9)]}))

    def read(kind: str) -> None:
        targets = SimpleNamespace(taxonomy=Taxonomy("own", LABELS), kind=kind)
        said = read_file(Source("said", folder / file), dataset, targets, EvaluateConfig()).said
        assert {*said.received.problems} <= {*Why}
        assert np.isfinite(said.scores).all()
        for table in (said.often, said.shares, said.sets):
            assert table is None or ((table >= 0) & (table <= 1)).all()
        assert said.shape != "distribution" or np.allclose(said.shares.sum(axis=1), 1)
        assert said.sets is None or np.isin(said.sets, (0, 1)).all()

    with suppress(BadInput):
        read("distribution")
    read("rates")


for file, said in ANSWERS.items():
    rows = [row if isinstance(row, str) else json.dumps(row) for row in said]
    READERS[f"answers {file}"] = Reader(written((file, *rows)), partial(read_answers, file))


JUDGED = pd.DataFrame({
    "event_id": ["e1", "e2", "e3"], "image_id": ["1.jpg", "2.jpg", "1.jpg"], "annotator_id": ["ann", "ann", "bob"],
    "round": 1, "kind": ["labels", "none", "labels"], "labels": [["joy"], [], ["joy", "awe"]],
    "intensities": [[0.5], None, [1.0, 2.0]], "seconds": [1.5, None, 2.0], "note": [None, "a|b", None],
    "at": pd.to_datetime(["2026-01-01T00:00:00Z"] * 3),
})  # fmt: skip


def judged(name: str, folder: Path) -> None:
    columns = ["intensities"] if name.endswith(".json") else []
    write_judgements(JUDGED.drop(columns=columns), folder / name)


def read_judged(name: str, folder: Path, out: Path) -> None:
    given = open_source(str(folder / name))
    if len(given.judgements) and given.labels:
        aggregate(given.judgements, given.labels, "votes")


for file in ("j.csv", "j.jsonl", "j.json", "j.parquet"):
    READERS[f"judgements {file}"] = Reader(partial(judged, file), partial(read_judged, file))
READERS["judgements of a data set"] = Reader(
    part(*TABLES, also=lambda folder: parquet("data/annotators.parquet", annotator_id=["ann"], age=["30"])(folder)),
    partial(read_judged, "data"),
)


def task_of(images: int, where: Path | str = "sqlite://", **options: Any) -> LabelStore:
    """A task on so many images, in memory or in a file."""
    store = LabelStore(where)
    task = Task(labels=LABELS, question="What do you feel?", **options)
    store.init_task(task, [f"{image}.jpg" for image in range(images)])
    return store


def database(folder: Path) -> None:
    judged("j.parquet", folder)
    with task_of(4, folder / "t.db", overlap=2) as store:
        store.import_file(folder / "j.parquet", invite=True)
        store.claim("ann", 1)
    (folder / "j.parquet").unlink()
    with sqlite3.connect(folder / "t.db") as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()


SAID = {
    "id": "e1", "image": "1.jpg", "round": 1, "kind": "labels", "labels": ["joy"], "intensities": [2], "seconds": 1.5,
    "at": 1.8e9, "valence": 0.5, "arousal": -0.5, "note": "a note", "language": "en", "base_revision": 0, "seq": 1,
}  # fmt: skip


def as_message(folder: Path) -> None:
    """What the page sends: answers to two images, one of them corrected, and the wish for more."""
    changes = [{}, {"id": "e2", "base_revision": 1, "kind": "none", "labels": [], "intensities": None}]
    changes += [{"id": "e3", "image": "2.jpg", "kind": "skip", "labels": [], "intensities": None}]
    answers = [SAID | change for change in changes]
    answers = [answer | {"ticket": ticket("secret", "ann", answer["image"], 1)} for answer in answers]
    message = {"answers": answers, "want": 3, "round": 1, "history": True, "language": "de"}
    text(folder / "message.json", json.dumps(message))


def receive(folder: Path, out: Path) -> None:
    """A body of any kind is taken or refused by the page's route, never a failure of the server."""
    with task_of(9) as store:
        store.invite(["ann"])
        store.consent("ann")
        store.claim("ann", 3)
        tasks.current.use(tasks.LabelTask(None, store, Taxonomy("own", LABELS), "secret"))
        client = TestClient(Starlette(routes=make_routes(), exception_handlers=TOLD))
        headers = {"x-relabel-token": make_token("secret", "ann"), "content-type": "application/json"}
        reply = client.post("/relabel/sync", content=(folder / "message.json").read_bytes(), headers=headers)
        tasks.current.use(None)
        assert reply.status_code in (200, 400, 413), reply.text
        if reply.status_code == 200:
            stored = [receipt for receipt in reply.json()["receipts"] if receipt["status"] == "accepted"]
            assert set(store.events()["event_id"]) >= {receipt["id"] for receipt in stored}


READERS["message of the page"] = Reader(as_message, receive)


def as_backup(folder: Path) -> None:
    database(folder)
    (folder / "t.db").rename(folder / "of.db")
    with LabelStore(folder / "of.db") as store:
        write_backup(store, folder / "t.db")
    for path in folder.glob("of.db*"):
        path.unlink()


def read_back(folder: Path, out: Path) -> None:
    assert restore(folder / "t.db", out.with_suffix(".db")).counts["event"] == 3


def checked(folder: Path, out: Path) -> None:
    with LabelStore(folder / "t.db", must_exist=True, reads_only=True) as store:
        check_store(store)


READERS["backup"] = Reader(as_backup, read_back)
READERS["database that is checked"] = Reader(database, checked)
EXPORT: dict[str, Any] = {"target": "labels", "method": "votes", "rounds": "first", "images": None, "replace": True}


def labelled(folder: Path, out: Path) -> None:
    holds_task(folder / "t.db")
    with open_task(str(folder / "t.db")) as store:
        store.progress()
        store.history("ann")
        store.conflicts()
        store.decisions()
        export_store(store, out, **EXPORT)
    open_source(str(folder / "t.db"))


def exported(folder: Path, out: Path) -> None:
    """Answers are added to a data set that has some."""
    with task_of(3) as store:
        put({"j.parquet": files_of(READERS["judgements j.parquet"])["j.parquet"]}, out.parent)
        store.import_file(out.parent / "j.parquet", invite=True)
        shutil.rmtree(out.parent)
        export_store(store, folder / "data", **EXPORT)


def queued(name: str, folder: Path, out: Path) -> None:
    with task_of(24) as store:
        store.enqueue(images_to_queue(store, folder / name, 3, people=None))


READERS["database"] = Reader(database, labelled, works=True)
READERS["answers added to a data set"] = Reader(part(*TABLES), exported, changes=True)
READERS["queue run"] = Reader(part("run"), partial(queued, "run"))
READERS["queue ids.txt"] = Reader(written(("ids.txt", "1.jpg", "2.jpg")), partial(queued, "ids.txt"))
READERS["checks"] = Reader(
    written(("checks.csv", "image_id,accepted,forbidden", "1.jpg,joy|awe,fear", "2.jpg,joy,")),
    lambda folder, out: read_checks(folder / "checks.csv"),
)
