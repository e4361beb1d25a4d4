"""`affectml label`: the loop from a data set to judgements, agreement, a target, and back into the queue."""

import errno
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from affectml.data import Dataset
from affectml.errors import BadDataset
from affectml.judging.answers import SystemAnswers, write_answers
from affectml.people.labelling import queued_words
from affectml.taxonomies import get_taxonomy
from affectml_annotation import Answer, LabelStore, write_judgements
from affectml_annotation.store.versions import all_versions
from affectml_apps.relabel.task import Options, open_task

from .tasks import LABELS, new_task, refused


@pytest.fixture(scope="module")
def demo(demo_set):
    """A small demo set; its simulated people's judgements stand in for people at work."""
    return demo_set(images=40, seed=3)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    return tmp_path_factory.mktemp("filled")


@pytest.fixture
def task(run, demo, filled, tmp_path):
    """A task on the demo set, with the simulated judgements in it: the first of its kind, or a copy."""
    people, db = filled / "people.parquet", filled / "labels.db"
    if not people.exists():
        run("label", "init", demo.root, "--db", db, *file(filled, "skips: 0", "seed: 1"), "--overlap", 5)
        write_judgements(demo.judgements, people)
        out = run("label", "import", people, "--db", db, "--invite")
        assert f"{len(demo.judgements)} judgements imported" in out
    shutil.copytree(filled, tmp_path, dirs_exist_ok=True)
    return tmp_path / "labels.db"


def test_the_loop(run, demo, task, tmp_path):
    status = json.loads(run("label", "status", "--db", task, "--json"))
    assert (status["answered"], status["wanted"], status["complete"], status["seconds_left"]) == (200, 200, 40, 0)
    told = json.loads(run("label", "agreement", task, "--json"))
    masi = told["sets"]["masi"]
    assert (0 < masi["low"] < masi["value"] < masi["high"] < 1, len(told["annotators"])) == (True, 12)
    export = ("label", "export", "--db", task, "--to", tmp_path / "new", "--images", demo.root)
    exported = json.loads(run(*export, "--json"))
    assert (exported["rows"], exported["format"]) == (len(demo.judgements), "dataset")
    made = pd.read_parquet(tmp_path / "new" / "targets-labels.parquet")
    pd.testing.assert_frame_equal(made, pd.read_parquet(demo.root / "targets-emotions.parquet"))
    assert Dataset.open(tmp_path / "new").meta.targets["labels"].taxonomy == "mikels-8"


def test_a_runs_uncertain_images_go_back_into_the_queue(run, demo, task, tmp_path):
    labels = list(demo.target("emotions").taxonomy.labels)
    images = demo.images["image_id"].tolist()
    rates = np.full((len(images), len(labels)), 0.01)
    rates[[7, 3]] = [[0.5], [0.3]]
    (tmp_path / "run").mkdir()
    ids, split = np.array(images), np.full(len(images), "test")
    similar = np.tile(np.linspace(0.3, 0.2, len(images))[:, None], len(labels))  # of texts: they say nothing of doubt
    said = [("model", ids, split, SystemAnswers(tuple(labels), ids, split, similar, rates))]
    write_answers(tmp_path / "run" / "answers.parquet", "demo", labels, said)
    run("label", "assign", "--db", task, "--queue", tmp_path / "run", "--top", 2, "--more", 1, "--invite", "new")
    with LabelStore(task) as store:
        assert [claim.image_id for claim in store.claim("new", 5)] == [images[7], images[3]]


BAD_OPTIONS = [
    ["--queue", "FOLDER/nowhere.txt"],
    ["--queue", "FOLDER/ids.txt"],
    ["--file", "FOLDER/rondom.yaml"],
    ["--invite", "new", "--queue", "FOLDER"],
]


def test_assign_changes_nothing_where_one_of_its_options_cannot_be(run, task, tmp_path):
    (tmp_path / "ids.txt").write_text("000001\nzzz\n")
    (tmp_path / "rondom.yaml").write_text("strategy: rondom")
    with LabelStore(task) as store:
        before = store.task, store.annotators()["annotator_id"].tolist(), store.progress().wanted
        for bad in BAD_OPTIONS:
            options = [each.replace("FOLDER", str(tmp_path)) for each in bad]
            run("label", "assign", "--db", task, "--overlap", 9, "--invite", "late", *options, fails=True)
        assert (store.task, store.annotators()["annotator_id"].tolist(), store.progress().wanted) == before


