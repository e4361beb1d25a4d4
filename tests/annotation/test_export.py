"""An export adds to a data set: nothing there is lost, doubled or written over without being asked."""

import errno
import json
import os
import re
import shlex
import shutil
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import affectml_annotation as aa
from affectml import import_table
from affectml.data import Dataset
from affectml_annotation.erasing import erase_people, still_named
from affectml_annotation.exchange.dataset_folder import Collected, make_target_again, write_dataset_folder, write_target

from .tasks import LABELS, at_once, by, new_task, refused

IMAGES = [f"i{n}.png" for n in range(20)]
EXPORT = ("label", "export", "--db")
PEOPLE = ("ann", "ben", "cem")
VOTES = {"rates": by("votes")}


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> Path:
    """A data set of 60 judgements of three people that came in as a table, and the table beside it."""
    folder = tmp_path_factory.mktemp("imported")
    rows = [f"{image},{who},{LABELS[(at + len(who)) % 3]}" for at, image in enumerate(IMAGES) for who in PEOPLE]
    (folder / "judge.csv").write_text("image,annotator,label\n" + "\n".join(rows) + "\n")
    import_table(folder / "judge.csv", folder / "dj", images="none")
    return folder


@pytest.fixture
def judged(imported, tmp_path) -> Path:
    shutil.copytree(imported, tmp_path, dirs_exist_ok=True)
    return tmp_path / "dj"


def task(place, who: str = "dea", **settings) -> aa.LabelStore:
    """A task on the data set's images, with one more person."""
    return new_task(place, IMAGES, [who], name="judge", overlap=5, **settings)


@pytest.fixture(scope="module")
def set_up(tmp_path_factory) -> Path:
    """The database of that task: to copy it is quicker than to set it up."""
    place = tmp_path_factory.mktemp("set_up") / "x.db"
    task(place).close()
    return place


@pytest.fixture
def store(judged, set_up):
    with aa.LabelStore(shutil.copy(set_up, judged.parent)) as opened:
        yield opened


@pytest.fixture
def answered(store):
    """The same, in which dea has said joy of the first image."""
    answer(store, "i0.png", "joy")
    return store


def answer(store: aa.LabelStore, image: str, *labels: str, who: str = "dea", base: int = 0, **more) -> str:
    given = aa.Answer(image, who, "labels" if labels else "none", labels, base_revision=base, **more)
    (receipt,) = store.submit([given])
    assert receipt.status == "accepted", receipt
    return given.event_id


def add_to(folder: Path, store: aa.LabelStore, targets: dict | None = None, **options):
    """Export to a data set."""
    return write_dataset_folder(folder, Collected.of(store), targets or {}, **options)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refuses(folder: Path, words: str, store: aa.LabelStore, targets: dict | None = None, **options):
    """An export to this data set is refused, with such words, and writes nothing."""
    before = content(folder)
    refused(aa.BadExport, words, add_to, folder, store, targets, **options)
    assert content(folder) == before


def test_an_export_of_no_answers_is_an_error_and_writes_nothing(run, judged):
    run("label", "init", judged, "--db", judged.parent / "x.db")
    before = content(judged)
    there = {*judged.parent.iterdir()}
    for to in (judged, judged.parent / "all.csv", judged.parent / "new"):
        error = run(*EXPORT, judged.parent / "x.db", "--to", to, "--target", "rates", fails=True)
        assert re.search("nothing was written: .*no (answers|judgements) yet", error)
    assert content(judged) == before
    assert {*judged.parent.iterdir()} == there


