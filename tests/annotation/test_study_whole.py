"""On both engines: a whole study, through a restart; ids however they are written; and many who come at once."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, cycle

import pandas as pd

from affectml_annotation import Answer, LabelStore
from affectml_annotation.erasing import erase_people, named_by
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.judgements import only_data
from affectml_annotation.store import people, schema
from affectml_annotation.store.checking import check_store
from affectml_annotation.store.claims import seen, visit_of
from affectml_annotation.store.schema import now_ms
from affectml_annotation.study import door, pay, running, visits
from affectml_annotation.study.door import Ids, NotInStudy
from affectml_annotation.study.screen import screen

from .studies import come, finish, label, pass_time, study_with, to_images
from .tasks import at_once, by, new_task, refused, rows

# 26 images, less one to practise with and one check: 24, which 3 people each are to answer, 6 per person. i02 disturbs
# everybody. Announced: a quarter for each of two questions, one minute to practise, 6 images and a check: 9 minutes.
CROWD = {
    "images": 26, "overlap": 3, "images_per_person": 6,
    "places": {"people": 40, "minutes": 30, "per_answer": {"age": {"18-29": 4}}},
    "checks": {"rate": 0.2, "images": [{"image": "i01", "labels": ["joy"]}]},
    "pay": {"per_person": "3.10", "per_screen_out": "0.35", "per_minute_over": "0.10", "paid_by_panel": ["completed"]},
}  # fmt: skip
SHARE = {0: 0, 1: 45, 2: 89, 3: 133, 4: 178, 5: 222, 6: 266}  # of 310 for so many of 6 images and a check, rounded up
DISTURBING = "i02"
# How many images they answer before they leave, or are away for too long; the others complete.
GONE = {3: ("left", 0), 6: ("left", 1), 8: ("timed_out", 2), 10: ("left", 3), 13: ("left", 4), 15: ("timed_out", 5)}
FAIL, YOUNG, SLOW, BACK, TWO_TABS = {4, 11}, {0, 1, 2, 5, 7, 9}, {12, 17}, 14, 18


def say_what_they_feel(store, who: str, most: int, kinds: Iterator[str], said: list, other=None) -> int:
    """Answer images, in two tabs by turns, and add to `said`: up to so many that are no checks, which are counted."""
    tabs = cycle([store, other or store])

    def done() -> int:
        return sum(one == who and image != "i01" for one, image, _ in said)

    while done() < most and (claims := (tab := next(tabs)).claim(who, 3)):
        given = []
        for image in [claim.image_id for claim in claims][: most - done()]:
            kind = "labels" if image == "i01" else "skip" if image == DISTURBING else next(kinds)
            given.append(Answer(image, who, kind, {"labels": ("joy",)}.get(kind, ())))
        assert {receipt.status for receipt in tab.submit(given)} == {"accepted"}
        said += [(who, answer.image_id, answer.kind) for answer in given]
    return done()


def test_24_people_are_paid_to_the_penny_and_every_image_has_the_answers_it_wants(opened, tmp_path):
    store = opened(**CROWD)
    kinds = cycle(["labels", "none", "labels", "unsure", "labels", "none", "labels", "labels", "labels", "skip"])
    due, said, young = {}, [], 0
    assert door.enter(store, Ids("declined")).kind == "consent"
    door.decline(store)
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
        visits.go_on(store, who, "start")
        if n == BACK:
            say_what_they_feel(store, who, 2, kinds, said)
            code = screen(store, who).resume_code
            store.close()
            store = opened()  # after a restart
            assert door.enter(store, Ids(person)).kind == "known"
            assert door.resume(store, Ids(person), code) == who
        status, most = GONE.get(n, ("completed", 6))
        done = say_what_they_feel(store, who, most, kinds, said, other=opened() if n == TWO_TABS else store)
        if status != "completed":
            assert done == most
            visits.leave(store, who) if status == "left" else pass_time(store, 31)
            assert visits.where(store, who).status == status
            due[person] = (status, SHARE[sum(one == who for one, *_ in said)], 0)
            continue
        for _ in range(3 if n in SLOW else 0):
            pass_time(store, 3.9)  # 11.7 minutes and what the test takes, so that a third one beyond nine is begun
            visits.where(store, who)
            with store.database.write() as connection:
                seen(connection, visit_of(connection, who), now_ms())
        finish(store, who)
        due[person] = ("completed", 310 + (30 if n in SLOW else 0), 310)
    ends = {"completed": 14, "left": 4, "timed_out": 2, "screened_out": 2, "quota_full": 2}
    assert Counter(status for status, *_ in due.values()) == ends
    rows = pay.pay_rows(store)
    assert {row.person: (row.status, row.due * 100, row.by_panel * 100) for row in rows} == due
    assert len(rows) == len(due)
    shares = [amount for status, amount, _ in due.values() if status in ("left", "timed_out")]
    assert sum(row.due for row in rows) * 100 == 14 * 310 + 2 * 30 + 4 * 35 + sum(shares)
    answers = Counter(image for _, image, kind in said if kind in ("labels", "none") and image != "i01")
    assert answers == dict.fromkeys([f"i{at:02d}" for at in range(3, 26)], 3)
    assert sum(image == DISTURBING for _, image, _ in said) == 6  # as many as overlap and skips together, and no more
    assert {kind for *_, kind in said} == {"labels", "none", "unsure", "skip"}
    assert store.skipped_images() == [DISTURBING]
    assert running.images_wanting(store).empty
    assert door.enter(store, Ids("one more")).kind == "full"
    assert {one.invariant for one in check_store(store)} == {"assignment"}  # whose claimed_at `pass_time` moves
    judgements = store.judgements()
    assert not judgements.duplicated(["image_id", "annotator_id"]).any()
    assert judgements["event_id"].is_unique
    write_dataset_folder(tmp_path / "export", Collected.of(store), {"labels": by("votes")})
    for file in ("images", "annotations", "targets-labels"):  # neither the check nor the image to practise with
        assert not {"i00", "i01"} & set(pd.read_parquet(tmp_path / "export" / f"{file}.parquet")["image_id"])
    assert pd.read_parquet(tmp_path / "export" / "targets-labels.parquet")["n"].tolist() == [3] * 23
    assert set(pd.read_parquet(tmp_path / "export" / "annotators.parquet")) == {"annotator_id", "age"}
    written = b"".join(path.read_bytes() for path in (tmp_path / "export").rglob("*") if path.is_file())
    assert b"person " not in written
    data, apart = only_data(judgements)
    assert len(data) == sum(image not in ("i00", "i01") for _, image, _ in said)
    assert "check" in apart[0]


# Ids are compared alike, and two at once wait for each other


SPELLINGS = [
    ("A1é", "a1é"),
    ("B1é", " B1e\u0301\n"),
    ("\u00a0C1e\u0301", "\uff23\uff11É"),  # as earlier versions kept it
    ("JOSÉ-7", "josé-7"),  # of which SQLite's lower() makes josÉ-7
    ("Straße", "STRASSE"),
]


def test_a_person_is_one_however_their_id_is_written(opened):
    store = opened(recruit={"panel": "mturk"}, places={"people": 5})
    people = [to_images(store, kept) for kept, _ in SPELLINGS]
    for who, (_, again) in zip(people, SPELLINGS, strict=True):
        label(store, who, 1)
        refused(NotInStudy, "have already started", door.agree, store, Ids(again), 1, ["I agree."])
        address = {"workerId": again, "hitId": "s1"}
        assert door.enter(store, door.ids_from(store.database.reading(running.file_of), address)).kind == "known"
        assert named_by(store, [again]) == [who]
        visits.leave(store, who)
        assert pay.mark_paid(store, [again]) == 1
    assert pay.forget_ids(store, by="lead")[0] == 0
    written = [again for _, again in SPELLINGS]
    assert {door.enter(store, Ids(again)).kind for again in written} == {"known"}
    erase_people(named_by(store, written), stores=[store])
    assert named_by(store, written) == []
    for again in written:
        refused(NotInStudy, "was erased", door.enter, store, Ids(again))
    assert check_store(store) == []


def test_two_servers_that_begin_a_study_at_once_begin_one_version(database_url):
    new_task(database_url, [f"i{n:02d}" for n in range(12)], overlap=2).close()

    def begin(months: int) -> int:
        with LabelStore(database_url) as own:
            return running.open_study(own, study_with(keep_months=months), by="lead")

    assert at_once(begin, [12] * 4) == [2] * 4  # after the task's own
    assert at_once(begin, [24] * 4) == [3] * 4


def test_who_is_erased_while_places_are_given_back_keeps_nobody_out(store, monkeypatch):
    gone = come(store, "P1")
    late = come(store, "P2")
    pass_time(store, 31)
    give_back = visits._give_back

    def meanwhile(connection, who):
        if who == gone:
            people.erase(connection, gone)
        return give_back(connection, who)

    monkeypatch.setattr(visits, "_give_back", meanwhile)
    assert visits.give_back_places(store) == 1
    assert [(row.annotator_id, row.status) for row in rows(store, schema.visit)] == [(late, "timed_out")]


def test_a_hundred_tabs_at_once_take_no_more_places_than_there_are(opened):
    def arrive(store) -> list:
        return [door.agree(store, Ids(f"{id(store)}-{n}"), 1, ["I agree."]).status for n in range(4)]

    found = at_once(arrive, [opened() for _ in range(4)])
    assert Counter(chain(*found)) == {None: 4, "quota_full": 12}


def test_two_tabs_of_one_person_get_no_image_too_many(opened, store):
    who = to_images(store, "P1")

    def work(tab) -> None:
        while claims := tab.claim(who, 2):
            tab.submit([Answer(claim.image_id, who, "labels", ("awe",)) for claim in claims])

    at_once(work, [store, opened()])
    assert len(rows(store, schema.assignment)) == 5
