"""A whole study, on both engines and through a restart: people who complete it, leave, fail, decline or are late."""

from collections import Counter

import pandas as pd

from affectml_annotation import aggregate
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.study import door, pay, running, visits
from affectml_annotation.study.door import Ids
from affectml_annotation.study.screen import screen

from .studies import LABELS, come, label, pass_time, to_images

# 10 images, 6 people each, 5 per person: 12 people; 300 for one, 50 when screened out
CHANGES = {"overlap": 6, "places": {"people": 12, "minutes": 60 * 24}, "after": {"questions": []}}


def finish(store, who: str) -> None:
    label(store, who)
    visits.finish_images(store, who)
    assert visits.go_on(store, who, "debriefing").status == "completed"


def test_a_whole_study_comes_out_as_asked_and_is_paid_to_the_penny(opened, tmp_path):
    store = opened(**CHANGES)
    due = {}
    for n in range(3):  # three leave in the middle, after none, one and two of five images
        who = to_images(store, f"left{n}")
        label(store, who, n)
        visits.leave(store, who)
        due[f"left{n}"] = ("left", 60 * n)
    for n in range(2):  # two do not pass the practice
        who = come(store, f"failed{n}")
        visits.answer_questions(store, who, "before", {"age": "30+"})
        visits.go_on(store, who, "instructions")
        for _ in range(2):
            visits.practise(store, who, "i00", ["joy"])
        due[f"failed{n}"] = ("screened_out", 50)
    door.enter(store, Ids("declined"))
    door.decline(store)
    late = to_images(store, "late")
    label(store, late, 3)
    pass_time(store, 60 * 12)
    tomorrow = to_images(store, "tomorrow")
    label(store, tomorrow, 2)
    code = screen(store, tomorrow).resume_code
    for n in range(4):
        complete_without_questions(store, f"early{n}")
    store.close()

    store = opened()  # the next day, after a restart
    pass_time(store, 60 * 12 + 1)
    assert door.enter(store, Ids("tomorrow")).kind == "known"
    assert door.resume(store, Ids("tomorrow"), code) == tomorrow
    finish(store, tomorrow)
    assert visits.where(store, late).status == "timed_out"
    due["late"] = ("timed_out", 180)
    tabs, other = to_images(store, "tabs"), opened()
    for n in range(5):
        label(store if n % 2 else other, tabs, 1)
    finish(other, tabs)
    n = 0
    while door.enter(store, Ids("next")).kind == "consent":
        complete_without_questions(store, f"later{n}")
        n += 1
    while len(running.images_wanting(store)):  # what those left open who are gone, and who had seen it before
        running.more_places(store, 1, by="lead")
        complete_without_questions(store, f"more{n}")
        n += 1

    judgements = store.judgements()
    assert Counter(judgements["image_id"]) == dict.fromkeys([f"i{at:02d}" for at in range(2, 12)], 6)
    assert not judgements.duplicated(["image_id", "annotator_id"]).any()
    assert judgements["event_id"].is_unique
    rows = pay.pay_rows(store)
    due |= {row.person: ("completed", 300) for row in rows if row.person not in due}
    assert {row.person: (row.status, row.due) for row in rows} == due
    assert len(rows) == len({row.person for row in rows})
    assert sum(row.images for row in rows) == 60
    assert "declined" not in {row.person for row in rows}

    write_dataset_folder(
        tmp_path / "export", Collected.of(store), {"labels": lambda table: aggregate(table, LABELS, "votes")}
    )
    shared = pd.read_parquet(tmp_path / "export" / "annotators.parquet")
    assert set(shared.columns) == {"annotator_id", "age"}
    written = b"".join(path.read_bytes() for path in (tmp_path / "export").rglob("*") if path.is_file())
    assert [person for person in due if len(person) > 4 and person.encode() in written] == []


def complete_without_questions(store, person: str) -> None:
    finish(store, to_images(store, person))
