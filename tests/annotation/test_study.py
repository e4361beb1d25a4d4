"""A study without a browser: the way through, quotas, places held and given back, codes, pay."""

import math
from collections import Counter
from dataclasses import asdict
from decimal import Decimal
from functools import partial

import pandas as pd
import pytest

from affectml_annotation import Answer, StoreError
from affectml_annotation.erasing import erase_people, named_by
from affectml_annotation.errors import UnknownLabel
from affectml_annotation.languages import PSEUDO, _, spoken
from affectml_annotation.store import schema
from affectml_annotation.store.claims import check_places
from affectml_annotation.store.people import ERASING, FORGOTTEN, keyed, make_key
from affectml_annotation.study import door, pay, running, visits
from affectml_annotation.study.door import Ids, NotInStudy
from affectml_annotation.study.file import Questions
from affectml_annotation.study.folder import Study
from affectml_annotation.study.screen import label_words, offered, return_address, screen
from affectml_annotation.study.terms import terms
from affectml_annotation.study.visits import in_order, read_answers

from .studies import come, complete, finish, label, pass_time, study_with, to_images, to_practice
from .tasks import all_rows, refused, rows

ENGINES = ("sqlite",)  # what may differ between the engines is in test_study_whole.py

PID = "60a1f2e3d4c5b6a798012345"
MINUTE = 60_000
NOBODY = "does not contain your id at the panel"

# The way through


def test_phases_come_one_after_the_other_each_with_its_own_text_and_the_code_at_the_end(store):
    texts = {name: f"The {name}." for name in study_with().texts}
    assert running.open_study(store, Study(study_with().file, texts), by="lead") == 2
    who = come(store, "P1")
    shown = []
    for go_on in (
        lambda: None,
        lambda: visits.answer_questions(store, who, "before", {"age": "30+"}),
        lambda: visits.go_on(store, who, "instructions"),
        lambda: visits.practise(store, who, "i00", ["fear"]),
    ):
        go_on()
        refused(StoreError, "no images for you now", store.claim, who, 1)  # until they read that answers count now
        (receipt,) = store.submit([Answer("i05", who, "labels", ("awe",))])
        assert (receipt.status, len(store.events())) == ("refused", 0)
        assert "have not reached the images" in receipt.error
        shown.append(screen(store, who))
    assert visits.go_on(store, who, "start").phase == "images"
    shown.append(screen(store, who))
    assert [(now.step, now.steps, now.text, now.instructions) for now in shown] == [
        (2, 7, "", ""), (3, 7, "The instructions.", ""), (4, 7, "", "The instructions."), (5, 7, "", ""),
        (5, 7, "", "The instructions."),
    ]  # fmt: skip
    assert [[question.id for question in now.questions] for now in shown] == [["age"], [], [], [], []]
    assert [now.practice for now in shown] == [{}, {}, {"i00": 2}, {}, {}]
    seen = label(store, who)
    assert len(set(seen)) == 5
    assert not {"i00", "i01"} & set(seen)
    now = screen(store, who)
    assert (now.done, now.code, now.due) == (5, None, "")
    assert visits.finish_images(store, who).phase == "after"
    assert visits.answer_questions(store, who, "after", {}).phase == "debriefing"
    assert (screen(store, who).code, screen(store, who).text) == (None, "The debriefing.")
    done = visits.go_on(store, who, "debriefing")
    assert (done.phase, done.status) == ("code", "completed")
    assert screen(store, who).code == screen(store, who).code == "DONE"
    phases = ["before", "instructions", "practice", "start", "images", "after", "debriefing", "code"]
    assert [row.phase for row in rows(store, schema.visit_step)] == phases


def test_what_is_asked_twice_or_out_of_turn_changes_nothing(store):
    who = come(store, "P1")
    for _again in range(2):
        skipped = [visits.go_on(store, who, phase) for phase in ("instructions", "debriefing")]
        skipped += [visits.finish_images(store, who), visits.practise(store, who, "i00", ["fear"]).visit]
        skipped.append(visits.answer_questions(store, who, "after", {"why": "skipped"}))
        assert {(visit.phase, visit.status) for visit in skipped} == {("before", None)}
    visits.answer_questions(store, who, "before", {"age": "30+"})
    assert visits.answer_questions(store, who, "before", {"age": "18-29"}).phase == "instructions"
    assert [(row.question, row.value) for row in rows(store, schema.questionnaire)] == [("age", "30+")]


def test_nobody_labels_more_images_than_the_file_says_and_what_is_over_stands(store):
    who = to_images(store, "P1")
    claims = store.claim(who, 12)
    assert len(claims) == 5
    others = sorted({f"i{n:02d}" for n in range(2, 12)} - {claim.image_id for claim in claims})
    (receipt,) = store.submit([Answer(others[0], who, "labels", ("awe",))])
    assert receipt.error.endswith("you have already had all your images of this study")
    for claim in claims:
        assert visits.finish_images(store, who).phase == "images"  # they are not over while one is open
        store.submit([Answer(claim.image_id, who, "labels", ("awe",))])
    (again,) = store.submit([Answer(claims[0].image_id, who, "labels", ("joy",), base_revision=1)])
    assert again.status == "accepted"  # while the images are there, a correction is as welcome as ever
    assert visits.finish_images(store, who).phase == "after"
    (late,) = store.submit([Answer(claims[0].image_id, who, "labels", ("fear",), base_revision=2)])
    assert late.error.endswith("you have finished the images of this study; your answers are kept")


