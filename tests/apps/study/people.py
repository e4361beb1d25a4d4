"""Simulated people of a study on a real server: by the page's own protocol, or in browsers; and what each is due."""

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import sqlalchemy as sa
from playwright.sync_api import BrowserContext, Locator, Page

from affectml_annotation import LabelStore
from affectml_annotation.store.schema import panel
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.screen import Screen, screen
from affectml_apps.relabel.identity import make_token, read_secret

from ..conftest import answer_to, settle  # noqa: TID252
from .conftest import AGE, CHECK, FILE, PANEL, browsers_names
from .conftest import LABELS as PRACTISED

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
CHANGES: dict[str, Any] = {
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


def with_scripts(folder: Path) -> Path:
    """A study's folder, in whose texts scripts stand."""
    for name in ("consent", "instructions", "debriefing"):
        (folder / f"{name}.md").write_text(f"# The {name}\n\nWords. {SCRIPT}\n\n* {SCRIPT}\n")
    return folder


class Crowd:
    """A study, who takes part, what each of them said of which image, and what they are due.

    due: by panel id, status and hundredths. said: by panel id, image -> labels. looked: how often at what that browsers
    send, get or show. logged: what their consoles said.
    """

    def __init__(self, server: Any) -> None:
        self.server = server
        self.due: dict[str, tuple[str, int]] = {}
        self.said: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
        self.looked: Counter[str] = Counter()
        self.leaks: list[str] = []
        self.logged: list[str] = []
        self.open()

    def open(self) -> None:
        self.store, self.http = LabelStore(self.server.db), httpx.Client(base_url=self.server.url)

    def look(self, where: str, text: str | bytes, codes: object) -> None:
        """Note what nobody is to be sent: somebody's id, or a code that is none of `codes`, which are theirs by now."""
        text = text.decode("latin-1") if isinstance(text, bytes) else text
        self.looked[where] += 1
        leaked = set(re.findall(r"SECRET-\w+|CODE-\w+", text)) - set(re.findall(r"CODE-\w+", str(codes)))
        self.leaks += [f"{where}: {what}" for what in leaked]

    def close(self) -> None:
        """Before server and database are stopped; `open` afterwards."""
        self.store.close()
        self.http.close()


def address(person: str) -> dict[str, str]:
    """The ids with which the panel sends somebody."""
    return {"PROLIFIC_PID": person, "STUDY_ID": "s1", "SESSION_ID": f"session-of-{person}"}


def opinion(person: str, image: str) -> str:
    """What somebody says of an image: what a check dictates, else one of their own."""
    return "anger" if image == CHECK else LABELS[(sum(person.encode()) + int(image)) % len(LABELS)]


class Somebody:
    """Somebody who takes part, as their panel knows them."""

    def __init__(self, crowd: Crowd, person: str) -> None:
        self.crowd, self.person = crowd, person

    def say(self, image: str) -> str:
        """What they say of an image, noted as said."""
        label = opinion(self.person, image)
        self.crowd.said[self.person][image] = [label]
        return label

    @property
    def share(self) -> int:
        """What four images and a check, for 3.00, make of those they have labelled, in hundredths."""
        return 60 * len(self.crowd.said[self.person])

    def is_due(self, status: str, hundredths: int) -> None:
        assert self.person not in self.crowd.due
        self.crowd.due[self.person] = (status, hundredths)


class Caller(Somebody):
    """Somebody without a browser, who does what the page does: its functions, and its routes over HTTP."""

    def __init__(self, crowd: Crowd, person: str) -> None:
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
    def screen(self) -> Screen:
        return screen(self.crowd.store, self.who)

    def sync(self, **message: Any) -> dict[str, Any]:
        reply = self.crowd.http.post("/relabel/sync", json=message, headers=self.headers)
        assert reply.status_code == 200, reply.text
        self.crowd.look("a reply", reply.text, "")
        content, ids = reply.json(), {name: image for image, name in self.names.items()}
        for item in content["items"]:
            item["image"] = ids[item["image"]]
        return content

    def answer(self, item: dict[str, Any], label: str) -> dict[str, Any]:
        self.sent += 1
        name = self.names[item["image"]]
        picture = self.crowd.http.get("/relabel/image", params={"id": name}, headers=self.headers)
        assert picture.headers["content-type"].startswith("image/")
        return answer_to({**item, "image": name}, f"{self.who}-{self.sent}", [label])

    def practise(self, *, rightly: bool = True) -> "Caller":
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

    def label(self, most: int = 99) -> "Caller":
        """Label so many images, or all that come; each answer is sent twice, as after a reply that was lost."""
        items = self.sync(phase="images", want=1)["items"]
        while items and most > 0:
            answer = self.answer(items[0], self.say(items[0]["image"]))
            reply = self.sync(phase="images", answers=[answer, answer], want=1)
            assert [receipt["status"] for receipt in reply["receipts"]] == ["accepted"] * 2
            most -= items[0]["image"] != CHECK
            items = reply["items"]
        return self

    def leave(self) -> None:
        visits.leave(self.crowd.store, self.who)
        self.is_due("left", self.share)

    def finish(self) -> None:
        self.label()
        assert self.sync(phase="images", finish=True)["phase"] == "after"
        visits.answer_questions(self.crowd.store, self.who, "after", {"why": "no"})
        visits.go_on(self.crowd.store, self.who, "debriefing")
        self.is_due("completed", 300)
        assert self.screen.code == "CODE-completed"


class Visitor(Somebody):
    """Somebody in front of a browser, on a phone where that is touched."""

    def __init__(self, crowd: Crowd, person: str, context: BrowserContext, *, phone: bool = False) -> None:
        super().__init__(crowd, person)
        self.context, self.phone, self.codes = context, phone, ""
        self.page = self.tab()

    def tab(self) -> Page:
        """A further tab of this browser."""
        page = self.context.new_page()
        page.on("console", lambda line: self.crowd.logged.append(line.text))
        page.on("pageerror", lambda error: self.crowd.logged.append(str(error)))

        def listen(socket: Any) -> None:
            for event in ("framereceived", "framesent"):
                socket.on(event, lambda data, event=event: self.crowd.look(event, data, self.codes))

        page.on("websocket", listen)
        return page

    def come(self) -> "Visitor":
        """From the panel, by its address."""
        self.page.goto(f"{self.crowd.server.url}/?{urlencode(address(self.person))}")
        return self

    def press(self, name: str) -> "Visitor":
        button = self.page.get_by_role("button", name=name)
        button.tap() if self.phone else button.click()
        return self

    def told(self, text: str) -> "Visitor":
        """Wait until the page says so, and look at all that it shows."""
        self.page.get_by_text(text).first.wait_for()
        settle(self.page)  # else what is to be pressed next may be a button of the phase before
        self.crowd.look("a page", self.page.content(), self.codes)
        asked = self.page.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
        self.crowd.look("addresses", " ".join(asked), self.codes)
        assert self.page.url == f"{self.crowd.server.url}/"
        assert self.page.locator("a[href^=javascript], img[onerror]").count() == 0
        return self

    def agree(self) -> "Visitor":
        self.told("Words.")
        for at in range(len(BOXES)):
            self.page.get_by_test_id("stCheckbox").locator("label").nth(at).click()
        return self.press("I agree to take part")

    def to_practice(self) -> "Visitor":
        self.agree().told("How old are you?")
        self.resume_code = self.page.get_by_text("you need this code").inner_text().split(": ")[1]
        self.page.get_by_test_id("stRadio").locator("label", has_text="30+").click()
        self.press("Continue").told("The instructions")
        return self.press("Continue").ready()

    @property
    def over(self) -> Locator:
        """What covers the last image once it is answered."""
        return self.page.locator(".over:visible", has_text="You have answered all your images").get_by_role("button")

    def ready(self, but: str = "") -> "Visitor":
        """Wait for an image in sight, another than that, or for the end; one that comes with a warning is uncovered."""
        warned = self.page.locator(".cover:visible", has_text="Show the image")
        there = self.page.locator(f".labeller[data-state=ready]:not([data-image='{self.names.get(but, '')}'])")
        there.or_(warned).or_(self.over).first.wait_for()
        if warned.is_visible():
            warned.click()
            there.wait_for()
        return self

    @property
    def names(self) -> dict[str, str]:
        with self.crowd.store.database.read() as connection:
            theirs = sa.select(panel.c.annotator_id).where(panel.c.person == self.person)
            who = connection.scalar(theirs)
        return browsers_names(self.crowd.store, who)

    @property
    def image(self) -> str:
        shown = self.page.locator(".labeller").get_attribute("data-image")
        return next(image for image, name in self.names.items() if name == shown)

    def choose(self, label: str) -> None:
        """Choose a label and save it."""
        labels = self.page.locator(".groups .chip span:nth-last-child(2)").all_inner_texts()
        at = [each.lower() for each in labels].index(label)  # which is its key, less one
        if self.phone:
            self.page.locator(".groups .chip").nth(at).tap()
            self.page.locator(".actions").get_by_role("button", name="Save").tap()
        else:
            self.page.keyboard.press(str(at + 1))
            self.page.keyboard.press("Enter")

    def to_images(self) -> "Visitor":
        self.to_practice()
        for image, label in DICTATED.items():
            assert self.ready().image == image
            self.choose(label)
            if image != [*DICTATED][-1]:
                self.ready(but=image)
        self.told("The practice is over").press("Start").ready()
        return self

    def label(self, most: int = 99) -> "Visitor":
        """Label so many images, or all."""
        while most > 0 and not self.ready().over.is_visible():
            image = self.image
            self.choose(self.say(image))
            self.ready(but=image)
            most -= image != CHECK
        self.page.wait_for_selector(".labeller[data-unsaved='0']")
        return self

    def finish(self, hundredths: int = 300) -> "Visitor":
        self.label()
        self.over.click()
        self.told("Anything else?").press("Continue").told("The debriefing")
        self.codes = "CODE-completed"
        self.press("Finish").told("CODE-completed")
        self.is_due("completed", hundredths)
        return self

    def go_away(self) -> None:
        """Close the page, and keep the browser."""
        self.page.goto("about:blank")

    def come_back(self) -> "Visitor":
        """By the page's own address, as from a bookmark."""
        self.page.goto(self.crowd.server.url)
        return self
