"""A real server, a real browser: the app started as people start it, on a small demo set, and Debian's Chromium."""

import contextlib
import functools
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright
from sqlalchemy import Executable
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from streamlit.components.v2 import manifest_scanner

from affectml import checkup
from affectml.data import Dataset
from affectml.embeddings import embed_dataset
from affectml.judging.answers import SystemAnswers, write_answers
from affectml.taxonomies import Taxonomy
from affectml_annotation import Answer, LabelStore
from affectml_apps.relabel.identity import make_token
from affectml_apps.relabel.task import LabelTask, Options, current, open_task, parse_arguments
from affectml_apps.relabel.web import make_routes
from affectml_apps.serving import TOLD, Guard

ROOT = Path(__file__).resolve().parents[2]
RUN_INFO = ROOT / "tests" / "golden" / "0.3.0" / "runs" / "auto" / "run.json"
RELABEL = ROOT / "apps" / "relabel.py"
LAPTOP = {"width": 1280, "height": 720}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
PATIENCE = 300  # seconds until a wait is given up; waiting costs nothing, and a busy machine is slow
expect.set_options(timeout=PATIENCE * 1000)  # its own five seconds have not been enough on one
QUIET = ["--no-sandbox", "--no-first-run"]
QUIET += [f"--disable-{each}" for each in ("background-networking", "component-update", "sync")]


class Server:
    """`streamlit run apps/relabel.py` in a process of its own, that can be killed and started again."""

    def __init__(self, folder: Path, entry: Path, port: int, db: str, *arguments: str) -> None:
        self.db, self.entry, self.port, self.arguments = db, entry, port, arguments
        self.log = folder / "server.log"
        self.url = f"http://localhost:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Server":
        command = [sys.executable, "-m", "streamlit", "run", str(self.entry), "--server.port", str(self.port)]
        command += ["--server.headless", "true", "--", *self.arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.log.parent, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2):
                return self
            time.sleep(0.05)
        self.stop()
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def kill(self) -> None:
        """Kill it, and whatever it started."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    @functools.cached_property
    def store(self) -> LabelStore:
        """Its label store, beside the one that it has open itself."""
        return LabelStore(self.db)

    def close_store(self) -> None:
        """Close it, until it is asked for again."""
        if "store" in vars(self):
            self.store.close()
            del self.store

    def events(self) -> pd.DataFrame:
        """Everything stored, in the order it came."""
        return self.store.events()

    def stored(self, who: str) -> list[tuple[str, str, tuple[str, ...]]]:
        """What this person said, in order: image, kind, labels."""
        events = self.events()
        mine = events[events["annotator_id"] == who]
        return [(row.image_id, row.kind, tuple(row.labels)) for row in mine.itertuples()]


@pytest.fixture(scope="session", autouse=True)
def installed_components() -> Iterator[None]:
    """Streamlit's AppTest looks through all installed packages for components at each page: half a second, so once."""
    with pytest.MonkeyPatch.context() as patch:
        scan = functools.cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture(scope="session")
def demo(demo_set: Callable[..., Any]) -> Path:
    """A demo set of 240 paintings, shared and never written to."""
    return demo_set(images=240, seed=5).root


def servers(
    tmp_path_factory: pytest.TempPathFactory, demo: Path, free_port: Callable[[], int]
) -> Iterator[Callable[..., Server]]:
    """`start(*arguments)`: a server on the demo set, on another `dataset` or a `study`, or on what the arguments say.

    Each has a folder of its own, where its database lies unless `db` says where; all are stopped at the end.
    """
    running: list[Server] = []

    def starter(
        *arguments: str,
        dataset: Path | None = demo,
        study: Path | None = None,
        entry: Path = RELABEL,
        db: str | None = None,
        secrets: str | None = None,
    ) -> Server:
        folder = tmp_path_factory.mktemp("server")
        db = db or str(folder / "labels.db")
        if task := {"--study": study} if study else {"--dataset": dataset} if dataset else {}:
            arguments = (*map(str, *task.items()), "--db", db, *arguments)
        running.append(server := Server(folder, entry, free_port(), db, *arguments))
        if secrets is not None:
            (folder / ".streamlit").mkdir()
            (folder / ".streamlit" / "secrets.toml").write_text(secrets.replace("SERVER", server.url))
        return server.start()

    yield starter
    for server in running:
        server.stop()
        server.close_store()


