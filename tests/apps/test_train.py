"""A train ride: images are fetched ahead and answered offline; overlap stays exact, and nothing is lost."""

import os
import random
import re
import time
from functools import partial

import pytest
import sqlalchemy as sa
from PIL import Image

from affectml_annotation import Answer, LabelStore, Task
from affectml_annotation.store import schema
from affectml_apps.relabel import task as task_module
from affectml_apps.relabel.sync import most_held

from .conftest import PHONE, Caller, answer_to, change, held, join, say

TASK = Task(labels=("awe", "fear"), question="What do you feel?", overlap=1, seed=3)
MB = 1_000_000


# What the server gives to hold


def test_beyond_six_nobody_holds_more_than_a_fifth_of_what_could_still_come_to_them():
    assert [most_held(left, TASK) for left in (1000, 150, 149, 60, 34, 3)] == [30, 30, 29, 12, 6, 6]


@pytest.mark.parametrize(("rate", "most"), [(0.1, [20, 30, 6]), (0.0, [30, 30, 30])])
def test_where_images_come_again_nobody_holds_more_than_lie_between_the_two(rate, most):
    assert [most_held(1000, TASK.but(repeats={"rate": rate, "gap": gap})) for gap in (20, 40, 2)] == most


@pytest.fixture
def asking(task, monkeypatch):
    """`asking(*answers)`: what the server replies to ann, who asks for images of which each is for one person."""
    monkeypatch.setattr(task_module, "RECENT_SECONDS", 0)  # every count is of now
    task.store.change_task(overlap=1)
    join(task.store, "ann", "bob")
    return partial(Caller(task, "ann").say, want=30)


def images(reply):
    return [item["image"] for item in reply["items"]]


def test_near_the_end_of_a_round_what_somebody_holds_beyond_their_share_goes_to_others(task, asking):
    """240 images with one person each: ann holds 30, bob answers 150, and 90 are left, a fifth of which is 18."""
    first = images(asking())
    assert len(first) == 30
    say(task.store, "bob", 150)
    assert images(asking()) == first[:18]
    assert held(task.store) == {"ann": 18, "bob": 0}
    say(task.store, "bob", 57)
    assert images(asking()) == first[:6]
    assert say(task.store, "bob", 240) == 27  # all the others
    assert images(asking()) == first[:6]
    given = sorted(task.store.judgements()["image_id"])
    assert sorted(given + first[:6]) == sorted(task.store.images()["image_id"])


def test_what_was_answered_after_the_lease_ran_out_counts_where_others_did_not_come_first(task, asking):
    items = asking()["items"]
    late = schema.assignment.c.lease_until - 16 * 60_000
    held_long = schema.assignment.update().values(lease_until=late)  # all that is held, without a sign
    change(task.store, held_long)
    task.store.claim("bob", 150)
    assert len(task.store.claim("bob", 240)) == 240
    task.store.submit([Answer(item["image"], "bob", "none") for item in items[:10]])
    change(task.store, held_long)
    task.store.release_expired()
    receipts = asking(*(answer_to(item, f"e{at}") for at, item in enumerate(items)))["receipts"]
    assert [receipt["status"] for receipt in receipts] == ["surplus"] * 10 + ["accepted"] * 20
    with task.store.database.read() as connection:  # no image has one too many who answers or holds it
        assert not connection.scalars(sa.select(schema.slot).where(schema.slot.c.taken > schema.slot.c.wanted)).all()
    assert task.store.judgements()["image_id"].value_counts().eq(1).all()


# What the page does with it


@pytest.fixture
def context(profile):
    return profile(**PHONE)


def ride(ann, count):
    """Answer so many images without a connection, in one go; which they were, in order."""
    ann.page.context.set_offline(True)
    given = [*(ann.answer("3") for _ in range(count - 1)), ann.image]
    ann.press("3", "Enter")
    ann.page.get_by_text("No connection. The next image comes").wait_for()
    ann.press("1", "Enter")  # nothing in sight: dropped
    assert ann.root.get_attribute("data-unsaved") == str(count)
    return given


def arrive(ann, last):
    """Come back to where there is a connection."""
    ann.page.context.set_offline(False)
    return ann.ready(after=last).settled()


@pytest.mark.slow
def test_thirty_images_answered_offline_are_stored_once_each_in_order_with_their_times(server, person):
    came = time.time()
    ann = person(server, "rides").enter().settled().stocked(29)
    given = ride(ann, 30)
    back = time.time()
    arrive(ann, given[-1])
    events = ann.events
    assert len(set(given)) == 30
    assert events[["image_id", "labels", "status"]].to_numpy().tolist() == [
        [image, [ann.labels[2]], "accepted"] for image in given
    ]
    at = events["at"].astype("int64") / 1000
    assert at.is_monotonic_increasing
    assert at.between(came - 1, back + 1).all()
    assert events["seconds"].between(0.001, back - came).all()
    assert (events["received_at"].astype("int64") / 1000 > back - 1).all()


