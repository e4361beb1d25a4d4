"""Stores and targets joined to a data set that exists: what is there stays, and every image gets its own."""

import contextlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from affectml.cli.import_ import app
from affectml.data import Dataset
from affectml.data.choose import match_images
from affectml.embeddings import EmbeddingStore
from affectml.errors import BadInput, command_line
from affectml.importers import get_importer, import_embeddings, import_table

NAMES = ["anger/7.jpg", "joy/7.jpg", "joy/8.jpg", "awe/9.png"]


def csv(folder: Path, text: str, file: str = "more.csv") -> Path:
    (folder / file).write_text(text)
    return folder / file


def dataset(folder: Path) -> Path:
    """Four images with a label each, without files."""
    first = csv(folder, "file,label\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in NAMES), "first.csv")
    return import_table(first, folder / "mydata", images="none", name="mine").out


def files(folder: Path) -> dict[str, bytes]:
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if not name.endswith(".lock")}


def unchanged(before: dict[str, bytes], folder: Path) -> bool:
    """Whether every file is as it was, and dataset.json says all that it said."""
    now = files(folder)
    old, new = json.loads(before["dataset.json"]), json.loads(now["dataset.json"])
    same = {"targets": new["targets"] | old["targets"], "notes": old["notes"] + new["notes"][len(old["notes"]) :]}
    said = new | same == new == old | {name: new[name] for name in same}
    return said and all(now[name] == content for name, content in before.items() if name != "dataset.json")


@pytest.fixture
def mydata(tmp_path) -> Path:
    return dataset(tmp_path)


@pytest.fixture
def add(tmp_path, mydata):
    """`add(text, **options)`: the summary of a table joined to mydata, and what mydata then is."""

    def run(text: str, file: str = "more.csv", **options):
        return import_table(csv(tmp_path, text, file), mydata, **options), Dataset.open(mydata)

    return run


@pytest.fixture
def refused(add, mydata):
    """`refused(says, text, **options)`: a table that cannot be joined; one line says why, and no file is another."""

    def run(says: str, text: str, **options) -> None:
        before = files(mydata)
        with pytest.raises(BadInput, match=says) as caught:
            add(text, **options)
        assert "\n" not in str(caught.value)
        assert files(mydata) == before

    return run


def test_a_table_of_votes_becomes_a_second_target(mydata, add):
    before, votes = files(mydata), "image,joy,awe,n\njoy/8.jpg,4,2,5\nanger/7.jpg,0,1,5\nsea/1.jpg,5,5,5\n"
    summary, joined = add(votes, construct="evoked", question="What do you feel?", source="a study")
    assert unchanged(before, mydata)
    assert (joined.name, list(joined.meta.targets)) == ("mine", ["single", "rates"])
    rates = joined.target("rates")
    assert (rates.meta.construct, rates.meta.question, rates.meta.source) == ("evoked", "What do you feel?", "a study")
    assert (rates.image_id.tolist(), rates.votes.tolist()) == (["joy/8.jpg", "anger/7.jpg"], [[2, 4], [1, 0]])
    assert summary.skipped["images of more.csv that mydata has not"] == ["sea/1.jpg"]
    assert summary.skipped["images of mydata that more.csv has not"] == ["joy/7.jpg", "awe/9.png"]
    assert summary.added == ("target rates (rates, evoked) of 2 images",)


MEANT = {
    "joy/8.jpg": ["joy/8.jpg", "images/joy/8.jpg", "8.jpg", "8"],
    "awe/9.png": ["awe/9", "awe/9.webp"],
    "joy/7.jpg": ["/home/me/photos/joy/7.jpg", "C:\\photos\\joy\\7.jpg"],
    None: ["awe/9.2", "fear/8.jpg", "10.jpg"],
}


def test_a_name_means_the_image_whose_path_ends_so():
    for image, names in MEANT.items():
        for name in names:
            (row,) = match_images(pd.DataFrame({"image_id": NAMES}), [[name]], "more.csv")
            assert (NAMES[row] if row >= 0 else None) == image, name


def test_ids_of_another_kind_are_found_by_file_and_url():
    files, urls = ["images/x/1.jpg", "images/2.jpg", None], [None, None, "http://c/3.jpg"]
    images = pd.DataFrame({"image_id": ["a", "b", "c"], "file": files, "url": urls})
    names = [["x/1.jpg"], ["nowhere", "2.jpg"], ["http://c/3.jpg"], ["b"]]
    with pytest.raises(BadInput, match="'nowhere' and 'b' are both image 'b' of the data set"):
        match_images(images, names, "more.csv")
    assert match_images(images, names[:3], "more.csv").tolist() == [0, 1, 2]