def test_judgements_that_were_there_stay_and_the_target_counts_all_of_them(run, judged, store):
    answer(store, "i0.png", "joy", "awe")
    answer(store, "i1.png")
    before = aa.read_judgements(judged)
    export = (*EXPORT, judged.parent / "x.db", "--to", judged)
    told = json.loads(run(*export, "--target", "collected", "--json"))
    assert (told["rows"], told["new"], told["same"], told["replaced"], told["kept"]) == (2, 2, 0, 0, [])
    after = aa.read_judgements(judged)
    assert len(after) == 62
    pd.testing.assert_frame_equal(after[before.columns].head(60), before)
    counted = Dataset.open(judged).target("collected")
    assert counted.n.tolist() == [4, 4] + [3] * 18
    assert "from all 62 judgements" in told["notes"][0]
    assert re.search("0 new, 2 there already, 0 in conflict(.|\n)*same content", run(*export, "--target", "collected"))


def test_the_same_judgements_under_other_event_ids_come_in_once(run, judged):
    db = judged.parent / "x.db"
    run("label", "init", judged, "--db", db)
    renamed = ("--map", "image=image_id", "--map", "annotator=annotator_id", "--map", "label=labels")
    run("label", "import", judged.parent / "judge.csv", *renamed, "--db", db, "--invite")
    before = content(judged)
    assert "0 new, 60 there already, 0 in conflict" in run(*EXPORT, db, "--to", judged, "--target", "rates")
    changed = {name for name, _ in content(judged).items() - before.items()}
    assert changed <= {"dataset.json", "annotators.parquet"}


def test_an_import_without_times_says_nothing_of_when_and_its_export_is_the_same_again(judged, tmp_path):
    """The time of the import is no time of an answer: two tasks with one file do not contradict each other."""
    rows = "\n".join(f"{image},eve,joy,{at}" for at, image in enumerate(IMAGES))
    (tmp_path / "eve.csv").write_text(f"image_id,annotator_id,labels,event_id\n{rows}\n")
    for name, counts in (("one", (20, 0)), ("two", (0, 20))):
        with task(tmp_path / f"{name}.db") as store:
            store.import_file(tmp_path / "eve.csv", invite=True)
            assert (store.judgements()["at"].count(), store.events()["at"].count()) == (0, 20)
            done = add_to(judged, store)
            assert (done.new, done.same) == counts
    dated = aa.read_judgements(judged).assign(at=pd.Timestamp("2026-01-05T09:00Z"))
    dated.to_parquet(judged / "annotations.parquet")
    with aa.LabelStore(tmp_path / "two.db") as store:
        assert add_to(judged, store).same == 20


def test_a_target_of_other_content_is_replaced_only_when_asked_and_the_old_one_is_kept(run, judged, answered):
    old = content(judged)
    export = (*EXPORT, judged.parent / "x.db", "--to", judged, "--target", "rates")
    words = r"target rates has other content \(20 images, 3.0 answers each now\).*--replace"
    assert re.search(words, run(*export, fails=True))
    assert content(judged) == old
    told = json.loads(run(*export, "--replace", "--json"))
    names = [re.sub(r"\d{8}T\d{6}Z", "WHEN", name) for name in told["kept"]]
    assert names == ["dataset.replaced-WHEN.json", "targets-rates.replaced-WHEN.parquet"]
    assert Dataset.open(judged).target("rates").n[0] == 4
    again = add_to(judged, answered, {"rates": by("posterior")}, replace=True).kept
    assert len({*told["kept"], *again}) == 4  # what is kept is never written over
    kept = [(judged / name).read_bytes() for name in told["kept"]]
    assert kept == [old["dataset.json"], old["targets-rates.parquet"]]


def test_a_corrected_answer_is_a_conflict_that_is_named_and_replaced_when_asked(run, judged, store):
    first = answer(store, "i0.png", "joy")
    add_to(judged, store)
    second = answer(store, "i0.png", "fear", base=1)
    answer(store, "i2.png", "fear")
    before = content(judged)
    said = f"event_id {first} there, {second} here; labels joy there, fear here; at 20"
    refuses(judged, f"written: judgement in conflict: image 'i0.png', 'dea', round 1: {said}", store)
    export = (*EXPORT, judged.parent / "x.db", "--to", judged, "--target", "new")
    assert "1 new, 0 there already, 1 in conflict, written over" in run(*export, "--replace")
    after = aa.read_judgements(judged)
    assert (len(after), after["event_id"][60]) == (62, second)
    (kept,) = judged.glob("annotations.replaced-*.parquet")
    assert kept.read_bytes() == before["annotations.parquet"]


