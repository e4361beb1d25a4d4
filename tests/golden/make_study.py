"""A study's database as it stands in mid-work: two languages, checks, people who leave."""

import random
from pathlib import Path

import numpy as np
from make_labels import write_said

from affectml_annotation import Answer, LabelStore, write_judgements
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.door import Ids
from affectml_annotation.study.file import parse
from affectml_annotation.study.folder import Study

LABELS = ("awe", "fear", "joy")
START = 1_767_600_000.0
AGE = {"id": "age", "text": "How old are you?", "kind": "choice", "options": ["18-29", "30+"], "share": True}
FILE = {
    "languages": ["en", "de"],
    "overlap": 4,
    "images_per_person": 18,
    "consent": {"boxes": ["I agree."]},
    "before": {"questions": [AGE]},
    "after": {"questions": [{"id": "why", "text": "Anything else?", "kind": "text", "required": False}]},
    "practice": {"images": [{"image": "i000", "labels": ["fear"]}]},
    "checks": {"rate": 0.05, "images": [{"image": "i001", "labels": ["joy"]}]},
    "recruit": {"panel": "prolific", "study": "s1", "codes": {"completed": "DONE"}},
    "places": {"people": 14, "minutes": 20160},
    "pay": {"per_person": "3.00"},
}  # fmt: skip
TEXTS = dict.fromkeys(("consent", "instructions", "debriefing"), "Words.") | {"consent.de": "Worte."}
IMAGES, PEOPLE = 72, 14


def make_study(folder: Path) -> None:
    """labels.db of the study and what it says."""
    folder.mkdir()
    drawn = random.Random(0)
    door.token_hex = lambda size: drawn.randbytes(size).hex()
    rng = np.random.default_rng(23)
    study = Study(parse(FILE, "study.yaml"), TEXTS)
    tastes = rng.beta(1.5, 2.5, size=(IMAGES, len(LABELS)))
    with LabelStore(folder / "labels.db") as store:
        file = study.file.but(labels=LABELS, question="What do you feel?", name="study", seed=3)
        images = [f"i{n:03d}" for n in range(IMAGES)]
        store.init_task(file, images, texts=study.texts, apart=study.apart)
        running.open_study(store, study, by="lead")
        for person in range(PEOPLE):
            ids = Ids(f"{person:024x}")
            version, language = door.enter(store, ids).version, ("en", "de")[person % 3 == 0]
            who = door.agree(store, ids, version, ["I agree."], language=language).participant
            visits.answer_questions(store, who, "before", {"age": ("18-29", "30+")[person % 2]})
            visits.go_on(store, who, "instructions")
            visits.practise(store, who, "i000", ["fear"])
            visits.go_on(store, who, "start")
            _label(store, who, rng, tastes, language, 5 if person == PEOPLE - 1 else 99)
            if person == PEOPLE - 2:
                visits.leave(store, who)
            elif person < PEOPLE - 2:
                visits.finish_images(store, who)
                visits.answer_questions(store, who, "after", {"why": "no"})
                visits.go_on(store, who, "debriefing")
        _write_said(store, folder)
    for left in folder.glob("labels.db-*"):
        left.unlink()


def _label(store, who: str, rng, tastes, language: str, most: int) -> None:
    done = 0
    while done < most and (claims := store.claim(who, 1)):
        image = claims[0].image_id
        labels = tuple(np.array(LABELS)[rng.random(len(LABELS)) < tastes[int(image[1:])]])
        kind = "unsure" if rng.random() < 0.03 else "labels" if labels else "none"
        given = Answer(
            image, who, kind, labels if kind == "labels" else (), event_id=f"{who[:6]}-{done:02d}",
            at=START + 60 * done, seconds=4.5, language=language,
        )  # fmt: skip
        [receipt] = store.submit([given])
        assert receipt.status == "accepted", receipt
        done += 1


def _write_said(store: LabelStore, folder: Path) -> None:
    names = ("judgements", "events", "images", "annotators", "rounds", "checks")
    tables = {name: getattr(store, name)() for name in names}
    progress = {name: value for name, value in vars(store.progress()).items() if isinstance(value, int)}
    write_said(store, folder, tables, {"progress": progress})
    write_judgements(tables["judgements"], folder / "judgements.csv")
