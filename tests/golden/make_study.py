"""A study's database as it stands in mid-work: two languages, checks, people who leave."""

import random
from pathlib import Path

import numpy as np
from annotation.studies import LABELS, TEXTS, finish, open_study, study_with, to_images
from make_labels import START, write_said

from affectml_annotation import Answer, LabelStore, write_judgements
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.folder import Study

FILE = {
    "name": "study",
    "languages": ["en", "de"],
    "overlap": 4,
    "images_per_person": 18,
    "checks": {"rate": 0.05},
    "places": {"people": 14, "minutes": 20160},
}
IMAGES, PEOPLE = 72, 14


def make_study(folder: Path) -> None:
    """labels.db of the study and what it says."""
    folder.mkdir()
    drawn = random.Random(0)
    door.token_hex = lambda size: drawn.randbytes(size).hex()
    rng = np.random.default_rng(23)
    tastes = rng.beta(1.5, 2.5, size=(IMAGES, len(LABELS)))
    with open_study(f"sqlite:///{folder / 'labels.db'}", images=IMAGES, **FILE) as store:
        running.open_study(store, Study(study_with(**FILE).file, TEXTS | {"consent.de": "Worte."}), by="lead")
        for person in range(PEOPLE):
            age, language = ("18-29", "30+")[person % 2], ("en", "de")[person % 3 == 0]
            who = to_images(store, f"{person:024x}", age, language=language)
            _label(store, who, rng, tastes, language, 5 if person == PEOPLE - 1 else 99)
            if person == PEOPLE - 2:
                visits.leave(store, who)
            elif person < PEOPLE - 2:
                finish(store, who)
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