def test_judgements_under_other_labels_than_the_data_set_s_own_are_compared_all_the_same(run, demo, tmp_path):
    copy = shutil.copytree(demo.root, tmp_path / "set")
    before = json.loads(run("label", "agreement", copy, "--json"))
    meta = json.loads((copy / "dataset.json").read_text())
    (copy / "dataset.json").write_text(json.dumps({**meta, "taxonomy": "polarity-3"}))
    after = json.loads(run("label", "agreement", copy, "--json"))
    assert after["sets"] == {name: pytest.approx(alpha) for name, alpha in before["sets"].items()}


def test_what_a_model_is_least_sure_of_and_nobody_answered_comes_first(run, tmp_path):
    """The newcomer's round: label, predict all, of images that the task does not have too, label on."""
    db = tmp_path / "labels.db"
    with new_task(db, ["a", "b", "c", "d"], ["ann"], overlap=1) as store:
        (first,) = [claim.image_id for claim in store.claim("ann", 1)]
        store.submit([Answer(first, "ann", "labels", ("awe",))])
    others = [each for each in "abcd" if each != first]
    images = [first, "elsewhere", *others]
    table = pd.DataFrame({"image": images, **{label: [0.5, 0.5, 0.4, 0.3, 0.1] for label in LABELS}})
    table.to_csv(tmp_path / "answers.csv", index=False)
    queue = ["label", "assign", "--db", db, "--queue", tmp_path / "answers.csv", "--top", 2]
    run(*queue)
    with LabelStore(db) as store:
        assert [claim.image_id for claim in store.claim("ann", 2)] == others[:2]
    table[:1].to_csv(tmp_path / "answers.csv", index=False)
    assert "all its images have the answers that were asked for; ask more people with --more" in run(*queue, fails=True)
    run(*queue, "--more", 1)


NO_PREDICTIONS = [
    ("a.csv", "file,awe\nx,1\n", "no column image; expected the table that `affectml predict --out` writes"),
    ("a.csv", "image,awe\nzzz,1\n", "no column for label"),
    ("a.parquet", "no parquet", "a header and no rows"),
    ("a.jsonl", "{", "line 1: not JSON"),
]


def test_what_is_no_table_of_predictions_is_said(run, task, tmp_path):
    for name, content, why in NO_PREDICTIONS:
        (tmp_path / name).write_text(content)
        assert why in run("label", "assign", "--db", task, "--queue", tmp_path / name, fails=True)


def test_the_lead_takes_people_off_the_list(run, demo, task):
    """As on the page: an unused invitation goes, an entry with answers is closed and opens with the next invitation."""
    run("label", "assign", "--db", task, "--invite", "new")
    answered = demo.judgements["annotator_id"].iloc[0]
    error = run("label", "remove", "uninvite", "neww", answered, "--db", task, fails=True)
    assert "nobody invited annotator 'neww'; did you mean 'new'" in error
    told = json.loads(run("label", "remove", "uninvite", "new", answered, "--db", task, "--json"))
    assert (told["removed"], told["closed"]) == (["new"], [answered])
    with LabelStore(task) as store:
        assert (len(store.judgements()), store.closed()) == (len(demo.judgements), [answered])
        told = run("label", "remove", "uninvite", answered, "--db", task)
        assert f"{answered}: their entry is closed; their answers stay and count" in told
        run("label", "assign", "--db", task, "--invite", answered)
        assert store.closed() == []


