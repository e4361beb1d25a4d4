"""A study on the demo set: a folder as people write one, and its task in this process."""

import random
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import yaml
from starlette.middleware import Middleware

from affectml_annotation import LabelStore
from affectml_annotation.store.schema import panel
from affectml_annotation.study import door, visits
from affectml_annotation.study.door import Ids
from affectml_apps.relabel.identity import read_secret
from affectml_apps.relabel.pages import navigation
from affectml_apps.relabel.study import entrance
from affectml_apps.relabel.study import page as study_page
from affectml_apps.relabel.study.exchange import names_of

from ...annotation.studies import AGE, FILE  # noqa: F401, TID252
from ..conftest import Caller, Person, answer_to, say  # noqa: TID252
from ..reading import page, run  # noqa: TID252

PRACTISED, PRACTISED_TOO, CHECK, WARNED = "000000", "000001", "000002", "000003"
LABELS = {PRACTISED: ["fear"], PRACTISED_TOO: ["awe"]}
# Prolific's address, for ids of any form: names that a test can look for, where Prolific's have 24 hex digits.
PANEL = {"panel": "mturk", "ids": {"person": "PROLIFIC_PID", "study": "STUDY_ID", "session": "SESSION_ID"}}
IDS = {"PROLIFIC_PID": "SECRET-ID", "STUDY_ID": "s1", "SESSION_ID": "once"}
FILE = {
    **FILE,
    "images_per_person": 3,
    "seed": 4,
    "practice": {
        "images": [{"image": image, "labels": labels} for image, labels in LABELS.items()],
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
def study(study_folder, serve):
    """`study(**changes)`: its task, which pages and routes of this process serve."""

    return lambda **changes: serve(None, study=study_folder(**changes))


@pytest.fixture
def store(server):
    """The label store of the module's server."""
    return server.store


@pytest.fixture
def see(monkeypatch):
    """`see("ann")`: the page as somebody with this id has it, on their own device or another; or the lead's."""

    def open_(person, own="laptop", *, lead=False, ids=(), **address):
        given = {"PROLIFIC_PID": person, "STUDY_ID": "s1", **dict(ids)}
        visitor = person and entrance.Visitor(given, own)
        for module in (navigation, study_page):
            monkeypatch.setattr(module, "visitor_of", lambda task, cookies: visitor)
        if lead:
            return run("from affectml_apps.relabel.study import page\npage.lead()\n")
        return page(**address)

    return open_


def answer_all(store, who):
    say(store, who, 99, "awe", seconds=4.0)
    visits.finish_images(store, who)


STEPS = {
    "before": lambda store, who: visits.answer_questions(store, who, "before", {"age": "30+"}),
    "instructions": lambda store, who: visits.go_on(store, who, "instructions"),
    "practice": lambda store, who: [visits.practise(store, who, *each) for each in LABELS.items()],
    "start": lambda store, who: visits.go_on(store, who, "start"),
    "images": answer_all,
    "after": lambda store, who: visits.answer_questions(store, who, "after", {}),
    "debriefing": lambda store, who: visits.go_on(store, who, "debriefing"),
}


def agree(store: LabelStore, person: str, own: str = "laptop", **more: str) -> str:
    """Somebody with this id of the panel agrees to take part, on a device of their own; who they are."""
    entry = door.enter(store, Ids(person))
    return door.agree(store, Ids(person), entry.version, ["I agree."], own, **more).participant


def bring(store: LabelStore, who: str, to: str = "code") -> str:
    """Bring somebody to a later phase, or through the study, by what each phase in between asks for."""
    for phase, step in STEPS.items():
        if phase == visits.where(store, who).phase != to:
            step(store, who)
    assert visits.where(store, who).phase == to
    return who


class Browser(Caller):
    """A browser as far as the server knows one: its cookies, and what it finds at the door."""

    def __init__(self, task, **address):
        super().__init__(task, "nobody", Middleware(entrance.Entrance, task=task))
        if address:
            self.open(**address)

    def open(self, **address):
        reply = self.get("/", params=address)
        assert (reply.status_code, reply.headers["location"]) == (303, "/")
        return self

    @property
    def visitor(self):
        return entrance.visitor_of(self.task, {name: self.cookie(name) for name in self.cookies})

    def cookie(self, name):
        """As the server reads it: quoted, where it has an equals sign."""
        return self.cookies[name].strip('"')

    @property
    def found(self):
        return entrance.enter(self.task, self.visitor)

    def agree(self):
        ids = entrance.ids_of(self.task, self.visitor)
        who = door.agree(self.task.store, ids, self.found.version, ["I agree."], self.visitor.own).participant
        self.be(who)
        return who

    def back(self):
        """Where the way back to the panel leads."""
        reply = self.get("/relabel/return")
        assert reply.status_code == 303
        return reply.headers["location"]


class Participant(Caller):
    """Somebody who agreed, and what their browser asks for."""

    def __init__(self, task, person):
        self.store, self.who, self.made = task.store, agree(task.store, person), 0
        self.names = browsers_names(task.store, self.who)
        super().__init__(task, self.who)

    def to(self, phase):
        """Go on to a later phase."""
        bring(self.store, self.who, phase)
        return self

    @property
    def phase(self):
        return visits.where(self.store, self.who).phase

    def say(self, *answers, status=200, **more):
        """With the ids of images, where a browser has names of its own for them."""
        sent = [{**answer, "image": self.names.get(answer["image"], answer["image"])} for answer in answers]
        reply = super().say(*sent, status=status, **more)
        ids = {name: image for image, name in self.names.items()}
        for item in [*reply.get("items", []), *reply.get("past", [])]:
            item["image"] = ids[item["image"]]
        return reply

    def image(self, image, **more):
        return self.get("/relabel/image", params={"id": self.names[image], **more})

    def shown(self, images):
        """Those of the images that they are shown; any other is forbidden to them."""
        statuses = {image: self.image(image).status_code for image in images}
        assert set(statuses.values()) <= {200, 403}
        return {image for image, status in statuses.items() if status == 200}

    def answer(self, item, labels=("sadness",), **changes):
        self.made += 1
        return answer_to(item, f"{self.who}-{self.made}", labels, **changes)

    def practise(self, item, labels, **changes):
        return self.say(self.answer(item, labels, **changes), phase="practice")


def browsers_names(store, who):
    """By image id, what the browser of a participant calls it."""
    task = SimpleNamespace(store=store, secret=read_secret(store))
    return names_of(task, who, store.images()["image_id"])


class AtImages(Person):
    """A participant in front of the labelling page; images by their ids."""

    @cached_property
    def names(self):
        return browsers_names(self.server.store, self.who)

    def ready(self, *, after=None):
        return super().ready(after=after and self.names[after])

    @property
    def image(self):
        return {name: image for image, name in self.names.items()}[super().image]


def participant(store, person):
    """Who somebody is whom the panel knows by this id; None where nobody with it agreed."""
    with store.database.read() as connection:
        return connection.scalar(sa.select(panel.c.annotator_id).where(panel.c.person == person))


def rows(task, table):
    """All of a table."""
    with task.store.database.read() as connection:
        return list(connection.execute(sa.select(table)))