def test_somebody_invited_to_label_as_before_meets_nothing_of_the_study(store):
    store.invite(["ann"])
    assert len(label(store, "ann")) == 10
    refused(StoreError, "takes part in no study", visits.where, store, "ann")


# Consent and the door


def test_who_declines_leaves_a_count_and_nothing_else(opened):
    store = opened(recruit={"codes": {"no_consent": "NO"}})
    before = all_rows(store)
    for again in (False, True, True):  # who comes again is not counted again
        assert door.enter(store, Ids("P1"), again=again).kind == "consent"
    refused(NotInStudy, r"not ticked: I agree$", door.agree, store, Ids("P1"), 1, [])
    assert door.decline(store) == "NO"
    after = all_rows(store)
    assert {name for name in after if after[name] != before[name]} == {"study_tally"}
    assert dict(map(tuple, after["study_tally"])) == {"opened": 1, "declined": 1, "full": 0}
    assert pay.pay_rows(store) == []


PROLIFIC = {"PROLIFIC_PID": PID, "STUDY_ID": "s1"}
MTURK, WORKER = {"panel": "mturk"}, {"workerId": "A1", "hitId": "s1"}
UNFIT = ("x" * 201, "P\0", "P\r\n1", "P\u20281", "P\u200b1", "P\x1b1", "P\ud8001", " ", "Link 1")
BAD_ADDRESSES = [
    ({}, {}, "belongs to another study"),
    ({}, PROLIFIC | {"STUDY_ID": "s2"}, "belongs to another study"),
    ({}, PROLIFIC | {"SESSION_ID": "x" * 201}, NOBODY),
    *(({}, PROLIFIC | {"PROLIFIC_PID": person}, NOBODY) for person in ("", "P1", f"{PID}0", f"{PID[:-1]}g")),
    *(({}, PROLIFIC | {name: f"{{{{%{name}%}}}}"}, r"placeholder \{\{%") for name in (*PROLIFIC, "SESSION_ID")),
    ({"panel": "sona", "study": ""}, {"survey_code": "%SURVEY_CODE%"}, "placeholder %SURVEY_CODE% instead of an id"),
    (MTURK, WORKER | {"workerId": "${workerId}", "assignmentId": "A"}, "placeholder"),
    (MTURK, WORKER | {"assignmentId": "ASSIGNMENT_ID_NOT_AVAILABLE"}, "placeholder"),
    *((MTURK, WORKER | {"workerId": unfit}, NOBODY) for unfit in UNFIT),
    ({"panel": "links", "study": ""}, PROLIFIC, "a personal link"),
]


@pytest.mark.parametrize(("recruit", "address", "says"), BAD_ADDRESSES)
def test_an_address_without_a_person_or_of_another_study_opens_nothing(recruit, address, says):
    refused(NotInStudy, says, door.ids_from, study_with(recruit=recruit).file, address)


def test_ids_come_from_the_address_by_the_names_of_the_panel():
    given = {"PROLIFIC_PID": f" {PID}\n", "STUDY_ID": "s1", "SESSION_ID": "\uff58\u00a0"}
    assert door.ids_from(study_with().file, given) == Ids(PID, "x")
    assert PID not in repr(Ids(PID, "x"))
    mturk = study_with(recruit={"panel": "mturk"}).file
    assert door.ids_from(mturk, {"workerId": "A1 é", "hitId": "s1"}) == Ids("A1 é")
    sona = study_with(recruit={"panel": "sona", "study": "", "ids": {"person": "code"}}).file
    assert door.ids_from(sona, {"code": "7"}) == Ids("7")


def test_ids_that_earlier_versions_kept_as_they_came_are_still_known(opened):
    store = opened(recruit={"panel": "mturk"})
    first, second, third = (to_images(store, person) for person in ("Spaced ", "Gone ", "Erased "))
    for who in (first, second, third):
        label(store, who, 1)
        visits.leave(store, who)
    assert pay.mark_paid(store, ["spaced "]) == 1
    with store.database.write() as connection:  # as they were forgotten before ids were made one form
        make_key(connection, ERASING)
        mark = FORGOTTEN + keyed(connection, ERASING, "person", "Gone ").hex()
        connection.execute(schema.panel.update().where(schema.panel.c.annotator_id == second).values(person=mark))
    assert named_by(store, ["Gone "]) == [second]
    erase_people([third], stores=[store])
    with store.database.write() as connection:
        mark = keyed(connection, ERASING, "person", "Erased ").hex()
        connection.execute(schema.erasure.update().values(person=mark))
    file = store.database.reading(running.file_of)
    came = [door.ids_from(file, {"workerId": person, "hitId": "s1"}) for person in ("Gone ", "Erased ")]
    assert door.enter(store, came[0]).kind == "known"
    refused(NotInStudy, "was erased", door.enter, store, came[1])


def test_of_two_whom_earlier_versions_took_for_two_each_goes_on_by_their_own_id(store):
    first, second = (to_images(store, person) for person in ("Twice", "other"))
    with store.database.write() as connection:
        other = schema.panel.update().where(schema.panel.c.annotator_id == second)
        connection.execute(other.values(person="twice"))
    assert named_by(store, ["twice", "Twice"]) == [second, first]


def test_a_paused_study_lets_nobody_in_and_whoever_is_there_goes_on(store):
    who = come(store, "P1")
    running.change_state(store, "paused", by="lead")
    assert door.enter(store, Ids("P2")).kind == "closed"
    refused(NotInStudy, "is not open at the moment", door.agree, store, Ids("P2"), 1, ["I agree."])
    assert visits.answer_questions(store, who, "before", {"age": "30+"}).phase == "instructions"


