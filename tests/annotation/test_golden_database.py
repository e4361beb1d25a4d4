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

from affectml_annotation import (
    Answer,
    LabelStore,
    aggregate,
    agreement_report,
    annotator_report,
    count_votes,
    disagreement,
    read_judgements,
    write_judgements,
)
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder
from affectml_annotation.judgements import of_now as flags_of_now
from affectml_annotation.store import schema
from affectml_annotation.store.backup import write_backup
from affectml_annotation.store.checking import check_store
from affectml_annotation.store.earlier import as_now
from affectml_annotation.store.restoring import restore
from affectml_annotation.store.settings import read_setting
from affectml_annotation.study import door, running, visits
from affectml_annotation.study.folder import Study
from affectml_annotation.study.overview import overview
from affectml_annotation.study.questions import answers_to_questions

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FOLDERS = sorted(GOLDEN.glob("*/labels"))
STUDY = GOLDEN / "0.3.0.dev0" / "study"  # whose images stopped early: 2 people of each, of some up to 4
TOLD = {"rel": 1e-6, "abs": 1e-9}


@pytest.fixture(params=FOLDERS, ids=lambda path: path.parent.name)
def folder(request):
    """What was written then; read only."""
    return request.param


@pytest.fixture
def said(folder):
    return json.loads((folder / "said.json").read_text(encoding="utf-8"))


@pytest.fixture
def store(folder, tmp_path):
    """The database, in a copy: opening one may write."""
    shutil.copy(folder / "labels.db", tmp_path / "labels.db")
    with LabelStore(tmp_path / "labels.db", must_exist=True) as opened:
        yield opened


def plain(table: pd.DataFrame) -> list[dict]:
    return json.loads(table.to_json(orient="records", date_format="iso", date_unit="ms", double_precision=15))


def of_now(rows: list[dict]) -> list[dict]:
    """Rows of before: a flag was a kind of its own, and is beside an answer now."""
    return [row | ({"kind": "skip", "flag": True} if row.get("kind") == "flag" else {}) for row in rows]


def same_rows(now: list[dict], before: list[dict]) -> None:
    """Row by row and column by column; further columns may come."""
    assert len(now) == len(before)
    for row, (one, other) in enumerate(zip(now, before, strict=True)):
        assert {key: one.get(key, "absent") for key in other} == other, row


def at_least(now: object, before: object, where: str = "") -> None:
    """The same values, numbers within rounding; further keys may come."""
    if isinstance(before, dict):
        for key, value in before.items():
            assert key in now, f"{where}: no {key}"
            at_least(now[key], value, f"{where}.{key}")
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


def test_there_is_a_golden_database():
    assert FOLDERS


def test_every_table_says_the_same(store, folder):
    tables = {
        "judgements": store.judgements(),
        "judgements-of-all": store.judgements(surplus=True, withdrawn=True),
        "events": store.events(),
        "images": store.images(),
        "annotators": store.annotators(),
        "conflicts": store.conflicts(),
        "decisions": store.decisions(),
        "checks": store.checks(),
        "rounds": store.rounds(),
        "history-ann": store.history("ann"),
    }
    assert {path.stem for path in (folder / "tables").iterdir()} == set(tables)
    for name, table in tables.items():
        before = json.loads((folder / "tables" / f"{name}.json").read_text(encoding="utf-8"))
        assert before, name
        same_rows(plain(table), of_now(before))


def test_the_task_and_its_progress_are_the_same(store, said):
    at_least(store.settings.to_dict(), as_now(said["settings"]))  # test_earlier.py says what became of them
    for number, before in said["progress"].items():
        at_least(vars(store.progress(round_number=int(number))), before)


def test_people_go_on_where_they_were(store, said):
    for who, claims in said["held"].items():
        for claim, before in zip(store.claim(who, len(claims)), claims, strict=True):
            at_least(vars(claim), before)


