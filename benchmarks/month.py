"""A month of labelling on a clock that is moved: does memory stay, and does anything on disk grow but the answers?

    python benchmarks/month.py sqlite|postgresql [--answers 200000] [--days 30] [--restarts 30] [--people 60]
    python benchmarks/month.py sqlite --folder DIR --until 10    ten days of it; the same with --until 20 goes on

Everybody keeps the page's protocol (POST relabel/sync): up to thirty answers in an exchange, as from a browser that was
away, and every tenth alone; one in a hundred is corrected. After each of a day's eight hours the clock goes on by one,
so that what was held unanswered goes to others. Each day one person labels in Chromium, and the lead looks at the
progress. The server is restarted at days' ends, every third time by SIGKILL. Prints a Markdown table. Ends with an
error if an answer is lost, doubled or changed, an image has not exactly its people, a file is there that nobody named,
the log beside the database or the memory grows, or other backups are there than one a day, the last seven, for which
the task is set.
"""

import argparse
import asyncio
import json
import math
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import moved_clock
import numpy as np
import sqlalchemy as sa
from load import SERVED, database, read_calls
from outages import APPS, IMAGES, free_port, pages
from playwright.sync_api import Page

from affectml.demo_set import write_demo
from affectml_annotation import LabelStore
from affectml_annotation.store import keeping
from affectml_annotation.store.backup import read_backup
from affectml_annotation.store.checking import check_store
from affectml_annotation.store.claims import number_of
from affectml_annotation.store.schema import event
from affectml_apps.relabel.identity import make_token, read_secret
from relabel import large_set, resident

HOURS = 8
AT_ONCE = 8  # people who call the server at one time
MOST_LOG = 32e6  # bytes, or as many as the database: SQLite empties it at 4 MB, when no backup reads an older state
OURS = re.compile(r"labels\.db-(wal|shm)|[\w-]+-backups(/\.lock|/[\dT:-]+Z\.db)?|server\.log|calls\.txt|month\.json")
SHOWN = ("answers", "at most", "open files", "database, MB", "log at most, MB", "backups", "exchange p50, ms", "p95")
COLUMNS = {
    "answers": "{:,}", "server, MB": "{:.0f}", "at most": "{:.0f}", "open files": "{}", "threads": "{}",
    "database, MB": "{:.1f}", "bytes an answer": "{:.0f}", "log at most, MB": "{:.1f}", "backups": "{}",
    "of them the newest, MB": "{:.1f}", "exchange p50, ms": "{:.0f}", "p95": "{:.0f}", "load": "{:.1f}",
}  # fmt: skip


def said(who: str, image: str, labels: tuple[str, ...], *, corrected: bool) -> str:
    """What somebody says of an image, and once they corrected it."""
    return labels[(number_of(who, image) + corrected) % len(labels)]


def corrects(who: str, image: str) -> bool:
    return number_of(image, who) % 100 == 0


@dataclass
class Month:
    """What was done, kept in a file after each day."""

    file: Path
    days: list[dict[str, Any]] = field(default_factory=list)
    typed: Counter[str] = field(default_factory=Counter)  # images that somebody has a receipt for
    corrected: int = 0
    empty: int = 0  # bytes of the database before the first answer

    def __post_init__(self) -> None:
        if self.file.exists():
            kept = json.loads(self.file.read_text())
            self.days, self.corrected, self.empty = kept["days"], kept["corrected"], kept["empty"]
            self.typed = Counter(kept["typed"])

    def keep(self) -> None:
        new = self.file.with_suffix(".new")
        kept = {name: getattr(self, name) for name in ("days", "typed", "corrected", "empty")}
        new.write_text(json.dumps(kept))
        new.replace(self.file)

    def go_on(self, store: LabelStore) -> None:
        """Count what a day stored that was cut short, once all is there that somebody has a receipt for."""
        there = Counter(store.judgements()["annotator_id"])
        if lost := self.typed - there:
            raise SystemExit(f"lost: {lost}")
        self.typed = there
        self.corrected = number_of_events(store) - there.total()


