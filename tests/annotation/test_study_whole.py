"""A whole study, on both engines and through a restart: people who complete it, leave, fail, decline or are late."""

from collections import Counter
from collections.abc import Iterator
from itertools import cycle

import pandas as pd

from affectml_annotation import Answer, aggregate
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.judgements import only_data
from affectml_annotation.store.checking import check_store
from affectml_annotation.store.schema import now_ms
from affectml_annotation.store.visits import seen, visit_of
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


# 26 images, less one to practise with and one check: 24, which 3 people each are to answer, 6 per person. i02 disturbs
# everybody. Announced: a quarter for each of two questions, one minute to practise, 6 / .8 images: 9 minutes.
CROWD = {
    "images": 26, "overlap": 3, "images_per_person": 6,
    "places": {"people": 40, "minutes": 30, "per_answer": {"age": {"18-29": 4}}},
    "checks": {"rate": 0.2, "images": [{"image": "i01", "labels": ["joy"]}]},
    "pay": {"per_person": "3.10", "per_screen_out": "0.35", "per_minute_over": "0.10", "paid_by_panel": ["completed"]},
}  # fmt: skip
SHARE = {0: 0, 1: 52, 2: 104, 3: 155, 4: 207, 5: 259}  # of 310 for so many of 6 images, rounded up
DISTURBING = "i02"
# How many images they answer before they leave, or are away for too long; the others complete.
GONE = {3: ("left", 0), 6: ("left", 1), 8: ("timed_out", 2), 10: ("left", 3), 13: ("left", 4), 15: ("timed_out", 5)}
FAIL, YOUNG, SLOW = {4, 11}, {0, 1, 2, 5, 7, 9}, {12, 17}


def say_what_they_feel(store, who: str, most: int, kinds: Iterator[str]) -> tuple[int, list[tuple[str, str]]]:
    """Answer images as they come; how many were no checks, and what was said of which."""
    said = []
    while sum(image != "i01" for image, _ in said) < most and (claims := store.claim(who, 1)):
        image = claims[0].image_id
        kind = "labels" if image == "i01" else "skip" if image == DISTURBING else next(kinds)
        given = Answer(image, who, kind, {"labels": ("joy",)}.get(kind, ()))
        assert store.submit([given])[0].status == "accepted"
        said.append((image, kind))
    return sum(image != "i01" for image, _ in said), said


def test_24_people_are_paid_to_the_penny_and_every_image_has_the_answers_it_wants(opened, tmp_path):
    store = opened(**CROWD)
    kinds = cycle(["labels", "none", "labels", "unsure", "labels", "none", "labels", "labels", "labels", "skip"])
    due, said, young = {}, [], 0
    for n in range(24):
        person = f"person {n}"
        who = come(store, person)
        visits.answer_questions(store, who, "before", {"age": "18-29" if n in YOUNG else "30+"})
        if visits.where(store, who).status == "quota_full":  # the first four who are young have their places
            assert young == 4
            due[person] = ("quota_full", 35, 0)
            continue
        young += n in YOUNG
        visits.go_on(store, who, "instructions")
        if n in FAIL:
            for _ in range(2):
                visits.practise(store, who, "i00", ["joy"])
            due[person] = ("screened_out", 35, 0)
            continue
        visits.practise(store, who, "i00", ["fear"])
        status, most = GONE.get(n, ("completed", 6))
        done, theirs = say_what_they_feel(store, who, most, kinds)
        said += theirs
        if status != "completed":
            assert done == most
            visits.leave(store, who) if status == "left" else pass_time(store, 31)
            assert visits.where(store, who).status == status
            due[person] = (status, SHARE[done], 0)
            continue
        for _ in range(3 if n in SLOW else 0):
            pass_time(store, 3.9)  # 11.7 minutes and what the test takes, so that a third one beyond nine is begun
            visits.where(store, who)
            with store.database.write() as connection:
                seen(connection, visit_of(connection, who), now_ms())
        visits.finish_images(store, who)
        visits.answer_questions(store, who, "after", {})
        visits.go_on(store, who, "debriefing")
        due[person] = ("completed", 310 + (30 if n in SLOW else 0), 310)
    assert Counter(status for status, *_ in due.values()) == {
        "completed": 14, "left": 4, "timed_out": 2, "screened_out": 2, "quota_full": 2,
    }  # fmt: skip
    rows = pay.pay_rows(store)
    assert {row.person: (row.status, row.due, row.by_panel) for row in rows} == due
    assert sum(row.due for row in rows) == 14 * 310 + 2 * 30 + 4 * 35 + 0 + 52 + 104 + 155 + 207 + 259
    answers = Counter(image for image, kind in said if kind in ("labels", "none") and image != "i01")
    assert answers == dict.fromkeys([f"i{at:02d}" for at in range(3, 26)], 3)
    assert sum(image == DISTURBING for image, _ in said) == 6  # as many as overlap and skips together, and no more
    assert {kind for _, kind in said} == {"labels", "none", "unsure", "skip"}
    assert store.skipped_images() == [DISTURBING]
    assert running.images_wanting(store).empty
    assert door.enter(store, Ids("one more")).kind == "full"
    assert {one.invariant for one in check_store(store)} == {"assignment.claimed_at"}  # which `pass_time` moves
    votes = {"labels": lambda table: aggregate(table, LABELS, "votes")}
    write_dataset_folder(tmp_path / "export", Collected.of(store), votes)
    for file in ("images", "annotations", "targets-labels"):  # neither the check nor the image to practise with
        assert not {"i00", "i01"} & set(pd.read_parquet(tmp_path / "export" / f"{file}.parquet")["image_id"])
    assert pd.read_parquet(tmp_path / "export" / "targets-labels.parquet")["n"].tolist() == [3] * 23
    data, apart = only_data(store.judgements())
    assert len(data) == sum(image not in ("i00", "i01") for image, _ in said)
    assert "check" in apart[0]
