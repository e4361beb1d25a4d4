"""A class folder per label, and damaged sources."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from affectml.data import Dataset
from affectml.errors import BadInput, UnknownLabel
from affectml.importers import import_emoset, import_emotic, import_folder
from affectml.importers.clip_e import import_clip_e

from .checks import files_of, words
from .fuzz.sources import emoset_folder, emotic_folder, keras_weights, picture


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


BAD_REQUESTS = [
    ({"taxonomy": "mikels-8"}, UnknownLabel, r"folder joy: no label 'joy' in .*mapping={'joy': 'LABEL'}"),
    ({"mapping": {"jooy": "joy"}}, BadInput, r"mapping={'jooy': 'joy'}: no label 'jooy' there; did you mean 'joy'"),
    ({"construct": "felt"}, BadInput, r"construct: no 'felt'"),
    ({"images": "link"}, BadInput, r"images: expected copy or hardlink"),
    ({"mapping": {"fear": "joy"}}, BadInput, r"expected at least two labels, found joy"),
]


@pytest.mark.parametrize(("change", "error", "message"), BAD_REQUESTS)
def test_bad_requests_say_what_was_wanted(classes, tmp_path, change, error, message, refused):
    refused(message, "folder", classes, error, **change)


def test_bad_folders(classes, tmp_path, refused):
    (tmp_path / "empty").mkdir()
    refused("no images in folders below it", "folder", tmp_path / "empty")
    refused("no such folder", "folder", tmp_path / "nowhere")
    refused("is a file, not a folder", "folder", classes / "joy" / "1.jpg")
    before = files_of(tmp_path)
    for out, says in ((classes / "out", "lies inside"), (classes / "joy", "exists and is not empty")):
        with pytest.raises(BadInput, match=says):
            import_folder(classes, out)
    assert files_of(tmp_path) == before


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


# Damaged sources: whatever the bytes, an import works or is one error that the user can mend, and leaves no half


def test_half_of_a_character_in_json_is_refused(tmp_path, refused):
    (file,) = emoset_folder(tmp_path / "in", splits=("train",)).glob("train.json")
    whole = file.read_text()
    file.write_text(whole.replace("_00000.jpg", r"\uD83D.jpg"))
    refused(r"train\.json: not valid JSON \('utf-8' codec can't encode", "emoset", tmp_path / "in")
    file.write_text(whole.replace("_00000.jpg", r"\uD83D\uDE00.jpg"))
    summary = import_emoset(tmp_path / "in", tmp_path / "out", images="none")
    assert summary.images == 1, "both halves are a character"


def test_a_column_of_numbers_that_do_not_fit_stays_text(tmp_path, bring):
    (tmp_path / "t.csv").write_text("file,label,code,year\n0.jpg,joy,1e400,1990\n1.jpg,awe,,\n2.jpg,awe,7,2001\n")
    _, data = bring("table", tmp_path / "t.csv", images="none")
    assert data.images["code"].fillna("-").tolist() == ["1e400", "-", "7"]
    assert data.images["year"].fillna(0).tolist() == [1990, 0, 2001]


def test_parquet_with_bytes_that_are_no_text_is_refused(tmp_path, refused):
    names = pa.array([b"0.jpg", b"\xff.jpg"]).view(pa.string())
    pq.write_table(pa.table({"file": names, "label": ["joy", "awe"]}), tmp_path / "t.parquet")
    refused(r"t\.parquet: not a readable Parquet file", "table", tmp_path / "t.parquet", images="none")


@pytest.mark.parametrize("damage", [(b"SNOD", b"XNOD"), (b"HEAP", b"HELP")])
def test_a_damaged_hdf5_is_refused(tmp_path, damage):
    content = keras_weights(tmp_path / "w.hdf5").read_bytes()
    assert damage[0] in content
    (tmp_path / "w.hdf5").write_bytes(content.replace(*damage))
    with pytest.raises(BadInput, match=r"w\.hdf5: not a readable HDF5 file"):
        import_clip_e(tmp_path / "w.hdf5", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_called_like_the_one_inside_it_is_not_taken_for_it(tmp_path):
    root = emotic_folder(tmp_path / "EMOTIC")
    (root / "Annotations" / "Annotations.mat").rename(root / "Annotations.mat")
    assert import_emotic(root, tmp_path / "out").images == 3


def test_a_small_file_that_unpacks_to_much_is_not_unpacked(tmp_path, monkeypatch, refused):
    monkeypatch.setattr("affectml.importers.embeddings.MOST_UNPACKED", 10**6)
    np.savez_compressed(tmp_path / "f.npz", embedding=np.zeros((10**3, 10**3)), image=np.arange(10**3).astype(str))
    monkeypatch.setattr("numpy.lib.npyio.NpzFile.__getitem__", lambda *_: pytest.fail("unpacked"))
    refused(r"f\.npz: 0\.0 MB that unpack to 0\.0 GB", "embeddings", tmp_path / "f.npz")


def test_a_name_that_is_no_utf_8_is_said(tmp_path, refused):
    for label in ("joy", "fear"):
        picture(tmp_path / "in" / label / "1.png")
    shutil.copy(tmp_path / "in" / "joy" / "1.png", os.fsencode(tmp_path / "in" / "joy") + b"/caf\xe9.png")
    refused(r"caf\\udce9\.png': the name is not UTF-8.*rename the file", "folder", tmp_path / "in")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_a_table_too_wide_for_labels_is_refused_before_it_is_read(tmp_path, refused, suffix):
    names = ["file", *(f"c{at}" for at in range(10_000))]
    file = tmp_path / f"t.{suffix}"
    if suffix == "csv":
        file.write_text(f"{','.join(names)}\n{','.join('1' for _ in names)}\n")
    elif suffix == "json":
        file.write_text(json.dumps([dict.fromkeys(names, 1)]))
    else:
        pq.write_table(pa.table({name: [1] for name in names}), file)
    refused(rf"t.{suffix}: 10,001 columns, and at most 10,000 are read; are they its rows", "table", file)
