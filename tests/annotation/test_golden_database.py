"""A label database that a released version wrote opens, tells the same and works on; see docs/architecture.md."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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
from affectml_annotation.exchange.migration import as_schema_2
from affectml_annotation.store.earlier import as_now

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
FOLDERS = sorted(GOLDEN.glob("*/labels"))
TOLD = {"rel": 1e-6, "abs": 1e-9}


@pytest.fixture(params=FOLDERS, ids=lambda path: path.parent.name)
def folder(request):
    """What a version wrote; read only."""
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
        same_rows(plain(table), before)


def test_the_task_and_its_progress_are_the_same(store, said):
    at_least(store.settings.to_dict(), as_now(said["settings"]))  # test_earlier.py says what became of them
    for number, before in said["progress"].items():
        at_least(vars(store.progress(round_number=int(number))), before)


def test_people_go_on_where_they_were(store, said):
    for who, claims in said["held"].items():
        for claim, before in zip(store.claim(who, len(claims)), claims, strict=True):
            at_least(vars(claim), before)


def test_counts_and_agreement_are_the_same(store, said):
    judgements, labels = store.judgements(), store.settings.labels
    for method, before in said["counts"].items():
        made = aggregate(judgements, labels, method, weights="agreement" if method == "weighted" else None)
        assert (list(made.image_id), made.n.tolist(), made.left_out) == (
            before["image_id"],
            before["n"],
            before["left_out"],
        )
        np.testing.assert_allclose(made.values, before["values"], rtol=1e-6, atol=1e-9, err_msg=method)
    assert count_votes(judgements, labels).votes.sum() == np.sum(said["counts"]["votes"]["values"])
    at_least(agreement_report(judgements, labels, bootstrap=50, seed=1).to_dict(), said["agreement"])
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
        pd.testing.assert_frame_equal(now[before.columns], before)
    before = json.loads((folder / "export" / "dataset.json").read_text(encoding="utf-8"))
    now = json.loads((tmp_path / "export" / "dataset.json").read_text(encoding="utf-8"))
    at_least(now, as_schema_2(before, judged=True))  # the construct and question of schema 1 are the targets' own


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
