"""SIGKILL at random moments of export, import, predict, embed, submit and fetch: nothing is lost or doubled.

    python benchmarks/kills.py [DEED ...] [--kills 334] [--seed 0] [--folder DIR]

Prints JSON: for each deed, how often it was killed and what was found then. Ends with an error at the first thing
that is wrong. Everything is imported once; each deed runs in a fork of its own, which is killed after a random part of
the time that it takes undisturbed (in every second trial of its last part, where most is written). A deed that ended
before its kill is not counted. POSIX only.
"""

import argparse
import hashlib
import json
import os
import pickle
import random
import select
import shutil
import signal
import sqlite3
import statistics
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import filelock  # noqa: F401 - else each fork imports these
import httpx  # noqa: F401
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import stamina  # noqa: F401
from PIL import Image

from affectml.cli._label_task import export_store
from affectml.data import Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.embeddings import EmbeddingStore, embed_dataset
from affectml.fetching import FetchConfig, fetch_images
from affectml_annotation import Answer, LabelStore, StoreError, Task, aggregate, write_judgements

LABELS = ("awe", "fear", "joy")
TASK = Task(labels=LABELS, question="What do you feel?", name="kills", overlap=3)
IMAGES = [f"i{n:03d}.png" for n in range(40)]
ROWS = 3 * len(IMAGES)
BEGUN, DONE = b"b", b"d"


def forked(work: Callable[[], Any]) -> Any:
    """What `work` gives, in a process of its own: this one opens no database and starts no thread.

    pyarrow's threads count: a fork of a process that has read a table can wait for them for ever.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            result: Any = work()
        except BaseException as error:
            result = AssertionError(f"{type(error).__name__}: {error}")
        with os.fdopen(write, "wb") as out:
            out.write(pickle.dumps(result))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as incoming:
        content = incoming.read()
    os.waitpid(child, 0)
    result = pickle.loads(content)
    if isinstance(result, AssertionError):
        raise result
    return result


def killed(deed: Callable[[Callable[[], None]], None], delay: float, *, wait: bool = False) -> tuple[bool, bool]:
    """Start the deed in a fork and kill it after `delay` seconds; whether it was done, and whether it was killed.

    The deed gets a function to say that it has begun; with `wait`, the time runs from then on. A deed that is done
    sooner is not waited for.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        deed(lambda: os.write(write, BEGUN) and None)
        os.write(write, DONE)
        os._exit(0)
    os.close(write)
    said = os.read(read, 1) if wait else b""
    until = time.monotonic() + delay
    while DONE not in said and (left := until - time.monotonic()) > 0 and select.select([read], [], [], left)[0]:
        more = os.read(read, 1)
        if not more:  # the deed failed
            break
        said += more
    if DONE not in said:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read, "rb") as incoming:
        return DONE in said + incoming.read(), os.WIFSIGNALED(status)


class Moments:
    """Delays, in seconds, over the whole time that a deed takes at present and a little more."""

    def __init__(self, pick: random.Random) -> None:
        self.pick = pick
        self.took: deque[float] = deque(maxlen=5)
        self.late = False

    def run(self, deed: Callable[[], Any]) -> None:
        """Run it undisturbed, and note how long that took."""
        start = time.perf_counter()
        forked(deed)
        self.took.append(time.perf_counter() - start)

    def next(self) -> float:
        """Every second one lies in the last part, where most is written."""
        self.late = not self.late
        return self.pick.uniform(0.6 if self.late else 0.0, 1.2) * statistics.median(self.took)


def expect(true: bool, what: str) -> None:
    if not true:
        raise AssertionError(what)


# Submit: a client that notes what it is about to send and what was acknowledged, as the page's outbox does.