def test_one_event_id_with_other_content_is_a_conflict(judged, store):
    event = answer(store, "i0.png", "joy", seconds=2.0, language="de")
    add_to(judged, store)
    table = pq.read_table(judged / "annotations.parquet").to_pandas()
    assert table["event_id"].iloc[-1] == event
    later = pd.Timestamp("2031-01-05T09:00Z")
    for name, value in {"labels": ["awe"], "seconds": 9.0, "language": "fr", "at": later, "valence": 0.5}.items():
        others = [*table.get(name, [None] * len(table))][:-1]
        table.assign(**{name: [*others, value]}).to_parquet(judged / "annotations.parquet")
        if name == "valence":  # the database says nothing of it, so it says nothing else
            assert add_to(judged, store).same == 1
        else:
            told = r"2031-01-05 09:00:00\+00:00" if name == "at" else ".*"
            refuses(judged, f"conflict: image 'i0.png', 'dea', round 1: {name} {told} there", store)


def test_an_event_id_of_two_different_judgements_is_refused_even_with_replace(judged, store):
    event = Dataset.open(judged).judgements["event_id"].iloc[0]
    answer(store, "i5.png", "joy", event_id=event)
    refuses(judged, "two judgements cannot have one id", store, replace=True)


def test_languages_of_answers_are_not_put_into_a_column_language_of_the_user_s_own(judged, answered):
    path = judged / "annotations.parquet"
    table = pq.read_table(path).append_column("language", pa.array(["formal"] * 60))
    pq.write_table(table, path)
    with pytest.warns(UserWarning, match="row 0: language 'formal' names no language"):
        add_to(judged, answered)
    assert pq.read_table(path)["language"].to_pylist() == ["formal"] * 60 + [None]
    answer(answered, "i1.png", "joy", language="de")
    with pytest.warns(UserWarning, match="names no language"):
        refuses(judged, "its column language is one of your own.*give yours another name", answered)


def test_columns_of_the_user_stay_as_they_are(judged, answered):
    path = judged / "annotations.parquet"
    table = pq.read_table(path)
    own = pa.array(range(60), pa.int16())
    pq.write_table(table.append_column("age", own), path)
    add_to(judged, answered)
    after = pq.read_table(path)
    assert (after["age"].to_pylist(), after.schema.field("age").type) == ([*range(60), None], pa.int16())
    first, columns = after.slice(0, 60), ["event_id", "image_id", "labels"]
    assert first.select(columns).to_pylist() == table.select(columns).to_pylist()


def test_attributes_of_people_are_added_and_never_changed_unasked(judged, store):
    store.invite(["eve"], {"eve": {"age": 34, "city": "Graz"}})
    answer(store, "i0.png", "joy", who="eve")
    pq.write_table(pa.table({"annotator_id": ["ann", "eve"], "age": [20, 33]}), judged / "annotators.parquet")
    refuses(judged, "annotator in conflict: 'eve': age is 33 there, 34 here", store)
    done = add_to(judged, store, replace=True)
    assert [name.split(".")[0] for name in done.kept] == ["annotators"]
    ann, eve = pq.read_table(judged / "annotators.parquet").to_pylist()
    assert (ann, eve["age"], eve["city"]) == ({"annotator_id": "ann", "age": 20, "city": None}, 34, "Graz")


def test_other_labels_never_mix_with_what_is_there(judged):
    with task("sqlite://", labels=("awe", "fear"), question="q") as store:
        answer(store, "i0.png", "awe")
        refuses(judged, r"labels that the task has not \(joy\); export to a new folder", store, replace=True)


def test_the_names_of_targets_stay_inside_the_folder_and_fit_a_file_s(judged, answered):
    for name in ("../rates", "", ".hidden", "a/b", "x" * 101):
        refuses(judged, "is no name of a target", answered, {name: VOTES["rates"]})


