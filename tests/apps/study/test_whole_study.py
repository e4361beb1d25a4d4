"""A study of 24 people on a real server, on both engines and through a restart of both: all comes out as asked."""

import re
from collections import Counter, defaultdict
from contextlib import closing, nullcontext
from urllib.parse import urlencode

import httpx
import pytest
import sqlalchemy as sa

from affectml_annotation import LabelStore, aggregate
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.store import schema
from affectml_annotation.study import door, pay, running, visits
from affectml_annotation.study.door import Ids
from affectml_annotation.study.overview import overview
from affectml_annotation.study.screen import screen
from affectml_apps.relabel.identity import make_token, read_secret

from ...annotation.studies import pass_time  # noqa: TID252
from ..conftest import PHONE, answer_to, settle  # noqa: TID252
from .conftest import AGE, CHECK, FILE, PANEL, browsers_names, participant
from .conftest import LABELS as PRACTISED

SLOW = {"played"}
LABELS = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")
DICTATED = {image: label for image, (label,) in PRACTISED.items()}
RAN = "a script ran"
# what a text of the study may hold, by malice or by mistake
SCRIPT = (
    f"<script>console.log('{RAN}')</script><img src='nowhere.png' onerror=\"console.log('{RAN}')\">"
    f"[here](javascript:console.log('{RAN}'))"
)
BOXES = [f"I agree. {SCRIPT}", "I am an adult."]
OLD = f"30+ {SCRIPT}"
# 20 images, less two to practise with and a check: 17 images with 5 people each are 85 answers; 17 people give 68
CHANGES = {
    "overlap": 5,
    "images_per_person": 4,
    "minutes_per_image": 1,  # 8 minutes in all are announced
    "consent": {"boxes": BOXES},
    "before": {"questions": [{**AGE, "text": f"How old are you? {SCRIPT}", "options": ["18-29", OLD], "share": True}]},
    "after": {"questions": [{"id": "why", "text": f"Anything else? {SCRIPT}", "kind": "text", "required": False}]},
    "practice": {**FILE["practice"], "feedback": f"Not quite. {SCRIPT}"},
    "checks": {"rate": 0.2, "images": [{"image": CHECK, "labels": ["anger"]}]},
    "help": [f"Call 116 123. {SCRIPT}"],
    "places": {"people": 17, "minutes": 60 * 24},
    "recruit": {
        **PANEL,
        "study": "s1",
        "codes": {name: f"CODE-{name}" for name in ("completed", "screened_out", "timed_out", "no_consent")},
        "return_to": "https://panel.example/?cc={code}&p={person}",
    },
    "pay": {
        "per_person": "3.00",
        "per_screen_out": "0.50",
        "per_minute_over": "0.10",
        "most_minutes_over": 2,
        "paid_by_panel": ["completed"],
    },
}


def with_scripts(folder):
    """A study's folder, in whose texts scripts stand."""
    for name in ("consent", "instructions", "debriefing"):
        (folder / f"{name}.md").write_text(f"# The {name}\n\nWords. {SCRIPT}\n\n* {SCRIPT}\n")
    return folder


class Crowd:
    """A study, who takes part, what each of them said of which image, and what they are due.

    due: by panel id, status and hundredths. said: by panel id, image -> labels. looked: how often at what that browsers
    send, get or show. logged: what their consoles said.
    """

    def __init__(self, server):
        self.server = server
        self.due = {}
        self.said = defaultdict(dict)
        self.looked = Counter()
        self.leaks = []
        self.logged = []
        self.open()

    def open(self):
        self.store, self.http = LabelStore(self.server.db), httpx.Client(base_url=self.server.url)

    def look(self, where, text, codes):
        """Note what nobody is to be sent: somebody's id, or a code that is none of `codes`, which are theirs by now."""
        text = text.decode("latin-1") if isinstance(text, bytes) else text
        self.looked[where] += 1
        leaked = set(re.findall(r"SECRET-\w+|CODE-\w+", text)) - set(re.findall(r"CODE-\w+", str(codes)))
        self.leaks += [f"{where}: {what}" for what in leaked]

    def close(self):
        """Before server and database are stopped; `open` afterwards."""
        self.store.close()
        self.http.close()


def address(person):
    """The ids with which the panel sends somebody."""
    return {"PROLIFIC_PID": person, "STUDY_ID": "s1", "SESSION_ID": f"session-of-{person}"}