def test_a_name_that_could_be_two_images_or_none_names_both_sides(refused):
    both = r"'7\.jpg' could be image 'anger/7\.jpg' or 'joy/7\.jpg' of the data set"
    refused(both, "image,joy,awe\n7.jpg,.5,.5\n")
    none = r"none of its 1 images is in .*first: 'sea\.jpg'; there: 'anger/7\.jpg'"
    refused(none, "image,label\nsea.jpg,joy\n", taxonomy="ekman-6")


PART = st.text("abc", min_size=1, max_size=2)
PATHS = st.lists(st.lists(PART, min_size=1, max_size=3).map("/".join), min_size=1, max_size=6, unique=True)


@given(paths=PATHS, above=st.lists(PART, max_size=2), data=st.data())
def test_every_image_is_found_by_its_id_and_below_any_folder(paths, above, data):
    images = pd.DataFrame({"image_id": [f"{path}.jpg" for path in paths]})
    order = data.draw(st.permutations(range(len(paths))))
    assert match_images(images, [[f"{paths[row]}.jpg"] for row in order], "t").tolist() == order
    rooted = pd.DataFrame({"image_id": [f"ROOT/{path}.jpg" for path in paths]})
    names = [["/".join([*above, "ROOT", f"{paths[row]}.png"])] for row in order]
    assert match_images(rooted, names, "t").tolist() == order


def test_a_target_of_that_name_stays_and_the_way_out_works(mydata, tmp_path, refused):
    before, more = files(mydata), "image,label\njoy/8.jpg,joy\nanger/7.jpg,awe\n"
    refused(r"has a target 'single' already \(single, evoked\).*: target='NAME'", more)
    with command_line():
        refused("--target NAME", more)
    words = ["table", str(tmp_path / "more.csv"), str(mydata), "--target", "people"]
    shown = CliRunner().invoke(app, words, catch_exceptions=False)
    assert "target people (single, evoked) of 2 images" in shown.output
    assert unchanged(before, mydata)
    refused("no name of a target", more, target="a/b")
    with pytest.raises(BadInput, match="no labels in it, so there is no target to call target='x'"):
        import_embeddings(npz(tmp_path, NAMES[:2]), mydata, target="x")


def npz(folder: Path, names: list[str], file: str = "clip.npz", **content) -> Path:
    rows = np.arange(len(names) * 3, dtype=np.float32).reshape(len(names), 3)
    np.savez(folder / file, **{"image": np.array(names), "embedding": rows, **content})
    return folder / file


def test_embeddings_join_as_a_store_of_their_own(mydata, tmp_path):
    before = files(mydata)
    file = npz(tmp_path, ["x/joy/7.jpg", "x/awe/9.jpg", "x/sea.jpg"], valence=np.array([1.0, 2, 3]))
    summary = get_importer("embeddings")(file, mydata)
    del before["images.parquet"]
    assert {name: content for name, content in files(mydata).items() if name in before} == before
    valence = Dataset.open(mydata).images.set_index("image_id")["valence"]
    assert valence.dropna().to_dict() == {"joy/7.jpg": 1.0, "awe/9.png": 2.0}
    store = EmbeddingStore.for_dataset(Dataset.open(mydata))
    assert (store.folder.name, store.ids.tolist()) == ("imported-clip", ["joy/7.jpg", "awe/9.png"])
    assert store.rows(["awe/9.png"]).tolist() == [[3, 4, 5]]
    assert summary.skipped["images of clip.npz that mydata has not"] == ["x/sea.jpg"]
    assert "column valence of 2 images" in summary.added
    with pytest.raises(BadInput, match="has embeddings 'imported-clip' already, and they stay.*name='NAME'"):
        import_embeddings(file, mydata)
    import_embeddings(file, mydata, name="again")
    assert EmbeddingStore.for_dataset(Dataset.open(mydata), "imported-again").ids.tolist() == store.ids.tolist()
    assert not [path for path in mydata.iterdir() if path.name.startswith(".joining")]


def test_single_judgements_are_merged_by_another_command(refused):
    says = r"more.csv: each row is one person's judgement; .* merged into .*mydata by `affectml label import`"
    refused(says, "image,annotator,label,round\njoy/8.jpg,ann,joy,1\njoy/8.jpg,bob,awe;joy,1\n")


