"""A study on the demo set: a folder as people write one, and its task in this process."""

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import yaml
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from affectml_annotation.study import door, visits
from affectml_annotation.study.door import Ids
from affectml_apps.relabel.identity import make_token
from affectml_apps.relabel.options import Options
from affectml_apps.relabel.task import LabelTask, open_task, use
from affectml_apps.relabel.web import make_routes
from affectml_apps.serving import Guard

HEADER = "x-relabel-token"
PRACTISED, PRACTISED_TOO, CHECK, WARNED = "000000", "000001", "000002", "000003"
LABELS = {PRACTISED: ["fear"], PRACTISED_TOO: ["awe"]}
AGE = {"id": "age", "text": "How old are you?", "kind": "choice", "options": ["18-29", "30+"]}
# Prolific's address, for ids of any form: names that a test can look for, where Prolific's have 24 hex digits.
PANEL = {"panel": "mturk", "ids": {"person": "PROLIFIC_PID", "study": "STUDY_ID", "session": "SESSION_ID"}}
FILE = {
    "overlap": 2,
    "images_per_person": 3,
    "minutes_per_image": 1,
    "seed": 4,
    "consent": {"boxes": ["I agree."]},
    "before": {"questions": [AGE]},
    "after": {"questions": [{"id": "why", "text": "Anything else?", "kind": "text", "required": False}]},
    "practice": {
        "images": [{"image": PRACTISED, "labels": ["fear"]}, {"image": PRACTISED_TOO, "labels": ["awe"]}],
        "feedback": "The text under the image says what to choose.",
    },
    "checks": {"rate": 0.1, "images": [{"image": CHECK, "labels": ["awe"]}]},
    "help": ["Call 116 123 at any time."],
    "places": {"people": 40, "minutes": 30},
    "recruit": {**PANEL, "study": "s1", "codes": {"completed": "DONE"}},
    "pay": {"per_person": "3.00", "per_screen_out": "0.50"},
}
TEXTS = {
    "consent": "# Taking part\n\nYou label images.",
    "instructions": f"# What to do\n\nChoose **every** feeling.\n\n![a painting]({PRACTISED})\n",
    "debriefing": "# Thank you\n\nThat was all.",
}


@pytest.fixture(autouse=True)
def same_participants(monkeypatch):
    """Participants get the same random ids in every run, and so the same images in the same order."""
    drawn = random.Random(0)
    monkeypatch.setattr("affectml_annotation.study.door.token_hex", lambda size: drawn.randbytes(size).hex())


@pytest.fixture(scope="session")
def study_folder(demo_set, tmp_path_factory):
    """`study_folder(**changes)`: a folder with a study on 20 paintings, one of which comes with a warning."""

    def make(**changes) -> Path:
        folder = tmp_path_factory.mktemp("study")
        root = demo_set(images=20, seed=5).root
        images = pq.read_table(root / "images.parquet")
        warnings = ["Blood is to be seen." if name == WARNED else None for name in images["image_id"].to_pylist()]
        pq.write_table(images.append_column("content_warning", [warnings]), root / "images.parquet")
        (folder / "study.yaml").write_text(yaml.safe_dump({**FILE, "dataset": str(root), **changes}))
        for name, text in TEXTS.items():
            (folder / f"{name}.md").write_text(text)
        return folder

    return make


@pytest.fixture
def study(study_folder, tmp_path):
    """`study(**changes)`: its task, which pages and routes of this process serve."""
    made = []

    def make(**changes) -> LabelTask:
        made.append(open_task(Options(study=study_folder(**changes), db=str(tmp_path / "study.db"))))
        use(made[-1])
        return made[-1]

    yield make
    use(None)
    for task in made:
        task.store.close()


class Participant:
    """Somebody who agreed, and what their browser asks for."""

    def __init__(self, task, person):
        self.store = task.store
        entry = door.enter(task.store, Ids(person))
        self.who = door.agree(task.store, Ids(person), entry.version, ["I agree."]).participant
        app = Starlette(routes=make_routes(), middleware=[Middleware(Guard)])
        self.client = TestClient(app, base_url="http://localhost:8501")
        self.client.headers[HEADER] = make_token(task.secret, self.who)
        self.made = 0

    def to(self, phase):
        """Go on to the practice, or to the images."""
        visits.answer_questions(self.store, self.who, "before", {"age": "30+"})
        visits.go_on(self.store, self.who, "instructions")
        for image, labels in LABELS.items() if phase == "images" else ():
            visits.practise(self.store, self.who, image, labels)
        assert self.phase == phase
        return self

    @property
    def phase(self):
        return visits.where(self.store, self.who).phase

    def say(self, *answers, status=200, **more):
        reply = self.client.post("/relabel/sync", json={"answers": list(answers), **more})
        assert reply.status_code == status, reply.text
        return reply.json()

    def image(self, image):
        return self.client.get("/relabel/image", params={"id": image}).status_code

    def answer(self, item, labels=("sadness",), **changes):
        self.made += 1
        given = {key: item[key] for key in ("image", "round", "ticket")} | {"base_revision": item["revision"]}
        kind = "labels" if labels else "none"
        return {**given, "id": f"{self.who}-{self.made}", "kind": kind, "labels": list(labels), **changes}

    def practise(self, item, labels, **changes):
        return self.say(self.answer(item, labels, **changes), phase="practice")


def rows(task, table):
    """All of a table."""
    with task.store.database.read() as connection:
        return list(connection.execute(sa.select(table)))