def here(ann, count):
    """Wait until so many images are on this device, to be answered without a connection."""
    ann.page.wait_for_selector(f".labeller[data-here='{count}']")


def test_offline_the_page_says_how_many_images_are_here_and_asks_before_a_reload_loses_it(server, saving, person):
    ann = person(server, "told").enter().settled().stocked(5)
    asked = []
    ann.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    ann.press("3")
    ann.page.reload()  # nothing is lost by it
    ann.ready().stocked(5)
    assert asked == []
    here(ann, 6)
    assert ann.page.locator(".stock").inner_text() == ""  # with a connection nobody need know
    ann.page.context.set_offline(True)
    ann.page.get_by_text("6 images are on this device. Please do not reload the page now").wait_for()
    ann.press("Enter")
    ann.page.get_by_text("5 images are on this device.").wait_for()
    with ann.page.expect_event("dialog"):
        ann.page.evaluate("setTimeout(() => location.reload())")
    assert asked == ["beforeunload"]
    arrive(ann, None)
    here(ann, 6)
    assert ann.page.locator(".stock").inner_text() == ""
    assert len(ann.stored) == 1


@pytest.mark.slow
def test_an_image_that_cannot_be_had_keeps_nobody_from_those_that_are_here(server, person):
    ann, order = person(server, "misses one"), []

    def lost(route):
        if (url := route.request.url) not in order:
            order.append(url)
        route.abort() if order.index(url) == 2 else route.continue_()

    ann.page.route("**/relabel/image*", lost)
    ann.enter().stocked(28)  # all but one of the thirty
    missing = order[2].partition("id=")[2]
    ann.page.context.set_offline(True)
    ann.page.get_by_text("29 images are on this device.").wait_for()
    given = ride(ann, 29)
    assert missing not in given
    ann.page.unroute("**/relabel/image*")
    arrive(ann, given[-1])
    while ann.image != missing:  # it comes as soon as it can be had
        ann.answer("3")
    assert ann.answer("3") == ann.stored[-1][0] == missing


@pytest.mark.slow
def test_photographs_come_one_after_the_other_up_to_20_mb(tmp_path, start, person):
    """160 of them, each of a megabyte and more."""
    noise = Image.frombytes("RGB", (1200, 900), random.Random(0).randbytes(1200 * 900 * 3))
    noise.save(tmp_path / "0.jpg", quality=90)
    for at in range(1, 160):
        os.link(tmp_path / "0.jpg", tmp_path / f"{at}.jpg")
    words = ("--images", str(tmp_path), "--taxonomy", "mikels-8", "--on", str(tmp_path.with_name("set")))
    ann, now, most = person(start(*words, dataset=None)), set(), [0]
    ann.page.on("request", lambda asked: (now.add(asked), most.append(sum("/image?" in each.url for each in now))))
    ann.page.on("requestfinished", lambda asked: now.discard(asked))
    ann.server.db = str(tmp_path.with_name("set-labels.db"))
    ann.enter()
    fit = 20 * MB // (tmp_path / "0.jpg").stat().st_size
    for at in range(2):
        here(ann, fit)
        assert len(ann.stocked(fit - 1).fetched) == fit + at
        ann.answer("3")
    assert max(most) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("connection", "most"),
    [
        ("{effectiveType: 'slow-2g'}", 6),
        ("{effectiveType: '4g', saveData: false}", 30),
    ],
)
def test_six_images_are_held_where_every_byte_counts_and_thirty_elsewhere(server, person, connection, most):
    ann = person(server, re.sub(r"\W", "", connection))
    ann.page.add_init_script(f"Object.defineProperty(navigator, 'connection', {{value: {connection}}})")
    ann.enter()
    for at in range(3):
        ann.settled().stocked(most - 1)
        assert len(ann.fetched) == most + at
        ann.answer("3")
    ann.settled().stocked(most - 1)
    assert held(server.store)[ann.who] == most


def test_checks_and_repeats_come_in_the_same_places_however_many_are_held(tmp_path):
    settings = TASK.but(checks={"rate": 0.2}, repeats={"rate": 0.2, "gap": 20})
    given = []
    for at_once in (1, most_held(1000, settings)):
        with LabelStore(tmp_path / f"{at_once}.db") as store:
            store.init_task(settings, [f"i{n}" for n in range(150)])
            store.add_checks(store.images().head(5)[["image_id"]].assign(accepted=[["awe"]] * 5, forbidden=[[]] * 5))
            store.invite(["ann"])
            for _ in range(60):
                claim = store.claim("ann", at_once)[0]
                store.submit([Answer(claim.image_id, "ann", "none", round=claim.round)])
            given.append(store.judgements()[["image_id", "purpose", "place"]].to_numpy().tolist())
    assert given[0] == given[1]
    assert {"check", "repeat"} <= {purpose for _, purpose, _ in given[0]}
