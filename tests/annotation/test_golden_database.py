"""A label database that was written before opens, tells the same and works on; see docs/architecture.md."""

import json
import secrets
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

import affectml_annotation as aa
from affectml_annotation.aggregation import METHODS
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.judgements import of_now as flags_of_now
from affectml_annotation.store import schema
from affectml_annotation.store.checking import check_store
from affectml_annotation.study import door, running
from affectml_annotation.study.file import Backups
from affectml_annotation.study.folder import Study
from affectml_annotation.study.overview import answers_to_questions, overview
from affectml_annotation.uncertainty import disagreement

from .studies import label, to_images
from .tasks import rows

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
TASKS = {folder.parent.name: folder for folder in sorted(GOLDEN.glob("*/labels"))}
STUDY = GOLDEN / "0.3.0.dev0" / "study"  # whose images stopped early: 2 people of each, of some up to 4
EVERY = TASKS | {"study": STUDY, "study of 0.3.0": GOLDEN / "0.3.0" / "study"}
of_tasks = pytest.mark.parametrize("folder", TASKS, indirect=True)
of_studies = pytest.mark.parametrize("folder", ["study"], indirect=True)
TOLD = {"rel": 1e-6, "abs": 1e-9}


@pytest.fixture(params=EVERY)
def folder(request):
    """What was written then; read only."""
    return EVERY[request.param]


@pytest.fixture
def said(folder):
    return json.loads((folder / "said.json").read_text(encoding="utf-8"))


@pytest.fixture
def store(folder, tmp_path, monkeypatch):
    """The database, migrated: a copy of the file, since opening one may write."""
    monkeypatch.setattr(door, "token_hex", secrets.token_hex)  # newcomers get other ids than the file has
    with aa.LabelStore(shutil.copy(folder / "labels.db", tmp_path / "labels.db"), must_exist=True) as opened:
        yield opened


def plain(table: pd.DataFrame) -> list[dict]:
    return json.loads(table.to_json(orient="records", date_format="iso", date_unit="ms", double_precision=15))


def of_now(row: dict) -> dict:
    """A row of before: a flag was a kind of its own, and is beside an answer now.

    The place of an answer among those of its image, which only stopping early asked for, is told no more.
    """
    row = {name: value for name, value in row.items() if name != "order"}
    return row | ({"kind": "skip", "flag": True} if row.get("kind") == "flag" else {})


# Of second looks with a model's suggestion: from a task's file, and from what is handed out.
GONE = {"control_share", "control", "blind_first", "suggestions_visible"}


def at_least(now: object, before: object, where: str = "") -> None:
    """The same values, numbers within rounding; further keys may come."""
    if isinstance(before, dict):
        for key in before.keys() - (GONE - now.keys()):
            assert key in now, f"{where}: no {key}"
            at_least(now[key], before[key], f"{where}.{key}")
    elif isinstance(before, list):
        assert len(now) == len(before), where
        for index, value in enumerate(before):
            at_least(now[index], value, f"{where}[{index}]")
    elif isinstance(before, float):
        assert now == pytest.approx(before, **TOLD), where
    else:
        assert now == before, where


def without_ends(said: Any) -> Any:
    """Without the ends of intervals, which were percentiles then; test_agreement.py checks today's on any table."""
    if isinstance(said, list):
        return [without_ends(each) for each in said]
    if isinstance(said, dict):
        return {key: without_ends(each) for key, each in said.items() if not key.endswith(("low", "high"))}
    return said


def settings_of(task: aa.Task) -> dict:
    """What a task was said to be until its file was all of it, but for backups."""
    same = {name: getattr(task, name) for name in ("question", "name", "overlap", "skips", "strategy", "seed")}
    return same | {
        "labels": list(task.labels), "construct": task.about, "taxonomy": task.taxonomy or None,
        "lease_seconds": task.lease_seconds, "check_rate": task.checks.rate, "repeat_rate": task.repeats.rate,
        "repeat_gap": task.repeats.gap, "chip_order": task.page.chips,
    }  # fmt: skip


def without_backups(settings: dict) -> dict:
    """What was said of them, which test_migrations.py says what became of."""
    return {name: value for name, value in settings.items() if not name.startswith("backup")}


def test_every_table_says_the_same(store, folder):
    ask = {
        "judgements-of-all": lambda: store.judgements(surplus=True, withdrawn=True),
        "history-ann": lambda: store.history("ann"),
    }
    files = sorted((folder / "tables").iterdir())
    assert len(files) == (6 if folder.name == "study" else 10)
    for file in files:
        now = plain(ask.get(file.stem, getattr(store, file.stem, None))())
        before = json.loads(file.read_text(encoding="utf-8"))
        assert len(now) == len(before) > 0, file.stem
        for row, (one, other) in enumerate(zip(now, map(of_now, before), strict=True)):
            assert {key: one.get(key, "absent") for key in other} == other, (file.stem, row)