start = pytest.fixture(servers)
start_shared = pytest.fixture(servers, scope="module")
start_kept = pytest.fixture(servers, scope="session")


@pytest.fixture(scope="session")
def server(start_kept: Callable[..., Server]) -> Server:
    """One server for all tests that need none of their own, with images for as many people as come."""
    server = start_kept()
    server.store.change_task(overlap=100)
    return server


@pytest.fixture
def prefer(server: Server) -> Iterator[Callable[..., None]]:
    """Change the server's task for one test; afterwards it is as it was."""
    before = server.store.task
    yield server.store.change_task
    server.store.set_task(before)


@pytest.fixture(scope="session")
def chromium() -> dict[str, object]:
    """How to launch Chromium, without a screen."""
    path = checkup.chromium()
    if path is None:
        pytest.skip("no Chromium on this machine; `apt-get install chromium`")
    return {"executable_path": path, "args": QUIET}


@pytest.fixture(scope="session")
def browser(chromium: dict[str, Any]) -> Iterator[Browser]:
    """Chromium, shared by all tests."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(**chromium)
        yield running
        running.close()


def profiles(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """`profile(**options of new_context)`: a browser profile of its own, as on another person's machine."""
    with contextlib.ExitStack() as open_ones:

        def make(**options: Any) -> BrowserContext:
            made = open_ones.enter_context(browser.new_context(**{"viewport": LAPTOP, **options}))
            made.set_default_timeout(PATIENCE * 1000)
            made.set_default_navigation_timeout(PATIENCE * 1000)
            return made

        yield make


profile = pytest.fixture(profiles)
profile_shared = pytest.fixture(profiles, scope="module")
profile_kept = pytest.fixture(profiles, scope="session")


@pytest.fixture(scope="session")
def laptop(profile_kept: Callable[..., BrowserContext]) -> BrowserContext:
    """A browser profile for all tests that need none of their own: what it fetched once is not fetched again."""
    return profile_kept()


@pytest.fixture
def context(profile: Callable[..., BrowserContext]) -> BrowserContext:
    """A browser profile of this test's own."""
    return profile()


@contextlib.contextmanager
def page_of(context: BrowserContext) -> Iterator[Page]:
    """A page on which no script may fail."""
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    page.close()
    assert problems == []


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page on which no script may fail: in the test's own `context` if it asks for one, else on the `laptop`."""
    context = "context" if "context" in request.fixturenames else "laptop"
    with page_of(request.getfixturevalue(context)) as made:
        yield made


@pytest.fixture
def saving(page: Page) -> Page:
    """The page of a browser that is to save data: it holds six images."""
    page.add_init_script("Object.defineProperty(navigator, 'connection', {value: {saveData: true}})")
    return page


@pytest.fixture
def serve(tmp_path: Path, demo: Path) -> Iterator[Callable[..., LabelTask]]:
    """`serve(**options)`: a task in this process, for what needs no browser; pages and routes serve the last one.

    words: what stands after `--` instead, where somebody starts the app.
    """
    with contextlib.ExitStack() as open_ones:
        open_ones.callback(current.use, None)

        def make(dataset: Path | None = demo, *words: object, say: Any = print, **options: Any) -> LabelTask:
            where = {"dataset": dataset, "db": str(tmp_path / f"{dataset and dataset.name}-labels.db")}
            chosen = parse_arguments([*map(str, words)]) if words else Options(**where | options)
            made = open_task(chosen, say)
            open_ones.callback(made.store.close)
            current.use(made)
            return made

        yield make


@pytest.fixture
def task(serve: Callable[..., LabelTask]) -> LabelTask:
    """A task on the demo set."""
    return serve()


def join(store: LabelStore, *people: str) -> None:
    """Have people in a task who agreed to take part."""
    store.invite(people)
    for who in people:
        store.consent(who)


