"""Attention checks, practice and repeats are no data: not in targets, agreement, pace, nor in what leaves the task."""

import json
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import affectml_annotation as aa
from affectml.auditing._expect import read_said
from affectml.data import Dataset
from affectml.exploring._people import Judgements
from affectml.planning._figures import read_pilot
from affectml_annotation.exchange.dataset_folder import Collected
from affectml_annotation.store import submits
from affectml_annotation.store.claims import failed_checks
from affectml_annotation.study import running
from affectml_annotation.study.overview import people
from affectml_annotation.uncertainty import disagreement
from affectml_apps.relabel import lead

from .studies import label, open_study, study_with, to_images
from .tasks import LABELS, new_task, refused

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "0.3.0.dev0" / "study"
# The study made check-1 and practice-1. c is a photograph that cat saw before it became a check.
SAID = """image_id,annotator_id,round,labels,seconds,purpose
a,ann,1,awe,2,task
check-1,ann,1,joy,40,check
a,bob,1,awe|joy,4,task
check-1,bob,1,fear,40,check
b,ann,1,joy,2,task
c,bob,1,fear,30,check
b,bob,1,[],4,task
c,cat,1,joy,3,task
c,ann,1,awe,30,check
check-1,cat,1,joy,40,check
a,ann,2,joy,50,repeat
b,bob,2,[],60,repeat
"""
BY_HAND = {"a": [2, 2, 0, 1], "b": [2, 0, 0, 1], "c": [1, 0, 0, 1]}  # n, awe, fear, joy
PHOTOGRAPHS = [row for row in SAID.splitlines()[1:] if not row.startswith("check-1")]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The task's database, and the table whose rows were imported."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "said.csv").write_text(SAID, encoding="utf-8")
    with new_task(folder / "labels.db", [*"abcd", "check-1", "practice-1"], overlap=2, seed=3) as store:
        dictated = {name: {"images": [{"image": f"{name}-1", "labels": ["joy"]}]} for name in ("check", "practice")}
        study = study_with(practice=dictated["practice"], checks=dictated["check"])
        running.open_study(store, study, by="lead")
        store.import_file(folder / "said.csv", invite=True)
        store.add_checks(pd.DataFrame({"image_id": ["c"], "accepted": [["awe"]], "forbidden": [[]]}))
    return folder


@pytest.fixture(scope="module")
def said(made):
    return aa.read_judgements(made / "said.csv")


@pytest.fixture
def task(made, tmp_path):
    with aa.LabelStore(shutil.copy(made / "labels.db", tmp_path)) as store:
        yield store


@pytest.fixture
def exported(task, tmp_path, run):
    """The data set that `label export` makes of the task, and what it said."""
    told = run("label", "export", "--db", tmp_path / "labels.db", "--to", tmp_path / "set", "--json")
    return Dataset.open(tmp_path / "set"), json.loads(told)


def of_data(said):
    return said[said["purpose"] == "task"]


def by_hand(table):
    return {row[0]: list(map(int, row[1:])) for row in table[["image_id", "n", *LABELS]].itertuples(index=False)}


def report(said, **options):
    return json.dumps(aa.agreement_report(said, LABELS, **options).to_dict())


@pytest.mark.parametrize("rounds", ["first", "last", "all", 1])
@given(order=st.permutations(range(SAID.count("\n") - 1)))
def test_what_is_no_data_changes_nothing_wherever_it_stands(said, rounds, order):
    said = said.iloc[order].reset_index(drop=True)
    data_of = said[said["purpose"] != "check"] if rounds == 1 else of_data(said)
    whole, data = (aa.encode(table, LABELS, rounds=rounds) for table in (said, data_of))
    assert whole.image_ids.tolist() == data.image_ids.tolist()
    assert whole.annotator_ids[whole.annotator].tolist() == data.annotator_ids[data.annotator].tolist()
    assert (whole.image == data.image).all()
    assert (whole.chosen == data.chosen).all()
    assert whole.row.tolist() == data_of.index[data.row].tolist()


def test_a_bad_row_of_a_check_is_named_all_the_same(said):
    bad = said.assign(labels=[*said["labels"][:5], ["anger"], *said["labels"][6:]])
    refused(ValueError, "judgement row 5 .image 'c', annotator 'bob'.: no label 'anger'", aa.encode, bad, LABELS)