def test_a_changed_text_is_a_new_version_that_newcomers_alone_see(store):
    old, study = come(store, "P1"), study_with()
    assert running.open_study(store, study, by="lead") == 1  # nothing changed
    texts = {**study.texts, "instructions": "Other words."}
    assert running.open_study(store, Study(study.file, texts), by="lead") == 2
    german = Study(study_with(languages=["en", "de"]).file, {**texts, "consent.de": "Zustimmung."})
    assert running.open_study(store, german, by="lead") == 3
    assert door.enter(store, Ids("P2")).version == 3
    new = come(store, "P2")
    assert [visits.where(store, who).version for who in (old, new)] == [1, 3]
    assert [offered(store, who) for who in (old, new, None)] == [("en",), ("en", "de"), ("en", "de")]
    assert [label_words(store, who) for who in (old, new)] == [{"en": {}}, {"en": {}, "de": {}}]
    told = [store.database.reading(running.study_of, number).texts["instructions"] for number in (1, 3)]
    assert told == ["Words.", "Other words."]
    assert [row.what for row in rows(store, schema.lead_change)] == [
        {"version": 1}, {"version": 2, "changed": "texts"}, {"version": 3, "changed": "languages"},
    ]  # fmt: skip


# Which device goes on by itself, and links


def agree(store, ids, own) -> str:
    return door.agree(store, ids, door.enter(store, ids, own).version, ["I agree."], own).participant


def test_the_device_on_which_somebody_agreed_goes_on_and_another_by_the_resume_code(opened):
    store, ids = opened(), Ids("P1")
    who = agree(store, ids, "laptop")
    assert door.enter(store, ids, "laptop").participant == who
    assert [door.enter(store, ids, own).kind for own in ("phone", "")] == ["known", "known"]
    other = agree(store, Ids("P2"), "laptop")  # on a computer that two share
    assert other != who
    assert [door.enter(store, Ids(person), "laptop").kind for person in ("P1", "P2")] == ["visit", "visit"]
    visits.leave(store, other)  # from then on whoever comes next does not open it
    assert door.enter(store, Ids("P2"), "laptop").kind == "visit"
    assert door.resume(store, ids, screen(store, who).resume_code, "laptop") == who
    assert [door.enter(store, Ids(person), "laptop").kind for person in ("P1", "P2")] == ["visit", "known"]
    others = screen(store, agree(store, Ids("P3"), "tablet")).resume_code
    code = screen(store, who).resume_code
    assert door.resume(store, ids, f" {code[:5].lower()}-{code[5:]} ", "phone") == who
    assert [door.enter(store, ids, own).participant for own in ("phone", "laptop")] == [who, who]
    assert not any("laptop" in row.digest or "phone" in row.digest for row in rows(store, schema.device))
    code = screen(store, complete(store, "P4")).code  # ids that somebody made up show nothing of a visit
    assert door.enter(store, Ids("P4")) == door.Entry("known", 1)
    refused(NotInStudy, "have already started", door.agree, store, Ids("P4"), 1, ["I agree."])
    no_text = "\ud800" * visits.CODE_LENGTH
    for person, wrong in (("P1", others), ("P1", ""), ("P1", no_text), ("P9", others), ("P4", code)):
        refused(NotInStudy, "does not belong to this address", door.resume, store, Ids(person), wrong, "phone")


def test_whoever_opens_another_persons_address_in_between_locks_nobody_out(opened):
    store = opened()
    first, other = door.make_links(store, 2, ends_at=schema.now_ms() / 1000 + 600)
    for mine, others in ((Ids("P1"), Ids("P2")), (door.ids_of_link(store, first), door.ids_of_link(store, other))):
        assert [door.enter(store, ids, "laptop").shared for ids in (mine, others)] == [False, False]
        who = agree(store, mine, "laptop")
        entry = door.enter(store, others, "laptop")
        assert (entry.kind, entry.shared) == ("consent", True)  # as the page tells before anybody agrees
        assert door.enter(store, mine, "laptop").participant == who
        agree(store, others, "laptop")
        assert door.enter(store, mine, "laptop").participant == who
        assert not door.enter(store, Ids("P3"), "phone").shared
        for ids in (mine, others):
            visits.leave(store, door.enter(store, ids, "laptop").participant)
        assert not door.enter(store, Ids("P3"), "laptop").shared


def test_devices_leave_with_their_person(store):
    who, other = (agree(store, Ids(person), "laptop") for person in ("P1", "P2"))
    erase_people([who], stores=[store])
    assert [row.annotator_id for row in rows(store, schema.device)] == [other]
    refused(NotInStudy, "erased because you asked", door.enter, store, Ids("P1"), "laptop")


def test_who_withdrew_is_told_so_where_they_are_known_for_sure(store):
    who = agree(store, Ids("P1"), "laptop")
    store.withdraw(who, proven=True)
    refused(NotInStudy, "withdrawn", door.enter, store, Ids("P1"), "laptop")
    assert door.enter(store, Ids("P1"), "phone").kind == "known"