def say(store: LabelStore, who: str, most: int, *labels: str, **more: Any) -> int:
    """Have somebody give the same answer to their next images; to how many. more: of the answer, such as its kind."""
    more, done = {"kind": "labels" if labels else "none"} | more, 0
    while done < most and (claims := store.claim(who, min(30, most - done))):
        store.submit([Answer(claim.image_id, who, labels=labels, **more) for claim in claims])
        done += len(claims)
    return done


def held(store: LabelStore) -> dict[str, int]:
    """How many images each person holds."""
    return store.annotators().set_index("annotator_id")["claimed"].to_dict()


def change(store: LabelStore, *statements: Executable) -> None:
    """Change a database without its store's own rules."""
    with store.database.write() as connection:
        for statement in statements:
            connection.execute(statement)


class Caller(TestClient):
    """Somebody's browser as far as the routes know one: it sends their token and what it is told to."""

    def __init__(self, task: LabelTask, who: str, *middleware: Middleware, **options: Any) -> None:
        """middleware: more of it. options: of `make_routes`."""
        middleware = (Middleware(Guard), *middleware)
        app = Starlette(routes=make_routes(**options), middleware=middleware, exception_handlers=TOLD)
        super().__init__(app, base_url="http://localhost:8501", follow_redirects=False)
        self.task = task
        self.be(who)

    def be(self, who: str) -> None:
        """Send the token of somebody from now on."""
        self.headers["x-relabel-token"] = make_token(self.task.secret, who)

    def say(self, *answers: object, status: int = 200, **more: Any) -> Any:
        """Send answers and more of a message; what the server replies."""
        reply = self.post("/relabel/sync", json={"answers": list(answers), **more})
        assert reply.status_code == status, reply.text
        return reply.json()

    def image(self, image: str) -> Any:
        return self.get("/relabel/image", params={"id": image})


def answer_to(item: Any, event: str = "e1", labels: Sequence[str] = ("awe",), **changes: Any) -> dict[str, Any]:
    """An answer to an image as the page sends it."""
    given = {name: item[name] for name in ("image", "round", "ticket")} | {"base_revision": item["revision"]}
    kind = "labels" if labels else "none"
    return {**given, "id": event, "kind": kind, "labels": list(labels), "seconds": 1.5, **changes}


def refused_for_now(reply: Any) -> None:
    """The database is away, which the reply says without its place, and when to come again."""
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert reply.json() == {"error": "the database does not answer at the moment; try again soon"}


