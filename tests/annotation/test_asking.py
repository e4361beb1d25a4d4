"""Overlap that depends on the first answers: who is asked on, and that it stays exact whatever happens meanwhile."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from affectml_annotation import (
    Answer,
    BetaPrior,
    LabelStore,
    Overlap,
    StoreError,
    TaskSettings,
    annotator_report,
    expected_change,
)
from affectml_annotation import stopping as rule
from affectml_annotation.exchange import write_judgements
from affectml_annotation.stopped import late_comers
from affectml_annotation.store import asking
from affectml_annotation.store.erasing import erase
from affectml_annotation.store.settings import read_setting
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.overview import as_text, overview, people

from .studies import open_study, pass_time, to_images

LABELS = ("awe", "fear", "joy")
OVERLAP = Overlap(min=2, max=6, mean=5)
TASK = TaskSettings(labels=LABELS, question="What do you feel?", overlap=OVERLAP, seed=7)
IMAGES = [f"i{n:03d}" for n in range(90)]
PEOPLE = [f"p{n}" for n in range(12)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(rule, "SIMULATED", 300)


def set_up(database_url):
    store = LabelStore(database_url)
    store.init_task(TASK, IMAGES)
    store.invite(PEOPLE)
    return store


@pytest.fixture
def store(database_url):
    with set_up(database_url) as opened:
        yield opened


@pytest.fixture
def in_memory():
    with set_up("sqlite://") as opened:
        yield opened


def say(who, image_id):
    """What somebody says of an image, always the same: every image has rates of its own."""
    rates = np.random.default_rng(int(image_id[1:])).beta(0.5, 1.0, len(LABELS))
    drawn = random.Random(f"{who} {image_id}")
    chosen = tuple(label for label, rate in zip(LABELS, rates, strict=True) if drawn.random() < rate)
    return Answer(image_id, who, "labels" if chosen else "none", chosen)


def work(store, who, most=1000):
    """Answer until nothing is left, or so many; ten at a time."""
    done = 0
    while done < most and (claims := store.claim(who, min(10, most - done))):
        receipts = store.submit([say(who, claim.image_id) for claim in claims])
        assert {receipt.status for receipt in receipts} == {"accepted"}
        done += len(claims)
    return done


def in_turn(store, people=PEOPLE, each=10):
    """Everybody answers a few at a time, until nobody has anything to do."""
    while sum(work(store, who, each) for who in people):
        pass


def slots(store):
    """wanted and the answers that count, by image."""
    query = "SELECT i.image_id, s.wanted, s.taken FROM slot s JOIN image i USING (position) WHERE s.round = 1"
    with store.database.read() as connection:
        rows = connection.exec_driver_sql(query).all()
    there = Counter(store.judgements(rounds=[1])["image_id"])
    return {name: (wanted, taken, there[name]) for name, wanted, taken in rows}


def judged(store):
    """The fit that is kept, and each image's expected change by it."""
    fit = store.database.reading(read_setting, asking.FIT)
    prior = BetaPrior(np.array(fit["alpha"]), np.array(fit["beta"]), np.zeros(len(LABELS), dtype=bool))
    said = store.judgements(rounds=[1])
    votes = {name: [sum(label in chosen for chosen in mine) for label in LABELS]
             for name, mine in said.groupby("image_id")["labels"]}  # fmt: skip
    n = said["image_id"].value_counts()
    change = expected_change([votes[name] for name in votes], [n[name] for name in votes], prior)
    return fit["threshold"], dict(zip(votes, change, strict=True))


def assert_exact(store, at_most=OVERLAP.max, lowered=False):
    """Nobody is waited for, and each image that stopped did so because the rule says so.

    lowered: the lead wanted fewer people meanwhile than had answered some images.
    """
    keep = set(store.stopping()["whole"])
    limit, change = judged(store)
    for name, (wanted, taken, there) in slots(store).items():
        assert taken == there, name
        assert wanted == taken or (lowered and wanted < taken), name
        assert OVERLAP.min <= there <= at_most
        assert there >= OVERLAP.max if name in keep else there >= OVERLAP.max or change[name] <= limit