def test_a_task_is_a_file_that_is_shown_changed_and_assigned(run, demo, tmp_path):
    db, shown = tmp_path / "own.db", tmp_path / "task.yaml"
    begun = ("backups: {days: 30}", "page: {instructions: Look twice.}", "seed: 4")
    run("label", "init", demo.root, "--db", db, *file(tmp_path, *begun), "--overlap", 2)
    with LabelStore(db) as store:
        first = store.task
        assert (first.backups.days, first.page.instructions, first.seed, first.overlap) == (30, "Look twice.", 4, 2)
        assert (first.name, first.labels, first.about) == ("demo", get_taxonomy("mikels-8").labels, "evoked")
    shown.write_text(run("label", "show", "--db", db))
    assert json.loads(run("label", "show", "--db", db, "--json"))["overlap"] == 2
    assert "new version" not in run("label", "assign", "--db", db, "--file", shown, beside=True).err
    shown.write_text(shown.read_text().replace("days: 30", "days: 0").replace("blur: false", "blur: true"))
    told = run("label", "assign", "--db", db, "--file", shown, "--overlap", 5, beside=True).err
    assert "the task's file has a new version: overlap, page.blur, backups.days" in told
    with LabelStore(db) as store:
        assert store.task == first.but(overlap=5, page={"blur": True}, backups={"days": 0})
    for lower in (("--overlap", 2), file(tmp_path, "overlap: 2")):
        error = run("label", "assign", "--db", db, *lower, fails=True)
        assert "images wait for 5 people each; to lower that, add --lower" in error
    for line, why in BAD_FILES.items():
        assert why in run("label", "assign", "--db", db, *file(tmp_path, line), fails=True)
    run("label", "assign", "--db", db, "--lower", *file(tmp_path, "overlap: 2", "page: {intensity: true}"))
    with LabelStore(db) as store:  # what the file leaves out stays
        assert store.task == first.but(page={"blur": True, "intensity": True}, backups={"days": 0})
        assert len(store.database.reading(all_versions)) == 3
    init = ("label", "init", demo.root, "--db", tmp_path / "s.db", *file(tmp_path, STUDY))
    assert BAD_FILES[STUDY] in run(*init, fails=True)


STUDY = "recruit: {panel: links}"
BAD_FILES = {
    "overlap: yes": "expected a valid integer, but this is True",
    "backups: {days: -1}": "more.yaml: backups.days: expected greater than or equal to 0, but this is -1",
    "backup: {days: 1}": "more.yaml: no key 'backup' here; did you mean 'backups'?",
    "skips: 99999999999": "less than or equal to 1000000, but this is",
    "checks: {rate: 1.5}": "more.yaml: checks.rate: expected less than 1, but this is 1.5",
    "overlap: [": "more.yaml: not valid YAML",
    "seed: 5": "seed: cannot change in a task that is set up",
    "labels: [awe]": "labels: cannot change in a task that is set up",
    "taxonomy: ekman-6": "taxonomy: ekman-6 has other labels than the task",
    "construct: expressed": "construct: cannot change in a task that is set up",
    "page: {chips: taxonomy}": "page.chips: cannot change in a task that is set up",
    "words: {aww: {name: cute}}": "words: no label 'aww'; did you mean 'awe'?",
    STUDY: "recruit.panel: a study begins by `affectml study run OUT`",
}


def test_a_task_with_invitations_is_for_those_people_unless_its_file_says_otherwise(run, demo, tmp_path):
    init = ("label", "init", demo.root, "--invite", "ann,ben", "--db")
    told = run(*init, tmp_path / "a.db")
    assert "only people who are invited may label" in told
    assert "warning: 2 people are invited, and each image waits for 3" in told
    assert told.endswith(f"next: affectml label --on {demo.root} --db {tmp_path / 'a.db'}\n")
    told = run(*init, tmp_path / "b.db", "--overlap", 2, *file(tmp_path, "invited_only: false"))
    assert "\nquestion: Wh" in told
    assert "warning" not in told
    for name, only in (("a.db", True), ("b.db", False)):
        with LabelStore(tmp_path / name) as store:
            assert store.task.invited_only is only


def file(folder, *lines):
    """The option that names a task's file with these lines."""
    (folder / "more.yaml").write_text("\n".join(lines))
    return "--file", folder / "more.yaml"


