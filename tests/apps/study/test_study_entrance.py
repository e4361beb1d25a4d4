"""A study without a browser: who comes in by an address or a link, what is forged; and what each phase gives them."""

import json
import time
from base64 import urlsafe_b64encode
from http.cookies import SimpleCookie
from itertools import product
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from affectml.errors import AffectmlError
from affectml.people import studies
from affectml_annotation import LabelStore, StoreError, Task
from affectml_annotation.errors import BadTask
from affectml_annotation.store import schema
from affectml_annotation.study import door, pay, running, visits
from affectml_annotation.study.overview import overview
from affectml_annotation.study.screen import screen
from affectml_apps.relabel.identity import make_token
from affectml_apps.relabel.study import entrance
from affectml_apps.relabel.study.exchange import images_of
from affectml_apps.relabel.task import Options, open_task
from affectml_apps.relabel.web import app_parts

from ..conftest import Caller, change, join  # noqa: TID252
from .conftest import CHECK, IDS, LABELS, PANEL, PRACTISED, PRACTISED_TOO, WARNED, Browser, Participant, bring

ADDRESS = f"?{urlencode(IDS)}"


def browser(task, base=""):
    """A browser at a server whose every page is the same."""
    caller = Caller(task, "nobody", Middleware(entrance.Entrance, task=task, base=base), base=base)
    caller.app.routes.append(Route("/{path:path}", lambda request: PlainTextResponse(f"page {request.url.query}")))
    return caller


def test_ids_leave_the_address_for_a_cookie_that_no_script_reads(study):
    task = study()
    ann = browser(task)
    reply = ann.get(f"/{ADDRESS}")
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert "SECRET" not in reply.headers["set-cookie"]
    cookie = SimpleCookie(reply.headers["set-cookie"])[entrance.cookie_name(task)]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert int(cookie["max-age"]) == 30 * 86_400
    assert entrance.visitor_of(task, ann.cookies).given["PROLIFIC_PID"] == "SECRET-ID"
    assert ann.get("/").text == "page "
    for other in ("/progress?who=ann", "/relabel/client/main.js?PROLIFIC_PID=x", "/_stcore/health?link=x"):
        assert ann.get(other).status_code == 200


def test_below_a_base_path_the_cookie_is_the_pages_alone(study):
    ann = browser(study(), "lab/one")
    for place in ("/lab/one/", "/lab/one"):
        reply = ann.get(place + ADDRESS)
        assert reply.headers["location"] == "/lab/one/"
        assert "Path=/lab/one/" in reply.headers["set-cookie"]


def test_a_browser_stays_the_same_device_whoever_comes(study):
    task = study()
    ann = Browser(task)
    came = (IDS, IDS | {"SESSION_ID": "two"}, IDS | {"PROLIFIC_PID": "bob"}, IDS, {"link": "1.X"})
    (own,) = {ann.open(**ids).visitor.own for ids in came}
    assert Browser(task, **IDS).visitor.own != own
    assert overview(task.store).opened == 4  # a link that opens nothing is nobody


def test_a_link_that_a_foreign_page_sends_somebody_to_takes_no_visit_away(study):
    task = study()
    ids, bobs = IDS, IDS | {"PROLIFIC_PID": "bob"}
    ann, bob = Browser(task, **ids), Browser(task, **bobs)
    who, other = ann.agree(), bob.agree()
    # nobody's visit yet: the page asks whoever it is to agree
    assert ann.open(**ids | {"PROLIFIC_PID": "made-up"}).found.kind == "consent"
    assert ann.open(**ids).found.participant == who  # and by their own address they go on without a code
    reply = ann.get("/", params=bobs)  # whose visit is elsewhere
    assert (reply.status_code, "set-cookie" in reply.headers, ann.found.participant) == (303, False, who)
    visits.leave(task.store, who)
    assert ann.open(**bobs).found.kind == "known"  # once it is over, another may go on here, by their code
    assert visits.where(task.store, other).status is None


def test_a_participant_goes_back_by_the_server_once_they_have_a_code(study):
    task = study(recruit={**PANEL, "study": "s1", "codes": {"screened_out": "OUT", "no_consent": "NO"},
                          "return_to": "https://panel.example/?cc={code}&who={person}"})  # fmt: skip
    ann, nobody = Browser(task, **IDS), Browser(task)
    assert ann.back() == "https://panel.example/?cc=NO&who=SECRET-ID"
    who = ann.agree()
    assert ann.back() == "../"
    bring(task.store, who, "practice")
    for _ in range(2):
        visits.practise(task.store, who, PRACTISED, ["joy"])
    assert ann.back() == "https://panel.example/?cc=OUT&who=SECRET-ID"
    assert nobody.back() == nobody.open(**IDS).back() == "../"  # the same ids on another device