def test_only_unsure_answers_make_no_target(judged, tmp_path):
    with task("sqlite://") as store:
        store.submit([aa.Answer("i0.png", "dea", "unsure")])
        refused(aa.BadExport, "target rates would have no image", add_to, tmp_path / "new", store, VOTES)
    assert not (tmp_path / "new").exists()


def test_who_withdrew_leaves_a_data_set_when_named_and_from_the_kept_files_too(run, judged, answered):
    answered.invite(["eve"])
    answer(answered, "i0.png", "fear", who="eve")
    add_to(judged, answered, VOTES, replace=True)
    answer(answered, "i0.png", "awe", base=1)
    add_to(judged, answered, VOTES, replace=True)
    answered.withdraw("eve")
    before = content(judged)
    way_out = r"holds 1 .* of people who withdrew since \(eve\).*--to NEW --images .*label remove erase"
    refuses(judged, way_out, answered, VOTES, replace=True)
    said = run("label", "remove", "erase", judged, "evee", "dea", fails=True)
    assert "nobody called 'evee'" in said
    assert "eve'" not in said.replace("'evee'", "")  # nobody else is offered to be erased
    assert content(judged) == before
    (audit := judged.parent / f"{judged.name}-audit").mkdir()
    (audit / "audit.csv").write_text("rank,annotator_id\n1,eve\n")
    words = f"1 judgements of eve taken out(.|\n)*{audit.name} still names them"
    assert re.search(words, run("label", "remove", "erase", judged, "eve"))
    for path in judged.glob("annot*.parquet"):
        assert "eve" not in pq.read_table(path)["annotator_id"].to_pylist(), path
    assert len(aa.read_judgements(judged)) == 61
    add_to(judged, answered, VOTES, replace=True)
    assert Dataset.open(judged).target("rates").n[0] == 4


def test_erasing_names_every_target_that_counts_the_person_and_the_command_that_makes_it_again(run, judged):
    """The two that the import made count three people; `collected` counts one more about two images."""

    def erased(who):
        targets = json.loads(run("label", "remove", "erase", judged, who, "--json"))["targets"]
        assert "counts somebody who was erased" in run("export", judged, "--hub", judged.parent / "hub", fails=True)
        for name, command in targets.items():
            assert f"{name} counts somebody who was erased" in Dataset.open(judged).outdated(name)
            run(*shlex.split(command)[1:])
            assert Dataset.open(judged).outdated(name) is None
        return list(targets)

    with task(judged.parent / f"{judged.name}-labels.db") as store:
        answer(store, "i0.png", "joy")
        answer(store, "i1.png")
    run(*EXPORT, judged, "--target", "collected", "--method", "shares", "--rounds", "last")
    before = Dataset.open(judged).meta.targets["collected"]
    assert Dataset.open(judged).target("collected").n.tolist() == [4, 4] + [3] * 18
    assert erased("dea") == ["collected"]
    assert Dataset.open(judged).target("collected").n.tolist() == [3] * 20
    assert sorted(erased("ann")) == ["collected", "distribution", "rates"]
    opened = Dataset.open(judged)
    assert [set(opened.target(name).n) for name in opened.meta.targets] == [{2}] * 3
    assert opened.meta.targets["collected"] == before
    run("export", judged, "--hub", judged.parent / "hub")


def test_a_target_with_more_people_than_judgements_is_told_without_a_note_of_it_and_published_counts_are_not(judged):
    assert Dataset.open(judged).outdated("rates") is None
    erase_people(["ann"], folder=judged)  # as before anything was noted
    assert "rates counts answers that the data set has no longer" in Dataset.open(judged).outdated("rates")
    meta = json.loads((judged / "dataset.json").read_text())
    meta["targets"]["rates"]["made_by"] = "votes in a paper's table"
    (judged / "dataset.json").write_text(json.dumps(meta))
    assert Dataset.open(judged).outdated("rates") is None