def test_only_lower_takes_planned_people_off_an_image(run, demo, tmp_path):
    db = tmp_path / "planned.db"
    before = json.loads(run("label", "init", demo.root, "--db", db, "--taxonomy", "ekman-6", "--json"))
    assert (before["rate"], before["seconds_left"], before["wanted"]) == (None, None, 120)
    assert "unknown until people answer" in run("label", "status", "--db", db)
    (tmp_path / "ids.txt").write_text("000000\n000000\n\n000001\n")  # each is queued once
    queue = ("label", "assign", "--db", db, "--queue", tmp_path / "ids.txt")
    for more, wanted in ((["1"], 120), (["4"], 120 + 2), (["1", "--lower"], 120 - 4)):
        assert json.loads(run(*queue, "--json", "--more", *more))["wanted"] == wanted
    (tmp_path / "ids.txt").write_text("zzz\n")
    assert "no image 'zzz'" in run(*queue, fails=True)
    stays = "they waited for as many or more already, which stays"
    assert queued_words(2, 0, 1) == f"2 images, for at least 1 more person each: {stays}"
    assert queued_words(1, 1, 4) == "1 image, for 4 more people each"


def test_the_lead_withdraws_who_asked_for_it(run, demo, task):
    who = demo.judgements["annotator_id"].iloc[0]
    withdraw = ("label", "remove", "withdraw", "--db", task, who)
    assert "nobody invited annotator 'nobody'" in run(*withdraw, "nobody", fails=True)
    with LabelStore(task) as store:
        assert f"{who}: withdrawn" in run(*withdraw)
        assert {*store.judgements()["annotator_id"]} == {*demo.judgements["annotator_id"]} - {who}
        assert "has withdrawn" in run(*withdraw, fails=True)
        assert f"{who}: back in" in run(*withdraw, "--undo")
        assert len(store.judgements()) == len(demo.judgements)
    assert "has not withdrawn" in run(*withdraw, "--undo", fails=True)


def test_an_export_without_a_place_goes_to_the_data_set_that_is_labelled(run, demo, tmp_path, monkeypatch):
    copy = shutil.copytree(demo.root, tmp_path / "set")
    run("label", "init", copy)
    with LabelStore(str(tmp_path / "set-labels.db")) as store:
        store.invite(["ann"])
        claim = store.claim("ann", 1)[0]
        store.submit([Answer(claim.image_id, "ann", "labels", ("awe",))])
    monkeypatch.chdir(tmp_path)
    assert run("label", "export", "--target", "mine").startswith("set holds the 1 judgements of ")
    assert "mine" in Dataset.open(copy).meta.targets
    run("label", "init", copy, "--db", tmp_path / "other.db")
    assert "other.db lies beside no data set" in run("label", "export", "--db", tmp_path / "other.db", fails=True)


def test_tables_for_people(run, demo, task, tmp_path):
    assert "200 of 200 (100.0%)" in run("label", "status", "--db", task)
    assert "made_by" in run("label", "aggregate", demo.root)
    weighted = json.loads(run("label", "aggregate", task, "--method", "weighted", "--out", tmp_path / "t", "--json"))
    table = pd.read_parquet(tmp_path / "t")
    assert (len(table), len(weighted["annotators"]), [*table][:2]) == (weighted["images"], 12, ["image_id", "n"])
    told = run("label", "agreement", demo.root, "--by", "simulated")
    for words in ("sets, masi", "contentment", "Whether rates differ by simulated cannot be tested."):
        assert words in told
    error = run("label", "agreement", demo.root, "--by", "simulatd", fails=True)
    assert "knows that of nobody; did you mean 'simulated'? (known of people: simulated; of answers: language" in error


def test_checks_are_added_and_reported(run, demo, tmp_path):
    db = tmp_path / "c.db"
    run("label", "init", demo.root, "--db", db, *file(tmp_path, "checks: {rate: 0.5}"), "--invite", "u,v")
    (tmp_path / "checks.csv").write_text("image_id,accepted,forbidden\n000000,awe,fear|anger\n")
    run("label", "attention", "--db", db, "--add", tmp_path / "checks.csv")
    with LabelStore(db) as store:
        while (claim := store.claim("u", 1)[0]).purpose != "check":
            store.submit([Answer(claim.image_id, "u", "none")])
        store.submit([Answer("000000", "u", "labels", ("fear",))])
    told = json.loads(run("label", "attention", "--db", db, "--json"))
    assert (told["checks"], told["annotators"][0]["checks_failed"]) == (1, 1)
    (tmp_path / "checks.csv").write_text("image_id,accepted,forbidden\n000000,awesome,\n")
    assert "no label 'awesome'" in run("label", "attention", "--db", db, "--add", tmp_path / "checks.csv", fails=True)