class Person:
    """Somebody in front of the labelling page."""

    def __init__(self, page: Page, server: Server, who: str) -> None:
        self.page, self.server, self.who = page, server, who
        self.root = page.locator(".labeller")
        self.seen: set[str] = set()
        self.fetched: set[str] = set()
        self.before = 0  # what was stored of them before this test
        self.whole = True  # the page does as it was written
        page.on("requestfinished", self._has_fetched)

    def enter(self) -> "Person":
        """Open the page under a name, as somebody who agreed to take part."""
        join(self.server.store, self.who)
        return self.open()

    def open(self) -> "Person":
        """Open the page again."""
        self.seen.clear()
        self.fetched.clear()
        self.page.goto(f"{self.server.url}/?who={self.who}")
        return self.ready()

    def go_on(self) -> "Person":
        """Be at an image of which nothing is said, on the page as another test has left it, or opened again."""
        self.page.unroute_all(behavior="ignoreErrors")
        self.page.set_viewport_size(LAPTOP)
        if not (self.whole and self.root.evaluate(UNTOUCHED)):
            self.page.evaluate("sessionStorage.clear()")
            self.open().settled()
        self.before, self.whole = len(self.server.stored(self.who)), True
        return self

    def ready(self, *, after: str | None = None) -> "Person":
        """Wait for an image in sight, another one than `after`."""
        other = "" if after is None else f":not([data-image='{after}'])"
        self.page.wait_for_selector(f".labeller[data-state=ready]{other}")
        self.seen.add(self.image)
        return self

    def _has_fetched(self, request: Request) -> None:
        if "/relabel/image?" in request.url:
            self.fetched.update(parse_qs(urlsplit(request.url).query)["id"])

    def stocked(self, ahead: int = 5) -> "Person":
        """Wait until the page has fetched so many images ahead of the one in sight: they are there without a server."""
        while len(self.fetched - self.seen) < ahead:
            self.page.wait_for_event("requestfinished")
        return self

    def cut_off(self) -> None:
        """Keep this page from sending answers.

        What a page sends as it is left may arrive, whatever the browser was told of its network.
        """
        self.whole = False
        self.page.evaluate(
            "const send = fetch; fetch = (to, ...more) => "
            "String(to).includes('/relabel/sync') ? Promise.reject(new TypeError('cut off')) : send(to, ...more)"
        )

    def intercept(self, address: str, handler: Callable[..., object]) -> "Person":
        """Have requests of this page answered here, until the test is over."""
        self.whole = False
        self.page.route(address, handler)
        return self

    def settled(self) -> "Person":
        """Wait until the browser holds no unacknowledged answer."""
        self.page.wait_for_selector(".labeller[data-unsaved='0']")
        return self

    @property
    def image(self) -> str:
        return self.root.get_attribute("data-image") or ""

    @property
    def labels(self) -> list[str]:
        """Labels in the order of their keys 1, 2, 3, ..."""
        return self.page.locator(".groups .chip span:nth-last-child(2)").all_inner_texts()

    @property
    def chosen(self) -> list[str]:
        return self.page.locator(".chip[aria-pressed=true] span:nth-last-child(2)").all_inner_texts()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def write(self, key: str, text: str) -> "Person":
        """Press the key that leads to a field, `/` or `!`, and type into it."""
        self.press(key)
        self.page.keyboard.type(text)
        return self

    def burst(self, *keys: str, then: str = "") -> None:
        """Press keys within one task of the browser, faster than it can draw anything; then do what a script says."""
        self.page.evaluate(
            f"""keys => {{ for (const key of keys)
            document.body.dispatchEvent(new KeyboardEvent('keydown', {{key, bubbles: true, composed: true}}));
            {then} }}""",
            keys,
        )

    def answer(self, *keys: str) -> str:
        """Answer the image in sight and wait for the next; returns the image answered."""
        before = self.image
        self.press(*keys, "Enter")
        self.ready(after=before)
        return before

    @property
    def notice(self) -> str:
        """What the page says of what was done last."""
        return self.page.locator(".notice").inner_text()

    @property
    def stored(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """What is stored of them in this test, once their browser holds nothing more."""
        return self.settled().server.stored(self.who)[self.before :]

    @property
    def events(self) -> pd.DataFrame:
        """The same, with all that goes with it."""
        events = self.settled().server.events()
        return events[events["annotator_id"] == self.who][self.before :].reset_index(drop=True)


# of a labeller: whether it shows an image, and nothing was done or said since
UNTOUCHED = """at => at.dataset.state === 'ready' && !at.querySelector('[aria-pressed=true], dialog[open]')
&& at.querySelector('.actions button + button').disabled && at.querySelector('.stage').dataset.zoom === 'fit'
&& [...at.querySelectorAll('.notice, .dropped, .status, .alerts')].every(each => each.textContent === '')"""


# on a page: whether all of it is in sight; which element has the focus, within components too
NO_SCROLLING = """() => [document.scrollingElement, document.querySelector('.stMain')].every(
e => e.scrollHeight <= e.clientHeight && e.scrollWidth <= e.clientWidth)"""
FOCUSED = """() => { let at = document.activeElement;
while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement; return at; }"""


def settle(page: Page) -> None:
    """Wait until Streamlit has drawn everything and its fading in is over."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
    page.wait_for_function(
        """() => !document.querySelector('[data-testid=stSkeleton], [data-stale=true]')
        && document.getAnimations().every(each => each.playState !== 'running')"""
    )


def unfold(page: Page) -> None:
    """Open every part of a page that is folded."""
    shut = page.locator("details:not([open]) > summary")
    while shut.count():
        shut.evaluate_all("all => all.forEach(each => each.click())")
        settle(page)


def fill(store: LabelStore, people: Sequence[str], count: int) -> None:
    """So many answers of each of these people, drawn at random."""
    chance = random.Random(8)
    join(store, *people)
    for who in people:
        answers = []
        for claim in store.claim(who, count):
            labels = tuple(label for label in store.task.labels if chance.random() < 0.25)
            kind = "labels" if labels else "none"
            answers.append(Answer(claim.image_id, who, kind, labels, seconds=chance.uniform(1, 4)))
        store.submit(answers)


# without fetching style sheets and films anew, for rules of which none is serious
AXE = """(rules) => {
  window.axeFound = null;
  axe.run({ resultTypes: ["violations"], preload: false, ...(rules.length ? { runOnly: rules } : {}) }).then(
    (found) => { window.axeFound = { violations: found.violations }; },
    (error) => { window.axeFound = { failed: String(error) }; });
}"""


def axe(page: Page, *rules: str) -> list[str]:
    """What axe calls serious or critical, one line each; by some rules alone, where they are named.

    Waited for as long as for anything else: an `evaluate` that waits for axe itself has no limit.
    """
    if page.evaluate("() => !window.axe"):
        page.evaluate(Axe().axe_script)
    page.evaluate(AXE, rules)
    found = page.wait_for_function("() => window.axeFound", polling=50).json_value()
    assert "failed" not in found, found["failed"]
    serious = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {node['target']} {node['html'][:120]}" for each in serious for node in each["nodes"]]


def cut_or_overlapping(page: Page) -> list[str]:
    """What cannot be read or hit on a page, one line each; empty where all can.

    Looks at Streamlit's main block and at the labeller in it, or at the dialog that is open: text that is cut off, or
    lies beside the screen or over other text, things to press that cover each other, and scrolling sideways.
    """
    found: list[str] = page.evaluate(Path(__file__).with_name("looks.js").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def person(page: Page) -> Callable[..., Person]:
    """Make persons: `person(server, "ann")` in this test's page, or in another page given."""
    return lambda server, who="ann", where=None: Person(where or page, server, who)


@pytest.fixture(scope="module")
def at_work(request: pytest.FixtureRequest, server: Server, laptop: BrowserContext) -> Iterator[Person]:
    """Somebody in front of the server for all tests of a module: to open the page takes longer than most of them."""
    with page_of(laptop) as page:
        yield Person(page, server, request.module.__name__.rpartition(".")[2]).enter()


@pytest.fixture
def ann(at_work: Person) -> Person:
    """The same person, with nothing said of the image in sight, and nothing stored but what this test adds."""
    return at_work.go_on()


def write_run(
    folder: Path, taxonomy: Taxonomy, image_ids: Sequence[str], best: str, sets: Sequence[Sequence[str]] | None = None
) -> Path:
    """Write a run folder, as far as a map reads it."""
    folder.mkdir()
    info = json.loads(RUN_INFO.read_text(encoding="utf-8")) | {"taxonomy": taxonomy.to_dict()}
    (folder / "run.json").write_text(json.dumps(info))
    labels, ids, split = taxonomy.labels, np.array(image_ids), np.full(len(image_ids), "test")
    scores = np.tile(np.where(np.array(labels) == best, 0.9, 0.1), (len(ids), 1))
    chosen = None if sets is None else np.array([[label in given for label in labels] for given in sets])
    said = [("model", ids, split, SystemAnswers(labels, ids, split, scores, None, chosen))]
    write_answers(folder / "answers.parquet", "demo", labels, said)
    return folder


@pytest.fixture(scope="session")
def paintings(demo_set: Callable[..., Any]) -> Path:
    """60 paintings with embeddings, and a run that says `awe` of all of them: the folder of both, `set` and `run`."""
    data = demo_set("set", images=60, seed=4)
    captions = data.images["shapes"] + " shapes on painting " + data.images["image_id"]
    data.images.assign(caption=captions).to_parquet(data.root / "images.parquet")
    data = Dataset.open(data.root)
    embed_dataset(data, "affect-tiny", progress=False)
    ids = data.images["image_id"].tolist()
    labels = next(iter(data.meta.targets))
    write_run(data.root.parent / "run", data.target(labels).taxonomy, ids, "awe", [["awe"]] * len(ids))
    return data.root.parent