def test_a_target_of_nobody_who_is_left_cannot_be_made_again_and_is_refused(run, judged):
    told = run("label", "remove", "erase", judged, *PEOPLE)
    assert "target rates still counts them, without names; nobody's answers are left" in told
    assert "nobody's answers are left" in run("export", judged, "--hub", judged.parent / "hub", fails=True)


def test_where_exports_were_written_is_known_and_listed_as_long_as_they_name_who_is_erased(run, judged):
    names = ["all.csv", "all.json", "all.jsonl", "all.parquet", "new"]
    (judged.parent / "judge.csv").unlink()  # the table that it came from, which names them as well
    with task(judged.parent / f"{judged.name}-labels.db", "d\u00e9a") as store:
        answer(store, "i0.png", "joy", who="d\u00e9a")
    export = (*EXPORT, judged)
    run(*export, "--target", "collected")
    for name in names:
        run(*export, "--to", judged.parent / name)
    assert "d\u00e9a" not in (judged.parent / f"{judged.name}-exports.jsonl").read_text(encoding="utf-8")
    assert json.loads(run("label", "remove", "erase", judged, "ann", "--json"))["named"] == []
    told = json.loads(run("label", "remove", "erase", judged, "d\u00e9a", "--json"))
    assert sorted(Path(place).name for place in told["named"]) == names
    run("label", "remove", "erase", judged.parent / "new", "d\u00e9a")
    assert sorted(place.name for place in still_named(judged, ["d\u00e9a"])) == names[:-1]