def test_a_signed_link_is_one_persons_on_any_device_and_keeps_nobody_out_who_began_once_it_is_over(opened):
    store = opened(places={"minutes": 60 * 24 * 14})
    mine, other, late = door.make_links(store, 3, ends_at=schema.now_ms() / 1000 + 600)
    who = agree(store, door.ids_of_link(store, mine), "laptop")
    assert door.enter(store, door.ids_of_link(store, mine), "phone").participant == who
    assert door.enter(store, door.ids_of_link(store, other)).kind == "consent"
    swapped = f"{other.split('.')[0]}.{mine.split('.')[1]}"
    for token in (mine.replace("1.", "2."), swapped, "1.", "", "x", "9.AAAA", "1" * 40, "1.\ud800"):
        refused(NotInStudy, "is not valid", door.ids_of_link, store, token)
    pass_time(store, 11)
    refused(NotInStudy, "has expired", door.ids_of_link, store, late)
    ids = door.ids_of_link(store, mine)
    assert door.enter(store, ids, "laptop").participant == who
    assert door.enter(store, ids, "phone").kind == "known"
    for number, token in ((1, mine), (2, other)):
        door.revoke_link(store, number)
        refused(NotInStudy, "revoked", door.ids_of_link, store, token)


@pytest.mark.parametrize("ends_at", [0.0, 1e300, float("inf"), float("nan")])
def test_a_link_ends_at_a_time_that_can_be(store, ends_at):
    refused(StoreError, "an end that is to come before the year 3000", door.make_links, store, 1, ends_at)


# Questions and practice


def test_an_answer_that_cannot_be_is_refused_and_none_is_kept(store):
    answer = partial(visits.answer_questions, store, come(store, "P1"), "before")
    refused(StoreError, "^age: please answer this question$", answer, {})
    refused(StoreError, "^age: please choose one of the options$", answer, {"age": "40"})
    assert rows(store, schema.questionnaire) == []


def asked(**question) -> Questions:
    return Questions.model_validate({"questions": [{"id": "q", "text": "?", **question}]})


CHOICE = {"kind": "choice", "options": ["a", "b"]}
SEVERAL = {"kind": "several", "options": ["a", "b"]}
SCALE = {"kind": "scale", "low": 1, "high": 7}


GOOD_ANSWERS = [
    (CHOICE, "a", "a"),
    (SEVERAL, ["b", "a"], ["b", "a"]),
    (SCALE, 7, 7),
    ({"kind": "number"}, -2.5, -2.5),
    ({"kind": "number", "low": 0}, 0, 0),
    ({"kind": "text"}, "  so <b>it</b> is\n", "so <b>it</b> is"),
]


@pytest.mark.parametrize(("question", "value", "kept"), GOOD_ANSWERS)
def test_what_can_be_is_kept_as_it_is(question, value, kept):
    assert read_answers(asked(**question), {"q": value}) == ({"q": kept}, {})


BAD_ANSWERS = [
    (CHOICE, "c", "please choose one of the options"),
    (CHOICE, ["a"], "please choose one of the options"),
    (SEVERAL, ["a", "a"], "please choose from the options, each once"),
    (SEVERAL, ["a", ["b"]], "please choose from the options, each once"),
    (SEVERAL, "ab", "please choose from the options, each once"),
    (SCALE, 8, "please enter a number from 1 to 7"),
    (SCALE, True, "please enter a number"),
    (SCALE, "3", "please enter a number"),
    ({"kind": "number"}, math.nan, "please enter a number"),
    ({"kind": "number"}, math.inf, "please enter a number"),
    ({"kind": "number"}, 10**400, "please enter a number"),
    ({"kind": "number", "low": 0}, -1, "this number is outside the range"),
    ({"kind": "text"}, "x" * 10_000_000, "please write 2,000 characters at most"),
    ({"kind": "text"}, {"a": 1}, "please write 2,000 characters at most"),
    ({"kind": "text"}, "nul\0", "this contains a character that cannot be stored; please remove it"),
]


@pytest.mark.parametrize(("question", "value", "says"), BAD_ANSWERS)
def test_what_cannot_be_is_refused(question, value, says):
    assert read_answers(asked(**question), {"q": value}) == ({}, {"q": says})


@pytest.mark.parametrize("nothing", [{}, {"q": None}, {"q": ""}, {"q": "  "}, {"q": []}])
def test_nothing_is_an_answer_only_where_none_is_needed(nothing):
    text = {"kind": "text"}
    assert read_answers(asked(**text), nothing) == ({}, {"q": "please answer this question"})
    assert read_answers(asked(**text, required=False), nothing) == ({}, {})


def test_a_random_order_is_each_persons_own_and_always_the_same():
    questions = [{"id": f"q{n}", "text": "?", "kind": "text"} for n in range(8)]
    drawn = Questions.model_validate({"order": "random", "questions": questions})
    orders = {who: [one.id for one in in_order(drawn, who, seed=1)] for who in ("p1", "p2")}
    assert orders["p1"] != orders["p2"]
    assert sorted(orders["p1"]) == sorted(orders["p2"]) == [f"q{n}" for n in range(8)]
    assert orders["p1"] == [one.id for one in in_order(drawn, "p1", seed=1)]
    fixed = Questions.model_validate({"questions": questions})
    assert [one.id for one in in_order(fixed, "p1", seed=1)] == [f"q{n}" for n in range(8)]


