"""The data set folder: what is read back, and what is refused with the row named."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectml._files import new_folder, replacing, write_json
from affectml.data import Dataset, DatasetMeta, TargetMeta, check_new, write_dataset
from affectml.errors import BadDataset, BadInput, UnknownLabel

from .edited import edit

LABELS = ["negative", "positive"]


def write(folder: Path, content: dict[str, list[object]], kind: str, values: str, **more: object) -> Dataset:
    table = pd.DataFrame({"image_id": [f"i{k}" for k in range(len(next(iter(content.values()))))], **content})
    images = table[["image_id"]].assign(file=[f"images/{i}.png" for i in table["image_id"]])
    entry = TargetMeta(kind, "evoked", "polarity-2", values, "targets-t.parquet", **more)
    return write_dataset(folder, DatasetMeta(name="small", targets={"t": entry}), images, {"t": table})


@pytest.fixture
def data(tmp_path) -> Dataset:
    """One image with a set of labels."""
    (tmp_path / "set").mkdir()
    return write(tmp_path / "set", {"negative": [1], "positive": [0]}, "sets", "indicator")


def test_votes_become_rates_and_stay_integers(tmp_path):
    data = write(tmp_path, {"n": [4, 2], "negative": [1, 0], "positive": [4, 0]}, "rates", "votes")
    targets = data.target("t")
    assert targets.votes.tolist() == [[1, 4], [0, 0]]
    assert targets.shares().tolist() == [[0.25, 1.0], [0.0, 0.0]]
    assert targets.people.tolist() == [[4, 4], [2, 2]]


def test_n_may_differ_by_label(tmp_path):
    content = {"n:negative": [4, 2], "n:positive": [8, 1], "negative": [1, 0], "positive": [4, 1]}
    targets = write(tmp_path, content, "rates", "votes").target("t")
    assert targets.shares().tolist() == [[0.25, 0.5], [0.0, 1.0]]


def test_rounded_shares_are_made_to_sum_to_one_exactly(tmp_path):
    content = {"negative": [0.3333, 0.5], "positive": [0.6666, 0.5]}
    targets = write(tmp_path, content, "distribution", "shares", vote_rule="unknown").target("t")
    assert np.abs(targets.shares().sum(axis=1) - 1).max() < 1e-15


@pytest.mark.parametrize(
    ("kind", "values", "more", "content", "says"),
    [
        ("distribution", "shares", {"vote_rule": "unknown"}, {"negative": [0.5, 0.5], "positive": [0.5, 0.7]}, "'i1'"),
        ("rates", "shares", {}, {"negative": [0.5, float("nan")], "positive": [0.5, 0.7]}, "'i1'"),
        ("rates", "shares", {}, {"negative": [1.5, 0.1], "positive": [0.5, 0.7]}, "'i0'.*above 1"),
        ("rates", "votes", {}, {"n": [3, 3], "negative": [4, 0], "positive": [0, 0]}, "'i0'.*more votes"),
        ("rates", "votes", {}, {"negative": [4, 0], "positive": [0, 0]}, "column n"),
        ("rates", "votes", {}, {"n": [3, 0], "negative": [1, 0], "positive": [0, 0]}, "'i1'.*n = 0"),
        ("single", "indicator", {}, {"negative": [1, 1], "positive": [0, 1]}, "'i1'.*one label"),
        ("sets", "indicator", {}, {"negative": [1, 0.5], "positive": [0, 1]}, "'i1'.*0 or 1"),
        ("rates", "shares", {}, {"negative": [0.5, 0.1]}, "'positive'"),
    ],
)
def test_a_bad_table_is_refused_with_the_row_named(tmp_path, kind, values, more, content, says):
    with pytest.raises(BadDataset, match=says):
        write(tmp_path, content, kind, values, **more)


def test_an_unknown_label_names_the_nearest(tmp_path):
    with pytest.raises(UnknownLabel, match=r"targets-t.parquet.*'positiv'.*did you mean 'positive'"):
        write(tmp_path, {"negative": [1], "positive": [0], "positiv": [1]}, "sets", "indicator")


def test_dataset_json_with_an_unknown_key_is_refused(data):
    edit(data.root / "dataset.json", licens="CC0")
    with pytest.raises(BadDataset, match="licens"):
        Dataset.open(data.root)


def test_a_file_is_not_a_data_set(tmp_path):
    (tmp_path / "labels.csv").write_text("x")
    with pytest.raises(BadDataset, match=r"is a file.*affectml import table"):
        Dataset.open(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        ("split", "dev", "'i0'.*'dev'"),
        ("content_warning", True, "'i0': content_warning .* is no text"),
        ("content_warning", "Blood\0", "'i0': content_warning .* is no text"),
    ],
)
def test_a_cell_that_no_column_of_its_name_holds_is_refused(data, column, cell, says):
    data.images.assign(**{column: cell}).to_parquet(data.root / "images.parquet")
    with pytest.raises(BadDataset, match=says):
        _ = Dataset.open(data.root).images


@pytest.mark.parametrize("file", ["../secret.png", "/etc/passwd", "a/../../b.png", "C:/x.png", "link.png"])
def test_no_path_or_link_leaves_the_data_sets_folder(tmp_path, data, file):
    (tmp_path / "secret.png").write_bytes(b"x")
    (data.root / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(BadDataset, match="leaves"):
        data.image_path(file)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out") as folder:
        (folder / "half").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


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


def test_a_folder_with_something_in_it_is_not_written_over(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(BadInput, match="not empty"):
        check_new(tmp_path)


def test_a_data_set_is_never_written_over(tmp_path):
    write(tmp_path, {"n": [4, 2], "negative": [1, 0], "positive": [4, 0]}, "rates", "votes")
    with pytest.raises(BadInput, match="is a data set already; nothing was written"):
        write(tmp_path, {"n": [1], "negative": [1], "positive": [0]}, "rates", "votes")
    assert Dataset.open(tmp_path).target("t").n.tolist() == [4, 2]
