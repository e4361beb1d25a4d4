"""A participant's browser without a browser: what each phase gives, and that nothing comes before its time."""

import pytest

from affectml_annotation.store import schema
from affectml_annotation.study import running, visits
from affectml_apps.relabel.study.exchange import images_of

from ..conftest import change, join  # noqa: TID252
from .conftest import CHECK, LABELS, PRACTISED, PRACTISED_TOO, WARNED, Participant


def test_practice_shows_one_image_until_it_is_right_and_stores_no_answer(study):
    task = study()
    ann = Participant(task, "P1").to("practice")
    (item,) = ann.say(phase="practice")["items"]
    assert (item["image"], item["revision"], item["to_practise"]) == (PRACTISED, 2, 2)
    missed = ann.practise(item, ["awe"])
    feedback = "The text under the image says what to choose."
    assert missed["practised"] == {"right": False, "tries_left": 1, "feedback": feedback}
    assert [(each["image"], each["revision"]) for each in missed["items"]] == [(PRACTISED, 1)]
    right = ann.practise(missed["items"][0], ["fear"])
    assert right["practised"] == {"right": True, "tries_left": 0}
    assert [each["image"] for each in right["items"]] == [PRACTISED_TOO]
    last = ann.answer(right["items"][0], ["awe"])
    for _ in range(2):  # its reply was lost, so the browser sends it again, and must learn that the practice is over
        over = ann.say(last, phase="practice")
        assert (over["phase"], over["status"], over["items"]) == ("start", None, [])
        assert over["receipts"][0]["status"] == "accepted"
    assert "have not reached the images" in ann.say(status=403)["error"]  # until they have read that answers count now
    assert not ann.shown([PRACTISED, PRACTISED_TOO])
    visits.go_on(task.store, ann.who, "start")
    assert ann.say(want=1)["phase"] == "images"
    assert len(task.store.events()) == 0


def test_a_try_that_comes_twice_counts_once(study):
    ann = Participant(study(), "P1").to("practice")
    (item,) = ann.say(phase="practice")["items"]
    miss = ann.answer(item, ["awe"])
    first, second = ann.say(miss, phase="practice"), ann.say(miss, phase="practice")
    assert [reply["items"][0]["revision"] for reply in (first, second)] == [1, 1]
    assert second["practised"] is None


@pytest.mark.parametrize("kind", ["skip", "unsure", "flag"])
def test_what_is_no_set_of_labels_passes_no_practice(study, kind):
    ann = Participant(study(practice={"images": [{"image": PRACTISED, "labels": []}]}), "P1").to("practice")
    (item,) = ann.say(phase="practice")["items"]
    assert ann.practise(item, [], kind=kind)["practised"]["right"] is False
    assert ann.practise(ann.say(phase="practice")["items"][0], [])["phase"] == "start"


def test_no_phase_is_skipped_by_hand(study):
    task = study()
    ann = Participant(task, "P1")
    images = list(task.store.images()["image_id"])
    forged = {"image": PRACTISED, "round": 1, "ticket": "", "revision": 2}
    for following in ("instructions", "practice"):
        for phase in ("practice", "images", "nonsense"):
            assert "have not reached" in ann.say(phase=phase, status=403)["error"]
            ann.say(ann.answer(forged, ["fear"]), phase=phase, finish=True, status=403)
        assert ann.shown(images) == set()
        ann.to(following)
    # in practice: the images to practise with, and no other; an answer is refused in its receipt
    assert ann.shown(images) == set(LABELS)
    (item,) = ann.say(want=5)["items"]
    assert item["look"] == "practice"
    for phase in ("practice", "images"):
        other = ann.answer({**item, "image": "000007"})
        assert ann.say(other, phase=phase)["receipts"][0]["status"] == "refused"
    assert (ann.phase, ann.say(finish=True)["phase"]) == ("practice", "practice")