@of_tasks
def test_the_task_and_its_progress_are_the_same(store, said):
    if "settings" in said:  # until a task was a file
        at_least(settings_of(store.task), without_backups(said["settings"]))
        assert store.task.backups == Backups()
    else:
        at_least(store.task.model_dump(mode="json", by_alias=True), said["file"])
    for number, before in said["progress"].items():
        at_least(vars(store.progress(round_number=int(number))), before)


@of_tasks
def test_people_go_on_where_they_were(store, said):
    for who, claims in said["held"].items():
        for claim, before in zip(store.claim(who, len(claims)), claims, strict=True):
            at_least(vars(claim), {name: value for name, value in before.items() if name != "draft"})
    who = next(iter(said["held"]))
    [claim] = store.claim(who, 1)
    before = len(store.judgements())
    [receipt] = store.submit([aa.Answer(claim.image_id, who, "none", round=claim.round, event_id="after the upgrade")])
    assert (receipt.status, receipt.revision) == ("accepted", 1)
    now = store.judgements()
    assert (now["event_id"].iloc[-1], len(now), now["language"].notna().sum()) == ("after the upgrade", before + 1, 0)


@of_tasks
def test_counts_and_agreement_are_the_same(store, said):
    judgements, labels, earlier = store.judgements(), store.task.labels, "settings" in said
    if earlier:  # checks were counted then, and a flag was a kind of its own
        judgements = judgements.drop(columns="purpose")
        for row in [*said["annotators"], *said["agreement"]["annotators"]]:
            row["skip"] += row["flag"]
    for method, before in said["counts"].items():
        if method not in METHODS:
            continue
        made = aa.aggregate(judgements, labels, method)
        assert (list(made.image_id), made.n.tolist()) == (before["image_id"], before["n"])
        reasons = {"no answers" if why == "fewer than 1 answers" else why: n for why, n in before["left_out"].items()}
        assert made.left_out == reasons
        np.testing.assert_allclose(made.values, before["values"], rtol=1e-6, atol=1e-9, err_msg=method)
    assert aa.count_votes(judgements, labels).votes.sum() == np.sum(said["counts"]["votes"]["values"])
    at_least(aa.agreement_report(judgements, labels).to_dict(), without_ends(said["agreement"]))
    repeats = store.rounds().query("purpose == 'repeat'")
    people = aa.annotator_report(judgements, labels, checks=store.checks(), repeats=repeats)
    at_least(plain(people), said["annotators"])
    at_least({str(k): float(v) for k, v in disagreement(judgements, labels).items()}, said["disagreement"])


def export(store, folder: Path, **options) -> dict:
    """Into a data set; its description."""
    labels = store.task.labels
    votes = {"labels": lambda judgements: aa.aggregate(judgements, labels, "votes")}
    write_dataset_folder(folder, Collected.of(store), votes, **options)
    return json.loads((folder / "dataset.json").read_text(encoding="utf-8"))


def test_it_exports_the_same_data_set(store, folder, tmp_path):
    now = export(store, tmp_path / "export")
    before = json.loads((folder / "export" / "dataset.json").read_text(encoding="utf-8"))
    at_least(now, before)
    assert folder != STUDY or now == before
    # what a target counted then: checks; and what a study exported: those, and an image to practise with
    apart = {"i000", "i001"} if folder == STUDY else {*store.checks()["image_id"]}
    for file in ("annotations", "annotators", "images", "targets-labels"):
        before, now = (pd.read_parquet(root / "export" / f"{file}.parquet") for root in (folder, tmp_path))
        if "image_id" in before and (folder == STUDY or file == "targets-labels"):
            before = before[~before["image_id"].isin(apart)].reset_index(drop=True)
        before = before.drop(columns="order", errors="ignore")
        assert {*now.columns} - {*before.columns} <= {"flag"}
        if folder == STUDY and "flag" in now:
            assert not now["flag"].any()  # nobody flagged an image
        before = flags_of_now(before) if file == "annotations" else before
        pd.testing.assert_frame_equal(now[before.columns], before)


@of_tasks
@pytest.mark.parametrize("name", ["judgements.csv", "judgements.jsonl", "judgements.parquet", "judgements.json"])
def test_exported_files_of_every_format_are_read_and_written_as_before(store, folder, tmp_path, name):
    columns = ["image_id", "annotator_id", "round", "kind", "labels", "note"]
    key = columns[:3]  # Label Studio's file goes image by image
    now, before = store.judgements(), aa.read_judgements(folder / "files" / name)
    told = [plain(table[columns].fillna({"note": ""}).sort_values(key)) for table in (before, now)]
    assert told[0] == told[1]
    aa.write_judgements(now, tmp_path / name)
    pd.testing.assert_frame_equal(aa.read_judgements(tmp_path / name)[before.columns], before)