def test_who_misses_within_the_tries_may_go_on_and_who_does_not_is_screened_out_with_the_code_that_pays(store):
    who, other = to_practice(store, "P1"), to_practice(store, "P2")
    assert screen(store, who).practice == {"i00": 2}
    missed = visits.practise(store, who, "i00", ["fear", "joy"])
    assert (missed.right, missed.tries_left, missed.visit.phase) == (False, 1, "practice")
    assert screen(store, who).practice == {"i00": 1}
    assert visits.practise(store, who, "i00", ["fear"]).visit.phase == "start"
    refused(StoreError, "not one to practise with", visits.practise, store, other, "i05", ["fear"])
    visits.practise(store, other, "i00", ["no label", "joy"])
    out = visits.practise(store, other, "i00", []).visit
    assert (out.phase, out.status, screen(store, other).code) == ("practice", "screened_out", "OUT")
    assert visits.practise(store, other, "i00", ["fear"]).visit.status == "screened_out"
    assert [row.labels for row in rows(store, schema.practice)] == [["fear", "joy"], ["fear"], ["joy"], []]
    assert [row.status for row in pay.pay_rows(store)] == [None, "screened_out"]
    assert [(row.due, row.by_panel) for row in pay.pay_rows(store)] == [(0, 0), (Decimal("0.50"), 0)]
    assert len(store.events()) == 0  # no try is an answer


# Quotas, places, leaving


def test_no_more_people_than_places_and_images_and_a_place_given_back_is_filled(store):
    people = [to_images(store, f"P{n}") for n in range(4)]
    assert door.enter(store, Ids("P4")).kind == "full"
    late = door.agree(store, Ids("P4"), 1, ["I agree."])  # the consent page was open since before
    assert (late.status, screen(store, late.participant).code is not None) == ("quota_full", True)
    label(store, people[0], 3)
    assert visits.leave(store, people[0]).status == "left"
    assert screen(store, people[0]).code is None
    fifth = complete(store, "P5")
    assert door.enter(store, Ids("P6")).kind == "full"
    for who in people[1:]:
        label(store, who)
        visits.finish_images(store, who)
    assert visits.where(store, fifth).status == "completed"
    # 3 images of who left stay, and 5 + 5 + 5 of three people: 2 are left for the last, or 1 where they saw it before
    wanting = running.images_wanting(store)
    assert len(store.judgements()) + int((wanting["wanted"] - wanting["taken"]).sum()) == 20
    assert max(Counter(store.judgements()["image_id"]).values()) == 2


@pytest.mark.parametrize(("before", "after", "status"), [(1, 4, None), (4, 1, "quota_full")])
def test_places_are_those_that_the_newest_version_has_whichever_one_was_read(opened, before, after, status):
    store = opened(places={"people": before, "minutes": 30})
    come(store, "P1")
    running.open_study(store, study_with(places={"people": after, "minutes": 30}), by="lead")
    assert door.agree(store, Ids("P2"), 1, ["I agree."]).status == status


def test_of_a_running_study_the_page_changes_nothing_that_belongs_to_its_texts(store):
    running.open_study(store, study_with(), by="lead")
    for changes in ({"consent": {"boxes": ["a", "b", "c"]}}, {"languages": ["en", "fr"]}, {"checks": {"rate": 0.4}}):
        says = f"{next(iter(changes))}.*belongs to the texts of the study; change it in the study's folder"
        refused(StoreError, says, store.change_task, **changes)
    assert store.change_task(overlap=7).overlap == 7


def test_a_check_that_a_new_version_leaves_out_is_shown_to_nobody_and_a_leads_own_stays(store):
    store.add_checks(pd.DataFrame({"image_id": ["i02"], "accepted": [["awe"]], "forbidden": [["joy"]]}))
    others = {"images": [{"image": "i03", "labels": ["fear"]}]}
    running.open_study(store, study_with(checks=others), by="lead")
    assert sorted(store.checks()["image_id"]) == ["i02", "i03"]
    assert "i01" not in running.images_wanting(store)["image_id"].tolist()


def test_practice_ends_once_enough_images_are_passed(opened):
    dictated = [{"image": image, "labels": ["fear"]} for image in ("i00", "i02")]
    store = opened(practice={"images": dictated, "pass": 1})
    who = to_practice(store, "P1")
    assert visits.practise(store, who, "i00", ["joy"]).visit.phase == "practice"
    assert visits.practise(store, who, "i02", ["fear"]).visit.phase == "start"


def test_the_currency_changes_until_somebody_comes_and_a_practice_that_nobody_could_pass_does_not_begin(store):
    begin = partial(running.open_study, store, by="lead")
    practice = {"images": [{"image": "i00", "labels": ["faer"]}]}
    refused(UnknownLabel, r"practice on image i00.*'faer'.*'fear'", begin, study_with(practice=practice))
    assert begin(study_with(pay={"currency": "GBP"})) == 2
    come(store, "P1")
    refused(StoreError, r"pay\.currency: people came for GBP.*begin anew", begin, study_with(pay={"currency": "CHF"}))


def test_a_group_that_is_full_is_paid_and_takes_nobodys_place(opened):
    store = opened(places={"people": 9, "minutes": 30, "per_answer": {"age": {"30+": 1}}})

    def answer(person: str, age: str) -> visits.Visit:
        return visits.answer_questions(store, come(store, person), "before", {"age": age})

    first, full = answer("P1", "30+"), answer("P2", "30+")
    assert (full.phase, full.status) == ("before", "quota_full")
    assert answer("P3", "18-29").phase == "instructions"
    visits.leave(store, first.participant)
    assert answer("P4", "30+").phase == "instructions"
    assert [row.due for row in pay.pay_rows(store)] == [0, Decimal("0.50"), 0, 0]