def test_images_that_too_many_people_skipped_are_listed_for_the_lead(run, demo, tmp_path):
    db = tmp_path / "skipped.db"
    run("label", "init", demo.root, "--db", db, *file(tmp_path, "skips: 1", "overlap: 1"), "--invite", "ann,ben")
    with LabelStore(db) as store:
        for who in ("ann", "ben"):
            store.submit([Answer(claim.image_id, who, "skip") for claim in store.claim(who, 999)])
        images = sorted(store.images()["image_id"])
    assert json.loads(run("label", "status", "--db", db, "--json"))["skipped"] == images
    told = run("label", "status", "--db", db)
    assert "too many skipped these, so that fewer than wanted answer them (`affectml label assign --queue" in told
    assert f" --more 1` asks one more person each): {images[0]}, {images[1]}, " in told


def test_images_without_a_file_are_left_out_and_said(run, demo, tmp_path):
    """Nobody can label what the page cannot show; where no image has a file, judgements can still be imported."""
    root = shutil.copytree(demo.root, tmp_path / "set")
    images = pd.read_parquet(root / "images.parquet")
    images["url"] = "https://example.org/" + images["image_id"]
    images.loc[[0, 5], "file"] = None
    images.to_parquet(root / "images.parquet")
    printed = run("label", "init", root, "--json", beside=True)
    assert json.loads(printed.out)["images"] == 38
    assert "2 images without a file on this machine are left out" in printed.err
    with LabelStore(tmp_path / "set-labels.db") as store:
        assert not {"000000", "000005"} & set(store.images()["image_id"])
    images.drop(columns="file").to_parquet(root / "images.parquet")
    assert json.loads(run("label", "init", root, "--db", tmp_path / "other.db", "--json"))["images"] == 40
    options = Options(dataset=root, db=str(tmp_path / "other.db"))
    refused(BadDataset, "no image has a file on this machine", open_task, options)


REFUSED = [
    (["status", "--db", "FOLDER/nowhere.db"], "no such database"),
    (["status", "--db", "FOLDER/people.txt"], "cannot be read (file is not a database)"),
    (["init", "DEMO", "--db", "TASK"], "labels.db holds a task already"),
    (["--on", "FOLDER/nowhere"], "nowhere: no such folder"),
    (["init", "DEMO", "--db", "FOLDER/people.txt"], "cannot be read (file is not a database)"),
    (["status", "--db", "postgresql://nobody@127.0.0.1:1/x"], "the database cannot be read"),
    (["init", "DEMO", "--db", "FOLDER/people.csv/x.db"], "people.csv: File exists; name another place"),
    (["import", "FOLDER/people.parquet", "--db", "TASK"], "imported already"),
    (["import", "FOLDER/bad.csv", "--db", "TASK"], "5 problems, nothing was imported: line 2 and 2 more: 'strang"),
    (["import", "FOLDER/people.csv", "--db", "TASK", "--map", "foo"], "expected a pair"),
    (["attention", "--db", "TASK", "--add", "FOLDER/nowhere.csv"], "nowhere.csv: no such file"),
    (["export", "--db", "TASK", "--to", "FOLDER/people.csv/new"], "people.csv/new: Not a directory; name another"),
    (["export", "--db", "TASK", "--to", "FOLDER/x.txt"], "x.txt: nothing was written: cannot tell the format; end"),
    (["agreement", "TASK", "--rounds", "frist"], "rounds: expected first, last, all or a round's number"),
    (["aggregate", "TASK", "--rounds", "7"], "no answers to aggregate (rounds: 7)"),
    (["aggregate", "TASK", "--method", "vote"], "expected one of votes"),
    (["agreement", "FOLDER/x.csv"], "no such file"),
]


