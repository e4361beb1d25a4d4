"""dataset.json: each target says what it is about, and answers about different things never mix."""

import json
import shutil
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from affectml.data import Asked, Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.data.schema import read_meta
from affectml.demo_set import write_demo
from affectml.errors import BadDataset
from affectml.importers import import_folder
from affectml.page import WRITERS
from affectml.people.labelling import make_task
from affectml.training import TrainConfig, train_run
from affectml_annotation import Answer, BadExport, LabelStore, TaskSettings, aggregate
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder

from .answered import evaluated
from .edited import edit

LABELS = ("negative", "positive")
PLAIN = {"kind": "single", "taxonomy": "polarity-2", "values": "indicator", "file": "targets-single.parquet"}
QUESTION = "How does this make you feel?"
MAKE = {"people": partial(aggregate, labels=LABELS)}


def found(folder: Path, **content: object) -> Path:
    """A data set of one image, found by a search word; content: what dataset.json says instead."""
    entry = TargetMeta("single", "query", "polarity-2", "indicator", "targets-single.parquet")
    table = pd.DataFrame({"image_id": ["a"], "negative": [1], "positive": [0]})
    meta = DatasetMeta("found", {"single": entry})
    write_dataset(folder, meta, table[["image_id"]], {"single": table})
    (folder / "dataset.json").write_text(json.dumps(meta.to_json() | content))
    return folder


def answered(*people: str, construct: str = "evoked", question: str = QUESTION) -> Collected:
    with LabelStore("sqlite://") as store:
        store.init_task(TaskSettings(LABELS, question, construct, "task", "polarity-2"), ["a"])
        store.invite(list(people))
        store.submit([Answer("a", who, "labels", ("positive",)) for who in people])
        return Collected.of(store)


def test_what_is_written_is_read_back(tmp_path):
    entry = TargetMeta("rates", "expressed", "polarity-2", "votes", "t.parquet", "q", source="a paper", decisions="d")
    hard = {"hard": {"file": "hard.parquet"}}
    full = DatasetMeta("n", {"t": entry}, "s", "l", ["note"], Asked("evoked", "q"), selections=hard)
    for meta, constructs in ((full, ("expressed",)), (DatasetMeta("nothing yet"), ())):
        (tmp_path / "dataset.json").write_text(json.dumps(meta.to_json()))
        back = read_meta(tmp_path / "dataset.json")
        assert (back, back.constructs) == (meta, constructs)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 1}, "schema 1, but this affectml reads 2: .*or import the data set again"),
        ({"schema": 3}, "schema 3, but this affectml reads 2: use the version that wrote it"),
        ({"construct": "evoked"}, "construct: Unexpected keyword argument"),
        ({"targets": {"single": {**PLAIN, "construct": "felt"}}}, r"single\.construct: Input should be 'evoked'"),
        ({"targets": {"single": PLAIN}}, r"targets\.single\.construct: Field required"),
        ({"targets": [1]}, "targets: Input should be a valid dictionary"),
    ],
)
def test_what_no_schema_allows_is_refused(tmp_path, change, says):
    with pytest.raises(BadDataset, match=says):
        Dataset.open(found(tmp_path, **change))


def test_an_export_says_what_its_people_were_asked_and_leaves_the_others_as_they_are(tmp_path):
    folder = found(tmp_path)
    done = write_dataset_folder(folder, answered("ann", "ben"), MAKE)
    assert (done.new, done.kept) == (2, ())
    meta = Dataset.open(folder).meta
    assert (meta.targets["single"].construct, meta.targets["single"].question) == ("query", "")
    assert (meta.targets["people"].construct, meta.targets["people"].question) == ("evoked", QUESTION)
    assert meta.judgements == Asked("evoked", QUESTION)
    assert write_dataset_folder(folder, answered("ann", "ben"), {}).kept == ()


def test_answers_about_something_else_never_mix(tmp_path):
    folder = found(tmp_path)
    write_dataset_folder(folder, answered("ann"), MAKE)
    other = "judgements of what is evoked, the task asked for what is expressed"
    for asked, says in (({"construct": "expressed"}, other), ({"question": "And now?"}, "1 of its judgements answer")):
        with pytest.raises(BadExport, match=says):
            write_dataset_folder(folder, answered("ben", **asked), MAKE, replace=True)


def test_a_target_that_answers_another_question_is_not_taken_for_the_same(tmp_path):
    folder = found(tmp_path)
    write_dataset_folder(folder, answered("ann"), MAKE)
    (folder / "annotations.parquet").unlink()
    with pytest.raises(BadExport, match="target people has other content .* or answers another question"):
        write_dataset_folder(folder, answered("ann", question="And now?"), MAKE)


@pytest.fixture(scope="module")
def found_and_judged(tmp_path_factory) -> Dataset:
    """Demo paintings in folders named after a word, as a search gives them, then labelled by five people."""
    root = tmp_path_factory.mktemp("found")
    demo = write_demo(root / "demo", images=90, seed=6, taxonomy="polarity-2").target("emotions")
    for image, row in zip(demo.image_id, demo.shares(), strict=True):
        folder = root / "folders" / LABELS[row.argmax()]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "demo" / "images" / f"{image}.png", folder)
    dataset = Dataset.open(import_folder(root / "folders", root / "found").out)
    settings, images = make_task(dataset)
    with LabelStore("sqlite://") as store:
        store.init_task(settings, images)
        store.invite([f"p{n}" for n in range(5)])
        for at, image in enumerate(images["image_id"]):
            here = dataset.target("single").take([image]).shares()[0].argmax()
            label = settings.labels[here if at % 7 else 1 - here]
            store.submit([Answer(image, f"p{n}", "labels", (label,)) for n in range(5)])
        write_dataset_folder(dataset.root, Collected.of(store), MAKE)
    return Dataset.open(dataset.root)


def test_a_report_says_of_its_own_target_what_the_labels_are_about(found_and_judged, tmp_path):
    words, feelings = "The labels are the words or folders the images were found by", "what viewers report feeling"
    assert found_and_judged.meta.constructs == ("query", "evoked")
    for target, own, other in (("single", words, feelings), ("people", feelings, words)):
        options = {"multilabel": target == "people", "target": target, "encoder": "affect-tiny", "threads": 1}
        config = TrainConfig(str(found_and_judged.root), **options)
        run = train_run(config, out=tmp_path / target, writers=WRITERS)
        report = (run.folder / "report.html").read_text(encoding="utf-8")
        assert (own in report, other in report) == (True, False)
        assert run.info.data.construct == found_and_judged.meta.targets[target].construct


def test_evaluate_compares_constructs_of_targets(found_and_judged, tmp_path):
    config = TrainConfig(str(found_and_judged.root), target="single", encoder="affect-tiny", threads=1)
    train_run(config, out=tmp_path / "run")
    folder = shutil.copytree(found_and_judged.root, tmp_path / "other")
    edit(folder / "dataset.json", targets={"single": {"construct": "intended"}})
    said: list[str] = []
    evaluated(tmp_path / "run", folder, said.append)
    assert "across constructs: model learned from query labels and is judged by intended ones" in " ".join(said)