def opinion(person, image):
    """What somebody says of an image: what a check dictates, else one of their own."""
    return "anger" if image == CHECK else LABELS[(sum(person.encode()) + int(image)) % len(LABELS)]


class Somebody:
    """Somebody who takes part, as their panel knows them."""

    def __init__(self, crowd, person):
        self.crowd, self.person = crowd, person

    def say(self, image):
        """What they say of an image, noted as said."""
        label = opinion(self.person, image)
        self.crowd.said[self.person][image] = [label]
        return label

    @property
    def share(self):
        """What four images and a check, for 3.00, make of those they have labelled, in hundredths."""
        return 60 * len(self.crowd.said[self.person])

    def is_due(self, status, hundredths):
        assert self.person not in self.crowd.due
        self.crowd.due[self.person] = (status, hundredths)


class Caller(Somebody):
    """Somebody without a browser, who does what the page does: its functions, and its routes over HTTP."""

    def __init__(self, crowd, person):
        super().__init__(crowd, person)
        store = crowd.store
        ids = door.ids_from(store.database.reading(running.file_of), address(person))
        entry = door.enter(store, ids)
        assert entry.kind == "consent"
        self.who = door.agree(store, ids, entry.version, BOXES).participant
        self.headers = {"x-relabel-token": make_token(read_secret(store), self.who)}
        self.names = browsers_names(store, self.who)
        self.sent = 0

    @property
    def screen(self):
        return screen(self.crowd.store, self.who)

    def sync(self, **message):
        reply = self.crowd.http.post("/relabel/sync", json=message, headers=self.headers)
        assert reply.status_code == 200, reply.text
        self.crowd.look("a reply", reply.text, "")
        content, ids = reply.json(), {name: image for image, name in self.names.items()}
        for item in content["items"]:
            item["image"] = ids[item["image"]]
        return content

    def answer(self, item, label):
        self.sent += 1
        name = self.names[item["image"]]
        picture = self.crowd.http.get("/relabel/image", params={"id": name}, headers=self.headers)
        assert picture.headers["content-type"].startswith("image/")
        return answer_to({**item, "image": name}, f"{self.who}-{self.sent}", [label])

    def practise(self, *, rightly=True):
        visits.answer_questions(self.crowd.store, self.who, "before", {"age": OLD})
        visits.go_on(self.crowd.store, self.who, "instructions")
        reply = self.sync(phase="practice")
        while reply["phase"] == "practice" and reply["status"] is None:
            (item,) = reply["items"]
            answer = self.answer(item, DICTATED[item["image"]] if rightly else "anger")
            reply = self.sync(phase="practice", answers=[answer])
        assert reply["phase"] == ("start" if rightly else "practice")
        if rightly:
            visits.go_on(self.crowd.store, self.who, "start")
        return self

    def label(self, most=99):
        """Label so many images, or all that come; each answer is sent twice, as after a reply that was lost."""
        items = self.sync(phase="images", want=1)["items"]
        while items and most > 0:
            answer = self.answer(items[0], self.say(items[0]["image"]))
            reply = self.sync(phase="images", answers=[answer, answer], want=1)
            assert [receipt["status"] for receipt in reply["receipts"]] == ["accepted"] * 2
            most -= items[0]["image"] != CHECK
            items = reply["items"]
        return self

    def leave(self):
        visits.leave(self.crowd.store, self.who)
        self.is_due("left", self.share)

    def finish(self):
        self.label()
        assert self.sync(phase="images", finish=True)["phase"] == "after"
        visits.answer_questions(self.crowd.store, self.who, "after", {"why": "no"})
        visits.go_on(self.crowd.store, self.who, "debriefing")
        self.is_due("completed", 300)
        assert self.screen.code == "CODE-completed"