def test_what_cannot_be_ends_with_one_line_and_leaves_nothing(run, demo, task, tmp_path):
    (tmp_path / "people.txt").write_text("image_id,annotator_id,labels\n" * 3)
    (tmp_path / "people.csv").write_text("image_id,annotator_id,labels\n000000,u,awe\n")
    bad = demo.judgements.head(3).assign(annotator_id="stranger", event_id=["x", "y", "z"])
    write_judgements(bad, tmp_path / "bad.csv")
    before = sorted(tmp_path.iterdir())
    places = {"FOLDER": str(tmp_path), "DEMO": str(demo.root), "TASK": str(task)}
    for arguments, words in REFUSED:
        for name, path in places.items():
            arguments = [each.replace(name, path) for each in arguments]
        error = run("label", *arguments, fails=True)
        assert words in error.replace("\n", " ")
        assert error.count("\n") == 1 or error.startswith("Usage: ")
        assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_nobody_may_write_into_ends_with_one_line(run, task, tmp_path, monkeypatch):
    def refuse(*_arguments, **_options):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "all.csv"))

    monkeypatch.setattr("affectml_annotation.exchange.files.replacing", refuse)
    error = run("label", "export", "--db", task, "--to", tmp_path / "all.csv", fails=True)
    assert error.endswith("all.csv: Permission denied; write elsewhere, or allow it there\n")
    assert error.count("\n") == 1


def test_status_says_how_many_answered_in_which_of_two_languages_and_nothing_of_the_pace(run, demo, tmp_path):
    """An import comes within a millisecond: 200 answers were 'a rate of 700,000,000 an hour' and no time left."""
    db = tmp_path / "spoken.db"
    run("label", "init", demo.root, "--db", db, "--overlap", 9)
    said = demo.judgements
    people = said["annotator_id"].value_counts()
    first, second = people.index[:2]
    for name, languages in (("one", {first: "de"}), ("two", {second: "ar"})):
        mine = said[said["annotator_id"].isin(languages)]
        write_judgements(mine.assign(language=mine["annotator_id"].map(languages)), tmp_path / f"{name}.csv")
        run("label", "import", tmp_path / f"{name}.csv", "--db", db, "--invite")
        printed = run("label", "status", "--db", db)
        assert "languages" in printed
        both = f"answers by language: de {people[first]} (people: 1), ar {people[second]} (people: 1)"
        assert (both in printed) == (name == "two")
    told = json.loads(run("label", "status", "--db", db, "--json"))
    answered = {person["annotator_id"]: person["answered_in"] for person in told["people"]}
    assert answered == {first: {"de": people[first]}, second: {"ar": people[second]}}
    kinds = said["kind"][said["annotator_id"].isin([first, second])]
    assert (told["answered"], told["rate"], told["seconds_left"]) == (kinds.ne("skip").sum(), None, None)


def test_languages_are_compared_and_pooling_them_is_said(run, demo, tmp_path):
    db, table = tmp_path / "spoken.db", tmp_path / "people.csv"
    run("label", "init", demo.root, "--db", db, "--overlap", 5)
    odd = demo.judgements["annotator_id"].str[-1].isin(list("13579"))
    write_judgements(demo.judgements.assign(language=np.where(odd, "de", "en")), table)
    run("label", "import", table, "--db", db, "--invite")
    assert "Rates by" not in run("label", "agreement", db)
    printed = run("label", "agreement", db, "--by", "language")
    assert "No label's rate is found to differ by language beyond people (least p = ." in printed
    assert "Rates by language, the largest differences first" in printed
    told = json.loads(run("label", "agreement", db, "--by", "language", "--json"))
    assert [(row["group"], row["other"]) for row in told["groups"]] == [("de", "de"), ("de", "en"), ("en", "en")]
    assert {row["against"] for row in told["differences"]} == {"en"}
    answers = {row["group"]: row["answers"] for row in told["shares"]}
    pooled = f"Answers in 2 languages (de {answers['de']}, en {answers['en']}) are pooled: this takes"
    exported = run("label", "export", "--db", db, "--to", tmp_path / "set", "--images", demo.root)
    assert f"{pooled} the labels' words to mean the same in each; `affectml label agreement {tmp_path}" in exported
    assert pooled not in run("label", "export", "--db", db, "--to", tmp_path / "all.csv")
    for command in ("agreement", "aggregate"):
        assert run("label", command, table, beside=True).err.startswith(pooled)
