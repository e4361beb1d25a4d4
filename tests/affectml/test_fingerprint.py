"""A run knows its own data again by what they say, and not by the bytes of their files."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectml._files import write_parquet
from affectml.data import Dataset, DatasetMeta, TargetMeta, write_dataset
from affectml.runs import RunFolder
from affectml.training import TrainConfig, train_run
from affectml_annotation import Answer, LabelStore, Task, aggregate
from affectml_annotation.exchange.dataset_folder import Collected, write_dataset_folder

from .checks import GOLDEN, answered, edit, evaluated

ENTRY = TargetMeta("rates", "evoked", "polarity-2", "votes", "targets-t.parquet", "How does it make you feel?")
IDS, FILES = [f"i{k}" for k in range(6)], [f"images/{k}.png" for k in range(6)]
IMAGES = pd.DataFrame({"image_id": IDS, "file": FILES, "split": ["train", "train", "val", "test", "test", None]})
VOTES = pd.DataFrame({"image_id": IMAGES["image_id"], "n": 5, "negative": [0, 1, 2, 3, 4, 5], "positive": 2})


def make(folder: Path, images: pd.DataFrame = IMAGES, votes: pd.DataFrame = VOTES, files: bool = True) -> Dataset:
    (folder / "images").mkdir(parents=True)
    for k in range(6) if files else ():
        (folder / "images" / f"{k}.png").write_bytes(b"x" * k)
    return write_dataset(folder, DatasetMeta("six", {"t": ENTRY}), images, {"t": votes})


def known(before: dict[str, str], after: Dataset) -> bool:
    """What a run that recorded `before` says of `after`; equal digests say the same."""
    assert after.has_fingerprint(before, "t") == (before == after.fingerprint("t"))
    return after.has_fingerprint(before, "t")


def test_the_order_of_rows_and_columns_and_other_columns_change_nothing(tmp_path):
    before = make(tmp_path / "before").fingerprint("t")
    images, votes = IMAGES.assign(brightness=np.arange(6) / 7, group="one"), VOTES.astype({"negative": float})
    assert known(before, make(tmp_path / "after", images.iloc[[3, 0, 5, 1, 4, 2], ::-1], votes.iloc[::-1, ::-1]))


def test_n_once_or_for_every_label_is_the_same(tmp_path):
    votes = VOTES.drop(columns="n").assign(**{"n:negative": 5, "n:positive": 5})
    assert known(make(tmp_path / "a").fingerprint("t"), make(tmp_path / "b", votes=votes))


OTHER_ID = {"image_id": [*IDS[:5], "i6"]}
OTHERWISE = {
    "a vote": ({}, {"negative": [0, 1, 2, 3, 4, 4]}),
    "a count": ({}, {"n": [5, 5, 5, 5, 5, 6]}),
    "a new place in the split": ({"split": ["train", "train", "val", "test", "test", "test"]}, {}),
    "two places in the split": ({"split": ["train", "train", "test", "val", "test", None]}, {}),
    "no split": ({"split": None}, {}),
    "an image_id": (OTHER_ID, OTHER_ID),
    "two images": ({"file": ["images/1.png", "images/0.png", *FILES[2:]]}, {}),
}


def test_one_other_cell_makes_other_data(tmp_path):
    before = make(tmp_path / "before").fingerprint("t")
    after = {cell: make(tmp_path / cell, IMAGES.assign(**i), VOTES.assign(**v)) for cell, (i, v) in OTHERWISE.items()}
    assert [cell for cell, data in after.items() if known(before, data)] == []


def test_images_that_were_left_behind_or_moved_do_not_matter_but_others_do(tmp_path):
    before, without = make(tmp_path / "a").fingerprint("t"), make(tmp_path / "b", files=False)
    assert (sorted(before), sorted(without.fingerprint("t"))) == (["images", "split", "target"], ["split", "target"])
    assert without.has_fingerprint(before, "t")
    moved = make(tmp_path / "c", IMAGES.assign(file=[f"photos/{k}.png" for k in range(6)]))
    (moved.root / "images").rename(moved.root / "photos")
    assert known(before, moved)
    (moved.root / "photos" / "3.png").write_bytes(b"another picture")
    assert not known(before, moved)


def test_nothing_recorded_is_no_data_set(tmp_path):
    data = make(tmp_path / "a")
    for before, target in (({}, "t"), (data.fingerprint("t"), None), (data.fingerprint("t"), "people")):
        assert not data.has_fingerprint(before, target)


def join(folder: Path) -> None:
    """A target from elsewhere, as somebody joins it: another table, another entry."""
    shutil.copy(folder / "targets-emotions.parquet", folder / "targets-more.parquet")
    more = json.loads((folder / "dataset.json").read_text())["targets"]["emotions"] | {"file": "targets-more.parquet"}
    edit(folder / "dataset.json", targets={"more": more})


def export(folder: Path) -> None:
    """What `affectml label export` calls: answers and a target made of them."""
    entry = Dataset.open(folder).meta.targets["emotions"]
    labels, image = entry.resolve_taxonomy().labels, str(Dataset.open(folder).images["image_id"].iloc[0])
    with LabelStore("sqlite://") as store:
        asked = {"question": entry.question, "construct": entry.construct, "taxonomy": entry.taxonomy}
        store.init_task(Task(labels=labels, name="task", **asked), [image])
        store.invite(["someone new"])
        store.submit([Answer(image, "someone new", "labels", labels[:1])])
        done = write_dataset_folder(folder, Collected.of(store), {"people": partial(aggregate, labels=labels)})
    assert done.new == 1


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """A run beside the data it was trained on, which have no split of their own."""
    root = tmp_path_factory.mktemp("own")
    shutil.copytree(GOLDEN / "data", root / "data")
    images = pd.read_parquet(root / "data" / "images.parquet").drop(columns=["split", "group"])
    write_parquet(root / "data" / "images.parquet", images)
    config = TrainConfig(str(root / "data"), multilabel=True, target="emotions", threads=1)
    train_run(config, out=root / "run")
    return root


@pytest.mark.parametrize("change", [join, export])
def test_evaluate_judges_a_runs_own_test_images_whatever_was_added_to_the_data(own, tmp_path, change):
    folder, said = shutil.copytree(own / "data", tmp_path / "data"), []
    change(folder)
    before = RunFolder.open(own / "run").evaluation
    now = evaluated(own / "run", folder, said.append, target="emotions")
    assert (now.facts["split"], now.n, said) == ("test", before.n, [])
    assert now.scores_of("model") == before.scores_of("model")


def test_evaluate_never_judges_what_a_run_has_learned_from(own, tmp_path):
    """Data that are no longer the run's own, with a split that has the run's training images as its test part."""
    parts = answered(RunFolder.open(own / "run")).set_index("image_id")["split"]
    for name, split, judged in [
        ("all of them", None, "unseen"),
        ("another split", parts.replace({"train": "test", "test": "train"}).where(parts != "val", "test"), "test"),
    ]:
        folder, said = shutil.copytree(own / "data", tmp_path / name), []
        votes = pd.read_parquet(folder / "targets-emotions.parquet")
        votes.iloc[0, -1] = int(votes.iloc[0, -1] == 0)
        write_parquet(folder / "targets-emotions.parquet", votes)
        if split is not None:
            split = split.copy()
            split[parts.index[parts == "test"][:9]] = "test"
            images = pd.read_parquet(folder / "images.parquet")
            write_parquet(folder / "images.parquet", images.assign(split=images["image_id"].map(split)))
        now = evaluated(own / "run", folder, said.append, target="emotions")
        learned = int((parts != "test").sum())
        assert (now.facts["split"], now.n) == (judged, 9 if split is not None else len(parts) - learned)
        assert [line for line in said if line.startswith(f"{learned} of ") and "trained or tuned on, and left" in line]
        assert set(now.scores["image_id"]) <= set(parts.index[parts == "test"])