def submitting(url: Path, notes: Path, begin: Callable[[], None] = lambda: None) -> None:
    sent = [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []
    acknowledged = {words[1] for words in sent if words[0] == "stored"}
    waiting = [json.loads(words[2]) for words in sent if words[0] == "sending" and words[1] not in acknowledged]
    out = os.open(notes, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with LabelStore(url) as store:
        begin()
        while True:
            if not waiting:
                claims = [(who, claim) for who in ("ann", "ben", "cem") for claim in store.claim(who, 1)]
                if not claims:
                    return
                waiting = [{"image_id": claim.image_id, "annotator_id": who} for who, claim in claims]
            answers = []
            for one in waiting:
                labels = (LABELS[len(one["image_id"] + one["annotator_id"]) % 3],)
                given = Answer(one["image_id"], one["annotator_id"], "labels", labels)
                answers.append(Answer(**{**given.__dict__, "event_id": one.setdefault("event_id", given.event_id)}))
                os.write(out, f"sending {one['event_id']} {json.dumps(one, separators=(',', ':'))}\n".encode())
            for receipt in store.submit(answers):
                expect(receipt.status == "accepted", str(receipt))
                os.write(out, f"stored {receipt.event_id}\n".encode())
            waiting = []


def check_submits(url: Path, notes: Path) -> tuple[int, int, int]:
    """How many answers were sent, how many acknowledged, and how many are stored."""
    lines = [line.split() for line in notes.read_text().splitlines()] if notes.exists() else []
    acknowledged = {words[1] for words in lines if words[0] == "stored"}
    sent = {words[1] for words in lines if words[0] == "sending"}
    with closing(sqlite3.connect(url)) as connection:
        expect(connection.execute("PRAGMA quick_check").fetchone() == ("ok",), "the database is damaged")
        events = [name for (name,) in connection.execute("SELECT event_id FROM event")]
        people = connection.execute("SELECT image_id, annotator_id FROM event").fetchall()
        answers = {name for (name,) in connection.execute("SELECT event_id FROM answer")}
        wrong = connection.execute(
            "SELECT count(*) FROM slot WHERE round = 1 AND taken != (SELECT count(*) FROM assignment WHERE "
            "assignment.round = 1 AND assignment.position = slot.position AND holds_slot)"
        ).fetchone()[0]
    expect(len(events) == len(set(events)) == len(set(people)), "an answer is stored twice")
    expect(acknowledged <= set(events), f"{len(acknowledged - set(events))} acknowledged answers are lost")
    expect(set(events) <= sent, "an answer that nobody sent is stored")
    expect(answers == set(events), "an event without its answer, or an answer without its event")
    expect(wrong == 0, "an image's count of people is not that of its claims")
    return len(sent), len(acknowledged), len(events)


def kill_submits(folder: Path, kills: int, pick: random.Random) -> dict[str, int]:
    url, notes = folder / "labels.db", folder / "notes.txt"

    def prepare() -> None:
        for path in folder.glob("*"):
            path.unlink()
        with LabelStore(url) as store:
            store.init_task(TASK, IMAGES)
            store.invite(["ann", "ben", "cem"])

    found: Counter[str] = Counter()
    moments = Moments(pick)
    forked(prepare)
    moments.run(lambda: submitting(url, notes))
    forked(prepare)
    while found["kills"] < kills:
        delay = moments.next() * 4 / len(IMAGES)  # some four of the submits that the whole work takes
        done, was_killed = killed(lambda begin: submitting(url, notes, begin), delay, wait=True)
        sent, acknowledged, stored = check_submits(url, notes)
        found["kills"] += was_killed
        found["while answers were under way"] += was_killed and sent > acknowledged
        found["of these, stored"] += was_killed and stored > acknowledged
        if done or found["kills"] == kills:
            forked(lambda: submitting(url, notes))
            expect(check_submits(url, notes) == (ROWS,) * 3, "the work does not end with every answer, each once")
            found["answers acknowledged"] += ROWS
            forked(prepare)
    return dict(found)


# Import: a file of judgements, all of it or nothing.


def kill_imports(folder: Path, kills: int, pick: random.Random) -> dict[str, int]:
    template, url, file = folder / "template.db", folder / "labels.db", folder / "people.parquet"

    def template_and_file() -> None:
        with LabelStore(template) as store:
            store.init_task(TASK, IMAGES)
        write_judgements(judgements(), file)

    def prepare() -> None:
        for path in folder.glob("labels.db*"):
            path.unlink()
        shutil.copy(template, url)

    def importing() -> None:
        with LabelStore(url) as store:
            store.import_file(file, invite=True)

    def again() -> None:
        try:
            importing()
        except StoreError as error:
            expect("imported already" in str(error), str(error))

    found: Counter[str] = Counter()
    forked(template_and_file)
    moments, fresh = Moments(pick), True
    prepare()
    moments.run(importing)
    while found["kills"] < kills:
        if fresh:
            prepare()
        done, was_killed = killed(lambda _: importing(), moments.next())
        rows = check_import(url)
        expect(rows in (0, ROWS), f"{rows} of {ROWS} rows were imported")
        expect(not done or rows == ROWS, "an acknowledged import is lost")
        if was_killed:
            found["kills"] += 1
            found["all in" if rows else "nothing in"] += 1
        fresh = rows == ROWS or pick.random() < 0.2  # else the next import goes into what the killed one left
        if fresh:
            forked(again) if rows else moments.run(importing)
            expect(check_import(url) == ROWS, "a repeated import does not end with each row once")
    return dict(found)


def check_import(url: Path) -> int:
    with closing(sqlite3.connect(url)) as connection:
        expect(connection.execute("PRAGMA quick_check").fetchone() == ("ok",), "the database is damaged")
        counts = {
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("event", "answer", "assignment")
        }
        counts.add(connection.execute("SELECT coalesce(sum(taken), 0) FROM slot").fetchone()[0])
        counts.add(connection.execute("SELECT coalesce(sum(rows), 0) FROM imported").fetchone()[0])
    expect(len(counts) == 1, f"the tables disagree: {counts}")
    return int(counts.pop())


# Export: judgements added and corrected, a target of another kind, people's attributes; all in an existing data set.


def judgements(people: str = "abc") -> pd.DataFrame:
    rows = [(image, who) for image in IMAGES for who in people]
    return pd.DataFrame({
        "event_id": [f"{image}-{who}" for image, who in rows],
        "image_id": [image for image, _ in rows],
        "annotator_id": [who for _, who in rows],
        "round": 1,
        "kind": "labels",
        "labels": [[LABELS[(at + at // 3) % 3]] for at in range(len(rows))],
    })  # fmt: skip


def make_export(folder: Path) -> None:
    """A data set of judgements by a, b and c, and a database in which b and c corrected some and d came."""
    old = judgements()
    made = aggregate(old, LABELS)
    taxonomy = {"name": "kills", "labels": {label: {} for label in LABELS}}
    entry = TargetMeta("rates", "evoked", taxonomy, "votes", "targets-t.parquet", TASK.question)
    meta = DatasetMeta("kills", {"t": entry})
    people = pd.DataFrame({"annotator_id": ["a", "b"], "age": [20, 30]})
    (folder / "template").mkdir()
    write_dataset(folder / "template", meta, pd.DataFrame({"image_id": IMAGES}), {"t": made.table()}, old, people)
    new = judgements("bcd")
    new["event_id"] = [f"{event}-2" if event.endswith("-c") else event for event in new["event_id"]]
    new["labels"] = [
        ["awe", "joy"] if who == "c" else given
        for who, given in zip(new["annotator_id"], _labels(new, old), strict=True)
    ]
    write_judgements(new, folder / "new.parquet")
    with LabelStore(folder / "labels.db") as store:
        store.init_task(TASK, IMAGES)
        store.invite(["b", "c", "d"], {"b": {"age": 31}, "d": {"age": 40}})
        store.import_file(folder / "new.parquet")


def _labels(new: pd.DataFrame, old: pd.DataFrame) -> list[list[str]]:
    said = dict(zip(old["event_id"], old["labels"], strict=True))
    return [said.get(event, ["fear"]) for event in new["event_id"]]


def kill_exports(folder: Path, kills: int, pick: random.Random) -> dict[str, int]:
    template, data = folder / "template", folder / "data"

    def prepare() -> None:
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(template, data)

    def exporting() -> None:
        with LabelStore(folder / "labels.db", must_exist=True) as store:
            export_store(store, data, target="t", method="majority", rounds="first", images=None, replace=True)

    found: Counter[str] = Counter()
    forked(lambda: make_export(folder))
    moments = Moments(pick)
    prepare()
    moments.run(exporting)
    prepare()
    while found["kills"] < kills:
        done, was_killed = killed(lambda _: exporting(), moments.next())
        state = forked(lambda: check_export(template, data))
        expect(not done or state == "new", f"an acknowledged export is not there, but {state}")
        if was_killed:
            found["kills"] += 1
            found[f"{state} state"] += 1
            found["temporary files left"] += len(list(data.glob(".*.tmp")))
        if state == "old" and pick.random() < 0.8:
            continue  # the next one goes into what the killed one left
        moments.run(exporting)
        expect(forked(lambda: check_export(template, data)) == "new", "a repeated export does not end with the new")
        expect(not list(data.glob(".*.tmp")), "a repeated export leaves temporary files")
        prepare()
    return dict(found)


def check_export(template: Path, data: Path) -> str:
    """Each file is the old one or the new one, and fits the others; the data set opens; which state it is in."""
    old = judgements()
    dataset = Dataset.open(data)
    targets = dataset.target("t")
    now = pq.read_table(data / "annotations.parquet").to_pandas()
    expect(not now.duplicated(["image_id", "annotator_id", "round"]).any(), "a judgement is there twice")
    people = set(now["annotator_id"])
    merged = "d" in people
    expect(people >= set("abc"), "a person's judgements are lost")
    expect(len(now) == (ROWS + len(IMAGES) if merged else ROWS), f"{len(now)} judgements")
    expect(set(now["event_id"]) >= set(old["event_id"][old["annotator_id"] != "c"]), "a judgement is lost")
    ages = {row["annotator_id"]: row["age"] for row in pq.read_table(data / "annotators.parquet").to_pylist()}
    expect(ages in ({"a": 20, "b": 30}, {"a": 20, "b": 31, "c": None, "d": 40}), f"annotators: {ages}")
    expect(
        targets.kind in ("rates", "sets") and len(targets.image_id) == len(IMAGES), "the target is neither old nor new"
    )
    for path in data.glob("*.replaced-*"):
        name = f"{path.name.split('.')[0]}{path.suffix}"
        kept, original = path.read_bytes(), (template / name).read_bytes()
        expect(kept == original or path.suffix == ".json", f"{path.name} is not what was there")
        json.loads(kept) if path.suffix == ".json" else pq.read_table(path)
    if merged:
        expect(any(data.glob("annotations.replaced-*")), "the old annotations are not kept")
    if targets.kind == "sets":
        expect(merged and any(data.glob("targets-t.replaced-*")), "the old target is not kept")
        expect(targets.n is not None and (targets.n == 4).all(), "the new target does not count all judgements")
    return "new" if targets.kind == "sets" else "between" if merged or len(ages) > 2 else "old"


# Predict: a file of 800 images in parts of 64, over one that is there; what was killed goes on.


def kill_predictions(folder: Path, kills: int, pick: random.Random) -> dict[str, int]:
    import open_clip  # noqa: F401 - else each fork imports it

    from affectml import parts
    from affectml.demo_set import write_demo
    from affectml.predicting import files
    from affectml.training import TrainConfig, train_run

    parts.SIZE = 64
    data, run, out = folder / "data", folder / "run", folder / "to" / "out.csv"
    photos, said = folder / "photos", folder / "said.txt"

    def make() -> None:
        write_demo(data, images=200, seed=1, size=96)
        train_run(TrainConfig(str(data), multilabel=True, encoder="affect-tiny", threads=1), out=run)
        for number in range(4):
            shutil.copytree(data / "images", photos / str(number))
            (photos / str(number) / "000100.png").write_text("no image")

    def predicting(file: Path = out) -> None:
        def say(line: str) -> None:
            said.write_text(line)

        files.predict_to_file(run, photos, file, replace=True, threads=1, say=say)

    def prepare() -> None:
        shutil.rmtree(out.parent, ignore_errors=True)
        out.parent.mkdir()
        out.write_text("old")

    found: Counter[str] = Counter()
    forked(make)
    moments = Moments(pick)
    moments.run(lambda: predicting(folder / "whole.csv"))
    whole = (folder / "whole.csv").read_bytes()
    prepare()
    while found["kills"] < kills:
        said.unlink(missing_ok=True)
        done, was_killed = killed(lambda _: predicting(), moments.next())
        new = check_prediction(out, whole)
        expect(not done or new, "an acknowledged file is not there")
        if was_killed:
            found["kills"] += 1
            found["of these, parts are kept"] += any(out.with_name("out.csv.parts").glob("part-*"))
            found["of these, while going on"] += said.exists() and "going on" in said.read_text()
            found["of these, the file was whole"] += new
        if new or found["kills"] == kills or pick.random() < 0.2:  # else the next goes on with what this one left
            moments.run(predicting) if not out.with_name("out.csv.parts").exists() else forked(predicting)
            expect(check_prediction(out, whole), "a repeated call does not end with the file")
            expect(not out.with_name("out.csv.parts").exists(), "a repeated call leaves parts")
            found["files, each equal byte for byte"] += 1
            prepare()
    return dict(found)


def check_prediction(out: Path, whole: bytes) -> bool:
    """Whether the file is the new one; it is that or the old one, and then the old one is kept."""
    content = out.read_bytes()
    expect(content in (b"old", whole), "the file is neither the old one nor that of an undisturbed call")
    if content == whole:
        expect(b"old" in [path.read_bytes() for path in out.parent.glob("*.replaced-*")], "the old file is not kept")
    return content == whole


# Embed: 300 images by a small CLIP in precision auto, in parts of 16; what was killed goes on to the same bytes.

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def make_embedding(data: Path, encoder: Path) -> None:
    """A data set of images, of which every 50th is broken, and an encoder of random weights."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    (data / "images").mkdir(parents=True)
    names = [f"{number:03d}" for number in range(300)]
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 255, (160, 200, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(data / "images" / f"{name}.png")
    for name in names[::50]:
        (data / "images" / f"{name}.png").write_text("no image")
    table = pd.DataFrame({"image_id": names, "file": [f"images/{name}.png" for name in names]})
    write_dataset(data, DatasetMeta("kills"), table, {})
    torch.manual_seed(1)  # with which bf16 keeps the order of labels for every image, so that each check agrees
    weights = open_clip.CLIP(**TINY).state_dict()
    encoder.mkdir()
    save_file({key: value.contiguous() for key, value in weights.items()}, encoder / "open_clip_model.safetensors")
    preprocess = {"size": 32, "mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bicubic"}
    (encoder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY, "preprocess_cfg": preprocess}))


def kill_embeddings(folder: Path, kills: int, pick: random.Random) -> dict[str, int]:
    import open_clip  # noqa: F401 - else each fork imports it

    from affectml import parts
    from affectml.encoders import load_encoder

    parts.SIZE = 16
    whole, data, encoder = folder / "whole", folder / "data", folder / "encoder"

    def embedding(place: Path = data) -> None:
        loaded = load_encoder(f"local-dir:{encoder}", precision="auto", threads=2)
        embed_dataset(place, loaded, batch_size=8, progress=False)

    def prepare() -> None:
        shutil.rmtree(data / "embeddings", ignore_errors=True)

    found: Counter[str] = Counter()
    forked(lambda: make_embedding(whole, encoder))
    shutil.copytree(whole, data)
    moments = Moments(pick)
    moments.run(lambda: embedding(whole))
    files = store_files(whole)
    rows = forked(lambda: check_store(whole, whole))
    expect(rows == 294, f"{rows} images are embedded")
    while found["kills"] < kills:
        done, was_killed = killed(lambda _: embedding(), moments.next())
        there = forked(lambda: check_store(data, whole))
        expect(not done or there == rows, "an acknowledged embedding is not there")
        if was_killed:
            found["kills"] += 1
            found["with some embeddings there"] += 0 < there < rows
            found["half-written files left"] += len(list(data.glob("embeddings/*/.*.tmp")))
        if there == rows or found["kills"] == kills or pick.random() < 0.3:  # else the next goes on with what is left
            moments.run(embedding) if not there else forked(embedding)
            expect(store_files(data) == files, "a store that was gone on with is not that of an undisturbed call")
            found["stores, each equal byte for byte"] += 1
            prepare()
    return dict(found)


def store_files(data: Path) -> dict[str, bytes]:
    """Every file of the data set's stores."""
    files = [path for path in (data / "embeddings").rglob("*") if path.is_file()]
    return {path.relative_to(data).as_posix(): path.read_bytes() for path in files}


def check_store(data: Path, whole: Path) -> int:
    """How many images have an embedding, which is that of the undisturbed store."""
    if not any(data.glob("embeddings/*/encoder.json")):
        return 0
    ours, theirs = (EmbeddingStore.open(next(place.glob("embeddings/*"))) for place in (data, whole))
    ids = list(ours.ids)
    expect(ids == list(theirs.ids[: len(ids)]), "images are embedded twice, or left out")
    expect(not ids or np.array_equal(ours.rows(ids), theirs.rows(ids)), "an embedding is not that of its image")
    ways = [[(ran.backend, ran.precision) for ran in store.ran] for store in (ours, theirs)]
    expect(ways[0] == ways[1][: bool(ids)], "its way")
    return len(ids)


# Fetch: pictures from a server of this machine, some of them gone; a killed download goes on to the same bytes.


class Pictures(BaseHTTPRequestHandler):
    """/N is a picture, in two parts a moment apart; every fifth is gone."""

    def do_GET(self) -> None:
        number = int(self.path[1:])
        content = picture(number)
        self.send_response(404 if number % 5 == 4 else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:99])
        time.sleep(0.002)
        self.wfile.write(content[99:])

    def log_message(self, *_: Any) -> None:
        pass


class PictureServer(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that was killed is no error here."""


def picture(number: int) -> bytes:
    return b"P6 20 20 255\n" + bytes((number * 7 + at) % 256 for at in range(1200))


def fetched(data: Path) -> tuple[dict[str, bytes], bool]:
    """What a download has written by now, every picture of it whole; and whether it is done."""
    files = {path.relative_to(data).as_posix(): path.read_bytes() for path in data.rglob("*") if path.is_file()}
    for name, content in files.items():
        if name.startswith("images/"):
            expect(hashlib.sha256(content).hexdigest() == Path(name).stem, f"{name} is not whole")
    table = pq.read_table(data / "images.parquet")
    named = [name for name in table["file"].to_pylist() if name] if "file" in table.column_names else []
    expect(all(name in files for name in named), "images.parquet names a file that is not there")
    return files, not any(name.startswith(".fetching/") for name in files)


def kill_fetches(folder: Path, kills: int, pick: random.Random) -> dict[str, int]:
    template, data = folder / "template", folder / "data"
    config = FetchConfig(jobs=4, per_host=4, delay=0, max_wait=0.01, allow_private=True)
    server = PictureServer(("127.0.0.1", 0), Pictures)
    child = os.fork()
    if child == 0:
        server.serve_forever()
    urls = [f"http://127.0.0.1:{server.server_port}/{number}" for number in range(len(IMAGES))]
    table = pd.DataFrame({"image_id": IMAGES, "url": urls})
    server.server_close()

    def prepare() -> None:
        shutil.rmtree(data, ignore_errors=True)
        shutil.copytree(template, data)

    def fetching() -> None:
        fetch_images(data, config)

    found: Counter[str] = Counter()
    moments = Moments(pick)
    try:
        forked(lambda: write_dataset(template, DatasetMeta("kills"), table, {}) and None)
        prepare()
        moments.run(fetching)
        whole, done = forked(lambda: fetched(data))
        expect(done and sum(name.startswith("images/") for name in whole) == len(IMAGES) * 4 // 5, "not all came")
        prepare()
        while found["kills"] < kills:
            start = time.perf_counter()
            was_killed = killed(lambda _: fetching(), moments.next())[1]
            if not was_killed:  # it takes less than the first one did
                moments.took.append(time.perf_counter() - start)
            files, done = forked(lambda: fetched(data))
            found["kills"] += was_killed
            found["with some pictures there"] += was_killed and any(name.startswith("images/") for name in files)
            found["half-written files left"] += sum(name.endswith(".part") for name in files)
            if done or pick.random() < 0.3:  # else the next one goes into what the killed one left
                forked(fetching)
                expect(
                    forked(lambda: fetched(data)) == (whole, True),
                    "a download that went on does not end with the same bytes",
                )
                found["ends compared"] += 1
                prepare()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return dict(found)


DEEDS = {
    "export": kill_exports, "import": kill_imports, "predict": kill_predictions, "embed": kill_embeddings,
    "submit": kill_submits, "fetch": kill_fetches,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("deeds", nargs="*", metavar="|".join(DEEDS), help="all of them unless named")
    parser.add_argument("--kills", type=int, default=334, help="of each deed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    told = {}
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for name in given.deeds or DEEDS:
            place = Path(folder) / name
            place.mkdir()
            told[name] = DEEDS[name](place, given.kills, random.Random(given.seed))
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