def test_a_round_that_is_asked_for_has_its_repeats(said):
    assert by_hand(aa.count_votes(said, LABELS, ["a", "b"], rounds=2).table()) == {"a": [1, 0, 0, 1], "b": [1, 0, 0, 0]}


def test_agreement_pace_and_disagreement_are_of_images_alone(task):
    said = task.judgements().assign(at=pd.Timestamp("2026-01-05 08:00", tz="UTC"))
    assert report(said) == report(of_data(said))
    assert disagreement(said, LABELS).to_dict() == disagreement(of_data(said), LABELS).to_dict()
    assert lead.pace(said)["answers"].tolist() == [5]
    assert lead.drift(said, LABELS).set_index("annotator_id")["seconds"].to_dict() == {"ann": 2, "bob": 4, "cat": 3}
    shown = {name: set(lead.answers_to(said, name, names=True)["who"]) for name in "abc"}
    assert shown == {"a": {"ann", "bob"}, "b": {"ann", "bob"}, "c": {"cat"}}


def test_how_people_did_on_checks_and_repeats_stands_beside_their_answers(task):
    rounds, said = task.rounds(), task.judgements()
    repeats = rounds[rounds["purpose"] == "repeat"]
    found = aa.annotator_report(said, LABELS, checks=task.checks(), repeats=repeats).set_index("annotator_id")
    columns = ["judgements", "seconds", "checks", "checks_failed", "repeats", "self_agreement"]
    assert found[columns].fillna(-1).to_dict("index") == {
        "ann": dict(zip(columns, (2, 2.0, 2, 0, 1, 0.0), strict=True)),
        "bob": dict(zip(columns, (2, 4.0, 2, 2, 1, 1.0), strict=True)),
        "cat": dict(zip(columns, (1, 3.0, 1, 0, 0, -1.0), strict=True)),
    }


def test_the_rate_of_a_task_is_that_of_its_images(tmp_path, monkeypatch):
    names = [f"i{n}" for n in range(8)]
    with new_task(tmp_path / "rate.db", names, ["ann"], overlap=2, checks={"rate": 0.5}, seed=3) as store:
        store.add_checks(pd.DataFrame({"image_id": names[6:], "accepted": [["awe"]] * 2, "forbidden": [[]] * 2}))
        minute, images, checks = 60_000, 0, 0
        while claims := store.claim("ann", 1):
            is_check = claims[0].purpose == "check"
            # an image each five minutes, and a check a minute after
            when = 10**12 + 5 * minute * images + minute * is_check
            monkeypatch.setattr(submits, "now_ms", lambda when=when: when)
            store.submit([aa.Answer(claims[0].image_id, "ann", "none")])
            images, checks = images + (not is_check), checks + is_check
        assert (images, checks) == (6, 2)
        assert (store.progress().rate, store.progress().seconds_left) == pytest.approx((12, 6 / 12 * 3600))


def test_the_images_of_a_study_that_dictate_an_answer_never_leave(exported):
    dataset, told = exported
    assert list(dataset.images["image_id"]) == ["a", "b", "c", "d"]
    there = dataset.judgements[["image_id", "annotator_id", "purpose"]].itertuples(index=False)
    of_photographs = (row.split(",") for row in PHOTOGRAPHS)
    assert sorted(map(tuple, there)) == sorted((row[0], row[1], row[-1]) for row in of_photographs)
    assert told["rows"] == len(PHOTOGRAPHS)
    assert any(note.startswith("left out: 3 answers to images that say what to choose") for note in told["notes"])
    assert any("from all 5 judgements in the data set" in note for note in told["notes"])


def test_explore_shows_no_check(exported):
    dataset, _ = exported
    beside = Judgements(dataset, None, say=print)
    shown = [who for index in range(len(dataset.images)) for who in beside.in_data_set(index)["annotator_id"]]
    assert sorted(shown) == ["ann", "ann", "bob", "bob", "cat"]