def ended(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        app_parts([*map(str, arguments)])
    return str(stop.value.code if isinstance(stop.value.code, str) else capsys.readouterr().err)


def test_a_study_that_cannot_run_ends_the_program_with_one_line(study_folder, tmp_path, capsys):
    folder, other = study_folder(), tmp_path / "other.db"
    with LabelStore(str(other)) as store:
        store.init_task(Task(labels=("warm", "cold"), question="?"), ["a"])
    line = ended(capsys, "--study", folder, "--db", other)
    assert "holds a task with other labels" in line
    (folder / "study.yaml").write_text("overlaps: 2\n")
    line = ended(capsys, "--study", folder, "--db", tmp_path / "x.db")
    assert "did you mean 'overlap'" in line
    assert "\n" not in line
    assert "its file says what is labelled" in ended(capsys, "--study", folder, "--dataset", "demo")
    assert not (tmp_path / "x.db").exists()


def test_the_page_without_the_study_does_not_open_its_task_beside_the_door(study):
    task = study()
    with pytest.raises(AffectmlError, match="holds a study, .* `affectml study run OUT` starts it"):
        open_task(Options(dataset=task.dataset.root, db=task.store.database.engine.url.database))


RETURN = {**PANEL, "study": "s1", "codes": {"completed": "DONE"}, "return_to": "https://panel.example/{code}"}
BACK = "https://panel.example/DONE"


def stored(store):
    """All that a database holds, by table."""
    with store.database.read() as connection:
        return {table.name: connection.execute(sa.select(table)).all() for table in schema.metadata.sorted_tables}


def test_an_address_that_says_a_thing_twice_or_in_odd_bytes_is_one_person_or_none(study):
    task, bytes_alone = study(), ("%ff%fe", "%ed%a0%80")
    values = ("%00", "x" * 60_000, "link 1", "forgotten 1", *bytes_alone)
    for name, value in product(("PROLIFIC_PID", "STUDY_ID"), values):
        browser = Browser(task)
        asked = "&".join(f"{key}={value if key == name else given}" for key, given in IDS.items())
        assert browser.get(f"/?{asked}").headers["location"] == "/"
        if value not in bytes_alone or name == "STUDY_ID":  # which is a name like any other
            with pytest.raises(door.NotInStudy):
                _ = browser.found
    assert Browser(task).get("/?PROLIFIC_PID=A&PROLIFIC_PID=B&STUDY_ID=s1").status_code == 303


def test_no_code_comes_before_it_is_earned(study):
    task = study(recruit=RETURN | {"codes": {name: f"CODE-{name}" for name in ("completed", "screened_out")}})
    browser = Browser(task, **IDS)
    store, told = task.store, []
    who = browser.agree()

    def look():
        told.append(browser.back())
        told.append(str(screen(store, who).code))
        told.append(browser.post("/relabel/sync", json={"phase": "practice", "want": 3}).text)

    for phase in ("before", "instructions", "practice"):
        bring(store, who, phase)
        look()
    visits.practise(store, who, PRACTISED, ["awe"])
    look()
    visits.leave(store, who)
    look()
    assert [text for text in told if "CODE-" in text] == []
    assert set(told[::3]) == {"../"}


def test_a_cookie_that_is_forged_altered_or_of_another_task_is_none(study):
    task = study()
    victim, other = Browser(task, **IDS), Browser(task, **IDS | {"PROLIFIC_PID": "OTHER"})
    victim.agree()
    name = entrance.cookie_name(task)
    cookie, others = (browser.cookie(name) for browser in (victim, other))
    content, _, signature = cookie.rpartition(".")
    other_content, _, other_signature = others.rpartition(".")
    made_up = urlsafe_b64encode(json.dumps([IDS, "mine"]).encode()).decode().rstrip("=")
    swapped = (f"{other_content}.{signature}", f"{content}.{other_signature}")
    altered = (f"{made_up}.{signature}", f"{content}.{signature}x", f"{content}.é", f"{content}.", f".{signature}")
    for forged in ("", ".", content, *swapped, *altered):
        assert entrance.visitor_of(task, {name: forged}) is None
    assert entrance.visitor_of(task, {name: cookie}) == victim.visitor
    assert entrance.visitor_of(task, {f"{name}x": cookie}) is None
    token = make_token(task.secret, "anybody")  # signed by the same secret, for another purpose
    assert entrance.visitor_of(task, {name: token}) is None


def test_no_taxonomy_is_read_from_outside_the_study_s_folder(study_folder, tmp_path):
    (tmp_path / "own.yaml").write_text("name: own\nlabels: [secret, hidden]\n")
    for place in (f"../{tmp_path.name}/own.yaml", "linked.yaml", "/etc/hostname"):
        folder = study_folder(taxonomy=place, practice={}, checks={})
        (folder / "linked.yaml").symlink_to(tmp_path / "own.yaml")
        with pytest.raises(BadTask, match="lies outside the study's folder"):
            studies.begin(folder, str(tmp_path / "labels.db"), by="lead")


def test_ten_megabytes_for_an_answer_are_refused_and_nothing_of_them_is_kept(study):
    about = {"id": "about", "text": "And you?", "kind": "text", "required": False}
    task = study(before={"questions": [about]})
    who = Browser(task, **IDS).agree()
    before = stored(task.store)
    for huge in ("x" * 10_000_000, ["x" * 10_000_000], {"x" * 10_000_000: 1}):
        with pytest.raises(StoreError) as refused:
            visits.answer_questions(task.store, who, "before", {"about": huge})
        assert len(str(refused.value)) < 200
    assert stored(task.store) == before


def test_guessed_and_swapped_ids_show_neither_answers_nor_code(study):
    task = study(recruit=RETURN)
    victim = Browser(task, **IDS)
    bring(task.store, victim.agree())
    assert victim.back() == BACK
    own = Browser(task, **IDS | {"PROLIFIC_PID": "MINE"})
    mine = own.agree()
    codes = ("", "DONE", screen(task.store, mine).resume_code)
    assert own.open(**IDS).found.participant == mine
    visits.leave(task.store, mine)
    for thief in (Browser(task, **IDS), Browser(task, **IDS | {"SESSION_ID": "twice"}), own.open(**IDS)):
        assert (thief.found.kind, thief.found.participant, thief.back()) == ("known", None, "../")
        for code in codes:
            with pytest.raises(door.NotInStudy, match="does not belong to this address"):
                door.resume(task.store, entrance.ids_of(task, thief.visitor), code, thief.visitor.own)
    assert victim.found.kind == "visit"


def test_a_link_of_another_opens_their_visit_alone_and_a_forged_one_nothing(study):
    task = study()
    mine, other = door.make_links(task.store, 2, time.time() + 3600)
    who = Browser(task, link=mine).agree()
    assert Browser(task, **IDS, link=mine).found.participant == who  # whose ids count for nothing beside it
    assert Browser(task, link=other).found.participant is None
    before = stored(task.store)
    number, _, signature = mine.partition(".")
    for forged in (f"2.{signature}", f"{number}.{signature[:-1]}", f"{number}.{signature}x", "1", "0.",
                   f"{number}.{signature}é", "x" * 60_000):  # fmt: skip
        browser = Browser(task, link=forged)
        with pytest.raises(door.NotInStudy, match="is not valid"):
            _ = browser.found
        assert browser.back() == "../"
    assert stored(task.store) == before


def test_a_revoked_link_shows_nothing_more_and_one_past_its_end_only_on_the_device_that_began(study):
    task = study(recruit=RETURN)
    tokens = door.make_links(task.store, 2, time.time() + 3600)
    revoked, late = (Browser(task, link=token) for token in tokens)
    for browser in (revoked, late):
        bring(task.store, browser.agree())
        assert browser.back() == BACK
    door.revoke_link(task.store, 1)
    change(task.store, schema.study_link.update().values(ends_at=1))
    for browser in (revoked, Browser(task, link=tokens[0])):
        with pytest.raises(door.NotInStudy, match="revoked"):
            _ = browser.found
        assert browser.back() == "../"
    other = Browser(task, link=tokens[1])
    assert (other.found.kind, other.back()) == ("known", "../")
    assert late.back() == BACK


def test_a_completion_replayed_pays_once_and_tells_the_same_code(study):
    task = study(recruit=RETURN)
    browser = Browser(task, **IDS)
    who = browser.agree()
    bring(task.store, who)
    before, due = stored(task.store), pay.pay_rows(task.store)
    for again in (
        lambda: visits.go_on(task.store, who, "debriefing"),
        lambda: visits.answer_questions(task.store, who, "after", {"why": "again"}),
        lambda: visits.finish_images(task.store, who),
        lambda: visits.leave(task.store, who),
    ):
        assert again().status == "completed"
    with pytest.raises(door.NotInStudy, match="have already started"):
        browser.agree()
    for more in ({}, {"phase": "images", "finish": True}, {"phase": "practice"}):
        browser.say(status=403, **more)
    browser.open(**IDS | {"SESSION_ID": "twice"})
    assert browser.back() == BACK
    assert (stored(task.store), pay.pay_rows(task.store)) == (before, due)


# What each phase gives a participant's browser, and that nothing comes before its time


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
        assert (over["phase"], over["items"], over["receipts"][0]["status"]) == ("start", [], "accepted")
    assert "have not reached the images" in ann.say(status=403)["error"]  # until they have read that answers count now
    assert not ann.shown([PRACTISED, PRACTISED_TOO])
    visits.go_on(task.store, ann.who, "start")
    assert ann.say(want=1)["phase"] == "images"
    assert len(task.store.events()) == 0


def test_what_is_no_set_of_labels_passes_no_practice(study):
    task = study(practice={"images": [{"image": PRACTISED, "labels": []}]})
    for kind in ("skip", "unsure", "flag"):
        ann = Participant(task, f"P-{kind}").to("practice")
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


def test_a_name_that_is_forged_or_anothers_opens_no_image(study):
    task = study()
    ann, bob = (Participant(task, person).to("practice") for person in ("P1", "P2"))
    assert ann.image(PRACTISED).status_code == 200
    forged = ("", "x", "A" * 32, "é", "=" * 32, PRACTISED)
    for name in (bob.names[PRACTISED], ann.names[CHECK], f"{ann.names[PRACTISED][:-1]}!", *forged):
        assert ann.get("/relabel/image", params={"id": name}).status_code == 403
    assert images_of(task, ann.who, [*forged, "\ud800", None, 3, ["x"]]) == {}


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


def test_images_are_counted_shown_to_whom_they_were_given_and_the_person_goes_on_when_they_say_so(study):
    task = study(checks={"rate": 0.0, "images": []})
    ann, bob = (Participant(task, name).to("images") for name in ("P1", "P2"))
    reply, images = ann.say(want=5), task.store.images()["image_id"]
    assert (reply["done"], reply["of"]) == (0, 3)
    assert (ann.shown(images), bob.shown(images)) == ({item["image"] for item in reply["items"]}, set())
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
    assert (late["receipts"][0]["status"], late["phase"], late["items"]) == ("refused", "after", [])


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


def test_an_image_comes_with_its_warning_and_a_check_looks_like_any_image_until_it_is_failed(study):
    checks = {"rate": 0.5, "images": [{"image": CHECK, "labels": ["awe"]}], "then": "warn", "failed": 1}
    ann, warnings = Participant(study(images_per_person=17, checks=checks), "P1").to("images"), {}
    while items := (reply := ann.say(want=1))["items"]:
        (item,) = items
        assert set(item) == {"image", "round", "ticket", "revision", "look", "warning"}
        assert (reply["done"], reply["of"]) == (len(warnings), 18)
        warnings[item["image"]] = item["warning"]
        assert ann.say(ann.answer(item, ["fear"]), want=1)["warned"] == (CHECK in warnings)
    assert {image: words for image, words in warnings.items() if words} == {WARNED: "Blood is to be seen."}


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


def test_who_cannot_pass_any_more_is_screened_out_before_the_first_image_and_a_try_that_comes_twice_counts_once(study):
    ann = Participant(study(), "P1").to("practice")
    (item,) = ann.say(phase="practice")["items"]
    miss = ann.answer(item, ["sadness"])
    first, second = ann.say(miss, phase="practice"), ann.say(miss, phase="practice")
    assert [reply["items"][0]["revision"] for reply in (first, second)] == [1, 1]
    assert second["practised"] is None
    out = ann.practise(second["items"][0], ["sadness"])
    assert (out["status"], out["items"]) == ("screened_out", [])
    assert "have finished the images" in ann.say(phase="practice", status=403)["error"]
    assert not ann.shown([PRACTISED])
