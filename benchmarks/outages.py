"""The labelling page while its database or its server is away: what was typed, what is stored, when the page goes on.

    python benchmarks/outages.py [FAULT ...] [--clients 20] [--browsers 4] [--pace 1] [--around 5]

FAULT is DATABASE-WHAT-SECONDS: sqlite-locked-30 (another program writes), postgresql-fast-8 and postgresql-immediate-8
(stopped, and started again), sqlite-killed-3 (the app's server gets SIGKILL, and is started again). Without any: those
of benchmarks/README.md. Prints a Markdown table, and ends with an error if an answer is lost, doubled, refused or other
than it was typed, or if a browser or client was told a place, a user or a driver's words.

Clients keep the page's protocol without a browser: they send what is unacknowledged until it has its receipt, and wait
as long as a reply says. Browsers are Chromium pages at which keys are pressed. Everybody answers once in --pace seconds
for as long as there is an image, before, during and after the outage. A page has gone on when the next image is in
sight and nothing is unsaved. Needs the extra dev; PostgreSQL's programs and Chromium are found as the tests find them.
"""

import argparse
import asyncio
import random
import runpy
import socket
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright

from affectml import checkup
from affectml.demo_set import write_demo
from affectml_annotation import LabelStore
from affectml_apps.relabel.identity import make_token, read_secret

TESTS = Path(__file__).resolve().parents[1] / "tests"
POSTGRES = runpy.run_path(str(TESTS / "conftest.py"))["Postgres"]
APPS = runpy.run_path(str(TESTS / "apps" / "conftest.py"))
FAULTS = (
    "sqlite-locked-30",
    *(f"postgresql-{how}-{seconds}" for seconds in (1, 8, 60) for how in ("fast", "immediate")),
    "sqlite-killed-3",
    "postgresql-killed-3",
)
IMAGES = 240


@dataclass
class Trial:
    """What everybody did and was told."""

    server: Any
    pace: float
    around: float
    typed: dict[str, list[tuple[str, tuple[str, ...]]]]
    replies: Counter[int] = field(default_factory=Counter)
    told: set[str] = field(default_factory=set)
    took: list[float] = field(default_factory=list)  # milliseconds of the clients' exchanges
    went_on: dict[str, float] = field(default_factory=dict)  # who -> seconds after the outage
    began: float = float("inf")
    ended: float = float("inf")
    on: float = float("inf")  # when the last one did
    over: bool = False

    def goes_on(self, who: str) -> None:
        if time.monotonic() > self.ended and who not in self.went_on:
            self.on = time.monotonic()
            self.went_on[who] = self.on - self.ended


async def client(trial: Trial, who: str, token: str, labels: tuple[str, ...]) -> None:
    """One person without a browser."""
    pick, headers = random.Random(who), {"x-relabel-token": token}
    unacknowledged: list[dict[str, Any]] = []
    items: list[dict[str, Any]] = []
    typed = trial.typed[who]
    wait, due, seq = 0.0, time.monotonic() + pick.uniform(0, trial.pace), 0
    async with httpx.AsyncClient(base_url=trial.server.url, headers=headers, timeout=15) as http:
        while not trial.over or (unacknowledged and time.monotonic() - trial.began < APPS["PATIENCE"]):
            await asyncio.sleep(max(0.02, min(wait, due) - time.monotonic()))
            if time.monotonic() >= due and items and not trial.over:
                due, seq = time.monotonic() + trial.pace, seq + 1
                item, label = items.pop(0), pick.choice(labels)
                typed.append((item["image"], (label,)))
                unacknowledged.append({
                    "id": f"{who}-{seq}", "seq": seq, "image": item["image"], "round": item["round"], "kind": "labels",
                    "labels": [label], "ticket": item["ticket"], "base_revision": item["revision"],
                })  # fmt: skip
            if time.monotonic() < wait:
                continue
            asked = time.monotonic()
            try:
                reply = await http.post("/relabel/sync", json={"want": 6, "answers": unacknowledged})
                trial.took.append((time.monotonic() - asked) * 1000)
                picture = await http.get("/relabel/image", params={"id": typed[-1][0]}) if typed else reply
            except httpx.TransportError:
                wait = time.monotonic() + 1
                continue
            for each in {reply, picture}:
                trial.replies[each.status_code] += 1
                if each.status_code != 200:
                    trial.told.add(each.text)
            if reply.status_code == 200:
                refused = [each["error"] for each in reply.json()["receipts"] if each["status"] != "accepted"]
                trial.told.update(f"not accepted: {error}" for error in refused)
                unacknowledged.clear()
                known = {image for image, _ in typed}
                items = [item for item in reply.json()["items"] if item["image"] not in known]
                trial.goes_on(who)
                wait = due if items else max(due, asked + 1)
            else:
                wait = time.monotonic() + float(reply.headers["retry-after"])


async def clients(trial: Trial, tokens: dict[str, str], labels: tuple[str, ...]) -> None:
    await asyncio.gather(*(client(trial, who, token, labels) for who, token in tokens.items()))


STATE = """({ dataset, innerText }) =>
  [dataset.state, dataset.image, dataset.unsaved, `${innerText} ${document.body.innerText}`]"""


def look_and_press(trial: Trial, person: Any, due: dict[Any, float], labels: tuple[str, ...]) -> None:
    """Note what somebody in a browser is told, and have them answer where their time has come and an image is there."""
    state, image, unsaved, text = person.root.evaluate(STATE)
    trial.told.add(text)
    if state == "ready" and unsaved == "0":
        trial.goes_on(person.who)
    if state == "ready" and time.monotonic() >= due[person]:
        due[person] = time.monotonic() + trial.pace
        at = len(trial.typed[person.who]) % 8
        person.press(str(at + 1), "Enter")
        trial.typed[person.who].append((image, (labels[at],)))


