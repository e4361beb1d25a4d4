"""Whatever people and the lead may do with a task, drawn at random: for tests of what must hold whatever they do."""

import random
import time
from collections import Counter
from contextlib import suppress

import pandas as pd
import sqlalchemy as sa

from affectml_annotation import AnnotationError, Answer
from affectml_annotation.store import people, schema
from affectml_annotation.study import door, visits

from .studies import open_study
from .tasks import LABELS, rows

DRAWN = {  # what is done, and how often
    "claim": 25, "answer": 40, "correct": 6, "meet_another": 4, "wait": 4, "come": 4, "go_through": 6,
    "leave": 1, "invite": 3, "uninvite": 1, "withdraw": 1, "undo": 1, "erase": 0.5, "resolve": 3, "again": 3,
    "release": 2, "enqueue": 1, "steer": 0.7, "add_images": 1, "add_checks": 0.3,
    "open_round": 0.2, "take_in": 0.7,
}  # fmt: skip
AT_ONCE = 14  # people


class Anything:
    """A study of 60 images that participants and invited people label. `done` counts what was done, refusals left out.

    monkeypatch: moves the clock, which goes on by a few seconds with each deed.
    """

    def __init__(self, database_url, seed, monkeypatch, folder):
        self.draw, self.folder, self.now = random.Random(seed), folder, time.time_ns()
        monkeypatch.setattr(time, "time_ns", lambda: self.now)
        self.store = open_study(
            database_url, images=60, overlap=2, images_per_person=12, places={"people": 10_000, "minutes": 30},
            checks={"images": [{"image": "i01", "labels": ["joy"]}], "rate": 0.1, "failed": 2, "then": "end"},
        )  # fmt: skip
        self.store.change_task(repeats={"rate": 0.1, "gap": 2})
        self.store.open_round()
        self.claims, self.sent, self.named, self.done = {}, [], 0, Counter()

    def do(self, deeds):
        names, weights = list(DRAWN), list(DRAWN.values())
        for name in self.draw.choices(names, weights, k=deeds):
            self.now += self.draw.randrange(8) * 1_000_000_000
            with suppress(AnnotationError, IndexError):  # refused, or nothing is there to do it with
                getattr(self, name)()
                self.done[name] += 1

    def ids(self, column, *where):
        with self.store.database.read() as connection:
            return list(connection.scalars(sa.select(column).where(*where).order_by(column)))

    def one(self):
        """One of the last who came."""
        people = sa.select(schema.annotator.c.annotator_id).order_by(schema.annotator.c.number.desc())
        with self.store.database.read() as connection:
            return self.draw.choice(list(connection.scalars(people.limit(AT_ONCE))))

    def image(self):
        return self.draw.choice(self.ids(schema.image.c.image_id))

    def give(self, image, who, **more):
        kind = self.draw.choice(["labels", "labels", "labels", "none", "skip"])
        chosen = tuple(self.draw.sample(LABELS, self.draw.randint(1, 2))) if kind == "labels" else ()
        visible = self.draw.choice([None, None, None, True, False])
        self.sent.append(Answer(image, who, kind, chosen, suggestions_visible=visible, **more))
        self.done[self.store.submit([self.sent[-1]])[0].status] += 1

    def claim(self):
        who, number = self.one(), self.draw.choice([1, 1, 1, 1, self.draw.choice(self.ids(schema.round_.c.number))])
        count, most = self.draw.randint(1, 6), self.draw.choice([None, None, 3])
        given = self.store.claim(who, count, round_number=number, most=most)
        self.claims.setdefault(who, []).extend(given)

    def answer(self):
        """What somebody was given at any time: in time, too late, or again."""
        who = self.draw.choice([who for who, claims in self.claims.items() if claims])
        given = self.claims[who].pop(self.draw.randrange(len(self.claims[who])))
        self.give(given.image_id, who, round=given.round, base_revision=given.revision)

    def correct(self):
        row = self.draw.choice(rows(self.store, schema.answer))
        self.give(row.image_id, row.annotator_id, round=row.round, base_revision=row.revision)

    def meet_another(self):
        before = self.draw.choice(self.sent)
        self.give(before.image_id, before.annotator_id, round=before.round, base_revision=before.base_revision)

    def again(self):
        self.store.submit(self.draw.choices(self.sent, k=2))

    def resolve(self):
        still = self.ids(schema.conflict.c.event_id, schema.conflict.c.resolved_at.is_(None))
        self.store.resolve_conflict(self.draw.choice(still), keep=self.draw.random() < 0.7, by="lead")

    def wait(self):
        self.now += self.draw.choice([2, 20, 45]) * 60_000_000_000

    def come(self):
        self.named += 1
        who = door.agree(self.store, door.Ids(f"panel-{self.named}"), 1, ["I agree."]).participant
        for _ in range(self.draw.choice([0, 1, 4, 4, 4])):
            self.go_on(who)

    def go_through(self):
        self.go_on(self.one())

    def go_on(self, who):
        at = visits.where(self.store, who)
        step = {
            "before": lambda: visits.answer_questions(self.store, who, "before", {"age": "30+"}),
            "instructions": lambda: visits.go_on(self.store, who, "instructions"),
            "practice": lambda: visits.practise(self.store, who, "i00", ["fear"]),
            "start": lambda: visits.go_on(self.store, who, "start"),
            "images": lambda: visits.finish_images(self.store, who),
            "after": lambda: visits.answer_questions(self.store, who, "after", {"why": "no"}),
            "debriefing": lambda: visits.go_on(self.store, who, "debriefing"),
        }
        step[at.phase]()

    def leave(self):
        visits.leave(self.store, self.one())

    def invite(self):
        self.named += 1
        self.store.invite([f"person-{self.named}"])

    def uninvite(self):
        self.store.uninvite([self.one()])

    def withdraw(self):
        self.store.withdraw(self.one(), proven=self.draw.random() < 0.5)

    def undo(self):
        self.store.undo_withdrawal(self.draw.choice(self.store.undoable_withdrawals()))

    def erase(self):
        who = self.one()
        self.store.database.writing(people.erase, who)
        self.store.database.writing(people.cleaned)

    def release(self):
        self.store.release_expired()
        visits.give_back_places(self.store)

    def enqueue(self):
        images = [self.image() for _ in range(3)]
        self.store.steer(queue=images, more=self.draw.choice([None, 1, 2]), lower=self.draw.random() < 0.3)

    def steer(self):
        overlap = self.draw.choice([2, 3, 4])
        strategy = self.draw.choice(["random", "fill", "stratified", "queue"])
        self.store.steer(changes={"overlap": overlap, "strategy": strategy}, lower=self.draw.random() < 0.3)

    def add_images(self):
        there = len(self.ids(schema.image.c.position))
        self.store.add_images(pd.DataFrame({"image_id": [f"i{there + n:02d}" for n in range(5)]}))

    def add_checks(self):
        self.store.add_checks(pd.DataFrame({"image_id": [self.image()], "accepted": [["joy"]], "forbidden": [[]]}))

    def open_round(self):
        images = [self.image() for _ in range(20)]
        self.store.open_round(sorted({*images}))

    def take_in(self):
        """A file of judgements comes in, of people who hold an image, have one, withdrew, or are new."""
        self.named += 1
        file = self.folder / f"{self.named}.csv"
        who = self.draw.choice([self.one(), f"person-{self.named}"])
        number = self.draw.choice([1, 1, 2, 3])
        lines = [f"{image},{who},{number},labels,awe" for image in sorted({self.image() for _ in range(3)})]
        file.write_text("\n".join(["image_id,annotator_id,round,kind,labels", *lines]))
        self.store.import_file(file, invite=True)