def test_who_returns_in_time_goes_on_and_who_is_late_is_told_and_keeps_what_they_gave(store):
    back, late = to_images(store, "back"), to_images(store, "late")
    label(store, back, 2), label(store, late, 2)
    (held,) = store.claim(late, 1)
    pass_time(store, 29)
    assert len(label(store, back)) == 3
    pass_time(store, 2)
    (receipt,) = store.submit([Answer(held.image_id, late, "labels", ("joy",))])  # out of a tunnel
    assert receipt.status == "accepted"
    refused(StoreError, "in another part of the study", store.claim, late, 1)
    assert visits.where(store, late).status == "timed_out"
    assert visits.go_on(store, late, "instructions").status == "timed_out"
    assert visits.where(store, back).status is None
    assert Counter(store.judgements()["annotator_id"]) == {back: 5, late: 3}
    paid = {row.status: (row.images, row.due) for row in pay.pay_rows(store)}
    assert paid == {None: (5, 0), "timed_out": (3, Decimal("1.80"))}


def test_a_check_answered_late_is_a_check_and_is_paid_as_an_image(opened):
    store = opened(checks={"rate": 0.5})
    who = to_images(store, "P1")
    (check,) = [claim.image_id for claim in store.claim(who, 5) if claim.purpose == "check"]
    visits.leave(store, who)
    assert check == "i01"
    assert store.submit([Answer("i01", who, "labels", ("awe",))])[0].status == "accepted"
    (said,) = store.judgements().to_dict("records")
    (row,) = pay.pay_rows(store)
    assert (said["purpose"], row.images, row.failed_checks, row.due) == ("check", 1, 1, Decimal("0.50"))


def test_who_leaves_gives_the_images_back_at_once(opened):
    store = opened(images_per_person=10)
    who, other = to_images(store, "P1"), to_images(store, "P2")
    label(store, other)
    held = [claim.image_id for claim in store.claim(who, 5)]
    visits.leave(store, who)
    assert visits.leave(store, who).status == "left"
    assert set(held) <= set(running.images_wanting(store)["image_id"])
    third = to_images(store, "P3")
    assert set(held) <= set(label(store, third))


def test_who_withdraws_has_left_the_study(store):
    who = to_images(store, "P1")
    label(store, who, 2)
    store.withdraw(who)
    assert [(row.status, row.due) for row in pay.pay_rows(store)] == [("left", Decimal("1.20"))]
    assert store.judgements().empty


# Checks


@pytest.mark.parametrize("at_once", [1, 30])
def test_everybody_is_given_as_many_checks_at_places_that_the_seed_fixes_and_never_first(opened, at_once):
    checks = [{"image": f"i{n:02d}", "labels": ["joy"]} for n in (1, 20, 21, 22)]
    store = opened(images=23, images_per_person=10, checks={"rate": 0.25, "images": checks}, overlap=9)
    file = store.database.reading(running.file_of)
    places = []
    for n in range(2):
        who, purposes = to_images(store, f"P{n}"), []
        while claims := store.claim(who, at_once):
            purposes += [claim.purpose for claim in claims]
            store.submit([Answer(claim.image_id, who, "labels", ("awe",)) for claim in claims])
        assert (purposes.count("task"), purposes.count("check")) == (10, 2)
        before = [purposes[:at].count("task") for at, purpose in enumerate(purposes) if purpose == "check"]
        assert before == check_places(file, who)  # whatever is asked for at once
        assert min(before) >= 1
        assert purposes[-1] == "task"
        places.append(tuple(before))
    assert len(set(places)) > 1  # each person's own


def test_images_that_were_given_back_move_no_check(opened):
    store = opened(checks={"rate": 0.2}, images_per_person=5)
    for n in range(3):
        who = to_images(store, f"P{n}")
        label(store, who, 1)
        store.claim(who, 5)
        store.claim(who, 1, most=1)
        seen = label(store, who)
        purposes = Counter(row.purpose for row in rows(store, schema.assignment) if row.annotator_id == who)
        assert (purposes, len(seen)) == ({"task": 5, "check": 1}, 5)


def test_a_rate_that_is_no_whole_check_or_has_too_few_images_is_said():
    assert study_with(images_per_person=4, checks={"rate": 0.1}).file.check_count == 0
    assert study_with(images_per_person=50, checks={"rate": 0.1}).file.check_count == 1  # there is one image for it


@pytest.mark.parametrize(("then", "warned", "ends"), [("note", 0, 0), ("warn", 1, 0), ("end", 0, 1)])
def test_failed_checks_have_the_consequence_that_the_file_names_and_none_for_pay(opened, then, warned, ends):
    store = opened(checks={"rate": 0.5, "then": then, "failed": 1}, images_per_person=9)
    for person, labels in (("P1", ("joy",)), ("P2", ("fear",))):  # the check's own text says joy
        who = to_images(store, person)
        label(store, who, labels=labels)
        assert screen(store, who).warned == (warned and person == "P2")
        finish(store, who)
    passed, failed = pay.pay_rows(store)
    assert (passed.failed_checks, failed.failed_checks) == (0, 1)
    assert (passed.due, passed.code) == (failed.due, failed.code) == (3, "DONE")
    assert (failed.images < passed.images) == ends