def test_it_is_sound_and_read_as_it_is_where_nothing_can_be_written(store, folder, tmp_path):
    file = tmp_path / "kept.db"
    shutil.copy(folder / "labels.db", file)
    with aa.LabelStore(file, must_exist=True, reads_only=True) as kept:
        for name in ("judgements", "images", "annotators", "checks"):
            pd.testing.assert_frame_equal(getattr(kept, name)(), getattr(store, name)())
        pd.testing.assert_frame_equal(slots(kept), slots(store))
        assert kept.task == store.task
        assert vars(kept.progress()) == vars(store.progress())
        assert check_store(kept) == check_store(store) == []
        assert kept.task.backups == (Backups(hours=24, keep=7, days=7) if folder == STUDY else Backups())
        if folder == STUDY:
            assert kept.database.reading(running.file_of).overlap == 2
    assert file.read_bytes() == (folder / "labels.db").read_bytes()


# A study whose images stopped early


def slots(store: aa.LabelStore) -> pd.DataFrame:
    there = schema.slot.c
    query = sa.select(there.round, there.position, there.wanted, there.taken).order_by(there.round, there.position)
    return store.database.table(query)


@of_studies
def test_a_study_whose_images_stopped_early_asks_as_many_of_each_image_as_it_wanted(store, said):
    assert said["settings"]["overlap"] == {"min": 2, "max": 4, "mean": 3.6, "until": "F1"}
    at_least(settings_of(store.task), without_backups(said["settings"]) | {"overlap": 2})
    with closing(sqlite3.connect(f"file:{STUDY / 'labels.db'}?immutable=1", uri=True)) as raw:  # as it was written
        before = pd.read_sql("SELECT round, position, wanted, taken FROM slot ORDER BY round, position", raw)
    pd.testing.assert_frame_equal(slots(store), before)
    assert slots(store)["wanted"].nunique() > 2
    for key in ("stopping", "whole", "stopped"):
        assert store.database.reading(schema.read_setting, key) is None
    now = vars(store.progress())
    assert now == now | said["progress"] | {"wanted": slots(store)["wanted"].sum()}
    versions = [row.number for row in rows(store, schema.study_version)]
    kept = [store.database.reading(running.file_of, number).backups for number in versions]
    assert kept == [Backups(hours=24, keep=7, days=7)] * 2  # as its file said


@of_studies
def test_a_study_whose_images_stopped_early_goes_on(store):
    before, wanting = slots(store), len(running.images_wanting(store))
    assert overview(store).wanting == wanting > 0
    assert [(one.question.id, one.people) for one in answers_to_questions(store)] == [("age", 14), ("why", 12)]
    running.more_places(store, 1, by="lead")
    who = to_images(store, "somebody new", practised="i000")
    label(store, who)
    assert len(running.images_wanting(store)) < wanting
    number, found = overview(store).version, store.database.reading(running.study_of)
    changed = Study(found.file.but(images_per_person=20), found.texts)
    assert running.open_study(store, changed, by="lead") == number + 1
    assert slots(store)["wanted"].equals(before["wanted"])
    store.add_images(pd.DataFrame({"image_id": ["new"]}))
    assert slots(store).iloc[len(before)].tolist()[2:] == [2, 0]
    store.change_task(overlap=3)
    assert slots(store)["wanted"][: len(before)].equals(before["wanted"].replace(2, 3))


@of_studies
def test_an_export_into_the_folder_from_before_keeps_what_it_says(store, tmp_path):
    shutil.copytree(STUDY / "export", tmp_path / "export")
    before = pd.read_parquet(tmp_path / "export" / "annotations.parquet")
    who = to_images(store, "somebody new", practised="i000")
    claim = next(claim for claim in store.claim(who, 2) if claim.purpose == "task")  # there is one check
    store.submit([aa.Answer(claim.image_id, who, "labels", ("joy",))])
    meta = export(store, tmp_path / "export", replace=True)
    now = pd.read_parquet(tmp_path / "export" / "annotations.parquet")
    pd.testing.assert_frame_equal(now.iloc[:-1][before.columns], before, check_dtype=False)
    assert (now["annotator_id"].iloc[-1], now["order"].isna().iloc[-1]) == (who, True)
    assert meta["stopping"] == json.loads((STUDY / "export" / "dataset.json").read_text("utf-8"))["stopping"]