def test_images_are_counted_alike_for_everybody_whenever_a_check_comes(study):
    checks = {"rate": 0.4, "images": [{"image": image, "labels": ["awe"]} for image in (CHECK, "000004", "000005")]}
    task = study(images_per_person=5, checks=checks, overlap=9)
    at = set()
    for person in ("P1", "P2", "P3"):
        ann, counted, seen = Participant(task, person).to("images"), [], []
        while items := (reply := ann.say(want=1))["items"]:
            counted.append((reply["done"], reply["of"]))
            seen.append(items[0]["image"])
            ann.say(ann.answer(items[0]))
        assert counted == [(done, 7) for done in range(7)]
        at.add(tuple(image in (CHECK, "000004", "000005") for image in seen))
    assert {sum(places) for places in at} == {2}
    assert len(at) > 1


def test_no_browser_is_told_which_file_an_image_is(study):
    task = study(checks={"rate": 0.4, "images": [{"image": CHECK, "labels": ["awe"]}]})
    ann, bob = (Participant(task, person) for person in ("P1", "P2"))
    told = []

    def hear(one, phase):
        reply = one.post("/relabel/sync", json={"phase": phase, "want": 9, "history": True})
        told.append(reply.text)
        return [item["image"] for item in reply.json()["items"]]

    practised = [hear(one.to("practice"), "practice") for one in (ann, bob)]
    held = hear(ann.to("images"), "images")
    ann.say(*(ann.answer({"image": image, **item}) for item in ann.say(want=9)["items"] for image in [item["image"]]))
    hear(ann, "images")
    assert held == [*dict.fromkeys(held)]
    assert {len(name) for name in (*held, *practised[0], *practised[1])} == {32}  # no id's length
    assert practised[0] != practised[1]  # and nobody can tell another which one it is
    ids = task.store.images()["image_id"]
    assert not [image for image in ids for text in told if image in text]
    wrong = Participant(task, "P3").to("images").say({"id": "e", "kind": "labels", **dict.fromkeys(
        ("image", "ticket"), ann.names[CHECK])})  # fmt: skip
    assert CHECK not in wrong["receipts"][0]["error"]
    own = bob.to("images").say({"id": "e", "kind": "labels", "ticket": "forged", "image": CHECK})["receipts"][0]
    assert bob.names[CHECK] in own["error"]
    assert CHECK not in own["error"]


@pytest.mark.parametrize("forged", ["", "x", "A" * 32, "é", "=" * 32, "\ud800", PRACTISED])
def test_a_name_that_is_forged_or_anothers_opens_no_image(study, forged):
    task = study()
    ann, bob = (Participant(task, person).to("practice") for person in ("P1", "P2"))
    assert ann.image(PRACTISED).status_code == 200
    for name in (bob.names[PRACTISED], ann.names[CHECK], f"{ann.names[PRACTISED][:-1]}!"):
        assert ann.get("/relabel/image", params={"id": name}).status_code == 403
    if forged != "\ud800":
        assert ann.get("/relabel/image", params={"id": forged}).status_code == 403
    assert images_of(task, ann.who, [forged, None, 3, ["x"]]) == {}


def test_words_within_an_image_are_those_of_the_language_that_is_read(study):
    practice = {"images": [{"image": PRACTISED, "labels": ["fear"], "images": {"de": "000009"}}]}
    task = study(languages=["en", "de"], practice=practice, checks={})
    ann = Participant(task, "P1").to("practice")
    english, german, as_it_is = (ann.image(PRACTISED, **more).content for more in ({"language": "en"},
                                 {"language": "de"}, {}))  # fmt: skip
    assert english == as_it_is != german
    task.store.speak(ann.who, "de")
    assert ann.image(PRACTISED).content == german
    assert ann.get("/relabel/image", params={"id": ann.names["000009"]}).status_code == 403
    (item,) = ann.say(phase="practice", language="de")["items"]
    assert item["image"] == PRACTISED  # whatever is shown, the answer is to this one
    assert ann.practise(item, ["fear"])["practised"]["right"]
    assert "000009" not in running.images_wanting(task.store)["image_id"].tolist()