def test_of_many_images_held_the_next_few_are_still_shown_after_failed_checks(opened):
    store = opened(checks={"rate": 0.5, "then": "end", "failed": 1}, images_per_person=9, seed=0)
    who = to_images(store, "P1")
    claims = store.claim(who, 30)
    at = [claim.purpose for claim in claims].index("check") + 1
    assert (len(claims), 1 < at < 4) == (9, True)

    def say(claims):
        return [store.submit([Answer(claim.image_id, who, "labels", ("fear",))])[0].status for claim in claims]

    say(claims[:at])
    assert [claim.image_id for claim in store.claim(who, 30)] == [claim.image_id for claim in claims[at : at + 5]]
    assert say(claims[at : at + 6]) == ["accepted"] * 6  # one of them was under way
    assert store.claim(who, 30) == []
    assert visits.finish_images(store, who).phase == "after"


def test_images_are_held_for_as_long_as_the_place(store):
    store.claim(to_images(store, "P1"), 5)
    pass_time(store, 29)
    assert store.release_expired() == 0
    pass_time(store, 2)
    assert store.release_expired() == 5


# Pay


PENNIES = [
    ("completed", 7, 9 * MINUTE, "1.00", "0.00"),
    ("completed", 7, 9 * MINUTE + 1, "1.00", "0.10"),
    ("completed", 7, 11 * MINUTE, "1.00", "0.20"),
    ("completed", 7, 99 * MINUTE, "1.00", "0.30"),
    ("screened_out", 0, 99 * MINUTE, "0.50", "0.00"),
    ("quota_full", 0, 0, "0.50", "0.00"),
    ("left", 0, MINUTE, "0.00", "0.00"),
    ("left", 1, MINUTE, "0.15", "0.00"),  # a seventh of 1.00, rounded up
    ("timed_out", 7, MINUTE, "1.00", "0.00"),
    (None, 7, MINUTE, "0.00", "0.00"),
]


@pytest.mark.parametrize(("status", "images", "active_ms", "fixed", "over"), PENNIES)
def test_pay_is_right_to_the_penny(status, images, active_ms, fixed, over):
    study = study_with(images_per_person=7, pay={"per_person": "1.00", "most_minutes_over": 3})
    # announced: a quarter for each of two questions, a minute to practise and for each image, three words: 8.5, so 9
    assert [*map(str, pay.due(study, status, images, active_ms))] == [fixed, over]


def test_who_left_is_paid_what_the_file_says():
    with_check = study_with(images_per_person=5, checks={"rate": 0.2})
    assert pay.due(with_check, "left", 2, 0)[0] == Decimal("1.00")  # two sixths, since the check is an image to them
    assert pay.due(study_with(pay={"unfinished": "all"}), "left", 0, 0)[0] == 3
    assert pay.due(study_with(pay={"unfinished": "nothing"}), "left", 4, 0)[0] == 0


@pytest.mark.parametrize(("currency", "unit"), [("EUR", "0.01"), ("JPY", "1"), ("KWD", "0.01")])
@pytest.mark.parametrize("units", [1, 7, 99, 100, 300, 1000, 12_345, 999_999])
def test_who_left_is_paid_the_least_amount_that_is_not_below_their_share(currency, unit, units):
    unit = Decimal(unit)
    study = study_with(pay={"currency": currency, "per_person": units * unit})
    for images in (1, 2, 3, 7, 50, 60):
        file = study.file.model_copy(update={"images_per_person": images})
        for done in range(images + 2):
            fixed, over = pay.due(Study(file, study.texts), "left", done, 0)
            share = min(done, images) * units * unit
            assert (over, fixed % unit) == (0, 0)
            assert share <= fixed * images < share + unit * images


def test_minutes_count_activity_and_a_night_in_between_as_a_break(opened):
    store = opened(places={"people": 4, "minutes": 60 * 24})
    who = come(store, "P1")
    pass_time(store, 60 * 9)
    visits.answer_questions(store, who, "before", {"age": "30+"})
    pass_time(store, 2)
    assert 7 <= visits.go_on(store, who, "instructions").minutes < 7.5


def test_the_pay_table_its_sums_and_the_list_for_the_panel(store):
    complete(store, "P1")
    complete(store, "P2")
    who = to_images(store, "=P3")
    label(store, who, 2)
    visits.leave(store, who)
    come(store, "P4")
    assert pay.as_bulk(pay.pay_rows(store)) == "'=P3,1.20\r\n"  # the panel itself pays who completed it
    table = pay.as_csv(pay.pay_rows(store)).splitlines()
    assert table[0].startswith("person,session,status,minutes,images,failed_checks,code,currency,due,by_panel,paid")
    assert table[1].startswith("P1,,completed,")
    assert table[1].endswith("5,0,DONE,EUR,3.00,3.00,no")
    assert pay.sums(pay.pay_rows(store))["to_pay"].map(str).tolist() == ["0.00", "1.20", "0.00"]
    assert pay.mark_paid(store, ["P1", "=P3", "P4"], by="ann") == 2
    assert pay.mark_paid(store, ["=P3"]) == 0
    assert pay.as_bulk(pay.pay_rows(store)) == ""
    # 3.00 for each of two, by the panel; two of five images of =P3 are 1.20
    assert pay.sums(pay.pay_rows(store)).astype(str).to_numpy().tolist() == [
        ["completed", "EUR", "2", "1", "6.00", "0.00"],
        ["left", "EUR", "1", "1", "1.20", "0.00"],
        ["going_on", "EUR", "1", "0", "0.00", "0.00"],
    ]
    changes = [row for row in rows(store, schema.lead_change) if "paid" in row.what]
    assert [(row.by, row.what) for row in changes] == [("ann", {"paid": 2})]  # of whom is nobody's to read there


