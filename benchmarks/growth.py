"""What a task costs as it grows: the store's and the lead's questions by the number of judgements. Prints Markdown.

    python benchmarks/growth.py sqlite|postgresql [--rows 10000 50000 200000] [--images 100000] [--people 500]
        [--only import export] [--folder FOLDER]

Each number of rows is that of the judgements in a task of its own, loaded by SQL into the tables that `LabelStore`
makes: in rounds over all images, in an order drawn from a seed, by everybody in turn. A deed is repeated for some
seconds in a process of its own; peak is its largest resident set, libraries and table included, and CPU is what it used
of the processor each time, without PostgreSQL's own. folder: where SQLite's tasks are kept for another call.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from affectml_annotation import (
    Answer,
    LabelStore,
    Task,
    aggregate,
    agreement_report,
    write_judgements,
)
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.store.backup import write_backup
from affectml_annotation.uncertainty import disagreement

LABELS = ("amusement", "awe", "contentment", "excitement", "anger", "disgust", "fear", "sadness")
BEGIN = 1_600_000_000_000  # ms since 1970; an answer every 30 s of all together, two million of them by 2022
EVERY = 30_000
ENOUGH = 5.0  # seconds that a deed is repeated for
EVENT = (
    "event_id", "image_id", "annotator_id", "round", "kind", "labels", "suggestions_visible", "seconds", "at",
    "received_at", "base_revision", "status", "revision", "language", "place", "purpose", "holds_slot", "claimed_at",
)  # fmt: skip
ANSWER = ("annotator_id", "round", "image_id", "event_id", "revision", "surplus")
ASSIGNMENT = (
    "annotator_id", "round", "position", "place", "purpose", "suggestions_visible", "holds_slot", "claimed_at",
    "lease_until", "answered_at",
)  # fmt: skip


class Judged(NamedTuple):
    """One judgement: who, at which image, as which of theirs, and what."""

    number: int
    event_id: str
    person: str
    position: int
    place: int
    labels: list[str]


def judged(rows: int, images: int, people: int) -> Iterator[Judged]:
    """So many judgements, nobody twice at one image, in the order in which they came."""
    random = np.random.default_rng(0)
    places = [0] * people
    for number in range(rows):
        turn, at = divmod(number, images)
        if at == 0:
            order = random.permutation(images)
            chosen = random.random((images, len(LABELS))) < 0.25
            ids = random.bytes(16 * images).hex()
        position = int(order[at])
        person = (position + turn) % people
        labels = [LABELS[k] for k in np.flatnonzero(chosen[at])]
        yield Judged(number, ids[32 * at : 32 * at + 32], f"p{person:03d}", position, places[person], labels)
        places[person] += 1


def fresh(where: str, rows: int, images: int, people: int) -> LabelStore:
    """A task without judgements, in which every image wants one more than it is to have."""
    store = LabelStore(where)
    settings = Task(labels=LABELS, question="What do you feel?", overlap=rows // images + 2, lease=1e7)
    store.init_task(settings, [f"image-{n:06d}.jpg" for n in range(images)])
    store.invite([f"p{n:03d}" for n in range(people)])
    return store


def load(where: str, rows: int, images: int, people: int) -> None:
    """A task with so many judgements."""
    everything = judged(rows, images, people)
    with fresh(where, rows, images, people) as store:
        with closing(store.database.engine.raw_connection()) as raw:
            while part := list(islice(everything, 100_000)):
                _insert(raw, "event", EVENT, map(_event, part))
                _insert(raw, "answer", ANSWER, map(_answer, part))
                _insert(raw, "assignment", ASSIGNMENT, map(_assignment, part))
            raw.cursor().execute(
                "UPDATE slot SET taken = n FROM (SELECT round, position, count(*) AS n FROM assignment GROUP BY 1, 2)"
                " AS held WHERE held.round = slot.round AND held.position = slot.position"
            )
            raw.commit()
        if store.database.dialect == "postgresql":  # as its autovacuum does
            with store.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")


def _insert(raw: Any, table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> None:
    names = ", ".join(columns)
    if hasattr(raw.cursor(), "copy"):  # psycopg
        with raw.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        raw.cursor().execute("PRAGMA cache_size = -300000")
        raw.cursor().execute("BEGIN")
        raw.cursor().executemany(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})", rows)
    raw.commit()


def _event(one: Judged) -> tuple[Any, ...]:
    at = BEGIN + one.number * EVERY
    return (
        one.event_id, f"image-{one.position:06d}.jpg", one.person, 1, "labels" if one.labels else "none",
        json.dumps(one.labels), False, 4.0 + one.number % 7, at, at, 0, "accepted", 1, "en", one.place, "task", True,
        at,
    )  # fmt: skip


def _answer(one: Judged) -> tuple[Any, ...]:
    return one.person, 1, f"image-{one.position:06d}.jpg", one.event_id, 1, False


def _assignment(one: Judged) -> tuple[Any, ...]:
    at = BEGIN + one.number * EVERY
    return one.person, 1, one.position, one.place, "task", False, True, at, at, at


def next_image(store: LabelStore, _: Path) -> None:
    """Answer the image that one person holds, and give them the next one."""
    (held,) = store.claim("p007", 1)
    (receipt,) = store.submit([Answer(held.image_id, "p007", "labels", ("awe",))])
    assert receipt.status == "accepted"


def another_person(store: LabelStore, _: Path) -> None:
    """As `next_image`, by a client that has just started: no images are proposed to it yet."""
    store._proposed.clear()
    next_image(store, _)


def export(store: LabelStore, folder: Path) -> None:
    """A new data set folder with one target."""
    write_dataset_folder(folder / "data", Collected.of(store), {"people": lambda said: aggregate(said, LABELS)})
    shutil.rmtree(folder / "data")


def backup(store: LabelStore, folder: Path) -> None:
    """Everything into one file, verified."""
    write_backup(store, folder / "backup.db")
    (folder / "backup.db").unlink()


DEEDS: dict[str, Callable[[LabelStore, Path], object]] = {
    "next image": next_image,
    "first images of a client": another_person,
    "progress": lambda store, _: store.progress(),
    "annotators": lambda store, _: store.annotators(),
    "history": lambda store, _: store.history("p007"),
    "judgements": lambda store, _: store.judgements(),
    "disagreement": lambda store, _: disagreement(store.judgements(), LABELS),
    "agreement": lambda store, _: agreement_report(store.judgements(), LABELS),
    "export": export,
    "backup": backup,
}


def measure(where: str, deed: str) -> None:
    """Print how long a deed takes each time, its seconds of the processor, and the largest resident set, as JSON."""
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        if deed == "import":
            seconds, cpu = import_again(where, Path(folder))
            took.append(seconds)
        else:
            with LabelStore(where, must_exist=True) as store:
                DEEDS["progress"](store, Path(folder))  # connects
                begin, used = time.perf_counter(), time.process_time()
                while not took or (time.perf_counter() - begin < ENOUGH and len(took) < 200):
                    start = time.perf_counter()
                    DEEDS[deed](store, Path(folder))
                    took.append(time.perf_counter() - start)
                cpu = (time.process_time() - used) / len(took)
    peak = next(
        line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    print(json.dumps([took, cpu, int(peak) / 1024]))  # ru_maxrss would be its parent's, which loaded the task


def import_again(where: str, folder: Path) -> tuple[float, float]:
    """All judgements from a file into a SQLite task without any: seconds, and those of the processor."""
    with LabelStore(where, must_exist=True) as store:
        write_judgements(store.judgements(), folder / "judgements.parquet")
        sizes = len(store.judgements()), len(store.images()), len(store.annotators())
    with fresh(str(folder / "other.db"), *sizes) as store:
        start, used = time.perf_counter(), time.process_time()
        store.import_file(folder / "judgements.parquet")
        return time.perf_counter() - start, time.process_time() - used


def databases(engine: str, folder: Path, stack: ExitStack) -> Callable[[int], str]:
    """From a number of rows to a place for a task."""
    if engine == "sqlite":
        return lambda rows: str(folder / f"{rows}.db")
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from conftest import Postgres

    server = stack.enter_context(closing(Postgres()))
    server.start()
    admin = sa.create_engine(server.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)

    def make(rows: int) -> str:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE growth_{rows}")
        return server.url.replace("/postgres?", f"/growth_{rows}?")

    return make


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=["sqlite", "postgresql"])
    parser.add_argument("--rows", nargs="+", type=int, default=[10_000, 200_000, 2_000_000])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--only", nargs="+", choices=[*DEEDS, "import"], default=[*DEEDS, "import"])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(*given.measure)
        return
    print(f"{given.images:,} images, {given.people:,} people.\n")
    print("| rows | what | CPU, s | p50, s | p95, s | times | peak, MiB |\n|--:|---|--:|--:|--:|--:|--:|")
    with ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        place = databases(given.engine, folder, stack)
        for rows in given.rows:
            where = place(rows)
            if given.engine == "postgresql" or not Path(where).exists():
                start = time.perf_counter()
                load(where, rows, given.images, given.people)
                print(f"loaded {rows:,} in {time.perf_counter() - start:.1f} s", file=sys.stderr)
            for deed in given.only:
                command = [sys.executable, __file__, given.engine, "--measure", where, deed]
                took, cpu, peak = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
                p50, p95 = np.quantile(took, [0.5, 0.95])
                print(
                    f"| {rows:,} | {deed} | {cpu:.4f} | {p50:.4f} | {p95:.4f} | {len(took)} | {peak:.0f} |", flush=True
                )


if __name__ == "__main__":
    main()
