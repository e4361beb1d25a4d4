"""Fifty people label at once, through one restart of the server: how long they wait, and whether an answer is lost.

    python benchmarks/load.py sqlite|postgresql [--seconds 600] [--people 50] [--browsers 8] [--pace 3]

Everybody answers once in --pace seconds for --seconds, and the server is stopped and started again half way; after
that the images that are left are answered without a pause, so that each has all the people that it wants. Some are
Chromium pages at which keys are pressed, the others keep the page's protocol (see outages.py). Prints Markdown: what
people waited for, and the server's own times by route (see served.py). Ends with an error if an answer is lost,
doubled, refused or other than it was typed, if an image has not exactly --overlap different people, or if a browser or
client was told what nobody should be. PostgreSQL writes to the disk here as it does outside of tests.
"""

import argparse
import asyncio
import math
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from outages import (
    APPS,
    IMAGES,
    POSTGRES,
    Trial,
    clients,
    free_port,
    look_and_press,
    pages,
    raise_what_went_wrong,
    wrong_with,
)
from playwright.sync_api import Page

from affectml.demo_set import write_demo
from affectml_annotation import LabelStore
from affectml_apps.relabel.identity import make_token, read_secret
from relabel import large_set, resident

SERVED = Path(__file__).with_name("served.py")
HURRY = 0.05  # seconds between a client's answers once the time is over


@contextmanager
def database(kind: str) -> Iterator[str | None]:
    """The URL of a PostgreSQL server of our own; None for SQLite."""
    if kind == "sqlite":
        yield None
        return
    with closing(POSTGRES(free_port())) as postgres:
        postgres.options = postgres.options.replace("fsync=off", "fsync=on")
        postgres.start()
        yield postgres.url


def restart(trial: Trial, after: float) -> None:
    """As somebody restarts a server: it is told to end, and ends."""
    time.sleep(after)
    trial.began = time.monotonic()
    trial.server.stop()
    trial.server.start()
    trial.ended = time.monotonic()


def label(trial: Trial, people: list[Any], given: argparse.Namespace, beside: list[Future[None]]) -> dict[str, Any]:
    """Everybody labels until every image has its people; what was measured while they kept their pace."""
    labels = {each.who: each.labels for each in people}
    due = {each: time.monotonic() + given.pace * at / len(people) for at, each in enumerate(people)}
    until, look, loads = time.monotonic() + given.seconds, 0.0, []
    found: dict[str, Any] = {}
    with LabelStore(trial.server.db) as store:
        while True:
            raise_what_went_wrong(beside)
            for each in people:
                if time.monotonic() >= due[each]:
                    look_and_press(trial, each, due, labels[each.who])
            if (now := time.monotonic()) > look:
                look = now + 2
                loads.append(os.getloadavg()[0])
                if now > until and not found:
                    found = {
                        "browsers": [span for each in people for span in each.page.evaluate(SPANS)],
                        "clients": list(trial.took),
                        "calls": read_calls(trial.server.calls),
                        "load": float(np.mean(loads)),
                        "memory": resident(trial.server.process),
                    }
                    trial.pace = HURRY
                if found and (progress := store.progress()).answered == progress.wanted:
                    break
                if now > until + APPS["PATIENCE"]:
                    raise SystemExit(f"not all answers came: {progress}")
            time.sleep(0.02)
    for each in people:
        each.settled()
    return found


SPANS = "performance.getEntriesByName('relabel:next-image').map(entry => entry.duration)"


def read_calls(file: Path) -> dict[str, list[float]]:
    """Milliseconds of the calls that were answered with what they asked for, by route."""
    calls = defaultdict(list)
    for line in file.read_text().splitlines():
        method, path, status, took = line.split()
        route = f"{method} {'/'.join(path.split('/')[:3])}" if path.startswith("/relabel/") else "Streamlit's own"
        calls[route if status in ("200", "304") else f"{route}: {status}"].append(float(took))
    return dict(sorted(calls.items()))


def not_exact(server: Any, overlap: int) -> list[str]:
    """Images that have not exactly so many different people, each once."""
    people = server.events().groupby("image_id")["annotator_id"].agg(["count", "nunique"])
    with LabelStore(server.db) as store:
        people = people.reindex(store.images()["image_id"], fill_value=0)
    wrong = people[(people != overlap).any(axis=1)]
    return [f"{image}: {row['count']} answers of {row['nunique']} people" for image, row in wrong.iterrows()]


def run(folder: Path, new_page: Callable[[], Page], given: argparse.Namespace) -> str:
    """The measurement, in sentences."""
    images = math.ceil(given.people * given.seconds / given.pace / given.overlap)
    demo = write_demo(folder / "demo", images=min(IMAGES, images), seed=1, size=96).root
    dataset = large_set(folder / "set", demo, images)
    with ExitStack() as stack:
        db = stack.enter_context(database(given.database)) or str(folder / "labels.db")
        server = APPS["Server"](folder, SERVED, free_port(), db, "--dataset", str(dataset), "--db", db)
        server.calls = folder / "calls.txt"
        os.environ["AFFECTML_CALLS"] = str(server.calls)
        stack.callback(server.start().stop)
        with LabelStore(server.db) as store:
            store.change_task(overlap=given.overlap)
            names = [f"client{at}" for at in range(given.people - given.browsers)]
            tokens = {who: make_token(read_secret(store), who) for who in names}
            labels = store.task.labels
            store.invite(tokens)
            for who in tokens:
                store.consent(who)
        people = [APPS["Person"](new_page(), server, f"browser{at}").enter() for at in range(given.browsers)]
        trial = Trial(server, given.pace, 0, {who: [] for who in (*tokens, *(each.who for each in people))})
        pool = stack.enter_context(ThreadPoolExecutor(2))
        stack.callback(setattr, trial, "over", True)
        restarted = pool.submit(restart, trial, given.seconds / 2)
        typing = pool.submit(asyncio.run, clients(trial, tokens, labels))
        found = label(trial, people, given, [restarted, typing])
        trial.over = True
        typing.result()
        if wrong := wrong_with(trial) + not_exact(server, given.overlap):
            raise SystemExit("\n".join(wrong))
        stored = len(server.events())
    typed = sum(map(len, trial.typed.values()))
    odd = sum(count for status, count in trial.replies.items() if status != 200)
    pressed, waited = ([f"{np.percentile(found[who], q):.0f}" for q in (50, 95)] for who in ("browsers", "clients"))
    summed = (
        f"{given.people} people ({given.browsers} in browsers), {given.seconds:g} s: typed {typed:,}, stored "
        f"{stored:,}, images with exactly all people {images:,}, replies other than 200: {odd}. Server away "
        f"{trial.ended - trial.began:.1f} s, {found['memory']:.0f} MB. Enter to next image p50 {pressed[0]}, p95 "
        f"{pressed[1]} ms; a client's exchange {waited[0]} and {waited[1]} ms; load {found['load']:.1f}."
    )
    routes = (
        f"{route} {', '.join(f'{np.percentile(took, q):.1f}' for q in (50, 95, 100))}"
        for route, took in found["calls"].items()
    )
    return f"{summed} The server's own p50, p95 and longest, ms: {'; '.join(routes)}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", choices=("sqlite", "postgresql"))
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--browsers", type=int, default=8, help="how many of the people")
    parser.add_argument("--pace", type=float, default=3.0, help="seconds from one answer of a person to the next")
    parser.add_argument("--overlap", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, pages() as new_page:
        print(run(Path(name), new_page, given))


if __name__ == "__main__":
    main()
