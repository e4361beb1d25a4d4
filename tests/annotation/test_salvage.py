"""Of a torn SQLite database every row of a whole page comes back as it was, and none that was not there."""

import random
import re
import shutil
import sqlite3
from collections import defaultdict
from contextlib import closing
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from affectml_annotation import Answer, LabelStore, StoreError, TaskSettings
from affectml_annotation.store.backup import write_backup
from affectml_annotation.store.checking import check_store
from affectml_annotation.store.erasing import erase
from affectml_annotation.store.rebuilding import KEYS
from affectml_annotation.store.salvage import salvage

from .studies import complete, open_study

PAGE = 4096
LABELS = ("joy", "awe", "fear", "calm")
DERIVED = {table.name for table in KEYS}
GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def fill(file: Path, images: int, people: int) -> None:
    """Everybody judges every image; each note says its number again and again, a few over several pages."""
    rng = random.Random(images)
    names, who = [f"image-{i:04}" for i in range(images)], [f"person {i} é" for i in range(people)]
    longs = {rng.randrange(images * people): size for size in (500, 700, 1200, 3000)}
    rows = [(image, person) for image in names for person in who]
    table = pd.DataFrame(rows, columns=["image_id", "annotator_id"])
    table["kind"], table["round"] = "labels", 1
    table["labels"] = [rng.sample(LABELS, rng.randint(1, 3)) for _ in rows]
    table["note"] = [f"<{row}>" * longs.get(row, rng.randint(1, 9)) for row in range(len(rows))]
    table["seconds"] = [rng.choice([2.0, 3.25, None]) for _ in rows]
    with LabelStore(file) as store:
        store.init_task(TaskSettings(LABELS, "What do you feel?", overlap=people), names)
        store.invite(who)
        table.to_parquet(file.with_suffix(".parquet"))
        store.import_file(file.with_suffix(".parquet"))
        store.withdraw(who[0])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A database of 600 answers in some 150 pages; read only."""
    file = tmp_path_factory.mktemp("small") / "labels.db"
    fill(file, 100, 6)
    return file


@pytest.fixture
def torn(tmp_path):
    """Where a damaged copy goes."""
    return tmp_path / "torn.db"


def tables(file: Path) -> dict[str, set]:
    """All rows of a database, by table, as SQLite has them."""
    with closing(sqlite3.connect(file)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: {*connection.execute(f'SELECT * FROM "{name}"')} for name in names if name != "schema_version"}


@cache
def pages_of_notes(file: Path) -> dict[str, set[int]]:
    """By the number in a note, all pages that have a part of it: found by its bytes, whatever a page means."""
    found = defaultdict(set)
    for mark in re.finditer(rb"<\d+>", file.read_bytes()):
        found[mark[0].decode()].update((mark.start() // PAGE, (mark.end() - 1) // PAGE))
    return found


def damaged(content: bytes, how: str, rng: random.Random) -> tuple[bytes, set[int]]:
    """A damaged copy, and the pages that are hurt, from 0."""
    out, pages = bytearray(content), len(content) // PAGE
    if how == "cut":
        at = rng.randrange(PAGE, len(out))
        return bytes(out[:at]), {*range(at // PAGE, pages)}
    if how == "headless":
        out[:PAGE] = rng.choice([bytes(PAGE), rng.randbytes(PAGE), bytes(100) + out[100:PAGE]])
        return bytes(out), {0}
    hurt = {*rng.sample(range(pages), rng.choice([1, 3, pages // 10, pages // 3]))}
    for page in hurt:
        out[page * PAGE : (page + 1) * PAGE] = bytes(PAGE) if how == "zeros" else rng.randbytes(PAGE)
    return bytes(out), hurt


def had_of(whole: Path, torn: Path, how: str, seed: int) -> tuple[int, int, int]:
    """How many answers there were, how many on whole pages, how many were had of a damaged copy."""
    content, out = whole.read_bytes(), torn.with_name("out.db")
    broken, hurt = damaged(content, how, random.Random(seed))
    torn.write_bytes(broken)
    made = salvage(torn, out, settings=whole)
    assert torn.read_bytes() == broken
    before, after = tables(whole), tables(out)
    for name in before.keys() - DERIVED:
        invented = after[name] - before[name]
        assert {row[0 if name == "annotator" else 1] for row in invented} <= {*made.people, *made.images}, (how, seed)
    notes = {row[10][: row[10].index(">") + 1] for row in after["event"]}
    sound = {mark for mark, pages in pages_of_notes(whole).items() if not pages & hurt}
    assert sound <= notes, (how, seed)
    assert made.rows["event"] == len(after["event"])
    assert made.unread or not hurt or how == "headless"
    with LabelStore(out) as store:
        assert check_store(store) == [], (how, seed)
    out.unlink()
    return len(before["event"]), len(sound), len(notes)


def test_a_whole_database_comes_back_row_for_row(small, tmp_path):
    content = small.read_bytes()
    made = salvage(small, tmp_path / "out.db")
    assert tables(tmp_path / "out.db") == tables(small)
    assert (made.unread, made.refused, made.gaps, made.lost, made.people, made.images) == (0, {}, [], 0, [], [])
    assert small.read_bytes() == content
    assert (tmp_path / "out.db").stat().st_mode & 0o077 == 0
    assert [file.name for file in tmp_path.iterdir()] == ["out.db"]


@pytest.mark.parametrize("how", ["cut", "zeros", "noise", "headless"])
def test_every_answer_on_whole_pages_comes_back_and_none_is_invented(small, torn, how):
    for seed in range(3):
        had_of(small, torn, how, seed)


@pytest.mark.slow
def test_thousands_of_answers_come_back_from_whatever_is_left(tmp_path):
    fill(tmp_path / "whole.db", 250, 8)
    for seed in range(2):
        for how in ("cut", "zeros", "noise"):
            had_of(tmp_path / "whole.db", tmp_path / "torn.db", how, seed)


@pytest.fixture
def open_copy(small, torn):
    """A copy of a database in use: what came last stands in the log beside it, and was copied with it."""
    shutil.copy(small, torn.with_name("live.db"))
    with LabelStore(torn.with_name("live.db")) as store:
        store.invite(["late"])
        store.set_priority({"image-0001": 2.0})
        for number in range(40):
            answer = Answer(f"image-{number:04}", "late", "labels", ("joy",), note=f"<{number}> of the log " * 20)
            store.submit([answer])
            store.save_draft("late", f"image-{number:04}", {"labels": ["awe"]})
        for end in ("", "-wal"):
            shutil.copy(f"{store.database.where}{end}", f"{torn}{end}")
        yield torn, tables(torn.with_name("live.db"))


def frames(log: Path) -> range:
    """Where the frames of a write-ahead log begin."""
    return range(32, log.stat().st_size, 24 + PAGE)


def test_what_stands_in_the_log_comes_back_too(open_copy, tmp_path):
    torn, whole = open_copy
    assert salvage(torn, tmp_path / "out.db").unread == 0
    assert tables(tmp_path / "out.db") == whole


@pytest.mark.parametrize("where", ["header", "frame", "last", "file"])
def test_of_a_torn_log_every_frame_that_is_whole_counts(open_copy, tmp_path, where):
    torn, whole = open_copy
    log = Path(f"{torn}-wal")
    content, starts = bytearray(log.read_bytes()), frames(log)
    at = {"header": 0, "frame": starts[len(starts) // 2] + 24, "last": starts[-1] + 24, "file": 0}[where]
    content[at : at + 512] = bytes(512)
    log.write_bytes(log.read_bytes() if where == "file" else content)
    torn.write_bytes(torn.read_bytes()[: PAGE * 30] if where == "file" else torn.read_bytes())
    salvage(torn, tmp_path / "out.db", settings=torn.with_name("live.db"))
    had = tables(tmp_path / "out.db")["event"]
    late = {row for row in whole["event"] if row[3] == "late"}
    assert had <= whole["event"]
    assert len(late - had) <= (1 if where == "last" else 0)  # the last frame is the last answer's


def test_what_was_never_committed_does_not_come(open_copy, tmp_path):
    torn, whole = open_copy
    log = Path(f"{torn}-wal")
    content = log.read_bytes()
    starts = [at for at in frames(log) if content[at + 4 : at + 8] != bytes(4)]  # each ends a transaction
    log.write_bytes(content[: starts[-1]])  # the last transaction's end is missing
    salvage(torn, tmp_path / "out.db")
    assert tables(tmp_path / "out.db")["draft"] < whole["draft"]
    assert len(tables(tmp_path / "out.db")["event"]) == len(whole["event"])


def test_deleted_rows_stay_deleted_where_the_head_is_gone(small, torn, tmp_path):
    shutil.copy(small, torn)
    with LabelStore(torn) as store:
        names = [f"image-{number:04}" for number in range(100)]
        for name in names:
            store.save_draft("person 1 é", name, {"labels": ["awe"], "note": "x" * 300})
        with store.database.write() as connection:
            connection.exec_driver_sql("PRAGMA secure_delete=OFF")  # some builds of SQLite write zeros over them
            connection.exec_driver_sql("DELETE FROM draft WHERE image_id > 'image-0002'")
    content = torn.read_bytes()
    assert content.count(b"x" * 300) > 50  # the deleted ones are in free pages
    torn.write_bytes(bytes(PAGE) + content[PAGE:])
    made = salvage(torn, tmp_path / "out.db")
    assert made.rows["draft"] == 3


def test_who_was_erased_does_not_come_back_by_an_earlier_state_of_a_page(small, torn, tmp_path):
    shutil.copy(small, torn.with_name("live.db"))
    with LabelStore(torn.with_name("live.db")) as store:
        store.set_priority({"image-0001": 2.0})
        with store.database.write() as connection:
            assert erase(connection, "person 1 é") == 100
        for end in ("", "-wal"):  # before the files are cleaned
            shutil.copy(f"{store.database.where}{end}", f"{torn}{end}")
        assert "person 1 é".encode() in torn.read_bytes()
        whole = tables(torn.with_name("live.db"))
    made = salvage(torn, tmp_path / "out.db")
    assert tables(tmp_path / "out.db") == whole
    assert made.people == []


def without(content: bytes, text: str) -> bytes:
    """A database in which the pages that hold a text are zeros."""
    pages = [content[at : at + PAGE] for at in range(0, len(content), PAGE)]
    return b"".join(bytes(PAGE) if text.encode() in page else page for page in pages)


def test_without_settings_another_database_of_the_task_gives_them(small, torn, tmp_path):
    torn.write_bytes(without(small.read_bytes(), "What do you feel?"))
    with pytest.raises(StoreError, match="settings, images or rounds are lost; a backup .* --settings FILE"):
        salvage(torn, tmp_path / "out.db")
    assert not (tmp_path / "out.db").exists()
    with LabelStore(small) as store:
        write_backup(store, tmp_path / "backup.db")
    salvage(torn, tmp_path / "out.db", settings=tmp_path / "backup.db")
    assert tables(tmp_path / "out.db") == tables(small)
    fill(tmp_path / "other.db", 3, 2)
    with LabelStore(tmp_path / "other.db") as store, store.database.write() as connection:
        connection.exec_driver_sql("UPDATE image SET image_id = 'of another task' WHERE position = 1")
    with pytest.raises(StoreError, match="images are not those of the torn database"):
        salvage(torn, tmp_path / "again.db", settings=tmp_path / "other.db")


def test_whoever_is_left_by_their_answers_alone_is_invited_anew_and_has_withdrawn_if_they_had(small, torn, tmp_path):
    with closing(sqlite3.connect(small)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'annotator'").fetchone()[0]
    content = small.read_bytes()
    torn.write_bytes(content[: (root - 1) * PAGE] + bytes(PAGE) + content[root * PAGE :])
    made = salvage(torn, tmp_path / "out.db")
    assert sorted(made.people) == [f"person {number} é" for number in range(6)]
    with LabelStore(tmp_path / "out.db") as store, LabelStore(small) as before:
        people = store.annotators()
        assert people[people["withdrawn"]]["annotator_id"].tolist() == ["person 0 é"]
        ours, theirs = (each.judgements().drop(columns=["place"]) for each in (store, before))
        pd.testing.assert_frame_equal(ours, theirs)


def test_every_table_of_a_study_comes_back(tmp_path):
    store = open_study(f"sqlite:///{tmp_path / 'labels.db'}")
    complete(store, "P1")
    store.close()
    whole = tables(tmp_path / "labels.db")
    salvage(tmp_path / "labels.db", tmp_path / "out.db")
    assert tables(tmp_path / "out.db") == whole
    headless = (tmp_path / "labels.db").read_bytes()
    (tmp_path / "labels.db").write_bytes(bytes(PAGE) + headless[PAGE:])
    salvage(tmp_path / "labels.db", tmp_path / "headless.db")
    assert tables(tmp_path / "headless.db") == whole


@pytest.mark.parametrize("folder", sorted(GOLDEN.glob("*/labels")), ids=lambda path: path.parent.name)
def test_a_database_of_an_earlier_version_comes_back_in_this_ones_schema(folder, tmp_path):
    shutil.copy(folder / "labels.db", tmp_path / "labels.db")
    salvage(folder / "labels.db", tmp_path / "out.db")
    with LabelStore(tmp_path / "labels.db") as before, LabelStore(tmp_path / "out.db") as after:
        pd.testing.assert_frame_equal(after.events(), before.events())
        pd.testing.assert_frame_equal(after.judgements(), before.judgements())


def test_the_command_says_what_was_had_and_writes_over_nothing(run, small, torn, tmp_path):
    torn.write_bytes(small.read_bytes()[:-PAGE] + bytes(PAGE))
    said = run("labels", "salvage", torn, tmp_path / "out.db")
    assert "1 of " in said
    assert "pages (4,096 bytes) could not be read" in said
    assert "out.db exists" in run("labels", "salvage", torn, tmp_path / "out.db", fails=True)
    assert "no such file" in run("labels", "salvage", tmp_path / "nowhere.db", tmp_path / "new.db", fails=True)
    (tmp_path / "photo.db").write_bytes(random.Random(0).randbytes(99_999))
    assert "are lost" in run("labels", "salvage", tmp_path / "photo.db", tmp_path / "new.db", fails=True)