def test_a_task_elsewhere_remembers_its_data_set_and_notes_its_exports_there(run, judged, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "task.db"
    run("label", "init", judged, "--db", elsewhere, "--invite", "d\u00e9a", "--json")
    with aa.LabelStore(elsewhere) as store:
        assert store.dataset == judged.resolve()
        answer(store, str(store.images()["image_id"][0]), store.task.labels[0], who="d\u00e9a")
    run(*EXPORT, elsewhere, "--to", tmp_path / "names.csv")
    assert still_named(judged, ["d\u00e9a"]) == (tmp_path / "names.csv",)


def test_a_file_is_written_over_only_when_asked_and_the_old_one_is_kept(imported, tmp_path):
    table = aa.read_judgements(imported / "dj")
    files = [tmp_path / f"all.{kind}" for kind in ("csv", "parquet", "jsonl", "json")]
    writers = {file: partial(aa.write_judgements, table, file) for file in files}
    writers[tmp_path / "target.parquet"] = partial(write_target, tmp_path / "target.parquet", by("votes")(table))
    for file, write in writers.items():
        file.write_bytes(b"old")
        refused(aa.BadExport, "exists already; --replace", write)
        assert file.read_bytes() == b"old"
        write(replace=True)
        (kept,) = tmp_path.glob(f"{file.stem}.replaced-*{file.suffix}")
        assert kept.read_bytes() == b"old"
    assert [len(aa.read_judgements(file)) for file in files] == [60] * 4


def test_two_exports_at_once_lose_nothing(judged):
    """The second waits until the first is done, and adds to what that wrote."""

    def export(who: str) -> None:
        with task("sqlite://", who) as store:
            store.submit([aa.Answer(image, who, "labels", ("joy",)) for image in IMAGES])
            add_to(judged, store)

    at_once(export, [f"p{n}" for n in range(4)])
    assert len(aa.read_judgements(judged)) == 60 + 4 * len(IMAGES)


def test_an_export_says_what_it_does_with_image_files_and_what_the_data_set_holds(run, judged, answered):
    new = judged.parent / "new"
    export = (*EXPORT, judged.parent / "x.db", "--to", new)
    assert "name their folder (--images) when you make the data set" in run(*export)
    told = run(*export, "--images", judged)
    for words in ("the data set is there already, and its images stay", f"{new} holds the 1 judgements", "0 new, 1 "):
        assert words in told


def test_a_new_folder_from_a_data_set_has_its_split_and_its_warnings(judged, answered, tmp_path):
    own = pd.read_parquet(judged / "images.parquet").assign(split="test", content_warning="blood")
    own.to_parquet(judged / "images.parquet", index=False)
    add_to(tmp_path / "new", answered, images_root=judged)
    made = pd.read_parquet(tmp_path / "new" / "images.parquet")[["image_id", "split", "content_warning"]]
    assert made.to_numpy().tolist() == [[image, "test", "blood"] for image in answered.images()["image_id"]]


def test_who_is_erased_without_having_withdrawn_would_come_again_and_erase_says_so(run, judged, answered):
    add_to(judged, answered)
    assert "would add them again" in run("label", "remove", "erase", judged, "dea")
    assert add_to(judged, answered).new == 1
    run("label", "remove", "erase", judged, "dea")
    answer(answered, "i1.png", "joy", who="dea")
    answered.withdraw("dea")
    refused(aa.BadExport, "no answers yet", add_to, judged, answered)


def test_who_is_erased_leaves_the_label_database_too_and_is_in_no_next_export(run, judged, store):
    answer(store, "i0.png", "joy", note="the sea")
    add_to(judged, store)
    db = judged.parent / "x.db"
    assert f"1 answers taken out of {db}" in run("label", "remove", "erase", judged, "dea", "--db", db)
    assert len(store.events()) == 0
    with task(judged.parent / f"{judged.name}-labels.db", who="eve") as beside:
        answer(beside, "i0.png", "joy", who="eve")
        told = json.loads(run("label", "remove", "erase", judged, "eve", "--json"))  # whom no export has named yet
        assert (list(told["databases"].values()), told["judgements"], len(beside.events())) == ([1], 0, 0)
    assert "nobody called 'evee'" in run("label", "remove", "erase", judged, "evee", fails=True)


def test_what_dataset_json_should_not_say_is_refused_and_nothing_is_written(judged, answered):
    path = judged / "dataset.json"
    meta = json.loads(path.read_text())
    way_out = "but this affectml writes 2; use the version that wrote it, or a new folder"
    for version in (1, 3):
        path.write_text(json.dumps(meta | {"schema": version}))
        refuses(judged, f"schema {version}, {way_out}", answered, VOTES, replace=True)
    targets = [meta | {"targets": targets} for targets in ([], {"rates": None}, {"rates": {"kind": "rates"}})]
    for said in (*targets, meta | {"judgements": 5}, None):
        path.write_text(json.dumps(said))
        refuses(judged, "is not a data set's description", answered, VOTES, replace=True)


def test_a_damaged_file_of_a_data_set_is_named_in_one_line(judged, answered):
    whole = content(judged)
    for name in ("dataset.json", "annotations.parquet", "images.parquet"):
        (judged / name).write_bytes(damaged := whole[name][:-9])
        refuses(judged, f"{name}: nothing was written: not ", answered, VOTES, replace=True)
        if name.startswith("annot"):
            refused(aa.BadExport, f"{name}: nothing was written: not ", erase_people, ["ann"], folder=judged)
        assert content(judged) == whole | {name: damaged}
        (judged / name).write_bytes(whole[name])


def test_who_is_erased_leaves_the_file_that_a_link_leads_to(judged, tmp_path):
    elsewhere = tmp_path / "shared.parquet"
    (judged / "annotations.parquet").rename(elsewhere)
    (judged / "annotations.parquet").symlink_to(elsewhere)
    erase_people(["ann"], folder=judged)
    assert set(pq.read_table(elsewhere)["annotator_id"].to_pylist()) == {"ben", "cem"}
    assert len(aa.read_judgements(judged)) == 40
    erase_people(["ben", "cem"], folder=judged)
    assert not elsewhere.exists()
    assert Dataset.open(judged).judgements is None


def test_a_disk_that_is_full_leaves_no_folder_and_the_place_is_named(judged, answered, tmp_path, monkeypatch):

    def full(*_given, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    deep = tmp_path / "deep"
    files = [partial(aa.write_judgements, answered.judgements(), deep / name) for name in ("all.csv", "all.parquet")]
    for write in (partial(add_to, deep / "new", answered, VOTES), *files):
        with pytest.raises(OSError, match="No space") as raised:
            write()
        assert str(raised.value.filename).startswith(str(deep))
        assert ".tmp" not in Path(raised.value.filename).suffix
        assert not deep.exists()


class Full:
    """A disk that is full at its step of that number: one that makes a file durable, names it, or copies it.

    Just then another command has written into the folder.
    """

    OTHERS = ("notes.json", "mine.parquet")

    def __init__(self, monkeypatch, left, folder):
        self.left, self.folder = left, folder
        for owner, name in ((os, "fsync"), (os, "link"), (Path, "replace"), (shutil, "copy2")):
            monkeypatch.setattr(owner, name, self.counted(getattr(owner, name)))

    def counted(self, step):
        def once(*given, **more):
            self.left -= 1
            if self.left != 0:  # going back needs no room
                return step(*given, **more)
            for name in self.OTHERS:
                (self.folder / name).write_text("new")
            raise OSError(errno.ENOSPC, "No space left on device")

        return once


@pytest.mark.parametrize("deed", ["export", "erase", "aggregate"])
def test_a_disk_that_fills_up_within_a_write_leaves_the_data_set_as_it_was(judged, answered, monkeypatch, deed):
    add_to(judged, answered, VOTES, replace=True)
    answer(answered, "i1.png", "fear")
    targets = {**VOTES, "more": VOTES["rates"]}
    do = {
        "export": partial(write_dataset_folder, judged, Collected.of(answered), targets, replace=True),
        "erase": partial(erase_people, ["dea"], folder=judged),
        "aggregate": partial(make_target_again, judged, "rates", by("majority")),
    }[deed]
    before, failures = content(judged), 0
    (judged / "notes.json").write_text("old")
    shutil.copytree(judged, judged.with_name("template"))
    for step in range(1, 60):
        shutil.rmtree(judged)
        shutil.copytree(judged.with_name("template"), judged)
        failed = False
        with monkeypatch.context() as disk:
            full = Full(disk, step, judged)
            try:
                do()
            except OSError as error:
                failed = error.errno == errno.ENOSPC
        failures += failed
        after = content(judged)
        others = [after.pop(name, None) for name in Full.OTHERS]
        assert (after == before) == failed  # a second name that cannot be made is a copy
        if full.left > 0:
            break
        assert others == [b"new"] * 2
    assert failures > 4
    assert step < 59


def test_languages_of_answers_join_judgements_without_any_and_come_back_into_another_task(judged, store, tmp_path):
    answer(store, "i0.png", "joy", language="de")
    answer(store, "i1.png", "joy")
    add_to(judged, store)
    assert pq.read_table(judged / "annotations.parquet")["language"].to_pylist() == [None] * 60 + ["de", None]
    with task(tmp_path / "again.db") as again:
        again.import_file(judged, invite=True)
        for found in (again.judgements(), again.events()):
            assert found["language"].dropna().tolist() == ["de"]
        assert add_to(judged, again).same == 62


def test_a_damaged_note_of_exports_hides_nothing_of_what_is_left_of_it(run, judged):
    (judged.parent / "judge.csv").unlink()  # the table that it came from, which names them as well
    told = judged.parent / f"{judged.name}-exports.jsonl"
    (judged.parent / "all.csv").write_text("annotator_id\nann\n")
    lines = [b"\xff\xfe", b"{", b"[1]", b'{"wrote": "a\\u0000b"}', b'{"wrote": 5}', b'{"outdated": 5}']
    told.write_bytes(b"\n".join([*lines, b'{"wrote": "all.csv"}', b'{"wro']))
    done = json.loads(run("label", "remove", "erase", judged, "ann", "--json"))
    assert done["named"] == [str((judged.parent / "all.csv").resolve())]
    assert list(done["targets"]) == ["rates", "distribution"]
