"""A study of 24 people on a real server, on both engines and through a restart of both: all comes out as asked."""

import re
from collections import Counter, defaultdict
from contextlib import closing
from uuid import uuid4

import pytest
import sqlalchemy as sa

from affectml_annotation import aggregate
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.store import schema
from affectml_annotation.study import door, pay, running
from affectml_annotation.study.door import Ids
from affectml_annotation.study.overview import overview

from ...annotation.studies import pass_time  # noqa: TID252
from ..conftest import PHONE, settle  # noqa: TID252
from .people import CHANGES, LABELS, OLD, RAN, Caller, Crowd, Visitor, with_scripts

SLOW = {"played"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def played(request, study_folder, start_shared, profile_shared):
    """The study once all 24 have come, and those for whom places were opened afterwards."""
    postgres = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    db = None
    if postgres is not None:
        name = f"study_{uuid4().hex[:12]}"
        engine = sa.create_engine(postgres.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        db = postgres.url.replace("/postgres?", f"/{name}?")
    study = with_scripts(study_folder(**CHANGES))
    crowd = Crowd(start_shared("--allow-host", "lab.example", study=study, db=db))
    with closing(crowd):
        play(crowd, profile_shared, postgres)
        yield crowd
    crowd.server.stop()


def play(crowd, profile, postgres):
    people = iter([f"SECRET-{n:02d}" for n in range(24)])

    def visitor(device, *, phone=False):
        return Visitor(crowd, next(people), device, phone=phone).come()

    def caller():
        return Caller(crowd, next(people))

    # one is late, and one comes back tomorrow on another device; three devices go from one to the next
    lab, own, lent = profile(), profile(), profile(**PHONE)
    late, tomorrow = visitor(own).to_images().label(2), visitor(lab).to_images().label(1)
    late.go_away(), tomorrow.go_away()
    pass_time(crowd.store, 60 * 9)
    other = Visitor(crowd, tomorrow.person, lent, phone=True).come().told("Welcome back")
    other.page.get_by_label("Resume code").fill(tomorrow.resume_code)
    other.press("Continue").ready().label(1)
    pass_time(crowd.store, 60 * 16)
    other.finish(320)  # two nights count 5 minutes each, 2 over the 8 announced beside what they did: the file pays two
    late.codes = "CODE-timed_out"
    late.come_back().told("Your place was given to somebody else").told("CODE-timed_out")
    late.is_due("timed_out", late.share)

    # one declines, two fail the practice, three leave in the middle
    declines = visitor(lab).told("Words.")
    declines.codes = "CODE-no_consent"
    declines.press("I do not agree").told("CODE-no_consent")
    fails, fails_too = visitor(lent, phone=True).to_practice(), caller().practise(rightly=False)
    fails.choose("anger")
    fails.page.locator("[role=alert]", has_text="one more try").wait_for()
    fails.codes = "CODE-screened_out"
    fails.choose("anger")
    fails.told("The study ends here for you").told("CODE-screened_out")
    for one in (fails, fails_too):
        one.is_due("screened_out", 50)
    leaves = visitor(lab).to_images().label(2)
    leaves.press("Leave the study").press("Leave now").told("You have left the study").is_due("left", leaves.share)
    leaves.come().told("You have left the study")
    for images in range(2):
        caller().practise().label(images).leave()

    # five are in the middle when server and database die; browsers hold what is typed meanwhile
    phone, laptop, tabs = visitor(lent, phone=True), visitor(lab), visitor(own)
    callers = [caller().practise().label(2) for _ in range(2)]
    for one in (phone, laptop, tabs):
        one.to_images().label(1)
    seen = [one.image for one in (phone, laptop, tabs)]
    crowd.close()
    crowd.server.kill()
    if postgres is not None:
        postgres.stop("immediate")
    for one, image in zip((phone, laptop, tabs), seen, strict=True):
        one.choose(one.say(image))
        one.page.wait_for_selector(".labeller:not([data-unsaved='0'])")
    if postgres is not None:
        postgres.start()
    crowd.server.start()
    crowd.open()
    for one in (phone, laptop):
        one.finish()
    with laptop.context.expect_event("request", lambda sent: "panel.example" in sent.url) as panel:
        laptop.page.get_by_role("link", name="Return with this code").click()
    assert panel.value.url == f"https://panel.example/?cc=CODE-completed&p={laptop.person}"
    for one in callers:
        one.finish()

    # two tabs of one person: the second takes over, and the first takes it back
    tabs.page.wait_for_selector(".labeller[data-unsaved='0']")
    second = Visitor(crowd, tabs.person, tabs.context).come_back()
    for one in (second, tabs):
        one.page.locator(".cover", has_text="Work here instead").click()
        one.ready().label(1)
    tabs.finish()

    for person in people:
        Caller(crowd, person).practise().finish()
    crowd.places_left = door.enter(crowd.store, Ids("one more")).kind
    crowd.wanting = len(running.images_wanting(crowd.store))
    more = 0
    while len(running.images_wanting(crowd.store)):
        running.more_places(crowd.store, 1, by="lead")
        Caller(crowd, f"SECRET-MORE-{more}").practise().finish()
        more += 1


def test_overlap_is_exact_once_places_are_opened_for_what_still_wants_people(played):
    assert played.places_left == "full"
    assert played.wanting > 0
    judgements = played.store.judgements()
    tasks = judgements[judgements["purpose"] == "task"]
    assert Counter(tasks["image_id"]) == dict.fromkeys([f"{at:06d}" for at in range(3, 20)], 5)
    assert not judgements.duplicated(["annotator_id", "image_id"]).any()


def test_what_people_said_is_stored_once_and_nothing_else_is(played):
    with played.store.database.read() as connection:
        names = dict(connection.execute(sa.select(schema.panel.c.annotator_id, schema.panel.c.person)).all())
    stored = defaultdict(dict)
    for row in played.store.events().itertuples():
        assert row.image_id not in stored[names[row.annotator_id]]
        stored[names[row.annotator_id]][row.image_id] = list(row.labels)
    assert stored == {person: said for person, said in played.said.items() if said}


def test_everybody_is_due_what_was_promised_to_the_penny(played):
    rows = pay.pay_rows(played.store)
    assert {row.person: (row.status, row.due * 100) for row in rows} == played.due
    assert len(rows) == len(played.due)
    assert Counter(status for status, _ in played.due.values()) == {
        "completed": 17 + len(played.due) - 23, "left": 3, "screened_out": 2, "timed_out": 1,
    }  # fmt: skip
    assert {row.person for row in rows if row.by_panel} == {row.person for row in rows if row.status == "completed"}
    now = overview(played.store)
    assert (now.declined, now.going_on) == (1, 0)


def test_no_panel_id_and_no_code_before_its_time_is_in_anything_but_the_pay_table(played, tmp_path):
    assert min(played.looked[where] for where in ("framereceived", "framesent", "addresses", "a reply", "a page")) > 10
    assert played.leaks == []
    parts = {"labels": lambda table: aggregate(table, LABELS, "votes")}
    write_dataset_folder(tmp_path / "export", Collected.of(played.store), parts)
    written = b"".join(path.read_bytes() for path in (tmp_path / "export").rglob("*") if path.is_file())
    assert OLD.encode() in written  # the one answer of theirs that the file shares
    assert b"SECRET" not in written + played.server.log.read_bytes()


def test_no_script_of_any_text_of_the_study_ran(played):
    assert [line for line in played.logged if RAN in line] == []


def test_from_elsewhere_nobody_gets_in_without_a_link_or_ids_whatever_their_headers_say(played, profile):
    said = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1;host=localhost"}
    page = profile(extra_http_headers=said).new_page()
    page.goto(f"{played.server.url}/out?who=lead")
    page.get_by_text("open the link that you were sent").wait_for()
    settle(page)
    assert not re.search("Progress|What people said|Out|Pay", page.locator("body").inner_text())