def test_counts_and_agreement_are_the_same(store, said):
    judgements, labels = store.judgements().drop(columns="purpose"), store.settings.labels  # checks were counted then
    for method, before in said["counts"].items():
        made = aggregate(judgements, labels, method, weights="agreement" if method == "weighted" else None)
        assert (list(made.image_id), made.n.tolist(), made.left_out) == (
            before["image_id"],
            before["n"],
            before["left_out"],
        )
        np.testing.assert_allclose(made.values, before["values"], rtol=1e-6, atol=1e-9, err_msg=method)
    assert count_votes(judgements, labels).votes.sum() == np.sum(said["counts"]["votes"]["values"])
    for people in (said["annotators"], said["agreement"]["annotators"]):
        for row in people:
            row["skip"] += row["flag"]  # which was a kind of its own
    at_least(agreement_report(judgements, labels).to_dict(), without_ends(said["agreement"]))
    rounds = store.rounds()
    people = annotator_report(judgements, labels, checks=store.checks(), repeats=rounds[rounds["purpose"] == "repeat"])
    at_least(plain(people), said["annotators"])
    at_least({str(k): float(v) for k, v in disagreement(judgements, labels).items()}, said["disagreement"])


def test_it_exports_the_same_data_set(store, folder, tmp_path):
    labels = store.settings.labels
    votes = {"labels": lambda judgements: aggregate(judgements, labels, "votes")}
    write_dataset_folder(tmp_path / "export", Collected.of(store), votes)
    for file in ("annotations.parquet", "images.parquet", "targets-labels.parquet"):
        before, now = pd.read_parquet(folder / "export" / file), pd.read_parquet(tmp_path / "export" / file)
        if file == "targets-labels.parquet":  # which counted checks
            before = before[~before["image_id"].isin(store.checks()["image_id"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(now[before.columns], flags_of_now(before)[before.columns])
    before = json.loads((folder / "export" / "dataset.json").read_text(encoding="utf-8"))
    now = json.loads((tmp_path / "export" / "dataset.json").read_text(encoding="utf-8"))
    at_least(now, before)


@pytest.mark.parametrize("name", ["judgements.csv", "judgements.jsonl", "judgements.parquet", "judgements.json"])
def test_exported_files_of_every_format_are_read_and_written_as_before(store, folder, tmp_path, name):
    columns = ["image_id", "annotator_id", "round", "kind", "labels", "note"]
    key = columns[:3]  # Label Studio's file goes image by image
    now, before = store.judgements(), read_judgements(folder / "files" / name)
    told = [plain(table[columns].fillna({"note": ""}).sort_values(key)) for table in (before, now)]
    assert told[0] == told[1]
    write_judgements(now, tmp_path / name, name="golden task", question=store.settings.question)
    pd.testing.assert_frame_equal(read_judgements(tmp_path / name)[before.columns], before)


def test_an_exported_hugging_face_folder_is_read_as_before(store, folder):
    before, now = read_judgements(folder / "files" / "hugging-face"), store.judgements()
    assert plain(before[["event_id", "labels"]]) == plain(now[["event_id", "labels"]])


def test_work_goes_on_in_it(store, said):
    who = next(iter(said["held"]))
    [claim] = store.claim(who, 1)
    before = len(store.judgements())
    [receipt] = store.submit([Answer(claim.image_id, who, "none", round=claim.round, event_id="after the upgrade")])
    assert (receipt.status, receipt.revision) == ("accepted", 1)
    assert store.judgements()["event_id"].tolist()[-1] == "after the upgrade"
    assert store.judgements()["language"].isna().all()
    assert len(store.judgements()) == before + 1


def test_it_is_read_as_it_is_where_nothing_can_be_written(store, folder, tmp_path):
    shutil.copy(folder / "labels.db", tmp_path / "kept.db")
    before = (tmp_path / "kept.db").read_bytes()
    with LabelStore(tmp_path / "kept.db", must_exist=True, reads_only=True) as kept:
        for ask in (LabelStore.judgements, LabelStore.images, LabelStore.annotators, LabelStore.checks):
            pd.testing.assert_frame_equal(ask(kept), ask(store))
    assert (tmp_path / "kept.db").read_bytes() == before


# A study whose images stopped early


@pytest.fixture(params=["sqlite", "postgresql"])
def study(request, tmp_path, monkeypatch):
    """The study's database, migrated: a copy of the file, and its backup restored on a server."""
    monkeypatch.setattr(door, "token_hex", secrets.token_hex)  # newcomers get other ids than the file has
    place = tmp_path / "study.db"
    shutil.copy(STUDY / "labels.db", place)
    if request.param == "postgresql":
        with LabelStore(place, must_exist=True, reads_only=True) as old:
            made = write_backup(old, tmp_path / "backup.db")
        place = request.getfixturevalue("postgres_url")
        restore(made.file, place)
    with LabelStore(place, must_exist=True) as opened:
        yield opened


def in_file(query: str) -> list[tuple]:
    """What the file holds as it was written."""
    with closing(sqlite3.connect(f"file:{STUDY / 'labels.db'}?immutable=1", uri=True)) as raw:
        return raw.execute(query).fetchall()


def slots(store: LabelStore) -> list[tuple]:
    there = schema.slot.c
    query = sa.select(there.round, there.position, there.wanted, there.taken).order_by(there.round, there.position)
    return [*store.database.table(query).itertuples(index=False, name=None)]


def newcomer(store: LabelStore) -> str:
    """Somebody who came after the upgrade and is at their images."""
    ids = door.Ids("somebody new")
    who = door.agree(store, ids, door.enter(store, ids).version, ["I agree."]).participant
    visits.answer_questions(store, who, "before", {"age": "30+"})
    visits.go_on(store, who, "instructions")
    visits.practise(store, who, "i000", ["fear"])
    return who


def without_order(rows: list[dict]) -> list[dict]:
    """As they were, but for the place of an answer among those of its image, which only stopping early asked for."""
    return [{name: value for name, value in row.items() if name != "order"} for row in rows]


def test_a_study_whose_images_stopped_early_tells_the_same(study):
    tables = {
        "judgements": study.judgements(),
        "events": study.events(),
        "images": study.images(),
        "annotators": study.annotators(),
        "rounds": study.rounds(),
        "checks": study.checks(),
    }
    assert {path.stem for path in (STUDY / "tables").iterdir()} == set(tables)
    for name, table in tables.items():
        before = json.loads((STUDY / "tables" / f"{name}.json").read_text(encoding="utf-8"))
        assert before, name
        same_rows(plain(table), without_order(before))
    assert not check_store(study)


def test_a_study_whose_images_stopped_early_asks_as_many_of_each_image_as_it_wanted(study):
    said = json.loads((STUDY / "said.json").read_text(encoding="utf-8"))
    assert said["settings"]["overlap"] == {"min": 2, "max": 4, "mean": 3.6, "until": "F1"}
    backups = {"backup_hours": 1.0, "backups_kept": 24, "backup_days": 7}
    assert study.settings.to_dict() == said["settings"] | {"overlap": 2, "skips": None} | backups
    assert slots(study) == in_file("SELECT round, position, wanted, taken FROM slot ORDER BY round, position")
    assert len({wanted for _, _, wanted, _ in slots(study)} - {0}) > 1
    for key in ("stopping", "whole", "stopped"):
        assert study.database.reading(read_setting, key) is None
    now = vars(study.progress())
    assert now["wanted"] == sum(wanted for _, _, wanted, _ in slots(study))
    assert {name: now[name] for name in said["progress"] if name != "wanted"} == {
        name: value for name, value in said["progress"].items() if name != "wanted"
    }


def test_a_study_whose_images_stopped_early_goes_on(study):
    before, wanting = slots(study), len(running.images_wanting(study))
    assert study.database.reading(running.file_of).overlap == 2
    assert overview(study).wanting == wanting > 0
    assert [(one.question.id, one.people) for one in answers_to_questions(study)] == [("age", 14), ("why", 12)]
    running.more_places(study, 1, by="lead")
    who = newcomer(study)
    while claims := study.claim(who, 1):
        [receipt] = study.submit([Answer(claims[0].image_id, who, "none")])
        assert receipt.status == "accepted"
    assert len(running.images_wanting(study)) < wanting
    number, found = study.database.reading(running.study_of)
    changed = Study(found.file.model_copy(update={"images_per_person": 20}), found.texts)
    assert running.open_study(study, changed, affectml="0", by="lead") == number + 1
    assert [wanted for _, _, wanted, _ in slots(study)] == [wanted for _, _, wanted, _ in before]
    study.add_images(pd.DataFrame({"image_id": ["new"]}))
    assert slots(study)[len(before)][2:] == (2, 0)
    study.update_settings(overlap=3)
    wanted = [(row[2], now[2]) for row, now in zip(before, slots(study), strict=False)]
    assert {now for was, now in wanted if was == 2} == {3}
    assert all(was == now for was, now in wanted if was != 2)


def test_a_study_whose_images_stopped_early_exports_the_same_data_set(study, tmp_path):
    votes = {"labels": lambda judgements: aggregate(judgements, study.settings.labels, "votes")}
    write_dataset_folder(tmp_path / "export", Collected.of(study), votes)
    for file in ("annotations.parquet", "annotators.parquet", "images.parquet", "targets-labels.parquet"):
        before, now = pd.read_parquet(STUDY / "export" / file), pd.read_parquet(tmp_path / "export" / file)
        if "image_id" in before:  # with an image to practise with and a check, which were exported then
            before = before[~before["image_id"].isin(["i000", "i001"])].reset_index(drop=True)
        now = now.drop(columns="flag", errors="ignore")  # nobody flagged an image
        pd.testing.assert_frame_equal(now, before.drop(columns="order", errors="ignore"))
    before = json.loads((STUDY / "export" / "dataset.json").read_text(encoding="utf-8"))
    now = json.loads((tmp_path / "export" / "dataset.json").read_text(encoding="utf-8"))
    assert now == before
    kept = read_judgements(STUDY / "judgements.csv")
    write_judgements(study.judgements(), tmp_path / "judgements.csv", name="study", question="What do you feel?")
    now = read_judgements(tmp_path / "judgements.csv")
    assert not now.pop("flag").any()
    pd.testing.assert_frame_equal(now, kept)


def test_an_export_into_the_folder_from_before_keeps_what_it_says(study, tmp_path):
    shutil.copytree(STUDY / "export", tmp_path / "export")
    before = pd.read_parquet(tmp_path / "export" / "annotations.parquet")
    who = newcomer(study)
    claim = next(claim for claim in study.claim(who, 2) if claim.purpose == "task")  # there is one check
    study.submit([Answer(claim.image_id, who, "labels", ("joy",))])
    votes = {"labels": lambda judgements: aggregate(judgements, study.settings.labels, "votes")}
    write_dataset_folder(tmp_path / "export", Collected.of(study), votes, replace=True)
    now = pd.read_parquet(tmp_path / "export" / "annotations.parquet")
    pd.testing.assert_frame_equal(now.iloc[:-1][before.columns], before, check_dtype=False)
    assert (now["annotator_id"].iloc[-1], now["order"].isna().iloc[-1]) == (who, True)
    old, meta = (json.loads((root / "export" / "dataset.json").read_text("utf-8")) for root in (STUDY, tmp_path))
    assert meta["stopping"] == old["stopping"]


def test_a_study_whose_images_stopped_early_is_read_where_nothing_can_be_written(tmp_path):
    shutil.copy(STUDY / "labels.db", tmp_path / "kept.db")
    with LabelStore(tmp_path / "kept.db", must_exist=True, reads_only=True) as kept:
        assert kept.settings.overlap == 2
        assert kept.database.reading(running.file_of).overlap == 2
        assert kept.progress().answered == 239
        assert slots(kept) == in_file("SELECT round, position, wanted, taken FROM slot ORDER BY round, position")
        before = json.loads((STUDY / "tables" / "judgements.json").read_text(encoding="utf-8"))
        same_rows(plain(kept.judgements()), without_order(before))
    assert (tmp_path / "kept.db").read_bytes() == (STUDY / "labels.db").read_bytes()