def test_images_are_counted_and_the_person_goes_on_when_they_say_so(study):
    ann = Participant(study(checks={"rate": 0.0, "images": []}), "P1").to("images")
    reply = ann.say(want=5)
    assert (reply["done"], reply["of"]) == (0, 3)
    for done, item in enumerate(reply["items"], 1):
        reply = ann.say(ann.answer(item), want=5)
        assert reply["done"] == done
    assert (reply["items"], reply["phase"]) == ([], "images")  # the last answer can be mended still
    back = ann.say(history=True)["past"][-1]
    changed = ann.answer(back, ["fear"])
    assert ann.say(changed)["receipts"][0]["status"] == "accepted"
    assert ann.say(finish=True)["phase"] == "after"
    assert "have finished the images" in ann.say(status=403)["error"]
    late = ann.say(ann.answer({**back, "revision": 2}, ["awe"]))
    assert late["receipts"][0]["status"] == "refused"
    assert (late["phase"], late["items"]) == ("after", [])


def test_whoever_finds_no_image_left_is_told_at_once(study):
    task = study()
    ann = Participant(task, "P1").to("images")
    change(task.store, schema.slot.update().values(wanted=0), schema.check.delete())
    assert ann.say()["status"] == "quota_full"


def test_an_answer_under_way_is_kept_when_the_place_went(study):
    task = study()
    ann = Participant(task, "P1").to("images")
    items = ann.say(want=2)["items"]
    change(task.store, schema.visit.update().values(place_until=1))
    reply = ann.say(ann.answer(items[0]))
    assert (reply["receipts"][0]["status"] != "refused", reply["status"], reply["items"]) == (True, "timed_out", [])
    assert len(task.store.events()) == 1
    assert "given to somebody else" in ann.say(status=403)["error"]
    assert not ann.shown([items[1]["image"]])


def test_a_visit_that_another_tab_ends_meanwhile_is_told_by_its_status(study, monkeypatch):
    task = study()
    ann = Participant(task, "P1").to("images")
    (item, *_), claim = ann.say(want=1)["items"], task.store.claim
    monkeypatch.setattr(
        task.store, "claim", lambda *args, **more: visits.leave(task.store, ann.who) and claim(*args, **more)
    )
    reply = ann.say(ann.answer(item))
    assert (reply["receipts"][0]["status"], reply["status"]) == ("accepted", "left")
    assert "problem" not in reply  # which would stop the page where it is


def test_failed_checks_are_said_where_the_file_says_so_and_a_check_looks_like_any_image(study):
    checks = {"rate": 0.5, "images": [{"image": CHECK, "labels": ["awe"]}], "then": "warn", "failed": 1}
    ann = Participant(study(images_per_person=17, checks=checks), "P1").to("images")
    while (item := ann.say(want=1)["items"][0])["image"] != CHECK:
        assert not ann.say(ann.answer(item), want=1)["warned"]
    ordinary = {"image", "round", "ticket", "revision", "look", "warning"}
    assert set(item) == ordinary
    assert ann.say(ann.answer(item, ["fear"]), want=1)["warned"]


def test_an_image_comes_with_its_warning(study):
    task = study(images_per_person=18, checks={"rate": 0.0, "images": []})
    ann = Participant(task, "P1").to("images")
    items, held = [], True
    while held:
        reply = ann.say(want=6, history=True)
        held = reply["items"]
        items += [*held, *reply["past"]]
        ann.say(*map(ann.answer, held))
    said = {item["image"]: item["warning"] for item in items}
    assert {image for image, words in said.items() if words} == {WARNED}
    assert said[WARNED] == "Blood is to be seen."


def test_who_was_withdrawn_or_takes_part_in_no_study_gets_nothing(study):
    task = study()
    ann = Participant(task, "P1").to("images")
    join(task.store, "by-name")
    ann.be("by-name")
    assert "no study" in ann.say(status=403)["error"]
    task.store.withdraw(ann.who, proven=True)
    ann.be(ann.who)
    ann.say(status=403)
    assert not ann.shown([PRACTISED])


def test_an_image_is_for_whom_it_was_given_to(study):
    task = study()
    ann, bob = (Participant(task, name).to("images") for name in ("P1", "P2"))
    held = {item["image"] for item in ann.say(want=3)["items"]}
    images = task.store.images()["image_id"]
    assert (ann.shown(images), bob.shown(images)) == (held, set())
    assert PRACTISED not in held
