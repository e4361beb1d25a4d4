"""The data set folder and dataset.json: what is read back, what is refused, and answers that never mix."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectml._files import new_folder, replacing, write_json
from affectml.data import Asked, Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.data.schema import read_meta
from affectml.errors import BadDataset, BadInput, UnknownLabel
from affectml_annotation import Answer, BadExport, LabelStore, Task, aggregate
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder

from .checks import GOLDEN, edit, evaluated, files_of, one_target, refused


def write(folder: Path, content: dict[str, list[object]], kind: str, values: str, **more: object) -> Dataset:
    ids = [f"i{k}" for k in range(len(next(iter(content.values()))))]
    return one_target(folder, {"image_id": ids, **content}, kind=kind, values=values, **more)


@pytest.fixture
def data(tmp_path) -> Dataset:
    """One image with a set of labels."""
    (tmp_path / "set").mkdir()
    return write(tmp_path / "set", {"negative": [1], "positive": [0]}, "sets", "indicator")


def test_votes_become_rates_and_stay_integers(tmp_path):
    data = write(tmp_path, {"n": [4, 2], "negative": [1, 0], "positive": [4, 0]}, "rates", "votes")
    targets = data.target("t")
    assert (targets.votes.tolist(), targets.shares().tolist()) == ([[1, 4], [0, 0]], [[0.25, 1.0], [0.0, 0.0]])
    assert targets.people.tolist() == [[4, 4], [2, 2]]


def test_n_may_differ_by_label(tmp_path):
    content = {"n:negative": [4, 2], "n:positive": [8, 1], "negative": [1, 0], "positive": [4, 1]}
    targets = write(tmp_path, content, "rates", "votes").target("t")
    assert targets.shares().tolist() == [[0.25, 0.5], [0.0, 1.0]]


def test_rounded_shares_are_made_to_sum_to_one_exactly(tmp_path):
    content = {"negative": [0.3333, 0.5], "positive": [0.6666, 0.5]}
    targets = write(tmp_path, content, "distribution", "shares", vote_rule="unknown").target("t")
    assert np.abs(targets.shares().sum(axis=1) - 1).max() < 1e-15


UNKNOWN = r"targets-t.parquet.*'positiv'.*did you mean 'positive'"
BAD_TABLES = [
    ("distribution", "shares", {"vote_rule": "unknown"}, {"negative": [0.5, 0.5], "positive": [0.5, 0.7]}, "'i1'"),
    ("rates", "shares", {}, {"negative": [0.5, float("nan")], "positive": [0.5, 0.7]}, "'i1'"),
    ("rates", "shares", {}, {"negative": [1.5, 0.1], "positive": [0.5, 0.7]}, "'i0'.*above 1"),
    ("rates", "votes", {}, {"n": [3, 3], "negative": [4, 0], "positive": [0, 0]}, "'i0'.*more votes"),
    ("rates", "votes", {}, {"negative": [4, 0], "positive": [0, 0]}, "column n"),
    ("rates", "votes", {}, {"n": [3, 0], "negative": [1, 0], "positive": [0, 0]}, "'i1'.*n = 0"),
    ("single", "indicator", {}, {"negative": [1, 1], "positive": [0, 1]}, "'i1'.*one label"),
    ("sets", "indicator", {}, {"negative": [1, 0.5], "positive": [0, 1]}, "'i1'.*0 or 1"),
    ("rates", "shares", {}, {"negative": [0.5, 0.1]}, "'positive'"),
    ("sets", "indicator", {}, {"negative": [1], "positive": [0], "positiv": [1]}, UNKNOWN),
]


@pytest.mark.parametrize(("kind", "values", "more", "content", "says"), BAD_TABLES)
def test_a_bad_table_is_refused_with_the_row_named(tmp_path, kind, values, more, content, says):
    refused(UnknownLabel if says == UNKNOWN else BadDataset, says, write, tmp_path, content, kind, values, **more)


def test_a_file_and_a_run_are_no_data_sets(tmp_path):
    (tmp_path / "labels.csv").write_text("x")
    refused(BadDataset, r"is a file.*affectml import table", Dataset.open, tmp_path / "labels.csv")
    refused(BadDataset, r"sigmoid is a run, where a data set is wanted", Dataset.open, GOLDEN / "runs" / "sigmoid")


NO_TEXT = "'i0': content_warning .* is no text"
BAD_CELLS = [
    ("split", "dev", "'i0'.*'dev'"), ("content_warning", True, NO_TEXT), ("content_warning", "Blood\0", NO_TEXT),
]  # fmt: skip


@pytest.mark.parametrize(("column", "cell", "says"), BAD_CELLS)
def test_a_cell_that_no_column_of_its_name_holds_is_refused(data, column, cell, says):
    data.images.assign(**{column: cell}).to_parquet(data.root / "images.parquet")
    refused(BadDataset, says, getattr, Dataset.open(data.root), "images")


@pytest.mark.parametrize("file", ["../secret.png", "/etc/passwd", "a/../../b.png", "C:/x.png", "link.png"])
def test_no_path_or_link_leaves_the_data_sets_folder(tmp_path, data, file):
    (tmp_path / "secret.png").write_bytes(b"x")
    (data.root / "link.png").symlink_to(tmp_path / "secret.png")
    refused(BadDataset, "leaves", data.image_path, file)


def test_a_write_that_fails_leaves_the_old_file_and_no_half_of_a_folder(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    before = files_of(tmp_path)
    for begin, place in ((replacing, "a.json"), (new_folder, "out")):
        with pytest.raises(RuntimeError), begin(tmp_path / place) as temporary:
            (temporary / "half" if begin is new_folder else temporary).write_text("half")
            raise RuntimeError
    assert files_of(tmp_path) == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_what_a_killed_command_left_of_a_file_is_taken_away_and_nothing_that_somebody_writes(tmp_path):
    path = tmp_path / "a[1].json"
    (tmp_path / ".a[1].json.0123abcd.tmp").write_text("half")
    (tmp_path / ".a[1].json.4567abcd.tmp").mkdir()
    (tmp_path / ".b.json.0123abcd.tmp").write_text("half of another")
    with replacing(path) as slow:
        slow.write_text("1")
        write_json(path, 2)
        assert slow.read_text() == "1"
    assert path.read_text() == "1"
    assert sorted(each.name for each in tmp_path.iterdir()) == [".b.json.0123abcd.tmp", "a[1].json"]


def test_a_data_set_is_never_written_over(data):
    says = "is a data set already; nothing was written"
    refused(BadInput, says, write, data.root, {"negative": [0], "positive": [1]}, "sets", "indicator")
    assert Dataset.open(data.root).target("t").table.tolist() == [[1, 0]]


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


def answered(*people: str, question: str = QUESTION) -> Collected:
    with LabelStore("sqlite://") as store:
        task = Task(labels=LABELS, name="task", question=question, construct="evoked", taxonomy="polarity-2")
        store.init_task(task, ["a"])
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


NO_SCHEMA = [
    ({"schema": 1}, "schema 1, but this affectml reads 2: .*or import the data set again"),
    ({"schema": 3}, "schema 3, but this affectml reads 2: use the version that wrote it"),
    ({"construct": "evoked"}, "construct: Unexpected keyword argument"),
    ({"targets": {"single": {**PLAIN, "construct": "felt"}}}, r"single\.construct: Input should be 'evoked'"),
    ({"targets": {"single": PLAIN}}, r"targets\.single\.construct: Field required"),
    ({"targets": [1]}, "targets: Input should be a valid dictionary"),
]


@pytest.mark.parametrize(("change", "says"), NO_SCHEMA)
def test_what_no_schema_allows_is_refused(tmp_path, change, says):
    refused(BadDataset, says, Dataset.open, found(tmp_path, **change))


def test_an_export_says_what_its_people_were_asked_and_leaves_the_others_as_they_are(tmp_path):
    folder = found(tmp_path)
    done = write_dataset_folder(folder, answered("ann", "ben"), MAKE)
    assert (done.new, done.kept) == (2, ())
    meta = Dataset.open(folder).meta
    assert (meta.targets["single"].construct, meta.targets["single"].question) == ("query", "")
    assert (meta.targets["people"].construct, meta.targets["people"].question) == ("evoked", QUESTION)
    assert meta.judgements == Asked("evoked", QUESTION)
    assert write_dataset_folder(folder, answered("ann", "ben"), {}).kept == ()
    (folder / "annotations.parquet").unlink()
    says = "target people has other content .* or answers another question"
    refused(BadExport, says, write_dataset_folder, folder, answered("ann", "ben", question="And now?"), MAKE)


def test_a_run_that_is_judged_by_labels_of_another_construct_says_so(tmp_path):
    data = Path(shutil.copytree(GOLDEN / "data", tmp_path / "data"))
    edit(data / "dataset.json", targets={"emotions": {"construct": "intended"}})
    said: list[str] = []
    evaluated(GOLDEN / "runs" / "sigmoid", data, said.append, target="emotions")
    assert "across constructs: model learned from evoked labels and is judged by intended ones" in " ".join(said)