async def one(month: Month, http: httpx.AsyncClient, who: str, token: str, labels: tuple[str, ...], quota: int) -> None:
    """One person's hour: so many answers, or as many as there are images."""
    pick, headers = random.Random(f"{who} {month.typed[who]}"), {"x-relabel-token": token}
    given: list[dict[str, Any]] = []
    new = 0
    while True:
        reply = await http.post("/relabel/sync", json={"want": 30, "answers": given}, headers=headers)
        if reply.status_code in (429, 503):
            await asyncio.sleep(float(reply.headers["retry-after"]))
            continue
        refused = [each for each in reply.raise_for_status().json()["receipts"] if each["status"] != "accepted"]
        if refused:
            raise AssertionError(f"{who}: not accepted: {refused[:3]}")
        month.typed[who] += new
        month.corrected += len(given) - new
        quota -= new
        items = [] if quota <= 0 else reply.json()["items"][: 1 if pick.random() < 0.1 else quota]
        if not items:
            return
        await http.get("/relabel/image", params={"id": items[0]["image"]}, headers=headers)
        given, new = [], len(items)
        for item in items:
            image = item["image"]
            base = {"image": image, "round": item["round"], "ticket": item["ticket"], "kind": "labels"}
            for revision in (0, 1) if corrects(who, image) else (0,):
                label = said(who, image, labels, corrected=bool(revision))
                own = {"id": str(uuid4()), "base_revision": revision, "labels": [label]}
                given.append({**base, **own, "seq": len(given)})


async def hour(month: Month, url: str, tokens: dict[str, str], labels: tuple[str, ...], quota: int) -> None:
    """Everybody's hour, some at a time."""
    turn = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(base_url=url, timeout=60) as http:

        async def in_turn(who: str, token: str) -> None:
            async with turn:
                await one(month, http, who, token, labels, quota)

        await asyncio.gather(*(in_turn(who, token) for who, token in tokens.items()))


def look(month: Month, page: Page, server: Any) -> None:
    """Somebody labels a little in a browser, and the lead looks at the progress."""
    person = APPS["Person"](page, server, "page")
    (person.open if month.days else person.enter)()
    for _ in range(3):
        person.answer("1")
        month.typed["page"] += 1
    person.settled()
    page.goto(f"{server.url}/progress?who=page")
    APPS["settle"](page)
    page.close()


def size_of(store: LabelStore) -> int:
    """Bytes of the database without its log, which is part of it on a server."""
    if store.database.dialect == "sqlite":
        return Path(store.database.where).stat().st_size
    return int(store.database.scalar(sa.select(sa.func.pg_database_size(sa.func.current_database()))))


def number_of_events(store: LabelStore) -> int:
    return int(store.database.scalar(sa.select(sa.func.count()).select_from(event)))


def known(path: Path, folder: Path) -> bool:
    return OURS.fullmatch(str(path.relative_to(folder))) is not None


def measured(month: Month, server: Any, store: LabelStore, calls: Path, log: int) -> dict[str, Any]:
    """A day's row."""
    process = Path(f"/proc/{server.process.pid}")
    peak = re.search(r"VmHWM:\s+(\d+)", (process / "status").read_text())
    answers, size = month.typed.total(), size_of(store)
    deadline = time.monotonic() + APPS["PATIENCE"]
    while len(backups := keeping.kept(store)) != min(len(month.days), store.task.backups.keep):
        if time.monotonic() > deadline:
            raise SystemExit(f"{len(backups)} backups on day {len(month.days) + 1}; {keeping.said(store)}")
        time.sleep(0.1)
    took = read_calls(calls)["POST /relabel/sync"]
    if log > max(MOST_LOG, size):
        raise SystemExit(f"the log beside the database has {log:,} bytes")
    figures = (
        answers, resident(server.process), int(peak[1]) / 1024 if peak else 0, len([*(process / "fd").iterdir()]),
        len([*(process / "task").iterdir()]), size / 1e6, (size - month.empty) / answers, log / 1e6, len(backups),
        backups[-1].stat().st_size / 1e6 if backups else 0, *np.percentile(took, (50, 95)), os.getloadavg()[0],
    )  # fmt: skip
    return dict(zip(COLUMNS, figures, strict=True))


def wrong_with(month: Month, store: LabelStore, labels: tuple[str, ...], overlap: int | None) -> list[str]:
    """What was lost, doubled or changed; overlap: how many people each image has by now."""
    there = store.judgements()
    wrong = [f"{len(rows)} of {month.typed[who]} answers of {who}" for who, rows in there.groupby("annotator_id")
             if len(rows) != month.typed[who]]  # fmt: skip
    wrong += map(str, check_store(store))
    if backups := keeping.kept(store):
        read_backup(backups[-1])  # raises an error where it is damaged
    wrong += [f"none of {who}" for who in set(month.typed) - set(there["annotator_id"])]
    for who, image, given in zip(there["annotator_id"], there["image_id"], there["labels"], strict=True):
        if who != "page" and list(given) != [said(who, image, labels, corrected=corrects(who, image))]:
            wrong.append(f"{who} did not say {given} of {image}")
    events = number_of_events(store)
    if events != len(there) + month.corrected:
        wrong.append(f"{events} events of {len(there)} answers and {month.corrected} corrections")
    if overlap is not None and set(there.groupby("image_id")["annotator_id"].nunique()) != {overlap}:
        wrong.append(f"images with other than {overlap} people")
    early, late = (np.mean([day["server, MB"] for day in month.days[part]]) for part in (slice(1, 6), slice(-5, None)))
    if len(month.days) >= 10 and late > 1.1 * early + 5:
        wrong.append(f"the server's memory grew from {early:.0f} to {late:.0f} MB")
    return wrong


