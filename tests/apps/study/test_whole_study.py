"""A study on a real server, on both engines and through a kill of both: all comes out as asked."""

import re
from collections import Counter, defaultdict
from contextlib import nullcontext, suppress
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Error

from affectml_annotation import aggregate
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.store.schema import content_warning
from affectml_annotation.study import pay, visits

from ...annotation.studies import pass_time  # noqa: TID252
from ..conftest import PHONE, change, settle  # noqa: TID252
from .conftest import AGE, CHECK, FILE, PANEL, AtImages, bring, participant
from .conftest import LABELS as PRACTISED

SLOW = {"played"}
LABELS = ("amusement", "anger", "awe", "contentment", "disgust", "excitement", "fear", "sadness")
RAN = "a script ran"
# what a text of the study may hold, by malice or by mistake
SCRIPT = (
    f"<script>console.log('{RAN}')</script><img src='nowhere.png' onerror=\"console.log('{RAN}')\">"
    f"[here](javascript:console.log('{RAN}'))"
)
BOXES = [f"I agree. {SCRIPT}", "I am an adult."]
OLD = f"30+ {SCRIPT}"
CHANGES = {
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
        "codes": {name: f"CODE-{name}" for name in ("completed", "screened_out")},
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
    """A study on a server, what each person said of which image, and what they are due.

    due: by panel id, status and hundredths. said: by panel id, image -> labels. looked: how often at what that browsers
    send, get or show. logged: what their consoles said.
    """

    def __init__(self, server):
        self.server, self.due, self.said = server, {}, defaultdict(dict)
        self.looked, self.leaks, self.logged = Counter(), [], []
        change(server.store, content_warning.delete())

    def look(self, where, text, codes):
        """Note what nobody is to be sent: somebody's id, or a code that is none of `codes`, which are theirs by now."""
        text = text.decode("latin-1") if isinstance(text, bytes) else text
        self.looked[where] += 1
        leaked = set(re.findall(r"SECRET-\w+|CODE-\w+", text)) - set(re.findall(r"CODE-\w+", str(codes)))
        self.leaks += [f"{where}: {what}" for what in leaked]


class Visitor(AtImages):
    """Somebody with an id of the panel, in front of a browser, on a phone where that is touched."""

    def __init__(self, crowd, person, context, *, phone=False):
        super().__init__(context.new_page(), crowd.server, participant(crowd.server.store, person))
        self.crowd, self.person, self.context, self.phone, self.codes = crowd, person, context, phone, ""
        self.page.on("console", lambda line: crowd.logged.append(line.text))
        self.page.on("pageerror", lambda error: crowd.logged.append(str(error)))
        self.page.on("requestfinished", self.hear)
        self.page.on("websocket", self.listen)

    def hear(self, request):
        if request.url.endswith("/relabel/sync"):
            with suppress(Error):  # its page has gone on meanwhile
                self.crowd.look("a reply", request.response().text(), self.codes)

    def listen(self, socket):
        for event in ("framereceived", "framesent"):
            socket.on(event, lambda data, event=event: self.crowd.look(event, data, self.codes))

    def come(self):
        """From the panel, by its address."""
        ids = {"PROLIFIC_PID": self.person, "STUDY_ID": "s1", "SESSION_ID": f"session-of-{self.person}"}
        self.page.goto(f"{self.server.url}/?{urlencode(ids)}")
        return self

    def click(self, name):
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
        assert self.page.url == f"{self.server.url}/"
        assert self.page.locator("a[href^=javascript], img[onerror]").count() == 0
        return self

    def ends(self, status, hundredths, text):
        """Wait for the page of this end, with its code if it has one, and note what they are due."""
        assert self.person not in self.crowd.due
        self.crowd.due[self.person] = (status, hundredths)
        self.told(text)
        return self.told(self.codes) if self.codes else self

    @property
    def share(self):
        """What four images and a check, for 3.00, make of those they have labelled, in hundredths."""
        return 60 * len(self.crowd.said[self.person])

    def agree(self):
        self.told("Words.")
        for at in range(len(BOXES)):
            self.page.get_by_test_id("stCheckbox").locator("label").nth(at).click()
        self.click("I agree to take part").told("How old are you?")
        self.who = participant(self.server.store, self.person)
        return self

    def to_practice(self):
        self.agree()
        self.resume_code = self.page.get_by_text("you need this code").inner_text().split(": ")[1]
        self.page.get_by_test_id("stRadio").locator("label", has_text="30+").click()
        self.click("Continue").told("The instructions")
        return self.click("Continue").ready()

    def to_images(self):
        self.to_practice()
        for image, (label,) in PRACTISED.items():
            self.page.wait_for_selector(f".labeller[data-state=ready][data-image='{self.names[image]}']")
            self.choose(label)
        return self.told("The practice is over").click("Start").ready()

    def at_images(self):
        """Come to the images at once, without the pages before."""
        self.agree()
        visits.answer_questions(self.server.store, self.who, "before", {"age": OLD})
        bring(self.server.store, self.who, "images")
        self.page.goto(self.server.url)
        return self.ready()

    @property
    def over(self):
        """What covers the last image once it is answered."""
        return self.page.locator(".over:visible", has_text="You have answered all your images").get_by_role("button")

    def ready(self, *, after=None):
        """Wait for an image in sight, another than that, or for the end."""
        there = self.page.locator(f".labeller[data-state=ready]:not([data-image='{self.names.get(after, '')}'])")
        there.or_(self.over).first.wait_for()
        return self

    def choose(self, label):
        """Choose a label and save it."""
        at = [each.lower() for each in self.labels].index(label)  # which is its key, less one
        if self.phone:
            self.page.locator(".groups .chip").nth(at).tap()
            self.page.locator(".actions").get_by_role("button", name="Save").tap()
        else:
            self.press(str(at + 1), "Enter")

    def say(self):
        """Say of the image in sight what a check dictates, else an opinion of their own, which is noted."""
        image = self.image
        own = LABELS[(sum(self.person.encode()) + int(image)) % len(LABELS)]
        label = "anger" if image == CHECK else own
        self.crowd.said[self.person][image] = [label]
        self.choose(label)
        return image

    def label(self, most=99):
        """Label so many images, or all."""
        while most > 0 and not self.ready().over.is_visible():
            image = self.say()
            self.ready(after=image)
            most -= image != CHECK
        return self.settled()

    def finish(self, hundredths=300):
        self.label()
        self.over.click()
        self.told("Anything else?").click("Continue").told("The debriefing")
        self.codes = "CODE-completed"
        return self.click("Finish").ends("completed", hundredths, "The debriefing")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def played(request, study_folder, start_shared, profile_shared):
    """The study once all have come and gone."""
    postgres, database = None, nullcontext()
    if request.param == "postgresql":
        postgres, database = (request.getfixturevalue(name) for name in ("postgres", "new_postgres"))
        database = database()
    study = with_scripts(study_folder(**CHANGES))
    with database as db:
        crowd = Crowd(start_shared("--allow-host", "lab.example", study=study, db=db))
        play(crowd, profile_shared, postgres)
        yield crowd
        crowd.server.stop()
        crowd.server.close_store()


def play(crowd, profile, postgres):
    lab, lent = profile(), profile(**PHONE)  # two devices go from one to the next
    people = iter([f"SECRET-{n}" for n in range(5)])

    def visitor(device):
        return Visitor(crowd, next(people), device, phone=device is lent).come()

    # one comes back tomorrow, on another device
    tomorrow = visitor(lab).to_images().label(1)
    tomorrow.page.goto("about:blank")
    pass_time(crowd.server.store, 60 * 9)
    other = Visitor(crowd, tomorrow.person, lent, phone=True).come().told("Welcome back")
    other.page.get_by_label("Resume code").fill(tomorrow.resume_code)
    other.click("Continue").ready().label(1)
    pass_time(crowd.server.store, 60 * 9)
    other.finish(320)  # two nights count 5 minutes each, 2 over the 8 announced beside what they did: the file pays two

    # one fails the practice, one leaves in the middle
    fails = visitor(lent).to_practice()
    fails.choose("anger")
    fails.page.locator("[role=alert]", has_text="one more try").wait_for()
    fails.codes = "CODE-screened_out"
    fails.choose("anger")
    fails.ends("screened_out", 50, "The study ends here for you")
    leaves = visitor(lab).at_images().label(2)
    leaves.click("Leave the study").click("Leave now").ends("left", leaves.share, "You have left the study")
    leaves.come().told("You have left the study")

    # two are in the middle when server and database die; browsers hold what is typed meanwhile
    phone, laptop = visitor(lent).to_images().label(1), visitor(lab).at_images().label(1)
    crowd.server.close_store()
    crowd.server.kill()
    if postgres is not None:
        postgres.stop("immediate")
    for one in (phone, laptop):
        one.say()
        one.page.wait_for_selector(".labeller:not([data-unsaved='0'])")
    if postgres is not None:
        postgres.start()
    crowd.server.start()
    for one in (phone, laptop):
        one.page.wait_for_selector("[data-testid=stApp][data-test-connection-state=CONNECTED]")
        settle(one.page)  # which draws anew what stands there
        one.settled().finish()
    with laptop.context.expect_event("request", lambda sent: "panel.example" in sent.url) as panel:
        laptop.page.get_by_role("link", name="Return with this code").click()
    assert panel.value.url == f"https://panel.example/?cc=CODE-completed&p={laptop.person}"


def test_what_people_said_is_stored_once_and_nothing_else_is(played):
    stored = defaultdict(dict)
    people = {participant(played.server.store, person): person for person in played.said}
    for row in played.server.events().itertuples():
        person = people[row.annotator_id]
        assert row.image_id not in stored[person]
        stored[person][row.image_id] = list(row.labels)
    assert stored == played.said


def test_everybody_is_due_what_was_promised_to_the_penny(played):
    rows = pay.pay_rows(played.server.store)
    assert {row.person: (row.status, row.due * 100) for row in rows} == played.due
    assert Counter(row.status for row in rows) == {"completed": 3, "left": 1, "screened_out": 1}
    assert {row.person for row in rows if row.by_panel} == {row.person for row in rows if row.status == "completed"}


def test_no_panel_id_and_no_code_before_its_time_is_in_anything_but_the_pay_table(played, tmp_path):
    assert min(played.looked[where] for where in ("framereceived", "framesent", "addresses", "a reply", "a page")) > 10
    assert played.leaks == []
    parts = {"labels": lambda table: aggregate(table, LABELS, "votes")}
    write_dataset_folder(tmp_path / "export", Collected.of(played.server.store), parts)
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