# Apart


def test_no_panel_id_is_in_any_table_but_the_panels_and_what_the_file_shares_goes_with_the_answers(store):
    who = complete(store, "SECRET-ID", "18-29")
    assert [name for name, content in all_rows(store).items() if "SECRET-ID" in str(content)] == ["panel"]
    for table in (store.events(), store.judgements(), store.annotators()):
        assert "SECRET-ID" not in table.to_csv()
    assert "SECRET-ID" not in str(asdict(visits.where(store, who)))
    assert store.annotators()["attributes"].tolist() == [{"age": "18-29"}]


# What is on the screen


def test_who_saw_no_image_is_debriefed_by_another_text(opened):
    store = opened(images_per_person=10)
    texts = {name: f"The {name}." for name in ("consent", "instructions", "debriefing", "debriefing_unseen")}
    running.open_study(store, Study(study_with(images_per_person=10).file, texts), by="lead")
    left, out, late, saw = come(store, "P1"), to_practice(store, "P2"), to_images(store, "late"), to_images(store, "P4")
    for labels in (["joy"], []):
        visits.practise(store, out, "i00", labels)
    label(store, saw, 1)
    for who in (left, saw):
        visits.leave(store, who)
    for person in ("P5", "P6"):
        complete(store, person)
    assert visits.finish_images(store, late).status == "quota_full"  # who finds no image left is one too many, and paid
    assert [row.due for row in pay.pay_rows(store) if row.person == "late"] == [Decimal("0.50")]
    said = {who: screen(store, who).text for who in (left, out, late, saw)}
    assert said == dict.fromkeys((left, out, late), "The debriefing_unseen.") | {saw: "The debriefing."}
    with spoken("de"):
        assert [screen(store, who).due for who in (left, out, saw)] == ["", "0,50\u00a0€", "0,30\u00a0€"]


SHARE = "If you stop early or are away for too long, you are paid for the share of the images that you have done."
YEN = {"currency": "JPY", "per_person": 300, "per_screen_out": 0, "unfinished": "nothing"}
TERMS = [
    ({"pay": {"per_person": 0, "per_screen_out": 0, "per_minute_over": 0}}, "You are not paid for taking part."),
    ({}, "It takes about 7 minutes."),  # a question before and one after, an image to practise with and five: 6.5
    ({}, "If you finish, you are paid €3.00."),
    ({}, "If it takes you longer, you are paid €0.10 more for each further minute, for up to 60 minutes."),
    ({}, SHARE),
    ({}, "Before the images there is a short practice. If you do not pass it, the study ends there."),
    ({}, "If other people take all the images before you reach them, the study ends there."),
    ({}, "If the study ends early for such a reason, you are paid €0.50."),
    ({}, "What you feel about the images never changes what you are paid."),
    ({"pay": YEN}, "If you finish, you are paid ¥300."),
    ({"pay": YEN}, "If you stop early or are away for too long, you are not paid."),
    ({"pay": YEN}, "If the study ends early for such a reason, you are not paid."),
    ({"places": {"per_answer": {"age": 1}}}, "If enough people who gave the same answers have already taken part"),
    ({"checks": {"rate": 0.2}}, "1 of the images is an attention check: words in the image say what to choose."),
    ({"checks": {"rate": 0.2}}, "If you miss one, nothing follows from it for you."),
    ({"checks": {"rate": 0.2, "then": "end", "failed": 1}}, "If you miss 1 of them, the images end soon after"),
    ({"checks": {"rate": 0.2, "then": "end", "failed": 1}}, "You are paid in full then, too."),
]


@pytest.mark.parametrize(("changes", "says"), TERMS)
def test_what_the_consent_says_of_pay_and_checks_is_made_from_the_file(changes, says):
    assert [sentence for sentence in terms(study_with(**changes)) if sentence.startswith(says)]


def test_the_address_to_return_to_has_the_code_that_is_nobody_elses_once_it_is_earned(opened):
    store = opened(recruit={"return_to": "https://panel.example/done?cc={code}&p={person}", "codes": {}})
    first, second, leaves = complete(store, "P1"), complete(store, "P&2"), to_images(store, "P3")
    codes = [screen(store, who).code for who in (first, second, leaves)]
    assert codes == [row.code for row in pay.pay_rows(store)]
    assert (len(set(codes)), codes[2], return_address(store, leaves)) == (3, None, None)
    visits.leave(store, leaves)
    assert return_address(store, leaves) is None
    assert return_address(store, second) == f"https://panel.example/done?cc={codes[1]}&p=P%262"


def test_why_there_is_no_image_and_no_answer_taken_is_said_in_the_language_spoken(store):
    early, gone, full = come(store, "P1"), to_images(store, "P2"), to_images(store, "P3")
    store.withdraw(gone)
    store.claim(full, 12)
    given = [Answer(f"i{n:02d}", who, "none") for who in (early, gone, full) for n in range(2, 12)]
    with spoken(PSEUDO):
        receipts = store.submit(given)
        refused(StoreError, r"^\[.* ~\]$", store.claim, early, 1)
        expected = {
            _("you have not reached the images of this study yet"),
            _("annotator {name} has withdrawn from this task", name=repr(gone)),
            _("you have already had all your images of this study"),
        }
    said = {receipt.error.partition(": ")[2] for receipt in receipts if receipt.status == "refused"}
    assert {error[: error.index("~]") + 2] for error in said} == expected