def test_stopped_before_any_step_the_old_state_stays_and_the_next_try_ends_well(mydata, tmp_path, monkeypatch):
    """Every file takes its place by one rename or link: the join is stopped before the first, the second, and so on."""
    file = npz(tmp_path, NAMES, shares=np.array([[1, 0], [0, 1], [1, 0], [0, 1]]), labels=np.array(["joy", "awe"]))
    rename, link = Path.replace, os.link
    for stop in range(20):
        folder = shutil.copytree(mydata, tmp_path / f"try-{stop}")
        before, done = files(folder), 0

        def counted(path, target, stop=stop, do=rename):
            nonlocal done
            done += 1
            if done > stop:
                raise KeyboardInterrupt
            return do(path, target)

        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr(Path, "replace", counted)
            patch.setattr(os, "link", partial(counted, do=link))
            import_embeddings(file, folder)
        if done > stop:
            assert {name: content for name, content in files(folder).items() if name in before} == before
            assert list(Dataset.open(folder).meta.targets) == ["single"]
            import_embeddings(file, folder)
        assert list(Dataset.open(folder).meta.targets) == ["single", "distribution"]
        assert len(EmbeddingStore.for_dataset(Dataset.open(folder)).ids) == 4
        if done <= stop:
            break
    assert stop >= 6  # the store's files and folder, the target, dataset.json


def test_two_joins_at_once_both_end_up_there(mydata, tmp_path):
    more = csv(tmp_path, "image,joy,awe,n\njoy/8.jpg,4,2,5\n")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: import_table(more, mydata, target=name), ["t0", "t1", "t2", "t3"]))
    assert set(Dataset.open(mydata).meta.targets) == {"single", "t0", "t1", "t2", "t3"}


SPLIT = {"anger/7.jpg": "train", "joy/7.jpg": "train", "joy/8.jpg": "train", "awe/9.png": "test"}
ROWS = "image,joy,awe,n,split,group,age\n" + "".join(
    f"{name},1,2,4,{split},{name[:3]},{at}\n" for at, (name, split) in enumerate(SPLIT.items())
)


def test_columns_and_the_split_come_in_whatever_is_imported_first(tmp_path):
    """The features say no split, or the same, or one whose val is cut already: the test images are the table's."""
    table, said = csv(tmp_path, ROWS), {}
    alone = npz(tmp_path, NAMES)
    for features in (alone, npz(tmp_path, NAMES, "same.npz", split=np.array(list(SPLIT.values())))):
        for order in ("features first", "table first"):
            mydata = tmp_path / f"{features.stem}, {order}"
            steps = [lambda: import_embeddings(features, mydata), lambda: import_table(table, mydata, images="none")]  # noqa: B023
            for step in steps if order == "features first" else steps[::-1]:
                step()
            joined = Dataset.open(mydata).images.set_index("image_id")
            assert joined[["age", "group"]].to_numpy().tolist() == [[0, "ang"], [1, "joy"], [2, "joy"], [3, "awe"]]
            said[mydata.name] = joined["split"].replace("val", "train").to_dict()
    assert all(split == SPLIT for split in said.values()), said


def test_a_split_whose_val_is_cut_goes_on_from_one_without(tmp_path):
    whole = {**SPLIT, "joy/8.jpg": "val"}
    for first, second in ((SPLIT, whole), (whole, SPLIT)):
        mydata = tmp_path / "-".join(first.values())
        for number, split in enumerate((first, second)):
            lines = "".join(f"{name},1,2,4,{part}\n" for name, part in split.items())
            table = csv(tmp_path, f"image,joy,awe,n,split\n{lines}")
            import_table(table, mydata, images="none", target=f"t{number}")
        assert Dataset.open(mydata).images.set_index("image_id")["split"].to_dict() == whole


@pytest.mark.parametrize("column", ["split", "group"])
def test_two_splits_are_an_error_and_the_way_out_works(add, refused, column):
    add(ROWS)
    other = ROWS.replace("train,joy", "test,sea" if column == "split" else "train,sea")
    says = (
        rf"more.csv: {column} of image 'joy/7.jpg' is '(test|sea)', and '(train|joy)' in .*mydata \(2 images differ\), "
        rf"where all targets share one: import it to a new folder, or rename the column {column} to keep"
    )
    refused(says, other, target="again")
    _, joined = add(other.replace(",split,group", ",theirs,groups"), target="again")
    assert joined.images["split"].tolist() == list(SPLIT.values())
    assert list(joined.meta.targets) == ["single", "rates", "again"]


def test_gaps_of_a_split_are_filled_and_whole_numbers_stay_whole(mydata, add):
    add("image,label,split\nanger/7.jpg,anger,train\njoy/7.jpg,joy,\n", target="t")
    summary, joined = add("image,joy,awe,n,split,age\njoy/7.jpg,1,2,4,test,3\n")
    assert joined.images["split"].fillna("").tolist() == ["train", "test", "", ""]
    assert pq.read_schema(mydata / "images.parquet").field("age").type == "int64"
    assert {"column split of 1 images", "column age of 1 images"} <= set(summary.added)


def test_a_column_that_no_data_set_can_have_is_refused_before_anything_is_written(refused):
    says = "column content_warning: expected texts, got int64; rename the column"
    refused(says, "image,label,content_warning\njoy/7.jpg,joy,3\nawe/9.png,awe,4\n", target="again")