def raise_what_went_wrong(beside: list[Future[None]]) -> None:
    for done in filter(Future.done, beside):
        done.result()


def press_keys(trial: Trial, people: list[Any], beside: list[Future[None]]) -> None:
    """Everybody in a browser, in turn; ends when all have gone on, and labelled a while more."""
    due, labels = dict.fromkeys(people, 0.0), {each.who: each.labels for each in people}
    while len(trial.went_on) < len(trial.typed) or time.monotonic() < trial.on + trial.around:
        raise_what_went_wrong(beside)
        for each in people:
            look_and_press(trial, each, due, labels[each.who])
        time.sleep(0.02)
    for each in people:
        each.settled()


def strike(trial: Trial, what: str, seconds: float, postgres: Any) -> None:
    """The outage."""
    time.sleep(trial.around)
    trial.began = time.monotonic()
    if what == "locked":
        with closing(sqlite3.connect(trial.server.db, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
    elif what == "killed":
        trial.server.kill()
        time.sleep(seconds)
        trial.server.start()
    else:
        postgres.stop(what)
        time.sleep(seconds)
        postgres.start()
    trial.ended = time.monotonic()


def wrong_with(trial: Trial) -> list[str]:
    """What was lost, doubled or changed, and what nobody should have been told."""
    events = trial.server.events()
    stored: dict[str, list[tuple[str, tuple[str, ...]]]] = {who: [] for who in trial.typed}
    for who, image, labels in zip(events["annotator_id"], events["image_id"], events["labels"], strict=True):
        stored[who].append((image, tuple(labels)))
    wrong = [f"{status} events" for status in set(events["status"]) - {"accepted"}]
    for who, typed in trial.typed.items():
        if sorted(stored[who]) != sorted(typed):
            wrong.append(f"{who}: {len(typed)} typed, {len(stored[who])} stored, or others")
    places = ("postgres", "psycopg", "labels.db", "sqlite", "localhost:", "127.0.0.1", "Traceback", "not accepted",
              "Not stored", str(Path(trial.server.db).parent))  # fmt: skip
    return wrong + [text for text in trial.told if any(place in text for place in places)]


def run(fault: str, folder: Path, demo: Path, new_page: Callable[[], Page], given: argparse.Namespace) -> str:
    """One outage, and its row of the table."""
    database, what, seconds = fault.split("-")
    with ExitStack() as stack:
        postgres = stack.enter_context(closing(POSTGRES())) if database == "postgresql" else None
        if postgres is not None:
            postgres.start()
        db = str(folder / "labels.db") if postgres is None else postgres.url
        server = APPS["Server"](folder, APPS["RELABEL"], free_port(), db, "--dataset", str(demo), "--db", db).start()
        stack.callback(server.stop)
        with LabelStore(server.db) as store:
            store.change_task(overlap=given.clients + given.browsers)
            tokens = {f"client{at}": make_token(read_secret(store), f"client{at}") for at in range(given.clients)}
            labels = store.task.labels
            store.invite(tokens)
            for who in tokens:
                store.consent(who)
        people = [APPS["Person"](new_page(), server, f"browser{at}").enter() for at in range(given.browsers)]
        trial = Trial(server, given.pace, given.around, {who: [] for who in (*tokens, *(each.who for each in people))})
        pool = stack.enter_context(ThreadPoolExecutor(2))
        stack.callback(setattr, trial, "over", True)
        beside = [
            pool.submit(strike, trial, what, float(seconds), postgres),
            pool.submit(asyncio.run, clients(trial, tokens, labels)),
        ]
        press_keys(trial, people, beside)
        trial.over = True
        for each in beside:
            each.result()
        for each in people:
            each.page.close()
        if wrong := wrong_with(trial):
            raise SystemExit(f"{fault}: " + "\n".join(wrong))
        stored = len(server.events())
    slowest = [
        f"{max((after for who, after in trial.went_on.items() if who.startswith(kind)), default=0):.1f}"
        for kind in ("browser", "client")
    ]
    away, typed = trial.ended - trial.began, sum(map(len, trial.typed.values()))
    return f"| {fault} | {away:.1f} | {typed} | {stored} | {trial.replies[503]} | {' | '.join(slowest)} |"


@contextmanager
def pages() -> Iterator[Callable[[], Page]]:
    """A function that opens a page of a Chromium of our own, each in a profile of its own."""
    with sync_playwright() as playwright:
        chromium = checkup.chromium()
        browser = playwright.chromium.launch(executable_path=chromium, args=list(APPS["QUIET"]))

        def new_page() -> Page:
            page = browser.new_page(viewport=APPS["LAPTOP"])
            page.set_default_timeout(APPS["PATIENCE"] * 1000)
            return page

        yield new_page
        browser.close()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", metavar="FAULT", default=FAULTS)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--browsers", type=int, default=4)
    parser.add_argument("--pace", type=float, default=1.0, help="seconds from one answer of a person to the next")
    parser.add_argument("--around", type=float, default=5.0, help="seconds before the outage, and after it")
    given = parser.parse_args()
    print("| fault | away, s | typed | stored | replies 503 | pages go on after, s | clients |")
    print("|---|--:|--:|--:|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory() as name, pages() as new_page:
        demo = write_demo(Path(name) / "demo", images=IMAGES, seed=1, size=96).root
        for fault in given.faults:
            folder = Path(name) / fault
            folder.mkdir()
            print(run(fault, folder, demo, new_page, given), flush=True)


if __name__ == "__main__":
    main()