def test_images_are_asked_on_until_the_budget_is_spent(store):
    keep = store.stopping()["whole"]
    assert len(keep) == 50
    assert Counter(wanted for wanted, _, _ in slots(store).values()) == {2: 40, 6: 50}
    in_turn(store)
    assert_exact(store)
    people = [there for name, (_, _, there) in slots(store).items() if name not in keep]
    assert len(set(people)) > 1
    assert sum(people) == pytest.approx(5 * 90 - 6 * 50, abs=15)
    assert store.stopping() == {"min": 2, "max": 6, "mean": 5, "until": "F1", "whole": keep}


def test_no_money_for_more_stops_at_the_fewest():
    least = OVERLAP.least(60)
    with LabelStore("sqlite://") as store:
        with pytest.raises(StoreError, match="60 images need 5.33 people each at least, as 50 of them"):
            store.init_task(replace(TASK, overlap=OVERLAP), IMAGES[:60])
        store.init_task(replace(TASK, overlap=replace(OVERLAP, mean=least)), IMAGES[:60])
        store.invite(PEOPLE)
        in_turn(store)
        keep = store.stopping()["whole"]
        assert {there for name, (_, _, there) in slots(store).items() if name not in keep} == {2}


def test_it_stays_exact_through_lapses_late_answers_withdrawals_and_erasing(store):
    """Places that come free are filled, and what an answer less or more changes is looked at anew."""
    in_turn(store, PEOPLE[:4])
    late = store.claim("p4", 5)
    pass_time(store, 16)  # a lease has 15 minutes
    in_turn(store, PEOPLE[5:8])
    assert {receipt.status for receipt in store.submit([say("p4", claim.image_id) for claim in late])} <= {
        "accepted", "surplus",
    }  # fmt: skip
    store.withdraw("p0", "p1")
    held = store.claim("p8", 4)
    in_turn(store, PEOPLE[9:])
    store.undo_withdrawal("p1")
    store.database.writing(erase, "p2")
    store.give_back("p8", time.time())
    assert held
    assert store.add_images(pd.DataFrame({"image_id": [f"i{n:03d}" for n in range(90, 120)]})) == 30
    store.invite(more := [f"q{n}" for n in range(6)])
    in_turn(store, ["p4", *PEOPLE[8:], *more])
    assert_exact(store, at_most=7)  # who came back is beside the one who had taken the place


def test_an_image_is_judged_anew_when_an_answer_is_corrected(in_memory):
    store = in_memory
    in_turn(store)
    limit, change = judged(store)
    people = Counter(store.judgements()["image_id"])
    stopped = [name for name in IMAGES if people[name] < OVERLAP.max and change[name] <= limit]
    said = store.judgements().set_index("image_id")
    for name in stopped:
        who = said.loc[[name], "annotator_id"].iloc[0]
        other = Answer(name, who, "labels", ("fear",), base_revision=1)
        assert store.submit([other])[0].status == "accepted"
    in_turn(store)
    assert_exact(store)


def test_a_number_for_all_becomes_asking_on_and_back(in_memory):
    store = in_memory
    store.update_settings(overlap=3)
    assert store.stopping() is None
    in_turn(store)
    fixed = Counter(there for _, _, there in slots(store).values())
    assert fixed == {3: 40, 6: 50}  # the images that were to keep six still do
    store.update_settings(overlap=replace(OVERLAP, mean=6))
    in_turn(store)
    assert sum(there for _, _, there in slots(store).values()) > 40 * 3 + 50 * 6
    assert {there for _, _, there in slots(store).values()} <= {3, 4, 5, 6}


def test_judgements_that_are_brought_in_count_for_asking_on(store, tmp_path):
    first = pd.DataFrame([
        {"image_id": name, "annotator_id": who, "kind": given.kind, "labels": list(given.labels), "round": 1}
        for name in IMAGES for who in ("p0", "p1") if (given := say(who, name))
    ])  # fmt: skip
    write_judgements(first, tmp_path / "first.parquet")
    store.import_file(tmp_path / "first.parquet")
    wanted = [wanted for name, (wanted, _, _) in slots(store).items() if name not in store.stopping()["whole"]]
    assert set(wanted) == {2, 3}