def run(folder: Path, new_page: Callable[[], Page], given: argparse.Namespace) -> str:
    """The month, or the days of it that are asked for, as a table."""
    overlap = max(2, given.people // 3)
    images = given.answers // overlap
    month, moved = Month(folder / "month.json"), folder / "set"
    if not moved.exists():
        demo = write_demo(folder / "demo", images=min(IMAGES, images), seed=1, size=96).root
        large_set(moved, demo, images)
    (folder / "tmp").mkdir(exist_ok=True)
    moved_clock.begin(folder)
    moved_clock.move(len(month.days))
    with ExitStack() as stack:
        beside = stack.enter_context(ThreadPoolExecutor(1))  # Playwright has an event loop in this thread
        db = stack.enter_context(database(given.database)) or str(folder / "labels.db")
        server = APPS["Server"](folder, SERVED, free_port(), db, "--dataset", str(moved), "--db", db)
        calls = folder / "calls.txt"
        os.environ |= {"AFFECTML_CALLS": str(calls), "TMPDIR": str(folder / "tmp")}
        stack.callback(server.start().stop)
        store = stack.enter_context(LabelStore(server.db))
        store.change_task(overlap=overlap, backups={"hours": 24, "keep": 7, "days": 0})
        names = [f"person{at}" for at in range(given.people)]
        tokens = {who: make_token(read_secret(store), who) for who in names}
        for who in store.invite(names):
            store.consent(who)
        before = set(folder.rglob("*"))
        month.empty = month.empty or size_of(store)
        month.go_on(store)
        labels = store.task.labels
        for day in range(len(month.days), min(given.until or given.days, given.days)):
            calls.write_text("")
            log = 0
            look(month, new_page(), server)
            for at in range(HOURS if day + 1 < given.days else 10 * HOURS):
                moved_clock.move(day + at / 24)
                due = images * overlap * (day * HOURS + at + 1) / (given.days * HOURS) - month.typed.total()
                quota = math.ceil(due / given.people) if day + 1 < given.days else given.answers
                beside.submit(asyncio.run, hour(month, server.url, tokens, labels, quota)).result()
                log = max(log, *(path.stat().st_size for path in folder.glob("labels.db-wal")), 0)
                if (progress := store.progress()).answered == progress.wanted:
                    break
            month.days.append(measured(month, server, store, calls, log))
            month.keep()
            if strange := [str(path) for path in set(folder.rglob("*")) - before if not known(path, folder)]:
                raise SystemExit(f"day {day + 1}: files that nobody named: {strange}")
            print(f"day {day + 1}: {month.days[-1]}", file=sys.stderr, flush=True)
            moved_clock.move(day + 1)
            if (day + 1) * given.restarts // given.days > day * given.restarts // given.days:
                (server.kill if day % 3 == 0 else server.stop)()
                server.start()
        if wrong := wrong_with(month, store, labels, overlap if len(month.days) == given.days else None):
            raise SystemExit("\n".join(wrong))
    heads = ["day", *("server at most, MB" if name == "at most" else name for name in SHOWN)]
    rows = [[str(at), *(COLUMNS[name].format(day[name]) for name in SHOWN)] for at, day in enumerate(month.days, 1)]
    return table(heads, [row for at, row in enumerate(rows, 1) if at in (1, len(rows)) or at % 15 == 0])


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown, all but the first column to the right."""
    lines = [f"| {' | '.join(line)} |" for line in (heads, *rows)]
    return "\n".join([lines[0], f"|---|{'--:|' * (len(heads) - 1)}", *lines[1:]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", choices=("sqlite", "postgresql"))
    parser.add_argument("--answers", type=int, default=200_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--restarts", type=int, default=30)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="keep everything here, and go on with what is here (SQLite)")
    parser.add_argument("--until", type=int, help="stop after this day")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, pages() as new_page:
        folder = (given.folder or Path(name)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        print(run(folder, new_page, given))


if __name__ == "__main__":
    main()