def test_a_second_export_adds_to_the_own_data_set_and_keeps_a_picture_of_a_check_apart(exported, task, tmp_path, run):
    dataset, _ = exported
    images = pd.concat([dataset.images, pd.DataFrame({"image_id": ["check-1", "practice-1"]})], ignore_index=True)
    images.to_parquet(dataset.root / "images.parquet")
    export = ("label", "export", "--db", tmp_path / "labels.db", "--to", dataset.root, "--target", "again", "--json")
    told = json.loads(run(*export))
    assert (told["new"], told["same"]) == (0, len(PHOTOGRAPHS))
    assert by_hand(pd.read_parquet(dataset.root / "targets-again.parquet")) == BY_HAND


def test_targets_and_what_is_learned_from_judgements_pass_over_checks(exported):
    dataset, _ = exported
    assert by_hand(pd.read_parquet(dataset.root / "targets-labels.parquet")) == BY_HAND
    pilot = read_pilot(dataset)
    assert (len(pilot.image), pilot.images, pilot.seconds) == (5, 3, 3.0)
    heard = read_said(dataset, dataset.target("labels"))
    assert (heard.n.max(axis=1).tolist(), len(heard.single.image)) == ([2, 2, 1], 5)


def test_no_file_has_a_check_or_a_repeat(task, tmp_path, run):
    for to in ("said.parquet", "out.csv", "out.jsonl", "out.json"):
        told = json.loads(run("label", "export", "--db", tmp_path / "labels.db", "--to", tmp_path / to, "--json"))
        there = aa.read_judgements(tmp_path / to)
        assert by_hand(aa.count_votes(there, LABELS).table()) == BY_HAND
        assert (len(there), told["rows"]) == (5, 5)
        passed_over = "passed over: 5 answers to attention checks and 2 repeats, which are no data"
        assert told["notes"][0].startswith(passed_over)


def test_the_leads_page_downloads_no_check(task):
    for kind in lead.SUFFIXES:
        content, said = lead.export_bytes(task.judgements(), kind, names=True)
        assert (b"check-1" in content, said[0][:30]) == (False, "passed over: 5 answers to attention"[:30])


def test_a_table_with_checks_is_imported_with_them_and_counts_without(tmp_path, made, said, run):
    told = run("import", "table", made / "said.csv", tmp_path / "own", "--images", "none", "--delimiter", "|",
               "--empty", "none")  # fmt: skip
    dataset = Dataset.open(tmp_path / "own")
    (entry,) = dataset.meta.targets.values()
    counted = pd.read_parquet(dataset.root / entry.file).reindex(columns=["image_id", "n", *LABELS], fill_value=0)
    assert by_hand(counted) == BY_HAND
    assert len(dataset.judgements) == len(said)
    assert "5 answers to attention checks and 2 repeats" in " ".join(told.split())


def test_a_target_that_counts_checks_is_told_with_the_way_out(tmp_path, run):
    shutil.copytree(GOLDEN / "export", tmp_path / "before")
    why = Dataset.open(tmp_path / "before").outdated("labels")
    assert "target labels counts answers that the data set has no longer, or attention checks; make it again" in why
    run(*shlex.split(why.split("`")[1])[1:])
    dataset = Dataset.open(tmp_path / "before")
    assert dataset.outdated("labels") is None
    assert "i001" not in dataset.target("labels").image_id


def test_an_image_that_somebody_labelled_before_it_was_a_check_is_none_of_theirs(tmp_path):
    with open_study(str(tmp_path / "study.db"), checks={"rate": 0.0}) as store:
        who = to_images(store, "p1")
        [seen] = label(store, who, 1)
        later = study_with(checks={"images": [{"image": seen, "labels": ["joy"]}]})
        running.open_study(store, later, by="lead")
        assert people(store)["checks_failed"].isna().all()
        assert store.database.reading(failed_checks, who) == 0
        assert seen in Collected.of(store).images["image_id"].tolist()


def test_who_answered_nothing_but_checks_is_in_the_report_of_them_and_without_purposes_every_check_is_one(said, task):
    checked = said[~((said["annotator_id"] == "cat") & (said["purpose"] == "task"))]
    found = aa.annotator_report(checked, LABELS, checks=task.checks()).set_index("annotator_id")
    assert found.loc["cat", ["judgements", "checks", "checks_failed"]].tolist() == [0, 1, 0]
    found = aa.annotator_report(said.drop(columns="purpose"), LABELS, checks=task.checks())
    assert found["checks"].tolist() == [2, 2, 2]
