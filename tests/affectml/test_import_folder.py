"""A class folder per label."""

import os
from pathlib import Path

import pytest

from affectml.data import Dataset
from affectml.errors import BadInput, UnknownLabel
from affectml.importers import import_folder

from .checks import words
from .fuzz.sources import picture


@pytest.fixture
def laid(tmp_path):
    """`laid(*files)`: the folder `in` with pictures of these names."""

    def lay(*files: str) -> Path:
        for file in files:
            picture(tmp_path / "in" / file)
        return tmp_path / "in"

    return lay


@pytest.fixture
def classes(laid):
    return laid("joy/1.jpg", "joy/deep/er/2.PNG", "fear/1.jpg")


def labels_of(out: Path) -> dict[str, set[str]]:
    return words(Dataset.open(out).target("single"))


def test_nested_images_belong_to_the_top_folder_and_the_rest_is_counted(classes, tmp_path):
    (classes / "joy" / "notes.txt").write_text("hello")
    (classes / "readme.md").write_text("hello")
    (classes / "joy" / ".hidden.jpg").write_text("")
    (classes / "awe").mkdir()
    summary = import_folder(classes, tmp_path / "out")
    expected = {"joy/1.jpg": {"joy"}, "joy/deep/er/2.PNG": {"joy"}, "fear/1.jpg": {"fear"}}
    assert labels_of(tmp_path / "out") == expected
    assert {reason: len(names) for reason, names in summary.skipped.items()} == {
        "files that are not images by their suffix or lie in no label's folder": 2,
        "folders without images": 1,
    }
    assert summary.construct == "query"
    assert (tmp_path / "out/images/joy/deep/er/2.PNG").read_bytes() == (classes / "joy/deep/er/2.PNG").read_bytes()


def test_split_folders_are_kept(laid, tmp_path):
    root = laid("train/joy/1.jpg", "train/fear/2.jpg", "validation/joy/3.jpg", "test/fear/4.jpg")
    summary = import_folder(root, tmp_path / "out")
    assert (summary.splits, summary.labels) == ({"train": 2, "val": 1, "test": 1}, ("fear", "joy"))


def test_folders_map_to_labels_of_a_taxonomy_whatever_their_capitals(laid, tmp_path):
    root, mapping = laid("Happy/1.jpg", "Delight/2.jpg", "Fear/1.jpg"), {"Happy": "joy", "Delight": "joy"}
    summary = import_folder(root, tmp_path / "out", taxonomy="ekman-6", mapping=mapping)
    assert list(labels_of(tmp_path / "out").values()) == [{"joy"}, {"fear"}, {"joy"}]
    assert any("never occur: anger" in note for note in summary.notes)


def test_a_file_that_is_no_image_is_left_out_and_named(classes, tmp_path, refused):
    (classes / "joy" / "broken.jpg").write_text("not an image")
    (classes / "joy" / "empty.jpg").touch()
    os.mkfifo(classes / "joy" / "pipe.jpg")
    summary = import_folder(classes, tmp_path / "out")
    assert summary.images == 3
    why = {"broken": "not an image", "empty": "empty file", "pipe": "a pipe (FIFO), not a file"}
    assert summary.skipped == {f"images: {says}": [f"{classes}/joy/{name}.jpg"] for name, says in why.items()}
    refused(r"3 of 6.*broken.jpg: not an image", "folder", classes, strict=True)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"taxonomy": "mikels-8"}, UnknownLabel, r"folder joy: no label 'joy' in .*mapping={'joy': 'LABEL'}"),
        ({"mapping": {"jooy": "joy"}}, BadInput, r"mapping={'jooy': 'joy'}: no label 'jooy' there; did you mean 'joy'"),
        ({"construct": "felt"}, BadInput, r"construct: no 'felt'"),
        ({"images": "link"}, BadInput, r"images: expected copy or hardlink"),
        ({"mapping": {"fear": "joy"}}, BadInput, r"expected at least two labels, found joy"),
    ],
)
def test_bad_requests_say_what_was_wanted(classes, tmp_path, change, error, message, refused):
    refused(message, "folder", classes, error, **change)


def test_bad_folders(classes, tmp_path, refused):
    (tmp_path / "empty").mkdir()
    refused("no images in folders below it", "folder", tmp_path / "empty")
    refused("no such folder", "folder", tmp_path / "nowhere")
    refused("is a file, not a folder", "folder", classes / "joy" / "1.jpg")
    with pytest.raises(BadInput, match="lies inside"):
        import_folder(classes, classes / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(BadInput, match="exists and is not empty"):
        import_folder(classes, tmp_path / "full")
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["x"]


@pytest.mark.parametrize("link", ["awe/linked.jpg", "awe/linked", "anger"])
@pytest.mark.parametrize("name", ["folder", "fi"])
def test_a_link_out_of_the_folder_is_refused_by_name(laid, tmp_path, refused, name, link):
    laid("awe/1.jpg", "fear/1.jpg", "../elsewhere/1.jpg")
    (tmp_path / "in" / link).symlink_to(tmp_path / "elsewhere" / ("1.jpg" if link.endswith(".jpg") else ""))
    says = rf"in/{link}: a link out of .*/in; put what it leads to in its place, or take it away"
    refused(says, name, tmp_path / "in")


@pytest.mark.parametrize("link", ["away", "1.jpg"])
def test_a_table_whose_images_lie_behind_a_link_out_of_their_folder_is_refused(laid, tmp_path, refused, link):
    laid("2.jpg", "../elsewhere/1.jpg")
    (tmp_path / "in" / link).symlink_to(tmp_path / "elsewhere" / ("1.jpg" if link == "1.jpg" else ""))
    name = link if link == "1.jpg" else f"{link}/1.jpg"
    (tmp_path / "in" / "table.csv").write_text(f"file,label\n{name},joy\n2.jpg,fear\n")
    refused(rf"line 2: '{name}' leads out of .*/in by a link", "table", tmp_path / "in" / "table.csv")


def test_a_link_within_the_folder_is_followed(classes, tmp_path):
    (classes / "fear" / "again.jpg").symlink_to(classes / "joy" / "1.jpg")
    import_folder(classes, tmp_path / "out")
    assert labels_of(tmp_path / "out")["fear/again.jpg"] == {"fear"}
    assert not (tmp_path / "out/images/fear/again.jpg").is_symlink()


def test_a_link_of_a_split_out_of_the_folder_is_refused_by_name(laid, tmp_path, refused):
    root = laid("train/awe/1.jpg", "train/fear/1.jpg", "../elsewhere/awe/1.jpg")
    (root / "test").symlink_to(tmp_path / "elsewhere")
    refused(r"in/test/awe: a link out of .*/in", "folder", root)