class Visitor(Somebody):
    """Somebody in front of a browser, on a phone where that is touched."""

    def __init__(self, crowd, person, context, *, phone=False):
        super().__init__(crowd, person)
        self.context, self.phone, self.codes = context, phone, ""
        self.page = self.tab()

    def tab(self):
        """A further tab of this browser."""
        page = self.context.new_page()
        page.on("console", lambda line: self.crowd.logged.append(line.text))
        page.on("pageerror", lambda error: self.crowd.logged.append(str(error)))

        def listen(socket):
            for event in ("framereceived", "framesent"):
                socket.on(event, lambda data, event=event: self.crowd.look(event, data, self.codes))

        page.on("websocket", listen)
        return page

    def come(self):
        """From the panel, by its address."""
        self.page.goto(f"{self.crowd.server.url}/?{urlencode(address(self.person))}")
        return self

    def press(self, name):
        button = self.page.get_by_role("button", name=name)
        button.tap() if self.phone else button.click()
        return self

    def told(self, text):
        """Wait until the page says so, and look at all that it shows."""
        self.page.get_by_text(text).first.wait_for()
        settle(self.page)  # else what is to be pressed next may be a button of the phase before
        self.crowd.look("a page", self.page.content(), self.codes)
        asked = self.page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
        self.crowd.look("addresses", " ".join(asked), self.codes)
        assert self.page.url == f"{self.crowd.server.url}/"
        assert self.page.locator("a[href^=javascript], img[onerror]").count() == 0
        return self

    def agree(self):
        self.told("Words.")
        for at in range(len(BOXES)):
            self.page.get_by_test_id("stCheckbox").locator("label").nth(at).click()
        return self.press("I agree to take part")

    def to_practice(self):
        self.agree().told("How old are you?")
        self.resume_code = self.page.get_by_text("you need this code").inner_text().split(": ")[1]
        self.page.get_by_test_id("stRadio").locator("label", has_text="30+").click()
        self.press("Continue").told("The instructions")
        return self.press("Continue").ready()

    @property
    def over(self):
        """What covers the last image once it is answered."""
        return self.page.locator(".over:visible", has_text="You have answered all your images").get_by_role("button")

    def ready(self, but=""):
        """Wait for an image in sight, another than that, or for the end; one that comes with a warning is uncovered."""
        warned = self.page.locator(".cover:visible", has_text="Show the image")
        there = self.page.locator(f".labeller[data-state=ready]:not([data-image='{self.names.get(but, '')}'])")
        there.or_(warned).or_(self.over).first.wait_for()
        if warned.is_visible():
            warned.click()
            there.wait_for()
        return self

    @property
    def names(self):
        return browsers_names(self.crowd.store, participant(self.crowd.store, self.person))

    @property
    def image(self):
        shown = self.page.locator(".labeller").get_attribute("data-image")
        return next(image for image, name in self.names.items() if name == shown)

    def choose(self, label):
        """Choose a label and save it."""
        labels = self.page.locator(".groups .chip span:nth-last-child(2)").all_inner_texts()
        at = [each.lower() for each in labels].index(label)  # which is its key, less one
        if self.phone:
            self.page.locator(".groups .chip").nth(at).tap()
            self.page.locator(".actions").get_by_role("button", name="Save").tap()
        else:
            self.page.keyboard.press(str(at + 1))
            self.page.keyboard.press("Enter")

    def to_images(self):
        self.to_practice()
        for image, label in DICTATED.items():
            assert self.ready().image == image
            self.choose(label)
            if image != [*DICTATED][-1]:
                self.ready(but=image)
        self.told("The practice is over").press("Start").ready()
        return self

    def label(self, most=99):
        """Label so many images, or all."""
        while most > 0 and not self.ready().over.is_visible():
            image = self.image
            self.choose(self.say(image))
            self.ready(but=image)
            most -= image != CHECK
        self.page.wait_for_selector(".labeller[data-unsaved='0']")
        return self

    def finish(self, hundredths=300):
        self.label()
        self.over.click()
        self.told("Anything else?").press("Continue").told("The debriefing")
        self.codes = "CODE-completed"
        self.press("Finish").told("CODE-completed")
        self.is_due("completed", hundredths)
        return self

    def go_away(self):
        """Close the page, and keep the browser."""
        self.page.goto("about:blank")

    def come_back(self):
        """By the page's own address, as from a bookmark."""
        self.page.goto(self.crowd.server.url)
        return self


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def played(request, study_folder, start_shared, profile_shared):
    """The study once all 24 have come, and those for whom places were opened afterwards."""
    postgres, database = None, nullcontext()
    if request.param == "postgresql":
        postgres, database = (request.getfixturevalue(name) for name in ("postgres", "new_postgres"))
        database = database()
    study = with_scripts(study_folder(**CHANGES))
    with database as db:
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
