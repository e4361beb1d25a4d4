"""A small study for the tests of several files: people who come, label, complete it; and time that passes."""

from pathlib import Path

import yaml

from affectml_annotation import Answer, LabelStore
from affectml_annotation.store import schema
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.door import Ids
from affectml_annotation.study.file import parse
from affectml_annotation.study.folder import FILE as STUDY_YAML
from affectml_annotation.study.folder import Study

from .tasks import LABELS

AGE = {"id": "age", "text": "How old are you?", "kind": "choice", "options": ["18-29", "30+"], "share": True}
WHY = {"id": "why", "text": "Anything else?", "kind": "text", "required": False}
# 12 images, less one to practise with and one check: 10 images, 2 people each, 5 per person: 4 people
FILE = {
    "overlap": 2,
    "images_per_person": 5,
    "minutes_per_image": 1,
    "consent": {"boxes": ["I agree."]},
    "before": {"questions": [AGE]},
    "after": {"questions": [WHY]},
    "practice": {"images": [{"image": "i00", "labels": ["fear"]}]},
    "checks": {"images": [{"image": "i01", "labels": ["joy"]}]},
    "recruit": {"panel": "prolific", "study": "s1", "codes": {"completed": "DONE", "screened_out": "OUT"}},
    "places": {"people": 4, "minutes": 30},
    "pay": {"per_person": "3.00", "per_screen_out": "0.50", "per_minute_over": "0.10", "paid_by_panel": ["completed"]},
}
TEXTS = dict.fromkeys(("consent", "instructions", "debriefing"), "Words.")


def study_with(**changes) -> Study:
    in_parts = {name: FILE[name] for name in changes if isinstance(FILE.get(name), dict)}
    parts = {name: {**in_parts[name], **value} if name in in_parts else value for name, value in changes.items()}
    return Study(parse({**FILE, **parts}, "study.yaml"), TEXTS)


def open_study(database_url: str, images: int = 12, **changes) -> LabelStore:
    """A store in which the study runs, on so many images, with these changes of the file where it is new."""
    store = LabelStore(database_url)
    if not store.has_task:
        study = study_with(**changes)
        file = study.file.but(labels=LABELS, question="?", seed=changes.get("seed", 3))
        ids = [f"i{n:02d}" for n in range(images)]
        store.init_task(file, ids, texts=study.texts, apart=study.apart)
        running.open_study(store, study, by="lead")
    return store


def come(store, person: str, **more) -> str:
    """Somebody of the panel comes and agrees; the participant."""
    ids = Ids(person)
    entry = door.enter(store, ids)
    assert entry.kind == "consent"
    return door.agree(store, ids, entry.version, ["I agree."], **more).participant


def to_practice(store, person: str, age: str = "30+", language: str | None = None, **answers: str) -> str:
    who = come(store, person, language=language)
    visits.answer_questions(store, who, "before", {"age": age, **answers})
    assert visits.go_on(store, who, "instructions").phase == "practice"
    return who


def to_images(store, person: str, age: str = "30+", practised: str = "i00", **more: str) -> str:
    who = to_practice(store, person, age, **more)
    assert visits.practise(store, who, practised, ["fear"]).visit.phase == "start"
    assert visits.go_on(store, who, "start").phase == "images"
    return who


def label(store, who: str, most: int = 99, labels=("awe",)) -> list[str]:
    """Label images until none comes; which they were."""
    done = []
    while len(done) < most and (claims := store.claim(who, min(9, most - len(done)))):
        given = [Answer(claim.image_id, who, "labels", tuple(labels)) for claim in claims]
        assert {receipt.status for receipt in store.submit(given)} == {"accepted"}
        done += [claim.image_id for claim in claims]
    return done


def finish(store, who: str) -> None:
    """From the last image to the end."""
    assert visits.finish_images(store, who).phase == "after"
    visits.answer_questions(store, who, "after", {"why": "no"})
    assert visits.go_on(store, who, "debriefing").status == "completed"


def complete(store, person: str, age: str = "30+") -> str:
    who = to_images(store, person, age)
    label(store, who)
    finish(store, who)
    return who


def pass_time(store, minutes: float) -> None:
    """All that happened was so much longer ago."""
    ms = round(minutes * 60_000)
    with store.database.write() as connection:
        for table, names in (
            (schema.visit, ("entered_at", "seen_at", "place_until")),
            (schema.assignment, ("claimed_at", "lease_until")),
            (schema.study_link, ("ends_at",)),
        ):
            connection.execute(table.update().values({name: table.c[name] - ms for name in names}))


def write_file(folder: Path, **changes: object) -> None:
    """Change keys of a folder's study.yaml, and of a part of it those alone that are named."""
    content = yaml.safe_load((folder / STUDY_YAML).read_text(encoding="utf-8"))
    for name, value in changes.items():
        parts = isinstance(content[name], dict) and isinstance(value, dict)
        content[name] = {**content[name], **value} if parts else value
    (folder / STUDY_YAML).write_text(yaml.safe_dump(content), encoding="utf-8")