def take_part(store, person):
    who = to_images(store, person)
    work(store, who)
    visits.finish_images(store, who)
    visits.answer_questions(store, who, "after", {"why": "no"})
    assert visits.go_on(store, who, "debriefing").status == "completed"


def test_a_study_asks_on_for_as_long_as_its_places_allow():
    """120 images to label: 20 people with 20 each make 3.33 people an image, and four more places make 4, the most."""
    asked = {"min": 2, "max": 4}
    places = {"people": 20, "minutes": 30}
    with open_study("sqlite://", 122, overlap=asked, images_per_person=20, places=places) as store:
        assert store.settings.overlap == Overlap(2, 4, 20 * 20 / 120)
        assert len(store.stopping()["whole"]) in (49, 50)  # one may be set apart for practice or a check
        for n in range(12):
            take_part(store, f"P{n}")
        assert store.progress().wanted == 400
        n = 12
        while door.enter(store, door.Ids("next")).kind == "consent":
            take_part(store, f"P{n}")
            n += 1
        now = overview(store)
        assert len(store.judgements()) == 400
        assert set(now.stopped) == {2, 3, 4}
        assert now.wanting == 120 - sum(now.stopped.values())
        assert now.answers <= 20
        told = people(store)
        assert 5 <= told["late"].sum() <= 8  # twelve people give 240 answers: two for each image
        assert as_text(told)["marked"].str.contains("came late").sum() == told["late"].sum()
        running.more_places(store, 4, by="lead")
        assert store.settings.overlap.mean == 4
        assert overview(store).wanting > 20


@pytest.mark.parametrize("statement", ["_SLOTS", "_COMPLETE_THERE", "_SAID_THERE"])
def test_one_answer_reads_but_what_is_said_of_its_image(in_memory, statement):
    query = getattr(asking, statement).params(there=[7], ids=["i007"])
    with in_memory.database.read() as connection:
        bound = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {bound}").all()
    assert [step[-1] for step in plan if step[-1].startswith("SCAN")] == []


def test_who_came_late_is_compared_with_others_who_did():
    """u and v see every image first and agree; w and x see two disputed ones, and agree with each other."""
    first = [(image, who, order, "awe", 2.0) for image in "abcd" for who, order in (("u", 1), ("v", 2))]
    last = [(image, who, order, "fear", 9.0) for image in "ab" for who, order in (("w", 3), ("x", 4))]
    table = pd.DataFrame(first + last, columns=["image_id", "annotator_id", "order", "labels", "seconds"])
    table = table.assign(labels=[[label] for label in table["labels"]], kind="labels", round=1)
    assert late_comers(table, 2) == {"w", "x"}
    assert late_comers(table, None) == set()
    assert late_comers(table.assign(order=range(1, 13)), 12) == set()
    report = annotator_report(table, ("awe", "fear"), minimum=2).set_index("annotator_id")
    assert report["late"].to_dict() == {"u": False, "v": False, "w": True, "x": True}
    assert report["with_others"].tolist() == [1, 1, 1, 1]
    together = annotator_report(table, ("awe", "fear")).set_index("annotator_id")
    assert together["with_others"]["w"] == pytest.approx(1 / 3)
    check = table.iloc[:1].assign(annotator_id="w", image_id="e", purpose="check")
    assert late_comers(pd.concat([table.assign(purpose="task"), check]), 2) == {"w", "x"}


def test_eight_threads_ask_no_image_too_often(store):
    def at_work(who):
        with LabelStore(str(store.database.engine.url.render_as_string(hide_password=False))) as mine:
            return work(mine, who)

    with ThreadPoolExecutor(8) as threads:
        at_once = [threads.submit(at_work, who) for who in PEOPLE]
        for overlap in (replace(OVERLAP, mean=5.5), 3, OVERLAP):  # the lead has another mind meanwhile
            store.update_settings(overlap=overlap)
        done = sum(one.result() for one in at_once)
    in_turn(store)
    assert done > 200
    assert_exact(store, lowered=True)


def test_images_that_more_people_answered_before_stop_by_the_rule(store):
    store.update_settings(overlap=3)
    in_turn(store)
    store.update_settings(overlap=OVERLAP)
    in_turn(store)
    assert any(wanted < there for wanted, _, there in slots(store).values())
    assert_exact(store, lowered=True)
