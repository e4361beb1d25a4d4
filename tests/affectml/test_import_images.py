"""Photographs that nobody has labelled yet."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from affectml.data import Dataset
from affectml.errors import BadDataset, BadInput
from affectml.importers import import_embeddings, import_images, import_table
from affectml.importers.images import add_images, name_images
from affectml.importers.images import images as importer
from affectml.people.labelling import asked_of, taxonomy_of
from affectml.taxonomies import get_taxonomy
from affectml.training import TrainConfig, plan_run

from .fuzz.sources import text


def picture(path: Path, shade: int = 30, width: int = 5) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, 5), (10, 200, shade)).save(path)


@pytest.fixture
def photos(tmp_path):
    for shade, name in enumerate(("lake.jpg", "2019/rome/1.JPG", "2019/rome/1.png", "2020/1.webp")):
        picture(tmp_path / "photos" / name, shade)
    return tmp_path / "photos"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_an_image_is_called_by_its_path_without_the_suffix_unless_two_would_be(photos, out):
    picture(photos / "images/lake.jpg")  # a folder called images is one like any other
    images = import_images(photos, out).images.set_index("image_id")["file"]
    rome = {name: name for name in ("2019/rome/1.JPG", "2019/rome/1.png")}
    ids = {"lake": "lake.jpg", "2020/1": "2020/1.webp", "images/lake": "images/lake.jpg", **rome}
    assert images.to_dict() == {name: f"images/{file}" for name, file in ids.items()}
    assert (out / "images/2020/1.webp").read_bytes() == (photos / "2020/1.webp").read_bytes()


NAMED = [
    (["a.jpg", "a.jpg.png"], (), ["a", "a.jpg"]),
    (["a.jpg", "a.png", "a.jpg.png"], (), ["a.jpg", "a.png", "a.jpg.png"]),
    (["a.png"], {"a"}, ["a.png"]),
    (["a.b.png"], (), ["a.b"]),
]


@pytest.mark.parametrize(("files", "taken", "ids"), NAMED)
def test_ids_are_unlike_each_other_and_those_taken(files, taken, ids):
    assert name_images(files, taken) == ids


def test_what_is_not_an_image_is_listed_and_left_out(photos, tmp_path, out, refused):
    (photos / "broken.jpg").write_text("no image")
    (photos / "raw.heic").write_bytes(b"x")
    picture(tmp_path / "elsewhere" / "secret.jpg")
    links = {"link.jpg": "elsewhere/secret.jpg", "inner.jpg": "photos/lake.jpg", "linked": "elsewhere"}
    for link, target in links.items():
        (photos / link).symlink_to(tmp_path / target)
    (photos / os.fsdecode(b"caf\xe9.jpg")).write_bytes((photos / "lake.jpg").read_bytes())
    summary = importer(photos, out)
    assert summary.skipped == {
        "images: not an image": [str(photos / "broken.jpg")],
        "files that are not images by their suffix": [str(photos / "raw.heic")],
        "links that leave the folder": [str(photos / "link.jpg")],
        "links to folders, which are not followed": [str(photos / "linked")],
        "files: the name is not UTF-8": ["caf\ufffd.jpg"],
    }
    assert summary.images == 5
    assert not (out / "images/inner.jpg").is_symlink()
    refused(r"broken.jpg: not an image.*nothing was written", "images", photos, strict=True)


def test_a_folder_without_images_says_what_it_has(tmp_path, refused):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.heic").write_bytes(b"x")
    refused(r"no images in it or below it, 1 other files; expected .*\.jpg", "images", tmp_path / "in")
    (tmp_path / "in/a.jpg").write_bytes(b"x")
    refused(r"none of its 1 images can be used .*: name a folder of photographs$", "images", tmp_path / "in")


def test_images_of_one_folder_can_be_kept_together(photos, out):
    groups = import_images(photos, out, group_by="folder").images.set_index("image_id")["group"]
    rome = dict.fromkeys(["2019/rome/1.JPG", "2019/rome/1.png"], "2019/rome")
    assert groups.dropna().to_dict() == {**rome, "2020/1": "2020"}


def test_the_labels_and_the_question_are_kept_for_whoever_labels(photos, tmp_path, out):
    dataset = import_images(photos, out, taxonomy="mikels-8", construct="expressed", question="What do they feel?")
    assert (taxonomy_of(dataset).name, *asked_of(dataset)) == ("mikels-8", "expressed", "What do they feel?")
    import_table(text(tmp_path / "more.csv", "file,emotion", "lake.jpg,joy", "2020/1.webp,sad"), out)
    assert taxonomy_of(Dataset.open(out)).name == "mikels-8"
    assert taxonomy_of(Dataset.open(out), "single").labels == ("joy", "sad")


JOINED = [
    ("file,emotion\nlake.jpg,Awe\n2020/1.webp,fear\n", "mikels-8"),
    ("file,emotion\nlake.jpg,awe\n2020/1.webp,joy\n", "more-labels"),
    ("file,awe,fear\nlake.jpg,3,1\n2020/1.webp,0,4\n", "more-labels"),  # nobody could choose the other six
    (f"file,{','.join(get_taxonomy('mikels-8').labels)}\nlake.jpg,1,1,0,1,1,0,2,0\n", "mikels-8"),
]


@pytest.mark.parametrize(("content", "taxonomy"), JOINED)
def test_labels_that_are_joined_are_the_data_sets_own_where_they_fit(photos, tmp_path, out, content, taxonomy):
    import_images(photos, out, taxonomy="mikels-8")
    import_table(text(tmp_path / "more.csv", content), out)
    assert {entry.resolve_taxonomy().name for entry in Dataset.open(out).meta.targets.values()} == {taxonomy}


def test_a_label_of_embeddings_that_are_joined_is_the_data_sets_own(photos, tmp_path, out):
    import_images(photos, out, taxonomy="mikels-8")
    np.savez(tmp_path / "clip.npz", image=["lake", "2020/1"], embedding=np.eye(2), label=["awe", "fear"])
    assert import_embeddings(tmp_path / "clip.npz", out).target("single").taxonomy.name == "mikels-8"


def test_what_needs_a_target_says_how_to_get_one(photos, out):
    dataset = import_images(photos, out)
    assert "taxonomy" not in json.loads((out / "dataset.json").read_text())
    with pytest.raises(BadDataset, match=r"nothing says which labels there are; name a taxonomy: .*mikels-8"):
        taxonomy_of(dataset)
    ways = r"no target yet.*`affectml label --on .*--taxonomy NAME`.*`affectml label export.*`affectml import table"
    for ask, what in ((plan_run, TrainConfig(dataset=str(out), multilabel=True)), (dataset.target, "labels")):
        with pytest.raises(BadDataset, match=ways):
            ask(what)


def test_new_photographs_are_added_and_nothing_else_changes(photos, out):
    before = import_images(photos, out).images.assign(rating=[1, 2, 3, 4], good=True)
    before.to_parquet(out / "images.parquet")
    picture(photos / "2021/sea.jpg", 77)
    picture(photos / "lake.png", 78)
    picture(photos / "2020/1.webp", 9, width=90)
    (photos / "2019/rome/1.png").unlink()
    (photos / "broken.jpg").write_text("no image")
    (out / ".new-killed").mkdir()
    added = add_images(photos, Dataset.open(out), how="hardlink")
    assert (added.ids, added.changed) == (("2021/sea", "lake.png"), ("2020/1",))
    assert added.skipped == {"images: not an image": [str(photos / "broken.jpg")]}
    after = Dataset.open(out).images
    pd.testing.assert_frame_equal(after.iloc[:4][list(before)], before, check_dtype=False)
    assert str(after["rating"].dtype) == "Int64"
    assert (out / "images/2021/sea.jpg").samefile(photos / "2021/sea.jpg")
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []
    (photos / "broken.jpg").unlink()
    assert add_images(photos, Dataset.open(out)).ids == ()
    pd.testing.assert_frame_equal(Dataset.open(out).images, after)


def test_what_the_table_of_images_holds_by_now_is_kept_when_photographs_are_added(photos, out):
    opened = import_images(photos, out)
    table = pq.read_table(out / "images.parquet").append_column("visits", pa.array([1, None, 2**53 + 1, 4]))
    table = table.set_column(table.column_names.index("file"), "file", table["file"].dictionary_encode())
    pq.write_table(table.append_column("sha256", pa.array(["ab"] * 4)), out / "images.parquet")  # by a download, say
    picture(photos / "sea.jpg", 77)
    add_images(photos, opened)
    there = pq.read_table(out / "images.parquet")
    assert there["visits"].to_pylist() == [1, None, 2**53 + 1, 4, None]
    assert there["sha256"].to_pylist() == ["ab"] * 4 + [None]
    assert there.schema.field("file") == table.schema.field("file")


def test_another_folder_of_the_same_name_is_refused(photos, tmp_path, out):
    dataset = import_images(photos, out)
    picture(tmp_path / "other/photos/lake.jpg", 200, width=40)
    for other, says in (("other/photos", "holds none of the images in .*; name another"), ("no", "no such folder")):
        with pytest.raises(BadInput, match=says):
            add_images(tmp_path / other, dataset)
    assert len(Dataset.open(out).images) == 4
